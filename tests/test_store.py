"""The store: every row accounted for, whole batches or none, and no byte believed that is not what was stored."""

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, QueryBuilder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bluelamp import tables
from bluelamp.errors import BadData, BluelampError, InputOutputError, NoInput, TryAgain, UsageError
from bluelamp.store import BatchWriter, Counts, Store, accounting, commit, delta, disk, folder
from bluelamp.store.accounting import Door, Shelf
from tests.soak import store_children
from tests.soak.store_children import a_run, events, half_done, import_next, outages, set_aside, write_next_run

CHILDREN = Path(store_children.__file__)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several files a batch and a checkpoint every other commit, so that a little data goes through every stage."""
    monkeypatch.setattr(folder, "_ROWS_A_FILE", 12)
    monkeypatch.setattr(delta, "_CHECKPOINT_EVERY", 2)


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


# -- accounting ----------------------------------------------------------------------------------------------------


def test_a_first_import_accepts_every_row(store):
    assert take(store, events([1, 2, 3])) == Counts(accepted=3)
    assert store.read("events").equals(events([1, 2, 3]))


def test_the_same_file_twice_changes_nothing(store):
    take(store, events([1, 2, 3]))
    assert take(store, events([1, 2, 3])) == Counts(unchanged=3)
    assert store.history("events").height == 3


def test_a_row_twice_in_a_file_is_a_duplicate_in_one_chunk_and_in_two(store):
    assert take(store, events([1, 1, 2])) == Counts(accepted=2, duplicate=1)
    assert take(store, events([3]), events([3])) == Counts(accepted=1, duplicate=1)


def test_a_known_row_twice_in_a_file_is_unchanged_once_and_then_a_duplicate(store):
    take(store, events([1]))
    assert take(store, events([1, 1]), events([1])) == Counts(unchanged=1, duplicate=2)


def test_new_content_updates_a_key_and_keeps_the_old_version(store):
    take(store, events([1, 2]))
    assert take(store, events([2], version=1)) == Counts(updated=1)
    assert names_of(store) == {"e0000001": "version 0", "e0000002": "version 1"}
    history = store.history("events").filter(pl.col("event_id") == "e0000002")
    assert history["event_name"].to_list() == ["version 0", "version 1"]
    assert history["is_update"].to_list() == [False, True]
    assert history["batch_id"].to_list() == store.batches()["batch_id"].to_list()


def test_a_version_seen_long_ago_is_unchanged_and_does_not_come_back(store):
    take(store, events([1]))
    take(store, events([1], version=1))
    assert take(store, events([1])) == Counts(unchanged=1)
    assert names_of(store) == {"e0000001": "version 1"}


def test_the_later_row_of_a_key_wins_within_a_file(store):
    assert take(store, events([1]), events([1], version=1)) == Counts(accepted=1, updated=1)
    one_chunk = pl.concat([events([2]), events([2], version=1), events([2], version=2)])
    assert take(store, one_chunk) == Counts(accepted=1, updated=2)
    assert names_of(store) == {"e0000001": "version 1", "e0000002": "version 2"}


def test_rows_differ_when_one_has_a_value_and_the_other_none(store):
    empty = events([1]).with_columns(area_id=pl.lit(None, dtype=pl.String))
    take(store, empty)
    assert take(store, empty) == Counts(unchanged=1)
    assert take(store, empty.with_columns(area_id=pl.lit(""))) == Counts(updated=1)


def test_keys_of_several_columns_may_hold_empty_ones(store):
    people = pl.DataFrame(
        {"person_id": ["p1", "p1", "p2"], "role_code": ["response"] * 3, "valid_from": ["2026-01-01", None, None]},
    ).with_columns(pl.col("valid_from").str.to_date())
    people = people.select(
        pl.col(name) if name in people.columns else pl.lit(None, dtype=type_).alias(name)
        for name, type_ in tables.table("people").polars_schema.items()
    )
    for expected in (Counts(accepted=3), Counts(unchanged=3)):
        with store.writing("people", source_name="people.csv") as batch:
            assert batch.add(people) == expected
    with store.writing("people", source_name="people.csv") as batch:
        batch.add(people.with_columns(role_code=pl.lit("dog_handler")))
    assert store.read("people")["role_code"].to_list() == ["dog_handler"] * 3


def test_rows_whose_hashes_collide_are_all_kept(store, monkeypatch):
    monkeypatch.setattr(
        accounting, "_hash_of", lambda frame, keys: pl.zeros(frame.height, pl.UInt64, eager=True).to_numpy()
    )
    assert take(store, events(list(range(50)))) == Counts(accepted=50)
    again = pl.concat([events([3, 70, 3]), events([4], version=1)])
    assert take(store, again) == Counts(accepted=1, updated=1, unchanged=1, duplicate=1)
    assert store.read("events").height == 51


class Ledgerless:
    """The rules of accounting, as slowly and plainly as they can be written."""

    def __init__(self) -> None:
        self.versions: dict[str, list[tuple]] = {}

    def take(self, rows: list[tuple]) -> Counts:
        read, counts = set(), {"accepted": 0, "updated": 0, "unchanged": 0, "duplicate": 0}
        for row in rows:
            known = self.versions.setdefault(row[0], [])
            if row in read:
                verdict = "duplicate"
            elif row in known:
                verdict = "unchanged"
            else:
                verdict = "updated" if known else "accepted"
                known.append(row)
            read.add(row)
            counts[verdict] += 1
        return Counts(**counts)


numbers_and_versions = st.tuples(st.integers(0, 7), st.integers(0, 3))
files_of_chunks = st.lists(st.lists(st.lists(numbers_and_versions, max_size=9), min_size=1, max_size=4), max_size=5)


def rows_of(chunk: list[tuple[int, int]]) -> pl.DataFrame:
    return pl.concat([events([]), *(events([number], version) for number, version in chunk)])


@settings(max_examples=60, deadline=None)
@given(files_of_chunks)
def test_accounting_is_that_of_the_plain_rules(files):
    plain, stored = Ledgerless(), []
    for chunks in files:
        shelf = Shelf(
            pl.Series([each.height for each in stored], dtype=pl.Int64),
            pl.Series([accounting.key_range(each, "events")[0] for each in stored], dtype=pl.String),
            pl.Series([accounting.key_range(each, "events")[1] for each in stored], dtype=pl.String),
            lambda number, columns, files=tuple(stored): files[number].select(columns),
        )
        door, counts, kept = Door("events", shelf), Counts(), []
        for chunk in chunks:
            rows, told = door.judge(rows_of(chunk))
            counts += told
            kept.append(rows)
            if len(kept) % 2 == 0 and rows.height and kept[-2].height:
                whole = pl.concat(kept[-2:])
                door.written(2, lambda whole=whole: whole.select(tables.table("events").columns))
        assert counts == plain.take([row for chunk in chunks for row in rows_of(chunk).rows()])
        stored += [each for each in kept if each.height]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files_of_chunks)
def test_what_is_read_is_the_last_version_of_each_key_in_the_order_of_import(tmp_path_factory, files):
    store, plain = Store(tmp_path_factory.mktemp("force")), Ledgerless()
    for chunks in files:
        counts = take(store, *map(rows_of, chunks))
        assert counts == plain.take([row for chunk in chunks for row in rows_of(chunk).rows()])
    assert sorted(store.read("events").rows()) == sorted(each[-1] for each in plain.versions.values())
    assert sorted(store.history("events").select(tables.table("events").columns).rows()) == sorted(
        row for each in plain.versions.values() for row in each
    )
    place = {row: number for number, row in enumerate(store.history("events").drop(folder_columns()).rows())}
    assert [place[row] for row in store.read("events").rows()] == sorted(
        place[row] for row in store.read("events").rows()
    )


def folder_columns() -> list[str]:
    return ["batch_id", delta.POSITION, delta.IS_UPDATE]


def test_a_condition_never_brings_a_replaced_row_back(store):
    take(store, events([1, 2]))
    take(store, events([1], version=1))
    assert store.read("events", where=pl.col("event_name") == "version 0")["event_id"].to_list() == ["e0000002"]
    assert store.read("events", columns=["event_name"], where=pl.col("event_id") == "e0000001").rows() == [
        ("version 1",)
    ]


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


def test_rows_that_were_joined_before_they_were_added_are_accounted_for(store):
    with store.writing("events", source_name="feed.csv") as batch:
        batch.add(events([1, 2, 3]))
        batch.count_duplicates(2)
    assert (batch.batch["rows_read"], batch.batch["rows_accepted"], batch.batch["rows_duplicate"]) == (5, 3, 2)
    assert store.verify() == []


def test_rows_of_another_shape_are_refused_with_every_reason(store):
    wrong = events([1]).rename({"kind": "kinds"}).with_columns(starts_at=pl.lit("noon"))
    with pytest.raises(BadData) as told, store.writing("events", source_name="x") as batch:
        batch.add(wrong)
    assert "'kind' is missing" in str(told.value)
    assert "Did you mean 'kind'?" in str(told.value)
    assert "'starts_at' has type String" in str(told.value)
    assert store.batches().is_empty()


# -- visibility ----------------------------------------------------------------------------------------------------


def test_nothing_is_visible_before_the_block_ends_and_everything_after(store, small_steps):
    import_next(store)
    with store.writing("events", source_name="next.csv") as batch:
        batch.add(events(list(range(100, 150))))
        assert Store(store.folder).read("events").height == store_children.NEW
        assert Store(store.folder).batches().height == 1
    assert Store(store.folder).read("events").height == store_children.NEW + 50


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


# -- one writer ----------------------------------------------------------------------------------------------------


def child(*arguments: str | Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(CHILDREN), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "POLARS_MAX_THREADS": "1"},
    )


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


# -- killed --------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for kill -9: nothing of ours runs after it."""


