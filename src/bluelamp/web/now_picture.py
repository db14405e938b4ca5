"""The picture of the coming hours: calls, chance of lateness, units on duty and logs waiting, one line of bars each.

Hours that will be late more often than promised are hatched, so that no colour is needed to see them; each bar has its
number below it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bluelamp.web.wording import percent

_LEAST_DRAWN = 0.005
_HEAD = 40
_MOST_LETTERS = 9


@dataclass(frozen=True)
class _Form:
    """How a picture is laid out, in its own units: letters keep their size, whatever the screen."""

    name: str
    type: str
    width: int
    left: int  # where the bars begin
    title: int  # room for a line's title above its bars, where none is beside them
    row: int
    bar: int
    most: int  # hours side by side


_WIDE = _Form("is-wide", "big", 1100, 172, 0, 138, 74, 12)
_NARROW = _Form("is-narrow", "small", 360, 0, 26, 96, 40, 6)


def draw_hours(rows: Sequence[Mapping[str, Any]], promises: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Lay out pictures for a wall or a desk, and for a hand, each of as many hours as it has room for.

    `rows` are hours (`words`, the row of all grades as `all`, `late` by grade), `promises` grades by urgency with the
    share that may be late. All pictures of a form share their scales.
    """
    return [
        _chart(rows[first : first + form.most], rows, promises, form, number)
        for form in (_WIDE, _NARROW)
        for number, first in enumerate(range(0, len(rows), form.most))
    ]


def _chart(
    rows: Sequence[Mapping[str, Any]],
    every: Sequence[Mapping[str, Any]],
    promises: Sequence[Mapping[str, Any]],
    form: _Form,
    number: int,
) -> dict[str, Any]:
    """Draw hours side by side; `every` are those that the scales are made for."""
    pitch = (form.width - form.left) / max(len(rows), min(form.most, len(every)))
    lanes = _lanes(rows, every, promises)
    for place, lane in enumerate(lanes):
        _lay_out(lane, _HEAD + place * (form.row + form.title), pitch, form)
    return {
        "id": f"{form.name}-{number}",
        "form": form.name,
        "type": form.type,
        "left": form.left,
        "width": form.width,
        "height": _HEAD + len(lanes) * (form.row + form.title),
        "hours": [
            {"x": round(form.left + pitch * (column + 0.5), 1), "words": row["words"].split()[0],
             "zone": " ".join(row["words"].split()[1:])}
            for column, row in enumerate(rows)
        ],
        "lanes": lanes,
        "label": f"The hours from {rows[0]['words']} to {rows[-1]['words']}: calls, chance of lateness by grade, units "
        "on duty and logs waiting. Every figure stands in the table below.",
    }  # fmt: skip


def _lanes(
    rows: Sequence[Mapping[str, Any]], every: Sequence[Mapping[str, Any]], promises: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Give the lines of bars: what each shows of each hour, and the most that it has room for."""
    whole = [row["all"] for row in every]

    def most(*names: str) -> float:
        return max((row[name] or 0 for row in whole for name in names), default=0)

    lanes = [_lane("Calls", "that need a unit", [_ranged(row["all"], "calls") for row in rows],
                   most("calls_p90", "calls_mean"))]  # fmt: skip
    for promise in promises:
        grade, allowed = promise["grade"], promise["allowed"]
        highest = max((row["late"][grade]["share"] for row in every if grade in row["late"]), default=0.0)
        # A line of noughts would only take room from the others; the table has them.
        if highest >= _LEAST_DRAWN:
            cells = [_late_of(row["late"].get(grade)) for row in rows]
            about = f"promised {percent(allowed, 0)} at most"
            lanes.append(_lane(f"Late, grade {grade}", about, cells, max(highest, 2 * allowed), mark=allowed))
    return [
        *lanes,
        _lane("Units on duty", "filled: busy", [_units_of(row["all"]) for row in rows],
              most("units_on_duty", "units_at_work_mean")),
        _lane("Logs waiting", "that will get a unit", [_ranged(row["all"], "logs_waiting") for row in rows],
              most("logs_waiting_p90", "logs_waiting_mean")),
    ]  # fmt: skip


def _lay_out(lane: dict[str, Any], top: float, pitch: float, form: _Form) -> None:
    """Add to a line and its cells where they stand."""
    base = top + form.title + form.bar + 8
    scale = form.bar / (lane["most"] or 1)
    lane |= {
        "y": top,
        "base": base,
        "label_y": top + (16 if form.title else 44),
        "mark_y": None if lane["mark"] is None else round(base - lane["mark"] * scale, 1),
    }
    for column, cell in enumerate(lane["cells"]):
        if cell is not None:
            middle = form.left + pitch * (column + 0.5)
            cell |= {
                "x": round(middle, 1),
                "left": round(middle - 0.3 * pitch, 1),
                "width": round(0.6 * pitch, 1),
                "height": round(cell["value"] * scale, 1),
                "filled": round(cell.get("part", 0) * scale, 1),
                "low": round(base - cell["low"] * scale, 1) if "low" in cell else None,
                "high": round(base - cell["high"] * scale, 1) if "high" in cell else None,
            }


def _lane(
    title: str, about: str, cells: list[dict[str, Any] | None], most: float, mark: float | None = None
) -> dict[str, Any]:
    return {"title": title, "about": about, "cells": cells, "most": most, "mark": mark}


def _ranged(row: Mapping[str, Any], what: str) -> dict[str, Any]:
    low, high, mean = row[f"{what}_p10"], row[f"{what}_p90"], row[f"{what}_mean"]
    if high == 0 and mean < 0.05:
        return {"value": mean, "words": "0"}
    words = f"{mean:.0f}" if mean >= 9.95 else f"{mean:.1f}"
    return {"value": mean, "low": low, "high": high, "words": words, "small": f"{low}–{high}"}


def _late_of(late: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if late is None:
        return None
    where = late.get("where")
    # A long name would run into its neighbours'; the headline has it where it matters most.
    small = f"{where['place_id']} {100 * where['share_late']:.0f}" if where else ""
    return {
        "value": late["share"], "words": percent(late["share"], 0), "is_over": late["is_over"],
        "small": small if len(small) <= _MOST_LETTERS else "",
    }  # fmt: skip


def _units_of(row: Mapping[str, Any]) -> dict[str, Any]:
    on_duty, at_work = row["units_on_duty"] or 0, row["units_at_work_mean"] or 0.0
    return {"value": on_duty, "part": at_work, "words": f"{on_duty}", "small": f"{at_work:.0f} busy" if at_work else ""}
