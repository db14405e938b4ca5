"""Coverage: what is short, and how likely a call is late."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import tables
from bluelamp.coverage import find_coverage
from bluelamp.deployable import find_deployable
from bluelamp.offered_work import OfferedWork
from bluelamp.staffing import load_seen_by, require_staff
from tests.drawn import drawn
from tests.offered import LONDON, STANDARD, offered
from tests.rostered import DAY_AND_NIGHT, duties

ALONE = (1,) * 24


def always(officers: int, pool: str = "R1", days: int = 1) -> pl.DataFrame:
    """So many officers on duty all the time, a minute before and after included."""
    rows = [f"P{number} | {pool} | 04 23:59 | {5 + days:02d} 00:01" for number in range(officers)]
    return duties(*rows)


def cover(
    work: OfferedWork,
    on_duty: pl.DataFrame,
    *,
    crew: tuple[int, ...] = ALONE,
    minimums: pl.DataFrame | None = None,
    other_pools: pl.DataFrame | None = None,
    forecast: pl.DataFrame | None = None,
    kinds: dict[str, str] | None = None,
    method: str = "mol",
) -> pl.DataFrame:
    ends_at = work.hours[-1] + timedelta(hours=1)
    others = tables.empty("pools") if other_pools is None else other_pools
    required = require_staff(
        work,
        tables.empty("minimums") if minimums is None else minimums,
        others,
        time_zone=LONDON,
        crew_size_by_hour=crew,
        abstraction=0.3,
        utilisation=0.6,
        methods=[method],
    )
    areas = pl.DataFrame(
        [
            {"area_id": area, "level": "area", "kind": (kinds or {}).get(area, "all"), "is_approximate": False}
            for area in work.pool_hours.area_ids
            if area != "unknown"
        ],
        schema=tables.table("areas").polars_schema,
    )
    no_more = (tables.empty(name) for name in ("people", "absences", "commitments", "vehicles"))
    deployable = find_deployable(
        on_duty, *no_more, others, pool_hours=work.pool_hours, hours=work.hours, ends_at=ends_at, time_zone=LONDON,
        crew_size_by_hour=crew,
    )  # fmt: skip
    return find_coverage(
        tables.empty("forecast") if forecast is None else forecast,
        required,
        deployable.table,
        areas,
        work=work,
        load=load_seen_by(method, work),
        method=method,
        force_id="F",
    )


def figures(coverage: pl.DataFrame, column: str, level: str = "pool", place: str | None = None) -> list:
    rows = coverage.filter(level=level) if place is None else coverage.filter(level=level, place_id=place)
    return rows.sort("place_id", "hour_starting")[column].to_list()


def late_by_hand(
    units: int, load: float, minutes: float, service: float = 60, ahead_and_own: float | None = None
) -> float:
    """Erlang C with urgent calls first, from its definition."""
    if units <= load:
        waits = 1.0
    else:
        top = load**units / math.factorial(units) * units / (units - load)
        waits = top / (sum(load**n / math.factorial(n) for n in range(units)) + top)
    room = units - (load if ahead_and_own is None else ahead_and_own)
    return waits * math.exp(-room * minutes / service) if room > 0 else 1.0


# ---- the gap ----


def test_the_gap_is_what_is_there_less_what_is_needed():
    work = offered({("a", "1"): 6.0}, multipliers=[0.5, 1.0, 1.5])
    coverage = cover(work, always(9))
    row = coverage.filter(level="pool").row(12, named=True)
    assert row["units_on_duty"] == row["officers_on_duty"] == 9
    assert row["units_gap"] == 9 - row["units_required"]
    assert row["officers_gap"] == 9 - row["officers_required"]
    required = require_staff(
        work, tables.empty("minimums"), tables.empty("pools"), time_zone=LONDON, crew_size_by_hour=ALONE,
        abstraction=0.3, utilisation=0.6, methods=["mol"],
    ).filter(grade_code="all").row(12, named=True)  # fmt: skip
    assert row["units_gap_p10"] == 9 - required["units_required_p90"]
    assert row["units_gap_p90"] == 9 - required["units_required_p10"]
    assert row["units_gap_p10"] <= row["units_gap"] <= row["units_gap_p90"]


def test_a_gap_is_negative_when_too_few_are_on_duty():
    coverage = cover(offered({("a", "1"): 6.0}), always(3))
    assert set(figures(coverage, "units_gap")) == {3 - 10}


def test_an_odd_officer_crews_no_unit_of_two():
    crew = tuple(2 if hour >= 12 else 1 for hour in range(24))
    coverage = cover(offered({("a", "1"): 1.0}), always(5), crew=crew)
    assert figures(coverage, "units_on_duty") == [5] * 12 + [2] * 12
    assert figures(coverage, "officers_on_duty") == [5] * 24


def test_where_no_duties_are_on_hand_the_requirement_stands_alone():
    coverage = cover(offered({("a", "1"): 2.0}), tables.empty("duties"))
    unknown = [
        "units_on_duty", "officers_on_duty", "units_gap", "units_gap_p10", "units_gap_p90", "officers_gap",
        "chance_late", "chance_late_p10", "chance_late_p90", "chance_any_late", "expected_delay_minutes",
    ]  # fmt: skip
    assert coverage.select(pl.col(unknown).is_null().all()).row(0) == (True,) * len(unknown)
    assert coverage.filter(pl.col("level") != "area")["units_required"].min() >= 1


def test_hours_that_need_nobody_are_kept_because_spare_officers_are_a_finding():
    coverage = cover(offered({("a", "1"): 0.0}), always(4))
    assert figures(coverage, "units_gap") == [4] * 24
    assert figures(coverage, "chance_late") == [None] * 24


def test_areas_carry_nothing_of_their_pool():
    coverage = cover(offered({("a", "1"): 3.0, ("b", "1"): 1.0}), always(6))
    areas = coverage.filter(level="area")
    assert areas.height == 48
    of_pools = [name for name in coverage.columns if name.startswith(("units_", "officers_"))] + [
        "binds",
        "binding_grade",
    ]
    assert areas.select(pl.col(of_pools).is_null().all()).row(0) == (True,) * len(of_pools)
    assert set(areas["pool_id"]) == {"R1"}


def test_the_force_is_its_pools_together():
    work = offered({("a", "1"): 3.0, ("b", "1"): 5.0}, pools=DAY_AND_NIGHT)
    others = always(4, "R2").with_columns(pl.col("duty_id", "person_id").str.pad_start(9, "n"))
    on_duty = pl.concat([always(5, "R1"), others])
    coverage = cover(work, on_duty)
    summed = ["units_required", "units_on_duty", "units_gap", "officers_required", "officers_required_gross",
              "officers_on_duty", "officers_gap"]  # fmt: skip
    pools = coverage.filter(level="pool").group_by("hour_starting").agg(pl.col(summed).sum()).sort("hour_starting")
    force = coverage.filter(level="force").sort("hour_starting")
    assert force.select("hour_starting", *summed).equals(pools)
    assert force["place_id"].unique().to_list() == ["F"]
    assert force["pool_id"].null_count() == force.height == 24
    assert set(figures(coverage, "units_on_duty", "force")) == {9}, "nobody is lost when pools hand over"


def test_a_pool_has_a_row_in_the_hours_that_it_runs():
    coverage = cover(offered({("a", "1"): 1.0, ("b", "1"): 1.0}, pools=DAY_AND_NIGHT), always(2, "N"))
    rows = coverage.filter(level="pool").group_by("place_id").len().sort("place_id").rows()
    assert rows == [("N", 9), ("R1", 15), ("R2", 15)]
    assert coverage.filter(level="area", place_id="a")["pool_id"].to_list() == ["N"] * 7 + ["R1"] * 15 + ["N"] * 2
    assert coverage.select(tables.table("coverage").key).is_duplicated().sum() == 0


# ---- targets that change ----


def test_a_target_that_changes_between_two_days_asks_and_judges_on_its_own_days_only():
    """It gives, day by day, what a force would get that always had that day's targets."""
    columns = f"{STANDARD} | valid_from | valid_to"
    before = "1 | all | 15 | 0.9 | received | arrived | 2 | 7"
    after = "1 | all | 90 | 0.6 | received | arrived | 5 | 20"
    grade_2 = "2 | all | 60 | 0.8 | received | arrived | 2 | 7"
    grade_3 = "3 | all | 30 | 0.8 | received | arrived | 2 | 7"
    changing = drawn(
        "standards", columns, f"{before} | | 2026-01-05", f"{after} | 2026-01-06 |", f"{grade_2} | |",
        f"{grade_3} | 2026-01-06 |",
    )  # fmt: skip
    rates = {("a", "1"): 3.0, ("a", "2"): 2.0, ("a", "3"): 0.5}

    def planned(standards: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        work = offered(rates, standards=standards, multipliers=(0.8, 1.2), days=2)
        asked = require_staff(
            work, tables.empty("minimums"), tables.empty("pools"), time_zone=LONDON, crew_size_by_hour=ALONE,
            abstraction=0.3, utilisation=0.6, methods=["mol", "workload"],
        )  # fmt: skip
        return asked, cover(work, always(8, days=2))

    found = planned(changing)
    first, second = (
        planned(drawn("standards", STANDARD, *rows)) for rows in ((before, grade_2), (after, grade_2, grade_3))
    )
    for whole, day_1, day_2 in zip(found, first, second, strict=True):
        is_first = pl.col("hour_starting").dt.day() == 5
        assert whole.filter(is_first).equals(day_1.filter(is_first))
        assert whole.filter(~is_first).equals(day_2.filter(~is_first))
        assert not whole.filter(is_first).drop("hour_starting").equals(whole.filter(~is_first).drop("hour_starting"))


# ---- lateness, one grade ----


def test_one_grade_and_one_target_are_erlang_c():
    coverage = cover(offered({("a", "1"): 4.0}), always(6))
    late = late_by_hand(6, 4.0, 6)
    assert figures(coverage, "chance_late") == pytest.approx([late] * 24, abs=6e-4)
    assert figures(coverage, "chance_any_late") == pytest.approx([1 - math.exp(-4 * late)] * 24, abs=6e-4)
    for level in ("area", "force"):
        assert figures(coverage, "chance_late", level) == figures(coverage, "chance_late")
        assert figures(coverage, "chance_any_late", level) == figures(coverage, "chance_any_late")


def test_the_delay_is_the_wait_and_what_handling_and_travel_take():
    coverage = cover(offered({("a", "1"): 4.0}), always(6))
    wait = late_by_hand(6, 4.0, 0) * 60 / (6 - 4.0)
    assert figures(coverage, "expected_delay_minutes") == pytest.approx([9 + wait] * 24, abs=0.051)


def test_more_load_than_units_makes_every_call_late_and_the_delay_endless():
    coverage = cover(offered({("a", "1"): 4.0}), always(4))
    assert figures(coverage, "chance_late") == [1.0] * 24
    assert figures(coverage, "chance_any_late") == pytest.approx([1 - math.exp(-4)] * 24, abs=6e-4)
    assert figures(coverage, "expected_delay_minutes") == [None] * 24


def test_a_busy_sample_has_more_of_the_calls_and_the_range_is_that_of_samples():
    samples = [0.5, 1.0, 1.5]
    coverage = cover(offered({("a", "1"): 4.0}, multipliers=samples), always(7))
    late = [late_by_hand(7, 4 * each, 6) for each in samples]
    mean = sum(each * chance for each, chance in zip(samples, late, strict=True)) / 3
    any_late = sum(1 - math.exp(-4 * each * chance) for each, chance in zip(samples, late, strict=True)) / 3
    row = coverage.filter(level="pool").row(0, named=True)
    assert row["chance_late"] == pytest.approx(mean, abs=6e-4)
    assert row["chance_late_p10"] == pytest.approx(late[0], abs=6e-4)
    assert row["chance_late_p90"] == pytest.approx(late[2], abs=6e-4)
    assert row["chance_any_late"] == pytest.approx(any_late, abs=6e-4)


def test_units_at_long_commitments_answer_nothing():
    """Three are away on average: a chance of lateness is the mean over how many are, with the rest in the queue."""
    service = drawn(
        "service_times",
        "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | long_minutes | "
        "long_stay_minutes | source",
        "x          | all        | 1              | 1                    | 60               | 45           | "
        "600               | drawn",
    )
    work = offered({("a", "1"): 4.0}, service_times=service, multipliers=[1.0] * 64)
    away = work.away[:, 0, 0]
    assert away.mean() == pytest.approx(3, rel=0.03)
    by_hand = np.mean([late_by_hand(10 - gone, 4.0, 6) for gone in away])
    coverage = cover(work, always(10))
    assert figures(coverage, "chance_late")[0] == pytest.approx(by_hand, abs=6e-4)
    assert by_hand > 5 * late_by_hand(10, 4.0, 6)
    assert figures(coverage, "units_required")[0] >= 8 + 3


def test_calls_that_no_unit_goes_to_can_not_be_late():
    service = drawn(
        "service_times",
        "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | source",
        "x          | all        | 0.25           | 1                    | 60               | drawn",
    )
    coverage = cover(offered({("a", "1"): 16.0}, service_times=service), always(6))
    late = late_by_hand(6, 4.0, 6)
    assert figures(coverage, "chance_any_late") == pytest.approx([1 - math.exp(-4 * late)] * 24, abs=6e-4)


# ---- lateness, several grades ----

TWO_GRADES = drawn(
    "standards",
    STANDARD,
    "1 | all | 15 | 0.9 | received | arrived | 2 | 7",
    "2 | all | 60 | 0.8 | received | arrived | 2 | 7",
)


def test_urgent_calls_go_first():
    work = offered({("a", "1"): 1.0, ("b", "2"): 3.0}, standards=TWO_GRADES)
    coverage = cover(work, always(6))
    urgent, patient = (figures(coverage, "chance_late", "area", place)[0] for place in ("a", "b"))
    assert urgent == pytest.approx(late_by_hand(6, 4.0, 6, ahead_and_own=1.0), abs=6e-4)
    # A call of grade 2 waits 60 × 6 / ((6 - 1) (6 - 4)) = 36 minutes on average where it waits at all.
    assert patient == pytest.approx(late_by_hand(6, 4.0, 0) * math.exp(-51 / 36), abs=6e-4)
    pool = figures(coverage, "chance_late")[0]
    assert pool == pytest.approx((urgent + 3 * patient) / 4, abs=6e-4)


def test_streams_are_told_apart_and_an_immediate_call_has_its_own_chance():
    rows = drawn(
        "standards", f"{STANDARD} | stream",
        "1 | all | 15 | 0.9 | received | arrived | 2 | 7 | immediate",
        "2 | all | 60 | 0.8 | received | arrived | 2 | 7 | deferrable",
        "3 | all | 60 | 0.8 | received | arrived | 2 | 7 | scheduled",
    )  # fmt: skip
    work = offered({("a", "1"): 1.0, ("b", "2"): 2.0, ("a", "3"): 1.0, ("b", "4"): 4.0}, standards=rows)
    forecast = drawn(
        "forecast",
        "level|area_id|span|hour_starting|class_code|grade_code|incidents_mean|officer_hours_mean|method",
        "area  | b  | hour | 2026-01-05T12:00:00Z | all | all | 6 | 2 | m",
        "pool  | R1 | hour | 2026-01-05T12:00:00Z | all | all | 8 | 2 | m",
        "force | F  | hour | 2026-01-05T12:00:00Z | all | all | 8 | 3 | m",
    )
    coverage = cover(work, always(8), forecast=forecast)
    noon = coverage.filter(pl.col("hour_starting").dt.hour() == 12).select("place_id", "^(imm|def|sch).*_mean$")
    # Grade 4 has no target, and is in no stream.
    assert {place: tuple(means) for place, *means in noon.rows() if place != "a"} == {
        "R1": (1.0, 2.0, 1.0), "F": (1.0, 2.0, 1.0), "b": (0.0, 2.0, 0.0),
    }  # fmt: skip
    urgent, patient, of_both = (
        figures(coverage, "chance_late", *place)[0] for place in (("area", "a"), ("area", "b"), ("pool", "R1"))
    )
    assert 0 < patient < urgent < 1, "an hour is easier to keep than a quarter of one"
    assert of_both == pytest.approx((urgent + 2 * patient) / 3, abs=1e-3)
    for place in (("area", "a"), ("pool", "R1"), ("force", "F")):
        assert figures(coverage, "chance_late_immediate", *place)[0] == pytest.approx(urgent, abs=1e-3)
    assert figures(coverage, "chance_late_immediate", "area", "b") == [None] * 24


def test_urgent_calls_are_reached_although_there_is_more_work_than_units():
    work = offered({("a", "1"): 1.0, ("b", "2"): 6.0}, standards=TWO_GRADES)
    coverage = cover(work, always(5))
    assert figures(coverage, "chance_late", "area", "b") == [1.0] * 24
    assert figures(coverage, "chance_late", "area", "a")[0] == pytest.approx(math.exp(-4 * 0.1), abs=6e-4)


def test_grades_with_the_same_target_stand_in_one_line():
    same = drawn("standards", STANDARD, "all | all | 15 | 0.9 | received | arrived | 2 | 7")
    split = cover(offered({("a", "1"): 1.0, ("a", "2"): 2.0, ("a", "3"): 1.0}, standards=same), always(5))
    whole = cover(offered({("a", "1"): 4.0}, standards=same), always(5))
    columns = ["chance_late", "chance_any_late", "expected_delay_minutes"]
    for level in ("area", "pool", "force"):
        of_level = (each.filter(level=level).select(columns) for each in (split, whole))
        np.testing.assert_allclose(*(each.to_numpy() for each in of_level), atol=0.0011)


def test_a_grade_without_a_target_is_not_judged_and_waits_for_the_others():
    alone = cover(offered({("a", "1"): 2.0, ("b", "9"): 2.0}, standards=TWO_GRADES), always(5))
    assert figures(alone, "chance_late", "area", "b") == [None] * 24
    expected = late_by_hand(5, 4.0, 6, ahead_and_own=2.0)
    assert figures(alone, "chance_late") == pytest.approx([expected] * 24, abs=6e-4)
    assert figures(alone, "chance_late", "force") == figures(alone, "chance_late")


def test_a_call_that_may_wait_till_tomorrow_is_not_late_because_of_a_short_night():
    standards = drawn("standards", STANDARD, "1 | all | 1440 | 0.9 | received | dispatched | 0 | 0")
    rows = [f"P{number} | R1 | {day} 07:00 | {day} 23:00" for number in range(8) for day in ("05", "06")]
    on_duty = duties(*rows, "P9 | R1 | 05 00:00 | 07 00:00")
    patient = cover(offered({("a", "1"): 3.0}, standards=standards, days=2), on_duty)
    # Over any day 6.7 units are on duty on average, against 3 busy.
    assert max(figures(patient, "chance_late")[:24]) < 0.01
    hurried = cover(offered({("a", "1"): 3.0}, days=2), on_duty)
    assert figures(hurried, "chance_late")[2] == 1.0


def test_an_area_is_judged_by_its_own_kind_and_its_own_calls():
    standards = drawn(
        "standards",
        STANDARD,
        "1 | urban | 15 | 0.9 | received | arrived | 2 | 7",
        "1 | rural | 29 | 0.9 | received | arrived | 2 | 12",
    )
    kinds = {"a": "urban", "b": "rural"}
    coverage = cover(
        offered({("a", "1"): 3.0, ("b", "1"): 1.0}, standards=standards, kinds=kinds), always(6), kinds=kinds
    )
    urban, rural = late_by_hand(6, 4.0, 6), late_by_hand(6, 4.0, 15)
    assert figures(coverage, "chance_late", "area", "a")[0] == pytest.approx(urban, abs=6e-4)
    assert figures(coverage, "chance_late", "area", "b")[0] == pytest.approx(rural, abs=6e-4)
    assert figures(coverage, "chance_late")[0] == pytest.approx((3 * urban + rural) / 4, abs=6e-4)
    assert figures(coverage, "chance_any_late", "area", "b")[0] == pytest.approx(1 - math.exp(-rural), abs=6e-4)


def test_a_place_that_is_unknown_has_no_pool_and_no_chance_but_its_work_is_in_the_pools():
    pools = DAY_AND_NIGHT.filter(pool_id="N").with_columns(from_hour=pl.lit(0), to_hour=pl.lit(24))
    coverage = cover(offered({("a", "1"): 3.0, ("b", "1"): 0.5, ("unknown", "1"): 0.5}, pools=pools), always(6, "N"))
    assert figures(coverage, "chance_late", "area", "unknown") == [None] * 24
    assert figures(coverage, "pool_id", "area", "unknown") == [None] * 24
    assert figures(coverage, "chance_late")[0] == pytest.approx(late_by_hand(6, 4.0, 6), abs=6e-4)


# ---- what holds whatever comes ----


@settings(max_examples=25, deadline=None)
@given(
    first=st.lists(st.floats(0, 12), min_size=24, max_size=24),
    second=st.lists(st.floats(0, 12), min_size=24, max_size=24),
    spread=st.floats(0, 0.9),
    officers=st.integers(0, 25),
)
def test_chances_are_chances_and_one_more_officer_never_makes_calls_later(first, second, spread, officers):
    work = offered(
        {("a", "1"): first, ("b", "2"): second}, standards=TWO_GRADES, multipliers=[1 - spread, 1.0, 1 + spread]
    )
    before, after = (cover(work, always(number)) for number in (officers, officers + 1))
    chances = ["chance_late", "chance_late_p10", "chance_late_p90", "chance_any_late"]
    for found in (before, after):
        for name in chances:
            values = found[name].drop_nulls()
            assert ((values >= 0) & (values <= 1)).all()
        assert found.filter(pl.col("chance_late_p10") > pl.col("chance_late_p90")).is_empty()
        assert found.filter(pl.col("expected_delay_minutes") < 9).is_empty(), "handling and travel take 9 minutes"
    if officers:
        both = before.join(after, on=tables.table("coverage").key, suffix="_after")
        assert both.height == before.height
        for name in chances:
            assert both.filter(pl.col(f"{name}_after") > pl.col(name)).is_empty()


# ---- other roles, and demand beside it all ----


def test_other_roles_have_their_minimum_against_their_officers():
    custody = drawn("pools", "pool_id | role_code | area_id | from_hour | to_hour", "C1 | custody | a | 0 | 24")
    least = drawn(
        "minimums", "pool_id | role_code | from_hour | to_hour | minimum_officers", "C1 | custody | 8 | 20 | 3"
    )
    on_duty = pl.concat(
        [always(4), duties("C1 | C1 | 05 06:00 | 05 14:00", "C2 | C1 | 05 10:00 | 05 18:00", role="custody")]
    )
    coverage = cover(offered({("a", "1"): 1.0}), on_duty, minimums=least, other_pools=custody)
    rows = coverage.filter(role_code="custody").sort("hour_starting")
    assert set(rows["level"]) == {"pool"}
    assert rows["officers_required"].to_list() == [3] * 12
    assert rows["officers_on_duty"].to_list() == [1, 1, 2, 2, 2, 2, 1, 1, 1, 1, None, None]
    assert rows["officers_gap"].to_list() == [-2, -2, -1, -1, -1, -1, -2, -2, -2, -2, None, None]
    assert rows["chance_late"].null_count() == 12
    force = coverage.filter(level="force")
    assert set(force["role_code"]) == {"response"}
    assert set(force["officers_on_duty"]) == {4}


def test_demand_stands_beside_cover_at_every_level():
    forecast = drawn(
        "forecast",
        "level|area_id|span|hour_starting|class_code|grade_code|incidents_mean|officer_hours_mean|method",
        "area  | a  | hour | 2026-01-05T12:00:00Z | all | all | 3   | 2   | m",
        "area  | a  | hour | 2026-01-05T12:00:00Z | all | 1   | 9   | 9   | m",
        "area  | a  | day  | 2026-01-05T12:00:00Z | all | all | 99  | 99  | m",
        "pool  | R1 | hour | 2026-01-05T12:00:00Z | all | all | 3.5 | 2.5 | m",
        "force | F  | hour | 2026-01-05T12:00:00Z | all | all | 4   | 3   | m",
    )
    coverage = cover(offered({("a", "1"): 3.0}), always(6), forecast=forecast)
    noon = coverage.filter(pl.col("hour_starting").dt.hour() == 12)
    expected = {row["level"]: (row["incidents_mean"], row["officer_hours_mean"]) for row in noon.to_dicts()}
    assert expected == {"area": (3.0, 2.0), "pool": (3.5, 2.5), "force": (4.0, 3.0)}
    assert noon.height == 3
    tables.check(coverage, "coverage")
