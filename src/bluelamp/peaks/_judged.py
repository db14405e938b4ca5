"""What was said of shifts to come, held against what came in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from bluelamp import tables
from bluelamp.peaks._hours import RANGE, find_peak_hours, up_to
from bluelamp.peaks._told import LEAST_EXPECTED, LISTED
from bluelamp.peaks._usual import YEAR_WEEKS, find_usual
from bluelamp.pools import UNKNOWN_AREA
from bluelamp.shifts import Coming, Floats, count_past

# Bands of a stated chance, in which it is held against how often it came true.
_BANDS = 5
_BAND_WORDS = [f"{100 * number // _BANDS} to {100 * (number + 1) // _BANDS}%" for number in range(_BANDS)]
_JUDGED_BY = ["counted", "level", "measure", "what", "band"]
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
    far as `came_until`. Gives sums by what is counted, level, measure, `what` and `band`: how many were `told`, the sum
    of what was `said` (chances, or shares) and of what `came` (how many did, or shares). They are of chances to exceed
    the usual and the control limit, by the band that was stated; of shifts that were listed, whether they were among as
    many highest ones; and of the fewest places and times that were to hold a `share` of the week, what they held, and
    whether that lay within the range that was stated.
    """
    cut = coming.cut
    before = count_past(
        demand, outages, cut, until=until, known_until=known_until, weeks=YEAR_WEEKS, time_zone=time_zone
    )
    after = count_past(
        came, broken, cut, until=coming.shifts.stretches.ends_at[-1], known_until=came_until, weeks=1,
        time_zone=time_zone,
    )  # fmt: skip
    usual, real = find_usual(before[0], 21, false_alarms), after[0]
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
    if real.seen.all():
        rows += _judge_share(coming, came, share)
    return (
        pl.DataFrame(rows, schema=JUDGED)
        .with_columns(counted=pl.lit(cut.counted))
        .filter(pl.col("told") > 0)
        .group_by(_JUDGED_BY, maintain_order=True)
        .agg(pl.all().sum())
    )


def _judge_share(coming: Coming, came: pl.DataFrame, share: float) -> list[dict[str, Any]]:
    """Say what the places and times held that `peak_hours` would have listed, and whether that is in its range."""
    cut, stretches = coming.cut, coming.areas.stretches
    chosen = up_to(find_peak_hours(coming, share), share)
    week = came.filter(
        pl.col("hour_starting") >= stretches.starts_at[0], pl.col("hour_starting") < stretches.ends_at[-1],
        pl.col("area_id").is_in(cut.area_ids),
    )  # fmt: skip
    at = stretches.starts_at.search_sorted(week["hour_starting"], side="right") - 1
    week = week.with_columns(starts_at=stretches.starts_at[at])
    rows: list[dict[str, Any]] = []
    for measure in cut.wholes:
        of_measure = week.filter(pl.col("class_code").is_in(cut.classes)) if measure == "offending" else week
        listed = chosen.filter(measure=measure).sort("rank")
        whole = float(of_measure["incidents"].sum())
        if listed.is_empty() or not whole:
            continue
        held = float(of_measure.join(listed, on=["area_id", "starts_at"], how="semi")["incidents"].sum()) / whole
        last = listed.row(-1, named=True)
        is_inside = last["share_p10"] <= held <= last["share_p90"]
        rows += [
            {"level": "area", "measure": measure, "what": what, "band": "all", "told": 1, "said": said, "came": found}
            for what, said, found in (
                ("share", last["share"], held),
                ("share_in_range", RANGE[1] - RANGE[0], float(is_inside)),
            )
        ]
    return rows


def summarise_judged(sums: pl.DataFrame) -> pl.DataFrame:
    """Add up what `judge` gave by `method`, as the table `backtest_peaks`: shares of what was said and of what came."""
    by = ["method", *_JUDGED_BY]
    summed = sums.group_by(by).agg(pl.col("told", "said", "came").sum())
    shares = summed.with_columns(said=pl.col("said") / pl.col("told"), came_true=pl.col("came") / pl.col("told"))
    return tables.publish(shares, "backtest_peaks")
