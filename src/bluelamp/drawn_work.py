"""The coming work job by job, as the event simulation takes it: drawn from what a forecast's paths bring.

A path says which incidents come, where and when. Here each of them gets a unit or not, so many units, their minutes,
its write-up, and perhaps a long commitment that outlasts it; who covers its place, how urgent it is, and by when
somebody has to be there follow from pools and standards. Minutes are log-normal, the shape that service times usually
have (Brown et al. 2005, Statistical analysis of a telephone call center).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods
from bluelamp.errors import BadData, count_of
from bluelamp.offered_work import Target, grades_in_slots, service_of, targets_by_day
from bluelamp.pools import Floats, Integers, PoolHours
from bluelamp.simulation import Cover, Jobs, Rules, Travel, Units
from bluelamp.slots import Slots
from bluelamp.travel import Ways

# The most units of a pool that are simulated: three times those of the largest city's whole force.
MOST_UNITS = 10_000
# A unit that arrives stays a minute at least.
_LEAST_AT_SCENE = 1.0
# Whoever waits for a slot or for nothing goes after emergencies and before a backlog.
_ORDER = {"immediate": 0, "scheduled": 1, None: 1, "deferrable": 2}


class Came(NamedTuple):
    """Incidents of one path: numbers of their areas and of their cells (class and grade), minutes from the first hour.

    `mark` is a number between 0 and 1 that belongs to the incident: what is drawn of demand that is a fifth less is
    what has a mark below 0.8, so that two demands differ by their difference alone.
    """

    area: Integers
    cell: Integers
    minute: Floats
    mark: Floats


@dataclass(frozen=True)
class Drawn:
    """Jobs, and what each is to somebody who judges how it went.

    `target` is the number of the target that speaks of it, -1 where none does; `incident` the number of the incident
    that it belongs to, and `grade` that of the incident's grade; -1 where it belongs to none.
    """

    jobs: Jobs
    target: Integers
    incident: Integers
    grade: Integers


@dataclass(frozen=True)
class Ground:
    """What jobs are drawn on: how calls are worked, who covers what, what is promised. Made once, drawn from often."""

    starts: pl.Series  # of the hours of the forecast
    pool_hours: PoolHours
    grades: list[str]
    targets: list[Target]
    target_of: Integers  # grades × kinds × hours: number of the target, -1 where none holds
    service: dict[str, Floats]  # columns of service_times by cell
    grade_of_cell: Integers
    priority_of_grade: Integers
    kind_of_area: Integers
    travel_cv: float
    without_log: float
    warm_up: int
    slots: Slots | None
    is_in_slots: NDArray[np.bool_]  # by cell
    travel: Travel | None  # where it decides, `travel_cv` is about its minutes, and the nearest unit goes
    way_of_grade: Floats  # what a grade multiplies, where ways decide
    home_of_pool: Integers  # where units begin

    @classmethod
    def lay(
        cls,
        starts: pl.Series,
        pool_hours: PoolHours,
        cells: Sequence[tuple[str, str]],
        kinds_of_area: Sequence[str],
        service_times: pl.DataFrame,
        standards: pl.DataFrame,
        time_zone: str,
        *,
        travel_cv: float = 0.0,
        without_log: float = 0.0,
        write_up: bool = True,
        long_commitments: bool = True,
        warm_up: int = 12,
        slots: Slots | None = None,
        ways: Ways | None = None,
    ) -> Ground:
        """Prepare what jobs are drawn from, for the hours that begin at `starts`.

        `cells` are the (class, grade) that incidents number; `kinds_of_area` one a place. `travel_cv` is the
        coefficient of variation of travel about the minutes that the standards state; where `ways` between the places
        are given, they decide, and say how they vary. `without_log`, `write_up` and `long_commitments` are as in
        `offer_work`. The run begins `warm_up` hours early, with work like that of the same hours of the first day, so
        that it does not begin with every unit free. Calls of grades that are worked in slots are attended in `slots`,
        as in `offer_work`.
        """
        service = dict(service_of(cells, service_times))
        if not write_up:
            service["write_up_minutes"] = np.zeros(len(cells))
        if not long_commitments:
            service["long_minutes"] = np.zeros(len(cells))
        grades, kinds = sorted({grade for _, grade in cells}), sorted(set(kinds_of_area))
        day = periods.local_parts(starts, time_zone)["day"]
        day_of_hour = (day - day[0]).dt.total_days().to_numpy()
        targets, holds = targets_by_day(standards, grades, kinds, starts, day_of_hour, time_zone)
        early = min(warm_up, len(starts), 24) if len(starts) >= 24 else 0
        travel = None
        if ways is not None:
            of_hour = ways.of_hour[periods.local_parts(starts, time_zone)["hour"].to_numpy()]
            travel = Travel(ways.minutes, np.concatenate([of_hour[24 - early : 24], of_hour]) if early else of_hour)
        in_slots = grades_in_slots(targets) if slots is not None else set()
        return cls(
            starts=starts,
            pool_hours=pool_hours,
            grades=grades,
            targets=targets,
            target_of=_targets_by_hour(targets, holds, grades, kinds),
            service=service,
            grade_of_cell=np.array([grades.index(grade) for _, grade in cells], dtype=np.int64),
            priority_of_grade=_priorities(targets, grades),
            kind_of_area=np.array([kinds.index(kind) for kind in kinds_of_area], dtype=np.int64),
            travel_cv=travel_cv if ways is None else ways.variation,
            without_log=without_log,
            warm_up=early,
            slots=slots,
            is_in_slots=np.array([grade in in_slots for _, grade in cells], dtype=np.bool_),
            travel=travel,
            way_of_grade=np.array([1.0 if ways is None else ways.of_grade.get(grade, 1.0) for grade in grades]),
            home_of_pool=_homes(pool_hours, ways),
        )

    @property
    def hours(self) -> int:
        """Hours of a run, those of the warm-up included."""
        return self.warm_up + len(self.starts)

    @property
    def priorities(self) -> int:
        """Priorities of jobs: that of guards, and those of the grades."""
        return 2 + int(self.priority_of_grade.max(initial=0))

    def handling_of(self, grade: str) -> float:
        """Give the minutes, on average over a grade's targets, in which a call is taken before anybody can be sent."""
        each = [target.target_minutes - target.due_minutes for target in self.targets if target.grade_code == grade]
        return sum(each) / len(each) if each else 0.0

    def hour_of(self, minute: Floats) -> Integers:
        """Give the hour of the forecast that a minute of the run lies in; those of the warm-up are below nought."""
        return np.floor(minute / 60).astype(np.int64) - self.warm_up

    def _like(self, hour: Integers) -> Integers:
        """Give the hour whose cover and standards hold: those of the warm-up are like the first day's, and what came
        before the run is asked for in its first hour.
        """
        first = 0 if self.warm_up == 0 else 24
        return np.where(hour >= 0, hour, np.maximum(hour, -self.warm_up) + first)

    @property
    def cover(self) -> Cover:
        """Who covers which area by hour of the run; a pool of another hour of the day is asked next."""
        cover = self.pool_hours
        by_hour = cover.patterns[cover.pattern_of_hour].T
        own = np.concatenate([by_hour[:, 24 - self.warm_up : 24], by_hour], axis=1) if self.warm_up else by_hour
        # What nobody covers then is given to another area before it is drawn: see `draw`.
        fallback = np.where((own >= 0).any(axis=0), own.max(axis=0), 0)
        others = [sorted(set(row[row >= 0])) for row in cover.patterns.T]
        also = np.full((len(others), max((len(each) for each in others), default=0)), -1, dtype=np.int64)
        for area, each in enumerate(others):
            also[area, : len(each)] = each
        return Cover.of(own=np.where(own >= 0, own, fallback), also=also)

    def draw(
        self,
        came: Came,
        random: np.random.Generator,
        *,
        demand: float = 1.0,
        service: float = 1.0,
        surely: int = 0,
        now: float = 0.0,
    ) -> Drawn:
        """Draw the jobs of one path: with `demand` so many times as many incidents, each `service` times as long.

        The first `surely` incidents get a unit, whatever share of their like does, and no slot is before `now`. The
        same generator's state and the same incidents give the same jobs but for what `demand` and `service` change.
        """
        came = self._with_warm_up(self._in_slots(came, random, now))
        came, chance, points = _times(came, demand, random)
        of = {name: values[came.cell] for name, values in self.service.items()}
        chance[0, :surely] = -1.0
        sent = np.flatnonzero(chance[0] < of["share_deployed"])
        chance, points, of = chance[:, sent], points[:, sent], {name: each[sent] for name, each in of.items()}
        minute, cell, area = came.minute[sent], came.cell[sent], came.area[sent]
        area = self._covered(area, self.hour_of(minute), chance[1])
        number = self._target(cell, area, self.hour_of(minute))
        travel_mean = np.append([each.travel_minutes for each in self.targets], 0.0)[number]
        varies = _log_normal(points[0], self.travel_cv) * self.way_of_grade[self.grade_of_cell[cell]]
        # Not a number: the ground decides.
        decided = np.full(len(sent), np.nan) if self.travel else travel_mean * varies
        units = _units(of, chance[2])
        at_scene = np.maximum(of["minutes_per_unit"] - travel_mean, _LEAST_AT_SCENE)
        cv = of["sd_minutes"] / np.maximum(of["minutes_per_unit"], 1e-9)
        longer = service * (1 + self.without_log)
        first = at_scene * _log_normal(points[1], cv) * longer
        # Seen from within, an exponential time goes on for as long as it lasts in all.
        stay = -of["long_stay_minutes"] * np.log1p(-chance[4])
        following = np.flatnonzero(chance[3] < _share_long(of))
        jobs = Jobs.of(
            ready=np.concatenate([minute, np.zeros(len(following))]),
            first_minutes=np.concatenate([first, stay[following]]),
            place=np.concatenate([area, area[following]]),
            # Priority 0 is a guard's, which is not left for a call.
            priority=np.concatenate(
                [1 + self.priority_of_grade[self.grade_of_cell[cell]], np.zeros(len(following), dtype=np.int64)]
            ),
            units=np.concatenate([units, np.ones(len(following), dtype=np.int64)]),
            after_minutes=np.concatenate([of["write_up_minutes"] * service, np.zeros(len(following))]),
            further_minutes=np.concatenate([at_scene * _log_normal(points[2], cv) * longer, np.zeros(len(following))])[
                :, None
            ],
            travel=np.concatenate([decided, np.zeros(len(following))])[:, None],
            stretch=np.concatenate([varies, np.ones(len(following))])[:, None] if self.travel else 1.0,
            parent=np.concatenate([np.full(len(sent), -1), following]).astype(np.int64),
            is_handed_over=np.arange(len(sent) + len(following)) >= len(sent),
        )
        nobody, grade = np.full(len(following), -1), self.grade_of_cell[cell]
        return Drawn(
            jobs, np.concatenate([number, nobody]), np.concatenate([sent, sent[following]]),
            np.concatenate([grade, grade[following]]),
        )  # fmt: skip

    def _in_slots(self, came: Came, random: np.random.Generator, now: float) -> Came:
        """Move calls of grades that are worked in slots to theirs; the first days' slots are like those after them."""
        if self.slots is None or not self.is_in_slots.any():
            return came
        booked = np.flatnonzero(self.is_in_slots[came.cell])
        chance = random.random(len(booked))
        minute = came.minute.copy()
        minute[booked] = self.slots.draw(came.minute[booked], chance, now)
        moved = came._replace(minute=minute)
        if not self.warm_up:
            return moved
        early = booked[came.minute[booked] < 60.0 * np.sum(self.slots.day_of_hour < self.slots.days_after)]
        same_day = replace(self.slots, days_after=0)
        before = Came(
            came.area[early], came.cell[early], same_day.draw(came.minute[early], random.random(len(early))),
            came.mark[early],
        )  # fmt: skip
        return Came(*(np.concatenate(each) for each in zip(moved, before, strict=True)))

    def _with_warm_up(self, came: Came) -> Came:
        early = came.minute >= (24 - self.warm_up) * 60
        early &= came.minute < 24 * 60
        shift = self.warm_up * 60.0
        return Came(
            np.concatenate([came.area[early], came.area]),
            np.concatenate([came.cell[early], came.cell]),
            np.concatenate([came.minute[early] - (24 * 60 - shift), came.minute + shift]),
            np.concatenate([came.mark[early], came.mark]),
        )

    def _covered(self, area: Integers, hour: Integers, chance: Floats) -> Integers:
        """Give what no pool covers (an unknown place, an area left out) to an area that one does, by their calls."""
        cover = self.pool_hours
        pattern = cover.pattern_of_hour[self._like(hour)]
        is_covered = cover.patterns >= 0
        loose = np.flatnonzero(~is_covered[pattern, area])
        calls = np.bincount(area, minlength=is_covered.shape[1]).astype(np.float64)
        found = area.copy()
        for each in np.unique(pattern[loose]):
            weight = np.where(is_covered[each], calls, 0.0)
            upto = np.cumsum(weight if weight.any() else is_covered[each].astype(np.float64))
            mine = loose[pattern[loose] == each]
            if len(upto) and upto[-1] > 0:
                found[mine] = np.searchsorted(upto, chance[mine] * upto[-1], side="right")
        return found

    def _target(self, cell: Integers, area: Integers, hour: Integers) -> Integers:
        found: Integers = self.target_of[self.grade_of_cell[cell], self.kind_of_area[area], self._like(hour)]
        return found


