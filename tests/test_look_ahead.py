"""The next hours of a force in a folder: the latest run brought forward by what its store has since."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from bluelamp import plan
from bluelamp.cli import app
from bluelamp.errors import NoInput
from bluelamp.look_ahead import look_ahead
from bluelamp.store import Store
from bluelamp.web.app import make_app


@pytest.fixture(scope="module")
def planned_earlier(small_force: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A force whose latest run was made four days before its data ends."""
    folder = tmp_path_factory.mktemp("earlier") / "small"
    shutil.copytree(small_force, folder)
    plan.plan(folder, forecast_from=datetime(2026, 10, 14, 23, tzinfo=UTC))
    return folder


def test_hours_follow_the_last_incident_and_stand_beside_what_was_planned(planned_earlier: Path):
    last = Store(planned_earlier).read("incidents")["received_at"].max()
    found = look_ahead(planned_earlier, hours=6)
    assert found.known_until == last.replace(minute=0, second=0, microsecond=0)
    hours = found.table.filter(level="force", span="hour")["hour_starting"].to_list()
    assert hours == [found.known_until + timedelta(hours=number) for number in range(6)]
    assert found.table["planned_mean"].null_count() == 0
    force = found.table.filter(level="force", span="sum").row(0, named=True)
    assert force["incidents_mean"] == pytest.approx(force["planned_mean"], rel=0.15)
    assert force["incidents_mean"] != pytest.approx(force["planned_mean"], rel=1e-4), "four days tell something"


def test_what_came_since_is_what_makes_the_difference(planned_earlier: Path, tmp_path: Path):
    quiet = look_ahead(planned_earlier).table.filter(level="force", span="sum")["incidents_mean"].item()
    folder = tmp_path / "busy"
    shutil.copytree(planned_earlier, folder)
    calls = Store(folder).read("incidents").filter(pl.col("received_at") >= datetime(2026, 10, 15, 23, tzinfo=UTC))
    with Store(folder).writing("incidents", source_name="more.csv") as batch:
        batch.add(calls.with_columns(incident_id="more-" + pl.col("incident_id")))
    busy = look_ahead(folder).table.filter(level="force", span="sum")["incidents_mean"].item()
    assert busy > 1.2 * quiet


def test_the_command_says_it_in_a_sentence_and_gives_the_rows(planned_earlier: Path):
    said = CliRunner().invoke(app, ["next", str(planned_earlier), "--hours", "3"])
    assert said.exit_code == 0
    first = said.output.splitlines()[0]
    assert first.startswith("Sunday ")
    assert "next 3 hours: " in first
    assert "incidents expected (80%: " in first
    rows = json.loads(CliRunner().invoke(app, ["next", str(planned_earlier), "--hours", "3", "--json"]).stdout)
    assert {row["span"] for row in rows} == {"hour", "sum"}
    table = CliRunner().invoke(app, ["table", "next_hours", str(planned_earlier), "--csv", "--where", "level=force"])
    assert len(table.stdout.splitlines()) == 1 + 12 + 1


def test_the_page_has_the_same_table(planned_earlier: Path):
    client = TestClient(make_app(planned_earlier))
    rows = client.get("/tables/next_hours.json?level=force&span=hour").json()
    assert len(rows) == 12
    assert rows == client.get("/tables/next_hours.json?level=force&span=hour").json()


def test_a_force_that_has_no_run_is_told_how_to_make_one(small_force: Path, tmp_path: Path):
    shutil.copy(small_force / "force.toml", tmp_path)
    with pytest.raises(NoInput, match="bluelamp plan"):
        look_ahead(tmp_path)
