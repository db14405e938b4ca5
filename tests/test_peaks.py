"""Peaks: planted ones are found, flat histories claim none, and every figure can be found again by hand."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bluelamp import incidents, peaks, periods, plan, reading, shifts, tables
from bluelamp.briefing import read_briefing
from bluelamp.cli import app
from bluelamp.errors import NoInput, UsageError
from bluelamp.forecast import Forecast
from bluelamp.settings import parse
from bluelamp.sources.twin import make_twin
from bluelamp.sources.twin.peaks import Peak
from bluelamp.store import tried_peaks
from tests.drawn import drawn
from tests.forecast.made import LONDON, MONDAY, areas_in, demand_of, forecast_of, hours_of, midnight
from tests.planned import planned, small_settings, twin
from tests.recorded import crimes

DAYS = 30 * 7
NOTHING = tables.empty("outages")
TWO = areas_in({"a": "N", "b": "S"})


def poisson(hours: pl.Series, mean: Any, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).poisson(mean, len(hours))


def predicted(demand: pl.DataFrame, areas: pl.DataFrame = TWO, days: int = DAYS, **wanted: Any) -> Forecast:
    return forecast_of(
        demand, areas, midnight(days), **{"offending": ("x",), "path_days": 7, "days": 14, "paths": 200, **wanted}
    )


def told(demand: pl.DataFrame, found: Forecast, days: int = DAYS, **wanted: Any) -> pl.DataFrame:
    assert found.coming is not None
    return peaks.find_peaks(
        found.coming, demand, wanted.pop("outages", NOTHING),
        **{"until": midnight(days), "known_until": midnight(days), "time_zone": LONDON, "false_alarms": 0.01, **wanted},
    )  # fmt: skip


@pytest.fixture(scope="module")
def flat() -> tuple[pl.DataFrame, Forecast]:
    """Two areas, each with two incidents an hour at all times, half of them offending."""
    hours = hours_of(DAYS)
    cells = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    demand = demand_of(hours, {cell: poisson(hours, 1.0, seed) for seed, cell in enumerate(cells)})
    return demand, predicted(demand, method="slot_mean_26")


def test_the_usual_is_the_mean_of_the_same_shift_of_the_same_weekday_in_the_last_26_weeks_that_were_seen(flat):
    demand, found = flat
    outage = drawn(
        "outages",
        "starts_at | ends_at",
        f"{midnight(DAYS - 10):%Y-%m-%dT%H:%M}Z | {midnight(DAYS - 8):%Y-%m-%dT%H:%M}Z",
    )
    row = (
        told(demand, found, outages=outage).filter(scope="week", measure="incidents", level="force").row(0, named=True)
    )
    local = pl.col("hour_starting").dt.convert_time_zone(LONDON)
    start = row["starts_at"].astimezone(periods.zone(LONDON))
    same = demand.filter(local.dt.weekday() == start.isoweekday(), local.dt.hour() // 8 == start.hour // 8)
    broken = (pl.col("hour_starting") >= midnight(DAYS - 10)) & (pl.col("hour_starting") < midnight(DAYS - 8))
    by_week = same.filter(~broken).group_by(local.dt.date()).agg(pl.col("incidents").sum()).sort("hour_starting")
    assert row["usual"] == pytest.approx(by_week["incidents"].tail(26).mean(), abs=5e-4)
    assert row["usual_weeks"] == 26


def test_a_planted_event_is_named_as_an_unusual_peak_with_its_cause_where_it_is(flat):
    before, _ = flat
    hours = before["hour_starting"].unique().sort()
    # Every fourth Thursday evening something triples what area 'a' has; the next one is announced.
    days = [MONDAY + timedelta(days=3 + 28 * number) for number in range(8)]
    rows = [
        f"e{number} | fair | a | {day}T16:00Z | {day + timedelta(days=1)}T00:00Z" for number, day in enumerate(days)
    ]
    planted = days[-1]
    assert midnight(DAYS).date() > planted
    coming = MONDAY + timedelta(days=DAYS + 3)
    rows.append(f"e9 | fair | a | {coming}T16:00Z | {coming + timedelta(days=1)}T00:00Z")
    events = drawn("events", "event_id | kind | area_id | starts_at | ends_at", *rows)
    on = np.zeros(len(hours), dtype=bool)
    for each in events.iter_rows(named=True):
        on |= ((hours >= each["starts_at"]) & (hours < each["ends_at"])).to_numpy()
    more = demand_of(hours, {("a", "x"): poisson(hours, np.where(on, 4.0, 0.0), 9)})
    columns = ["hour_starting", "area_id", "class_code", "grade_code", "origin"]
    demand = tables.publish(
        pl.concat([before, more])
        .group_by(columns)
        .agg(pl.col("incidents", "measured").sum(), pl.col("deployed", "officer_hours").sum()),
        "demand",
    )
    found = told(demand, predicted(demand, events=events))
    row = found.filter(scope="week", measure="incidents", level="district", area_id="N").sort("rank").row(0, named=True)
    assert row["starts_at"].date() == coming
    assert row["is_unusual"]
    assert row["event"] == "fair"
    assert row["effect_event"] > 1
    assert row["expected"] == pytest.approx(48, rel=0.25)
    elsewhere = found.filter(scope="week", measure="incidents", level="district", area_id="S")
    assert not elsewhere["is_unusual"].any()
    assert elsewhere["event"].is_null().all()
    assert "fair +" in peaks.say_peak(row, "North", LONDON)
    assert "UNUSUAL" in peaks.say_peak(row, "North", LONDON)


def test_an_event_of_another_kind_is_told_as_an_event(flat):
    row = told(*flat).row(0, named=True) | {"event": "other and school_holiday", "effect_event": 0.5}
    assert "other event and school holiday +50%" in peaks.say_causes(row, LONDON)


def test_a_flat_history_has_no_unusual_peak(flat):
    found = told(*flat)
    assert not found["is_unusual"].any()
    chances = found.filter(scope="week")["chance_unusual"]
    assert chances.mean() < 0.03, "the limit is exceeded about as often as is said"


def test_effects_multiply_to_what_is_expected(flat):
    demand, found = flat
    hours = demand["hour_starting"].unique().sort()
    hours_there = demand.filter(pl.col("class_code") == "x")
    year = hours_there["incidents"].sum() / DAYS / 3
    rows = told(demand, found).filter(scope="week", measure="offending", level="force")
    effects = [pl.col(f"effect_{name}") + 1 for name in ("time", "level", "event", "holiday", "driver")]
    product = rows.select(year * pl.fold(pl.lit(1.0), lambda total, each: total * each, effects))
    assert product.to_series().to_list() == pytest.approx(rows["expected"].to_list(), rel=2e-3)
    assert len(hours)


def test_the_highest_tenth_is_listed_and_each_place_and_measure_has_its_own(flat):
    found = told(*flat).filter(pl.col("level") != "area")
    assert set(found["measure"]) == {"incidents", "offending", "x"}
    listed = found.group_by("scope", "measure", "level", "area_id").len()
    most = {"day": 1, "week": 3, "quarter": 2}
    assert all(row["len"] == most[row["scope"]] for row in listed.iter_rows(named=True))
    assert {(row["scope"], row["area_id"]) for row in listed.iter_rows(named=True)} == {
        (scope, place) for scope in most for place in ("N", "S", "F")
    }


def test_ranges_and_chances_are_those_of_the_paths(flat):
    demand, found = flat
    assert found.coming is not None
    ahead, cut = found.coming.shifts, found.coming.cut
    row = told(demand, found).filter(scope="week", measure="x", level="district", area_id="S").row(0, named=True)
    at = ahead.stretches.starts_at.to_list().index(row["starts_at"])
    counts = np.sort(ahead.counts[cut.places.index(("district", "S")), cut.measures.index("x"), at])
    assert (row["p10"], row["p90"]) == (counts[19], counts[179])
    assert row["chance_above_usual"] == pytest.approx((counts > row["usual"]).mean())
    assert row["chance_unusual"] == pytest.approx((counts > row["control_limit"]).mean())


def test_days_beyond_the_paths_are_those_of_the_forecast_table(flat):
    _, found = flat
    days = found.table.filter(span="day", level="force", class_code="all", grade_code="all").sort("hour_starting")
    assert found.coming is not None
    ahead = found.coming.days
    place, measure = found.coming.cut.places.index(("force", "F")), 0
    assert ahead.expected[place, measure].tolist() == pytest.approx(days["incidents_mean"].to_list(), abs=1e-3)
    counts = np.sort(ahead.counts[place, measure], axis=1)
    for column, at in (("incidents_p10", 19), ("incidents_p90", 179)):
        assert counts[7:, at].tolist() == days[column].to_list()[7:]
        assert counts[:7, at].tolist() == days[column].to_list()[:7]


def test_districts_make_the_force_and_classes_the_whole_in_every_path(flat):
    _, found = flat
    assert found.coming is not None
    for ahead in (found.coming.shifts, found.coming.days):
        counts = ahead.counts[:, :, :7] if ahead is found.coming.days else ahead.counts
        assert (counts[:2].sum(axis=0) == counts[2]).all()
    areas = found.coming.areas.to(found.coming.area_shifts)
    assert (areas.counts.sum(axis=0) == found.coming.shifts.counts[2, :2]).all()
    assert np.allclose(areas.expected.sum(axis=0), found.coming.shifts.expected[2, :2])


def test_the_fewest_places_and_hours_hold_a_share_and_no_other_choice_of_as_many_holds_more(flat):
    _, found = flat
    assert found.coming is not None
    every = peaks.find_peak_hours(found.coming)
    some = peaks.up_to(every, 0.2).filter(measure="incidents").sort("rank")
    assert some["share"][-1] >= 0.2 > some["share"][-2]
    expected = np.sort(found.coming.areas.expected[:, 0].ravel())[::-1]
    assert some["expected"].to_list() == pytest.approx(expected[: some.height].tolist(), abs=1e-3)
    assert some["share"][-1] == pytest.approx(expected[: some.height].sum() / expected.sum(), abs=1e-4)
    assert some["cells"][0] == 2 * 168, "two areas with an incident an hour have hours"
    assert (some["share_p10"] <= some["share"]).all()
    assert (some["share"] <= some["share_p90"]).all()


@pytest.mark.parametrize("rate", [0.4, 3.0, 30.0])
@pytest.mark.parametrize("spread", [0.0, 0.05])
def test_a_count_of_the_usual_kind_exceeds_its_limit_no_more_often_than_stated(rate, spread):
    chance = np.random.default_rng(11)
    places, weeks, said = 300, 26, 0.01
    # A week of slots with means of their own, and one more week that is held against the limits.
    mean = rate * chance.uniform(0.5, 2, (places, 1, 21, 1))
    size = (places, 1, 21, weeks + 1)
    factor = chance.gamma(1 / spread, spread, size) if spread else np.ones(size)
    counts = chance.poisson(mean * factor).transpose(0, 1, 3, 2).reshape(places, 1, -1)
    past = shifts.Past(np.tile(np.arange(21), weeks), counts[..., : 21 * weeks], np.ones(21 * weeks, dtype=bool))
    usual = peaks.find_usual(past, 21, said)
    alarms = (counts[..., 21 * weeks :] > usual.limit).mean()
    assert alarms <= 1.3 * said
    assert alarms >= said / 6, "whole counts keep below the rate, but not far below"


def test_what_was_out_of_the_ordinary_before_does_not_hide_what_will_be():
    chance = np.random.default_rng(2)
    counts = chance.poisson(20.0, (1, 1, 21 * 26))
    calm = peaks.find_usual(shifts.Past(np.tile(np.arange(21), 26), counts, np.ones(546, dtype=bool)), 21, 0.01)
    surged = counts.copy()
    surged[..., 100:103] += 60
    limits = peaks.find_usual(shifts.Past(np.tile(np.arange(21), 26), surged, np.ones(546, dtype=bool)), 21, 0.01).limit
    others = [slot for slot in range(21) if slot not in (100 % 21, 101 % 21, 102 % 21)]
    assert np.abs(limits - calm.limit)[..., others].max() <= 1


@given(st.floats(0.1, 200), st.floats(0, 0.3), st.integers(4, 26))
@settings(max_examples=40, deadline=None)
def test_limits_grow_with_the_spread_and_fall_with_false_alarms_and_weeks(mean, spread, weeks):
    def limit(spread: float, weeks: int, false_alarms: float) -> float:
        found = peaks.control_limit(np.full((1, 1, 1), mean), np.full((1, 1), spread), np.array([weeks]), false_alarms)
        return float(found[0, 0, 0])

    assert limit(spread, weeks, 0.01) >= mean - 1
    assert limit(spread + 0.1, weeks, 0.01) >= limit(spread, weeks, 0.01)
    assert limit(spread, weeks, 0.001) >= limit(spread, weeks, 0.01)


@pytest.mark.parametrize("last", [date(2026, 3, 23), date(2026, 10, 19)])
def test_a_week_in_which_the_clock_changes_has_its_21_shifts(last):
    """London's clock goes forward on 29 March and back on 25 October 2026."""
    first = last - timedelta(days=12 * 7)
    hours = hours_of(12 * 7, first)
    demand = demand_of(hours, {("a", "x"): poisson(hours, 1.0), ("b", "x"): poisson(hours, 1.0, 4)})
    from_at = midnight(12 * 7, first)
    found = forecast_of(demand, TWO, from_at, offending=("x",), path_days=8, days=8, method="slot_mean_8")
    assert found.coming is not None
    ahead = found.coming.shifts
    assert len(ahead.stretches) == 21
    lengths = (ahead.stretches.ends_at - ahead.stretches.starts_at).dt.total_hours().to_list()
    assert sorted(set(lengths)) == ([7, 8] if last.month == 3 else [8, 9])
    assert ahead.expected[2, 0].sum() == pytest.approx(found.rates()[..., : sum(lengths)].sum())
    rows = peaks.find_peaks(
        found.coming, demand, NOTHING, until=from_at, known_until=from_at, time_zone=LONDON, false_alarms=0.01
    )
    assert rows.filter(scope="week", level="force", measure="incidents").height == 3
    assert rows.filter(scope="quarter", level="force", measure="incidents").height == 1


