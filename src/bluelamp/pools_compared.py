"""Pools compared: fewer and larger ones, or other ones by night, on the force's own forecast and units, simulated.

The coming days' work is drawn from the forecast's joint paths as `bluelamp solve` and `bluelamp what-if` draw it, with
each call's own minutes, units, write-up and long commitments. The same units answer the same drawn weeks in every way
of pooling (`pool_trial`), sent by who is nearest, and what differs is told with how sure it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import districting, periods, pool_trial, reading, redrawn, tables
from bluelamp.coming_work import Coming, read_coming
from bluelamp.errors import BadData, UsageError, count_of, did_you_mean, one_of
from bluelamp.pool_trial import Duties, Way
from bluelamp.pools import holds_at
from bluelamp.simulation import Travel
from bluelamp.solving import Answered, by_grade_and_pool, compare_ratios
from bluelamp.store import Store
from bluelamp.travel import DETOUR, SPEED_KMH, TURNOUT_MINUTES, Driving, Places, by_distance

TODAY = "today"
WEEKS = 40
_MOST_WEEKS = 5_000
# Weeks that tell how work is spread over areas, and those that ways are tried on, have nothing in common.
_LAID, _TRIED = 1, 2
_LAID_RUNS = 10
_BEGUN = (
    "Units begin at the best-placed areas of today's pools, in new ones too, and wait for the next call where the last "
    "one was."
)
_MEASURES = ("late_by_run", "calls_by_run", "minutes_by_run", "way_by_run", "reached_by_run")

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class PoolsCompared:
    """The table `pool_trials`, and what it was made from."""

    table: pl.DataFrame
    force_name: str
    pools_of: dict[str, str]
    unit_hours: float
    weeks: int
    notes: list[str]

    def sentences(self) -> list[str]:
        """Say what each way of pooling would change for each grade, and for which of today's pools it is otherwise."""
        today = {
            (row["grade_code"], row["pool_id"]): row for row in self.table.filter(plan=TODAY).iter_rows(named=True)
        }
        said = []
        for row in self.table.filter(pl.col("plan") != TODAY, pool_id="all").iter_rows(named=True):
            said.append(self._against(row, today[row["grade_code"], "all"]))
            said += self._unlike(row)
        return said

    def _against(self, row: Mapping[str, Any], was: Mapping[str, Any]) -> str:
        change, low, high = (100 * row[f"in_time_{each}"] for each in ("difference", "low", "high"))
        if max(abs(low), abs(high)) < 0.05:
            sure = "no difference"
        elif low > 0 or high < 0:
            sure = f"{abs(change):.1f} points {'more' if change > 0 else 'fewer'} ({low:+.1f} to {high:+.1f})"
        else:
            sure = f"not told apart ({low:+.1f} to {high:+.1f} points)"
        return (
            f"With {self.pools_of[row['plan']]}, {row['in_time']:.1%} of grade {row['grade_code']} would be reached in "
            f"time, with today's pools {was['in_time']:.1%}: {sure.replace('-', '−')}."
            + (
                f" On the way {row['travel_minutes']:.1f} minutes instead of {was['travel_minutes']:.1f}."
                if row["travel_minutes"] is not None and was["travel_minutes"] is not None
                else " Nobody arrived, so that nothing can be said of the way."
            )
        )

    def _unlike(self, whole: Mapping[str, Any]) -> list[str]:
        """Name today's pools whose own calls fare otherwise than the force's, where the weeks tell it."""
        mine = self.table.filter(
            pl.col("pool_id") != "all", plan=whole["plan"], grade_code=whole["grade_code"]
        ).drop_nulls("in_time_low")
        worse = mine.filter(pl.col("in_time_high") < 0).sort("in_time_difference")
        better = mine.filter(pl.col("in_time_low") > 0).sort("in_time_difference", descending=True)
        if worse.is_empty() or (better.is_empty() and whole["in_time_high"] < 0):
            return []
        told = [
            f"{more} points in {', '.join(_named(row) for row in rows.head(3).iter_rows(named=True))}"
            + (f" and {rows.height - 3} more" if rows.height > 3 else "")
            for more, rows in (("fewer", worse), ("more", better))
            if rows.height
        ]
        return [f"Not so on the ground of all of today's pools: {'; '.join(told)}."]

    def meanings(self) -> list[str]:
        """Say what a reader might take it for, and it is not."""
        return [
            "These weeks are simulated: shares are worth comparing with each other, not with what is recorded. "
            "'bluelamp validate' says how far a simulation of this force may be trusted.",
            "Intervals are of the drawn weeks alone: that ways may be longer or shorter than supposed is not in them.",
            "Of twenty of today's pools whose ground is said to fare otherwise, one may be named by chance alone.",
            "Larger pools ask for more than is simulated: knowing the ground, one talk group, one supervisor for all.",
            "Every job gets the nearest free unit of its pool, and none is held back or borrowed.",
        ]

    def lines(self) -> list[str]:
        """Give the shares as lines of a table, and what they say and do not say."""
        lines = [
            f"Pools of {self.force_name}: {self.unit_hours:,.0f} unit-hours a week on {self.weeks} drawn weeks.",
            "",
            f"{'pools':<18}{'grade':>6}{'calls':>9}{'in time':>10}{'against today':>16}{'minutes':>10}"
            f"{'on the way':>12}",
        ]
        for row in self.table.filter(pool_id="all").iter_rows(named=True):
            against = "" if row["plan"] == TODAY else f"{100 * row['in_time_difference']:+.1f} points"
            lines.append(
                f"{row['plan'][:17]:<18}{row['grade_code']:>6}{row['calls']:>9,.1f}{row['in_time']:>10.1%}{against:>16}"
                f"{row['minutes'] or 0.0:>10.1f}{row['travel_minutes'] or 0.0:>12.1f}"
            )
        said = {"": self.sentences(), "To know:": self.notes, "What this does not say:": self.meanings()}
        for head, sentences in said.items():
            lines += ["", *([head] if head else []), *(f"- {each}" for each in sentences)] if sentences else []
        return lines


