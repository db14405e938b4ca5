"""The map: workforce against projected demand for the coming 14 days, as figures for the page and as one file.

The figures go out as columns of whole numbers (a value times ten to its decimals), because 121 areas × 336 hours × a
dozen figures are quick to send, read and draw that way, and because a whole number is exactly what the table says.

Days are local days, so that the fortnight ends at a local midnight: it has 335 hours where the clock goes forward in it
and 337 where it goes back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

import numpy as np
import orjson
import polars as pl
from jinja2 import Environment, PackageLoader, select_autoescape

from bluelamp import periods, tables
from bluelamp.errors import NoInput

FORMAT = "bluelamp-map/1"
DAYS = 14
# A place that can't be drawn keeps its number among the shapes, so that figures and shapes stay side by side.
NOWHERE = {"type": "MultiPolygon", "coordinates": []}
_INCIDENTS = [
    *(f"incidents_{name}" for name in ("mean", "p025", "p10", "p25", "p50", "p75", "p90", "p975")),
    *(f"{stream}_mean" for stream in ("immediate", "deferrable", "scheduled")),
]
_LATENESS = [
    "chance_late",
    "chance_late_immediate",
    "chance_late_p10",
    "chance_late_p90",
    "chance_any_late",
    "expected_delay_minutes",
]
_COVER = ["units_required", "officers_required", "officers_required_gross"]
_DUTY = ["units_on_duty", "units_gap", "units_gap_p10", "units_gap_p90", "officers_on_duty", "officers_gap"]


def make_map_data(
    results: Mapping[str, pl.DataFrame],
    run: Mapping[str, Any],
    force: Mapping[str, str],
    links: Mapping[str, str] | None = None,
    peaks: Mapping[str, Any] | None = None,
    *,
    hotspots: Mapping[str, Any] | None = None,
    validation: Mapping[str, str] | None = None,
    backlog: str | None = None,
    basemap: Mapping[str, str | None] | None = None,
) -> bytes:
    """Give the figures of the map as JSON (format bluelamp-map/1).

    `results` are one run's tables by name (areas, pools, standards, outages, demand, coverage), `run` its row of
    `runs`, `force` has id, name and time_zone. `links` are addresses of the tables behind the page, where it is served;
    `peaks` those that the page lists, as `briefing.lay_on_map` gives them; `hotspots` says where the layer of hotspots
    is fetched and for which classes; `validation` has the verdict of the last validation and the address of its page;
    `backlog` is the address of `make_backlog`'s figures, which are simulated when the page asks for them; `basemap`
    says where the tiles under the areas are fetched, of which kind they are, and whose.
    """
    zone = force["time_zone"]
    coverage = results["coverage"]
    hours = hours_shown(coverage["hour_starting"].unique().sort(), zone)
    shown = coverage.filter(pl.col("hour_starting") <= hours[-1])
    role = json.loads(run["settings"])["staffing"]["role"]
    areas = _areas_of(results["areas"], shown)
    pools = shown.filter(pl.col("level") == "pool")
    pool_ids = pools["pool_id"].unique().sort().to_list()
    has_duties = bool(shown["units_on_duty"].is_not_null().any())
    pool_names = _pool_names(results["pools"], pool_ids)
    roles = dict(pools.select("pool_id", "role_code").unique().iter_rows())
    starts = hours.dt.epoch("s").to_list()
    local = hours.dt.convert_time_zone(zone)
    hours_figures = [f"officer_hours_{name}" for name in ("mean", "p10", "p90")]
    pool_figures = _INCIDENTS + hours_figures + _COVER + (_DUTY + _LATENESS if has_duties else [])
    place_figures = [*_INCIDENTS, "officer_hours_mean", *(_LATENESS if has_duties else [])]
    force_rows = shown.filter(pl.col("level") == "force", pl.col("role_code") == role)
    area_ids = areas["area_id"].to_list()
    data = {
        "format": FORMAT,
        "force": dict(force),
        "run": {
            "run_id": run["run_id"],
            "made_at": _instant(run["made_at"]),
            "data_until": _instant(run["data_until"]),
            "method": run["method"],
            "staffing_method": run["staffing_method"],
            "seed": run["seed"],
            "has_duties": has_duties,
            "geography": _geography(results["areas"]),
            "notes": json.loads(run["notes"]),
        },
        "hours": {
            "starting": starts,
            "local": [each.isoformat() for each in local],
            "zone": [each.tzname() for each in local],
        },
        "areas": {
            "id": area_ids,
            "name": areas["area_name"].to_list(),
            "district": areas["district"].to_list(),
            "kind": areas["kind"].to_list(),
            "geojson": _features(areas),
        },
        "pools": {
            "id": pool_ids,
            "name": [pool_names[pool] for pool in pool_ids],
            "role": [roles[pool] for pool in pool_ids],
        },
        "pool_of_area": _pools_of_areas(shown, area_ids, pool_ids, hours),
        "figures": {
            "force": _figures(force_rows, [force["id"]], hours, pool_figures),
            "pool": _figures(pools, pool_ids, hours, pool_figures)
            | {name: _words(pools, pool_ids, hours, name) for name in ("binds", "binding_grade")},
            "area": _figures(shown.filter(pl.col("level") == "area"), area_ids, hours, place_figures),
        },
        "recent": _recent(results["demand"], results["outages"], run, area_ids, zone),
        "standards": results["standards"]
        .select(pl.col("grade_code").alias("grade"), "grade_name", "area_kind", "target_minutes", "target_share")
        .to_dicts(),
        "peaks": dict(peaks or {"rows": [], "tried": {}}),
        "links": dict(links or {}),
        "hotspots": None if hotspots is None else dict(hotspots),
        "validation": None if validation is None else dict(validation),
        "backlog": backlog,
        "basemap": None if basemap is None else dict(basemap),
    }
    return orjson.dumps(data)


def make_backlog(what_if_hours: pl.DataFrame, runs: int) -> bytes:
    """Give jobs waiting by hour of the force ('all') and each pool as the map takes them: JSON of whole numbers.

    `what_if_hours` is that table of one grade with nothing changed, made from so many drawn runs.
    """
    hours, places = (what_if_hours[name].unique().sort() for name in ("hour_starting", "pool_id"))
    rows = what_if_hours.rename({"pool_id": "place_id"})
    names = [f"waiting{part}_before" for part in ("", "_low", "_high")]
    figures = _figures(rows, places.to_list(), hours, names, table="what_if_hours")
    return orjson.dumps(
        {"runs": runs, "starting": hours.dt.epoch("s").to_list(), "places": places.to_list(), "figures": figures}
    )


def hours_shown(hours: pl.Series, zone: str) -> pl.Series:
    """Keep the hours of the first 14 local days, of hours in order."""
    first = periods.local_parts(hours.head(1), zone)["day"][0]
    ends_at = periods.local_days(zone, first, first + timedelta(days=DAYS - 1))["ends_at"][-1]
    return hours.filter(hours < ends_at)


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _geography(areas: pl.DataFrame) -> str:
    """Say what the areas have to be drawn from: boundaries, approximate ones, names alone, or none, being one area."""
    lowest = areas.filter(pl.col("level") == "area")
    if lowest["boundary"].is_null().all():
        return "names" if lowest["area_id"].n_unique() > 1 else "none"
    return "approximate" if lowest["is_approximate"].any() else "boundaries"


def _areas_of(areas: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """Give the areas of the run in order, with their district's name; 'unknown' last where it has demand."""
    names = areas.select(pl.col("area_id").alias("parent_id"), pl.col("area_name").alias("district")).unique(
        "parent_id", keep="last"
    )
    lowest = (
        areas.filter(pl.col("level") == "area")
        .unique("area_id", keep="last")
        .join(names, on="parent_id", how="left")
        .select(
            "area_id",
            pl.coalesce("area_name", "area_id").alias("area_name"),
            pl.coalesce("district", "parent_id").alias("district"),
            "kind",
            "boundary",
            "is_approximate",
        )
        .sort("area_id")
    )
    have = shown.filter(pl.col("level") == "area")["place_id"].unique()
    extra = sorted(set(have) - set(lowest["area_id"]))
    unknown = pl.DataFrame(
        {
            "area_id": extra,
            "area_name": ["Place not known" for _ in extra],
            "district": [None for _ in extra],
            "kind": ["all" for _ in extra],
            "boundary": [None for _ in extra],
            "is_approximate": [False for _ in extra],
        },
        schema=lowest.schema,
    )
    return pl.concat([lowest, unknown])


