"""How long calls wait, and how few units keep the wait short: the queueing formulas stages share.

Calls come at random, units are alike, a job takes a unit an exponentially distributed time, and
calls wait in order of arrival: the M/M/c queue of Erlang (1917), in Kendall's (1953) notation.
*Offered load* is jobs an hour times hours a job: the units that would be busy on average if one
were always free. A *unit* is one server: two officers in one car are one unit.

Every function works cell by cell on NumPy arrays that broadcast, and gives a new array; a plain
number counts as an array without axes, and gives one back. Unknown values (NaN) are refused:
otherwise a wait that nobody knows would reach the map looking like an answer.

Sources:
    Erlang, A. K. (1917). Solution of some problems in the theory of probabilities of significance
        in automatic telephone exchanges. Elektroteknikeren 13, 5-13.
    Kendall, D. G. (1953). Stochastic processes occurring in the theory of queues and their
        analysis by the method of the imbedded Markov chain. Annals of Mathematical Statistics
        24(3), 338-354.
    Jennings, O. B., Mandelbaum, A., Massey, W. A. and Whitt, W. (1996). Server staffing to meet
        time-varying demand. Management Science 42(10), 1383-1394.
    Green, L. V., Kolesar, P. J. and Whitt, W. (2007). Coping with time-varying demand when
        setting staffing requirements for a service system. Production and Operations Management
        16(1), 13-39.
"""

from collections.abc import Callable
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.float64]
WholeNumbers = NDArray[np.int64]

# Cells worked on at once, so that the few arrays of a block stay in a processor's own cache.
BLOCK_CELLS = 16_384

# The most units, or units busy, that are counted up to: far more than any force has on duty, and few enough that the
# counting ends. A load beyond it comes from minutes or calls in the wrong unit.
MOST_UNITS = 100_000

# A target missed by no more than this part of it counts as met. Otherwise rounding would decide
# exact ties, such as 90% answered at once by one unit that is busy a tenth of the time.
SHARE_ROUNDING = 1e-12

# Jobs in hand beyond which a Poisson distribution is taken as a normal one with its skewness.
_MANY_JOBS = 500

# A workload this close to a whole number of units, in proportion, is that number plus rounding.
UNITS_ROUNDING = 1e-9


class LateChances(NamedTuple):
    """How likely calls are to be late, one value a cell, each between 0 and 1.

    `chance_late` is for a call taken at random: samples with more calls weigh more.
    `chance_late_low` and `chance_late_high` are the 10% and 90% points over samples.
    `chance_any_late` is the chance that at least one call of the hour is late.
    """

    chance_late: Numbers
    chance_late_low: Numbers
    chance_late_high: Numbers
    chance_any_late: Numbers


class CarriedLoad(NamedTuple):
    """The load that an hour really holds, jobs begun in earlier hours included.

    Both arrays count busy units and have the shape of the arrival rates, hours last.
    """

    mean_of_hour: Numbers
    max_of_hour: Numbers


# ---- What a number of units achieves ----


def erlang_b(units: ArrayLike, offered_load: ArrayLike) -> Numbers:
    """Give the share of calls that find every unit busy, when such calls leave and never wait.

    `units` are whole numbers from 0, `offered_load` counts busy units from 0; they broadcast.
    With no units the answer is 1; with units and no load it is 0.

    Formula: B_0 = 1, B_n = a B_(n-1) / (n + a B_(n-1)), where a is the offered load. Each step
    shrinks the relative error of the one before, so twelve digits are right. The time taken grows
    with the largest number of units. Source: Erlang (1917).

    Raises ValueError for negative, unknown or infinite values, units that are not whole, and
    shapes that do not broadcast.

    >>> print(erlang_b([1, 2, 3], 2.0).round(4))
    [0.6667 0.4    0.2105]
    """
    return _by_block(
        _blocked,
        units=_whole("units", units),
        offered_load=_at_least_0("offered_load", offered_load),
    )


