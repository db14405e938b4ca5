"""Places: areas from GeoJSON in any coordinate system, areas from labelled points, points in areas, pools."""

import json
import math
import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import shapely

from bluelamp import geography, sources, tables
from bluelamp.errors import BadData, BadSettings, NoInput

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
FORCE = {"force_id": "F", "force_name": "The force"}


def square(west: float, south: float, side: float = 0.1) -> list[list[list[float]]]:
    east, north = west + side, south + side
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


def feature(code: Any, ring: list[list[list[float]]] | None, **properties: Any) -> dict[str, Any]:
    geometry = None if ring is None else {"type": "Polygon", "coordinates": ring}
    return {"type": "Feature", "properties": {"area_id": code} | properties, "geometry": geometry}


def collection(*features: dict[str, Any], crs: str | None = None) -> dict[str, Any]:
    named = {"crs": {"type": "name", "properties": {"name": crs}}} if crs else {}
    return {"type": "FeatureCollection", "features": list(features)} | named


def read(source: Any, **how: Any) -> tuple[pl.DataFrame, list[str]]:
    """All areas of a file, read and made, and what was said, but for districts that were not asked about."""
    found = geography.read_areas(source, **how)
    return found.rows, [note for note in found.notes if "'district'" not in note]


def row(areas: pl.DataFrame, code: str) -> dict[str, Any]:
    return areas.filter(pl.col("area_id") == code).row(0, named=True)


def shape_of(areas: pl.DataFrame, code: str) -> Any:
    return shapely.from_geojson(row(areas, code)["boundary"])


TWO = collection(
    feature("A", square(-2.6, 51.4), area_name="Harbour", district="D1", kind="urban", population=120),
    feature("B", square(-2.5, 51.4), area_name="Hill", district="D1", kind="rural", population=80),
    feature("C", square(-2.4, 51.4), district="D2", kind="rural"),
)


# -- reading -----------------------------------------------------------------------------------------------------------


def test_areas_districts_and_the_force_nest_and_unions_are_made():
    areas, notes = read(TWO, **FORCE)

    tables.check(areas, "areas")
    assert notes == []
    levels = {r["area_id"]: (r["level"], r["parent_id"]) for r in areas.iter_rows(named=True)}
    assert levels == {
        "A": ("area", "D1"),
        "B": ("area", "D1"),
        "C": ("area", "D2"),
        "D1": ("district", "F"),
        "D2": ("district", "F"),
        "F": ("force", None),
    }
    assert shape_of(areas, "D1").area == pytest.approx(0.02, rel=1e-4)
    assert shape_of(areas, "F").geom_type == "Polygon"
    assert row(areas, "D1")["kind"] == "all"
    assert row(areas, "D2")["kind"] == "rural"
    assert row(areas, "D1")["population"] == 200
    assert not areas["is_approximate"].any()


def test_a_square_of_a_tenth_of_a_degree_has_its_size_on_the_ellipsoid():
    areas, _ = read(TWO, **FORCE)
    # A degree of latitude at 51.45° N is 111.26 km, one of longitude 69.5 km (WGS 84).
    assert row(areas, "A")["area_km2"] == pytest.approx(11.126 * 6.951, rel=0.002)
    assert row(areas, "F")["area_km2"] == pytest.approx(3 * 11.126 * 6.951, rel=0.002)


def test_a_centre_lies_inside_its_area_even_where_the_area_is_bent():
    bent = [[[0, 0], [1, 0], [1, 0.1], [0.1, 0.1], [0.1, 1], [0, 1], [0, 0]]]
    areas, _ = read(collection(feature("L", bent)), **FORCE)
    centre = shapely.Point(row(areas, "L")["centre_longitude"], row(areas, "L")["centre_latitude"])
    assert shape_of(areas, "L").contains(centre)


def test_a_district_that_the_file_draws_itself_keeps_its_own_boundary():
    drawn = collection(
        feature("A", square(-2.6, 51.4), district="D1"),
        feature("D1", square(-2.7, 51.3, 0.4), level="district", area_name="North"),
        feature("X", square(-2.8, 51.2, 0.6), level="force"),
    )
    areas, _ = read(drawn, **FORCE)
    assert row(areas, "D1")["area_name"] == "North"
    assert shape_of(areas, "D1").area == pytest.approx(0.16)
    assert shape_of(areas, "F").area == pytest.approx(0.36)


