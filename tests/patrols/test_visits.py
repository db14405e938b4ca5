"""Where visits were and in which shift, and files of them told by their words."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime

import polars as pl
import pytest
import shapely

from bluelamp import grids, tables
from bluelamp.patrols import list_windows, place_visits
from bluelamp.sources.recognition import recognise
from tests.drawn import drawn


def square(west: float, south: float) -> str:
    return json.dumps(json.loads(shapely.to_geojson(shapely.box(west, south, west + 0.02, south + 0.02))))


AREAS = drawn(
    "areas",
    "area_id | area_name | level | kind | is_approximate",
    "east | East | area | urban | false",
    "west | West | area | urban | false",
).with_columns(boundary=pl.Series([square(-2.48, 51.4), square(-2.5, 51.4)]))
GRID = grids.lay_hexagons(AREAS, 9)


def placed(*rows: str, grid: grids.Grid | None = GRID) -> list[tuple[str | None, str | None, float | None]]:
    visits = drawn(
        "visits", "visit_id | starts_at | ends_at | minutes | cell_id | area_id | longitude | latitude", *rows
    )
    return place_visits(visits, AREAS, grid).select("cell_id", "area_id", "minutes").rows()


def test_a_visit_is_placed_by_its_cell_else_by_its_point_else_by_its_area():
    of_west = next(cell for cell, area in zip(GRID.cell_ids, GRID.area_ids, strict=True) if area == "west")
    by_cell, by_point, by_area, nowhere = placed(
        f"1 | 2026-11-23T10:00:00Z | | 9 | {of_west} | | -2.47 | 51.41",
        "2 | 2026-11-23T10:00:00Z | | 9 | | | -2.47 | 51.41",
        "3 | 2026-11-23T10:00:00Z | | 9 | | west | |",
        "4 | 2026-11-23T10:00:00Z | | 9 | strange | | |",
    )
    assert by_cell[0] == of_west
    assert by_point[0] == GRID.cell_ids[int(GRID.find(pl.Series([-2.47]), pl.Series([51.41]))[0])]
    assert by_point[1] == "east"
    assert by_area[:2] == (None, "west")
    assert nowhere[:2] == (None, None)


def test_a_stay_is_as_long_as_its_minutes_or_from_its_start_to_its_end():
    lengths = placed(
        "1 | 2026-11-23T10:00:00Z | 2026-11-23T10:20:00Z | 12 | | west | |",
        "2 | 2026-11-23T10:00:00Z | 2026-11-23T10:20:30Z | | | west | |",
        "3 | 2026-11-23T10:00:00Z | | | | west | |",
    )
    assert [minutes for _, _, minutes in lengths] == [12, 20.5, None]


def test_visits_of_a_force_whose_places_are_its_areas_go_by_area():
    cells = [cell for cell, _, _ in placed(
        "1 | 2026-11-23T10:00:00Z | | | | west | |", "2 | 2026-11-23T10:00:00Z | | | | | -2.47 | 51.41",
        grid=grids.take_areas(AREAS),
    )]  # fmt: skip
    assert cells == ["west", "east"]


def test_no_visits_are_no_crash():
    assert placed() == []
    assert place_visits(tables.empty("visits"), tables.empty("areas"), None).is_empty()


@pytest.mark.parametrize(
    ("at", "day", "shift"),
    [("2026-11-23T06:59:00Z", 22, (23, 7)), ("2026-11-23T07:00:00Z", 23, (7, 15)),
     ("2026-11-23T22:59:59Z", 23, (15, 23)), ("2026-11-23T23:00:00Z", 23, (23, 7)),
     ("2026-11-24T02:00:00Z", 23, (23, 7))],
)  # fmt: skip
def test_a_night_belongs_to_the_day_on_which_it_begins(at, day, shift):
    rows = drawn("visits", "visit_id | starts_at", f"1 | {at}")
    found = list_windows(rows, (7, 15, 23), "Europe/London").row(0, named=True)
    assert (found["day"], (found["from_hour"], found["to_hour"])) == (date(2026, 11, day), shift)
    assert found["shift_starts_at"] <= found["starts_at"] < found["shift_ends_at"]


def test_one_shift_a_day_lasts_until_the_next_one():
    rows = drawn("visits", "visit_id | starts_at", "1 | 2026-11-24T02:00:00Z")
    found = list_windows(rows, (7,), "Europe/London").row(0, named=True)
    assert (found["shift_starts_at"], found["shift_ends_at"]) == (
        datetime(2026, 11, 23, 7, tzinfo=UTC), datetime(2026, 11, 24, 7, tzinfo=UTC),
    )  # fmt: skip


def test_a_file_of_visits_is_told_by_its_name_and_its_words():
    rows = [
        f"V{n},LV{n % 7},2026-11-23 1{n % 10}:05:00,2026-11-23 1{n % 10}:17:00,-2.4{n},51.4{n}" for n in range(1, 60)
    ]
    text = "\n".join(["VISIT_NO,CALLSIGN,ARRIVED,DEPARTED,LON,LAT", *rows])
    best = recognise("patrol_visits.csv", pl.read_csv(io.StringIO(text), infer_schema=False))[0]
    assert (best.table, best.lacking) == ("visits", ())
    columns = {name: taken.columns for name, taken in best.fields.items()}
    assert columns | {"visit_id": ("VISIT_NO",), "starts_at": ("ARRIVED",), "ends_at": ("DEPARTED",)} == columns
