"""The page of how good the forecast was: scores, how sure it is and whether that was earned, and where it is bad.

Every figure is one of `backtest_summary`, `backtest_weak_spots` or `backtest_scores`, and says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from bluelamp import backtest as scored
from bluelamp import periods
from bluelamp.backtest import Backtest, levels_told, methods_tried, place_words
from bluelamp.errors import count_of
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.wording import change, percent

_WORST = 8
_BIN_WIDTH, _PIT_HEIGHT = 6, 36
_WHISKER_WIDTH = 160
_HORIZONS = {"day_1": "day 1", "days_2_7": "days 2 to 7", "days_8_28": "days 8 to 28", "days_29_56": "days 29 to 56"}
_KINDS = {"hour_of_week": "Hours of the week", "special_day": "Special days and events", "area": "Areas"}
# Shades of the week's grid: more came than was expected by this share, or fewer.
_SHADES = ((-0.15, "many-more"), (-0.05, "more"), (0.05, "as-expected"), (0.15, "fewer"), (float("inf"), "many-fewer"))


def render_backtest_page(found: Backtest | None, *, force_name: str, folder: str, time_zone: str) -> str:
    """Give the page; `found` is None where the forecasts were not scored yet."""
    page = TEMPLATES.get_template("backtest.html")
    if found is None:
        return page.render(force_name=force_name, folder=folder, found=False)
    about, tried = found.about, methods_tried(found.summary, found.about)
    own = tried[0]
    rows = {
        (row["method"], row["level"], row["span"], row["horizon"]): row for row in found.summary.iter_rows(named=True)
    }
    places = [
        (level, span) for level in levels_told(found.summary) for span in scored.SPANS
        if (own, level, span, "all") in rows
    ]  # fmt: skip
    mine = [rows[own, level, span, "all"] for level, span in places]
    made_at = datetime.fromisoformat(about["made_at"]).astimezone(periods.zone(time_zone))
    bound = _bound(mine)
    return page.render(
        found=True,
        force_name=force_name,
        folder=folder,
        about=f"{count_of(len(about['origins']), 'origin')}, scored {made_at:%a} {made_at.day} {made_at:%b %Y %H:%M}; "
        f"clock of {time_zone}.",
        sentences=found.sentences,
        own=own,
        methods=[
            {"name": method, "origins": max(row["origins"] for key, row in rows.items() if key[0] == method)}
            for method in tried
        ],
        scores=[
            {
                "words": place_words(level, span),
                "cells": [rows.get((method, level, span, "all")) for method in tried],
                "best": _best(rows.get((method, level, span, "all")) for method in tried),
                "own": rows[own, level, span, "all"],
                "whisker": _whisker(rows[own, level, span, "all"], bound),
            }
            for level, span in places
        ],
        whisker_width=_WHISKER_WIDTH,
        bound=percent(bound, 0),
        horizon_names=list(_HORIZONS.values()),
        horizons=[
            {
                "words": place_words(level, span),
                "cells": [rows.get((own, level, span, horizon)) for horizon in _HORIZONS],
            }
            for level, span in places
        ],
        sureness=[
            {"words": place_words(row["level"], row["span"]), "row": row, "pit": _pit(found.scores, row)}
            for row in mine
        ],
        pit_width=20 * _BIN_WIDTH,
        days=[
            {"words": f"{place_words(level, 'day')}: {method}", "row": rows[method, level, "day", "all"]}
            for level in levels_told(found.summary)
            for method in tried
            if (method, level, "day", "all") in rows
        ],
        spots=[group for group in (_spots(found.weak_spots, own, kind) for kind in _KINDS) if group["rows"]],
        peaks=_peaks(found.peaks.filter(method=own)),
        week=_week(found.weak_spots.filter(method=own, kind="hour_of_week")),
        percent=percent,
        signed=change,
        number=lambda value: "" if value is None else f"{value:,.0f}",
        score=lambda value: "" if value is None else f"{value:.3f}",
    )


def _best(rows: Iterable[dict[str, Any] | None]) -> str:
    """Name the method with the lowest score among those that were tried at the most origins."""
    there = [row for row in rows if row is not None and row["scrps"] is not None]
    most = max((row["origins"] for row in there), default=0)
    return (
        str(min((row for row in there if row["origins"] == most), key=lambda row: row["scrps"])["method"])
        if there
        else ""
    )


def _bound(rows: list[dict[str, Any]]) -> float:
    """Give how far the picture of differences reaches to both sides: all of them, and most of their intervals."""
    told = [row for row in rows if row["difference"] is not None]
    ends = sorted(
        abs(row[name]) for row in told for name in ("difference_low", "difference_high") if row[name] is not None
    )
    far = max([abs(row["difference"]) for row in told] + ends[: int(0.85 * len(ends))], default=0.0)
    return next((step for step in (0.02, 0.05, 0.1, 0.2, 0.5) if far <= step), 1.0)


def _whisker(row: Mapping[str, Any], bound: float) -> dict[str, Any] | None:
    if row["difference"] is None:
        return None

    def x(value: float) -> float:
        return round(_WHISKER_WIDTH / 2 * (1 + max(min(value / bound, 0.98), -0.98)), 1)

    low, high = (
        row[name] if row[name] is not None else row["difference"] for name in ("difference_low", "difference_high")
    )
    kind = "better" if high < 0 else "worse" if low > 0 else "open"
    return {"x": x(row["difference"]), "low": x(low), "high": x(high), "kind": kind}


def _pit(scores: pl.DataFrame, row: Mapping[str, Any]) -> dict[str, Any]:
    some = scores.filter(
        pl.col("method") == row["method"], pl.col("level") == row["level"], pl.col("span") == row["span"]
    )
    counts = [int(some[name].sum()) for name in scored.PIT]
    even = max(sum(counts) / len(counts), 1e-9)
    top = max(2 * even, *counts)
    return {
        "bars": [
            {"x": _BIN_WIDTH * place, "y": round(_PIT_HEIGHT * (1 - count / top), 1),
             "height": round(_PIT_HEIGHT * count / top, 1)}
            for place, count in enumerate(counts)
        ],
        "even": round(_PIT_HEIGHT * (1 - even / top), 1),
        "words": "Share of what came in each twentieth of the paths, over what is even: "
        + ", ".join(f"{count / even:.2f}" for count in counts),
    }  # fmt: skip


def _spots(weak_spots: pl.DataFrame, own: str, kind: str) -> dict[str, Any]:
    rows = weak_spots.filter(method=own, kind=kind)
    lost = rows.filter(pl.col("lost") > 0).sort("rank").head(_WORST)
    # A force of one area has no worst one.
    return {"kind": kind, "title": _KINDS[kind], "all": rows.height, "rows": lost.to_dicts() if rows.height > 1 else []}


def _peaks(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Give what was said of shifts to come and how often it came true, of all that is counted and all offending."""
    order, measures = list(_SAID), list(_MEASURES)
    told = [row for row in rows.iter_rows(named=True) if row["measure"] in _MEASURES]
    return [
        {"words": _SAID[row["what"]], "measure": _MEASURES[row["measure"]], "row": row}
        for row in sorted(
            told, key=lambda row: (measures.index(row["measure"]), order.index(row["what"]), row["level"])
        )
    ]


_MEASURES = {"incidents": "incidents", "offending": "offending", "offences": "recorded offences"}
_SAID = {
    "above_usual": "a shift exceeds the usual",
    "unusual": "a shift exceeds its control limit",
    "highest": "a shift is among the week's highest tenth",
    "share": "the fewest places and times hold a share",
    "share_in_range": "what they hold lies in its range",
}


def _week(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Lay out the hours of the week as a grid: a row a weekday."""
    grid = []
    for row in rows.iter_rows(named=True):
        weekday, _, hour = row["spot"].partition(" ")
        if row["bias"] is None:
            continue
        shade = next(name for bound, name in _SHADES if row["bias"] <= bound)
        grid.append(
            {
                "x": 26 + 13 * int(hour[:2]),
                "y": 13 * _WEEKDAYS.index(weekday),
                "shade": shade,
                "title": f"{row['spot']}: {row['incidents']:,} came, {row['expected']:,.0f} expected",
            }
        )
    return grid


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
