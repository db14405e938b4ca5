from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import polars as pl
import pytest

from bluelamp import periods, plan, settings
from bluelamp.plan import Planned
from bluelamp.reports.map import hours_shown, make_map_data
from bluelamp.sources.twin import make_twin

LONDON, LORD_HOWE, CHATHAM = "Europe/London", "Australia/Lord_Howe", "Pacific/Chatham"


def eight_weeks(zone: str, first: date) -> pl.Series:
    days = periods.local_days(zone, first, first + timedelta(days=55))
    return periods.hours_between(zone, days["starts_at"][0], days["ends_at"][-1])


@pytest.mark.parametrize(
    ("zone", "first", "hours", "spans"),
    [
        (LONDON, date(2026, 6, 1), 336, timedelta(hours=336)),
        (LONDON, date(2026, 3, 23), 335, timedelta(hours=335)),
        (LONDON, date(2026, 3, 29), 335, timedelta(hours=335)),
        (LONDON, date(2026, 10, 19), 337, timedelta(hours=337)),
        (LONDON, date(2026, 10, 25), 337, timedelta(hours=337)),
        (LONDON, date(2026, 10, 26), 336, timedelta(hours=336)),
        # Half an hour back or on makes one hour of thirty minutes.
        (LORD_HOWE, date(2026, 3, 30), 337, timedelta(hours=336.5)),
        (LORD_HOWE, date(2026, 9, 28), 336, timedelta(hours=335.5)),
        # At 02:45, so that the hour before is cut short and 03:45 begins another.
        (CHATHAM, date(2026, 9, 21), 336, timedelta(hours=335)),
    ],
)
def test_the_hours_shown_are_14_local_days_whatever_the_clock_does_in_them(zone, first, hours, spans):
    shown = hours_shown(eight_weeks(zone, first), zone)
    local = shown.dt.convert_time_zone(zone)
    assert len(shown) == hours
    assert local.dt.date().unique().sort().to_list() == [first + timedelta(days=day) for day in range(14)]
    assert (local[0].hour, local[-1].hour) == (0, 23)
    assert shown[-1] + timedelta(hours=1) - shown[0] == spans


def test_a_run_of_fewer_days_is_shown_whole():
    hours = eight_weeks(LONDON, date(2026, 10, 19)).head(7 * 24 + 1)
    assert hours_shown(hours, LONDON).equals(hours)


@lru_cache
def planned(zone: str, first: date) -> tuple[Planned, dict[str, Any]]:
    """A small made-up force, planned for three weeks from a local day, with its row of `runs`."""
    twin = make_twin(areas=4, days=60, seed=5, until=first)
    values = settings.parse(twin.settings).model_dump()
    values["force"] |= {"time_zone": zone}
    values["forecast"] |= {"paths": 20, "path_days": 21, "days": 21}
    wanted = settings.from_values(values)
    starts: datetime = periods.local_days(zone, first, first)["starts_at"][0]
    made = plan.compute(twin.tables, wanted, forecast_from=starts)
    run = {
        "run_id": "r1", "made_at": datetime(2026, 1, 1, tzinfo=UTC), "data_until": made.data_until,
        "forecast_from": made.forecast_from, "method": "slot_mean", "staffing_method": "mol", "seed": 1,
        "settings": orjson.dumps(wanted.model_dump(mode="json")), "notes": "[]",
    }  # fmt: skip
    return made, run


def map_of(zone: str, first: date, **changed: pl.DataFrame) -> dict[str, Any]:
    made, run = planned(zone, first)
    results = made.results | made.used | changed
    data: dict[str, Any] = orjson.loads(make_map_data(results, run, {"id": "f", "name": "F", "time_zone": zone}))
    return data


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        (LONDON, date(2026, 3, 23), 335),
        (LONDON, date(2026, 10, 19), 337),
        (LORD_HOWE, date(2026, 3, 30), 337),
    ],
)
def test_the_map_begins_and_ends_at_a_local_midnight_over_a_clock_change(zone, first, hours):
    data = map_of(zone, first)
    assert len(data["hours"]["starting"]) == hours
    assert data["hours"]["local"][0].startswith(f"{first}T00:00")
    assert data["hours"]["local"][-1].startswith(f"{first + timedelta(days=13)}T23:00")
    assert {len(row) for row in data["figures"]["area"]["incidents_mean"]["values"]} == {hours}
    assert len(data["pool_of_area"]["pattern_of_hour"]) == hours


@pytest.mark.parametrize(("first", "hours"), [(date(2026, 4, 6), 335), (date(2026, 11, 2), 337)])
def test_what_was_seen_is_that_of_the_14_local_days_before(first, hours):
    starting = map_of(LONDON, first)["recent"]["starting"]
    assert len(starting) == hours
    begins = datetime.fromtimestamp(starting[0], ZoneInfo(LONDON))
    assert begins == datetime.combine(first - timedelta(days=14), datetime.min.time(), ZoneInfo(LONDON))


def test_areas_known_by_name_alone_are_all_there_and_none_is_drawn():
    zone, first = LONDON, date(2026, 3, 23)
    areas = planned(zone, first)[0].used["areas"]
    data = map_of(zone, first, areas=areas.with_columns(boundary=pl.lit(None, dtype=pl.String)))
    assert data["run"]["geography"] == "names"
    assert data["areas"]["geojson"]["features"] == []
    assert set(areas.filter(level="area")["area_id"]) <= set(data["areas"]["id"])
    assert len(data["figures"]["area"]["incidents_mean"]["values"]) == len(data["areas"]["id"])


def test_a_force_of_one_area_without_a_boundary_has_no_geography():
    zone, first = LONDON, date(2026, 3, 23)
    areas = planned(zone, first)[0].used["areas"]
    one = areas.filter(level="area").head(1).with_columns(boundary=pl.lit(None, dtype=pl.String))
    assert map_of(zone, first, areas=one)["run"]["geography"] == "none"


def test_streams_stand_beside_the_incidents_that_they_are_parts_of():
    figures = map_of(LONDON, date(2026, 3, 23))["figures"]
    for scope in ("pool", "area"):
        whole = figures[scope]["incidents_mean"]["values"]
        parts = [figures[scope][f"{stream}_mean"]["values"] for stream in ("immediate", "deferrable", "scheduled")]
        of_parts = sum(value or 0 for part in parts for place in part for value in place)
        assert 0.5 < of_parts / sum(value or 0 for place in whole for value in place) < 1, "grade 4 has no target"
        assert max(value or 0 for place in parts[2] for value in place) == 0


def test_what_does_not_drive_the_forecast_is_counted_apart_by_origin():
    zone, first = LONDON, date(2026, 3, 23)
    made, run = planned(zone, first)
    apart = map_of(zone, first)["recent"]["apart"]
    origins = orjson.loads(run["settings"])["demand"]["origins"]
    since = datetime.combine(first - timedelta(days=14), datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
    kept = made.results["demand"].filter(~pl.col("origin").is_in(origins), pl.col("hour_starting") >= since)
    counted = dict(kept.group_by("origin").agg(pl.col("incidents").sum()).iter_rows())
    assert {origin: sum(by_area) for origin, by_area in apart.items()} == counted
    assert {"officer_initiated", "directed", "administrative"} == set(counted)


def test_a_map_sent_as_a_file_carries_no_base_map_nor_what_would_read_one():
    static = files("bluelamp.web") / "static"
    assert "pmtiles://" in "".join(each.read_text("utf-8") for each in (static / "chunks").iterdir())
    assert "pmtiles" not in (static / "single.js").read_text("utf-8")
