"""What no division can beat, worked out without a search: how equal, and how little changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bluelamp.districting._touching import Floats, Integers


@dataclass(frozen=True)
class Bound:
    """No division has a smaller greatest deviation than `deviation` (a share of the ideal load), because of `reason`:
    'areas' (some are too heavy, whatever they are put together with), 'empty' (too few have any load), 'change' (too
    little may move from today's), or 'none' (nothing is known to stand in the way).
    """

    deviation: float
    reason: str


def least_deviation(
    load: Floats,
    districts: int,
    today: Integers | None = None,
    most_moved: float | None = None,
    moved_by: Floats | None = None,
) -> Bound:
    """Bound the greatest deviation of any division from below, whole districts or not.

    Of the `districts` × j + 1 heaviest areas, j + 1 lie in one district, which has at least as much as the lightest
    j + 1 of them. With a limit on change, today's districts must shed what they have above the tolerance and take
    what they lack: that bounds the deviation from below where as many districts are wanted as there are.
    """
    ideal = float(load.sum()) / districts
    heaviest = np.sort(load)[::-1]
    bounds = [Bound(0.0, "none")]
    if (load > 0).sum() < districts:
        bounds.append(Bound(1.0, "empty"))
    for several in range(1, len(load) // districts + 2):
        last = districts * (several - 1) + 1
        if last > len(load):
            break
        bounds.append(Bound(float(heaviest[last - several : last].sum()) / ideal - 1, "areas"))
    if today is not None and most_moved is not None and moved_by is None:
        known = today >= 0
        loads = np.bincount(today[known], load[known]).astype(float)[np.unique(today[known])]
        if known.all() and len(loads) == districts:
            low, high = 0.0, float(np.abs(loads / ideal - 1).max())
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (low, middle) if least_change(loads, middle) <= most_moved else (middle, high)
            bounds.append(Bound(low, "change"))
    return max(bounds, key=lambda each: each.deviation)


def least_change(loads: Floats, tolerance: float) -> float:
    """Give the share of all load that must change district at least, for loads of today to come within a tolerance."""
    ideal = float(loads.sum()) / len(loads)
    above = np.maximum(loads - (1 + tolerance) * ideal, 0).sum()
    below = np.maximum((1 - tolerance) * ideal - loads, 0).sum()
    return float(max(above, below) / loads.sum())
