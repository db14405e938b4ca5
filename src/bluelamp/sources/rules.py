"""The rules of intake: what may be done to a row, why, and to how many rows each did it.

A row is set aside (it can't be used; it is kept in the table `quarantine`), changed (a value was put right or emptied,
and the row's `repairs` says so), or only noted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl


@dataclass(frozen=True)
class Rule:
    """One rule of intake: what it does to a row, and why, in words; how a row that is set aside can be mended."""

    kind: Literal["set_aside", "changed", "noted"]
    words: str
    mend: str = ""


RULES: dict[str, Rule] = {
    "wrong_column_count": Rule(
        "set_aside",
        "the row has more or fewer values than the header has columns",
        "Look for a delimiter inside a value, or a line that was cut. Have the source quote its texts, or leave that "
        "column out of the export.",
    ),
    "broken_quotes": Rule(
        "set_aside",
        "a quote opens or closes in the wrong place",
        "Look for free text with quotes in it. Export it quoted, or without that column.",
    ),
    "cut_off": Rule(
        "set_aside",
        "the file ends in the middle of the row",
        "The file was not whole, and rows after this one are missing. Copy or export it again.",
    ),
    "broken_json": Rule(
        "set_aside",
        "a line is not one JSON object in which each name stands once",
        "Export again with one JSON object a line, each name once in it.",
    ),
    "nested_value": Rule(
        "set_aside",
        "a list or an object stands where one value was expected",
        "Export that value by itself, as a text or a number.",
    ),
    "formula_without_value": Rule(
        "set_aside",
        "a cell holds a formula that was never calculated",
        "Open the workbook in Excel and save it, so that formulas are calculated.",
    ),
    "merged_cells": Rule(
        "set_aside",
        "a cell is merged into another one, so that its value is not known",
        "Undo the merging in the sheet, so that each row has a value of its own.",
    ),
    "missing_time": Rule(
        "set_aside",
        "a time that must be there is empty",
        "Fill in the time at the source. If another column holds it, name that one in the column map.",
    ),
    "unreadable_time": Rule(
        "set_aside",
        "a time that must be there can't be read",
        "Put the time right at the source. If it is only written in a form of its own, say its `format` in the map.",
    ),
    "impossible_time": Rule(
        "set_aside",
        "a time that must be there lies before the first possible year or after the export",
        "Put the time right at the source. If there are many, look at `date_order` and `earliest_year` in the column "
        "map.",
    ),
    "lacks_offset": Rule(
        "set_aside",
        "a time does not say its offset, as its column map wants",
        "Add the offset to the times, or give the column map's `time_zone` the clock that they are by.",
    ),
    "missing": Rule(
        "set_aside",
        "a value that must be there is empty",
        "Fill in the value at the source. If another column holds it, name that one in the column map.",
    ),
    "unreadable": Rule(
        "set_aside",
        "a value is not of its field's type",
        "Put the value right at the source. If all rows have it, the column map names the wrong column.",
    ),
    "not_allowed": Rule(
        "set_aside",
        "a value is not one that its field allows",
        "Put the value right at the source. If it is a word of your own, say in the map's `words` what it means.",
    ),
    "erased": Rule(
        "set_aside",
        "the row is of a person or an incident that was erased; it stays out, and its content is not kept",
    ),
    "time_emptied_unreadable": Rule("changed", "a time after the receipt can't be read; it was emptied"),
    "time_emptied_impossible": Rule(
        "changed", "a time after the receipt lies before the first possible year or after the export; it was emptied"
    ),
    "value_emptied": Rule("changed", "a value that need not be there is not one that its field allows; it was emptied"),
    "token_emptied": Rule(
        "changed", "the caller or the place is a word for nobody or nowhere, such as withheld; it was emptied"
    ),
    "dispatched_before_received": Rule("changed", "dispatch before receipt; the dispatch was emptied"),
    "arrived_before_received": Rule("changed", "arrival before receipt; the arrival was emptied"),
    "arrived_before_dispatched": Rule(
        "changed",
        "arrival before dispatch; the dispatch was emptied, because an officer who is there is booked on afterwards",
    ),
    "cleared_before_received": Rule("changed", "cleared before receipt; the clearing was emptied"),
    "cleared_before_dispatched": Rule("changed", "cleared before dispatch; the clearing was emptied"),
    "cleared_before_arrived": Rule("changed", "cleared before arrival; the clearing was emptied"),
    "closed_before_received": Rule("changed", "closed before receipt; the closing was emptied"),
    "time_comes_twice": Rule("changed", "a local time in the hour that comes twice was read as the first of the two"),
    "time_read_as_second": Rule(
        "changed", "a local time in the hour that comes twice was read as the second, because it follows another step"
    ),
    "time_is_skipped": Rule("changed", "a local time in the hour that does not exist was read as the hour after"),
    "no_unit_attended": Rule(
        "changed", "no unit attended; dispatch and arrival are a dispatcher's own and were emptied"
    ),
    "code_and_words_swapped": Rule("changed", "code and words stood the wrong way round and were swapped back"),
    "point_swapped": Rule("changed", "longitude and latitude stood the wrong way round and were swapped back"),
    "point_at_zero": Rule("changed", "the point is 0, 0; it was emptied"),
    "point_unreadable": Rule("changed", "the point can't be read or is only half there; it was emptied"),
    "point_out_of_range": Rule("changed", "the point is not on earth; it was emptied"),
    "unknown_class": Rule("changed", "the class is not one of ours; it was set to unknown"),
    "unknown_status": Rule("changed", "the status is a word that the column map does not know; it was emptied"),
    "unknown_code": Rule("noted", "the code is not in the crosswalk; kept, classed as unknown"),
    "point_far_away": Rule("noted", "the point lies far from all the others; kept"),
    "point_missing": Rule("noted", "no point"),
    "area_missing": Rule("noted", "no area"),
    "zero_duration": Rule("noted", "closed at the very second it was received: information only; kept"),
    "under_30_seconds": Rule("noted", "closed within 30 seconds of receipt; kept"),
    "holds_no_row": Rule(
        "noted", "the row of the file has no time or no unit to make a row of; counted among the file's rows only"
    ),
    "row_not_kept": Rule("noted", "the content of a broken row was not kept, because it may hold a caller or a place"),
    "row_without_id": Rule("noted", "no id of its own; numbered by its content and occurrence"),
}


class Faults:
    """Which rows of a stretch are to be set aside, and why; the first reason found is the one that is told."""

    def __init__(self, height: int) -> None:
        self._height = height
        self._reasons: dict[int, tuple[str, str, str]] = {}

    def add(self, name: str, code: str, rows: pl.Series, reason: str) -> None:
        """Set aside the rows where `rows` is true, for the field `name`."""
        for row in rows.fill_null(value=False).arg_true():
            self.add_row(row, name, code, reason)

    def add_row(self, row: int, name: str, code: str, reason: str) -> None:
        """Set aside the row at one place of the stretch."""
        self._reasons.setdefault(row, (name, code, reason))

    def any_of(self) -> pl.Series:
        """Give true for each row that is set aside."""
        mask = pl.repeat(False, self._height, dtype=pl.Boolean, eager=True)
        return mask.scatter(list(self._reasons), True) if self._reasons else mask

    def counts(self) -> Counter[str]:
        """Count rows by reason."""
        return Counter(code for _, code, _ in self._reasons.values())

    def first_of_each(self) -> Iterator[tuple[int, str, str, str]]:
        """Give (place, field, code, reason) of each row that is set aside."""
        for row in sorted(self._reasons):
            yield (row, *self._reasons[row])


class Repairs:
    """Which rule changed which row, and which is only told of it."""

    def __init__(self) -> None:
        self._changed: dict[str, pl.Series] = {}
        self._noted: dict[str, pl.Series] = {}

    def add(self, code: str, rows: pl.Series) -> None:
        """Say that a rule changed the rows where `rows` is true."""
        rows = rows.fill_null(value=False)
        if rows.any():
            self._changed[code] = self._changed[code] | rows if code in self._changed else rows

    def add_rows(self, code: str, places: list[int], height: int) -> None:
        """Say that a rule changed the rows at some places of a stretch of that height."""
        if places:
            self.add(code, pl.repeat(False, height, dtype=pl.Boolean, eager=True).scatter(sorted(set(places)), True))

    def note(self, code: str, rows: pl.Series) -> None:
        """Say that a rule is told of the rows where `rows` is true."""
        rows = rows.fill_null(value=False)
        if rows.any():
            self._noted[code] = rows

    def words(self, height: int, given: pl.Series) -> pl.Series:
        """Give each row's changes, separated by spaces, after those that it came with; null where there are none."""
        said = [pl.select(pl.when(rows).then(pl.lit(code))).to_series() for code, rows in self._changed.items()]
        frame = pl.DataFrame([part.alias(str(place)) for place, part in enumerate([given, *said])], height=height)
        return frame.select(pl.concat_str(pl.all(), separator=" ", ignore_nulls=True).replace("", None)).to_series()

    def counts(self, kept: pl.Series) -> Counter[str]:
        """Count the rows, among those kept, that each rule touched."""
        return Counter({code: int((rows & kept).sum()) for code, rows in (self._changed | self._noted).items()})
