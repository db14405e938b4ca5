"""From sums to scores: what each method is worth at each level, how sure that is, and where it is bad."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from bluelamp import scoring, tables
from bluelamp.backtest._trial import SPOT_SUMS, SUMS
from bluelamp.scoring import Floats

DRAWS = 2000
BLOCK_WEEKS = 4
# Fewer weeks say nothing of how sure a difference is.
LEAST_WEEKS = 8
HORIZONS = ("all", "day_1", "days_2_7", "days_8_28", "days_29_56")


def summarise(scores: pl.DataFrame, naive: Sequence[str], seed: int) -> pl.DataFrame:
    """Give the scores of each method by level, sum and horizon, with the difference to the best naive one.

    The best naive method is the one that is hardest to beat at the same origins, chosen after the fact.
    """
    keys = ["method", "level", "span", "horizon"]
    scores = scores.sort("method", "origin_at", "level", "span", "horizon", "week_ahead")
    every = pl.concat([scores, scores.with_columns(horizon=pl.lit("all"))])
    # In order, so that sums of fractions are the same every time.
    summed = every.group_by(keys, maintain_order=True).agg(
        *(pl.col(name).sum() for name in SUMS), origins=pl.col("origin_at").n_unique()
    )
    told = summed.filter(pl.col("forecasts") > 0).with_columns(
        scrps=_over("crps", "incidents"),
        wape=_over("absolute", "incidents"),
        mase=_over("scaled_absolute", "scaled"),
        rmsse=_over("scaled_squared", "scaled").sqrt(),
        bias=_over("expected", "incidents") - 1,
        coverage_50=_over("inside_50", "forecasts"),
        coverage_80=_over("inside_80", "forecasts"),
        coverage_95=_over("inside_95", "forecasts"),
        over_claimed=_over("crps", "crps_claimed"),
        energy=_over("energy", pl.when(pl.col("vectors") > 0).then(pl.col("incidents"))),
    )
    return tables.publish(told.join(_differences(scores, naive, seed), on=keys, how="left"), "backtest_summary")


def _over(part: str, whole: str | pl.Expr) -> pl.Expr:
    below = pl.col(whole) if isinstance(whole, str) else whole
    return pl.when(below > 0).then(pl.col(part) / below)


def _differences(scores: pl.DataFrame, naive: Sequence[str], seed: int) -> pl.DataFrame:
    rows = []
    for (level, span), here in scores.group_by("level", "span", maintain_order=True):
        wide = here.pivot("method", index=["origin_at", "horizon", "week_ahead", "week_starting"], values="crps").sort(
            "week_starting", "origin_at", "horizon"
        )
        for horizon in HORIZONS:
            some = wide if horizon == "all" else wide.filter(horizon=horizon)
            for method in here["method"].unique().sort():
                found = _against_best(some, method, naive, seed)
                if found is not None:
                    rows.append({"method": method, "level": level, "span": span, "horizon": horizon} | found)
    shape = {name: tables.table("backtest_summary").polars_schema[name] for name in (
        "method", "level", "span", "horizon", "against", "difference", "difference_low", "difference_high"
    )}  # fmt: skip
    return pl.DataFrame(rows, schema=shape)


def _against_best(wide: pl.DataFrame, method: str, naive: Sequence[str], seed: int) -> dict[str, object] | None:
    own = wide.filter(pl.col(method).is_not_null())
    best = None
    for other in naive:
        if other == method or other not in wide.columns:
            continue
        both = own.filter(pl.col(other).is_not_null())
        # A method that existed at few of the origins is no measure for the others.
        if 2 * both["origin_at"].n_unique() < own["origin_at"].n_unique() or not both[other].sum():
            continue
        difference = float(both[method].sum()) / float(both[other].sum()) - 1
        if best is None or difference > best[0]:
            best = difference, other, both
    if best is None:
        return None
    difference, other, both = best
    low, high = _interval(both.select("week_starting", own=pl.col(method), other=pl.col(other)), seed)
    return {"against": other, "difference": difference, "difference_low": low, "difference_high": high}


def _interval(both: pl.DataFrame, seed: int) -> tuple[float | None, float | None]:
    """Give the 95% interval of a ratio of sums, less one, by resampling weeks in blocks."""
    weeks = (
        both.group_by("week_starting", maintain_order=True)
        .agg(pl.col("own").sum(), pl.col("other").sum())
        .sort("week_starting")
    )
    if weeks.height < LEAST_WEEKS:
        return None, None
    drawn = scoring.draw_blocks(weeks.height, BLOCK_WEEKS, DRAWS, seed)
    own, other = (weeks[name].to_numpy()[drawn].sum(axis=1) for name in ("own", "other"))
    ratios: Floats = own / np.maximum(other, 1e-12) - 1
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def find_weak_spots(spots: pl.DataFrame) -> pl.DataFrame:
    """Give each method's hours of the week, special days and areas, those where it loses most first."""
    summed = spots.group_by("method", "kind", "spot", maintain_order=True).agg(pl.col(name).sum() for name in SPOT_SUMS)
    told = summed.with_columns(
        scrps=_over("crps", "incidents"),
        bias=_over("expected", "incidents") - 1,
        coverage_80=_over("inside_80", "forecasts"),
        over_claimed=_over("crps", "crps_claimed"),
        lost=pl.col("crps") - pl.col("crps_claimed"),
    ).sort("method", "kind", "lost", "spot", descending=[False, False, True, False])
    ranked = told.with_columns(rank=pl.int_range(1, pl.len() + 1).over("method", "kind"))
    return tables.publish(ranked, "backtest_weak_spots")
