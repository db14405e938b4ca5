"""Status buttons as they were pressed: what units did, as the control room's system heard of it.

Every change of status is one press, the return to 'available' included. Some are missed: an arrival, or the clear
after a job.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from bluelamp.sources.twin.dispatch import Sent

_LONG = ("guard", "custody")


def true_intervals(sent: Sent, units: pl.DataFrame, log_of_job: pl.Series) -> pl.DataFrame:
    """Give what every unit did from going out to coming home, without gaps: what lies between is 'available'.

    `log_of_job` runs over jobs. Columns: unit, unit_id, pool_id, log (null where there was none), stage, starts, ends,
    is_long (guards and custody), by unit and time; `ends` is null for what a unit that is still out does last.
    """
    busy = sent.intervals.with_columns(
        log=log_of_job.gather(sent.intervals["job"]),
        is_long=pl.col("stage").cast(pl.String).is_in(_LONG),
        stage=pl.col("stage").cast(pl.String),
    ).select("unit", "log", "stage", "starts", "ends", "is_long")
    out = units.select("unit", "unit_id", "pool_id").with_columns(
        on=pl.Series(sent.on), off=pl.when(pl.Series(sent.off) >= 0).then(pl.Series(sent.off))
    )
    out = out.filter(pl.col("on") >= 0)
    # A gap follows each interval, and one may come first: an interval of no length at the start stands for it.
    edges = pl.concat(
        [
            busy,
            out.select(
                "unit",
                log=pl.lit(None, dtype=pl.Int64),
                stage=pl.lit("start"),
                starts="on",
                ends="on",
                is_long=pl.lit(value=False),
            ),
        ]
    ).sort("unit", "starts", "ends")
    edges = edges.join(out, on="unit", how="left", maintain_order="left")
    following = pl.coalesce(pl.col("starts").shift(-1).over("unit"), "off")
    gaps = edges.with_columns(following=following).filter(
        pl.col("following").is_null() | (pl.col("following") > pl.col("ends"))
    )
    gaps = gaps.with_columns(
        log=pl.lit(None, dtype=pl.Int64),
        stage=pl.lit("available"),
        starts="ends",
        ends="following",
        is_long=pl.lit(value=False),
    )
    columns = ["unit", "unit_id", "pool_id", "log", "stage", "starts", "ends", "is_long"]
    return pl.concat([edges.filter(pl.col("stage") != "start").select(columns), gaps.select(columns)]).sort(
        "unit", "starts"
    )


def press(
    intervals: pl.DataFrame, sent: Sent, what: dict[str, Any], until: int, random: np.random.Generator
) -> pl.DataFrame:
    """Give the presses before `until`, by time: unit_id, at, status, log, pool_id, and `is_missed` for those missed."""
    random_row = pl.Series(random.random(intervals.height))
    is_arrival = pl.col("stage").is_in(["at_scene", "guard"])
    after_job = pl.col("log").shift(1).over("unit").is_not_null()
    is_clear = (pl.col("stage") == "available") & after_job
    begun = intervals.select(
        "unit_id",
        "pool_id",
        "log",
        at="starts",
        status="stage",
        is_missed=pl.when(is_arrival)
        .then(random_row < what["arrival_press_missed"])
        .otherwise(is_clear & (random_row < what["clear_press_missed"]))
        .fill_null(value=False),
    )
    homes = intervals.group_by("unit", maintain_order=True).agg(pl.col("unit_id", "pool_id").first())
    homes = homes.with_columns(at=pl.Series(sent.off).gather(homes["unit"])).filter(pl.col("at") >= 0)
    ended = homes.select(
        "unit_id",
        "pool_id",
        pl.lit(None, dtype=pl.Int64).alias("log"),
        "at",
        pl.lit("off_duty").alias("status"),
        pl.lit(value=False).alias("is_missed"),
    )
    return pl.concat([begun, ended]).filter(pl.col("at") < until).sort("at", "unit_id", "status")
