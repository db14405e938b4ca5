"""Work that no log shows: how much of it is done even when hardly any unit is free."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from bluelamp.committed.presses import ATTENDING

# The part of the week, by free units, in which work that can wait does wait.
BUSIEST_SHARE = 0.1
# Hours of the week that must have been seen, for their busiest part to tell anything.
_FEWEST_HOURS = 84


@dataclass(frozen=True)
class WithoutLog:
    """Unit-hours without a log for each unit-hour at calls (with one, neither write-up nor long).

    `usual` over all hours; `pressing` over the tenth of the hours of the week in which the fewest units are free. Null
    where there is not enough to tell.
    """

    usual: float | None
    pressing: float | None


def measure_without_log(committed: pl.DataFrame, time_zone: str) -> WithoutLog:
    """Measure work without a log beside work at calls, from the table `committed`.

    Units that have nothing to do take up statements, files and enquiries, and leave them when calls come: counting all
    of it as required would ask for more units the more there are. What is still done in the hours of the week in which
    the fewest units are free is taken as work that can't wait. Hours of the week are chosen by their means, so that a
    single busy hour does not choose itself. Whole seconds are not needed: shares of long sums are.
    """
    stage, hours = pl.col("stage"), pl.col("unit_hours")
    is_call = stage.is_in(ATTENDING) & (stage != "write_up") & ~pl.col("is_long")
    local = pl.col("hour_starting").dt.convert_time_zone(time_zone)
    of_week = (
        committed.lazy()
        .filter(pl.col("level") == "force")
        .group_by(hour_of_week=local.dt.weekday().cast(pl.Int64) * 24 + local.dt.hour())
        .agg(
            at_calls=hours.filter(is_call & pl.col("has_incident")).sum(),
            without_log=hours.filter(is_call & ~pl.col("has_incident")).sum(),
            free=hours.filter(stage == "available").sum(),
            out=hours.filter(stage != "unknown").sum(),
        )
        .with_columns(free_share=pl.col("free") / pl.col("out"))
        .sort("free_share", "hour_of_week")
        .collect()
    )

    def ratio(rows: pl.DataFrame) -> float | None:
        at_calls = float(rows["at_calls"].sum())
        return float(rows["without_log"].sum()) / at_calls if at_calls else None

    if of_week.height < _FEWEST_HOURS:
        return WithoutLog(ratio(of_week), None)
    return WithoutLog(ratio(of_week), ratio(of_week.head(round(BUSIEST_SHARE * of_week.height))))
