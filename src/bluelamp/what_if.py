"""What would happen: two plans for the coming days side by side, on the same drawn work.

A change is more or less demand, longer or shorter calls, units moved, pools merged, another target. Both plans answer
the same incidents, drawn with the same luck (common random numbers), so that what differs is what was changed; the
difference is told with its range over the drawn weeks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods, tables
from bluelamp.coming_work import Coming, insist_on_runs
from bluelamp.drawn_work import MOST_UNITS, Came, Drawn, by_the_hour
from bluelamp.errors import UsageError, count_of, did_you_mean, one_of
from bluelamp.offered_work import Target
from bluelamp.pools import Floats, Integers, holds_at
from bluelamp.simulation import Cover, Outcome
from bluelamp.solving import Answered, answer, compare_answers

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
RUNS = 100
# A normal distribution's 95%.
_SURE = 1.96
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
class Plan:
    """One of the two plans: units that it has and units that are asked for (pools × hours), and how calls went.

    `waiting` (runs × pools × hours) are jobs to which nobody had been sent at the hour's start. `asked` is what the
    run's rung asks for at the demand that it expects: a change of demand does not alter it. Where pools are made one it
    is theirs together.
    """

    units: Integers
    asked: Integers
    answered: Answered
    waiting: NDArray[np.float32]
    targets: Sequence[Target]


@dataclass(frozen=True)
class Compared:
    """Two plans: table `what_if`, what it says in sentences (`warnings` among them), and the plans themselves."""

    table: pl.DataFrame
    sentences: list[str]
    coming: Coming
    before: Plan
    after: Plan
    change: Change
    warnings: list[str]
    gone: tuple[str, ...] = ()  # pools that became part of another

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

    def allowed(self, grade_code: str) -> float | None:
        """Give the share of a grade's calls that may be late, changed; nothing where it differs from place to place."""
        shares = {each.target_share for each in self.after.targets if each.grade_code == grade_code}
        return round(1 - shares.pop(), 6) if len(shares) == 1 else None

    def by_hour(self, grade_code: str) -> pl.DataFrame:
        """Give both plans hour by hour, of the force and each pool, as table `what_if_hours`; late are calls of the
        grade. Raises UsageError for a grade without a target.
        """
        ground = self.coming.ground
        graded = grades_judged(self.coming)
        if grade_code not in graded:
            raise UsageError(f"No target speaks of grade '{grade_code}'. {one_of(graded)} was expected.")
        mine = [number for number, each in enumerate(ground.targets) if each.grade_code == grade_code]
        names, runs = ground.pool_hours.pool_ids, ground.pool_hours.runs
        chosen = [np.arange(len(names)), *(np.array([pool]) for pool in range(len(names)))]
        parts = []
        for name, pools in zip(["all", *names], chosen, strict=True):
            hours = np.flatnonzero(runs[pools].any(axis=0))
            least = self.coming.least_binds[pools][:, hours].sum(axis=0)
            some = {
                "grade_code": pl.repeat(grade_code, len(hours), eager=True),
                "pool_id": pl.repeat(name, len(hours), eager=True),
                "hour_starting": self.coming.hours[hours],
                "pools_at_minimum": least,
                "pools": runs[pools][:, hours].sum(axis=0),
            }
            for plan, side in ((self.before, "before"), (self.after, "after")):
                figures = _by_hour(plan, self.coming.crew, mine, pools)
                is_gone = side == "after" and name in self.gone
                for what, values in figures.items():
                    shown = np.where(is_gone, np.nan, values)[hours]
                    some[f"{what}_{side}"] = pl.Series(shown).fill_nan(None)
            parts.append(pl.DataFrame(some))
        return tables.publish(pl.concat(parts), "what_if_hours")


def grades_judged(coming: Coming) -> list[str]:
    """Give the grades of which a target speaks, the most urgent first."""
    ground = coming.ground
    codes = {each.grade_code for each in ground.targets}
    return sorted(codes, key=lambda code: (ground.priority_of_grade[ground.grades.index(code)], code))


