"""Offences to the grid of offending: where and when they happened, each shared out over the hours of its range.

The grid stands on the spine of `demand` (area, local hour, class), so that the two can be laid side by side. It counts
what was recorded by when it happened, and `demand` what was asked for by when it came in: they are different figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from bluelamp import aoristic, tables
from bluelamp.incidents.places import place_incidents
from bluelamp.pools import UNKNOWN_AREA
from bluelamp.settings import DefaultPointPart

# A range longer than this covers every hour of the week, and says of none that it is likelier than another.
LONGEST = timedelta(days=7)
# More seconds than lie between any two moments.
_ALL_SECONDS = 1 << 40


@dataclass(frozen=True)
class KnownTimes:
    """How offences' times are known: all of them, and those of each kind that a reader should know of."""

    offences: int
    to_the_hour: int
    without_time: int
    too_long: int
    turned: int


def place_offences(
    offences: pl.DataFrame,
    areas: pl.DataFrame,
    day: date,
    time_zone: str,
    *,
    default_points: Sequence[DefaultPointPart] = (),
    border_metres: float = 200.0,
) -> pl.DataFrame:
    """Give offences with the area of a local day that each counts in, by the rules of `place_incidents`.

    An offence names its area as that was when the offence began, or was recorded where that is not known.
    """
    logs = offences.select(
        "area_id", "class_code", "longitude", "latitude",
        incident_id="offence_id",
        received_at=pl.coalesce("from_at", "to_at", "recorded_at"),
        place_token=pl.lit(None, pl.String),
        origin=pl.lit("public"),
    )  # fmt: skip
    placed = place_incidents(
        logs, areas, day, time_zone, default_points=default_points, border_metres=border_metres
    ).incidents
    return offences.with_columns(area_id=placed["area_id"])


def count_offending(offences: pl.DataFrame, known_areas: Sequence[str], time_zone: str) -> pl.DataFrame:
    """Count offences by area, local hour and class, as the table `offending`.

    An offence whose time is a range has in each hour the part of it that lies there (`aoristic.spread`). One without
    any time, or with a range longer than a week, is in no hour; `know_times` counts them. An offence whose area is
    empty or not among `known_areas` counts in the area 'unknown'. Hours without an offence have no row.
    """
    spread = aoristic.spread(offences.select("from_at", "to_at"), time_zone, longest=LONGEST)
    if spread.is_empty():
        return tables.empty("offending")
    area = pl.when(pl.col("area_id").is_in(list(known_areas))).then("area_id").otherwise(pl.lit(UNKNOWN_AREA))
    named = offences.select("class_code", area_id=area)
    cells = named.unique().sort("area_id", "class_code").with_row_index("cell")
    cell = named.join(cells, on=["area_id", "class_code"], how="left", maintain_order="left")["cell"].cast(pl.Int64)
    # A county has millions of parts: one number for place, class and hour is grouped in half the time of three columns.
    since = spread["hour_starting"].min()
    second = (pl.col("hour_starting") - pl.lit(since)).dt.total_seconds()
    counted = (
        spread.select("millionths", key=cell.gather(spread["row"]) * _ALL_SECONDS + second)
        .group_by("key")
        .agg(
            offences=pl.col("millionths").sum() / aoristic.WHOLE,
            certain=(pl.col("millionths") == aoristic.WHOLE).sum().cast(pl.Int64),
        )
        .sort("key")
        .with_columns(
            cell=pl.col("key") // _ALL_SECONDS,
            hour_starting=pl.lit(since) + pl.duration(seconds=pl.col("key") % _ALL_SECONDS),
        )
        .join(cells.with_columns(pl.col("cell").cast(pl.Int64)), on="cell", how="left", maintain_order="left")
    )
    return tables.publish(counted, "offending")


def know_times(offences: pl.DataFrame, offending: pl.DataFrame) -> KnownTimes:
    """Say how the times of offences are known; `offending` is the grid that was made of them."""
    start, end = aoristic.ranges(pl.col("from_at"), pl.col("to_at"))
    without_time, too_long, turned = offences.select(
        start.is_null().sum().alias("without_time"),
        (end - start > LONGEST).sum().alias("too_long"),
        (pl.col("from_at") > pl.col("to_at")).sum().alias("turned"),
    ).row(0)
    return KnownTimes(offences.height, int(offending["certain"].sum()), without_time, too_long, turned)
