"""Feeds measured: three years of a county's related extracts brought in, then a day's, and how the cost grows.

    python benchmarks/feeds.py            a county (121 areas): 1, 2 and 3 years of exports
    python benchmarks/feeds.py --quick    12 areas and 1, 2 and 3 weeks; under a minute
    python benchmarks/feeds.py --json     one last line for machines: {"bars": {name: {"value", "bar", "met"}}}

The force is made up on the spot (`bluelamp twin … --feed-days N --mornings 2`): its first export hands over all years
at once, twelve files; the second is the next morning's, which issues the day before again and brings a new one. Every
command is measured as a whole process. Wall seconds are what the bars speak of; CPU seconds stand beside them, because
they tell nearly the same on a machine that others use, too.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path

import measure
from feed_peers import EXPORTS
from measure import Cost
from report import COST_HEAD, Bar, cost_row, say_bars, say_for_machines, say_table

HERE = Path(__file__).parent
BLUELAMP = Path(sys.executable).with_name("bluelamp")
UNTIL = "2026-11-23"
PACKAGES = ("bluelamp", "polars", "numpy", "deltalake")
PARTS = ("accepted", "updated", "unchanged", "duplicate", "quarantined")


@dataclass(frozen=True)
class Size:
    """How much is made, and how often it is measured."""

    name: str
    arguments: tuple[str, ...]
    days: tuple[int, ...]
    imports: int
    mornings: int


COUNTY = Size("county", ("--preset", "county", "--days", "1095"), (365, 730, 1095), imports=3, mornings=5)
QUICK = Size("quick", ("--areas", "12", "--days", "60"), (7, 14, 21), imports=1, mornings=2)


@dataclass
class Measured:
    """What was measured of exports of so many days."""

    days: int
    fingerprint: str
    rows: dict[str, int] = field(default_factory=dict)
    imported: list[Cost] = field(default_factory=list)
    morning_rows: dict[str, int] = field(default_factory=dict)
    mornings: list[Cost] = field(default_factory=list)
    three: list[Cost] = field(default_factory=list)
    peers: dict[str, dict[str, list[Cost]]] = field(default_factory=dict)
    planned: Cost | None = None

    @property
    def all_rows(self) -> int:
        """Rows of all files of the first export."""
        return sum(self.rows.values())


def main() -> None:
    """Measure, and print what was found."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("--quick", action="store_true", help="a small force, once; under a minute")
    asked.add_argument("--json", action="store_true", help="one last line for machines")
    asked.add_argument("--no-peers", action="store_true", help="leave out DuckDB and bare Polars")
    asked.add_argument("--no-plan", action="store_true", help="leave out the plan, for which there is no bar here")
    asked.add_argument("--turns", type=int, help="how often all years are imported, and the peers run; 3 by default")
    asked.add_argument("--cores", type=int, default=2, help="cores to use; the bars are for 2")
    asked.add_argument("--folder", type=Path, help="where to make the forces; a temporary folder by default")
    options = asked.parse_args()

    # Whoever has installed Bluelamp has it compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    size = QUICK if options.quick else COUNTY
    size = replace(size, imports=options.turns or size.imports)
    about = measure.machine(measure.keep_to_cores(options.cores))
    busy = measure.busy_share()
    about.append(("busy before", f"{busy:.0%} of the cores, in the second before anything began"))
    about.append(("versions", ", ".join(f"{name} {each}" for name, each in measure.versions(PACKAGES))))
    peers = {} if options.no_peers else measure.pythons_of_peers(may_install=not options.quick)
    peers = {name: python for name, python in peers.items() if name in ("duckdb", "polars")}
    print("Feeds: related extracts of years, and the next morning's")
    for what, words in about:
        print(f"  {what:<14}  {words}")
    if busy > measure.BUSY_SHARE:
        print(f"\nWARNING: the machine is busy ({busy:.0%} of its cores are at work). Times below are too long.")
    with measure.working_folder(options.folder) as folder:
        found = []
        for days in size.days:
            is_whole = days == size.days[-1]
            found.append(
                measure_days(folder / f"{days}", size, days, peers if is_whole else {}, is_whole=is_whole,
                             with_plan=is_whole and not options.no_plan)
            )  # fmt: skip
    bars = bars_of(found)
    for each in found:
        say_measured(each, size)
    say_growth(found)
    say_bars(bars, " (they are for the county; this force is a small one)" if options.quick else "")
    say_where_we_lose(bars, found, peers)
    if options.json:
        say_for_machines(bars)


# ---- Measuring ----


