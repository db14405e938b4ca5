"""Scores of sample paths against what came: how far off, how sure, and whether the sureness was earned.

Paths come as events, each with the cell that it falls in (a place, a sum of hours) and its path. Most cells of most
paths are empty, so that everything is worked out from the counts that are there, and the empty ones are only numbered;
nothing of the size cells × paths is ever laid out.

Of M paths with counts x and what came, y, the score of a cell is the fair continuous ranked probability score

    CRPS = 1/M Σ|xᵢ − y| − 1/(2M(M−1)) ΣΣ|xᵢ − xⱼ|

which doesn't depend, on average, on how many paths there are (Ferro 2014, Q. J. R. Meteorol. Soc. 140, 1917–1923;
Gneiting and Raftery 2007, J. Am. Stat. Assoc. 102, 359–378). Its second term is what the score would be on average if
what came were one more of the paths: the mean of a score over the mean of that term says how much worse a forecast does
than it claims. All sums are of whole numbers until the last division, so that they do not depend on their order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Central intervals, as shares of the paths.
INTERVALS = (0.50, 0.80, 0.95)
PIT_BINS = 20


@dataclass(frozen=True)
class Scores:
    """One value a cell."""

    crps: Floats
    crps_claimed: Floats  # what the CRPS would be on average, were the paths right
    mean: Floats
    median: Integers
    low: Integers  # cells × INTERVALS
    high: Integers
    below: Integers  # paths with less than what came
    equal: Integers  # paths with exactly that


def score_paths(cell: Integers, path: Integers, paths: int, came: Integers) -> Scores:
    """Score every cell's paths against what came in it.

    `cell` and `path` name the cell and the path of each event; `came` has a count for each cell. There must be at least
    two paths. A quantile is the smallest count that is not exceeded in at least that share of the paths.
    """
    cells = len(came)
    pair, counts = _count(cell * np.int64(paths) + path, cells * paths)
    # One run for each cell and count, in order: how many paths have it.
    highest = int(counts.max(initial=0)) + 1
    key, number = _count(pair // paths * highest + counts, cells * highest)
    of, count = np.divmod(key, highest)

    def total(values: Integers) -> Floats:
        return np.bincount(of, weights=values, minlength=cells).astype(np.float64)

    filled = total(number)
    empty = paths - filled
    # Paths of the cell that are sorted up to the end of a run, those without an event first.
    ended = np.cumsum(number)
    begun = np.concatenate([[0.0], np.cumsum(filled)])[:-1]
    upto = ended - begun[of] + empty[of]
    # ΣΣ|xᵢ − xⱼ| / 2 = Σ (2k − M − 1) x₍ₖ₎ over the sorted counts; over a run, 2k sums to number × (first + last).
    apart = total(number * count * (2 * upto - number - paths))
    claimed = apart / (paths * (paths - 1))
    away = total(number * np.abs(count - came[of])) + empty * came
    return Scores(
        crps=away / paths - claimed,
        crps_claimed=claimed,
        mean=total(number * count) / paths,
        median=_quantile(0.5, of, count, upto, empty, paths),
        low=np.stack([_quantile((1 - each) / 2, of, count, upto, empty, paths) for each in INTERVALS], axis=1),
        high=np.stack([_quantile((1 + each) / 2, of, count, upto, empty, paths) for each in INTERVALS], axis=1),
        below=(total(number * (count < came[of])) + empty * (came > 0)).astype(np.int64),
        equal=(total(number * (count == came[of])) + empty * (came == 0)).astype(np.int64),
    )


def _count(keys: Integers, size: int) -> tuple[Integers, Integers]:
    """Give the keys there are, in order, and how often; all lie below `size`."""
    if size > 4 * len(keys):
        found, number = np.unique(keys, return_counts=True)
        return found, number
    # Where most keys are there, counting is several times quicker than sorting, and no larger.
    counts: Integers = np.bincount(keys, minlength=size)
    there = np.flatnonzero(counts)
    return there, counts[there]


def _quantile(share: float, of: Integers, count: Integers, upto: Floats, empty: Floats, paths: int) -> Integers:
    """Give each cell's count at a share of its paths."""
    # Shares such as 0.975 × 200 are whole numbers that floating point may put just above them.
    place = max(int(np.ceil(round(share * paths, 9))), 1)
    found = np.zeros(len(empty), dtype=np.int64)
    reached = upto >= place
    # The first run of a cell that reaches the place holds it, unless the empty paths do.
    first = np.flatnonzero(reached)[np.unique(of[reached], return_index=True)[1]]
    found[of[first]] = count[first]
    return np.where(empty >= place, 0, found)


