"""The next hours of a force in a folder, from its open logs and committed units."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from bluelamp import intake, periods, plan, validation
from bluelamp.cli import app
from bluelamp.drawn_work import Came
from bluelamp.duty_sheet import as_sheet_at
from bluelamp.errors import NoInput, UsageError
from bluelamp.look_ahead import bring_forward
from bluelamp.near_term import simulate_next
from bluelamp.near_term._open import find_attended, find_open
from bluelamp.near_term._world import World, _usual, find_habits
from bluelamp.open_work import Habits, OpenWork
from bluelamp.pools import lay_out_pools
from bluelamp.sources.twin import make_twin, write_twin
from bluelamp.store import Store
from tests.drawn import drawn
from tests.forces import forecast_quickly

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


def world_of(folder: Path, until: datetime | None = None) -> World:
    brought = bring_forward(folder, 24, 10, until=until)
    names = ("duties", "people", "absences", "commitments", "vehicles", "unit_crews")
    given = {name: brought.still.read(name) for name in names}
    given["duties"] = as_sheet_at(given["duties"], until or brought.known_until)
    return World.of(folder, brought, given, 24, find_attended(brought).attendances)


@pytest.fixture(scope="module")
def world(fed: Path) -> World:
    return world_of(fed)


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
    between = find_open(world.brought, world, find_attended(world.brought)).between
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


# ---- nights on which the clock changes ----


@pytest.fixture(scope="module", params=["back", "forward"])
def change(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, datetime]:
    """A force a day and more after the clock went back or forward, and the evening before that."""
    until, at = {
        "back": (date(2026, 10, 27), datetime(2026, 10, 24, 17, 20, tzinfo=UTC)),
        "forward": (date(2026, 3, 31), datetime(2026, 3, 28, 18, 20, tzinfo=UTC)),
    }[request.param]
    folder = tmp_path_factory.mktemp("forces") / request.param
    write_twin(folder, make_twin(areas=4, days=35, seed=7, until=until, weekly_incidents=300, feed_days=21), mornings=1)
    forecast_quickly(folder, days=20, paths=20)
    for table, path, map_name in intake.extracts_of(folder):
        if table not in ("contacts", "offences"):
            intake.import_extract(folder, path, table=table, map_name=map_name)
    plan.plan(folder, forecast_from=periods.next_local_midnight(at - timedelta(days=2), "Europe/London"))
    return request.param, folder, at


def test_hours_and_ends_of_shifts_are_by_the_clock_on_nights_that_change_it(change):
    way, folder, at = change
    found = simulate_next(folder, hours=24, runs=10, at=at)
    hours = found.hours.filter(level="force", grade_code="all")["hour_starting"]
    assert hours.to_list() == [at.replace(minute=0) + timedelta(hours=hour) for hour in range(24)]
    told = [line[:13].strip() for line in found.lines()[1:25]]
    night = (
        ["Sun 00:00", "Sun 01:00 BST", "Sun 01:00 GMT", "Sun 02:00"] if way == "back" else ["Sun 00:00", "Sun 02:00"]
    )
    first = told.index("Sun 00:00")
    assert told[first : first + len(night)] == night
    # From 23:00 to 07:00 are nine hours in autumn and seven in spring; the shift after it has eight.
    ends = found.backlog.filter(~pl.col("is_now"))["at"].unique().sort()
    assert ends.dt.convert_time_zone("Europe/London").dt.hour().to_list() == [23, 7, 15]
    assert ends.diff().drop_nulls().dt.total_hours().to_list() == [9 if way == "back" else 7, 8]


def test_a_night_duty_is_as_long_as_the_night_and_has_the_break_of_its_length(change):
    way, folder, at = change
    out = (world := world_of(folder, at)).out
    evening = world.minute(at.replace(hour=21 if way == "back" else 22, minute=0))
    nights = np.flatnonzero(out.starts == evening)
    assert len(nights) > 0
    lasts = 10.5 if way == "back" else 8.5
    assert (out.ends[nights] - out.starts[nights]).tolist() == [60 * lasts] * len(nights)
    # The made-up force has an hour from ten hours of duty on, and 45 minutes from eight on.
    assert out.break_minutes[nights].tolist() == [60 if way == "back" else 45] * len(nights)
    share = (out.break_from[nights] - out.starts[nights]) / (60 * lasts)
    assert ((share > 0.2) & (share < 0.75)).all()


@pytest.mark.parametrize("change_at", [datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)])
def test_hours_before_the_plans_first_ask_for_the_units_of_the_same_hour_by_the_clock(change_at: datetime):
    zone, first, last = "Europe/London", change_at - timedelta(hours=6), change_at + timedelta(hours=3)
    hours = periods.hours_between(zone, first, last)
    rows = drawn("pools", "role_code | pool_id | area_id | from_hour | to_hour", "response | P | a | 0 | 24")
    later = periods.hours_between(zone, last, last + timedelta(days=3))
    required = pl.DataFrame({"hour_starting": later}).with_columns(
        pool_id=pl.lit("P"), units_required=pl.col("hour_starting").dt.convert_time_zone(zone).dt.hour()
    )
    asked = _usual(required, lay_out_pools(rows, "response", ["a"], hours, zone), hours, zone)
    assert asked[0].tolist() == periods.local_parts(hours, zone)["hour"].to_list()
