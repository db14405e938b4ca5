"""Forecasts scored against what came: each method stands at earlier midnights, knowing only what was known then.

`backtest` works down a list of origins and methods and keeps each pair as soon as it is done; `read` gives what the
last one found. The protocol and the scores are told in docs/explanation/scoring-the-forecast.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from bluelamp import extensions, forecast, incidents, periods, plan, settled, tables
from bluelamp import settings as settings_
from bluelamp.backtest import _kept
from bluelamp.backtest._enough import LEAST_HOURS, name_able, weeks_of
from bluelamp.backtest._kept import Piece
from bluelamp.backtest._offences import Known, Recorded, settle_recorded
from bluelamp.backtest._sentences import levels_told, methods_tried, place_words, say, tabulate
from bluelamp.backtest._summary import HORIZONS, find_weak_spots, summarise
from bluelamp.backtest._trial import LEVELS, PIT, SPANS, Truth, lay_out_truth, mask_hours, score_method
from bluelamp.errors import BadData, NoInput, UsageError, count_of
from bluelamp.forecast import Origin, Tally, cut
from bluelamp.peaks import WHOLES, judge, say_tried, summarise_judged
from bluelamp.settings import Settings
from bluelamp.store import Store, tried_peaks

__all__ = [
    "HORIZONS", "LEVELS", "NAIVE", "NAMES", "PIT", "SPANS", "Backtest", "backtest", "levels_told", "methods_tried",
    "place_words", "read", "stamp",
]  # fmt: skip

NAMES = ("backtest_scores", "backtest_summary", "backtest_weak_spots", "backtest_peaks")
NAIVE = forecast.NAIVE
DAYS = 56
# An origin stands not at the end of an outage, and not before one that takes most of its eight weeks.
LONGEST_SILENCE = timedelta(days=7)
LEAST_SHARE_TO_COME = 0.5


@dataclass(frozen=True)
class Backtest:
    """What a backtest found: its four tables, what it was made of, and what it says in sentences."""

    scores: pl.DataFrame
    summary: pl.DataFrame
    weak_spots: pl.DataFrame
    peaks: pl.DataFrame
    about: dict[str, Any]
    sentences: list[str]

    def lines(self) -> list[str]:
        """Give the scores as lines of a table, and what they say."""
        return [*tabulate(self.summary, self.about), "", *self.sentences]

    def table(self, name: str) -> pl.DataFrame:
        """Give one of the tables by name."""
        found: pl.DataFrame = getattr(self, name.removeprefix("backtest_"))
        return found


@dataclass(frozen=True)
class _Ground:
    """What all origins share: the demand that drives the forecast, as it is known today."""

    calls: pl.DataFrame  # received_at alone, by which outages are found
    demand: pl.DataFrame
    areas: pl.DataFrame
    events: pl.DataFrame
    drivers: pl.DataFrame
    outages: pl.DataFrame
    settings: Settings
    data_until: datetime
    recorded: Recorded | None  # offences, where the force has any that say when they happened


def backtest(
    folder: Path | str,
    *,
    origins: int = 13,
    every: int = 28,
    methods: Sequence[str] | None = None,
    paths: int = 200,
    weeks: int | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC).replace(microsecond=0),
) -> Backtest:
    """Score methods on a force's own data, and give what was found.

    `origins` midnights `every` so many days, the last one eight weeks before the data ends; at each, every one of
    `methods` (by default the force's own and all naive ones) learns from `weeks` (by default the force's setting;
    naive methods from their own) and forecasts eight weeks by `paths` sample paths. What is done is kept in the
    force's folder, so that a backtest that was stopped goes on where it was, and one that was finished is only read.

    Raises NoInput where there is nothing to score, BadData where the record is too short, UsageError for a method that
    there is not.
    """
    settings = settings_.read(folder)
    chosen = list(dict.fromkeys(methods or [settings.forecast.method, *NAIVE]))
    _insist(chosen, origins, every, paths)
    progress("reading", 0.0)
    ground = _settle(folder, settings)
    progress("reading", 1.0)
    weeks = weeks or settings.forecast.weeks
    # Series and scales are those of the longest history that any method may want, so that it is the same for all.
    longest = max([weeks, *(weeks_of(method) for method in (*NAIVE, *chosen))])
    key = _key(ground, paths, weeks, longest)
    request = _kept.hash_of({"key": key, "origins": origins, "every": every, "methods": chosen})
    latest = _kept.read_latest(folder)
    if latest is not None and latest["request"] == request and (found := _gathered(folder, latest)):
        return _with_tried(folder, found)
    kept = _kept.Kept(folder, key)
    stood: list[_Tried] = []
    days = _days_of(ground, origins, every)
    for number, day in enumerate(days):
        stand = _stand_on(ground, day, chosen, longest)
        stood.append(_Tried(day, stand.refused, stand.methods, stand.tries_offences))
        for place, method in enumerate(stand.methods):

            def tell(share: float, done: float = number + place / len(chosen)) -> None:
                progress("scoring", (done + share / len(chosen)) / len(days))

            if kept.read(day, method) is None:
                kept.write(day, method, stand.score(method, paths, weeks, tell))
        progress("scoring", (number + 1) / len(days))
    used = [each for each in stood if each.methods]
    if not used:
        reasons = [f"{each.day}: {each.refused or 'no method has a record long enough'}." for each in stood]
        raise BadData("No day can be forecast and scored:", reasons)
    about = {
        "request": request,
        "key": key,
        "pieces": [[str(each.day), method] for each in used for method in each.methods],
        "methods": chosen,
        "naive": [method for method in chosen if method in NAIVE],
        "origins": [str(each.day) for each in used],
        "every": every,
        "paths": paths,
        "weeks": weeks,
        "seed": settings.forecast.seed,
        "notes": _notes(stood, chosen, ground.recorded is not None),
        "made_at": now().isoformat(),
    }
    _kept.write_latest(folder, about)
    return _with_tried(folder, read(folder))


def _with_tried(folder: Path | str, found: Backtest) -> Backtest:
    """Leave what was said of peaks where a plan finds it; each time, because the last may have been stopped before."""
    tried_peaks.write(folder, found.peaks.filter(method=methods_tried(found.summary, found.about)[0]))
    return found


def read(folder: Path | str) -> Backtest:
    """Give what the last finished backtest of a force found. Raises NoInput where there is none yet."""
    settings_.read(folder)
    latest = _kept.read_latest(folder)
    found = None if latest is None else _gathered(folder, latest)
    if found is None:
        raise NoInput(f"The forecasts of '{folder}' were not scored yet. 'bluelamp backtest {folder}' does it.")
    return found


def stamp(folder: Path | str) -> str:
    """Give what is another for another backtest, without reading it; empty where there is none."""
    latest = _kept.read_latest(folder)
    return "" if latest is None else f"{latest['request']} {latest['made_at']}"


def _gathered(folder: Path | str, about: dict[str, Any]) -> Backtest | None:
    found = _kept.gather(folder, about["key"], about["pieces"])
    if found is None:
        return None
    summary = summarise(found.scores, about["naive"], about["seed"])
    weak_spots = find_weak_spots(found.spots)
    judged = summarise_judged(found.peaks)
    own = judged.filter(method=methods_tried(summary, about)[0])
    told = [
        say_tried(own, counted, measure)
        for counted, measure in WHOLES
        if own.filter(counted=counted, measure=measure).height
    ]
    sentences = [*about["notes"], *say(summary, weak_spots, about), *told]
    return Backtest(tables.publish(found.scores, "backtest_scores"), summary, weak_spots, judged, about, sentences)


def _insist(methods: Sequence[str], origins: int, every: int, paths: int) -> None:
    for method in methods:
        extensions.member("forecast", method)
    if every < 7 or every % 7:
        raise UsageError(f"Origins can't be {every} days apart: whole weeks were expected, such as 28.")
    if origins < 1:
        raise UsageError("At least one origin was expected.")
    if paths < 20:
        raise UsageError(f"{count_of(paths, 'path')} are too few for a 95% interval: at least 20 were expected.")


def _settle(folder: Path | str, settings: Settings) -> _Ground:
    """Read the force's tables and count its demand, as a plan does."""
    still = Store(folder).snapshot()
    stood = settled.settle_stored(still, folder, settings)
    calls, areas = stood.incidents, stood.areas
    lowest = areas.filter(pl.col("level") == "area")["area_id"].to_list()
    zone = settings.force.time_zone
    demand = incidents.count_demand(calls, incidents.read_priors(), lowest, zone, plan.crew_by_hour(settings))
    drives = demand.filter(pl.col("origin").is_in(list(settings.demand.origins)))
    if drives.is_empty():
        raise NoInput("No incident is of an origin that drives the forecast ('origins' under [demand]).")
    columns = ["hour_starting", "area_id", "class_code", "grade_code"]
    counted = drives.group_by(columns).agg(pl.col("incidents").sum()).sort(columns)
    return _Ground(
        calls.select("received_at"), counted, areas, still.read("events"), still.read("drivers"), stood.outages,
        settings, stood.data_until, settle_recorded(still, stood, settings),
    )  # fmt: skip


