"""Files of boundaries: GeoJSON, GeoPackage and shapefiles, the last two as they are or zipped, as features.

Each comes out as a GeoJSON FeatureCollection, so that whoever makes areas of it need not know what it was. A file's
kind is told by its first bytes, and nothing that it may point at elsewhere is ever opened.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bluelamp import extensions
from bluelamp.errors import BadData, BadSettings, NoInput, NotPermitted, did_you_mean, one_of

SUFFIXES = (".geojson", ".json", ".gpkg", ".shp", ".zip")
_INSIDE_ZIP = (".shp", ".gpkg", ".geojson")
_FIRST_BYTES = {".gpkg": b"SQLite format 3\0", ".shp": b"\0\0\x27\x0a"}
_KINDS = {".gpkg": "GeoPackage", ".shp": "shapefile"}
_SIDECARS = {".shx": "says where each boundary begins", ".dbf": "holds the codes and the names"}
_MOST_UNPACKED_BYTES = 1 << 30
_NAME_THE_LAYER = "Name it as layer under [areas] in force.toml or as --areas-layer with 'bluelamp init'."
_EXPORT_AGAIN = "Export the areas again, as GeoJSON, GeoPackage or a shapefile with all its parts."


@dataclass(frozen=True)
class Features:
    """What a file of boundaries holds: a FeatureCollection, the file's name for messages, and what was put right.

    `crs` is the coordinate system that the file's own format names: a code or a definition that pyproj reads.
    """

    collection: dict[str, Any]
    where: str
    crs: str | None
    notes: list[str]


def is_one(path: Path | str) -> bool:
    """Say whether a file is one of boundaries, by its name and, where it is a zip archive, by what is in it."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix != ".zip":
        return suffix in SUFFIXES
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(_boundaries_in(archive))
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
        return False