def count_pit(scores: Scores, paths: int, kept: Flags, chance: np.random.Generator) -> Integers:
    """Count the randomised PIT of the kept cells in 20 bins: where what came lies among the paths, from 0 to 1.

    Ties are broken by chance, and what came counts as one more path, so that the bins are equally full when it is like
    the paths, however few these are (Czado, Gneiting and Held 2009, Biometrics 65, 1254–1261).
    """
    drawn = chance.random(len(kept))
    pit = (scores.below + drawn * (scores.equal + 1)) / (paths + 1)
    found: Integers = np.bincount((pit[kept] * PIT_BINS).astype(np.int64).clip(0, PIT_BINS - 1), minlength=PIT_BINS)
    return found


def score_energy(drawn: Floats, came: Floats) -> float:
    """Give the fair energy score of vectors, paths × places, against the one that came.

    The CRPS of a whole vector, which also asks whether places move together as they did: mean distance to what came
    less half the mean distance between paths (Gneiting and Raftery 2007, section 4.3).
    """
    paths = len(drawn)
    squares = (drawn**2).sum(axis=1)
    between = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * drawn @ drawn.T, 0.0))
    away = np.sqrt(((drawn - came) ** 2).sum(axis=1))
    return float(away.mean() - between.sum() / (2 * paths * (paths - 1)))


def seasonal_scale(
    series: Integers, time: Integers, counts: Integers, usable: Flags, lag: int, size: int
) -> tuple[Floats, Floats]:
    """Give each series' mean absolute and mean squared difference from one season before.

    `counts` at their `series` and `time`, all others nil; `usable` says which times are to be believed, and a
    difference is one between two of these. These are the errors of the seasonal naive forecast in its own history, by
    which MASE and RMSSE are scaled (Hyndman and Koehler 2006, Int. J. Forecast. 22, 679–688). Nil where there is no
    such pair.
    """
    times = len(usable)
    pairs = np.zeros(times, dtype=np.bool_)  # whether a time and the one a season before it can both be believed
    pairs[lag:] = usable[lag:] & usable[:-lag]
    number = max(int(pairs.sum()), 1)
    # Each count stands in the difference of its own time, and in that of a season later with the other sign.
    at = np.concatenate([time, time + lag])
    where = np.concatenate([series, series])
    value = np.concatenate([counts, -counts])
    kept = (at < times) & pairs[np.minimum(at, times - 1)]
    key, again = np.unique(where[kept] * np.int64(times) + at[kept], return_inverse=True)
    difference = np.bincount(again, weights=value[kept], minlength=len(key))
    absolute = np.bincount(key // times, weights=np.abs(difference), minlength=size) / number
    squared = np.bincount(key // times, weights=difference**2, minlength=size) / number
    return absolute, squared


def draw_blocks(weeks: int, length: int, draws: int, seed: int) -> Integers:
    """Draw weeks to resample, draws × weeks: runs of `length` weeks that follow each other.

    The moving-block bootstrap (Künsch 1989, Ann. Stat. 17, 1217–1241): weeks that follow each other are alike, so that
    single ones would make a difference look surer than it is.
    """
    length = min(length, weeks)
    blocks = -(-weeks // length)
    chance = np.random.Generator(np.random.Philox(key=[seed, weeks]))
    starts = chance.integers(0, weeks - length + 1, size=(draws, blocks))
    drawn: Integers = (starts[:, :, None] + np.arange(length)).reshape(draws, -1)[:, :weeks].astype(np.int64)
    return drawn