def _key(ground: _Ground, paths: int, weeks: int, longest: int) -> str:
    """Give a hash of everything that scores depend on but the origin and the method."""
    force = ground.settings.force
    return _kept.hash_of(
        {
            "demand": _kept.hash_rows(ground.demand),
            "areas": _kept.hash_rows(ground.areas.select("area_id", "level", "parent_id").sort("area_id", "level")),
            "events": _kept.hash_rows(ground.events.sort("event_id")),
            "offences": "" if ground.recorded is None else _kept.hash_rows(ground.recorded.offences),
            "drivers": _kept.hash_rows(ground.drivers.sort("driver", "area_id", "hour_starting", "known_at")),
            "outages": _kept.hash_rows(ground.outages),
            "received": _kept.hash_rows(ground.calls.sort("received_at")),
            "settings": ground.settings.demand.model_dump(mode="json"),
            "peaks": [ground.settings.peaks.model_dump(mode="json"), ground.settings.offending.classes],
            "force": [force.id, force.time_zone, force.country, force.subdivision],
            "seed": ground.settings.forecast.seed,
            "paths": paths,
            "weeks": [weeks, longest],
            "days": DAYS,
            "versions": plan.versions_used(),
            "code": _kept.hash_code(),
        }
    )


@dataclass(frozen=True)
class _Tried:
    """A day that was to be forecast from: why it can't be, or which methods have enough to learn from."""

    day: date
    refused: str
    methods: tuple[str, ...]
    tries_offences: bool


