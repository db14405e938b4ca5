"""What a forecast that counted officers' own work would do to the shares of areas.

Patrols find what they look for: an area that is patrolled because its records are many gets more records because it is
patrolled (Lum and Isaac 2016, Significance 13(5), 14-19; Ensign and others 2018, PMLR 81, 160-171). So work that
officers start themselves does not drive the forecast, and this says what is held back.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from bluelamp import tables

WINDOW_DAYS = 365
# What patrols find or are sent to; administration is left out as well, but finds nothing.
FOUND_BY_PATROLS = ("officer_initiated", "directed")


def compare_origins(demand: pl.DataFrame, origins: Collection[str], until: datetime) -> pl.DataFrame:
    """Compare areas' shares of the incidents that drive the forecast with their shares were officers' own counted, too.

    `demand` of all origins; the year to `until` counts. An area without incidents has no row. The table `feedback`.
    """
    recent = demand.filter(pl.col("hour_starting") >= until - timedelta(days=WINDOW_DAYS))
    counts, drives = pl.col("incidents"), pl.col("origin").is_in(list(origins))
    found = pl.col("origin").is_in(list(FOUND_BY_PATROLS))
    by_area = recent.group_by("area_id").agg(
        incidents=counts.filter(drives).sum(), incidents_found=counts.filter(found & ~drives).sum()
    )
    both = pl.col("incidents") + pl.col("incidents_found")
    shares = by_area.filter(both > 0).with_columns(
        share=pl.col("incidents") / pl.max_horizontal(pl.col("incidents").sum(), 1), share_if_counted=both / both.sum()
    )
    return tables.publish(shares.with_columns(gain=pl.col("share_if_counted") - pl.col("share")), "feedback")
