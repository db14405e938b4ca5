"""Repeat demand: how much of the work comes from the same callers and the same places, known by their tokens alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from bluelamp import tables
from bluelamp.incidents.demand import ask_of_each

# A year, so that every season counts once.
WINDOW_DAYS = 365
TOP = 50
# An area with fewer callers or places than this gives away which one is meant.
LEAST_IN_AREA = 5
# A place lies in one area, or in two where beats were redrawn; logs that stand at a station belong to many.
_AREAS_OF_A_DEFAULT = 3
_BANDS = ((1, "1"), (2, "2"), (4, "3-4"), (9, "5-9"))
_USUAL = ("area_id", "class_code")
_GROUPS = (("all", "all"), ("class_code", "all"), ("all", "grade_code"), ("class_code", "grade_code"))


@dataclass(frozen=True)
class Repeats:
    """What repeats: the tables `repeats` and `most_repeated`."""

    table: pl.DataFrame
    most: pl.DataFrame


def find_repeats(
    incidents: pl.DataFrame,
    contacts: pl.DataFrame,
    service_times: pl.DataFrame,
    until: datetime,
    time_zone: str,
    crew_size_by_hour: Sequence[int] = (1,) * 24,
) -> Repeats:
    """Count incidents and officer-hours by how often the same caller and the same place come, in the year to `until`.

    An incident's caller is the one that its log names, else the first known one among its `contacts`, so that each
    incident counts once. Officer-hours are those of table `demand`. Incidents without a token are counted apart. A
    place with incidents in three areas or more is a default location and no repeat place. A kind of token that no
    incident of the window has gives no rows.
    """
    asked = ask_of_each(incidents, service_times, time_zone, crew_size_by_hour)
    since = until - timedelta(days=WINDOW_DAYS)
    worked = asked.select("class_code", "grade_code", "received_at", "area_id", seconds="officer_seconds_asked").hstack(
        [incidents["place_token"].alias("place"), _callers(incidents, contacts).alias("caller")]
    )
    worked = worked.filter(pl.col("received_at") >= since, pl.col("received_at") < until)
    # A force that has kept less than a year is told so by the window, not shown a year with few repeats.
    first = worked["received_at"].min()
    since = first if isinstance(first, datetime) else since
    rows, most = [], []
    for kind in ("caller", "place"):
        if worked[kind].is_null().all():
            continue
        named = worked.rename({kind: "token"})
        defaults = _default_locations(named) if kind == "place" else named.clear()["token"]
        named = named.with_columns(is_default=pl.col("token").is_in(defaults.implode()).fill_null(value=False))
        rows += [_count(named, *group).with_columns(kind=pl.lit(kind)) for group in _GROUPS]
        most.append(_most(named).with_columns(kind=pl.lit(kind)))
    if not rows:
        return Repeats(tables.empty("repeats"), tables.empty("most_repeated"))
    window = {"from_at": pl.lit(since), "to_at": pl.lit(until)}
    return Repeats(
        tables.publish(pl.concat(rows).with_columns(**window), "repeats"),
        tables.publish(pl.concat(most), "most_repeated"),
    )


def _callers(incidents: pl.DataFrame, contacts: pl.DataFrame) -> pl.Series:
    """Give each incident's caller: the log's own, else the first contact's whose caller is known."""
    first = (
        contacts.select("incident_id", "contacted_at", "contact_id", first_caller="caller_token")
        .drop_nulls(["incident_id", "first_caller"])
        .sort("contacted_at", "contact_id")
        .unique("incident_id", keep="first", maintain_order=True)
    )
    found = incidents.select("incident_id", "caller_token").join(
        first.select("incident_id", "first_caller"), on="incident_id", how="left", maintain_order="left"
    )
    return found.select(pl.coalesce("caller_token", "first_caller")).to_series()


def _default_locations(named: pl.DataFrame) -> pl.Series:
    """Name the places that have incidents in too many areas to be one."""
    areas = named.select("token", "area_id").drop_nulls().unique().group_by("token").len()
    return areas.filter(pl.col("len") >= _AREAS_OF_A_DEFAULT)["token"]


def _count(named: pl.DataFrame, by_class: str, by_grade: str) -> pl.DataFrame:
    """Count one grouping: how many tokens have how many incidents, and what these ask for."""
    group = {
        "class_code": pl.lit("all") if by_class == "all" else pl.col("class_code"),
        "grade_code": pl.lit("all") if by_grade == "all" else pl.col("grade_code"),
    }
    keys = list(group)
    each = (
        named.with_columns(**group)
        .group_by(*keys, "token", "is_default")
        .agg(incidents=pl.len().cast(pl.Int64), seconds=pl.col("seconds").sum())
    )
    band = pl.lit("10+")
    for most, words in reversed(_BANDS):
        band = pl.when(pl.col("incidents") <= most).then(pl.lit(words)).otherwise(band)
    band = pl.when(pl.col("is_default")).then(pl.lit("default")).otherwise(band)
    band = pl.when(pl.col("token").is_null()).then(pl.lit("unknown")).otherwise(band)
    known = pl.col("token").is_not_null().sum().cast(pl.Int64)
    return (
        each.group_by(*keys, incidents_each=band)
        .agg(tokens=known, incidents=pl.col("incidents").sum(), seconds=pl.col("seconds").sum())
        .with_columns(
            tokens=pl.when(pl.col("tokens") > 0).then("tokens"),
            officer_hours=pl.col("seconds") / 3600,
            share_of_incidents=pl.col("incidents") / pl.col("incidents").sum().over(keys),
            share_of_hours=_share(pl.col("seconds"), pl.col("seconds").sum().over(keys)),
        )
        .select(*keys, "incidents_each", "tokens", "incidents", "officer_hours", "share_of_incidents", "share_of_hours")
    )


def _most(named: pl.DataFrame) -> pl.DataFrame:
    """Give the tokens with the most incidents, from two upwards."""
    total = int(named["seconds"].sum())
    known = named.drop_nulls("token")
    tokens_in_area = known.select("area_id", "token").drop_nulls().unique().group_by("area_id").agg(among=pl.len())
    most = (
        known.group_by("token", "is_default")
        .agg(incidents=pl.len().cast(pl.Int64), seconds=pl.col("seconds").sum())
        .filter(pl.col("incidents") > 1)
        .sort("incidents", "seconds", "token", descending=[True, True, False])
        .head(TOP)
    )
    # Of equals the first by name, so that the same rows give the same table.
    usual = {name: pl.col(name).drop_nulls().sort().mode(maintain_order=True).first() for name in _USUAL}
    of_most = known.filter(pl.col("token").is_in(most["token"].implode())).group_by("token").agg(**usual)
    return (
        most.join(of_most, on="token", how="left", maintain_order="left")
        .join(tokens_in_area, on="area_id", how="left", maintain_order="left")
        .select(
            "token",
            "class_code",
            "incidents",
            "is_default",
            area_id=pl.when(pl.col("among") >= LEAST_IN_AREA, ~pl.col("is_default")).then("area_id"),
            rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
            officer_hours=pl.col("seconds") / 3600,
            share_of_hours=_share(pl.col("seconds"), pl.lit(total)),
        )
    )


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)