@contextlib.contextmanager
def killed_at(step: int) -> Iterator[list[str]]:
    """End whatever writes at its n-th touch of the disk. Gives the touches that came before."""
    touches: list[str] = []

    def touching(name: str, call: Callable) -> Callable:
        def touch(*arguments, **named):
            if len(touches) == step:
                raise Killed(name)
            touches.append(name)
            return call(*arguments, **named)

        return touch

    def die(self, kind, *_):
        # The system closes files and so frees the lock; nobody tidies up.
        if kind is None:
            leave(self, kind, *_)
        else:
            self._lock.__exit__(None, None, None)

    leave = commit.Commit.__exit__
    with pytest.MonkeyPatch.context() as patch:
        for where, name in (
            (os, "fsync"),
            (os, "rename"),
            (os, "open"),
            (Path, "mkdir"),
            (Path, "touch"),
            (disk, "remove"),
            (delta.DeltaTable, "create"),
            (delta.DeltaTable, "create_checkpoint"),
            (delta.DeltaTable, "create_write_transaction"),
        ):
            patch.setattr(where, name, touching(name, getattr(where, name)))
        patch.setattr(commit.Commit, "__exit__", die)
        with contextlib.suppress(Killed):
            yield touches


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


def crash(template: Path, place: Path, work: Callable[[Store], None], step: int) -> tuple[Store, list[str]]:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(template, place)
    store = Store(place)
    with killed_at(step) as touches:
        work(store)
    return store, touches


