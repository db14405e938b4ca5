"""Which areas touch: by their boundaries or as a file says, and what is done with those that touch nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bluelamp.plane import Plane

# Boundaries drawn apart by so little are one.
NEARLY_METRES = 5.0
# What two areas share is a border from so many metres on; less is a corner.
LEAST_BORDER_METRES = 10.0

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Touching:
    """Pairs of areas that touch (n × 2, the smaller index first, in order) and how much border they share.

    `metres` is 0 for a link that no border makes; all are NaN where no boundaries are known. `links` are those made
    over land or water to areas that touch nothing else: each with how many metres lie between.
    """

    areas: int
    pairs: Integers
    metres: Floats
    links: tuple[tuple[int, int, float], ...] = ()

    @property
    def weights(self) -> Floats:
        """Give each pair's border in borders of the usual length; 1 where no length is known."""
        known = np.isfinite(self.metres) & (self.metres > 0)
        usual = float(self.metres[known].mean()) if known.any() else 1.0
        return np.where(known, self.metres / usual, np.where(np.isfinite(self.metres), 0.0, 1.0))

    def lay_out(self) -> tuple[Integers, Integers, Floats]:
        """Give for each area where its neighbours begin, the neighbours, and the weight of each border."""
        both = np.concatenate([self.pairs, self.pairs[:, ::-1]])
        weights = np.tile(self.weights, 2)
        order = np.lexsort((both[:, 1], both[:, 0]))
        both = both[order]
        first = np.searchsorted(both[:, 0], np.arange(self.areas + 1)).astype(np.int64)
        return first, np.ascontiguousarray(both[:, 1]), weights[order]

    def parts(self, district: Integers | None = None) -> Integers:
        """Give each area the smallest index of those that it hangs together with, within its district where given."""
        part = np.arange(self.areas)
        kept = self.pairs
        if district is not None:
            kept = kept[district[kept[:, 0]] == district[kept[:, 1]]]
        while True:
            lower = part.copy()
            np.minimum.at(lower, kept[:, 0], part[kept[:, 1]])
            np.minimum.at(lower, kept[:, 1], part[kept[:, 0]])
            lower = lower[lower]
            if (lower == part).all():
                return part
            part = lower


def as_pairs(pairs: Any) -> Integers:
    """Give pairs of areas each once, the smaller index first, in order; none with itself."""
    found = np.sort(np.asarray(pairs, dtype=np.int64).reshape(-1, 2), axis=1)
    return np.unique(found[found[:, 0] != found[:, 1]], axis=0)


def find_touching(shapes: Sequence[Any], nearly: float = NEARLY_METRES) -> Touching:
    """Find which areas (shapely polygons in degrees) share a border; corners are none.

    Boundaries that are drawn up to `nearly` metres apart, or over each other, count as shared: digitised beats have
    slivers between them. Metres are those of the plane that touches the earth amid the areas.
    """
    import shapely

    drawn = np.array(shapes, dtype=object)
    flat = Plane.amid(shapely.get_coordinates(shapely.centroid(drawn))).flatten_shape(drawn)
    one, other = shapely.STRtree(flat).query(flat, predicate="dwithin", distance=nearly)
    one, other = one[one < other], other[one < other]
    along = shapely.intersection(shapely.boundary(flat[one]), shapely.buffer(flat[other], nearly))
    # Around a corner that is shared alone, each boundary is that near for about its own reach on both sides.
    metres = shapely.length(along) - 2 * nearly
    shared = metres >= max(LEAST_BORDER_METRES, nearly)
    pairs, metres = np.stack([one, other], axis=1)[shared], metres[shared]
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return Touching(len(drawn), pairs[order].astype(np.int64), metres[order])


def measure_borders(touching: Touching, shapes: Sequence[Any], nearly: float = NEARLY_METRES) -> Touching:
    """Give pairs that a file names the borders that boundaries say they share; 1 metre where they share none."""
    known = find_touching(shapes, nearly)
    by_pair = {(int(a), int(b)): float(m) for (a, b), m in zip(known.pairs, known.metres, strict=True)}
    metres = np.array([by_pair.get((int(a), int(b)), 1.0) for a, b in touching.pairs])
    return replace(touching, metres=metres)


def link_islands(touching: Touching, shapes: Sequence[Any] | None, points: Floats | None = None) -> Touching:
    """Link what touches nothing of the rest to the nearest of it, until all hangs together.

    By the distance between boundaries, or between points (degrees) where there are none. Gives what came in where
    neither is known.
    """
    import shapely

    found = touching
    if shapes is None and points is None:
        return found
    drawn = np.array(shapes, dtype=object) if shapes is not None else shapely.points(points)
    flat = Plane.amid(shapely.get_coordinates(shapely.centroid(drawn))).flatten_shape(drawn)
    while True:
        part = found.parts()
        names, sizes = np.unique(part, return_counts=True)
        if len(names) <= 1:
            return found
        inside = np.flatnonzero(part == names[np.argmin(sizes)])
        rest = np.flatnonzero(part != names[np.argmin(sizes)])
        far = shapely.distance(flat[inside][:, None], flat[rest][None, :])
        a, b = np.unravel_index(int(np.argmin(far)), far.shape)
        link = (int(inside[a]), int(rest[b]), float(far[a, b]))
        pairs = np.concatenate([found.pairs, np.sort(np.array([link[:2]]), axis=1)])
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        metres = np.append(found.metres, np.nan if np.isnan(found.metres).all() else 0.0)
        found = replace(found, pairs=pairs[order], metres=metres[order], links=(*found.links, link))