def test_one_area_has_peaks_of_the_force_alone():
    hours = hours_of(70)
    demand = demand_of(hours, {("a", "x"): poisson(hours, 1.0)})
    found = told(demand, predicted(demand, areas_in({"a": None}), days=70), days=70)
    assert set(found["level"]) == {"force"}


def test_without_classes_of_offending_there_are_incidents_alone():
    hours = hours_of(70)
    demand = demand_of(hours, {("a", "y"): poisson(hours, 1.0), ("b", "y"): poisson(hours, 1.0)})
    found = predicted(demand, days=70)
    assert set(told(demand, found, days=70)["measure"]) == {"incidents"}
    assert found.coming is not None
    assert set(peaks.find_peak_hours(found.coming)["measure"]) == {"incidents"}


def test_a_history_of_three_weeks_tells_peaks_and_nothing_of_what_is_usual():
    hours = hours_of(21)
    demand = demand_of(hours, {("a", "x"): poisson(hours, 1.0), ("b", "x"): poisson(hours, 1.0)})
    found = told(demand, predicted(demand, days=21), days=21)
    assert not found.is_empty()
    for column in ("usual", "control_limit", "chance_above_usual", "chance_unusual", "effect_level"):
        assert found[column].is_null().all()
    assert not found["is_unusual"].any()
    assert "usual" not in peaks.say_peak(found.row(0, named=True), "the whole force", LONDON)


