"""The forecast measured: against everybody else's, against the truth, and by the clock.

    python benchmarks/forecast.py                two real forces and a made-up county; one to two hours
    python benchmarks/forecast.py --quick        a small made-up force, few origins; under a minute on a quiet machine
    python benchmarks/forecast.py --only speed   a part: accuracy, ablation, truth or speed; as often as wanted
    python benchmarks/forecast.py --json         one last line for machines: {"bars": {name: {"value", "bar", "met"}}}

Bluelamp's default method, its naive ones and every opponent stand at the same earlier midnights, know the same, and are
held against what came on the same places and weeks. Beside each difference stand the number of origins and its 95%
interval (moving-block bootstrap, blocks of four weeks). Finished pieces are kept in `--work`, so that a run that was
stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import measure
from report import Bar, say_bars, say_for_machines

if TYPE_CHECKING:
    import polars as pl
    from forecast_trials import Ground

HERE = Path(__file__).parent
BLUELAMP = Path(sys.executable).with_name("bluelamp")
SHARED_DATA = Path(os.environ.get("BLUELAMP_SHARED_DATA", HERE.parents[1] / "shared" / "data"))
PACKAGES = ("bluelamp", "polars", "numpy", "holidays")
PEER_PACKAGES = ("statsforecast", "prophet", "lightgbm", "scipy", "numpy")
PEERS_HOME = HERE.parent / ".venv" / "forecast-peers"
PARTS = ("accuracy", "ablation", "truth", "speed")
UNTIL = "2026-11-23"
# What is left out to see what it was worth.
LEFT_OUT = ("holidays", "school terms", "events")


@dataclass(frozen=True)
class Force:
    """A force to forecast: a real one (a map and a file) or a made-up one (arguments of `bluelamp twin`)."""

    name: str
    words: str
    twin: tuple[str, ...] = ()
    file: str = ""
    map_name: str = ""
    from_points: bool = False


@dataclass(frozen=True)
class Task:
    """What opponents are asked: one program of `forecast_peers.py`, at these levels and so many of the origins."""

    name: str
    program: str
    levels: tuple[str, ...]
    origins: int


_CALIFORNIA = 'country = "US"\nsubdivision = "CA"\ntime_zone = "America/Los_Angeles"\n'
FORCES = (
    Force("oakland", "Oakland, California: calls for service, 58 beats, a record with holes",
          file="oakland/calls.csv.gz", map_name="oakland", from_points=True),
    Force("laguna_beach", "Laguna Beach, California: one area, the year of the pandemic",
          file="laguna_beach/events.csv.gz", map_name="laguna_beach"),
    Force("county", "a made-up county, whose truth is known", twin=("--preset", "county", "--days", "1095")),
)  # fmt: skip
QUICK = (
    Force("small", "a small made-up force: for trying out, not for quoting", twin=("--areas", "6", "--days", "420")),
)
_BELOW = ("district", "area", "area_class")
TASKS = (
    Task("pooled_glm", "pooled_glm", ("force", *_BELOW), 13),
    Task("lightgbm", "lightgbm", ("force", *_BELOW), 4),
    Task("statsforecast_force", "statsforecast", ("force",), 13),
    Task("prophet_force", "prophet", ("force",), 13),
    Task("statsforecast_sample", "statsforecast", _BELOW, 4),
    Task("prophet_sample", "prophet", _BELOW, 1),
)
QUICK_TASKS = (
    Task("pooled_glm", "pooled_glm", ("force", *_BELOW), 1),
    Task("statsforecast_force", "statsforecast", ("force",), 1),
)


@dataclass(frozen=True)
class Effort:
    """How many midnights are tried (every 28 days), by how many sample paths, and what opponents are asked."""

    origins: int
    paths: int
    tasks: tuple[Task, ...]


FULL_EFFORT = Effort(13, 200, TASKS)
QUICK_EFFORT = Effort(2, 50, QUICK_TASKS)


@dataclass
class Found:
    """All that was found of one force."""

    force: Force
    fingerprint: str = ""
    about: str = ""
    refused: str = ""
    own: pl.DataFrame | None = None
    peers: pl.DataFrame | None = None
    costs: pl.DataFrame | None = None
    blind: pl.DataFrame | None = None
    touched: dict[str, pl.DataFrame] = field(default_factory=dict)
    truth: dict[str, pl.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def main() -> None:
    """Measure, and print what was found."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("--quick", action="store_true", help="a small force and few origins; under a minute")
    asked.add_argument("--json", action="store_true", help="one last line for machines")
    asked.add_argument("--only", action="append", choices=PARTS, help="a part; may be given several times")
    asked.add_argument("--force", action="append", choices=[each.name for each in FORCES], help="a force; the same")
    asked.add_argument("--no-peers", action="store_true", help="leave out statsforecast, Prophet, LightGBM and the GLM")
    asked.add_argument("--cores", type=int, default=2, help="cores to use; the bars are for 2")
    asked.add_argument("--work", type=Path, help="where to keep forces and finished pieces; else a temporary folder")
    options = asked.parse_args()
    parts = options.only or PARTS
    forces = QUICK if options.quick else [each for each in FORCES if not options.force or each.name in options.force]

    cores = measure.keep_to_cores(options.cores)
    about = measure.machine(cores)
    busy = measure.busy_share()
    about.append(("busy before", f"{busy:.0%} of the cores, in the second before anything began"))
    about.append(("versions", _versions(Path(sys.executable), PACKAGES)))
    python = None if options.no_peers else python_of_peers(may_install=not options.quick)
    about.append(
        ("opponents", _versions(python, PEER_PACKAGES) if python else "NOT MEASURED (a full run installs them)")
    )
    print("The forecast: accuracy, ablation, truth and speed")
    for what, words in about:
        print(f"  {what:<14}  {words}")
    if busy > measure.BUSY_SHARE:
        print(f"\nWARNING: the machine is busy ({busy:.0%} of its cores are at work). Wall times below are too long.")
    with measure.working_folder(options.work) as folder:
        speed = None
        if "speed" in parts:
            import forecast_speed

            speed = forecast_speed.measure_speed(folder / "speed", python, is_quick=options.quick)
        found = []
        if set(parts) - {"speed"}:
            effort = QUICK_EFFORT if options.quick else FULL_EFFORT
            found = [try_force(each, folder, parts, python, effort, cores) for each in forces]
    import forecast_report

    bars: dict[str, Bar] = {}
    lost: list[str] = []
    for each in found:
        bars |= forecast_report.say_force(each, lost)
    if speed:
        bars |= forecast_report.say_speed(speed)
    say_bars(bars, " (they are for real forces and a county; this force is a small one)" if options.quick else "")
    forecast_report.say_where_we_lose(bars, lost)
    if options.json:
        say_for_machines(bars)


