"""What waits in simulated hours, counted run by run and told as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from bluelamp import committed, periods, tables
from bluelamp.drawn_work import Drawn
from bluelamp.near_term._world import World
from bluelamp.open_work import OpenWork, waiting_at
from bluelamp.pools import Floats, Integers
from bluelamp.quantiles import of_counts
from bluelamp.simulation import Outcome
from bluelamp.solving import Answered

_BANDS = (0.1, 0.5, 0.9)


class Seen:
    """What waits, counted run by run: at each hour's start, and by age where a shift ends (pools × grades × …)."""

    def __init__(self, world: World, work: OpenWork, draws: Sequence[Drawn], hours: int) -> None:
        self.world, self.own, self.at = world, world.ground.cover.own, work.at
        self.handling = np.array([world.ground.handling_of(grade) for grade in world.ground.grades])
        self.starts = np.maximum(60.0 * np.arange(hours), work.at)
        self.ends = _ends_of_shifts(world, work.at, hours)
        of = len(world.pool_hours.pool_ids), len(world.ground.grades)
        self.by_hour = np.zeros((*of, hours, len(draws)), dtype=np.int64)
        self.came = np.zeros((*of, hours, len(draws)), dtype=np.int64)
        self.by_age = np.zeros((*of, len(self.ends), len(committed.AGES), len(draws)), dtype=np.int64)

    def add(self, run: int, drawn: Drawn, outcome: Outcome) -> None:
        """Count a run."""
        hours = len(self.starts)
        # Calls that were taken before the run began have been handled, or nearly so.
        before = np.maximum(self.at - np.nan_to_num(outcome.ready, nan=np.inf), 0.0)
        handling = np.maximum(self.handling[drawn.grade] - before, 0.0)
        for number, minute in enumerate(self.starts):
            waits, _ = waiting_at(drawn, outcome, minute, handling)
            np.add.at(self.by_hour[:, :, number, run], self._where(drawn, waits, minute), 1)
        for number, minute in enumerate(self.ends):
            waits, age = waiting_at(drawn, outcome, minute, handling)
            step = np.searchsorted(committed.AGES, age, side="right").astype(np.int64) - 1
            np.add.at(self.by_age[:, :, number, :, run], (*self._where(drawn, waits, minute), step), 1)
        is_call = (drawn.incident >= 0) & (drawn.jobs.parent < 0)
        came = np.flatnonzero(is_call & (outcome.ready >= 0) & (outcome.ready < 60.0 * hours))
        hour = (outcome.ready[came] // 60).astype(np.int64)
        pool = self.own[drawn.jobs.place[came], hour if self.own.shape[1] > 1 else 0]
        np.add.at(self.came[..., run], (pool, drawn.grade[came], hour), 1)

    def _where(self, drawn: Drawn, jobs: Integers, minute: float) -> tuple[Integers, Integers]:
        """Give the pools that cover jobs at a minute, and their grades."""
        hour = min(int(minute // 60), self.own.shape[1] - 1)
        return self.own[drawn.jobs.place[jobs], hour], drawn.grade[jobs]

    def hours(self, answered: Answered) -> pl.DataFrame:
        """Give the table `next_dispatch`."""
        world, ground = self.world, self.world.ground
        hours = self.by_hour.shape[2]
        grade_of = np.array([ground.grades.index(each.grade_code) for each in ground.targets], dtype=np.int64)
        frames = []
        for level, place, pools in _places(world):
            on_duty = world.units[pools, :hours].sum(axis=0)
            at_work = answered.busy[pools, :hours].sum(axis=0) / 60.0
            for number, grade in [(None, "all"), *enumerate(ground.grades)]:
                chosen = slice(None) if number is None else [number]
                mine = np.arange(len(grade_of)) if number is None else np.flatnonzero(grade_of == number)
                calls, late = (
                    each[mine][:, pools, :hours].sum(axis=(0, 1)) for each in (answered.calls, _late_of(answered))
                )
                waiting = self.by_hour[pools][:, chosen].sum(axis=(0, 1))
                low, middle, high = of_counts(waiting, _BANDS).T
                came = self.came[pools][:, chosen].sum(axis=(0, 1))
                fewest, usual, most = of_counts(came, _BANDS).T
                frames.append(
                    pl.DataFrame(
                        {
                            "level": pl.repeat(level, hours, eager=True),
                            "place_id": pl.repeat(place, hours, eager=True),
                            "hour_starting": world.hours[:hours],
                            "grade_code": pl.repeat(grade, hours, eager=True),
                            "calls_mean": came.mean(axis=1),
                            "calls_p10": fewest,
                            "calls_p50": usual,
                            "calls_p90": most,
                            "share_late": pl.Series(np.where(calls > 0, late / np.maximum(calls, 1), np.nan)).fill_nan(
                                None
                            ),
                            "logs_waiting_mean": waiting.mean(axis=1),
                            "logs_waiting_p10": low,
                            "logs_waiting_p50": middle,
                            "logs_waiting_p90": high,
                            "units_on_duty": pl.Series(on_duty if number is None else [None] * hours, dtype=pl.Int64),
                            "units_at_work_mean": pl.Series(
                                at_work if number is None else [None] * hours, dtype=pl.Float64
                            ),
                        }
                    )
                )
        return tables.publish(pl.concat(frames), "next_dispatch")

    def backlog(self) -> pl.DataFrame:
        """Give the table `backlog`."""
        world = self.world
        bounds = [*committed.AGES, None]
        rows: list[dict[str, Any]] = []
        for level, place, pools in _places(world):
            for number, grade in enumerate(world.ground.grades):
                counts = self.by_age[pools, number].sum(axis=0)
                low, middle, high = np.moveaxis(of_counts(counts, _BANDS), -1, 0)
                mean, chance = counts.mean(axis=-1), (counts > 0).mean(axis=-1)
                for (end, step), each in np.ndenumerate(mean):
                    rows.append(
                        {
                            "level": level, "place_id": place, "at": world.moment(self.ends[end]), "is_now": end == 0,
                            "grade_code": grade, "minutes_from": bounds[step], "minutes_to": bounds[step + 1],
                            "logs_mean": float(each), "logs_p10": int(low[end, step]),
                            "logs_p50": int(middle[end, step]), "logs_p90": int(high[end, step]),
                            "chance_any": float(chance[end, step]),
                        }
                    )  # fmt: skip
        return tables.publish(pl.DataFrame(rows, infer_schema_length=None), "backlog")


def _late_of(answered: Answered) -> Floats:
    """Give the calls that were late, of those that each target speaks of."""
    return np.nan_to_num(answered.share_late, nan=0.0) * answered.calls


def _places(world: World) -> list[tuple[str, str, Integers]]:
    """Give the force and its pools, each with the numbers of its pools."""
    pools = world.pool_hours.pool_ids
    force = ("force", world.brought.settings.force.id, np.arange(len(pools)))
    return [force, *(("pool", pool, np.array([number])) for number, pool in enumerate(pools))]


def _ends_of_shifts(world: World, at: float, hours: int) -> list[float]:
    """Give the minutes at which what waits is counted: now, and where a shift begins, as another ends there."""
    settings = world.brought.settings
    shift_begins = periods.begin_at(world.hours, settings.force.time_zone, settings.duties.shift_starts)
    begins = [60.0 * number for number in range(1, hours + 1) if shift_begins[number]]
    return [at, *(each for each in begins if each > at)]