@dataclass(frozen=True)
class _Stand(_Tried):
    """The same with what was known then, and what came."""

    ground: _Ground
    origin: Origin | None = None
    truth: Truth | None = None
    longest: int = 0
    offences: Known | None = None

    def score(self, method: str, paths: int, weeks: int, progress: Callable[[float], None]) -> Piece:
        """Score one method here."""
        assert self.origin is not None
        assert self.truth is not None
        origin, ground, wanted = self.origin, self.ground, self.ground.settings.peaks
        weeks = self.longest if method in NAIVE else weeks
        model = origin.learn(method, weeks)
        tally = Tally(
            model,
            origin.coming,
            origin.time_zone,
            paths,
            cut(origin.series, ground.settings.offending.classes),
            explain=False,
        )
        scored = score_method(origin, self.truth, model, paths, ground.settings.forecast.seed, progress, tally.add)
        judged = judge(
            tally.coming(), origin.demand, origin.outages, ground.demand, ground.outages, until=origin.starts_at,
            known_until=origin.known_until, came_until=ground.data_until, time_zone=origin.time_zone,
            false_alarms=wanted.false_alarms, share=wanted.share,
        )  # fmt: skip
        if self.offences is not None and method in self.offences.methods:
            judged = pl.concat([judged, self.offences.judge(method, paths, weeks)])
        return Piece(*scored, judged)


