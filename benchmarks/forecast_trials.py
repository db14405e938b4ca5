"""Methods tried at earlier midnights: what each forecast, held against what came, kept by place and week.

Bluelamp's own methods are scored by their sample paths, as `bluelamp backtest` does. Opponents give means; how sure
they are is told for them twice: by their own standard deviation, where they have one, and by negative binomials of
several spreads, of which the one that turns out best is taken afterwards. The same holds for what a day is: the sum of
an opponent's hours, or its own daily fit. Choosing with hindsight favours the opponents; nobody can say that they lost
for lack of a good band.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from bluelamp import backtest, scoring, settings
from bluelamp.backtest import _trial
from bluelamp.forecast import Origin, RateModel
from bluelamp.forecast._history import make_calendar
from bluelamp.scoring import Floats, Integers

LEVELS, SPANS = backtest.LEVELS, backtest.SPANS
OURS = "pooled"
OWN = (OURS, *backtest.NAIVE)
DAYS = backtest.DAYS
SEED = 1
# Relative variances beyond chance, of which an opponent has the one that suits it best.
SPREADS = (0.0, 0.003, 0.006, 0.01, 0.015, 0.02, 0.03, 0.045, 0.07, 0.1, 0.15, 0.25, 0.4, 0.7)
# Above this mean, a negative binomial is as good as a gamma distribution.
LARGE = 400.0
# So many areas, and so many classes in areas, the slow methods are tried on beside the force and its districts.
SAMPLED = 10


@dataclass(frozen=True)
class Stand:
    """An origin with what came after it, or why there is none."""

    day: date
    refused: str
    methods: tuple[str, ...]
    origin: Origin
    truth: _trial.Truth
    longest: int

    @cached_property
    def levels(self) -> list[str]:
        """Levels that differ: districts of one district, and areas of one area, are the force again."""
        series = self.origin.series
        several = {"district": len(series.district_ids) > 1, "area": len(series.area_ids) > 1}
        return [level for level in LEVELS if several.get(level, True)]

    @cached_property
    def places(self) -> dict[str, list[str]]:
        """Names of the places of each level, in order."""
        series = self.origin.series
        classes = sorted({class_code for class_code, _ in series.cells})
        return {
            "force": [series.force_id],
            "district": series.district_ids,
            "area": series.area_ids,
            "area_class": [f"{area}|{class_code}" for area in series.area_ids for class_code in classes],
        }


@dataclass(frozen=True)
class Ground:
    """A force that is ready to be forecast: what is known of it today, and the days to forecast from."""

    folder: Path
    known: backtest._Ground
    days: list[date]

    def stands(self, some: Sequence[date] | None = None) -> Iterator[Stand]:
        """Stand on every day that can be stood on."""
        longest = max(settings.read(self.folder).forecast.weeks, 52)
        for day in self.days if some is None else some:
            found = backtest._stand_on(self.known, day, OWN, longest)
            if found.methods:
                assert found.origin is not None
                assert found.truth is not None
                yield Stand(day, found.refused, found.methods, found.origin, found.truth, longest)

    @cached_property
    def sample(self) -> dict[str, list[str]]:
        """Places of each level on which the slow methods are tried: small ones, middling ones and large ones."""
        demand = self.known.demand
        by_area = demand.group_by(place="area_id").agg(pl.col("incidents").sum())
        by_class = demand.group_by(place=pl.format("{}|{}", "area_id", "class_code")).agg(pl.col("incidents").sum())
        areas = stratify(dict(by_area.sort("place").iter_rows()), SAMPLED)
        # A force of few areas has more of its classes tried instead.
        classes = stratify(dict(by_class.sort("place").iter_rows()), 2 * SAMPLED - len(areas))
        return {"area": areas, "area_class": classes}

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the demand that is forecast, its outages and its events."""
        known = self.known
        digest = hashlib.sha256()
        for rows in (known.demand, known.outages, known.events.sort("event_id")):
            digest.update(rows.write_csv().encode())
        return digest.hexdigest()


def stand_on(folder: Path, origins: int) -> Ground:
    """Read a force that has been imported."""
    known = backtest._settle(folder, settings.read(folder))
    return Ground(folder, known, backtest._days_of(known, origins, 28))


