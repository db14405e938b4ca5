"""Forecasts beside the one that is used: of districts and the force alone, so that they cost little.

The naive members learn from districts as if these were areas, which gives them the rates and the shocks that they find
from areas: plain means add up. Counts of districts are drawn straight away, and their sums are those of the force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from bluelamp import extensions, quantiles
from bluelamp.forecast import _paths
from bluelamp.forecast._history import Calendar, Floats, History, Integers, Series
from bluelamp.forecast._rates import RateModel

QUANTILES = ("p025", "p10", "p25", "p50", "p75", "p90", "p975")
# Another key word than any that the paths of the forecast in use are drawn by.
_SUMS, _COPIES = 201, 202


def lay_beside(
    rows: pl.DataFrame,
    own: str,
    shadow: RateModel | None,
    others: Sequence[str],
    history: History,
    series: Series,
    calendar: Calendar,
    paths: int,
    seed: int,
    days_between: float,
) -> pl.DataFrame:
    """Lay the force's and its districts' sums by several methods beside each other, for the days with paths.

    A row is a method's forecast of one place over one hour or day: method, level, area_id, span, hour_starting, mean
    and quantiles p025 … p975, in incidents. `own` is told as it was published (`rows`), or from `shadow`, its model,
    where others stand in for it.
    """
    parts = []
    if shadow is None:
        near = rows.filter(
            pl.col("level").is_in(["district", "force"]), pl.col("hour_starting") < calendar.ends_at,
            class_code="all", grade_code="all",
        )  # fmt: skip
        published = [pl.col(f"incidents_{name}").alias(name) for name in ("mean", *QUANTILES)]
        parts.append(_named(own, near.select("level", "area_id", "span", "hour_starting", *published)))
    else:
        parts.append(_named(own, forecast_sums(shadow, calendar, paths, seed, days_between)))
    past, districts = collapse(history, series)
    calm = without_local_events(calendar, len(districts.area_ids))
    for method in others:
        if method != own:
            model: RateModel = extensions.member("forecast", method).fit(past, districts)
            parts.append(_named(method, forecast_sums(model, calm, paths, seed, days_between)))
    return pl.concat(parts).sort("method", "level", "area_id", "span", "hour_starting")


def _named(method: str, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.lit(method).alias("method"), pl.all())


def collapse(history: History, series: Series) -> tuple[History, Series]:
    """Give a history whose only series are the districts."""
    districts = Series(
        area_ids=series.district_ids,
        district_ids=series.district_ids,
        cells=[("all", "all")],
        district_of_area=np.arange(len(series.district_ids)),
        force_id=series.force_id,
    )
    hours = len(history.calendar.slot)
    district = series.district_of_area[history.series // series.shape[1]]
    counts = np.bincount(
        district * hours + history.hour, weights=history.counts, minlength=len(series.district_ids) * hours
    )
    there = np.flatnonzero(counts)
    at_district, at_hour = np.divmod(there, hours)
    order = np.lexsort((at_district, at_hour))
    summed = replace(
        history,
        calendar=without_local_events(history.calendar, len(series.district_ids)),
        series=at_district[order],
        hour=at_hour[order],
        counts=counts[there][order].astype(np.int64),
    )
    return summed, districts


def without_local_events(calendar: Calendar, places: int) -> Calendar:
    """Give a calendar for other places: events and drivers of single areas are not theirs."""
    nowhere = np.zeros((places, len(calendar.slot)), dtype=np.int8)
    return replace(calendar, event_kinds=[], event_of=nowhere, drivers={})


def forecast_sums(model: RateModel, calendar: Calendar, paths: int, seed: int, days_between: float) -> pl.DataFrame:
    """Give quantiles of every district's and the force's hours and days: level, area_id, span, hour_starting, mean,
    p025 … p975.

    Counts are drawn district by district, without their areas and classes: whatever moves classes leaves sums alone.
    """
    series = model.series
    days = len(calendar.days)
    multipliers = _paths.draw_multipliers(model, paths, seed, days, days_between)
    bounds = np.searchsorted(calendar.day_of_hour, np.arange(days + 1))
    means: list[list[Floats]] = [[], []]
    found: list[list[Integers]] = [[], []]
    places = [*(("district", name) for name in series.district_ids), ("force", series.force_id)]
    for day in range(days):
        first, last = int(bounds[day]), int(bounds[day + 1])
        rates = model.rates(calendar, first, last).sum(axis=1)
        expected = np.zeros((len(series.district_ids), last - first))
        np.add.at(expected, series.district_of_area, rates)
        counts = _draw_counts(model, expected, multipliers[:, day], calendar.block[first:last], seed, day)
        counts = np.concatenate([counts, counts.sum(axis=0, keepdims=True)])
        expected = np.concatenate([expected, expected.sum(axis=0, keepdims=True)])
        for span, (mean, came) in enumerate(
            ((expected, counts), (each.sum(axis=1, keepdims=True) for each in (expected, counts)))
        ):
            means[span].append(mean)
            found[span].append(quantiles.of_counts(came))
    midnights = calendar.hours[bounds[:-1]]
    return pl.concat(
        _rows(places, span, starts, np.concatenate(mean, axis=1), np.concatenate(levels, axis=1))
        for span, starts, mean, levels in zip(("hour", "day"), (calendar.hours, midnights), means, found, strict=True)
    )


def _draw_counts(
    model: RateModel, expected: Floats, of_path: Floats, blocks: Integers, seed: int, day: int
) -> Integers:
    """Draw counts, districts × hours × paths, of one day; `of_path` are the multipliers, paths × districts."""
    shocks, paths = model.shocks, len(of_path)
    together = _paths.draw_parts_of_day(shocks, blocks, paths, seed, day).T / (1 + shocks.clump / 2)
    mean = expected[:, :, None] * (of_path.T[:, None, :] * together)
    counts: Integers = _paths.philox(seed, _SUMS, day).poisson(mean)
    if shocks.clump > 1e-9:
        # Each incident is followed by others, as many as a geometric distribution gives.
        copies = _paths.philox(seed, _COPIES, day).negative_binomial(np.maximum(counts, 1), 2 / (2 + shocks.clump))
        counts = counts + np.where(counts > 0, copies, 0)
    return counts


def _rows(
    places: Sequence[tuple[str, str]], span: str, starts: pl.Series, mean: Floats, levels: Integers
) -> pl.DataFrame:
    times = len(starts)
    place = np.repeat(np.arange(len(places)), times)
    return pl.DataFrame(
        {
            "level": pl.Series([level for level, _ in places])[place],
            "area_id": pl.Series([name for _, name in places])[place],
            "span": pl.repeat(span, len(place), eager=True),
            "hour_starting": starts[np.tile(np.arange(times), len(places))],
            "mean": mean.ravel(),
            **{name: levels[:, :, column].ravel() for column, name in enumerate(QUANTILES)},
        }
    )
