"""Outages: found where the feed was silent, and nowhere else."""

import csv
import gzip
import io
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from bluelamp import tables
from bluelamp.incidents.outages import find_outages, stretches_believed

ZONE = "Europe/London"


def calls(*stretches: tuple[str, str], a_day: float = 240.0, seed: int = 1) -> pl.DataFrame:
    """Made-up incidents over stretches of local time, with a day shape: quiet from 03:00 to 06:00."""
    rng = np.random.default_rng(seed)
    zone = ZoneInfo(ZONE)
    at = []
    for begin, end in stretches:
        hour = datetime.fromisoformat(begin).replace(tzinfo=zone).astimezone(UTC)
        last = datetime.fromisoformat(end).replace(tzinfo=zone).astimezone(UTC)
        while hour < last:
            share = (0.3 if hour.astimezone(zone).hour in (3, 4, 5) else 1.1) / 24
            at += [hour + timedelta(seconds=float(s)) for s in rng.uniform(0, 3600, rng.poisson(a_day * share))]
            hour += timedelta(hours=1)
        at = [each for each in at if each < last]
    return pl.DataFrame({"received_at": at}, schema={"received_at": pl.Datetime("us", "UTC")})


def found(
    incidents: pl.DataFrame, share: float = 0.25, declared: tuple[tuple[date, date], ...] = ()
) -> list[tuple[str, str, str]]:
    outages = find_outages(incidents, ZONE, share, declared)
    tables.check(outages, "outages")
    assert (outages["ends_at"] > outages["starts_at"]).all()
    assert (outages["starts_at"].shift(-1) >= outages["ends_at"]).fill_null(value=True).all()
    local = [outages[name].dt.convert_time_zone(ZONE).dt.strftime("%m-%d %H") for name in ("starts_at", "ends_at")]
    return list(zip(*local, outages["rule"], strict=True))


def test_an_unbroken_feed_has_no_outage():
    for seed in range(5):
        assert found(calls(("2026-01-05", "2026-06-01"), seed=seed)) == []


def test_a_quiet_feed_has_no_outage_however_empty_its_nights():
    for seed in range(5):
        assert found(calls(("2026-01-05", "2026-06-01"), a_day=6.0, seed=seed)) == []


def test_a_hole_of_days_is_masked_with_the_hours_that_it_touches():
    incidents = calls(("2026-01-05", "2026-02-10 11:00"), ("2026-02-13 19:30", "2026-03-20"))
    assert found(incidents) == [
        ("02-10 10", "02-11 00", "partial_last_day"),
        ("02-11 00", "02-13 00", "no_incidents"),
        ("02-13 00", "02-13 20", "partial_first_day"),
    ]


def test_a_hole_within_one_day_is_masked_to_the_hour():
    incidents = calls(("2026-01-05", "2026-02-10 12:00"), ("2026-02-10 19:00", "2026-03-20"))
    assert found(incidents) == [("02-10 11", "02-10 20", "no_incidents")]


def test_a_record_that_begins_and_ends_within_a_day_has_partial_days():
    incidents = calls(("2026-01-05 07:00", "2026-02-10 19:00"))
    assert found(incidents) == [
        ("01-05 00", "01-05 08", "partial_first_day"),
        ("02-10 18", "02-11 00", "partial_last_day"),
    ]


def test_a_register_day_that_is_lost_keeps_the_good_hours_before_and_after():
    incidents = calls(("2026-01-05", "2026-02-10 07:00"), ("2026-02-11 07:00", "2026-03-20"))
    masked = found(incidents)
    assert masked[0][0] in ("02-10 06", "02-10 05")
    assert masked[-1][1] == "02-11 08"


def test_a_day_with_few_incidents_is_masked_whole():
    few = calls(("2026-02-10", "2026-02-11"), a_day=40.0)
    incidents = pl.concat([calls(("2026-01-05", "2026-02-10"), ("2026-02-11", "2026-03-20")), few])
    assert found(incidents) == [("02-10 00", "02-11 00", "few_incidents")]
    assert found(incidents, share=0.1) == []


