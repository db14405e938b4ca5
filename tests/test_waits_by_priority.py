"""Waits where urgent calls go first: textbook stations, a plain simulation, and the limits."""

from __future__ import annotations

import heapq
import math
import random
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from bluelamp.queueing import chance_waits_longer, erlang_c, mean_wait_minutes, waits_by_priority


def waits(units: int, loads: list[float], service: float = 60.0, minutes: float = 0.0) -> list[tuple[float, float]]:
    """Chance of a longer wait, and mean wait, of each class in order of urgency."""
    found = []
    for number, own in enumerate(loads):
        late, wait = waits_by_priority(units, sum(loads), sum(loads[:number]), own, minutes, service)
        found.append((float(late), float(wait)))
    return found


# ---- published stations ----


def test_three_classes_at_the_station_of_ten_units_and_load_eight_and_a_half_come_out():
    # The M/M/10 station whose common wait is 0.3532 service times, with 15, 45 and 40% of its calls by class.
    by_class = waits(10, [1.275, 3.825, 3.4], service=1)
    assert [round(wait, 4) for _, wait in by_class] == [0.0607, 0.1239, 0.7209]
    mean = sum(share * wait for share, (_, wait) in zip([0.15, 0.45, 0.4], by_class, strict=True))
    assert mean == pytest.approx(0.3532, abs=5e-5), "priorities move waits about and make none"


def test_one_unit_has_cobhams_waits():
    # M/M/1: W_k = (sum of loads) S / ((1 - s_(k-1)) (1 - s_k)).
    found = [wait for _, wait in waits(1, [0.2, 0.3, 0.4], service=1)]
    assert found == pytest.approx([0.9 / 0.8, 0.9 / (0.8 * 0.5), 0.9 / (0.5 * 0.1)])


# ---- against plain Erlang ----


@given(st.integers(1, 40), st.floats(0.01, 0.99), st.floats(0, 120), st.floats(5, 200))
def test_one_grade_is_erlang_c(units, busy, minutes, service):
    load = busy * units
    late, wait = waits_by_priority(units, load, 0, load, minutes, service)
    assert float(late) == pytest.approx(float(chance_waits_longer(units, load, minutes, service)), rel=1e-9, abs=1e-300)
    assert float(wait) == pytest.approx(float(mean_wait_minutes(units, load, service)), rel=1e-9)


@given(st.integers(1, 20), st.lists(st.floats(0.001, 3), min_size=1, max_size=5), st.floats(10, 120))
def test_work_is_kept_whatever_goes_first(units, loads, service):
    total = sum(loads)
    if total >= 0.98 * units:
        return
    mean = sum(load * wait for load, (_, wait) in zip(loads, waits(units, loads, service), strict=True)) / total
    assert mean == pytest.approx(float(mean_wait_minutes(units, total, service)), rel=1e-9)


@given(st.integers(1, 20), st.lists(st.floats(0.001, 6), min_size=2, max_size=5), st.floats(0, 90))
def test_the_more_urgent_never_wait_longer(units, loads, minutes):
    found = waits(units, loads, minutes=minutes)
    for (late, wait), (next_late, next_wait) in pairwise(found):
        assert 0 <= late <= next_late + 1e-12
        assert next_late <= 1
        assert wait <= next_wait * (1 + 1e-12)


# ---- against a simulation that knows no formula ----


@lru_cache(maxsize=4)
def simulated(units: int, loads: tuple[float, ...], service: float, calls: int, seed: int) -> list[list[float]]:
    """Waits by class of calls that come at random to units that finish what they are at."""
    chance = random.Random(seed)
    rates = [load / service for load in loads]
    total = sum(rates)
    found: list[list[float]] = [[] for _ in loads]
    free, now = units, 0.0
    ends: list[float] = []
    queue: list[tuple[int, int, float]] = []
    coming = chance.expovariate(total)
    for number in range(calls):
        while ends and ends[0] <= coming:
            now = heapq.heappop(ends)
            if queue:
                grade, _, came = heapq.heappop(queue)
                found[grade].append(now - came)
                heapq.heappush(ends, now + chance.expovariate(1 / service))
            else:
                free += 1
        now = coming
        grade = chance.choices(range(len(rates)), rates)[0]
        if free:
            free -= 1
            found[grade].append(0.0)
            heapq.heappush(ends, now + chance.expovariate(1 / service))
        else:
            heapq.heappush(queue, (grade, number, now))
        coming = now + chance.expovariate(total)
    return found


STATION = (3, (0.6, 0.9, 0.6), 40.0, 300_000, 5)


def test_simulated_mean_waits_are_those_of_every_grade():
    for each, (_, wait) in zip(simulated(*STATION), waits(3, [0.6, 0.9, 0.6], service=40), strict=True):
        assert sum(each) / len(each) == pytest.approx(wait, rel=0.06)