def crash_everywhere(tmp_path: Path, template: Path, work: Callable[[Store], None], every: int, nested: int) -> int:
    """Kill a piece of work at each touch of the disk, and at some of them the sweep that follows as well."""
    before = Store(template)
    batches, runs = before.batches().height, before.runs().height
    step = tried = 0
    while True:
        store, touches = crash(template, tmp_path / "force", work, step)
        insist_on_whole(store, batches, runs)
        if nested and step % nested == 0 and (store.folder / "store" / commit.WRITING).exists():
            tried += crash_sweeps(tmp_path, store, batches, runs)
        import_next(store)
        insist_on_tidy(store)
        tried += 1
        if len(touches) < step:
            return tried
        step += every


def crash_sweeps(tmp_path: Path, killed: Store, batches: int, runs: int, every: int = 3) -> int:
    step = 0
    while True:
        store, touches = crash(killed.folder, tmp_path / "swept", Store.sweep, step)
        insist_on_whole(store, batches, runs)
        store.sweep()
        insist_on_whole(store, batches, runs)
        insist_on_tidy(store)
        if len(touches) < step:
            return step + 1
        step += every


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


def test_an_import_killed_at_any_touch_of_the_disk_is_there_whole_or_not_at_all(tmp_path, template):
    assert crash_everywhere(tmp_path, template, import_next, every=4, nested=48) > 25


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


def kill_writers(place: Path, times: int, seed: int) -> None:
    """Kill real processes at random moments, while another looks, and insist on what must hold after each."""
    chance = random.Random(seed)
    store = Store(place)
    import_next(store)
    with child("look", place) as looker, contextlib.ExitStack() as ended:
        waiting = [ended.enter_context(child("write", place)) for _ in range(2)]
        reached = 0
        for number in range(times):
            writer = waiting.pop(0)
            if number + 2 < times:
                waiting.append(ended.enter_context(child("write", place)))
            assert writer.stdout.readline() == "ready\n"
            before = store.batches().height, store.runs().height
            writer.stdin.write("go\n")
            writer.stdin.flush()
            time.sleep(chance.uniform(0, 0.25))
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            reached += (store.batches().height, store.runs().height) > before
            assert store.verify() == []
            assert half_done(store) == []
            if number % 2:
                import_next(store)
            else:
                store.sweep()
            insist_on_tidy(store)
        told = json.loads(looker.communicate("")[0])
    assert told["faults"] == []
    assert told["looks"] > times
    # Kills that come before anything or after everything would prove little.
    assert reached < times


