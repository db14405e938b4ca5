"""Unit-hours by pool, local hour and stage."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from bluelamp import periods, tables
from bluelamp.committed.presses import SECOND

_HOUR = 3600
_CELL = ["pool_id", "hour", "stage", "is_long", "has_incident"]
_CHUNK = 500_000


def count_committed(attendances: pl.DataFrame, hours: pl.Series, force_id: str, time_zone: str) -> pl.DataFrame:
    """Count unit-hours by pool and for the force, by local hour, stage, long or not, with a log or without.

    `hours` are starts of local hours, as `periods.hours_between` gives them: time outside them is left out. Gives the
    table `committed`. Whole seconds are added up, so that hours add up to what the intervals lasted.
    """
    if attendances.is_empty() or hours.is_empty():
        return tables.empty("committed")
    first, last = hours.min(), hours.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    # Three hours more than asked for, so that the last one has an end, wherever a clock change puts it.
    edges = periods.hours_between(time_zone, first, last + timedelta(hours=3)).cast(SECOND)
    edges = edges.filter(edges <= edges.filter(edges > last).min())
    rows = attendances.lazy().select(
        "pool_id",
        "stage",
        "is_long",
        has_incident=pl.col("incident_id").is_not_null(),
        is_repaired=pl.col("begun_by").is_not_null() | pl.col("ended_by").is_not_null(),
        starts_at=pl.max_horizontal("starts_at", pl.lit(edges[0], dtype=SECOND)),
        ends_at=pl.min_horizontal("ends_at", pl.lit(edges[-1], dtype=SECOND)),
    )
    inside = rows.filter(pl.col("ends_at") > pl.col("starts_at")).collect()
    if inside.is_empty():
        return tables.empty("committed")
    # In stretches, so that memory does not grow with the hours of all of them.
    by_pool = (
        pl.concat(_by_hour(part, edges) for part in inside.iter_slices(_CHUNK))
        .group_by(_CELL)
        .agg(pl.col("seconds", "repaired").sum())
    )
    by_force = by_pool.with_columns(pool_id=pl.lit(force_id)).group_by(_CELL).agg(pl.col("seconds", "repaired").sum())
    levels = pl.concat(
        [
            by_pool.with_columns(level=pl.lit("pool")),
            by_force.select(by_pool.columns).with_columns(level=pl.lit("force")),
        ]
    )
    result = levels.select(
        "level",
        "stage",
        "is_long",
        "has_incident",
        place_id="pool_id",
        hour_starting=edges.gather(levels["hour"]),
        unit_hours=pl.col("seconds") / _HOUR,
        repaired_unit_hours=pl.col("repaired") / _HOUR,
    ).filter(pl.col("hour_starting").is_in(hours.cast(SECOND).implode()))
    return tables.publish(result, "committed")


def _by_hour(intervals: pl.DataFrame, edges: pl.Series) -> pl.DataFrame:
    """Cut intervals at the edges of hours and add up their seconds, hour by hour."""
    moments = edges.to_physical().to_numpy()
    first = moments.searchsorted(intervals["starts_at"].to_physical().to_numpy(), side="right") - 1
    last = moments.searchsorted(intervals["ends_at"].to_physical().to_numpy(), side="left")
    cut = intervals.with_columns(hour=pl.int_ranges(pl.Series(first), pl.Series(last))).explode("hour")
    begin = pl.max_horizontal("starts_at", edges.gather(cut["hour"]).alias("begin"))
    end = pl.min_horizontal("ends_at", edges.gather(cut["hour"] + 1).alias("end"))
    seconds = (end - begin).dt.total_seconds()
    return (
        cut.with_columns(seconds=seconds, repaired=pl.when("is_repaired").then(seconds).otherwise(0))
        .group_by(_CELL)
        .agg(pl.col("seconds", "repaired").sum())
    )
