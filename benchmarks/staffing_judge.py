"""A judge of hourly units that knows nothing of the product: calls in line, units by the hour, and no overtime.

The units of an hour are all that there is: jobs in hand go on when their number falls, and nobody is sent until fewer
are busy than there are units. So what is left of earlier hours weighs on the hour itself, as in the queue with a
changing number of servers, and not on overtime that no plan counts.
"""

from __future__ import annotations

import heapq

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def send(
    ready: np.ndarray, grade: np.ndarray, wanted: np.ndarray, minutes: np.ndarray, units: np.ndarray, at_once: bool
) -> np.ndarray:
    """Give the minute when each call's first unit goes (all of its units, where they go at once).

    `ready` (minutes) rises, `grade` is 0 for the most urgent, `wanted` are units, `minutes` (calls × units) those that
    each is busy, `units` those of each hour; the last hour goes on. Grades go first by urgency and in order of arrival;
    the first call in line holds up the rest.
    """
    calls, grades, hours = len(ready), grade.max() + 1, len(units)
    of_grade = np.argsort(grade, kind="mergesort")
    first = np.searchsorted(grade[of_grade], np.arange(grades))
    come, gone = first.copy(), first.copy()
    sent = np.full(calls, np.nan)
    left = wanted.copy()
    busy_until = [0.0]
    heapq.heappop(busy_until)
    now, arrived, waiting = 0.0, 0, 0
    while arrived < calls or waiting > 0:
        following = ready[arrived] if arrived < calls else np.inf
        if len(busy_until) > 0:
            following = min(following, busy_until[0])
        hour = min(int(now // 60.0), hours - 1)
        if waiting > 0 and hour + 1 < hours:
            following = min(following, (hour + 1) * 60.0)
        if following == np.inf:
            break  # who still waits is never reached
        now = following
        while len(busy_until) > 0 and busy_until[0] <= now:
            heapq.heappop(busy_until)
        while arrived < calls and ready[arrived] <= now:
            come[grade[arrived]] += 1
            arrived += 1
            waiting += 1
        free = units[min(int(now // 60.0), hours - 1)] - len(busy_until)
        for urgency in range(grades):
            while gone[urgency] < come[urgency] and free > 0:
                call = of_grade[gone[urgency]]
                if at_once and left[call] > free:
                    free = 0
                    break
                if left[call] == wanted[call]:
                    sent[call] = now
                while left[call] > 0 and free > 0:
                    left[call] -= 1
                    free -= 1
                    heapq.heappush(busy_until, now + minutes[call, left[call]])
                if left[call] == 0:
                    gone[urgency] += 1
                    waiting -= 1
    return sent
