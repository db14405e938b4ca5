"""Joint sample paths: days in which every area, class and hour moves together, drawn the same way every time.

A path is a list of events (series, hour). They are drawn by day with a counter-based generator (Philox) whose key is
the seed and the day, so that any day of any path can be drawn again by itself, on any number of threads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from bluelamp.forecast._history import BLOCKS, Calendar, Floats, Integers
from bluelamp.forecast._rates import RateModel, Shocks
from bluelamp.forecast._short_lead import Today

# One key word for each thing drawn, so that drawing more of one never changes another.
_LEVEL, _FORCE_DAY, _DISTRICT_DAY, _EVENTS, _DRIFT, _PLACES, _BLOCK, _HOUR, _CLASSES, _PARTS = range(10)
# Poisson means drawn at once: 16 MB.
_DRAWN_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class DayPaths:
    """One day of every path."""

    day: int
    first: int  # hours of the calendar: first … last-1
    last: int
    path: Integers  # one an event
    series: Integers
    hour: Integers  # from the calendar's first hour


def philox(seed: int, what: int, day: int = 0) -> np.random.Generator:
    """Give the generator of one thing drawn on one day."""
    return np.random.Generator(np.random.Philox(key=[seed, (what << 32) + day]))


def _gamma(generator: np.random.Generator, variance: float, shape: tuple[int, ...]) -> Floats:
    """Draw gamma factors with mean 1 and that variance (ones where the variance is nil)."""
    if variance <= 1e-9:
        return np.ones(shape)
    drawn: Floats = generator.gamma(1 / variance, variance, size=shape)
    return drawn


def draw_multipliers(
    model: RateModel, paths: int, seed: int, days: int, days_between: float = 0.0, today: Today | None = None
) -> Floats:
    """Draw what days share, paths × days × districts: level × drift × force-day × district-day.

    The level drifts from day to day; `days_between` are those between the end of the history and the first day. What
    is known of `today`, the first of the days, stands in for its force-day; see `draw_days`.
    """
    districts, shocks = len(model.series.district_ids), model.shocks
    of_day = [
        (
            _gamma(philox(seed, _FORCE_DAY, day), shocks.force_day, (paths, 1)),
            _gamma(philox(seed, _DISTRICT_DAY, day), shocks.district_day, (paths, districts)),
        )
        for day in range(days)
    ]
    force, district = (np.stack(each, axis=1) for each in zip(*of_day, strict=True))
    if today is not None:
        force[:, 0] = 1.0
    multipliers: Floats = _levels(model, paths, seed, days, days_between) * force * district
    return multipliers


def _levels(model: RateModel, paths: int, seed: int, days: int, days_between: float) -> Floats:
    if model.trend is not None:
        coming = _days_ahead(model, days, days_between)
        return model.trend.draw(
            paths, coming, len(model.series.district_ids), lambda number: philox(seed, _LEVEL, number)
        )
    shocks = model.shocks
    level = _gamma(philox(seed, _LEVEL), shocks.level, (paths, 1, 1))
    steps = np.stack([philox(seed, _DRIFT, day).standard_normal(paths) for day in range(days)], axis=1)
    variance = np.full(days, shocks.drift)
    variance[0] += shocks.drift * days_between
    drift = np.exp((steps * np.sqrt(variance) - variance / 2).cumsum(axis=1))[:, :, None]
    found: Floats = level * drift
    return found


def _days_ahead(model: RateModel, days: int, days_between: float) -> list[date]:
    """Name the days with paths: the first is the day after the history's last, or as many days later as lie between."""
    if model.trend is None:
        return []
    first = model.trend.force.last_day + timedelta(days=1 + int(days_between))
    return [first + timedelta(days=number) for number in range(days)]


def draw_days(
    model: RateModel,
    calendar: Calendar,
    multipliers: Floats,
    seed: int,
    today: Today | None = None,
    only: Collection[int] | None = None,
) -> Iterator[DayPaths]:
    """Draw the events of every path, a day at a time: all days, or `only` some. With `today`, the first day shares what
    is known of it.

    The counts of each district, class and hour are Poisson, with their mean multiplied by the path's shocks; their
    events fall on areas and grades in proportion to their rates. Where incidents come in clumps, each is followed by
    others of its series and hour, as many as a geometric distribution gives.
    """
    paths, days, _ = multipliers.shape
    shocks = model.shocks
    order, starts = _by_class(model)
    mixes = draw_mixes(model, calendar, paths, days, seed)
    alone = 1 / (1 + shocks.clump / 2)
    for day in range(days) if only is None else sorted(only):
        hours = np.flatnonzero(calendar.day_of_hour == day)
        first, last = int(hours[0]), int(hours[-1]) + 1
        rates = model.rates(calendar, first, last)[:, order]
        generator = philox(seed, _EVENTS, day)
        of_today = today if day == 0 else None
        together = draw_parts_of_day(shocks, calendar.block[first:last], paths, seed, day, of_today) * alone
        drawn = []
        for district in range(multipliers.shape[2]):
            members = np.flatnonzero(model.series.district_of_area == district)
            of_path = multipliers[:, day, district, None] * together
            mix = None if mixes is None else mixes[:, day]
            drawn.append(_draw_district(generator, rates[members], starts, of_path, mix, members, order))
        path, series, hour = (np.concatenate(each) for each in zip(*drawn, strict=True))
        if shocks.clump > 1e-9:
            copies = generator.geometric(2 / (2 + shocks.clump), len(path))
            path, series, hour = (np.repeat(each, copies) for each in (path, series, hour))
        yield DayPaths(day, first, last, path, series, hour + first)


