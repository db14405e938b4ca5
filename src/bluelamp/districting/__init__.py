"""Districts of equal workload from small areas: whole, near to the ideal load, compact, and not too far from today's.

Arrays in, arrays out: nothing here knows what an area is. The search is simulated annealing over areas on the borders
of districts (Kirkpatrick, Gelatt and Vecchi 1983, *Optimization by simulated annealing*, Science 220, 671–680; for
districts D'Amico and others 2002, *A simulated annealing approach to police district design*, Computers & Operations
Research 29, 667–684), which never lets a district fall apart. What it can not reach, `least_deviation` and
`prove_balance` bound from below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bluelamp.districting._bounds import Bound, least_change, least_deviation
from bluelamp.districting._exact import MOST_AREAS, Proof, prove_balance
from bluelamp.districting._touching import (
    NEARLY_METRES,
    Floats,
    Integers,
    Touching,
    as_pairs,
    find_touching,
    link_islands,
    measure_borders,
)
from bluelamp.errors import BadData, UsageError, count_of

__all__ = [
    "MOST_AREAS", "NEARLY_METRES", "Balance", "Bound", "Division", "Proof", "Touching", "are_whole", "as_pairs",
    "balance_of", "find_touching", "least_change", "least_deviation", "link_islands", "measure_borders",
    "propose_districts", "prove_balance",
]  # fmt: skip

# Tries of a restart for each area: two million for three hundred areas, which takes a fifth of a second.
MOVES = 6_000
RESTARTS = 8
# How many borders of the usual length the whole load of a force weighs, where as little as possible is to move.
_FEW_CHANGES = 300.0
_HOT, _WARM = 3.0, 0.7


@dataclass(frozen=True)
class Division:
    """Areas divided into districts: `district` of each area, 0 … `districts` − 1.

    `today_of` is the district of today that each continues, none for new ones, which come last. `moved` is the share of
    load (or of areas, as asked) that leaves its district of today.
    """

    district: Integers
    districts: int
    today_of: tuple[int | None, ...]
    moved: float


@dataclass(frozen=True)
class Balance:
    """How equal loads are: `loads`, `deviations` (shares of the ideal load), and what they come to.

    `greatest` is the greatest deviation to either side, `most` the greatest load over the ideal, `variation` the
    coefficient of variation (of these districts, not of a sample of them), `gini` the Gini coefficient.
    """

    loads: Floats
    ideal: float

    @property
    def deviations(self) -> Floats:
        """Give each district's load over the ideal, less one."""
        return self.loads / self.ideal - 1

    @property
    def greatest(self) -> float:
        """Give the greatest deviation from the ideal load, to either side."""
        return float(np.abs(self.deviations).max())

    @property
    def most(self) -> float:
        """Give the greatest load over the ideal."""
        return float(self.loads.max() / self.ideal)

    @property
    def variation(self) -> float:
        """Give the coefficient of variation."""
        return float(self.loads.std() / self.ideal)

    @property
    def gini(self) -> float:
        """Give the Gini coefficient: half the mean difference of two districts, over the mean."""
        return float(np.abs(self.loads[:, None] - self.loads[None, :]).mean() / (2 * self.ideal))


def balance_of(load: Floats, district: Integers, districts: int) -> Balance:
    """Give how equal the loads of districts are; areas in none (−1) do not count."""
    inside = district >= 0
    loads = np.bincount(district[inside], load[inside], districts).astype(float)
    return Balance(loads, float(loads.sum()) / districts)


def are_whole(touching: Touching, district: Integers) -> bool:
    """Say whether every district hangs together."""
    return len(np.unique(touching.parts(district=district))) == len(np.unique(district))


