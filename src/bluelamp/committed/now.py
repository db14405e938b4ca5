"""The moment of the extract: who is committed, and what is open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from bluelamp.committed.presses import ATTENDING

_AGES = (1, 4, 24, 168)
_AGE_WORDS = dict(enumerate(("under 1 hour", "1 to 4 hours", "4 to 24 hours", "1 to 7 days", "over 7 days")))


@dataclass(frozen=True)
class OpenNow:
    """What a near-term view starts from.

    `units`: those committed: `unit_id`, `pool_id`, `incident_id`, `stage`, `stage_since`, `since` (when the attendance
    began), `is_long`, `class_code`, `grade_code`. `logs`: those open: `incident_id`, `received_at`, `minutes_open`,
    `class_code`, `grade_code`, `area_id`, `units_there`; the oldest of each grade first.
    """

    units: pl.DataFrame
    logs: pl.DataFrame

    def logs_by_age(self) -> pl.DataFrame:
        """Count open logs by grade and age: `grade_code`, `age` (under 1 hour, …), `logs`, `attended`."""
        step = pl.sum_horizontal((pl.col("minutes_open") >= hours * 60).cast(pl.Int64) for hours in _AGES)
        return (
            self.logs.with_columns(step=step, grade_code=pl.col("grade_code").fill_null("none"))
            .group_by("grade_code", "step")
            .agg(logs=pl.len().cast(pl.Int64), attended=(pl.col("units_there") > 0).sum().cast(pl.Int64))
            .sort("grade_code", "step")
            .select("grade_code", pl.col("step").replace_strict(_AGE_WORDS).alias("age"), "logs", "attended")
        )


def open_now(attendances: pl.DataFrame, incidents: pl.DataFrame, at: datetime) -> OpenNow:
    """Give the units that are committed at a moment and the logs that are open then.

    A log is open from its receipt until it is closed; one that has no closing is open where its source says so. Logs
    merged into another are not counted.
    """
    holds = (pl.col("starts_at") <= at) & ((pl.col("ends_at") > at) | pl.col("is_open"))
    stage = pl.col("stage")
    came = attendances.filter(stage.is_in(ATTENDING) & (pl.col("starts_at") <= at))
    since = came.group_by("unit_id", "incident_id", "attendance").agg(since=pl.col("starts_at").min())
    about = incidents.select("incident_id", "class_code", "grade_code")
    units = (
        came.filter(holds)
        .join(since, on=["unit_id", "incident_id", "attendance"], how="left")
        .join(about, on="incident_id", how="left")
        .select(
            "unit_id", "pool_id", "incident_id", "stage", stage_since="starts_at",
            since=pl.coalesce("since", "starts_at"), is_long="is_long", class_code="class_code",
            grade_code="grade_code",
        )
        .sort("unit_id")
    )  # fmt: skip
    is_open = (pl.col("closed_at") > at).fill_null(pl.col("status") == "open").fill_null(value=False)
    there = units.filter(pl.col("incident_id").is_not_null()).group_by("incident_id").agg(units_there=pl.len())
    logs = (
        incidents.filter((pl.col("received_at") <= at) & pl.col("merged_into").is_null() & is_open)
        .join(there, on="incident_id", how="left")
        .select(
            "incident_id", "received_at", "class_code", "grade_code", "area_id",
            minutes_open=(pl.lit(at) - pl.col("received_at")).dt.total_minutes(),
            units_there=pl.col("units_there").fill_null(0).cast(pl.Int64),
        )
        .sort("grade_code", "received_at", "incident_id")
    )  # fmt: skip
    return OpenNow(units, logs)