def erlang_c(units: ArrayLike, offered_load: ArrayLike) -> Numbers:
    """Give the share of calls that must wait, when every call waits until a unit is free.

    `units` are whole numbers from 0, `offered_load` counts busy units from 0; they broadcast.
    Where `units <= offered_load` the queue grows without bound and the answer is 1. With units
    and no load it is 0; with neither it is 1, because a call that did come would find nobody.

    Formula: C = n B / ((n - a) + a B), with B from `erlang_b`. Source: Erlang (1917).

    Raises ValueError for negative, unknown or infinite values, units that are not whole, and
    shapes that do not broadcast.

    >>> print(erlang_c([8, 10, 12], 8.5).round(4))
    [1.     0.5299 0.1962]
    """
    return _by_block(
        lambda n, load: _delayed(n, load, _blocked(n, load)),
        units=_whole("units", units),
        offered_load=_at_least_0("offered_load", offered_load),
    )


def chance_waits_longer(
    units: ArrayLike, offered_load: ArrayLike, minutes: ArrayLike, service_minutes: ArrayLike
) -> Numbers:
    """Give the chance that a call waits longer than `minutes` for a free unit.

    `service_minutes` is the mean time a job occupies a unit. All four arguments broadcast. Where
    `units <= offered_load` the queue grows without bound and the answer is 1.

    Formula: P(W > t) = C exp(-(n - a) t / S), with C from `erlang_c`, t the minutes and S the
    service minutes; first come, first served. Source: Erlang (1917).

    Raises ValueError for negative, unknown or infinite values, a service time of 0, units that
    are not whole, and shapes that do not broadcast.

    >>> print(chance_waits_longer(10, 8.5, minutes=[0, 15, 30], service_minutes=60).round(4))
    [0.5299 0.3642 0.2503]
    """
    return _by_block(
        lambda n, load, t, service: _late(n, load, _blocked(n, load), t / service),
        units=_whole("units", units),
        offered_load=_at_least_0("offered_load", offered_load),
        minutes=_at_least_0("minutes", minutes),
        service_minutes=_above_0("service_minutes", service_minutes),
    )


def waits_by_priority(
    units: ArrayLike,
    offered_load: ArrayLike,
    load_ahead: ArrayLike,
    own_load: ArrayLike,
    minutes: ArrayLike,
    service_minutes: ArrayLike,
) -> tuple[Numbers, Numbers]:
    """Give the chance that a call of one grade waits too long, and its mean wait, where urgent calls go first.

    Units finish what they are at (head of the line, without pre-emption). `offered_load` is that of all grades,
    `load_ahead` that of more urgent grades and `own_load` that of the grade itself; `service_minutes` is the mean time
    a job occupies a unit, the same for all grades. All arguments broadcast. A grade can be on time although the whole
    queue grows without bound, as long as `load_ahead + own_load < units`; otherwise the answers are 1 and infinity.

    Formula: a delayed call waits D = S n / ((n - s) (n - s - r)) on average, with n units, s the load ahead, r the
    grade's own and S the service minutes (Cobham 1954); P(W > t) = C exp(-t / D), with C from `erlang_c` at the load of
    all. The mean is exact for every grade and the tail for the most urgent; for the others the tail is taken to be
    exponential with the right mean. With one grade it is Erlang C.

    Raises ValueError for negative, unknown or infinite values, a service time of 0, units that are not whole, and
    shapes that do not broadcast.

    >>> late, wait = waits_by_priority(11, 15, load_ahead=0, own_load=4, minutes=6, service_minutes=50)
    >>> print(late.round(2), wait.round(1))
    0.43 7.1
    """
    delayed = erlang_c(units, offered_load)
    n, ahead, own, t, service = np.broadcast_arrays(
        *(np.asarray(each, dtype=np.float64) for each in (units, load_ahead, own_load, minutes, service_minutes))
    )
    for name, values in (("load_ahead", ahead), ("own_load", own), ("minutes", t), ("service_minutes", service)):
        if not np.all(np.isfinite(values)) or np.any(values < 0) or (name == "service_minutes" and np.any(values <= 0)):
            least = "more than 0" if name == "service_minutes" else "0 or more"
            raise ValueError(f"{name} must be {least} and finite, but some of its values are not.")
    room = n - ahead - own
    stable = room > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        delay = np.where(stable, service * n / ((n - ahead) * room), np.inf)
        late = np.where(stable, delayed * np.exp(-t / delay), 1.0)
        return late, np.where(stable, delayed * delay, np.inf)


