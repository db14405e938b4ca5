"""The main job measured end to end: a county's three years of incidents to the map of the coming days.

    python benchmarks/main_job.py            a county (121 areas, 1.1 million incidents), then ten times its incidents
    python benchmarks/main_job.py --quick    40 areas, 180 days; under a minute
    python benchmarks/main_job.py --json     one last line for machines: {"bars": {name: {"value", "bar", "met"}}}

Every command is measured as whoever types it meets it: a whole process, from its start to its end. The force is made
up on the spot from a seed, and its fingerprint is printed, so that two runs can be known to have had the same data.
Peers and repeats take turns within one run, because ratios of figures from different hours compare the hours.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import measure
from measure import Cost
from report import COST_HEAD, Bar, cost_row, say_bars, say_for_machines, say_table

HERE = Path(__file__).parent
BLUELAMP = Path(sys.executable).with_name("bluelamp")
# The coming eight weeks begin here whatever the day on which this runs, so that the data are the same.
UNTIL = "2026-11-23"
PACKAGES = ("bluelamp", "polars", "numpy", "deltalake", "playwright")
# What the picture check looks at: figures of every area, which differ from hour to hour.
EVERY_AREA = "#figure=demand"


@dataclass(frozen=True)
class Size:
    """How much is made and how often it is measured."""

    name: str
    arguments: tuple[str, ...]
    areas: int
    repeats: int
    views: int
    presses: int
    held: int
    pictures: int


_COUNTY = ("--preset", "county", "--days", "1095")
COUNTY = Size("county", _COUNTY, areas=121, repeats=3, views=5, presses=160, held=60, pictures=12)
QUICK = Size("quick", ("--areas", "40", "--days", "180"), areas=40, repeats=1, views=2, presses=24, held=20, pictures=3)
TENFOLD = Size(
    "tenfold", (*_COUNTY, "--weekly-incidents", "65590"), areas=121, repeats=1, views=5, presses=0, held=0, pictures=0
)


@dataclass
class Measured:
    """All that was measured of one force."""

    size: Size
    fingerprint: str
    rows: dict[str, int] = field(default_factory=dict)
    incidents_accepted: int = 0
    imported: list[Cost] = field(default_factory=list)
    planned: list[Cost] = field(default_factory=list)
    peers: dict[str, list[Cost]] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    mapped: Cost | None = None
    file_megabytes: float = 0.0
    map_bytes: tuple[int, int] = (0, 0)
    views: dict[str, list[Any]] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    held: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def incidents(self) -> int:
        """Incidents in the force's extract."""
        return self.rows.get("incidents", 0)


