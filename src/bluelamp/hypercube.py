"""Who goes where when the nearest unit is busy: the exact hypercube model of a few units.

Calls come at random from *atoms* (small places); each atom has its own order in which units are asked, and the first
free one goes. Units differ in pace and in where they stand. The chance of each set of busy units follows exactly from
the balance of all 2^n of them: Larson's (1974) hypercube. When all are busy, a call goes elsewhere (no queue), or waits
in order of arrival (a queue without limit).

Sets differ by one unit from one moment to the next, so that balance holds between numbers of busy units, and is solved
number by number without iteration. That takes the cube of the largest number of sets alike: exact up to about a dozen
units. Beyond that, simulate.

Sources:
    Larson, R. C. (1974). A hypercube queuing model for facility location and redistricting in urban emergency
        services. Computers and Operations Research 1(1), 67-95.
    Larson, R. C. and Odoni, A. R. (1981). Urban Operations Research. Prentice-Hall, chapter 5.
    Gaver, D. P., Jacobs, P. A. and Latouche, G. (1984). Finite birth-and-death models in randomly changing
        environments. Advances in Applied Probability 16(4), 715-731.
"""

from __future__ import annotations

from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bluelamp.errors import count_of

Numbers = NDArray[np.float64]

# With more units the largest system of equations, 3,432 sets of seven busy ones of fourteen, no longer is a matter of
# seconds.
MOST_UNITS = 13


class Hypercube(NamedTuple):
    """What units and atoms meet in the long run.

    `busy` (units) is the share of time that each is busy. `dispatches` (units × atoms) is the share of all calls served
    that the unit goes to in the atom; it sums to 1. `chance_all_busy` is the share of calls that find no unit free:
    they are lost, or wait. `mean_wait` is that of all calls, in the unit of time of the rates; 0 without a queue.
    `share_out_of_district` is the share of calls served that a unit of another district goes to, and `travel_minutes`
    their mean travel, beside that of each unit and atom; not a number where districts or travel were not given.
    """

    busy: Numbers
    dispatches: Numbers
    chance_all_busy: float
    mean_wait: float
    share_out_of_district: float
    travel_minutes: float
    travel_by_unit: Numbers
    travel_by_atom: Numbers


def nearest_first(travel: ArrayLike) -> NDArray[np.int64]:
    """Give the order in which each atom asks units, the nearest first: atoms × units, from minutes (units × atoms).

    Raises ValueError for minutes that are negative, unknown or infinite.

    >>> print(nearest_first([[2.0, 9.0], [6.0, 3.0]]))
    [[0 1]
     [1 0]]
    """
    minutes = np.asarray(travel, dtype=np.float64)
    if minutes.ndim != 2 or not np.isfinite(minutes).all() or (minutes < 0).any():
        raise ValueError("travel must hold minutes from 0, units × atoms, but some are negative or unknown.")
    return np.argsort(minutes.T, axis=1, kind="stable")