def measure_days(
    folder: Path, size: Size, days: int, peers: dict[str, Path], *, is_whole: bool, with_plan: bool
) -> Measured:
    """Make a force with exports of so many days and measure everything about it; only of the most days repeatedly."""
    measure.note(f"making the force ({size.name}, {days:,} days)")
    twin = [BLUELAMP, "twin", folder, *size.arguments, "--feed-days", str(days), "--mornings", "2", "--until", UNTIL]
    measure.run(twin)
    history, morning = sorted((folder / "feeds").iterdir())
    found = Measured(days, measure.fingerprint(folder / "feeds"))
    for turn in range(size.imports if is_whole else 1):
        measure.note(f"importing {days:,} days (turn {turn + 1})")
        found.imported.append(measure.note_cost(_import(folder, [history], found.rows)))
    kept = folder / "kept"
    shutil.copytree(folder / "store", kept)
    for turn in range(size.mornings):
        measure.note(f"the next morning's (turn {turn + 1} of {size.mornings})")
        shutil.rmtree(folder / "store")
        shutil.copytree(kept, folder / "store")
        found.mornings.append(measure.note_cost(measure.run([BLUELAMP, "import", folder, morning, "--json"])))
        found.morning_rows = _accounted(found.mornings[-1])
    if with_plan:
        measure.note("planning, for information")
        others = [each["file"] for each in tomllib.loads((folder / "force.toml").read_text())["sources"].values()]
        measure.run([BLUELAMP, "import", folder, *(folder / each for each in others if each.startswith("extracts/"))])
        found.planned = measure.note_cost(measure.run([BLUELAMP, "plan", folder, "--quiet"]))
    if peers:
        _measure_peers(folder, found, peers, history, morning, size.imports)
    shutil.rmtree(kept)
    return found


def _import(folder: Path, sources: list[Path], rows: dict[str, int]) -> Cost:
    shutil.rmtree(folder / "store", ignore_errors=True)
    cost = measure.run([BLUELAMP, "import", folder, *sources, "--json"])
    rows.update(_accounted(cost))
    return cost


def _accounted(cost: Cost) -> dict[str, int]:
    """Take the rows of each table from the import's own account, which must add up."""
    rows = {}
    for line in cost.output.splitlines():
        batch = json.loads(line)["batch"]
        if sum(batch[f"rows_{part}"] for part in PARTS) != batch["rows_read"]:
            raise measure.CommandFailed(f"The import of {batch['table_name']} does not account for every row: {batch}")
        rows[batch["table_name"]] = batch["rows_read"]
    return rows


def _measure_peers(
    folder: Path, found: Measured, peers: dict[str, Path], history: Path, morning: Path, turns: int
) -> None:
    """Load three of the exports with us and with each peer, in turns, and merge the next morning's into them."""
    three = folder / "three"
    three.mkdir()
    shutil.copy(folder / "force.toml", three)
    shutil.copytree(folder / "maps", three / "maps")
    files = [each.file for each in EXPORTS]
    for turn in range(turns):
        measure.note(f"three of the exports, and the same with {' and '.join(peers)} (turn {turn + 1} of {turns})")
        found.three.append(_import(three, [history / each for each in files], {}))
        merged = measure.run([BLUELAMP, "import", three, *(morning / each for each in files), "--json"])
        found.peers.setdefault("bluelamp", {}).setdefault("merge", []).append(merged)
        held = _held(three)
        for name, python in peers.items():
            target = folder / name
            for act, source in (("load", history), ("merge", morning)):
                cost = measure.run([python, HERE / "feed_peers.py", name, act, source, target])
                found.peers.setdefault(name, {}).setdefault(act, []).append(cost)
            if (theirs := list(map(int, cost.output.split()))) != held:
                raise measure.CommandFailed(f"{name} has {theirs} rows, Bluelamp {held}. They did not do the same job.")
            shutil.rmtree(target)


def _held(folder: Path) -> list[int]:
    """Give the rows that stand in each of the three tables, from the accounts of its imports."""
    batches = json.loads(measure.run([BLUELAMP, "table", "batches", folder, "--json"]).output)
    return [sum(row["rows_accepted"] for row in batches if row["table_name"] == each.table) for each in EXPORTS]


# ---- Telling ----


def bars_of(found: list[Measured]) -> dict[str, Bar]:
    """Set what was measured against the bars."""
    whole = found[-1]
    imported, morning = measure.middle(whole.imported), measure.middle(whole.mornings)
    named = ", ".join(f"{whole.rows.get(each.table, 0):,} {each.table}" for each in EXPORTS)
    return {
        "import_seconds": Bar(f"import of all ({whole.all_rows:,} rows; {named})", "s", 90, imported.seconds),
        "import_gigabytes": Bar("import of all, peak memory", "GB", 3, imported.gigabytes),
        "morning_seconds": Bar(
            f"the next morning's reissue ({sum(whole.morning_rows.values()):,} rows)", "s", 3, morning.seconds
        ),
        "growth_exponent": Bar(
            "CPU time grows with rows to the power of", "", 1.1,
            _exponent(found, [measure.middle(each.imported).cpu_seconds for each in found]),
        ),
    }  # fmt: skip


def _exponent(found: list[Measured], costs: list[float]) -> float:
    """Give the slope of the logarithm of a cost over that of the rows, by least squares: 1 is in proportion."""
    rows = [math.log(each.all_rows) for each in found]
    logs = [math.log(each) for each in costs]
    middle, mean = sum(rows) / len(rows), sum(logs) / len(logs)
    spread = sum((each - middle) ** 2 for each in rows)
    return sum((row - middle) * (log - mean) for row, log in zip(rows, logs, strict=True)) / spread


