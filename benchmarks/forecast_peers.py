"""The forecast's opponents: other people's methods, each fitted to what Bluelamp knew at the same midnight.

    python forecast_peers.py statsforecast series.npz forecasts.npz force district

It runs in an environment of its own (`requirements-forecast.txt`) and knows nothing of Bluelamp: `series.npz` holds the
counts of places by local hour up to an origin, with the same masked hours and the same holidays and events that
Bluelamp was given; `forecasts.npz` gets the mean of each of the coming 56 days' hours, and where a method says how sure
it is, its standard deviation. The slow methods are fitted to each sampled place of the levels named last, at the level
at which they are judged, once by hour and once by day, because a daily fit may know days better. The pooled GLM and
LightGBM are fitted to all places of a level at once.

Kindnesses: hours run by the local clock, so that nobody's daily season slips at a clock change; hours in an outage are
left out where a method can do that, and else filled with the mean of their hour of the week; no mean is below nought.
"""

from __future__ import annotations

import logging
import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np

WEEK = 168
DAYS = 56
# A smoothing method forgets what is older, and pays for it in time.
WEEKS_BY_HOUR = 52
# AutoTheta tries several models on every series, each as slow as all of AutoETS.
WEEKS_OF_THETA = 13
WEEKS_OF_TREES = 52
WEEKS_OF_GLM = 104
HALF_LIFE_OF_GLM = 52
# A central interval of 80 % is so many standard deviations wide on each side.
OF_80 = 1.2815515655446004


@dataclass
class Known:
    """What is known at an origin: rows are places, columns local hours (25-hour days have 24 here, too)."""

    counts: np.ndarray  # not a number where unseen
    level: np.ndarray
    place: np.ndarray
    parent: np.ndarray  # of an area: the row of its district
    is_sampled: np.ndarray  # whether the slow methods are to forecast it
    first_day: date
    label: np.ndarray  # one a day, of the history and the coming ones: the name of a holiday, or ''
    force_event: np.ndarray  # kinds × hours of both
    local_event: np.ndarray  # places × hours of both: 0, or 1 + the number of a kind

    @classmethod
    def read(cls, path: str, levels: list[str]) -> Known:
        with np.load(path) as told:
            values = {name: told[name] for name in told.files}
        values["first_day"] = date.fromisoformat(str(values["first_day"]))
        values["is_sampled"] &= np.isin(values["level"], levels)
        return cls(**values)

    @property
    def hours(self) -> int:
        return self.counts.shape[1]

    @property
    def slots(self) -> np.ndarray:
        """Hour of the week of the hours of history and horizon."""
        return (np.arange(self.hours + 24 * DAYS) + 24 * self.first_day.weekday()) % WEEK

    def filled(self, row: int, weeks: int | None = None) -> np.ndarray:
        """A place's history without holes."""
        counts = self.counts[row].astype(np.float64)
        seen = np.isfinite(counts)
        slots = self.slots[: self.hours]
        number = np.bincount(slots[seen], minlength=WEEK)
        means = np.bincount(slots[seen], weights=counts[seen], minlength=WEEK) / np.maximum(number, 1)
        counts[~seen] = np.where(number > 0, means, counts[seen].mean())[slots[~seen]]
        return counts if weeks is None else counts[-weeks * WEEK :]

    def rows_of(self, *levels: str) -> np.ndarray:
        return np.flatnonzero(np.isin(self.level, levels))


@dataclass
class Told:
    """Forecasts as they are made."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    rows: dict[str, list[tuple[int, np.ndarray, np.ndarray, float]]] = field(default_factory=dict)

    def add(self, method: str, by: str, row: int, mean: Any, deviation: Any, seconds: float) -> None:
        mean = np.maximum(np.nan_to_num(np.asarray(mean, dtype=np.float64)), 0.0)
        deviation = np.full_like(mean, np.nan) if deviation is None else np.asarray(deviation, dtype=np.float64)
        self.rows.setdefault(f"{method}:{by}", []).append((row, mean, deviation, seconds))

    def write(self, path: str) -> None:
        for name, rows in self.rows.items():
            row, mean, deviation, seconds = zip(*rows, strict=True)
            self.arrays[f"{name}:row"] = np.array(row)
            self.arrays[f"{name}:mean"] = np.stack(mean).astype(np.float32)
            self.arrays[f"{name}:deviation"] = np.stack(deviation).astype(np.float32)
            self.arrays[f"{name}:seconds"] = np.array(seconds)
        np.savez_compressed(path, **self.arrays)


def cpu_seconds() -> float:
    """Of this process and of what it started: Prophet's optimiser is a program of its own."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@contextmanager
def timed() -> Iterator[list[float]]:
    found: list[float] = []
    began = cpu_seconds()
    yield found
    found.append(cpu_seconds() - began)