def solve_hypercube(
    arrivals: ArrayLike,
    service_rates: ArrayLike,
    preferences: ArrayLike,
    *,
    queue: Literal["none", "endless"] = "endless",
    districts: ArrayLike | None = None,
    travel: ArrayLike | None = None,
) -> Hypercube:
    """Solve the hypercube model for calls from atoms and units that are asked in each atom's own order.

    `arrivals` (atoms) are calls and `service_rates` (units) the jobs that each unit finishes while busy, both in the
    same unit of time; a unit's rate holds wherever it goes. `preferences` (atoms × units) holds each atom's units,
    first asked first. `queue`: a call that finds all busy is lost ('none') or waits in order of arrival ('endless').
    `districts` (atoms) is the unit in whose district each atom lies. `travel` (units × atoms) are minutes from where a
    unit waits; a call that waited is reached from the place of a call before it, which needs `travel` between atoms and
    is not modelled: the unit that serves it counts as at its own place.

    Formula: with B a set of busy units, P(B) (calls + rates of B) = sum over unit i of B of P(B - i) times the calls of
    atoms whose first free unit is i, + sum over i not in B of P(B + i) rate_i. With a queue, all busy and j waiting has
    the chance P(all) r^j, r = calls / rates of all.

    Raises ValueError for negative, unknown or infinite values, rates of 0, shapes that do not fit, preferences that do
    not name every unit once, more than MOST_UNITS units, and a queue that would grow without bound.

    >>> found = solve_hypercube([1.0, 0.5], [2.0, 2.0], [[0, 1], [1, 0]], queue="none", districts=[0, 1])
    >>> print(found.busy.round(3), round(found.chance_all_busy, 3), round(found.share_out_of_district, 3))
    [0.358 0.288] 0.138 0.228
    """
    calls, rates, order = _checked(arrivals, service_rates, preferences)
    if queue not in ("none", "endless"):
        raise ValueError(f"queue is '{queue}', but 'none' (such calls are lost) or 'endless' was expected.")
    units, atoms = len(rates), len(calls)
    total, pace = float(calls.sum()), float(rates.sum())
    if queue == "endless" and total >= pace:
        raise ValueError(
            f"{total:g} calls come and all units together finish {pace:g} in that time, so that the queue would grow "
            "without bound. More units, or queue='none', were expected."
        )
    first_free = _first_free(order, units)  # sets × atoms
    chance = _balance(calls, rates, first_free)
    all_busy = float(chance[-1])
    load = total / pace
    waiting = all_busy * load / (1 - load) if queue == "endless" else 0.0  # chance that somebody waits
    chance = chance / (1 + waiting)
    all_busy, waiting = all_busy / (1 + waiting), waiting / (1 + waiting)
    sets = np.arange(len(chance))
    is_busy = (sets[:, None] >> np.arange(units)) & 1
    sent = np.zeros((units, atoms))
    for atom in range(atoms):
        sent[:, atom] = np.bincount(first_free[:-1, atom], weights=chance[:-1], minlength=units) * calls[atom]
    found_all_busy = all_busy + waiting
    if queue == "endless":
        # Who is freed first goes, and each unit is the first in proportion to its rate.
        sent += found_all_busy * np.outer(rates / pace, calls)
    served = sent.sum()
    dispatches = sent / served if served > 0 else sent
    mean_wait = waiting / (1 - load) / total if queue == "endless" and total > 0 else 0.0
    away, minutes = np.nan, None
    if districts is not None:
        own = np.asarray(districts)
        if own.shape != (atoms,) or not np.isin(own, np.arange(units)).all():
            raise ValueError(f"districts must name one of {count_of(units, 'unit')} (from 0) for each atom.")
        away = float(1 - dispatches[own, np.arange(atoms)].sum()) if served > 0 else 0.0
    if travel is not None:
        minutes = np.asarray(travel, dtype=np.float64)
        if minutes.shape != (units, atoms) or not np.isfinite(minutes).all() or (minutes < 0).any():
            raise ValueError(f"travel must hold minutes from 0 for {units} units × {atoms} atoms.")
    spent = dispatches * (np.nan if minutes is None else minutes)
    with np.errstate(invalid="ignore"):
        by_unit, by_atom = spent.sum(axis=1) / dispatches.sum(axis=1), spent.sum(axis=0) / dispatches.sum(axis=0)
    return Hypercube(
        busy=(chance[:, None] * is_busy).sum(axis=0) + waiting,
        dispatches=dispatches,
        chance_all_busy=found_all_busy,
        mean_wait=mean_wait,
        share_out_of_district=away,
        travel_minutes=float(spent.sum()),
        travel_by_unit=by_unit,
        travel_by_atom=by_atom,
    )


