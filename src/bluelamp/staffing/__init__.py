"""Forecast, pools and standards to required staff: how many, where and when.

A family: each rung of the ladder is a file that offers `load_of`, `units_for_grade` and `units_for_load`. Pools, crews,
minimums and abstraction are the same for all of them and are done here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from bluelamp import extensions, periods, tables
from bluelamp.offered_work import OfferedWork
from bluelamp.pools import Floats, Integers, minimum_officers

__all__ = ["gross_of", "load_seen_by", "require_staff"]


def load_seen_by(method: str, work: OfferedWork) -> Floats:
    """Give the load that a rung of the ladder sees, samples × pools × hours."""
    found: Floats = extensions.member("staffing", method).load_of(work)
    return found


def require_staff(
    work: OfferedWork,
    minimums: pl.DataFrame,
    other_pools: pl.DataFrame,
    *,
    time_zone: str,
    crew_size_by_hour: Sequence[int],
    abstraction: float,
    utilisation: float,
    methods: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Find units and officers for every pool, hour and grade by every rung, as the table `required_staff`.

    Each grade's row holds the units that its own target asks for; the row of grade 'all' the most of them, or the
    minimum strength where that is more, and says which binds. Officers (net) are units × crew, at least the minimum;
    gross is what must be rostered so that the net is left after abstraction. The rows of `other_pools` (roles that
    answer no incidents) know minimums only.
    """
    parts = [
        _by_method(method, work, minimums, time_zone, crew_size_by_hour, abstraction, utilisation)
        for method in methods or list(extensions.members("staffing"))
    ]
    parts += _minimums_only(other_pools, work, minimums, time_zone, abstraction, methods)
    return tables.publish(pl.concat(parts), "required_staff")


def _by_method(
    method: str,
    work: OfferedWork,
    minimums: pl.DataFrame,
    time_zone: str,
    crew_size_by_hour: Sequence[int],
    abstraction: float,
    utilisation: float,
) -> pl.DataFrame:
    rung = extensions.member("staffing", method)
    pool_hours = work.pool_hours
    load = rung.load_of(work)
    crew = np.array(crew_size_by_hour)[periods.local_parts(work.hours, time_zone)["hour"].to_numpy()]
    runs = pool_hours.runs
    by_grade = np.stack([rung.units_for_grade(work, grade, utilisation) for grade in range(len(work.grades))])
    low, high = (
        rung.units_for_load(np.quantile(load, level, axis=0, method="inverted_cdf"), work, utilisation)
        for level in (0.1, 0.9)
    )
    if rung.MEETS_TARGETS:
        wanted = by_grade.max(axis=0)
    else:
        # Work adds up, and no grade's target decides.
        wanted = rung.units_for_load(work.mean_load, work, utilisation)
    least = minimum_officers(minimums, pool_hours.pool_ids, pool_hours.role_code, work.hours, time_zone)
    least_units = np.ceil(least / crew).astype(np.int64)
    units = np.maximum(wanted, least_units)
    binds = np.where((least_units > wanted), "minimum", "demand")
    grade_names = np.array(work.grades, dtype=object)
    binding = np.where((binds == "demand") & (wanted > 0) & rung.MEETS_TARGETS, grade_names[by_grade.argmax(axis=0)], None)
    officers = np.maximum(units * crew, least)
    rows = [
        _rows(
            work, method, "all", runs, load.mean(axis=0), units, np.maximum(low, least_units),
            np.maximum(high, least_units), crew, officers, abstraction, binds, binding,
        )
    ]  # fmt: skip
    for number, grade in enumerate(work.grades):
        mine = by_grade[number]
        rows.append(
            _rows(
                work, method, grade, runs, work.mean_load_by_grade[number], mine, None, None, crew, mine * crew,
                abstraction, np.full(mine.shape, "demand"),
                np.where((mine > 0) & rung.MEETS_TARGETS, grade, None),
            )
        )  # fmt: skip
    return pl.concat(rows)


def gross_of(net: Integers, abstraction: float) -> Integers:
    """Officers to roster so that `net` are left: net / (1 - abstraction), rounded up.

    >>> gross_of(np.array([7, 10]), 0.3)
    array([10, 15])
    """
    # One part in a million is rounding noise, not an officer.
    return np.ceil(net / (1 - abstraction) - 1e-6).astype(np.int64)


def _rows(
    work: OfferedWork,
    method: str,
    grade: str,
    runs: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    load: Floats,
    units: Integers,
    low: Integers | None,
    high: Integers | None,
    crew: Integers,
    officers: Integers,
    abstraction: float,
    binds: np.ndarray[tuple[int, ...], np.dtype[np.str_]],
    binding: np.ndarray[tuple[int, ...], np.dtype[np.object_]],
) -> pl.DataFrame:
    pool, hour = np.nonzero(runs)
    empty = pl.repeat(None, len(pool), dtype=pl.Int64, eager=True)
    return pl.DataFrame(
        {
            "method": pl.repeat(method, len(pool), eager=True),
            "pool_id": pl.Series(work.pool_hours.pool_ids, dtype=pl.String)[pool],
            "role_code": pl.repeat(work.pool_hours.role_code, len(pool), eager=True),
            "hour_starting": work.hours[hour],
            "grade_code": pl.repeat(grade, len(pool), eager=True),
            "offered_load": load[pool, hour],
            "service_minutes": work.service_minutes[pool, hour],
            "units_required": units[pool, hour],
            "units_required_p10": low[pool, hour] if low is not None else empty,
            "units_required_p90": high[pool, hour] if high is not None else empty,
            "crew_size": crew[hour],
            "officers_required": officers[pool, hour],
            "officers_required_gross": gross_of(officers[pool, hour], abstraction),
            "binds": pl.Series(binds[pool, hour].tolist(), dtype=pl.String),
            "binding_grade": pl.Series(binding[pool, hour].tolist(), dtype=pl.String),
        }
    )


def _minimums_only(
    pools: pl.DataFrame,
    work: OfferedWork,
    minimums: pl.DataFrame,
    time_zone: str,
    abstraction: float,
    methods: Sequence[str] | None,
) -> list[pl.DataFrame]:
    """Rows of the roles that answer no incidents: their minimum strength, by every method alike."""
    parts = []
    for role in pools["role_code"].unique().sort():
        pool_ids = pools.filter(pl.col("role_code") == role)["pool_id"].unique().sort().to_list()
        least = minimum_officers(minimums, pool_ids, role, work.hours, time_zone)
        pool, hour = np.nonzero(least)
        officers = least[pool, hour]
        for method in methods or list(extensions.members("staffing")):
            parts.append(
                pl.DataFrame(
                    {
                        "method": pl.repeat(method, len(pool), eager=True),
                        "pool_id": pl.Series(pool_ids, dtype=pl.String)[pool],
                        "role_code": pl.repeat(role, len(pool), eager=True),
                        "hour_starting": work.hours[hour],
                        "grade_code": pl.repeat("all", len(pool), eager=True),
                        "offered_load": pl.repeat(None, len(pool), dtype=pl.Float64, eager=True),
                        "service_minutes": pl.repeat(None, len(pool), dtype=pl.Float64, eager=True),
                        "units_required": officers,
                        "units_required_p10": officers,
                        "units_required_p90": officers,
                        "crew_size": np.ones_like(officers),
                        "officers_required": officers,
                        "officers_required_gross": gross_of(officers, abstraction),
                        "binds": pl.repeat("minimum", len(pool), eager=True),
                        "binding_grade": pl.repeat(None, len(pool), dtype=pl.String, eager=True),
                    }
                )
            )
    return parts

