"""What a run finds when it begins now: logs to which nobody has been sent yet, and units that are still at work.

A run for next week may begin with the work of any such day; one for tonight may not, because the evening is what the
afternoon has left of it. Logs that wait come with the time that they have waited. A unit at work stays as long as such
work lasts, given that it has lasted so long already: what is left is drawn from the same log-normal minutes as that of
coming work, cut off at its age. Guards and other long commitments have no memory (see `drawn_work`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bluelamp.drawn_work import Came, Drawn, Ground, by_the_hour
from bluelamp.pools import Floats, Integers
from bluelamp.simulation import Cover, Jobs, Outcome, Rules, Travel, Units

_NORMAL = NormalDist()
# Work that lasts longer than all but one in a billion does is as good as done, minutes of it at least.
_LAST_POINT = 6.0
_LEAST_LEFT = 1.0
# Units at work are given to their work before any log that waits is looked at.
_BEFORE_ALL = -1e9


class Help(NamedTuple):
    """Up to which priority of `Ground.draw` other pools lend a unit, and how many times as long it travels."""

    last_priority: int
    travel_factor: float


@dataclass(frozen=True)
class OpenWork:
    """Logs and units at `at`, a minute of the run. Arrays with one entry a log that waits, and one a unit at work.

    `area`, `cell`: numbers as in `Came`; `received`: minute of the run, below nought where it lies before; `chance`:
    that a unit will be sent to it, since many a log is closed without one. `pool`: that
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

    def draw(self, ground: Ground, came: Came, random: np.random.Generator) -> Drawn:
        """Draw the jobs of a run that begins with this work: logs that wait first, then what `came` from `at` on, then
        one job a unit at work, of priority 0; the others are one less urgent than `Ground.draw` makes them.
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
        jobs = _joined(replace(drawn.jobs, priority=drawn.jobs.priority + 1), at_work)
        nobody = np.full(len(self.pool), -1)
        return Drawn(jobs, *(np.concatenate([each, nobody]) for each in (drawn.target, drawn.incident, drawn.grade)))

    def put_out(
        self, units: Integers, ground: Ground, helped: Help | None = None
    ) -> tuple[Units, Cover, Rules, Travel | None]:
        """Give units, cover, rules and ways for so many units (pools × hours), those at work now among them.

        Units at work are at a place of their pool behind all areas; ways from it are those from where the pool begins.
        """
        pools = len(ground.pool_hours.pool_ids)
        out, rules = by_the_hour(units, ground, at_work=np.bincount(self.pool, minlength=pools))
        assert rules.keep_free is not None
        # Those at work now are so, however many there are to be.
        never = np.zeros((pools, 1, rules.keep_free.shape[2]), dtype=np.int64)
        cover = ground.cover
        of_pools = np.broadcast_to(np.arange(pools)[:, None], (pools, cover.own.shape[1]))
        nobody = np.full((pools, cover.also.shape[1]), -1)
        rules = replace(rules, keep_free=np.concatenate([never, rules.keep_free], axis=1))
        lent = None
        if helped is not None:
            lent = np.concatenate([_others(cover, pools), np.full((pools, pools), -1)])
            rules = replace(
                rules, help_to=1 + helped.last_priority, help_units=1, help_travel_factor=helped.travel_factor
            )
        ways = ground.travel
        if ways is not None:
            like = np.concatenate([np.arange(len(ways.minutes)), ground.home_of_pool])
            ways = replace(ways, minutes=ways.minutes[np.ix_(like, like)])
        return (
            replace(out, briefing=np.full(len(out), self.at)),
            Cover.of(own=np.concatenate([cover.own, of_pools]), also=np.concatenate([cover.also, nobody]), help=lent),
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


def _joined(jobs: Jobs, more: Jobs) -> Jobs:
    return Jobs(
        **{each.name: np.concatenate([getattr(jobs, each.name), getattr(more, each.name)]) for each in fields(Jobs)}
    )
