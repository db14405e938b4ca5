"""The fewest units that meet every target, found by simulation: start from a rung of the ladder, repair, then prune.

A rung says how many units each pool wants in each hour. The simulation follows the queue itself, so that it sees what
a rung cannot: work left over from a short hour, several units at one call, units that go on past their end. Where too
many calls are late, a unit is added in the hour in which more capacity helps; where few are, one is taken away and put
back if it was needed. All tries are on the same drawn weeks (common random numbers), so that two plans differ by their
plan alone. How many calls may be seen late depends on how much the draws tell; what was found is repaired on weeks
that the search has not seen, and what is said of it is measured on others again. The idea is the simulation-and-cuts
family for staffing (Atlason, Epelman & Henderson 2004, Call center staffing with simulation and cutting plane methods),
with a local search in place of the cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bluelamp.drawn_work import Drawn, Ground, by_the_hour, dispatch
from bluelamp.pools import Floats, Integers
from bluelamp.simulation import Cover, Outcome, Rules, Travel, Units, replicate

Flags = NDArray[np.bool_]
Progress = Callable[[float], None]

# A second is rounding.
_ROUNDING = 1 / 60
# Weeks simulated at a time: their outcomes are summed and let go.
_AT_A_TIME = 40


@dataclass(frozen=True)
class Answered:
    """How calls were answered in so many drawn runs: targets × pools × hours of the forecast.

    `calls` are those that a target speaks of, over all runs. `told` are the calls that tell how they would be answered:
    all of the target's grade, because those of one grade wait in one line wherever in the pool they come from; `late`
    are those of them that would be late by this target's own time and way. Of the mean run are `busy` (pools × hours),
    unit-minutes at work or on the way, `waiting` (pools × hours), jobs to which nobody had been sent at the hour's
    start, and `overtime`, unit-minutes after the end of duties. By run (runs × targets × pools) are the calls that the
    target speaks of, those of them that were late, those that were reached, and of these the minutes from when they
    were ready until the first unit was there, and the minutes of its way. `far` (like `calls`) are the
    calls that would be late whoever went: from the nearest of all places the way alone takes too long. `alike` (like
    `told`, 1 and more) says how many calls of a run tell no more than one: calls of a busy hour wait together.
    """

    runs: int
    calls: Floats
    told: Floats
    late: Floats
    busy: Floats
    waiting: Floats
    overtime: float
    calls_by_run: Floats
    late_by_run: Floats
    reached_by_run: Floats
    minutes_by_run: Floats
    way_by_run: Floats
    far: Floats
    alike: Floats

    @property
    def share_late(self) -> Floats:
        """Share of calls that were late; not a number where none came."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.calls > 0, self.late / self.told, np.nan)

    @property
    def too_far(self) -> Floats:
        """Share of calls that would be late whoever went, targets × pools."""
        return np.asarray(self.far.sum(axis=2) / np.maximum(self.calls.sum(axis=2), 1))

    @property
    def error(self) -> Floats:
        """Standard error of `share_late` over runs: Agresti and Coull's, of so many calls as tell something new."""
        told = self.told / self.alike
        share = (self.late / self.alike + 2) / (told + 4)
        return np.asarray(np.sqrt(share * (1 - share) / (told + 4)))


def answer(
    ground: Ground,
    cases: Sequence[Drawn],
    units: Units,
    cover: Cover | None = None,
    rules: Rules | None = None,
    progress: Progress = lambda share: None,
    look: Callable[[int, Drawn, Outcome], None] = lambda number, drawn, outcome: None,
    *,
    travel: Travel | None = None,
    counted_by: Cover | None = None,
) -> Answered:
    """Let units answer drawn runs, and count how many calls of each target, pool and hour were late.

    A call counts in the pool that covers its place when it is ready, or would by `counted_by`. Calls whose time is not
    over by the run's end are left out. With `travel` the way that a unit came decides what is late; without it, the
    minutes that the call's target supposes. `look` is shown each run as it went, by its number.
    """
    cover = ground.cover if cover is None else cover
    travel = ground.travel if travel is None else travel
    count = _Count(ground, counted_by or cover, len(cases), travel)
    for first in range(0, len(cases), _AT_A_TIME):
        some = cases[first : first + _AT_A_TIME]
        outcomes = replicate([each.jobs for each in some], units, cover, rules, travel, hours=ground.hours)
        for number, (drawn, outcome) in enumerate(zip(some, outcomes, strict=True), first):
            count.add(number, drawn, outcome)
            look(number, drawn, outcome)
        progress((first + len(some)) / len(cases))
    return count.answered()


