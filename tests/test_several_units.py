"""Calls that ask for several units: oracles, independent Markov chains, SimPy as referee, what must always hold."""

from __future__ import annotations

import doctest
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import queueing, several_units
from bluelamp.several_units import units_for_all, units_for_first, waits_for_all, waits_for_first

STATIONS = [
    pytest.param(10, 5.0, [0.6, 0.4], id="ten units, one or two"),
    pytest.param(6, 2.0, [0.5, 0.2, 0.2, 0.1], id="six units, one to four"),
    pytest.param(3, 0.6, [0.2, 0.3, 0.5], id="three units, as many as a call may ask for"),
]


def load_of(calls: float, needs: list[float]) -> float:
    return calls * sum(units * share for units, share in enumerate(needs, start=1))


# ---- independent chains, state by state ----


def steady(moves: dict[tuple, list[tuple[tuple, float]]]) -> dict[tuple, float]:
    """Solve a chain given by its moves, with one dense system of equations."""
    number = {state: at for at, state in enumerate(moves)}
    flow = np.zeros((len(number), len(number)))
    for state, leaving in moves.items():
        for after, rate in leaving:
            flow[number[after], number[state]] += rate
            flow[number[state], number[state]] -= rate
    flow[0] = 1
    found = np.linalg.solve(flow, np.eye(1, len(number)).ravel())
    return dict(zip(number, found, strict=True))


def chain_all_at_once(units: int, calls: float, needs: list[float], longest: int = 120) -> tuple[float, float]:
    """Chance of a wait, and mean wait, from every state of busy units, calls waiting and what the first asks for."""
    by_need = list(enumerate(needs, start=1))
    moves: dict[tuple, list[tuple[tuple, float]]] = {}
    for busy in range(units + 1):
        moves[busy, 0, 0] = [
            ((busy + need, 0, 0) if busy + need <= units else (busy, 1, need), calls * share) for need, share in by_need
        ]
        if busy:
            moves[busy, 0, 0].append(((busy - 1, 0, 0), busy))
        for waiting in range(1, longest + 1):
            for first, _ in by_need:
                if busy + first <= units:
                    continue
                leaving = [((busy, waiting + 1, first), calls)] if waiting < longest else []
                if busy - 1 + first > units:
                    leaving.append(((busy - 1, waiting, first), busy))
                elif waiting == 1:
                    leaving.append(((units, 0, 0), busy))
                else:
                    leaving += [((units, waiting - 1, need), busy * share) for need, share in by_need]
                moves[busy, waiting, first] = leaving
    chance = steady(moves)
    waits = sum(
        held * (1 if waiting else sum(share for need, share in by_need if busy + need > units))
        for (busy, waiting, _), held in chance.items()
    )
    return waits, sum(held * waiting for (_, waiting, _), held in chance.items()) / calls


def chain_as_they_come(units: int, calls: float, needs: list[float], longest: int = 400) -> tuple[float, float]:
    """Chance of a wait for the first unit, and its mean, from every number of units asked for."""
    moves: dict[tuple, list[tuple[tuple, float]]] = {}
    for asked in range(longest + 1):
        moves[(asked,)] = [
            ((asked + need,), calls * share) for need, share in enumerate(needs, start=1) if asked + need <= longest
        ]
        if asked:
            moves[(asked,)].append(((asked - 1,), min(asked, units)))
    chance = steady(moves)
    waits = sum(held for (asked,), held in chance.items() if asked >= units)
    return waits, sum(held * (asked - units + 1) / units for (asked,), held in chance.items() if asked >= units)


@pytest.mark.parametrize(("units", "calls", "needs"), STATIONS)
def test_all_at_once_is_what_a_chain_solved_state_by_state_gives(units, calls, needs):
    late, wait = waits_for_all(units, load_of(calls, needs), needs, 0, 1)
    assert (float(late), float(wait)) == pytest.approx(chain_all_at_once(units, calls, needs), rel=1e-9)


@pytest.mark.parametrize(("units", "calls", "needs"), STATIONS)
def test_as_they_come_is_what_a_chain_solved_state_by_state_gives(units, calls, needs):
    late, wait = waits_for_first(units, load_of(calls, needs), needs, 0, 1)
    assert (float(late), float(wait)) == pytest.approx(chain_as_they_come(units, calls, needs), rel=1e-9)


def test_ten_units_where_four_calls_in_ten_ask_for_two_wait_as_published():
    late, wait = waits_for_all(10, 7.0, [0.6, 0.4], 0, 1)
    assert (round(float(late), 4), round(float(wait), 5)) == (0.3207, 0.15294)


