"""Places: areas with their boundaries in any coordinate system, areas made from labelled points, and who covers what.

Everything is kept in WGS 84 longitude and latitude; sizes are measured on the ellipsoid. An area made from points is
marked approximate, because its border is only where the labels change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from bluelamp import boundaries, tables
from bluelamp.errors import BadData, BadSettings, count_of, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyproj import Transformer
    from shapely.geometry.base import BaseGeometry

_WGS84_NAMES = ("CRS84", "EPSG::4326", "EPSG:4326", "OGC:1.3:CRS84")
METRES_IN_A_DEGREE = 111_320.0
_BUFFER_METRES = 350.0
_SMOOTHING_METRES = 260.0
_SMALLEST_PART = 0.08
_BORDER_METRES = 120.0
_MOVED_METRES = 1.0
_FARTHEST = 1e9  # metres or feet: no coordinate system of a map reaches as far
_GIVE_CRS = (
    "Give it, such as EPSG:27700 for the British national grid, as crs under [areas] in force.toml or as --areas-crs "
    "with 'bluelamp init'."
)


@dataclass
class Properties:
    """Names of the properties (columns) that say what a feature is."""

    id: str = "area_id"
    name: str = "area_name"
    district: str | None = "district"
    kind: str | None = "kind"
    level: str | None = "level"
    population: str | None = "population"
    valid_from: str | None = "valid_from"
    valid_to: str | None = "valid_to"


@dataclass(frozen=True)
class ReadAreas:
    """Areas as a file has them, and what was made of them.

    `read` and `made` are tables `areas`: what the file's features say, and the districts and the force that it has no
    features of, each made by joining its areas. `features` counts the file's features, of which several may be pieces
    of one area. `notes` say what was put right, and what a reader should know.
    """

    read: pl.DataFrame
    made: pl.DataFrame
    features: int
    notes: list[str]

    @property
    def rows(self) -> pl.DataFrame:
        """All of it: one table `areas`."""
        return tables.publish(pl.concat([self.read, self.made]), "areas")

    @property
    def summary(self) -> str:
        """What the file has, in words: `3 areas (2 urban, 1 rural) in 2 districts`."""
        areas = self.read.filter(pl.col("level") == "area")
        districts = self.rows.filter(pl.col("level") == "district").height
        kinds = dict(areas.group_by("kind").len().iter_rows())
        said = ", ".join(f"{kinds[kind]:,} {kind}" for kind in ("urban", "rural") if kind in kinds)
        unsaid = f"{kinds['all']:,} neither urban nor rural" if "all" in kinds else ""
        told = ", ".join(filter(None, [said, unsaid]))
        inside = f"in {count_of(districts, 'district')}" if districts else "without districts"
        return f"{count_of(areas.height, 'area')} ({told}) {inside}"


@dataclass
class _Part:
    area_id: str
    name: str
    level: str
    district: str | None
    kind: str
    population: int | None
    shape: BaseGeometry | None = field(default=None)
    valid_from: date | None = field(default=None)
    valid_to: date | None = field(default=None)


def read_areas(
    source: Path | str | dict[str, Any],
    *,
    force_id: str,
    force_name: str,
    properties: Properties | None = None,
    crs: str | None = None,
    near: tuple[float, float] | None = None,
    layer: str | None = None,
    valid_from: date | None = None,
    kinds: Mapping[str, str] | None = None,
) -> ReadAreas:
    """Read areas from GeoJSON, a GeoPackage or a shapefile, with the districts and the force that they make up.

    `source` is a path or a parsed FeatureCollection. `crs` names its coordinate system (EPSG:27700 for the British
    grid) and goes before what the file says; `near` is a point (longitude, latitude) that the force lies around, and
    tells swapped axes; `layer` names one of a file's several. Districts and the force are the union of their areas
    where the file has none of its own. `valid_from` is the day from which areas hold that do not say so themselves, and
    `kinds` the kind, by code, of areas of which the file does not say whether they are urban or rural.
    Broken rings are repaired (buffer by nothing, as GEOS's make_valid does); a feature without geometry keeps its row.
    Raises NoInput, NotPermitted, BadData and BadSettings as sentences.
    """
    if crs is not None:
        insist_on_crs(crs)
    named = properties or Properties()
    if isinstance(source, dict):
        read = boundaries.Features(source, "The GeoJSON", None, [])
    else:
        read = boundaries.load(source, layer)
    where = read.where
    features = _features_of(read.collection, where)
    parts, notes = _parts_of(features, named, where, kinds or {})
    for part in parts:
        part.valid_from = part.valid_from or valid_from
    shapes = [part.shape for part in parts if part.shape is not None]
    turned, more = _to_wgs84(shapes, crs or _crs_of(read), near, where)
    notes = read.notes + notes + more
    remaining = iter(turned)
    repaired = 0
    for part in parts:
        if part.shape is not None:
            part.shape, was_broken = _valid(next(remaining))
            repaired += was_broken
    if repaired:
        notes.append(f"The rings of {count_of(repaired, 'area')} crossed themselves and were repaired.")
    merged, more = _merge_same_id(parts)
    _insist_on_one_force(merged, where)
    areas, made = _table(merged, force_id, force_name, is_approximate=False, valid_from=valid_from)
    is_made = pl.col("area_id").is_in(made)
    return ReadAreas(areas.filter(~is_made), areas.filter(is_made), len(features), notes + more)


def read_ground(path: Path | str, near: tuple[float, float] | None = None) -> tuple[BaseGeometry, list[str]]:
    """Read the ground that the areas of a file cover together, whatever they are called, in degrees; with notes.

    For files that say where something was done, such as the places of an operation. `near` is a point that the force
    lies around. Raises NoInput, NotPermitted, BadData and BadSettings as sentences, BadData also where the file has no
    area.
    """
    import shapely
    from shapely.geometry import shape

    read = boundaries.load(path)
    geometries = [each["geometry"] for each in _features_of(read.collection, read.where) if each.get("geometry")]
    try:
        shapes = [shape(each) for each in geometries]
    except (shapely.GEOSException, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise BadData(
            f"{read.where} has a geometry that can't be read: {error}. Export it as GeoJSON (RFC 7946)."
        ) from None
    turned, notes = _to_wgs84(shapes, _crs_of(read), near, read.where)
    whole = shapely.union_all([_only_polygons(_valid(each)[0]) for each in turned])
    if whole.is_empty:
        raise BadData(f"{read.where} has no area: polygons were expected, and points and lines cover no ground.")
    return whole, [*read.notes, *notes]


def _features_of(collection: dict[str, Any], where: str) -> list[dict[str, Any]]:
    features = collection.get("features")
    if not isinstance(features, list) or not features:
        raise BadData(f"{where} has no features. A GeoJSON FeatureCollection of areas was expected.")
    for number, each in enumerate(features, start=1):
        parts = [each.get("properties"), each.get("geometry")] if isinstance(each, dict) else [each]
        if not all(part is None or isinstance(part, dict) for part in parts):
            raise BadData(
                f"Feature {number} of {where} is not an object with properties and a geometry. Export the areas as "
                "GeoJSON (RFC 7946)."
            )
    return features


def _crs_of(read: boundaries.Features) -> str | None:
    """Give the coordinate system that a file says it has."""
    stated = read.collection.get("crs")
    about = stated.get("properties") if isinstance(stated, dict) else None
    name = read.crs or (about.get("name") if isinstance(about, dict) else None)
    if not name:
        return None
    try:
        insist_on_crs(str(name))
    except BadSettings:
        raise BadData(
            f"{read.where} says that its coordinate system is '{str(name)[:60]}', and there is no such one. {_GIVE_CRS}"
        ) from None
    return str(name)


def _parts_of(
    features: Sequence[Any], named: Properties, where: str, kinds: Mapping[str, str]
) -> tuple[list[_Part], list[str]]:
    from shapely import GEOSException, get_coordinates
    from shapely.geometry import shape

    keys = {key for each in features for key in (each.get("properties") or {})}
    if named.id not in keys:
        raise BadData(
            f"No feature of {where} has the property '{named.id}', which should hold the area's code."
            f"{did_you_mean(named.id, keys)} Its properties are: {_listed(keys)}. Name the right one, as id_property "
            "under [areas] in force.toml or as --areas-property id=… with 'bluelamp init'."
        )
    parts, problems, without = [], [], 0
    of_no_kind = set()
    for number, each in enumerate(features, start=1):
        given = each.get("properties") or {}
        code = _word(given.get(named.id))
        if code is None:
            problems.append(f"Feature {number} has no '{named.id}'.")
            continue
        part = _Part(
            area_id=code,
            name=_word(given.get(named.name)) or code,
            level=_choice(given.get(named.level or ""), ("area", "district", "force"), "area"),
            district=_word(given.get(named.district or "")),
            kind=_choice(given.get(named.kind or ""), ("urban", "rural", "all"), ""),
            population=_whole(given.get(named.population or "")),
        )
        if not part.kind:
            part.kind = kinds.get(code, "all")
            of_no_kind |= {code} if part.level == "area" else set()
        try:
            part.valid_from, part.valid_to = _days_of(given, named)
        except ValueError as error:
            problems.append(f"Feature {number} ('{code}') {error}")
        geometry = each.get("geometry")
        if geometry is not None and geometry.get("coordinates") != []:
            try:
                part.shape = _only_polygons(shape(geometry))
                if not (np.abs(get_coordinates(part.shape)) < _FARTHEST).all():
                    raise ValueError("a coordinate is no number, or none of any place")
            except (GEOSException, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
                problems.append(f"Feature {number} ('{code}') has a geometry that can't be read: {error}.")
        if part.shape is None or part.shape.is_empty:
            part.shape = None
            without += 1
        parts.append(part)
    if problems:
        raise BadData(
            f"{where} can't be used as areas yet. {count_of(len(problems), 'thing')} to put right:", problems[:50]
        )
    notes = [f"{count_of(without, 'area')} without a boundary: kept, but not drawn."] if without else []
    notes += _on_kinds(of_no_kind, kinds, named)
    has_districts = not named.district or named.district in keys or any(part.level == "district" for part in parts)
    if len(parts) > 1 and not has_districts:
        notes.append(
            f"No feature has the property '{named.district}', which would hold its district, so that the areas lie in "
            f"none. The properties are: {_listed(keys)}. Another is named as district_property under [areas] in "
            "force.toml, or as --areas-property district=… with 'bluelamp init'."
        )
    return parts, notes


def _on_kinds(codes: set[str], kinds: Mapping[str, str], named: Properties) -> list[str]:
    """Say which areas keep the kind that they had because their file tells none, and which have none."""
    kept, new = codes & set(kinds), sorted(codes - set(kinds))
    if not kept:
        return []
    keeps = "1 area keeps the kind that it" if len(kept) == 1 else f"{len(kept):,} areas keep the kind that they"
    note = f"{keeps} had, because the file does not say which are urban and which rural."
    if new:
        more = f" and {len(new) - 5:,} more" if len(new) > 5 else ""
        note += (
            f" {count_of(len(new), 'area has', 'areas have')} none: {', '.join(new[:5])}{more}. Give it in the "
            f"property '{named.kind or 'kind'}', or name another as kind_property under [areas] in force.toml."
        )
    return [note]


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(sorted(keys)[:40])


def _word(value: Any) -> str | None:
    if value is None:
        return None
    # A code such as 12 comes out of some writers as 12.0.
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    return text or None


def _choice(value: Any, known: tuple[str, ...], otherwise: str) -> str:
    word = str(value).strip().lower() if value is not None else otherwise
    return word if word in known else otherwise


def _whole(value: Any) -> int | None:
    try:
        return max(int(float(value)), 0)
    except (TypeError, ValueError, OverflowError):
        return None


def _days_of(given: dict[str, Any], named: Properties) -> tuple[date | None, date | None]:
    """Give the first and the last day on which a feature holds. Raises ValueError where they are no days."""
    days: list[date | None] = []
    for name in (named.valid_from, named.valid_to):
        word = _word(given.get(name or ""))
        try:
            days.append(None if word is None else date.fromisoformat(word[:10]))
        except ValueError:
            raise ValueError(f"has '{word}' as '{name}'; a day such as 2026-06-01 was expected.") from None
    first, last = days
    if first is not None and last is not None and last < first:
        raise ValueError(f"ends on {last}, before it begins on {first}.")
    return first, last


def _to_wgs84(
    shapes: list[BaseGeometry], crs: str | None, near: tuple[float, float] | None, where: str
) -> tuple[list[BaseGeometry], list[str]]:
    import shapely

    if not shapes:
        return shapes, []
    notes = []
    if crs is not None and not any(name in crs for name in _WGS84_NAMES):
        turned = [
            shapely.transform(each, lambda xy: np.column_stack(to_degrees(xy[:, 0], xy[:, 1], crs))) for each in shapes
        ]
        notes.append(f"Boundaries were turned from {_called(crs)} into longitude and latitude.")
        shapes = turned
    bounds = shapely.total_bounds(shapes)
    if not np.isfinite(bounds).all():
        raise BadData(
            f"{where} has coordinates that are not on earth in {_called(crs or 'degrees')}. Check the coordinate "
            "system."
        )
    if _axes_are_swapped(bounds, near):
        shapes = [shapely.transform(each, lambda xy: xy[:, ::-1]) for each in shapes]
        bounds = shapely.total_bounds(shapes)
        notes.append("Longitude and latitude stood the wrong way round in the boundaries and were swapped back.")
    if bounds[0] < -180.001 or bounds[2] > 180.001 or bounds[1] < -90.001 or bounds[3] > 90.001:
        said = "the file does not say its coordinate system" if crs is None else f"'{_called(crs)}' would have them so"
        raise BadData(
            f"The coordinates of {where} are not degrees (they reach {max(abs(bounds)):,.0f}), and {said}. {_GIVE_CRS}"
        )
    return shapes, notes


def _axes_are_swapped(bounds: NDArray[np.float64], near: tuple[float, float] | None) -> bool:
    west, south, east, north = bounds
    if (abs(south) > 90.001 or abs(north) > 90.001) and max(abs(south), abs(north)) <= 180.001:
        return bool(max(abs(west), abs(east)) <= 90.001)
    if near is None or max(abs(bounds)) > 180.001:
        return False
    x, y = (west + east) / 2, (south + north) / 2
    return bool(abs(y - near[0]) + abs(x - near[1]) < 5 < abs(x - near[0]) + abs(y - near[1]))


def to_degrees(
    x: NDArray[np.float64], y: NDArray[np.float64], crs: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn coordinates of a system such as EPSG:27700 into WGS 84 longitudes and latitudes (degrees).

    x is easting or longitude and y northing or latitude, whatever order the system's own definition has. Raises
    BadSettings where there is no such system.
    """
    longitudes, latitudes = _into_degrees(crs).transform(
        np.asarray(x, dtype=float), np.asarray(y, dtype=float), errcheck=False
    )
    bad = ~(np.isfinite(longitudes) & np.isfinite(latitudes))
    return np.where(bad, np.nan, longitudes), np.where(bad, np.nan, latitudes)


def insist_on_crs(crs: str) -> None:
    """Raise BadSettings unless this names a coordinate system of places on a map, such as EPSG:27700."""
    _into_degrees(crs)


@lru_cache(maxsize=8)
def _into_degrees(crs: str) -> Transformer:
    from pyproj import CRS, Transformer
    from pyproj.exceptions import ProjError

    try:
        system = CRS.from_user_input(crs)
        # There are systems of heights and of places in space, too.
        if system.is_projected or system.is_geographic:
            return Transformer.from_crs(system, "OGC:CRS84", always_xy=True)
    except ProjError:
        pass
    raise BadSettings(
        f"'{crs}' is not a coordinate system. A code such as EPSG:27700 (British national grid) was expected."
    )


def _called(crs: str) -> str:
    """Give a coordinate system's name for people: files may hold a definition many lines long."""
    from pyproj import CRS

    return crs if len(crs) <= 40 else str(CRS.from_user_input(crs).name)


def _valid(shape: BaseGeometry) -> tuple[BaseGeometry, bool]:
    """Give a polygon that does not cross itself, and whether it did."""
    import shapely

    if shape.is_valid:
        return shape, False
    return _only_polygons(shapely.make_valid(shape)), True


def _only_polygons(shape: BaseGeometry) -> BaseGeometry:
    import shapely

    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    found = [each for each in shapely.get_parts(shape) if each.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.union_all(found)


def _merge_same_id(parts: list[_Part]) -> tuple[list[_Part], list[str]]:
    import shapely

    first: dict[tuple[str, str, date | None], _Part] = {}
    repeated = set()
    for part in parts:
        known = first.setdefault((part.level, part.area_id, part.valid_from), part)
        if known is not part:
            repeated.add(part.area_id)
            shapes = [each.shape for each in (known, part) if each.shape is not None]
            known.shape = shapely.union_all(shapes) if shapes else None
    notes = [f"{count_of(len(repeated), 'area')} came in several pieces, which were joined."] if repeated else []
    return list(first.values()), notes


def _insist_on_one_force(parts: list[_Part], where: str) -> None:
    forces = sorted({part.area_id for part in parts if part.level == "force"})
    if len(forces) > 1:
        raise BadData(
            f"{where} has {len(forces)} forces ({', '.join(forces[:5])}): features of level 'force'. One was expected; "
            "take the others out."
        )


def _table(
    parts: list[_Part], force_id: str, force_name: str, *, is_approximate: bool, valid_from: date | None = None
) -> tuple[pl.DataFrame, list[str]]:
    """Write areas with their districts and their force; gives the table `areas` and which of its rows were made.

    Made are districts and force that are not among the parts: each is the union of its areas, those that have ended
    left out where others have not. What is made holds from `valid_from` on.
    """
    areas = [part for part in parts if part.level == "area"]
    drawn: dict[str, list[_Part | None]] = {}
    for part in parts:
        if part.level == "district":
            drawn.setdefault(part.area_id, []).append(part)
    forces: list[_Part | None] = [part for part in parts if part.level == "force"]
    used = {part.area_id for part in areas} | {force_id}
    codes = sorted({part.district for part in areas if part.district is not None} | set(drawn))
    # Beats and districts often share their numbers; a key may not.
    prefix = "district-" if used & set(codes) else ""
    rows = [_row(part, f"{prefix}{part.district}" if part.district else force_id, is_approximate) for part in areas]
    for code in codes:
        inside = _lasting([part for part in areas if part.district == code])
        for given in drawn.get(code, [None]):
            whole = _whole_of(inside, f"{prefix}{code}", given.name if given else f"District {code}", "district", given)
            whole.valid_from = whole.valid_from or valid_from
            rows.append(_row(whole, force_id, is_approximate))
    for force in forces or [None]:
        top = _whole_of(_lasting(areas), force_id, force_name, "force", force)
        top.valid_from = top.valid_from or valid_from
        rows.append(_row(top, None, is_approximate))
    made = [f"{prefix}{code}" for code in codes if code not in drawn] + ([] if forces else [force_id])
    frame = pl.DataFrame(rows, schema=tables.table("areas").polars_schema)
    return tables.publish(tables.check(frame, "areas", "The file of areas"), "areas"), made


def _lasting(parts: list[_Part]) -> list[_Part]:
    """Give the parts that have no last day, or all where each has one: what has been redrawn counts once."""
    return [part for part in parts if part.valid_to is None] or parts


def _whole_of(inside: list[_Part], code: str, name: str, level: str, given: _Part | None) -> _Part:
    """Join areas to the district or the force that they make up; what was drawn of it goes first."""
    return _Part(
        code,
        name,
        level,
        None,
        _common_kind(inside),
        _sum_of(part.population for part in inside),
        given.shape if given is not None and given.shape is not None else _union(inside),
        given.valid_from if given is not None else None,
        given.valid_to if given is not None else None,
    )


def _sum_of(numbers: Iterable[int | None]) -> int | None:
    known = [each for each in numbers if each is not None]
    return sum(known) if known else None


def _common_kind(parts: list[_Part]) -> str:
    kinds = {part.kind for part in parts}
    return kinds.pop() if len(kinds) == 1 else "all"


def _union(parts: list[_Part]) -> BaseGeometry | None:
    import shapely

    shapes = [part.shape for part in parts if part.shape is not None]
    if not shapes:
        return None
    # Neighbours drawn apart by a hand's breadth would leave slivers; a metre closes them.
    metre = 1 / METRES_IN_A_DEGREE
    return shapely.union_all(shapes).buffer(metre, join_style="mitre").buffer(-metre, join_style="mitre")


def _row(part: _Part, parent: str | None, is_approximate: bool) -> dict[str, Any]:
    import shapely

    row: dict[str, Any] = {
        "area_id": part.area_id,
        "area_name": part.name,
        "level": part.level,
        "parent_id": parent,
        "kind": part.kind,
        "valid_from": part.valid_from,
        "valid_to": part.valid_to,
        "population": part.population,
        "area_km2": None,
        "centre_longitude": None,
        "centre_latitude": None,
        "is_approximate": is_approximate,
        "boundary": None,
    }
    if part.shape is None or part.shape.is_empty:
        return row
    # Six decimals are a hand's breadth; more only makes the page heavier.
    rounded, _ = _valid(shapely.transform(shapely.force_2d(part.shape), lambda xy: np.round(xy, 6)))
    if rounded.is_empty:
        return row
    centre = rounded.centroid if rounded.contains(rounded.centroid) else rounded.representative_point()
    return row | {
        "area_km2": _square_kilometres(rounded),
        "centre_longitude": float(centre.x),
        "centre_latitude": float(centre.y),
        "boundary": shapely.to_geojson(rounded),
    }


def _square_kilometres(shape: BaseGeometry) -> float:
    import shapely
    from pyproj import Geod

    # The sign of a ring's area is its winding, which files get wrong as often as right.
    oriented = shapely.orient_polygons(shape)
    return abs(Geod(ellps="WGS84").geometry_area_perimeter(oriented)[0]) / 1e6


def one_area(force_id: str, force_name: str) -> pl.DataFrame:
    """Give the table `areas` of a force that has no areas: one area, `all`, in the force, without a boundary."""
    whole = _Part("all", force_name, "area", None, "all", None)
    return _table([whole], force_id, force_name, is_approximate=False)[0]


def areas_from_points(
    incidents: pl.DataFrame,
    *,
    force_id: str,
    force_name: str,
    districts: pl.DataFrame | None = None,
    least_incidents: int = 20,
) -> pl.DataFrame:
    """Derive approximate areas from incidents that name their area and have a point; the table `areas`.

    `incidents` needs `area_id`, `longitude`, `latitude`; `districts` may say which district an area lies in
    (`area_id`, `district`, `incidents`: the majority counts). Every place takes the label that prevails around it
    (within 260 m, so that one wrong label does not make an island), the plane is split by nearest place (Voronoi) and
    cut to 350 m around where anything was ever recorded, and borders are smoothed by 120 m. Parts with less than 8% of
    an area's incidents go to the neighbour with the longest common border, or are left out where they have none. An
    area whose incidents name no district joins, where others have one, the district that it borders longest. Areas
    with fewer than `least_incidents` points keep a row without a boundary.
    """
    labels = sorted(incidents["area_id"].drop_nulls().unique().to_list())
    shapes = _shapes_from_points(incidents, least_incidents)
    parents = _with_orphans(_majority_district(districts), shapes)
    parts = [_Part(label, label, "area", parents.get(label), "all", None, shapes.get(label)) for label in labels]
    return _table(parts, force_id, force_name, is_approximate=True)[0]


def _majority_district(districts: pl.DataFrame | None) -> dict[str, str]:
    if districts is None or districts.is_empty():
        return {}
    most = districts.sort("incidents", "district", descending=[True, False]).unique(
        "area_id", keep="first", maintain_order=True
    )
    return dict(most.select("area_id", "district").iter_rows())


def _with_orphans(parents: dict[str, str], shapes: dict[str, BaseGeometry]) -> dict[str, str]:
    """Give areas without a district the one that they border longest."""
    joined = dict(parents)
    for label in sorted(set(shapes) - set(parents)):
        borders: dict[str, float] = {}
        for other in sorted(set(shapes) & set(parents)):
            common = shapes[label].buffer(1e-5).intersection(shapes[other].boundary).length
            borders[parents[other]] = borders.get(parents[other], 0.0) + common
        best = max(sorted(borders), key=lambda district: borders[district], default=None)
        if best is not None and borders[best] > 0:
            joined[label] = best
    return joined


def _shapes_from_points(incidents: pl.DataFrame, least_incidents: int) -> dict[str, BaseGeometry]:
    import shapely

    places = (
        incidents.select("area_id", "longitude", "latitude")
        .drop_nulls()
        .with_columns(pl.col("longitude", "latitude").round(4))
        .group_by("area_id", "longitude", "latitude")
        .agg(count=pl.len())
        .filter(pl.col("count").sum().over("area_id") >= least_incidents)
        .sort("area_id", "longitude", "latitude")
    )
    if places.is_empty():
        return {}
    # Flat metres around the force's middle: fine for a picture a few tens of kilometres wide.
    middle_x, middle_y = float(places["longitude"].median()), float(places["latitude"].median())  # type: ignore[arg-type]
    scale_x = METRES_IN_A_DEGREE * float(np.cos(np.radians(middle_y)))
    places = places.with_columns(
        x=(pl.col("longitude") - middle_x) * scale_x, y=(pl.col("latitude") - middle_y) * METRES_IN_A_DEGREE
    )
    sites = _prevailing_labels(_without_strays(places))
    shapes = _partition(sites)
    return {
        label: shapely.transform(
            shape,
            lambda xy: np.column_stack([xy[:, 0] / scale_x + middle_x, xy[:, 1] / METRES_IN_A_DEGREE + middle_y]),
        )
        for label, shape in shapes.items()
    }


def _without_strays(places: pl.DataFrame) -> pl.DataFrame:
    """Drop places far outside their label's own spread: wrong geocodes, by ten times its median distance."""
    away = (
        ((pl.col("x") - pl.col("x").median()) ** 2 + (pl.col("y") - pl.col("y").median()) ** 2).sqrt().over("area_id")
    )
    limit = pl.max_horizontal(pl.col("away").median().over("area_id") * 4, pl.lit(1000.0))
    return places.with_columns(away=away).filter(pl.col("away") <= limit).drop("away")


def _prevailing_labels(places: pl.DataFrame) -> pl.DataFrame:
    """Give each place the label with most incidents around it: `x`, `y`, `area_id`, `count`."""
    import shapely

    sites = places.group_by("x", "y").agg(count=pl.col("count").sum()).sort("x", "y").with_row_index("site")
    points = shapely.points(sites["x"].to_numpy(), sites["y"].to_numpy())
    one, other = shapely.STRtree(points).query(points, predicate="dwithin", distance=_SMOOTHING_METRES)
    pairs = pl.DataFrame({"site": one, "near": other}).cast(pl.UInt32)
    votes = places.join(sites.select("site", "x", "y"), on=["x", "y"]).select("area_id", near="site", votes="count")
    prevailing = (
        pairs.join(votes, on="near")
        .group_by("site", "area_id")
        # A place's own incidents say more about it than its neighbours' do.
        .agg(votes=(pl.col("votes") * pl.when(pl.col("near") == pl.col("site")).then(3).otherwise(1)).sum())
        .sort("site", "votes", "area_id", descending=[False, True, False])
        .unique("site", keep="first", maintain_order=True)
    )
    return sites.join(prevailing.select("site", "area_id"), on="site").sort("site")


def _partition(sites: pl.DataFrame) -> dict[str, BaseGeometry]:
    """Split the plane by nearest site, cut it to where anything was recorded, and join the cells of a label."""
    import shapely

    # Places on a regular grid make cells whose corners fall together, and joining such cells can fail. Moved by up to a
    # metre, always the same way, no four places lie on one circle.
    moved = np.random.Generator(np.random.Philox(key=len(sites))).uniform(
        -_MOVED_METRES, _MOVED_METRES, (2, len(sites))
    )
    points = shapely.points(sites["x"].to_numpy() + moved[0], sites["y"].to_numpy() + moved[1])
    ground = shapely.union_all(shapely.buffer(points, _BUFFER_METRES, quad_segs=4))
    ground = ground.buffer(2 * _BUFFER_METRES, quad_segs=4).buffer(-2.2 * _BUFFER_METRES, quad_segs=4).simplify(20)
    if len(points) < 3:
        return dict.fromkeys(sites["area_id"].unique().to_list()[:1], ground)
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points), extend_to=ground.envelope))
    cell_of, site_of = shapely.STRtree(points).query(cells, predicate="contains")
    labels = np.asarray(sites["area_id"].to_list(), dtype=object)[site_of]
    counts = sites["count"].to_numpy()[site_of]
    shapes = {}
    for label in sorted(set(labels)):
        shapes[label] = shapely.union_all(cells[cell_of[labels == label]]).intersection(ground)
    located = {label: points[site_of[labels == label]] for label in shapes}
    weights = {label: counts[labels == label] for label in shapes}
    return _without_small_parts(shapes, located, weights)


