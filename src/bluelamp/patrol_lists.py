"""Patrol lists of a force: made from a run's hotspots, kept with it, and held against the visits that happened."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from bluelamp import hotspot_trial, hotspots, patrols, periods, plan, reading, tables
from bluelamp import settings as settings_
from bluelamp.errors import NoInput, UsageError, count_of
from bluelamp.patrols import PatrolList
from bluelamp.store import Store, listed

PLACES = 20
ABOUT_PLACES = "This list is about places, never about persons: it says nothing about anybody who is met there."


@dataclass(frozen=True)
class Watch:
    """One shift of a day, with its list; its hours may be fewer than the shift's."""

    from_hour: int
    to_hour: int
    starts_at: datetime
    ends_at: datetime
    made: PatrolList


@dataclass(frozen=True)
class Briefing:
    """The patrol lists of a day for one class, and what a reader should know of all of them."""

    force_name: str
    time_zone: str
    class_code: str
    day: date
    seed: int
    run_id: str
    watches: tuple[Watch, ...]
    how_right: list[str]
    notes: list[str]

    @property
    def rows(self) -> pl.DataFrame:
        """All visits, as table `patrol_plan`."""
        return tables.publish(pl.concat([each.made.rows for each in self.watches]), "patrol_plan")

    def lines(self) -> list[str]:
        """Give the lists as lines to read at briefing."""
        zone = periods.zone(self.time_zone)
        told = []
        for watch in self.watches:
            begins, ends = (each.astimezone(zone) for each in (watch.starts_at, watch.ends_at))
            told.append(f"{self.day:%A} {self.day}, {begins:%H:%M} to {ends:%H:%M}, class {self.class_code}")
            told.append(
                f"  {'unit':>4} {'from':>5} {'to':>5} {'min':>3} {'km':>5} {'place':<20} {'area':<8} {'rank':>4} "
                f"{'expected':>8} {'at least one':>12}"
            )
            for row in self.rows.filter(watch_starts_at=watch.starts_at).iter_rows(named=True):
                where = row["cell_name"] or f"{row['latitude']:.4f}, {row['longitude']:.4f}"
                chance = "" if row["chance_any"] is None else f"{row['chance_any']:.0%}"
                told.append(
                    f"  {row['unit_number']:>4} {row['starts_at'].astimezone(zone):%H:%M} "
                    f"{row['ends_at'].astimezone(zone):%H:%M} {row['minutes']:>3} {row['travel_km']:>5.1f} {where:<20} "
                    f"{row['area_id'] or '':<8} {row['rank']:>4} {row['expected']:>8.2f} {chance:>12}"
                )
            told += [*watch.made.notes, ""]
        return [*told, *self.notes, hotspot_trial.OF_THE_WEEK, *self.how_right, ABOUT_PLACES]


def make_lists(
    folder: Path | str,
    class_code: str = hotspots.ALL,
    *,
    day: date | None = None,
    from_hour: int | None = None,
    places: int = PLACES,
    within: tuple[int, int] | None = None,
    units: int | None = None,
    seed: int | None = None,
    run_id: str | None = None,
    keep: bool = True,
) -> Briefing:
    """Make the patrol lists of a day (the run's first by default) for one shift of the map or all, and keep them.

    `within` are the local hours, from and to, in which patrols are on duty, where these are not whole shifts. `units`
    are there for it alone; else the units that cover leaves free, where duties are known. Without a `seed` chance gives
    one, so that nobody can make the list beforehand.

    Raises UsageError for a class or shift without a map, and where no shift has hours of duty; NoInput without a run.
    """
    if places < 1:
        raise UsageError("At least one place was expected; 20 are usual.")
    settings = settings_.read(folder)
    store, zone = Store(folder), settings.force.time_zone
    shown = hotspot_trial.list_places(folder, class_code, from_hour, 1.0, run_id)
    run = store.latest_run() if run_id is None else store.runs().filter(run_id=run_id).row(0, named=True)
    first = run["forecast_from"].astimezone(periods.zone(zone)).date()
    day = first if day is None else day
    notes = []
    if not first <= day < first + timedelta(weeks=1):
        notes.append(
            f"The map is for the week from {first} and {day} is not in it: the places are those of that week. "
            "'bluelamp plan' makes a map of newer ones."
        )
    seed = secrets.randbelow(2**31) if seed is None else seed
    covered = store.result("coverage", run_id)
    watches = []
    for (begins, ends), rows in shown.rows.group_by("from_hour", "to_hour", maintain_order=True):
        assert isinstance(begins, int)
        assert isinstance(ends, int)
        on_duty = _on_duty(day, begins, ends, within, zone)
        if on_duty is None:
            continue
        if rows.height < places:
            notes.append(
                f"The map lists {count_of(rows.height, 'place')} from {begins:02}:00, fewer than were asked for."
            )
        pool_of_area, spare = _find_free(covered, settings.staffing.role, *on_duty)
        made = patrols.plan_visits(
            rows.sort("rank").head(places), list_id=f"{day}-{class_code}-{begins:02}", starts_at=on_duty[0],
            ends_at=on_duty[1], pool_of_area=pool_of_area, spare=spare, units=units, rules=settings.patrols, seed=seed,
        )  # fmt: skip
        of_run = made.rows.with_columns(day=pl.lit(day), run_id=pl.lit(run["run_id"]))
        watches.append(Watch(begins, ends, *on_duty, replace(made, rows=of_run)))
    if not watches:
        raise UsageError(
            f"No hour from {within[0] if within else 0} to {within[1] if within else 24} is in the shift. "
            "Hours of the shift were expected (--from, --to), or another shift."
        )
    if keep:
        for watch in watches:
            if not watch.made.rows.is_empty():
                listed.keep(folder, tables.publish(watch.made.rows, "patrol_plan"))
    return Briefing(
        settings.force.name, zone, class_code, day, seed, run["run_id"], tuple(watches), shown.sentences,
        [f"Seed {seed}, run {run['run_id']}: with them the same list is made again.", *notes],
    )  # fmt: skip


