"""Excel workbooks (.xlsx, .xlsm): the cells of one sheet as they say themselves, dates by the workbook's date system.

A cell says what it was last calculated to; a formula that never was has no value, and its row is set aside. So is a row
whose cell is merged into another one: what it holds is anybody's guess. A date is written as far as its cell's format
shows it, and a number that is shown with leading zeros keeps them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar
from xml.etree import ElementTree  # external entities are not followed, and expat bounds the others

import numpy as np

from bluelamp import extensions
from bluelamp.errors import BadData, BluelampError, count_of, did_you_mean
from bluelamp.sources.archives import ZIP, names_in, open_archive
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
    open_file,
    raw_row,
)
from bluelamp.sources.values import duration_text, text_of

MOST_ROWS = 1_048_576
# Everything but the sheets is held in memory: texts above all.
MOST_TEXT_BYTES = 1 << 29
_COMPOUND = b"\xd0\xcf\x11\xe0"
_FIRST_ROWS = 10
_MARKS = re.compile(rb"<(?:\w+:)?(?:f|mergeCell)[ />]")
_REFERENCE = re.compile(r"^\$?([A-Z]{1,3})\$?(\d+)$")
_NO_WORDS = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.')
T = TypeVar("T")


def fits(source: Path | Query, head: bytes) -> int:
    """Whether it is a workbook, or one of the kinds that are refused in words."""
    if head.startswith(_COMPOUND):
        return 3
    if not isinstance(source, Path) or not head.startswith(ZIP):
        return 0
    names = names_in(source)
    return 3 * any(name.startswith("xl/workbook.") or name == "content.xml" for name in names)


def read(source: Path, reading: Reading) -> Workbook:
    """Open one sheet of a workbook."""
    _refuse_other_kinds(source)
    return Workbook(source, reading)


def _refuse_other_kinds(path: Path) -> None:
    with open(path, "rb") as opened:
        if opened.read(4) == _COMPOUND:
            raise BadData(
                f"{path.name} is a workbook of the old kind (.xls), or protected by a password. Save it as .xlsx, "
                "without one."
            )
    names = names_in(path)
    if "content.xml" in names or "xl/workbook.bin" in names:
        kind = "an OpenDocument" if "content.xml" in names else "a binary Excel"
        raise BadData(f"{path.name} is {kind} workbook. Save it as .xlsx.")


@dataclass(frozen=True)
class _Marks:
    """What must be known of a sheet before its rows are read: formulas without a value, and merged cells."""

    uncalculated: frozenset[tuple[int, int]] = frozenset()
    merged: tuple[tuple[int, int, int, int], ...] = ()  # first row, last row, first column, last column
    formulas: int = 0
    rows: frozenset[int] = frozenset()  # those with a formula without a value


class Workbook:
    """One sheet of an Excel workbook."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self._openpyxl = extensions.optional("openpyxl", "excel", f"Reading {path.name}, an Excel workbook,")
        self.source = path
        self.name = path.name
        self.state: dict[str, str] = {}
        self._reading = reading
        self._blank_rows = 0
        self._formats: dict[int, str] = {}
        self._refuse_bombs()
        self._book = self._told(lambda: self._openpyxl.load_workbook(open_file(path), read_only=True, data_only=True))
        self._sheet = self._choose_sheet()
        self._marks = self._told(self._look_for_marks)
        self.first_rows = self._told(lambda: list(islice(self._rows(), self._looked_at)))
        if not self.first_rows:
            raise BadData(f"Sheet '{self._sheet.title}' of {self.name} is empty.{self._other_sheets()}")
        likely = likely_header_row(self.first_rows) if reading.guess_header else None
        header_row = reading.header_row or likely or 1
        self._header_row, names = next((each for each in self.first_rows if each[0] >= header_row), self.first_rows[-1])
        self.map_settings: dict[str, Any] = {}
        if len(self._book.worksheets) > 1:
            self.map_settings["sheet"] = self._sheet.title
        if self._header_row != self.first_rows[0][0]:
            self.map_settings["header_row"] = self._header_row
        self.columns = [each.strip() for each in names]
        self.first_rows = [(number, [each.strip() for each in texts]) for number, texts in self.first_rows]
        check_columns(self.name, self.columns, reading, self.first_rows)

    @property
    def looks(self) -> tuple[str, str, str]:
        """What it looks like."""
        return "format", f"Excel workbook, sheet '{self._sheet.title}'", "its content says so"

    @property
    def notes(self) -> list[str]:
        """What a reader should know beside the rows."""
        told = []
        if len(self._book.worksheets) > 1:
            why = "as its column map says" if self._reading.sheet else "the first"
            told.append(f"Read was sheet '{self._sheet.title}', {why}.{self._other_sheets()}")
        if self._marks.formulas:
            cells = count_of(self._marks.formulas, "cell")
            told.append(f"Of {cells} with a formula, what it was last calculated to was read.")
        if self._is_from_1904:
            told.append("The workbook counts its days from 1904, and was read so.")
        return blank_rows_told(self._blank_rows) + told

    def chunks(self, chunk_rows: int) -> Iterator[RowChunk]:
        """Give the rows below the header in stretches. Raises BadData where there is none or the sheet is damaged."""
        self._blank_rows = 0
        rows_read, before = 0, self._header_row
        rows = self._rows(after=self._header_row)
        while part := self._told(lambda: list(islice(rows, chunk_rows))):
            chunk = self._chunk(part)
            self._blank_rows += part[-1][0] - before - len(part)
            before = part[-1][0]
            rows_read += len(part)
            # How many rows are to come is known to nobody; a share of the most there can be is less than the truth.
            chunk.share_read = min(before / max(self._sheet.max_row or MOST_ROWS, before), 1.0)
            yield chunk
        if not rows_read:
            raise no_row(self.name)

    @property
    def _looked_at(self) -> int:
        return _FIRST_ROWS + (self._reading.header_row or 0)

    @property
    def _is_from_1904(self) -> bool:
        return bool(self._book.epoch.year == 1904)

    def _refuse_bombs(self) -> None:
        with open_archive(self.source) as archive:
            held = sum(each.file_size for each in archive.infolist() if "/worksheets/" not in each.filename)
        if held > MOST_TEXT_BYTES:
            raise BadData(
                f"{self.name} holds {held:,} bytes of texts and styles, more than a sheet of calls does. Save the "
                "sheet that is wanted as a workbook of its own, or as CSV."
            )

    def _choose_sheet(self) -> Any:
        sheets = {each.title: each for each in self._book.worksheets}
        wanted = self._reading.sheet
        if not sheets:
            raise BadData(f"{self.name} has no sheet with cells. Export it again.")
        if wanted is None:
            return next(iter(sheets.values()))
        if wanted not in sheets:
            raise BadData(
                f"{self.name} has no sheet '{wanted}', which its column map names.{did_you_mean(wanted, sheets)} It "
                f"has {', '.join(repr(each) for each in sheets)}."
            )
        return sheets[wanted]

    def _other_sheets(self) -> str:
        others = [f"'{each.title}'" for each in self._book.worksheets if each is not self._sheet]
        return f" There are others: {', '.join(others)}; sheet = … in the column map names one." if others else ""

    def _told(self, act: Callable[[], T]) -> T:
        """Do something with the workbook; what breaks is said."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return act()
        except (BluelampError, MemoryError):
            raise
        # A damaged workbook breaks in as many ways as there are tags in it.
        except Exception as error:
            said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise BadData(
                f"{self.name} can't be read as an Excel workbook ({said}). Open it in Excel, save it as .xlsx and try "
                "again; or save the sheet as CSV."
            ) from None

    def _open_sheet(self) -> IO[bytes]:
        opened: IO[bytes] = self._sheet.parent._archive.open(self._sheet._worksheet_path)
        return opened

    def _look_for_marks(self) -> _Marks:
        """Go through the sheet for formulas and for merged cells, which come after the rows."""
        with self._open_sheet() as opened:
            tail, has_marks = b"", False
            while not has_marks and (block := opened.read(1 << 20)):
                has_marks = _MARKS.search(tail + block) is not None
                tail = block[-40:]
        if not has_marks:
            return _Marks()
        uncalculated, merged, formulas = set(), [], 0
        row = column = 0
        with self._open_sheet() as opened:
            for event, element in ElementTree.iterparse(opened, events=("start", "end")):  # noqa: S314
                tag = element.tag.rpartition("}")[2]
                if event == "start":
                    if tag == "row":
                        row, column = int(element.get("r") or row + 1), 0
                    continue
                if tag == "c":
                    place = _place(element.get("r") or "")
                    column = place[1] if place else column + 1
                    parts = {each.tag.rpartition("}")[2]: each for each in element}
                    if "f" in parts:
                        formulas += 1
                        value = parts.get("v")
                        if (value is None or not value.text) and element.get("t") != "str":
                            uncalculated.add((row, column))
                elif tag == "mergeCell":
                    first, _, last = (element.get("ref") or "").partition(":")
                    one, other = _place(first), _place(last or first)
                    if one and other:
                        merged.append((one[0], other[0], one[1], other[1]))
                elif tag == "row":
                    element.clear()
        return _Marks(
            frozenset(uncalculated), tuple(sorted(merged)), formulas, frozenset(row for row, _ in uncalculated)
        )

    def _rows(self, after: int = 0) -> Iterator[tuple[int, list[str]]]:
        """Give the rows that hold anything, as text without the empty cells at their end, with their numbers."""
        from openpyxl.worksheet._reader import WorkSheetParser

        sheet, book = self._sheet, self._book
        last = 0
        with self._open_sheet() as opened:
            parser = WorkSheetParser(
                opened, sheet._shared_strings, data_only=True, epoch=book.epoch, date_formats=book._date_formats,
                timedelta_formats=book._timedelta_formats,
            )  # fmt: skip
            for number, cells in parser.parse():
                if not last < number <= MOST_ROWS:
                    raise BadData(
                        f"The rows of sheet '{sheet.title}' of {self.name} are not in order: row {number:,} comes "
                        f"after row {last:,}. Open it in Excel and save it again."
                    )
                last = number
                if number <= after:
                    continue
                texts = self._texts(cells)
                if texts or number in self._marks.rows:
                    yield number, texts

    def _texts(self, cells: list[dict[str, Any]]) -> list[str]:
        by_column = {cell["column"]: self._text(cell) for cell in cells if cell["value"] is not None}
        width = max((column for column, text in by_column.items() if text), default=0)
        return [by_column.get(column, "") for column in range(1, width + 1)]

    def _text(self, cell: dict[str, Any]) -> str:
        value = cell["value"]
        if isinstance(value, str):
            return value
        form = self._format(cell["style_id"]) if not isinstance(value, bool) else ""
        if isinstance(value, (date, time)):
            return _time_text(value, form)
        if isinstance(value, timedelta):
            return duration_text(timedelta(seconds=round(value.total_seconds())))
        if isinstance(value, int) and (zeros := re.fullmatch(r"0+", form)):
            return str(value).zfill(len(zeros.group()))
        return text_of(value)

    def _format(self, style: int) -> str:
        if style not in self._formats:
            from openpyxl.cell.read_only import ReadOnlyCell

            with suppress(IndexError):
                self._formats[style] = ReadOnlyCell(self._sheet, 1, 1, None, style_id=style).number_format or "General"
        return self._formats.get(style, "General")

    def _chunk(self, part: list[tuple[int, list[str]]]) -> RowChunk:
        width = len(self.columns)
        rows: list[list[str]] = []
        numbers: list[int] = []
        broken: list[BrokenRow] = []
        covered = self._covered([number for number, _ in part])
        for place, (number, texts) in enumerate(part):
            fault = self._fault(number, texts, covered[place])
            if fault is not None:
                broken.append(BrokenRow(number, *fault, raw_row(self.columns, texts)))
            else:
                rows.append(texts + [""] * (width - len(texts)))
                numbers.append(number)
        return chunk_of(width, rows, numbers, broken)

    def _fault(self, number: int, texts: list[str], covered: Any) -> tuple[str, str] | None:
        """Say why a row can't be taken: code and sentence."""
        width = len(self.columns)
        if len(texts) > width:
            said = f"The row has {count_of(len(texts), 'value')}; the header has {count_of(width, 'column')}."
            return "wrong_column_count", said
        for column in np.flatnonzero(covered[:width]).tolist():
            if self._is_wanted(column):
                said = (
                    f"Cell {_cell_name(number, column + 1)} ('{self.columns[column]}') is merged into another one, so "
                    "that its value is not known. Part the merged cells and fill each."
                )
                return "merged_cells", said
        for column in range(width):
            if (number, column + 1) in self._marks.uncalculated and self._is_wanted(column):
                said = (
                    f"Cell {_cell_name(number, column + 1)} ('{self.columns[column]}') holds a formula that was never "
                    "calculated. Open the workbook in Excel, save it, and import it again."
                )
                return "formula_without_value", said
        return None

    def _is_wanted(self, column: int) -> bool:
        return not self._reading.wanted or self.columns[column] in self._reading.wanted

    def _covered(self, numbers: list[int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Say which cells of some rows are merged into another cell, by row and column."""
        at = np.array(numbers)
        covered = np.zeros((len(numbers), len(self.columns)), dtype=bool)
        for first, last, left, right in self._marks.merged:
            low, high = np.searchsorted(at, [first, last + 1])
            if low < high:
                corner = covered[low, left - 1 : left].copy()
                covered[low:high, left - 1 : right] = True
                if at[low] == first:
                    covered[low, left - 1 : left] = corner
        return covered


@lru_cache(maxsize=256)
def _shows(form: str) -> tuple[bool, bool]:
    """Whether a number format shows a time of day, and parts of a second."""
    plain = _NO_WORDS.sub("", form.split(";")[0]).lower()
    return bool(re.search(r"[hs]", plain)), bool(re.search(r"s[.,]0", plain))


def _time_text(value: date | time, form: str) -> str:
    has_time, has_parts = _shows(form)
    if isinstance(value, time):
        # Rounding may carry into the next day, as 23:59:59.7 does; then the parts are kept.
        moment = datetime.combine(date(2000, 1, 1), value)
        rounded = moment if has_parts else _to_second(moment)
        return (rounded if rounded.day == 1 else moment).time().isoformat()
    if not isinstance(value, datetime):
        return value.isoformat()
    moment = value if has_parts else _to_second(value)
    return moment.isoformat(" ") if has_time or moment.time() != time() else moment.date().isoformat()


def _to_second(moment: datetime) -> datetime:
    # Excel keeps days as fractions, which miss the second by a little.
    return (moment + timedelta(milliseconds=500)).replace(microsecond=0)


def _place(reference: str) -> tuple[int, int] | None:
    """Give row and column of a cell's name."""
    found = _REFERENCE.match(reference)
    if found is None:
        return None
    column = 0
    for letter in found.group(1):
        column = column * 26 + ord(letter) - 64
    return int(found.group(2)), column


def _cell_name(row: int, column: int) -> str:
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row}"
