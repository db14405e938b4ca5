"""Offences by area, hour and class: each is one in all, wherever and however vaguely it happened."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawn import drawn
from tests.planned import small_settings, twin

from bluelamp import incidents, plan, remarks, tables

LONDON = "Europe/London"
HEADER = "offence_id | recorded_at | from_at | to_at | class_code | area_id"


def offences(*rows: str) -> pl.DataFrame:
    return drawn("offences", HEADER, *rows)


def hours(table: pl.DataFrame) -> list[tuple[str, str, float, int]]:
    return [
        (area, f"{at:%d %H}", number, certain)
        for area, at, number, certain in table.select("area_id", "hour_starting", "offences", "certain").iter_rows()
    ]


def test_an_offence_is_shared_out_over_its_range_and_counts_whole_where_its_hour_is_known():
    rows = offences(
        "1 | 2026-01-06T09:00Z | 2026-01-05T22:00Z | 2026-01-06T02:00Z | burglary | A",
        "2 | 2026-01-06T09:00Z | 2026-01-05T23:10Z | 2026-01-05T23:20Z | burglary | A",
        "3 | 2026-01-06T09:00Z | 2026-01-05T23:10Z |                   | burglary | B",
    )
    assert hours(incidents.count_offending(rows, ["A", "B"], LONDON)) == [
        ("A", "05 22", 0.25, 0), ("A", "05 23", 1.25, 1), ("A", "06 00", 0.25, 0), ("A", "06 01", 0.25, 0),
        ("B", "05 23", 1.0, 1),
    ]  # fmt: skip


def test_offences_without_a_known_place_count_in_no_area_and_are_not_lost():
    rows = offences(
        "1 | 2026-01-06T09:00Z | 2026-01-05T23:10Z | | theft | ",
        "2 | 2026-01-06T09:00Z | 2026-01-05T23:10Z | | theft | Z9",
    )
    assert hours(incidents.count_offending(rows, ["A"], LONDON)) == [("unknown", "05 23", 2.0, 2)]


def test_what_says_nothing_of_the_hour_is_left_out_and_said():
    rows = offences(
        "1 | 2026-01-20T09:00Z |                   |                   | theft | A",
        "2 | 2026-01-20T09:00Z | 2026-01-01T00:00Z | 2026-01-09T00:00Z | theft | A",
        "3 | 2026-01-20T09:00Z | 2026-01-01T03:30Z | 2026-01-01T01:30Z | theft | A",
        "4 | 2026-01-20T09:00Z | 2026-01-01T01:30Z | 2026-01-01T01:40Z | theft | ",
    )
    grid = incidents.count_offending(rows, ["A"], LONDON)
    assert grid["offences"].sum() == 2
    assert remarks.on_offending(grid, incidents.know_times(rows, grid)) == [
        "Of 4 offences, 1 (25.0%) are known to the hour; others are shared out over the hours in which they can have "
        "been.",
        "Offences that say nothing of the hour are left out of 'offending': 1 (25.0%) have no time at all and 1 "
        "(25.0%) have a range longer than a week.",
        "1 offence ends before it begins; the ends were swapped.",
        "1 (25.0%) of the offences have no place to go by, and count in the area 'unknown'.",
    ]


def test_a_week_to_the_minute_still_counts():
    rows = offences("1 | 2026-01-20T09:00Z | 2026-01-01T00:00Z | 2026-01-08T00:00Z | theft | A")
    grid = incidents.count_offending(rows, ["A"], LONDON)
    assert grid.height == 168
    # What the documentation of Ratcliffe's R package 'aoristic' gives each hour of a week's range: 1/168.
    assert grid["offences"].round(5).unique().to_list() == [0.00595]
    assert grid["offences"].sum() == pytest.approx(1, abs=1e-9)


INSTANTS = st.one_of(st.none(), st.datetimes(datetime(1969, 12, 1), datetime(1970, 2, 1)))


@settings(deadline=None)
@given(st.lists(st.tuples(INSTANTS, INSTANTS, st.sampled_from(["A", "B", "C", None])), max_size=12))
def test_the_grid_holds_each_offence_with_a_time_exactly_once(found):
    def at(moment: datetime | None) -> datetime | None:
        return None if moment is None else moment.replace(tzinfo=UTC)

    types = tables.table("offences").polars_schema
    rows = pl.DataFrame(
        {
            "offence_id": [str(number) for number in range(len(found))],
            "from_at": [at(start) for start, _, _ in found],
            "to_at": [at(end) for _, end, _ in found],
            "area_id": [area for _, _, area in found],
            "class_code": ["theft"] * len(found),
        },
        schema={name: types[name] for name in ("offence_id", "from_at", "to_at", "area_id", "class_code")},
    )
    grid = incidents.count_offending(rows, ["A", "B"], "Australia/Lord_Howe")
    known = incidents.know_times(rows, grid)
    assert grid["offences"].sum() == pytest.approx(len(found) - known.without_time - known.too_long, abs=1e-4)
    assert known.to_the_hour <= len(found)
    assert set(grid["area_id"]) <= {"A", "B", "unknown"}


def test_an_offence_of_an_area_that_was_redrawn_counts_where_its_point_lies_now():
    square = '{"type":"Polygon","coordinates":[[[%s,51.0],[%s,51.0],[%s,51.1],[%s,51.1],[%s,51.0]]]}'

    def area(code: str, west: float, east: float, start: date | None, end: date | None) -> dict[str, object]:
        return {"area_id": code, "area_name": code, "level": "area", "kind": "urban", "is_approximate": False,
                "valid_from": start, "valid_to": end, "boundary": square % (west, east, east, west, west)}  # fmt: skip

    areas = pl.DataFrame(
        [area("A", 0.0, 0.2, None, date(2026, 1, 31)), area("A", 0.0, 0.1, date(2026, 2, 1), None),
         area("B", 0.1, 0.2, date(2026, 2, 1), None)],
        schema=tables.table("areas").polars_schema,
    )  # fmt: skip
    rows = drawn(
        "offences", f"{HEADER} | longitude | latitude",
        "1 | 2026-01-06T09:00Z | 2026-01-05T23:10Z | | theft | A | 0.15 | 51.05",
        "2 | 2026-01-06T09:00Z | 2026-01-05T23:10Z | | theft | A | 0.05 | 51.05",
    )  # fmt: skip
    placed = incidents.place_offences(rows, areas, date(2026, 3, 1), LONDON)
    assert placed["area_id"].to_list() == ["B", "A"]


def test_a_run_counts_offences_and_says_how_well_their_times_are_known():
    calls = twin().tables["incidents"].filter(pl.col("class_code").is_in(["burglary", "theft"]))
    recorded = pl.concat([calls.select(
        "class_code", "area_id", "longitude", "latitude", offence_id="incident_id", recorded_at="received_at",
        from_at=pl.col("received_at") - timedelta(hours=5), to_at="received_at",
    )])  # fmt: skip
    recorded = pl.concat([tables.empty("offences"), recorded], how="diagonal")
    last = calls["received_at"].max()
    late = recorded.tail(1).with_columns(
        offence_id=pl.lit("late"), recorded_at=pl.lit(last + timedelta(days=200)).cast(recorded.schema["recorded_at"])
    )
    run = plan.compute(
        twin().tables | {"offences": pl.concat([recorded, late])}, small_settings(),
        forecast_from=datetime(2026, 11, 23, tzinfo=UTC),
    )  # fmt: skip
    grid = run.results["offending"]
    # What was recorded after the run's moment is not known to it.
    assert grid["offences"].sum() == pytest.approx(recorded.height, abs=0.01)
    assert set(grid["area_id"]) <= {*run.results["demand"]["area_id"], "unknown"}
    assert any(note.startswith(f"Of {recorded.height:,} offences") for note in run.notes)
    assert plan.compute(twin().tables, small_settings()).results["offending"].is_empty()