def stratify(sizes: dict[str, int], wanted: int) -> list[str]:
    """Choose places of all sizes: one from the middle of each of so many groups that have the same total.

    Where one place is larger than a group, it stands for several, and the next ones in size fill the number up.
    """
    order = sorted(sizes, key=lambda place: (sizes[place], place))
    upto = np.cumsum([sizes[place] for place in order])
    if len(order) <= wanted or not upto[-1]:
        return order
    middles = (np.arange(wanted) + 0.5) / wanted * upto[-1]
    chosen = {order[int(place)] for place in np.searchsorted(upto, middles)}
    for place in reversed(order):
        if len(chosen) == wanted:
            break
        chosen.add(place)
    return [place for place in order if place in chosen]


def spread_out(days: Sequence[date], wanted: int) -> list[date]:
    """Choose so many of the days, from the first to the last."""
    if len(days) <= wanted:
        return list(days)
    return [days[round(place)] for place in np.linspace(0, len(days) - 1, wanted)]


# ---- Bluelamp's own methods ----


def score_own(stand: Stand, model: RateModel, paths: int, sample: dict[str, list[str]]) -> pl.DataFrame:
    """Score a model's paths: a row for each place, sum and day; classes in areas beyond the sample as one place."""
    found = []
    week: list[_trial._Part] = []
    slot = stand.origin.coming.slot
    for drawn, rates in stand.origin.draw(model, paths, SEED):
        part = _trial._Part(drawn.first, drawn.last, drawn.path, drawn.series, drawn.hour, rates)
        local_hour = slot[part.first : part.last] % 24
        hours = part.last - part.first
        for span, time in (("hour", np.arange(hours)), ("shift", local_hour // 8), ("day", 0 * local_hour)):
            found += [_score(stand, level, span, drawn.day, [(part, time)], paths, sample) for level in stand.levels]
        week.append(part)
        if len(week) == 7:
            parts = [(each, np.zeros(each.last - each.first, dtype=np.int64)) for each in week]
            found += [_score(stand, level, "week", drawn.day - 6, parts, paths, sample) for level in stand.levels]
            week = []
    return pl.concat([each for each in found if each is not None]).with_columns(week=pl.col("day") // 7)


def _score(
    stand: Stand, level_name: str, span: str, day: int, parts: list[tuple[_trial._Part, Integers]], paths: int,
    sample: dict[str, list[str]],
) -> pl.DataFrame | None:  # fmt: skip
    level = stand.truth.levels[LEVELS.index(level_name)]
    usable = stand.truth.usable
    times = 1 + int(max(time.max() for _, time in parts))
    mean, kept = np.zeros((level.size, times)), np.ones(times, dtype=bool)
    cells, path, came = [], [], np.zeros(level.size * times)
    for part, time in parts:
        cells.append(level.of_series[part.series] * times + time[part.hour - part.first])
        path.append(part.path)
        came += came_in(stand, level, part.first, part.last, time, times)
        np.add.at(mean.T, time, _trial._add_up(part.rates, level).T)
        kept[time[~usable[part.first : part.last]]] = False
    if not kept.any():
        return None
    whole = came.astype(np.int64)
    scores = scoring.score_paths(np.concatenate(cells), np.concatenate(path), paths, whole)
    inside = (scores.low <= whole[:, None]) & (whole[:, None] <= scores.high)
    by_cell = {
        "cells": np.ones(len(whole)),
        "incidents": came,
        "expected": mean.ravel(),
        "absolute": np.abs(mean.ravel() - came),
        "crps": scores.crps,
        "inside_80": inside[:, 1].astype(float),
        "inside_95": inside[:, 2].astype(float),
        "even_80": share_between(scores.below, scores.equal, paths, 0.1, 0.9),
        "even_95": share_between(scores.below, scores.equal, paths, 0.025, 0.975),
    }
    names = np.array(stand.places[level_name])
    sums = {name: values.reshape(level.size, times)[:, kept].sum(axis=1) for name, values in by_cell.items()}
    rows = pl.DataFrame({"place": names} | sums)
    if level_name == "area_class":
        place = pl.when(pl.col("place").is_in(sample["area_class"])).then("place").otherwise(pl.lit("others"))
        rows = rows.group_by(place=place, maintain_order=True).agg(pl.all().exclude("place").sum())
    return rows.select(pl.lit(level_name).alias("level"), "place", pl.lit(span).alias("span"),
                       pl.lit(day).alias("day"), *by_cell)  # fmt: skip


def share_between(below: Integers, equal: Integers, paths: int, low: float, high: float) -> Floats:
    """Give the chance that a randomised PIT lies between two levels: coverage without the rounding of small counts.

    What came counts as one more path, and lies anywhere among those that are equal to it. On average over a forecast
    that is right this is exactly high − low, while an interval that ends at whole numbers holds more.
    """
    least, most = below / (paths + 1), (below + equal + 1) / (paths + 1)
    found: Floats = np.clip(np.minimum(most, high) - np.maximum(least, low), 0, None) / (most - least)
    return found


def came_in(stand: Stand, level: _trial.Level, first: int, last: int, time: Integers, times: int) -> Floats:
    """Count what came to each place (of a level) and time, in hours first … last-1; places × times, flat."""
    truth = stand.truth
    here = (truth.hour >= first) & (truth.hour < last) & (level.of_incident >= 0)
    index = level.of_incident[here] * times + time[truth.hour[here] - first]
    found: Floats = np.bincount(index, weights=truth.counts[here], minlength=level.size * times).astype(np.float64)
    return found


def learn(stand: Stand, method: str) -> RateModel:
    """Let one of Bluelamp's methods learn, as `bluelamp backtest` does."""
    return stand.origin.learn(method, stand.longest)


# ---- what is left when something is left out ----


def without(stand: Stand, what: str) -> Stand:
    """Give the same stand to one who does not know of holidays, of school terms or of events."""
    origin = stand.origin
    if what == "holidays":
        history = origin.history(stand.longest)
        unnamed = replace(history, calendar=_unnamed(history.calendar))
        blind = replace(origin, coming=_unnamed(origin.coming), _histories={stand.longest: unnamed})
        return replace(stand, origin=blind)
    is_school = pl.col("kind") == "school_holiday"
    events = origin.events.filter(~is_school if what == "school terms" else is_school)
    coming = make_calendar(
        origin.coming.hours[0], origin.coming.ends_at, origin.time_zone, origin.series, origin.areas, events,
        origin.country, origin.subdivision, origin.drivers,
    )  # fmt: skip
    return replace(stand, origin=replace(origin, events=events, coming=coming, _histories={}))


def _unnamed(calendar):  # type: ignore[no-untyped-def]
    return replace(calendar, label=[""] * len(calendar.label), label_beside=("", ""))


def touched_days(stand: Stand, what: str) -> pl.DataFrame:
    """Name the places and days ahead that something is about: level, place, day."""
    coming = stand.origin.coming
    if what == "events":
        number, hour = np.nonzero(coming.event_of)
        places = [stand.places["area"][each] for each in number]
        days = coming.day_of_hour[hour].tolist()
        rows = sorted({("area", place, day) for place, day in zip(places, days, strict=True)})
    else:
        if what == "holidays":
            before, after = coming.label_beside
            labels = [before, *coming.label_of_day, after]
            days = [day for day in range(len(coming.days)) if any(labels[day : day + 3])]
        else:
            kinds = [number for number, kind in enumerate(coming.force_kinds) if kind == "school_holiday"]
            hours = coming.force_event[kinds].any(axis=0) if kinds else np.zeros(len(coming.slot), dtype=bool)
            days = sorted(set(coming.day_of_hour[hours].tolist()))
        rows = [("force", stand.places["force"][0], day) for day in days]
    return pl.DataFrame(rows, schema={"level": pl.String, "place": pl.String, "day": pl.Int64}, orient="row")


# ---- opponents ----


def write_series(stand: Stand, sample: dict[str, list[str]], path: Path) -> None:
    """Write what opponents are given: counts of places by local hour, up to the origin."""
    origin, series = stand.origin, stand.origin.series
    history = origin.history(stand.longest)
    past, coming = history.calendar, origin.coming
    first_day = past.days[0]
    hours = 24 * (stand.day - first_day).days
    seen = np.bincount(past.day_of_hour * 24 + past.slot % 24, weights=past.lengths * ~history.is_masked,
                       minlength=hours)  # fmt: skip
    at = past.day_of_hour[history.hour] * 24 + past.slot[history.hour] % 24
    event_of = np.concatenate(
        [_on_local_hours(past, past.event_of, hours), _on_local_hours(coming, coming.event_of)], axis=1
    )
    counts, level_of, place_of, parent, local = [], [], [], [], []
    for level_name, level in zip(LEVELS, stand.truth.levels, strict=True):
        names = stand.places[level_name]
        wanted = [number for number, name in enumerate(names) if name in sample.get(level_name, names)]
        if level_name == "area":
            # A model of all areas learns from all of them; those that are sampled are told below.
            wanted = list(range(len(names)))
        row_of_place = np.full(level.size, -1)
        row_of_place[wanted] = np.arange(len(wanted))
        row = row_of_place[level.of_series[history.series]]
        kept = row >= 0
        came = np.bincount(row[kept] * hours + at[kept], weights=history.counts[kept], minlength=len(wanted) * hours)
        counts.append(np.where(seen > 0.4, came.reshape(-1, hours) / np.maximum(seen, 0.4), np.nan).astype(np.float32))
        level_of += [level_name] * len(wanted)
        place_of += [names[number] for number in wanted]
        is_area = level_name == "area"
        # The force is the first row, its districts are those that follow.
        parent.append(1 + series.district_of_area if is_area else np.full(len(wanted), -1))
        local.append(event_of if is_area else np.zeros((len(wanted), event_of.shape[1]), dtype=np.int8))
    is_sampled = [name in sample.get(level_name, [name]) for level_name, name in zip(level_of, place_of, strict=True)]
    days = hours // 24
    labels = np.array([*(past.label_of_day + [""] * days)[:days], *coming.label_of_day])
    kinds = sorted({*past.force_kinds, *coming.force_kinds})
    force = np.zeros((len(kinds), event_of.shape[1]), dtype=np.int8)
    for calendar, begin, end in ((past, 0, hours), (coming, hours, event_of.shape[1])):
        on = _on_local_hours(calendar, calendar.force_event.astype(np.int8), end - begin)
        for kind, row in zip(calendar.force_kinds, on, strict=True):
            force[kinds.index(kind), begin:end] = row
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part.npz")
    np.savez_compressed(
        beside, counts=np.concatenate(counts), level=np.array(level_of), place=np.array(place_of),
        parent=np.concatenate(parent), is_sampled=np.array(is_sampled), first_day=np.array(str(first_day)),
        label=labels, force_event=force, local_event=np.concatenate(local),
    )  # fmt: skip
    beside.replace(path)


def _on_local_hours(calendar, values, hours: int = 24 * DAYS):  # type: ignore[no-untyped-def]
    found = np.zeros((len(values), hours), dtype=np.int8)
    found[:, calendar.day_of_hour * 24 + calendar.slot % 24] = values
    return found


def score_peer(stand: Stand, series: Path, forecasts: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Score what opponents said: rows by method, place, sum and week with every variant, and the cost of each fit."""
    with np.load(series) as given:
        level_of, place_of = given["level"].tolist(), given["place"].tolist()
    scores, costs = [], []
    with np.load(forecasts) as told:
        for name in sorted(each.removesuffix(":row") for each in told.files if each.endswith(":row")):
            method, by = name.rsplit(":", 1)
            rows, mean, deviation, seconds = (
                told[f"{name}:{each}"] for each in ("row", "mean", "deviation", "seconds")
            )
            for level in stand.levels:
                of_level = np.flatnonzero([level_of[row] == level for row in rows])
                if not len(of_level):
                    continue
                places = [place_of[rows[each]] for each in of_level]
                some = _score_means(stand, level, places, by, mean[of_level], deviation[of_level])
                scores.append(some.with_columns(method=pl.lit(method), by=pl.lit(by)))
                costs.append(pl.DataFrame({"level": level, "place": places, "method": method, "by": by,
                                           "seconds": seconds[of_level].astype(float)}))  # fmt: skip
    return pl.concat(scores), pl.concat(costs)


def _score_means(
    stand: Stand, level_name: str, places: list[str], by: str, mean: Floats, deviation: Floats
) -> pl.DataFrame:
    level = stand.truth.levels[LEVELS.index(level_name)]
    coming = stand.origin.coming
    names = {name: number for number, name in enumerate(stand.places[level_name])}
    rows = [names[place] for place in places]
    day, local_hour, hours = coming.day_of_hour, coming.slot % 24, len(coming.slot)
    mean, deviation = mean.astype(np.float64), deviation.astype(np.float64)
    if by == "hours":
        mean, deviation = (each[:, day * 24 + local_hour] for each in (mean, deviation))
        spans = {"hour": np.arange(hours), "shift": 3 * day + local_hour // 8, "day": day, "week": day // 7}
        of_span = np.arange(hours)
    else:
        spans = {"day": day, "week": day // 7}
        of_span = np.arange(len(coming.days))
    found = []
    for span, time in spans.items():
        times = int(time.max()) + 1
        came = came_in(stand, level, 0, hours, time, times).reshape(level.size, times)[rows]
        kept = np.bincount(time, weights=~stand.truth.usable, minlength=times) == 0
        groups = time if by == "hours" else (of_span if span == "day" else of_span // 7)
        expected = np.stack([np.bincount(groups, weights=each, minlength=times) for each in mean])
        week = np.zeros(times, dtype=np.int64)
        week[time] = day // 7
        is_own_step = (by, span) in (("hours", "hour"), ("days", "day"))
        variants: list[tuple[float | None, Floats]] = [(each, crps_of_counts(expected, each, came)) for each in SPREADS]
        if is_own_step and np.isfinite(deviation).all():
            variants.append((None, crps_of_normal(expected, deviation, came)))
        cells = {"incidents": came, "expected": expected, "absolute": np.abs(expected - came)}
        sums = {name: _by_week(values, week, kept).ravel() for name, values in cells.items()}
        weeks = DAYS // 7
        base = pl.DataFrame({"place": np.repeat(places, weeks), "week": np.tile(np.arange(weeks), len(places))} | sums)
        for spread, crps in variants:
            found.append(base.with_columns(
                crps=pl.Series(_by_week(crps, week, kept).ravel()), spread=pl.lit(spread, dtype=pl.Float64),
                span=pl.lit(span), level=pl.lit(level_name),
            ))  # fmt: skip
    return pl.concat(found)


def _by_week(values: Floats, week: Integers, kept: np.ndarray) -> Floats:
    return np.stack([np.bincount(week[kept], weights=row[kept], minlength=DAYS // 7) for row in values])


def crps_of_counts(mean: Floats, spread: float, came: Floats) -> Floats:
    """Give the CRPS of negative binomials with variance mean + spread × mean², exactly up to a mean of 400.

    CRPS = Σₖ (F(k) − 1[came ≤ k])² over whole k. Above that mean the sum is an integral over a gamma distribution with
    the same mean and variance, by the approximation of Wilson and Hilferty (1931, PNAS 17, 684–688).
    """
    out = np.empty(mean.shape)
    large = mean > LARGE
    if large.any():
        out[large] = _crps_of_large(mean[large], spread, came[large])
    if not large.all():
        # Cells of like size together, so that small ones do not wait for large ones.
        small = np.flatnonzero(~large.ravel())
        order = small[np.argsort(mean.ravel()[small], kind="stable")]
        for some in np.array_split(order, max(len(order) // 4000, 1)):
            out.ravel()[some] = _crps_exactly(mean.ravel()[some], spread, came.ravel()[some])
    return out


def _crps_exactly(mean: Floats, spread: float, came: Floats) -> Floats:
    mean = np.maximum(mean, 1e-9)
    last = int(max((mean + 9 * np.sqrt(mean + spread * mean**2)).max() + 12, came.max() + 1))
    if spread > 0:
        shape = 1 / spread
        log = shape * np.log(shape / (shape + mean))
        ratio = np.log(mean / (shape + mean))
    else:
        shape, log, ratio = 0.0, -mean, np.log(mean)
    below, total = np.zeros_like(mean), np.zeros_like(mean)
    for k in range(last + 1):
        below += np.exp(log)
        total += (below - (came <= k)) ** 2
        log = log + ratio + (math.log((shape + k) / (k + 1)) if spread > 0 else -math.log(k + 1))
    return total


def _crps_of_large(mean: Floats, spread: float, came: Floats) -> Floats:
    deviation = np.sqrt(mean + spread * mean**2)
    shape = (mean / deviation) ** 2
    reach = 8 * deviation + np.abs(came - mean)
    # Midpoints of steps to both sides of what came, where the integrand jumps.
    steps = (np.arange(_STEPS) + 0.5) / _STEPS
    total = np.zeros_like(mean)
    for side in (-1, 1):
        at = np.maximum(came[:, None] + side * reach[:, None] * steps, 0.0)
        z = 3 * np.sqrt(shape)[:, None] * (np.cbrt(at / mean[:, None]) - 1 + 1 / (9 * shape)[:, None])
        below = (1 + _erf(z / math.sqrt(2))) / 2
        total += (((below - (side > 0)) ** 2) * (came[:, None] + side * reach[:, None] * steps >= 0)).sum(axis=1)
    return total * reach / _STEPS


_STEPS = 200
_erf = np.vectorize(math.erf, otypes=[float])


def crps_of_normal(mean: Floats, deviation: Floats, came: Floats) -> Floats:
    """Give the CRPS of normal distributions (Gneiting and Raftery 2007, section 4.2)."""
    deviation = np.maximum(deviation, 1e-6)
    z = (came - mean) / deviation
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    found: Floats = deviation * (z * _erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))
    return found


# ---- pieces ----


def piece(folder: Path, name: str, make: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Give a finished piece of work from its file, or do it and keep it."""
    path = folder / f"{name}.parquet"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        make().write_parquet(beside)
        beside.replace(path)
    return pl.read_parquet(path)
