"""One method at one origin: what it forecast, held against what came, as sums that can be added up.

Levels, sums of hours and weeks ahead are kept apart; so are the places and times at which it may be bad.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from bluelamp import scoring
from bluelamp.forecast import DayPaths, Origin, RateModel
from bluelamp.scoring import INTERVALS, PIT_BINS, Flags, Floats, Integers, Scores

LEVELS = ("force", "district", "area", "area_class")
SPANS = ("hour", "shift", "day", "week")
SHIFT_HOURS = 8
# A season is a week, in each sum's own steps.
SEASON = {"hour": 168, "shift": 21, "day": 7, "week": 1}
# Least hours of a sum in which all are there: clock changes take one.
WHOLE = {"hour": 0.4, "shift": 6.9, "day": 22.9, "week": 166.9}
PIT = [f"pit_{number:02d}" for number in range(1, PIT_BINS + 1)]
INSIDE = [f"inside_{round(100 * each)}" for each in INTERVALS]
SUMS = [
    "forecasts", "incidents", "expected", "crps", "crps_claimed", "absolute", "absolute_median", "squared", *INSIDE,
    "scaled", "scaled_absolute", "scaled_squared", "vectors", "energy", *PIT,
]  # fmt: skip
SPOT_SUMS = ["forecasts", "incidents", "expected", "crps", "crps_claimed", "inside_80"]
DAYS_OF_WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# What is drawn to break the ties of the PIT: another key word than any that paths are drawn by.
_TIES = 99


@dataclass(frozen=True)
class Level:
    """A level: how many places it has, and in which of them each series and each incident lies (-1: in none)."""

    name: str
    size: int
    of_series: Integers
    of_incident: Integers


@dataclass(frozen=True)
class Truth:
    """What came after an origin, laid out on its coming hours.

    What has no place that is known, or is of a class that was never seen before, counts in the levels that do without.
    """

    levels: list[Level]
    hour: Integers  # one an incident count
    counts: Integers
    usable: Flags  # one an hour: outside every outage
    labels: list[str]  # one an hour: the special day or event that it lies in, or ''
    scales: dict[tuple[str, str], tuple[Floats, Floats]]


@dataclass(frozen=True)
class _Sum:
    """Hours added up: the time that each hour goes to, and which times can be scored."""

    time_of_hour: Integers
    usable: Flags


def lay_out_truth(origin: Origin, demand: pl.DataFrame, outages: pl.DataFrame, weeks: int) -> Truth:
    """Lay out what came. `demand` and `outages` are those of today; scales are those of the last `weeks` before."""
    series, coming = origin.series, origin.coming
    classes = sorted({class_code for class_code, _ in series.cells})
    came = (
        demand.join(
            pl.DataFrame({"hour_starting": coming.hours, "hour": np.arange(len(coming.hours))}), on="hour_starting"
        )
        .group_by("hour", "area_id", "class_code")
        .agg(pl.col("incidents").sum())
        .sort("hour", "area_id", "class_code")
    )
    area = _positions(came["area_id"], series.area_ids)
    kind = _positions(came["class_code"], classes)
    areas, cells = series.shape
    number = np.arange(areas * cells)
    class_of_cell = np.array([classes.index(class_code) for class_code, _ in series.cells], dtype=np.int64)
    by_class = (number // cells) * len(classes) + class_of_cell[number % cells]
    levels = [
        Level("force", 1, np.zeros_like(number), np.zeros_like(area)),
        Level(
            "district", len(series.district_ids), series.district_of_area[number // cells],
            np.where(area >= 0, series.district_of_area[area], -1),
        ),
        Level("area", areas, number // cells, area),
        Level(
            "area_class", areas * len(classes), by_class,
            np.where((area >= 0) & (kind >= 0), area * len(classes) + kind, -1),
        ),
    ]  # fmt: skip
    return Truth(
        levels, came["hour"].to_numpy().astype(np.int64), came["incidents"].to_numpy().astype(np.int64),
        ~mask_hours(coming.hours, outages), _labels(origin), _scales(origin, levels, weeks),
    )  # fmt: skip


def _positions(values: pl.Series, known: list[str]) -> Integers:
    found = values.replace_strict(known, list(range(len(known))), default=-1, return_dtype=pl.Int64)
    return found.fill_null(-1).to_numpy().astype(np.int64)


def mask_hours(hours: pl.Series, stretches: pl.DataFrame) -> Flags:
    """Say of each hour whether it starts inside a stretch."""
    starts = hours.dt.epoch("s").to_numpy()
    inside = np.zeros(len(starts), dtype=np.bool_)
    for begins, ends in stretches.select("starts_at", "ends_at").iter_rows():
        inside |= (starts >= begins.timestamp()) & (starts < ends.timestamp())
    return inside


def _labels(origin: Origin) -> list[str]:
    labels = list(origin.coming.label)
    for event in origin.events.sort("starts_at", "event_id").iter_slices(1):
        for hour in np.flatnonzero(mask_hours(origin.coming.hours, event)):
            labels[hour] = labels[hour] or f"event: {event['kind'][0]}"
    return labels


def _scales(origin: Origin, levels: list[Level], weeks: int) -> dict[tuple[str, str], tuple[Floats, Floats]]:
    """Find the errors of the week-before forecast in the history, for each level and sum."""
    history = origin.history(weeks)
    found = {}
    for span in SPANS:
        at = _history_sum(origin, weeks, span)
        for level in levels:
            place, time = level.of_series[history.series], at.time_of_hour[history.hour]
            found[level.name, span] = scoring.seasonal_scale(
                place, time, history.counts, at.usable, SEASON[span], level.size
            )
    return found


def _history_sum(origin: Origin, weeks: int, span: str) -> _Sum:
    history = origin.history(weeks)
    calendar = history.calendar
    days = len(calendar.days)
    time: Integers = np.arange(len(calendar.slot))
    size = len(time)
    if span == "shift":
        time, size = calendar.day_of_hour * 3 + calendar.slot % 24 // SHIFT_HOURS, 3 * days
    elif span == "day":
        time, size = calendar.day_of_hour, days
    elif span == "week":
        # Weeks are counted back from the origin; days left over at the beginning are their own.
        size = -(-days // 7)
        time = size - 1 - (days - 1 - calendar.day_of_hour) // 7
    seen = np.bincount(time, weights=calendar.lengths * ~history.is_masked, minlength=size)
    return _Sum(time, seen > WHOLE[span])


def score_method(
    origin: Origin,
    truth: Truth,
    model: RateModel,
    paths: int,
    seed: int,
    progress: Callable[[float], None] = lambda share: None,
    watch: Callable[[DayPaths, Floats], None] = lambda drawn, rates: None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Score a model's paths over the coming days: rows of sums by level, span, horizon and week, and by weak spot.

    `watch` sees each day of the paths with its rates.
    """
    scored = _Scored(origin, truth, paths, seed)
    week: list[_Part] = []
    days = len(origin.coming.days)
    for drawn, rates in origin.draw(model, paths, seed):
        watch(drawn, rates)
        part = _Part(drawn.first, drawn.last, drawn.path, drawn.series, drawn.hour, rates)
        scored.add_day(drawn.day, part)
        week.append(part)
        if len(week) == 7:
            scored.add_week(drawn.day // 7, week)
            week = []
        progress((drawn.day + 1) / days)
    return scored.rows(), scored.spot_rows()


@dataclass(frozen=True)
class _Part:
    """A day of every path, with its rates."""

    first: int
    last: int
    path: Integers
    series: Integers
    hour: Integers
    rates: Floats


def horizon_of(day: int) -> str:
    """Name the horizon of a day ahead, counted from 0."""
    return "day_1" if day == 0 else "days_2_7" if day < 7 else "days_8_28" if day < 28 else "days_29_56"


class _Scored:
    """Sums as they grow, day by day."""

    def __init__(self, origin: Origin, truth: Truth, paths: int, seed: int) -> None:
        self._origin, self._truth, self._paths, self._seed = origin, truth, paths, seed
        self._sums: dict[tuple[str, str, str, int], Floats] = defaultdict(lambda: np.zeros(len(SUMS)))
        self._spots: dict[tuple[str, str], Floats] = defaultdict(lambda: np.zeros(len(SPOT_SUMS)))
        # The incidents of each day lie together.
        self._order = np.argsort(truth.hour, kind="stable")
        self._sorted_hours = truth.hour[self._order]

    def add_day(self, day: int, part: _Part) -> None:
        local_hour = self._origin.coming.slot[part.first : part.last] % 24
        times = {
            "hour": np.arange(part.last - part.first),
            "shift": local_hour // SHIFT_HOURS,
            "day": np.zeros(part.last - part.first, dtype=np.int64),
        }
        for level_number, level in enumerate(self._truth.levels):
            mean_by_hour = _add_up(part.rates, level)
            for span, time in times.items():
                self._score(level_number, span, day, [(part, time, mean_by_hour)])

    def add_week(self, week: int, parts: list[_Part]) -> None:
        for level_number, level in enumerate(self._truth.levels):
            by_day = [
                (part, np.zeros(part.last - part.first, dtype=np.int64), _add_up(part.rates, level)) for part in parts
            ]
            # A week's horizon is the one in which most of its days lie.
            self._score(level_number, "week", 7 * week + 3, by_day)

    def _score(self, level_number: int, span: str, day: int, parts: list[tuple[_Part, Integers, Floats]]) -> None:
        """Score the cells (place × time) of some hours that belong together."""
        level, truth = self._truth.levels[level_number], self._truth
        times = 1 + int(max(time.max() for _, time, _ in parts))
        size = level.size * times
        cell, path, came = [], [], np.zeros(size)
        mean, usable = np.zeros((level.size, times)), np.ones(times, dtype=np.bool_)
        for part, time, mean_by_hour in parts:
            cell.append(level.of_series[part.series] * times + time[part.hour - part.first])
            path.append(part.path)
            here = self._order[slice(*np.searchsorted(self._sorted_hours, [part.first, part.last]))]
            here = here[level.of_incident[here] >= 0]
            index = level.of_incident[here] * times + time[truth.hour[here] - part.first]
            came += np.bincount(index, weights=truth.counts[here], minlength=size)
            np.add.at(mean.T, time, mean_by_hour.T)
            usable[time[~truth.usable[part.first : part.last]]] = False
        whole = came.astype(np.int64)
        cells, drawn = np.concatenate(cell), np.concatenate(path)
        scores = scoring.score_paths(cells, drawn, self._paths, whole)
        kept = np.tile(usable, level.size)
        if not kept.any():
            return
        key = (level.name, span, horizon_of(day), day // 7 + 1)
        ties = np.random.Generator(
            np.random.Philox(
                key=[self._seed, (_TIES << 32) + (day << 8) + level_number * len(SPANS) + SPANS.index(span)]
            )
        )
        self._sums[key] += self._summed(level.name, span, whole, mean.ravel(), times, scores, kept, ties)
        if span == "day" and level.name == "district":
            self._add_energy(key, cells, drawn, whole)
        self._add_spots(level.name, span, parts[0][0], whole, mean.ravel(), scores, kept)

    def _summed(
        self, level: str, span: str, came: Integers, mean: Floats, times: int, scores: Scores, kept: Flags,
        ties: np.random.Generator,
    ) -> Floats:  # fmt: skip
        error = np.abs(mean - came)
        inside = (scores.low <= came[:, None]) & (came[:, None] <= scores.high)
        by_place = self._truth.scales[level, span]
        scale, scale_squared = (np.repeat(each, times) for each in by_place)
        scaled = kept & (scale > 0)
        told = {
            "forecasts": kept.sum(),
            "incidents": came[kept].sum(),
            "expected": mean[kept].sum(),
            "crps": scores.crps[kept].sum(),
            "crps_claimed": scores.crps_claimed[kept].sum(),
            "absolute": error[kept].sum(),
            "absolute_median": np.abs(scores.median - came)[kept].sum(),
            "squared": (error[kept] ** 2).sum(),
            **dict(zip(INSIDE, inside[kept].sum(axis=0), strict=True)),
            "scaled": scaled.sum(),
            "scaled_absolute": (error[scaled] / scale[scaled]).sum(),
            "scaled_squared": (error[scaled] ** 2 / scale_squared[scaled]).sum(),
            **dict(zip(PIT, scoring.count_pit(scores, self._paths, kept, ties), strict=True)),
        }
        return np.array([told.get(name, 0.0) for name in SUMS], dtype=np.float64)

    def _add_energy(self, key: tuple[str, str, str, int], cell: Integers, path: Integers, came: Integers) -> None:
        drawn = np.bincount(path * len(came) + cell, minlength=self._paths * len(came)).reshape(self._paths, len(came))
        self._sums[key][SUMS.index("vectors")] += 1
        self._sums[key][SUMS.index("energy")] += scoring.score_energy(drawn.astype(np.float64), came.astype(np.float64))

    def _add_spots(
        self, level: str, span: str, part: _Part, came: Integers, mean: Floats, scores: Scores, kept: Flags
    ) -> None:
        if (level, span) not in (("force", "hour"), ("area", "day")):
            return
        inside = (scores.low[:, 1] <= came) & (came <= scores.high[:, 1])
        values = np.stack([np.ones(len(came)), came, mean, scores.crps, scores.crps_claimed, inside], axis=1)
        for number in np.flatnonzero(kept):
            if level == "area":
                self._spots["area", self._origin.series.area_ids[number]] += values[number]
                continue
            hour = part.first + int(number)
            slot = int(self._origin.coming.slot[hour])
            self._spots["hour_of_week", f"{DAYS_OF_WEEK[slot // 24]} {slot % 24:02d}:00"] += values[number]
            if self._truth.labels[hour]:
                self._spots["special_day", self._truth.labels[hour]] += values[number]

    def rows(self) -> pl.DataFrame:
        """Give a row for each level, span, horizon and week."""
        starts = {
            week: self._origin.coming.hours[int(np.searchsorted(self._origin.coming.day_of_hour, 7 * (week - 1)))]
            for week in {key[3] for key in self._sums}
        }
        return pl.DataFrame(
            list(_told(self._sums, SUMS, ["level", "span", "horizon", "week_ahead"])),
            schema={"level": pl.String, "span": pl.String, "horizon": pl.String, "week_ahead": pl.Int64}
            | dict.fromkeys(SUMS, pl.Float64),
        ).with_columns(
            origin_at=pl.lit(self._origin.starts_at, dtype=pl.Datetime("us", "UTC")),
            week_starting=pl.col("week_ahead").replace_strict(starts, return_dtype=pl.Datetime("us", "UTC"))
            if starts
            else pl.lit(None, dtype=pl.Datetime("us", "UTC")),
        )

    def spot_rows(self) -> pl.DataFrame:
        """Give a row for each hour of the week, special day and area."""
        return pl.DataFrame(
            list(_told(self._spots, SPOT_SUMS, ["kind", "spot"])),
            schema={"kind": pl.String, "spot": pl.String} | dict.fromkeys(SPOT_SUMS, pl.Float64),
        )


def _told(sums: dict[Any, Floats], names: list[str], keys: list[str]) -> Iterator[dict[str, Any]]:
    for key, values in sorted(sums.items()):
        yield dict(zip(keys, key, strict=True)) | dict(zip(names, values.tolist(), strict=True))


def _add_up(rates: Floats, level: Level) -> Floats:
    """Add areas × cells × hours up to places × hours."""
    by_series = rates.reshape(-1, rates.shape[2])
    order = np.argsort(level.of_series, kind="stable")
    found, first = np.unique(level.of_series[order], return_index=True)
    out = np.zeros((level.size, rates.shape[2]))
    out[found] = np.add.reduceat(by_series[order], first, axis=0)
    return out