def test_a_slow_sunday_every_week_is_no_outage():
    days = [date(2026, 1, 5) + timedelta(days=n) for n in range(84)]
    parts = [
        calls(
            (day.isoformat(), (day + timedelta(days=1)).isoformat()),
            a_day=45.0 if day.weekday() == 6 else 240.0,
            seed=n,
        )
        for n, day in enumerate(days)
    ]
    assert found(pl.concat(parts)) == []


def test_a_feed_that_stutters_is_not_believed_between_two_silences():
    incidents = calls(
        ("2026-01-05", "2026-02-10 00:00"), ("2026-02-10 10:00", "2026-02-10 12:00"), ("2026-02-11 00:00", "2026-03-20")
    )
    masked = found(incidents)
    assert masked[0][0] <= "02-10 00"
    assert masked[-1][1] >= "02-11 00"
    hours = (
        find_outages(incidents, ZONE).select((pl.col("ends_at") - pl.col("starts_at")).dt.total_hours().sum()).item()
    )
    assert 24 <= hours <= 26


def test_declared_days_are_masked_even_beyond_the_record():
    incidents = calls(("2026-01-05", "2026-02-10"))
    declared = ((date(2026, 1, 20), date(2026, 1, 21)), (date(2026, 2, 14), date(2026, 2, 14)))
    rules = find_outages(incidents, ZONE, 0.25, declared).filter(pl.col("rule") == "declared")
    assert rules["starts_at"].dt.strftime("%m-%d").to_list() == ["01-20", "02-14"]
    assert rules["ends_at"].dt.strftime("%m-%d").to_list() == ["01-22", "02-15"]


def test_clock_changes_make_no_outage():
    incidents = calls(("2026-03-01", "2026-04-20"), ("2026-10-01", "2026-11-20"), a_day=700.0)
    days = {begin[:5] for begin, _, rule in found(incidents)}
    assert "03-29" not in days
    assert "10-25" not in days


def test_a_hole_over_a_clock_change_has_all_its_hours():
    incidents = calls(("2026-02-01", "2026-03-28"), ("2026-03-31", "2026-05-01"))
    outages = find_outages(incidents, ZONE)
    hours = (outages["ends_at"] - outages["starts_at"]).dt.total_hours().sum()
    # Three days, one of 23 hours, and the hours on both sides that the silence touches.
    assert 71 <= hours <= 73


def test_what_came_and_what_is_usual_are_said():
    outages = find_outages(calls(("2026-01-05", "2026-02-10"), ("2026-02-11", "2026-03-20")), ZONE)
    assert outages["incidents_expected"].sum() == pytest.approx(240, rel=0.2)
    # Only the two hours that the silence touches had any.
    assert 0 < outages["incidents"].sum() <= 30


def test_the_order_of_the_rows_does_not_matter():
    incidents = calls(("2026-01-05", "2026-02-10 11:00"), ("2026-02-13 19:30", "2026-03-20"))
    assert find_outages(incidents, ZONE).equals(find_outages(incidents.sample(fraction=1, shuffle=True, seed=1), ZONE))


def test_nothing_has_no_outage():
    assert find_outages(calls(), ZONE).is_empty()
    assert stretches_believed(calls(), tables.empty("outages")) == []


def test_the_stretches_between_outages_are_listed():
    incidents = calls(("2026-01-05", "2026-02-10 11:00"), ("2026-02-13 19:30", "2026-03-20"))
    runs = stretches_believed(incidents, find_outages(incidents, ZONE))
    assert [(a.strftime("%m-%d"), b.strftime("%m-%d")) for a, b in runs] == [("01-05", "02-10"), ("02-13", "03-19")]


# -- the real feeds, against counts of the raw file by csv alone -------------------------------------------------------

PACIFIC = "America/Los_Angeles"


def raw_times(path: Path) -> list[datetime]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        return sorted(datetime.fromisoformat(row["received_local"]) for row in csv.DictReader(io.StringIO(text.read())))


def as_incidents(times: list[datetime]) -> pl.DataFrame:
    return pl.DataFrame({"received_at": [t.replace(tzinfo=ZoneInfo(PACIFIC)).astimezone(UTC) for t in times]}).cast(
        pl.Datetime("us", "UTC")
    )


