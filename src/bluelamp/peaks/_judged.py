"""What was said of shifts to come, held against what came in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from bluelamp import tables
from bluelamp.peaks._told import LEAST_EXPECTED, LISTED
from bluelamp.peaks._usual import YEAR_WEEKS, find_usual
from bluelamp.pools import UNKNOWN_AREA
from bluelamp.shifts import Coming, Floats, count_past

# Bands of a stated chance, in which it is held against how often it came true.
_BANDS = 5
_BAND_WORDS = [f"{100 * number // _BANDS} to {100 * (number + 1) // _BANDS} %" for number in range(_BANDS)]
_JUDGED_BY = ["level", "measure", "what", "band"]
JUDGED: dict[str, pl.DataType] = {
    **dict.fromkeys(_JUDGED_BY, pl.String()), "told": pl.Int64(), "said": pl.Float64(), "came": pl.Float64(),
}  # fmt: skip


def judge(
    coming: Coming,
    demand: pl.DataFrame,
    outages: pl.DataFrame,
    came: pl.DataFrame,
    broken: pl.DataFrame,
    *,
    until: datetime,
    known_until: datetime,
    came_until: datetime,
    time_zone: str,
    false_alarms: float,
    share: float,
) -> pl.DataFrame:
    """Hold what would have been said of the seven days that begin `until` against what came in them.

    `demand` and `outages` are what was known then, as far as `known_until`; `came` and `broken` what is known today, as
    far as `came_until`. Gives sums by level, measure, `what` and `band`: how many were `told`, the sum of what was
    `said` (chances, or shares) and of what `came` (how many did, or shares). They are of chances to exceed the usual
    and the control limit, by the band that was stated; of shifts that were listed, whether they were among as many
    highest ones; and of the fewest areas and shifts that were to hold a `share` of the week, what they held.
    """
    cut = coming.cut
    before = count_past(
        demand, outages, cut, until=until, known_until=known_until, weeks=YEAR_WEEKS, time_zone=time_zone
    )
    after = count_past(
        came, broken, cut, until=coming.shifts.stretches.ends_at[-1], known_until=came_until, weeks=1,
        time_zone=time_zone,
    )  # fmt: skip
    usual, real, in_areas = find_usual(before[0], 21, false_alarms), after[0], after[2]
    ahead, slot = coming.shifts, coming.shifts.stretches.slot
    if len(slot) != len(real.slot):
        return pl.DataFrame(schema=JUDGED)
    with_place = np.array([name != UNKNOWN_AREA for _, name in cut.places])
    enough = (ahead.expected.mean(axis=2) >= LEAST_EXPECTED["force"]) & with_place[:, None]
    rows: list[dict[str, Any]] = []

    def add(place: int, measure: int, what: str, band: str, said: Floats, came_true: Floats) -> None:
        about = {"level": cut.places[place][0], "measure": cut.measures[measure], "what": what, "band": band}
        rows.append(about | {"told": len(said), "said": float(said.sum()), "came": float(came_true.sum())})

    size = int(np.ceil(LISTED * len(slot)))
    for place, measure in np.argwhere(enough).tolist():
        counts, of_paths = real.counts[place, measure], ahead.counts[place, measure]
        for what, by_slot in (("above_usual", usual.mean), ("unusual", usual.limit)):
            bound = by_slot[place, measure, slot]
            said = (of_paths > bound[:, None]).mean(axis=1)
            band = np.minimum((said * _BANDS).astype(np.int64), _BANDS - 1)
            for number, words in enumerate(_BAND_WORDS):
                here = real.seen & ~np.isnan(bound) & (band == number)
                add(place, measure, what, words, said[here], (counts > bound)[here])
        # A week with a hole in it can't be ranked.
        if real.seen.all():
            listed = np.argsort(-ahead.expected[place, measure], kind="stable")[:size]
            # Where several share the last place among the highest, each of them is among them.
            among = (each >= np.sort(each, axis=0)[-size] for each in (of_paths, counts))
            add(
                place,
                measure,
                "highest",
                "all",
                *(is_high.reshape(len(slot), -1).mean(axis=1)[listed] for is_high in among),
            )
    areas = coming.areas.to(coming.area_shifts)
    for number, measure_name in enumerate(cut.wholes):
        expected, counts = areas.expected[:, number].ravel(), in_areas.counts[:, number].ravel()
        if real.seen.all() and expected.sum() > 0 and counts.sum() > 0:
            order = np.argsort(-expected, kind="stable")
            upto = np.cumsum(expected[order]) / expected.sum()
            last = int(np.searchsorted(upto, share))
            held = counts[order[: last + 1]].sum() / counts.sum()
            about = {"level": "area", "measure": measure_name, "what": "share", "band": "all"}
            rows.append(about | {"told": 1, "said": float(upto[last]), "came": float(held)})
    return (
        pl.DataFrame(rows, schema=JUDGED)
        .filter(pl.col("told") > 0)
        .group_by(_JUDGED_BY, maintain_order=True)
        .agg(pl.all().sum())
    )


def summarise_judged(sums: pl.DataFrame) -> pl.DataFrame:
    """Add up what `judge` gave by `method`, as the table `backtest_peaks`: shares of what was said and of what came."""
    by = ["method", *_JUDGED_BY]
    summed = sums.group_by(by).agg(pl.col("told", "said", "came").sum())
    shares = summed.with_columns(said=pl.col("said") / pl.col("told"), came_true=pl.col("came") / pl.col("told"))
    return tables.publish(shares, "backtest_peaks")
