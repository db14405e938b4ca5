"""What became of patrol lists: visits planned beside visits given, place by place and shift by shift."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from bluelamp import tables
from bluelamp.grids import Grid
from bluelamp.patrols.visits import list_windows

# The dose that is asked for is a visit in every such window.
WINDOW = timedelta(hours=2)
_PLACE = ["day", "from_hour", "to_hour", "cell_id"]


def find_dose(
    planned: pl.DataFrame, visits: pl.DataFrame, grid: Grid | None, *, shift_starts: Sequence[int], time_zone: str
) -> pl.DataFrame:
    """Hold the visits that lists asked for (table `patrol_plan`) against those that happened, as `patrol_dose`.

    `visits` as `place_visits` gives them. Shifts that begin after the last visit that is known have none known; a place
    that no list names is there where it was visited.
    """
    asked = list_windows(planned, shift_starts, time_zone)
    came = list_windows(visits.filter(pl.col("cell_id").is_not_null()), shift_starts, time_zone)
    by_place = asked.group_by(_PLACE).agg(
        visits_planned=pl.len().cast(pl.Int64), minutes_planned=pl.col("minutes").sum().cast(pl.Float64),
    )  # fmt: skip
    watches = asked.group_by("day", "from_hour").agg(
        pl.col("watch_starts_at").min(), pl.col("watch_ends_at").max(), has_list=pl.lit(value=True)
    )
    given = came.group_by(_PLACE).agg(
        visits_given=pl.len().cast(pl.Int64), minutes_given=pl.col("minutes").sum(),
        begins=pl.col("starts_at").sort(),
        ends=(pl.col("starts_at") + pl.duration(seconds=60 * pl.col("minutes").fill_null(0))).sort_by("starts_at"),
    )  # fmt: skip
    spans = (
        pl.concat([each.select("day", "from_hour", "shift_starts_at", "shift_ends_at") for each in (asked, came)])
        .unique()
        .join(watches, on=["day", "from_hour"], how="left")
        .with_columns(
            watch_starts_at=pl.coalesce("watch_starts_at", "shift_starts_at"),
            watch_ends_at=pl.coalesce("watch_ends_at", "shift_ends_at"),
        )
    )
    rows = by_place.join(given, on=_PLACE, how="full", coalesce=True).join(spans, on=["day", "from_hour"], how="left")
    if rows.is_empty():
        return tables.empty("patrol_dose")
    last = visits["starts_at"].max()
    told = pl.lit(value=False) if last is None else pl.col("watch_starts_at") <= last
    measured = [
        _measure(row["watch_starts_at"], row["watch_ends_at"], row["begins"] or [], row["ends"] or [])
        for row in rows.iter_rows(named=True)
    ]
    found = rows.with_columns(
        pl.DataFrame(measured, schema=["windows", "windows_visited", "longest_gap_minutes"], orient="row")
    ).with_columns(
        pl.when("has_list").then(pl.col("visits_planned", "minutes_planned").fill_null(0)),
        pl.when(told).then(pl.col("visits_given", "minutes_given").fill_null(0)),
        pl.when(told).then(pl.col("windows_visited", "longest_gap_minutes")),
    )
    return tables.publish(found.join(_name_cells(planned, grid), on="cell_id", how="left"), "patrol_dose")


def _measure(
    first: datetime, last: datetime, begins: Sequence[datetime], ends: Sequence[datetime]
) -> tuple[int, int, float]:
    """Give the windows there are, those with a visit in them, and the longest minutes without one."""
    starts = [first + number * WINDOW for number in range(max(int(np.ceil((last - first) / WINDOW)), 1))]
    stays = list(zip(begins, ends, strict=True))
    visited = sum(
        any(begin < min(start + WINDOW, last) and (end > start or begin >= start) for begin, end in stays)
        for start in starts
    )
    longest, left_at = timedelta(0), first
    for begin, end in [*stays, (last, last)]:
        longest = max(longest, min(begin, last) - left_at)
        left_at = max(left_at, end)
    return len(starts), visited, longest / timedelta(minutes=1)


def _name_cells(planned: pl.DataFrame, grid: Grid | None) -> pl.DataFrame:
    """Say what each cell is called: as the force's ground has it now, else as its list had it."""
    columns = {"cell_id": pl.String, "cell_kind": pl.String, "cell_name": pl.String, "area_id": pl.String}
    listed = planned.select(*columns)
    if grid is None:
        return listed.unique("cell_id", keep="last", maintain_order=True)
    now = pl.DataFrame(
        {"cell_id": grid.cell_ids, "cell_kind": grid.kind, "cell_name": grid.names, "area_id": grid.area_ids},
        schema=columns,
    )
    return pl.concat([now, listed]).unique("cell_id", keep="first", maintain_order=True)
