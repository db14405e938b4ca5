"""Scores against answers from outside: closed forms, brute force, and properties that every score must have."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelamp import scoring
from bluelamp.scoring import INTERVALS, PIT_BINS, draw_blocks, score_energy, score_paths, seasonal_scale


def events_of(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells × paths of counts, as the events that they are made of."""
    cell, path = np.indices(counts.shape)
    return np.repeat(cell.ravel(), counts.ravel()), np.repeat(path.ravel(), counts.ravel())


def score(counts: np.ndarray, came: np.ndarray):
    chance = np.random.default_rng(0)
    cell, path = events_of(counts)
    order = chance.permutation(len(cell))
    return score_paths(cell[order], path[order], counts.shape[1], came)


COUNTS = st.lists(st.integers(0, 6), min_size=4, max_size=4)
CELLS = st.lists(st.tuples(COUNTS, st.integers(0, 8)), min_size=1, max_size=6)


def brute(paths: list[int], came: int) -> tuple[float, float]:
    number = len(paths)
    claimed = sum(abs(a - b) for a in paths for b in paths) / (2 * number * (number - 1))
    return sum(abs(each - came) for each in paths) / number - claimed, claimed


@given(CELLS)
def test_every_score_is_what_its_formula_says(cells):
    counts, came = np.array([each for each, _ in cells]), np.array([each for _, each in cells])
    found = score(counts, came)
    for row, (paths, value) in enumerate(cells):
        crps, claimed = brute(paths, value)
        assert found.crps[row] == pytest.approx(crps, abs=1e-12)
        assert found.crps_claimed[row] == pytest.approx(claimed, abs=1e-12)
        assert found.mean[row] == np.mean(paths)
        assert found.below[row] == sum(each < value for each in paths)
        assert found.equal[row] == paths.count(value)
        ordered = sorted(paths)
        assert found.median[row] == ordered[1]
        for column, share in enumerate(INTERVALS):
            assert found.low[row, column] == ordered[max(math.ceil(round((1 - share) / 2 * 4, 9)), 1) - 1]
            assert found.high[row, column] == ordered[math.ceil(round((1 + share) / 2 * 4, 9)) - 1]


@given(CELLS)
def test_cells_do_not_know_of_each_other(cells):
    counts, came = np.array([each for each, _ in cells]), np.array([each for _, each in cells])
    together = score(counts, came)
    for row in range(len(cells)):
        alone = score(counts[row : row + 1], came[row : row + 1])
        assert alone.crps[0] == together.crps[row]
        assert (alone.high[0] == together.high[row]).all()


@given(CELLS, st.integers(0, 3))
def test_the_same_shift_of_paths_and_of_what_came_changes_no_crps(cells, shift):
    counts, came = np.array([each for each, _ in cells]), np.array([each for _, each in cells])
    np.testing.assert_allclose(score(counts + shift, came + shift).crps, score(counts, came).crps, atol=1e-12)


def poisson_crps(rate: float, came: int) -> float:
    """∫ (F(x) − 1{x ≥ y})² dx of a Poisson, summed over the steps of its distribution."""
    below, total, chance = 0.0, 0.0, math.exp(-rate)
    for count in range(int(rate + 20 * math.sqrt(rate) + 40)):
        below += chance
        total += (below - (count >= came)) ** 2
        chance *= rate / (count + 1)
    return total


@pytest.mark.parametrize(("rate", "came"), [(0.05, 0), (0.05, 2), (3.0, 3), (3.0, 9), (40.0, 35)])
def test_the_crps_of_many_poisson_paths_is_that_of_the_poisson(rate, came):
    counts = np.random.default_rng(1).poisson(rate, (1, 200_000))
    assert score(counts, np.array([came])).crps[0] == pytest.approx(poisson_crps(rate, came), abs=0.02 * max(rate, 0.2))


def test_the_crps_is_fair_to_few_paths():
    chance = np.random.default_rng(2)
    rate, came = 2.0, 4
    few = score(chance.poisson(rate, (60_000, 3)), np.full(60_000, came)).crps
    assert few.mean() == pytest.approx(poisson_crps(rate, came), abs=4 * few.std() / 60_000**0.5)


