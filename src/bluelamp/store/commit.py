"""One commit: files staged beside the tables, then moved, registered and listed, or swept away.

The order makes every moment at which a process can be killed harmless. Files are moved to their places and registered
in the Delta tables, the lists of batches and runs last of these; nothing of it counts until the ledger's head is
renamed. What stands beyond the head is taken back by the next writer, which knows from the folder `.writing` that one
was killed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl

from bluelamp import tables
from bluelamp.store import delta, disk, erasing
from bluelamp.store import ledger as ledgers
from bluelamp.store.accounting import key_range, ranged_column
from bluelamp.store.ledger import DataFile, Entry, Ledger

WRITING = ".writing"
LOCK = ".lock"
ARTEFACTS = "artefacts"
_ROWS_A_GROUP = 65_536
_OF_A_LOG = re.compile(r"^(\d{20}\.(json|checkpoint\.parquet)|_last_checkpoint)$")


@dataclass(frozen=True)
class Staged:
    """A file that lies beside the tables; `file.path` is where it will be, below the folder of its batch or run."""

    path: Path
    file: DataFile
    statistics: str | None


class Commit:
    """The right to write, from taking the lock to giving it back. Use it in a `with` block.

    `store` is the store's folder, `read_ledger` gives its ledger as it is now, `clock` the time to write down.
    `swept` lists what was found of killed writers and removed.
    """

    def __init__(
        self, store: Path, read_ledger: Callable[[], Ledger], clock: Callable[[], datetime], *, thorough: bool = False
    ) -> None:
        self.store = store
        self.swept: list[str] = []
        self._read_ledger = read_ledger
        self._clock = clock
        self._thorough = thorough
        self._staging = store / WRITING
        self._staged: list[Staged] = []

    def __enter__(self) -> Commit:
        """Take the lock and sweep. Raises TryAgain while another process writes."""
        with disk.failures_told(f"Writing to '{self.store}'"):
            self.ledger = self._read_ledger()
            if not self.store.is_dir():
                self.store.mkdir(exist_ok=True)
                disk.sync_folder(self.store.parent)
            self._lock = disk.WriterLock(self.store / LOCK, self._clock())
            self._lock.__enter__()
            try:
                self.ledger = self._read_ledger()
                if not (self.store / ledgers.HEAD).exists():
                    ledgers.begin(self.store)
                if self._staging.exists() or self._thorough or self._is_something_left():
                    self._sweep()
                self._staging.mkdir()
            except BaseException:
                self._lock.__exit__(None, None, None)
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take back what did not come to count, and give the lock back."""
        try:
            # What can't be taken back now, because the disk is full or gone, the next writer takes back: it finds
            # the folder, which goes last.
            with suppress(Exception), disk.failures_told("Sweeping"):
                if kind is not None:
                    for each in self._staging.iterdir():
                        disk.remove(each)
                    self.ledger = self._read_ledger()
                    self._sweep()
                disk.remove(self._staging)
        finally:
            self._lock.__exit__(None, None, None)

    # -- staging ---------------------------------------------------------------------------------------------------

    def stage(self, name: str, frame: pl.DataFrame) -> Path:
        """Write rows of a table, with the columns of `delta.stored_schema`, and give where they lie meanwhile."""
        content = _parquet(frame)
        path = self._staging / f"{len(self._staged):05}.parquet"
        sha256 = disk.write_new(path, content)
        is_imported = tables.table(name).kind == "imported"
        first_key, last_key = key_range(frame, name) if is_imported else (None, None)
        number = sum(each.file.table == name for each in self._staged)
        file = DataFile(
            table=name,
            path=f"part-{number:05}-{sha256}.parquet",
            rows=frame.height,
            updates=int(frame[delta.IS_UPDATE].sum()) if is_imported else 0,
            bytes=len(content),
            sha256=sha256,
            schema_version=tables.table(name).schema_version,
            first_key=first_key,
            last_key=last_key,
            key_column=ranged_column(name) if first_key is not None else None,
        )
        self._staged.append(Staged(path, file, delta.statistics(frame, name)))
        return path

    def stage_artefact(self, name: str, content: bytes | Path) -> None:
        """Write an artefact, or copy the file that it is."""
        path = self._staging / f"{len(self._staged):05}.artefact"
        if isinstance(content, Path):
            copied = disk.copy_new(content, path)
            size, sha256 = copied.bytes, copied.sha256
        else:
            size, sha256 = len(content), disk.write_new(path, content)
        file = DataFile(
            table=ARTEFACTS, path=name, rows=0, updates=0, bytes=size, sha256=sha256, schema_version=ledgers.FORMAT
        )
        self._staged.append(Staged(path, file, None))

    # -- committing ------------------------------------------------------------------------------------------------

    def batch(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Make what was staged a batch, and give its row of table `batches`."""
        sequence = self.ledger.next_sequence("batches")
        said = {key: value for key, value in row.items() if key not in ("started_at", "notes")}
        row = {
            **row,
            "batch_id": f"b{sequence:06}-{self._content(said)}",
            "sequence": sequence,
            "committed_at": self._clock(),
            "software_version": _software_version(),
        }
        return self._commit("batches", row)

    def run(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Make what was staged a run, and give its row of table `runs`."""
        sequence = self.ledger.next_sequence("runs")
        said = {key: value for key, value in row.items() if key not in ("made_at", "seconds")}
        row = {
            **row,
            "run_id": f"r{sequence:06}-{self._content(said)}",
            "sequence": sequence,
            "made_at": row.get("made_at") or self._clock(),
        }
        return self._commit("runs", row)

    def _content(self, said: Mapping[str, Any]) -> str:
        """Eight hex digits of what is committed, clock times apart, so that equal content has equal numbers."""
        digest = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode())
        for each in self._staged:
            if each.file.table != ARTEFACTS:
                digest.update(f"{each.file.table} {each.file.sha256}\n".encode())
        return digest.hexdigest()[:8]

    def _commit(self, record: str, row: dict[str, Any]) -> dict[str, Any]:
        at = self._clock()
        frame = tables.check(pl.DataFrame([row], schema_overrides=tables.table(record).polars_schema), record)
        owner_id = frame.row(0)[0]
        assert isinstance(owner_id, str)
        self.stage(record, frame)
        files = [self._move(each, owner_id) for each in self._staged]
        self._sync_folders(files)
        logs = []
        for name in _in_order(files, record):
            logs += self._register(name, files, owner_id, at)
        written = _as_text(frame.row(0, named=True))
        self.ledger = self.ledger.append(
            Entry(
                owner_id,
                batch=written if record == "batches" else None,
                run=written if record == "runs" else None,
                files=tuple(files),
                logs=tuple(logs),
            )
        )
        return frame.row(0, named=True)

    def _move(self, staged: Staged, owner_id: str) -> DataFile:
        file = staged.file
        if file.table == ARTEFACTS:
            place = f"{ARTEFACTS}/{owner_id}/{file.path}"
        elif (owner := delta.owner_column(file.table)) is not None:
            place = f"{file.table}/{owner}={owner_id}/{file.path}"
        else:
            place = f"{file.table}/{owner_id}-{file.sha256}.parquet"
        path = self.store / place
        path.parent.mkdir(parents=True, exist_ok=True)
        os.rename(staged.path, path)
        return replace(file, path=place)

    def _sync_folders(self, files: Iterable[DataFile]) -> None:
        folders = {(self.store / each.path).parent for each in files}
        for folder in sorted(folders | {each.parent for each in folders}):
            disk.sync_folder(folder)

    def _register(self, name: str, files: Iterable[DataFile], owner_id: str, at: datetime) -> list[disk.Sealed]:
        statistics = {each.file.sha256: each.statistics for each in self._staged}
        adds = {
            each.path.removeprefix(f"{name}/"): (each.bytes, owner_id, statistics[each.sha256] or "{}")
            for each in files
            if each.table == name
        }
        return delta.append(self.store, name, adds, self._log(name), at)

    # -- erasing ---------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The time to write down."""
        return self._clock()

    def staged_file(self, path: Path) -> DataFile:
        """Give what is known of a staged file."""
        return next(each.file for each in self._staged if each.path == path)

    def erase(self, kind: str, key: str, reference: str | None) -> dict[str, Any]:
        """Take a person's or an incident's rows out of the store, and give the row of table `erasures`."""
        return erasing.erase(self, kind, key, reference)

    # -- upgrading -------------------------------------------------------------------------------------------------

    def insist_on_upgraded(self, name: str) -> None:
        """Raise BadData where the table was made by an older Bluelamp and not brought forward yet."""
        log = self._log(name)
        if log.version >= 0:
            delta.check_version(delta.open_sealed(self.store, name, log), name)

    def upgrade(self) -> list[str]:
        """Bring every table forward, all of it counting at one instant; gives their names."""
        logs: list[disk.Sealed] = []
        upgraded = []
        for name in tables.names():
            log = self._log(name)
            if log.version < 0:
                continue
            found = delta.schema_version(delta.open_sealed(self.store, name, log))
            if found == tables.table(name).schema_version:
                continue
            delta.check_schema_version(name, found, reading=True)
            logs += delta.upgrade(self.store, name, log)
            upgraded.append(name)
        if logs:
            self.ledger = self.ledger.append(Entry(None, logs=tuple(logs)))
        return upgraded

    # -- sweeping --------------------------------------------------------------------------------------------------

    def _is_something_left(self) -> bool:
        """Whether a Delta table has a version that is not listed: after a power cut no other trace need be there."""
        versions = self.ledger.log_versions()
        return any(delta.is_left(self.store, name, versions.get(name, -1)) for name in tables.names())

    def _log(self, name: str) -> delta.Log:
        return delta.Log.of(self.ledger.logs_of(name))

    def _sweep(self) -> None:
        """Take back whatever the ledger does not list."""
        listed = set(self.ledger.files["path"])
        logs: list[disk.Sealed] = []
        for name in (each for each in tables.names() if (self.store / each / delta.LOG).is_dir()):
            for temporary in (self.store / name / delta.LOG).iterdir():
                if not _OF_A_LOG.match(temporary.name):
                    self._remove(temporary)
            below = [path.removeprefix(f"{name}/") for path in self.ledger.files_of(name)["path"]]
            logs += delta.roll_back(self.store, name, self._log(name), below, self._clock())
        if logs:
            self.ledger = self.ledger.append(Entry(None, logs=tuple(logs)))
            self.swept += [each.path for each in logs]
        if any((self.store / path).exists() for path in self.ledger.replaced):
            erasing.finish(self)
        owners = {*self.ledger.batches["batch_id"], *self.ledger.runs["run_id"]}
        for folder in (self.store / name for name in (*tables.names(), ARTEFACTS)):
            for left in folder.iterdir() if folder.is_dir() else ():
                is_listed = left.name.rpartition("=")[2] in owners or f"{folder.name}/{left.name}" in listed
                if left.name != delta.LOG and not is_listed:
                    self._remove(left)
                elif left.is_dir() and folder.name not in (ARTEFACTS, delta.LOG):
                    # What an erasure that was killed put beside the files of a batch.
                    for path in left.iterdir():
                        if left.name != delta.LOG and f"{folder.name}/{left.name}/{path.name}" not in listed:
                            self._remove(path)
        for left in (self.store / f"{ledgers.HEAD}.new", self._staging):
            if left.exists():
                self._remove(left)

    def _remove(self, path: Path) -> None:
        disk.remove(path)
        self.swept.append(path.relative_to(self.store).as_posix())


def _in_order(files: Iterable[DataFile], record: str) -> list[str]:
    """The tables that are written to, the list of batches or runs last."""
    names = {each.table for each in files} - {ARTEFACTS, record}
    return [*sorted(names), record]


def _parquet(frame: pl.DataFrame) -> memoryview:
    # Made in memory and written by us: a full disk is then an error of ours to tell, not a panic below.
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=True, row_group_size=_ROWS_A_GROUP)
    return buffer.getbuffer()


def _as_text(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
        for key, value in row.items()
    }


def _software_version() -> str:
    try:
        return version("bluelamp")
    except PackageNotFoundError:
        return "0+source"
