"""The plain count map: places where most was counted before, over the window that would have done best so far."""

from __future__ import annotations

import numpy as np

from bluelamp.hotspots._capture import capture, criterion
from bluelamp.hotspots._past import Fitted, Floats, Past

WINDOWS = (26, 52, 104, None)


def fit(past: Past) -> Fitted:
    """Choose how many weeks to count, and whether by shift, by what would have caught most in the weeks before."""
    weeks = past.learning_weeks()
    choices = [(window, by_shift) for window in WINDOWS for by_shift in (True, False)]
    caught = [
        sum(
            criterion(capture(_count(week, *choice), week.came(), week.history.even, week.history.ranked))
            for week in weeks
        )
        for choice in choices
    ]
    window, by_shift = choices[int(np.argmax(caught))]
    counted = "all weeks" if window is None else f"the last {window} weeks"
    shared = "each shift by itself" if by_shift else "all shifts together, shared out as the class is"
    return Fitted(lambda at: _count(at, window, by_shift), f"counts of {counted}, {shared}")


def _count(past: Past, window: int | None, by_shift: bool) -> Floats:
    rate = past.window(window)
    return rate if by_shift else past.whole_days(rate)
