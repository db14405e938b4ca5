"""Headroom: planned officers against demand and minimums, by shift and skill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from bluelamp import plan, tables
from bluelamp.headroom import find_headroom
from tests.drawn import drawn
from tests.planned import small_settings, twin

SHEET = ("role_code | pool_id | hour_starting | officers_rostered | officers_absent | officers_on_operations | "
         "officers_tutored | officers_restricted | officers_briefing | officers_refreshments | officers_deployable | "
         "units_crewed | units_deployable")  # fmt: skip
ASKED = ("method | pool_id | role_code | hour_starting | grade_code | units_required | crew_size | officers_required | "
         "officers_required_gross | binds")  # fmt: skip
MINIMUM = "pool_id | role_code | from_hour | to_hour | minimum_officers | skill_code"
DAY = datetime(2026, 1, 5, tzinfo=UTC)
NONE = tables.empty("minimums")


def sheet(*by_hour: tuple[float, float], role: str = "response", pool: str = "R1", absent: float = 0) -> pl.DataFrame:
    """Officers rostered and those who can go out, hour by hour from midnight."""
    return drawn("deployable", SHEET, *(
        f"{role} | {pool} | 2026-01-05T{hour:02}:00Z | {rostered} | {absent} | 0 | 0 | 0 | 0 | 0 | {free} | 0 | 0"
        for hour, (rostered, free) in enumerate(by_hour)
    ))  # fmt: skip


def asked(*by_hour: int, binds: str = "demand", grade: str = "all") -> pl.DataFrame:
    return drawn("required_staff", ASKED, *(
        f"mol | R1 | response | 2026-01-05T{hour:02}:00Z | {grade} | {officers} | 1 | {officers} | {officers} | {binds}"
        for hour, officers in enumerate(by_hour)
    ))  # fmt: skip


def found(required: pl.DataFrame, there: pl.DataFrame, minimums=NONE, with_skill=None, shift_starts=(0, 2)):
    hours = pl.Series([DAY + timedelta(hours=hour) for hour in range(4)], dtype=pl.Datetime("us", "UTC"))
    return find_headroom(
        required, there, with_skill or {}, minimums, hours=hours, ends_at=DAY + timedelta(hours=4), method="mol",
        role_code="response", time_zone="Europe/London", shift_starts=shift_starts,
    )  # fmt: skip


def test_the_tightest_hour_of_a_shift_decides():
    table = found(asked(4, 6, 5, 5), sheet((8, 7), (8, 7), (8, 8), (8, 7)))

    assert table["headroom"].to_list() == [1, 2]
    assert table["leave_left"].to_list() == [1, 2]
    assert table["hour_starting"].dt.hour().to_list() == [1, 3]
    assert table["shift_ending"].dt.hour().to_list() == [2, 4]
    assert set(table["binds"]) == {"demand"}


def test_a_minimum_counts_who_is_there_and_demand_who_can_go_out():
    minimum = drawn("minimums", MINIMUM, "R1 | response | 0 | 24 | 7 |")
    table = found(asked(4, 4, 4, 4), sheet(*[(9, 6)] * 4, absent=1), minimum)

    # Eight are there for seven, six can go out for four.
    assert table["officers_present"].to_list() == [8, 8]
    assert table["headroom"].to_list() == [1, 1]
    assert set(table["binds"]) == {"minimum"}


def test_being_short_leaves_no_leave():
    table = found(asked(4, 4, 4, 4), sheet(*[(3, 2.9)] * 4))

    assert table["headroom"].to_list() == [-2, -2]
    assert table["leave_left"].to_list() == [0, 0]


def test_where_a_minimum_is_more_demand_is_that_of_the_grades():
    required = pl.concat(
        [asked(6, 6, 6, 6, binds="minimum"), asked(3, 2, 2, 3, grade="1"), asked(1, 1, 1, 1, grade="2")]
    )
    table = found(required, sheet(*[(8, 8)] * 4), drawn("minimums", MINIMUM, "R1 | response | 0 | 24 | 6 |"))

    assert table["demand_officers"].to_list() == [3, 2]
    assert table["headroom"].to_list() == [2, 2]


def test_a_skill_has_a_row_of_its_own_and_one_that_nobody_tells_of_is_left_open():
    minimums = drawn(
        "minimums", MINIMUM, "R1 | response | 0 | 24 | 2 | response_driver", "R1 | response | 0 | 24 | 1 | taser"
    )
    drivers = sheet((3, 3), (2, 2)).head(2)
    table = found(asked(4, 4, 4, 4), sheet(*[(8, 8)] * 4), minimums, {"response_driver": drivers})

    assert table.filter(skill_code="any")["headroom"].to_list() == [4, 4]
    # In the second shift nobody on duty may drive.
    assert table.filter(skill_code="response_driver")["headroom"].to_list() == [0, -2]
    assert table.filter(skill_code="taser")["headroom"].to_list() == [None, None]
    assert table.filter(skill_code="taser")["minimum_officers"].to_list() == [1, 1]


def test_a_role_that_answers_nothing_knows_its_minimum_alone_and_where_nobody_is_asked_for_there_is_no_row():
    minimum = drawn("minimums", MINIMUM, "C1 | custody | 2 | 4 | 2 |")
    table = found(asked(4, 4, 4, 4), sheet(*[(3, 3)] * 4, role="custody", pool="C1"), minimum)

    assert table.select("role_code", "headroom", "binds", "demand_officers").rows() == [("custody", 1, "minimum", None)]


def test_where_it_is_not_known_who_is_there_nothing_is_told():
    assert found(asked(4, 4, 4, 4), tables.empty("deployable")).is_empty()


@pytest.mark.parametrize("more", [1, 3])
def test_as_many_as_are_left_may_be_away_before_it_binds(more):
    there = found(asked(2, 4, 3, 3), sheet(*[(5 + more, 4 + more)] * 4))
    fewer = found(asked(2, 4, 3, 3), sheet(*[(5, 4)] * 4))

    assert (there["leave_left"] - fewer["leave_left"]).to_list() == [more, more]


def test_who_may_drive_counts_for_the_minimum_of_drivers_in_a_whole_run():
    people = twin().tables["people"].with_columns(may_drive_on_response=pl.int_range(pl.len()) % 2 == 0)
    minimums = pl.concat(
        [twin().tables["minimums"], drawn("minimums", MINIMUM, "R-D1 | response | 0 | 24 | 1 | response_driver")]
    )
    run = plan.compute(
        {**twin().tables, "people": people, "minimums": minimums},
        small_settings(forecast={"paths": 20, "path_days": 2, "days": 2}),
    )
    of_pool = run.results["headroom"].filter(pool_id="R-D1")
    drivers = of_pool.filter(skill_code="response_driver")

    assert drivers.height >= 4
    assert drivers["headroom"].is_not_null().all()
    every = of_pool.filter(pl.col("skill_code") == "any").select("shift_starting", present="officers_present")
    assert 0 < drivers["officers_present"].sum() < every["present"].sum()
