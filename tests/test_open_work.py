"""Runs that begin now: with logs that wait already and units that are still at work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bluelamp.drawn_work import Came, Ground
from bluelamp.errors import BadData
from bluelamp.open_work import Habits, OpenWork, Out, waiting_at
from bluelamp.pools import lay_out_pools
from bluelamp.simulation import simulate
from bluelamp.travel import Ways
from tests.drawn import drawn
from tests.offered import LONDON, STANDARD, hours_from, one_pool

SERVICE = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | sd_minutes | "
    "write_up_minutes | long_minutes | long_stay_minutes | source",
    "x          | 1          | 0.5            | 1                    | 60               | 0          | "
    "                 |              | 300               | drawn",
    "x          | 2          | 1              | 1                    | 60               | 60         | "
    "                 |              |                   | drawn",
)
TARGETS = drawn(
    "standards", STANDARD, "1 | all | 15 | 0.9 | received | arrived | 0 | 0", "2 | all | 60 | 0.8 | | | 0 | 0"
)
CELLS = [("x", "1"), ("x", "2")]
NOBODY = Came(*(np.zeros(0, dtype=kind) for kind in (np.int64, np.int64, np.float64, np.float64)))
TWO_POOLS = drawn(
    "pools", "pool_id | role_code | area_id | from_hour | to_hour", "R1 | response | a | 0 | 24",
    "R2 | response | b | 0 | 24",
)  # fmt: skip


def ground(pools: Any = None, **beside: Any) -> Ground:
    hours = hours_from(days=1)
    cover = lay_out_pools(one_pool("a", "b") if pools is None else pools, "response", ["a", "b"], hours, LONDON)
    return Ground.lay(hours, cover, CELLS, ["urban", "urban"], SERVICE, TARGETS, LONDON, warm_up=0, **beside)


def found(at: float = 0.0, logs: Any = (), units: Any = ()) -> OpenWork:
    """Open work of (area, cell, received, chance) by log and (pool, cell, minutes, is_long) by unit."""
    area, cell, received, chance = np.array(logs, dtype=np.float64).reshape(-1, 4).T
    pool, unit_cell, minutes, is_long = np.array(units, dtype=np.float64).reshape(-1, 4).T
    return OpenWork(
        at, area.astype(np.int64), cell.astype(np.int64), received, chance, pool.astype(np.int64),
        unit_cell.astype(np.int64), minutes, is_long.astype(np.bool_),
    )  # fmt: skip


def play(work: OpenWork, units: Any, on: Ground, came: Came = NOBODY, habits: Habits | None = None):
    jobs = work.draw(on, came, np.random.default_rng(1))
    by_hour = np.broadcast_to(np.array(units, dtype=np.int64).reshape(-1, 1), (len(on.pool_hours.pool_ids), on.hours))
    out, cover, rules, ways = work.put_out(Out.by_hour(by_hour), on, habits)
    return jobs, simulate(jobs.jobs, out, cover, rules, ways, hours=on.hours)


def test_logs_that_wait_go_by_grade_and_then_by_age_from_the_first_minute_on():
    work = found(logs=[(0, 1, -500, 1), (0, 0, -20, 1), (1, 0, -40, 1)])
    drawn_jobs, outcome = play(work, 1, ground())
    assert outcome.sent.tolist()[1:] == [60.0, 0.0]
    assert outcome.sent[0] == 120.0
    waits, age = waiting_at(drawn_jobs, outcome, 30.0)
    assert sorted(zip(waits.tolist(), age.tolist(), strict=True)) == [(0, 530.0), (1, 50.0)]


def test_those_sent_at_the_first_minute_have_waited_until_then():
    work = found(at=25.0, logs=[(0, 0, -20, 1)])
    jobs, outcome = play(work, 1, ground())
    assert outcome.sent.tolist() == [25.0]
    assert waiting_at(jobs, outcome, 25.0)[1].tolist() == [45.0]
    assert len(waiting_at(jobs, outcome, 25.1)[0]) == 0


def test_a_unit_at_work_is_free_when_such_work_is_over():
    # Work of grade 1 takes an hour sharp.
    work = found(at=10.0, logs=[(0, 0, 0, 1)], units=[(0, 0, 20, 0)])
    _, outcome = play(work, 1, ground())
    assert outcome.sent[0] == 50.0


def test_units_at_work_beyond_those_on_duty_finish_and_nobody_is_sent_in_their_stead():
    work = found(logs=[(0, 0, -5, 1)], units=[(0, 0, 50, 0), (0, 0, 30, 0), (0, 0, 10, 0)])
    _, outcome = play(work, 2, ground())
    # Two are on duty: the second of three must be back before anybody goes.
    assert outcome.sent[0] == 30.0


def test_what_is_left_is_as_long_as_among_those_that_lasted_so_long():
    whole = np.exp(np.random.default_rng(3).normal(np.log(60) - np.log(2) / 2, np.sqrt(np.log(2)), 400_000))
    for so_far in (0.0, 30.0, 120.0, 300.0):
        work = found(units=[(0, 1, so_far, 0)] * 20_000)
        left = work.draw(ground(), NOBODY, np.random.default_rng(2)).jobs.first_minutes
        longer = whole[whole > so_far] - so_far
        assert left.mean() == pytest.approx(longer.mean(), rel=0.04)
        assert np.median(left) == pytest.approx(np.median(longer), rel=0.04)


def test_work_that_has_lasted_for_ever_is_nearly_done_and_of_a_known_log_or_none():
    for cell in (0, 1, -1):
        work = found(units=[(0, cell, 60 * 24 * 30, 0)] * 50)
        left = work.draw(ground(), NOBODY, np.random.default_rng(2)).jobs.first_minutes
        assert np.isfinite(left).all()
        assert (left >= 1).all()


def test_a_guard_lasts_as_long_again_however_long_it_has_lasted():
    work = found(units=[(0, 0, 900, 1)] * 20_000)
    jobs = work.draw(ground(), NOBODY, np.random.default_rng(2)).jobs
    assert jobs.first_minutes.mean() == pytest.approx(300, rel=0.03)
    assert jobs.is_handed_over.all()


def test_as_many_logs_get_a_unit_as_their_chance_says():
    work = found(logs=[(0, 0, -5, 0.3)] * 20_000)
    assert len(work.draw(ground(), NOBODY, np.random.default_rng(2)).jobs) == pytest.approx(6000, rel=0.03)


def test_what_came_before_now_is_not_drawn_again():
    came = Came(np.zeros(2, dtype=np.int64), np.ones(2, dtype=np.int64), np.array([10.0, 50.0]), np.zeros(2))
    jobs = found(at=30.0).draw(ground(), came, np.random.default_rng(2)).jobs
    assert jobs.ready.tolist() == [50.0]


def test_another_pool_helps_with_emergencies_alone_where_it_does():
    on = ground(TWO_POOLS)
    work = found(logs=[(0, 0, -5, 1), (0, 1, -5, 1)])
    _, alone = play(work, [0, 1], on)
    assert np.isnan(alone.sent).all()
    _, helped = play(work, [0, 1], on, habits=Habits(help_to=1, help_travel_factor=2.0))
    assert helped.sent[0] == 0.0
    assert helped.is_helped[0]
    assert np.isnan(helped.sent[1])


def out(*units: tuple[float, float], pools: int = 1, hours: int = 24, **changed: Any) -> Out:
    """Units of the first pool by start and end."""
    starts, ends = np.array(units, dtype=np.float64).reshape(-1, 2).T
    none = np.zeros(len(starts))
    of = {
        "briefing": none, "break_from": none + np.nan, "break_minutes": none, "may_drive": none == 0,
        "kept": np.zeros((pools, hours), dtype=np.int64), "vehicles": np.full(pools, -1),
    }  # fmt: skip
    return Out(none.astype(np.int64), starts, ends, **(of | changed))


def sent(work: OpenWork, units: Out, habits: Habits | None = None) -> list[float]:
    """When units were sent to each job, by the day's ground; work without a unit in time is not a number."""
    on = ground()
    jobs = work.draw(on, NOBODY, np.random.default_rng(1), (habits or Habits()).drivers_for)
    return simulate(jobs.jobs, *work.put_out(units, on, habits), hours=on.hours).sent.tolist()