def _without_small_parts(
    shapes: dict[str, BaseGeometry], located: dict[str, Any], weights: dict[str, Any]
) -> dict[str, BaseGeometry]:
    """Give parts that hold few of a label's incidents to the neighbour with the longest common border."""
    import shapely

    kept: dict[str, list[BaseGeometry]] = {}
    loose: list[BaseGeometry] = []
    for label, shape in shapes.items():
        parts = [each for each in shapely.get_parts(shape) if each.geom_type == "Polygon"]
        inside = [
            float(
                weights[label][
                    shapely.contains_xy(part, shapely.get_x(located[label]), shapely.get_y(located[label]))
                ].sum()
            )
            for part in parts
        ]
        largest = max(range(len(parts)), key=lambda at: inside[at], default=None)
        kept[label] = []
        for at, part in enumerate(parts):
            if at == largest or inside[at] >= _SMALLEST_PART * sum(inside):
                kept[label].append(part)
            else:
                loose.append(part)
    for part in sorted(loose, key=lambda each: -each.area):
        borders = {
            label: sum(part.boundary.intersection(each.boundary).length for each in parts if each.intersects(part))
            for label, parts in kept.items()
        }
        best = max(sorted(borders), key=lambda label: borders[label])
        # An island with next to nothing on it is a wrong geocode.
        if borders[best] > 0:
            kept[best].append(part)
    labels = [label for label, parts in kept.items() if parts]
    joined = [shapely.union_all(kept[label]) for label in labels]
    # Points rounded to a street corner make stairs of every border; both sides are smoothed alike.
    return dict(zip(labels, shapely.coverage_simplify(joined, _BORDER_METRES), strict=True))


