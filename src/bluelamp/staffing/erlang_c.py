"""Erlang C, hour by hour: the fewest units with which each grade's share of calls waits no longer than it may.

Each hour stands alone with the load of its own arrivals (the stationary independent period-by-period approach, SIPP),
which reads low after a peak, because work of the last hour is still going on: see the MOL rung. All grades wait in one
line, first come, first served, which is on the safe side for urgent ones. Sources: Erlang (1917); Green, Kolesar &
Soares (2001) on SIPP.
"""

from __future__ import annotations

from bluelamp.offered_work import OfferedWork
from bluelamp.pools import Floats, Integers
from bluelamp.staffing._targets import units_for_load_and_targets, units_for_targets

MEETS_TARGETS = True


def load_of(work: OfferedWork) -> Floats:
    """The load that this rung sees, samples × pools × hours: that of the hour's own arrivals."""
    return work.load


def units_for_grade(work: OfferedWork, grade: int, utilisation: float) -> Integers:
    """Units with which one grade's targets hold on average over the forecast, pools × hours."""
    return units_for_targets(work, load_of(work), grade)


def units_for_load(load: Floats, away: Integers, work: OfferedWork, utilisation: float) -> Integers:
    """Units with which every target holds at a given load, pools × hours; those who are away come on top."""
    return units_for_load_and_targets(load, away, work)
