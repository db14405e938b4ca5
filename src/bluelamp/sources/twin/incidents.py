"""Incidents as they came: drawn from the truth, with the times, gaps and oddities of a command-and-control export.

Two rules are simple on purpose and said so here. A call waits for a unit the longer the busier its district is: the
mean wait grows with the square of the share of units that are committed (real queues are steeper and remember more).
Every unit sent is committed from dispatch until the last one leaves. Officers make work of their own in the time that
calls leave them, so that it falls when the force is short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods
from bluelamp.sources.twin.demand import Truth
from bluelamp.sources.twin.geography import PROFILES, Places

Numbers = NDArray[np.float64]
WholeNumbers = NDArray[np.int64]

GRADES = ("1", "2", "3", "4")
ORIGINS = ("public", "partner", "mandatory_internal", "officer_initiated", "directed", "administrative")
FUTURE_DAYS = 56
_BLOCK_DAYS = 91
_UNKNOWN = -1  # in arrays of seconds, areas and places


@dataclass(frozen=True)
class Work:
    """What incidents of a class and grade ask for; arrays have the shape (classes, 3 grades that are attended).

    `grade_share` is (classes, 4). `share_deployed` and `units` are means, `scene` the mean minutes at the scene,
    `scene_cv` (classes,) their coefficient of variation, `travel` (2 kinds: urban, rural; 3 grades) mean minutes.
    """

    grade_share: Numbers
    share_deployed: Numbers
    units: Numbers
    scene: Numbers
    scene_cv: Numbers
    travel: Numbers
    class_share: Numbers
    rural_share: Numbers

    def service_times(self, classes: Sequence[str], travel_cv: float) -> pl.DataFrame:
        """Give the rows of 'service_times' that the truth itself would give: means over urban and rural places."""
        rows = []
        for number, name in enumerate(classes):
            rural = self.rural_share[number]
            for grade in range(4):
                minutes = spread = units = deployed = 0.0
                if grade < 3:
                    travel = np.array([1 - rural, rural]) @ self.travel[:, grade]
                    squares = np.array([1 - rural, rural]) @ (self.travel[:, grade] ** 2 * (1 + travel_cv**2))
                    minutes = self.scene[number, grade] + travel
                    scene_spread = self.scene[number, grade] * self.scene_cv[number]
                    spread = float(np.sqrt(scene_spread**2 + squares - travel**2))
                    units, deployed = self.units[number, grade], self.share_deployed[number, grade]
                rows.append(
                    (
                        name,
                        GRADES[grade],
                        round(deployed, 4),
                        round(units, 4),
                        round(minutes, 2),
                        round(spread, 2),
                        None,
                        "made-up force",
                    )
                )
        columns = [
            "class_code",
            "grade_code",
            "share_deployed",
            "units_per_deployment",
            "minutes_per_unit",
            "sd_minutes",
            "incidents",
            "source",
        ]
        return pl.DataFrame(rows, schema=columns, orient="row")

    def unit_hours(self) -> float:
        """Unit-hours that one incident asks for, on average over classes, grades and places."""
        rural = self.rural_share[:, None]
        minutes = self.scene + (1 - rural) * self.travel[0] + rural * self.travel[1]
        of_class = (self.grade_share[:, :3] * self.share_deployed * self.units * minutes).sum(axis=1)
        return float(self.class_share @ of_class / 60)


def ask_for_work(truth: Truth, numbers: dict[str, Any]) -> Work:
    """Say what incidents ask for, with deployment shifted so that the force's share over history comes out."""
    classes = [numbers["classes"][name] for name in truth.classes]
    past = truth.rates[:, :, : truth.calendar.past].mean(axis=2)
    weights = np.bincount(truth.county.profile, truth.county.weight, len(PROFILES))
    by_profile = weights[:, None] * past
    class_share = by_profile.sum(axis=0) / by_profile.sum()
    is_rural = np.array([numbers["profiles"][name]["kind"] == "rural" for name in PROFILES])
    grade_share = np.array([each["grades"] for each in classes])
    grade_share = grade_share / grade_share.sum(axis=1, keepdims=True)
    effects = [numbers["grade_effect"][grade] for grade in GRADES[:3]]
    units = np.array(
        [
            [1 + (each["units"] - 1) * effect["further_units"] + effect["more_units"] for effect in effects]
            for each in classes
        ]
    )
    log_odds = np.array([_log_odds(numbers["share_deployed"][grade]) for grade in GRADES[:3]])
    log_odds = np.tile(log_odds, (len(classes), 1))
    log_odds[:, 2] += [each.get("attended", 0.0) for each in classes]
    # Only grade 3 is shifted: whether a routine call gets a unit is the force's choice, the others go.
    wanted = numbers["demand"]["share_deployed"]
    low, high = -12.0, 12.0
    for _ in range(60):
        middle = (low + high) / 2
        shifted = log_odds + np.array([0, 0, middle])
        share = float(class_share @ (grade_share[:, :3] * _share(shifted)).sum(axis=1))
        low, high = (middle, high) if share < wanted else (low, middle)
    return Work(
        grade_share=grade_share,
        share_deployed=_share(log_odds + np.array([0, 0, low])),
        units=units,
        scene=np.array([[each["minutes"] * effect["minutes"] for effect in effects] for each in classes]),
        scene_cv=np.array([each["cv"] for each in classes]),
        travel=np.array(
            [[numbers["travel_minutes"][kind][grade] for grade in GRADES[:3]] for kind in ("urban", "rural")]
        ),
        class_share=class_share,
        rural_share=by_profile[is_rural].sum(axis=0) / by_profile.sum(axis=0),
    )