def _drawn_and_known(areas: pl.DataFrame, points: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.Series]:
    """Give the areas with a boundary, the points with a place and their row, and an answer that knows none."""
    drawn = areas.filter((pl.col("level") == "area") & pl.col("boundary").is_not_null()).sort("area_id", "valid_from")
    known = points.with_row_index("point").filter(pl.col("longitude").is_not_null() & pl.col("latitude").is_not_null())
    return drawn, known, pl.Series("area_id", [None], dtype=pl.String).new_from_index(0, points.height)


def assign_areas(points: pl.DataFrame, areas: pl.DataFrame) -> pl.Series:
    """Say in which area each point lies: `area_id`, row by row, null outside every one.

    `points` has `longitude` and `latitude` (WGS 84) and, where boundaries have dates, `day` (local date). Only rows of
    level 'area' are looked at. A point on a border or in two areas goes to the first by code.
    """
    import shapely

    drawn, known, nothing = _drawn_and_known(areas, points)
    if drawn.is_empty() or known.is_empty():
        return nothing
    shapes = shapely.from_geojson(drawn["boundary"].to_numpy())
    tree = shapely.STRtree(shapely.points(known["longitude"].to_numpy(), known["latitude"].to_numpy()))
    area_at, point_at = tree.query(shapes, predicate="intersects")
    pairs = pl.DataFrame({"area": area_at, "at": point_at}).with_columns(
        area_id=drawn["area_id"].gather(area_at), point=known["point"].gather(point_at)
    )
    if "day" in points.columns:
        pairs = pairs.with_columns(
            day=known["day"].gather(point_at),
            first=drawn["valid_from"].gather(area_at).fill_null(date.min),
            last=drawn["valid_to"].gather(area_at).fill_null(date.max),
        ).filter(pl.col("day").is_null() | pl.col("day").is_between("first", "last"))
    found = pairs.sort("point", "area").unique("point", keep="first", maintain_order=True)
    return nothing.scatter(found["point"], found["area_id"]) if found.height else nothing


