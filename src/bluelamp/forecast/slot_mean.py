"""The mean of the same hour of the week, shrunk to the parent area and class, with shared day shocks.

A Gamma–Poisson model: the rate of each area, class and grade in each of the 168 hours of the week has a gamma prior
whose mean is what its parent says (the hour of the day times the weekday, then that hour with its neighbours, then the
force, its district, the area; parts are scaled to add up to their whole), and whose weight is found from the data by
the method of moments (empirical Bayes: Robbins 1956; the Gamma–Poisson form as in Gelman et al., Bayesian Data
Analysis, section 2.6). Public holidays and force-wide events are left out of the means and come back as factors by
six-hour part of the day; local events as a factor on the areas that they touch. Days share shocks: a gamma factor for
the day of the force, another for that of the district, and a third for the level, with variances left over after
Poisson noise; and the level drifts from day to day by a variance read off the variogram of its 28-day means.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bluelamp.forecast._history import BLOCKS, Floats, History, Integers, Series, last_weeks
from bluelamp.forecast._rates import RateModel, Shocks

SLOTS = 168
# What is older says less about the level than the hours of the week gain by it.
MOST_WEEKS = 52
# A special day's factor leans on 'no change' as if on so many incidents of its own.
SPECIAL_WEIGHT = 60.0
LEVEL_DAYS = 28
# Variance of a day's step of the level: what makes 5% a year, which is usual, and 30%, which is the most believed.
USUAL_DRIFT, MOST_DRIFT = 0.05**2 / 365, 0.30**2 / 365
# A share of the history in outages that a reader should know of.
_MUCH_MASKED = 0.05
# No hour of the week is without incidents for ever.
LEAST_SHAPE = 0.02


class Counted(NamedTuple):
    """What was counted in the hours of the week, and in how many hours."""

    counts: Floats  # areas × cells × slots
    hours: Floats  # areas × slots: hours of exposure


def fit(history: History, series: Series) -> RateModel:
    """Learn rates, special days and shocks from a history.

    Masked hours count neither as incidents nor as time. A slot that was never seen takes its parent's rate.
    """
    given, history = history, last_weeks(history, MOST_WEEKS)
    ordinary = _count_slots(history, series)
    slot_rates = shrink_down(ordinary, series)
    special = _special_factors(history, slot_rates)
    event_factor = _event_factors(history, series, slot_rates)
    model = RateModel(series, slot_rates, special, event_factor, Shocks(0.0, 0.0, 0.0))
    return RateModel(
        series, slot_rates, special, event_factor, find_shocks(history, model), tell_history(history, given)
    )


def tell_history(history: History, given: History) -> tuple[str, ...]:
    """Say how much of a history can be learnt from, and how much of what was given is outages."""
    seen = np.unique(history.calendar.slot[~history.is_masked])
    weeks = float((~history.is_masked).sum()) / SLOTS
    notes = [f"Learnt from {weeks:.1f} weeks of hours that can be believed."]
    masked = float(given.is_masked.mean())
    if masked > _MUCH_MASKED:
        notes.append(f"{masked:.0%} of the history's hours lie in outages, and count neither as quiet nor as time.")
    if len(seen) < SLOTS:
        notes.append(f"{SLOTS - len(seen)} of 168 hours of the week were never seen and lean on the rest.")
    return tuple(notes)


def _ordinary_hours(history: History) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return ~history.is_masked & np.array([not label for label in history.calendar.special], dtype=np.bool_)


def _count_slots(history: History, series: Series) -> Counted:
    areas, cells = series.shape
    calendar = history.calendar
    ordinary = _ordinary_hours(history)
    usable = ordinary & (calendar.event_of == 0)  # areas × hours
    hours = np.zeros((areas, SLOTS))
    for area in range(areas):
        hours[area] = np.bincount(calendar.slot, weights=usable[area] * calendar.lengths, minlength=SLOTS)
    kept = usable[history.series // cells, history.hour]
    index = history.series[kept] * SLOTS + calendar.slot[history.hour[kept]]
    counts = np.bincount(index, weights=history.counts[kept], minlength=areas * cells * SLOTS)
    return Counted(counts.reshape(areas, cells, SLOTS).astype(np.float64), hours)


def shrink(counts: Floats, hours: Floats, prior: Floats) -> Floats:
    """Give posterior mean rates: (weight + counts) / (weight / prior + hours).

    The arrays are … × slots (or … × 1); the weight is one for each row of the leading axis, from the spread of the
    counts about their prior beyond Poisson noise.
    """
    expected = prior * hours
    axes = tuple(range(1, counts.ndim))
    beyond = ((counts - expected) ** 2 - expected).sum(axis=axes, keepdims=True)
    scale = (expected**2).sum(axis=axes, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(beyond > 0, scale / beyond, 1e6)
        weight = np.clip(np.where(np.isfinite(weight), weight, 1e6), 0.05, 1e6)
        rate: Floats = np.where(prior > 0, (weight + counts) / (weight / prior + hours), 0.0)
    return rate


def shape_of_week(counts: Floats, hours: Floats) -> Floats:
    """Give each slot's rate over the mean of all, leaning from coarse to fine.

    First the hour of the day times the weekday, then the hour with its two neighbours, then the hour itself: a few
    weeks say much about hours of the day, less about a Friday night, and little about one of its hours. Slots that were
    never seen are their hour of the day times their weekday, as far as these were seen.
    """
    seen = (hours > 0).reshape(7, 24)
    mean_rate = max(float(counts.sum()), 1e-12) / max(float(hours.sum()), 1e-9)
    table = (counts / np.maximum(hours, 1e-9) / mean_rate).reshape(7, 24)
    of_hour = np.where(seen.any(axis=0), (table * seen).sum(axis=0) / np.maximum(seen.sum(axis=0), 1), 1.0)
    table = np.where(seen, table, of_hour)
    usual = table.mean(axis=1, keepdims=True) * table.mean(axis=0, keepdims=True) / max(float(table.mean()), 1e-12)
    due = np.maximum(usual, LEAST_SHAPE).reshape(SLOTS) * mean_rate

    def around(values: Floats) -> Floats:
        return np.roll(values, -1) + values + np.roll(values, 1)

    # What was due in the three hours is their unit of time, so that their rate is a factor on it, usually 1.
    factor = shrink(around(counts)[None], around(due * hours)[None], np.ones((1, SLOTS)))[0]
    shape: Floats = shrink(counts[None], hours[None], (due * factor)[None])[0] / mean_rate
    return np.maximum(shape, LEAST_SHAPE)


def shrink_down(counted: Counted, series: Series, of_areas: Counted | None = None) -> Floats:
    """Estimate totals of the force, districts and areas, then the cells of each; parts always add up to their whole.

    Each leans on the one above. Were cells estimated one by one and added up, every peak of the force would be as flat,
    or as steep, as the sparse series say that lean on its shape; its own hours know better. `of_areas` is what tells of
    areas among their district where that is less than what tells of the force, as when some of them changed.
    """
    counts, hours = counted
    district = series.district_of_area
    districts, cells = len(series.district_ids), series.shape[1]
    force_hours = np.maximum(hours.max(axis=0), 1e-9)
    # Hours of a local event are no hours of its areas; parents would read low then, if what areas have in the hours
    # that are left did not stand for all.
    whole = force_hours * _rates_seen(counts, hours)
    by_cell = whole.sum(axis=0)
    by_district = np.zeros((districts, cells, SLOTS))
    np.add.at(by_district, district, whole)
    mean_rate = by_cell.sum() / force_hours.sum()

    force = (shape_of_week(by_cell.sum(axis=0), hours.max(axis=0)) * mean_rate)[None]
    top = np.zeros(districts, dtype=np.int64)
    district_totals = _share_out(by_district.sum(axis=1), hours.max(axis=0), force, top, by_district.sum(axis=(1, 2)))
    cell_rate = by_cell.sum(axis=1) / force_hours.sum()
    in_force = _adding_up(shrink(by_cell, hours.max(axis=0), cell_rate[:, None] * force / max(mean_rate, 1e-12)), force)
    in_districts = _split(by_district, hours.max(axis=0)[None], district_totals, in_force / np.maximum(force, 1e-12))
    mix = in_districts / np.maximum(district_totals, 1e-12)[:, None, :]
    if of_areas is not None:
        counts, hours = of_areas
        whole = force_hours * _rates_seen(counts, hours)
    area_totals = _share_out(counts.sum(axis=1), hours, district_totals, district, whole.sum(axis=(1, 2)))
    return _split(counts, hours, area_totals, mix[district])


def _rates_seen(counts: Floats, hours: Floats) -> Floats:
    """Give incidents an hour, areas × cells × slots. An hour of the week that an area never had, as that of a market
    which is held every week, is what the areas that had it say, times its size beside theirs in all other hours.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rates: Floats = np.where(hours[:, None, :] > 0, counts / hours[:, None, :], 0.0)
    seen = hours > 0
    had = seen.any(axis=0)
    total = rates.sum(axis=1)
    for area in np.flatnonzero((had & ~seen).any(axis=1) & seen.any(axis=1)):
        missing, there = had & ~seen[area], seen[area]
        others = seen[:, missing].all(axis=1) & (np.arange(len(seen)) != area)
        size = total[area, there].sum() / max(total[np.ix_(others, there)].sum(), 1e-12)
        mix = rates[area].sum(axis=1) / max(total[area].sum(), 1e-12)
        due = size * total[np.ix_(others, missing)].sum(axis=0)
        rates[area, :, np.flatnonzero(missing)] = due[:, None] * mix
    return rates


