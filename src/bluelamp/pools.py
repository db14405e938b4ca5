"""Pools by the hour: which areas each pool covers, and the demand that reaches it.

Demand belongs to areas and cover to pools, and which pool covers an area changes with the hour and the date. Work
that began under the day's pools is still there when the night's take over, so work carried from hour to hour is
followed by groups of areas that always belong together (here called blocks), and added up to pools at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
UNKNOWN_AREA = "unknown"


@dataclass(frozen=True)
class PoolHours:
    """Who covers what, hour by hour."""

    pool_ids: list[str]
    role_code: str
    area_ids: list[str]
    patterns: Integers  # patterns × areas: index of the covering pool, -1 where none covers it
    pattern_of_hour: Integers

    def pool_of(self, area: int, hour: int) -> int:
        """Index of the pool that covers an area in an hour, -1 where none does."""
        return int(self.patterns[self.pattern_of_hour[hour], area])

    @property
    def runs(self) -> NDArray[np.bool_]:
        """Pools × hours: whether the pool covers anything then."""
        by_pattern = np.array(
            [[bool((pattern == pool).any()) for pattern in self.patterns] for pool in range(len(self.pool_ids))]
        ).reshape(len(self.pool_ids), len(self.patterns))
        return by_pattern[:, self.pattern_of_hour]


def holds_at(from_hour: int, to_hour: int, hour: int) -> bool:
    """Say whether a row that holds from one local hour to another holds in an hour of the day; it may wrap midnight.

    >>> holds_at(22, 7, 3), holds_at(22, 7, 12), holds_at(0, 24, 23)
    (True, False, True)
    """
    if from_hour < to_hour:
        return from_hour <= hour < to_hour
    return hour >= from_hour or hour < to_hour


def valid_on(row: dict[str, object], day: date) -> bool:
    """Say whether a row with valid_from and valid_to holds on a local day."""
    begins, ends = row["valid_from"], row["valid_to"]
    return (begins is None or begins <= day) and (ends is None or day <= ends)  # type: ignore[operator]


def outlast_areas(cover: pl.DataFrame, areas: pl.DataFrame) -> pl.DataFrame:
    """Let rows of pools that end with the area that they name hold on.

    A run is for the areas in force on its first day, to its last: one redrawn in between must not lose its cover.
    """
    ends = areas.filter(pl.col("level") == "area").select("area_id", area_ends="valid_to")
    return cover.join(ends, on="area_id", how="left", maintain_order="left").with_columns(
        valid_to=pl.when((pl.col("valid_to") == pl.col("area_ends")).fill_null(value=False))
        .then(None).otherwise("valid_to")
    ).drop("area_ends")  # fmt: skip


def lay_out_pools(
    pools: pl.DataFrame, role_code: str, area_ids: list[str], hours: pl.Series, time_zone: str
) -> PoolHours:
    """Say for every hour which pool covers each area.

    Rows that hold during a shorter part of the day win over longer ones, and then rows that begin on a later day over
    those that begin on an earlier one or always held. Demand whose area is unknown has no pool of its own; `to_pools`
    spreads it.
    """
    rows = sorted(
        pools.filter(pl.col("role_code") == role_code).to_dicts(),
        key=lambda row: (-_length(row), row["valid_from"] or date.min, row["pool_id"]),
    )
    pool_ids = sorted({row["pool_id"] for row in rows})
    number = {pool_id: position for position, pool_id in enumerate(pool_ids)}
    position = {area: index for index, area in enumerate(area_ids)}
    parts = periods.local_parts(hours, time_zone)
    patterns: dict[tuple[int, ...], int] = {}
    known: dict[tuple[date, int], int] = {}
    pattern_of_hour = np.zeros(len(hours), dtype=np.int64)
    spans = {(row["valid_from"], row["valid_to"]) for row in rows}
    always = spans <= {(None, None)}
    for index, (day, hour) in enumerate(parts.select("day", "hour").iter_rows()):
        key = (date.min if always else day, hour)
        if key not in known:
            covering = [-1] * len(area_ids)
            # The longest and oldest rows come first and are overwritten by the shorter and later, more special ones.
            for row in rows:
                if (
                    row["area_id"] in position
                    and holds_at(row["from_hour"], row["to_hour"], hour)
                    and valid_on(row, day)
                ):
                    covering[position[row["area_id"]]] = number[row["pool_id"]]
            known[key] = patterns.setdefault(tuple(covering), len(patterns))
        pattern_of_hour[index] = known[key]
    listed = np.array(list(patterns), dtype=np.int64).reshape(len(patterns), len(area_ids))
    return PoolHours(pool_ids, role_code, area_ids, listed, pattern_of_hour)


def _length(row: dict[str, object]) -> int:
    begins, ends = int(str(row["from_hour"])), int(str(row["to_hour"]))
    return ends - begins if begins < ends else 24 - begins + ends


@dataclass(frozen=True)
class Blocks:
    """Groups of areas that lie in one district and always share a pool."""

    block_of_area: Integers
    district_of_block: Integers
    pool_of_block: Integers  # patterns × blocks


def find_blocks(pool_hours: PoolHours, district_of_area: Integers) -> Blocks:
    """Group areas by district and by the pools that cover them through the day."""
    keys = [
        (int(district_of_area[area]), *pool_hours.patterns[:, area].tolist())
        for area in range(len(pool_hours.area_ids))
    ]
    distinct = sorted(set(keys))
    number = {key: position for position, key in enumerate(distinct)}
    return Blocks(
        block_of_area=np.array([number[key] for key in keys], dtype=np.int64),
        district_of_block=np.array([key[0] for key in distinct], dtype=np.int64),
        pool_of_block=np.array([key[1:] for key in distinct], dtype=np.int64).T,
    )


def to_pools(by_block: Floats, blocks: Blocks, pool_hours: PoolHours, in_proportion_to: Floats | None = None) -> Floats:
    """Add … × blocks × hours up to … × pools × hours.

    What happens where no pool is known to cover (an unknown place, an area left out of the table) is shared out over
    the pools of that hour in proportion to what they have, so that nothing is dropped; or to what they have of
    `in_proportion_to` (blocks × hours), so that the parts of a whole are shared out alike. An hour without any pool
    keeps nothing.
    """
    pools = len(pool_hours.pool_ids)
    hours = by_block.shape[-1]
    out = np.zeros((*by_block.shape[:-2], pools, hours))
    for pattern, pool_of_block in enumerate(blocks.pool_of_block):
        when = np.flatnonzero(pool_hours.pattern_of_hour == pattern)
        covered = pool_of_block >= 0
        out[..., when] = _add_covered(by_block[..., when], pool_of_block, pools)
        if not covered.all() and covered.any():
            here = out[..., when]
            has = here if in_proportion_to is None else _add_covered(in_proportion_to[:, when], pool_of_block, pools)
            loose = by_block[..., ~covered, :][..., when].sum(axis=-2, keepdims=True)
            total = has.sum(axis=-2, keepdims=True)
            running = np.isin(np.arange(pools), pool_of_block)[:, None]
            with np.errstate(divide="ignore", invalid="ignore"):
                share = np.where(total > 0, has / total, running / max(int(running.sum()), 1))
            out[..., when] = here + loose * share
    return out


def _add_covered(by_block: Floats, pool_of_block: Integers, pools: int) -> Floats:
    summed = np.zeros((*by_block.shape[:-2], pools, by_block.shape[-1]))
    for pool in np.unique(pool_of_block[pool_of_block >= 0]):
        summed[..., pool, :] = by_block[..., pool_of_block == pool, :].sum(axis=-2)
    return summed


def minimum_officers(
    minimums: pl.DataFrame, pool_ids: Sequence[str], role_code: str, hours: pl.Series, time_zone: str
) -> Integers:
    """Give the minimum strength, pools × hours: the highest row that holds, 0 where none does.

    A row for a skill counts like one for any officer, because whoever has the skill is an officer. Rows are not added
    up: one person may have several skills.
    """
    parts = periods.local_parts(hours, time_zone)
    number = {pool_id: position for position, pool_id in enumerate(pool_ids)}
    found = np.zeros((len(pool_ids), len(hours)), dtype=np.int64)
    for row in minimums.filter(pl.col("role_code") == role_code).iter_rows(named=True):
        if row["pool_id"] not in number:
            continue
        place = found[number[row["pool_id"]]]
        holds = _holds(row, parts)
        place[holds] = np.maximum(place[holds], row["minimum_officers"])
    return found


def gross_of(net: Integers, abstraction: float) -> Integers:
    """Officers to roster so that `net` are left: net / (1 - abstraction), rounded up.

    >>> gross_of(np.array([7, 10]), 0.3)
    array([10, 15])
    """
    # One part in a million is rounding noise, not an officer.
    return np.ceil(net / (1 - abstraction) - 1e-6).astype(np.int64)


def vehicles_of(vehicles: pl.DataFrame, pool_ids: Sequence[str], hours: pl.Series, time_zone: str) -> Floats:
    """Give the vehicles that each pool has, pools × hours; NaN where none are stated.

    As with pools, rows for a shorter part of the day win over longer ones, and then those that begin on a later day.
    """
    parts = periods.local_parts(hours, time_zone)
    number = {pool_id: position for position, pool_id in enumerate(pool_ids)}
    found = np.full((len(pool_ids), len(hours)), np.nan)
    rows = [row for row in vehicles.iter_rows(named=True) if row["pool_id"] in number]
    for row in sorted(rows, key=lambda row: (-_length(row), row["valid_from"] or date.min)):
        found[number[row["pool_id"]], _holds(row, parts)] = row["vehicles"]
    return found


def _holds(row: dict[str, Any], parts: pl.DataFrame) -> NDArray[np.bool_]:
    """Say in which hours, given by their local parts, a row with hours of the day and dates holds."""
    by_hour = np.array([holds_at(row["from_hour"], row["to_hour"], hour) for hour in range(24)])
    days = parts["day"].unique().to_list()
    valid = parts["day"].is_in([day for day in days if valid_on(row, day)])
    holds: NDArray[np.bool_] = by_hour[parts["hour"].to_numpy()] & valid.to_numpy()
    return holds
