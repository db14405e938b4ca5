"""Incidents to demand: what came in, what it asked for, and how far the data can be believed."""

from bluelamp.incidents.contacts import CountedContacts, count_contacts
from bluelamp.incidents.demand import count_demand, read_priors
from bluelamp.incidents.feedback import FOUND_BY_PATROLS, compare_origins
from bluelamp.incidents.offences import CountedOffences, count_offences
from bluelamp.incidents.offending import KnownTimes, count_offending, know_times, place_offences
from bluelamp.incidents.outages import find_outages
from bluelamp.incidents.places import Placed, place_incidents
from bluelamp.incidents.quality import QualityReport, describe_quality
from bluelamp.incidents.repeats import Repeats, find_repeats
from bluelamp.incidents.service_times import PRIOR_WEIGHT, measure_service_times
from bluelamp.incidents.suppressed import find_suppressed

__all__ = [
    "FOUND_BY_PATROLS",
    "PRIOR_WEIGHT",
    "CountedContacts",
    "CountedOffences",
    "KnownTimes",
    "Placed",
    "QualityReport",
    "Repeats",
    "compare_origins",
    "count_contacts",
    "count_demand",
    "count_offences",
    "count_offending",
    "describe_quality",
    "find_outages",
    "find_repeats",
    "find_suppressed",
    "know_times",
    "measure_service_times",
    "place_incidents",
    "place_offences",
    "read_priors",
]
