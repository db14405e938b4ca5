"""Coming work drawn job by job: as much of it as the ladder is asked for, where and when it is, and the same twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from bluelamp.drawn_work import Came, Ground, by_the_hour
from bluelamp.pools import lay_out_pools
from bluelamp.simulation import Rules, simulate
from tests.drawn import drawn
from tests.offered import LONDON, STANDARD, hours_from, one_pool

SERVICE = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | sd_minutes | "
    "write_up_minutes | long_minutes | long_stay_minutes | source",
    "x          | 1          | 0.5            | 1.6                  | 47               | 40         | "
    "10               | 30           | 300               | drawn",
    "x          | 2          | 1              | 1                    | 67               | 0          | "
    "                 |              |                   | drawn",
)
TARGETS = drawn(
    "standards", STANDARD, "1 | urban | 15 | 0.9 | received | arrived | 2 | 7",
    "1 | rural | 20 | 0.9 | received | arrived | 2 | 9", "2 | all | 60 | 0.8 | received | dispatched | 3 | 7",
)  # fmt: skip
CELLS = [("x", "1"), ("x", "2")]


def ground(pools: pl.DataFrame | None = None, days: int = 2, **beside: Any) -> Ground:
    hours = hours_from(days=days)
    cover = lay_out_pools(one_pool("a", "b") if pools is None else pools, "response", ["a", "b"], hours, LONDON)
    return Ground.lay(hours, cover, CELLS, ["urban", "rural"], SERVICE, TARGETS, LONDON, **beside)


def came(number: int, cell: int = 0, days: int = 2, seed: int = 1) -> Came:
    random = np.random.default_rng(seed)
    minute = np.sort(random.random(number) * 1440 * days)
    return Came(random.integers(0, 2, number), np.full(number, cell), minute, random.random(number))


def test_jobs_are_as_many_and_as_long_as_service_times_say():
    found = ground(warm_up=0).draw(came(200_000), np.random.default_rng(2)).jobs
    calls, guards = found.parent < 0, found.parent >= 0
    assert calls.sum() == pytest.approx(100_000, rel=0.02)
    assert found.units[calls].mean() == pytest.approx(1.6, rel=0.01)
    taken = found.travel[calls, 0] + found.first_minutes[calls]
    assert taken.mean() == pytest.approx(47, rel=0.02)
    assert np.median(found.first_minutes[calls]) < found.first_minutes[calls].mean()
    assert (found.after_minutes[calls] == 10).all()
    assert found.first_minutes[guards].sum() / calls.sum() == pytest.approx(30, rel=0.05)
    assert found.first_minutes[guards].mean() == pytest.approx(300, rel=0.03)
    assert found.is_handed_over.tolist() == guards.tolist()
    assert (found.priority[guards] == 0).all()


def test_work_is_as_much_as_the_ladder_is_offered():
    parts = {"write_up": False, "long_commitments": False, "without_log": 0.2}
    found = ground(warm_up=0, **parts).draw(came(100_000, cell=1), np.random.default_rng(2)).jobs
    assert len(found) == 100_000
    # Travel is not lengthened by work without a log: it is done at the place.
    assert found.first_minutes == pytest.approx(np.full(100_000, 60 * 1.2))


def test_a_job_knows_its_target_by_grade_and_kind_of_area_and_urgent_grades_go_first():
    of = ground(warm_up=0)
    first, second = (of.draw(came(500, cell), np.random.default_rng(2)) for cell in (0, 1))
    for drawn_jobs, grade in ((first, "1"), (second, "2")):
        for target, place in zip(drawn_jobs.target, drawn_jobs.jobs.place, strict=True):
            if target >= 0:
                assert of.targets[target].grade_code == grade
                assert of.targets[target].area_kind == ("urban", "rural")[place] or grade == "2"
    assert set(first.jobs.priority[first.jobs.parent < 0]) == {1}
    assert set(second.jobs.priority) == {2}
    due = {(each.grade_code, each.area_kind): (each.due_minutes, each.stops_on_arrival) for each in of.targets}
    assert due["1", "rural"] == (18, True)
    assert due["2", "urban"] == (57, False)


def test_the_same_state_draws_the_same_and_more_demand_adds_and_changes_nothing():
    of, calls = ground(long_commitments=False), came(8000)
    usual, again, more, fewer = (
        of.draw(calls, np.random.default_rng(7), demand=demand).jobs for demand in (1.0, 1.0, 1.3, 0.8)
    )
    assert usual.ready.tolist() == again.ready.tolist()
    assert usual.first_minutes.tolist() == again.first_minutes.tolist()
    assert len(more) == pytest.approx(1.3 * len(usual), rel=0.05)
    assert set(fewer.ready) < set(usual.ready)
    # What comes in both is the same in both; more demand brings some incidents twice, each with its own luck.
    mine = {row[:2]: row for row in zip(usual.ready, usual.place, usual.first_minutes, usual.units[:, 0], strict=True)}
    for ready, place, minutes, units in zip(
        fewer.ready, fewer.place, fewer.first_minutes, fewer.units[:, 0], strict=True
    ):
        assert mine[ready, place] == (ready, place, minutes, units)
    assert more.first_minutes[: len(usual)].tolist() == usual.first_minutes.tolist()
    longer = of.draw(calls, np.random.default_rng(7), service=1.5).jobs
    assert longer.first_minutes == pytest.approx(usual.first_minutes * 1.5)


def test_the_run_begins_before_the_first_hour_with_work_like_that_of_its_day():
    of, calls = ground(warm_up=12), came(40_000, cell=1)
    jobs = of.draw(calls, np.random.default_rng(2)).jobs
    early = of.hour_of(jobs.ready) < 0
    of_day = (calls.minute >= 720) & (calls.minute < 1440)
    assert sorted(jobs.ready[early]) == pytest.approx(sorted(calls.minute[of_day] - 720))
    assert of.hours == 60
    assert of.hour_of(jobs.ready).max() == 47


def test_a_place_that_no_pool_covers_is_given_to_one_that_has():
    cover = drawn("pools", "pool_id | role_code | area_id | from_hour | to_hour", "R1 | response | a | 0 | 24")
    of = ground(cover)
    assert set(of.draw(came(1000), np.random.default_rng(2)).jobs.place) == {0}
    assert (of.cover.own >= 0).all()


def test_pools_of_the_night_cover_by_night_and_those_of_other_hours_are_asked_next():
    rows = ("D1 | response | a | 7 | 22", "D2 | response | b | 7 | 22", "N | response | a | 22 | 7",
            "N | response | b | 22 | 7")  # fmt: skip
    of = ground(drawn("pools", "pool_id | role_code | area_id | from_hour | to_hour", *rows), warm_up=12)
    own = of.cover.own[:, of.warm_up :]
    assert own[:, 12].tolist() == [0, 1]
    assert own[:, 23].tolist() == own[:, 3].tolist() == [2, 2]
    assert own[:, 0].tolist() == of.cover.own[:, 12].tolist()
    assert of.cover.also.tolist() == [[0, 2], [1, 2]]


def test_so_many_units_work_in_an_hour_and_no_more():
    of = ground(warm_up=12)
    wanted = np.tile(np.arange(24) % 5, 2)[None] + 1
    units, rules = by_the_hour(wanted, of)
    calls = of.draw(came(4000, cell=1), np.random.default_rng(3)).jobs
    found = simulate(calls, units, of.cover, rules, hours=of.hours, keep=True)
    busy = (found.minutes[2] + found.minutes[3])[0, 12:] / 60
    # With far more calls than units all work all the time; what is left of an hour with more units goes on in the next.
    assert (busy >= wanted[0] - 1e-9).all()
    assert busy[wanted[0] == 5] == pytest.approx(np.full((wanted[0] == 5).sum(), 5.0))
    assert found.overtime.sum() == 0
    assert found.sendings is not None
    sent = found.sendings.sent
    left = found.sendings.left
    by_run = np.append(wanted[0, 12:24], wanted[0])
    for number, at in enumerate(sent[:400]):
        at_work = ((sent[:number] <= at) & (left[:number] > at)).sum()
        assert at_work < by_run[int(at // 60)]


def test_a_reserve_that_the_rules_ask_for_is_kept_beside():
    of = ground(warm_up=0)
    reserve = np.array([[0, 0, 1]])
    _, rules = by_the_hour(np.full((1, 48), 2), of, Rules(keep_free=reserve))
    assert rules.keep_free.shape == (1, of.priorities, 48)
    assert rules.keep_free[0, :, 5].tolist() == [0, 0, 1]
