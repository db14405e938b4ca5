"""How much of what came lay where a map said: offences caught by watching a stated share of the ground."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bluelamp.hotspots._past import Floats, Integers

# Shares of the ground that are watched in every shift.
SHARES = (0.005, 0.01, 0.02, 0.05)


def capture(
    risk: Floats, came: Floats, even: Floats, ranked: Floats | None = None, *, with_best: bool = True
) -> Floats:
    """Give the offences caught, shares of the ground × (by this map, by the best there could have been).

    `risk` and `came` are cells × shifts, `even` the cells' shares of the ground (cells × 1), `ranked` those that risk
    is divided by where they are others. In each shift the cells with the most risk for their size are watched until
    their size is that share; the last one counts in part. Cells of equal risk come in an order that has nothing to do
    with their place. The best is nil where it is not asked for, because looking for it takes as long again.
    """
    found = np.zeros((len(SHARES), 2))
    size = even[:, 0]
    divided_by = size if ranked is None else ranked[:, 0]
    for shift in range(came.shape[1]):
        if not came[:, shift].any():
            continue
        for column, wanted in enumerate((risk[:, shift], came[:, shift]) if with_best else (risk[:, shift],)):
            order = _first_places(wanted / divided_by, size)
            watched = np.concatenate([[0.0], np.cumsum(size[order])])
            caught = np.concatenate([[0.0], np.cumsum(came[order, shift])])
            found[:, column] += np.interp(SHARES, watched, caught)
    return found


def _first_places(density: Floats, size: Floats) -> Integers:
    """Give the cells with the most, in order, at least as far as the largest share of the ground."""
    # Ties are broken by a little of nothing: a billionth of the most, which no two cells have alike.
    key = density - 1e-9 * max(float(density.max(initial=0.0)), 1e-300) * _mix(len(size))
    number = min(len(size), int(1.5 * SHARES[-1] * len(size)) + 50)
    first: Integers = np.argpartition(-key, number - 1)[:number] if number < len(size) else np.arange(len(size))
    if size[first].sum() < SHARES[-1]:
        first = np.arange(len(size))
    return first[np.argsort(-key[first], kind="stable")]


@lru_cache(maxsize=8)
def _mix(cells: int) -> Floats:
    return np.random.Generator(np.random.Philox(key=[cells, 1])).random(cells)


def criterion(caught: Floats) -> float:
    """Give the one figure that maps are chosen by: offences caught, on average over the shares of the ground."""
    return float(caught[:, 0].mean())
