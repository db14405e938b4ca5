"""What is usual in each shift of the week, and the limit above which a count is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bluelamp import quantiles
from bluelamp.shifts import Floats, Integers, Past

# Weeks that make the usual, weeks that make a year's mean, and how few of them say nothing.
USUAL_WEEKS, YEAR_WEEKS, LEAST_WEEKS = 26, 52, 4
# What lies above this level of the history's own limit is left out when its spread is found again.
_OUTLYING = 0.001


@dataclass(frozen=True)
class Usual:
    """What is usual in each slot of the week, places × measures × slots."""

    mean: Floats  # not a number where too few weeks were seen
    limit: Floats  # the most that is not unusual
    weeks: Integers  # slots: weeks seen
    year: Floats  # places × measures: the mean of all slots over the last year


def find_usual(past: Past, slots: int, false_alarms: float) -> Usual:
    """Find what is usual in each slot of the week, and the most that is not unusual there.

    The spread of a place's measure about its slots' means is found twice: from all that was seen, and again without
    what lies above the limit that this gives (phase I of a control chart), so that last summer's festival does not hide
    the next one.
    """
    by_slot = [np.flatnonzero((past.slot == slot) & past.seen)[-USUAL_WEEKS:] for slot in range(slots)]
    weeks = np.array([len(each) for each in by_slot], dtype=np.int64)
    counts = [past.counts[:, :, each].astype(np.float64) for each in by_slot]
    mean = np.stack([_mean(each) for each in counts], axis=2)
    spread = find_spread(counts)
    outlying = control_limit(mean, spread, weeks, _OUTLYING)
    spread = find_spread(
        [np.where(each > outlying[:, :, slot, None], np.nan, each) for slot, each in enumerate(counts)]
    )
    limit = control_limit(mean, spread, weeks, false_alarms)
    of_year = [past.counts[:, :, (past.slot == slot) & past.seen].astype(np.float64) for slot in range(slots)]
    year = np.stack([_mean(each) for each in of_year], axis=2).mean(axis=2)
    # A year's mean of half a year has half of the seasons.
    year = np.where(min((each.shape[2] for each in of_year), default=0) >= USUAL_WEEKS, year, np.nan)
    return Usual(mean, np.where(np.isnan(mean), np.nan, limit), weeks, year)


def _mean(counts: Floats) -> Floats:
    """Give the mean of the last axis; not a number where there is too little."""
    if counts.shape[-1] < LEAST_WEEKS:
        return np.full(counts.shape[:-1], np.nan)
    found: Floats = counts.mean(axis=-1)
    return found


def find_spread(counts: Sequence[Floats]) -> Floats:
    """Give the relative variance of rates beyond chance, places × measures, from counts by slot (… × weeks).

    By moments: a count with mean m has the variance m + v m², so that v = Σ (n − 1)(s² − m) / Σ (n − 1) m² over the
    slots; never below nought. What is not a number is left out.
    """
    above, below = (np.zeros(counts[0].shape[:2]) for _ in range(2))
    for each in counts:
        there = ~np.isnan(each)
        seen = there.sum(axis=-1)
        sums = np.where(there, each, 0.0).sum(axis=-1)
        mean = sums / np.maximum(seen, 1)
        squares = np.where(there, (each - mean[..., None]) ** 2, 0.0).sum(axis=-1)
        free = np.maximum(seen - 1, 0)
        above += squares - free * mean
        below += free * mean**2
    return np.maximum(above / np.maximum(below, 1e-9), 0.0)


def control_limit(mean: Floats, spread: Floats, weeks: Integers, false_alarms: float) -> Floats:
    """Give the count that one of the usual kind exceeds with a chance of `false_alarms` at most; … × slots.

    The mean of n weeks is itself unsure by a n-th of a count's variance, which the next count is added to. Half an
    incident more is taken to have been seen, so that where none ever was the first is not the end of the world.
    """
    seen = np.maximum(weeks, 1)
    usual = np.nan_to_num(mean) + 0.5 / seen
    relative = spread[..., None] + (1 / usual + spread[..., None]) / seen
    flat = quantiles.of_negative_binomial(usual.ravel(), relative.ravel(), (1 - false_alarms,))
    found: Floats = flat[:, 0].reshape(usual.shape).astype(np.float64)
    return found
