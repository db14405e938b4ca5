"""The map's layers for other people's maps: OGC API Features, Part 1, Core and GeoJSON, to be read and not written.

QGIS and other programs draw the collections as they are: `areas`, `coverage` (areas with the figures of hours) and
`hotspots`. Each is named as the table whose rows it draws, and is of the same kind of data. Positions are longitude and
latitude (CRS84). What a request gives is of one run, which the link to the next page names.

Source: OGC API - Features - Part 1: Core corrigendum, OGC 17-069r4, https://docs.ogc.org/is/17-069r4/17-069r4.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import orjson
import polars as pl
import shapely
from fastapi import FastAPI, Query, Request
from fastapi import Path as PathPart
from fastapi.responses import Response
from shapely.geometry.base import BaseGeometry

from bluelamp import geography, hotspot_trial, hotspots, periods
from bluelamp.access import Holder, kind_of_table, may
from bluelamp.errors import NoInput, UsageError, did_you_mean
from bluelamp.reports.map import hours_shown
from bluelamp.settings import Settings
from bluelamp.web.squeezed import tagged

ROOT = "/ogc/"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
# The description at /openapi.json is of OpenAPI 3.1, so that the class for OpenAPI 3.0 is not claimed.
CONFORMS_TO = tuple(f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{part}" for part in ("core", "geojson"))
FEWEST, USUALLY, MOST = 1, 1_000, 10_000

FindRun = Callable[[str | None], Mapping[str, Any]]
FindTable = Callable[[Holder, str, str | None], pl.DataFrame]

COLLECTION = Annotated[str, PathPart(description="A collection: areas, coverage or hotspots")]
FEATURE = Annotated[str, PathPart(description="A feature's id, as its collection gives it")]
BBOX = Annotated[
    str | None, Query(description="West, south, east, north in degrees, with commas: only what touches this box")
]
WHEN = Annotated[
    str | None,
    Query(alias="datetime", description="An instant with its zone, or an interval with '/', '..' for an open end"),
]
LIMIT = Annotated[int, Query(ge=FEWEST, description=f"Features at most, {MOST:,} however many are asked for")]
OFFSET = Annotated[int, Query(ge=0, le=2**53, description="Features to leave out; links to the next page have it")]
RUN = Annotated[str | None, Query(description="A run's id; the latest run where it is left out")]
_OF_A_PAGE = frozenset({"bbox", "datetime", "limit", "offset", "run"})


@dataclass(frozen=True)
class Collection:
    """What a collection is, in words."""

    title: str
    description: str


COLLECTIONS: Mapping[str, Collection] = {
    "areas": Collection(
        "Areas", "Boundaries of a run's areas, districts and force; 'level' tells them apart. They hold at any time."
    ),
    "coverage": Collection(
        "Coverage by hour",
        "Areas with the figures of local hours: demand of the area, and officers and units of the pool that covers it "
        "(names that begin with 'pool_', the same on each of its areas, so that they must not be summed over areas). "
        "'datetime' chooses the hours. Without it the worst hour of the first 14 days is given: most officers short "
        "over all pools, then the highest chance of a late call, then most officers required, then the earliest.",
    ),
    "hotspots": Collection(
        "Hotspots",
        "Places up to 5% of the ground, by class of offence ('class_code', 'all' for every class) and shift "
        "('from_hour'), for the week that begins with the run's first day. About places, never about persons.",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """A collection's features before they are written.

    `rows` has a feature a row: `feature_id`, `place` (its shape among `shapes`, where one is known) and its properties.
    `hours` are those of which the collection speaks, and `usual_hour` the one that is meant where none is asked for;
    both None for what holds at any time.
    """

    rows: pl.DataFrame
    shapes: Mapping[str, BaseGeometry]
    hours: pl.Series | None = None
    usual_hour: datetime | None = None

    def bounds(self) -> list[float] | None:
        """Give west, south, east and north of all shapes, or None where none is known."""
        bounds = [float(each) for each in shapely.total_bounds(list(self.shapes.values()))] if self.shapes else []
        return bounds if bounds and all(map(math.isfinite, bounds)) else None


def add_ogc_features(app: FastAPI, folder: Path, settings: Settings, find_run: FindRun, find_table: FindTable) -> None:
    """Add the addresses below `/ogc/`.

    `find_run` gives a run's row by its id; `find_table` what an account may see of a table of a run.
    """

    @lru_cache(maxsize=12)
    def draw(collection: str, run_id: str, districts: tuple[str, ...]) -> Layer:
        holder = Holder("", None, "", districts)
        run = find_run(run_id)
        first_day = run["forecast_from"].astimezone(periods.zone(settings.force.time_zone)).date()
        areas = geography.areas_on(find_table(holder, "areas", run_id), first_day)
        if collection == "areas":
            return draw_areas(areas)
        rows = find_table(holder, collection, run_id)
        if collection == "coverage":
            return draw_coverage(rows, areas, settings.force.time_zone)
        return draw_hotspots(rows, hotspot_trial.outline(folder, rows, run_id))

    def layer_for(request: Request, collection: str, run_id: str | None) -> tuple[Layer, str]:
        _insist_on_collection(collection)
        known = find_run(run_id)["run_id"]
        return draw(collection, known, request.state.asker.holder.districts), known

    def base(request: Request) -> str:
        # A proxy that does TLS asks over plain HTTP; the settings say how people ask the proxy.
        scheme = "https" if settings.service.https else request.url.scheme
        return f"{scheme}://{request.url.netloc}"

    @app.get(ROOT, summary="The map's layers for other maps (OGC API Features): where to begin")
    def landing(request: Request) -> Response:
        _insist_on_known(request, ())
        return _as_json(request, _landing(base(request), settings.force.name))

    @app.get(f"{ROOT}conformance", summary="Which parts of OGC API Features these addresses keep to")
    def conformance(request: Request) -> Response:
        _insist_on_known(request, ())
        return _as_json(request, {"conformsTo": list(CONFORMS_TO)})

    @app.get(f"{ROOT}collections", summary="The layers that the account may take out")
    def collections(request: Request) -> Response:
        _insist_on_known(request, ())
        holder = request.state.asker.holder
        described = []
        for name in COLLECTIONS:
            if may(holder, kind_of_table(name), "export", settings.force.id):
                try:
                    described.append(_describe(name, layer_for(request, name, None)[0], base(request)))
                except NoInput:
                    continue  # a run may have no hotspots, and a force no run
        links = [_link(base(request), "collections", "self", "application/json", "The layers")]
        return _as_json(request, {"links": links, "collections": described})

    @app.get(f"{ROOT}collections/{{collection}}", summary="A layer: what it is, where and when")
    def collection_page(collection: COLLECTION, request: Request) -> Response:
        _insist_on_known(request, ())
        return _as_json(request, _describe(collection, layer_for(request, collection, None)[0], base(request)))

    @app.get(f"{ROOT}collections/{{collection}}/items", summary="Features of a layer as GeoJSON, a page at a time")
    def items(
        collection: COLLECTION, request: Request, bbox: BBOX = None, when: WHEN = None, limit: LIMIT = USUALLY,
        offset: OFFSET = 0, run: RUN = None,
    ) -> Response:  # fmt: skip
        layer, run_id = layer_for(request, collection, run)
        properties = _properties(layer.rows.columns)
        _insist_on_known(request, (*_OF_A_PAGE, *properties))
        rows = _at(layer, read_interval(when))
        if bbox is not None:
            rows = rows.filter(pl.col("place").is_in(_touching(layer.shapes, read_box(bbox))))
        rows = _with_values(rows, {name: each for name, each in request.query_params.items() if name in properties})
        limit = min(limit, MOST)
        shown = rows.slice(offset, limit)
        here = f"collections/{collection}/items"
        links = [_link(base(request), here, "self", _GEOJSON, "This page", dict(request.query_params))]
        if offset + limit < rows.height:
            ahead = {**request.query_params, "run": run_id, "limit": limit, "offset": offset + limit}
            links.append(_link(base(request), here, "next", _GEOJSON, "The next page", ahead))
        links.append(_link(base(request), f"collections/{collection}", "collection", "application/json", "The layer"))
        page = {
            "type": "FeatureCollection", "links": links, "numberMatched": rows.height, "numberReturned": shown.height,
            "features": [_feature(row, layer.shapes) for row in shown.iter_rows(named=True)],
        }  # fmt: skip
        return _as_json(request, page, _GEOJSON)

    @app.get(f"{ROOT}collections/{{collection}}/items/{{feature_id:path}}", summary="One feature as GeoJSON")
    def item(collection: COLLECTION, feature_id: FEATURE, request: Request, run: RUN = None) -> Response:
        _insist_on_known(request, ("run",))
        layer, run_id = layer_for(request, collection, run)
        found = layer.rows.filter(feature_id=feature_id)
        if found.is_empty():
            raise NoInput(f"There is no feature '{feature_id}' in '{collection}' of {run_id}.")
        here = f"collections/{collection}"
        links = [
            _link(base(request), f"{here}/items/{quote(feature_id)}", "self", _GEOJSON, "This feature"),
            _link(base(request), here, "collection", "application/json", "The layer"),
        ]
        return _as_json(request, _feature(found.row(0, named=True), layer.shapes) | {"links": links}, _GEOJSON)


_GEOJSON = "application/geo+json"


# ---- Layers ----


def draw_areas(areas: pl.DataFrame) -> Layer:
    """Make the layer of boundaries from `areas`, one row a level and code."""
    place = pl.concat_str("level", pl.lit("."), "area_id")
    rows = areas.select(place.alias("feature_id"), place.alias("place"), pl.all().exclude("boundary"))
    return Layer(_written(rows.sort("feature_id")), _shapes(rows["place"], areas["boundary"]))


def draw_coverage(coverage: pl.DataFrame, areas: pl.DataFrame, time_zone: str) -> Layer:
    """Make the layer of hours: a feature is an area in a local hour, with what its pool has of officers and units.

    `areas` has one row an area; one of `coverage` that is not among them has no shape.
    """
    of_pool = [name for name in coverage.columns if name.startswith(("units_", "officers_"))]
    of_pool += ["chance_late", "chance_late_immediate", "chance_any_late", "binds", "binding_grade"]
    of_area = [name for name in coverage.columns if name.endswith("_mean") or name.startswith("incidents_")]
    of_area += ["chance_late", "chance_late_immediate", "chance_any_late", "expected_delay_minutes"]
    key = ["pool_id", "role_code", "hour_starting"]
    pools = coverage.filter(level="pool").select(
        pl.col("place_id").alias("pool_id"), *key[1:], *(pl.col(name).alias(f"pool_{name}") for name in of_pool)
    )
    lowest = areas.filter(level="area")
    rows = (
        coverage.filter(level="area")
        .select(pl.col("place_id").alias("area_id"), *key, *of_area)
        .join(pools, on=key, how="left")
        .join(lowest.select("area_id", "area_name", pl.col("parent_id").alias("district_id")), on="area_id", how="left")
        .sort("hour_starting", "area_id", "role_code")
    )
    hour_id = pl.col("hour_starting").dt.strftime("%Y-%m-%dT%HZ")
    named = ["area_id", "area_name", "district_id"]
    rows = rows.select(
        pl.concat_str("area_id", pl.lit("."), "role_code", pl.lit("."), hour_id).alias("feature_id"),
        pl.col("area_id").alias("place"), *named, pl.all().exclude(named),
    )  # fmt: skip
    return Layer(
        _written(rows), _shapes(lowest["area_id"], lowest["boundary"]), rows["hour_starting"], _worst(rows, time_zone)
    )


def _worst(rows: pl.DataFrame, time_zone: str) -> datetime | None:
    """Name the hour, of the first 14 local days, that `COLLECTIONS` calls the worst; None where there is none."""
    hours = rows["hour_starting"].unique().sort()
    if hours.is_empty():
        return None
    by_pool = (
        rows.filter(pl.col("hour_starting").is_in(hours_shown(hours, time_zone).implode()))
        .unique(["hour_starting", "pool_id", "role_code"])
        .group_by("hour_starting")
        .agg(
            pl.col("pool_officers_gap").clip(upper_bound=0).sum().alias("short"),
            pl.col("pool_chance_late").max().fill_null(0),
            pl.col("pool_officers_required").sum(),
        )
    )
    worst = by_pool.sort(
        "short", "pool_chance_late", "pool_officers_required", "hour_starting", descending=[False, True, True, False]
    )
    return worst["hour_starting"][0]  # type: ignore[no-any-return]


def draw_hotspots(rows: pl.DataFrame, outlines: Mapping[str, BaseGeometry]) -> Layer:
    """Make the layer of hotspots from rows of that table; `outlines` are the cells' shapes by code."""
    rows = rows.filter((pl.col("ground_share") <= hotspots.SHARES[-1]) | (pl.col("rank") == 1))
    feature_id = pl.concat_str("class_code", pl.lit("."), "from_hour", pl.lit("."), "cell_id")
    rows = rows.sort("class_code", "from_hour", "rank", "cell_id").select(
        feature_id.alias("feature_id"), pl.col("cell_id").alias("place"), pl.all()
    )
    there = set(rows["cell_id"])
    return Layer(_written(rows), {code: shape for code, shape in outlines.items() if code in there})