def say_measured(found: Measured, size: Size) -> None:
    """Print what one force's exports cost."""
    print(f"\n{found.days:,} days: {' '.join(size.arguments)} --feed-days {found.days} --mornings 2 --until {UNTIL}")
    print(f"  exports, SHA-256 of names and contents: {found.fingerprint}")
    print(f"  rows: {', '.join(f'{name} {rows:,}' for name, rows in found.rows.items())}")
    costs = [
        cost_row("import of all", found.imported, found.all_rows),
        cost_row("the next morning's", found.mornings, sum(found.morning_rows.values())),
    ]
    if found.planned:
        costs.append(cost_row("plan (no bar here)", [found.planned]))
    say_table("Commands (median; memory the greatest)", COST_HEAD, costs)
    if found.three:
        _say_peers(found)


def _say_peers(found: Measured) -> None:
    head = (*COST_HEAD, "our time ÷ theirs", "our CPU ÷ theirs", "our memory ÷ theirs")
    for act, words in (("load", "Three of the exports loaded"), ("merge", "The next morning's three merged into them")):
        ours = found.three if act == "load" else found.peers["bluelamp"]["merge"]
        mine = measure.middle(ours)
        rows = sum((found.rows if act == "load" else found.morning_rows)[each.table] for each in EXPORTS)
        lines = [(*cost_row("bluelamp import", ours, rows), "1", "1", "1")]
        for name, acts in found.peers.items():
            if name != "bluelamp":
                cost = measure.middle(acts[act])
                ratios = (
                    mine.seconds / cost.seconds, mine.cpu_seconds / cost.cpu_seconds, mine.gigabytes / cost.gigabytes
                )  # fmt: skip
                called = "polars alone (our engine, bare)" if name == "polars" else name
                lines.append((*cost_row(called, acts[act], rows), *(f"{each:.2f}" for each in ratios)))
        say_table(f"{words}, beside peers, in turns in this run", head, lines)
    print(
        "\n  The peers read times and keep one row a key (feed_peers.py). They do not check values, say of a row why it"
        "\n  was set aside or changed, keep the versions that are replaced, name orphans, or seal files with hashes."
    )


def say_growth(found: list[Measured]) -> None:
    """Print how each cost grows with the days."""
    head = ("days", "rows", "import wall s", "CPU s", "CPU s a million rows", "peak GB", "morning wall s", "CPU s")
    rows = []
    for each in found:
        imported, morning = measure.middle(each.imported), measure.middle(each.mornings)
        rows.append(
            (
                f"{each.days:,}", f"{each.all_rows:,}", f"{imported.seconds:.1f}", f"{imported.cpu_seconds:.1f}",
                f"{imported.cpu_seconds / each.all_rows * 1e6:.2f}", f"{imported.gigabytes:.2f}",
                f"{morning.seconds:.2f}", f"{morning.cpu_seconds:.2f}",
            )
        )  # fmt: skip
    say_table("How the cost grows", head, rows)


def say_where_we_lose(bars: dict[str, Bar], found: list[Measured], peers: dict[str, Path]) -> None:
    """Print, from the figures of this run, where others are better and where our costs are heaviest."""
    whole = found[-1]
    said = [
        f"{each.words}: {each.value:.2f} {each.unit}, over the bar of {each.bar:g}."
        for each in bars.values()
        if each.value is not None and not each.is_met
    ]
    for name, acts in whole.peers.items():
        for act, ours in (("load", whole.three), ("merge", whole.peers["bluelamp"]["merge"])):
            if name != "bluelamp":
                mine, theirs = measure.middle(ours), measure.middle(acts[act])
                who = "Polars alone, on which we stand," if name == "polars" else "DuckDB"
                verb = "loads three of the exports" if act == "load" else "merges the next morning's"
                if theirs.cpu_seconds < mine.cpu_seconds:
                    said.append(
                        f"{who} {verb} with {theirs.cpu_seconds:.1f} s of CPU, we with {mine.cpu_seconds:.1f} s."
                    )
                if theirs.gigabytes < mine.gigabytes:
                    said.append(f"{who} needs {theirs.gigabytes:.2f} GB for it, we {mine.gigabytes:.2f} GB.")
    first, last = (measure.middle(each.mornings).cpu_seconds for each in (found[0], whole))
    if last > 1.1 * first:
        said.append(
            f"A morning costs {last / first:.1f} times the CPU time with {whole.days:,} days in the store than with "
            f"{found[0].days:,}: rows that name what has not come are counted over all that is there."
        )
    if len(peers) < 2:
        said.append("DuckDB was not measured in this run, so that nothing is said of it.")
    busy = max(each.others for each in [*whole.imported, *whole.mornings])
    if busy > measure.BUSY_SHARE:
        said.append(f"Other processes took up to {busy:.0%} of the machine meanwhile: our times are too long by that.")
    print("\nWhere we lose\n")
    for sentence in said or ["Nowhere, by the figures of this run."]:
        print(f"  - {sentence}")


if __name__ == "__main__":
    main()
