"""Work brought to pools: loads, carried loads, targets and who they speak of."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from bluelamp import queueing
from bluelamp.offered_work import SAMPLES, read_targets
from tests.drawn import drawn
from tests.offered import ONE_HOUR, STANDARD, offered, one_pool

SERVICE = "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | source"


# ---- targets ----


def targets(*rows: str, grades: tuple[str, ...] = ("1",), kinds: tuple[str, ...] = ("all",), day=date(2026, 1, 5)):
    standards = drawn("standards", f"{STANDARD} | valid_from | valid_to", *rows)
    return read_targets(standards, grades, kinds, day)


@pytest.mark.parametrize(
    ("clock", "waiting", "other"),
    [
        ("received | arrived", 6, 9),
        ("received | dispatched", 13, 2),
        ("dispatched | arrived", 8, 7),
        ("dispatched | dispatched", 15, 0),
        ("last_upgrade | arrived", 6, 9),
    ],
)
def test_handling_and_travel_leave_less_to_wait_where_the_clock_runs_during_them(clock, waiting, other):
    (target,) = targets(f"1 | all | 15 | 0.9 | {clock} | 2 | 7 | |")
    assert (target.waiting_minutes, target.other_minutes, target.target_share) == (waiting, other, 0.9)


def test_a_target_shorter_than_the_way_leaves_no_wait_and_not_less_than_none():
    (target,) = targets("1 | all | 5 | 0.9 | received | arrived | 2 | 7 | |")
    assert target.waiting_minutes == 0
    assert target.other_minutes == 9


def test_what_is_not_known_of_handling_and_travel_takes_nothing_off():
    (target,) = targets("1 | all | 15 | 0.9 | received | arrived | | | |")
    assert target.waiting_minutes == 15


def test_the_nearest_row_is_taken_for_each_grade_and_kind():
    rows = (
        "all | all   | 60 | 0.8 | received | arrived | 0 | 0 | |",
        "all | rural | 50 | 0.8 | received | arrived | 0 | 0 | |",
        "1   | all   | 20 | 0.9 | received | arrived | 0 | 0 | |",
        "1   | urban | 10 | 0.9 | received | arrived | 0 | 0 | |",
    )
    found = targets(*rows, grades=("1", "2"), kinds=("all", "rural", "urban"))
    assert [(each.grade_code, each.area_kind, each.waiting_minutes) for each in found] == [
        ("1", "all", 20), ("1", "rural", 20), ("1", "urban", 10),
        ("2", "all", 60), ("2", "rural", 50), ("2", "urban", 60),
    ]  # fmt: skip


def test_of_rows_that_hold_the_one_that_began_last_is_taken_in_whatever_order_they_come():
    rows = [
        "1 | all | 30 | 0.9 | received | dispatched | 0 | 0 | |",
        "1 | all | 20 | 0.9 | received | dispatched | 0 | 0 | 2026-01-01 |",
        "1 | all | 10 | 0.9 | received | dispatched | 0 | 0 | 2026-02-01 |",
        "1 | all |  5 | 0.9 | received | dispatched | 0 | 0 | 2025-01-01 | 2025-12-31",
    ]
    for given in (rows, rows[::-1]):
        assert [each.waiting_minutes for each in targets(*given)] == [20]


def test_a_grade_without_a_row_has_no_target():
    assert targets("2 | all | 15 | 0.9 | received | arrived | 2 | 7 | |") == []
    assert targets("1 | urban | 15 | 0.9 | received | arrived | 2 | 7 | |", kinds=("all",)) == []


# ---- loads ----


def test_load_is_incidents_times_share_units_and_hours():
    service = drawn("service_times", SERVICE, "x | 1 | 0.5 | 2 | 90 | drawn", "x | all | 1 | 1 | 30 | drawn")
    work = offered({("a", "1"): 4.0, ("b", "2"): 6.0}, service_times=service)
    # Grade 1: 2 get a unit, 4 units are sent for 1.5 hours; grade 2: 6 units for half an hour.
    assert work.grades == ["1", "2"]
    np.testing.assert_allclose(work.mean_load_by_grade[:, 0], [[6.0] * 24, [3.0] * 24])
    np.testing.assert_allclose(work.mean_load, 9.0)
    np.testing.assert_allclose(work.arrivals[0, :, 0], [[2.0] * 24, [6.0] * 24])
    np.testing.assert_allclose(work.service_minutes, 60 * 9 / 10)
    np.testing.assert_allclose(work.share_of_load[:, 0], [[2 / 3] * 24, [1 / 3] * 24])


def test_a_class_that_nothing_is_known_of_gets_no_unit():
    service = drawn("service_times", SERVICE, "y | all | 1 | 1 | 60 | drawn")
    work = offered({("a", "1"): 4.0}, service_times=service)
    assert work.load.max() == work.carried.max() == work.arrivals.max() == 0


def test_jobs_of_no_minutes_keep_nobody_busy():
    service = drawn("service_times", SERVICE, "x | 1 | 1 | 1 | 0 | drawn", "x | 2 | 1 | 1 | 60 | drawn")
    work = offered({("a", "1"): 4.0, ("a", "2"): 2.0}, service_times=service)
    np.testing.assert_allclose(work.load, 2.0)
    np.testing.assert_allclose(work.carried, 2.0, atol=0.01)
    only = offered({("a", "1"): 4.0}, service_times=service)
    assert only.load.max() == 0
    assert (only.service_minutes > 0).all()


def test_where_demand_is_flat_what_is_carried_is_what_arrives():
    work = offered({("a", "1"): 4.0, ("b", "1"): 2.5}, multipliers=[0.5, 1, 2])
    np.testing.assert_allclose(work.carried, work.load)
    np.testing.assert_allclose(work.load[:, 0, 0], [3.25, 6.5, 13.0])


def test_work_is_carried_over_when_the_day_pools_hand_over_to_the_night():
    cover = drawn(
        "pools",
        "pool_id | role_code | area_id | from_hour | to_hour",
        "day     | response  | a       | 7         | 22",
        "night   | response  | a       | 22        | 7",
    )
    rate = np.where(np.arange(24) < 22, 6.0, 0.0)
    work = offered({("a", "1"): rate}, pools=cover)
    night = work.pool_hours.pool_ids.index("night")
    # Jobs last an hour on average, so that a share of exp(-1) of them is left an hour later.
    np.testing.assert_allclose(work.carried[0, night, 22:], [6.0, 6.0 * np.exp(-1)])
    assert work.load[0, night, 22:].tolist() == [0, 0]
    assert work.carried[0, 1 - night, 22:].tolist() == [0, 0]


def test_samples_multiply_days_and_no_more_of_them_are_used_than_needed():
    work = offered({("a", "1"): 2.0}, multipliers=np.linspace(0.5, 1.5, 200))
    assert work.load.shape[0] == SAMPLES
    np.testing.assert_allclose(work.load[:, 0, 0], 2.0 * np.linspace(0.5, 1.5, 200)[:SAMPLES])
    np.testing.assert_allclose(work.mean_load, 2.0)


def test_grades_are_ordered_by_the_shortest_wait_that_they_leave():
    standards = drawn(
        "standards",
        STANDARD,
        "1 | urban | 15 | 0.9 | received | arrived | 2 | 7",
        "1 | rural | 20 | 0.9 | received | arrived | 2 | 7",
        "2 | all   | 60 | 0.8 | received | arrived | 2 | 7",
    )
    rates = {("a", "1"): 1.0, ("b", "2"): 1.0, ("b", "3"): 1.0}
    work = offered(rates, standards=standards, kinds={"a": "urban", "b": "rural"})
    assert work.urgency.tolist() == [[6.0] * 24, [51.0] * 24, [np.inf] * 24]


# ---- whom a target speaks of ----

BY_KIND = drawn(
    "standards",
    STANDARD,
    "1 | urban | 15 | 0.9 | received | arrived | 2 | 7",
    "1 | rural | 20 | 0.9 | received | arrived | 2 | 7",
    "1 | all   | 30 | 0.9 | received | arrived | 2 | 7",
)


def test_a_target_of_a_kind_of_area_speaks_of_that_share_of_the_calls():
    work = offered({("a", "1"): 3.0, ("b", "1"): 1.0}, standards=BY_KIND, kinds={"a": "urban", "b": "rural"})
    share = {
        target.area_kind: work.target_share_of_arrivals[number, 0, 0] for number, target in enumerate(work.targets)
    }
    assert share == pytest.approx({"urban": 0.75, "rural": 0.25})


def test_shares_of_kinds_make_a_whole_in_every_pool_although_some_places_are_unknown():
    cover = drawn(
        "pools",
        "pool_id | role_code | area_id | from_hour | to_hour",
        "small   | response  | a       | 0         | 24",
        "big     | response  | b       | 0         | 24",
    )
    rates = {("a", "1"): 0.2, ("b", "1"): 8.0, ("unknown", "1"): 2.0}
    work = offered(rates, pools=cover, standards=BY_KIND, kinds={"a": "rural", "b": "urban"})
    np.testing.assert_allclose(work.target_share_of_arrivals.sum(axis=0), 1.0)
    assert work.target_share_of_arrivals.max() <= 1
    np.testing.assert_allclose(work.arrivals[0].sum(axis=1), 10.2)
    np.testing.assert_allclose(work.mean_load_by_grade.sum(axis=0), work.mean_load)


def test_grades_add_up_to_the_load_although_some_places_are_unknown():
    cover = drawn(
        "pools",
        "pool_id | role_code | area_id | from_hour | to_hour",
        "p       | response  | a       | 0         | 24",
        "q       | response  | b       | 0         | 24",
    )
    rates = {("a", "1"): 3.0, ("a", "2"): 1.0, ("b", "1"): 1.0, ("b", "2"): 4.0, ("unknown", "2"): 2.0}
    work = offered(rates, pools=cover)
    np.testing.assert_allclose(work.mean_load_by_grade.sum(axis=0), work.mean_load)
    np.testing.assert_allclose(work.mean_load.sum(axis=0), 11.0)


def test_the_carried_load_of_a_pool_is_that_of_its_areas_together():
    rate = np.array([2.0] * 8 + [7.0] * 4 + [1.0] * 12)
    apart = offered({("a", "1"): rate, ("b", "1"): 2 * rate}, districts={"a": 0, "b": 1})
    together = offered({("a", "1"): 3 * rate}, pools=one_pool("a"))
    np.testing.assert_allclose(apart.carried, together.carried)
    expected = queueing.carried_load(3 * rate, 60).max_of_hour
    np.testing.assert_allclose(together.carried[0, 0], expected)


def test_the_drawn_hour_is_an_hour():
    assert ONE_HOUR["minutes_per_unit"].to_list() == [60.0]


# ---- what calls lead to ----

AFTER = f"{SERVICE} | write_up_minutes | long_minutes | long_stay_minutes"


def test_write_up_lengthens_the_time_that_a_call_takes_its_units():
    service = drawn("service_times", AFTER, "x | all | 1 | 2 | 60 | drawn | 30 | |")
    work = offered({("a", "1"): 4.0}, service_times=service)
    np.testing.assert_allclose(work.mean_load, 4 * (2 * 60 + 30) / 60)
    np.testing.assert_allclose(work.service_minutes, 75)
    np.testing.assert_allclose(work.write_up_load, 2.0)
    assert not offered({("a", "1"): 4.0}, service_times=service, write_up=False).write_up_load.any()


def test_work_without_a_log_comes_with_every_hour_at_calls():
    service = drawn("service_times", AFTER, "x | all | 1 | 1 | 60 | drawn | 30 | |")
    work = offered({("a", "1"): 4.0}, service_times=service, without_log=0.25)
    np.testing.assert_allclose(work.without_log_load, 1.0)
    np.testing.assert_allclose(work.mean_load, 4 * 1.25 + 2)


def test_whoever_is_at_a_long_commitment_is_away_and_not_in_the_queue():
    service = drawn("service_times", AFTER, "x | all | 0.5 | 1 | 60 | drawn | | 120 | 240")
    work = offered({("a", "1"): 3.0}, service_times=service, multipliers=[1.0] * SAMPLES)
    np.testing.assert_allclose(work.mean_load, 1.5)
    np.testing.assert_allclose(work.long_load, 3.0)
    assert work.away.shape == (SAMPLES, 1, 24)
    assert work.away.mean() == pytest.approx(3.0, rel=0.03)
    assert work.away.var() == pytest.approx(3.0, rel=0.1)
    assert not offered({("a", "1"): 3.0}, service_times=service, long_commitments=False).away.any()


def test_a_long_commitment_is_still_there_hours_after_the_call():
    service = drawn("service_times", AFTER, "x | all | 1 | 1 | 60 | drawn | | 60 | 300")
    rates = np.zeros(24)
    rates[10] = 5.0
    away = offered({("a", "1"): rates}, service_times=service).long_load[0]
    assert away[:10].max() == 0
    assert away.argmax() in (10, 11)
    assert away[15] > away[11] * 0.4, "the load of calls has gone by then"
    assert away.sum() == pytest.approx(5.0 * 1.0, rel=0.1)


def test_units_away_go_with_no_sample_of_demand():
    service = drawn("service_times", AFTER, "x | all | 1 | 1 | 60 | drawn | | 240 | 240")
    work = offered({("a", "1"): 3.0}, service_times=service, multipliers=list(np.linspace(0.5, 1.5, SAMPLES)))
    assert abs(np.corrcoef(work.load[:, 0, 0], work.away[:, 0, 0])[0, 1]) < 0.1


# ---- streams ----

STREAMED = f"{STANDARD} | stream"


def test_a_stream_is_what_the_force_says_and_else_goes_by_the_target():
    rows = drawn(
        "standards", STREAMED,
        "1 | all | 15   | 0.9 | received | arrived | 2 | 7 |",
        "2 | all | 120  | 0.9 | received | arrived | 2 | 7 |",
        "3 | all | 2880 | 0.9 | received | arrived | 2 | 7 |",
        "4 | all | 60   | 0.9 | received | arrived | 2 | 7 | deferrable",
        "5 | all | 60   | 0.9 | received | arrived | 2 | 7 | scheduled",
    )  # fmt: skip
    work = offered({("a", grade): 1.0 for grade in "123456"}, standards=rows)
    assert [work.stream_of(grade) for grade in range(6)] == [
        "immediate", "immediate", "deferrable", "deferrable", "scheduled", None,
    ]  # fmt: skip


def test_who_has_a_slot_keeps_a_unit_busy_and_waits_in_no_queue():
    rows = drawn("standards", STREAMED, "1 | all | 15 | 0.9 | received | arrived | 2 | 7 | scheduled")
    work = offered({("a", "1"): 4.0}, standards=rows)
    np.testing.assert_allclose(work.mean_load, 4.0)
    assert not work.holds.any()
    assert not work.target_share_of_arrivals.any()


def test_incidents_of_grades_add_up_in_areas_and_pools_whether_or_not_a_unit_goes():
    service = drawn("service_times", SERVICE, "x | 1 | 0.5 | 1 | 60 | drawn", "x | 2 | 0 | 1 | 60 | drawn")
    work = offered({("a", "1"): 4.0, ("b", "2"): 3.0}, service_times=service)
    np.testing.assert_allclose(work.pool_incidents[:, 0], [[4.0] * 24, [3.0] * 24])
    np.testing.assert_allclose(work.area_incidents.sum(axis=1), work.pool_incidents[:, 0])
