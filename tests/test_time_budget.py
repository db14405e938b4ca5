"""Time budget: shares of officers' time, and officers for a share."""

from __future__ import annotations

import polars as pl
import pytest

from bluelamp import tables
from bluelamp.time_budget import budget_time
from tests.drawn import drawn

SHEET = ("role_code | pool_id | hour_starting | officers_rostered | officers_absent | officers_on_operations | "
         "officers_tutored | officers_restricted | officers_briefing | officers_refreshments | officers_deployable | "
         "units_crewed | units_deployable")  # fmt: skip
ASKED = ("method | pool_id | role_code | hour_starting | grade_code | offered_load | long_load | units_required | "
         "crew_size | officers_required | officers_required_gross | binds")  # fmt: skip


def hour(at: str, load: float, free: float, *, administrative: float = 0, crew: int = 1, pool: str = "R1"):
    work = f"mol | {pool} | response | {at} | all | {load} | 1 | 9 | {crew} | 9 | 9 | demand"
    there = f"response | {pool} | {at} | 30 | 3 | 2 | 1 | 1 | {administrative} | 0 | {free} | 0 | 0"
    return work, there


def budgeted(*hours, **settings) -> pl.DataFrame:
    work, there = zip(*hours, strict=True)
    given = {"most_committed": 0.6, "least_proactive": 0.45, "shift_starts": (7, 15, 23)} | settings
    return budget_time(
        drawn("required_staff", ASKED, *work), drawn("deployable", SHEET, *there), method="mol", role_code="response",
        time_zone="Europe/London", **given,
    )  # fmt: skip


def row(table: pl.DataFrame, pool: str = "all", weekday: str = "all", from_hour: int = 0) -> dict:
    return table.filter(pool_id=pool, weekday=weekday, from_hour=from_hour).row(0, named=True)


def test_time_is_committed_administrative_or_left():
    # Four units of calls and one of guards, of nine who are free and one at refreshments.
    found = row(budgeted(hour("2026-01-05T10:00Z", 4, 9, administrative=1)))

    assert (found["committed_share"], found["administrative_share"], found["proactive_share"]) == (0.5, 0.1, 0.4)
    assert found["officers"] == 10
    assert found["officers_required"] == 9


def test_officers_for_the_budget_meet_it_exactly():
    found = row(budgeted(hour("2026-01-05T10:00Z", 4, 9, administrative=1)))

    assert found["officers_for_committed"] == pytest.approx(5 / 0.6, abs=0.01)
    officers = found["officers_for_proactive"]
    assert 1 - 0.1 - 5 / officers == pytest.approx(0.45, abs=0.001)


def test_a_busy_hour_is_made_good_by_a_quiet_one():
    table = budgeted(hour("2026-01-05T18:00Z", 9, 10), hour("2026-01-05T19:00Z", 1, 10))

    assert row(table)["committed_share"] == pytest.approx(0.6)
    assert row(table)["hours"] == 2


def test_a_crew_of_two_is_two_officers_time():
    assert row(budgeted(hour("2026-01-05T10:00Z", 3, 16, crew=2)))["committed_share"] == 0.5


def test_a_night_belongs_to_the_evening_on_which_its_shift_starts():
    table = budgeted(hour("2026-01-05T23:00Z", 1, 9), hour("2026-01-06T06:00Z", 1, 9), hour("2026-01-06T07:00Z", 1, 9))

    assert row(table, "R1", "mon", 23)["hours"] == 2
    assert row(table, "R1", "tue", 7)["hours"] == 1


def test_pools_are_added_up_by_the_hour():
    table = budgeted(hour("2026-01-05T10:00Z", 4, 10), hour("2026-01-05T10:00Z", 1, 10, pool="R2"))

    assert row(table)["hours"] == 1
    assert row(table)["officers"] == 20
    assert row(table)["committed_share"] == 0.35


def test_more_work_than_time_leaves_nothing_and_a_share_that_nobody_could_leave_has_no_figure():
    found = row(budgeted(hour("2026-01-05T10:00Z", 20, 5, administrative=5), least_proactive=0.6))

    assert found["committed_share"] == 2.1
    assert found["proactive_share"] == 0
    assert found["officers_for_proactive"] is None


def test_nobody_on_duty_is_no_time():
    assert budgeted(hour("2026-01-05T10:00Z", 4, 0)).is_empty()
    assert tables.check(budgeted(hour("2026-01-05T10:00Z", 4, 0)), "time_budget").is_empty()