def mean_wait_minutes(units: ArrayLike, offered_load: ArrayLike, service_minutes: ArrayLike) -> Numbers:
    """Give the minutes that a call waits for a unit on average, calls that do not wait included.

    All arguments broadcast. Where `units <= offered_load` the queue grows without bound and the
    answer is infinity.

    Formula: Wq = C S / (n - a), with C from `erlang_c` and S the service minutes. Source: Erlang
    (1917).

    Raises ValueError for negative, unknown or infinite values, a service time of 0, units that
    are not whole, and shapes that do not broadcast.

    >>> print(mean_wait_minutes([8, 10, 12], 8.5, service_minutes=60).round(2))
    [  inf 21.19  3.36]
    """

    def mean_wait(n: Numbers, load: Numbers, service: Numbers) -> Numbers:
        delay = _delayed(n, load, _blocked(n, load)) * service
        return np.divide(delay, n - load, out=np.full_like(load, np.inf), where=n > load)

    return _by_block(
        mean_wait,
        units=_whole("units", units),
        offered_load=_at_least_0("offered_load", offered_load),
        service_minutes=_above_0("service_minutes", service_minutes),
    )


def late_chances(
    units: ArrayLike,
    loads: ArrayLike,
    arrivals: ArrayLike,
    minutes: ArrayLike,
    service_minutes: ArrayLike,
) -> LateChances:
    """Give the chance that calls are late in each cell, over samples of what the hour may bring.

    `loads` (offered load) has the shape (samples, cells), and so has `arrivals` (calls an hour).
    `units`, `minutes` and `service_minutes` are numbers, one a cell, or of that shape too. A call
    is late when it waits longer than `minutes`; where a sample has as much load as units, or
    more, every call is.

    The mean is weighted by calls, because a bad night hits more callers than a quiet one; where
    no sample has a call, samples count equally. The 10% and 90% points weigh samples equally.
    The chance of any late call is the mean over samples of 1 - exp(-arrivals P(W > t)): calls are
    taken as late independently of each other. Late calls come in clusters, so it errs high.

    Raises ValueError for negative, unknown or infinite values, a service time of 0, units that
    are not whole, and shapes that do not fit (samples, cells). See `chance_waits_longer`.

    >>> chances = late_chances(
    ...     units=3, loads=[[0.5], [2.5]], arrivals=[[1.0], [5.0]], minutes=10, service_minutes=30
    ... )
    >>> print(chances.chance_late.round(3), chances.chance_any_late.round(3))
    [0.496] [0.478]
    """
    load = _samples_by_cells("loads", loads)
    calls = _spread("arrivals", _at_least_0("arrivals", arrivals), load.shape)
    late = chance_waits_longer(
        _spread("units", _whole("units", units), load.shape),
        load,
        _spread("minutes", _at_least_0("minutes", minutes), load.shape),
        _spread("service_minutes", _above_0("service_minutes", service_minutes), load.shape),
    )
    low, high = np.quantile(late, [0.1, 0.9], axis=0)
    return LateChances(
        chance_late=(_scaled_to_1(calls) * late).sum(axis=0),
        chance_late_low=low,
        chance_late_high=high,
        chance_any_late=-np.expm1(-calls * late).mean(axis=0),
    )


# ---- The fewest units that achieve a target ----


