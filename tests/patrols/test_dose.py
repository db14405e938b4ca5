"""What became of lists: visits planned beside visits given."""

from __future__ import annotations

from datetime import date

import polars as pl

from bluelamp import tables
from bluelamp.patrols import find_dose, place_visits
from tests.drawn import drawn

ZONE = "Europe/London"
SHIFTS = (7, 15, 23)
LIST = ("list_id | visit | class_code | day | from_hour | to_hour | watch_starts_at | watch_ends_at | unit_number | "
        "cell_kind | cell_id | longitude | latitude | starts_at | ends_at | minutes | travel_km | rank | expected | "
        "seed | run_id")  # fmt: skip


def listed(*visits: tuple[str, str, str]) -> pl.DataFrame:
    rows = [
        f"L | {number} | all | 2026-11-23 | 23 | 7 | 2026-11-23T23:00:00Z | 2026-11-24T07:00:00Z | 1 | hexagon | "
        f"{cell} | -2.5 | 51.4 | 2026-11-{begins}:00Z | 2026-11-{ends}:00Z | 12 | 0 | 1 | 1 | 7 | r1"
        for number, (cell, begins, ends) in enumerate(visits, 1)
    ]
    return drawn("patrol_plan", LIST, *rows)


def came(*rows: str) -> pl.DataFrame:
    visits = drawn("visits", "visit_id | cell_id | starts_at | ends_at | minutes", *rows)
    return place_visits(visits, tables.empty("areas"), None)


def dose(planned: pl.DataFrame, visits: pl.DataFrame, zone: str = ZONE) -> pl.DataFrame:
    return find_dose(planned, visits, None, shift_starts=SHIFTS, time_zone=zone)


PLANNED = listed(("x", "23T23:30", "23T23:42"), ("y", "24T01:00", "24T01:12"), ("x", "24T03:00", "24T03:12"))


def test_planned_and_given_stand_beside_each_other():
    found = dose(
        PLANNED,
        came("a | x | 2026-11-23T23:40:00Z | 2026-11-23T23:47:00Z |", "b | y | 2026-11-24T05:00:00Z | | 9",
             "c | x | 2026-11-24T06:30:00Z | 2026-11-24T06:35:00Z |"),
    )  # fmt: skip
    x, y = found.sort("cell_id").rows(named=True)
    assert (x["day"], x["from_hour"], x["to_hour"]) == (date(2026, 11, 23), 23, 7)
    assert (x["visits_planned"], x["minutes_planned"], x["visits_given"], x["minutes_given"]) == (2, 24, 2, 12)
    assert (x["windows"], x["windows_visited"], x["longest_gap_minutes"]) == (4, 2, 403)
    assert (y["visits_planned"], y["visits_given"], y["minutes_given"]) == (1, 1, 9)
    # From the start of the watch until the visit that came first.
    assert y["longest_gap_minutes"] == 360


def test_shifts_after_the_last_visit_that_is_known_have_none_known():
    found = dose(PLANNED, came("a | x | 2026-11-23T20:00:00Z | 2026-11-23T20:07:00Z |"))
    of_list = found.filter(from_hour=23)
    assert of_list["visits_given"].null_count() == of_list.height == 2
    assert of_list["longest_gap_minutes"].is_null().all()
    assert dose(PLANNED, came())["visits_given"].is_null().all()


def test_a_place_of_a_list_that_nobody_went_to_has_no_visit_and_one_gap():
    found = dose(PLANNED, came("a | x | 2026-11-24T06:00:00Z | 2026-11-24T06:07:00Z |")).filter(cell_id="y")
    assert found.select("visits_given", "minutes_given", "windows_visited", "longest_gap_minutes").row(0) == (
        0,
        0,
        0,
        480,
    )


def test_a_visit_that_no_list_asked_for_is_there_and_says_whether_there_was_a_list():
    found = dose(
        PLANNED,
        came("a | z | 2026-11-24T00:00:00Z | 2026-11-24T00:07:00Z |", "b | z | 2026-11-25T12:00:00Z | | 5"),
    ).filter(cell_id="z")  # fmt: skip
    assert found.sort("day")["visits_planned"].to_list() == [0, None]


def test_a_stay_across_the_end_of_a_window_counts_in_both():
    found = dose(PLANNED, came("a | x | 2026-11-24T00:55:00Z | 2026-11-24T01:05:00Z |")).filter(cell_id="x")
    assert found["windows_visited"].item() == 2


def test_stays_that_overlap_leave_no_gap_between_them():
    found = dose(
        PLANNED,
        came("a | x | 2026-11-23T23:00:00Z | 2026-11-24T04:00:00Z |", "b | x | 2026-11-23T23:10:00Z | | 5"),
    ).filter(cell_id="x")  # fmt: skip
    assert found["longest_gap_minutes"].item() == 180


def test_a_night_in_which_the_clock_goes_back_has_nine_hours():
    found = dose(tables.empty("patrol_plan"), came("a | x | 2026-10-25T00:30:00Z | | 5"))
    # From 23:00 summer time to 07:00 winter time.
    assert found.select("day", "windows", "longest_gap_minutes").row(0) == (date(2026, 10, 24), 5, 385 + 0)


def test_nothing_planned_and_nothing_given_is_an_empty_table():
    assert dose(tables.empty("patrol_plan"), came()).is_empty()


def test_visits_of_unknown_length_count_and_have_no_minutes():
    found = dose(PLANNED, came("a | x | 2026-11-24T00:00:00Z | |")).filter(cell_id="x")
    assert found.select("visits_given", "minutes_given", "windows_visited").row(0) == (1, 0, 1)
