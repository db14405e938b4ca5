"""What shifts and days to come may have, kept from the joint paths as they are drawn, and why.

Why is told by taking away: the same rates without events, then without holidays too, then without drivers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cached_property
from itertools import chain, pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import quantiles, shifts
from bluelamp.forecast._history import Calendar, Floats, Integers, Series
from bluelamp.forecast._paths import DayPaths
from bluelamp.forecast._rates import RateModel
from bluelamp.forecast._table import rate_variance
from bluelamp.shifts import CAUSES, Ahead, Coming, Counts, Cut

WEEK_DAYS, QUARTER_DAYS = 7, 91
# Quantiles that stand in for paths where there are none.
_STAND_INS = 100


def cut(series: Series, offending: Collection[str], counted: str = "incidents") -> Cut:
    """Say how series add up to places and measures; `offending` are the classes that count as such."""
    classes = sorted({class_code for class_code, _ in series.cells} & set(offending))
    return Cut(series.area_ids, series.district_ids, series.district_of_area, series.force_id, classes, counted)


class Tally:
    """Counts of shifts and days, added up day by day as paths are drawn."""

    def __init__(
        self, model: RateModel, calendar: Calendar, time_zone: str, paths: int, how: Cut, *, explain: bool = True
    ) -> None:
        self.model, self.calendar, self.time_zone, self.paths, self.cut = model, calendar, time_zone, paths, how
        self._kind_of_cell = how.kind_of([class_code for class_code, _ in model.series.cells])
        self._order = np.argsort(self._kind_of_cell, kind="stable")
        self._districts = np.eye(len(how.district_ids))[:, how.district_of_area]  # districts × areas
        self._calmer = _calmer(calendar) if explain else []
        self._week_days = min(WEEK_DAYS, len(calendar.days))
        week_hours = int(np.searchsorted(calendar.day_of_hour, self._week_days))
        self._week = calendar.hours[:week_hours]
        self._week_ends = calendar.hours[week_hours] if week_hours < len(calendar.hours) else calendar.ends_at
        self._shift_counts: list[Counts] = []
        self._day_counts: list[Counts] = []
        self._area_counts: list[Counts] = []
        self._expected: list[dict[str, Floats]] = []  # a day: cause -> districts × kinds × hours
        self._area_expected: list[dict[str, Floats]] = []  # the same of areas × kinds × hours

    def add(self, drawn: DayPaths, rates: Floats) -> None:
        """Add a day of the paths with its rates, areas × cells × hours; days come in order."""
        area, cell = np.divmod(drawn.series, self.model.series.shape[1])
        kind, district = self._kind_of_cell[cell], self.cut.district_of_area[area]
        local = self.calendar.slot[drawn.first : drawn.last] % 24 // shifts.HOURS
        shift = np.searchsorted(np.unique(local), local)[drawn.hour - drawn.first]
        kinds, shifts_here = len(self.cut.classes) + 1, len(np.unique(local))
        by_shift = _count(
            (district * kinds + kind) * shifts_here + shift, drawn.path,
            (len(self.cut.district_ids), kinds, shifts_here, self.paths),
        )  # fmt: skip
        self._day_counts.append(by_shift.sum(axis=2, keepdims=True, dtype=by_shift.dtype))
        by_kind = self._expect(self.calendar, self._calmer, drawn.first, drawn.last, rates)
        if drawn.day < self._week_days:
            self._area_expected.append(by_kind)
            self._shift_counts.append(by_shift)
            fine = drawn.hour - drawn.first if self._by_hour else shift
            size = drawn.last - drawn.first if self._by_hour else shifts_here
            wholes = len(self.cut.wholes)
            every = _count(area * size + fine, drawn.path, (len(self.cut.area_ids), size, self.paths))
            parts = [every]
            if wholes > 1:
                crime = kind < kinds - 1
                parts.append(_count((area * size + fine)[crime], drawn.path[crime], every.shape))
            self._area_counts.append(np.stack(parts, axis=1))

    @cached_property
    def _by_hour(self) -> bool:
        """Whether areas are told by the hour: where an area has an incident an hour on average, so that an hour of it
        is more than chance.
        """
        week = self.model.rates(self.calendar, 0, len(self._week))
        return bool(week.sum() >= week.shape[0] * week.shape[2])

    def _expect(
        self, calendar: Calendar, calmer: list[Calendar], first: int, last: int, rates: Floats
    ) -> dict[str, Floats]:
        """Add what is expected of a day, with all causes and without them, and give it for areas × kinds × hours."""
        kept = {"": rates}
        for cause, calm in zip(CAUSES if calmer else (), calmer, strict=True):
            if _touches(cause, calendar, first, last):
                rates = self.model.rates(calm, first, last)
            kept[cause] = rates
        # What a cause leaves as it was is the same array: it need not be added up again.
        done: dict[int, Floats] = {}
        for each in kept.values():
            if id(each) not in done:
                done[id(each)] = self._by_kind(each)
        by_kind = {name: done[id(each)] for name, each in kept.items()}
        self._expected.append({name: np.tensordot(self._districts, each, 1) for name, each in by_kind.items()})
        return by_kind

    def _by_kind(self, rates: Floats) -> Floats:
        """Add areas × cells × hours up to areas × kinds × hours."""
        kinds, first = np.unique(self._kind_of_cell[self._order], return_index=True)
        found = np.zeros((rates.shape[0], len(self.cut.classes) + 1, rates.shape[2]))
        # Sorted runs are many times quicker than a product with a matrix of noughts and ones.
        found[:, kinds] = np.add.reduceat(rates[:, self._order], first, axis=1)
        return found

    def coming(self, far: Calendar | None = None, days_ahead: float = 0.0) -> Coming:
        """Give what was added up, and beyond it the days of `far`, which begins where the paths end and lies so many
        days after the history.
        """
        day_counts = self.cut.to_measures(self.cut.to_places(np.concatenate(self._day_counts, axis=2)), 1)
        starts = [self.calendar.hours]
        ends_at = self.calendar.ends_at
        calendars = [self.calendar]
        if far is not None:
            calmer = _calmer(far) if self._calmer else []
            bounds = np.searchsorted(far.day_of_hour, np.arange(len(far.days) + 1))
            for first, last in pairwise(bounds.tolist()):
                self._expect(far, calmer, first, last, self.model.rates(far, first, last))
            starts.append(far.hours)
            ends_at = far.ends_at
            calendars.append(far)
        days = shifts.lay_out(pl.concat(starts), ends_at, self.time_zone, "day")
        of_days = self._sums([{name: each.sum(axis=2, keepdims=True) for name, each in day.items()}
                              for day in self._expected])  # fmt: skip
        if far is not None:
            means = of_days[""][:, :, day_counts.shape[2] :]
            day_counts = np.concatenate([day_counts, self._stand_ins(means, far, days_ahead)], axis=2)
        shifts_ahead = shifts.lay_out(self._week, self._week_ends, self.time_zone, "shift")
        in_shift = [self._by_shift(day, number) for number, day in enumerate(self._expected[: self._week_days])]
        of_shifts = self._sums(in_shift)
        cells = shifts.lay_out(self._week, self._week_ends, self.time_zone, "hour" if self._by_hour else "shift")
        of_areas = [
            {name: self.cut.to_wholes(each, 1) for name, each in
             (day if self._by_hour else self._by_shift(day, number)).items()}
            for number, day in enumerate(self._area_expected)
        ]  # fmt: skip
        each_area = list(np.eye(len(self.cut.area_ids), dtype=np.bool_))
        by_day = [self._name_events(each, each.day_of_hour, self._members_of_places) for each in calendars]
        return Coming(
            cut=self.cut,
            hours=self.calendar.hours,
            shifts=_ahead(shifts_ahead, of_shifts, self.cut.to_measures(
                self.cut.to_places(np.concatenate(self._shift_counts, axis=2)), 1)),
            days=_ahead(days, of_days, day_counts),
            areas=_ahead(cells, _joined(of_areas), np.concatenate(self._area_counts, axis=2)),
            area_shifts=shifts_ahead,
            events_of_shift=self._name_events(self.calendar, shifts_ahead.of_hour, self._members_of_places),
            events_of_area=self._name_events(self.calendar, shifts_ahead.of_hour, each_area),
            events_of_day=[[*chain(*each)] for each in zip(*by_day, strict=True)],
            holiday_of_day=[_holiday(each, day) for each in calendars for day in range(len(each.days))],
        )  # fmt: skip

    def _by_shift(self, day: dict[str, Floats], number: int) -> dict[str, Floats]:
        here = self.calendar.day_of_hour == number
        local = self.calendar.slot[here] % 24 // shifts.HOURS
        first = np.flatnonzero(np.diff(local, prepend=-1))
        return {name: np.add.reduceat(each, first, axis=2) for name, each in day.items()}

    def _sums(self, by_day: list[dict[str, Floats]]) -> dict[str, Floats]:
        return {name: self.cut.to_measures(self.cut.to_places(each), 1) for name, each in _joined(by_day).items()}

    def _stand_ins(self, means: Floats, far: Calendar, days_ahead: float) -> Counts:
        """Give quantiles of even shares in place of paths, for days beyond them."""
        relative, clump = rate_variance(self.model, self._place_shares, self._mixes, far.days, days_ahead)
        relative = relative + clump / np.maximum(means, 1e-9)
        levels = np.append(np.arange(1, _STAND_INS) / _STAND_INS, 1 - 0.5 / _STAND_INS)
        flat = quantiles.of_negative_binomial(means.ravel(), relative.ravel(), levels.tolist())
        # As many as there are paths, so that a quantile of them is that of the distribution.
        chosen = -(-np.arange(1, self.paths + 1) * _STAND_INS // self.paths) - 1
        return flat.astype(np.int32)[:, chosen].reshape(*means.shape, self.paths)

    @property
    def _members_of_places(self) -> list[NDArray[np.bool_]]:
        return [*(self._districts > 0), np.ones(len(self.cut.area_ids), dtype=np.bool_)]

    def _name_events(self, calendar: Calendar, of_hour: Integers, members: list[NDArray[np.bool_]]) -> list[list[str]]:
        """Name the events that touch each place (one of `members`) in each stretch of hours, '' where none does."""
        first = np.flatnonzero(np.diff(of_hour, prepend=-1))
        names: list[list[dict[str, None]]] = [[{} for _ in first] for _ in members]
        hours = len(of_hour)
        for number, kind in enumerate(calendar.event_kinds, start=1):
            touched = calendar.event_of[:, :hours] == number
            if touched.any():
                by_stretch = np.logical_or.reduceat(touched, first, axis=1)
                for place, inside in enumerate(members):
                    for stretch in np.flatnonzero(by_stretch[inside].any(axis=0)):
                        names[place][stretch][kind.partition(", ")[0]] = None
        for kind, is_on in zip(calendar.force_kinds, calendar.force_event, strict=True):
            for stretch in np.flatnonzero(np.logical_or.reduceat(is_on[:hours], first)):
                for of_place in names:
                    of_place[stretch][kind.partition(", ")[0]] = None
        return [[" and ".join(each) for each in of_place] for of_place in names]

    @property
    def _place_shares(self) -> Floats:
        """Give the districts' shares in each place, places × districts."""
        usual = self._districts @ self.model.slot_rates.sum(axis=(1, 2))
        return np.concatenate([np.eye(len(usual)), usual[None] / max(float(usual.sum()), 1e-12)])

    @property
    def _mixes(self) -> Floats:
        """Give the classes' shares in each measure, measures × classes in the order of the series."""
        codes = sorted({class_code for class_code, _ in self.model.series.cells})
        usual = self.model.slot_rates.sum(axis=(0, 2))
        of_class = np.array(
            [usual[[class_code == code for class_code, _ in self.model.series.cells]].sum() for code in codes]
        )
        kinds = np.zeros((len(self.cut.classes) + 1, len(codes)))
        kinds[self.cut.kind_of(codes), np.arange(len(codes))] = of_class
        mixes = self.cut.to_measures(kinds, 0)
        found: Floats = mixes / np.maximum(mixes.sum(axis=1, keepdims=True), 1e-12)
        return found


