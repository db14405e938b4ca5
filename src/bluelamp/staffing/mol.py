"""Modified offered load: Erlang C with the work of earlier hours carried over, at its most in each hour.

Police jobs last as long as the hours they are counted in, so that a peak is felt for an hour or two after it. The
load of an hour is the number of busy units there would be with units without limit, followed exactly from hour to hour,
and its highest value in the hour is used. All grades wait in one line, first come, first served. Sources: Jennings,
Mandelbaum, Massey & Whitt (1996); Green, Kolesar & Whitt (2007), "Coping with time-varying demand when setting
staffing requirements for a service system".
"""

from __future__ import annotations

from bluelamp.offered_work import OfferedWork
from bluelamp.pools import Floats, Integers
from bluelamp.staffing._targets import units_for_load_and_targets, units_for_targets

MEETS_TARGETS = True


def load_of(work: OfferedWork) -> Floats:
    """The load that this rung sees, samples × pools × hours: the most in the hour, carried work included."""
    return work.carried


def units_for_grade(work: OfferedWork, grade: int, utilisation: float) -> Integers:
    """Units with which one grade's targets hold on average over the forecast, pools × hours."""
    return units_for_targets(work, load_of(work), grade)


def units_for_load(load: Floats, away: Integers, work: OfferedWork, utilisation: float) -> Integers:
    """Units with which every target holds at a given load, pools × hours; those who are away come on top."""
    return units_for_load_and_targets(load, away, work)
