"""What a replay has to be told beside the records, measured on earlier weeks alone: handling, journeys, who helps whom.

Nothing here is measured on the weeks that a replay is held against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp.travel import shrink
from bluelamp.validation._records import Records
from bluelamp.validation._records import minutes_between as _minutes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Whoever has been free for longer than this when sent has not been waited for.
_IDLE_SECONDS = 60
# From this share of assumed ends on nobody can tell who was free; from this share of equal times on they are copies.
_MOSTLY_ASSUMED = 0.5
_ONE_TIME = 0.8
# A cell with fewer observations than this borrows those of the next coarser one.
_ENOUGH = 40
_SHORTEST_JOURNEY = 0.25
# A clear shorter than this before the next journey is no rest: the next job was there already.
_LONGEST_CLEARING_SECONDS = 90
_CLEARING_IS_SEEN = 0.03
# A kind of sending that makes up less than this of all is an exception, not a rule.
_RARE = 0.01
# A grade to which units without a driver go less than this share of what chance would send is closed to them.
_RULE_SHARE = 0.2
# Steps of minutes before the end of duty, and the share of usual sendings below which it is a rule not to send.
_LATE_STEPS = (5, 15, 30)
_LATE_FROM, _LATE_TO = 120, 240
_LATE_SHARE = 0.3
_FEWEST_LATE = 8
_FEWEST_GUARDS = 20


@dataclass(frozen=True)
class Fitted:
    """What earlier weeks say.

    `handling` gives recorded minutes from receipt to sending of logs for which nobody had to be waited, by opening
    grade and whether a unit was on the spot; `journeys` logs of recorded minutes over the level of their cell
    (`journey_level`, by grade and kind of area), with effects of areas and of the hour. `help_factor` is how much
    longer units from other pools travel; `help_to` the last priority for which they come (-1: none), and `helpers`
    which, by own pool, the most frequent first. `is_one_journey`: the records have one time for all units of a log.
    `drivers_for` are grades to which only units with a response driver go.
    """

    handling: Mapping[tuple[str, bool], Floats]
    journeys: Mapping[tuple[str, str], Floats]
    journey_level: Mapping[tuple[str, str], float]
    of_area: Mapping[object, float]
    of_hour: Floats
    help_factor: float
    help_to: int
    helpers: Mapping[str, list[str]]
    drivers_for: frozenset[str]
    last_minutes: float
    last_for: int
    last_minutes_of_guards: float
    relief_before: float
    clearing_minutes: float
    is_one_journey: bool
    table: pl.DataFrame

    def less(self, grade: str, recorded: Floats, simulated: Floats) -> Fitted:
        """Give it with handling shortened by what simulated delays of a grade have over recorded ones, share by share.

        For records that do not tell who was free: there, handling is every delay, waits and all, and a replay would
        wait once more. Both are delays of logs of the weeks that are fitted on.
        """
        key = next((each for each in ((grade, False), ("all", False)) if each in self.handling), None)
        if key is None or not len(recorded):
            return self
        shares = (np.arange(len(self.handling[key])) + 0.5) / len(self.handling[key])
        over = np.quantile(simulated, shares) - np.quantile(recorded, shares)
        left = np.maximum(np.sort(self.handling[key]) - over, 0.0)
        return replace(self, handling={**self.handling, (grade, False): np.sort(left)})

    def draw_handling(self, grades: Sequence[str], is_near: NDArray[np.bool_], random: np.random.Generator) -> Floats:
        """Draw minutes of handling for logs, each from the recorded ones of its like."""
        drawn = np.zeros(len(grades))
        chance = random.random(len(grades))
        graded = np.array(grades, dtype=object)
        for near in (False, True):
            for grade in set(grades):
                some = (graded == grade) & (is_near == near)
                pool = _first_of(self.handling, [(grade, near), ("all", near), ("all", False)])
                if some.any() and len(pool):
                    drawn[some] = pool[(chance[some] * len(pool)).astype(np.int64)]
        return drawn

    def draw_journeys(
        self,
        grades: Sequence[str],
        kinds: Sequence[str],
        areas: Sequence[str],
        hours: Integers,
        width: int,
        random: np.random.Generator,
    ) -> Floats:
        """Draw minutes of travel for jobs × so many units, by grade, kind of area, area and local hour."""
        drawn = np.zeros((len(grades), width))
        chance = random.random((len(grades), width))
        effect = np.array([self.of_area.get(area, 0.0) for area in areas]) + self.of_hour[hours]
        cells = (
            pl.DataFrame({"grade": list(grades), "kind": list(kinds)})
            .with_row_index()
            .group_by("grade", "kind")
            .agg("index")
        )
        for grade, kind, rows in cells.iter_rows():
            wanted = [(grade, kind), (grade, "all"), ("all", kind), ("all", "all")]
            key = next((each for each in wanted if each in self.journeys), None)
            if key is None:
                continue
            pool, level = self.journeys[key], self.journey_level[key]
            rest = pool[(chance[rows] * len(pool)).astype(np.int64)]
            drawn[rows] = np.exp(level + effect[rows][:, None] + rest)
        return np.repeat(drawn[:, :1], width, axis=1) if self.is_one_journey else drawn


def _first_of(found: Mapping[tuple[str, bool], Floats], keys: Sequence[tuple[str, bool]]) -> Floats:
    return next((found[key] for key in keys if key in found), np.zeros(0))


def fit(
    records: Records,
    own_pool: pl.DataFrame,
    priority_of: Mapping[str, int],
    covered_by: Mapping[str, set[str]],
    time_zone: str,
    since: datetime,
    until: datetime,
) -> Fitted:
    """Measure on logs received from `since` to before `until`.

    `own_pool` gives for each log (`incident_id`) the pool that covers its place in its hour, `covered_by` all pools
    that cover an area at some hour.
    """
    inside = (pl.col("received_at") >= since) & (pl.col("received_at") < until)
    logs = records.logs.filter(inside)
    visits = records.visits.join(
        logs.select("incident_id", "area_id", "grade", "kind", "received_at", "origin"), on="incident_id"
    ).join(own_pool, on="incident_id", how="left")  # fmt: skip
    known = {area: sorted(pools) for area, pools in covered_by.items()}
    theirs = pl.DataFrame(
        {"area_id": list(known), "own_pools": list(known.values())},
        schema={"area_id": pl.String, "own_pools": pl.List(pl.String)},
    )
    visits = visits.join(theirs, on="area_id", how="left").with_columns(
        is_help=(~pl.col("pool_id").is_in(pl.col("own_pools"))).fill_null(value=False)
    )
    handling = _fit_handling(logs)
    journeys, levels, of_area, of_hour = _fit_journeys(visits, time_zone)
    help_to, helpers = _fit_help(visits, priority_of)
    help_factor = _fit_help_factor(visits, help_to, priority_of)
    drivers_for = _fit_drivers(visits, records.units, since, until)
    last_minutes, last_for = _fit_last_minutes(visits, records.units, priority_of)
    last_guard, relief = _fit_guards(visits, records.units)
    clearing = _fit_clearing(visits)
    return Fitted(
        handling, journeys, levels, of_area, of_hour, help_factor, help_to, helpers, drivers_for, last_minutes,
        last_for, max(last_guard, last_minutes), relief, clearing, _share_times(visits),
        _as_table(
            handling, journeys, levels, help_factor, help_to, drivers_for, (last_minutes, last_for),
            (max(last_guard, last_minutes), relief), clearing, priority_of,
        ),
    )  # fmt: skip


def tells_who_is_free(logs: pl.DataFrame) -> bool:
    """Say whether the ends of most first units' work were recorded, so that it is known who was free."""
    return float(logs["is_assumed"].mean() or 0.0) < _MOSTLY_ASSUMED  # type: ignore[arg-type]


