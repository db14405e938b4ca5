"""The Knox test: whether what is near in place is near in time more often than chance brings.

Knox (1964), *The detection of space-time interactions*, Applied Statistics 13, 25-30. Pairs of points are counted by
how far apart they lie and how many days apart they came. If place and time had nothing to do with each other, any day
might have gone with any place; so the days are dealt to the places again and again, and each count held against those.

What belongs where, at the ends of the bands:

- The first distance band, *same place*, holds pairs whose coordinates are equal; the next those above 0 and up to and
  including its bound, (0, 100]; the next (100, 200]; and so on. A pair farther apart than the last bound is in none.
- Days are local dates: two on one date are 0 days apart, whatever their hours. The first band holds 0 days up to and
  including its bound, 0 to 7; the next begins a day later, 8 to 14. A pair more days apart is in none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bluelamp.errors import UsageError

METRICS = ("manhattan", "euclidean")
_MOST_PAIRS = 30_000_000
# Pairs handled at once: their numbers stay in a processor's cache.
_AT_ONCE = 1 << 17
_POINTS_AT_ONCE = 200
_MOST_DEALT = 1 << 25

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Tell = Callable[[float], None]


def _silent(share: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Knox:
    """What the test gives, as arrays of distance bands × day bands.

    `p_value` is the share of dealt sets, the real one among them, with at least as many pairs in that cell: (1 + n) /
    (1 + N). `p_value_any` is the share in which *any* cell stands out as far: it allows for looking at them all.
    """

    pairs: Integers
    expected: Floats
    p_value: Floats
    p_value_any: Floats


def try_pairs(
    xy: Floats,
    day: Integers,
    *,
    metres: Sequence[float],
    days: Sequence[int],
    metric: str = "manhattan",
    permutations: int = 999,
    seed: int = 0,
    pairing: Tell = _silent,
    dealing: Tell = _silent,
) -> Knox:
    """Test points on a plane (metres) with a day each (a whole number); bounds as the module says.

    The count that chance brings to a cell is exact, and not drawn: of all pairs of days, as many fall on the pairs of a
    distance band as their share says. `pairing` and `dealing` are told how much of finding pairs and of dealing days is
    done.
    """
    shape = (len(metres) + 1, len(days))
    first, second, band = _near_pairs(xy, np.asarray(metres, dtype=float), metric, pairing)
    in_band = np.bincount(band, minlength=shape[0])
    edges = np.concatenate([[0], np.cumsum(in_band)])
    bounds = np.asarray(days, dtype=np.int64)
    pairs = _count([day], first, second, edges, bounds)[0]
    # Of a pair of places, each pair of days is as likely as any other.
    total = max(len(day) * (len(day) - 1) // 2, 1)
    expected = in_band[:, None] * _pairs_of_days(day, bounds)[None] / total
    chance = np.random.default_rng(seed)
    sets = (chance.permutation(day) for _ in range(permutations))
    dealt = _count(sets, first, second, edges, bounds, lambda done: dealing(done / permutations))
    as_many = (dealt >= pairs).sum(axis=0)
    return Knox(pairs, expected, (1 + as_many) / (1 + permutations), _p_values_of_any(pairs, dealt))


def _p_values_of_any(pairs: Integers, dealt: Integers) -> Floats:
    """Give the share of all sets, the real one among them, of which the cell farthest out is as far out as this one.

    How far out is told on a scale on which small and large counts spread alike (Anscombe 1948, Biometrika 35, 246-254:
    a Poisson count's root has a deviation of one half); where dealt counts spread wider than that, because one place
    has many pairs, by their own deviation. The correction is that of Westfall and Young (1993), *Resampling-based
    multiple testing*, by the largest statistic.
    """
    every = 2 * np.sqrt(np.concatenate([pairs[None], dealt]) + 0.375)
    spread = np.maximum(every.std(axis=0), 1.0)
    out = (every - every.mean(axis=0)) / spread
    farthest = out.reshape(len(out), -1).max(axis=1, initial=-np.inf)
    found: Floats = (farthest[:, None, None] >= out[0] - 1e-12).mean(axis=0)
    return found


def _near_pairs(xy: Floats, metres: Floats, metric: str, tell: Tell) -> tuple[Integers, Integers, Integers]:
    """Give the pairs within the last distance, by band: first and second point, and band."""
    parts = list(_pairs_in_parts(xy, metres, metric, tell))
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
    first, second, band = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(band, kind="stable")
    return first[order], second[order], band[order]


def _pairs_in_parts(
    xy: Floats, metres: Floats, metric: str, tell: Tell
) -> Iterator[tuple[Integers, Integers, Integers]]:
    import shapely

    if len(xy) < 2:
        return
    # Thousands at one place, such as a map point, are told before they are paired.
    at_one = np.unique(xy, axis=0, return_counts=True)[1]
    _insist_on_few(int((at_one * (at_one - 1) // 2).sum()), metres)
    points = shapely.points(xy)
    tree = shapely.STRtree(points)
    farthest = metres[-1] * (1 + 1e-9)
    found = 0
    # Some points at a time, because in a town centre each has thousands near it.
    for begin in range(0, len(xy), _POINTS_AT_ONCE):
        one, other = tree.query(points[begin : begin + _POINTS_AT_ONCE], predicate="dwithin", distance=farthest)
        one = one + begin
        kept = other > one
        one, other = one[kept], other[kept]
        apart = np.abs(xy[one] - xy[other])
        distance = apart.sum(axis=1) if metric == "manhattan" else np.hypot(apart[:, 0], apart[:, 1])
        # From the left, so that a bound belongs to the band that it ends.
        band = np.where(distance > 0, np.searchsorted(metres, distance, side="left") + 1, 0)
        near = band <= len(metres)
        found += int(near.sum())
        _insist_on_few(found, metres)
        tell(min(begin + _POINTS_AT_ONCE, len(xy)) / len(xy))
        yield one[near].astype(np.int32), other[near].astype(np.int32), band[near].astype(np.int8)


def _insist_on_few(pairs: int, metres: Floats) -> None:
    if pairs > _MOST_PAIRS:
        raise UsageError(
            f"More than {_MOST_PAIRS:,} pairs lie within {metres[-1]:,.0f} m of each other, which is too many to deal "
            "days to. Ask for shorter distances, for one class, or for fewer days of them."
        )


def _pairs_of_days(day: Integers, bounds: Integers) -> Integers:
    """Count all pairs by the days between them, near or not."""
    ordered = np.sort(day)
    within = [
        int((np.searchsorted(ordered, ordered + bound, side="right") - np.arange(len(day)) - 1).sum())
        for bound in bounds
    ]
    return _steps(np.array(within, dtype=np.int64))


def _count(
    dealt: Iterable[Integers],
    first: Integers,
    second: Integers,
    edges: Integers,
    bounds: Integers,
    tell: Tell = _silent,
) -> Integers:
    """Count the pairs of each set of days, sets × distance bands × day bands; pairs lie by band between `edges`.

    `tell` is told how many sets are done.
    """
    counts: list[Integers] = []
    held: list[Integers] = []
    done = 0

    def count() -> None:
        nonlocal held, done
        sets, before = len(held), done
        counts.append(_count_held(held, first, second, edges, bounds, lambda share: tell(before + share * sets)))
        held, done = [], done + sets

    for days in dealt:
        held.append(days)
        # So many sets at once as there is room for, because each stretch of pairs is read once for all of them.
        if sum(map(len, held)) >= _MOST_DEALT:
            count()
    if held:
        count()
    return np.concatenate(counts)


def _count_held(
    held: Sequence[Integers], first: Integers, second: Integers, edges: Integers, bounds: Integers, tell: Tell
) -> Integers:
    within = np.zeros((len(held), len(edges) - 1, len(bounds)), dtype=np.int64)
    since = min((int(days.min()) for days in held if len(days)), default=0)
    longest = max((int(days.max()) for days in held if len(days)), default=0) - since
    # The narrowest numbers that hold the days: it is their movement through memory that takes the time.
    kind = np.int16 if longest + int(bounds[-1]) < 2**15 else np.int64
    narrow: list[NDArray[Any]] = [(days - since).astype(kind) for days in held]
    for band, (begin, end) in enumerate(pairwise(edges.tolist())):
        for start in range(begin, end, _AT_ONCE):
            stop = min(start + _AT_ONCE, end)
            one, other = (each[start:stop].astype(np.intp) for each in (first, second))
            for number, days in enumerate(narrow):
                apart = np.abs(days.take(one) - days.take(other))
                within[number, band] += [np.count_nonzero(apart <= bound) for bound in bounds.tolist()]
            tell(stop / len(first))
    return _steps(within)


def _steps(within: Integers) -> Integers:
    """Give the counts of bands from those up to each bound, along the last axis."""
    found = within.copy()
    found[..., 1:] -= within[..., :-1]
    return found
