"""Who covers what, hour by hour; and demand brought to pools without losing any."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelamp import periods, pools, tables
from bluelamp.pools import find_blocks, holds_at, lay_out_pools, minimum_officers, to_pools, valid_on, vehicles_of
from tests.drawn import drawn

LONDON = "Europe/London"
HEADER = "pool_id | role_code | area_id | from_hour | to_hour | valid_from | valid_to"


def cover(*rows: str) -> pl.DataFrame:
    return drawn("pools", HEADER, *rows)


def hours(first: date, days: int = 1, zone: str = LONDON) -> pl.Series:
    local = periods.local_days(zone, first, first + timedelta(days=days - 1))
    return periods.hours_between(zone, local["starts_at"][0], local["ends_at"][-1])


def covering(table: pl.DataFrame, area: str, first: date = date(2026, 1, 5), days: int = 1) -> list[str | None]:
    """Name the pool that covers an area in each hour."""
    laid_out = lay_out_pools(table, "response", [area], hours(first, days), LONDON)
    names = [*laid_out.pool_ids, None]
    return [names[laid_out.pool_of(0, hour)] for hour in range(len(laid_out.pattern_of_hour))]


# ---- the hours of the day ----


@pytest.mark.parametrize(
    ("from_hour", "to_hour", "expected"),
    [
        (7, 19, range(7, 19)),
        (19, 7, [*range(7), *range(19, 24)]),
        (0, 24, range(24)),
        (7, 24, range(7, 24)),
        (7, 0, range(7, 24)),
        (22, 22, range(24)),
        (23, 1, [0, 23]),
    ],
)
def test_a_row_holds_from_its_first_hour_to_its_last_and_may_run_past_midnight(from_hour, to_hour, expected):
    assert [hour for hour in range(24) if holds_at(from_hour, to_hour, hour)] == list(expected)


@given(st.integers(0, 23), st.integers(0, 24))
def test_a_row_and_the_rest_of_the_day_make_a_day(from_hour, to_hour):
    other = 0 if to_hour == 24 else to_hour
    both = [holds_at(from_hour, to_hour, hour) + holds_at(other, from_hour, hour) for hour in range(24)]
    assert both == ([1] * 24 if other != from_hour else [2] * 24)


def test_a_row_holds_on_its_first_and_last_day_and_for_ever_where_there_is_none():
    row = {"valid_from": date(2026, 1, 2), "valid_to": date(2026, 1, 3)}
    assert [valid_on(row, date(2026, 1, day)) for day in (1, 2, 3, 4)] == [False, True, True, False]
    assert valid_on({"valid_from": None, "valid_to": None}, date(1900, 1, 1))


# ---- who covers ----


def test_day_pools_hand_over_to_night_pools():
    table = cover("R1 | response | a | 7 | 22 | |", "N | response | a | 22 | 7 | |")
    assert covering(table, "a") == ["N"] * 7 + ["R1"] * 15 + ["N"] * 2


def test_a_row_for_part_of_the_day_wins_over_one_for_all_of_it():
    for rows in (
        ("N | response | a | 22 | 7 | |", "R1 | response | a | 0 | 24 | |"),
        ("R1 | response | a | 0 | 24 | |", "N | response | a | 22 | 7 | |"),
    ):
        assert covering(cover(*rows), "a") == ["N"] * 7 + ["R1"] * 15 + ["N"] * 2


def test_of_rows_as_long_the_one_that_began_last_wins():
    rows = (
        "old | response | a | 0 | 24 | |",
        "new | response | a | 0 | 24 | 2026-01-06 |",
        "newer | response | a | 0 | 24 | 2026-01-08 |",
    )
    expected = ["old"] * 24 + ["new"] * 48 + ["newer"] * 24
    assert covering(cover(*rows), "a", days=4) == expected
    assert covering(cover(*reversed(rows)), "a", days=4) == expected


def test_rows_hold_between_their_dates_only():
    table = cover("summer | response | a | 0 | 24 | 2026-01-06 | 2026-01-06")
    assert covering(table, "a", days=3) == [None] * 24 + ["summer"] * 24 + [None] * 24


def test_other_roles_and_unknown_areas_cover_nothing():
    table = cover("C | custody | a | 0 | 24 | |", "R | response | elsewhere | 0 | 24 | |")
    assert covering(table, "a") == [None] * 24
    laid_out = lay_out_pools(tables.empty("pools"), "response", ["a"], hours(date(2026, 1, 5)), LONDON)
    assert laid_out.pool_ids == []
    assert laid_out.runs.shape == (0, 24)


@pytest.mark.parametrize(("day", "night_hours"), [(date(2026, 3, 29), 6), (date(2026, 10, 25), 8)])
def test_on_clock_change_nights_the_clock_on_the_wall_decides(day, night_hours):
    table = cover("R1 | response | a | 7 | 22 | |", "N | response | a | 22 | 7 | |")
    assert covering(table, "a", day) == ["N"] * night_hours + ["R1"] * 15 + ["N"] * 2


def test_a_pool_runs_where_it_covers_something():
    table = cover("R1 | response | a | 7 | 22 | |", "R2 | response | b | 7 | 22 | |", "N | response | a | 22 | 7 | |")
    laid_out = lay_out_pools(table, "response", ["a", "b"], hours(date(2026, 1, 5)), LONDON)
    by_day = [7 <= hour < 22 for hour in range(24)]
    runs = dict(zip(laid_out.pool_ids, laid_out.runs.tolist(), strict=True))
    assert runs == {"N": [not day for day in by_day], "R1": by_day, "R2": by_day}


# ---- demand to pools ----


def two_by_day_one_by_night() -> pools.PoolHours:
    table = cover(
        "R1 | response | a | 7 | 22 | |",
        "R1 | response | b | 7 | 22 | |",
        "R2 | response | c | 7 | 22 | |",
        *(f"N | response | {area} | 22 | 7 | |" for area in "abc"),
    )
    return lay_out_pools(table, "response", ["a", "b", "c", "unknown"], hours(date(2026, 1, 5)), LONDON)


def test_areas_that_always_share_a_pool_and_a_district_are_one_block():
    laid_out = two_by_day_one_by_night()
    together = find_blocks(laid_out, np.array([0, 0, 1, 2]))
    assert together.block_of_area[0] == together.block_of_area[1]
    assert len(together.district_of_block) == 3
    apart = find_blocks(laid_out, np.array([0, 1, 1, 2]))
    assert len(set(apart.block_of_area.tolist())) == 4
    assert apart.district_of_block[apart.block_of_area].tolist() == [0, 1, 1, 2]


def pooled(by_area: np.ndarray, key: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Bring areas × hours to pools, each area a block of its own."""
    laid_out = two_by_day_one_by_night()
    blocks = find_blocks(laid_out, np.arange(4))
    in_blocks = np.zeros_like(by_area)
    in_blocks[..., blocks.block_of_area, :] = by_area
    in_key = None
    if key is not None:
        in_key = np.zeros_like(key)
        in_key[blocks.block_of_area] = key
    found = to_pools(in_blocks, blocks, laid_out, in_key)
    return {pool: found[..., index, :] for index, pool in enumerate(laid_out.pool_ids)}