def test_writers_killed_at_random_leave_whole_batches_and_a_reader_never_sees_half(store):
    kill_writers(store.folder, times=25, seed=2)


# -- damaged -------------------------------------------------------------------------------------------------------


def told_or_refused(place: Path) -> tuple[list[object] | None, str | None]:
    """All that the store tells, or the sentence with which it refuses to."""
    try:
        return everything(Store(place)), None
    except InputOutputError as error:
        return None, str(error)


def flip_bits(place: Path, times: int, seed: int) -> int:
    """Flip one bit at a time, every file at least once, and insist that it is found and never believed."""
    chance = random.Random(seed)
    reference = everything(Store(place))
    files = files_below(place)
    unread = 0
    for number in range(times):
        file = files[number % len(files)]
        content = file.read_bytes()
        at = chance.randrange(len(content) * 8)
        flipped = bytearray(content)
        flipped[at // 8] ^= 1 << at % 8
        file.write_bytes(flipped)
        problems = Store(place).verify()
        assert problems, f"bit {at} of {file} was not found"
        assert any(file.name.split(".")[0] in each for each in problems), f"{problems} do not name {file}"
        told, refusal = told_or_refused(place)
        if refusal is None:
            assert told == reference, f"bit {at} of {file} was believed"
            unread += 1
        else:
            assert file.name.split(".")[0] in refusal
            assert "backup" in refusal
        file.write_bytes(content)
    assert Store(place).verify() == []
    assert everything(Store(place)) == reference
    return unread


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


@pytest.mark.parametrize("predicate", ["event_id = 'e0000001'", "batch_id > ''"])
def test_what_others_write_is_neither_read_nor_built_on(store, predicate):
    import_next(store)
    reference = everything(store)
    DeltaTable(str(store.folder / "store" / "events")).delete(predicate)
    assert everything(Store(store.folder)) == reference
    with pytest.raises(InputOutputError, match="another program"):
        import_next(store)
    assert everything(Store(store.folder)) == reference


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


@pytest.mark.parametrize(("version", "says"), [(0, "bluelamp upgrade"), (2, "newer version")])
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


# -- crowded out ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of 8 MB, or nothing where this account may not mount one."""
    place = tmp_path / "small_disk"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        yield None
        return
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill_up(place: Path, free: int) -> Path:
    filler = place / "filler"
    with filler.open("wb") as file:
        status = os.statvfs(place)
        file.write(b"\0" * max(0, status.f_bavail * status.f_frsize - free))
    return filler


def crowd(place: Path, frees: range) -> tuple[int, int]:
    """Import with less and less room, and insist that each either completes or tells and changes nothing."""
    store = Store(place)
    import_next(store)
    failed = done = 0
    for free in frees:
        before = everything(store)
        filler = fill_up(place, free)
        refusal = None
        try:
            import_next(store)
        except InputOutputError as error:
            refusal = str(error)
        done += refusal is None
        if refusal is not None:
            failed += 1
            assert "the disk is full. Free some space" in refusal.replace("Most likely ", "")
            assert everything(Store(place)) == before
            assert Store(place).verify() == []
        filler.unlink()
    import_next(store)
    insist_on_tidy(store)
    return failed, done


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


# -- seen from outside ---------------------------------------------------------------------------------------------


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


# -- many batches --------------------------------------------------------------------------------------------------


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


def test_an_import_opens_only_files_whose_keys_it_may_meet(store, monkeypatch):
    for first in (0, 100, 200):
        take(store, events(list(range(first, first + 50))))
    opened = []
    read = folder._read_file
    monkeypatch.setattr(folder, "_read_file", lambda path, columns: opened.append(path) or read(path, columns))
    assert take(store, events([120, 130, 160])) == Counts(accepted=1, unchanged=2)
    assert len(set(opened)) == 1


def test_the_store_told_of_a_slip_of_the_caller_does_not_blame_the_disk(store):
    import_next(store)
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        store.read("events", where=pl.col("evnet_id") == "x")
    with pytest.raises(BluelampError):
        store.history("evnets")


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
