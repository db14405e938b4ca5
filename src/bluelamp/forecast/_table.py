"""Rows of the table `forecast`: what areas, pools, districts and the force may expect, from rates and from paths.

As far as there are paths, quantiles are counted from them, day by day; beyond, they are those of a negative binomial
with the same variances.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import quantiles
from bluelamp.forecast import _switched
from bluelamp.forecast._history import Calendar, Floats, Integers, Series
from bluelamp.forecast._paths import DayPaths, draw_places
from bluelamp.forecast._rates import RateModel
from bluelamp.forecast._switched import draw_days
from bluelamp.forecast._work import Asked, Sent, quantiles_of_sums
from bluelamp.pools import PoolHours


@dataclass(frozen=True)
class Group:
    """Series added up to rows of the table: where each series goes, and what the rows are called."""

    level: str
    place_ids: list[str]
    split: list[tuple[str, str]]  # (class_code, grade_code), 'all' where added up
    place_of_area: Integers  # areas, or areas × hours where places change with the hour (pools)
    split_of_cell: Integers

    @property
    def size(self) -> int:
        """Number of places and splits."""
        return len(self.place_ids) * len(self.split)

    @property
    def by_grade(self) -> bool:
        """Whether places are split by grade, with 'all' as the first split; else by class."""
        return self.split[0] == ("all", "all")

    @property
    def changes_by_hour(self) -> bool:
        """Whether the same area lies in other places at other hours, as under pools."""
        return self.place_of_area.ndim == 2

    @cached_property
    def patterns(self) -> tuple[Integers, Integers]:
        """Where areas lie, each way once: areas × patterns, and the pattern of each hour."""
        found, of_hour = np.unique(self.place_of_area, axis=1, return_inverse=True)
        return found, of_hour.ravel()

    def places(self, area: Integers, hour: Integers) -> Integers:
        """Place of each area in each hour; -1 where it has none."""
        return self.place_of_area[area, hour] if self.changes_by_hour else self.place_of_area[area]


def list_groups(series: Series, *, classes: bool, areas: bool) -> list[Group]:
    """Give the groups of districts and the force by grade, and where asked those by class, and those of areas."""
    grades = sorted({grade for _, grade in series.cells})
    by_grade = [("all", "all"), *(("all", grade) for grade in grades)]
    grade_of_cell = np.array([1 + grades.index(grade) for _, grade in series.cells])
    class_codes = sorted({class_code for class_code, _ in series.cells})
    by_class = [(class_code, "all") for class_code in class_codes]
    class_of_cell = np.array([class_codes.index(class_code) for class_code, _ in series.cells])
    every_area = np.arange(len(series.area_ids))
    places = [
        ("district", series.district_ids, series.district_of_area),
        ("force", [series.force_id], np.zeros_like(every_area)),
    ]
    found = []
    if areas:
        found.append(Group("area", series.area_ids, by_grade, every_area, grade_of_cell))
    for level, place_ids, place_of_area in places:
        found.append(Group(level, place_ids, by_grade, place_of_area, grade_of_cell))
        if classes:
            found.append(Group(level, place_ids, by_class, place_of_area, class_of_cell))
    return found


def group_by_pool(series: Series, pool_hours: PoolHours) -> Group:
    """Give the group of pools by grade, whose areas change with the hour."""
    by_grade = list_groups(series, classes=False, areas=False)[0]
    position = {area: index for index, area in enumerate(pool_hours.area_ids)}
    order = [position.get(area, -1) for area in series.area_ids]
    patterns = np.concatenate([pool_hours.patterns, np.full((len(pool_hours.patterns), 1), -1)], axis=1)[:, order]
    return Group(
        "pool", pool_hours.pool_ids, by_grade.split, patterns[pool_hours.pattern_of_hour].T, by_grade.split_of_cell
    )


def _add_up(values: Floats, group: Group, first: int = 0) -> Floats:
    """Add figures × areas × cells × hours up to figures × places × splits × hours; a group by grade has 'all' as its
    first split.

    `first` is the number of the first hour, for groups whose places change with the hour. What has no place there (an
    unknown area, one that no pool covers) is shared out over the places in proportion to what they have.
    """
    splits, places, hours = len(group.split), len(group.place_ids), values.shape[3]
    by_split = _sum_by(values, group.split_of_cell, splits, axis=2)
    if group.by_grade:
        by_split[:, :, 0] = by_split[:, :, 1:].sum(axis=2)
    if not group.changes_by_hour:
        return _sum_by(by_split, group.place_of_area, places, axis=1)
    summed = np.zeros((len(values), places, splits, hours))
    patterns, pattern_of_hour = group.patterns
    of_hour = pattern_of_hour[first : first + hours]
    for pattern in np.unique(of_hour):
        now, place = of_hour == pattern, patterns[:, pattern]
        kept = place >= 0
        here = _sum_by(by_split[:, kept][..., now], place[kept], places, axis=1)
        if not kept.all():
            known = here[:, :, :1]
            whole = known.sum(axis=1, keepdims=True)
            part = np.divide(known, whole, out=np.zeros_like(known), where=whole != 0)
            here += part * by_split[:, ~kept][..., now].sum(axis=1, keepdims=True)
        summed[..., now] = here
    return summed


def _sum_by(values: Floats, index: Integers, size: int, axis: int) -> Floats:
    """Sum the slices of an axis that have the same index; sorted runs are much quicker than adding one by one."""
    order = np.argsort(index, kind="stable")
    found, starts = np.unique(index[order], return_index=True)
    shape = list(values.shape)
    shape[axis] = size
    out = np.zeros(shape)
    if len(found):
        sums = np.add.reduceat(np.take(values, order, axis=axis), starts, axis=axis)
        out[(slice(None),) * axis + (found,)] = sums
    return out


@dataclass(frozen=True)
class _Expected:
    """Means of places × splits × times."""

    incidents: Floats
    deployments: Floats
    officer_hours: Floats

    @classmethod
    def of(cls, rates: Floats, manned: Floats, asked: Asked, group: Group, first: int = 0) -> _Expected:
        """Add up rates, areas × cells × times, and the same times the officers that a unit has then.

        `first` is the number of the first hour, for groups whose places change with the hour.
        """
        figures = np.stack([rates, rates * asked.share[:, None], manned * asked.each[:, None]])
        return cls(*_add_up(figures, group, first))

    def of_day(self) -> _Expected:
        """Add up the hours of a day."""
        summed = (each.sum(axis=2, keepdims=True) for each in (self.incidents, self.deployments, self.officer_hours))
        return _Expected(*summed)

    @classmethod
    def joined(cls, parts: Sequence[_Expected]) -> _Expected:
        """Put times in order behind each other."""
        return cls(
            np.concatenate([part.incidents for part in parts], axis=2),
            np.concatenate([part.deployments for part in parts], axis=2),
            np.concatenate([part.officer_hours for part in parts], axis=2),
        )


@dataclass(frozen=True)
class _Ranges:
    """Quantiles of rows; those of deployments and officer-hours are not there where they would be too dear."""

    incidents: Integers
    deployments: Integers | None = None
    officer_hours: Floats | None = None

    @classmethod
    def joined(cls, parts: Sequence[_Ranges]) -> _Ranges:
        """Put times in order behind each other; all of … × times × levels, and all with the same quantiles or none."""

        def together(column: Sequence[Any]) -> Any:
            return None if column[0] is None else np.concatenate(column, axis=1)

        return cls(
            together([each.incidents for each in parts]),
            together([each.deployments for each in parts]),
            together([each.officer_hours for each in parts]),
        )


def _rows(group: Group, span: str, starts: pl.Series, mean: _Expected, ranges: _Ranges) -> pl.DataFrame:
    """Lay out places × splits × times as rows."""
    times = len(starts)
    rows = group.size * times
    place = np.repeat(np.arange(len(group.place_ids)), len(group.split) * times)
    split = np.tile(np.repeat(np.arange(len(group.split)), times), len(group.place_ids))
    incidents = ranges.incidents.reshape(rows, -1)
    columns: dict[str, pl.Series | Floats | Integers] = {
        "level": pl.repeat(group.level, rows, eager=True),
        "area_id": pl.Series(group.place_ids, dtype=pl.String)[place],
        "span": pl.repeat(span, rows, eager=True),
        "hour_starting": starts[np.tile(np.arange(times), group.size)],
        "class_code": pl.Series([each[0] for each in group.split], dtype=pl.String)[split],
        "grade_code": pl.Series([each[1] for each in group.split], dtype=pl.String)[split],
        "incidents_mean": mean.incidents.ravel(),
        **{f"incidents_{name}": incidents[:, column] for column, name in enumerate(_names(quantiles.LEVELS))},
        "deployments_mean": mean.deployments.ravel(),
    }
    for what, found, levels, kind in (
        ("deployments", ranges.deployments, quantiles.DEPLOYMENT_LEVELS, pl.Int64),
        ("officer_hours", ranges.officer_hours, quantiles.HOURS_LEVELS, pl.Float64),
    ):
        if what == "officer_hours":
            columns["officer_hours_mean"] = mean.officer_hours.ravel()
        for column, name in enumerate(_names(levels)):
            columns[f"{what}_{name}"] = (
                pl.repeat(None, rows, dtype=kind, eager=True) if found is None else found.reshape(rows, -1)[:, column]
            )
    return pl.DataFrame(columns)


def _names(levels: Sequence[float]) -> list[str]:
    return [f"p{1000 * level:03.0f}".removesuffix("0") for level in levels]


def lay_near_rows(
    model: RateModel,
    calendar: Calendar,
    multipliers: Floats,
    seed: int,
    days_between: float,
    asked: Asked,
    crew: Floats,
    groups: list[Group],
    progress: Callable[[float], None],
    watch: Callable[[DayPaths, Floats], None] | None = None,
) -> list[pl.DataFrame]:
    """Rows of the days with paths: a block of hours and a day sum for each day, which `watch` sees with its rates."""
    series = model.series
    paths, days, _ = multipliers.shape
    cells = series.shape[1]
    of_paths = asked.draw(paths, seed)
    # A table of all days at once takes much less than one a day: most of them are small.
    hourly: list[list[tuple[_Expected, _Ranges]]] = [[] for _ in groups]
    daily: list[list[tuple[_Expected, _Ranges]]] = [[] for _ in groups]
    hours, midnights = [], []
    for drawn in draw_days(model, calendar, multipliers, seed, days_between=days_between):
        rates = model.rates(calendar, drawn.first, drawn.last)
        if watch is not None:
            watch(drawn, rates)
        crew_now = crew[calendar.slot[drawn.first : drawn.last] % 24]
        manned = rates * crew_now
        sent = of_paths.send(drawn, crew_now, seed)
        area, cell = np.divmod(drawn.series, cells)
        hours.append(calendar.hours[drawn.first : drawn.last])
        midnights.append(calendar.hours[drawn.first : drawn.first + 1])
        for number, group in enumerate(groups):
            mean = _Expected.of(rates, manned, asked, group, drawn.first)
            place = group.places(area, drawn.hour)
            if group.changes_by_hour:
                place = draw_places(place, drawn.hour - drawn.first, mean.incidents[:, 0], seed, drawn.day)
            seen = _Seen(group, place, group.split_of_cell[cell], drawn.last - drawn.first, paths)
            counts = seen.count(drawn)
            # Hours of areas and of classes are many and small: of their work only the days are told.
            tells_hours = group.by_grade and group.level != "area"
            work = seen.add_up(sent, by_hour=tells_hours)
            hourly[number].append((mean, _ranges(counts, work if tells_hours else None)))
            if group.level != "pool":
                of_day = [each.sum(axis=1, keepdims=True) for each in work]
                daily[number].append((mean.of_day(), _ranges(counts.sum(axis=1, keepdims=True), of_day)))
        progress((drawn.day + 1) / days)
    parts = []
    for span, starts, found in (("hour", pl.concat(hours), hourly), ("day", pl.concat(midnights), daily)):
        for group, by_day in zip(groups, found, strict=True):
            if by_day:
                means, ranges = zip(*by_day, strict=True)
                # What is laid out is let go, so that no more than one group is held twice.
                by_day.clear()
                parts.append(_rows(group, span, starts, _Expected.joined(means), _Ranges.joined(ranges)))
    return parts


@dataclass(frozen=True)
class _Seen:
    """A day's events of all paths as a group sees them: the place (-1: none) and the split of each."""

    group: Group
    place: Integers
    split: Integers
    hours: int
    paths: int

    def count(self, drawn: DayPaths) -> Integers:
        """Count events: rows (place × split) × hours × paths."""
        index, placed = self._index(self.place, self.split, drawn.path, drawn.hour - drawn.first)
        counts: Integers = self._sum(index[placed], self.hours, None)
        return counts

    def add_up(self, sent: Sent, *, by_hour: bool) -> tuple[Integers, Floats]:
        """Count deployments and add up their officer-hours: rows × hours, or the whole day as one, × paths."""
        index, placed = self._index(
            self.place[sent.event], self.split[sent.event], sent.path, sent.hour if by_hour else None
        )
        index, times = index[placed], self.hours if by_hour else 1
        return self._sum(index, times, None), self._sum(index, times, sent.officer_hours[placed])

    def _index(
        self, place: Integers, split: Integers, path: Integers, hour: Integers | None
    ) -> tuple[Integers, slice | NDArray[np.bool_]]:
        """Give where each event is added to, and which of them are in a place."""
        row = place * len(self.group.split) + split
        if hour is not None:
            row = row * self.hours + hour
        placed = place >= 0
        return row * self.paths + path, slice(None) if placed.all() else placed

    def _sum(self, index: Integers, times: int, weights: Floats | None) -> Any:
        size = self.group.size * times * self.paths
        found = np.bincount(index, weights, minlength=size).reshape(-1, len(self.group.split), times, self.paths)
        if self.group.by_grade:
            found[:, 1:].sum(axis=1, out=found[:, 0])
        return found.reshape(self.group.size, times, self.paths)