def _count(index: Integers, path: Integers, shape: tuple[int, ...]) -> Counts:
    counts = np.bincount(index * shape[-1] + path, minlength=int(np.prod(shape)))
    # Half the room, and sorted faster.
    return counts.astype(np.int32).reshape(shape)


def _joined(by_day: list[dict[str, Floats]]) -> dict[str, Floats]:
    return {name: np.concatenate([day[name] for day in by_day], axis=2) for name in by_day[0]}


def _ahead(stretches: shifts.Stretches, sums: dict[str, Floats], counts: Counts) -> Ahead:
    return Ahead(stretches, sums[""], {name: each for name, each in sums.items() if name}, counts)


def _calmer(calendar: Calendar) -> list[Calendar]:
    """Give the calendar without events, without holidays as well, and without drivers as well: as in CAUSES."""
    nothing = np.zeros_like(calendar.force_event)
    no_events = replace(calendar, event_of=np.zeros_like(calendar.event_of), force_event=nothing)
    plain = replace(no_events, label=[""] * len(calendar.label), label_beside=("", ""))
    return [no_events, plain, replace(plain, drivers={})]


def _touches(cause: str, calendar: Calendar, first: int, last: int) -> bool:
    if cause == "event":
        return bool(calendar.event_of[:, first:last].any() or calendar.force_event[:, first:last].any())
    if cause == "holiday":
        return any(_labels_about(calendar, int(calendar.day_of_hour[first])))
    return bool(calendar.drivers)


def _labels_about(calendar: Calendar, day: int) -> tuple[str, str, str]:
    """Name the special day before a day, the day itself and the one after it."""
    labels = [calendar.label_beside[0], *calendar.label_of_day, calendar.label_beside[1]]
    return labels[day], labels[day + 1], labels[day + 2]


def _holiday(calendar: Calendar, day: int) -> str:
    before, itself, after = _labels_about(calendar, day)
    return itself or (f"day after {before}" if before else f"day before {after}" if after else "")
