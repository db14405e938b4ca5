"""The duty planner's page: leave left by shift, what a week's time goes to, investigators, what hours were lost to.

Every figure is one of `headroom`, `time_budget`, `required_investigators`, `abstraction` or `relief_factors`, and says
which.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from bluelamp import periods
from bluelamp.errors import UsageError, count_of
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.wording import percent

NAMES = ("headroom", "time_budget", "required_investigators", "abstraction", "relief_factors")
_DAYS_SHOWN = 7
_WEEKDAYS = {"mon": "Mon", "tue": "Tue", "wed": "Wed", "thu": "Thu", "fri": "Fri", "sat": "Sat", "sun": "Sun"}


def render_strength_page(
    results: Mapping[str, pl.DataFrame],
    run: Mapping[str, Any] | None,
    *,
    force_name: str,
    folder: str,
    time_zone: str,
    day: str | None = None,
) -> str:
    """Give the page of a run's `results`; those of `NAMES` are needed, and may be empty.

    Leave is shown for the seven days from the local `day` that is asked for (2026-11-23), the first ones where none is.
    Raises UsageError where that is no day with shifts.
    """
    zone = periods.zone(time_zone)
    about = "" if run is None else f"Data until {_moment(run['data_until'].astimezone(zone))}."
    return TEMPLATES.get_template("strength.html").render(
        about=about,
        force_name=force_name,
        folder=folder,
        run_id=None if run is None else run["run_id"],
        run_query="" if run is None else f"?run={run['run_id']}",
        run_part="" if run is None else f"&run={run['run_id']}",
        leave=_leave(results["headroom"], day, zone),
        budget=_budget(results["time_budget"]),
        investigators=_investigators(results["required_investigators"]),
        lost=_lost(results["abstraction"]),
        factors=results["relief_factors"].to_dicts(),
        percent=percent,
        number=lambda value, digits=1: "" if value is None else f"{value:,.{digits}f}",
        signed=lambda value: "?" if value is None else f"{value:+d}".replace("-", "−") if value else "0",
    )


def _moment(at: datetime) -> str:
    return f"{at:%a} {at.day} {at:%b %H:%M}"


def _leave(told: pl.DataFrame, day: str | None, zone: Any) -> dict[str, Any] | None:
    """Lay out a week of shifts as columns, and pools and skills as rows."""
    if told.is_empty():
        return None
    days = told["local_day"].unique().sort().to_list()
    first = days[0]
    if day:
        try:
            first = date.fromisoformat(day)
        except ValueError:
            first = None
        if first not in days:
            raise UsageError(f"There are no shifts on '{day}'. They reach from {days[0]} to {days[-1]}.")
    shown = told.filter(pl.col("local_day").is_between(first, first + timedelta(days=_DAYS_SHOWN - 1)))
    shifts = shown["shift_starting"].unique().sort().to_list()
    rows = []
    # Who answers calls is looked for first: the role that demand asks for.
    answers = pl.col("demand_officers").is_not_null().any().over("role_code")
    in_order = shown.sort(~answers, "role_code", "pool_id", maintain_order=True)
    for (role, pool, skill), some in in_order.group_by("role_code", "pool_id", "skill_code", maintain_order=True):
        by_shift = {row["shift_starting"]: row for row in some.iter_rows(named=True)}
        name = f"{pool} ({role})" if skill == "any" else f"{pool} ({role}), {skill}"
        rows.append({"words": name, "cells": [by_shift.get(shift) for shift in shifts]})
    return {
        "sentences": _in_short(shown, zone),
        "shifts": [f"{at:%a} {at.day} {at:%H:%M}" for at in (shift.astimezone(zone) for shift in shifts)],
        "rows": rows,
        "weeks": [
            {"address": f"{each:%Y-%m-%d}", "words": f"{each:%a} {each.day} {each:%b}", "is_shown": each == first}
            for each in days[::_DAYS_SHOWN]
        ],
    }


def _in_short(shown: pl.DataFrame, zone: Any) -> list[str]:
    """Say how many shifts of the week are short or have nobody to spare, and where it is tightest."""
    known = shown.filter(pl.col("headroom").is_not_null(), pl.col("skill_code") == "any")
    if known.is_empty():
        return []
    short, tight = known.filter(pl.col("headroom") < 0), known.filter(pl.col("headroom") == 0)
    told = [
        f"Of {count_of(known.height, 'shift')} of pools in these days {short.height:,} are short, and in "
        f"{tight.height:,} more nobody could be away."
    ]
    if short.height:
        worst = short.sort("headroom", "shift_starting", "pool_id").row(0, named=True)
        lacking = count_of(-worst["headroom"], "officer")
        at = worst["shift_starting"].astimezone(zone)
        told.append(f"The tightest: {worst['pool_id']} on {at:%A} {at.day} {at:%B} from {at:%H:%M}, by {lacking}.")
    return told


def _budget(told: pl.DataFrame) -> list[dict[str, Any]]:
    """Lay out the whole week of each pool, then the shifts of all of them in the order of the week."""
    order = {name: number for number, name in enumerate(_WEEKDAYS)}
    rows = told.filter((pl.col("weekday") == "all") | (pl.col("pool_id") == "all")).to_dicts()
    rows.sort(key=lambda row: (row["weekday"] != "all", row["pool_id"] != "all", order.get(row["weekday"], -1),
                               row["from_hour"], row["pool_id"]))  # fmt: skip
    for row in rows:
        pool = "All pools" if row["pool_id"] == "all" else row["pool_id"]
        when = "week" if row["weekday"] == "all" else f"{_WEEKDAYS[row['weekday']]} from {row['from_hour']:02}:00"
        row["words"] = f"{pool}, {when}"
    return rows


def _investigators(told: pl.DataFrame) -> dict[str, Any] | None:
    """Lay out teams as they stand in the last week that is told, the force last."""
    if told.is_empty():
        return None
    last = told.filter(pl.col("week_starting") == pl.col("week_starting").max())
    rows = last.sort(pl.col("pool_id") == "all", "pool_id").to_dicts()
    return {
        "rows": [{**row, "words": "All teams" if row["pool_id"] == "all" else row["pool_id"]} for row in rows],
        "weeks": told["week_starting"].n_unique(),
        "within": rows[-1]["age_target_weeks"],
    }


def _lost(told: pl.DataFrame) -> dict[str, Any] | None:
    """Lay out roles as rows and causes as columns, the whole last."""
    if told.is_empty():
        return None
    of_all = told.group_by("cause").agg(pl.col("lost_hours").sum()).sort(-pl.col("lost_hours"), "cause")
    causes = [cause for cause in of_all["cause"] if cause != "all"] + ["all"]
    rows = []
    for (role,), some in told.group_by("role_code", maintain_order=True):
        by_cause = {row["cause"]: row for row in some.iter_rows(named=True)}
        rows.append(
            {"words": role, "hours": by_cause["all"]["rostered_hours"], "cells": [by_cause.get(c) for c in causes]}
        )
    return {
        "causes": [cause.replace("_", " ") for cause in causes],
        "rows": rows,
        "from": told["from_at"][0],
        "to": told["to_at"][0],
    }
