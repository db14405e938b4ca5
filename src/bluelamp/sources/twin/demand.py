"""The truth about demand: what is expected, hour by hour, before chance has its say.

Expected incidents an hour in an area, of a class, from the public, partners and the force's own duties, are

    weight of the area × share of the class in such a place × shape of the hour of the week × season × growth
    × bank and school holidays  +  football and festival,

and the day multiplies them by two shocks, one of the force and one of the district (gamma, mean 1), which no
forecaster can know. Counts are Poisson. As areas of one profile (core, inner, suburb, town, rural) share their shapes,
the truth is one array (profile, class, hour), a weight an area, and a short list of event hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

import holidays
import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods
from bluelamp.sources.twin.geography import PROFILES, County

Numbers = NDArray[np.float64]
WholeNumbers = NDArray[np.int64]

_SPECIAL_EVENINGS = {(12, 31): "new_years_eve", (10, 31): "halloween", (11, 5): "bonfire_night"}

# Hours of a match, and before kick-off in which people come.
_MATCH, _LEAD_IN = 2, 3
# A row of `events`: its columns in order.
_EventRow = tuple[str, str, str, str | None, datetime, datetime, float | None, float | None]

# Rates are wanted for a year ahead, so that forecasts of any length can be judged.
HORIZON_DAYS = 365


@dataclass(frozen=True)
class Calendar:
    """The local hours of history and horizon, side by side.

    Arrays run over hours: `day` (number of the local day, from 0), `slot` (0–167, Monday first), `hour`. `past` is the
    number of hours before the first day of the future, `days` the local days.
    """

    time_zone: str
    starts: pl.Series
    epoch: WholeNumbers
    day: WholeNumbers
    slot: WholeNumbers
    hour: WholeNumbers
    days: list[date]
    past: int
    past_days: int

    @classmethod
    def of(cls, time_zone: str, until: date, days: int) -> Calendar:
        """Lay out so many days before `until` and a year from it."""
        first, last = until - timedelta(days=days), until + timedelta(days=HORIZON_DAYS - 1)
        edges = periods.local_days(time_zone, first, last)
        starts = periods.hours_between(time_zone, edges["starts_at"][0], edges["ends_at"][-1])
        parts = periods.local_parts(starts, time_zone)
        began: datetime = edges["starts_at"][days]
        return cls(
            time_zone=time_zone,
            starts=starts,
            epoch=starts.dt.epoch("s").to_numpy().astype(np.int64),
            day=(parts["day"] - first).dt.total_days().to_numpy().astype(np.int64),
            slot=parts["slot"].to_numpy().astype(np.int64),
            hour=parts["hour"].to_numpy().astype(np.int64),
            days=edges["day"].to_list(),
            past=int((starts < began).sum()),
            past_days=days,
        )

    def hours_of(self, first_day: int, last_day: int) -> slice:
        """Give the hours of the days first_day … last_day - 1, as a slice."""
        return slice(int(np.searchsorted(self.day, first_day)), int(np.searchsorted(self.day, last_day)))

    def weekday(self, day: WholeNumbers) -> WholeNumbers:
        """Give the weekdays of days by number: 1 (Monday) to 7."""
        return np.asarray((self.days[0].weekday() + day) % 7 + 1)

    def instants(self, day: int, from_hour: int, hours: int) -> tuple[datetime, datetime]:
        """Give the start and end (UTC) of hours of a local day; an hour beyond 23 lies in the next day."""
        wall = datetime.combine(self.days[0] + timedelta(days=day), datetime.min.time())
        both = pl.DataFrame({"at": [wall + timedelta(hours=from_hour), wall + timedelta(hours=from_hour + hours)]})
        start, end = periods.to_utc(both, "at", self.time_zone)["at"].to_list()
        return start, end


def day_begun(day: WholeNumbers, hour: WholeNumbers, from_hour: int, to_hour: int) -> WholeNumbers:
    """Give the day on which the opening that each hour lies in began, and -1 for hours outside of it.

    Where `to_hour` is not after `from_hour`, openings run past midnight.
    """
    if from_hour < to_hour:
        return np.where((hour >= from_hour) & (hour < to_hour), day, -1)
    return np.where(hour >= from_hour, day, np.where(hour < to_hour, day - 1, -1))


@dataclass(frozen=True)
class Truth:
    """What is expected. Shapes: `rates` (profiles, classes, hours), incidents an hour of a place of weight 1;
    `extra` one row an event hour (`area`, `hour` index, `event` index) with `rate`, incidents an hour;
    `event_mix` (events, classes), shares; `force_shock` (days,) and `district_shock` (districts, days).
    """

    calendar: Calendar
    county: County
    classes: list[str]
    rates: Numbers
    extra_area: WholeNumbers
    extra_hour: WholeNumbers
    extra_event: WholeNumbers
    extra_rate: Numbers
    event_mix: Numbers
    force_shock: Numbers
    district_shock: Numbers
    events: pl.DataFrame

    def by_area(self, hours: slice) -> Numbers:
        """Expected incidents of every area and hour, without day shocks, events included; shape (areas, hours)."""
        expected: Numbers = self.county.weight[:, None] * self.rates[:, :, hours].sum(axis=1)[self.county.profile]
        inside = (self.extra_hour >= hours.start) & (self.extra_hour < hours.stop)
        np.add.at(expected, (self.extra_area[inside], self.extra_hour[inside] - hours.start), self.extra_rate[inside])
        return expected

    def of_force(self) -> Numbers:
        """Expected incidents of the whole force, every hour, without day shocks."""
        weights = np.bincount(self.county.profile, self.county.weight, len(PROFILES))
        total: Numbers = np.einsum("p,pch->h", weights, self.rates)
        return total + np.bincount(self.extra_hour, self.extra_rate, total.size)

    def shocks(self, hours: slice) -> Numbers:
        """The factor of each district and hour, shape (districts, hours)."""
        day = self.calendar.day[hours]
        factor: Numbers = self.force_shock[day] * self.district_shock[:, day]
        return factor


def tell_truth(
    county: County,
    calendar: Calendar,
    numbers: dict[str, Any],
    weekly_incidents: float,
    random: np.random.Generator,
) -> Truth:
    """Make the truth, scaled so that history expects `weekly_incidents` a week, events included."""
    classes = list(numbers["classes"])
    area_count = len(county.area_ids)
    rates = _rates(county, calendar, numbers, classes)
    spots = _Spots.of(county, calendar, numbers, area_count)
    mixes = np.array([[numbers[name]["mix"].get(each, 0.0) for each in classes] for name in ("football", "festival")])
    weights = np.bincount(county.profile, county.weight, len(PROFILES))
    past = slice(0, calendar.past)
    weeks = calendar.past_days / 7
    usual = np.einsum("p,pch->", weights, rates[:, :, past]) / weeks
    # Events are told for 6,559 incidents a week in 121 areas; they grow with the force.
    extra_rate = spots.rate * weekly_incidents / 6559
    of_events = extra_rate[spots.hour < calendar.past].sum() / weeks
    rates *= (weekly_incidents - of_events) / usual
    demand = numbers["demand"]
    days, districts = len(calendar.days), len(county.district_ids)
    return Truth(
        calendar=calendar,
        county=county,
        classes=classes,
        rates=rates,
        extra_area=spots.area,
        extra_hour=spots.hour,
        extra_event=spots.event,
        extra_rate=extra_rate,
        event_mix=mixes / mixes.sum(axis=1, keepdims=True),
        force_shock=_gamma(random, demand["force_day_cv"], (days,)),
        district_shock=_gamma(random, demand["district_day_cv"], (districts, days)),
        events=pl.concat([spots.rows, _school_rows(calendar)]).sort("starts_at", "event_id"),
    )


def _gamma(random: np.random.Generator, cv: float, shape: tuple[int, ...]) -> Numbers:
    return random.gamma(1 / cv**2, cv**2, shape)


# ---- the usual week, season and growth ----


def _rates(county: County, calendar: Calendar, numbers: dict[str, Any], classes: list[str]) -> Numbers:
    slots = _living_slots(calendar)
    nightlife = _nightlife(numbers["nightlife"])
    day_of_year = np.array([day.timetuple().tm_yday for day in calendar.days])
    years = (np.arange(len(calendar.days)) - calendar.past_days / 2) / 365.25
    pull = np.array([numbers["profiles"][name]["nightlife"] for name in PROFILES])
    rates = np.empty((len(PROFILES), len(classes), len(slots)))
    for number, (name, what) in enumerate(numbers["classes"].items()):
        curve = np.array(numbers["day"][what["day"]])
        usual = np.outer(numbers["week"][what["week"]], curve / curve.mean()).ravel()
        size, month = what["season"]
        season = 1 + size * np.cos(2 * np.pi * (day_of_year - 30.4 * (month - 0.5)) / 365.25)
        by_day = season * (1 + what["growth"]) ** years
        tilt = np.array([what["tilt"].get(profile, 1.0) for profile in PROFILES])
        week = usual + what["nightlife"] * pull[:, None] * nightlife
        rates[:, number] = what["share"] * tilt[:, None] * week[:, slots] * by_day[calendar.day]
        rates[:, number] *= _days_that_differ(calendar, numbers, name)
    return rates


def _nightlife(what: dict[str, Any]) -> Numbers:
    """Give the 168 hours of the week their nightlife: a night belongs to the day on which it begins."""
    week = np.zeros(168)
    for day, size in enumerate(what["nights"]):
        for number, share in enumerate(what["hours"]):
            week[(day * 24 + 19 + number) % 168] += size * share
    return week


@lru_cache(maxsize=64)
def _known_holidays(year: int) -> tuple[tuple[date, str], ...]:
    return tuple(sorted(holidays.country_holidays("GB", subdiv="ENG", years=year, language="en_GB").items()))


def _bank_holidays(calendar: Calendar) -> dict[int, str]:
    """Give the days that are bank holidays in England, by number, with their names."""
    years = range(calendar.days[0].year, calendar.days[-1].year + 2)
    first = calendar.days[0]
    return {(day - first).days: name for year in years for day, name in _known_holidays(year)}


def _living_slots(calendar: Calendar) -> WholeNumbers:
    """Give the slot that each hour lives like: a bank holiday like a Sunday, the evening before it like a Friday."""
    slots = calendar.slot.copy()
    weekday = slots // 24
    off = np.array(list(_bank_holidays(calendar)))
    is_off, is_eve = np.isin(calendar.day, off), np.isin(calendar.day + 1, off)
    slots[is_off & (calendar.hour >= 6)] = 6 * 24 + calendar.hour[is_off & (calendar.hour >= 6)]
    evening = is_eve & (calendar.hour >= 18) & (weekday != 5)
    slots[evening] = 4 * 24 + calendar.hour[evening]
    small_hours = is_off & (calendar.hour < 6) & (weekday != 6)
    slots[small_hours] = 5 * 24 + calendar.hour[small_hours]
    return slots


def _days_that_differ(calendar: Calendar, numbers: dict[str, Any], name: str) -> Numbers:
    """Give the factor of one class for every hour: holidays, special evenings, school holidays."""
    factor = np.ones(len(calendar.hour))
    first = calendar.days[0]
    for number, holiday in _bank_holidays(calendar).items():
        factor[calendar.hours_of(number, number + 1)] *= _factor(numbers["holidays"][_kind_of_holiday(holiday)], name)
    for number, day in enumerate(calendar.days):
        special = _SPECIAL_EVENINGS.get((day.month, day.day))
        if special:
            evening = (calendar.day == number) & (calendar.hour >= 18)
            small_hours = (calendar.day == number + 1) & (calendar.hour < 6)
            factor[evening | small_hours] *= _factor(numbers["evenings"][special], name)
    if name in numbers["school_holidays"]:
        what = numbers["school_holidays"][name]
        off = [
            (begin - first).days + number
            for _, begin, end in school_holidays(first.year - 1, calendar.days[-1].year)
            for number in range((end - begin).days + 1)
        ]
        inside = np.isin(calendar.day, off) & (calendar.hour >= what["from_hour"]) & (calendar.hour < what["to_hour"])
        factor[inside] *= what["factor"]
    return factor


def _factor(what: dict[str, float], name: str) -> float:
    return what.get("all", 1.0) * what.get(name, 1.0)


def _kind_of_holiday(name: str) -> str:
    lower = name.lower()
    if "observed" in lower or "substitute" in lower:
        return "other"
    for word, kind in (("christmas", "christmas_day"), ("boxing", "boxing_day"), ("new year", "new_years_day")):
        if word in lower:
            return kind
    return "other"


def school_holidays(first_year: int, last_year: int) -> list[tuple[str, date, date]]:
    """Give made-up school holidays: code, first and last day. Rules, not any county's calendar."""
    found = []
    for year in range(first_year, last_year + 1):
        easter = next(day for day, name in _known_holidays(year) if "easter" in name.lower())
        monday = easter - timedelta(days=easter.weekday())
        spring, autumn = _monday(date(year, 5, 25)), _monday(date(year, 10, 24))
        found += [
            (f"school-{year}-february", _monday(date(year, 2, 12)), _monday(date(year, 2, 12)) + timedelta(days=6)),
            (f"school-{year}-easter", monday - timedelta(days=9), monday + timedelta(days=6)),
            (f"school-{year}-may", spring, spring + timedelta(days=6)),
            (f"school-{year}-summer", _monday(date(year, 7, 20)) + timedelta(days=2), date(year, 9, 2)),
            (f"school-{year}-october", autumn, autumn + timedelta(days=6)),
            (f"school-{year}-christmas", date(year, 12, 20), date(year + 1, 1, 3)),
        ]
    return found