def units_for_target(
    offered_load: ArrayLike, minutes: ArrayLike, service_minutes: ArrayLike, share: ArrayLike
) -> WholeNumbers:
    """Give the fewest units with which `share` of calls wait no longer than `minutes`.

    `share` lies between 0 and 1, both excluded; one part in 10^12 too little counts as met. All
    arguments broadcast. The answer is the exact minimum, because every number of units above the
    load is tried in turn. It is at least 1, because with nobody a call would wait for ever; where
    a load of 0 needs no unit, the caller says so. For several grades of call, ask once a grade.

    Formula: the smallest n > a with 1 - C exp(-(n - a) t / S) >= share, as in
    `chance_waits_longer`. Source: Erlang (1917).

    Raises ValueError for negative, unknown or infinite values, a service time of 0, a share
    outside (0, 1), and shapes that do not broadcast.

    >>> print(units_for_target([0.5, 3, 8.5], minutes=10, service_minutes=45, share=0.9))
    [ 2  6 12]
    """
    load = _countable("offered_load", offered_load)
    minutes = _at_least_0("minutes", minutes)
    service_minutes = _above_0("service_minutes", service_minutes)
    share = _share("share", share)
    shape = _common_shape(offered_load=load, minutes=minutes, service_minutes=service_minutes, share=share)
    one_sample = (1, -1)
    return _fewest_units(
        np.broadcast_to(load, shape).reshape(one_sample),
        np.broadcast_to(1.0, shape).reshape(one_sample),
        np.broadcast_to(minutes / service_minutes, shape).reshape(one_sample),
        np.broadcast_to(share, shape).reshape(-1),
        np.broadcast_to(0.0, shape).reshape(one_sample),
    ).reshape(shape)


def units_for_mean_target(
    loads: ArrayLike,
    weights: ArrayLike | None,
    minutes: ArrayLike,
    service_minutes: ArrayLike,
    share: ArrayLike,
    away: ArrayLike = 0,
) -> WholeNumbers:
    """Give the fewest units with which `share` of calls wait at most `minutes` over all samples.

    The average over samples makes the target hold over the forecast's whole distribution of load
    and not only at its middle; where a sample has as much load as units, or more, none of its
    calls is on time. `loads` has the shape (samples, cells), the answer (cells,). `weights`, such
    as the calls of each sample, has the shape of `loads`, or is None for equal weights; a cell
    whose weights are all 0 gets equal ones. `minutes` and `service_minutes` are numbers, one a
    cell, or of that shape too; `share` is a number or one a cell, as in `units_for_target`. The
    answer is the exact minimum, and at least 1. `away` are units (a number, one a cell, or of the
    shape of `loads`) that answer no call in a sample although they count: those at long
    commitments. With as many away as there are units, no call is on time.

    Formula: the smallest n with sum over s of w_s P(W_s <= t; n - away_s units) >= share, where
    the weights w sum to 1. Source: Erlang (1917), integrated over the load.

    Raises ValueError for negative, unknown or infinite values, a service time of 0, a share
    outside (0, 1), and shapes that do not fit (samples, cells).

    >>> quiet_or_busy = [[1.0, 3.0], [5.0, 3.0]]
    >>> print(units_for_mean_target(quiet_or_busy, None, minutes=10, service_minutes=45, share=0.9))
    [8 6]
    """
    load = _samples_by_cells("loads", loads)
    weight = np.ones(1) if weights is None else _at_least_0("weights", weights)
    allowed = _spread("minutes", _at_least_0("minutes", minutes), load.shape) / _spread(
        "service_minutes", _above_0("service_minutes", service_minutes), load.shape
    )
    return _fewest_units(
        load,
        _scaled_to_1(_spread("weights", weight, load.shape)),
        allowed,
        _spread("share", _share("share", share), load.shape[1:]),
        _spread("away", _whole("away", away), load.shape),
    )


