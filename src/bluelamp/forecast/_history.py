"""What a forecaster is given: the calendar of hours, and the counts of every series in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import holidays
import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods
from bluelamp.forecast._drivers import NONE, Drivers
from bluelamp.pools import UNKNOWN_AREA

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# Parts of a day that holidays and events have effects by.
BLOCKS = 4
# Evenings before a holiday that public lists leave out, though every control room knows them.
EVES = {(12, 24): "Christmas Eve", (12, 31): "New Year's Eve"}


@dataclass(frozen=True)
class Series:
    """The finest series: one area with one class and grade (a cell), and how they add up to districts and the force."""

    area_ids: list[str]
    district_ids: list[str]
    cells: list[tuple[str, str]]
    district_of_area: Integers  # one index into district_ids an area
    force_id: str

    @property
    def shape(self) -> tuple[int, int]:
        """Areas and cells; a series' number is area × cells + cell."""
        return len(self.area_ids), len(self.cells)


@dataclass(frozen=True)
class Calendar:
    """Hours in order, and what each is locally."""

    hours: pl.Series  # starts, UTC
    ends_at: datetime  # end of the last
    day_of_hour: Integers  # 0 … days-1
    slot: Integers  # 0–167, Monday 00:00 local is 0
    block: Integers  # 0–3, the six-hour part of the local day
    days: list[date]
    label: list[str]  # one an hour: the name of a special day, or ''
    force_kinds: list[str]
    force_event: NDArray[np.bool_]  # kinds × hours: whether an event of the whole force is on
    event_kinds: list[str]  # of local events, by phase: 'sport, lead-in', 'sport', 'sport, wind-down'
    event_of: NDArray[np.int8]  # areas × hours: 0 where there is no event, else 1 + index into event_kinds
    label_beside: tuple[str, str] = ("", "")  # names of the day before the first and of the day after the last
    # How far drivers such as the weather are above and below usual, more than on average: name -> areas × hours.
    drivers: dict[str, Floats] = field(default_factory=dict)

    @property
    def lengths(self) -> Floats:
        """Length of each hour in hours: 1, but for clock changes of half an hour."""
        starts = self.hours.dt.epoch("s").to_numpy().astype(np.float64)
        ends = np.append(starts[1:], self.ends_at.timestamp())
        lengths: Floats = (ends - starts) / 3600
        return lengths

    @cached_property
    def label_of_day(self) -> list[str]:
        """Name of the special day, one a day, or ''."""
        found = [""] * len(self.days)
        for day, label in zip(self.day_of_hour, self.label, strict=True):
            found[day] = label
        return found

    @cached_property
    def special(self) -> list[str]:
        """What makes each hour special: the name of its day, else the kind of an event of the whole force, or ''."""
        found = list(self.label)
        for kind, is_on in zip(self.force_kinds, self.force_event, strict=True):
            for hour in np.flatnonzero(is_on):
                found[hour] = found[hour] or kind
        return found

    @cached_property
    def driven_share(self) -> dict[str, Floats]:
        """The same on average over areas and the hours of each block: name -> days × blocks."""
        hours = np.maximum(self.by_block(np.ones((1, len(self.row))))[0], 1)
        return {name: self.by_block(values.mean(axis=0)[None])[0] / hours for name, values in self.drivers.items()}

    @cached_property
    def row(self) -> Integers:
        """Day and block of each hour, as one number: day × BLOCKS + block."""
        return self.day_of_hour * BLOCKS + self.block

    @cached_property
    def force_share(self) -> Floats:
        """Share of each block in which an event of the whole force is on, kinds × days × blocks."""
        return self.by_block(self.force_event) / np.maximum(self.by_block(np.ones((1, len(self.row)))), 1)

    def by_block(self, values: NDArray[Any]) -> Floats:
        """Sum rows × hours to rows × days × blocks."""
        size = len(self.days) * BLOCKS
        sums: Floats = np.array([np.bincount(self.row, weights=each, minlength=size) for each in values], dtype=float)
        return sums.reshape(len(values), len(self.days), BLOCKS)


