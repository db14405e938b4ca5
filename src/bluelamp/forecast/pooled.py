"""A pooled count model: level × share × hour of the week × calendar, with shocks that days, hours and places share.

The rate of an area, class and grade in an hour is

    its usual rate in that hour of the week × the force's level on that day × the shares of its district and its class
    in it × what holidays, the days beside them and events do.

The usual rates are shrunk from the force down to districts, areas and cells, as in `slot_mean`, from counts that were
divided by all the other factors and weigh half as much for each year of age. Levels are state-space models (`_levels`):
a random walk, a swing that fades and a yearly season; those of districts and classes are about the force's and keep its
sum. Effects of holidays and force-wide events are found by penalised regression for the force, and for each class about
the force (`_effects`). The parts are fitted in turn, each with the others held, as backfitting does (Hastie and
Tibshirani, Generalized Additive Models, 1990, section 4.4).

What is left over is shared: by the whole force's day, its six-hour block and its hour, by a district's day, and by
incidents that come in clumps (several logs of one thing). The five variances are those whose sums match what is seen at
five levels of detail (method of moments). A history of less than four weeks is left to `slot_mean`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bluelamp.errors import count_of
from bluelamp.forecast import _changed_areas, _effects, _levels, slot_mean
from bluelamp.forecast._history import BLOCKS, Floats, History, Integers, Series
from bluelamp.forecast._rates import RateModel, Shocks
from bluelamp.forecast._trend import Parts, Trend

SLOTS = slot_mean.SLOTS
LEAST_DAYS = 28
# The shape of the week and the shares of areas change slowly: a day a year ago weighs half.
HALF_LIFE_DAYS = 364.0
# Parts are like the whole, so their effects lean on it harder than the whole's on nothing.
_PART_SCALE = 0.7
_ROUNDS = 2
# Shocks are those of the last two years: a control room changes.
_SHOCK_DAYS = 728
_MOST_SHOCK = 0.25
_MOST_CLUMP = 2.0
# Areas that are named in a note.
_MOST_TOLD = 5
# A kind of local event leans on 'no change' as if on so many incidents.
_EVENT_WEIGHT = 10.0


def fit(history: History, series: Series) -> RateModel:
    """Learn levels, shares, hours of the week, effects and shocks from a history.

    Masked hours count neither as incidents nor as time.
    """
    known = _Known(history, series)
    if known.days_seen < LEAST_DAYS:
        model = slot_mean.fit(history, series)
        told = f"Less than {LEAST_DAYS} days of history: shrunk means of hours of the week, and no levels or seasons."
        return replace(model, notes=(told, *model.notes))
    force, effects, profile = _fit_force(known)
    # What the force's level and calendar do in each hour of the history.
    factor = np.exp(force.past[0][:, None] + effects.of(history.calendar)[0]).ravel()[history.calendar.row]
    classes = _fit_classes(known, factor, profile)
    by_class = np.repeat(factor[None], len(known.class_codes), axis=0)
    if classes is not None:
        days = len(history.calendar.days)
        own = classes.factors(classes.levels.past, history.calendar, 0, days)
        by_class *= own.reshape(len(own), -1)[:, history.calendar.row]
    everything = known.count_slots(by_class, np.ones_like(known.is_as_now))
    of_areas = known.count_slots(by_class, known.is_as_now) if known.changes else None
    slot_rates = slot_mean.shrink_down(everything, series, of_areas)
    districts = _fit_districts(known, slot_rates, by_class)
    trend = Trend(force, effects, districts, classes, known.class_of_cell)
    event_factor, event_area = _find_event_factors(known, slot_rates, by_class)
    shocks = _find_shocks(known, slot_rates, by_class, districts)
    return RateModel(series, slot_rates, {}, event_factor, shocks, _notes(known, trend), trend, event_area)


def _count(index: Integers, weights: Floats | Integers, size: int) -> Floats:
    found: Floats = np.bincount(index, weights=weights, minlength=size).astype(np.float64)
    return found


@dataclass(frozen=True)
class _Known:
    """A history, and sums of it that are wanted more than once."""

    history: History
    series: Series

    @property
    def days(self) -> int:
        return len(self.history.calendar.days)

    @cached_property
    def usable(self) -> Floats:
        """Length of each hour; nought where it is masked, or where less than half of its day is there, as on the days
        that a register begins and ends on.
        """
        calendar = self.history.calendar
        found: Floats = np.where(self.history.is_masked, 0.0, calendar.lengths)
        is_half = _count(calendar.day_of_hour, found, self.days) >= 12
        return found * is_half[calendar.day_of_hour]

    @property
    def days_seen(self) -> float:
        return float(self.usable.sum()) / 24

    @cached_property
    def weight(self) -> Floats:
        """What each hour counts for by its age."""
        age = self.days - 1 - self.history.calendar.day_of_hour
        found: Floats = 0.5 ** (age / HALF_LIFE_DAYS)
        return found

    @cached_property
    def class_codes(self) -> list[str]:
        return sorted({code for code, _ in self.series.cells})

    @cached_property
    def class_of_cell(self) -> Integers:
        return np.array([self.class_codes.index(code) for code, _ in self.series.cells])

    @cached_property
    def cell(self) -> Integers:
        return self.history.series % self.series.shape[1]

    @cached_property
    def area(self) -> Integers:
        return self.history.series // self.series.shape[1]

    @cached_property
    def by_class(self) -> Floats:
        """Incidents by class and hour."""
        return self.sums(self.class_of_cell[self.cell], len(self.class_codes))

    def sums(self, index: Integers, size: int) -> Floats:
        """Sum incidents by an index of events and by hour, index × hours; see `usual`."""
        hours = len(self.usable)
        flat = _count(index * hours + self.history.hour, self.usual, size * hours)
        return flat.reshape(size, hours)

    @cached_property
    def kept(self) -> Floats:
        """Incidents in hours that are usable and without a local event in their area."""
        is_on = self.history.calendar.event_of[self.area, self.history.hour] > 0
        return np.where(is_on | (self.usable[self.history.hour] == 0), 0.0, self.history.counts)

    @cached_property
    def usual(self) -> Floats:
        """Incidents as they would be without local events.

        In the hours of one, what its areas have does not count, and what the others have stands for them, too: those of
        the district, or of the force where the event touches the whole district.
        """
        calendar, district_of_area = self.history.calendar, self.series.district_of_area
        is_on = calendar.event_of > 0
        hours = np.flatnonzero(is_on.any(axis=0))
        if not len(hours):
            return self.kept
        size = _count(self.area, self.history.counts, self.series.shape[0])
        scale = np.ones((len(self.series.district_ids), len(self.usable)))
        patterns, of_hour = np.unique(is_on[:, hours], axis=1, return_inverse=True)
        for number, touched in enumerate(patterns.T):
            whole = _count(district_of_area, size, len(scale))
            left = _count(district_of_area, np.where(touched, 0.0, size), len(scale))
            in_force = whole.sum() / max(whole[left > 0].sum(), 1e-9)
            scale[:, hours[of_hour.ravel() == number]] = (in_force * whole / np.maximum(left, 1e-9))[:, None]
        found: Floats = self.kept * scale[district_of_area[self.area], self.history.hour]
        return found

    @cached_property
    def is_ordinary(self) -> NDArray[np.bool_]:
        """Whether a day is neither a holiday, nor beside one, nor one of an event of the whole force."""
        calendar = self.history.calendar
        before, after = (bool(each) for each in calendar.label_beside)
        labels = np.array([bool(each) for each in calendar.label_of_day])
        beside = np.append(labels[1:], after) | np.insert(labels[:-1], 0, before)
        with_event = (calendar.force_share > 0).any(axis=(0, 2))
        found: NDArray[np.bool_] = ~(labels | beside | with_event)
        return found

    @cached_property
    def changes(self) -> list[_changed_areas.Change]:
        """Areas whose share of their district changed."""
        areas, day_of_hour = self.series.shape[0], self.history.calendar.day_of_hour
        of_day = self.area * self.days + day_of_hour[self.history.hour]
        seen = _count(of_day, self.usual, areas * self.days).reshape(areas, self.days)
        return _changed_areas.find_changes(seen, self.series.district_of_area)

    @cached_property
    def is_as_now(self) -> NDArray[np.bool_]:
        """Whether an area's share of its district was in an hour what it is now: areas × hours."""
        found = np.ones((self.series.shape[0], len(self.usable)), dtype=np.bool_)
        for change in self.changes:
            found[change.area] = self.history.calendar.day_of_hour >= change.day
        return found

    def share_then(self, area: int) -> Floats:
        """Give an area's share of its district in each hour over that of now."""
        for change in self.changes:
            if change.area == area:
                return np.where(self.is_as_now[area], 1.0, 1 / change.ratio)
        return np.ones(len(self.usable))

    def due_in_slots(self, rates: Floats, factor: Floats) -> Floats:
        """Give what rates by slot (rows × slots) expect in each usable hour under a factor (hours, or rows × hours)."""
        found: Floats = rates[:, self.history.calendar.slot] * factor * self.usable
        return found

    def count_slots(self, by_class: Floats, tells: NDArray[np.bool_]) -> slot_mean.Counted:
        """Count weighted incidents by series and slot, with all other factors divided out, and weighted hours.

        `tells` says which hours of each area count: areas × hours.
        """
        calendar, slots = self.history.calendar, self.history.calendar.slot
        areas, cells = self.series.shape
        is_free = (calendar.event_of == 0) & tells
        hours = np.stack([_count(slots, self.weight * self.usable * each, SLOTS) for each in is_free])
        weighted = self.weight[self.history.hour] * self.kept * tells[self.area, self.history.hour]
        weighted /= by_class[self.class_of_cell[self.cell], self.history.hour]
        index = self.history.series * SLOTS + slots[self.history.hour]
        counts = _count(index, weighted, areas * cells * SLOTS)
        return slot_mean.Counted(counts.reshape(areas, cells, SLOTS), hours)