# ---- statsforecast ----


def with_statsforecast(known: Known, told: Told) -> None:
    from statsforecast.models import MSTL, TSB, AutoETS, AutoTheta, CrostonSBA, SeasonalWindowAverage

    def models(season: int, week: int, windows: int) -> dict[str, Any]:
        return {
            "AutoETS": AutoETS(season_length=season),
            "MSTL": MSTL(season_length=[season, week] if season < week else week),
            "AutoTheta": AutoTheta(season_length=season),
            "SeasonalWindowAverage": SeasonalWindowAverage(season_length=week, window_size=windows),
            "CrostonSBA": CrostonSBA(),
            "TSB": TSB(alpha_d=0.1, alpha_p=0.1),
        }

    # What is compiled at the first call is not the method's cost.
    warm = np.random.default_rng(1).poisson(3.0, 5 * WEEK).astype(float)
    for model in models(24, WEEK, 4).values():
        model.forecast(y=warm, h=24)
    rows = np.flatnonzero(known.is_sampled)
    for row in rows:
        for name, model in models(24, WEEK, 8).items():
            counts = known.filled(row, WEEKS_OF_THETA if name == "AutoTheta" else WEEKS_BY_HOUR)
            _one(told, name, "hours", row, model, counts, 24 * DAYS)
    for row in rows:
        by_day = known.filled(row).reshape(-1, 24).sum(axis=1)
        for name, model in models(7, 7, 8).items():
            _one(told, name, "days", row, model, by_day, DAYS)


def _one(told: Told, name: str, by: str, row: int, model: Any, counts: np.ndarray, ahead: int) -> None:
    sure = {"level": [80]} if name in ("AutoETS", "MSTL", "AutoTheta") else {}
    with timed() as seconds:
        found = model.forecast(y=counts, h=ahead, **sure)
    deviation = (found["hi-80"] - found["lo-80"]) / (2 * OF_80) if sure else None
    told.add(name, by, row, found["mean"], deviation, seconds[0])


# ---- Prophet ----