def draw_parts_of_day(
    shocks: Shocks, blocks: Integers, paths: int, seed: int, day: int, today: Today | None = None
) -> Floats:
    """Draw what the whole force's hours and six-hour blocks of a day share, paths × hours."""
    together = _gamma(philox(seed, _HOUR, day), shocks.hour, (paths, len(blocks)))
    chance = philox(seed, _BLOCK, day)
    of_block = _gamma(chance, shocks.block, (paths, BLOCKS)) if today is None else today.draw(paths, chance)
    found: Floats = together * of_block[:, blocks]
    return found


def _by_class(model: RateModel) -> tuple[Integers, Integers]:
    """Give the cells in order of their class, and where each class starts; one class where they all go together."""
    if model.trend is None or model.trend.classes is None:
        return np.arange(model.series.shape[1]), np.zeros(1, dtype=np.int64)
    of_cell = model.trend.class_of_cell
    order = np.argsort(of_cell, kind="stable")
    return order, np.searchsorted(of_cell[order], np.arange(of_cell.max() + 1))


def draw_mixes(model: RateModel, calendar: Calendar, paths: int, days: int, seed: int) -> Floats | None:
    """Draw by what each class's part differs from what is expected, paths × days × classes, where that moves."""
    if model.trend is None:
        return None
    return model.trend.draw_classes(paths, calendar.days[:days], lambda number: philox(seed, _CLASSES, number))


def _draw_district(
    generator: np.random.Generator,
    rates: Floats,
    starts: Integers,
    of_path: Floats,
    mix: Floats | None,
    members: Integers,
    order: Integers,
) -> tuple[Integers, Integers, Integers]:
    """Draw one district's day: path, series and hour of the day of every event.

    `rates` are areas × cells (in order of class) × hours, `of_path` paths × hours, `mix` paths × classes.
    """
    areas, cells, hours = rates.shape
    classes = len(starts)
    expected = np.add.reduceat(rates.sum(axis=0), starts, axis=0)  # classes × hours
    counts = []
    for begin in range(0, len(of_path), max(_DRAWN_AT_ONCE // (classes * hours), 1)):
        some = slice(begin, begin + max(_DRAWN_AT_ONCE // (classes * hours), 1))
        mean = expected[None] * of_path[some, None, :]
        if mix is not None:
            mean *= mix[some, :, None]
        counts.append(generator.poisson(mean))
    count = np.concatenate(counts).reshape(len(of_path), classes * hours)
    path, place = np.nonzero(count)
    times = count[path, place]
    path, place = np.repeat(path, times), np.repeat(place, times)
    # Weights of the areas and grades of each class and hour, end to end: one search finds where a point falls.
    ends = np.append(starts[1:], cells)
    weights = np.concatenate(
        [rates[:, begin:end].transpose(2, 0, 1).ravel() for begin, end in zip(starts, ends, strict=True)]
    )
    upto = np.cumsum(weights)
    sizes = np.repeat((ends - starts) * areas, hours)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    below = np.concatenate([[0.0], upto])[bounds]
    points = below[place] + generator.random(len(place)) * (below[place + 1] - below[place])
    where = np.searchsorted(upto, points, side="right")
    where = np.clip(where, bounds[place], bounds[place + 1] - 1) - bounds[place]
    of_class, hour = np.divmod(place, hours)
    area, cell = np.divmod(where, (ends - starts)[of_class])
    series = members[area] * cells + order[starts[of_class] + cell]
    return path, series, hour


def draw_places(place: Integers, hour: Integers, share: Floats, seed: int, day: int) -> Integers:
    """Give events without a place (-1) one, by each place's share of the hour (places × hours); where no place has a
    share, they stay without.
    """
    loose = np.flatnonzero(place < 0)
    upto = share.cumsum(axis=0)
    point = philox(seed, _PLACES, day).random(len(loose)) * upto[-1, hour[loose]]
    found = place.copy()
    drawn = (point >= upto[:, hour[loose]]).sum(axis=0)
    found[loose] = np.where(drawn < len(share), drawn, -1)
    return found


def draw_parts(upto: Floats, seed: int, day: int) -> Integers:
    """Give events one of some parts each, by the running sums of their parts' shares (events × parts)."""
    point = philox(seed, _PARTS, day).random(len(upto))
    found: Integers = (point[:, None] >= upto[:, :-1]).sum(axis=1)
    return found
