"""The staffing benchmark: its own definition of the fewest units, its duties, and its judge on a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from bluelamp import queueing


def test_its_sum_over_states_is_erlangs_formula_found_another_way():
    from staffing import on_time

    units, load, allowed = (
        np.array([3, 10, 12, 60, 2]),
        np.array([0.4, 8.5, 8.5, 52, 2.5]),
        np.array([0, 0.25, 1, 3, 1]),
    )
    expected = 1 - queueing.chance_waits_longer(units, load, allowed, 1)
    assert on_time(units, load, allowed) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("off", [-3, -1, 0, 1, 4])
def test_an_answer_that_is_not_the_fewest_is_put_right(off):
    from staffing import fewest_by_definition

    load, allowed, share = np.array([0.3, 2.4, 8.5, 40]), np.full(4, 0.2), np.full(4, 0.9)
    expected = queueing.units_for_target(load, 0.2, 1, 0.9)
    found = fewest_by_definition(load, allowed, share, np.maximum(expected + off, 1))
    assert found.tolist() == expected.tolist()


def test_its_judge_sends_in_line_and_never_more_units_than_there_are():
    from staffing_judge import send

    ready, nobody = np.array([0.0, 1.0, 2.0, 3.0]), np.zeros(4, dtype=np.int64)
    ones = np.ones(4, dtype=np.int64)
    long = np.full((4, 2), 50.0)
    assert send(ready, nobody, ones, long, np.array([2, 2, 2]), True).tolist() == [0, 1, 50, 51]
    # Two go home after the first hour: their jobs go on, and nobody is sent until those of one unit are done.
    assert send(ready, nobody, ones, long * 2, np.array([3, 1, 1, 1, 1, 1]), True).tolist() == [0, 1, 2, 102]
    # The urgent one goes first when a unit is free.
    assert send(ready, np.array([0, 1, 1, 0]), ones, long, np.array([1, 1, 1, 1]), True).tolist() == [0, 100, 150, 50]
    # The first in line asks for two and holds up who asks for one; as they come, its first goes at once.
    wanted = np.array([1, 2, 1, 1])
    assert send(ready, nobody, wanted, long, np.array([2, 2, 2, 2, 2]), True).tolist() == [0, 50, 100, 100]
    assert send(ready, nobody, wanted, long, np.array([2, 2, 2, 2, 2]), False).tolist() == [0, 1, 51, 100]


def test_its_judge_finds_what_erlang_says_of_a_flat_week():
    from staffing import WEEK, Case, judge

    class Flat(Case):
        @property
        def rates(self) -> np.ndarray:
            return np.full(WEEK, self.calls)

    verdict = judge(Flat("flat", 6.0, 30, 10), np.full(WEEK, 5), judged_calls=6_000)
    expected = 1 - float(queueing.chance_waits_longer(5, 3.0, 10, 30))
    assert verdict.share.mean() == pytest.approx(expected, abs=0.006)
    assert verdict.unit_hours == 5 * WEEK


def test_its_cases_are_offered_as_a_plan_offers_work():
    from staffing import CASES, GRADED, SEVERAL, WEEK, ask_mean, ask_rung, offer

    case = CASES[1]
    work = offer(case)
    assert work.load[0, 0, :WEEK] == pytest.approx(case.rates * case.service / 60)
    assert work.targets[0].waiting_minutes == case.minutes
    assert (ask_rung("mol", case) >= ask_mean(case)).all()
    assert [target.waiting_minutes for target in offer(GRADED).targets] == [minutes for _, minutes in GRADED.grades]
    mean_units = (offer(SEVERAL).needs[:, 0, 0] * [1, 2, 3, 4]).sum()
    assert mean_units == pytest.approx(SEVERAL.needs, abs=0.01)
