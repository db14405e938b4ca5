"""Ways of pooling on the same drawn weeks: what is drawn, how units are shared out, and that nothing else differs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp.pool_trial import Offered, Pooling, compare, draw_jobs, share_out, try_poolings
from bluelamp.simulation import Travel, Units

HOURS = 72


def offered(rate: float = 0.4, areas: int = 4) -> Offered:
    """Two grades in areas in a row, jobs of an hour, targets of a quarter of an hour and an hour."""
    return Offered(
        rates=np.full((2, areas, HOURS), rate), minutes=np.array([60.0, 40.0]), sd_minutes=np.array([60.0, 20.0]),
        units=np.array([1.5, 1.0]), handling=np.array([2.0, 3.0]),
        targets=np.repeat([[15.0], [60.0]], areas, axis=1),
    )  # fmt: skip


def pooled(pools: int, units: int = 8, areas: int = 4) -> tuple[Pooling, Units]:
    pool_of_area = np.arange(areas) * pools // areas
    home = np.arange(units) * areas // units
    own = np.repeat(pool_of_area[:, None], HOURS, axis=1)
    return Pooling(own, pool_of_area[home], home), Units.of(np.zeros(units), 60 * HOURS)


ROW = Travel(3 + 2.0 * np.abs(np.subtract.outer(np.arange(4), np.arange(4))))


def test_what_is_drawn_has_the_rates_minutes_and_units_that_are_offered():
    jobs = draw_jobs(offered(rate=20.0), np.random.default_rng(1))
    assert len(jobs) == pytest.approx(20 * 2 * 4 * HOURS, rel=0.02)
    for grade, (minutes, sd, units) in enumerate([(60, 60, 1.5), (40, 20, 1.0)]):
        of = jobs.priority == grade
        assert jobs.first_minutes[of].mean() == pytest.approx(minutes, rel=0.05)
        assert jobs.first_minutes[of].std() == pytest.approx(sd, rel=0.15)
        assert jobs.units[of].mean() == pytest.approx(units, rel=0.03)
    assert (np.diff(jobs.ready) >= 0).all()
    assert jobs.ready.min() >= 2


def test_the_same_pools_under_another_name_differ_by_nothing_and_the_same_seed_gives_the_same():
    two, units = pooled(2)
    tried = try_poolings(offered(), {"a": two, "b": two}, units, ROW, weeks=3)
    again = try_poolings(offered(), {"a": two}, units, ROW, weeks=3)
    for one, other in ((tried["a"], tried["b"]), (tried["a"], again["a"])):
        assert np.array_equal(one.in_time, other.in_time, equal_nan=True)
        assert np.array_equal(one.minutes, other.minutes, equal_nan=True)


def test_sharing_units_reaches_more_in_time_where_places_are_near():
    one, units = pooled(1)
    four, _ = pooled(4)
    near = Travel(np.full((4, 4), 5.0))
    tried = try_poolings(offered(), {"four": four, "one": one}, units, near, weeks=6)
    differ = compare(tried["one"].in_time[:, 0], tried["four"].in_time[:, 0])
    assert differ.low > 0.05
    assert tried["one"].travel[:, 0] == pytest.approx(5.0)


def test_sharing_units_costs_travel_where_places_are_far():
    one, units = pooled(1)
    four, _ = pooled(4)
    far = Travel(np.where(np.eye(4) > 0, 5.0, 90.0))
    tried = try_poolings(offered(rate=0.3), {"four": four, "one": one}, units, far, weeks=6)
    assert compare(tried["one"].travel[:, 0], tried["four"].travel[:, 0]).low > 5
    assert (tried["four"].travel == 5).all()


def test_common_chance_tells_pools_apart_sooner_than_chance_of_their_own():
    two, units = pooled(2)
    one, _ = pooled(1)
    same = try_poolings(offered(), {"one": one, "two": two}, units, ROW, weeks=12)
    other = try_poolings(offered(), {"two": two}, units, ROW, weeks=12, seed=1)
    paired = compare(same["one"].minutes[:, 0], same["two"].minutes[:, 0])
    loose = compare(same["one"].minutes[:, 0], other["two"].minutes[:, 0])
    assert paired.high - paired.low < 0.8 * (loose.high - loose.low)


def test_the_interval_of_a_difference_is_that_of_the_mean_of_pairs():
    differ = compare(np.array([2.0, 3.0, 4.0, np.nan]), np.array([1.0, 1.0, 1.0, 1.0]))
    assert differ.mean == 2.0
    assert differ.high - differ.mean == pytest.approx(1.96 / np.sqrt(3))
    assert np.isnan(compare(np.array([1.0]), np.array([1.0])).mean)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12), st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_all_units_are_shared_out_and_no_pool_goes_without(load, more):
    units = len(load) + more
    found = share_out(units, np.array(load))
    assert found.sum() == units
    assert found.min() >= 1
