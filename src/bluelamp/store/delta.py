"""Each table as a Delta table, so that Spark, Power BI and `deltalake` read the store without us.

Rows are appended, never merged (a merge of 2.6 million rows took 82 s and 13 GB, an append 2 s). The files are written
by us, named by their SHA-256 and registered by delta-rs. Its log is sealed in the ledger file by file, so it is never
cleaned up behind our back; checkpoints are made when a twentieth of the log has come since the last one, so that both
the work of making them and that of reading the log stay in proportion to the number of batches.

Readers from outside see rows of batches that are not listed (yet): `batches` and `runs` say which count.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import CommitProperties, DeltaTable, Field, PostCommitHookProperties, Schema
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction, RemoveAction

from bluelamp import tables
from bluelamp.errors import BadData, InputOutputError
from bluelamp.store import disk
from bluelamp.store.ledger import sealed

LOG = "_delta_log"
VERSION_KEY = "bluelamp.schema_version"
POSITION = "row_in_batch"
IS_UPDATE = "is_update"

_PRIMITIVE = {
    "string": "string",
    "geojson": "string",
    "integer": "long",
    "number": "double",
    "boolean": "boolean",
    "datetime": "timestamp",
    "date": "date",
}
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
_CHECKPOINT_EVERY = 25
_HINT = "_last_checkpoint"


def owner_column(name: str) -> str | None:
    """The partition column that says to which batch or run a row belongs; none for the lists of batches and runs."""
    if name in ("batches", "runs"):
        return None
    return "run_id" if tables.table(name).kind == "result" else "batch_id"


def stored_schema(name: str) -> dict[str, pl.DataType]:
    """Columns of a data file: the table's own, and for an imported table the two that order its versions."""
    schema = dict(tables.table(name).polars_schema)
    if tables.table(name).kind == "imported":
        schema |= {POSITION: pl.Int64(), IS_UPDATE: pl.Boolean()}
    return schema


def _schema(name: str) -> Schema:
    columns = [
        Field(each.name, PrimitiveType(_PRIMITIVE[each.type]), metadata={"comment": _comment(each)})
        for each in tables.table(name).fields
    ]
    if tables.table(name).kind == "imported":
        columns.append(Field(POSITION, PrimitiveType("long"), metadata={"comment": "Order of the rows of a batch"}))
        comment = "Whether the key was known before; the current row of a key is its last, by batch and by this order"
        columns.append(Field(IS_UPDATE, PrimitiveType("boolean"), metadata={"comment": comment}))
    owner = owner_column(name)
    if owner is not None:
        comment = f"Rows count once {'batches' if owner == 'batch_id' else 'runs'} lists this"
        columns.append(Field(owner, PrimitiveType("string"), metadata={"comment": comment}))
    return Schema(columns)


def _comment(each: tables.Field) -> str:
    return f"{each.description} ({each.unit})" if each.unit else each.description


