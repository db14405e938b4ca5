"""The list of visits: short, often enough, and at moments and in an order that nobody can foresee.

Visits of 10 to 16 minutes, at random and at least every two hours, are what Koper (1995, Just enough police presence,
Justice Quarterly 12:4) found to calm a place longest for the time spent. Each unit has a few places that lie together.
It goes from one to the next by chance, and waits by chance, wherever all of them can still be visited in time
afterwards: those whose time is up first come last to be chosen freely, and none is ever late.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from bluelamp.errors import UsageError, count_of
from bluelamp.grids import Floats, Integers
from bluelamp.plane import Plane
from bluelamp.settings import PatrolsPart

# A unit is given places for this part of its time, so that there is always more than one that it may go to next.
_FILLED = 0.75
# Of the time that it could wait before the next visit it waits up to this part, so that later ones stay free, too.
_WAITED = 0.5
# A place is let be so many minutes, where that makes no other late.
_LEAST_REST = 30
_NEVER = np.inf


@dataclass(frozen=True)
class PatrolList:
    """Visits of one shift as table `patrol_plan`, the places (rows of `hotspots`) that had to be left out, and what a
    reader should know.
    """

    rows: pl.DataFrame
    units: int
    dropped: pl.DataFrame
    notes: list[str]


def plan_visits(
    places: pl.DataFrame,
    *,
    list_id: str,
    starts_at: datetime,
    ends_at: datetime,
    pool_of_area: Mapping[str, str],
    spare: Mapping[str, int | None],
    units: int | None,
    rules: PatrolsPart,
    seed: int,
) -> PatrolList:
    """Plan visits to places, rows of `hotspots` of one class and shift, for units that are on duty from … until.

    `spare` has the units of each pool that cover leaves free throughout; what is not known there or is empty is taken
    to be enough. With `units`, so many are there for it alone, and pools do not matter. Where they are too few, places
    are taken in the order of their risk, and those that would need one more are dropped. The same seed gives the same
    visits.

    Raises UsageError where the hours are shorter than a visit.
    """
    length = round((ends_at - starts_at) / timedelta(minutes=1))
    if length < rules.most_minutes:
        raise UsageError(
            f"The {count_of(max(length, 0), 'minute')} from {starts_at:%H:%M} to {ends_at:%H:%M} UTC are shorter than "
            f"one visit of {rules.most_minutes} minutes. Longer hours were expected."
        )
    places = places.sort("rank")
    travel, apart = _travel(places, rules.speed_kmh)
    if units is not None:
        pool_of: list[str | None] = [None] * places.height
        limits: dict[str | None, int | None] = {None: units}
    else:
        pool_of = [None if area is None else pool_of_area.get(area) for area in places["area_id"]]
        limits = {pool: None if pool is None else spare.get(pool) for pool in set(pool_of)}
    every = round(60 * rules.at_least_every_hours)
    room = min(_FILLED * every, length)
    beats: list[tuple[str | None, list[int]]] = []
    dropped: list[int] = []
    told = []
    for pool in sorted(limits, key=lambda each: each or ""):
        own = [place for place in range(places.height) if pool_of[place] == pool]
        limit, found = limits[pool], _split(own, travel, room, rules.most_minutes)
        if limit is not None and len(found) > limit:
            wanted, found, kept = len(found), [], list[int]()
            for place in own:
                beyond = _split([*kept, place], travel, room, rules.most_minutes)
                if len(beyond) <= limit:
                    kept, found = [*kept, place], beyond
            left_out = sorted(set(own) - set(kept))
            dropped += left_out
            told.append(_say_dropped(pool, limit, wanted, places[left_out]))
        beats += [(pool, each) for each in found]
    chance = np.random.Generator(np.random.Philox(key=[seed, _number(list_id)]))
    rows = []
    for number, (pool, beat) in enumerate(beats, 1):
        came_from = None
        for place, begin, minutes in _walk(travel[np.ix_(beat, beat)], length, every, rules, chance):
            at = beat[place]
            metres, way = (0.0, 0) if came_from is None else (apart[came_from, at], travel[came_from, at])
            rows.append((at, number, pool, begin, minutes, metres / 1000, int(way)))
            came_from = at
    shape = {"at": pl.UInt32, "unit_number": pl.Int64, "pool_id": pl.String, "begin": pl.Int64, "minutes": pl.Int64,
             "travel_km": pl.Float64, "way": pl.Int64}  # fmt: skip
    visits = pl.DataFrame(rows, schema=shape, orient="row").join(places.with_row_index("at"), on="at", how="left")
    begins = pl.lit(starts_at) + pl.duration(minutes="begin")
    found_rows = visits.sort("unit_number", "begin").with_columns(
        list_id=pl.lit(list_id), visit=pl.int_range(1, pl.len() + 1), seed=pl.lit(seed), watch_starts_at=starts_at,
        watch_ends_at=ends_at, starts_at=begins, ends_at=begins + pl.duration(minutes="minutes"),
    )  # fmt: skip
    unknown = units is None and any(limit is None for limit in limits.values())
    return PatrolList(
        found_rows, len(beats), places[sorted(dropped)],
        [*_say_visits(found_rows, len(beats), length, rules), *told, *([_UNKNOWN] if unknown and beats else [])],
    )  # fmt: skip


_UNKNOWN = (
    "How many units cover leaves free then is not known, because no duties are known for these hours: it is taken that "
    "there are enough. --units says how many there are."
)


def _travel(places: pl.DataFrame, speed_kmh: float) -> tuple[Integers, Floats]:
    """Give whole minutes, and metres along the straight line, between places."""
    degrees = places.select("longitude", "latitude").to_numpy()
    if not len(degrees):
        return np.zeros((0, 0), dtype=np.int64), np.zeros((0, 0))
    at = Plane.amid(degrees).flatten(degrees)
    apart: Floats = np.hypot(at[:, 0, None] - at[:, 0], at[:, 1, None] - at[:, 1])
    minutes = np.ceil(apart / (speed_kmh * 1000 / 60)).astype(np.int64)
    return np.maximum(minutes, 1) * ~np.eye(len(at), dtype=np.bool_), apart


def _split(places: Sequence[int], travel: Integers, room: float, most_minutes: int) -> list[list[int]]:
    """Share places out among as few units as can keep them: each has one far out, and the nearest to it that fit."""
    left, found = list(places), []
    while left:
        among = travel[np.ix_(left, left)]
        beat = [left.pop(int(among.sum(axis=1).argmax()))]
        while left:
            farthest = travel[np.ix_(left, beat)].max(axis=1)
            nearest = int(farthest.argmin())
            within = travel[np.ix_(beat, beat)].max(initial=0)
            if (len(beat) + 1) * (most_minutes + max(farthest[nearest], within)) > room:
                break
            beat.append(left.pop(nearest))
        found.append(sorted(beat))
    return found


def _walk(
    travel: Integers, length: int, every: int, rules: PatrolsPart, chance: np.random.Generator
) -> list[tuple[int, int, int]]:
    """Lead one unit among its places: place, minute since the start, and minutes there, of each visit.

    `travel` is in minutes, and there is room for all places in `every` minutes and in `length`.
    """
    most, farthest = rules.most_minutes, int(travel.max(initial=0))
    places = np.arange(len(travel))
    # The latest minute at which each may be begun; none where what is left of the watch is shorter than that.
    due = np.full(len(travel), min(every, length - most), dtype=np.float64)
    left_at = np.full(len(travel), -np.inf)
    now, at = 0, -1
    visits: list[tuple[int, int, int]] = []
    while True:
        minutes = int(chance.integers(rules.least_minutes, most + 1))
        away = travel[at] if visits else np.zeros_like(places)
        arrives = now + away
        slack = np.empty(len(travel))
        for each in places:
            leaves = float(arrives[each] + minutes)
            after = due.copy()
            after[each] = _next_due(leaves, every, length, most)
            slack[each] = min(due[each] - arrives[each], _slack(leaves, after, farthest, most))
        rest = np.maximum(_LEAST_REST - (arrives - left_at), 0)
        may = slack >= rest
        if not may.any():
            # What is due first can always be visited now.
            may, rest = slack >= 0, np.zeros_like(rest)
        # To stay, or come back, is no way at all, and is likely only where there is nowhere else to go.
        nearness = may / (1.0 + np.where(places == at, farthest, away))
        place = int(chance.choice(places, p=nearness / nearness.sum()))
        least, most_wait = float(rest[place]), min(float(slack[place]), float(every))
        waits = int(np.ceil(least)) + int(chance.integers(0, int(_WAITED * max(most_wait - np.ceil(least), 0)) + 1))
        begins = int(arrives[place]) + waits
        if begins + minutes > length:
            return visits
        visits.append((place, begins, minutes))
        now, at = begins + minutes, place
        left_at[place], due[place] = now, _next_due(now, every, length, most)


def _next_due(left_at: float, every: int, length: int, most: int) -> float:
    return min(left_at + every, length - most) if left_at + every < length else _NEVER


def _slack(now: float, due: Floats, farthest: int, most: int) -> float:
    """Give the minutes that could be lost now and every place still be visited in time, in the order of their time."""
    wanted = np.sort(due[due < _NEVER])
    return float((wanted - (now + farthest + np.arange(len(wanted)) * (most + farthest))).min(initial=_NEVER))


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _say_visits(rows: pl.DataFrame, units: int, length: int, rules: PatrolsPart) -> list[str]:
    if rows.is_empty():
        return ["No place can be visited."]
    places, km = rows["cell_id"].n_unique(), rows["travel_km"].sum()
    busy = (float(rows["minutes"].sum()) + float(rows["way"].sum())) / (units * length)
    return [
        f"{count_of(units, 'unit')} for {count_of(places, 'place')}: {count_of(rows.height, 'visit')}, "
        f"{rows['minutes'].sum():,} minutes there, {km:,.1f} km between them along straight lines. That takes "
        f"{busy:.0%} of their time; no place is left longer than {rules.at_least_every_hours:g} hours."
    ]


def _say_dropped(pool: str | None, limit: int, wanted: int, places: pl.DataFrame) -> str:
    where = "" if pool is None else f" of pool {pool}"
    named = ", ".join(f"{rank} ({name})" for rank, name in zip(places["rank"], _names(places), strict=True))
    left = f"{count_of(limit, 'unit')}{where} can be there" if limit else f"No unit{where} can be there"
    return (
        f"{left}, where {count_of(wanted, 'unit')} would be needed: {count_of(places.height, 'place')} "
        f"{'is' if places.height == 1 else 'are'} dropped, rank {named}."
    )


def _names(places: pl.DataFrame) -> list[str]:
    return [
        name or f"{latitude:.4f}, {longitude:.4f}"
        for name, latitude, longitude in places.select("cell_name", "latitude", "longitude").iter_rows()
    ]
