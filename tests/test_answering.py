"""Telephones: known answers, an independent Markov chain, and a queue that is played."""

from __future__ import annotations

from math import exp, inf

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp.answering import Lines
from tests.played import played


def lines(calls, handling=6.0, patience=inf, seconds=10.0, share=0.9) -> Lines:
    """One cell; `calls` by line, or samples of them."""
    by_sample = np.atleast_2d(np.asarray(calls, dtype=float))[:, :, None]
    count = by_sample.shape[1]
    each = (np.broadcast_to(np.asarray(value, dtype=float), (count,)) for value in (handling, patience, seconds, share))
    handling_minutes, *rest = each
    return Lines(by_sample, handling_minutes[:, None], *rest)


def erlang_a(agents: int, calls: float, handling: float, patience: float, minutes: float) -> float:
    """Answered in time, from Mandelbaum & Zeltyn's integrals (2007, Service Engineering in Action), by mpmath."""
    rate, pace, leaving = mpmath.mpf(calls) / 60, 1 / mpmath.mpf(handling), 1 / mpmath.mpf(patience)
    load = rate / pace
    before = mpmath.fsum(load**k / mpmath.factorial(k) for k in range(agents)) / (
        load ** (agents - 1) / mpmath.factorial(agents - 1)
    )

    def density(at):
        return mpmath.exp(rate * (1 - mpmath.exp(-leaving * at)) / leaving - agents * pace * at)

    whole = before + rate * mpmath.quad(density, [0, 1, 5, 20, 100, mpmath.inf])
    at_once = before / whole
    return float(at_once + rate / whole * mpmath.quad(lambda at: density(at) * mpmath.exp(-leaving * at), [0, minutes]))


@pytest.mark.parametrize(
    ("agents", "calls", "patience", "seconds"),
    [(3, 20, 3, 10), (12, 110, 2, 10), (12, 150, 4, 60), (40, 390, 1, 20), (2, 30, 50, 300), (7, 60, 0.5, 120)],
)
def test_one_line_with_callers_who_give_up_is_erlang_a(agents, calls, patience, seconds):
    in_time, _ = lines([calls], 6, patience, seconds).shares(agents)

    assert in_time[0, 0] == pytest.approx(erlang_a(agents, calls, 6, patience, seconds / 60), abs=1e-8)


def test_without_giving_up_it_is_erlang_c():
    in_time, gives_up = lines([8.5], handling=60, seconds=15 * 60).shares(10)

    assert in_time[0, 0] == pytest.approx(0.6358, abs=5e-5)
    assert gives_up[0, 0] == 0


def test_patience_as_long_as_a_call_gives_the_tail_of_poisson():
    in_time, gives_up = lines([85], handling=6, patience=6, seconds=0).shares(10)

    chance = [exp(-8.5)]
    for number in range(1, 100):
        chance.append(chance[-1] * 8.5 / number)
    assert in_time[0, 0] == pytest.approx(sum(chance[:10]), abs=1e-12)
    assert gives_up[0, 0] == pytest.approx(sum((n - 10) * chance[n] for n in range(11, 100)) / 8.5, abs=1e-10)


def test_hardly_anybody_giving_up_comes_to_erlang_c():
    some = lines([100], patience=1e7, seconds=30).shares(12)[0]

    assert some[0, 0] == pytest.approx(lines([100], seconds=30).shares(12)[0][0, 0], abs=1e-5)


def test_two_lines_with_the_same_patience_are_those_of_a_markov_chain():
    """All of the chain's states, and the waits of those who come, followed state by state."""
    agents, pace, leaving, rates, most = 4, 1 / 5, 1 / 3, (0.3, 0.6), 40
    states = [(busy, 0, 0) for busy in range(agents)] + [
        (agents, first, second) for first in range(most) for second in range(most)
    ]
    number = {state: place for place, state in enumerate(states)}
    flows = np.zeros((len(states), len(states)))
    for (busy, first, second), place in number.items():
        moves = []
        if busy < agents:
            moves += [((busy + 1, 0, 0), sum(rates)), ((busy - 1, 0, 0), busy * pace)]
        else:
            moves += [((busy, first + 1, second), rates[0]), ((busy, first, second + 1), rates[1])]
            after = (busy, first - 1, second) if first else (busy, 0, second - 1) if second else (busy - 1, 0, 0)
            moves += [(after, agents * pace), ((busy, first - 1, second), first * leaving)]
            moves += [((busy, first, second - 1), second * leaving)]
        for to, rate in moves:
            if rate and to in number:
                flows[place, number[to]] += rate
    balance = flows.T - np.diag(flows.sum(axis=1))
    balance[0] = 1
    chance = np.linalg.solve(balance, np.eye(len(states))[0])
    waiting = chance @ np.array(states)[:, 1:]

    _, gives_up = lines([60 * rate for rate in rates], 5, 1 / leaving).shares(agents)
    assert gives_up[:, 0] == pytest.approx(leaving * waiting / np.array(rates), abs=1e-7)