def _named(row: Mapping[str, Any]) -> str:
    return f"{row['pool_id']} ({100 * row['in_time_difference']:+.1f})".replace("(-", "(−")


@dataclass(frozen=True)
class _Force:
    """A run's coming days, laid out for trials."""

    coming: Coming
    duties: Duties
    today: Way
    base: Integers  # by pool of today, its best-placed area
    travel: Travel
    stretch: Floats | None  # by target: times that travel; none where ways vary as they were drawn
    load: Floats  # areas × hours: unit-minutes
    touching: districting.Touching | None
    covered: Integers  # areas that a pool covers
    hour_of_day: Integers


def compare_pools(
    folder: Path | str,
    ways: Sequence[str],
    *,
    weeks: int = WEEKS,
    speed_kmh: float | None = None,
    seed: int = 0,
    run_id: str | None = None,
) -> PoolsCompared:
    """Try ways of pooling on drawn weeks of a run's forecast.

    A way is a number of pools of equal work (`1` is all together), `pairs` (neighbours merged two by two), or pools of
    today to merge (`R-P1+R-P2`), and may end in local hours in which it holds, `1@23-07`; today's pools hold in the
    others. Every way has the same duties, made from the units on duty (from those required where no duties are known).
    Ways are by distance; with today's pools they take on average what the standards suppose, or go at `speed_kmh`.

    Raises UsageError for a way that is none or days without joint paths, NoInput where there is no run, BadData where
    areas have no place or pool, or no call has a target.
    """
    if not 2 <= weeks <= _MOST_WEEKS:
        raise UsageError(
            f"{count_of(weeks, 'week')} can't be tried: 2 to {_MOST_WEEKS:,} were expected, fewer than 2 tell nothing "
            "apart, and 40 are usual."
        )
    if speed_kmh is not None and not 1 <= speed_kmh <= 300:
        raise UsageError(f"A speed of {speed_kmh:g} km/h makes no sense; one such as 40 was expected.")
    asked = {way: _hours_of(way) for way in ways if way != TODAY}
    coming = read_coming(folder, run_id=run_id)
    if not coming.ground.targets:
        raise BadData("No grade has a target, so that nobody can tell what is in time. Import 'standards'.")
    notes: list[str] = []
    force = _lay_out(folder, coming, asked, speed_kmh, seed, notes)
    made = {way: _way(way, force) for way in asked}
    notes += [_say_merged(way, each, len(force.base)) for way, (each, _) in made.items() if way.startswith("pairs")]
    pools_of = {TODAY: "today's pools"} | {way: words for way, (_, words) in made.items()}
    tried = pool_trial.try_ways(
        coming.ground, coming.cases(weeks, 2 * seed + _TRIED),
        {TODAY: force.today} | {way: each for way, (each, _) in made.items()}, force.duties, force.travel,
        force.stretch,
    )  # fmt: skip
    warm_up, out = coming.ground.warm_up, force.duties
    unit_hours = int((out.last - np.maximum(out.first, warm_up)).clip(min=0).sum())
    notes.append(
        f"Jobs that outlast duties add {tried[TODAY].overtime / 60:,.0f} unit-hours to the {unit_hours:,} with today's "
        "pools."
    )
    rows = [row for way, each in tried.items() for row in _rows(way, coming, tried[TODAY], each)]
    return PoolsCompared(
        tables.publish(pl.DataFrame(rows, infer_schema_length=None), "pool_trials"), coming.settings.force.name,
        pools_of, unit_hours, weeks, notes,
    )  # fmt: skip