def _find_free(
    covered: pl.DataFrame, role: str, starts_at: datetime, ends_at: datetime
) -> tuple[dict[str, str], dict[str, int | None]]:
    """Give the pool of each area, and the units of each pool that cover leaves free throughout, as far as known."""
    during = covered.filter(
        pl.col("hour_starting") > starts_at - timedelta(hours=1), pl.col("hour_starting") < ends_at,
        pl.col("role_code") == role,
    )  # fmt: skip
    of_areas = during.filter(level="area").sort("hour_starting").unique("place_id", keep="first", maintain_order=True)
    free = pl.col("units_on_duty") - pl.col("units_required")
    # In the tightest hour; where one hour is not known, neither is how many can stay throughout.
    of_pools = during.filter(level="pool").group_by("place_id").agg(
        pl.when(free.is_not_null().all()).then(free.min().clip(0)).alias("free")
    )  # fmt: skip
    return dict(of_areas.drop_nulls("pool_id").select("place_id", "pool_id").iter_rows()), dict(of_pools.iter_rows())


def _on_duty(
    day: date, from_hour: int, to_hour: int, within: tuple[int, int] | None, time_zone: str
) -> tuple[datetime, datetime] | None:
    """Give the part of a shift that lies in the hours of duty, of two parts the longer; none where there is none.

    Hours of duty past midnight go on into the next day.
    """
    shift = _span(day, from_hour, to_hour, time_zone)
    if within is None:
        return shift
    # Hours after midnight may be those of the day before, or belong to a shift that goes on into the next day.
    spans = [_span(day + timedelta(days=days), *within, time_zone) for days in (-1, 0, 1)]
    parts = [(max(first, shift[0]), min(last, shift[1])) for first, last in spans]
    longest = max(parts, key=lambda part: part[1] - part[0])
    return longest if longest[0] < longest[1] else None


def _span(day: date, from_hour: int, to_hour: int, time_zone: str) -> tuple[datetime, datetime]:
    """Give local hours of a day as instants; an end that is no later than the start is the next day's."""
    midnight = datetime(day.year, day.month, day.day)
    walls = [midnight + timedelta(hours=from_hour), midnight + timedelta(hours=to_hour, days=to_hour <= from_hour)]
    starts_at, ends_at = periods.to_utc(pl.DataFrame({"at": walls}), "at", time_zone)["at"]
    return starts_at, ends_at


# ---- what became of them ----