def with_prophet(known: Known, told: Told) -> None:
    import pandas as pd
    from prophet import Prophet

    for name in ("prophet", "cmdstanpy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    days = pd.date_range(known.first_day, periods=len(known.label), freq="D")
    named = known.label != ""
    holidays = pd.DataFrame({"ds": days[named], "holiday": known.label[named], "lower_window": -1, "upper_window": 1})
    starts = {"hours": pd.date_range(known.first_day, periods=known.hours + 24 * DAYS, freq="h"), "days": days}

    def configured(by: str) -> Prophet:
        model = Prophet(
            seasonality_mode="multiplicative",
            daily_seasonality=False,
            weekly_seasonality="auto" if by == "days" else False,
            holidays=holidays if len(holidays) else None,
            uncertainty_samples=200,
        )
        # Twenty-four waves a week can follow the hours of a Friday night.
        return model if by == "days" else model.add_seasonality("hour of week", period=7, fourier_order=24)

    made: dict[str, Callable[[str], Prophet]] = {
        "Prophet": lambda by: Prophet(uncertainty_samples=200),
        "Prophet, configured": configured,
    }
    for row in np.flatnonzero(known.is_sampled):
        hourly = known.counts[row].astype(np.float64)
        for by, counts in (("hours", hourly), ("days", hourly.reshape(-1, 24).sum(axis=1))):
            seen = np.isfinite(counts)
            given = pd.DataFrame({"ds": starts[by][: len(counts)][seen], "y": counts[seen]})
            for name, make in made.items():
                with timed() as seconds:
                    found = make(by).fit(given).predict(pd.DataFrame({"ds": starts[by][len(counts) :]}))
                deviation = (found["yhat_upper"] - found["yhat_lower"]) / (2 * OF_80)
                told.add(name, by, row, found["yhat"], deviation, seconds[0])


# ---- one model for all places ----


def with_pooled_glm(known: Known, told: Told) -> None:
    """A penalised Poisson regression of districts by hour; areas have shares of their district's parts of the day."""
    with timed() as seconds:
        rates = _fit_glm(known)
    for row, mean in rates.items():
        told.add("pooled GLM", "hours", row, mean, None, seconds[0] / len(rates))


def _fit_glm(known: Known) -> dict[int, np.ndarray]:
    from scipy import sparse

    districts, areas = known.rows_of("district"), known.rows_of("area")
    hours, every = known.hours, known.hours + 24 * DAYS
    slots, hour = known.slots, np.arange(every)
    day, is_weekend = hour // 24, known.slots >= 5 * 24
    columns: list[tuple[np.ndarray, np.ndarray]] = []  # a column's number, and its value, one an hour
    width = 0

    def dummy(number: np.ndarray, size: int, value: np.ndarray | float = 1.0) -> None:
        nonlocal width
        columns.append((width + number, np.broadcast_to(value, every).astype(float)))
        width += size

    dummy(slots, WEEK)
    if np.isfinite(known.counts[0]).sum() >= 52 * WEEK:
        for wave in (1, 2):
            turn = 2 * np.pi * wave * hour / (24 * 365.25)
            dummy(np.zeros(every, int), 1, np.sin(turn))
            dummy(np.zeros(every, int), 1, np.cos(turn))
    block = (slots % 24) // 6
    is_off = known.label != ""
    beside = ~is_off & (np.append(is_off[1:], False) | np.insert(is_off[:-1], 0, False))
    dummy(block, 4, is_off[day])
    dummy(block, 4, beside[day])
    names, of_day = np.unique(known.label, return_inverse=True)
    dummy(of_day[day], len(names), is_off[day])
    for is_on in known.force_event:
        dummy(block, 4, is_on)
    parts = np.stack([each for each, _ in columns], axis=1)
    values = np.stack([each for _, each in columns], axis=1)
    of_district = (slots % 24 + 24 * is_weekend)[:, None]
    size = width + 48 * len(districts)

    def design(place: int, some: np.ndarray) -> sparse.csr_matrix:
        index = np.concatenate([parts[some], width + 48 * place + of_district[some]], axis=1)
        value = np.concatenate([values[some], np.ones((len(some), 1))], axis=1)
        ends = np.arange(len(some) + 1) * index.shape[1]
        return sparse.csr_matrix((value.ravel(), index.ravel(), ends), shape=(len(some), size))

    recent = np.arange(max(hours - WEEKS_OF_GLM * WEEK, 0), hours)
    x, seen, weights = [], [], []
    for place, row in enumerate(districts):
        # A local event says nothing of the usual hours of its district.
        members = areas[known.parent[areas] == row]
        usual = ~(known.local_event[members][:, recent] > 0).any(axis=0) & np.isfinite(known.counts[row, recent])
        x.append(design(place, recent[usual]))
        seen.append(known.counts[row, recent[usual]])
        # A line through the past would go on for ever; lighter weights for what is old follow a level better.
        weights.append(0.5 ** ((hours - recent[usual]) / (HALF_LIFE_OF_GLM * WEEK)))
    coefficients = _regress(sparse.vstack(x).tocsr(), np.concatenate(seen).astype(float), np.concatenate(weights))
    rates: dict[int, np.ndarray] = {}
    part_of_day = block + 4 * is_weekend
    year = np.arange(max(hours - 52 * WEEK, 0), hours)
    for place, row in enumerate(districts):
        log = design(place, np.arange(every)) @ coefficients
        whole = np.exp(log)
        rates[row] = whole[hours:]
        members = areas[known.parent[areas] == row]
        came = known.counts[members][:, year].astype(float)
        kept = np.isfinite(came) & (known.local_event[members][:, year] == 0)
        due = np.where(kept, whole[year], 0.0)
        share = (np.where(kept, came, 0).sum(axis=1) + 0.1) / (due.sum(axis=1) + 0.1 * len(members))
        for number, member in enumerate(members):
            expected = np.bincount(part_of_day[year], weights=due[number] * share[number], minlength=8)
            got = np.bincount(part_of_day[year], weights=np.where(kept[number], came[number], 0.0), minlength=8)
            factor = (50 + got) / (50 + expected)
            rates[member] = whole[hours:] * share[number] * factor[part_of_day[hours:]]
    for number in range(1, int(known.local_event.max()) + 1):
        _event_factor(known, rates, areas, number, year)
    for row in districts:
        members = areas[known.parent[areas] == row]
        if len(members):
            extra = sum(rates[member] for member in members)
            during = (known.local_event[members][:, hours:] > 0).any(axis=0)
            rates[row] = np.where(during, np.maximum(extra, rates[row]), rates[row])
    rates[int(known.rows_of("force")[0])] = np.sum([rates[row] for row in districts], axis=0)
    return rates


def _event_factor(known: Known, rates: dict[int, np.ndarray], areas: np.ndarray, number: int, year: np.ndarray) -> None:
    """What a kind of local event does: incidents in its hours over those in the same hours of other weeks."""
    slots, hours = known.slots, known.hours
    came = due = 0.0
    for row in areas:
        on = year[(known.local_event[row, year] == number) & np.isfinite(known.counts[row, year])]
        off = year[(known.local_event[row, year] == 0) & np.isfinite(known.counts[row, year])]
        if len(on):
            size = np.bincount(slots[off], minlength=WEEK)
            usual = np.bincount(slots[off], weights=known.counts[row, off], minlength=WEEK) / np.maximum(size, 1)
            came, due = came + known.counts[row, on].sum(), due + usual[slots[on]].sum()
    factor = (10 + came) / (10 + due)
    for row in areas:
        rates[row] = np.where(known.local_event[row, hours:] == number, factor, 1.0) * rates[row]


def _regress(x: Any, seen: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted Poisson regression by iterated least squares, with a ridge."""
    from scipy import sparse

    coefficients = np.full(x.shape[1], 0.0)
    log = np.log(np.full(len(seen), max(seen.mean(), 1e-6)))
    for _ in range(8):
        due = np.exp(log)
        target = log + (seen - due) / due
        precision = (x.T @ sparse.diags(weights * due) @ x).toarray() + np.eye(x.shape[1])
        coefficients = np.linalg.solve(precision, x.T @ (weights * due * target))
        log = np.clip(x @ coefficients, -12, 12)
    return coefficients


def with_lightgbm(known: Known, told: Told) -> None:
    """Poisson trees that start from a place's share of the slot mean above it; one model a level."""
    for level in ("force", "district", "area"):
        rows = known.rows_of(level)
        with timed() as seconds:
            means = _fit_trees(known, rows)
        for row, mean in zip(rows, means, strict=True):
            told.add("LightGBM", "hours", row, mean, None, seconds[0] / len(rows))


def _fit_trees(known: Known, rows: np.ndarray) -> np.ndarray:
    import lightgbm

    hours, every = known.hours, known.hours + 24 * DAYS
    slots, hour = known.slots, np.arange(every)
    recent = np.arange(max(hours - WEEKS_OF_TREES * WEEK, 0), hours)
    day = hour // 24
    is_off = known.label != ""
    _, label = np.unique(known.label, return_inverse=True)
    day_of_year = np.array(
        [(known.first_day + timedelta(days=int(each))).timetuple().tm_yday for each in range(len(label))]
    )
    shared = np.stack(
        [slots % 24, slots // 24, slots, day_of_year[day], day, label[day],
         np.append(is_off[1:], False)[day], np.insert(is_off[:-1], 0, False)[day], *known.force_event],
        axis=1,
    ).astype(np.float32)  # fmt: skip
    starts = np.log(_start_of_trees(known, rows, recent))

    def features(some: np.ndarray) -> np.ndarray:
        parts = [
            np.column_stack(
                [shared[some], known.local_event[row, some], np.full(len(some), number), starts[number, slots[some]]]
            )
            for number, row in enumerate(rows)
        ]
        return np.concatenate(parts).astype(np.float32)

    came = known.counts[rows][:, recent].astype(float).ravel()
    kept = np.isfinite(came)
    number_of_features = shared.shape[1] + 3
    given = lightgbm.Dataset(
        features(recent)[kept], came[kept], init_score=starts[:, slots[recent]].ravel()[kept],
        categorical_feature=[5, number_of_features - 3, number_of_features - 2],
    )  # fmt: skip
    settings = {
        "objective": "poisson", "learning_rate": 0.03, "num_leaves": 31, "min_data_in_leaf": 200, "verbosity": -1,
        "num_threads": 1, "seed": 1, "feature_fraction": 0.8, "bagging_fraction": 0.7, "bagging_freq": 1,
    }  # fmt: skip
    trees = lightgbm.train(settings, given, num_boost_round=200)
    coming = np.arange(hours, every)
    log = trees.predict(features(coming), raw_score=True) + starts[:, slots[coming]].ravel()
    return np.exp(log).reshape(len(rows), -1)


def _start_of_trees(known: Known, rows: np.ndarray, recent: np.ndarray) -> np.ndarray:
    """The mean of each slot; of an area its share of its district's, because its own is mostly chance."""
    slots = known.slots[recent]

    def means(row: int) -> np.ndarray:
        seen = np.isfinite(known.counts[row, recent])
        number = np.bincount(slots[seen], minlength=WEEK)
        total = np.bincount(slots[seen], weights=known.counts[row, recent][seen], minlength=WEEK)
        return np.maximum((total + 0.1 * total.sum() / max(number.sum(), 1)) / (number + 0.1), 1e-4)

    found = []
    for row in rows:
        if known.level[row] != "area":
            found.append(means(row))
            continue
        district = means(int(known.parent[row]))
        found.append(np.maximum(district * means(row).mean() / district.mean(), 1e-4))
    return np.stack(found)


TASKS = {
    "statsforecast": with_statsforecast,
    "prophet": with_prophet,
    "pooled_glm": with_pooled_glm,
    "lightgbm": with_lightgbm,
}  # fmt: skip

if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)
    task, source, target, *levels = sys.argv[1:]
    made = Told()
    TASKS[task](Known.read(source, levels), made)
    made.write(target)