def main() -> None:
    """Measure, and print what was found."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("--quick", action="store_true", help="a small force, once; under a minute")
    asked.add_argument("--json", action="store_true", help="one last line for machines")
    asked.add_argument("--no-tenfold", action="store_true", help="leave out the force with ten times the incidents")
    asked.add_argument("--no-peers", action="store_true", help="leave out pandas and DuckDB")
    asked.add_argument("--cores", type=int, default=2, help="cores to use; the bars are for 2")
    asked.add_argument("--folder", type=Path, help="where to make the forces; a temporary folder by default")
    options = asked.parse_args()

    cores = measure.keep_to_cores(options.cores)
    about = measure.machine(cores)
    busy = measure.busy_share()
    about.append(("busy before", f"{busy:.0%} of the cores, in the second before anything began"))
    missing = _what_the_page_lacks()
    peers = {} if options.no_peers else measure.pythons_of_peers(may_install=not options.quick)
    say_versions(about, peers, missing)
    if busy > measure.BUSY_SHARE:
        print(f"\nWARNING: the machine is busy ({busy:.0%} of its cores are at work). Times below are too long.")
    with measure.working_folder(options.folder) as folder:
        first = measure_force(folder / "force", QUICK if options.quick else COUNTY, peers, with_page=not missing)
        tenth = None
        if not (options.quick or options.no_tenfold):
            tenth = measure_force(folder / "tenfold", TENFOLD, {}, with_page=not missing)
    bars = bars_of(first)
    say_measured(first)
    if tenth:
        say_growth(first, tenth)
    say_bars(bars, " (they are for the county; this force is a small one)" if options.quick else "")
    say_where_we_lose(bars, first, tenth, missing, peers)
    if options.json:
        say_for_machines(bars)


def _what_the_page_lacks() -> str:
    """Say what is missing for measuring the page, or nothing."""
    try:
        import page
    except ImportError as error:
        return f"Python's playwright is not installed ({error})"
    return "" if page.chromium() else "there is no Chromium (set CHROMIUM, or install Debian's 'chromium')"


# ---- Measuring ----


def measure_force(folder: Path, size: Size, peers: dict[str, Path], *, with_page: bool) -> Measured:
    """Make a force and measure everything about it."""
    measure.note(f"making the force ({size.name})")
    measure.run([BLUELAMP, "twin", folder, *size.arguments, "--until", UNTIL])
    found = Measured(size, measure.fingerprint(folder / "extracts"))
    for turn in range(size.repeats):
        measure.note(f"importing ({size.name}, {turn + 1} of {size.repeats})")
        shutil.rmtree(folder / "store", ignore_errors=True)
        found.imported.append(measure.run([BLUELAMP, "import", folder, "--json"]))
        _account(found)
        for name, python in peers.items():
            measure.note(f"the same with {name}")
            _run_peer(found, name, python, folder)
    for turn in range(size.repeats):
        measure.note(f"planning ({size.name}, {turn + 1} of {size.repeats})")
        found.planned.append(measure.run([BLUELAMP, "plan", folder, "--quiet"]))
    run = json.loads(measure.run([BLUELAMP, "table", "runs", folder, "--json"]).output)[-1]
    found.stages = json.loads(run["seconds"])
    if size.presses:
        found.mapped = measure.run([BLUELAMP, "map", folder, folder / "map.html"])
        found.file_megabytes = (folder / "map.html").stat().st_size / 1e6
    with _served(folder) as address:
        found.map_bytes = _size_of_map(address)
        if with_page:
            _measure_page(found, "served", address)
    if with_page and size.presses:
        _measure_page(found, "single file", (folder / "map.html").resolve().as_uri())
    return found


def _account(found: Measured) -> None:
    """Take the rows of each table from the import's own account, which must add up."""
    for line in found.imported[-1].output.splitlines():
        batch = json.loads(line)["batch"]
        parts = [batch[f"rows_{part}"] for part in ("accepted", "updated", "unchanged", "duplicate", "quarantined")]
        if sum(parts) != batch["rows_read"]:
            raise measure.CommandFailed(f"The import of {batch['table_name']} does not account for every row: {batch}")
        found.rows[batch["table_name"]] = batch["rows_read"]
        if batch["table_name"] == "incidents":
            found.incidents_accepted = batch["rows_accepted"]