def _features(areas: pl.DataFrame) -> dict[str, Any]:
    drawn = areas.filter(pl.col("boundary").is_not_null())
    if drawn.is_empty():
        return {"type": "FeatureCollection", "features": []}
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": number,
                "properties": {"index": number},
                "geometry": _rounded(json.loads(row["boundary"])) if row["boundary"] else NOWHERE,
            }
            for number, row in enumerate(areas.iter_rows(named=True))
        ],
    }


def _rounded(geometry: Any) -> Any:
    """Round coordinates to six decimals (about ten centimetres): finer only makes the file larger."""
    if isinstance(geometry, dict):
        return {key: _rounded(value) for key, value in geometry.items()}
    if isinstance(geometry, list):
        return [_rounded(value) for value in geometry]
    return round(geometry, 6) if isinstance(geometry, float) else geometry


def _pool_names(pools: pl.DataFrame, pool_ids: list[str]) -> dict[str, str]:
    named = dict(pools.select("pool_id", "pool_name").unique("pool_id").iter_rows())
    return {pool: named.get(pool) or pool for pool in pool_ids}


def _grid(rows: pl.DataFrame, place_ids: list[str], hours: pl.Series, columns: list[str]) -> pl.DataFrame:
    """Give rows for every place and hour in order, nulls where the table has none."""
    index = pl.DataFrame({"place_id": pl.Series(place_ids, dtype=pl.String)}).join(
        pl.DataFrame({"hour_starting": hours}), how="cross"
    )
    return index.join(
        rows.select("place_id", "hour_starting", *columns).unique(["place_id", "hour_starting"], keep="first"),
        on=["place_id", "hour_starting"],
        how="left",
        maintain_order="left",
    )


