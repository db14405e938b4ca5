"""A referee for the simulation: the same rules once more, slowly, and by other means.

Nothing is kept sorted or linked. At each step every unit and every job is asked what it is about to do, the earliest
answer happens, and who is free or waiting is looked up by going through all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bluelamp.simulation import STAGES, Cover, Jobs, Rules, Travel, Units

# What happens first within the same minute.
ORDER = ("lapse", "done", "over", "end", "start", "break", "cover", "relieve", "regrade", "return", "ready")


@dataclass
class Unit:
    index: int
    pool: int
    kind: int
    abilities: int
    starts: float
    ends: float
    place: int
    ready_at: float
    break_from: float
    break_minutes: float
    state: str = "not yet"
    until: float = math.inf
    since: float = math.nan
    free_number: int = 0
    queue_number: int = 0
    job: Job | None = None
    sending: list = field(default_factory=list)
    came_from: int = 0
    out_from: float = math.nan
    out_until: float = math.nan
    overtime: float = 0.0
    has_ended: bool = False


@dataclass
class Job:
    index: int
    place: int
    priority: int
    asks: int
    wants: list[int]
    wanted: int
    state: str = "not yet"
    is_relief: bool = False
    since: float = math.nan
    ready: float = math.nan
    comes_back: float = math.nan
    lapsed: float = math.nan
    first: Unit | None = None
    rest: float = math.nan
    left: float = math.nan
    over: float = math.nan
    relief_at: float = math.nan
    sendings: list = field(default_factory=list)
    is_regraded: bool = False

    @property
    def turn(self):
        return (-1 if self.is_relief else self.priority, self.since, self.index)


class Dispatch:
    def __init__(self, jobs: Jobs, units: Units, cover: Cover, rules: Rules, travel: Travel | None, hours: int) -> None:
        self.given, self.cover, self.rules, self.travel = jobs, cover, rules, travel
        self.hours, self.at = hours, 0.0
        self.units = [
            Unit(
                u,
                *(int(each[u]) for each in (units.pool, units.kind, units.abilities)),
                *(float(each[u]) for each in (units.starts, units.ends)),
                place=int(units.place[u]),
                ready_at=float(units.starts[u] + units.briefing[u]),
                break_from=float(units.break_from[u]),
                break_minutes=float(units.break_minutes[u]),
            )
            for u in range(len(units))
        ]
        self.jobs = [
            Job(j, int(jobs.place[j]), int(jobs.priority[j]), int(jobs.asks[j]), [int(x) for x in jobs.units[j]],
                int(jobs.units[j].sum()))
            for j in range(len(jobs))
        ]  # fmt: skip
        self.done_covers = set()
        self.numbers = 0
        # (job, unit, sent, arrived, left, is_help), and (unit, stage, from, to).
        self.sendings: list[list] = []
        self.intervals: list[tuple[Unit, str, float, float]] = []

    # ---- what comes next ----

    def run(self) -> Dispatch:
        until = 60 * self.hours
        while True:
            coming = [each for each in self._coming() if each[0] < until]
            if not coming:
                break
            at, kind, _, _, _, what = min(coming, key=lambda each: each[:5])
            self.at = at
            getattr(self, f"_{ORDER[kind]}")(what)
        for unit in self.units:
            if unit.state in ("free", "briefing", "busy", "break"):
                self._settle(unit, until)
                unit.overtime = max(0.0, until - unit.ends)
        return self

    def _coming(self):
        found = []

        def add(at, name, index, what, urgency=0):
            if not math.isnan(at):
                found.append((max(at, 0.0), ORDER.index(name), urgency, at, index, what))

        for unit in self.units:
            if unit.state in ("busy", "briefing", "break"):
                add(unit.until, "done", unit.index, unit)
            if not unit.has_ended:
                add(unit.ends, "end", unit.index, unit)
            if unit.state == "not yet":
                add(unit.starts, "start", unit.index, unit)
            if unit.state == "free" and unit.break_minutes > 0 and unit.break_from > unit.since:
                add(unit.break_from, "break", unit.index, unit)
        for job in self.jobs:
            j = job.index
            if job.state == "waits" and not job.sendings:
                add(job.since + self.given.patience[j], "lapse", j, job)
            if job.state == "not yet" and self.given.parent[j] < 0:
                add(self.given.ready[j], "ready", j, job, job.priority)
            if job.state == "not yet":
                add(job.comes_back, "return", j, job)
            add(job.over, "over", j, job)
            add(job.relief_at, "relieve", j, job)
            if not job.is_regraded:
                add(self.given.regraded_at[j], "regrade", j, job)
        for hour in range(1, self.hours):
            if hour not in self.done_covers and self._changes(hour):
                add(60.0 * hour, "cover", 0, hour)
        return found

    def _changes(self, hour):
        own = np.broadcast_to(self.cover.own, (len(self.cover.own), self.hours))
        keep = self.rules.keep_free
        if keep is not None and keep.ndim == 3 and (keep[..., hour] != keep[..., hour - 1]).any():
            return True
        aside = self.rules.aside if self.rules.is_nearest else None
        if aside is not None and (aside[:, hour] != aside[:, hour - 1]).any():
            return True
        return (own[:, hour] != own[:, hour - 1]).any()

    # ---- who answers for what ----

    def _own(self, place):
        own = self.cover.own[place]
        return int(own[int(self.at // 60) if len(own) > 1 else 0])

    def _near(self, place):
        return [self._own(place), *(int(p) for p in self.cover.also[place] if p >= 0 and p != self._own(place))]

    def _lenders(self, place):
        return [int(p) for p in self.cover.help[place] if p >= 0 and p not in self._near(place)]

    def _gets_help(self, job, more=0):
        return job.priority <= self.rules.help_to and len(job.sendings) + more < self.rules.help_units

    def _is_able(self, unit, job):
        left = unit.ends - self.at
        if job.wants[unit.kind] <= 0 or job.asks & ~unit.abilities:
            return False
        if self.given.is_handed_over[job.index]:
            return left > self.rules.last_minutes_handed_over
        return job.priority <= self.rules.last_for or left > self.rules.last_minutes

    def _is_held(self, unit, job):
        if self.rules.may_pass:
            return False
        for other in self._waiting():
            if other.turn >= job.turn or other is job or not self.given.is_at_once[other.index]:
                continue
            near = unit.pool in self._near(other.place)
            lends = unit.pool in self._lenders(other.place) and self._gets_help(other)
            if (near or lends) and self._is_able(unit, other):
                return True
        return False

    def _waiting(self):
        waiting = [job for job in self.jobs if job.state == "waits"]
        for job in waiting:
            # Those who were to come beside the first need not when it has left.
            if job.sendings and not self.given.is_handed_over[job.index] and job.left <= self.at:
                job.state = "gone"
        return sorted((job for job in waiting if job.state == "waits"), key=lambda job: job.turn)

    def _free(self, pool):
        return sorted((u for u in self.units if u.state == "free" and u.pool == pool), key=lambda u: u.free_number)

    def _reserve(self, pool, priority):
        keep = self.rules.keep_free
        if keep is None or priority >= keep.shape[1]:
            return 0
        return int(keep[pool, priority] if keep.ndim == 2 else keep[pool, priority, int(self.at // 60)])

    def _aside(self, pool):
        return 0 if self.rules.aside is None else int(self.rules.aside[pool, int(self.at // 60)])

    def _find(self, job, picked):
        pools = self._near(job.place)
        if self._gets_help(job, len(picked)):
            pools = pools + self._lenders(job.place)
        for pool in pools:
            free = [unit for unit in self._free(pool) if unit not in picked]
            if len(free) <= self._reserve(pool, job.priority):
                continue
            is_nearest = self.rules.is_nearest and self.travel is not None
            looked_at = free[: max(len(free) - self._aside(pool), 0)] if is_nearest else free
            able = [unit for unit in looked_at if self._is_able(unit, job) and not self._is_held(unit, job)]
            if able and is_nearest:
                return min(able, key=lambda unit: self.travel.minutes[unit.place, job.place])
            if able:
                return able[0]
        return None

    # ---- sending ----

    def _try(self, job):
        at_once = bool(self.given.is_at_once[job.index])
        was_waiting = job.state == "waits"
        picked = []
        before = list(job.wants)
        while sum(job.wants) > 0:
            unit = self._find(job, picked if at_once else [])
            if unit is None:
                break
            job.wants[unit.kind] -= 1
            if at_once:
                picked.append(unit)
            else:
                self._send(unit, job)
        if at_once:
            if sum(job.wants) > 0:
                job.wants = before
            else:
                for unit in picked:
                    self._send(unit, job)
        if sum(job.wants) > 0:
            return False
        job.state = "has all"
        self.released = self.released or (at_once and was_waiting)
        return True

    def _send(self, unit, job):
        j, number = job.index, len(job.sendings)
        if unit.state == "free":
            self._settle(unit, self.at)
        is_help = unit.pool not in self._near(job.place)
        way = self.given.travel[j][min(number, self.given.travel.shape[1] - 1)] if self.given.travel.shape[1] else None
        if way is None or math.isnan(way):
            way = 0.0
            if self.travel is not None:
                factor = self.travel.factor[int(self.at // 60) if len(self.travel.factor) > 1 else 0]
                noise = self.given.stretch[j][min(number, self.given.stretch.shape[1] - 1)]
                way = self.travel.minutes[unit.place, job.place] * factor * noise
        arrives = self.at + way * (self.rules.help_travel_factor if is_help else 1)
        row = [j, unit.index, self.at, arrives, math.nan, is_help]
        self.sendings.append(row)
        job.sendings.append(row)
        unit.state, unit.job, unit.sending, unit.since = "busy", job, row, self.at
        unit.came_from, unit.place = unit.place, job.place
        clearing = self.rules.clearing
        if self.given.is_handed_over[j]:
            if job.first is None:
                self._leaves(job, arrives + self.given.first_minutes[j])
            else:
                before = job.first
                before.sending[4] = min(arrives, job.left)
                before.until = max(before.sending[4], before.sending[3]) + clearing
            job.first = unit
            row[4] = max(job.left, arrives)
            unit.until = math.inf
            relief = max(arrives, unit.ends - self.rules.relief_before)
            job.relief_at = relief if relief < job.left else math.nan
            job.over = job.left
        elif job.first is None:
            job.first = unit
            row[4] = arrives + (self.given.first_minutes[j] if math.isnan(job.rest) else job.rest)
            self._leaves(job, row[4])
            unit.until = row[4] + self.given.after_minutes[j] + clearing
        else:
            columns = self.given.further_minutes.shape[1]
            row[4] = arrives + self.given.further_minutes[j][min(max(number - 1, 0), columns - 1)]
            unit.until = row[4] + clearing

    def _leaves(self, job, left):
        job.left = left
        for child in np.flatnonzero(self.given.parent == job.index):
            self.jobs[child].comes_back = left + self.given.ready[child]

    def _answer(self, job):
        while not self._try(job):
            job.state = "waits"
            takes = self.rules.takes_from
            may_take = takes is not None and not self.given.is_at_once[job.index] and job.first is None
            victims = self._victims(job) if may_take else []
            if not victims:
                return
            unit = min(victims)[-1]
            other = unit.job
            self._settle(unit, self.at)
            row = unit.sending
            row[4] = self.at
            if self.at < row[3]:
                row[3], unit.place = math.nan, unit.came_from
            else:
                other.rest = unit.until - self.rules.clearing - self.given.after_minutes[other.index] - self.at
            other.first, other.left = None, math.nan
            other.wants[unit.kind] += 1
            for child in np.flatnonzero(self.given.parent == other.index):
                self.jobs[child].comes_back = math.nan
            job.wants[unit.kind] -= 1
            unit.state = "taken"
            self._send(unit, job)
            if sum(job.wants) == 0:
                job.state = "has all"
            job = other

    def _victims(self, job):
        found = []
        for unit in self.units:
            if unit.state != "busy" or unit.pool not in self._near(job.place):
                continue
            other, row = unit.job, unit.sending
            k, on_way = other.index, self.at < row[3]
            level = self.rules.takes_from[job.priority, other.priority] if self._in_table(job, other) else 0
            may = self.given.may_be_left[k] and other.wanted == 1 and not self.given.is_handed_over[k]
            if may and self.at < row[4] and level >= (1 if on_way else 2) and self._is_able(unit, job):
                found.append((-other.priority, not on_way, -row[2], unit.index, unit))
        return found

    def _in_table(self, *jobs):
        return all(job.priority < len(self.rules.takes_from) for job in jobs)

    # ---- what happens ----

    def _settle(self, unit, at):
        """Write down what a unit was at until now."""
        if unit.state == "busy":
            self.intervals.append((unit, "travel", unit.since, min(at, unit.sending[3])))
            self.intervals.append((unit, "work", unit.sending[3], at))
        else:
            self.intervals.append((unit, unit.state, unit.since, at))

    def _look_again(self):
        while self.released:
            self.released = False
            for job in self._waiting():
                if job.state == "waits":
                    self._try(job)

    released = False

    def _cover(self, hour):
        self.done_covers.add(hour)
        self.released = True
        self._look_again()

    def _ready(self, job):
        self._come(job, float(self.given.ready[job.index]))

    def _return(self, job):
        job.comes_back = math.nan
        self._come(job, self.at)

    def _come(self, job, since):
        j = job.index
        job.since = job.ready = since
        if self.given.regraded_at[j] <= self.at:
            job.priority, job.asks = int(self.given.regraded_to[j]), int(self.given.regraded_asks[j])
        self._answer(job)
        if job.state == "waits" and not job.sendings and since + self.given.patience[j] <= self.at:
            self._lapse(job)
        self._look_again()

    def _lapse(self, job):
        job.state, job.lapsed = "lapsed", self.at
        self.released = bool(self.given.is_at_once[job.index])
        self._look_again()

    def _regrade(self, job):
        job.is_regraded = True
        if job.state == "waits" and not job.sendings:
            # It leaves its place in the line, so that those it held may go once it has been tried.
            job.priority = int(self.given.regraded_to[job.index])
            job.asks = int(self.given.regraded_asks[job.index])
            job.state = "tried"
            self._answer(job)
            self.released = self.released or bool(self.given.is_at_once[job.index])
        self._look_again()

    def _relieve(self, job):
        job.relief_at = math.nan
        if job.left - self.at > self.rules.relief_before:
            job.wants = [int(each) for each in self.given.units[job.index]]
            job.is_relief, job.since = True, self.at
            if not self._try(job):
                job.state = "waits"
        self._look_again()

    def _over(self, job):
        unit = job.first
        job.over = job.relief_at = math.nan
        job.state = "gone"
        unit.until = max(self.at, unit.sending[3]) + self.rules.clearing

    def _start(self, unit):
        vehicles = self.cover.vehicles[unit.pool] if unit.pool < len(self.cover.vehicles) else -1
        out = sum(u.pool == unit.pool and u.state in ("free", "briefing", "busy", "break") for u in self.units)
        if unit.ends <= self.at:
            unit.state = "home"
        elif vehicles < 0 or out < vehicles:
            self._go_out(unit)
        else:
            unit.state = "no vehicle"
            self.numbers += 1
            unit.queue_number = self.numbers

    def _go_out(self, unit):
        unit.state, unit.since, unit.out_from = "briefing", self.at, self.at
        unit.until = max(self.at, unit.ready_at)

    def _end(self, unit):
        unit.has_ended = True
        if unit.state == "free":
            self._settle(unit, self.at)
            self._go_home(unit)
        elif unit.state == "no vehicle":
            unit.state = "home"

    def _go_home(self, unit):
        unit.state, unit.out_until, unit.overtime = "home", self.at, max(0.0, self.at - unit.ends)
        queue = sorted(
            (u for u in self.units if u.pool == unit.pool and u.state == "no vehicle"), key=lambda u: u.queue_number
        )
        for following in queue:
            if following.ends > self.at:
                self._go_out(following)
                return
            following.state = "home"

    def _done(self, unit):
        self._settle(unit, self.at)
        unit.since = self.at
        if unit.ends <= self.at:
            self._go_home(unit)
        elif unit.break_minutes > 0 and unit.break_from <= self.at and unit.ends - self.at > unit.break_minutes:
            self._begin_break(unit)
        else:
            unit.state = "free"
            self.numbers += 1
            unit.free_number = self.numbers
            self._find_work(unit)
        self._look_again()

    def _find_work(self, unit):
        for is_lent in (False, True):
            for job in self._waiting():
                serves = unit.pool in (self._lenders if is_lent else self._near)(job.place)
                if serves and job.state == "waits" and (not is_lent or self._gets_help(job)):
                    self._try(job)
                    if unit.state != "free":
                        return

    def _break(self, unit):
        if unit.ends - self.at > unit.break_minutes:
            self._settle(unit, self.at)
            self._begin_break(unit)
        else:
            unit.break_minutes = 0.0

    def _begin_break(self, unit):
        unit.state, unit.since, unit.until = "break", self.at, self.at + unit.break_minutes
        unit.break_minutes = 0.0

    # ---- what is compared ----

    def minutes(self, pools):
        table = np.zeros((len(STAGES), pools, self.hours))
        for unit, stage, start, end in self.intervals:
            for hour in range(self.hours):
                shared = min(end, 60 * hour + 60, 60 * self.hours) - max(start, 60 * hour)
                table[STAGES.index(stage), unit.pool, hour] += max(0.0, shared)
        return table

    def busy(self):
        found = [0.0] * len(self.units)
        for unit, stage, start, end in self.intervals:
            if stage in ("travel", "work"):
                found[unit.index] += max(0.0, end - start)
        return found
