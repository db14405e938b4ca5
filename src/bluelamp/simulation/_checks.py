"""What is wrong with the arrays of a simulation, as sentences, all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bluelamp.errors import BadData, count_of

if TYPE_CHECKING:
    from bluelamp.simulation import Cover, Jobs, Rules, Travel, Units

_Check = tuple[str, Callable[[NDArray[Any]], NDArray[np.bool_]]]

# A priority is a row of every line and table of a run, so a mistaken one must not ask for a million of them.
MOST_PRIORITIES = 64


# Pools and kinds of units have a row each in the tables of a run, hours a column.
MOST_NUMBERED, MOST_HOURS = 100_000, 100_000


def _at_least(least: float) -> _Check:
    return f"{least:g} or more, and finite", lambda values: np.isfinite(values) & (values >= least)


_MINUTES = _at_least(0)
_NUMBERED = "a whole number from 0", lambda values: values >= 0
_IN_A_TABLE: _Check = (
    f"a whole number from 0 to {MOST_NUMBERED - 1:,}",
    lambda values: (values >= 0) & (values < MOST_NUMBERED),
)
_FINITE: _Check = "a finite number", np.isfinite
_FINITE_OR_NEVER: _Check = "a finite number, or not a number", lambda values: ~np.isinf(values)
_PRIORITY: _Check = (
    f"a whole number from 0 to {MOST_PRIORITIES - 1}",
    lambda values: (values >= 0) & (values < MOST_PRIORITIES),
)
_OF_JOBS: dict[str, _Check] = {
    "ready": _FINITE,
    "place": _NUMBERED,
    "priority": _PRIORITY,
    "units": _NUMBERED,
    "asks": _NUMBERED,
    "first_minutes": _MINUTES,
    "after_minutes": _MINUTES,
    "further_minutes": _MINUTES,
    "travel": ("0 or more and finite, or not a number", lambda values: ~((values < 0) | np.isinf(values))),
    "stretch": _MINUTES,
    "regraded_at": _FINITE_OR_NEVER,
    "regraded_to": _PRIORITY,
    "regraded_asks": _NUMBERED,
    "patience": ("0 or more", lambda values: values >= 0),
    "parent": ("the index of another job, or -1", lambda values: values >= -1),
}
_OF_UNITS: dict[str, _Check] = {
    "starts": _FINITE,
    "ends": ("a number of minutes", lambda values: ~np.isnan(values)),
    "pool": _IN_A_TABLE,
    "kind": _IN_A_TABLE,
    "place": _NUMBERED,
    "crew": ("1 or more", lambda values: values >= 1),
    "briefing": _MINUTES,
    "break_from": _FINITE_OR_NEVER,
    "break_minutes": _MINUTES,
}
_WHOLE = {
    *("place", "priority", "units", "asks", "regraded_to", "regraded_asks", "parent"),
    *("pool", "kind", "abilities", "crew", "own", "also", "help", "vehicles"),
}


def check(jobs: Jobs, units: Units, cover: Cover, rules: Rules, travel: Travel | None, hours: int) -> None:
    """Raise BadData with all that is wrong; what can only be seen when arrays fit together is told when they do."""
    problems = [
        *_each(jobs, "jobs", len(jobs), _OF_JOBS),
        *_each(units, "units", len(units), _OF_UNITS),
        *_of_cover(cover, hours),
        *_of_rules(rules),
        *_of_travel(travel, len(cover.own), hours),
    ]
    if hours != int(hours) or not 1 <= hours <= MOST_HOURS:
        problems.append(f"'hours' is {hours}. A run takes a whole number of hours, from 1 to {MOST_HOURS:,}.")
    if not problems:
        problems = [
            *_of_duties(units),
            *_together(jobs, units, cover, rules, travel, hours),
            *_of_parents(jobs),
            *_of_commitments(jobs),
        ]
    if problems:
        raise BadData(
            f"The simulation can't run on what it was given. {count_of(len(problems), 'thing')} to put right:", problems
        )


def _told(name: str, whose: str, wrong: NDArray[np.bool_], values: NDArray[Any], expected: str) -> Iterator[str]:
    if wrong.any():
        first = tuple(int(index) for index in np.argwhere(wrong)[0])
        where = first[0] if len(first) == 1 else first
        yield (
            f"'{name}' of {whose} must be {expected}, but {np.count_nonzero(wrong):,} of {wrong.size:,} are not. "
            f"The first is {values[first]:g}, at index {where}."
        )


def _each(given: Any, whose: str, count: int, checks: dict[str, _Check]) -> Iterator[str]:
    for name, values in vars(given).items():
        if len(values) != count:
            yield f"'{name}' has {count_of(len(values), 'entry', 'entries')} for {count:,} {whose}. Give one each."
        elif name in _WHOLE and values.dtype != np.int64:
            yield from _told(name, whose, values != np.floor(values), values, "a whole number")
        elif name in checks:
            expected, is_right = checks[name]
            if not is_right(values[:1] if is_same(values) else values).all():
                yield from _told(name, whose, ~is_right(values), values, expected)
    for name in ("further_minutes", "stretch"):
        if whose == "jobs" and not getattr(given, name).shape[1]:
            yield f"'{name}' has no column. Give one for each unit in order, or one for all."


def _of_cover(cover: Cover, hours: int) -> Iterator[str]:
    places = len(cover.own)
    if cover.own.ndim != 2 or cover.own.shape[1] not in (1, hours):
        yield f"'own' must have one column, or one for each of the {hours} hours, but has the shape {cover.own.shape}."
        return
    for name, least in (("own", 0), ("also", -1), ("help", -1), ("vehicles", -1)):
        values = getattr(cover, name)
        if name != "vehicles" and len(values) != places:
            yield f"'{name}' has {count_of(len(values), 'row')} for {count_of(places, 'place')}. Give one each."
        elif values.dtype != np.int64:
            yield from _told(name, "cover", values != np.floor(values), values, "a whole number")
        else:
            most = np.inf if name == "vehicles" else MOST_NUMBERED
            expected = "the number of a pool, from 0" if name == "own" else "a whole number from 0, or -1 for none"
            expected += "" if name == "vehicles" else f", below {MOST_NUMBERED:,}"
            yield from _told(name, "cover", (values < least) | (values >= most), values, expected)


def _of_rules(rules: Rules) -> Iterator[str]:
    names = ("help_travel_factor", "last_minutes", "last_minutes_handed_over", "relief_before", "clearing")
    for name in names:
        if not (np.isfinite(getattr(rules, name)) and getattr(rules, name) >= 0):
            yield f"The rule '{name}' must be 0 or more, and finite, but is {getattr(rules, name)}."
    if rules.keep_free is not None:
        wrong = (rules.keep_free < 0) | (rules.keep_free != np.floor(rules.keep_free))
        yield from _told("keep_free", "the rules", wrong, rules.keep_free, "0 or more whole units")
    if rules.aside is not None:
        wrong = (rules.aside < 0) | (rules.aside != np.floor(rules.aside))
        yield from _told("aside", "the rules", wrong, rules.aside, "0 or more whole units")
    takes = rules.takes_from
    if takes is not None:
        if takes.ndim != 2 or takes.shape[0] != takes.shape[1]:
            yield f"The rule 'takes_from' must be square, priorities by priorities, but has the shape {takes.shape}."
        elif np.tril(takes).any() or not np.isin(takes, (0, 1, 2)).all():
            yield (
                "The rule 'takes_from' must hold 0, 1 (from the way) or 2 (from the scene too), and only to the right "
                "of its diagonal: a unit is taken for more urgent jobs from less urgent ones."
            )


def _of_travel(travel: Travel | None, places: int, hours: int) -> Iterator[str]:
    if travel is None:
        return
    if travel.minutes.shape != (places, places):
        yield (
            f"'minutes' of travel must be {places} × {places}, from each of the places that cover speaks of to each, "
            f"but has the shape {travel.minutes.shape}."
        )
    else:
        wrong = ~(np.isfinite(travel.minutes) & (travel.minutes >= 0))
        yield from _told("minutes", "travel", wrong, travel.minutes, _MINUTES[0])
    if travel.factor.shape not in ((1,), (hours,)):
        yield f"'factor' of travel must have one entry, or one for each of the {hours} hours: {travel.factor.shape}."
    else:
        wrong = ~(np.isfinite(travel.factor) & (travel.factor > 0))
        yield from _told("factor", "travel", wrong, travel.factor, "more than 0, and finite")


def _of_duties(units: Units) -> Iterator[str]:
    wrong = units.ends <= units.starts
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        yield (
            f"{count_of(int(wrong.sum()), 'unit')} would end at or before the start, first the one at index {first}: "
            f"{units.starts[first]:g} to {units.ends[first]:g}. Night duties end on the next day."
        )


def _together(jobs: Jobs, units: Units, cover: Cover, rules: Rules, travel: Travel | None, hours: int) -> Iterator[str]:
    places = len(cover.own)
    for whose, placed in (("jobs", jobs.place), ("units", units.place)):
        expected = f"one of the {count_of(places, 'place')} that cover speaks of"
        if placed.max(initial=0) >= places:
            yield from _told("place", whose, placed >= places, placed, expected)
    pools = count_pools(units, cover, rules)
    kept = rules.keep_free
    if kept is not None and (kept.ndim not in (2, 3) or len(kept) != pools):
        yield (
            f"The rule 'keep_free' must have a row for each of the {count_of(pools, 'pool')} and a column for each "
            f"priority (and, if it changes, a number for each hour), but has the shape {kept.shape}."
        )
    if rules.aside is not None and rules.aside.shape not in ((pools, 1), (pools, hours)):
        yield (
            f"The rule 'aside' must have a row for each of the {count_of(pools, 'pool')} and one number, or one for "
            f"each of the {hours} hours, but has the shape {rules.aside.shape}."
        )
    if travel is None and jobs.travel.shape[1]:
        wrong = np.isnan(jobs.travel)
        yield from _told("travel", "jobs", wrong, jobs.travel, "known where no matrix of travel is given")
    if len(jobs) and jobs.place.max() < places:
        yield from _uncovered(jobs, units, cover, pools)
    # Where all jobs want the same, one of them is looked at; all are where something is wrong.
    alike = all(is_same(each) for each in (jobs.units, jobs.asks, jobs.regraded_asks, jobs.is_at_once))
    if not alike or any(_unanswerable(jobs, units, slice(1))):
        yield from _unanswerable(jobs, units, slice(None))


def _uncovered(jobs: Jobs, units: Units, cover: Cover, pools: int) -> Iterator[str]:
    has_units = np.zeros(pools + 1, dtype=np.bool_)
    has_units[units.pool] = True
    # An index of -1 is the last one here, which has no units.
    covered = has_units[np.concatenate([cover.own, cover.also], axis=1)].any(axis=1)
    asked = np.bincount(jobs.place[:1] if is_same(jobs.place) else jobs.place, minlength=len(covered)) > 0
    bare = np.flatnonzero(asked & ~covered)
    if len(bare):
        count = int(np.isin(jobs.place, bare).sum())
        yield (
            f"{count_of(count, 'job')} in {count_of(len(bare), 'place')} can be sent to by nobody, first in place "
            f"{bare[0]}: no pool that covers it has a unit. Name one in 'own' or 'also', or give the pool units."
        )


def _unanswerable(jobs: Jobs, units: Units, looked_at: slice) -> Iterator[str]:
    wants, asked, regraded = jobs.units[looked_at], jobs.asks[looked_at], jobs.regraded_asks[looked_at]
    wanted = wants.sum(axis=1)
    if (wanted == 0).any():
        first = int(np.flatnonzero(wanted == 0)[0])
        yield (
            f"No unit at all is wanted by {count_of(int((wanted == 0).sum()), 'job')}, first the one at index {first}. "
            f"Leave out jobs that nobody is sent to."
        )
    there = np.bincount(units.kind, minlength=wants.shape[1])
    for kind in range(wants.shape[1]):
        asking = wants[:, kind] > 0
        if not asking.any():
            continue
        if not there[kind]:
            first = int(np.flatnonzero(asking)[0])
            yield (
                f"A unit of kind {kind} is wanted by {count_of(int(asking.sum()), 'job')}, first the one at index "
                f"{first}, but no unit is of that kind."
            )
            continue
        too_many = jobs.is_at_once[looked_at] & (wants[:, kind] > there[kind])
        if too_many.any():
            first = int(np.flatnonzero(too_many)[0])
            yield (
                f"More units of kind {kind} than there are are wanted at once by "
                f"{count_of(int(too_many.sum()), 'job')}, first the one at index {first}: {wants[first, kind]:,} "
                f"of {there[kind]:,}."
            )
        able = np.unique(units.abilities[units.kind == kind])
        for asks in np.union1d(_distinct(asked, asking), _distinct(regraded, asking)):
            if not ((int(asks) & ~able) == 0).any():
                first = int(np.flatnonzero(asking & ((asked == asks) | (regraded == asks)))[0])
                yield (
                    f"No unit of kind {kind} has all the abilities that the bits {int(asks):b} ask for; first asked by "
                    f"the job at index {first}."
                )


def _distinct(values: NDArray[Any], some: NDArray[np.bool_]) -> NDArray[Any]:
    return values[:1] if is_same(values) else np.unique(values[some])


def _of_parents(jobs: Jobs) -> Iterator[str]:
    if is_same(jobs.parent) and jobs.parent[0] < 0:
        return
    follows = jobs.parent >= 0
    wrong = jobs.parent >= len(jobs)
    if wrong.any():
        yield from _told("parent", "jobs", wrong, jobs.parent, "the index of another job, or -1")
        return
    yield from _told("ready", "jobs with a parent", follows & (jobs.ready < 0), jobs.ready, "a delay of 0 or more")
    # After so many steps up, a line of parents that has no end goes round.
    above = np.flatnonzero(follows & (jobs.parent >= np.arange(len(jobs))))
    if len(above):
        at = jobs.parent
        for _ in range(len(jobs).bit_length()):
            at = np.where(at >= 0, at[np.maximum(at, 0)], -1)
        round_ = np.flatnonzero(at >= 0)
        if len(round_):
            yield f"Jobs follow each other in a circle, first the one at index {round_[0]}: a parent comes before."


def _of_commitments(jobs: Jobs) -> Iterator[str]:
    if is_same(jobs.is_handed_over) and not jobs.is_handed_over[0]:
        return
    wrong = jobs.is_handed_over & ((jobs.units.sum(axis=1) != 1) | jobs.is_at_once | jobs.may_be_left)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        yield (
            f"Several units, or one that may be left, are wanted by {count_of(int(wrong.sum()), 'job')} to be handed "
            f"over, first the one at index {first}. A commitment is held by one unit at a time: make one job for each."
        )


def count_pools(units: Any, cover: Any, rules: Any) -> int:
    """Count the pools that anything speaks of."""
    named = [units.pool, cover.own, cover.also, cover.help]
    kept = 0 if rules.keep_free is None else len(rules.keep_free)
    return max(len(cover.vehicles), kept, *(1 + int(each.max(initial=0)) for each in named))


def is_same(values: NDArray[Any]) -> bool:
    """Say whether one number stands for all jobs, so that looking at one is looking at all."""
    return values.strides[0] == 0 and len(values) > 0