def _share_times(visits: pl.DataFrame) -> bool:
    """Say whether units that went to one log have one time for all of them, that of the first."""
    several = visits.group_by("incident_id").agg(
        units=pl.len(), times=pl.struct("sent_at", "arrived_at").n_unique()
    ).filter(pl.col("units") > 1)  # fmt: skip
    return several.height >= _ENOUGH and float((several["times"] == 1).mean() or 0.0) > _ONE_TIME  # type: ignore[arg-type]


def _fit_handling(logs: pl.DataFrame) -> dict[tuple[str, bool], Floats]:
    """Take the delay of logs for which the unit had been free a while, or was there: nobody was waited for.

    Where most ends are assumed, nobody can tell who was free: then the delay of every log is taken, waits and all.
    """
    same_grade = pl.col("grade") == pl.col("opening_grade")
    was_free = pl.col("idle_seconds") > _IDLE_SECONDS if tells_who_is_free(logs) else pl.lit(value=True)
    at_once = logs.filter(was_free & same_grade)
    delay = at_once.select(
        "opening_grade", "is_near",
        minutes=_minutes("received_at", "sent_at").clip(lower_bound=0),
    )  # fmt: skip
    found: dict[tuple[str, bool], Floats] = {}
    for near in (False, True):
        some = delay.filter(is_near=near)
        if some.height:
            found["all", near] = np.sort(some["minutes"].to_numpy())
        for (grade,), rows in some.group_by("opening_grade"):
            if rows.height >= _ENOUGH:
                found[str(grade), near] = np.sort(rows["minutes"].to_numpy())
    return found