def test_near_the_end_of_a_duty_a_unit_goes_to_emergencies_alone():
    work = found(at=10.0, logs=[(0, 0, -5, 1), (0, 1, -5, 1)])
    two = out((-400, 40), (60, 540))
    assert sent(work, two) == [10.0, 60.0]
    # The emergency takes the one unit; without it, the other log would have had to wait all the same.
    alone = found(at=10.0, logs=[(0, 1, -5, 1)])
    assert sent(alone, two) == [10.0]
    assert sent(alone, two, Habits(last_minutes=45, last_for=1)) == [60.0]
    assert sent(found(at=10.0, logs=[(0, 0, -5, 1)]), two, Habits(last_minutes=45, last_for=1)) == [10.0]


def test_only_units_with_a_driver_go_where_it_takes_one():
    of_both = found(logs=[(0, 0, -5, 1), (0, 1, -5, 1)])
    walking = out((0, 1440), (120, 1440), may_drive=np.array([False, True]))
    assert sent(of_both, walking)[0] == 0.0
    assert sent(of_both, walking, Habits(drivers_for=frozenset({"1"}))) == [120.0, 0.0]


def test_no_more_are_out_than_there_are_vehicles():
    work = found(logs=[(0, 0, -5, 1), (0, 0, -4, 1)])
    both = out((-60, 600), (-50, 600))
    assert sent(work, both) == [0.0, 0.0]
    assert sent(work, replace(both, vehicles=np.array([1]))) == [0.0, 60.0]


