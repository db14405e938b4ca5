"""What would happen: two plans for the coming days side by side, on the same drawn work.

A change is more or less demand, longer or shorter calls, units moved, pools merged, another target. Both plans answer
the same incidents, drawn with the same luck (common random numbers), so that what differs is what was changed; the
difference is told with its range over the drawn weeks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from bluelamp import periods, tables
from bluelamp.coming_work import Coming
from bluelamp.drawn_work import by_the_hour
from bluelamp.errors import UsageError, count_of, did_you_mean, one_of
from bluelamp.offered_work import Target
from bluelamp.pools import Integers, holds_at
from bluelamp.simulation import Cover
from bluelamp.solving import Answered, answer, compare_answers

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
RUNS = 100
Progress = Callable[[float], None]


@dataclass(frozen=True)
class UnitsMoved:
    """So many more (or fewer) units in a pool, on some days of the week, from one local hour to another."""

    pool_id: str
    more: int
    days: tuple[str, ...] = DAYS
    from_hour: int = 0
    to_hour: int = 24


@dataclass(frozen=True)
class TargetChanged:
    """Another time or share for a grade, in one kind of area or in all."""

    grade_code: str
    minutes: float | None = None
    share: float | None = None
    area_kind: str | None = None


@dataclass(frozen=True)
class Change:
    """What is changed of the plan as it stands."""

    demand: float = 1.0
    service: float = 1.0
    units: tuple[UnitsMoved, ...] = ()
    merged: tuple[tuple[str, ...], ...] = ()
    targets: tuple[TargetChanged, ...] = ()

    @property
    def is_none(self) -> bool:
        """Whether nothing is changed."""
        return self == Change()


@dataclass(frozen=True)
class Compared:
    """Two plans: table `what_if`, and what it says in sentences."""

    table: pl.DataFrame
    sentences: list[str]

    def lines(self) -> list[str]:
        """Give a line a grade and pool, and what it says."""
        told = [f"{'grade':<8} {'pool':<10} {'calls':>8} {'changed':>8} {'late':>7} {'changed':>8} {'difference':>26}"]
        for row in self.table.iter_rows(named=True):
            difference = (
                f"{row['difference'] * 100:+.1f} ({row['difference_low'] * 100:+.1f} to "
                f"{row['difference_high'] * 100:+.1f})"
            )
            told.append(
                f"{row['grade_code']:<8} {row['pool_id']:<10} {row['calls_before']:>8,.1f} {row['calls_after']:>8,.1f} "
                f"{row['late_before']:>7.1%} {row['late_after']:>8.1%} {difference:>26}"
            )
        return [*told, "", *self.sentences]


@dataclass
class WhatIf:
    """The coming days, with the plan as it stands worked out once, so that changes are answered quickly.

    `units` (pools × hours) are those of the plan as it stands: those on duty, or those required where duties are not
    known.
    """

    coming: Coming
    units: Integers
    runs: int = RUNS
    _kept: dict[tuple[float, float], Answered] = field(default_factory=dict)

    @classmethod
    def of(cls, coming: Coming, runs: int = RUNS) -> WhatIf:
        """Begin from the units on duty, and from those required in the hours for which nobody knows duties."""
        known = ~np.isnan(coming.on_duty)
        return cls(coming, np.where(known, np.nan_to_num(coming.on_duty), coming.required).astype(np.int64), runs)

    def compare(self, change: Change, progress: Progress = lambda share: None) -> Compared:
        """Hold a change against the plan as it stands. Raises UsageError for pools, grades or hours not there."""
        problems = _problems_with(change, self.coming)
        if problems:
            raise UsageError("The change can't be tried:", problems)
        before = self._stands(lambda share: progress(share / 2))
        after = self._changed(change, lambda share: progress(0.5 + share / 2))
        table = _tabulate(self.coming, before, after)
        days = round(len(self.coming.hours) / 24)
        return Compared(table, [*_say(table, self.runs, days, change), *self._idle(change)])

    def _idle(self, change: Change) -> list[str]:
        """Say of units moved in hours in which their pool covers nothing that they answer nothing then."""
        cover, told = self.coming.ground.pool_hours, []
        for moved in change.units:
            at = hours_of(self.coming, moved)
            idle = int((~cover.runs[cover.pool_ids.index(moved.pool_id), at]).sum())
            if idle:
                told.append(
                    f"{moved.pool_id} covers nothing in {idle} of the {count_of(len(at), 'hour')} in which its units "
                    "are changed: another pool does then."
                )
        return told

    def _stands(self, progress: Progress) -> Answered:
        if (1.0, 1.0) not in self._kept:
            self._kept[1.0, 1.0] = self._answered(Change(), self.units, self.coming.ground.cover, progress)
        return self._kept[1.0, 1.0]

    def _changed(self, change: Change, progress: Progress) -> Answered:
        coming = self.coming
        units, cover = self.units.copy(), coming.ground.cover
        pools = coming.ground.pool_hours.pool_ids
        for moved in change.units:
            at = hours_of(coming, moved)
            units[pools.index(moved.pool_id), at] = np.maximum(units[pools.index(moved.pool_id), at] + moved.more, 0)
        for names in change.merged:
            numbers = [pools.index(name) for name in names]
            units[numbers[0]] = units[numbers].sum(axis=0)
            units[numbers[1:]] = 0
            own = np.where(np.isin(cover.own, numbers), numbers[0], cover.own)
            cover = Cover.of(own=own, also=np.where(np.isin(cover.also, numbers), numbers[0], cover.also))
        return self._answered(change, units, cover, progress)

    def _answered(self, change: Change, units: Integers, cover: Cover, progress: Progress) -> Answered:
        coming = self.coming
        ground = coming.ground
        if change.targets:
            targets = [_with_target(each, change.targets) for each in ground.targets]
            ground = replace(ground, targets=targets)
            coming = replace(coming, ground=ground)
        cases = coming.cases(self.runs, 1, demand=change.demand, service=change.service)
        out, rules = by_the_hour(units, ground)
        return answer(ground, cases, out, cover, rules, progress=progress)


def hours_of(coming: Coming, moved: UnitsMoved) -> Integers:
    """Give the hours of the coming days in which units are moved: those that begin on the days and between the hours;
    where they run past midnight they belong to the day on which they begin.
    """
    parts = periods.local_parts(coming.hours, coming.settings.force.time_zone)
    hour, weekday = parts["hour"].to_numpy(), parts["day"].dt.weekday().to_numpy() - 1
    past_midnight = moved.from_hour >= moved.to_hour
    begun = np.where(past_midnight & (hour < moved.to_hour), (weekday - 1) % 7, weekday)
    inside = np.array([holds_at(moved.from_hour, moved.to_hour, int(each)) for each in hour], dtype=np.bool_)
    return np.flatnonzero(inside & np.isin(begun, [DAYS.index(day) for day in moved.days]))


def _with_target(target: Target, changes: Sequence[TargetChanged]) -> Target:
    for change in changes:
        if change.grade_code == target.grade_code and change.area_kind in (None, target.area_kind):
            by = 0.0 if change.minutes is None else change.minutes - target.target_minutes
            target = replace(
                target,
                due_minutes=target.due_minutes + by,
                target_minutes=target.target_minutes + by,
                target_share=target.target_share if change.share is None else change.share,
            )
    return target


# ---- reading a change ----

_UNITS = re.compile(
    r"(?P<pool>[^@=]+)(?:@(?P<days>[A-Za-z,]+)?\s*(?:(?P<begins>\d+)-(?P<ends>\d+))?)?=(?P<more>[+-]\d+)$"
)
_TARGET = re.compile(
    r"(?P<grade>[^:=]+)(?::(?P<kind>[^=]+))?=(?P<minutes>\d+(?:\.\d+)?)?(?:/(?P<share>0?\.\d+|\d+%))?$"
)


def read_change(
    *,
    demand: float = 1.0,
    service: float = 1.0,
    units: Sequence[str] = (),
    merge: Sequence[str] = (),
    targets: Sequence[str] = (),
) -> Change:
    """Read a change as people write it: `R-D1@Fri,Sat 22-6=+1`, `R-D1+R-D2`, `1:urban=12`, `2=/80%`.

    Raises UsageError with all that can't be read.
    """
    problems = []
    for name, value in (("demand", demand), ("service", service)):
        if not 0.1 <= value <= 5:
            problems.append(f"{name} {value:g} times: 0.1 to 5 times what is usual was expected.")
    moved, changed = [], []
    for text in units:
        found = _UNITS.match(text.strip())
        days = (
            tuple(each.strip().capitalize()[:3] for each in (found["days"] or ",".join(DAYS)).split(","))
            if found
            else ()
        )
        if not found or not set(days) <= set(DAYS) or not _are_hours(found["begins"], found["ends"]):
            problems.append(
                f"units '{text}': a pool, perhaps days and hours, and a number such as 'R-D1@Fri,Sat 22-6=+1'."
            )
            continue
        moved.append(
            UnitsMoved(found["pool"], int(found["more"]), days, int(found["begins"] or 0), int(found["ends"] or 24))
        )
    for text in targets:
        found = _TARGET.match(text.strip())
        if not found or (found["minutes"] is None and found["share"] is None):
            problems.append(f"target '{text}': a grade, perhaps a kind of area, minutes, a share, as '1:urban=12/90%'.")
            continue
        share = found["share"]
        changed.append(
            TargetChanged(
                found["grade"],
                None if found["minutes"] is None else float(found["minutes"]),
                None if share is None else float(share.rstrip("%")) / (100 if share.endswith("%") else 1),
                found["kind"],
            )
        )
    merged = []
    for text in merge:
        names = tuple(dict.fromkeys(each.strip() for each in text.split("+")))
        if len(names) < 2 or not all(names):
            problems.append(f"merge '{text}': two pools or more, as 'R-D1+R-D2'.")
        else:
            merged.append(names)
    if problems:
        raise UsageError("The change can't be read:", problems)
    return Change(demand, service, tuple(moved), tuple(merged), tuple(changed))


def _are_hours(begins: str | None, ends: str | None) -> bool:
    return begins is None or ends is None or (int(begins) < 24 and int(ends) <= 24 and begins != ends)


def _problems_with(change: Change, coming: Coming) -> list[str]:
    pools, ground = coming.ground.pool_hours.pool_ids, coming.ground
    named = [*(each.pool_id for each in change.units), *(each for names in change.merged for each in names)]
    problems = [
        f"There is no pool '{name}'. {one_of(pools)} was expected.{did_you_mean(name, pools)}"
        for name in named
        if name not in pools
    ]
    graded = sorted({each.grade_code for each in ground.targets})
    for each in change.targets:
        kinds = sorted({target.area_kind for target in ground.targets if target.grade_code == each.grade_code})
        if each.grade_code not in graded:
            problems.append(f"There is no target for grade '{each.grade_code}'. {one_of(graded)} was expected.")
        elif each.area_kind is not None and each.area_kind not in kinds:
            problems.append(
                f"Grade '{each.grade_code}' has no target in '{each.area_kind}': {one_of(kinds)} was expected."
            )
        if each.share is not None and not 0 < each.share < 1:
            problems.append(f"A share of {each.share:.0%} is no target: more than none and less than all was expected.")
    problems += [
        f"'{moved.pool_id}': none of the coming days has such hours."
        for moved in change.units
        if not len(hours_of(coming, moved))
    ]
    return list(dict.fromkeys(problems))


# ---- telling ----


def _tabulate(coming: Coming, before: Answered, after: Answered) -> pl.DataFrame:
    rows = compare_answers(coming.ground, before, after)
    return tables.publish(pl.DataFrame(rows), "what_if") if rows else tables.empty("what_if")


def _say(table: pl.DataFrame, runs: int, days: int, change: Change) -> list[str]:
    if table.is_empty():
        return ["No target speaks of any call of the coming days, so that there is nothing to compare."]
    sentences = [f"Both plans answered the same {count_of(runs, 'drawn run')} of {count_of(days, 'day')}."]
    if change.is_none:
        sentences.append("Nothing is changed: both columns are the plan as it stands.")
    for row in table.filter(pool_id="all").iter_rows(named=True):
        sure = row["difference_low"] > 0 or row["difference_high"] < 0
        told = (
            f"{row['difference'] * 100:+.1f} points ({row['difference_low'] * 100:+.1f} to "
            f"{row['difference_high'] * 100:+.1f})"
        )
        sentences.append(
            f"Grade {row['grade_code']}: {row['late_before']:.1%} late as it stands, {row['late_after']:.1%} changed, "
            f"{told}{'' if sure else '; these runs cannot tell them apart'}."
        )
    return sentences