def _fit_journeys(
    visits: pl.DataFrame, time_zone: str
) -> tuple[dict[tuple[str, str], Floats], dict[tuple[str, str], float], dict[object, float], Floats]:
    """Fit logs of minutes: a level by grade and kind, shrunken effects of area and hour, and the rest as it came."""
    rows = visits.filter(pl.col("travels") & pl.col("is_arrival_known")).select(
        "grade", "kind", "area_id", "is_help",
        hour=pl.col("sent_at").dt.convert_time_zone(time_zone).dt.hour().cast(pl.Int64),
        minutes=_minutes("sent_at", "arrived_at").clip(lower_bound=_SHORTEST_JOURNEY),
    )  # fmt: skip
    own = rows.filter(~pl.col("is_help")).with_columns(log=pl.col("minutes").log())
    own = own.with_columns(rest=pl.col("log") - pl.col("log").mean().over("grade", "kind"))
    of_area = _shrunken(own, "area_id")
    own = own.with_columns(
        rest=pl.col("rest") - pl.col("area_id").replace_strict(of_area, default=0.0, return_dtype=pl.Float64)
    )
    hourly = _shrunken(own, "hour")
    of_hour = np.array([hourly.get(hour, 0.0) for hour in range(24)])
    own = own.with_columns(
        rest=pl.col("log")
        - pl.col("area_id").replace_strict(of_area, default=0.0, return_dtype=pl.Float64)
        - pl.Series(of_hour).gather(own["hour"])
    )
    journeys: dict[tuple[str, str], Floats] = {}
    levels: dict[tuple[str, str], float] = {}
    for keys in ([], ["grade"], ["kind"], ["grade", "kind"]):
        groups = own.group_by(keys) if keys else [((), own)]
        for key, some in groups:
            named = dict(zip(keys, key, strict=True))
            if some.height >= (_ENOUGH if keys else 1):
                cell = (str(named.get("grade", "all")), str(named.get("kind", "all")))
                values = some["rest"].to_numpy()
                levels[cell] = float(values.mean())
                journeys[cell] = np.sort(values - values.mean())
    return journeys, levels, of_area, of_hour


def _fit_help_factor(visits: pl.DataFrame, help_to: int, priority_of: Mapping[str, int]) -> float:
    """Give how many times as long units from other pools are on their way.

    Logs with a wrong place make units of the right pool look like help: as many as there are among grades for which
    none comes. Their journeys are as long as any, and are taken out.
    """
    rows = visits.filter(pl.col("travels") & pl.col("is_arrival_known")).with_columns(
        minutes=_minutes("sent_at", "arrived_at"),
        priority=pl.col("grade").replace_strict(dict(priority_of), default=99, return_dtype=pl.Int64),
    )
    urgent = rows.filter(pl.col("priority") <= help_to)
    usual = urgent.filter(~pl.col("is_help")).group_by("grade", "kind").agg(usual=pl.col("minutes").mean())
    helped = urgent.filter("is_help").join(usual, on=["grade", "kind"])
    if helped.height < _ENOUGH:
        return 1.0
    ratio = float(helped["minutes"].sum()) / float(helped["usual"].sum())
    wrong = float(rows.filter(pl.col("priority") > help_to)["is_help"].mean() or 0.0)  # type: ignore[arg-type]
    false_share = min(wrong / float(urgent["is_help"].mean() or 1.0), 0.9)  # type: ignore[arg-type]
    return max((ratio - false_share) / (1 - false_share), 1.0)


