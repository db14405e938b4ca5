"""Delimited text, read strictly: every row of the file comes out whole or is set aside with the reason.

Fast CSV readers guess: they pad short rows, cut long ones, and let a stray quote swallow the rows after it. Here a row
is either exactly as wide as the header, or it is handed on as broken with its text. A quoted value may span lines, but
only while it does not swallow lines that look like rows of their own.

Rows are numbered as a spreadsheet numbers them: the header is row 1, a blank line counts, and a value that spans three
lines is still one row.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp.errors import BadData, InputOutputError, NoInput, NotPermitted, count_of, did_you_mean

DELIMITERS = (",", ";", "\t", "|")
LONGEST_LINE = 1_000_000
MOST_LINES_IN_A_ROW = 200
_BLOCK_BYTES = 1 << 22
_LINE_FEED, _QUOTE = 10, 34
_MOST_CHARACTERS = 60_000_000
_DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class BrokenRow:
    """A row that is not as wide as the header or whose quotes don't close, with its text."""

    row_number: int
    reason_code: str
    reason: str
    raw_row: str


@dataclass
class RowChunk:
    """A stretch of the file: whole rows with their numbers, and broken rows.

    `values` has one text column a column of the file, named by its place ("0", "1", …); an empty value is "".
    """

    values: pl.DataFrame
    row_numbers: pl.Series
    broken: list[BrokenRow]
    share_read: float = 0.0

    @property
    def rows_read(self) -> int:
        """Rows of the file in this stretch, whole and broken; blank lines are not rows."""
        return self.values.height + len(self.broken)


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


def _inflated(source: IO[bytes]) -> Iterator[bytes]:
    """Unpack gzip data bit by bit, so that all that came before a cut is seen. Raises EOFError at the cut."""
    unpacker = zlib.decompressobj(31)
    while packed := source.read(1 << 18):
        while packed:
            if unpacker.eof:
                # Padding after the end is allowed; another member may follow.
                packed = packed.lstrip(b"\0")
                if not packed:
                    break
                unpacker = zlib.decompressobj(31)
            yield from filter(None, [unpacker.decompress(packed, _BLOCK_BYTES)])
            packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    while not unpacker.eof:
        more = unpacker.decompress(b"", _BLOCK_BYTES)
        if not more:
            raise EOFError
        yield more


