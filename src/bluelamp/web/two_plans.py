"""Pictures of two plans or three: chance of a late call, backlog and units by hour, and whiskers of a difference.

Drawn here as SVG, so that they are there without scripts; they say nothing that the tables beside them do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from bluelamp.web.wording import percent

WHISKER_WIDTH = 160
# On a wide screen and on a narrow one, where letters must still be read.
_SIZES = (("is-wide", 960, 150), ("is-narrow", 360, 130))
_LEFT, _TOP, _FOOT = 38, 10, 18
_SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
_TWO = 2
_JOBS = (1, 2, 4, 6, 10, 20, 40, 60, 100, 200, 400, 600, 1000, 2000, 4000, 10_000)


def place_whisker(row: Mapping[str, Any], bound: float, name: str = "difference") -> dict[str, Any]:
    """Place a difference of that name and its range on a line from fewer late to more late."""

    def at(value: float) -> float:
        return round(WHISKER_WIDTH / 2 * (1 + value / bound), 1)

    low, high = row[f"{name}_low"], row[f"{name}_high"]
    kind = "worse" if low > 0 else "better" if high < 0 else "open"
    return {"low": at(low), "high": at(high), "x": at(row[name]), "kind": kind}


def draw_hours(
    shown: pl.DataFrame,
    hours: pl.Series,
    local: Sequence[datetime],
    *,
    at: datetime,
    allowed: float | None,
    sides: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Lay out pictures, each in two sizes: chance of a late call, jobs waiting, and of three plans their units.

    `shown` has a row an hour of one grade and pool, and columns such as `late_before`, `late_low_before`: `sides` are
    what they end in, the plan as it stands first, and how its line is drawn. `hours` are those of the whole plan with
    their `local` times; `at` is the hour that is marked, `allowed` the share that may be late.
    """
    place = {each: number for number, each in enumerate(hours)}
    rows = {place[row["hour_starting"]]: row for row in shown.iter_rows(named=True)}
    figures = [("late", "Chance that a call is late", _SHARES, allowed), ("waiting", "Jobs waiting", _JOBS, None)]
    if len(sides) > _TWO:
        figures.append(("units", "Units", _JOBS, None))
    return [
        {
            "figure": figure,
            "title": title,
            "sizes": [
                _draw(rows, figure, steps, local, width, height, kind=kind, mark=place[at], allowed=limit, sides=sides)
                for kind, width, height in _SIZES
            ],
            "label": _label(shown, figure, title, sides),
        }
        for figure, title, steps, limit in figures
    ]  # fmt: skip


def _label(shown: pl.DataFrame, figure: str, title: str, sides: Mapping[str, str]) -> str:
    def most(column: str) -> str:
        value = shown[column].max()
        if value is None:
            return "no calls"
        return percent(float(str(value))) if figure == "late" else f"{float(str(value)):.1f}"

    names = ("as it stands", "changed") if len(sides) <= _TWO else ("as it stands", "with change A", "with change B")
    told = ", ".join(f"{most(f'{figure}_{side}')} {name}" for side, name in zip(sides, names, strict=False))
    return f"{title} by hour: at most {told}. Every hour stands in the table below."


def _draw(
    rows: Mapping[int, Mapping[str, Any]],
    figure: str,
    steps: Sequence[float],
    local: Sequence[datetime],
    width: int,
    height: int,
    *,
    kind: str,
    mark: int,
    allowed: float | None,
    sides: Mapping[str, str],
) -> dict[str, Any]:
    # The bands of two changes would lie over each other and hide their lines.
    banded = list(sides)[-1:] if len(sides) <= _TWO else []
    drawn = [f"{figure}_{side}" for side in sides] + [f"{figure}_high_{side}" for side in banded]
    most = max([row[name] or 0.0 for row in rows.values() for name in drawn] + [1.3 * allowed if allowed else 0.0])
    top = next((step for step in steps if step >= most), most) or 1
    floor, step = height - _FOOT, (width - _LEFT) / max(len(local), 1)

    def x(number: float) -> float:
        return round(_LEFT + step * number, 1)

    def y(value: float) -> float:
        return round(_TOP + (floor - _TOP) * (1 - value / top), 1)

    def line(column: str) -> str:
        return "".join(
            "M" + " ".join(f"{x(number + 0.5)} {y(rows[number][column])}" for number in piece)
            + (f"h{max(step, 1):.1f}" if len(piece) == 1 else "")
            for piece in _pieces(rows, column)
        )  # fmt: skip

    def band(low: str, high: str) -> str:
        return "".join(
            f"M{x(piece[0])} {y(rows[piece[0]][low])}"
            + "".join(f"V{y(rows[number][high])}H{x(number + 1)}" for number in piece)
            + "".join(f"V{y(rows[number][low])}H{x(number)}" for number in reversed(piece))
            + "Z"
            for piece in _pieces(rows, high)
        )

    def words(value: float) -> str:
        return f"{100 * value:g}%" if figure == "late" else f"{value:g}"

    midnights = [number for number, at in enumerate(local) if at.hour == 0 and at.minute == 0]
    told = max(1, -(-len(midnights) * 58 // max(width - _LEFT, 1)))
    return {
        "kind": kind,
        "width": width,
        "height": height,
        "left": _LEFT,
        "floor": floor,
        "hours": len(local),
        "lines": [{"y": y(value), "words": words(value)} for value in (0, top / 2, top)],
        "days": [
            {"x": x(number), "words": f"{local[number]:%a} {local[number].day}" if order % told == 0 else ""}
            for order, number in enumerate(midnights)
        ],
        "bands": [{"kind": sides[side], "path": band(f"{figure}_low_{side}", f"{figure}_high_{side}")}
                  for side in banded],
        # The plan as it stands is drawn last: its dashes let others be seen.
        "plans": [{"kind": sides[side], "path": line(f"{figure}_{side}")} for side in reversed(list(sides))],
        "allowed": None if allowed is None else y(allowed),
        "mark": {"x": x(mark), "width": round(max(step, 1.5), 1)},
    }  # fmt: skip


def _pieces(rows: Mapping[int, Mapping[str, Any]], column: str) -> list[list[int]]:
    """Part the hours that have a figure into runs without a gap: a pool may cover nothing by day."""
    pieces: list[list[int]] = []
    for number in sorted(rows):
        if rows[number][column] is None:
            continue
        if pieces and pieces[-1][-1] == number - 1:
            pieces[-1].append(number)
        else:
            pieces.append([number])
    return pieces
