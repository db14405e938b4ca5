"""A model brought forward by what came since: like one fitted anew, and wiser about today."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from bluelamp import tables
from bluelamp.errors import BadData
from bluelamp.forecast import RateModel, draw_next
from bluelamp.forecast._history import History, lay_out, make_calendar
from bluelamp.forecast._paths import draw_days, draw_multipliers
from bluelamp.forecast._rates import Shocks
from bluelamp.forecast._short_lead import find_today, follow
from tests.forecast.made import LONDON, areas_in, demand_of, forecast_of, hours_of, midnight

FOUR = areas_in({"a": "D1", "b": "D1", "c": "D2", "d": "D2"})
FIRST = date(2024, 9, 2)
KNOWN = 280  # days that the model was fitted to
NONE = tables.empty("events"), tables.empty("outages")


def world(days: int, after: float = 1.0, seed: int = 1) -> pl.DataFrame:
    """Four areas and two classes, by another level since the model was fitted; D1 gains half as much again."""
    hours = hours_of(days, FIRST)
    is_after = np.arange(len(hours)) >= len(hours_of(KNOWN, FIRST))
    chance = np.random.default_rng(seed)
    gain = {"a": 1.5, "b": 1.5, "c": 1.0, "d": 1.0}
    return demand_of(
        hours,
        {
            (area, kind): chance.poisson(np.where(is_after, 3 * after * (gain[area] if after > 1 else 1), 3))
            for area in gain
            for kind in ("x", "y")
        },
    )


def fitted(demand: pl.DataFrame, days: int = KNOWN) -> RateModel:
    return forecast_of(demand, FOUR, midnight(days, FIRST), path_days=1, days=1, paths=20).model


def came(model: RateModel, demand: pl.DataFrame, since: datetime, until: datetime) -> History:
    calendar = make_calendar(since, until, LONDON, model.series, FOUR, NONE[0], None, None)
    return lay_out(demand, model.series, calendar, NONE[1])


def expected_on(model: RateModel, day: int) -> np.ndarray:
    """Incidents of each area on a day."""
    calendar = make_calendar(
        midnight(day, FIRST), midnight(day + 1, FIRST), LONDON, model.series, FOUR, NONE[0], None, None
    )
    return model.rates(calendar, 0, len(calendar.hours)).sum(axis=(1, 2))


def test_a_level_that_rose_since_is_followed_nearly_as_by_a_fit_anew():
    demand = world(KNOWN + 21, after=1.3)
    stale, anew = fitted(demand), fitted(demand, KNOWN + 21)
    followed = follow(stale, came(stale, demand, midnight(KNOWN, FIRST), midnight(KNOWN + 21, FIRST)))
    truth = np.array([1.5, 1.5, 1.0, 1.0]) * 1.3 * 3 * 2 * 24
    errors = {
        name: np.abs(expected_on(model, KNOWN + 21) - truth).sum() / truth.sum()
        for name, model in (("stale", stale), ("followed", followed), ("anew", anew))
    }
    assert errors["stale"] > 0.3
    assert errors["followed"] < 0.4 * errors["stale"]
    assert errors["followed"] < errors["anew"] + 0.08


def test_days_that_came_bit_by_bit_are_followed_as_those_that_came_at_once():
    demand = world(KNOWN + 10, after=1.1)
    model = fitted(demand)
    at_once = follow(model, came(model, demand, midnight(KNOWN, FIRST), midnight(KNOWN + 10, FIRST)))
    half = follow(model, came(model, demand, midnight(KNOWN, FIRST), midnight(KNOWN + 5, FIRST)))
    bit_by_bit = follow(half, came(half, demand, midnight(KNOWN + 5, FIRST), midnight(KNOWN + 10, FIRST)))
    np.testing.assert_allclose(expected_on(bit_by_bit, KNOWN + 10), expected_on(at_once, KNOWN + 10), rtol=0.01)
    # Days that are known already change nothing.
    again = follow(at_once, came(at_once, demand, midnight(KNOWN, FIRST), midnight(KNOWN + 10, FIRST)))
    assert again is at_once


def test_days_that_nobody_saw_make_the_level_less_sure_and_leave_it_where_it_is():
    demand = world(KNOWN)
    model = fitted(demand)
    history = came(model, demand, midnight(KNOWN, FIRST), midnight(KNOWN + 10, FIRST))
    unseen = replace(history, is_masked=np.ones_like(history.is_masked))
    followed = follow(model, unseen)
    coming = [FIRST + timedelta(days=KNOWN + 12)]
    np.testing.assert_allclose(followed.trend.force.ahead(coming), model.trend.force.ahead(coming), atol=0.01)
    np.testing.assert_allclose(followed.trend.force.variance(coming), model.trend.force.variance(coming), rtol=0.05)


def test_a_busy_morning_tells_of_the_afternoon_as_far_as_days_share_shocks():
    demand = world(KNOWN)
    model = replace(fitted(demand), shocks=Shocks(0.04, 0.0, 0.0, block=0.01))
    noon = midnight(KNOWN, FIRST) + timedelta(hours=12)
    hours = hours_of(KNOWN + 1, FIRST)[-24:-12]
    busy = demand_of(hours, {(area, kind): 6 for area in "abcd" for kind in "xy"})
    known = came(model, busy, midnight(KNOWN, FIRST), noon)
    today = find_today(model, known)
    assert 0.5 < today.mean[0] < 1, "twice what was due, of which the day may have all but chance and its blocks"
    # The posterior of two equal blocks: what the day shares over what the mean of the blocks varies.
    due = sum(expected_on(model, KNOWN)) / 4
    shared = 0.04 / (0.04 + (0.01 + 1 / due) / 2)
    assert today.mean[0] == pytest.approx(shared * (known.counts.sum() / (2 * due) - 1), rel=0.02)
    still = find_today(replace(model, shocks=Shocks(0.0, 0.0, 0.0)), known)
    np.testing.assert_allclose(still.expected(), 1)


def test_the_next_hours_follow_a_busy_day_and_add_up():
    demand = world(KNOWN)
    model = replace(fitted(demand), shocks=Shocks(0.04, 0.0, 0.0))
    noon = midnight(KNOWN, FIRST) + timedelta(hours=12)
    hours = hours_of(KNOWN + 1, FIRST)[-24:-12]

    def expect(each: int) -> pl.DataFrame:
        today = demand_of(hours, {(area, kind): each for area in "abcd" for kind in "xy"})
        return draw_next(
            model, today, FOUR, *NONE, known_since=midnight(KNOWN, FIRST), known_until=noon, hours=6,
            time_zone=LONDON, paths=400, seed=1,
        ).table()  # fmt: skip

    def of_force(found: pl.DataFrame) -> dict[str, float]:
        return found.filter(level="force", span="sum").row(0, named=True)

    usual, busy = of_force(expect(3)), of_force(expect(6))
    assert usual["incidents_mean"] == pytest.approx(6 * 24, rel=0.06)
    assert busy["incidents_mean"] > 1.6 * usual["incidents_mean"]
    assert busy["incidents_p10"] > usual["incidents_p90"]
    found = expect(6)
    assert found.filter(level="force", span="hour").height == 6
    for level in ("district", "area"):
        for span in ("hour", "sum"):
            total = found.filter(level=level, span=span).group_by("hour_starting").agg(pl.col("incidents_mean").sum())
            force = found.filter(level="force", span=span).join(total, on="hour_starting")
            np.testing.assert_allclose(force["incidents_mean"], force["incidents_mean_right"])


def test_at_midnight_nothing_of_the_day_is_known_and_the_hours_are_those_of_a_new_day():
    demand = world(KNOWN)
    model = fitted(demand)
    at = midnight(KNOWN, FIRST)
    found = draw_next(
        model, demand, FOUR, *NONE, known_since=at, known_until=at, hours=24, time_zone=LONDON, paths=50, seed=1
    ).table()
    force = found.filter(level="force", span="sum")
    assert force["incidents_mean"].item() == pytest.approx(expected_on(model, KNOWN).sum(), rel=1e-6)


def test_a_model_that_was_written_down_draws_the_same_paths_to_the_last_event():
    made = forecast_of(world(KNOWN), FOUR, midnight(KNOWN, FIRST), country="GB", subdivision="ENG", paths=30)
    read = RateModel.of_bytes(made.model.to_bytes())
    again = draw_multipliers(read, 30, made.seed, 3)
    np.testing.assert_array_equal(again, made.multipliers)
    for one, other in zip(
        draw_days(made.model, made.calendar, made.multipliers, 1), draw_days(read, made.calendar, again, 1), strict=True
    ):
        np.testing.assert_array_equal(one.series, other.series)
        np.testing.assert_array_equal(one.hour, other.hour)
    assert read.series.cells == made.model.series.cells


def test_a_model_without_levels_is_written_down_and_brought_forward_too():
    demand = world(KNOWN)
    model = forecast_of(demand, FOUR, midnight(KNOWN, FIRST), method="slot_mean_8", days=1, path_days=1).model
    read = RateModel.of_bytes(model.to_bytes())
    at = midnight(KNOWN, FIRST) + timedelta(hours=5)
    found = draw_next(
        read, demand, FOUR, *NONE, known_since=at, known_until=at, hours=3, time_zone=LONDON, paths=50, seed=1
    ).table()
    assert found.filter(level="force", span="sum")["incidents_mean"].item() == pytest.approx(3 * 24, rel=0.25)


def test_what_an_older_version_kept_of_a_forecast_is_told_and_not_guessed():
    model = forecast_of(world(KNOWN), FOUR, midnight(KNOWN, FIRST), method="slot_mean_8", days=1, path_days=1).model
    with np.load(io.BytesIO(model.to_bytes())) as file:
        kept = {name: file[name] for name in file.files if "district" not in name}
    old = io.BytesIO()
    np.savez_compressed(old, **kept)
    with pytest.raises(BadData, match="'bluelamp plan' makes a run that can"):
        RateModel.of_bytes(old.getvalue())
