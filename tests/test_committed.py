"""Committed time: presses become intervals, what was not pressed is repaired by rule, and every second is somewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import periods, tables
from bluelamp.committed import (
    RULES,
    UnitTime,
    compare_clocks,
    count_committed,
    find_attendances,
    measure_deployments,
    open_now,
    presses_apart,
    say_reissued_apart,
)
from tests.drawn import drawn

LONDON = "Europe/London"
DAY = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday, when London's clocks read UTC
NO_CREWS = tables.empty("unit_crews")
NO_LOGS = tables.empty("incidents")


def at(clock: str, day: int = 0) -> datetime:
    """A time of the day as an instant, '08:10' or '08:10:30'."""
    hour, minute, second = (*map(int, clock.split(":")), 0)[:3]
    return DAY + timedelta(days=day, hours=hour, minutes=minute, seconds=second)


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def presses(*lines: str) -> pl.DataFrame:
    """'U1 08:10 at_scene i1 R1': the log and the pool may be left out, '+1' after the time is the day after."""
    rows = []
    for line in lines:
        unit, clock, status, *more = line.split()
        clock, _, day = clock.partition("+")
        rows.append("|".join([unit, written(at(clock, int(day or 0))), status, *more, *[""] * (2 - len(more))]))
    return drawn("unit_status", "unit_id|status_at|status|incident_id|pool_id", *rows)


def logs(*lines: str) -> pl.DataFrame:
    """'i1 sent=08:00 there=08:10 free=09:00 closed=12:00 status=closed'; all but the number may be left out."""
    names = {"sent": "dispatched_at", "there": "arrived_at", "free": "cleared_at", "closed": "closed_at"}
    rows = []
    for line in lines:
        number, *parts = line.split()
        given = dict(part.split("=") for part in parts)
        row = {"incident_id": number, "received_at": at(given.pop("received", "08:00"))}
        row |= {names[name]: at(clock) for name, clock in given.items() if name in names}
        rows.append(row | {name: value for name, value in given.items() if name not in names})
    kinds = {"class_code": "theft", "origin": "public", "status": "closed", "grade_code": "1"}
    shape = tables.table("incidents").polars_schema
    return pl.DataFrame([dict.fromkeys(shape) | kinds | row for row in rows], schema=shape)


def crews(*lines: str) -> pl.DataFrame:
    """'U1 07:00 17:00 R1'."""
    rows = []
    for line in lines:
        unit, begin, end, *pool = line.split()
        ends = "" if end == "-" else written(at(*_clock(end)))
        rows.append("|".join([unit, "p1", written(at(*_clock(begin))), ends, *(pool or [""])]))
    return drawn("unit_crews", "unit_id|person_id|starts_at|ends_at|pool_id", *rows)


def _clock(text: str) -> tuple[str, int]:
    clock, _, day = text.partition("+")
    return clock, int(day or 0)


def found(status: pl.DataFrame, incidents: pl.DataFrame = NO_LOGS, bookings: pl.DataFrame = NO_CREWS, until="18:00"):
    return find_attendances(status, bookings, incidents, at(*_clock(until)))


def told(time: UnitTime, unit: str = "U1") -> list[str]:
    """Each interval as 'at_scene i1 08:10-09:00', with '<rule' and '>rule' where its begin or end was repaired."""
    lines = []
    for row in time.attendances.filter(unit_id=unit).iter_rows(named=True):
        what = " ".join(filter(None, [row["stage"], row["incident_id"]]))
        line = f"{what} {row['starts_at']:%H:%M}-{row['ends_at']:%H:%M}"
        line += f" <{row['begun_by']}" if row["begun_by"] else ""
        line += f" >{row['ended_by']}" if row["ended_by"] else ""
        lines.append(line + (" open" if row["is_open"] else ""))
    return lines


def rules(time: UnitTime) -> dict[str, int]:
    return dict(time.rules.select("rule", "rows").iter_rows())


# ---- from presses to intervals ----


def test_a_status_holds_until_the_units_next_press():
    time = found(
        presses(
            "U1 07:00 briefing", "U1 07:20 available", "U1 08:00 en_route i1", "U1 08:10 at_scene i1",
            "U1 09:00 write_up i1", "U1 09:30 available", "U1 17:00 off_duty",
            "U2 08:05 available", "U2 17:00 off_duty",
        )
    )  # fmt: skip
    assert told(time) == [
        "briefing 07:00-07:20",
        "available 07:20-08:00",
        "en_route i1 08:00-08:10",
        "at_scene i1 08:10-09:00",
        "write_up i1 09:00-09:30",
        "available 09:30-17:00",
    ]
    assert told(time, "U2") == ["available 08:05-17:00"]


def test_what_is_open_at_the_moment_of_the_extract_is_cut_there_and_said_to_be_open():
    time = found(presses("U1 08:00 en_route i1", "U1 08:10 at_scene i1"), until="08:40")
    assert told(time) == ["en_route i1 08:00-08:10", "at_scene i1 08:10-08:40 open"]
    assert rules(time)["open_at_end"] == 1


def test_presses_after_the_moment_of_the_extract_are_left_out_and_counted():
    time = found(presses("U1 08:00 available", "U1 12:00 en_route i1"), until="09:00")
    assert told(time) == ["available 08:00-09:00 open"]
    assert rules(time)["press_after_the_end"] == 1


def test_the_order_of_the_rows_does_not_matter():
    status = presses("U1 08:00 en_route i1", "U2 08:00 available", "U1 08:10 at_scene i1", "U1 08:10 available")
    whole = found(status).attendances
    for seed in range(5):
        assert found(status.sample(fraction=1, shuffle=True, seed=seed)).attendances.equals(whole)


@pytest.mark.parametrize(
    ("before", "together", "after", "expected"),
    [
        ("en_route i1", ("available", "at_scene i1"), "off_duty", ["en_route i1 07:00-08:00", "available 08:00-09:00"]),
        (
            "at_scene i1", ("en_route i2", "available"), "available",
            ["at_scene i1 07:00-08:00", "en_route i2 08:00-09:00", "available 09:00-18:00 open"],
        ),
        (
            "at_scene i1", ("off_duty", "available"), "briefing",
            ["at_scene i1 07:00-08:00", "briefing 09:00-18:00 open"],
        ),
        (
            "available", ("available", "off_duty"), "custody",
            ["available 07:00-08:00", "available 08:00-09:00", "custody 09:00-18:00 open"],
        ),
        (
            "available", ("off_duty", "briefing"), "available",
            ["available 07:00-08:00", "briefing 08:00-09:00", "available 09:00-18:00 open"],
        ),
    ],
)  # fmt: skip
def test_presses_of_the_same_second_are_put_into_the_order_of_a_job(before, together, after, expected):
    lines = [f"U1 07:00 {before}", *(f"U1 08:00 {each}" for each in together), f"U1 09:00 {after}"]
    assert told(found(presses(*lines))) == expected


def test_the_same_press_again_is_merged():
    time = found(presses("U1 08:00 at_scene i1", "U1 08:05 at_scene i1", "U1 08:06 at_scene", "U1 09:00 available"))
    assert told(time)[0] == "at_scene i1 08:00-09:00"
    assert rules(time)["repeated_press"] == 2


def test_a_clear_that_is_taken_back_within_a_minute_is_none():
    time = found(presses("U1 08:00 at_scene i1", "U1 08:30 available", "U1 08:30:40 at_scene i1", "U1 09:00 available"))
    assert told(time)[0] == "at_scene i1 08:00-09:00"
    assert rules(time)["clear_taken_back"] == 1


def test_a_unit_that_comes_again_has_an_attendance_of_its_own():
    time = found(
        presses(
            "U1 08:00 en_route i1", "U1 08:10 at_scene i1", "U1 08:30 available", "U1 10:00 at_scene i1",
            "U1 10:20 available", "U2 09:00 at_scene i1", "U2 09:30 available",
        )
    )  # fmt: skip
    there = time.attendances.filter(pl.col("incident_id") == "i1")
    assert list(there.select("unit_id", "stage", "attendance").iter_rows()) == [
        ("U1", "en_route", 1), ("U1", "at_scene", 1), ("U1", "at_scene", 2), ("U2", "at_scene", 1),
    ]  # fmt: skip


def test_an_arrival_without_a_log_has_that_of_its_journey():
    time = found(presses("U1 08:00 en_route i1", "U1 08:10 at_scene", "U1 09:00 available"))
    assert told(time)[1] == "at_scene i1 08:10-09:00"
    assert rules(time)["incident_carried"] == 1


def test_a_unit_booked_on_to_what_it_is_already_at_stays_there():
    time = found(presses("U1 08:10 at_scene i1", "U1 08:15 en_route i1", "U1 09:00 available"))
    assert told(time)[0] == "at_scene i1 08:10-09:00"
    assert rules(time)["sent_while_there"] == 1
    again = presses("U1 08:10 at_scene i1", "U1 08:15 en_route i1", "U1 08:25 at_scene i1", "U1 09:00 available")
    assert len([line for line in told(found(again)) if "i1" in line]) == 3


def test_work_that_no_log_shows_is_kept_without_one():
    time = found(presses("U1 08:00 custody", "U1 11:00 committed", "U1 12:00 available i7", "U1 13:00 off_duty"))
    assert told(time) == ["custody 08:00-11:00", "committed 11:00-12:00", "available 12:00-13:00"]
    assert rules(time)["no_log"] == 2


# ---- missed arrivals and journeys ----


def test_a_missed_arrival_is_when_the_log_says_that_the_first_unit_was_there():
    status = presses("U1 08:00 en_route i1", "U1 09:00 available")
    time = found(status, logs("i1 sent=08:00 there=08:12 free=09:00"))
    assert told(time)[:2] == [
        "en_route i1 08:00-08:12 >arrival_from_log",
        "at_scene i1 08:12-09:00 <arrival_from_log",
    ]


def test_the_logs_arrival_is_not_a_units_that_was_stood_down_when_another_pressed_it():
    status = presses(
        "U1 08:00 en_route i1",
        "U1 08:30 available",
        "U2 08:00 en_route i1",
        "U2 08:12 at_scene i1",
        "U2 09:00 available",
    )
    time = found(status, logs("i1 sent=08:00 there=08:12 free=09:00"))
    assert told(time)[0] == "en_route i1 08:00-08:30"
    assert rules(time)["no_arrival"] == 1


def test_a_journey_longer_than_95_in_100_lasted_as_long_as_journeys_do():
    lines = []
    for job in range(120):
        day = f"+{job}"
        lines += [f"U1 08:00{day} en_route j{job}", f"U1 08:08{day} at_scene j{job}", f"U1 08:40{day} available"]
        lines += [f"U1 16:00{day} off_duty"]
    status = presses(*lines, "U9 08:00 en_route i1", "U9 08:50 available", "U9 09:00 off_duty")
    assert told(found(status, until="18:00+120"), "U9")[:2] == [
        "en_route i1 08:00-08:08 >arrival_after_usual_travel",
        "at_scene i1 08:08-08:50 <arrival_after_usual_travel",
    ]


def test_a_unit_that_begins_its_guard_has_arrived():
    status = presses("U1 08:00 en_route i1", "U1 09:30 guard i1", "U1 12:00 available", "U1 13:00 off_duty")
    time = found(status, logs("i1 sent=08:00 there=09:30 free=12:00"))
    assert told(time)[:2] == ["en_route i1 08:00-09:30", "guard i1 09:30-12:00"]
    assert "no_arrival" not in rules(time)


def test_a_journey_that_nobody_pressed_begins_at_the_logs_dispatch():
    status = presses("U1 07:00 available", "U1 08:12 at_scene i1", "U1 09:00 available")
    time = found(status, logs("i1 sent=08:00 there=08:12 free=09:00"))
    assert told(time)[:3] == [
        "available 07:00-08:00 >travel_from_log",
        "en_route i1 08:00-08:12 <travel_from_log",
        "at_scene i1 08:12-09:00",
    ]


def test_the_logs_dispatch_is_no_second_units_journey():
    status = presses(
        "U1 07:00 available", "U1 08:40 at_scene i1", "U1 09:00 available",
        "U2 08:00 en_route i1", "U2 08:12 at_scene i1", "U2 09:00 available",
    )  # fmt: skip
    assert told(found(status, logs("i1 sent=08:00 there=08:12 free=09:00")))[0] == "available 07:00-08:40"


# ---- missed clears ----

THERE = ("U1 08:00 en_route i1", "U1 08:10 at_scene i1")


@pytest.mark.parametrize(
    ("then", "kind"),
    [
        ("U1 12:00 en_route i2", "another incident"),
        ("U1 12:00 off_duty", "booked off"),
        ("U1 12:00 refreshments", "a meal"),
    ],
)
def test_a_missed_clear_is_when_the_log_was_cleared(then, kind):
    time = found(presses(*THERE, then), logs("i1 sent=08:00 there=08:10 free=09:00"))
    assert told(time)[1:3] == [
        "at_scene i1 08:10-09:00 >clear_from_log",
        "available 09:00-12:00 <clear_from_log",
    ], kind
    assert rules(time)["clear_from_log"] == 1


def test_a_log_closed_before_the_next_press_bounds_a_clear_too():
    time = found(presses(*THERE, "U1 12:00 off_duty"), logs("i1 closed=11:00"))
    assert told(time)[1] == "at_scene i1 08:10-11:00 >clear_from_log"


def test_a_clear_that_was_pressed_stays_as_pressed():
    time = found(presses(*THERE, "U1 10:00 available"), logs("i1 sent=08:00 there=08:10 free=09:00"))
    assert told(time)[1] == "at_scene i1 08:10-10:00"


def test_a_unit_sent_on_before_the_log_was_cleared_left_when_it_was_sent():
    status = presses(*THERE, "U1 08:40 en_route i2", "U1 08:50 at_scene i2", "U1 09:00 available", "U1 09:30 off_duty")
    assert told(found(status, logs("i1 there=08:10 free=10:00")))[1] == "at_scene i1 08:10-08:40"


def test_a_last_press_on_a_log_that_was_cleared_is_not_open():
    time = found(presses(*THERE), logs("i1 sent=08:00 there=08:10 free=09:00"))
    assert told(time)[1:] == ["at_scene i1 08:10-09:00 >clear_from_log", "available 09:00-18:00 <clear_from_log open"]


def test_a_clear_that_nothing_tells_of_is_assumed_where_it_is_longer_than_99_in_100():
    lines = []
    for job in range(120):
        day = f"+{job}"
        lines += [f"U1 08:00{day} at_scene j{job}", f"U1 08:30{day} available", f"U1 16:00{day} off_duty"]
    status = presses(
        *lines, "U9 08:00 at_scene i1", "U9 12:00 en_route i2", "U9 12:05 at_scene i2", "U9 12:25 off_duty"
    )
    time = found(status, until="18:00+120")
    assert told(time, "U9") == [
        "at_scene i1 08:00-08:30 >clear_after_usual_time",
        "available 08:30-12:00 <clear_after_usual_time",
        "en_route i2 12:00-12:05",
        "at_scene i2 12:05-12:25",
    ]


def test_a_log_that_never_presses_clears_tells_no_ends():
    status = presses(
        *THERE, "U1 08:30 at_scene i2", "U1 13:00 en_route i3", "U1 13:05 at_scene i3", "U1 13:15 off_duty"
    )
    time = found(status)
    assert told(time)[1:3] == [
        "at_scene i1 08:10-08:30 >clear_after_usual_time",
        "at_scene i2 08:30-09:30 >clear_after_usual_time",
    ]
    incidents = logs("i1", "i2", "i3")
    assert measure_deployments(time.attendances, incidents)["unit_seconds"].to_list() == [None] * 3


# ---- bookings and silence ----


@pytest.mark.parametrize("then", [None, "U1 07:00+1 briefing", "U1 06:30+1 off_duty"])
def test_a_status_ends_with_its_crews_booking(then):
    status = presses("U1 16:00 committed", *([then] if then else []))
    time = found(status, bookings=crews("U1 07:00 17:00 R1", "U1 07:00+1 17:00+1 R1"), until="12:00+1")
    assert told(time)[0] == "committed 16:00-17:00 >cut_at_booking_end"


def test_a_crew_that_is_still_pressing_after_its_booking_is_still_there():
    status = presses("U1 16:00 at_scene i1", "U1 18:00 available", "U1 18:05 off_duty")
    time = found(status, bookings=crews("U1 07:00 17:00 R1"), until="23:00")
    assert told(time)[0] == "at_scene i1 16:00-18:00"


def test_a_guard_handed_over_to_the_next_crew_goes_on():
    status = presses("U1 08:00 guard i1", "U1 20:00 available", "U1 22:00 off_duty")
    time = found(status, bookings=crews("U1 07:00 15:00 R1", "U1 15:00 23:00 R1"), until="23:00")
    assert told(time)[0] == "guard i1 08:00-20:00"


def test_a_unit_that_falls_silent_went_off_after_a_usual_duty():
    status = presses("U1 07:00 available", "U1 12:00 en_route i1", "U1 12:10 available", "U1 07:00+1 briefing")
    time = found(status, until="08:00+1")
    assert told(time)[2:] == ["available 12:10-17:00 >book_off_missed", "briefing 07:00-08:00 open"]


def test_a_quiet_night_that_ends_with_booking_off_is_believed():
    assert told(found(presses("U1 07:00 available", "U1 21:00 off_duty"), until="22:00")) == ["available 07:00-21:00"]


def test_the_pool_is_the_presss_else_the_bookings_else_unknown():
    status = presses("U1 08:00 available", "U1 12:00 en_route i1 R9", "U2 08:00 available", "U3 20:00 available")
    bookings = crews("U1 07:00 17:00 R1", "U2 08:05 17:00 R2", "U3 07:00 17:00 R3")
    time = found(status, bookings=bookings, until="21:00")
    assert list(time.attendances.select("unit_id", "pool_id").unique(maintain_order=True).iter_rows()) == [
        ("U1", "R1"), ("U1", "R9"), ("U2", "R2"), ("U3", "R3"),
    ]  # fmt: skip
    time = found(status)
    assert set(time.attendances["pool_id"]) == {"R9", "unknown"}
    assert rules(time)["unknown_pool"] == 2


# ---- long commitments ----


def test_guards_and_custody_are_long_and_so_is_what_outlasts_six_hours_without_them():
    status = presses(
        "U1 08:00 en_route i1", "U1 08:30 at_scene i1", "U1 09:00 custody i1", "U1 12:00 write_up i1",
        "U1 12:30 available", "U2 08:00 en_route i2", "U2 08:30 at_scene i2", "U2 14:30 write_up i2",
        "U2 15:00 available", "U3 08:00 guard", "U3 08:30 available",
    )  # fmt: skip
    time = found(status, until="16:00")
    long = time.attendances.filter("is_long").select("unit_id", "stage")
    assert list(long.iter_rows()) == [("U1", "custody"), ("U2", "en_route"), ("U2", "at_scene"), ("U3", "guard")]
    shorter = find_attendances(status, NO_CREWS, NO_LOGS, at("16:00"), long_hours=0.75)
    assert shorter.attendances.filter("is_long")["unit_id"].to_list().count("U1") == 3


# ---- clocks ----


def jobs(many: int, shift: timedelta) -> tuple[pl.DataFrame, pl.DataFrame]:
    """So many incidents, twelve a day, and their presses by a clock that is off."""
    rows, incidents = [], []
    for job in range(many):
        sent = DAY + timedelta(hours=2 * job)
        steps = {"en_route": sent, "at_scene": sent + timedelta(minutes=9), "available": sent + timedelta(minutes=40)}
        rows += [(f"U{job % 3}", moment + shift, status, f"i{job}") for status, moment in steps.items()]
        incidents.append((f"i{job}", sent, sent, steps["at_scene"], steps["available"]))
    status = pl.DataFrame(rows, schema=["unit_id", "status_at", "status", "incident_id"], orient="row")
    names = ["incident_id", "received_at", "dispatched_at", "arrived_at", "cleared_at"]
    frame = pl.DataFrame(incidents, schema=names, orient="row")
    full = {"class_code": "theft", "origin": "public"}
    return (
        tables.check(status, "unit_status"),
        tables.check(frame.with_columns(pl.lit(value).alias(name) for name, value in full.items()), "incidents"),
    )


@pytest.mark.parametrize("hours", [-1, 1, 2])
def test_a_status_log_whose_clock_is_hours_off_is_told_week_by_week(hours):
    status, incidents = jobs(100, timedelta(hours=hours))
    told_of = compare_clocks(status, incidents)
    assert told_of.select("week_starting", "hours_ahead").rows() == [
        (DAY, hours),
        (DAY + timedelta(days=7), hours),
    ]
    assert ("ahead of" if hours > 0 else "behind") in told_of["words"][0]
    assert "time_zone" in told_of["words"][0]


def test_clocks_that_agree_or_differ_by_minutes_are_not_told_of():
    for shift in (timedelta(0), timedelta(minutes=7), timedelta(minutes=30)):
        assert compare_clocks(*jobs(60, shift)).is_empty()
    assert compare_clocks(*jobs(4, timedelta(hours=1))).is_empty(), "too few to tell"


def reissued(held: pl.DataFrame, new: pl.DataFrame) -> list[str]:
    return say_reissued_apart(presses_apart(new, held))


@given(st.integers(10, 60), st.integers(-14, 14), st.integers(0, 59), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_log_issued_again_is_told_of_where_it_is_whole_hours_off_and_only_there(many, hours, minutes, overlap):
    held = jobs(many, timedelta(0))[0]
    # The next extract has the last jobs again, and some that nobody has seen.
    first = DAY + timedelta(hours=2 * int(many * (1 - overlap)))
    new = jobs(many + 12, timedelta(0))[0].filter(pl.col("status_at") >= first)
    again = new.join(held, on=["unit_id", "status_at", "status", "incident_id"], how="semi").height
    late = new.with_columns(pl.col("status_at") + timedelta(hours=hours, minutes=minutes))
    notes = reissued(held, late)
    if minutes or not hours or again < 10:
        assert notes == []
    elif again >= 40:
        told_of = f"exactly {abs(hours)} hour{'s' if abs(hours) > 1 else ''} {'earlier' if hours > 0 else 'later'}"
        assert [told_of in note for note in notes] == [True]
        # A week with fewer than ten of them tells nothing, and there may be one at either end.
        assert again - 18 <= int(notes[0].split(" presses of 2026-01-")[0]) <= again


def test_presses_that_are_there_by_their_own_time_or_of_a_unit_that_came_back_tell_of_no_clock():
    held = jobs(40, timedelta(0))[0]
    came_back = held.with_columns(pl.col("status_at") + pl.int_range(pl.len()) * timedelta(seconds=97))
    assert reissued(held, held) == []
    assert reissued(held, came_back) == []
    assert reissued(held.clear(), held) == reissued(held, held.clear()) == []
    # Ends of duty fall on the same hours every day, and have no incident.
    no_log = held.with_columns(incident_id=pl.lit(None, pl.String), status=pl.lit("briefing"))
    assert reissued(no_log, no_log.with_columns(pl.col("status_at") + timedelta(hours=8))) == []


def test_times_of_a_log_repair_nothing_while_the_clocks_disagree():
    status, incidents = jobs(60, timedelta(hours=1))
    unarrived = status.filter(~((pl.col("incident_id") == "i30") & (pl.col("status") != "en_route")))
    until = DAY + timedelta(days=6)
    assert not {"clear_from_log", "arrival_from_log"} & set(
        find_attendances(unarrived, NO_CREWS, incidents, until).rules["rule"]
    )


# ---- every second is somewhere ----

MOMENTS = st.integers(0, 10 * 3600)
STATUSES = st.sampled_from(tables.table("unit_status").by_name["status"].enum)


@st.composite
def status_logs(draw: st.DrawFn) -> pl.DataFrame:
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from(["U1", "U2"]), MOMENTS, STATUSES, st.sampled_from([None, "i1", "i2", "i3"])),
            min_size=1,
            max_size=40,
            unique_by=lambda row: row[:2],
        )
    )
    return tables.check(
        pl.DataFrame(
            [(unit, DAY + timedelta(seconds=seconds), status, log) for unit, seconds, status, log in rows],
            schema={"unit_id": pl.String, "status_at": periods.INSTANT, "status": pl.String, "incident_id": pl.String},
            orient="row",
        ),
        "unit_status",
    )


SOME_LOGS = logs(
    "i1 received=00:10 sent=00:20 there=00:40 free=03:00", "i2 received=05:00 closed=06:00", "i3 status=open"
)


@settings(deadline=None, max_examples=150)
@given(status_logs())
def test_every_second_of_a_unit_is_in_one_interval_or_off_duty(status):
    until = DAY + timedelta(hours=11)
    rows = find_attendances(status, NO_CREWS, SOME_LOGS, until).attendances
    off = 0
    for unit, of_unit in status.sort("status_at").group_by("unit_id", maintain_order=True):
        moments = [*of_unit["status_at"], until]
        off += sum(
            int((after - begun).total_seconds())
            for begun, after, what in zip(moments, moments[1:], of_unit["status"], strict=False)
            if what == "off_duty"
        )
        mine = rows.filter(unit_id=unit[0])
        assert (mine["starts_at"][1:] >= mine["ends_at"][:-1]).all(), "intervals of a unit never overlap"
    first = status.group_by("unit_id").agg(pl.col("status_at").min())["status_at"]
    lasted = int((rows["ends_at"] - rows["starts_at"]).dt.total_seconds().sum())
    assert lasted + off == sum(int((until - begun).total_seconds()) for begun in first)


@settings(deadline=None, max_examples=50)
@given(status_logs())
def test_a_log_that_came_in_twice_says_the_same(status):
    until = DAY + timedelta(hours=11)
    once = find_attendances(status, NO_CREWS, SOME_LOGS, until).attendances
    twice = find_attendances(pl.concat([status, status]), NO_CREWS, SOME_LOGS, until).attendances
    assert twice.equals(once)


def test_every_rule_has_words_and_an_empty_log_has_no_rows():
    time = find_attendances(tables.empty("unit_status"), NO_CREWS, NO_LOGS, DAY)
    assert time.attendances.is_empty()
    assert time.rules.is_empty()
    assert all(kind in ("left_out", "repaired", "noted") and words for kind, words in RULES.values())
    assert count_committed(time.attendances, hours(DAY, DAY + timedelta(hours=2)), "f", LONDON).is_empty()


@pytest.mark.parametrize("missed", [0.0, 0.05, 0.15])
def test_hours_are_those_that_were_worked_though_presses_were_missed(missed):
    chance = np.random.default_rng(8)
    rows, incidents, truth = [], [], 0
    for unit in range(12):
        moment = DAY
        for job in range(250):
            moment += timedelta(seconds=int(chance.exponential(3000)))
            travel, scene = int(chance.exponential(500)) + 60, int(chance.lognormal(7.6, 0.8))
            there, free = moment + timedelta(seconds=travel), moment + timedelta(seconds=travel + scene)
            number = f"i{unit}-{job}"
            for status, when in (("en_route", moment), ("at_scene", there), ("available", free)):
                if chance.random() >= missed:
                    rows.append((f"U{unit}", when, status, number))
            incidents.append((number, moment, moment, there, free))
            truth += travel + scene
            moment = free
    status = pl.DataFrame(rows, schema=["unit_id", "status_at", "status", "incident_id"], orient="row")
    names = ["incident_id", "received_at", "dispatched_at", "arrived_at", "cleared_at"]
    calls = pl.DataFrame(incidents, schema=names, orient="row")
    calls = calls.with_columns(class_code=pl.lit("theft"), origin=pl.lit("public"))
    time = find_attendances(
        tables.check(status, "unit_status"), NO_CREWS, tables.check(calls, "incidents"), status["status_at"].max()
    )
    at_logs = time.attendances.filter(pl.col("incident_id").is_not_null())
    lasted = int((at_logs["ends_at"] - at_logs["starts_at"]).dt.total_seconds().sum())
    assert lasted == pytest.approx(truth, rel=0.02 if missed < 0.1 else 0.04)


# ---- unit-hours ----


def hours(first: datetime, last: datetime, zone: str = LONDON) -> pl.Series:
    return periods.hours_between(zone, first, last)


def intervals(*rows: tuple[datetime, datetime], **columns: object) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema={"starts_at": periods.INSTANT, "ends_at": periods.INSTANT}, orient="row")
    fixed = {
        "unit_id": "U1", "incident_id": "i1", "attendance": 1, "stage": "at_scene", "pool_id": "R1", "begun_by": None,
        "ended_by": None, "is_open": False, "is_long": False,
    } | columns  # fmt: skip
    return frame.with_columns(pl.lit(value).alias(name) for name, value in fixed.items())


def test_unit_hours_are_cut_at_local_hours_by_pool_and_for_the_force():
    rows = pl.concat(
        [
            intervals((at("08:15"), at("10:30")), begun_by="arrival_from_log", ended_by=None),
            intervals((at("08:30"), at("08:45")), pool_id="R2", begun_by=None, ended_by="clear_from_log"),
            intervals((at("08:50"), at("09:00")), pool_id="R2", incident_id=None),
        ],
        how="vertical_relaxed",
    )
    counted = count_committed(rows, hours(at("08:00"), at("12:00")), "force", LONDON)
    shown = counted.select(
        "level", "place_id", pl.col("hour_starting").dt.hour(), "has_incident", "unit_hours", "repaired_unit_hours"
    )
    assert shown.rows() == [
        ("force", "force", 8, False, 0.1667, 0.0),
        ("force", "force", 8, True, 1.0, 1.0),
        ("force", "force", 9, True, 1.0, 1.0),
        ("force", "force", 10, True, 0.5, 0.5),
        ("pool", "R1", 8, True, 0.75, 0.75),
        ("pool", "R1", 9, True, 1.0, 1.0),
        ("pool", "R1", 10, True, 0.5, 0.5),
        ("pool", "R2", 8, False, 0.1667, 0.0),
        ("pool", "R2", 8, True, 0.25, 0.25),
    ]


@pytest.mark.parametrize(
    ("zone", "day", "lengths"),
    [
        ("Europe/London", datetime(2026, 3, 29).date(), [1.0] * 23),
        ("Europe/London", datetime(2026, 10, 25).date(), [1.0] * 25),
        ("Australia/Lord_Howe", datetime(2026, 10, 4).date(), [1.0, 1.0, 0.5, *[1.0] * 21]),
        ("Australia/Lord_Howe", datetime(2026, 4, 5).date(), [1.0, 1.0, 0.5, *[1.0] * 22]),
        ("Asia/Kolkata", datetime(2026, 10, 4).date(), [1.0] * 24),
    ],
)
def test_days_of_23_and_25_hours_and_lord_howes_half_hour_hold_what_they_last(zone, day, lengths):
    local = periods.local_days(zone, day, day)
    begins, ends = local["starts_at"][0], local["ends_at"][0]
    around = intervals((begins - timedelta(hours=5), ends + timedelta(hours=5)))
    counted = count_committed(around, hours(begins, ends, zone), "f", zone).filter(level="force")
    assert sorted(counted["unit_hours"]) == sorted(lengths)
    assert sum(lengths) == pytest.approx((ends - begins).total_seconds() / 3600)
    assert counted["unit_hours"].to_list()[:2] == [1.0, 1.0]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 4 * 86400), st.integers(1, 2 * 86400)), min_size=1, max_size=20),
    st.sampled_from([LONDON, "Australia/Lord_Howe", "Asia/Kolkata", "America/Los_Angeles"]),
)
def test_hours_add_up_to_what_the_intervals_lasted(drawn_intervals, zone):
    begin = datetime(2026, 10, 2, 12, tzinfo=UTC)  # Lord Howe's clock changes on the 4th; London's on the 25th
    if zone == LONDON:
        begin += timedelta(days=21)
    rows = [
        (begin + timedelta(seconds=start), begin + timedelta(seconds=start + lasted))
        for start, lasted in drawn_intervals
    ]
    counted = count_committed(
        intervals(*rows), hours(begin - timedelta(hours=1), begin + timedelta(days=7), zone), "f", zone
    )
    for level in ("pool", "force"):
        seconds = (counted.filter(level=level)["unit_hours"] * 3600).round().cast(pl.Int64)
        assert seconds.sum() == sum(lasted for _, lasted in drawn_intervals)


# ---- deployments ----


def deployed(status: pl.DataFrame, incidents: pl.DataFrame, until: str = "18:00") -> dict[str, tuple]:
    rows = measure_deployments(found(status, incidents, until=until).attendances, incidents)
    return {
        row[0]: row[1:] for row in rows.select("incident_id", "was_deployed", "units_sent", "unit_seconds").iter_rows()
    }


def test_units_are_different_ones_and_their_time_is_from_the_way_there_to_free_with_all_times_that_they_came():
    status = presses(
        "U1 08:00 en_route i1", "U1 08:10 at_scene i1", "U1 08:30 write_up i1", "U1 08:50 available",
        "U1 10:00 at_scene i1", "U1 10:10 available", "U2 08:20 at_scene i1", "U2 09:00 available", "U2 09:30 off_duty",
        "U1 11:00 off_duty",
    )  # fmt: skip
    incidents = logs("i1", "i2 received=08:30", "i3 received=08:30 status=open")
    assert deployed(status, incidents) == {
        "i1": (1, 2, (40 + 40) * 60 // 2),
        "i2": (0, None, None),
        "i3": (None, None, None),
    }
    found_ = measure_deployments(found(status, incidents).attendances, incidents)
    assert found_["write_up_seconds"][0] == 1200


def test_long_commitments_are_apart_from_a_deployments_ordinary_time():
    status = presses(*THERE, "U1 08:30 custody i1", "U1 12:00 available", "U1 13:00 off_duty")
    rows = measure_deployments(found(status, logs("i1")).attendances, logs("i1"))
    assert rows.select("unit_seconds", "long_seconds").row(0) == (1800, 12600)


def test_a_unit_that_is_still_there_has_no_measured_time():
    assert deployed(presses(*THERE), logs("i1 status=open"), until="09:00")["i1"] == (1, 1, None)


def test_what_was_done_at_a_merged_log_is_counted_at_the_other():
    status = presses(
        "U1 08:00 at_scene i2", "U1 08:30 available", "U1 09:00 off_duty", "U2 08:00 at_scene i1", "U2 08:10 available"
    )
    incidents = logs("i1", "i2 merged_into=i1")
    assert deployed(status, incidents)["i1"] == (1, 2, 20 * 60)


def test_a_status_log_says_nothing_of_a_time_at_which_it_was_not_kept():
    status = presses("U1 08:00 at_scene i1", "U1 08:30 available", "U1 09:00 off_duty", "U1 20:00 available")
    told_of = deployed(status, logs("i1", "i2 received=05:00", "i3 received=08:40", "i4 received=12:00"), until="21:00")
    assert [told_of[f"i{number}"][0] for number in (1, 2, 3, 4)] == [1, None, None, None]


def test_a_status_log_without_logs_says_nothing_of_deployments():
    status = presses("U1 08:00 at_scene", "U1 08:30 available", "U1 09:00 off_duty")
    assert deployed(status, logs("i1 received=08:10"))["i1"] == (None, None, None)


# ---- now ----


def test_the_near_term_view_starts_from_the_committed_units_and_the_open_logs():
    status = presses(*THERE, "U2 07:00 available", "U3 07:00 custody", "U4 07:00 at_scene i1", "U4 08:20 available")
    incidents = logs(
        "i1 received=07:55 status=open", "i2 received=08:10 status=open grade_code=2", "i3 received=08:10 closed=08:20",
        "i4 received=08:10 closed=12:00", "i5 received=08:10 status=open merged_into=i1",
        "i6 received=11:00 status=open", "i7 received=02:00 status=open",
    )  # fmt: skip
    time = found(status, incidents, until="08:30")
    now = open_now(time.attendances, incidents, at("08:30"))
    shown = now.units.select("unit_id", "incident_id", "stage", "stage_since", "since", "grade_code")
    assert shown.rows() == [
        ("U1", "i1", "at_scene", at("08:10"), at("08:00"), "1"),
        ("U2", None, "available", at("07:00"), None, None),
        ("U3", None, "custody", at("07:00"), at("07:00"), None),
        ("U4", None, "available", at("08:20"), None, None),
    ]
    assert now.logs.select("incident_id", "minutes_open", "units_there", "units_sent").rows() == [
        ("i7", 390, 0, 0),
        ("i1", 35, 1, 2),
        ("i4", 20, 0, 0),
        ("i2", 20, 0, 0),
    ]


def test_an_arrival_that_nobody_pressed_was_at_a_guard_where_all_others_guard():
    time = found(
        presses(
            "U1 08:00 en_route i1", "U1 08:10 guard i1", "U1 12:00 available", "U1 12:30 off_duty",
            "U2 11:50 en_route i1", "U2 16:00 available", "U2 16:30 off_duty",
            "U3 08:00 en_route i2", "U3 08:10 at_scene i2", "U3 12:00 available", "U3 12:30 off_duty",
            "U4 11:50 en_route i2", "U4 15:00 available", "U4 15:30 off_duty",
        )
    )  # fmt: skip
    assert told(time, "U2")[1] == "guard i1 12:00-16:00 <arrival_after_usual_travel"
    assert told(time, "U4")[1] == "at_scene i2 12:00-15:00 <arrival_after_usual_travel"
    assert time.attendances.filter(unit_id="U2", stage="guard")["is_long"].all()
