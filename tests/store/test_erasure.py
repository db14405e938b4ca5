"""Erasure: a person or an incident taken out for good, from every file and for every reader, and not brought back."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from bluelamp import tables
from bluelamp.errors import NoInput, UsageError
from bluelamp.store import Store, commit, folder
from tests.store.harm import killed_at
from tests.store.telling import files_below

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
GONE = "I-GONE-7"


def rows(name: str, *given: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(given), schema=tables.table(name).polars_schema)


def log(incident: str, grade: str = "2", **more: object) -> dict[str, object]:
    return {
        "incident_id": incident, "received_at": START, "class_code": "theft", "origin": "public", "grade_code": grade,
    } | more  # fmt: skip


def duty(number: int, person: str) -> dict[str, object]:
    return {
        "duty_id": f"D{number}", "person_id": person, "role_code": "response", "pool_id": "R1", "kind": "planned",
        "starts_at": START, "ends_at": START + timedelta(hours=9),
    }  # fmt: skip


def press(minute: int, incident: str | None) -> dict[str, object]:
    return {
        "unit_id": "RD21",
        "status_at": START + timedelta(minutes=minute),
        "status": "at_scene",
        "incident_id": incident,
    }


def take(store: Store, name: str, *given: dict[str, object]) -> dict[str, object]:
    with store.writing(name, source_name=f"{name}.csv") as batch:
        batch.add(rows(name, *given))
    return batch.batch


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A force of many small files: an incident in three versions and named in others' rows, and a person's duties."""
    monkeypatch.setattr(folder, "_ROWS_A_FILE", 2)
    place = tmp_path / "template"
    place.mkdir()
    store = Store(place)
    first = take(store, "incidents", log("I1"), log(GONE), log("I3"), log("I4"), log("I5", merged_into=GONE))
    take(store, "incidents", log(GONE, "1"), log("I3", "1"))
    take(store, "incidents", log(GONE, "3"))
    take(store, "unit_status", press(1, GONE), press(9, "I1"), press(12, None))
    take(store, "duties", *(duty(number, f"P{number % 3}") for number in range(8)))
    with store.writing("incidents", source_name="bad.csv") as batch:
        aside = {"table_name": "incidents", "file_name": "bad.csv", "row_number": 2, "field": "received_at"}
        said = {"reason_code": "missing_time", "reason": "'received_at' is empty."}
        batch.quarantine(rows("quarantine", aside | said | {"raw_row": json.dumps({"id": GONE, "words": "secret"})}))
    for batches in ([first["batch_id"]], [store.batches()["batch_id"][4]]):
        run = {
            "data_until": START, "forecast_from": START, "method": "m", "staffing_method": "s", "seed": 1,
            "settings": "{}", "batches": json.dumps(batches), "versions": "{}", "results_sha256": "{}", "notes": "[]",
            "seconds": "{}",
        }  # fmt: skip
        store.write_run(run, {})
    return place


def bytes_below(store: Store) -> bytes:
    return b"".join(
        pl.read_parquet(path, hive_partitioning=False).write_ndjson().encode()
        for path in files_below(store.folder)
        if path.suffix == ".parquet" and "_delta_log" not in str(path)
    )


def test_every_version_of_an_incident_goes_from_every_file_and_what_names_it_is_emptied(template: Path):
    store = Store(template)
    assert GONE.encode() in bytes_below(store)
    before = store.read("incidents").filter(~pl.col("incident_id").is_in([GONE, "I5"]))
    erased = store.erase("incident", GONE, "SAR-114")
    assert (erased["rows_removed"], erased["rows_emptied"], erased["reference"]) == (3, 3, "SAR-114")
    assert json.loads(erased["runs"]) == [store.runs()["run_id"][0]], "the run of a batch that lacks rows now"
    assert GONE not in json.dumps(erased, default=str)
    assert GONE.encode() not in bytes_below(store)
    after = store.read("incidents")
    assert after.filter(pl.col("incident_id") != "I5").equals(before), "the others stay as they were, in their order"
    assert after.filter(incident_id="I5")["merged_into"].to_list() == [None]
    assert store.read("unit_status")["incident_id"].to_list() == [None, "I1", None], "committed time stays"
    assert store.quarantined()["raw_row"].to_list() == [None]
    assert store.history("incidents").height == 5
    assert store.verify() == []
    outside = pl.read_delta(str(template / "store" / "incidents"))
    assert outside.height == 5
    assert GONE not in outside["incident_id"].to_list()