def _rows(way: str, coming: Coming, today: Answered, each: Answered) -> list[dict[str, object]]:
    rows = []
    for grade, pool, sums in by_grade_and_pool(coming.ground, _MEASURES, (today, each)):
        in_time, minutes, travel = (
            compare_ratios(*([plan[over], plan[under]] for plan in sums)) for over, under in ((0, 1), (2, 4), (3, 4))
        )
        if in_time is None:
            continue
        row: dict[str, object] = {
            "plan": way, "grade_code": grade, "pool_id": pool, "calls": float(sums[1][1].mean()),
            "in_time": 1 - in_time.after, "in_time_difference": -in_time.difference, "in_time_low": -in_time.high,
            "in_time_high": -in_time.low,
        }  # fmt: skip
        if minutes is not None and travel is not None:
            row |= {
                "minutes": minutes.after, "minutes_difference": minutes.difference, "minutes_low": minutes.low,
                "minutes_high": minutes.high, "travel_minutes": travel.after,
            }  # fmt: skip
        rows.append(row)
    return rows


# ---- ways of pooling ----


def _hours_of(way: str) -> tuple[int, int] | None:
    """Read the local hours in which a way holds; none where it always does."""
    _, at, when = way.partition("@")
    begin, dash, end = when.partition("-")
    if not at:
        return None
    if not (dash and begin.isdecimal() and end.isdecimal()) or not (int(begin) < 24 and int(end) <= 24) or begin == end:
        raise UsageError(
            f"'{way}' names no hours of the day: a way such as '{way.partition('@')[0]}@23-07' was expected."
        )
    return int(begin), int(end)


