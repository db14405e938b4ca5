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
# Standard deviations beyond which midnights of a month's first day have more than chance gives them.
_FAR_FROM_CHANCE = 5


def ranges(from_at: pl.Expr, to_at: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Give both ends of what is known: a single known end is the moment itself, and ends in the wrong order are turned.

    Where neither is known, both stay empty.
    """
    start, end = pl.coalesce(from_at, to_at), pl.coalesce(to_at, from_at)
    return pl.min_horizontal(start, end), pl.max_horizontal(start, end)


def find_placeholders(rows: pl.DataFrame, time_zone: str) -> pl.Series:
    """Say which rows of `from_at` and `to_at` begin at the very local midnight that begins a month, where that stands
    for a day nobody knows: where such midnights have more than twice as many as others, and far more than chance gives.
    """
    local = rows.select(at=ranges(pl.col("from_at"), pl.col("to_at"))[0].dt.convert_time_zone(time_zone))
    at_midnight = (pl.col("at").dt.time() == pl.time(0, 0)).fill_null(value=False).alias("at_midnight")
    marks = local.select(at_midnight, is_first=pl.col("at").dt.day() == 1, day=pl.col("at").dt.date())
    days = marks.group_by("is_first").agg(pl.col("day").n_unique(), pl.col("at_midnight").sum())
    found = {is_first: (days, midnights) for is_first, days, midnights in days.iter_rows()}
    (firsts, here), (others, there) = found.get(True, (0, 0)), found.get(False, (0, 0))
    usual = firsts * there / max(others, 1)
    is_one = here > 2 * usual and here > usual + _FAR_FROM_CHANCE * max(usual, 1) ** 0.5
    return marks.select(pl.lit(is_one) & pl.col("at_midnight") & pl.col("is_first")).to_series()


def over_their_month(rows: pl.DataFrame, time_zone: str) -> tuple[pl.DataFrame, int]:
    """Let rows of which only the month is known (`find_placeholders`) be ranges over it, up to when they were recorded;
    and count them.
    """
    is_one = find_placeholders(rows, time_zone)
    start = ranges(pl.col("from_at"), pl.col("to_at"))[0]
    ends = start.dt.convert_time_zone(time_zone).dt.offset_by("1mo").dt.convert_time_zone("UTC")
    upto = pl.max_horizontal(start, pl.min_horizontal(ends, "recorded_at"))
    return rows.with_columns(
        from_at=pl.when(is_one).then(start).otherwise("from_at"), to_at=pl.when(is_one).then(upto).otherwise("to_at")
    ), int(is_one.sum())


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
