"""The simulation of dispatch measured beside SimPy and Ciw: the same model, as many jobs, one core.

    python benchmarks/staffing_simulation.py              200,000 jobs a run, five runs each; some minutes
    python benchmarks/staffing_simulation.py --quick      50,000 jobs a run, three runs each; under a minute
    python benchmarks/staffing_simulation.py --json       one last line for machines: {"bars": {name: {...}}}

Ten units, jobs of an hour on average. Three models: one queue; three grades, urgent first; and 40% of jobs that want
two units at once. Each simulator draws its own chance, and its time is all that a run takes once the program is loaded:
drawing, simulating, and giving every job's wait. Ours always gives much more: who waited at each hour, and what every
unit's minutes went into by hour. Measured again while it keeps every sending, it stands beside SimPy that notes as much
of each job (Ciw always does). All take turns in one process, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import measure
import numpy as np
from report import Bar, say_bars, say_for_machines, say_table

from bluelamp.simulation import Cover, Jobs, Rules, Units, replicate, simulate

UNITS = 10
# Jobs left out at the beginning of each run, before the queue has come to its usual length.
WARM_UP = 0.1
# The 97.5% points of Student's t by runs.
STUDENT = {3: 4.303, 5: 2.776}


@dataclass(frozen=True)
class Model:
    """A queue: jobs an hour, the shares of its classes, and the mean hours that a job of each class waits."""

    name: str
    rate: float
    shares: tuple[float, ...]
    known: float
    source: str
    peers: tuple[str, ...] = ("SimPy", "Ciw")


MODELS = (
    Model("one queue", 8.5, (1.0,), 0.3532, "Erlang C"),
    Model("three grades", 8.5, (0.15, 0.45, 0.40), 0.15 * 0.0607 + 0.45 * 0.1239 + 0.40 * 0.7209, "Cobham"),
    # Ciw's customers take one server each.
    Model("one or two units at once", 5.0, (0.6, 0.4), 0.15294, "Markov chain", ("SimPy",)),
)


@dataclass
class Runs:
    """What the runs of one simulator took (CPU seconds) and found (mean hours waited)."""

    seconds: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def interval(self) -> tuple[float, float]:
        """Give the mean wait and half the width of its 95% interval."""
        count = len(self.waits)
        return statistics.fmean(self.waits), STUDENT[count] * statistics.stdev(self.waits) / count**0.5


# ---- the simulators: each gives the hours that every job waited ----


def run_ours(model: Model, count: int, seed: int, *, keep: bool = False) -> Any:
    """Draw the jobs and let Bluelamp's simulation answer them."""
    chance = np.random.default_rng(seed)
    ready = 60 * np.cumsum(chance.exponential(1 / model.rate, count))
    kind = chance.choice(len(model.shares), count, p=model.shares) if len(model.shares) > 1 else 0
    minutes = 60 * chance.exponential(1.0, count)
    if model.peers == ("SimPy",):
        jobs = Jobs.of(
            ready, minutes, units=1 + kind, is_at_once=True, further_minutes=60 * chance.exponential(1.0, count)
        )
    else:
        jobs = Jobs.of(ready, minutes, priority=kind)
    # Hours enough for those who still wait when the last job comes.
    outcome = simulate(jobs, Units.of(np.zeros(UNITS)), Cover.of([0]), hours=int(ready[-1] / 60) + 100, keep=keep)
    return (outcome.sent - outcome.ready) / 60


def run_simpy(model: Model, count: int, seed: int, *, keep: bool = False) -> Any:
    """Let SimPy run a process a job, as its documentation does; with `keep`, who went and when is noted of each job."""
    import simpy

    chance = random.Random(seed)
    room = simpy.Environment()
    waits: list[float] = []
    idle, notes = list(range(UNITS)), []
    kinds = chance.choices(range(len(model.shares)), model.shares, k=count)

    def serve(kind: int) -> Any:
        came = room.now
        with station.request(priority=kind) as turn:
            yield turn
            waits.append(room.now - came)
            yield room.timeout(chance.expovariate(1.0))

    def serve_and_note(kind: int) -> Any:
        came = room.now
        with station.request(priority=kind) as turn:
            yield turn
            began, unit = room.now, idle.pop(0)
            waits.append(began - came)
            yield room.timeout(chance.expovariate(1.0))
            idle.append(unit)
            notes.append((len(notes), unit, came, began, room.now))

    def hold() -> Any:
        yield room.timeout(chance.expovariate(1.0))
        yield free.put(1)

    def hold_and_note(came: float) -> Any:
        began, unit = room.now, idle.pop(0)
        yield room.timeout(chance.expovariate(1.0))
        idle.append(unit)
        notes.append((len(notes), unit, came, began, room.now))
        yield free.put(1)

    def serve_several(kind: int) -> Any:
        came = room.now
        yield free.get(1 + kind)
        waits.append(room.now - came)
        for _ in range(1 + kind):
            room.process(hold_and_note(came) if keep else hold())

    def come(answer: Callable[[int], Any]) -> Any:
        for kind in kinds:
            yield room.timeout(chance.expovariate(model.rate))
            room.process(answer(kind))

    if model.peers == ("SimPy",):
        free = simpy.Container(room, capacity=UNITS, init=UNITS)
        room.process(come(serve_several))
    else:
        station = simpy.PriorityResource(room, capacity=UNITS)
        room.process(come(serve_and_note if keep else serve))
    room.run()
    return np.array(waits)


