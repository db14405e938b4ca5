"""The simulated year: with the guard the map stays near what is true, without it it runs away."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from bluelamp.grids import Grid, Plane
from bluelamp.hotspots import EVEN, FITTED, simulate_feedback

SIDE = 20


@pytest.fixture(scope="module")
def grid() -> Grid:
    """Four hundred cells of a town in sixteen areas."""
    east, north = (each.ravel() for each in np.meshgrid(np.arange(SIDE), np.arange(SIDE)))
    centres = np.column_stack([-2.5 + east * 0.004, 51.4 + north * 0.003])
    areas = tuple(f"A{e // 5}{n // 5}" for e, n in zip(east, north, strict=True))
    cells = tuple(f"c{number:03}" for number in range(SIDE**2))
    return Grid("hexagon", cells, np.full(SIDE**2, 0.1), centres, areas, (None,) * SIDE**2, Plane(-2.5, 51.4))


@pytest.fixture(scope="module")
def rates() -> np.ndarray:
    """Some places have many times the offences of others, as they do."""
    chance = np.random.default_rng(3)
    return 5 * chance.gamma(0.6, 0.5, (SIDE**2, 1)) * np.array([[0.5, 1.0, 0.7]]) + 0.01


def simulated(grid: Grid, rates: np.ndarray, **given: float) -> pl.DataFrame:
    wanted = {"force_id": "F", "patrolled_share": 0.05, "found_share": 0.5, "years": 8, "seed": 1} | given
    return simulate_feedback(grid, rates, **wanted)


@pytest.fixture(scope="module")
def years(grid, rates) -> pl.DataFrame:
    return simulated(grid, rates)


def of_force(years: pl.DataFrame, rates: str, is_guarded: bool, name: str) -> list[float]:
    return years.filter(level="force", rates=rates, is_guarded=is_guarded).sort("quarter")[name].to_list()


def test_with_the_guard_patrols_and_map_stay_near_what_is_true(years):
    assert max(of_force(years, FITTED, True, "patrol_distance_high")) < 0.10
    assert max(of_force(years, FITTED, True, "map_distance_high")) < 0.03
    assert max(of_force(years, FITTED, True, "times_true_high")) < 1.10


def test_without_the_guard_they_run_away(years):
    for name in ("map_distance", "times_true"):
        without = of_force(years, FITTED, False, name)
        assert without == sorted(without)
        lows, highs = of_force(years, FITTED, False, f"{name}_low"), of_force(years, FITTED, True, f"{name}_high")
        assert lows[-1] > highs[-1]
    guarded, unguarded = (of_force(years, FITTED, is_guarded, "patrol_distance") for is_guarded in (True, False))
    assert unguarded[-1] > 1.15 * guarded[-1]
    assert unguarded[-1] > unguarded[0]
    assert of_force(years, FITTED, False, "times_true")[-1] > 1.4


def test_where_every_place_is_the_same_chance_grows_without_the_guard_and_not_with_it(years):
    guarded, unguarded = (of_force(years, EVEN, is_guarded, "times_true") for is_guarded in (True, False))
    assert max(guarded) - min(guarded) < 0.05
    assert unguarded == sorted(unguarded)
    assert of_force(years, EVEN, False, "times_true_low")[-1] > of_force(years, EVEN, True, "times_true_high")[-1]


def test_where_patrols_find_nothing_there_is_nothing_to_guard_against(grid, rates):
    years = simulated(grid, rates, found_share=0.0, years=3)
    with_it, without = (years.filter(is_guarded=each).drop("is_guarded") for each in (True, False))
    assert with_it.equals(without)
    assert years.filter(level="force")["found"].max() == 0


def test_the_more_they_find_the_faster_it_runs_away(grid, rates):
    told = [
        of_force(simulated(grid, rates, found_share=found, years=3), FITTED, False, "times_true")[-1]
        for found in (0.1, 0.3, 0.9)
    ]
    assert told == sorted(told)


def test_patrols_where_they_are_due_find_the_stated_share_of_what_comes_there(grid, rates):
    found = of_force(simulated(grid, rates, patrolled_share=1.0, years=4), FITTED, True, "found")
    assert np.allclose(found, 0.5 * rates.sum() * 13, rtol=0.05)


def test_shares_of_areas_add_up_to_one(years):
    sums = years.filter(level="area").group_by("rates", "is_guarded", "quarter").agg(
        pl.col("true_share", "due_share", "patrol_share", "map_share").sum()
    )  # fmt: skip
    assert sums.height == 16
    assert np.allclose(sums.drop("rates", "is_guarded", "quarter").to_numpy(), 1, atol=1e-3)


def test_the_same_seed_gives_the_same_years(grid, rates):
    first, again = (simulated(grid, rates, years=2) for _ in range(2))
    assert first.equals(again)
    assert not first.equals(simulated(grid, rates, years=2, seed=2))


def test_patrols_found_in_even_rates_are_due_everywhere_alike(years):
    areas = years.filter(level="area", rates=EVEN)
    assert np.allclose(areas["due_share"], areas["true_share"])


def test_one_cell_and_no_area_is_no_crash():
    alone = Grid("hexagon", ("c",), np.array([0.1]), np.array([[-2.5, 51.4]]), (None,), (None,), Plane(-2.5, 51.4))
    years = simulated(alone, np.array([[1.0, 0.0]]), years=2)
    assert years.filter(level="area")["place_id"].unique().to_list() == ["unknown"]
    assert years.filter(level="force")["patrol_distance"].max() == 0