def masked_hours(outages: pl.DataFrame) -> set[tuple[date, int]]:
    hours = set()
    for begin, end in outages.select("starts_at", "ends_at").iter_rows():
        at = begin
        while at < end:
            local = at.astimezone(ZoneInfo(PACIFIC))
            hours.add((local.date(), local.hour))
            at += timedelta(hours=1)
    return hours


@pytest.mark.shared_data
@pytest.mark.parametrize("feed", ["oakland/calls.csv.gz", "laguna_beach/events.csv.gz"])
def test_every_day_without_an_incident_is_masked_and_every_long_silence(feed, shared_data):
    times = raw_times(shared_data / feed)
    masked = masked_hours(find_outages(as_incidents(times), PACIFIC))
    by_day = Counter(time.date() for time in times)
    day = times[0].date()
    empty = []
    while day <= times[-1].date():
        if not by_day[day]:
            empty.append(day)
        day += timedelta(days=1)
    assert len(empty) == {"oakland": 273, "laguna_beach": 6}[feed.split("/")[0]]
    springs = {date(2023, 3, 12), date(2024, 3, 10)}  # 02:00 does not exist on these
    assert all((day, hour) in masked for day in empty for hour in range(24) if day not in springs or hour != 2)
    for before, after in pairwise(times):
        if after - before > timedelta(hours=7):
            at = before
            while at < after:
                assert (at.date(), at.hour) in masked or (at.date() in springs and at.hour == 2), (before, after)
                at += timedelta(hours=1)


@pytest.mark.shared_data
def test_laguna_beachs_lost_register_days_are_masked_from_seven_to_seven_and_no_other_hour(shared_data):
    times = raw_times(shared_data / "laguna_beach" / "events.csv.gz")
    masked = masked_hours(find_outages(as_incidents(times), PACIFIC))
    register_days = Counter((time - timedelta(hours=7)).date() for time in times)
    day, lost = times[0].date(), []
    while day < times[-1].date():
        if not register_days[day]:
            lost.append(day)
        day += timedelta(days=1)
    assert 40 <= len(lost) <= 50
    for day in lost:
        assert all((day, hour) in masked for hour in range(7, 24))
        assert all((day + timedelta(days=1), hour) in masked for hour in range(7))
    beyond = len(masked) - 24 * len(lost)
    # A few hours at each end, which the silence touches, and the morning on which the record begins and ends.
    assert 0 <= beyond <= 6 * len(lost) + 30
    partial = by_day_below(times, 30)
    assert len(partial) == 34
    assert all(any((day, hour) in masked for hour in range(24)) for day in partial)


def by_day_below(times: list[datetime], limit: int) -> list[date]:
    return [day for day, count in Counter(time.date() for time in times).items() if count < limit]


@pytest.mark.shared_data
def test_oaklands_long_run_is_believed_and_its_partial_days_are_masked(shared_data):
    times = raw_times(shared_data / "oakland" / "calls.csv.gz")
    incidents = as_incidents(times)
    outages = find_outages(incidents, PACIFIC)
    runs = [run for run in stretches_believed(incidents, outages) if run[1] - run[0] > timedelta(days=1)]
    longest = max(runs, key=lambda run: run[1] - run[0])
    assert longest[0].astimezone(ZoneInfo(PACIFIC)).date() == date(2023, 12, 19)
    assert round((longest[1] - longest[0]) / timedelta(days=1)) == 76
    assert 7 <= len(runs) <= 9
    masked = masked_hours(outages)
    for begin, end in runs:
        local = begin.astimezone(ZoneInfo(PACIFIC)), end.astimezone(ZoneInfo(PACIFIC))
        assert not any(
            (local[0].date() + timedelta(days=n), 12) in masked for n in range(1, (local[1] - local[0]).days)
        )


@pytest.mark.shared_data
def test_san_luis_obispo_has_no_hole(shared_data):
    times = raw_times(shared_data / "san_luis_obispo" / "calls_first_half.csv.gz")
    outages = find_outages(as_incidents(times), PACIFIC)
    assert outages["rule"].to_list() == ["partial_first_day"]