def _figures(
    rows: pl.DataFrame, place_ids: list[str], hours: pl.Series, names: list[str], table: str = "coverage"
) -> dict[str, Any]:
    definition = tables.table(table).by_name
    grid = _grid(rows, place_ids, hours, names)
    found = {}
    for name in names:
        decimals = definition[name].decimals or 0
        whole = (grid[name].cast(pl.Float64) * 10**decimals).round().cast(pl.Int64)
        values = whole.to_list()
        count = len(hours)
        found[name] = {
            "title": definition[name].description,
            "unit": definition[name].unit,
            "decimals": decimals,
            "values": [values[start : start + count] for start in range(0, len(values), count)],
        }
    return found


def _words(rows: pl.DataFrame, place_ids: list[str], hours: pl.Series, name: str) -> dict[str, Any]:
    values = _grid(rows, place_ids, hours, [name])[name].to_list()
    count = len(hours)
    return {
        "title": tables.table("coverage").by_name[name].description,
        "values": [values[start : start + count] for start in range(0, len(values), count)],
    }


def _pools_of_areas(shown: pl.DataFrame, area_ids: list[str], pool_ids: list[str], hours: pl.Series) -> dict[str, Any]:
    number = {pool: index for index, pool in enumerate(pool_ids)}
    covering = _grid(shown.filter(pl.col("level") == "area"), area_ids, hours, ["pool_id"])["pool_id"].to_list()
    by_hour = np.array([number.get(pool, -1) for pool in covering], dtype=np.int64).reshape(len(area_ids), len(hours)).T
    patterns: dict[tuple[int, ...], int] = {}
    pattern_of_hour = [patterns.setdefault(tuple(row), len(patterns)) for row in by_hour.tolist()]
    return {
        "patterns": [[pool if pool >= 0 else None for pool in pattern] for pattern in patterns],
        "pattern_of_hour": pattern_of_hour,
    }


