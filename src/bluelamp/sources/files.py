"""What an extract needs of its file, whatever the format: a name, columns, and stretches of rows as text.

Which format it is, is told by what is in the file, never by its name. Every row comes out whole, as text in one form,
or is set aside as broken with the reason.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

import polars as pl

from bluelamp import extensions
from bluelamp.errors import BadData, InputOutputError, NoInput, NotPermitted, count_of, did_you_mean

FAMILY = "sources.formats"
_BLOCK_BYTES = 1 << 22
_HEAD_BYTES = 1 << 16
_HEADINGS_LOOKED_AT = 10


@dataclass(frozen=True)
class Query:
    """Rows of a database in place of a file.

    `url` is an address as SQLAlchemy writes them; `${NAME}` in it stands for an environment variable, so that no
    password need be written down. `watermark` is the column that grows whenever a row changes. `since`, as an earlier
    read left it, is where this one begins.
    """

    url: str
    query: str
    watermark: str | None = None
    since: Mapping[str, str] | None = None

    def __repr__(self) -> str:
        # The address may hold a password.
        return f"Query({self.query!r})"


@dataclass(frozen=True)
class Reading:
    """How a source is to be read: what its column map says. What does not concern a format is passed over by it.

    `needed` are the columns that must be there, and `wanted` all that are read (none given: any may be). `telling` is
    the position-giving column used to see whether a line is a row of its own (a time, as a rule). With `guess_header`
    the row that names the columns is looked for, as a proposal may and an import may not.
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    header_row: int | None = None
    guess_header: bool = False
    sheet: str | None = None
    member: str | None = None
    needed: Sequence[str] = ()
    wanted: Sequence[str] = ()
    telling: str | None = None


@dataclass(frozen=True)
class BrokenRow:
    """A row that could not be read whole, with its text."""

    row_number: int
    reason_code: str
    reason: str
    raw_row: str


@dataclass
class RowChunk:
    """A stretch of a source: whole rows with their numbers, and broken rows.

    `values` has one text column a column of the source, named by its place ("0", "1", …); an empty value is "".
    `member` is the file of an archive that they stand in.
    """

    values: pl.DataFrame
    row_numbers: pl.Series
    broken: list[BrokenRow]
    share_read: float = 0.0
    member: str | None = None

    @property
    def rows_read(self) -> int:
        """Rows of the source in this stretch, whole and broken; blank lines are not rows."""
        return self.values.height + len(self.broken)


class ExtractFile(Protocol):
    """A source that was looked at: its columns are known, its rows can be gone through any number of times."""

    @property
    def source(self) -> Path | Query:
        """Where it comes from."""

    @property
    def name(self) -> str:
        """What people call it; never with a password in it."""

    @property
    def columns(self) -> list[str]:
        """Its columns' names, in order."""

    @property
    def looks(self) -> tuple[str, str, str]:
        """What it looks like: a thing, its value, and why (delimiter, tab, it splits the header best)."""

    @property
    def notes(self) -> list[str]:
        """What a reader should know beside the rows, in sentences; complete when all were read."""

    @property
    def state(self) -> dict[str, str]:
        """What the next read must know to begin where this one ended; nothing for a file."""

    @property
    def map_settings(self) -> dict[str, Any]:
        """What a column map has to say so that the source is read as it was here, where there was a choice."""

    def chunks(self, chunk_rows: int) -> Iterator[RowChunk]:
        """Give the rows in stretches of about `chunk_rows`. Raises BadData where there is none."""


def read_source(source: Path | str | Query, reading: Reading | None = None) -> ExtractFile:
    """Open a source in whatever format it is.

    Raises NoInput, NotPermitted, InputOutputError, BadData (it is not what its first bytes say, or lacks a needed
    column) and UsageError (a format that needs what is not installed).
    """
    given = source if isinstance(source, Query) else Path(source)
    head = b""
    if isinstance(given, Path):
        with open_file(given) as opened:
            head = opened.read(_HEAD_BYTES)
    found = [extensions.member(FAMILY, name) for name in extensions.members(FAMILY)]
    surest = max(found, key=lambda each: int(each.fits(given, head)))
    file: ExtractFile = surest.read(given, reading or Reading())
    return file


