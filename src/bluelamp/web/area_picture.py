"""Pictures of one area: its week hour by hour with the cover of its pool, and the days before and ahead.

Drawn here as SVG, so that they are there without scripts; they say nothing that the tables beside them do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

_BANDS = (("p025", "p975", "fan-95"), ("p10", "p90", "fan-80"), ("p25", "p75", "fan-50"))
# On a wide screen and on a narrow one, where letters must still be read.
_SIZES = (("is-wide", 960), ("is-narrow", 360))
_LEFT, _RIGHT = 38, 4
_HEAD, _GAP = 16, 26
_LANES = {"calls": 120, "units": 100, "late": 60}
_DAYS_HEIGHT, _DAYS_FOOT = 170, 30
_STEPS = (1, 2, 4, 6, 8, 10, 12, 16, 20, 30, 40, 60, 80, 100, 140, 200, 300, 400, 600, 1000, 2000, 4000, 10_000)
_SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)

Rows = Sequence[Mapping[str, Any]]
Scale = Callable[[float], float]


def draw_week(hours: Rows, local: Sequence[datetime], label: str) -> list[dict[str, Any]]:
    """Lay out a week in two sizes: expected with its bands, units needed and on duty, the chance that a call is late.

    `hours` are rows of `area_hours` in order, `local` their local times.
    """
    return [_draw_week(hours, local, kind, width, label) for kind, width in _SIZES]


def _draw_week(hours: Rows, local: Sequence[datetime], kind: str, width: int, label: str) -> dict[str, Any]:
    step = (width - _LEFT - _RIGHT) / max(len(hours), 1)

    def x(place: int) -> float:
        return round(_LEFT + step * place, 1)

    lanes, top = [], _HEAD
    for name, height in _LANES.items():
        lane = {"calls": _calls, "units": _units, "late": _late}[name](hours, x, top + _HEAD, height)
        if lane is not None:
            lanes.append({"title_y": top + 10, "floor": top + _HEAD + height, **lane})
            top += _HEAD + height + _GAP - 8
    starts = [place for place, at in enumerate(local) if place == 0 or at.date() != local[place - 1].date()]
    ends = [*starts[1:], len(hours)]
    return {
        "kind": kind, "width": width, "height": top + 4, "left": _LEFT, "right": width - _RIGHT, "lanes": lanes,
        "label": label,
        "days": [
            {"x": x(start), "middle": round((x(start) + x(end)) / 2, 1),
             "words": f"{local[start]:%a} {local[start].day}"}
            for start, end in zip(starts, ends, strict=True)
        ],
    }  # fmt: skip


def _scale(steps: Sequence[float], highest: float, top: int, height: int) -> tuple[Scale, float]:
    most = next((each for each in steps if each >= highest), highest)
    return (lambda value: round(top + height * (1 - min(value / most, 1.0)), 1)), float(most)


def _marks(most: float, y: Scale, form: Callable[[float], str]) -> list[dict[str, Any]]:
    """Give the lines of a scale: none at a half of a thing that comes in whole numbers."""
    values = [0.0, most / 2, most] if most % 2 == 0 else [0.0, most]
    return [{"y": y(value), "words": form(value)} for value in values]


def _along(values: Sequence[float | None], x: Callable[[int], float], y: Scale) -> str:
    """Give a line of steps, broken where nothing is known."""
    parts, before = [], False
    for place, value in enumerate(values):
        if value is None:
            before = False
            continue
        parts.append(f"{'L' if before else 'M'}{x(place)} {y(value)}H{x(place + 1)}")
        before = True
    return "".join(parts)


def _between(low: Sequence[float], high: Sequence[float], x: Callable[[int], float], y: Scale) -> str:
    """Give the outline of an area of steps between two values an hour."""
    places = range(len(low))
    there = "".join(f"{'L' if place else 'M'}{x(place)} {y(high[place])}H{x(place + 1)}" for place in places)
    back = "".join(f"L{x(place + 1)} {y(low[place])}H{x(place)}" for place in reversed(places))
    return f"{there}{back}Z" if there else ""


def _calls(hours: Rows, x: Callable[[int], float], top: int, height: int) -> dict[str, Any]:
    usual = [row["usual"] for row in hours]
    highest = max([row["incidents_p975"] for row in hours] + [each or 0.0 for each in usual], default=1)
    y, most = _scale(_STEPS, highest, top, height)
    return {
        "name": "calls", "title": "Incidents in an hour", "marks": _marks(most, y, lambda value: f"{value:,.0f}"),
        "bands": [
            {"kind": band, "path": _between([row[f"incidents_{low}"] for row in hours],
                                            [row[f"incidents_{high}"] for row in hours], x, y)}
            for low, high, band in _BANDS
        ],
        "lines": [{"kind": "fan-middle", "path": _along([row["incidents_mean"] for row in hours], x, y)},
                  {"kind": "week-usual", "path": _along(usual, x, y)}],
    }  # fmt: skip


def _units(hours: Rows, x: Callable[[int], float], top: int, height: int) -> dict[str, Any] | None:
    required, on_duty = ([row[name] for row in hours] for name in ("units_required", "units_on_duty"))
    if all(each is None for each in required):
        return None
    y, most = _scale(_STEPS, max(each or 0 for each in (*required, *on_duty)), top, height)
    short = [
        {"x": x(place), "y": y(row["units_required"]), "width": round(x(place + 1) - x(place), 1),
         "height": round(y(row["units_on_duty"]) - y(row["units_required"]), 1)}
        for place, row in enumerate(hours) if row["units_gap"] is not None and row["units_gap"] < 0
    ]  # fmt: skip
    return {
        "name": "units", "title": "Units of the whole pool", "short": short,
        "marks": _marks(most, y, lambda value: f"{value:,.0f}"), "bands": [],
        "lines": [{"kind": "week-required", "path": _along(required, x, y)},
                  {"kind": "week-duty", "path": _along(on_duty, x, y)}],
    }  # fmt: skip


def _late(hours: Rows, x: Callable[[int], float], top: int, height: int) -> dict[str, Any] | None:
    late = [row["chance_late"] for row in hours]
    if all(each is None for each in late):
        return None
    y, most = _scale(_SHARES, max(each or 0.0 for each in late), top, height)
    return {
        "name": "late", "title": "Chance that a call here is late", "bands": [],
        "marks": [{"y": y(value), "words": f"{100 * value:g}%"} for value in (0.0, most)],
        "bars": _between([0.0] * len(late), [each or 0.0 for each in late], x, y), "lines": [],
    }  # fmt: skip


def draw_days(before: Rows, ahead: Rows, shown: Sequence[date], label: str) -> list[dict[str, Any]]:
    """Lay out days in two sizes: what came as bars, what is expected as bands, the days that are `shown` marked.

    `before` have `day` and `came`, `ahead` are days of `forecast` with their `day`.
    """
    if not ahead:
        return []
    return [_draw_days(before, ahead, shown, kind, width, label) for kind, width in _SIZES]


def _draw_days(
    before: Rows, ahead: Rows, shown: Sequence[date], kind: str, width: int, label: str
) -> dict[str, Any]:  # fmt: skip
    every = [*(row["day"] for row in before), *(row["day"] for row in ahead)]
    step = (width - _LEFT - _RIGHT) / len(every)
    highest = max([row["incidents_p975"] for row in ahead] + [row["came"] or 0 for row in before])
    y, most = _scale(_STEPS, highest, 8, _DAYS_HEIGHT - _DAYS_FOOT - 8)

    def x(place: int) -> float:
        return round(_LEFT + step * place, 1)

    bars = [
        {"x": round(x(place) + step * 0.15, 1), "width": round(step * 0.7, 1), "y": y(row["came"]),
         "height": round(y(0) - y(row["came"]), 1),
         "words": f"{row['day']:%a} {row['day'].day} {row['day']:%b}: {row['came']} came"}
        for place, row in enumerate(before) if row["came"] is not None
    ]  # fmt: skip
    boxes = [
        {
            "words": f"{row['day']:%a} {row['day'].day} {row['day']:%b}: {row['incidents_mean']:.1f} expected, four "
                     f"times in five {row['incidents_p10']} to {row['incidents_p90']}",
            "bands": [{"kind": band, "y": y(row[f"incidents_{high}"]),
                       "height": max(round(y(row[f"incidents_{low}"]) - y(row[f"incidents_{high}"]), 1), 0.5)}
                      for low, high, band in _BANDS],
            "x": round(x(place) + step * 0.1, 1), "width": round(step * 0.8, 1), "y": y(row["incidents_mean"]),
        }
        for place, row in enumerate(ahead, len(before))
    ]  # fmt: skip
    mondays = [place for place, day in enumerate(every) if day.weekday() == 0]
    # As many of them as leave room for their words.
    every_other = max(round(48 / (step * 7) + 0.49), 1)
    marked = [place for place, day in enumerate(every) if day in shown]
    return {
        "kind": kind, "width": width, "height": _DAYS_HEIGHT, "left": _LEFT, "right": width - _RIGHT, "label": label,
        "floor": y(0), "bars": bars, "boxes": boxes, "marks": _marks(most, y, lambda value: f"{value:,.0f}"),
        "shown": {"x": x(marked[0]), "width": round(x(marked[-1] + 1) - x(marked[0]), 1)} if marked else None,
        "ticks": [{"x": x(place), "words": f"{every[place].day} {every[place]:%b}"}
                  for place in mondays[::every_other] if x(place) < width - 44],
    }  # fmt: skip
