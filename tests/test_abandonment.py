"""Callers who give up: exact arithmetic, the edges that have other names, SimPy as referee, and bad arguments."""

from __future__ import annotations

import doctest
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import abandonment, queueing
from bluelamp.abandonment import erlang_a, units_for_answers


def exact(units: int, load: float, minutes: float, service: float, patience: float) -> list[float]:
    """The chain state by state, and the law of waits by quadrature, in 30 digits."""
    with mpmath.workdps(30):
        leave, load = mpmath.mpf(service) / patience, mpmath.mpf(load)
        after = mpmath.mpf(minutes) / service
        states = [mpmath.mpf(1)]
        while len(states) <= units or states[-1] > mpmath.mpf(10) ** -32 * max(states):
            number = len(states)
            states.append(states[-1] * load / (min(number, units) + max(number - units, 0) * leave))
        whole = mpmath.fsum(states)
        waits = mpmath.fsum(states[units:]) / whole
        queue = mpmath.fsum(number * each for number, each in enumerate(states[units:])) / whole

        def density(answered: int):
            return lambda x: mpmath.exp(load * (1 - mpmath.exp(-leave * x)) / leave - units * x - answered * leave * x)

        def beyond(x, answered=0):
            return mpmath.quad(density(answered), [x, x + 0.1, x + 1, x + 5, x + 40, mpmath.inf])

        in_time = 1 - waits + waits * (beyond(0, 1) - beyond(after, 1)) / beyond(0)
        found = [waits, leave * queue / load, in_time, waits * beyond(after) / beyond(0), queue / load * service]
        return [float(each) for each in found]


@pytest.mark.parametrize(
    "station", [(10, 8.5, 15, 60, 30), (10, 14, 6, 60, 60), (3, 0.4, 1, 45, 5), (40, 60, 2, 30, 300), (1, 1, 0, 10, 10)]
)
def test_it_agrees_with_exact_arithmetic(station):
    assert [float(each) for each in erlang_a(*station)] == pytest.approx(exact(*station), rel=1e-10)


def test_patience_like_service_gives_the_poisson_tail():
    # Who leaves and who is finished leave at one pace: the number there is Poisson, whatever the units.
    tail = 1 - sum(np.exp(-8.5) * 8.5**number / float(mpmath.factorial(number)) for number in range(10))
    assert float(erlang_a(10, 8.5, 15, 60, 60).chance_waits) == pytest.approx(tail, rel=1e-12)


def test_endless_patience_gives_erlang_c():
    met = erlang_a([10, 12, 8], 8.5, 15, 60, np.inf)
    assert met.chance_waits == pytest.approx(queueing.erlang_c([10, 12, 8], 8.5))
    assert met.chance_late == pytest.approx(queueing.chance_waits_longer([10, 12, 8], 8.5, 15, 60))
    assert met.share_lost.tolist() == [0, 0, 0]
    almost = erlang_a(10, 8.5, 15, 60, 1e7)
    assert float(almost.chance_late) == pytest.approx(float(met.chance_late[0]), rel=1e-4)


def test_no_patience_at_all_gives_erlang_b():
    met = erlang_a(10, 8.5, 15, 60, 1e-6)
    assert float(met.share_lost) == pytest.approx(float(queueing.erlang_b(10, 8.5)), rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.floats(0.01, 90), st.floats(0, 60), st.floats(1, 90), st.floats(0.5, 600))
def test_shares_are_shares_and_fit_together(units, load, minutes, service, patience):
    met = erlang_a(units, load, minutes, service, patience)
    for share in (met.chance_waits, met.share_lost, met.share_in_time, met.chance_late):
        assert -1e-12 <= float(share) <= 1 + 1e-12
    # What units do is what comes and does not give up: never more than all of them.
    assert load * (1 - float(met.share_lost)) <= units * (1 + 1e-6)
    assert float(met.share_in_time) <= 1 - float(met.share_lost) + 1e-7
    # Little's law: who gives up leaves at one in a patience of waiting.
    assert float(met.share_lost) * patience == pytest.approx(float(met.mean_wait_minutes), rel=1e-6, abs=1e-9)


def test_simpy_agrees():
    units, load, patience, number = 4, 4.5, 0.8, 40_000
    chance = np.random.default_rng(7)
    gaps, work, waits_until = (chance.exponential(mean, number) for mean in (1 / load, 1.0, patience))
    world = simpy.Environment()
    free = simpy.Resource(world, units)
    waited, answered = np.zeros(number), np.zeros(number, dtype=bool)

    def call(at):
        came = world.now
        with free.request() as request:
            yield request | world.timeout(waits_until[at])
            waited[at], answered[at] = world.now - came, request.triggered
            if answered[at]:
                yield world.timeout(work[at])

    def arrive():
        for at in range(number):
            yield world.timeout(gaps[at])
            world.process(call(at))

    world.process(arrive())
    world.run()
    met = erlang_a(units, load, 0.2, 1, patience)
    for seen, expected in (
        (~answered, met.share_lost), (waited > 0, met.chance_waits), (answered & (waited <= 0.2), met.share_in_time),
        (waited, met.mean_wait_minutes),
    ):  # fmt: skip
        batches = seen[: number - number % 40].reshape(40, -1).mean(axis=1)
        assert abs(batches.mean() - float(expected)) < 4 * batches.std(ddof=1) / np.sqrt(40)


def test_without_units_or_without_load_it_still_says_what_a_caller_meets():
    met = erlang_a([0, 0, 3], [1, 0, 0], 5, 10, 20)
    assert met.share_lost == pytest.approx([1, 1, 0])
    assert met.share_in_time.tolist() == [0, 0, 1]
    assert met.mean_wait_minutes == pytest.approx([20, 20, 0])


def test_the_fewest_answer_enough_and_one_fewer_does_not():
    load = np.array([0.2, 3, 8.5, 40, 200])
    found = units_for_answers(load, 0.5, 6, 3, 0.9)
    assert (erlang_a(found, load, 0.5, 6, 3).share_in_time >= 0.9).all()
    assert (erlang_a(found - 1, load, 0.5, 6, 3).share_in_time < 0.9).all()
    assert all(one <= other for one, other in pairwise(found))
    fewer_lost = units_for_answers(load, 0.5, 6, 3, 0.9, share_lost=0.01)
    assert (fewer_lost >= found).all()
    assert (erlang_a(fewer_lost, load, 0.5, 6, 3).share_lost <= 0.01).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: erlang_a(2, 1, 1, 10, 0), "patience_minutes must be above 0"),
        (lambda: erlang_a(2, 1, 1, 10, np.nan), "patience_minutes must be above 0"),
        (lambda: erlang_a(2.5, 1, 1, 10, 5), "units must be a whole number"),
        (lambda: erlang_a(2, 1, -1, 10, 5), "minutes must be 0 or more"),
        (lambda: units_for_answers(1, 1, 10, 5, 1.0), "share must be above 0 and below 1"),
        (lambda: units_for_answers(1, 1, 10, 5, 0.9, 0), "share_lost must be above 0"),
    ],
)
def test_a_bad_argument_is_answered_with_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_every_example_in_the_docstrings_runs():
    outcome = doctest.testmod(abandonment)
    assert outcome.attempted >= 3
    assert outcome.failed == 0
