"""Hotspot maps measured: every method against the plain count map and kernel density, on weeks that came after.

    python benchmarks/peaks.py              Toronto, Oakland, Avon and Somerset; some minutes
    python benchmarks/peaks.py --quick      Toronto's burglaries, twelve weeks; under a minute
    python benchmarks/peaks.py --json       one last line for machines: {"bars": {name: {"value", "bar", "met"}}}

Each week is forecast from the weeks before it alone. In every shift the places with the most risk for their size are
watched, up to 0.5, 1, 2 and 5% of the ground. Kernel density stands twice: as in the product (from cell to cell), and
as scikit-learn does it from exact points. While the methods were made, scores were looked at on Toronto's 2018 and on
Oakland's last nine weeks, and nothing was changed for Oakland's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import measure
import numpy as np
import polars as pl
import shapely
from report import Bar, say_bars, say_for_machines, say_table

from bluelamp import extensions, grids, hotspots
from bluelamp.hotspots._capture import SHARES, capture
from bluelamp.hotspots._past import History
from bluelamp.hotspots._trial import Trial, try_methods

HERE = Path(__file__).parent
SHARED_DATA = Path(os.environ.get("BLUELAMP_SHARED_DATA", HERE.parents[1] / "shared" / "data"))
PEERS_HOME = HERE.parent / ".venv" / "peaks-peers"
PEER = "scikit-learn KDE"
FIT_BAR = 30.0


@dataclass(frozen=True)
class Place:
    """A record with places, laid out: what it is, its weeks to hold out, and what a reader must know."""

    name: str
    words: str
    history: History
    held: int
    points: np.ndarray | None  # of each part, in metres; none where they are snapped
    remark: str = ""


def main() -> None:
    """Measure, and print what was found."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("--quick", action="store_true", help="Toronto's burglaries over twelve weeks")
    asked.add_argument("--json", action="store_true", help="one last line for machines")
    asked.add_argument("--no-peers", action="store_true", help="leave out scikit-learn")
    asked.add_argument("--resolution", type=int, default=9, help="H3 resolution of hexagons")
    options = asked.parse_args()
    about = measure.machine(measure.keep_to_cores(2))
    home = Path(os.environ.get("BLUELAMP_PEAKS_PEERS", PEERS_HOME))
    python = None
    if not options.no_peers:
        python = measure.python_in(home, HERE / "requirements-peaks.txt", may_install=not options.quick)
    for path in ("toronto/offences.csv.gz", "oakland/calls.csv.gz", "avon_somerset/street_2023_2024.csv.gz"):
        file = SHARED_DATA / path
        about.append((path.partition("/")[0], _fingerprint(file)))
    about.append(
        ("versions", ", ".join(f"{n} {v}" for n, v in measure.versions(("bluelamp", "polars", "numpy", "h3"))))
    )
    about.append(("scikit-learn", "measured beside" if python else "NOT MEASURED (a full run installs it)"))
    print("Hotspot maps: which places, and how much of what came lay there")
    for what, words in about:
        print(f"  {what:<14}  {words}")
    makers = [toronto] if options.quick else [toronto, oakland, avon_and_somerset]
    bars: dict[str, Bar] = {}
    lost: list[str] = []
    for make in makers:
        place = make(options.resolution, options.quick)
        if place is None:
            print(f"\nNOT MEASURED: {make.__name__} is not in {SHARED_DATA}.")
            continue
        bars |= say_place(place, python, lost, options.quick)
    say_bars(bars)
    print("\nWhere we lose")
    for each in lost or ["nowhere, by the intervals"]:
        print(f"  {each}")
    if options.json:
        say_for_machines(bars)


def _fingerprint(file: Path) -> str:
    return f"SHA-256 {hashlib.sha256(file.read_bytes()).hexdigest()}" if file.exists() else "not there"


# ---- the records ----


