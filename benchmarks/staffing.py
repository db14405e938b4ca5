"""Required units measured: how fast and exact they are found, and what each rung of the ladder is worth in a week.

    python benchmarks/staffing.py              168 hours × 1,000 areas, eight weekly cases; some minutes
    python benchmarks/staffing.py --quick      fewer areas and simulated weeks; under a minute
    python benchmarks/staffing.py --json       one last line for machines: {"bars": {name: {"value", "bar", "met"}}}

Required units are held against pyworkforce, and both against Erlang's formula written out as the sum that it is. Each
rung then staffs weeks whose demand is known without error, and a simulation of its own (`staffing_judge.py`) judges
every hour of them, on calls that no rung has seen. The search of `bluelamp solve` stands beside them: MOL, repaired
and pruned on simulated weeks. It draws exponential minutes, as the judge does; what it costs to draw others (log-normal
ones, as the command does) is shown by itself. The cases were
written down before any of them was judged, and nothing was changed for them; 'closing time' was added after, because
demand that jumps is where looking at each hour alone should do worst. Last come the simulation's own bars, which
`staffing_simulation.py` measures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import measure
import numpy as np
import polars as pl
import staffing_judge
import staffing_simulation
from report import Bar, say_bars, say_for_machines, say_table

from bluelamp import drawn_work, extensions, offered_work, periods, pools, queueing, solving, tables
from bluelamp.fewest_units import RUNS

HERE = Path(__file__).parent
PEERS_HOME = HERE.parent / ".venv" / "staffing-peers"
WEEK = 168
ZONE = "UTC"
# Targets and service times that areas may have, in minutes; shares on time.
TARGETS, SHARES = (5.0, 10.0, 15.0, 60.0, 180.0, 240.0), (0.8, 0.9, 0.95)
# An hour counts as missed when fewer than this part of its calls is on time, below the target.
POINTS = 0.02
# Weeks that are simulated one after another; runs of them tell how far chance moves a verdict.
WEEKS_A_RUN = 25
SEED = 20261123
# Plans that the search tries.
TRIES = 60


def main() -> None:
    """Measure, and print what was found."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("--quick", action="store_true", help="fewer areas and simulated weeks")
    asked.add_argument("--json", action="store_true", help="one last line for machines")
    asked.add_argument("--no-peers", action="store_true", help="leave out pyworkforce")
    options = asked.parse_args()
    about = measure.machine(measure.keep_to_cores(2))
    home = Path(os.environ.get("BLUELAMP_STAFFING_PEERS", PEERS_HOME))
    python = None
    if not options.no_peers:
        python = measure.python_in(home, HERE / "requirements-staffing.txt", may_install=not options.quick)
    named = ("bluelamp", "numpy", "numba", "polars")
    about.append(("versions", ", ".join(f"{name} {version}" for name, version in measure.versions(named))))
    about.append(("pyworkforce", "measured beside" if python else "NOT MEASURED (a full run installs it)"))
    print("Required units: how fast and exact, and what each rung of the ladder is worth")
    for what, words in about:
        print(f"  {what:<14}  {words}")
    bars = say_required(python, areas=100 if options.quick else 1_000)
    # Calls in the quietest hour of the week that a verdict rests on.
    judged = 1_000 if options.quick else 8_000
    bars |= say_weeks(CASES, judged_calls=judged, is_quick=options.quick)
    say_graded(judged_calls=judged)
    say_several(judged_calls=judged)
    bars |= staffing_simulation.measure_simulation(is_quick=options.quick)
    say_bars(bars)
    if options.json:
        say_for_machines(bars)


# ---- required units ----


def stations(areas: int) -> dict[str, np.ndarray]:
    """Draw a week of stations, hours × areas: from a village at night to a city on Friday evening."""
    chance = np.random.default_rng(SEED)
    level = np.exp(chance.normal(np.log(2.0), 0.9, areas))
    calls = shape_of_week(1.0)[:, None] * level * chance.gamma(20, 1 / 20, (WEEK, areas))

    def by_area(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, (WEEK, areas))

    return {
        "calls": calls,
        "service": by_area(chance.uniform(30, 150, areas).round(1)),
        "minutes": by_area(chance.choice(TARGETS, areas)),
        "share": by_area(chance.choice(SHARES, areas)),
    }


