"""Quantiles of counts against exact arithmetic and plain counting."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelamp import quantiles
from bluelamp.quantiles import LEVELS, of_negative_binomial, of_paths, of_sums


def exact(mean: float, variance: float) -> list[int]:
    """Step through the probabilities with 30 digits, from nought on: no recursion of ours, no scaling to one."""
    with mpmath.workdps(30):
        size = 1 / mpmath.mpf(variance)
        chance_of_more = mean / (mean + size)
        found, cumulative, count = [], mpmath.mpf(0), 0
        while len(found) < len(LEVELS):
            chance = mpmath.exp(
                mpmath.loggamma(count + size)
                - mpmath.loggamma(size)
                - mpmath.loggamma(count + 1)
                + size * mpmath.log(1 - chance_of_more)
                + count * mpmath.log(chance_of_more)
            )
            cumulative += chance
            while len(found) < len(LEVELS) and cumulative >= LEVELS[len(found)]:
                found.append(count)
            count += 1
        return found


@pytest.mark.parametrize(
    ("mean", "variance"),
    [(0.003, 0.02), (0.4, 0.02), (2.5, 0.5), (7.3, 1e-4), (40, 0.03), (300, 0.25), (900, 0.015), (12, 4.0)],
)
def test_a_negative_binomial_has_its_exact_quantiles(mean, variance):
    assert of_negative_binomial(np.array([mean]), np.array([variance]))[0].tolist() == exact(mean, variance)


@pytest.mark.parametrize("mean", [0.02, 1.0, 3.0, 55.0])
def test_without_variance_of_the_rate_it_is_poisson(mean):
    total, count, found = 0.0, 0, []
    while len(found) < len(LEVELS):
        total += float(mpmath.exp(-mean) * mpmath.mpf(mean) ** count / mpmath.factorial(count))
        while len(found) < len(LEVELS) and total >= LEVELS[len(found)]:
            found.append(count)
        count += 1
    assert of_negative_binomial(np.array([mean]), np.array([0.0]))[0].tolist() == found


def test_nothing_expected_is_nothing_at_every_level():
    assert of_negative_binomial(np.zeros(2), np.array([0.0, 0.3])).tolist() == [[0] * 7] * 2
    assert of_negative_binomial(np.zeros(0), np.zeros(0)).shape == (0, 7)


def test_a_cell_has_the_same_quantiles_alone_as_among_many(monkeypatch):
    chance = np.random.default_rng(3)
    mean = np.concatenate([chance.gamma(0.5, 4, 200), chance.gamma(2, 200, 20), [0.0]])
    variance = chance.gamma(1, 0.05, len(mean))
    # Small blocks, so that there are many of them.
    monkeypatch.setattr(quantiles, "_BLOCK_NUMBERS", 5_000)
    together = of_negative_binomial(np.tile(mean, 2), np.tile(variance, 2))
    assert together[: len(mean)].tolist() == together[len(mean) :].tolist()
    for cell in range(0, len(mean), 17):
        alone = of_negative_binomial(mean[[cell]], variance[[cell]])
        assert together[cell].tolist() == alone[0].tolist()


@given(st.floats(1e-4, 2e3), st.floats(0, 2), st.floats(1, 3))
def test_quantiles_are_in_order_and_grow_with_the_mean(mean, variance, factor):
    lower, upper = of_negative_binomial(np.array([mean, mean * factor]), np.full(2, variance))
    assert (np.diff(lower) >= 0).all()
    assert (lower <= upper).all()


def test_quantiles_of_paths_are_those_of_a_sorted_list():
    chance = np.random.default_rng(5)
    cells, paths = 6, 40
    counts = chance.poisson([[0.1], [1], [3], [9], [0], [300]], (cells, paths))
    cell, path = np.nonzero(counts)
    times = counts[cell, path]
    found = of_paths(np.repeat(cell, times), np.repeat(path, times), cells, paths)
    assert of_sums(counts.astype(np.float64), LEVELS).tolist() == found.tolist()
    for each in range(cells):
        in_order = sorted(counts[each].tolist())
        # The smallest count that is not exceeded in at least that share of the paths.
        expected = [
            next(count for count in in_order if sum(other <= count for other in in_order) >= level * paths)
            for level in LEVELS
        ]
        assert found[each].tolist() == expected


def test_paths_without_an_event_count_as_nought():
    found = of_paths(np.array([1, 1]), np.array([0, 0]), cells=2, paths=10)
    assert found.tolist() == [[0] * 7, [0, 0, 0, 0, 0, 0, 2]]