def _monday(day: date) -> date:
    """Give the first Monday on or after a day."""
    return day + timedelta(days=-day.weekday() % 7)


def _school_rows(calendar: Calendar) -> pl.DataFrame:
    first, last = calendar.days[0], calendar.days[-1]
    rows = []
    for code, begin, end in school_holidays(first.year - 1, last.year):
        if end >= first and begin <= last:
            starts_at, ends_at = calendar.instants((begin - first).days, 0, 24 * ((end - begin).days + 1))
            rows.append((code, "School holiday", "school_holiday", None, starts_at, ends_at, None, None))
    return _event_frame(rows)


# ---- football and the festival ----


@dataclass(frozen=True)
class _Spots:
    area: WholeNumbers
    hour: WholeNumbers
    event: WholeNumbers
    rate: Numbers
    rows: pl.DataFrame

    @classmethod
    def of(cls, county: County, calendar: Calendar, numbers: dict[str, Any], area_count: int) -> _Spots:
        found: list[tuple[int, int, int, float]] = []
        rows: list[_EventRow] = []
        for day, when in enumerate(calendar.days):
            kick_off = _kick_off(when)
            if kick_off is not None:
                found += _match(county, calendar, numbers["football"], day, kick_off)
                starts_at, ends_at = calendar.instants(day, kick_off, _MATCH)
                name, beyond = numbers["football"]["name"], len(numbers["football"]["hours"]) - _LEAD_IN - _MATCH
                for code, area in (("football", county.stadium_area), ("football-centre", county.core_area)):
                    where = (f"{code}-{when:%Y%m%d}", name, "sport", county.area_ids[area])
                    rows.append((*where, starts_at, ends_at, float(_LEAD_IN), float(beyond)))
            if when == _festival_friday(when.year):
                found += _festival(county, calendar, numbers["festival"], day)
                starts_at, ends_at = calendar.instants(day, 16, 54)
                for area in county.festival_areas:
                    code = f"festival-{when.year}-{county.area_ids[area]}"
                    where = (code, numbers["festival"]["name"], "festival", county.area_ids[area])
                    rows.append((*where, starts_at, ends_at, None, None))
        table = np.array(found, dtype=np.float64).reshape(-1, 4)
        table = table[(table[:, 1] >= 0) & (table[:, 1] < len(calendar.hour))]
        whole = table[:, :3].astype(np.int64)
        return cls(whole[:, 0], whole[:, 1], whole[:, 2], table[:, 3], _event_frame(rows))