def toronto(resolution: int, is_quick: bool) -> Place | None:
    """Major offences by day, hour and point; 52 weeks of 2019 held out, known from 2014 on."""
    file = SHARED_DATA / "toronto" / "offences.csv.gz"
    if not file.exists():
        return None
    rows = pl.read_csv(file).select(
        day=pl.col("occurrence_date").str.to_date("%Y/%m/%d"), hour="occurrence_hour", kind="offence", longitude="lon",
        latitude="lat",
    )  # fmt: skip
    rows = rows.filter(pl.col("longitude").is_between(-80, -79), pl.col("latitude").is_between(43, 44))
    if is_quick:
        rows = rows.filter(kind="Break and Enter")
    shift = (pl.col("hour") - 7) % 24 // 8
    history, points = lay(rows.with_columns(shift=shift), resolution, date(2019, 12, 30), 3)
    return Place(
        "toronto", "Toronto, major offences 2014 to 2019, hexagons by shift", history, 12 if is_quick else 52, points,
        "Its points were moved to the nearest crossing by the publisher, and hours are often rounded.",
    )  # fmt: skip


def oakland(resolution: int, is_quick: bool) -> Place | None:
    """Calls of crime by point, brought in by `bluelamp import`; the weeks of its last 26 that its record has."""
    from bluelamp import hotspot_trial
    from bluelamp import settings as settings_

    file = SHARED_DATA / "oakland" / "calls.csv.gz"
    if not file.exists():
        return None
    bluelamp = Path(sys.executable).with_name("bluelamp")
    with tempfile.TemporaryDirectory() as folder:
        force = Path(folder) / "oakland"
        measure.run([bluelamp, "init", force, "--from", file, "--map", "oakland"])
        measure.run([bluelamp, "import", force, file])
        ground = hotspot_trial.lay(force, settings_.read(force))
    assert ground.history is not None
    return Place(
        "oakland", "Oakland, calls of crime by the public 2022 to 2024, hexagons by shift", ground.history, 26, None,
        "A record with holes: weeks of which half or more is missing are neither known nor scored. Points are rounded "
        "to about 100 m.",
    )  # fmt: skip


def avon_and_somerset(resolution: int, is_quick: bool) -> Place | None:
    """Street-level crime by month and small area, the last six months held out."""
    file = SHARED_DATA / "avon_somerset" / "street_2023_2024.csv.gz"
    shapes = SHARED_DATA / "avon_somerset" / "lsoa2011.geojson"
    if not file.exists() or not shapes.exists():
        return None
    rows = pl.read_csv(file, infer_schema=False).select(month="Month", area_id="LSOA code", kind="Crime type")
    found = json.loads(shapes.read_text(encoding="utf-8"))["features"]
    key = next(name for name, value in found[0]["properties"].items() if str(value).startswith("E01"))
    known = [each for each in found if each.get("geometry")]
    areas = pl.DataFrame(
        {
            "area_id": [each["properties"][key] for each in known], "area_name": [None] * len(known),
            "level": ["area"] * len(known), "boundary": [json.dumps(each["geometry"]) for each in known],
            "area_km2": [None] * len(known),
        },
        schema_overrides={"area_km2": pl.Float64, "area_name": pl.String},
    ).unique("area_id", maintain_order=True)  # fmt: skip
    grid = grids.take_areas(areas)
    months = [f"{year}-{month:02}" for year in (2023, 2024) for month in range(1, 13)]
    number = dict(zip(months, range(24), strict=True))
    classes = tuple(sorted(rows["kind"].unique()))
    laid = rows.with_columns(
        week=pl.col("month").replace_strict(number, return_dtype=pl.Int64),
        cell=pl.Series(grid.find(rows["month"], rows["month"], rows["area_id"])),
        kind=pl.col("kind").replace_strict(dict(zip(classes, range(len(classes)), strict=True)), return_dtype=pl.Int64),
    ).filter(pl.col("cell") >= 0).sort("week")  # fmt: skip
    seen = np.ones((24, 1))
    there = set(laid["week"].unique())
    seen[[month for month in range(24) if month not in there]] = 0
    history = History(
        grid, classes, 1, laid["cell"].to_numpy(), np.zeros(laid.height, dtype=np.int64), laid["week"].to_numpy(),
        laid["kind"].to_numpy(), np.ones(laid.height), seen,
    )  # fmt: skip
    return Place(
        "avon_somerset", "Avon and Somerset, street-level crime 2023 and 2024, small areas by month", history, 8, None,
        "Points are snapped by the publisher to a few places each, so that a score by point would flatter everybody: a "
        "month stands in for a week and a small area for a hexagon. With so few months there is no interval.",
    )  # fmt: skip


