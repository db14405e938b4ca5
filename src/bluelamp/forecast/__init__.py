"""Demand to forecast: what every area, district and the force may expect, hour by hour and day by day.

A family: each method is a file that offers `fit(history, series) -> RateModel`. What follows from rates and shocks
(joint paths, quantiles, sums that add up in every path) is the same for all of them and is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from bluelamp import extensions, periods, tables
from bluelamp.errors import BadData
from bluelamp.forecast import _quantiles
from bluelamp.forecast._drivers import NONE, settle_drivers
from bluelamp.forecast._history import (
    Calendar,
    Floats,
    Integers,
    Series,
    lay_out,
    make_calendar,
    name_series,
    whole_days_before,
)
from bluelamp.forecast._next_hours import expect_next
from bluelamp.forecast._origins import Origin, stand_at
from bluelamp.forecast._paths import draw_days, draw_multipliers, draw_places
from bluelamp.forecast._quarters import draw_quarters, tell_quarters
from bluelamp.forecast._rates import RateModel
from bluelamp.pools import PoolHours

__all__ = [
    "DayCounts", "Forecast", "Origin", "RateModel", "draw_again", "draw_quarters", "expect_next", "make_forecast",
    "stand_at", "tell_quarters",
]  # fmt: skip


@dataclass(frozen=True)
class Forecast:
    """A forecast: the published table, and what staffing needs beside it."""

    table: pl.DataFrame  # `forecast`
    model: RateModel
    calendar: Calendar  # the coming hours, from the first to the last with paths
    multipliers: Floats  # paths × days × districts: what days share
    seed: int

    @property
    def path_hours(self) -> pl.Series:
        """Starts of the hours that have paths."""
        return self.calendar.hours

    def rates(self) -> Floats:
        """Expected incidents, areas × cells × hours with paths."""
        return self.model.rates(self.calendar, 0, len(self.calendar.hours))


@dataclass(frozen=True)
class DayCounts:
    """One day of every path: each incident's path, area, cell and hour of the day, as numbers."""

    day: date
    hours: pl.Series  # starts of the day's hours, UTC
    path: Integers
    area: Integers
    cell: Integers
    hour: Integers


@dataclass(frozen=True)
class _Group:
    """Series added up to rows of the table: where each series goes, and what the rows are called."""

    level: str
    place_ids: list[str]
    split: list[tuple[str, str]]  # (class_code, grade_code), 'all' where added up
    place_of_area: Integers  # areas, or areas × hours where places change with the hour (pools)
    split_of_cell: Integers

    @property
    def size(self) -> int:
        return len(self.place_ids) * len(self.split)

    @property
    def changes_by_hour(self) -> bool:
        """Whether the same area lies in other places at other hours, as under pools."""
        return self.place_of_area.ndim == 2

    def places(self, area: Integers, hour: Integers) -> Integers:
        """Place of each area in each hour; -1 where it has none."""
        return self.place_of_area[area, hour] if self.changes_by_hour else self.place_of_area[area]