def test_a_force_with_hardly_an_incident_has_no_peaks():
    hours = hours_of(70)
    demand = demand_of(hours, {("a", "x"): np.arange(len(hours)) % 200 == 0})
    assert told(demand, predicted(demand, days=70), days=70).is_empty()


def test_a_chance_of_too_few_units_is_the_mean_over_incidents_and_unknown_where_a_part_is(flat):
    demand, found = flat
    assert found.coming is not None
    hours = len(found.coming.hours)
    chance = np.stack([np.zeros(hours), np.ones(hours)])
    incidents = np.stack([np.full(hours, 3.0), np.full(hours, 1.0)])
    chance[0, -1] = np.nan
    rows = told(demand, found, short=peaks.Short(chance, incidents)).filter(scope="week", measure="incidents")
    last = found.coming.shifts.stretches.starts_at[-1]
    for row in rows.iter_rows(named=True):
        unknown = row["starts_at"] == last and row["area_id"] in ("N", "F", "a")
        assert row["chance_short"] == (None if unknown else {"N": 0, "a": 0, "S": 1, "b": 1, "F": 0.25}[row["area_id"]])


def test_what_was_said_is_held_against_what_came(flat):
    demand, found = flat
    assert found.coming is not None
    hours = hours_of(DAYS + 7)
    week = demand_of(hours[len(hours) - 168 :], {("a", "x"): 9, ("b", "y"): 1})
    judged = peaks.judge(
        found.coming, demand, NOTHING, pl.concat([demand, week]), NOTHING, until=midnight(DAYS),
        known_until=midnight(DAYS), came_until=midnight(DAYS + 7), time_zone=LONDON, false_alarms=0.01, share=0.2,
    )  # fmt: skip
    table = peaks.summarise_judged(judged.with_columns(method=pl.lit("slot_mean_26")))
    above = table.filter(level="force", measure="incidents", what="above_usual")
    assert above["told"].sum() == 21
    assert (above["came_true"] == 1).all(), "80 came where 32 are usual"
    south = table.filter(level="district", measure="incidents", what="unusual")
    assert (south["came_true"] * south["told"]).sum() == 21, "the north had 72 each time, the south 8"
    share = table.filter(what="share", measure="incidents").row(0, named=True)
    assert share["told"] == 1
    assert share["said"] == pytest.approx(0.2, abs=0.03)
    assert set(table["counted"]) == {"incidents"}
    assert "did" in peaks.say_tried(table, "incidents", "incidents")
    assert "is not known: the latest backtest had too few" in peaks.say_tried(table, "offences", "offences")
    assert "not yet tried" in peaks.say_tried(table.clear(), "incidents", "incidents")


