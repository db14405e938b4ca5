"""Forecasts: known rates come back, levels add up, and nothing is learnt that was not known yet."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest

from bluelamp import periods, pools, tables
from bluelamp.errors import BadData, UsageError
from bluelamp.forecast import _paths
from tests.drawn import drawn
from tests.forecast.made import MONDAY, areas_in, demand_of, forecast_of, hours_of, means, midnight

THREE = areas_in({"a": "D1", "b": "D1", "c": "D2"})
QUANTILES = [f"incidents_{name}" for name in ("p025", "p10", "p25", "p50", "p75", "p90", "p975")]


def noisy(days: int = 56, seed: int = 1, **first: date) -> pl.DataFrame:
    """Counts by chance in three areas, two classes and two grades."""
    chance, hours = np.random.default_rng(seed), hours_of(days, **first)
    rates = {("a", "x", "1"): 2.0, ("a", "y", "2"): 0.7, ("b", "x", "1"): 0.4, ("c", "y", "1"): 1.1}
    rates["c", "x", "2"] = 0.2
    return demand_of(hours, {series: chance.poisson(rate, len(hours)) for series, rate in rates.items()})


def slots_of(days: int) -> np.ndarray:
    """The hour of the week, 0 to 167, of each hour from a Monday on."""
    return periods.local_parts(hours_of(days), "Europe/London")["slot"].to_numpy()


# ---- what comes in comes out ----


def test_a_constant_rate_comes_back_as_it_is():
    made = forecast_of(demand_of(hours_of(56), {("a",): 3, ("b",): 1, ("c",): 2}), THREE, midnight(56))
    assert means(made, "area", "a") == [3.0] * 72
    assert means(made, "area", "b") == [1.0] * 72
    assert means(made, "district", "D1") == [4.0] * 72
    assert means(made, "force", "F") == [6.0] * 72
    assert means(made, "force", "F", span="day") == [144.0] * 3


def test_an_hour_of_the_week_comes_back_nearer_to_the_truth_than_its_bare_mean():
    hour, weekday = np.arange(168) % 24, np.arange(168) // 24
    # Each weekday has its busiest hours later than the one before, so that no product of hour and weekday fits.
    truth = 6 + 4 * np.sin(2 * np.pi * (hour - 2 * weekday) / 24)
    slot = slots_of(364)
    came = np.random.default_rng(3).poisson(truth[slot])
    made = forecast_of(demand_of(hours_of(364), {("a",): came}), THREE, midnight(364), path_days=7, days=7)
    found, bare = np.array(means(made, "area", "a")), np.bincount(slot, weights=came) / 52
    assert np.abs(found - truth).mean() < 0.9 * np.abs(bare - truth).mean() < 0.3
    assert np.abs(found - truth).max() < 1.2


def test_an_hour_of_the_week_leans_on_its_hour_and_its_weekday_where_it_was_seen_seldom():
    chance = np.random.default_rng(2)
    usual = np.outer(np.where(np.arange(7) < 5, 1.0, 1.5), 2 + np.sin(np.arange(24) / 4)).ravel()
    slots = slots_of(28)
    counts = chance.poisson(usual[slots])
    made = forecast_of(demand_of(hours_of(28), {("a",): counts}), THREE, midnight(28), path_days=7, days=7)
    four_weeks = np.bincount(slots, weights=counts, minlength=168) / 4
    error = np.mean((np.array(means(made, "area", "a")) - usual) ** 2)
    assert error < 0.4 * np.mean((four_weeks - usual) ** 2), "the bare mean of four weeks is mostly noise"


def test_the_total_of_noisy_counts_is_kept():
    demand = noisy()
    made = forecast_of(demand, THREE, midnight(56), path_days=7, days=7, method="slot_mean")
    for area in ("a", "b", "c"):
        seen = demand.filter(area_id=area)["incidents"].sum() / 8
        assert sum(means(made, "area", area)) == pytest.approx(seen, rel=0.03)
    assert sum(means(made, "force", "F")) == pytest.approx(demand["incidents"].sum() / 8, rel=0.01)


def test_an_area_with_few_incidents_has_the_shape_of_its_district():
    by_day = np.tile(np.where((np.arange(24) >= 9) & (np.arange(24) < 21), 12, 1), 56)
    lone = np.zeros(56 * 24)
    lone[[3, 9 * 24 + 5, 18 * 24 + 1, 48 * 24 + 4]] = 1  # four incidents, all of them in the night
    demand = demand_of(hours_of(56), {("a",): by_day, ("b",): lone})
    made = forecast_of(demand, THREE, midnight(56), days=7, path_days=7)
    quiet = np.array(means(made, "area", "b")).reshape(7, 24)
    assert quiet.sum() == pytest.approx(4 / 8, rel=0.4)
    assert quiet[:, 9:21].sum() > 4 * (quiet[:, :9].sum() + quiet[:, 21:].sum())


def test_an_area_with_many_incidents_keeps_its_own_shape():
    by_day = np.tile(np.where((np.arange(24) >= 9) & (np.arange(24) < 21), 12, 1), 56)
    by_night = np.tile(np.where((np.arange(24) >= 9) & (np.arange(24) < 21), 1, 12), 56)
    made = forecast_of(demand_of(hours_of(56), {("a",): by_day, ("b",): by_night}), THREE, midnight(56))
    np.testing.assert_allclose(means(made, "area", "b")[:24], by_night[:24], rtol=0.2)


def test_hours_in_an_outage_count_neither_as_quiet_nor_as_time():
    hours = hours_of(56)
    lost = (hours >= midnight(20)) & (hours < midnight(27))
    outages = drawn(
        "outages",
        "starts_at | ends_at | rule | incidents",
        f"{midnight(20).isoformat()} | {midnight(27).isoformat()} | no_incidents | 0",
    )
    for during in (0, 50):
        counts = np.where(lost.to_numpy(), during, 3)
        made = forecast_of(demand_of(hours, {("a",): counts}), THREE, midnight(56), outages=outages)
        assert means(made, "area", "a") == [3.0] * 72
    unmasked = forecast_of(demand_of(hours, {("a",): np.where(lost.to_numpy(), 0, 3)}), THREE, midnight(56))
    assert max(means(unmasked, "area", "a")) < 3


def test_hours_after_the_data_ends_are_no_history():
    hours = hours_of(28)
    until = midnight(27) + timedelta(hours=14)
    demand = demand_of(hours, {("a",): 2}).filter(pl.col("hour_starting") < until)
    known = forecast_of(demand, THREE, midnight(28), data_until=until)
    assert means(known, "area", "a") == pytest.approx([2.0] * 72, abs=0.002)
    weeks_later = forecast_of(demand, THREE, midnight(70), data_until=until, weeks=3)
    assert means(weeks_later, "area", "a") == pytest.approx([2.0] * 72, abs=0.002)
    taken_as_quiet = forecast_of(demand, THREE, midnight(28), path_days=7, days=7)
    assert min(means(taken_as_quiet, "area", "a")) < 1.9


def test_only_the_weeks_asked_for_are_learnt_from():
    counts = np.where(np.arange(56 * 24) < 28 * 24, 9, 2)
    made = forecast_of(demand_of(hours_of(56), {("a",): counts}), THREE, midnight(56), weeks=4)
    assert means(made, "area", "a") == pytest.approx([2.0] * 72, abs=0.002)


def test_incidents_without_a_place_are_kept_as_an_area_of_their_own():
    demand = demand_of(hours_of(28), {("a",): 3, (pools.UNKNOWN_AREA,): 1})
    made = forecast_of(demand, THREE, midnight(28))
    assert means(made, "area", pools.UNKNOWN_AREA) == [1.0] * 72
    assert means(made, "force", "F") == [4.0] * 72


def test_an_area_that_names_no_district_lies_in_the_force_alone():
    areas = areas_in({"a": "D1", "b": None})
    made = forecast_of(demand_of(hours_of(28), {("a",): 3, ("b",): 1}), areas, midnight(28))
    assert means(made, "district", "D1") == [3.0] * 72
    assert means(made, "district", "F") == [1.0] * 72


# ---- officer-hours ----


def test_officer_hours_are_what_an_incident_of_its_class_asks_for_times_the_crew_of_the_hour():
    crew = tuple(2 if hour < 7 else 1 for hour in range(24))
    demand = demand_of(hours_of(28), {("a", "x"): 3, ("a", "y"): 1, ("a", "z"): 5})
    made = forecast_of(demand, THREE, midnight(28), crew_size_by_hour=crew)
    rows = made.table.filter(level="area", area_id="a", span="hour", grade_code="all").sort("hour_starting")
    # x: half an hour, y: one, z: a class that nothing is known of.
    assert rows["officer_hours_mean"].to_list() == [pytest.approx(2.5 * size) for size in crew * 3]
    day = made.table.filter(level="force", span="day", class_code="all", grade_code="all")
    assert day["officer_hours_mean"].to_list() == [pytest.approx(2.5 * sum(crew))] * 3


# ---- the future is not known ----


def test_nothing_after_the_origin_is_used():
    demand = noisy(70)
    cut = midnight(56)
    future = demand.filter(pl.col("hour_starting") >= cut)
    shuffled = future.with_columns(
        pl.col("incidents").reverse() * 7,
        area_id=pl.lit("new"),
        class_code=pl.lit("never seen"),
        grade_code=pl.lit("9"),
    ).unique(tables.table("demand").key)
    past = demand.filter(pl.col("hour_starting") < cut)
    given = [forecast_of(frame, THREE, cut).table for frame in (demand, pl.concat([past, shuffled]), past)]
    assert given[0].equals(given[1])
    assert given[0].equals(given[2])


def test_there_must_be_something_to_learn_from():
    demand = noisy(14)
    with pytest.raises(BadData, match="There is no demand before 2025-01-06 00:00 UTC"):
        forecast_of(demand, THREE, midnight(0))
    everything = drawn(
        "outages",
        "starts_at            | ends_at              | rule     | incidents",
        "2024-01-01T00:00:00Z | 2026-01-01T00:00:00Z | declared | 0",
    )
    with pytest.raises(BadData, match="lies in an outage"):
        forecast_of(demand, THREE, midnight(14), outages=everything)
    with pytest.raises(UsageError, match="Did you mean 'slot_mean'"):
        forecast_of(demand, THREE, midnight(14), method="slotmean")


# ---- chance ----


def test_the_same_seed_gives_the_same_table_and_another_the_same_means_with_other_quantiles():
    demand = noisy()
    first, again, other = (forecast_of(demand, THREE, midnight(56), seed=seed) for seed in (5, 5, 6))
    assert first.table.equals(again.table)
    assert first.model.to_bytes() == again.model.to_bytes()
    expected = ["incidents_mean", "officer_hours_mean"]
    quantiles = cs.matches(r"_p\d+$")
    assert first.table.drop(quantiles).equals(other.table.drop(quantiles))
    assert first.table.select(expected).equals(other.table.select(expected))
    assert not first.table.select(QUANTILES).equals(other.table.select(QUANTILES))


def test_the_order_of_the_rows_given_does_not_matter():
    demand = noisy()
    one = forecast_of(demand, THREE, midnight(56)).table
    two = forecast_of(demand.sample(fraction=1, shuffle=True, seed=3), THREE.reverse(), midnight(56)).table
    assert one.equals(two)


def test_a_longer_forecast_begins_like_a_shorter_one():
    demand = noisy()
    short = forecast_of(demand, THREE, midnight(56), path_days=2, days=2).table
    long = forecast_of(demand, THREE, midnight(56), path_days=5, days=9).table
    assert long.filter(pl.col("hour_starting") < midnight(58)).equals(short)


def test_quantiles_are_whole_numbers_in_order_with_the_mean_among_them():
    table = forecast_of(noisy(), THREE, midnight(56), paths=300, path_days=7, days=21).table
    values = table.select(QUANTILES).to_numpy()
    assert (np.diff(values, axis=1) >= 0).all()
    assert table.select(QUANTILES).null_count().sum_horizontal().item() == 0
    mean = table["incidents_mean"].to_numpy()
    assert (values[:, 0] <= mean).all()
    assert (values[:, 6] >= mean - 0.1).all()


def test_quantiles_in_the_table_are_those_of_joint_paths_drawn_again():
    made = forecast_of(noisy(), THREE, midnight(56), seed=9)
    series, calendar = made.model.series, made.calendar
    cells = series.shape[1]
    for drawn_day in _paths.draw_days(made.model, calendar, made.multipliers, 9):
        counts = np.zeros((made.multipliers.shape[0], *series.shape), dtype=int)
        np.add.at(counts, (drawn_day.path, *np.divmod(drawn_day.series, cells)), 1)
        starts = calendar.hours[drawn_day.first]
        for level, place, sums in (
            ("force", "F", counts.sum(axis=(1, 2))),
            ("area", "a", counts[:, 0].sum(axis=1)),
            ("district", "D1", counts[:, :2].sum(axis=(1, 2))),
        ):
            row = made.table.filter(
                level=level, area_id=place, span="day", class_code="all", grade_code="all", hour_starting=starts
            )
            found = np.quantile(sums, [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975], method="inverted_cdf")
            assert list(row.select(QUANTILES).row(0)) == found.tolist()


def test_paths_of_a_force_move_together_where_its_days_did():
    hours = hours_of(364)
    chance = np.random.default_rng(4)
    day = np.repeat(chance.gamma(25, 1 / 25, 364), [24] * 83 + [23] + [24] * 209 + [25] + [24] * 70)
    counts = {(area,): chance.poisson(4 * day) for area in ("a", "b", "c")}
    made = forecast_of(demand_of(hours, counts), THREE, midnight(364), paths=400)
    total = made.table.filter(level="force", span="day", class_code="all", grade_code="all")
    spread = ((total["incidents_p90"] - total["incidents_p10"]) / 2.563).mean()
    # Poisson alone: sqrt(288) = 17; with a coefficient of variation of 20 % a day: 60.
    assert spread == pytest.approx(60, rel=0.2)


def test_paths_without_shocks_are_poisson():
    made = forecast_of(demand_of(hours_of(56), {("a",): 3}), THREE, midnight(56), paths=2000, method="slot_mean")
    assert made.model.shocks.force_day == made.model.shocks.district_day == 0
    assert made.multipliers.std() < 0.02, "a level that may drift a little, and nothing else"
    hour = made.table.filter(level="area", area_id="a", span="hour", class_code="all", grade_code="all")
    # Of 72 hours nearly all show the quantiles of a Poisson of 3: 0, 1, 2, 3, 4, 5, 7.
    assert [hour[name].mode().to_list() for name in QUANTILES] == [[0], [1], [2], [3], [4], [5], [7]]


def widths(table: pl.DataFrame) -> np.ndarray:
    """How wide the middle 80% of force days is, as a share of their mean, day by day."""
    days = table.filter(level="force", span="day", class_code="all", grade_code="all").sort("hour_starting")
    return ((days["incidents_p90"] - days["incidents_p10"]) / days["incidents_mean"]).to_numpy()


def drifting(sd_of_year: float, seed: int) -> pl.DataFrame:
    """A year of counts whose level drifts from day to day."""
    chance = np.random.default_rng(seed)
    hours = hours_of(364)
    day = np.arange(len(hours)) // 24
    level = np.exp(np.cumsum(chance.normal(0, sd_of_year / np.sqrt(365), day[-1] + 1)))
    return demand_of(hours, {(area,): chance.poisson(12 * level[day]) for area in ("a", "b", "c")})


def test_what_is_far_is_less_sure_than_what_is_near():
    made = forecast_of(drifting(0.2, 1), THREE, midnight(364), paths=1500, path_days=28, days=365, method="slot_mean")
    width = widths(made.table)
    first, month, year = width[:7].mean(), width[21:28].mean(), width[-28:].mean()
    assert first < month < year
    beyond = width[28:35].mean()
    assert beyond == pytest.approx(width[21:28].mean(), rel=0.08), "no step where the paths end"
    shocks = made.model.shocks
    chance = np.sqrt(shocks.of_level(np.array([360.0]))[0] + shocks.force_day + 1 / (36 * 24))
    assert year == pytest.approx(2.563 * chance, rel=0.1)


def test_days_between_the_end_of_the_data_and_the_first_day_count_as_time_that_passed():
    near = forecast_of(drifting(0.2, 1), THREE, midnight(364), paths=1500, data_until=midnight(364))
    far = forecast_of(drifting(0.2, 1), THREE, midnight(364 + 182), paths=1500, data_until=midnight(364))
    assert widths(far.table).mean() > 1.1 * widths(near.table).mean()


def test_a_level_that_drifts_is_told_from_one_that_comes_and_goes():
    drift = [
        forecast_of(drifting(0.25, seed), THREE, midnight(364), method="slot_mean").model.shocks.drift
        for seed in range(12)
    ]
    still = [
        forecast_of(drifting(0.0, seed), THREE, midnight(364), method="slot_mean").model.shocks.drift
        for seed in range(3)
    ]
    assert max(still) < 0.05**2 / 365
    assert 0.08**2 / 365 < np.mean(drift) < 0.25**2 / 365
    assert np.mean(drift) > 3 * np.mean(still)


# ---- levels ----


def total(table: pl.DataFrame, by: list[str], **wanted: str) -> pl.DataFrame:
    return (
        table.filter(**wanted)
        .group_by("hour_starting", *by)
        .agg(pl.col("incidents_mean", "officer_hours_mean").sum(), rows=pl.len())
        .sort("hour_starting", *by)
    )


def assert_same(one: pl.DataFrame, other: pl.DataFrame) -> None:
    assert one.height == other.height > 0
    # Published figures are rounded to thousandths, each.
    room = 0.0005 * (one["rows"] + other["rows"]).max() + 1e-9
    for column in ("incidents_mean", "officer_hours_mean"):
        np.testing.assert_allclose(one[column], other[column], atol=room)


@pytest.mark.parametrize("span", ["hour", "day"])
def test_areas_add_up_to_districts_and_districts_to_the_force(span):
    table = forecast_of(noisy(), THREE, midnight(56), path_days=3, days=5).table
    for grade in ("all", "1", "2"):
        split = {"span": span, "class_code": "all", "grade_code": grade}
        force = total(table, [], level="force", **split)
        assert_same(total(table, [], level="district", **split), force)
        near = force if span == "day" else force.filter(pl.col("hour_starting") < midnight(59))
        assert_same(total(table, [], level="area", **split), near)
    of_d1 = table.filter(pl.col("area_id").is_in(["a", "b"]))
    near = table.filter(pl.col("hour_starting") < midnight(59)) if span == "hour" else table
    assert_same(
        total(of_d1, [], level="area", span=span, class_code="all", grade_code="all"),
        total(near, [], level="district", area_id="D1", span=span, class_code="all", grade_code="all"),
    )


def test_grades_and_classes_each_add_up_to_all():
    table = forecast_of(noisy(), THREE, midnight(56), path_days=3, days=5).table
    for level in ("area", "district", "force"):
        whole = total(table, ["area_id", "span"], level=level, class_code="all", grade_code="all")
        grades = table.filter(pl.col("class_code") == "all", pl.col("grade_code") != "all")
        assert_same(total(grades, ["area_id", "span"], level=level), whole)
        if level != "area":
            classes = table.filter(pl.col("class_code") != "all", pl.col("hour_starting") < midnight(59))
            near = whole.filter(pl.col("hour_starting") < midnight(59))
            assert_same(total(classes, ["area_id", "span"], level=level), near)


def test_a_day_is_the_sum_of_its_hours():
    table = forecast_of(noisy(), THREE, midnight(56), path_days=3, days=5).table
    zone = "Europe/London"
    with_day = table.with_columns(day=pl.col("hour_starting").dt.convert_time_zone(zone).dt.date())
    keys = ["level", "area_id", "class_code", "grade_code", "day"]
    hours = with_day.filter(span="hour").group_by(keys).agg(pl.col("incidents_mean", "officer_hours_mean").sum())
    both = with_day.filter(span="day").join(hours, on=keys, suffix="_of_hours")
    assert both.height == hours.height
    for column in ("incidents_mean", "officer_hours_mean"):
        np.testing.assert_allclose(both[column], both[f"{column}_of_hours"], atol=0.0131)


def test_areas_add_up_to_the_pools_that_cover_them_hour_by_hour():
    demand = noisy()
    cover = drawn(
        "pools",
        "pool_id | role_code | area_id | from_hour | to_hour",
        "west    | response  | a       | 7         | 22",
        "east    | response  | b       | 7         | 22",
        "east    | response  | c       | 7         | 22",
        "night   | response  | a       | 22        | 7",
        "night   | response  | b       | 22        | 7",
        "night   | response  | c       | 22        | 7",
    )
    hours = periods.hours_between("Europe/London", midnight(56), midnight(59))
    laid_out = pools.lay_out_pools(cover, "response", ["a", "b", "c", "unknown"], hours, "Europe/London")
    made = forecast_of(demand, THREE, midnight(56), pool_hours=laid_out)
    assert set(made.table.filter(level="pool")["span"]) == {"hour"}
    by_day = np.tile((np.arange(24) >= 7) & (np.arange(24) < 22), 3)
    areas = {area: np.array(means(made, "area", area)) for area in ("a", "b", "c")}
    np.testing.assert_allclose(means(made, "pool", "west"), np.where(by_day, areas["a"], 0), atol=0.002)
    np.testing.assert_allclose(means(made, "pool", "east"), np.where(by_day, areas["b"] + areas["c"], 0), atol=0.002)
    np.testing.assert_allclose(means(made, "pool", "night"), np.where(by_day, 0, sum(areas.values())), atol=0.002)


def test_pools_share_out_what_has_no_known_place_so_that_they_make_up_the_force():
    """It counts them in the mean, in the hours of work and in every path, as requirement does."""
    demand = pl.concat([noisy(), demand_of(hours_of(56), {(pools.UNKNOWN_AREA, "x", "1"): 2})])
    cover = drawn(
        "pools",
        "pool_id | role_code | area_id | from_hour | to_hour",
        "west    | response  | a       | 0         | 24",
        "east    | response  | b       | 0         | 24",
    )
    hours = periods.hours_between("Europe/London", midnight(56), midnight(59))
    laid_out = pools.lay_out_pools(cover, "response", ["a", "b", "c", "unknown"], hours, "Europe/London")
    table = forecast_of(demand, THREE, midnight(56), pool_hours=laid_out, paths=400).table.filter(span="hour")
    for grade in ("all", "1", "2"):
        split = {"class_code": "all", "grade_code": grade}
        assert_same(total(table, [], level="pool", **split), total(table, [], level="force", **split))
    of_pool = (
        table.filter(level="pool", class_code="all", grade_code="all")
        .group_by("area_id")
        .agg(pl.col("incidents_mean", "incidents_p10", "incidents_p50", "incidents_p90").mean())
    )
    for row in of_pool.iter_rows(named=True):
        assert row["incidents_p10"] < row["incidents_mean"] < row["incidents_p90"]
        assert row["incidents_p50"] == pytest.approx(row["incidents_mean"], abs=0.5), "paths have them as the mean has"


def test_hours_beyond_the_paths_are_those_of_districts_and_the_force():
    table = forecast_of(noisy(), THREE, midnight(56), path_days=2, days=20, method="slot_mean").table
    far = table.filter(pl.col("hour_starting") >= midnight(58))
    assert set(far.filter(span="hour")["level"]) == {"district", "force"}
    assert set(far.filter(span="day")["level"]) == {"area", "district", "force"}
    force = table.filter(level="force", class_code="all", grade_code="all").sort("hour_starting")
    assert force.filter(span="hour").height == 20 * 24
    assert force.filter(span="day").height == 20
    # Near and far hours of the same slot expect the same.
    hourly = force.filter(span="hour")["incidents_mean"].to_numpy()
    np.testing.assert_array_equal(hourly[:48], hourly[168 : 168 + 48])


# ---- clock changes ----


@pytest.mark.parametrize(
    ("zone", "first", "lengths"),
    [
        ("Europe/London", date(2026, 3, 28), [24, 23, 24]),
        ("Europe/London", date(2026, 10, 24), [24, 25, 24]),
        ("Asia/Kolkata", date(2026, 10, 24), [24, 24, 24]),
    ],
)
def test_a_day_has_the_hours_that_its_clock_shows(zone, first, lengths):
    begins = first - timedelta(days=56)
    demand = demand_of(hours_of(56, begins, zone), {("a",): 2})
    made = forecast_of(demand, THREE, midnight(56, begins, zone), zone=zone)
    assert means(made, "force", "F", span="day") == [2.0 * hours for hours in lengths]
    assert means(made, "force", "F") == [2.0] * sum(lengths)


def test_an_hour_of_half_an_hour_has_half_the_incidents():
    zone, begins = "Australia/Lord_Howe", date(2026, 10, 3) - timedelta(days=56)
    demand = demand_of(hours_of(56, begins, zone), {("a",): 2})
    made = forecast_of(demand, THREE, midnight(56, begins, zone), zone=zone)
    assert means(made, "force", "F", span="day") == [48.0, 47.0, 48.0]
    assert sorted(means(made, "force", "F"))[:2] == [1.0, 2.0]


def test_a_clock_change_in_the_history_moves_no_hour_of_the_week():
    first = date(2026, 1, 5)
    hours = hours_of(112, first)
    busy_at_two = (periods.local_parts(hours, "Europe/London")["hour"] == 2).to_numpy() * 9 + 1
    made = forecast_of(demand_of(hours, {("a",): busy_at_two}), THREE, midnight(112, first))
    np.testing.assert_allclose(means(made, "area", "a"), ([1, 1, 10] + [1] * 21) * 3, rtol=0.01)


# ---- days that differ ----


def test_a_holiday_has_the_factor_that_it_had_and_leaves_ordinary_days_alone():
    first = date(2025, 4, 7)
    hours = hours_of(360, first)
    local = periods.local_parts(hours, "Europe/London")
    on_good_friday = (local["day"] == date(2025, 4, 18)).to_numpy()
    evening = (local["hour"] >= 18).to_numpy()
    counts = np.where(on_good_friday & evening, 180, np.where(on_good_friday, 60, 120))
    calendar = {"country": "GB", "subdivision": "ENG"}
    made = forecast_of(
        demand_of(hours, {("a",): counts}), THREE, midnight(360, first), paths=20, **calendar, method="slot_mean"
    )
    expected = np.array(means(made, "force", "F"))
    assert expected[:24].tolist() == [120.0] * 24, "2 April 2026 is a Thursday like others"
    # Sixty incidents' worth of 'no change' still holds it back a little.
    np.testing.assert_allclose(expected[24:42], 60, rtol=0.1)
    np.testing.assert_allclose(expected[42:48], 180, rtol=0.1)


def test_a_holiday_never_seen_leans_on_those_that_were():
    first = date(2025, 3, 3)
    hours = hours_of(42, first)
    made = forecast_of(
        demand_of(hours, {("a",): 10}), THREE, midnight(42, first), country="GB", subdivision="ENG", days=7, path_days=7
    )
    assert means(made, "force", "F") == [10.0] * 168, "Good Friday was not in the history, nor any other"
    assert made.calendar.label[4 * 24] == "Good Friday"


EVENT = "event_id | event_name | kind | area_id | starts_at | ends_at"


def test_an_event_in_one_area_comes_back_there_and_nowhere_else():
    hours = hours_of(56)
    during = ((hours >= midnight(30)) & (hours < midnight(33))).to_numpy()
    counts = {("a",): np.where(during, 60, 20), ("b",): 20, ("c",): 20}
    events = drawn(
        "events",
        EVENT,
        f"e1 | Fair  | festival | a | {midnight(30).isoformat()} | {midnight(33).isoformat()}",
        f"e2 | Fair  | festival | b | {midnight(56).isoformat()} | {midnight(57).isoformat()}",
        f"e3 | Match | sport    | c | {midnight(57).isoformat()} | {midnight(58).isoformat()}",
    )
    made = forecast_of(demand_of(hours, counts), THREE, midnight(56), events=events, method="slot_mean")
    assert means(made, "area", "a") == [20.0] * 72, "the fair is over, and did not raise what is usual"
    np.testing.assert_allclose(means(made, "area", "b"), [60] * 24 + [20] * 48, rtol=0.06)
    assert means(made, "area", "c") == [20.0] * 72, "no match was ever seen"


def test_an_event_of_a_district_touches_its_areas():
    hours = hours_of(56)
    during = ((hours >= midnight(30)) & (hours < midnight(33))).to_numpy()
    counts = {(area,): np.where(during, 60, 20) for area in ("a", "b")} | {("c",): 20}
    fair = "e{} | Fair | festival | D1 | {} | {}"
    events = drawn(
        "events",
        EVENT,
        fair.format(1, midnight(30).isoformat(), midnight(33).isoformat()),
        fair.format(2, midnight(56).isoformat(), midnight(57).isoformat()),
    )
    made = forecast_of(demand_of(hours, counts), THREE, midnight(56), events=events, method="slot_mean")
    np.testing.assert_allclose(means(made, "area", "b"), [60] * 24 + [20] * 48, rtol=0.04)
    assert means(made, "area", "c") == [20.0] * 72


@pytest.mark.parametrize("where", ["", "F"])
def test_an_event_of_the_whole_force_touches_every_area(where):
    hours = hours_of(56)
    during = ((hours >= midnight(30)) & (hours < midnight(33))).to_numpy()
    counts = {(area,): np.where(during, 20, 40) for area in ("a", "b", "c")}
    strike = "e{} | Strike | other | {} | {} | {}"
    events = drawn(
        "events",
        EVENT,
        strike.format(1, where, midnight(30).isoformat(), midnight(33).isoformat()),
        strike.format(2, where, midnight(56).isoformat(), midnight(57).isoformat()),
    )
    made = forecast_of(demand_of(hours, counts), THREE, midnight(56), events=events, paths=20, method="slot_mean")
    np.testing.assert_allclose(means(made, "area", "c"), [20] * 24 + [40] * 48, rtol=0.04)


def test_monday_is_a_monday():
    assert MONDAY.weekday() == 0
