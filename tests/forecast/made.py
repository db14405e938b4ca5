"""Small made-up demand with a known truth, and a forecast of it in one call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from bluelamp import periods, tables
from bluelamp.forecast import Forecast, make_forecast
from tests.drawn import drawn

MONDAY = date(2025, 1, 6)
LONDON = "Europe/London"
# An incident of class x, grade 1 asks for half an hour: 0.5 × 2 units × 30 minutes.
HALF_AN_HOUR = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | source",
    "x          | 1          | 0.5            | 2                    | 30               | drawn",
    "y          | 1          | 1              | 1                    | 60               | drawn",
)


def areas_in(districts: Mapping[str, str | None]) -> pl.DataFrame:
    """Areas and the district of each."""
    rows = [
        {"area_id": area, "level": "area", "parent_id": district, "kind": "all", "is_approximate": False}
        for area, district in districts.items()
    ]
    return pl.DataFrame(rows, schema=tables.table("areas").polars_schema)


def hours_of(days: int, first: date = MONDAY, zone: str = LONDON) -> pl.Series:
    ends = periods.local_days(zone, first, first + timedelta(days=days - 1))
    return periods.hours_between(zone, ends["starts_at"][0], ends["ends_at"][-1])


def midnight(days: int, first: date = MONDAY, zone: str = LONDON) -> datetime:
    """The local midnight so many days after the first day."""
    day = first + timedelta(days=days)
    found: datetime = periods.local_days(zone, day, day)["starts_at"][0]
    return found


def demand_of(hours: pl.Series, counts: Mapping[tuple[str, ...], Any]) -> pl.DataFrame:
    """Demand of each (area,), (area, class) or (area, class, grade): one count for every hour, or one for all."""
    parts = []
    for (area, *cell), incidents in counts.items():
        class_code, grade_code = (*cell, "x", "1")[:2] if len(cell) != 1 else (cell[0], "1")
        counted = {"hour_starting": hours, "incidents": np.broadcast_to(incidents, len(hours)).astype(np.int64)}
        parts.append(
            pl.DataFrame(counted).with_columns(
                area_id=pl.lit(area),
                class_code=pl.lit(class_code),
                grade_code=pl.lit(grade_code),
                origin=pl.lit("public"),
                deployed=pl.lit(0.0),
                officer_hours=pl.lit(0.0),
                measured=pl.lit(0),
            )
        )
    return tables.publish(pl.concat(parts).filter(pl.col("incidents") > 0), "demand")


def forecast_of(
    demand: pl.DataFrame,
    areas: pl.DataFrame,
    forecast_from: datetime,
    *,
    events: pl.DataFrame | None = None,
    outages: pl.DataFrame | None = None,
    service_times: pl.DataFrame = HALF_AN_HOUR,
    zone: str = LONDON,
    **wanted: Any,
) -> Forecast:
    """Forecast three days by 100 paths, unless something else is wanted."""
    return make_forecast(
        demand,
        areas,
        tables.empty("events") if events is None else events,
        tables.empty("outages") if outages is None else outages,
        service_times,
        force_id="F",
        time_zone=zone,
        forecast_from=forecast_from,
        **{"paths": 100, "path_days": 3, "days": 3, **wanted},
    )


def means(made: Forecast, level: str, place: str, span: str = "hour", **split: str) -> list[float]:
    """Expected incidents of one place in order of time, of all classes and grades unless said."""
    wanted = {"class_code": "all", "grade_code": "all", **split}
    rows = made.table.filter(level=level, area_id=place, span=span, **wanted).sort("hour_starting")
    return rows["incidents_mean"].to_list()
