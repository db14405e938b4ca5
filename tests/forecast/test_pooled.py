"""The pooled model against worlds whose truth is known: each of its parts comes back, and ranges hold what they say."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from bluelamp import periods
from bluelamp.forecast import _levels
from bluelamp.forecast._effects import touch
from bluelamp.forecast._history import make_calendar, name_series
from bluelamp.forecast._paths import draw_days, draw_multipliers
from tests.drawn import drawn
from tests.forecast.made import areas_in, demand_of, forecast_of, hours_of, means, midnight

LONDON = "Europe/London"
ONE = areas_in({"a": "D1"})
DISTRICTS = {"a": "D1", "b": "D1", "c": "D2", "d": "D2"}
FOUR = areas_in(DISTRICTS)
YEARS = 728
EVENT = "event_id | event_name | kind | area_id | starts_at | ends_at"


def local(hours: pl.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of the day, hour of the week, and hour of the day of each hour."""
    parts = periods.local_parts(hours, LONDON)
    return (
        (parts["day"] - parts["day"][0]).dt.total_days().to_numpy(),
        parts["slot"].to_numpy(),
        parts["hour"].to_numpy(),
    )


def shape(slot: np.ndarray) -> np.ndarray:
    """A week with quiet nights and busy weekends."""
    return (1 + 0.6 * np.sin(2 * np.pi * (slot % 24 - 9) / 24)) * np.where(slot >= 120, 1.2, 0.92)


def days_of(made, place: str = "F", level: str = "force", **split: str) -> np.ndarray:
    return np.array(means(made, level, place, span="day", **split))


# ---- levels, seasons, growth ----


def test_a_yearly_season_comes_back_in_the_season_that_comes():
    hours = hours_of(YEARS, date(2024, 4, 1))
    day, slot, _ = local(hours)
    turn = 2 * np.pi * (day + 91) / 365.25
    counts = np.random.default_rng(1).poisson(20 * shape(slot) * np.exp(0.15 * np.cos(turn)))
    begin = midnight(YEARS, date(2024, 4, 1))
    made = forecast_of(demand_of(hours, {("a",): counts}), ONE, begin, path_days=7, days=350, paths=20)
    coming = np.arange(YEARS, YEARS + 350)
    truth = 20 * 24 * np.exp(0.15 * np.cos(2 * np.pi * (coming + 91) / 365.25))
    weekly = days_of(made).reshape(50, 7).mean(axis=1) / truth.reshape(50, 7).mean(axis=1)
    assert np.abs(weekly - 1).max() < 0.06
    flat = truth.reshape(50, 7).mean(axis=1) / truth.mean()
    assert np.abs(weekly - 1).mean() < 0.25 * np.abs(flat - 1).mean(), "most of the season is known"


def test_a_level_that_steps_down_is_followed_within_weeks():
    hours = hours_of(364)
    day, slot, _ = local(hours)
    counts = np.random.default_rng(2).poisson(20 * shape(slot) * np.where(day < 322, 1.0, 0.7))
    demand = demand_of(hours, {("a",): counts})
    after = days_of(forecast_of(demand, ONE, midnight(364), days=7, path_days=7, paths=20)).mean()
    bare = days_of(forecast_of(demand, ONE, midnight(364), days=7, path_days=7, paths=20, method="slot_mean")).mean()
    truth = 0.7 * 20 * shape(np.arange(168)).sum() / 7
    assert after == pytest.approx(truth, rel=0.04)
    assert bare > 1.25 * truth, "a mean of the year does not follow"


def test_a_sudden_step_is_found_on_its_day_and_said_and_ordinary_years_have_none():
    chance = np.random.default_rng(20)

    def levels(step: float) -> _levels.Levels:
        day = np.arange(800)
        log = np.cumsum(chance.normal(0, 0.004, (6, 800)), axis=1) + 0.08 * np.sin(day / 58) + step * (day >= 500)
        return _levels.find_levels(
            chance.poisson(100 * np.exp(log)).astype(float),
            np.full((6, 800), 100.0),
            date(2024, 1, 1),
            _levels.FORCE_GRID,
        )

    assert levels(0.0).steps == [[]] * 6
    for steps in levels(-0.35).steps:
        ((on, size),) = steps
        assert abs((on - date(2025, 5, 15)).days) <= 4
        assert size == pytest.approx(-0.35, abs=0.1)