def lay(rows: pl.DataFrame, resolution: int, end: date, shifts: int) -> tuple[History, np.ndarray]:
    """Lay rows of day, shift, kind and point out in hexagons over the ground that they lie on."""
    there = shapely.multipoints(rows.select("longitude", "latitude").unique().to_numpy())
    areas = pl.DataFrame(
        {"area_id": ["all"], "area_name": [None], "level": ["area"], "area_km2": [None],
         "boundary": [shapely.to_geojson(shapely.concave_hull(there, 0.05))]},
        schema_overrides={"area_km2": pl.Float64, "area_name": pl.String},
    )  # fmt: skip
    grid = grids.lay_hexagons(areas, resolution)
    first = rows["day"].min()
    weeks = -(-(end - first).days // 7)
    classes = tuple(sorted(rows["kind"].unique()))
    laid = rows.with_columns(
        cell=pl.Series(grid.find(rows["longitude"], rows["latitude"])),
        week=(pl.col("day") - (end - timedelta(weeks=weeks))).dt.total_days() // 7,
        kind=pl.col("kind").replace_strict(dict(zip(classes, range(len(classes)), strict=True)), return_dtype=pl.Int64),
    )  # fmt: skip
    laid = laid.filter(pl.col("cell") >= 0, pl.col("week").is_between(0, weeks - 1))
    laid = laid.sort("week", "kind", "cell", "shift")
    history = History(
        grid, classes, shifts, laid["cell"].to_numpy(), laid["shift"].cast(pl.Int64).to_numpy(),
        laid["week"].to_numpy(), laid["kind"].to_numpy(), np.ones(laid.height), np.ones((weeks, shifts)),
    )  # fmt: skip
    return history, grid.plane.flatten(laid.select("longitude", "latitude").to_numpy())


# ---- the trial ----


def say_place(place: Place, python: Path | None, lost: list[str], is_quick: bool) -> dict[str, Bar]:
    """Try every method on a record, class by class, and print what was found."""
    history = place.history
    grid = history.grid
    whole = grid.size.sum()
    print(
        f"\n{place.words}\n  {len(history.cell):,} offences (parts where a time is a range), {history.weeks} weeks, "
        f"{len(grid):,} places on {whole:,.0f} km²; the last {place.held} held out. {place.remark}"
    )
    watched = ", ".join(f"{share:.1%} = {share * whole:,.2f} km²" for share in SHARES)
    print(f"  Ground watched in every shift: {watched}")
    rows = []
    won = {"more": 0, "less": 0}
    seconds = fit_seconds(history)
    kinds: list[int | None] = [0] if is_quick else [None, *range(len(history.classes))]
    for kind in kinds:
        name = "all" if kind is None else history.classes[kind]
        measure.note(f"{place.name}: {name}")
        tried = try_methods(history, kind, hotspots.methods(), place.held)
        if place.points is not None and python is not None and kind is not None:
            tried.append(ask_peer(place, kind, tried[0], python))
        if not tried[0].weeks or tried[0].came.sum() < hotspots.LEAST_OFFENCES:
            continue
        found = compare(tried)
        for each in tried:
            ratio, low, high = found[each.method]
            pai = each.caught[:, :, 0].sum(axis=0) / each.came.sum() / np.array(SHARES)
            pei = each.caught[:, :, 0].sum(axis=0) / each.caught[:, :, 1].sum(axis=0)
            interval = "" if low is None else f"({low:+.1%} to {high:+.1%})"
            rows.append(
                (
                    name if each is tried[0] else "", each.method, f"{each.came.sum():,.0f}",
                    *(f"{value:.2f}" for value in pai), *(f"{value:.3f}" for value in pei[[1, 3]]),
                    f"{each.likelihood.sum() / each.came.sum():.3f}",
                    "" if each is tried[0] else f"{ratio:+.1%} {interval}",
                )
            )  # fmt: skip
        best = max(found, key=lambda method: found[method][0])
        if best == hotspots.COUNTS:
            lost.append(f"{place.name}, {name}: nothing beat the plain count map.")
        if PEER in found and found[PEER][0] > found["pooled"][0]:
            lost.append(f"{place.name}, {name}: scikit-learn's kernel density caught more than the pooled model.")
        low = found["pooled"][1]
        won["more"] += low is not None and low > 0
        high = found["pooled"][2]
        won["less"] += high is not None and high < 0
    head = (
        "class", "method", "offences", *(f"PAI {share:.1%}" for share in SHARES), "PEI* 1%", "PEI* 5%", "log score",
        "caught against counts (95%)",
    )  # fmt: skip
    say_table(f"{place.name}: what lay in watched places", head, rows)
    print(
        f"\n  The pooled model caught more than the plain count map, the interval above nought, in {won['more']} of "
        f"{len({row[0] for row in rows if row[0]})} classes (with 'all'), less in {won['less']}."
    )
    say_table(
        f"{place.name}: CPU seconds to learn all classes and map the coming week", ("method", "s"),
        [(method, f"{value:.1f}") for method, value in seconds.items()],
    )  # fmt: skip
    return {
        f"{place.name}_fit_seconds": Bar(f"{place.name}: learn and map all classes, slowest method", "s", FIT_BAR,
                                         max(seconds.values())),
    }  # fmt: skip


def compare(tried: list[Trial]) -> dict[str, tuple[float, float | None, float | None]]:
    """Give each method's offences caught against the count map's, on average over the shares, with its interval."""
    plain = tried[0].caught[:, :, 0].mean(axis=1)
    found = {}
    for each in tried:
        caught = each.caught[:, :, 0].mean(axis=1)
        low, high = hotspots.bound_ratio(caught, plain, 1)
        ratio = float(caught.sum() / plain.sum() - 1)
        found[each.method] = (ratio, None if low is None else low - 1, None if high is None else high - 1)
    return found


def fit_seconds(history: History) -> dict[str, float]:
    """Give the CPU seconds that each method takes for all classes, from nothing to the coming week's map."""
    found = {}
    for method in hotspots.methods():
        fresh = History(
            history.grid, history.classes, history.shifts, history.cell, history.shift, history.week, history.kind,
            history.weight, history.seen,
        )  # fmt: skip
        started = time.process_time()
        for kind in (None, *range(len(history.classes))):
            past = fresh.until(fresh.weeks, kind)
            extensions.member("hotspots", method).fit(past).risk(past)
        found[method] = time.process_time() - started
    return found


def ask_peer(place: Place, kind: int, like: Trial, python: Path) -> Trial:
    """Ask scikit-learn for the density at every cell's centre in each held-out week, shared out as the class is."""
    history = place.history
    of_kind = history.kind == kind
    assert place.points is not None
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder) / "asked.npz", Path(folder) / "answer.npz"
        np.savez(
            asked, points=place.points[of_kind], week=history.week[of_kind], cell=history.cell[of_kind],
            size=history.grid.size, cells=history.grid.metres, held=np.array(like.weeks),
        )  # fmt: skip
        measure.run([python, HERE / "peaks_peers.py", asked, answer])
        given = np.load(answer)
        risks, about = given["risks"], f"bandwidth {given['bandwidth']:.0f} m, {given['seconds']:.0f} CPU s"
    caught, told = [], []
    for week, risk in zip(like.weeks, risks, strict=True):
        past = history.until(week, kind)
        spread = risk[:, None] * past.shift_shares
        caught.append(capture(spread, past.came(), history.even, history.ranked))
        there = past.came() > 0
        floored = 0.999 * spread + 0.001 * history.even / history.shifts
        told.append(float((past.came()[there] * np.log(floored[there])).sum()))
    return Trial(PEER, kind, like.weeks, like.came, np.array(caught), like.before, np.array(told), about)


if __name__ == "__main__":
    main()
