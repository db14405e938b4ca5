"""What happens when so many units are out: jobs, duties and rules in; who went where, and when, out.

Each job waits until a unit that may go to it is free; each unit works its duty with briefing, break and overtime. The
simulation has no chance in it: whatever is random (when jobs come, how long they take, how travel varies, when a caller
gives up) is drawn before, job by job. So two plans that are tried on the same jobs differ by their plan alone.

A whole station with one queue is three lines:

>>> jobs = Jobs.of(ready=[0, 1, 2], first_minutes=[10, 10, 10])
>>> outcome = simulate(jobs, Units.of(starts=[0, 0]), Cover.of(own=[0]), hours=1)
>>> outcome.sent - outcome.ready
array([0., 0., 8.])

All times are minutes from the run's first hour. Places, pools, kinds of unit, priorities (0 is the most urgent) and
hours are numbers from 0. The rules, and who goes first where two are equal, stand in
docs/explanation/event-simulation.md. The method is next-event simulation (Tocher 1963, The Art of Simulation).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bluelamp.simulation import _checks

if TYPE_CHECKING:
    from bluelamp.simulation._world import Ground

Numbers = NDArray[np.float64]
WholeNumbers = NDArray[np.int64]
Flags = NDArray[np.bool_]
_Any = TypeVar("_Any", bound=np.generic)

_BY_JOB = ("sent", "arrived", "all_arrived", "left", "lapsed", "is_helped")
_BY_UNIT = ("busy", "overtime", "unit_jobs", "out_from", "out_until")

# What a unit's minutes go into, in the order of `Outcome.minutes`.
STAGES = ("free", "briefing", "travel", "work", "break")


@dataclass(frozen=True)
class Jobs:
    """What wants units, one entry a job; make one with `Jobs.of`, which fills in what is not said.

    `ready`: minute from which it can be sent to (received and handled); of a job with a `parent`, the minutes after
    that one's first unit has left. `place`, `priority`: numbers. `units` (jobs × kinds): units of each kind that it
    wants. `asks`: bits of abilities that each of them must have. `is_at_once`: nobody goes until all can; otherwise
    they go as they come, until the first one leaves. `first_minutes`: at the scene, of the first unit; then it is taken
    up for `after_minutes` more (custody, statements). `further_minutes` (jobs × further units, the last column
    holds for all that follow): of each unit beside the first. `travel` (jobs × units, likewise): minutes on the way in
    order of sending, not a number where `Travel` decides; with no columns `Travel` decides all, or nobody travels.
    `stretch` (jobs × units): times the minutes that `Travel` gives. `regraded_at` (not a number: never): the minute
    when a job to which nobody has been sent becomes one of priority `regraded_to` that asks `regraded_asks`.
    `patience`: minutes after which it lapses, if nobody has been sent. `parent`: index of the job that it follows, or
    -1. `is_handed_over`: one unit at a time stays until `first_minutes` are over, relieved at the end of its duty.
    `may_be_left`: its unit may be taken for another job (`Rules.takes_from`).
    """

    ready: Numbers
    place: WholeNumbers
    priority: WholeNumbers
    units: WholeNumbers
    asks: WholeNumbers
    is_at_once: Flags
    first_minutes: Numbers
    after_minutes: Numbers
    further_minutes: Numbers
    travel: Numbers
    stretch: Numbers
    regraded_at: Numbers
    regraded_to: WholeNumbers
    regraded_asks: WholeNumbers
    patience: Numbers
    parent: WholeNumbers
    is_handed_over: Flags
    may_be_left: Flags

    @classmethod
    def of(
        cls,
        ready: ArrayLike,
        first_minutes: ArrayLike,
        *,
        place: ArrayLike = 0,
        priority: ArrayLike = 0,
        units: ArrayLike = 1,
        asks: ArrayLike = 0,
        is_at_once: ArrayLike = False,
        after_minutes: ArrayLike = 0.0,
        further_minutes: ArrayLike | None = None,
        travel: ArrayLike | None = None,
        stretch: ArrayLike = 1.0,
        regraded_at: ArrayLike = np.nan,
        regraded_to: ArrayLike | None = None,
        regraded_asks: ArrayLike | None = None,
        patience: ArrayLike = np.inf,
        parent: ArrayLike = -1,
        is_handed_over: ArrayLike = False,
        may_be_left: ArrayLike = False,
    ) -> Jobs:
        """Make jobs; a single number holds for all of them, and what is left out is as plain as can be.

        `further_minutes` are those of the first unit where they are not given. Shapes are checked by `simulate`.
        """
        at = np.atleast_1d(_numbers(ready))
        each = len(at)
        first = _column(first_minutes, each)
        kept = {
            "place": _whole_column(place, each),
            "priority": _whole_column(priority, each),
            "asks": _whole_column(asks, each),
        }
        return cls(
            ready=at,
            units=_table(_whole(units), each),
            is_at_once=_flag_column(is_at_once, each),
            first_minutes=first,
            after_minutes=_column(after_minutes, each),
            further_minutes=_table(first if further_minutes is None else _numbers(further_minutes), each),
            travel=np.empty((each, 0)) if travel is None else _table(_numbers(travel), each),
            stretch=_table(_numbers(stretch), each),
            regraded_at=_column(regraded_at, each),
            regraded_to=kept["priority"] if regraded_to is None else _whole_column(regraded_to, each),
            regraded_asks=kept["asks"] if regraded_asks is None else _whole_column(regraded_asks, each),
            patience=_column(patience, each),
            parent=_whole_column(parent, each),
            is_handed_over=_flag_column(is_handed_over, each),
            may_be_left=_flag_column(may_be_left, each),
            **kept,
        )

    def __len__(self) -> int:
        return len(self.ready)


@dataclass(frozen=True)
class Units:
    """Who is out, one entry a duty: a unit is one crew from `starts` to `ends`; make one with `Units.of`.

    `pool`, `kind`: numbers. `abilities`: bits (-1: able to do everything). `place`: where it begins. `crew`: officers
    in it. `briefing`: minutes from its start in which it can't be sent. `break_minutes` are taken from `break_from` on
    (not a number: none), as soon as it is free, if they fit before `ends`.
    """

    starts: Numbers
    ends: Numbers
    pool: WholeNumbers
    kind: WholeNumbers
    abilities: WholeNumbers
    place: WholeNumbers
    crew: WholeNumbers
    briefing: Numbers
    break_from: Numbers
    break_minutes: Numbers

    @classmethod
    def of(
        cls,
        starts: ArrayLike,
        ends: ArrayLike = np.inf,
        *,
        pool: ArrayLike = 0,
        kind: ArrayLike = 0,
        abilities: ArrayLike = -1,
        place: ArrayLike = 0,
        crew: ArrayLike = 1,
        briefing: ArrayLike = 0.0,
        break_from: ArrayLike = np.nan,
        break_minutes: ArrayLike = 0.0,
    ) -> Units:
        """Make units; a single number holds for all of them. Shapes are checked by `simulate`."""
        at = np.atleast_1d(_numbers(starts))
        each = len(at)
        return cls(
            starts=at,
            ends=_column(ends, each),
            pool=_whole_column(pool, each),
            kind=_whole_column(kind, each),
            abilities=_whole_column(abilities, each),
            place=_whole_column(place, each),
            crew=_whole_column(crew, each),
            briefing=_column(briefing, each),
            break_from=_column(break_from, each),
            break_minutes=_column(break_minutes, each),
        )

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True)
class Cover:
    """Which pools answer for which places; make one with `Cover.of`.

    `own` (places × hours of the run, or places × 1 for all hours): the pool that covers a place. `also` (places × any,
    -1 padded): pools that are asked next, in order, and take its jobs as their own. `help` (places × any, -1 padded):
    pools that lend a unit to urgent jobs (`Rules.help_to`) when they have nothing of their own to do. `vehicles` by
    pool: the most units out at a time (-1: not counted); with no entries none are counted.
    """

    own: WholeNumbers
    also: WholeNumbers
    help: WholeNumbers
    vehicles: WholeNumbers

    @classmethod
    def of(
        cls,
        own: ArrayLike,
        *,
        also: ArrayLike | None = None,
        help: ArrayLike | None = None,
        vehicles: ArrayLike | None = None,
    ) -> Cover:
        """Make cover; `own` may be one pool a place. Shapes are checked by `simulate`."""
        pools = np.atleast_1d(_whole(own))
        places = len(pools)
        return cls(
            own=_table(pools, places),
            also=np.empty((places, 0), dtype=np.int64) if also is None else _table(_whole(also), places),
            help=np.empty((places, 0), dtype=np.int64) if help is None else _table(_whole(help), places),
            vehicles=np.empty(0, dtype=np.int64) if vehicles is None else np.atleast_1d(_whole(vehicles)),
        )


@dataclass(frozen=True)
class Rules:
    """How the control room sends; as it comes, plainly: the unit free longest, nothing held back, nobody taken away.

    `keep_free` (pools × priorities, or pools × priorities × hours of the run): units that stay free when a job of that
    priority takes one; none where it is not given. `help_to`: the last priority for which help comes (-1: none);
    `help_units`: the units that a job may have got before it is refused help; `help_travel_factor`: times the minutes
    on the way of those who help. `takes_from` (priorities × priorities): 1 where a job of the row's priority takes a
    unit that is on its way to one of the column's, 2 where from the scene too; less urgent columns only.
    `last_minutes`: so near the end of its duty a unit is sent only to priorities up to `last_for`;
    `last_minutes_handed_over` holds for jobs that are handed over, whose unit asks for relief `relief_before` minutes
    before its end. `clearing`: minutes after each job until a unit is free again. `is_nearest`: the unit with the
    shortest way goes instead of the one free longest; of a pool's free units so many as are `aside` (pools × hours
    of the run), those free for the shortest time, are then not looked at. `may_pass`: jobs may go before one that
    came earlier and waits for several units at once.
    """

    keep_free: WholeNumbers | None = None
    help_to: int = -1
    help_units: int = 1_000_000
    help_travel_factor: float = 1.0
    takes_from: WholeNumbers | None = None
    last_minutes: float = 0.0
    last_for: int = -1
    last_minutes_handed_over: float = 0.0
    relief_before: float = 0.0
    clearing: float = 0.0
    is_nearest: bool = False
    aside: WholeNumbers | None = None
    may_pass: bool = False


@dataclass(frozen=True)
class Travel:
    """How long the way takes: `minutes` (places × places, from row to column) times `factor` (hours of the run)."""

    minutes: Numbers
    factor: Numbers = field(default_factory=lambda: np.ones(1))


class Sendings(NamedTuple):
    """Every sending, in the order in which they were made: `job`, `unit`, and minutes.

    `arrived` is not a number where the unit was called off before; `left` is when it left the scene (or was called
    off), which may lie after the run's end. `is_help`: the unit came from a pool that lent it.
    """

    job: WholeNumbers
    unit: WholeNumbers
    sent: Numbers
    arrived: Numbers
    left: Numbers
    is_help: Flags


class Outcome(NamedTuple):
    """What happened, in minutes from the run's first hour; not a number where it did not happen before the run's end.

    By job: `ready` (of those with a parent, when that turned out to be), `sent` (the first unit), `arrived` (the first;
    may lie after the run's end), `all_arrived` (the last of those that it wanted), `left` (the first unit left the
    scene; a job handed over: when it was over), `lapsed`, `is_helped` (its first unit was lent), `units` sent in all.

    By unit: `busy` minutes (on the way and at work), `overtime` minutes (out after its end), `unit_jobs` (sendings),
    `out_from` and `out_until`.

    `minutes` (stages × pools × hours): unit-minutes by `STAGES`, in the pool that the unit belongs to. `waiting` (pools
    × priorities × (hours + 1)): jobs to which nobody has been sent, in the pool that covers their place, at each hour's
    start and at the run's end; `oldest`: minutes that the one waiting longest has waited, 0 where none waits.
    `sendings`, when they are kept.
    """

    ready: Numbers
    sent: Numbers
    arrived: Numbers
    all_arrived: Numbers
    left: Numbers
    lapsed: Numbers
    is_helped: Flags
    units: WholeNumbers
    busy: Numbers
    overtime: Numbers
    unit_jobs: WholeNumbers
    out_from: Numbers
    out_until: Numbers
    minutes: Numbers
    waiting: WholeNumbers
    oldest: Numbers
    sendings: Sendings | None


def simulate(
    jobs: Jobs,
    units: Units,
    cover: Cover,
    rules: Rules | None = None,
    travel: Travel | None = None,
    *,
    hours: int,
    keep: bool = False,
) -> Outcome:
    """Let units answer jobs for so many hours; what would happen after them is not looked at.

    With `keep` every sending is kept. Raises BadData with all that is wrong with the arrays: lengths, numbers out of
    range, negative minutes, kinds and abilities that no unit has, places that no pool with a unit covers.
    """
    rules = rules or Rules()
    _checks.check(jobs, units, cover, rules, travel, hours)
    return _run(jobs, units, cover, rules, _lay([jobs], units, cover, rules, travel, hours), hours, keep)


def replicate(
    runs: Sequence[Jobs],
    units: Units,
    cover: Cover,
    rules: Rules | None = None,
    travel: Travel | None = None,
    *,
    hours: int,
    keep: bool = False,
    threads: int = 2,
    tell: Callable[[int], None] | None = None,
) -> list[Outcome]:
    """Simulate the same units on many drawn sets of jobs, some at a time; the outcomes come in the order of `runs`.

    `tell` is called with the number of runs that are done, after each. Raises BadData like `simulate`.
    """
    rules = rules or Rules()
    for jobs in runs:
        _checks.check(jobs, units, cover, rules, travel, hours)
    ground = _lay(runs, units, cover, rules, travel, hours)
    outcomes = []
    with ThreadPoolExecutor(threads) as pool:
        for outcome in pool.map(lambda jobs: _run(jobs, units, cover, rules, ground, hours, keep), runs):
            outcomes.append(outcome)
            if tell is not None:
                tell(len(outcomes))
    return outcomes


def _lay(runs: Sequence[Jobs], units: Units, cover: Cover, rules: Rules, travel: Travel | None, hours: int) -> Ground:
    from bluelamp.simulation import _world

    return _world.lay_ground(units, cover, rules, travel, priorities=_count_priorities(runs, rules), hours=hours)


def _count_priorities(runs: Sequence[Jobs], rules: Rules) -> int:
    named = [int(each.max(initial=0)) + 1 for jobs in runs for each in (jobs.priority, jobs.regraded_to)]
    tables = [int(each.shape[1]) for each in (rules.keep_free, rules.takes_from) if each is not None]
    return max([1, *named, *tables])


def _run(jobs: Jobs, units: Units, cover: Cover, rules: Rules, ground: Ground, hours: int, keep: bool) -> Outcome:
    # The loops take most of a second to load, and `--help` has no use for them.
    from bluelamp.simulation import _kernel, _world

    # A job may want more units than there are.
    sendings = needed = min(int(jobs.units.sum()), len(jobs) * len(units)) + 64 if keep else 0
    while True:
        world = _world.lay_out(jobs, units, cover, rules, ground, hours=hours, sendings=sendings)
        _kernel.run(_kernel.point_at(world))
        needed = int(world["state"]["sendings"][0])
        if not keep or needed <= sendings:
            break
        # Units that are relieved or taken away make more sendings than jobs want units: the same again, with room.
        sendings = needed
    out = world["units"]
    return Outcome(
        ready=world["was_ready"],
        **{name: world[name] for name in _BY_JOB},
        units=world["had"],
        **{name: np.ascontiguousarray(out[name]) for name in _BY_UNIT},
        **{name: world[name] for name in ("minutes", "waiting", "oldest")},
        sendings=_sendings(world["sendings"][:needed]) if keep else None,
    )


def _sendings(kept: NDArray[np.void]) -> Sendings:
    job, unit, sent, arrived, left = (np.ascontiguousarray(kept[name]) for name in Sendings._fields[:5])
    return Sendings(job, unit, sent, arrived, left, kept["is_help"] > 0)


# ---- arrays from what was given ----


def _numbers(values: ArrayLike) -> Numbers:
    return np.asarray(values, dtype=np.float64)


def _whole(values: ArrayLike) -> WholeNumbers:
    """Give whole numbers; what is not whole is left as it is, for `simulate` to refuse with a sentence."""
    array = np.asarray(values)
    if array.dtype.kind == "f" and not np.array_equal(array, np.floor(array)):
        return array
    return np.asarray(array, dtype=np.int64)


def _filled(array: NDArray[_Any], each: int) -> NDArray[_Any]:
    """Give one for each; a single number stands for all, and takes the room of one."""
    return array if array.ndim else np.broadcast_to(array, (each,))


def _column(values: ArrayLike, each: int) -> Numbers:
    return _filled(_numbers(values), each)


def _whole_column(values: ArrayLike, each: int) -> WholeNumbers:
    return _filled(_whole(values), each)


def _flag_column(values: ArrayLike, each: int) -> Flags:
    return _filled(np.asarray(values, dtype=np.bool_), each)


def _table(array: NDArray[_Any], each: int) -> NDArray[_Any]:
    """Give (each × columns) of a number, a column or a table."""
    filled = _filled(array, each)
    return filled[:, None] if filled.ndim == 1 else filled
