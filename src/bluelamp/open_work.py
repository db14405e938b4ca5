"""What a run finds when it begins now: logs to which nobody has been sent yet, and units that are still at work.

A run for next week may begin with the work of any such day; one for tonight may not, because the evening is what the
afternoon has left of it. Logs that wait come with the time that they have waited. A unit at work stays as long as such
work lasts, given that it has lasted so long already: what is left is drawn from the same log-normal minutes as that of
coming work, cut off at its age. Guards and other long commitments have no memory (see `drawn_work`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bluelamp.drawn_work import MOST_UNITS, Came, Drawn, Ground
from bluelamp.errors import BadData, count_of
from bluelamp.pools import Floats, Integers
from bluelamp.simulation import Cover, Jobs, Outcome, Rules, Travel, Units

_NORMAL = NormalDist()
# Work that lasts longer than all but one in a billion does is as good as done, minutes of it at least.
_LAST_POINT = 6.0
_LEAST_LEFT = 1.0
# Units at work are given to their work before any log that waits is looked at.
_BEFORE_ALL = -1e9
# Whoever is past the end of a duty now was on it a moment ago.
_JUST_OVER = 0.01
# The one ability that is asked for.
_DRIVES = 1


@dataclass(frozen=True)
class Habits:
    """How a control room sends, as its records show; as it comes, like one that knows no such rules.

    `help_to` is the last priority of `Ground.draw` for which other pools lend a unit (-1: none), which travels
    `help_travel_factor` times as long. A unit with no more than `last_minutes` of its duty left goes only to priorities
    up to `last_for`; one at a guard asks for relief `relief_before` minutes before its end; each is free again
    `clearing` minutes after a job. To the grades in `drivers_for` only units with a response driver go.
    """

    help_to: int = -1
    help_travel_factor: float = 1.0
    last_minutes: float = 0.0
    last_for: int = -1
    relief_before: float = 0.0
    clearing: float = 0.0
    drivers_for: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Out:
    """Units of a run, one entry each: their `pool`, minutes of the run at which they start and end (`starts`, `ends`),
    minutes of `briefing`, `break_from` (not a number without one) and `break_minutes`, and whether they have a response
    driver (`may_drive`). So many of a pool as are `kept` (pools × hours) are not sent, and no more are out than it has
    `vehicles` (by pool; -1: enough).
    """

    pool: Integers
    starts: Floats
    ends: Floats
    briefing: Floats
    break_from: Floats
    break_minutes: Floats
    may_drive: NDArray[np.bool_]
    kept: Integers
    vehicles: Integers

    @classmethod
    def by_hour(cls, units: Integers, where: NDArray[np.bool_] | None = None) -> Out:
        """Put so many units out in each hour, pools × hours; with `where`, in these pool-hours alone.

        They stay for as long as such hours follow each other, and the ones that an hour does not want are kept. Raises
        BadData for more units than MOST_UNITS in a pool.
        """
        where = np.ones(units.shape, dtype=np.bool_) if where is None else where
        if units.max(initial=0, where=where) > MOST_UNITS:
            raise BadData(
                f"{count_of(int(units[where].max()), 'unit')} in one pool can't be simulated; at most {MOST_UNITS:,} "
                "were expected. Look at the tables 'duties' and 'minimums'."
            )
        edges = np.diff(np.pad(where.astype(np.int64), ((0, 0), (1, 1))), axis=1)
        pools, begins = np.nonzero(edges == 1)
        ends = np.nonzero(edges == -1)[1]
        starts_at, ends_at = begins.astype(np.float64) * 60, ends.astype(np.float64) * 60
        kept = np.zeros(units.shape, dtype=np.int64)
        most = np.zeros(len(pools), dtype=np.int64)
        for number, (pool, begin, end) in enumerate(zip(pools, begins, ends, strict=True)):
            most[number] = units[pool, begin:end].max()
            kept[pool, begin:end] = most[number] - units[pool, begin:end]
        each = np.repeat(np.arange(len(pools)), most)
        none = np.zeros(len(each))
        enough = np.full(len(units), -1)
        return cls(pools[each], starts_at[each], ends_at[each], none, none + np.nan, none, none == 0.0, kept, enough)

    def after(self, minute: float) -> Out:
        """Give those whose duty goes on after a minute."""
        on = self.ends > minute
        return replace(self, **{name: getattr(self, name)[on] for name in _OF_UNITS})

    def joined(self, other: Out) -> Out:
        """Give these units and others, of the same pools, hours and vehicles."""
        parts = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _OF_UNITS}
        return replace(self, **parts, kept=self.kept + other.kept)


_OF_UNITS = tuple(each.name for each in fields(Out) if each.name not in ("kept", "vehicles"))


@dataclass(frozen=True)
class OpenWork:
    """Logs and units at `at`, a minute of the run. Arrays with one entry a log that waits, and one a unit at work.

    `area`, `cell`: numbers as in `Came`; `received`: minute of the run, below nought where it lies before; `chance`:
    that a unit will be sent to it, since many a log is closed without one. Units at work, longest first: `pool` that
    the unit belongs to; `unit_cell`: of the log that it is at, -1 where none is known; `minutes`: since it was sent;
    `is_long`: it is at a guard or another long commitment.
    """

    at: float
    area: Integers
    cell: Integers
    received: Floats
    chance: Floats
    pool: Integers
    unit_cell: Integers
    minutes: Floats
    is_long: NDArray[np.bool_]

    def draw(
        self, ground: Ground, came: Came, random: np.random.Generator, drivers_for: frozenset[str] = frozenset()
    ) -> Drawn:
        """Draw the jobs of a run that begins with this work: logs that wait first, then what `came` from `at` on, then
        one job a unit at work, of priority 0; the others are one less urgent than `Ground.draw` makes them. Calls of
        the grades in `drivers_for` ask for a response driver.
        """
        later = came.minute >= self.at
        wanted = random.random(len(self.area)) < self.chance
        drawn = ground.draw(
            Came(
                np.concatenate([self.area[wanted], came.area[later]]),
                np.concatenate([self.cell[wanted], came.cell[later]]),
                np.concatenate([self.received[wanted], came.minute[later]]),
                np.concatenate([np.zeros(wanted.sum()), came.mark[later]]),
            ),
            random,
            surely=int(wanted.sum()),
            now=self.at,
        )
        at_work = Jobs.of(
            ready=np.full(len(self.pool), _BEFORE_ALL),
            first_minutes=self._draw_left(ground, random),
            place=len(ground.kind_of_area) + self.pool,
            travel=np.zeros((len(self.pool), drawn.jobs.travel.shape[1])),
            is_handed_over=self.is_long,
        )
        asks = np.isin(drawn.grade, [ground.grades.index(each) for each in drivers_for if each in ground.grades])
        asks &= drawn.jobs.parent < 0
        priority = drawn.jobs.priority + 1
        jobs = replace(
            drawn.jobs, priority=priority, regraded_to=priority, asks=asks * _DRIVES, regraded_asks=asks * _DRIVES
        )
        jobs = joined_jobs(jobs, at_work)
        nobody = np.full(len(self.pool), -1)
        return Drawn(jobs, *(np.concatenate([each, nobody]) for each in (drawn.target, drawn.incident, drawn.grade)))

    def put_out(
        self, out: Out, ground: Ground, habits: Habits | None = None
    ) -> tuple[Units, Cover, Rules, Travel | None]:
        """Give units, cover, rules and ways for these units, those at work now among them.

        Units at work are at a place of their pool behind all areas; ways from it are those from where the pool begins.
        Where more of a pool are at work than are on duty, those who have been at it longest are past their end, and go
        home when they are done.
        """
        habits = habits or Habits()
        pools = len(ground.pool_hours.pool_ids)
        # A pool without anybody has one who is never sent: its calls wait, and are not refused.
        nobody = (np.bincount(out.pool, minlength=pools) == 0)[:, None] & np.ones(ground.hours, dtype=np.bool_)
        out = out.joined(replace(Out.by_hour(nobody.astype(np.int64), nobody), kept=nobody.astype(np.int64)))
        out = out.after(self.at)
        # Who came first has a vehicle first.
        order = np.argsort(out.starts, kind="stable")
        out = replace(out, **{name: getattr(out, name)[order] for name in _OF_UNITS})
        there = out.starts <= self.at
        now = np.bincount(self.pool, minlength=pools) - np.bincount(out.pool[there], minlength=pools)
        late = np.repeat(np.arange(pools), np.maximum(now, 0))
        pool = np.concatenate([late, out.pool])
        starts = np.concatenate([np.zeros(len(late)), out.starts])
        none = np.zeros(len(late))
        units = Units.of(
            starts=np.maximum(starts, 0.0),
            ends=np.concatenate([none + self.at + _JUST_OVER, out.ends]),
            pool=pool,
            place=ground.home_of_pool[pool],
            abilities=np.concatenate([none == 0.0, out.may_drive]) * _DRIVES,
            # Nobody does anything before the run begins.
            briefing=np.maximum(
                np.where(starts >= 0, np.concatenate([none, out.briefing]), 0.0), self.at - np.maximum(starts, 0.0)
            ),
            break_from=np.concatenate([none + np.nan, np.where(out.break_from >= self.at, out.break_from, np.nan)]),
            break_minutes=np.concatenate([none, out.break_minutes]),
        )
        # Those at work now are so, however many there are to be; behind the ground's priorities comes one for what no
        # log shows.
        kept = np.repeat(out.kept[:, None], 2 + ground.priorities, axis=1)
        kept[:, 0] = 0
        cover = ground.cover
        of_pools = np.broadcast_to(np.arange(pools)[:, None], (pools, cover.own.shape[1]))
        none_beside = np.full((pools, cover.also.shape[1]), -1)
        # One priority is in front of those of the ground: that of work that is going on. Who would want relief at once
        # is not sent to relieve another.
        rules = Rules(
            keep_free=kept, aside=out.kept if ground.travel else None, is_nearest=ground.travel is not None,
            last_minutes=habits.last_minutes, last_for=1 + habits.last_for,
            last_minutes_handed_over=habits.relief_before, relief_before=habits.relief_before,
            clearing=habits.clearing,
        )  # fmt: skip
        lent = None
        if habits.help_to >= 0:
            lent = np.concatenate([_others(cover, pools), np.full((pools, pools), -1)])
            rules = replace(
                rules, help_to=1 + habits.help_to, help_units=1, help_travel_factor=habits.help_travel_factor
            )
        ways = ground.travel
        if ways is not None:
            like = np.concatenate([np.arange(len(ways.minutes)), ground.home_of_pool])
            ways = replace(ways, minutes=ways.minutes[np.ix_(like, like)])
        return (
            units,
            Cover.of(
                own=np.concatenate([cover.own, of_pools]), also=np.concatenate([cover.also, none_beside]), help=lent,
                vehicles=out.vehicles,
            ),
            rules, ways,
        )  # fmt: skip

    def _draw_left(self, ground: Ground, random: np.random.Generator) -> Floats:
        """Draw how many minutes longer each unit stays."""
        chance = random.random(len(self.pool))
        # What is at no known log is like all work together.
        of = {name: np.append(values, np.mean(values)) for name, values in ground.service.items()}
        mean = (of["minutes_per_unit"] + of["write_up_minutes"])[self.unit_cell]
        sigma = np.sqrt(np.log1p(np.square(of["sd_minutes"][self.unit_cell] / np.maximum(mean, 1e-9))))
        left = np.array(
            [_left(*each) for each in zip(mean.tolist(), sigma.tolist(), self.minutes.tolist(), chance, strict=True)]
        )
        usual = of["long_stay_minutes"]
        stay = np.where(usual > 0, usual, np.max(usual, initial=60.0))[self.unit_cell]
        return np.maximum(np.where(self.is_long, -stay * np.log1p(-chance), left), _LEAST_LEFT)


def waiting_at(
    drawn: Drawn, outcome: Outcome, minute: float, handling: Floats | float = 0.0
) -> tuple[Integers, Floats]:
    """Give the numbers of the jobs that wait at a minute, as nobody had been sent to them before, and for how long.

    `handling` (by job) are minutes in which a call was being taken, before anybody could be sent: they are in no queue,
    and come before its wait.
    """
    is_log = (drawn.incident >= 0) & (drawn.jobs.parent < 0)
    waits = np.flatnonzero(is_log & (outcome.ready <= minute) & ~(outcome.sent + handling < minute))
    return waits, minute - outcome.ready[waits]


def _others(cover: Cover, pools: int) -> Integers:
    """Give for each place the pools that never cover it, -1 padded: places × pools."""
    own = np.zeros((len(cover.own), pools), dtype=np.bool_)
    for pools_of in (cover.own, cover.also):
        place, column = np.nonzero(pools_of >= 0)
        own[place, pools_of[place, column]] = True
    others = np.where(own, pools, np.arange(pools))
    others.sort(axis=1)
    return np.where(others == pools, -1, others)


def _left(mean: float, sigma: float, so_far: float, chance: float) -> float:
    """Give what is left of a log-normal time that has lasted `so_far`, at a chance between 0 and 1."""
    if sigma == 0 or so_far <= 0:
        point = _NORMAL.inv_cdf(min(max(chance, 1e-12), 1 - 1e-12))
        return float(mean * np.exp(sigma * (point - sigma / 2))) - max(so_far, 0.0)
    reached = min((np.log(so_far / max(mean, 1e-9)) + sigma**2 / 2) / sigma, _LAST_POINT)
    # Of those that last longer: counted from the far end, where numbers are fine enough.
    beyond = max(_NORMAL.cdf(-reached) * (1 - chance), 1e-15)
    whole = mean * np.exp(sigma * (-_NORMAL.inv_cdf(beyond) - sigma / 2))
    return float(whole - so_far)


def joined_jobs(jobs: Jobs, more: Jobs) -> Jobs:
    """Give jobs and, behind them, others."""
    return Jobs(
        **{each.name: np.concatenate([getattr(jobs, each.name), getattr(more, each.name)]) for each in fields(Jobs)}
    )
