"""The naive members: what was seen, and nothing else."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.drawn import drawn
from tests.forecast.made import areas_in, demand_of, forecast_of, hours_of, means, midnight

AREAS = areas_in({"a": "D1", "b": "D2"})
NAIVE = ("last_week", "slot_mean_8", "slot_mean_26", "slot_mean_52")


def of_weeks(*counts: int) -> dict[tuple[str, ...], np.ndarray]:
    """Area a has one count in every hour of each week; b has one incident an hour."""
    by_hour = np.repeat(counts, 168)
    return {("a",): by_hour, ("b",): np.ones_like(by_hour)}


def mean_of_a(method: str, demand: pl.DataFrame, days: int, **wanted) -> list[float]:
    return means(forecast_of(demand, AREAS, midnight(days), method=method, days=1, path_days=1, **wanted), "area", "a")


@pytest.mark.parametrize(("method", "expected"), [("last_week", 9), ("slot_mean_8", 2), ("slot_mean_26", 1.4)])
def test_each_takes_the_mean_of_its_own_weeks_alone(method, expected):
    demand = demand_of(hours_of(70), of_weeks(*[0] * 2, *[1] * 7, 9))
    # Ten weeks: 8 hold seven ones and a nine, all ten two empty ones beside.
    wanted = {"slot_mean_8": (7 + 9) / 8, "slot_mean_26": (7 + 9) / 10}.get(method, expected)
    # The history begins with b's first incident, so that the empty weeks of a are seen.
    assert mean_of_a(method, demand, 70) == pytest.approx([wanted] * 24)


def test_fifty_two_weeks_reach_further_than_twenty_six():
    demand = demand_of(hours_of(52 * 7), of_weeks(*[4] * 26, *[2] * 26))
    assert mean_of_a("slot_mean_26", demand, 52 * 7)[0] == pytest.approx(2, rel=0.05)
    assert mean_of_a("slot_mean_52", demand, 52 * 7)[0] == pytest.approx(3, rel=0.05)


def test_an_hour_of_the_week_is_its_own():
    counts = np.tile(np.arange(168) % 7, 8)
    made = mean_of_a("slot_mean_8", demand_of(hours_of(56), {("a",): counts, ("b",): np.ones(8 * 168)}), 56)
    assert made == pytest.approx(counts[:24])


def test_hours_in_an_outage_count_neither_as_quiet_nor_as_time():
    demand = demand_of(hours_of(70), of_weeks(*[4] * 10))
    during = pl.col("hour_starting").is_between(midnight(63), midnight(66), closed="left")
    outages = drawn(
        "outages",
        "starts_at            | ends_at              | rule",
        "2025-03-10T00:00:00Z | 2025-03-13T00:00:00Z | declared",
    )
    assert midnight(63).date().isoformat() == "2025-03-10"
    for method in NAIVE:
        assert mean_of_a(method, demand.filter(~during), 70, outages=outages) == pytest.approx([4] * 24)


def test_last_week_takes_the_nearest_week_in_which_the_hour_was_seen():
    demand = demand_of(hours_of(21), of_weeks(1, 5, 9))
    outages = drawn(
        "outages",
        "starts_at            | ends_at              | rule",
        "2025-01-20T00:00:00Z | 2025-01-20T12:00:00Z | declared",
    )
    assert mean_of_a("last_week", demand, 21, outages=outages) == pytest.approx([5] * 12 + [9] * 12)


@pytest.mark.parametrize("method", NAIVE)
def test_an_hour_never_seen_takes_the_same_hour_of_other_days(method):
    counts = np.tile(np.arange(24), 5)
    demand = demand_of(hours_of(5), {("a",): counts, ("b",): np.ones(120)})
    made = forecast_of(demand, AREAS, midnight(5), method=method, days=1, path_days=1)
    assert means(made, "area", "a") == pytest.approx(list(range(24)))
    assert means(made, "force", "F") == pytest.approx([hour + 1 for hour in range(24)])


@pytest.mark.parametrize("method", NAIVE)
def test_three_hours_of_history_are_enough_to_say_something(method):
    demand = demand_of(hours_of(1)[:3], {("a",): 2, ("b",): 1})
    made = forecast_of(demand, AREAS, midnight(1), method=method, data_until=hours_of(1)[3], days=2, path_days=2)
    assert means(made, "area", "a") == pytest.approx([2] * 48)


@pytest.mark.parametrize("method", NAIVE)
def test_its_days_share_shocks_so_that_a_day_is_wider_than_chance(method):
    chance = np.random.default_rng(3)
    of_day = np.repeat(chance.gamma(1 / 0.04, 0.04, 210), 24)[: len(hours_of(210))]
    demand = demand_of(hours_of(210), {("a",): chance.poisson(10 * of_day[: len(hours_of(210))]), ("b",): 1})
    made = forecast_of(demand, AREAS, midnight(210), method=method, paths=400)
    day = made.table.filter(level="force", span="day", class_code="all", grade_code="all").row(0, named=True)
    of_chance = 2 * 1.2816 * day["incidents_mean"] ** 0.5
    assert day["incidents_p90"] - day["incidents_p10"] > 1.3 * of_chance
    assert made.model.shocks.force_day + made.model.shocks.level > 0.015


@pytest.mark.parametrize("method", NAIVE)
def test_a_holiday_is_a_day_like_others(method):
    # Good Friday and Easter Monday 2025 lie 102 and 105 days after the sixth of January.
    counts = np.ones(len(hours_of(120)), dtype=int)
    counts[24 * 102 : 24 * 103] = 30
    made = forecast_of(
        demand_of(hours_of(120), {("a",): counts, ("b",): 1}), AREAS, midnight(120), method=method, country="GB"
    )
    assert made.model.special == {}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("method", NAIVE)
def test_a_weekday_on_which_nothing_came_is_no_fault(method):
    by_day = np.repeat(np.arange(70) % 7 != 2, 24).astype(int)
    by_day[24 * 9 : 24 * 10] = 3  # a Wednesday on which something came, long ago
    demand = demand_of(hours_of(70), {("a",): by_day, ("b",): 2 * by_day})
    made = forecast_of(demand, AREAS, midnight(70), method=method)
    assert means(made, "area", "a", "day")[:3] == pytest.approx([24, 24, 0], abs=7.3)
    shocks = made.model.shocks
    assert all(np.isfinite([shocks.force_day, shocks.district_day, shocks.level, shocks.drift]))
