"""The fewest places and hours that hold a share of the coming week's work."""

from __future__ import annotations

import numpy as np
import polars as pl

from bluelamp import quantiles, tables
from bluelamp.pools import UNKNOWN_AREA
from bluelamp.shifts import Coming

# The table goes on until its rows hold this share, so that any smaller one can be asked for.
MOST_SHARE = 0.5
# What they hold lies between these quantiles, in four weeks of five.
RANGE = (0.1, 0.9)


def find_peak_hours(coming: Coming, most: float = MOST_SHARE) -> pl.DataFrame:
    """Rank the coming week's areas × shifts (or hours, where areas have an incident an hour) by what is expected, and
    say how much the first so many of them hold, as the table `peak_hours`.

    Fewer places and hours can't be expected to hold as much. The range is that of the share which these very ones hold
    over the joint paths, in which no one knows beforehand where most will fall. Rows go on until they hold `most` of
    all; what has no known place counts in the whole.
    """
    cut, ahead = coming.cut, coming.areas
    known = np.array([name != UNKNOWN_AREA for name in cut.area_ids])
    stretches = len(ahead.stretches)
    starts, ends = ahead.stretches.starts_at, ahead.stretches.ends_at
    parts = []
    for number, measure in enumerate(cut.wholes):
        expected = ahead.expected[known, number].ravel()
        whole = float(ahead.expected[:, number].sum())
        if whole <= 0:
            continue
        order = np.argsort(-expected, kind="stable")
        upto = np.cumsum(expected[order]) / whole
        size = min(int(np.searchsorted(upto, most)) + 1, len(order))
        chosen = order[:size]
        in_paths = ahead.counts[:, number].sum(axis=(0, 1))
        counts = ahead.counts[known, number].reshape(len(expected), -1)[chosen]
        low, high = quantiles.of_sums(np.cumsum(counts, axis=0) / np.maximum(in_paths, 1), RANGE).T
        area, at = np.divmod(chosen, stretches)
        names = np.array(cut.area_ids)[known]
        parts.append(
            pl.DataFrame(
                {
                    "measure": pl.repeat(measure, size, dtype=pl.String, eager=True),
                    "rank": np.arange(1, size + 1),
                    "area_id": pl.Series(names[area].tolist(), dtype=pl.String),
                    "starts_at": starts[at],
                    "ends_at": ends[at],
                    "expected": expected[chosen],
                    "share": upto[:size],
                    "share_p10": low,
                    "share_p90": high,
                    "cells": np.full(size, len(expected), dtype=np.int64),
                }
            )
        )
    if not parts:
        return tables.empty("peak_hours")
    return tables.publish(pl.concat(parts).with_columns(counted=pl.lit(cut.counted)), "peak_hours")


def up_to(peak_hours: pl.DataFrame, share: float) -> pl.DataFrame:
    """Keep the fewest rows of `peak_hours` that hold a share of what is expected, measure by measure."""
    before = pl.col("share").shift(1, fill_value=0.0).over("counted", "measure", order_by="rank")
    return peak_hours.filter(before < share)
