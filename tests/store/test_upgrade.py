"""Stores of older versions of Bluelamp: read as they are, brought forward once, and written to only then.

`frozen/` holds stores as those versions wrote them; nothing makes them again.
"""

from __future__ import annotations

import tarfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

from bluelamp import tables
from bluelamp.cli import app
from bluelamp.errors import BadData
from bluelamp.store import Store

FROZEN = sorted((Path(__file__).parent / "frozen").glob("schema-*.tar.xz"))
ADDED = {
    "incidents": "updated_at",
    "people": "is_tutored",
    "duties": "duty_day",
    "minimums": "skill_code",
    "service_times": "common_error",
    "standards": "stream",
    "events": "lead_in_hours",
}


@pytest.fixture(params=FROZEN, ids=lambda path: path.name)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    with tarfile.open(request.param) as packed:
        packed.extractall(tmp_path, filter="data")
    return Store(tmp_path)


def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    return {name: store.read(name).rows() for name in tables.names("imported")}


def regraded(store: Store) -> pl.DataFrame:
    """A row of before, in a version that only the new definition can tell."""
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    return store.read("incidents").head(1).with_columns(updated_at=pl.lit(at), grade_code=pl.lit("1b"))


def test_there_is_a_frozen_store():
    assert FROZEN


def test_an_old_store_is_read_as_it_is_with_new_columns_empty(old: Store):
    for name, column in ADDED.items():
        rows = old.read(name)
        assert rows.height > 3
        assert rows[column].null_count() == rows.height
    assert old.batches()["rows_accepted"].sum() == sum(len(rows) for rows in contents(old).values())
    assert old.verify() == []


def test_a_number_that_an_old_ledger_names_is_told_when_it_is_erased(old: Store):
    (old.folder / "force.toml").write_text('[force]\nid = "old"\nname = "Old"\ntime_zone = "Europe/London"\n')
    old.upgrade()
    ids = old.read("incidents")["incident_id"].sort()
    for number, is_named in ((ids[0], True), (ids[3], False)):
        said = CliRunner().invoke(app, ["erase", str(old.folder), "--incident", number, "--yes"]).output
        assert "removed" in said
        assert ("still has the number as the first or the last" in said) == is_named
    assert old.verify() == []


def test_an_old_store_is_not_written_to_before_it_is_upgraded_and_the_sentence_says_how(old: Store):
    before = contents(old)
    with (
        pytest.raises(BadData, match=r"'incidents' has schema version 1, and this Bluelamp needs 2.*bluelamp upgrade"),
        old.writing("incidents", source_name="more.csv") as batch,
    ):
        batch.add(regraded(old))
    assert contents(old) == before


def test_what_has_to_be_upgraded_is_told_before_anything_is_done(old: Store):
    with pytest.raises(BadData, match=r"needs 2.*bluelamp upgrade"):
        old.insist_on_upgraded(sorted(ADDED))
    old.upgrade()
    old.insist_on_upgraded(sorted(ADDED))
    old.snapshot().insist_on_upgraded(tables.names("result"))


def test_an_upgrade_changes_no_row_and_what_is_imported_next_has_the_new_columns(old: Store):
    before, history = contents(old), old.history("incidents").height
    assert old.upgrade() == sorted(ADDED)
    assert contents(old) == before
    assert old.upgrade() == []
    with old.writing("incidents", source_name="again.csv") as batch:
        batch.add(old.read("incidents"))
    assert batch.counts.unchanged == batch.counts.read > 0, "rows of before are known when they come again"
    new = regraded(old)
    with old.writing("incidents", source_name="more.csv") as batch:
        batch.add(new)
    assert batch.counts.updated == 1
    assert old.history("incidents").height == history + 1
    key = new["incident_id"].item()
    assert old.read("incidents", where=pl.col("incident_id") == key).equals(new)
    assert old.verify() == []


def test_others_see_the_new_columns_after_an_upgrade(old: Store):
    old.upgrade()
    seen = DeltaTable(str(old.folder / "store" / "incidents"))
    assert "updated_at" in [each.name for each in seen.schema().fields]
    assert seen.metadata().configuration["bluelamp.schema_version"] == "2"
    rows = pl.read_delta(str(old.folder / "store" / "incidents"))
    assert rows.height == old.history("incidents").height
    assert rows["updated_at"].null_count() == rows.height


def test_an_upgrade_cut_off_before_it_counts_is_done_by_the_next(old: Store, monkeypatch: pytest.MonkeyPatch):
    before = contents(old)
    from bluelamp.store import delta

    done, real = [], delta.upgrade

    def once(*arguments: object) -> object:
        if done:
            raise KeyboardInterrupt
        done.append(real(*arguments))  # type: ignore[arg-type]
        return done[0]

    monkeypatch.setattr(delta, "upgrade", once)
    with pytest.raises(KeyboardInterrupt):
        old.upgrade()
    monkeypatch.undo()
    assert contents(Store(old.folder)) == before
    Store(old.folder).upgrade()
    assert Store(old.folder).verify() == []
    with Store(old.folder).writing("incidents", source_name="more.csv") as batch:
        batch.add(regraded(old))
    assert batch.counts.updated == 1
