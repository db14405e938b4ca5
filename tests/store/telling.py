"""What a store tells, and what must hold of it whatever happened."""

import itertools
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from bluelamp.store import Counts, Store, commit
from tests.store.children import half_done


def take(store: Store, *chunks: pl.DataFrame, source: str = "feed.csv", more: Iterable[pl.DataFrame] = ()) -> Counts:
    with store.writing("events", source_name=source) as batch:
        for chunk in itertools.chain(chunks, more):
            batch.add(chunk)
    return batch.counts


def names_of(store: Store) -> dict[str, str]:
    return dict(store.read("events").select("event_id", "event_name").rows())


def everything(store: Store) -> list[object]:
    """All that the store tells, to compare before and after."""
    told: list[object] = [store.batches().rows(), store.runs().rows(), store.quarantined().rows()]
    told += [store.read("events").rows(), store.history("events").rows()]
    for run_id in store.runs()["run_id"]:
        told += [store.result("outages", run_id).rows(), store.artefact("paths.bin", run_id).read_bytes()]
    return told


def files_below(place: Path) -> list[Path]:
    return sorted(each for each in place.rglob("*") if each.is_file() and each.name != commit.LOCK)


def insist_on_whole(store: Store, batches: int, runs: int) -> None:
    """What must hold whenever a writer was killed: all as before, or all as after, and nothing wrong."""
    seen = Store(store.folder)
    assert seen.verify() == []
    assert half_done(seen) == []
    assert seen.batches().height in (batches, batches + 1)
    assert seen.runs().height in (runs, runs + 1)


def insist_on_tidy(store: Store) -> None:
    """What must hold after the next writer: nothing lies in the store that is not listed, and others see the same."""
    seen = Store(store.folder)
    assert seen.verify() == []
    listed = seen._fresh()
    known = {*listed.files["path"], *listed.logs["path"], "ledger.head", "ledger.jsonl"}
    assert {str(each.relative_to(store.folder / "store")) for each in files_below(store.folder)} == known
    outside = pl.read_delta(str(store.folder / "store" / "events"))
    assert outside.height == seen.history("events").height
    assert set(outside["batch_id"]) == set(pl.read_delta(str(store.folder / "store" / "batches"))["batch_id"])
