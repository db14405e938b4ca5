"""Several extracts that belong together: told apart by name, joined by keys, reissued every day, watched for."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from bluelamp import intake, plan
from bluelamp.cli import app
from bluelamp.errors import InputOutputError, NoInput, NoRoom, TryAgain
from bluelamp.store import Store

INCIDENTS = "incident_id,received_at,class_code,origin,grade_code,updated_at"
STATUS = "unit_id,status_at,status,incident_id"


@pytest.fixture
def force(tmp_path: Path) -> Path:
    folder = tmp_path / "north"
    folder.mkdir()
    (folder / "force.toml").write_text(
        '[force]\nid = "north"\nname = "North"\ntime_zone = "Europe/London"\n'
        '[sources.unit_status]\nfile = "feeds/*/status*.csv"\n'
        '[sources.incidents]\nfile = "feeds/*/incidents*.csv"\n'
    )
    return folder


def write(place: Path, name: str, header: str, *rows: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    path = place / name
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def log(number: int, grade: str, changed: str) -> str:
    return f"I{number},2026-03-0{number}T08:00:00Z,theft,public,{grade},2026-03-{changed}T09:00:00Z"


def press(at: str, status: str, incident: str = "") -> str:
    return f"RD21,2026-03-{at}:00Z,{status},{incident}"


def issue(force: Path, day: str, incidents: list[str], presses: list[str]) -> Path:
    place = force / "feeds" / day
    write(place, "incidents.csv", INCIDENTS, *incidents)
    write(place, "status.csv", STATUS, *presses)
    write(place, "readme.txt", "not an extract")
    return place


def days(force: Path) -> list[Path]:
    """Three days, each reissuing the one before: a log regraded and changed back, and a press that comes late."""
    return [
        issue(force, "03-01", [log(1, "2", "01")], [press("01T08:10", "en_route", "I1")]),
        issue(force, "03-02", [log(1, "1", "02"), log(2, "3", "02")], [press("01T08:20", "at_scene", "I1")]),
        issue(
            force, "03-03", [log(1, "2", "03"), log(2, "3", "02")],
            [press("01T08:10", "en_route", "I1"), press("02T10:00", "custody", "I9")],
        ),
    ]  # fmt: skip


def what_is_there(force: Path) -> dict[str, list[tuple[object, ...]]]:
    store = Store(force)
    return {
        "incidents": store.read("incidents").sort("incident_id").rows(),
        "unit_status": store.read("unit_status").sort("unit_id", "status_at").rows(),
        "history": store.history("incidents").drop("batch_id", "row_in_batch", "is_update").sort(pl.all()).rows(),
    }


def test_a_folder_of_extracts_is_told_apart_by_the_names_in_force_toml(force: Path):
    work, strange = intake.tell_tables(force, [days(force)[0]])
    assert [(name, path.name) for name, path, _ in work] == [
        ("incidents", "incidents.csv"),
        ("unit_status", "status.csv"),
    ]
    assert [path.name for path in strange] == ["readme.txt"]
    alone, _ = intake.tell_tables(force, [force / "feeds/03-01/status.csv", force / "calls.csv"])
    assert [name for name, _, _ in alone] == ["incidents", "unit_status"], "a file of another name is of incidents"


def test_a_folder_in_which_nothing_fits_is_told_and_not_passed_over(force: Path):
    (force / "other").mkdir()
    write(force / "other", "readme.txt", "nothing")
    found = CliRunner().invoke(app, ["import", str(force), str(force / "other")])
    assert isinstance(found.exception, NoInput)
    assert "Nothing to import was found in" in str(found.exception)


def test_a_plan_as_of_a_moment_before_anything_was_known_says_so(force: Path):
    days(force)
    for name, path, chosen in intake.extracts_of(force):
        intake.import_extract(force, path, table=name, map_name=chosen)
    with pytest.raises(NoInput, match="Nothing was known of incidents at 2020-01-01"):
        plan.plan(force, as_of=datetime(2020, 1, 1, tzinfo=UTC))


def test_the_order_in_which_days_come_and_come_again_does_not_show(force: Path, tmp_path: Path):
    days(force)
    for name, path, chosen in intake.extracts_of(force):
        intake.import_extract(force, path, table=name, map_name=chosen)
    expected = what_is_there(force)
    grades = dict(Store(force).read("incidents", columns=["incident_id", "grade_code"]).rows())
    assert grades == {"I1": "2", "I2": "3"}
    for seed in range(4):
        other = tmp_path / f"other{seed}"
        other.mkdir()
        (other / "force.toml").write_text((force / "force.toml").read_text())
        work = intake.extracts_of(force) * 2
        random.Random(seed).shuffle(work)
        for name, path, chosen in work:
            done = intake.import_extract(other, path, table=name, map_name=chosen)
            counts = [done.batch[f"rows_{each}"] for each in ("accepted", "updated", "unchanged", "duplicate")]
            assert done.batch["rows_read"] == sum(counts)
        assert what_is_there(other) == expected


def test_rows_that_speak_of_what_has_not_come_are_kept_and_counted(force: Path):
    days(force)
    for name, path, chosen in intake.extracts_of(force):
        if name == "unit_status":
            intake.import_extract(force, path, table=name, map_name=chosen)
    assert intake.find_orphans(force) == [], "without any incident there is nothing to join"
    for name, path, chosen in intake.extracts_of(force):
        intake.import_extract(force, path, table=name, map_name=chosen)
    (orphans,) = intake.find_orphans(force)
    assert (orphans.table, orphans.field, orphans.others, orphans.rows, orphans.naming) == (
        "unit_status", "incident_id", "incidents", 1, 3,
    )  # fmt: skip
    assert "1 row of 'unit_status' (33.3% of those with 'incident_id')" in orphans.words
    assert Store(force).read("unit_status").height == 3


def later(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))


def test_a_watched_folder_is_imported_once_each_when_its_files_have_settled(force: Path):
    place = days(force)[0]
    said: list[str] = []
    watch = intake.Watch(force, [place])
    assert watch.look(said.append) == [], "a file seen for the first time may still be growing"
    later(place / "status.csv", press("01T08:30", "available") + "\n")
    assert [each.batch["table_name"] for each in watch.look(said.append)] == ["incidents"]
    assert [each.batch["table_name"] for each in watch.look(said.append)] == ["unit_status"]
    assert watch.look(said.append) == []
    assert Store(force).read("unit_status").height == 2
    again = intake.Watch(force, [place])
    assert again.look(said.append, settled=True) == [], "a restart imports nothing twice"
    assert said[-1].startswith("status.csv came before, as batch b")


def test_a_file_that_can_not_be_imported_is_told_once_and_tried_again_when_it_changes(force: Path):
    place = force / "arriving"
    path = write(place, "incidents_today.csv", INCIDENTS.replace("received_at", "recieved_at"), log(1, "2", "01"))
    said: list[str] = []
    watch = intake.Watch(force, [place])
    watch.look(said.append, settled=True)
    watch.look(said.append, settled=True)
    (told,) = said
    assert "incidents_today.csv could not be imported" in told
    assert "'received_at' is missing" in told
    write(place, path.name, INCIDENTS, log(1, "2", "01"))
    assert len(watch.look(said.append, settled=True)) == 1
    with pytest.raises(NoInput, match="no folder"):
        intake.Watch(force, [force / "elsewhere"]).insist_on_places()


def test_a_file_that_can_not_be_read_and_a_folder_that_is_away_keep_nothing_else_out(force: Path):
    place, said = days(force)[0], []
    (place / "readme.txt").unlink()
    (place / "incidents_empty.csv").touch()
    away = force / "away"
    watch = intake.Watch(force, [away, place])
    assert len(watch.look(said.append, settled=True)) == 2
    assert watch.look(said.append, settled=True) == []
    told = [each for each in said if "rows into" not in each and "row into" not in each]
    assert len(told) == 2, "\n".join(told)
    assert told[0].startswith("There is no folder")
    assert "incidents_empty.csv is empty" in told[1]
    away.mkdir()
    write(away, "incidents_late.csv", INCIDENTS, log(9, "2", "01"))
    assert len(watch.look(said.append, settled=True)) == 1, "a folder that comes back is looked into"


@pytest.mark.parametrize("error", [NoRoom("The disk is full."), TryAgain("Another writes."), InputOutputError("Away.")])
def test_what_passes_is_said_once_and_the_file_is_tried_again_as_it_is(force: Path, monkeypatch, error):
    place, said = days(force)[0], []
    (place / "readme.txt").unlink()
    watch = intake.Watch(force, [place])

    def fail(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(intake, "import_extract", fail)
        for _ in range(3):
            assert watch.look(said.append, settled=True) == []
    assert len(said) == 2, said
    assert all(str(error) in each and each.endswith("It is tried again at the next look.") for each in said)
    assert len(watch.look(said.append, settled=True)) == 2


def test_a_file_that_fills_two_tables_is_done_once_both_have_it(force: Path, monkeypatch):
    place = force / "arriving"
    path = write(place, "incidents_today.csv", INCIDENTS, log(1, "2", "01"))
    monkeypatch.setattr(
        intake, "tell_tables", lambda *_: ([("incidents", path, None), ("grade_history", path, None)], [])
    )
    asked = []
    real = intake.import_extract

    def second_is_busy(folder, source, *, table, **given):
        asked.append(table)
        if table == "incidents":
            return real(folder, source, table=table, **given)
        raise TryAgain("Another writes.")

    monkeypatch.setattr(intake, "import_extract", second_is_busy)
    watch = intake.Watch(force, [place])
    for _ in range(2):
        watch.look(lambda text: None, settled=True)
    assert asked == ["incidents", "grade_history", "grade_history"]


def test_a_fault_of_ours_keeps_no_other_file_out(force: Path, monkeypatch):
    place, said = days(force)[0], []
    real = intake.import_extract

    def fail(folder, source, **given):
        if source.name.startswith("incidents"):
            raise ZeroDivisionError("secret")
        return real(folder, source, **given)

    monkeypatch.setattr(intake, "import_extract", fail)
    assert len(intake.Watch(force, [place]).look(said.append, settled=True)) == 1
    assert any("a fault in Bluelamp itself (ZeroDivisionError)" in each for each in said)
    assert "secret" not in str(said)


def test_a_file_that_is_no_text_is_told_as_that_by_a_watch(force: Path):
    place = force / "arriving"
    place.mkdir()
    (place / "incidents_plan.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)))
    said: list[str] = []
    assert intake.Watch(force, [place]).look(said.append, settled=True) == []
    (told,) = said
    assert "incidents_plan.csv is no text file" in told
    assert "Windows" not in told


def test_an_incident_that_was_erased_stays_away_when_its_extract_comes_again(force: Path):
    place = days(force)[1]
    for name, path, chosen in intake.extracts_of(force):
        intake.import_extract(force, path, table=name, map_name=chosen)
    Store(force).erase("incident", "I1", "SAR-1")
    later(place / "incidents.csv", log(7, "2", "04").replace("2026-03-07", "2026-03-04") + "\n")
    done = intake.import_extract(force, place / "incidents.csv")
    assert done.batch["rows_read"] == 3
    assert (done.batch["rows_accepted"], done.batch["rows_unchanged"], done.batch["rows_quarantined"]) == (1, 1, 1)
    assert Store(force).read("incidents")["incident_id"].to_list() == ["I2", "I7"]
    assert Store(force).quarantined()["reason_code"].to_list() == ["erased"]
    presses = Store(force).read("unit_status").sort("status_at")
    assert presses["incident_id"].to_list() == [None, None, "I9"]
    intake.import_extract(force, place / "status.csv", table="unit_status")
    assert Store(force).read("unit_status").sort("status_at").equals(presses)
    assert Store(force).verify() == []