def _event_frame(rows: Sequence[_EventRow]) -> pl.DataFrame:
    text = dict.fromkeys(("event_id", "event_name", "kind", "area_id"), pl.String)
    instants, hours = dict.fromkeys(("starts_at", "ends_at"), periods.INSTANT), ("lead_in_hours", "wind_down_hours")
    return pl.DataFrame(rows, schema={**text, **instants, **dict.fromkeys(hours, pl.Float64)}, orient="row")


def _kick_off(day: date) -> int | None:
    """Give the hour of kick-off: every other Saturday from August to May at 15, and some Tuesdays at 20."""
    week = day.toordinal() // 7
    in_season = day.month >= 8 or day.month <= 5
    if in_season and day.weekday() == 5 and week % 2 == 0:
        return 15
    return 20 if in_season and day.weekday() == 1 and week % 8 == 3 else None


def _match(
    county: County, calendar: Calendar, what: dict[str, Any], day: int, kick_off: int
) -> list[tuple[int, int, int, float]]:
    start = calendar.hours_of(day, day + 1).start + kick_off - _LEAD_IN
    found = []
    for number, rate in enumerate(what["hours"]):
        found.append((county.stadium_area, start + number, 0, rate * (1 - what["share_in_core"])))
        found.append((county.core_area, start + number, 0, rate * what["share_in_core"]))
    return found


def _festival_friday(year: int) -> date:
    """The Friday of the second weekend in July."""
    return _monday(date(year, 7, 1)) + timedelta(days=11)


def _festival(county: County, calendar: Calendar, what: dict[str, Any], day: int) -> list[tuple[int, int, int, float]]:
    """From Friday 16:00 to Sunday 22:00, by the hour of the day."""
    start = calendar.hours_of(day, day + 1).start + 16
    return [
        (area, start + number, 1, what["hours"][(16 + number) % 24] * share)
        for number in range(54)
        for area, share in zip(county.festival_areas, what["shares"], strict=False)
    ]
