"""Peaks of demand and of offending: when and where most is to come, how sure that is, how unusual, and why.

A peak is a shift (of the next day, or of the next seven days) or a local day (of the next 91) among the highest tenth
of its place by what is expected. It is held against what is usual: the mean of the same shift of the same weekday in
the last 26 weeks that were seen, for which a roster that repeats by the week is set. A count is unusual above a control
limit, which a shift of the usual kind exceeds no more often than stated: Shewhart's chart, with the limits of counts
that vary more than chance (Spiegelhalter 2005, *Handling over-dispersion of performance indicators*, Qual. Saf. Health
Care 14, 347–351), here of a negative binomial. docs/explanation/peaks.md gives the formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods, quantiles, tables
from bluelamp.pools import UNKNOWN_AREA
from bluelamp.shifts import CAUSES, Ahead, Coming, Floats, Integers, Past, count_past

NAMES = ("peaks", "peak_hours")
# Weeks that make the usual, weeks that make a year's mean, and how few of them say nothing.
USUAL_WEEKS, YEAR_WEEKS, LEAST_WEEKS = 26, 52, 4
# Of the shifts or days of a scope, this part is listed: the highest by what is expected.
LISTED = 0.1
# A peak of less than this a shift or day, on average over the scope, is a peak of chance.
LEAST_EXPECTED = {"district": 1.0, "force": 1.0, "area": 5.0}
# Chance to exceed the control limit from which a shift is marked as unusual.
UNUSUAL = 0.5
# What lies above this level of the history's own limit is left out when its spread is found again.
_OUTLYING = 0.001
# The table of hours goes on until they hold this share, so that any smaller one can be asked for.
_MOST_SHARE = 0.5
# An effect smaller than this is not worth a word.
_LEAST_EFFECT = 0.02
_RANGE = (0.1, 0.9)


@dataclass(frozen=True)
class Short:
    """How far staff are set for what comes: areas × hours of the joint paths.

    `chance` is that more units are asked for than are on duty in the pool that covers the area then, not a number where
    duties are not known; `incidents` are those that are expected there.
    """

    chance: Floats
    incidents: Floats


@dataclass(frozen=True)
class Usual:
    """What is usual in each slot of the week, places × measures × slots."""

    mean: Floats  # not a number where too few weeks were seen
    limit: Floats  # the most that is not unusual
    weeks: Integers  # slots: weeks seen
    year: Floats  # places × measures: the mean of all slots over the last year


def find_peaks(
    coming: Coming,
    demand: pl.DataFrame,
    outages: pl.DataFrame,
    *,
    until: datetime,
    known_until: datetime,
    time_zone: str,
    false_alarms: float,
    short: Short | None = None,
) -> pl.DataFrame:
    """Find the peaks of the next day, week and quarter, as the table `peaks`.

    `demand` and `outages` are the history that the forecast was made from, which begins `until` and is known as far as
    `known_until`. A count of the usual kind exceeds its control limit with a chance of `false_alarms` at most. Without
    `short` nothing is said of staffing.
    """
    cut = coming.cut
    by_shift, by_day, of_areas = (
        find_usual(past, slots, false_alarms)
        for past, slots in zip(
            count_past(
                demand, outages, cut, until=until, known_until=known_until, weeks=YEAR_WEEKS, time_zone=time_zone
            ),
            (21, 7, 21), strict=True,
        )
    )  # fmt: skip
    areas = coming.areas.to(coming.area_shifts)
    area_places = [("area", name) for name in cut.area_ids]
    holidays = [coming.holiday_of_day[day] for day in _day_of(coming.shifts, time_zone)]
    parts = []
    for ahead, usual, places, measures, events in (
        (coming.shifts, by_shift, cut.places, cut.measures, coming.events_of_shift),
        (areas, of_areas, area_places, cut.wholes, coming.events_of_area),
    ):
        told = _Told(ahead, usual, places, measures, events, holidays, time_zone, _short(short, coming, places, ahead))
        first_day = int((np.array(_day_of(ahead, time_zone)) == 0).sum())
        parts += [told.rows("day", first_day), told.rows("week", len(ahead.stretches))]
    quarter = _Told(
        coming.days, by_day, cut.places, cut.measures, coming.events_of_day, coming.holiday_of_day, time_zone,
        _short(short, coming, cut.places, coming.days),
    )  # fmt: skip
    parts.append(quarter.rows("quarter", len(coming.days.stretches)))
    found = pl.concat(parts).with_columns(counted=pl.lit(cut.counted))
    # With one district, or with what has no place, a district says nothing that the force does not.
    districts = [name for name in cut.district_ids if name != UNKNOWN_AREA]
    known = (pl.col("level") != "district") | (pl.lit(len(districts) > 1) & (pl.col("area_id") != UNKNOWN_AREA))
    one_area = len([name for name in cut.area_ids if name != UNKNOWN_AREA]) < 2
    known &= (pl.col("level") != "area") | (pl.lit(not one_area) & (pl.col("area_id") != UNKNOWN_AREA))
    return tables.publish(found.filter(known), "peaks")


def find_usual(past: Past, slots: int, false_alarms: float) -> Usual:
    """Find what is usual in each slot of the week, and the most that is not unusual there.

    The spread of a place's measure about its slots' means is found twice: from all that was seen, and again without
    what lies above the limit that this gives (phase I of a control chart), so that last summer's festival does not hide
    the next one.
    """
    by_slot = [np.flatnonzero((past.slot == slot) & past.seen)[-USUAL_WEEKS:] for slot in range(slots)]
    weeks = np.array([len(each) for each in by_slot], dtype=np.int64)
    counts = [past.counts[:, :, each].astype(np.float64) for each in by_slot]
    mean = np.stack([_mean(each) for each in counts], axis=2)
    spread = find_spread(counts)
    outlying = control_limit(mean, spread, weeks, _OUTLYING)
    spread = find_spread(
        [np.where(each > outlying[:, :, slot, None], np.nan, each) for slot, each in enumerate(counts)]
    )
    limit = control_limit(mean, spread, weeks, false_alarms)
    of_year = [past.counts[:, :, (past.slot == slot) & past.seen].astype(np.float64) for slot in range(slots)]
    year = np.stack([_mean(each) for each in of_year], axis=2).mean(axis=2)
    # A year's mean of half a year has half of the seasons.
    year = np.where(min((each.shape[2] for each in of_year), default=0) >= USUAL_WEEKS, year, np.nan)
    return Usual(mean, np.where(np.isnan(mean), np.nan, limit), weeks, year)


def _mean(counts: Floats) -> Floats:
    """Give the mean of the last axis; not a number where there is too little."""
    if counts.shape[-1] < LEAST_WEEKS:
        return np.full(counts.shape[:-1], np.nan)
    found: Floats = counts.mean(axis=-1)
    return found


def find_spread(counts: Sequence[Floats]) -> Floats:
    """Give the relative variance of rates beyond chance, places × measures, from counts by slot (… × weeks).

    By moments: a count with mean m has the variance m + v m², so that v = Σ (n − 1)(s² − m) / Σ (n − 1) m² over the
    slots; never below nought. What is not a number is left out.
    """
    above, below = (np.zeros(counts[0].shape[:2]) for _ in range(2))
    for each in counts:
        there = ~np.isnan(each)
        seen = there.sum(axis=-1)
        sums = np.where(there, each, 0.0).sum(axis=-1)
        mean = sums / np.maximum(seen, 1)
        squares = np.where(there, (each - mean[..., None]) ** 2, 0.0).sum(axis=-1)
        free = np.maximum(seen - 1, 0)
        above += squares - free * mean
        below += free * mean**2
    return np.maximum(above / np.maximum(below, 1e-9), 0.0)


def control_limit(mean: Floats, spread: Floats, weeks: Integers, false_alarms: float) -> Floats:
    """Give the count that one of the usual kind exceeds with a chance of `false_alarms` at most; … × slots.

    The mean of n weeks is itself unsure by a n-th of a count's variance, which the next count is added to. Half an
    incident more is taken to have been seen, so that where none ever was the first is not the end of the world.
    """
    seen = np.maximum(weeks, 1)
    usual = np.nan_to_num(mean) + 0.5 / seen
    relative = spread[..., None] + (1 / usual + spread[..., None]) / seen
    flat = quantiles.of_negative_binomial(usual.ravel(), relative.ravel(), (1 - false_alarms,))
    found: Floats = flat[:, 0].reshape(usual.shape).astype(np.float64)
    return found


def _day_of(ahead: Ahead, time_zone: str) -> list[int]:
    """Number the local day of each stretch from the first."""
    days = periods.local_parts(ahead.stretches.starts_at, time_zone)["day"]
    return (days - days[0]).dt.total_days().to_list() if len(days) else []


def _short(short: Short | None, coming: Coming, places: Sequence[tuple[str, str]], ahead: Ahead) -> Floats | None:
    """Give the chance that an incident falls where and when more units are asked for than are on duty, places ×
    stretches; not a number where it is not known.
    """
    if short is None:
        return None
    hours = min(len(ahead.stretches.of_hour), short.chance.shape[1])
    first = np.flatnonzero(np.diff(ahead.stretches.of_hour[:hours], prepend=-1))
    members = np.stack([_members(coming, level, name) for level, name in places]).astype(np.float64)
    incidents = short.incidents[:, :hours]
    late, every = (
        np.add.reduceat(members @ each, first, axis=1)
        for each in (np.nan_to_num(short.chance[:, :hours]) * incidents, incidents)
    )
    unknown = np.add.reduceat(members @ (np.isnan(short.chance[:, :hours]) & (incidents > 0)), first, axis=1) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(unknown | (every <= 0), np.nan, late / every)
    beyond = np.full((len(places), len(ahead.stretches) - found.shape[1]), np.nan)
    return np.concatenate([found, beyond], axis=1)


def _members(coming: Coming, level: str, name: str) -> NDArray[np.bool_]:
    cut = coming.cut
    if level == "force":
        return np.ones(len(cut.area_ids), dtype=np.bool_)
    if level == "area":
        return np.array(cut.area_ids) == name
    return np.array(cut.district_ids)[cut.district_of_area] == name


@dataclass(frozen=True)
class _Told:
    """What is told of some places' coming stretches."""

    ahead: Ahead
    usual: Usual
    places: Sequence[tuple[str, str]]
    measures: Sequence[str]
    events: Sequence[Sequence[str]]
    holidays: Sequence[str]
    time_zone: str
    short: Floats | None

    def rows(self, scope: str, stretches: int) -> pl.DataFrame:
        """Give a row for each peak among the first so many stretches."""
        expected = self.ahead.expected[:, :, :stretches]
        slot = self.ahead.stretches.slot[:stretches]
        usual, limit = self.usual.mean[:, :, slot], self.usual.limit[:, :, slot]
        counts = self.ahead.counts[:, :, :stretches]
        unusual = np.where(np.isnan(limit), np.nan, (counts > limit[..., None]).mean(axis=-1))
        rank = 1 + np.argsort(np.argsort(-expected, axis=2, kind="stable"), axis=2, kind="stable")
        least = np.array([LEAST_EXPECTED[level] for level, _ in self.places])[:, None, None]
        enough = expected.mean(axis=2, keepdims=True) >= least if stretches else expected > 0
        listed = enough & ((rank <= np.ceil(LISTED * stretches)) | (np.nan_to_num(unusual) >= UNUSUAL))
        place, measure, at = np.nonzero(listed)
        low, high = quantiles.of_counts(counts[listed], _RANGE).T
        starts, ends = self.ahead.stretches.starts_at, self.ahead.stretches.ends_at
        effects = {name: each[:, :, :stretches][listed] for name, each in self._effects().items()}
        names = [self.events[number][when] for number, when in zip(place.tolist(), at.tolist(), strict=True)]
        holidays = [self.holidays[when] for when in at.tolist()]
        short = np.full(len(at), np.nan) if self.short is None else self.short[place, at]
        return pl.DataFrame(
            {
                "scope": pl.repeat(scope, len(at), dtype=pl.String, eager=True),
                "measure": pl.Series([self.measures[number] for number in measure.tolist()], dtype=pl.String),
                "level": pl.Series([self.places[number][0] for number in place.tolist()], dtype=pl.String),
                "area_id": pl.Series([self.places[number][1] for number in place.tolist()], dtype=pl.String),
                "starts_at": starts[at],
                "ends_at": ends[at],
                "rank": rank[listed],
                "expected": expected[listed],
                "p10": low,
                "p90": high,
                "usual": _column(usual[listed]),
                "usual_weeks": self.usual.weeks[slot][at],
                "control_limit": _column(limit[listed]).cast(pl.Int64),
                "chance_above_usual": _column(
                    np.where(np.isnan(usual), np.nan, (counts > usual[..., None]).mean(axis=-1))[listed]
                ),
                "chance_unusual": _column(unusual[listed]),
                "is_unusual": np.nan_to_num(unusual[listed]) >= UNUSUAL,
                "chance_short": _column(short),
                **{f"effect_{name}": _column(each) for name, each in effects.items()},
                "event": pl.Series([name or None for name in names], dtype=pl.String),
                "holiday": pl.Series([name or None for name in holidays], dtype=pl.String),
            }
        )

    def _effects(self) -> dict[str, Floats]:
        """Give what each cause does to what is expected, as a factor less one: their product with the year's mean is
        what is expected.
        """
        ahead = self.ahead
        a_week = {21: 21, 7: 7}[self.usual.mean.shape[2]]
        weeks = len(ahead.stretches) // a_week
        calm = ahead.calm
        of_week = np.full_like(calm, np.nan)
        for week in range(weeks):
            inside = slice(week * a_week, (week + 1) * a_week)
            of_week[:, :, inside] = calm[:, :, inside].mean(axis=2, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = {"time": calm / of_week - 1, "level": of_week / self.usual.year[:, :, None] - 1}
            before = ahead.expected
            for cause in CAUSES:
                after = ahead.without.get(cause, before)
                found[cause] = before / after - 1
                before = after
        return {name: np.where(np.isfinite(each), each, np.nan) for name, each in found.items()}


def _column(values: Floats) -> pl.Series:
    return pl.Series(np.asarray(values, dtype=np.float64)).fill_nan(None)


def find_peak_hours(coming: Coming) -> pl.DataFrame:
    """Rank the coming week's areas × shifts (or hours, where areas have an incident an hour) by what is expected, and
    say how much the first so many of them hold, as the table `peak_hours`.

    Fewer places and hours can't be expected to hold as much. The range is that of the share which these very ones hold
    over the joint paths, in which no one knows beforehand where most will fall. Rows go on to half of all; what has no
    known place counts in the whole.
    """
    cut, ahead = coming.cut, coming.areas
    known = np.array([name != UNKNOWN_AREA for name in cut.area_ids])
    stretches = len(ahead.stretches)
    starts, ends = ahead.stretches.starts_at, ahead.stretches.ends_at
    parts = []
    for number, measure in enumerate(cut.wholes):
        expected = ahead.expected[known, number].ravel()
        whole = float(ahead.expected[:, number].sum())
        if whole <= 0:
            continue
        order = np.argsort(-expected, kind="stable")
        upto = np.cumsum(expected[order]) / whole
        size = min(int(np.searchsorted(upto, _MOST_SHARE)) + 1, len(order))
        chosen = order[:size]
        in_paths = ahead.counts[:, number].sum(axis=(0, 1))
        counts = ahead.counts[known, number].reshape(len(expected), -1)[chosen]
        held = np.sort(np.cumsum(counts, axis=0) / np.maximum(in_paths, 1), axis=1)
        low, high = (held[:, max(int(np.ceil(level * held.shape[1])) - 1, 0)] for level in _RANGE)
        area, at = np.divmod(chosen, stretches)
        names = np.array(cut.area_ids)[known]
        parts.append(
            pl.DataFrame(
                {
                    "measure": pl.repeat(measure, size, dtype=pl.String, eager=True),
                    "rank": np.arange(1, size + 1),
                    "area_id": pl.Series(names[area].tolist(), dtype=pl.String),
                    "starts_at": starts[at],
                    "ends_at": ends[at],
                    "expected": expected[chosen],
                    "share": upto[:size],
                    "share_p10": low,
                    "share_p90": high,
                    "cells": np.full(size, len(expected), dtype=np.int64),
                }
            )
        )
    if not parts:
        return tables.empty("peak_hours")
    return tables.publish(pl.concat(parts).with_columns(counted=pl.lit(cut.counted)), "peak_hours")


def up_to(peak_hours: pl.DataFrame, share: float) -> pl.DataFrame:
    """Keep the fewest rows of `peak_hours` that hold a share of what is expected, measure by measure."""
    before = pl.col("share").shift(1, fill_value=0.0).over("counted", "measure", order_by="rank")
    return peak_hours.filter(before < share)
