"""Quantiles of counts: from sample paths, and of a negative binomial where there are no paths."""

from __future__ import annotations

import numpy as np

from bluelamp.forecast._history import Floats, Integers

# Numbers worked on at once: 16 MB an array, of which there are a few.
_BLOCK_NUMBERS = 2_000_000
LEVELS = (0.025, 0.10, 0.25, 0.50, 0.75, 0.90, 0.975)


def of_paths(index: Integers, path: Integers, cells: int, paths: int) -> Integers:
    """Count events by cell and path, and give each cell's quantiles: cells × len(LEVELS).

    `index` and `path` name the cell and the path of each event. A quantile is the smallest count that is not exceeded
    in at least that share of the paths.
    """
    return of_counts(np.bincount(index * np.int64(paths) + path, minlength=cells * paths).reshape(cells, paths))


def of_counts(counts: Integers) -> Integers:
    """Give the quantiles of counts, cells × paths, as `of_paths` does: cells × len(LEVELS)."""
    paths = counts.shape[1]
    # Small whole numbers sort several times faster in small types.
    small = np.sort(counts.astype(np.uint8 if counts.max(initial=0) < 256 else np.uint32), axis=1)
    places = [max(int(np.ceil(level * paths)) - 1, 0) for level in LEVELS]
    found: Integers = small[:, places].astype(np.int64)
    return found


def of_negative_binomial(mean: Floats, variance_of_rate: Floats) -> Integers:
    """Give quantiles, cells × len(LEVELS), of Poisson counts whose rate is gamma with that mean.

    `variance_of_rate` is relative: the variance of the rate over its mean squared. The probabilities are built by
    their recursion from well below the mean to well above it and scaled to one, so that nothing underflows.
    """
    # Weeks are alike, so that most cells are others again; sorted by mean, because a block is as wide as its widest.
    cells, again = np.unique(np.stack([mean, np.maximum(variance_of_rate, 1e-9)]), axis=1, return_inverse=True)
    rate, relative = cells
    spread = np.sqrt(rate + rate**2 * relative)
    lowest = np.maximum(np.floor(rate - 9 * spread), 0.0)
    steps = np.ceil(rate + 14 * spread + 12 - lowest).astype(np.int64)
    found = np.zeros((len(rate), len(LEVELS)), dtype=np.int64)
    start = 0
    while start < len(rate):
        size = max(int(_BLOCK_NUMBERS // steps[start : start + _BLOCK_NUMBERS // steps[start]].max()), 1)
        rows = slice(start, start + size)
        found[rows] = _quantiles_of(rate[rows], relative[rows], lowest[rows], int(steps[rows].max()))
        start += size
    return found[again.ravel()]


def _quantiles_of(rate: Floats, relative: Floats, lowest: Floats, steps: int) -> Integers:
    count = lowest[:, None] + np.arange(steps)
    size = 1 / relative[:, None]
    odds = (rate * relative / (1 + rate * relative))[:, None]
    ratio = (size + count[:, :-1]) / (count[:, :-1] + 1) * odds
    logs = np.concatenate([np.zeros((len(rate), 1)), np.cumsum(np.log(np.maximum(ratio, 1e-300)), axis=1)], axis=1)
    cumulative = np.cumsum(np.exp(logs - logs.max(axis=1, keepdims=True)), axis=1)
    below = [(cumulative < (level * cumulative[:, -1])[:, None]).sum(axis=1) for level in LEVELS]
    found = lowest[:, None] + np.stack(below, axis=1)
    return np.where(rate[:, None] > 0, found, 0).astype(np.int64)
