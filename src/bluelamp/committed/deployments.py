"""Who was sent to each incident, and for how long."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from bluelamp.committed.presses import ATTENDING, seconds_between

# Presses further apart than this, over all units, are a hole in the log: it says nothing of incidents in it.
_HOLE = timedelta(hours=6)
# A status log that names fewer of the incidents than this tells nothing of the others.
_TELLS_INCIDENTS = 0.05
_MERGES_FOLLOWED = 3
_ENDS_ASSUMED = ("clear_after_usual_time", "book_off_missed")


def measure_deployments(attendances: pl.DataFrame, incidents: pl.DataFrame) -> pl.DataFrame:
    """Say of each incident who was sent and for how long, as columns that `incidents` prefers to the log's own times.

    `incident_id`; `was_deployed` (1, 0, or null where the status log says nothing of that time); `units_sent`
    (different units); `unit_seconds`, a unit: from the way there, else the scene, to free again, all times that it came
    together, with neither write-up nor long commitments; `write_up_seconds` and `long_seconds` of all units together.
    `unit_seconds` is null where a unit was still there at the moment of the extract, or its end is assumed; in the
    first case `seconds_so_far` has the same as it stood then. What was
    done at a log that was merged into another is counted there. A log that ran while nobody pressed anything for six
    hours, or a status log that names hardly any incident, tells nothing of incidents without a unit.
    """
    target = incidents.filter(pl.col("merged_into").is_not_null()).select("incident_id", "merged_into")
    stage, seconds = pl.col("stage"), seconds_between("starts_at", "ends_at")
    write_up, is_long = stage == "write_up", pl.col("is_long")
    is_assumed = pl.col("ended_by").is_in(_ENDS_ASSUMED).fill_null(value=False)
    at_incidents = attendances.lazy().filter(pl.col("incident_id").is_not_null() & stage.is_in(ATTENDING))
    for _ in range(_MERGES_FOLLOWED):
        at_incidents = at_incidents.join(target.lazy(), on="incident_id", how="left").with_columns(
            incident_id=pl.coalesce("merged_into", "incident_id")
        ).drop("merged_into")  # fmt: skip
    sent = (
        at_incidents.group_by("incident_id", "unit_id")
        .agg(
            ordinary=seconds.filter(~write_up & ~is_long).sum(),
            write_up=seconds.filter(write_up).sum(),
            long=seconds.filter(~write_up & is_long).sum(),
            is_open=pl.col("is_open").any(),
            is_assumed=is_assumed.any(),
        )
        .group_by("incident_id")
        .agg(
            units_sent=pl.len().cast(pl.Int64),
            ordinary=pl.col("ordinary").sum(),
            write_up_seconds=pl.col("write_up").sum(),
            long_seconds=pl.col("long").sum(),
            is_open=pl.col("is_open").any(),
            is_assumed=pl.col("is_assumed").any(),
        )
    )
    joined = incidents.lazy().select("incident_id", "received_at", "status").join(
        sent, on="incident_id", how="left", maintain_order="left"
    ).collect()  # fmt: skip
    is_covered = _covered(attendances, joined["received_at"])
    named = joined["units_sent"].is_not_null()
    tells = int((named & is_covered).sum()) >= max(_TELLS_INCIDENTS * int(is_covered.sum()), 1)
    each = pl.col("ordinary") // pl.col("units_sent")
    says_nobody = is_covered & (joined["status"] != "open").fill_null(value=True) & tells
    return joined.select(
        "incident_id",
        was_deployed=pl.when(pl.col("units_sent").is_not_null()).then(1).when(says_nobody).then(0).cast(pl.Int64),
        units_sent="units_sent",
        unit_seconds=pl.when(~pl.col("is_open") & ~pl.col("is_assumed")).then(each),
        seconds_so_far=pl.when(pl.col("is_open") & ~pl.col("is_assumed")).then(each),
        write_up_seconds="write_up_seconds",
        long_seconds="long_seconds",
    )


def _covered(attendances: pl.DataFrame, received: pl.Series) -> pl.Series:
    """Say of each moment whether the status log was running: some unit began something less than six hours apart."""
    begun = attendances.select(at=pl.col("starts_at").sort()).with_columns(
        next_at=pl.col("at").shift(-1), previous_at=pl.col("at")
    )
    near = received.to_frame("received_at").with_row_index().sort("received_at")
    near = near.join_asof(begun, left_on="received_at", right_on="at", strategy="backward").sort("index")
    return near.select((pl.col("next_at") - pl.col("previous_at") <= _HOLE).fill_null(value=False)).to_series()
