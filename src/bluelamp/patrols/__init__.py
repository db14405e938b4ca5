"""Patrols of hotspots: the list of visits, what became of them, and who is patrolled how much.

Places and hours only: nothing here knows of a person.
"""

from bluelamp.patrols.dose import find_dose
from bluelamp.patrols.exposure import measure_exposure
from bluelamp.patrols.lists import PatrolList, plan_visits
from bluelamp.patrols.visits import list_windows, place_visits

__all__ = ["PatrolList", "find_dose", "list_windows", "measure_exposure", "place_visits", "plan_visits"]
