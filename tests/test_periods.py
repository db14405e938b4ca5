from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import periods
from bluelamp.errors import BadSettings

ZONES = [
    "Europe/London", "America/Los_Angeles", "America/New_York", "America/St_Johns", "Australia/Lord_Howe",
    "Australia/Adelaide", "Pacific/Auckland", "Asia/Kolkata", "Asia/Tokyo", "America/Sao_Paulo",
]  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def truncated(instants: list[datetime], zone: str) -> list[datetime]:
    frame = pl.DataFrame({"at": pl.Series(instants, dtype=periods.INSTANT)})
    expression = periods.hour_starting(pl.col("at"), zone, min(instants), max(instants))
    return frame.select(expression)["at"].to_list()


@pytest.mark.parametrize(
    ("zone", "day", "hours", "length"),
    [
        ("Europe/London", date(2026, 3, 29), 23, 23),
        ("Europe/London", date(2026, 10, 25), 25, 25),
        ("America/Los_Angeles", date(2023, 3, 12), 23, 23),
        ("America/Los_Angeles", date(2023, 11, 5), 25, 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 24, 23.5),
        ("Australia/Lord_Howe", date(2026, 4, 5), 25, 24.5),
        ("Asia/Kolkata", date(2026, 1, 1), 24, 24),
        ("Europe/London", date(2028, 2, 29), 24, 24),
        ("Europe/London", date(2026, 12, 31), 24, 24),
    ],
)
def test_a_local_day_has_the_hours_that_its_clock_shows(zone, day, hours, length):
    found = periods.local_days(zone, day, day).row(0, named=True)
    assert found["hours"] == length
    assert len(periods.hours_between(zone, found["starts_at"], found["ends_at"])) == hours


def test_lord_howes_half_hour_makes_one_hour_of_thirty_minutes():
    day = periods.local_days("Australia/Lord_Howe", date(2026, 10, 4), date(2026, 10, 4)).row(0, named=True)
    starts = periods.hours_between("Australia/Lord_Howe", day["starts_at"], day["ends_at"]).to_list()
    lengths = [(b - a).total_seconds() / 3600 for a, b in zip(starts, [*starts[1:], day["ends_at"]], strict=True)]
    assert sorted(lengths)[0] == 0.5
    assert sum(lengths) == 23.5
    assert lengths.count(1.0) == 23


def test_hours_start_at_half_past_in_utc_where_the_zone_is_half_an_hour_off():
    day = periods.local_days("Asia/Kolkata", date(2026, 1, 1), date(2026, 1, 1)).row(0, named=True)
    starts = periods.hours_between("Asia/Kolkata", day["starts_at"], day["ends_at"])
    assert set(starts.dt.minute()) == {30}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("year", [2025, 2028])
def test_a_year_has_no_hour_lost_or_doubled(zone, year):
    days = periods.local_days(zone, date(year, 1, 1), date(year, 12, 31))
    starts = periods.hours_between(zone, days["starts_at"][0], days["ends_at"][-1])
    assert starts.is_sorted()
    assert starts.n_unique() == len(starts)
    ends = pl.concat([starts[1:], pl.Series([days["ends_at"][-1]], dtype=periods.INSTANT)])
    lengths = (ends - starts).dt.total_minutes()
    assert lengths.sum() == days["hours"].sum() * 60
    assert set(lengths) <= {30, 60}
    by_day = periods.local_parts(starts, zone).group_by("day").len()
    assert by_day.height == days.height


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=40, deadline=None)
@given(seconds=st.integers(0, 2 * 366 * 86_400))
def test_truncating_gives_the_last_hour_start_that_is_not_after_the_instant(zone, seconds):
    instant = at("2026-01-01") + timedelta(seconds=seconds)
    starts = periods.hours_between(zone, instant - timedelta(hours=3), instant + timedelta(seconds=1)).to_list()
    assert truncated([instant], zone) == [max(start for start in starts if start <= instant)]


def test_an_hour_that_is_skipped_is_read_with_the_offset_before_the_change():
    frame = pl.DataFrame({"at": [datetime(2026, 3, 29, 1, 30), datetime(2026, 3, 29, 2, 30)]})
    found = periods.to_utc(frame, "at", "Europe/London")
    assert found["at"].to_list() == [at("2026-03-29T01:30"), at("2026-03-29T01:30")]
    assert found["at_is_skipped"].to_list() == [True, False]


