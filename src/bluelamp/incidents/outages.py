"""Outages: the hours in which the feed is not to be believed, found from the incidents themselves.

The rule, in order:

1. What is usual for a day is the median of the eight nearest same weekdays that have incidents, four before and four
   after; its hours share it out as the hours of all days do.
2. A silence is a stretch without one incident in which at least 20 usually come. (By chance alone that happens once in
   half a billion.) Every hour that it touches is masked. Before the first incident of the record and after the last,
   3 are enough, because a record rarely begins or ends at midnight. What lies between two silences less than 12 hours
   apart is masked with them: a feed that stutters is not believed in between.
3. A day is masked whole when the hours that are not silent have fewer than `outage_share` of their usual incidents,
   where at least 20 are usual.
4. Days that the force declared are masked.

So a day whose register was lost from 07:00 keeps its good hours, and a quiet night in a small town is not an outage.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods, tables

SILENCE = 20.0
SILENCE_AT_THE_EDGE = 3.0
_SHORTEST_ISLAND_HOURS = 12
_NEIGHBOURS = 4
# Later rules give way to earlier ones where they mask the same hour.
_RULES = ("declared", "no_incidents", "partial_first_day", "partial_last_day", "few_incidents")


def find_outages(
    incidents: pl.DataFrame,
    time_zone: str,
    outage_share: float = 0.25,
    declared: Sequence[tuple[date, date]] = (),
) -> pl.DataFrame:
    """Find the stretches of hours in which the feed is not to be believed, as the table `outages`.

    `incidents` needs `received_at`; `outage_share` is the share of its usual incidents below which a day is masked;
    `declared` lists days, first and last, that the force knows to be broken. Hours are local hours of `time_zone`. A
    stretch is 'no_incidents' where nothing came, 'partial_first_day' and 'partial_last_day' for the silent part of the
    day on which the feed came back or stopped, 'few_incidents' and 'declared' for whole days.
    """
    received = incidents["received_at"].drop_nulls().sort()
    if received.is_empty():
        return tables.empty("outages")
    days = _days_of(received, time_zone, declared)
    hours = _hours_of(days, received, time_zone)
    days = days.with_columns(usual=_usual(days))
    hours = _with_expected(hours, days)
    silent = _silent_hours(hours, received)
    rule = np.full(hours.height, -1)
    for code, mask in (
        ("few_incidents", _few(hours, silent, outage_share)),
        *_silent_by_rule(hours, silent, received, time_zone),
        ("declared", _declared(hours, declared)),
    ):
        rule[mask] = _RULES.index(code)
    return _stretches(hours, rule, days["ends_at"][-1])


def _days_of(received: pl.Series, time_zone: str, declared: Sequence[tuple[date, date]]) -> pl.DataFrame:
    """Every local day of the record and of what was declared, with its weekday and incidents."""
    local = received.dt.convert_time_zone(time_zone).dt.date()
    named = [day for stretch in declared for day in stretch]
    first, last = min([local[0], *named]), max([local[-1], *named])
    counted = local.alias("day").to_frame().group_by("day").agg(incidents=pl.len().cast(pl.Int64))
    return (
        periods.local_days(time_zone, first, last)
        .join(counted, on="day", how="left", maintain_order="left")
        .with_columns(pl.col("incidents").fill_null(0), weekday=pl.col("day").dt.weekday())
    )


def _hours_of(days: pl.DataFrame, received: pl.Series, time_zone: str) -> pl.DataFrame:
    """Every local hour of those days: `hour_starting`, `day`, `hour`, `incidents`."""
    starts = periods.hours_between(time_zone, days["starts_at"][0], days["ends_at"][-1])
    parts = periods.local_parts(starts, time_zone)
    at = np.searchsorted(_microseconds(starts), _microseconds(received), side="right") - 1
    counts = np.bincount(at, minlength=len(starts))
    return pl.DataFrame({"hour_starting": starts, "day": parts["day"], "hour": parts["hour"], "incidents": counts})


def _microseconds(instants: pl.Series) -> NDArray[np.int64]:
    return instants.cast(pl.Int64).to_numpy()


def _usual(days: pl.DataFrame) -> pl.Series:
    """What is usual for each day: the median of the nearest same weekdays with incidents, the day itself left out."""
    counts = days["incidents"].to_numpy()
    weekdays = days["weekday"].to_numpy()
    busy = counts[counts > 0]
    usual = np.full(len(counts), float(np.median(busy)) if len(busy) else 0.0)
    for weekday in range(1, 8):
        same = np.flatnonzero(weekdays == weekday)
        known = same[counts[same] > 0]
        for day in same:
            place = int(np.searchsorted(known, day))
            after = place + (1 if place < len(known) and known[place] == day else 0)
            near = np.concatenate([known[max(place - _NEIGHBOURS, 0) : place], known[after : after + _NEIGHBOURS]])
            if len(near) >= 3:
                usual[day] = float(np.median(counts[near]))
    return pl.Series("usual", usual)


def _with_expected(hours: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Share each day's usual incidents out over its hours, as the hours of all days do."""
    total = max(int(hours["incidents"].sum()), 1)
    shape = hours.group_by("hour").agg(share=pl.col("incidents").sum() / total)
    return (
        hours.join(days.select("day", "usual"), on="day", how="left", maintain_order="left")
        .join(shape, on="hour", how="left", maintain_order="left")
        .with_columns(expected=pl.col("usual") * pl.col("share"))
    )