def test_districts_that_share_their_codes_with_areas_get_names_of_their_own():
    areas, _ = read(collection(feature(1, square(0, 0), district=1), feature(2.0, square(0.1, 0), district=1)), **FORCE)
    assert areas["area_id"].to_list() == ["1", "2", "F", "district-1"]
    assert row(areas, "1")["parent_id"] == "district-1"


def test_what_the_file_has_is_told_from_what_was_made_of_it():
    found = geography.read_areas(TWO, **FORCE)
    assert (found.features, found.read["area_id"].to_list(), found.made["area_id"].to_list()) == (
        3, ["A", "B", "C"], ["D1", "D2", "F"],
    )  # fmt: skip
    assert found.summary == "3 areas (1 urban, 2 rural) in 2 districts"

    drawn = feature("D1", square(-2.6, 51.4), level="district"), feature("X", square(-2.6, 51.4), level="force")
    pieces = feature("A", square(0, 0), district="D1"), feature("A", square(1, 0)), feature("B", None)
    found = geography.read_areas(collection(*pieces, *drawn), **FORCE)
    assert (found.features, found.read["area_id"].to_list(), found.made.height) == (5, ["A", "B", "D1", "F"], 0)
    assert found.summary == "2 areas (2 neither urban nor rural) in 1 district"


def test_districts_that_are_numbered_as_areas_are_still_known_for_made():
    found = geography.read_areas(
        collection(feature(1, square(0, 0), district=1), feature(2, None, district=1)), **FORCE
    )
    assert found.made["area_id"].to_list() == ["F", "district-1"]


def test_a_district_property_that_no_feature_has_is_told_with_those_there_are():
    found = geography.read_areas(collection(feature("A", square(0, 0), lpa="N"), feature("B", None)), **FORCE)
    assert any("No feature has the property 'district'" in note and "area_id, lpa" in note for note in found.notes)
    assert found.summary == "2 areas (2 neither urban nor rural) without districts"
    named = geography.Properties(district="lpa")
    found = geography.read_areas(
        collection(feature("A", square(0, 0), lpa="N"), feature("B", None)), properties=named, **FORCE
    )
    assert found.notes == ["1 area without a boundary: kept, but not drawn."]


def test_a_file_with_two_forces_is_refused():
    two = collection(feature("A", square(0, 0)), *(feature(name, None, level="force") for name in ("X", "Y")))
    with pytest.raises(BadData, match=r"has 2 forces \(X, Y\)"):
        geography.read_areas(two, **FORCE)


def metres(easting: float, northing: float) -> list[list[list[float]]]:
    return [
        [
            [easting, northing],
            [easting + 1000, northing],
            [easting + 1000, northing + 1000],
            [easting, northing + 1000],
            [easting, northing],
        ]
    ]


@pytest.mark.parametrize("how", ["member", "given"])
def test_the_british_grid_becomes_longitude_and_latitude(how):
    where = collection(
        feature("A", metres(359000, 172000)), crs="urn:ogc:def:crs:EPSG::27700" if how == "member" else None
    )
    areas, notes = read(where, crs="EPSG:27700" if how == "given" else None, **FORCE)

    # The Ordnance Survey's own converter gives ST 59500 72500 as 51.4500 N, 2.5844 W.
    assert row(areas, "A")["centre_longitude"] == pytest.approx(-2.5844, abs=2e-4)
    assert row(areas, "A")["centre_latitude"] == pytest.approx(51.4500, abs=2e-4)
    assert row(areas, "A")["area_km2"] == pytest.approx(1.0, rel=0.002)
    assert any("were turned from" in note for note in notes)


def test_metres_without_a_coordinate_system_are_refused_with_what_to_give():
    with pytest.raises(BadData, match=r"are not degrees .* Give it, such as EPSG:27700"):
        read(collection(feature("A", metres(359000, 172000))), **FORCE)


@pytest.mark.parametrize("crs", ["EPSG:99999999", "", "metres", "EPSG:5703", "EPSG:4978"])
def test_a_coordinate_system_that_there_is_not_is_a_bad_setting_before_anything_is_read(crs, tmp_path):
    with pytest.raises(BadSettings, match=f"'{crs}' is not a coordinate system"):
        geography.read_areas(tmp_path / "none.geojson", crs=crs, **FORCE)


