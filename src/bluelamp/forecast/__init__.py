"""Demand to forecast: what every area, district and the force may expect, hour by hour and day by day.

A family: each method is a file that offers `fit(history, series) -> RateModel`. What follows from rates and shocks
(joint paths, quantiles, sums that add up in every path) is the same for all of them and is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from bluelamp import extensions, periods, tables
from bluelamp.errors import BadData
from bluelamp.forecast import _beside, _switched
from bluelamp.forecast._drivers import NONE, settle_drivers
from bluelamp.forecast._history import (
    Calendar,
    Floats,
    Integers,
    lay_out,
    make_calendar,
    name_series,
    whole_days_before,
)
from bluelamp.forecast._next_hours import NextDraws, draw_next
from bluelamp.forecast._origins import Origin, stand_at
from bluelamp.forecast._paths import DayPaths
from bluelamp.forecast._quarters import draw_quarters, draw_rates, tell_quarters
from bluelamp.forecast._rates import RateModel
from bluelamp.forecast._shifts import QUARTER_DAYS, Tally, cut
from bluelamp.forecast._switched import draw_days, draw_multipliers, read_model
from bluelamp.forecast._table import group_by_pool, lay_far_rows, lay_near_rows, list_groups
from bluelamp.forecast._work import ask
from bluelamp.pools import PoolHours
from bluelamp.shifts import Coming

__all__ = [
    "NAIVE", "QUARTER_DAYS", "DayCounts", "DayPaths", "Forecast", "NextDraws", "Origin", "RateModel", "Tally", "cut",
    "draw_again", "draw_next", "draw_quarters", "draw_rates", "make_forecast", "read_model", "stand_at",
    "tell_quarters",
]  # fmt: skip

# Members that are always shown beside the one in use.
NAIVE = ("last_week", "slot_mean_8", "slot_mean_26", "slot_mean_52")


@dataclass(frozen=True)
class Forecast:
    """A forecast: the published table, and what staffing needs beside it."""

    table: pl.DataFrame  # `forecast`
    model: RateModel
    calendar: Calendar  # the coming hours, from the first to the last with paths
    multipliers: Floats  # paths × days × districts: what days share
    seed: int
    # What is filed: level, area_id, span, hour_starting, mean, p025 … p975 of each method at district and force level.
    beside: pl.DataFrame | None = None
    coming: Coming | None = None  # shifts and days to come, for the telling of peaks

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
    instead: Mapping[str, str] | None = None,
    beside: Sequence[str] | None = None,
    offending: Collection[str] | None = None,
    counted: str = "incidents",
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
    `service_times` say what incidents ask for and how well that is known; deployments and officer-hours have quantiles
    from the same paths where they pay, which is everywhere but in hours of areas and of classes.

    `instead` names the methods that stand in for `method`: by the force's id for all of it, by a district's for that
    district, whose areas then have that method's rates and shocks. With `beside`, the force and its districts are also
    forecast by these methods, and by `method` itself where another stands in for it. With `offending`, the classes
    that count as such, `coming` is kept; `counted` names what demand is made of.

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
    fitted: dict[str, RateModel] = {}

    def fit(name: str) -> RateModel:
        if name not in fitted:
            fitted[name] = extensions.member("forecast", name).fit(history, series)
        return fitted[name]

    own, instead = method, instead or {}
    method = instead.get(force_id, own)
    model = _switched.compose(
        fit(method),
        {
            place: (name, fit(name))
            for place, name in instead.items()
            if place in series.district_ids and name != method
        },
    )
    model = replace(model, notes=(*model.notes, *driven.notes))
    first_day = forecast_from.astimezone(periods.zone(time_zone)).date()

    def midnight(day: int) -> datetime:
        at = first_day + timedelta(days=day)
        found: datetime = periods.local_days(time_zone, at, at)["starts_at"][0]
        return found

    path_days = min(path_days, days)
    near = calendar(forecast_from, midnight(path_days))
    asked = ask(service_times, series.cells)
    crew = np.array(crew_size_by_hour, dtype=np.float64)
    days_between = (forecast_from - known_until) / timedelta(days=1)
    multipliers = draw_multipliers(model, paths, seed, path_days, days_between)
    groups = [group for group in list_groups(series, classes=True, areas=True) if group.level in levels]
    if pool_hours is not None:
        groups.append(group_by_pool(series, pool_hours))
    tally = None if offending is None else Tally(model, near, time_zone, paths, cut(series, offending, counted))
    parts = lay_near_rows(
        model, near, multipliers, seed, days_between, asked, crew, groups, progress,
        None if tally is None else tally.add,
    )  # fmt: skip
    if days > path_days:
        parts += lay_far_rows(
            model, calendar(midnight(path_days), midnight(days)), days_between + path_days, asked, crew, levels
        )
    named = _switched.name_methods(pl.concat(parts), model, method)
    filed = None
    if beside is not None:
        filed = _beside.lay_beside(
            named, own, fit(own) if instead else None, beside, history, series, near, paths, seed, days_between
        )
    coming = None
    if tally is not None:
        told = min(days, QUARTER_DAYS)
        far = calendar(midnight(path_days), midnight(told)) if told > path_days else None
        coming = tally.coming(far, days_between + path_days)
    return Forecast(tables.publish(named, "forecast"), model, near, multipliers, seed, filed, coming)


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
    for drawn in draw_days(model, near, multipliers, seed, only=wanted, days_between=days_between):
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