def make_forecast(
    demand: pl.DataFrame,
    areas: pl.DataFrame,
    events: pl.DataFrame,
    outages: pl.DataFrame,
    service_times: pl.DataFrame,
    *,
    force_id: str,
    time_zone: str,
    forecast_from: datetime,
    data_until: datetime | None = None,
    method: str = "pooled",
    weeks: int = 260,
    paths: int = 500,
    path_days: int = 56,
    days: int = 365,
    seed: int = 1,
    country: str | None = None,
    subdivision: str | None = None,
    crew_size_by_hour: tuple[int, ...] = (1,) * 24,
    pool_hours: PoolHours | None = None,
    drivers: pl.DataFrame | None = None,
    levels: Collection[str] = ("area", "district", "force"),
    progress: Callable[[float], None] = lambda share: None,
) -> Forecast:
    """Forecast incidents and officer-hours from a local midnight on.

    `demand` holds the origins that drive the forecast, and only rows before `forecast_from` are used; of `drivers` only
    what was known then. The feed is known up to `data_until` (by default `forecast_from`): later hours are no history,
    and not hours without incidents. The method learns from the `weeks` before that.

    For the first `path_days` local days hours and days have quantiles from `paths` joint sample paths; beyond, to
    `days`, hours of districts and the force, and days of every place, have quantiles of a negative binomial with the
    same variances. With `pool_hours`, laid out on the same hours, pools are a level of their own as far as paths go.
    The table has rows of the `levels` that are asked for, and of pools.

    Raises BadData where there is nothing to learn from, or counts are none.
    """
    demand = _as_counts(demand)
    known_until = min(data_until or forecast_from, forecast_from)
    past = demand.filter(pl.col("hour_starting") < known_until)
    if past.is_empty():
        raise BadData(
            f"There is no demand before {known_until:%Y-%m-%d %H:%M} UTC to learn from. Import incidents, or forecast "
            "from a later day."
        )
    earliest: datetime = past["hour_starting"].min()  # type: ignore[assignment]
    begins = max(whole_days_before(known_until, weeks, time_zone), earliest)
    past = past.filter(pl.col("hour_starting") >= begins)
    series = name_series(areas, past, force_id)

    driven = NONE if drivers is None else settle_drivers(drivers, forecast_from, time_zone)

    def calendar(first: datetime, last: datetime) -> Calendar:
        return make_calendar(first, last, time_zone, series, areas, events, country, subdivision, driven)

    history = lay_out(past, series, calendar(begins, known_until), outages)
    if not (~history.is_masked).any():
        raise BadData("Every hour of the history lies in an outage, so there is nothing to learn from.")
    model: RateModel = extensions.member("forecast", method).fit(history, series)
    model = replace(model, notes=(*model.notes, *driven.notes))
    first_day = forecast_from.astimezone(periods.zone(time_zone)).date()

    def midnight(day: int) -> datetime:
        at = first_day + timedelta(days=day)
        found: datetime = periods.local_days(time_zone, at, at)["starts_at"][0]
        return found

    path_days = min(path_days, days)
    near = calendar(forecast_from, midnight(path_days))
    hours_each = _unit_hours_each(service_times, series)
    crew = np.array(crew_size_by_hour, dtype=np.float64)
    days_between = (forecast_from - known_until) / timedelta(days=1)
    multipliers = draw_multipliers(model, paths, seed, path_days, days_between)
    groups = [group for group in _groups(series, classes=True, areas=True) if group.level in levels]
    if pool_hours is not None:
        groups.append(_pool_group(series, pool_hours))
    parts = _near_rows(model, near, multipliers, seed, hours_each, crew, groups, progress)
    if days > path_days:
        parts += _far_rows(
            model, calendar(midnight(path_days), midnight(days)), days_between + path_days, hours_each, crew, levels
        )
    table = tables.publish(pl.concat(parts).with_columns(method=pl.lit(method)), "forecast")
    return Forecast(table, model, near, multipliers, seed)


def draw_again(
    model: RateModel,
    areas: pl.DataFrame,
    events: pl.DataFrame,
    *,
    forecast_from: datetime,
    data_until: datetime,
    wanted: Sequence[int],
    time_zone: str,
    paths: int,
    path_days: int,
    seed: int,
    country: str | None = None,
    subdivision: str | None = None,
    drivers: pl.DataFrame | None = None,
) -> Iterator[DayCounts]:
    """Draw some days of a forecast's joint paths again, the same to the last event, from what a run keeps of it.

    `wanted` are days by their number, 0 for that which begins with `forecast_from`.
    """
    first_day = forecast_from.astimezone(periods.zone(time_zone)).date()
    driven = NONE if drivers is None else settle_drivers(drivers, forecast_from, time_zone)
    ends_at: datetime = periods.local_days(time_zone, first_day, first_day + timedelta(days=path_days - 1))["ends_at"][
        -1
    ]
    near = make_calendar(forecast_from, ends_at, time_zone, model.series, areas, events, country, subdivision, driven)
    days_between = (forecast_from - min(data_until, forecast_from)) / timedelta(days=1)
    multipliers = draw_multipliers(model, paths, seed, path_days, days_between)
    for drawn in draw_days(model, near, multipliers, seed, only=wanted):
        area, cell = np.divmod(drawn.series, model.series.shape[1])
        yield DayCounts(
            near.days[drawn.day], near.hours[drawn.first : drawn.last], drawn.path, area, cell, drawn.hour - drawn.first
        )


