"""Bring a model forward by what came since it was fitted: cheap enough to do whenever incidents arrive.

Levels go on by the Kalman filter that found them, with the variances that they have: the force's first, then those of
classes and districts about it. What today has had so far tells of the rest of today, too: its day and six-hour blocks
share shocks, whose posterior is that of a normal prior and of what was seen over what was due in each block.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

import numpy as np

from bluelamp.forecast._history import BLOCKS, Floats, History, Integers
from bluelamp.forecast._rates import RateModel, Shocks
from bluelamp.forecast._trend import Parts


@dataclass(frozen=True)
class Today:
    """What is known of the shocks that a day shares: of the whole force, and of each six-hour block about it."""

    mean: Floats  # 1 + BLOCKS
    spread: Floats  # (1 + BLOCKS) × (1 + BLOCKS)

    def expected(self) -> Floats:
        """Give the day's expected factor in each block."""
        found: Floats = (1 + self.mean[0]) * (1 + self.mean[1:]) + self.spread[0, 1:]
        return found

    def draw(self, paths: int, generator: np.random.Generator) -> Floats:
        """Draw the day's factor in each block, paths × blocks."""
        values, vectors = np.linalg.eigh(self.spread)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        drawn = self.mean + generator.standard_normal((paths, len(self.mean))) @ root.T
        found: Floats = np.maximum((1 + drawn[:, :1]) * (1 + drawn[:, 1:]), 0.0)
        return found


def follow(model: RateModel, came: History) -> RateModel:
    """Give the model as it stands after what came: whole local days, and perhaps a part of the last.

    Days up to that with which the model's own history ends are left out; it knows them. Hours of the week, effects and
    shocks stay as they were found. A model without levels stays as it is.
    """
    trend = model.trend
    if trend is None or not came.calendar.days or came.calendar.days[-1] <= trend.force.last_day:
        return model
    first = trend.force.last_day + timedelta(days=1)
    days = [first + timedelta(days=number) for number in range((came.calendar.days[-1] - first).days + 1)]
    sums = _Sums.of(model, came)
    noise = _of_part_days(sums.due.sum(axis=(0, 1)), came, model.shocks)

    def padded(values: Floats) -> Floats:
        """Give a row of days from the first to follow on: days between that nobody saw are nought."""
        kept = values[:, -len(days) :]
        return np.pad(kept, ((0, 0), (len(days) - kept.shape[1], 0)))

    due, seen = sums.by_day(sums.due, came), sums.by_day(sums.seen, came)
    force, log = trend.force.follow(
        days, padded(seen.sum(axis=(0, 1))[None]), padded(due.sum(axis=(0, 1))[None]), padded(noise[None])
    )
    # Parts are about the force as it was, not as it was expected.
    moved = np.exp(log - trend.force.ahead(days))[0]
    seen, due = seen[..., -len(days) :], due[..., -len(days) :]
    due = due * moved[-due.shape[2] :]

    def follow_parts(parts: Parts | None, axis: int) -> Parts | None:
        if parts is None:
            return None
        own_seen, own_due = padded(seen.sum(axis=axis)), padded(due.sum(axis=axis))
        levels, _ = parts.levels.follow(
            days, own_seen, own_due, padded(np.repeat(noise[None], len(seen.sum(axis=axis)), 0))
        )
        return replace(parts, levels=levels)

    followed = replace(
        trend, force=force, districts=follow_parts(trend.districts, 1), classes=follow_parts(trend.classes, 0)
    )
    return replace(model, trend=followed)


def find_today(model: RateModel, came: History) -> Today:
    """Find what the last of the days tells of its shocks so far; `model` has followed what came."""
    shocks = model.shocks
    spread = np.diag([shocks.force_day, *[shocks.block] * BLOCKS])
    mean = np.zeros(1 + BLOCKS)
    calendar = came.calendar
    is_today = calendar.day_of_hour == len(calendar.days) - 1
    sums = _Sums.of(model, came, first=int(np.argmax(is_today)))
    due, seen = sums.due.sum(axis=(0, 1)), sums.seen.sum(axis=(0, 1))
    for block in range(BLOCKS):
        hours = calendar.block[is_today] == block
        expected = float(due[hours].sum())
        if expected <= 0:
            continue
        look = np.zeros(1 + BLOCKS)
        look[[0, 1 + block]] = 1.0
        noise = (1 + shocks.clump) / expected + shocks.hour * float((due[hours] ** 2).sum()) / expected**2
        across = spread @ look
        gain = across / (across @ look + noise)
        mean = mean + gain * (seen[hours].sum() / expected - 1 - mean @ look)
        spread = spread - np.outer(gain, across)
    return Today(mean, spread)


@dataclass(frozen=True)
class _Sums:
    """What was due by a model and what was seen: districts × classes × hours, from one hour of a history on."""

    due: Floats
    seen: Floats
    first: int

    @classmethod
    def of(cls, model: RateModel, came: History, first: int = 0) -> _Sums:
        series, calendar = model.series, came.calendar
        hours = len(calendar.hours)
        class_of_cell = model.trend.class_of_cell if model.trend else np.zeros(series.shape[1], dtype=np.int64)
        classes, districts = int(class_of_cell.max()) + 1, len(series.district_ids)
        group = series.district_of_area[:, None] * classes + class_of_cell
        size = districts * classes
        due = np.zeros((size, hours - first))
        bounds = [*np.flatnonzero(np.diff(calendar.day_of_hour, prepend=-1)), hours]
        for begin, end in pairwise(bounds):
            if begin >= first:
                rates = model.rates(calendar, int(begin), int(end)).reshape(-1, end - begin)
                due[:, begin - first : end - first] = _sum_rows(rates, group.ravel(), size)
        due = np.where(came.is_masked[first:], 0.0, due)
        kept = came.hour >= first
        index = group.ravel()[came.series[kept]] * (hours - first) + came.hour[kept] - first
        seen: Floats = np.bincount(index, came.counts[kept], size * (hours - first)).astype(np.float64)
        shape = (districts, classes, hours - first)
        return cls(due.reshape(shape), seen.reshape(shape), first)

    def by_day(self, values: Floats, came: History) -> Floats:
        """Sum hours to days."""
        starts = np.flatnonzero(np.diff(came.calendar.day_of_hour[self.first :], prepend=-1))
        found: Floats = np.add.reduceat(values, starts, axis=2)
        return found


def _sum_rows(values: Floats, index: Integers, size: int) -> Floats:
    found = np.zeros((size, values.shape[1]))
    np.add.at(found, index, values)
    return found


def _of_part_days(due: Floats, came: History, shocks: Shocks) -> Floats:
    """Give what a day's sum varies more than that of a whole day, relatively: it has had fewer blocks and hours that
    even out. What whole days vary is in the shock of the day, as it was found.
    """
    calendar, days = came.calendar, len(came.calendar.days)
    whole = np.bincount(calendar.day_of_hour, weights=due, minlength=days)
    squares = (calendar.by_block(due[None])[0] ** 2).sum(axis=1)
    of_hours = np.bincount(calendar.day_of_hour, weights=due**2, minlength=days)
    with np.errstate(divide="ignore", invalid="ignore"):
        blocks, hours = squares / whole**2 - 1 / BLOCKS, of_hours / whole**2 - 1 / 24
    found: Floats = np.where(whole > 0, shocks.block * np.maximum(blocks, 0) + shocks.hour * np.maximum(hours, 0), 0.0)
    return found
