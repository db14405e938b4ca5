"""Filed quantiles held against what came: sums by day, and scores from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from bluelamp import periods, tables

# Share of each quantile's neighbourhood, from halfway to the one below to halfway to the one above.
LEVELS = {"p025": 0.025, "p10": 0.10, "p25": 0.25, "p50": 0.50, "p75": 0.75, "p90": 0.90, "p975": 0.975}
INSIDE = {"inside_50": ("p25", "p75"), "inside_80": ("p10", "p90"), "inside_95": ("p025", "p975")}
SUMS = ("forecasts", "incidents", "expected", "crps", "absolute", *INSIDE)
PLACE = ("level", "area_id")


NOTHING_SCORED = pl.DataFrame(
    schema={
        "method": pl.String, "level": pl.String, "area_id": pl.String, "span": pl.String,
        "day_starting": periods.INSTANT, "is_whole": pl.Boolean, **dict.fromkeys(SUMS, pl.Float64),
        "number": pl.Int64, "lead_days": pl.Int64,
    }
)  # fmt: skip


def weights() -> dict[str, float]:
    """Give each quantile's weight; in sum they are 1."""
    edges = [0.0]
    edges += [(one + other) / 2 for one, other in zip(LEVELS.values(), list(LEVELS.values())[1:], strict=False)]
    edges += [1.0]
    return {name: high - low for name, low, high in zip(LEVELS, edges, edges[1:], strict=False)}


def score() -> pl.Expr:
    """Give the CRPS by seven quantiles: twice the pinball loss, weighted by the shares that they stand for.

    2 Σ w_τ (τ − 1{y < q_τ}) (y − q_τ), a sum over the quantiles that is proper for them, and is the CRPS where there
    are many (Laio and Tamea 2007, Hydrol. Earth Syst. Sci. 11, 1267–1277; Bracher et al. 2021, PLoS Comput. Biol. 17).
    """
    parts = []
    for name, weight in weights().items():
        error = (pl.col("incidents") - pl.col(name)).cast(pl.Float64)
        parts.append(2 * weight * pl.max_horizontal(LEVELS[name] * error, (LEVELS[name] - 1) * error))
    return pl.sum_horizontal(parts)


def count_came(
    demand: pl.DataFrame,
    areas: pl.DataFrame,
    outages: pl.DataFrame,
    force_id: str,
    time_zone: str,
    first: datetime,
    data_until: datetime,
) -> pl.DataFrame:
    """Count what came in each place, hour and local day that has passed and can be believed, from a moment on.

    A row is a level, area_id, span, hour_starting with its incidents, and the day that it lies in.
    """
    local = first.astimezone(periods.zone(time_zone)).date()
    # A day later than the data, so that the last whole day has its end.
    days = periods.local_days(time_zone, local, max(local, data_until.astimezone(periods.zone(time_zone)).date()))
    hours = pl.concat(
        pl.DataFrame(
            {"hour_starting": periods.hours_between(time_zone, row["starts_at"], row["ends_at"])}
        ).with_columns(
            day_starting=pl.lit(row["starts_at"], dtype=periods.INSTANT),
            day_ending=pl.lit(row["ends_at"], dtype=periods.INSTANT),
        )
        for row in days.iter_rows(named=True)
    )
    starts = pl.col("hour_starting")
    known = pl.coalesce(starts.shift(-1), "day_ending") <= data_until
    for begins, ends in outages.select("starts_at", "ends_at").iter_rows():
        known = known & ~((starts >= begins) & (starts < ends))
    hours = hours.with_columns(is_known=known)
    hours = hours.with_columns(pl.col("is_known").all().over("day_starting").alias("is_whole"))

    parents = areas.filter(pl.col("level") == "area").select(
        "area_id", district=pl.col("parent_id").fill_null(force_id)
    )
    parents = parents.unique("area_id", keep="last", maintain_order=True)
    counted = demand.join(parents, on="area_id", how="left").join(hours, on="hour_starting")
    names = parents["district"].unique().sort().to_list()
    places = pl.DataFrame({"level": ["force"], "area_id": [force_id]})
    # With one district, it is the force again.
    if len(names) > 1:
        places = pl.concat([places, pl.DataFrame({"level": "district", "area_id": names})])
    by_hour = pl.concat(
        [
            counted.group_by("hour_starting").agg(pl.col("incidents").sum()).with_columns(
                level=pl.lit("force"), area_id=pl.lit(force_id)
            ),
            counted.drop("area_id").filter(pl.col("district").is_not_null())
            .group_by("hour_starting", area_id="district").agg(pl.col("incidents").sum())
            .with_columns(level=pl.lit("district")).select("hour_starting", "incidents", "level", "area_id"),
        ]
    )  # fmt: skip
    every = places.join(hours, how="cross").join(by_hour, on=["level", "area_id", "hour_starting"], how="left")
    every = every.with_columns(pl.col("incidents").fill_null(0))
    of_days = (
        every.filter("is_whole").group_by("level", "area_id", "day_starting").agg(pl.col("incidents").sum())
        .with_columns(hour_starting=pl.col("day_starting"), span=pl.lit("day"), is_whole=pl.lit(value=True))
    )  # fmt: skip
    of_hours = every.filter("is_known").with_columns(span=pl.lit("hour"))
    columns = ["level", "area_id", "span", "hour_starting", "day_starting", "is_whole", "incidents"]
    return pl.concat([of_hours.select(columns), of_days.select(columns)])


