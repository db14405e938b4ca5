"""Reasons to believe a comparison less, each a sentence: few counts, unlike places, clumps, seasons, holes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from bluelamp import displacement
from bluelamp.before_after._parts import HELD, WORDS, Period, days_of
from bluelamp.errors import count_of
from bluelamp.occurrences import Occurrences

# Fewer than these, and the bell curve by which the interval is drawn does not fit counts well.
_FEW = 10
# Places that differ by more than this in what they had before can hardly be expected to change by as many.
_UNLIKE = 2.0
# Weeks that vary by more than this many times what chance alone would make them vary.
_CLUMPED = 1.5
_FEWEST_WEEKS = 8
# A treated place that rose so before the change was perhaps chosen because it had; one chance in twenty.
_ROSE = 1.645
# Offences are recorded up to weeks after they happened.
_RECORDED_LATE = timedelta(days=28)
# Where so many come in a day, a day without any is a hole in the record.
_BUSY = 8.0


def on_counts(counts: Mapping[str, tuple[int, int, int]], sizes: Mapping[str, float]) -> list[str]:
    """Say where counts are few, and where a place and its control had unlike ones."""
    notes = []
    few = [WORDS[part] for part, each in counts.items() if min(each[:2]) < _FEW]
    if few:
        notes.append(
            f"Fewer than {_FEW} were counted in one of the periods in the {' and the '.join(few)}: the interval is "
            "rough. Take longer periods, or more places."
        )
    for _, part, held in HELD:
        if part in counts and is_unlike(counts, sizes, part, held):
            own, other = (counts[each][0] / sizes[each] for each in (part, held))
            notes.append(
                f"Before, the {WORDS[part]} had {own:,.0f} and the {WORDS[held]} "
                f"{other:,.0f}{' (weighed by size)' if sizes[held] != 1 else ''}. The difference takes it that both "
                "would have changed by as many."
            )
    return notes


def is_unlike(counts: Mapping[str, Any], sizes: Mapping[str, float], part: str, held: str) -> bool:
    """Say whether a place and its control had counts before that differ by more than twice."""
    low, high = sorted(counts[each][0] / sizes[each] for each in (part, held))
    return bool(high > _UNLIKE * low)


def on_clumps(placed: pl.DataFrame, before: Period) -> list[str]:
    """Say whether weeks before vary by more than chance makes counts vary, because then the interval is narrow."""
    weeks = days_of(before) // 7
    if weeks < _FEWEST_WEEKS:
        return []
    since = before[1] - timedelta(days=7 * weeks - 1)
    inside = placed.filter(pl.col("day").is_between(since, before[1]), pl.col("part").is_in(["treated", "control"]))
    week = ((inside["day"] - since).dt.total_days() // 7).to_numpy()
    ratios = []
    for part in ("treated", "control"):
        each = np.bincount(week[(inside["part"] == part).to_numpy()], minlength=weeks)
        if each.mean() >= 1:
            ratios.append(float(each.var(ddof=1) / each.mean()))
    worst = max(ratios, default=0.0)
    if worst <= _CLUMPED:
        return []
    return [
        f"Weeks before vary {worst:.1f} times as much as counts vary by chance alone, so that the interval should be "
        f"about {worst**0.5:.1f} times as wide."
    ]


def on_choice(counts: Mapping[str, tuple[int, int, int]]) -> list[str]:
    """Say whether the treated place rose before the change, beyond its control: such places fall back by themselves."""
    own, other = ((counts[part][2], counts[part][0]) for part in ("treated", "control"))
    rose = displacement.weigh(own, other).local
    if rose.z is None or rose.z <= _ROSE:
        return []
    return [
        f"In as long a time before that, the treated place had {own[0]:,} and the control {other[0]:,}: it had risen "
        f"by {rose.estimate:+,.0f} beyond its control. A place that is chosen after a bad spell falls back by itself "
        "(regression to the mean), and some of the difference may be that."
    ]


def on_seasons(before: Period, after: Period) -> list[str]:
    """Say where the periods are of other seasons, which the control must then share."""
    middle = [period[0] + (period[1] - period[0]) / 2 for period in (before, after)]
    apart = abs((middle[0].timetuple().tm_yday - middle[1].timetuple().tm_yday + 182) % 365 - 182)
    if apart <= 31:
        return []
    return ["The periods are of other seasons: the difference is right only if both places have the same seasons."]


def on_what_is_known(of: Occurrences, before: Period, after: Period) -> list[str]:
    """Say where a period is not known whole: it reaches beyond the record, or into its last weeks, or over a hole."""
    if of.known is None:
        return []
    notes, (first, last) = [], of.known
    if before[0] < first or after[1] > last:
        notes.append(
            f"The {of.kind} reach from {first} to {last}, and the periods from {before[0]} to {after[1]}: one of them "
            "is not known whole."
        )
    elif of.kind == "offences" and last - after[1] < _RECORDED_LATE:
        notes.append(
            f"Offences are recorded later than they happen, and the period after ends "
            f"{count_of((last - after[1]).days, 'day')} before the last one known: some of it may be missing yet. "
            "Compare again in a month."
        )
    for name, period in (("before", before), ("after", after)):
        inside = of.rows.filter(pl.col("day").is_between(max(period[0], first), min(period[1], last)))
        days = days_of((max(period[0], first), min(period[1], last)))
        empty = days - inside["day"].n_unique()
        if empty > 0 and inside.height >= _BUSY * (days - empty):
            notes.append(
                f"{count_of(empty, 'day')} of the period {name} {'has' if empty == 1 else 'have'} none anywhere in the "
                "force: the record has a hole there."
            )
    return notes