def test_a_forecast_that_is_right_scores_what_it_claims_and_others_more():
    chance = np.random.default_rng(3)
    rates = chance.gamma(2, 1, 40_000)
    came = chance.poisson(rates)
    right = score(chance.poisson(rates[:, None], (40_000, 10)), came)
    wrong = score(chance.poisson(1.5 * rates[:, None], (40_000, 10)), came)
    assert right.crps.sum() == pytest.approx(right.crps_claimed.sum(), rel=0.02)
    assert wrong.crps.sum() > 1.05 * right.crps.sum()


def test_no_event_in_any_path_is_a_sure_nothing():
    found = score(np.zeros((2, 5), dtype=int), np.array([0, 3]))
    assert found.crps.tolist() == [0, 3]
    assert found.high.max() == 0
    assert found.below.tolist() == [0, 5]


@pytest.mark.parametrize("spread", [1.0, 0.6, 1.6])
def test_the_pit_is_flat_where_what_came_is_like_the_paths(spread):
    chance = np.random.default_rng(4)
    cells, rate = 20_000, chance.gamma(4, 1.5, 20_000)
    paths = chance.poisson(rate[:, None] * chance.gamma(20 / spread, spread / 20, (cells, 30)))
    came = chance.poisson(rate * chance.gamma(20, 1 / 20, cells))
    kept = np.ones(cells, dtype=bool)
    found = scoring.count_pit(score(paths, came), 30, kept, np.random.default_rng(5)) / cells * PIT_BINS
    assert found.sum() == pytest.approx(PIT_BINS)
    if spread == 1.0:
        assert np.abs(found - 1).max() < 0.1
    else:
        edges = (found[0] + found[-1]) / 2
        assert edges > 1.03 if spread < 1 else edges < 0.97


def test_the_pit_counts_kept_cells_alone_and_the_same_for_the_same_seed():
    scored = score(np.ones((6, 4), dtype=int), np.ones(6, dtype=int))
    kept = np.array([True, False, True, False, True, False])
    found = [scoring.count_pit(scored, 4, kept, np.random.default_rng(1)) for _ in range(2)]
    assert found[0].sum() == 3
    assert (found[0] == found[1]).all()


@given(CELLS)
def test_the_energy_score_of_one_place_is_its_crps(cells):
    for paths, came in cells:
        energy = score_energy(np.array(paths, dtype=float)[:, None], np.array([came], dtype=float))
        assert energy == pytest.approx(brute(paths, came)[0], abs=1e-9)


def test_the_energy_score_asks_whether_places_move_together():
    chance = np.random.default_rng(6)
    shared = chance.normal(size=(400, 1)) * 3
    together, apart = shared + np.zeros((1, 2)), np.stack([shared[:, 0], chance.permutation(shared[:, 0])], axis=1)
    came = [np.full(2, each) for each in chance.normal(size=300) * 3]
    assert np.mean([score_energy(together, each) for each in came]) < np.mean(
        [score_energy(apart, each) for each in came]
    )


@given(st.lists(st.lists(st.integers(0, 3), min_size=9, max_size=9), min_size=1, max_size=3), st.integers(1, 4))
def test_the_seasonal_scale_is_the_mean_difference_from_a_season_before(rows, lag):
    counts = np.array(rows)
    usable = np.array([True, True, False, True, True, True, True, False, True])
    series, time = np.nonzero(counts * usable)
    found = seasonal_scale(series, time, counts[series, time], usable, lag, len(rows))
    pairs = [time for time in range(lag, 9) if usable[time] and usable[time - lag]]
    for row, own in enumerate(rows):
        differences = [own[time] - own[time - lag] for time in pairs]
        assert found[0][row] == pytest.approx(np.abs(differences).mean() if pairs else 0)
        assert found[1][row] == pytest.approx(np.square(differences).mean() if pairs else 0)


def test_blocks_are_runs_of_weeks_that_follow_each_other():
    drawn = draw_blocks(10, 4, 50, seed=1)
    assert drawn.shape == (50, 10)
    assert drawn.min() >= 0
    assert drawn.max() == 9
    for first, last in ((0, 4), (4, 8), (8, 10)):
        assert (np.diff(drawn[:, first:last], axis=1) == 1).all()
    assert (draw_blocks(10, 4, 50, seed=1) == drawn).all()
    assert (draw_blocks(10, 4, 50, seed=2) != drawn).any()
    assert (draw_blocks(2, 4, 5, seed=1) == [0, 1]).all()