# ---- the force, its classes and its districts ----


def _fit_force(known: _Known) -> tuple[_levels.Levels, _effects.Effects, Floats]:
    """Find the force's levels and effects, and its rate in each hour of the week at a level of one."""
    calendar = known.history.calendar
    seen = known.by_class.sum(axis=0)
    seen_blocks = calendar.by_block(seen[None])
    slot_hours = _count(calendar.slot, known.weight * known.usable, SLOTS)
    past, log = np.zeros((1, known.days)), np.zeros((1, known.days, BLOCKS))
    for _ in range(_ROUNDS):
        factor = np.exp(past[0][:, None] + log[0]).ravel()[calendar.row]
        counts = _count(calendar.slot, known.weight * seen / factor, SLOTS)
        profile = slot_mean.shape_of_week(counts, slot_hours) * (counts.sum() / slot_hours.sum())
        due = calendar.by_block(known.due_in_slots(profile[None], np.ones(1)))
        at_level = due * np.exp(past)[:, :, None]
        noise = _effects.noise_of(seen_blocks, at_level, known.is_ordinary[None, :, None] & (due > 0))
        effects = _effects.find_effects(seen_blocks, at_level, calendar, noise)
        log = effects.of(calendar)
        due_days = (due * np.exp(log)).sum(axis=2)
        levels = _levels.find_levels(
            seen_blocks.sum(axis=2), due_days, calendar.days[0], _levels.FORCE_GRID, start=past
        )
        past = levels.past
    return levels, effects, profile