def _days_of(ground: _Ground, origins: int, every: int) -> list[date]:
    """Give the days to forecast from: the last is the latest that has all its eight weeks."""
    last = ground.data_until.astimezone(periods.zone(ground.settings.force.time_zone)).date() - timedelta(days=DAYS)
    return [last - timedelta(days=number * every) for number in reversed(range(origins))]


def _stand_on(ground: _Ground, day: date, methods: Sequence[str], longest: int) -> _Stand:
    """Stand on a day, and see what can be done there. Outages are found anew, from what came before alone."""
    force = ground.settings.force
    first: datetime = ground.demand["hour_starting"].min()  # type: ignore[assignment]
    starts_at: datetime = periods.local_days(force.time_zone, day, day)["starts_at"][0]
    if starts_at <= first + timedelta(hours=LEAST_HOURS):
        return _Stand(day, "less than 8 weeks of record before it", (), False, ground)
    calls = ground.calls.filter(pl.col("received_at") < starts_at)
    known_until = settled.end_of_hour(calls["received_at"].max(), force.time_zone)  # type: ignore[arg-type]
    if starts_at - known_until > LONGEST_SILENCE:
        return _Stand(day, "an outage just before it", (), False, ground)
    outages = settled.find_outages(calls, ground.settings)
    origin = forecast.stand_at(
        day, ground.demand, ground.areas, ground.events, outages, known_until=known_until, force_id=force.id,
        time_zone=force.time_zone, weeks=longest, days=DAYS, country=force.country, subdivision=force.subdivision,
        drivers=ground.drivers,
    )  # fmt: skip
    history = origin.history(longest)
    # What is known today to have been broken is nothing to learn from, though nobody could tell then.
    broken = mask_hours(history.calendar.hours, ground.outages)
    seen = history.calendar.lengths * ~(history.is_masked | broken)
    if seen.sum() < LEAST_HOURS:
        return _Stand(day, "less than 8 weeks before it that can be believed", (), False, ground)
    truth = lay_out_truth(origin, ground.demand, ground.outages, longest)
    if truth.usable.mean() < LEAST_SHARE_TO_COME:
        return _Stand(day, "an outage in most of the eight weeks after it", (), False, ground)
    able = name_able(methods, origin, longest, seen)
    offences = None if ground.recorded is None else ground.recorded.known_at(day, able, longest)
    return _Stand(day, "", able, offences is not None, ground, origin, truth, longest, offences)


def _notes(stood: Sequence[_Tried], methods: Sequence[str], has_offences: bool) -> list[str]:
    used = [each for each in stood if each.methods]
    notes = []
    if len(used) < len(stood):
        reasons = Counter(each.refused or "no method with a record long enough" for each in stood if not each.methods)
        why = ", ".join(f"{number} had {reason}" for reason, number in reasons.items())
        notes.append(f"{len(used)} of {len(stood)} origins can be used. Of the others, {why}.")
    for method in methods:
        able = sum(method in each.methods for each in used)
        if able < len(used):
            had = f"{able or 'none'} of {len(used)} origins had it"
            notes.append(f"{method} needs a record of {weeks_of(method)} weeks, half of them seen; {had}.")
    tried = sum(each.tries_offences for each in used)
    if has_offences and tried < len(used):
        notes.append(
            f"Peaks of recorded offences are tried at {tried or 'none'} of {len(used)} origins: at the others fewer "
            "than 8 weeks of them were recorded, or they ended long before."
        )
    return notes
