"""Two clocks: the status log's beside the incidents'."""

from __future__ import annotations

import polars as pl

_HOUR = 3600


def compare_clocks(unit_status: pl.DataFrame, incidents: pl.DataFrame) -> pl.DataFrame:
    """Find the weeks in which the status log's clock is whole hours off the incidents' clock.

    The first journey and arrival pressed at an incident are compared with the log's own dispatch and arrival, week by
    week, because a wrong clock is often wrong in summer only. A week is named where at least ten can be compared, their
    median lies within five minutes of whole hours, and so do half of them. Gives `week_starting`, `hours_ahead` (of
    the status log; negative where it is behind), `compared`, `words`. Nothing is shifted: which clock is wrong can't be
    seen from here, and the column map is where it is put right.
    """
    pairs = (("en_route", "dispatched_at"), ("at_scene", "arrived_at"))
    first = (
        unit_status.filter(pl.col("incident_id").is_not_null() & pl.col("status").is_in([stage for stage, _ in pairs]))
        .group_by("incident_id")
        .agg(pl.col("status_at").filter(pl.col("status") == stage).min().alias(stage) for stage, _ in pairs)
        .join(incidents.select("incident_id", "dispatched_at", "arrived_at"), on="incident_id")
    )
    apart = pl.concat(
        first.select(
            week_starting=pl.col(own).dt.truncate("1w"), seconds=(pl.col(stage) - pl.col(own)).dt.total_seconds()
        ).drop_nulls()
        for stage, own in pairs
    )
    hours = (pl.col("seconds").median() / _HOUR).round().cast(pl.Int64)
    return (
        apart.with_columns(hours_ahead=hours.over("week_starting"))
        .group_by("week_starting", "hours_ahead")
        .agg(
            compared=pl.len().cast(pl.Int64),
            median=pl.col("seconds").median(),
            near=((pl.col("seconds") - pl.col("hours_ahead") * _HOUR).abs() <= 300).mean(),
        )
        .filter(
            (pl.col("hours_ahead") != 0)
            & (pl.col("compared") >= 10)
            & (pl.col("near") >= 0.5)
            & ((pl.col("median") - pl.col("hours_ahead") * _HOUR).abs() <= 300)
        )
        .sort("week_starting")
        .select(
            "week_starting",
            "hours_ahead",
            "compared",
            words=pl.format(
                "In the week of {} the status log's clock is {} {} {} the incidents': {} times that stand in both say "
                "so. Check 'time_zone' in the column map of the one that is wrong.",
                pl.col("week_starting").dt.strftime("%Y-%m-%d"),
                pl.col("hours_ahead").abs(),
                pl.when(pl.col("hours_ahead").abs() == 1).then(pl.lit("hour")).otherwise(pl.lit("hours")),
                pl.when(pl.col("hours_ahead") > 0).then(pl.lit("ahead of")).otherwise(pl.lit("behind")),
                "compared",
            ),
        )
    )
