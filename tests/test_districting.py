"""Districts are whole, near to equal, close to today's where asked; bounds and proofs hold against every division."""

from __future__ import annotations

import sys
from itertools import product

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp.districting import (
    Touching,
    are_whole,
    as_pairs,
    balance_of,
    find_touching,
    least_change,
    least_deviation,
    link_islands,
    propose_districts,
    prove_balance,
)
from bluelamp.districting import _assign as assign
from bluelamp.errors import BadData, UsageError

SHORT = {"restarts": 2, "moves": 20_000}


def squares(rows: int, columns: int) -> Touching:
    """Areas in rows and columns, each touching those beside, above and below."""
    number = np.arange(rows * columns).reshape(rows, columns)
    beside = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1)
    above = np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1)
    pairs = as_pairs(np.concatenate([beside, above]))
    return Touching(rows * columns, pairs, np.ones(len(pairs)))


def every_division(touching: Touching, districts: int):
    """Every division into whole districts, each once or more."""
    for chosen in product(range(districts), repeat=touching.areas - 1):
        district = np.array([0, *chosen])
        if len(np.unique(district)) == districts and are_whole(touching, district):
            yield district


def best_of_all(load, touching: Touching, districts: int) -> float:
    return min(balance_of(load, each, districts).greatest for each in every_division(touching, districts))


@st.composite
def grounds(draw):
    """A planar ground: squares, of which some borders are closed, still hanging together; loads, some of them 0."""
    whole = squares(draw(st.integers(2, 6)), draw(st.integers(2, 6)))
    kept = np.array(draw(st.lists(st.booleans(), min_size=len(whole.pairs), max_size=len(whole.pairs))))
    thinned = Touching(whole.areas, whole.pairs[kept], np.ones(kept.sum()))
    for pair in whole.pairs[~kept]:
        part = thinned.parts()
        if part[pair[0]] != part[pair[1]]:
            thinned = Touching(whole.areas, as_pairs([*thinned.pairs, pair]), np.ones(len(thinned.pairs) + 1))
    load = np.array(draw(st.lists(st.sampled_from([0.0, 1.0, 2.5, 7.0]), min_size=whole.areas, max_size=whole.areas)))
    return thinned, load + (load.sum() == 0), draw(st.integers(1, whole.areas))


