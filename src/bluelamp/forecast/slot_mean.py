"""The mean of the same hour of the week, shrunk to the parent area and class, with shared day shocks.

A Gamma–Poisson model: the rate of each area, class and grade in each of the 168 hours of the week has a gamma prior
whose mean is what its parent says (the hour of the day times the weekday, then the force, its district, the area), and
whose weight is found from the data by the method of moments (empirical Bayes: Robbins 1956; the Gamma–Poisson form as
in Gelman et al., Bayesian Data Analysis, section 2.6). Public holidays and force-wide events are left out of the means
and come back as factors by six-hour part of the day; local events as a factor on the areas that they touch. Days share
shocks: a gamma factor for the day of the force, another for that of the district, and a third for the level, with
variances left over after Poisson noise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bluelamp.forecast._history import Floats, History, Series
from bluelamp.forecast._rates import RateModel, Shocks

SLOTS = 168
# A special day's factor leans on 'no change' as if on so many incidents of its own.
SPECIAL_WEIGHT = 60.0
LEVEL_DAYS = 28
# No hour of the week is without incidents for ever.
LEAST_SHAPE = 0.02


class _Counted(NamedTuple):
    counts: Floats  # areas × cells × slots
    hours: Floats  # areas × slots: hours of exposure


def fit(history: History, series: Series) -> RateModel:
    """Learn rates, special days and shocks from a history.

    Masked hours count neither as incidents nor as time. A slot that was never seen takes its parent's rate.
    """
    ordinary = _count_slots(history, series)
    slot_rates = _shrink_down(ordinary, series)
    special = _special_factors(history, series, slot_rates)
    event_factor = _event_factors(history, series, slot_rates)
    model = RateModel(series, slot_rates, special, event_factor, Shocks(0.0, 0.0, 0.0))
    return RateModel(series, slot_rates, special, event_factor, _find_shocks(history, model), _notes(history))


def _notes(history: History) -> tuple[str, ...]:
    seen = np.unique(history.calendar.slot[~history.is_masked])
    weeks = float((~history.is_masked).sum()) / SLOTS
    notes = [f"Learnt from {weeks:.1f} weeks of hours that can be believed."]
    if len(seen) < SLOTS:
        notes.append(f"{SLOTS - len(seen)} of 168 hours of the week were never seen and lean on the rest.")
    return tuple(notes)


def _ordinary_hours(history: History) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return ~history.is_masked & np.array([not label for label in history.calendar.label], dtype=np.bool_)


def _count_slots(history: History, series: Series) -> _Counted:
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
    return _Counted(counts.reshape(areas, cells, SLOTS).astype(np.float64), hours)


def _shrink(counts: Floats, hours: Floats, prior: Floats) -> Floats:
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


def _shape_of_week(counts: Floats, hours: Floats) -> Floats:
    """Give each slot's rate over the mean of all; a slot leans on its hour of the day times its weekday.

    A few weeks say much about hours of the day and little about one hour of one weekday. Slots that were never seen
    are their hour of the day times their weekday, as far as these were seen.
    """
    seen = (hours > 0).reshape(7, 24)
    mean_rate = max(float(counts.sum()), 1e-12) / max(float(hours.sum()), 1e-9)
    table = (counts / np.maximum(hours, 1e-9) / mean_rate).reshape(7, 24)
    of_hour = np.where(seen.any(axis=0), (table * seen).sum(axis=0) / np.maximum(seen.sum(axis=0), 1), 1.0)
    table = np.where(seen, table, of_hour)
    usual = table.mean(axis=1, keepdims=True) * table.mean(axis=0, keepdims=True) / max(float(table.mean()), 1e-12)
    due = np.maximum(usual, LEAST_SHAPE).reshape(1, SLOTS) * mean_rate
    shape: Floats = _shrink(counts[None], hours[None], due)[0] / mean_rate
    return np.maximum(shape, LEAST_SHAPE)


def _shrink_down(counted: _Counted, series: Series) -> Floats:
    """Estimate force, then districts, then areas; each leans on the one above. Arrays lead with cells or places."""
    counts, hours = counted
    cells = series.shape[1]
    district = series.district_of_area
    districts = len(series.district_ids)
    force_hours = np.maximum(hours.max(axis=0), 1e-9)
    # Hours of a local event are no hours of its areas; parents would read low then, if what areas have in the hours
    # that are left did not stand for all.
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = counts * np.where(hours > 0, force_hours / hours, 0.0)[:, None, :]
    by_cell = whole.sum(axis=0)  # cells × slots
    shape = _shape_of_week(by_cell.sum(axis=0), hours.max(axis=0))
    total_hours = max(float(hours.max(axis=0).sum()), 1e-9)
    cell_rate = by_cell.sum(axis=1) / total_hours
    force_rates = _shrink(by_cell, hours.max(axis=0), cell_rate[:, None] * shape)

    # Districts: weekly rate by cell, then the shape of the week.
    district_counts = np.zeros((districts, cells, SLOTS))
    np.add.at(district_counts, district, whole)
    district_share = district_counts.sum(axis=(1, 2)) / max(float(whole.sum()), 1e-12)
    force_weekly = force_rates.mean(axis=1)
    prior = district_share[:, None, None] * force_weekly[None, :, None]
    district_weekly = _shrink(district_counts.sum(axis=2, keepdims=True), np.full((1, 1, 1), total_hours), prior)
    week_shape = force_rates / np.maximum(force_weekly, 1e-12)[:, None]
    district_rates = _shrink(district_counts, hours.max(axis=0), district_weekly * week_shape[None])

    # Areas the same way, below their district.
    area_hours = hours.sum(axis=1)
    area_total = counts.sum(axis=(1, 2))
    district_mean = district_rates.mean(axis=2)  # districts × cells
    expected_total = district_mean[district].sum(axis=1) * area_hours
    in_district = np.bincount(district, minlength=districts)[district]
    # An area with few incidents leans on an equal share of its district.
    even = expected_total / in_district
    level = (area_total + 0.5) / np.maximum(expected_total + 0.5 * expected_total / np.maximum(even, 1e-9), 1e-9)
    area_weekly = _shrink(
        counts.sum(axis=2, keepdims=True),
        np.maximum(area_hours, 1e-9)[:, None, None],
        level[:, None, None] * district_mean[district][:, :, None],
    )
    district_shape = district_rates / np.maximum(district_mean, 1e-12)[:, :, None]
    return _shrink(counts, hours[:, None, :], area_weekly * district_shape[district])


def _expected_by_hour(slot_rates: Floats, history: History) -> Floats:
    expected: Floats = slot_rates.sum(axis=(0, 1))[history.calendar.slot] * history.calendar.lengths
    return expected


def _special_factors(history: History, series: Series, slot_rates: Floats) -> dict[str, Floats]:
    """Find each special day's factor by six-hour block, leaning on all special days, which lean on 'no change'."""
    calendar = history.calendar
    expected = _expected_by_hour(slot_rates, history)
    observed = np.bincount(history.hour, weights=history.counts, minlength=len(expected))
    label = np.array(calendar.label, dtype=np.str_)
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


