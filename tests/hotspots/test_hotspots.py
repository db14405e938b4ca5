"""Hotspots: every method of the family, what is planted is found, and where nothing is, nothing is claimed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import extensions, hotspots, tables
from bluelamp.hotspot_trial import against_counts
from bluelamp.hotspots._capture import SHARES, capture
from bluelamp.hotspots._ground import _lay_hours
from tests.hotspots.made import BEFORE, SHIFTS, drawn_offences, ground, history_of, offences_at

GRID = ground()
METHODS = hotspots.methods()


def hours_before(hours: float) -> datetime:
    return BEFORE - timedelta(hours=hours)


# ---- the family ----


def test_the_family_begins_with_the_plain_count_map():
    assert METHODS == ["counts", "kernel_density", "near_repeat", "pooled"]


@pytest.mark.parametrize("method", METHODS)
def test_a_method_expects_about_as_much_as_there_was_and_never_less_than_nothing(method):
    history = history_of(drawn_offences(GRID, 104, 40, seed=1), GRID)
    past = history.until(history.weeks, 0)
    risk = extensions.member("hotspots", method).fit(past).risk(past)
    assert risk.shape == (len(GRID), 3)
    assert (risk >= 0).all()
    assert risk.sum() == pytest.approx(40, rel=0.15)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_knows_nothing_of_the_weeks_to_come(method):
    known = drawn_offences(GRID, 60, 30, seed=2)
    split = BEFORE - timedelta(weeks=10)
    later = known.filter(pl.col("to_at") >= split)
    shuffled = later.with_columns(later.select("longitude", "latitude").sample(fraction=1, shuffle=True, seed=3))
    fits = []
    for rows in (known, pl.concat([known.filter(pl.col("to_at") < split), shuffled])):
        history = history_of(rows, GRID)
        past = history.until(history.weeks - 10, 0)
        fits.append(extensions.member("hotspots", method).fit(past).risk(past))
    assert np.array_equal(*fits)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weeks", [1, 3, 9, 12])
def test_a_method_makes_do_with_a_few_weeks(method, weeks):
    history = history_of(drawn_offences(GRID, weeks, 30, seed=4), GRID)
    past = history.until(history.weeks, None)
    risk = extensions.member("hotspots", method).fit(past).risk(past)
    assert np.isfinite(risk).all()
    assert risk.sum() > 0


@pytest.mark.parametrize("method", METHODS)
def test_a_method_finds_the_place_where_all_of_it_happens(method):
    at = [hours_before(float(each)) for each in range(1, 3000, 9)]
    history = history_of(offences_at(GRID, np.full(len(at), 70), at), GRID)
    past = history.until(history.weeks, 0)
    risk = extensions.member("hotspots", method).fit(past).risk(past)
    assert (risk.argmax(axis=0) == 70).all()


# ---- what is planted, and what is not ----


def test_planted_places_are_found_and_lead_the_list():
    planted = {20: 25.0, 75: 20.0}
    history = history_of(drawn_offences(GRID, 104, 60, seed=5, planted=planted), GRID)
    scores = hotspots.score_maps(history, weeks=26)
    shown = scores.filter("is_shown", class_code="burglary", watched_share=0.01).row(0, named=True)
    assert shown["pai_low"] > 3
    places = hotspots.make_hotspots(history, hotspots.choose(scores), shift_starts=SHIFTS)
    first = places.filter(class_code="burglary", from_hour=15).sort("rank").head(2)
    assert set(first["cell_id"]) == {GRID.cell_ids[cell] for cell in planted}
    truth = 60 / 3 * 25 * GRID.size[20] / (GRID.size.sum() + 24 * GRID.size[20] + 19 * GRID.size[75])
    assert first.filter(cell_id=GRID.cell_ids[20])["expected"].item() == pytest.approx(truth, rel=0.3)


def test_where_nothing_is_planted_places_stand_out_no_oftener_than_chance_allows():
    stands_out, shown = 0, []
    for seed in range(40):
        history = history_of(drawn_offences(GRID, 78, 30, seed=100 + seed), GRID)
        scores = hotspots.score_maps(history, weeks=39, names=["pooled"]).filter(class_code="burglary")
        at_one = scores.filter(pl.col("is_shown"), watched_share=0.02).row(0, named=True)
        stands_out += at_one["pai_low"] > 1
        shown.append(at_one["method"])
    # One in forty at the stated rate; six or more would come by chance once in several hundred times.
    assert stands_out <= 5
    assert shown.count("pooled") <= 5


def test_offences_that_draw_others_are_told_from_places_that_last():
    random = np.random.default_rng(6)
    near = GRID.near(1.5 * GRID.step)
    cells, at = [], []
    for _ in range(1_500):
        cell, when = int(random.integers(len(GRID))), float(random.random() * 104)
        cells.append(cell)
        at.append(when)
        # Half of them draw another, next door, within two weeks.
        if random.random() < 0.5:
            beside = near.other[near.of == cell]
            cells.append(int(random.choice(beside)))
            at.append(when - random.random() * 2)
    rows = offences_at(GRID, np.array(cells), [BEFORE - timedelta(weeks=max(each, 0.01)) for each in at])
    history = history_of(rows, GRID)
    past = history.until(history.weeks, 0)
    fitted = extensions.member("hotspots", "near_repeat").fit(past)
    drawn = float(fitted.about.partition("%")[0]) / 100
    assert 0.15 < drawn < 0.6  # a third of all, of which those before the week begins can be seen
    flat = history_of(drawn_offences(GRID, 104, 20, seed=7), GRID)
    told = extensions.member("hotspots", "near_repeat").fit(flat.until(flat.weeks, 0)).about
    assert float(told.partition("%")[0]) / 100 < drawn


# ---- capture ----


def test_what_is_caught_is_what_lies_in_the_places_with_most_risk_for_their_size():
    even = np.full((200, 1), 1 / 200)
    risk = np.zeros((200, 1))
    risk[[3, 50], 0] = [2, 1]
    came = np.zeros((200, 1))
    came[[3, 50, 120], 0] = [4, 3, 9]
    caught = capture(risk, came, even)
    assert caught[:2, 0].tolist() == pytest.approx([4, 7])
    assert caught[:2, 1].tolist() == pytest.approx([9, 13])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 4))
def test_no_map_catches_more_than_the_best_there_could_have_been(seed, cells, shifts):
    random = np.random.default_rng(seed)
    size = random.random(cells) + 0.01
    came = random.poisson(0.5, (cells, shifts)).astype(float)
    caught = capture(random.random((cells, shifts)), came, (size / size.sum())[:, None])
    assert (caught[:, 0] <= caught[:, 1] + 1e-9).all()
    assert (caught <= came.sum() + 1e-9).all()
    assert (np.diff(caught, axis=0) >= -1e-9).all()


def test_a_map_that_knows_nothing_catches_the_share_that_it_watches():
    even = np.full((400, 1), 1 / 400)
    came = np.random.default_rng(8).poisson(50, (400, 1)).astype(float)
    caught = capture(np.ones((400, 1)), came, even)[:, 0] / came.sum()
    assert caught == pytest.approx(np.array(SHARES), rel=0.12)


# ---- how offences are laid out ----


def test_the_week_ends_at_the_midnight_before_and_a_shift_past_midnight_is_one():
    at = [hours_before(1 / 3600), hours_before(24 * 7), hours_before(24 * 7 + 1 / 3600), BEFORE, hours_before(2)]
    history = history_of(offences_at(GRID, np.zeros(5, dtype=int), at), GRID)
    # The one at midnight itself is of the week to come; the first second of a week is in it.
    placed = sorted(zip(history.week.tolist(), history.shift.tolist(), history.weight.tolist(), strict=True))
    assert history.weeks == 2
    assert placed == [(0, 2, 1.0), (1, 1, 1.0), (1, 2, 2.0)]


def test_a_time_known_as_a_range_is_shared_out_over_shifts_and_weeks():
    rows = offences_at(GRID, np.array([5]), [hours_before(24 * 7 - 4)], hours=8)
    history = history_of(rows, GRID)
    placed = zip(history.week.tolist(), history.shift.tolist(), history.weight.tolist(), strict=True)
    assert sorted(placed) == [(0, 1, 0.375), (0, 2, 0.125), (1, 2, 0.5)]


def test_offences_without_place_or_time_are_told():
    rows = pl.concat([drawn_offences(GRID, 20, 30, seed=9).head(500)] * 1)
    broken = rows.with_columns(
        longitude=pl.when(pl.int_range(pl.len()) < 3).then(10.0).otherwise("longitude"),
        from_at=pl.when(pl.int_range(pl.len()) == 4).then(None).otherwise("from_at"),
        to_at=pl.when(pl.int_range(pl.len()) == 4).then(None).otherwise("to_at"),
    )
    _, notes = hotspots.lay_history(
        broken, GRID, tables.empty("outages"), before=BEFORE, weeks=52, shift_starts=SHIFTS, time_zone="Europe/London"
    )
    assert notes == [
        "3 points of 500 lie outside the force and are left out here.",
        "1 offence without any time is left out here.",
    ]


def test_hours_in_an_outage_are_not_taken_for_quiet_ones():
    rows = drawn_offences(GRID, 40, 60, seed=10)
    starts, ends = BEFORE - timedelta(weeks=20), BEFORE - timedelta(weeks=10)
    seen = rows.filter(~pl.col("to_at").is_between(starts, ends))
    outage = pl.DataFrame({"starts_at": [starts], "ends_at": [ends]}).cast(pl.Datetime("us", "UTC"))
    history = history_of(seen, GRID, outages=outage)
    assert history.until(history.weeks).window(None).sum() == pytest.approx(60, rel=0.1)
    assert len(hotspots.score_maps(history, weeks=30, names=["counts"])["weeks"].unique()) == 1
    assert hotspots.score_maps(history, weeks=30, names=["counts"])["weeks"][0] == 20


@pytest.mark.parametrize("number", [0, 1, 49])
def test_few_or_no_offences_have_no_map_of_their_own(number):
    rows = drawn_offences(GRID, 20, 30, seed=11).head(number)
    history = history_of(rows, GRID)
    places = hotspots.make_hotspots(history, {}, shift_starts=SHIFTS)
    assert set(places["class_code"]) <= {"all"}
    assert places.is_empty() == (number == 0)


def test_all_offences_on_one_spot_make_one_hotspot():
    at = [hours_before(1.0)] * 80  # the same second, too
    history = history_of(offences_at(GRID, np.full(80, 12), at), GRID)
    places = hotspots.make_hotspots(history, {}, shift_starts=SHIFTS).filter(class_code="burglary")
    assert places["cell_id"].to_list() == [GRID.cell_ids[12]]
    assert places.select("counted", "count_rank", "rank").row(0) == (80, 1, 1)


def test_a_place_of_officers_own_making_is_no_hotspot():
    calls = pl.DataFrame(
        {
            "incident_id": ["1", "2", "3"], "origin": ["public", "officer_initiated", "public"],
            "class_code": ["drugs", "drugs", "welfare"], "received_at": [hours_before(5)] * 3,
            "longitude": [-2.58] * 3, "latitude": [51.41] * 3, "area_id": ["A"] * 3, "opening_code": ["D"] * 3,
        }
    )  # fmt: skip
    rows, notes = hotspots.gather_offences(tables.empty("offences"), calls, ["drugs"], ["public"])
    assert rows.height == 1
    assert "1 incident that officers came upon themselves does not count towards hotspots" in notes[1]
    offences = tables.empty("offences").clear()
    recorded = pl.DataFrame(
        {"offence_id": ["a", "b"], "incident_id": ["1", "2"], "class_code": ["drugs", "drugs"]},
    )
    recorded = pl.concat([offences, recorded], how="diagonal")
    rows, notes = hotspots.gather_offences(recorded, calls, ["drugs"], ["public"])
    assert rows.height == 1
    assert notes[0].startswith("1 offence that officers came upon")


def test_harm_weighs_by_the_forces_own_table_and_tells_what_has_no_weight():
    rows = offences_at(GRID, np.array([1, 2, 3]), [hours_before(5)] * 3, ["theft", "robbery", "fraud"]).with_columns(
        code=pl.Series(["T1", None, None], dtype=pl.String)
    )
    weights = pl.DataFrame(
        {
            "level": ["class_code", "offence_code", "class_code"],
            "code": ["theft", "T1", "robbery"],
            "weight": [2.0, 9, 365],
        }
    )
    weight, notes = hotspots.weigh_harm(rows, weights)
    assert weight.to_list() == [9, 365, 0]
    assert notes == ["1 offence of classes fraud have no harm weight and weigh nothing. Add rows to 'harm_weights'."]
    history = history_of(rows, GRID, weight=weight)
    assert history.weight.sum() == 374


def test_the_same_input_gives_the_same_tables():
    rows = drawn_offences(GRID, 60, 40, seed=12, planted={9: 15.0})
    first, again = (history_of(each, GRID) for each in (rows, rows.sample(fraction=1, shuffle=True, seed=1)))
    assert hotspots.score_maps(first, weeks=20).equals(hotspots.score_maps(again, weeks=20))
    chosen = {"burglary": "pooled"}
    assert hotspots.make_hotspots(first, chosen, shift_starts=SHIFTS).equals(
        hotspots.make_hotspots(again, chosen, shift_starts=SHIFTS)
    )


def test_shifts_across_a_clock_change_have_their_own_hours():
    before = datetime(2026, 3, 30, 23, tzinfo=UTC)  # local midnight after the clocks went forward
    found = _lay_hours(datetime(2026, 3, 24).date(), datetime(2026, 3, 31).date(), SHIFTS, "Europe/London")
    assert found.height == 167
    assert found.filter(shift=2).height == 55
    assert found["hour_starting"].max() < before


def test_a_class_that_nothing_has_is_told_with_those_that_there_are():
    calls = pl.DataFrame(
        {
            "incident_id": ["1", "2"], "origin": ["public"] * 2, "class_code": ["drugs", "theft"],
            "received_at": [hours_before(5)] * 2, "longitude": [-2.58] * 2, "latitude": [51.41] * 2,
            "area_id": ["A"] * 2, "opening_code": ["D"] * 2,
        }
    )  # fmt: skip
    rows, notes = hotspots.gather_offences(tables.empty("offences"), calls, ["theftt"], ["public"])
    assert rows.is_empty()
    assert notes[0] == (
        "No incident is of class 'theftt', which 'classes' under [offending] in force.toml asks for. There are "
        "'drugs' or 'theft'. Did you mean 'theft'?"
    )
    _, notes = hotspots.gather_offences(tables.empty("offences"), calls, ["drugs", "theftt", "robbery"], ["public"])
    assert notes[0] == "No incident is of class 'theftt' ([offending] classes). Did you mean 'theft'?"


def test_more_than_several_times_as_much_is_told_by_its_least_end():
    def told(more: float, low: float | None, high: float | None) -> str:
        return against_counts({"against_counts": more, "against_counts_low": low, "against_counts_high": high})

    assert told(0.3, 0.152, 0.482) == "+30.0% (+15.2% to +48.2%)"
    assert told(3.292, 1.505, 27.0) == "at least 2.5 times as much"
    assert told(0.348, -0.501, 7.0) == "not known: too few caught"
    assert told(0.1, None, None) == "+10.0%"
