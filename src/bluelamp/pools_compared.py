"""Pools compared: fewer and larger ones, or other ones by night, on the force's own forecast and units, simulated.

The run's forecast says what comes, its cover who is out; the same weeks are drawn for every way of pooling
(`pool_trial`), and what differs is told with how sure it is. It is a comparison, not a forecast of response times: how
far a simulation of this force may be trusted is what `bluelamp validate` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import districting, plan, pool_trial, pools, redrawn, tables
from bluelamp import settings as settings_
from bluelamp.errors import BadData, NoInput, UsageError, count_of, did_you_mean, one_of
from bluelamp.offered_work import Target, read_targets
from bluelamp.periods import local_parts
from bluelamp.plane import Plane
from bluelamp.pool_trial import Offered, Pooling, Tried
from bluelamp.simulation import Travel, Units
from bluelamp.store import Store

TODAY = "today"
WEEKS = 40
_HOURS = 168
# What a way is longer than the crow flies in towns, and what getting going takes.
_DETOUR, _TURNOUT_MINUTES = 1.3, 2.0
# Mean distance of two points in a square of one square kilometre, in km.
_WITHIN = 0.52
# A shift that begins so many hours from where pools change begins there.
_SAME_CHANGE = 3

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class PoolsCompared:
    """The table `pool_trials`, and what it was made from."""

    table: pl.DataFrame
    force_name: str
    pools_of: dict[str, str]
    units: int
    weeks: int
    notes: list[str]

    def sentences(self) -> list[str]:
        """Say what each way of pooling would change for each grade with a target."""
        today = {row["grade_code"]: row for row in self.table.filter(plan=TODAY).iter_rows(named=True)}
        rows = self.table.filter(pl.col("plan") != TODAY, pl.col("in_time").is_not_null())
        return [self._against(row, today[row["grade_code"]]) for row in rows.iter_rows(named=True)]

    def _against(self, row: Mapping[str, Any], was: Mapping[str, Any]) -> str:
        change, low, high = (100 * row[f"in_time_{each}"] for each in ("difference", "low", "high"))
        if low > 0 or high < 0:
            sure = f"{abs(change):.1f} points {'more' if change > 0 else 'fewer'} ({low:+.1f} to {high:+.1f})"
        else:
            sure = f"not told apart ({low:+.1f} to {high:+.1f} points)"
        return (
            f"With {self.pools_of[row['plan']]}, {row['in_time']:.1%} of grade {row['grade_code']} would be reached in "
            f"time, with today's pools {was['in_time']:.1%}: {sure.replace('-', '−')}. On the way "
            f"{row['travel_minutes']:.1f} minutes instead of {was['travel_minutes']:.1f}."
        )

    def meanings(self) -> list[str]:
        """Say what a reader might take it for, and it is not."""
        return [
            "These weeks are simulated: shares are worth comparing with each other, not with what is recorded. "
            "'bluelamp validate' says how far a simulation of this force may be trusted.",
            "Intervals are of the drawn weeks alone: that travel may be otherwise than assumed is not in them.",
            "Larger pools ask for more than is simulated: knowing the ground, one talk group, one supervisor for all.",
            "Every job gets the nearest free unit of its pool, and none is held back or borrowed.",
        ]

    def lines(self) -> list[str]:
        """Give the shares as lines of a table, and what they say and do not say."""
        lines = [
            f"Pools of {self.force_name}: {count_of(self.units, 'duty', 'duties')} a week on {self.weeks} drawn weeks.",
            "",
            f"{'pools':<18}{'grade':>6}{'jobs':>9}{'in time':>10}{'against today':>16}{'minutes':>10}"
            f"{'on the way':>12}",
        ]
        for row in self.table.iter_rows(named=True):
            share = "–" if row["in_time"] is None else f"{row['in_time']:.1%}"
            against = (
                "" if row["plan"] == TODAY
                else "–" if row["in_time_difference"] is None else f"{100 * row['in_time_difference']:+.1f} points"
            )  # fmt: skip
            lines.append(
                f"{row['plan'][:17]:<18}{row['grade_code']:>6}{row['jobs']:>9,.1f}{share:>10}{against:>16}"
                f"{row['minutes'] or 0.0:>10.1f}{row['travel_minutes'] or 0.0:>12.1f}"
            )
        said = {"": self.sentences(), "To know:": self.notes, "What this does not say:": self.meanings()}
        for head, sentences in said.items():
            lines += ["", *([head] if head else []), *(f"- {each}" for each in sentences)] if sentences else []
        return lines


@dataclass(frozen=True)
class _Force:
    """A run's first week, laid out for trials."""

    pool_hours: pools.PoolHours
    own: Integers
    load: Floats  # areas × hours: officer-hours
    offered: Offered
    travel: Travel
    shifts: list[int]
    units: Units
    shift_of_unit: Integers
    hour_of_day: Integers
    today: Pooling
    touching: districting.Touching | None