def _event_factors(history: History, series: Series, slot_rates: Floats) -> dict[str, float]:
    """Find the factor of each kind of local event: incidents seen over incidents due, in its areas and hours."""
    calendar = history.calendar
    factors = {}
    area_rates = slot_rates.sum(axis=1)
    area_of_event = history.series // series.shape[1]
    for number, kind in enumerate(calendar.event_kinds, start=1):
        during = (calendar.event_of == number) & ~history.is_masked
        due = float((area_rates[:, calendar.slot] * calendar.lengths * during).sum())
        seen = float(history.counts[during[area_of_event, history.hour]].sum())
        factors[kind] = (SPECIAL_WEIGHT + seen) / (SPECIAL_WEIGHT + due)
    return factors


def _find_shocks(history: History, model: RateModel) -> Shocks:
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
        # Too little to learn from: the day-to-day spread that police calls usually show, 10 %.
        return Shocks(force_day=0.01, district_day=0.005, level=0.01)
    due, seen = expected.sum(axis=0), observed.sum(axis=0)
    ratio = seen / due - 1
    total = float(np.mean(ratio**2 - 1 / due))
    blocks = np.arange(len(ratio)) // LEVEL_DAYS
    sizes = np.bincount(blocks)
    means = np.bincount(blocks, weights=ratio) / sizes
    within = float(np.sum((ratio - means[blocks]) ** 2) / max(len(ratio) - len(sizes), 1))
    level = float(np.average(means**2 - within / sizes, weights=sizes))
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
    return Shocks(
        force_day=float(np.clip(force_day, 0.0, 0.25)),
        district_day=district_day,
        level=float(np.clip(level, 0.0, 0.25)),
    )