def test_a_coordinate_system_that_the_file_made_up_is_bad_data_and_can_be_said_instead():
    where = collection(feature("A", metres(359000, 172000)), crs="OSGB")
    with pytest.raises(BadData, match=r"says that its coordinate system is 'OSGB', .* as crs under \[areas\]"):
        geography.read_areas(where, **FORCE)
    areas, _ = read(where, crs="EPSG:27700", **FORCE)
    assert row(areas, "A")["centre_latitude"] == pytest.approx(51.4500, abs=2e-4)


def test_swapped_axes_are_found_by_the_pole_or_by_where_the_force_lies():
    oakland = collection(feature("A", [[[y, x] for x, y in ring] for ring in square(-122.3, 37.8)]))
    areas, notes = read(oakland, **FORCE)
    assert row(areas, "A")["centre_longitude"] == pytest.approx(-122.25)
    assert any("swapped back" in note for note in notes)

    bristol = collection(feature("A", [[[y, x] for x, y in ring] for ring in square(-2.6, 51.4)]))
    areas, _ = read(bristol, near=(-2.5, 51.5), **FORCE)
    assert row(areas, "A")["centre_latitude"] == pytest.approx(51.45)
    areas, notes = read(TWO, near=(-2.5, 51.5), **FORCE)
    assert row(areas, "A")["centre_latitude"] == pytest.approx(51.45)
    assert notes == []


def test_a_ring_that_crosses_itself_is_repaired_and_told():
    bow_tie = [[[0, 0], [0.1, 0.1], [0.1, 0], [0, 0.1], [0, 0]]]
    areas, notes = read(collection(feature("A", bow_tie)), **FORCE)
    assert shape_of(areas, "A").is_valid
    assert shape_of(areas, "A").area == pytest.approx(0.005)
    assert notes == ["The rings of 1 area crossed themselves and were repaired."]


def test_an_area_without_geometry_keeps_its_row_and_is_told():
    areas, notes = read(collection(feature("A", square(0, 0)), feature("B", None)), **FORCE)
    assert row(areas, "B")["boundary"] is None
    assert notes == ["1 area without a boundary: kept, but not drawn."]


def test_an_area_in_several_pieces_is_one_row():
    pieces = collection(feature("A", square(0, 0)), feature("A", square(5, 0)))
    areas, notes = read(pieces, **FORCE)
    assert shape_of(areas, "A").geom_type == "MultiPolygon"
    assert notes == ["1 area came in several pieces, which were joined."]


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (None, NoInput, "There is no file of areas"),
        ("{", BadData, "is not GeoJSON"),
        ("[]", BadData, "is not a GeoJSON FeatureCollection"),
        ('{"type": "FeatureCollection", "features": []}', BadData, "has no features"),
        ('{"type": "FeatureCollection", "features": {"a": 1}}', BadData, "has no features"),
        ('{"type": "FeatureCollection", "features": [7]}', BadData, "Feature 1 of areas.geojson is not an object"),
        (
            '{"type": "FeatureCollection", "features": [{"properties": "x"}]}',
            BadData,
            "is not an object with properties and a geometry",
        ),
        (
            json.dumps(collection(feature("A", square(0, 0)))).replace("area_id", "WARD"),
            BadData,
            "Its properties are: WARD. Name the right one, as id_property under [areas] in force.toml or as --areas-pr",
        ),
        (
            json.dumps(collection(feature("A", square(0, 0)))).replace("area_id", "area_di"),
            BadData,
            "Did you mean 'area_di'?",
        ),
        (
            json.dumps(collection(feature(None, square(0, 0)), feature("B", [[["x"]]]))),
            BadData,
            "2 things to put right",
        ),
    ],
)
def test_a_file_of_areas_that_can_not_be_used_is_said_why(tmp_path, text, kind, said):
    path = tmp_path / "areas.geojson"
    if text is not None:
        path.write_text(text)
    with pytest.raises(kind) as caught:
        read(path, **FORCE)
    assert said in str(caught.value)


@pytest.mark.shared_data
def test_the_wards_of_a_real_force_are_read(shared_data):
    named = geography.Properties(id="WD13CD", name="WD13NM", district="WD13CDO")
    areas, _ = read(shared_data / "avon_somerset" / "wards.geojson", properties=named, **FORCE)
    assert areas.filter(pl.col("level") == "area").height == 281
    wards = areas.filter(pl.col("level") == "area")["area_km2"].sum()
    # Avon and Somerset's ground is about 4,770 km²; the wards are simplified.
    assert wards == pytest.approx(4_780, rel=0.02)
    assert areas.filter(pl.col("level") == "force")["area_km2"].item() == pytest.approx(wards, rel=0.01)


