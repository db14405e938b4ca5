"""The weighted displacement difference: the paper's example, its author's with weights, and what must hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelamp import displacement

# Wheeler and Ratcliffe (2018), Crime Science 7:11: counts before and after.
PAPER = {"treated": (207, 110), "control": (308, 318), "ring": (178, 157), "ring_control": (150, 140)}


def test_the_example_of_the_paper_comes_out():
    total = displacement.weigh(**PAPER).total
    assert total.estimate == -118
    assert total.variance == 1568
    assert total.z == pytest.approx(-2.98, abs=0.005)
    assert total.interval == pytest.approx((-196, -40), abs=0.5)


def test_its_author_s_package_says_the_same_of_places_of_unequal_size():
    # R package ptools 2.0.0, its test of area weights.
    total = displacement.weigh(**PAPER, sizes=(1.2, 0.9, 1.5, 1.6)).total
    assert total.estimate == pytest.approx(-99.69444444, abs=1e-8)
    assert total.standard_error == pytest.approx(35.4280755, abs=1e-7)
    assert total.z == pytest.approx(-2.813995483, abs=1e-8)
    assert total.interval == pytest.approx((-169.1321965, -30.25669241), abs=1e-6)


def test_its_author_s_package_says_the_same_of_periods_of_unequal_length():
    # R package ptools 2.0.0, its test of time weights: two periods before, one after.
    total = displacement.weigh((80, 20), (100, 50), periods=(2, 1)).total
    assert (total.estimate, total.variance) == (-20, 115)


def test_its_author_s_package_says_the_same_without_a_ring():
    # The example of ptools' own page: -10 with a standard error of 8.366600 and z of -1.195229.
    found = displacement.weigh((20, 10), (20, 20))
    assert found.total == found.local
    assert found.displaced.estimate == 0
    assert found.local.estimate == -10
    assert found.local.standard_error == pytest.approx(8.366600, abs=1e-6)
    assert found.local.z == pytest.approx(-1.195229, abs=1e-6)


def test_a_relative_change_is_that_of_the_place_over_that_of_its_control():
    found = displacement.relative(PAPER["treated"], PAPER["control"])
    assert found.estimate == pytest.approx(110 / 207 / (318 / 308))
    # exp(ln 0.51468 ± 1.95996 √(1/207 + 1/110 + 1/308 + 1/318)), by hand
    assert found.interval == pytest.approx((0.38923, 0.68056), abs=1e-4)
    assert displacement.relative((80, 20), (100, 50), periods=(2, 1)).estimate == pytest.approx(0.5)
    assert displacement.relative((40, 20), periods=(2, 1)).estimate == pytest.approx(1)
    assert displacement.relative((0, 20), (100, 50)) is None


def test_nothing_counted_is_no_difference_and_no_z():
    total = displacement.weigh((0, 0), (0, 0)).total
    assert (total.estimate, total.z, total.interval) == (0, None, (0, 0))


COUNTS = st.tuples(st.integers(0, 500), st.integers(0, 500))


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.integers(0, 200))
def test_what_befalls_all_places_alike_is_no_effect(treated, control, ring, ring_control, more):
    def after_more(counts: displacement.Counts) -> displacement.Counts:
        return counts[0], counts[1] + more

    calm = displacement.weigh(treated, control, ring, ring_control).total
    everywhere = displacement.weigh(*map(after_more, (treated, control, ring, ring_control))).total
    assert everywhere.estimate == calm.estimate
    assert everywhere.variance == calm.variance + 4 * more


@given(COUNTS, COUNTS)
def test_what_only_moved_to_the_ring_was_not_prevented(treated, control):
    before, after = treated
    moved = displacement.weigh(treated, control, ring=(after, before))
    assert moved.total.estimate == -displacement.change(control).estimate
    low, high = moved.total.interval
    assert low <= moved.total.estimate <= high
