"""The list of visits: short, often enough, by chance, and no more than units can do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelamp.errors import BadSettings, UsageError
from bluelamp.patrols import PatrolList, plan_visits
from bluelamp.settings import PatrolsPart, from_values
from tests.drawn import drawn

NIGHT = datetime(2026, 11, 23, 23, tzinfo=UTC)
RULES = PatrolsPart.model_validate({})
HEADER = ("class_code | from_hour | to_hour | rank | cell_kind | cell_id | area_id | longitude | latitude | "
          "ground_share | expected | chance_any | times_usual | counted | count_rank | method")  # fmt: skip


def places(*at: tuple[float, float], areas: Sequence[str] = ()) -> pl.DataFrame:
    """Places by rank, at km east and north of one point."""
    rows = []
    for rank, (east, north) in enumerate(at, 1):
        area, longitude, latitude = areas[rank - 1] if areas else "north", -2.5 + east / 69.6, 51.4 + north / 111.2
        rows.append(
            f"all | 23 | 7 | {rank} | hexagon | c{rank} | {area} | {longitude:.6f} | {latitude:.6f} | 0.01 | "
            f"{1 / rank:.4f} | 0.3 | 9 | 12 | {rank} | counts"
        )
    return drawn("hotspots", HEADER, *rows)


NEAR = places((0, 0), (0.4, 0), (0, 0.4), (0.4, 0.4))


def made(where: pl.DataFrame, hours: float = 8, **given: object) -> PatrolList:
    wanted = {"list_id": "2026-11-23-all-23", "starts_at": NIGHT, "ends_at": NIGHT + timedelta(hours=hours),
              "pool_of_area": {}, "spare": {}, "units": None, "rules": RULES, "seed": 7} | given  # fmt: skip
    return plan_visits(where, **wanted)


@given(
    at=st.lists(st.tuples(st.floats(0, 30), st.floats(0, 30)), min_size=1, max_size=9),
    hours=st.sampled_from([0.5, 1, 1.9, 2.2, 4, 8, 12]),
    seed=st.integers(0, 2**31),
)
def test_no_place_is_left_longer_than_two_hours_and_no_unit_is_in_two_places_at_once(at, hours, seed):
    found = made(places(*at), hours, seed=seed)
    ends = NIGHT + timedelta(hours=hours)
    assert found.rows["cell_id"].n_unique() == len(at)
    assert found.rows["minutes"].is_between(10, 16).all()
    for _, visits in found.rows.sort("starts_at").group_by("cell_id"):
        free_from = pl.Series([NIGHT, *visits["ends_at"]])
        come = pl.Series([*visits["starts_at"], ends])
        assert (come - free_from).max() <= timedelta(hours=2)
    for _, visits in found.rows.sort("starts_at").group_by("unit_number"):
        spare = visits["starts_at"][1:] - visits["ends_at"][:-1]
        on_the_way = visits["travel_km"][1:] / RULES.speed_kmh * 60
        assert (spare.dt.total_minutes() >= on_the_way - 1e-9).all()
    assert found.rows["starts_at"].min() >= NIGHT
    assert found.rows["ends_at"].max() <= ends


def test_the_same_seed_makes_the_same_list_and_another_one_an_order_and_moments_of_its_own():
    first, again, other = made(NEAR), made(NEAR), made(NEAR, seed=8)
    assert first.rows.equals(again.rows)
    assert first.rows["seed"].unique().to_list() == [7]
    assert first.rows["cell_id"].to_list() != other.rows["cell_id"].to_list()
    assert not set(first.rows["starts_at"]) >= set(other.rows["starts_at"])


def test_another_list_of_the_same_seed_is_another_one():
    # Otherwise tonight's list would tell tomorrow's.
    assert not made(NEAR).rows["starts_at"].equals(made(NEAR, list_id="2026-11-24-all-23").rows["starts_at"])


def test_the_moment_of_a_visit_can_not_be_foreseen_from_the_one_before():
    gaps = []
    for seed in range(60):
        of_one = made(NEAR, seed=seed).rows.filter(cell_id="c1").sort("starts_at")
        gaps += (of_one["starts_at"][1:] - of_one["ends_at"][:-1]).dt.total_minutes().to_list()
    low, high = np.quantile(gaps, (0.1, 0.9))
    # A round that is always the same would have hardly any time between a short wait and a long one.
    assert high - low > 40
    assert np.corrcoef(gaps[:-1], gaps[1:])[0, 1] < 0.5


def test_every_place_is_about_as_likely_to_be_next():
    after = [
        (before, then)
        for seed in range(40)
        for visits in [made(NEAR, seed=seed).rows["cell_id"].to_list()]
        for before, then in pairwise(visits)
    ]
    next_of_c1 = pl.Series([then for before, then in after if before == "c1"]).value_counts(normalize=True)
    assert set(next_of_c1[next_of_c1.columns[0]]) >= {"c2", "c3", "c4"}
    assert next_of_c1["proportion"].max() < 0.6


def test_places_that_lie_together_are_one_units():
    two_towns = places((0, 0), (20, 0), (0.4, 0), (20.4, 0))
    beats = {frozenset(each) for each in made(two_towns).rows.group_by("unit_number").agg("cell_id")["cell_id"]}
    assert beats == {frozenset({"c1", "c3"}), frozenset({"c2", "c4"})}
    assert made(two_towns).units == 2


def test_a_units_places_lie_in_its_own_pool():
    found = made(
        places((0, 0), (0.4, 0), (0.8, 0), areas=("north", "south", "north")),
        pool_of_area={"north": "P1", "south": "P2"},
    )
    assert set(found.rows.select("cell_id", "pool_id").unique().iter_rows()) == {
        ("c1", "P1"),
        ("c3", "P1"),
        ("c2", "P2"),
    }


def test_where_cover_leaves_too_few_units_places_of_least_risk_are_dropped_and_named():
    far = places((0, 0), (20, 0), (40, 0))
    found = made(far, pool_of_area={"north": "P1"}, spare={"P1": 2})
    assert found.units == 2
    assert sorted(found.rows["cell_id"].unique()) == ["c1", "c2"]
    assert found.dropped["cell_id"].to_list() == ["c3"]
    assert (
        "2 units of pool P1 can be there, where 3 units would be needed: 1 place is dropped, rank 3 "
        "(51.4000, -1.9253)." in found.notes
    )


def test_a_place_of_less_risk_is_kept_where_it_takes_no_more_units():
    found = made(places((0, 0), (20, 0), (0.4, 0)), units=1)
    assert sorted(found.rows["cell_id"].unique()) == ["c1", "c3"]
    assert found.dropped["cell_id"].to_list() == ["c2"]


def test_where_no_unit_is_free_nothing_is_planned_and_that_is_said():
    found = made(NEAR, pool_of_area={"north": "P1"}, spare={"P1": 0})
    assert found.rows.is_empty()
    assert found.notes[0] == "No place can be visited."
    assert found.notes[1].startswith("No unit of pool P1 can be there, where 1 unit would be needed: 4 places")


def test_units_that_are_there_for_it_come_before_what_cover_leaves():
    found = made(NEAR, pool_of_area={"north": "P1"}, spare={"P1": 0}, units=1)
    assert found.units == 1
    assert found.dropped.is_empty()


def test_it_says_where_it_is_not_known_how_many_units_are_free():
    assert any("is not known, because no duties" in note for note in made(NEAR).notes)
    assert not any("not known" in note for note in made(NEAR, units=4).notes)


def test_hours_that_are_shorter_than_a_visit_are_a_sentence():
    with pytest.raises(UsageError, match="The 15 minutes from 23:00 to 23:15 UTC are shorter than one visit of 16"):
        made(NEAR, hours=0.25)


def test_places_on_both_sides_of_the_antimeridian_are_near_each_other():
    across = places((0, 0), (0, 0)).with_columns(longitude=pl.Series([179.999, -179.999]), latitude=pl.lit(-17.0))
    found = made(across)
    assert found.units == 1
    assert found.rows["travel_km"].max() < 0.3


def test_settings_that_no_unit_could_keep_are_refused():
    force = {"id": "n", "name": "N", "country": "GB", "time_zone": "Europe/London"}
    with pytest.raises(BadSettings, match="more than three quarters of 'at_least_every_hours'"):
        from_values({"force": force, "patrols": {"most_minutes": 100}})
    with pytest.raises(BadSettings, match="'most_minutes' is less than 'least_minutes'"):
        from_values({"force": force, "patrols": {"most_minutes": 9}})
