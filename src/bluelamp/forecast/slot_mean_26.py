"""The plain mean of the same hour of the week over the last 26 weeks: a naive forecast, to be measured against."""

from bluelamp.forecast._history import History, Series
from bluelamp.forecast._rates import RateModel
from bluelamp.forecast._slot_means import fit_mean

WEEKS = 26


def fit(history: History, series: Series) -> RateModel:
    """Learn from the last 26 weeks of a history that were seen."""
    return fit_mean(history, series, WEEKS)