def _written(rows: pl.DataFrame) -> pl.DataFrame:
    """Write instants and days as the tables' JSON has them."""
    return rows.with_columns(
        pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%SZ"), pl.selectors.date().dt.strftime("%Y-%m-%d")
    )


def _shapes(places: Iterable[str], boundaries: Iterable[str | None]) -> dict[str, BaseGeometry]:
    return {
        place: shapely.from_geojson(boundary)
        for place, boundary in zip(places, boundaries, strict=True)
        if boundary is not None
    }


# ---- What is asked for ----


def read_box(text: str) -> tuple[float, float, float, float]:
    """Read a box of four numbers, or of six, whose heights say nothing here. Raises UsageError."""
    try:
        numbers = [float(each) for each in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 6:
        del numbers[5], numbers[2]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)) or numbers[1] > numbers[3]:
        raise UsageError(
            "'bbox' should be four numbers with commas: west, south, east, north in degrees, south below north, such "
            "as '-2.7,51.4,-2.5,51.5'."
        )
    west, south, east, north = numbers
    return west, south, east, north


def read_interval(text: str | None) -> tuple[datetime | None, datetime | None] | None:
    """Read an instant or an interval, as its two ends, None for an open one; None where nothing is asked for.

    Raises UsageError.
    """
    if text is None:
        return None
    ends = text.split("/")
    if len(ends) > 2 or (len(ends) == 1 and ends[0] in ("", "..")):
        raise UsageError(_WHEN)
    first, last = (None if each in ("", "..") else _read_instant(each) for each in (ends[0], ends[-1]))
    if first is not None and last is not None and last < first:
        raise UsageError("'datetime' ends before it begins.")
    return first, last


