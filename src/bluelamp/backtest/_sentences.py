"""What a backtest found, in sentences for those who have to decide by it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import polars as pl

from bluelamp.backtest._trial import SPANS
from bluelamp.errors import count_of

LEVEL_WORDS = {"force": "force", "district": "district", "area": "area", "area_class": "area × class"}
# How far a 95% or 80% interval may hold more or less than it says before that is told.
BAND = (0.75, 0.88)
FEW_ORIGINS = 6


def methods_tried(summary: pl.DataFrame, about: Mapping[str, Any]) -> list[str]:
    """List the methods that could be tried, in the order asked for: the first is held against the others."""
    there = set(summary["method"])
    return [method for method in about["methods"] if method in there]


def say(summary: pl.DataFrame, weak_spots: pl.DataFrame, about: Mapping[str, Any]) -> list[str]:
    """Say what was tried, where the force's method is better or worse than the naive ones, and where it is bad."""
    own = methods_tried(summary, about)[0]
    rows = summary.filter(pl.col("level").is_in(levels_told(summary)), method=own, horizon="all")
    first, last = (date.fromisoformat(about["origins"][place]) for place in (0, -1))
    until = last + timedelta(days=56)
    when = f"on {_day(first)}" if first == last else f"from {_day(first)} to {_day(last)}, every {about['every']} days"
    told = [
        f"{count_of(len(about['origins']), 'origin')}, {when}; what came was known until {_day(until)}. Each forecast "
        f"eight weeks by {about['paths']} paths, knowing only what came before it."
    ]
    if len(about["origins"]) < FEW_ORIGINS:
        told.append("So few origins say little of other seasons, and their intervals are themselves unsure.")
    told += _verdicts(rows, own)
    told += _sureness(rows, own)
    told += _force_days(summary, own)
    told += _weak(weak_spots, own)
    return told


def tabulate(summary: pl.DataFrame, about: Mapping[str, Any]) -> list[str]:
    """Give sCRPS by level and sum for every method, and for the force's own how it stands, as lines of a table."""
    methods = methods_tried(summary, about)
    own = methods[0]
    rows = summary.filter(horizon="all")
    scores = {
        (row["level"], row["span"], row["method"]): row["scrps"]
        for row in rows.filter(pl.col("scrps").is_not_null()).iter_rows(named=True)
    }
    held = {(row["level"], row["span"]): row for row in rows.filter(method=own).iter_rows(named=True)}
    head = ["sCRPS, lower is better", *methods, f"{own} against the best naive", "inside 50/80/95%"]
    origins = dict(rows.group_by("method").agg(pl.col("origins").max()).iter_rows())
    body = [["origins", *(str(origins.get(method, 0)) for method in methods), "", ""]]
    for level in levels_told(summary):
        for span in SPANS:
            row = held.get((level, span))
            if row is None:
                continue
            cells = [place_words(level, span)]
            for method in methods:
                score = scores.get((level, span, method))
                cells.append("" if score is None else f"{score:.4f}")
            inside = "/".join(f"{100 * row[f'coverage_{share}']:.0f}" for share in (50, 80, 95))
            body.append([*cells, difference_words(row), inside])
    widths = [max(len(each[column]) for each in [head, *body]) for column in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if column in (0, len(head) - 2) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(each, widths, strict=True))
        ).rstrip()
        for each in [head, *body]
    ]


def difference_words(row: Mapping[str, Any]) -> str:
    """Say how a method stands against the best naive one: '-1.2% (-2.0 to -0.5) slot_mean_26'."""
    if row["difference"] is None:
        return ""
    interval = ""
    if row["difference_low"] is not None:
        interval = f" ({100 * row['difference_low']:+.1f} to {100 * row['difference_high']:+.1f})"
    return f"{100 * row['difference']:+.1f}%{interval} {row['against']}"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def place_words(level: str, span: str) -> str:
    """Say what a row of scores is of: 'force by hour'."""
    return f"{LEVEL_WORDS[level]} by {span}"


