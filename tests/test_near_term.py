"""The next hours of a force in a folder, from its open logs and committed units."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from bluelamp import validation
from bluelamp.cli import app
from bluelamp.drawn_work import Came
from bluelamp.errors import NoInput, UsageError
from bluelamp.look_ahead import bring_forward
from bluelamp.near_term import simulate_next
from bluelamp.near_term._open import find_open
from bluelamp.near_term._world import World, find_habits
from bluelamp.open_work import Habits, OpenWork
from bluelamp.store import Store

RUN = CliRunner()


@pytest.fixture(scope="module")
def fed(watched_force: Path) -> Path:
    return watched_force


def test_now_is_what_the_records_say_of_now(fed: Path):
    found = simulate_next(fed, hours=6, runs=20)
    store = Store(fed)
    last = max(store.read("incidents")["received_at"].max(), store.read("unit_status")["status_at"].max())
    assert found.at == last
    now = found.backlog.filter("is_now", level="force")
    assert now["at"].unique().to_list() == [last]
    assert found.hours.filter(level="force", grade_code="all").height == 6


def test_what_the_run_begins_with_is_told_as_tables_of_that_moment(fed: Path):
    found = simulate_next(fed, hours=1, runs=20)
    assert found.logs["at"].unique().to_list() == found.units["at"].unique().to_list() == [found.at]
    incidents = (
        Store(fed)
        .read("incidents")
        .filter(pl.col("merged_into").is_null(), pl.col("received_at") > found.at - timedelta(days=28))
    )
    is_open = incidents.filter((pl.col("closed_at") > found.at).fill_null(pl.col("status") == "open"))
    assert found.logs.filter(level="force")["logs"].sum() == is_open.height > 0
    of_areas = found.logs.filter(level="area")
    assert of_areas["logs"].sum() == is_open.height
    assert set(found.pool_of_area) >= set(of_areas["place_id"]) - {"unknown"}
    by_level = [found.units.filter(level=level)["units"].sum() for level in ("pool", "force")]
    assert by_level[0] == by_level[1] > 0
    assert found.sentences[-len(found.notes) :] == found.notes


def test_calls_of_an_hour_have_a_range_about_their_mean(fed: Path):
    hours = simulate_next(fed, hours=6, runs=100).hours
    whole = hours.filter(level="force", grade_code="all")
    assert (whole["calls_p10"] <= whole["calls_p50"]).all()
    assert (whole["calls_p50"] <= whole["calls_p90"]).all()
    assert (whole["calls_mean"] <= whole["calls_p90"] + 1).all()
    parts = hours.filter(pl.col("level") == "force", pl.col("grade_code") != "all")
    assert whole["calls_mean"].sum() == pytest.approx(parts["calls_mean"].sum(), abs=0.02)


def test_what_waits_at_an_hour_adds_up_over_pools_grades_and_ages(fed: Path):
    found = simulate_next(fed, hours=12, runs=20)
    for table in (
        found.hours.filter(pl.col("grade_code") != "all").rename({"logs_waiting_mean": "logs_mean"}),
        found.backlog,
    ):
        of_pools, of_force = (table.filter(level=level)["logs_mean"].sum() for level in ("pool", "force"))
        assert of_pools == pytest.approx(of_force, abs=0.02)
    whole = found.hours.filter(level="force", grade_code="all")
    parts = found.hours.filter(pl.col("level") == "force", pl.col("grade_code") != "all")
    assert whole["logs_waiting_mean"].sum() == pytest.approx(parts["logs_waiting_mean"].sum(), abs=0.02)
    # At the end of a shift both tables count the same logs.
    end = found.backlog.filter(~pl.col("is_now"), level="force")["at"].min()
    then = whole.filter(hour_starting=end)["logs_waiting_mean"].item()
    assert found.backlog.filter(level="force", at=end)["logs_mean"].sum() == pytest.approx(then, abs=0.02)


def test_logs_left_open_make_the_next_hours_later(fed: Path, tmp_path: Path):
    folder = tmp_path / "busy"
    shutil.copytree(fed, folder)
    quiet = simulate_next(folder, hours=3, runs=30)
    at = quiet.at
    incidents = Store(fed).read("incidents").filter(pl.col("grade_code") == "1").tail(40)
    more = incidents.with_columns(
        incident_id=pl.concat_str(pl.lit("X"), pl.int_range(pl.len()).cast(pl.String)),
        received_at=pl.lit(at - timedelta(minutes=30)), dispatched_at=None, arrived_at=None, cleared_at=None,
        closed_at=None, units=None, status=pl.lit("open"),
    ).select(Store(fed).read("incidents").columns)  # fmt: skip
    more.write_csv(tmp_path / "incidents.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    result = RUN.invoke(
        app, ["import", str(folder), str(tmp_path / "incidents.csv"), "--table", "incidents", "--map", "bluelamp"]
    )
    assert result.exit_code == 0, result.output
    busy = simulate_next(folder, hours=3, runs=30)
    waiting = [
        found.hours.filter(level="force", grade_code="1")["logs_waiting_mean"].to_list()[:2] for found in (quiet, busy)
    ]
    assert waiting[1][0] > waiting[0][0] + 20
    assert waiting[1][1] > waiting[0][1]
    late = [found.hours.filter(level="force", grade_code="1")["share_late"].max() for found in (quiet, busy)]
    assert late[1] > late[0]


def test_a_look_back_knows_nothing_of_what_came_later(fed: Path):
    at = datetime(2026, 10, 16, 9, 30, tzinfo=UTC)
    found = simulate_next(fed, hours=4, runs=20, at=at)
    assert found.at == at
    assert found.hours["hour_starting"].min() == at.replace(minute=0)
    with pytest.raises(NoInput, match="nothing to look ahead"):
        simulate_next(fed, at=datetime(2026, 10, 10, tzinfo=UTC))


def test_a_moment_of_which_nothing_is_known_is_refused(fed: Path):
    with pytest.raises(UsageError, match=r"nobody knows what waits on 2030-01-01 00:00\. Import what"):
        simulate_next(fed, hours=3, runs=10, at=datetime(2030, 1, 1, tzinfo=UTC))


def test_the_same_question_has_the_same_answer(fed: Path):
    one, other = (simulate_next(fed, hours=4, runs=20, seed=3) for _ in range(2))
    assert one.hours.equals(other.hours)
    assert one.backlog.equals(other.backlog)
    assert one.sentences == other.sentences


def test_a_force_without_a_status_log_says_so(small_force: Path):
    found = simulate_next(small_force, hours=3, runs=20)
    assert any("There is no status log" in each for each in found.sentences)
    assert found.units.is_empty()
    assert found.logs.filter(level="force")["logs"].sum() > 0
    assert any("'bluelamp validate'" in each for each in found.sentences)


def test_the_command_prints_hours_then_what_shifts_leave(fed: Path):
    shown = RUN.invoke(app, ["backlog", str(fed), "--hours", "9", "--runs", "20", "--quiet"]).output
    assert "on duty" in shown
    assert "The shift that ends at" in shown
    answer = json.loads(
        RUN.invoke(app, ["backlog", str(fed), "--hours", "9", "--runs", "20", "--json", "--quiet"]).output
    )
    assert {row["grade_code"] for row in answer["next_dispatch"]} >= {"1", "2", "3", "all"}
    lines = RUN.invoke(app, ["backlog", str(fed), "--hours", "9", "--runs", "20", "--csv", "--quiet"]).output
    assert lines.splitlines()[0].startswith("level,place_id,at,is_now,grade_code,minutes_from")


@pytest.mark.parametrize(("hours", "runs"), [(0, 50), (49, 50), (12, 3)])
def test_hours_and_runs_that_make_no_sense_are_refused(fed: Path, hours: int, runs: int):
    with pytest.raises(UsageError, match="1 to 48 hours and at least 10"):
        simulate_next(fed, hours=hours, runs=runs)


@pytest.fixture(scope="module")
def world(fed: Path) -> World:
    brought = bring_forward(fed, 24, paths=10)
    given = {name: brought.still.read(name) for name in ("duties", "people", "absences", "commitments", "vehicles")}
    return World.of(fed, brought, given, 24)


def test_units_with_their_own_duties_are_as_many_as_can_go_out_by_the_hour(world: World):
    out = world.out
    of_hour = []
    for hour in range(24):
        there = []
        for minute in range(60 * hour + 5, 60 * hour + 60, 10):
            on = (out.starts <= minute) & (out.ends > minute) & (out.starts + out.briefing <= minute)
            resting = (out.break_from <= minute) & (minute < out.break_from + out.break_minutes)
            there.append((on & ~resting).sum())
        of_hour.append(np.mean(there) - world.out.kept[:, hour].sum())
    asked = world.units[:, :24].sum(axis=0)
    assert asked.sum() > 100
    # By the hour, each pool has whole units only, and none that its vehicles have no room for.
    assert sum(of_hour) == pytest.approx(asked.sum(), rel=0.2)
    assert np.corrcoef(of_hour, asked)[0, 1] > 0.9


def test_work_between_calls_comes_as_often_as_it_was_seen_and_lasts_as_long(world: World):
    between = find_open(world.brought, world).between
    assert between is not None
    random = np.random.default_rng(1)
    nothing = OpenWork(30.0, *(np.zeros(0, dtype=kind) for kind in (int, int, float, float, int, int, float, bool)))
    empty = Came(*(np.zeros(0, dtype=kind) for kind in (int, int, float, float)))
    runs = [between.add(nothing.draw(world.ground, empty, random), world, 30.0, random) for _ in range(200)]
    count = np.mean([len(run.jobs) for run in runs])
    # Half of the first hour has gone by.
    assert count == pytest.approx(between.often.sum() - between.often[:, 0].sum() / 2, rel=0.05)
    jobs = runs[0].jobs
    assert (jobs.ready >= 30).all()
    assert (jobs.priority == 1 + world.ground.priorities).all()
    assert (runs[0].incident == -1).all()
    of_pool = np.concatenate([run.jobs.place for run in runs]) - len(world.ground.kind_of_area)
    seen = np.bincount(of_pool, minlength=len(between.often)) / len(runs)
    assert seen == pytest.approx(between.often.sum(axis=1), rel=0.2, abs=0.5)
    lasts = np.concatenate([run.jobs.first_minutes for run in runs])
    assert lasts.mean() == pytest.approx(between.minutes.mean(), rel=0.05)


def test_what_a_control_room_does_is_taken_from_its_validation_and_else_not_supposed(fed: Path, world: World, tmp_path):
    assert find_habits(fed, world) == Habits()
    assert any("'bluelamp validate' finds out" in note for note in world.notes)
    rows = [
        ("help_comes", "1", "all", 1.0), ("help_comes", "2", "all", 0.0), ("help_travel_factor", "all", "all", 1.7),
        ("last_minutes", "all", "all", 45.0), ("sent_to_the_last", "1", "all", 1.0),
        ("sent_to_the_last", "2", "all", 0.0), ("needs_driver", "1", "all", 1.0), ("needs_driver", "9", "all", 1.0),
        ("relief_minutes_before", "all", "all", 40.0), ("clearing_minutes", "all", "all", 0.5),
        ("travel_minutes_median", "1", "all", None),
    ]  # fmt: skip
    fitted = pl.DataFrame(rows, schema=["what", "grade_code", "kind", "value"], orient="row")
    with mock.patch.object(validation, "read", return_value=mock.Mock(named=lambda name: fitted)):
        habits = find_habits(tmp_path, world)
    first = 1 + int(world.ground.priority_of_grade[world.ground.grades.index("1")])
    assert habits == Habits(first, 1.7, 45.0, first, 40.0, 0.5, frozenset({"1"}))