def _fit_classes(known: _Known, factor: Floats, profile: Floats) -> Parts | None:
    """Find how classes move about the force: levels, seasons and effects of their own; nothing where there is one."""
    if len(known.class_codes) < 2:
        return None
    calendar = known.history.calendar
    slot_hours = _count(calendar.slot, known.weight * known.usable, SLOTS)
    counts = np.stack([_count(calendar.slot, known.weight * each / factor, SLOTS) for each in known.by_class])
    usual = counts.sum(axis=1, keepdims=True) / slot_hours.sum() * profile / profile.mean()
    due = calendar.by_block(known.due_in_slots(slot_mean.shrink(counts, slot_hours[None], usual), factor))
    seen = calendar.by_block(known.by_class)
    noise = _effects.noise_of(seen, due, np.broadcast_to(known.is_ordinary[None, :, None], due.shape))
    effects = _effects.find_effects(seen, due, calendar, noise, _PART_SCALE)
    due_days = (due * np.exp(effects.of(calendar))).sum(axis=2)
    levels = _levels.find_levels(seen.sum(axis=2), due_days, calendar.days[0], _levels.PART_GRID)
    return Parts(levels, _shares(counts.sum(axis=1)), effects)


def _fit_districts(known: _Known, slot_rates: Floats, by_class: Floats) -> Parts | None:
    """Find how the shares of districts move; nothing where there is one."""
    series = known.series
    count = len(series.district_ids)
    if count < 2:
        return None
    calendar = known.history.calendar
    seen, due = np.zeros((2, count, known.days))
    seen_hours = known.sums(series.district_of_area[known.area], count)
    for place in range(count):
        expected = _due_in_place(known, slot_rates[series.district_of_area == place].sum(axis=0), by_class)
        due[place] = _count(calendar.day_of_hour, expected, known.days)
        seen[place] = _count(calendar.day_of_hour, seen_hours[place], known.days)
    levels = _levels.find_levels(seen, due, calendar.days[0], _levels.PART_GRID)
    return Parts(levels, _shares(due.sum(axis=1)))