def units_for_priority(
    loads: ArrayLike,
    weights: ArrayLike | None,
    load_ahead: ArrayLike,
    own_load: ArrayLike,
    minutes: ArrayLike,
    service_minutes: ArrayLike,
    share: ArrayLike,
    away: ArrayLike = 0,
) -> WholeNumbers:
    """Give the fewest units with which `share` of a grade's calls wait at most `minutes`, where urgent calls go first.

    `loads` is that of all grades, `load_ahead` that of more urgent ones and `own_load` that of the grade itself, with
    those that are as urgent: all of the shape (samples, cells). The rest, the errors and the exact minimum are those of
    `units_for_mean_target`, which this is where nothing is ahead and all is its own.

    Formula: as in `waits_by_priority` (Cobham 1954), integrated over the samples. The mean wait is exact for equal
    service times; the tail is exact for the most urgent grade, and for the others exponential with the right mean.

    >>> print(units_for_priority([[8.5]], None, [[0.0]], [[1.3]], minutes=6, service_minutes=60, share=0.9))
    [12]
    """
    load = _samples_by_cells("loads", loads)
    weight = np.ones(1) if weights is None else _at_least_0("weights", weights)
    allowed = _spread("minutes", _at_least_0("minutes", minutes), load.shape) / _spread(
        "service_minutes", _above_0("service_minutes", service_minutes), load.shape
    )
    ahead = _spread("load_ahead", _at_least_0("load_ahead", load_ahead), load.shape)
    own = _spread("own_load", _at_least_0("own_load", own_load), load.shape)
    return _fewest_units(
        load,
        _scaled_to_1(_spread("weights", weight, load.shape)),
        allowed,
        _spread("share", _share("share", share), load.shape[1:]),
        _spread("away", _whole("away", away), load.shape),
        (ahead, ahead + own),
    )


def poisson_points(mean: ArrayLike, samples: int) -> WholeNumbers:
    """Give `samples` numbers that stand for a Poisson distribution with each mean, in rising order.

    They are its quantiles at (i + 1/2) / samples, in front of the axes of `mean`. The number of
    jobs in hand at a moment is Poisson where jobs come at random and none waits (units without
    limit), however long they last. Source: Palm (1943), Intensitätsschwankungen im
    Fernsprechverkehr.

    Raises ValueError for a negative, unknown or infinite mean.

    >>> print(poisson_points([0, 2.0], 5).T)
    [[0 0 0 0 0]
     [0 1 2 3 4]]
    """
    expected = _countable("mean", mean)
    levels = (np.arange(samples) + 0.5) / samples
    if np.any(expected > _MANY_JOBS):
        # So many are as good as normal, with their skewness, to within one job (Cornish and Fisher 1938).
        points = np.array([NormalDist().inv_cdf(level) for level in levels]).reshape(-1, *(1,) * expected.ndim)
        normal = np.floor(expected + points * np.sqrt(expected) + (points**2 + 2) / 6)
        few = poisson_points(np.where(expected > _MANY_JOBS, 0.0, expected), samples)
        return np.where(expected > _MANY_JOBS, normal.astype(np.int64), few)
    found = np.zeros((samples, *expected.shape), dtype=np.int64)
    density = np.exp(-expected)
    below = density.copy()
    number = 0
    while np.any(below < levels[-1]):
        number += 1
        found += below < levels.reshape(-1, *(1,) * expected.ndim)
        density *= expected / number
        below += density
        if number > expected.max() and not np.any(density > np.finfo(np.float64).tiny):
            break
    return found


def workload_units(offered_load: ArrayLike, utilisation: ArrayLike) -> WholeNumbers:
    """Give the units that get the work done when each is busy for a share of its time.

    The lowest rung of the ladder: it counts work and ignores waiting. `utilisation` is that
    share, above 0 and at most 1; both arguments broadcast. A result within one part in 10^9 of a
    whole number is that number, so that a load of 0.3 at 0.1 asks for 3 units and not 4.

    Formula: a / utilisation, rounded up.

    Raises ValueError for a negative, unknown or infinite load, a utilisation outside (0, 1], and
    shapes that do not broadcast.

    >>> print(workload_units([0, 0.3, 2.4, 2.5], utilisation=[1, 0.1, 0.6, 0.6]))
    [0 3 4 5]
    """
    load = _checked("offered_load", _at_least_0("offered_load", offered_load), "at most 10^15", lambda x: x <= 1e15)
    busy_share = _busy_share("utilisation", utilisation)
    _common_shape(offered_load=load, utilisation=busy_share)
    exact = load / busy_share
    return np.ceil(exact - UNITS_ROUNDING * np.maximum(exact, 1)).astype(np.int64)


