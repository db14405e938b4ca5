"""Pools tried on the same drawn weeks: the same jobs and the same units, covering the ground in other ways.

What is random (when jobs come and where, how long they take, how many units they want) is drawn once a week and given
to every way of pooling (common random numbers), so that two ways differ by their pools alone, and few weeks tell them
apart. A job's units go by who is nearest among those of its pool that are free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bluelamp.simulation import Cover, Jobs, Rules, Travel, Units, replicate

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# The first hours begin with nobody busy, and the last hold jobs that nobody had time to reach: neither is counted.
WARM_HOURS, COOL_HOURS = 12, 4
# Of a normal distribution: 95 of 100 intervals hold what they should, near enough from thirty weeks on.
_TWO_SIDED = 1.96


@dataclass(frozen=True)
class Offered:
    """What comes, by grade, the most urgent first: deployments an hour (grades × areas × hours), and of each deployment
    the mean and standard deviation of minutes (log-normal), the mean number of units, the minutes before it can be sent
    to, and the target from its receipt (grades × areas; not a number where there is none).
    """

    rates: Floats
    minutes: Floats
    sd_minutes: Floats
    units: Floats
    handling: Floats
    targets: Floats


@dataclass(frozen=True)
class Pooling:
    """One way of pooling: the pool that covers each area in each hour (areas × hours), and of each unit the pool and
    the area where its duty begins.
    """

    own: Integers
    pool_of_unit: Integers
    place_of_unit: Integers


@dataclass(frozen=True)
class Tried:
    """What came of one way of pooling, by drawn week (rows) and grade (columns).

    `in_time` is the share of jobs whose first unit arrives within the target, `minutes` the mean time from receipt to
    that arrival, `travel` the mean time on the way; not a number where a week had no such job.
    """

    in_time: Floats
    minutes: Floats
    travel: Floats


@dataclass(frozen=True)
class Difference:
    """How far one way is from another, on average over drawn weeks, with the interval that holds in 95 of 100 cases."""

    mean: float
    low: float
    high: float


def draw_jobs(offered: Offered, rng: np.random.Generator) -> Jobs:
    """Draw a week of jobs: Poisson arrivals at the rates, log-normal minutes, whole numbers of units."""
    grades, areas, hours = offered.rates.shape
    counts = rng.poisson(offered.rates)
    cell = np.repeat(np.arange(counts.size), counts.ravel())
    grade, place, hour = np.unravel_index(cell, (grades, areas, hours))
    received = 60 * (hour + rng.random(len(cell)))
    variance = np.log1p((offered.sd_minutes / np.maximum(offered.minutes, 1e-9)) ** 2)
    middle = np.log(np.maximum(offered.minutes, 1e-9)) - variance / 2
    minutes = np.exp(middle[grade] + np.sqrt(variance)[grade] * rng.standard_normal(len(cell)))
    whole = np.floor(np.maximum(offered.units, 1.0))
    units = whole[grade] + (rng.random(len(cell)) < (np.maximum(offered.units, 1.0) - whole)[grade])
    ready = received + offered.handling[grade]
    order = np.argsort(ready, kind="stable")
    return Jobs.of(
        ready[order], minutes[order], place=place[order], priority=grade[order], units=units[order].astype(np.int64)
    )


def try_poolings(
    offered: Offered,
    poolings: Mapping[str, Pooling],
    units: Units,
    travel: Travel,
    *,
    weeks: int = 40,
    seed: int = 0,
    tell: Callable[[int], None] | None = None,
) -> dict[str, Tried]:
    """Simulate every way of pooling on the same drawn weeks.

    `units` are the duties, the same for all ways but for their pool and where they begin. Raises BadData where a way
    leaves an area without a pool, or a pool without a unit.
    """
    hours = offered.rates.shape[2]
    runs = [draw_jobs(offered, np.random.default_rng([seed, week])) for week in range(weeks)]
    found = {}
    for name, pooling in poolings.items():
        duties = replace(units, pool=pooling.pool_of_unit, place=pooling.place_of_unit)
        outcomes = replicate(
            runs, duties, Cover.of(pooling.own), Rules(is_nearest=True), travel, hours=hours, tell=tell
        )
        measured = [
            _measure(offered, jobs, outcome.sent, outcome.arrived, hours)
            for jobs, outcome in zip(runs, outcomes, strict=True)
        ]
        found[name] = Tried(*(np.array(each) for each in zip(*measured, strict=True)))
    return found


def compare(one: Floats, other: Floats) -> Difference:
    """Give how far one way is from another, week by week (paired, because both had the same jobs)."""
    differ = one - other
    differ = differ[np.isfinite(differ)]
    if len(differ) < 2:
        return Difference(float("nan"), float("nan"), float("nan"))
    mean, error = float(differ.mean()), _TWO_SIDED * float(differ.std(ddof=1)) / np.sqrt(len(differ))
    return Difference(mean, mean - error, mean + error)


def share_out(units: int, load: Floats) -> Integers:
    """Share units out among pools by their load, evenly where there is none: one each first, the rest by the largest
    remainder (Hamilton 1792).

    >>> share_out(7, np.array([3.0, 1.0, 0.0]))
    array([4, 2, 1])
    """
    shares = load / load.sum() if load.sum() > 1e-9 else np.full(len(load), 1 / len(load))
    wanted = np.maximum(units * shares - 1, 0)
    wanted *= (units - len(load)) / max(float(wanted.sum()), 1e-300)
    whole = np.floor(wanted).astype(np.int64)
    whole[np.argsort(-(wanted - whole), kind="stable")[: units - len(load) - int(whole.sum())]] += 1
    shared: Integers = whole + 1
    return shared


def _measure(offered: Offered, jobs: Jobs, sent: Floats, arrived: Floats, hours: int) -> tuple[Floats, Floats, Floats]:
    grades = len(offered.minutes)
    received = jobs.ready - offered.handling[jobs.priority]
    counted = (received >= 60 * WARM_HOURS) & (received < 60 * (hours - COOL_HOURS))
    response = arrived - received
    target = offered.targets[jobs.priority, jobs.place]
    # Whoever has not arrived by the end is late: those who came in the last hours are not counted.
    in_time = np.where(np.isfinite(target), np.nan_to_num(response, nan=np.inf) <= target, np.nan)
    means = []
    for values in (in_time, response, arrived - sent):
        known = counted & np.isfinite(values)
        number = np.bincount(jobs.priority[known], minlength=grades)
        summed = np.bincount(jobs.priority[known], values[known], grades)
        means.append(np.divide(summed, number, out=np.full(grades, np.nan), where=number > 0))
    return means[0], means[1], means[2]
