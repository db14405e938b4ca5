"""One day against another: will it be worse, and how sure are we?

A day that lies behind has a count. A day to come has one in each joint path of the latest run, which are drawn again,
so that the chance that it brings more is the share of paths in which it does. Two days to come are compared path by
path: a busy fortnight is busy on both of its Fridays, and makes neither the worse one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods, reading, tables
from bluelamp import settings as settings_
from bluelamp.errors import NoInput, UsageError, did_you_mean
from bluelamp.forecast import RateModel, draw_again, read_model
from bluelamp.pools import holds_at
from bluelamp.store import Store

# A chance below this is no answer to whether a day will be worse.
_TOO_NEAR = 0.7


@dataclass(frozen=True)
class Side:
    """One of the days: how many it brought, or may bring in each path."""

    day: date
    counts: NDArray[np.int64]  # one a path; one alone where the day lies behind
    is_to_come: bool

    @property
    def mean(self) -> float:
        """Incidents that it had, or is expected to have."""
        return float(self.counts.mean())

    def quantile(self, share: float) -> int:
        """Give the smallest count that at least that share of the paths do not exceed."""
        ordered = np.sort(self.counts)
        return int(ordered[max(int(np.ceil(share * len(ordered))) - 1, 0)])


@dataclass(frozen=True)
class Comparison:
    """Two days, and the chances that the first has more, as many and fewer."""

    one: Side
    other: Side
    what: str
    paths: int

    def chances(self) -> tuple[float, float, float]:
        """Give the shares of paths in which the first day has more, as many, and fewer."""
        differ = np.sign(self.one.counts - self.other.counts) * np.ones(self.paths)
        return float((differ > 0).mean()), float((differ == 0).mean()), float((differ < 0).mean())

    def lines(self) -> list[str]:
        """Say it in sentences."""
        more, same, fewer = self.chances()
        lines = [f"{self.what}:", *(f"  {_told(each)}" for each in (self.one, self.other)), ""]
        if not (self.one.is_to_come or self.other.is_to_come):
            word = "more" if more else "fewer" if fewer else "as many"
            return [*lines, f"{self.one.day:%A} {self.one.day} had {word}. Both lie behind: there is no chance in it."]
        named = f"{self.one.day:%A} {self.one.day}"
        lines.append(f"Chance that {named} brings more: {more:.0%}; as many: {same:.0%}; fewer: {fewer:.0%}.")
        if max(more, fewer) < _TOO_NEAR:
            lines.append("That is too near to call: chance alone may turn it either way.")
        return lines


def _told(side: Side) -> str:
    when = f"{side.day:%A} {side.day.day} {side.day:%B %Y}"
    if not side.is_to_come:
        return f"{when} had {side.counts[0]}."
    return (
        f"{when}: {side.mean:.0f} expected; 80% {side.quantile(0.1)}–{side.quantile(0.9)}, "
        f"95% {side.quantile(0.025)}–{side.quantile(0.975)}."
    )


def compare(
    folder: Path | str,
    one: date,
    other: date,
    *,
    place: str | None = None,
    class_code: str | None = None,
    grade_code: str | None = None,
    from_hour: int = 0,
    to_hour: int = 24,
) -> Comparison:
    """Compare two local days of the latest run: those behind by what they had, those to come by its joint paths.

    `place` is an area, a district or the force. With hours that run past midnight the night belongs to the day on which
    it begins. Counts are of what drives the forecast. Raises NoInput where there is no run, UsageError for a day that
    is neither known nor within the paths, or a place, class or grade that is not there.
    """
    settings = settings_.read(folder)
    if from_hour == to_hour:
        raise UsageError(
            f"From {from_hour:02}:00 to {to_hour:02}:00 is no time at all. Name other hours, or leave them out."
        )
    still = Store(folder).snapshot()
    if still.runs().is_empty():
        raise NoInput(f"There is no forecast yet. 'bluelamp plan {folder}' makes one.")
    run = still.latest_run()
    ground = _Ground.of(still, run, settings, place, class_code, grade_code, from_hour, to_hour)
    days = {day for each in (one, other) for day in ground.days_of(each)}
    counts = ground.count(days)
    sides = []
    for each in (one, other):
        parts = [counts[day][part] for part, day in enumerate(ground.days_of(each))]
        sides.append(Side(each, np.sum(np.broadcast_arrays(*parts), axis=0), each >= ground.first))
    hours = "" if (from_hour, to_hour) == (0, 24) else f" from {from_hour:02}:00 to {to_hour % 24:02}:00"
    kind = (
        "incidents"
        + (f" of class '{class_code}'" if class_code else "")
        + (f" of grade {grade_code}" if grade_code else "")
    )
    return Comparison(sides[0], sides[1], f"{kind[0].upper()}{kind[1:]} in {ground.name}{hours}", ground.paths)


@dataclass(frozen=True)
class _Ground:
    """What both days are counted from."""

    store: Store
    run: Mapping[str, Any]
    settings: settings_.Settings
    model: RateModel
    areas: NDArray[np.bool_]
    cells: NDArray[np.bool_]
    name: str
    from_hour: int
    to_hour: int

    @classmethod
    def of(
        cls, store: Store, run: Mapping[str, Any], settings: settings_.Settings, place: str | None,
        class_code: str | None, grade_code: str | None, from_hour: int, to_hour: int,
    ) -> _Ground:  # fmt: skip
        model = read_model(store.artefact("forecast_parameters.npz", run["run_id"]).read_bytes())
        series = model.series
        problems = []
        place = place or series.force_id
        districts = np.array(series.district_ids)[series.district_of_area]
        areas = (np.array(series.area_ids) == place) | (districts == place) | (place == series.force_id)
        known = [series.force_id, *series.district_ids, *series.area_ids]
        if not areas.any():
            problems.append(f"'{place}' is no area or district of this force.{did_you_mean(place, known)}")
        cells = np.ones(len(series.cells), dtype=np.bool_)
        for what, code, position in (("class", class_code, 0), ("grade", grade_code, 1)):
            if code is None:
                continue
            codes = sorted({cell[position] for cell in series.cells})
            if code not in codes:
                problems.append(f"There is no incident of {what} '{code}'.{did_you_mean(code, codes)}")
            cells &= np.array([cell[position] == code for cell in series.cells])
        if problems:
            raise UsageError("These can't be compared:", problems)
        name = "the whole force" if place == series.force_id else f"'{place}'"
        return cls(store, run, settings, model, areas, cells, name, from_hour, to_hour)

    @property
    def zone(self) -> str:
        return self.settings.force.time_zone

    @property
    def first(self) -> date:
        """First day of the forecast."""
        at: datetime = self.run["forecast_from"]
        return at.astimezone(periods.zone(self.zone)).date()

    @property
    def paths(self) -> int:
        return int(self._forecast["paths"])

    @property
    def _forecast(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run["settings"])["forecast"]
        return found

    @property
    def path_days(self) -> int:
        return min(int(self._forecast["path_days"]), int(self._forecast["days"]))

    def days_of(self, day: date) -> list[date]:
        """Give the day, and the next where its hours run past midnight."""
        return [day] if self.from_hour < self.to_hour else [day, day + timedelta(days=1)]

    def _inside(self, hours: pl.Series, part: int) -> NDArray[np.bool_]:
        """Say which hours count: of the day itself (part 0), or of the one after it (part 1)."""
        local = periods.local_parts(hours, self.zone)["hour"].to_numpy()
        if self.from_hour < self.to_hour:
            return np.array([holds_at(self.from_hour, self.to_hour, int(hour)) for hour in local])
        found: NDArray[np.bool_] = local >= self.from_hour if part == 0 else local < self.to_hour
        return found

    def count(self, days: set[date]) -> dict[date, list[NDArray[np.int64]]]:
        """Count each day's incidents as a first and as a second part: one number, or one a path."""
        behind = {day for day in days if day < self.first}
        coming = {day for day in days if day >= self.first}
        last = self.first + timedelta(days=self.path_days - 1)
        late = sorted(day for day in coming if day > last)
        if late:
            raise UsageError(f"{late[0]} lies beyond the joint paths of the latest run, which end with {last}.")
        return self._behind(behind) | self._coming(coming)

    def _behind(self, days: set[date]) -> dict[date, list[NDArray[np.int64]]]:
        found = {}
        driving = list(self.settings.demand.origins)
        area_ids = [area for area, kept in zip(self.model.series.area_ids, self.areas, strict=True) if kept]
        cells = [cell for cell, kept in zip(self.model.series.cells, self.cells, strict=True) if kept]
        wanted = pl.DataFrame(cells, schema={"class_code": pl.String, "grade_code": pl.String}, orient="row")
        demand = self.store.result("demand", self.run["run_id"]) if days else tables.empty("demand")
        demand = demand.filter(pl.col("origin").is_in(driving), pl.col("area_id").is_in(area_ids)).join(
            wanted, on=["class_code", "grade_code"], how="semi"
        )
        outages = self.store.result("outages", self.run["run_id"]) if days else tables.empty("outages")
        first = demand["hour_starting"].min()
        for day in sorted(days):
            edges = periods.local_days(self.zone, day, day)
            begins, ends = edges["starts_at"][0], edges["ends_at"][0]
            if first is None or ends <= first:
                raise UsageError(f"{day} lies before the first incident that is known.")
            if not outages.filter(pl.col("starts_at") < ends, pl.col("ends_at") > begins).is_empty():
                raise UsageError(f"{day} lies in an outage, so that what came is not known. Name another day.")
            rows = demand.filter(pl.col("hour_starting").is_between(begins, ends, closed="left"))
            counts = rows["incidents"].to_numpy()
            found[day] = [np.array([counts[self._inside(rows["hour_starting"], part)].sum()]) for part in (0, 1)]
        return found

    def _coming(self, days: set[date]) -> dict[date, list[NDArray[np.int64]]]:
        if not days:
            return {}
        force, run = self.settings.force, self.run
        areas = reading.read_used(self.store, "areas", run["run_id"])
        events = self.store.read("events", as_of=run["made_at"])
        found = {}
        for drawn in draw_again(
            self.model, areas, events,
            forecast_from=run["forecast_from"], data_until=run["data_until"],
            wanted=[(day - self.first).days for day in days], time_zone=self.zone, paths=self.paths,
            path_days=self.path_days, seed=int(run["seed"]), country=force.country, subdivision=force.subdivision,
            drivers=self.store.read("drivers", as_of=run["made_at"]),
        ):  # fmt: skip
            kept = self.areas[drawn.area] & self.cells[drawn.cell]
            found[drawn.day] = [
                np.bincount(drawn.path[kept & self._inside(drawn.hours, part)[drawn.hour]], minlength=self.paths)
                for part in (0, 1)
            ]
        return found