def _log_odds(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _share(log_odds: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-log_odds))


def draw_calls(
    truth: Truth,
    work: Work,
    numbers: dict[str, Any],
    places: Places,
    usual_units: Numbers,
    random_of: Callable[..., np.random.Generator],
) -> pl.DataFrame:
    """Draw the calls of history and of the coming weeks, in order of receipt, all their times known (seconds).

    `usual_units` (districts, 24) are the units that can be crewed by local hour; `random_of` gives the generator of a
    named part. Beside the columns of 'incidents' they have what an export may lack: `scene_seconds`, where a call truly
    was (`true_area_id`, `true_longitude`, `true_latitude`), and its number (`drawn`, from 0). `number_calls` and
    `as_exported` make extracts of them.
    """
    drawing = _Drawing(truth, work, numbers, places, usual_units, random_of)
    past = truth.calendar.past_days
    blocks = [(first, min(first + _BLOCK_DAYS, past)) for first in range(0, past, _BLOCK_DAYS)]
    blocks.append((past, past + FUTURE_DAYS))
    calls = pl.concat([drawing.block(first, last) for first, last in blocks])
    return calls.with_columns(drawn=pl.int_range(pl.len(), dtype=pl.Int64))


class _Drawing:
    """What all blocks of incidents share."""

    def __init__(
        self,
        truth: Truth,
        work: Work,
        numbers: dict[str, Any],
        places: Places,
        usual_units: Numbers,
        random_of: Callable[..., np.random.Generator],
    ) -> None:
        self.truth, self.work, self.numbers, self.random_of = truth, work, numbers, random_of
        self.places, county = places, truth.county
        self.is_rural = np.array([numbers["profiles"][PROFILES[each]]["kind"] == "rural" for each in county.profile])
        self.codes = _Codes.of(truth.classes, numbers)
        hours = slice(0, truth.calendar.hours_of(0, truth.calendar.past_days + FUTURE_DAYS).stop)
        shocks = truth.shocks(hours)[county.district]
        usual = county.weight[:, None] * truth.rates[:, :, hours].sum(axis=1)[county.profile] * shocks
        self.counts = random_of("counts").poisson(usual)
        inside = truth.extra_hour < hours.stop
        self.extra_area, self.extra_hour = truth.extra_area[inside], truth.extra_hour[inside]
        self.extra_event = truth.extra_event[inside]
        self.extra = random_of("event counts").poisson(
            truth.extra_rate[inside] * shocks[self.extra_area, self.extra_hour]
        )
        self.busy = self._busy(hours, usual_units)
        self.own_rates = {name: self._own_rates(name, hours) for name in numbers["demand"]["own_work"]}
        # Classes in one line that rises by 1 a (profile, hour), so that one search finds every incident's class.
        shares = np.moveaxis(truth.rates[:, :, hours], 1, 2)
        shares = np.cumsum(shares, axis=2) / shares.sum(axis=2, keepdims=True)
        self.class_line = (shares + np.arange(shares.shape[0] * shares.shape[1]).reshape(*shares.shape[:2], 1)).ravel()
        self.hours = hours

    def _busy(self, hours: slice, usual_units: Numbers) -> Numbers:
        """The share of units committed, by district and hour, carried from hour to hour."""
        county, calendar = self.truth.county, self.truth.calendar
        districts = len(county.district_ids)
        work = np.zeros((districts, self.counts.shape[1]))
        np.add.at(work, county.district, self.counts)
        np.add.at(work, (county.district[self.extra_area], self.extra_hour), self.extra)
        work *= self.work.unit_hours()
        # Jobs of about 80 minutes leave this share of themselves to the next hour.
        kept = np.exp(-60 / 80)
        carried = np.empty_like(work)
        level = work.mean(axis=1)
        for hour in range(work.shape[1]):
            level = level * kept + work[:, hour] * (1 - kept)
            carried[:, hour] = level
        return carried / usual_units[:, calendar.hour[hours]]

    def _own_rates(self, name: str, hours: slice) -> Numbers:
        """Expected incidents of the force's own kinds by district and hour."""
        calendar, county = self.truth.calendar, self.truth.county
        share = np.bincount(county.district, county.weight)[:, None]
        hour = calendar.hour[hours]
        if name == "officer_initiated":
            shape = np.clip(1 - self.busy, 0.05, None) ** 1.5 * np.where((hour >= 3) & (hour < 7), 0.5, 1.0)
        elif name == "directed":
            shape = np.where((hour >= 11) & (hour < 24), 1.0, 0.1)[None]
        else:
            shape = np.where((hour >= 7) & (hour < 19), 1.0, 0.25)[None]
        rates = share * shape
        past = self.truth.calendar.past
        wanted = self.numbers["demand"]["own_work"][name] * self.truth.of_force()[:past].mean()
        return np.asarray(rates * wanted / rates[:, :past].sum(axis=0).mean())

    def block(self, first_day: int, last_day: int) -> pl.DataFrame:
        """Draw the incidents of some days, in order of receipt, times in seconds since 1970."""
        hours = self.truth.calendar.hours_of(first_day, last_day)
        random = self.random_of("incidents", first_day)
        parts = [self._called(hours, random), *(self._own(name, hours, random) for name in self.own_rates)]
        together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.argsort(together["received"], kind="stable")
        return self._frame({name: values[order] for name, values in together.items()})

    def _called(self, hours: slice, random: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Draw what the public, partners and the force's own duties brought."""
        truth, county = self.truth, self.truth.county
        counts = self.counts[:, hours]
        cell = np.repeat(np.arange(counts.size), counts.ravel())
        area, hour = cell // counts.shape[1], cell % counts.shape[1] + hours.start
        line = county.profile[area] * (self.hours.stop - self.hours.start) + hour
        of_class = np.searchsorted(self.class_line, line + random.random(len(line)), side="right")
        of_class = np.clip(of_class - line * len(truth.classes), 0, len(truth.classes) - 1)
        inside = (self.extra_hour >= hours.start) & (self.extra_hour < hours.stop)
        of_event = [
            np.repeat(values[inside], self.extra[inside])
            for values in (self.extra_area, self.extra_hour, self.extra_event)
        ]
        area, hour = np.concatenate([area, of_event[0]]), np.concatenate([hour, of_event[1]])
        event_class = choose(truth.event_mix, of_event[2], random)
        of_class = np.concatenate([of_class, event_class])
        return self._worked(area, hour, of_class, random)

    def _worked(
        self, area: WholeNumbers, hour: WholeNumbers, of_class: WholeNumbers, random: np.random.Generator
    ) -> dict[str, NDArray[Any]]:
        """Give incidents their grade, origin, code and times."""
        work, numbers, size = self.work, self.numbers, len(area)
        received = self.truth.calendar.epoch[hour] + random.integers(0, 3600, size)
        grade = choose(work.grade_share, of_class, random)
        code = self.codes.first[of_class] + choose(self.codes.shares, of_class, random)
        origin = choose(self.codes.origins, of_class, random)
        attended_grade = np.minimum(grade, 2)
        is_deployed = (grade < 3) & (random.random(size) < work.share_deployed[of_class, attended_grade])
        units = np.minimum(1 + random.poisson(work.units[of_class, attended_grade] - 1), 40)
        by_grade = {
            name: np.array([numbers[name][each] for each in GRADES[:3]])
            for name in ("handling_minutes", "queue_minutes")
        }
        district = self.truth.county.district[area]
        busy = np.clip(self.busy[district, hour] * 3, 0.3, 4.0) ** 2
        waited = spread(by_grade["handling_minutes"][attended_grade], 0.6, random)
        waited += random.gamma(0.6, 1 / 0.6, size) * by_grade["queue_minutes"][attended_grade] * busy
        travelled = spread(
            work.travel[self.is_rural[area].astype(int), attended_grade], numbers["travel"]["cv"], random
        )
        worked = spread(work.scene[of_class, attended_grade], work.scene_cv[of_class], random)
        is_zero = random.random(size) < numbers["demand"]["share_zero_minutes"]
        travelled, worked = np.where(is_zero, 0, travelled), np.where(is_zero, 0, worked)
        return self._row(area, received, code, origin, grade, is_deployed, units, waited, travelled, worked, random)

    def _own(self, name: str, hours: slice, random: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Draw the force's own work of one origin."""
        county, what = self.truth.county, self.numbers["own_work"][name]
        counts = random.poisson(self.own_rates[name][:, hours])
        cell = np.repeat(np.arange(counts.size), counts.ravel())
        district, hour = cell // counts.shape[1], cell % counts.shape[1] + hours.start
        size = len(cell)
        share = np.where(np.arange(len(county.district_ids))[:, None] == county.district, county.weight, 0.0)
        area = choose(share / share.sum(axis=1, keepdims=True), district, random)
        first, shares = self.codes.own[name]
        code = first + choose(shares[None], np.zeros(size, dtype=np.int64), random)
        grade = np.full(size, GRADES.index(what["grade"]))
        is_deployed = np.full(size, what["minutes"] > 0)
        worked = spread(np.full(size, max(1.0, what["minutes"])), what["cv"], random)
        nothing = np.zeros(size)
        return self._row(
            area,
            self.truth.calendar.epoch[hour] + random.integers(0, 3600, size),
            code,
            np.full(size, ORIGINS.index(name)),
            grade,
            is_deployed,
            np.ones(size, dtype=np.int64),
            nothing,
            nothing,
            worked,
            random,
        )

    def _row(
        self,
        area: WholeNumbers,
        received: WholeNumbers,
        code: WholeNumbers,
        origin: WholeNumbers,
        grade: WholeNumbers,
        is_deployed: NDArray[np.bool_],
        units: WholeNumbers,
        waited: Numbers,
        travelled: Numbers,
        worked: Numbers,
        random: np.random.Generator,
    ) -> dict[str, NDArray[Any]]:
        """Give the columns of incidents, with what an export lacks; times in seconds, unknown ones -1."""
        demand, closing, size = self.numbers["demand"], self.numbers["closing_minutes"], len(area)
        dispatched = received + np.rint(waited * 60).astype(np.int64)
        arrived = dispatched + np.rint(travelled * 60).astype(np.int64)
        cleared = arrived + np.rint(worked * 60).astype(np.int64)
        mean = np.where(is_deployed, closing["attended"], closing["not_attended"])
        log_open = np.rint(spread(mean, closing["cv"], random) * 60).astype(np.int64)
        is_information = ~is_deployed & (random.random(size) < demand["share_information_only"])
        closed = np.where(is_deployed, cleared, received) + np.where(is_information, 0, log_open)
        has_arrival = is_deployed & (random.random(size) >= demand["share_arrival_missing"])
        ending = self.codes.endings
        disposition = np.where(
            is_deployed,
            choose(ending[:1], np.zeros(size, dtype=np.int64), random),
            choose(ending[1:], np.zeros(size, dtype=np.int64), random) + self.codes.attended_endings,
        )
        place = np.searchsorted(self.places.cumulative, area + random.random(size), side="right")
        true_place = np.clip(place, self.places.starts[area], self.places.starts[area + 1] - 1)
        drawn = random.random(size)
        is_lost = drawn < demand["share_place_unknown"] + demand["share_point_unknown"]
        place = np.where(is_lost, _UNKNOWN, true_place)
        return {
            "received": received,
            "dispatched": np.where(is_deployed, dispatched, _UNKNOWN),
            "arrived": np.where(has_arrival, arrived, _UNKNOWN),
            "cleared": np.where(is_deployed, cleared, _UNKNOWN),
            "closed": closed,
            "code": code,
            "origin": origin,
            "grade": grade,
            "scene": np.where(is_deployed, np.rint(worked * 60).astype(np.int64), 0),
            "true_area": area,
            "true_place": true_place,
            "area": np.where(drawn < demand["share_place_unknown"], _UNKNOWN, area),
            "place": place,
            "units": np.where(is_deployed, units, 0),
            "disposition": disposition,
        }

    def _frame(self, columns: dict[str, NDArray[Any]]) -> pl.DataFrame:
        def picked(values: Sequence[Any] | Numbers, at: NDArray[Any], name: str) -> pl.Series:
            index = pl.Series(name, at, dtype=pl.Int64)
            return pl.Series(name, values).gather(index.replace(_UNKNOWN, None) if (at < 0).any() else index)

        def instant(name: str) -> pl.Series:
            seconds = pl.Series(f"{name}_at", columns[name], dtype=pl.Int64)
            return seconds.replace(_UNKNOWN, None) if (columns[name] < 0).any() else seconds

        return pl.DataFrame(
            [
                *(instant(name) for name in ("received", "dispatched", "arrived", "cleared", "closed")),
                picked(self.codes.code, columns["code"], "opening_code"),
                picked(self.codes.description, columns["code"], "opening_description"),
                picked(self.codes.class_code, columns["code"], "class_code"),
                picked(ORIGINS, columns["origin"], "origin"),
                picked(GRADES, columns["grade"], "grade_code"),
                picked(self.truth.county.area_ids, columns["area"], "area_id"),
                picked(self.places.longitude, columns["place"], "longitude"),
                picked(self.places.latitude, columns["place"], "latitude"),
                pl.Series("units", columns["units"], dtype=pl.Int64),
                picked(self.codes.disposition, columns["disposition"], "disposition_code"),
                pl.Series("scene_seconds", columns["scene"], dtype=pl.Int64),
                picked(self.truth.county.area_ids, columns["true_area"], "true_area_id"),
                picked(self.places.longitude, columns["true_place"], "true_longitude"),
                picked(self.places.latitude, columns["true_place"], "true_latitude"),
            ]
        )


@dataclass(frozen=True)
class _Codes:
    """The force's own codes: one row a code, and where each class and each own kind of work finds its codes."""

    code: list[str]
    description: list[str]
    class_code: list[str]
    first: WholeNumbers
    shares: Numbers
    origins: Numbers
    own: dict[str, tuple[int, Numbers]]
    disposition: list[str]
    endings: Numbers
    attended_endings: int

    @classmethod
    def of(cls, classes: list[str], numbers: dict[str, Any]) -> _Codes:
        rows: list[tuple[str, str, str]] = []
        first, shares = [], np.zeros((len(classes), max(len(numbers["classes"][name]["codes"]) for name in classes)))
        for number, name in enumerate(classes):
            first.append(len(rows))
            for place, (code, description, weight) in enumerate(numbers["classes"][name]["codes"]):
                rows.append((code, description, name))
                shares[number, place] = weight
        own = {}
        for name, what in numbers["own_work"].items():
            weights = np.array([weight for *_, weight in what["codes"]], dtype=np.float64)
            own[name] = (len(rows), weights / weights.sum())
            rows += [(code, description, of_class) for code, description, of_class, _ in what["codes"]]
        origins = np.array([numbers["classes"][name]["origins"] for name in classes])
        attended, others = numbers["dispositions"]["attended"], numbers["dispositions"]["not_attended"]
        endings = np.zeros((2, max(len(attended), len(others))))
        for row, ends in enumerate((attended, others)):
            endings[row, : len(ends)] = [weight for *_, weight in ends]
        code, description, class_code = (list(column) for column in zip(*rows, strict=True))
        return cls(
            code,
            description,
            class_code,
            np.array(first),
            shares / shares.sum(axis=1, keepdims=True),
            origins / origins.sum(axis=1, keepdims=True),
            own,
            [each[0] for each in (*attended, *others)],
            endings / endings.sum(axis=1, keepdims=True),
            len(attended),
        )


def choose(shares: Numbers, row: WholeNumbers, random: np.random.Generator) -> WholeNumbers:
    """Choose a column for each of many rows of a table of shares."""
    line = np.cumsum(shares, axis=1)
    line = line / line[:, -1:] + np.arange(len(shares))[:, None]
    found = np.searchsorted(line.ravel(), row + random.random(len(row)), side="right")
    chosen = np.minimum(found - row * shares.shape[1], shares.shape[1] - 1)
    return np.asarray(chosen, dtype=np.int64)


def spread(mean: Numbers, cv: float | Numbers, random: np.random.Generator) -> Numbers:
    """Draw log-normal values of that mean and coefficient of variation."""
    sigma = np.sqrt(np.log1p(np.square(cv)))
    return np.asarray(mean * np.exp(sigma * random.standard_normal(len(mean)) - sigma**2 / 2))


def number_calls(drawn: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    """Give logs their numbers: the local year and the number of the log in it, in order of receipt."""
    instant = pl.from_epoch("received_at", "s").dt.replace_time_zone("UTC").dt.convert_time_zone(time_zone)
    return (
        drawn.with_columns(year=instant.dt.year())
        .with_columns(number=pl.int_range(1, pl.len() + 1).over("year"))
        .with_columns(incident_id=pl.concat_str("year", pl.lit("-"), pl.col("number").cast(pl.String).str.zfill(7)))
        .drop("year", "number")
    )


def as_exported(drawn: pl.DataFrame, end: int | None) -> pl.DataFrame:
    """Give incidents as they stood at `end`, in the columns of 'incidents': what came later is not known yet."""
    times = ["dispatched_at", "arrived_at", "cleared_at", "closed_at"]
    if end is not None:
        drawn = drawn.with_columns(
            pl.when(pl.col("dispatched_at") >= end).then(None).otherwise(pl.col("units")).alias("units"),
            pl.when(pl.col("closed_at") >= end)
            .then(None)
            .otherwise(pl.col("disposition_code"))
            .alias("disposition_code"),
            *(pl.when(pl.col(name) < end).then(pl.col(name)).alias(name) for name in times),
        )
    return drawn.with_columns(
        *((pl.col(name) * 1_000_000).cast(periods.INSTANT) for name in ("received_at", *times)),
        status=pl.when(pl.col("closed_at").is_null()).then(pl.lit("open")).otherwise(pl.lit("closed")),
        repairs=pl.lit(None, dtype=pl.String),
    ).select(
        "incident_id",
        "received_at",
        *times,
        "opening_code",
        "opening_description",
        "class_code",
        "origin",
        "grade_code",
        "area_id",
        "longitude",
        "latitude",
        "units",
        "disposition_code",
        "status",
        "repairs",
    )