def propose_districts(
    load: Floats,
    touching: Touching,
    districts: int,
    *,
    today: Integers | None = None,
    tolerance: float = 0.05,
    most_moved: float | None = None,
    moved_by: Floats | None = None,
    few_changes: bool = False,
    seed: int = 0,
    restarts: int = RESTARTS,
    moves: int | None = None,
) -> Division:
    """Divide areas into whole districts, each within `tolerance` of the ideal load where that can be found.

    `load` of each area (any unit, 0 or more); `today` each area's district now (0, 1, …; −1 for none). Among divisions
    within the tolerance the one with the shortest borders wins, or, with `few_changes`, the one that moves least
    from today's, and then the borders. `most_moved` is the greatest share that may leave its district of today, by
    `moved_by` (each area's; its load where left out). Where the tolerance can't be met within that limit the nearest
    to it comes back. Every restart makes `moves` tries (6,000 an area where left
    out); the same seed gives the same districts.

    Raises UsageError where there are fewer areas than districts or a number makes no sense, and BadData where the
    areas do not hang together (see `link_islands`), or have no load at all.
    """
    from bluelamp.districting import _search

    _insist(load, touching, districts, tolerance, most_moved)
    counted = load if moved_by is None else moved_by
    share = counted / max(float(counted.sum()), 1e-300)
    now = np.full(len(load), -1, dtype=np.int64) if today is None else today
    minds_today = bool((now >= 0).any()) and (few_changes or most_moved is not None)
    first, other, border = touching.lay_out()
    ideal = float(load.sum()) / districts
    keep = _FEW_CHANGES if minds_today and few_changes else 0.0
    found: list[tuple[tuple[float, ...], Integers, tuple[int | None, ...]]] = []
    for number in range(restarts):
        rng = np.random.default_rng([seed, number])
        if minds_today:
            start, names = _begin_from_today(now, load, touching, districts, rng)
            place = {name: index for index, name in enumerate(names) if name is not None}
            # A district of today that is no more is never where an area is.
            home = np.array([-1 if each < 0 else place.get(int(each), districts) for each in now])
        else:
            start, names = _search.grow(first, other, load, districts, rng), (None,) * districts
            home = np.full(len(load), -1, dtype=np.int64)
        district = _search.anneal(
            start, home, first, other, border, load, share, districts, ideal, tolerance,
            1.0 if most_moved is None or not minds_today else most_moved, keep,
            MOVES * len(load) if moves is None else moves,
            _WARM if minds_today and number % 2 else _HOT, rng,
        )  # fmt: skip
        cut = float(touching.weights[district[touching.pairs[:, 0]] != district[touching.pairs[:, 1]]].sum())
        moved = float(share[(home >= 0) & (district != home)].sum())
        over = 0.0 if most_moved is None else max(0.0, moved - most_moved)
        excess = max(0.0, balance_of(load, district, districts).greatest - tolerance)
        found.append(((round(over, 9), round(excess, 9), cut + keep * moved), district, names))
    _, district, names = min(found, key=lambda each: each[0])
    if not minds_today and (now >= 0).any():
        names = _named_like_today(now, share, district, districts)
    return _as_division(district, names, now, share)


def _insist(load: Floats, touching: Touching, districts: int, tolerance: float, most_moved: float | None) -> None:
    problems = []
    if districts < 1:
        problems.append(f"{districts} districts make no sense; 1 or more were expected.")
    elif districts > len(load):
        problems.append(
            f"{count_of(districts, 'district')} can't be made of {count_of(len(load), 'area')}: each needs one or more."
        )
    if not 0 <= tolerance < 1:
        problems.append(f"A tolerance of {tolerance:g} makes no sense; a share such as 0.05 was expected.")
    if most_moved is not None and not 0 <= most_moved <= 1:
        problems.append(f"A limit on change of {most_moved:g} makes no sense; a share such as 0.2 was expected.")
    if problems:
        raise UsageError("These districts can't be proposed:", problems)
    if not np.isfinite(load).all() or (load < 0).any():
        raise BadData("An area's load is negative or no number. Loads are hours or minutes of work, 0 or more.")
    if load.sum() <= 0:
        raise BadData("No area has any load, so that any division of them is as equal as another.")
    if len(np.unique(touching.parts())) > 1:
        raise BadData("The areas do not hang together: some touch nothing of the rest. Link them first.")


