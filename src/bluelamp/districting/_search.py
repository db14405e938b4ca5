"""The search's inner loop: areas change district one by one, or two by two, and no district ever falls apart."""

from __future__ import annotations

import numpy as np
from numba import njit

# Between a district's load and what is ideal, in shares of it: how soon a difference weighs as much as one border.
_BLUNT = 0.3


@njit(nogil=True, cache=True)
def grow(first, other, load, districts, rng):  # type: ignore[no-untyped-def]
    """Grow districts from seeds far apart, always the lightest that still can; gives each area's district."""
    n = len(load)
    district = np.full(n, -1, np.int64)
    steps = np.full(n, n + 1, np.int64)
    queue = np.empty(n, np.int64)
    loads = np.zeros(districts)
    seed = rng.integers(0, n)
    for number in range(districts):
        if number:
            # The next is one of the farthest from all so far.
            far, seed = -1.0, -1
            for v in range(n):
                if district[v] < 0:
                    score = steps[v] + rng.random()
                    if score > far:
                        far, seed = score, v
        district[seed] = number
        loads[number] += load[seed]
        steps[seed] = 0
        queue[0], head, tail = seed, 0, 1
        while head < tail:
            v = queue[head]
            head += 1
            for e in range(first[v], first[v + 1]):
                if steps[other[e]] > steps[v] + 1:
                    steps[other[e]] = steps[v] + 1
                    queue[tail] = other[e]
                    tail += 1
    full = np.zeros(districts, np.bool_)
    for _ in range(n + districts):
        lightest = -1
        for number in range(districts):
            if not full[number] and (lightest < 0 or loads[number] < loads[lightest]):
                lightest = number
        if lightest < 0:
            break
        found, best = -1, -1.0
        for v in range(n):
            if district[v] < 0:
                touching, known = 0.0, 0
                for e in range(first[v], first[v + 1]):
                    if district[other[e]] == lightest:
                        touching += 1.0
                    if district[other[e]] >= 0:
                        known += 1
                # What others have all but enclosed is taken first, so that no pocket stays behind.
                if touching > 0:
                    score = touching + known + rng.random()
                    if score > best:
                        found, best = v, score
        if found < 0:
            full[lightest] = True
        else:
            district[found] = lightest
            loads[lightest] += load[found]
    return district


@njit(nogil=True, cache=True)
def _may_leave(v, first, other, district, size, seen, stamp, queue):  # type: ignore[no-untyped-def]
    """Say whether an area's district still hangs together without it."""
    home = district[v]
    if size[home] == 1:
        return False
    wanted, start = 0, -1
    for e in range(first[v], first[v + 1]):
        if district[other[e]] == home:
            wanted += 1
            start = other[e]
            seen[other[e]] = -stamp
    if wanted <= 1:
        return wanted == 1
    seen[v] = stamp
    seen[start] = stamp
    queue[0], head, tail, wanted = start, 0, 1, wanted - 1
    while head < tail:
        u = queue[head]
        head += 1
        for e in range(first[u], first[u + 1]):
            w = other[e]
            if district[w] == home and seen[w] != stamp:
                if seen[w] == -stamp:
                    wanted -= 1
                    if wanted == 0:
                        return True
                seen[w] = stamp
                queue[tail] = w
                tail += 1
    return False


@njit(nogil=True, cache=True)
def _penalty(load, ideal, tolerance, blunt):  # type: ignore[no-untyped-def]
    over = max(0.0, abs(load - ideal) / ideal - tolerance) / blunt
    return over + over * over


@njit(nogil=True, cache=True)
def _border_gain(v, a, b, first, other, border, district):  # type: ignore[no-untyped-def]
    gain = 0.0
    for e in range(first[v], first[v + 1]):
        if district[other[e]] == a:
            gain += border[e]
        elif district[other[e]] == b:
            gain -= border[e]
    return gain


