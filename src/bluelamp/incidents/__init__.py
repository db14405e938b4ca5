"""Incidents to demand: what came in, what it asked for, and how far the data can be believed."""

from bluelamp.incidents.demand import count_demand, read_priors
from bluelamp.incidents.service_times import measure_service_times

__all__ = ["count_demand", "measure_service_times", "read_priors"]
