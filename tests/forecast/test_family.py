"""What every method of the family keeps to, whatever it is given."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from bluelamp import extensions, tables
from bluelamp.errors import BadData
from bluelamp.forecast import Forecast
from bluelamp.forecast._paths import draw_days
from tests.drawn import drawn
from tests.forecast.made import LONDON, areas_in, demand_of, forecast_of, hours_of, means, midnight

METHODS = sorted(extensions.members("forecast"))
FIRST = date(2024, 1, 1)
ONE = areas_in({"a": "D1"})
FOUR = areas_in({"a": "D1", "b": "D1", "c": "D2", "d": "D2"})
QUANTILES = [f"incidents_{name}" for name in ("p025", "p10", "p25", "p50", "p75", "p90", "p975")]


def is_sound(made: Forecast) -> bool:
    """Whether all figures are there, none below nought, and quantiles in order."""
    figures = made.table.select("incidents_mean", *QUANTILES)
    rows = figures.to_numpy()
    return bool(
        np.isfinite(rows).all() and (rows >= 0).all() and (np.diff(rows[:, 1:], axis=1) >= 0).all() and len(rows)
    )


def counts(days: int, rates: dict[str, float], seed: int = 1) -> pl.DataFrame:
    hours = hours_of(days, FIRST)
    chance = np.random.default_rng(seed)
    return demand_of(
        hours, {(area, kind): chance.poisson(rate, len(hours)) for area, rate in rates.items() for kind in ("x", "y")}
    )


@pytest.mark.parametrize("method", METHODS)
def test_in_every_path_areas_make_districts_and_districts_the_force_to_the_last_incident(method: str):
    made = forecast_of(counts(84, {"a": 2, "b": 0.3, "c": 1, "d": 0}), FOUR, midnight(84, FIRST), method=method)
    series = made.model.series
    shares = made.table.filter(level="force", span="day", class_code="all", grade_code="all").sort("hour_starting")
    for number, day in enumerate(draw_days(made.model, made.calendar, made.multipliers, made.seed)):
        area, cell = np.divmod(day.series, series.shape[1])
        cube = np.zeros((100, *series.shape), dtype=np.int64)
        np.add.at(cube, (day.path, area, cell), 1)
        by_district = np.stack([cube[:, series.district_of_area == place].sum(axis=(1, 2)) for place in range(2)])
        of_force = cube.sum(axis=(1, 2))
        assert (by_district.sum(axis=0) == of_force).all()
        # What the table tells of the force is counted from these very paths.
        told = shares.row(number, named=True)
        assert np.sort(of_force)[49] == told["incidents_p50"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("change", [date(2024, 3, 31), date(2024, 10, 27)])
def test_both_nights_on_which_clocks_change_have_the_hours_that_they_have(method: str, change: date):
    days = (change - FIRST).days - 1
    made = forecast_of(counts(days, {"a": 40}), ONE, midnight(days, FIRST), method=method)
    hours = made.table.filter(level="force", span="hour", class_code="all", grade_code="all")
    local = hours.with_columns(day=pl.col("hour_starting").dt.convert_time_zone(LONDON).dt.date())
    by_day = dict(local.group_by("day").agg(pl.len()).iter_rows())
    assert by_day[change] == (23 if change.month == 3 else 25)
    assert is_sound(made)
    day = means(made, "force", "F", span="day")
    assert day[1] / day[0] == pytest.approx(by_day[change] / 24, rel=0.08)


@pytest.mark.parametrize("method", METHODS)
def test_three_days_of_history_are_enough_to_say_something(method: str):
    made = forecast_of(counts(3, {"a": 4}), ONE, midnight(3, FIRST), method=method, days=30, path_days=7)
    assert is_sound(made)
    assert np.mean(means(made, "force", "F", span="day")) == pytest.approx(192, rel=0.2)


@pytest.mark.parametrize("method", METHODS)
def test_a_force_of_one_area_is_forecast_as_one(method: str):
    made = forecast_of(counts(84, {"a": 3}), ONE, midnight(84, FIRST), method=method)
    assert is_sound(made)
    assert means(made, "area", "a", span="day") == pytest.approx(means(made, "force", "F", span="day"), abs=0.002)


@pytest.mark.parametrize("method", METHODS)
def test_a_year_of_nothing_is_nothing_and_one_that_lies_in_an_outage_is_unknown(method: str):
    before = counts(200, {"a": 3})
    ends = midnight(200 + 366, FIRST)
    # A record goes on as long as something comes: one call on the last evening, of a register that is otherwise empty.
    last = demand_of(hours_of(1, FIRST + timedelta(days=565)).tail(1), {("a", "x"): 1})
    demand = pl.concat([before, last])
    quiet = forecast_of(demand, ONE, ends, method=method, weeks=104)
    assert is_sound(quiet)
    begins = midnight(200, FIRST)
    outage = drawn(
        "outages",
        "starts_at | ends_at | rule | incidents",
        f"{begins.isoformat()} | {(ends - timedelta(hours=1)).isoformat()} | no_incidents | 0",
    )
    masked = forecast_of(demand, ONE, ends, method=method, weeks=104, outages=outage)
    assert is_sound(masked)
    quiet_day, masked_day = (means(made, "force", "F", span="day")[0] for made in (quiet, masked))
    assert quiet_day < 15, "of 144 a day there is next to nothing left"
    if method in ("pooled", "slot_mean"):
        assert masked_day > 3 * quiet_day, "what nobody saw is no year of nothing"


@pytest.mark.parametrize("method", METHODS)
def test_an_area_without_an_incident_has_a_row_with_next_to_nothing(method: str):
    made = forecast_of(counts(84, {"a": 2, "c": 2}), FOUR, midnight(84, FIRST), method=method)
    assert is_sound(made)
    assert sum(means(made, "area", "b", span="day")) < 0.2


def test_counts_that_are_none_are_refused_with_their_rows():
    demand = counts(30, {"a": 2})
    wrong = demand.with_columns(incidents=pl.col("incidents").cast(pl.Float64))
    wrong = wrong.with_columns(
        incidents=pl.when(pl.int_range(pl.len()) == 3)
        .then(-2.0)
        .when(pl.int_range(pl.len()).is_in([7, 8]))
        .then(1.5)
        .otherwise("incidents")
    )
    with pytest.raises(BadData) as told:
        forecast_of(wrong, ONE, midnight(30, FIRST))
    assert len(told.value.problems) == 2
    said = str(told.value)
    assert "1 row has fewer than no incidents, first" in said
    assert "2 rows have a part of an incident, first" in said
    assert "area 'a'" in said
    whole = demand.with_columns(pl.col("incidents").cast(pl.Float64))
    assert forecast_of(whole, ONE, midnight(30, FIRST)).table.equals(
        forecast_of(demand, ONE, midnight(30, FIRST)).table
    )
    empty = tables.empty("demand")
    with pytest.raises(BadData, match="no demand before"):
        forecast_of(empty, ONE, midnight(30, FIRST))


@pytest.mark.parametrize("method", ["pooled", "slot_mean"])
def test_a_history_full_of_outages_is_said_to_be_one(method: str):
    begins = midnight(20, FIRST)
    outage = drawn(
        "outages",
        "starts_at | ends_at | rule | incidents",
        f"{begins.isoformat()} | {(begins + timedelta(days=21)).isoformat()} | no_incidents | 0",
    )
    made = forecast_of(counts(84, {"a": 2}), ONE, midnight(84, FIRST), method=method, outages=outage)
    assert "25% of the history's hours lie in outages, and count neither as quiet nor as time." in made.model.notes
    whole = forecast_of(counts(500, {"a": 2}), ONE, midnight(500, FIRST), method=method, weeks=104)
    assert not [note for note in whole.model.notes if "outages" in note]
