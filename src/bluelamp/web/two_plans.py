"""Pictures of two plans: their chance of a late call and their backlog by hour, and whiskers of their difference.

Drawn here as SVG, so that they are there without scripts; they say nothing that the tables beside them do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

WHISKER_WIDTH = 160
# On a wide screen and on a narrow one, where letters must still be read.
_SIZES = (("is-wide", 960, 150), ("is-narrow", 360, 130))
_LEFT, _TOP, _FOOT = 38, 10, 18
_SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
_JOBS = (1, 2, 4, 6, 10, 20, 40, 60, 100, 200, 400, 600, 1000, 2000, 4000, 10_000)


def place_whisker(row: Mapping[str, Any], bound: float) -> dict[str, Any]:
    """Place a difference and its range on a line from fewer late to more late."""

    def at(value: float) -> float:
        return round(WHISKER_WIDTH / 2 * (1 + value / bound), 1)

    kind = "worse" if row["difference_low"] > 0 else "better" if row["difference_high"] < 0 else "open"
    return {
        "low": at(row["difference_low"]),
        "high": at(row["difference_high"]),
        "x": at(row["difference"]),
        "kind": kind,
    }


def draw_hours(
    shown: pl.DataFrame,
    hours: pl.Series,
    local: Sequence[datetime],
    *,
    at: datetime,
    allowed: float | None,
    is_changed: bool,
) -> list[dict[str, Any]]:
    """Lay out two pictures, each in two sizes: chance of a late call, and jobs waiting.

    `shown` are rows of `what_if_hours` of one grade and pool, `hours` those of the whole plan with their `local` times;
    `at` is the hour that is marked, `allowed` the share that may be late.
    """
    place = {each: number for number, each in enumerate(hours)}
    rows = {place[row["hour_starting"]]: row for row in shown.iter_rows(named=True)}
    figures = (("late", "Chance that a call is late", _SHARES, allowed), ("waiting", "Jobs waiting", _JOBS, None))
    return [
        {
            "figure": figure,
            "title": title,
            "sizes": [
                _draw(rows, figure, steps, local, width, height, kind=kind, mark=place[at], allowed=limit,
                      is_changed=is_changed)
                for kind, width, height in _SIZES
            ],
            "label": _label(shown, figure, title, is_changed=is_changed),
        }
        for figure, title, steps, limit in figures
    ]  # fmt: skip


def _label(shown: pl.DataFrame, figure: str, title: str, *, is_changed: bool) -> str:
    def most(column: str) -> str:
        value = shown[column].max()
        if value is None:
            return "no calls"
        return f"{100 * float(str(value)):.1f} %" if figure == "late" else f"{float(str(value)):.1f}"

    changed = f", {most(f'{figure}_after')} changed" if is_changed else ""
    return (
        f"{title} by hour: at most {most(f'{figure}_before')} as it stands{changed}. "
        "Every hour stands in the table below."
    )


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
    is_changed: bool,
) -> dict[str, Any]:
    side = "after" if is_changed else "before"
    most = max(
        [row[name] or 0.0 for row in rows.values() for name in (f"{figure}_before", f"{figure}_high_{side}")]
        + [1.3 * allowed if allowed else 0.0]
    )
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
        return f"{100 * value:g} %" if figure == "late" else f"{value:g}"

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
        "before": line(f"{figure}_before"),
        "after": line(f"{figure}_after") if is_changed else "",
        "band": band(f"{figure}_low_{side}", f"{figure}_high_{side}"),
        "allowed": None if allowed is None else y(allowed),
        "mark": {"x": x(mark), "width": round(max(step, 1.5), 1)},
    }


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
