"""The Knox test: bands that say what belongs where, counts and p-values of an independent package, no false alarms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import knox
from bluelamp.errors import UsageError

BANDS = {"metres": (100, 200, 400), "days": (7, 14)}


def placed(*points: tuple[float, float, int]) -> tuple[np.ndarray, np.ndarray]:
    east, north, day = zip(*points, strict=True)
    return np.column_stack([east, north]).astype(float), np.array(day)


def cell_of(distance: float, days: int, metric: str = "euclidean") -> tuple[int, int] | None:
    """The one cell that a pair so far apart falls into, or none."""
    found = knox.try_pairs(*placed((0, 0, 0), (distance, 0, days)), **BANDS, metric=metric, permutations=19).pairs
    return tuple(np.argwhere(found)[0].tolist()) if found.any() else None


@pytest.mark.parametrize(
    ("distance", "band"),
    [(0, 0), (0.001, 1), (100, 1), (100.001, 2), (200, 2), (200.001, 3), (400, 3), (400.001, None)],
)
def test_a_bound_in_metres_belongs_to_the_band_that_it_ends(distance, band):
    assert cell_of(distance, 0) == (None if band is None else (band, 0))


@pytest.mark.parametrize(("days", "band"), [(0, 0), (7, 0), (8, 1), (14, 1), (15, None)])
def test_a_bound_in_days_belongs_to_the_band_that_it_ends(days, band):
    assert cell_of(50, days) == (None if band is None else (1, band))


def test_manhattan_goes_along_the_streets_and_euclidean_over_the_roofs():
    points = placed((0, 0, 0), (80, 60, 0))
    assert knox.try_pairs(*points, **BANDS, metric="euclidean").pairs[1, 0] == 1  # 100 m
    assert knox.try_pairs(*points, **BANDS, metric="manhattan").pairs[2, 0] == 1  # 140 m


POINTS = st.lists(
    st.tuples(st.integers(0, 8).map(lambda each: 50 * each), st.integers(0, 8).map(lambda each: 50 * each),
              st.integers(-20, 20)),
    max_size=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(POINTS, st.sampled_from(knox.METRICS))
def test_every_pair_is_in_the_one_cell_that_its_distance_and_days_say(points, metric):
    found = knox.try_pairs(
        np.array([each[:2] for each in points], dtype=float).reshape(-1, 2),
        np.array([each[2] for each in points], dtype=int),
        **BANDS, metric=metric, permutations=19,
    )  # fmt: skip
    counted = np.zeros((4, 2), dtype=int)
    all_pairs = in_days = 0
    in_bands = np.zeros(4, dtype=int)
    for one in range(len(points)):
        for other in range(one):
            east, north, days = (abs(a - b) for a, b in zip(points[one], points[other], strict=True))
            apart = east + north if metric == "manhattan" else (east * east + north * north) ** 0.5
            place = (
                0 if apart == 0 else next((1 + k for k, bound in enumerate(BANDS["metres"]) if apart <= bound), None)
            )
            time = next((k for k, bound in enumerate(BANDS["days"]) if days <= bound), None)
            all_pairs += 1
            in_days += time == 0
            if place is not None:
                in_bands[place] += 1
                if time is not None:
                    counted[place, time] += 1
    assert found.pairs.tolist() == counted.tolist()
    assert found.expected[:, 0] == pytest.approx(in_bands * in_days / max(all_pairs, 1))
    assert ((found.p_value >= 1 / 20) & (found.p_value <= 1)).all()
    assert (found.p_value_any <= 1).all()


@pytest.mark.parametrize(
    "points", [[], [(0, 0, 0)], [(5, 5, 3)] * 6, [(0, 0, day) for day in range(5)], [(40 * k, 0, 9) for k in range(5)]]
)  # none, one, all on one spot and day, all on one spot, all on one day
def test_where_place_and_time_can_not_go_together_nothing_stands_out(points):
    found = knox.try_pairs(
        np.array([each[:2] for each in points], dtype=float).reshape(-1, 2),
        np.array([each[2] for each in points], dtype=int), **BANDS,
    )  # fmt: skip
    assert (found.p_value == 1).all()
    assert (found.p_value_any == 1).all()
    assert found.expected == pytest.approx(found.pairs)


def made_up() -> tuple[np.ndarray, np.ndarray]:
    """Forty points by a formula; every fifth comes soon after the one before it, and near."""
    number = np.arange(40)
    east, north, day = number * 7919 % 1000, number * 104729 % 1000, number * 613 % 365
    for late in range(4, 40, 5):
        east[late], north[late] = east[late - 1] + 30 + late, north[late - 1] + 20
        day[late] = day[late - 1] + 3 + late % 4
    return np.column_stack([east, north]).astype(float), day


# What pointpats 2.5.5 (PySAL) gives for these points: Knox(…, delta, tau).nst, .expected[0, 0] and, with up to 99,999
# permutations, .p_sim. No two points are at one place, so that its "within delta" are our bands up to there.
OF_POINTPATS = [
    (100, 7, 8, 0.415385, 0.0), (100, 28, 8, 1.784615, 0.0001), (100, 90, 10, 5.061538, 0.0057),
    (200, 7, 8, 1.557692, 0.0001), (200, 28, 9, 6.692308, 0.2112), (200, 90, 14, 18.980769, 0.9636),
    (400, 7, 22, 8.826923, 0.0001), (400, 28, 53, 37.923077, 0.0024), (400, 90, 108, 107.557692, 0.4741),
]  # fmt: skip


def test_counts_and_expectations_are_those_of_an_independent_package():
    found = knox.try_pairs(*made_up(), metres=(100, 200, 400), days=(7, 28, 90), metric="euclidean", permutations=19)
    upto = {
        what: getattr(found, what).cumsum(axis=0).cumsum(axis=1)[1:].ravel().tolist() for what in ("pairs", "expected")
    }
    assert upto["pairs"] == [each[2] for each in OF_POINTPATS]
    assert upto["expected"] == pytest.approx([each[3] for each in OF_POINTPATS], abs=1e-6)


@pytest.mark.parametrize("cell", OF_POINTPATS)
def test_p_values_are_those_of_an_independent_package(cell):
    delta, tau, _, _, p_value = cell
    found = knox.try_pairs(*made_up(), metres=(delta,), days=(tau,), metric="euclidean", permutations=4_999)
    # Four standard errors of a share of 5,000.
    assert found.p_value[1, 0] == pytest.approx(p_value, abs=4 * (0.25 / 5_000) ** 0.5 if p_value > 0.01 else 0.002)


def test_a_p_value_counts_the_real_set_among_the_dealt():
    # The only two that are near came on one day, the others on others: of six pairs of days, one is so near.
    points = placed((0, 0, 0), (10, 0, 0), (9_000, 0, 100), (0, 9_000, 200))
    found = knox.try_pairs(*points, metres=(100,), days=(7,), permutations=5_999)
    assert found.expected[1, 0] == pytest.approx(1 / 6)
    assert found.p_value[1, 0] == pytest.approx(1 / 6, abs=0.02)
    assert knox.try_pairs(*points, metres=(100,), days=(7,), permutations=19).p_value.min() >= 1 / 20


def drawn_points(chance: np.random.Generator, followed: int) -> tuple[np.ndarray, np.ndarray]:
    """A hundred points in three towns, days drawn apart from places; some are followed nearby within days."""
    xy = chance.normal(0, 300, (100, 2)) + np.array([[0, 0], [2_000, 0], [0, 3_000]])[chance.integers(0, 3, 100)]
    day = chance.integers(0, 300, 100)
    xy = np.concatenate([xy, xy[:followed] + chance.normal(0, 30, (followed, 2))])
    return xy, np.concatenate([day, day[:followed] + chance.integers(0, 6, followed)])


def test_where_there_are_no_near_repeats_some_cell_is_marked_in_one_set_of_twenty_at_most():
    chance = np.random.default_rng(5)
    grid = {"metres": tuple(range(100, 601, 100)), "days": tuple(range(7, 43, 7)), "permutations": 99}
    marked = [(knox.try_pairs(*drawn_points(chance, 0), **grid).p_value_any <= 0.05).any() for _ in range(300)]
    # 5% of 300 are 15; three standard deviations more are 26. Of 42 cells each by itself, most sets would have one.
    assert sum(marked) <= 26


def test_planted_near_repeats_are_found_where_they_were_planted():
    found = knox.try_pairs(
        *drawn_points(np.random.default_rng(6), 12), metres=tuple(range(100, 601, 100)), days=tuple(range(7, 43, 7))
    )
    assert found.p_value_any[1, 0] <= 0.005
    assert (found.p_value_any <= 0.05).sum() == 1


def test_the_same_seed_gives_the_same_figures_and_another_one_others():
    points = drawn_points(np.random.default_rng(7), 3)
    one, again, other = (knox.try_pairs(*points, **BANDS, permutations=99, seed=seed) for seed in (1, 1, 2))
    assert (one.p_value == again.p_value).all()
    assert (one.p_value != other.p_value).any()
    assert (one.expected == other.expected).all(), "what chance brings is worked out, not drawn"


def test_sets_of_days_counted_in_parts_are_the_same(monkeypatch):
    points = drawn_points(np.random.default_rng(8), 3)
    whole = knox.try_pairs(*points, **BANDS, permutations=99)
    monkeypatch.setattr(knox, "_AT_ONCE", 7)
    monkeypatch.setattr(knox, "_POINTS_AT_ONCE", 9)
    monkeypatch.setattr(knox, "_MOST_DEALT", 500)
    parts = knox.try_pairs(*points, **BANDS, permutations=99)
    for each in ("pairs", "expected", "p_value", "p_value_any"):
        assert (getattr(whole, each) == getattr(parts, each)).all()


def test_centuries_apart_is_no_overflow():
    points = placed((0, 0, -700_000), (10, 0, 700_000), (20, 0, 700_003))
    assert knox.try_pairs(*points, **BANDS, permutations=19).pairs.tolist() == [[0, 0], [1, 0], [0, 0], [0, 0]]


def test_more_pairs_than_can_be_counted_are_told_as_such(monkeypatch):
    monkeypatch.setattr(knox, "_MOST_PAIRS", 100)
    with pytest.raises(UsageError, match="More than 100 pairs lie within 400 m of each other"):
        knox.try_pairs(np.zeros((50, 2)), np.zeros(50, dtype=int), **BANDS)