def by_the_hour(units: Integers, ground: Ground, rules: Rules | None = None) -> tuple[Units, Rules]:
    """Give units and rules with which so many units work at most, pools × hours of the forecast.

    Jobs in hand go on when the number falls, and nobody is sent until fewer work than there are: so an hour has its
    units and no others, and no overtime that a plan does not count. Whoever is not wanted is out and kept free.

    Raises BadData for more units than MOST_UNITS in a pool.
    """
    warm_up = ground.warm_up
    by_hour = np.concatenate([units[:, 24 - warm_up : 24], units], axis=1) if warm_up else units
    # A pool without anybody has one who is never sent: its calls wait, and are not refused.
    most = by_hour.max(axis=1, initial=1)
    if most.max(initial=0) > MOST_UNITS:
        raise BadData(
            f"{count_of(int(most.max()), 'unit')} in one pool can't be simulated; at most {MOST_UNITS:,} were "
            "expected. Look at what is added to it, and at the table 'minimums'."
        )
    kept = (most[:, None] - by_hour)[:, None, :]
    of = Rules() if rules is None else rules
    reserve = 0 if of.keep_free is None else of.keep_free.reshape(*of.keep_free.shape[:2], -1)
    keep_free = np.broadcast_to(kept + reserve, (len(units), ground.priorities, by_hour.shape[1]))
    pool = np.repeat(np.arange(len(units)), most)
    out = Units.of(starts=np.zeros(len(pool)), pool=pool, place=ground.home_of_pool[pool])
    # The nearest is one of those that are wanted, because whoever is not out is near to nothing.
    return out, replace(
        dispatch(ground, of), keep_free=np.ascontiguousarray(keep_free), aside=kept[:, 0] if ground.travel else None
    )


