"""A made ground and offences on it, of which it is known where they come from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import shapely

from bluelamp import hotspots, tables
from bluelamp.grids import Grid, lay_hexagons

ZONE = "Europe/London"
BEFORE = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
SHIFTS = (7, 15, 23)


def ground(side: float = 0.05) -> Grid:
    """A square of about 3.5 × 5.5 km, in hexagons of 0.1 km²."""
    box = shapely.to_geojson(shapely.box(-2.6, 51.4, -2.6 + side, 51.4 + side))
    rows = {"area_id": ["A"], "area_name": ["Harbour"], "level": ["area"], "boundary": [box], "area_km2": [None]}
    return lay_hexagons(pl.DataFrame(rows, schema_overrides={"area_km2": pl.Float64}), 9)


def offences_at(
    grid: Grid, cell: np.ndarray, at: list[datetime], class_code: str | list[str] = "burglary", hours: float = 0.0
) -> pl.DataFrame:
    """Offences at the centres of cells, at these times or in ranges of so many hours that end then."""
    size = len(cell)
    return pl.DataFrame(
        {
            "longitude": grid.centres[cell, 0],
            "latitude": grid.centres[cell, 1],
            "area_id": ["A"] * size,
            "from_at": [each - timedelta(hours=hours) for each in at],
            "to_at": at,
            "class_code": [class_code] * size if isinstance(class_code, str) else class_code,
            "code": [None] * size,
        },
        schema=hotspots.OFFENCE_COLUMNS,
    )


def drawn_offences(
    grid: Grid, weeks: int, a_week: float, seed: int, planted: dict[int, float] | None = None,
    class_code: str = "burglary",
) -> pl.DataFrame:  # fmt: skip
    """Offences drawn evenly over ground and time; `planted` cells have so many times as many."""
    random = np.random.default_rng(seed)
    rate = grid.size / grid.size.sum()
    for cell, times in (planted or {}).items():
        rate[cell] *= times
    number = random.poisson(a_week * weeks)
    cell = random.choice(len(grid), size=number, p=rate / rate.sum())
    at = [BEFORE - timedelta(weeks=float(each)) for each in np.sort(random.random(number) * weeks)]
    return offences_at(grid, cell, at, class_code)


def history_of(offences: pl.DataFrame, grid: Grid, weeks: int = 104, **more) -> hotspots.History:
    found, _ = hotspots.lay_history(
        offences, grid, more.pop("outages", tables.empty("outages")), before=BEFORE, weeks=weeks, shift_starts=SHIFTS,
        time_zone=ZONE, **more,
    )  # fmt: skip
    return found