def _ranges(counts: Integers, work: Sequence[Any] | None) -> _Ranges:
    """Give quantiles of incidents, and where there is work of deployments and officer-hours; … × paths."""
    incidents = quantiles.of_counts(counts)
    if work is None:
        return _Ranges(incidents)
    deployments, officer_hours = work
    return _Ranges(
        incidents,
        quantiles.of_counts(deployments, quantiles.DEPLOYMENT_LEVELS),
        quantiles.of_sums(officer_hours, quantiles.HOURS_LEVELS),
    )


def lay_far_rows(
    model: RateModel, calendar: Calendar, days_ahead: float, asked: Asked, crew: Floats, levels: Collection[str]
) -> list[pl.DataFrame]:
    """Rows beyond the paths: hours of districts and the force by grade, days of every place.

    `days_ahead` are those between the end of the history and the calendar's first.
    """
    series = model.series
    hourly_groups, daily_groups = (
        [group for group in list_groups(series, classes=fine, areas=fine) if group.level in levels]
        for fine in (False, True)
    )
    total_days = len(calendar.days)
    bounds = np.searchsorted(calendar.day_of_hour, np.arange(total_days + 1))
    hourly: list[list[_Expected]] = [[] for _ in hourly_groups]
    daily: list[list[_Expected]] = [[] for _ in daily_groups]
    crew_by_hour = crew[calendar.slot % 24]
    for day in range(total_days):
        first, last = int(bounds[day]), int(bounds[day + 1])
        rates = model.rates(calendar, first, last)
        manned = rates * crew_by_hour[first:last]
        for number, group in enumerate(hourly_groups):
            hourly[number].append(_Expected.of(rates, manned, asked, group))
        of_day = rates.sum(axis=2, keepdims=True), manned.sum(axis=2, keepdims=True)
        for number, group in enumerate(daily_groups):
            daily[number].append(_Expected.of(*of_day, asked, group))
    midnights = calendar.hours[bounds[:-1]]
    parts = []
    usual_crew = np.full(total_days, np.average(crew_by_hour, weights=model.slot_rates.sum(axis=(0, 1))[calendar.slot]))
    for groups, span, starts, day_of, expected, officers in (
        (hourly_groups, "hour", calendar.hours, calendar.day_of_hour, hourly, crew_by_hour),
        (daily_groups, "day", midnights, np.arange(total_days), daily, usual_crew),
    ):
        for group, by_day in zip(groups, expected, strict=True):
            mean = _Expected.joined(by_day)
            shares = _shares_of_districts(model, group)
            # A split by class has the classes in their order.
            mixes = np.eye(len(group.split)) if not group.by_grade else np.zeros((len(group.split), 0))
            relative, clump = rate_variance(model, shares, mixes, calendar.days, days_ahead, span)
            variance = relative[:, :, day_of] + clump / np.maximum(mean.incidents, 1e-9)
            parts.append(_rows(group, span, starts, mean, _far_ranges(model, group, mean, variance, asked, officers)))
    return parts