@dataclass(frozen=True)
class History:
    """Counts of every series over a calendar, as events: `counts[i]` incidents of `series[i]` in `hour[i]`."""

    calendar: Calendar
    is_masked: NDArray[np.bool_]  # one an hour: inside an outage
    series: Integers
    hour: Integers
    counts: Integers


def last_weeks(history: History, weeks: int) -> History:
    """Leave out what is older than so many weeks: its hours are masked, and its incidents gone."""
    calendar = history.calendar
    is_old = calendar.day_of_hour < len(calendar.days) - 7 * weeks
    kept = ~is_old[history.hour]
    return replace(
        history,
        is_masked=history.is_masked | is_old,
        series=history.series[kept],
        hour=history.hour[kept],
        counts=history.counts[kept],
    )


def name_series(areas: pl.DataFrame, demand: pl.DataFrame, force_id: str) -> Series:
    """List the series: every area of the force (and 'unknown' where demand has it) × every class and grade seen."""
    lowest = (
        areas.filter(pl.col("level") == "area")
        .unique("area_id", keep="last", maintain_order=True)
        # An area that names no district lies in the force and in nobody else's district.
        .with_columns(pl.col("parent_id").fill_null(force_id))
        .sort("area_id")
    )
    districts = sorted(set(lowest["parent_id"]))
    parent = dict(zip(lowest["area_id"], lowest["parent_id"], strict=True))
    area_ids = lowest["area_id"].to_list()
    if not demand.filter(pl.col("area_id") == UNKNOWN_AREA).is_empty() or not area_ids:
        area_ids.append(UNKNOWN_AREA)
        districts.append(UNKNOWN_AREA)
        parent[UNKNOWN_AREA] = UNKNOWN_AREA
    index = {district: position for position, district in enumerate(districts)}
    cells = demand.select("class_code", "grade_code").unique().sort("class_code", "grade_code").rows()
    return Series(
        area_ids=area_ids,
        district_ids=districts,
        cells=[(class_code, grade_code) for class_code, grade_code in cells],
        district_of_area=np.array([index[parent[area]] for area in area_ids], dtype=np.int64),
        force_id=force_id,
    )


