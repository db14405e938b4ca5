"""The fewest units that meet response targets, shared by the rungs that are queues."""

from __future__ import annotations

import numpy as np

from bluelamp import queueing
from bluelamp.offered_work import OfferedWork
from bluelamp.pools import Floats, Integers


def units_for_targets(work: OfferedWork, load: Floats, grade: int) -> Integers:
    """Units with which every target of a grade holds on average over the samples of load, pools × hours.

    Those at long commitments count, and answer no call. Samples count by their calls, because a target is a share of
    calls. Nothing arrives, nothing is needed.
    """
    samples, pools, hours = load.shape
    calls = work.arrivals[:, grade].reshape(samples, -1)
    away = work.away.reshape(samples, -1)
    found = np.zeros(pools * hours, dtype=np.int64)
    for number, target in enumerate(work.targets):
        if target.grade_code != work.grades[grade]:
            continue
        asked = (work.target_share_of_arrivals[number].ravel() > 0) & (calls.sum(axis=0) > 0)
        if asked.any():
            units = queueing.units_for_mean_target(
                load.reshape(samples, -1)[:, asked],
                calls[:, asked],
                target.waiting_minutes,
                work.service_minutes.ravel()[asked],
                target.target_share,
                away[:, asked],
            )
            found[asked] = np.maximum(found[asked], units)
    return found.reshape(pools, hours)


def units_for_load_and_targets(load: Floats, away: Integers, work: OfferedWork) -> Integers:
    """Units with which every target holds at a load and with units away that are known, pools × hours."""
    found = np.zeros(load.shape, dtype=np.int64)
    for number, target in enumerate(work.targets):
        asked = (work.target_share_of_arrivals[number] > 0) & (load > 0)
        if asked.any():
            units = queueing.units_for_target(
                load[asked], target.waiting_minutes, work.service_minutes[asked], target.target_share
            )
            found[asked] = np.maximum(found[asked], units)
    # Work that nobody promised a time for must be done all the same.
    return np.asarray(np.maximum(found, np.ceil(load).astype(np.int64)) + away)
