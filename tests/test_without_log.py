"""Work that no log shows, beside the work at calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from bluelamp import tables
from bluelamp.committed import measure_without_log

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)  # London's clocks read UTC


def weeks_of(count: int, busy: set[int], hours: int = 168) -> pl.DataFrame:
    """Twenty units out: in busy hours of the week 18 at calls and 2 without a log, else 5 and 10, and 5 free."""
    rows = []
    for hour in range(count * 168):
        if hour % 168 >= hours:
            continue
        calls, silent, free = (18.0, 2.0, 0.0) if hour % 168 in busy else (5.0, 10.0, 5.0)
        of_hour = [
            ("at_scene", True, False, calls),
            ("committed", False, False, silent),
            ("available", False, False, free),
            # None of these is work without a log, and none is a call's own time.
            ("write_up", True, False, 3.0),
            ("guard", False, True, 4.0),
            ("refreshments", False, False, 1.0),
        ]
        rows += [
            {
                "level": "force", "place_id": "F", "hour_starting": MONDAY + timedelta(hours=hour), "stage": stage,
                "is_long": is_long, "has_incident": has_incident, "unit_hours": hours_, "repaired_unit_hours": 0.0,
            }
            for stage, has_incident, is_long, hours_ in of_hour
        ]  # fmt: skip
    return tables.publish(pl.DataFrame(rows), "committed")


def test_it_counts_what_is_done_although_hardly_any_unit_is_free():
    busy = set(range(100, 117))
    found = measure_without_log(weeks_of(2, busy), "Europe/London")
    assert found.pressing == pytest.approx(2 / 18)
    assert found.usual == pytest.approx((17 * 2 + 151 * 10) / (17 * 18 + 151 * 5))


def test_pools_and_the_force_are_not_counted_twice():
    force = weeks_of(2, set())
    of_pool = force.with_columns(level=pl.lit("pool"), unit_hours=pl.col("unit_hours") * 3)
    assert measure_without_log(pl.concat([force, of_pool]), "Europe/London").usual == pytest.approx(2)


def test_half_a_week_is_too_little_to_tell_what_is_pressing():
    found = measure_without_log(weeks_of(1, set(), hours=60), "Europe/London")
    assert found.usual == pytest.approx(2)
    assert found.pressing is None


def test_without_committed_time_nothing_is_told():
    found = measure_without_log(tables.empty("committed"), "Europe/London")
    assert (found.usual, found.pressing) == (None, None)