def test_neither_more_calls_nor_fewer_units_stand_in_for_calls_that_ask_for_two():
    _, wait = waits_for_all(10, 7.0, [0.6, 0.4], 0, 1)
    assert float(queueing.mean_wait_minutes(10, 7.0, 1)) < 0.55 * float(wait)


# ---- SimPy as referee ----


def simulated(units: int, calls: float, needs: list[float], minutes: float, at_once: bool) -> list[list[float]]:
    """Waits by SimPy, in means of 40 batches: waits at all, is longer than `minutes`, and the wait itself."""
    chance = np.random.default_rng(11)
    number = 40_000
    gaps, asked = chance.exponential(1 / calls, number), chance.choice(len(needs), number, p=needs) + 1
    work = chance.exponential(1.0, (number, len(needs)))
    waits = np.zeros(number)
    world = simpy.Environment()
    free = simpy.Container(world, units, units) if at_once else simpy.Resource(world, units)

    def busy(length):
        yield world.timeout(length)
        free.put(1)

    def together(at):
        came = world.now
        yield free.get(int(asked[at]))  # a container serves its line in order: the first one holds up the rest
        waits[at] = world.now - came
        for length in work[at, : asked[at]]:
            world.process(busy(length))

    def one_unit(at, which, came):
        with free.request() as request:
            yield request
            if not which:
                waits[at] = world.now - came
            yield world.timeout(work[at, which])

    def arrive():
        for at in range(number):
            yield world.timeout(gaps[at])
            if at_once:
                world.process(together(at))
            else:
                for which in range(asked[at]):
                    world.process(one_unit(at, which, world.now))

    world.process(arrive())
    world.run()
    batches = waits[number // 20 :].reshape(40, -1)
    return [each.mean(axis=1) for each in (batches > 0, batches > minutes, batches)]


@pytest.mark.parametrize("at_once", [True, False])
def test_simpy_agrees(at_once):
    needs, rule = [0.5, 0.3, 0.2], waits_for_all if at_once else waits_for_first
    # Batches share their borders, so that four standard errors are asked for and not two.
    within = NormalDist().inv_cdf(0.99997)
    waits, late, mean = simulated(8, 2.6, needs, 0.25, at_once)
    ours, ours_mean = rule(8, load_of(2.6, needs), needs, [0, 0.25], 1)
    for found, expected in ((waits, ours[0]), (late, ours[1]), (mean, ours_mean[0])):
        assert abs(found.mean() - float(expected)) < within * found.std(ddof=1) / np.sqrt(len(found))


# ---- what must always hold ----


@given(st.integers(1, 40), st.floats(0.01, 0.98), st.floats(0, 300), st.floats(5, 200))
def test_calls_that_ask_for_one_unit_wait_as_erlang_says(units, busy, minutes, service):
    load = busy * units
    for rule in (waits_for_all, waits_for_first):
        late, wait = rule(units, load, [1.0, 0.0, 0.0][: min(units, 3)], minutes, service)
        expected = queueing.chance_waits_longer(units, load, minutes, service)
        assert float(late) == pytest.approx(float(expected), rel=1e-8, abs=1e-13)
        assert float(wait) == pytest.approx(float(queueing.mean_wait_minutes(units, load, service)), rel=1e-8)


@settings(max_examples=6, deadline=None)
@given(st.integers(4, 30), st.floats(0.05, 0.6), st.lists(st.floats(0.01, 1), min_size=1, max_size=4))
def test_a_mean_wait_is_the_area_under_its_chances(units, busy, needs):
    times = np.linspace(0, 30, 901)
    for rule in (waits_for_all, waits_for_first):
        late, wait = rule(units, busy * units, needs, times, 1)
        if np.isfinite(wait[0]):
            assert (np.diff(late) <= 1e-12).all()
            if late[-1] < 1e-6:
                assert np.trapezoid(late, times) == pytest.approx(wait[0], rel=1e-2, abs=1e-4)


@given(st.integers(2, 30), st.floats(0.05, 0.9), st.lists(st.floats(0.01, 1), min_size=2, max_size=4))
def test_nobody_waits_longer_for_the_first_unit_than_for_all_together(units, busy, needs):
    late, wait = waits_for_all(units, busy * units, needs, [0, 0.1, 1], 1)
    first_late, first_wait = waits_for_first(units, busy * units, needs, [0, 0.1, 1], 1)
    assert (first_late <= late + 1e-12).all()
    assert (first_wait <= wait * (1 + 1e-9)).all()


def test_a_queue_without_bound_is_late_for_ever_and_begins_below_the_units():
    # Two units each: with three, the next two are free after 1/3 and 1/2 of a service, so that 2.4 units do the work.
    late, wait = waits_for_all(3, [2.3, 2.5, 2.9], [0.0, 1.0], 5, 60)
    assert late[0] < 1
    assert late[1:].tolist() == [1, 1]
    assert np.isinf(wait[1:]).all()
    late, wait = waits_for_first(3, [2.1, 2.9, 3.1], [0.0, 1.0], 5, 60)
    assert (late[:2] < 1).all()
    assert np.isinf(wait[2])


def test_a_call_that_asks_for_more_units_than_there_are_takes_all_of_them():
    # As many calls come; those that ask for three of two take two.
    late, wait = waits_for_all(2, 0.6 * 1.2, [0.9, 0.0, 0.1], [0, 15], 60)
    expected, expected_wait = waits_for_all(2, 0.6 * 1.1, [0.9, 0.1], [0, 15], 60)
    assert late == pytest.approx(expected)
    assert wait == pytest.approx(expected_wait)
    alone = waits_for_all(1, 0.3, [0.5, 0.5], [0, 15], 60)[0]
    assert alone == pytest.approx(queueing.chance_waits_longer(1, 0.2, [0, 15], 60))


def test_a_quiet_village_needs_no_four_units_because_some_call_might_ask_for_four():
    needs = np.array([[0.9], [0.09], [0.009], [0.001]])
    assert units_for_all([[0.02]], None, needs, 6, 45, 0.9).tolist() == [1]


def test_three_thousand_units_and_days_of_waiting_are_no_trouble():
    late, wait = waits_for_all(3_000, 2_950, [0.7, 0.3], [0, 10, 240], 60)
    assert np.isfinite(wait).all()
    assert late[0] > late[1] > late[2] >= 0
    assert late[2] < 1e-12


def test_no_load_keeps_nobody_waiting():
    for rule in (waits_for_all, waits_for_first):
        assert [float(each) for each in rule(2, 0.0, [0.5, 0.5], 0, 60)] == [0, 0]
        assert float(rule(0, 0.0, [0.5, 0.5], 0, 60)[0]) == 1


# ---- the fewest units ----


@pytest.mark.parametrize(("fewest", "rule"), [(units_for_all, waits_for_all), (units_for_first, waits_for_first)])
def test_the_fewest_units_meet_the_target_over_samples_and_one_fewer_does_not(fewest, rule):
    chance = np.random.default_rng(3)
    loads, calls = chance.uniform(0, 14, (5, 12)), chance.uniform(0.1, 3, (5, 12))
    away = chance.integers(0, 3, (5, 12))
    needs = chance.dirichlet([4, 2, 1], 12).T
    minutes, service, share = 9.0, chance.uniform(20, 90, 12), 0.9
    found = fewest(loads, calls, needs, minutes, service, share, away)

    def on_time(units: np.ndarray) -> np.ndarray:
        late = rule(np.maximum(units - away, 0), loads, needs[:, None], minutes, service)[0]
        return (calls * (1 - late)).sum(axis=0) / calls.sum(axis=0)

    assert (on_time(found) >= share).all()
    assert (on_time(found - 1) < share).all()


def test_one_unit_a_call_needs_as_many_as_by_erlang():
    loads = np.random.default_rng(5).uniform(0, 20, (4, 30))
    expected = queueing.units_for_mean_target(loads, None, 6, 45, 0.9)
    for fewest in (units_for_all, units_for_first):
        assert fewest(loads, None, np.ones((1, 30)), 6, 45, 0.9).tolist() == expected.tolist()


def test_more_load_never_needs_fewer_units():
    loads = np.linspace(0.1, 25, 60)[None]
    for fewest in (units_for_all, units_for_first):
        found = fewest(loads, None, np.tile([[0.5], [0.3], [0.2]], 60), 6, 45, 0.9)
        assert all(one <= other for one, other in pairwise(found))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: waits_for_all(2.5, 1, [1], 0, 1), "units must be whole numbers from 0"),
        (lambda: waits_for_all(2, -1, [1], 0, 1), "offered_load must be 0 or more"),
        (lambda: waits_for_first(2, 1, [0, 0], 0, 1), "needs must not all be 0"),
        (lambda: waits_for_first(2, 1, [1], 0, 0), "service_minutes must be above 0"),
        (lambda: waits_for_first(2, 1, [1], np.nan, 1), "minutes must be 0 or more"),
        (lambda: waits_for_first([2, 3], [1, 1, 1], [1], 0, 1), "do not fit together"),
        (lambda: units_for_all([1.0], None, [1], 0, 1, 0.9), r"shape \(samples, cells\)"),
        (lambda: units_for_all([[1.0]], None, [1], 0, 1, 1.0), "share must be above 0 and below 1"),
    ],
)
def test_a_bad_argument_is_answered_with_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_every_example_in_the_docstrings_runs():
    outcome = doctest.testmod(several_units)
    assert outcome.attempted >= 6
    assert outcome.failed == 0
