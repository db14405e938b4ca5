"""The map and the week as pictures: areas coloured by class, hatched where too few are on duty, numbers upon them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shapely import Geometry, unary_union
from shapely.affinity import affine_transform
from shapely.geometry import shape

from bluelamp.web.map_figures import Figures, Place, Scale, View, colour_of, ink_on

_WIDTH, _HIGHEST = 560.0, 400.0
# In points of the picture: less is not seen, and only makes the file larger.
_FINEST = 0.15
_LEAST_FOR_A_NUMBER = 20.0
_CELL, _ROW, _DAY, _CLOCK = 29.0, 20.0, 68.0, 14.0


def draw_map(figures: Figures, view: View, scale: Scale, hour: int, place: Place) -> dict[str, Any] | None:
    """Lay out the map of an hour; None where areas have no boundaries."""
    features = figures.data["areas"]["geojson"]["features"]
    shapes = {each["properties"]["index"]: shape(each["geometry"]) for each in features}
    shapes = {index: each for index, each in shapes.items() if not each.is_empty}
    if not shapes:
        return None
    placed, height = _on_paper(shapes)
    areas = []
    for index, drawn in placed.items():
        value = figures.value(view, Place("area", index), hour)
        kind = -1 if value is None else scale.class_of(value)
        areas.append({
            "path": _path(drawn), "colour": colour_of("no-figure") if kind < 0 else scale.colours[kind],
            "hatch": _hatch(scale, kind),
            "title": f"{figures.data['areas']['name'][index]}: {'no figure' if value is None else view.write(value)}",
        })  # fmt: skip
    names = _pool_names(figures, view, hour, placed) if view.is_of_pools else _area_numbers(figures, view, hour, placed)
    return {
        "width": _WIDTH, "height": height, "areas": areas, "borders": _borders(figures, hour, placed),
        "names": names, "chosen": _chosen(figures, hour, place, placed),
    }  # fmt: skip


def _on_paper(shapes: dict[int, Geometry]) -> tuple[dict[int, Geometry], float]:
    """Put degrees on paper; over the breadth of a force a degree of longitude has one length."""
    from math import cos, radians

    west, south, east, north = unary_union(list(shapes.values())).bounds
    squeeze = cos(radians((south + north) / 2))
    wide, high = max((east - west) * squeeze, 1e-9), max(north - south, 1e-9)
    zoom = min((_WIDTH - 8) / wide, (_HIGHEST - 8) / high)
    left = (_WIDTH - wide * zoom) / 2
    matrix = [squeeze * zoom, 0, 0, -zoom, left - west * squeeze * zoom, 4 + north * zoom]
    placed = {index: affine_transform(each, matrix) for index, each in shapes.items()}
    return placed, round(high * zoom + 8, 1)


def _hatch(scale: Scale, kind: int) -> str:
    if kind < 0 or kind >= scale.short:
        return ""
    return "cross" if kind < scale.severe else "lines"


def _borders(figures: Figures, hour: int, placed: dict[int, Geometry]) -> str:
    return "".join(_path(unary_union(each)) for each in _by_pool(figures, hour, placed).values())


def _by_pool(figures: Figures, hour: int, placed: dict[int, Geometry]) -> dict[int, list[Geometry]]:
    found: dict[int, list[Geometry]] = {}
    for index, drawn in placed.items():
        pool = figures.pool_of(index, hour)
        if pool is not None:
            found.setdefault(pool, []).append(drawn.buffer(0))
    return found


def _pool_names(figures: Figures, view: View, hour: int, placed: dict[int, Geometry]) -> list[dict[str, Any]]:
    found = []
    for pool, drawn in _by_pool(figures, hour, placed).items():
        value = figures.value(view, Place("pool", pool), hour)
        words = f"{figures.data['pools']['id'][pool]} {'?' if value is None else view.brief(value)}"
        found.append({"words": words, "half": round(3.4 * len(words) + 5, 1), **_middle(unary_union(drawn))})
    return found


def _area_numbers(figures: Figures, view: View, hour: int, placed: dict[int, Geometry]) -> list[dict[str, Any]]:
    found = []
    for index, drawn in placed.items():
        value = figures.value(view, Place("area", index), hour)
        left, top, right, bottom = drawn.bounds
        if value is None or min(right - left, bottom - top) < _LEAST_FOR_A_NUMBER:
            continue
        words = view.brief(value)
        found.append({"words": words, "half": round(3.2 * len(words) + 2.5, 1), **_middle(drawn)})
    return [each for each in found if each["words"]]


def _middle(drawn: Geometry) -> dict[str, float]:
    centre = drawn.centroid if drawn.contains(drawn.centroid) else drawn.representative_point()
    return {"x": round(centre.x, 1), "y": round(centre.y, 1)}


def _chosen(figures: Figures, hour: int, place: Place, placed: dict[int, Geometry]) -> str:
    if place.scope == "area" and place.index in placed:
        return _path(placed[place.index])
    if place.scope == "pool":
        return _path(unary_union(_by_pool(figures, hour, placed).get(place.index, [])))
    return ""


def _path(drawn: Geometry) -> str:
    if drawn.is_empty:
        return ""
    drawn = drawn.simplify(_FINEST)
    parts = getattr(drawn, "geoms", [drawn])
    rings = [ring for part in parts if part.geom_type == "Polygon" for ring in (part.exterior, *part.interiors)]
    return "".join(_ring(ring.coords) for ring in rings)


def _ring(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, *_ in points) + "Z"


def draw_week(figures: Figures, view: View, scale: Scale, place: Place, hour: int) -> dict[str, Any]:
    """Lay out the hours of the week that holds an hour: a day a row, an hour of the clock a column."""
    cells, days = [], []
    for row, (day, hours) in enumerate(figures.week_of(hour)):
        y = _CLOCK + row * _ROW
        days.append({"words": f"{day:%a} {day.day} {day:%b}", "y": y + 14})
        for clock in range(24):
            # Where the clock goes back two hours stand in one column, where it goes forward none.
            there = [each for each in hours if figures.local[each].hour == clock]
            for part, each in enumerate(there):
                value = figures.value(view, place, each)
                kind = -1 if value is None else scale.class_of(value)
                colour = colour_of("no-figure") if kind < 0 else scale.colours[kind]
                hatch = _hatch(scale, kind)
                width = _CELL / len(there)
                words = "" if value is None or (scale.short and not hatch) else view.brief(value)
                cells.append({
                    "x": round(_DAY + clock * _CELL + part * width, 1), "y": y, "width": round(width - 1, 1),
                    "height": _ROW - 1, "colour": colour, "ink": ink_on(colour), "words": words,
                    "is_chosen": each == hour, "is_short": bool(hatch),
                    "title": f"{figures.span(each)}: {'no figure' if value is None else view.write(value)}",
                })  # fmt: skip
    clocks = [{"x": _DAY + clock * _CELL + _CELL / 2, "words": f"{clock:02}"} for clock in range(24)]
    return {"width": _DAY + 24 * _CELL, "height": _CLOCK + len(days) * _ROW, "days": days, "clocks": clocks,
            "cells": cells}  # fmt: skip