def _share_out(counts: Floats, hours: Floats, parents: Floats, parent_of: Integers, whole: Floats) -> Floats:
    """Give rates of places (places × slots) that lean on their share of their parent's, and add up to it."""
    among = np.bincount(parent_of, minlength=len(parents))[parent_of]
    of_parent = np.bincount(parent_of, weights=whole, minlength=len(parents))[parent_of]
    # A place without an incident leans on an equal share, as if each had had a tenth of one more.
    share = (whole + 0.1) / (of_parent + 0.1 * among)
    rates = shrink(counts, hours, share[:, None] * parents[parent_of])
    summed = np.zeros_like(parents)
    np.add.at(summed, parent_of, rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        return rates * np.where(summed > 0, parents / summed, 0.0)[parent_of]


def _split(counts: Floats, hours: Floats, totals: Floats, mix: Floats) -> Floats:
    """Give rates of cells (places × cells × slots) that lean on a mix of cells, and add up to their place's total.

    First the cell's weekly rate in the place is found, then its hours of the week.
    """
    due = totals[:, None, :] * mix
    week = due.mean(axis=2, keepdims=True)
    weekly = shrink(counts.sum(axis=2, keepdims=True), np.maximum(hours.sum(axis=1), 1e-9)[:, None, None], week)
    rates = shrink(counts, hours[:, None, :], weekly * due / np.maximum(week, 1e-12))
    return _adding_up(rates, totals)


def _adding_up(rates: Floats, totals: Floats) -> Floats:
    """Scale rates, … × cells × slots, so that cells add up to totals, … × slots."""
    summed = rates.sum(axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(summed > 0, totals.reshape(summed.shape) / summed, 0.0)
    found: Floats = rates * scale[..., None, :]
    return found


def _expected_by_hour(slot_rates: Floats, history: History) -> Floats:
    expected: Floats = slot_rates.sum(axis=(0, 1))[history.calendar.slot] * history.calendar.lengths
    return expected


def _special_factors(history: History, slot_rates: Floats) -> dict[str, Floats]:
    """Find each special day's factor by six-hour block, leaning on all special days, which lean on 'no change'."""
    calendar = history.calendar
    expected = _expected_by_hour(slot_rates, history)
    observed = np.bincount(history.hour, weights=history.counts, minlength=len(expected))
    label = np.array(calendar.special, dtype=np.str_)
    usable = ~history.is_masked & (label != "")

    def factor(rows: np.ndarray[tuple[int], np.dtype[np.bool_]], parent: Floats) -> Floats:
        seen = np.bincount(calendar.block[rows], weights=observed[rows], minlength=4)
        due = np.bincount(calendar.block[rows], weights=expected[rows], minlength=4)
        found: Floats = (SPECIAL_WEIGHT * parent + seen) / (SPECIAL_WEIGHT + due)
        return found

    overall = factor(usable, np.ones(4))
    return {"any": overall} | {
        str(name): factor(usable & (label == name), overall) for name in np.unique(label[usable])
    }


def _event_factors(history: History, series: Series, slot_rates: Floats) -> dict[str, Floats]:
    """Find the factor of each kind of local event: incidents seen over incidents due, in its areas and hours."""
    calendar = history.calendar
    factors = {}
    area_rates = slot_rates.sum(axis=1)
    area_of_event = history.series // series.shape[1]
    for number, kind in enumerate(calendar.event_kinds, start=1):
        during = (calendar.event_of == number) & ~history.is_masked
        due = float((area_rates[:, calendar.slot] * calendar.lengths * during).sum())
        seen = float(history.counts[during[area_of_event, history.hour]].sum())
        factors[kind] = np.full((1, BLOCKS), (SPECIAL_WEIGHT + seen) / (SPECIAL_WEIGHT + due))
    return factors


def find_shocks(history: History, model: RateModel) -> Shocks:
    """Find the variances that days share, from ordinary days: what is left of (seen / due) after Poisson noise.

    The level's variance is that of 28-day means, a force-day's what days add to it, a district-day's what districts
    add to that. Each is at least zero and at most 0.25.
    """
    calendar = history.calendar
    series = model.series
    cells = series.shape[1]
    districts = len(series.district_ids)
    ordinary = _ordinary_hours(history)
    days = len(calendar.days)
    # A day that the record begins or ends in is not a day to compare with others.
    whole = np.bincount(calendar.day_of_hour, weights=calendar.lengths, minlength=days) > 22
    full_days = whole & (np.bincount(calendar.day_of_hour, weights=~ordinary, minlength=days) == 0)
    expected = np.zeros((districts, len(calendar.days)))
    area_rates = model.slot_rates.sum(axis=1)
    for place in range(districts):
        by_hour = area_rates[series.district_of_area == place].sum(axis=0)[calendar.slot] * calendar.lengths
        expected[place] = np.bincount(calendar.day_of_hour, weights=by_hour, minlength=len(calendar.days))
    observed = np.zeros_like(expected)
    np.add.at(
        observed,
        (series.district_of_area[history.series // cells], calendar.day_of_hour[history.hour]),
        history.counts,
    )
    expected, observed = expected[:, full_days], observed[:, full_days]
    if expected.shape[1] < LEVEL_DAYS // 2 or expected.sum() <= 0:
        # Too little to learn from: the day-to-day spread that police calls usually show, 10%.
        return Shocks(force_day=0.01, district_day=0.005, level=0.01, drift=USUAL_DRIFT)
    due, seen = expected.sum(axis=0), observed.sum(axis=0)
    ratio = seen / due - 1
    total = float(np.mean(ratio**2 - 1 / due))
    blocks = np.arange(len(ratio)) // LEVEL_DAYS
    sizes = np.bincount(blocks)
    means = np.bincount(blocks, weights=ratio) / sizes
    within = float(np.sum((ratio - means[blocks]) ** 2) / max(len(ratio) - len(sizes), 1))
    level = float(np.average(means**2 - within / sizes, weights=sizes))
    drift = _find_drift(means, within / sizes)
    used = expected.mean(axis=1) > 1
    between = float("nan")
    if used.sum() > 1:
        relative = observed[used] / expected[used] - seen / due
        # A district's ratio differs from the force's by its own shock, less its share of the force's mean shock.
        share = expected[used] / due
        noise = (1 / expected[used]) * (1 - share)
        between = float(np.mean((relative**2 - noise) / (1 - share)))
    district_day = float(np.clip(between, 0.0, 0.25)) if np.isfinite(between) else 0.0
    # What districts do by themselves reaches the force too, each by the square of its share.
    shares = expected.sum(axis=1) / expected.sum()
    force_day = total - max(level, 0.0) - district_day * float((shares**2).sum())
    # The mean of a level that drifted lags behind where it is now: by a third of the drift of that time, of which a
    # sixth shows in the spread of the 28-day means already.
    lag = drift * len(ratio) / 6
    return Shocks(
        force_day=float(np.clip(force_day, 0.0, 0.25)),
        district_day=district_day,
        level=float(np.clip(max(level, lag) + lag, 0.0, 0.25)),
        drift=drift,
    )


def _find_drift(means: Floats, noise: Floats) -> float:
    """Find the variance of a day's step of the level from how far 28-day means move apart with time (their variogram).

    What only comes and goes moves two means apart as far in a month as in half a year, and is no drift. Few means say
    little, so that the usual drift counts as a year of them.
    """
    squares, weights, apart = [], [], []
    for lag in range(1, len(means) // 2 + 1):
        differences = (means[lag:] - means[:-lag]) ** 2 - noise[lag:] - noise[:-lag]
        squares.append(float(differences.mean()))
        weights.append(len(differences))
        apart.append(lag * LEVEL_DAYS)
    if len(apart) < 2:
        return USUAL_DRIFT
    slope = float(np.polyfit(apart, squares, 1, w=np.sqrt(weights))[0])
    blended = (13 * USUAL_DRIFT + len(means) * max(slope, 0.0)) / (13 + len(means))
    return float(min(blended, MOST_DRIFT))