def say_required(python: Path | None, areas: int) -> dict[str, Bar]:
    """Find required units by us and by pyworkforce, and hold both against the definition."""
    asked = stations(areas)
    load = asked["calls"] * asked["service"] / 60
    seconds = []
    for _ in range(9):
        started = time.perf_counter()
        found = queueing.units_for_target(load, asked["minutes"], asked["service"], asked["share"])
        seconds.append(time.perf_counter() - started)
    # The best, as of pyworkforce's, so that others on the machine weigh little.
    ours = min(seconds) / load.size
    exact = fewest_by_definition(
        load.ravel(), (asked["minutes"] / asked["service"]).ravel(), asked["share"].ravel(), found.ravel()
    ).reshape(load.shape)

    def row(name: str, each: float, positions: np.ndarray) -> tuple[str, ...]:
        slow = asked["minutes"] >= 180
        over, under = positions > exact, positions < exact
        return (name, f"{1e6 * each:.2f}", f"{each / ours:,.0f}", f"{over.sum():,}", f"{under.sum():,}",
                f"{over[slow].mean():.1%}")  # fmt: skip

    rows, ratio = [row("Bluelamp", ours, found)], None
    if python is not None:
        answer = ask_peer(python, {**asked, "areas_by_grid": np.array(min(areas, 50))})
        ratio = float(answer["by_grid"]) / ours
        rows.append(row("pyworkforce, MultiErlangC", float(answer["by_grid"]), answer["positions"]))
        rows.append(row("pyworkforce, ErlangC one by one", float(answer["one_by_one"]), answer["positions"]))
    say_table(
        f"Required units, {WEEK} hours × {areas:,} areas, loads {load.min():.2f} to {load.max():.0f}",
        ("", "µs an hour", "times ours", "too many", "too few", "too many at 3–4 h targets"), rows,
    )  # fmt: skip
    return {
        "required_units_ratio": Bar("required units: pyworkforce's time for many (MultiErlangC) over ours", "×", 200,
                                    ratio, True),
        "required_units_missed": Bar("required units: hours that are not the exact minimum", "", 0,
                                     float((found != exact).sum())),
    }  # fmt: skip