def nearest_areas(points: pl.DataFrame, areas: pl.DataFrame, metres: float) -> pl.Series:
    """Say which area is nearest to each point, if any is within so many metres: `area_id`, row by row.

    `points` has `longitude` and `latitude`. Of areas equally near, the first by code counts. Distances are those on the
    plane that touches the earth in the middle of the areas: right to a few metres within a force.
    """
    import shapely

    drawn, known, nothing = _drawn_and_known(areas, points)
    if drawn.is_empty() or known.is_empty():
        return nothing
    shapes = shapely.from_geojson(drawn["boundary"].to_numpy())
    bounds = shapely.total_bounds(shapes)
    scale = np.array([np.cos(np.radians((bounds[1] + bounds[3]) / 2)), 1.0]) * METRES_IN_A_DEGREE
    flat = shapely.transform(shapes, lambda xy: xy * scale)
    places = shapely.points(known.select("longitude", "latitude").to_numpy() * scale)
    point_at, area_at = shapely.STRtree(flat).query_nearest(places, max_distance=max(metres, 1e-9))
    pairs = pl.DataFrame({"point": known["point"].gather(point_at), "area": area_at}).sort("point", "area")
    found = pairs.unique("point", keep="first", maintain_order=True)
    return nothing.scatter(found["point"], drawn["area_id"].gather(found["area"])) if found.height else nothing


