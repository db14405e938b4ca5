"""Cells of ground: they cover the force, hold its points, and lie right wherever on earth it is."""

from __future__ import annotations

import json

import h3
import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import grids
from bluelamp.errors import BadData, BadSettings

AREA_SCHEMA = {
    "area_id": pl.String, "area_name": pl.String, "level": pl.String, "boundary": pl.String, "area_km2": pl.Float64,
}  # fmt: skip


def squares(west: float, south: float, side: float = 0.03, columns: int = 2) -> pl.DataFrame:
    """Some square areas side by side, from a corner to the east; cut where they cross the antimeridian."""
    rows = []
    for column in range(columns):
        box = shapely.box(west + column * side, south, west + (column + 1) * side, south + side)
        here = shapely.intersection(box, shapely.box(-180, -90, 180, 90))
        beyond = shapely.transform(
            shapely.intersection(box, shapely.box(180, -90, 540, 90)), lambda xy: xy - np.array([360.0, 0.0])
        )
        parts = [part for part in (here, beyond) if part.area > 0]
        shape = shapely.MultiPolygon(parts) if len(parts) > 1 else parts[0]
        rows.append((f"A{column}", f"Area {column}", "area", shapely.to_geojson(shape), None))
    rows.append(("F", "Force", "force", None, None))
    return pl.DataFrame(rows, schema=AREA_SCHEMA, orient="row")


PLACES = [(-2.6, 51.4), (179.98, -17.5), (-122.3, 37.8), (18.9, 69.6), (-0.01, -0.01)]


@pytest.mark.parametrize(("west", "south"), PLACES)
def test_hexagons_cover_the_force_and_nothing_beyond_its_border(west, south):
    areas = squares(west, south)
    grid = grids.lay_hexagons(areas, 9)
    side = 0.03 * 111_320
    truth = 2 * side * side * np.cos(np.radians(south + 0.015)) / 1e6
    assert grid.size.sum() == pytest.approx(truth, rel=0.03)
    assert set(grid.area_ids) == {"A0", "A1"}
    assert grid.step == pytest.approx(350, rel=0.25)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PLACES), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_every_point_of_the_force_lies_in_the_hexagon_that_is_drawn(corner, where):
    west, south = corner
    grid = grids.lay_hexagons(squares(west, south), 9)
    longitude = pl.Series([(west + 0.06 * x + 180) % 360 - 180 for x, _ in where])
    latitude = pl.Series([south + 0.03 * y for _, y in where])
    found = grid.find(longitude, latitude)
    assert (found != grids.OUTSIDE).all()
    for cell, x, y in zip(found, longitude, latitude, strict=True):
        assert shapely.dwithin(grid.outline(cell), shapely.Point(x, y), 1e-3)


def test_a_point_on_the_border_counts_in_the_hexagon_that_it_touches():
    grid = grids.lay_hexagons(squares(18.9, 69.6), 9)
    found = grid.find(pl.Series([18.9]), pl.Series([69.6 + 0.03 * 0.35546875]))
    assert found[0] != grids.OUTSIDE
    assert shapely.dwithin(grid.outline(found[0]), shapely.Point(18.9, 69.61066), 1e-3)


def test_a_hexagon_on_the_antimeridian_is_drawn_on_both_sides():
    grid = grids.lay_hexagons(squares(179.98, -17.5), 9)
    wide = [grid.outline(cell) for cell in range(len(grid))]
    assert max(shape.bounds[2] - shape.bounds[0] for shape in wide if shape.geom_type == "Polygon") < 0.02
    assert any(shape.geom_type == "MultiPolygon" for shape in wide)
    near = grid.near(1.5 * grid.step)
    # Inside, a hexagon touches six others; that does not end where the numbers of longitudes do.
    assert np.bincount(near.of).max() == 6
    across = np.sign(grid.centres[near.of, 0]) != np.sign(grid.centres[near.other, 0])
    assert across.any()


def test_points_elsewhere_are_told_and_so_is_longitude_in_the_place_of_latitude():
    grid = grids.lay_hexagons(squares(-2.6, 51.4), 9)
    longitude, latitude = pl.Series([-2.58, 51.41, 51.42, None, 10.0]), pl.Series([51.41, -2.58, -2.57, 51.4, 10.0])
    found = grid.find(longitude, latitude)
    assert [cell != grids.OUTSIDE for cell in found] == [True, False, False, False, False]
    assert grids.say_outside(grid, longitude, latitude, found) == [
        "3 points of 4 lie outside the force and are left out here.",
        "2 of them would lie in the force with longitude and latitude exchanged: check the column map.",
    ]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 400.0])
def test_coordinates_that_are_none_lie_nowhere(wrong):
    grid = grids.lay_hexagons(squares(-2.6, 51.4), 9)
    assert grid.find(pl.Series([wrong]), pl.Series([51.41])).tolist() == [grids.OUTSIDE]
    assert grid.find(pl.Series([-2.58]), pl.Series([wrong])).tolist() == [grids.OUTSIDE]