def statistics(frame: pl.DataFrame, name: str) -> str:
    """What the log says of a file so that engines can skip it: its rows, and the range of its instants and dates."""
    found: dict[str, Any] = {"numRecords": frame.height, "minValues": {}, "maxValues": {}, "nullCount": {}}
    for each in tables.table(name).fields:
        if each.type not in ("datetime", "date") or each.sensitive:
            continue
        found["nullCount"][each.name] = frame[each.name].null_count()
        if frame[each.name].null_count() == frame.height:
            continue
        low, high = frame.select(low=pl.col(each.name).min(), high=pl.col(each.name).max()).row(0)
        if each.type == "datetime":
            # The format keeps milliseconds, so the range is widened to whole ones.
            low, high = low.replace(microsecond=low.microsecond // 1000 * 1000), _next_millisecond(high)
        for bound, value in (("minValues", low), ("maxValues", high)):
            found[bound][each.name] = (
                value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                if each.type == "datetime"
                else value.isoformat()
            )
    return json.dumps(found)


def _next_millisecond(at: datetime) -> datetime:
    return at + timedelta(microseconds=-at.microsecond % 1000)


def log_path(table: str, version: int) -> str:
    """The path of one commit's file, relative to the store."""
    return f"{table}/{LOG}/{version:020}.json"


@dataclass(frozen=True)
class Log:
    """A table's log as the ledger knows it. `version` and `checkpoint` are -1 where there is none yet."""

    version: int
    checkpoint: int
    needed: list[disk.Sealed]
    hint: disk.Sealed | None

    @classmethod
    def of(cls, files: pl.DataFrame) -> Log:
        """Read it from `Ledger.logs_of`."""
        is_commit, is_checkpoint = pl.col("kind") == "json", pl.col("kind") == "checkpoint.parquet"
        version, checkpoint = files.select(
            pl.col("version").filter(is_commit).max().fill_null(-1).alias("commit"),
            pl.col("version").filter(is_checkpoint).max().fill_null(-1).alias("checkpoint"),
        ).row(0)
        needed = files.filter(
            (is_commit & (pl.col("version") > checkpoint)) | (is_checkpoint & (pl.col("version") == checkpoint))
        )
        hint = sealed(files.filter(pl.col("kind") == "last_checkpoint"))
        return cls(version, checkpoint, sealed(needed), hint[0] if hint else None)


def append(
    store: Path,
    name: str,
    adds: Mapping[str, tuple[int, str | None, str]],
    log: Log,
    at: datetime,
) -> list[disk.Sealed]:
    """Register files that lie in their place already, and give the files of the log that this wrote.

    `adds` holds for each path below the table's folder its size, the batch or run it belongs to, and its statistics.
    Raises InputOutputError when the log is damaged or was written
    to by someone else.
    """
    folder = store / name
    written: list[Path] = []
    if log.version < 0:
        delta_table = _create(folder, name)
        written.append(store / log_path(name, 0))
    else:
        delta_table = open_sealed(store, name, log)
        check_version(delta_table, name)
        written += _checkpoint_if_due(delta_table, folder, log)
    moment = int(at.timestamp() * 1000)
    actions = [_add(name, path, file, moment) for path, file in adds.items()]
    _commit(delta_table, name, actions)
    written.append(store / log_path(name, max(log.version, 0) + 1))
    return _seal(store, written)


def _commit(delta_table: DeltaTable, name: str, actions: list[Any]) -> None:
    owner = owner_column(name)
    delta_table.create_write_transaction(
        actions,
        mode="append",
        schema=_schema(name),
        partition_by=[owner] if owner else [],
        commit_properties=CommitProperties(max_commit_retries=0),
        post_commithook_properties=_NO_HOOKS,
    )


def _create(folder: Path, name: str) -> DeltaTable:
    definition = tables.table(name)
    owner = owner_column(name)
    configuration = {VERSION_KEY: str(definition.schema_version), "delta.enableExpiredLogCleanup": "false"}
    return DeltaTable.create(
        str(folder),
        schema=_schema(name),
        partition_by=[owner] if owner else [],
        name=name,
        description=f"{definition.title}. A row is: {definition.row}.",
        configuration=configuration,
        post_commithook_properties=_NO_HOOKS,
        raise_if_key_not_exists=False,
    )


def open_sealed(store: Path, name: str, log: Log) -> DeltaTable:
    """Open a Delta table at its sealed version, having checked the files of the log that this reads."""
    disk.insist(store, [*log.needed, *_hint(log)])
    return open_at(store, name, log.version)


def open_at(store: Path, name: str, version: int) -> DeltaTable:
    """Open a Delta table as it was at a version."""
    return DeltaTable(str(store / name), version=version)


def schema_version(delta_table: DeltaTable) -> int:
    """The version of the definition that a table was made or upgraded with; 0 where it does not say."""
    found = delta_table.metadata().configuration.get(VERSION_KEY)
    return int(found) if found is not None and found.isdigit() else 0


def check_version(delta_table: DeltaTable, name: str) -> None:
    """Raise BadData unless a table is of the version that we write."""
    check_schema_version(name, schema_version(delta_table))


def upgrade(store: Path, name: str, log: Log) -> list[disk.Sealed]:
    """Give a Delta table the columns and the schema version that we know; gives the files of the log to seal.

    Killed in the middle, the next call does the rest: what was done of it harms nobody.
    """
    delta_table = open_sealed(store, name, log)
    there = {each.name for each in delta_table.schema().fields}
    missing = [each for each in _schema(name).fields if each.name not in there]
    wanted = str(tables.table(name).schema_version)
    if missing:
        delta_table.alter.add_columns(missing, post_commithook_properties=_NO_HOOKS)
    if delta_table.metadata().configuration.get(VERSION_KEY) != wanted:
        delta_table.alter.set_table_properties({VERSION_KEY: wanted}, raise_if_not_exists=False)
    versions = range(log.version + 1, DeltaTable(str(store / name)).version() + 1)
    return _seal(store, [store / log_path(name, version) for version in versions])


def put_in_place(
    store: Path, name: str, log: Log, files: Mapping[str, tuple[int, str | None, str]], at: datetime
) -> list[disk.Sealed]:
    """Make a Delta table hold just these files, by one commit; gives the files of the log to seal.

    `files` is as in `append`. What is there already is let be.
    """
    delta_table = open_sealed(store, name, log)
    active = active_files(delta_table)
    moment = int(at.timestamp() * 1000)
    actions: list[Any] = [RemoveAction(path, True, moment) for path in sorted(active - set(files))]
    actions += [_add(name, path, files[path], moment) for path in sorted(set(files) - active)]
    if not actions:
        return []
    _commit(delta_table, name, actions)
    return _seal(store, [store / log_path(name, log.version + 1)])


def _add(name: str, path: str, file: tuple[int, str | None, str], moment: int) -> AddAction:
    owner = owner_column(name)
    size, owner_id, statistics_ = file
    return AddAction(
        path=path,
        size=size,
        partition_values={owner: owner_id} if owner else {},
        modification_time=moment,
        data_change=True,
        stats=statistics_,
    )


def check_schema_version(name: str, found: int, *, reading: bool = False) -> None:
    """Raise BadData, saying what to do, unless stored rows have the version of the table that we know.

    For reading, an older version will do from which ours differs by added columns alone.
    """
    known = tables.table(name).schema_version
    if reading and tables.table(name).reads_back_to <= found <= known:
        return
    if found > known:
        raise BadData(
            f"The stored table '{name}' has schema version {found}, and this Bluelamp knows {known}. "
            "Install the newer version."
        )
    if found < known:
        raise BadData(
            f"The stored table '{name}' has schema version {found}, and this Bluelamp needs {known}. "
            "'bluelamp upgrade' brings the store forward."
        )


def _checkpoint_if_due(delta_table: DeltaTable, folder: Path, log: Log) -> list[Path]:
    if log.version - log.checkpoint < max(_CHECKPOINT_EVERY, log.version // 20):
        return []
    return _checkpoint(delta_table, folder)


def _checkpoint(delta_table: DeltaTable, folder: Path) -> list[Path]:
    delta_table.create_checkpoint()
    version = delta_table.version()
    checkpoint, hint = folder / LOG / f"{version:020}.checkpoint.parquet", folder / LOG / _HINT
    if not hint.exists():
        # delta-rs is silent about a hint that it could not write, and writes none where the checkpoint is there.
        actions = pl.scan_parquet(checkpoint, glob=False).select(pl.len()).collect().item()
        disk.replace(hint, json.dumps({"version": version, "size": actions}).encode())
    return [checkpoint, hint]


def _seal(store: Path, written: Sequence[Path]) -> list[disk.Sealed]:
    found = []
    for path in written:
        disk.sync_file(path)
        found.append(disk.sealed(store, path))
    for folder in sorted({path.parent for path in written} | {path.parent.parent for path in written}):
        disk.sync_folder(folder)
    return found


def active_files(delta_table: DeltaTable) -> set[str]:
    """The paths, below the table's folder, of the files that a reader from outside sees."""
    actions = delta_table.get_add_actions(flatten=True)
    return set(pl.Series(pl.DataFrame(actions)["path"]).to_list()) if actions.num_rows else set()


def is_left(store: Path, name: str, version: int) -> bool:
    """Whether a table's log goes beyond the last version that the ledger lists."""
    return (store / log_path(name, version + 1)).exists()


def roll_back(store: Path, name: str, log: Log, listed: Collection[str], at: datetime) -> list[disk.Sealed]:
    """Take what a killed writer registered out of a table again, and give the files of the log to seal.

    `listed` are the paths that the ledger knows, below the table's folder. Removal is a commit of its own, so that
    readers from outside never see a version change. Killed in the middle, the next call does the rest. Raises
    InputOutputError where it was not a writer of ours.
    """
    remake_checkpoint = _drop_unsealed_checkpoints(store / name / LOG, log, disk.check(store, _hint(log)))
    if not remake_checkpoint and not is_left(store, name, log.version):
        return []
    _drop_torn_commits(store, name, log)
    disk.insist(store, log.needed)
    delta_table = DeltaTable(str(store / name))
    left = sorted(active_files(delta_table) - set(listed))
    _insist_it_was_us(store / name, delta_table, listed, left)
    if left:
        _commit(delta_table, name, [RemoveAction(path, True, int(at.timestamp() * 1000)) for path in left])
        delta_table = DeltaTable(str(store / name))
    written = [store / log_path(name, each) for each in range(log.version + 1, delta_table.version() + 1)]
    if remake_checkpoint:
        written += _checkpoint(delta_table, store / name)
    return _seal(store, written)


def _hint(log: Log) -> list[disk.Sealed]:
    return [log.hint] if log.hint else []


def _drop_unsealed_checkpoints(folder: Path, log: Log, faults: list[str]) -> bool:
    """Remove checkpoints that are not sealed, and the hint to them; they are only copies of what the commits say.

    They can't be told from damaged ones. Gives whether a new one is to be made.
    """
    left = [path for path in folder.glob("*.checkpoint.parquet") if int(path.name[:20]) > log.checkpoint]
    is_hint_wrong = bool(faults) or (log.hint is None and (folder / _HINT).exists())
    if left or is_hint_wrong:
        # The hint first: one that names a checkpoint which is gone would keep everybody out.
        disk.remove(folder / _HINT)
    for path in left:
        disk.remove(path)
    return bool(left) or is_hint_wrong


def _drop_torn_commits(store: Path, name: str, log: Log) -> None:
    """Remove commits that are not sealed from the first on that can't be read: a power cut may leave such."""
    version, is_torn = log.version + 1, False
    while (path := store / log_path(name, version)).exists():
        is_torn = is_torn or not _is_whole(path.read_bytes())
        if is_torn:
            disk.remove(path)
        version += 1


def _is_whole(content: bytes) -> bool:
    try:
        lines = [json.loads(line) for line in content.splitlines()]
    except ValueError:
        return False
    return bool(lines) and all(isinstance(each, dict) for each in lines)


def _insist_it_was_us(folder: Path, delta_table: DeltaTable, listed: Collection[str], left: Sequence[str]) -> None:
    """Raise InputOutputError unless a killed writer of ours explains what the log says more than the ledger."""
    lost = set(listed) - active_files(delta_table)
    known_owners = {path.partition("/")[0] for path in listed if "/" in path}
    if lost or any(path.partition("/")[0] in known_owners for path in left):
        raise InputOutputError(
            f"'{folder}' was written to by another program, and only Bluelamp may write there. "
            "Restore the folder 'store' from a backup."
        )
