"""How long units that are committed now are likely to stay so, from how long others did."""

from __future__ import annotations

import polars as pl

from bluelamp.committed.presses import ATTENDING, seconds_between

# Fewer than these, and a mean says more of chance than of the work.
ENOUGH = 30
# An end that a rule assumed says how long jobs usually last, which is what is asked here.
_ENDS_ASSUMED = ("clear_after_usual_time", "book_off_missed")


def expect_minutes_left(units: pl.DataFrame, attendances: pl.DataFrame, incidents: pl.DataFrame) -> pl.Series:
    """Give for each unit the mean time until it is free, null where too few like it are known.

    `units` has `stage`, `class_code` and `seconds_in_stage`. Those like it are the attendances that were in the same
    status for longer than the unit has been so far (the mean residual life at that age, as survival analysis calls it):
    of its class of incident where `ENOUGH` are known, else of all. Attendances that had not ended, and those whose end
    a rule assumed, say nothing.
    """
    seen = _seen(attendances, incidents)
    asked = units.with_row_index("_row").sort("seconds_in_stage")
    by_class = _mean_left(asked, seen, ["stage", "class_code"])
    by_stage = _mean_left(asked, seen, ["stage"])
    left = asked.with_columns(left=pl.Series(by_class).fill_null(by_stage))
    return (left.sort("_row")["left"] / 60).alias("minutes_left")


def _seen(attendances: pl.DataFrame, incidents: pl.DataFrame) -> pl.DataFrame:
    """Give every interval of a job that has ended: how long it lasted, and from its start to the end of the job."""
    whole = ["unit_id", "incident_id", "attendance"]
    is_known = ~pl.col("is_open") & ~pl.col("ended_by").is_in(_ENDS_ASSUMED).fill_null(value=False)
    rows = attendances.lazy().filter(pl.col("stage").is_in(ATTENDING))
    ends = rows.group_by(whole).agg(job_ends_at=pl.col("ends_at").max(), is_known=is_known.all())
    return (
        rows.join(ends, on=whole, how="left")
        # Without a log nothing tells which intervals are one job: each is one of its own.
        .with_columns(job_ends_at=pl.coalesce("job_ends_at", "ends_at"), is_known=pl.coalesce("is_known", is_known))
        .filter("is_known")
        .join(incidents.lazy().select("incident_id", "class_code"), on="incident_id", how="left")
        .select(
            "stage", "class_code", lasted=seconds_between("starts_at", "ends_at"),
            whole=seconds_between("starts_at", "job_ends_at"),
        )
        .collect()
    )  # fmt: skip


def _mean_left(asked: pl.DataFrame, seen: pl.DataFrame, like: list[str]) -> pl.Series:
    """Give the mean of what was left to those that lasted longer, in seconds; null where fewer than `ENOUGH` did."""
    longer = (
        seen.drop_nulls(like)
        .sort("lasted", descending=True)
        .with_columns(known=pl.int_range(1, pl.len() + 1).over(like), total=pl.col("whole").cum_sum().over(like))
        # Of those that lasted equally long, the last one counted all of them.
        .unique([*like, "lasted"], keep="last")
        .sort("lasted")
    )
    found = asked.join_asof(
        longer, left_on="seconds_in_stage", right_on="lasted", by=like, strategy="forward", allow_exact_matches=False,
        check_sortedness=False,
    )  # fmt: skip
    mean = pl.col("total") / pl.col("known") - pl.col("seconds_in_stage")
    return found.select(pl.when(pl.col("known") >= ENOUGH).then(mean)).to_series()
