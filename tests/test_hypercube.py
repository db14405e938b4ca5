"""The hypercube against its balance written out state by state, against Erlang, and against what a map must keep to."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import hypercube, queueing
from bluelamp.hypercube import nearest_first, solve_hypercube


def station(units: int, atoms: int, busy: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    rates = chance.uniform(0.6, 1.6, units)
    calls = chance.uniform(0.1, 1, atoms)
    order = np.array([chance.permutation(units) for _ in range(atoms)])
    return calls * busy * rates.sum() / calls.sum(), rates, order


def by_hand(calls, rates, order, waiting: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Every state (which units are busy, how many calls wait, up to `waiting`) in one system of equations."""
    units = len(rates)
    states = [(frozenset(u for u in range(units) if number >> u & 1), 0) for number in range(2**units)]
    everyone = frozenset(range(units))
    states += [(everyone, queue) for queue in range(1, waiting + 1)]
    number = {state: at for at, state in enumerate(states)}
    flow = np.zeros((len(states), len(states)))

    def move(before, after, rate):
        flow[number[after], number[before]] += rate
        flow[number[before], number[before]] -= rate

    for busy, queue in states:
        if busy == everyone:
            if queue < waiting:
                move((busy, queue), (busy, queue + 1), calls.sum())
        else:
            for atom, rate in enumerate(calls):
                goes = next(unit for unit in order[atom] if unit not in busy)
                move((busy, 0), (busy | {goes}, 0), rate)
        for unit in busy:
            move((busy, queue), (busy, queue - 1) if queue else (busy - {unit}, 0), rates[unit])
    flow[0] = 1
    chance = np.linalg.solve(flow, np.eye(1, len(states)).ravel())
    held = dict(zip(states, chance, strict=True))
    busy_share = np.array([sum(p for (busy, _), p in held.items() if unit in busy) for unit in range(units)])
    sent = np.zeros((units, len(calls)))
    for (busy, queue), p in held.items():
        for atom, rate in enumerate(calls):
            if busy != everyone:
                sent[next(unit for unit in order[atom] if unit not in busy), atom] += p * rate
            elif queue < waiting:
                sent[:, atom] += p * rate * rates / rates.sum()
    return busy_share, sent / sent.sum(), sum(p for (busy, _), p in held.items() if busy == everyone)


@pytest.mark.parametrize("units", [1, 3, 6, 8])
@pytest.mark.parametrize(("queue", "waiting"), [("none", 0), ("endless", 90)])
def test_it_is_what_the_balance_written_out_state_by_state_gives(units, queue, waiting):
    calls, rates, order = station(units, 7, 0.6)
    found = solve_hypercube(calls, rates, order, queue=queue)
    busy, dispatches, all_busy = by_hand(calls, rates, order, waiting)
    assert found.busy == pytest.approx(busy, rel=1e-9)
    assert found.dispatches == pytest.approx(dispatches, rel=1e-9, abs=1e-12)
    assert found.chance_all_busy == pytest.approx(all_busy, rel=1e-9)


def test_two_units_have_larsons_closed_form():
    # Two units that each prefer one of two alike halves, with calls l and one finished in a time: P(both) = B(2, l).
    found = solve_hypercube([0.5, 0.5], [1.0, 1.0], [[0, 1], [1, 0]], queue="none", districts=[0, 1])
    both = 0.5 / (1 + 1 + 0.5)
    one = 1 / (1 + 1 + 0.5)
    assert found.chance_all_busy == pytest.approx(both)
    assert found.busy == pytest.approx([both + one / 2] * 2)
    # Out of district goes who is called in the other's half while the other is busy.
    assert found.share_out_of_district == pytest.approx(one / 2 / (1 - both))