def run_ciw(model: Model, count: int, seed: int) -> Any:
    """Let Ciw run its network of one node until so many customers are done."""
    import ciw

    ciw.seed(seed)
    classes = [f"Class {number}" for number in range(len(model.shares))]
    network = ciw.create_network(
        arrival_distributions={
            name: [ciw.dists.Exponential(model.rate * share)] for name, share in zip(classes, model.shares, strict=True)
        },
        service_distributions={name: [ciw.dists.Exponential(1.0)] for name in classes},
        priority_classes={name: number for number, name in enumerate(classes)},
        number_of_servers=[UNITS],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(count, method="Finish")
    records = sorted(simulation.get_all_records(), key=lambda record: record.arrival_date)
    return np.array([record.waiting_time for record in records])


SIMULATORS: dict[str, Callable[[Model, int, int], Any]] = {
    "Bluelamp": run_ours,
    "Bluelamp, every sending kept": lambda model, count, seed: run_ours(model, count, seed, keep=True),
    "SimPy": run_simpy,
    "SimPy, every sending kept": lambda model, count, seed: run_simpy(model, count, seed, keep=True),
    "Ciw": run_ciw,
}


# ---- the measurement ----


def measure_simulation(*, is_quick: bool) -> dict[str, Bar]:
    """Measure all simulators in turns, print what was found, and give the bars."""
    count, rounds = (50_000, 3) if is_quick else (200_000, 5)
    there = {name: version for name, version in measure.versions(("simpy", "ciw")) if version != "not installed"}
    started = time.process_time()
    for keep in (False, True):
        run_ours(MODELS[0], 1_000, 0, keep=keep)
    loading = time.process_time() - started
    print(f"\nLoading the loops took {loading:.1f} CPU s; ten to twenty where they must be compiled first.")
    rows = []
    ratios: dict[str, list[float]] = {"SimPy": [], "Ciw": [], "kept": []}
    disagree = []
    for model in MODELS:
        measure.note(f"simulation: {model.name}")
        peers = tuple(each for each in model.peers if each.lower() in there)
        names = ["Bluelamp", "Bluelamp, every sending kept", *(name for name in SIMULATORS if name.startswith(peers))]
        found = {name: Runs() for name in names}
        for number in range(rounds):
            for name in names:
                began = time.process_time()
                waits = SIMULATORS[name](model, count, 1 + number)
                found[name].seconds.append(time.process_time() - began)
                found[name].waits.append(float(np.nanmean(waits[int(WARM_UP * count) :])))
        ours = statistics.median(found["Bluelamp"].seconds)
        kept = statistics.median(found["Bluelamp, every sending kept"].seconds)
        for name, runs in found.items():
            mean, half = runs.interval()
            seconds = statistics.median(runs.seconds)
            if abs(mean - model.known) > half:
                disagree.append(
                    f"{model.name}: {name} found {mean:.4f} ± {half:.4f} h, {model.source} {model.known:.4f}"
                )
            if name in ratios:
                ratios[name].append(seconds / ours)
            if name == "SimPy, every sending kept":
                ratios["kept"].append(seconds / kept)
            rows.append(
                (
                    model.name if name == "Bluelamp" else "", name, f"{seconds:.3f}",
                    f"{min(runs.seconds):.3f}–{max(runs.seconds):.3f}", f"{1e6 * seconds / count:.2f}",
                    f"{seconds / ours:.0f}", f"{mean:.4f} ± {half:.4f}", f"{model.known:.4f}",
                )
            )  # fmt: skip
    head = ("model", "simulator", "CPU s", "from–to", "µs a job", "× ours", "mean wait, h (95%)", "known")
    say_table(f"Simulation: {count:,} jobs a run, {rounds} runs each, on one core", head, rows)
    for each in disagree:
        print(f"  Outside its interval: {each}. Of {len(rows)} intervals, {0.05 * len(rows):.1f} are expected to be.")
    say_a_county(is_quick=is_quick)

    def least(name: str) -> float | None:
        return min(ratios[name], default=None)

    return {
        "simulation_against_simpy": Bar(
            "simulation against SimPy, slowest model", "×", 80, least("SimPy"), at_least=True
        ),
        "simulation_against_ciw": Bar("simulation against Ciw, slowest model", "×", 100, least("Ciw"), at_least=True),
        "simulation_with_records": Bar(
            "… every sending kept, against SimPy, slowest model", "×", 30, least("kept"), at_least=True
        ),
        "simulation_outside": Bar("known waits outside a simulator's 95% interval", "", 2, float(len(disagree))),
    }


def say_a_county(*, is_quick: bool) -> None:
    """Say how long a week of a county takes with all rules on, one run and many on threads."""
    chance = np.random.default_rng(1)
    places, pools, hours, count = 121, 6, 168, 6_500
    starts = np.repeat(np.arange(7 * 3) * 480.0, 60)
    units = Units.of(
        starts, starts + 540, pool=np.arange(len(starts)) % pools, abilities=chance.choice([1, 3, 3, 3], len(starts)),
        briefing=15, break_from=starts + chance.uniform(120, 300, len(starts)), break_minutes=40,
    )  # fmt: skip
    cover = Cover.of(
        chance.integers(0, pools, places)[:, None].repeat(hours, axis=1),
        help=chance.permuted(np.tile(np.arange(pools), (places, 1)), axis=1), vehicles=np.full(pools, 30),
    )  # fmt: skip
    rules = Rules(
        keep_free=np.array([[0, 0, 1]] * pools), help_to=0, help_travel_factor=1.7, last_minutes=45, last_for=0,
        last_minutes_handed_over=150, relief_before=45, takes_from=np.array([[0, 1, 1], [0, 0, 0], [0, 0, 0]]),
    )  # fmt: skip

    def draw() -> Jobs:
        priority = chance.choice(3, count, p=[0.25, 0.45, 0.3])
        guard = chance.random(count) < 0.01
        return Jobs.of(
            np.sort(chance.uniform(0, 60 * hours, count)),
            np.where(guard, 600, chance.lognormal(3.5, 0.9, count)), place=chance.integers(0, places, count),
            priority=priority, units=np.where(guard, 1, chance.choice(3, count, p=[0.7, 0.25, 0.05]) + 1),
            asks=np.where(priority < 2, 2, 0), after_minutes=10, travel=chance.lognormal(2.2, 0.5, (count, 3)),
            patience=600.0 * (priority + 1), is_handed_over=guard, may_be_left=~guard,
            regraded_at=np.where(chance.random(count) < 0.05, chance.uniform(0, 60 * hours, count), np.nan),
            regraded_to=0, regraded_asks=2,
        )  # fmt: skip

    runs = [draw() for _ in range(20 if is_quick else 100)]
    seconds = []
    for jobs in runs[:10]:
        began = time.perf_counter()
        simulate(jobs, units, cover, rules, hours=hours, keep=True)
        seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
    replicate(runs, units, cover, rules, hours=hours, threads=2)
    many = time.perf_counter() - began
    print(
        f"\nA week of a county, all rules on, every sending kept: {count:,} jobs, {len(units):,} duties, "
        f"{places} places, {1_000 * statistics.median(seconds):.0f} ms a run; {len(runs)} runs on two threads "
        f"{many:.2f} s."
    )


def main() -> None:
    """Measure, and print what was found."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("--quick", action="store_true", help="50,000 jobs a run, three runs")
    asked.add_argument("--json", action="store_true", help="one last line for machines")
    options = asked.parse_args()
    print("The simulation of dispatch beside other simulators")
    for what, words in measure.machine(measure.keep_to_cores(2)):
        print(f"  {what:<14}  {words}")
    busy = measure.busy_share()
    if busy > measure.BUSY_SHARE:
        print(f"  busy            others use {busy:.0%} of the cores: not worth quoting")
    packages = ("bluelamp", "numpy", "numba", "simpy", "ciw")
    print(f"  {'versions':<14}  {', '.join(f'{n} {v}' for n, v in measure.versions(packages))}")
    bars = measure_simulation(is_quick=options.quick)
    say_bars(bars)
    if options.json:
        say_for_machines(bars)


if __name__ == "__main__":
    main()