def _far_ranges(
    model: RateModel, group: Group, mean: _Expected, variance: Floats, asked: Asked, officers: Floats
) -> _Ranges:
    """Give quantiles from means and from the relative variance of the rate.

    A sum of officer-hours varies as the rate does, as what incidents ask for is not known, and as chance has it which
    of them get a unit and for how long. `officers` are those of a unit by time.
    """
    split = np.arange(len(group.split))[:, None]
    mix = (group.split_of_cell == split) | (group.by_grade & (split == 0))
    weight = mix * model.slot_rates.sum(axis=(0, 2))
    of_sent, of_work = (each[:, None] for each in asked.error_of(weight))
    sent = (1 + variance) * (1 + of_sent) - 1
    chance = asked.size_of(weight)[:, None] * officers / np.maximum(mean.officer_hours, 1e-9)
    work = (1 + variance) * (1 + of_work) - 1 + chance
    nobody = np.exp(-np.log1p(mean.deployments * sent) / np.maximum(sent, 1e-9))
    return _Ranges(
        quantiles.of_negative_binomial(mean.incidents.ravel(), variance.ravel()),
        quantiles.of_negative_binomial(mean.deployments.ravel(), sent.ravel(), quantiles.DEPLOYMENT_LEVELS),
        quantiles_of_sums(mean.officer_hours.ravel(), work.ravel(), nobody.ravel(), quantiles.HOURS_LEVELS),
    )


