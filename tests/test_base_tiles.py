"""A base map made of others' files: cut to the force, its layers side by side, and refused with a sentence."""

from __future__ import annotations

import gzip
import json
import sqlite3
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pmtiles.reader import MmapSource, Reader

from bluelamp import base_tiles, basemap, settings
from bluelamp.errors import BadData, NoInput, UsageError

pyogrio = pytest.importorskip("pyogrio")
# Eight kilometres of Wiltshire, on the National Grid from 402000, 172000.
BOX = base_tiles.Box(-1.9726, 51.4468, -1.8558, 51.5187)
FORCE = '[force]\nid = "LV"\nname = "Lantern"\ntime_zone = "Europe/London"\n[map]\nbasemap = "base.pmtiles"\n'


def write_package(path: Path, layers: dict[str, tuple[str, list[object]]], crs: str | None = "EPSG:27700") -> Path:
    import shapely
    from pyogrio import raw

    for number, (name, (kind, shapes)) in enumerate(layers.items()):
        wkb = shapely.to_wkb(np.array(shapes))
        raw.write(path, wkb, [], [], layer=name, driver="GPKG", geometry_type=kind, crs=crs, append=number > 0)
    return path


def county() -> dict[str, tuple[str, list[object]]]:
    """A land far larger than the force, a lake and a road in it, houses, a sign, and a wood far away."""
    from shapely.geometry import LineString, Point, box

    return {
        "land": ("Polygon", [box(100_000, 50_000, 600_000, 600_000)]),
        "surfacewater": ("Polygon", [box(404_000, 174_000, 407_000, 177_000)]),
        "roads_national": ("LineString", [LineString([(390_000, 175_500), (420_000, 175_500)])]),
        "local_buildings": ("Polygon", [box(405_000, 178_000, 405_020, 178_020)]),
        "names": ("Point", [Point(405_000, 175_000)]),
        "woodland": ("Polygon", [box(500_000, 400_000, 501_000, 401_000)]),
    }


def tile_at(path: Path, zoom: int, longitude: float, latitude: float) -> bytes | None:
    at = base_tiles.Box(longitude, latitude, longitude, latitude).tiles(zoom)
    with path.open("rb") as file:
        packed = Reader(MmapSource(file)).get(zoom, at[0], at[2])
    return None if packed is None else gzip.decompress(packed)


def about(path: Path) -> tuple[dict[str, object], dict[str, object]]:
    with path.open("rb") as file:
        reader = Reader(MmapSource(file))
        return reader.header(), reader.metadata()


def test_layers_of_the_national_grid_lie_side_by_side_where_the_force_is(tmp_path):
    source = write_package(tmp_path / "county.gpkg", county())
    made = base_tiles.make_base_tiles(source, tmp_path / "base.pmtiles", BOX)
    assert made.layers == ["land", "surfacewater", "roads_national", "local_buildings"]
    header, metadata = about(made.path)
    assert [each["id"] for each in metadata["vector_layers"]] == made.layers
    assert (header["min_zoom"], header["max_zoom"]) == made.zooms == BOX.zooms
    # The middle of the lake, by the Ordnance Survey's own transformation: 405500, 175500.
    lake = tile_at(made.path, 14, -1.92221, 51.47823)
    assert lake is not None
    assert b"surfacewater" in lake
    assert b"land" in lake
    north = tile_at(made.path, 14, -1.92221, 51.51)
    assert north is not None
    assert b"surfacewater" not in north
    # Land reaches far, and what is far is not in the file.
    assert tile_at(made.path, 14, -1.5, 52.5) is None
    (tmp_path / "force.toml").write_text(FORCE, encoding="utf-8")
    found = basemap.find(tmp_path, settings.read(tmp_path))
    assert found is not None
    assert found.tiles == "vector"


def test_what_is_a_speck_from_afar_is_there_when_the_map_is_close(tmp_path):
    source = write_package(tmp_path / "county.gpkg", county())
    made = base_tiles.make_base_tiles(source, tmp_path / "base.pmtiles", BOX, ["surfacewater", "local_buildings"])
    assert made.layers == ["surfacewater", "local_buildings"]
    first, last = made.zooms
    assert b"local_buildings" not in (tile_at(made.path, last - 3, -1.9291, 51.5008) or b"")
    assert b"local_buildings" in (tile_at(made.path, last, -1.9291, 51.5008) or b"")
    assert b"surfacewater" in (tile_at(made.path, first + 1, -1.92221, 51.47823) or b"")


