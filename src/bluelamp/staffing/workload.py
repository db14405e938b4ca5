"""Work divided by time: units busy on average over the share of their time that may be committed.

The lowest rung of the ladder: it knows no waiting and so no response target, and reads low wherever calls come in
bursts. Source: the time budget of patrol staffing studies (committed share as a setting, such as the Rule of 60).
"""

from __future__ import annotations

import numpy as np

from bluelamp import queueing
from bluelamp.offered_work import SAMPLES, OfferedWork
from bluelamp.pools import Floats, Integers

MEETS_TARGETS = False


def load_of(work: OfferedWork) -> Floats:
    """The load that this rung sees, samples × pools × hours: that of the hour's own arrivals."""
    return work.load[:SAMPLES]


def units_for_grade(work: OfferedWork, grade: int, utilisation: float) -> Integers:
    """Units for one grade's work alone, pools × hours."""
    return queueing.workload_units(work.mean_load_by_grade[grade], utilisation)


def units_for_load(load: Floats, away: Floats | Integers, work: OfferedWork, utilisation: float) -> Integers:
    """Units for a given load, pools × hours; those who are away are as busy as those at calls."""
    return np.asarray(queueing.workload_units(load + away, utilisation))
