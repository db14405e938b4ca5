"""The ledger: what a store holds, one line a commit, believed as far as its sealed head says.

`ledger.jsonl` only grows. `ledger.head` says how many of its bytes count and what their SHA-256 is, and is put in
place by one rename: that is the instant at which a batch or a run becomes visible, in all of its tables at once. What
stands behind the head in the ledger, or in a table without a line here, is what a killed writer left.

A line names the batch or the run, every data file that came with it (with rows, size, SHA-256 and the range of its
keys) and every file of the Delta logs that was written (with size and SHA-256). So one small read tells a reader which
files to open, and one comparison of a hash tells whether each is what was stored. A year of imports every five minutes
(100,000 lines, 150 MB) is read in two seconds and 400 MB, and a process reads no line twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl

from bluelamp import tables
from bluelamp.errors import BadData, InputOutputError
from bluelamp.store import disk

if TYPE_CHECKING:
    from hashlib import _Hash

FORMAT = 1
HEAD = "ledger.head"
LINES = "ledger.jsonl"

_FILE = {
    "table": pl.String(),
    "path": pl.String(),
    "rows": pl.Int64(),
    "updates": pl.Int64(),
    "bytes": pl.Int64(),
    "sha256": pl.String(),
    "schema_version": pl.Int64(),
    "first_key": pl.String(),
    "last_key": pl.String(),
    "key_column": pl.String(),
}
_LOG = {"path": pl.String(), "bytes": pl.Int64(), "sha256": pl.String()}
FILES_SHAPE = pl.Schema({"owner_id": pl.String(), **_FILE})
# Of a Delta log's files: its table, the version that stands in the name, and what it is.
LOGS_SHAPE = pl.Schema({"table": pl.String(), "version": pl.Int64(), "kind": pl.String(), **_LOG})
_LOG_NAME = r"^(?<table>[^/]+)/_delta_log/(?<version>\d*)[._](?<kind>json|checkpoint\.parquet|last_checkpoint)$"
_HASH = r"-[0-9a-f]{64}\.parquet$"
# Each commit adds a small piece to the frames; many small pieces are slow to read.
_PIECES = 64
_BLOCK = 1 << 22


@dataclass(frozen=True)
class DataFile:
    """One file of rows (or one artefact, whose table is 'artefacts') as its line describes it."""

    table: str
    path: str
    rows: int
    updates: int
    bytes: int
    sha256: str
    schema_version: int
    first_key: str | None = None
    last_key: str | None = None
    key_column: str | None = None  # whose range it is; in older lines that of the key's first column
    of_owner: str | None = None  # batch of the rows, where it is not that of the line


@dataclass(frozen=True)
class Entry:
    """One commit: a batch, a run, or the tidying after a killed writer (neither)."""

    owner_id: str | None
    batch: dict[str, Any] | None = None
    run: dict[str, Any] | None = None
    files: tuple[DataFile, ...] = ()
    logs: tuple[disk.Sealed, ...] = ()
    erasure: dict[str, Any] | None = None
    replaced: tuple[str, ...] = ()  # paths of the files that `files` stand for from now on
    mark: dict[str, str] | None = None  # by which what was erased is known when it comes again: kind, salt, sha256

    def line(self) -> bytes:
        """The line that is written, newline and all."""
        content: dict[str, Any] = {
            "owner_id": self.owner_id,
            "batch": self.batch,
            "run": self.run,
            "files": [vars(each) for each in self.files],
            "logs": [each._asdict() for each in self.logs],
        }
        if self.erasure is not None:
            content |= {"erasure": self.erasure, "replaced": list(self.replaced), "mark": self.mark}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


@dataclass(frozen=True)
class Ledger:
    """What the ledger said at one instant. Never changes; `refresh` gives a newer one."""

    store: Path
    batches: pl.DataFrame = field(default_factory=lambda: tables.empty("batches"))
    runs: pl.DataFrame = field(default_factory=lambda: tables.empty("runs"))
    files: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FILES_SHAPE))
    logs: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LOGS_SHAPE))
    erasures: pl.DataFrame = field(default_factory=lambda: tables.empty("erasures"))
    replaced: tuple[str, ...] = ()
    marks: tuple[dict[str, str], ...] = ()
    size: int = 0
    _digest: _Hash = field(default_factory=hashlib.sha256)

    def refresh(self) -> Ledger:
        """Read what was added since. Raises InputOutputError when the ledger or its head is damaged or missing."""
        size, sha256 = _read_head(self.store)
        if size == self.size and sha256 == self._digest.hexdigest():
            return self
        try:
            if size > self.size:
                return self._with_lines(_read_lines(self.store, self.size, size), sha256)
        except InputOutputError:
            # A store put back from a backup under a running process has other lines: read all of it.
            if self.size == 0:
                raise
        return Ledger(self.store)._with_lines(_read_lines(self.store, 0, size), sha256)

    def head(self) -> bytes:
        """Give the head that seals what the ledger says here, whatever was added since."""
        return _head(self.size, self._digest.hexdigest())

    def log_versions(self) -> dict[str, int]:
        """The last version of each table's Delta log."""
        commits = self.logs.filter(pl.col("kind") == "json")
        return dict(commits.group_by("table").agg(pl.col("version").max()).iter_rows())

    def next_sequence(self, record: str) -> int:
        """Give the number of the next batch or run, from 1 on."""
        records = self.batches if record == "batches" else self.runs
        return 1 if records.is_empty() else int(records["sequence"][-1]) + 1

    def append(self, entry: Entry) -> Ledger:
        """Write one entry and make it count. Only who holds the writer's lock may call this, on a fresh ledger."""
        line = entry.line()
        digest = self._digest.copy()
        digest.update(line)
        path = self.store / LINES
        with path.open("r+b") as file:
            # What a killed writer began behind the head goes first.
            file.truncate(self.size)
            file.seek(self.size)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        disk.replace(self.store / HEAD, _head(self.size + len(line), digest.hexdigest()))
        return self._with_lines(line, digest.hexdigest())

    def files_of(self, table: str) -> pl.DataFrame:
        """The data files of a table, in the order in which they were committed."""
        return self.files.filter(pl.col("table") == table)

    def logs_of(self, table: str) -> pl.DataFrame:
        """The files of a table's Delta log, each as it was last written."""
        return latest(self.logs.filter(pl.col("table") == table))

    def _with_lines(self, lines: bytes, sha256: str) -> Ledger:
        digest = self._digest.copy()
        digest.update(lines)
        if digest.hexdigest() != sha256:
            raise InputOutputError(
                f"{self.store / LINES} is not what was stored: its SHA-256 differs from that in {HEAD}. "
                "Restore both from a backup of the same moment."
            )
        added = [_read(block) for block in _blocks(lines)]
        replaced = tuple(path for each in added for path in each.replaced)
        files = _joined([self.files, *(each.files for each in added)])
        if replaced:
            # Rows keep the order in which they came: what stands for a file stands in its place.
            files = _in_place(files, replaced)
        return replace(
            self,
            batches=_joined([self.batches, *(each.batches for each in added)]),
            runs=_joined([self.runs, *(each.runs for each in added)]),
            files=files,
            logs=_joined([self.logs, *(each.logs for each in added)]),
            erasures=_joined([self.erasures, *(each.erasures for each in added)]),
            replaced=self.replaced + replaced,
            marks=self.marks + tuple(mark for each in added for mark in each.marks),
            size=self.size + len(lines),
            _digest=digest,
        )