def compare_pools(
    folder: Path | str,
    ways: Sequence[str],
    *,
    weeks: int = WEEKS,
    speed_kmh: float = 40.0,
    seed: int = 0,
    run_id: str | None = None,
) -> PoolsCompared:
    """Try ways of pooling on drawn weeks of a run's forecast.

    A way is a number of pools of equal work (`1` is all together), or pools of today to merge (`R-P1+R-P2`), and may
    end in local hours in which it holds, `1@23-07`; today's pools hold in the others. There are as many units in every
    way, those on duty by the run's cover (those required where no duties are known). Duties begin with the force's
    shifts, and where today's pools change.

    Raises UsageError for a way that is none, NoInput where there is no run, BadData where areas have no place or pool.
    """
    if weeks < 2:
        raise UsageError(
            f"{count_of(weeks, 'week')} can't tell anything apart; 2 or more were expected, and 40 are usual."
        )
    if not speed_kmh > 0:
        raise UsageError(f"A speed of {speed_kmh:g} km/h makes no sense; one such as 40 was expected.")
    settings = settings_.read(folder)
    notes: list[str] = []
    force, grades = _lay_out(folder, settings, run_id, speed_kmh, notes)
    poolings = {TODAY: force.today}
    pools_of = {TODAY: "today's pools"}
    for way in ways:
        if way not in poolings:
            poolings[way], pools_of[way] = _pooled(way, force)
    tried = pool_trial.try_poolings(force.offered, poolings, force.units, force.travel, weeks=weeks, seed=seed)
    counted = force.offered.rates.sum(axis=(1, 2))
    rows = [row for way, each in tried.items() for row in _rows(way, each, tried[TODAY], grades, counted)]
    return PoolsCompared(
        tables.publish(pl.DataFrame(rows, infer_schema_length=None), "pool_trials"), settings.force.name, pools_of,
        int((force.units.starts >= 0).sum()), weeks, notes,
    )  # fmt: skip


def _rows(way: str, each: Tried, today: Tried, grades: Sequence[str], counted: Floats) -> list[dict[str, object]]:
    rows = []
    for number, grade in enumerate(grades):
        found: dict[str, object] = {"plan": way, "grade_code": grade, "jobs": float(counted[number])}
        for name in ("in_time", "minutes"):
            values, before = getattr(each, name)[:, number], getattr(today, name)[:, number]
            differ = pool_trial.compare(values, before)
            found |= {
                name: _mean(values), f"{name}_difference": _known(differ.mean), f"{name}_low": _known(differ.low),
                f"{name}_high": _known(differ.high),
            }  # fmt: skip
        rows.append(found | {"travel_minutes": _mean(each.travel[:, number])})
    return rows