def write_mbtiles(path: Path, form: str, tiles: dict[tuple[int, int, int], bytes]) -> Path:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE metadata (name TEXT, value TEXT)")
        database.execute("CREATE TABLE tiles (zoom_level INT, tile_column INT, tile_row INT, tile_data BLOB)")
        layers = json.dumps({"vector_layers": [{"id": "roads", "fields": {}}]})
        told = [("format", form), ("attribution", "Contains made-up data"), ("json", layers)]
        database.executemany("INSERT INTO metadata VALUES (?, ?)", told)
        rows = [(zoom, column, 2**zoom - 1 - row, content) for (zoom, column, row), content in tiles.items()]
        database.executemany("INSERT INTO tiles VALUES (?, ?, ?, ?)", rows)
    database.close()
    return path


@pytest.mark.parametrize("form", ["pbf", "png"])
def test_of_mbtiles_the_tiles_of_the_force_are_taken(tmp_path, form):
    column, _, row, _ = BOX.tiles(9)
    content = gzip.compress(b"here") if form == "pbf" else b"here"
    tiles = {(9, column, row): content, (9, column + 40, row): b"elsewhere", (0, 0, 0): content}
    source = write_mbtiles(tmp_path / "britain.mbtiles", form, tiles)
    made = base_tiles.make_base_tiles(source, tmp_path / "base.pmtiles", BOX)
    assert (made.tiles, made.zooms) == (2, (0, 9))
    header, metadata = about(made.path)
    assert metadata["attribution"] == "Contains made-up data"
    assert header["tile_type"].name == {"pbf": "MVT", "png": "PNG"}[form]
    with made.path.open("rb") as file:
        assert Reader(MmapSource(file)).get(9, column, row) == content
        assert Reader(MmapSource(file)).get(9, column + 40, row) is None


def far(folder: Path) -> Path:
    from shapely.geometry import box

    return write_package(folder / "far.gpkg", {"woodland": ("Polygon", [box(500_000, 400_000, 501_000, 401_000)])})


def without_coordinates(folder: Path) -> Path:
    return write_package(folder / "bare.gpkg", {"land": county()["land"]}, crs=None)


def no_package(folder: Path) -> Path:
    (folder / "no.gpkg").write_bytes(b"roads")
    return folder / "no.gpkg"


def no_mbtiles(folder: Path) -> Path:
    (folder / "no.mbtiles").write_bytes(b"roads and rivers of the county")
    return folder / "no.mbtiles"


def far_tiles(folder: Path) -> Path:
    return write_mbtiles(folder / "far.mbtiles", "pbf", {(9, 0, 0): b"elsewhere"})


def other_tiles(folder: Path) -> Path:
    return write_mbtiles(folder / "other.mbtiles", "tiff", {(9, 0, 0): b"elsewhere"})


@pytest.mark.parametrize(
    ("write", "error", "words"),
    [
        (far, BadData, "Nothing of 'far.gpkg' lies where the force is"),
        (without_coordinates, BadData, "does not say which coordinates it has"),
        (no_package, BadData, "'no.gpkg' can't be read"),
        (no_mbtiles, BadData, "can't be read as MBTiles"),
        (far_tiles, BadData, "Its tiles lie elsewhere"),
        (other_tiles, BadData, "tiles of the form 'tiff'"),
        (lambda folder: folder / "none.gpkg", NoInput, "There is no file"),
        (lambda folder: folder / "roads.shp", UsageError, "neither a GeoPackage"),
    ],
)
def test_what_cant_be_made_into_one_is_told_and_leaves_what_was_there(tmp_path, write, error, words):
    out = tmp_path / "base.pmtiles"
    out.write_bytes(b"what was there")
    with pytest.raises(error) as told:
        base_tiles.make_base_tiles(write(tmp_path), out, BOX)
    assert words in str(told.value)
    assert out.read_bytes() == b"what was there"
    assert not list(tmp_path.glob("*.part"))


def test_a_layer_that_is_not_there_is_told_with_those_that_are(tmp_path):
    source = write_package(tmp_path / "county.gpkg", county())
    with pytest.raises(UsageError) as told:
        base_tiles.make_base_tiles(source, tmp_path / "base.pmtiles", BOX, ["surface_water"])
    assert "has no layer 'surface_water'" in str(told.value)
    assert "Did you mean 'surfacewater'?" in str(told.value)


def test_a_force_without_boundaries_has_nothing_to_cut_by():
    areas = pl.DataFrame({"area_id": ["all"], "boundary": [None]}, schema={"area_id": pl.String, "boundary": pl.String})
    with pytest.raises(NoInput, match="boundary"):
        base_tiles.box_of(areas)
