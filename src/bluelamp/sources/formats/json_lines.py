"""JSON lines, plain or gzip: one object a line, its names being the columns.

The columns are the names that the first rows use and those that the column map reads; a name that turns up later is
told. A row's number is that of its line. A column that the map reads holds one value in each row: where it holds a list
or an object, the row is set aside.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bluelamp.errors import BadData, count_of
from bluelamp.sources.files import (
    BrokenRow,
    Query,
    Reading,
    RowChunk,
    blank_rows_told,
    check_columns,
    chunk_of,
    no_row,
)
from bluelamp.sources.texts import Bytes, Text

ROWS_THAT_NAME_COLUMNS = 10_000
_MOST_NAMES = 20_000
_OBJECT = re.compile(r"\s*\{\s*(\"|\}|$)")
_ARRAY = re.compile(r"\s*\[\s*(\{|$)")


def fits(source: Path | Query, head: bytes) -> int:
    """Whether it begins with an object, or with a list of objects, which is refused in words."""
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(31).decompress(head, 4096)
        except zlib.error:
            return 0
    text = head[:4096].decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
    return 3 * bool(_OBJECT.match(text) or _ARRAY.match(text))


def read(source: Path, reading: Reading) -> JsonLinesFile:
    """Open a file of JSON lines."""
    return JsonLinesFile(source, reading)


class JsonLinesFile:
    """One file of JSON lines."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self.source = path
        self.name = path.name
        self.state: dict[str, str] = {}
        self.map_settings: dict[str, Any] = {}
        self._reading = reading
        self._text = Text(Bytes.on_disk(path), reading.encoding)
        self._blank_rows = 0
        self._unknown: Counter[str] = Counter()
        named = self._names_of_first_rows()
        check_columns(self.name, named, reading)
        self.columns = named + [each for each in reading.wanted if each not in named]

    @property
    def looks(self) -> tuple[str, str, str]:
        """What it looks like."""
        return "format", "JSON lines", "its content says so"

    @property
    def notes(self) -> list[str]:
        """What a reader should know beside the rows."""
        told = []
        if self._unknown:
            names = ", ".join(f"'{name}' ({count_of(rows, 'row')})" for name, rows in self._unknown.most_common(20))
            told = [f"Names that the first {ROWS_THAT_NAME_COLUMNS:,} rows do not use were not read: {names}."]
        return blank_rows_told(self._blank_rows) + told

    def chunks(self, chunk_rows: int) -> Iterator[RowChunk]:
        """Give the rows in stretches. Raises BadData where there is none."""
        self._blank_rows = 0
        self._unknown = Counter()
        width = len(self.columns)
        rows: list[list[str]] = []
        numbers: list[int] = []
        broken: list[BrokenRow] = []
        rows_read = 0
        for number, line, ends in self._lines():
            if not line.strip():
                self._blank_rows += 1
                continue
            row = self._row(line, number, ends=ends)
            if isinstance(row, BrokenRow):
                broken.append(row)
            else:
                rows.append(row)
                numbers.append(number)
            rows_read += 1
            if len(rows) + len(broken) >= chunk_rows:
                yield self._chunk(width, rows, numbers, broken)
                rows, numbers, broken = [], [], []
        if rows or broken:
            yield self._chunk(width, rows, numbers, broken)
        if not rows_read:
            raise no_row(self.name)

    def _chunk(self, width: int, rows: list[list[str]], numbers: list[int], broken: list[BrokenRow]) -> RowChunk:
        chunk = chunk_of(width, rows, numbers, broken)
        chunk.share_read = self._text.share_read
        return chunk

    def _lines(self) -> Iterator[tuple[int, str, bool]]:
        """Give each line with its number, and whether it is ended."""
        number = 0
        for text in self._text.pieces():
            lines = text.split("\n")
            last = lines.pop()
            for line in lines:
                number += 1
                self._text.refuse_long_line(line)
                yield number, line, True
            if last:
                number += 1
                yield number, last, False

    def _names_of_first_rows(self) -> list[str]:
        names: dict[str, None] = {}
        looked_at = 0
        for _, line, _ in self._lines():
            if looked_at == 0 and line.strip():
                self._refuse_one_document(line)
            found = _object_in(line) if line.strip() else None
            names.update(dict.fromkeys(found or ()))
            looked_at += bool(line.strip())
            if looked_at >= ROWS_THAT_NAME_COLUMNS:
                break
            if len(names) > _MOST_NAMES:
                raise BadData(
                    f"{self.name} uses {len(names):,} different names in its first {count_of(looked_at, 'row')}, so "
                    "that they can't be columns. One object a row, with the same names in each, was expected."
                )
        if not looked_at:
            raise BadData(f"{self.name} holds nothing but blank lines. Export it again.")
        return list(names)

    def _refuse_one_document(self, line: str) -> None:
        if _ARRAY.match(line):
            raise BadData(
                f"{self.name} is one JSON list. One object a line was expected: 'jq -c .[] FILE' writes it so, and so "
                "does the option 'JSON lines' of most exports."
            )
        if _object_in(line) is None and re.fullmatch(r"\s*\{[^}]*", line) and not line.rstrip().endswith("}"):
            raise BadData(
                f"{self.name} is JSON that spans lines. One object a line was expected: 'jq -c . FILE' writes it so."
            )

    def _row(self, line: str, number: int, *, ends: bool) -> list[str] | BrokenRow:
        """Read a line as values in the order of the columns, or say why it can't be."""
        found = _object_in(line)
        if found is None:
            return self._broken(line, number, ends=ends)
        for name in self._reading.wanted:
            if isinstance(found.get(name), (list, dict)):
                said = f"'{name}' holds a list or an object; one value was expected. Export it as columns of its own."
                return BrokenRow(number, "nested_value", said, json.dumps({"row": line}, ensure_ascii=False))
        values = [found.pop(name, "") for name in self.columns]
        self._unknown.update(found.keys())
        return [value if isinstance(value, str) else _text(value) for value in values]

    def _broken(self, line: str, number: int, *, ends: bool) -> BrokenRow:
        raw = json.dumps({"row": line.rstrip("\r")}, ensure_ascii=False)
        if not ends:
            said = "The file ends in the middle of its last row: it is cut off, and rows may be missing after it."
            return BrokenRow(number, "cut_off", said, raw)
        said = "The line is not one JSON object in which each name stands once, so that its values can't be told apart."
        return BrokenRow(number, "broken_json", said, raw)


def _object_in(line: str) -> dict[str, Any] | None:
    """Read a line as an object; nothing where it is none, or where a name stands in it twice."""
    try:
        found = _DECODER.decode(line)
        # Half of a pair of surrogates is no text.
        if "\\u" in line or "\\U" in line:
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


# Numbers come as they are written, so that no figure is lost.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_once)


def _text(value: Any) -> str:
    """Write a value that is no text and no number as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)