def _as_counts(demand: pl.DataFrame) -> pl.DataFrame:
    """Give demand with whole counts. Raises BadData, naming the first of each kind, where some are not."""
    counts = pl.col("incidents")
    problems = []
    for words, is_wrong in (
        ("no number of incidents", counts.is_null() | counts.is_nan()),
        ("fewer than no incidents", counts < 0),
        ("a part of an incident", counts != counts.round()),
    ):
        wrong = demand.with_columns(pl.col("incidents").cast(pl.Float64)).filter(is_wrong)
        if not wrong.is_empty():
            first = wrong.row(0, named=True)
            verb = "row has" if wrong.height == 1 else "rows have"
            problems.append(
                f"{wrong.height:,} {verb} {words}, first area '{first['area_id']}' at "
                f"{first['hour_starting']:%Y-%m-%d %H:%M} UTC: {first['incidents']}."
            )
    if problems:
        raise BadData(
            "Demand can't be forecast from these counts: whole numbers from nought up were expected, as "
            "'count_demand' gives them. To put right:",
            problems,
        )
    return demand.with_columns(pl.col("incidents").cast(pl.Int64))


def _unit_hours_each(service_times: pl.DataFrame, series: Series) -> Floats:
    """Give unit-hours that one incident of each cell asks for."""
    known = {
        (row["class_code"], row["grade_code"]): row["share_deployed"]
        * row["units_per_deployment"]
        * row["minutes_per_unit"]
        / 60
        for row in service_times.iter_rows(named=True)
    }
    return np.array([known.get(cell, known.get((cell[0], "all"), 0.0)) for cell in series.cells])


def _groups(series: Series, *, classes: bool, areas: bool) -> list[_Group]:
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
        found.append(_Group("area", series.area_ids, by_grade, every_area, grade_of_cell))
    for level, place_ids, place_of_area in places:
        found.append(_Group(level, place_ids, by_grade, place_of_area, grade_of_cell))
        if classes:
            found.append(_Group(level, place_ids, by_class, place_of_area, class_of_cell))
    return found


def _pool_group(series: Series, pool_hours: PoolHours) -> _Group:
    by_grade = _groups(series, classes=False, areas=False)[0]
    position = {area: index for index, area in enumerate(pool_hours.area_ids)}
    order = [position.get(area, -1) for area in series.area_ids]
    patterns = np.concatenate([pool_hours.patterns, np.full((len(pool_hours.patterns), 1), -1)], axis=1)[:, order]
    return _Group(
        "pool", pool_hours.pool_ids, by_grade.split, patterns[pool_hours.pattern_of_hour].T, by_grade.split_of_cell
    )


def _add_up(values: Floats, group: _Group, first: int = 0) -> Floats:
    """Add areas × cells × hours up to places × splits × hours; a group by grade has 'all' as its first split.

    `first` is the number of the first hour, for groups whose places change with the hour. What has no place there (an
    unknown area, one that no pool covers) is shared out over the places in proportion to what they have.
    """
    splits, hours = len(group.split), values.shape[2]
    by_split = _sum_by(values, group.split_of_cell, splits, axis=1)
    if group.split[0] == ("all", "all"):
        by_split[:, 0] = by_split[:, 1:].sum(axis=1)
    if not group.changes_by_hour:
        return _sum_by(by_split, group.place_of_area, len(group.place_ids), axis=0)
    summed = np.zeros((len(group.place_ids), splits, hours))
    for hour in range(hours):
        place = group.place_of_area[:, first + hour]
        kept = place >= 0
        here = _sum_by(by_split[kept, :, hour], place[kept], len(group.place_ids), axis=0)
        if not kept.all() and here[:, 0].any():
            here += here[:, :1] / here[:, 0].sum() * by_split[~kept, :, hour].sum(axis=0)
        summed[:, :, hour] = here
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


