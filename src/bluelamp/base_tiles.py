"""Makes the file of a base map from a GeoPackage or from MBTiles, cut to the force: one PMTiles file.

GDAL (inside pyogrio) cuts each layer of shapes into Mapbox Vector Tiles of its own; tiles of several layers are put
together by joining their bytes, which the format allows: a tile is a list of layers (Mapbox Vector Tile 2.1), and lists
in protocol buffers may be joined so. MBTiles hold tiles already, and only those of the force are taken.
"""

from __future__ import annotations

import gzip
import json
import math
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from bluelamp import extensions
from bluelamp.errors import BadData, InputOutputError, NoInput, UsageError, did_you_mean, one_of

_KINDS = (".gpkg", ".mbtiles")
# Round the force, as a share of its longer side: a wide screen shows that much beyond it.
_MARGIN = 1.0
# Closer than this, tiles are drawn larger instead: streets are told apart at it.
_CLOSEST = 14
# Of these a force has hundreds of thousands, which are specks until the map is close.
_ONLY_CLOSE = ("local", "building", "contour")
_DEGREES = "EPSG:4326"
# Mercator ends here.
_NORTHERNMOST = 85.0511
_GZIP = b"\x1f\x8b"
_PICTURES = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}


@dataclass(frozen=True)
class Box:
    """What a map shows, in degrees."""

    west: float
    south: float
    east: float
    north: float

    @property
    def zooms(self) -> tuple[int, int]:
        """Give the zooms at which a page shows it: from the whole of it on a phone to streets."""
        whole = math.floor(math.log2(360 / max(self.east - self.west, self.north - self.south, 1e-6)))
        closest = min(max(whole + 5, 0), _CLOSEST)
        return max(min(whole - 2, closest), 0), closest

    def tiles(self, zoom: int) -> tuple[int, int, int, int]:
        """Give the first and last column and row that hold it, rows counted from the north."""

        def column(longitude: float) -> int:
            return min(max(int((longitude + 180) / 360 * (1 << zoom)), 0), (1 << zoom) - 1)

        def row(latitude: float) -> int:
            angle = math.radians(min(max(latitude, -_NORTHERNMOST), _NORTHERNMOST))
            share = (1 - math.asinh(math.tan(angle)) / math.pi) / 2
            return min(max(int(share * (1 << zoom)), 0), (1 << zoom) - 1)

        return column(self.west), column(self.east), row(self.north), row(self.south)


@dataclass(frozen=True)
class Made:
    """What was made: where it lies, how many tiles it has of which zooms, and its layers."""

    path: Path
    tiles: int
    zooms: tuple[int, int]
    layers: list[str]


def box_of(areas: pl.DataFrame) -> Box:
    """Give the box round the areas that have a boundary, with a margin. Raises NoInput where none has one."""
    import shapely

    drawn = areas.filter(pl.col("boundary").is_not_null())["boundary"]
    if drawn.is_empty():
        raise NoInput(
            "No area of the force has a boundary, so that nobody knows where to cut the map. Import 'areas' with them."
        )
    west, south, east, north = (float(each) for each in shapely.total_bounds(shapely.from_geojson(drawn.to_numpy())))
    more = _MARGIN * max(east - west, north - south)
    return Box(west - more, south - more, east + more, north + more)


def make_base_tiles(source: Path, out: Path, box: Box, layers: Sequence[str] = ()) -> Made:
    """Write the part of a GeoPackage or of MBTiles that lies in a box as PMTiles; of a GeoPackage only these layers.

    Raises UsageError, NoInput, BadData or InputOutputError; nothing half done is left.
    """
    suffix = source.suffix.lower()
    if suffix not in _KINDS:
        raise UsageError(
            f"'{source.name}' is neither a GeoPackage (.gpkg) nor MBTiles (.mbtiles). One of them is read."
        )
    if out.suffix != ".pmtiles":
        raise UsageError(f"'{out.name}' does not end in .pmtiles, which a base map's file does.")
    if not source.is_file():
        raise NoInput(f"There is no file '{source}'.")
    beside = out.with_name(out.name + ".part")
    try:
        with tempfile.TemporaryDirectory(prefix="bluelamp-") as room:
            if suffix == ".mbtiles":
                if layers:
                    raise UsageError("MBTiles hold every layer in one tile: layers are chosen of a GeoPackage only.")
                parts = [source]
            else:
                parts = _cut_layers(source, Path(room), box, layers)
            made = _write(parts, beside, box)
        beside.replace(out)
    except sqlite3.Error as error:
        raise BadData(f"'{source.name}' can't be read as MBTiles: {error}. Fetch it again.") from None
    except OSError as error:
        raise InputOutputError(
            f"'{out}' could not be written: {error.strerror or error}. Make room, and try again."
        ) from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return replace(made, path=out)


def _cut_layers(source: Path, room: Path, box: Box, wanted: Sequence[str]) -> list[Path]:
    """Cut each layer of lines or areas into tiles of its own."""
    pyogrio: Any = extensions.optional("pyogrio", "geo", f"Reading {source.name}")
    raw: Any = extensions.optional("pyogrio.raw", "geo", f"Reading {source.name}")
    broken = (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.GeometryError)
    try:
        with warnings.catch_warnings():
            # What it warns of (measures, unusual rings) does not matter to a map that lies behind another.
            warnings.simplefilter("ignore")
            there = {str(name): str(kind) for name, kind in pyogrio.list_layers(source) if kind is not None}
            # Points would be names and signs, and a base map has none.
            drawn = {name: kind for name, kind in there.items() if "Point" not in kind}
            unknown = [name for name in wanted if name not in drawn]
            if unknown:
                raise UsageError(
                    f"'{source.name}' has no layer '{unknown[0]}' of lines or areas. {one_of(drawn)} was expected."
                    f"{did_you_mean(unknown[0], drawn)}"
                )
            parts = [
                part
                for number, name in enumerate(wanted or drawn)
                if (part := _cut_layer(raw, source, name, room / f"{number}.mbtiles", box)) is not None
            ]
    except broken as error:
        raise BadData(f"'{source.name}' can't be read: {str(error).split(';')[0].rstrip('.')}.") from None
    if not parts:
        raise BadData(f"Nothing of '{source.name}' lies where the force is. Another part of the map was expected.")
    return parts