@pytest.mark.parametrize("moved", [0, 3, 200])
def test_the_places_and_times_of_peak_hours_are_held_against_what_came_there_and_against_their_range(flat, moved):
    """A few more in the first of the hours that `peak_hours` would list lie within its range, two hundred do not."""
    demand, found = flat
    assert found.coming is not None
    listed = peaks.up_to(peaks.find_peak_hours(found.coming), 0.2).filter(measure="incidents")
    hours = hours_of(DAYS + 7)
    hours = hours[len(hours) - 168 :]
    rates, chance = found.coming.areas.expected[:, 0], np.random.default_rng(8)
    week = demand_of(hours, {(area, "x"): chance.poisson(rates[number]) for number, area in enumerate("ab")})
    first = listed.sort("rank").head(1).select("area_id", hour_starting="starts_at")
    is_first = week.join(first.with_columns(here=True), on=["area_id", "hour_starting"], how="left")["here"]
    week = week.with_columns(pl.col("incidents") + moved * is_first.fill_null(value=False).cast(pl.Int64))
    judged = peaks.judge(
        found.coming, demand, NOTHING, pl.concat([demand, week]), NOTHING, until=midnight(DAYS),
        known_until=midnight(DAYS), came_until=midnight(DAYS + 7), time_zone=LONDON, false_alarms=0.01, share=0.2,
    ).filter(measure="incidents", level="area")  # fmt: skip
    held = week.join(
        listed, left_on=["area_id", "hour_starting"], right_on=["area_id", "starts_at"], how="semi"
    )["incidents"].sum() / week["incidents"].sum()  # fmt: skip
    share, inside = (judged.filter(what=what).row(0, named=True) for what in ("share", "share_in_range"))
    last = listed.sort("rank").row(-1, named=True)
    assert (share["said"], share["came"]) == (last["share"], pytest.approx(held))
    assert (inside["told"], inside["said"]) == (1, pytest.approx(0.8))
    assert inside["came"] == (last["share_p10"] <= held <= last["share_p90"])
    assert inside["came"] == (moved < 200)
    words = peaks.say_tried(
        peaks.summarise_judged(judged.with_columns(method=pl.lit("x"))), "incidents", "incidents"
    )  # fmt: skip
    assert f"in {int(inside['came'])} of 1 week within the range that was stated (80% were to be)" in words


