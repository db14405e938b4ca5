"""The hotspots of one class as figures for the map: places in columns, their shapes, and how right such maps have been.

They go out as the map's own figures do, in whole numbers (a value times ten to its decimals), because a whole number is
exactly what the table says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import orjson
import polars as pl
from shapely import set_precision, to_geojson
from shapely.geometry.base import BaseGeometry

from bluelamp import tables

FORMAT = "bluelamp-hotspots/1"
_FIGURES = (
    "rank", "ground_share", "expected", "chance_any", "times_usual", "counted", "count_rank", "count_ground_share",
)  # fmt: skip
_SCORES = (
    "watched_share", "watched_km2", "watched_km", "offences", "caught", "hit_rate", "pai", "pai_low", "pai_high", "pei",
    "recapture", "about",
)  # fmt: skip
_AGAINST = ("against_counts", "against_counts_low", "against_counts_high")
# A sixth decimal of a degree is ten centimetres.
_DEGREES = 1e-6


def make_hotspot_data(
    rows: pl.DataFrame,
    scores: pl.DataFrame | None,
    outlines: Mapping[str, BaseGeometry],
    *,
    class_code: str,
    first_day: date,
    stand_out: bool | None,
) -> bytes:
    """Give the hotspots of one class as JSON (format bluelamp-hotspots/1).

    `rows` are one class's rows of table `hotspots`, `scores` those of `hotspot_scores` for their method and for the
    plain count map (None where such maps were not tested), `outlines` the cells' shapes by code, `first_day` the local
    day on which the week of these places begins, and `stand_out` whether the places stand out by the test.
    """
    rows = rows.sort("from_hour", "rank")
    shifts = rows.select("from_hour", "to_hour").unique().sort("from_hour")
    cells = rows.unique("cell_id").sort("cell_id")
    number = {code: at for at, code in enumerate(cells["cell_id"])}
    number_of_shift = {hour: at for at, hour in enumerate(shifts["from_hour"])}
    kind, method = rows["cell_kind"][0], rows["method"][0]
    data = {
        "format": FORMAT,
        "class": class_code,
        "kind": kind,
        "method": method,
        "week_of": first_day.isoformat(),
        "shifts": shifts.to_dicts(),
        "tested": None if scores is None else _tested(scores, method, stand_out),
        "cells": {
            "id": cells["cell_id"].to_list(),
            "name": cells["cell_name"].to_list(),
            "area_id": cells["area_id"].to_list(),
            "longitude": cells["longitude"].round(6).to_list(),
            "latitude": cells["latitude"].round(6).to_list(),
            "size": cells["length_km" if kind == "street" else "area_km2"].to_list(),
            "outline": [_shape(outlines.get(code)) for code in cells["cell_id"]],
        },
        "places": {
            "shift": [number_of_shift[hour] for hour in rows["from_hour"]],
            "cell": [number[code] for code in rows["cell_id"]],
        },
        "figures": {name: _figure(rows, name) for name in _FIGURES},
    }
    return orjson.dumps(data)


def _tested(scores: pl.DataFrame, method: str, stand_out: bool | None) -> dict[str, Any]:
    shown = scores.filter(method=method).sort("watched_share")
    plain = scores.filter(method="counts").sort("watched_share")
    return {
        "weeks": shown["weeks"][0],
        "stand_out": stand_out,
        "shown": shown.select(_SCORES).to_dicts(),
        "counts": plain.select(_SCORES).to_dicts(),
        **shown.select(_AGAINST).row(0, named=True),
    }


def _figure(rows: pl.DataFrame, name: str) -> dict[str, Any]:
    definition = tables.table("hotspots").by_name[name]
    decimals = definition.decimals or 0
    whole = (rows[name].cast(pl.Float64) * 10**decimals).round().cast(pl.Int64)
    return {
        "title": definition.description, "unit": definition.unit, "decimals": decimals, "values": whole.to_list(),
    }  # fmt: skip


def _shape(outline: BaseGeometry | None) -> Any:
    return None if outline is None else json.loads(to_geojson(set_precision(outline, _DEGREES)))