def test_the_first_line_is_answered_first_in_a_queue_that_is_played():
    calls, handling, patience, seconds = (20, 60), (5, 5), (4, 4), (10, 60)
    by_play, gave_up = played(7, calls, handling, patience, seconds, hours=1500)

    in_time, gives_up = lines(calls, handling, patience, seconds).shares(7)
    # 30,000 and 90,000 calls: four standard errors.
    assert in_time[:, 0] == pytest.approx(by_play, abs=0.012)
    assert gives_up[:, 0] == pytest.approx(gave_up, abs=0.012)


@pytest.mark.parametrize(
    ("handling", "patience"),
    [((6, 6), (2, 15)), ((4, 7), (8, 8)), ((4, 7), (2, 15))],
    ids=["patience", "handling", "both"],
)
def test_lines_that_differ_are_nearly_right(handling, patience):
    calls, seconds = (20, 60), (10, 120)
    by_play, gave_up = played(10, calls, handling, patience, seconds, hours=1000)

    in_time, gives_up = lines(calls, handling, patience, seconds).shares(10)
    assert in_time[:, 0] == pytest.approx(by_play, abs=0.02)
    assert gives_up[:, 0] == pytest.approx(gave_up, abs=0.02)


@settings(max_examples=30, deadline=None)
@given(
    first=st.floats(0.5, 80), second=st.floats(0.5, 120), patience=st.sampled_from([1.0, 8.0, inf]),
    seconds=st.sampled_from([0.0, 10.0, 60.0]), share=st.sampled_from([0.5, 0.9, 0.98]),
)  # fmt: skip
def test_the_fewest_agents_meet_the_target_and_one_fewer_does_not(first, second, patience, seconds, share):
    both = lines([[first, second], [1.4 * first, second]], 5, patience, [10, seconds], share)
    fewest = both.fewest_agents()[:, 0]

    for line, agents in enumerate(fewest):
        assert both.shares(agents)[0][line, 0] >= share
        assert agents == 1 or both.shares(agents - 1)[0][line, 0] < share


def test_more_calls_never_need_fewer():
    found = [int(lines([hourly, 30], patience=3).fewest_agents().max()) for hourly in range(1, 120, 7)]

    assert found == sorted(found)


def test_nobody_calls_and_nobody_is_needed():
    some = lines([0.0, 12.0], patience=2)

    assert some.fewest_agents()[0, 0] == 0
    assert np.isnan(some.shares(2)[0][0, 0])
    assert some.shares(0)[0][1, 0] == 0
    assert some.shares(0)[1][1, 0] == 1


def test_more_work_than_people_answers_nobody_of_the_last_line_and_the_first_all_the_same():
    in_time, _ = lines([20, 200], handling=6, seconds=[30, 30]).shares(10)

    assert in_time[1, 0] == 0
    assert 0.3 < in_time[0, 0] < 0.9


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"calls": [-1.0]}, "calls must be 0 or more and finite"),
        ({"calls": [1.0], "handling": 0}, "handling_minutes must be above 0 and finite"),
        ({"calls": [1.0], "patience": 0}, "patience_minutes must be above 0"),
        ({"calls": [1.0], "share": 1}, "target_share must be above 0 and below 1"),
        ({"calls": [float("nan")]}, "calls must be 0 or more"),
    ],
)
def test_what_can_not_be_is_told(changed, said):
    with pytest.raises(ValueError, match=said):
        lines(**changed)
