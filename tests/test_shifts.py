"""Shifts: every hour lies in one, clock changes and all, and what was seen of them adds up."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import periods, shifts, tables
from tests.drawn import drawn
from tests.forecast.made import LONDON, MONDAY, demand_of, hours_of, midnight

ZONES = ["Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo"]
NOTHING = tables.empty("outages")
CUT = shifts.Cut(["a", "b", "unknown"], ["N", "S", "unknown"], np.array([0, 1, 2]), "F", ["x"])


@given(st.sampled_from(ZONES), st.dates(date(2025, 1, 1), date(2026, 12, 1)), st.sampled_from(["shift", "day", "hour"]))
@settings(max_examples=80, deadline=None)
def test_stretches_follow_each_other_and_hold_every_hour_by_the_local_clock(zone, first, span):
    days = periods.local_days(zone, first, first + timedelta(days=9))
    ends_at = days["ends_at"][-1]
    hours = periods.hours_between(zone, days["starts_at"][0], ends_at)
    found = shifts.lay_out(hours, ends_at, zone, span)
    assert found.starts_at[1:].to_list() == found.ends_at[:-1].to_list()
    assert found.ends_at[-1] == ends_at
    assert (np.diff(found.of_hour) >= 0).all()
    assert set(found.of_hour) == set(range(len(found)))
    local = periods.local_parts(hours, zone)
    size = {"hour": 1, "shift": 8, "day": 24}[span]
    assert (found.slot[found.of_hour] == (local["slot"] // size).to_numpy()).all()
    assert len(found) == {"hour": len(hours), "shift": 30, "day": 10}[span]


def test_classes_make_measures_and_districts_the_force():
    assert CUT.measures == ["incidents", "offending", "x"]
    by_kind = np.array([[3, 10], [4, 0], [1, 1]])
    assert CUT.to_measures(CUT.to_places(by_kind), 1).tolist() == [[13, 3, 3], [4, 4, 4], [2, 1, 1], [19, 8, 8]]
    alone = shifts.Cut(["a"], ["N"], np.array([0]), "F", [])
    assert alone.measures == ["incidents"]
    assert alone.to_measures(np.array([[7]]), 1).tolist() == [[7]]
    offences = shifts.Cut(["a"], ["N"], np.array([0]), "F", ["x", "y"], "offences")
    assert offences.measures == ["offences", "x", "y"]
    assert offences.to_measures(np.array([[1, 2, 0]]), 1).tolist() == [[3, 1, 2]]


def test_what_came_is_counted_once_at_each_level_and_what_is_unknown_in_the_force():
    hours = hours_of(14)
    demand = demand_of(hours, {("a", "x"): 1, ("b", "y"): 2, ("unknown", "x"): 1, ("gone", "x"): 5})
    until = midnight(14)
    by_shift, by_day, of_areas = shifts.count_past(
        demand, NOTHING, CUT, until=until, known_until=until, weeks=2, time_zone=LONDON
    )
    places = [name for _, name in CUT.places]
    totals = dict(zip(places, by_shift.counts.sum(axis=2).tolist(), strict=True))
    assert totals == {"N": [336, 336, 336], "S": [672, 0, 0], "unknown": [336, 336, 336], "F": [1344, 672, 672]}
    assert (by_day.counts.sum(axis=2) == by_shift.counts.sum(axis=2)).all()
    assert of_areas.counts.sum(axis=2).tolist() == [[336, 336], [672, 0], [336, 336]]
    assert by_shift.counts.shape[2] == 42
    assert by_shift.seen.all()


@pytest.mark.parametrize(
    ("outage", "known_days", "unseen"),
    [
        (("2025-01-07T10:00Z", "2025-01-07T11:00Z"), 14, {4}),
        (("2025-01-07T15:00Z", "2025-01-07T17:00Z"), 14, {4, 5}),
        (None, 13, {39, 40, 41}),
    ],
)
def test_a_shift_that_an_outage_touches_or_that_is_not_known_was_not_seen(outage, known_days, unseen):
    hours = hours_of(14)
    demand = demand_of(hours, {("a", "x"): 1})
    outages = NOTHING if outage is None else drawn("outages", "starts_at | ends_at", " | ".join(outage))
    by_shift, by_day, _ = shifts.count_past(
        demand, outages, CUT, until=midnight(14), known_until=midnight(known_days), weeks=2, time_zone=LONDON
    )
    assert set(np.flatnonzero(~by_shift.seen)) == unseen
    assert set(np.flatnonzero(~by_day.seen)) == {shift // 3 for shift in unseen}


def test_what_lies_before_the_record_was_not_seen_and_an_empty_record_saw_nothing():
    demand = demand_of(hours_of(7, MONDAY + timedelta(days=7)), {("a", "x"): 1})
    until = midnight(14)
    wanted = {"until": until, "known_until": until, "weeks": 2, "time_zone": LONDON}
    by_shift, _, _ = shifts.count_past(demand, NOTHING, CUT, **wanted)
    assert by_shift.seen.tolist() == [False] * 21 + [True] * 21
    nothing, _, _ = shifts.count_past(tables.empty("demand"), NOTHING, CUT, **wanted)
    assert not nothing.seen.any()