def _checked(
    arrivals: ArrayLike, service_rates: ArrayLike, preferences: ArrayLike
) -> tuple[Numbers, Numbers, NDArray[np.int64]]:
    calls, rates = np.asarray(arrivals, dtype=np.float64), np.asarray(service_rates, dtype=np.float64)
    order = np.asarray(preferences)
    problems = []
    if calls.ndim != 1 or not calls.size or not np.isfinite(calls).all() or (calls < 0).any():
        problems.append("arrivals must hold the calls of each atom, 0 or more and finite")
    if rates.ndim != 1 or not rates.size or not np.isfinite(rates).all() or (rates <= 0).any():
        problems.append("service_rates must hold the rate of each unit, above 0 and finite")
    elif rates.size > MOST_UNITS:
        problems.append(
            f"{count_of(rates.size, 'unit')} have 2^{rates.size} sets of busy ones, and at most {MOST_UNITS} "
            "units are solved exactly; simulate instead"
        )
    elif order.shape != (calls.size, rates.size) or (np.sort(order, axis=-1) != np.arange(rates.size)).any():
        problems.append(f"preferences must name each of {count_of(rates.size, 'unit')} (from 0) once for each atom")
    if problems:
        raise ValueError("; ".join(problems) + ".")
    return calls, rates, order.astype(np.int64)


def _first_free(order: NDArray[np.int64], units: int) -> NDArray[np.int64]:
    """Give the unit that goes to each atom by set of busy units, sets × atoms; the last set has none."""
    sets = np.arange(2**units)
    found = np.zeros((len(sets), len(order)), dtype=np.int64)
    for rank in range(units - 1, -1, -1):
        unit = order[:, rank]
        is_free = (sets[:, None] >> unit) & 1 == 0
        found = np.where(is_free, unit, found)
    return found


def _balance(calls: Numbers, rates: Numbers, first_free: NDArray[np.int64]) -> Numbers:
    """Give the chance of each set of busy units, where calls that find all busy are lost.

    Sets are taken by how many are busy, from all down to none: what flows up from k busy returns by way of k + 1 alone,
    so that the equations of k + 1 and more can be put into those of k (Gaver, Jacobs and Latouche 1984).
    """
    units = len(rates)
    levels = [_sets_of(units, busy) for busy in range(units + 1)]
    place = np.zeros(2**units, dtype=np.int64)
    for sets in levels:
        place[sets] = np.arange(len(sets))
    total = calls.sum()
    # From each set of k busy, the share of what leaves upward that comes down again at each set of k.
    down_again = np.zeros((1, 1))
    ups = []
    for busy in range(units, 0, -1):
        sets, below = levels[busy], levels[busy - 1]
        leaves = np.zeros((len(sets), len(sets)))
        leaving = np.array([rates[_members(each, units)].sum() for each in sets]) + (total if busy < units else 0.0)
        leaves[np.arange(len(sets)), np.arange(len(sets))] = leaving
        leaves -= down_again
        up = np.zeros((len(below), len(sets)))
        for atom, weight in enumerate(calls):
            unit = first_free[below, atom]
            up[np.arange(len(below)), place[below | (1 << unit)]] += weight
        # Chances of k busy are those of k - 1 busy times this.
        step = np.linalg.solve(leaves.T, up.T).T
        ups.append(step)
        down = np.zeros((len(sets), len(below)))
        for row, each in enumerate(sets):
            members = _members(each, units)
            down[row, place[each & ~(1 << members)]] = rates[members]
        down_again = step @ down
    chance = np.zeros(2**units)
    current = np.ones(1)
    chance[0] = 1.0
    for busy, step in enumerate(reversed(ups), start=1):
        current = current @ step
        chance[levels[busy]] = current
    found: Numbers = chance / chance.sum()
    return found


def _sets_of(units: int, busy: int) -> NDArray[np.int64]:
    return np.array([sum(1 << unit for unit in each) for each in combinations(range(units), busy)], dtype=np.int64)


def _members(busy: np.int64, units: int) -> NDArray[np.int64]:
    return np.flatnonzero((int(busy) >> np.arange(units)) & 1)
