"""Every stored byte read again, and every list compared with every other."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import polars as pl

from bluelamp.errors import BluelampError, count_of
from bluelamp.store import delta, disk
from bluelamp.store.commit import ARTEFACTS, WRITING
from bluelamp.store.ledger import Ledger, latest, place_of, sealed


def verify(store: Path) -> list[str]:
    """Give a sentence for each fault; none means that the store is what was written, to the last bit.

    What a killed writer left is no fault: nothing reads it, and the next writer removes it. Safe beside a writer.
    """
    try:
        with disk.failures_told(f"Reading '{store}'"):
            ledger = Ledger(store).refresh()
    except BluelampError as error:
        return [str(error)]
    logs = ledger.logs.filter(pl.col("kind") != "last_checkpoint")
    problems = disk.check(store, [*sealed(ledger.files), *sealed(logs)], again=True)
    problems += _changed_hints(store, ledger)
    problems += _miscounted(ledger)
    if not problems:
        for name in sorted(set(ledger.files["table"].to_list()) - {ARTEFACTS}):
            problems += _not_as_listed(store, name, ledger)
    return problems


def _changed_hints(store: Path, ledger: Ledger) -> list[str]:
    """The one file of a Delta log that is written anew: where its last checkpoint stands."""
    problems: list[str] = []
    for _ in range(3):
        hints = latest(ledger.logs.filter(pl.col("kind") == "last_checkpoint"))
        problems = disk.check(store, sealed(hints), again=True)
        newer = ledger.refresh()
        if not problems or newer is ledger:
            break
        ledger = newer
    # A writer is at work, or was killed, and its hint is not listed yet. Nothing but speed depends on it.
    return [] if (store / WRITING).exists() else problems


def _miscounted(ledger: Ledger) -> list[str]:
    """Batches whose files do not hold the rows that their accounts say."""
    parts = ("accepted", "updated", "unchanged", "duplicate", "quarantined")
    stored = ledger.files.group_by("owner_id").agg(
        stored=pl.col("rows").filter(~pl.col("table").is_in(["batches", "quarantine"])).sum(),
        set_aside=pl.col("rows").filter(pl.col("table") == "quarantine").sum(),
    )
    lacking: Counter[str] = Counter()
    for rows_by_batch in ledger.erasures["rows_by_batch"]:
        lacking.update(json.loads(rows_by_batch))
    erased = pl.col("batch_id").replace_strict(dict(lacking), default=0, return_dtype=pl.Int64)
    wrong = ledger.batches.join(stored, left_on="batch_id", right_on="owner_id", how="left").filter(
        (pl.col("rows_read") != pl.sum_horizontal(f"rows_{part}" for part in parts))
        | (pl.col("rows_accepted") + pl.col("rows_updated") != pl.col("stored").fill_null(0) + erased)
        | (pl.col("rows_quarantined") != pl.col("set_aside").fill_null(0))
    )
    return [
        f"Batch {batch_id} read {count_of(read, 'row')}, but what is stored of it does not add up to that."
        for batch_id, read in wrong.select("batch_id", "rows_read").iter_rows()
    ]


def _not_as_listed(store: Path, name: str, ledger: Ledger) -> list[str]:
    """Files that one of the two lists, ledger and Delta log, has and the other lacks."""
    listed = {path.removeprefix(f"{name}/") for path in ledger.files_of(name)["path"]}
    log = delta.Log.of(ledger.logs_of(name))
    try:
        with disk.failures_told(f"Reading '{store / name}' as a Delta table"):
            active = delta.active_files(delta.open_at(store, name, log.version))
    except BluelampError as error:
        return [str(error)]
    # An erasure that was cut off counts already, and the next writer tells the Delta log: what it holds meanwhile are
    # the files that others stand for.
    replaced = active & {path.removeprefix(f"{name}/") for path in ledger.replaced}
    places = {place_of(path) for path in replaced}
    lacking = sorted(path for path in listed - active if place_of(path) not in places)
    problems = [f"{store / name / path} is listed, but its Delta log lacks it." for path in lacking]
    strange = sorted(active - listed - replaced)
    problems += [f"{store / name / path} is in the Delta log, but not listed." for path in strange]
    return problems