@pytest.mark.parametrize("minutes", [0, 5, 15, 40])
def test_the_most_urgent_wait_longer_as_often_as_in_the_simulation(minutes):
    most_urgent = simulated(*STATION)[0]
    share = sum(wait > minutes for wait in most_urgent) / len(most_urgent)
    assert share == pytest.approx(waits(3, [0.6, 0.9, 0.6], 40, minutes)[0][0], abs=0.012)


@pytest.mark.parametrize(("number", "room"), [(1, 0.03), (2, 0.055)])
@pytest.mark.parametrize("minutes", [5, 15, 30, 60, 120, 240])
def test_the_tail_of_the_others_is_no_further_off_than_this(number, room, minutes):
    # It is an approximation: high for short waits, low for very long ones. Measured, so that nobody takes it for more.
    each = simulated(*STATION)[number]
    share = sum(wait > minutes for wait in each) / len(each)
    assert share == pytest.approx(waits(3, [0.6, 0.9, 0.6], 40, minutes)[number][0], abs=room)


def test_the_urgent_are_served_although_the_queue_of_the_others_grows_without_bound():
    calls = simulated(3, (1.2, 3.0), 40.0, 60_000, 9)[0]
    late, wait = waits(3, [1.2, 3.0], 40, minutes=10)[0]
    assert late == pytest.approx(math.exp(-10 * (3 - 1.2) / 40))
    assert sum(each > 10 for each in calls) / len(calls) == pytest.approx(late, abs=0.02)
    assert sum(calls) / len(calls) == pytest.approx(wait, rel=0.06)


# ---- the limits ----


def test_a_grade_whose_work_alone_is_too_much_waits_for_ever():
    assert waits(3, [3.0]) == [(1.0, math.inf)]
    assert waits(3, [1.0, 2.0, 0.5], minutes=600)[1:] == [(1.0, math.inf)] * 2
    assert waits(0, [0.5]) == [(1.0, math.inf)]
    assert waits(0, [0.0]) == [(1.0, math.inf)]


def test_without_load_nobody_waits():
    assert waits(2, [0.0]) == [(0.0, 0.0)]


def test_a_grade_without_calls_of_its_own_waits_behind_those_ahead():
    late, wait = waits_by_priority(4, 3.0, 3.0, 0.0, 10, 60)
    delay = 60 * 4 / (1.0 * 1.0)
    assert float(late) == pytest.approx(float(erlang_c(4, 3.0)) * math.exp(-10 / delay))
    assert float(wait) == pytest.approx(float(erlang_c(4, 3.0)) * delay)


def test_shapes_broadcast():
    units = np.array([[4], [8]])
    late, wait = waits_by_priority(units, np.array([1.0, 2.0, 3.0]), 0.0, np.array([0.5, 1.0, 1.5]), 10, 60)
    assert late.shape == wait.shape == (2, 3)
    assert float(late[1, 2]) == float(waits_by_priority(8, 3.0, 0.0, 1.5, 10, 60)[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"load_ahead": -1.0}, {"own_load": math.nan}, {"minutes": math.inf}, {"service_minutes": 0.0}, {"units": 2.5},
        {"offered_load": -0.1},
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_by_name(wrong):
    values = {
        "units": 3, "offered_load": 2.0, "load_ahead": 0.5, "own_load": 1.0, "minutes": 10, "service_minutes": 60
    } | wrong  # fmt: skip
    with pytest.raises(ValueError, match=next(iter(wrong))):
        waits_by_priority(**values)


# ---- SimPy as referee ----


def test_simpy_agrees_for_every_class_within_four_standard_errors():
    units, loads, number = 10, [1.275, 3.825, 3.4], 60_000
    chance = np.random.default_rng(5)
    gaps, work = chance.exponential(1 / sum(loads), number), chance.exponential(1.0, number)
    urgency = chance.choice(3, number, p=np.array(loads) / sum(loads))
    waited = np.zeros(number)
    world = simpy.Environment()
    free = simpy.PriorityResource(world, units)

    def call(at):
        came = world.now
        with free.request(priority=int(urgency[at])) as request:
            yield request
            waited[at] = world.now - came
            yield world.timeout(work[at])

    def arrive():
        for at in range(number):
            yield world.timeout(gaps[at])
            world.process(call(at))

    world.process(arrive())
    world.run()
    batch = np.arange(number) * 30 // number
    for which, (_, expected) in enumerate(waits(units, loads, service=1.0)):
        mine = urgency == which
        means = np.bincount(batch[mine], waited[mine]) / np.bincount(batch[mine])
        assert abs(means.mean() - expected) < 4 * means.std(ddof=1) / np.sqrt(30)