# ---- The load that jobs carry from hour to hour ----


def carried_load(arrival_rates: ArrayLike, service_minutes: ArrayLike, initial: ArrayLike | None = None) -> CarriedLoad:
    """Give the load of each hour with the jobs that earlier hours left: the modified offered load.

    `arrival_rates` are unit-jobs an hour, shape (..., hours), for hours that follow each other.
    `service_minutes` broadcasts to that shape: one number, one an hour, or (a last axis of 1) one
    a series. Where it changes between hours, jobs in hand change pace too. `initial` is the load
    as the first hour starts, a number or of shape (...). None means the steady state of the first
    hour, as if that hour had always been so; when it is an unusual hour, run in with a day before.

    Formula: with units without limit the number busy follows m' = rate - mu m, mu = 60 / service
    minutes. Solved exactly with both constant in an hour: from m at its start the hour ends at
    m exp(-mu) + rate g, where g = (1 - exp(-mu)) / mu, and its mean is m g + rate (1 - g) / mu.
    Within an hour m moves one way only, so its maximum is at one end. To be safe, staff for the
    maximum. Sources: Jennings et al. (1996); Green, Kolesar and Whitt (2007).

    Raises ValueError for negative, unknown or infinite values, a service time of 0, no hours, and
    shapes that do not broadcast.

    >>> carried = carried_load([0.0, 4.0, 4.0, 0.0], service_minutes=60)
    >>> print(carried.mean_of_hour.round(2), carried.max_of_hour.round(2))
    [0.   1.47 3.07 2.19] [0.   2.53 3.46 3.46]
    """
    rates = _at_least_0("arrival_rates", arrival_rates)
    pace = 60 / _above_0("service_minutes", service_minutes)
    shape = _common_shape(arrival_rates=rates, service_minutes=pace)
    if not shape or not shape[-1]:
        raise ValueError(f"arrival_rates must hold at least one hour along its last axis, but has the shape {shape}.")
    if initial is None:
        start = np.broadcast_to(rates / pace, shape)[..., 0]
    else:
        start = _spread("initial", _at_least_0("initial", initial), shape[:-1])

    mean_kept = -np.expm1(-pace) / pace
    kept_at_end = np.broadcast_to(np.exp(-pace), shape)
    begun_at_end = np.broadcast_to(rates * mean_kept, shape)
    load = np.empty((*shape[:-1], shape[-1] + 1))
    load[..., 0] = start
    for hour in range(shape[-1]):
        load[..., hour + 1] = load[..., hour] * kept_at_end[..., hour] + begun_at_end[..., hour]
    at_start, at_end = load[..., :-1], load[..., 1:]
    return CarriedLoad(
        mean_of_hour=at_start * mean_kept + rates * ((1 - mean_kept) / pace),
        max_of_hour=np.maximum(at_start, at_end),
    )


# ---- One block of cells ----


def _blocked(units: Numbers, load: Numbers) -> Numbers:
    """Give Erlang B for a row of cells, by the recursion in `erlang_b`."""
    order = np.argsort(units)
    load_in_order = load[order]
    blocked = np.ones_like(load)
    steps = np.arange(1, units.max() + 1)
    # In order of units, the cells that have had their last step stand in front and stay put.
    for step, unfinished in zip(steps, np.searchsorted(units[order], steps), strict=True):
        found_busy = load_in_order[unfinished:] * blocked[unfinished:]
        np.divide(found_busy, step + found_busy, out=blocked[unfinished:])
    in_place = np.empty_like(load)
    in_place[order] = blocked
    return in_place