def _way(way: str, force: _Force) -> tuple[Way, str]:
    """Make a way of pooling as it is asked for, and say it in words."""
    what = way.partition("@")[0]
    between = _hours_of(way)
    by_hour = np.array([between is None or holds_at(*between, hour) for hour in range(24)])
    holds = by_hour[force.hour_of_day]
    known, runs = force.today.pool_hours.pool_ids, force.today.pool_hours.runs
    warm_up = force.coming.ground.warm_up
    if what == "pairs" or what == "1":
        if what == "1":
            groups: list[tuple[int, ...]] = [tuple(np.flatnonzero(runs[:, holds].any(axis=1)).tolist())]
        else:
            groups = pool_trial.pair_up(force.travel.minutes[np.ix_(force.base, force.base)], runs & holds)
            if not groups:
                raise UsageError(f"'{way}' merges nothing: no two pools run in the same hours then.")
        merged = pool_trial.merge(force.today, force.duties, groups, holds, warm_up)
        words = "one pool" if what == "1" else "neighbouring pools merged two by two"
    elif what.isdecimal() and int(what) > 1:
        merged = _redrawn(int(what), force, holds)
        words = f"{what} pools of equal work"
    else:
        named = what.split("+")
        strange = [each for each in named if each not in known]
        if strange or len(set(named)) < 2:
            raise UsageError(
                f"'{way}' is no way of pooling: a number of pools, 'pairs', or pools to merge such as "
                f"{'+'.join(known[:2])}, were expected.{did_you_mean((strange or named)[0], known)} There are "
                f"{one_of(known)}."
            )
        group = [known.index(each) for each in dict.fromkeys(named)]
        merged = pool_trial.merge(force.today, force.duties, [group], holds, warm_up)
        words = f"{' and '.join(known[each] for each in group)} merged"
    return merged, words + ("" if between is None else f" from {between[0]:02}:00 to {between[1]:02}:00")


def _say_merged(way: str, made: Way, taken: int) -> str:
    return f"'{way}' merges {', '.join(name.replace('+', ' with ') for name in made.pool_hours.pool_ids[taken:])}."


def _redrawn(number: int, force: _Force, holds: NDArray[np.bool_]) -> Way:
    if force.touching is None:
        raise BadData("Pools of equal work can't be drawn, because some areas have no boundary; '1' and merging can.")
    district = np.full(len(force.load), -1, dtype=np.int64)
    load = force.load[:, holds].sum(axis=1)[force.covered]
    district[force.covered] = districting.propose_districts(load, force.touching, number, tolerance=0.1).district
    return pool_trial.redraw(
        force.today, force.duties, district, force.load, force.travel, holds, force.coming.ground.warm_up
    )


# ---- the force ----


def _lay_out(
    folder: Path | str, coming: Coming, asked: Mapping[str, tuple[int, int] | None], speed_kmh: float | None, seed: int,
    notes: list[str],
) -> _Force:  # fmt: skip
    ground, zone = coming.ground, coming.settings.force.time_zone
    pool_hours = ground.pool_hours
    is_covered: NDArray[np.bool_] = np.any(pool_hours.patterns >= 0, axis=0)
    areas = _areas(folder, coming, [pool_hours.area_ids[each] for each in np.flatnonzero(is_covered)])
    # Where the force has said how ways are known, they vary as they were drawn.
    is_told = ground.travel is not None and speed_kmh is None
    driving = Driving() if speed_kmh is None else Driving(speed_kmh=speed_kmh)
    travel = _travel(areas, np.flatnonzero(is_covered), len(is_covered), driving)
    if is_told and ground.travel is not None:
        travel = ground.travel
    hour_of_day = periods.local_parts(coming.hours, zone)["hour"].to_numpy()
    known = ~np.isnan(coming.on_duty)
    units = np.where(known, np.nan_to_num(coming.on_duty), coming.required).astype(np.int64)
    if not known.any():
        notes.append("No duties are known for these days: as many units are out as the run says are required.")
    _insist_on_units(coming, units)
    duties = pool_trial.lay_duties(units, ground, _cuts(coming, asked, hour_of_day, notes))
    drawn = coming.cases(_LAID_RUNS, 2 * seed + _LAID)
    load = pool_trial.load_of(ground, drawn)
    own = pool_trial.cover_by_hour(pool_hours)
    of_pool = [np.flatnonzero((own == pool).any(axis=1)) for pool in range(len(pool_hours.pool_ids))]
    base = np.array(
        [pool_trial.best_placed(travel.minutes, load.sum(axis=1), each) if len(each) else 0 for each in of_pool]
    )
    touching = None
    if areas["boundary"].null_count() == 0:
        import shapely

        shapes = shapely.from_geojson(areas["boundary"].to_list())
        touching = districting.link_islands(districting.find_touching(shapes), shapes)
    today = Way(pool_hours, duties.pool, base[duties.pool])
    stretch = None if is_told else np.ones(len(ground.targets))
    if speed_kmh is None and stretch is not None:
        tried = pool_trial.try_ways(ground, drawn, {TODAY: today}, duties, travel, stretch)
        stretch = pool_trial.stretch_to_stated(ground, tried[TODAY])
    notes += [*coming.notes, _BEGUN] if is_told else [f"{_say_travel(speed_kmh)} {_BEGUN}"]
    return _Force(coming, duties, today, base, travel, stretch, load, touching, np.flatnonzero(is_covered), hour_of_day)