def _cut_layer(raw: Any, source: Path, name: str, out: Path, box: Box) -> Path | None:
    """Cut one layer; None where nothing of it lies in the box."""
    import pyproj
    import shapely

    about = raw.read(source, layer=name, columns=[], max_features=1)[0]
    if about["crs"] is None:
        raise BadData(f"Layer '{name}' of '{source.name}' does not say which coordinates it has. Export it with them.")
    to_its_own = pyproj.Transformer.from_crs(_DEGREES, about["crs"], always_xy=True)
    bounds = to_its_own.transform_bounds(box.west, box.south, box.east, box.north)
    _, _, geometries, _ = raw.read(source, layer=name, columns=[], bbox=bounds, force_2d=True)
    shapes = shapely.clip_by_rect(shapely.make_valid(shapely.from_wkb(geometries)), *bounds)
    # A coast reaches round an island: what lies outside would be cut into tiles, too.
    shapes = shapes[~shapely.is_empty(shapes) & (shapely.get_dimensions(shapes) > 0)]
    if len(shapes) == 0:
        return None
    first, last = box.zooms
    begins = max(first, last - 2) if any(word in name.lower() for word in _ONLY_CLOSE) else first
    raw.write(
        out, shapely.to_wkb(shapes), [], [], layer=name, driver="MBTiles", geometry_type="Unknown", crs=about["crs"],
        dataset_options={"NAME": name, "MINZOOM": str(begins), "MAXZOOM": str(last)},
    )  # fmt: skip
    return out


def _write(parts: Sequence[Path], out: Path, box: Box) -> Made:
    tile: Any = extensions.optional("pmtiles.tile", "geo", "Writing a base map")
    writer: Any = extensions.optional("pmtiles.writer", "geo", "Writing a base map")
    with ExitStack() as stack:
        databases = [
            stack.enter_context(closing(sqlite3.connect(f"{part.absolute().as_uri()}?mode=ro", uri=True)))
            for part in parts
        ]
        told = [dict(each.execute("SELECT name, value FROM metadata").fetchall()) for each in databases]
        form = told[0].get("format", "")
        if form != "pbf" and form not in _PICTURES:
            raise BadData(
                f"'{parts[0].name}' holds tiles of the form '{form}'. {one_of(['pbf', *_PICTURES])} was expected."
            )
        layers = [layer for each in told for layer in json.loads(each.get("json") or "{}").get("vector_layers", [])]
        file = stack.enter_context(out.open("wb"))
        writing = writer.Writer(file)
        zooms: list[int] = []
        for zoom, column, row, content in _tiles(databases, box, is_shapes=form == "pbf"):
            writing.write_tile(tile.zxy_to_tileid(zoom, column, row), content)
            zooms.append(zoom)
        if not zooms:
            raise BadData("Its tiles lie elsewhere than the force. A file that holds the force was expected.")
        kind = tile.TileType.MVT if form == "pbf" else tile.TileType[_PICTURES[form]]
        packed = tile.Compression.GZIP if form == "pbf" else tile.Compression.NONE
        writing.finalize(
            {"tile_type": kind, "tile_compression": packed, **_head(box, zooms[0])},
            {"attribution": told[0].get("attribution", ""), "vector_layers": layers},
        )
    return Made(out, len(zooms), (min(zooms), max(zooms)), [str(layer["id"]) for layer in layers])


def _tiles(
    databases: Sequence[sqlite3.Connection], box: Box, *, is_shapes: bool
) -> Iterator[tuple[int, int, int, bytes]]:
    """Give each tile of the box by zoom, column and row: those of several files as one."""
    closest = box.zooms[1]
    for zoom in range(closest + 1):
        first, last, top, bottom = box.tiles(zoom)
        # MBTiles count rows from the south.
        inside = (zoom, first, last, 2**zoom - 1 - bottom, 2**zoom - 1 - top)
        found = {
            place
            for each in databases
            for place in each.execute(
                "SELECT tile_column, tile_row FROM tiles WHERE zoom_level = ? AND tile_column BETWEEN ? AND ? "
                "AND tile_row BETWEEN ? AND ?", inside,
            )
        }  # fmt: skip
        for column, row in sorted(found):
            parts = [
                content
                for each in databases
                for (content,) in each.execute(
                    "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?",
                    (zoom, column, row),
                )
            ]
            yield zoom, column, 2**zoom - 1 - row, _joined(parts) if is_shapes else parts[0]


def _joined(parts: Sequence[bytes]) -> bytes:
    """Join tiles of shapes, packed once: browsers unpack one gzip member and no more."""
    if len(parts) == 1 and parts[0].startswith(_GZIP):
        return parts[0]
    return gzip.compress(b"".join(gzip.decompress(part) if part.startswith(_GZIP) else part for part in parts), mtime=0)


def _head(box: Box, zoom: int) -> dict[str, int]:
    edges = {"min_lon": box.west, "min_lat": box.south, "max_lon": box.east, "max_lat": box.north,
             "center_lon": (box.west + box.east) / 2, "center_lat": (box.south + box.north) / 2}  # fmt: skip
    return {f"{name}_e7": round(1e7 * degrees) for name, degrees in edges.items()} | {"center_zoom": zoom}