def _begin_from_today(
    today: Integers, load: Floats, touching: Touching, districts: int, rng: np.random.Generator
) -> tuple[Integers, tuple[int | None, ...]]:
    """Give today's districts whole and as many as asked for: pieces join a neighbour, the lightest districts are
    given up, or the heaviest split; with the district of today that each continues.
    """
    from bluelamp.districting import _search

    first, other, _ = touching.lay_out()
    part = touching.parts(district=today)
    held = np.bincount(part, load + 1e-9 * load.sum(), len(load))
    district = np.full(len(load), -1, dtype=np.int64)
    names: list[int | None] = []
    for name in np.unique(today[today >= 0]).tolist():
        pieces = np.unique(part[today == name])
        district[part == pieces[np.argmax(held[pieces])]] = len(names)
        names.append(name)
    while len(names) > districts:
        lightest = int(np.argmin(np.bincount(district[district >= 0], load[district >= 0], len(names))))
        district[district == lightest] = -1
        district[district > lightest] -= 1
        del names[lightest]
    while (district < 0).any():
        loads = np.bincount(district[district >= 0], load[district >= 0], len(names))
        best: tuple[float, int, int] | None = None
        for area in np.flatnonzero(district < 0):
            for near in district[other[first[area] : first[area + 1]]]:
                if near >= 0 and (best is None or loads[near] < best[0]):
                    best = (float(loads[near]), int(area), int(near))
        assert best is not None
        district[best[1]] = best[2]
    while len(names) < districts:
        several = np.bincount(district, minlength=len(names)) > 1
        heaviest = int(np.argmax(np.where(several, np.bincount(district, load, len(names)), -1.0)))
        inside = np.flatnonzero(district == heaviest)
        number = {int(area): index for index, area in enumerate(inside)}
        within = np.isin(touching.pairs, inside).all(axis=1)
        pairs = np.array([[number[int(a)], number[int(b)]] for a, b in touching.pairs[within]], dtype=np.int64)
        sub = Touching(len(inside), pairs.reshape(-1, 2), np.ones(len(pairs)))
        sub_first, sub_other, _ = sub.lay_out()
        halves = _search.grow(sub_first, sub_other, load[inside], 2, rng)
        district[inside[halves == 1]] = len(names)
        names.append(None)
    return district, tuple(names)


def _named_like_today(today: Integers, share: Floats, district: Integers, districts: int) -> tuple[int | None, ...]:
    """Name each district after the one of today that it continues, so that least is said to move."""
    known = np.unique(today[today >= 0])
    common = np.zeros((districts, len(known)))
    of = np.searchsorted(known, today)
    has = today >= 0
    np.add.at(common, (district[has], of[has]), share[has] + 1e-12)
    size = max(districts, len(known))
    square = np.zeros((size, size))
    square[:districts, : len(known)] = -common
    column_of = _assign(square)
    return tuple(
        int(known[column_of[row]]) if column_of[row] < len(known) and common[row, column_of[row]] > 0 else None
        for row in range(districts)
    )


def _assign(cost: Floats) -> Integers:
    """Give each row the column of a cheapest assignment, by shortest augmenting paths (Kuhn 1955; Munkres 1957)."""
    n = len(cost)
    row_of = np.full(n + 1, -1)
    by_row, by_column = np.zeros(n), np.zeros(n + 1)
    for row in range(n):
        row_of[n] = row
        column, least, came_from = n, np.full(n, np.inf), np.full(n, n)
        done = np.zeros(n + 1, dtype=bool)
        while row_of[column] >= 0:
            done[column] = True
            at = row_of[column]
            reduced = cost[at] - by_row[at] - by_column[:n]
            shorter = ~done[:n] & (reduced < least)
            least[shorter], came_from[shorter] = reduced[shorter], column
            free = np.where(done[:n], np.inf, least)
            following = int(np.argmin(free))
            step = free[following]
            by_row[row_of[done]] += step
            by_column[done] -= step
            least[~done[:n]] -= step
            column = following
        while column != n:
            row_of[column] = row_of[came_from[column]]
            column = int(came_from[column])
    column_of = np.empty(n, dtype=np.int64)
    column_of[row_of[:n]] = np.arange(n)
    return column_of


def _as_division(district: Integers, names: tuple[int | None, ...], today: Integers, share: Floats) -> Division:
    """Put districts of today first, in today's order, and new ones by their first area."""
    seen = {int(each): position for position, each in reversed(list(enumerate(district)))}
    order = sorted(range(len(names)), key=lambda each: (names[each] is None, names[each] or 0, seen[each]))
    position = np.empty(len(names), dtype=np.int64)
    position[order] = np.arange(len(names))
    district = position[district]
    today_of = tuple(names[each] for each in order)
    now = np.array([-1 if name is None else name for name in today_of])[district]
    moved = float(share[(today >= 0) & (now != today)].sum())
    return Division(district, len(names), today_of, moved)
