"""The whole flow: the same every time, on any number of threads, and never wiser than it could have been."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bluelamp import plan, reading, tables
from bluelamp.errors import NoInput, UsageError
from bluelamp.plan import Planned, crew_by_hour
from bluelamp.sources.twin import make_twin
from tests.planned import UNTIL, planned, small_settings, twin

LONDON = "Europe/London"
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)


def prints(run: Planned) -> dict[str, str]:
    return {name: tables.fingerprint(frame, name) for name, frame in (run.results | run.used).items()}


def compute(settings=None, forecast_from: datetime | None = None, **changed: pl.DataFrame) -> Planned:
    return plan.compute(twin().tables | changed, settings or small_settings(), forecast_from=forecast_from)


# ---- what comes out ----


@pytest.mark.parametrize("name", plan.RESULTS + reading.USED)
def test_what_comes_out_is_the_table_that_it_says(name):
    run = planned()
    frame = (run.results | run.used)[name]
    assert tables.check(frame, name).equals(frame)
    assert tables.publish(frame, name).equals(frame), "published twice is published once"


def test_every_incident_is_in_demand():
    assert planned().results["demand"]["incidents"].sum() == twin().tables["incidents"].height


def test_the_forecast_begins_at_the_midnight_after_the_data_ends():
    run = planned()
    assert run.forecast_from == MIDNIGHT
    assert run.data_until == datetime(2026, 11, 23, tzinfo=UTC)
    assert run.results["forecast"]["hour_starting"].min() == MIDNIGHT
    assert run.results["coverage"]["hour_starting"].max() == MIDNIGHT + timedelta(days=7, hours=-1)


def test_coverage_has_the_requirement_of_the_chosen_method():
    run = planned()
    required = run.results["required_staff"].filter(method="mol", grade_code="all")
    pools = run.results["coverage"].filter(level="pool")
    both = pools.join(required, on=["pool_id", "role_code", "hour_starting"], suffix="_asked", validate="1:1")
    assert both.height == pools.height == required.height
    for column in ("units_required", "officers_required", "officers_required_gross"):
        assert both[column].equals(both[f"{column}_asked"].alias(column))
    assert (both["units_gap"] == both["units_on_duty"] - both["units_required"]).all()


def test_a_short_forecast_needs_no_fewer_days_of_paths_to_be_asked_for():
    run = compute(small_settings(forecast={"days": 2, "path_days": 56}))
    assert run.results["coverage"]["hour_starting"].n_unique() == 48
    assert run.results["forecast"].filter(span="day", level="force")["hour_starting"].n_unique() == 2


# ---- who can go out ----


def test_a_force_that_gives_no_more_than_duties_has_its_sheet_in_coverage():
    run = planned()
    hours = run.results["coverage"]["hour_starting"].unique().sort()
    starts, hour = hours.dt.epoch("s").to_numpy(), 3600
    duties = twin().tables["duties"].filter(role_code="response")
    there = np.zeros(len(hours))
    for begins, ends in duties.select(pl.col("starts_at", "ends_at").dt.epoch("s")).iter_rows():
        there += np.clip(np.minimum(ends, starts + hour) - np.maximum(begins, starts), 0, None)
    deployable = run.results["deployable"]
    of_force = (
        deployable.filter(role_code="response").group_by("hour_starting").agg(pl.col("officers_deployable").sum())
    )
    assert of_force.sort("hour_starting")["officers_deployable"].to_list() == pytest.approx(there / hour)
    for role in ("response", "custody"):
        rows = run.results["coverage"].filter(level="pool", role_code=role)
        both = rows.join(deployable, on=["pool_id", "role_code", "hour_starting"], validate="1:1")
        assert both.height == rows.height > 0
        assert (both["officers_on_duty"] == both["officers_deployable"].floor()).all()
        assert (both["units_on_duty"] == both["units_deployable"].floor()).all()
    nobody = compute(people=tables.empty("people"))
    assert prints(nobody) == prints(run), "people without flags say no more than no people"
    assert run.notes[-1] == (
        "No 'absences', 'commitments' or 'vehicles' are given. It is taken that everybody with a duty is there, that "
        "no planned operation takes anybody away and that there is a vehicle for every unit."
    )


def test_what_keeps_officers_from_calls_is_in_the_gap():
    people = twin().tables["people"]
    away = tables.check(
        people.select(
            "person_id", absence_id="person_id", kind=pl.lit("sickness"), starts_at=pl.lit(MIDNIGHT),
            ends_at=pl.lit(MIDNIGHT + timedelta(days=1)),
        ),
        "absences",
    )  # fmt: skip
    pools = twin().tables["pools"].filter(role_code="response")["pool_id"].unique().sort()
    day_two = MIDNIGHT + timedelta(days=1)
    draw = tables.check(
        pl.DataFrame(
            [{"commitment_id": "OP", "kind": "football", "pool_id": pools[0], "role_code": "response", "officers": 1.0,
              "starts_at": day_two + timedelta(hours=10), "ends_at": day_two + timedelta(hours=12)},
             {"commitment_id": "OP", "kind": "football", "pool_id": "R-X", "role_code": "response", "officers": 1.0,
              "starts_at": day_two + timedelta(hours=10), "ends_at": day_two + timedelta(hours=12)}]
        ),
        "commitments",
    )  # fmt: skip
    cars = tables.check(
        pl.DataFrame([{"pool_id": pools[0], "from_hour": 14, "to_hour": 16, "vehicles": 0}]), "vehicles"
    )
    run = compute(
        small_settings(duties={"briefing_minutes": 30, "refreshments": [{"at_least_hours": 0, "minutes": 60}]}),
        absences=away, commitments=draw, vehicles=cars,
    )  # fmt: skip
    before, after = (
        each.results["coverage"].filter(level="pool", role_code="response").sort("place_id", "hour_starting")
        for each in (planned(), run)
    )
    first_day = pl.col("hour_starting") < day_two
    assert after.filter(first_day)["officers_on_duty"].max() == 0
    assert (after["units_gap"] <= before["units_gap"]).all()
    assert after.filter(~first_day)["officers_on_duty"].sum() < before.filter(~first_day)["officers_on_duty"].sum()
    steps = run.results["deployable"].filter(pool_id=pools[0]).sort("hour_starting")
    assert steps.filter(pl.col("officers_on_operations") > 0)["hour_starting"].to_list() == [
        day_two + timedelta(hours=10), day_two + timedelta(hours=11),
    ]  # fmt: skip
    without_cars = after.filter(pl.col("hour_starting") == day_two + timedelta(hours=14), place_id=pools[0])
    assert without_cars["units_on_duty"].to_list() == [0]
    assert steps["officers_briefing"].sum() > 0
    assert steps["officers_refreshments"].sum() > 0
    said = "\n".join(run.notes)
    assert "1 row of 'commitments' speak of pools that 'pools' does not have for that role (R-X)" in said
    assert "are given. It is taken" not in said


# ---- the same every time ----


def test_a_second_run_is_the_same_to_the_last_digit():
    again = compute()
    assert prints(again) == prints(planned())
    assert again.parameters == planned().parameters
    assert again.notes == planned().notes


def test_the_order_in_which_rows_were_imported_does_not_show():
    shuffled = {name: frame.sample(fraction=1, shuffle=True, seed=4) for name, frame in twin().tables.items()}
    assert prints(compute(**shuffled)) == prints(planned())


PROGRAM = """
import json, sys
from datetime import date
from hashlib import sha256
import polars
from bluelamp import plan, settings, tables
from bluelamp.sources.twin import make_twin

