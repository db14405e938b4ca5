"""Times known only as a range: shared out over the hours in which it can have been, or drawn once within them.

A burglary found in the morning happened at some time of the night. Aoristic analysis (Ratcliffe and McCullagh 1998,
*Aoristic crime analysis*, Int. J. Geogr. Inf. Sci. 12) gives each hour of the range its part of the one offence: as
much of it as lies in that hour. Parts are whole millionths that add up to exactly one, so that a grid of them has the
number of offences, whatever the order in which they are added.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from bluelamp import periods

WHOLE = 1_000_000
# Steps of the golden ratio fall evenly into any range, however many are taken: no chance is needed for a fair spread.
_GOLDEN = 0.6180339887498949
_HOUR = timedelta(hours=1)


def ranges(from_at: pl.Expr, to_at: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Give both ends of what is known: a single known end is the moment itself, and ends in the wrong order are turned.

    Where neither is known, both stay empty.
    """
    start, end = pl.coalesce(from_at, to_at), pl.coalesce(to_at, from_at)
    return pl.min_horizontal(start, end), pl.max_horizontal(start, end)


def spread(rows: pl.DataFrame, time_zone: str, longest: timedelta | None = None) -> pl.DataFrame:
    """Share each row of `from_at` and `to_at` out over the local hours that it touches.

    Gives `row` (its number), `hour_starting` (UTC) and `millionths`, which are those of one row by hour in order of
    time and add up to a million. A row without any time, or with a range longer than `longest`, has no part anywhere:
    where it matters, count them. A range that ends on the full hour does not touch the hour that begins then.
    """
    start, end = ranges(pl.col("from_at"), pl.col("to_at"))
    known = rows.select(start.alias("start"), end.alias("end")).with_row_index("row").drop_nulls("start")
    if longest is not None:
        known = known.filter(pl.col("end") - pl.col("start") <= longest)
    if known.is_empty():
        return pl.DataFrame(schema={"row": pl.UInt32(), "hour_starting": periods.INSTANT, "millionths": pl.Int64()})
    first, last = known["start"].min(), known["end"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    # One more on either side, so that each hour that is touched has an end.
    edges = periods.hours_between(time_zone, first - 2 * _HOUR, last + 3 * _HOUR)
    hours = pl.DataFrame({"hour_starting": edges[:-1], "ends_at": edges[1:]}).with_row_index("hour")
    # Of a range, the last moment that counts is the one before its end.
    within = pl.when(pl.col("end") > pl.col("start")).then(pl.col("end") - pl.duration(microseconds=1)).otherwise("end")
    # A row's share until the end of each hour, in millionths: its parts are the steps between them.
    so_far = (pl.min_horizontal("ends_at", "end") - pl.col("start")).dt.total_microseconds()
    whole = (pl.col("end") - pl.col("start")).dt.total_microseconds()
    until = (
        pl.when(pl.col("ends_at") >= pl.col("end"))
        .then(WHOLE)
        .otherwise((so_far / whole * WHOLE).round().cast(pl.Int64))
        .cast(pl.Int64)
    )
    return (
        known.with_columns(
            first=edges.search_sorted(known["start"], side="right").cast(pl.Int64) - 1,
            last=edges.search_sorted(known.select(within.alias("at"))["at"], side="right").cast(pl.Int64) - 1,
        )
        .with_columns(hour=pl.int_ranges("first", pl.col("last") + 1, dtype=pl.UInt32))
        .explode("hour")
        .join(hours, on="hour", how="left", maintain_order="left")
        .with_columns(until=until)
        .select("row", "hour_starting", millionths=pl.col("until") - pl.col("until").shift(1, fill_value=0).over("row"))
    )


def draw(rows: pl.DataFrame, seed: int = 0) -> pl.Series:
    """Give each row of `from_at` and `to_at` one moment of its range: whole offences, where parts of them are no use.

    The n-th row takes the n-th step of the golden ratio, so that ranges of one kind are filled evenly; another `seed`
    begins elsewhere. A row without any time stays empty.
    """
    start, end = ranges(pl.col("from_at"), pl.col("to_at"))
    step = (pl.int_range(pl.len()) + 1 + seed * 7919) * _GOLDEN % 1
    length = (end - start).dt.total_microseconds()
    return rows.select(at=(start + pl.duration(microseconds=(length * step).floor().cast(pl.Int64)))).to_series()
