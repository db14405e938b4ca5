"""Others read the store as plain Delta tables, and what they or another version wrote is not taken for ours."""

from functools import partial

import polars as pl
import pytest
from deltalake import DeltaTable, QueryBuilder

from bluelamp import tables
from bluelamp.errors import BadData, InputOutputError
from bluelamp.store import Store, delta
from tests.store.children import events, half_done, import_next
from tests.store.telling import everything, insist_on_tidy, names_of, take


@pytest.mark.parametrize("name", ["plain", "a b", "50% [x]*?", "env=prod", "Länsi-Suomi"])
def test_others_read_the_tables_as_plain_delta_tables(tmp_path, name):
    place = tmp_path / name
    place.mkdir()
    store = Store(place)
    import_next(store)
    import_next(store)
    assert half_done(store) == store.verify() == []
    path = str(place / "store" / "events")
    columns = store.history("events").columns
    asked = QueryBuilder().register("events", DeltaTable(path)).execute("SELECT * FROM events")
    assert pl.DataFrame(asked.read_all()).select(columns).sort(columns).equals(store.history("events").sort(columns))
    told = {field.name: field.metadata["comment"] for field in DeltaTable(path).schema().fields}
    assert told["event_id"] == tables.table("events").by_name["event_id"].description
    assert DeltaTable(path).metadata().name == "events"
    asked = (
        QueryBuilder()
        .register("batches", DeltaTable(str(place / "store" / "batches")))
        .execute("SELECT * FROM batches")
    )
    assert pl.DataFrame(asked.read_all()).select(store.batches().columns).sort("sequence").equals(store.batches())
    asked = (
        QueryBuilder()
        .register("events", DeltaTable(path))
        .execute(
            "SELECT batch_id, count(*) AS rows FROM events WHERE starts_at >= '2026-01-01T00:31:00Z' GROUP BY batch_id"
        )
    )
    batches = dict(pl.DataFrame(asked.read_all()).rows())
    assert batches == {store.batches()["batch_id"][1]: 29}


def test_current_rows_can_be_told_from_the_tables_alone(store):
    import_next(store)
    import_next(store)
    asked = (
        QueryBuilder()
        .register("events", DeltaTable(str(store.folder / "store" / "events")))
        .register("batches", DeltaTable(str(store.folder / "store" / "batches")))
        .execute(
            "SELECT event_id, event_name FROM (SELECT e.*, row_number() OVER (PARTITION BY e.event_id "
            "ORDER BY b.sequence DESC, e.row_in_batch DESC) AS place FROM events e "
            "JOIN batches b ON e.batch_id = b.batch_id) WHERE place = 1"
        )
    )
    assert dict(pl.DataFrame(asked.read_all()).rows()) == names_of(store)


def test_many_batches_with_checkpoints_read_as_one(store, monkeypatch):
    monkeypatch.setattr(delta, "_CHECKPOINT_EVERY", 5)
    for number in range(40):
        take(store, events([number]), source=f"{number}.csv")
    assert store.read("events").equals(events(list(range(40))))
    log = store.folder / "store" / "events" / delta.LOG
    assert len(list(log.glob("*.checkpoint.parquet"))) == 8
    assert len(list(log.glob("*.json"))) == 41
    assert DeltaTable(str(log.parent)).version() == 40
    assert store.verify() == []
    insist_on_tidy(store)


@pytest.mark.parametrize("predicate", ["event_id = 'e0000001'", "batch_id > ''"])
def test_what_others_write_is_neither_read_nor_built_on(store, predicate):
    import_next(store)
    reference = everything(store)
    DeltaTable(str(store.folder / "store" / "events")).delete(predicate)
    assert everything(Store(store.folder)) == reference
    with pytest.raises(InputOutputError, match="another program"):
        import_next(store)
    assert everything(Store(store.folder)) == reference


@pytest.mark.parametrize(("version", "says"), [(0, "bluelamp upgrade"), (3, "newer version")])
def test_a_table_of_another_schema_version_is_not_read_but_explained(store, monkeypatch, version, says):
    import dataclasses

    other = dataclasses.replace(tables.table("events"), schema_version=version)
    known = tables.table
    with monkeypatch.context() as patch:
        patch.setattr(tables, "table", lambda name: other if name == "events" else known(name))
        take(store, events([1]))
    log = DeltaTable(str(store.folder / "store" / "events")).metadata().configuration
    assert log[delta.VERSION_KEY] == str(version)
    for ask in (partial(store.read, "events"), partial(store.history, "events"), partial(take, store, events([2]))):
        with pytest.raises(BadData, match=says):
            ask()