def fewest_by_definition(load: np.ndarray, allowed: np.ndarray, share: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Find the fewest units from Erlang's sum written out, one number of units at a time, near an answer.

    Each candidate n is tried together with n - 1: one that meets while the number before does not is the fewest,
    because more units never keep a call waiting longer.
    """
    fewest = near.copy()
    left = np.arange(load.size)
    while left.size:
        meets = on_time(fewest[left], load[left], allowed[left]) >= share[left] - 1e-12
        less = on_time(fewest[left] - 1, load[left], allowed[left]) >= share[left] - 1e-12
        fewest[left] += np.where(~meets, 1, np.where(less, -1, 0))
        left = left[~meets | less]
    return fewest


def on_time(units: np.ndarray, load: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Give 1 - C exp(-(n - a) t / S), with C from the sum over states: log-sums of a^k / k!, no recursion."""
    found = np.zeros(load.shape)
    stable = units > load
    for start in range(0, load.size, 4_096):
        cells = np.flatnonzero(stable[start : start + 4_096]) + start
        if not cells.size:
            continue
        n, a = units[cells].astype(float), load[cells]
        states = np.arange(int(n.max()) + 1)
        log_factorial = np.concatenate([[0.0], np.cumsum(np.log(states[1:]))])
        logs = states * np.log(a)[:, None] - log_factorial
        all_busy = np.take_along_axis(logs, n.astype(int)[:, None], 1)[:, 0] + np.log(n / (n - a))
        free = np.logaddexp.reduce(np.where(states < n[:, None], logs, -np.inf), axis=1)
        waits = 1 / (1 + np.exp(free - all_busy))
        found[cells] = 1 - waits * np.exp(-(n - a) * allowed[cells])
    return found


def ask_peer(python: Path, asked: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Ask pyworkforce for the same hours."""
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "asked.npz", Path(folder) / "answer.npz"
        np.savez(given, **asked)
        measure.run([python, HERE / "staffing_peers.py", given, answer])
        return dict(np.load(answer))


# ---- weeks ----


@dataclass(frozen=True)
class Case:
    """A week: calls an hour on average, minutes of service, and the wait that a share of calls must not exceed."""

    name: str
    calls: float
    service: float
    minutes: float
    share: float = 0.9
    steepness: float = 1.0
    needs: float = 1.0
    jumps: bool = False
    grades: tuple[tuple[float, float], ...] = field(default=())  # share of calls, minutes allowed

    @property
    def rates(self) -> np.ndarray:
        """Calls an hour over the week."""
        return self.calls * (week_that_jumps() if self.jumps else shape_of_week(self.steepness))


CASES = (
    Case("city: 20 calls an hour, 45 min, 10 min", 20, 45, 10),
    Case("town: 8 calls an hour, 60 min, 15 min", 8, 60, 15),
    Case("night life: 12 calls an hour, 90 min, 10 min", 12, 90, 10, steepness=1.6),
    Case("suburb: 4 calls an hour, 40 min, 10 min", 4, 40, 10),
    Case("long jobs: 6 calls an hour, 150 min, 15 min", 6, 150, 15, steepness=1.3),
    Case("closing time: 6 calls an hour, 120 min, 10 min", 6, 120, 10, jumps=True),
)
GRADED = Case("three grades: 12 calls an hour, 50 min", 12, 50, 0, grades=((0.15, 6.0), (0.45, 45.0), (0.40, 240.0)))
SEVERAL = Case("1.5 units a call: 8 calls an hour, 50 min, 10 min", 8, 50, 10, needs=1.5)


def shape_of_week(steepness: float) -> np.ndarray:
    """Give an hour's calls over the mean: low at five in the morning, a peak in the evening, later at weekends."""
    hour, day = np.arange(WEEK) % 24, np.arange(WEEK) // 24
    late = np.isin(day, (4, 5))
    evening = np.exp(-0.5 * (((hour - np.where(late, 22.5, 18.5) + 12) % 24 - 12) / 4.0) ** 2)
    night = np.exp(-0.5 * (((hour - 4.5 + 12) % 24 - 12) / 2.5) ** 2)
    shape = 1 + steepness * (0.6 * evening * np.where(late, 1.5, 1.0) - 0.55 * night)
    shape = np.maximum(shape, 0.08)
    return shape / shape.mean()


def week_that_jumps() -> np.ndarray:
    """Give an hour's calls over the mean where nights out begin at ten and end at two, and Friday's and Saturday's are
    twice as busy as the others.
    """
    hour, day = np.arange(WEEK) % 24, np.arange(WEEK) // 24
    night_of = np.where(hour < 2, day - 1, day) % 7
    out = (hour >= 22) | (hour < 2)
    shape = np.where(out, np.where(np.isin(night_of, (4, 5)), 6.0, 3.0), np.where(hour < 8, 0.4, 1.0))
    return shape / shape.mean()


def offer(case: Case) -> offered_work.OfferedWork:
    """Offer two weeks of a case to one pool, without any doubt about demand."""
    hours = periods.hours_between(ZONE, *(periods.local_days(ZONE, day, day)["starts_at"][0] for day in
                                          (date(2026, 1, 5), date(2026, 1, 19))))  # fmt: skip
    grades = case.grades or ((1.0, case.minutes),)
    cells = [("x", str(number)) for number in range(len(grades))]
    rates = np.stack([share * np.tile(case.rates, 2) for share, _ in grades])[None]
    service_times, standards, cover = stated(case)
    day = (np.arange(len(hours)) // 24).astype(np.int64)
    return offered_work.offer_work(
        rates, np.ones((1, int(day[-1]) + 1, 1)), day, cells, np.zeros(1, dtype=np.int64), ["all"],
        service_times, standards, pools.lay_out_pools(cover, "response", ["a"], hours, ZONE), hours, ZONE,
    )  # fmt: skip


def stated(case: Case) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Give a case's service times, standards and pool as the product's tables."""
    grades = case.grades or ((1.0, case.minutes),)
    times = {"class_code": "x", "grade_code": "all", "share_deployed": 1.0, "units_per_deployment": case.needs,
             "minutes_per_unit": case.service, "sd_minutes": case.service, "source": "stated"}  # fmt: skip
    standards = [
        {"grade_code": str(number), "area_kind": "all", "target_minutes": minutes, "target_share": case.share,
         "clock_starts": "dispatched", "clock_stops": "dispatched", "stream": "immediate"}
        for number, (_, minutes) in enumerate(grades)
    ]  # fmt: skip
    cover = {"pool_id": "P", "role_code": "response", "area_id": "a", "from_hour": 0, "to_hour": 24}
    return tuple(
        tables.check(pl.DataFrame(rows), name)
        for rows, name in (([times], "service_times"), (standards, "standards"), ([cover], "pools"))
    )


def ask_rung(name: str, case: Case) -> np.ndarray:
    """Ask a rung of the product for the second of two like weeks."""
    work = offer(case)
    rung = extensions.member("staffing", name)
    by_grade = np.stack([rung.units_for_grade(work, grade, 0.6) for grade in range(len(work.grades))])
    units = by_grade.max(axis=0) if rung.MEETS_TARGETS else by_grade.sum(axis=0)
    return units[0, WEEK:]


def ask_solved(case: Case, start: np.ndarray, runs: int, *, is_log_normal: bool = False) -> np.ndarray:
    """Search the fewest units of a week as `bluelamp solve` does, from a rung's."""
    hours = periods.hours_between(ZONE, *(periods.local_days(ZONE, day, day)["starts_at"][0] for day in
                                          (date(2026, 1, 5), date(2026, 1, 12))))  # fmt: skip
    service_times, standards, cover = stated(case)
    pool_hours = pools.lay_out_pools(cover, "response", ["a"], hours, ZONE)
    ground = drawn_work.Ground.lay(hours, pool_hours, [("x", "0")], ["all"], service_times, standards, ZONE)
    chance = np.random.default_rng(SEED - 1)

    def draw() -> drawn_work.Drawn:
        counts = chance.poisson(case.rates)
        number = int(counts.sum())
        drawn = ground.draw(
            drawn_work.Came(
                np.zeros(number, dtype=np.int64), np.zeros(number, dtype=np.int64),
                60.0 * (np.repeat(np.arange(WEEK), counts) + chance.random(number)), chance.random(number),
            ),
            chance,
        )  # fmt: skip
        minutes = chance.exponential(case.service, len(drawn.jobs))
        return drawn if is_log_normal else replace(drawn, jobs=replace(drawn.jobs, first_minutes=minutes))

    pieces = solving.Pieces.of_hours(ground.pool_hours.runs)
    found = solving.solve(
        ground, [draw() for _ in range(runs)], pieces, start, np.zeros((1, WEEK), dtype=np.int64),
        unseen=[draw() for _ in range(runs)], search=solving.Search(tries=TRIES, within=POINTS),
    )  # fmt: skip
    return found.units[0]


def ask_mean(case: Case) -> np.ndarray:
    """Ask for each hour's mean carried load, where MOL takes its most."""
    carried = queueing.carried_load(np.tile(case.rates * case.needs, 2), case.service).mean_of_hour
    return queueing.units_for_target(carried, case.minutes, case.service, case.share)[WEEK:]


@dataclass(frozen=True)
class Calls:
    """Calls of some weeks, with a day before and one after, in order of time; times are minutes."""

    ready: np.ndarray
    grade: np.ndarray
    wanted: np.ndarray
    minutes: np.ndarray  # calls × units


def draw_calls(case: Case, weeks: int, seed: int) -> Calls:
    """Draw a case's calls."""
    chance = np.random.default_rng(seed)
    rates = with_days_beside(case.rates, weeks)
    counts = chance.poisson(rates)
    ready = np.sort(np.repeat(np.arange(len(rates)) * 60.0, counts) + chance.uniform(0, 60, counts.sum()))
    shares = [share for share, _ in case.grades] or [1.0]
    most = offered_work.MOST_NEEDED if case.needs > 1 else 1
    return Calls(
        ready, chance.choice(len(shares), len(ready), p=shares),
        1 + np.minimum(chance.poisson(case.needs - 1, len(ready)), most - 1),
        chance.exponential(case.service, (len(ready), most)),
    )  # fmt: skip


def with_days_beside(by_hour: np.ndarray, weeks: int) -> np.ndarray:
    """Repeat a week, with its last day before and its first one after."""
    return np.concatenate([by_hour[-24:], np.tile(by_hour, weeks), by_hour[:24]])


@dataclass(frozen=True)
class Verdict:
    """How a week of units did, by grade and hour of the week: share of calls on time, and its standard error."""

    share: np.ndarray
    error: np.ndarray
    unit_hours: int

    def missed(self, target: float) -> np.ndarray:
        """Count hours more than two points under target, by grade."""
        return (self.share < target - POINTS).sum(axis=1)


def judge(case: Case, units: np.ndarray, judged_calls: int, *, at_once: bool = False) -> Verdict:
    """Simulate so many weeks that the quietest hour has enough calls, and see what share is on time in each hour."""
    grades = case.grades or ((1.0, case.minutes),)
    least = min(share for share, _ in grades) * float(case.rates.min())
    runs = -(-int(np.ceil(judged_calls / least)) // WEEKS_A_RUN)
    there = with_days_beside(units, WEEKS_A_RUN)

    def one(run: int) -> tuple[np.ndarray, np.ndarray]:
        drawn = draw_calls(case, WEEKS_A_RUN, SEED + run)
        sent = staffing_judge.send(drawn.ready, drawn.grade, drawn.wanted, drawn.minutes, there, at_once)
        return count_on_time(drawn, sent, grades)

    with ThreadPoolExecutor(2) as pool:
        counted = list(pool.map(one, range(runs)))
    on_time, calls = (np.array(each) for each in zip(*counted, strict=True))
    share = on_time.sum(axis=0) / calls.sum(axis=0)
    spread = ((on_time - share * calls) ** 2).sum(axis=0)
    return Verdict(share, np.sqrt(spread) / calls.sum(axis=0), int(units.sum()))


def count_on_time(
    drawn: Calls, sent: np.ndarray, grades: Sequence[tuple[float, float]]
) -> tuple[np.ndarray, np.ndarray]:
    """Count calls on time, and calls, by grade and hour of the week; the days beside are left out."""
    hour = (drawn.ready // 60).astype(np.int64) - 24
    counts = (hour >= 0) & (hour < WEEKS_A_RUN * WEEK)
    on_time, calls = np.zeros((2, len(grades), WEEK))
    for grade, (_, minutes) in enumerate(grades):
        mine = counts & (drawn.grade == grade)
        is_on_time = sent[mine] - drawn.ready[mine] <= minutes
        calls[grade] = np.bincount(hour[mine] % WEEK, minlength=WEEK)
        on_time[grade] = np.bincount(hour[mine] % WEEK, weights=is_on_time, minlength=WEEK)
    return on_time, calls


LADDER: dict[str, Callable[[Case], np.ndarray]] = {
    "workload, 60% busy": lambda case: ask_rung("workload", case),
    "Erlang C by the hour": lambda case: ask_rung("erlang_c", case),
    "MOL, mean of the hour": ask_mean,
    "MOL, most of the hour": lambda case: ask_rung("mol", case),
}


def say_weeks(cases: Sequence[Case], judged_calls: int, *, is_quick: bool) -> dict[str, Bar]:
    """Judge every rung, and the search, on weeks of one grade and one unit a call."""
    least, most = (60, 100) if is_quick else (RUNS, 1_000)
    mol, solved = "MOL, most of the hour", f"solved, {most:,} draws twice"
    missed, extra, seconds = {mol: 0, solved: 0}, {name: list[float]() for name in (mol, solved)}, []
    for case in cases:
        measure.note(case.name)
        asked = {name: ask(case) for name, ask in LADDER.items()}
        asked[f"solved, {least:,} draws twice"] = ask_solved(case, asked[mol], least)
        asked["… log-normal, judged otherwise"] = ask_solved(case, asked[mol], least, is_log_normal=True)
        started = time.perf_counter()
        asked[solved] = ask_solved(case, asked[mol], most)
        seconds.append(time.perf_counter() - started)
        verdicts = {name: judge(case, units, judged_calls) for name, units in asked.items()}
        plain = verdicts["Erlang C by the hour"].unit_hours
        say_verdicts(case, verdicts, plain)
        for name in missed:
            missed[name] += int(verdicts[name].missed(case.share).sum())
            if case.calls >= 8:
                extra[name].append(verdicts[name].unit_hours / plain - 1)
    for name, each in extra.items():
        told = f"{min(each):+.1%} to {max(each):+.1%}"
        print(f"\n  {name}: {told} unit-hours over Erlang C where 8 calls an hour come.")
    print(f"  The search, and repair, on {most:,} draws each took {min(seconds):.0f} to {max(seconds):.0f} s a week.")
    return {
        "mol_hours_missed": Bar(
            "hours of six weeks that MOL leaves more than two points under", "", 0, float(missed[mol])
        ),
        "solved_hours_missed": Bar(
            "hours of six weeks that the search leaves more than two points under", "", 0, float(missed[solved])
        ),
        "solved_over_erlang_c": Bar(
            "unit-hours of the search over Erlang C, at 8 calls an hour and more", "", 0.03, max(extra[solved])
        ),
    }  # fmt: skip


def say_graded(judged_calls: int) -> None:
    """Judge MOL and priorities where urgent calls go first."""
    measure.note(GRADED.name)
    verdicts = {
        name: judge(GRADED, ask_rung(rung, GRADED), judged_calls)
        for name, rung in (("workload, 60% busy", "workload"), ("MOL, one line", "mol"), ("priorities", "priorities"))
    }
    say_verdicts(GRADED, verdicts, verdicts["MOL, one line"].unit_hours)


def say_several(judged_calls: int) -> None:
    """Judge rungs where calls ask for several units, by both rules of sending them."""
    rungs = (("MOL, blind to it", "mol"), ("all at once", "several_units"), ("as they come", "as_they_come"))
    units = {name: ask_rung(rung, SEVERAL) for name, rung in rungs}
    for at_once, words in ((True, "sent all at once"), (False, "sent as they come, judged by the first")):
        measure.note(f"{SEVERAL.name}, {words}")
        verdicts = {name: judge(SEVERAL, found, judged_calls, at_once=at_once) for name, found in units.items()}
        say_verdicts(SEVERAL, verdicts, verdicts["MOL, blind to it"].unit_hours, words)


def say_verdicts(case: Case, verdicts: dict[str, Verdict], plain: int, words: str = "") -> None:
    """Print how each rung did in a week."""
    rows = []
    for name, verdict in verdicts.items():
        missed = verdict.missed(case.share)
        rows.append(
            (
                name, " / ".join(str(each) for each in missed),
                " / ".join(f"{each:.2f}" for each in verdict.share.min(axis=1)),
                " / ".join(f"{each:.2f}" for each in verdict.share.mean(axis=1)),
                f"{100 * np.median(verdict.error):.1f}", f"{verdict.unit_hours:,}",
                f"{verdict.unit_hours / plain - 1:+.1%}",
            )
        )  # fmt: skip
    title = f"{case.name}{', ' if words else ''}{words}; {case.share:.0%} wanted"
    head = ("", "hours missed of 168", "worst hour", "mean of hours", "± points", "unit-hours", "against")
    say_table(title + (" (by grade)" if case.grades else ""), head, rows)


if __name__ == "__main__":
    main()
