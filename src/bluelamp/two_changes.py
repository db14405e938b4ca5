"""Two changes beside each other, and both beside the plan as it stands: which of them is better, on what, how surely.

All three plans answer the same incidents, drawn with the same luck, so that what differs is what was changed. Nothing
is simulated here: each change was held against the plan as it stands (`what_if`), and those answers are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import polars as pl

from bluelamp import tables
from bluelamp.coming_work import Coming
from bluelamp.errors import UsageError, count_of
from bluelamp.offered_work import Target
from bluelamp.pools import Floats
from bluelamp.solving import Answered, by_grade_and_pool, compare_ratios
from bluelamp.what_if import Change, Compared, Plan

AS_IT_STANDS, A, B = PLANS = ("as_it_stands", "a", "b")
ALL = "all"
T = TypeVar("T")
_BY_HOUR = ("calls", "units", "officers_short", "late", "late_low", "late_high", "waiting", "waiting_low",
            "waiting_high")  # fmt: skip
_DIFFERENCE = ("difference", "difference_low", "difference_high")
_AGAINST_A = ("against_a", "against_a_low", "against_a_high")


def name_problems(reads: Sequence[Callable[[], T]]) -> tuple[T, ...]:
    """Read or try change A, then change B. Raises UsageError with the problems of both, each with its change's name."""
    found, problems = [], []
    for name, read in zip("AB", reads, strict=True):
        try:
            found.append(read())
        except UsageError as error:
            if not error.problems:
                raise
            problems += [f"Change {name}: {each}" for each in error.problems]
    if problems:
        raise UsageError("The changes can't be tried:", problems)
    return tuple(found)


@dataclass(frozen=True)
class TwoChanges:
    """Two changes: table `what_if_changes`, what it says in sentences, and each change held against the plan."""

    table: pl.DataFrame
    sentences: list[str]
    first: Compared
    second: Compared

    @classmethod
    def of(cls, first: Compared, second: Compared) -> TwoChanges:
        """Put two changes beside each other that were held against the same plan on the same drawn runs."""
        rows = list(_rows(first, second))
        table = (
            tables.publish(pl.DataFrame(rows, infer_schema_length=None), "what_if_changes")
            if rows
            else tables.empty("what_if_changes")
        )
        return cls(table, _say(table, first, second), first, second)

    @property
    def coming(self) -> Coming:
        """The coming days that all three plans answer."""
        return self.first.coming

    def by_hour(self, grade_code: str) -> pl.DataFrame:
        """Give the three plans hour by hour as table `what_if_changes_hours`. Raises UsageError as `Compared` does."""
        both = self.first.by_hour(grade_code), self.second.by_hour(grade_code)
        sides = ((AS_IT_STANDS, both[0], "before"), (A, both[0], "after"), (B, both[1], "after"))
        parts = [
            frame.select(
                pl.lit(plan).alias("plan"), "grade_code", "pool_id", "hour_starting", "pools", "pools_at_minimum",
                *(pl.col(f"{each}_{side}").alias(each) for each in _BY_HOUR),
            )
            for plan, frame, side in sides
        ]  # fmt: skip
        return tables.publish(pl.concat(parts), "what_if_changes_hours")

    def allowed(self, grade_code: str) -> float | None:
        """Give the share of a grade's calls that may be late; nothing where it differs from place to place or between
        the changes.
        """
        first, second = self.first.allowed(grade_code), self.second.allowed(grade_code)
        return first if first == second else None

    def lines(self) -> list[str]:
        """Give a line a grade and plan of the whole force, and what they say."""
        told = [
            f"{'grade':<8} {'plan':<13} {'late':>7} {'against as it stands':>24} {'against A':>24} {'missed':>7} "
            f"{'unit-hours':>11} {'short':>7} {'waiting':>8}"
        ]
        of_force = self.table.filter(pool_id=ALL)
        for grade in of_force["grade_code"].unique().sort():
            for plan in PLANS:
                row = of_force.filter(grade_code=grade, plan=plan).row(0, named=True)
                hours = f"{row['unit_hours']:>11,} {row['unit_hours_short']:>7,}"
                missed = "" if row["target_missed"] is None else f"{row['target_missed']:.0%}"
                late = "" if row["late"] is None else f"{row['late']:.1%}"
                told.append(
                    f"{grade:<8} {plan.replace('_', ' '):<13} {late:>7} {_points(row, _DIFFERENCE):>24} "
                    f"{_points(row, _AGAINST_A):>24} {missed:>7} {hours} {row['jobs_waiting']:>8.2f}"
                )
        return [*told, "", *self.sentences]


# ---- the table ----


def _rows(first: Compared, second: Compared) -> Iterator[dict[str, Any]]:
    ground = first.coming.ground
    plans = (first.before, first.after, second.after)
    sums = by_grade_and_pool(ground, ("late_by_run", "calls_by_run"), [each.answered for each in plans])
    for grade, pool, ratios in sums:
        if not any(calls.sum() for _, calls in ratios):
            continue
        number = None if pool == ALL else ground.pool_hours.pool_ids.index(pool)
        for plan, name, (late, calls) in zip(plans, PLANS, ratios, strict=True):
            row: dict[str, Any] = {
                "plan": name, "grade_code": grade, "pool_id": pool, "calls": float(calls.mean()),
                "late": float(late.sum() / calls.sum()) if calls.sum() else None,
                "target_missed": _missed(plan.answered, plan.targets, grade, number) if calls.sum() else None,
            } | _in_sum(plan, number)  # fmt: skip
            if name != AS_IT_STANDS:
                row |= _difference(_DIFFERENCE, ratios[0], (late, calls))
            if name == B:
                row |= _difference(_AGAINST_A, ratios[1], (late, calls))
            yield row


