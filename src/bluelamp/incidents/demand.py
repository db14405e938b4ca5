"""Incidents to demand: counts, deployments and officer-hours by area, local hour, class, grade and origin."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.resources import files

import polars as pl

from bluelamp import periods, tables
from bluelamp.incidents.service_times import KEY, evidence, nearest_prior, opening_grade
from bluelamp.pools import UNKNOWN_AREA


def read_priors() -> pl.DataFrame:
    """Give the shipped priors as a `service_times` table; each row names its source."""
    shipped = tomllib.loads((files("bluelamp.incidents") / "priors.toml").read_text(encoding="utf-8"))
    travel = shipped["travel"]["minutes"]
    rows = [
        {
            "class_code": class_code,
            "grade_code": "all",
            "share_deployed": float(group["share_deployed"]),
            "units_per_deployment": float(group["units"]),
            "minutes_per_unit": float(group["scene_minutes"] + travel),
            "sd_minutes": float(group["sd_minutes"]),
            "incidents": None,
            "source": group["source"],
        }
        for group in shipped["groups"].values()
        for class_code in group["classes"]
    ]
    return tables.publish(pl.DataFrame(rows, schema=tables.table("service_times").polars_schema), "service_times")


def count_demand(
    incidents: pl.DataFrame,
    service_times: pl.DataFrame,
    known_areas: Sequence[str],
    time_zone: str,
    crew_size_by_hour: Sequence[int] = (1,) * 24,
) -> pl.DataFrame:
    """Count incidents, deployments and officer-hours, hour by hour, as the table `demand`.

    An incident's hours are its own where its times, or the status log's joined to it, say them (units × the time from
    dispatch to clear); otherwise its class and grade's row of `service_times`, which for a job that goes on still comes
    after the time so far. The grade is the opening one. Units and shares that are known are used even where times are
    not.
    `crew_size_by_hour` gives the officers in a unit by local hour of the day (24 of them). An incident whose area is
    empty or not among `known_areas` is counted in the area 'unknown', never dropped. Hours with no incident have no
    row.
    """
    if incidents.is_empty():
        return tables.empty("demand")
    first, last = incidents["received_at"].min(), incidents["received_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    asked = ask_of_each(incidents, service_times, time_zone, crew_size_by_hour).with_columns(
        area_id=pl.when(pl.col("area_id").is_in(list(known_areas))).then("area_id").otherwise(pl.lit(UNKNOWN_AREA)),
        hour_starting=periods.hour_starting(
            pl.col("received_at"),
            time_zone,
            first - timedelta(days=1),
            last + timedelta(days=1),
        ),
    )
    counted = asked.group_by("area_id", "hour_starting", "class_code", "grade_code", "origin").agg(
        incidents=pl.len().cast(pl.Int64),
        deployed=pl.col("deployed_thousandths").sum() / 1000,
        officer_hours=pl.col("officer_seconds_asked").sum() / 3600,
        measured=(pl.col("unit_seconds").is_not_null() | (pl.col("was_deployed") == 0)).sum().cast(pl.Int64),
    )
    return tables.publish(counted, "demand")


def ask_of_each(
    incidents: pl.DataFrame,
    service_times: pl.DataFrame,
    time_zone: str,
    crew_size_by_hour: Sequence[int] = (1,) * 24,
) -> pl.DataFrame:
    """Say what each incident asks for, in the rows' order: `deployed_thousandths` and `officer_seconds_asked`.

    The columns of `evidence` stand beside them, and the rules are those of `count_demand`.
    """
    prior = nearest_prior(incidents.select("class_code", grade_code=opening_grade()).unique(), service_times).rename(
        {"share_deployed": "prior_share", "units_per_deployment": "prior_units", "minutes_per_unit": "prior_minutes"}
    )
    crew = pl.DataFrame(
        {"local_hour": range(24), "crew_size": list(crew_size_by_hour)}, schema_overrides={"local_hour": pl.Int8}
    )
    units = pl.coalesce(pl.col("units_sent").cast(pl.Float64), "prior_units")
    usual = pl.col("prior_minutes") * 60
    seconds_each = pl.coalesce(pl.col("unit_seconds").cast(pl.Float64), pl.col("seconds_so_far") + usual, usual)
    is_unknown, is_open = pl.col("was_deployed").is_null(), (pl.col("status") == "open").fill_null(value=False)
    # A class's share is that of all its incidents: what is left of it, once those that are known have had their part,
    # falls on those that are not. An open log has the share of its class, because it will be like the others.
    settled = (~(is_unknown & is_open)).sum().over(KEY)
    left = pl.col("prior_share") * settled - pl.col("was_deployed").sum().over(KEY)
    each = (left / (is_unknown & ~is_open).sum().over(KEY)).clip(0, 1)
    expected_share = pl.when(is_open).then("prior_share").otherwise(each)
    share = pl.coalesce(pl.col("was_deployed").cast(pl.Float64), expected_share)
    return (
        evidence(incidents)
        .join(
            prior.select(*KEY, "prior_share", "prior_units", "prior_minutes"), on=KEY, how="left", maintain_order="left"
        )
        .with_columns(
            local_hour=pl.col("received_at").dt.convert_time_zone(time_zone).dt.hour(),
            # Whole thousandths and seconds are summed, because sums of fractions differ with the order of adding up.
            deployed_thousandths=(share * 1000).round().cast(pl.Int64),
            unit_seconds_asked=(share * units * seconds_each).round().cast(pl.Int64),
        )
        .join(crew, on="local_hour", how="left", maintain_order="left")
        .with_columns(officer_seconds_asked=pl.col("unit_seconds_asked") * pl.col("crew_size"))
    )
