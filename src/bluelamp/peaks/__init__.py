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

from bluelamp import periods, tables
from bluelamp.peaks._hours import MOST_SHARE, find_peak_hours, up_to
from bluelamp.peaks._judged import JUDGED, judge, summarise_judged
from bluelamp.peaks._sentences import say_causes, say_peak, say_tried, say_when
from bluelamp.peaks._told import LEAST_EXPECTED, LISTED, UNUSUAL, Told
from bluelamp.peaks._usual import YEAR_WEEKS, control_limit, find_spread, find_usual
from bluelamp.pools import UNKNOWN_AREA
from bluelamp.shifts import Ahead, Coming, Floats, count_past

__all__ = [
    "JUDGED", "LEAST_EXPECTED", "LISTED", "MOST_SHARE", "NAMES", "UNUSUAL", "WHOLES", "Short", "control_limit",
    "find_peak_hours", "find_peaks", "find_spread", "find_usual", "judge", "say_causes", "say_peak", "say_tried",
    "say_when", "summarise_judged", "up_to",
]  # fmt: skip

NAMES = ("peaks", "peak_hours")
# What is counted and the measures of more than one class, in the order in which they are told.
WHOLES = (("incidents", "incidents"), ("incidents", "offending"), ("offences", "offences"))


@dataclass(frozen=True)
class Short:
    """How far staff are set for what comes: areas × hours of the joint paths.

    `chance` is that more units are asked for than are on duty in the pool that covers the area then, not a number where
    duties are not known; `incidents` are those that are expected there.
    """

    chance: Floats
    incidents: Floats


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
    places = [("area", name) for name in cut.area_ids]
    days = _day_of(coming.shifts, time_zone)
    holidays = [coming.holiday_of_day[day] for day in days]
    parts = []
    for told in (
        Told(coming.shifts, by_shift, cut.places, cut.measures, coming.events_of_shift, holidays,
             _short(short, coming, cut.places, coming.shifts)),
        Told(areas, of_areas, places, cut.wholes, coming.events_of_area, holidays,
             _short(short, coming, places, areas)),
    ):  # fmt: skip
        parts += [told.rows("day", days.count(0)), told.rows("week", len(days))]
    quarter = Told(
        coming.days, by_day, cut.places, cut.measures, coming.events_of_day, coming.holiday_of_day,
        _short(short, coming, cut.places, coming.days),
    )  # fmt: skip
    parts.append(quarter.rows("quarter", len(coming.days.stretches)))
    found = pl.concat(parts).with_columns(counted=pl.lit(cut.counted))
    return tables.publish(found.filter(_is_told("district", cut.district_ids), _is_told("area", cut.area_ids)), "peaks")


def _is_told(level: str, names: Sequence[str]) -> pl.Expr:
    """Leave out what has no place, and the only place of a level: it says nothing that the force does not."""
    several = len([name for name in names if name != UNKNOWN_AREA]) > 1
    return (pl.col("level") != level) | (pl.lit(several) & (pl.col("area_id") != UNKNOWN_AREA))


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
    names = np.array(cut.area_ids) if level == "area" else np.array(cut.district_ids)[cut.district_of_area]
    return np.array(names == name, dtype=np.bool_)