def test_a_step_is_told_in_the_notes_of_what_it_is():
    hours = hours_of(364)
    day, _, _ = local(hours)
    chance = np.random.default_rng(21)
    counts = {
        ("a", "fraud"): chance.poisson(np.where(day < 200, 10, 4)),
        ("a", "theft"): chance.poisson(10, len(hours)),
    }
    notes = forecast_of(demand_of(hours, counts), ONE, midnight(364), paths=10).model.notes
    assert [note.split(" by ")[0] for note in notes if "followed" in note] == [
        "Demand of the whole force fell", "The share of class 'fraud' fell", "The share of class 'theft' rose",
    ]  # fmt: skip


def test_growth_goes_on_for_a_while_and_fades_out():
    hours = hours_of(YEARS)
    day, slot, _ = local(hours)
    counts = np.random.default_rng(3).poisson(30 * shape(slot) * np.exp(0.08 * day / 365.25))
    made = forecast_of(demand_of(hours, {("a",): counts}), ONE, midnight(YEARS), days=1456, path_days=7, paths=20)
    level = days_of(made)[: 4 * 364].reshape(4, 364).mean(axis=1)
    steps = np.diff(np.log(level))
    assert steps[0] > 0.015
    assert (np.diff(steps) < 0).all()
    assert steps[2] < 0.6 * steps[0]


def test_what_is_far_is_less_sure_than_what_is_near_with_no_step_where_paths_end():
    chance = np.random.default_rng(4)
    hours = hours_of(364)
    day, slot, _ = local(hours)
    level = np.exp(np.cumsum(chance.normal(0, 0.01, 364)))
    made = forecast_of(
        demand_of(hours, {("a",): chance.poisson(30 * shape(slot) * level[day])}),
        ONE, midnight(364), paths=600, path_days=28, days=220,
    )  # fmt: skip
    rows = made.table.filter(level="force", span="day", class_code="all", grade_code="all").sort("hour_starting")
    width = ((rows["incidents_p90"] - rows["incidents_p10"]) / rows["incidents_mean"]).to_numpy()
    first, last_with_paths, beyond, later = (width[at : at + 7].mean() for at in (0, 21, 28, 210))
    assert first < last_with_paths < later
    assert beyond == pytest.approx(last_with_paths, rel=0.12)


def test_levels_are_drawn_with_the_spread_that_is_told():
    chance = np.random.default_rng(5)
    seen = chance.poisson(100 * np.exp(np.cumsum(chance.normal(0, 0.01, (2, 400)), axis=1))).astype(float)
    levels = _levels.find_levels(seen, np.full((2, 400), 100.0), date(2025, 1, 1), _levels.FORCE_GRID)
    days = [levels.last_day + timedelta(days=ahead) for ahead in (1, 10, 11, 200)]
    drawn_levels = levels.draw(20_000, days, lambda number: np.random.default_rng(number))
    np.testing.assert_allclose(drawn_levels.mean(axis=0), 1, atol=0.02)
    np.testing.assert_allclose(np.log(drawn_levels).var(axis=0), levels.variance(days), rtol=0.05)


def test_a_day_on_which_nothing_was_due_tells_nothing():
    seen = np.random.default_rng(6).poisson(50, (1, 200)).astype(float)
    due = np.full((1, 200), 50.0)
    holes = np.arange(200) % 3 == 0
    seen_too, due_too = seen.copy(), due.copy()
    seen_too[:, holes] = 7
    due_too[:, holes] = 0
    seen[:, holes] = due[:, holes] = 0
    one, other = (
        _levels.find_levels(*each, date(2025, 1, 1), _levels.FORCE_GRID) for each in ((seen, due), (seen_too, due_too))
    )
    np.testing.assert_array_equal(one.past, other.past)


# ---- holidays and events ----


