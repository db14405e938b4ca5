"""Things that demand goes with: their effect comes back where they are forecast; without them nothing is missing."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from bluelamp import periods, tables
from bluelamp.forecast._drivers import settle_drivers
from tests.forecast.made import LONDON, areas_in, demand_of, forecast_of, hours_of, means, midnight

TWO = areas_in({"a": "D1", "b": "D1"})
FIRST = date(2024, 1, 1)
DAYS = 420


def weather(hours: pl.Series, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Temperatures by season and hour of the day with spells of warm and cold, and how far they are from usual."""
    chance = np.random.default_rng(seed)
    days = len(hours) // 24 + 2
    spell = np.zeros(days)
    for day in range(1, days):
        spell[day] = 0.7 * spell[day - 1] + chance.normal(0, np.sqrt(1 - 0.7**2))
    parts = periods.local_parts(hours, LONDON)
    day = (parts["day"] - FIRST).dt.total_days().to_numpy()
    turn = 2 * np.pi * (day - 200) / 365.25
    usual = 10 + 8 * np.cos(turn) + 4 * np.cos(2 * np.pi * (parts["hour"].to_numpy() - 15) / 24)
    return usual + 3 * spell[day], spell[day]


def table_of(hours: pl.Series, values: np.ndarray, place: str | None = None, known: object = None) -> pl.DataFrame:
    rows = pl.DataFrame({"hour_starting": hours, "value": values}).with_columns(
        driver=pl.lit("temperature"),
        area_id=pl.lit(place, dtype=pl.String),
        known_at=pl.lit(known, dtype=periods.INSTANT),
    )
    return tables.publish(rows, "drivers")


HOURS = hours_of(DAYS + 4, FIRST)
TEMPERATURE, SPELL = weather(HOURS)
PAST = len(hours_of(DAYS, FIRST))
ORIGIN = midnight(DAYS, FIRST)
OBSERVED = table_of(HOURS[:PAST], TEMPERATURE[:PAST])


def effect(spell: np.ndarray) -> np.ndarray:
    """Warm spells bring more by 20 % for each standard deviation; cold ones change nothing."""
    return np.exp(0.2 * np.maximum(spell, 0))


def expected(drivers: pl.DataFrame | None, counts: dict[tuple[str], np.ndarray], area: str = "F") -> np.ndarray:
    demand = demand_of(HOURS[:PAST], counts)
    made = forecast_of(demand, TWO, ORIGIN, drivers=drivers, path_days=4, days=4, paths=20)
    return np.array(means(made, "force" if area == "F" else "area", area, span="day")) / 24


def counts(seed: int = 2) -> dict[tuple[str], np.ndarray]:
    chance = np.random.default_rng(seed)
    return {(area,): chance.poisson(10 * effect(SPELL[:PAST])) for area in ("a", "b")}


def forecast_as(spell: np.ndarray, issued: datetime = ORIGIN, place: str | None = None) -> pl.DataFrame:
    """A forecast of the coming days that are so far from usual."""
    usual = TEMPERATURE[PAST:] - 3 * SPELL[PAST:]
    return table_of(HOURS[PAST:], usual + 3 * spell, place, issued)


def test_a_warm_spell_that_is_forecast_brings_what_warm_spells_brought():
    coming = np.repeat([2.0, 0.0, -2.0, 0.0], 24)
    found = expected(pl.concat([OBSERVED, forecast_as(coming)]), counts())
    usual = expected(OBSERVED, counts())
    ratio = found / usual
    assert ratio[0] == pytest.approx(np.exp(0.4), rel=0.08)
    assert ratio[2] == pytest.approx(1, abs=0.06), "cold days changed nothing"
    assert ratio[1] == pytest.approx(1, abs=0.04)


def test_without_a_forecast_of_it_a_driver_is_as_usual():
    with_history, without = expected(OBSERVED, counts()), expected(None, counts())
    np.testing.assert_allclose(with_history, without, rtol=0.06)
    np.testing.assert_allclose(with_history, 20 * effect(SPELL[:PAST]).mean(), rtol=0.08)


def test_what_was_not_known_when_the_forecast_is_made_changes_nothing():
    late = forecast_as(np.full(96, 3.0), ORIGIN + timedelta(hours=1))
    seen_later = table_of(HOURS[PAST:], TEMPERATURE[PAST:] + 9)
    known = expected(OBSERVED, counts())
    np.testing.assert_array_equal(expected(pl.concat([OBSERVED, late]), counts()), known)
    np.testing.assert_array_equal(expected(pl.concat([OBSERVED, seen_later]), counts()), known)


def test_of_several_forecasts_the_one_issued_last_counts():
    old = forecast_as(np.full(96, -2.0), ORIGIN - timedelta(days=2))
    new = forecast_as(np.full(96, 2.0))
    both, alone = (expected(pl.concat([OBSERVED, *some]), counts()) for some in ((old, new), (new,)))
    np.testing.assert_array_equal(both, alone)


def test_a_driver_of_one_area_changes_that_area():
    local = [forecast_as(np.full(96, 2.0), place="a"), forecast_as(np.zeros(96), place="b")]
    given = pl.concat([*(table_of(HOURS[:PAST], TEMPERATURE[:PAST], place) for place in ("a", "b")), *local])
    usual = expected(OBSERVED, counts(), "a")
    assert (expected(given, counts(), "a") / usual)[0] == pytest.approx(np.exp(0.4), rel=0.1)
    assert (expected(given, counts(), "b") / expected(OBSERVED, counts(), "b"))[0] == pytest.approx(1, abs=0.06)


def test_a_driver_that_does_nothing_is_given_next_to_no_effect():
    chance = np.random.default_rng(5)
    flat = {(area,): chance.poisson(10, PAST) for area in ("a", "b")}
    found = expected(pl.concat([OBSERVED, forecast_as(np.full(96, 2.0))]), flat)
    np.testing.assert_allclose(found, 20, rtol=0.06)


def test_what_is_usual_is_told_by_season_and_hour_and_the_rest_is_the_spell():
    settled = settle_drivers(OBSERVED, ORIGIN, LONDON).rows.sort("hour_starting")
    told = np.corrcoef(settled["value"].to_numpy(), SPELL[:PAST])[0, 1]
    assert told > 0.95


def test_a_driver_that_can_not_be_used_is_left_out_and_said():
    short = table_of(HOURS[PAST - 240 : PAST], TEMPERATURE[PAST - 240 : PAST])
    flat = table_of(HOURS[:PAST], np.ones(PAST)).with_columns(driver=pl.lit("moon"))
    ahead = table_of(HOURS[PAST:], TEMPERATURE[PAST:])
    notes = settle_drivers(pl.concat([short, flat, ahead]), ORIGIN, LONDON).notes
    assert [note.split(",")[0] for note in notes] == [
        "Driver 'moon' always had the same value",
        "Driver 'temperature' is known for less than 28 days",
        "Driver 'temperature' has hours ahead that do not say when they were known ('known_at')",
    ]