def common_ground(old: pl.DataFrame, areas: pl.DataFrame) -> pl.DataFrame:
    """Measure the ground that areas of today have of old ones: `code` (of the old), `area_id`, `common_km2`."""
    import shapely

    before, today = (each.filter(pl.col("boundary").is_not_null()) for each in (old, areas))
    shapes = [shapely.from_geojson(each["boundary"].to_numpy()) for each in (before, today)]
    one, other = shapely.STRtree(shapes[1]).query(shapes[0], predicate="intersects")
    common = [
        _square_kilometres(_only_polygons(shape)) for shape in shapely.intersection(shapes[0][one], shapes[1][other])
    ]
    return pl.DataFrame(
        {"code": before["code"].gather(one), "area_id": today["area_id"].gather(other), "common_km2": common},
        schema_overrides={"common_km2": pl.Float64},
    )


def areas_on(areas: pl.DataFrame, day: date) -> pl.DataFrame:
    """Give the areas in force on a local day, one row a code: where two rows of a code hold, the one begun later.

    Where no row of level 'area' holds on the day, those stand that begin next, or else those that ended last.
    """
    lowest = areas.filter(pl.col("level") == "area")
    if lowest.is_empty():
        return areas
    first, last = pl.col("valid_from").fill_null(date.min), pl.col("valid_to").fill_null(date.max)
    if lowest.filter(pl.lit(day).is_between(first, last)).is_empty():
        next_one, last_one = lowest.filter(first > day)["valid_from"].min(), lowest["valid_to"].max()
        day = next_one or last_one  # type: ignore[assignment]
    return (
        areas.filter(pl.lit(day).is_between(first, last))
        .sort("level", "area_id", "valid_from", nulls_last=False)
        .unique(["level", "area_id"], keep="last", maintain_order=True)
    )


def default_pools(areas: pl.DataFrame, role: str = "response") -> pl.DataFrame:
    """Give the pools of a force that named none, the table `pools`: each district is a pool at all hours.

    Areas without a district are covered by one pool of the whole force.
    """
    names = dict(areas.select("area_id", "area_name").iter_rows())
    covered = areas.filter(pl.col("level") == "area").select("area_id", "parent_id", "valid_from", "valid_to")
    pools = covered.with_columns(
        pool_id=pl.lit(f"{role}-") + pl.col("parent_id").fill_null("all"),
        pool_name=pl.col("parent_id").replace_strict(names, default=pl.col("parent_id"), return_dtype=pl.String)
        + pl.lit(f" {role}"),
        role_code=pl.lit(role),
        from_hour=pl.lit(0, pl.Int64),
        to_hour=pl.lit(24, pl.Int64),
    )
    return tables.publish(tables.check(pools.drop("parent_id"), "pools"), "pools")