def test_a_holiday_comes_back_by_part_of_the_day_and_leaves_ordinary_days_alone():
    first = date(2023, 4, 3)
    hours = hours_of(1096, first)
    parts = periods.local_parts(hours, LONDON)
    is_christmas = ((parts["day"].dt.month() == 12) & (parts["day"].dt.day() == 25)).to_numpy()
    _, slot, hour = local(hours)
    factor = np.where(is_christmas, np.where(hour >= 18, 1.6, 0.6), 1.0)
    demand = demand_of(hours, {("a",): np.random.default_rng(7).poisson(60 * shape(slot) * factor)})
    begin = midnight(1096, first)
    made = forecast_of(demand, ONE, begin, path_days=7, days=275, paths=20, country="GB", subdivision="ENG")
    rows = made.table.filter(level="force", span="hour", class_code="all", grade_code="all").sort("hour_starting")
    kind = periods.local_parts(rows["hour_starting"], LONDON)
    expected = rows["incidents_mean"].to_numpy() / (60 * shape(kind["slot"].to_numpy()))
    christmas = (kind["day"] == date(2026, 12, 25)).to_numpy()
    evening = (kind["hour"] >= 18).to_numpy()
    assert expected[christmas & ~evening].mean() == pytest.approx(0.6, rel=0.12)
    assert expected[christmas & evening].mean() == pytest.approx(1.6, rel=0.12)
    near = (kind["day"] < date(2026, 5, 1)).to_numpy()
    assert expected[near].mean() == pytest.approx(1, abs=0.03)


def test_a_holiday_that_touches_one_class_leaves_the_other_where_it_was():
    first = date(2023, 4, 3)
    hours = hours_of(1096, first)
    parts = periods.local_parts(hours, LONDON)
    is_eve = ((parts["day"].dt.month() == 12) & (parts["day"].dt.day() == 31)).to_numpy()
    chance = np.random.default_rng(8)
    counts = {
        ("a", "violence"): chance.poisson(np.where(is_eve, 60, 20)),
        ("a", "traffic"): chance.poisson(20, len(hours)),
    }
    begin = midnight(1096, first)
    made = forecast_of(demand_of(hours, counts), ONE, begin, path_days=7, days=300, country="GB", subdivision="ENG")
    eve = (date(2026, 12, 31) - first).days - 1096
    violence, traffic = (days_of(made, class_code=each)[eve] / (24 * 20) for each in ("violence", "traffic"))
    assert violence > 2
    assert traffic == pytest.approx(1, abs=0.25)


def test_a_local_event_comes_back_in_its_area_and_does_not_raise_what_is_usual():
    hours = hours_of(112)
    during = np.zeros(len(hours), dtype=bool)
    rows = []
    for number, day in enumerate((20, 48, 76, 112)):
        begins, ends = midnight(day), midnight(day + 2)
        during |= ((hours >= begins) & (hours < ends)).to_numpy()
        rows.append(f"e{number} | Fair | festival | a | {begins.isoformat()} | {ends.isoformat()}")
    chance = np.random.default_rng(9)
    counts = {("a",): chance.poisson(np.where(during, 30, 10)), ("b",): chance.poisson(10, len(hours))}
    counts |= {(each,): chance.poisson(10, len(hours)) for each in ("c", "d")}
    made = forecast_of(
        demand_of(hours, counts), FOUR, midnight(112), events=drawn("events", EVENT, *rows), days=7, path_days=7
    )
    fair, other = days_of(made, "a", "area"), days_of(made, "b", "area")
    np.testing.assert_allclose(fair[:2], 720, rtol=0.08)
    np.testing.assert_allclose(fair[2:], 240, rtol=0.05)
    np.testing.assert_allclose(other, 240, rtol=0.05)


def test_an_event_changes_the_hours_before_and_after_it_by_factors_of_their_own():
    hours = hours_of(112)
    factor = np.ones(len(hours))
    rows = []
    for number, day in enumerate((*range(6, 112, 7), 118)):
        begins = midnight(day) + timedelta(hours=15)
        ends = begins + timedelta(hours=2)
        for start, end, size in ((-3, 0, 2.0), (0, 2, 0.7), (2, 6, 3.0)):
            inside = (hours >= begins + timedelta(hours=start)) & (hours < begins + timedelta(hours=end))
            factor = np.where(inside.to_numpy(), size, factor)
        rows.append(f"e{number} | Match | sport | a | {begins.isoformat()} | {ends.isoformat()} | 3 | 4")
    events = drawn("events", f"{EVENT} | lead_in_hours | wind_down_hours", *rows)
    chance = np.random.default_rng(19)
    counts = {("a",): chance.poisson(20 * factor)} | {(each,): chance.poisson(20, len(hours)) for each in ("b", "c")}
    made = forecast_of(demand_of(hours, counts), FOUR, midnight(112), events=events, days=7, path_days=7)
    at = np.array(means(made, "area", "a", span="hour"))[6 * 24 :]
    for first, last, expected in ((0, 12, 20), (12, 15, 40), (15, 17, 14), (17, 21, 60), (21, 24, 20)):
        np.testing.assert_allclose(at[first:last].mean(), expected, rtol=0.12)


