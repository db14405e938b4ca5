"""What makes no sense is told in a sentence, wherever it comes in: never a fault, a hang or an answer to nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bluelamp import abandonment, hypercube, queueing, reading, several_units
from bluelamp.answering import Lines
from bluelamp.cli import app
from bluelamp.errors import BadData, BluelampError
from bluelamp.simulation import Cover, Jobs, Outcome, Rules, Units, simulate
from bluelamp.staffing import require_staff
from bluelamp.tables import empty
from tests.drawn import drawn
from tests.offered import LONDON, offered

NAN, INF = float("nan"), float("inf")
TWO = [[0.6], [0.4]]


def lines(calls: float = 60.0, handling: float = 4.0, patience: float = 3.0, seconds: float = 20.0) -> Lines:
    return Lines(
        np.full((1, 1, 1), calls), np.full((1, 1), handling), *(np.array([x]) for x in (patience, seconds, 0.9))
    )


def simulated(jobs: dict[str, Any] | None = None, units: dict[str, Any] | None = None, **more: Any) -> Outcome:
    return simulate(
        Jobs.of(**{"ready": [0.0, 5.0], "first_minutes": 10.0, **(jobs or {})}),
        Units.of(**{"starts": [0.0], **(units or {})}),
        more.pop("cover", Cover.of([0])),
        more.pop("rules", None),
        hours=more.pop("hours", 2),
        **more,
    )


WRONG = {
    "a load beyond any force": (lambda: queueing.units_for_target(1e9, 6, 50, 0.9), "at most 100,000"),
    "a load in one sample of many": (
        lambda: queueing.units_for_mean_target([[3.0], [1e12]], None, 6, 50, 0.9),
        "at most 100,000",
    ),
    "units away beyond any force": (
        lambda: queueing.units_for_mean_target([[3.0]], None, 6, 50, 0.9, away=10**9),
        "away must be at most 100,000",
    ),
    "units beyond any force": (lambda: queueing.erlang_c(10**9, 5.0), "units must be at most 100,000"),
    "a target of no share": (lambda: queueing.units_for_target(5.0, 6, 50, 0.0), "above 0 and below 1"),
    "negative minutes": (lambda: queueing.units_for_target(5.0, -1, 50, 0.9), "0 or more and finite"),
    "an endless load": (lambda: queueing.units_for_mean_target([[INF]], None, 6, 50, 0.9), "0 or more and finite"),
    "work without number": (lambda: queueing.workload_units(1e30, 0.5), "at most 10^15"),
    "jobs in hand beyond any force": (lambda: queueing.poisson_points(1e9, 5), "at most 100,000"),
    "a line of a hundred million": (lambda: abandonment.erlang_a(10, 20.0, 6, 50, 1e9), "wait in line"),
    "an unknown patience": (lambda: abandonment.erlang_a(10, 8.0, 6, 50, NAN), "patience_minutes must be above 0"),
    "answers to a load beyond any force": (
        lambda: abandonment.units_for_answers(1e9, 0.2, 5, 2, 0.9),
        "at most 100,000",
    ),
    "several units of a load beyond any force": (
        lambda: several_units.units_for_all([[1e6]], None, TWO, 6, 50, 0.9),
        "numbers from 0 to 100,000",
    ),
    "several units away beyond any force": (
        lambda: several_units.units_for_first([[7.0]], None, TWO, 6, 50, 0.9, 10**9),
        "away must be whole numbers from 0 to 100,000",
    ),
    "several units beyond any force": (
        lambda: several_units.waits_for_all(10**7, 5.0, [0.6, 0.4], 6, 50),
        "units must be whole numbers",
    ),
    "calls that ask for nothing": (
        lambda: several_units.waits_for_first(10, 5.0, [0, 0], 6, 50),
        "needs must not all be 0",
    ),
    "three thousand units in a hypercube": (
        lambda: hypercube.solve_hypercube([1.0], np.ones(3000), [np.arange(3000)]),
        "3,000 units have 2^3000 sets",
    ),
    "a queue that nobody knows": (
        lambda: hypercube.solve_hypercube([0.5], [1.0], [[0]], queue="never"),  # type: ignore[arg-type]
        "'none' (such calls are lost) or 'endless'",
    ),
    "a way that nobody knows": (lambda: hypercube.nearest_first([[NAN, 1.0], [1.0, 2.0]]), "minutes from 0"),
    "telephones beyond any force": (lambda: lines(calls=1.5e8), "10,000,000 agents busy"),
    "no handling": (lambda: lines(handling=0.0), "handling_minutes must be above 0"),
    "negative calls": (lambda: lines(calls=-1.0), "calls must be 0 or more"),
    "half an agent": (lambda: lines().shares(2.5), "agents must be whole numbers"),
    "fewer agents than none": (lambda: lines().shares(-1), "agents must be whole numbers"),
    "agents beyond any force": (lambda: lines().shares(10**7), "agents must be whole numbers from 0 to 100,000"),
    "samples that count less than nothing": (lambda: lines().fewest_agents(-1.0), "weights must be 0 or more"),
    "a kind of unit beyond counting": (lambda: simulated(units={"kind": 10**9}), "'kind' of units"),
    "a pool beyond counting": (
        lambda: simulated(units={"pool": 10**9}, cover=Cover.of([10**9])),
        "'pool' of units",
    ),
    "a kind of unit that nobody has": (lambda: simulated({"units": [[0, 1], [1, 0]]}), "no unit is of that kind"),
    "a place that no pool covers": (lambda: simulated(cover=Cover.of([1])), "can be sent to by nobody"),
    "negative times": (lambda: simulated({"first_minutes": -1.0}), "'first_minutes' of jobs must be 0 or more"),
    "hours without end": (lambda: simulated(hours=10**9), "a whole number of hours, from 1 to 100,000"),
    "part of an hour": (lambda: simulated(hours=2.5), "a whole number of hours"),
    "half a unit kept free": (
        lambda: simulated(rules=Rules(keep_free=np.full((1, 1), 0.5))),  # type: ignore[arg-type]
        "0 or more whole units",
    ),
}


@pytest.mark.parametrize("given", WRONG)
def test_what_a_model_can_not_use_is_told_in_a_sentence(given: str):
    ask, said = WRONG[given]
    with pytest.raises((ValueError, BluelampError)) as told:
        ask()
    assert said in str(told.value)
    assert "Traceback" not in str(told.value)


def test_three_thousand_units_are_answered_by_every_rung_that_has_no_limit():
    assert queueing.units_for_target(2900.0, 6, 50, 0.9) == 2916
    for units_for in (several_units.units_for_all, several_units.units_for_first):
        assert 2916 <= units_for([[2900.0]], None, TWO, 6, 50, 0.9)[0] <= 2960
    assert abandonment.units_for_answers(3000.0, 0.2, 5, 2, 0.9) < 3000
    assert lines(calls=45_000.0).fewest_agents().item() < 3000
    sent = simulated(
        {"ready": np.linspace(0, 1439, 40_000), "first_minutes": 60.0}, {"starts": np.zeros(3000)}, hours=24
    ).sent
    assert not np.isnan(sent).any()


@pytest.mark.parametrize("patience", [3.0, INF])
def test_a_load_far_above_staff_is_an_answer(patience: float):
    in_time, _ = lines(calls=45_000.0, patience=patience).shares(10)
    assert in_time.item() == pytest.approx(0.0, abs=1e-9)
    assert abandonment.erlang_a(10, 3000.0, 0.3, 4, patience).share_in_time == pytest.approx(0.0, abs=1e-9)
    assert queueing.chance_waits_longer(10, 3000.0, 6, 50) == 1
    assert several_units.waits_for_all(10, 3000.0, [0.6, 0.4], 6, 50)[0] == 1


def test_a_simulation_of_far_too_much_work_leaves_it_waiting():
    found = simulated({"ready": np.linspace(0, 1439, 50_000), "first_minutes": 100.0}, {"starts": [0.0, 0.0]}, hours=24)
    assert np.isfinite(found.sent).sum() == 2 * 15
    assert found.waiting[0, 0, -1] == 50_000 - 30


@pytest.mark.parametrize("target", [0.0, 525_600.0])
def test_targets_of_nothing_and_of_a_year_are_answered_by_every_rung(target: float):
    standards = drawn(
        "standards",
        "grade_code | area_kind | target_minutes | target_share | clock_starts | clock_stops",
        f"all | all | {target:g} | 0.9 | received | dispatched",
    )
    table = require_staff(
        offered({("a", "1"): 3.0}, standards=standards), empty("minimums"), empty("pools"), time_zone=LONDON,
        crew_size_by_hour=[1] * 24, abstraction=0.3, utilisation=0.6,
    )  # fmt: skip
    found = {
        method: units
        for (method,), rows in table.filter(grade_code="all").group_by("method")
        for units in [rows["units_required"].max()]
    }
    assert all(units >= 3 for units in found.values())
    if target:
        # Whoever may wait a year needs no more than keeps up with the work.
        assert {units for method, units in found.items() if method != "workload"} == {4}


def test_nobody_who_calls_needs_nobody():
    table = require_staff(
        offered({("a", "1"): 0.0}), empty("minimums"), empty("pools"), time_zone=LONDON, crew_size_by_hour=[1] * 24,
        abstraction=0.3, utilisation=0.6,
    )  # fmt: skip
    assert table["units_required"].to_list() == [0] * table.height
    assert lines(calls=0.0).fewest_agents().item() == 0


def test_work_that_no_force_could_do_names_the_pool_the_hour_and_the_table_to_look_at():
    with pytest.raises(BadData) as told:
        require_staff(
            offered({("a", "1"): 1e6}), empty("minimums"), empty("pools"), time_zone=LONDON,
            crew_size_by_hour=[1] * 24, abstraction=0.3, utilisation=0.6,
        )  # fmt: skip
    assert "1,000,000 units of pool 'R1'" in str(told.value)
    assert "'service_times'" in str(told.value)


def test_a_year_of_waiting_is_no_longer_reckoned_call_by_call():
    for waits_for in (several_units.waits_for_all, several_units.waits_for_first):
        late, wait = waits_for(300, [200.0, 290.0], np.array([0.9, 0.1])[:, None], 525_600, 50)
        assert late.tolist() == pytest.approx([0.0, 0.0], abs=1e-12)
        assert 0 < wait[0] < wait[1] < 50
    assert lines(seconds=1e7).fewest_agents().item() == lines(seconds=1e4).fewest_agents().item()
    assert 0 < lines(patience=1e-9).fewest_agents().item() < 10


COMMANDS = [
    (["solve", "--run", "nope"], "There is no run 'nope'"),
    (["solve", "--days", "1", "--runs", "1000000000"], "1 to 5,000 were expected"),
    (["what-if", "--run", "nope"], "There is no run 'nope'"),
    (["what-if", "--days", "1", "--runs", "1000000000"], "1 to 5,000 were expected"),
    (["what-if", "--days", "1", "--units", "R-D1=+1000000000"], "at most 10,000 more or fewer"),
    (["what-if", "--days", "1", "--merge", "R-D1+R-D2", "--merge", "R-D2+R-D3"], "Pool 'R-D2' is merged twice"),
    (["what-if", "--demand", "nan"], "0.1 to 5 times what is usual"),
    (["pools", "--try", "1", "--weeks", "1000000000"], "2 to 5,000 were expected"),
    (["pools", "--try", "1", "--speed", "inf"], "A speed of inf km/h makes no sense"),
    (["pools", "--try", "1", "--speed", "1e-9"], "makes no sense"),
    (["beats", "--districts", "2", "--tolerance", "nan"], "A tolerance of nan makes no sense"),
]


@pytest.mark.parametrize(("asked", "said"), COMMANDS)
def test_a_command_says_what_it_can_not_do(small_force: Path, asked: list[str], said: str):
    told = CliRunner().invoke(app, [asked[0], str(small_force), *asked[1:]])
    assert isinstance(told.exception, BluelampError), told.output
    assert said in str(told.exception)


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("--load", "area_id,load\nB001,nan\n", "1 area (B001) is given a load"),
        ("--load", "area_id,load\nB001,-2\n", "1 area (B001) is given a load"),
        ("--load", "area_id,load\nB001,two\n", "'load' is no number in 1 row, first at row 2"),
        ("--minutes", "from_id,to_id,minutes\nB001,B002,-4\n", "first that from 'B001' to 'B002'"),
        ("--minutes", "from_id,to_id,minutes\nB001,B002,nan\n", "Minutes from 0 were expected"),
    ],
)
def test_beats_are_not_made_of_numbers_that_are_none(small_force: Path, tmp_path: Path, option, text, said):
    file = tmp_path / "given.csv"
    file.write_text(text, encoding="utf-8")
    told = CliRunner().invoke(app, ["beats", str(small_force), "--districts", "2", option, str(file)])
    assert isinstance(told.exception, BadData), told.output
    assert said in str(told.exception)


@pytest.mark.parametrize(
    ("table", "row", "said"),
    [
        ("standards", "1 | all | 1e12 | 0.9 | received | arrived", "target_minutes"),
        ("standards", "1 | all | -5 | 0.9 | received | arrived", "target_minutes"),
        ("standards", "1 | all | soon | 0.9 | received | arrived", "target_minutes"),
        ("standards", "1 | all | 15 | 1 | received | arrived", "target_share"),
        ("service_times", "x | 1 | 1 | 1 | 1e9 | drawn", "minutes_per_unit"),
        ("service_times", "x | 1 | 1 | 1 | nan | drawn", "minutes_per_unit"),
        ("minimums", "R | response | 0 | 24 | 9000000000000000000", "minimum_officers"),
    ],
)
def test_numbers_beyond_sense_do_not_pass_the_door(table: str, row: str, said: str, tmp_path: Path):
    from bluelamp import intake

    header = {
        "standards": "grade_code,area_kind,target_minutes,target_share,clock_starts,clock_stops",
        "service_times": "class_code,grade_code,share_deployed,units_per_deployment,minutes_per_unit,source",
        "minimums": "pool_id,role_code,from_hour,to_hour,minimum_officers",
    }[table]
    (tmp_path / "force.toml").write_text('[force]\nid = "x"\nname = "X"\ntime_zone = "Europe/London"\n', "utf-8")
    file = tmp_path / "rows.csv"
    file.write_text(f"{header}\n{','.join(cell.strip() for cell in row.split('|'))}\n", encoding="utf-8")
    with pytest.raises(BadData) as told:
        intake.import_extract(tmp_path, file, table=table, map_name="bluelamp")
    assert said in str(told.value)
    assert "expected" in str(told.value)


def test_a_force_whose_pools_cover_nothing_is_told_so_before_anybody_is_sent(monkeypatch, small_force: Path):
    from bluelamp import coming_work

    real = reading.read_used

    def elsewhere(store: Any, name: str, run_id: str | None) -> Any:
        found = real(store, name, run_id)
        return found.with_columns(area_id=found["area_id"] + "-gone") if name == "pools" else found

    monkeypatch.setattr(reading, "read_used", elsewhere)
    with pytest.raises(BadData, match="covers any area in these days"):
        coming_work.read_coming(small_force, days=1)


def test_days_when_the_clock_changes_have_their_hours():
    from bluelamp import periods

    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25)):
        local = periods.local_days(LONDON, day, day)
        rates = offered({("a", "1"): 3.0}, first=day)
        assert len(periods.hours_between(LONDON, local["starts_at"][0], local["ends_at"][0])) == hours
        table = require_staff(
            rates, empty("minimums"), empty("pools"), time_zone=LONDON, crew_size_by_hour=[1] * 24, abstraction=0.3,
            utilisation=0.6, methods=["erlang_c", "mol"],
        )  # fmt: skip
        assert table.filter(grade_code="all", method="mol")["hour_starting"].n_unique() == hours
