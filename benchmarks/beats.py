"""Beats measured: a city's areas into districts of equal work, against spopt, and how far from the best few areas are.

    python benchmarks/beats.py              Carrollton's 325 areas into 6, 10 and 16; a quarter of an hour
    python benchmarks/beats.py --quick      into 10, two seconds a method; under a minute
    python benchmarks/beats.py --json       one last line for machines: {"bars": {name: {"value", "bar", "met"}}}

Every method has the same seconds and gives its most equal division into whole districts. Ours stands twice: as
`bluelamp beats` proposes (the shortest borders within 5% of an equal share), and for balance alone. spopt's heuristics
are made for likeness within regions; `beats_peers.py` says how each is put to this problem. Nothing in the search was
chosen by looking at spopt's results; its schedule was tried on Carrollton and on drawn squares.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import measure
import numpy as np
import polars as pl
import shapely
from report import Bar, say_bars, say_for_machines, say_table

from bluelamp import districting
from bluelamp.plane import Plane
from bluelamp.pool_trial import share_out
from bluelamp.simulation import Cover, Jobs, Rules, Travel, Units, simulate

HERE = Path(__file__).parent
SHARED_DATA = Path(os.environ.get("BLUELAMP_SHARED_DATA", HERE.parents[1] / "shared" / "data"))
PEERS_HOME = HERE.parent / ".venv" / "beats-peers"
TOLERANCE = 0.05
# Few areas whose best division can be proven: rows, columns, districts.
PROVEN = ((3, 4, 3), (4, 4, 3), (4, 4, 4), (4, 5, 4), (4, 5, 5), (5, 5, 4), (5, 5, 6))


def main() -> None:
    """Measure, and print what was found."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("--quick", action="store_true", help="ten districts, two seconds a method")
    asked.add_argument("--json", action="store_true", help="one last line for machines")
    asked.add_argument("--no-peers", action="store_true", help="leave out spopt")
    asked.add_argument("--seconds", type=float, help="seconds a method")
    asked.add_argument("--districts", type=int, nargs="+", help="into how many; 6, 10 and 16 where left out")
    options = asked.parse_args()
    about = measure.machine(measure.keep_to_cores(2))
    seconds = options.seconds or (2.0 if options.quick else 60.0)
    home = Path(os.environ.get("BLUELAMP_BEATS_PEERS", PEERS_HOME))
    python = None
    if not options.no_peers:
        python = measure.python_in(home, HERE / "requirements-beats.txt", may_install=not options.quick)
    file = SHARED_DATA / "carrollton" / "areas.geojson"
    print("Beats: districts of equal work, whole, from small areas")
    about += [
        ("carrollton", f"SHA-256 {hashlib.sha256(file.read_bytes()).hexdigest()}" if file.exists() else "not there"),
        ("versions", ", ".join(f"{n} {v}" for n, v in measure.versions(("bluelamp", "numpy", "numba", "scipy")))),
        ("spopt", "measured beside" if python else "NOT MEASURED (a full run installs it)"),
        ("each method", f"{seconds:.0f} s"),
    ]
    for what, words in about:
        print(f"  {what:<14}  {words}")
    bars: dict[str, Bar] = {}
    if file.exists():
        for districts in options.districts or ((10,) if options.quick else (6, 10, 16)):
            bars |= say_city(file, districts, seconds, python)
    else:
        print(f"\nNOT MEASURED: carrollton is not in {SHARED_DATA}.")
    bars |= say_proven(PROVEN[:3] if options.quick else PROVEN)
    cells = SHARED_DATA / "districting"
    if cells.is_dir():
        bars |= say_cells(cells)
    else:
        print(f"\nNOT MEASURED: the 510 cells are not in {SHARED_DATA}.")
    say_bars(bars)
    if options.json:
        say_for_machines(bars)


