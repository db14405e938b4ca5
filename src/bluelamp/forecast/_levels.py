"""How a level moves from day to day: a state-space model of the log of (seen / due), for many series at once.

The log level of a series on day d is

    level(d) + swing(d) + season(d),

a random walk (variance `walk` a day), a swing about it that fades by `memory` a day (an autoregression of order 1 with
variance `swing`), and a yearly season of harmonics and steady growth, whose coefficients have a normal prior. Growth
fades out after the history, by half in each year (a damped trend: Gardner and McKenzie 1985). What is seen is Poisson
about `due` times its exponent, with a relative variance `shock` that belongs to the day alone. The posterior is found
by iterating a Kalman filter and a Rauch–Tung–Striebel smoother about the last estimate, as in penalised Poisson
regression (Durbin and Koopman, Time Series Analysis by State Space Methods, 2nd ed., sections 4.3, 4.4 and 10.6). The
variances are the mean of a grid by its posterior: marginal likelihood times a weak prior.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import date, timedelta
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bluelamp.forecast._history import Floats

HARMONICS = 3
GROWTH = 0.05
# A sudden step: its standard deviation, how much more likely (log) it must make the history, how many there may be in
# one series, and what is compared to look for one.
_OF_STEP, _ENOUGH, _MOST_STEPS, _WINDOW, _CANDIDATES = 0.4, 8.0, 3, 28, 3
# Standard deviation of the log level at the start: the mean of the history is taken as due, so it is near.
_START = 0.5
_DAYS_A_YEAR = 365.25
# Rounds in which levels are followed: logs of counts are taken in about the last estimate.
_FOLLOWED = 3


@dataclass(frozen=True)
class Variances:
    """One point of the grid: variances of a day's step, of the swing, of the day alone, and how the swing fades."""

    walk: float
    swing: float
    memory: float
    shock: float
    season: float  # standard deviation of the first harmonic's coefficients; the k-th has a k-th of it

    @property
    def log_prior(self) -> float:
        """Lean to a walk of about 8% a year."""
        return -0.5 * float(np.log(self.walk / 2e-5) / 1.5) ** 2


FORCE_GRID = [
    Variances(walk, swing, memory, shock, season)
    for walk, (swing, memory), shock, season in product(
        (1e-6, 4e-6, 1.6e-5, 6e-5, 2.5e-4),
        ((0.0, 0.5), (0.001, 0.7), (0.003, 0.7), (0.01, 0.7), (0.001, 0.95), (0.003, 0.95), (0.01, 0.95)),
        (0.0005, 0.002, 0.005, 0.01, 0.02),
        (0.02, 0.08),
    )
]
PART_GRID = [
    Variances(walk, swing, memory, shock, season)
    for walk, (swing, memory), shock, season in product(
        (1e-7, 2e-6, 2e-5, 2e-4), ((0.0, 0.5), (0.01, 0.95)), (0.0005, 0.005, 0.02), (0.01, 0.05)
    )
]