def _insist_on_units(coming: Coming, units: Integers) -> None:
    cover = coming.ground.pool_hours
    runs: NDArray[np.bool_] = np.any(cover.runs, axis=1)
    if not runs.any():
        raise BadData("No pool covers any area in the coming days. 'bluelamp template pools' shows what a row holds.")
    unmanned = [name for name, does, out in zip(cover.pool_ids, runs, units, strict=True) if does and not out.any()]
    if unmanned:
        raise BadData(
            f"Nobody is on duty in {one_of(unmanned)}, so that its calls would never be answered. 'bluelamp table "
            "coverage' says who is out."
        )


def _say_travel(speed_kmh: float | None) -> str:
    way = (
        f"{TURNOUT_MINUTES:g} minutes to get going and then {speed_kmh or SPEED_KMH:g} km/h over {DETOUR:g} times "
        "the distance between the middles of areas"
    )
    if speed_kmh is not None:
        return f"Travel is assumed: {way}."
    return (
        f"Ways are as {way} would have it, all of a target's longer or shorter by the same factor, so that with "
        "today's pools they take on average the minutes that the standards suppose."
    )


def _areas(folder: Path | str, coming: Coming, ids: Sequence[str]) -> pl.DataFrame:
    """Give the areas by their ids, in that order. Raises BadData where one has no place."""
    used = redrawn.that_hold(reading.read_used(Store(folder).snapshot(), "areas", coming.run_id))
    used = used.filter(level="area").unique("area_id", keep="last")
    areas = pl.DataFrame({"area_id": ids}).join(used, on="area_id", how="left", maintain_order="left")
    if areas["centre_longitude"].null_count() or areas["area_km2"].null_count():
        raise BadData(
            "Some areas have no known place, so that nobody can tell how far units travel. Give them boundaries."
        )
    return areas


def _travel(areas: pl.DataFrame, covered: Integers, places: int, driving: Driving) -> Travel:
    """Give minutes between areas; nobody is sent to or from one that no pool covers."""
    degrees = areas.select("centre_longitude", "centre_latitude").to_numpy().astype(float)
    told = Places(
        areas["area_id"].to_list(), degrees, areas["area_km2"].to_numpy().astype(float), np.ones(len(covered)),
        [None] * len(covered),
    )  # fmt: skip
    minutes = np.zeros((places, places))
    minutes[np.ix_(covered, covered)] = by_distance(told, driving).minutes
    return Travel(minutes)


def _cuts(
    coming: Coming, asked: Mapping[str, tuple[int, int] | None], hour_of_day: Integers, notes: list[str]
) -> list[int]:
    """Give the hours of the run at which pools change in some way that is asked for, and do not today."""
    named = sorted({hour % 24 for between in asked.values() if between is not None for hour in between})
    changes = np.flatnonzero(np.diff(coming.ground.pool_hours.pattern_of_hour)) + 1
    fresh = [hour for hour in named if hour not in set(hour_of_day[changes].tolist())]
    if fresh:
        hours = " and ".join(f"{hour:02}:00" for hour in fresh)
        notes.append(f"Whoever is out at {hours} begins anew there in every way, today's included: pools change then.")
    return np.flatnonzero(np.isin(hour_of_day, fresh)).tolist()
