"""Two changes: which is better on what, how surely, and what else differs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bluelamp.cli import app
from bluelamp.coming_work import read_coming
from bluelamp.errors import UsageError
from bluelamp.two_changes import TwoChanges, name_problems
from bluelamp.what_if import Change, TargetChanged, UnitsMoved, WhatIf, read_change

RUN = CliRunner()


@pytest.fixture(scope="module")
def trial(small_force: Path) -> WhatIf:
    return WhatIf.of(read_coming(small_force, days=3), runs=12)


def beside(trial: WhatIf, first: Change, second: Change) -> TwoChanges:
    return TwoChanges.of(trial.compare(first), trial.compare(second))


def of_force(found: TwoChanges, plan: str, grade: str = "1"):
    return found.table.filter(pool_id="all", plan=plan, grade_code=grade).row(0, named=True)


def test_the_same_change_twice_is_the_same_on_everything(trial):
    found = beside(trial, Change(demand=1.4), Change(demand=1.4))
    row = of_force(found, "b")
    assert (row["against_a"], row["against_a_low"], row["against_a_high"]) == (0, 0, 0)
    assert found.sentences[0].startswith("Both are the same on grade 1")
    assert "is better" not in found.sentences[0]


def test_fewer_units_cost_less_and_make_more_calls_late(trial):
    pools = trial.coming.ground.pool_hours.pool_ids
    fewer = Change(units=tuple(UnitsMoved(pool, -3) for pool in pools))
    found = beside(trial, Change(), fewer)
    a, b = of_force(found, "a"), of_force(found, "b")
    assert b["against_a_low"] > 0
    assert b["against_a"] == pytest.approx(b["late"] - a["late"], abs=1e-3)
    assert b["unit_hours_short"] > a["unit_hours_short"]
    assert b["target_missed"] >= a["target_missed"]
    lost = a["unit_hours"] - b["unit_hours"]
    assert lost > 0
    assert found.sentences[0].startswith("A is better on grade 1")
    assert f"B is better on cost ({lost:,} unit-hours fewer)" in found.sentences[0]
    assert any("With change B more calls of grade 1" in each for each in found.sentences)


def test_with_the_same_luck_a_difference_is_surer_than_from_runs_that_share_none(trial):
    found = beside(trial, Change(demand=1.5), Change(demand=1.5, units=(UnitsMoved("R-D1", -1),)))
    row = of_force(found, "b")
    alone = []
    for compared in (found.first, found.second):
        answered = compared.after.answered
        mine = [number for number, each in enumerate(compared.after.targets) if each.grade_code == "1"]
        late, calls = (each[:, mine].sum(axis=(1, 2)) for each in (answered.late_by_run, answered.calls_by_run))
        alone.append(np.var(late - late.sum() / calls.sum() * calls, ddof=1) / len(calls) / calls.mean() ** 2)
    assert (row["against_a_high"] - row["against_a_low"]) / 2 < 1.96 * np.sqrt(sum(alone))


def test_a_target_is_missed_in_the_runs_in_which_more_are_late_than_it_allows(trial):
    found = beside(trial, Change(), Change(targets=(TargetChanged("1", minutes=0.5),)))
    assert of_force(found, "b")["target_missed"] == 1
    answered = found.first.after.answered
    targets = found.first.after.targets
    mine = [number for number, each in enumerate(targets) if each.grade_code == "1"]
    missed = [
        sum(answered.late_by_run[run, target].sum() for target in mine)
        > sum(answered.calls_by_run[run, target].sum() * (1 - targets[target].target_share) for target in mine) + 1e-9
        for run in range(trial.runs)
    ]
    assert of_force(found, "a")["target_missed"] == pytest.approx(sum(missed) / trial.runs, abs=1e-3)
    assert "A and B suppose different targets: that is part of what differs." in found.sentences


def test_a_pool_that_became_part_of_another_has_no_calls_of_its_own(trial):
    pools = trial.coming.ground.pool_hours.pool_ids
    found = beside(trial, Change(merged=(tuple(pools),)), Change(units=(UnitsMoved(pools[0], 1),)))
    gone = found.table.filter(pool_id=pools[-1], plan="a", grade_code="1").row(0, named=True)
    assert gone["late"] is None
    assert gone["difference"] is None
    assert gone["unit_hours"] == 0


def test_problems_are_told_of_both_changes_at_once():
    with pytest.raises(UsageError) as told:
        name_problems([lambda: read_change(demand=9), lambda: read_change(merge=["x"])])
    assert [each[:9] for each in told.value.problems] == ["Change A:", "Change B:"]


def test_the_command_tells_three_plans_and_gives_their_table(small_force: Path):
    options = ["what-if", str(small_force), "--demand", "1.5", "--b-demand", "1.2", "--days", "2", "--runs", "5"]
    told = RUN.invoke(app, options)
    assert told.exit_code == 0, told.output
    assert "All three plans answered the same 5 drawn runs of 2 days." in told.stdout
    given = json.loads(RUN.invoke(app, [*options, "--json"]).stdout)
    assert {row["plan"] for row in given["what_if_changes"]} == {"as_it_stands", "a", "b"}
    assert RUN.invoke(app, [*options, "--csv"]).stdout.startswith("plan,grade_code,pool_id,")