@pytest.mark.parametrize("units", [2, 5, 10])
def test_units_that_are_alike_add_up_to_erlang(units):
    calls, _, order = station(units, 9, 0.7)
    calls = calls * 0.7 * units / calls.sum()
    lost = solve_hypercube(calls, np.ones(units), order, queue="none")
    assert lost.chance_all_busy == pytest.approx(float(queueing.erlang_b(units, calls.sum())), rel=1e-10)
    waits = solve_hypercube(calls, np.ones(units), order)
    assert waits.chance_all_busy == pytest.approx(float(queueing.erlang_c(units, calls.sum())), rel=1e-10)
    assert waits.mean_wait == pytest.approx(float(queueing.mean_wait_minutes(units, calls.sum(), 1)), rel=1e-10)


def test_alike_in_everything_units_are_equally_busy_and_go_everywhere_alike():
    # Each order is asked by one atom, so that no unit is better placed than another.
    orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
    found = solve_hypercube(np.full(6, 0.3), np.ones(3), orders)
    assert found.busy == pytest.approx([0.6] * 3)
    assert found.dispatches.sum(axis=1) == pytest.approx([1 / 3] * 3)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 8), st.floats(0.05, 0.9), st.integers(0, 99))
def test_work_is_kept(units, atoms, busy, seed):
    calls, rates, order = station(units, atoms, busy, seed)
    for queue in ("none", "endless"):
        found = solve_hypercube(calls, rates, order, queue=queue)
        served = calls.sum() * (1 - found.chance_all_busy * (queue == "none"))
        # Each unit finishes what it is sent to.
        assert found.busy * rates == pytest.approx(served * found.dispatches.sum(axis=1), rel=1e-8)
        assert found.dispatches.sum() == pytest.approx(1)
        if queue == "endless":
            assert found.dispatches.sum(axis=0) == pytest.approx(calls / calls.sum())


def test_travel_is_that_of_who_goes():
    travel = np.array([[2.0, 9.0, 5.0], [8.0, 3.0, 6.0]])
    order = nearest_first(travel)
    assert order.tolist() == [[0, 1], [1, 0], [0, 1]]
    quiet = solve_hypercube([1e-9] * 3, [1.0, 1.0], order, travel=travel)
    assert quiet.travel_by_atom == pytest.approx([2, 3, 5], rel=1e-6)
    busy = solve_hypercube([0.5] * 3, [1.0, 1.0], order, travel=travel)
    assert busy.travel_minutes == pytest.approx((busy.dispatches * travel).sum())
    assert busy.travel_minutes > quiet.travel_minutes
    assert np.isnan(busy.share_out_of_district), "no districts were given"


def test_twelve_units_are_solved():
    calls, rates, order = station(12, 20, 0.5)
    found = solve_hypercube(calls, rates, order, queue="none")
    served = calls.sum() * (1 - found.chance_all_busy)
    assert (found.busy * rates).sum() == pytest.approx(served, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: solve_hypercube([1, -1], [1], [[0], [0]]), "arrivals must hold the calls of each atom"),
        (lambda: solve_hypercube([1], [0.0], [[0]]), "service_rates must hold the rate of each unit, above 0"),
        (lambda: solve_hypercube([1], [1, 1], [[0, 0]]), "preferences must name each of 2 units"),
        (lambda: solve_hypercube([3], [1, 1], [[0, 1]]), "queue would grow without bound"),
        (lambda: solve_hypercube([1], [1] * 20, [list(range(20))]), "at most 13 units are solved exactly; simulate"),
        (lambda: solve_hypercube([1], [1, 1], [[0, 1]], districts=[2]), "districts must name one of 2 units"),
        (lambda: solve_hypercube([1], [1, 1], [[0, 1]], travel=[[1], [-1]]), "travel must hold minutes from 0"),
    ],
)
def test_a_bad_argument_is_answered_with_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_everything_wrong_is_told_at_once():
    with pytest.raises(ValueError, match=r"arrivals must .*; service_rates must"):
        solve_hypercube([-1], [0], [[0]])


def test_every_example_in_the_docstrings_runs():
    outcome = doctest.testmod(hypercube)
    assert outcome.attempted >= 3
    assert outcome.failed == 0