def load(path: Path | str, layer: str | None = None) -> Features:
    """Read a file of boundaries. `layer` names one where the file has several.

    Raises NoInput, NotPermitted, BadData and BadSettings as sentences, and UsageError naming what to install where
    the file is no GeoJSON and the extra 'geo' is not there.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NoInput(
            f"There is no file of areas '{path}'. Name a GeoJSON, GeoPackage or shapefile, or leave it out."
        ) from None
    except PermissionError:
        raise NotPermitted(f"'{path}' may not be read by this account.") from None
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return _from_zip(path, layer)
    if suffix in (".dbf", ".shx", ".prj", ".cpg"):
        raise BadData(
            f"{path.name} is a part of a shapefile. Name the part that ends in .shp; the others lie beside it."
        )
    if suffix in _FIRST_BYTES:
        _insist_on_kind(head, suffix, path.name)
        if suffix == ".shp":
            beside = {each.name.lower() for each in path.parent.iterdir()}
            _insist_on_sidecars(path.name, beside)
        return _from_layers(str(path), path.name, layer)
    return _of_geojson(path.read_bytes(), path.name)


def _of_geojson(data: bytes, where: str) -> Features:
    try:
        collection = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BadData(f"{where} is not GeoJSON: {error}. Export the areas as GeoJSON (RFC 7946).") from None
    if not isinstance(collection, dict) or collection.get("type") != "FeatureCollection":
        raise BadData(f"{where} is not a GeoJSON FeatureCollection. Export the areas as one.")
    return Features(collection, where, None, [])


def _boundaries_in(archive: zipfile.ZipFile) -> list[str]:
    names = [PurePosixPath(name) for name in archive.namelist()]
    # What a Macintosh adds to an archive has the same endings and is no boundary.
    return sorted(str(name) for name in names if name.suffix.lower() in _INSIDE_ZIP and not name.name.startswith("."))


def _from_zip(path: Path, layer: str | None) -> Features:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > _MOST_UNPACKED_BYTES:
                raise BadData(f"{path.name} unpacks to more than 1 GB, which no force's areas need. {_EXPORT_AGAIN}")
            found = _boundaries_in(archive)
            if not found:
                raise BadData(f"{path.name} holds no shapefile, GeoPackage or GeoJSON. {_EXPORT_AGAIN}")
            chosen = (
                found[0]
                if len(found) == 1
                else _chosen({PurePosixPath(name).stem: name for name in found}, path.name, layer)
            )
            suffix = PurePosixPath(chosen).suffix.lower()
            where = f"{PurePosixPath(chosen).name} in {path.name}"
            if suffix == ".geojson":
                return _of_geojson(archive.read(chosen), where)
            with archive.open(chosen) as file:
                _insist_on_kind(file.read(16), suffix, where)
            if suffix == ".shp":
                folder = PurePosixPath(chosen).parent
                beside = {
                    PurePosixPath(name).name.lower()
                    for name in archive.namelist()
                    if PurePosixPath(name).parent == folder
                }
                _insist_on_sidecars(PurePosixPath(chosen).name, beside, f" in {path.name}")
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, RuntimeError) as error:
        raise BadData(f"{path.name} is a broken zip archive: {error}. Copy it again.") from None
    several_files = len(found) > 1
    return _from_layers(f"/vsizip/{path.absolute()}/{chosen}", where, None if several_files else layer)


def _insist_on_kind(head: bytes, suffix: str, where: str) -> None:
    if not head.startswith(_FIRST_BYTES[suffix]):
        raise BadData(f"{where} ends in {suffix}, but is no {_KINDS[suffix]}. {_EXPORT_AGAIN}")


def _insist_on_sidecars(name: str, beside: set[str], inside: str = "") -> None:
    stem = name[: -len(".shp")]
    missing = [ending for ending in _SIDECARS if f"{stem}{ending}".lower() not in beside]
    if missing:
        raise BadData(
            f"{name}{inside} lacks {'a part' if len(missing) == 1 else 'parts'} of its shapefile. Put beside it:",
            [f"{stem}{ending}, which {_SIDECARS[ending]}." for ending in missing],
        )


def _chosen(layers: dict[str, str], where: str, layer: str | None) -> str:
    """Give what the named one of several layers stands for."""
    if layer is None:
        raise BadData(f"{where} has {len(layers)} layers: {_listed(layers)}. {_NAME_THE_LAYER}")
    if layer not in layers:
        raise BadSettings(f"{where} has no layer '{layer}', but {one_of(layers)}.{did_you_mean(layer, layers)}")
    return layers[layer]


def _listed(names: dict[str, str]) -> str:
    shown = list(names)[:20]
    return ", ".join(f"'{name}'" for name in shown) + (" and more" if len(names) > len(shown) else "")


def _from_layers(address: str, where: str, layer: str | None) -> Features:
    pyogrio: Any = extensions.optional("pyogrio", "geo", f"Reading {where}")
    raw: Any = extensions.optional("pyogrio.raw", "geo", f"Reading {where}")
    import shapely

    broken = (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.GeometryError)
    try:
        with warnings.catch_warnings():
            # What it warns of (measures, unusual rings) is left out or put right, and said here.
            warnings.simplefilter("ignore")
            kinds = {str(name): kind for name, kind in pyogrio.list_layers(address) if kind is not None}
            if not kinds:
                raise BadData(f"{where} has no layer with boundaries, only tables without geometry. {_EXPORT_AGAIN}")
            several = len(kinds) > 1 or (layer is not None and layer not in kinds)
            chosen = _chosen({name: name for name in kinds}, where, layer) if several else next(iter(kinds))
            about, _, geometries, columns = raw.read(address, layer=chosen, force_2d=True)
    except broken as error:
        said = str(error).split(";")[0].replace(address, where).rstrip(".")
        raise BadData(f"{where} can't be read: {said}. {_EXPORT_AGAIN}") from None
    kind = str(kinds[chosen])
    if not any(word in kind for word in ("Polygon", "Surface", "Unknown", "GeometryCollection")):
        raise BadData(
            f"Layer '{chosen}' of {where} holds geometries of kind {kind}, which enclose nothing. Boundaries are "
            "polygons: export those."
        )
    if geometries is None or len(geometries) == 0:
        raise BadData(f"Layer '{chosen}' of {where} is empty. {_EXPORT_AGAIN}")
    try:
        shapes = shapely.from_wkb(geometries)
    except shapely.GEOSException as error:
        raise BadData(f"{where} has a boundary that can't be read: {error}. {_EXPORT_AGAIN}") from None
    names = [str(name) for name in about["fields"]]
    rows = zip(*(map(_plain, column) for column in columns), strict=True) if names else (() for _ in shapes)
    features = [
        {"type": "Feature", "properties": dict(zip(names, row, strict=True)), "geometry": _geometry(shape)}
        for row, shape in zip(rows, shapes, strict=True)
    ]
    notes = [f"Heights in {where} were left out: boundaries are flat."] if " Z" in kind or "25D" in kind else []
    return Features({"type": "FeatureCollection", "features": features}, where, about["crs"], notes)


def _geometry(shape: Any) -> dict[str, Any] | None:
    from shapely.geometry import mapping

    return None if shape is None or shape.is_empty else dict(mapping(shape))


def _plain(value: Any) -> Any:
    """Give one value of a column as JSON would have it; what is not there is None."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)[:10]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value