def _shares_of_districts(model: RateModel, group: Group) -> Floats:
    """Give the districts' shares of what is usual in each place, places × districts."""
    weight = model.slot_rates.sum(axis=2)
    districts = len(model.series.district_ids)
    shares = np.zeros((len(group.place_ids), districts))
    for place in range(len(group.place_ids)):
        inside = group.place_of_area == place
        shares[place] = np.bincount(
            model.series.district_of_area[inside], weights=weight[inside].sum(axis=1), minlength=districts
        )
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    return shares


def rate_variance(
    model: RateModel, shares: Floats, mixes: Floats, days: Sequence[date], days_ahead: float, span: str = "day"
) -> tuple[Floats, Floats]:
    """Give the relative variance of a day's rate, or of its hours', places × splits × days, and how much incidents
    come at once, places × 1 × 1.

    `shares` are the districts' in each place, `mixes` the classes' in each split, or without a column where the classes
    of all splits are those of the whole. `days_ahead` are the days between the end of the history and the first of
    these.
    """
    models = _switched.models_in(model)
    each = [_variance(one, mixes, days, days_ahead, shares, span) for one in models]
    clump = [np.full((len(shares), 1, 1), one.shocks.clump) for one in models]
    return _switched.blend(model, each, shares), _switched.blend(model, clump, shares)


def _variance(
    model: RateModel, mixes: Floats, days: Sequence[date], days_ahead: float, shares: Floats, span: str
) -> Floats:
    """Give it by one method. Districts' own shocks count by the square of their share."""
    shocks, trend = model.shocks, model.trend
    of_day = (1 + shocks.district_day * (shares**2).sum(axis=1)) * (1 + shocks.force_day)
    shape = (len(shares), len(mixes), len(days))
    if trend is None:
        level = shocks.of_level(days_ahead + 1 + np.arange(len(days), dtype=np.float64))
    else:
        log = trend.force.variance(days)[0]
        if trend.districts is not None:
            log = log + trend.districts.variance(days, shares)[:, None, :]
        if trend.classes is not None and mixes.shape[1]:
            log = log + trend.classes.variance(days, mixes)
        level = np.expm1(np.broadcast_to(log, shape))
    found: Floats = of_day[:, None, None] * (1 + np.broadcast_to(level, shape)) - 1
    return found + shocks.block + shocks.hour if span == "hour" else found
