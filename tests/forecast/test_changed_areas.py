"""Areas that are not what they were: moved borders, new areas, merged ones, and those where nothing comes."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from bluelamp.forecast._changed_areas import find_changes
from tests.forecast.made import areas_in, demand_of, forecast_of, hours_of, means, midnight

FOUR = areas_in({"a": "D1", "b": "D1", "c": "D1", "d": "D2"})
FIRST = date(2024, 8, 5)
DAYS = 364
JUNE = (date(2025, 6, 1) - FIRST).days


def made_after(before: dict[str, float], after: dict[str, float], changed: int = JUNE, seed: int = 1):
    """Forecast from hourly rates that were one thing until a day and are another since."""
    hours = hours_of(DAYS, FIRST)
    is_after = np.arange(len(hours)) >= 24 * changed
    chance = np.random.default_rng(seed)
    counts = {(area,): chance.poisson(np.where(is_after, after[area], before[area])) for area in before}
    return forecast_of(demand_of(hours, counts), FOUR, midnight(DAYS, FIRST), path_days=7, days=7)


def an_hour(made, area: str) -> float:
    return float(np.mean(means(made, "area", area, span="day"))) / 24


def test_a_border_that_moved_in_june_is_followed_from_then_on_and_said():
    made = made_after({"a": 3, "b": 1, "c": 2, "d": 2}, {"a": 1, "b": 3, "c": 2, "d": 2})
    for area, expected in {"a": 1, "b": 3, "c": 2, "d": 2}.items():
        assert an_hour(made, area) == pytest.approx(expected, rel=0.08)
    (told,) = [note for note in made.model.notes if "another share" in note]
    assert told.startswith("2 areas have")
    assert "'a' (× 0.33 since about 2025-06-0" in told or "'a' (× 0.34 since about 2025-06-0" in told


def test_a_new_area_is_what_it_was_since_it_opened_and_those_that_it_was_cut_from_are_less():
    made = made_after({"a": 4, "b": 0, "c": 2, "d": 2}, {"a": 2, "b": 2, "c": 2, "d": 2}, changed=DAYS - 42)
    assert an_hour(made, "b") == pytest.approx(2, rel=0.1)
    assert an_hour(made, "a") == pytest.approx(2, rel=0.1)


def test_an_area_merged_into_another_has_nothing_left_and_the_other_has_both():
    made = made_after({"a": 2, "b": 2, "c": 2, "d": 2}, {"a": 4, "b": 0, "c": 2, "d": 2})
    assert an_hour(made, "a") == pytest.approx(4, rel=0.08)
    assert an_hour(made, "b") < 0.02


def test_an_area_without_an_incident_in_a_year_has_next_to_none_and_others_are_as_they_are():
    made = made_after({"a": 2, "b": 0, "c": 2, "d": 2}, {"a": 2, "b": 0, "c": 2, "d": 2})
    assert an_hour(made, "b") < 0.001
    assert an_hour(made, "a") == pytest.approx(2, rel=0.05)
    assert sum(means(made, "area", "a", span="day")) > 0


def test_shares_that_move_by_chance_alone_are_no_change():
    for seed in range(20):
        chance = np.random.default_rng(seed)
        weeks = chance.gamma(20, 1 / 20, (10, 104))  # weeks differ from each other by more than chance, too
        seen = chance.poisson(np.repeat(weeks, 7, axis=1) * chance.uniform(0.1, 8, (10, 1)))
        assert find_changes(seen.astype(float), np.arange(10) % 2) == []


def test_the_last_of_several_changes_counts():
    chance = np.random.default_rng(3)
    rate = np.repeat([2.0, 8.0, 4.0], [200, 100, 64])
    seen = np.stack([chance.poisson(rate), chance.poisson(np.full(364, 10.0))]).astype(float)
    change = find_changes(seen, np.zeros(2, dtype=np.int64))[0]
    assert abs(change.day - 300) <= 10
    assert change.ratio == pytest.approx((4 / 14) / (8 / 18), rel=0.1)
