"""Ways of pooling tried on the same drawn weeks: the same jobs and the same duties, covering the ground in other ways.

Everything random is in the drawn weeks, which every way is given (common random numbers), so that two ways differ by
their pools alone, and few weeks tell them apart. A job's units go by who is nearest among those of its pool that are
free, and a unit waits for its next job where the last one was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bluelamp.drawn_work import Drawn, Ground
from bluelamp.errors import UsageError, count_of
from bluelamp.pools import Floats, Integers, PoolHours
from bluelamp.simulation import Rules, Travel, Units
from bluelamp.solving import Answered, answer

Flags = NDArray[np.bool_]

# More pools than this that run in the same hours have too many pairings to look at each.
_MOST_PAIRED = 16


@dataclass(frozen=True)
class Duties:
    """Duties of units, in order of their start: the pool of today, and hours of the run from first up to last."""

    pool: Integers
    first: Integers
    last: Integers

    def __len__(self) -> int:
        return len(self.pool)


@dataclass(frozen=True)
class Way:
    """One way of pooling: who covers what in each hour, and of each duty the pool and the place where it begins."""

    pool_hours: PoolHours
    pool: Integers
    place: Integers


def lay_duties(units: Integers, ground: Ground, cuts: Iterable[int] = ()) -> Duties:
    """Make duties with which so many units (pools × hours of the forecast) are out: who began first ends first.

    At `cuts`, hours of the forecast, all duties end and others begin. The warm-up is like the same hours of the first
    day, as in `by_the_hour`.
    """
    warm_up = ground.warm_up
    by_hour = np.concatenate([units[:, 24 - warm_up : 24], units], axis=1) if warm_up else units
    ends = {by_hour.shape[1]}
    for cut in cuts:
        ends |= {cut + warm_up} | ({cut - 24 + warm_up} if 24 - warm_up <= cut < 24 else set())
    rows: list[tuple[int, int, int]] = []
    for pool, out in enumerate(by_hour):
        began: list[int] = []
        for hour in range(by_hour.shape[1] + 1):
            wanted = int(out[hour]) if hour < len(out) else 0
            leaving = len(began) if hour in ends else max(len(began) - wanted, 0)
            rows += [(first, hour, pool) for first in began[:leaving]]
            began = [*began[leaving:], *[hour] * (wanted - len(began) + leaving)]
    first, last, pool_of = (np.array(each, dtype=np.int64) for each in zip(*sorted(rows), strict=True))
    return Duties(pool_of, first, last)


def merge(today: Way, duties: Duties, groups: Sequence[Sequence[int]], holds: Flags, warm_up: int) -> Way:
    """Merge pools of today in the hours of the forecast that `holds` says; each group becomes a pool of its own."""
    known = today.pool_hours.pool_ids
    merged = np.arange(len(known))
    for number, group in enumerate(groups):
        merged[list(group)] = len(known) + number
    names = ["+".join(known[each] for each in group) for group in groups]
    own = cover_by_hour(today.pool_hours)
    into = np.append(merged, -1)[own]
    return Way(
        _covered(today.pool_hours, np.where(holds, into, own), names),
        np.where(_runs_in(duties, holds, warm_up), merged[today.pool], today.pool),
        today.place,
    )


def redraw(
    today: Way, duties: Duties, district: Integers, load: Floats, travel: Travel, holds: Flags, warm_up: int
) -> Way:
    """Draw pools anew by the district of each area (-1 where nobody covers it), in the hours that `holds` says.

    Units are shared out by the load (areas × hours of the forecast). They begin where today's do, as far as a new pool
    has such places, each with so many as the work that is nearest to it asks for; and at its best-placed area else.
    """
    number, taken = int(district.max()) + 1, len(today.pool_hours.pool_ids)
    own = cover_by_hour(today.pool_hours)
    pool, place = today.pool.copy(), today.place.copy()
    chosen = np.flatnonzero(_runs_in(duties, holds, warm_up))
    stations, near = _stations(np.unique(today.place[chosen]), district, load.sum(axis=1), travel.minutes)
    weight = np.stack([load[district == each].sum(axis=0) for each in range(number)])
    fewest = int(_count_out(duties, chosen, len(holds) + warm_up)[warm_up:][holds].min())
    if fewest < number:
        raise UsageError(f"{number} pools can't be made of {count_of(fewest, 'unit')}: so few are out at times.")
    to = np.full(len(duties), -1, dtype=np.int64)
    at = np.full(len(duties), -1, dtype=np.int64)  # number of the station in its pool
    for start in np.unique(duties.first[chosen]):
        these = chosen[duties.first[chosen] == start]
        out = chosen[(duties.first[chosen] < start) & (duties.last[chosen] > start)]
        begin = max(int(start) - warm_up, 0)
        during = weight[:, begin : max(int(duties.last[these].max()) - warm_up, begin + 1)].sum(axis=1)
        to[these] = share_out(len(these), during, np.bincount(to[out], minlength=number))
        for each in range(number):
            mine, there = these[to[these] == each], at[out[to[out] == each]]
            at[mine] = share_out(len(mine), near[each], np.bincount(there, minlength=len(near[each])))
            place[mine] = stations[each][at[mine]]
    pool[chosen] = taken + to[chosen]
    fresh = np.where((own >= 0) & (district >= 0)[:, None], taken + district[:, None], own)
    names = [f"new {each + 1}" for each in range(number)]
    return Way(_covered(today.pool_hours, np.where(holds, fresh, own), names), pool, place)


def pair_up(apart: Floats, runs: Flags) -> list[tuple[int, ...]]:
    """Pair pools that run in the same hours (`runs`, pools × hours) so that pairs are as near as can be, all together.

    `apart` is how far pools are from each other. An odd one out stays alone. Raises UsageError for too many pools.
    """
    alike: dict[bytes, list[int]] = {}
    for pool, row in enumerate(runs):
        if row.any():
            alike.setdefault(row.tobytes(), []).append(pool)
    if any(len(group) > _MOST_PAIRED for group in alike.values()):
        raise UsageError(f"More than {_MOST_PAIRED} pools run in the same hours: name those to merge, as A+B.")

    @cache
    def best(left: tuple[int, ...]) -> tuple[float, tuple[tuple[int, ...], ...]]:
        if len(left) < 2:
            return 0.0, ()
        head, rest = left[0], left[1:]
        tries = [
            (apart[head, other] + further, ((head, other), *pairs))
            for at, other in enumerate(rest)
            for further, pairs in [best(rest[:at] + rest[at + 1 :])]
        ]
        if len(left) % 2:
            tries.append(best(rest))
        return min(tries)

    return [pair for group in alike.values() for pair in best(tuple(group))[1]]


def share_out(units: int, load: Floats, there: Integers) -> Integers:
    """Say into which pool each of some units goes: the next always where the load for each unit is greatest.

    `there` are the units that pools have already. A pool without any comes first; then it is the method of odd numbers
    (Sainte-Laguë 1910).

    >>> np.bincount(share_out(7, np.array([3.0, 1.0, 0.0]), np.zeros(3, dtype=np.int64)))
    array([4, 2, 1])
    """
    count = there.copy()
    found = np.zeros(units, dtype=np.int64)
    for unit in range(units):
        worth = (load + 1e-9 * max(float(load.sum()), 1.0)) / (2 * count + 1)
        found[unit] = np.argmax(np.where(count == 0, worth + load.sum() + 1, worth))
        count[found[unit]] += 1
    return found


def best_placed(minutes: Floats, load: Floats, inside: Integers) -> int:
    """Give the one of some areas from which their load is reached soonest (the weighted 1-median)."""
    return int(inside[np.argmin(minutes[np.ix_(inside, inside)] @ (load[inside] + 1e-9))])


def load_of(ground: Ground, cases: Sequence[Drawn]) -> Floats:
    """Give the unit-minutes that drawn runs bring to each area and hour of the forecast, in the mean run."""
    shape = len(ground.pool_hours.area_ids), len(ground.starts)
    found = np.zeros(shape)
    for case in cases:
        jobs, is_call = case.jobs, case.jobs.parent < 0
        hour = ground.hour_of(jobs.ready)
        inside = is_call & (hour >= 0) & (hour < shape[1])
        further = np.maximum(jobs.units.sum(axis=1) - 1, 0) * jobs.further_minutes[:, 0]
        minutes = jobs.first_minutes + jobs.after_minutes + further
        at = np.ravel_multi_index((jobs.place[inside], hour[inside]), shape)
        found += np.bincount(at, minutes[inside], found.size).reshape(shape)
    return found / max(len(cases), 1)


def try_ways(
    ground: Ground,
    cases: Sequence[Drawn],
    ways: Mapping[str, Way],
    duties: Duties,
    travel: Travel,
    stretch: Floats | None = None,
) -> dict[str, Answered]:
    """Let the same duties answer the same drawn runs in every way; calls count in the pool of today that covers them.

    `travel` times the `stretch` of a call's target is how long units are on their way. To what no target speaks of they
    go in no time, as in the drawn runs: its minutes hold the way. Without `stretch` ways vary as they were drawn,
    if they were drawn for a matrix, and are as long as `travel` says if not.
    """
    if stretch is None and ground.travel is None:
        stretch = np.ones(len(ground.targets))
    sent = cases if stretch is None else [_by_distance(case, stretch) for case in cases]
    found = {}
    for name, way in ways.items():
        units = Units.of(60.0 * duties.first, 60.0 * duties.last, pool=way.pool, place=way.place)
        there = replace(ground, pool_hours=way.pool_hours)
        found[name] = answer(there, sent, units, rules=Rules(is_nearest=True), travel=travel, counted_by=ground.cover)
    return found


def stretch_to_stated(ground: Ground, today: Answered) -> Floats:
    """Give by target what ways must be multiplied by to be, today, as long as the target supposes; 1 where it supposes
    none, or no call tells.
    """
    stated = np.array([each.travel_minutes for each in ground.targets])
    way, reached = today.way_by_run.sum(axis=(0, 2)), today.reached_by_run.sum(axis=(0, 2))
    is_known = (way > 0) & (stated > 0)
    return np.where(is_known, stated * reached / np.where(is_known, way, 1.0), 1.0)


# ---- parts ----


def cover_by_hour(pool_hours: PoolHours) -> Integers:
    """Give the pool that covers each area in each hour (areas × hours), -1 where none does."""
    return pool_hours.patterns[pool_hours.pattern_of_hour].T


def _covered(today: PoolHours, own: Integers, names: Sequence[str]) -> PoolHours:
    patterns, of_hour = np.unique(own, axis=1, return_inverse=True)
    return replace(
        today, pool_ids=[*today.pool_ids, *names], patterns=np.ascontiguousarray(patterns.T),
        pattern_of_hour=of_hour.reshape(-1).astype(np.int64),
    )  # fmt: skip


def _runs_in(duties: Duties, holds: Flags, warm_up: int) -> Flags:
    """Say which duties begin in hours of the forecast that `holds` says; the warm-up is like the first day."""
    hour = duties.first - warm_up
    found: Flags = holds[np.where(hour >= 0, hour, hour + 24)]
    return found


def _stations(
    today: Integers, district: Integers, load: Floats, minutes: Floats
) -> tuple[list[Integers], list[Floats]]:
    """Give by district the places at which its units begin, and the load that is nearest to each of them."""
    stations, near = [], []
    for each in range(int(district.max()) + 1):
        inside = np.flatnonzero(district == each)
        places = today[district[today] == each]
        if not len(places):
            places = np.array([best_placed(minutes, load, inside)])
        nearest = minutes[np.ix_(places, inside)].argmin(axis=0)
        stations.append(places)
        near.append(np.bincount(nearest, load[inside], len(places)).astype(np.float64))
    return stations, near


def _count_out(duties: Duties, which: Integers, hours: int) -> Integers:
    steps = np.zeros(hours + 1, dtype=np.int64)
    np.add.at(steps, duties.first[which], 1)
    np.add.at(steps, duties.last[which], -1)
    return steps.cumsum()[:-1]


def _by_distance(case: Drawn, stretch: Floats) -> Drawn:
    has_way = case.target >= 0
    return replace(
        case,
        jobs=replace(
            case.jobs,
            travel=np.where(has_way, np.nan, case.jobs.travel[:, 0])[:, None],
            stretch=np.append(stretch, 1.0)[case.target][:, None],
        ),
    )