@pytest.mark.shared_data
def test_real_forces_without_geometry_are_kept(shared_data):
    path = shared_data / "avon_somerset" / "police_forces.geojson"
    named = geography.Properties(id="force", name="force")
    areas, notes = read(path, properties=named, **FORCE)
    missing = sum(each["geometry"].get("geometries") == [] for each in json.loads(path.read_text())["features"])
    assert missing == 2
    assert areas.filter(pl.col("level") == "area")["boundary"].null_count() == missing
    assert notes[0].startswith(f"{missing} areas without a boundary")


@pytest.mark.shared_data
def test_the_reporting_areas_of_carrollton_are_read(shared_data):
    areas, _ = read(
        shared_data / "carrollton" / "areas.geojson", properties=geography.Properties(district="beat"), **FORCE
    )
    assert areas.filter(pl.col("level") == "area").height == 325


# -- no boundaries -----------------------------------------------------------------------------------------------------


def test_a_force_without_areas_is_one_area():
    areas = geography.one_area("F", "The force")
    assert areas.select("area_id", "level", "parent_id").rows() == [("F", "force", None), ("all", "area", "F")]
    assert areas["boundary"].null_count() == 2


def labelled(seed: int = 1, strays: int = 0) -> pl.DataFrame:
    """Points of a town of 2 × 2 labels around (-2.5, 51.5), each 3 km wide, with some wrong labels and wild points."""
    rng = random.Random(seed)
    rows = []
    for _ in range(6000):
        x, y = rng.uniform(-3000, 3000), rng.uniform(-3000, 3000)
        label = ("N" if y > 0 else "S") + ("E" if x > 0 else "W")
        if rng.random() < 0.02:
            label = rng.choice(["NE", "NW", "SE", "SW"])
        rows.append((label, -2.5 + x / 69_500, 51.5 + y / 111_260))
    rows += [(rng.choice(["NE", "SW"]), -2.5 + rng.uniform(-1, 1), 51.5 + rng.uniform(-1, 1)) for _ in range(strays)]
    return pl.DataFrame(rows, schema=["area_id", "longitude", "latitude"], orient="row")


def test_areas_from_points_are_near_those_that_the_points_came_from_and_marked_approximate():
    points = labelled(strays=15)
    areas = geography.areas_from_points(points, **FORCE)

    tables.check(areas, "areas")
    assert areas["is_approximate"].all()
    shapes = {code: shape_of(areas, code) for code in ("NE", "NW", "SE", "SW")}
    for code, shape in shapes.items():
        assert shape.geom_type == "Polygon", code
        assert row(areas, code)["area_km2"] == pytest.approx(9, rel=0.35)
    assert sum(shape.area for shape in shapes.values()) == pytest.approx(
        shapely.union_all(list(shapes.values())).area, rel=1e-6
    )
    found = geography.assign_areas(points.head(6000), areas)
    assert (found == points.head(6000)["area_id"]).mean() > 0.93  # 2% have wrong labels


def test_areas_from_points_are_the_same_for_any_order_of_the_rows():
    points = labelled()
    once = geography.areas_from_points(points, **FORCE)
    again = geography.areas_from_points(points.sample(fraction=1, shuffle=True, seed=3), **FORCE)
    assert once.equals(again)


def test_districts_of_areas_from_points_are_those_of_the_majority():
    districts = pl.DataFrame(
        {"area_id": ["NE", "NE", "NW", "SE"], "district": ["1", "2", "1", "2"], "incidents": [90, 10, 50, 50]}
    )
    areas = geography.areas_from_points(labelled(), districts=districts, **FORCE)
    assert {code: row(areas, code)["parent_id"] for code in ("NE", "NW", "SE")} == {"NE": "1", "NW": "1", "SE": "2"}
    # SW named no district: it joins the one that it borders longest.
    assert row(areas, "SW")["parent_id"] in ("1", "2")
    assert shape_of(areas, "1").is_valid


def test_a_label_with_hardly_a_point_keeps_a_row_without_boundary():
    rare = pl.DataFrame({"area_id": ["RARE"] * 3, "longitude": [-2.5] * 3, "latitude": [51.5] * 3})
    areas = geography.areas_from_points(pl.concat([labelled(), rare]), **FORCE)
    assert row(areas, "RARE")["boundary"] is None


