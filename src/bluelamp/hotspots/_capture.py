"""How much of what came lay where a map said: offences caught by watching a stated share of the ground."""

from __future__ import annotations

import numpy as np

from bluelamp.hotspots._past import Floats

# Shares of the ground that are watched in every shift.
SHARES = (0.005, 0.01, 0.02, 0.05)


def capture(risk: Floats, came: Floats, even: Floats, ranked: Floats | None = None) -> Floats:
    """Give the offences caught, shares of the ground × (by this map, by the best there could have been).

    `risk` and `came` are cells × shifts, `even` the cells' shares of the ground (cells × 1), `ranked` those that risk
    is divided by where they are others. In each shift the cells with the most risk for their size are watched until
    their size is that share; the last one counts in part. Cells of equal risk come in an order that has nothing to do
    with their place.
    """
    found = np.zeros((len(SHARES), 2))
    size = even[:, 0]
    divided_by = size if ranked is None else ranked[:, 0]
    mixed = np.random.Generator(np.random.Philox(key=[len(size), 1])).random(len(size))
    for shift in range(came.shape[1]):
        if not came[:, shift].any():
            continue
        for column, wanted in enumerate((risk[:, shift], came[:, shift])):
            order = np.lexsort((mixed, -wanted / divided_by))
            watched = np.concatenate([[0.0], np.cumsum(size[order])])
            caught = np.concatenate([[0.0], np.cumsum(came[order, shift])])
            found[:, column] += np.interp(SHARES, watched, caught)
    return found


def criterion(caught: Floats) -> float:
    """Give the one figure that maps are chosen by: offences caught, on average over the shares of the ground."""
    return float(caught[:, 0].mean())
