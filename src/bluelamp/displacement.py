"""The weighted displacement difference: did a place change more than one that was left alone, and did its surroundings?

Wheeler and Ratcliffe (2018), *A simple weighted displacement difference test to evaluate place based crime
interventions*, Crime Science 7:11. With the counts before (0) and after (1) in the treated place T, in a control C, in
the ring about the treated place D, into which crime may have moved, and in a control of that ring E:

    WDD = (T1 - T0) - (C1 - C0) + (D1 - D0) - (E1 - E0)

Counts are taken as Poisson, so that the variance is the sum of them all. A count of a longer period, or of a larger
place, is divided by how many times as long or as large that is, and its part of the variance by the square of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

# Half the width of a 95% interval, in standard errors.
_WIDTH = NormalDist().inv_cdf(0.975)
Counts = tuple[int, int]
NONE: Counts = (0, 0)


@dataclass(frozen=True)
class Difference:
    """A change in a count, or a difference of changes, with its standard error; both in counts of the period after."""

    estimate: float
    variance: float

    @property
    def standard_error(self) -> float:
        """The standard deviation that such a difference has by chance."""
        return float(self.variance**0.5)

    @property
    def z(self) -> float | None:
        """Standard errors from nothing; none where there is nothing to count."""
        return self.estimate / self.standard_error if self.variance else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval."""
        return self.estimate - _WIDTH * self.standard_error, self.estimate + _WIDTH * self.standard_error

    def __add__(self, other: Difference) -> Difference:
        return Difference(self.estimate + other.estimate, self.variance + other.variance)

    def __sub__(self, other: Difference) -> Difference:
        return Difference(self.estimate - other.estimate, self.variance + other.variance)


@dataclass(frozen=True)
class Ratio:
    """How many times as many, with its 95% interval."""

    estimate: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Weighed:
    """What the treated place changed by beyond its control, its ring beyond that of the control, and both together."""

    local: Difference
    displaced: Difference
    total: Difference


def change(counts: Counts, *, periods: tuple[float, float] = (1.0, 1.0), size: float = 1.0) -> Difference:
    """Give by how much a count changed; it is divided by the length of each period and by the place's size."""
    before, after = counts
    long_before, long_after = periods
    return Difference(
        (after / long_after - before / long_before) / size,
        (after / long_after**2 + before / long_before**2) / size**2,
    )


def weigh(
    treated: Counts,
    control: Counts,
    ring: Counts = NONE,
    ring_control: Counts = NONE,
    *,
    periods: tuple[float, float] = (1.0, 1.0),
    sizes: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
) -> Weighed:
    """Weigh the change in a treated place against that of a control, and that of its ring against its control's.

    Counts are (before, after). `periods` says how long each period is and `sizes` how large each place, in the order of
    the counts, both in units of one's choice: (2, 1) for a period before that was twice as long.
    """
    changes = [
        change(counts, periods=periods, size=size)
        for counts, size in zip((treated, control, ring, ring_control), sizes, strict=True)
    ]
    local, displaced = changes[0] - changes[1], changes[2] - changes[3]
    return Weighed(local, displaced, local + displaced)


def relative(
    counts: Counts, control: Counts | None = None, *, periods: tuple[float, float] = (1.0, 1.0)
) -> Ratio | None:
    """Give after over before, and where a control is given that over the control's own; none where a count is 0.

    The relative incident rate ratio of Wilson (2022), J. Quantitative Criminology 38, 323-341: where places of unlike
    size would have changed by the same share, it is right and a difference is not. Its logarithm has the sum of one
    over each count for its variance.
    """
    four = [*counts, *(control or ())]
    if not all(four):
        return None
    times = counts[1] / counts[0] * periods[0] / periods[1]
    if control is not None:
        times /= control[1] / control[0] * periods[0] / periods[1]
    width = _WIDTH * math.sqrt(sum(1 / each for each in four))
    return Ratio(times, (times * math.exp(-width), times * math.exp(width)))