def test_an_area_smaller_than_a_hexagon_still_has_its_ground():
    grid = grids.lay_hexagons(squares(-2.6, 51.4, side=0.0005, columns=1), 7)
    assert 1 <= len(grid) <= 3
    assert grid.find(pl.Series([-2.59975]), pl.Series([51.40025]))[0] != grids.OUTSIDE


def test_a_sliver_of_a_hexagon_is_ranked_as_a_quarter_of_one():
    grid = grids.lay_hexagons(squares(-2.6, 51.4), 9)
    whole = np.array([h3.cell_area(cell, unit="km^2") for cell in grid.cell_ids])
    assert (grid.size / whole).min() < 0.1
    assert (grid.ranked_size / whole).min() == pytest.approx(0.25, rel=0.01)
    assert (grid.size / whole).max() == pytest.approx(1.0)


def test_a_resolution_that_is_no_use_is_refused_with_those_that_are():
    with pytest.raises(BadSettings, match=r"7 .* to 11 .* was expected, 9"):
        grids.lay_hexagons(squares(-2.6, 51.4), 3)


def test_a_force_without_boundaries_has_no_ground():
    areas = squares(-2.6, 51.4).with_columns(boundary=pl.lit(None, pl.String))
    with pytest.raises(BadData, match="No area of the force has a boundary"):
        grids.lay_hexagons(areas, 9)


def test_areas_are_cells_by_their_code():
    grid = grids.take_areas(squares(-2.6, 51.4))
    assert grid.cell_ids == ("A0", "A1")
    found = grid.find(pl.Series([None] * 3), pl.Series([None] * 3), pl.Series(["A1", None, "elsewhere"]))
    assert found.tolist() == [1, grids.OUTSIDE, grids.OUTSIDE]
    assert grid.size[0] == pytest.approx(6.94, rel=0.01)


def test_streets_hold_the_points_beside_them_and_are_as_long_as_they_are():
    def street(name, *points):
        return {
            "type": "Feature", "properties": {"code": name, "name": f"{name} Street"},
            "geometry": {"type": "LineString", "coordinates": points},
        }  # fmt: skip

    collection = {
        "type": "FeatureCollection",
        "features": [
            street("Quay", [-2.59, 51.41], [-2.58, 51.41]), street("High", [-2.58, 51.41], [-2.58, 51.42]),
            street("Far", [3.0, 50.0], [3.1, 50.0]), {"type": "Feature", "properties": {}, "geometry": None},
        ],
    }  # fmt: skip
    grid = grids.take_streets(collection, squares(-2.6, 51.4), "code")
    assert grid.cell_ids == ("High", "Quay")
    assert grid.names == ("High Street", "Quay Street")
    assert grid.size.tolist() == pytest.approx([1.113, 0.695], rel=0.01)
    found = grid.find(pl.Series([-2.585, -2.5801, -2.57]), pl.Series([51.4101, 51.415, 51.415]))
    assert found.tolist() == [1, 0, grids.OUTSIDE]
    with pytest.raises(BadData, match="None of the 1 street segment lies in the force"):
        grids.take_streets({"features": collection["features"][2:3]}, squares(-2.6, 51.4), "code")
    json.dumps(shapely.to_geojson(grid.outline(0)))


def test_streets_that_cannot_be_read_are_told_all_at_once():
    line = {"type": "LineString", "coordinates": [[-2.59, 51.41], [-2.58, 51.41]]}
    collection = {
        "features": [
            {"geometry": line}, 7, {"geometry": "line"}, {"geometry": line, "properties": "Quay"},
            {"geometry": {"type": "LineString", "coordinates": [["west", "north"], [1, 2]]}},
            {"geometry": {"type": "LineString"}}, {"geometry": {"type": "LineString", "coordinates": [[1, 2]]}},
        ]
    }  # fmt: skip
    with pytest.raises(BadData, match="6 features of the streets can't be read") as told:
        grids.take_streets(collection, squares(-2.6, 51.4))
    assert [problem.split(" ")[0].rstrip(":") for problem in told.value.problems] == [
        f"features[{number}]" for number in range(1, 7)
    ]


def test_neighbours_are_pairs_both_ways_and_their_mean_is_of_those_there_are():
    grid = grids.lay_hexagons(squares(-2.6, 51.4), 8)
    near = grid.near(1.5 * grid.step)
    pairs = set(zip(near.of.tolist(), near.other.tolist(), strict=True))
    assert pairs == {(other, of) for of, other in pairs}
    assert near.mean(np.ones((len(grid), 3))) == pytest.approx(np.ones((len(grid), 3)))
    assert len(near.between(0, 1).of) == 0


def test_some_cells_alone_gather_what_they_gather_among_all():
    grid = grids.lay_hexagons(squares(-2.6, 51.4), 8)
    near = grid.near(2.5 * grid.step)
    random = np.random.default_rng(3)
    weights, values = random.random(len(near.of)), random.random((len(grid), 3))
    some = np.array([5, 0, 5, len(grid) - 1])
    assert np.allclose(near.gather_at(weights, values, some), near.gather(weights, values)[some])
    assert near.gather_at(weights, values, np.array([], dtype=np.int64)).shape == (0, 3)