def _run_peer(found: Measured, name: str, python: Path, folder: Path) -> None:
    source, target = folder / "extracts" / "incidents.csv.gz", folder / f"{name}.parquet"
    cost = measure.run([python, HERE / "peers.py", name, source, target])
    read, _aside, _duplicate, written = map(int, cost.output.split())
    target.unlink()
    if (read, written) != (found.incidents, found.incidents_accepted):
        raise measure.CommandFailed(
            f"{name} read {read:,} rows and wrote {written:,}; Bluelamp read {found.incidents:,} and accepted "
            f"{found.incidents_accepted:,}. They did not do the same job."
        )
    found.peers.setdefault(name, []).append(cost)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve the force's map on a free port, until the block ends; gives the address."""
    server = subprocess.Popen(
        [BLUELAMP, "serve", folder, "--port", "0", "--no-browser"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr
        said = ""
        for line in server.stderr:
            said += line
            if address := re.search(r"http://\S+/", line):
                _wait_for(address[0])
                yield address[0]
                return
        raise measure.CommandFailed(f"'bluelamp serve' did not say where it serves: {said}")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def _wait_for(address: str) -> None:
    """Wait until the server answers, at most half a minute."""
    last = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"{address}health.json"):
                return
        except OSError:
            if time.monotonic() > last:
                raise
            time.sleep(0.05)


def _size_of_map(address: str) -> tuple[int, int]:
    """Give the bytes of the map's figures as they go over the wire (gzip), and unpacked."""
    import gzip

    request = urllib.request.Request(f"{address}api/map.json", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as answer:
        packed = answer.read()
    return len(packed), len(gzip.decompress(packed))


def _measure_page(found: Measured, how: str, address: str) -> None:
    import page

    # A made-up force has boundaries for all of its lowest areas; each of them must be seen.
    areas = found.size.areas
    # A short run opens the single file once, for its keys.
    is_brief = found.size is QUICK and how != "served"
    if not is_brief:
        measure.note(f"first view of the page ({found.size.name}, {how})")
        found.views[how] = page.first_views(address, areas, found.size.views)
    if not found.size.presses:
        return
    measure.note(f"keys ({how})")
    found.keys[how], found.held[how] = page.press_keys(address, areas, found.size.presses, found.size.held)
    if not is_brief:
        measure.note(f"whether the pictures agree ({how})")
        hours = range(100, 100 + found.size.pictures)
        found.pictures[how] = page.pictures_agree(address + EVERY_AREA, areas, hours)


def bars_of(found: Measured) -> dict[str, Bar]:
    """Set what was measured against the bars."""
    rows = f"{found.incidents:,} incidents, {sum(found.rows.values()):,} rows in {len(found.rows)} tables"
    imported, planned = measure.middle(found.imported), measure.middle(found.planned)
    views = {how: statistics.median(each.seconds for each in seen) for how, seen in found.views.items()}
    keys = {how: measure.percentile(each.handed, 0.95) for how, each in found.keys.items()}
    return {
        "import_seconds": Bar(f"import ({rows})", "s", 30, imported.seconds),
        "import_gigabytes": Bar("import, peak memory", "GB", 2, imported.gigabytes),
        "plan_seconds": Bar("plan for the coming 8 weeks", "s", 60, planned.seconds),
        "plan_gigabytes": Bar("plan, peak memory", "GB", 4, planned.gigabytes),
        "first_view_seconds": Bar("first view of the page", "s", 2, views.get("served")),
        "key_to_drawn_hour_p95_milliseconds": Bar("key to drawn hour, p95", "ms", 100, keys.get("served")),
        "single_file_key_to_drawn_hour_p95_milliseconds": Bar(
            "key to drawn hour, p95, file opened from disk", "ms", 100, keys.get("single file")
        ),
    }


# ---- Telling ----


def say_versions(about: list[tuple[str, str]], peers: dict[str, Path], missing: str) -> None:
    """Print what was measured with what, and on what."""
    print("The main job: from extracts to the map")
    lines = [*about, ("versions", ", ".join(f"{name} {each}" for name, each in measure.versions(PACKAGES)))]
    if "pandas" in peers:
        asked = "from importlib.metadata import version as v; print(*[p + ' ' + v(p) for p in ('pandas', 'duckdb')])"
        lines.append(("peers", measure.run([peers["pandas"], "-c", asked]).output.strip()))
    else:
        lines.append(("peers", "pandas and DuckDB are not measured (a full run installs them)"))
    if missing:
        lines.append(("browser", f"NOT MEASURED: {missing}"))
    else:
        import page

        lines.append(("browser", f"{page.browser_version()}, headless, drawing in software"))
    for what, words in lines:
        print(f"  {what:<14}  {words}")


def say_measured(found: Measured) -> None:
    """Print what one force cost, what its page took, and how the peers did."""
    print(f"\nThe force ({found.size.name}): {' '.join(found.size.arguments)} --until {UNTIL}")
    print(f"  extracts, SHA-256 of names and contents: {found.fingerprint}")
    print(f"  rows: {', '.join(f'{name} {rows:,}' for name, rows in found.rows.items())}")
    costs = [
        cost_row("bluelamp import", found.imported, sum(found.rows.values())),
        cost_row("bluelamp plan", found.planned),
    ]
    if found.mapped:
        costs.append(cost_row("bluelamp map (one file)", [found.mapped]))
    times = "once" if len(found.imported) == 1 else f"median of {len(found.imported)}, memory the greatest"
    say_table(f"Commands ({times})", COST_HEAD, costs)
    stages = "   ".join(f"{stage} {seconds:.1f} s" for stage, seconds in found.stages.items())
    print(f"\n  stages of the last plan, by its own record: {stages}")
    if found.peers:
        _say_peers(found)
    if found.views:
        _say_page(found)


def _say_peers(found: Measured) -> None:
    ours = measure.middle(found.imported)
    rows = [(*cost_row("bluelamp import (all tables)", found.imported, found.incidents), "1", "1")]
    for name, costs in found.peers.items():
        cost = measure.middle(costs)
        words = "polars alone (our engine, bare)" if name == "polars" else name
        ratios = (f"{ours.seconds / cost.seconds:.2f}", f"{ours.gigabytes / cost.gigabytes:.2f}")
        rows.append((*cost_row(words, costs, found.incidents), *ratios))
    title = "The import beside its peers, in turns in this run: the same incidents.csv.gz to Parquet"
    say_table(title, (*COST_HEAD, "our time ÷ theirs", "our memory ÷ theirs"), rows)
    print(
        "\n  The peers read times, set rows without required values aside, drop duplicates, write Parquet (peers.py)."
        "\n  They do not say which rows they set aside and why, compare with earlier imports, commit atomically, lock,"
        "\n  sync to disk or hash; ours also imports eight more tables. No open peer does the whole job."
    )


def _say_page(found: Measured) -> None:
    rows = []
    for how in dict.fromkeys([*found.views, *found.keys]):
        seconds = sorted(each.seconds for each in found.views.get(how, ()))
        figures: tuple[str, ...] = ("",) * 5
        if how in found.keys:
            keys = found.keys[how]
            figures = (
                f"{measure.percentile(keys.handed, 0.5):.0f}",
                f"{measure.percentile(keys.handed, 0.95):.0f}",
                f"{max(keys.handed):.0f}",
                f"{measure.percentile(keys.painted, 0.95):.0f}" if keys.painted else "< 16",
                str(len(keys.handed)),
            )
        viewed = (f"{statistics.median(seconds):.2f}", f"{seconds[0]:.2f}–{seconds[-1]:.2f}") if seconds else ("", "")
        rows.append((how, *viewed, *figures))
    head = ("page", "first view s", "from–to", "key ms p50", "p95", "max", "browser's own p95", "presses")
    say_table(f"The page, cold browser, warm server (first view: median of {found.size.views})", head, rows)
    packed, plain = found.map_bytes
    strangers = sorted({each for views in found.views.values() for view in views for each in view.strangers})
    print(f"\n  map.json: {packed / 1e6:.2f} MB gzipped, {plain / 1e6:.2f} MB unpacked", end="")
    print(f"; the first view fetches {found.views['served'][0].megabytes:.2f} MB", end="")
    print(f"; the single file has {found.file_megabytes:.2f} MB" if found.file_megabytes else "")
    print(f"  requests that left this machine: {len(strangers)} {' '.join(strangers[:3])}".rstrip())
    for how, held in found.held.items():
        lag = measure.percentile(held.lags, 0.95)
        print(f"  key held down ({how}): {held.hours_a_second:.0f} hours drawn a second, p95 {lag:.0f} ms behind")
    for how, (agreeing, different) in found.pictures.items():
        looked = found.size.pictures
        print(
            f"  checked ({how}): in {agreeing} of {looked} hours the pixels, when called drawn, were those at rest; "
            f"{different} different pictures"
        )
    print(
        "  From the key's own time stamp until the map has sent the hour's frame, a pixel of it was read (so that\n"
        "  it is drawn) and the next frame has begun. 'browser's own' is Event Timing: to the next picture shown."
    )


def _growths(first: Measured, tenth: Measured) -> list[tuple[str, float, float, str]]:
    found: list[tuple[str, float, float, str]] = [
        ("incidents", first.incidents, tenth.incidents, ",.0f"),
    ]
    for words, ours, theirs in (
        ("import", first.imported, tenth.imported),
        ("plan", first.planned, tenth.planned),
    ):
        one, ten = measure.middle(ours), measure.middle(theirs)
        found += [
            (f"{words}, wall s", one.seconds, ten.seconds, ".1f"),
            (f"{words}, CPU s", one.cpu_seconds, ten.cpu_seconds, ".1f"),
            (f"{words}, peak GB", one.gigabytes, ten.gigabytes, ".2f"),
        ]
    found += [
        (f"plan: {stage}, s", seconds, tenth.stages[stage], ".1f")
        for stage, seconds in first.stages.items()
        if seconds >= 0.05
    ]
    if "served" in first.views and "served" in tenth.views:
        one_view, ten_view = (
            statistics.median(each.seconds for each in force.views["served"]) for force in (first, tenth)
        )
        found.append(("first view, s", one_view, ten_view, ".2f"))
    found.append(("map.json gzipped, MB", first.map_bytes[0] / 1e6, tenth.map_bytes[0] / 1e6, ".2f"))
    return found


def say_growth(first: Measured, tenth: Measured) -> None:
    """Print how each cost grows when the same areas and days have ten times the incidents."""
    rows = [
        (words, format(one, form), format(ten, form), f"× {ten / one:.2f}")
        for words, one, ten, form in _growths(first, tenth)
    ]
    say_table("Ten times the incidents, the same areas, days and people", ("cost", "county", "tenfold", "grows"), rows)
    print(f"\n  extracts of the tenfold force, SHA-256 of names and contents: {tenth.fingerprint}")


def say_where_we_lose(
    bars: dict[str, Bar], first: Measured, tenth: Measured | None, missing: str, peers: dict[str, Path]
) -> None:
    """Print, from the figures of this run, where others are better and where our costs are heaviest."""
    said = [
        f"{each.words}: {each.value:.2f} {each.unit}, over the bar of {each.bar:g}."
        for each in bars.values()
        if each.value is not None and not each.is_met
    ]
    ours = measure.middle(first.imported)
    for name, costs in first.peers.items():
        cost = measure.middle(costs)
        who = "Polars alone, on which we stand," if name == "polars" else {"duckdb": "DuckDB"}.get(name, name)
        if cost.seconds < ours.seconds:
            said.append(
                f"{who} has the same incidents in Parquet in {cost.seconds:.1f} s, we in {ours.seconds:.1f} s "
                f"({ours.seconds / cost.seconds:.1f} times as long)."
            )
        if cost.gigabytes < ours.gigabytes:
            said.append(f"{who} needs {cost.gigabytes:.2f} GB for it, we {ours.gigabytes:.2f} GB.")
    if first.stages:
        stage, seconds = max(first.stages.items(), key=lambda each: each[1])
        said.append(
            f"Of a plan's {measure.middle(first.planned).seconds:.0f} s the stage '{stage}' takes {seconds:.0f} s, "
            "and it is paid again in full for every plan, however little has changed."
        )
        planned = measure.middle(first.planned)
        if planned.others < measure.BUSY_SHARE:
            said.append(
                f"A plan keeps {planned.cpu_seconds / planned.seconds:.1f} cores busy on average: it does not use the "
                "second one, and more would not help."
                if planned.cpu_seconds < 1.3 * planned.seconds
                else f"A plan keeps {planned.cpu_seconds / planned.seconds:.1f} cores busy on average."
            )
    if tenth:
        times = tenth.incidents / first.incidents
        said += [
            f"The cost '{words}' grows {ten / one:.1f} times where the incidents grow {times:.1f} times."
            for words, one, ten, _ in _growths(first, tenth)[1:]
            if ten / one > 1.1 * times
        ]
    for how, held in first.held.items():
        if held.hours_a_second < 25:
            said.append(
                f"With the key held down (30 a second) the {how} page draws {held.hours_a_second:.0f} hours a second "
                f"and skips the others."
            )
    for how, keys in first.keys.items():
        slow = sum(each > 100 for each in keys.handed)
        if slow:
            said.append(
                f"{slow} of {len(keys.handed)} keys ({how}) took over 100 ms, the slowest {max(keys.handed):.0f} ms."
            )
        painted = measure.percentile(keys.painted, 0.95) if keys.painted else 0.0
        if painted > 100:
            said.append(
                f"By the browser's own account ({how}) one key in twenty waits {painted:.0f} ms or more until the next "
                "picture is on the screen: the bar is held by what the page does, not by all that the eye waits for."
            )
    if missing:
        said.append(f"The page was not measured: {missing}.")
    if len(peers) < 2:
        said.append("Peers were not measured in this run, so that nothing is said of them.")
    busy = max(each.others for each in [*first.imported, *first.planned])
    if busy > measure.BUSY_SHARE:
        said.append(
            f"Other processes took up to {busy:.0%} of the machine meanwhile: our times are too long by about that."
        )
    print("\nWhere we lose\n")
    for sentence in said:
        print(f"  - {sentence}")


if __name__ == "__main__":
    main()