def _rows(
    group: _Group, span: str, starts: pl.Series, mean: Floats, officer_hours: Floats, quantiles: Integers
) -> pl.DataFrame:
    """Lay out places × splits × times as rows."""
    times = len(starts)
    place = np.repeat(np.arange(len(group.place_ids)), len(group.split) * times)
    split = np.tile(np.repeat(np.arange(len(group.split)), times), len(group.place_ids))
    quantiles = quantiles.reshape(-1, len(_quantiles.LEVELS))
    names = ["p025", "p10", "p25", "p50", "p75", "p90", "p975"]
    return pl.DataFrame(
        {
            "level": pl.repeat(group.level, group.size * times, eager=True),
            "area_id": pl.Series(group.place_ids, dtype=pl.String)[place],
            "span": pl.repeat(span, group.size * times, eager=True),
            "hour_starting": starts[np.tile(np.arange(times), group.size)],
            "class_code": pl.Series([each[0] for each in group.split], dtype=pl.String)[split],
            "grade_code": pl.Series([each[1] for each in group.split], dtype=pl.String)[split],
            "incidents_mean": mean.ravel(),
            **{f"incidents_{name}": quantiles[:, column] for column, name in enumerate(names)},
            "officer_hours_mean": officer_hours.ravel(),
        }
    )


def _near_rows(
    model: RateModel,
    calendar: Calendar,
    multipliers: Floats,
    seed: int,
    hours_each: Floats,
    crew: Floats,
    groups: list[_Group],
    progress: Callable[[float], None],
) -> list[pl.DataFrame]:
    """Rows of the days with paths: a block of hours and a day sum for each day."""
    series = model.series
    paths, days, _ = multipliers.shape
    cells = series.shape[1]
    parts = []
    for drawn in draw_days(model, calendar, multipliers, seed):
        rates = model.rates(calendar, drawn.first, drawn.last)
        work = rates * hours_each[:, None] * crew[calendar.slot[drawn.first : drawn.last] % 24]
        hours = drawn.last - drawn.first
        area, cell = np.divmod(drawn.series, cells)
        starts = calendar.hours[drawn.first : drawn.last]
        for group in groups:
            mean, load = _add_up(rates, group, drawn.first), _add_up(work, group, drawn.first)
            place = group.places(area, drawn.hour)
            if group.changes_by_hour:
                place = draw_places(place, drawn.hour - drawn.first, mean[:, 0], seed, drawn.day)
            placed = place >= 0
            base, split = place[placed] * len(group.split), group.split_of_cell[cell[placed]]
            index, path, hour = base + split, drawn.path[placed], drawn.hour[placed] - drawn.first
            if group.split[0] == ("all", "all"):
                # Every event is counted twice: in its grade and in 'all', the first split of its place.
                index = np.concatenate([index, base])
                path, hour = np.tile(path, 2), np.tile(hour, 2)
            hourly = _quantiles.of_paths(index * hours + hour, path, group.size * hours, paths)
            parts.append(_rows(group, "hour", starts, mean, load, hourly))
            if group.level == "pool":
                continue
            daily = _quantiles.of_paths(index, path, group.size, paths)
            parts.append(
                _rows(group, "day", starts[:1], mean.sum(axis=2, keepdims=True), load.sum(axis=2, keepdims=True), daily)
            )
        progress((drawn.day + 1) / days)
    return parts