def score_filed(line: Mapping[str, Any], rows: pl.DataFrame, came: pl.DataFrame) -> pl.DataFrame:
    """Score one filed forecast: sums by method, place, span and local day, with how many days ahead it was filed."""
    made_at = datetime.fromisoformat(line["made_at"])
    held = rows.join(came, on=["level", "area_id", "span", "hour_starting"]).with_columns(
        forecasts=pl.lit(1),
        expected=pl.col("mean"),
        crps=score(),
        absolute=(pl.col("mean") - pl.col("incidents")).abs(),
        **{name: pl.col("incidents").is_between(low, high) for name, (low, high) in INSIDE.items()},
    )
    return (
        held.sort("method", *PLACE, "span", "hour_starting")
        .group_by("method", *PLACE, "span", "day_starting", "is_whole", maintain_order=True)
        .agg(pl.col(name).sum().cast(pl.Float64) for name in SUMS)
        .with_columns(
            number=pl.lit(line["number"], dtype=pl.Int64),
            lead_days=1 + (pl.col("day_starting") - made_at).dt.total_days(),
        )
    )


def latest_before(scored: pl.DataFrame) -> pl.DataFrame:
    """Keep of each day the forecast that was filed last before it began."""
    return scored.filter(pl.col("number") == pl.col("number").max().over(*PLACE, "day_starting"))


def summarise(scored: pl.DataFrame) -> pl.DataFrame:
    """Give `scoreboard_scores`: by how far ahead it was filed, and of the latest filed before each day."""
    lead = pl.col("lead_days")
    horizon = (
        pl.when(lead <= 1).then(pl.lit("day_1")).when(lead <= 7).then(pl.lit("days_2_7"))
        .when(lead <= 28).then(pl.lit("days_8_28")).otherwise(pl.lit("days_29_56"))
    )  # fmt: skip
    every = pl.concat(
        [scored.with_columns(horizon=horizon), latest_before(scored).with_columns(horizon=pl.lit("latest"))]
    )
    summed = (
        every.sort("number", "day_starting")
        .group_by("method", *PLACE, "span", "horizon", maintain_order=True)
        .agg(pl.col(name).sum() for name in SUMS)
    )
    came = pl.when(pl.col("incidents") > 0).then(pl.col("incidents"))
    return (
        summed.with_columns(
            scrps=pl.col("crps") / came,
            wape=pl.col("absolute") / came,
            bias=pl.col("expected") / came - 1,
            **{f"coverage_{name[-2:]}": pl.col(name) / pl.col("forecasts") for name in INSIDE},
        )
        .with_columns(pl.col("forecasts", "incidents").cast(pl.Int64))
        .select(tables.table("scoreboard_scores").columns)
    )
