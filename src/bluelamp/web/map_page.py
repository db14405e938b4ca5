"""The map as a page that needs no script: one hour as a picture, the shortages of its week, the pools and the hours.

It takes what the map's own address says (`frontend/src/state.ts`), and is what the map's sheet is set from.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse

from bluelamp.access import Holder
from bluelamp.errors import count_of
from bluelamp.web.map_figures import Figures, Place, colour_of, plain, scale_for, signed
from bluelamp.web.map_picture import draw_map, draw_week
from bluelamp.web.squeezed import Squeezed
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.wording import chance

_SHORTAGES_SHOWN = 12

RUN = Annotated[str | None, Query(description="A run's id; the latest run where it is left out")]
HOUR = Annotated[str | None, Query(description="Start of the hour shown, in UTC, such as 2026-11-27T20:00Z")]
PLACE = Annotated[str | None, Query(description="force, pool:ID or area:ID: what the week's hours are of")]
FIGURE = Annotated[str | None, Query(description="gap, required, demand, officer_hours, late or delay")]


def add_map(app: FastAPI, find_data: Callable[[str | None, Holder], Squeezed]) -> None:
    """Add the page; `find_data` gives the figures of a run's map as an account may see them."""

    @app.get("/map", response_class=HTMLResponse, summary="The map of one hour as a page for reading and for paper")
    def map_page(
        request: Request, run: RUN = None, hour: HOUR = None, place: PLACE = None, figure: FIGURE = None
    ) -> HTMLResponse:
        data = orjson.loads(gzip.decompress(find_data(run, request.state.asker.holder).content))
        return HTMLResponse(TEMPLATES.get_template("map.html").render(_parts(Figures(data), hour, place, figure)))


def _parts(figures: Figures, asked_hour: str | None, asked_place: str | None, key: str | None) -> dict[str, Any]:
    view, place = figures.view_of(key), figures.place_of(asked_place)
    hour = figures.hour_of(asked_hour)
    data = figures.data
    has_duties = data["run"]["has_duties"]
    first = figures.week_of(hour or 0)
    hours = [each for _, of_day in first for each in of_day]
    short = figures.shortages(figures.covering, hours) if has_duties else []
    if hour is None:
        hour = short[0]["peak_hour"] if short else 0
    scale, of_place = scale_for(figures, view, "area"), scale_for(figures, view, place.scope)
    week = f"{first[0][0]:%a} {first[0][0].day} {first[0][0]:%b} to {first[-1][0]:%a} {first[-1][0].day} " \
           f"{first[-1][0]:%b %Y}"  # fmt: skip
    return {
        "force_name": data["force"]["name"], "run_id": data["run"]["run_id"],
        "about": f"{figures.span(hour)}; the week from {week}; clock of {data['force']['time_zone']}.",
        "colour": colour_of, "hour_words": figures.span(hour), "view": view, "week": week, "has_duties": has_duties,
        "summary": _summary(figures, short, hours),
        "shortages": [_row(figures, run) for run in short[:_SHORTAGES_SHOWN]], "left": len(short) - _SHORTAGES_SHOWN,
        "picture": draw_map(figures, view, scale, hour, place),
        "legend": [{"colour": colour, "words": words, "hatch": number < scale.short and
                    ("cross" if number < scale.severe else "lines")}
                   for number, (colour, words) in enumerate(zip(scale.colours, scale.labels, strict=True))],
        "pools": [_pool(figures, pool, hour) for pool in _pools(figures, hour)],
        "grid": draw_week(figures, view, of_place, place, hour), "place_words": figures.name_of(place),
        "csv": f"/tables/coverage.csv?run={data['run']['run_id']}&level=pool",
    }  # fmt: skip


def _summary(figures: Figures, short: list[dict[str, Any]], hours: list[int]) -> str:
    if not figures.data["run"]["has_duties"]:
        return "No duties were given, so that nothing can be called short: the figures are what is required."
    if not short:
        return "No pool of the map has fewer units on duty than it requires in this week."
    in_short = len({hour for run in short for hour in range(run["from"], run["to"])})
    pools = len({run["pool"] for run in short})
    worst = short[0]
    return (
        f"In {in_short} of {len(hours)} hours at least one of {count_of(pools, 'pool')} has fewer units than it "
        f"requires. The largest shortage: {figures.name_of(Place('pool', worst['pool']))}, {signed(worst['peak'])} "
        f"units, {figures.span(worst['peak_hour'])}."
    )


def _row(figures: Figures, run: dict[str, Any]) -> dict[str, str]:
    return {
        "pool": figures.data["pools"]["name"][run["pool"]], "when": figures.span(run["from"], run["to"]),
        "peak": signed(run["peak"]), "unit_hours": f"{run['unit_hours']:,.0f}",
        "late": "" if run["late"] is None else chance(run["late"]),
    }  # fmt: skip


def _pools(figures: Figures, hour: int) -> list[int]:
    """Give the pools with a requirement in an hour, those of the map first."""
    on_map = figures.pools_at(hour)
    others = [
        pool for pool in range(len(figures.data["pools"]["id"]))
        if pool not in figures.covering and figures.number("pool", "units_required", pool, hour) is not None
    ]  # fmt: skip
    return on_map + others


def _pool(figures: Figures, pool: int, hour: int) -> dict[str, Any]:
    def of(figure: str) -> float | None:
        return figures.number("pool", figure, pool, hour)

    def written(figure: str, write: Callable[[float], str]) -> str:
        value = of(figure)
        return "" if value is None else write(value)

    gap, low, high = of("units_gap"), of("units_gap_p10"), of("units_gap_p90")
    return {
        "name": figures.data["pools"]["name"][pool], "role": figures.data["pools"]["role"][pool].replace("_", " "),
        "required": written("units_required", lambda value: f"{value:.0f}"),
        "on_duty": written("units_on_duty", lambda value: f"{value:.0f}"),
        "gap": "" if gap is None else signed(gap), "is_short": gap is not None and gap < 0,
        "range": "" if low is None or high is None else f"{signed(low)} to {signed(high)}",
        "incidents": written("incidents_mean", plain), "late": written("chance_late", chance),
    }  # fmt: skip