@dataclass(frozen=True)
class Levels:
    """What is known of the levels of some series at the end of a history.

    `past` is the smoothed log level (series × days); `mean` (series × state) and `spread` (series × state × state) the
    state at the end of the last day, whose parts are level, swing and the coefficients of the season.
    """

    last_day: date
    past: Floats
    mean: Floats
    spread: Floats
    variances: list[Variances]
    steps: list[list[tuple[date, float]]]  # of each series: the day of a sudden change, and by how much its log changed

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give what is known of the end of the history as named arrays, to be written down."""
        return {
            "last_day": np.array(self.last_day.isoformat()),
            "mean": self.mean,
            "spread": self.spread,
            "variances": np.array([astuple(each) for each in self.variances]),
        }

    @classmethod
    def of_arrays(cls, found: Mapping[str, NDArray[Any]]) -> Levels:
        """Read what `arrays` wrote; the days of the past, and the steps in it, are not among it."""
        variances = [Variances(*(float(each) for each in row)) for row in found["variances"]]
        none = np.zeros((len(variances), 0))
        last_day = date.fromisoformat(str(found["last_day"]))
        return cls(last_day, none, found["mean"], found["spread"], variances, [[] for _ in variances])

    def ahead(self, days: Sequence[date]) -> Floats:
        """Give the expected log level of days after the last, series × days."""
        lead = np.array([(day - self.last_day).days for day in days], dtype=np.float64)
        memory = np.array([each.memory for each in self.variances])
        faded = memory[:, None] ** np.maximum(lead, 0.0)
        found: Floats = (
            self.mean[:, :1] + self.mean[:, 1:2] * faded + self.mean[:, 2:] @ _features(days, self.last_day).T
        )
        return found

    def follow(self, days: Sequence[date], seen: Floats, due: Floats, noise: Floats) -> tuple[Levels, Floats]:
        """Go on to a later day by what was seen since, with the same variances; gives the log levels of the days, too.

        `days` are all those after the last, in order; `due` (series × days) is what these levels expected; where it is
        nought a day tells nothing. `noise` is a relative variance that days have beside the shock of a day.
        """
        features = _features(days, self.last_day)
        expected_log = self.ahead(days)
        log = expected_log
        tells = due > 0
        for _ in range(_FOLLOWED):
            expected = np.where(tells, due, 1.0) * np.exp(log - expected_log)
            target = np.where(tells, log + (seen - expected) / expected, np.nan)
            log, mean, spread = self._filtered(target, 1 / expected + noise, features)
        # From here on, growth counts from the new last day.
        shift = np.eye(mean.shape[1])
        shift[0, -1] = features[-1, -1]
        spread = shift @ spread @ shift.T
        return replace(self, last_day=days[-1], past=log, mean=mean @ shift.T, spread=spread), log

    def _filtered(self, target: Floats, noise: Floats, features: Floats) -> tuple[Floats, Floats, Floats]:
        size = self.mean.shape[1]
        walk, swing, memory, shock, *_ = (each[:, 0] for each in _start([[each] for each in self.variances], size))
        mean, spread, log = self.mean.copy(), self.spread.copy(), np.zeros_like(target)
        for day, feature in enumerate(features):
            _step(mean, spread, walk, memory, swing * (1 - memory**2))
            look = np.concatenate([[1.0, 1.0], feature])
            _see(mean, spread, look, target[:, day], noise[:, day] + shock)
            log[:, day] = mean @ look
        return log, mean, spread

    def variance(self, days: Sequence[date]) -> Floats:
        """Give the variance of the log level on days after the last, series × days."""
        lead = np.maximum([(day - self.last_day).days for day in days], 0).astype(np.float64)
        walk, swing, memory = (
            np.array([[getattr(each, name)] for each in self.variances]) for name in ("walk", "swing", "memory")
        )
        look = np.ones((len(self.variances), len(days), self.mean.shape[1]))
        look[:, :, 1] = memory**lead
        look[:, :, 2:] = _features(days, self.last_day)
        known = np.einsum("sdi,sij,sdj->sd", look, self.spread, look)
        found: Floats = known + walk * lead + swing * (1 - memory ** (2 * lead))
        return found

    def draw(self, paths: int, days: Sequence[date], generator_of: Callable[[int], np.random.Generator]) -> Floats:
        """Draw factors with mean 1 by which the levels of coming days differ from what `ahead` expects.

        Gives paths × series × days. `generator_of` makes a generator for a number: 0 for what is not known of the end
        of the history, 1 + n for the n-th of the days, so that more days begin like fewer.
        """
        count, size = self.mean.shape
        walk, swing, memory = (
            np.array([getattr(each, name) for each in self.variances]) for name in ("walk", "swing", "memory")
        )
        values, vectors = np.linalg.eigh(self.spread)
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        state = np.einsum("sij,psj->psi", root, generator_of(0).standard_normal((paths, count, size)))
        features = _features(days, self.last_day)
        log = np.empty((paths, count, len(days)))
        before = self.last_day
        for number, day in enumerate(days):
            steps = (day - before).days
            drawn = generator_of(1 + number).standard_normal((2, paths, count))
            state[:, :, 0] += drawn[0] * np.sqrt(walk * steps)
            state[:, :, 1] *= memory**steps
            state[:, :, 1] += drawn[1] * np.sqrt(swing * (1 - memory ** (2 * steps)))
            log[:, :, number] = state[:, :, 0] + state[:, :, 1] + state[:, :, 2:] @ features[number]
            before = day
        found: Floats = np.exp(log - self.variance(days) / 2)
        return found


def _features(days: Sequence[date], last_day: date) -> Floats:
    """Give what season and growth multiply, days × features: sines and cosines of the time of year, and years since
    the last day; years to come are damped, so that growth fades out by half in each year.
    """
    turn = 2 * np.pi * np.array([day.timetuple().tm_yday for day in days], dtype=np.float64) / _DAYS_A_YEAR
    waves = [wave(order * turn) for order in range(1, HARMONICS + 1) for wave in (np.sin, np.cos)]
    years = np.array([(day - last_day).days for day in days], dtype=np.float64) / _DAYS_A_YEAR
    damped = -np.expm1(-np.log(2) * np.maximum(years, 0.0)) / np.log(2)
    return np.stack([*waves, np.where(years > 0, damped, years)], axis=1)


def find_levels(
    seen: Floats, due: Floats, first_day: date, grid: Sequence[Variances], rounds: int = 3, start: Floats | None = None
) -> Levels:
    """Find the levels of series from what was seen and what was due on each day, series × days.

    A day on which nothing was due tells nothing. Each series has the mean of the grid by how well its points fit.
    """
    count, days = seen.shape
    dates = [first_day + timedelta(days=number) for number in range(days)]
    features = _features(dates, dates[-1])
    past = np.zeros_like(seen) if start is None else start
    tells = due > 0
    own = [grid[0]] * count
    steps: list[set[int]] = [set() for _ in range(count)]
    while True:
        jumps = _jumps([[each] for each in steps])
        for turn in range(rounds):
            expected = np.where(tells, due, 1.0) * np.exp(past)
            target = np.where(tells, past + (seen - expected) / expected, np.nan)
            noise = 1 / expected
            if turn < rounds - 1 or rounds == 1:
                likelihood = _filter(target, noise, features, [list(grid)] * count, jumps)
                posterior = likelihood + np.array([each.log_prior for each in grid])
                own = [_average(grid, np.exp(each - each.max())) for each in posterior]
            past, walked, mean, spread = _smooth(target, noise, features, [[each] for each in own], jumps)
        found = _find_steps(seen, due, steps, partial(_filter, target, noise, features), own)
        if not found:
            break
        for series, day in found.items():
            steps[series].add(day)
    told = [
        [(dates[day], float(walked[series, day] - walked[series, day - 1])) for day in sorted(steps[series])]
        for series in range(count)
    ]
    return Levels(dates[-1], past, mean, spread, own, told)


def _find_steps(
    seen: Floats,
    due: Floats,
    known: list[set[int]],
    likelihood_of: Callable[[list[list[Variances]], dict[int, Floats]], Floats],
    variances: list[Variances],
) -> dict[int, int]:
    """Find at most one more sudden step in each series: the day that would raise the likelihood most, if by enough.

    Looked at are the days on which four weeks differ most from the four before. Variances that were found without the
    step take part of it for a walk, so that it is tried with calmer ones, too.
    """
    days = seen.shape[1]
    if days < 4 * _WINDOW:
        return {}
    sums = np.cumsum(np.stack([seen, due], axis=0), axis=2)
    windows = sums[:, :, _WINDOW - 1 :] - np.concatenate([np.zeros((2, len(seen), 1)), sums[:, :, :-_WINDOW]], axis=2)
    log = np.log((windows[0] + 1) / (windows[1] + 1))
    change = np.abs(log[:, _WINDOW:] - log[:, :-_WINDOW])  # the first is that on day _WINDOW
    candidates: list[list[set[int]]] = []
    for series, each in enumerate(change):
        left, tried = each.copy(), [set(known[series])]
        for _ in range(_CANDIDATES):
            best = int(left.argmax())
            left[max(best - _WINDOW, 0) : best + _WINDOW] = -1.0
            tried += [known[series] | {best + _WINDOW + beside} for beside in (-4, -2, 0, 2, 4)]
        candidates.append(tried if len(known[series]) < _MOST_STEPS else [set(known[series])] * len(tried))
    size = len(candidates[0])
    as_found = likelihood_of([[each] * size for each in variances], _jumps(candidates))
    calmer = [[replace(each, walk=each.walk / 4, swing=each.swing / 2)] * size for each in variances]
    gain = np.maximum(as_found, likelihood_of(calmer, _jumps(candidates))) - as_found[:, :1]
    return {
        series: (candidates[series][best] - known[series]).pop()
        for series, best in enumerate(gain[:, 1:].argmax(axis=1) + 1)
        if gain[series, best] > _ENOUGH and candidates[series][best] != known[series]
    }


def _jumps(steps: list[list[set[int]]]) -> dict[int, Floats]:
    """Give by day what steps add to the variance of the level, series × alternatives."""
    found: dict[int, Floats] = {}
    for series, alternatives in enumerate(steps):
        for number, days in enumerate(alternatives):
            for day in days:
                found.setdefault(day, np.zeros((len(steps), len(alternatives))))[series, number] = _OF_STEP**2
    return found


def _average(grid: Sequence[Variances], weight: Floats) -> Variances:
    """Give the mean of the points of a grid by their weights; how a swing fades counts by how much it swings."""
    points = np.array([astuple(each) for each in grid])
    walk, swing, memory, shock, season = np.average(points, axis=0, weights=weight)
    of_swings = weight * points[:, 1]
    if of_swings.sum() > 0:
        memory = np.average(points[:, 2], weights=of_swings)
    return Variances(float(walk), float(swing), float(memory), float(shock), float(season))


def _start(variances: list[list[Variances]], size: int) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    def of(name: str) -> Floats:
        return np.array([[getattr(each, name) for each in row] for row in variances])

    walk, swing, memory, shock, season = map(of, ("walk", "swing", "memory", "shock", "season"))
    spread = np.zeros((*walk.shape, size, size))
    spread[..., 0, 0] = _START**2
    spread[..., 1, 1] = swing
    for place in range(2, size - 1):
        spread[..., place, place] = (season / (place // 2)) ** 2
    spread[..., -1, -1] = GROWTH**2
    return walk, swing, memory, shock, np.zeros((*walk.shape, size)), spread


def _filter(
    target: Floats, noise: Floats, features: Floats, variances: list[list[Variances]], jumps: dict[int, Floats]
) -> Floats:
    """Give the log likelihood of each point of the grid, or of each alternative of steps: series × these."""
    size = 2 + features.shape[1]
    walk, swing, memory, shock, mean, spread = _start(variances, size)
    likelihood = np.zeros(walk.shape)
    fresh = swing * (1 - memory**2)
    for day in range(target.shape[1]):
        _step(mean, spread, walk, memory, fresh)
        if day in jumps:
            spread[..., 0, 0] += jumps[day]
        seen = np.isfinite(target[:, day])
        if not seen.any():
            continue
        look = np.concatenate([[1.0, 1.0], features[day]])
        across = spread @ look
        total = across @ look + noise[:, day, None] + shock
        error = np.where(seen[:, None], np.nan_to_num(target[:, day])[:, None] - mean @ look, 0.0)
        gain = np.where(seen[:, None, None], across / total[..., None], 0.0)
        likelihood -= np.where(seen[:, None], 0.5 * (np.log(total) + error**2 / total), 0.0)
        mean += gain * error[..., None]
        spread -= gain[..., :, None] * across[..., None, :]
    return likelihood


def _step(mean: Floats, spread: Floats, walk: Floats, memory: Floats, fresh: Floats) -> None:
    mean[..., 1] *= memory
    spread[..., 1, :] *= memory[..., None]
    spread[..., :, 1] *= memory[..., None]
    spread[..., 1, 1] += fresh
    spread[..., 0, 0] += walk


def _see(mean: Floats, spread: Floats, look: Floats, target: Floats, noise: Floats) -> None:
    """Take in what was seen on a day, one a series; not a number where nothing was."""
    seen = np.isfinite(target)
    across = spread @ look
    total = across @ look + noise
    error = np.where(seen, np.nan_to_num(target) - mean @ look, 0.0)
    gain = np.where(seen[:, None], across / total[:, None], 0.0)
    mean += gain * error[:, None]
    spread -= gain[:, :, None] * across[:, None, :]


def _smooth(
    target: Floats, noise: Floats, features: Floats, variances: list[list[Variances]], jumps: dict[int, Floats]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Give the smoothed log level and its walk (series × days), and the state at the end: mean and spread."""
    size = 2 + features.shape[1]
    walk, swing, memory, shock, mean, spread = (each[:, 0] for each in _start(variances, size))
    fresh = swing * (1 - memory**2)
    count, days = target.shape
    predicted = np.zeros((days, count, size))
    known = np.zeros((days, count, size))
    predicted_spread = np.zeros((days, count, size, size))
    known_spread = np.zeros((days, count, size, size))
    looks = np.concatenate([np.ones((days, 2)), features], axis=1)
    for day in range(days):
        _step(mean, spread, walk, memory, fresh)
        if day in jumps:
            spread[:, 0, 0] += jumps[day][:, 0]
        predicted[day], predicted_spread[day] = mean, spread
        _see(mean, spread, looks[day], target[:, day], noise[:, day] + shock)
        known[day], known_spread[day] = mean, spread
    smoothed = known[-1].copy()
    level, walked = np.zeros((2, count, days))
    level[:, -1], walked[:, -1] = smoothed @ looks[-1], smoothed[:, 0]
    fade = np.ones((count, size))
    fade[:, 1] = memory
    for day in range(days - 2, -1, -1):
        # The season's coefficients do not move, so the predicted spread is regular wherever the known one is.
        back = known_spread[day] * fade[:, None, :] @ np.linalg.pinv(predicted_spread[day + 1], hermitian=True)
        smoothed = known[day] + np.einsum("bij,bj->bi", back, smoothed - predicted[day + 1])
        level[:, day], walked[:, day] = smoothed @ looks[day], smoothed[:, 0]
    return level, walked, mean, spread
