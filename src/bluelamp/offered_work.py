"""The work offered to each pool, hour by hour, and the targets that it must meet: what every rung is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import date
from functools import cached_property
from math import factorial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods, queueing
from bluelamp.pools import Blocks, Floats, Integers, PoolHours, find_blocks, to_pools, valid_on
from bluelamp.slots import Slots

# The rate paths that the distribution of demand is integrated over. Sixty-four give a service level to well under a
# percentage point, because a day's multiplier is one smooth number.
SAMPLES = 64
# Units that a call may ask for; one that asks for more counts as one that asks for these.
MOST_NEEDED = 4
# A job of no minutes is no queue's; one of a second keeps nobody busy.
SHORTEST_MINUTES = 1 / 60
_GOLDEN = 0.6180339887498949


# How calls are worked: in a queue, from a backlog by age, in slots.
STREAMS = ("immediate", "deferrable", "scheduled")
# A grade whose stream nobody has stated is immediate up to so many minutes of target.
_IMMEDIATE_MINUTES = 120


@dataclass(frozen=True)
class Target:
    """One response target as a queue sees it: the minutes left for waiting once handling and travel are paid."""

    grade_code: str
    area_kind: str
    waiting_minutes: float
    target_share: float
    other_minutes: float  # handling and travel, as far as the clock runs during them
    stream: str
    due_minutes: float = 0.0  # left from when the call can be sent to until the clock has to stop
    travel_minutes: float = 0.0  # usual, whether or not the clock runs then
    stops_on_arrival: bool = True
    target_minutes: float = 0.0  # as stated


@dataclass(frozen=True)
class OfferedWork:
    """Work by pool and hour. Samples share their first axis, and are draws of the rate, not of the count."""

    pool_hours: PoolHours
    hours: pl.Series
    grades: list[str]
    targets: list[Target]  # every one that holds on a day or more of these
    holds: NDArray[np.bool_]  # targets × hours: whether the target holds then
    arrivals: Floats  # samples × grades × pools × hours: incidents an hour that get a unit
    # targets × pools × hours: share of the grade's arrivals in areas of that kind; 0 while the target does not hold
    target_share_of_arrivals: Floats
    load: Floats  # samples × pools × hours: units busy on average with what arrives in that hour (SIPP)
    carried: Floats  # samples × pools × hours: the most units busy in the hour, work of earlier hours included (MOL)
    away: Integers  # samples × pools × hours: units at long commitments, which answer nothing
    needs: Floats  # MOST_NEEDED × pools × hours: share of the calls that ask for 1, 2, ... units
    service_minutes: Floats  # pools × hours: that a unit is taken by a call, write-up and work without a log included
    write_up_load: Floats  # pools × hours, at the mean of demand: part of the load
    without_log_load: Floats  # pools × hours, at the mean of demand: part of the load
    long_load: Floats  # pools × hours, at the mean of demand: beside the load
    mean_load: Floats  # pools × hours, at the mean of demand
    mean_load_by_grade: Floats  # grades × pools × hours
    area_arrivals: Floats  # grades × areas × hours, at the mean of demand
    area_incidents: Floats  # grades × areas × hours: incidents, whether or not they get a unit
    pool_incidents: Floats  # grades × pools × hours
    factor_of_district: Floats  # samples × districts × hours: what a sample's day multiplies
    district_of_area: Integers
    # The chance with which a target must hold in each hour; without one it holds on average over the samples.
    target_probability: float | None = None

    @cached_property
    def share_of_load(self) -> Floats:
        """Share of each pool's load that each grade makes, grades × pools × hours."""
        total = self.mean_load_by_grade.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(total > 0, self.mean_load_by_grade / total, 0.0)

    def stream_of(self, grade: int) -> str | None:
        """Give the stream of a grade: the most urgent one of its targets; none where it has no target."""
        found = {target.stream for target in self.targets if target.grade_code == self.grades[grade]}
        return min(found, key=STREAMS.index, default=None)

    def times(self, factor: float) -> OfferedWork:
        """Give work whose calls each take a unit so many times as long."""
        return replace(
            self,
            load=self.load * factor,
            carried=self.carried * factor,
            service_minutes=self.service_minutes * factor,
            mean_load=self.mean_load * factor,
            mean_load_by_grade=self.mean_load_by_grade * factor,
        )

    @cached_property
    def urgency(self) -> Floats:
        """Grades × hours, lower first: the shortest wait that a target of the grade leaves then; infinite without."""
        waits = np.array([target.waiting_minutes for target in self.targets])
        graded = np.array([target.grade_code for target in self.targets])
        return np.array(
            [
                np.where(self.holds[graded == grade], waits[graded == grade, None], np.inf).min(axis=0, initial=np.inf)
                for grade in self.grades
            ]
        )

    def load_in_line(self, grade: int) -> tuple[Floats, Floats]:
        """Give the share of the load that is more urgent than a grade, and the share that is as urgent, the grade
        included: pools × hours.
        """
        urgency, share = self.urgency, self.share_of_load
        ahead = (share * (urgency < urgency[grade])[:, None]).sum(axis=0)
        return ahead, (share * (urgency == urgency[grade])[:, None]).sum(axis=0)


