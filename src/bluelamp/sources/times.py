"""Times as feeds write them, turned into instants: in which order dates are written, and by which clock.

A date such as 03/04/2026 is never guessed row by row. The whole column is counted: a day above 12 in first place says
day-first, in second place month-first. Where both occur, or neither, nothing is read until the map says which it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from bluelamp import periods
from bluelamp.errors import BadData, count_of


class _Form(NamedTuple):
    """A form that whole columns are written in: as Polars calls it, what it looks like, and what it says."""

    written: str
    pattern: str
    is_instant: bool = False
    order: str | None = None  # of the date, where it can't be seen


# A value that looks otherwise is read by its shape, which is slow, and the same for what both can read.
_FORMS = (
    _Form("%Y-%m-%d %H:%M:%S", r"^\d{4}-"),
    _Form("%Y-%m-%dT%H:%M:%SZ", r"^\d{4}-", is_instant=True),
    _Form("%Y-%m-%dT%H:%M:%S", r"^\d{4}-"),
    _Form("%Y-%m-%d %H:%M", r"^\d{4}-"),
    _Form("%Y-%m-%dT%H:%M:%S%:z", r"^\d{4}-[0-9-]{5}T[0-9:]{8}[+-]\d{2}:\d{2}$", is_instant=True),
    _Form("%Y-%m-%d %H:%M:%S%:z", r"^\d{4}-[0-9-]{5} [0-9:]{8}[+-]\d{2}:\d{2}$", is_instant=True),
    _Form("%d/%m/%Y %H:%M:%S", r"^\d{1,2}/\d{1,2}/\d{4} [0-9:]+$", order="day_first"),
    _Form("%d/%m/%Y %H:%M", r"^\d{1,2}/\d{1,2}/\d{4} [0-9:]+$", order="day_first"),
    _Form("%m/%d/%Y %H:%M:%S", r"^\d{1,2}/\d{1,2}/\d{4} [0-9:]+$", order="month_first"),
    _Form("%m/%d/%Y %H:%M", r"^\d{1,2}/\d{1,2}/\d{4} [0-9:]+$", order="month_first"),
)
_SHAPE = (
    r"^(?P<a>\d{1,4})[-/. ](?P<b>\d{1,2}|[A-Za-z]{3,9})[-/. ](?P<c>\d{1,4})"
    r"[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:[.,](?P<part>\d{1,9}))?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<offset>[Zz]|[+-]\d{2}(?::?\d{2})?)?$"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass
class DateOrderEvidence:
    """What a column's dates say about their order; add up over the file before deciding."""

    day_first: int = 0
    month_first: int = 0
    either: int = 0

    def add(self, text: pl.Series) -> None:
        """Count the dates of one stretch of a column."""
        parts = text.drop_nulls().str.extract_groups(r"^\s*(\d{1,2})[-/. ](\d{1,2})[-/. ]\d{2,4}").struct.unnest()
        if parts.is_empty():
            return
        first, second = (parts[name].cast(pl.Int64) for name in parts.columns)
        self.day_first += int(((first > 12) & (second <= 12)).sum())
        self.month_first += int(((first <= 12) & (second > 12)).sum())
        self.either += int(((first <= 12) & (second <= 12)).sum())

    def decide(self, file_name: str) -> str:
        """Say which order it is. Raises BadData, with the counts and the setting to write, where it can't be known."""
        how = 'date_order = "day_first" or "month_first" in its column map, or --date-order with \'bluelamp init\''
        if self.is_mixed:
            raise BadData(
                f"The dates in {file_name} are mixed: {count_of(self.day_first, 'date')} can only be day-first (such "
                f"as 14/11/2026), {count_of(self.month_first, 'date')} only month-first, and {self.either:,} could be "
                f"either. Nothing was imported. Export the file in one form, or say which it is ({how}): the rows that "
                f"don't fit are then set aside."
            )
        if self.day_first or self.month_first:
            return "day_first" if self.day_first else "month_first"
        raise BadData(
            f"The dates in {file_name} can be read day-first or month-first: no day in its "
            f"{count_of(self.either, 'date')} is above 12. Say which it is: {how}."
        )

    @property
    def is_mixed(self) -> bool:
        """Whether some dates can only be day-first and others only month-first."""
        return bool(self.day_first and self.month_first)

    def against(self, order: str) -> int:
        """Count the dates that can't be read in this order."""
        if order == "year_first":
            return self.day_first + self.month_first + self.either
        return self.month_first if order == "day_first" else self.day_first


