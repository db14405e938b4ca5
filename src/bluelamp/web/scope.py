"""What is left of a table for whoever asks: the rows of their districts, the people of their teams."""

from __future__ import annotations

import polars as pl

from bluelamp.access import Holder


def of_districts(rows: pl.DataFrame, holder: Holder, areas: pl.DataFrame, pools: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of places in an account's districts, and those of the whole force; all of them where it has none.

    `areas` and `pools` are those of the run. A pool belongs to every district of which it covers an area. A table
    without places speaks of no district, and is left whole.
    """
    if not holder.districts:
        return rows
    theirs = list(holder.districts)
    inside = areas.filter(
        pl.col("area_id").is_in(theirs) | pl.col("parent_id").is_in(theirs) | (pl.col("level") == "force")
    )
    places = set(inside["area_id"])
    covering = set(pools.filter(pl.col("area_id").is_in(list(places)))["pool_id"])
    for column in ("place_id", "area_id", "pool_id"):
        if column in rows.columns:
            return rows.filter(pl.col(column).is_in(list(places | covering)).fill_null(False))
    return rows


def of_teams(rows: pl.DataFrame, holder: Holder, people: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of people in a supervisor's teams; of anybody's where the account is no supervisor's.

    `people` says who belongs to which pool and team. What names nobody is left out.
    """
    if holder.role != "supervisor":
        return rows
    teams = pl.concat_str("pool_id", pl.lit("/"), "team")
    theirs = people.filter(teams.is_in(list(holder.teams)).fill_null(False))["person_id"]
    if "person_id" not in rows.columns:
        return rows.clear()
    return rows.filter(pl.col("person_id").is_in(theirs.to_list()).fill_null(False))
