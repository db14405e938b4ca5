"""The forecast's benchmark: who is compared with whom, on what, and by which score."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from bluelamp import periods, scoring, tables
from bluelamp.backtest._trial import lay_out_truth
from bluelamp.forecast import stand_at
from tests.drawn import drawn
from tests.forecast.made import LONDON, areas_in, demand_of, hours_of

# ---- which places and midnights ----


def test_a_sample_has_places_of_all_sizes_and_large_ones_stand_for_several():
    from forecast_trials import stratify

    sizes = {f"p{number:02d}": 1 + number for number in range(30)}
    chosen = stratify(sizes, 5)
    assert len(chosen) == 5
    assert sizes[chosen[0]] < 12
    assert sizes[chosen[-1]] > 25
    giant = stratify({"giant": 1000, "a": 3, "b": 2, "c": 1}, 3)
    assert giant == ["b", "a", "giant"]
    assert stratify({"a": 3, "b": 5}, 10) == ["a", "b"]


def test_fewer_midnights_are_spread_from_the_first_to_the_last():
    from forecast_trials import spread_out

    days = [date(2026, 1, 1) + timedelta(days=28 * number) for number in range(13)]
    assert spread_out(days, 4) == [days[0], days[4], days[8], days[12]]
    assert spread_out(days, 1) == [days[0]]
    assert spread_out(days[:3], 4) == days[:3]


# ---- scores of opponents ----


@pytest.mark.parametrize(("mean", "spread"), [(0.3, 0.0), (4.0, 0.1), (60.0, 0.02)])
def test_the_score_of_counts_is_that_of_many_paths(mean, spread):
    from forecast_trials import crps_of_counts

    chance = np.random.default_rng(1)
    paths = 20_000
    rate = mean if not spread else chance.gamma(1 / spread, spread * mean, paths)
    drawn = chance.poisson(rate, paths)
    for came in (0, int(mean), int(2 * mean) + 1):
        cell, path = np.zeros(drawn.sum(), dtype=np.int64), np.repeat(np.arange(paths), drawn)
        told = scoring.score_paths(cell, path, paths, np.array([came])).crps[0]
        exact = crps_of_counts(np.array([[mean]]), spread, np.array([[float(came)]]))[0, 0]
        assert exact == pytest.approx(told, rel=0.02, abs=0.01)


def test_large_counts_are_scored_as_small_ones_are():
    from forecast_trials import LARGE, _crps_exactly, crps_of_counts

    mean = np.array([LARGE + 1])
    for spread in (0.0, 0.01, 0.1):
        for came in (np.array([LARGE - 50]), np.array([LARGE + 30])):
            exact = _crps_exactly(mean, spread, came)[0]
            assert crps_of_counts(mean[None], spread, came[None])[0, 0] == pytest.approx(exact, rel=0.005)


def test_even_coverage_of_a_right_forecast_is_what_it_says_however_small_counts_are():
    from forecast_trials import share_between

    chance = np.random.default_rng(2)
    drawn = np.sort(chance.poisson(0.5, (4000, 100)), axis=1)
    came = chance.poisson(0.5, 4000)
    below, equal = (drawn < came[:, None]).sum(axis=1), (drawn == came[:, None]).sum(axis=1)
    assert share_between(below, equal, 100, 0.1, 0.9).mean() == pytest.approx(0.8, abs=0.015)


def stand_of(first_day: date, events: pl.DataFrame | None = None):
    """Stand after ten weeks of two areas of a class each; gives the stand, the hours and what came."""
    from forecast_trials import Stand

    hours = hours_of(126, first_day - timedelta(days=70))
    counts = np.random.default_rng(3).poisson(3, (2, len(hours)))
    demand = demand_of(hours, {("a", "x"): counts[0], ("b", "y"): counts[1]})
    outages = tables.empty("outages")
    starts_at = periods.local_days(LONDON, first_day, first_day)["starts_at"][0]
    origin = stand_at(
        first_day, demand, areas_in({"a": "D1", "b": "D2"}), tables.empty("events") if events is None else events,
        outages, known_until=starts_at, force_id="F", time_zone=LONDON, weeks=52, days=56, country="GB",
        subdivision="ENG",
    )  # fmt: skip
    stand = Stand(first_day, "", ("pooled",), origin, lay_out_truth(origin, demand, outages, 52), 52)
    after = (hours >= starts_at).to_numpy()
    return stand, counts[:, after]


@pytest.mark.parametrize("first_day", [date(2025, 10, 6), date(2025, 3, 10)])
def test_an_opponent_that_says_what_comes_has_no_error_in_any_sum_though_the_clock_changes(first_day, tmp_path):
    from forecast_trials import score_peer, write_series

    stand, came = stand_of(first_day)
    sample = {"area": ["a"], "area_class": ["b|y"]}
    write_series(stand, sample, tmp_path / "series.npz")
    with np.load(tmp_path / "series.npz") as given:
        told = dict(given)
    assert told["place"].tolist() == ["F", "D1", "D2", "a", "b", "b|y"]
    assert told["is_sampled"].tolist() == [True, True, True, True, False, True]
    assert told["parent"].tolist() == [-1, -1, -1, 1, 2, -1]
    assert told["counts"].shape == (6, 24 * 70)
    coming = stand.origin.coming
    local = coming.day_of_hour * 24 + coming.slot % 24
    # The two hours that share a local hour in autumn can't both be right by one mean.
    of_force, times = came.sum(axis=0).astype(float), np.bincount(local, minlength=24 * 56)
    mean = (np.bincount(local, weights=of_force, minlength=24 * 56) / np.maximum(times, 1))[None]
    twice = times[local] > 1
    np.savez(tmp_path / "told.npz", **{"m:hours:row": [0], "m:hours:mean": mean, "m:hours:seconds": [0.5],
                                       "m:hours:deviation": np.full_like(mean, np.nan)})  # fmt: skip
    scores, costs = score_peer(stand, tmp_path / "series.npz", tmp_path / "told.npz")
    assert costs["seconds"].to_list() == [0.5]
    errors = scores.filter(spread=0.0).group_by("span").agg(pl.col("absolute", "incidents").sum())
    for span, absolute, incidents in errors.iter_rows():
        assert incidents == of_force.sum()
        assert absolute == pytest.approx(
            np.abs(of_force - mean[0, local])[twice].sum() if span == "hour" else 0, abs=1e-6
        )


# ---- what is left out ----


def test_whoever_does_not_know_of_holidays_or_events_knows_all_the_rest():
    from forecast_trials import touched_days, without

    events = drawn(
        "events",
        "event_id | event_name | kind           | area_id | starts_at            | ends_at",
        "1        | Match      | sport          | a       | 2025-12-06T15:00:00Z | 2025-12-06T17:00:00Z",
        "2        | Christmas  | school_holiday |         | 2025-12-20T00:00:00Z | 2026-01-04T00:00:00Z",
    )
    stand, _ = stand_of(date(2025, 12, 1), events)
    coming = {what: without(stand, what).origin.coming for what in ("holidays", "school terms", "events")}
    assert "Christmas Day" in stand.origin.coming.label
    assert set(coming["holidays"].label) == {""}
    assert coming["holidays"].force_kinds == ["school_holiday"]
    assert (coming["school terms"].force_kinds, coming["school terms"].event_kinds) == ([], ["sport"])
    assert (coming["events"].force_kinds, coming["events"].event_kinds) == (["school_holiday"], [])
    assert "Christmas Day" in coming["events"].label
    assert set(without(stand, "holidays").origin.history(52).calendar.label) == {""}
    assert touched_days(stand, "events").rows() == [("area", "a", 5)]
    assert [day for *_, day in touched_days(stand, "school terms").rows()] == list(range(19, 34))
    # From the day before Christmas Eve to the day after New Year's Day.
    christmas = [day for *_, day in touched_days(stand, "holidays").rows()]
    assert christmas == [22, 23, 24, 25, 26, 29, 30, 31, 32]


# ---- comparisons ----


def rows(values: dict[tuple[int, str], float], **more: object) -> pl.DataFrame:
    """Scores by number of the origin and place, in each of ten weeks."""
    origin = date(2026, 1, 5)
    made = [
        {"origin": origin + timedelta(days=28 * number), "place": place, "week": week, "crps": value, "absolute": value,
         "incidents": 10.0, **more}
        for (number, place), value in values.items()
        for week in range(8)
    ]  # fmt: skip
    return pl.DataFrame(made)


def test_only_what_both_have_is_compared():
    from forecast_report import compare

    own = rows({(0, "a"): 1.0, (0, "b"): 50.0, (1, "a"): 2.0, (2, "a"): 90.0})
    found = compare(own, rows({(0, "a"): 2.0, (1, "a"): 4.0, (3, "a"): 1.0}), "other")
    assert (found.value, found.origins, found.places) == (-0.5, 2, 1)
    assert found.ours == pytest.approx(0.15)
    assert found.verdict == "won"
    assert compare(own, rows({(3, "a"): 1.0}), "other") is None


def test_an_opponent_is_judged_by_the_best_of_its_variants_and_what_it_said_is_told():
    from forecast_report import compare

    own = rows({(0, "a"): 1.0, (1, "a"): 1.0})
    said = rows({(0, "a"): 3.0, (1, "a"): 3.0}, by="hours", spread=None).with_columns(pl.col("spread").cast(pl.Float64))
    wide = rows({(0, "a"): 0.5, (1, "a"): 1.0}, by="days", spread=0.1)
    narrow = rows({(0, "a"): 9.0, (1, "a"): 9.0}, by="days", spread=0.0)
    found = compare(own, pl.concat([said, wide, narrow]), "other")
    assert found.value == pytest.approx(2 / 1.5 - 1)
    assert found.variant == "its days, spread 0.1"
    assert found.theirs_as_said == pytest.approx(0.3)


def test_weeks_of_one_origin_win_and_lose_nothing():
    from forecast_report import compare

    assert compare(rows({(0, "a"): 1.0}), rows({(0, "a"): 2.0}), "other").verdict == "one origin"


def test_the_hardest_opponent_is_sought_among_those_with_half_of_the_origins():
    from forecast_report import Difference, hardest

    def found(method: str, value: float, origins: int) -> Difference:
        return Difference(method, value, None, None, 1.0, 1.0, origins, 1)

    some = [found("a", -0.1, 13), found("b", 0.2, 3), found("c", -0.2, 13)]
    assert hardest(some, ("a", "b", "c"), 13).method == "a"
    assert hardest(some, ("a", "b", "c")).method == "b"
    assert hardest(some, ("d",)) is None


# ---- bars, growth, truth ----


def test_a_bar_to_reach_is_met_from_there_on_and_one_not_measured_never_is():
    from report import Bar

    assert Bar("", "", 50, 50.0, at_least=True).is_met
    assert not Bar("", "", 50, 49.9, at_least=True).is_met
    assert not Bar("", "", 50, None, at_least=True).is_met
    assert Bar("", "", 50, 49.9).is_met


def test_a_cost_that_doubles_with_the_size_grows_with_the_power_of_one():
    from forecast_speed import power

    assert power([(500, 2.0), (1000, 4.0), (2000, 8.0)]) == pytest.approx(1)
    assert power([(1, 1.0), (2, 4.0)]) == pytest.approx(2)


def test_an_effect_is_told_by_the_same_hours_of_ordinary_weeks():
    from forecast_truth import effect

    rates = np.tile(1 + np.arange(168) % 24, 9).astype(float)
    special, avoid = np.zeros((2, len(rates)), dtype=bool)
    special[4 * 168 : 4 * 168 + 24] = True
    rates[special] *= 1.5
    # The week after has a holiday of its own, which is no week to compare with.
    avoid[5 * 168 : 5 * 168 + 24] = True
    rates[avoid] *= 3
    assert effect(rates, special, avoid) == pytest.approx(1.5)
    assert np.isnan(effect(rates, special, np.ones_like(avoid)))


def test_opponents_see_holes_filled_with_the_usual_hour_and_the_week_on_its_day():
    from forecast_peers import WEEK, Known

    counts = np.tile(np.arange(WEEK, dtype=np.float32), 3)[None]
    counts[0, 5] = np.nan
    first_day = date(2026, 1, 7)
    known = Known(counts, np.array(["force"]), np.array(["F"]), np.array([-1]), np.array([True]), first_day,
                  np.full(77, ""), np.zeros((0, 77 * 24)), np.zeros((1, 77 * 24)))  # fmt: skip
    assert known.filled(0)[5] == 5
    assert known.slots[0] == 48, "7 January 2026 is a Wednesday"
    assert len(known.filled(0, 2)) == 2 * WEEK
