"""Contacts by quarter-hour: a forecast of channels by the hour, its paths shared out over quarters.

Each contact of each path falls in a quarter of its hour by chance, so that in every path the quarters of an hour add up
to the hour, and the hours to the day, to the last contact. What hours and days share (a busy day, a busy evening) the
quarters share with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from bluelamp import quantiles, tables
from bluelamp.forecast._history import Calendar, Floats, Integers
from bluelamp.forecast._paths import DayPaths, draw_days, draw_mixes, draw_parts, draw_parts_of_day
from bluelamp.periods import INSTANT

if TYPE_CHECKING:
    from bluelamp.forecast import Forecast

_SECONDS = 900
_QUANTILES = [f"contacts_{name}" for name in ("p025", "p10", "p25", "p50", "p75", "p90", "p975")]


def draw_quarters(predicted: Forecast, quarter_shares: Floats) -> Iterator[tuple[DayPaths, Integers]]:
    """Draw the paths of each day again, and the local quarter (0 to 3) of its hour that each contact falls in.

    `predicted` is a forecast whose classes are the channels; `quarter_shares` are channels × 168 × 4.
    """
    calendar, cells = predicted.calendar, len(predicted.model.series.cells)
    upto = np.cumsum(_shares_of_hours(calendar, quarter_shares), axis=2)
    for drawn in draw_days(predicted.model, calendar, predicted.multipliers, predicted.seed):
        yield drawn, draw_parts(upto[drawn.series % cells, drawn.hour], predicted.seed, drawn.day)


def draw_rates(predicted: Forecast, quarter_shares: Floats) -> tuple[pl.Series, Floats]:
    """Give what each path expects of each channel in each quarter: starts, and contacts, paths × channels × quarters.

    That is what the paths' contacts come by chance around: the rates of `draw_quarters`, before chance has its say.
    """
    calendar, model, series = predicted.calendar, predicted.model, predicted.model.series
    paths, days, _ = predicted.multipliers.shape
    starts, _ = _lay_out(calendar)
    shares, there = _shares_of_hours(calendar, quarter_shares), _quarters_there(calendar) > 0
    rates = predicted.rates()  # places × channels × hours
    mixes = draw_mixes(model, calendar, paths, days, predicted.seed)
    of_class = None if mixes is None or model.trend is None else model.trend.class_of_cell
    found = []
    for day in range(days):
        hours = np.flatnonzero(calendar.day_of_hour == day)
        together = draw_parts_of_day(model.shocks, calendar.block[hours], paths, predicted.seed, day)
        of_place = predicted.multipliers[:, day][:, series.district_of_area]
        of_day = np.einsum("pa,ach,ph->pch", of_place, rates[:, :, hours], together)
        if mixes is not None and of_class is not None:
            of_day *= mixes[:, day][:, of_class][:, :, None]
        by_quarter = of_day[..., None] * shares[:, hours]
        found.append(by_quarter.reshape(paths, len(series.cells), -1)[:, :, there[hours].ravel()])
    return starts, np.concatenate(found, axis=2)


def tell_quarters(
    predicted: Forecast, quarter_shares: Floats, handling_minutes: Floats, share_abandoned: Floats, time_zone: str
) -> pl.DataFrame:
    """Give the table `contact_forecast`: quarters and hours as far as `predicted` has paths, and all of its days.

    `predicted` is a forecast whose classes are the channels, with rows of the force. What an hour of each is made of
    comes in the same order: `quarter_shares` (channels × 168 × 4), `handling_minutes` and `share_abandoned`
    (channels × 24, NaN where unknown).
    """
    calendar = predicted.calendar
    channels = [code for code, _ in predicted.model.series.cells]
    hour_of_day = calendar.slot % 24
    rates = predicted.rates().sum(axis=0)
    hourly = _Load(rates, rates * handling_minutes[:, hour_of_day] / 60, rates * share_abandoned[:, hour_of_day])
    told = predicted.table.filter(level="force", grade_code="all").select(
        "span",
        channel="class_code",
        starts_at="hour_starting",
        contacts_mean="incidents_mean",
        **{name: pl.col(name.replace("contacts", "incidents")) for name in _QUANTILES},
    )
    of_day = np.searchsorted(calendar.day_of_hour, np.arange(len(calendar.days)))
    shares = _shares_of_hours(calendar, quarter_shares)
    far = told.filter(span="day").filter(pl.col("starts_at") >= calendar.ends_at)["starts_at"].unique().sort()
    # Far days are made of hours as the week usually is: how long a contact lasts changes little with its shape.
    usual = predicted.model.slot_rates.sum(axis=0).reshape(len(channels), 7, 24).sum(axis=1)
    usual_day = _Load(usual, usual * handling_minutes / 60, usual * share_abandoned).summed(np.zeros(1, dtype=np.int64))
    hours = told.filter(span="hour").filter(pl.col("starts_at") < calendar.ends_at)
    days = told.filter(span="day")
    parts = [
        _quarter_rows(predicted, quarter_shares, hourly.shared_out(shares), channels),
        hours.join(hourly.rows(channels, calendar.hours), on=["channel", "starts_at"]),
        days.join(hourly.summed(of_day).rows(channels, calendar.hours.gather(of_day)), on=["channel", "starts_at"]),
        days.join(usual_day.repeated(len(far)).rows(channels, far), on=["channel", "starts_at"]),
    ]
    return tables.publish(
        pl.concat(parts, how="diagonal_relaxed").with_columns(
            handling_hours_mean=pl.col("contacts_mean") * pl.col("hours_each"),
            local_day=pl.col("starts_at").dt.convert_time_zone(time_zone).dt.date(),
            method=pl.lit(predicted.table["method"][0]),
        ),
        "contact_forecast",
    )


class _Load:
    """Expected contacts, hours of handling and abandoned contacts: channels × times each."""

    def __init__(self, contacts: Floats, hours: Floats, abandoned: Floats) -> None:
        self.contacts, self.hours, self.abandoned = contacts, hours, abandoned

    def _each(self) -> tuple[Floats, Floats, Floats]:
        return self.contacts, self.hours, self.abandoned

    def summed(self, starts: Integers) -> _Load:
        """Sum from each of these times to the next."""
        return _Load(*(np.add.reduceat(each, starts, axis=1) for each in self._each()))

    def shared_out(self, shares: Floats) -> _Load:
        """Share each time out (channels × times × parts) over its parts, those without a share left out."""
        there = shares[0].ravel() > 0
        return _Load(*((each[:, :, None] * shares).reshape(len(each), -1)[:, there] for each in self._each()))

    def repeated(self, times: int) -> _Load:
        """Say the same of so many times."""
        return _Load(*(np.repeat(each, times, axis=1) for each in self._each()))

    def rows(self, channels: list[str], starts: pl.Series) -> pl.DataFrame:
        """Give what one contact of each channel and time asks for, and the same of all channels together."""
        contacts, hours, abandoned = (np.vstack([each.sum(axis=0, keepdims=True), each]) for each in self._each())
        some = np.maximum(contacts, 1e-12)
        return pl.DataFrame(
            {
                "channel": np.repeat(["all", *channels], len(starts)),
                "starts_at": pl.concat([starts] * len(contacts)),
                "expected": contacts.ravel(),
                "hours_each": (hours / some).ravel(),
                "share_abandoned": (abandoned / some).ravel(),
            },
            schema_overrides={"starts_at": INSTANT},
        ).with_columns(pl.col("hours_each", "share_abandoned").fill_nan(None))


def _quarter_rows(predicted: Forecast, quarter_shares: Floats, load: _Load, channels: list[str]) -> pl.DataFrame:
    calendar, paths = predicted.calendar, len(predicted.multipliers)
    starts, number = _lay_out(calendar)
    of_hour = np.append(number[:, 3], len(starts))  # every hour has its last quarter
    cells = len(channels)
    found = []
    for drawn, quarter in draw_quarters(predicted, quarter_shares):
        at = number[drawn.hour, quarter]
        begin = int(number[drawn.first][number[drawn.first] >= 0][0])
        end = int(of_hour[drawn.last - 1]) + 1
        # Every contact counts twice: in all channels together, which come first, and in its own.
        index = np.concatenate([np.zeros_like(at), (1 + drawn.series % cells) * (end - begin)])
        index += np.tile(at - begin, 2)
        size = (1 + cells) * (end - begin)
        of_day = quantiles.of_paths(index, np.tile(drawn.path, 2), size, paths)
        found.append(of_day.reshape(1 + cells, end - begin, -1))
    levels = np.concatenate(found, axis=1).reshape(-1, len(_QUANTILES))
    return (
        load.rows(channels, starts)
        .with_columns(
            span=pl.lit("quarter"),
            contacts_mean=pl.col("expected"),
            **{name: pl.Series(levels[:, column]) for column, name in enumerate(_QUANTILES)},
        )
    )  # fmt: skip


def _quarters_there(calendar: Calendar) -> Floats:
    """Say which local quarters each hour has, hours × 4: a clock change of half an hour leaves the last two of one."""
    length = np.rint(calendar.lengths * 4).astype(np.int64)
    found: Floats = (np.arange(4) >= 4 - length[:, None]).astype(np.float64)
    return found


def _lay_out(calendar: Calendar) -> tuple[pl.Series, Integers]:
    """Give the starts of all quarters, and the number of each hour's four among them (-1: there is none)."""
    there = _quarters_there(calendar) > 0
    number = np.where(there, np.cumsum(there.ravel()).reshape(there.shape) - 1, -1)
    since = np.maximum(np.cumsum(there, axis=1) - 1, 0) * _SECONDS
    seconds = calendar.hours.dt.epoch("s").to_numpy()[:, None] + since
    return pl.Series("starts_at", seconds[there] * 1_000_000).cast(INSTANT), number


def _shares_of_hours(calendar: Calendar, quarter_shares: Floats) -> Floats:
    """Give the parts of each hour, channels × hours × 4; nil for quarters that do not exist."""
    shares = quarter_shares[:, calendar.slot] * _quarters_there(calendar)
    found: Floats = shares / shares.sum(axis=2, keepdims=True)
    return found