def _mean(values: Floats) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _pooled(way: str, force: _Force) -> tuple[Pooling, str]:
    """Read a way of pooling: which pool covers each area in each hour, and which each unit belongs to."""
    what, at, when = way.partition("@")
    holds = np.ones(24, dtype=bool)
    if at:
        begin, dash, end = when.partition("-")
        hours = {f"{each:02}" for each in force.shifts} | {f"{each}" for each in force.shifts}
        if not dash or not {begin, end} <= hours:
            raise UsageError(
                f"'{way}' does not hold from one change of shift to another. They are at "
                f"{', '.join(f'{each:02}' for each in force.shifts)} here; "
                f"{what}@{force.shifts[-1]:02}-{force.shifts[0]:02} would hold for the last shift."
            )
        holds = np.array([pools.holds_at(int(begin), int(end), hour) for hour in range(24)])
    in_hour = holds[force.hour_of_day]
    of_unit = holds[np.array(force.shifts)][force.shift_of_unit]
    taken = len(force.pool_hours.pool_ids)
    if what.isdigit() and int(what) > 0:
        number = int(what)
        load = force.load[:, in_hour].sum(axis=1)
        if number == 1:
            district = np.zeros(len(load), dtype=np.int64)
        elif force.touching is None:
            raise BadData(
                "Pools of equal work can't be drawn, because some areas have no boundary; '1' and merging can."
            )
        else:
            district = districting.propose_districts(load, force.touching, number, tolerance=0.1).district
        own = np.where(in_hour, taken + district[:, None], force.own)
        pool_of_unit, place_of_unit = force.today.pool_of_unit.copy(), force.today.place_of_unit.copy()
        if number == 1:
            pool_of_unit[of_unit] = taken
        else:
            _share_units(force, district, number, taken, of_unit, pool_of_unit, place_of_unit)
        words = "one pool" if number == 1 else f"{number} pools of equal work"
    else:
        known = force.pool_hours.pool_ids
        named = what.split("+")
        strange = [each for each in named if each not in known]
        if strange or len(named) < 2:
            raise UsageError(
                f"'{way}' is no way of pooling: a number of pools, or pools to merge such as {'+'.join(known[:2])}, "
                f"were expected.{did_you_mean((strange or named)[0], known)} There are {one_of(known)}."
            )
        merged = np.arange(taken)
        merged[[known.index(each) for each in named]] = known.index(named[0])
        own = np.where(in_hour, merged[force.own], force.own)
        pool_of_unit = np.where(of_unit, merged[force.today.pool_of_unit], force.today.pool_of_unit)
        place_of_unit = force.today.place_of_unit
        words = f"{' and '.join(named)} merged"
    words += f" from {int(begin):02}:00 to {int(end):02}:00" if at else ""
    _insist_on_units(way, own, pool_of_unit)
    return Pooling(own, pool_of_unit, place_of_unit), words


