"""Appointments: work that is done in slots of a later day."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from bluelamp import periods
from bluelamp.drawn_work import Came, Ground
from bluelamp.pools import lay_out_pools
from bluelamp.slots import Slots
from tests.drawn import drawn
from tests.offered import LONDON, STANDARD, hours_from, offered, one_pool

BOOKED = drawn(
    "standards", f"{STANDARD} | stream", "1 | all | 15 | 0.9 | received | arrived | 0 | 0 | immediate",
    "4 | all | 2880 | 0.9 | received | arrived | 0 | 0 | scheduled",
)  # fmt: skip
SERVICE = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | sd_minutes | source",
    "x          | all        | 1              | 1                    | 60               | 0          | drawn",
)


def nine_to_five(days: int = 3, after: int = 1, hours: pl.Series | None = None) -> Slots:
    return Slots.lay_out(
        hours_from(days=days) if hours is None else hours, LONDON, from_hour=9, to_hour=17, days_after=after
    )


def test_work_goes_to_the_next_days_slots_evenly_and_none_is_lost_between():
    came = np.zeros((2, 72))
    came[0, 20], came[1, 24 + 3] = 8.0, 4.0
    moved = nine_to_five().move(came)
    # The first day's slots are like those after them, because nobody knows what was agreed the day before.
    assert moved[0, 9:17].tolist() == [1.0] * 8
    assert moved[0, 33:41].tolist() == [1.0] * 8
    assert moved[1, 57:65].tolist() == [0.5] * 8
    assert moved.sum() == 20


def test_drawn_calls_lie_where_moved_work_does():
    slots = nine_to_five(days=6)
    random = np.random.default_rng(1)
    minute = random.random(60_000) * 60 * 24 * 4
    found = slots.draw(minute, random.random(60_000))
    hour = (found // 60).astype(int)
    expected = slots.move(np.bincount((minute // 60).astype(int), minlength=144).astype(float))
    counts = np.bincount(hour, minlength=144)
    assert counts[24 + 17 :].sum() + counts[24 : 24 + 17].sum() == 60_000
    assert counts[24:] == pytest.approx(expected[24:], abs=150)
    assert (found % 60 == 0).all()


def test_a_slot_that_has_gone_by_is_kept_the_day_after_and_one_beyond_the_end_never_comes():
    slots = nine_to_five(days=2)
    chance = np.array([0.0, 0.99, 0.0, 0.5])
    # Received the day before the first, twice; then today; then tomorrow.
    found = slots.draw(np.array([-600.0, -600.0, 700.0, 2000.0]), chance, after=12 * 60.0)
    assert found.tolist()[:3] == [60.0 * (24 + 9), 60.0 * 16, 60.0 * (24 + 9)]
    assert 2879 < found[3] < 2880


def test_slots_are_local_hours_when_clocks_change():
    hours = periods.hours_between(
        LONDON, *(periods.local_days(LONDON, date(2026, 3, 28), date(2026, 3, 30))[name][at] for name, at in
                  (("starts_at", 0), ("ends_at", -1)))
    )  # fmt: skip
    slots = nine_to_five(hours=hours)
    assert [len(each) for each in slots.of_day] == [8, 8, 8]
    assert hours[int(slots.of_day[1][0])].hour == 8  # nine o'clock in summer time


def test_the_ladder_is_offered_bookings_in_their_slots_and_emergencies_when_they_come():
    rates = {("a", "1"): 1.0, ("a", "4"): 2.0}
    at_once, in_slots = (
        offered(rates, standards=BOOKED, service_times=SERVICE, days=3, slots=slots) for slots in (None, nine_to_five())
    )
    four = in_slots.grades.index("4")
    busy = in_slots.arrivals[0, four, 0]
    assert busy[:9].tolist() == [0.0] * 9
    assert busy[9:17] == pytest.approx(6.0)
    assert busy.sum() == pytest.approx(at_once.arrivals[0, four, 0].sum())
    one = in_slots.grades.index("1")
    assert in_slots.arrivals[0, one, 0] == pytest.approx(at_once.arrivals[0, one, 0])
    # The incidents themselves are told when they come.
    assert in_slots.pool_incidents == pytest.approx(at_once.pool_incidents)


def test_drawn_jobs_keep_their_slots_from_the_first_day_on():
    hours = hours_from(days=3)
    cover = lay_out_pools(one_pool("a"), "response", ["a"], hours, LONDON)
    ground = Ground.lay(
        hours, cover, [("x", "1"), ("x", "4")], ["urban"], SERVICE, BOOKED, LONDON, warm_up=12, slots=nine_to_five()
    )
    random = np.random.default_rng(2)
    number = 6_000
    came = Came(
        np.zeros(number, dtype=np.int64), np.tile([0, 1], number // 2), random.random(number) * 72 * 60,
        random.random(number),
    )  # fmt: skip
    found = ground.draw(came, np.random.default_rng(3))
    hour = ground.hour_of(found.jobs.ready)
    kept = (found.grade == 1) & (hour >= 0) & (hour < 71)
    assert set((hour[kept] % 24).tolist()) == set(range(9, 17))
    by_day = np.bincount(hour[kept] // 24, minlength=3)
    assert by_day == pytest.approx([1000, 1000, 1000], rel=0.1)
    assert len(np.unique(hour[found.grade == 0] % 24)) == 24


def test_a_force_without_bookings_is_drawn_as_before():
    hours = hours_from(days=1)
    cover = lay_out_pools(one_pool("a"), "response", ["a"], hours, LONDON)
    came = Came(
        np.zeros(50, dtype=np.int64), np.zeros(50, dtype=np.int64), np.linspace(0, 1400, 50), np.linspace(0, 1, 50)
    )
    one, other = (
        Ground.lay(hours, cover, [("x", "1")], ["urban"], SERVICE, BOOKED, LONDON, slots=slots).draw(
            came, np.random.default_rng(4)
        )
        for slots in (None, nine_to_five(days=1))
    )
    assert one.jobs.ready.tolist() == other.jobs.ready.tolist()
