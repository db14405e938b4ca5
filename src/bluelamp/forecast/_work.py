"""What incidents ask for: deployments and officer-hours, in every path and beyond them.

A path draws first what each class and grade truly asks for (the share that gets a unit, the units and the minutes are
means that are known so well and no better), and keeps it for all its hours. Then each of its incidents gets a unit or
not, and unit-hours from a log-normal distribution, which is the shape that service times usually have (Brown et al.
2005, Statistical analysis of a telephone call center). So work adds up in every path as incidents do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import polars as pl

from bluelamp.forecast._history import Floats, Integers
from bluelamp.forecast._paths import DayPaths

# Key words of what is drawn, beside those of the paths.
_ASKED, _SENT = 20, 21
_UNKNOWN_ROW = dict.fromkeys(
    (
        "share_deployed", "units_per_deployment", "minutes_per_unit", "sd_units", "sd_minutes", "se_share_deployed",
        "se_units", "se_minutes", "common_error",
    ),
    0.0,
)  # fmt: skip


def _generator(seed: int, what: int, part: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, (what << 32) + part]))


@dataclass(frozen=True)
class Sent:
    """The incidents of a day's paths that get a unit: where they stand among all, and the officer-hours of each."""

    event: Integers
    path: Integers
    hour: Integers  # from the day's first
    officer_hours: Floats


@dataclass(frozen=True)
class PathsAsked:
    """What each path asks for: the share that gets a unit, and the unit-hours of one that does, paths × cells."""

    share: Floats
    unit_hours: Floats
    log_spread: Floats  # one a cell: of the logarithm of one deployment's unit-hours

    def send(self, drawn: DayPaths, crew: Floats, seed: int) -> Sent:
        """Send units to a day's incidents. `crew` gives the officers in a unit by hour of the day's own hours."""
        generator = _generator(seed, _SENT, drawn.day)
        cells = self.share.shape[1]
        cell = drawn.series % cells
        asked = drawn.path * cells + cell
        event = np.flatnonzero(generator.random(len(asked), dtype=np.float32) < self.share.ravel()[asked])
        spread = self.log_spread.astype(np.float32)[cell[event]]
        each = np.exp(spread * (generator.standard_normal(len(event), dtype=np.float32) - spread / 2))
        hour = drawn.hour[event] - drawn.first
        return Sent(event, drawn.path[event], hour, each * self.unit_hours.ravel()[asked[event]] * crew[hour])


@dataclass(frozen=True)
class Asked:
    """What one incident of each cell asks for, and how well that is known: one figure a cell.

    `spread` is the variance of one deployment's unit-hours over their mean squared; `share_error` and `hours_error` are
    those of the means themselves, and `common` is the part of them that all cells share.
    """

    share: Floats
    unit_hours: Floats  # of a deployment
    spread: Floats
    share_error: Floats
    hours_error: Floats
    common: Floats

    @property
    def each(self) -> Floats:
        """Unit-hours of an incident."""
        return self.share * self.unit_hours

    def draw(self, paths: int, seed: int) -> PathsAsked:
        """Draw what each path asks for."""
        factors = []
        for number, error in enumerate((self.share_error, self.hours_error)):
            generator = _generator(seed, _ASKED, number)
            together, alone = generator.standard_normal((paths, 1)), generator.standard_normal((paths, len(error)))
            variance = np.log1p(error)
            point = np.sqrt(self.common) * together + np.sqrt(1 - self.common) * alone
            factors.append(np.exp(np.sqrt(variance) * point - variance / 2))
        return PathsAsked(
            np.minimum(self.share * factors[0], 1.0), self.unit_hours * factors[1], np.sqrt(np.log1p(self.spread))
        )

    def error_of(self, weight: Floats) -> tuple[Floats, Floats]:
        """Give the variance, over its mean squared, that deployments and unit-hours of a mix of cells have because it
        is not known what is asked for. `weight` is the incidents of each cell, mixes × cells.
        """
        sent = weight * self.share
        of_sent = _error_of_sum(sent, self.share_error, self.common)
        work = sent * self.unit_hours
        of_work = _error_of_sum(work, self.share_error, self.common) + _error_of_sum(
            work, self.hours_error, self.common
        )
        return of_sent, of_work

    def size_of(self, weight: Floats) -> Floats:
        """Give the mean square of a deployment's unit-hours over their mean, for mixes of cells: what a sum of so many
        unit-hours has as variance for each of them, because it is made of whole deployments.
        """
        work = weight * self.each
        squares = (work * self.unit_hours * (1 + self.spread)).sum(axis=1)
        return np.asarray(squares / np.maximum(work.sum(axis=1), 1e-12))


