"""The moment of the extract: who is committed, and what is open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from bluelamp import tables
from bluelamp.committed.presses import ATTENDING
from bluelamp.committed.remaining import expect_minutes_left
from bluelamp.pools import UNKNOWN_AREA

# Ages at which a row of open logs begins, in minutes: 1, 4, 24 hours, 7 days.
AGES = (0, 60, 240, 1440, 10080)
NO_GRADE = "none"


@dataclass(frozen=True)
class OpenNow:
    """What a near-term view starts from.

    `units`: those that have a status: `unit_id`, `pool_id`, `incident_id`, `stage`, `stage_since`, `since` (when the
    attendance began; null for those that are free), `is_long`, `class_code`, `grade_code`. `logs`: those open:
    `incident_id`, `received_at`, `minutes_open`, `class_code`, `grade_code`, `area_id`, `units_there`, `units_sent` (by
    then, those that have left again included); the oldest of each grade first.
    """

    units: pl.DataFrame
    logs: pl.DataFrame


def open_now(attendances: pl.DataFrame, incidents: pl.DataFrame, at: datetime) -> OpenNow:
    """Give the units that have a status at a moment and the logs that are open then.

    A log is open from its receipt until it is closed; one that has no closing is open where its source says so. Logs
    merged into another are not counted.
    """
    holds = (pl.col("starts_at") <= at) & ((pl.col("ends_at") > at) | pl.col("is_open"))
    is_committed = pl.col("stage").is_in(ATTENDING)
    begun = attendances.filter(pl.col("starts_at") <= at)
    job = ["unit_id", "incident_id", "attendance"]
    sent = begun.filter(is_committed)
    since = sent.group_by(job).agg(since=pl.col("starts_at").min())
    about = incidents.select("incident_id", "class_code", "grade_code")
    units = (
        begun.filter(holds)
        .join(since, on=job, how="left")
        .join(about, on="incident_id", how="left")
        .select(
            "unit_id", "pool_id", "incident_id", "stage", stage_since="starts_at",
            since=pl.when(is_committed).then(pl.coalesce("since", "starts_at")), is_long="is_long",
            class_code="class_code", grade_code="grade_code",
        )
        .sort("unit_id")
    )  # fmt: skip
    is_open = (pl.col("closed_at") > at).fill_null(pl.col("status") == "open").fill_null(value=False)
    there = (
        units.filter(pl.col("since").is_not_null())
        .drop_nulls("incident_id")
        .group_by("incident_id")
        .agg(units_there=pl.len())
    )
    logs = (
        incidents.filter((pl.col("received_at") <= at) & pl.col("merged_into").is_null() & is_open)
        .join(there, on="incident_id", how="left")
        .join(sent.group_by("incident_id").agg(units_sent=pl.col("unit_id").n_unique()), on="incident_id", how="left")
        .select(
            "incident_id", "received_at", "class_code", "grade_code", "area_id",
            minutes_open=(pl.lit(at) - pl.col("received_at")).dt.total_minutes(),
            units_there=pl.col("units_there").fill_null(0).cast(pl.Int64),
            units_sent=pl.col("units_sent").fill_null(0).cast(pl.Int64),
        )
        .sort("grade_code", "received_at", "incident_id")
    )  # fmt: skip
    return OpenNow(units, logs)


def count_open_logs(logs: pl.DataFrame, grades: pl.Series, force_id: str, at: datetime) -> pl.DataFrame:
    """Count the logs of `OpenNow` by place, grade and age: the table `open_logs`.

    `grades` are those of all incidents: each has its rows, with 0 where no log of it is open.
    """
    step = pl.sum_horizontal((pl.col("minutes_open") >= age).cast(pl.Int64) for age in AGES) - 1
    known = logs.with_columns(
        pl.col("grade_code").fill_null(NO_GRADE), pl.col("area_id").fill_null(UNKNOWN_AREA), step=step
    )
    received, is_waiting = pl.col("received_at"), pl.col("units_sent") == 0
    counts = {
        "logs": pl.len().cast(pl.Int64),
        "logs_attended": (pl.col("units_there") > 0).sum().cast(pl.Int64),
        "logs_waiting": is_waiting.sum().cast(pl.Int64),
        "oldest_received_at": received.min(),
        "oldest_waiting_at": received.filter(is_waiting).min(),
    }
    of_areas = known.group_by("grade_code", "step", place_id="area_id").agg(**counts).with_columns(level=pl.lit("area"))
    every = pl.DataFrame({"grade_code": grades.fill_null(NO_GRADE).unique()}).join(
        pl.DataFrame({"step": range(len(AGES))}, schema={"step": pl.Int64}), how="cross"
    )
    of_force = (
        every.join(known.group_by("grade_code", "step").agg(**counts), on=["grade_code", "step"], how="left")
        .with_columns(
            pl.col("logs", "logs_attended", "logs_waiting").fill_null(0),
            level=pl.lit("force"),
            place_id=pl.lit(force_id),
        )
        .select(of_areas.columns)
    )
    begins = dict(enumerate(AGES))
    ends = dict(enumerate(AGES[1:]))
    both = pl.concat([of_areas, of_force]).with_columns(
        at=pl.lit(at),
        minutes_from=pl.col("step").replace_strict(begins, return_dtype=pl.Int64),
        minutes_to=pl.col("step").replace_strict(ends, default=None, return_dtype=pl.Int64),
    )
    return tables.publish(both, "open_logs")


def count_units_now(
    units: pl.DataFrame, attendances: pl.DataFrame, incidents: pl.DataFrame, force_id: str, at: datetime
) -> pl.DataFrame:
    """Count the units of `OpenNow` by pool and for the force, by what they are doing: the table `units_now`."""
    known = units.with_columns(seconds_in_stage=(pl.lit(at) - pl.col("stage_since")).dt.total_seconds())
    known = known.with_columns(
        pl.col("seconds_in_stage") / 60,
        committed=(pl.lit(at) - pl.col("since")).dt.total_seconds() / 60,
        left=expect_minutes_left(known, attendances, incidents),
    )
    counts = {
        "units": pl.len().cast(pl.Int64),
        "minutes_in_stage": pl.col("seconds_in_stage").mean(),
        "minutes_committed": pl.col("committed").mean(),
        "longest_minutes": pl.coalesce("committed", "seconds_in_stage").max(),
        "minutes_left": pl.col("left").mean(),
        "units_told": pl.col("left").count().cast(pl.Int64),
    }
    cell = ["stage", "is_long"]
    of_pools = known.group_by(*cell, place_id="pool_id").agg(**counts).with_columns(level=pl.lit("pool"))
    of_force = known.group_by(cell).agg(**counts).with_columns(level=pl.lit("force"), place_id=pl.lit(force_id))
    both = pl.concat([of_pools, of_force.select(of_pools.columns)])
    return tables.publish(both.with_columns(at=pl.lit(at)), "units_now")
