"""Sending units: who goes to what, minute by minute, as a plain control room would.

The first free and able unit of the pool that covers the place at that hour goes; urgent grades first, then whoever has
waited longest. Free units of the pool that the place has at another hour of the day (late crews after the night pools
took over) come next, and help from other pools where nobody is free for an urgent call. A unit finishes its
refreshments and its write-up before it is sent again. Guards are handed over to the next duty. Each event is handled
once, in order of time; nothing here is shared with the product's own models, so that each can check the other.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import cycle
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

WholeNumbers = NDArray[np.int64]
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

STAGES = ("briefing", "en_route", "at_scene", "custody", "guard", "write_up", "committed", "refreshments")
_BRIEFING, _EN_ROUTE, _AT_SCENE, _CUSTODY, _GUARD, _WRITE_UP, _COMMITTED, _REFRESHMENTS = range(len(STAGES))
_URGENT = 1  # grades 1 and 2 are 0 and 1 here
_RELIEF = -1  # a guard to be relieved goes before every call
_NOBODY = -1

# What can happen; at the same second those who become free come first and calls last.
_DONE, _GUARD_OVER, _END, _START, _BREAK, _RELIEVE, _REGRADED, _READY = range(8)
# What a unit is doing.
_OFF, _NO_VEHICLE, _FREE, _BUSY, _GONE = range(5)


@dataclass(frozen=True)
class Jobs:
    """Work that wants units; arrays with one entry a job, times in seconds.

    `ready` is when it can be dispatched; for a job with a `parent` how long after that one's first unit has left.
    `grade` is 0 to 2, `regraded_at` (0: never) when it becomes `regraded_to`. `travel` are mean seconds. A job with
    `guard` seconds is guarded that long by one unit at a time; other ones take `scene` seconds, then `custody` and
    `write_up` for the first unit. What has waited for `patience` lapses; an `immediate` one is seen by an officer or
    by nobody.
    """

    ready: WholeNumbers
    parent: WholeNumbers
    grade: WholeNumbers
    regraded_at: WholeNumbers
    regraded_to: WholeNumbers
    district: WholeNumbers
    units: WholeNumbers
    travel: Numbers
    scene: WholeNumbers
    guard: WholeNumbers
    custody: WholeNumbers
    write_up: WholeNumbers
    patience: WholeNumbers
    is_immediate: Flags


@dataclass(frozen=True)
class Cover:
    """Who covers what: `own` the pool of a district by local hour (districts, 24), `vehicles` by pool.

    `served` lists the districts that a pool ever covers. `began` and `local_hour` give the local hour of a second:
    local_hour[(second - began) // 3600].
    """

    own: WholeNumbers
    served: list[list[int]]
    vehicles: list[int]
    began: int
    local_hour: list[int]


@dataclass(frozen=True)
class Sent:
    """What the units did. `intervals`: `unit`, `job` (null where there was none), `stage`, `starts`, `ends`, by start.

    `on` and `off` are when each unit was out (-1: never; for those still out at the end, -1 for `off`), `went` whether
    any unit went to a job.
    """

    intervals: pl.DataFrame
    on: WholeNumbers
    off: WholeNumbers
    went: Flags


def send_units(
    jobs: Jobs, units: pl.DataFrame, cover: Cover, rules: dict[str, Any], until: int, random: np.random.Generator
) -> Sent:
    """Send units (`pool` by number, `starts`, `ends`, `can_drive`, `is_briefed`, `rest_at`, `rest`) to jobs.

    `rules` are the numbers of [feeds.dispatch], with `briefing_minutes`; what happens after `until` is not looked at.
    """
    room = _ControlRoom(jobs, units, cover, rules, random)
    room.run(until)
    return room.sent()


class _ControlRoom:
    def __init__(
        self, jobs: Jobs, units: pl.DataFrame, cover: Cover, rules: dict[str, Any], random: np.random.Generator
    ) -> None:
        # Lists, because single numbers are looked up here millions of times.
        self.grade, self.district = jobs.grade.tolist(), jobs.district.tolist()
        self.regraded_to = jobs.regraded_to.tolist()
        self.wanted, self.travel = jobs.units.tolist(), jobs.travel.tolist()
        self.scene, self.guard = jobs.scene.tolist(), jobs.guard.tolist()
        self.custody, self.write_up = jobs.custody.tolist(), jobs.write_up.tolist()
        self.patience, self.is_immediate = jobs.patience.tolist(), jobs.is_immediate.tolist()
        self.ready = np.where(jobs.parent < 0, jobs.ready, 0).tolist()
        self.children: dict[int, list[tuple[int, int]]] = {}
        for child in np.flatnonzero(jobs.parent >= 0):
            self.children.setdefault(int(jobs.parent[child]), []).append((int(jobs.ready[child]), int(child)))
        self.sent_to = [0] * len(self.grade)
        self.over_at = [0] * len(self.grade)
        self.holder = [_NOBODY] * len(self.grade)

        self.pool, self.ends = units["pool"].to_list(), units["ends"].to_list()
        self.starts, self.rest = units["starts"].to_list(), units["rest"].to_list()
        self.can_drive, self.is_briefed = units["can_drive"].to_list(), units["is_briefed"].to_list()
        self.rest_at = units["rest_at"].to_list()
        self.state = [_OFF] * units.height
        self.on, self.off = [-1] * units.height, [-1] * units.height
        self.guarding_since = [0] * units.height

        self.own = cover.own.tolist()
        self.served, self.vehicles = cover.served, cover.vehicles
        self.began, self.local_hour = cover.began, cover.local_hour
        pools, districts = range(len(cover.served)), range(len(cover.own))
        self.free: list[dict[int, None]] = [{} for _ in pools]
        self.out = [0 for _ in pools]
        self.no_vehicle: list[deque[int]] = [deque() for _ in pools]
        self.waiting: list[list[tuple[int, int, int]]] = [[] for _ in districts]
        self.siblings = [[pool for pool in pools if district in cover.served[pool]] for district in districts]
        # Help comes from the districts with the nearest numbers first: districts are numbered from neighbour to
        # neighbour as far as that goes.
        self.helpers = [
            sorted(
                (pool for pool in pools if district not in cover.served[pool]),
                key=lambda pool: (min((abs(each - district) for each in cover.served[pool]), default=99), pool),
            )
            for district in districts
        ]

        self.rules = rules
        self.clearing = rules["clearing_seconds"]
        self.briefing = round(60 * rules["briefing_minutes"])
        self.last, self.last_for_guard = 60 * rules["last_minutes"], 60 * rules["last_minutes_for_guards"]
        self.relief_before = 60 * rules["relief_minutes_before_end"]
        self.no_log_mean, self.no_log_share = 60 * rules["no_log_minutes"], rules["no_log"]
        self.stay = rules["further_units_stay"]
        self.help_factor = rules["help_travel_factor"]
        sigma = float(np.sqrt(np.log1p(rules["cv"] ** 2)))
        self.spread = cycle(np.exp(sigma * random.standard_normal(99_991) - sigma**2 / 2).tolist())
        self.chance = cycle(random.random(99_989).tolist())

        self.done: tuple[array[int], ...] = tuple(array("q") for _ in range(5))
        self.events: list[tuple[int, int, int]] = [(at, _START, unit) for unit, at in enumerate(self.starts)]
        for job in np.flatnonzero(jobs.parent < 0):
            self.events.append((self.ready[job], _READY, int(job)))
        for job in np.flatnonzero(jobs.regraded_at > 0):
            self.events.append((int(jobs.regraded_at[job]), _REGRADED, int(job)))
        heapify(self.events)

    def run(self, until: int) -> None:
        """Let everything happen that happens before `until`."""
        handle: list[Callable[[int, int], None]] = [
            self._be_free,
            self._end_guard,
            self._end_duty,
            self._start_duty,
            self._take_break,
            self._ask_for_relief,
            self._regrade,
            self._be_ready,
        ]
        events = self.events
        while events and events[0][0] < until:
            at, what, which = heappop(events)
            handle[what](at, which)
        for job, unit in enumerate(self.holder):
            if unit != _NOBODY:
                self._record(unit, job, _GUARD, self.guarding_since[unit], max(until, self.guarding_since[unit] + 1))

    def sent(self) -> Sent:
        """Give what was done."""
        columns = dict(zip(("unit", "job", "stage", "starts", "ends"), self.done, strict=True))
        frame = pl.DataFrame({name: np.frombuffer(values, dtype=np.int64) for name, values in columns.items()})
        return Sent(
            frame.with_columns(
                job=pl.when(pl.col("job") >= 0).then("job"),
                stage=pl.Series(STAGES, dtype=pl.Enum(STAGES)).gather(frame["stage"]),
            ).sort("starts", "unit", "ends"),
            np.array(self.on, dtype=np.int64),
            np.array(self.off, dtype=np.int64),
            np.array(self.sent_to) > 0,
        )

    def _record(self, unit: int, job: int, stage: int, starts: int, ends: int) -> None:
        if ends > starts:
            for column, value in zip(self.done, (unit, job, stage, starts, ends), strict=True):
                column.append(value)

    # ---- duties ----

    def _start_duty(self, at: int, unit: int) -> None:
        pool = self.pool[unit]
        heappush(self.events, (self.ends[unit], _END, unit))
        if self.out[pool] < self.vehicles[pool]:
            self._go_out(at, unit)
        else:
            self.state[unit] = _NO_VEHICLE
            self.no_vehicle[pool].append(unit)

    def _go_out(self, at: int, unit: int) -> None:
        self.out[self.pool[unit]] += 1
        self.on[unit] = at
        if self.rest_at[unit] > at:
            heappush(self.events, (self.rest_at[unit], _BREAK, unit))
        if self.is_briefed[unit] and at == self.starts[unit]:
            self._occupy(at, unit, _BRIEFING, self.briefing)
        else:
            self._be_free(at, unit)

    def _occupy(self, at: int, unit: int, stage: int, seconds: int) -> None:
        self.state[unit] = _BUSY
        self._record(unit, _NOBODY, stage, at, at + seconds)
        heappush(self.events, (at + seconds, _DONE, unit))

    def _end_duty(self, at: int, unit: int) -> None:
        if self.state[unit] == _FREE:
            del self.free[self.pool[unit]][unit]
            self._go_home(at, unit)
        elif self.state[unit] == _NO_VEHICLE:
            self.state[unit] = _GONE

    def _go_home(self, at: int, unit: int) -> None:
        pool = self.pool[unit]
        self.state[unit], self.off[unit] = _GONE, at
        self.out[pool] -= 1
        queue = self.no_vehicle[pool]
        while queue:
            following = queue.popleft()
            if self.state[following] == _NO_VEHICLE:
                self._go_out(at, following)
                return

    def _take_break(self, at: int, unit: int) -> None:
        """Take refreshments now if free; otherwise `_be_free` will see to it."""
        if self.state[unit] == _FREE:
            del self.free[self.pool[unit]][unit]
            self._rest(at, unit)

    def _rest(self, at: int, unit: int) -> None:
        seconds, self.rest[unit] = self.rest[unit], 0
        self._occupy(at, unit, _REFRESHMENTS, seconds)

    def _be_free(self, at: int, unit: int) -> None:
        """Find what a unit does next that has just become free."""
        left = self.ends[unit] - at
        if left <= 0:
            self._go_home(at, unit)
            return
        if self.rest[unit] and self.rest_at[unit] <= at and left > self.rest[unit]:
            self._rest(at, unit)
            return
        job = self._next_job(at, unit)
        if job != _NOBODY:
            self._send(at, unit, job)
        elif left > self.last and next(self.chance) < self.no_log_share:
            self._occupy(at, unit, _COMMITTED, 60 + round(self.no_log_mean * next(self.spread)))
        else:
            self.state[unit] = _FREE
            self.free[self.pool[unit]][unit] = None

    # ---- calls ----

    def _be_ready(self, at: int, job: int) -> None:
        self.ready[job] = at
        while self.wanted[job] > 0:
            unit = self._find(at, job)
            if unit == _NOBODY:
                break
            del self.free[self.pool[unit]][unit]
            self._send(at, unit, job)
        if self.is_immediate[job]:
            self.wanted[job] = 0
        elif self.wanted[job] > 0:
            heappush(self.waiting[self.district[job]], (self.grade[job], at, job))

    def _regrade(self, at: int, job: int) -> None:
        if self.sent_to[job] == 0 and self.wanted[job] > 0 and 0 < self.ready[job] <= at:
            self.grade[job] = self.regraded_to[job]
            heappush(self.waiting[self.district[job]], (self.grade[job], self.ready[job], job))
        elif self.ready[job] > at:
            self.grade[job] = self.regraded_to[job]

    def _is_able(self, at: int, unit: int, job: int) -> bool:
        grade, left = self.grade[job], self.ends[unit] - at
        if self.guard[job]:
            return bool(left > self.last_for_guard)
        return bool((self.can_drive[unit] or grade > _URGENT) and (left > self.last or grade == 0))

    def _find(self, at: int, job: int) -> int:
        """Find the first free and able unit: of the covering pool, of another hour's, of any if urgent."""
        district: int = self.district[job]
        own: int = self.own[district][self.local_hour[(at - self.began) // 3600]]
        pools = [own, *(pool for pool in self.siblings[district] if pool != own)]
        if self.grade[job] <= _URGENT and self.sent_to[job] == 0 and not self.is_immediate[job]:
            pools += self.helpers[district]
        for pool in pools:
            for unit in self.free[pool]:
                if self._is_able(at, unit, job):
                    return unit
        return _NOBODY

    def _next_job(self, at: int, unit: int) -> int:
        """Find the job that waits first in the unit's own districts, or an urgent one elsewhere."""
        served = self.served[self.pool[unit]]
        best: tuple[int, int, int] | None = None
        for district in served:
            first = self._first_waiting(at, district)
            if first is not None and (best is None or first < best) and self._is_able(at, unit, first[2]):
                best = first
        if best is None:
            for district in range(len(self.waiting)):
                if district not in served and self.waiting[district]:
                    first = self._first_waiting(at, district)
                    is_urgent = first is not None and first[0] <= _URGENT and self.sent_to[first[2]] == 0
                    if first is not None and is_urgent and self._is_able(at, unit, first[2]):
                        best = first if best is None or first < best else best
        return _NOBODY if best is None else best[2]

    def _first_waiting(self, at: int, district: int) -> tuple[int, int, int] | None:
        """Look at the head of a queue, having dropped what is settled, regraded, over or given up."""
        queue = self.waiting[district]
        while queue:
            grade, since, job = queue[0]
            is_over = self.sent_to[job] > 0 and at >= self.over_at[job]
            if self.wanted[job] > 0 and grade == self.grade[job] and not is_over:
                if grade == _RELIEF or self.sent_to[job] > 0 or at - since < self.patience[job]:
                    return queue[0]
                self.wanted[job] = 0
            heappop(queue)
        return None

    def _send(self, at: int, unit: int, job: int) -> None:
        self.state[unit] = _BUSY
        self.wanted[job] -= 1
        is_first = self.sent_to[job] == 0
        self.sent_to[job] += 1
        is_help = self.district[job] not in self.served[self.pool[unit]]
        travel = round(self.travel[job] * (self.help_factor if is_help else 1) * next(self.spread))
        arrives = at + travel
        self._record(unit, job, _EN_ROUTE, at, arrives)
        if self.guard[job]:
            self._begin_guard(at, unit, job, arrives)
            return
        if is_first:
            leaves = arrives + self.scene[job]
            self.over_at[job] = leaves
            free_at = leaves + self.custody[job]
            self._record(unit, job, _CUSTODY, leaves, free_at)
            for delay, child in self.children.get(job, ()):
                heappush(self.events, (free_at + delay, _READY, child))
        else:
            least, most = self.stay
            leaves = free_at = arrives + max(120, round(self.scene[job] * (least + (most - least) * next(self.chance))))
        self._record(unit, job, _AT_SCENE, arrives, leaves)
        written = free_at + (self.write_up[job] if is_first else 0)
        self._record(unit, job, _WRITE_UP, free_at, written)
        heappush(self.events, (written + self.clearing, _DONE, unit))

    # ---- guards ----

    def _begin_guard(self, at: int, unit: int, job: int, arrives: int) -> None:
        before = self.holder[job]
        if before == _NOBODY:
            self.over_at[job] = arrives + self.guard[job]
            heappush(self.events, (self.over_at[job], _GUARD_OVER, job))
        else:
            relieved = min(arrives, self.over_at[job])
            self._record(before, job, _GUARD, self.guarding_since[before], relieved)
            heappush(self.events, (relieved + self.clearing, _DONE, before))
        self.holder[job], self.guarding_since[unit] = unit, arrives
        heappush(self.events, (max(arrives, self.ends[unit] - self.relief_before), _RELIEVE, job))

    def _end_guard(self, at: int, job: int) -> None:
        unit, self.holder[job] = self.holder[job], _NOBODY
        self.wanted[job] = 0
        since = self.guarding_since[unit]
        self._record(unit, job, _GUARD, since, at)
        # Whoever is still on the way to relieve turns round on arrival.
        heappush(self.events, (max(at, since) + self.clearing, _DONE, unit))

    def _ask_for_relief(self, at: int, job: int) -> None:
        unit = self.holder[job]
        is_due = unit != _NOBODY and self.ends[unit] - self.relief_before <= at
        if is_due and self.wanted[job] == 0 and self.over_at[job] - at > self.relief_before:
            self.grade[job] = _RELIEF
            self.wanted[job] = 1
            self._be_ready(at, job)