_WHEN = (
    "'datetime' should be an instant with its zone, such as '2026-11-23T18:00:00Z', or two with '/' between them and "
    "'..' for an open end."
)


def _read_instant(text: str) -> datetime:
    try:
        # A plus sign that was not escaped arrives as a space.
        at = datetime.fromisoformat(text.replace(" ", "+"))
        if at.tzinfo is None:
            raise UsageError(_WHEN)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(_WHEN) from None


def _at(layer: Layer, interval: tuple[datetime | None, datetime | None] | None) -> pl.DataFrame:
    """Keep the features whose hour has an instant in common with the interval; of the usual hour without one.

    An hour ends just before the next begins. What holds at any time is kept whatever is asked for.
    """
    if layer.hours is None:
        return layer.rows
    first, last = (layer.usual_hour, layer.usual_hour) if interval is None else interval
    rows = layer.rows.with_columns(starting=layer.hours)
    if first is not None:
        rows = rows.filter(pl.col("starting") + timedelta(hours=1) > first)
    if last is not None:
        rows = rows.filter(pl.col("starting") <= last)
    return rows.drop("starting")


def _touching(shapes: Mapping[str, BaseGeometry], box: tuple[float, float, float, float]) -> list[str]:
    """Name the places whose shape touches a box; one whose west is beyond its east lies across the 180th meridian."""
    west, south, east, north = box
    parts = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    places, drawn = list(shapes), list(shapes.values())
    touching = {
        places[at]
        for begins, ends in parts
        for at in shapely.intersects(drawn, shapely.box(begins, south, ends, north)).nonzero()[0]
    }
    return sorted(touching)