def test_a_unit_in_briefing_or_at_its_break_waits_for_nobody():
    work = found(at=20.0, logs=[(0, 0, -5, 1)])
    assert sent(work, out((10, 600), briefing=np.array([30.0]))) == [40.0]
    assert sent(work, out((-10, 600), briefing=np.array([30.0]))) == [20.0], "briefing began before the run"
    resting = out((0, 600), break_from=np.array([20.0]), break_minutes=np.array([25.0]))
    assert sent(work, resting) == [45.0]


def test_units_of_hours_and_of_duties_stand_side_by_side():
    asked = np.array([[2, 3, 1, 4], [0, 0, 0, 0]])
    where = np.array([[False, True, True, False], [False] * 4])
    by_hour = Out.by_hour(asked, where)
    assert (by_hour.starts.tolist(), by_hour.ends.tolist()) == ([60.0] * 3, [180.0] * 3)
    assert by_hour.kept.tolist() == [[0, 0, 2, 0], [0, 0, 0, 0]]
    both = out((0, 60), pools=2, hours=4).joined(by_hour)
    assert both.pool.tolist() == [0, 0, 0, 0]
    assert both.starts.tolist() == [0, 60, 60, 60]
    with pytest.raises(BadData, match="10,001 units in one pool"):
        Out.by_hour(np.array([[10_001]]))


def test_units_at_work_come_from_where_their_pool_begins():
    # Most work is in b, so that the pool begins there: five minutes within, half an hour between.
    ways = Ways(np.array([[5.0, 30.0], [30.0, 5.0]]), np.array([1.0, 9.0]), variation=0.0)
    work = found(logs=[(1, 1, -5, 1), (0, 1, -5, 1)], units=[(0, 0, 50, 0)])
    _, outcome = play(work, 1, ground(ways=ways))
    assert outcome.sent[0] == 10.0
    assert outcome.arrived[0] == 15.0
    assert outcome.arrived[1] - outcome.sent[1] == 30.0
