"""Boundaries from GeoPackages and shapefiles, written by GDAL itself: read as GeoJSON is, or refused in words."""

import json
import shutil
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from bluelamp import boundaries, geography
from bluelamp.errors import BadData, BadSettings, NoInput, UsageError

pytest.importorskip("pyogrio", reason="PYOGRIO ABSENT: no GeoPackage was read. It is in bluelamp[geo].")
from pyogrio import raw
from pyproj import Transformer

FORCE: dict[str, Any] = {"force_id": "F", "force_name": "The force"}
NAMED = geography.Properties(id="beat", district="lpa")
# Two squares of a kilometre on the British grid, near Bristol.
GRID = [shapely.box(359000, 172000, 360000, 173000), shapely.box(360000, 172000, 361000, 173000)]
PARTS = (".shp", ".shx", ".dbf", ".prj")


def write(
    path: Path, shapes: Any = GRID, *, crs: str | None = "EPSG:27700", kind: str = "Polygon", **more: Any
) -> Path:
    """Write shapes with codes W1, W2, … in the district N."""
    codes = np.array([f"W{number}" for number in range(1, len(shapes) + 1)], dtype=object)
    raw.write(
        path,
        geometry=shapely.to_wkb(np.array(shapes, dtype=object), output_dimension=3),
        field_data=[codes, np.array(["N"] * len(shapes), dtype=object), np.arange(len(shapes)) * 10.0],
        fields=["beat", "lpa", "population"],
        geometry_type=kind,
        crs=crs,
        **more,
    )
    return path


def read(path: Path, **how: Any) -> geography.ReadAreas:
    return geography.read_areas(path, properties=NAMED, **FORCE | how)


