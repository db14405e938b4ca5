"""What is known of the places of offences at the start of a week: counts by cell, shift and class before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bluelamp.grids import Grid, Neighbours

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Neighbours as rings around a cell, in steps from centre to centre: those that touch it, and those behind them.
RINGS = (1.5, 2.5)
# Weeks before the one to forecast from which methods learn their own figures, every third of them.
LEARNING_WEEKS = 52
_EVERY = 3
# A method learns from weeks that have at least so many before them.
_LEAST_BEFORE = 8
# Weeks that say how a class is shared among the shifts.
_SHIFT_WEEKS = 104
# Share of the risk that is spread evenly over the ground.
FLOOR = 0.01


@dataclass(frozen=True, eq=False)
class History:
    """Offences of some classes in cells of ground, by week and shift, in parts where their time is a range.

    One value a part in `cell`, `shift`, `week`, `kind` (the number of its class) and `weight`, sorted by `week`. Weeks
    are counted from the first that is kept; `seen` (weeks × shifts) is the share of hours that are no outage.
    """

    grid: Grid
    classes: tuple[str, ...]
    shifts: int
    cell: Integers
    shift: Integers
    week: Integers
    kind: Integers
    weight: Floats
    seen: Floats

    @property
    def weeks(self) -> int:
        """Whole weeks of history."""
        return len(self.seen)

    @cached_property
    def rings(self) -> tuple[Neighbours, ...]:
        """Neighbours by ring: one pair of arrays for each of `RINGS`."""
        step = self.grid.step
        near = self.grid.near(RINGS[-1] * step)
        return tuple(
            near.between(least * step, most * step) for least, most in zip((0.0, *RINGS[:-1]), RINGS, strict=True)
        )

    @cached_property
    def even(self) -> Floats:
        """Shares of the ground, cells × 1: where risk lies if nothing is known."""
        shares: Floats = (self.grid.size / self.grid.size.sum())[:, None]
        return shares

    @cached_property
    def ranked(self) -> Floats:
        """What risk is divided by to rank cells, in shares of the ground, cells × 1."""
        shares: Floats = (self.grid.ranked_size / self.grid.size.sum())[:, None]
        return shares

    @cached_property
    def _first_of_week(self) -> Integers:
        return np.searchsorted(self.week, np.arange(self.weeks + 1)).astype(np.int64)

    def until(self, week: int, kind: int | None = None) -> Past:
        """Look back from the start of a week, at one class or at all of them."""
        return Past(self, week, kind)

    def rows_between(self, first: int, last: int) -> slice:
        """Give the parts in weeks [first, last)."""
        return slice(int(self._first_of_week[max(first, 0)]), int(self._first_of_week[last]))


@dataclass(frozen=True)
class Past:
    """The weeks before one, for a class (or all, where `kind` is empty): what a method may know."""

    history: History
    week: int
    kind: int | None

    @property
    def shape(self) -> tuple[int, int]:
        """Cells × shifts."""
        return len(self.history.grid), self.history.shifts

    @cached_property
    def of_all(self) -> Past:
        """The same past of all classes together."""
        return self.history.until(self.week, None)

    def before(self, week: int) -> Past:
        """Look back from an earlier week."""
        return self.history.until(week, self.kind)

    def came(self) -> Floats:
        """Give what came in the week itself, cells × shifts: what a method may not know."""
        return self._sum(self.week, self.week + 1, np.ones(1))

    def count(self, weeks: int) -> Floats:
        """Count what came in the last so many weeks, cells × shifts."""
        first = max(self.week - weeks, 0)
        return self._sum(first, self.week, np.ones(self.week - first))

    def window(self, weeks: int | None) -> Floats:
        """Give the weekly mean of the last so many weeks (all of them where none is said), cells × shifts."""
        first = 0 if weeks is None else max(self.week - weeks, 0)
        return self._rate(first, np.ones(self.week - first))

    def faded(self, half_life: float) -> Floats:
        """Give the weekly mean in which a week counts half of one that is `half_life` weeks younger."""
        return self._rate(0, 0.5 ** (np.arange(self.week)[::-1] / half_life))

    def lagged(self, first: int, last: int) -> Floats:
        """Give the weekly mean of the weeks `first` … `last` ago, 1 being the last one."""
        begin = self.week - last
        return self._rate(max(begin, 0), np.ones(max(self.week - first + 1 - max(begin, 0), 0)))

    @cached_property
    def shift_shares(self) -> Floats:
        """How the class is shared among the shifts, adding up to one."""
        found = self.window(_SHIFT_WEEKS).sum(axis=0) + 1e-9
        return np.asarray(found / found.sum())

    def whole_days(self, rate: Floats) -> Floats:
        """Give a rate in which each cell has the class's own shares of shifts."""
        spread: Floats = rate.sum(axis=1, keepdims=True) * self.shift_shares
        return spread

    def learning_weeks(self) -> list[Past]:
        """Give the weeks that a method learns from: those of the last year, every third, seen and with a past."""
        seen = self.history.seen
        first = max(self.week - LEARNING_WEEKS, _LEAST_BEFORE)
        return [
            self.before(week) for week in range(self.week - 1, first - 1, -_EVERY) if seen[week].min(initial=1.0) > 0.5
        ]

    def _rate(self, first: int, weights: Floats) -> Floats:
        seen = weights @ self.history.seen[first : first + len(weights)]
        # A shift that was never seen has no rate of its own; what is counted there is nothing, too.
        return self._sum(first, first + len(weights), weights) / np.maximum(seen, 1e-9)

    def _sum(self, first: int, last: int, weights: Floats) -> Floats:
        rows = self.history.rows_between(first, last)
        cells, shifts = self.shape
        weight = self.history.weight[rows] * weights[self.history.week[rows] - first]
        at = self.history.cell[rows] * shifts + self.history.shift[rows]
        if self.kind is not None:
            is_kind = self.history.kind[rows] == self.kind
            at, weight = at[is_kind], weight[is_kind]
        sums: Floats = np.bincount(at, weight, minlength=cells * shifts).astype(np.float64).reshape(cells, shifts)
        return sums


@dataclass(frozen=True)
class Fitted:
    """A method that has learnt: `risk(past)` gives the offences to expect in the week after, cells × shifts."""

    risk: Callable[[Past], Floats]
    about: str  # what it settled on, as a sentence without its full stop


def floor(risk: Floats, past: Past, share: float = FLOOR) -> Floats:
    """Spread a small share of the risk evenly over the ground, so that nowhere is impossible."""
    raised: Floats = (1 - share) * risk + share * risk.sum(axis=0) * past.history.even
    return raised


def log_likelihood(risk: Floats, came: Floats) -> float:
    """Score where offences were expected by where they came, whatever their number: higher is better."""
    there = came > 0
    return float((came[there] * np.log(np.maximum(risk[there] / max(risk.sum(), 1e-12), 1e-12))).sum())