class _Count:
    def __init__(self, ground: Ground, cover: Cover, runs: int, travel: Travel | None) -> None:
        self.ground, self.own, self.runs, self.travel = ground, cover.own, runs, travel
        targets, pools = ground.targets, len(ground.pool_hours.pool_ids)
        self.shape = (len(targets), pools, len(ground.starts))
        self.due = np.append([each.due_minutes for each in targets], np.inf)
        self.way = np.append([each.travel_minutes for each in targets], 0.0)
        self.on_arrival = np.append([each.stops_on_arrival for each in targets], [False])
        self.grade = np.array([ground.grades.index(each.grade_code) for each in targets], dtype=np.int64)
        self.calls, self.told, self.late = np.zeros((3, *self.shape))
        self.squares = np.zeros((3, *self.shape))  # over runs: of those told, of those late, and of one by the other
        self.busy, self.waiting = np.zeros((2, *self.shape[1:]))
        self.by_run = np.zeros((5, runs, *self.shape[:2]))
        self.far = np.zeros(self.shape)
        self.nearest = None if travel is None else travel.minutes.min(axis=0)
        self.overtime = 0.0

    def add(self, number: int, drawn: Drawn, outcome: Outcome) -> None:
        """Count one run."""
        begins, ends = 60.0 * self.ground.warm_up, 60.0 * self.ground.hours
        is_call = (drawn.target >= 0) & (outcome.ready >= begins)
        is_call &= outcome.ready + self.due[drawn.target] <= ends
        own, ready = drawn.target[is_call], outcome.ready[is_call]
        hour = self.ground.hour_of(ready)
        place = drawn.jobs.place[is_call]
        pool = self.own[place, hour + self.ground.warm_up if self.own.shape[1] > 1 else 0]
        # Whoever was never sent waits for ever.
        wait = np.nan_to_num(outcome.sent[is_call], nan=np.inf) - ready
        way = np.nan_to_num(outcome.arrived[is_call] - outcome.sent[is_call])
        if self.travel is not None and self.nearest is not None:
            least = self.nearest[place] * drawn.jobs.stretch[is_call, 0]
            least *= self.travel.factor[(hour + self.ground.warm_up) % len(self.travel.factor)]
            is_far = self.on_arrival[own] & (least > self.due[own] + _ROUNDING)
            np.add.at(self.far, (own[is_far], pool[is_far], hour[is_far]), 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            stretch = np.nan_to_num(way / self.way[own], nan=1.0, posinf=1.0)
        told_now, late_now = np.zeros((2, *self.shape))
        for kind in range(self.ground.target_of.shape[1]):
            target = self.ground.target_of[self.grade[own], kind, hour]
            late = self._took(target, wait, way, stretch) > self.due[target] + _ROUNDING
            at = np.ravel_multi_index((target, pool, hour), self.shape, mode="clip")
            # The way to one kind of area says nothing of another's where the ground decides it.
            some = (target >= 0) & ((target == own) | (self.travel is None) | ~self.on_arrival[target])
            told_now += self._counted(at[some])
            late_now += self._counted(at[some], late[some])
            self.calls += self._counted(at[target == own])
        self.told += told_now
        self.late += late_now
        self.squares += (told_now**2, late_now**2, told_now * late_now)
        at = np.ravel_multi_index((own, pool), self.shape[:2])
        late = self._took(own, wait, way, stretch) > self.due[own] + _ROUNDING
        reached = np.isfinite(wait)
        for measure, weight in enumerate((None, late, reached, np.where(reached, wait + way, 0.0), way)):
            self.by_run[measure, number] = np.bincount(at, weight, self.by_run[0, 0].size).reshape(self.shape[:2])
        warm_up = self.ground.warm_up
        self.busy += outcome.minutes[2, :, warm_up:] + outcome.minutes[3, :, warm_up:]
        self.waiting += outcome.waiting.sum(axis=1)[:, warm_up:-1]
        self.overtime += float(outcome.overtime.sum())

    def _took(self, target: Integers, wait: Floats, way: Floats, stretch: Floats) -> Floats:
        """Give the minutes that count for a target, from when a call was ready."""
        on_the_way = way if self.travel is not None else stretch * self.way[target]
        return wait + np.where(self.on_arrival[target], on_the_way, 0.0)

    def _counted(self, at: Integers, weight: Flags | None = None) -> Floats:
        return np.bincount(at, weight, minlength=self.calls.size).reshape(self.shape).astype(np.float64)

    def answered(self) -> Answered:
        """Give what was counted."""
        runs, (calls, late, reached, minutes, way) = max(self.runs, 1), self.by_run
        return Answered(
            self.runs, self.calls, self.told, self.late, self.busy / runs, self.waiting / runs, self.overtime / runs,
            calls, late, reached, minutes, way, self.far, self._alike(),
        )  # fmt: skip

    def _alike(self) -> Floats:
        """Give the design effect: the variance of a share over runs by that of as many single calls (Kish 1965)."""
        share = self.late / np.maximum(self.told, 1)
        told, late, both = self.squares
        over_runs, alone = late - 2 * share * both + share**2 * told, self.told * share * (1 - share)
        return np.maximum(np.divide(over_runs, alone, out=np.ones(self.shape), where=alone > 0), 1.0)


# A normal distribution's 95%.
_SURE = 1.96


class Difference(NamedTuple):
    """Two ratios of sums over the same runs, how far the second is from the first, and the range of that (95%)."""

    before: float
    after: float
    difference: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        """Whether the runs tell the two apart."""
        return self.low > 0 or self.high < 0


def compare_ratios(before: Sequence[Floats], after: Sequence[Floats]) -> Difference | None:
    """Compare two ratios, each a sum by run and what it is divided by, by run; none where one is divided by nought.

    The range is by the delta method, over runs that are alike in both plans, so that what both have in common is no
    doubt.
    """
    if not before[1].sum() or not after[1].sum():
        return None
    runs = len(before[0])
    shares = float(before[0].sum() / before[1].sum()), float(after[0].sum() / after[1].sum())
    # What each run adds to the difference of the two ratios, about its mean.
    parts = [
        (over - share * under) / (under.sum() / runs)
        for (over, under), share in zip((before, after), shares, strict=True)
    ]
    error = _SURE * float(np.std(parts[1] - parts[0], ddof=1) / np.sqrt(runs)) if runs > 1 else 0.0
    difference = shares[1] - shares[0]
    return Difference(shares[0], shares[1], difference, difference - error, difference + error)


def by_grade_and_pool(
    ground: Ground, names: Sequence[str], plans: Sequence[Answered]
) -> Iterator[tuple[str, str, list[list[Floats]]]]:
    """Give by grade, for the force ('all') and each pool, what plans have by run of the given names (`late_by_run`)."""
    grades = [target.grade_code for target in ground.targets]
    for grade in sorted(set(grades)):
        mine = [number for number, each in enumerate(grades) if each == grade]
        by_pool = [[getattr(plan, name)[:, mine].sum(axis=1) for name in names] for plan in plans]
        yield grade, "all", [[each.sum(axis=1) for each in plan] for plan in by_pool]
        for number, pool in enumerate(ground.pool_hours.pool_ids):
            yield grade, pool, [[each[:, number] for each in plan] for plan in by_pool]


def compare_answers(ground: Ground, before: Answered, after: Answered) -> list[dict[str, Any]]:
    """Compare how two plans answered the same runs: a row a grade for the force ('all') and each pool that has calls.

    Shares late are ratios of sums over runs (`compare_ratios`).
    """
    rows = []
    names = ("late_by_run", "calls_by_run")
    for grade, pool, chosen in by_grade_and_pool(ground, names, (before, after)):
        found = compare_ratios(*chosen)
        if found is not None:
            calls = [float(each[1].mean()) for each in chosen]
            rows.append(
                {
                    "grade_code": grade, "pool_id": pool, "calls_before": calls[0], "calls_after": calls[1],
                    "late_before": found.before, "late_after": found.after, "difference": found.difference,
                    "difference_low": max(found.low, -1.0), "difference_high": min(found.high, 1.0),
                }
            )  # fmt: skip
    return rows


# ---- the search ----


@dataclass(frozen=True)
class Pieces:
    """What can be added or taken away as one: an hour of a pool, or a duty of a shift. Arrays with one entry a piece.

    A piece is one unit of `pool` from hour `first` up to hour `last` of the forecast.
    """

    pool: Integers
    first: Integers
    last: Integers

    def __len__(self) -> int:
        return len(self.pool)

    def by_hour(self, number: Integers, pools: int, hours: int) -> Integers:
        """Add up to units, pools × hours."""
        steps = np.zeros((pools, hours + 1), dtype=np.int64)
        np.add.at(steps, (self.pool, self.first), number)
        np.add.at(steps, (self.pool, self.last), -number)
        return steps.cumsum(axis=1)[:, :-1]

    @classmethod
    def of_hours(cls, runs: Flags) -> Pieces:
        """Make a piece of each hour in which each pool runs (pools × hours)."""
        pool, hour = np.nonzero(runs)
        return cls(pool.astype(np.int64), hour.astype(np.int64), hour.astype(np.int64) + 1)


@dataclass(frozen=True)
class Solved:
    """A plan that was found: units of each piece, the same by pool and hour, and how the search went."""

    number: Integers
    units: Integers
    tried: int
    added: int
    taken: int
    seen: Answered  # on the weeks of the search, which flatter it


@dataclass(frozen=True)
class Search:
    """How sure a search is to be, and when it stops.

    A target is to hold to `within` a share of calls in every pool and hour of the plan, but for a chance of `doubt`
    that it does not in some. `tries` bounds the simulations that search, `repairs` those that then put right on draws
    that no choice was made by.
    """

    doubt: float = 0.05
    within: float = 0.02
    tries: int = 80
    repairs: int = 5


def most_late(seen: Answered, allowed: Floats, search: Search) -> Floats:
    """Give the share of calls that may be seen late where a target is said to hold, targets × pools × hours.

    `allowed` is each target's share late. The fewer calls tell, the fewer may be late: from there a one-sided bound
    ends where the target holds no longer (a score test; Wilson 1927), for as many calls of a run as are not alike
    (Korn & Graubard 1998). For a plan that fails, both the draws of the search and those of the repair must be
    mistaken, in any hour, try and repair (Bonferroni), so that each may be with the root of the chance that is left for
    one. The aim is the target at most, and half of `within` below it at least, lest few calls buy many units: there
    less is sure.
    """
    looks = max(int((seen.calls > 0).sum()), 1) * search.tries * search.repairs
    sure = NormalDist().inv_cdf(1 - float(np.sqrt(search.doubt / looks)))
    held = _possible(seen, allowed, allowed + search.within)
    room = sure * np.sqrt(held * (1 - held) * seen.alike / np.maximum(seen.told, 1))
    least = np.maximum(allowed - search.within / 2, allowed / 2)
    return np.clip(held - room, _possible(seen, allowed, least), _possible(seen, allowed, allowed))


def _possible(seen: Answered, allowed: Floats, share: Floats) -> Floats:
    """Give a share of calls, one a target, of those calls that units can be in time for: targets × pools × hours.

    Where more are too far away than a target allows, no units meet it: then it is to hold for the other calls.
    """
    far = np.where((seen.too_far > allowed[:, None])[:, :, None], seen.far / np.maximum(seen.calls, 1), 0.0)
    return np.asarray(far + (1 - far) * share[:, None, None])


def solve(
    ground: Ground,
    cases: Sequence[Drawn],
    pieces: Pieces,
    start: Integers,
    least: Integers,
    *,
    unseen: Sequence[Drawn] = (),
    rules: Rules | None = None,
    search: Search | None = None,
    progress: Progress = lambda share: None,
) -> Solved:
    """Find the fewest units of each piece with which every target holds in every pool and hour.

    `start` are units by piece to begin with, `least` (pools × hours) the minimum strength, below which no hour falls.
    The plan found on `cases` is repaired on those `unseen`, if any.
    """
    searching = _Searching(ground, cases, pieces, least, rules, search or Search(), progress)
    return searching.run(start, unseen)


class _Searching:
    def __init__(
        self,
        ground: Ground,
        cases: Sequence[Drawn],
        pieces: Pieces,
        least: Integers,
        rules: Rules | None,
        search: Search,
        progress: Progress,
    ) -> None:
        self.ground, self.cases, self.pieces, self.least = ground, cases, pieces, least
        self.rules, self.search, self.progress = rules, search, progress
        self.shape = least.shape
        self.allowed = 1 - np.array([each.target_share for each in ground.targets])
        # A call that may wait for hours can be helped by more units in any of them.
        self.window = np.array([max(int(each.waiting_minutes // 60), 0) for each in ground.targets])
        self.tried = self.added = self.taken = 0
        self.piece_at = self._pieces_by_hour()

    def run(self, start: Integers, unseen: Sequence[Drawn]) -> Solved:
        number, seen = self._add(self._raised(start.copy()), self.cases, self.search.tries // 2)
        number, seen = self._prune(number, seen)
        if len(unseen):
            number, seen = self._add(number, unseen, self.search.repairs)
        return Solved(number, self._by_hour(number), self.tried, self.added, self.taken, seen)

    # ---- judging ----

    def _try(self, number: Integers, cases: Sequence[Drawn]) -> Answered:
        self.tried += 1
        self.progress(min(self.tried / (self.search.tries + self.search.repairs), 1.0))
        units, rules = put_out(self.pieces, number, self.ground, self.rules)
        return answer(self.ground, cases, units, rules=rules)

    def _by_hour(self, number: Integers) -> Integers:
        return self.pieces.by_hour(number, *self.shape)

    def _over(self, seen: Answered) -> Floats:
        """Give by how much of all calls more were late than at most, targets × pools × hours."""
        over: Floats = np.nan_to_num(seen.share_late, nan=0.0) - most_late(seen, self.allowed, self.search) * (
            seen.calls > 0
        )
        return over

    def _short(self, seen: Answered) -> Flags:
        """Say where a unit is to be added: where a target is not seen to hold, and chance is not the likely reason.

        Where a standard error is more than half of the tolerance, few calls would else buy a unit for each bad draw.
        """
        low = _possible(seen, self.allowed, np.maximum(self.allowed - self.search.within, 0.0)) + seen.error
        short: Flags = (self._over(seen) > 0) & (np.nan_to_num(seen.share_late) > low)
        return short

    # ---- adding ----

    def _add(self, number: Integers, cases: Sequence[Drawn], tries: int) -> tuple[Integers, Answered]:
        """Add units until every target is seen to hold, in so many tries."""
        seen = self._try(number, cases)
        helpless = np.zeros(seen.calls.shape, dtype=np.bool_)
        for _ in range(tries - 1):
            short = self._short(seen) & ~helpless
            more = self._wanted(seen, number, short)
            if not more.any():
                break
            number = number + more
            self.added += int(more.sum())
            found = self._try(number, cases)
            # Where one more helped no call, and not because all are late, another will not: it is the way.
            helpless |= short & (found.late >= seen.late) & (found.late < found.told)
            seen = found
        return number, seen

    def _wanted(self, seen: Answered, number: Integers, short: Flags) -> Integers:
        """Say of which pieces one more is wanted where targets are short, the most urgent first."""
        more = np.zeros(len(self.pieces), dtype=np.int64)
        helped = np.zeros(self.shape, dtype=np.bool_)
        units = np.maximum(self._by_hour(number), 1)
        idle = 1 - seen.busy / (60.0 * units)
        for target in np.argsort(self.window, kind="stable"):
            for pool, hour in np.argwhere(short[target]):
                last = min(hour + self.window[target] + 1, self.shape[1])
                if helped[pool, hour:last].any():
                    continue
                # Of the hours in which the call may be answered, the one with the least idle time.
                best = hour + int(np.argmin(idle[pool, hour:last]))
                piece = self._piece_for(pool, best)
                if piece >= 0 and not more[piece]:
                    more[piece] = 1
                    helped[pool, self.pieces.first[piece] : self.pieces.last[piece]] = True
        return more

    def _piece_for(self, pool: int, hour: int) -> int:
        """Give the piece with which an hour gets one more: of several the one that begins last, so that less is spent
        on what came before.
        """
        return int(self.piece_at[pool, hour])

    def _pieces_by_hour(self) -> Integers:
        found = np.full(self.shape, -1, dtype=np.int64)
        for piece in np.argsort(self.pieces.first, kind="stable"):
            found[self.pieces.pool[piece], self.pieces.first[piece] : self.pieces.last[piece]] = piece
        return found

    def _raised(self, number: Integers) -> Integers:
        """Raise to the minimum strength."""
        while True:
            lacking = self.least - self._by_hour(number)
            if (lacking <= 0).all():
                return number
            pool, hour = np.unravel_index(int(np.argmax(lacking)), lacking.shape)
            piece = self._piece_for(int(pool), int(hour))
            if piece < 0:
                self.least = self.least.copy()
                self.least[pool, hour] = 0
                continue
            number[piece] += lacking[pool, hour]

    # ---- taking away ----

    def _prune(self, number: Integers, seen: Answered) -> tuple[Integers, Answered]:
        """Take units away where targets are met with some to spare, many at a time where they cannot meet, and put back
        those that were needed.
        """
        needed = np.zeros(len(self.pieces), dtype=np.bool_)
        while self.tried < self.search.tries:
            chosen = self._spare(number, seen, needed)
            if not len(chosen):
                break
            fewer = number.copy()
            fewer[chosen] -= 1
            found = self._try(fewer, self.cases)
            worse = np.nan_to_num(found.share_late) > np.nan_to_num(seen.share_late)
            harmed = self._harmed((self._over(found) > 0) & worse, chosen)
            needed[chosen[harmed]] = True
            number[chosen[~harmed]] -= 1
            self.taken += int((~harmed).sum())
            if harmed.any() and self.tried < self.search.tries:
                found = self._try(number, self.cases)
            seen = found
        return number, seen

    def _reach(self) -> int:
        """Hours after a piece in which fewer units may still be felt."""
        return 4

    def _spare(self, number: Integers, seen: Answered, needed: Flags) -> Integers:
        by_hour = self._by_hour(number)
        with np.errstate(invalid="ignore", divide="ignore"):
            # How far a target is from being missed, in calls late for each that may be; an hour has its worst target's.
            used = np.nan_to_num(seen.share_late / np.maximum(most_late(seen, self.allowed, self.search), 1e-9)).max(
                axis=0
            )
        spare = np.array(
            [
                1 - used[pool, first:last].max(initial=0.0)
                if left > 0 and (by_hour[pool, first:last] > self.least[pool, first:last]).all() and not kept
                else -1.0
                for pool, first, last, left, kept in zip(
                    self.pieces.pool, self.pieces.first, self.pieces.last, number, needed, strict=True
                )
            ]
        )
        chosen: list[int] = []
        taken = np.zeros(self.shape, dtype=np.bool_)
        for piece in np.argsort(-spare, kind="stable"):
            if spare[piece] <= 0:
                break
            pool, first, last = self.pieces.pool[piece], self.pieces.first[piece], self.pieces.last[piece]
            around = slice(max(first - self._reach(), 0), last + self._reach())
            if not taken[pool, around].any():
                taken[pool, first:last] = True
                chosen.append(int(piece))
        return np.array(chosen, dtype=np.int64)

    def _harmed(self, worse: Flags, chosen: Integers) -> Flags:
        """Say after the taking away of which pieces an hour that they may have helped is worse off than may be."""
        found = np.zeros(len(chosen), dtype=np.bool_)
        for place, piece in enumerate(chosen):
            pool, first, last = self.pieces.pool[piece], self.pieces.first[piece], self.pieces.last[piece]
            for target in range(len(worse)):
                begin = max(first - self.window[target], 0)
                found[place] |= bool(worse[target, pool, begin : last + self._reach()].any())
        return found


def put_out(pieces: Pieces, number: Integers, ground: Ground, rules: Rules | None = None) -> tuple[Units, Rules]:
    """Put the units of a plan out: those of hours work in their hours alone (see `by_the_hour`), those of duties finish
    what they are at.
    """
    if (pieces.last - pieces.first == 1).all():
        shape = len(ground.pool_hours.pool_ids), len(ground.starts)
        return by_the_hour(pieces.by_hour(number, *shape), ground, rules)
    each, warm_up = np.repeat(np.arange(len(pieces)), number), ground.warm_up
    pool, starts, ends = pieces.pool[each], 60.0 * (pieces.first[each] + warm_up), 60.0 * (pieces.last[each] + warm_up)
    # The day before is like the first one, as far as the run has any of it.
    early = (starts < 60.0 * (24 + warm_up)) & (ends - 24 * 60.0 > 0)
    begins, stops = np.maximum(starts[early] - 24 * 60.0, 0.0), np.minimum(ends[early] - 24 * 60.0, 60.0 * warm_up)
    was_out = stops > begins
    pool = np.concatenate([pool, pool[early][was_out]])
    starts, ends = np.concatenate([starts, begins[was_out]]), np.concatenate([ends, stops[was_out]])
    order = np.lexsort((pool, starts))
    out = Units.of(
        starts=starts[order], ends=ends[order], pool=pool[order], place=ground.home_of_pool[pool[order]]
    )  # fmt: skip
    return out, dispatch(ground, rules)