def _shrunken(rows: pl.DataFrame, by: str) -> dict[object, float]:
    """Give the shrunken mean `rest` of each group."""
    return dict(shrink(rows, by).iter_rows())


def _fit_help(visits: pl.DataFrame, priority_of: Mapping[str, int]) -> tuple[int, dict[str, list[str]]]:
    """Find for which grades units of other pools come first, and which pools lend to which."""
    first = visits.filter(~pl.col("is_guard") & pl.col("travels")).unique(
        "incident_id", keep="first", maintain_order=True
    )
    first = first.with_columns(
        priority=pl.col("grade").replace_strict(dict(priority_of), default=99, return_dtype=pl.Int64)
    )
    shares = first.group_by("priority").agg(share=pl.col("is_help").mean(), sent=pl.len()).sort("priority")
    help_to = -1
    for priority, share, sent in shares.iter_rows():
        if priority == 99 or share < _RARE or sent < _ENOUGH:
            break
        help_to = priority
    lent = (
        first.filter(pl.col("is_help") & (pl.col("priority") <= help_to))
        .group_by("own_pool", "pool_id")
        .len()
        .sort("own_pool", pl.col("len").cast(pl.Int64) * -1, "pool_id")
    )
    helpers: dict[str, list[str]] = {}
    for own, lender, _ in lent.drop_nulls().iter_rows():
        helpers.setdefault(own, []).append(lender)
    return help_to, helpers


def _fit_drivers(visits: pl.DataFrame, units: pl.DataFrame, since: datetime, until: datetime) -> frozenset[str]:
    """Find the grades to which units without a response driver hardly ever go."""
    share_without = float((~units.filter(pl.col("starts_at").is_between(since, until))["may_drive"]).mean() or 0.0)  # type: ignore[arg-type]
    if not share_without:
        return frozenset()
    duties = units.select("unit_id", on_at="starts_at", may_drive="may_drive").sort("on_at")
    driven = visits.sort("sent_at").join_asof(
        duties, left_on="sent_at", right_on="on_at", by="unit_id", check_sortedness=False
    )
    by_grade = driven.drop_nulls("may_drive").group_by("grade").agg(without=(~pl.col("may_drive")).sum(), sent=pl.len())
    return frozenset(
        grade
        for grade, without, sent in by_grade.iter_rows()
        if sent * share_without >= 5 and without < _RULE_SHARE * share_without * sent
    )


def _fit_last_minutes(visits: pl.DataFrame, units: pl.DataFrame, priority_of: Mapping[str, int]) -> tuple[float, int]:
    """Find how near the end of their duty units are no longer sent, and the last priority that they are sent to still.

    Sendings in the last minutes are counted beside what the two hours before would lead one to expect.
    """
    duties = units.select("unit_id", on_at="starts_at", off_at="ends_at").sort("on_at")
    left = (
        visits.filter("travels")
        .sort("sent_at")
        .join_asof(duties, left_on="sent_at", right_on="on_at", by="unit_id", check_sortedness=False)
        .with_columns(
            minutes=_minutes("sent_at", "off_at"),
            priority=pl.col("grade").replace_strict(dict(priority_of), default=99, return_dtype=pl.Int64),
        )
        .filter(pl.col("minutes").is_between(0, 240))
    )

    def threshold(minutes: Floats) -> float:
        for step in _LATE_STEPS:
            usual = ((minutes >= _LATE_FROM) & (minutes < _LATE_TO)).sum() * step / (_LATE_TO - _LATE_FROM)
            if usual >= _FEWEST_LATE:
                steps, _ = np.histogram(minutes, np.arange(0, _LATE_FROM + step, step))
                return float(step * np.argmax(steps >= _LATE_SHARE * usual))
        return 0.0

    last_for = -1
    for priority in sorted(set(left["priority"].to_list())):
        if threshold(left.filter(priority=priority)["minutes"].to_numpy()) > _LATE_STEPS[0]:
            break
        last_for = int(priority)
    rest = left.filter(pl.col("priority") > last_for)["minutes"].to_numpy()
    return threshold(rest), last_for


