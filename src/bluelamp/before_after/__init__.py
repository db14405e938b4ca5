"""Before and after: what changed where something was done, beyond a place left alone, and in the ring about it.

The counts go into the weighted displacement difference (`displacement`). Ground is cut so that nothing counts twice:
the treated place first, then its ring, then what is left of the control, then the ring about that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from bluelamp import displacement, tables
from bluelamp.before_after._doubts import (
    is_unlike,
    on_choice,
    on_clumps,
    on_counts,
    on_seasons,
    on_what_is_known,
)
from bluelamp.before_after._ground import Ground, Words
from bluelamp.before_after._parts import ESTIMATES, HELD, PARTS, WORDS, Period, days_of
from bluelamp.errors import UsageError, count_of
from bluelamp.occurrences import Occurrences

__all__ = ["ESTIMATES", "MEANINGS", "PARTS", "WORDS", "BeforeAfter", "compare_periods", "days_of"]

MEANINGS = (
    "Counts are of what was recorded. Where something was done, more is reported, and officers find more.",
    "Chance is not all: an event, a closed pub or a rule of recording in one of the places looks just like an effect.",
    "A place chosen because it was bad gets better by itself (regression to the mean); a control as bad as it was then "
    "guards against that, and a quiet one does not.",
    "Crime may move to other hours, other classes or beyond the ring, which this does not look at.",
)


@dataclass(frozen=True)
class BeforeAfter:
    """The table `before_after`, and what it was made from."""

    table: pl.DataFrame
    of: Occurrences
    before: Period
    after: Period
    notes: list[str]
    unlike: bool

    def row(self, part: str) -> dict[str, Any]:
        """Give one row of the table; empty where there is none of the part."""
        rows = self.table.filter(part=part)
        return rows.row(0, named=True) if rows.height else {}

    def sentences(self) -> list[str]:
        """Say what changed, and how sure that is."""
        treated, control, local, total = (self.row(part) for part in ("treated", "control", "local", "total"))
        went = [
            f"from {row['before']:,} to {row['after']:,} {self.of.kind}"
            + ("" if row["ratio"] is None else f" ({_percent(row['ratio'])})")
            for row in (treated, control)
        ]
        said = [f"The treated place went {went[0]}, the control {went[1]}."]
        if days_of(self.before) != days_of(self.after):
            said.append(
                f"The periods are {count_of(days_of(self.before), 'day')} and {count_of(days_of(self.after), 'day')} "
                "long: differences are in counts of the one after, and percentages are for as many days."
            )
        said.append(f"Beyond its control, the treated place changed by {_told(local)}{_share(local)}.")
        if ring := self.row("displaced"):
            said += [
                f"Its ring changed by {_told(ring)}{_share(ring)} beyond its own control: above 0 may have moved "
                "there, below 0 may have been prevented there too.",
                f"Together that is {_told(total)}.",
            ]
        if self.unlike:
            said.append(
                "No verdict by the difference: a place and its control had so unlike counts before that they would "
                "hardly have changed by as many. Go by the percentages, or choose a control that had about as many."
            )
            return said
        said.append(f"At the treated place {_verdict(local)}.")
        if self.row("displaced"):
            said.append(
                f"With its ring {_verdict(total)}."
                + (" The ring's own chance is in that too." if _is_chance(total) and not _is_chance(local) else "")
            )
        return said

    def lines(self) -> list[str]:
        """Give the counts as lines of a table, and what they say, leave out and do not mean."""
        lines = [
            f"Before and after: {self.of.what}, {' to '.join(map(str, self.before))} against "
            f"{' to '.join(map(str, self.after))}.",
            "",
            f"{'':22}{'before':>8}{'after':>8}{'change':>10}{'95% interval':>22}",
        ]
        # Without a ring, all is local.
        told = (*PARTS, *ESTIMATES) if self.row("displaced") else (*PARTS, ESTIMATES[0])
        for part in told:
            if row := self.row(part):
                counts = "".join("" if row[name] is None else f"{row[name]:,}".rjust(8) for name in ("before", "after"))
                between = f"{row['difference_low']:+,.1f} to {row['difference_high']:+,.1f}"
                lines.append(f"{WORDS[part]:22}{counts:16}{row['difference']:+10,.1f}{between:>22}")
        said = {"": self.sentences(), "To know:": self.notes, "What this does not say:": list(MEANINGS)}
        for head, sentences in said.items():
            lines += ["", *([head] if head else []), *(f"- {each}" for each in sentences)] if sentences else []
        return lines


def _told(row: Mapping[str, Any]) -> str:
    return f"{row['difference']:+,.1f} (95% interval {row['difference_low']:+,.1f} to {row['difference_high']:+,.1f})"


def _percent(ratio: float) -> str:
    return f"{round(100 * (ratio - 1)):+,d}%"


def _share(row: Mapping[str, Any]) -> str:
    if row["ratio"] is None:
        return ""
    return f", or by {_percent(row['ratio'])} ({_percent(row['ratio_low'])} to {_percent(row['ratio_high'])})"


def _is_chance(row: Mapping[str, Any]) -> bool:
    return bool(row["difference_low"] <= 0 <= row["difference_high"])


def _verdict(row: Mapping[str, Any]) -> str:
    if _is_chance(row):
        return "that may be chance: the interval holds 0, no difference, beside what would be worth having"
    few = "fewer" if row["difference_high"] < 0 else "more"
    return f"that is {few} than chance alone makes likely, if both would otherwise have changed by as many"


def compare_periods(
    of: Occurrences,
    *,
    treated: Words,
    control: Words,
    before: Period,
    after: Period,
    ring_metres: float | None = None,
    ring_control: Words = (),
    by_size: bool = False,
) -> BeforeAfter:
    """Compare two periods of local days, both ends included, in a treated place, a control and a ring about it.

    Places are ids of areas, or files of boundaries; several make one place. `of` reaches over both periods, and as far
    back before the first as it is long, if it can be seen whether the treated place was chosen in a bad spell. Without
    `ring_control`, the ring about the control, equally wide, is the ring's. `by_size` divides by how many times as
    large a control is as its place.

    Raises UsageError for periods or places that can't be compared, NoInput where a file is not there.
    """
    _insist(before, after, treated, control, ring_metres, ring_control)
    ground = Ground.of(of, treated, control, ring_metres, ring_control, after[1])
    earlier = before[0] - timedelta(days=days_of(before)), before[0] - timedelta(days=1)
    placed = of.rows.with_columns(part=ground.parts)
    counts = {
        part: (_count(placed, part, before), _count(placed, part, after), _count(placed, part, earlier))
        for part in ground.known
    }
    sizes = ground.sizes(by_size)
    periods = (days_of(before) / days_of(after), 1.0)
    four = [counts.get(part, (0, 0, 0)) for part in PARTS]
    weighed = displacement.weigh(
        *((each[0], each[1]) for each in four), periods=periods, sizes=[sizes[part] for part in PARTS],
    )  # fmt: skip
    changes = {
        part: displacement.change((counts[part][0], counts[part][1]), periods=periods, size=sizes[part])
        for part in ground.known
    }
    estimates = {"local": weighed.local, "displaced": weighed.displaced, "total": weighed.total}
    if ring_metres is None:
        del estimates["displaced"]
    ratios = {part: displacement.relative(counts[part][:2], periods=periods) for part in ground.known}
    ratios |= {
        name: displacement.relative(counts[part][:2], counts[held][:2], periods=periods)
        for name, part, held in HELD
        if part in counts
    }
    rows: list[dict[str, Any]] = [
        {
            "part": part, "area_km2": ground.square_km.get(part), "before": counts.get(part, (None, None))[0],
            "after": counts.get(part, (None, None))[1], "size": sizes.get(part) if part in counts else None,
            "difference": each.estimate, "standard_error": each.standard_error,
            "difference_low": each.interval[0], "difference_high": each.interval[1], "z": each.z,
        }
        | _ratio_columns(ratios.get(part))
        for part, each in (changes | estimates).items()
    ]  # fmt: skip
    table = pl.DataFrame(rows, schema=tables.table("before_after").polars_schema)
    notes = [*of.notes, *ground.notes, *on_counts(counts, sizes), *on_clumps(placed, before)]
    if of.rows.filter(pl.col("day") < before[0]).height:
        notes += on_choice(counts)
    notes += [*on_seasons(before, after), *on_what_is_known(of, before, after)]
    unlike = any(is_unlike(counts, sizes, part, held) for _, part, held in HELD if part in counts)
    return BeforeAfter(tables.publish(table, "before_after"), of, before, after, notes, unlike)


def _ratio_columns(ratio: displacement.Ratio | None) -> dict[str, float]:
    if ratio is None:
        return {}
    return {"ratio": ratio.estimate, "ratio_low": ratio.interval[0], "ratio_high": ratio.interval[1]}


def _insist(
    before: Period, after: Period, treated: Words, control: Words, ring_metres: float | None, ring_control: Words
) -> None:
    problems = [
        f"The period {name} ends on {period[1]}, before it begins on {period[0]}."
        for name, period in (("before", before), ("after", after))
        if period[1] < period[0]
    ]
    if not problems and before[1] >= after[0]:
        problems.append(f"The period before ends on {before[1]}, and the one after begins on {after[0]}: they overlap.")
    if not treated:
        problems.append("No treated place is named: an area's id, or a file of boundaries.")
    if not control:
        problems.append(
            "No control is named: a place like the treated one that was left alone. Without it nobody can tell what "
            "would have come anyway."
        )
    if ring_metres is not None and not 0 < ring_metres <= 20_000:
        problems.append(f"A ring of {ring_metres:,.0f} m is none: more than 0 and up to 20,000 was expected.")
    if ring_control and ring_metres is None:
        problems.append("A control of the ring is named, and no ring. Say how wide it is.")
    if problems:
        raise UsageError("These periods can't be compared:", problems)


def _count(placed: pl.DataFrame, part: str, period: Period) -> int:
    return placed.filter(pl.col("part") == part, pl.col("day").is_between(*period)).height