def _silent_hours(hours: pl.DataFrame, received: pl.Series) -> NDArray[np.bool_]:
    """Which hours a silence touches."""
    starts = _microseconds(hours["hour_starting"])
    ends = np.append(starts[1:], starts[-1] + 3_600_000_000)
    edges = np.append(starts, ends[-1])
    usual_until = np.concatenate([[0.0], np.cumsum(hours["expected"].to_numpy())])
    at = _microseconds(received)
    moments = np.concatenate([[edges[0]], at, [edges[-1] - 1]])
    missed = np.diff(np.interp(moments, edges, usual_until))
    limit = np.full(len(missed), SILENCE)
    limit[[0, -1]] = SILENCE_AT_THE_EDGE
    silent = np.zeros(len(starts), dtype=bool)
    for gap in np.flatnonzero(missed >= limit):
        first, last = np.searchsorted(starts, moments[[gap, gap + 1]], side="right") - 1
        silent[first : last + 1] = True
    marked = np.flatnonzero(silent)
    for before, after in pairwise(marked):
        if 1 < after - before <= _SHORTEST_ISLAND_HOURS:
            silent[before:after] = True
    return silent


def _few(hours: pl.DataFrame, silent: NDArray[np.bool_], outage_share: float) -> NDArray[np.bool_]:
    heard = hours.with_columns(heard=~pl.Series(silent))
    by_day = heard.group_by("day", maintain_order=True).agg(
        came=(pl.col("incidents") * pl.col("heard")).sum(), usual=(pl.col("expected") * pl.col("heard")).sum()
    )
    few = by_day.filter((pl.col("usual") >= SILENCE) & (pl.col("came") < outage_share * pl.col("usual")))
    return hours["day"].is_in(few["day"].to_list()).to_numpy()


def _silent_by_rule(
    hours: pl.DataFrame, silent: NDArray[np.bool_], received: pl.Series, time_zone: str
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Name each silent hour by its day: the feed came back on it, stopped on it, or neither."""
    day = hours["day"].to_numpy()
    heard = (hours["incidents"].to_numpy() > 0) & ~silent
    heard_days = set(day[heard])
    came_back, stopped = np.zeros(len(day), dtype=bool), np.zeros(len(day), dtype=bool)
    for each in {one for one in set(day[silent]) if one in heard_days}:
        of_day = np.flatnonzero(day == each)
        begins, ends = silent[of_day[0]], silent[of_day[-1]]
        came_back[of_day] = begins and not ends
        stopped[of_day] = ends and not begins
    return [
        ("no_incidents", silent & ~came_back & ~stopped),
        ("partial_first_day", silent & came_back),
        ("partial_last_day", silent & stopped),
    ]


def _declared(hours: pl.DataFrame, declared: Sequence[tuple[date, date]]) -> NDArray[np.bool_]:
    mask = np.zeros(hours.height, dtype=bool)
    for first, last in declared:
        mask |= hours["day"].is_between(first, last).to_numpy()
    return mask


def _stretches(hours: pl.DataFrame, rule: NDArray[np.int64], ends_at: datetime) -> pl.DataFrame:
    """Join neighbouring hours under one rule."""
    following = hours["hour_starting"].shift(-1, fill_value=ends_at)
    marked = hours.select(
        "hour_starting", "incidents", "expected", following=following, rule=pl.Series(rule)
    ).with_columns(stretch=pl.col("rule").rle_id())
    joined = (
        marked.filter(pl.col("rule") >= 0)
        .group_by("stretch", maintain_order=True)
        .agg(
            starts_at=pl.col("hour_starting").first(),
            ends_at=pl.col("following").last(),
            rule=pl.col("rule").first().replace_strict(dict(enumerate(_RULES)), return_dtype=pl.String),
            incidents=pl.col("incidents").sum(),
            incidents_expected=pl.col("expected").sum(),
        )
        .drop("stretch")
    )
    return tables.publish(joined, "outages")


def stretches_believed(incidents: pl.DataFrame, outages: pl.DataFrame) -> list[tuple[datetime, datetime]]:
    """List the unbroken stretches between outages, from the first incident to the last."""
    received = incidents["received_at"].drop_nulls()
    if received.is_empty():
        return []
    begin, end = received.min(), received.max()
    assert isinstance(begin, datetime)
    assert isinstance(end, datetime)
    runs = []
    for starts_at, ends_at in outages.sort("starts_at").select("starts_at", "ends_at").iter_rows():
        if starts_at > begin:
            runs.append((begin, min(starts_at, end)))
        begin = max(begin, ends_at)
    if begin < end:
        runs.append((begin, end))
    return [(first, last) for first, last in runs if last - first > timedelta(0)]
