"""Joint sample paths: days in which every area, class and hour moves together, drawn the same way every time.

A path is a list of events (series, hour). They are drawn by day with a counter-based generator (Philox) whose key is
the seed and the day, so that any day of any path can be drawn again by itself, on any number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bluelamp.forecast._history import Calendar, Floats, Integers
from bluelamp.forecast._rates import RateModel

# One key word for each thing drawn, so that drawing more of one never changes another.
_LEVEL, _FORCE_DAY, _DISTRICT_DAY, _EVENTS, _DRIFT, _PLACES = range(6)


@dataclass(frozen=True)
class DayPaths:
    """One day of every path."""

    day: int
    first: int  # hours of the calendar: first … last-1
    last: int
    path: Integers  # one an event
    series: Integers
    hour: Integers  # from the calendar's first hour


def _generator(seed: int, what: int, day: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, (what << 32) + day]))


def _gamma(generator: np.random.Generator, variance: float, shape: tuple[int, ...]) -> Floats:
    """Draw gamma factors with mean 1 and that variance (ones where the variance is nil)."""
    if variance <= 1e-9:
        return np.ones(shape)
    drawn: Floats = generator.gamma(1 / variance, variance, size=shape)
    return drawn


def draw_multipliers(model: RateModel, paths: int, seed: int, days: int, days_between: float = 0.0) -> Floats:
    """Draw what days share, paths × days × districts: level × drift × force-day × district-day.

    The level drifts from day to day; `days_between` are those between the end of the history and the first day.
    """
    districts, shocks = len(model.series.district_ids), model.shocks
    level = _gamma(_generator(seed, _LEVEL), shocks.level, (paths, 1, 1))
    of_day = [
        (
            _generator(seed, _DRIFT, day).standard_normal(paths),
            _gamma(_generator(seed, _FORCE_DAY, day), shocks.force_day, (paths, 1)),
            _gamma(_generator(seed, _DISTRICT_DAY, day), shocks.district_day, (paths, districts)),
        )
        for day in range(days)
    ]
    steps, force, district = (np.stack(each, axis=1) for each in zip(*of_day, strict=True))
    variance = np.full(days, shocks.drift)
    variance[0] += shocks.drift * days_between
    drift = np.exp((steps * np.sqrt(variance) - variance / 2).cumsum(axis=1))[:, :, None]
    multipliers: Floats = level * drift * force * district
    return multipliers


def draw_days(model: RateModel, calendar: Calendar, multipliers: Floats, seed: int) -> Iterator[DayPaths]:
    """Draw the events of every path, a day at a time.

    Each district's day total is Poisson with its mean multiplied by the path's shocks; its events fall on series and
    hours in proportion to their rates.
    """
    paths, days, districts = multipliers.shape
    cells = model.series.shape[1]
    for day in range(days):
        hours = np.flatnonzero(calendar.day_of_hour == day)
        first, last = int(hours[0]), int(hours[-1]) + 1
        rates = model.rates(calendar, first, last)
        generator = _generator(seed, _EVENTS, day)
        drawn_path, drawn_series, drawn_hour = [], [], []
        for district in range(districts):
            members = np.flatnonzero(model.series.district_of_area == district)
            weights = rates[members].ravel()
            total = float(weights.sum())
            counts = generator.poisson(total * multipliers[:, day, district])
            cumulative = np.cumsum(weights)
            points = generator.random(int(counts.sum())) * cumulative[-1] if len(cumulative) else np.zeros(0)
            where = np.searchsorted(cumulative, points, side="right").clip(0, max(len(weights) - 1, 0))
            area, rest = np.divmod(where, cells * (last - first))
            cell, hour = np.divmod(rest, last - first)
            drawn_path.append(np.repeat(np.arange(paths), counts))
            drawn_series.append(members[area] * cells + cell)
            drawn_hour.append(hour + first)
        yield DayPaths(
            day, first, last, np.concatenate(drawn_path), np.concatenate(drawn_series), np.concatenate(drawn_hour)
        )


def draw_places(place: Integers, hour: Integers, share: Floats, seed: int, day: int) -> Integers:
    """Give events without a place (-1) one, by each place's share of the hour (places × hours); where no place has a
    share, they stay without.
    """
    loose = np.flatnonzero(place < 0)
    upto = share.cumsum(axis=0)
    point = _generator(seed, _PLACES, day).random(len(loose)) * upto[-1, hour[loose]]
    found = place.copy()
    drawn = (point >= upto[:, hour[loose]]).sum(axis=0)
    found[loose] = np.where(drawn < len(share), drawn, -1)
    return found
