"""Work offered to pools, drawn in a few lines: rates by area and grade, an hour's service, one target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from bluelamp import periods
from bluelamp.offered_work import OfferedWork, offer_work
from bluelamp.pools import lay_out_pools
from tests.drawn import drawn

LONDON = "Europe/London"
WINTER = date(2026, 1, 5)  # a Monday, when London's clocks read UTC

# Everything gets one unit for an hour, so that incidents an hour are units busy.
ONE_HOUR = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | source",
    "x          | all        | 1              | 1                    | 60               | drawn",
)
STANDARD = (
    "grade_code | area_kind | target_minutes | target_share | clock_starts | clock_stops | "
    "handling_minutes | travel_minutes"
)
NINE_IN_TEN = drawn("standards", STANDARD, "all | all | 15 | 0.9 | received | arrived | 2 | 7")


def hours_from(first: date = WINTER, days: int = 1) -> pl.Series:
    local = periods.local_days(LONDON, first, first + timedelta(days=days - 1))
    return periods.hours_between(LONDON, local["starts_at"][0], local["ends_at"][-1])


def one_pool(*areas: str) -> pl.DataFrame:
    rows = [f"R1 | response | {area} | 0 | 24" for area in areas]
    return drawn("pools", "pool_id | role_code | area_id | from_hour | to_hour", *rows)


def offered(
    rates: Mapping[tuple[str, str], Any],
    *,
    pools: pl.DataFrame | None = None,
    standards: pl.DataFrame = NINE_IN_TEN,
    service_times: pl.DataFrame = ONE_HOUR,
    kinds: Mapping[str, str] | None = None,
    districts: Mapping[str, int] | None = None,
    multipliers: Sequence[float] = (1.0,),
    days: int = 1,
    first: date = WINTER,
    **beside: Any,
) -> OfferedWork:
    """Offer work at rates by (area, grade): one an hour, or one for all hours. `multipliers` are those of samples."""
    hours = hours_from(first, days)
    areas = sorted({area for area, _ in rates})
    cells = [("x", grade) for grade in sorted({grade for _, grade in rates})]
    by_series = np.zeros((len(areas), len(cells), len(hours)))
    for (area, grade), rate in rates.items():
        by_series[areas.index(area), cells.index(("x", grade))] = rate
    district = np.array([(districts or {}).get(area, 0) for area in areas], dtype=np.int64)
    samples = np.repeat(
        np.repeat(np.array(multipliers, dtype=float)[:, None, None], days, axis=1), district.max() + 1, axis=2
    )
    day = periods.local_parts(hours, LONDON)["day"]
    cover = one_pool(*areas) if pools is None else pools
    return offer_work(
        by_series,
        samples,
        (day - day[0]).dt.total_days().to_numpy(),
        cells,
        district,
        [(kinds or {}).get(area, "all") for area in areas],
        service_times,
        standards,
        lay_out_pools(cover, "response", areas, hours, LONDON),
        hours,
        LONDON,
        **beside,
    )
