"""What-if: the same weeks under two plans; what is not changed is the same to the last call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bluelamp.cli import app
from bluelamp.coming_work import read_coming
from bluelamp.errors import UsageError
from bluelamp.what_if import Change, TargetChanged, UnitsMoved, WhatIf, hours_of, read_change

RUN = CliRunner()


@pytest.fixture(scope="module")
def trial(small_force: Path) -> WhatIf:
    return WhatIf.of(read_coming(small_force, days=3), runs=12)


def force_of(trial: WhatIf, change: Change, grade: str = "1"):
    return trial.compare(change).table.filter(pool_id="all", grade_code=grade).row(0, named=True)


def test_nothing_changed_changes_nothing(trial):
    table = trial.compare(Change()).table
    assert table.height
    assert table["late_before"].equals(table["late_after"].alias("late_before"))
    assert (table["difference"] == 0).all()
    assert (table["difference_high"] == 0).all()


def test_more_demand_and_longer_calls_make_more_calls_late(trial):
    for change in (Change(demand=1.8), Change(service=2.0)):
        row = force_of(trial, change)
        assert row["difference_low"] > 0
    assert force_of(trial, Change(demand=1.8))["calls_after"] == pytest.approx(
        1.8 * force_of(trial, Change())["calls_before"], rel=0.1
    )


def test_a_tighter_target_is_missed_more_often_by_the_same_calls(trial):
    row = force_of(trial, Change(targets=(TargetChanged("1", minutes=9.0),)))
    assert row["calls_after"] == pytest.approx(row["calls_before"], rel=0.01)
    assert row["late_after"] >= row["late_before"]


def test_units_taken_from_a_pool_are_missed_there(trial):
    pool = trial.coming.ground.pool_hours.pool_ids[0]
    table = trial.compare(Change(units=(UnitsMoved(pool, -50),))).table.filter(grade_code="1")
    mine, others = table.filter(pool_id=pool), table.filter(~table["pool_id"].is_in([pool, "all"]))
    assert mine["late_after"][0] > 0.9
    assert (others["difference"].abs() < 0.2).all()


def test_pools_made_one_answer_each_others_calls(trial):
    pools = trial.coming.ground.pool_hours.pool_ids
    if len(pools) < 2:
        pytest.fail("the small force is to have several pools")
    table = trial.compare(Change(merged=(tuple(pools),))).table
    after = table.filter(pool_id="all", grade_code="1").row(0, named=True)
    assert after["late_after"] <= after["late_before"] + 0.01


def test_hours_past_midnight_belong_to_the_day_on_which_they_begin(trial):
    moved = UnitsMoved("any", 1, ("Tue",), 22, 6)
    local = trial.coming.hours.dt.convert_time_zone("Europe/London")[hours_of(trial.coming, moved)]
    assert set(local.dt.strftime("%a %H")) <= {"Tue 22", "Tue 23", *(f"Wed 0{hour}" for hour in range(6))}
    assert len(local) >= 8


def test_units_in_hours_in_which_their_pool_covers_nothing_are_told(trial):
    cover = trial.coming.ground.pool_hours
    by_day = next(pool for pool, runs in zip(cover.pool_ids, cover.runs, strict=True) if not runs.all())
    said = trial.compare(Change(units=(UnitsMoved(by_day, 1),))).sentences
    assert any(f"{by_day} covers nothing in" in sentence for sentence in said)


def test_a_change_is_read_as_people_write_it():
    found = read_change(units=["R-D1@Fri,Sat 22-6=+1", "B=-2"], merge=["A+B"], targets=["1:urban=12/95%", "2=/0.8"])
    assert found.units == (UnitsMoved("R-D1", 1, ("Fri", "Sat"), 22, 6), UnitsMoved("B", -2))
    assert found.merged == (("A", "B"),)
    assert found.targets == (TargetChanged("1", 12.0, 0.95, "urban"), TargetChanged("2", None, 0.8, None))


def test_all_that_is_wrong_with_a_change_is_told_at_once(trial):
    with pytest.raises(UsageError) as told:
        read_change(demand=0, service=-1, units=["R-D1", "A@Xyz=+1", "A@3-3=+1"], merge=["A"], targets=["1", "1="])
    assert len(told.value.problems) == 8
    with pytest.raises(UsageError) as told:
        trial.compare(
            Change(
                units=(UnitsMoved("R-D", 1),),
                merged=(("x", "y"),),
                targets=(TargetChanged("9"), TargetChanged("1", 3, 2)),
            )
        )
    assert len(told.value.problems) == 5
    assert "Did you mean" in str(told.value)


def test_the_command_tells_both_plans_and_their_difference(small_force: Path):
    options = ["what-if", str(small_force), "--demand", "1.5", "--days", "2", "--runs", "5"]
    told = RUN.invoke(app, options)
    assert told.exit_code == 0, told.output
    assert "Both plans answered the same 5 drawn runs of 2 days." in told.stdout
    given = json.loads(RUN.invoke(app, [*options, "--json"]).stdout)
    assert {row["grade_code"] for row in given["what_if"]} >= {"1", "2"}
    assert RUN.invoke(app, [*options, "--csv"]).stdout.startswith("grade_code,pool_id,")


def test_the_command_solves_by_hours_and_by_duties(small_force: Path):
    options = ["solve", str(small_force), "--days", "1", "--runs", "20", "--tries", "4"]
    told = RUN.invoke(app, options)
    assert told.exit_code == 0, told.output
    assert "unit-hours meet the targets" in told.stdout
    given = json.loads(RUN.invoke(app, [*options, "--json"]).stdout)
    for row in given["unit_value"]:
        assert row["difference"] * row["units_more"] <= 0.01
    assert {row["pool_id"] for row in given["unit_value"]} <= {row["pool_id"] for row in given["solved_units"]}
    duties = RUN.invoke(app, [*options, "--shifts", "7-15,15-23,23-7", "--csv"]).stdout
    assert duties.startswith("pool_id,starts_at,ends_at,units")
    assert len(duties.splitlines()) > 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--days", "99"], "99 days can't be simulated"),
        (["--runs", "3"], "At least 20 simulated"),
        (["--shifts", "7-17"], "leave hours without anyone"),
        (["--shifts", "7-17,late"], "no list of shifts"),
        (["--shifts", "7-7"], "no shift"),
    ],
)
def test_what_makes_no_sense_is_told(small_force: Path, options, words):
    told = RUN.invoke(app, ["solve", str(small_force), *options])
    assert told.exit_code != 0
    assert words in str(told.exception)


def test_a_force_without_a_plan_is_told_what_makes_one(tmp_path: Path):
    (tmp_path / "force.toml").write_text('[force]\nid = "x"\nname = "X"\ntime_zone = "Europe/London"\n', "utf-8")
    told = RUN.invoke(app, ["what-if", str(tmp_path), "--demand", "1.1"])
    assert "bluelamp plan" in str(told.exception)


def by_hour(trial: WhatIf, change: Change, pool: str = "all"):
    return trial.compare(change).by_hour("1").filter(pool_id=pool)


def test_hours_add_up_to_the_calls_and_the_late_ones_of_the_whole(trial):
    told = trial.compare(Change(demand=1.5))
    whole = told.table.filter(pool_id="all", grade_code="1").row(0, named=True)
    hours = told.by_hour("1").filter(pool_id="all")
    assert hours["calls_after"].sum() == pytest.approx(whole["calls_after"], abs=0.5)
    late = (hours["calls_after"] * hours["late_after"]).sum() / hours["calls_after"].sum()
    assert late == pytest.approx(whole["late_after"], abs=0.02)


def test_more_runs_leave_less_open(trial):
    few, many = (by_hour(WhatIf.of(trial.coming, runs), Change(demand=1.5)) for runs in (8, 72))
    for what in ("late", "waiting"):
        narrow, wide = ((each[f"{what}_high_after"] - each[f"{what}_low_after"]).mean() for each in (many, few))
        assert narrow < 0.7 * wide


def test_longer_calls_leave_more_jobs_waiting(trial):
    hours = by_hour(trial, Change(service=2.5))
    assert hours["waiting_after"].sum() > hours["waiting_before"].sum()


def test_units_taken_away_make_their_officers_short_and_a_minimum_is_told(trial):
    coming = trial.coming
    pool = coming.ground.pool_hours.pool_ids[0]
    told = trial.compare(Change(units=(UnitsMoved(pool, -50),)))
    hours = told.by_hour("1").filter(pool_id=pool)
    runs = coming.ground.pool_hours.runs[0]
    assert hours["units_after"].sum() == 0
    assert hours["officers_short_after"].to_list() == (coming.required[0] * coming.crew)[runs].tolist()
    if coming.least[0].any():
        assert any(f"{pool} falls below its minimum strength in" in each for each in told.sentences)


def test_a_pool_that_became_part_of_another_has_nothing_left_to_tell(trial):
    first, second = trial.coming.ground.pool_hours.pool_ids[:2]
    told = trial.compare(Change(merged=((first, second),))).by_hour("1")
    gone = told.filter(pool_id=second)
    assert gone["units_after"].is_null().all()
    assert gone["late_after"].is_null().all()
    both, one = (told.filter(pool_id=each) for each in ("all", first))
    assert both["units_after"].equals(both["units_before"].alias("units_after"))
    assert (one["units_after"] >= one["units_before"]).all()


def test_no_grade_is_shown_that_no_target_speaks_of(trial):
    with pytest.raises(UsageError, match="No target speaks of grade '9'"):
        trial.compare(Change()).by_hour("9")
