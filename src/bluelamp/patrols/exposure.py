"""Who is patrolled more: exposure to patrols by area, beside offences and people."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from bluelamp import tables

WINDOW = timedelta(weeks=52)


def measure_exposure(
    areas: pl.DataFrame,
    demand: pl.DataFrame,
    visits: pl.DataFrame,
    places: pl.DataFrame,
    offences: pl.DataFrame,
    *,
    found_by_patrols: Collection[str],
    until: datetime,
    shown_share: float,
) -> pl.DataFrame:
    """Hold the exposure of areas to patrols against their offences and people, as the table `exposure`.

    The 52 weeks before `until` count. `visits` as `place_visits` gives them; where none are known, incidents of origins
    that patrols bring stand for them. `places` are hotspots of all classes, listed up to `shown_share` of the ground;
    `offences` has `area_id` and `offences`.
    """
    since = pl.lit(until - WINDOW)
    recent = visits.filter(pl.col("starts_at").is_between(since, until, closed="left"))
    found = (
        demand.filter(pl.col("hour_starting") >= since, pl.col("origin").is_in(list(found_by_patrols)))
        .group_by("area_id")
        .agg(incidents_found=pl.col("incidents").sum().cast(pl.Int64))
    )
    shown = places.filter((pl.col("ground_share") <= shown_share) | (pl.col("rank") == 1))
    parts = [
        areas.filter(level="area").select("area_id", "area_name", "population", "area_km2"),
        recent.group_by(pl.col("area_id").fill_null("unknown")).agg(
            visits=pl.len().cast(pl.Int64), visit_minutes=pl.col("minutes").sum()
        ),
        found,
        shown.group_by(pl.col("area_id").fill_null("unknown")).agg(
            hotspot_places=pl.col("cell_id").n_unique().cast(pl.Int64), hotspot_shifts=pl.len().cast(pl.Int64)
        ),
        offences.select(pl.col("area_id").fill_null("unknown"), "offences"),
    ]
    rows = parts[0]
    for part in parts[1:]:
        rows = rows.join(part, on="area_id", how="full", coalesce=True)
    measure = "visits" if recent.height else "incidents_found"
    counted = [
        pl.col("incidents_found", "hotspot_places", "hotspot_shifts").fill_null(0),
        # Without one visit or one offence anywhere they are not known, not nought.
        *([pl.col("visits", "visit_minutes").fill_null(0)] if recent.height else []),
        *([pl.col("offences").fill_null(0)] if offences.height else []),
    ]
    people = pl.col("population").cast(pl.Float64)
    # The part that one area is of all makes sense only where all are known.
    all_people = pl.when(people.filter(pl.col("area_id") != "unknown").is_not_null().all()).then(people.sum())
    thousands, km2 = pl.when(people > 0).then(people / 1000), pl.when(pl.col("area_km2") > 0).then("area_km2")
    exposed = pl.col(measure).cast(pl.Float64)
    shared = rows.with_columns(counted).with_columns(
        measure=pl.lit(measure),
        exposure_per_1000=exposed / thousands,
        offences_per_1000=pl.col("offences") / thousands,
        exposure_per_km2=exposed / km2,
        exposure_share=_part_of(exposed, exposed.sum()),
        offences_share=_part_of(pl.col("offences"), pl.col("offences").sum()),
        population_share=_part_of(people, all_people),
    )
    share = pl.col("exposure_share")
    return tables.publish(
        shared.with_columns(
            exposure_to_offences=_part_of(share, pl.col("offences_share")),
            exposure_to_population=_part_of(share, pl.col("population_share")),
        ),
        "exposure",
    )


def _part_of(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)
