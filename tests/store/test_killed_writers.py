"""One writer at a time, and one that is killed at any moment leaves all as it was or all as it should be."""

import shutil

import pytest
from deltalake import DeltaTable

from bluelamp.errors import TryAgain
from bluelamp.store import Store, commit, delta
from tests.store.children import child, events, half_done, import_next, write_next_run
from tests.store.harm import crash_everywhere, crash_sweeps, kill_writers
from tests.store.telling import everything, insist_on_tidy, take


def test_a_second_writer_is_told_who_writes_and_a_killed_one_frees_the_store(store):
    import_next(store)
    with child("hold", store.folder) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TryAgain, match=f"Process {holder.pid} .since 20") as told:
            take(store, events([1]))
        assert told.value.exit_code == 75
        assert half_done(store) == []
        with pytest.raises(TryAgain):
            store.sweep()
        holder.kill()
    import_next(store)
    assert store.batches().height == 2


def test_an_import_killed_at_any_touch_of_the_disk_is_there_whole_or_not_at_all(tmp_path, template):
    assert crash_everywhere(tmp_path, template, import_next, every=6, nested=48) > 16


def test_a_run_killed_at_any_touch_of_the_disk_is_there_whole_or_not_at_all(tmp_path, template):
    assert crash_everywhere(tmp_path, template, write_next_run, every=6, nested=0) > 8


def test_the_first_import_killed_at_any_touch_of_the_disk_leaves_an_empty_store(tmp_path, small_steps):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert crash_everywhere(tmp_path, empty, import_next, every=7, nested=0) > 8


@pytest.mark.parametrize("left", ["new checkpoint", "wrong hint"])
def test_a_sweep_killed_while_it_makes_a_checkpoint_again_is_done_by_the_next(tmp_path, template, left):
    store = Store(template)
    for name in ("events", "batches") if left == "new checkpoint" else ():
        DeltaTable(str(template / "store" / name)).create_checkpoint()
    if left == "wrong hint":
        import_next(store)
        (template / "store" / "events" / delta.LOG / "_last_checkpoint").write_bytes(b"{")
    (template / "store" / commit.WRITING).mkdir()
    assert crash_sweeps(tmp_path, store, store.batches().height, 1, every=1) > 10


def test_writers_killed_at_random_leave_whole_batches_and_a_reader_never_sees_half(store):
    kill_writers(store.folder, times=12, seed=2)


def test_a_commit_torn_by_a_power_cut_is_removed_and_the_next_import_completes(template, tmp_path):
    before = everything(Store(template))
    for left in (b"", b"\0" * 300, b'{"commitInfo":{}}\n{"add":{"path":"batch_id=b0'):
        for table in ("events", "batches"):
            place = tmp_path / "cut"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(template, place)
            store = Store(place)
            version = DeltaTable(str(place / "store" / table)).version()
            (place / "store" / delta.log_path(table, version + 1)).write_bytes(left)
            assert everything(store) == before
            assert store.verify() == []
            import_next(store)
            insist_on_tidy(store)


def test_what_stands_behind_the_head_of_the_ledger_does_not_count(template):
    before = everything(Store(template))
    with (template / "store" / "ledger.jsonl").open("ab") as file:
        file.write(b'{"owner_id":"b000003-00000000","batch":')
    assert everything(Store(template)) == before
    assert Store(template).verify() == []
    import_next(Store(template))
    insist_on_tidy(Store(template))


def test_sweeping_leaves_what_is_not_ours(template):
    mine = template / "store" / "notes"
    mine.mkdir()
    (mine / "read me.txt").write_text("backup is on the second disk")
    stale = template / "store" / "events" / "batch_id=b000009-00000000"
    stale.mkdir()
    (stale / "part-00000.parquet").write_bytes(b"half")
    assert Store(template).sweep() == ["events/batch_id=b000009-00000000"]
    assert (mine / "read me.txt").exists()
    assert Store(template).sweep() == []
