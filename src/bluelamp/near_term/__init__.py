"""The next hours of dispatch, from the logs that are open now and the units that are at work: what will be late, and
what each shift leaves to the next.

The forecast's next hours (`look_ahead`) say what comes; here it meets what is there already. Both are simulated
together, many times, with the units on duty, and what waits is counted by grade and age at every end of a shift.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from bluelamp import committed, periods
from bluelamp.coming_work import insist_on_runs
from bluelamp.drawn_work import Came
from bluelamp.duty_sheet import as_sheet_at
from bluelamp.errors import UsageError, count_of
from bluelamp.look_ahead import Brought, bring_forward
from bluelamp.near_term._open import Open, find_attended, find_open
from bluelamp.near_term._seen import Seen
from bluelamp.near_term._world import World, find_habits
from bluelamp.solving import answer
from bluelamp.store import Store

RUNS, HOURS, MOST_HOURS = 200, 24, 48
# The run goes on for as long as it takes to tell how calls of the last hour were answered, where that is not long.
_AFTER_HOURS = 3
# Silence for longer than this is a feed that has ended.
_KNOWS_NOTHING = timedelta(days=2)
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class NearTerm:
    """Tables `next_dispatch` (by hour) and `backlog` (by age at the ends of shifts), the moment, and what they say.

    `logs` and `units` are what is there at that moment, as tables `open_logs` (of the last four weeks' logs) and
    `units_now`; empty where nothing tells of them. `notes` are those of the sentences that say what was supposed;
    `pool_of_area` says who covers what just then.
    """

    hours: pl.DataFrame
    backlog: pl.DataFrame
    at: datetime
    run_id: str
    sentences: list[str]
    time_zone: str
    logs: pl.DataFrame
    units: pl.DataFrame
    notes: list[str]
    pool_of_area: Mapping[str, str]

    def lines(self) -> list[str]:
        """Give the force's hours, then what waits at each end of a shift, by grade and age, and what it all says."""
        force = self.hours.filter(level="force")
        grades = [grade for grade in force["grade_code"].unique().sort().to_list() if grade != "all"]
        moments = [periods.as_read(at, self.time_zone) for at in force["hour_starting"].unique(maintain_order=True)]
        width = max(map(len, moments), default=9)
        lines = [
            f"{'':{width + 1}}{'on duty':>8}{'at work':>8}"
            + "".join(f"{f'late {grade}':>10}{'waiting':>9}" for grade in grades)
        ]
        by_hour = force.group_by("hour_starting", maintain_order=True)
        for moment, (_, rows) in zip(moments, by_hour, strict=True):
            whole = rows.row(by_predicate=pl.col("grade_code") == "all", named=True)
            cells = []
            for grade in grades:
                row = rows.row(by_predicate=pl.col("grade_code") == grade, named=True)
                late = "" if row["share_late"] is None else f"{row['share_late']:.0%}"
                cells.append(f"{late:>10}{row['logs_waiting_mean']:>9.1f}")
            lines.append(
                f"{moment:{width}} {whole['units_on_duty']:>8,.0f}{whole['units_at_work_mean']:>8.1f}" + "".join(cells)
            )
        waiting = self.backlog.filter(pl.col("level") == "force", pl.col("logs_p90") > 0).to_dicts()
        moments = [periods.as_read(row["at"], self.time_zone, "%a %d %b %H:%M") for row in waiting]
        width = max(map(len, moments), default=16) + 3
        lines += ["", f"{'waiting':{width}}{'grade':>6}{'age':>16}{'logs':>8}{'80%':>10}"]
        for moment, row in zip(moments, waiting, strict=True):
            upto = "" if row["minutes_to"] is None else f"–{row['minutes_to'] / 60:g}"
            age = f"{row['minutes_from'] / 60:g}{upto} h"
            lines.append(
                f"{moment:{width}}{row['grade_code']:>6}{age:>16}{row['logs_mean']:>8.1f}"
                f"{row['logs_p10']:>6}–{row['logs_p90']}"
            )
        return [*lines, "", *self.sentences]


def simulate_next(
    folder: Path | str,
    *,
    hours: int = HOURS,
    runs: int = RUNS,
    seed: int = 0,
    at: datetime | None = None,
    brought: Brought | None = None,
    progress: Progress = lambda stage, share: None,
) -> NearTerm:
    """Simulate the next hours from what is open and who is at work at the last moment that is known.

    `at` looks back instead: as if nothing were known that came later, but for what the run itself was made of.
    `brought` is the forecast where it was brought forward already, by `bring_for`. Raises NoInput where there is no run
    yet, UsageError for hours, runs or a moment that make no sense.
    """
    if not (1 <= hours <= MOST_HOURS and runs >= 10):
        raise UsageError(f"1 to {MOST_HOURS} hours and at least 10 simulated runs were expected; 24 and 200 are usual.")
    insist_on_runs(runs)
    progress("drawing", 0.0)
    brought = brought or bring_for(folder, hours, runs, at=at)
    given = {name: brought.still.read(name) for name in ("duties", "people", "absences", "commitments", "vehicles")}
    if at is not None:
        last = brought.calls["received_at"].max()
        if isinstance(last, datetime) and at > last + _KNOWS_NOTHING:
            raise UsageError(
                f"The last incident that is known came on {last:%Y-%m-%d %H:%M} UTC: nobody knows what waits on "
                f"{at:%Y-%m-%d %H:%M}. Import what came since, or look back from an earlier moment."
            )
        given["duties"] = as_sheet_at(given["duties"], at)
    attended = find_attended(brought)
    world = World.of(folder, brought, given | {"unit_crews": attended.crews}, hours, attended.attendances)
    found = find_open(brought, world, attended)
    if found.between is not None:
        # What no log shows is drawn by itself, and not once more as a part of every call.
        world = replace(world, ground=replace(world.ground, without_log=0.0))
    habits = find_habits(folder, world)
    units, cover, rules, ways = found.work.put_out(world.out, world.ground, habits)
    draws = []
    for number, came in enumerate(_by_path(brought, seed)):
        random = np.random.default_rng([seed, number])
        drawn = found.work.draw(world.ground, came, random, habits.drivers_for)
        draws.append(drawn if found.between is None else found.between.add(drawn, world, found.work.at, random))
    seen = Seen(world, found.work, draws, hours)
    answered = answer(
        world.ground,
        draws,
        units,
        cover,
        rules,
        travel=ways,
        progress=lambda share: progress("simulating", share),
        look=seen.add,
    )
    backlog = seen.backlog()
    table = seen.hours(answered)
    notes = [*world.notes, *found.notes]
    return NearTerm(
        table, backlog, world.moment(found.work.at), brought.run_id, [*_say(table, backlog, found, world), *notes],
        brought.settings.force.time_zone, found.logs, found.units, notes, world.pool_of_area(),
    )  # fmt: skip


def bring_for(
    folder: Path | str, hours: int = HOURS, runs: int = RUNS, *, at: datetime | None = None, still: Store | None = None
) -> Brought:
    """Bring the forecast forward as a simulation of so many hours needs it; `still` is the store as it is to be seen,
    such as with what came and is not imported yet. Raises NoInput where there is no run yet.
    """
    return bring_forward(folder, hours + _AFTER_HOURS, runs, until=at, still=still)


def _by_path(brought: Brought, seed: int) -> list[Came]:
    """Part the drawn incidents by path, each at a moment of its hour."""
    draws = brought.draws
    chance = np.random.default_rng([seed, draws.paths]).random((2, len(draws.path)))
    order = np.argsort(draws.path, kind="stable")
    bounds = np.searchsorted(draws.path[order], np.arange(draws.paths + 1))
    return [
        Came(draws.area[mine], draws.cell[mine], 60.0 * (draws.hour[mine] + chance[0, mine]), chance[1, mine])
        for mine in (order[begin:end] for begin, end in pairwise(bounds))
    ]


def _say(table: pl.DataFrame, backlog: pl.DataFrame, found: Open, world: World) -> list[str]:
    zone = world.brought.settings.force.time_zone
    at = periods.as_read(world.moment(found.work.at), zone, "%A %d %B, %H:%M")
    waiting, at_work = len(found.work.area), len(found.work.pool)
    runs = count_of(world.brought.draws.paths, "simulated run")
    sentences = [
        f"{at}: {count_of(waiting, 'log waits', 'logs wait')} for a unit, "
        f"{count_of(at_work, 'unit is', 'units are')} at work. What follows is from {runs} that begin there."
    ]
    force = table.filter(pl.col("level") == "force", pl.col("grade_code") != "all").drop_nulls("share_late")
    for (grade,), rows in force.group_by("grade_code", maintain_order=True):
        worst = rows.sort("share_late", descending=True).row(0, named=True)
        calls = float(rows["calls_mean"].sum())
        late = float((rows["calls_mean"] * rows["share_late"]).sum()) / calls if calls else 0.0
        sentences.append(
            f"Grade {grade}: {calls:.1f} calls expected, {late:.0%} of them late; most in the hour from "
            f"{periods.as_read(worst['hour_starting'], zone)} ({worst['share_late']:.0%})."
        )
    for (moment,), rows in backlog.filter(~pl.col("is_now"), level="force").group_by("at", maintain_order=True):
        old = rows.filter(pl.col("minutes_from") >= committed.AGES[2])["logs_mean"].sum()
        sentences.append(
            f"The shift that ends at {periods.as_read(moment, zone)} leaves {rows['logs_mean'].sum():.1f} logs "
            f"waiting on average, {old:.1f} of them for more than {committed.AGES[2] // 60} hours."
        )
    return sentences
