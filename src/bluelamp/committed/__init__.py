"""Committed time: what each unit was doing and when, from the presses of its status button.

A status holds until the unit's next press. Presses are missed, so that some ends are not known: what is then done is a
rule of `RULES`, each counted with its share, and no time is made up where nothing tells of it. Time committed without a
log is kept and shown as such.
"""

from bluelamp.committed.attendances import UnitTime, find_attendances
from bluelamp.committed.clocks import FARTHEST, compare_clocks, presses_apart, say_reissued_apart
from bluelamp.committed.deployments import measure_deployments
from bluelamp.committed.hours import count_committed
from bluelamp.committed.now import AGES, NO_GRADE, OpenNow, count_open_logs, count_units_now, open_now
from bluelamp.committed.rules import OF_INTERVALS, RULES
from bluelamp.committed.without_log import WithoutLog, measure_without_log

__all__ = [
    "AGES",
    "FARTHEST",
    "NO_GRADE",
    "OF_INTERVALS",
    "RULES",
    "OpenNow",
    "UnitTime",
    "WithoutLog",
    "compare_clocks",
    "count_committed",
    "count_open_logs",
    "count_units_now",
    "find_attendances",
    "measure_deployments",
    "measure_without_log",
    "open_now",
    "presses_apart",
    "say_reissued_apart",
]