class _Block(NamedTuple):
    """The lists that some lines give."""

    batches: pl.DataFrame
    runs: pl.DataFrame
    files: pl.DataFrame
    logs: pl.DataFrame
    erasures: pl.DataFrame
    replaced: list[str]
    marks: list[dict[str, str]]


def _blocks(lines: bytes) -> Iterator[bytes]:
    """Cut whole lines into pieces, because lines that are read take several times the room of their text."""
    start = 0
    while start < len(lines):
        end = lines.find(b"\n", start + _BLOCK)
        end = len(lines) if end < 0 else end + 1
        yield lines[start:end]
        start = end


def _read(lines: bytes) -> _Block:
    entries = [orjson.loads(line) for line in lines.splitlines()]
    return _Block(
        _records([each["batch"] for each in entries if each["batch"]], "batches"),
        _records([each["run"] for each in entries if each["run"]], "runs"),
        _frame(
            [
                {"owner_id": file.get("of_owner") or each["owner_id"], **file}
                for each in entries
                for file in each["files"]
            ],
            FILES_SHAPE,
        ),
        _logs([file for each in entries for file in each["logs"]]),
        _records([each["erasure"] for each in entries if each.get("erasure")], "erasures"),
        [path for each in entries for path in each.get("replaced", ())],
        [each["mark"] for each in entries if each.get("mark")],
    )


