"""Headroom: how many officers could be away from each shift before demand or a minimum binds.

A duty planner grants leave by the shift, so that the tightest hour of a shift decides. A minimum counts officers who
are there (on the sheet, less the absent and those on operations), because a policy speaks of officers on duty; demand
counts those who can go out, because an officer at refreshments answers no call. Whichever leaves fewer is what binds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from bluelamp import periods, tables
from bluelamp.pools import minimum_officers

ANY = "any"
_PLACE = ["role_code", "pool_id"]


def find_headroom(
    required_staff: pl.DataFrame,
    deployable: pl.DataFrame,
    with_skill: Mapping[str, pl.DataFrame],
    minimums: pl.DataFrame,
    *,
    hours: pl.Series,
    ends_at: datetime,
    method: str,
    role_code: str,
    time_zone: str,
    shift_starts: Sequence[int],
) -> pl.DataFrame:
    """Hold planned officers against demand and minimums, as the table `headroom`.

    `with_skill` has a table like `deployable` of those alone who have a skill; a skill that is asked for and is not in
    it has a row that says so by its empty figures. `role_code` is the role that answers incidents, for which demand is
    that of `method`. Where it is not known who is there, and where nobody is asked for, there is no row.
    """
    if deployable.is_empty():
        return tables.empty("headroom")
    there = deployable.select(
        *_PLACE, "hour_starting", officers_present=_present(), officers_deployable="officers_deployable"
    )
    parts = [
        there.join(_demand(required_staff, method, role_code), on=[*_PLACE, "hour_starting"], how="left")
        .join(_least(minimums, there, hours, time_zone), on=[*_PLACE, "hour_starting"], how="left")
        .with_columns(skill_code=pl.lit(ANY))
    ]
    for skill in minimums["skill_code"].drop_nulls().unique().sort():
        asked = _least(minimums.filter(skill_code=skill), there, hours, time_zone)
        rows = there.select(*_PLACE, "hour_starting").join(asked, on=[*_PLACE, "hour_starting"])
        if skill in with_skill:
            able = with_skill[skill].select(*_PLACE, "hour_starting", officers_present=_present())
            # Who is on duty is known; of a pool without a row nobody has the skill.
            rows = rows.join(able, on=[*_PLACE, "hour_starting"], how="left").with_columns(
                pl.col("officers_present").fill_null(0.0)
            )
        parts.append(rows.with_columns(skill_code=pl.lit(skill)))
    rows = pl.concat(parts, how="diagonal_relaxed").filter(
        pl.col("minimum_officers").is_not_null() | pl.col("demand_officers").is_not_null()
    )
    return tables.publish(
        _tightest(rows.join(_lay_out_shifts(hours, ends_at, time_zone, shift_starts), on="hour_starting")), "headroom"
    )


def _present() -> pl.Expr:
    return pl.col("officers_rostered") - pl.col("officers_absent") - pl.col("officers_on_operations")


def _demand(required_staff: pl.DataFrame, method: str, role_code: str) -> pl.DataFrame:
    """Give the officers that demand asks for: for all grades together, or where a minimum is more, for any grade."""
    mine = required_staff.filter(pl.col("method") == method, pl.col("role_code") == role_code)
    by_demand = (pl.col("grade_code") != "all") | (pl.col("binds") == "demand")
    return (
        mine.filter(by_demand)
        .group_by([*_PLACE, "hour_starting"])
        .agg(demand_officers=pl.col("officers_required").max())
    )


def _least(minimums: pl.DataFrame, there: pl.DataFrame, hours: pl.Series, time_zone: str) -> pl.DataFrame:
    """Give the minimum of every role, pool and hour that has one."""
    parts = [tables.empty("deployable").select(*_PLACE, "hour_starting").with_columns(minimum_officers=pl.lit(0))]
    for role, pool_ids in there.group_by("role_code").agg(pl.col("pool_id").unique().sort()).sort("role_code").rows():
        least = minimum_officers(minimums, pool_ids, role, hours, time_zone)
        parts += [
            pl.DataFrame(
                {"role_code": role, "pool_id": pool_id, "hour_starting": hours, "minimum_officers": least[pool]}
            )
            for pool, pool_id in enumerate(pool_ids)
        ]
    return pl.concat(parts, how="vertical_relaxed").filter(pl.col("minimum_officers") > 0)


def _lay_out_shifts(hours: pl.Series, ends_at: datetime, time_zone: str, shift_starts: Sequence[int]) -> pl.DataFrame:
    """Give the shift of each hour; the first one may have begun before the first hour, and begins there."""
    parts = periods.local_parts(hours, time_zone)
    begins = periods.begin_at(hours, time_zone, shift_starts)
    return (
        pl.DataFrame({"hour_starting": hours, "local_day": parts["day"], "shift": begins.cast(pl.Int64).cum_sum()})
        .with_columns(
            shift_starting=pl.col("hour_starting").first().over("shift"),
            local_day=pl.col("local_day").first().over("shift"),
        )
        .with_columns(next_starting=pl.col("hour_starting").shift(-1).fill_null(ends_at))
        .with_columns(shift_ending=pl.col("next_starting").last().over("shift"))
        .drop("shift", "next_starting")
    )


def _tightest(rows: pl.DataFrame) -> pl.DataFrame:
    above_minimum = (pl.col("officers_present") + 1e-6).floor() - pl.col("minimum_officers")
    above_demand = (pl.col("officers_deployable") + 1e-6).floor() - pl.col("demand_officers")
    return (
        rows.with_columns(above_minimum=above_minimum, above_demand=above_demand)
        .with_columns(headroom=pl.min_horizontal("above_minimum", "above_demand").cast(pl.Int64))
        .sort("headroom", "hour_starting", nulls_last=True)
        .unique([*_PLACE, "skill_code", "shift_starting"], keep="first", maintain_order=True)
        .with_columns(
            leave_left=pl.col("headroom").clip(0),
            binds=pl.when(pl.col("above_minimum") <= pl.col("above_demand").fill_null(float("inf")))
            .then(pl.lit("minimum"))
            .when(pl.col("above_demand").is_not_null())
            .then(pl.lit("demand")),
        )
    )