def needs_date_order(text: pl.Series) -> bool:
    """Whether some date begins with a day or a month in figures, so that its order must be known."""
    return bool(text.str.contains(r"^\s*\d{1,2}[-/. ]\d{1,2}[-/. ]\d").any())


def read_times(
    text: pl.Series, *, order: str, time_zone: str, time_format: str | None = None, ignore_offset: bool = False
) -> pl.DataFrame:
    """Read a column of times.

    `text` holds strings; empty ones are null. `time_zone` is the clock of times without an offset, or 'stated'; with
    `ignore_offset` it is the clock of all, whatever offset they carry.
    Returns, row by row: `at` (instants in UTC, null where none), `wall` (the local time as written, null where it
    carried an offset), `is_unreadable`, `lacks_offset`, `comes_twice`, `is_skipped`.
    """
    if ignore_offset:
        text = text.str.replace(r"\s*([Zz]|[+-]\d{2}(:?\d{2})?)$", "")
    walls, instants = _parse(text, order, time_format)
    lacks_offset = pl.repeat(False, len(text), dtype=pl.Boolean, eager=True)
    if time_zone == "stated":
        lacks_offset = walls.is_not_null()
        walls = pl.Series(walls.name, [None], walls.dtype).new_from_index(0, len(text))
    frame = pl.DataFrame({"wall": walls, "at": walls})
    frame = periods.to_utc(frame, "at", time_zone if time_zone != "stated" else "UTC")
    return frame.select(
        at=pl.coalesce("at", pl.Series("instant", instants)),
        wall="wall",
        is_unreadable=text.is_not_null() & pl.col("at").is_null() & instants.is_null() & ~lacks_offset,
        lacks_offset=lacks_offset,
        comes_twice=pl.col("at_comes_twice"),
        is_skipped=pl.col("at_is_skipped"),
    )


def _parse(text: pl.Series, order: str, time_format: str | None) -> tuple[pl.Series, pl.Series]:
    """Read into (wall-clock times, instants): each value lands in one of the two, or in neither."""
    naive = pl.Datetime("us")
    walls = pl.Series("wall", [None], naive).new_from_index(0, len(text))
    instants = pl.Series("instant", [None], periods.INSTANT).new_from_index(0, len(text))
    if order in ("epoch_seconds", "epoch_milliseconds"):
        count = text.cast(pl.Int64, strict=False) * (1_000_000 if order == "epoch_seconds" else 1000)
        return walls, count.cast(naive).dt.replace_time_zone("UTC")
    stated = (_Form(time_format, "", is_instant="z" in time_format),) if time_format else ()
    for form in stated or (each for each in _FORMS if each.order in (None, order)):
        left = text.is_not_null() & walls.is_null() & instants.is_null()
        if not left.any():
            return walls, instants
        # A whole column is written one way as a rule, so its first value tells which form is worth trying.
        if not stated and _in_form(text.filter(left).head(1), form).null_count():
            continue
        read = _in_form(text, form)
        if form.is_instant:
            instants = pl.select(pl.coalesce(instants, read)).to_series()
        else:
            walls = pl.select(pl.coalesce(walls, read)).to_series()
    left = text.is_not_null() & walls.is_null() & instants.is_null()
    if time_format is None and left.any():
        rows = left.arg_true()
        more_walls, more_instants = _parse_by_shape(text.gather(rows), order)
        walls = walls.scatter(rows, more_walls)
        instants = instants.scatter(rows, more_instants)
    return walls, instants