def test_a_week_that_was_not_seen_judges_nobody(flat):
    demand, found = flat
    assert found.coming is not None
    judged = peaks.judge(
        found.coming, demand, NOTHING, demand, NOTHING, until=midnight(DAYS), known_until=midnight(DAYS),
        came_until=midnight(DAYS), time_zone=LONDON, false_alarms=0.01, share=0.2,
    )  # fmt: skip
    assert judged.is_empty()


# The command: a force of twelve areas, planned once for the session.
def test_the_command_says_when_where_how_many_and_why(small_force: Path):
    said = CliRunner().invoke(app, ["peaks", str(small_force)])
    assert said.exit_code == 0
    assert "Peaks of incidents, the next seven days, by shift:" in said.output
    assert "the whole force: " in said.output
    assert "because: " in said.output
    assert "areas × shifts" in said.output
    assert "not yet tried: 'bluelamp backtest' does it" in said.output


def test_the_command_gives_the_rows_of_the_tables(small_force: Path):
    table = reading.read_table(small_force, "peaks")
    found = read_briefing(small_force, scope="quarter", measure="incidents")
    assert found.peaks.height == table.filter(pl.col("level") != "area", scope="quarter", measure="incidents").height
    assert "not days so far ahead" in found.lines()[-1]
    csv = CliRunner().invoke(app, ["peaks", str(small_force), "--scope", "quarter", "--measure", "incidents", "--csv"])
    assert csv.output == tables.to_csv(found.peaks, "peaks")


