"""Four years by month: paths add up, ranges widen, trends fade, steps are steps, and short or broken history tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import outlook, reading, tables
from bluelamp.errors import BadData
from bluelamp.outlook import _levels
from tests.drawn import drawn
from tests.forecast.made import areas_in

FIRST = date(2020, 1, 1)
TWO = areas_in({"a": "D1", "b": "D2"})
STATED = "change | month | class_code | factor | factor_low | factor_high | source"
Count = Callable[[date], float]


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days)]


def demand_of(counts: Mapping[tuple[str, str], Count], last: date, first: date = FIRST, seed: int = 1) -> pl.DataFrame:
    """Demand at noon of every day before `last`: Poisson about what is given for each area and class."""
    chance = np.random.default_rng(seed)
    rows = [
        {"area_id": area, "class_code": code, "hour_starting": datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
         "grade_code": "1", "origin": "public", "incidents": int(chance.poisson(of_day(day)))}
        for (area, code), of_day in counts.items() for day in days(first, last)
    ]  # fmt: skip
    schema = {name: kind for name, kind in tables.table("demand").polars_schema.items() if name in rows[0]}
    return pl.DataFrame(rows, schema=schema).filter(pl.col("incidents") > 0)


def look(demand: pl.DataFrame, start: date, areas: pl.DataFrame = TWO, **given: object) -> outlook.Outlook:
    given = {"outages": tables.empty("outages"), "forecast": tables.empty("forecast"),
             "changes": tables.empty("stated_changes"), "paths": 200} | given  # fmt: skip
    return outlook.make_outlook(
        demand, areas, force_id="F", time_zone="UTC",
        forecast_from=datetime(start.year, start.month, start.day, tzinfo=UTC), **given,  # type: ignore[arg-type]
    )  # fmt: skip


def years(table: pl.DataFrame, code: str = "all", level: str = "force", area: str = "F") -> pl.DataFrame:
    rows = table.filter(~pl.col("is_history"), span="year", class_code=code, level=level, area_id=area)
    return rows.sort("month")


def width(rows: pl.DataFrame) -> np.ndarray:
    return ((rows["incidents_p90"] - rows["incidents_p10"]) / rows["incidents_mean"]).to_numpy()


def steady(rate: float) -> Count:
    return lambda day: rate


# Two districts with two classes, five years.
STEADY = {("a", "x"): steady(20), ("a", "y"): steady(10), ("b", "x"): steady(8), ("b", "y"): steady(2)}
UNTIL = date(2025, 1, 1)


@pytest.fixture(scope="module")
def made() -> outlook.Outlook:
    return look(demand_of(STEADY, UNTIL), UNTIL)


# ---- what comes out ----


def test_there_are_four_years_of_months_for_every_place_and_class_and_the_history_beside_them(made):
    months = made.table.filter(span="month")
    assert months["month"].unique().sort().to_list() == [date(2020 + n // 12, n % 12 + 1, 1) for n in range(108)]
    assert months.filter(pl.col("is_history")).height == 60 * 9
    assert months.filter(~pl.col("is_history")).height == 48 * 9
    assert years(made.table)["month"].to_list() == [date(year, 1, 1) for year in (2025, 2026, 2027, 2028)]
    assert tables.check(made.table, "forecast_months").equals(made.table)


def test_classes_and_districts_add_up_to_the_force(made):
    coming = made.table.filter(~pl.col("is_history"), span="month")
    force = coming.filter(level="force", class_code="all").sort("month")["incidents_mean"]
    for parts in (
        coming.filter(pl.col("class_code") != "all", level="force"),
        coming.filter(level="district", class_code="all"),
    ):
        summed = parts.group_by("month").agg(pl.col("incidents_mean").sum()).sort("month")["incidents_mean"]
        assert (summed - force).abs().max() < 0.01
    shares = (
        coming.filter(pl.col("class_code") != "all", level="force").group_by("month").agg(pl.col("share_mean").sum())
    )
    assert (shares["share_mean"] - 1).abs().max() < 1e-4


def test_every_row_is_a_sum_of_the_same_paths_to_the_last_incident(monkeypatch):
    kept = {}
    lay_out = outlook._rows

    def keep(known, factors, expected, paths):
        kept["paths"] = paths
        return lay_out(known, factors, expected, paths)

    monkeypatch.setattr(outlook, "_rows", keep)
    table = look(demand_of(STEADY, date(2022, 1, 1)), date(2022, 1, 1), paths=100).table
    paths = kept["paths"]  # paths × districts × classes × months, whole numbers
    assert paths.dtype.kind == "i"
    for level, area, code, some in (
        ("force", "F", "all", paths.sum(axis=(1, 2))), ("force", "F", "y", paths[:, :, 1].sum(axis=1)),
        ("district", "D2", "all", paths[:, 1].sum(axis=1)), ("district", "D1", "x", paths[:, 0, 0]),
    ):  # fmt: skip
        for span, sums in (("month", some), ("year", some.reshape(100, 4, 12).sum(axis=2))):
            rows = table.filter(~pl.col("is_history"), level=level, area_id=area, class_code=code, span=span).sort(
                "month"
            )
            assert rows["incidents_p50"].to_list() == np.sort(sums, axis=0)[49].tolist()


def test_the_same_seed_gives_the_same_bytes_and_another_another():
    demand = demand_of(STEADY, date(2022, 6, 1))
    prints = [tables.fingerprint(look(demand, date(2022, 6, 1), paths=50, seed=seed).table, "forecast_months")
              for seed in (1, 1, 2)]  # fmt: skip
    assert prints[0] == prints[1] != prints[2]


def test_what_comes_later_changes_nothing():
    demand, start = demand_of(STEADY, UNTIL), date(2023, 3, 1)
    later = pl.col("hour_starting") >= datetime(2023, 3, 1, tzinfo=UTC)
    shuffled = pl.concat([demand.filter(~later), demand.filter(later).with_columns(pl.col("incidents").shuffle(3) * 7)])
    assert look(demand, start, paths=50).table.equals(look(shuffled, start, paths=50).table)


# ---- where it heads, and how wide ----


def test_ranges_widen_from_year_to_year_for_all_and_for_each_class(made):
    for code in ("all", "x", "y"):
        assert (np.diff(width(years(made.table, code))) > 0).all()
    share = years(made.table, "x")
    assert ((share["share_p90"] - share["share_p10"]).diff().drop_nulls() > 0).all()


def test_a_trend_goes_on_and_flattens():
    growing = demand_of({("a", "x"): lambda day: 40 * 1.1 ** ((day - FIRST).days / 365.25)}, date(2026, 1, 1))
    found = look(growing, date(2026, 1, 1))
    last = found.table.filter(pl.col("is_history"), span="year", level="force", class_code="all").sort("month")
    levels = np.array([last["incidents_observed"][-1], *years(found.table)["incidents_mean"]])
    growth = np.diff(np.log(levels))
    assert growth[0] > 0.04
    assert (np.diff(growth) < 0).all()
    assert (growth > -0.005).all()
    assert "with a trend that fades out" in found.notes[0]


def test_a_step_is_followed_and_not_taken_for_a_trend():
    stepped = demand_of({("a", "x"): lambda day: 60 if day < date(2022, 7, 1) else 36}, date(2024, 1, 1))
    found = look(stepped, date(2024, 1, 1))
    assert np.abs(years(found.table)["incidents_mean"] / (36 * 365.25) - 1).max() < 0.06
    (note,) = [note for note in found.notes if "step" in note]
    assert "fell by" in note
    assert "Jul 2022" in note


def test_a_known_world_lies_in_its_ranges_as_often_as_they_say():
    """Walks and growths drawn from the prior itself, three years seen: what comes is one more draw."""
    grid = _levels.make_grid(((0.004, 1.0),), ((0.06, 0.5, 1.0),), (0.001,), (0.05,))
    parts = _levels._Parts(36, 0, 0, 48, grid.guesses)
    root = np.linalg.cholesky(parts.covariance(with_trend=True)[0] + 0.001 * np.eye(84))
    chance = np.random.default_rng(4)
    worlds = 150
    log = (root @ chance.standard_normal((84, worlds))).T
    due = np.full((worlds, 36), 1500.0)
    seen = chance.poisson(due * np.exp(log[:, :36])).astype(float)
    ratio = seen.sum(axis=1, keepdims=True) / due.sum(axis=1, keepdims=True)
    fans = _levels.spread_fans(seen, due * ratio, np.ones(36), grid, first_month=0, gap=0, ahead=48)
    inside = []
    for world, fan in enumerate(fans):
        low, high = np.quantile(fan.draw(300, chance) + np.log(ratio[world]), [0.1, 0.9], axis=0)
        inside.append((low <= log[world, 36:]) & (log[world, 36:] <= high))
    by_year = np.mean(inside, axis=0).reshape(4, 12).mean(axis=1)
    assert (np.abs(by_year - 0.8) < 0.08).all()


def test_growth_that_fades_has_the_covariance_of_its_sum():
    """Against the sum of small steps of an autoregression, from a middle month both ways."""
    years_of, fading, fine = np.array([-2.0, -0.5, 0.0, 0.5, 3.0]), 0.7, 400
    near = np.where(years_of[:, None] * years_of > 0, np.minimum(np.abs(years_of)[:, None], np.abs(years_of)), 0.0)
    steps = (np.arange(-2 * fine, 3 * fine) + 0.5) / fine
    signs = np.array(
        [np.where((steps > 0) & (steps < at), 1, 0) - np.where((steps < 0) & (steps > at), 1, 0) for at in years_of]
    )
    brute = signs @ np.exp(-fading * np.abs(steps[:, None] - steps)) @ signs.T / fine**2
    assert np.allclose(_levels._integrated(years_of, near, fading), brute, atol=1e-3)


# ---- short, broken and strange history ----


@pytest.mark.parametrize("last", [date(2020, 1, 4), date(2020, 6, 1), date(2021, 1, 1)])
def test_a_short_history_has_no_trend_says_so_and_is_no_surer_than_a_long_one(last, made):
    found = look(demand_of(STEADY, last), last)
    assert "no trend" in found.notes[0]
    rows = years(found.table)
    assert rows.height == 4
    assert np.abs(rows["incidents_mean"] / (40 * 365.25) - 1).max() < 0.35
    assert width(rows)[-1] > width(years(made.table))[-1]


def test_a_class_that_appears_in_the_last_year_keeps_the_share_that_it_has_now():
    counts = {("a", "x"): steady(30), ("a", "new"): lambda day: 10 if day >= date(2024, 3, 1) else 0}
    found = look(demand_of(counts, UNTIL), UNTIL)
    assert years(found.table, "new")["share_mean"].to_list() == pytest.approx([0.25] * 4, abs=0.03)
    assert any("'new' was first recorded in Mar 2024" in note for note in found.notes)


def outage(begins: str, ends: str) -> pl.DataFrame:
    return drawn(
        "outages", "starts_at | ends_at | rule | incidents", f"{begins}T00:00Z | {ends}T00:00Z | no_incidents | 0"
    )


def test_a_year_of_nothing_is_a_hole_and_no_collapse():
    demand = demand_of(STEADY, date(2024, 1, 1)).filter(pl.col("hour_starting").dt.year() != 2022)
    found = look(demand, date(2024, 1, 1), outages=outage("2022-01-01", "2023-01-01"))
    lost = found.table.filter(pl.col("is_history"), pl.col("month").dt.year() == 2022, span="month")
    assert lost["incidents_observed"].null_count() == lost.height
    assert np.abs(years(found.table)["incidents_mean"] / (40 * 365.25) - 1).max() < 0.08


def test_a_month_seen_in_part_is_scaled_up_and_marked_and_one_hardly_seen_is_left_out():
    demand = demand_of(STEADY, date(2022, 1, 1))
    broken = pl.concat([outage("2021-05-01", "2021-05-11"), outage("2021-08-06", "2021-09-01")])
    table = look(demand, date(2022, 1, 1), outages=broken).table
    force = table.filter(pl.col("month").dt.year() == 2021, span="month", level="force", class_code="all")
    rows = {row["month"].month: row for row in force.iter_rows(named=True)}
    assert rows[5]["share_seen"] == pytest.approx(21 / 31, abs=0.01)
    assert rows[5]["incidents_observed"] == pytest.approx(40 * 31, rel=0.12)
    assert rows[8]["share_seen"] < 0.5
    assert rows[8]["incidents_observed"] is None
    assert rows[6]["share_seen"] == 1
    year = table.filter(pl.col("is_history"), span="year", level="force", class_code="all").sort("month")
    assert year["incidents_observed"].is_null().to_list() == [False, True]


def test_months_between_the_data_and_the_forecast_are_neither_history_nor_nought():
    demand = demand_of(STEADY, date(2023, 10, 1))
    table = look(demand, date(2024, 1, 1), data_until=datetime(2023, 10, 1, tzinfo=UTC)).table
    months = table.filter(span="month", level="force", class_code="all")["month"]
    assert date(2023, 9, 1) in months
    assert not {date(2023, 10, 1), date(2023, 12, 1)} & set(months)
    assert years(table)["incidents_mean"].to_list() == pytest.approx([40 * 365.25] * 4, rel=0.06)


def test_a_forecast_from_the_middle_of_a_month_looks_from_the_next_one_on():
    table = look(demand_of(STEADY, date(2023, 3, 10)), date(2023, 3, 10)).table
    coming = table.filter(~pl.col("is_history"), span="month")["month"]
    assert coming.min() == date(2023, 4, 1)
    assert (
        table.filter(pl.col("is_history"), month=date(2023, 3, 1), span="month")["incidents_observed"].null_count() == 9
    )


def test_a_month_that_has_just_begun_does_not_hide_the_year_before_it():
    table = look(demand_of(STEADY, date(2023, 3, 4)), date(2023, 3, 4)).table
    past = table.filter(pl.col("is_history"), span="year", level="force", class_code="all").sort("month")
    assert past["month"].to_list() == [date(2020, 3, 1), date(2021, 3, 1), date(2022, 3, 1)]
    assert past["incidents_observed"].to_list() == pytest.approx([40 * 365] * 3, rel=0.03)


def test_one_area_and_one_class_are_enough():
    table = look(demand_of({("a", "x"): steady(5)}, date(2022, 1, 1)), date(2022, 1, 1), areas_in({"a": None})).table
    assert set(table.filter(~pl.col("is_history"), class_code="x")["share_mean"]) == {1.0}


def test_nothing_to_learn_from_is_refused_in_words():
    with pytest.raises(BadData, match="no demand before 2020-01-01"):
        look(demand_of(STEADY, date(2020, 2, 1)), date(2020, 1, 1))


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 89), st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(1, 40)), min_size=1
    )
)
def test_whatever_came_ranges_are_in_order_and_shares_are_shares(rows):
    first = datetime(2024, 1, 1, 5, tzinfo=UTC)
    demand = pl.DataFrame(
        [{"area_id": area, "class_code": code, "hour_starting": first + timedelta(days=day), "grade_code": "1",
          "incidents": count} for day, area, code, count in rows]
    ).with_columns(pl.col("hour_starting").cast(pl.Datetime("us", "UTC")))  # fmt: skip
    coming = look(demand, date(2024, 4, 1), paths=20, months=12).table.filter(~pl.col("is_history"))
    names = [f"incidents_{name}" for name in ("p025", "p10", "p25", "p50", "p75", "p90", "p975")]
    for low, high in pairwise(names):
        assert (coming[low] <= coming[high]).all()
    assert coming["incidents_mean"].is_finite().all()
    assert coming["share_mean"].is_between(0, 1).all()
    assert coming["share_p975"].is_between(0, 1).all()


# ---- beside the forecast by day, and changes ----


def days_forecast(first: date, last: date, of_cell: float) -> pl.DataFrame:
    rows = [
        {"level": "district", "area_id": district, "span": "day", "class_code": code, "grade_code": "all",
         "hour_starting": datetime(day.year, day.month, day.day, tzinfo=UTC), "incidents_mean": of_cell}
        for day in days(first, last) for district in ("D1", "D2") for code in ("x", "y", "all")
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"hour_starting": pl.Datetime("us", "UTC")})


def test_months_that_the_forecast_knows_whole_are_the_sums_of_its_days_and_later_ones_come_back_slowly():
    known = days_forecast(UNTIL, date(2025, 6, 16), 12.0)
    rows = look(demand_of(STEADY, UNTIL), UNTIL, forecast=known).table.filter(
        ~pl.col("is_history"), level="force", class_code="all", span="month"
    )
    mean = dict(zip(rows["month"], rows["incidents_mean"], strict=True))
    for month, length in ((1, 31), (2, 28), (5, 31)):
        assert mean[date(2025, month, 1)] == pytest.approx(4 * 12 * length, abs=0.01)
    june, last = mean[date(2025, 6, 1)] / 30, mean[date(2028, 12, 1)] / 31
    # 48 a day against the 40 that it was: still near them in June, and near the 40 at the end.
    assert 45 < june < 49
    assert 38 < last < 42.5


def test_a_stated_change_multiplies_from_its_month_on_and_is_listed_beside_the_figures(made):
    changes = drawn(
        "stated_changes",
        STATED,
        "New rule | 2026-01-01 | x | 1.5 | | | board",
        "Growth | 2027-01-01 | all | 1.1 | | | plan",
    )
    found = look(demand_of(STEADY, UNTIL), UNTIL, changes=changes)
    with_, without = years(found.table, "x"), years(made.table, "x")
    assert (with_["incidents_mean"] / without["incidents_mean"]).to_list() == pytest.approx(
        [1, 1.5, 1.65, 1.65], rel=1e-4
    )
    assert with_["change_factor"].to_list() == pytest.approx([1, 1.5, 1.65, 1.65], abs=1e-3)
    assert with_["changes"].to_list() == [None, "New rule", "Growth; New rule", "Growth; New rule"]
    assert years(found.table, "y")["changes"].to_list() == [None, None, "Growth", "Growth"]
    assert (with_["incidents_p50"] / without["incidents_p50"]).to_list() == pytest.approx(
        [1, 1.5, 1.65, 1.65], rel=0.02
    )
    assert any("'Growth', 'New rule'" in note for note in found.notes)


def test_a_stated_change_in_the_past_explains_a_step_and_goes_on():
    stepped = demand_of({("a", "x"): lambda day: 40 if day < date(2022, 7, 1) else 60}, date(2024, 1, 1))
    changes = drawn("stated_changes", STATED, "New rule | 2022-07-01 | x | 1.5 | | | board")
    found = look(stepped, date(2024, 1, 1), changes=changes)
    assert not [note for note in found.notes if "step" in note]
    assert years(found.table)["incidents_mean"].to_list() == pytest.approx([60 * 365.25] * 4, rel=0.06)
    assert years(found.table)["change_factor"].to_list() == [1.0] * 4


def test_an_unsure_change_widens_the_range(made):
    changes = drawn("stated_changes", STATED, "New rule | 2025-01-01 | all | 1.2 | 0.8 | 1.8 | board")
    assert (
        width(years(look(demand_of(STEADY, UNTIL), UNTIL, changes=changes).table)) > 1.5 * width(years(made.table))
    ).all()


def test_a_stated_change_of_an_unknown_class_does_nothing_and_one_with_a_crooked_range_is_refused(made):
    changes = drawn("stated_changes", STATED, "New rule | 2025-01-01 | zebra | 1.2 | | | board")
    found = look(demand_of(STEADY, UNTIL), UNTIL, changes=changes)
    assert found.table.drop("changes").equals(made.table.drop("changes"))
    assert any("'New rule' (zebra)" in note for note in found.notes)
    crooked = drawn(
        "stated_changes", STATED, "A | 2025-01-01 | x | 1.2 | 1.3 | 1.4 | b", "B | 2025-01-01 | x | 1.2 | 1.1 | | b"
    )
    with pytest.raises(BadData) as refused:
        look(demand_of(STEADY, UNTIL), UNTIL, changes=crooked)
    assert len(refused.value.problems) == 2


def test_a_run_adds_up_the_days_of_its_own_forecast_for_every_district_and_class(small_force):
    days_of_run = reading.read_table(small_force, "forecast").filter(span="day", grade_code="all", level="district")
    local = pl.col("hour_starting").dt.convert_time_zone("Europe/London").dt.date()
    summed = days_of_run.group_by("area_id", "class_code", month=local.dt.truncate("1mo")).agg(
        pl.col("incidents_mean").sum(), days=pl.len()
    )
    whole = summed.filter(pl.col("days") == pl.col("month").dt.month_end().dt.day())
    months = reading.read_table(small_force, "forecast_months").filter(level="district", span="month", is_history=False)
    both = whole.join(months, on=["area_id", "class_code", "month"], suffix="_by_month")
    assert both.height == whole.height > 100
    assert (both["incidents_mean"] - both["incidents_mean_by_month"]).abs().max() < 0.2
