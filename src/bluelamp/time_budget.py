"""Time budget: what officers' time goes to, and how many it takes so that no more than a share of it is spoken for.

Two rules of thumb are settings: no more than 60% of patrol time committed (the saturation index of the "Rule of 60",
ICMA/CPSM) and 45% left for proactive work. Both are meant for the average of a week and not for every hour; response
targets are asked for by the hour beside them, and whichever asks for more is what a chief has to find.

With c officers' worth of committed work and a share a of the time in briefing and at refreshments, n officers are c ÷ n
committed, so that n = c ÷ most committed; and they leave 1 - a - c ÷ n, so that n = c ÷ (1 - a - least proactive).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from bluelamp import periods, tables

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALL = "all"


def budget_time(
    required_staff: pl.DataFrame,
    deployable: pl.DataFrame,
    *,
    method: str,
    role_code: str,
    time_zone: str,
    shift_starts: Sequence[int],
    most_committed: float,
    least_proactive: float,
) -> pl.DataFrame:
    """Add up the hours for which both work and officers are known, as the table `time_budget`.

    Shares are sums ÷ sums, so that a busy hour weighs by its officers. Officers for the budget are on average over the
    hours of a row; nobody on duty, nothing to share.
    """
    place = ["pool_id", "hour_starting"]
    work = required_staff.filter(
        pl.col("method") == method, pl.col("role_code") == role_code, pl.col("grade_code") == "all"
    ).select(
        *place,
        officers_required=pl.col("officers_required").cast(pl.Float64),
        committed=(pl.col("offered_load") + pl.col("long_load").fill_null(0)) * pl.col("crew_size"),
    )
    administrative = pl.col("officers_briefing") + pl.col("officers_refreshments")
    there = deployable.filter(pl.col("role_code") == role_code).select(
        *place, administrative=administrative, officers=pl.col("officers_deployable") + administrative
    )
    hours = work.join(there, on=place).filter(pl.col("officers") > 0)
    if hours.is_empty():
        return tables.empty("time_budget")
    hours = _with_shift(hours, time_zone, shift_starts)
    whole = hours.with_columns(weekday=pl.lit(ALL), from_hour=pl.lit(0, dtype=pl.Int64))
    every = pl.concat([hours, whole])
    together = every.with_columns(pool_id=pl.lit(ALL))
    # An hour of several pools is one hour, with the officers of all of them.
    together = together.group_by("pool_id", "weekday", "from_hour", "hour_starting").agg(_sums())
    rows = pl.concat([every.select(together.columns), together])
    summed = rows.group_by("pool_id", "weekday", "from_hour").agg(_sums(), hours=pl.len().cast(pl.Int64))
    committed, total = pl.col("committed"), pl.col("officers")
    share_in = pl.col("administrative") / total
    left = 1 - share_in - least_proactive
    return tables.publish(
        summed.select(
            "pool_id", "weekday", "from_hour", "hours",
            officers=total / pl.col("hours"),
            committed_share=committed / total,
            administrative_share=share_in,
            proactive_share=(1 - share_in - committed / total).clip(0),
            officers_required=pl.col("officers_required") / pl.col("hours"),
            officers_for_committed=committed / pl.col("hours") / most_committed,
            officers_for_proactive=pl.when(left > 0).then(committed / pl.col("hours") / left),
        ),
        "time_budget",
    )  # fmt: skip


def _sums() -> pl.Expr:
    """Add up in whole millionths: sums of fractions depend on the order in which threads take the rows."""
    parts = (pl.col("officers_required", "committed", "administrative", "officers") * 1e6).round()
    return parts.cast(pl.Int64).sum() / 1e6


def _with_shift(hours: pl.DataFrame, time_zone: str, shift_starts: Sequence[int]) -> pl.DataFrame:
    """Add the local weekday and hour at which each hour's shift starts: a night is its evening's."""
    parts = periods.local_parts(hours["hour_starting"], time_zone)
    starts = sorted(shift_starts)
    of_hour = [max((start for start in starts if start <= hour), default=starts[-1]) for hour in range(24)]
    hour = parts["hour"]
    from_hour = hour.replace_strict(range(24), of_hour, return_dtype=pl.Int64)
    weekday = (parts["day"].dt.weekday().cast(pl.Int64) - 1 - (from_hour > hour).cast(pl.Int64)) % 7
    return hours.with_columns(
        weekday=weekday.replace_strict(range(7), _WEEKDAYS, return_dtype=pl.String), from_hour=from_hour
    )