def test_labels_without_any_point_still_make_areas():
    nowhere = pl.DataFrame(
        {"area_id": ["A", "B"], "longitude": [None, None], "latitude": [None, None]},
        schema={"area_id": pl.String, "longitude": pl.Float64, "latitude": pl.Float64},
    )
    areas = geography.areas_from_points(nowhere, **FORCE)
    assert areas.filter(pl.col("level") == "area")["area_id"].to_list() == ["A", "B"]
    assert areas["boundary"].null_count() == 3


@pytest.mark.shared_data
def test_oaklands_beats_are_drawn_from_its_labelled_points(shared_data):
    extract = sources.read_extract(
        shared_data / "oakland" / "calls.csv.gz", sources.read_column_map("oakland"), time_zone="UTC", as_of=AS_OF
    )
    rows = pl.concat([chunk.rows for chunk in extract])
    areas = geography.areas_from_points(rows, districts=extract.districts(), **FORCE)

    beats = areas.filter(pl.col("level") == "area")
    assert beats.height == 58
    assert beats["boundary"].null_count() == 0
    assert areas.filter(pl.col("level") == "district")["area_id"].sort().to_list() == ["1", "2", "3", "4", "5"]
    shapes = shapely.from_geojson(beats["boundary"].to_numpy())
    assert {shape.geom_type for shape in shapes} <= {"Polygon", "MultiPolygon"}
    assert sum(shape.geom_type == "Polygon" for shape in shapes) >= 55
    # Oakland has 144 km² of land; the hull reaches a little over its border.
    assert 140 < beats["area_km2"].sum() < 170
    known = rows.filter(pl.col("area_id").is_not_null() & pl.col("longitude").is_not_null())
    # Points are rounded to 100 m, so that no map at all could agree with more than 94% of the labels.
    assert (geography.assign_areas(known, areas) == known["area_id"]).mean() > 0.89
    assert beats["boundary"].str.len_bytes().sum() < 400_000


# -- points in areas ---------------------------------------------------------------------------------------------------


def at(*points: tuple[float | None, float | None]) -> pl.DataFrame:
    return pl.DataFrame(points, schema={"longitude": pl.Float64, "latitude": pl.Float64}, orient="row")


def test_a_point_gets_the_area_that_it_lies_in_and_null_outside_every_one():
    areas, _ = read(TWO, **FORCE)
    found = geography.assign_areas(at((-2.55, 51.45), (-2.45, 51.45), (0, 0), (None, 51.4), (-2.35, 51.45)), areas)
    assert found.to_list() == ["A", "B", None, None, "C"]


def test_a_point_on_a_border_goes_to_the_first_area_by_code():
    areas, _ = read(TWO, **FORCE)
    assert geography.assign_areas(at((-2.5, 51.45)), areas).to_list() == ["A"]


def test_a_point_gets_the_area_as_it_was_drawn_on_its_day():
    areas, _ = read(TWO, **FORCE)
    old = areas.with_columns(valid_to=pl.lit(date(2026, 5, 31)))
    new = areas.filter(pl.col("level") == "area").with_columns(
        valid_from=pl.lit(date(2026, 6, 1)), area_id="new " + pl.col("area_id")
    )
    points = at((-2.55, 51.45), (-2.55, 51.45), (-2.55, 51.45)).with_columns(
        day=pl.Series([date(2026, 5, 31), date(2026, 6, 1), None])
    )
    assert geography.assign_areas(points, pl.concat([old, new])).to_list() == ["A", "new A", "A"]


def test_points_agree_with_a_separate_test_of_each_one():
    rng = np.random.default_rng(5)
    points = at(*zip(rng.uniform(-2.7, -2.2, 500), rng.uniform(51.3, 51.6, 500), strict=True))
    areas, _ = read(TWO, **FORCE)
    expected = []
    for x, y in points.iter_rows():
        inside = 51.4 <= y <= 51.5 and -2.6 <= x <= -2.3
        expected.append("ABC"[min(int((x + 2.6) / 0.1), 2)] if inside else None)
    assert geography.assign_areas(points, areas).to_list() == expected


def test_without_a_boundary_no_point_lies_anywhere():
    assert geography.assign_areas(at((0, 0)), geography.one_area("F", "F")).to_list() == [None]


# -- pools -------------------------------------------------------------------------------------------------------------


