"""Work in every path: who gets a unit, for how many officer-hours, and how well that is known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from bluelamp.forecast._paths import DayPaths
from bluelamp.forecast._work import Asked, ask, quantiles_of_sums
from tests.drawn import drawn
from tests.forecast.made import areas_in, demand_of, forecast_of, hours_of, midnight

HEADER = (
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | sd_units | sd_minutes | "
    "se_share_deployed | se_units | se_minutes | common_error | source"
)
SURE = drawn("service_times", HEADER, "x | 1 | 0.6 | 2 | 45 | 0.8 | 60 | 0 | 0 | 0 | 0 | drawn")
ALL = {"class_code": "all", "grade_code": "all"}
RANGE = [f"officer_hours_p{name}" for name in (10, 25, 50, 75, 90)]
CHANCE = np.random.default_rng(3)


def day_of(counts: np.ndarray, cells: int = 1) -> DayPaths:
    """A day of one hour in one area: so many incidents of each path (× cells)."""
    path, cell = np.nonzero(counts.reshape(len(counts), cells))
    times = counts.reshape(len(counts), cells)[path, cell]
    path, series = np.repeat(path, times), np.repeat(cell, times)
    return DayPaths(0, 0, 1, path, series, np.zeros_like(path))


def sums(asked: Asked, counts: np.ndarray, crew: float = 1.0) -> np.ndarray:
    paths, cells = counts.reshape(len(counts), -1).shape
    sent = asked.draw(paths, seed=1).send(day_of(counts, cells), np.array([crew]), seed=1)
    return np.bincount(sent.path, sent.officer_hours, minlength=paths)


# ---- a path ----


def test_a_sum_of_officer_hours_has_the_mean_and_variance_of_a_compound_poisson():
    found = sums(ask(SURE, [("x", "1")]), CHANCE.poisson(8, 40_000), crew=2)
    mean = 8 * 0.6 * 2 * 0.75 * 2
    square = (2**2 + 0.8**2) * (0.75**2 + 1**2) * 2**2
    assert found.mean() == pytest.approx(mean, rel=0.02)
    assert found.var() == pytest.approx(8 * 0.6 * square, rel=0.06)


def test_what_a_path_asks_for_is_the_same_in_all_its_hours():
    """Of very many incidents chance is gone, and what is left is that nobody knows what one asks for."""
    unsure = SURE.with_columns(se_share_deployed=0.06, se_units=0.1, se_minutes=9.0)
    found = sums(ask(unsure, [("x", "1")]), np.full(2_000, 600))
    error = (1 + 0.1**2) * (1 + 0.05**2 + 0.2**2) - 1
    assert found.std() / found.mean() == pytest.approx(np.sqrt(error + 3.3 / 360), rel=0.05)
    assert found.mean() == pytest.approx(600 * 0.6 * 1.5, rel=0.02)


@pytest.mark.parametrize(("common", "expected"), [(0.0, 0.2 / 4), (1.0, 0.2)])
def test_errors_that_classes_share_do_not_average_out(common, expected):
    classes = [f"c{number}" for number in range(16)]
    rows = [f"{name} | 1 | 1 | 1 | 60 | 0 | 0 | 0 | 0 | 12 | {common} | drawn" for name in classes]
    asked = ask(drawn("service_times", HEADER, *rows), [(name, "1") for name in classes])
    found = sums(asked, np.full((3_000, 16), 2))
    assert found.std() / found.mean() == pytest.approx(expected, rel=0.06)
    assert np.sqrt(asked.error_of(np.ones((1, 16)))[1][0]) == pytest.approx(expected)


def test_a_share_of_one_stays_one():
    asked = ask(SURE.with_columns(share_deployed=0.98, se_share_deployed=0.1), [("x", "1")])
    assert asked.draw(500, 1).share.max() == 1


def test_a_class_without_a_row_gets_no_unit():
    assert sums(ask(SURE, [("y", "1")]), np.full(20, 5)).tolist() == [0] * 20


# ---- without paths ----


@pytest.mark.parametrize("rate", [0.3, 2.0, 40.0])
def test_quantiles_without_paths_are_near_those_of_a_compound_poisson(rate):
    count = CHANCE.poisson(rate, 60_000)
    spread = np.sqrt(np.log1p(1.5))
    each = np.exp(spread * (CHANCE.standard_normal(count.sum()) - spread / 2))
    drawn_sums = np.bincount(np.repeat(np.arange(60_000), count), each, minlength=60_000)
    levels = (0.10, 0.25, 0.50, 0.75, 0.90)
    found = quantiles_of_sums(np.array([rate]), np.array([2.5 / rate]), np.array([np.exp(-rate)]), levels)[0]
    exact = np.quantile(drawn_sums, levels, method="inverted_cdf")
    assert found == pytest.approx(exact, abs=(0.12 if rate < 10 else 0.02) * rate)
    assert ((found == 0) == (exact == 0)).all()


# ---- the table ----

TWO = areas_in({"a": "D1", "b": "D2"})


def made_of(service_times: pl.DataFrame, **wanted):
    demand = demand_of(hours_of(28), {("a", "x"): 3, ("b", "x"): 1})
    return forecast_of(demand, TWO, midnight(28), service_times=service_times, **{"paths": 400, **wanted})


def test_ranges_are_in_order_about_the_mean_and_wider_where_less_is_known():
    unsure = SURE.with_columns(se_minutes=15.0)
    rows = [
        made_of(times).table.filter(level="force", span="day", **ALL).row(0, named=True) for times in (SURE, unsure)
    ]
    for row in rows:
        assert [row[name] for name in RANGE] == sorted(row[name] for name in RANGE)
        assert row["officer_hours_p25"] < row["officer_hours_mean"] < row["officer_hours_p90"]
        assert row["deployments_p10"] < row["deployments_mean"] < row["deployments_p90"] < row["incidents_p90"]
        assert row["officer_hours_mean"] == pytest.approx(96 * 0.6 * 1.5, rel=0.001)
    width = [row["officer_hours_p90"] - row["officer_hours_p10"] for row in rows]
    assert width[1] > 1.3 * width[0]


def test_hours_of_areas_and_of_classes_have_means_alone():
    table = made_of(SURE).table
    told = table.filter(pl.col("officer_hours_p50").is_not_null())
    untold = table.filter(pl.col("officer_hours_p50").is_null())
    assert untold.filter(span="day").is_empty()
    assert untold.filter(level="force", class_code="all").is_empty()
    assert set(told.filter(span="hour")["level"]) == {"district", "force"}
    assert untold["officer_hours_mean"].min() > 0


def test_places_that_are_the_whole_force_have_its_ranges():
    demand = demand_of(hours_of(28), {("a", "x"): 4})
    table = forecast_of(demand, areas_in({"a": "D"}), midnight(28), service_times=SURE, paths=200).table
    figures = ["hour_starting", *RANGE, "deployments_p10", "deployments_p90"]
    days = [table.filter(level=level, span="day", **ALL).select(figures) for level in ("force", "district", "area")]
    assert days[0].equals(days[1])
    assert days[0].equals(days[2])
    by_grade = table.filter(level="force", span="day", class_code="all", grade_code="1").select(figures)
    by_class = table.filter(level="force", span="day", class_code="x").select(figures)
    assert days[0].equals(by_grade)
    assert days[0].equals(by_class)


def test_what_is_beyond_the_paths_has_ranges_like_those_within():
    unsure = SURE.with_columns(se_minutes=6.0, se_share_deployed=0.05)
    table = made_of(unsure, path_days=4, days=8, paths=2_000, crew_size_by_hour=(2,) * 24).table
    days = table.filter(level="force", span="day", **ALL).sort("hour_starting")
    near, far = days.row(3, named=True), days.row(4, named=True)
    for name in (*RANGE, "officer_hours_mean", "deployments_mean", "deployments_p10", "deployments_p90"):
        assert far[name] == pytest.approx(near[name], rel=0.05), name
    hours = table.filter(level="force", span="hour", **ALL).sort("hour_starting")
    within, beyond = (hours.slice(first, 24).select(RANGE[1:]).mean().row(0) for first in (72, 96))
    assert beyond == pytest.approx(within, abs=0.17 * 4 * 0.6 * 1.5 * 2)


def test_nobody_sent_is_nil_everywhere():
    table = made_of(SURE.with_columns(share_deployed=0.0), path_days=2, days=4).table
    for name in (*RANGE, "officer_hours_mean", "deployments_mean", "deployments_p90"):
        assert table[name].max() == 0


def test_the_same_seed_gives_the_same_ranges_and_more_days_change_none():
    table, again, longer = (made_of(SURE, path_days=days, days=days).table for days in (2, 2, 3))
    assert table.equals(again)
    key = ["level", "area_id", "span", "hour_starting", "class_code", "grade_code"]
    both = table.join(longer.select(*key, pl.col(RANGE).name.suffix("_longer")), on=key)
    for name in RANGE:
        assert both[name].equals(both[f"{name}_longer"], check_names=False)
