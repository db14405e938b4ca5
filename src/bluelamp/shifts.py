"""Shifts of eight local hours: how hours, areas and classes add up to them, and what joint paths have in them.

Peaks are told by shifts, because that is how people are sent out, and by local days where weeks lie between. Who draws
paths fills the tables of numbers here; who tells peaks reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Counts = NDArray[np.int32]

HOURS = 8
A_DAY = 24 // HOURS
# What is taken away from an expectation, in this order, to see what it does.
CAUSES = ("event", "holiday", "driver")


@dataclass(frozen=True)
class Stretches:
    """Shifts, days or hours in order: when they begin and end, and which of a week's they are."""

    starts_at: pl.Series
    ends_at: pl.Series
    slot: Integers  # 0–20 for shifts, 0–6 for days, 0–167 for hours; Monday's first is 0
    of_hour: Integers  # the stretch of each hour that they were laid out on

    def __len__(self) -> int:
        return len(self.slot)


def lay_out(hours: pl.Series, ends_at: datetime, time_zone: str, span: str) -> Stretches:
    """Lay hours in order out as the local shifts or days that they lie in, or as themselves; `ends_at` ends the last.

    A shift begins at 0, 8 and 16 o'clock; where the clock is changed in it, it has seven or nine hours.
    """
    parts = periods.local_parts(hours, time_zone)
    hours_each = {"hour": 1, "shift": HOURS, "day": 24}[span]
    slot = (parts["slot"] // hours_each).to_numpy().astype(np.int64)
    day = parts["day"].cast(pl.Int32).to_numpy().astype(np.int64)
    # An hour that comes twice is two stretches by the hour, and one shift or day.
    begins = np.ones(len(slot), dtype=np.bool_)
    begins[1:] = (slot[1:] != slot[:-1]) | (day[1:] != day[:-1]) | (span == "hour")
    first = np.flatnonzero(begins)
    starts = hours[first]
    ends = pl.concat([starts[1:], pl.Series([ends_at], dtype=periods.INSTANT)]) if len(first) else starts
    return Stretches(starts, ends.alias("ends_at"), slot[first], np.cumsum(begins) - 1)


@dataclass(frozen=True)
class Cut:
    """How areas and classes add up: areas to districts and the force, classes to measures.

    `classes` are those that count as offending, in order; all others are counted together, last. `counted` says what
    is counted: incidents, or recorded offences, all of which are offending.
    """

    area_ids: list[str]
    district_ids: list[str]
    district_of_area: Integers
    force_id: str
    classes: list[str]
    counted: str = "incidents"

    @property
    def measures(self) -> list[str]:
        """Name the measures: all that is counted, offending of all kinds, and each class of it."""
        together = ["offending"] if self.classes and self.counted == "incidents" else []
        return [self.counted, *together, *self.classes]

    @property
    def wholes(self) -> list[str]:
        """Name the measures of more than one class."""
        return self.measures[: len(self.measures) - len(self.classes)]

    @property
    def places(self) -> list[tuple[str, str]]:
        """Name districts and the force, as level and id."""
        return [*(("district", name) for name in self.district_ids), ("force", self.force_id)]

    def kind_of(self, class_codes: Sequence[str]) -> Integers:
        """Give each class its number among `classes`; all others have the one after the last."""
        number = {code: position for position, code in enumerate(self.classes)}
        return np.array([number.get(code, len(self.classes)) for code in class_codes], dtype=np.int64)

    def to_measures(self, by_kind: NDArray[Any], axis: int) -> NDArray[Any]:
        """Add up an axis of kinds to one of measures."""
        moved = np.moveaxis(by_kind, axis, 0)
        wholes = [moved.sum(axis=0, dtype=moved.dtype), moved[:-1].sum(axis=0, dtype=moved.dtype)][: len(self.wholes)]
        return np.moveaxis(np.concatenate([np.stack(wholes), moved[:-1]]), 0, axis)

    def to_wholes(self, by_kind: NDArray[Any], axis: int) -> NDArray[Any]:
        """Add up an axis of kinds to one of the measures of more than one class."""
        found = self.to_measures(by_kind, axis)
        return np.take(found, np.arange(len(self.wholes)), axis=axis)

    def to_places(self, by_district: NDArray[Any]) -> NDArray[Any]:
        """Add up the first axis, of districts, to one of districts and the force."""
        return np.concatenate([by_district, by_district.sum(axis=0, keepdims=True, dtype=by_district.dtype)])


@dataclass(frozen=True)
class Ahead:
    """What some places may have in coming stretches: places × measures × stretches."""

    stretches: Stretches
    expected: Floats
    # What would be expected without each of CAUSES and those before it; nothing where it was not asked for.
    without: dict[str, Floats]
    # … × paths. Beyond the joint paths the quantiles of even shares stand in, which are not joint.
    counts: Counts

    @property
    def calm(self) -> Floats:
        """What would be expected without any of the causes."""
        return self.without.get(CAUSES[-1], self.expected)

    def to(self, coarser: Stretches) -> Ahead:
        """Add up to stretches that were laid out on the same hours."""
        if len(coarser) == len(self.stretches):
            return self
        first_hour = np.flatnonzero(np.diff(coarser.of_hour, prepend=-1))
        first = self.stretches.of_hour[first_hour]

        def added(values: NDArray[Any]) -> NDArray[Any]:
            return np.add.reduceat(values, first, axis=2, dtype=values.dtype)

        return Ahead(
            coarser, added(self.expected), {name: added(each) for name, each in self.without.items()},
            added(self.counts),
        )  # fmt: skip


@dataclass(frozen=True)
class Coming:
    """What lies ahead, for the telling of peaks."""

    cut: Cut
    hours: pl.Series  # the hours of the joint paths
    shifts: Ahead  # districts and the force: the next seven days
    days: Ahead  # the same: the next 91 days
    areas: Ahead  # areas, measures of more than one class alone: the next seven days, by shift or by hour
    area_shifts: Stretches  # the shifts of these days
    # Why: names of events that touch each place in each stretch, and of the holiday that a stretch lies in or beside.
    events_of_shift: list[list[str]] = field(default_factory=list)
    events_of_day: list[list[str]] = field(default_factory=list)
    events_of_area: list[list[str]] = field(default_factory=list)  # areas, by shift
    holiday_of_day: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Past:
    """What places had in stretches that lie behind: places × measures × stretches, and which of them were seen."""

    slot: Integers
    counts: Integers
    seen: NDArray[np.bool_]


def count_past(
    demand: pl.DataFrame,
    outages: pl.DataFrame,
    cut: Cut,
    *,
    until: datetime,
    known_until: datetime,
    weeks: int,
    time_zone: str,
) -> tuple[Past, Past, Past]:
    """Count the last local `weeks` before a local midnight: by shift and by day of districts and the force, and by
    shift of areas.

    `demand` is what drives the forecast, by hour, area and class. A stretch that an outage touches, that begins before
    the record does, or that ends after `known_until`, was not seen.
    """
    first_day = until.astimezone(periods.zone(time_zone)).date() - timedelta(weeks=weeks)
    begins: datetime = periods.local_days(time_zone, first_day, first_day)["starts_at"][0]
    hours = periods.hours_between(time_zone, begins, until)
    starts = hours.dt.epoch("s").to_numpy()
    shifts, days = (lay_out(hours, until, time_zone, span) for span in ("shift", "day"))
    came = demand.filter(pl.col("hour_starting") >= begins, pl.col("hour_starting") < until)
    first = demand["hour_starting"].min()
    since_first = starts >= first.timestamp() if isinstance(first, datetime) else np.zeros(len(starts), dtype=np.bool_)
    known = since_first & (starts < known_until.timestamp())
    for since, end in outages.select("starts_at", "ends_at").iter_rows():
        known &= ~((starts >= since.timestamp()) & (starts < end.timestamp()))
    hour = np.searchsorted(starts, came["hour_starting"].dt.epoch("s").to_numpy())
    number = {area: position for position, area in enumerate(cut.area_ids)}
    area = came["area_id"].replace_strict(number, default=-1, return_dtype=pl.Int64).to_numpy()
    codes = came["class_code"].unique().to_list()
    kinds = dict(zip(codes, cut.kind_of(codes).tolist(), strict=True))
    kind = came["class_code"].replace_strict(kinds, default=len(cut.classes), return_dtype=pl.Int64).to_numpy()
    # An area that is no more lies in no district of today: the forecast leaves its incidents out, too.
    kept = area >= 0
    shape = (len(cut.area_ids), len(cut.classes) + 1, len(shifts))
    index = (area[kept] * shape[1] + kind[kept]) * shape[2] + shifts.of_hour[hour[kept]]
    weights = came["incidents"].to_numpy()[kept]
    by_area = np.bincount(index, weights=weights, minlength=int(np.prod(shape))).astype(np.int64).reshape(shape)
    by_district = np.zeros((len(cut.district_ids), *shape[1:]), dtype=np.int64)
    np.add.at(by_district, cut.district_of_area, by_area)
    by_place = cut.to_measures(cut.to_places(by_district), 1)
    day_of_shift = days.of_hour[np.flatnonzero(np.diff(shifts.of_hour, prepend=-1))]
    first_shift = np.flatnonzero(np.diff(day_of_shift, prepend=-1))
    seen, seen_days = (_all_of(known, each) for each in (shifts, days))
    return (
        Past(shifts.slot, by_place, seen),
        Past(days.slot, np.add.reduceat(by_place, first_shift, axis=2), seen_days),
        Past(shifts.slot, cut.to_wholes(by_area, 1), seen),
    )


def _all_of(known: NDArray[np.bool_], stretches: Stretches) -> NDArray[np.bool_]:
    missing = np.bincount(stretches.of_hour, weights=~known, minlength=len(stretches))
    found: NDArray[np.bool_] = missing == 0
    return found
