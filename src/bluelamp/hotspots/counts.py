"""The plain count map: places where most was counted before, over the window that would have done best so far."""

from __future__ import annotations

import numpy as np

from bluelamp.hotspots._capture import capture, criterion
from bluelamp.hotspots._past import Fitted, Floats, Past

WINDOWS = (26, 52, 104, None)


def fit(past: Past) -> Fitted:
    """Choose how many weeks to count, and whether by shift, by what would have caught most in the weeks before."""
    choices = [(window, by_shift) for window in WINDOWS for by_shift in (True, False)]
    caught = np.zeros(len(choices))
    for week in past.learning_weeks():
        came, even, ranked = week.came(), week.history.even, week.history.ranked
        rates = [rate for window in WINDOWS for rate in _by_shift_or_not(week, week.window(window))]
        caught += [criterion(capture(rate, came, even, ranked, with_best=False)) for rate in rates]
    window, by_shift = choices[int(np.argmax(caught))]
    counted = "all weeks" if window is None else f"the last {window} weeks"
    shared = "each shift by itself" if by_shift else "all shifts together, shared out as the class is"
    return Fitted(
        lambda at: _by_shift_or_not(at, at.window(window))[0 if by_shift else 1], f"counts of {counted}, {shared}"
    )


def _by_shift_or_not(past: Past, rate: Floats) -> tuple[Floats, Floats]:
    return rate, past.whole_days(rate)