def test_an_hour_that_comes_twice_is_read_as_the_first():
    frame = pl.DataFrame({"at": [datetime(2026, 10, 25, 0, 30), datetime(2026, 10, 25, 1, 30), None]})
    found = periods.to_utc(frame, "at", "Europe/London")
    assert found["at"].to_list() == [at("2026-10-24T23:30"), at("2026-10-25T00:30"), None]
    assert found["at_comes_twice"].to_list() == [False, True, False]


def test_next_local_midnight_is_the_instant_itself_at_midnight_and_the_next_one_otherwise():
    midnight = at("2026-07-01T23:00")  # 00:00 on 2 July in London
    assert periods.next_local_midnight(midnight, "Europe/London") == midnight
    assert periods.next_local_midnight(midnight + timedelta(seconds=1), "Europe/London") == midnight + timedelta(days=1)


def test_slots_count_local_hours_from_monday_midnight():
    hours = pl.Series([at("2026-07-05T23:00"), at("2026-07-06T22:00")], dtype=periods.INSTANT)
    assert periods.local_parts(hours, "Europe/London")["slot"].to_list() == [0, 23]


def test_an_unknown_zone_is_named_with_the_nearest_known_one():
    with pytest.raises(BadSettings, match=r"'Europe/Lodnon' is not a time zone.*Did you mean 'Europe/London'"):
        periods.zone("Europe/Lodnon")


@pytest.mark.parametrize(("instant", "starts_at", "day"), [
    ("2026-01-05T22:00", 7, 5), ("2026-01-06T02:00", 7, 5), ("2026-01-06T06:59", 7, 5), ("2026-01-06T07:00", 7, 6),
    ("2026-01-06T00:00", 0, 6), ("2026-01-06T22:00", 23, 5),
])  # fmt: skip
def test_a_night_belongs_to_the_duty_day_that_it_starts_on(instant, starts_at, day):
    frame = pl.DataFrame({"at": [at(instant)]}, schema={"at": periods.INSTANT})
    found = frame.select(periods.duty_day(pl.col("at"), "Europe/London", starts_at))
    assert found.item() == date(2026, 1, day)


def test_the_duty_day_begins_by_the_clock_on_days_that_change_it():
    # 07:00 is 06:00 in UTC from the last Sunday of March, and 07:00 again from that of October.
    for instant, day in (("2026-03-29T05:59", 28), ("2026-03-29T06:00", 29), ("2026-10-25T06:59", 24),
                         ("2026-10-25T07:00", 25)):  # fmt: skip
        frame = pl.DataFrame({"at": [at(instant)]}, schema={"at": periods.INSTANT})
        assert frame.select(periods.duty_day(pl.col("at"), "Europe/London", 7)).item().day == day


# ---- on nights on which the clock changes ----


def night(first: str, hours: int) -> pl.Series:
    return pl.Series([at(first) + timedelta(hours=hour) for hour in range(hours)], dtype=periods.INSTANT)


@pytest.mark.parametrize(
    ("first", "of_day", "found"),
    [
        # 00:00, 01:00, 01:00 again, 02:00.
        ("2026-10-24T23:00", [1], [False, True, False, False]),
        # 00:00, 02:00, 03:00, 04:00.
        ("2026-03-29T00:00", [1], [False, True, False, False]),
        ("2026-03-29T00:00", [2, 4], [False, True, False, True]),
        ("2026-07-04T23:00", [0, 3], [True, False, False, True]),
        # A look that begins in the middle of a shift does not begin one.
        ("2026-07-05T00:00", [0], [False, False, False, False]),
    ],
)
def test_an_hour_of_the_day_begins_once_whatever_the_clock_does(first, of_day, found):
    assert periods.begin_at(night(first, 4), "Europe/London", of_day).to_list() == found


def test_the_same_time_some_days_later_is_by_the_clock():
    later = periods.days_later(night("2026-10-24T00:00", 1), "Europe/London", 2)
    assert later.to_list() == [at("2026-10-26T01:00")]
    twice = periods.days_later(night("2026-10-25T00:00", 2), "Europe/London", 1)
    assert twice.to_list() == [at("2026-10-26T01:00")] * 2
    skipped = periods.days_later(night("2026-03-28T01:00", 2), "Europe/London", 1)
    assert skipped.to_list() == [at("2026-03-29T01:00"), at("2026-03-29T01:00")]


def test_a_moment_is_told_by_which_clock_only_where_that_reads_alike_twice():
    told = [periods.as_read(each, "Europe/London") for each in night("2026-10-24T23:30", 4)]
    assert told == ["Sun 00:30", "Sun 01:30 BST", "Sun 01:30 GMT", "Sun 02:30"]
    assert periods.as_read(at("2026-03-29T01:00"), "Europe/London", "%H:%M") == "02:00"
