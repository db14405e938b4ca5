"""The same hour of last week: the most naive forecast, to be measured against."""

from bluelamp.forecast._history import History, Series
from bluelamp.forecast._rates import RateModel
from bluelamp.forecast._slot_means import fit_last_week

WEEKS = 1
# Weeks that say how far days stray from the week before.
SHOCK_WEEKS = 26


def fit(history: History, series: Series) -> RateModel:
    """Learn from each hour of the week as it was seen last."""
    return fit_last_week(history, series, SHOCK_WEEKS)
