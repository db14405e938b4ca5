"""Erasure: every stored version of a person's or an incident's rows taken out of the files that hold them.

Nothing else of a store is ever rewritten. Files without the rows take the places of those with them at one instant, the
renaming of the ledger's head; then the Delta tables are told, and the old files are removed. Killed on the way, the
next writer does the rest.

What was erased is known again by a salted SHA-256 of its number, so that an extract which still holds it does not bring
it back; nothing else is left of it. Only a ledger that an older Bluelamp began may have the number as the first or the
last of a file, and there is no way to take a line out of a ledger: `is_still_named` tells.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from bluelamp import tables
from bluelamp.store import delta, disk
from bluelamp.store import ledger as ledgers
from bluelamp.store.ledger import DataFile, Entry, Ledger

if TYPE_CHECKING:
    from bluelamp.store.commit import Commit

FIELDS = {"person": "person_id", "incident": "incident_id"}
# Fields that name an incident without being of it.
_ALSO_NAMED_IN = {"incident": ("merged_into",)}


def erase(writer: Commit, kind: str, key: str, reference: str | None) -> dict[str, Any]:
    """Take a person's or an incident's rows out of the store, and give the row of `erasures`."""
    ledger = writer.ledger
    removed: Counter[str] = Counter()
    emptied = 0
    files: list[DataFile] = []
    replaced: list[str] = []
    for name in (*tables.names("imported"), "quarantine"):
        for row in ledger.files_of(name).iter_rows(named=True):
            disk.insist(writer.store, [disk.Sealed(row["path"], row["bytes"], row["sha256"])])
            frame = _read(writer, row["path"], name)
            kept, touched = _without(frame, name, kind, key)
            if kept.height == frame.height and not touched:
                continue
            removed[row["owner_id"]] += frame.height - kept.height
            emptied += touched
            files.append(_write(writer, kept, name, row))
            replaced.append(row["path"])
    sequence = 1 if ledger.erasures.is_empty() else int(ledger.erasures["sequence"][-1]) + 1
    lacking = dict(sorted(removed.items()))
    runs = [
        run for run, batches in ledger.runs.select("run_id", "batches").iter_rows()
        if set(lacking) & set(json.loads(batches or "[]"))
    ]  # fmt: skip
    record: dict[str, Any] = {
        "erasure_id": f"e{sequence:06}",
        "sequence": sequence,
        "erased_at": writer.now().isoformat(timespec="microseconds"),
        "kind": kind,
        "reference": reference,
        "rows_removed": sum(removed.values()),
        "rows_emptied": emptied,
        "rows_by_batch": json.dumps({batch: rows for batch, rows in lacking.items() if rows}),
        "runs": json.dumps(runs),
    }
    salt = ledger.marks[0]["salt"] if ledger.marks else secrets.token_hex(16)
    mark = {"kind": kind, "salt": salt, "sha256": _hash(salt, kind, key)}
    writer.ledger = ledger.append(
        Entry(record["erasure_id"], files=tuple(files), erasure=record, replaced=tuple(replaced), mark=mark)
    )
    finish(writer)
    return writer.ledger.erasures.row(-1, named=True)


def is_still_named(store: Path, key: str) -> bool:
    """Say whether a line of the ledger, written by an older Bluelamp, has a number as the first or last of a file."""
    lines, number = (store / ledgers.LINES).read_bytes(), json.dumps(key, ensure_ascii=False)
    return any(f'"{end}":{number}'.encode() in lines for end in ("first_key", "last_key"))


def finish(writer: Commit) -> None:
    """Tell the Delta tables which files stand for which, and remove those that are replaced."""
    ledger, store = writer.ledger, writer.store
    logs: list[disk.Sealed] = []
    for name in sorted({path.partition("/")[0] for path in ledger.replaced if (store / path).exists()}):
        log = delta.Log.of(ledger.logs_of(name))
        listed = {row["path"]: row for row in ledger.files_of(name).iter_rows(named=True)}
        adds = {
            path.removeprefix(f"{name}/"): (
                row["bytes"], row["owner_id"], delta.statistics(_read(writer, path, name), name),
            )
            for path, row in listed.items()
        }  # fmt: skip
        logs += delta.put_in_place(store, name, log, adds, writer.now())
    if logs:
        writer.ledger = ledger.append(Entry(None, logs=tuple(logs)))
    for path in ledger.replaced:
        disk.remove(store / path)


def _without(frame: pl.DataFrame, name: str, kind: str, key: str) -> tuple[pl.DataFrame, int]:
    """Give the rows that are not the person's or the incident's, and how many only named it and were emptied."""
    definition = tables.table(name)
    if name == "quarantine":
        holds = is_told_of(key)
        touched = frame.select(holds.sum()).item()
        said = {"raw_row": pl.lit(None, dtype=pl.String), "reason": pl.lit("Erased.")}
        return frame.with_columns(
            pl.when(holds).then(value).otherwise(pl.col(column)).alias(column) for column, value in said.items()
        ), touched
    field, touched = FIELDS[kind], 0
    if field in definition.columns and is_own(name, kind):
        frame = frame.filter(pl.col(field).ne_missing(key))
        named = _ALSO_NAMED_IN.get(kind, ())
    else:
        named = (field, *_ALSO_NAMED_IN.get(kind, ()))
    for column in (each for each in named if each in definition.columns):
        holds = pl.col(column).eq_missing(key)
        touched += frame.select(holds.sum()).item()
        frame = frame.with_columns(pl.when(~holds).then(pl.col(column)).alias(column))
    return frame, touched


def is_told_of(key: str) -> pl.Expr:
    """Say whether a row that was set aside holds a number as one of its values."""
    return pl.col("raw_row").str.contains(json.dumps(key, ensure_ascii=False), literal=True).fill_null(value=False)


def is_own(name: str, kind: str) -> bool:
    """Say whether rows of a table are a person's or an incident's own: they can't be without it."""
    definition, field = tables.table(name), FIELDS[kind]
    return field in definition.by_name and definition.by_name[field].required


