"""What the naive members share: plain means of the same hour of the week, as they were seen.

There is no shrinkage, no holiday and no event. Masked hours count neither as incidents nor as time. An hour of the week
that was never seen takes the mean of the same hour of the other days, and where that was never seen either, the mean of
all hours. Days share shocks as those of the other members do, found about these rates.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bluelamp.forecast._history import Floats, History, Integers, Series, last_weeks
from bluelamp.forecast._rates import RateModel, Shocks
from bluelamp.forecast.slot_mean import find_shocks

SLOTS = 168


def fit_mean(history: History, series: Series, weeks: int) -> RateModel:
    """Give the mean of each hour of the week over the last so many weeks of a history."""
    kept = last_weeks(history, weeks)
    lengths = kept.calendar.lengths
    weight = np.where(kept.is_masked, 0.0, 1.0)
    hours: Floats = np.bincount(kept.calendar.slot, weights=weight * lengths, minlength=SLOTS).astype(np.float64)
    rates = _mean_rates(kept, series, weight, hours)
    found = f"{hours.sum() / SLOTS:.1f}"
    return _with_shocks(
        series, rates, kept, f"The mean of the same hour in the last {weeks} weeks, {found} of them seen."
    )


def fit_last_week(history: History, series: Series, weeks: int) -> RateModel:
    """Give the last sight of each hour of the week; its shocks are those of so many weeks about it.

    One week can't tell how far days stray from it, so that the weeks before say it.
    """
    calendar = history.calendar
    last = np.full(SLOTS, -1)
    seen = np.flatnonzero(~history.is_masked)
    np.maximum.at(last, calendar.slot[seen], seen)
    weight = np.zeros(len(calendar.slot))
    weight[last[last >= 0]] = 1.0
    hours: Floats = np.bincount(calendar.slot, weights=weight * calendar.lengths, minlength=SLOTS).astype(np.float64)
    rates = _mean_rates(history, series, weight, hours)
    note = "The same hour of the last week in which it was seen."
    return _with_shocks(series, rates, last_weeks(history, weeks), note)


def _mean_rates(history: History, series: Series, weight: Floats, hours: Floats) -> Floats:
    """Give areas × cells × slots: the incidents of the hours that have a weight, over their time."""
    areas, cells = series.shape
    index = history.series * SLOTS + history.calendar.slot[history.hour]
    counts = np.bincount(index, weights=history.counts * weight[history.hour], minlength=areas * cells * SLOTS)
    by_slot: Floats = counts.reshape(areas, cells, SLOTS).astype(np.float64)
    rates = np.divide(by_slot, hours, out=np.zeros_like(by_slot), where=hours > 0)
    return _fill_unseen(rates, by_slot, hours)


def _fill_unseen(rates: Floats, counts: Floats, hours: Floats) -> Floats:
    unseen: NDArray[np.bool_] = hours <= 0
    if not unseen.any() or unseen.all():
        return rates
    by_hour_of_day = counts.reshape(*counts.shape[:2], 7, 24).sum(axis=2)
    time = hours.reshape(7, 24).sum(axis=0)
    overall = (counts.sum(axis=2) / hours.sum())[:, :, None]
    usual = np.where(time > 0, by_hour_of_day / np.maximum(time, 1e-9), overall)
    slots: Integers = np.flatnonzero(unseen)
    rates[:, :, slots] = usual[:, :, slots % 24]
    return rates


def _with_shocks(series: Series, rates: Floats, history: History, note: str) -> RateModel:
    model = RateModel(series, rates, {}, {}, Shocks(0.0, 0.0, 0.0), (note,))
    return replace(model, shocks=find_shocks(history, replace(model, slot_rates=_without_empty_days(rates, series))))


def _without_empty_days(rates: Floats, series: Series) -> Floats:
    """Give the rates with the same day for every weekday of districts that have a weekday without any incident.

    How far a day strays is told as a share of what is due, so that it can't be told where nothing is.
    """
    filled = rates.copy()
    for district in np.unique(series.district_of_area):
        members = np.flatnonzero(series.district_of_area == district)
        by_day = rates[members].reshape(len(members), -1, 7, 24)
        if not by_day.sum(axis=(0, 1, 3)).all():
            filled[members] = np.tile(by_day.mean(axis=2), 7)
    return filled