def standards_in_force(
    standards: pl.DataFrame, grades: Sequence[str], kinds: Sequence[str], day: date
) -> list[tuple[str, str, dict[str, Any]]]:
    """Give the row of `standards` that holds on a day for each grade and kind of area that has one.

    A grade's own row wins over grade 'all', and the kind's own row over kind 'all'; of several such rows the one that
    began last.
    """
    rows = [row for row in standards.to_dicts() if valid_on(row, day)]
    held = []
    for grade in grades:
        for kind in kinds:
            for wanted in ((grade, kind), (grade, "all"), ("all", kind), ("all", "all")):
                found = [row for row in rows if (row["grade_code"], row["area_kind"]) == wanted]
                if found:
                    held.append((grade, kind, max(found, key=lambda row: row["valid_from"] or date.min)))
                    break
    return held


def read_targets(standards: pl.DataFrame, grades: Sequence[str], kinds: Sequence[str], day: date) -> list[Target]:
    """Turn standards that hold on a day into targets for each grade and kind of area that occur.

    Time that handling and travel use up is taken off where the clock runs during them.
    """
    targets = []
    for grade, kind, row in standards_in_force(standards, grades, kinds, day):
        handling = (row["handling_minutes"] or 0.0) if row["clock_starts"] != "dispatched" else 0.0
        travel = (row["travel_minutes"] or 0.0) if row["clock_stops"] == "arrived" else 0.0
        waiting = max(row["target_minutes"] - handling - travel, 0.0)
        stream = row["stream"] or ("immediate" if row["target_minutes"] <= _IMMEDIATE_MINUTES else "deferrable")
        targets.append(
            Target(
                grade, kind, waiting, row["target_share"], handling + travel, stream,
                due_minutes=row["target_minutes"] - handling, travel_minutes=row["travel_minutes"] or 0.0,
                stops_on_arrival=row["clock_stops"] == "arrived", target_minutes=row["target_minutes"],
            )
        )  # fmt: skip
    return targets


def targets_by_day(
    standards: pl.DataFrame,
    grades: Sequence[str],
    kinds: Sequence[str],
    hours: pl.Series,
    day_of_hour: Integers,
    time_zone: str,
) -> tuple[list[Target], NDArray[np.bool_]]:
    """Read the targets of each local day: all of them, and in which hours each holds (targets × hours)."""
    _, first_hours = np.unique(day_of_hour, return_index=True)
    days = periods.local_parts(hours[first_hours], time_zone)["day"]
    by_day = [read_targets(standards, grades, kinds, day) for day in days]
    # In the order of grades and kinds, so that a target's place does not depend on the day that it begins.
    found = sorted(
        {target for targets in by_day for target in targets},
        key=lambda each: (grades.index(each.grade_code), astuple(each)),
    )
    holds = np.array([[target in targets for targets in by_day] for target in found], dtype=np.bool_)
    # Who has a slot does not wait in the queue: such a target asks for no units and judges nobody.
    queues = np.array([target.stream != "scheduled" for target in found], dtype=np.bool_)
    in_force = holds.reshape(len(found), len(by_day)) & queues[:, None]
    return found, in_force[:, day_of_hour - day_of_hour[0]]


def grades_in_slots(targets: Sequence[Target]) -> set[str]:
    """Give the grades all of whose targets are kept in slots."""
    return {each.grade_code for each in targets} - {each.grade_code for each in targets if each.stream != "scheduled"}


