"""The fewest units that meet response targets, shared by the rungs that are queues."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bluelamp import queueing
from bluelamp.offered_work import OfferedWork
from bluelamp.pools import Floats, Integers

# Loads and weights (samples × cells; None for equal weights), minutes allowed, minutes of service, share, units away,
# and which pools and hours the cells are: to the fewest units.
Fewest = Callable[[Floats, Floats | None, float, Floats, float, Integers, Integers], Integers]


def in_one_line(
    load: Floats, weight: Floats | None, minutes: float, service: Floats, share: float, away: Integers, _: Integers
) -> Integers:
    """Give the fewest units where all calls wait in one line, first come, first served."""
    return queueing.units_for_mean_target(load, weight, minutes, service, share, away)


def for_several(work: OfferedWork, units_for: Callable[..., Integers]) -> Fewest:
    """Give the fewest units where calls ask for several, as `units_for` finds them from what they ask for."""
    needs = work.needs.reshape(len(work.needs), -1)

    def fewest(
        load: Floats, weight: Floats | None, minutes: float, service: Floats, share: float, away: Integers,
        cells: Integers,
    ) -> Integers:  # fmt: skip
        return units_for(load, weight, needs[:, cells], minutes, service, share, away)

    return fewest


def units_for_targets(work: OfferedWork, load: Floats, grade: int, fewest: Fewest = in_one_line) -> Integers:
    """Units with which every target of a grade holds over the samples of load, pools × hours.

    On average over them, or in the share of them that `target_probability` is. Those at long commitments count, and
    answer no call. On average samples count by their calls, because a target is a share of calls. Nothing arrives,
    nothing is needed.
    """
    samples, pools, hours = load.shape
    calls = work.arrivals[:, grade].reshape(samples, -1)
    away = work.away[:samples].reshape(samples, -1)
    load = load.reshape(samples, -1)
    found = np.zeros(pools * hours, dtype=np.int64)
    for number, target in enumerate(work.targets):
        if target.grade_code != work.grades[grade]:
            continue
        asked = np.flatnonzero((work.target_share_of_arrivals[number].ravel() > 0) & (calls.sum(axis=0) > 0))
        if not asked.size:
            continue
        service = work.service_minutes.ravel()[asked]
        if work.target_probability is None:
            units = fewest(
                load[:, asked], calls[:, asked], target.waiting_minutes, service, target.target_share, away[:, asked],
                asked,
            )  # fmt: skip
        else:
            alone = fewest(
                load[:, asked].reshape(1, -1), None, target.waiting_minutes, np.tile(service, samples),
                target.target_share, np.zeros((1, 1), dtype=np.int64), np.tile(asked, samples),
            ).reshape(samples, -1)  # fmt: skip
            # What must be there in each sample by itself; where none calls, only those who are away.
            alone = np.where(load[:, asked] > 0, alone, 0) + away[:, asked]
            # One part in a million of a sample is rounding: 0.9 of ten is nine of them.
            enough = max(math.ceil(work.target_probability * samples - 1e-6), 1)
            units = np.partition(alone, enough - 1, axis=0)[enough - 1]
        found[asked] = np.maximum(found[asked], units)
    return found.reshape(pools, hours)


def units_for_load_and_targets(
    load: Floats, away: Integers, work: OfferedWork, fewest_of: Callable[[int], Fewest] = lambda _: in_one_line
) -> Integers:
    """Units with which every target holds at a load and with units away that are known, pools × hours."""
    found = np.zeros(load.size, dtype=np.int64)
    nobody = np.zeros((1, 1), dtype=np.int64)
    for number, target in enumerate(work.targets):
        asked = np.flatnonzero((work.target_share_of_arrivals[number] > 0) & (load > 0))
        if asked.size:
            units = fewest_of(work.grades.index(target.grade_code))(
                load.reshape(1, -1)[:, asked], None, target.waiting_minutes, work.service_minutes.ravel()[asked],
                target.target_share, nobody, asked,
            )  # fmt: skip
            found[asked] = np.maximum(found[asked], units)
    # Work that nobody promised a time for must be done all the same.
    return np.asarray(np.maximum(found.reshape(load.shape), np.ceil(load).astype(np.int64)) + away)
