"""The work offered to each pool, hour by hour, and the targets that it must meet: what every rung is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods, queueing
from bluelamp.pools import Blocks, Floats, Integers, PoolHours, find_blocks, to_pools, valid_on

# The rate paths that the distribution of demand is integrated over. Sixty-four give a service level to well under a
# percentage point, because a day's multiplier is one smooth number.
SAMPLES = 64
# A job of no minutes is no queue's; one of a second keeps nobody busy.
SHORTEST_MINUTES = 1 / 60


@dataclass(frozen=True)
class Target:
    """One response target as a queue sees it: the minutes left for waiting once handling and travel are paid."""

    grade_code: str
    area_kind: str
    waiting_minutes: float
    target_share: float
    other_minutes: float  # handling and travel, as far as the clock runs during them


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
    service_minutes: Floats  # pools × hours
    mean_load: Floats  # pools × hours, at the mean of demand
    mean_load_by_grade: Floats  # grades × pools × hours
    area_arrivals: Floats  # grades × areas × hours, at the mean of demand
    factor_of_district: Floats  # samples × districts × hours: what a sample's day multiplies
    district_of_area: Integers

    @property
    def share_of_load(self) -> Floats:
        """Share of each pool's load that each grade makes, grades × pools × hours."""
        total = self.mean_load_by_grade.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(total > 0, self.mean_load_by_grade / total, 0.0)

    @property
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


def read_targets(standards: pl.DataFrame, grades: Sequence[str], kinds: Sequence[str], day: date) -> list[Target]:
    """Turn standards that hold on a day into targets for each grade and kind of area that occur.

    A grade's own row wins over grade 'all', and the kind's own row over kind 'all'; of several such rows the one that
    began last. Time that handling and travel use up is taken off where the clock runs during them.
    """
    rows = [row for row in standards.to_dicts() if valid_on(row, day)]
    targets = []
    for grade in grades:
        for kind in kinds:
            for wanted in ((grade, kind), (grade, "all"), ("all", kind), ("all", "all")):
                found = [row for row in rows if (row["grade_code"], row["area_kind"]) == wanted]
                if found:
                    row = max(found, key=lambda row: row["valid_from"] or date.min)
                    handling = (row["handling_minutes"] or 0.0) if row["clock_starts"] != "dispatched" else 0.0
                    travel = (row["travel_minutes"] or 0.0) if row["clock_stops"] == "arrived" else 0.0
                    waiting = max(row["target_minutes"] - handling - travel, 0.0)
                    targets.append(Target(grade, kind, waiting, row["target_share"], handling + travel))
                    break
    return targets


def _targets_by_day(
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
    return found, holds.reshape(len(found), len(by_day))[:, day_of_hour - day_of_hour[0]]


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
) -> OfferedWork:
    """Bring expected incidents (areas × cells × hours) to pools: arrivals, offered load, carried load.

    `multipliers` (paths × days × districts) are what days share; the first 64 are used. `cells` are the (class, grade)
    of the rates' second axis.
    """
    grades = sorted({grade for _, grade in cells})
    blocks = find_blocks(pool_hours, district_of_area)
    share, units, minutes = _service_of(cells, service_times)
    samples = multipliers[:SAMPLES]
    by_hour = samples[:, day_of_hour, :]  # samples × hours × districts
    factor = np.moveaxis(by_hour, 2, 1)[:, blocks.district_of_block, :]  # samples × blocks × hours
    count = len(blocks.district_of_block)
    grade_of_cell = np.array([grades.index(grade) for _, grade in cells])

    deployed = np.zeros((len(grades), count, rates.shape[2]))
    load = np.zeros_like(deployed)
    jobs = np.zeros_like(deployed)
    for number in range(len(cells)):
        grade = grade_of_cell[number]
        by_block = np.zeros((count, rates.shape[2]))
        np.add.at(by_block, blocks.block_of_area, rates[:, number, :])
        deployed[grade] += by_block * share[number]
        jobs[grade] += by_block * (share[number] * units[number])
        load[grade] += by_block * (share[number] * units[number] * minutes[number] / 60)
    with np.errstate(divide="ignore", invalid="ignore"):
        service = np.where(jobs > 0, np.maximum(load / jobs * 60, SHORTEST_MINUTES), 60.0)  # grades × blocks × hours
    carried = np.zeros((len(samples), count, rates.shape[2]))
    for grade in range(len(grades)):
        if jobs[grade].any():
            carried += queueing.carried_load(jobs[grade] * factor, service[grade]).max_of_hour
    # Grades, samples and kinds of area are parts of one whole: what has no pool is shared out alike in all of them.
    whole = deployed.sum(axis=0)

    def pooled(by_block: Floats) -> Floats:
        return to_pools(by_block, blocks, pool_hours, whole)

    pool_jobs, pool_load = pooled(jobs.sum(axis=0)), pooled(load.sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        pool_service = np.where(pool_jobs > 0, np.maximum(pool_load / pool_jobs * 60, SHORTEST_MINUTES), 60.0)
    targets, holds = _targets_by_day(standards, grades, sorted(set(kinds_of_area)), hours, day_of_hour, time_zone)
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
        service_minutes=pool_service,
        mean_load=pool_load,
        mean_load_by_grade=pooled(load),
        area_arrivals=np.stack(
            [
                (rates[:, grade_of_cell == grade] * share[grade_of_cell == grade][None, :, None]).sum(axis=1)
                for grade in range(len(grades))
            ]
        ),
        factor_of_district=np.moveaxis(by_hour, 2, 1),
        district_of_area=district_of_area,
    )


def _service_of(cells: Sequence[tuple[str, str]], service_times: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Give each cell's share deployed, units and minutes; a cell without a row gets no unit."""
    known = {(row["class_code"], row["grade_code"]): row for row in service_times.iter_rows(named=True)}
    rows = [known.get(cell) or known.get((cell[0], "all")) for cell in cells]
    share = np.array([row["share_deployed"] if row else 0.0 for row in rows])
    units = np.array([row["units_per_deployment"] if row else 1.0 for row in rows])
    minutes = np.array([row["minutes_per_unit"] if row else 60.0 for row in rows])
    return share, units, minutes


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
