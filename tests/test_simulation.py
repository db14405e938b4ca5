"""The simulation of dispatch: each rule on a few jobs, and what it says of bad input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bluelamp.errors import BadData
from bluelamp.simulation import Cover, Jobs, Rules, Travel, Units, replicate, simulate

ONE_PLACE = Cover.of([0])


def went(jobs, units, cover=ONE_PLACE, rules=None, travel=None, hours=10):
    """Give who went: (job, unit, minute sent), in order."""
    kept = simulate(jobs, units, cover, rules, travel, hours=hours, keep=True).sendings
    return list(zip(kept.job.tolist(), kept.unit.tolist(), kept.sent.tolist(), strict=True))


# ---- who goes first, and who goes ----


def test_urgent_jobs_go_first_then_those_that_were_ready_first():
    jobs = Jobs.of([0, 1, 2, 3], 10, priority=[1, 1, 1, 0])
    assert went(jobs, Units.of([0])) == [(0, 0, 0), (3, 0, 10), (1, 0, 20), (2, 0, 30)]


def test_jobs_of_one_minute_go_by_priority_and_what_is_open_from_before_by_when_it_was_ready():
    jobs = Jobs.of([0, 0, -20, -50], 10, priority=[1, 0, 1, 1])
    assert [job for job, _, _ in went(jobs, Units.of([0]))] == [1, 3, 2, 0]


def test_the_unit_that_has_been_free_longest_goes():
    jobs = Jobs.of([0, 1, 20, 21], [10, 2, 5, 5])
    assert went(jobs, Units.of([0, 0])) == [(0, 0, 0), (1, 1, 1), (2, 1, 20), (3, 0, 21)]


def test_the_nearest_unit_goes_where_that_is_the_rule_and_the_way_takes_what_hour_and_job_make_of_it():
    ways = Travel(np.array([[0, 10, 30], [10, 0, 8], [30, 8, 0]]), factor=np.array([1.0, 2.0]))
    jobs, units = Jobs.of([0, 70], 5, place=[2, 2], stretch=[0.5, 1.5]), Units.of([0, 0], place=[0, 1])
    found = simulate(jobs, units, Cover.of([0, 0, 0]), Rules(is_nearest=True), ways, hours=2, keep=True)
    assert found.sendings.unit.tolist() == [1, 1]
    # 8 minutes halved; then it is there already.
    assert found.arrived.tolist() == [4, 70]
    assert simulate(jobs, units, Cover.of([0, 0, 0]), None, ways, hours=2).arrived.tolist() == [15, 70 + 8 * 2 * 1.5]


def test_a_job_gets_a_unit_of_the_kind_and_with_the_abilities_that_it_wants():
    jobs = Jobs.of([0, 1, 2], 50, units=[[1, 0], [0, 1], [1, 0]], asks=[2, 0, 0])
    units = Units.of([0, 0, 0], kind=[0, 1, 0], abilities=[1, 1, 3])
    assert went(jobs, units) == [(0, 2, 0), (1, 1, 1), (2, 0, 2)]


# ---- pools ----


def test_a_place_asks_its_own_pool_then_others_and_help_comes_only_to_urgent_jobs():
    cover = Cover.of([0, 1, 2], also=[[1], [-1], [-1]], help=[[2], [-1], [-1]])
    jobs, units = Jobs.of([0, 1, 2, 3], 100, priority=[1, 1, 1, 0]), Units.of([0, 0, 0], pool=[0, 1, 2])
    rules = Rules(help_to=0, help_travel_factor=2)
    assert went(jobs, units, cover, rules) == [(0, 0, 0), (1, 1, 1), (3, 2, 3), (2, 0, 100)]
    found = simulate(dataclasses.replace(jobs, travel=np.full((4, 1), 5.0)), units, cover, rules, hours=2)
    assert found.is_helped.tolist() == [False, False, False, True]
    assert found.arrived[3] == 3 + 2 * 5


def test_help_comes_when_a_pool_has_nothing_of_its_own_to_do():
    cover = Cover.of([0, 1], help=[[1], [-1]])
    jobs, units = Jobs.of([0, 1, 2], [100, 20, 5], place=[1, 0, 1], priority=0), Units.of([0, 300], pool=[1, 0])
    assert went(jobs, units, cover, Rules(help_to=0), hours=5) == [(0, 0, 0), (2, 0, 100), (1, 0, 105)]


def test_the_pool_that_covers_a_place_changes_by_the_hour_and_takes_over_what_waits():
    jobs, units = Jobs.of([0, 10], 90), Units.of([0, 0], pool=[0, 1])
    assert went(jobs, units, Cover.of([[0, 1]]), hours=2) == [(0, 0, 0), (1, 1, 60)]


def test_some_units_stay_free_for_more_urgent_jobs():
    jobs, units = Jobs.of([0, 1, 2], 30, priority=[1, 1, 0]), Units.of([0, 0])
    rules = Rules(keep_free=np.array([[0, 1]]))
    assert went(jobs, units, rules=rules) == [(0, 0, 0), (2, 1, 2), (1, 0, 32)]


def test_units_that_stay_free_may_differ_by_the_hour_so_that_so_many_work_at_most():
    jobs, units = Jobs.of([0, 1, 65, 66], [90, 90, 30, 30]), Units.of([0, 0, 0])
    # Two of three work at most in the first hour and one in the second; in the third all of them.
    rules = Rules(keep_free=np.array([[[1, 2, 0]]]))
    assert went(jobs, units, rules=rules, hours=4) == [(0, 0, 0), (1, 1, 1), (2, 2, 91), (3, 0, 120)]


# ---- several units ----


def test_a_job_that_wants_several_at_once_waits_for_all_and_later_ones_wait_behind_it():
    jobs, units = Jobs.of([0, 1, 2], 20, units=[1, 2, 1], is_at_once=True), Units.of([0, 0])
    assert went(jobs, units) == [(0, 0, 0), (1, 1, 20), (1, 0, 20), (2, 0, 40)]
    assert went(jobs, units, rules=Rules(may_pass=True)) == [(0, 0, 0), (2, 1, 2), (1, 0, 22), (1, 1, 22)]


def test_units_go_as_they_come_until_the_first_has_left():
    jobs = Jobs.of([0, 1], [50, 20], units=[1, 2])
    found = simulate(jobs, Units.of([0, 0]), ONE_PLACE, hours=2)
    assert found.units.tolist() == [1, 1]
    assert np.isnan(found.all_arrived[1])
    longer = dataclasses.replace(jobs, first_minutes=np.array([50.0, 60.0]))
    found = simulate(longer, Units.of([0, 0]), ONE_PLACE, hours=2)
    assert found.units.tolist() == [1, 2]
    assert (found.arrived[1], found.all_arrived[1], found.left[1]) == (1, 50, 61)


# ---- duties ----


def test_a_job_outlasts_the_duty_as_overtime_and_near_its_end_only_urgent_ones_are_taken():
    jobs = Jobs.of([30, 40, 50], [10, 30, 30], priority=[1, 1, 0])
    found = simulate(jobs, Units.of([0, 90], [60, 200]), ONE_PLACE, Rules(last_minutes=25, last_for=0), hours=4)
    assert found.sent.tolist() == [30, 90, 50]
    assert found.overtime.tolist() == [20, 0]
    assert found.out_until.tolist() == [80, 200]


def test_a_break_comes_before_the_next_job_if_it_fits_into_the_duty():
    jobs = Jobs.of([0, 5], 20)
    units = Units.of([0], [120], break_from=10, break_minutes=30)
    assert went(jobs, units) == [(0, 0, 0), (1, 0, 50)]
    assert went(jobs, dataclasses.replace(units, ends=np.array([45.0]))) == [(0, 0, 0), (1, 0, 20)]


def test_vehicles_limit_who_is_out_and_briefing_delays_it():
    units = Units.of([0, 0], [60, 120], briefing=15)
    jobs = Jobs.of([0, 0], [10, 10])
    cover = Cover.of([0], vehicles=[1])
    assert went(jobs, units) == [(0, 0, 15), (1, 1, 15)]
    found = simulate(Jobs.of([0, 50], [30, 30]), units, cover, hours=3)
    assert found.out_from.tolist() == [0, 80]
    assert found.sent.tolist() == [15, 50]


def test_all_minutes_of_a_unit_are_free_briefing_travel_work_or_break():
    chance = np.random.default_rng(3)
    jobs = Jobs.of(np.sort(chance.uniform(0, 600, 60)), chance.exponential(30, 60), travel=5)
    units = Units.of([0, 30, 90], [400, 500, 580], briefing=10, break_from=200, break_minutes=45, pool=[0, 1, 2])
    found = simulate(jobs, units, Cover.of([0], also=[[1, 2]]), Rules(clearing=1), hours=20)
    np.testing.assert_allclose(found.minutes.sum(axis=(0, 2)), found.out_until - found.out_from)
    np.testing.assert_allclose(found.minutes[[2, 3]].sum(axis=(0, 2)), found.busy)
    np.testing.assert_allclose(found.minutes[4].sum(axis=1), 45)


def test_a_long_commitment_is_handed_over_and_not_overtime():
    guard = Jobs.of([0], 300, is_handed_over=True, travel=10)
    units = Units.of([0, 90, 220], [120, 240, 480])
    found = simulate(guard, units, ONE_PLACE, Rules(relief_before=20), hours=8, keep=True)
    # Asked for 20 minutes before the end, there 10 minutes later.
    assert found.sendings.unit.tolist() == [0, 1, 2]
    assert found.sendings.sent.tolist() == [0, 100, 220]
    assert found.sendings.left.tolist() == [110, 230, 310]
    assert found.overtime.tolist() == [0, 0, 0]
    assert found.left.tolist() == [310]
    alone = simulate(guard, Units.of([0], [120]), ONE_PLACE, Rules(relief_before=20), hours=8)
    assert alone.overtime.tolist() == [190]


# ---- what changes while a job waits, and after ----


def test_a_more_urgent_job_takes_a_unit_from_the_scene_and_what_was_left_is_done_later():
    jobs = Jobs.of([0, 20], [60, 10], priority=[1, 0], travel=5, may_be_left=True)
    takes = Rules(takes_from=np.array([[0, 2], [0, 0]]))
    found = simulate(jobs, Units.of([0]), ONE_PLACE, takes, hours=3, keep=True)
    assert found.sendings.job.tolist() == [0, 1, 0]
    # 15 of its 60 minutes were done when it was left at minute 20.
    assert found.left.tolist() == [35 + 5 + 45, 35]
    assert went(jobs, Units.of([0]), rules=Rules(takes_from=np.array([[0, 1], [0, 0]]))) == [(0, 0, 0), (1, 0, 65)]
    assert went(dataclasses.replace(jobs, may_be_left=np.zeros(2, dtype=bool)), Units.of([0]), rules=takes)[1][2] == 65


def test_a_unit_taken_on_its_way_has_not_arrived():
    jobs = Jobs.of([0, 3], [60, 10], priority=[1, 0], travel=5, may_be_left=True)
    found = simulate(jobs, Units.of([0]), ONE_PLACE, Rules(takes_from=np.array([[0, 1], [0, 0]])), hours=3)
    assert found.sent.tolist() == [0, 3]
    assert found.arrived.tolist() == [23, 8]


def test_a_job_that_becomes_more_urgent_goes_before_others_and_keeps_its_age():
    jobs = Jobs.of([0, 1, 2, 3], 20, priority=[1, 1, 1, 0], regraded_at=[np.nan, np.nan, 10, np.nan], regraded_to=0)
    assert [job for job, _, _ in went(jobs, Units.of([0]))] == [0, 2, 3, 1]


def test_a_job_lapses_when_nobody_has_been_sent_for_too_long_and_is_counted_as_waiting_until_then():
    jobs = Jobs.of([0, 5, 6], 200, patience=[np.inf, 90, 0])
    found = simulate(jobs, Units.of([0]), ONE_PLACE, hours=3)
    np.testing.assert_array_equal(found.lapsed, [np.nan, 95, 6])
    assert found.waiting.tolist() == [[[0, 1, 0, 0]]]
    assert found.oldest.tolist() == [[[0, 55, 0, 0]]]


def test_a_job_comes_back_after_its_parents_first_unit_has_left():
    jobs = Jobs.of([0, 30], [20, 5], parent=[-1, 0], after_minutes=[15, 0], travel=4)
    found = simulate(jobs, Units.of([0, 0]), ONE_PLACE, hours=2)
    assert found.ready.tolist() == [0, 4 + 20 + 30]
    never = simulate(jobs, Units.of([110]), ONE_PLACE, hours=2)
    np.testing.assert_array_equal(never.ready, [0, np.nan])


# ---- two plans ----


def test_two_plans_on_the_same_jobs_differ_by_their_plan_alone():
    chance = np.random.default_rng(5)
    jobs = Jobs.of(
        np.sort(chance.uniform(0, 3_000, 400)), chance.exponential(20, 400), place=chance.integers(0, 2, 400)
    )
    cover = Cover.of([0, 1])
    before = simulate(jobs, Units.of(np.zeros(4), pool=[0, 0, 1, 1]), cover, hours=50)
    after = simulate(jobs, Units.of(np.zeros(5), pool=[0, 0, 1, 1, 1]), cover, hours=50)
    there = jobs.place == 1
    np.testing.assert_array_equal(before.sent[~there], after.sent[~there])
    assert (np.nan_to_num(after.sent - before.sent)[there] <= 0).all()
    assert (after.sent < before.sent)[there].sum() > 50


def test_runs_on_threads_come_in_order_and_are_the_same_as_one_by_one():
    runs = [Jobs.of(np.arange(50.0), np.random.default_rng(run).exponential(3, 50)) for run in range(5)]
    told: list[int] = []
    found = replicate(runs, Units.of([0, 0]), ONE_PLACE, hours=4, tell=told.append)
    assert told == [1, 2, 3, 4, 5]
    for jobs, each in zip(runs, found, strict=True):
        np.testing.assert_array_equal(each.sent, simulate(jobs, Units.of([0, 0]), ONE_PLACE, hours=4).sent)


# ---- bounds ----


def test_nothing_happens_without_jobs():
    found = simulate(Jobs.of([], []), Units.of([0]), ONE_PLACE, hours=2)
    assert len(found.sent) == 0
    assert found.minutes[:, 0].tolist() == [[60, 60], [0, 0], [0, 0], [0, 0], [0, 0]]


def test_with_more_work_than_units_jobs_wait_and_are_counted():
    found = simulate(Jobs.of(np.arange(0.0, 600, 2), 30), Units.of([0]), ONE_PLACE, hours=10)
    assert found.waiting[0, 0, -1] == 300 - 20
    assert found.busy.tolist() == [600]


def test_three_thousand_units_are_no_trouble():
    chance = np.random.default_rng(9)
    jobs = Jobs.of(np.sort(chance.uniform(0, 1_440, 20_000)), chance.exponential(150, 20_000))
    found = simulate(jobs, Units.of(chance.uniform(0, 60, 3_000)), ONE_PLACE, hours=24)
    assert not np.isnan(found.sent[jobs.ready > 60]).any()


FINE = {"jobs": Jobs.of([0, 1], [10, 20]), "units": Units.of([0, 0], [60, 60]), "cover": ONE_PLACE}


def test_what_one_run_borrows_leaves_another_as_it_was():
    def run(seed: int, number: int):
        chance = np.random.default_rng(seed)
        jobs = Jobs.of(
            np.sort(chance.random(number) * 200),
            chance.random(number) * 60,
            parent=np.where(np.arange(number) % 5 == 4, np.arange(number) - 1, -1),
            regraded_at=chance.random(number) * 200,
            regraded_to=1,
        )
        return simulate(jobs, Units.of(np.zeros(3)), Cover.of([0]), hours=4, keep=True)

    first = run(1, 60)
    kept = [np.array(each) for each in (*first[:-1], *first.sendings)]
    run(2, 90)
    run(3, 20)
    for before, now in zip(kept, (*first[:-1], *first.sendings), strict=True):
        np.testing.assert_array_equal(before, now)
    for before, again in zip(kept[: len(first) - 1], run(1, 60)[:-1], strict=True):
        np.testing.assert_array_equal(before, again)


BAD = {
    "negative minutes": (
        {"jobs": Jobs.of([0, 1], [10, -20], further_minutes=0)},
        "'first_minutes' of jobs must be 0 or more, and finite, but 1 of 2 are not. The first is -20, at index 1.",
    ),
    "lengths that differ": (
        {"jobs": Jobs.of([0, 1], [10, 20], patience=[1, 2, 3])},
        "'patience' has 3 entries for 2 jobs. Give one each.",
    ),
    "half a unit": (
        {"jobs": Jobs.of([0, 1], [10, 20], units=[1, 1.5])},
        "'units' of jobs must be a whole number, but 1 of 2 are not. The first is 1.5, at index (1, 0).",
    ),
    "a kind that nobody has": (
        {"jobs": Jobs.of([0, 1], [10, 20], units=[[1, 0], [1, 1]])},
        "A unit of kind 1 is wanted by 1 job, first the one at index 1, but no unit is of that kind.",
    ),
    "an ability that nobody has": (
        {"jobs": Jobs.of([0, 1], 9, asks=[0, 4]), "units": Units.of([0, 0], abilities=[1, 3])},
        "No unit of kind 0 has all the abilities that the bits 100 ask for; first asked by the job at index 1.",
    ),
    "more at once than there are": (
        {"jobs": Jobs.of([0, 1], 9, units=[1, 3], is_at_once=True)},
        "More units of kind 0 than there are are wanted at once by 1 job, first the one at index 1: 3 of 2.",
    ),
    "no unit wanted": (
        {"jobs": Jobs.of([0, 1], 9, units=[1, 0])},
        "No unit at all is wanted by 1 job, first the one at index 1. Leave out jobs that nobody is sent to.",
    ),
    "a place that no pool covers": (
        {"jobs": Jobs.of([0, 1], 9, place=[0, 1]), "cover": Cover.of([0, 1])},
        "1 job in 1 place can be sent to by nobody, first in place 1: no pool that covers it has a unit. Name one in "
        "'own' or 'also', or give the pool units.",
    ),
    "a place that cover does not know": (
        {"jobs": Jobs.of([0, 1], 9, place=[0, 7])},
        "'place' of jobs must be one of the 1 place that cover speaks of, but 1 of 2 are not. The first is 7, at index "
        "1.",
    ),
    "a duty that ends before it starts": (
        {"units": Units.of([0, 60], [60, 10])},
        "1 unit would end at or before the start, first the one at index 1: 60 to 10. Night duties end on the next "
        "day.",
    ),
    "cover for other hours": (
        {"cover": Cover.of([[0, 0, 0]])},
        "'own' must have one column, or one for each of the 4 hours, but has the shape (1, 3).",
    ),
    "an unknown way": (
        {"jobs": Jobs.of([0, 1], 9, travel=[3, np.nan])},
        "'travel' of jobs must be known where no matrix of travel is given, but 1 of 2 are not. The first is nan, at "
        "index (1, 0).",
    ),
    "a matrix for other places": (
        {"travel": Travel(np.zeros((2, 2)))},
        "'minutes' of travel must be 1 × 1, from each of the places that cover speaks of to each, but has the shape "
        "(2, 2).",
    ),
    "a circle of parents": (
        {"jobs": Jobs.of([0, 1], 9, parent=[1, 0])},
        "Jobs follow each other in a circle, first the one at index 0: a parent comes before.",
    ),
    "a commitment of two": (
        {"jobs": Jobs.of([0, 1], 9, units=[1, 2], is_handed_over=True)},
        "Several units, or one that may be left, are wanted by 1 job to be handed over, first the one at index 1. A "
        "commitment is held by one unit at a time: make one job for each.",
    ),
    "units taken for less urgent jobs": (
        {"rules": Rules(takes_from=np.array([[0, 0], [1, 0]]))},
        "The rule 'takes_from' must hold 0, 1 (from the way) or 2 (from the scene too), and only to the right of its "
        "diagonal: a unit is taken for more urgent jobs from less urgent ones.",
    ),
    "a reserve for other pools": (
        {"rules": Rules(keep_free=np.zeros((0, 1), dtype=int))},
        "The rule 'keep_free' must have a row for each of the 1 pool and a column for each priority (and, if it "
        "changes, a number for each hour), but has the shape "
        "(0, 1).",
    ),
    "units aside of other pools": (
        {"rules": Rules(is_nearest=True, aside=np.zeros((2, 4), dtype=int))},
        "The rule 'aside' must have a row for each of the 1 pool and one number, or one for each of the 4 hours, but "
        "has the shape (2, 4).",
    ),
    "a rule below 0": (
        {"rules": Rules(clearing=-1)},
        "The rule 'clearing' must be 0 or more, and finite, but is -1.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_in_a_sentence(case):
    given, sentence = BAD[case]
    with pytest.raises(BadData) as caught:
        simulate(**(FINE | given), hours=4)
    assert sentence in caught.value.problems


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(BadData, match="3 things to put right") as caught:
        simulate(Jobs.of([np.nan], [-1], further_minutes=0), Units.of([0]), ONE_PLACE, hours=0)
    assert len(caught.value.problems) == 3