def offer_work(
    rates: Floats,
    multipliers: Floats,
    day_of_hour: Integers,
    cells: Sequence[tuple[str, str]],
    district_of_area: Integers,
    kinds_of_area: Sequence[str],
    service_times: pl.DataFrame,
    standards: pl.DataFrame,
    pool_hours: PoolHours,
    hours: pl.Series,
    time_zone: str,
    *,
    write_up: bool = True,
    long_commitments: bool = True,
    without_log: float = 0.0,
    target_probability: float | None = None,
    slots: Slots | None = None,
) -> OfferedWork:
    """Bring expected incidents (areas × cells × hours) to pools: arrivals, offered load, carried load, units away.

    `multipliers` (paths × days × districts) are what days share; the first 64 are used. `cells` are the (class, grade)
    of the rates' second axis. Write-up lengthens the time that a call takes a unit, and so does work without a log:
    `without_log` unit-hours of it for each unit-hour at calls. Long commitments outlast the queue: whoever is at one
    is away from it, and how many are is Poisson about the load that they carry from hour to hour. `write_up` and
    `long_commitments` say whether they count. Each unit of a call beyond the first comes by chance. With
    `target_probability` each hour's targets must hold with that probability, and not on average over the samples.
    Calls of grades that are worked in slots keep units busy in `slots`; without them when they come.
    """
    grades = sorted({grade for _, grade in cells})
    blocks = find_blocks(pool_hours, district_of_area)
    times = service_of(cells, service_times)
    share, units, minutes = (
        times["share_deployed"],
        times["units_per_deployment"],
        times["minutes_per_unit"],
    )
    after = times["write_up_minutes"] * write_up
    samples = multipliers[:SAMPLES]
    by_hour = samples[:, day_of_hour, :]  # samples × hours × districts
    factor = np.moveaxis(by_hour, 2, 1)[:, blocks.district_of_block, :]  # samples × blocks × hours
    count = len(blocks.district_of_block)
    grade_of_cell = np.array([grades.index(grade) for _, grade in cells])

    targets, holds = targets_by_day(standards, grades, sorted(set(kinds_of_area)), hours, day_of_hour, time_zone)
    by_slot = {grades.index(grade) for grade in grades_in_slots(targets)} if slots is not None else set()
    deployed = np.zeros((len(grades), count, rates.shape[2]))
    called = np.zeros_like(deployed)
    load = np.zeros_like(deployed)
    jobs = np.zeros_like(deployed)
    asking = np.zeros((MOST_NEEDED, *load.shape[1:]))
    needs = _needs(units)
    writing, silent, long_load, long_stays = np.zeros((4, count, rates.shape[2]))
    for number in range(len(cells)):
        grade = grade_of_cell[number]
        by_block = np.zeros((count, rates.shape[2]))
        np.add.at(by_block, blocks.block_of_area, rates[:, number, :])
        called[grade] += by_block
        sent = by_block * share[number]
        if slots is not None and grade in by_slot:
            sent = slots.move(sent)
        deployed[grade] += sent
        jobs[grade] += sent * units[number]
        asking += needs[:, number, None, None] * sent
        load[grade] += sent * (units[number] * minutes[number] * (1 + without_log) + after[number]) / 60
        writing += sent * after[number] / 60
        silent += sent * (units[number] * minutes[number] * without_log) / 60
        if long_commitments and times["long_minutes"][number] > 0:
            long_load += sent * times["long_minutes"][number] / 60
            long_stays += sent * times["long_minutes"][number] / 60 * times["long_stay_minutes"][number]
    with np.errstate(divide="ignore", invalid="ignore"):
        service = np.where(jobs > 0, np.maximum(load / jobs * 60, SHORTEST_MINUTES), 60.0)  # grades × blocks × hours
    carried = np.zeros((len(samples), count, rates.shape[2]))
    for grade in range(len(grades)):
        if jobs[grade].any():
            carried += queueing.carried_load(jobs[grade] * factor, service[grade]).max_of_hour
    # One length for all hours of a block: a guard goes on at its own pace whatever the next hour brings.
    total = long_load.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        stay = np.where(total > 0, np.maximum(long_stays.sum(axis=1, keepdims=True) / total, SHORTEST_MINUTES), 60.0)
    long_carried = queueing.carried_load(long_load * 60 / stay, stay).mean_of_hour
    # Grades, samples and kinds of area are parts of one whole: what has no pool is shared out alike in all of them.
    whole = deployed.sum(axis=0)

    def pooled(by_block: Floats) -> Floats:
        return to_pools(by_block, blocks, pool_hours, whole)

    pool_jobs, pool_load = pooled(jobs.sum(axis=0)), pooled(load.sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        pool_service = np.where(pool_jobs > 0, np.maximum(pool_load / pool_jobs * 60, SHORTEST_MINUTES), 60.0)
    asked = np.stack([pooled(each) for each in asking])
    asked[0] += asked.sum(axis=0) <= 0
    pool_long = pooled(long_carried)
    points = (
        queueing.poisson_points(pool_long, len(samples))
        if long_load.any()
        else np.zeros((1, *pool_long.shape), np.int64)
    )
    return OfferedWork(
        pool_hours=pool_hours,
        hours=hours,
        grades=grades,
        targets=targets,
        holds=holds,
        arrivals=np.stack([pooled(deployed[grade] * factor) for grade in range(len(grades))], axis=1),
        target_share_of_arrivals=_shares_of_kinds(
            targets, holds, grades, rates, share, grade_of_cell, kinds_of_area, blocks, pooled
        ),
        load=pooled(load.sum(axis=0) * factor),
        carried=pooled(carried),
        away=np.broadcast_to(points[_mixed(len(points))], (len(samples), *pool_long.shape)),
        needs=asked / asked.sum(axis=0),
        service_minutes=pool_service,
        write_up_load=pooled(writing),
        without_log_load=pooled(silent),
        long_load=pool_long,
        mean_load=pool_load,
        mean_load_by_grade=pooled(load),
        area_arrivals=np.stack(
            [
                (rates[:, grade_of_cell == grade] * share[grade_of_cell == grade][None, :, None]).sum(axis=1)
                for grade in range(len(grades))
            ]
        ),
        area_incidents=np.stack([rates[:, grade_of_cell == grade].sum(axis=1) for grade in range(len(grades))]),
        pool_incidents=pooled(called),
        factor_of_district=np.moveaxis(by_hour, 2, 1),
        district_of_area=district_of_area,
        target_probability=target_probability,
    )


# What a cell has where its row, or the row's figure, is not there: nobody is sent.
_NO_ROW = {
    "share_deployed": 0.0,
    "units_per_deployment": 1.0,
    "minutes_per_unit": 60.0,
    "sd_minutes": 0.0,
    "write_up_minutes": 0.0,
    "long_minutes": 0.0,
    "long_stay_minutes": 60.0,
}


def _needs(mean_units: Floats) -> Floats:
    """Give the share of each cell's calls that ask for 1, 2, ... units, MOST_NEEDED × cells: those beyond the first are
    Poisson, and who asks for more than MOST_NEEDED counts as asking for these.
    """
    beyond = np.maximum(mean_units - 1, 0)
    found = np.stack([np.exp(-beyond) * beyond**extra / factorial(extra) for extra in range(MOST_NEEDED)])
    found[-1] = 1 - found[:-1].sum(axis=0)
    return found


def _mixed(count: int) -> Integers:
    """Give the numbers below `count` in an order that goes with no other: by the fractions of the golden ratio.

    Points of a distribution rise; those of what days share need not be in an order, and often are.
    """
    return np.argsort(np.arange(1, count + 1) * _GOLDEN % 1, kind="stable")


def service_of(cells: Sequence[tuple[str, str]], service_times: pl.DataFrame) -> dict[str, Floats]:
    """Give each cell's figures of `service_times`, one a cell; a cell without a row gets no unit."""
    known = {(row["class_code"], row["grade_code"]): row for row in service_times.iter_rows(named=True)}
    rows = [known.get(cell) or known.get((cell[0], "all")) or {} for cell in cells]

    def of(name: str) -> Floats:
        found = (row.get(name) for row in rows)
        return np.array([_NO_ROW[name] if value is None else value for value in found], dtype=np.float64)

    return {name: of(name) for name in _NO_ROW}


def _shares_of_kinds(
    targets: Sequence[Target],
    holds: NDArray[np.bool_],
    grades: Sequence[str],
    rates: Floats,
    share: Floats,
    grade_of_cell: Integers,
    kinds_of_area: Sequence[str],
    blocks: Blocks,
    pooled: Callable[[Floats], Floats],
) -> Floats:
    """Give, for each target, the share of its grade's arrivals in a pool that come from its kind of area while it
    holds.
    """
    kinds = np.array(kinds_of_area)
    found = []
    by_grade: dict[str, Floats] = {}
    for grade_number, grade in enumerate(grades):
        mine = grade_of_cell == grade_number
        by_grade[grade] = (rates[:, mine, :] * share[mine][None, :, None]).sum(axis=1)  # areas × hours
    count = len(blocks.district_of_block)
    for target, in_force in zip(targets, holds, strict=True):
        every = by_grade[target.grade_code]
        total, inside = np.zeros((count, every.shape[1])), np.zeros((count, every.shape[1]))
        np.add.at(total, blocks.block_of_area, every)
        np.add.at(inside, blocks.block_of_area, every * (kinds == target.area_kind)[:, None] * in_force)
        pool_total, pool_inside = pooled(total), pooled(inside)
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(np.where(pool_total > 0, pool_inside / pool_total, 0.0))
    return np.array(found).reshape(len(targets), *pooled(np.zeros((count, rates.shape[2]))).shape)