def levels_told(summary: pl.DataFrame) -> list[str]:
    """List the levels that say something of their own: with one district or one area, they are the force again."""
    found = summary.filter(span="day", horizon="all").group_by("level").agg(pl.col("forecasts").max())
    sizes = dict(found.iter_rows())
    told: list[str] = []
    for level in LEVEL_WORDS:
        if level in sizes and (not told or sizes[level] > sizes[told[-1]]):
            told.append(level)
    return told


def _verdicts(rows: pl.DataFrame, own: str) -> list[str]:
    measured = rows.filter(pl.col("difference").is_not_null())
    if measured.is_empty():
        return [f"There is no other naive method to hold {own} against."]
    better = measured.filter(pl.col("difference_high") < 0)
    worse = measured.filter(pl.col("difference_low") > 0)
    open_ = measured.join(pl.concat([better, worse]), on=["level", "span"], how="anti")
    told = []
    if better.height:
        told.append(f"{own} is better than every naive method, as far as 95% intervals tell: {_listed(better)}.")
    if worse.height:
        told.append(f"{own} is worse than the best naive method: {_listed(worse)}.")
    if open_.height:
        told.append(f"{own} is not told apart from the best naive method: {_listed(open_)}.")
    return told


def _listed(rows: pl.DataFrame) -> str:
    """List differences by level: 'force by hour (-1.2%) and day (-3.0%); area by hour (-0.4%)'."""
    parts = []
    for level, words in LEVEL_WORDS.items():
        some = rows.filter(level=level)
        spans = {row["span"]: f"{row['span']} ({100 * row['difference']:+.1f}%)" for row in some.iter_rows(named=True)}
        if spans:
            parts.append(f"{words} by {', '.join(spans[span] for span in SPANS if span in spans)}")
    return "; ".join(parts)


def _sureness(rows: pl.DataFrame, own: str) -> list[str]:
    some = rows.filter(pl.col("level").is_in(["force", "district"])).with_columns(
        where=pl.struct("level", "span").map_elements(
            lambda row: place_words(row["level"], row["span"]), return_dtype=pl.String
        )
    )
    if some.is_empty():
        return []
    low, high = (some.sort("coverage_80").row(place, named=True) for place in (0, -1))
    words = (
        f"Of what came to the force and its districts, {low['coverage_80']:.0%} ({low['where']}) to "
        f"{high['coverage_80']:.0%} ({high['where']}) lay inside {own}'s 80% interval."
    )
    if low["coverage_80"] < BAND[0]:
        words += " It is surer than it should be where fewer did."
    if high["coverage_80"] > BAND[1]:
        words += " Where more did, counts are small, or it is less sure than it could be."
    return [words]


def _force_days(summary: pl.DataFrame, own: str) -> list[str]:
    days = summary.filter(level="force", span="day", horizon="all").sort("wape")
    mine = days.filter(method=own)
    if mine.is_empty() or mine["wape"][0] is None:
        return []
    # Others that were tried at other origins had other days.
    others = [
        f"{row['method']} {row['wape']:.1%}"
        for row in days.filter(origins=mine["origins"][0]).iter_rows(named=True)
        if row["method"] != own
    ]
    bias = mine["bias"][0]
    side = "too many" if bias > 0 else "too few"
    words = f"A day of the force was off by {mine['wape'][0]:.1%} with {own}"
    words += f" ({', '.join(others)})" if others else ""
    return [f"{words}; in all it expected {abs(bias):.1%} {side}."]


def _weak(weak_spots: pl.DataFrame, own: str) -> list[str]:
    names = {"hour_of_week": "hours of the week", "special_day": "special days", "area": "areas"}
    told = []
    for kind, words in names.items():
        if weak_spots.filter(method=own, kind=kind).height == 1:
            continue
        worst = weak_spots.filter(pl.col("lost") > 0, method=own, kind=kind).sort("rank").head(3)
        if worst.height:
            listed = [
                f"{row['spot']} ({row['incidents']:,} came, {row['expected']:,.0f} expected)"
                for row in worst.iter_rows(named=True)
            ]
            told.append(f"It loses most in these {words}: {', '.join(listed)}.")
    return told