def test_pools_get_what_their_areas_have_and_a_share_of_what_has_no_place():
    by_area = np.repeat([[1.0], [2.0], [6.0], [0.9]], 24, axis=1)
    found = pooled(by_area)
    assert found["R1"][12] == pytest.approx(3 + 0.3)
    assert found["R2"][12] == pytest.approx(6 + 0.6)
    assert found["N"][12] == 0
    assert [found[pool][3] for pool in ("R1", "R2", "N")] == pytest.approx([0, 0, 9.9])


def test_where_no_pool_has_anything_what_has_no_place_is_shared_evenly_by_those_that_run():
    by_area = np.repeat([[0.0], [0.0], [0.0], [0.9]], 24, axis=1)
    found = pooled(by_area)
    assert [found[pool][12] for pool in ("R1", "R2", "N")] == pytest.approx([0.45, 0.45, 0])
    assert [found[pool][3] for pool in ("R1", "R2", "N")] == pytest.approx([0, 0, 0.9])


def test_parts_of_a_whole_are_shared_out_alike():
    whole = np.repeat([[1.0], [2.0], [6.0], [0.9]], 24, axis=1)
    part = np.repeat([[0.0], [0.0], [0.0], [0.9]], 24, axis=1)
    rest = whole - part
    found = {pool: (pooled(part, whole)[pool], pooled(rest, whole)[pool]) for pool in ("R1", "R2", "N")}
    for pool, (one, other) in found.items():
        np.testing.assert_allclose(one + other, pooled(whole)[pool])
    assert found["R2"][0][12] == pytest.approx(0.6)