def say_city(file: Path, districts: int, seconds: float, python: Path | None) -> dict[str, Bar]:
    """Divide Carrollton by every method, and print what came out."""
    features = json.loads(file.read_text(encoding="utf-8"))["features"]
    load = np.array([each["properties"]["call_minutes"] or 0.0 for each in features])
    shapes = shapely.from_geojson([json.dumps(each["geometry"]) for each in features])
    touching = districting.link_islands(districting.find_touching(shapes), shapes)
    measure.note(f"{districts} districts: ours")
    started = time.perf_counter()
    districting.propose_districts(load, touching, districts, restarts=1, moves=1_000)
    compiling = time.perf_counter() - started
    found, took = {}, []
    for seed in range(3):
        started = time.perf_counter()
        found["bluelamp, as proposed"] = districting.propose_districts(load, touching, districts, seed=seed).district
        took.append(time.perf_counter() - started)
    worst = [found["bluelamp, as proposed"]]
    equal, tries, started = None, 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        division = districting.propose_districts(
            load, touching, districts, tolerance=0.0, seed=tries, restarts=1, moves=len(load) * 10_000
        ).district
        tries += 1
        worst.append(division)
        if equal is None or _far(load, division, districts) < _far(load, equal, districts):
            equal = division
    found["bluelamp, for balance"] = equal
    told = {"bluelamp, as proposed": f"{statistics.median(took):.1f} s", "bluelamp, for balance": f"{tries} tries"}
    told |= _ask_peer(load, touching, shapes, districts, seconds, python, found) if python else {}
    rows, peers = [], []
    for name, division in found.items():
        if not len(division):
            rows.append((name, "–", "–", "–", "–", told[name]))
            continue
        whole = districting.are_whole(touching, division)
        balance = districting.balance_of(load, division, districts)
        cut = division[touching.pairs[:, 0]] != division[touching.pairs[:, 1]]
        rows.append(
            (
                name, f"{balance.greatest:.2%}", f"{balance.variation:.4f}", f"{touching.metres[cut].sum() / 1000:.1f}",
                "yes" if whole else "NO", told[name],
            )
        )  # fmt: skip
        if whole and not name.startswith("bluelamp"):
            peers.append(balance.greatest)
    say_table(
        f"{len(load)} areas into {districts} districts (compiling took {compiling:.1f} s once)",
        ("method", "farthest from equal", "variation", "border km", "whole", "took"), rows,
    )  # fmt: skip
    best = _far(load, equal, districts)
    whole = all(districting.are_whole(touching, each) for each in (*worst, found["bluelamp, as proposed"]))
    name = f"carrollton_{districts}"
    return {
        f"{name}_whole": Bar(f"{districts}: divisions of ours that are not whole", "", 0, 0.0 if whole else 1.0),
        f"{name}_deviation": Bar(
            f"{districts}: farthest from equal, as proposed", "%", 100 * TOLERANCE,
            100 * _far(load, found["bluelamp, as proposed"], districts),
        ),
        f"{name}_seconds": Bar(f"{districts}: a proposal, median of three", "s", 60, statistics.median(took)),
        f"{name}_against_spopt": Bar(
            f"{districts}: spopt's farthest from equal over ours, equal time", "times", 1.0,
            min(peers) / best if peers else None, at_least=True,
        ),
    }  # fmt: skip


def _far(load: np.ndarray, division: np.ndarray, districts: int) -> float:
    return districting.balance_of(load, division, districts).greatest


def _ask_peer(
    load: np.ndarray, touching: districting.Touching, shapes: np.ndarray, districts: int, seconds: float,
    python: Path, found: dict[str, np.ndarray],
) -> dict[str, str]:  # fmt: skip
    """Let spopt divide the same areas with the same borders, and add what it found."""
    measure.note(f"{districts} districts: spopt")
    middles = shapely.get_coordinates(shapely.centroid(shapes))
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder) / "asked.npz", Path(folder) / "answer.npz"
        np.savez(
            question, load=load, pairs=touching.pairs, places=Plane.amid(middles).flatten(middles),
            districts=districts, seconds=seconds,
        )  # fmt: skip
        measure.run([python, HERE / "beats_peers.py", question, answer])
        given = dict(np.load(answer))
    told = {}
    for method in dict.fromkeys(key.partition("|")[0] for key in given):
        name = f"spopt {method}"
        found[name] = given[f"{method}|labels"].astype(int)
        fault = str(given[f"{method}|fault"])
        told[name] = fault or f"{given[f'{method}|seconds']:.0f} s, {given[f'{method}|tries']} done"
    return told


def say_proven(instances: tuple[tuple[int, int, int], ...]) -> dict[str, Bar]:
    """Hold the search against the proven best of few areas with drawn loads."""
    rows, gaps = [], []
    for number, (height, width, districts) in enumerate(instances):
        measure.note(f"proven: {height} × {width} into {districts}")
        grid = np.arange(height * width).reshape(height, width)
        pairs = districting.as_pairs(
            np.concatenate(
                [
                    np.stack([grid[:, :-1].ravel(), grid[:, 1:].ravel()], axis=1),
                    np.stack([grid[:-1].ravel(), grid[1:].ravel()], axis=1),
                ]
            )
        )
        load = np.random.default_rng(number).lognormal(0, 0.8, height * width)
        touching = districting.Touching(len(load), pairs, np.ones(len(pairs)))
        started = time.perf_counter()
        ours = districting.propose_districts(load, touching, districts, tolerance=0.0, moves=500_000).district
        took, started = time.perf_counter() - started, time.perf_counter()
        far = _far(load, ours, districts)
        proof = districting.prove_balance(load, pairs, districts, seconds=120, at_most=far + 1e-9)
        bound = min(proof.bound, far)
        gaps.append(far - bound)
        rows.append(
            (
                f"{height} × {width} into {districts}", f"{far:.3%}", f"{bound:.3%}", f"{100 * gaps[-1]:.3f}",
                f"{took:.1f}", f"{time.perf_counter() - started:.1f}",
            )
        )  # fmt: skip
    say_table(
        "Few areas whose best division is proven (HiGHS)",
        ("areas", "found", "proven bound", "gap, points", "search s", "proof s"), rows,
    )  # fmt: skip
    return {"gap": Bar("few areas: largest gap to the proven bound", "points", 1.0, 100 * max(gaps))}


