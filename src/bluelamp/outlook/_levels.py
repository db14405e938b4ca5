"""Where a monthly series is heading, and how unsure that is: level, damped trend, season and steps.

The log of what was seen over what was due in month t is

    level(t) + trend(t) + season(t) + shock(t),

a random walk, the integral of a growth that fades by `memory` a year and is stirred anew all the time (the damped
trend of Gardner and McKenzie 1985 as a state-space model, in continuous time), harmonics of the year, and what belongs
to the month alone. What is seen is Poisson about it. All parts are normal, so that history and future are jointly
normal with a covariance that can be written down, and the future given the history is one linear solve (Rasmussen and
Williams, Gaussian Processes for Machine Learning, sections 2.2 and 3.4): what a Kalman filter and smoother would give,
and for some hundred months as quick. Counts are brought in by iterating about the last estimate, as in penalised
Poisson regression.

How large the parts are is not known. A grid of guesses is weighed by how well each foretells the series (marginal
likelihood) and by how well it does for all series of its kind (empirical Bayes), and every path takes one guess by its
weight: so the doubt about them is in the ranges. What the weights lean on was found on long records of other forces
(docs/decisions/0020-four-years-by-month.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MONTHS_A_YEAR = 12
# A trend is not read off less than two years: one can't be told from the season.
LEAST_FOR_TREND = 24
_HARMONICS = 5
# Standard deviation of the log level at the end of the history before anything of it is seen.
_START = 1.0
# A sudden step: its standard deviation, how much more likely (log) it must make the history, how many there may be.
_OF_STEP, _ENOUGH, _MOST_STEPS = 0.3, 8.0, 4
# Another step is as likely as those found make it, over their years and so many more.
_QUIET_YEARS = 10.0
_ROUNDS = 3
# Months that must stand on either side of a step.
_BESIDE = 3
# Series of a kind lean on each other as if the prior were so many of them.
_PRIOR_SERIES = 4.0


@dataclass(frozen=True)
class Guess:
    """Sizes of the parts: variance of the walk a year, standard deviation of growth a year and the share of it that is
    left after a year, variance of the month alone, and standard deviation of the season's first harmonic.
    """

    walk: float
    growth: float
    memory: float
    shock: float
    season: float


@dataclass(frozen=True)
class Grid:
    """Guesses, and how much each is believed before anything is seen."""

    guesses: Sequence[Guess]
    belief: Floats


def make_grid(
    walks: Sequence[tuple[float, float]],
    growths: Sequence[tuple[float, float, float]],
    shocks: Sequence[float],
    seasons: Sequence[float],
) -> Grid:
    """Give all combinations; walks and growths come with what they are believed, shocks and seasons are alike."""
    combined = list(product(walks, growths, shocks, seasons))
    belief = np.array([walk[-1] * growth[-1] for walk, growth, _, _ in combined])
    guesses = [Guess(walk, growth, memory, shock, season)
               for (walk, _), (growth, memory, _), shock, season in combined]  # fmt: skip
    return Grid(guesses, belief / belief.sum())


@dataclass(frozen=True)
class Fan:
    """The coming months of one series: a mean and a root of the covariance for each guess, and how likely each is."""

    weight: Floats  # guesses
    mean: Floats  # guesses × months
    root: Floats  # guesses × months × months
    steps: list[tuple[int, float]]  # month of the history, and by how much its log changed
    step_rate: float  # a year
    has_trend: bool

    @property
    def centre(self) -> Floats:
        """Expected log level, one a month."""
        found: Floats = self.weight @ self.mean
        return found

    def draw(self, paths: int, chance: np.random.Generator) -> Floats:
        """Draw log levels, paths × months."""
        guess = chance.choice(len(self.weight), size=paths, p=self.weight)
        normal = chance.standard_normal((paths, self.mean.shape[1]))
        found: Floats = self.mean[guess] + np.einsum("pij,pj->pi", self.root[guess], normal)
        if self.step_rate:
            stepped = chance.random(found.shape) < self.step_rate / MONTHS_A_YEAR
            found += np.cumsum(stepped * chance.normal(0.0, _OF_STEP, found.shape), axis=1)
        return found


def spread_fans(
    seen: Floats, due: Floats, share_seen: Floats, grid: Grid, *, first_month: int, gap: int, ahead: int
) -> list[Fan]:
    """Learn from what was seen and due in each month (series × months), and fan out over the `ahead` coming ones.

    A month in which nothing was due tells nothing; `share_seen` is the part of each month that was seen, `first_month`
    the first month's place in its year (0–11), and `gap` the months between history and future.
    """
    parts = _Parts(seen.shape[1], first_month, gap, ahead, grid.guesses)
    learnt = [_learn(seen[place], due[place], share_seen, parts, grid) for place in range(len(seen))]
    shared = _share_belief(grid.belief, [each.likelihood for each in learnt])
    return [_fan_out(each, parts, _weigh(each.likelihood, shared)) for each in learnt]


class _Parts:
    """Covariances of log levels over history and future for each guess, with the end of the history as origin."""

    def __init__(self, history: int, first_month: int, gap: int, ahead: int, guesses: Sequence[Guess]) -> None:
        lead = np.concatenate([np.arange(history) - (history - 1), gap + 1 + np.arange(ahead)])
        years = lead / MONTHS_A_YEAR
        self.history = history
        turn = 2 * np.pi * (first_month + history - 1 + lead) / MONTHS_A_YEAR
        waves = np.stack(
            [wave(order * turn) / order for order in range(1, _HARMONICS + 1) for wave in (np.sin, np.cos)]
        )
        walk, growth, memory, shock, season = np.array([astuple(each) for each in guesses]).T[:, :, None, None]
        same_side = years[:, None] * years[None, :] > 0
        near = np.where(same_side, np.minimum(np.abs(years[:, None]), np.abs(years[None, :])), 0.0)
        self.trend = growth**2 * _integrated(years, near, -np.log(memory))
        self.rest = _START**2 + walk * near + season**2 * (waves.T @ waves)
        self.shock = shock[:, :, 0]  # guesses × 1

    def covariance(self, *, with_trend: bool) -> Floats:
        """Give the covariance, guesses × months × months; without a trend the future's growth knows nothing of the
        history's.
        """
        trend = self.trend.copy()
        if not with_trend:
            trend[:, : self.history, self.history :] = 0
            trend[:, self.history :, : self.history] = 0
        found: Floats = self.rest + trend
        return found


def _integrated(years: Floats, near: Floats, fading: Floats) -> Floats:
    """Give the covariance of growth summed up from the origin to each of the years, where growth has variance 1 and a
    correlation of exp(-fading × distance): ∫₀ˢ∫₀ᵗ exp(-fading |u - v|) du dv.
    """
    s, t = np.abs(years)[:, None], np.abs(years)[None, :]
    fade_s, fade_t = np.exp(-fading * s), np.exp(-fading * t)
    same = 2 * fading * near + fade_s + fade_t - np.exp(-fading * np.abs(s - t)) - 1
    other = -(1 - fade_s) * (1 - fade_t)
    found: Floats = np.where(years[:, None] * years[None, :] > 0, same, other) / fading**2
    return found


@dataclass(frozen=True)
class _Learnt:
    """What a history says: working responses of months that tell something, and how likely each guess makes them."""

    months: Integers
    target: Floats
    noise: Floats  # guesses × months
    steps: list[int]  # places in `months`
    sizes: list[float]
    likelihood: Floats  # log, guesses
    with_trend: bool


def _learn(seen: Floats, due: Floats, share_seen: Floats, parts: _Parts, grid: Grid) -> _Learnt:
    months = np.flatnonzero(due > 0)
    guesses = len(grid.guesses)
    if not len(months):
        return _Learnt(months, np.zeros(0), np.zeros((guesses, 0)), [], [], np.zeros(guesses), with_trend=False)
    with_trend = bool(months[-1] - months[0] + 1 >= LEAST_FOR_TREND)
    covariance = parts.covariance(with_trend=with_trend)[:, months[:, None], months]
    seen, due, share = seen[months], due[months], share_seen[months]
    # What is due is about right, so that what was seen over it is a fair first guess.
    past = np.log((seen + 1) / (due + 1))
    steps: list[int] = []
    while True:
        for _ in range(_ROUNDS):
            expected = due * np.exp(past)
            target = past + np.clip((seen - expected) / expected, -2, 2)
            noise = 1 / expected + parts.shock / share
            signal = covariance + _of_steps(steps, len(months))
            whole = signal + _diagonal(noise)
            inverse: Floats = np.linalg.inv(whole).astype(np.float64)
            solved: Floats = inverse @ target
            likelihood: Floats = -0.5 * (solved @ target + np.linalg.slogdet(whole)[1])
            past = _weigh(likelihood, grid.belief) @ np.einsum("gij,gj->gi", signal, solved)
        step = _find_step(inverse, solved, _weigh(likelihood, grid.belief)) if len(steps) < _MOST_STEPS else None
        if step is None or step in steps:
            break
        steps.append(step)
    sizes = [_size_of(each, past, steps) for each in steps]
    return _Learnt(months, target, noise, steps, sizes, likelihood, with_trend)


def _diagonal(values: Floats) -> Floats:
    found: Floats = values[:, :, None] * np.eye(values.shape[1])
    return found


def _of_steps(steps: Sequence[int], months: int) -> Floats:
    """Give what steps add to the covariance: the months before one are moved together."""
    before = np.array([np.arange(months) < each for each in steps], dtype=np.float64).reshape(-1, months)
    found: Floats = _OF_STEP**2 * before.T @ before
    return found


def _size_of(step: int, past: Floats, steps: Sequence[int]) -> float:
    """Give by how much the log changed at a step: half a year after it against half a year before."""
    others = sorted(each for each in [0, len(past), *steps] if each != step)
    first = max([each for each in others if each < step], default=0)
    last = min([each for each in others if each > step], default=len(past))
    return float(past[step : min(step + 6, last)].mean() - past[max(step - 6, first) : step].mean())


def _weigh(likelihood: Floats, belief: Floats) -> Floats:
    weight = belief * np.exp(likelihood - likelihood.max())
    found: Floats = weight / weight.sum()
    return found


def _find_step(inverse: Floats, solved: Floats, weight: Floats) -> int | None:
    """Find the month at which a step makes the history most likely, over all guesses, if by enough.

    A step before month m adds v·uuᵀ to the covariance C, u being 1 before m, which changes the log likelihood by
    ½ (v a² / (1 + v b) - log(1 + v b)) with a = uᵀC⁻¹y and b = uᵀC⁻¹u.
    """
    months = solved.shape[1]
    if months < MONTHS_A_YEAR:
        return None
    total = np.cumsum(solved, axis=1)
    square = np.diagonal(np.cumsum(np.cumsum(inverse, axis=1), axis=2), axis1=1, axis2=2)
    variance = _OF_STEP**2
    gain = 0.5 * (variance * total**2 / (1 + variance * square) - np.log1p(variance * square))
    evidence = np.log(weight @ np.exp(np.minimum(gain, 300)))
    # Entry m is a step before month m + 1; three months must stand on either side.
    evidence[: _BESIDE - 1] = evidence[-_BESIDE:] = -np.inf
    best = int(evidence.argmax())
    return best + 1 if evidence[best] > _ENOUGH else None


def _share_belief(belief: Floats, likelihoods: Sequence[Floats]) -> Floats:
    """Give how much each guess is believed in the light of all series (expectation–maximisation of mixture weights)."""
    shared = belief
    for _ in range(20):
        posterior = np.sum([_weigh(each, shared) for each in likelihoods], axis=0)
        shared = (_PRIOR_SERIES * belief + posterior) / (_PRIOR_SERIES + len(likelihoods))
    return shared


def _fan_out(learnt: _Learnt, parts: _Parts, weight: Floats) -> Fan:
    months, history = learnt.months, parts.history
    every = parts.covariance(with_trend=learnt.with_trend)
    own = every[:, history:, history:]
    ahead = own.shape[1]
    mean = np.zeros((len(every), ahead))
    if len(months):
        whole = every[:, months[:, None], months] + _of_steps(learnt.steps, len(months)) + _diagonal(learnt.noise)
        across = every[:, history:, :][:, :, months]
        solved = np.linalg.solve(whole, across.transpose(0, 2, 1))
        mean = np.einsum("gtc,t->gc", solved, learnt.target)
        own = own - across @ solved
    root: Floats = np.linalg.cholesky(own + _diagonal(np.broadcast_to(parts.shock, mean.shape))).astype(np.float64)
    rate = len(learnt.steps) / (len(months) / MONTHS_A_YEAR + _QUIET_YEARS)
    steps = [(int(months[place]), size) for place, size in sorted(zip(learnt.steps, learnt.sizes, strict=True))]
    return Fan(weight, mean, root, steps, rate, has_trend=learnt.with_trend)
