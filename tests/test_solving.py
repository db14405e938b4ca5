"""The fewest units by simulation: targets hold on weeks not seen, nobody too many, and plans differ by their plan."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from bluelamp.drawn_work import Came, Drawn, Ground, by_the_hour
from bluelamp.pools import lay_out_pools
from bluelamp.queueing import units_for_target
from bluelamp.simulation import simulate
from bluelamp.solving import Answered, Pieces, Search, answer, most_late, put_out, solve
from tests.drawn import drawn
from tests.offered import LONDON, STANDARD, hours_from

SERVICE = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | sd_minutes | source",
    "x          | 1          | 1              | 1                    | 47               | 40         | drawn",
)
TARGETS = drawn("standards", STANDARD, "1 | all | 15 | 0.9 | received | arrived | 2 | 7")
POOLS = ("A | response | a | 0 | 24", "B | response | b | 0 | 24")


@lru_cache(maxsize=2)
def ground(days: int = 1) -> Ground:
    hours = hours_from(days=days)
    cover = drawn("pools", "pool_id | role_code | area_id | from_hour | to_hour", *POOLS)
    return Ground.lay(
        hours, lay_out_pools(cover, "response", ["a", "b"], hours, LONDON), [("x", "1")], ["all", "all"], SERVICE,
        TARGETS, LONDON,
    )  # fmt: skip


def busy(hour: np.ndarray) -> np.ndarray:
    """Calls an hour in area 'a': a wave with its peak in the evening."""
    return 4.0 + 3.0 * np.sin((hour - 12) / 24 * 2 * np.pi)


@lru_cache(maxsize=4)
def cases(seed: int, runs: int = 150, days: int = 1) -> tuple[Drawn, ...]:
    """Runs in which area 'a' has a wave of calls and 'b' one an hour."""
    found = []
    for run in range(runs):
        random = np.random.default_rng([seed, run])
        minutes = [
            60 * (hour + random.random(random.poisson(rate)))
            for area in range(2)
            for hour, rate in enumerate(busy(np.arange(24 * days)) if area == 0 else np.ones(24 * days))
        ]
        counts = [len(each) for each in minutes]
        area = np.repeat(np.repeat([0, 1], 24 * days), counts)
        minute = np.concatenate(minutes)
        came = Came(area, np.zeros(len(area), dtype=np.int64), minute, random.random(len(area)))
        found.append(ground(days).draw(came, random))
    return tuple(found)


def start_of(units: int) -> tuple[Pieces, np.ndarray]:
    pieces = Pieces.of_hours(ground().pool_hours.runs)
    return pieces, np.full(len(pieces), units)


def judge(pieces: Pieces, number: np.ndarray) -> Answered:
    """Judge a plan on days that no search has seen."""
    units, rules = put_out(pieces, number, ground())
    return answer(ground(), cases(2), units, rules=rules)


NOBODY = np.zeros((2, 24), dtype=np.int64)


def test_shares_late_are_those_of_the_calls_in_the_pool_and_hour_that_they_came_in():
    units, rules = by_the_hour(np.full((2, 24), 6), ground())
    found = answer(ground(), cases(1)[:3], units, rules=rules)
    calls, late = np.zeros((2, 24)), np.zeros((2, 24))
    for case in cases(1)[:3]:
        outcome = simulate(case.jobs, units, ground().cover, rules, hours=ground().hours)
        for ready, arrived, place in zip(outcome.ready, outcome.arrived, case.jobs.place, strict=True):
            hour = int(ready // 60) - ground().warm_up
            if hour >= 0 and ready + 13 <= 60 * ground().hours:
                calls[place, hour] += 1
                late[place, hour] += not arrived - ready <= 13
    assert found.calls[0].tolist() == calls.tolist()
    assert found.late[0].tolist() == late.tolist()
    assert found.calls_by_run.sum(axis=0)[0].tolist() == calls.sum(axis=1).tolist()
    assert found.runs == 3


@pytest.mark.parametrize("units", [2, 16])
def test_too_few_are_added_and_too_many_taken_until_targets_hold_on_weeks_not_seen(units):
    pieces, start = start_of(units)
    found = solve(ground(), cases(1), pieces, start, NOBODY, unseen=cases(3))
    assert (found.added, found.taken)[units == 2] >= 0
    judged = judge(pieces, found.number)
    over = judged.share_late[0] - 0.1
    assert (over <= 0.02 + 2 * judged.error[0]).mean() >= 0.95
    fewer = judge(pieces, np.maximum(found.number - 1, 0))
    assert (fewer.share_late[0] > 0.1).mean() > 0.6
    # What a steady state would ask for in the busiest and the quietest hour is near.
    most = units_for_target(7 * 47 / 60, 6, 47, 0.9)
    assert abs(int(found.units[0].max()) - int(most)) <= 1


def test_the_peak_of_units_comes_after_the_peak_of_calls():
    pieces, start = start_of(8)
    found = solve(ground(), cases(1, 60), pieces, start, NOBODY, search=Search(tries=20))
    wave = np.exp(2j * np.pi * np.arange(24) / 24)
    later = np.angle((found.units[0] * wave).sum() / (busy(np.arange(24)) * wave).sum()) / (2 * np.pi) * 24
    assert 0.2 < later < 2.5


def test_no_hour_falls_below_the_minimum_strength():
    least = NOBODY.copy()
    least[1, 3:7] = 9
    pieces, start = start_of(1)
    found = solve(ground(), cases(1, 20), pieces, start, least, search=Search(tries=6))
    assert (found.units >= least).all()
    assert found.units[1, 3:7].tolist() == [9] * 4


def test_duties_are_added_whole_and_cover_every_hour():
    first = np.array([0, 6, 12, 18] * 2)
    pieces = Pieces(np.repeat([0, 1], 4), first, first + 6)
    found = solve(ground(), cases(1), pieces, np.full(8, 3), NOBODY, unseen=cases(3))
    assert (np.diff(found.units.reshape(2, 4, 6), axis=2) == 0).all()
    units, _ = put_out(pieces, found.number, ground())
    minute = 60 * np.arange(36) + 30.0
    there = ((units.starts[:, None] <= minute) & (minute < units.ends[:, None]) & (units.pool == 0)[:, None]).sum(
        axis=0
    )
    assert there[12:].tolist() == found.units[0].tolist()
    assert there[:12].tolist() == found.units[0, 12:].tolist()
    judged = judge(pieces, found.number)
    assert (judged.share_late[0] - 0.1 <= 0.02 + 2 * judged.error[0]).mean() >= 0.95


def test_a_search_gives_the_same_plan_twice():
    pieces, start = start_of(7)
    numbers = [
        solve(ground(), cases(1, 30), pieces, start, NOBODY, search=Search(tries=8)).number.tolist() for _ in range(2)
    ]
    assert numbers[0] == numbers[1]


def test_what_was_found_on_too_few_draws_is_repaired_on_others_and_never_by_taking_away():
    pieces, start = start_of(6)
    alone, repaired = (
        solve(ground(), cases(1, 12), pieces, start, NOBODY, unseen=unseen, search=Search(tries=24))
        for unseen in ((), cases(3))
    )
    assert (repaired.number >= alone.number).all()
    assert repaired.added > alone.added
    missed = [int((judge(pieces, each.number).share_late[0] > 0.12).sum()) for each in (alone, repaired)]
    assert missed[0] > 3 * max(missed[1], 1)


def seen(told: list[float], late: float = 0.1, alike: float = 1.0, far: float = 0.0) -> Answered:
    """Hours of one pool and target in which so many calls tell how late they are."""
    calls = np.array([[told]])
    none = np.zeros_like(calls)
    return Answered(
        1, calls, calls, late * calls, none[0], none[0], 0.0, *[none] * 5, far * calls, np.full_like(calls, alike)
    )


def test_the_fewer_calls_tell_the_fewer_may_be_late_between_the_target_and_a_point_below_it():
    allowed, search = np.array([0.1]), Search()
    most = most_late(seen([1e6, 3000.0, 2000.0, 50.0, 0.0]), allowed, search)[0, 0]
    assert (np.diff(most) <= 0).all()
    assert most[[0, -2, -1]] == pytest.approx([0.1, 0.09, 0.09])
    # Calls that come in bunches tell as much as so many fewer.
    bunched = most_late(seen([6000.0] * 5, alike=3.0), allowed, search)[0, 0]
    assert bunched == pytest.approx(most_late(seen([2000.0] * 5), allowed, search)[0, 0])
    # More hours and more tries are more chances to be mistaken.
    assert (most_late(seen([2000.0] * 500), allowed, search)[0, 0, 0] < bunched[0]).all()
    assert (most_late(seen([2000.0] * 5), allowed, Search(tries=800))[0, 0, 0] < bunched[0]).all()
    assert most_late(seen([1e6], far=0.4), allowed, search)[0, 0, 0] == pytest.approx(0.4 + 0.6 * 0.1)


def test_an_hour_beyond_its_tolerance_passes_both_draws_about_as_often_as_the_doubt_says_and_no_more():
    # One hour that is looked at once has all the doubt for itself.
    search, calls = Search(doubt=0.001, tries=1, repairs=1), 600
    late = np.random.default_rng(5).binomial(calls, 0.12, (2, 200_000)) / calls
    most = most_late(seen([float(calls)]), np.array([0.1]), search)[0, 0, 0]
    assert 0.09 < most < 0.1
    assert 0.0003 < (late <= most).all(axis=0).mean() <= 0.0011


def test_calls_that_came_nowhere_have_no_share_and_a_few_calls_a_wide_error():
    zero = np.zeros((1, 1, 2))
    told = np.array([[[0.0, 10.0]]])
    found = Answered(1, told, told, np.array([[[0.0, 0.0]]]), zero[0], zero[0], 0.0, *[zero] * 6, np.ones((1, 1, 2)))
    assert np.isnan(found.share_late[0, 0, 0])
    assert found.share_late[0, 0, 1] == 0
    assert found.error[0, 0, 1] == pytest.approx(np.sqrt(2 / 14 * 12 / 14 / 14))


def test_calls_that_are_late_together_tell_less_than_as_many_that_are_not():
    units, rules = by_the_hour(np.full((2, 24), 5), ground())
    found = answer(ground(), cases(1), units, rules=rules)
    # Nine calls an hour wait in one line; where one comes an hour, each is almost alone.
    assert found.alike[0, 0, 17:20].min() > 2
    assert np.median(found.alike[0, 1]) < 1.3
    alone = found.late / found.told
    assert (found.error[0, 0, 17:20] > 1.3 * np.sqrt(alone * (1 - alone) / found.told)[0, 0, 17:20]).all()