# ---- 510 cells with their driving times, through the simulator ----


def say_cells(folder: Path) -> dict[str, Bar]:
    """Answer 50,000 synthetic incidents from several pools, with as many units, and print who came in time.

    The set names no units: half as many again as its work asks for are out in each shift of eight hours, ten minutes of
    travel a unit included. What its 'backlog' means is not said, and it is left out.
    """
    incidents = pl.read_csv(folder / "incidents_0510.csv.gz")
    minutes = np.loadtxt(folder / "driving_times_0510.csv.gz", delimiter="\t")
    ready = (incidents["epoch"].to_numpy() - int(incidents["epoch"].min() // 86400) * 86400) / 60
    place, priority = incidents["location"].to_numpy() - 1, incidents["priority"].to_numpy() - 1
    cars, length = incidents["cars"].to_numpy(), incidents["length"].to_numpy().astype(float)
    order = np.argsort(ready, kind="stable")
    jobs = Jobs.of(
        ready[order], length[order], place=place[order], priority=priority[order], units=cars[order]
    )  # fmt: skip
    hours = 24 * (int(ready.max() // 1440) + 1)
    work = np.bincount(place, cars * (length + 10), len(minutes))
    shift_of = (ready // 60 % 24 // 8).astype(int)
    by_shift = np.stack(
        [
            np.bincount(place[shift_of == each], (cars * (length + 10))[shift_of == each], len(minutes))
            for each in range(3)
        ]
    )
    units = np.ceil(1.5 * by_shift.sum(axis=1) / (hours / 24 * 480)).astype(int)
    touching = districting.Touching(len(minutes), neighbours := near_neighbours(minutes), np.ones(len(neighbours)))
    measure.note("510 cells")
    plans: dict[str, tuple[np.ndarray, ...]] = {}
    least = int(units.min())
    for number in sorted({least, max(least // 2, 1), 1}, reverse=True):
        started = time.perf_counter()
        division = districting.propose_districts(work, touching, number).district
        took = time.perf_counter() - started
        plans[f"{number} of equal work" if number > 1 else "one pool"] = (division, took)
        if number == least:
            # As many cells in each, whatever happens there: what a planner without figures would draw.
            alike = districting.propose_districts(np.ones(len(minutes)), touching, number).district
            plans = {f"{number} of as many cells": (alike, took), **plans}
    rows, weekly, seconds = [], {}, []
    for name, (division, _) in plans.items():
        duties = cells_duties(division, by_shift, units, minutes, work, hours)
        cover = Cover.of(division)
        started = time.perf_counter()
        outcome = simulate(jobs, duties, cover, Rules(is_nearest=True), Travel(minutes), hours=hours)
        seconds.append(time.perf_counter() - started)
        wait = outcome.arrived - jobs.ready
        urgent = jobs.priority <= 1
        in_time = np.nan_to_num(wait, nan=np.inf) <= 15
        week = (jobs.ready // (7 * 1440)).astype(int)
        weekly[name] = np.bincount(week[urgent], in_time[urgent]) / np.bincount(week[urgent])
        known = np.isfinite(wait)
        balance = districting.balance_of(work, division, int(division.max()) + 1)
        rows.append(
            (
                name, f"{balance.greatest:.1%}", f"{in_time[urgent].mean():.1%}",
                f"{np.median(wait[known & urgent]):.1f}", f"{np.quantile(wait[known & urgent], 0.9):.1f}",
                f"{np.nanmean(outcome.arrived - outcome.sent):.1f}", f"{int((~known).sum())}", f"{seconds[-1]:.2f}",
            )
        )  # fmt: skip
    say_table(
        f"510 cells, {len(jobs):,} synthetic incidents of {hours // 24} days; {', '.join(map(str, units))} units by "
        "shift from midnight; priorities 1 and 2 within 15 minutes",
        ("pools", "farthest from equal", "in time", "median min", "90th min", "travel min", "not reached", "s"), rows,
    )  # fmt: skip
    say_ways(minutes, jobs, work, by_shift, units, plans["one pool"][0], hours)
    first = next(iter(weekly))
    for name in list(weekly)[1:]:
        say_difference(name, weekly[name], first, weekly[first])
    return {"cells_seconds": Bar("510 cells: simulating 105 days, slowest way", "s", 60, max(seconds[1:]))}


def say_ways(
    minutes: np.ndarray, jobs: Jobs, work: np.ndarray, by_shift: np.ndarray, units: np.ndarray, division: np.ndarray,
    hours: int,
) -> None:  # fmt: skip
    """Answer the same incidents by the driving times, and as the crow flies, from one pool.

    The set says where no cell is. Places are laid out so that straight lines between them fit the driving times as well
    as lines on a plane can (classical scaling, Torgerson 1952), and are driven at the speed and turnout that fit best.
    """
    away = ~np.eye(len(minutes), dtype=bool)
    mean = (minutes + minutes.T) / 2
    centred = np.eye(len(mean)) - 1 / len(mean)
    size, axes = np.linalg.eigh(-centred @ mean**2 @ centred / 2)
    at = axes[:, -2:] * np.sqrt(size[-2:])
    far = np.linalg.norm(at[:, None] - at[None, :], axis=2)
    slope, start = np.polyfit(far[away], minutes[away], 1)
    straight = np.where(away, np.maximum(start + slope * far, minutes.min()), minutes)
    duties = cells_duties(division, by_shift, units, minutes, work, hours)
    rows, found = [], {}
    for name, ways in {"driving times": minutes, "straight lines that fit them": straight}.items():
        outcome = simulate(jobs, duties, Cover.of(division), Rules(is_nearest=True), Travel(ways), hours=hours)
        way, wait = outcome.arrived - outcome.sent, outcome.arrived - jobs.ready
        urgent = jobs.priority <= 1
        in_time = np.nan_to_num(wait, nan=np.inf) <= 15
        week = (jobs.ready // (7 * 1440)).astype(int)
        found[name] = np.bincount(week[urgent], in_time[urgent]) / np.bincount(week[urgent])
        rows.append(
            (
                name, f"{np.mean(ways[away]):.1f}", f"{np.nanmean(way):.2f}", f"{np.nanquantile(way, 0.9):.1f}",
                f"{in_time[urgent].mean():.1%}",
            )
        )  # fmt: skip
    off = np.abs(straight - minutes)[away] / minutes[away]
    say_table(
        f"510 cells, one pool, two ways of knowing travel: straight lines are off by {np.median(off):.0%} of a pair's "
        f"driving time (median), {np.quantile(off, 0.95):.0%} for one pair in twenty",
        ("travel", "between two cells min", "driven min", "90th min", "priorities 1 and 2 in time"), rows,
    )  # fmt: skip
    say_difference("straight lines", found["straight lines that fit them"], "driving times", found["driving times"])


def say_difference(name: str, weekly: np.ndarray, other: str, others: np.ndarray) -> None:
    """Say how far one share in time is from another, week by week."""
    differ = weekly - others
    mean, error = differ.mean(), 1.96 * differ.std(ddof=1) / np.sqrt(len(differ))
    print(
        f"  {name} against {other}: {100 * mean:+.1f} points in time, {100 * (mean - error):+.1f} to "
        f"{100 * (mean + error):+.1f} over {len(differ)} weeks"
    )


def near_neighbours(minutes: np.ndarray) -> np.ndarray:
    """Give pairs of cells with none between them by driving time (the relative neighbourhood graph, Toussaint 1980)."""
    found = []
    for cell, row in enumerate(minutes):
        between = np.maximum(row[:, None], minutes).copy()
        between[cell], between[np.arange(len(minutes)), np.arange(len(minutes))] = np.inf, np.inf
        found += [(cell, other) for other in np.flatnonzero(row <= between.min(axis=0)) if other > cell]
    return districting.as_pairs(found)


def cells_duties(
    division: np.ndarray, by_shift: np.ndarray, units: np.ndarray, minutes: np.ndarray, work: np.ndarray, hours: int
) -> Units:
    """Share each shift's units out among the pools by its work, each from its pool's best-placed cell."""
    pools = int(division.max()) + 1
    centre = [
        inside[np.argmin(minutes[np.ix_(inside, inside)] @ (work[inside] + 1e-9))]
        for inside in (np.flatnonzero(division == pool) for pool in range(pools))
    ]
    starts, pool_of = [], []
    for start in range(0, hours, 8):
        load = np.bincount(division, by_shift[start % 24 // 8], pools)
        shared = share_out(int(units[start % 24 // 8]), load, np.zeros(pools, dtype=np.int64))
        pool_of += np.sort(shared).tolist()
        starts += [60.0 * start] * len(shared)
    begin, of = np.array(starts), np.array(pool_of)
    return Units.of(begin, begin + 480, pool=of, place=np.array(centre)[of])


if __name__ == "__main__":
    main()