def zipped(path: Path, *members: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for each in members:
            archive.write(each, inside + each.name)
    return path


def parts_of(path: Path) -> list[Path]:
    return [path.with_suffix(ending) for ending in PARTS]


@pytest.mark.parametrize("name", ["beats.gpkg", "beats.shp", "beats.zip", "BEATS.GPKG"])
def test_areas_are_read_from_every_format_with_the_coordinate_system_of_the_file_itself(name, tmp_path):
    path = tmp_path / name
    if path.suffix == ".zip":
        zipped(path, *parts_of(write(tmp_path / "beats.shp")), inside="from the mapping team/")
    else:
        write(path)
    found = read(path)
    areas = found.read.sort("area_id")
    assert areas["area_id"].to_list() == ["W1", "W2"]
    assert areas["parent_id"].to_list() == ["N", "N"]
    assert areas["population"].to_list() == [0, 10]
    # The grid's scale is 0.9996 in the west of England, and its degrees are those of any map.
    assert areas["area_km2"].to_list() == pytest.approx([1.0, 1.0], abs=2e-3)
    assert areas["centre_longitude"][0] == pytest.approx(-2.5843, abs=1e-3)
    assert areas["centre_latitude"][0] == pytest.approx(51.4504, abs=1e-3)
    assert "Boundaries were turned from EPSG:27700 into longitude and latitude." in found.notes


def test_every_format_gives_the_same_areas(tmp_path):
    squares = [shapely.box(-2.6, 51.4, -2.5, 51.5), shapely.box(-2.5, 51.4, -2.4, 51.5)]
    features = [
        {"type": "Feature", "properties": {"beat": f"W{n}", "lpa": "N", "population": 10 * n - 10},
         "geometry": shapely.geometry.mapping(square)}
        for n, square in enumerate(squares, start=1)
    ]  # fmt: skip
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    write(tmp_path / "a.gpkg", squares, crs="EPSG:4326")
    write(tmp_path / "a.shp", squares, crs="EPSG:4326")
    zipped(tmp_path / "a.zip", tmp_path / "a.geojson")
    first, *others = (read(tmp_path / f"a{ending}").rows for ending in (".geojson", ".gpkg", ".shp", ".zip"))

    # Which corner a ring begins at, and which way it runs, differs from format to format.
    def plain(rows: Any) -> Any:
        return rows.drop("boundary")

    for other in others:
        assert plain(other).equals(plain(first))
        assert all(
            shapely.equals(*pair)
            for pair in zip(
                *(shapely.from_geojson(rows["boundary"].to_numpy()) for rows in (first, other)), strict=True
            )
        )


def test_of_several_layers_one_is_named(tmp_path):
    path = write(tmp_path / "force.gpkg", layer="beats_2026")
    write(path, GRID[:1], layer="districts", append=True)
    with pytest.raises(BadData, match=r"has 2 layers: 'beats_2026', 'districts'\. Name it as layer under \[areas\]"):
        read(path)
    with pytest.raises(BadSettings, match=r"has no layer 'beat_2026', .* Did you mean 'beats_2026'\?"):
        read(path, layer="beat_2026")
    assert read(path, layer="beats_2026").read.height == 2


def test_of_several_shapefiles_in_an_archive_one_is_named(tmp_path):
    members = [*parts_of(write(tmp_path / "beats.shp")), *parts_of(write(tmp_path / "wards.shp", GRID[:1]))]
    path = zipped(tmp_path / "all.zip", *members)
    with pytest.raises(BadData, match="has 2 layers: 'beats', 'wards'"):
        read(path)
    assert read(path, layer="wards").read.height == 1


@pytest.mark.parametrize("missing", [".shx", ".dbf"])
def test_a_shapefile_without_one_of_its_parts_is_refused_naming_it(missing, tmp_path):
    path = write(tmp_path / "beats.shp")
    path.with_suffix(missing).unlink()
    with pytest.raises(BadData, match=f"lacks a part of its shapefile(.|\n)*beats{missing}, which"):
        read(path)
    inside = zipped(tmp_path / "beats.zip", *(each for each in parts_of(path) if each.exists()))
    with pytest.raises(BadData, match=f"beats.shp in beats.zip lacks a part(.|\n)*beats{missing}"):
        read(inside)


def test_a_shapefile_without_its_prj_asks_for_the_coordinate_system_and_takes_it(tmp_path):
    path = write(tmp_path / "beats.shp")
    path.with_suffix(".prj").unlink()
    with pytest.raises(BadData, match=r"are not degrees .* the file does not say its coordinate system"):
        read(path)
    assert read(path, crs="EPSG:27700").read["area_km2"][0] == pytest.approx(1.0, abs=2e-3)


def test_heights_are_left_out_and_rings_that_cross_themselves_repaired_with_a_note(tmp_path):
    bow = shapely.Polygon([(359000, 172000), (360000, 173000), (360000, 172000), (359000, 173000)])
    path = write(
        tmp_path / "beats.gpkg", [shapely.force_3d(GRID[0], 7.0), shapely.force_3d(bow, 7.0)], kind="Polygon Z"
    )
    found = read(path)
    assert "Heights in beats.gpkg were left out: boundaries are flat." in found.notes
    assert "The rings of 1 area crossed themselves and were repaired." in found.notes
    shapes = shapely.from_geojson(found.read["boundary"].to_numpy())
    assert shapely.is_valid(shapes).all()
    assert not shapely.has_z(shapes).any()


def test_a_feature_without_geometry_keeps_its_row(tmp_path):
    found = read(write(tmp_path / "beats.gpkg", [GRID[0], None]))
    assert found.read.sort("area_id")["boundary"].is_null().to_list() == [False, True]
    assert "1 area without a boundary: kept, but not drawn." in found.notes


def test_days_in_the_file_say_from_when_to_when_an_area_holds(tmp_path):
    codes = [np.array(["A", "A", "B"], dtype=object)]
    days = [np.array(["NaT", "2026-06-01", "NaT"], "M8[D]"), np.array(["2026-05-31", "NaT", "NaT"], "M8[D]")]
    raw.write(
        tmp_path / "beats.gpkg", shapely.to_wkb(np.array([GRID[0], GRID[1], GRID[1]])), [*codes, *days],
        ["area_id", "valid_from", "valid_to"], geometry_type="Polygon", crs="EPSG:27700",
    )  # fmt: skip
    found = geography.read_areas(tmp_path / "beats.gpkg", **FORCE).read.sort("area_id", "valid_from")
    assert found["valid_from"].to_list() == [None, date(2026, 6, 1), None]
    assert found["valid_to"].to_list() == [date(2026, 5, 31), None, None]


def test_bad_files_give_a_sentence(tmp_path):
    points = write(tmp_path / "points.gpkg", [shapely.Point(359000, 172000)], kind="Point")
    empty = write(tmp_path / "empty.gpkg", [])
    (tmp_path / "text.gpkg").write_text("beats")
    (tmp_path / "text.shp").write_text("<OGRVRTDataSource/>")
    cut = tmp_path / "cut.gpkg"
    cut.write_bytes(write(tmp_path / "whole.gpkg").read_bytes()[:5000])
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 and no more")
    part = write(tmp_path / "beats.shp").with_suffix(".dbf")
    for path, said in (
        (points, "Layer 'points' of points.gpkg holds geometries of kind Point, which enclose nothing"),
        (empty, "Layer 'empty' of empty.gpkg is empty"),
        (tmp_path / "text.gpkg", "text.gpkg ends in .gpkg, but is no GeoPackage"),
        (tmp_path / "text.shp", "text.shp ends in .shp, but is no shapefile"),
        (cut, "cut.gpkg "),
        (broken, "broken.zip is a broken zip archive"),
        (zipped(tmp_path / "none.zip", points.with_name("text.shp"), inside="a.txt/x"), "is no shapefile"),
        (zipped(tmp_path / "other.zip", part), "other.zip holds no shapefile, GeoPackage or GeoJSON"),
        (part, "beats.dbf is a part of a shapefile"),
    ):
        with pytest.raises(BadData, match=said.replace(".", r"\.")):
            read(path)
    with pytest.raises(NoInput, match="There is no file of areas"):
        read(tmp_path / "nowhere.gpkg")


def test_damaged_bytes_give_a_sentence_or_areas_never_a_traceback(tmp_path):
    random = np.random.default_rng(5)
    refused, read_all_the_same = 0, 0
    for whole in (write(tmp_path / "whole.gpkg"), write(tmp_path / "whole.shp")):
        for number in range(20):
            data = bytearray(whole.read_bytes())
            for at in random.integers(16, len(data), 1 + number):
                data[at] = int(random.integers(0, 256))
            spoilt = tmp_path / f"spoilt{whole.suffix}"
            for each in parts_of(whole) if whole.suffix == ".shp" else []:
                shutil.copy(each, spoilt.with_suffix(each.suffix))
            spoilt.write_bytes(bytes(data))
            try:
                areas = read(spoilt).read
            except BadData:
                refused += 1
            else:
                assert areas["area_id"].null_count() == 0
                read_all_the_same += 1
    assert refused + read_all_the_same == 40
    assert refused > 3


def test_without_the_extra_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path / "beats.gpkg")

    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    monkeypatch.setattr("bluelamp.extensions.import_module", absent)
    with pytest.raises(UsageError, match=r"Reading beats.gpkg needs what is not .* pip install 'bluelamp\[geo\]'"):
        read(path)


