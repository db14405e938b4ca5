"""Peaks that somebody plants in the made-up force: one class, one place, some days and hours, so many times the usual.

No table of events knows of them. What they add comes on top of the incidents that the force was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods
from bluelamp.errors import did_you_mean
from bluelamp.sources.twin.demand import HORIZON_DAYS, Calendar, Truth, day_begun
from bluelamp.sources.twin.geography import County

WholeNumbers = NDArray[np.int64]

EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
_WINDOWS: dict[str, Any] = {
    "peak_id": pl.String,
    "class_code": pl.String,
    "place_id": pl.String,
    "starts_at": periods.INSTANT,
    "ends_at": periods.INSTANT,
    "times": pl.Float64,
    "usual_incidents": pl.Float64,
    "more_incidents": pl.Float64,
}


@dataclass(frozen=True)
class Peak:
    """From the first to the last local day, between two hours of the given weekdays: `times` the usual of a class.

    `place_id` names an area, a district ('D1' has the middle of the city) or the force. Weekdays are 1 (Monday) to 7.
    Where `to_hour` is not after `from_hour`, hours run past midnight and belong to the day on which they begin.
    """

    class_code: str
    place_id: str
    first_day: date
    last_day: date
    weekdays: tuple[int, ...] = EVERY_DAY
    from_hour: int = 0
    to_hour: int = 24
    times: float = 2.0


def usual_peaks(numbers: dict[str, Any], until: date, days: int) -> list[Peak]:
    """Give the peaks of truth.toml: some come every year, some in a few of the weeks that follow `until`."""
    found = []
    for what in numbers["planted"]["peaks"]:
        shared = {name: what[name] for name in ("class_code", "place_id", "from_hour", "to_hour", "times")}
        if "each_year" in what:
            (month, day), (last_month, last_day) = what["each_year"]
            first_year, last_year = (until + timedelta(days=number) for number in (-days, HORIZON_DAYS))
            for year in range(first_year.year, last_year.year + 1):
                first, last = date(year, month, day), date(year, last_month, last_day)
                if last >= first_year and first < last_year:
                    found.append(Peak(**shared, first_day=first, last_day=last))
        else:
            coming = until + timedelta(days=(what["weekday"] - until.isoweekday()) % 7)
            for week in what["weeks_ahead"]:
                night = coming + timedelta(weeks=week)
                found.append(Peak(**shared, first_day=night, last_day=night))
    return found


def problems_with(
    peaks: Sequence[Peak], classes: Sequence[str], county: County, calendar: Calendar, force_id: str
) -> list[str]:
    """Say, a sentence each, what is wrong with peaks that are asked for."""
    places = {force_id, *county.district_ids, *county.area_ids}
    problems = []
    for number, peak in enumerate(peaks, 1):
        if peak.class_code not in classes:
            hint = did_you_mean(peak.class_code, classes)
            problems.append(f"Peak {number} is of the class '{peak.class_code}', which the force does not have.{hint}")
        if peak.place_id not in places:
            problems.append(
                f"Peak {number} is in '{peak.place_id}'. An area (B001 …), a district (D1 …) or the force ({force_id}) "
                "was expected."
            )
        if not 1 < peak.times <= 100:
            problems.append(
                f"Peak {number} has {peak.times} times the usual; more than 1 and at most 100 were expected."
            )
        if not (0 <= peak.from_hour < 24 and 0 <= peak.to_hour <= 24):
            problems.append(
                f"Peak {number} runs from {peak.from_hour} to {peak.to_hour}; hours from 0 to 24 were expected."
            )
        if not (peak.weekdays and set(peak.weekdays) <= set(EVERY_DAY)):
            problems.append(f"Peak {number} has other weekdays than 1 (Monday) to 7 (Sunday), or none.")
        elif not _hours_of(peak, calendar):
            problems.append(
                f"Peak {number}, from {peak.first_day} to {peak.last_day}, has no hour between {calendar.days[0]} and "
                f"{calendar.days[-1]}, the days that are made."
            )
    return problems


def add_peaks(truth: Truth, peaks: Sequence[Peak], force_id: str) -> Truth:
    """Give the truth with the peaks in it, as incidents on top of the usual ones in the hours that they have."""
    for number, peak in enumerate(peaks, len(truth.event_mix)):
        areas = _areas_of(peak.place_id, truth.county, force_id)
        hours = np.concatenate(_hours_of(peak, truth.calendar))
        of_class = truth.classes.index(peak.class_code)
        usual = truth.county.weight[areas, None] * truth.rates[truth.county.profile[areas], of_class][:, hours]
        truth = replace(
            truth,
            extra_area=np.append(truth.extra_area, np.repeat(areas, len(hours))),
            extra_hour=np.append(truth.extra_hour, np.tile(hours, len(areas))),
            extra_event=np.append(truth.extra_event, np.full(usual.size, number)),
            extra_rate=np.append(truth.extra_rate, (peak.times - 1) * usual),
            event_mix=np.append(truth.event_mix, np.eye(len(truth.classes))[[of_class]], axis=0),
        )
    return truth


def windows_of(truth: Truth, peaks: Sequence[Peak], force_id: str) -> pl.DataFrame:
    """Give a row a day or night of each peak: when it is, and the incidents that are usual and those it adds."""
    rows = []
    for number, peak in enumerate(peaks, 1):
        areas = _areas_of(peak.place_id, truth.county, force_id)
        of_class = truth.classes.index(peak.class_code)
        for hours in _hours_of(peak, truth.calendar):
            rates = truth.rates[truth.county.profile[areas], of_class][:, hours]
            usual = float(truth.county.weight[areas] @ rates.sum(axis=1))
            starts_at = truth.calendar.starts[int(hours[0])]
            ends_at = truth.calendar.starts[int(hours[-1])] + timedelta(hours=1)
            rows.append(
                (
                    f"P{number}",
                    peak.class_code,
                    peak.place_id,
                    starts_at,
                    ends_at,
                    peak.times,
                    usual,
                    (peak.times - 1) * usual,
                )
            )
    return pl.DataFrame(rows, schema=_WINDOWS, orient="row")


def _areas_of(place_id: str, county: County, force_id: str) -> WholeNumbers:
    if place_id == force_id:
        return np.arange(len(county.area_ids))
    if place_id in county.district_ids:
        return np.flatnonzero(county.district == county.district_ids.index(place_id))
    return np.array([county.area_ids.index(place_id)])


def _hours_of(peak: Peak, calendar: Calendar) -> list[WholeNumbers]:
    """Give the hours (numbers in the calendar) of each day or night of a peak, as far as the calendar goes."""
    first, last = ((day - calendar.days[0]).days for day in (peak.first_day, peak.last_day))
    begun = day_begun(calendar.day, calendar.hour, peak.from_hour, peak.to_hour)
    fits = (begun >= max(first, 0)) & (begun <= last) & np.isin(calendar.weekday(begun), peak.weekdays)
    hours = np.flatnonzero(fits)
    return np.split(hours, np.flatnonzero(np.diff(begun[hours])) + 1) if len(hours) else []