def test_no_file_of_the_store_holds_the_number_whatever_stood_first_or_last(tmp_path: Path):
    for number, ids in enumerate((["2026-104417"], ["2026-104416", "2026-104417"], ["2026-104417", "2026-990000"])):
        store = Store(tmp_path / str(number))
        store.folder.mkdir()
        take(store, "incidents", *map(log, ids))
        take(store, "incidents", *(log(each, "1") for each in ids))
        take(store, "unit_status", press(1, "2026-104417"), press(5, None))
        take(store, "grade_history", {"incident_id": "2026-104417", "graded_at": START, "grade_code": "2"})
        take(store, "people", {"person_id": "P-00815-X", "role_code": "response", "pool_id": "R1"})
        store.erase("incident", "2026-104417", "SAR-9")
        store.erase("person", "P-00815-X")
        assert files_below(store.folder)
        for path in files_below(store.folder):
            content = path.read_bytes()
            if path.suffix == ".parquet" and "_delta_log" not in str(path):
                content += pl.read_parquet(path, hive_partitioning=False).write_ndjson().encode()
            assert b"2026-104417" not in content, path
            assert b"P-00815-X" not in content, path
        assert store.verify() == []


def test_a_person_goes_with_every_duty_and_the_others_stay(template: Path):
    store = Store(template)
    erased = store.erase("person", "P1")
    assert erased["rows_removed"] == 3
    assert set(store.read("duties")["person_id"]) == {"P0", "P2"}
    assert store.verify() == []
    assert store.erasures()["kind"].to_list() == ["person"]


def test_what_was_erased_does_not_come_back_with_the_next_extract(template: Path):
    store = Store(template)
    store.erase("incident", GONE)
    coming = rows("incidents", log("I8"), log(GONE, "2"), log("I9", merged_into=GONE))
    kept, aside = store.leave_out_erased("incidents", coming, pl.Series([2, 3, 4]), "today.csv")
    assert kept["incident_id"].to_list() == ["I8", "I9"]
    assert kept["merged_into"].to_list() == [None, None]
    assert aside.select("row_number", "reason_code", "raw_row").rows() == [(3, "erased", None)]
    presses, none = store.leave_out_erased("unit_status", rows("unit_status", press(1, GONE)), pl.Series([2]), "s.csv")
    assert presses["incident_id"].to_list() == [None]
    assert none.is_empty()


def test_what_lies_in_quarantine_alone_can_be_erased_too(tmp_path: Path):
    store = Store(tmp_path)
    with store.writing("incidents", source_name="bad.csv") as batch:
        aside = {"table_name": "incidents", "file_name": "bad.csv", "row_number": 2, "field": "received_at"}
        said = {"reason_code": "missing_time", "reason": "'received_at' is empty.", "raw_row": json.dumps({"id": GONE})}
        batch.quarantine(rows("quarantine", aside | said))
    erased = store.erase("incident", GONE)
    assert (erased["rows_removed"], erased["rows_emptied"]) == (0, 1)
    assert GONE.encode() not in bytes_below(store)
    assert store.verify() == []


def test_what_is_not_there_can_not_be_erased(template: Path):
    before = Store(template).batches().rows(), files_below(template)
    with pytest.raises(NoInput, match="no row of that incident"):
        Store(template).erase("incident", "I-NEVER")
    with pytest.raises(UsageError, match="'crew' can't be erased"):
        Store(template).erase("crew", "X")
    assert (Store(template).batches().rows(), files_below(template)) == before


def test_an_erasure_killed_at_any_touch_of_the_disk_is_done_or_not_and_the_next_writer_tidies(
    template: Path, tmp_path: Path
):
    whole = Store(template).history("incidents").height
    outcomes = set()
    step = 0
    while True:
        place = tmp_path / "force"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(template, place)
        with killed_at(step) as touches:
            Store(place).erase("incident", GONE)
        seen = Store(place)
        left = seen.history("incidents").filter(incident_id=GONE).height
        assert left in (0, 3)
        assert seen.verify() == [], "what a killed writer left is no fault"
        assert seen.history("incidents").height == whole - 3 + left
        outcomes.add(left)
        take(seen, "duties", duty(99, "P9"))
        assert seen.verify() == []
        listed = seen._fresh()
        known = {*listed.files["path"], *listed.logs["path"], "ledger.head", "ledger.jsonl"}
        assert {str(each.relative_to(place / "store")) for each in files_below(place)} == known
        if not left:
            assert GONE.encode() not in bytes_below(seen)
        if len(touches) < step:
            break
        step += 3
    assert outcomes == {0, 3}
    assert not (place / "store" / commit.WRITING).exists()