def _share_units(
    force: _Force, district: Integers, number: int, taken: int, of_unit: NDArray[np.bool_], pool_of_unit: Integers,
    place_of_unit: Integers,
) -> None:  # fmt: skip
    """Share each shift's units out among new pools by their work, each from the pool's best-placed area."""
    load = force.load.sum(axis=1)
    centre = [_centre(force.travel.minutes, load, np.flatnonzero(district == each)) for each in range(number)]
    for start in np.unique(force.units.starts[of_unit]):
        these = np.flatnonzero(of_unit & (force.units.starts == start))
        if len(these) < number:
            raise UsageError(
                f"{number} pools can't be made of {count_of(len(these), 'unit')}: so few are out in one of the shifts."
            )
        at = int(max(start, 0) // 60)
        during = force.load[:, at : at + 8].sum(axis=1)
        counts = pool_trial.share_out(len(these), np.bincount(district, during, number).astype(float))
        to = np.repeat(np.arange(number), counts)
        pool_of_unit[these] = taken + to
        place_of_unit[these] = np.array(centre)[to]


def _insist_on_units(way: str, own: Integers, pool_of_unit: Integers) -> None:
    if not set(np.unique(own)) <= set(np.unique(pool_of_unit)):
        raise BadData(
            f"'{way}' leaves areas to a pool that has no unit in any shift. Name a way with fewer pools, or see "
            "'bluelamp table coverage' for who is on duty."
        )


def _centre(minutes: Floats, load: Floats, inside: Integers) -> int:
    return int(inside[np.argmin(minutes[np.ix_(inside, inside)] @ (load[inside] + 1e-9))])


def _lay_out(
    folder: Path | str, settings: settings_.Settings, run_id: str | None, speed_kmh: float, notes: list[str]
) -> tuple[_Force, list[str]]:
    store, zone = Store(folder).snapshot(), settings.force.time_zone
    forecast = store.result(
        "forecast", run_id,
        (pl.col("level") == "area") & (pl.col("span") == "hour") & (pl.col("class_code") == "all"),
    )  # fmt: skip
    areas = (
        redrawn.that_hold(plan.read_used(store, "areas", run_id)).filter(level="area").unique("area_id", keep="last")
    )
    areas = areas.sort("area_id")
    ids = areas["area_id"].to_list()
    if areas["centre_longitude"].null_count() or areas["area_km2"].null_count():
        raise BadData(
            "Some areas have no known place, so that nobody can tell how far units travel. Give them boundaries."
        )
    hours = forecast["hour_starting"].unique().sort()[:_HOURS]
    if len(hours) < _HOURS:
        raise NoInput(f"The run has no forecast of a week by the hour. 'bluelamp plan {folder}' makes one.")
    forecast = forecast.filter(pl.col("hour_starting").is_in(hours.implode()))
    by_grade = forecast.filter(pl.col("grade_code") != "all", pl.col("deployments_mean") > 0)
    grades = by_grade["grade_code"].unique().sort().to_list()
    standards, times = (plan.read_used(store, name, run_id) for name in ("standards", "service_times"))
    kinds = areas["kind"].to_list()
    told = read_targets(standards, grades, sorted(set(kinds)), local_parts(hours, zone)["day"][0])
    limit, handling, told_travel = _targets(told, standards, grades, kinds)
    soonest = np.where(np.isfinite(limit), limit, np.inf).min(axis=1)
    order = np.argsort(soonest, kind="stable")
    grades = [grades[each] for each in order]
    limit, handling, told_travel = limit[order], handling[order], told_travel[order]
    place = {area: number for number, area in enumerate(ids)}
    when = {at: number for number, at in enumerate(hours)}

    def laid(rows: pl.DataFrame, column: str, shape: tuple[int, ...], by_grade: bool) -> Floats:
        out = np.zeros(shape)
        keys = [rows["area_id"].replace_strict(place, return_dtype=pl.Int64).to_numpy(),
                rows["hour_starting"].replace_strict(when, return_dtype=pl.Int64).to_numpy()]  # fmt: skip
        if by_grade:
            number = {grade: each for each, grade in enumerate(grades)}
            keys.insert(0, rows["grade_code"].replace_strict(number, return_dtype=pl.Int64).to_numpy())
        np.add.at(out, tuple(keys), rows[column].to_numpy())
        return out

    lost = forecast.filter(pl.col("grade_code") == "all", ~pl.col("area_id").is_in(ids))["deployments_mean"].sum()
    inside = by_grade.filter(pl.col("area_id").is_in(ids))
    rates = laid(inside, "deployments_mean", (len(grades), len(ids), _HOURS), by_grade=True)
    if lost:
        share = lost / (lost + rates.sum())
        rates *= 1 / (1 - share)
        notes.append(f"{share:.1%} of deployments are at places that are not known; they are spread like the others.")
    load = laid(
        forecast.filter(pl.col("grade_code") == "all", pl.col("area_id").is_in(ids)), "officer_hours_mean",
        (len(ids), _HOURS), by_grade=False,
    )  # fmt: skip
    minutes, spread, units_of = _service(times, grades, told_travel)
    offered = Offered(rates, minutes, spread, units_of, handling, limit)
    degrees = areas.select("centre_longitude", "centre_latitude").to_numpy().astype(float)
    xy = Plane.amid(degrees).flatten(degrees) / 1000
    far = np.linalg.norm(xy[:, None] - xy[None, :], axis=2)
    np.fill_diagonal(far, _WITHIN * np.sqrt(areas["area_km2"].to_numpy()))
    travel = Travel(_TURNOUT_MINUTES + 60 * _DETOUR * far / speed_kmh)
    notes.append(
        f"Travel is assumed: {_TURNOUT_MINUTES:g} minutes to get going, then {speed_kmh:g} km/h over {_DETOUR:g} times "
        "the distance between the middles of areas. Units begin at their pool's best-placed area."
    )
    notes.append(
        "Jobs come by chance about the forecast's mean and take log-normal times with the mean and spread of their "
        "grade; write-up, long commitments and breaks are left out, so that all ways look better than they are."
    )
    pool_hours = pools.lay_out_pools(plan.read_used(store, "pools", run_id), settings.staffing.role, ids, hours, zone)
    own = pool_hours.patterns[pool_hours.pattern_of_hour].T
    if (own < 0).any():
        bare = [ids[int(each)] for each in np.unique(np.nonzero(own < 0)[0])]
        raise BadData(
            f"No pool covers {count_of(len(bare), 'area')} in some hours ({', '.join(bare[:5])}). Give each a pool for "
            "every hour in the table pools."
        )
    hour_of_day = local_parts(hours, zone)["hour"].to_numpy()
    shifts = _changes(settings.offending.shift_starts, pool_hours, hour_of_day)
    units, shift_of_unit, home = _units(store, run_id, settings, pool_hours, hours, hour_of_day, shifts, notes)
    centre = np.array(
        [
            _centre(travel.minutes, load.sum(axis=1), np.flatnonzero((own == each).any(axis=1)))
            if (own == each).any() else 0
            for each in range(len(pool_hours.pool_ids))
        ]
    )  # fmt: skip
    touching = None
    if areas["boundary"].null_count() == 0:
        import shapely

        shapes = shapely.from_geojson(areas["boundary"].to_list())
        touching = districting.link_islands(districting.find_touching(shapes), shapes)
    today = Pooling(own, home, centre[home])
    _insist_on_units(TODAY, own, home)
    return _Force(
        pool_hours, own, load, offered, travel, shifts, units, shift_of_unit, hour_of_day, today, touching
    ), grades


def _changes(shift_starts: Sequence[int], pool_hours: pools.PoolHours, hour_of_day: Integers) -> list[int]:
    """Give the hours of the day at which duties begin: where pools change, and shifts that begin far from that."""
    changed = np.flatnonzero(np.diff(pool_hours.pattern_of_hour)) + 1
    begins = sorted(set(hour_of_day[changed].tolist()))
    far = [
        each for each in shift_starts if all(min((each - one) % 24, (one - each) % 24) > _SAME_CHANGE for one in begins)
    ]
    return sorted({*begins, *far})


def _targets(
    told: Sequence[Target], standards: pl.DataFrame, grades: Sequence[str], kinds: Sequence[str]
) -> tuple[Floats, Floats, Floats]:
    """Give the target (grades × areas) and, by grade, the minutes of handling and of travel that standards speak of."""
    limit = np.full((len(grades), len(kinds)), np.nan)
    for each in told:
        of_kind = np.array([kind == each.area_kind for kind in kinds])
        limit[grades.index(each.grade_code), of_kind] = each.waiting_minutes + each.other_minutes
    stated = []
    for column in ("handling_minutes", "travel_minutes"):
        means = dict(standards.group_by("grade_code").agg(pl.col(column).mean()).iter_rows())
        stated.append(np.array([means.get(grade, means.get("all")) or 0.0 for grade in grades]))
    return limit, stated[0], stated[1]


def _service(times: pl.DataFrame, grades: Sequence[str], travel: Floats) -> tuple[Floats, Floats, Floats]:
    """Give each grade's minutes without travel, their standard deviation, and units, over the classes as they occur."""
    minutes, spread, units = (np.empty(len(grades)) for _ in range(3))
    for number, grade in enumerate(grades):
        rows = times.filter(pl.col("grade_code").is_in([grade, "all"]), pl.col("units_per_deployment") > 0)
        own = rows.filter(grade_code=grade)
        rows = own if own.height else rows
        weight = (rows["incidents"].fill_null(1) * rows["share_deployed"]).to_numpy() + 1e-9
        mean, sd = rows["minutes_per_unit"].to_numpy(), rows["sd_minutes"].fill_null(0.0).to_numpy()
        whole = float(np.average(mean, weights=weight))
        # Recorded minutes hold the way there, which is simulated by itself; something always happens at the scene.
        minutes[number] = max(whole - travel[number], whole / 3)
        spread[number] = np.sqrt(np.average(sd**2 + mean**2, weights=weight) - whole**2)
        units[number] = float(np.average(rows["units_per_deployment"].to_numpy(), weights=weight))
    return minutes, spread, units


def _units(
    store: Store, run_id: str | None, settings: settings_.Settings, pool_hours: pools.PoolHours, hours: pl.Series,
    hour_of_day: Integers, shifts: Sequence[int], notes: list[str],
) -> tuple[Units, Integers, Integers]:  # fmt: skip
    """Make duties of the units on duty: by pool and shift as many as there are on average in its hours, one or more."""
    cover = store.result("coverage", run_id, pl.col("level") == "pool").filter(
        pl.col("role_code") == settings.staffing.role, pl.col("hour_starting").is_in(hours.implode())
    )
    column = "units_on_duty"
    if cover[column].fill_null(0).sum() == 0:
        column = "units_required"
        notes.append("No duties are known for this week: as many units are out as the run says are required.")
    number = {pool: each for each, pool in enumerate(pool_hours.pool_ids)}
    when = {at: each for each, at in enumerate(hours)}
    out = np.zeros((len(number), len(hours)))
    for pool, at, units in cover.select("pool_id", "hour_starting", column).iter_rows():
        out[number[pool], when[at]] = units or 0.0
    runs = pool_hours.runs
    begins = np.unique(np.concatenate([[0], np.flatnonzero(np.isin(hour_of_day, shifts))]))
    starts, ends, home, shift = [], [], [], []
    for begin, end in zip(begins, [*begins[1:], len(hours)], strict=True):
        started = max((each for each in shifts if each <= hour_of_day[begin]), default=max(shifts))
        for pool in range(len(number)):
            if runs[pool, begin:end].any():
                each = max(round(float(out[pool, begin:end].mean())), 1)
                starts += [60.0 * begin] * each
                ends += [60.0 * end] * each
                home += [pool] * each
                shift += [shifts.index(started)] * each
    return Units.of(starts, ends), np.array(shift), np.array(home)