def _delayed(units: Numbers, load: Numbers, blocked: Numbers) -> Numbers:
    """Give Erlang C from Erlang B; (n - a) + a B adds positive numbers, so no digit is lost."""
    spare = units - load
    every_call = np.ones_like(load)
    return np.divide(units * blocked, spare + load * blocked, out=every_call, where=spare > 0)


def _late(units: Numbers, load: Numbers, blocked: Numbers, allowed: Numbers) -> Numbers:
    """Give P(W > t) from Erlang B, with the allowed wait t counted in mean service times."""
    return _delayed(units, load, blocked) * np.exp(-np.maximum(units - load, 0) * allowed)


def _by_block(kernel: Callable[..., Numbers], **cells: Numbers) -> Numbers:
    """Give `kernel` of arrays that broadcast, a block of cells at a time."""
    shape = _common_shape(**cells)
    rows = [np.broadcast_to(array, shape).reshape(-1) for array in cells.values()]
    answer = np.empty(rows[0].size)
    for start in range(0, answer.size, BLOCK_CELLS):
        block = slice(start, start + BLOCK_CELLS)
        answer[block] = kernel(*(row[block] for row in rows))
    return answer.reshape(shape)


def _fewest_units(
    load: Numbers,
    weight: Numbers,
    allowed: Numbers,
    share: Numbers,
    away: Numbers,
    line: tuple[Numbers, Numbers] | None = None,
) -> WholeNumbers:
    """Give the fewest units a cell; arrays are (samples, cells), but `share` is (cells,).

    `line` is the load ahead of a call and the load through its own grade; without it all stand in one line.
    """
    fewest = np.empty(share.size, dtype=np.int64)
    block_size = 1 + BLOCK_CELLS // load.shape[0]
    # Cells of like load finish together; otherwise one busy cell keeps a whole block counting.
    order = np.argsort((load + away).mean(axis=0))
    for start in range(0, share.size, block_size):
        block = order[start : start + block_size]
        fewest[block] = _fewest_units_of_block(
            load[:, block].T,
            weight[:, block].T,
            allowed[:, block].T,
            away[:, block].T,
            share[block],
            None if line is None else (line[0][:, block].T, line[1][:, block].T),
        )
    return fewest


def _fewest_units_of_block(
    load: Numbers,
    weight: Numbers,
    allowed: Numbers,
    away: Numbers,
    share: Numbers,
    line: tuple[Numbers, Numbers] | None,
) -> WholeNumbers:
    """Give the fewest units by trying 1, 2, 3 and so on; arrays are (cells, samples) here.

    Erlang B goes along from one number of units to the next, and cells leave once on target.
    """
    share = share * (1 - SHARE_ROUNDING)
    fewest = np.empty(share.size, dtype=np.int64)
    cell = np.arange(share.size)
    blocked = np.ones_like(load)
    ahead, through = (np.zeros(1), load) if line is None else line
    units = 0
    while cell.size:
        units += 1
        # Units that are away are the first ones counted: Erlang B begins with the first of the rest.
        there = np.maximum(units - away, 0)
        found_busy = load * blocked
        blocked = np.divide(found_busy, there + found_busy, out=np.ones_like(load), where=there > 0)
        # Samples with no spare units have no call on time, so most numbers need no closer look.
        if np.all(_weighted_sum(weight, through < there) < share):
            continue
        if line is None:
            late = _late(there, load, blocked, allowed)
        else:
            late = _late_by_priority(there, load, blocked, allowed, ahead, through)
        on_target = _weighted_sum(weight, 1 - late) >= share
        if on_target.any():
            fewest[cell[on_target]] = units
            # By place: twice as quick as by a row of flags.
            short = np.flatnonzero(~on_target)
            cell, share = cell[short], share[short]
            load, weight, allowed, away, blocked = (x.take(short, 0) for x in (load, weight, allowed, away, blocked))
            ahead, through = (np.zeros(1), load) if line is None else (ahead.take(short, 0), through.take(short, 0))
    return fewest


