"""The sums of `answering`, number by number; times in minutes, rates a minute."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A term, or a chance, this small against the rest changes no digit that is shown.
_SMALLEST = 1e-14
_NOBODY = 1e-18
# Places in a line that are followed at most.
_LONGEST_LINE = 4000
_ROUNDS = 8


@njit(cache=True, nogil=True)
def chance_busy(agents: int, calls: float, pace: float, leaving: float) -> float:
    """Give the chance that all agents are busy, in the M/M/n+M queue; 1 where it grows without bound."""
    load = calls / pace
    blocked = 1.0
    for number in range(1, agents + 1):
        blocked = load * blocked / (number + load * blocked)
    waiting = line_sum(agents * pace, calls, leaving)
    if not math.isfinite(waiting):
        return 1.0
    return blocked * waiting / (1.0 + blocked * (waiting - 1.0))


@njit(cache=True, nogil=True)
def line_sum(pace: float, calls: float, leaving: float) -> float:
    """Sum the chances of 0, 1, 2 … callers waiting, against that of none with all agents busy."""
    if leaving == 0.0:
        return 1.0 / (1.0 - calls / pace) if calls < pace else math.inf
    term, total, number = 1.0, 1.0, 0
    while term > _SMALLEST * total or calls > pace + number * leaving:
        number += 1
        term *= calls / (pace + number * leaving)
        total += term
        if total > 1e280:
            return math.inf
    return total


@njit(cache=True, nogil=True)
def mean_waiting(agents: int, busy: float, upto: float, pace: float, leaving: float) -> float:
    """Give the mean number of callers that wait, of those who come at `upto` a minute; infinite where it grows."""
    total_pace = agents * pace
    total = line_sum(total_pace, upto, leaving)
    if not math.isfinite(total):
        return math.inf if leaving == 0.0 else (upto - total_pace) / leaving
    term, mean, number = 1.0, 0.0, 0
    while number * term > _SMALLEST * max(mean, _SMALLEST) or upto > total_pace + number * leaving or number < 2:
        number += 1
        term *= upto / (total_pace + number * leaving)
        mean += number * term
    return busy * mean / total


@njit(cache=True, nogil=True)
def leaving_together(agents: int, calls: Floats, pace: float, leaving: Floats) -> Floats:
    """Give the rate at which whoever waits gives up, of each line and those before it together.

    That is the mean of the lines' own rates by how many of each are waiting, which depends on it in turn: a few rounds
    settle it.
    """
    found = leaving.copy()
    upto = calls[0]
    for line in range(1, len(calls)):
        if calls[line] <= 0.0:
            found[line] = found[line - 1]
            continue
        ahead = mean_waiting(agents, 1.0, upto, pace, found[line - 1]) if upto > 0.0 else 0.0
        upto += calls[line]
        rate = leaving[line]
        for _ in range(_ROUNDS):
            waiting = mean_waiting(agents, 1.0, upto, pace, rate)
            if not math.isfinite(waiting) or waiting <= ahead:
                break
            rate = (found[line - 1] * ahead + leaving[line] * (waiting - ahead)) / waiting
        found[line] = rate
    return found


@njit(cache=True, nogil=True)
def answered(
    agents: int, busy: float, upto: float, above: float, pace: float, leaving: float, own: float, minutes: float
) -> float:
    """Give the share of callers who are answered within some minutes, before they give up.

    They give up at the rate `own`, those ahead of them at `leaving`.
    """
    total_pace = agents * pace
    whole = line_sum(total_pace, upto, leaving)
    if not math.isfinite(whole):
        # So long a line that nobody who joins it is answered in time.
        return 1.0 - busy
    done = total_pace * minutes
    places = int((done + 10.0 * math.sqrt(done) + 20.0) * math.exp(min(leaving * minutes, 3.0)))
    places = min(places, _LONGEST_LINE)
    chance = np.zeros(places + 1)
    chance[0] = 1.0 / whole
    for place in range(1, places):
        chance[place] = chance[place - 1] * upto / (total_pace + place * leaving)
    # Places that nobody stands in are not followed: whoever comes before finds no longer line than there was.
    while places > 1 and chance[places - 1] < _NOBODY:
        places -= 1
        chance[places] = 0.0
    fastest = above + total_pace + places * leaving + own
    following = np.zeros(places + 1)
    expected = fastest * minutes
    behind, found = 0.0, 0.0  # the chance of fewer steps than so many; what is answered by then
    step = 0
    # Once nobody is left in line, it does not matter how many minutes are.
    while chance.sum() > _SMALLEST:
        behind += math.exp(step * math.log(expected) - expected - math.lgamma(step + 1.0)) if expected > 0 else 1.0
        step += 1
        beyond = 1.0 - behind
        if beyond < 1e-11 and step > expected:
            break
        found += chance[0] * total_pace / fastest * beyond
        for place in range(places):
            come = chance[place - 1] * above if place > 0 else 0.0
            gone = chance[place + 1] * (total_pace + (place + 1) * leaving)
            stay = chance[place] * (fastest - above - total_pace - place * leaving - own)
            following[place] = (come + gone + stay) / fastest
        chance, following = following, chance
    return 1.0 - busy + busy * found


@njit(cache=True, nogil=True)
def share_in_time(agents: int, calls: Floats, line: int, pace: Floats, leaving: Floats, minutes: float) -> float:
    """Give the share of one line's callers who are answered in time, averaged over samples by their calls.

    `calls` are samples × lines, the first line first in turn, `pace` one a sample.
    """
    if agents < 1:
        return 0.0
    met, all_calls = 0.0, 0.0
    for sample in range(calls.shape[0]):
        own = calls[sample, line]
        if own <= 0.0:
            continue
        upto = calls[sample, : line + 1].sum()
        rates = leaving_together(agents, calls[sample], pace[sample], leaving)
        busy = chance_busy(agents, calls[sample].sum(), pace[sample], rates[-1])
        met += own * answered(agents, busy, upto, upto - own, pace[sample], rates[line], leaving[line], minutes)
        all_calls += own
    return met / all_calls if all_calls > 0.0 else 1.0


@njit(cache=True, nogil=True)
def share_leaving(agents: int, calls: Floats, line: int, pace: Floats, leaving: Floats) -> float:
    """Give the share of one line's callers who give up, averaged over samples by their calls."""
    if agents < 1:
        return 1.0 if leaving[line] > 0.0 else 0.0
    left, all_calls = 0.0, 0.0
    for sample in range(calls.shape[0]):
        own = calls[sample, line]
        if own <= 0.0:
            continue
        upto = calls[sample, : line + 1].sum()
        rates = leaving_together(agents, calls[sample], pace[sample], leaving)
        busy = chance_busy(agents, calls[sample].sum(), pace[sample], rates[-1])
        if leaving[line] > 0.0:
            waiting = mean_waiting(agents, busy, upto, pace[sample], rates[line])
            if upto > own:
                waiting -= mean_waiting(agents, busy, upto - own, pace[sample], rates[line - 1])
            left += min(max(leaving[line] * waiting, 0.0), own)
        all_calls += own
    return left / all_calls if all_calls > 0.0 else 0.0


@njit(cache=True, nogil=True)
def fewest(
    calls: Floats, weights: Floats, line: int, pace: Floats, leaving: Floats, minutes: float, share: float
) -> int:
    """Give the fewest agents with whom the target of a line is met on average over samples; none without calls.

    The sample of the mean finds about how many, and all samples together which exactly.
    """
    samples, lines = calls.shape
    mean = np.zeros((1, lines))
    for number in range(lines):
        mean[0, number] = (calls[:, number] * weights).sum() / weights.sum()
    if mean[0, line] <= 0.0:
        return 0
    mean_pace = np.array([(pace * weights).sum() / weights.sum()])
    low, high = 0, max(1, int(mean[0, : line + 1].sum() / mean_pace[0]))
    while share_in_time(high, mean, line, mean_pace, leaving, minutes) < share:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if share_in_time(middle, mean, line, mean_pace, leaving, minutes) < share:
            low = middle
        else:
            high = middle
    found = high
    if samples > 1:
        while share_in_time(found, calls, line, pace, leaving, minutes) < share:
            found += 1
        while found > 1 and share_in_time(found - 1, calls, line, pace, leaving, minutes) >= share:
            found -= 1
    return found