@dataclass(frozen=True)
class Dose:
    """Table `patrol_dose`, and what it says."""

    table: pl.DataFrame
    sentences: list[str]

    def lines(self) -> list[str]:
        """Give planned beside given, shift by shift, as lines of a table, and what it comes to."""
        told = [
            f"{'day':<10} {'shift':<11} {'places':>6} {'visits planned':>14} {'given':>5} {'minutes planned':>15} "
            f"{'given':>6} {'windows visited':>15} {'longest gap':>11}"
        ]
        asked = self.table.filter(pl.col("visits_planned") > 0)
        for row in _sum_up(asked, "day", "from_hour", "to_hour").iter_rows(named=True):
            gap = _or_unknown(row["longest_gap_minutes"], ",.0f", " min")
            told.append(
                f"{row['day']!s:<10} {row['from_hour']:02}:00-{row['to_hour']:02}:00 {row['places']:>6} "
                f"{row['visits_planned']:>14} {_or_unknown(row['visits_given'], ',d'):>5} "
                f"{row['minutes_planned']:>15,.0f} {_or_unknown(row['minutes_given'], ',.0f'):>6} "
                f"{_or_unknown(row['visited'], '.0%'):>15} {gap:>11}"
            )
        return [*told, "", *self.sentences] if asked.height else self.sentences


def read_dose(folder: Path | str) -> Dose:
    """Hold all lists that are kept against the visits that have come so far.

    Raises NoInput where there is neither a list nor a visit.
    """
    settings = settings_.read(folder)
    store = Store(folder)
    planned, visits = listed.read(folder), store.read("visits")
    if planned.is_empty() and visits.is_empty():
        raise NoInput(
            f"There is neither a patrol list nor a visit yet. 'bluelamp patrol {folder}' makes a list, and 'bluelamp "
            f"import {folder} FILE --table visits' brings in the visits that happened."
        )
    areas = reading.read_table(folder, "areas")
    grid = hotspots.lay_grid(areas, settings.offending, plan.read_streets(folder, settings))
    placed = patrols.place_visits(visits, areas, grid)
    found = patrols.find_dose(
        planned, placed, grid, shift_starts=settings.offending.shift_starts, time_zone=settings.force.time_zone
    )
    return Dose(found, _say_dose(found, placed))


def _say_dose(found: pl.DataFrame, placed: pl.DataFrame) -> list[str]:
    nowhere = int((placed["cell_id"].is_null()).sum())
    sentences = []
    if placed.is_empty():
        sentences.append("No visits have come yet: import table 'visits' to see what became of the lists.")
    known = found.filter(pl.col("visits_planned") > 0, pl.col("visits_given").is_not_null())
    if known.height:
        whole = _sum_up(known).row(0, named=True)
        shifts = known.select("day", "from_hour").n_unique()
        sentences.append(
            f"In {count_of(shifts, 'shift')} with a list: {whole['visits_planned']:,} visits planned, "
            f"{whole['visits_given']:,} given ({whole['visits_given'] / whole['visits_planned']:.0%}); "
            f"{whole['minutes_planned']:,.0f} minutes planned, {whole['minutes_given']:,.0f} given "
            f"({whole['minutes_given'] / whole['minutes_planned']:.0%}). A visit came in {whole['visited']:.0%} of "
            f"windows of two hours; the longest gap was {whole['longest_gap_minutes']:,.0f} minutes."
        )
    waiting = found.filter(pl.col("visits_planned") > 0, pl.col("visits_given").is_null())
    if waiting.height and not placed.is_empty():
        shifts = waiting.select("day", "from_hour").n_unique()
        sentences.append(f"{count_of(shifts, 'shift')} began after the last visit that is known: given is empty there.")
    elsewhere = found.filter(pl.col("visits_planned").fill_null(0) == 0, pl.col("visits_given") > 0)
    if elsewhere.height:
        visits, places = int(elsewhere["visits_given"].sum()), elsewhere["cell_id"].n_unique()
        sentences.append(f"{count_of(visits, 'visit')} went to {count_of(places, 'place')} that no list named then.")
    if nowhere:
        sentences.append(f"{count_of(nowhere, 'visit')} can't be placed: they have neither a known place nor a point.")
    return sentences


def _sum_up(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    sums = [
        pl.len().alias("places"),
        pl.col("visits_planned", "minutes_planned").sum(),
        # Nothing known is no nought.
        *(
            pl.when(pl.col("visits_given").is_not_null().any()).then(pl.col(name).sum()).alias(name)
            for name in ("visits_given", "minutes_given")
        ),
        (pl.col("windows_visited").sum() / pl.col("windows").filter(pl.col("windows_visited").is_not_null()).sum())
        .fill_nan(None)
        .alias("visited"),
        pl.col("longest_gap_minutes").max(),
    ]
    return rows.group_by(by, maintain_order=True).agg(sums).sort(by) if by else rows.select(sums)


def _or_unknown(value: float | None, form: str, unit: str = "") -> str:
    return "not yet" if value is None else f"{value:{form}}{unit}"
