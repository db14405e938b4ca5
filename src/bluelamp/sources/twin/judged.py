"""What was true, in the tables that the product makes of the exports: committed time and net deployable officers.

Written from what units and officers really did, second by second, so that a result can be held against it.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp.sources.twin.demand import Calendar

WholeNumbers = NDArray[np.int64]

_STEPS = ("absent", "on_operations", "tutored", "restricted", "briefing", "refreshments")


def split_by_hour(spans: pl.DataFrame, calendar: Calendar, first: int, last: int) -> pl.DataFrame:
    """Give the part of each span (`starts`, `ends`, seconds) in every local hour between two moments.

    One row a span and hour that it touches, with `hour` (number in the calendar) and `seconds`.
    """
    inside = spans.filter((pl.col("starts") < last) & (pl.col("ends") > first)).with_columns(
        starts=pl.max_horizontal("starts", pl.lit(first)), ends=pl.min_horizontal("ends", pl.lit(last))
    )
    edges = calendar.epoch
    starts, ends = inside["starts"].to_numpy(), inside["ends"].to_numpy()
    low, high = np.searchsorted(edges, starts, side="right") - 1, np.searchsorted(edges, ends, side="left")
    rows = np.repeat(np.arange(len(starts)), high - low)
    hour = np.arange(len(rows)) - np.repeat(np.cumsum(high - low) - (high - low), high - low) + low[rows]
    stops = np.append(edges[1:], edges[-1] + 3600)
    seconds = np.minimum(ends[rows], stops[hour]) - np.maximum(starts[rows], edges[hour])
    return inside[rows].with_columns(hour=pl.Series(hour), seconds=pl.Series(seconds))


def committed_time(intervals: pl.DataFrame, force_id: str, calendar: Calendar, first: int, last: int) -> pl.DataFrame:
    """Give the rows of 'committed' that a perfect record would give, for pools and the force."""
    spans = intervals.with_columns(pl.col("ends").fill_null(last), has_incident=pl.col("log").is_not_null())
    by_hour = split_by_hour(spans, calendar, first, last).with_columns(hour_starting=_hours(calendar))
    keys = ["hour_starting", "stage", "is_long", "has_incident"]
    levels = [
        by_hour.group_by("pool_id", *keys).agg(pl.col("seconds").sum()).rename({"pool_id": "place_id"}),
        by_hour.group_by(keys).agg(pl.col("seconds").sum()).with_columns(place_id=pl.lit(force_id)),
    ]
    rows = [
        part.select(
            pl.lit(level).alias("level"),
            "place_id",
            *keys,
            (pl.col("seconds") / 3600).round(4).alias("unit_hours"),
            pl.lit(0.0).alias("repaired_unit_hours"),
        )
        for level, part in zip(("pool", "force"), levels, strict=True)
    ]
    return pl.concat(rows).sort("level", "place_id", *keys)


def officer_steps(duties: pl.DataFrame, away: pl.DataFrame, taken: pl.DataFrame, desk_roles: list[str]) -> pl.DataFrame:
    """Say at every moment of a duty what became of the officer: one step, or deployable.

    `duties` are as worked (or planned, where the officer never came): `duty`, `role_code`, `pool_id`, `starts`, `ends`,
    `is_tutored`, `may_be_deployed`. `away` and `taken` are intervals with a `step`: absent and on_operations come
    first, then what a person may do, then briefing and refreshments. At a desk those count who may not go out.
    """
    is_held = ~pl.col("may_be_deployed") & ~pl.col("role_code").is_in(desk_roles)
    order = {"absent": 0, "on_operations": 1, "briefing": 3, "refreshments": 4}
    person = duties.with_columns(
        step=pl.when("is_tutored")
        .then(pl.lit("tutored"))
        .when(is_held)
        .then(pl.lit("restricted"))
        .otherwise(pl.lit("deployable")),
        rank=pl.when(pl.col("is_tutored") | is_held).then(2).otherwise(9),
    ).select("duty", "starts", "ends", "step", "rank")
    parts = pl.concat([away, taken]).select(
        "duty", "starts", "ends", "step", rank=pl.col("step").replace_strict(order, return_dtype=pl.Int32)
    )
    spans = pl.concat([person, parts.join(duties.select("duty"), on="duty", how="semi")])
    limits = duties.select("duty", "role_code", "pool_id", begins="starts", stops="ends")
    spans = spans.join(limits, on="duty").with_columns(
        starts=pl.max_horizontal("starts", "begins"), ends=pl.min_horizontal("ends", "stops")
    )
    spans = spans.filter(pl.col("ends") > pl.col("starts"))
    # Between two neighbouring edges of a duty the step of the first rank holds.
    edges = pl.concat([spans.select("duty", at="starts"), spans.select("duty", at="ends")]).unique().sort("duty", "at")
    pieces = edges.with_columns(until=pl.col("at").shift(-1).over("duty")).drop_nulls("until")
    alone = spans.group_by("duty").agg(pl.len()).filter(pl.col("len") == 1).select("duty")
    simple = spans.join(alone, on="duty", how="semi")
    others = spans.join(alone, on="duty", how="anti")
    cut = (
        pieces.join(others, on="duty")
        .filter((pl.col("starts") <= pl.col("at")) & (pl.col("ends") >= pl.col("until")))
        .sort("duty", "at", "rank")
        .unique(["duty", "at"], keep="first", maintain_order=True)
        .with_columns(starts="at", ends="until")
    )
    columns = ["duty", "role_code", "pool_id", "starts", "ends", "step"]
    return pl.concat([simple.select(columns), cut.select(columns)]).sort("duty", "starts")


def net_deployable(
    steps: pl.DataFrame,
    intervals: pl.DataFrame,
    waited: pl.DataFrame,
    vehicles: pl.DataFrame,
    serves: pl.DataFrame,
    calendar: Calendar,
    first: int,
    last: int,
) -> pl.DataFrame:
    """Give the rows of 'deployable' that were true, by role, pool and hour.

    `steps` as from `officer_steps`. For the role whose units were sent, `intervals` are what its units did and `waited`
    the spans (`pool_id`, `starts`, `ends`) for which a crew had no vehicle; other roles have no unit columns. `serves`
    (`pool_id`, `local_hour`, `serving`) names the pool that one counts for at hours at which it does not run itself.
    """

    def hourly(spans: pl.DataFrame) -> pl.DataFrame:
        local = pl.Series(calendar.hour)
        found = split_by_hour(spans, calendar, first, last)
        found = found.with_columns(local_hour=local.gather(found["hour"]))
        found = found.join(serves, on=["pool_id", "local_hour"], how="left")
        return found.with_columns(pool_id=pl.coalesce("serving", "pool_id"))

    by_hour = hourly(steps)
    keys = ["role_code", "pool_id", "hour"]
    wide = by_hour.group_by(keys).agg(
        pl.col("seconds").sum().alias("officers_rostered"),
        *(
            pl.col("seconds").filter(pl.col("step") == step).sum().alias(f"officers_{step}")
            for step in (*_STEPS, "deployable")
        ),
    )
    is_out = ~pl.col("stage").is_in(["briefing", "refreshments"])
    out = hourly(intervals.with_columns(pl.col("ends").fill_null(last)))
    out = out.filter(is_out).group_by("pool_id", "hour").agg(units_deployable=pl.col("seconds").sum())
    idle = hourly(waited).group_by("pool_id", "hour").agg(idle=pl.col("seconds").sum())
    units = out.join(idle, on=["pool_id", "hour"], how="full", coalesce=True).with_columns(
        pl.col("units_deployable", "idle").fill_null(0)
    )
    units = units.with_columns(units_crewed=pl.col("units_deployable") + pl.col("idle"))
    units = units.with_columns(role_code=pl.lit("response"))
    officers = [f"officers_{step}" for step in ("rostered", *_STEPS, "deployable")]
    return (
        wide.join(units, on=keys, how="left")
        .join(vehicles.select("pool_id", "vehicles"), on="pool_id", how="left")
        .with_columns(hour_starting=_hours(calendar))
        .select(
            "role_code",
            "pool_id",
            "hour_starting",
            *((pl.col(name) / 3600).round(3) for name in officers),
            (pl.col("units_crewed") / 3600).round(3),
            "vehicles",
            (pl.col("units_deployable") / 3600).round(3),
        )
        .sort("role_code", "pool_id", "hour_starting")
    )


def _hours(calendar: Calendar) -> pl.Expr:
    return pl.col("hour").map_batches(lambda hour: calendar.starts.gather(hour), return_dtype=calendar.starts.dtype)


def service_times(logs: pl.DataFrame, intervals: pl.DataFrame) -> pl.DataFrame:
    """Give what logs really took, by class and opening grade: logs, those attended, units and unit-minutes."""
    visits = (
        intervals.drop_nulls("log")
        .group_by("log")
        .agg(seconds=(pl.col("ends") - pl.col("starts")).sum(), came=pl.col("unit").n_unique())
    )
    return (
        logs.join(visits, on="log", how="left")
        .group_by("class_code", "opening_grade_code")
        .agg(
            incidents=pl.len().cast(pl.Int64),
            attended=pl.col("came").is_not_null().sum().cast(pl.Int64),
            units=pl.col("came").sum().cast(pl.Int64),
            unit_minutes=(pl.col("seconds").sum() / 60).round(2),
        )
        .sort("class_code", "opening_grade_code")
    )
