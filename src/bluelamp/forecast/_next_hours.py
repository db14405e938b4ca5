"""The next hours from a model that was fitted before: its levels brought forward, and today's shocks as they show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from bluelamp import periods, quantiles
from bluelamp.forecast._drivers import NONE, settle_drivers
from bluelamp.forecast._history import Calendar, Floats, Integers, Series, lay_out, make_calendar
from bluelamp.forecast._rates import RateModel
from bluelamp.forecast._short_lead import find_today, follow
from bluelamp.forecast._switched import draw_days, draw_multipliers

NAMES = ("p025", "p10", "p25", "p50", "p75", "p90", "p975")


@dataclass(frozen=True)
class NextDraws:
    """Joint paths of the coming hours, which begin at `starts`: one entry of `path`, `area`, `cell`, `hour` an
    incident, all numbers from 0. `mean` are the incidents expected, areas × hours.
    """

    series: Series
    starts: pl.Series
    paths: int
    path: Integers
    area: Integers
    cell: Integers
    hour: Integers
    mean: Floats

    def table(self) -> pl.DataFrame:
        """Give a row for each force, district and area and hour, and for all the hours together (`span` 'sum'), with
        mean and quantiles of the paths.
        """
        return pl.concat(
            _rows(level, places, index, self.mean, self.path, self.area, self.hour, self.starts, self.paths)
            for level, places, index in _places(self.series)
        )


def draw_next(
    model: RateModel,
    demand: pl.DataFrame,
    areas: pl.DataFrame,
    events: pl.DataFrame,
    outages: pl.DataFrame,
    *,
    known_since: datetime,
    known_until: datetime,
    hours: int,
    time_zone: str,
    paths: int,
    seed: int,
    country: str | None = None,
    subdivision: str | None = None,
    drivers: pl.DataFrame | None = None,
) -> NextDraws:
    """Draw the incidents of the `hours` from `known_until` on, a full hour.

    `demand` holds what came from `known_since` on, by the hour; the model knows what came before.
    """
    zone = periods.zone(time_zone)
    driven = NONE if drivers is None else settle_drivers(drivers, known_until, time_zone)

    def midnight(at: datetime, days: int = 0) -> datetime:
        day = at.astimezone(zone).date() + timedelta(days=days)
        found: datetime = periods.local_days(time_zone, day, day)["starts_at"][0]
        return found

    def calendar(first: datetime, last: datetime) -> Calendar:
        return make_calendar(first, last, time_zone, model.series, areas, events, country, subdivision, driven)

    today_from = midnight(known_until)
    ends_at = known_until + timedelta(hours=hours)
    first = min(midnight(known_since), today_from)
    if known_until > first:
        came = lay_out(
            demand.filter(pl.col("hour_starting") < known_until), model.series, calendar(first, known_until), outages
        )
        model = follow(model, came)
        today = find_today(model, came) if known_until > today_from else None
    else:
        today = None
    coming = calendar(today_from, midnight(ends_at - timedelta(microseconds=1), 1))
    between = (coming.days[0] - model.trend.force.last_day).days - 1 if model.trend else 0
    multipliers = draw_multipliers(model, paths, seed, len(coming.days), between, today)
    kept = ((coming.hours >= known_until) & (coming.hours < ends_at)).to_numpy()
    means, drawn = [], []
    for day in draw_days(model, coming, multipliers, seed, today, days_between=between):
        factor = np.ones((1, day.last - day.first))
        if day.day == 0 and today is not None:
            factor = today.expected()[coming.block[day.first : day.last]][None]
        means.append(model.rates(coming, day.first, day.last).sum(axis=1) * factor)
        wanted = kept[day.hour]
        drawn.append((day.path[wanted], *np.divmod(day.series[wanted], model.series.shape[1]), day.hour[wanted]))
    path, area, cell, hour = (np.concatenate(each) for each in zip(*drawn, strict=True))
    mean = np.concatenate(means, axis=1)[:, kept]
    starts = coming.hours.filter(pl.Series(kept))
    return NextDraws(model.series, starts, paths, path, area, cell, (np.cumsum(kept) - 1)[hour], mean)


def _places(series: Series) -> list[tuple[str, list[str], Integers]]:
    every = np.arange(len(series.area_ids))
    return [
        ("force", [series.force_id], np.zeros_like(every)),
        ("district", series.district_ids, series.district_of_area),
        ("area", series.area_ids, every),
    ]


def _rows(
    level: str,
    places: list[str],
    place_of_area: Integers,
    mean: Floats,
    path: Integers,
    area: Integers,
    hour: Integers,
    starts: pl.Series,
    paths: int,
) -> pl.DataFrame:
    """Lay out one level's rows: each place's hours, then the sum of its hours."""
    hours = len(starts)
    summed = np.zeros((len(places), hours))
    np.add.at(summed, place_of_area, mean)
    place = place_of_area[area]
    by_hour = quantiles.of_paths(place * hours + hour, path, len(places) * hours, paths)
    of_all = quantiles.of_paths(place, path, len(places), paths)

    def frame(span: str, of_place: Integers, at: pl.Series, expected: Floats, levels: Integers) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "level": pl.repeat(level, len(at), eager=True),
                "area_id": pl.Series(places, dtype=pl.String)[of_place],
                "span": pl.repeat(span, len(at), eager=True),
                "hour_starting": at,
                "incidents_mean": expected,
                **{f"incidents_{name}": levels[:, column] for column, name in enumerate(NAMES)},
            }
        )

    every = np.arange(len(places))
    each_hour = starts[np.tile(np.arange(hours), len(places))]
    return pl.concat(
        [
            frame("hour", np.repeat(every, hours), each_hour, summed.ravel(), by_hour),
            frame("sum", every, starts[np.zeros(len(places), dtype=np.int64)], summed.sum(axis=1), of_all),
        ]
    )
