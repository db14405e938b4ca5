"""Quantiles of counts: from sample paths, and of a negative binomial where there are no paths."""

from __future__ import annotations

import numpy as np

from bluelamp.forecast._history import Floats, Integers

LEVELS = (0.025, 0.10, 0.25, 0.50, 0.75, 0.90, 0.975)


def of_paths(index: Integers, path: Integers, cells: int, paths: int) -> Integers:
    """Count events by cell and path, and give each cell's quantiles: cells × len(LEVELS).

    `index` and `path` name the cell and the path of each event. A quantile is the smallest count that is not exceeded
    in at least that share of the paths.
    """
    counts = np.bincount(index * np.int64(paths) + path, minlength=cells * paths).reshape(cells, paths)
    # Small whole numbers sort several times faster in small types.
    small = np.sort(counts.astype(np.uint8 if counts.max(initial=0) < 256 else np.uint32), axis=1)
    places = [max(int(np.ceil(level * paths)) - 1, 0) for level in LEVELS]
    found: Integers = small[:, places].astype(np.int64)
    return found


def of_negative_binomial(mean: Floats, variance_of_rate: Floats, block: int = 4096) -> Integers:
    """Give quantiles, cells × len(LEVELS), of Poisson counts whose rate is gamma with that mean.

    `variance_of_rate` is relative: the variance of the rate over its mean squared. The probabilities are built by
    their recursion from well below the mean to well above it and scaled to one, so that nothing underflows.
    """
    found = np.zeros((len(mean), len(LEVELS)), dtype=np.int64)
    # Cells of like size go together, so that a block's widest does not make all of them wide.
    order = np.argsort(mean, kind="stable")
    for start in range(0, len(mean), block):
        rows = order[start : start + block]
        rate, relative = mean[rows], np.maximum(variance_of_rate[rows], 1e-9)
        spread = np.sqrt(rate + rate**2 * relative)
        lowest = np.maximum(np.floor(rate - 9 * spread), 0.0)
        steps = int(np.ceil((rate + 14 * spread + 12 - lowest).max()))
        count = lowest[:, None] + np.arange(steps)
        size = 1 / relative[:, None]
        odds = (rate * relative / (1 + rate * relative))[:, None]
        ratio = (size + count[:, :-1]) / (count[:, :-1] + 1) * odds
        logs = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(np.log(np.maximum(ratio, 1e-300)), axis=1)], axis=1)
        chances = np.exp(logs - logs.max(axis=1, keepdims=True))
        cumulative = np.cumsum(chances, axis=1)
        for column, level in enumerate(LEVELS):
            below = (cumulative < (level * cumulative[:, -1])[:, None]).sum(axis=1)
            found[rows, column] = (lowest + below).astype(np.int64)
        found[rows[rate <= 0]] = 0
    return found
