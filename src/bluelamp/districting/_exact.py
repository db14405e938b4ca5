"""The best possible balance of few areas, proven by an integer programme, or how near to it one can be sure to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bluelamp import extensions

# More areas than these need hours, and prove nothing in minutes.
MOST_AREAS = 30


@dataclass(frozen=True)
class Proof:
    """What was proven: no contiguous division has a smaller greatest deviation than `bound` (a share of ideal).

    `district` is a division whose greatest deviation is `deviation`; none where the time was over before one was met.
    """

    bound: float
    deviation: float | None
    district: NDArray[np.int64] | None


def prove_balance(
    load: NDArray[np.float64],
    pairs: NDArray[np.int64],
    districts: int,
    *,
    seconds: float = 60.0,
    at_most: float = np.inf,
) -> Proof:
    """Find the division into contiguous districts whose greatest deviation from the ideal load is least.

    `load` of each area; `pairs` (n × 2) of areas that touch. Each district is named after the heaviest of its areas
    (Hess and others 1965, *Nonpartisan political redistricting by computer*, Operations Research 13, 998–1006, and
    that order so that no division counts twice), and is whole because goods can flow from that area to each of its
    others without leaving it (Shirabe 2009, *Districting modeling with exact contiguity constraints*, Environment and
    Planning B 36, 1053–1066). Solved by HiGHS, which stops after so many seconds. `at_most` is a deviation that was
    met already, so that worse ones need not be looked for. Raises UsageError where the extra 'solve' is not installed.
    """
    optimize = extensions.optional("scipy.optimize", "solve", "Proving how balanced districts can be at best")
    sparse = extensions.optional("scipy.sparse", "solve", "Proving how balanced districts can be at best")
    n, ideal = len(load), float(load.sum()) / districts
    order = np.argsort(-load, kind="stable")
    rank = np.argsort(order)
    weight = load[order] / ideal
    edges = np.sort(rank[pairs], axis=1)
    edges = np.unique(edges, axis=0)
    arcs = np.concatenate([edges, edges[:, ::-1]])
    # Columns: x[i, j] for i ≥ j, then flows f[j, arc] among the areas from j on, then the greatest deviation.
    i, j = np.tril_indices(n)
    x = np.full((n, n), -1, dtype=np.int64)
    x[i, j] = np.arange(len(i))
    flows = [(centre, u, v) for centre in range(n) for u, v in arcs if u >= centre and v > centre]
    z = len(i) + len(flows)
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    low: list[float] = []
    high: list[float] = []

    def add(terms: list[tuple[int, float]], at_least: float, at_most: float) -> None:
        for column, value in terms:
            rows.append(len(low))
            columns.append(int(column))
            values.append(value)
        low.append(at_least)
        high.append(at_most)

    infinite = np.inf
    for area in range(n):
        add([(x[area, centre], 1.0) for centre in range(area + 1)], 1, 1)
        for centre in range(area):
            add([(x[area, centre], 1.0), (x[centre, centre], -1.0)], -infinite, 0)
    add([(x[centre, centre], 1.0) for centre in range(n)], districts, districts)
    for centre in range(n):
        held = [(x[area, centre], weight[area]) for area in range(centre, n)]
        add([*held, (z, -1.0), (x[centre, centre], -1.0)], -infinite, 0)
        add([*held, (z, 1.0), (x[centre, centre], -1.0)], 0, infinite)
    into: dict[tuple[int, int], list[int]] = {}
    out: dict[tuple[int, int], list[int]] = {}
    for number, (centre, u, v) in enumerate(flows, start=len(i)):
        into.setdefault((centre, v), []).append(number)
        out.setdefault((centre, u), []).append(number)
    for centre in range(n):
        for area in range(centre + 1, n):
            coming = [(each, 1.0) for each in into.get((centre, area), [])]
            going = [(each, -1.0) for each in out.get((centre, area), [])]
            add([*coming, *going, (x[area, centre], -1.0)], 0, 0)
            add([*coming, (x[area, centre], -float(n - districts))], -infinite, 0)
    matrix = sparse.csr_matrix((values, (rows, columns)), shape=(len(low), z + 1))
    cost = np.zeros(z + 1)
    cost[z] = 1
    found = optimize.milp(
        cost,
        integrality=(np.arange(z + 1) < len(i)).astype(int),
        bounds=optimize.Bounds(0, np.r_[np.ones(len(i)), np.full(len(flows), np.inf), at_most]),
        constraints=optimize.LinearConstraint(matrix, low, high),
        options={"time_limit": seconds, "mip_rel_gap": 0.0},
    )
    if found.x is None and found.status == 2 and np.isfinite(at_most):
        return Proof(at_most, None, None)
    if found.x is None:
        return Proof(max(0.0, float(found.mip_dual_bound or 0.0)), None, None)
    chosen = found.x[x[i, j]] > 0.5
    district = np.empty(n, dtype=np.int64)
    district[order[i[chosen]]] = j[chosen]
    district = np.unique(district, return_inverse=True)[1]
    loads = np.bincount(district, load, districts)
    return Proof(max(0.0, float(found.mip_dual_bound)), float(np.abs(loads / ideal - 1).max()), district)