def _recent(
    demand: pl.DataFrame, outages: pl.DataFrame, run: Mapping[str, Any], area_ids: list[str], zone: str
) -> dict[str, Any]:
    """Give what was observed in the 14 local days before: counts by area, null inside an outage or after the data."""
    ends: datetime = run["forecast_from"]
    last = ends.astimezone(periods.zone(zone)).date() - timedelta(days=1)
    begins: datetime = periods.local_days(zone, last - timedelta(days=DAYS - 1), last)["starts_at"][0]
    hours = periods.hours_between(zone, begins, ends)
    origins = json.loads(run["settings"])["demand"]["origins"]
    counts = (
        demand.filter(pl.col("hour_starting").is_in(hours.implode()), pl.col("origin").is_in(origins))
        .group_by(pl.col("area_id").alias("place_id"), "hour_starting")
        .agg(pl.col("incidents").sum())
    )
    known = hours < run["data_until"]
    for since, until in outages.select("starts_at", "ends_at").iter_rows():
        known &= ~((hours >= since) & (hours < until))
    apart = (
        demand.filter(
            pl.col("hour_starting").is_in(hours.implode()), ~pl.col("origin").is_in(origins), pl.col("incidents") > 0
        )
        .group_by("area_id", "origin")
        .agg(pl.col("incidents").sum())
        .pivot("origin", index="area_id", values="incidents", sort_columns=True)
    )
    of_area = pl.DataFrame({"area_id": area_ids}).join(apart, on="area_id", how="left", maintain_order="left")
    grid = _grid(counts, area_ids, hours, ["incidents"])["incidents"].fill_null(0).to_numpy()
    by_area = grid.reshape(len(area_ids), len(hours))
    total = counts.group_by("hour_starting").agg(pl.col("incidents").sum())
    by_force = (
        pl.DataFrame({"hour_starting": hours})
        .join(total, on="hour_starting", how="left", maintain_order="left")["incidents"]
        .fill_null(0)
    )
    seen = known.to_list()

    def blanked(values: list[int]) -> list[int | None]:
        return [value if is_known else None for value, is_known in zip(values, seen, strict=True)]

    return {
        "starting": hours.dt.epoch("s").to_list(),
        "area": {"incidents": [blanked(row) for row in by_area.tolist()]},
        "force": {"incidents": [blanked(by_force.to_list())]},
        # What does not drive the forecast is counted beside it: officers' own work, patrols, administration.
        "apart": {name: of_area[name].fill_null(0).to_list() for name in of_area.columns if name != "area_id"},
    }


def render_page(
    title: str, *, data: bytes | None = None, data_url: str = "", static_base: str = "/static", navigation: str = ""
) -> str:
    """Give the page: with `data`, one self-contained file; else the page that fetches `data_url`, with the links to
    other views that `navigation` has as HTML.

    Raises NoInput where the front end was not built into the package.
    """
    templates = Environment(loader=PackageLoader("bluelamp.web", "templates"), autoescape=select_autoescape(["html"]))
    page = templates.get_template("page.html")
    if data is None:
        return page.render(
            title=title,
            mode="served",
            static_base=static_base,
            data_url=data_url,
            navigation=navigation,
            lang="en",
        )
    # '<' is escaped so that no text in the data can close the script element.
    data_json = data.decode().replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return page.render(
        title=title, mode="single", lang="en", inline_css=asset("single.css"), inline_js=asset("single.js"),
        data_json=data_json,
    )  # fmt: skip


def asset(name: str) -> str:
    """Give a file of the built front end. Raises NoInput where it was not built into the package."""
    asset = files("bluelamp.web") / "static" / name
    if not asset.is_file():
        raise NoInput(
            f"The page's '{name}' is missing, because the front end was not built. In a clone, 'make frontend' builds "
            "it."
        )
    return asset.read_text(encoding="utf-8")
