"""Processes that the store's tests start: `python children.py WHAT FOLDER …`.

`write` imports and writes runs until it is killed, `look` reads all the while and tells of anything half done, `hold`
keeps the writer's lock, `cramped` imports with too little of something. What each imports is given by its number alone,
so that whoever looks knows what must be there.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from bluelamp import tables
from bluelamp.errors import BluelampError
from bluelamp.store import Store, delta, folder

START = datetime(2026, 1, 1, tzinfo=UTC)
NEW, UPDATED, ASIDE = 30, 4, 3


def events(numbers: list[int], version: int = 0) -> pl.DataFrame:
    """Rows of table `events`: one a number, whose name tells its version."""
    rows = {
        "event_id": [f"e{number:07}" for number in numbers],
        "event_name": [f"version {version}" for _ in numbers],
        "kind": ["sport"] * len(numbers),
        "area_id": [None if number % 3 else "B01" for number in numbers],
        "starts_at": [START + timedelta(minutes=number) for number in numbers],
        "ends_at": [START + timedelta(minutes=number + 90) for number in numbers],
        "lead_in_hours": [1.0] * len(numbers),
        "wind_down_hours": [None] * len(numbers),
    }
    return pl.DataFrame(rows, schema=tables.table("events").polars_schema)


def set_aside(count: int, source: str = "feed.csv") -> pl.DataFrame:
    """Rows of table `quarantine`."""
    rows = {
        "table_name": ["events"] * count,
        "file_name": [source] * count,
        "row_number": list(range(2, count + 2)),
        "field": ["starts_at"] * count,
        "reason_code": ["missing"] * count,
        "reason": ["'starts_at' is empty; an instant was expected."] * count,
        "raw_row": ["{}"] * count,
    }
    return pl.DataFrame(rows, schema=tables.table("quarantine").polars_schema)


def outages(count: int) -> pl.DataFrame:
    """Rows of result `outages`."""
    rows = {
        "starts_at": [START + timedelta(days=number) for number in range(count)],
        "ends_at": [START + timedelta(days=number, hours=5) for number in range(count)],
        "rule": ["few_incidents"] * count,
        "incidents": list(range(count)),
        "incidents_expected": [number + 0.5 for number in range(count)],
    }
    return tables.publish(pl.DataFrame(rows), "outages")


def a_run(**said: object) -> dict[str, object]:
    """What a run says of itself, without its number."""
    return {
        "data_until": START,
        "forecast_from": START,
        "method": "slot_mean",
        "staffing_method": "mol",
        "seed": 1,
        "settings": "{}",
        "batches": "[]",
        "versions": "{}",
        "results_sha256": "{}",
        "notes": "[]",
        **said,
    }


def import_next(store: Store) -> None:
    """Import the batch that comes next: 30 new rows, 4 updates of earlier ones, a row twice, 3 set aside."""
    number = store.batches().height
    with store.writing("events", source_name=f"feed {number}.csv", source_sha256=f"{number:064x}") as batch:
        batch.add(events(list(range(number * NEW, (number + 1) * NEW))))
        batch.add(events([number * NEW]))
        if number:
            batch.add(events(list(range((number - 1) * NEW, (number - 1) * NEW + UPDATED)), version=number))
        batch.quarantine(set_aside(ASIDE, f"feed {number}.csv"))


def write_next_run(store: Store) -> None:
    """Write the run that comes next: as many outages as its number says, and one artefact."""
    number = store.runs().height + 1
    store.write_run(a_run(seed=number), {"outages": outages(number)}, {"paths.bin": bytes([number % 256]) * 5_000})


def half_done(store: Store) -> list[str]:
    """Look at everything once and tell of what is not whole."""
    before = store.batches()
    history = store.history("events").group_by("batch_id").len()
    aside = store.quarantined().group_by("batch_id").len()
    current = store.read("events")
    after = store.batches()
    stored = dict(history.rows())
    quarantined = dict(aside.rows())
    faults = [f"{each} is read but not listed" for each in {*stored, *quarantined} - {*after["batch_id"]}]
    for number, each in enumerate(after["batch_id"]):
        rows, set_aside_rows = stored.get(each), quarantined.get(each)
        if number >= before.height and rows is None:
            continue
        if rows != NEW + (UPDATED if number else 0):
            faults.append(f"{each} has {rows} rows")
        if set_aside_rows != ASIDE and not (number >= before.height and set_aside_rows is None):
            faults.append(f"{each} has {set_aside_rows} rows set aside")
    if current["event_id"].is_duplicated().any():
        faults.append("a key has two current rows")
    if not NEW * before.height <= current.height <= NEW * after.height:
        faults.append(f"{current.height} rows are current")
    for run_id, seed in store.runs().select("run_id", "seed").iter_rows():
        if store.result("outages", run_id).height != seed:
            faults.append(f"{run_id} has another number of outages than {seed}")
        if store.artefact("paths.bin", run_id).read_bytes() != bytes([seed % 256]) * 5_000:
            faults.append(f"{run_id} has another artefact")
    return faults


def child(*arguments: str | Path) -> subprocess.Popen:
    """A process of this file, started with these arguments."""
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "POLARS_MAX_THREADS": "1"},
    )


def write(place: str) -> None:
    """Import and write runs for ever, from the moment at which a line comes in."""
    # Several files a batch, and checkpoints within a few of them, so that a kill finds every stage.
    folder._ROWS_A_FILE = 12
    delta._CHECKPOINT_EVERY = 4
    print("ready", flush=True)
    sys.stdin.readline()
    store = Store(place)
    for number in range(10_000):
        import_next(store)
        if number % 2:
            write_next_run(store)


def look(place: str) -> None:
    """Look until standard input ends, then tell how often and what was amiss."""
    import select

    looks, faults = 0, set()
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            faults.update(half_done(Store(place)))
        except BaseException as error:
            faults.add(f"{type(error).__name__}: {error}")
        looks += 1
    print(json.dumps({"looks": looks, "faults": sorted(faults)}))


def hold(place: str) -> None:
    """Keep the writer's lock until standard input ends."""
    with Store(place).writing("events", source_name="slow.csv"):
        print("held", flush=True)
        sys.stdin.read()
        raise SystemExit


def cramped(place: str, what: str, *limits: str) -> None:
    """Try an import under each limit and tell its exit code, its sentence and the batches that are there then.

    `files` limits the size of a file; `handles` the open files, beyond those that a process at work has; `few` is the
    same from the start.
    """
    kind = resource.RLIMIT_FSIZE if what == "files" else resource.RLIMIT_NOFILE
    hard = resource.getrlimit(kind)[1]
    in_use = 0
    if what != "few":
        with tempfile.TemporaryDirectory() as elsewhere:
            import_next(Store(elsewhere))
    if what == "handles":
        in_use = len(list(Path("/proc/self/fd").iterdir())) - 1
    found = []
    for limit in limits:
        resource.setrlimit(kind, (int(limit) + in_use, hard))
        try:
            store = Store(place)
            import_next(store)
            store.read("events")
            outcome = [0, ""]
        except BluelampError as error:
            outcome = [error.exit_code, str(error)]
        except BaseException as error:
            outcome = [1, repr(error)]
        finally:
            resource.setrlimit(kind, (hard, hard))
        found.append([*outcome, Store(place).batches().height])
    print(json.dumps(found))


if __name__ == "__main__":
    {"write": write, "look": look, "hold": hold, "cramped": cramped}[sys.argv[1]](*sys.argv[2:])