def _fit_guards(visits: pl.DataFrame, units: pl.DataFrame) -> tuple[float, float]:
    """Find the minutes of duty that a guard has left when sent, at least, and at its end when the relief is sent."""
    duties = units.select("unit_id", on_at="starts_at", off_at="ends_at").sort("on_at")
    guards = (
        visits.filter("is_guard")
        .sort("sent_at")
        .join_asof(duties, left_on="sent_at", right_on="on_at", by="unit_id", check_sortedness=False)
        .sort("incident_id", "sent_at")
    )
    minutes = pl.col("off_at") - pl.col("sent_at")
    left = guards.select(minutes.dt.total_seconds() / 60).to_series().drop_nulls()
    before = (pl.col("off_at").shift(1) - pl.col("sent_at")).dt.total_seconds() / 60
    relieved = guards.filter(
        (pl.col("incident_id") == pl.col("incident_id").shift(1)) & (pl.col("unit_id") != pl.col("unit_id").shift(1))
    ).height
    reliefs = guards.select(
        pl.when(pl.col("incident_id") == pl.col("incident_id").shift(1)).then(before)
    ).to_series().drop_nulls()  # fmt: skip
    at_least = float(left.quantile(0.05) or 0.0) if left.len() >= _FEWEST_GUARDS else 0.0
    ahead = float(reliefs.median() or 0.0) if relieved >= _FEWEST_GUARDS else 0.0  # type: ignore[arg-type]
    return max(at_least, 0.0), max(ahead, 0.0)


def _fit_clearing(visits: pl.DataFrame) -> float:
    """Find the minutes for which a unit says that it is free before it is sent to what waits already."""
    gaps = visits.filter(pl.col("was_attending") & pl.col("travels"))["idle_seconds"]
    short = gaps.filter(gaps <= _LONGEST_CLEARING_SECONDS)
    if short.len() < max(_CLEARING_IS_SEEN * gaps.len(), 20):
        return 0.0
    return float(short.median() or 0.0) / 60  # type: ignore[arg-type]


def _as_table(
    handling: Mapping[tuple[str, bool], Floats],
    journeys: Mapping[tuple[str, str], Floats],
    levels: Mapping[tuple[str, str], float],
    help_factor: float,
    help_to: int,
    drivers_for: frozenset[str],
    last_minutes: tuple[float, int],
    guards: tuple[float, float],
    clearing: float,
    priority_of: Mapping[str, int],
) -> pl.DataFrame:
    """List what was fitted: `what`, `grade_code`, `kind`, `value`, `observations`."""
    grade_at = {place: grade for grade, place in reversed(list(priority_of.items()))}
    rows: list[tuple[str, str, str, float | None, int | None]] = []
    for (grade, near), values in handling.items():
        if not near:
            rows.append(("handling_minutes_median", grade, "all", float(np.median(values)), len(values)))
            rows.append(("handling_minutes_p90", grade, "all", float(np.quantile(values, 0.9)), len(values)))
    for (grade, kind), values in journeys.items():
        minutes = np.exp(levels[grade, kind] + values)
        rows.append(("travel_minutes_median", grade, kind, float(np.median(minutes)), len(values)))
        rows.append(("travel_minutes_p90", grade, kind, float(np.quantile(minutes, 0.9)), len(values)))
    rows.append(("help_travel_factor", "all", "all", help_factor, None))
    rows += [("help_comes", grade, "all", float(place <= help_to), None) for place, grade in sorted(grade_at.items())]
    rows += [("needs_driver", grade, "all", float(grade in drivers_for), None) for grade in sorted(priority_of)]
    rows.append(("last_minutes", "all", "all", last_minutes[0], None))
    rows += [
        ("sent_to_the_last", grade, "all", float(place <= last_minutes[1]), None)
        for place, grade in sorted(grade_at.items())
    ]
    rows.append(("last_minutes_of_guards", "all", "all", guards[0], None))
    rows.append(("relief_minutes_before", "all", "all", guards[1], None))
    rows.append(("clearing_minutes", "all", "all", clearing, None))
    shape = {
        "what": pl.String,
        "grade_code": pl.String,
        "kind": pl.String,
        "value": pl.Float64,
        "observations": pl.Int64,
    }
    return pl.DataFrame(rows, schema=shape, orient="row").sort("what", "grade_code", "kind")
