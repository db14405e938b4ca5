"""The slot mean against a world made the way it thinks: shocks come back, and intervals hold what they say."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from bluelamp import periods
from tests.forecast.made import areas_in, demand_of, forecast_of, hours_of, midnight

DISTRICTS = {"a": "D1", "b": "D1", "c": "D2"}
AREAS = areas_in(DISTRICTS)
RATES = {"a": 4.0, "b": 2.0, "c": 5.0}


def world(seed: int, days: int, force_day: float, district_day: float) -> tuple[pl.Series, dict[str, np.ndarray]]:
    """Counts whose days share gamma shocks of those variances, over a week with nights and weekends."""
    chance, hours = np.random.default_rng(seed), hours_of(days)
    local = periods.local_parts(hours, "Europe/London")
    day = (local["day"] - local["day"][0]).dt.total_days().to_numpy()
    shape = 1 + 0.6 * np.sin(2 * np.pi * (local["hour"].to_numpy() - 9) / 24)
    shape = shape * np.where(local["weekday"].to_numpy() >= 6, 1.3, 1)

    def shocks(variance: float) -> np.ndarray:
        return chance.gamma(1 / variance, variance, days) if variance else np.ones(days)

    of_force, of_district = shocks(force_day), {name: shocks(district_day) for name in ("D1", "D2")}
    counts = {
        area: chance.poisson(rate * shape * of_force[day] * of_district[DISTRICTS[area]][day])
        for area, rate in RATES.items()
    }
    return hours, counts


def learn(seed: int, days: int, ahead: int = 3, force_day: float = 0.0, district_day: float = 0.0, **wanted):
    hours, counts = world(seed, days + ahead, force_day, district_day)
    demand = demand_of(hours, {(area,): each for area, each in counts.items()})
    cut = midnight(days)
    made = forecast_of(demand, AREAS, cut, path_days=ahead, days=ahead, **{"method": "slot_mean", **wanted})
    came = demand.filter(pl.col("hour_starting") >= cut)
    return made, came


def test_shocks_that_days_share_are_found_again():
    force = [learn(seed, 364, force_day=0.02, district_day=0.01, paths=10)[0].model.shocks for seed in range(3)]
    assert np.mean([each.force_day for each in force]) == pytest.approx(0.02, rel=0.25)
    assert np.mean([each.district_day for each in force]) == pytest.approx(0.01, rel=0.3)
    assert max(each.level for each in force) < 0.003


def test_noise_alone_is_not_taken_for_shocks():
    shocks = [learn(seed, 364, paths=10)[0].model.shocks for seed in range(3)]
    assert max(each.force_day for each in shocks) < 0.002
    assert max(each.district_day for each in shocks) < 0.003


def test_a_first_day_of_one_hour_is_not_taken_for_a_shock():
    hours, counts = world(1, 56, 0.0, 0.0)
    made = []
    for begin in (24, 23):
        later = hours.to_numpy() >= hours.to_numpy()[begin]
        # The day's last hour has forty times its usual incidents: a register that begins with a backlog.
        odd = {(area,): np.where(np.arange(len(each)) == 23, 40 * each, each) * later for area, each in counts.items()}
        made.append(forecast_of(demand_of(hours, odd), AREAS, midnight(56), paths=10, method="slot_mean").model.shocks)
    assert made[1].force_day == pytest.approx(made[0].force_day, abs=0.003)
    assert made[1].district_day == pytest.approx(made[0].district_day, abs=0.003)


def test_a_short_history_takes_the_spread_that_police_calls_usually_show():
    made, _ = learn(1, 10)
    assert (made.model.shocks.force_day, made.model.shocks.level) == (0.01, 0.01)
    assert any("Learnt from 1.4 weeks" in note for note in made.model.notes)


def test_hours_of_the_week_never_seen_are_told_and_lean_on_the_same_hour_of_other_days():
    hours, counts = world(1, 5, 0.0, 0.0)
    made = forecast_of(
        demand_of(hours, {(area,): each for area, each in counts.items()}),
        AREAS,
        midnight(5),
        path_days=7,
        days=7,
        method="slot_mean",
    )
    assert "48 of 168 hours of the week were never seen and lean on the rest." in made.model.notes
    rates = made.model.slot_rates.sum(axis=(0, 1)).reshape(7, 24)
    np.testing.assert_allclose(rates[5], rates[:5].mean(axis=0), rtol=0.15)


def sparse_world(seed: int, weeks: int, areas: int, cells: int) -> tuple[np.ndarray, dict[tuple[str, str], np.ndarray]]:
    """Counts of many classes, each with hours of its own, some of them far above what is usual on Friday nights."""
    chance, hours = np.random.default_rng(seed), hours_of(7 * weeks)
    slot = periods.local_parts(hours, "Europe/London")["slot"].to_numpy()
    hour, weekday = slot % 24, slot // 24
    parts = chance.dirichlet(np.full(areas * cells, 0.4)).reshape(areas, cells)
    counts = {}
    for cell in range(cells):
        shape = 1 + 0.9 * np.sin(2 * np.pi * (hour - chance.integers(6, 20)) / 24)
        shape = shape + 5 * ((weekday == 4) & (hour >= 21)) * (cell % 3 == 0)
        for area in range(areas):
            counts[f"a{area:02d}", f"c{cell}"] = chance.poisson(3 * parts[area, cell] * shape)
    return slot, counts


@pytest.mark.parametrize(("seed", "weeks", "areas", "cells"), [(1, 3, 12, 6), (2, 8, 40, 12), (3, 30, 12, 6)])
def test_many_sparse_series_add_up_to_what_the_force_has_seen(seed, weeks, areas, cells):
    """It leans cells on their parents one by one, and still expects in all what the force's own hours say.

    That is between what was seen in the hour, what its hour of the day and its weekday would say, and the same with
    what was seen in it and its two neighbours.
    """
    slot, counts = sparse_world(seed, weeks, areas, cells)
    known = areas_in({area: f"D{int(area[1:]) % 3}" for area, _ in counts})
    model = forecast_of(
        demand_of(hours_of(7 * weeks), counts), known, midnight(7 * weeks), paths=10, method="slot_mean"
    ).model

    seen = np.bincount(slot, weights=sum(counts.values())) / weeks
    table = seen.reshape(7, 24)
    usual = (table.mean(axis=1, keepdims=True) * table.mean(axis=0) / table.mean()).ravel()
    together = sum(np.roll(seen, step) for step in (-1, 0, 1)), sum(np.roll(usual, step) for step in (-1, 0, 1))
    around = usual * together[0] / together[1]
    expected = model.slot_rates.sum(axis=(0, 1))
    room = 0.02 * seen.mean()  # no hour of the week is expected to be empty for ever
    assert (expected >= np.min([seen, usual, around], axis=0) - room).all()
    assert (expected <= np.max([seen, usual, around], axis=0) + room).all()
    assert expected.mean() == pytest.approx(seen.mean(), rel=0.01)
    of_area = dict(zip(model.series.area_ids, model.slot_rates.sum(axis=1).mean(axis=1), strict=True))
    own = {area: sum(each.mean() for (other, _), each in counts.items() if other == area) for area in of_area}
    assert of_area == pytest.approx(own, rel=0.1, abs=0.02)


def share_inside(rows: pl.DataFrame, low: str, high: str) -> float:
    return rows.select(pl.col("came").is_between(pl.col(f"incidents_{low}"), pl.col(f"incidents_{high}")).mean()).item()


def test_intervals_hold_what_they_say_in_a_world_like_the_model():
    by_hour, by_day = [], []
    for seed in range(8):
        made, came = learn(20 + seed, 364, 14, force_day=0.02, district_day=0.01, paths=100)
        force = made.table.filter(level="force", class_code="all", grade_code="all")
        hourly = came.group_by("hour_starting").agg(came=pl.col("incidents").sum())
        by_hour.append(
            force.filter(span="hour")
            .join(hourly, on="hour_starting", how="left")
            .with_columns(pl.col("came").fill_null(0))
        )
        days = came.with_columns(hour_starting=pl.col("hour_starting").dt.truncate("1d"))  # winter in London is UTC
        daily = days.group_by("hour_starting").agg(came=pl.col("incidents").sum())
        by_day.append(force.filter(span="day").join(daily, on="hour_starting"))
    hours, days = pl.concat(by_hour), pl.concat(by_day)
    assert days.height == 8 * 14
    assert 0.70 < share_inside(days, "p10", "p90") < 0.88
    assert 0.38 < share_inside(days, "p25", "p75") < 0.62
    # An hour's counts are small whole numbers, so that its interval holds a little more than it says.
    assert 0.78 < share_inside(hours, "p10", "p90") < 0.90
    assert days["came"].sum() == pytest.approx(days["incidents_mean"].sum(), rel=0.03)