def test_json_holds_the_sentences_and_the_rows_that_they_are_made_of(small_force: Path):
    said = CliRunner().invoke(app, ["peaks", str(small_force), "--scope", "day", "--json"])
    answer = json.loads(said.output)
    found = read_briefing(small_force, scope="day")
    assert answer["sentences"] == found.lines()
    assert [row["expected"] for row in answer["peaks"]] == found.peaks.sort(tables.table("peaks").key)[
        "expected"
    ].to_list()
    assert len(answer["peak_hours"]) == found.peak_hours.height
    assert answer["backtest_peaks"] == []


def test_a_force_without_a_run_is_told_what_makes_one(tmp_path: Path):
    (tmp_path / "force.toml").write_text('[force]\nid = "F"\nname = "F"\ntime_zone = "Europe/London"\n')
    with pytest.raises(NoInput, match="bluelamp plan"):
        read_briefing(tmp_path)


def test_places_and_hours_that_are_not_read_out_are_counted(small_force: Path):
    found = read_briefing(small_force, measure="incidents", share=0.4)
    assert found.peak_hours.height > 12
    assert f"    and {found.peak_hours.height - 12} more, in the table 'peak_hours'" in found.lines()


def test_a_smaller_share_has_the_first_of_the_same_places_and_hours(small_force: Path):
    few, more = (read_briefing(small_force, share=share).peak_hours for share in (0.1, 0.4))
    assert few.height < more.height
    assert set(few.rows()) <= set(more.rows())


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"scope": "weak"}, "Did you mean 'week'"),
        ({"measure": "incident"}, "Did you mean 'incidents'"),
        ({"place": "Z99"}, "no area or district"),
        ({"share": 0.7}, "up to 0.5 was expected"),
    ],
)
def test_what_there_is_not_is_told(small_force: Path, wanted, words):
    with pytest.raises(UsageError, match=words):
        read_briefing(small_force, **wanted)


def test_what_can_not_be_read_of_an_earlier_backtest_counts_as_not_tried(tmp_path: Path):
    assert tried_peaks.read(tmp_path).is_empty()
    (tmp_path / "backtest").mkdir()
    (tmp_path / "backtest" / "peaks.parquet").write_text("harmed")
    assert tried_peaks.read(tmp_path).is_empty()


# Offences: when they happened, not when they were recorded.
def test_offences_are_counted_within_their_ranges_and_until_they_are_complete():
    every = crimes(20_000)
    known = every.filter(pl.col("recorded_at") < pl.col("to_at").max())
    counted = incidents.count_offences(known, ["a", "b"], LONDON)
    assert counted is not None
    assert timedelta(days=4) < counted.wait < timedelta(days=8), "95% of waits of two days on average are below six"
    complete = every.filter(pl.col("to_at") < counted.known_until).height
    assert counted.demand["incidents"].sum() == pytest.approx(complete, rel=0.01)
    # The last week that is told is as full as those before it.
    week = counted.demand.filter(pl.col("hour_starting") >= counted.known_until - timedelta(days=7))["incidents"].sum()
    assert week == pytest.approx(700, rel=0.12)


def test_the_order_of_offences_and_what_says_no_time_changes_no_count():
    some = crimes(500, days=60)
    counted = incidents.count_offences(some, ["a"], LONDON)
    without = some.head(20).with_columns(
        pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias("from_at"),
        pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias("to_at"),
        offence_id="x" + pl.col("offence_id"),
    )
    long = (
        some.tail(10)
        .with_columns(pl.col("to_at") - timedelta(days=40), offence_id="y" + pl.col("offence_id"))
        .with_columns(from_at=pl.col("to_at") - timedelta(days=29))
    )
    again = incidents.count_offences(
        pl.concat([some, without, long]).sample(fraction=1, shuffle=True, seed=2), ["a"], LONDON
    )
    assert counted is not None
    assert again is not None
    assert again.demand.equals(counted.demand)
    assert (again.without_time, again.too_long) == (20, 10)
    assert set(again.demand["area_id"]) == {"a", "unknown"}
    assert incidents.count_offences(without, ["a"], LONDON) is None