def make_calendar(
    first: datetime,
    last: datetime,
    time_zone: str,
    series: Series,
    areas: pl.DataFrame,
    events: pl.DataFrame,
    country: str | None,
    subdivision: str | None,
    drivers: Drivers = NONE,
) -> Calendar:
    """Lay out the local hours in [first, last) with their special days and the events that touch each area."""
    hours = periods.hours_between(time_zone, first, last)
    parts = periods.local_parts(hours, time_zone)
    days = parts["day"].unique(maintain_order=True)
    day_index = {day: position for position, day in enumerate(days)}
    phases = _part_events(events, series, areas)
    label_of_day = _special_days(days.to_list(), country, subdivision)
    label = [label_of_day.get(day, "") for day in parts["day"]]
    starts = hours.dt.epoch("s").to_numpy()
    force_kinds = sorted({each.kind for each in phases if each.areas is None})
    force_event = np.zeros((len(force_kinds), len(hours)), dtype=np.bool_)
    kinds = sorted({each.kind for each in phases if each.areas is not None})
    event_of = np.zeros((len(series.area_ids), len(hours)), dtype=np.int8)
    for phase in phases:
        during = (starts >= phase.begins.timestamp()) & (starts < phase.ends.timestamp())
        if phase.areas is None:
            force_event[force_kinds.index(phase.kind)] |= during
        else:
            event_of[np.ix_(np.array(phase.areas), np.flatnonzero(during))] = 1 + kinds.index(phase.kind)
    return Calendar(
        hours=hours,
        ends_at=last,
        day_of_hour=np.array([day_index[day] for day in parts["day"]], dtype=np.int64),
        slot=parts["slot"].to_numpy().astype(np.int64),
        block=(parts["hour"] // (24 // BLOCKS)).to_numpy().astype(np.int64),
        days=days.to_list(),
        label=label,
        force_kinds=force_kinds,
        force_event=force_event,
        event_kinds=kinds,
        event_of=event_of,
        label_beside=_beside(days.to_list(), label_of_day),
        drivers=drivers.lay_out(hours, series, areas),
    )


def _beside(days: Sequence[date], label_of_day: dict[date, str]) -> tuple[str, str]:
    if not days:
        return "", ""
    first, last = days[0] - timedelta(days=1), days[-1] + timedelta(days=1)
    return label_of_day.get(first, ""), label_of_day.get(last, "")


def _special_days(days: Sequence[date], country: str | None, subdivision: str | None) -> dict[date, str]:
    """Name the special days of the years in which the days lie, and of those that they touch."""
    if not days:
        return {}
    years = range((days[0] - timedelta(days=1)).year, (days[-1] + timedelta(days=1)).year + 1)
    named = {date(year, *month_day): name for year in years for month_day, name in EVES.items()}
    if country:
        named |= dict(holidays.country_holidays(country, subdiv=subdivision, years=years, language="en_US").items())
    return named


class _Phase(NamedTuple):
    """A stretch of an event in which it has one effect, and the positions of its areas; None for the whole force."""

    kind: str
    begins: datetime
    ends: datetime
    areas: list[int] | None


def _part_events(events: pl.DataFrame, series: Series, areas: pl.DataFrame) -> list[_Phase]:
    """Part events into lead-in, the event itself and wind-down, in the order in which later ones win over earlier."""
    position = {area: index for index, area in enumerate(series.area_ids)}
    beside: list[_Phase] = []
    itself: list[_Phase] = []
    for event in events.sort("starts_at", "event_id").iter_rows(named=True):
        where, kind, begins, ends = (event[name] for name in ("area_id", "kind", "starts_at", "ends_at"))
        touched = None
        if where is not None and where != series.force_id:
            members = areas.filter((pl.col("area_id") == where) | (pl.col("parent_id") == where))["area_id"]
            touched = sorted({position[area] for area in members if area in position})
            if not touched:
                continue
        before = timedelta(hours=event.get("lead_in_hours") or 0)
        after = timedelta(hours=event.get("wind_down_hours") or 0)
        if before:
            beside.append(_Phase(f"{kind}, lead-in", begins - before, begins, touched))
        if after:
            beside.append(_Phase(f"{kind}, wind-down", ends, ends + after, touched))
        itself.append(_Phase(kind, begins, ends, touched))
    return beside + itself


def lay_out(demand: pl.DataFrame, series: Series, calendar: Calendar, outages: pl.DataFrame) -> History:
    """Place the counts of `demand` on a calendar; hours inside an outage are masked, not zero."""
    starts = calendar.hours.dt.epoch("s").to_numpy()
    masked = np.zeros(len(starts), dtype=np.bool_)
    for begins, ends in outages.select("starts_at", "ends_at").iter_rows():
        masked |= (starts >= begins.timestamp()) & (starts < ends.timestamp())
    cells = pl.DataFrame(
        {
            "class_code": [cell[0] for cell in series.cells],
            "grade_code": [cell[1] for cell in series.cells],
            "cell": range(len(series.cells)),
        },
        schema={"class_code": pl.String, "grade_code": pl.String, "cell": pl.Int64},
    )
    areas = pl.DataFrame({"area_id": series.area_ids, "area": range(len(series.area_ids))})
    hours = pl.DataFrame({"hour_starting": calendar.hours, "hour": pl.int_range(len(starts), eager=True)})
    placed = (
        demand.join(hours, on="hour_starting")
        .join(areas, on="area_id")
        .join(cells, on=["class_code", "grade_code"])
        .group_by("area", "cell", "hour")
        .agg(pl.col("incidents").sum())
        .sort("hour", "area", "cell")
    )
    kept = placed.filter(~pl.Series(masked)[placed["hour"]]) if placed.height else placed
    return History(
        calendar=calendar,
        is_masked=masked,
        series=(kept["area"] * len(series.cells) + kept["cell"]).to_numpy().astype(np.int64),
        hour=kept["hour"].to_numpy().astype(np.int64),
        counts=kept["incidents"].to_numpy().astype(np.int64),
    )


def whole_days_before(at: datetime, weeks: int, time_zone: str) -> datetime:
    """Give the local midnight that many weeks before a local midnight."""
    local = at.astimezone(periods.zone(time_zone)).date() - timedelta(weeks=weeks)
    begins: datetime = periods.local_days(time_zone, local, local)["starts_at"][0]
    return begins
