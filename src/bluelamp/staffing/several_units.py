"""Calls that ask for several units, nobody going until all can go: the fewest units that meet the targets.

All calls wait in one line and the first holds up the rest, even while units stand free (head-of-line blocking; Brill
and Green 1984). A call is on time when all its units are. Exact for units that are freed one by one with the same mean,
with the load that MOL carries from hour to hour, and dear: minutes for a county, so that a plan leaves it out unless it
is asked for.
"""

from __future__ import annotations

from bluelamp import several_units
from bluelamp.offered_work import OfferedWork
from bluelamp.pools import Floats, Integers
from bluelamp.staffing._targets import for_several, units_for_load_and_targets, units_for_targets

MEETS_TARGETS = True


def load_of(work: OfferedWork) -> Floats:
    """The load that this rung sees, samples × pools × hours: the most in the hour, carried work included."""
    return work.carried


def units_for_grade(work: OfferedWork, grade: int, utilisation: float) -> Integers:
    """Units with which one grade's targets hold over the forecast, pools × hours."""
    return units_for_targets(work, load_of(work), grade, for_several(work, several_units.units_for_all))


def units_for_load(load: Floats, away: Integers, work: OfferedWork, utilisation: float) -> Integers:
    """Units with which every target holds at a given load, pools × hours; those who are away come on top."""
    fewest = for_several(work, several_units.units_for_all)
    return units_for_load_and_targets(load, away, work, lambda _: fewest)
