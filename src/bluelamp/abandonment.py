"""How long callers wait who give up after a while, and how few answer enough of them: Erlang A.

Calls come at random, units (or call takers) are alike, a job takes one an exponentially distributed time, and whoever
waits gives up after a patience that is exponentially distributed too: the M/M/n+M queue of Palm (1957). It never grows
without bound, because a long queue is one that many leave. Nobody gives up who is being served.

Every function works cell by cell on NumPy arrays that broadcast. Patience is the mean time after which a caller would
give up, in minutes; with an infinite one the answers are those of Erlang C.

Sources:
    Palm, C. (1957). Research on telephone traffic carried by full availability groups. Tele 1, 1-107.
    Riordan, J. (1962). Stochastic Service Systems. Wiley, 110-111.
    Mandelbaum, A. and Zeltyn, S. (2007). Service engineering in action: the Palm/Erlang-A queue, with applications to
        call centers. In: Advances in Services Innovations, Springer, 17-45.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bluelamp import queueing

Numbers = NDArray[np.float64]
WholeNumbers = NDArray[np.int64]

# Terms of a sum that add no more than this part of it are left out.
_NEGLIGIBLE = 1e-17
# Callers that may be waiting on average; who waits behind more has no end to wait for.
LONGEST_LINE = 1_000_000
# Terms by cells that are worked on at once.
_VALUES_AT_ONCE = 16_384


class Impatient(NamedTuple):
    """What callers meet who may give up, one value a cell.

    `chance_waits` is the share that finds every unit busy. `share_lost` is the share that gives up. `share_in_time` is
    the share of all calls that is answered, and within the minutes asked about. `chance_late` is the chance that a
    caller of endless patience would wait longer than that. `mean_wait_minutes` is that of all calls, those that are
    answered at once or give up included.
    """

    chance_waits: Numbers
    share_lost: Numbers
    share_in_time: Numbers
    chance_late: Numbers
    mean_wait_minutes: Numbers


def erlang_a(
    units: ArrayLike,
    offered_load: ArrayLike,
    minutes: ArrayLike,
    service_minutes: ArrayLike,
    patience_minutes: ArrayLike,
) -> Impatient:
    """Give what callers meet who give up after a while.

    `units` are whole numbers from 0, `offered_load` counts units that all calls would keep busy if none gave up. All
    arguments broadcast. Without units everybody waits and gives up (with endless patience, for ever). Without load the
    answers are those of a call that finds nobody before it.

    Formula: with time in mean services, load a and impatience q = service / patience, the chances of n, n + 1, ...
    calls are as 1 to a/(n+q), a^2/((n+q)(n+2q)), ...; the share lost is q E[Q] / a by Little's law; a wait beyond t
    has, among those that wait, the chance J(t)/J(0), J(t) = integral from t of exp(a(1 - exp(-qx))/q - nx) dx.
    Sources: Palm (1957); Mandelbaum and Zeltyn (2007).

    Raises ValueError for negative, unknown or infinite values (patience alone may be infinite), a service time or a
    patience of 0, units that are not whole, more than LONGEST_LINE callers in line, and shapes that do not broadcast.

    >>> met = erlang_a(10, 8.5, minutes=15, service_minutes=60, patience_minutes=30)
    >>> print(met.chance_waits.round(3), met.share_lost.round(3), met.share_in_time.round(3))
    0.301 0.086 0.874
    """
    patience = np.asarray(patience_minutes, dtype=np.float64)
    if np.isnan(patience).any() or (patience <= 0).any():
        raise ValueError("patience_minutes must be above 0 (infinite where nobody gives up), but some values are not.")
    # What may come in is checked once, where the formulas for endless patience are.
    endless_waits = queueing.erlang_c(units, offered_load)
    endless_late = queueing.chance_waits_longer(units, offered_load, minutes, service_minutes)
    endless_mean = queueing.mean_wait_minutes(units, offered_load, service_minutes)
    blocked = queueing.erlang_b(units, offered_load)
    shape = np.broadcast_shapes(endless_late.shape, patience.shape)
    in_line = _in_line(units, queueing.countable_load(offered_load), service_minutes, patience)
    if np.any(in_line > LONGEST_LINE):
        raise ValueError(
            f"patience_minutes would let {in_line.max():,.0f} callers wait in line, and at most {LONGEST_LINE:,} were "
            "expected. Where nobody gives up, patience is infinite."
        )

    def spread(values: ArrayLike) -> Numbers:
        return np.broadcast_to(np.asarray(values, dtype=np.float64), shape).reshape(-1)

    n, load, allowed, service = (spread(each) for each in (units, offered_load, minutes, service_minutes))
    late, waits, mean = spread(endless_late).copy(), spread(endless_waits).copy(), spread(endless_mean).copy()
    lost, in_time = np.zeros(n.shape), 1 - late
    leaves = np.isfinite(spread(patience))
    if leaves.any():
        impatience = service[leaves] / spread(patience)[leaves]
        found = _waits(
            n[leaves], load[leaves], allowed[leaves] / service[leaves], impatience, spread(blocked)[leaves]
        )  # fmt: skip
        waits[leaves], lost[leaves], in_time[leaves], late[leaves] = found[:4]
        mean[leaves] = found[4] * service[leaves]
    return Impatient(*(each.reshape(shape) for each in (waits, lost, in_time, late, mean)))


def units_for_answers(
    offered_load: ArrayLike,
    minutes: ArrayLike,
    service_minutes: ArrayLike,
    patience_minutes: ArrayLike,
    share: ArrayLike,
    share_lost: ArrayLike = 1.0,
) -> WholeNumbers:
    """Give the fewest units with which `share` of all calls is answered within `minutes`, and no more than
    `share_lost` gives up.

    All arguments broadcast. At least 1. The answer is the exact minimum: more units never answer fewer, so that it is
    found by halving. Errors are those of `erlang_a`, and a share that is not between 0 and 1.

    >>> print(units_for_answers([3, 8.5], minutes=10, service_minutes=45, patience_minutes=20, share=0.9))
    [ 5 11]
    """
    wanted, may_leave = np.asarray(share, dtype=np.float64), np.asarray(share_lost, dtype=np.float64)
    if not ((wanted > 0) & (wanted < 1)).all():
        raise ValueError("share must be above 0 and below 1, such as 0.9, but some of its values are not.")
    if not ((may_leave > 0) & (may_leave <= 1)).all():
        raise ValueError("share_lost must be above 0 and at most 1, such as 0.05, but some of its values are not.")
    given = [np.asarray(each, dtype=np.float64) for each in (offered_load, minutes, service_minutes, patience_minutes)]
    shape = np.broadcast_shapes(*(each.shape for each in (*given, wanted, may_leave)))
    load, allowed, service, patience, wanted, may_leave = (
        np.broadcast_to(each, shape).reshape(-1) for each in (*given, wanted, may_leave)
    )

    def is_met(units: WholeNumbers, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        met = erlang_a(units, load[cells], allowed[cells], service[cells], patience[cells])
        on_time: NDArray[np.bool_] = (met.share_in_time >= wanted[cells] - queueing.SHARE_ROUNDING) & (
            met.share_lost <= may_leave[cells] + queueing.SHARE_ROUNDING
        )
        return on_time

    every = np.arange(load.size)
    # Units with whom the line would be the longest that is looked at answer nobody in time.
    finite = np.where(np.isfinite(patience), patience, 1.0)
    least = np.where(np.isfinite(patience), queueing.countable_load(load) - LONGEST_LINE * service / finite, 0.0)
    low = np.maximum(np.ceil(least), 0).astype(np.int64)
    high = low + 1
    short = every
    while short.size:
        short = short[~is_met(high[short], short)]
        low[short], high[short] = high[short], high[short] * 2
    while (open_ := every[high - low > 1]).size:
        middle = (low[open_] + high[open_]) // 2
        met = is_met(middle, open_)
        high[open_[met]], low[open_[~met]] = middle[met], middle[~met]
    return high.reshape(shape)


def _in_line(units: ArrayLike, load: Numbers, service: ArrayLike, patience: Numbers) -> Numbers:
    """Give how many wait on average where units are too few, and who gives up makes up for it; 0 where nobody does."""
    with np.errstate(over="ignore", invalid="ignore"):
        waiting = np.maximum(load - np.asarray(units), 0) * patience / np.asarray(service)
    return np.where(np.isfinite(patience), waiting, 0.0)


def _waits(
    n: Numbers, load: Numbers, allowed: Numbers, impatience: Numbers, blocked: Numbers
) -> tuple[Numbers, Numbers, Numbers, Numbers, Numbers]:
    """Give the figures of `Impatient` for rows of cells, times in mean services."""
    # The chance of k waiting, against that of n busy and nobody waiting; in logs, because there may be thousands.
    log_all, queue = _log_sum(n, load, impatience, impatience)
    log_waiting = np.log(np.maximum(blocked, 1e-300)) + log_all
    log_whole = np.logaddexp(np.log1p(-np.minimum(blocked, 1 - 1e-16)), log_waiting)
    waits = np.exp(log_waiting - log_whole)
    nothing = load <= 0
    waits = np.where(n > 0, np.where(nothing, 0.0, waits), 1.0)
    queue = waits * np.where(nothing, 0.0, queue)
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(nothing, np.where(n > 0, 0.0, 1.0), np.minimum(impatience * queue / load, 1.0))
        mean = np.where(nothing, np.where(n > 0, 0.0, 1 / impatience), queue / load)
    # Chances among those who wait: longer than t, whether or not they would, and answered after t.
    later = load * np.exp(-impatience * allowed)
    spent = load * -np.expm1(-impatience * allowed) / impatience - n * allowed
    positive = np.maximum(n, 1e-300)
    log_served = _log_sum(n + impatience, load, impatience, impatience)[0] - np.log(n + impatience)
    log_late_served = _log_sum(n + impatience, later, impatience, impatience)[0] - np.log(n + impatience)
    log_late_served = log_late_served + spent - impatience * allowed
    base = log_all - np.log(positive)
    late = np.where(n > 0, waits * np.exp(_log_sum(n, later, impatience, impatience)[0] + spent - log_all), 1.0)
    served_in_time = np.exp(log_served - base) - np.exp(log_late_served - base)
    in_time = np.where(n > 0, 1 - waits + waits * np.clip(served_in_time, 0, 1), 0.0)
    return waits, lost, in_time, np.minimum(late, 1.0), mean


def _log_sum(n: Numbers, load: Numbers, first: Numbers, step: Numbers) -> tuple[Numbers, Numbers]:
    """Give the logarithm of 1 + x_1 + x_1 x_2 + ..., x_k = load / (n + first + (k - 1) step), and the mean of k."""
    term = np.zeros(load.shape)  # logarithm of the last one
    total, weighted = np.zeros(load.shape), np.full(load.shape, -np.inf)
    cells = np.arange(load.size)
    done = 0
    with np.errstate(divide="ignore"):
        while cells.size:
            # Many terms at once for few cells, few for many, so that memory stays small.
            terms = np.arange(done + 1, done + 1 + max(_VALUES_AT_ONCE // cells.size, 16))[:, None]
            ratios = load[cells] / (n[cells] + first[cells] + (terms - 1) * step[cells])
            logs = term[cells] + np.cumsum(np.log(ratios), axis=0)
            total[cells] = np.logaddexp(total[cells], np.logaddexp.reduce(logs))
            weighted[cells] = np.logaddexp(weighted[cells], np.logaddexp.reduce(logs + np.log(terms)))
            term[cells], ratio, done = logs[-1], ratios[-1], int(terms[-1, 0])
            # Ratios fall, so that what is left is less than a geometric series.
            left = term[cells] - np.log1p(-np.minimum(ratio, 1 - 1e-9)) + np.log(done)
            cells = cells[(ratio >= 1) | (left > total[cells] + np.log(_NEGLIGIBLE))]
    return total, np.exp(weighted - total)
