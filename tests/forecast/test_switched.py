"""Methods that stand in for another: paths by district that still add up, and the naive ones beside the one in use."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from bluelamp.forecast import NAIVE, Forecast, read_model
from bluelamp.forecast._switched import draw_days, draw_multipliers
from tests.forecast.made import areas_in, demand_of, forecast_of, hours_of, midnight

TWO = areas_in({"n1": "north", "n2": "north", "s1": "south"})
KEY = ["level", "area_id", "span", "hour_starting", "class_code", "grade_code"]


def busy(days: int = 70) -> pl.DataFrame:
    chance = np.random.default_rng(4)
    hours = hours_of(days)
    rates = {("n1", "x"): 2.0, ("n1", "y"): 0.5, ("n2", "x"): 1.0, ("s1", "x"): 3.0, ("s1", "y"): 1.0}
    shape = np.tile(1 + 0.6 * np.sin(np.arange(24) / 24 * 2 * np.pi), days + 1)[: len(hours)]
    return demand_of(hours, {cell: chance.poisson(rate * shape) for cell, rate in rates.items()})


def made(**wanted: object) -> Forecast:
    return forecast_of(busy(), TWO, midnight(70), **wanted)


def of_places(forecast: Forecast, *places: str) -> pl.DataFrame:
    """Incidents of some places. What is sent to them is drawn in the order of all events, and differs by chance."""
    rows = forecast.table.filter(pl.col("area_id").is_in(places))
    return rows.select(*KEY, pl.selectors.starts_with("incidents_")).sort(KEY)


def events_of(forecast: Forecast) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Path, area and hour of every event, a day at a time."""
    cells = forecast.model.series.shape[1]
    drawn = draw_days(forecast.model, forecast.calendar, forecast.multipliers, forecast.seed)
    return [(day.path, day.series // cells, day.hour) for day in drawn]


@pytest.mark.parametrize("method", ["slot_mean", "pooled"])
def test_a_district_that_nobody_stands_in_for_keeps_its_paths_to_the_last_incident(method):
    plain, switched = made(method=method, days=5), made(method=method, days=5, instead={"north": "slot_mean_8"})
    assert of_places(plain, "south", "s1").equals(of_places(switched, "south", "s1"))
    assert not of_places(plain, "north", "n1").equals(of_places(switched, "north", "n1"))
    south = plain.model.series.area_ids.index("s1")
    for one, other in zip(events_of(plain), events_of(switched), strict=True):
        kept = [np.stack([part[area == south] for part in (path, area, hour)])
                for path, area, hour in (one, other)]  # fmt: skip
        assert (kept[0] == kept[1]).all()


def test_a_district_has_the_rates_of_the_method_that_stands_in_and_the_methods_are_named():
    switched, naive = made(days=5, instead={"north": "slot_mean_8"}), made(days=5, method="slot_mean_8")
    means = ["incidents_mean"]
    assert (
        of_places(switched, "north", "n1", "n2")
        .select(*KEY, *means)
        .equals(of_places(naive, "north", "n1", "n2").select(*KEY, *means))
    )
    named = dict(switched.table.select("area_id", "method").unique().iter_rows())
    assert named == {
        "north": "slot_mean_8", "n1": "slot_mean_8", "n2": "slot_mean_8", "south": "pooled", "s1": "pooled",
        "F": "pooled and slot_mean_8",
    }  # fmt: skip
    assert any(note.startswith("slot_mean_8: The mean of the same hour") for note in switched.model.notes)


def test_sums_still_add_up_in_every_path():
    switched = made(instead={"north": "last_week"}, paths=60)
    table = switched.table.filter(class_code="all", grade_code="all", span="hour")
    by_level = table.group_by("level", "hour_starting").agg(pl.col("incidents_mean").sum()).sort("hour_starting")
    sums = [by_level.filter(level=level)["incidents_mean"].to_numpy() for level in ("area", "district", "force")]
    assert sums[0] == pytest.approx(sums[1], abs=1e-4)
    assert sums[1] == pytest.approx(sums[2], abs=1e-4)
    # The force's quantiles are those of the sums of these very paths.
    path, _, hour = (np.concatenate(each) for each in zip(*events_of(switched), strict=True))
    counts = np.bincount(hour * 60 + path, minlength=72 * 60).reshape(72, 60)
    force = table.filter(level="force").sort("hour_starting")
    assert force["incidents_p50"].to_list() == np.sort(counts, axis=1)[:, 29].tolist()


def test_beyond_the_paths_a_switched_district_is_as_unsure_as_the_method_that_stands_in():
    switched, naive = made(days=9, instead={"north": "last_week"}), made(days=9, method="last_week")
    far = pl.col("hour_starting") >= midnight(73)
    assert of_places(switched, "north", "n1").filter(far).equals(of_places(naive, "north", "n1").filter(far))


def test_the_whole_force_can_be_switched_and_a_district_with_it():
    both = made(instead={"F": "slot_mean_8", "south": "last_week"})
    assert of_places(both, "n1").equals(of_places(made(method="slot_mean_8"), "n1"))
    assert set(both.table["method"]) == {"slot_mean_8", "last_week", "slot_mean_8 and last_week"}
    assert made(instead={"elsewhere": "last_week"}).table.equals(made().table), "a district that is gone is passed over"


def test_paths_can_be_drawn_again_from_what_is_written_down():
    switched = made(instead={"north": "slot_mean_8"})
    read = read_model(switched.model.to_bytes())
    multipliers = draw_multipliers(read, 100, switched.seed, 3)
    assert (multipliers == switched.multipliers).all()
    again = draw_days(read, switched.calendar, multipliers, switched.seed, only=[1])
    (day,) = again
    path, area, hour = events_of(switched)[1]
    cells = read.series.shape[1]
    assert (day.path == path).all()
    assert (day.series // cells == area).all()
    assert (day.hour == hour).all()
    plain = made()
    assert read_model(plain.model.to_bytes()).to_bytes() == plain.model.to_bytes()


# ---- beside ----


def test_what_is_filed_is_what_was_published_and_what_the_naive_methods_would_have_given():
    forecast = made(beside=NAIVE, paths=400)
    assert forecast.beside is not None
    rows = forecast.beside
    assert set(rows["method"]) == {"pooled", *NAIVE}
    assert set(rows["level"]) == {"district", "force"}
    assert rows.height == 5 * 3 * (72 + 3)
    published = forecast.table.filter(level="force", span="day", class_code="all", grade_code="all")
    own = rows.filter(method="pooled", level="force", span="day")
    assert own["p90"].to_list() == published.sort("hour_starting")["incidents_p90"].to_list()
    for method in NAIVE:
        of_areas = made(method=method, paths=400).table.filter(level="district", class_code="all", grade_code="all")
        both = rows.filter(method=method).join(of_areas, on=["level", "area_id", "span", "hour_starting"])
        assert both["mean"].to_numpy() == pytest.approx(both["incidents_mean"].to_numpy(), abs=1e-4)
        # Drawn in another order, so that quantiles agree as far as 400 paths tell.
        for name in ("p10", "p50", "p90"):
            assert both[name].sum() == pytest.approx(both[f"incidents_{name}"].sum(), rel=0.03)


@pytest.mark.parametrize("method", ["pooled", "slot_mean"])
def test_a_method_that_another_stands_in_for_is_filed_in_shadow_as_it_would_have_been(method):
    used = made(method=method, beside=NAIVE, paths=400).beside
    shadow = made(method=method, beside=NAIVE, paths=400, instead={"F": "slot_mean_8"}).beside
    assert used is not None
    assert shadow is not None
    one, other = (rows.filter(method=method) for rows in (used, shadow))
    assert one["mean"].to_numpy() == pytest.approx(other["mean"].to_numpy(), abs=1e-4)
    for name in ("p10", "p50", "p90"):
        assert one[name].sum() == pytest.approx(other[name].sum(), rel=0.03)
    assert used.filter(pl.col("method") != method).equals(shadow.filter(pl.col("method") != method))