@pytest.mark.parametrize(("each_month", "left_out"), [(60, 7 * 60), (0, 0)])
def test_the_midnight_that_begins_a_month_is_no_time_where_it_stands_for_a_day_nobody_knows(each_month, left_out):
    some = crimes(4000)
    firsts = pl.datetime_range(pl.datetime(2025, 1, 1), pl.datetime(2025, 7, 1), "1mo", time_zone=LONDON, eager=True)
    at = pl.concat([firsts.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC"))] * max(each_month, 1))
    unknown = pl.DataFrame({"from_at": at, "to_at": at}).with_row_index("number").select(
        "from_at", "to_at", offence_id=pl.format("z{}", "number"), class_code=pl.lit("theft"), area_id=pl.lit("a"),
        recorded_at=pl.col("to_at") + timedelta(hours=4),
    )  # fmt: skip
    counted = incidents.count_offences(
        pl.concat([some, tables.publish(unknown, "offences").head(7 * each_month)]), ["a", "b"], LONDON
    )
    assert counted is not None
    assert counted.placeholders == left_out
    by_day = counted.demand.group_by(pl.col("hour_starting").dt.date()).agg(pl.col("incidents").sum())
    assert by_day["incidents"].max() < 50


def test_a_plan_tells_peaks_of_offences_beside_those_of_incidents():
    given = dict(twin().tables)
    until = given["incidents"]["received_at"].max()
    given["offences"] = tables.publish(
        given["incidents"].select(
            "class_code", "area_id", "incident_id", offence_id="incident_id", to_at="received_at",
            from_at=pl.col("received_at") - timedelta(hours=4), recorded_at=pl.col("received_at") + timedelta(hours=20),
        ).filter(pl.col("recorded_at") < until),
        "offences",
    )  # fmt: skip
    run = plan.compute(given, small_settings())
    found = run.results["peaks"]
    assert found.filter(counted="incidents").equals(planned().results["peaks"])
    offences = found.filter(counted="offences")
    assert "offences" in set(offences["measure"])
    assert set(offences["measure"]) <= {"offences", *given["incidents"]["class_code"]}
    assert any("recorded offences" in note for note in run.notes)
    assert any(note.startswith("Recorded offences of the coming week peak on ") for note in run.notes)
    assert any("because officers came upon them by themselves" in note for note in run.notes)
    assert run.results["peak_hours"].filter(counted="offences").height > 0


def test_offences_that_ended_long_ago_have_no_peaks_and_say_so():
    given = dict(twin().tables)
    before = given["incidents"]["received_at"].max() - timedelta(days=100)
    crimes = given["incidents"].filter(pl.col("received_at") < before).gather_every(10)
    given["offences"] = tables.publish(
        crimes.select(
            "class_code", "area_id", offence_id="incident_id", to_at="received_at", recorded_at="received_at"
        ),
        "offences",
    )
    run = plan.compute(given, small_settings())
    assert run.results["peaks"].filter(counted="offences").is_empty()
    assert any("so that their peaks are not told" in note for note in run.notes)


def test_a_peak_planted_in_the_made_up_force_is_found_where_and_when_it_is_and_without_it_none_is():
    nights = Peak("robbery", "D1", date(2026, 4, 1), date(2026, 12, 20), (5, 6), 20, 4, 12.0)
    found = []
    for planted in ([nights], []):
        made = make_twin(areas=6, days=200, seed=3, until=date(2026, 11, 23), weekly_incidents=3000, peaks=planted)
        of_force = parse(made.settings)
        few = of_force.forecast.model_copy(update={"paths": 100, "days": 14})
        run = plan.compute(made.tables, of_force.model_copy(update={"forecast": few}))
        found.append(run.results["peaks"].filter(measure="robbery", scope="week"))
    with_peak, without = found
    assert without.is_empty()  # the force has so few robberies that no shift stands out
    # The nights of Friday and Saturday, in the district that they were planted in and so in the force; all weeks have
    # them, so that none is unusual.
    for level, place in (("district", "D1"), ("force", "LV")):
        rows = with_peak.filter(level=level).sort("rank")
        assert rows["area_id"].unique().to_list() == [place]
        assert set(rows["starts_at"].dt.strftime("%a %H")) == {"Sat 00", "Sat 16", "Sun 00"}
        assert not rows["is_unusual"].any()
        assert (rows["expected"] / rows["usual"]).is_between(0.85, 1.15).all()