class DelimitedFile:
    """One CSV or TSV file, plain or gzip, with its header read and its delimiter known.

    `needed` are the columns that must be there; they decide which delimiter it is where none is given. `telling` is
    the position-giving column used to see whether a line is a row of its own (a time, as a rule).
    Raises NoInput, NotPermitted and BadData as sentences.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        encoding: str = "utf-8",
        delimiter: str | None = None,
        needed: Sequence[str] = (),
        telling: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self.encoding = encoding
        self.blank_rows = 0
        self.lines_read = 0
        self.ends_mid_line = False
        self._telling = telling
        with open_file(self.path) as source:
            self.bytes_in_all = os.fstat(source.fileno()).st_size
            first = next((line for text in self._texts(source) for line in _lines_of(text) if line.strip("\r\n")), None)
        if first is None:
            raise BadData(f"{self.name} holds nothing but blank lines. Export it again.")
        self.delimiter = delimiter or self._find_delimiter(first, needed)
        self.columns = self._split(first, self.delimiter)
        self._check_header(first, needed)

    def _find_delimiter(self, header: str, needed: Sequence[str]) -> str:
        def fit(delimiter: str) -> tuple[int, int]:
            try:
                found = self._split(header, delimiter)
            except BadData:
                return 0, 0
            return len(set(found) & set(needed)), len(found)

        return max(DELIMITERS, key=fit)

    def _split(self, line: str, delimiter: str) -> list[str]:
        try:
            return [name.strip() for name in next(csv.reader([line], delimiter=delimiter, strict=True))]
        except csv.Error:
            raise BadData(f"The header of {self.name} has a quote that is never closed. Export it again.") from None

    def _check_header(self, header: str, needed: Sequence[str]) -> None:
        missing = [name for name in needed if name not in self.columns]
        repeated = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if missing and len(self.columns) == 1:
            other = self._find_delimiter(header, needed)
            if other != self.delimiter and len(self._split(header, other)) > 1:
                raise BadData(
                    f"{self.name} is split by {_DELIMITER_NAMES[other]}, not by {self.delimiter!r}. Write delimiter = "
                    f'"{_toml(other)}" in its column map, or leave the setting out.'
                )
            raise BadData(
                f"{self.name} is not split by {_DELIMITER_NAMES.get(self.delimiter, repr(self.delimiter))}: its header "
                f"reads as one column. Commas, semicolons, tabs or bars were expected; another one is given as "
                f"delimiter in the column map."
            )
        problems = [f"Column '{name}' is missing.{did_you_mean(name, self.columns)}" for name in missing]
        problems.extend(f"Column '{name}' is there twice." for name in repeated if name in needed or not needed)
        if problems:
            raise BadData(
                f"{self.name} does not have the columns that its column map reads. It has: "
                f"{', '.join(self.columns[:40])}.",
                problems,
            )

    def _texts(self, source: IO[bytes]) -> Iterator[str]:
        """Decode, in pieces of some megabytes that end with a line's end; what breaks on the way is said."""
        try:
            yield from self._decoded(source)
        except (EOFError, zlib.error) as error:
            said = "is cut off: its gzip data ends too early" if isinstance(error, EOFError) else "has broken gzip data"
            raise BadData(
                f"{self.name} {said}, after {count_of(max(self.lines_read - 1, 0), 'row')}. None of it was imported; "
                f"copy it again."
            ) from None
        except OSError as error:
            raise InputOutputError(f"{self.name} can't be read on: {error}.") from None

    def _decoded(self, source: IO[bytes]) -> Iterator[str]:
        magic = source.read(4)
        source.seek(0)
        is_gzip = magic[:2] == b"\x1f\x8b"
        if magic[:2] == b"PK":
            raise BadData(f"{self.name} is a zip archive or a workbook. Take the CSV out of it, or export as CSV.")
        if magic[:2] in (b"\xff\xfe", b"\xfe\xff") and not self.encoding.lower().startswith("utf-16"):
            raise BadData(f'{self.name} is UTF-16 text. Write encoding = "utf-16" in its column map.')
        decoder = codecs.getincrementaldecoder(self.encoding)("strict")
        self.lines_read = 0
        rest = ""
        position = 0
        for block in chain(_inflated(source) if is_gzip else iter(lambda: source.read(_BLOCK_BYTES), b""), [b""]):
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise self._wrong_encoding(error, position) from None
            text = rest + (text.removeprefix("\ufeff") if position == 0 else text)
            position += len(block)
            # A lone carriage return at the end may be half of a line end.
            end = (text.rfind("\n") + 1 or text.rfind("\r", 0, -1) + 1) if block else len(text)
            text, rest = text[:end], text[end:]
            self._refuse_long_line(rest)
            if text:
                self.ends_mid_line = not text.endswith(("\n", "\r"))
                yield text
                self.lines_read += text.count("\n")

    def _refuse_long_line(self, line: str) -> None:
        if len(line) > LONGEST_LINE:
            raise BadData(
                f"{self.name} has a line of more than {count_of(LONGEST_LINE, 'character')} after line "
                f"{self.lines_read:,}. No row is that long: it is not a CSV file, or its line ends are lost."
            )

    def _wrong_encoding(self, error: UnicodeDecodeError, position: int) -> BadData:
        before = error.object[: error.start]
        line = self.lines_read + 1 + before.count(b"\n")
        byte = error.object[error.start]
        where = f"byte 0x{byte:02X} at position {position + error.start + 1:,} (line {line:,})"
        if self.encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig"):
            return BadData(
                f"{self.name} is not UTF-8 text: {where} can't be read. It is most likely a Windows export: write "
                f'encoding = "windows-1252" in its column map.'
            )
        return BadData(
            f"{self.name} is not {self.encoding} text: {where} can't be read. Put encoding right in its map."
        )

    def chunks(self, chunk_rows: int) -> Iterator[RowChunk]:
        """Give the rows after the header, in stretches of about `chunk_rows` lines (and at most some 60 MB).

        Raises BadData at the end where no row came: columns alone are an export that went wrong, not a quiet month.
        """
        self.blank_rows = 0
        rows_read = 0
        with open_file(self.path) as source:
            row_number = 0
            waiting = ""
            texts = self._texts(source)
            following = next(texts, None)
            while following is not None or waiting:
                pieces, lines, size = [waiting], 0, 0
                while following is not None and lines < chunk_rows and size < _MOST_CHARACTERS:
                    pieces.append(following)
                    lines += following.count("\n") or 1
                    size += len(following)
                    following = next(texts, None)
                text, at_end = "".join(pieces), following is None
                if row_number == 0:
                    text, row_number = _after_header(text)
                chunk, waiting, row_number = self._parse(text, row_number, at_end=at_end)
                chunk.share_read = 1.0 if at_end else min(source.tell() / max(self.bytes_in_all, 1), 1.0)
                rows_read += chunk.rows_read
                yield chunk
        if not rows_read:
            raise BadData(
                f"{self.name} has columns and no row, so that there is nothing to import. Look which period was asked "
                "for, and export it again."
            )

    def _parse(self, text: str, row_number: int, *, at_end: bool) -> tuple[RowChunk, str, int]:
        """Parse text into rows; gives the chunk, the text left for the next one, and the last row's number."""
        values = self._split_proved(text)
        if values is not None:
            numbers = pl.int_range(row_number + 1, row_number + 1 + values.height, dtype=pl.Int64, eager=True)
            return RowChunk(values, numbers, []), "", row_number + values.height
        lines = _lines_of(text)
        for line in lines:
            self._refuse_long_line(line)
        try:
            rows = list(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except csv.Error:
            rows = []
        # As many rows as lines, all as wide as the header: nothing was swallowed and nothing is missing.
        if rows and len(rows) == len(lines) and all(len(row) == len(self.columns) for row in rows):
            in_order = list(range(row_number + 1, row_number + 1 + len(rows)))
            return self._chunk(rows, in_order, []), "", row_number + len(rows)
        return self._parse_line_by_line(lines, row_number, at_end=at_end)

    def _split_proved(self, text: str) -> pl.DataFrame | None:
        """Split text fast where its bytes prove that every line is one row as wide as the header; else give nothing.

        Polars would pad a short line and guess at a stray quote, so it is asked only where there is neither: quotes
        open at the start of a value and close at its end, in the same line, and the delimiters outside them count.
        """
        width = len(self.columns)
        if not text or width < 2 or "\0" in text or ord(self.delimiter) > 127:
            return None
        if "\r" in text:
            text = text.replace("\r\n", "\n")
            if "\r" in text:
                return None
        data = (text if text.endswith("\n") else text + "\n").encode()
        codes = np.frombuffer(data, dtype=np.uint8)
        ends = np.flatnonzero(codes == _LINE_FEED)
        marks = np.flatnonzero(codes == ord(self.delimiter))
        has_quotes = '"' in text
        if has_quotes:
            quotes = np.flatnonzero(codes == _QUOTE)
            if not _quotes_are_sound(codes, quotes, ends, ord(self.delimiter)):
                return None
            marks = marks[np.searchsorted(quotes, marks) % 2 == 0]
        if len(marks) != len(ends) * (width - 1):
            return None
        by_line = marks.reshape(len(ends), width - 1)
        starts = np.concatenate([[-1], ends[:-1]])
        if (by_line[:, 0] < starts).any() or (by_line[:, -1] > ends).any() or (ends - starts).max() > LONGEST_LINE:
            return None
        names = [str(place) for place in range(width)]
        values = pl.read_csv(
            data,
            has_header=False,
            new_columns=names,
            separator=self.delimiter,
            quote_char='"' if has_quotes else None,
            infer_schema=False,
        )
        return values.fill_null("") if values.shape == (len(ends), width) else None

    def _chunk(self, rows: list[list[str]], row_numbers: list[int], broken: list[BrokenRow]) -> RowChunk:
        by_column: list[Sequence[str]] = list(zip(*rows, strict=True)) if rows else [()] * len(self.columns)
        values = pl.DataFrame(
            {str(place): pl.Series(column, dtype=pl.String) for place, column in enumerate(by_column)}
        )
        return RowChunk(values, pl.Series(row_numbers, dtype=pl.Int64), broken)

    def _parse_line_by_line(self, lines: list[str], row_number: int, *, at_end: bool) -> tuple[RowChunk, str, int]:
        rows: list[list[str]] = []
        numbers: list[int] = []
        broken: list[BrokenRow] = []
        at = 0
        while at < len(lines):
            line = lines[at]
            if not line.strip("\r\n"):
                row_number += 1
                self.blank_rows += 1
                at += 1
                continue
            row, used = self._one_row(lines, at)
            if row is None and used == 0 and not at_end and len(lines) - at < MOST_LINES_IN_A_ROW:
                # The closing quote may stand in lines that were not read yet.
                break
            row_number += 1
            is_whole = row is not None and len(row) == len(self.columns)
            if row is not None and is_whole and (used == 1 or not self._swallowed(lines[at : at + used])):
                rows.append(row)
                numbers.append(row_number)
                at += used
                continue
            is_last = at == len(lines) - 1 and not line.endswith(("\n", "\r"))
            alone = row if used == 1 else self._one_row(lines[at : at + 1], 0)[0]
            broken.append(self._broken(line, alone, row_number, is_last=is_last))
            at += 1
        return self._chunk(rows, numbers, broken), "".join(lines[at:]), row_number

    def _one_row(self, lines: list[str], at: int) -> tuple[list[str] | None, int]:
        """Parse the row that begins at a line: its values and how many lines it took; (None, 0) while unclosed."""
        following = islice(lines, at + 1, at + MOST_LINES_IN_A_ROW)
        reader = csv.reader(chain([lines[at]], following), delimiter=self.delimiter, strict=True)
        try:
            return next(reader), reader.line_num
        except StopIteration:
            return None, 0
        except csv.Error as error:
            return None, 0 if "unexpected end" in str(error) else reader.line_num

    def _swallowed(self, lines: list[str]) -> bool:
        """Whether any later line of a row that spans several looks like a row of its own."""
        width = len(self.columns)
        telling = self.columns.index(self._telling) if self._telling in self.columns else None
        for line in lines[1:]:
            parts = line.rstrip("\r\n").split(self.delimiter)
            if len(parts) < width:
                continue
            if telling is None or len(re.findall(r"\d", parts[telling])) >= 6:
                return True
        return False

    def _broken(self, line: str, row: list[str] | None, row_number: int, *, is_last: bool) -> BrokenRow:
        text = line.rstrip("\r\n")
        raw = json.dumps({"row": text}, ensure_ascii=False)
        if is_last:
            said = "The file ends in the middle of its last row: it is cut off, and rows may be missing after it."
            return BrokenRow(row_number, "cut_off", said, raw)
        if row is None:
            said = "A quote is opened or closed in the wrong place, so that the row's values can't be told apart."
            return BrokenRow(row_number, "broken_quotes", said, raw)
        said = f"The row has {count_of(len(row), 'value')}; the header has {count_of(len(self.columns), 'column')}."
        return BrokenRow(row_number, "wrong_column_count", said, raw)


def _quotes_are_sound(
    codes: NDArray[np.uint8], quotes: NDArray[np.intp], ends: NDArray[np.intp], delimiter: int
) -> bool:
    """Whether every quote opens at a value's start or closes at its end, and none is open at a line's end."""
    if (np.searchsorted(quotes, ends) % 2).any():
        return False
    before = np.where(quotes[::2] == 0, _LINE_FEED, codes[quotes[::2] - 1])
    after = codes[quotes[1::2] + 1]
    return all(bool(np.isin(near, (delimiter, _LINE_FEED, _QUOTE)).all()) for near in (before, after))


def _lines_of(text: str) -> list[str]:
    """Split into lines, their ends kept: line feeds, carriage returns, or both."""
    return io.StringIO(text, newline="").readlines()


def _after_header(text: str) -> tuple[str, int]:
    """Cut off the header, and any blank lines before it: the text after it and the header's row number."""
    stream = io.StringIO(text, newline="")
    row_number = 1
    while not stream.readline().strip("\r\n"):
        row_number += 1
    return stream.read(), row_number


def _toml(delimiter: str) -> str:
    return "\\t" if delimiter == "\t" else delimiter
