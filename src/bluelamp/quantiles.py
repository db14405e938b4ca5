"""Quantiles of counts and of hours: from sample paths, and of a negative binomial where there are no paths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Numbers worked on at once: 16 MB an array, of which there are a few.
_BLOCK_NUMBERS = 2_000_000
LEVELS = (0.025, 0.10, 0.25, 0.50, 0.75, 0.90, 0.975)
# Deployments and officer-hours lie among the incidents, and need fewer.
DEPLOYMENT_LEVELS = (0.10, 0.90)
HOURS_LEVELS = (0.10, 0.25, 0.50, 0.75, 0.90)


def of_paths(index: Integers, path: Integers, cells: int, paths: int) -> Integers:
    """Count events by cell and path, and give each cell's quantiles: cells × len(LEVELS).

    `index` and `path` name the cell and the path of each event.
    """
    counts = np.bincount(index * np.int64(paths) + path, minlength=cells * paths).reshape(cells, paths)
    return of_counts(counts)


def of_counts(counts: Integers, levels: Sequence[float] = LEVELS) -> Integers:
    """Give quantiles, … × levels, of counts that are known for each path, … × paths.

    A quantile is the smallest count that is not exceeded in at least that share of the paths.
    """
    # Whole numbers of 32 bits sort several times faster than longer ones, and than the smallest.
    small = np.sort(counts.astype(np.int32), axis=-1)
    found: Integers = small[..., _places(levels, counts.shape[-1])].astype(np.int64)
    return found


def of_sums(sums: Floats, levels: Sequence[float]) -> Floats:
    """Give quantiles, … × levels, of sums that are known for each path, … × paths, in the same way."""
    # Sums of nothing at all come as whole numbers.
    found: Floats = np.sort(sums.astype(np.float64, copy=False), axis=-1)[..., _places(levels, sums.shape[-1])]
    return found


def _places(levels: Sequence[float], paths: int) -> list[int]:
    return [max(int(np.ceil(level * paths)) - 1, 0) for level in levels]


def of_negative_binomial(mean: Floats, variance_of_rate: Floats, levels: Sequence[float] = LEVELS) -> Integers:
    """Give quantiles, cells × levels, of Poisson counts whose rate is gamma with that mean.

    `variance_of_rate` is relative: the variance of the rate over its mean squared. The probabilities are built by
    their recursion from well below the mean to well above it and scaled to one, so that nothing underflows.
    """
    # Weeks are alike, so that most cells are others again; sorted by mean, because a block is as wide as its widest.
    cells, again = np.unique(np.stack([mean, np.maximum(variance_of_rate, 1e-9)]), axis=1, return_inverse=True)
    rate, relative = cells
    spread = np.sqrt(rate + rate**2 * relative)
    lowest = np.maximum(np.floor(rate - 9 * spread), 0.0)
    steps = np.ceil(rate + 14 * spread + 12 - lowest).astype(np.int64)
    found = np.zeros((len(rate), len(levels)), dtype=np.int64)
    start = 0
    while start < len(rate):
        size = max(int(_BLOCK_NUMBERS // steps[start : start + _BLOCK_NUMBERS // steps[start]].max()), 1)
        rows = slice(start, start + size)
        found[rows] = _quantiles_of(rate[rows], relative[rows], lowest[rows], int(steps[rows].max()), levels)
        start += size
    return found[again.ravel()]


def _quantiles_of(rate: Floats, relative: Floats, lowest: Floats, steps: int, levels: Sequence[float]) -> Integers:
    count = lowest[:, None] + np.arange(steps)
    size = 1 / relative[:, None]
    odds = (rate * relative / (1 + rate * relative))[:, None]
    ratio = (size + count[:, :-1]) / (count[:, :-1] + 1) * odds
    logs = np.concatenate([np.zeros((len(rate), 1)), np.cumsum(np.log(np.maximum(ratio, 1e-300)), axis=1)], axis=1)
    cumulative = np.cumsum(np.exp(logs - logs.max(axis=1, keepdims=True)), axis=1)
    below = [(cumulative < (level * cumulative[:, -1])[:, None]).sum(axis=1) for level in levels]
    found = lowest[:, None] + np.stack(below, axis=1)
    return np.where(rate[:, None] > 0, found, 0).astype(np.int64)
