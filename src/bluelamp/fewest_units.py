"""The fewest units for the coming days of a force's latest plan, found by simulation and told for a planner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from bluelamp import periods, tables
from bluelamp.coming_work import DAYS, Coming, read_coming
from bluelamp.drawn_work import Drawn, by_the_hour
from bluelamp.errors import NoInput, UsageError, count_of
from bluelamp.pools import Floats, Integers
from bluelamp.solving import Answered, Pieces, Search, Solved, answer, compare_answers, put_out, solve

RUNS, TRIES = 400, 60
# A target holds in an hour where no more than two calls in a hundred too many are late.
WITHIN = 0.02
# Weeks of the search, weeks that repair what it found, and weeks that judge it: nothing in common.
_SEARCHED, _UNSEEN, _REPAIRED = 1, 2, 3
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Found:
    """Units that were found: tables `solved_units`, `solved_duties` (none by the hour) and `unit_value`, and what they
    say.
    """

    units: pl.DataFrame
    duties: pl.DataFrame
    value: pl.DataFrame
    sentences: list[str]

    def lines(self) -> list[str]:
        """Give a line a pool and local day, and what it all says."""
        days = self.units.group_by("pool_id", "day", maintain_order=True).agg(
            pl.col("units_solved").min().alias("least"), pl.col("units_solved").max().alias("most"),
            pl.col("units_solved", "units_rung", "units_on_duty").sum(), pl.col("share_late").max(),
        )  # fmt: skip
        head = f"{'pool':<10} {'day':<10} {'units':>9} {'unit-hours':>10} {'rung':>7} {'on duty':>8}"
        told = [f"{head} {'late, worst hour':>17}"]
        for row in days.iter_rows(named=True):
            late = "" if row["share_late"] is None else f"{row['share_late']:.1%}"
            on_duty = "" if row["units_on_duty"] is None else f"{row['units_on_duty']:,.0f}"
            told.append(
                f"{row['pool_id']:<10} {row['day']:%a %d %b} {row['least']:>4} to {row['most']:>2} "
                f"{row['units_solved']:>10,} {row['units_rung']:>7,} {on_duty:>8} {late:>17}"
            )
        return [*told, "", *self.sentences]


def find_fewest(
    folder: Path | str,
    *,
    days: int = DAYS,
    runs: int = RUNS,
    tries: int = TRIES,
    shifts: Sequence[tuple[int, int]] | None = None,
    run_id: str | None = None,
    progress: Progress = lambda stage, share: None,
) -> Found:
    """Find the fewest units with which every target holds, by hour, or by duty where `shifts` are given.

    `shifts` are local hours from and to (the next day's where not later), which every pool may use on every day. The
    weeks that the search learns from, those that repair what it found and those that judge it are `runs` each. Raises
    NoInput where there is no plan or no target to meet, UsageError for days, runs or shifts that make no sense.
    """
    if runs < 20 or tries < 4:
        raise UsageError("At least 20 simulated weeks and 4 tries were expected; 400 and 60 are usual.")
    progress("drawing", 0.0)
    coming = read_coming(folder, days=days, run_id=run_id)
    if not any((number >= 0).any() for number in coming.ground.target_of):
        raise NoInput("There is no target to find units for: every grade is worked in slots. Import 'standards'.")
    pieces = Pieces.of_hours(coming.ground.pool_hours.runs) if shifts is None else lay_duties(coming, shifts)
    start = coming.required[pieces.pool, pieces.first] if shifts is None else cover_all(pieces, coming.required)
    cases = coming.cases(runs, _SEARCHED)
    # What looks met on the weeks of a search is flattered by them, so others put it right.
    found = solve(
        coming.ground, cases, pieces, start, coming.least, unseen=coming.cases(runs, _REPAIRED),
        search=Search(tries=tries, within=WITHIN),
        progress=lambda share: progress("searching", share),
    )  # fmt: skip
    unseen = coming.cases(runs, _UNSEEN)
    judged = _judge(coming, unseen, pieces, found.number, progress)
    units = _tabulate(coming, found.units, judged)
    duties = _tabulate_duties(coming, pieces, found.number) if shifts is not None else tables.empty("solved_duties")
    value = value_units(coming, unseen, found.units)
    return Found(units, duties, value, _say(coming, units, value, found, judged, runs))


def lay_duties(coming: Coming, shifts: Sequence[tuple[int, int]]) -> Pieces:
    """Lay the shifts out on the coming days as duties that a pool can add or leave, as far as it runs.

    Raises UsageError for shifts that are none, or leave an hour in which a pool runs without any.
    """
    problems = [
        f"'{begins}-{ends}' is no shift: hours from 0 to 24 were expected, and not the same twice."
        for begins, ends in shifts
        if not (0 <= begins <= 23 and 0 <= ends <= 24 and begins != ends)
    ]
    if problems or not shifts:
        raise UsageError("Shifts such as 7-17,14-24,22-7 were expected.", problems)
    runs = coming.ground.pool_hours.runs
    parts = periods.local_parts(coming.hours, coming.settings.force.time_zone)
    hour, day = parts["hour"].to_numpy(), parts["day"].cast(pl.Int32).to_numpy()
    moment = day.astype(np.int64) * 24 + hour
    rows = []
    for begins, ends in shifts:
        length = (ends - begins) % 24 or 24
        # The first morning is covered by the duty that began the evening before.
        for first_day in range(int(day[0]) - 1, int(day[-1]) + 1):
            at = first_day * 24 + begins
            inside = np.flatnonzero((moment >= at) & (moment < at + length))
            if len(inside):
                rows += [
                    (pool, int(inside[0]), int(inside[-1]) + 1) for pool in range(len(runs)) if runs[pool, inside].any()
                ]
    pieces = Pieces(*(np.array(each, dtype=np.int64) for each in zip(*sorted(set(rows)), strict=True)))
    covered = pieces.by_hour(np.ones(len(pieces), dtype=np.int64), *runs.shape) > 0
    if (runs & ~covered).any():
        bare = sorted(set(hour[(runs & ~covered).any(axis=0)].tolist()))
        raise UsageError(
            f"The shifts leave hours without anyone: {', '.join(f'{each}:00' for each in bare)}. Shifts that cover the "
            "whole day were expected."
        )
    return pieces


def cover_all(pieces: Pieces, required: Integers) -> Integers:
    """Give so many duties that no hour has fewer units than it is asked for, hour by hour from the first."""
    number = np.zeros(len(pieces), dtype=np.int64)
    there = np.zeros_like(required)
    order = np.lexsort((-pieces.first, pieces.pool))
    for pool, hour in np.argwhere(required > 0):
        lacking = required[pool, hour] - there[pool, hour]
        if lacking > 0:
            mine = [
                each for each in order if pieces.pool[each] == pool and pieces.first[each] <= hour < pieces.last[each]
            ]
            if mine:
                number[mine[0]] += lacking
                there[pool, pieces.first[mine[0]] : pieces.last[mine[0]]] += lacking
    return number


def _judge(coming: Coming, cases: Sequence[Drawn], pieces: Pieces, number: Integers, progress: Progress) -> Answered:
    units, rules = put_out(pieces, number, coming.ground)
    return answer(coming.ground, cases, units, rules=rules, progress=lambda share: progress("judging", share))


def value_units(coming: Coming, cases: Sequence[Drawn], units: Integers) -> pl.DataFrame:
    """Say what one more unit round the clock in a pool is worth, and what one fewer costs, as table `unit_value`.

    All pools are changed at once, because none answers for another.
    """
    answers = {}
    for more in (0, 1, -1):
        out, rules = by_the_hour(np.where(coming.ground.pool_hours.runs, np.maximum(units + more, 0), 0), coming.ground)
        answers[more] = answer(coming.ground, cases, out, rules=rules)
    rows = [
        {"units_more": more, **row}
        for more in (1, -1)
        for row in compare_answers(coming.ground, answers[0], answers[more])
        if row["pool_id"] != "all"
    ]
    dropped = ["calls_before", "calls_after"]
    return tables.publish(pl.DataFrame(rows).drop(dropped), "unit_value") if rows else tables.empty("unit_value")


def worst_target(coming: Coming, judged: Answered) -> tuple[Integers, Floats]:
    """Give the target that is furthest over what it allows in each pool and hour, and by how much, pools × hours."""
    allowed = 1 - np.array([each.target_share for each in coming.ground.targets])
    over = np.where(judged.calls > 0, judged.share_late - allowed[:, None, None], -np.inf)
    return over.argmax(axis=0), over.max(axis=0)


def _tabulate(coming: Coming, units: Integers, judged: Answered) -> pl.DataFrame:
    cover, targets = coming.ground.pool_hours, coming.ground.targets
    pool, hour = np.nonzero(cover.runs)
    target, over = (each[pool, hour] for each in worst_target(coming, judged))
    has_calls = np.isfinite(over)
    day = periods.local_parts(coming.hours, coming.settings.force.time_zone)["day"]

    def where_calls(values: Floats) -> pl.Series:
        return pl.Series(np.where(has_calls, values, np.nan)).fill_nan(None)

    solved, least = units[pool, hour], coming.least[pool, hour]
    is_least = (least > 0) & (solved <= least)
    frame = pl.DataFrame(
        {
            "pool_id": pl.Series(cover.pool_ids, dtype=pl.String)[pool],
            "hour_starting": coming.hours[hour],
            "day": day[hour],
            "units_solved": solved,
            "units_rung": coming.required[pool, hour],
            "units_minimum": least,
            "units_on_duty": pl.Series(coming.on_duty[pool, hour]).fill_nan(None).cast(pl.Int64),
            "officers_solved": solved * coming.crew[hour],
            "binds": pl.Series(np.where(is_least, "minimum", "demand").tolist()),
            "grade_code": pl.Series([targets[each].grade_code for each in target]),
            "share_late": where_calls(judged.share_late[target, pool, hour]),
            "share_late_error": where_calls(judged.error[target, pool, hour]),
            "share_allowed": pl.Series([1 - targets[each].target_share for each in target]).round(6),
            "jobs_waiting": judged.waiting[pool, hour],
        }
    )  # fmt: skip
    return tables.publish(
        frame.with_columns(grade_code=pl.when(pl.col("share_late").is_not_null()).then("grade_code")), "solved_units"
    )


def _tabulate_duties(coming: Coming, pieces: Pieces, number: Integers) -> pl.DataFrame:
    chosen = np.flatnonzero(number)
    ends = pl.concat([coming.hours[1:], coming.hours[-1:].dt.offset_by("1h")])
    return tables.publish(
        pl.DataFrame(
            {
                "pool_id": pl.Series(coming.ground.pool_hours.pool_ids, dtype=pl.String)[pieces.pool[chosen]],
                "starts_at": coming.hours[pieces.first[chosen]],
                "ends_at": ends[pieces.last[chosen] - 1],
                "units": number[chosen],
            }
        ),
        "solved_duties",
    )


def _say(
    coming: Coming, units: pl.DataFrame, value: pl.DataFrame, found: Solved, judged: Answered, runs: int
) -> list[str]:
    solved, rung, on_duty = (int(units[name].sum() or 0) for name in ("units_solved", "units_rung", "units_on_duty"))
    target, over = worst_target(coming, judged)
    has_calls = np.isfinite(over)
    counts = over[has_calls]
    too_far = _too_far(coming, judged)
    possible = ", as far as units can" if too_far else ""
    error = np.take_along_axis(judged.error, target[None], axis=0)[0][has_calls]
    days = count_of(units["day"].n_unique(), "day")
    sentences = [
        f"{days} simulated {runs:,} times to search, {runs:,} times to repair ({found.tried} plans tried) and {runs:,} "
        "times to judge, each on draws that nothing before had seen.",
        f"{solved:,} unit-hours meet the targets{possible}, where the rung asks for {rung:,} "
        f"({solved / max(rung, 1) - 1:+.1%})"
        + (f"; jobs that outlast duties add {judged.overtime / 60:,.0f}." if judged.overtime else "."),
        f"There every target holds within two points in {np.mean(counts <= WITHIN):.1%} of the pool-hours with calls. "
        f"Chance alone moves the share late of one of them by {np.median(error):.1%} (a standard error): in "
        f"{np.mean(counts - WITHIN > 2 * error):.1%} of them a target fails by more than chance tells.",
    ]
    if units["units_on_duty"].null_count() < units.height:
        known = units.drop_nulls("units_on_duty")
        short = known.filter(pl.col("units_on_duty") < pl.col("units_solved"))
        gap = (short["units_solved"] - short["units_on_duty"]).sum()
        sentences.append(
            f"On duty are {on_duty:,} unit-hours: {short.height:,} of {known.height:,} pool-hours are short, by "
            f"{gap:,} unit-hours together."
        )
    sentences += [*too_far, *coming.notes]
    first = coming.ground.grades[int(np.argmin(coming.ground.priority_of_grade))]
    for row in value.filter(grade_code=first, units_more=1).iter_rows(named=True):
        fewer = value.filter(grade_code=first, units_more=-1, pool_id=row["pool_id"])["late_after"].to_list()
        sentences.append(
            f"{row['pool_id']}: one more unit round the clock would bring grade {first} from {row['late_before']:.1%} "
            f"late to {row['late_after']:.1%}, one fewer to {fewer[0] if fewer else float('nan'):.1%}."
        )
    return sentences


def _too_far(coming: Coming, judged: Answered) -> list[str]:
    """Say which targets no number of units meets, because of the way alone."""
    pools, told = coming.ground.pool_hours.pool_ids, []
    for target, shares in zip(coming.ground.targets, judged.too_far, strict=True):
        where = np.flatnonzero(shares > 1 - target.target_share)
        if len(where):
            worst = where[np.argmax(shares[where])]
            told.append(
                f"Grade {target.grade_code} ({target.area_kind}) has its {target.target_share:.0%} in {len(where)} of "
                f"{count_of(len(pools), 'pool')} from no number of units: in {pools[worst]} {shares[worst]:.1%} of "
                "calls are late by the way alone. There the target is aimed at for the other calls."
            )
    return told
