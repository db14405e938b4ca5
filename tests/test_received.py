"""What a force has received, from its own store: every row accounted for, and what was set aside comes in mended."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from bluelamp import intake, received, remarks, tables
from bluelamp.cli import app
from bluelamp.sources import RULES

FORCE = '[force]\nid = "N"\nname = "North"\ntime_zone = "Europe/London"\n'
HEADER = "incident_id,received_at,class_code,origin,status"
GOOD = ["1,2026-07-01T10:00:00Z,theft,public,closed", "2,2026-07-02T10:00:00Z,theft,public,closed"]


@pytest.fixture
def north(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A force without anything, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "north").mkdir()
    (tmp_path / "north" / "force.toml").write_text(FORCE)
    return tmp_path / "north"


def write(name: str, *rows: str) -> None:
    Path(name).write_text("\n".join([HEADER, *rows]) + "\n")


def aside(folder: Path) -> dict:
    return received.account_for(folder)["set_aside"].row(0, named=True)


def test_what_is_set_aside_comes_in_by_the_command_that_is_told_once_it_is_mended(north):
    write("calls.csv", *GOOD, "3,,theft,public,closed")
    intake.import_extract(north, "calls.csv")
    row = aside(north)
    assert (row["field"], row["reason_code"], row["rows"], row["rows_latest"]) == ("received_at", "missing_time", 1, 1)
    assert (row["latest_file"], row["first_row"]) == ("calls.csv", 4)
    write("calls.csv", *GOOD, "3,2026-07-03T10:00:00Z,theft,public,closed")
    done = CliRunner().invoke(app, shlex.split(row["command"])[1:])
    assert done.exit_code == 0, done.output
    account = received.account_for(north)
    assert aside(north)["rows_latest"] == 0
    incidents = account["received"].row(by_predicate=pl.col("table_name") == "incidents", named=True)
    assert (incidents["rows"], incidents["rows_read"], incidents["rows_set_aside"]) == (3, 6, 1)


def test_no_value_of_a_row_that_was_set_aside_is_told(north):
    write("calls.csv", *GOOD, "3,07700 900123 Mrs Secret,theft,public,closed")
    intake.import_extract(north, "calls.csv")
    account = received.account_for(north)
    assert account["set_aside"].height == 1
    told = [table.write_csv() for table in account.values()] + received.lines(north, account)
    assert not any("Secret" in each or "07700" in each for each in told)


def test_every_rule_that_sets_rows_aside_says_how_to_mend_them_but_erasing():
    without = [name for name, rule in RULES.items() if rule.kind == "set_aside" and not rule.mend]
    assert without == ["erased"]


def test_every_table_that_may_be_imported_says_what_its_absence_leaves_out():
    assert sorted(remarks.LEFT_OUT) == sorted(tables.names("imported"))


def test_a_force_with_nothing_in_it_can_be_asked(north):
    account = received.account_for(north)
    assert account["received"]["left_out"].null_count() == 0
    assert CliRunner().invoke(app, ["data", str(north)]).exit_code == 0


def test_a_table_that_comes_daily_is_known_by_the_days_on_which_it_came(north, monkeypatch):
    from bluelamp.store import Store

    clock = [datetime(2026, 7, 1, 6, tzinfo=UTC)]
    monkeypatch.setattr(Store.__init__, "__defaults__", (lambda: clock[0],))
    for number in (0, 1, 3):
        clock[0] = datetime(2026, 7, 1, 6, tzinfo=UTC) + timedelta(days=number)
        write(f"{number}.csv", f"{number},2026-07-0{number + 1}T01:00:00Z,theft,public,closed")
        intake.import_extract(north, f"{number}.csv")
    account = received.account_for(north, now=lambda: clock[0] + timedelta(hours=25))
    row = account["received"].filter(table_name="incidents").row(0, named=True)
    assert (row["comes_daily"], row["is_stale"], row["days_without_import"]) == (True, True, 1)
    assert row["days_without_rows"] == 1
    missing = account["received_days"].filter("is_missing")["day"].dt.strftime("%m-%d").to_list()
    assert missing == ["07-03"]


def test_accounts_of_a_whole_force_agree_with_its_tables(small_force):
    account = received.account_for(small_force)
    for name, table in account.items():
        assert tables.check(table, name).equals(table)
    from bluelamp.store import Store

    store = Store(small_force)
    for row in account["received"].filter(pl.col("batches") > 0).iter_rows(named=True):
        rows = store.read(row["table_name"])
        assert row["rows"] == rows.height
        of_days = account["received_days"].filter(table_name=row["table_name"])
        if row["first_at"] is not None:
            assert of_days["rows"].sum() == rows.height
    batches = store.batches()
    assert account["received"]["rows_read"].sum() == batches["rows_read"].sum()
    assert account["received_days"]["rows_read"].sum() == batches["rows_read"].sum()


@pytest.mark.parametrize("name", received.NAMES)
def test_the_commands_give_the_same_rows(small_force, name):
    whole = CliRunner().invoke(app, ["data", str(small_force), "--json"])
    alone = CliRunner().invoke(app, ["table", name, str(small_force), "--json"])

    def without_clock(rows: list[dict]) -> list[dict]:
        return [{key: value for key, value in row.items() if key != "hours_since"} for row in rows]

    assert without_clock(json.loads(whole.stdout)[name]) == without_clock(json.loads(alone.stdout))


def test_an_account_has_no_run_and_no_earlier_moment(small_force):
    asked = CliRunner().invoke(app, ["table", "received", str(small_force), "--as-of", "2026-01-01"])
    assert asked.exception is not None
    assert "as it is now" in str(asked.exception)
