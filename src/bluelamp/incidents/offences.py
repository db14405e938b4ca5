"""Recorded offences to counts by area and local hour: when they happened, as far as that is known, not when they were
recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from bluelamp import aoristic, periods, tables
from bluelamp.pools import UNKNOWN_AREA

# A range longer than this says nothing of the hour, nor of the week.
LONGEST = timedelta(days=28)
# So many of the offences of a day are to be recorded before the day counts as known, but it is never waited longer.
RECORDED_SHARE, LONGEST_WAIT = 0.95, timedelta(days=28)
# How long recording takes is learnt from offences of a year, all of them old enough to have been recorded.
_LEARNT_FROM, _OLD_ENOUGH = timedelta(days=421), timedelta(days=56)


@dataclass(frozen=True)
class CountedOffences:
    """What is counted, until when it is complete, and what was left out."""

    demand: pl.DataFrame  # the columns of `demand`; grade 'all'
    known_until: datetime
    wait: timedelta  # between an offence and when nearly all of its day are recorded
    spread: int  # offences whose time is a range of an hour and more
    without_time: int
    too_long: int  # offences whose range is longer than LONGEST
    placeholders: int  # offences of which only the month is known, put at the midnight that begins it


def count_offences(offences: pl.DataFrame, known_areas: Sequence[str], time_zone: str) -> CountedOffences | None:
    """Count offences by area, class and the local hour in which they happened; nothing where none has a time.

    An offence whose time is a range has one moment of it, drawn evenly (`aoristic.draw`). One whose area is empty, or
    not among `known_areas`, counts in the area 'unknown'. What happened last is recorded late: counts end at the local
    midnight before which 95% of offences are recorded, judged by how long recording took in the year before.
    """
    start, end = aoristic.ranges(pl.col("from_at"), pl.col("to_at"))
    # In an order of their own, so that the order in which they were imported decides nothing.
    rows = offences.sort("offence_id").with_columns(length=end - start)
    timed = rows.filter(pl.col("length") <= LONGEST)
    is_first = aoristic.find_placeholders(timed, time_zone)
    placeholders = int(is_first.sum())
    timed = timed.filter(~is_first)
    if timed.is_empty():
        return None
    happened = timed.with_columns(at=aoristic.draw(timed.select("from_at", "to_at")))
    last = offences["recorded_at"].max()
    assert isinstance(last, datetime)
    learnt = happened.filter(pl.col("at").is_between(last - _LEARNT_FROM, last - _OLD_ENOUGH))
    waits = (learnt["recorded_at"] - learnt["at"]).clip(timedelta(0), LONGEST_WAIT)
    found = waits.quantile(RECORDED_SHARE, "nearest")
    wait = LONGEST_WAIT if not isinstance(found, timedelta) else found
    day = (last - wait).astimezone(periods.zone(time_zone)).date()
    known_until: datetime = periods.local_days(time_zone, day, day)["starts_at"][0]
    kept = happened.filter(pl.col("at") < known_until)
    if kept.is_empty():
        return None
    first, latest = kept["at"].min(), kept["at"].max()
    assert isinstance(first, datetime)
    assert isinstance(latest, datetime)
    hour = periods.hour_starting(pl.col("at"), time_zone, first - timedelta(days=1), latest + timedelta(days=1))
    counted = (
        kept.with_columns(
            area_id=pl.when(pl.col("area_id").is_in(list(known_areas))).then("area_id").otherwise(pl.lit(UNKNOWN_AREA)),
            hour_starting=hour,
        )
        .group_by("area_id", "hour_starting", "class_code")
        .agg(incidents=pl.len().cast(pl.Int64))
        .with_columns(
            grade_code=pl.lit("all"),
            origin=pl.lit("public"),
            deployed=pl.lit(0.0),
            officer_hours=pl.lit(0.0),
            measured=pl.lit(0),
        )
    )
    return CountedOffences(
        demand=tables.publish(counted, "demand"),
        known_until=known_until,
        wait=wait,
        spread=timed.filter(pl.col("length") >= timedelta(hours=1)).height,
        without_time=rows.filter(pl.col("length").is_null()).height,
        too_long=rows.filter(pl.col("length") > LONGEST).height,
        placeholders=placeholders,
    )
