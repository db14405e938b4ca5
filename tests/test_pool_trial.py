"""Ways of pooling on the same drawn weeks: the same duties, calls and places covered, and ways that are paid for."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import pool_trial
from bluelamp.drawn_work import Came, Drawn, Ground
from bluelamp.errors import UsageError
from bluelamp.pool_trial import Duties, Way, lay_duties, merge, pair_up, redraw, share_out, stretch_to_stated
from bluelamp.pools import lay_out_pools
from bluelamp.simulation import Travel
from bluelamp.solving import Answered, compare_answers
from tests.drawn import drawn
from tests.offered import LONDON, STANDARD, hours_from

AREAS = "abcd"
SERVICE = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | sd_minutes | source",
    "x          | 1          | 1              | 1                    | 50               | 40         | drawn",
)
TARGETS = drawn("standards", STANDARD, "1 | all | 15 | 0.9 | received | arrived | 2 | 7")
ALWAYS = np.ones(48, dtype=np.bool_)


@lru_cache(maxsize=1)
def ground() -> Ground:
    """Four areas in a row, each with a pool of its own, for two days; the fourth is called on least."""
    hours = hours_from(days=2)
    cover = drawn(
        "pools", "pool_id | role_code | area_id | from_hour | to_hour",
        *(f"P{area} | response | {area} | 0 | 24" for area in AREAS),
    )  # fmt: skip
    return Ground.lay(
        hours, lay_out_pools(cover, "response", list(AREAS), hours, LONDON), [("x", "1")], ["all"] * 4, SERVICE,
        TARGETS, LONDON,
    )  # fmt: skip


@lru_cache(maxsize=2)
def cases(seed: int = 1, runs: int = 20) -> tuple[Drawn, ...]:
    found = []
    for run in range(runs):
        random = np.random.default_rng([seed, run])
        counts = random.poisson([48, 48, 48, 12])
        area = np.repeat(np.arange(4), counts)
        came = Came(
            area, np.zeros(len(area), dtype=np.int64), 2880 * random.random(len(area)), random.random(len(area))
        )
        found.append(ground().draw(came, random))
    return tuple(found)


def row_of(minutes: float) -> Travel:
    """Areas so many minutes apart, one beside the other, and four minutes within each."""
    return Travel(4 + minutes * np.abs(np.subtract.outer(np.arange(4), np.arange(4))))


def today(units: int = 2) -> tuple[Duties, Way]:
    duties = lay_duties(np.full((4, 48), units), ground())
    return duties, Way(ground().pool_hours, duties.pool, duties.pool)


def tried(travel: Travel, **ways: Way) -> dict[str, Answered]:
    duties, way = today()
    return pool_trial.try_ways(ground(), cases(), {"today": way, **ways}, duties, travel)


def one_pool() -> Way:
    duties, way = today()
    return merge(way, duties, [(0, 1, 2, 3)], ALWAYS, ground().warm_up)


def test_duties_are_out_in_the_numbers_asked_for_and_who_began_first_ends_first():
    units = np.array([[1, 3, 3, 2, 2, 0, 1, 1, *[1] * 40], [2] * 48, [0] * 48, [0] * 48])
    duties = lay_duties(units, ground())
    hours = np.arange(ground().hours)
    out = [
        ((duties.first <= hour) & (duties.last > hour) & (duties.pool == 0)).sum() for hour in hours[ground().warm_up :]
    ]
    assert out == units[0].tolist()
    mine = (duties.pool == 0) & (duties.first >= ground().warm_up)
    assert (np.diff(duties.last[mine]) >= 0).all()
    assert duties.first[duties.pool == 1].tolist() == [0, 0]


def test_all_duties_end_and_begin_anew_where_they_are_cut():
    duties = lay_duties(np.full((4, 48), 2), ground(), cuts=[10])
    assert sorted(set(duties.first.tolist())) == [0, 10 + ground().warm_up]
    assert len(duties) == 16
    # The warm-up is the afternoon of the first day once more.
    again = lay_duties(np.full((4, 48), 2), ground(), cuts=[20])
    assert sorted(set(again.first.tolist())) == [0, 20 - 24 + ground().warm_up, 20 + ground().warm_up]


def test_a_way_that_changes_nothing_differs_by_nothing():
    duties, way = today()
    nothing = merge(way, duties, [(2,)], ALWAYS, ground().warm_up)
    found = tried(row_of(3), same=nothing)
    rows = compare_answers(ground(), found["today"], found["same"])
    assert {row["pool_id"] for row in rows} == {"all", "Pa", "Pb", "Pc", "Pd"}
    assert all(row["difference"] == row["difference_low"] == row["difference_high"] == 0 for row in rows)


def test_one_pool_answers_more_in_time_where_ways_are_short_and_fewer_where_they_are_long():
    for minutes, sign in ((0.0, -1), (14.0, 1)):
        found = tried(row_of(minutes), one=one_pool())
        whole = compare_answers(ground(), found["today"], found["one"])[0]
        assert whole["calls_before"] == whole["calls_after"]
        assert min(sign * whole["difference_low"], sign * whole["difference_high"]) > 0.01
        way = [float(each.way_by_run.sum() / each.reached_by_run.sum()) for each in found.values()]
        assert way[0] == pytest.approx(4)
        assert way[1] == pytest.approx(4) if not minutes else way[1] > 5


def test_calls_count_on_the_ground_of_todays_pools_in_every_way():
    found = tried(row_of(14.0), one=one_pool())
    calls = [each.calls_by_run.sum(axis=(0, 1)) for each in found.values()]
    assert calls[0].tolist() == calls[1][:4].tolist()
    assert not calls[1][4:].any()


def test_merging_for_some_hours_leaves_the_others_as_they_were():
    duties = lay_duties(np.full((4, 48), 2), ground(), cuts=[24])
    way = Way(ground().pool_hours, duties.pool, duties.pool)
    merged = merge(way, duties, [(0, 1)], np.arange(48) >= 24, ground().warm_up)
    own = pool_trial.cover_by_hour(merged.pool_hours)
    assert own[:, 0].tolist() == [0, 1, 2, 3]
    assert own[:, 30].tolist() == [4, 4, 2, 3]
    late = duties.first >= 24 + ground().warm_up
    assert set(merged.pool[late].tolist()) == {2, 3, 4}
    assert set(merged.pool[~late].tolist()) == {0, 1, 2, 3}


def test_new_pools_have_all_areas_and_units_by_their_work_that_begin_where_todays_do():
    duties, way = today()
    load = pool_trial.load_of(ground(), cases())
    drawn_anew = redraw(
        way, duties, np.array([0, 0, 1, 1]), load, row_of(3), ALWAYS, ground().warm_up
    )  # fmt: skip
    assert pool_trial.cover_by_hour(drawn_anew.pool_hours)[:, 5].tolist() == [4, 4, 5, 5]
    # Calls are as 96 to 60.
    assert np.bincount(drawn_anew.pool)[4:].tolist() == [5, 3]
    # Of the busier area two, of the other one.
    assert sorted(drawn_anew.place[drawn_anew.pool == 5].tolist()) == [2, 2, 3]
    elsewhere = Way(way.pool_hours, way.pool, np.zeros(len(duties), dtype=np.int64))
    moved = redraw(elsewhere, duties, np.array([0, 0, 1, 1]), load, row_of(3), ALWAYS, ground().warm_up)
    assert set(moved.place[moved.pool == 5].tolist()) == {2}
    assert set(moved.place[moved.pool == 4].tolist()) == {0}


def test_more_pools_than_units_are_refused_in_a_sentence():
    duties = lay_duties(np.array([[1] * 48, [0] * 48, [0] * 48, [0] * 48]), ground())
    way = Way(ground().pool_hours, duties.pool, duties.pool)
    with pytest.raises(UsageError, match="2 pools can't be made of 1 unit"):
        redraw(way, duties, np.array([0, 0, 1, 1]), np.ones((4, 48)), row_of(3), ALWAYS, ground().warm_up)


def test_ways_are_stretched_until_today_takes_the_minutes_that_standards_suppose():
    duties, way = today()
    found = pool_trial.try_ways(ground(), cases(), {"today": way}, duties, row_of(3))["today"]
    stretch = stretch_to_stated(ground(), found)
    assert stretch == pytest.approx([7 / 4])
    again = pool_trial.try_ways(ground(), cases(), {"today": way}, duties, row_of(3), stretch)["today"]
    assert again.minutes_by_run.sum() > found.minutes_by_run.sum()
    assert again.way_by_run.sum() / again.reached_by_run.sum() == pytest.approx(7)


def test_the_load_of_an_area_is_the_minutes_of_its_calls():
    load = pool_trial.load_of(ground(), cases())
    calls = np.mean([np.bincount(case.jobs.place[case.jobs.ready >= 720], minlength=4) for case in cases()], axis=0)
    # Fifty minutes, of which the standards suppose seven on the way.
    assert load.sum(axis=1) == pytest.approx(43 * calls, rel=0.1)


def test_pairs_are_the_nearest_all_together_among_pools_of_the_same_hours():
    apart = np.abs(np.subtract.outer([0, 1, 2, 3, 1.5], [0, 1, 2, 3, 1.5]))
    runs = np.array([[True, False]] * 4 + [[False, True]])
    assert pair_up(apart, runs) == [(0, 1), (2, 3)]
    assert len(pair_up(apart[:3, :3], runs[:3])) == 1
    with pytest.raises(UsageError, match="More than 16 pools"):
        pair_up(np.zeros((17, 17)), np.ones((17, 2), dtype=np.bool_))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12), st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_all_units_are_shared_out_and_no_pool_goes_without(load, more):
    units = len(load) + more
    found = np.bincount(share_out(units, np.array(load), np.zeros(len(load), dtype=np.int64)), minlength=len(load))
    assert found.sum() == units
    assert found.min() >= 1
