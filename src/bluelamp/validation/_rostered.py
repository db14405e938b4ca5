"""Units from the duty sheet, where nobody booked on: as many as net deployable officers make, pool by pool and hour."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl

_AN_HOUR = timedelta(hours=1)


def units_from_duties(deployable: pl.DataFrame, role_code: str) -> pl.DataFrame:
    """Give units (as `Records.units`) from the table `deployable`: the n-th unit of a pool is on while there are n.

    Units are rounded to whole ones. Briefing, refreshments, absences and vehicles are taken off already, so that such a
    unit has none of its own; nor can it be told who came home late.
    """
    rows = deployable.filter(pl.col("role_code") == role_code).sort("pool_id", "hour_starting")
    instant = rows.schema["hour_starting"]
    found: list[tuple[str, str, object, object]] = []
    for (pool,), hours in rows.group_by("pool_id", maintain_order=True):
        at = hours["hour_starting"].to_list()
        units = np.rint(hours["units_deployable"].fill_null(0.0).to_numpy()).astype(np.int64)
        follows = np.array([False, *(later - earlier == _AN_HOUR for earlier, later in pairwise(at))])
        for rank in range(1, int(units.max(initial=0)) + 1):
            on = units >= rank
            begins = np.flatnonzero(on & ~(np.roll(on, 1) & follows))
            ends = np.flatnonzero(on & ~np.append(on[1:] & follows[1:], False))
            found += [
                (str(pool), f"{pool} {rank}", at[first], at[last] + _AN_HOUR)
                for first, last in zip(begins, ends, strict=True)
            ]
    shape = [("pool_id", pl.String()), ("unit_id", pl.String()), ("starts_at", instant), ("ends_at", instant)]
    return (
        pl.DataFrame(found, schema=pl.Schema(shape), orient="row")
        .sort("starts_at", "unit_id")
        .with_columns(
            crew=pl.lit(1, dtype=pl.Int64),
            briefing=pl.lit(0.0),
            break_at=pl.lit(None, dtype=instant),
            break_minutes=pl.lit(0.0),
            may_drive=pl.lit(value=True),
            stayed=pl.lit(value=False),
        )
    )
