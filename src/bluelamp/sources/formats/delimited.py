"""Delimited text, read strictly: every row of the file comes out whole or is set aside with the reason.

Fast CSV readers guess: they pad short rows, cut long ones, and let a stray quote swallow the rows after it. Here a row
is either exactly as wide as the header, or it is handed on as broken with its text. A quoted value may span lines, but
only while it does not swallow lines that look like rows of their own.

Rows are numbered as a spreadsheet numbers them: the header is row 1, a blank line counts, and a value that spans three
lines is still one row.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp.errors import BadData, count_of
from bluelamp.sources.files import (
    BrokenRow,
    Query,
    Reading,
    RowChunk,
    blank_rows_told,
    check_columns,
    chunk_of,
    likely_header_row,
    no_row,
)
from bluelamp.sources.texts import LONGEST_LINE, Bytes, Text

DELIMITERS = (",", ";", "\t", "|")
MOST_LINES_IN_A_ROW = 200
_LINE_FEED, _QUOTE = 10, 34
_MOST_CHARACTERS = 60_000_000
_FIRST_ROWS = 10
_WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".xlsb")
_DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def fits(source: Path | Query, head: bytes) -> int:
    """Whatever is no other kind of file is taken for delimited text."""
    return int(isinstance(source, Path))


def read(source: Path, reading: Reading) -> DelimitedFile:
    """Open a CSV or TSV file. One that is called a workbook may be such text, too; where it is not, that is said."""
    try:
        return DelimitedFile(source, reading)
    except BadData as error:
        if source.suffix.lower() not in _WORKBOOKS:
            raise
        raise BadData(
            f"{source.name} is called a workbook and is none: it does not begin as one does. Save it as .xlsx in the "
            f"program that it comes from. Read as text, it was refused, too: {error.summary}",
            error.problems,
        ) from None


class DelimitedFile:
    """One CSV or TSV file, plain or gzip, with its header read and its delimiter known.

    `needed` of the reading decides which delimiter it is where none is given. `content` is given for a file that lies
    in an archive; its header is then held to what is needed by `check_header`. Raises NoInput, NotPermitted and BadData
    as sentences.
    """

    def __init__(self, path: Path | str, reading: Reading | None = None, *, content: Bytes | None = None) -> None:
        reading = reading or Reading()
        is_alone = content is None
        self.source = Path(path)
        content = content or Bytes.on_disk(self.source)
        self.name = content.name
        self.blank_rows = 0
        self.state: dict[str, str] = {}
        self._telling = reading.telling
        self._text = Text(content, reading.encoding)
        lines = self._first_lines(reading.header_row or 1)
        self.first_rows = [(number, self._loosely_split(line, reading.delimiter)) for number, line in lines]
        if not lines:
            raise BadData(f"{self.name} holds nothing but blank lines. Export it again.")
        likely = likely_header_row(self.first_rows) if reading.guess_header else None
        header_row = reading.header_row or likely or 1
        self._reading = reading
        self._header_row, self._header = next((each for each in lines if each[0] >= header_row), lines[-1])
        above = self._header_row != lines[0][0]
        self.map_settings: dict[str, Any] = {"header_row": self._header_row} if above else {}
        self.delimiter = reading.delimiter or self._find_delimiter(self._header, reading.needed)
        self.columns = self._split(self._header, self.delimiter)
        if is_alone:
            self.check_header()

    @property
    def looks(self) -> tuple[str, str, str]:
        """What it looks like."""
        return "delimiter", {"\t": "tab"}.get(self.delimiter, self.delimiter), "it splits the header best"

    @property
    def notes(self) -> list[str]:
        """What a reader should know beside the rows."""
        cut = ["The last line has no line end: the file may have been cut off."] * self._text.ends_mid_line
        return blank_rows_told(self.blank_rows) + cut

    def _first_lines(self, header_row: int) -> list[tuple[int, str]]:
        """Give the first lines that are not blank with their row numbers, as far as the header and some more."""
        lines: list[tuple[int, str]] = []
        number = 0
        for text in self._text.pieces():
            for line in _lines_of(text):
                number += 1
                if line.strip("\r\n"):
                    lines.append((number, line))
                if number >= header_row + _FIRST_ROWS and lines:
                    return lines
        return lines

    def _loosely_split(self, line: str, delimiter: str | None) -> list[str]:
        """Split a line that need not be the header by what splits it best; a broken one has no values."""
        try:
            return self._split(line, delimiter or self._find_delimiter(line, ()))
        except BadData:
            return []

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

    def check_header(self) -> None:
        """Raise BadData where a needed column is missing or the header is split in the wrong places."""
        header, needed = self._header, self._reading.needed
        missing = [name for name in needed if name not in self.columns]
        elsewhere = any(set(missing) & set(values) for _, values in self.first_rows)
        if missing and len(self.columns) == 1 and not elsewhere:
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
        check_columns(self.name, self.columns, self._reading, self.first_rows)

    def chunks(self, chunk_rows: int) -> Iterator[RowChunk]:
        """Give the rows after the header, in stretches of about `chunk_rows` lines (and at most some 60 MB).

        Raises BadData at the end where no row came: columns alone are an export that went wrong, not a quiet month.
        """
        self.blank_rows = 0
        rows_read = row_number = 0
        waiting = ""
        texts = self._text.pieces()
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
                text, row_number = _after(self._header_row, text), self._header_row
            chunk, waiting, row_number = self._parse(text, row_number, at_end=at_end)
            chunk.share_read = 1.0 if at_end else self._text.share_read
            rows_read += chunk.rows_read
            yield chunk
        if not rows_read:
            raise no_row(self.name)

    def _parse(self, text: str, row_number: int, *, at_end: bool) -> tuple[RowChunk, str, int]:
        """Parse text into rows; gives the chunk, the text left for the next one, and the last row's number."""
        values = self._split_proved(text)
        if values is not None:
            numbers = pl.int_range(row_number + 1, row_number + 1 + values.height, dtype=pl.Int64, eager=True)
            return RowChunk(values, numbers, []), "", row_number + values.height
        lines = _lines_of(text)
        for line in lines:
            self._text.refuse_long_line(line)
        try:
            rows = list(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except csv.Error:
            rows = []
        # As many rows as lines, all as wide as the header: nothing was swallowed and nothing is missing.
        if rows and len(rows) == len(lines) and all(len(row) == len(self.columns) for row in rows):
            in_order = list(range(row_number + 1, row_number + 1 + len(rows)))
            return chunk_of(len(self.columns), rows, in_order, []), "", row_number + len(rows)
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
        return chunk_of(len(self.columns), rows, numbers, broken), "".join(lines[at:]), row_number

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


def _after(row_number: int, text: str) -> str:
    """Cut off everything up to a line, the header and what stands above it."""
    stream = io.StringIO(text, newline="")
    for _ in range(row_number):
        stream.readline()
    return stream.read()


def _toml(delimiter: str) -> str:
    return "\\t" if delimiter == "\t" else delimiter