def _versions(python: Path, packages: Sequence[str]) -> str:
    asked = "import sys, importlib.metadata as m; print(*[p + ' ' + m.version(p) for p in sys.argv[1:]], sep=', ')"
    return measure.run([python, "-c", asked, *packages]).output.strip()


def python_of_peers(*, may_install: bool) -> Path | None:
    """Give the Python of the opponents, which live in an environment of their own."""
    home = Path(os.environ.get("BLUELAMP_FORECAST_PEERS", PEERS_HOME))
    return measure.python_in(home, HERE / "requirements-forecast.txt", may_install=may_install)


# ---- accuracy, ablation, truth ----


def try_force(
    force: Force, folder: Path, parts: Sequence[str], python: Path | None, effort: Effort, cores: int
) -> Found:
    """Try every method on one force."""
    import forecast_trials

    found = Found(force)
    if force.file and not (SHARED_DATA / force.file).exists():
        found.refused = f"NOT MEASURED: {SHARED_DATA / force.file} is not there."
        return found
    home = prepare(force, folder / force.name)
    measure.note(f"{force.name}: reading")
    ground = forecast_trials.stand_on(home, effort.origins)
    found.fingerprint = ground.fingerprint
    pieces = folder / force.name / "pieces" / _key(ground, effort.paths)
    if "accuracy" in parts:
        _try_own(found, ground, pieces, effort.paths)
        if python:
            _try_peers(found, ground, pieces, python, effort.tasks, cores)
    if "ablation" in parts:
        _try_blind(found, ground, pieces, effort.paths)
    if "truth" in parts and force.twin:
        import forecast_truth

        found.truth = forecast_truth.compare_with_truth(ground, home / "truth", pieces)
    return found


def prepare(force: Force, home: Path) -> Path:
    """Import a force by the real commands, unless that is done; gives its folder."""
    ready = home / "ready"
    if ready.exists():
        return home / "force"
    measure.note(f"{force.name}: importing")
    home.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(home / "force", ignore_errors=True)
    if force.twin:
        measure.run([BLUELAMP, "twin", home / "force", *force.twin, "--until", UNTIL])
    else:
        (home / "force").mkdir()
        areas = "[areas]\nfrom_points = true\n" if force.from_points else ""
        (home / "force" / "force.toml").write_text(
            f'[force]\nid = "{force.name}"\nname = "{force.name}"\n{_CALIFORNIA}{areas}'
            f'[sources.incidents]\nmap = "{force.map_name}"\nfile = "{SHARED_DATA / force.file}"\n'
        )
    measure.run([BLUELAMP, "import", home / "force"])
    ready.touch()
    return home / "force"