def place_of(path: str) -> str:
    """Give a data file's place: its path without its hash, which it shares with the file that it stands for."""
    return re.sub(_HASH, "", path)


def _in_place(files: pl.DataFrame, replaced: Sequence[str]) -> pl.DataFrame:
    """Leave out files that others stand for, and put those where they stood."""
    place = pl.col("path").str.replace(_HASH, "")
    first = files.with_row_index("_at").with_columns(place.alias("_place"))
    return (
        first.with_columns(pl.col("_at").min().over("_place"))
        .filter(~pl.col("path").is_in(list(replaced)))
        .sort("_at", maintain_order=True)
        .drop("_at", "_place")
    )


def sealed(files: pl.DataFrame) -> list[disk.Sealed]:
    """Files as they are to be checked."""
    return [disk.Sealed(*row) for row in files.select("path", "bytes", "sha256").iter_rows()]


def latest(logs: pl.DataFrame) -> pl.DataFrame:
    """Files of Delta logs, each as it was last written."""
    return logs.unique("path", keep="last", maintain_order=True)


def begin(store: Path) -> None:
    """Make the ledger of a new store, head last, so that a missing head later on is known to be a loss."""
    (store / LINES).touch()
    disk.replace(store / HEAD, _head(0, hashlib.sha256().hexdigest()))


def _frame(rows: Sequence[dict[str, Any]], shape: Mapping[str, pl.DataType]) -> pl.DataFrame:
    # A field that a later version added is missing in older lines.
    return pl.DataFrame({name: [row.get(name) for row in rows] for name in shape}, schema=shape)


def _records(rows: Sequence[dict[str, Any]], name: str) -> pl.DataFrame:
    shape = tables.table(name).polars_schema
    instants = [each.name for each in tables.table(name).fields if each.type == "datetime"]
    return _frame(rows, shape | dict.fromkeys(instants, pl.String())).with_columns(
        pl.col(instants).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", time_zone="UTC")
    )


def _joined(pieces: Sequence[pl.DataFrame]) -> pl.DataFrame:
    joined = pl.concat(pieces)
    return joined.rechunk() if joined.n_chunks() > _PIECES else joined


def _logs(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    return (
        _frame(rows, _LOG)
        .with_columns(pl.col("path").str.extract_groups(_LOG_NAME).alias("name"))
        .unnest("name")
        .with_columns(pl.col("version").cast(pl.Int64, strict=False))
        .select(LOGS_SHAPE.names())
    )


def _head(size: int, sha256: str) -> bytes:
    content = f"bluelamp ledger {FORMAT}\n{size}\n{sha256}\n"
    return f"{content}{hashlib.sha256(content.encode()).hexdigest()}\n".encode()


def _read_head(store: Path) -> tuple[int, str]:
    path = store / HEAD
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if _holds_something(store):
            raise InputOutputError(
                f"{path} is missing, so nobody can say what the store holds. "
                f"Restore it together with {LINES} from a backup."
            ) from None
        return 0, hashlib.sha256().hexdigest()
    body, _, check = content.removesuffix(b"\n").rpartition(b"\n")
    body += b"\n"
    if not content.endswith(b"\n") or hashlib.sha256(body).hexdigest().encode() != check:
        raise InputOutputError(f"{path} is damaged. Restore it together with {LINES} from a backup of the same moment.")
    title, size, sha256 = body.decode().splitlines()
    version = int(title.rpartition(" ")[2])
    if version > FORMAT:
        raise BadData(
            f"'{store}' was written by a newer Bluelamp (ledger format {version}, this one knows {FORMAT}). "
            "Install the newer version."
        )
    return int(size), sha256


def _holds_something(store: Path) -> bool:
    return store.is_dir() and any((each / "_delta_log").is_dir() for each in store.iterdir() if each.is_dir())


def _read_lines(store: Path, first: int, last: int) -> bytes:
    path = store / LINES
    try:
        with path.open("rb") as file:
            file.seek(first)
            lines = file.read(last - first)
    except FileNotFoundError:
        raise InputOutputError(f"{path} is missing. Restore it together with {HEAD} from a backup.") from None
    if len(lines) != last - first:
        raise InputOutputError(
            f"{path} has {first + len(lines):,} bytes, but {last:,} were stored. "
            f"Restore it together with {HEAD} from a backup."
        )
    return lines
