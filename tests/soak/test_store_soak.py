"""What takes minutes: hundreds of kills, a thousand flipped bits, a disk that fills up at every step, many batches."""

import time
from pathlib import Path

import pytest

from bluelamp.store import Store, delta, folder
from tests.store.children import events, import_next, write_next_run
from tests.store.harm import crash_everywhere, crowd, flip_bits, kill_writers, small_disk
from tests.store.telling import take

pytestmark = pytest.mark.soak


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(folder, "_ROWS_A_FILE", 12)
    monkeypatch.setattr(delta, "_CHECKPOINT_EVERY", 2)
    place = tmp_path / "template"
    place.mkdir()
    store = Store(place)
    import_next(store)
    write_next_run(store)
    import_next(store)
    return place


def test_two_hundred_writers_killed_at_random(tmp_path):
    kill_writers(tmp_path, times=200, seed=11)


@pytest.mark.parametrize("work", [import_next, write_next_run])
def test_every_touch_of_the_disk_and_every_sweep_after_it_killed(tmp_path, template, work):
    print(f"\n{crash_everywhere(tmp_path, template, work, every=1, nested=2)} kills")


def test_a_thousand_flipped_bits(template):
    import_next(Store(template))
    unread = flip_bits(template, times=1_000, seed=13)
    print(f"\n1,000 flipped bits: all found, {unread} of them in files that reading does not need")


def test_a_disk_that_fills_up_at_every_step(tmp_path, template):
    with small_disk(tmp_path) as place:
        if place is None:
            pytest.skip("FULL DISK NOT TESTED: this needs the right to mount a small file system.")
        failed, done = crowd(place, range(0, 200_000, 2_048))
        print(f"\n{failed} imports told that the disk was full, {done} completed")
        assert failed > 20


def test_three_hundred_batches_cost_little_more_than_the_first(tmp_path):
    store = Store(tmp_path)
    seconds = []
    for number in range(300):
        start = time.perf_counter()
        take(store, events(list(range(number * 20, number * 20 + 20))))
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    assert Store(tmp_path).read("events").height == 6_000
    reading = time.perf_counter() - start
    first, last = sum(seconds[:50]) / 50, sum(seconds[-50:]) / 50
    print(f"\nan import took {first * 1000:.0f} ms at first, {last * 1000:.0f} ms at last; reading {reading:.2f} s")
    assert store.verify() == []
    assert last < 5 * first
    assert reading < 3
