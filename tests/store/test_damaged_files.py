"""No byte is believed that is not what was stored: damage is found, named and never built on."""

import shutil

import pytest

from bluelamp.errors import InputOutputError
from bluelamp.store import Store, delta
from tests.store.children import half_done, import_next
from tests.store.harm import flip_bits, told_or_refused
from tests.store.telling import everything, files_below


def test_a_flipped_bit_in_any_stored_file_is_found_and_never_believed(template):
    import_next(Store(template))
    assert len(files_below(template)) < 60
    assert flip_bits(template, times=60, seed=5) < 60


@pytest.mark.parametrize("harm", ["deleted", "shortened", "emptied"])
def test_a_file_that_is_missing_or_cut_is_found_and_never_believed(template, harm):
    import_next(Store(template))
    reference = everything(Store(template))
    for file in files_below(template):
        content = file.read_bytes()
        if harm == "deleted":
            file.unlink()
        else:
            file.write_bytes(content[:-1] if harm == "shortened" else b"")
        assert Store(template).verify(), file
        told, refusal = told_or_refused(template)
        assert refusal is not None or told == reference, file
        file.write_bytes(content)
    assert Store(template).verify() == []


def test_a_damaged_log_stops_the_writer_before_it_builds_on_it(store):
    import_next(store)
    log = store.folder / "store" / delta.log_path("events", 1)
    content = log.read_bytes()
    log.write_bytes(content.replace(b'"add"', b'"adD"'))
    with pytest.raises(InputOutputError, match=log.name):
        import_next(store)
    log.write_bytes(content)
    import_next(store)
    assert store.verify() == []


def test_a_store_put_back_from_a_backup_is_read_as_it_is_now(tmp_path, store):
    import_next(store)
    shutil.copytree(store.folder / "store", tmp_path / "backup")
    import_next(store)
    assert store.batches().height == 2
    shutil.rmtree(store.folder / "store")
    shutil.copytree(tmp_path / "backup", store.folder / "store")
    assert store.batches().height == 1
    import_next(store)
    assert half_done(store) == store.verify() == []