def _due_in_place(known: _Known, cell_rates: Floats, by_class: Floats) -> Floats:
    """Give what a place's rates (cells × slots) expect in each hour, with the factors of the classes (× hours)."""
    of_class = np.zeros((len(by_class), SLOTS))
    np.add.at(of_class, known.class_of_cell, cell_rates)
    found: Floats = known.due_in_slots(of_class, by_class).sum(axis=0)
    return found


def _shares(sizes: Floats) -> Floats:
    # A part without an incident has a share that matters to nobody, but is not nothing.
    found: Floats = np.maximum(sizes, 1e-6) / np.maximum(sizes, 1e-6).sum()
    return found


def _find_event_factors(
    known: _Known, slot_rates: Floats, by_class: Floats
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Find the factors of each kind of local event: incidents seen over due in its areas and hours.

    Gives those of all areas, cells × blocks, and what each area has beyond them. All together lean on no change, each
    part of the day and each class on all together; and each area on these, the more the less areas differ beyond
    chance (the gamma-Poisson model, with its variance by the method of moments).
    """
    calendar = known.history.calendar
    classes = len(known.class_codes)
    class_of_event, block_of_event = known.class_of_cell[known.cell], calendar.block[known.history.hour]
    factors, of_areas = {}, {}
    for number, kind in enumerate(calendar.event_kinds, start=1):
        during = calendar.event_of == number
        touched = np.flatnonzero(during.any(axis=1))
        due_in = np.zeros((len(touched), classes, BLOCKS))
        for place, area in enumerate(touched):
            of_class = np.zeros((classes, SLOTS))
            np.add.at(of_class, known.class_of_cell, slot_rates[area])
            expected = known.due_in_slots(of_class, by_class) * (during[area] * known.share_then(int(area)))
            due_in[place] = np.stack([_count(calendar.block, each, BLOCKS) for each in expected])
        due = due_in.sum(axis=0)
        counts = np.where(during[known.area, known.history.hour], known.history.counts, 0)
        seen = _count(class_of_event * BLOCKS + block_of_event, counts, classes * BLOCKS).reshape(classes, BLOCKS)
        together = _leaning(seen.sum(), due.sum(), 1.0)
        of_block = _leaning(seen.sum(axis=0), due.sum(axis=0), together)
        # What the parts of the day explain is not the classes' own, which differ in when they happen.
        of_classes = _leaning(seen.sum(axis=1), (due * of_block).sum(axis=1), 1.0)
        of_all = of_block * of_classes[:, None]
        factors[kind] = of_all[known.class_of_cell]
        seen_in = _count(known.area, counts, len(during))[touched]
        of_areas[kind] = np.ones(len(during))
        of_areas[kind][touched] = _own(seen_in, (due_in * of_all).sum(axis=(1, 2)))
    return factors, of_areas


def _own(seen: Floats, due: Floats) -> Floats:
    """Give seen over due of each area, leaning on 1 as far as areas do not differ beyond chance."""
    differ = ((seen - due) ** 2 - due).sum() / max((due**2).sum(), 1e-9)
    if len(seen) < 2 or differ <= 0:
        return np.ones(len(seen))
    found: Floats = (1 / differ + seen) / (1 / differ + due)
    return found


def _leaning(seen: Any, due: Any, prior: float) -> Any:
    """Give seen over due, leaning on a prior as if `_EVENT_WEIGHT` incidents of it had been due."""
    return (_EVENT_WEIGHT * prior + seen) / (_EVENT_WEIGHT + due)


# ---- what is left over ----

# Places from coarse to fine are the force, its districts, its areas; times are days, blocks and hours.
_FORCE, _DISTRICT, _AREA = range(3)
_DAY, _BLOCK, _HOUR = range(3)
_SEEN_AT = ((_AREA, _HOUR), (_FORCE, _HOUR), (_FORCE, _BLOCK), (_FORCE, _DAY), (_DISTRICT, _DAY))
# Where too few ordinary days are left: the spread from day to day that police calls usually show, 10%.
_USUAL_SHOCKS = Shocks(0.01, 0.005, 0.0)
_SHOCKS = ((_FORCE, _HOUR), (_FORCE, _BLOCK), (_FORCE, _DAY), (_DISTRICT, _DAY))


def _find_shocks(known: _Known, slot_rates: Floats, by_class: Floats, districts: Parts | None) -> Shocks:
    """Find the variances whose sums are what is seen beyond chance at five levels of detail, on ordinary days.

    At one level of detail, (seen - due)² - due, summed over its cells, is expected to be: for each shock its variance
    times the squares of what is due in the parts of cells that share it, and for clumps their number times what is due.
    """
    calendar, series = known.history.calendar, known.series
    is_whole = _count(calendar.day_of_hour, known.usable, known.days) > 22
    is_told = is_whole & known.is_ordinary & (np.arange(known.days) >= known.days - _SHOCK_DAYS)
    # Days of local events say more of those than of chance.
    is_told[calendar.day_of_hour[(calendar.event_of > 0).any(axis=0)]] = False
    kept = is_told[calendar.day_of_hour] & (known.usable > 0)
    if kept.sum() < 24 * LEAST_DAYS // 2:
        return _USUAL_SHOCKS
    areas = series.shape[0]
    seen = known.sums(known.area, areas)[:, kept]
    due = np.stack(
        [(_due_in_place(known, slot_rates[area], by_class) * known.share_then(area))[kept] for area in range(areas)]
    )
    if districts is not None:
        moved = due * np.exp(districts.levels.past)[series.district_of_area][:, calendar.day_of_hour[kept]]
        due = moved * (due.sum(axis=0) / np.maximum(moved.sum(axis=0), 1e-12))
    places = (np.zeros(areas, dtype=np.int64), series.district_of_area, np.arange(areas))
    times = (calendar.day_of_hour[kept], calendar.row[kept], np.arange(int(kept.sum())))
    squares = np.array([[(_add_up(due, place, time) ** 2).sum() for time in times] for place in places])
    rows, beyond = [], []
    for place, time in _SEEN_AT:
        came, expected = (_add_up(each, places[place], times[time]) for each in (seen, due))
        beyond.append(((came - expected) ** 2 - expected).sum() / squares[place, time])
        shared = [squares[max(place, each), max(time, other)] for each, other in _SHOCKS]
        rows.append(np.array([*shared, expected.sum()]) / squares[place, time])
    # What can't be told apart is not looked for: districts of one district, and hours of one area (it has clumps).
    told = np.array([areas > 1, True, True, len(series.district_ids) > 1, True])
    found = np.zeros(len(told))
    found[told] = _least_squares(np.array(rows)[:, told], np.array(beyond))
    of_hour, of_block, of_day, of_district = np.minimum(found[:4], _MOST_SHOCK)
    return Shocks(of_day, of_district, 0.0, 0.0, of_block, of_hour, min(found[4], _MOST_CLUMP))


def _add_up(values: Floats, place: Integers, time: Integers) -> Floats:
    """Sum areas × hours to places × times; times are in order."""
    starts = np.flatnonzero(np.diff(time, prepend=-1))
    summed = np.add.reduceat(values, starts, axis=1)
    found = np.zeros((int(place.max()) + 1, summed.shape[1]))
    np.add.at(found, place, summed)
    return found


def _least_squares(rows: Floats, right: Floats) -> Floats:
    """Give the least squares that are nowhere below nought: of all ways to leave unknowns out, the best one."""
    unknowns = rows.shape[1]
    best, least = np.zeros(unknowns), float((right**2).sum())
    for size in range(1, unknowns + 1):
        for chosen in combinations(range(unknowns), size):
            some = np.linalg.lstsq(rows[:, chosen], right, rcond=None)[0]
            left = float(((rows[:, chosen] @ some - right) ** 2).sum())
            if (some >= 0).all() and left < least - 1e-15:
                best, least = np.zeros(unknowns), left
                best[list(chosen)] = some
    return best


def _notes(known: _Known, trend: Trend) -> tuple[str, ...]:
    notes = list(slot_mean.tell_history(known.history, known.history))
    if known.days < 365:
        notes.append("Less than a year of history tells little of the season: months ahead are as unsure as they look.")
    stepped = [("Demand of the whole force", trend.force.steps[0])]
    for parts, names, of in (
        (trend.districts, known.series.district_ids, "The share of district"),
        (trend.classes, known.class_codes, "The share of class"),
    ):
        if parts is not None:
            stepped += [(f"{of} '{name}'", each) for name, each in zip(names, parts.levels.steps, strict=True)]
    notes += _tell_changes(known)
    for what, steps in stepped:
        told = [f"{'rose' if size > 0 else 'fell'} by {abs(np.expm1(size)):.0%} about {day}" for day, size in steps]
        if told:
            notes.append(f"{what} {', '.join(told)}, and is followed from there on.")
    return tuple(notes)


def _tell_changes(known: _Known) -> list[str]:
    """Say in which areas only what came since a change is learnt from."""
    found = sorted(known.changes, key=lambda change: -abs(np.log(change.ratio)))
    if not found:
        return []
    told = [
        f"'{known.series.area_ids[each.area]}' (× {each.ratio:.2g} since about {known.history.calendar.days[each.day]})"
        for each in found[:_MOST_TOLD]
    ]
    more = "" if len(found) <= _MOST_TOLD else f" and {len(found) - _MOST_TOLD} more"
    of = count_of(len(found), "area has", "areas have")
    return [f"{of} another share of the district than before, learnt from what came since: {', '.join(told)}{more}."]
