"""Typed values as text, in one form whatever they came from: databases and Parquet files write alike.

An instant is written with its offset, a local time without one; a whole number without a point, whatever type it had.
"""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

_LARGEST_EXACT = 2**53


def text_of(value: Any) -> str:
    """Write one value as text; nothing known is the empty text.

    >>> text_of(3.0), text_of(True), text_of(None), text_of(datetime(2026, 11, 23, 18, 5))
    ('3', 'true', '', '2026-11-23 18:05:00')
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        whole = math.isfinite(value) and value.is_integer() and abs(value) < _LARGEST_EXACT
        return str(int(value)) if whole else repr(value)
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple, dict, set)):
        return json.dumps(value, default=text_of, ensure_ascii=False)
    return str(value)


def duration_text(value: timedelta) -> str:
    """Write a length of time as hours, minutes and seconds.

    >>> duration_text(timedelta(hours=26, minutes=30))
    '26:30:00'
    """
    seconds, micro = divmod(round(abs(value) / timedelta(microseconds=1)), 1_000_000)
    part = f".{micro:06d}".rstrip("0") if micro else ""
    sign = "-" if value < timedelta(0) else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{part}"


def is_nested(kind: pl.DataType) -> bool:
    """Whether a value of this type holds several."""
    return isinstance(kind, (pl.List, pl.Array, pl.Struct, pl.Object))


def column_text(values: pl.Series) -> pl.Series:
    """Write a typed column as text, as `text_of` does each value."""
    kind = values.dtype
    if kind == pl.String:
        text = values
    elif isinstance(kind, pl.Datetime):
        aware = values.dt.convert_time_zone("UTC") if kind.time_zone else values
        has_part = bool(
            (aware.dt.microsecond() != 0).any() or (kind.time_unit == "ns" and (aware.dt.nanosecond() != 0).any())
        )
        form = "%Y-%m-%d %H:%M:%S%.6f" if has_part else "%Y-%m-%d %H:%M:%S"
        text = aware.dt.strftime(form + ("+00:00" if kind.time_zone else ""))
    elif kind.is_float():
        whole = values.is_finite() & (values == values.round()) & (values.abs() < _LARGEST_EXACT)
        as_whole = pl.select(pl.when(whole).then(values.cast(pl.Int64, strict=False))).to_series().cast(pl.String)
        text = pl.select(pl.coalesce(as_whole, values.cast(pl.String))).to_series()
    elif kind.is_integer() or kind in (pl.Boolean, pl.Date) or isinstance(kind, (pl.Categorical, pl.Enum)):
        text = values.cast(pl.String)
    else:
        text = pl.Series([text_of(each) for each in values.to_list()], dtype=pl.String)
    return text.alias(values.name).fill_null("")