def _error_of_sum(parts: Floats, error: Floats, common: Floats) -> Floats:
    """Give the relative variance of sums of parts whose errors are partly one and the same (mixes × cells)."""
    together = (parts * np.sqrt(error * common)).sum(axis=1) ** 2
    alone = (parts**2 * error * (1 - common)).sum(axis=1)
    return np.asarray((together + alone) / np.maximum(parts.sum(axis=1), 1e-12) ** 2)


def ask(service_times: pl.DataFrame, cells: Sequence[tuple[str, str]]) -> Asked:
    """Read what incidents of each (class, grade) ask for; one without a row, even for all grades, gets no unit."""
    known = {(row["class_code"], row["grade_code"]): row for row in service_times.iter_rows(named=True)}
    rows = [known.get(cell) or known.get((cell[0], "all")) or _UNKNOWN_ROW for cell in cells]
    read = {name: np.array([row[name] or 0.0 for row in rows], dtype=np.float64) for name in _UNKNOWN_ROW}

    def relative(part: str, whole: str) -> Floats:
        return np.asarray((read[part] / np.where(read[whole] > 0, read[whole], np.inf)) ** 2)

    units, minutes = "units_per_deployment", "minutes_per_unit"
    return Asked(
        share=read["share_deployed"],
        unit_hours=read[units] * read[minutes] / 60,
        # The units at an incident stay for as long as each other.
        spread=(1 + relative("sd_units", units)) * (1 + relative("sd_minutes", minutes)) - 1,
        share_error=relative("se_share_deployed", "share_deployed"),
        hours_error=relative("se_units", units) + relative("se_minutes", minutes),
        common=read["common_error"],
    )


# The normal distribution from far below to far above, to be read backwards.
_POINTS = np.linspace(-8, 8, 4001)
_CHANCES = np.array([NormalDist().cdf(point) for point in _POINTS])


def quantiles_of_sums(mean: Floats, relative: Floats, chance_of_none: Floats, levels: Sequence[float]) -> Floats:
    """Give quantiles, sums × levels, of sums with that mean and variance over mean squared, nil with that chance.

    What is not nil lies between two shapes with the same mean and variance: log-normal as one deployment is, gamma as
    sums of many are, the first for as much as the chance of none. A gamma's quantiles are those of Wilson and Hilferty
    (1931), The distribution of chi-square. Against sums drawn at random each is right to 4% of the mean from
    ten deployments on, and to a sixth of it below.
    """
    some = np.clip(1 - chance_of_none, 1e-12, 1)
    spread = np.maximum((1 + relative) * some - 1, 1e-9)
    log_spread = np.sqrt(np.log1p(spread))
    found = np.zeros((len(mean), len(levels)))
    for number, level in enumerate(levels):
        beyond = (level - chance_of_none) / some
        point = np.interp(beyond, _CHANCES, _POINTS)
        one = np.exp(log_spread * (point - log_spread / 2))
        many = np.maximum(1 - spread / 9 + point * np.sqrt(spread) / 3, 0.0) ** 3
        found[:, number] = np.where(beyond > 0, mean / some * (many + chance_of_none * (one - many)), 0.0)
    return found