@njit(nogil=True, cache=True)
def anneal(  # type: ignore[no-untyped-def]
    district,
    today,
    first,
    other,
    border,
    load,
    moved_by,
    districts,
    ideal,
    tolerance,
    most_moved,
    keep,
    steps,
    hot,
    rng,
):
    """Improve a division of areas into districts by simulated annealing; gives the best that was met.

    `district` is where it begins (every district whole); `today` each area's district now, -1 where it has none.
    `border` weighs each side of each pair that touches, `moved_by` what an area counts where it leaves today's
    district. Best is: closest to the tolerance, then least border between districts plus `keep` times what moved.
    """
    n = len(load)
    district = district.copy()
    loads = np.zeros(districts)
    size = np.zeros(districts, np.int64)
    cut, moved = 0.0, 0.0
    for v in range(n):
        loads[district[v]] += load[v]
        size[district[v]] += 1
        for e in range(first[v], first[v + 1]):
            if district[other[e]] != district[v]:
                cut += border[e] / 2
        if today[v] >= 0 and today[v] != district[v]:
            moved += moved_by[v]
    seen = np.zeros(n, np.int64)
    queue = np.empty(n, np.int64)
    stamp = 0
    best = district.copy()
    worst = 0.0
    for d in range(districts):
        worst = max(worst, abs(loads[d] - ideal) / ideal)
    best_excess, best_cost = max(0.0, worst - tolerance), cut + keep * moved
    best_over = max(0.0, moved - most_moved)
    cold, sharp = 0.02, max(tolerance / 50, 2e-4)
    heat, blunt = hot, _BLUNT
    for step in range(steps):
        if step % 512 == 0:
            done = step / steps
            heat = hot * (cold / hot) ** done
            blunt = _BLUNT * (sharp / _BLUNT) ** min(1.0, 1.25 * done)
        v = rng.integers(0, n)
        if first[v + 1] == first[v]:
            continue
        a, b = district[v], district[other[rng.integers(first[v], first[v + 1])]]
        if a == b:
            continue
        x = -1
        if rng.random() < 0.25:
            # Something of b that touches a goes the other way.
            met = 0
            for u in range(n):
                if district[u] == b:
                    for e in range(first[u], first[u + 1]):
                        if district[other[e]] == a and other[e] != v:
                            met += 1
                            if rng.integers(0, met) == 0:
                                x = u
                            break
            if x < 0:
                continue
        shift = load[v] if x < 0 else load[v] - load[x]
        more_moved = 0.0
        if today[v] >= 0:
            more_moved += moved_by[v] * ((a == today[v]) - 1.0 * (b == today[v]))
        if x >= 0 and today[x] >= 0:
            more_moved += moved_by[x] * ((b == today[x]) - 1.0 * (a == today[x]))
        if more_moved > 0 and moved + more_moved > most_moved:
            continue
        gain = _border_gain(v, a, b, first, other, border, district)
        change = (
            gain + keep * more_moved
            + _penalty(loads[a] - shift, ideal, tolerance, blunt) - _penalty(loads[a], ideal, tolerance, blunt)
            + _penalty(loads[b] + shift, ideal, tolerance, blunt) - _penalty(loads[b], ideal, tolerance, blunt)
        )  # fmt: skip
        gain_x = 0.0
        if x >= 0:
            district[v] = b
            gain_x = _border_gain(x, b, a, first, other, border, district)
            district[v] = a
            change += gain_x
        if change > 0 and rng.random() >= np.exp(-change / heat):
            continue
        stamp += 1
        if not _may_leave(v, first, other, district, size, seen, stamp, queue):
            continue
        district[v] = b
        size[a] -= 1
        size[b] += 1
        if x >= 0:
            stamp += 1
            touches = False
            for e in range(first[x], first[x + 1]):
                touches = touches or district[other[e]] == a
            if not touches or not _may_leave(x, first, other, district, size, seen, stamp, queue):
                district[v] = a
                size[a] += 1
                size[b] -= 1
                continue
            district[x] = a
            size[a] += 1
            size[b] -= 1
        loads[a] -= shift
        loads[b] += shift
        cut += gain + gain_x
        moved += more_moved
        worst = 0.0
        for d in range(districts):
            worst = max(worst, abs(loads[d] - ideal) / ideal)
        over, excess, cost = max(0.0, moved - most_moved), max(0.0, worst - tolerance), cut + keep * moved
        if over < best_over - 1e-12 or (
            over < best_over + 1e-12
            and (excess < best_excess - 1e-9 or (excess < best_excess + 1e-9 and cost < best_cost - 1e-9))
        ):
            best_over, best_excess, best_cost = over, excess, cost
            best[:] = district
    return best
