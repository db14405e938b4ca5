"""Parquet files: typed columns, read in stretches and turned to text in one form.

A row's number is its place among the rows, from 1: there is no header to count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from bluelamp.errors import BadData, InputOutputError, count_of
from bluelamp.sources.files import Query, Reading, RowChunk, check_columns, no_row
from bluelamp.sources.texts import refuse_bomb
from bluelamp.sources.values import column_text, is_nested

_MAGIC = b"PAR1"
T = TypeVar("T")


def fits(source: Path | Query, head: bytes) -> int:
    """Whether it begins as Parquet does."""
    return 3 * head.startswith(_MAGIC)


def read(source: Path, reading: Reading) -> ParquetFile:
    """Open a Parquet file."""
    return ParquetFile(source, reading)


class ParquetFile:
    """One Parquet file."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self.source = path
        self.name = path.name
        self.state: dict[str, str] = {}
        self.notes: list[str] = []
        self.map_settings: dict[str, Any] = {}
        self._reading = reading
        self._schema = self._told(lambda: pl.read_parquet_schema(path))
        self._rows: int = self._told(lambda: pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
        refuse_bomb(self.name, path.stat().st_size, self._rows * len(self._schema))
        self.columns = list(self._schema)
        check_columns(self.name, self.columns, reading)
        self._refuse_several_in_one()

    @property
    def looks(self) -> tuple[str, str, str]:
        """What it looks like."""
        return "format", "Parquet", "its content says so"

    def chunks(self, chunk_rows: int) -> Iterator[RowChunk]:
        """Give the rows in stretches. Raises BadData where there is none or the file is damaged."""
        if not self._rows:
            raise no_row(self.name)
        for first in range(0, self._rows, chunk_rows):
            part = self._told(partial(self._slice, first, chunk_rows))
            texts = [column_text(part[name]).alias(str(place)) for place, name in enumerate(self.columns)]
            numbers = pl.int_range(first + 1, first + 1 + part.height, dtype=pl.Int64, eager=True)
            yield RowChunk(pl.DataFrame(texts), numbers, [], share_read=(first + part.height) / self._rows)

    def _slice(self, first: int, rows: int) -> pl.DataFrame:
        return pl.scan_parquet(self.source, glob=False).slice(first, rows).collect()

    def _told(self, act: Callable[[], T]) -> T:
        """Do something with the file; what breaks is said."""
        try:
            return act()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise BadData(
                f"{self.name} is a broken Parquet file ({str(error).splitlines()[0][:200]}). Copy it, or "
                "write it, again."
            ) from None
        except OSError as error:
            raise InputOutputError(f"{self.name} can't be read on: {error}.") from None

    def _refuse_several_in_one(self) -> None:
        wrong = {
            name: "lists or groups of values" if is_nested(kind) else "bytes, not text"
            for name, kind in self._schema.items()
            if name in self._reading.wanted and (is_nested(kind) or kind == pl.Binary)
        }
        if wrong:
            raise BadData(
                f"{count_of(len(wrong), 'column')} of {self.name} can't be read as one value a row. Write what is "
                "wanted of them as columns of their own.",
                [f"'{name}' holds {what}." for name, what in wrong.items()],
            )