def dispatch(ground: Ground, rules: Rules | None = None) -> Rules:
    """Give rules by which the nearest unit goes, where it is known how far each is."""
    given = rules or Rules()
    return given if ground.travel is None else replace(given, is_nearest=True)


# ---- parts ----


def _homes(pool_hours: PoolHours, ways: Ways | None) -> Integers:
    """Give for each pool the place from which the work of all that it ever covers is reached soonest."""
    homes = np.zeros(len(pool_hours.pool_ids), dtype=np.int64)
    for pool in range(len(homes) if ways is not None else 0):
        inside = np.flatnonzero((pool_hours.patterns == pool).any(axis=0))
        if ways is not None and len(inside):
            homes[pool] = ways.centre(inside)
    return homes


def _priorities(targets: Sequence[Target], grades: Sequence[str]) -> Integers:
    """Number grades by their urgency: emergencies, then slots, then the backlog, and the shorter wait first."""
    keys = []
    for grade in grades:
        mine = [target for target in targets if target.grade_code == grade]
        order = min((_ORDER[target.stream] for target in mine), default=_ORDER[None])
        keys.append((order, min((target.waiting_minutes for target in mine), default=np.inf)))
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return np.array([ranks[key] for key in keys], dtype=np.int64)


def _targets_by_hour(
    targets: Sequence[Target], holds: NDArray[np.bool_], grades: Sequence[str], kinds: Sequence[str]
) -> Integers:
    found = np.full((len(grades), len(kinds), holds.shape[1]), -1, dtype=np.int64)
    for number, target in enumerate(targets):
        found[grades.index(target.grade_code), kinds.index(target.area_kind), holds[number]] = number
    return found


