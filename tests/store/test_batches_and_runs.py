"""A batch or a run is there whole or not at all, says what it was made from, and stays as it was."""

import contextlib
import json
from datetime import UTC, datetime
from functools import partial

import polars as pl
import pytest

from bluelamp import tables
from bluelamp.errors import BadData, InputOutputError, NoInput, UsageError
from bluelamp.store import BatchWriter, Store, disk, folder
from tests.store.children import NEW, a_run, events, half_done, import_next, outages, set_aside, write_next_run
from tests.store.telling import everything, files_below, insist_on_tidy, take


def test_a_batch_says_what_it_was_made_from_and_accounts_for_every_row(tmp_path):
    clock = iter(datetime(2026, 11, 23, 9, 0, second, tzinfo=UTC) for second in range(60))
    store = Store(tmp_path, clock=lambda: next(clock))
    take(store, events([5]))
    with store.writing(
        "events", source_name="b.csv", source_sha256="ab" * 32, map_name="oakland", notes={"a": 1}
    ) as batch:
        batch.add(events([1, 1, 5]))
        batch.add(events([5], version=1))
        batch.quarantine(set_aside(2))
        batch.note({"b": ["x"]})
    row = store.batches().row(1, named=True)
    assert row == batch.batch
    assert tables.check(store.batches(), "batches").equals(store.batches())
    assert (row["sequence"], row["table_name"], row["source_name"]) == (2, "events", "b.csv")
    assert (row["source_sha256"], row["map_name"], json.loads(row["notes"])) == (
        "ab" * 32,
        "oakland",
        {"a": 1, "b": ["x"]},
    )
    counted = ("read", "accepted", "updated", "unchanged", "duplicate", "quarantined")
    assert [row[f"rows_{each}"] for each in counted] == [6, 1, 1, 1, 1, 2]
    assert row["started_at"] < row["committed_at"]
    assert row["first_at"] == events([1])["starts_at"][0]
    assert row["last_at"] == events([5])["starts_at"][0]
    assert store.quarantined(batch_id=row["batch_id"]).drop("batch_id").equals(set_aside(2))
    assert store.quarantined(table="incidents").is_empty()


def test_equal_content_gets_equal_numbers_whatever_the_clock_says(tmp_path):
    numbers = []
    for year in (2026, 2031):
        (tmp_path / str(year)).mkdir()
        store = Store(tmp_path / str(year), clock=lambda year=year: datetime(year, 5, 1, tzinfo=UTC))
        import_next(store)
        write_next_run(store)
        numbers.append((store.batches()["batch_id"][0], store.latest_run()["run_id"]))
    assert numbers[0] == numbers[1]
    take(store, events([900]))
    assert store.batches()["batch_id"][1][:8] == "b000002-"
    assert store.batches()["batch_id"][1][8:] != numbers[0][0][8:]


def test_nothing_is_visible_before_the_block_ends_and_everything_after(store, small_steps):
    import_next(store)
    with store.writing("events", source_name="next.csv") as batch:
        batch.add(events(list(range(100, 150))))
        assert Store(store.folder).read("events").height == NEW
        assert Store(store.folder).batches().height == 1
    assert Store(store.folder).read("events").height == NEW + 50


def test_an_error_within_the_block_leaves_the_store_as_it_was(store, small_steps):
    import_next(store)
    before, files = everything(store), files_below(store.folder)

    def chunks():
        yield events(list(range(100, 150)))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        take(store, source="next.csv", more=chunks())
    assert everything(store) == before
    assert files_below(store.folder) == files


def test_a_failure_that_was_caught_still_stops_the_batch(store, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "_ROWS_A_FILE", 12)

    def chunks(batch: BatchWriter) -> None:
        with batch:
            with monkeypatch.context() as patched, contextlib.suppress(InputOutputError):
                patched.setattr(disk, "write_new", full)
                batch.add(events(list(range(20))))
            batch.add(events(list(range(20, 40))))

    with pytest.raises(InputOutputError, match="the disk is full"):
        chunks(store.writing("events", source_name="x"))
    assert store.batches().is_empty()
    assert store.verify() == []


def test_a_force_without_a_store_is_empty_and_one_without_a_folder_is_no_input(tmp_path):
    store = Store(tmp_path)
    assert store.read("incidents").schema == tables.table("incidents").polars_schema
    assert store.read("incidents", columns=["area_id"]).columns == ["area_id"]
    assert store.batches().is_empty()
    assert store.quarantined().is_empty()
    assert store.verify() == store.sweep() == []
    assert list(tmp_path.iterdir()) == []
    for ask in (Store(tmp_path / "none").batches, Store(tmp_path / "none").verify):
        with pytest.raises(NoInput):
            ask()
    with pytest.raises(NoInput, match="bluelamp plan"):
        store.latest_run()
    with pytest.raises(UsageError):
        store.read("coverage")
    with pytest.raises(UsageError):
        store.writing("batches", source_name="x")


def test_a_run_gives_back_its_results_and_artefacts(store, tmp_path):
    file = tmp_path / "map.json"
    file.write_bytes(b"{}" * 1000)
    first = store.write_run(a_run(), {"outages": outages(3)}, {"paths.bin": b"\0\1", "map.json": file})
    second = store.write_run(a_run(seed=2), {"outages": outages(0)})
    assert store.latest_run()["run_id"] == second
    assert store.runs()["run_id"].to_list() == [first, second]
    assert store.result("outages", first).equals(outages(3))
    assert store.result("outages").equals(outages(0))
    assert store.result("outages", first, where=pl.col("incidents") > 1).height == 1
    assert store.artefact("map.json", first).read_bytes() == file.read_bytes()
    assert store.results(first) == ["outages"]
    for ask in (
        partial(store.artefact, "paths.bin", second),
        partial(store.result, "coverage", first),
        partial(store.result, "outages", "r000009-00000000"),
    ):
        with pytest.raises(NoInput):
            ask()
    with pytest.raises(UsageError):
        store.write_run(a_run(), {}, {"../force.toml": b""})
    with pytest.raises(BadData, match="method"):
        store.write_run(a_run(method=None), {"outages": outages(1)})
    assert store.runs().height == 2
    assert store.verify() == []


def test_threads_of_one_process_may_read_while_another_writes(store):
    from concurrent.futures import ThreadPoolExecutor

    import_next(store)
    with ThreadPoolExecutor(3) as pool:
        looks = [pool.submit(lambda: [half_done(store) for _ in range(6)]) for _ in range(2)]
        pool.submit(lambda: [import_next(store) for _ in range(4)]).result()
        assert [fault for each in looks for look in each.result() for fault in look] == []


def test_a_snapshot_stays_as_it_was_and_writing_through_it_does_not_fork_the_store(store):
    import_next(store)
    still = store.snapshot()
    before = everything(still)
    import_next(store)
    write_next_run(still)
    assert everything(still) == before
    assert store.batches().height == 2
    assert store.runs().height == 1
    insist_on_tidy(store)
