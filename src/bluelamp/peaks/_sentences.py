"""Peaks in sentences, and how often they came true."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from bluelamp import periods
from bluelamp.errors import count_of
from bluelamp.shifts import HOURS

# An effect smaller than this is not worth a word, nor a chance.
_LEAST_EFFECT, _LEAST_CHANCE = 0.02, 0.05
# Of fewer shifts a share says nothing.
_LEAST_TRIED = 20


def say_peak(row: Mapping[str, Any], place: str, time_zone: str) -> str:
    """Say one row of `peaks`: when, where, how many, what is usual, why, and how sure that is."""
    parts = [f"{say_when(row['starts_at'], row['ends_at'], time_zone)}, {place}: {_count(row['expected'])}"]
    parts[0] += f" ({row['p10']} to {row['p90']})"
    if row["usual"] is not None:
        parts[0] += f", usual {_count(row['usual'])}"
    if because := say_causes(row, time_zone):
        parts.append(f"because: {because}")
    if row["chance_above_usual"] is not None:
        parts.append(f"chance to exceed the usual {_percent(row['chance_above_usual'])}")
        if row["chance_unusual"] >= _LEAST_CHANCE:
            mark = "UNUSUAL: chance " if row["is_unusual"] else ""
            parts.append(f"{mark}to be unusual (above {row['control_limit']}) {_percent(row['chance_unusual'])}")
    if row["chance_short"] is not None:
        parts.append(f"chance of too few units on duty {_percent(row['chance_short'])}")
    return "; ".join(parts)


def say_when(starts_at: datetime, ends_at: datetime, time_zone: str) -> str:
    """Say when a shift or day is, by the force's clock: 'Friday 27 November, 16:00 to 24:00'."""
    zone = periods.zone(time_zone)
    start, end = starts_at.astimezone(zone), ends_at.astimezone(zone)
    day = f"{start:%A} {start.day} {start:%B}"
    if f"{start:%H:%M}{end:%H:%M}" == "00:0000:00":
        return day
    return f"{day}, {start:%H:%M} to {_end_of(end)}"


def _end_of(end: datetime) -> str:
    return "24:00" if f"{end:%H:%M}" == "00:00" else f"{end:%H:%M}"


def say_causes(row: Mapping[str, Any], time_zone: str) -> str:
    """Say what makes it what it is, as shares more or less: the weekday and hour, the level, events, holidays."""
    zone = periods.zone(time_zone)
    start = row["starts_at"].astimezone(zone)
    of_day = ("early {}", "{} by day", "{} evening")[start.hour // HOURS] if row["scope"] != "quarter" else "{}"
    named = {
        "time": of_day.format(f"{start:%A}"),
        "event": (row["event"] or "event").replace("_", " ").replace("other", "other event"),
        "holiday": row["holiday"] or "holiday",
        "driver": "weather and other drivers",
        "level": "trend and season",
    }
    effects = {name: row[f"effect_{name}"] for name in named}
    return ", ".join(
        f"{words} {'+' if effects[name] > 0 else '−'}{100 * abs(effects[name]):.0f}%"
        for name, words in named.items()
        if effects[name] is not None and abs(effects[name]) >= _LEAST_EFFECT
    )


def say_tried(tried: pl.DataFrame, counted: str, measure: str) -> str:
    """Say how often peaks came true before, from the rows of one method, or why that is not known."""
    rows = tried.filter(counted=counted, measure=measure)
    parts = []
    usual = rows.filter(pl.col("level").is_in(["force", "district"]), what="above_usual").group_by("band").agg(
        pl.col("told").sum(), came=(pl.col("came_true") * pl.col("told")).sum()
    )  # fmt: skip
    by_band = [
        f"with {band} in {came / shifts:.0%} ({shifts:,})"
        for band, shifts, came in usual.sort("band").select("band", "told", "came").iter_rows()
        if shifts >= _LEAST_TRIED
    ]
    if by_band:
        parts.append(f"shifts said to exceed the usual did so, where it was said {', '.join(by_band)}")
    highest = rows.filter(what="highest")
    if highest.height:
        shifts, said, came = (
            float(sum(each)) for each in zip(*(
                (row["told"], row["told"] * row["said"], row["told"] * row["came_true"])
                for row in highest.iter_rows(named=True)
            ), strict=True)
        )  # fmt: skip
        words = f"of {shifts:,.0f} listed among a week's highest, {came / shifts:.0%} were"
        parts.append(f"{words} ({said / shifts:.0%} were to be)")
    shares = {row["what"]: row for row in rows.filter(level="area").iter_rows(named=True)}
    if held := shares.get("share"):
        words = f"the places and times that were to hold {held['said']:.1%} of a week held {held['came_true']:.1%}"
        if inside := shares.get("share_in_range"):
            weeks = count_of(inside["told"], "week")
            words += f", in {round(inside['told'] * inside['came_true'])} of {weeks} within the range that was stated"
            words += f" ({inside['said']:.0%} were to be)"
        parts.append(words)
    if parts:
        what = measure if counted == "incidents" or measure == counted else f"{counted} of class '{measure}'"
        return f"Before (backtest, {what}): {'; '.join(parts)}."
    if tried.is_empty():
        return "How often such peaks came true is not yet tried: 'bluelamp backtest' does it."
    return (
        "How often such peaks came true is not known: the latest backtest had too few of them to try, or was made "
        "before they came in; 'bluelamp backtest' makes it anew."
    )


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _percent(share: float) -> str:
    """Write a chance; what some hundred paths never showed is possible all the same."""
    return "<1%" if share < 0.005 else ">99%" if share > 0.995 else f"{100 * share:.0f}%"