def _read(writer: Commit, path: str, name: str) -> pl.DataFrame:
    shape = delta.stored_schema(name)
    scanned = pl.scan_parquet(
        writer.store / path, schema=shape, hive_partitioning=False, glob=False, missing_columns="insert"
    )
    return scanned.collect()


def _write(writer: Commit, kept: pl.DataFrame, name: str, row: dict[str, Any]) -> DataFile:
    """Write what is left of a file in its place; it keeps its batch and its number."""
    staged = writer.stage(name, kept)
    made = writer.staged_file(staged)
    folder, _, old = row["path"].rpartition("/")
    path = f"{folder}/{old.rpartition('-')[0]}-{made.sha256}.parquet"
    os.rename(staged, writer.store / path)
    disk.sync_folder((writer.store / path).parent)
    return replace(made, path=path, of_owner=row["owner_id"])


# ---- knowing it again ----


def _hash(salt: str, kind: str, key: str) -> str:
    return hashlib.sha256(f"{salt} {kind} {key}".encode()).hexdigest()


def known_again(ledger: Ledger, values: pl.Series, kind: str) -> pl.Series:
    """Say which values are numbers of persons or incidents that were erased."""
    marks = {mark["sha256"] for mark in ledger.marks if mark["kind"] == kind}
    if not marks:
        return pl.repeat(False, len(values), dtype=pl.Boolean, eager=True)
    salt = ledger.marks[0]["salt"]
    erased = [each for each in values.unique().drop_nulls() if _hash(salt, kind, str(each)) in marks]
    return values.is_in(erased).fill_null(value=False)


def leave_out(
    ledger: Ledger, name: str, rows: pl.DataFrame, row_numbers: pl.Series, file_name: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part rows that come in from those that were erased before: the rows to take, and those set aside, as rows of
    `quarantine` without their content. Rows that only name what was erased stay, and the name is emptied.
    """
    own = pl.repeat(False, rows.height, dtype=pl.Boolean, eager=True)
    for kind, field in _fields_of(name):
        again = known_again(ledger, rows[field], kind)
        if field == FIELDS[kind] and is_own(name, kind):
            own |= again
        elif again.any():
            rows = rows.with_columns(pl.when(~again).then(pl.col(field)).alias(field))
    if not own.any():
        return rows, tables.empty("quarantine")
    aside = pl.DataFrame(
        {
            "table_name": name,
            "file_name": file_name,
            "row_number": row_numbers.filter(own),
            "field": "row",
            "reason_code": "erased",
            "reason": "The row is of a person or an incident that was erased; its content is not kept.",
            "raw_row": None,
        },
        schema=tables.table("quarantine").polars_schema,
    )
    return rows.filter(~own), aside


def _fields_of(name: str) -> Iterator[tuple[str, str]]:
    columns = tables.table(name).columns
    for kind, field in FIELDS.items():
        yield from ((kind, each) for each in (field, *_ALSO_NAMED_IN.get(kind, ())) if each in columns)
