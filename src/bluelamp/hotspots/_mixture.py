"""Risk as a sum of parts: each part says where offences come from, and its weight is learnt from weeks that passed.

Expected offences of a cell and shift are Σ weightₖ × partₖ, with weights that are nought or more. Their Poisson
likelihood has one maximum, to which the EM algorithm climbs without any step to choose: each offence is shared out over
the parts in proportion to what they expected of it (Marsan and Lengliné 2008, Science 319, for earthquakes; Mohler et
al. 2011, J. Am. Stat. Assoc. 106, for burglaries). Weights may be held near given ones, as if so many offences had
spoken for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bluelamp.hotspots._past import Floats, Past

_ITERATIONS = 300
Parts = Callable[[Past], Mapping[str, Floats]]


def gather_weeks(parts: Parts, weeks: Sequence[Past]) -> tuple[list[str], Floats, Floats, Floats]:
    """Lay out what each part expected of the weeks: names, parts × offences there were, their counts, parts' sums."""
    names: list[str] = []
    at, came, sums = [], [], []
    for past in weeks:
        found = parts(past)
        names = list(found)
        values = np.stack([each.ravel() for each in found.values()])
        counts = past.came().ravel()
        there = counts > 0
        at.append(values[:, there])
        came.append(counts[there])
        sums.append(values.sum(axis=1))
    return names, np.concatenate(at, axis=1), np.concatenate(came), np.sum(sums, axis=0)


def weigh(expected: Floats, came: Floats, sums: Floats, near: Floats | None = None, strength: float = 0.0) -> Floats:
    """Give the weights of the parts at the maximum of the likelihood.

    With `near`, weights are held near those as if `strength` offences had spoken for them.
    """
    live = sums > 0
    start = came.sum() / max(sums[live].sum(), 1e-12)
    weights = np.where(live, start, 0.0) if near is None else np.where(live, np.maximum(near, 1e-4), 0.0)
    prior = 0.0 if near is None else strength * near
    for _ in range(_ITERATIONS):
        spoken = weights * (expected @ (came / np.maximum(weights @ expected, 1e-12)))
        weights = np.where(live, (spoken + prior) / np.maximum(sums + (0.0 if near is None else strength), 1e-12), 0.0)
    return weights


def combine(weights: Floats, parts: Mapping[str, Floats]) -> Floats:
    """Give the risk, cells × shifts."""
    return np.asarray(sum(weight * part for weight, part in zip(weights, parts.values(), strict=True)))