@given(grounds(), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_every_district_is_whole_and_none_is_empty_whatever_the_ground(ground, seed):
    touching, load, districts = ground
    found = propose_districts(load, touching, districts, seed=seed, restarts=1, moves=3_000)
    assert sorted(set(found.district)) == list(range(districts))
    assert are_whole(touching, found.district)
    assert balance_of(load, found.district, districts).greatest >= least_deviation(load, districts).deviation - 1e-9


@given(grounds(), st.integers(0, 3), st.sampled_from([0.0, 0.1, 0.3]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_limit_on_change_is_kept_where_todays_districts_are_whole(ground, seed, limit, by_areas):
    touching, load, districts = ground
    today = propose_districts(load, touching, districts, seed=seed, restarts=1, moves=500).district
    weights = np.ones(len(load)) if by_areas else None
    tilted = load + np.arange(len(load))
    found = propose_districts(
        tilted, touching, districts, today=today, most_moved=limit, moved_by=weights, seed=seed, restarts=2, moves=2_000
    )
    counted = tilted if weights is None else weights
    assert counted[found.district != today].sum() / counted.sum() == pytest.approx(found.moved)
    assert found.moved <= limit + 1e-9
    assert are_whole(touching, found.district)
    if not by_areas:
        bound = least_deviation(tilted, districts, today, limit).deviation
        assert balance_of(tilted, found.district, districts).greatest >= bound - 1e-9


@pytest.mark.parametrize(("rows", "columns", "districts"), [(2, 4, 3), (3, 3, 2), (3, 3, 3), (2, 5, 2)])
def test_it_finds_the_most_equal_division_of_few_areas(rows, columns, districts):
    touching = squares(rows, columns)
    load = np.random.default_rng(rows * columns + districts).lognormal(0, 0.8, touching.areas)
    found = propose_districts(load, touching, districts, tolerance=0.0, **SHORT)
    assert balance_of(load, found.district, districts).greatest == pytest.approx(best_of_all(load, touching, districts))


@pytest.mark.parametrize(("rows", "columns", "districts"), [(2, 4, 3), (3, 3, 2), (3, 3, 4)])
def test_what_is_proven_is_the_best_of_all_divisions(rows, columns, districts):
    pytest.importorskip("scipy")
    touching = squares(rows, columns)
    load = np.random.default_rng(rows + columns + districts).lognormal(0, 0.8, touching.areas)
    proof = prove_balance(load, touching.pairs, districts)
    best = best_of_all(load, touching, districts)
    assert proof.deviation == pytest.approx(best)
    assert proof.bound == pytest.approx(best)
    assert are_whole(touching, proof.district)
    assert least_deviation(load, districts).deviation <= best + 1e-9


def test_where_nothing_better_than_what_was_met_exists_that_is_proven():
    pytest.importorskip("scipy")
    touching, load = squares(2, 3), np.array([5.0, 1.0, 1.0, 1.0, 2.0, 3.0])
    best = best_of_all(load, touching, 2)
    assert prove_balance(load, touching.pairs, 2, at_most=best + 1e-9).bound == pytest.approx(best)
    none = prove_balance(load, touching.pairs, 2, at_most=best / 2) if best else None
    assert none is None or (none.bound == best / 2 and none.district is None)


def test_without_the_solver_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(UsageError, match=r"pip install 'bluelamp\[solve\]'"):
        prove_balance(np.ones(4), squares(2, 2).pairs, 2)


def test_among_equal_divisions_the_compact_one_wins():
    touching = squares(8, 8)
    found = propose_districts(np.ones(64), touching, 4, tolerance=0.0, restarts=4, moves=100_000)
    cut = (found.district[touching.pairs[:, 0]] != found.district[touching.pairs[:, 1]]).sum()
    # Four quarters share 16 borders, four strips 24.
    assert cut == 16


def test_the_same_seed_gives_the_same_districts_and_another_may_give_others():
    touching, load = squares(8, 8), np.random.default_rng(3).lognormal(0, 0.6, 64)
    one, again, other = (propose_districts(load, touching, 5, seed=seed, **SHORT) for seed in (1, 1, 2))
    assert (one.district == again.district).all()
    assert not (one.district == other.district).all()


def test_little_moves_when_as_little_as_possible_is_asked_for():
    touching = squares(6, 6)
    today = np.repeat(np.arange(3), 12)
    load = np.ones(36)
    load[:6] = 1.5  # the first row: its district has 15 of 39, and 13 are an equal share
    few = propose_districts(load, touching, 3, today=today, few_changes=True, restarts=4, moves=50_000)
    assert balance_of(load, few.district, 3).greatest <= 0.05 + 1e-9
    least = least_change(np.bincount(today, load), 0.05)
    assert least == pytest.approx((15 - 1.05 * 13) / 39)
    # Districts stand in a line, so that what leaves the first for the third passes through the second.
    assert least < few.moved <= 0.12


def test_districts_keep_todays_names_where_they_go_on_and_others_are_new():
    touching, today = squares(6, 6), np.repeat(np.arange(3), 12)
    more = propose_districts(np.ones(36), touching, 4, today=today, **SHORT)
    assert sorted(each for each in more.today_of if each is not None) == [0, 1, 2]
    assert more.today_of[-1] is None
    fewer = propose_districts(np.ones(36), touching, 2, today=today, few_changes=True, **SHORT)
    assert len([each for each in fewer.today_of if each is not None]) == 2
    assert fewer.moved >= 1 / 3 - 1e-9


def test_a_district_of_today_that_lies_in_pieces_becomes_whole():
    touching, today = squares(4, 4), np.repeat(np.arange(2), 8)
    today[15] = 0
    found = propose_districts(np.ones(16), touching, 2, today=today, few_changes=True, **SHORT)
    assert are_whole(touching, found.district)
    assert found.moved == pytest.approx(1 / 16)


def test_areas_of_no_district_today_are_shared_out_and_count_as_no_change():
    touching, today = squares(4, 4), np.repeat([0, 1], 8)
    today[12:] = -1
    found = propose_districts(np.ones(16), touching, 2, today=today, most_moved=0.5, few_changes=True, **SHORT)
    assert balance_of(np.ones(16), found.district, 2).greatest <= 0.05
    assert found.moved == 0


@pytest.mark.parametrize("size", [1, 2, 5])
def test_names_are_given_so_that_most_goes_on(size):
    cost = np.random.default_rng(size).random((size, size))
    chosen = assign(cost)
    assert sorted(chosen) == list(range(size))
    every = (sum(cost[row, each[row]] for row in range(size)) for each in product(range(size), repeat=size)
             if len(set(each)) == size)  # fmt: skip
    assert cost[np.arange(size), chosen].sum() == pytest.approx(min(every))


@pytest.mark.parametrize(
    ("load", "districts", "deviation", "reason"),
    [
        ([5, 1, 1, 1], 2, 0.25, "areas"),  # 5 of 8, and 4 are an equal share
        ([3, 3, 3, 0.5, 0.5], 2, 0.2, "areas"),  # two of the three heaviest share a district
        ([1, 1, 0, 0], 3, 1.0, "empty"),
        ([1, 1, 1, 1], 2, 0.0, "none"),
    ],
)
def test_what_stands_in_the_way_of_equal_shares_is_told(load, districts, deviation, reason):
    bound = least_deviation(np.array(load, dtype=float), districts)
    assert bound.deviation == pytest.approx(deviation)
    assert bound.reason == reason


def test_a_limit_on_change_bounds_how_equal_districts_can_become():
    bound = least_deviation(np.ones(20), 2, np.array([0] * 15 + [1] * 5), 0.1)
    # 15 and 5 become 13 and 7 at best: 30 % from 10.
    assert bound.deviation == pytest.approx(0.3)
    assert bound.reason == "change"


def test_the_measures_are_those_of_the_textbook():
    balance = balance_of(np.array([1.0, 2.0, 3.0]), np.array([0, 1, 2]), 3)
    assert balance.greatest == pytest.approx(0.5)
    assert balance.most == pytest.approx(1.5)
    assert balance.variation == pytest.approx(np.sqrt(2 / 3) / 2)
    assert balance.gini == pytest.approx(2 / 9)


# ---- which areas touch ----

METRE = 1 / 111_320


def box(west: float, south: float, east: float, north: float):
    """A rectangle in metres about a place on the equator, in degrees."""
    return shapely.box(west * METRE, south * METRE, east * METRE, north * METRE)


def test_areas_that_share_a_border_touch_and_those_that_share_a_corner_do_not():
    shapes = [box(0, 0, 100, 100), box(100, 0, 200, 100), box(0, 100, 100, 200), box(100, 100, 200, 200)]
    found = find_touching(shapes)
    assert found.pairs.tolist() == [[0, 1], [0, 2], [1, 3], [2, 3]]
    assert found.metres == pytest.approx(100, abs=12)


def test_borders_drawn_a_little_apart_or_over_each_other_are_borders():
    found = find_touching([box(0, 0, 100, 100), box(103, 0, 200, 100), box(198, 0, 300, 100), box(320, 0, 400, 100)])
    assert found.pairs.tolist() == [[0, 1], [1, 2]]


def test_an_island_is_linked_to_what_is_nearest_and_that_is_told():
    shapes = [box(0, 0, 100, 100), box(100, 0, 200, 100), box(500, 0, 600, 100), box(640, 0, 700, 100)]
    linked = link_islands(find_touching(shapes), shapes)
    assert [(a, b, round(metres)) for a, b, metres in linked.links] == [(2, 3, 40), (1, 2, 300)]
    assert len(set(linked.parts())) == 1
    found = propose_districts(np.ones(4), linked, 2, **SHORT)
    assert are_whole(linked, found.district)
    assert found.district.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("load", "districts", "wrong", "said"),
    [
        ([1, 1], 3, {}, "3 districts can't be made of 2 areas"),
        ([1, 1], 0, {}, "0 districts make no sense"),
        ([1, 1], 1, {"tolerance": -0.1}, "A tolerance of -0.1 makes no sense"),
        ([1, 1], 1, {"most_moved": 20}, "A limit on change of 20 makes no sense"),
        ([1, -1], 1, {}, "negative or no number"),
        ([1, np.nan], 1, {}, "negative or no number"),
        ([0, 0], 1, {}, "No area has any load"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_sentence(load, districts, wrong, said):
    with pytest.raises((UsageError, BadData), match=said):
        propose_districts(np.array(load, dtype=float), squares(1, 2), districts, **wrong)


def test_areas_that_do_not_hang_together_are_refused():
    apart = Touching(3, as_pairs([[0, 1]]), np.ones(1))
    with pytest.raises(BadData, match="do not hang together"):
        propose_districts(np.ones(3), apart, 2)