def _key(ground: Ground, paths: int) -> str:
    """Name what pieces were made of: the data, the code and this benchmark."""
    from bluelamp.backtest._kept import hash_code

    digest = hashlib.sha256(f"{ground.fingerprint} {hash_code()} {paths}".encode())
    for name in ("forecast_trials.py", "forecast_peers.py"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def _try_own(found: Found, ground: Ground, pieces: Path, paths: int) -> None:
    import forecast_trials as trials
    import polars as pl

    rows = []
    for stand in ground.stands():
        for method in stand.methods:
            measure.note(f"{found.force.name}: {stand.day} {method}")
            scored = trials.piece(
                pieces, f"{stand.day}_{method}",
                lambda method=method, stand=stand: trials.score_own(
                    stand, trials.learn(stand, method), paths, ground.sample
                ),
            )  # fmt: skip
            rows.append(scored.with_columns(origin=pl.lit(stand.day), method=pl.lit(method)))
    found.own = pl.concat(rows)
    used = found.own["origin"].unique().sort().to_list()
    found.about = f"{len(used)} of {len(ground.days)} origins, {used[0]} to {used[-1]}"
    sample = ", ".join(f"{len(names)} {level.replace('area_class', 'areas × classes')}{'s' if level == 'area' else ''}"
                       for level, names in ground.sample.items())  # fmt: skip
    found.notes.append(f"Slow opponents forecast the force, every district, and a sample by size: {sample}.")


def _try_peers(found: Found, ground: Ground, pieces: Path, python: Path, tasks: Sequence[Task], cores: int) -> None:
    import forecast_trials as trials
    import polars as pl

    assert found.own is not None
    days = found.own["origin"].unique().sort().to_list()
    levels_of = {}
    for stand in ground.stands(days):
        levels_of[stand.day] = stand.levels
        if not (pieces / f"{stand.day}_series.npz").exists():
            trials.write_series(stand, ground.sample, pieces / f"{stand.day}_series.npz")
    made: dict[date, list[Path]] = {}
    jobs = []
    for task in tasks:
        for day in trials.spread_out(days, task.origins):
            levels = [level for level in task.levels if level in levels_of[day]]
            if levels:
                forecasts = pieces / f"{day}_{task.name}.npz"
                made.setdefault(day, []).append(forecasts)
                jobs.append((f"{found.force.name}: {day} {task.name}", task.program, levels, forecasts))

    def forecast(job: tuple[str, str, list[str], Path]) -> None:
        words, program, levels, forecasts = job
        if forecasts.exists():
            return
        measure.note(words)
        series = forecasts.with_name(f"{forecasts.name[:10]}_series.npz")
        beside = forecasts.with_suffix(".part.npz")
        measure.run([python, HERE / "forecast_peers.py", program, series, beside, *levels], measure.one_thread())
        beside.replace(forecasts)

    # One on each core: opponents count their own CPU seconds.
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(forecast, jobs))
    rows, costs = [], []
    for stand in ground.stands(sorted(made)):
        measure.note(f"{found.force.name}: {stand.day} scoring the opponents")
        for forecasts in made[stand.day]:
            scored, cost = trials.score_peer(stand, pieces / f"{stand.day}_series.npz", forecasts)
            rows.append(scored.with_columns(origin=pl.lit(stand.day)))
            costs.append(cost.with_columns(origin=pl.lit(stand.day)))
    found.peers, found.costs = pl.concat(rows), pl.concat(costs)


def _try_blind(found: Found, ground: Ground, pieces: Path, paths: int) -> None:
    import forecast_trials as trials
    import polars as pl

    rows = []
    touched: dict[str, list[pl.DataFrame]] = {}
    for stand in ground.stands():
        for what in LEFT_OUT:
            about = trials.touched_days(stand, what)
            if about.is_empty():
                continue
            touched.setdefault(what, []).append(about.with_columns(origin=pl.lit(stand.day)))
            for method, seen in ((trials.OURS, stand), (f"without {what}", trials.without(stand, what))):
                measure.note(f"{found.force.name}: {stand.day} {method}")
                name = method.replace(" ", "_")
                scored = trials.piece(
                    pieces, f"{stand.day}_{name}",
                    lambda seen=seen: trials.score_own(seen, trials.learn(seen, trials.OURS), paths, ground.sample),
                )  # fmt: skip
                if method != trials.OURS:
                    rows.append(scored.with_columns(origin=pl.lit(stand.day), method=pl.lit(what)))
                elif found.own is None:
                    rows.append(scored.with_columns(origin=pl.lit(stand.day), method=pl.lit(method)))
    if rows:
        found.blind = pl.concat(rows).unique(["origin", "method", "level", "place", "span", "day"], maintain_order=True)
    found.touched = {what: pl.concat(each) for what, each in touched.items()}


if __name__ == "__main__":
    main()