def test_an_event_does_to_each_area_what_it_did_to_it_before():
    """A match triples the calls at the ground and leaves the busy town centre nearly where it was."""
    hours = hours_of(400)
    days, slot, _ = local(hours)
    is_match = (slot // 24 == 5) & (slot % 24 >= 15) & (slot % 24 < 17) & (days % 14 < 7)
    random = np.random.default_rng(5)
    usual = {"a": 1.0, "b": 4.0, "c": 4.0}
    during = {"a": 3.0, "b": 1.1, "c": 1.0}
    counts = {(each, "theft"): random.poisson(np.where(is_match, during[each], 1.0) * usual[each]) for each in usual}
    matches = [(match, midnight(match + 5) + timedelta(hours=15)) for match in range(0, 440, 14)]
    events = drawn(
        "events",
        EVENT,
        *(
            f"{area}{match} | Match | sport | {area} | {at.isoformat()} | {(at + timedelta(hours=2)).isoformat()}"
            for match, at in matches
            for area in "ab"
        ),
    )
    made = forecast_of(
        demand_of(hours, counts), areas_in({"a": None, "b": None, "c": None}), midnight(400), days=14, path_days=14,
        events=events,
    )  # fmt: skip
    at = [hour for hour, each in enumerate(made.path_hours) if events.filter(starts_at=each).height]
    assert at
    ground, centre = (np.array(means(made, "area", each))[at].mean() for each in "ab")
    assert ground == pytest.approx(3.0, rel=0.2)
    assert centre == pytest.approx(4.4, rel=0.12)


def test_an_event_changes_the_classes_that_it_brings():
    hours = hours_of(112)
    on = np.zeros(len(hours), dtype=bool)
    rows = []
    for number, day in enumerate((*range(5, 112, 7), 117)):
        begins, ends = midnight(day), midnight(day + 1)
        on |= ((hours >= begins) & (hours < ends)).to_numpy()
        rows.append(f"e{number} | Market | festival | a | {begins.isoformat()} | {ends.isoformat()}")
    chance = np.random.default_rng(20)
    counts = {
        ("a", "theft"): chance.poisson(np.where(on, 30, 10)),
        ("a", "fraud"): chance.poisson(10, len(hours)),
        ("b", "theft"): chance.poisson(10, len(hours)),
        ("b", "fraud"): chance.poisson(10, len(hours)),
    }
    made = forecast_of(
        demand_of(hours, counts), FOUR, midnight(112), events=drawn("events", EVENT, *rows), days=7, path_days=7
    )
    theft, fraud = (days_of(made, "D1", "district", class_code=name)[5] for name in ("theft", "fraud"))
    assert theft == pytest.approx(960, rel=0.1)
    assert fraud == pytest.approx(480, rel=0.1)


def test_a_day_beside_a_holiday_is_one_wherever_the_calendar_begins_and_ends():
    series = name_series(ONE, demand_of(hours_of(1), {("a",): 1}), "F")
    none = drawn("events", EVENT)

    def beside(first: date, last: date) -> np.ndarray:
        days = periods.local_days(LONDON, first, last)
        calendar = make_calendar(
            days["starts_at"][0], days["ends_at"][-1], LONDON, series, ONE, none, "GB", "ENG"
        )  # fmt: skip
        return touch(calendar, ["day before a holiday", "day after a holiday"])[:, 0]

    whole = beside(date(2025, 12, 22), date(2025, 12, 29))
    np.testing.assert_array_equal(whole[1], [1, 0], "the 23rd is before Christmas Eve")
    np.testing.assert_array_equal(whole[5], [0, 1], "the 27th is after Boxing Day")
    np.testing.assert_array_equal(beside(date(2025, 12, 27), date(2025, 12, 29)), whole[5:])
    np.testing.assert_array_equal(beside(date(2025, 12, 22), date(2025, 12, 23)), whole[:2])


def test_an_event_of_the_whole_force_comes_back():
    hours = hours_of(112)
    rows, during = [], np.zeros(len(hours), dtype=bool)
    for number, day in enumerate((20, 48, 76, 112)):
        begins, ends = midnight(day), midnight(day + 3)
        during |= ((hours >= begins) & (hours < ends)).to_numpy()
        rows.append(f"e{number} | Strike | other |  | {begins.isoformat()} | {ends.isoformat()}")
    counts = {("a",): np.random.default_rng(10).poisson(np.where(during, 20, 40))}
    made = forecast_of(
        demand_of(hours, counts), ONE, midnight(112), events=drawn("events", EVENT, *rows), days=7, path_days=7
    )
    expected = days_of(made)
    np.testing.assert_allclose(expected[:3], 480, rtol=0.12)
    np.testing.assert_allclose(expected[3:], 960, rtol=0.04)


# ---- districts and classes ----


def test_a_district_that_gains_on_the_others_is_followed_and_the_force_stays():
    hours = hours_of(364)
    day, slot, _ = local(hours)
    share = 0.5 + 0.2 * (day > 280)
    chance = np.random.default_rng(11)
    counts = {
        (area,): chance.poisson(20 * shape(slot) * (share if district == "D1" else 1 - share))
        for area, district in DISTRICTS.items()
    }
    made = forecast_of(demand_of(hours, counts), FOUR, midnight(364), days=7, path_days=7)
    force, one, two = days_of(made), days_of(made, "D1", "district"), days_of(made, "D2", "district")
    assert force.mean() == pytest.approx(40 * shape(np.arange(168)).sum() / 7, rel=0.03)
    np.testing.assert_allclose(one + two, force, atol=0.01)
    assert (one / force).mean() == pytest.approx(0.7, abs=0.03)


def test_a_class_that_grows_takes_its_share_and_widens_its_own_range():
    hours = hours_of(YEARS)
    day, _, _ = local(hours)
    chance = np.random.default_rng(12)
    growing = np.exp(0.5 * day / YEARS)
    counts = {("a", "fraud"): chance.poisson(5 * growing), ("a", "theft"): chance.poisson(15 - 5 * (growing - 1))}
    made = forecast_of(demand_of(hours, counts), ONE, midnight(YEARS), days=28, path_days=28, paths=400)
    fraud, theft, force = (days_of(made, class_code=each) for each in ("fraud", "theft", "all"))
    np.testing.assert_allclose(fraud + theft, force, atol=0.01)
    assert fraud.mean() == pytest.approx(24 * 5 * np.exp(0.5), rel=0.06)


# ---- what is left over ----


def test_shocks_are_found_again_at_the_level_that_they_belong_to():
    chance = np.random.default_rng(13)
    hours = hours_of(YEARS)
    day, slot, hour = local(hours)

    def gamma(variance: float, size: int) -> np.ndarray:
        return chance.gamma(1 / variance, variance, size)

    together = gamma(0.01, YEARS)[day] * gamma(0.01, 4 * YEARS)[day * 4 + hour // 6] * gamma(0.02, len(hours))
    own = {name: gamma(0.01, YEARS)[day] for name in ("D1", "D2")}
    counts = {(area,): chance.poisson(15 * shape(slot) * together * own[name]) for area, name in DISTRICTS.items()}
    shocks = forecast_of(demand_of(hours, counts), FOUR, midnight(YEARS), paths=10).model.shocks
    assert shocks.hour == pytest.approx(0.02, rel=0.3)
    assert shocks.block == pytest.approx(0.01, rel=0.4)
    assert shocks.force_day + shocks.district_day == pytest.approx(0.02, rel=0.3)
    assert shocks.district_day == pytest.approx(0.01, rel=0.4)
    assert shocks.clump < 0.03


def test_incidents_that_come_in_clumps_are_told_from_shocks_and_drawn_as_such():
    chance = np.random.default_rng(14)
    hours = hours_of(364)

    def clumped(rate: float) -> np.ndarray:
        alone = chance.poisson(rate, len(hours))
        return alone + np.array([chance.negative_binomial(each, 0.8) if each else 0 for each in alone])

    counts = {(area,): clumped(3) for area in DISTRICTS}
    made = forecast_of(demand_of(hours, counts), FOUR, midnight(364), paths=400)
    # Copies are geometric with p = 0.8: the variance over the mean is (2 - p) / p = 1.5.
    assert made.model.shocks.clump == pytest.approx(0.5, rel=0.1)
    assert made.model.shocks.hour < 0.01
    drawn_counts = np.zeros((400, 24))
    (today, *_) = draw_days(made.model, made.calendar, made.multipliers, 1)
    in_a = today.series == 0
    np.add.at(drawn_counts, (today.path[in_a], today.hour[in_a]), 1)
    assert drawn_counts.mean() == pytest.approx(3 / 0.8, rel=0.05)
    assert drawn_counts.var() / drawn_counts.mean() == pytest.approx(1.5, rel=0.1)


def test_chance_alone_is_not_taken_for_shocks():
    hours = hours_of(364)
    _, slot, _ = local(hours)
    chance = np.random.default_rng(15)
    counts = {(area,): chance.poisson(10 * shape(slot)) for area in DISTRICTS}
    shocks = forecast_of(demand_of(hours, counts), FOUR, midnight(364), paths=10).model.shocks
    assert max(shocks.force_day, shocks.district_day, shocks.block, shocks.hour) < 0.003
    assert shocks.clump < 0.03


def test_a_first_day_of_one_hour_is_left_out_whatever_it_has():
    hours = hours_of(56)
    counts = np.random.default_rng(16).poisson(10, len(hours))
    backlog = np.where(np.arange(len(hours)) == 23, 500, counts)
    late = np.arange(len(hours)) >= 23
    with_it = forecast_of(demand_of(hours, {("a",): backlog * late}), ONE, midnight(56), paths=10)
    without = forecast_of(
        demand_of(hours, {("a",): counts * (np.arange(len(hours)) >= 24)}), ONE, midnight(56), paths=10
    )
    np.testing.assert_allclose(days_of(with_it), days_of(without), rtol=0.01)


def test_less_than_four_weeks_are_left_to_the_slot_mean_and_it_says_so():
    hours = hours_of(20)
    counts = np.random.default_rng(17).poisson(5, len(hours))
    demand = demand_of(hours, {("a",): counts})
    short = forecast_of(demand, ONE, midnight(20))
    bare = forecast_of(demand, ONE, midnight(20), method="slot_mean")
    assert means(short, "force", "F") == means(bare, "force", "F")
    assert "Less than 28 days of history" in short.model.notes[0]


def test_intervals_hold_what_they_say_in_a_world_like_the_model():
    inside = {"hour": [], "day": []}
    for seed in range(4):
        chance = np.random.default_rng(30 + seed)
        hours = hours_of(364 + 28)
        day, slot, hour = local(hours)
        level = np.exp(np.cumsum(chance.normal(0, 0.005, day[-1] + 1)))
        block = chance.gamma(50, 1 / 50, 4 * (day[-1] + 1))[day * 4 + hour // 6]
        shock = chance.gamma(100, 1 / 100, day[-1] + 1)[day] * level[day] * block
        counts = {(area,): chance.poisson(8 * shape(slot) * shock) for area in DISTRICTS}
        demand = demand_of(hours, counts)
        made = forecast_of(demand, FOUR, midnight(364), path_days=28, days=28, paths=200)
        total = sum(counts.values())
        for span, came in (("hour", total), ("day", np.bincount(day, weights=total))):
            rows = made.table.filter(level="force", span=span, class_code="all", grade_code="all").sort("hour_starting")
            low, high = rows["incidents_p10"].to_numpy(), rows["incidents_p90"].to_numpy()
            inside[span].append(((came[-len(low) :] >= low) & (came[-len(low) :] <= high)).mean())
    assert 0.72 < np.mean(inside["day"]) < 0.9
    assert 0.78 < np.mean(inside["hour"]) < 0.88


def test_the_mix_of_classes_moves_from_path_to_path_and_the_force_does_not_with_it():
    hours = hours_of(364)
    day, _, _ = local(hours)
    chance = np.random.default_rng(18)
    tilt = np.exp(np.cumsum(chance.normal(0, 0.02, 364)))[day]
    counts = {("a", "fraud"): chance.poisson(20 * tilt / (1 + tilt)), ("a", "theft"): chance.poisson(20 / (1 + tilt))}
    made = forecast_of(demand_of(hours, counts), ONE, midnight(364), days=14, path_days=14, paths=300)
    multipliers = draw_multipliers(made.model, 300, 1, 14)
    assert np.log(multipliers).std() < 0.05
    mix = made.model.trend.draw_classes(300, made.calendar.days, lambda number: np.random.default_rng(number))
    assert mix.std(axis=0)[-1].min() > 0.02
    np.testing.assert_allclose(mix @ made.model.trend.classes.share, 1)
