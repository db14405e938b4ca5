"""Too little room, too few open files or a folder that cannot be written are told, and nothing is lost."""

import json
import os
import subprocess

import polars as pl
import pytest

from bluelamp.errors import BluelampError, InputOutputError
from bluelamp.store import Store, delta
from tests.store.children import child, half_done, import_next
from tests.store.harm import crowd, small_disk
from tests.store.telling import everything, insist_on_tidy


def test_a_full_disk_is_told_and_the_next_import_completes(tmp_path, small_steps):
    with small_disk(tmp_path) as place:
        if place is not None:
            failed, done = crowd(place, range(0, 280_000, 16_384))
            assert failed > 3
            assert done > 3
    # A limit on the size of files fails in other places than a full disk does, and needs no right to mount.
    force = tmp_path / "force"
    force.mkdir()
    import_next(Store(force))
    with child("cramped", force, "files", "0", "100", "700", "1500", "2500", "5000", "10000000") as cramped:
        told = json.loads(cramped.communicate()[0])
    assert [code for code, _, _ in told[:3]] == [74, 74, 74]
    assert told[-1][0] == 0
    assert "a file would be larger than this account may write" in told[0][1]
    insist_on_codes(told, 1)
    import_next(Store(force))
    insist_on_tidy(Store(force))


def insist_on_codes(told: list[tuple[int, str, int]], batches: int) -> None:
    """Every try ended well or with a sentence and 74, and only what ended well or failed at reading left a batch."""
    for code, sentence, height in told:
        assert code in (0, 74), sentence
        assert height == batches + 1 if code == 0 else height in (batches, batches + sentence.startswith("Reading"))
        batches = height


@pytest.mark.parametrize("limits", [("handles", "0", "1", "2", "3", "5", "9", "64"), ("few", "14"), ("few", "64")])
def test_too_few_open_files_are_told_and_nothing_is_lost(tmp_path, limits):
    store = Store(tmp_path)
    import_next(store)
    with child("cramped", tmp_path, *limits) as cramped:
        told = json.loads(cramped.communicate()[0])
    insist_on_codes(told, 1)
    if limits[-1] == "64":
        assert told[-1][0] == 0
    if limits != ("few", "64"):
        assert "too few files may be open at once" in told[0][1]
    assert half_done(store) == store.verify() == []
    import_next(store)
    insist_on_tidy(store)


def test_a_folder_that_cannot_be_written_is_told_and_still_read(tmp_path):
    with small_disk(tmp_path) as mounted:
        force = mounted or tmp_path / "force"
        force.mkdir(exist_ok=True)
        import_next(Store(force))
        reference = everything(Store(force))
        if mounted:
            subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
        elif os.geteuid() != 0:
            for each in (force / "store").rglob("*"):
                each.chmod(0o555 if each.is_dir() else 0o444)
        else:
            pytest.skip("READ-ONLY FOLDER NOT TESTED: root may write anywhere, and mounting is not allowed here.")
        with pytest.raises(InputOutputError, match=r"can only be read|may not do that there") as told:
            import_next(Store(force))
        assert str(force) in str(told.value)
        assert everything(Store(force)) == reference
        assert Store(force).verify() == []
        for each in (force / "store").rglob("*") if not mounted else ():
            each.chmod(0o755)


def test_a_panic_below_is_told_and_nothing_is_lost(store, monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(*_, **__):
        raise PanicException("called `Result::unwrap()` on an `Err` value: No space left on device, row 'Jane Doe'")

    import_next(store)
    before = everything(store)
    with monkeypatch.context() as patch:
        patch.setattr(delta.DeltaTable, "create_write_transaction", panic)
        with pytest.raises(InputOutputError, match="the disk is full") as told:
            import_next(store)
    assert "Jane Doe" not in str(told.value)
    assert everything(store) == before
    import_next(store)
    insist_on_tidy(store)


def test_the_store_told_of_a_slip_of_the_caller_does_not_blame_the_disk(store):
    import_next(store)
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        store.read("events", where=pl.col("evnet_id") == "x")
    with pytest.raises(BluelampError):
        store.history("evnets")
