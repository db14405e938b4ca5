"""What every test of the store may use: an empty one, one that goes through every stage, and one with a past."""

from pathlib import Path

import pytest

from bluelamp.store import Store, delta, folder
from tests.store.children import import_next, write_next_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several files a batch and a checkpoint every other commit, so that a little data goes through every stage."""
    monkeypatch.setattr(folder, "_ROWS_A_FILE", 12)
    monkeypatch.setattr(delta, "_CHECKPOINT_EVERY", 2)


@pytest.fixture
def template(tmp_path: Path, small_steps: None) -> Path:
    """A force with two batches and a run, whose next commit makes a checkpoint."""
    place = tmp_path / "template"
    place.mkdir()
    store = Store(place)
    import_next(store)
    write_next_run(store)
    import_next(store)
    return place