def _late_by_priority(
    units: Numbers, load: Numbers, blocked: Numbers, allowed: Numbers, ahead: Numbers, through: Numbers
) -> Numbers:
    """Give P(W > t) of a grade from Erlang B of all, with the allowed wait t counted in mean service times."""
    free = np.maximum(units - through, 0)
    pace = (units - ahead) * free / np.maximum(units, 1)
    return np.where(free > 0, _delayed(units, load, blocked) * np.exp(-pace * allowed), 1.0)


def _weighted_sum(weight: Numbers, value: NDArray[Any]) -> Numbers:
    """Give the weighted sum over samples, the last axis."""
    total: Numbers = np.einsum("cs,cs->c", weight, value)
    return total


def _scaled_to_1(weight: Numbers) -> Numbers:
    """Give weights that sum to 1 over samples, the first axis, and are equal where all are 0."""
    equal = np.full_like(weight, 1 / weight.shape[0])
    total: Numbers = weight.sum(axis=0)
    return np.divide(weight, total, out=equal, where=total > 0)


# ---- What may come in ----


def _at_least_0(name: str, values: ArrayLike) -> Numbers:
    return _checked(name, values, "0 or more and finite", lambda x: (x >= 0) & (x < np.inf))


def _above_0(name: str, values: ArrayLike) -> Numbers:
    return _checked(name, values, "above 0 and finite", lambda x: (x > 0) & (x < np.inf))


def _share(name: str, values: ArrayLike) -> Numbers:
    return _checked(name, values, "above 0 and below 1, such as 0.9", lambda x: (x > 0) & (x < 1))


def _busy_share(name: str, values: ArrayLike) -> Numbers:
    return _checked(name, values, "above 0 and at most 1, such as 0.6", lambda x: (x > 0) & (x <= 1))


def countable_load(offered_load: ArrayLike) -> Numbers:
    """Give a load as an array. Raises ValueError where it is negative, unknown or more than MOST_UNITS."""
    return _countable("offered_load", offered_load)


def _countable(name: str, values: ArrayLike) -> Numbers:
    """Insist on numbers from 0 that can be counted up to."""
    array = _at_least_0(name, values)
    return _checked(name, array, f"at most {MOST_UNITS:,}", lambda x: x <= MOST_UNITS)


def _whole(name: str, values: ArrayLike) -> Numbers:
    array = _countable(name, values)
    return _checked(name, array, "a whole number", lambda x: x == np.floor(x))


def _checked(name: str, values: ArrayLike, expected: str, is_right: Callable[[Numbers], NDArray[np.bool_]]) -> Numbers:
    """Give `values` as an array, or raise a ValueError that shows the first wrong one."""
    array = np.asarray(values, dtype=np.float64)
    right = np.asarray(is_right(array))
    if right.all():
        return array
    if not array.ndim:
        raise ValueError(f"{name} must be {expected}, but it is {array}.")
    place = tuple(int(index) for index in np.argwhere(~right)[0])
    raise ValueError(
        f"{name} must be {expected}, but {np.count_nonzero(~right)} of its {array.size} values "
        f"are not. The first is {array[place]}, at index {place}."
    )


def _samples_by_cells(name: str, values: ArrayLike) -> Numbers:
    array = _countable(name, values)
    if array.ndim != 2 or not array.shape[0]:
        raise ValueError(
            f"{name} must have the shape (samples, cells), with at least one sample, but has the shape {array.shape}."
        )
    return array


def _spread(name: str, array: Numbers, shape: tuple[int, ...]) -> Numbers:
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"{name} must be a number or an array that broadcasts to the shape {shape}, "
            f"but has the shape {array.shape}."
        ) from None


def _common_shape(**arrays: Numbers) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(
            f"These shapes do not fit together: {shapes}. Counted from the last axis, "
            "the lengths of an axis must be the same or 1."
        ) from None