def _in_form(text: pl.Series, form: _Form) -> pl.Series:
    """Read the values of one form, the others empty."""
    zone = "UTC" if "z" in form.written else None
    read = text.str.to_datetime(form.written, strict=False, time_unit="us", time_zone=zone)
    if form.pattern:
        # Otherwise 14-11-22 would pass as the year 14.
        read = pl.select(pl.when(text.str.contains(form.pattern)).then(read)).to_series()
    return read.dt.replace_time_zone("UTC") if form.is_instant and zone is None else read


def _parse_by_shape(text: pl.Series, order: str) -> tuple[pl.Series, pl.Series]:
    """Read every other form: slashes, names of months, halves of the day, parts of a second, offsets."""
    parts = text.str.strip_chars().str.extract_groups(_SHAPE).struct.unnest()
    a, b, c = pl.col("a"), pl.col("b"), pl.col("c")
    months = {name: number for number, name in enumerate(_MONTHS, start=1)}
    named = b.str.to_lowercase().str.slice(0, 3).replace_strict(months, default=None, return_dtype=pl.Int64)
    year_first = a.str.len_chars() == 4
    second_is_day = (order == "month_first") & named.is_null() & ~year_first
    figure = b.cast(pl.Int64, strict=False)
    year = (
        pl.when(year_first)
        .then(a.cast(pl.Int64))
        .otherwise(pl.when(c.str.len_chars() == 2).then(c.cast(pl.Int64) + 2000).otherwise(c.cast(pl.Int64)))
    )
    month = pl.when(second_is_day).then(a.cast(pl.Int64)).otherwise(pl.coalesce(named, figure))
    day = (
        pl.when(year_first)
        .then(c.cast(pl.Int64))
        .otherwise(pl.when(second_is_day).then(figure).otherwise(a.cast(pl.Int64)))
    )
    clock = pl.col("hour").cast(pl.Int64)
    is_half = pl.col("half").is_not_null()
    after_noon = pl.col("half").str.to_lowercase().str.starts_with("p")
    hour = (
        pl.when(is_half & (clock > 12))
        .then(None)
        .when(is_half)
        .then(clock % 12 + 12 * after_noon.cast(pl.Int64))
        .otherwise(clock)
    )
    # Nine digits of a second's parts, cut to six: microseconds are what an instant holds.
    micro = pl.col("part").str.pad_end(6, "0").str.slice(0, 6).fill_null("000000")
    iso = pl.concat_str(
        [
            year.cast(pl.String).str.zfill(4),
            pl.lit("-"),
            month.cast(pl.String).str.zfill(2),
            pl.lit("-"),
            day.cast(pl.String).str.zfill(2),
            pl.lit("T"),
            hour.cast(pl.String).str.zfill(2),
            pl.lit(":"),
            pl.col("minute").str.zfill(2),
            pl.lit(":"),
            pl.col("second").fill_null("00").str.zfill(2),
            pl.lit("."),
            micro,
        ]
    )
    offset = pl.col("offset").str.to_uppercase()
    shift = (
        pl.when(offset == "Z")
        .then(0)
        .otherwise(
            pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
            * (
                offset.str.slice(1, 2).cast(pl.Int64, strict=False) * 60
                + offset.str.extract(r"(\d{2})$").cast(pl.Int64) * (offset.str.len_chars() > 3).cast(pl.Int64)
            )
        )
    )
    allowed = pl.lit(order in ("day_first", "month_first")) | year_first | named.is_not_null()
    read = parts.select(
        at=pl.when(allowed).then(iso).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us"),
        has_offset=offset.is_not_null(),
        shift=pl.duration(minutes=shift),
    )
    return (
        read.select(pl.when(~pl.col("has_offset")).then("at")).to_series(),
        read.select(
            pl.when("has_offset").then((pl.col("at") - pl.col("shift")).dt.replace_time_zone("UTC"))
        ).to_series(),
    )