def file_sha256(path: Path | str) -> str:
    """Give the SHA-256 of a file's bytes, as they lie on disk."""
    digest = hashlib.sha256()
    with open_file(Path(path)) as source:
        while block := source.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def open_file(path: Path) -> IO[bytes]:
    """Open a file for reading; what is in the way is said in a sentence.

    Raises NoInput (missing, or a folder), NotPermitted (may not be read), BadData (empty), InputOutputError.
    """
    try:
        if path.is_dir():
            raise NoInput(f"'{path}' is a folder, not a file. Name the file in it that is to be read.")
        source = open(path, "rb")  # noqa: SIM115 - the caller closes it
    except FileNotFoundError:
        near = did_you_mean(path.name, _neighbours(path))
        raise NoInput(f"There is no file '{path}'.{near} Check the name and the folder.") from None
    except PermissionError:
        raise NotPermitted(f"'{path}' may not be read by this account. Ask its owner, or copy it.") from None
    except (OSError, ValueError) as error:
        raise InputOutputError(f"'{path}' can't be opened: {error}.") from None
    if os.fstat(source.fileno()).st_size == 0:
        source.close()
        raise BadData(f"{path.name} is empty: not even a header. Export it again.")
    return source


def _neighbours(path: Path) -> list[str]:
    try:
        return [each.name for each in islice(path.parent.iterdir(), 2000)]
    except OSError:
        return []


def check_columns(
    name: str, columns: Sequence[str], reading: Reading, first_rows: Sequence[tuple[int, list[str]]] = ()
) -> None:
    """Hold a source's columns to those that are needed. Raises BadData with all that is wrong at once.

    `first_rows` are its first rows with their numbers, in which the names are looked for where the header lacks them.
    """
    needed = reading.needed
    missing = [each for each in needed if each not in columns]
    repeated = sorted({each for each in columns if list(columns).count(each) > 1})
    if missing:
        _tell_header_elsewhere(name, columns, needed, first_rows)
    problems = [f"Column '{each}' is missing.{did_you_mean(each, columns)}" for each in missing]
    problems.extend(f"Column '{each}' is there twice." for each in repeated if each in needed or not needed)
    if problems:
        more = f" and {len(columns) - 40:,} more" if len(columns) > 40 else ""
        raise BadData(
            f"{name} does not have the columns that its column map reads. It has: {', '.join(columns[:40])}{more}.",
            problems,
        )


def _tell_header_elsewhere(
    name: str, columns: Sequence[str], needed: Sequence[str], first_rows: Sequence[tuple[int, list[str]]]
) -> None:
    here = len(set(columns) & set(needed))
    for number, values in first_rows:
        there = len(set(values) & set(needed))
        if there > here and there * 2 > len(needed):
            raise BadData(
                f"The columns of {name} are named in row {number}; what stands above are headings. Write header_row = "
                f"{number} in its column map, or delete the rows above."
            )


def likely_header_row(first_rows: Sequence[tuple[int, list[str]]]) -> int | None:
    """Guess which of the first rows names the columns: the first that is about as full of different words as any.

    >>> likely_header_row([(1, ["Control room, daily", "", ""]), (3, ["Call", "Date", "Time"]), (4, ["1", "2", "3"])])
    3
    """
    if not first_rows:
        return None
    words = [
        (number, len({each for each in values if any(letter.isalpha() for letter in each[:200])}))
        for number, values in first_rows[:_HEADINGS_LOOKED_AT]
    ]
    most = max(found for _, found in words)
    return next(number for number, found in words if found * 4 >= most * 3)


def raw_row(columns: Sequence[str], values: Sequence[str]) -> str:
    """Write a row down as it came, as JSON: values by column, and those beyond the last column."""
    row: dict[str, Any] = dict(zip(columns, values, strict=False))
    if len(values) > len(columns):
        row["beyond the last column"] = list(values[len(columns) :])
    return json.dumps(row, ensure_ascii=False)


def chunk_of(
    width: int, rows: Sequence[Sequence[str]], row_numbers: Sequence[int], broken: list[BrokenRow]
) -> RowChunk:
    """Make a stretch of rows given as lists of text."""
    by_column: Iterable[Sequence[str]] = zip(*rows, strict=True) if rows else [()] * width
    values = pl.DataFrame({str(place): pl.Series(column, dtype=pl.String) for place, column in enumerate(by_column)})
    return RowChunk(values, pl.Series(row_numbers, dtype=pl.Int64), broken)


class NoRow(BadData):
    """A source that has columns and nothing else."""


def no_row(name: str) -> NoRow:
    """The error for a file that has columns and nothing else."""
    return NoRow(
        f"{name} has columns and no row, so that there is nothing to import. Look which period was asked for, and "
        "export it again."
    )


def blank_rows_told(blank_rows: int) -> list[str]:
    """Say how many blank rows were passed over."""
    return [f"{count_of(blank_rows, 'blank line')} passed over."] if blank_rows else []
