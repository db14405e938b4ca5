"""The event simulation held against what happened: recorded weeks replayed with the units that were on duty.

`validate` fits on earlier weeks what the records do not say log by log (handling, journeys, who helps whom), replays
the weeks after them, and compares medians, 90th percentiles, shares in target, backlog and unit-hours. Weeks that were
fitted on are told apart from weeks held out: only the latter validate anything. The method and its formulas are told in
docs/explanation/held-against-what-happened.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bluelamp import (
    committed,
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
from bluelamp.validation._fitted import Fitted, fit, tells_who_is_free
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
    given = {name: inputs.get(name, tables.empty(name)) for name in INPUTS}
    if given["unit_status"].is_empty():
        raise NoInput(
            "Nothing says what units did: a replay needs when each was sent, at the scene and free again. Import "
            "'unit_status', the log of the status buttons, and 'unit_crews' if there is one."
        )
    seed = settings.forecast.seed if seed is None else seed
    ground = _Ground.of(given, settings, weeks, fit_weeks)
    progress("fitting", 0.0)
    fitted = ground.fit()
    progress("replaying", 0.0)
    replay = ground.replay(fitted, fault, seed)
    outcomes = simulation.replicate(
        [replay.draw(seed + 1 + run) for run in range(replications)], replay.units, replay.cover, replay.rules,
        hours=len(replay.hours), tell=lambda done: progress("replaying", done / replications),
    )  # fmt: skip
    progress("comparing", 0.0)
    table, rungs = ground.compare(replay, outcomes, seed)
    progress("comparing", 1.0)
    about = {**ground.about(), "units_on_duty": len(replay.units), "replications": replications, "seed": seed}
    return _told(
        tables.publish(table, "validation"), tables.publish(rungs, "validation_rungs"),
        tables.publish(fitted.table, "validation_fitted"), about | {"fault": fault},
    )  # fmt: skip


@dataclass(frozen=True)
class _Ground:
    """What a replay stands on: the weeks, what was recorded in them, who covers what, and the standards."""

    settings: Settings
    when: _When
    attendances: pl.DataFrame
    records: Records
    rostered: Records  # the same, with the units of the duty sheet where those of the records are too few
    cover: pl.DataFrame
    pool_hours: pools.PoolHours
    hours: pl.Series
    standards: list[tuple[str, str, dict[str, Any]]]
    assumed_ends: float
    notes: list[str]

    @classmethod
    def of(
        cls, given: Mapping[str, pl.DataFrame], settings: Settings, weeks: int | None, fit_weeks: int | None
    ) -> _Ground:
        """Lay it out of a force's tables."""
        zone, role, notes = settings.force.time_zone, settings.staffing.role, list[str]()
        presses = given["unit_status"]
        first, last = presses["status_at"].min(), presses["status_at"].max()
        last_call = given["incidents"]["received_at"].max()
        assert isinstance(first, datetime)
        assert isinstance(last, datetime)
        assert isinstance(last_call, datetime)
        last = max(last, last_call)
        when = _When.of(first, last, zone, weeks, fit_weeks, notes)
        today = when.held_from.astimezone(periods.zone(zone)).date()
        areas, calls = settled.settle_areas(redrawn.that_hold(given["areas"]), given["incidents"], settings, today, [])
        kinds = dict(areas.filter(pl.col("level") == "area").select("area_id", "kind").iter_rows())
        unit_time = committed.find_attendances(presses, given["unit_crews"], given["incidents"], last)
        cover = pools.outlast_areas(given["pools"].filter(pl.col("role_code") == role), areas)
        cover, attendances, crews = _of_role(cover, unit_time.attendances, given["unit_crews"], areas, role, notes)
        # A log that was merged into another has no unit of its own: all are counted there.
        logged = calls.filter(pl.col("merged_into").is_null() | (pl.col("merged_into") == pl.col("incident_id")))
        records = read_records(attendances, calls, logged, given["grade_history"], crews, given["people"], kinds, zone)
        hours = periods.hours_between(zone, when.begins, when.ends)
        pool_hours = pools.lay_out_pools(cover, role, [*sorted(kinds), pools.UNKNOWN_AREA], hours, zone)
        rostered = records
        if records.units_known_by == "inferred" and not given["duties"].is_empty():
            rostered = _with_rostered_units(records, given, settings, pool_hours, hours, when)
        standards = given["standards"]
        if standards.is_empty():
            standards = tables.check(pl.DataFrame([plan.ASSUMED_STANDARD]), "standards")
            notes.append("No response targets were given: 90% of all incidents within 15 minutes is assumed.")
        grades = sorted(set(records.logs["grade"].to_list()) | set(records.logs["opening_grade"].to_list()))
        in_force = offered_work.standards_in_force(standards, grades, sorted({*kinds.values(), "all"}), today)
        return cls(
            settings, when, attendances, records, rostered, cover, pool_hours, hours, in_force,
            _share_assumed(unit_time.rules), notes,
        )  # fmt: skip

    @cached_property
    def priority_of(self) -> dict[str, int]:
        """The place of each grade in the queue."""
        logs = self.records.logs
        return _rank(sorted(set(logs["grade"].to_list()) | set(logs["opening_grade"].to_list())), self.standards)

    @cached_property
    def own_pool(self) -> pl.DataFrame:
        """The pool that covers the place of each log in the hour of its receipt."""
        return _own_pools(self.records.logs, self.pool_hours, self.hours)

    @cached_property
    def parts(self) -> pl.DataFrame:
        """Local day and hour of each hour of the run."""
        return periods.local_parts(self.hours, self.settings.force.time_zone)

    @cached_property
    def covered_by(self) -> dict[str, set[str]]:
        """The pools that cover an area at some hour."""
        return _pools_by_area(self.cover)

    @property
    def spans(self) -> list[Span]:
        """The weeks fitted on, and those held out."""
        starts, held, ends = (
            _minutes(self.when.begins, each) for each in (self.when.fit_from, self.when.held_from, self.when.held_to)
        )
        return [Span(FITTED, starts, held), Span(HELD_OUT, held, ends)]

    def fit(self) -> Fitted:
        """Fit on the weeks before those held out."""
        return fit(
            self.records, self.own_pool, self.priority_of, self.covered_by, self.settings.force.time_zone,
            self.when.fit_from, self.when.held_from,
        )  # fmt: skip

    def replay(self, fitted: Fitted, fault: str | None, seed: int) -> Replay:
        """Lay out the replay, with a fault where one is to be planted. Raises BadData where nothing can be replayed."""
        kept_units, longer = FAULTS.get(fault or "", (1.0, 1.0))
        replay = lay_out(
            self.rostered, fitted, self.pool_hours, self.priority_of, self.parts["hour"].to_numpy().astype(np.int64),
            begin=self.when.begins, end=self.when.ends, hours=self.hours,
            siblings={area: sorted(each) for area, each in self.covered_by.items()},
            # Another visit waits like the least urgent grade that has a target.
            again=max((self.priority_of[grade] for grade, _, _ in self.standards), default=0),
            kept_units=kept_units, longer=longer, seed=seed,
        )  # fmt: skip
        if not replay.logs.height or not len(replay.units):
            raise BadData("There is nothing to replay: no unit was sent to a log, or none was on duty, in these weeks.")
        if alone := _without_units(replay):
            raise BadData(
                "These weeks can't be replayed: in pools that cover areas no unit was ever on duty.",
                [
                    f"'{pool}' has no unit in 'unit_crews' or 'unit_status'. Check the pool's name there."
                    for pool in alone
                ],
            )
        if tells_who_is_free(self.records.logs):
            return replay
        return _without_waiting_twice(replay, self.spans[0], seed)

    def compare(
        self, replay: Replay, outcomes: Sequence[simulation.Outcome], seed: int
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Hold the replications and the cheaper rungs against what happened."""
        force, zone = self.settings.force.id, self.settings.force.time_zone
        counted = committed.count_committed(self.attendances, self.hours, force, zone)
        own = replay.logs.select("incident_id").join(self.own_pool, on="incident_id", how="left", maintain_order="left")
        pool_of_log = own["own_pool"].fill_null("unknown").to_list()
        origins, local_hour = self.settings.demand.origins, self.parts["hour"].to_numpy().astype(np.int64)
        table = hold(
            replay, outcomes, self.standards, counted, self.spans, origins=origins, local_hour=local_hour,
            pool_of_log=pool_of_log, force_id=force,
            day_of_hour=_days(self.parts), is_whole_minutes=self.is_whole_minutes, seed=seed,
        )  # fmt: skip
        if self.rostered.units_known_by == "rostered":
            # Such units have neither briefing nor refreshments of their own: they were taken off before.
            not_theirs = (pl.col("measure") == "unit_hours") & pl.col("statistic").is_in(["break", "briefing", "free"])
            table = table.filter(~not_theirs)
        rungs = climb(
            replay, outcomes, self.standards, counted, *self.spans, origins=origins, local_hour=local_hour,
            pool_of_log=pool_of_log,
            weekend=(self.parts["day"].dt.weekday() >= 6).to_numpy(), priority_of=self.priority_of, seed=seed + 1,
        )  # fmt: skip
        return table, rungs

    @property
    def is_whole_minutes(self) -> bool:
        """Whether the records have no seconds."""
        return float((self.records.logs["sent_at"].dt.second() == 0).mean() or 0.0) >= _WHOLE_MINUTES  # type: ignore[arg-type]

    def about(self) -> dict[str, Any]:
        """Say what the validation was made of."""
        return {
            "force_id": self.settings.force.id,
            "time_zone": self.settings.force.time_zone,
            "fit_from": self.when.fit_from.isoformat(),
            "held_from": self.when.held_from.isoformat(),
            "held_to": self.when.held_to.isoformat(),
            "units_known_by": self.rostered.units_known_by,
            "unknown_units_share": self.records.unknown_units_share,
            "assumed_ends": self.assumed_ends,
            "is_whole_minutes": self.is_whole_minutes,
            "tells_who_is_free": tells_who_is_free(self.records.logs),
            "notes": self.notes,
        }


def _of_role(
    cover: pl.DataFrame,
    attendances: pl.DataFrame,
    crews: pl.DataFrame,
    areas: pl.DataFrame,
    role: str,
    notes: list[str],
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Give cover, attendances and crews of the role that answers incidents; of one pool where units name none."""
    pool_ids = cover["pool_id"].unique().to_list()
    is_own = attendances["pool_id"].is_in(pool_ids)
    if is_own.all():
        return cover, attendances, crews
    if not is_own.any():
        notes.append("No unit is known by its pool: all are taken as those of one pool that covers the whole force.")
        one = pl.lit(_ONE_POOL).alias("pool_id")
        return _one_pool(areas, role), attendances.with_columns(one), crews.with_columns(one)
    share = 100 * float((~is_own).mean() or 0.0)  # type: ignore[arg-type]
    notes.append(
        f"{share:.1f}% of what units did is of other pools than those of role '{role}', or of none that is known. It "
        "is left out, with logs that only they went to."
    )
    return (
        cover, attendances.filter(is_own),
        crews.filter(pl.col("pool_id").is_null() | pl.col("pool_id").is_in(pool_ids)),
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
    found = settled.find_on_duty(
        given, given["pools"], settings, plan.crew_by_hour(settings), pool_hours=pool_hours, hours=hours,
        ends_at=when.ends,
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


def _without_waiting_twice(replay: Replay, span: Span, seed: int) -> Replay:
    """Shorten handling by the waits that the replay adds of its own, on the weeks of a span alone."""
    run = simulation.simulate(replay.draw(seed), replay.units, replay.cover, replay.rules, hours=len(replay.hours))
    logs = replay.logs.with_columns(went=pl.Series(run.sent[: replay.logs.height])).filter(
        pl.col("received").is_between(span.starts, span.ends, closed="left")
        & ~pl.col("is_near")
        & pl.col("went").is_not_nan()
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