def _difference(names: Sequence[str], before: Sequence[Floats], after: Sequence[Floats]) -> dict[str, float]:
    found = compare_ratios(before, after)
    if found is None:
        return {}
    return dict(zip(names, (found.difference, max(found.low, -1.0), min(found.high, 1.0)), strict=True))


def _missed(answered: Answered, targets: Sequence[Target], grade: str, pool: int | None) -> float:
    """Give the share of runs in which more calls of a grade were late than its targets allow."""
    mine = [number for number, each in enumerate(targets) if each.grade_code == grade]
    pools = slice(None) if pool is None else [pool]
    may_be = np.array([1 - targets[number].target_share for number in mine])
    calls, late = (each[:, mine][:, :, pools].sum(axis=2) for each in (answered.calls_by_run, answered.late_by_run))
    # As many as are allowed are not too many: sums of shares are not exact.
    return float((late.sum(axis=1) > calls @ may_be + 1e-9).mean())


def _in_sum(plan: Plan, pool: int | None) -> dict[str, Any]:
    pools = slice(None) if pool is None else [pool]
    return {
        "unit_hours": int(plan.units[pools].sum()),
        "unit_hours_short": int(np.maximum(plan.asked[pools] - plan.units[pools], 0).sum()),
        "jobs_waiting": float(plan.waiting[:, pools].sum(axis=1, dtype=np.float64).mean()),
    }


# ---- telling ----


def _say(table: pl.DataFrame, first: Compared, second: Compared) -> list[str]:
    if table.is_empty():
        return list(first.sentences)
    coming = first.coming
    days = count_of(round(len(coming.hours) / 24), "day")
    of_force = table.filter(pool_id=ALL)
    return [
        _say_better(of_force),
        *_say_worse_than_now(of_force),
        *_say_unlike(first.change, second.change),
        f"All three plans answered the same {count_of(first.before.answered.runs, 'drawn run')} of {days}.",
        *(f"Change {name}: {each}" for name, found in (("A", first), ("B", second)) for each in found.warnings),
        *coming.notes,
    ]


def _say_better(of_force: pl.DataFrame) -> str:
    """Say in one sentence which change is better on what."""
    better: dict[str, list[str]] = {"B": [], "A": []}
    open_: list[str] = []
    same: list[str] = []
    for row in of_force.filter(plan=B).drop_nulls("against_a").iter_rows(named=True):
        low, high = row["against_a_low"], row["against_a_high"]
        grade = f"grade {row['grade_code']}"
        if low <= 0 <= high:
            (same if low == high == 0 else open_).append(grade)
            continue
        ends = sorted((abs(low), abs(high)))
        better["B" if high < 0 else "A"].append(
            f"{grade} ({abs(row['against_a']) * 100:.1f} points fewer late, {ends[0] * 100:.1f} to {ends[1] * 100:.1f})"
        )
    a, b = (of_force.filter(plan=each).row(0, named=True) for each in (A, B))
    for column, on in (("unit_hours", "cost"), ("unit_hours_short", "units short")):
        apart = b[column] - a[column]
        if apart:
            better["B" if apart < 0 else "A"].append(f"{on} ({count_of(abs(apart), 'unit-hour')} fewer)")
        else:
            same.append(on)
    # Whichever is better on the most urgent calls comes first: dearer may be worth it.
    first = sorted(better, key=lambda name: not any(each.startswith("grade") for each in better[name]))
    parts = [f"{name} is better on {_and(better[name])}" for name in first if better[name]]
    parts += [f"these runs cannot tell them apart on {_and(open_)}"] if open_ else []
    parts += [f"both are the same on {_and(same)}"] if same else []
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _say_worse_than_now(of_force: pl.DataFrame) -> list[str]:
    """Warn of a change that is worse than to change nothing: the better of two may still be a bad one."""
    told = []
    for name, plan in (("A", A), ("B", B)):
        worse = of_force.filter(pl.col("difference_low") > 0, plan=plan)["grade_code"].to_list()
        if worse:
            grades = _and([f"grade {each}" for each in worse])
            told.append(f"With change {name} more calls of {grades} are late than as the plan stands.")
    return told


def _say_unlike(first: Change, second: Change) -> list[str]:
    """Say what else differs, so that nobody takes it for what the units do."""
    unlike = [
        words
        for words, one, other in (
            ("demand", first.demand, second.demand), ("time at a call", first.service, second.service),
            ("targets", first.targets, second.targets),
        )
        if one != other
    ]  # fmt: skip
    return [f"A and B suppose different {_and(unlike)}: that is part of what differs."] if unlike else []


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _points(row: dict[str, Any], names: Sequence[str]) -> str:
    middle, low, high = (row[name] for name in names)
    return "" if middle is None else f"{middle * 100:+.1f} ({low * 100:+.1f} to {high * 100:+.1f})"
