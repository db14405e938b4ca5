"""Hotspots: where offences of each class are most to be expected, by shift, and how far such maps have been right.

A family: each method is a file that offers `fit(past) -> Fitted`, which learns from the weeks before one week and gives
the offences to expect in it by cell and shift. The rest is the same for all of them: laying offences on the ground
(`_ground`), ranking places (`_ranks`), scoring maps on weeks held out and choosing the one to show (`_scores`), and the
year of patrols that follow the map (`_feedback`). Places only: nothing here knows of a person.
"""

from bluelamp.hotspots._capture import SHARES
from bluelamp.hotspots._feedback import EVEN, FITTED, simulate_feedback
from bluelamp.hotspots._ground import (
    OFFENCE_COLUMNS,
    Ground,
    gather_offences,
    lay_grid,
    lay_ground,
    lay_history,
    weigh_harm,
)
from bluelamp.hotspots._maps import ALL, COUNTS, HARM, LEAST_OFFENCES, methods
from bluelamp.hotspots._past import History
from bluelamp.hotspots._ranks import count_by_area, make_hotspots
from bluelamp.hotspots._scores import bound_ratio, choose, score_maps

__all__ = [
    "ALL", "COUNTS", "EVEN", "FITTED", "HARM", "LEAST_OFFENCES", "OFFENCE_COLUMNS", "SHARES", "Ground", "History",
    "bound_ratio", "choose", "count_by_area", "gather_offences", "lay_grid", "lay_ground", "lay_history",
    "make_hotspots", "methods", "score_maps", "simulate_feedback", "weigh_harm",
]  # fmt: skip
