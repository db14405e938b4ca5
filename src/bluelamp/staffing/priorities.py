"""Urgent calls first: the fewest units with which each grade meets its target while the less urgent wait behind it.

Units finish what they are at, and then go to the most urgent call that waits (Cobham 1954), with the load that MOL
carries from hour to hour. So a pool need not be quick for calls that have until tomorrow, nor a whole pool quick
because some of its calls are urgent. With calls that last equally long, mean waits are exact for every grade, and
shares on time for the most urgent; for the others the wait of those that wait is taken to be exponential. Where grades
last differently, all count as lasting the mean; each grade has the part of the carried load that it has of the hour's
own.
"""

from __future__ import annotations

from bluelamp import queueing
from bluelamp.offered_work import OfferedWork
from bluelamp.pools import Floats, Integers
from bluelamp.staffing._targets import Fewest, units_for_load_and_targets, units_for_targets

MEETS_TARGETS = True


def load_of(work: OfferedWork) -> Floats:
    """The load that this rung sees, samples × pools × hours: the most in the hour, carried work included."""
    return work.carried


def units_for_grade(work: OfferedWork, grade: int, utilisation: float) -> Integers:
    """Units with which one grade's targets hold over the forecast, pools × hours."""
    return units_for_targets(work, load_of(work), grade, _fewest(work, grade))


def units_for_load(load: Floats, away: Integers, work: OfferedWork, utilisation: float) -> Integers:
    """Units with which every target holds at a given load, pools × hours; those who are away come on top."""
    return units_for_load_and_targets(load, away, work, lambda grade: _fewest(work, grade))


def _fewest(work: OfferedWork, grade: int) -> Fewest:
    ahead, alike = (share.ravel() for share in work.load_in_line(grade))

    def of_grade(
        load: Floats, weight: Floats | None, minutes: float, service: Floats, share: float, away: Integers,
        cells: Integers,
    ) -> Integers:  # fmt: skip
        return queueing.units_for_priority(
            load, weight, load * ahead[cells], load * alike[cells], minutes, service, share, away
        )  # fmt: skip

    return of_grade
