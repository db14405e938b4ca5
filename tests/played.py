"""Telephones played call by call: lines that share their people, callers who give up."""

from __future__ import annotations

import heapq

import numpy as np


def played(agents, calls, handling, patience, seconds, hours, seed=1):
    """Play the lines one by one, and give the shares answered in time and who gave up, by line."""
    random = np.random.default_rng(seed)
    made = sorted(
        (float(at), line)
        for line, hourly in enumerate(calls)
        for at in random.uniform(0, hours * 60, random.poisson(hourly * hours))
    )
    drawn = [(random.exponential(handling[line]), random.exponential(patience[line])) for _, line in made]
    free, ends, queues = agents, [], [[] for _ in calls]
    in_time, left = np.zeros(len(calls)), np.zeros(len(calls))
    for caller, (at, line) in enumerate([*made, (hours * 60.0, -1)]):
        while ends and ends[0] <= at:
            now = heapq.heappop(ends)
            free += 1
            for queue, own in enumerate(queues):
                while own and free:
                    first = own.pop(0)
                    if made[first][0] + drawn[first][1] < now:
                        left[queue] += 1
                        continue
                    in_time[queue] += now - made[first][0] <= seconds[queue] / 60
                    heapq.heappush(ends, now + drawn[first][0])
                    free -= 1
        if line < 0:
            break
        if free:
            in_time[line] += 1
            free -= 1
            heapq.heappush(ends, at + drawn[caller][0])
        else:
            queues[line].append(caller)
    number = np.bincount([line for _, line in made], minlength=len(calls))
    return in_time / number, left / number
