"""Kernel density: what was counted, spread around each place by a bell of the width that would have done best so far.

A Gaussian kernel over the distance between centres of cells (Silverman 1986, *Density Estimation*), widened by the size
of a cell because where in its cell an offence lies is not used, and cut off at three widths. Nothing is spread out of
the force.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bluelamp.hotspots._past import FLOOR, Fitted, Floats, History, Integers, Past, floor

# Widths of the bell, in steps from cell to cell, and windows in weeks.
WIDTHS = (0.3, 0.5, 0.8, 1.2, 2.0)
WINDOWS = (52, 104, None)
_CUT = 3.0


def fit(past: Past) -> Fitted:
    """Choose width, window and whether by shift, by the likelihood of the weeks before."""
    bells = {width: _Bell(past.history, width) for width in WIDTHS}
    choices = [(width, window, by_shift) for width in WIDTHS for window in WINDOWS for by_shift in (True, False)]
    told = np.sum([_judge(week, bells) for week in past.learning_weeks()], axis=0)
    width, window, by_shift = choices[int(np.argmax(told))]

    def risk(at: Past) -> Floats:
        spread = bells[width].spread(at.window(window))
        return floor(spread if by_shift else at.whole_days(spread), at)

    counted = "all weeks" if window is None else f"the last {window} weeks"
    return Fitted(
        risk,
        f"a bell {width * past.history.grid.step:,.0f} m wide over {counted}"
        + ("" if by_shift else ", all shifts together"),
    )


def _judge(week: Past, bells: Mapping[float, _Bell]) -> Floats:
    """Give the log likelihood of what came in a week by width, window and whether by shift, in that order.

    It asks for the risk where something came and for the sum of all risk, which a bell does not change: so that only
    the few places are worked out where something came.
    """
    came = week.came()
    cells, shift = np.nonzero(came)
    share = week.history.even[cells, 0]
    told = np.empty((len(bells), len(WINDOWS), 2))
    for second, window in enumerate(WINDOWS):
        rate = week.window(window)
        total = rate.sum(axis=0)
        for first, bell in enumerate(bells.values()):
            here = bell.spread_at(rate, cells)
            for third, (risk, sums) in enumerate(
                ((here, total), (here.sum(axis=1, keepdims=True) * week.shift_shares, total.sum() * week.shift_shares))
            ):
                floored = risk[np.arange(len(cells)), shift] * (1 - FLOOR) + FLOOR * sums[shift] * share
                of_all = np.maximum(floored / max(float(sums.sum()), 1e-12), 1e-12)
                told[first, second, third] = came[cells, shift] @ np.log(of_all)
    return told.ravel()


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
        """Spread rates, cells × shifts, around their cells."""
        return self._own[:, None] * rate + self._near.gather(self._weights, rate)

    def spread_at(self, rate: Floats, cells: Integers) -> Floats:
        """Give some cells of what `spread` gives, those cells × shifts."""
        return self._own[cells, None] * rate[cells] + self._near.gather_at(self._weights, rate, cells)
