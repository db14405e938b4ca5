"""Kernel density: what was counted, spread around each place by a bell of the width that would have done best so far.

A Gaussian kernel over the distance between centres of cells (Silverman 1986, *Density Estimation*), widened by the size
of a cell because where in its cell an offence lies is not used, and cut off at three widths. Nothing is spread out of
the force.
"""

from __future__ import annotations

import numpy as np

from bluelamp.hotspots._past import Fitted, Floats, History, Past, floor, log_likelihood

# Widths of the bell, in steps from cell to cell, and windows in weeks.
WIDTHS = (0.3, 0.5, 0.8, 1.2, 2.0)
WINDOWS = (52, 104, None)
_CUT = 3.0


def fit(past: Past) -> Fitted:
    """Choose width, window and whether by shift, by the likelihood of the weeks before."""
    weeks = past.learning_weeks()
    bells = {width: _Bell(past.history, width) for width in WIDTHS}
    choices = [(width, window, by_shift) for width in WIDTHS for window in WINDOWS for by_shift in (True, False)]

    def risk(at: Past, width: float, window: int | None, by_shift: bool) -> Floats:
        spread = bells[width].spread(at.window(window))
        return floor(spread if by_shift else at.whole_days(spread), at)

    told = [sum(log_likelihood(risk(week, *choice), week.came()) for week in weeks) for choice in choices]
    width, window, by_shift = choices[int(np.argmax(told))]
    counted = "all weeks" if window is None else f"the last {window} weeks"
    return Fitted(
        lambda at: risk(at, width, window, by_shift),
        f"a bell {width * past.history.grid.step:,.0f} m wide over {counted}"
        + ("" if by_shift else ", all shifts together"),
    )


class _Bell:
    def __init__(self, history: History, width: float) -> None:
        step = history.grid.step
        # Places lie around the centre of their hexagon with a variance of 5/72 of its squared step along each axis, at
        # both ends of a distance.
        variance = (width * step) ** 2 + 5 / 36 * step**2
        self._near = history.grid.near(_CUT * np.sqrt(variance))
        reach = np.exp(-(self._near.metres**2) / (2 * variance))
        total = 1.0 + np.bincount(self._near.other, reach, minlength=len(history.grid))
        self._own = 1.0 / total
        self._weights = reach / total[self._near.other]

    def spread(self, rate: Floats) -> Floats:
        return self._own[:, None] * rate + self._near.gather(self._weights, rate)
