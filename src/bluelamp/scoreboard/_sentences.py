"""What the scoreboard says, in sentences for those who have to decide by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from bluelamp import betting, periods
from bluelamp.errors import count_of

SPANS = ("hour", "day")


def say_switched(places: pl.DataFrame, time_zone: str) -> list[str]:
    """Say where another method stands in for the force's own, places of one kind and day together."""
    told = []
    switched = in_order(places.filter(pl.col("in_use") != pl.col("method")))
    for (method, in_use, since), here in switched.group_by("method", "in_use", "since", maintain_order=True):
        told.append(
            f"For {_listed(here)}, {in_use} stands in for {method} since {_day(since, time_zone)}: forecasts filed "
            f"before the fact showed that {method} loses to naive ones (false-switch rate "
            f"{100 * betting.ALPHA:.0f}%). It is filed in shadow, and comes back when it is shown to be better."
        )
    return told


def say_filing(filed: pl.DataFrame, faults: Sequence[str]) -> list[str]:
    """Say what is filed, and whether all of it is as it was filed."""
    if filed.is_empty() and not faults:
        return ["No forecast is filed yet. 'bluelamp plan' files each one whose days lie ahead when it is made."]
    told = [*faults]
    if filed.height:
        first, last = filed.row(0, named=True), filed.row(-1, named=True)
        words = f"{count_of(filed.height, 'forecast')} filed, the last on {_moment(last['made_at'])}"
        words += f" and the first on {_moment(first['made_at'])}" if filed.height > 1 else ""
        whole = "Not all of it is as it was filed" if faults else "Every one is as it was filed"
        told.append(f"{words}. {whole}. Seal of the last line: {last['seal']}")
    return told


def say(
    scores: pl.DataFrame, places: pl.DataFrame, filed: pl.DataFrame, run: Mapping[str, Any] | None, time_zone: str
) -> list[str]:
    """Say how the filed forecasts did, which method is in use where, and what is still to come."""
    if filed.is_empty():
        return []
    told = []
    if scores.is_empty():
        first: datetime = filed["first_at"].min()  # type: ignore[assignment]
        told.append(
            f"No filed forecast's time has passed yet, as far as run {run['run_id']} knows. The first day forecast is "
            f"{_day(first, time_zone)}; it is scored by the first plan whose data reaches beyond it."
            if run is not None
            else f"No filed forecast's time has passed yet. The first day forecast is {_day(first, time_zone)}."
        )
        return told
    least = betting.FIRST_WEEKS
    told += [
        _in_use_words(row, time_zone)
        for row in places.filter(level="force").iter_rows(named=True)
        if row["in_use"] == row["method"]
    ]
    told += say_switched(places, time_zone)
    calm = places.filter(level="district").filter(pl.col("in_use") == pl.col("method"))
    if calm.height:
        most = calm.sort("e_value").row(-1, named=True)
        told.append(
            f"{most['method']} is in use in {count_of(calm.height, 'district')}; the strongest evidence against it is "
            f"that of {most['area_id']}: {most['e_value']:.2g} of the {most['switch_at']:.0f} that switch it off."
        )
    if places.is_empty():
        told.append("Days are scored; no whole week (Monday to Sunday) has passed yet, by which methods are judged.")
    elif (weeks := int(places["weeks"].max())) <= least:  # type: ignore[arg-type]
        told.append(f"The first {least} weeks only show how much weeks differ: {count_of(weeks, 'week')} so far.")
    told += _days_words(scores)
    return told


def tabulate(scores: pl.DataFrame, places: pl.DataFrame) -> list[str]:
    """Give the latest filed forecasts' scores of the force by method, and the places' state, as lines of two tables."""
    if scores.is_empty():
        return []
    head = ["force, by the latest filed", "method", "scored", "sCRPS", "WAPE", "bias", "inside 50/80/95%"]
    body = []
    for span in SPANS:
        some = scores.filter(level="force", span=span, horizon="latest").sort("scrps", "method", nulls_last=True)
        for row in some.iter_rows(named=True):
            inside = "/".join(f"{100 * row[f'coverage_{share}']:.0f}" for share in (50, 80, 95))
            numbers = (_number(row["scrps"], "{:.4f}"), _number(row["wape"], "{:.1%}"), _number(row["bias"], "{:+.1%}"))
            body.append([f"by {span}", row["method"], f"{row['forecasts']:,}", *numbers, inside])
    lines = _aligned([head, *body], left=(0, 1))
    if places.height:
        head = ["place", "in use", "weeks", "against", "difference", "e-value", "switched at"]
        body = [
            [row["area_id"], row["in_use"], str(row["weeks"]), row["against"] or "",
             _number(row["difference"], "{:+.1%}"), f"{row['e_value']:.2f}", f"{row['switch_at']:.0f}"]
            for row in in_order(places).iter_rows(named=True)
        ]  # fmt: skip
        lines += ["", *_aligned([head, *body], left=(0, 1, 3))]
    return lines


def in_order(places: pl.DataFrame) -> pl.DataFrame:
    """Sort places: the force first."""
    return places.sort(pl.col("level") != "force", "area_id")


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _aligned(rows: list[list[str]], left: Sequence[int]) -> list[str]:
    widths = [max(len(each[column]) for each in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(each, widths, strict=True))
        ).rstrip()
        for each in rows
    ]


def _listed(places: pl.DataFrame) -> str:
    names = places.filter(level="district")["area_id"].to_list()
    districts = f"{'districts' if len(names) > 1 else 'district'} {' and '.join(names)}"
    whole = places.filter(level="force").height > 0
    return " and ".join(["the force"] * whole + [districts] * bool(names))


def _in_use_words(row: Mapping[str, Any], time_zone: str) -> str:
    since = f" again since {_day(row['since'], time_zone)}" if row["since"] is not None else ""
    words = f"{row['method']} is in use for the force{since}; {count_of(row['weeks'], 'week')} judged."
    if row["against"] is None:
        return words
    side = "lower (better) than" if row["difference"] < 0 else "higher (worse) than"
    return (
        f"{words} Its score is {abs(row['difference']):.1%} {side} that of {row['against']}, the naive method that did "
        f"best; the evidence that it loses is {row['e_value']:.2g} of the {row['switch_at']:.0f} that switch it off."
    )


def _days_words(scores: pl.DataFrame) -> list[str]:
    days = scores.filter(level="force", span="day", horizon="latest").filter(pl.col("wape").is_not_null())
    if days.is_empty():
        return []
    listed = [f"{row['method']} {row['wape']:.1%}" for row in days.sort("wape", "method").iter_rows(named=True)]
    scored = count_of(int(days["forecasts"].max()), "day")  # type: ignore[arg-type]
    return [f"Over {scored}, a day of the force was off by: {', '.join(listed)}."]


def _day(at: datetime, time_zone: str) -> str:
    local = at.astimezone(periods.zone(time_zone))
    return f"{local:%A} {local.day} {local:%B %Y}"


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%B %Y %H:%M} UTC"
