"""Hotspots for the map: figures are exactly the table's, and shapes stand beside their cells."""

from __future__ import annotations

import json
from datetime import date

import polars as pl
import pytest
from shapely.geometry import shape

from bluelamp import grids, hotspot_trial, tables
from bluelamp.reports.hotspots import make_hotspot_data
from tests.drawn import drawn

ROWS = drawn(
    "hotspots",
    "class_code | from_hour | to_hour | rank | cell_kind | cell_id         | area_id | longitude | latitude | area_km2",
    "theft      | 7         | 19      | 1    | hexagon   | 89195da6b0fffff | A       | -0.12     | 51.55    | 0.105",
    "theft      | 19        | 7       | 2    | hexagon   | 89195da6b07ffff | A       | -0.11     | 51.55    | 0.104",
    "theft      | 19        | 7       | 1    | hexagon   | 89195da6b0fffff |         | -0.12     | 51.55    | 0.105",
).with_columns(
    ground_share=pl.Series([0.005, 0.01, 0.005]),
    expected=pl.Series([0.43, 0.2, 0.3]),
    chance_any=pl.Series([0.35, 0.18, None]),
    times_usual=pl.Series([14.2, 7.0, 12.0]),
    counted=pl.Series([22.0, 30.5, 9.0]),
    count_rank=pl.Series([2, 1, 2]),
    count_ground_share=pl.Series([0.01, 0.005, 0.01]),
    method=pl.lit("pooled"),
)
SCORES = drawn(
    "hotspot_scores",
    "class_code | method | watched_share | watched_km2 | weeks | offences | hit_rate | pai | pai_low | is_shown",
    "theft      | pooled | 0.01          | 1.5         | 52    | 900      | 0.1      | 10  | 8       | true",
    "theft      | counts | 0.01          | 1.5         | 52    | 900      | 0.09     | 9   | 7       | false",
)


def made(scores=SCORES, stand_out=True):
    outlines = {code: grids.outline_hexagon(code) for code in ROWS["cell_id"].unique()}
    data = make_hotspot_data(
        ROWS, scores, outlines, class_code="theft", first_day=date(2026, 11, 23), stand_out=stand_out
    )
    return json.loads(data)


def test_every_figure_is_the_tables_own_in_whole_numbers():
    data = made()
    rows = ROWS.sort("from_hour", "rank").to_dicts()
    cells, shifts = data["cells"]["id"], [each["from_hour"] for each in data["shifts"]]
    assert [shifts[at] for at in data["places"]["shift"]] == [row["from_hour"] for row in rows]
    assert [cells[at] for at in data["places"]["cell"]] == [row["cell_id"] for row in rows]
    for name, figure in data["figures"].items():
        assert figure["decimals"] == (tables.table("hotspots").by_name[name].decimals or 0)
        told = [None if value is None else value / 10 ** figure["decimals"] for value in figure["values"]]
        assert told == pytest.approx([row[name] for row in rows], nan_ok=True), name


def test_a_cell_has_its_shape_and_is_given_once():
    data = made()
    assert len(data["cells"]["id"]) == 2
    for code, outline in zip(data["cells"]["id"], data["cells"]["outline"], strict=True):
        assert shape(outline).hausdorff_distance(grids.outline_hexagon(code)) < 1e-6


def test_scores_stand_beside_the_plain_count_maps_with_their_ground():
    tested = made()["tested"]
    assert (tested["weeks"], tested["stand_out"]) == (52, True)
    assert [(each["watched_km2"], each["pai"]) for each in tested["shown"] + tested["counts"]] == [(1.5, 10), (1.5, 9)]


def test_maps_that_were_not_tested_say_nothing_of_how_right_they_are():
    assert made(None, None)["tested"] is None


@pytest.mark.parametrize(("low", "expected"), [(1.2, True), (1.0, False), (0.4, False), (None, None)])
def test_places_stand_out_only_where_chance_would_not_give_as_much(low, expected):
    assert hotspot_trial.stands_out({"pai_low": low}) is expected