def _with_values(rows: pl.DataFrame, asked: Mapping[str, str]) -> pl.DataFrame:
    """Keep the rows whose properties are what is asked for, as they are written; nothing is asked for by ''."""
    for name, value in asked.items():
        rows = rows.filter(pl.col(name).cast(pl.String).fill_null("") == value)
    return rows


def _properties(columns: Iterable[str]) -> list[str]:
    return [name for name in columns if name not in ("feature_id", "place")]


def _insist_on_collection(name: str) -> None:
    if name not in COLLECTIONS:
        raise NoInput(f"There is no layer '{name}'.{did_you_mean(name, COLLECTIONS)}")


def _insist_on_known(request: Request, known: Iterable[str]) -> None:
    """Refuse what is asked for in words that mean nothing here, as the standard wants it. Raises UsageError."""
    known = list(known)
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        raise UsageError(
            "The address asks for what there is not:",
            [f"'{name}' means nothing here.{did_you_mean(name, known)}" for name in unknown],
        )


# ---- What is answered ----


def _as_json(request: Request, content: Mapping[str, Any], media_type: str = "application/json") -> Response:
    return tagged(request, orjson.dumps(content), media_type)


def _link(
    base: str, path: str, rel: str, kind: str, title: str, query: Mapping[str, Any] | None = None
) -> dict[str, str]:
    asked = f"?{urlencode(query)}" if query else ""
    return {"href": f"{base}{ROOT}{path}{asked}", "rel": rel, "type": kind, "title": title}


