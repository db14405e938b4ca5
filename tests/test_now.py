"""The moment of the extract: open logs by age, units by what they do, and how long those like them still took."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelamp.committed import count_open_logs, count_units_now, open_now
from bluelamp.committed.remaining import expect_minutes_left
from tests.test_committed import _clock, at, found, logs, presses

THERE = ("U1 08:00 en_route i1", "U1 08:10 at_scene i1")


def test_open_logs_are_counted_by_grade_and_age_and_every_grade_and_age_of_the_force_has_its_row():
    status = presses(*THERE, "U4 07:00 at_scene i2", "U4 08:20 available")
    incidents = logs(
        "i1 received=07:55 status=open area_id=B1", "i2 received=07:10 status=open", "i3 received=02:00 status=open",
        "i4 received=08:10 closed=08:20 grade_code=2",
    )  # fmt: skip
    now = open_now(found(status, incidents, until="08:30").attendances, incidents, at("08:30"))
    counted = count_open_logs(now.logs, incidents["grade_code"], "F", at("08:30"))
    columns = ["place_id", "grade_code", "minutes_from", "logs", "logs_attended", "logs_waiting", "oldest_waiting_at"]
    of_force = counted.filter(level="force").select(columns)
    assert of_force.height == 10
    assert of_force.filter(pl.col("logs") > 0).rows() == [
        ("F", "1", 0, 1, 1, 0, None),
        ("F", "1", 60, 1, 0, 0, None),
        ("F", "1", 240, 1, 0, 1, at("02:00")),
    ]
    of_areas = counted.filter(level="area").select("place_id", "minutes_from", "logs").rows()
    assert of_areas == [("B1", 0, 1), ("unknown", 60, 1), ("unknown", 240, 1)]


def units_now(status: pl.DataFrame, incidents: pl.DataFrame, until: str) -> pl.DataFrame:
    time = found(status, incidents, until=until)
    moment = at(*_clock(until))
    now = open_now(time.attendances, incidents, moment)
    return count_units_now(now.units, time.attendances, incidents, "F", moment)


def test_units_at_the_moment_of_the_extract_are_counted_by_what_they_do_long_commitments_apart():
    status = presses(
        *THERE, "U2 07:00 available R1", "U3 07:00 guard i2", "U4 08:00 at_scene i2", "U5 08:20 refreshments",
        "U6 08:00 off_duty",
    )  # fmt: skip
    counted = units_now(status, logs("i1 received=07:55", "i2 received=07:00"), "08:30").filter(level="force")
    columns = ["stage", "is_long", "units", "minutes_in_stage", "minutes_committed", "longest_minutes", "minutes_left"]
    assert counted.select(columns).rows() == [
        ("at_scene", False, 2, 25.0, 30.0, 30.0, None),
        ("available", False, 1, 90.0, None, 90.0, None),
        ("guard", True, 1, 90.0, 90.0, 90.0, None),
        ("refreshments", False, 1, 10.0, None, 10.0, None),
    ]


def test_the_time_left_is_what_was_left_to_jobs_that_had_lasted_longer():
    # Forty jobs: half take 20 minutes, half an hour. A unit 30 minutes in is at one of the long ones.
    lines = []
    for job in range(40):
        ends = "08:20" if job % 2 else "09:00"
        lines += [f"U1 08:00+{job} at_scene j{job}", f"U1 {ends}+{job} available", f"U1 16:00+{job} off_duty"]
    known = [f"j{job} received=07:50 class_code=theft" for job in range(40)]
    early = units_now(
        presses(*lines, "U9 08:00+41 at_scene now"), logs(*known, "now received=07:50 class_code=theft"), "08:10+41"
    )
    left = early.filter(level="force", stage="at_scene")
    assert left.select("minutes_left", "units_told").rows() == [((10 + 50) / 2, 1)]
    late = units_now(presses(*lines * 2, "U9 08:00+41 at_scene now"), logs(*known, "now received=07:50"), "08:30+41")
    assert late.filter(level="force", stage="at_scene")["minutes_left"].to_list() == [None]  # 20 are too few to say


@given(
    lengths=st.lists(st.integers(1, 600), min_size=30, max_size=60), so_far=st.integers(0, 500)
)  # fmt: skip
def test_the_time_left_is_never_less_than_nothing_and_is_the_mean_of_what_was_left(lengths, so_far):
    start = datetime(2026, 1, 5, tzinfo=UTC)
    whole = pl.DataFrame(
        {
            "unit_id": [f"U{each}" for each in range(len(lengths))],
            "incident_id": [f"i{each}" for each in range(len(lengths))],
            "attendance": [1] * len(lengths),
            "stage": ["at_scene"] * len(lengths),
            "starts_at": [start] * len(lengths),
            "ends_at": [start + timedelta(minutes=each) for each in lengths],
            "ended_by": pl.Series([None] * len(lengths), dtype=pl.String),
            "is_open": [False] * len(lengths),
        }
    )
    asked = pl.DataFrame({"stage": ["at_scene"], "class_code": ["theft"], "seconds_in_stage": [so_far * 60]})
    incidents = pl.DataFrame({"incident_id": whole["incident_id"], "class_code": "violence"})
    (left,) = expect_minutes_left(asked, whole, incidents)
    longer = [each - so_far for each in lengths if each > so_far]
    if len(longer) < 30:
        assert left is None
    else:
        assert left == pytest.approx(sum(longer) / len(longer))


def test_a_force_that_grades_nothing_has_its_rows_too():
    incidents = logs("i1 received=07:55 closed=08:10").with_columns(grade_code=pl.lit(None, dtype=pl.String))
    now = open_now(found(presses(*THERE), incidents, until="08:30").attendances, incidents, at("08:30"))
    counted = count_open_logs(now.logs, incidents["grade_code"], "F", at("08:30"))
    assert counted.select("level", "grade_code", "logs").unique().rows() == [("force", "none", 0)]
    assert counted["at"].unique().to_list() == [at("08:30")]
