"""What was true, in the tables that the product makes of the exports: committed time and net deployable officers.

Written from what units and officers really did, second by second, so that a result can be held against it; and what is
really expected of the days to come.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp.sources.twin.demand import Calendar, Truth
from bluelamp.sources.twin.geography import PROFILES
from bluelamp.sources.twin.incidents import GRADES

WholeNumbers = NDArray[np.int64]
Numbers = NDArray[np.float64]

_AT_ONCE = 200_000
_STEPS = ("absent", "on_operations", "tutored", "restricted", "briefing", "refreshments")


def add_up_by_hour(spans: pl.DataFrame, keys: list[str], calendar: Calendar, first: int, last: int) -> pl.DataFrame:
    """Add up spans (`starts`, `ends`, seconds) by `keys` and local hour, between two moments.

    Gives the keys, `hour` (number in the calendar) and `seconds`.
    """
    inside = spans.filter((pl.col("starts") < last) & (pl.col("ends") > first)).with_columns(
        starts=pl.max_horizontal("starts", pl.lit(first)), ends=pl.min_horizontal("ends", pl.lit(last))
    )
    # In stretches, because years of duties touch tens of millions of hours.
    starts = range(0, max(1, inside.height), _AT_ONCE)
    parts = [_by_hour(inside[start : start + _AT_ONCE], keys, calendar.epoch) for start in starts]
    return pl.concat(parts).group_by(*keys, "hour").agg(pl.col("seconds").sum())


def _by_hour(spans: pl.DataFrame, keys: list[str], edges: WholeNumbers) -> pl.DataFrame:
    starts, ends = spans["starts"].to_numpy(), spans["ends"].to_numpy()
    low, high = np.searchsorted(edges, starts, side="right") - 1, np.searchsorted(edges, ends, side="left")
    row = np.repeat(np.arange(len(starts)), high - low)
    hour = np.arange(len(row)) - np.repeat(np.cumsum(high - low) - (high - low), high - low) + low[row]
    stops = np.append(edges[1:], edges[-1] + 3600)
    seconds = np.minimum(ends[row], stops[hour]) - np.maximum(starts[row], edges[hour])
    cut = spans.select(keys)[row].with_columns(hour=pl.Series(hour, dtype=pl.Int64), seconds=pl.Series(seconds))
    return cut.group_by(*keys, "hour").agg(pl.col("seconds").sum())


def committed_time(intervals: pl.DataFrame, force_id: str, calendar: Calendar, first: int, last: int) -> pl.DataFrame:
    """Give the rows of 'committed' that a perfect record would give, for pools and the force."""
    keys = ["stage", "is_long", "has_incident"]
    spans = intervals.with_columns(pl.col("ends").fill_null(last), has_incident=pl.col("log").is_not_null())
    of_pools = add_up_by_hour(spans, ["pool_id", *keys], calendar, first, last).rename({"pool_id": "place_id"})
    of_force = of_pools.group_by("hour", *keys).agg(pl.col("seconds").sum()).with_columns(place_id=pl.lit(force_id))
    rows = [
        part.select(
            pl.lit(level).alias("level"),
            "place_id",
            _hour_starting(calendar),
            *keys,
            (pl.col("seconds") / 3600).round(4).alias("unit_hours"),
            pl.lit(0.0).alias("repaired_unit_hours"),
        )
        for level, part in (("pool", of_pools), ("force", of_force))
    ]
    return pl.concat(rows).sort("level", "place_id", "hour_starting", *keys)


def officer_steps(duties: pl.DataFrame, away: pl.DataFrame, taken: pl.DataFrame, desk_roles: list[str]) -> pl.DataFrame:
    """Say at every moment of a duty what became of the officer: one step, or deployable.

    `duties` are as worked (or planned, where the officer never came): `duty`, `role_code`, `pool_id`, `starts`, `ends`,
    `is_tutored`, `may_be_deployed`. `away` and `taken` are intervals with a `step`: absent and on_operations come
    first, then what a person may do, then briefing and refreshments. At a desk those count who may not go out.
    """
    order = {"absent": 0, "on_operations": 1, "briefing": 3, "refreshments": 4}
    parts = pl.concat([away, taken]).select(
        "duty", "starts", "ends", "step", rank=pl.col("step").replace_strict(order, return_dtype=pl.Int32)
    )
    duties = duties.sort("duty")
    stretches = []
    # In stretches of duties, because years of them have too many edges to hold at once.
    for start in range(0, max(1, duties.height), _AT_ONCE):
        some = duties[start : start + _AT_ONCE]
        theirs = parts.filter(pl.col("duty").is_between(some["duty"].min(), some["duty"].max()))
        stretches.append(_steps_of(some, theirs, desk_roles))
    return pl.concat(stretches).sort("duty", "starts")


def _steps_of(duties: pl.DataFrame, parts: pl.DataFrame, desk_roles: list[str]) -> pl.DataFrame:
    is_held = ~pl.col("may_be_deployed") & ~pl.col("role_code").is_in(desk_roles)
    person = duties.with_columns(
        step=pl.when("is_tutored")
        .then(pl.lit("tutored"))
        .when(is_held)
        .then(pl.lit("restricted"))
        .otherwise(pl.lit("deployable")),
        rank=pl.when(pl.col("is_tutored") | is_held).then(2).otherwise(9),
    ).select("duty", "starts", "ends", "step", "rank")
    spans = pl.concat([person, parts.join(duties.select("duty"), on="duty", how="semi")])
    limits = duties.select("duty", "role_code", "pool_id", begins="starts", stops="ends")
    spans = spans.join(limits, on="duty").with_columns(
        starts=pl.max_horizontal("starts", "begins"), ends=pl.min_horizontal("ends", "stops")
    )
    spans = spans.filter(pl.col("ends") > pl.col("starts"))
    # Between two neighbouring edges of a duty the step of the first rank holds.
    edges = pl.concat([spans.select("duty", at="starts"), spans.select("duty", at="ends")]).unique().sort("duty", "at")
    pieces = edges.with_columns(until=pl.col("at").shift(-1).over("duty")).drop_nulls("until")
    return (
        pieces.join(spans, on="duty")
        .filter((pl.col("starts") <= pl.col("at")) & (pl.col("ends") >= pl.col("until")))
        .sort("duty", "at", "rank")
        .unique(["duty", "at"], keep="first", maintain_order=True)
        .select("duty", "role_code", "pool_id", starts="at", ends="until", step="step")
    )


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

    def by_hour(spans: pl.DataFrame, *keys: str) -> pl.DataFrame:
        found = add_up_by_hour(spans, ["pool_id", *keys], calendar, first, last)
        found = found.with_columns(local_hour=pl.Series(calendar.hour).gather(found["hour"]))
        found = found.join(serves, on=["pool_id", "local_hour"], how="left")
        return found.with_columns(pool_id=pl.coalesce("serving", "pool_id"))

    keys = ["role_code", "pool_id", "hour"]
    seconds = pl.col("seconds")
    wide = (
        by_hour(steps, "role_code", "step")
        .group_by(keys)
        .agg(
            seconds.sum().alias("officers_rostered"),
            *(
                seconds.filter(pl.col("step") == step).sum().alias(f"officers_{step}")
                for step in (*_STEPS, "deployable")
            ),
        )
    )
    going = intervals.filter(~pl.col("stage").is_in(["briefing", "refreshments"]))
    out = by_hour(going.with_columns(pl.col("ends").fill_null(last)))
    out = out.group_by("pool_id", "hour").agg(units_deployable=seconds.sum())
    idle = by_hour(waited).group_by("pool_id", "hour").agg(idle=seconds.sum())
    units = out.join(idle, on=["pool_id", "hour"], how="full", coalesce=True).with_columns(
        pl.col("units_deployable", "idle").fill_null(0)
    )
    units = units.with_columns(units_crewed=pl.col("units_deployable") + pl.col("idle"))
    units = units.with_columns(role_code=pl.lit("response"))
    officers = [f"officers_{step}" for step in ("rostered", *_STEPS, "deployable")]
    return (
        wide.join(units, on=keys, how="left")
        .join(vehicles.select("pool_id", "vehicles"), on="pool_id", how="left")
        .select(
            "role_code",
            "pool_id",
            _hour_starting(calendar),
            *((pl.col(name) / 3600).round(3) for name in officers),
            (pl.col("units_crewed") / 3600).round(3),
            "vehicles",
            (pl.col("units_deployable") / 3600).round(3),
        )
        .sort("role_code", "pool_id", "hour_starting")
    )


def _hour_starting(calendar: Calendar) -> pl.Expr:
    starts = pl.col("hour").map_batches(calendar.starts.gather, return_dtype=calendar.starts.dtype)
    return starts.alias("hour_starting")


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


def expected_by_district(truth: Truth, grade_share: Numbers, numbers: dict[str, Any], days: int) -> pl.DataFrame:
    """Give expected incidents of the coming days by district, kind of area, hour, class and opening grade.

    `grade_share` (classes, 4 grades) are the grades that logs are worked with; some were opened with another one.
    """
    calendar, county = truth.calendar, truth.county
    hours = calendar.hours_of(calendar.past_days, calendar.past_days + days)
    kinds = sorted({profile["kind"] for profile in numbers["profiles"].values()})
    kind = np.array([kinds.index(numbers["profiles"][PROFILES[each]]["kind"]) for each in county.profile])
    size = (len(county.district_ids), len(kinds), len(truth.classes), hours.stop - hours.start)
    by_class = np.zeros(size)
    for area, profile in enumerate(county.profile):
        by_class[county.district[area], kind[area]] += county.weight[area] * truth.rates[profile, :, hours]
    inside = (truth.extra_hour >= hours.start) & (truth.extra_hour < hours.stop)
    for area, hour, event, rate in zip(
        truth.extra_area[inside], truth.extra_hour[inside], truth.extra_event[inside], truth.extra_rate[inside],
        strict=True,
    ):  # fmt: skip
        by_class[county.district[area], kind[area], :, hour - hours.start] += rate * truth.event_mix[event]
    by_grade = np.moveaxis(by_class, 3, 2)[..., None] * _as_opened(grade_share, numbers["feeds"]["logs"])
    district, of_kind, hour, of_class, grade = np.nonzero(by_grade)
    return pl.DataFrame(
        {
            "district_id": pl.Series(county.district_ids)[district],
            "kind": pl.Series(kinds)[of_kind],
            "hour_starting": calendar.starts[hours][hour],
            "class_code": pl.Series(truth.classes)[of_class],
            "grade_code": pl.Series(GRADES)[grade],
            "expected_incidents": by_grade[district, of_kind, hour, of_class, grade].astype(np.float32),
        }
    )


def _as_opened(grade_share: Numbers, what: dict[str, Any]) -> Numbers:
    """Give the shares of grades that logs are opened with: an upgraded one was opened a grade lower, and so on."""
    grade = np.arange(1, 5)
    up, down = what["upgraded"] * (grade < 3), what["downgraded"] * ((grade > 1) & (grade < 4))
    opened = grade_share * (1 - up - down)
    opened[:, 1:] += (grade_share * up)[:, :-1]
    opened[:, :-1] += (grade_share * down)[:, 1:]
    return np.asarray(opened)