def _landing(base: str, force_name: str) -> dict[str, Any]:
    return {
        "title": f"{force_name}: workforce against demand",
        "description": "Areas, coverage by hour and hotspots, from the latest run of Bluelamp.",
        "links": [
            _link(base, "", "self", "application/json", "This page"),
            {"href": f"{base}/openapi.json", "rel": "service-desc", "type": "application/json",
             "title": "All addresses, as OpenAPI 3.1"},
            _link(base, "conformance", "conformance", "application/json", "Parts of the standard that hold"),
            _link(base, "collections", "data", "application/json", "The layers"),
        ],
    }  # fmt: skip


def _describe(name: str, layer: Layer, base: str) -> dict[str, Any]:
    about = COLLECTIONS[name]
    here = f"collections/{name}"
    extent: dict[str, Any] = {}
    bounds = layer.bounds()
    if bounds is not None:
        extent["spatial"] = {"bbox": [bounds], "crs": CRS84}
    if layer.hours is not None and not layer.hours.is_empty():
        hours = layer.hours.sort()
        ends = [f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in (hours[0], hours[-1] + timedelta(hours=1))]
        extent["temporal"] = {"interval": [ends], "trs": "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian"}
    return {
        "id": name, "title": about.title, "description": about.description, "itemType": "feature", "crs": [CRS84],
        **({"extent": extent} if extent else {}),
        "links": [
            _link(base, here, "self", "application/json", about.title),
            _link(base, f"{here}/items", "items", _GEOJSON, f"{about.title} as GeoJSON"),
        ],
    }  # fmt: skip


def _feature(row: Mapping[str, Any], shapes: Mapping[str, BaseGeometry]) -> dict[str, Any]:
    shape = shapes.get(row["place"])
    return {
        "type": "Feature",
        "id": row["feature_id"],
        "geometry": None if shape is None else json.loads(shapely.to_geojson(shape)),
        "properties": {name: row[name] for name in _properties(row)},
    }