twin = make_twin(areas=8, days=364, seed=11, until=date(2026, 11, 23))
values = settings.parse(twin.settings).model_dump()
values["forecast"] |= {"paths": 40, "path_days": 3, "days": 5}
run = plan.compute(twin.tables, settings.from_values(values))
found = {name: tables.fingerprint(frame, name) for name, frame in (run.results | run.used).items()}
found |= {"parameters": sha256(run.parameters).hexdigest(), "notes": run.notes, "threads": polars.thread_pool_size()}
json.dump(found, sys.stdout)
"""


def test_one_thread_and_two_give_the_same_to_the_last_digit():
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdout=subprocess.PIPE,
            env={**os.environ, "POLARS_MAX_THREADS": threads, "OMP_NUM_THREADS": threads},
            cwd=Path(__file__).parents[1],
        )
        for threads in ("1", "2")
    ]
    one, two = (json.loads(each.communicate(timeout=120)[0]) for each in running)
    assert (one.pop("threads"), two.pop("threads")) == (1, 2)
    assert one == two


# ---- never wiser than it could have been ----


EARLIER = MIDNIGHT - timedelta(days=14)


@lru_cache(maxsize=1)
def two_weeks_ago() -> Planned:
    return compute(forecast_from=EARLIER)


def test_an_earlier_run_is_what_it_would_have_been_then():
    known = twin().tables["incidents"].filter(pl.col("received_at") < EARLIER)
    assert prints(compute(forecast_from=EARLIER, incidents=known)) == prints(two_weeks_ago())
    assert two_weeks_ago().data_until <= EARLIER
    assert two_weeks_ago().results["demand"]["hour_starting"].max() < EARLIER


def test_shuffling_the_future_changes_nothing_to_the_last_digit():
    calls = twin().tables["incidents"]
    future = calls.filter(pl.col("received_at") >= EARLIER)
    # Other places, classes and origins, an outage, and times ten times as long.
    upside_down = future.with_columns(
        pl.col("area_id", "class_code", "origin", "units", "grade_code").reverse(),
        cleared_at=pl.col("cleared_at") + pl.duration(hours=9),
    ).filter(pl.col("received_at").dt.day() != 15)
    shuffled = pl.concat([calls.filter(pl.col("received_at") < EARLIER), upside_down])
    assert prints(compute(forecast_from=EARLIER, incidents=shuffled)) == prints(two_weeks_ago())


def test_a_day_that_is_not_over_is_not_learnt_from_as_a_quiet_one():
    noon = MIDNIGHT - timedelta(hours=12)
    calls = twin().tables["incidents"]
    cut = compute(incidents=calls.filter(pl.col("received_at") < noon))
    assert cut.forecast_from == MIDNIGHT
    assert cut.data_until <= noon
    expected = planned().results["forecast"].filter(level="force", span="day", class_code="all", grade_code="all")
    found = cut.results["forecast"].filter(level="force", span="day", class_code="all", grade_code="all")
    # Sunday is the day that was cut: of twenty Sundays it would have taken a fortieth.
    ratio = found["incidents_mean"] / expected["incidents_mean"]
    assert ratio.min() > 0.985


def test_days_without_data_before_the_first_hour_forecast_are_not_quiet_days():
    calls = twin().tables["incidents"].filter(pl.col("received_at") < EARLIER)
    later = compute(forecast_from=MIDNIGHT, incidents=calls)
    wanted = {"level": "force", "span": "day", "class_code": "all", "grade_code": "all"}
    week = [
        run.results["forecast"].filter(**wanted)["incidents_mean"].to_list()[:7] for run in (two_weeks_ago(), later)
    ]
    assert week[1] == pytest.approx(week[0], rel=0.01)


def test_a_forecast_begins_at_a_local_midnight():
    with pytest.raises(UsageError, match="A forecast begins at midnight in Europe/London"):
        compute(forecast_from=MIDNIGHT + timedelta(hours=6))
    with pytest.raises(UsageError, match="is not one there"):
        compute(forecast_from=datetime(2026, 7, 6, tzinfo=UTC))


def test_a_forecast_from_long_after_the_data_says_so_and_from_years_after_is_refused():
    (told,) = [note for note in compute(forecast_from=MIDNIGHT + timedelta(days=30)).notes if "incidents end" in note]
    assert told.startswith("The incidents end on 2026-11-22, 30 days before the first day of the forecast.")
    assert not [note for note in planned().notes if "incidents end" in note]
    with pytest.raises(UsageError, match=r"800 days before 2029-01-31.*Import newer incidents"):
        compute(forecast_from=MIDNIGHT + timedelta(days=800))


def test_without_incidents_there_is_nothing_to_plan_from():
    with pytest.raises(NoInput, match="There are no incidents to plan from"):
        plan.compute({}, small_settings())
    with pytest.raises(NoInput, match="There are no incidents before 2020-01-01 00:00 UTC"):
        compute(forecast_from=datetime(2020, 1, 1, tzinfo=UTC))


# ---- settings ----


def test_another_seed_draws_other_paths_for_the_same_expectation():
    other = compute(small_settings(forecast={"seed": 2})).results["forecast"]
    same = [
        "level",
        "area_id",
        "span",
        "hour_starting",
        "class_code",
        "grade_code",
        "incidents_mean",
        "officer_hours_mean",
    ]
    assert other.select(same).equals(planned().results["forecast"].select(same))
    assert not other.equals(planned().results["forecast"])


def test_the_staffing_method_decides_coverage_and_what_is_told_of_it_and_nothing_else():
    other = compute(small_settings(staffing={"method": "workload"}))
    changed = {name for name, each in prints(other).items() if each != prints(planned())[name]}
    assert changed == {"coverage", "headroom", "peaks", "time_budget"}
    peaks, others = (run.results["peaks"].drop("chance_short") for run in (planned(), other))
    assert peaks.equals(others)
    asked = other.results["required_staff"].filter(method="workload", grade_code="all", role_code="response")
    units = other.results["coverage"].filter(level="pool", role_code="response").sort("place_id", "hour_starting")
    assert units["units_required"].to_list() == asked.sort("pool_id", "hour_starting")["units_required"].to_list()


def test_a_plan_has_the_rungs_that_are_named_and_the_forces_own_and_says_how_targets_hold():
    run = compute(small_settings(staffing={"rungs": ("workload",), "target_probability": 0.8}))
    required = run.results["required_staff"]
    assert required["method"].unique().sort().to_list() == ["mol", "workload"]
    assert set(required.filter(method="mol", role_code="response")["target_probability"]) == {0.8}
    assert any("with a probability of 80% in each hour" in note for note in run.notes)
    usual = planned().results["required_staff"]
    assert usual["method"].unique().sort().to_list() == ["erlang_c", "mol", "priorities", "workload"]
    assert usual["target_probability"].null_count() == usual.height


def test_bigger_crews_need_the_same_units_and_more_officers():
    both = [compute(small_settings(staffing={"crewing": (), "crew_size": size})) for size in (1, 2)]
    required = [run.results["required_staff"].filter(grade_code="1", method="mol") for run in both]
    assert required[0]["units_required"].equals(required[1]["units_required"])
    assert (required[0]["officers_required"] * 2).equals(required[1]["officers_required"])
    hours = [run.results["demand"]["officer_hours"].sum() for run in both]
    assert hours[1] == pytest.approx(2 * hours[0], rel=1e-4)


def test_crewing_rows_decide_by_hour_and_the_first_that_holds_wins():
    crewing = (
        {"from_hour": 22, "to_hour": 7, "crew_size": 2},
        {"from_hour": 6, "to_hour": 8, "crew_size": 3},
    )
    found = crew_by_hour(small_settings(staffing={"crewing": crewing, "crew_size": 1}))
    assert found == (2,) * 7 + (3,) + (1,) * 14 + (2,) * 2


def test_origins_that_are_left_out_drive_nothing():
    run = compute(small_settings(demand={"origins": ("public",)}))
    public = twin().tables["incidents"].filter(origin="public").height
    assert any(note.startswith(f"{twin().tables['incidents'].height - public:,} incidents of") for note in run.notes)
    wanted = {"level": "force", "span": "day", "class_code": "all", "grade_code": "all"}
    less = run.results["forecast"].filter(**wanted)["incidents_mean"]
    assert (less < planned().results["forecast"].filter(**wanted)["incidents_mean"]).all()


# ---- a force that has given little, or what does not fit ----


def test_what_is_assumed_for_a_force_that_gave_incidents_alone_is_told():
    run = plan.compute({"incidents": twin().tables["incidents"]}, small_settings())
    said = "\n".join(run.notes)
    assert "No response targets were given" in said
    assert "No pools were given" in said
    assert "No duties are on hand" in said
    assert run.used["standards"]["source"].to_list() == ["assumption, because the force has given no standards"]
    assert run.results["coverage"].filter(level="pool")["units_required"].min() >= 1
    assert run.results["coverage"]["units_on_duty"].null_count() == run.results["coverage"].height


def test_a_force_without_places_is_one_area():
    placeless = (
        twin()
        .tables["incidents"]
        .with_columns(
            pl.lit(None, pl.String).alias("area_id"),
            *(pl.lit(None, pl.Float64).alias(each) for each in ("longitude", "latitude")),
        )
    )
    run = plan.compute({"incidents": placeless}, small_settings())
    assert any("the whole force is one area" in note for note in run.notes)
    assert run.results["demand"]["area_id"].n_unique() == 1
    assert "unknown" not in set(run.results["demand"]["area_id"])


def test_nothing_is_noted_of_a_force_that_fits_together():
    assert not [note for note in planned().notes if re.search("No response target|are left out|do not reach", note)]


def test_what_does_not_fit_together_is_told_and_not_dropped_in_silence():
    given = twin().tables
    run = compute(
        standards=given["standards"]
        .filter(grade_code="1")
        .with_columns(grade_code=pl.lit("P1"))
        .extend(given["standards"].filter(grade_code="1")),
        duties=given["duties"].with_columns(
            pool_id=pl.when(pl.col("duty_id") == given["duties"]["duty_id"][0]).then(pl.lit("R-X")).otherwise("pool_id")
        ),
        minimums=given["minimums"].with_columns(pool_id=pl.lit("R-Y")),
        pools=given["pools"].filter((pl.col("role_code") != "response") | (pl.col("from_hour") == 7)),
    )
    said = "\n".join(run.notes)
    assert "No response target applies to grade '2', '3'" in said
    assert "Response targets of grade 'P1' ask for nothing" in said
    assert "R-X" in said
    assert f"{given['minimums'].height} rows of 'minimums' speak of pools that 'pools' does not have" in said
    assert "In 63 hours no pool covers any area" in said


# ---- how far it is right ----


def inside(rows: pl.DataFrame, low: str = "p10", high: str = "p90") -> float:
    return rows.select(pl.col("came").is_between(pl.col(f"incidents_{low}"), pl.col(f"incidents_{high}")).mean()).item()


def test_targets_that_change_among_the_days_are_told_with_the_day():
    standards = twin().tables["standards"].with_columns(valid_to=pl.lit(date(2026, 11, 25)))
    later = standards.with_columns(valid_from=pl.lit(date(2026, 11, 26)), valid_to=None).filter(grade_code="1")
    changed = compute(standards=pl.concat([standards, later]))
    said = " ".join(changed.notes)
    assert "Response targets change on 2026-11-26" in said
    assert "No response target applies to grade '2' (on some days)" in said


def test_calls_without_a_grade_are_told_as_that_and_never_as_a_grade_named_none():
    given = twin().tables
    none = given["incidents"].with_columns(
        pl.when(pl.col(name) == "3").then(None).otherwise(name).alias(name)
        for name in ("grade_code", "opening_grade_code")
    )
    of_all = given["standards"].with_columns(pl.col("grade_code").replace("3", "all"))
    said = " ".join(compute(incidents=none, standards=of_all).notes)
    assert "Streams of grades: immediate 1, 2; deferrable 4, calls without a grade." in said
    ungraded = " ".join(compute(incidents=none, standards=given["standards"].filter(grade_code="1")).notes)
    assert "No response target applies to grade '2' and calls without a grade: those calls" in ungraded
    for words in (said, ungraded):
        assert not re.search(r"(grade|immediate|deferrable|scheduled|,) '?none", words)


def test_a_roster_that_ends_before_that_of_other_pools_is_told_with_how_long():
    given = twin().tables["duties"]
    pool = given.filter(role_code="response")["pool_id"].sort()[0]
    short = given.filter((pl.col("pool_id") != pool) | (pl.col("ends_at") < MIDNIGHT + timedelta(days=2)))
    (told,) = [note for note in compute(duties=short).notes if "do not reach" in note]
    assert told.startswith(f"The duties of {pool} do not reach as far as those of other pools: in ")


def test_intervals_on_a_made_up_future_hold_about_what_they_say():
    """Two forces, four weeks each, judged by incidents that no stage has seen and by the rates behind them."""
    hours, days = [], []
    for seed, length in ((1, 364), (3, 200)):
        made = make_twin(areas=6, days=length, seed=seed, until=UNTIL)
        run = plan.compute(made.tables, small_settings(forecast={"paths": 80, "path_days": 28, "days": 28}))
        future = made.truth["future_incidents"].filter(
            pl.col("origin").is_in(["public", "partner", "mandatory_internal", "unknown"])
        )
        local = pl.col("received_at").dt.convert_time_zone(LONDON)
        rows = run.results["forecast"].filter(level="force", class_code="all", grade_code="all")
        for span, unit, found in (("hour", "1h", hours), ("day", "1d", days)):
            came = future.group_by(hour_starting=local.dt.truncate(unit).dt.convert_time_zone("UTC")).agg(came=pl.len())
            found.append(
                rows.filter(span=span)
                .join(came, on="hour_starting", how="left")
                .with_columns(pl.col("came").cast(pl.Int64).fill_null(0))
            )
        truth = made.truth["hourly_rates"].filter(level="force").join(hours[-1], on="hour_starting")
        assert truth.height == 28 * 24
        # Four weeks on a force's level has moved by a season and its own drift.
        assert hours[-1]["incidents_mean"].sum() == pytest.approx(truth["expected_incidents"].sum(), rel=0.12)
    by_hour, by_day = pl.concat(hours), pl.concat(days)
    assert by_hour["came"].sum() == by_day["came"].sum()
    assert 0.80 < inside(by_hour) < 0.96, "whole numbers of two or three an hour hold more than they say"
    assert 0.62 < inside(by_day) < 0.92
    assert inside(by_day, "p025", "p975") > 0.82


def test_the_future_is_after_the_past():
    assert twin().truth["future_incidents"]["received_at"].min() > twin().tables["incidents"]["received_at"].max()