def _by_hour(plan: Plan, crew: Integers, targets: Sequence[int], pools: Integers) -> dict[str, Floats]:
    """Give figures of some pools together, one an hour, with what the runs leave open (95%)."""
    answered = plan.answered
    calls, share, error = (
        each[targets][:, pools] for each in (answered.calls, answered.share_late, answered.error)
    )  # fmt: skip
    total = calls.sum(axis=(0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = calls / total
        late = np.where(total > 0, np.nansum(weight * share, axis=(0, 1)), np.nan)
        open_ = _SURE * np.sqrt(np.nansum((weight * error) ** 2, axis=(0, 1)))
    waiting = plan.waiting[:, pools].sum(axis=1, dtype=np.float64)
    mean, runs = waiting.mean(axis=0), len(waiting)
    moves = _SURE * waiting.std(axis=0, ddof=1) / np.sqrt(runs) if runs > 1 else np.zeros_like(mean)
    lacking = np.maximum(plan.asked[pools] - plan.units[pools], 0)
    return {
        "calls": total / runs,
        "units": plan.units[pools].sum(axis=0).astype(np.float64),
        "officers_short": (lacking.sum(axis=0) * crew).astype(np.float64),
        "late": late, "late_low": np.maximum(late - open_, 0), "late_high": np.minimum(late + open_, 1),
        "waiting": mean, "waiting_low": np.maximum(mean - moves, 0), "waiting_high": mean + moves,
    }  # fmt: skip


@dataclass
class WhatIf:
    """The coming days, with the plan as it stands worked out once, so that changes are answered quickly.

    `units` (pools × hours) are those of the plan as it stands: those on duty, or those required where duties are not
    known.
    """

    coming: Coming
    units: Integers
    runs: int = RUNS
    _kept: Plan | None = None

    @classmethod
    def of(cls, coming: Coming, runs: int = RUNS) -> WhatIf:
        """Begin from the units on duty, and from those required in the hours for which nobody knows duties.

        Raises UsageError for runs that would not fit into memory.
        """
        insist_on_runs(runs)
        known = ~np.isnan(coming.on_duty)
        return cls(coming, np.where(known, np.nan_to_num(coming.on_duty), coming.required).astype(np.int64), runs)

    def compare(self, change: Change, progress: Progress = lambda share: None) -> Compared:
        """Hold a change against the plan as it stands. Raises UsageError for pools, grades or hours not there."""
        problems = _problems_with(change, self.coming)
        if problems:
            raise UsageError("The change can't be tried:", problems)
        before = self._stands(lambda share: progress(share / 2))
        after = before if change.is_none else self._changed(change, lambda share: progress(0.5 + share / 2))
        table = _tabulate(self.coming, before.answered, after.answered)
        days = round(len(self.coming.hours) / 24)
        warnings = [*self._idle(change), *self._too_few(after, change)]
        said = [*_say(table, self.runs, days, change), *warnings, *self.coming.notes]
        gone = tuple(name for names in change.merged for name in names[1:])
        return Compared(table, said, self.coming, before, after, change, warnings, gone)

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

    def _too_few(self, after: Plan, change: Change) -> list[str]:
        """Say which pools a change takes below their minimum strength."""
        merged, told = {name for names in change.merged for name in names}, []
        for pool, name in enumerate(self.coming.ground.pool_hours.pool_ids):
            least = self.coming.least[pool]
            below = int(((after.units[pool] < least) & (self.units[pool] >= least)).sum())
            if below and name not in merged:
                told.append(f"{name} falls below its minimum strength in {count_of(below, 'hour')}.")
        return told

    @cached_property
    def _drawn(self) -> list[Came]:
        return self.coming.draw(self.runs, 1)

    def _stands(self, progress: Progress) -> Plan:
        if self._kept is None:
            cover = self.coming.ground.cover
            self._kept = self._plan(Change(), self.units, self.coming.required, cover, progress)
        return self._kept

    def _changed(self, change: Change, progress: Progress) -> Plan:
        coming = self.coming
        units, asked, cover = self.units.copy(), coming.required.copy(), coming.ground.cover
        pools = coming.ground.pool_hours.pool_ids
        for moved in change.units:
            at = hours_of(coming, moved)
            units[pools.index(moved.pool_id), at] = np.maximum(units[pools.index(moved.pool_id), at] + moved.more, 0)
        for names in change.merged:
            numbers = [pools.index(name) for name in names]
            for each in (units, asked):
                each[numbers[0]] = each[numbers].sum(axis=0)
                each[numbers[1:]] = 0
            own = np.where(np.isin(cover.own, numbers), numbers[0], cover.own)
            cover = Cover.of(own=own, also=np.where(np.isin(cover.also, numbers), numbers[0], cover.also))
        return self._plan(change, units, asked, cover, progress)

    def _plan(self, change: Change, units: Integers, asked: Integers, cover: Cover, progress: Progress) -> Plan:
        coming = self.coming
        ground = coming.ground
        if change.targets:
            targets = [_with_target(each, change.targets) for each in ground.targets]
            ground = replace(ground, targets=targets)
            coming = replace(coming, ground=ground)
        cases = coming.cases_of(self._drawn, 1, demand=change.demand, service=change.service)
        out, rules = by_the_hour(units, ground)
        waiting = np.zeros((len(cases), *units.shape), dtype=np.float32)

        def look(number: int, _: Drawn, outcome: Outcome) -> None:
            waiting[number] = outcome.waiting.sum(axis=1)[:, ground.warm_up : -1]

        answered = answer(ground, cases, out, cover, rules, progress, look)
        return Plan(units, asked, answered, waiting, ground.targets)


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
    often = [name for names in change.merged for name in names]
    problems += [f"Pool '{name}' is merged twice. Name all that become one pool at once." for name in often
                 if often.count(name) > 1]  # fmt: skip
    problems += [
        f"{moved.more:+,} units in '{moved.pool_id}': at most {MOST_UNITS:,} more or fewer were expected."
        for moved in change.units
        if abs(moved.more) > MOST_UNITS
    ]
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
    on_what = f"{count_of(runs, 'drawn run')} of {count_of(days, 'day')}"
    if change.is_none:
        late = [f"Grade {row['grade_code']}: {row['late_before']:.1%} late." for row in _of_force(table)]
        return [f"Nothing is changed: the plan as it stands answered {on_what}.", *late]
    sentences = [f"Both plans answered the same {on_what}."]
    for row in _of_force(table):
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


def _of_force(table: pl.DataFrame) -> list[dict[str, Any]]:
    return table.filter(pool_id="all").to_dicts()
