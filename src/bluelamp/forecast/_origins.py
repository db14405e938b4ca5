"""A forecast as of an earlier day, to be held against what came: its rates and its paths, day by day, and no table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import polars as pl

from bluelamp import extensions, periods
from bluelamp.forecast._drivers import NONE, Drivers, settle_drivers
from bluelamp.forecast._history import (
    Calendar,
    Floats,
    History,
    Series,
    lay_out,
    make_calendar,
    name_series,
    whole_days_before,
)
from bluelamp.forecast._paths import DayPaths, draw_days, draw_multipliers
from bluelamp.forecast._rates import RateModel


@dataclass(frozen=True)
class Origin:
    """A local midnight: what is known then, and the hours that follow.

    The feed is known up to `known_until`, which may lie before it: hours between are no history. `demand` and `outages`
    are of the time before that alone. Series are those of the longest history that any method is given, so that all
    methods speak of the same ones.
    """

    day: date
    starts_at: datetime
    known_until: datetime
    demand: pl.DataFrame
    areas: pl.DataFrame
    events: pl.DataFrame
    outages: pl.DataFrame
    series: Series
    coming: Calendar
    time_zone: str
    country: str | None
    subdivision: str | None
    drivers: Drivers = NONE
    _histories: dict[int, History] = field(default_factory=dict)

    def history(self, weeks: int) -> History:
        """Give the last so many weeks of what is known."""
        if weeks not in self._histories:
            earliest: datetime = self.demand["hour_starting"].min()  # type: ignore[assignment]
            begins = max(whole_days_before(self.known_until, weeks, self.time_zone), earliest)
            past = self.demand.filter(pl.col("hour_starting") >= begins)
            calendar = make_calendar(
                begins, self.known_until, self.time_zone, self.series, self.areas, self.events, self.country,
                self.subdivision, self.drivers,
            )  # fmt: skip
            self._histories[weeks] = lay_out(past, self.series, calendar, self.outages)
        return self._histories[weeks]

    def learn(self, method: str, weeks: int) -> RateModel:
        """Let a method learn from the last so many weeks."""
        model: RateModel = extensions.member("forecast", method).fit(self.history(weeks), self.series)
        return model

    def draw(self, model: RateModel, paths: int, seed: int) -> Iterator[tuple[DayPaths, Floats]]:
        """Draw the paths of the coming days, and give each day's rates (areas × cells × hours) with them."""
        days_between = (self.starts_at - self.known_until) / timedelta(days=1)
        multipliers = draw_multipliers(model, paths, seed, len(self.coming.days), days_between)
        for drawn in draw_days(model, self.coming, multipliers, seed):
            yield drawn, model.rates(self.coming, drawn.first, drawn.last)


def stand_at(
    day: date,
    demand: pl.DataFrame,
    areas: pl.DataFrame,
    events: pl.DataFrame,
    outages: pl.DataFrame,
    *,
    known_until: datetime,
    force_id: str,
    time_zone: str,
    weeks: int,
    days: int,
    country: str | None = None,
    subdivision: str | None = None,
    drivers: pl.DataFrame | None = None,
) -> Origin:
    """Give what is known at the midnight that a local day begins with, and the `days` that follow.

    Rows of `demand` from then on, or from `known_until` on, are left out; `outages` must be found from what came
    before. `weeks` are the longest that a method is given. There must be demand in them.
    """
    starts_at: datetime = periods.local_days(time_zone, day, day)["starts_at"][0]
    ends_at: datetime = periods.local_days(time_zone, day, day + timedelta(days=days - 1))["ends_at"][-1]
    known_until = min(known_until, starts_at)
    past = demand.filter(pl.col("hour_starting") < known_until)
    begins = whole_days_before(known_until, weeks, time_zone)
    series = name_series(areas, past.filter(pl.col("hour_starting") >= begins), force_id)
    driven = NONE if drivers is None else settle_drivers(drivers, starts_at, time_zone)
    coming = make_calendar(starts_at, ends_at, time_zone, series, areas, events, country, subdivision, driven)
    return Origin(
        day, starts_at, known_until, past, areas, events, outages, series, coming, time_zone, country, subdivision,
        driven,
    )  # fmt: skip
