"""How long calls wait that ask for more than one unit: exact chains for both rules of sending them.

Calls come at random and ask for 1, 2, ... K units; each unit is freed by itself after an exponentially distributed
time; calls are served in the order of arrival. Two rules are told apart, because they wait differently:

- *all at once*: nobody goes until all units of the call can go, and those behind it wait although units are free
  (Brill and Green 1984);
- *as they come*: each free unit goes to the first call that lacks one, and the call has waited until its first unit
  goes. Unit by unit this is the queue with arrivals in batches (Kabak 1970).

In both, the chances of 0, 1, ... n busy units while nobody waits follow one recursion, which is Erlang's with as many
terms as units that a call may ask for. All at once, whoever waits stands in a queue with one server: the next call
starts when as many units as it lacks have been freed, one after another. So both are exact for any number of units,
and cost little more than Erlang C.

Every function works cell by cell on NumPy arrays that broadcast and gives new arrays. Times are minutes; an *offered
load* counts units that would be busy on average if one were always free, all units of a call together. `needs` are the
shares of calls that ask for 1, 2, ... K units, along the first axis; they are scaled to sum to 1.

Sources:
    Brill, P. H. and Green, L. (1984). Queues in which customers receive simultaneous service from a random number of
        servers: a system point approach. Management Science 30(1), 51-68.
    Kabak, I. W. (1970). Blocking and delays in M(x)/M/c bulk arrival queueing systems. Management Science 17(1),
        112-115.
    Keilson, J. and Servi, L. D. (1988). A distributional form of Little's law. Operations Research Letters 7(5),
        223-227.
    Neuts, M. F. (1981). Matrix-Geometric Solutions in Stochastic Models. Johns Hopkins.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bluelamp.queueing import MOST_UNITS

Numbers = NDArray[np.float64]
WholeNumbers = NDArray[np.int64]

# Samples of cells that are worked on at once, so that the few arrays of a block stay in a processor's own cache.
BLOCK = 16_384
# As in `queueing`: a target missed by no more than this part of it counts as met.
_ROUNDING = 1e-12
# The largest mean of a Poisson distribution whose first chance is still far from the smallest number there is.
_MOST_AT_ONCE = 200.0


def waits_for_all(
    units: ArrayLike, offered_load: ArrayLike, needs: ArrayLike, minutes: ArrayLike, service_minutes: ArrayLike
) -> tuple[Numbers, Numbers]:
    """Give the chance that a call waits longer than `minutes` for all its units together, and its mean wait.

    `units` are whole numbers; `needs` has the shape (K, ...), the others broadcast to its rest. The mean is over all
    calls, those that do not wait included. Who asks for more units than there are takes all of them. Where the queue
    grows without bound, which it does at a load that may be well below `units`, the answers are 1 and infinity.

    Formula: with time in mean services, arrivals l, and b_j the chance of j free units and nobody waiting, whoever
    finds j < k free waits for k - j units, freed at the rates n - j, n - j - 1, ...; the starts that follow are those
    of a queue with one server, whose service is the sum of such times from n on. Chances of waits follow from the
    number waiting by Little's law of distributions (Keilson and Servi 1988).

    Raises ValueError for negative, unknown or infinite values, a service time of 0, units that are not whole, needs
    that are all 0, and shapes that do not broadcast.

    >>> late, wait = waits_for_all(10, 5 * 1.4, [0.6, 0.4], minutes=0, service_minutes=1)
    >>> print(late.round(4), wait.round(5))
    0.3207 0.15294
    """
    return _waits(_AllAtOnce, units, offered_load, needs, minutes, service_minutes)


def waits_for_first(
    units: ArrayLike, offered_load: ArrayLike, needs: ArrayLike, minutes: ArrayLike, service_minutes: ArrayLike
) -> tuple[Numbers, Numbers]:
    """Give the chance that a call waits longer than `minutes` for its first unit, and its mean wait for that one.

    Each free unit goes to the first call that lacks one. Arguments, edges and errors are those of `waits_for_all`, but
    the queue is bounded wherever the load is less than `units`, and a call may ask for more units than there are.

    Formula: with x_j the chance of j units asked for, busy or waited for, min(j + 1, n) x_(j+1) = l sum of x_(j-i)
    P(need > i) over i < K; a call that finds j >= n waits for j - n + 1 of them to be freed, at n in a mean service.

    >>> late, wait = waits_for_first(10, 5 * 1.4, [0.6, 0.4], minutes=0, service_minutes=1)
    >>> print(late.round(4), wait.round(5))
    0.2677 0.11272
    """
    return _waits(_AsTheyCome, units, offered_load, needs, minutes, service_minutes)


def units_for_all(
    loads: ArrayLike,
    weights: ArrayLike | None,
    needs: ArrayLike,
    minutes: ArrayLike,
    service_minutes: ArrayLike,
    share: ArrayLike,
    away: ArrayLike = 0,
) -> WholeNumbers:
    """Give the fewest units with which `share` of calls wait at most `minutes` for all their units, over all samples.

    `loads` and `weights` (None for equal ones) are samples × cells, `away` (units that answer nothing) broadcasts to
    that, `needs` is K × cells, the others broadcast to cells. The answer is the exact minimum: every number of units
    is tried in turn. Errors are those of `waits_for_all`.

    >>> print(units_for_all([[7.0]], None, [[0.6], [0.4]], minutes=6, service_minutes=60, share=0.9))
    [12]
    """
    return _fewest(_AllAtOnce, loads, weights, needs, minutes, service_minutes, share, away)


def units_for_first(
    loads: ArrayLike,
    weights: ArrayLike | None,
    needs: ArrayLike,
    minutes: ArrayLike,
    service_minutes: ArrayLike,
    share: ArrayLike,
    away: ArrayLike = 0,
) -> WholeNumbers:
    """Give the fewest units with which `share` of calls wait at most `minutes` for their first unit, over all samples.

    Arguments and errors are those of `units_for_all`.

    >>> print(units_for_first([[7.0]], None, [[0.6], [0.4]], minutes=6, service_minutes=60, share=0.9))
    [12]
    """
    return _fewest(_AsTheyCome, loads, weights, needs, minutes, service_minutes, share, away)


# ---- The chain while nobody waits, one unit more at a time ----


class _Chain:
    """The chances of the last K numbers of busy units, of a chain that ends at `units`, for a row of cells.

    `load` and `units` are rows; `shares` (K × cells) are those of calls by need. Time is counted in mean services.
    """

    def __init__(self, load: Numbers, shares: Numbers) -> None:
        self.shares = shares
        self.beyond = shares[::-1].cumsum(axis=0)[::-1]  # chance that a call asks for more than 0, 1, ... units
        self.arrivals = load / self.beyond.sum(axis=0)
        self.units = np.zeros(load.shape)
        # The empty chain: all chance is on no busy unit.
        self.last = np.zeros(shares.shape)
        self.last[0] = 1.0

    def add_unit(self, where: NDArray[np.bool_]) -> None:
        """Let the chain go one unit further in some cells."""
        units = self.units + where
        new = np.where(where, self.arrivals / np.maximum(units, 1) * (self.last * self.beyond).sum(axis=0), 0.0)
        shifted = np.concatenate([new[None], self.last[:-1]])
        self.last = np.where(where, shifted / (1 + new), self.last)
        self.units = units

    def of(self, cells: NDArray[np.bool_]) -> Self:
        """Give the chains of some cells alone."""
        found = copy(self)
        found.shares, found.beyond, found.last = self.shares[:, cells], self.beyond[:, cells], self.last[:, cells]
        found.arrivals, found.units = self.arrivals[cells], self.units[cells]
        return found


class _AllAtOnce(_Chain):
    """Waits for all units of a call together.

    A phase is how many units stand free and how many the call at the head asks for: arrays are free × asked × cells.
    """

    @property
    def is_stable(self) -> NDArray[np.bool_]:
        """Whether starts outrun arrivals."""
        stable: NDArray[np.bool_] = (self.units > 0) & (self.arrivals * _next(self._taken(), self._means()) < 1)
        return stable

    def _taken(self) -> Numbers:
        """Give the shares of calls by the units that they take: who asks for more than there are takes them all."""
        asked = np.arange(1, len(self.shares) + 1)[:, None]
        if self.units.min(initial=len(asked)) >= len(asked):
            return self.shares
        return np.where(asked < self.units, self.shares, np.where(asked == self.units, self.beyond, 0.0))

    def waits(self, allowed: Numbers) -> tuple[Numbers, Numbers]:
        """Give the chance of a wait longer than `allowed`, and the mean wait, in cells that are stable."""
        asked = np.arange(len(self.shares))
        taken, means = self._taken(), self._means()
        blocked = np.where((asked[:, None] <= asked)[..., None], self.last[:, None] * taken, 0.0)
        room = 1 - self.arrivals * _next(taken, means)
        whole = 1 + self.arrivals * (blocked * means).sum(axis=(0, 1)) / room

        def over_calls(values: Numbers) -> Numbers:
            """Average a function of the phase over calls: those that find nobody waiting, and those behind others."""
            later = self._until_found(values)
            behind = later + self.arrivals * means * _next(taken, later) / room
            found: Numbers = (blocked * (values + self.arrivals * behind)).sum(axis=(0, 1)) / whole
            return found

        return over_calls(self._still_waiting(taken, allowed)), over_calls(means / room)

    def _rate(self, free: int) -> Numbers:
        return np.maximum(self.units - free, 0)

    def _means(self) -> Numbers:
        """Give the mean time until a call finds all its units, by phase."""
        size = len(self.shares)
        return self._until_found(np.ones((size, size, self.units.size)))

    def _until_found(self, values: Numbers) -> Numbers:
        """Add up a function of the phase over the time until a call finds all its units, by phase."""
        found = np.zeros(values.shape)
        for free in reversed(range(len(self.shares))):
            rate = self._rate(free)
            spent = np.divide(values[free, free:], rate, out=np.zeros(values[free, free:].shape), where=rate > 0)
            found[free, free:] = spent
            if free + 1 < len(self.shares):
                found[free, free + 1 :] += found[free + 1, free + 1 :]
        return found

    def _still_waiting(self, taken: Numbers, allowed: Numbers) -> Numbers:
        """Give exp(-T t) 1 by phase, where T is the matrix of rates at which starts outrun arrivals.

        By uniformization: every term of the series is positive, so that no digit is lost.
        """
        size = len(self.shares)
        quickest = self._rate(0)
        mean = quickest * allowed

        def step(term: Numbers) -> Numbers:
            """Give the next term of the series, of functions of the phase: … × free × asked × cells."""
            begun = self.arrivals * (taken * term[..., 0, :, :]).sum(axis=-2)
            freed = np.empty_like(term)
            for free in range(size):
                freed[..., free, :, :] = (quickest - self._rate(free)) * term[..., free, :, :] + begun[..., None, :]
                if free + 1 < size:
                    freed[..., free, free + 1 :, :] += self._rate(free) * term[..., free + 1, free + 1 :, :]
            return np.asarray(freed / quickest)

        phases = size * size
        everyone = np.ones((size, size, self.units.size))
        if mean.max(initial=0) <= _MOST_AT_ONCE:
            return _series(step, everyone, mean)
        units = np.eye(phases).reshape(phases, size, size, 1) * np.ones(self.units.size)

        def after(time: Numbers) -> Numbers:
            return _series(step, units, time).reshape(phases, phases, -1).transpose(2, 1, 0)

        return np.asarray((_over(after, mean) @ np.ones(phases)).T.reshape(everyone.shape))


def _next(taken: Numbers, values: Numbers) -> Numbers:
    """Average a function of the phase over the one that a start leaves: no unit free, and any need."""
    found: Numbers = (taken * values[0]).sum(axis=0)
    return found


class _AsTheyCome(_Chain):
    """Waits for the first unit of a call."""

    @property
    def is_stable(self) -> NDArray[np.bool_]:
        """Whether units outrun the work."""
        stable: NDArray[np.bool_] = self.arrivals * self.beyond.sum(axis=0) < self.units
        return stable

    def waits(self, allowed: Numbers) -> tuple[Numbers, Numbers]:
        """Give the chance of a wait longer than `allowed`, and the mean wait, in cells that are stable."""
        pace = self.arrivals / self.units
        room = 1 - pace * self.beyond.sum(axis=0)
        through = self.last.cumsum(axis=0)  # chance of n, of n or n - 1, ... units asked for
        # The recursion, summed over all numbers above n, and summed once more.
        above = pace * (self.beyond * through).sum(axis=0) / room
        places = np.arange(1, len(self.last) + 1)[:, None]
        above_twice = pace * (self.beyond * (places * above + through.cumsum(axis=0))).sum(axis=0) / room
        found = self.last[0] + above  # chance of n or more: the call waits
        mean = (found + above_twice) / self.units
        expected = self.units * allowed
        if expected.max(initial=0) > _MOST_AT_ONCE * len(self.last):
            return self._still_asking(pace, expected) / (1 + above), mean / (1 + above)
        late = np.zeros(found.shape)
        latest, left, log_weight = self.last, found, -expected
        for number in range(_terms(expected)):
            late += np.exp(log_weight) * left
            left = np.maximum(left - latest[0], 0)
            latest = np.concatenate([(pace * (self.beyond * latest).sum(axis=0))[None], latest[:-1]])
            with np.errstate(divide="ignore"):
                log_weight = log_weight + np.log(expected / (number + 1))
        return late / (1 + above), mean / (1 + above)

    def _still_asking(self, pace: Numbers, expected: Numbers) -> Numbers:
        """Give the chance that more units are asked for than are freed, where so many may be freed that they are not
        counted one by one: with M the matrix of the recursion, the first of (I - M)^-1 exp((M - I) expected) last.
        """
        size, cells = len(self.last), self.units.size
        onward = np.zeros((cells, size, size))
        onward[:, 0] = (pace * self.beyond).T
        onward[:, np.arange(1, size), np.arange(size - 1)] = 1.0

        def after(time: Numbers) -> Numbers:
            values = np.broadcast_to(np.eye(size)[..., None], (size, size, cells))
            found = _series(lambda term: np.einsum("cij,kjc->kic", onward, term), values, time)
            return np.asarray(found.transpose(2, 1, 0))

        left = (_over(after, expected) @ self.last.T[..., None])[..., 0]
        chance = np.linalg.solve(np.eye(size) - onward, left[..., None])[:, 0, 0]
        return np.asarray(np.maximum(chance, 0.0), dtype=np.float64)


def _series(step: Callable[[Numbers], Numbers], values: Numbers, mean: Numbers) -> Numbers:
    """Average the terms of a series by a Poisson distribution, cell by cell (the last axis)."""
    weight, term = np.exp(-mean), values
    found: Numbers = values * weight
    for number in range(1, _terms(mean)):
        term = step(term)
        weight = weight * mean / number
        found = found + weight * term
    return found


def _over(after: Callable[[Numbers], Numbers], mean: Numbers) -> Numbers:
    """Give what happens over a long time as a matrix by cell, from what happens over a short one: by doubling, because
    the series itself would take as many terms as events. All its numbers are positive, so that no digit is lost.
    """
    doublings = int(np.ceil(np.log2(mean.max())))
    found = after(mean / 2**doublings)
    for _ in range(doublings):
        found = found @ found
    return found


def _terms(mean: Numbers) -> int:
    """Give how many terms of a Poisson distribution hold all of it but what is negligible, for the largest mean."""
    most = float(mean.max(initial=0))
    return int(np.ceil(most + 7 * np.sqrt(most) + 12))


# ---- Cells ----


def _waits(
    rule: type[_AllAtOnce] | type[_AsTheyCome],
    units: ArrayLike,
    offered_load: ArrayLike,
    needs: ArrayLike,
    minutes: ArrayLike,
    service_minutes: ArrayLike,
) -> tuple[Numbers, Numbers]:
    """Give the chance of a long wait and the mean wait, cell by cell, by a rule of sending units."""
    wanted = _countable_units("units", units)
    load = _checked("offered_load", offered_load)
    allowed, service = _checked("minutes", minutes), _service(service_minutes)
    shares = _shares(needs)
    shape = _common_shape(
        units=wanted, offered_load=load, minutes=allowed, service_minutes=service, needs=shares[0]
    )  # fmt: skip
    rows = [np.broadcast_to(each, shape).reshape(-1) for each in (wanted, load, allowed / service, service)]
    shares = shares.reshape(len(shares), *(1,) * (len(shape) + 1 - shares.ndim), *shares.shape[1:])
    shares = np.broadcast_to(shares, (len(shares), *shape)).reshape(len(shares), -1)
    late, mean = np.ones(rows[0].shape), np.full(rows[0].shape, np.inf)
    for start in range(0, late.size, BLOCK):
        block = np.arange(start, min(start + BLOCK, late.size))
        chain = rule(rows[1][block], shares[:, block])
        for number in range(int(rows[0][block].max(initial=0))):
            chain.add_unit(rows[0][block] > number)
        stable = chain.is_stable
        if stable.any():
            cells = block[stable]
            late[cells], mean[cells] = chain.of(stable).waits(rows[2][cells])
    return late.reshape(shape), (mean * rows[3]).reshape(shape)


def _fewest(
    rule: type[_AllAtOnce] | type[_AsTheyCome],
    loads: ArrayLike,
    weights: ArrayLike | None,
    needs: ArrayLike,
    minutes: ArrayLike,
    service_minutes: ArrayLike,
    share: ArrayLike,
    away: ArrayLike,
) -> WholeNumbers:
    """Give the fewest units a cell by trying 1, 2, 3 and so on in all of its samples."""
    load = _countable("loads", loads)
    if load.ndim != 2 or not load.shape[0]:
        raise ValueError(f"loads must have the shape (samples, cells), but has the shape {load.shape}.")
    samples, cells = load.shape
    weight = np.broadcast_to(_checked("weights", 1.0 if weights is None else weights), load.shape)
    total = weight.sum(axis=0)
    weight = np.where(total > 0, weight / np.where(total > 0, total, 1), 1 / samples)
    gone = np.broadcast_to(_countable_units("away", away), load.shape)
    allowed = np.broadcast_to(_checked("minutes", minutes) / _service(service_minutes), (cells,))
    wanted = _checked("share", share, "above 0 and below 1, such as 0.9", lambda x: (x > 0) & (x < 1))
    wanted = np.broadcast_to(wanted, (cells,))
    shares = _shares(needs)
    shares = np.broadcast_to(shares.reshape(len(shares), -1), (len(shares), cells))
    fewest = np.empty(cells, dtype=np.int64)
    order = np.argsort((load + gone).mean(axis=0))
    size = 1 + BLOCK // samples
    for start in range(0, cells, size):
        block = order[start : start + size]
        fewest[block] = _fewest_of_block(
            rule, load[:, block], weight[:, block], gone[:, block], shares[:, block], allowed[block], wanted[block]
        )
    return fewest


def _fewest_of_block(
    rule: type[_AllAtOnce] | type[_AsTheyCome],
    load: Numbers,
    weight: Numbers,
    away: Numbers,
    shares: Numbers,
    allowed: Numbers,
    wanted: Numbers,
) -> WholeNumbers:
    samples, cells = load.shape
    chain = rule(load.reshape(-1), np.repeat(shares[:, None], samples, axis=1).reshape(len(shares), -1))
    fewest = np.zeros(cells, dtype=np.int64)
    cell = np.arange(cells)
    units = 0
    while cell.size:
        units += 1
        # Units that are away are the first ones counted: the chain begins with the first of the rest.
        chain.add_unit((units - away[:, cell]).reshape(-1) > 0)
        stable = chain.is_stable.reshape(samples, -1)
        near = (weight[:, cell] * stable).sum(axis=0) >= wanted[cell] * (1 - _ROUNDING)
        if not near.any():
            continue
        looked_at = (stable & near).reshape(-1)
        late = np.ones(samples * cell.size)
        may_wait = np.broadcast_to(allowed[cell], (samples, cell.size)).reshape(-1)[looked_at]
        late[looked_at] = chain.of(looked_at).waits(may_wait)[0]
        on_time = (weight[:, cell] * (1 - late.reshape(samples, -1))).sum(axis=0)
        done = near & (on_time >= wanted[cell] * (1 - _ROUNDING))
        if done.any():
            fewest[cell[done]] = units
            chain = chain.of(np.broadcast_to(~done, (samples, cell.size)).reshape(-1))
            cell = cell[~done]
    return fewest


# ---- What may come in ----


def _checked(
    name: str,
    values: ArrayLike,
    expected: str = "0 or more and finite",
    is_right: Callable[[Numbers], NDArray[np.bool_]] = np.isfinite,
) -> Numbers:
    array = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        wrong = ~(np.isfinite(array) & (array >= 0) & is_right(array))
    if wrong.any():
        raise ValueError(
            f"{name} must be {expected}, but {np.count_nonzero(wrong)} of its {array.size} values are not."
        )
    return array


def _countable(name: str, values: ArrayLike) -> Numbers:
    return _checked(name, values, f"numbers from 0 to {MOST_UNITS:,}", lambda x: x <= MOST_UNITS)


def _countable_units(name: str, values: ArrayLike) -> Numbers:
    return _checked(
        name, values, f"whole numbers from 0 to {MOST_UNITS:,}", lambda x: (x == np.floor(x)) & (x <= MOST_UNITS)
    )


def _service(values: ArrayLike) -> Numbers:
    return _checked("service_minutes", values, "above 0 and finite", lambda x: x > 0)


def _shares(needs: ArrayLike) -> Numbers:
    shares = _checked("needs", needs)
    if not shares.ndim or not shares.shape[0]:
        raise ValueError("needs must hold the shares of calls that ask for 1, 2, ... units along its first axis.")
    total = shares.sum(axis=0)
    if np.any(total <= 0):
        raise ValueError("needs must not all be 0: some share of calls asks for one unit, two, or more.")
    return np.asarray(shares / total)


def _common_shape(**arrays: Numbers) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"These shapes do not fit together: {shapes}.") from None
