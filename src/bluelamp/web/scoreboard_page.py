"""The page of forecasts filed before the fact: how they did, which method is in use where, and what is filed.

Every figure is one of `scoreboard_places`, `scoreboard_scores`, `scoreboard_weeks` and `filed_forecasts`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from bluelamp import forecast, periods
from bluelamp.errors import count_of
from bluelamp.standing import Standing
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.wording import change, percent

_HORIZONS = {"day_1": "day 1", "days_2_7": "days 2 to 7", "days_8_28": "days 8 to 28", "days_29_56": "days 29 to 56"}
_SPANS = {"hour": "hours", "day": "days"}
_WIDTH, _HEIGHT = 220, 44
_LATEST = 8


def render_scoreboard_page(standing: Standing, *, force_name: str, folder: str, time_zone: str) -> str:
    """Give the page; a force that has filed nothing yet has one, too."""
    places = standing.tables["scoreboard_places"].sort(pl.col("level") != "force", "area_id")
    weeks, scores = standing.tables["scoreboard_weeks"], standing.tables["scoreboard_scores"]
    zone = periods.zone(time_zone)

    def day(at: Any) -> str:
        local = at.astimezone(zone)
        return f"{local.day} {local:%b %Y}"

    return TEMPLATES.get_template("scoreboard.html").render(
        force_name=force_name,
        folder=folder,
        run=standing.run,
        query="" if standing.run is None else f"?run={standing.run['run_id']}",
        about=f"{count_of(standing.filed.height, 'forecast')} filed; clock of {time_zone}.",
        sentences=standing.sentences,
        faults=standing.faults,
        places=[{"row": row, "course": _course(weeks, row)} for row in places.iter_rows(named=True)],
        width=_WIDTH,
        height=_HEIGHT,
        scores=_scores(scores, places),
        horizon_names=list(_HORIZONS.values()),
        horizons=_by_horizon(scores, places),
        filed=[
            row | {"instead": ", ".join(f"{place}: {name}" for place, name in json.loads(row["used"]).items())}
            for row in standing.filed.tail(_LATEST).reverse().iter_rows(named=True)
        ],
        day=day,
        moment=lambda at: f"{day(at)} {at.astimezone(zone):%H:%M}",
        percent=percent,
        signed=change,
        score=lambda value: "" if value is None else f"{value:.3f}",
    )


def _course(weeks: pl.DataFrame, place: Mapping[str, Any]) -> dict[str, Any] | None:
    """Draw a place's evidence week by week, on a log scale from 1/20 to what switches, with the weeks of a switch."""
    rows = (
        weeks.filter(level=place["level"], area_id=place["area_id"])
        .unique("week_starting")
        .sort("week_starting")
        .select("e_value_of_place", "in_use_after")
    )
    if rows.is_empty():
        return None
    reach = math.log(place["switch_at"])

    def y(value: float) -> float:
        share = max(-1.0, min(math.log(max(value, 1e-9)) / reach, 1.0))
        return round(_HEIGHT / 2 - share * (_HEIGHT / 2 - 3), 1)

    step = (_WIDTH - 8) / max(rows.height, 12)
    points = [(round(4 + step * number, 1), y(value)) for number, value in enumerate(rows["e_value_of_place"])]
    in_use = [place["method"], *rows["in_use_after"]]
    return {
        "line": " ".join(f"{x},{height}" for x, height in points),
        "end": points[-1],
        "switches": [
            point for point, before, after in zip(points, in_use, in_use[1:], strict=False) if before != after
        ],
        "even": y(1.0),
        "top": y(place["switch_at"]),
        "words": f"Evidence in {count_of(rows.height, 'week')}, the last {rows['e_value_of_place'][-1]:.2g}; "
        f"{place['switch_at']:.0f} switches.",
    }


def _methods(scores: pl.DataFrame, own: str) -> list[str]:
    there = set(scores["method"])
    return [own, *(name for name in forecast.NAIVE if name in there and name != own)]


def _scores(scores: pl.DataFrame, places: pl.DataFrame) -> dict[str, Any] | None:
    """Lay the latest filed forecasts' scores out by place and sum."""
    if scores.is_empty():
        return None
    own = places["method"][0] if places.height else scores["method"].sort()[0]
    methods = _methods(scores, own)
    rows = {
        (row["level"], row["area_id"], row["span"], row["method"]): row
        for row in scores.filter(horizon="latest").iter_rows(named=True)
    }
    names = scores.select("level", "area_id").unique().sort(pl.col("level") != "force", "area_id")
    laid = []
    for level, area_id in names.iter_rows():
        for span, words in _SPANS.items():
            cells = [rows.get((level, area_id, span, method)) for method in methods]
            there = [cell for cell in cells if cell is not None and cell["scrps"] is not None]
            if there:
                best = min(there, key=lambda cell: cell["scrps"])["method"]
                laid.append({"words": f"{area_id} by {span}", "cells": cells, "best": best, "own": cells[0],
                             "counted": f"{there[0]['forecasts']:,} {words}"})  # fmt: skip
    return {"own": own, "methods": methods, "rows": laid}


def _by_horizon(scores: pl.DataFrame, places: pl.DataFrame) -> list[dict[str, Any]]:
    """Lay the force's scores out by how far ahead they were filed."""
    if scores.is_empty():
        return []
    of_force = scores.filter(level="force")
    rows = {(row["method"], row["span"], row["horizon"]): row for row in of_force.iter_rows(named=True)}
    own = places["method"][0] if places.height else scores["method"].sort()[0]
    return [
        {"words": f"{method}, by {span}", "cells": [rows.get((method, span, horizon)) for horizon in _HORIZONS]}
        for span in _SPANS
        for method in _methods(scores, own)
        if (method, span, "latest") in rows
    ]
