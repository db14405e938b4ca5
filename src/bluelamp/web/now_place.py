"""Which part of the force the screen on the wall shows: all of it, one pool, or one district.

Logs are counted by area, so that a district has its own. Units and hours are simulated by pool: a district is shown
that of the pool that covers most of its areas in each hour, which may cover others, too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from bluelamp import reading
from bluelamp.errors import UsageError, did_you_mean
from bluelamp.store import Store

# Shifts that end within the hours shown are handed over to who covers the place from then on.
_BEYOND = timedelta(hours=2)


@dataclass(frozen=True)
class Districts:
    """Districts by id with their names, their areas, and the pool that covers most of them by hour."""

    names: Mapping[str, str] = field(default_factory=dict)
    areas: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pools: Mapping[str, Mapping[datetime, str]] = field(default_factory=dict)


def read_districts(store: Store, run_id: str, hours: pl.Series) -> Districts:
    """Read who covers what in some hours of a run; there is nothing where it has no districts, or no such hours."""
    areas = reading.read_used(store, "areas", run_id).unique(["level", "area_id"], keep="last")
    lowest = areas.filter(pl.col("level") == "area", pl.col("parent_id").is_not_null())
    named = {
        row["area_id"]: row["area_name"] or row["area_id"]
        for row in areas.filter(level="district").iter_rows(named=True)
    }
    if hours.is_empty() or not named:
        return Districts()
    inside = pl.col("hour_starting").is_between(hours.min(), hours.max() + _BEYOND)  # type: ignore[operator]
    cover = store.result("coverage", run_id, inside & (pl.col("level") == "area") & pl.col("pool_id").is_not_null())
    counted = (
        cover.join(lowest.select(place_id="area_id", district="parent_id"), on="place_id")
        .group_by("district", "hour_starting", "pool_id")
        .agg(areas=pl.len())
        .sort(["areas", "pool_id"], descending=[True, False])
        .unique(["district", "hour_starting"], keep="first", maintain_order=True)
    )
    pools: dict[str, dict[datetime, str]] = {}
    for row in counted.iter_rows(named=True):
        pools.setdefault(row["district"], {})[row["hour_starting"]] = row["pool_id"]
    theirs = {
        district: rows["area_id"].sort().to_list()
        for (district,), rows in lowest.group_by("parent_id", maintain_order=True)
    }
    shown = sorted(set(named) & set(pools))
    return Districts(
        {each: named[each] for each in shown}, {str(each): rows for each, rows in theirs.items()},
        {each: pools[each] for each in shown},
    )  # fmt: skip


@dataclass(frozen=True)
class Place:
    """What is shown: the whole force where there is neither `pool` nor `district`."""

    name: str
    pool: str | None = None
    district: str | None = None
    areas: Sequence[str] | None = None
    by_hour: Mapping[datetime, str] | None = None

    @property
    def is_force(self) -> bool:
        """Whether it is the whole force."""
        return self.pool is None and self.district is None

    def rows_of(self, rows: pl.DataFrame, at: str = "hour_starting") -> pl.DataFrame:
        """Keep the rows of a table by pool and hour that are shown; `at` is the column that says when."""
        if self.by_hour is not None:
            return self._at_hours(rows.filter(level="pool"), at)
        return rows.filter(level="force") if self.pool is None else rows.filter(level="pool", place_id=self.pool)

    def pools_of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Keep the rows of pools that are shown, those of all pools for the force."""
        pools = rows.filter(level="pool")
        return pools if self.is_force else self.rows_of(pools)

    def has(self, pool: str) -> bool:
        """Say whether a pool's units are shown."""
        if self.by_hour is not None:
            return pool in self.by_hour.values()
        return self.pool in (None, pool)

    def _at_hours(self, rows: pl.DataFrame, at: str) -> pl.DataFrame:
        assert self.by_hour is not None
        covering = pl.DataFrame(
            {at: list(self.by_hour), "place_id": list(self.by_hour.values())}, schema_overrides={at: rows.schema[at]}
        )
        return rows.join(covering, on=[at, "place_id"], how="semi")

    def told(self, starts: Sequence[datetime], words: Sequence[str]) -> str:
        """Say whose units and hours a district is shown: 'R-D2, from 23:00 R-N2'."""
        parts: list[str] = []
        before = None
        for at, label in zip(starts, words, strict=True):
            pool = (self.by_hour or {}).get(at)
            if pool != before:
                parts.append(f"from {label} {pool or 'none'}" if parts else pool or "none")
            before = pool
        return ", ".join(parts)


def find_place(
    pool: str | None,
    district: str | None,
    pools: Collection[str],
    districts: Districts,
    pool_of_area: Mapping[str, str],
) -> Place:
    """Give what is asked for. Raises UsageError for what there is not, and for two things at once."""
    if pool is not None and district is not None:
        raise UsageError("A pool or a district can be shown, not both: leave out one of 'pool' and 'district'.")
    if pool is not None:
        if pool not in pools:
            raise UsageError(f"There is no pool '{pool}' in the latest run.{did_you_mean(pool, pools)}")
        return Place(pool, pool, areas=[area for area, of in pool_of_area.items() if of == pool])
    if district is not None:
        if district not in districts.names:
            raise UsageError(
                f"There is no district '{district}' that a pool covers in these hours."
                f"{did_you_mean(district, districts.names)}"
            )
        return Place(
            districts.names[district], None, district, districts.areas[district], districts.pools[district]
        )  # fmt: skip
    return Place("the whole force")
