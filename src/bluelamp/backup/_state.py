"""The service's database as lines of JSON: the same from a file and from a PostgreSQL, and put back into either.

Who is signed in, wrong attempts and what is made again by itself are left out: nobody stays signed in through a
restore.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from bluelamp import state as states
from bluelamp.backup._archive import STATE, Reader, Writer
from bluelamp.errors import BadData, UsageError, one_of
from bluelamp.state import State
from bluelamp.state._tables import Instant, log, metadata

_LEFT_OUT = ("sessions", "attempts", "published")
_ROWS_AT_ONCE = 1_000


def write(kept: State, archive: Writer, near: Path) -> dict[str, Any]:
    """Write every table as it was at one moment, and say of what version they are and where the log ends."""
    columns = {table.name: [each.name for each in table.columns] for table in _tables()}
    rows = {}
    with kept.still() as connection:
        for table in _tables():
            # Lines are counted before they are written, and a log may be larger than memory.
            with tempfile.TemporaryFile(dir=near) as lines:
                rows[table.name] = _write_lines(connection, table, columns[table.name], lines)
                size = lines.tell()
                lines.seek(0)
                archive.add(f"{STATE}{table.name}.jsonl", lines, size, 0o600)
        end = connection.execute(
            sa.select(log.c.sequence, log.c.seal, log.c.at).order_by(log.c.sequence.desc()).limit(1)
        ).one_or_none()
    head = None if end is None else {"sequence": end.sequence, "seal": end.seal, "taken_at": end.at}
    return {"state": {"version": states.newest_version(), "columns": columns, "rows": rows}, "log_head": head}


def read(kept: State, archive: Reader, *, replace: bool) -> None:
    """Fill a database with what a backup holds, at one instant. Raises UsageError where it holds something already."""
    held = archive.contents.state
    assert held is not None
    version, newest = str(held["version"]), states.newest_version()
    if version > newest:
        raise BadData(
            f"The backup's database is of version {version}, and this Bluelamp knows {newest}. Install the newer one."
        )
    unknown = sorted(set(held["columns"]) - {each.name for each in _tables()})
    if unknown:
        raise BadData(f"The backup holds tables that this Bluelamp does not know: {one_of(unknown)}.")
    if not replace and _holds_something(kept):
        raise UsageError(
            f"The service's database ({kept.shown}) holds something already. Name an empty one, or say --replace: all "
            "of it is then taken away, and the backup put in its place."
        )

    def fill(connection: sa.Connection) -> None:
        for table in _tables():
            if table.name in held["columns"]:
                _fill(connection, table, archive.lines(table.name))

    states.rebuild(kept, version, fill)


def fingerprints(kept: State, held: Mapping[str, Any]) -> dict[str, str]:
    """Give the SHA-256 of each table's lines, as a backup of the database would hold them."""
    found = {}
    with kept.still() as connection:
        for table in _tables():
            if table.name in held["columns"]:
                digest = hashlib.sha256()
                for line in _lines(connection, table, held["columns"][table.name]):
                    digest.update(line)
                found[f"{STATE}{table.name}.jsonl"] = digest.hexdigest()
    return found


def _tables() -> list[sa.Table]:
    return [each for each in metadata.sorted_tables if each.name not in _LEFT_OUT]


def _write_lines(connection: sa.Connection, table: sa.Table, columns: Sequence[str], file: IO[bytes]) -> int:
    return sum(file.write(line) > 0 for line in _lines(connection, table, columns))


def _lines(connection: sa.Connection, table: sa.Table, columns: Sequence[str]) -> Iterator[bytes]:
    # Numbers and the fingerprints of keys sort alike in every database; names would not.
    wanted = sa.select(*(table.c[each] for each in columns)).order_by(*table.primary_key.columns)
    found = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(wanted)
    rows = (row._asdict() for row in found)
    for row in sorted(rows, key=lambda each: each["name"]) if table.name == "secrets" else rows:
        values = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        yield json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _fill(connection: sa.Connection, table: sa.Table, lines: Iterator[bytes]) -> None:
    instants = [each.name for each in table.columns if isinstance(each.type, Instant)]
    rows: Iterator[dict[str, Any]] = (
        {
            name: datetime.fromisoformat(value) if name in instants and value is not None else value
            for name, value in json.loads(line).items()
        }
        for line in lines
    )
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        connection.execute(table.insert(), some)
    numbers = [each for each in table.primary_key.columns if isinstance(each.type, sa.Integer)]
    if connection.dialect.name == "postgresql" and numbers and numbers[0].autoincrement:
        # Rows that were given their numbers do not move the counter on from which the next one is taken.
        counter = sa.func.pg_get_serial_sequence(table.name, numbers[0].name)
        last = sa.select(sa.func.coalesce(sa.func.max(numbers[0]), 0) + 1).scalar_subquery()
        connection.execute(sa.select(sa.func.setval(counter, last, False)))


def _holds_something(kept: State) -> bool:
    there = set(sa.inspect(kept.engine).get_table_names())
    with kept.reading() as connection:
        return any(
            connection.scalar(sa.select(sa.literal(1)).select_from(table).limit(1)) is not None
            for table in _tables()
            if table.name in there
        )
