"""What holidays, the days beside them and force-wide events do to the hours that they touch, by six-hour part of a day.

Effects are coefficients of a Poisson regression on the log scale with normal priors about nothing, so that what was
seen once or twice is believed no more than it should be: a holiday leans on what all holidays do, and how far holidays
differ is read off the data by the marginal likelihood (empirical Bayes; Laplace's approximation as in MacKay,
Information Theory, Inference, and Learning Algorithms, chapter 27).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bluelamp.forecast._history import BLOCKS, Calendar, Floats

ANY, BEFORE, AFTER = "any holiday", "day before a holiday", "day after a holiday"
# Standard deviations of log effects: of all holidays together, of the days beside them, of events of the whole force.
_OF_ANY, _BESIDE, _OF_EVENTS = 0.15, 0.05, 0.3
# Of a driver that is a standard deviation from usual.
_OF_DRIVERS = 0.1
# Of one holiday about all: the one that the data like best.
_OF_ONE = (0.02, 0.05, 0.1, 0.2, 0.4)
_STEPS = 4


@dataclass(frozen=True)
class Effects:
    """Log effects of one or many series, series × names × blocks."""

    names: list[str]
    values: Floats

    def of(self, calendar: Calendar, first: int = 0, last: int | None = None) -> Floats:
        """Give the log effect on days first … last-1 of a calendar, series × days × blocks."""
        found: Floats = np.einsum("snb,dbn->sdb", self.values, touch(calendar, self.names, first, last))
        return found

    def near(self, calendar: Calendar, first: int, last: int) -> Floats | None:
        """Give what drivers do in each area and hour beside what `of` says of the whole force's block: the log effect
        of the first series, areas × hours first … last-1; nothing where there is no driver.
        """
        found = None
        for name, values in calendar.drivers.items():
            if name in self.names:
                on_average = calendar.driven_share[name].ravel()[calendar.row[first:last]]
                by_hour = self.values[0, self.names.index(name)][calendar.block[first:last]]
                log = by_hour * (values[:, first:last] - on_average)
                found = log if found is None else found + log
        return found


def find_effects(seen: Floats, due: Floats, calendar: Calendar, noise: Floats, scale: float = 1.0) -> Effects:
    """Find effects from what was seen and what was due without them, series × days × blocks.

    `noise` is the relative variance of a block beyond chance, one a series; `scale` multiplies the priors' deviations,
    which are those of a whole force.
    """
    labels = sorted(set(calendar.label_of_day) - {""})
    names = [*([ANY, BEFORE, AFTER] if labels else []), *labels, *calendar.force_kinds, *calendar.drivers]
    if not names:
        return Effects([], np.zeros((len(seen), 0, BLOCKS)))
    design = touch(calendar, names)
    best, best_likelihood = np.zeros((len(seen), len(names), BLOCKS)), -np.inf
    for one in _OF_ONE if labels else _OF_ONE[:1]:
        of_name = {ANY: _OF_ANY, BEFORE: _BESIDE, AFTER: _BESIDE} | dict.fromkeys(labels, one)
        of_name |= dict.fromkeys(calendar.drivers, _OF_DRIVERS)
        deviation = scale * np.array([of_name.get(name, _OF_EVENTS) for name in names])
        likelihood, values = 0.0, np.zeros_like(best)
        for block in range(BLOCKS):
            rows = np.flatnonzero(design[:, block].any(axis=1))
            for number in range(len(seen)):
                values[number, :, block], found = _regress(
                    seen[number, rows, block], due[number, rows, block], design[rows, block], deviation, noise[number]
                )
                likelihood += found
        if likelihood > best_likelihood:
            best, best_likelihood = values, likelihood
    return Effects(names, best)


def touch(calendar: Calendar, names: Sequence[str], first: int = 0, last: int | None = None) -> Floats:
    """Give the share of each block that each name touches, of days first … last-1: days × blocks × names."""
    labels = [calendar.label_beside[0], *calendar.label_of_day, calendar.label_beside[1]]
    days = range(first, len(labels) - 2 if last is None else last)
    found = np.zeros((len(days), BLOCKS, len(names)))
    for place, name in enumerate(names):
        if name in calendar.drivers:
            found[:, :, place] = calendar.driven_share[name][first : days.stop]
            continue
        if name in calendar.force_kinds:
            found[:, :, place] = calendar.force_share[calendar.force_kinds.index(name), first : days.stop]
            continue
        for row, day in enumerate(days):
            before, label, after = labels[day : day + 3]
            beside = AFTER if before else BEFORE if after else ""
            if label in (name,) or (label and name == ANY) or (not label and beside == name):
                found[row, :, place] = 1.0
    return found


def _regress(seen: Floats, due: Floats, x: Floats, deviation: Floats, noise: float) -> tuple[Floats, float]:
    """Give the most likely coefficients, and the log marginal likelihood about them."""
    tells = due > 0
    seen, due, x = seen[tells], due[tells], x[tells]
    found: Floats = np.zeros(x.shape[1])
    likelihood = 0.0
    for _ in range(_STEPS):
        log = x @ found
        expected = due * np.exp(log)
        weight = 1 / (1 / expected + noise)
        target = log + (seen - expected) / expected
        precision = (x * weight[:, None]).T @ x + np.diag(1 / deviation**2)
        right = x.T @ (weight * target)
        found = np.linalg.solve(precision, right).astype(np.float64)
        spread = np.linalg.slogdet(precision)[1] + 2 * np.log(deviation).sum() - np.log(weight).sum()
        likelihood = -0.5 * float(spread + (weight * target**2).sum() - right @ found)
    return found, likelihood


def noise_of(seen: Floats, due: Floats, kept: NDArray[np.bool_]) -> Floats:
    """Give the relative variance of blocks beyond chance, one a series, by the method of moments."""
    seen, due = np.where(kept, seen, 0.0), np.where(kept, due, 0.0)
    beyond = ((seen - due) ** 2 - due).sum(axis=(1, 2))
    found: Floats = np.clip(beyond / np.maximum((due**2).sum(axis=(1, 2)), 1e-9), 0.001, 0.5)
    return found