def _times(came: Came, demand: float, random: np.random.Generator) -> tuple[Came, Floats, Floats]:
    """Give so many times the incidents, with what is drawn for each: five uniform and three normal numbers, by row.

    Whole times all of them, and of what is left those whose mark is below it. Everything is drawn for every incident,
    whether or not it is asked for, so that more demand changes nothing of what comes anyway.
    """
    whole, rest = divmod(demand, 1.0)
    chosen, chances, points = [], [], []
    for copy in range(int(whole) + (rest > 0)):
        some = np.arange(len(came.mark)) if copy < whole else np.flatnonzero(came.mark < rest)
        chosen.append(some)
        chances.append(random.random((len(came.mark), 5))[some].T)
        points.append(random.standard_normal((len(came.mark), 3))[some].T)
    of = np.concatenate(chosen)
    more = Came(came.area[of], came.cell[of], came.minute[of], came.mark[of])
    return more, np.concatenate(chances, axis=1), np.concatenate(points, axis=1)


def _log_normal(points: Floats, cv: Floats | float) -> Floats:
    """Turn standard normal points into factors with mean 1 and that coefficient of variation."""
    sigma = np.sqrt(np.log1p(np.square(cv)))
    return np.asarray(np.exp(sigma * (points - sigma / 2)))


def _units(of: dict[str, Floats], chance: Floats) -> Integers:
    """Draw units sent: one, and further ones by chance, so many that their mean is right (a Poisson number of them)."""
    further = np.maximum(of["units_per_deployment"] - 1, 0)
    units = np.ones(len(chance), dtype=np.int64)
    upto, term, count = np.exp(-further), np.exp(-further), 0
    left = chance >= upto
    while left.any() and count < 50:
        count += 1
        units[left] += 1
        term = term * further / count
        upto = upto + term
        left = chance >= upto
    return units


def _share_long(of: dict[str, Floats]) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(of["long_minutes"] > 0, of["long_minutes"] / np.maximum(of["long_stay_minutes"], 1.0), 0.0)
    return np.minimum(share, 1.0)
