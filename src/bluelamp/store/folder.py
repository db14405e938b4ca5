"""A force's store: write batches and runs whole or not at all, read only what is listed and unharmed."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl

from bluelamp import tables
from bluelamp.errors import BadData, NoInput, UsageError, count_of, did_you_mean, one_of
from bluelamp.store import checking, delta, disk, erasing
from bluelamp.store import ledger as ledgers
from bluelamp.store.accounting import Counts, Door, Shelf, ranged_column
from bluelamp.store.commit import ARTEFACTS, Commit
from bluelamp.store.ledger import Ledger

_ROWS_A_FILE = 262_144
_ROWS_A_RESULT_FILE = 2_000_000
_SAFE_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")


def _now() -> datetime:
    return datetime.now(UTC)


class Store:
    """The tables of one force.

    `folder` is the force's folder; its tables lie in `folder/store`. `clock` gives the time that is written down and
    decides nothing. Reading needs no lock and may go on while another process writes. Every method raises
    InputOutputError (exit code 74) when a stored file is not what was stored or the system can't read or write, and
    BadData when a table was stored by a newer or an older Bluelamp.
    """

    def __init__(self, folder: Path | str, clock: Callable[[], datetime] = _now) -> None:
        self.folder = Path(folder).absolute()
        self._path = self.folder / "store"
        self._clock = clock
        self._ledger = Ledger(self._path)
        self._is_still = False
        self._beside: dict[str, pl.DataFrame] = {}
        self._guard = threading.Lock()

    # -- reading ---------------------------------------------------------------------------------------------------

    def batches(self, table: str | None = None) -> pl.DataFrame:
        """Give the imports that are there, in order: of one table or of all."""
        batches = self._fresh().batches
        return batches if table is None else batches.filter(pl.col("table_name") == table)

    def snapshot(self, beside: Mapping[str, pl.DataFrame] | None = None) -> Store:
        """Give the store as it is at this moment, whatever is imported while its tables are read one by one.

        `beside` are rows of imported tables, by table, that came and were not imported yet: `read` and `scan` give them
        as if they had been imported just now.
        """
        still = Store(self.folder, self._clock)
        still._ledger = self._fresh()
        still._is_still = True
        for name, rows in (beside or {}).items():
            _insist_on_columns(rows, name)
            still._beside[name] = still._newer_than_held(name, rows)
        return still

    def read(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        where: pl.Expr | None = None,
        as_of: datetime | None = None,
    ) -> pl.DataFrame:
        """Give the current rows of an imported table, in the order in which they came in.

        The current row of a key is the one with the latest version (where the table has one: an incident's
        `updated_at`), and of equal ones the one that came last. `as_of` asks for the view of an earlier moment: rows of
        that version or before; where rows carry none, those of imports begun by then. `columns` and `where` keep what
        is read lean. A table that nothing was imported into is empty.
        """
        with self._reading():
            scanned = self.scan(name, as_of)
            if where is not None:
                scanned = scanned.filter(where)
            return scanned.select(list(columns) if columns is not None else tables.table(name).columns).collect()

    def scan(self, name: str, as_of: datetime | None = None) -> pl.LazyFrame:
        """Give the current rows of an imported table (or those of an earlier moment), to be read when collected.

        The files are checked now. They are never changed or removed, so what is collected later is what is there now.
        """
        _insist_on_kind(name, "imported")
        ledger = self._fresh()
        files = ledger.files_of(name)
        versions = self._scan_files(name, files)
        if as_of is not None:
            versions = _known_by(versions, name, files, ledger.batches, as_of)
        if files["updates"].sum():
            with self._reading():
                versions = self._without_replaced(name, files, versions)
        # Without an update each key stands once.
        current = versions.select(tables.table(name).columns)
        news = self._beside.get(name)
        if news is None or as_of is not None:
            return current
        keys = list(tables.table(name).key)
        others = current.join(news.select(keys).lazy(), on=keys, how="anti", nulls_equal=True, maintain_order="left")
        return pl.concat([others, news.lazy()])

    def history(self, name: str) -> pl.DataFrame:
        """Give every version of every row of an imported table, with `batch_id`, in the order in which they came in.

        `row_in_batch` numbers the rows that a batch stored, and `is_update` says that the key was known before.
        """
        _insist_on_kind(name, "imported")
        with self._reading():
            return self._with_batches(name, self._fresh().files_of(name))

    def quarantined(
        self, table: str | None = None, batch_id: str | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Give the rows that were set aside, with `batch_id`: all, or those meant for one table or of one batch.

        `columns` leaves out the others, such as the rows as they came.
        """
        files = self._fresh().files_of("quarantine")
        if batch_id is not None:
            files = files.filter(pl.col("owner_id") == batch_id)
        with self._reading():
            rows = self._with_batches("quarantine", files, columns)
        return rows if table is None else rows.filter(pl.col("table_name") == table)

    def runs(self) -> pl.DataFrame:
        """Give the runs that are there, in order."""
        return self._fresh().runs

    def latest_run(self) -> dict[str, Any]:
        """Give the last run. Raises NoInput where there is none yet."""
        return self._run(None)

    def run(self, run_id: str | None = None) -> dict[str, Any]:
        """Give a run by its id, the last where none is named. Raises NoInput where there is no such run."""
        return self._run(run_id)

    def result(self, name: str, run_id: str | None = None, where: pl.Expr | None = None) -> pl.DataFrame:
        """Give a result as a run wrote it; of the latest run unless another is named.

        Raises NoInput where there is no such run, or where the run has no such result.
        """
        with self._reading():
            scanned = self.scan_result(name, run_id)
            return (scanned if where is None else scanned.filter(where)).collect()

    def scan_result(self, name: str, run_id: str | None = None) -> pl.LazyFrame:
        """Give a result to be read when it is collected. Raises as `result` does."""
        _insist_on_kind(name, "result")
        run = self._run(run_id)
        files = self._ledger.files_of(name).filter(pl.col("owner_id") == run["run_id"])
        if files.is_empty():
            raise NoInput(f"Run {run['run_id']} has no result '{name}'. 'bluelamp plan' makes a run with all results.")
        return self._scan_files(name, files).select(tables.table(name).columns)

    def results(self, run_id: str | None = None) -> list[str]:
        """List the results that a run has, of the latest run unless another is named."""
        run = self._run(run_id)
        files = self._ledger.files.filter(pl.col("owner_id") == run["run_id"])
        return sorted(set(files["table"].to_list()) - {ARTEFACTS, "runs"})

    def rows_of_results(self, run_id: str | None = None) -> dict[str, int]:
        """Say how many rows each result of a run has, of the latest run unless another is named."""
        names = self.results(run_id)
        files = self._ledger.files.filter(pl.col("owner_id") == self._run(run_id)["run_id"])
        rows = dict(files.group_by("table").agg(pl.col("rows").sum()).iter_rows())
        return {name: int(rows[name]) for name in names}

    def artefact(self, name: str, run_id: str | None = None) -> Path:
        """Give the path of a run's artefact, its content checked; of the latest run unless another is named.

        Raises NoInput, with the names there are, where the run has no such artefact.
        """
        run = self._run(run_id)
        files = self._ledger.files_of(ARTEFACTS).filter(pl.col("owner_id") == run["run_id"])
        by_name = {Path(each.path).name: each for each in ledgers.sealed(files)}
        if name not in by_name:
            raise NoInput(f"Run {run['run_id']} has no artefact '{name}'.{did_you_mean(name, by_name)}")
        disk.insist(self._path, [by_name[name]])
        return self._path / by_name[name].path

    def artefacts_named(self, name: str) -> dict[str, bytes | None]:
        """Give every run's artefact of that name, by run; None where the file is not what was stored."""
        files = self._fresh().files_of(ARTEFACTS).filter(pl.col("path").str.ends_with(f"/{name}"))
        found: dict[str, bytes | None] = {}
        for owner, file in zip(files["owner_id"], ledgers.sealed(files), strict=True):
            found[owner] = None if disk.check(self._path, [file], again=True) else (self._path / file.path).read_bytes()
        return found

    # -- writing ---------------------------------------------------------------------------------------------------

    def writing(
        self,
        table: str,
        *,
        source_name: str,
        source_sha256: str | None = None,
        map_name: str | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> BatchWriter:
        """Begin an import into one table; use it in a `with` block, which commits the batch when it ends well.

        When the block raises, or the process is killed, the store stays as it was. Raises TryAgain, naming who, while
        another process writes.
        """
        _insist_on_kind(table, "imported")
        # The name of a file need not be text; what can't be read is shown as such.
        source_name = os.fsencode(source_name).decode(errors="replace")
        source = {"source_name": source_name, "source_sha256": source_sha256, "map_name": map_name}
        return BatchWriter(self, table, source, dict(notes or {}))

    def write_run(
        self,
        run: Mapping[str, Any],
        results: Mapping[str, pl.DataFrame],
        artefacts: Mapping[str, bytes | Path] | None = None,
    ) -> str:
        """Write a run with its results and artefacts, all of it visible at one instant, and give its `run_id`.

        `run` has the columns of table `runs` but `run_id` and `sequence`; `made_at` is the clock's where it is left
        out. `results` are published tables by name. Artefacts are bytes or files, which are copied.
        """
        for name, frame in results.items():
            _insist_on_kind(name, "result")
            _insist_on_columns(frame, name)
        for name in artefacts or {}:
            if not _SAFE_NAME.match(name):
                raise UsageError(f"'{name}' can't be an artefact's name. Letters, digits, '_', '.' and '-' can.")
        with disk.failures_told(f"Writing to '{self._path}'"), self._writer() as writer:
            for name, frame in results.items():
                for first in range(0, max(frame.height, 1), _ROWS_A_RESULT_FILE):
                    rows = frame.slice(first, _ROWS_A_RESULT_FILE).select(tables.table(name).columns)
                    writer.stage(name, rows)
            for name, content in (artefacts or {}).items():
                writer.stage_artefact(name, content)
            return str(writer.run(run)["run_id"])

    def sweep(self) -> list[str]:
        """Remove what killed writers left, and list it. Raises TryAgain while another process writes."""
        if not self._path.is_dir():
            return []
        with self._writer(thorough=True) as writer:
            return writer.swept

    def erase(self, kind: str, key: str, reference: str | None = None) -> dict[str, Any]:
        """Take every row of a person or an incident out of the store, for good, and give the row of `erasures`.

        `kind` is 'person' or 'incident', `key` the number. Every version goes; rows that only name it stay, without the
        name. Runs keep what they published and say that they can no longer be reproduced. Raises NoInput where the
        store holds nothing of it, TryAgain while another process writes.
        """
        self._insist_on_folder()
        if kind not in erasing.FIELDS:
            raise UsageError(f"'{kind}' can't be erased. {one_of(erasing.FIELDS)} can.")
        if not self._holds(kind, key):
            raise NoInput(f"The store holds no row of that {kind}. Check its number; nothing was changed.")
        with disk.failures_told(f"Writing to '{self._path}'"), self._writer() as writer:
            return writer.erase(kind, key, reference)

    def still_names(self, key: str) -> bool:
        """Say whether the ledger has a number that was erased; only one that an older Bluelamp began can."""
        return erasing.is_still_named(self._path, key)

    def _holds(self, kind: str, key: str) -> bool:
        field = erasing.FIELDS[kind]
        filled = [name for name in tables.names("imported") if field in tables.table(name).columns]
        found = [
            self._scan_files(name, self._fresh().files_of(name)).filter(pl.col(field) == key).select(pl.len())
            for name in filled
        ]
        aside = self._scan_files("quarantine", self._fresh().files_of("quarantine"))
        found.append(aside.filter(erasing.is_told_of(key)).select(pl.len()))
        return any(rows.item() for rows in pl.collect_all(found))

    def erasures(self) -> pl.DataFrame:
        """Give what was erased, in order: how much and since when, never what."""
        return self._fresh().erasures

    def leave_out_erased(
        self, name: str, rows: pl.DataFrame, row_numbers: pl.Series, file_name: str
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Part rows that come in from those that were erased before; see `erasing.leave_out`."""
        return erasing.leave_out(self._fresh(), name, rows, row_numbers, file_name)

    def upgrade(self) -> list[str]:
        """Bring the tables of an older Bluelamp forward, and list them; rows stay as they are.

        Raises TryAgain while another process writes, BadData where a table is newer than this Bluelamp.
        """
        self._insist_on_folder()
        if not self._path.is_dir():
            return []
        with disk.failures_told(f"Writing to '{self._path}'"), self._writer() as writer:
            return writer.upgrade()

    def insist_on_upgraded(self, names: Sequence[str]) -> None:
        """Raise BadData where one of these tables was made by another Bluelamp and can't be written to by this one."""
        ledger = self._fresh()
        for name in names:
            known = tables.table(name).schema_version
            # Files keep the version that they were written with: only a table that has others need be looked at.
            if (ledger.files_of(name)["schema_version"] != known).any():
                log = delta.Log.of(ledger.logs_of(name))
                delta.check_version(delta.open_sealed(self._path, name, log), name)

    def verify(self) -> list[str]:
        """Read every stored byte again and give a sentence for each fault; none means that all is well."""
        self._insist_on_folder()
        return checking.verify(self._path)

    # -- within ----------------------------------------------------------------------------------------------------

    def _insist_on_folder(self) -> None:
        if not self.folder.is_dir():
            raise NoInput(
                f"There is no folder '{self.folder}'. 'bluelamp init {self.folder} --from FILE' makes a force."
            )

    def _fresh(self) -> Ledger:
        return self._ledger if self._is_still else self._newest()

    def _newest(self) -> Ledger:
        self._insist_on_folder()
        with self._guard, disk.failures_told(f"Reading '{self._path}'"):
            newest = self._ledger.refresh()
            if not self._is_still:
                self._ledger = newest
            return newest

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with disk.failures_told(f"Reading '{self._path}'"):
            yield

    def _run(self, run_id: str | None) -> dict[str, Any]:
        runs = self._fresh().runs
        if runs.is_empty():
            raise NoInput(f"'{self.folder}' has no run yet. 'bluelamp plan {self.folder}' makes one.")
        found = runs.tail(1) if run_id is None else runs.filter(pl.col("run_id") == run_id)
        if found.is_empty():
            known = runs["run_id"].to_list()
            hint = did_you_mean(run_id or "", known)
            raise NoInput(f"There is no run '{run_id}'.{hint} The latest is '{known[-1]}'.")
        return found.row(0, named=True)

    def _scan_files(self, name: str, files: pl.DataFrame) -> pl.LazyFrame:
        """Scan data files in the order of the list, once they are found to be what was stored."""
        shape = delta.stored_schema(name)
        for found in files["schema_version"].unique().to_list():
            delta.check_schema_version(name, found, reading=True)
        if files.is_empty():
            return pl.LazyFrame(schema=shape)
        disk.insist(self._path, ledgers.sealed(files))
        paths = [self._path / path for path in files["path"]]
        # Columns that a later version of the table added are empty in older rows.
        return pl.scan_parquet(paths, schema=shape, hive_partitioning=False, glob=False, missing_columns="insert")

    def _with_batches(self, name: str, files: pl.DataFrame, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Read data files whole (or these columns), each row with the batch that it came with."""
        # Told from the numbers of rows, not from the paths: those may have other 'name=value' parts further up.
        owners = files.filter(pl.col("rows") > 0).select(pl.col("owner_id").repeat_by("rows").explode())
        scanned = self._scan_files(name, files)
        kept = scanned if columns is None else scanned.select(columns)
        return kept.collect().with_columns(owners.to_series().alias("batch_id"))

    def _without_replaced(self, name: str, files: pl.DataFrame, versions: pl.LazyFrame) -> pl.LazyFrame:
        """Leave out the versions that a later one of the same key has replaced."""
        keys = list(tables.table(name).key)
        updated = (
            self._scan_files(name, files.filter(pl.col("updates") > 0))
            .filter(pl.col(delta.IS_UPDATE))
            .select(keys)
            .unique()
        )
        version = tables.table(name).version
        numbered = versions.with_row_index("_position")
        order = [version, "_position"] if version else ["_position"]
        replaced = (
            numbered.select(*order, *keys)
            .join(updated, on=keys, how="semi", nulls_equal=True)
            .collect()
            # A row without a version is older than any that has one.
            .sort(order, nulls_last=False)
            .filter(~pl.struct(keys).is_last_distinct())
            .select("_position")
        )
        return numbered.join(replaced.lazy(), on="_position", how="anti", maintain_order="left")

    def _newer_than_held(self, name: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Keep of rows that came the last of each key, where the store holds no later version of it."""
        definition = tables.table(name)
        keys, version = list(definition.key), definition.version
        # A row without a version is older than any that has one.
        ordered = rows.sort(version, nulls_last=False, maintain_order=True) if version else rows
        latest = ordered.select(definition.columns).unique(keys, keep="last", maintain_order=True)
        if version is None or latest.is_empty():
            return latest
        held = (
            self.scan(name)
            .select(*keys, pl.col(version).alias("_held"))
            .join(latest.select(keys).lazy(), on=keys, how="semi", nulls_equal=True)
            .collect()
        )
        beside = latest.join(held, on=keys, how="left", nulls_equal=True, maintain_order="left")
        is_later = pl.col("_held").is_null() | (pl.col(version) >= pl.col("_held")).fill_null(value=False)
        return beside.filter(is_later).drop("_held")

    def _writer(self, *, thorough: bool = False) -> Commit:
        return Commit(self._path, self._newest, self._clock, thorough=thorough)


class BatchWriter:
    """One import into one table. Rows are stored as they are added and count when the block ends well.

    Afterwards `batch` is its row of table `batches`.
    """

    def __init__(self, store: Store, table: str, source: dict[str, Any], notes: dict[str, Any]) -> None:
        self.counts = Counts()
        self.batch: dict[str, Any] = {}
        self._store = store
        self._table = table
        self._source = source
        self._notes = notes
        self._stack = ExitStack()
        self._failure: BaseException | None = None
        self._is_let_go = False
        self._pending: list[pl.DataFrame] = []
        self._set_aside: list[pl.DataFrame] = []
        self._rows_stored = 0
        self._instants = [each.name for each in tables.table(table).fields if each.type == "datetime"][:1]
        self._first_at: datetime | None = None
        self._last_at: datetime | None = None

    def __enter__(self) -> BatchWriter:
        """Take the writer's lock and sweep what a killed writer left."""
        self._started_at = self._store._clock()
        self._writer = self._stack.enter_context(self._store._writer())
        try:
            files = self._writer.ledger.files_of(self._table)
            for found in files["schema_version"].unique().to_list():
                delta.check_schema_version(self._table, found, reading=True)
            with disk.failures_told(f"Writing to '{self._writer.store}'"):
                self._writer.insist_on_upgraded(self._table)
            self._door = Door(self._table, self._shelf(files))
        except BaseException:
            self._stack.close()
            raise
        return self

    def add(self, frame: pl.DataFrame) -> Counts:
        """Take a chunk of rows, already checked to the table's definition, and say how many of them are new.

        `frame` has the table's columns with its types; the order of rows is the order of the file. Chunks of 100,000
        rows and more are quickest. Raises BadData for other columns or types.
        """
        return self._take(frame, self._door.judge)

    def held_near(self, frame: pl.DataFrame, reach: timedelta, columns: Sequence[str]) -> pl.DataFrame:
        """Give the rows that the store held before this import at times near those of a chunk: no farther than `reach`.

        Of a table whose key has an instant (`ranged_column`). Versions that were replaced are among them. Files of
        other times stay unread.
        """
        instants = frame[ranged_column(self._table)]
        low, high = instants.min(), instants.max()
        if not isinstance(low, datetime) or not isinstance(high, datetime):
            return frame.clear().select(columns)
        with disk.failures_told(f"Reading '{self._writer.store}'"):
            return self._door.held_between(low - reach, high + reach, columns)

    def revise(self, frame: pl.DataFrame) -> None:
        """Store rows as new versions of keys that are known, even those that were held before.

        For what we derive ourselves and may derive otherwise again: an extract's rows go through `add`, because there
        what was held before is old. All count as updated. `frame` is as for `add`.
        """
        for first in range(0, frame.height, _ROWS_A_FILE):
            self._take(frame.slice(first, _ROWS_A_FILE), self._door.revise)

    def _take(self, frame: pl.DataFrame, judge: Callable[[pl.DataFrame], tuple[pl.DataFrame, Counts]]) -> Counts:
        _insist_on_columns(frame, self._table)
        frame = frame.select(tables.table(self._table).columns)
        with self._storing():
            stored, counts = judge(frame)
            self._note_instants(frame)
            if stored.height:
                numbers = pl.int_range(self._rows_stored, self._rows_stored + stored.height, dtype=pl.Int64, eager=True)
                self._pending.append(stored.with_columns(numbers.alias(delta.POSITION)))
                self._rows_stored += stored.height
            if _height(self._pending) >= _ROWS_A_FILE:
                self._write_pending()
        self.counts += counts
        return counts

    def quarantine(self, frame: pl.DataFrame) -> None:
        """Set rows aside: `frame` has the columns of table `quarantine`, one row for each row of the source."""
        _insist_on_columns(frame, "quarantine")
        with self._storing():
            self._set_aside.append(frame.select(tables.table("quarantine").columns))
            if _height(self._set_aside) >= _ROWS_A_FILE:
                self._write_set_aside()
        self.counts += Counts(quarantined=frame.height)

    def count_duplicates(self, rows: int) -> None:
        """Account for rows of the source that were joined to others before these were added."""
        self.counts += Counts(duplicate=rows)

    def has_news(self) -> bool:
        """Whether anything came that the store lacks: a row to be stored, or one set aside that was not before."""
        if self.counts.accepted or self.counts.updated:
            return True
        said = ["table_name", "field", "reason_code", "raw_row"]
        aside = pl.concat([tables.empty("quarantine"), *self._set_aside]).select(said).unique()
        if aside.is_empty() or self.counts.quarantined > _height(self._set_aside):
            return self.counts.quarantined > 0
        known = self._store.quarantined(self._table).select(said)
        return aside.join(known, on=said, how="anti", nulls_equal=True).height > 0

    def let_go(self) -> None:
        """Commit nothing when the block ends: the store stays as it was, and `batch` is empty."""
        self._is_let_go = True

    def note(self, notes: Mapping[str, Any]) -> None:
        """Add what the report of the import says to the batch's notes. Values must be JSON."""
        self._notes |= notes

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, or leave the store as it was when the block raised."""
        with self._stack:
            if kind is None:
                if self._failure is not None:
                    # Caught by the caller, it would make a batch with rows missing.
                    raise self._failure
                if self._is_let_go:
                    return
                with self._storing():
                    self._write_pending()
                    self._write_set_aside()
                    self.batch = self._writer.batch(self._row())

    @contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            with disk.failures_told(f"Writing to '{self._writer.store}'"):
                yield
        except BaseException as error:
            self._failure = error
            raise

    def _row(self) -> dict[str, Any]:
        return {
            "table_name": self._table,
            **self._source,
            "started_at": self._started_at,
            "rows_read": self.counts.read,
            **{f"rows_{name}": number for name, number in vars(self.counts).items()},
            "first_at": self._first_at,
            "last_at": self._last_at,
            "notes": json.dumps(self._notes, ensure_ascii=False, sort_keys=True),
        }

    def _note_instants(self, frame: pl.DataFrame) -> None:
        for column in self._instants:
            low, high = frame.select(low=pl.col(column).min(), high=pl.col(column).max()).row(0)
            if low is not None:
                self._first_at = low if self._first_at is None else min(low, self._first_at)
                self._last_at = high if self._last_at is None else max(high, self._last_at)

    def _write_pending(self) -> None:
        if not self._pending:
            return
        rows = pl.concat(self._pending).select(list(delta.stored_schema(self._table)))
        staged = self._writer.stage(self._table, rows)
        self._door.written(
            len(self._pending), lambda: _read_file(staged, tables.table(self._table).columns, self._table)
        )
        self._pending = []

    def _write_set_aside(self) -> None:
        if _height(self._set_aside):
            self._writer.stage("quarantine", pl.concat(self._set_aside))
        self._set_aside = []

    def _shelf(self, files: pl.DataFrame) -> Shelf:
        store = self._writer.store

        def read(number: int, columns: Sequence[str]) -> pl.DataFrame:
            (file,) = ledgers.sealed(files[number])
            disk.insist(store, [file])
            return _read_file(store / file.path, columns, self._table)

        # Lines of an older Bluelamp tell the range of the key's first column.
        is_known = pl.col("key_column").fill_null(tables.table(self._table).key[0]) == ranged_column(self._table)
        known = files.select("rows", pl.when(is_known).then(pl.col("first_key", "last_key")))
        return Shelf(known["rows"], known["first_key"], known["last_key"], read)


def _known_by(
    versions: pl.LazyFrame, name: str, files: pl.DataFrame, batches: pl.DataFrame, as_of: datetime
) -> pl.LazyFrame:
    """Keep what was known at a moment: by the row's own version, else by when its import began."""
    begun = dict(batches.select("batch_id", "started_at").iter_rows())
    rows = files["rows"].to_list()
    owners = files["owner_id"].to_list()
    came = pl.concat(
        [pl.Series([begun[owner] <= as_of], dtype=pl.Boolean).new_from_index(0, count)
         for owner, count in zip(owners, rows, strict=True)]
        or [pl.Series([], dtype=pl.Boolean)]
    )  # fmt: skip
    known = pl.lit(came).alias("_known") if len(came) else pl.lit(True).alias("_known")
    version = tables.table(name).version
    if version is not None:
        known = pl.when(pl.col(version).is_not_null()).then(pl.col(version) <= as_of).otherwise(known).alias("_known")
    return versions.with_columns(known).filter("_known").drop("_known")


def _height(frames: Sequence[pl.DataFrame]) -> int:
    return sum(each.height for each in frames)


def _read_file(path: Path, columns: Sequence[str], name: str) -> pl.DataFrame:
    shape = delta.stored_schema(name)
    scanned = pl.scan_parquet(path, schema=shape, hive_partitioning=False, glob=False, missing_columns="insert")
    return scanned.select(list(columns)).collect()


def _insist_on_kind(name: str, kind: str) -> None:
    if tables.table(name).kind != kind:
        verb = {"imported": "imported", "result": "made by a run"}[kind]
        raise UsageError(f"'{name}' is not a table that is {verb}. These are: {', '.join(tables.names(kind))}.")


def _insist_on_columns(frame: pl.DataFrame, name: str) -> None:
    """Raise BadData unless the frame has the table's columns with its types, in whatever order."""
    expected = tables.table(name).polars_schema
    problems = [f"'{column}' is missing." for column in expected if column not in frame.columns]
    problems += [
        f"'{column}' is not a column of '{name}'.{did_you_mean(column, expected)}"
        if column not in expected
        else f"'{column}' has type {found}, {expected[column]} was expected."
        for column, found in frame.schema.items()
        if found != expected.get(column)
    ]
    if problems:
        things = count_of(len(problems), "thing")
        raise BadData(f"These rows can't be stored as '{name}'. {things} to put right:", problems)
