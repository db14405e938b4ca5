"""The event simulation held against what happened: recorded weeks replayed with the units that were on duty.

`validate` fits on earlier weeks what the records do not say log by log (handling, journeys, who helps whom), replays
the weeks after them, and compares medians, 90th percentiles, shares in target, backlog and unit-hours. Weeks that were
fitted on are told apart from weeks held out: only the latter validate anything. The method and its formulas are told in
docs/explanation/held-against-what-happened.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bluelamp import (
    committed,
    deployable,
    geography,
    offered_work,
    periods,
    plan,
    pools,
    redrawn,
    settled,
    simulation,
    tables,
)
from bluelamp import settings as settings_
from bluelamp.errors import BadData, NoInput, UsageError, count_of, did_you_mean, one_of
from bluelamp.settings import Settings
from bluelamp.store import Store
from bluelamp.validation import _kept
from bluelamp.validation._fitted import fit, tells_who_is_free
from bluelamp.validation._held import FITTED, HELD_OUT, Span, hold
from bluelamp.validation._records import Records, read_records
from bluelamp.validation._replay import Replay, lay_out
from bluelamp.validation._rostered import units_from_duties
from bluelamp.validation._rungs import climb
from bluelamp.validation._sentences import (
    MEASURE_WORDS,
    RUNG_WORDS,
    STATISTIC_WORDS,
    VERDICT_WORDS,
    WEEKS_WORDS,
    difference_words,
    interval_words,
    number_words,
    rows_told,
    say,
    tabulate,
    verdict_of,
)

__all__ = [
    "FAULTS", "MEASURE_WORDS", "NAMES", "RUNG_WORDS", "STATISTIC_WORDS", "VERDICT_WORDS", "WEEKS_WORDS", "Validation",
    "compute", "difference_words", "interval_words", "number_words", "read", "rows_told", "stamp", "validate",
]  # fmt: skip

NAMES = ("validation", "validation_rungs", "validation_fitted")
INPUTS = (
    "incidents", "unit_status", "unit_crews", "grade_history", "people", "areas", "pools", "standards", "duties",
    "absences", "commitments", "vehicles",
)  # fmt: skip
# Faults that can be planted, to see whether the report tells: share of units kept, and times the service minutes.
FAULTS: dict[str, tuple[float, float]] = {"half_the_duties": (0.5, 1.0), "double_service_times": (1.0, 2.0)}
WEEKS, FIT_WEEKS, REPLICATIONS = 4, 8, 10
_LEAST_FIT_DAYS, _LEAST_HELD_DAYS = 14, 7
# Days that are lived before the first that counts, so that it does not begin with idle units and empty queues; and
# after the last, so that what was open then is closed.
_BEFORE, _AFTER = timedelta(days=2), timedelta(days=1)
_WHOLE_MINUTES = 0.95
_ONE_POOL = "all"
# A duty sheet that has fewer of the hours than this says too little of who was there.
_MOST_HOURS = 0.98


@dataclass(frozen=True)
class Validation:
    """What a validation found: its tables, what it was made of, and what it says in sentences."""

    table: pl.DataFrame
    rungs: pl.DataFrame
    fitted: pl.DataFrame
    about: dict[str, Any]
    sentences: list[str]

    def lines(self) -> list[str]:
        """Give the comparison by grade as lines of a table, and what it says."""
        return [*tabulate(self.table), "", *self.sentences]

    @property
    def verdict(self) -> str:
        """The verdict in one word: 'trusted', 'in_part', 'delays_only', 'not_trusted' or 'untold'."""
        return verdict_of(self.table.filter(pl.col("weeks") == HELD_OUT), self.about)

    def named(self, name: str) -> pl.DataFrame:
        """Give one of the tables by name."""
        return {"validation": self.table, "validation_rungs": self.rungs, "validation_fitted": self.fitted}[name]


def validate(
    folder: Path | str,
    *,
    weeks: int | None = None,
    fit_weeks: int | None = None,
    replications: int = REPLICATIONS,
    seed: int | None = None,
    fault: str | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC).replace(microsecond=0),
) -> Validation:
    """Replay a force's last recorded weeks and hold them against what happened; what was found is kept in its folder.

    `weeks` are held out, the `fit_weeks` before them fitted on; by default four and eight, or what the record has.
    `fault` plants one of `FAULTS`; what is then found is not kept.

    Raises NoInput where there are no incidents or nothing that says what units did, BadData where the record is too
    short, UsageError for a fault that there is not.
    """
    settings = settings_.read(folder)
    progress("reading", 0.0)
    still = Store(folder).snapshot()
    inputs = {name: still.read(name) for name in INPUTS}
    if inputs["incidents"].is_empty():
        raise NoInput(f"The force in '{folder}' has no incidents yet. 'bluelamp import {folder} FILE' brings them in.")
    found = compute(
        inputs, settings, weeks=weeks, fit_weeks=fit_weeks, replications=replications, seed=seed, fault=fault,
        progress=progress,
    )  # fmt: skip
    if fault is None:
        found.about["made_at"] = now().isoformat()
        _kept.write(folder, {name: found.named(name) for name in NAMES}, found.about)
    return found


def read(folder: Path | str) -> Validation:
    """Give what the last validation of a force found. Raises NoInput where there is none yet."""
    settings_.read(folder)
    found = _kept.read(folder, NAMES)
    if found is None:
        raise NoInput(
            f"Nothing of '{folder}' was held against what happened yet. 'bluelamp validate {folder}' does it."
        )
    kept, about = found
    return _told(kept["validation"], kept["validation_rungs"], kept["validation_fitted"], about)


def stamp(folder: Path | str) -> str:
    """Give what is another for another validation, without reading it; empty where there is none."""
    return _kept.stamp(folder)


def compute(
    inputs: Mapping[str, pl.DataFrame],
    settings: Settings,
    *,
    weeks: int | None = None,
    fit_weeks: int | None = None,
    replications: int = REPLICATIONS,
    seed: int | None = None,
    fault: str | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> Validation:
    """Do the same from tables by name; nothing is read or written. Raises like `validate`."""
    if fault is not None and fault not in FAULTS:
        raise UsageError(
            f"There is no fault '{fault}' to plant. {one_of(FAULTS)} was expected.{did_you_mean(fault, FAULTS)}"
        )
    zone, force = settings.force.time_zone, settings.force.id
    given = {name: inputs.get(name, tables.empty(name)) for name in INPUTS}
    presses = given["unit_status"]
    if presses.is_empty():
        raise NoInput(
            "Nothing says what units did: a replay needs when each was sent, at the scene and free again. Import "
            "'unit_status', the log of the status buttons, and 'unit_crews' if there is one."
        )
    notes: list[str] = []
    seed = settings.forecast.seed if seed is None else seed
    last = max(presses["status_at"].max(), given["incidents"]["received_at"].max())  # type: ignore[type-var]
    first: datetime = presses["status_at"].min()  # type: ignore[assignment]
    assert isinstance(last, datetime)
    when = _When.of(first, last, zone, weeks, fit_weeks, notes)
    today = when.held_from.astimezone(periods.zone(zone)).date()
    areas, calls = settled.settle_areas(redrawn.that_hold(given["areas"]), given["incidents"], settings, today, [])
    unit_time = committed.find_attendances(presses, given["unit_crews"], given["incidents"], last)
    attendances, crews = unit_time.attendances, given["unit_crews"]
    cover = pools.outlast_areas(given["pools"].filter(pl.col("role_code") == settings.staffing.role), areas)
    is_own = attendances["pool_id"].is_in(cover["pool_id"].unique().to_list())
    if not is_own.any():
        cover = _one_pool(areas, settings.staffing.role)
        attendances, crews = (each.with_columns(pool_id=pl.lit(_ONE_POOL)) for each in (attendances, crews))
        notes.append("No unit is known by its pool: all are taken as those of one pool that covers the whole force.")
    elif not is_own.all():
        notes.append(
            f"{100 * float((~is_own).mean() or 0.0):.1f} % of what units did is of other pools than those of role "  # type: ignore[arg-type]
            f"'{settings.staffing.role}', or of none that is known. It is left out, with logs that only they went to."
        )
        attendances = attendances.filter(is_own)
        crews = crews.filter(pl.col("pool_id").is_null() | pl.col("pool_id").is_in(cover["pool_id"].unique().to_list()))
    kinds = dict(areas.filter(pl.col("level") == "area").select("area_id", "kind").iter_rows())
    # A log that was merged into another has no unit of its own: all are counted there.
    logged = calls.filter(pl.col("merged_into").is_null() | (pl.col("merged_into") == pl.col("incident_id")))
    records = read_records(attendances, calls, logged, given["grade_history"], crews, given["people"], kinds, zone)
    hours = periods.hours_between(zone, when.begins, when.ends)
    parts = periods.local_parts(hours, zone)
    local_hour = parts["hour"].to_numpy().astype(np.int64)
    area_ids = [*sorted(kinds), pools.UNKNOWN_AREA]
    pool_hours = pools.lay_out_pools(cover, settings.staffing.role, area_ids, hours, zone)
    grades = sorted(set(records.logs["grade"].to_list()) | set(records.logs["opening_grade"].to_list()))
    standards = given["standards"]
    if standards.is_empty():
        standards = tables.check(pl.DataFrame([plan.ASSUMED_STANDARD]), "standards")
        notes.append("No response targets were given: 90 % of all incidents within 15 minutes is assumed.")
    in_force = offered_work.standards_in_force(standards, grades, sorted({*kinds.values(), "all"}), today)
    priority_of = _rank(grades, in_force)
    own_pool = _own_pools(records.logs, pool_hours, hours)
    covered_by = _pools_by_area(cover)
    progress("fitting", 0.0)
    fitted = fit(records, own_pool, priority_of, covered_by, zone, when.fit_from, when.held_from)
    kept_units, longer = FAULTS.get(fault or "", (1.0, 1.0))
    if records.units_known_by == "inferred" and not given["duties"].is_empty():
        records = _with_rostered_units(records, given, settings, pool_hours, hours, when)
    replay = lay_out(
        records, fitted, pool_hours, priority_of, local_hour, begin=when.begins, end=when.ends, hours=hours,
        siblings={area: sorted(each) for area, each in covered_by.items()},
        # Another visit waits like the least urgent grade that has a target.
        again=max([priority_of[grade] for grade, _, _ in in_force if grade in priority_of], default=0),
        kept_units=kept_units, longer=longer, seed=seed,
    )  # fmt: skip
    if not replay.logs.height or not len(replay.units):
        raise BadData("There is nothing to replay: no unit was sent to a log, or none was on duty, in these weeks.")
    if alone := _without_units(replay):
        raise BadData(
            "These weeks can't be replayed: in pools that cover areas no unit was ever on duty.",
            [f"'{pool}' has no unit in 'unit_crews' or 'unit_status'. Check the pool's name there." for pool in alone],
        )
    progress("replaying", 0.0)
    if not tells_who_is_free(records.logs):
        replay = _without_waiting_twice(
            replay, _minutes(when.begins, when.fit_from), _minutes(when.begins, when.held_from), seed
        )
    outcomes = simulation.replicate(
        [replay.draw(seed + 1 + run) for run in range(replications)], replay.units, replay.cover, replay.rules,
        hours=len(hours), tell=lambda done: progress("replaying", done / replications),
    )  # fmt: skip
    counted = committed.count_committed(attendances, hours, force, zone)
    pool_of_log = (
        replay.logs.select("incident_id")
        .join(own_pool, on="incident_id", how="left")["own_pool"]
        .fill_null("unknown")
        .to_list()
    )
    spans = [
        Span(FITTED, _minutes(when.begins, when.fit_from), _minutes(when.begins, when.held_from)),
        Span(HELD_OUT, _minutes(when.begins, when.held_from), _minutes(when.begins, when.held_to)),
    ]
    whole_minutes = float((records.logs["sent_at"].dt.second() == 0).mean() or 0.0) >= _WHOLE_MINUTES  # type: ignore[arg-type]
    progress("comparing", 0.0)
    table = hold(
        replay, outcomes, in_force, counted, spans, origins=settings.demand.origins, force_id=force,
        local_hour=local_hour, day_of_hour=_days(parts), pool_of_log=pool_of_log, is_whole_minutes=whole_minutes,
        seed=seed,
    )  # fmt: skip
    if records.units_known_by == "rostered":
        # Such units have neither briefing nor refreshments of their own: they were taken off before.
        not_theirs = (pl.col("measure") == "unit_hours") & pl.col("statistic").is_in(["break", "briefing", "free"])
        table = table.filter(~not_theirs)
    rungs = climb(
        replay, outcomes, in_force, counted, *spans, origins=settings.demand.origins, pool_of_log=pool_of_log,
        weekend=(parts["day"].dt.weekday() >= 6).to_numpy(), local_hour=local_hour, priority_of=priority_of,
        seed=seed + 1,
    )  # fmt: skip
    progress("comparing", 1.0)
    about = {
        "force_id": force,
        "time_zone": zone,
        "fit_from": when.fit_from.isoformat(),
        "held_from": when.held_from.isoformat(),
        "held_to": when.held_to.isoformat(),
        "replications": replications,
        "seed": seed,
        "units_known_by": records.units_known_by,
        "units_on_duty": len(replay.units),
        "unknown_units_share": records.unknown_units_share,
        "assumed_ends": _share_assumed(unit_time.rules),
        "stayed_share": float(records.units["stayed"].mean() or 0.0),  # type: ignore[arg-type]
        "is_whole_minutes": whole_minutes,
        "tells_who_is_free": tells_who_is_free(records.logs),
        "fault": fault,
        "notes": notes,
    }
    return _told(
        tables.publish(table, "validation"), tables.publish(rungs, "validation_rungs"),
        tables.publish(fitted.table, "validation_fitted"), about,
    )  # fmt: skip


def _told(table: pl.DataFrame, rungs: pl.DataFrame, fitted: pl.DataFrame, about: dict[str, Any]) -> Validation:
    return Validation(table, rungs, fitted, about, say(table, rungs, about))


def _with_rostered_units(
    records: Records,
    given: Mapping[str, pl.DataFrame],
    settings: Settings,
    pool_hours: pools.PoolHours,
    hours: pl.Series,
    when: _When,
) -> Records:
    """Take the units of the duty sheet, where it is written for nearly all of the replay; else those that were seen."""
    found = deployable.find_deployable(
        given["duties"], given["people"], given["absences"], given["commitments"], given["vehicles"], given["pools"],
        pool_hours=pool_hours, hours=hours, ends_at=when.ends, time_zone=settings.force.time_zone,
        crew_size_by_hour=plan.crew_by_hour(settings), day_starts_at=settings.duties.day_starts_at,
        briefing_minutes=settings.duties.briefing_minutes,
        refreshments=[(row.at_least_hours, row.minutes) for row in settings.duties.refreshments],
        desk_roles=settings.duties.desk_roles,
    ).table  # fmt: skip
    own = found.filter(pl.col("role_code") == settings.staffing.role)
    if own["hour_starting"].n_unique() < _MOST_HOURS * len(hours):
        return records
    # Who did work without a log is not known on such a sheet.
    silent = records.silent.with_columns(on_at=pl.lit(None, dtype=records.silent.schema["on_at"]))
    return replace(
        records, units=units_from_duties(own, settings.staffing.role), units_known_by="rostered", silent=silent
    )


def _without_units(replay: Replay) -> list[str]:
    """Name pools that must answer somewhere with no other, and have no unit."""
    out = set(replay.units.pool.tolist())
    own, also = replay.cover.own, replay.cover.also
    covering = {
        place: {*own[place].tolist(), *also[place].tolist()} - {-1} for place in np.unique(replay.places).tolist()
    }
    bare = [pool for pools_of in covering.values() if not pools_of & out for pool in pools_of]
    return sorted({replay.pool_ids[pool] for pool in bare})


def _without_waiting_twice(replay: Replay, starts: float, ends: float, seed: int) -> Replay:
    """Shorten handling by the waits that the replay adds of its own, on the weeks from `starts` to `ends` alone."""
    run = simulation.simulate(replay.draw(seed), replay.units, replay.cover, replay.rules, hours=len(replay.hours))
    logs = replay.logs.with_columns(went=pl.Series(run.sent[: replay.logs.height])).filter(
        pl.col("received").is_between(starts, ends, closed="left") & ~pl.col("is_near") & pl.col("went").is_not_nan()
    )
    fitted = replay.fitted
    for grade in logs["opening_grade"].unique().sort():
        some = logs.filter(opening_grade=grade)
        fitted = fitted.less(
            grade, (some["sent"] - some["received"]).to_numpy(), (some["went"] - some["received"]).to_numpy()
        )
    return replace(replay, fitted=fitted)


@dataclass(frozen=True)
class _When:
    """The run from `begins` to `ends`, the weeks fitted on and those held out, all local midnights but the ends."""

    begins: datetime
    fit_from: datetime
    held_from: datetime
    held_to: datetime
    ends: datetime

    @classmethod
    def of(
        cls, first: datetime, last: datetime, zone: str, weeks: int | None, fit_weeks: int | None, notes: list[str]
    ) -> _When:
        """Lay the weeks over a record that begins and ends then: those held out are its last.

        The last day stands apart, so that logs of the day before have had time to be answered.
        """
        for name, value in (("--weeks", weeks), ("--fit-weeks", fit_weeks)):
            if value is not None and value < 1:
                raise UsageError(f"{name} {value} is no number of weeks; 1 or more was expected.")
        local = periods.zone(zone)
        starts_on = periods.next_local_midnight(first, zone).astimezone(local).date()
        ends_on = (last - _AFTER + timedelta(minutes=5)).astimezone(local).date()
        days = (ends_on - starts_on).days
        held, fitted = 7 * (weeks or WEEKS), 7 * (fit_weeks or FIT_WEEKS)
        if days < held + fitted:
            least = (held if weeks else _LEAST_HELD_DAYS) + (fitted if fit_weeks else _LEAST_FIT_DAYS)
            if days < least:
                raise BadData(
                    f"The record of what units did is too short: it has {count_of(max(days, 0), 'whole day')}, and "
                    f"{least} are needed to fit on some weeks and hold others out. Import more days of 'unit_status', "
                    "or ask for fewer weeks with --weeks and --fit-weeks."
                )
            if weeks is None:
                held = max(_LEAST_HELD_DAYS, 7 * ((days - (fitted if fit_weeks else 0)) // (7 if fit_weeks else 21)))
            if fit_weeks is None:
                fitted = 7 * ((days - held) // 7)
            notes.append(
                f"The record has {count_of(days, 'whole day')}: {count_of(fitted // 7, 'week')} were fitted on and "
                f"{count_of(held // 7, 'week')} held out."
            )
        held_from, fit_from = ends_on - timedelta(days=held), ends_on - timedelta(days=held + fitted)

        def midnight(day: Any) -> datetime:
            found: datetime = periods.local_days(zone, day, day)["starts_at"][0]
            return found

        begins = max(midnight(fit_from) - _BEFORE, first.replace(minute=0, second=0, microsecond=0))
        ends = last.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        return cls(begins, midnight(fit_from), midnight(held_from), midnight(ends_on), ends)


def _minutes(begins: datetime, at: datetime) -> float:
    return (at - begins).total_seconds() / 60


def _days(parts: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    days = parts["day"]
    found: np.ndarray[Any, np.dtype[np.int64]] = (days - days[0]).dt.total_days().to_numpy()
    return found


def _one_pool(areas: pl.DataFrame, role: str) -> pl.DataFrame:
    """Give one pool for all areas at all hours."""
    return geography.default_pools(areas, role).with_columns(pool_id=pl.lit(_ONE_POOL)).unique(maintain_order=True)


def _rank(grades: list[str], standards: list[tuple[str, str, dict[str, Any]]]) -> dict[str, int]:
    """Give each grade its place in the queue: by the shortest target; those without one come last, together."""
    shortest: dict[str, float] = {}
    for grade, _, row in standards:
        shortest[grade] = min(shortest.get(grade, np.inf), row["target_minutes"])
    order = sorted(set(shortest.values()))
    return {grade: order.index(shortest[grade]) if grade in shortest else len(order) for grade in grades}


def _own_pools(logs: pl.DataFrame, pool_hours: pools.PoolHours, hours: pl.Series) -> pl.DataFrame:
    """Give the pool that covers the place of each log in the hour of its receipt; none where none does."""
    at = np.searchsorted(hours.dt.epoch("s").to_numpy(), logs["received_at"].dt.epoch("s").to_numpy(), side="right") - 1
    area = {each: place for place, each in enumerate(pool_hours.area_ids)}
    place = logs["area_id"].replace_strict(area, default=len(area) - 1, return_dtype=pl.Int64).to_numpy()
    number = pool_hours.patterns[pool_hours.pattern_of_hour[np.clip(at, 0, len(hours) - 1)], place]
    names = pl.Series([*pool_hours.pool_ids, None], dtype=pl.String)
    return logs.select("incident_id", own_pool=names.gather(pl.Series(np.where(number < 0, len(names) - 1, number))))


def _pools_by_area(cover: pl.DataFrame) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for area, pool in cover.select("area_id", "pool_id").unique().sort("area_id", "pool_id").iter_rows():
        found.setdefault(area, set()).add(pool)
    return found


def _share_assumed(rules: pl.DataFrame) -> float:
    some = rules.filter(pl.col("rule").is_in(["clear_after_usual_time", "book_off_missed"]))
    return float(some["share"].sum())
