"""Incidents to demand: what came in, what it asked for, and how far the data can be believed."""

from bluelamp.incidents.demand import count_demand, read_priors
from bluelamp.incidents.outages import find_outages
from bluelamp.incidents.places import Placed, place_incidents
from bluelamp.incidents.quality import QualityReport, describe_quality
from bluelamp.incidents.repeats import Repeats, find_repeats
from bluelamp.incidents.service_times import PRIOR_WEIGHT, measure_service_times

__all__ = [
    "PRIOR_WEIGHT",
    "Placed",
    "QualityReport",
    "Repeats",
    "count_demand",
    "describe_quality",
    "find_outages",
    "find_repeats",
    "measure_service_times",
    "place_incidents",
    "read_priors",
]
