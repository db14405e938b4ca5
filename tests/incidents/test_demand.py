"""Demand: every incident counted once, in its local hour, with the officer-hours that it asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawn import drawn

from bluelamp import tables
from bluelamp.incidents import count_demand, read_priors

LONDON = "Europe/London"
AREAS = ["a", "b"]
TIMES = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | source",
    "theft      | all        | 0.5            | 2                    | 30               | drawn",
    "all        | all        | 0.25           | 1                    | 60               | drawn",
)
HEADER = (
    "incident_id|received_at|dispatched_at|arrived_at|cleared_at|closed_at|class_code|origin|grade_code|area_id|units|"
    "status"
)


def incident(
    number: int,
    received: str,
    *,
    dispatched: str = "",
    arrived: str = "",
    cleared: str = "",
    closed: str = "",
    class_code: str = "theft",
    origin: str = "public",
    grade: str = "1",
    area: str = "a",
    units: str = "",
    status: str = "",
) -> str:
    """One incident; moments are '05 18:04' of January 2026, or written out."""

    def at(moment: str) -> str:
        return f"2026-01-{moment.replace(' ', 'T')}:00Z" if moment and "T" not in moment else moment

    moments = (at(each) for each in (received, dispatched, arrived, cleared, closed))
    return "|".join([str(number), *moments, class_code, origin, grade, area, units, status])


def demand(*rows: str, service_times: pl.DataFrame = TIMES, zone: str = LONDON, crew: tuple[int, ...] = (1,) * 24):
    return count_demand(drawn("incidents", HEADER, *rows), service_times, AREAS, zone, crew)


def only(found: pl.DataFrame, *columns: str) -> tuple:
    assert found.height == 1, found
    return found.select(columns).row(0)


# A dispatched log beside the one looked at, so that the source does fill its times.
OTHER = incident(99, "20 12:00", dispatched="20 12:05", cleared="20 12:35", class_code="other", units="1")


def first(*rows: str, **wanted) -> pl.DataFrame:
    return demand(*rows, OTHER, **wanted).filter(pl.col("class_code") != "other")


# ---- counting ----


def test_incidents_of_one_hour_class_grade_and_origin_are_one_row():
    found = demand(
        incident(1, "05 18:00"),
        incident(2, "05 18:59"),
        incident(3, "05 19:00"),
        incident(4, "05 18:30", grade="2"),
        incident(5, "05 18:30", class_code="fraud"),
        incident(6, "05 18:30", origin="officer_initiated"),
        incident(7, "05 18:30", area="b"),
    )
    assert found.height == 6
    assert found["incidents"].sum() == 7
    two = found.filter(pl.col("incidents") == 2).select("area_id", "hour_starting", "class_code", "grade_code")
    assert two.row(0) == ("a", datetime(2026, 1, 5, 18, tzinfo=UTC), "theft", "1")


def test_no_incidents_are_no_rows():
    assert count_demand(tables.empty("incidents"), TIMES, AREAS, LONDON).equals(tables.empty("demand"))


def test_a_grade_that_a_source_does_not_have_is_none():
    assert only(first(incident(1, "05 18:00", grade="")), "grade_code", "incidents") == ("none", 1)


@pytest.mark.parametrize("area", ["", "elsewhere", "unknown"])
def test_a_place_that_is_not_known_is_counted_as_unknown_and_never_dropped(area):
    assert only(first(incident(1, "05 18:00", area=area)), "area_id", "incidents") == ("unknown", 1)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3 * 365 * 86_400),
            st.sampled_from(["a", "b", "", "elsewhere"]),
            st.sampled_from(["theft", "fraud"]),
            st.sampled_from(["1", ""]),
            st.sampled_from([None, 5, 90, 2000]),
        ),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from([LONDON, "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_every_incident_is_counted_once_and_its_hours_are_not_negative(logs, zone):
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    rows = []
    for number, (seconds, area, class_code, grade, minutes) in enumerate(logs):
        at = begin + timedelta(seconds=seconds)
        cleared = "" if minutes is None else (at + timedelta(minutes=minutes)).isoformat()
        times = {"dispatched": at.isoformat(), "cleared": cleared} if minutes is not None else {}
        rows.append(incident(number, at.isoformat(), area=area, class_code=class_code, grade=grade, **times))
    found = demand(*rows, zone=zone)
    assert found["incidents"].sum() == len(logs)
    assert (found["deployed"] >= 0).all()
    assert (found["deployed"] <= found["incidents"]).all()
    assert (found["measured"] <= found["incidents"]).all()
    assert (found["officer_hours"] >= 0).all()
    assert found.equals(demand(*reversed(rows), zone=zone)), "the order of the rows does not matter"


# ---- local hours ----


@pytest.mark.parametrize(
    ("received", "zone", "hour"),
    [
        ("2026-10-25T00:59:59Z", LONDON, "2026-10-25T00:00"),  # 01:59 summer time
        ("2026-10-25T01:00:00Z", LONDON, "2026-10-25T01:00"),  # 01:00 again, winter time
        ("2026-03-29T00:59:59Z", LONDON, "2026-03-29T00:00"),
        ("2026-03-29T01:00:00Z", LONDON, "2026-03-29T01:00"),  # 02:00, one o'clock does not exist
        ("2026-07-05T18:29:59Z", "Asia/Kolkata", "2026-07-05T17:30"),
        ("2026-07-05T18:30:00Z", "Asia/Kolkata", "2026-07-05T18:30"),
        ("2026-04-04T15:15:00Z", "Australia/Lord_Howe", "2026-04-04T15:00"),  # the half hour that comes once more
    ],
)
def test_an_incident_is_counted_in_the_hour_that_the_forces_clock_shows(received, zone, hour):
    found = demand(incident(1, received), zone=zone)
    assert only(found, "hour_starting") == (datetime.fromisoformat(hour).replace(tzinfo=UTC),)


def test_both_hours_of_a_night_that_has_one_twice_are_kept_apart():
    found = demand(incident(1, "2026-10-25T00:30:00Z"), incident(2, "2026-10-25T01:30:00Z"))
    assert found["incidents"].to_list() == [1, 1]


# ---- officer-hours ----


def test_officer_hours_are_units_times_the_time_from_dispatch_to_clear():
    found = first(
        incident(1, "05 18:00", dispatched="05 18:10", arrived="05 18:20", cleared="05 19:10", units="2"),
        incident(2, "05 18:05", dispatched="05 18:10", cleared="05 18:40", units="1"),
    )
    assert only(found, "incidents", "deployed", "officer_hours", "measured") == (2, 2.0, 2.5, 2)


def test_two_officers_in_a_unit_give_twice_the_hours():
    night = tuple(2 if hour < 7 or hour >= 22 else 1 for hour in range(24))
    rows = [
        incident(1, f"05 {hour}:59", dispatched=f"05 {hour}:59", cleared="05 23:59", units="1") for hour in (21, 22)
    ]
    found = first(*rows, crew=night).sort("hour_starting")
    assert found["officer_hours"].to_list() == [2.0, 2.0]


def test_the_crew_is_that_of_the_hour_on_the_wall():
    night = tuple(2 if hour < 7 else 1 for hour in range(24))
    row = incident(
        1, "2026-07-06T06:30:00Z", dispatched="2026-07-06T06:30:00Z", cleared="2026-07-06T07:30:00Z", units="1"
    )
    assert only(first(row, crew=night), "officer_hours") == (1.0,), "half past seven in the morning, summer time"


def test_where_the_dispatch_is_missing_the_arrival_begins_the_time():
    found = first(incident(1, "05 18:00", arrived="05 18:20", cleared="05 19:20", units="3"))
    assert only(found, "deployed", "officer_hours", "measured") == (1.0, 3.0, 1)


@pytest.mark.parametrize(
    ("cleared", "why"),
    [("", "never cleared"), ("05 18:00", "before it was dispatched"), ("07 18:00", "more than a day")],
)
def test_a_prior_stands_in_for_times_that_cannot_be_and_for_nothing_else(cleared, why):
    found = first(incident(1, "05 18:00", dispatched="05 18:10", cleared=cleared, units="3"))
    # Three units are known, and that somebody went; the half hour is the prior's.
    assert only(found, "deployed", "officer_hours", "measured") == (1.0, 1.5, 0), why


def test_units_that_are_not_known_are_the_priors_and_the_time_is_its_own():
    found = first(incident(1, "05 18:00", dispatched="05 18:00", cleared="05 19:30"))
    assert only(found, "deployed", "officer_hours", "measured") == (1.0, 3.0, 1)


def test_half_a_minute_is_a_time_and_less_is_not():
    for seconds, hours in ((30, 30 / 3600), (29, 1.0)):
        row = incident(1, "2026-01-05T18:00:00Z", dispatched="2026-01-05T18:00:00Z", units="1").split("|")
        row[4] = f"2026-01-05T18:00:{seconds}Z"
        expected = hours if seconds == 30 else 0.5
        assert only(first("|".join(row)), "officer_hours") == (pytest.approx(expected, abs=5e-4),)


def test_nobody_went_where_the_source_fills_its_times_and_left_these_empty():
    found = first(incident(1, "05 18:00"), incident(2, "05 18:00", closed="06 09:00", status="closed", units="0"))
    assert only(found, "incidents", "deployed", "officer_hours", "measured") == (2, 0.0, 0.0, 2)


def test_an_open_log_may_have_somebody_sent_yet_and_has_the_share_of_its_class():
    found = first(incident(1, "05 18:00", status="open"), incident(2, "05 18:00", status="closed"))
    assert only(found, "incidents", "deployed", "officer_hours", "measured") == (2, 0.5, 0.5, 1)


def test_an_open_log_with_a_unit_at_it_counts_as_deployed_with_the_priors_time():
    found = first(incident(1, "05 18:00", dispatched="05 18:05", units="1", status="open"))
    assert only(found, "deployed", "officer_hours", "measured") == (1.0, 0.5, 0)


def test_a_log_closed_in_the_second_it_came_was_information_only():
    found = demand(incident(1, "05 18:00", closed="05 18:00"), incident(2, "05 18:00", grade="2"))
    assert found.filter(grade_code="1").select("deployed", "officer_hours", "measured").row(0) == (0.0, 0.0, 1)


def test_where_a_source_does_not_say_each_incident_has_its_class_share():
    found = demand(*(incident(number, "05 18:00") for number in range(4)))
    assert only(found, "incidents", "deployed", "officer_hours", "measured") == (4, 2.0, 2.0, 0)


def test_the_classes_share_is_that_of_all_its_incidents_known_and_not():
    # Of 60 thefts half get a unit, that is 30: 15 are information only, 2 are known to have had one, 43 share the rest.
    rows = [incident(number, "05 18:00", closed="05 18:00") for number in range(15)]
    rows += [
        incident(20 + number, "05 18:00", dispatched="05 18:00", cleared="05 19:00", units="1") for number in range(2)
    ]
    rows += [incident(30 + number, "05 18:00") for number in range(43)]
    found = demand(*rows)
    assert only(found, "incidents", "measured") == (60, 17)
    assert found["deployed"].item() == pytest.approx(30, abs=0.03)


def test_a_class_without_a_row_has_that_of_all():
    found = demand(*(incident(number, "05 18:00", class_code="new") for number in range(4)))
    assert only(found, "deployed", "officer_hours") == (1.0, 1.0)


def test_whole_seconds_are_added_so_that_no_order_shows():
    rows = [
        incident(n, "05 18:00", dispatched="05 18:00", cleared=f"05 18:{1 + n % 58:02d}", units="1") for n in range(300)
    ]
    one, two = demand(*rows), demand(*rows[::-1])
    assert one.equals(two)
    assert only(one, "officer_hours") == (round(sum(1 + n % 58 for n in range(300)) / 60, 3),)


# ---- priors ----


def test_the_shipped_priors_cover_every_class_and_name_their_source():
    from bluelamp import sources

    priors = tables.check(read_priors(), "service_times")
    # A class that is not known has the row of all.
    assert set(sources.classes()) - set(priors["class_code"]) == {"unknown"}
    assert ("all", "all") in priors.select("class_code", "grade_code").rows()
    assert priors["source"].str.starts_with("prior: ").all()
    assert priors["incidents"].null_count() == priors.height
    theft = priors.filter(class_code="theft").row(0, named=True)
    assert theft["minutes_per_unit"] == 59, "51 minutes on scene and 8 of travel"
