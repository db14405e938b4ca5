"""The page of proposed beats: today's and the proposed districts side by side, as one file that opens from disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from bluelamp.beats import Beats
from bluelamp.plane import Plane
from bluelamp.reports.map import asset
from bluelamp.web.templating import TEMPLATES

# Both maps and the bars fit a narrow screen; on a wide one they stand side by side.
_WIDTH, _MOST_HEIGHT, _EDGE = 360.0, 460.0, 6.0
_COLOURS = 7
_FINEST = 0.35
_ROW, _LEFT = 30, 92


def render_beats_page(found: Beats) -> str:
    """Give the page of a proposal, whole. Raises NoInput where the front end was not built."""
    return TEMPLATES.get_template("beats.html").render(
        css=asset("app.css"),
        force_name=found.force_name,
        about=f"{found.wanted.districts} districts by {found.work.what}.",
        sentences=found.sentences(),
        notes=found.notes,
        meanings=found.meanings(),
        maps=_maps(found),
        bars=_bars(found),
        tolerance=f"{found.wanted.tolerance:.1%}",
        unit=found.work.unit,
        has_minutes=found.loads["travel_minutes"].is_not_null().any(),
        loads=[_row(row) for row in found.loads.iter_rows(named=True)],
        moved=[
            {
                "area": row["area_id"] if row["area_name"] in (None, row["area_id"])
                else f"{row['area_name']} ({row['area_id']})",
                "today": row["today_id"], "proposed": row["beat_id"], "load": _shown(row["load"], ",.1f"),
            }
            for row in found.moved.iter_rows(named=True)
        ],
    )  # fmt: skip


def _row(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "plan": row["plan"].capitalize(), "beat": row["beat_id"], "areas": f"{row['areas']:,}",
        "pieces": f"{row['pieces']}", "load": _shown(row["load"], ",.1f"),
        "deviation": _shown(row["deviation"], "+.1%"),
        "arriving": _shown(row["arriving"], ",.1f"), "leaving": _shown(row["leaving"], ",.1f"),
        "compactness": _shown(row["compactness"], ".2f"), "distance": _shown(row["distance_km"], ".2f"),
        "minutes": _shown(row["travel_minutes"], ".1f"),
    }  # fmt: skip


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form).replace("-", "−")


def _maps(found: Beats) -> list[dict[str, Any]]:
    """Draw each plan: districts in colours of which no two neighbours share one, areas, and hatches on what moves."""
    import shapely

    table = found.table.filter(pl.col("area_id").is_in(list(found.boundaries)))
    if table.is_empty():
        return []
    degrees = shapely.from_geojson([found.boundaries[area] for area in table["area_id"]])
    shapes = Plane.amid(shapely.get_coordinates(shapely.centroid(degrees))).flatten_shape(degrees)
    west, south, east, north = shapely.total_bounds(shapes)
    scale = min((_WIDTH - 2 * _EDGE) / (east - west), (_MOST_HEIGHT - 2 * _EDGE) / (north - south))
    left = (_WIDTH - scale * (east - west)) / 2
    drawn = shapely.simplify(
        shapely.transform(
            shapes, lambda xy: np.stack([left + scale * (xy[:, 0] - west), _EDGE + scale * (north - xy[:, 1])], axis=1)
        ),
        _FINEST,
    )
    plans = {"proposed": table["beat_id"].to_list()}
    if found.today is not None:
        plans = {"today": table["today_id"].to_list(), **plans}
    outlines = {
        plan: {name: shapely.union_all(shapely.buffer(drawn[np.array(of) == name], _FINEST)) for name in _names(of)}
        for plan, of in plans.items()
    }
    colour = _colours(outlines.values())
    hatched = "".join(_path(each) for each in drawn[table["is_moved"].to_numpy()])
    return [
        {
            "plan": plan, "title": "Today" if plan == "today" else "Proposed", "width": _WIDTH,
            "height": round(2 * _EDGE + scale * (north - south), 1), "areas": "".join(_path(each) for each in drawn),
            "hatched": hatched if plan == "proposed" else "",
            "districts": [
                {"path": _path(shape), "colour": colour[name], "name": name, **_label(shape)}
                for name, shape in outlined.items()
            ],
        }
        for plan, outlined in outlines.items()
    ]  # fmt: skip


def _names(of: Sequence[str | None]) -> list[str]:
    return sorted({each for each in of if each is not None})


def _label(shape: Any) -> dict[str, float]:
    import shapely

    largest = max(shapely.get_parts(shape), key=lambda each: each.area)
    at = shapely.point_on_surface(largest)
    middle = largest.centroid if largest.contains(largest.centroid) else at
    return {"x": round(middle.x, 1), "y": round(middle.y + 4, 1)}


def _colours(outlines: Any) -> dict[str, int]:
    """Give each district a colour that none of its neighbours on either map has, as far as there are enough."""
    import shapely

    near: dict[str, set[str]] = {}
    for outlined in outlines:
        names, shapes = list(outlined), np.array(list(outlined.values()), dtype=object)
        a, b = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=1.0)
        for one, other in zip(a, b, strict=True):
            near.setdefault(names[one], set()).update({names[other]} - {names[one]})
    colour: dict[str, int] = {}
    for name in sorted(near, key=lambda each: (-len(near[each]), each)):
        taken = {colour.get(other) for other in near[name]}
        free = [each for each in range(_COLOURS) if each not in taken]
        colour[name] = free[0] if free else len(colour) % _COLOURS
    return colour


def _path(shape: Any) -> str:
    import shapely

    rings = []
    for part in shapely.get_parts(shape):
        for ring in (part.exterior, *part.interiors):
            points = np.round(shapely.get_coordinates(ring)[:-1], 1)
            rings.append("M" + "L".join(f"{x:g},{y:g}" for x, y in points) + "Z")
    return "".join(rings)


def _bars(found: Beats) -> dict[str, Any]:
    """Lay out each district's load over the equal share, today's above the proposed one."""
    deviation = {
        (row["plan"], row["beat_id"]): row["deviation"] for row in found.loads.iter_rows(named=True)
    }  # fmt: skip
    names = found.loads["beat_id"].unique(maintain_order=True).to_list()
    most = max(1 + max(deviation.values()), 1 + found.wanted.tolerance)
    unit = (_WIDTH - _LEFT - 8) / most
    rows = []
    for number, name in enumerate(names):
        bars = [
            {
                "plan": plan, "width": round(unit * (1 + deviation[plan, name]), 1),
                "y": 20 + number * _ROW + (0 if plan == "today" else 11),
                "title": f"{name}, {plan}: {_shown(deviation[plan, name], '+.1%')} of an equal share",
            }
            for plan in ("today", "proposed")
            if (plan, name) in deviation
        ]  # fmt: skip
        rows.append({"name": name[:13], "y": 20 + number * _ROW + 15, "bars": bars})
    even = round(_LEFT + unit, 1)
    reach = round(unit * found.wanted.tolerance, 1)
    return {
        "width": _WIDTH, "height": 24 + _ROW * len(names), "left": _LEFT, "rows": rows, "even": even,
        "band": round(even - reach, 1), "band_width": max(2 * reach, 0.5),
    }  # fmt: skip
