"""Visits that happened: where they were, and in which shift."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from bluelamp import geography, periods
from bluelamp.grids import Grid


def place_visits(visits: pl.DataFrame, areas: pl.DataFrame, grid: Grid | None) -> pl.DataFrame:
    """Give rows of table `visits` the place and the area that they were at, as far as either is known.

    A place that the source names comes before its point; an area that it names before that of the place. A stay is as
    long as its minutes, or else from its start to its end.
    """
    known = visits.with_columns(
        minutes=pl.coalesce("minutes", (pl.col("ends_at") - pl.col("starts_at")).dt.total_seconds() / 60),
        area_id=pl.coalesce("area_id", geography.assign_areas(visits, areas)),
    )
    if grid is None:
        return known
    at = pl.Series(grid.find(visits["longitude"], visits["latitude"], known["area_id"]), dtype=pl.Int64)
    cells = pl.DataFrame({"cell_id": grid.cell_ids, "in_area": pl.Series(grid.area_ids, dtype=pl.String)})
    by_point = pl.DataFrame({"at": at}).join(
        cells.with_row_index("at").with_columns(pl.col("at").cast(pl.Int64)), on="at", how="left", maintain_order="left"
    )
    named = known["cell_id"].is_in(list(grid.cell_ids))
    placed = known.with_columns(cell_id=pl.when(named).then("cell_id").otherwise(by_point["cell_id"]))
    return (
        placed.join(cells, on="cell_id", how="left", maintain_order="left")
        .with_columns(area_id=pl.coalesce("area_id", "in_area"))
        .drop("in_area")
    )


def list_windows(begins: pl.DataFrame, shift_starts: Sequence[int], time_zone: str) -> pl.DataFrame:
    """Add to rows with `starts_at` the shift in which they begin: `day`, `from_hour`, `to_hour`, and from when until
    when it lasts (`shift_starts_at`, `shift_ends_at`). A shift past midnight is of the day on which it begins.
    """
    hours = [max((start for start in shift_starts if start <= hour), default=shift_starts[-1]) for hour in range(24)]
    ends = {start: shift_starts[(at + 1) % len(shift_starts)] or 24 for at, start in enumerate(shift_starts)}
    local = pl.col("starts_at").dt.convert_time_zone(time_zone)
    hour = local.dt.hour().cast(pl.Int64)
    rows = begins.with_columns(
        day=local.dt.date() - pl.duration(days=(hour < shift_starts[0]).cast(pl.Int64)),
        from_hour=hour.replace_strict(dict(enumerate(hours)), return_dtype=pl.Int64),
    ).with_columns(to_hour=pl.col("from_hour").replace_strict(ends, return_dtype=pl.Int64))
    shifts = rows.select("day", "from_hour", "to_hour").unique()
    past = (pl.col("to_hour") <= pl.col("from_hour")).cast(pl.Int64)
    wall = shifts.with_columns(
        shift_starts_at=pl.col("day").cast(pl.Datetime("us")) + pl.duration(hours="from_hour"),
        shift_ends_at=pl.col("day").cast(pl.Datetime("us")) + pl.duration(hours="to_hour") + pl.duration(days=past),
    )
    for column in ("shift_starts_at", "shift_ends_at"):
        wall = periods.to_utc(wall, column, time_zone)
    spans = wall.select("day", "from_hour", "to_hour", "shift_starts_at", "shift_ends_at")
    return rows.join(spans, on=["day", "from_hour", "to_hour"], how="left", maintain_order="left")