def test_the_nearest_area_is_the_one_that_measuring_each_would_give():
    areas, _ = read(TWO, **FORCE)
    rng = np.random.default_rng(3)
    points = at(*zip(rng.uniform(-2.7, -2.2, 200), rng.uniform(51.35, 51.55, 200), strict=True))
    lowest = areas.filter(level="area").sort("area_id")
    scale = np.array([math.cos(math.radians(51.45)), 1.0]) * 111_320
    shapes = [shapely.transform(shapely.from_geojson(each), lambda xy: xy * scale) for each in lowest["boundary"]]
    for metres in (0, 500, 5000):
        expected = []
        for place in shapely.points(points.select("longitude", "latitude").to_numpy() * scale):
            away = [shape.distance(place) for shape in shapes]
            expected.append(lowest["area_id"][int(np.argmin(away))] if min(away) <= metres else None)
        assert geography.nearest_areas(points, areas, metres).to_list() == expected
    assert None in expected
    assert geography.nearest_areas(at((None, 51.45), (-2.55, 51.45)), areas, 10).to_list() == [None, "A"]
    assert geography.nearest_areas(points, geography.one_area("F", "F"), 10).null_count() == 200


def test_common_ground_is_measured_area_by_area():
    areas, _ = read(TWO, **FORCE)
    lowest = areas.filter(level="area")
    moved = collection(feature("X", square(-2.55, 51.4)))
    old = read(moved, **FORCE)[0].filter(level="area").with_columns(code="area_id")
    common = geography.common_ground(old, lowest).sort("area_id")
    assert common.select("code", "area_id").rows() == [("X", "A"), ("X", "B")]
    half = row(areas, "A")["area_km2"] / 2
    assert common["common_km2"].to_list() == pytest.approx([half, half], rel=1e-6)


def test_by_default_a_district_is_a_pool_at_all_hours():
    areas, _ = read(TWO, **FORCE)
    pools = geography.default_pools(areas)
    tables.check(pools, "pools")
    assert pools.select("pool_id", "area_id", "from_hour", "to_hour", "role_code").rows() == [
        ("response-D1", "A", 0, 24, "response"),
        ("response-D1", "B", 0, 24, "response"),
        ("response-D2", "C", 0, 24, "response"),
    ]


def test_without_districts_the_force_is_one_pool():
    pools = geography.default_pools(geography.one_area("F", "The force"), role="traffic")
    assert pools.select("pool_id", "pool_name", "area_id").rows() == [("traffic-F", "The force traffic", "all")]


def test_degrees_and_metres_are_told_apart_by_the_system_alone():
    x, y = geography.to_degrees(np.array([359500.0, np.nan]), np.array([172500.0, 1.0]), "EPSG:27700")
    assert x[0] == pytest.approx(-2.5844, abs=2e-4)
    assert math.isnan(x[1])
    assert math.isnan(y[1])


def test_a_path_may_be_given_as_text(tmp_path: Path):
    path = tmp_path / "areas.geojson"
    path.write_text(json.dumps(TWO), encoding="utf-8-sig")
    assert geography.read_areas(str(path), **FORCE).rows.height == 6


def test_points_on_a_regular_grid_make_areas_as_others_do():
    # Rounded points (a city's layer gives them to about 100 m) made cells with common corners that could not be joined.
    generator = np.random.default_rng(3)
    east, north = (np.round(each / 100) * 100 for each in generator.uniform(0, 9_000, (2, 6_000)))
    third = [np.minimum(each // 3_000, 2).astype(int) for each in (east, north)]
    label = [f"B{across + 3 * up}" for across, up in zip(*third, strict=True)]
    points = pl.DataFrame({"area_id": label, "longitude": -122.2 + east / 88_000, "latitude": 37.8 + north / 111_320})
    areas = geography.areas_from_points(points, **FORCE)
    assert areas.filter(pl.col("level") == "area")["boundary"].null_count() == 0


def test_oaklands_beats_are_drawn_from_any_part_of_its_history(shared_data):
    extract = sources.read_extract(
        shared_data / "oakland" / "calls.csv.gz", sources.read_column_map("oakland"), time_zone="UTC", as_of=AS_OF
    )
    calls = pl.concat(chunk.rows for chunk in extract)
    for share in (0.03, 0.1, 0.3):
        part = calls.sample(fraction=share, seed=int(share * 100))
        assert geography.areas_from_points(part, **FORCE).height > 50
