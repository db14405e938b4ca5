"""Weeks of the force's method against the naive ones, the bets on them, and which method is in use where."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from bluelamp import betting, periods
from bluelamp.scoreboard._scores import PLACE, latest_before


def judge(scored: pl.DataFrame, method: str, time_zone: str, data_until: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give `scoreboard_weeks` and `scoreboard_places` from the sums by day.

    Weeks go from Monday to Sunday on the force's clock, and count when they have passed.
    """
    weeks = _by_week(scored, time_zone, data_until)
    week_rows, place_rows = [], []
    for (level, place), here in weeks.group_by(*PLACE, maintain_order=True):
        found, told = _follow(here, method)
        week_rows.append(found.with_columns(level=pl.lit(level), area_id=pl.lit(place)).select(_NO_WEEKS.columns))
        place_rows.append({"level": level, "area_id": place, "method": method, **told})
    shape: dict[str, pl.DataType | type[pl.DataType]] = {
        "level": pl.String, "area_id": pl.String, "method": pl.String, "in_use": pl.String, "since": periods.INSTANT,
        "weeks": pl.Int64, "switches": pl.Int64, "against": pl.String, "difference": pl.Float64,
        "e_value": pl.Float64, "switch_at": pl.Float64,
    }  # fmt: skip
    return pl.concat(week_rows) if week_rows else _NO_WEEKS, pl.DataFrame(place_rows, schema=shape)


def name_places(places: pl.DataFrame) -> dict[str, str]:
    """Give by place the method that stands in for the force's own."""
    switched = places.filter(pl.col("in_use") != pl.col("method"))
    return dict(switched.select("area_id", "in_use").iter_rows())


def _by_week(scored: pl.DataFrame, time_zone: str, data_until: datetime) -> pl.DataFrame:
    """Add up the whole days of each week that has passed, by method and place, each by its latest filed forecast."""
    local = pl.col("day_starting").dt.convert_time_zone(time_zone)
    monday = local.dt.truncate("1w")
    dated = (
        latest_before(scored)
        .filter("is_whole")
        .with_columns(
            week_starting=monday.dt.convert_time_zone("UTC"),
            week_ending=monday.dt.offset_by("1w").dt.convert_time_zone("UTC"),
        )
    )
    is_day = pl.col("span") == "day"
    return (
        dated.filter(pl.col("week_ending") <= data_until)
        .sort(*PLACE, "week_starting", "method", "day_starting", "span")
        .group_by(*PLACE, "week_starting", "week_ending", "method", maintain_order=True)
        .agg(
            pl.col("crps").sum(),
            pl.col("expected").filter(is_day).sum(),
            days=is_day.sum().cast(pl.Int64),
        )
        .sort("level", "area_id", "week_starting", descending=[True, False, False], maintain_order=True)
    )


def _follow(here: pl.DataFrame, method: str) -> tuple[pl.DataFrame, dict[str, object]]:
    """Bet on the weeks of one place."""
    own = here.filter(pl.col("method") == method)
    naive = here.filter(pl.col("method") != method)
    both = naive.join(own.select("week_starting", score="crps"), on="week_starting").rename(
        {"method": "against", "crps": "score_naive"}
    )
    if both.is_empty():
        return _NO_WEEKS.drop("level", "area_id"), {
            "in_use": method, "weeks": 0, "switches": 0, "e_value": 1.0, "switch_at": 1 / betting.ALPHA,
        }  # fmt: skip
    names = both["against"].unique().sort().to_list()
    starts = both["week_starting"].unique().sort()
    week = _positions(both, starts)
    opponent = both["against"].replace_strict(names, list(range(len(names))), return_dtype=pl.Int64).to_numpy()
    differences = np.full((len(starts), len(names)), np.nan)
    # In units of what was expected beforehand, so that large and small places have the same scale.
    expected = both["expected"].to_numpy()
    lost = (both["score"] - both["score_naive"]).to_numpy()
    differences[week, opponent] = np.where(expected > 0, lost / np.maximum(expected, 1e-12), np.nan)
    course = betting.follow(differences)
    words = np.array([*names, method])  # OWN is -1: the last
    found = both.with_columns(
        e_value=pl.Series(course.by_opponent[week, opponent]),
        e_value_of_place=pl.Series(course.e_value[week]),
        in_use_after=pl.Series(words[course.in_use[week]].tolist(), dtype=pl.String),
    ).drop("week_ending")
    changed = np.flatnonzero(np.diff(course.in_use, prepend=betting.OWN))
    last = int(course.in_use[-1])
    standing = last if last != betting.OWN else int(_differences_in_all(both, names).argmax())
    return found, {
        "in_use": str(words[last]),
        "since": _end_of(both, starts[int(changed[-1])]) if len(changed) else None,
        "weeks": len(starts),
        "switches": len(changed),
        "against": names[standing],
        "difference": float(_differences_in_all(both, names)[standing]),
        # After a switch in the last week, the bets that follow begin at 1.
        "e_value": 1.0 if len(changed) and changed[-1] == len(starts) - 1 else float(course.e_value[-1]),
        "switch_at": 1 / betting.ALPHA,
    }


def _positions(both: pl.DataFrame, starts: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    found = both["week_starting"].replace_strict(starts, pl.int_range(len(starts), eager=True), return_dtype=pl.Int64)
    return found.to_numpy().astype(np.int64)


def _differences_in_all(both: pl.DataFrame, names: list[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Give the method's score against each naive method's, over all weeks that both have, less one."""
    summed = both.group_by("against").agg(pl.col("score", "score_naive").sum()).sort("against")
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = (
        summed["score"] / summed["score_naive"].clip(1e-12) - 1
    ).to_numpy()
    return found


def _end_of(both: pl.DataFrame, week_starting: datetime) -> datetime:
    ends: datetime = both.filter(pl.col("week_starting") == week_starting)["week_ending"][0]
    return ends


_NO_WEEKS = pl.DataFrame(
    schema={
        "level": pl.String, "area_id": pl.String, "week_starting": periods.INSTANT, "against": pl.String,
        "days": pl.Int64, "expected": pl.Float64, "score": pl.Float64, "score_naive": pl.Float64,
        "e_value": pl.Float64, "e_value_of_place": pl.Float64, "in_use_after": pl.String,
    }
)  # fmt: skip