@given(
    st.lists(st.floats(0, 50), min_size=4 * 24, max_size=4 * 24).map(lambda values: np.array(values).reshape(4, 24)),
    st.booleans(),
)
def test_nothing_is_lost_or_made_on_the_way_to_pools(by_area, with_key):
    found = pooled(np.stack([by_area, 2 * by_area]), by_area[::-1].copy() if with_key else None)
    np.testing.assert_allclose(sum(found.values())[0], by_area.sum(axis=0), atol=1e-9)
    np.testing.assert_allclose(sum(found.values())[1], 2 * by_area.sum(axis=0), atol=1e-9)
    assert all((each >= 0).all() for each in found.values())


# ---- minimums ----


def test_the_highest_minimum_that_holds_counts():
    minimums = drawn(
        "minimums",
        "pool_id | role_code | from_hour | to_hour | minimum_officers | valid_from | valid_to",
        "R1      | response  | 0         | 24      | 2                |            |",
        "R1      | response  | 20        | 4       | 5                |            |",
        "R1      | response  | 12        | 13      | 9                | 2026-01-06 |",
        "R1      | custody   | 0         | 24      | 7                |            |",
        "other   | response  | 0         | 24      | 8                |            |",
    )
    found = minimum_officers(minimums, ["R1", "R2"], "response", hours(date(2026, 1, 5), 2), LONDON)
    night_and_day = [5] * 4 + [2] * 16 + [5] * 4
    assert found[0].tolist() == [*night_and_day, *night_and_day[:12], 9, *night_and_day[13:]]
    assert found[1].tolist() == [0] * 48


def test_a_night_that_is_an_hour_longer_needs_its_minimum_an_hour_longer():
    minimums = drawn(
        "minimums", "pool_id | role_code | from_hour | to_hour | minimum_officers", "R1 | response | 0 | 7 | 4"
    )
    found = minimum_officers(minimums, ["R1"], "response", hours(date(2026, 10, 25)), LONDON)
    assert found[0].sum() == 4 * 8
    assert found.shape == (1, 25)


def test_hours_are_local_not_those_of_greenwich():
    table = cover("R1 | response | a | 7 | 22 | |", "N | response | a | 22 | 7 | |")
    laid_out = lay_out_pools(table, "response", ["a"], hours(date(2026, 7, 6)), LONDON)
    starts = hours(date(2026, 7, 6))
    seven = starts.to_list().index(datetime(2026, 7, 6, 6, tzinfo=UTC))
    assert laid_out.pool_ids[laid_out.pool_of(0, seven)] == "R1"
    assert laid_out.pool_ids[laid_out.pool_of(0, seven - 1)] == "N"


def test_a_minimum_for_a_skill_asks_for_officers_too_and_is_not_added_to_the_others():
    header = "pool_id | role_code | from_hour | to_hour | minimum_officers | skill_code"
    minimums = drawn(
        "minimums", header, "R1 | response | 0 | 24 | 2 |", "R1 | response | 8 | 20 | 3 | response_driver",
        "R1 | response | 8 | 20 | 1 | sergeant", "R2 | response | 0 | 24 | 2 | taser",
    )  # fmt: skip
    found = minimum_officers(minimums, ["R1", "R2"], "response", hours(date(2026, 1, 5)), LONDON)
    assert found[0].tolist() == [2] * 8 + [3] * 12 + [2] * 4
    assert found[1].tolist() == [2] * 24


def test_the_vehicles_of_a_shorter_part_of_the_day_win_and_then_the_later_row():
    rows = drawn(
        "vehicles", "pool_id | from_hour | to_hour | vehicles | valid_from | valid_to",
        "R1 | 7 | 22 | 9 | |", "R1 | 7 | 22 | 6 | 2026-01-06 |", "R1 | 12 | 14 | 2 | |", "R1 | 22 | 2 | 5 | |",
        "other | 0 | 24 | 1 | |",
    )  # fmt: skip
    found = vehicles_of(rows, ["R1", "R2"], hours(date(2026, 1, 5), 2), LONDON)
    day, next_day = found[0][:24].tolist(), found[0][24:].tolist()
    assert day[7:12] + day[14:22] == [9] * 13
    assert next_day[7:12] + next_day[14:22] == [6] * 13
    assert day[12:14] == next_day[12:14] == [2, 2]
    assert day[:2] + day[22:] == [5] * 4
    assert np.isnan(found[0][2:7]).all()
    assert np.isnan(found[1]).all()
