"""Two clocks: the status log's beside the incidents', or beside its own of an earlier extract."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from bluelamp.errors import count_of

# Time zones lie no farther apart than this from the UTC that one may be taken for.
FARTHEST = timedelta(hours=14)
_HOUR = 3600
_LEAST_COMPARED = 10


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
    return (
        _whole_hours(apart, within=300)
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


def presses_apart(unit_status: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Say how far presses at incidents lie from the same ones of an earlier extract: `status_at`, `seconds` (later).

    The same are presses of one status by one unit at one incident. Presses that are there at their very time are left
    out, and so are those that nothing near is there for: neither tells of a clock.
    """
    same, at = ["unit_id", "status", "incident_id"], "status_at"
    new = unit_status.select(*same, at).drop_nulls("incident_id").join(held, on=[*same, at], how="anti")
    seconds = (pl.col(at) - pl.col("held_at")).dt.total_seconds()
    return (
        new.with_row_index("press")
        .join(held.select(*same, held_at=at), on=same)
        .select("press", at, seconds=seconds)
        .filter(pl.col("seconds").abs() <= FARTHEST.total_seconds())
        # A unit may have come to an incident twice: whole hours are what is asked about, and fewer are likelier.
        .sort("press", pl.col("seconds") % _HOUR != 0, pl.col("seconds").abs())
        .unique("press", keep="first", maintain_order=True)
        .drop("press")
    )


def say_reissued_apart(apart: pl.DataFrame) -> list[str]:
    """Say where the presses of an extract stand in the store whole hours away, so that one of two clocks is wrong.

    `apart` is what `presses_apart` gives. The rule is that of `compare_clocks`, to the second: the rows are the same.
    """
    weeks = _whole_hours(apart.with_columns(week_starting=pl.col("status_at").dt.truncate("1w")), within=0)
    notes = []
    for hours, presses in weeks.group_by("hours_ahead").agg(pl.col("near").sum()).sort("hours_ahead").iter_rows():
        days = apart.filter(pl.col("seconds") == hours * _HOUR)["status_at"].dt.strftime("%Y-%m-%d").sort()
        span = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
        notes.append(
            f"{count_of(presses, 'press', 'presses')} of {span} (UTC) are there already, of the same unit, status and "
            f"incident, exactly {count_of(abs(hours), 'hour')} {'earlier' if hours > 0 else 'later'}: the clock of "
            "this extract is off, or that of one before. All were added, so that units seem to have pressed twice. Put "
            "'time_zone' right in the column map of 'unit_status'. What came in can't be taken out again: put back a "
            "copy of the force from before the wrong clock, or begin a new folder, and import from there on."
        )
    return notes


def _whole_hours(apart: pl.DataFrame, within: int) -> pl.DataFrame:
    """Find the weeks in which `seconds` speak of clocks that are whole hours apart: at least ten can be compared, their
    median lies within so many seconds of whole hours, and so do half of them.

    Gives `week_starting`, `hours_ahead`, `compared` and how many of those are `near`.
    """
    hours = (pl.col("seconds").median() / _HOUR).round().cast(pl.Int64)
    is_near = (pl.col("seconds") - pl.col("hours_ahead") * _HOUR).abs() <= within
    return (
        apart.with_columns(hours_ahead=hours.over("week_starting"))
        .group_by("week_starting", "hours_ahead")
        .agg(compared=pl.len().cast(pl.Int64), median=pl.col("seconds").median(), near=is_near.sum().cast(pl.Int64))
        .filter(
            (pl.col("hours_ahead") != 0)
            & (pl.col("compared") >= _LEAST_COMPARED)
            & (2 * pl.col("near") >= pl.col("compared"))
            & ((pl.col("median") - pl.col("hours_ahead") * _HOUR).abs() <= within)
        )
        .drop("median")
    )