def test_a_zip_of_something_else_is_no_file_of_boundaries(tmp_path):
    table = tmp_path / "areas.csv"
    table.write_text("area_id,level,kind,is_approximate\nA,area,all,false\n")
    assert not boundaries.is_one(zipped(tmp_path / "areas.zip", table))
    assert not boundaries.is_one(tmp_path / "none.zip")
    assert boundaries.is_one(zipped(tmp_path / "beats.zip", *parts_of(write(tmp_path / "beats.shp"))))


@pytest.mark.shared_data
@pytest.mark.parametrize("ending", [".gpkg", ".shp", ".zip"])
def test_the_wards_of_a_real_force_on_the_british_grid_are_those_of_its_geojson(ending, shared_data, tmp_path):
    path = shared_data / "avon_somerset" / "wards.geojson"
    wards = json.loads(path.read_text())["features"]
    on_grid = Transformer.from_crs("OGC:CRS84", "EPSG:27700", always_xy=True)
    shapes = [
        shapely.transform(
            shapely.geometry.shape(each["geometry"]), lambda xy: np.column_stack(on_grid.transform(*xy.T))
        )
        for each in wards
    ]
    columns = [np.array([each["properties"][name] for each in wards], dtype=object) for name in ("WD13CD", "WD13CDO")]
    written = tmp_path / f"wards{ending}" if ending != ".zip" else tmp_path / "wards.shp"
    # Shapefiles cut names to ten letters, which these have not.
    raw.write(
        written, shapely.to_wkb(np.array(shapes)), columns, ["WD13CD", "WD13CDO"], geometry_type="Unknown",
        crs="EPSG:27700", promote_to_multi=ending != ".gpkg",
    )  # fmt: skip
    if ending == ".zip":
        written = zipped(tmp_path / "wards.zip", *parts_of(written))
    named = geography.Properties(id="WD13CD", name="WD13CD", district="WD13CDO")
    areas, real = (
        geography.read_areas(each, properties=named, **FORCE).rows.sort("level", "area_id") for each in (written, path)
    )
    assert areas["area_id"].equals(real["area_id"])
    assert areas["parent_id"].equals(real["parent_id"])
    for name in ("area_km2", "centre_longitude", "centre_latitude"):
        assert areas[name].to_list() == pytest.approx(real[name].to_list(), rel=1e-3), name