def _far_rows(
    model: RateModel, calendar: Calendar, days_ahead: float, hours_each: Floats, crew: Floats, levels: Collection[str]
) -> list[pl.DataFrame]:
    """Rows beyond the paths: hours of districts and the force by grade, days of every place.

    `days_ahead` are those between the end of the history and the calendar's first.
    """
    series = model.series
    hourly_groups, daily_groups = (
        [group for group in _groups(series, classes=fine, areas=fine) if group.level in levels]
        for fine in (False, True)
    )
    total_days = len(calendar.days)
    bounds = np.searchsorted(calendar.day_of_hour, np.arange(total_days + 1))
    hourly: list[list[Floats]] = [[] for _ in hourly_groups]
    hourly_work: list[list[Floats]] = [[] for _ in hourly_groups]
    daily: list[list[Floats]] = [[] for _ in daily_groups]
    daily_work: list[list[Floats]] = [[] for _ in daily_groups]
    for day in range(total_days):
        first, last = int(bounds[day]), int(bounds[day + 1])
        rates = model.rates(calendar, first, last)
        work = rates * hours_each[:, None] * crew[calendar.slot[first:last] % 24]
        for number, group in enumerate(hourly_groups):
            hourly[number].append(_add_up(rates, group))
            hourly_work[number].append(_add_up(work, group))
        day_rates, day_work = rates.sum(axis=2, keepdims=True), work.sum(axis=2, keepdims=True)
        for number, group in enumerate(daily_groups):
            daily[number].append(_add_up(day_rates, group))
            daily_work[number].append(_add_up(day_work, group))
    midnights = calendar.hours[bounds[:-1]]
    parts = []
    for groups, span, starts, day_of, means, works in (
        (hourly_groups, "hour", calendar.hours, calendar.day_of_hour, hourly, hourly_work),
        (daily_groups, "day", midnights, np.arange(total_days), daily, daily_work),
    ):
        for group, mean_parts, work_parts in zip(groups, means, works, strict=True):
            mean = np.concatenate(mean_parts, axis=2)
            variance = _relative_variance(model, group, calendar.days, days_ahead)[:, :, day_of]
            if span == "hour":
                variance = variance + model.shocks.block + model.shocks.hour
            variance = variance + model.shocks.clump / np.maximum(mean, 1e-9)
            found = _quantiles.of_negative_binomial(mean.ravel(), variance.ravel())
            parts.append(_rows(group, span, starts, mean, np.concatenate(work_parts, axis=2), found))
    return parts


def _relative_variance(model: RateModel, group: _Group, days: Sequence[date], days_ahead: float) -> Floats:
    """Give the relative variance of a day's rate, places × splits × days.

    `days_ahead` are those between the end of the history and the first of the days. Districts' own shocks count by the
    square of their share.
    """
    shocks, trend = model.shocks, model.trend
    weight = model.slot_rates.sum(axis=2)
    districts = len(model.series.district_ids)
    shares = np.zeros((len(group.place_ids), districts))
    for place in range(len(group.place_ids)):
        inside = group.place_of_area == place
        shares[place] = np.bincount(
            model.series.district_of_area[inside], weights=weight[inside].sum(axis=1), minlength=districts
        )
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    of_day = (1 + shocks.district_day * (shares**2).sum(axis=1)) * (1 + shocks.force_day)
    shape = (len(group.place_ids), len(group.split), len(days))
    if trend is None:
        level = shocks.of_level(days_ahead + 1 + np.arange(len(days), dtype=np.float64))
    else:
        log = trend.force.variance(days)[0]
        if trend.districts is not None:
            log = log + trend.districts.variance(days, shares)[:, None, :]
        if trend.classes is not None and group.split[0] != ("all", "all"):
            # A split by class has the classes in their order.
            log = log + trend.classes.variance(days, np.eye(len(group.split)))
        level = np.expm1(np.broadcast_to(log, shape))
    found: Floats = of_day[:, None, None] * (1 + np.broadcast_to(level, shape)) - 1
    return found
