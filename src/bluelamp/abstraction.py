"""Abstraction: what part of rostered hours is lost, to what, and how many officers a post takes for it.

Of the duties of the last year, read as `duty_sheet` says, so that what is lost here is what is taken off the sheet when
officers are counted for the coming hours. Each second of a duty is lost once: to an absence by its kind, then to work
in another role than the posted one, then to planned operations, to going out with a tutor, to not being sent out, to
briefing and to refreshments.

- **Abstraction** is lost ÷ rostered hours. Rest days are not in it: nobody is rostered on them.
- The **relief factor** of a post is the hours a week that it must be covered ÷ the net hours a week that one officer
  gives. Rest days are inside it. It is the relief factor by rest days alone ÷ (1 - abstraction).

Both are stated together, because either is quoted as "the" factor elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from bluelamp import periods, tables
from bluelamp.breaks import BreakShares
from bluelamp.duty_sheet import STATES, add_capability, as_it_came, place_refreshments, read_sheet, turns_of

_KINDS = ("leave", "sickness", "training", "court", "secondment", "other")
# In the order in which they are told; the later of two absences at once is the one that counts.
CAUSES = ("absent", *_KINDS, "other_role", "operations", "tutored", "restricted", "briefing", "refreshments")
WEEKS = 52
# Leave has its seasons: less of the record than this says too little of a year to be used for gross.
LEAST_WEEKS = 26
# Where fewer have a role, why they were away would tell of single people.
LEAST_PEOPLE = 10
_WEEKS_A_YEAR = 365.25 / 7


@dataclass(frozen=True)
class Abstraction:
    """The tables `abstraction` and `relief_factors`, and the share of rostered hours that is lost by role.

    `by_role` has the roles of which the record says enough of a year.
    """

    table: pl.DataFrame
    relief_factors: pl.DataFrame
    by_role: Mapping[str, float]
    weeks: float


def measure_abstraction(
    duties: pl.DataFrame,
    people: pl.DataFrame,
    absences: pl.DataFrame,
    commitments: pl.DataFrame,
    *,
    until: datetime,
    time_zone: str,
    day_starts_at: int = 7,
    briefing_minutes: int = 0,
    refreshments: Sequence[tuple[float, int]] = (),
    break_shares: BreakShares | None = None,
    desk_roles: Sequence[str] = (),
    post_hours_a_week: Sequence[float] = (56, 168),
) -> Abstraction:
    """Measure what the duties of the year before `until` lost, by posted role and cause.

    The record begins with its first duty, a year before `until` at most. Without absences nothing is measured: a sheet
    that names only who came has lost what was taken off it before.
    """
    nothing = Abstraction(tables.empty("abstraction"), tables.empty("relief_factors"), {}, 0.0)
    came = as_it_came(duties.filter(pl.col("starts_at") < until))
    earliest = came["starts_at"].min()
    if earliest is None or absences.is_empty():
        return nothing
    assert isinstance(earliest, datetime)
    since = max(earliest, until - timedelta(weeks=WEEKS))
    came = came.filter(pl.col("ends_at") > since).with_columns(
        posted=pl.coalesce("posted_role_code", "role_code"), place=pl.lit(0, dtype=pl.Int64)
    )
    if came.is_empty():
        return nothing
    came = came.sort("begins", -pl.col("finishes"), "duty_id")
    lost = _lost_by_cause(
        came, people, absences, since=since, until=until, time_zone=time_zone, day_starts_at=day_starts_at,
        briefing_minutes=briefing_minutes, refreshments=refreshments, break_shares=break_shares, desk_roles=desk_roles,
    )  # fmt: skip
    asked = _asked_by_operations(commitments, since, until)
    weeks = (until - since) / timedelta(weeks=1)
    headcount = _count_people(came, people, since, until, time_zone)
    rows, factors, by_role = [], [], {}
    for role in came["posted"].unique().sort():
        seconds = lost.filter(pl.col("posted") == role)
        hours = _take_operations(dict(seconds.select("cause", "hours").iter_rows()), asked.get(role, 0.0))
        rostered = sum(hours.values())
        away = {cause: hours.get(cause, 0.0) for cause in CAUSES}
        if came.filter(pl.col("posted") == role)["person_id"].n_unique() < LEAST_PEOPLE:
            away["absent"] = sum(away.pop(kind) for kind in _KINDS)
        officers, contracted = headcount.get(role, (0.0, None))
        total = sum(away.values())
        common = {"role_code": role, "from_at": since, "to_at": until, "officers": officers}
        rows += [
            common | {"cause": cause, "rostered_hours": rostered, "lost_hours": each, "share": each / rostered}
            for cause, each in [*away.items(), ("all", total)]
            if each > 0 or cause == "all"
        ]
        if officers:
            each_week = rostered / officers / weeks
            factors += [common | _relief(post, each_week, total / rostered, contracted) for post in post_hours_a_week]
        if weeks >= LEAST_WEEKS:
            by_role[role] = total / rostered
    return Abstraction(
        tables.publish(pl.DataFrame(rows, infer_schema_length=None), "abstraction"),
        tables.publish(pl.DataFrame(factors, infer_schema_length=None), "relief_factors")
        if factors
        else tables.empty("relief_factors"),
        by_role,
        weeks,
    )


def _relief(post: float, rostered_a_week: float, abstraction: float, contracted: float | None) -> dict[str, Any]:
    net = rostered_a_week * (1 - abstraction)
    return {
        "post_hours_a_week": float(post),
        "contracted_hours_a_year": None if contracted is None else contracted * _WEEKS_A_YEAR,
        "rostered_hours_a_year": rostered_a_week * _WEEKS_A_YEAR,
        "net_hours_a_year": net * _WEEKS_A_YEAR,
        "abstraction": abstraction,
        "relief_factor_rostered": post / rostered_a_week,
        "relief_factor": post / net if net > 0 else None,
    }


def _lost_by_cause(
    came: pl.DataFrame,
    people: pl.DataFrame,
    absences: pl.DataFrame,
    *,
    since: datetime,
    until: datetime,
    time_zone: str,
    day_starts_at: int,
    briefing_minutes: int,
    refreshments: Sequence[tuple[float, int]],
    break_shares: BreakShares | None,
    desk_roles: Sequence[str],
) -> pl.DataFrame:
    """Add up the hours of the sheet by `posted` role and `cause`; what is not lost has the cause 'there'."""
    able = add_capability(came, people, time_zone, day_starts_at, desk_roles)
    turns = turns_of(came)
    sheet = read_sheet(
        able,
        absences.select(
            "person_id", begins=pl.col("starts_at").dt.epoch("s"), finishes=pl.col("ends_at").dt.epoch("s"),
            cause=pl.col("kind").replace_strict(_KINDS, range(len(_KINDS)), return_dtype=pl.Int64),
        ),
        turns.with_columns(finishes=pl.min_horizontal("finishes", pl.col("begins") + briefing_minutes * 60)),
        place_refreshments(turns, refreshments, break_shares),
        first=int(since.timestamp()),
        last=int(until.timestamp()),
    )  # fmt: skip
    pieces = sheet.pieces.with_columns(
        posted=able["posted"].gather(sheet.pieces["duty"]), performed=able["role_code"].gather(sheet.pieces["duty"])
    )
    at = pl.col("state").replace_strict(range(len(STATES)), STATES, return_dtype=pl.String)
    kind = pl.col("cause").replace_strict(range(len(_KINDS)), _KINDS, default=None, return_dtype=pl.String)
    cause = (
        pl.when(at == "absent").then(kind)
        .when(pl.col("posted") != pl.col("performed")).then(pl.lit("other_role"))
        .when(at.is_in(["in_pairs", "alone"])).then(pl.lit("there"))
        .otherwise(at)
    )  # fmt: skip
    return (
        pieces.group_by("posted", cause=cause)
        .agg(hours=(pl.col("finishes") - pl.col("begins")).sum() / 3600)
        .sort("posted", "cause")
    )


def _take_operations(hours: dict[str, float], asked: float) -> dict[str, float]:
    """Take planned operations from those who could have gone out, in briefing and at refreshments alike."""
    fit = sum(hours.get(name, 0.0) for name in ("there", "briefing", "refreshments"))
    taken = min(asked, fit)
    stay = 1 - taken / fit if fit > 0 else 1.0
    return {
        name: each * (stay if name in ("there", "briefing", "refreshments") else 1.0) for name, each in hours.items()
    } | {"operations": taken}


def _asked_by_operations(commitments: pl.DataFrame, since: datetime, until: datetime) -> dict[str, float]:
    inside = commitments.with_columns(
        begins=pl.max_horizontal("starts_at", pl.lit(since)), finishes=pl.min_horizontal("ends_at", pl.lit(until))
    ).filter(pl.col("begins") < pl.col("finishes"))
    hours = (pl.col("finishes") - pl.col("begins")).dt.total_seconds() * pl.col("officers") / 3600
    return dict(inside.group_by("role_code").agg(hours.sum()).sort("role_code").iter_rows())


def _count_people(
    came: pl.DataFrame, people: pl.DataFrame, since: datetime, until: datetime, time_zone: str
) -> dict[str, tuple[float, float | None]]:
    """Give by role how many had it on average, and the hours a week that they are contracted for on average.

    Those of `people`; where it has nobody of a role, those who had a duty.
    """
    zone = periods.zone(time_zone)
    first, last = since.astimezone(zone).date(), until.astimezone(zone).date() - timedelta(days=1)
    days = max((last - first).days + 1, 1)
    begins = pl.max_horizontal(pl.col("valid_from").fill_null(date.min), pl.lit(first))
    finishes = pl.min_horizontal(pl.col("valid_to").fill_null(date.max), pl.lit(last))
    held = people.with_columns(days=((finishes - begins).dt.total_days() + 1).clip(0))
    of_people = held.group_by("role_code").agg(
        pl.col("days").sum() / days,
        hours=pl.when(pl.col("hours_per_week").is_not_null().all()).then(
            (pl.col("hours_per_week") * pl.col("days")).sum() / pl.col("days").sum()
        ),
    )
    found: dict[str, tuple[float, float | None]] = {
        role: (float(number), None)
        for role, number in came.group_by("posted").agg(pl.col("person_id").n_unique()).iter_rows()
    }
    found |= {
        role: (number, None if hours is None or np.isnan(hours) else hours)
        for role, number, hours in of_people.iter_rows()
        if number > 0
    }
    return found
