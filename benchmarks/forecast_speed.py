"""What a forecast costs: whole processes on made-up series, and how the cost grows with series, years and paths.

    python forecast_speed.py make FOLDER SERIES YEARS    make up demand, and 20 of its series for the opponents
    python forecast_speed.py run FOLDER PATHS            forecast eight weeks of it: the process that is measured
    python forecast_speed.py start                       only start, to see what starting costs

As a module it measures these from outside and imports nothing of what it measures.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import measure
from measure import Cost

SERIES, YEARS, PATHS = 2000, 3, 500
UNTIL = date(2026, 9, 28)
CLASSES = 20
# Two thousand series then have the 1.1 million incidents of the made-up county's three years.
INCIDENTS_A_YEAR = 183
CURVES = {"series": (500, 1000, 2000, 4000), "years": (1, 2, 3, 4), "paths": (125, 250, 500, 1000)}
QUICK_CURVES = {"series": (100, 200)}
TRIED = 20


@dataclass
class Speed:
    """What was measured: the cost of the bar's forecast, of starting, of each point of each curve, and of opponents."""

    series: int
    words: str
    whole: list[Cost]
    start: Cost
    curves: dict[str, list[tuple[int, Cost]]]
    peers: dict[str, list[float]] = field(default_factory=dict)

    @property
    def of_a_series(self) -> float:
        """CPU seconds that a series takes of the whole process."""
        return measure.middle(self.whole).cpu_seconds / self.series


def measure_speed(folder: Path, python: Path | None, *, is_quick: bool) -> Speed:
    """Measure everything."""
    curves = QUICK_CURVES if is_quick else CURVES
    usual = (200, 1, 50) if is_quick else (SERIES, YEARS, PATHS)
    start = measure.run([sys.executable, __file__, "start"])
    done: dict[tuple[int, int, int], Cost] = {}

    def cost(series: int, years: int, paths: int) -> Cost:
        if (series, years, paths) not in done:
            made = folder / f"{series}_{years}"
            if not (made / "series.npz").exists():
                measure.note(f"making {series:,} series of {years} years")
                measure.run([sys.executable, __file__, "make", made, str(series), str(years)])
            measure.note(f"forecasting {series:,} series of {years} years by {paths:,} paths")
            done[series, years, paths] = measure.note_cost(_run(made, paths))
        return done[series, years, paths]

    found: dict[str, list[tuple[int, Cost]]] = {axis: [] for axis in curves}
    for axis, points in curves.items():
        for point in points:
            at = dict(zip(("series", "years", "paths"), usual, strict=True)) | {axis: point}
            found[axis].append((point, cost(**at)))
    whole = [cost(*usual)] + ([] if is_quick else [_run(folder / f"{usual[0]}_{usual[1]}", usual[2]) for _ in range(2)])
    words = f"{usual[0]:,} series, {usual[1]} years, 8 weeks ahead, {usual[2]} paths"
    speed = Speed(usual[0], words, whole, start, found)
    if python is not None and not is_quick:
        _measure_peers(speed, folder / f"{usual[0]}_{usual[1]}", python)
    return speed


def _run(made: Path, paths: int) -> Cost:
    return measure.run([sys.executable, __file__, "run", made, str(paths)])


def _measure_peers(speed: Speed, made: Path, python: Path) -> None:
    """Take the opponents' own account of each fit: what they import and compile is not in it."""
    import numpy as np

    for program in ("statsforecast", "prophet"):
        measure.note(f"the same with {program}, {TRIED} series")
        out = made / f"{program}.npz"
        script = Path(__file__).with_name("forecast_peers.py")
        measure.run([python, script, program, made / "series.npz", out, "area_class"], measure.one_thread())
        with np.load(out) as told:
            for name in told.files:
                if name.endswith(":hours:seconds"):
                    speed.peers[name.split(":")[0]] = told[name].tolist()


def power(points: Sequence[tuple[int, float]]) -> float:
    """Give the power by which a cost grows: the slope of its logarithm on the logarithm of the size."""
    x = [math.log(size) for size, _ in points]
    y = [math.log(max(cost, 1e-9)) for _, cost in points]
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    return sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True)) / sum((a - x_mean) ** 2 for a in x)


# ---- what is measured ----


def make(folder: Path, series: int, years: int) -> None:
    """Make up the demand of so many series: areas of unequal size, each with twenty classes."""
    import numpy as np
    import polars as pl

    from bluelamp import periods, tables

    chance = np.random.Generator(np.random.Philox(key=[7, series]))
    first = UNTIL - timedelta(weeks=52 * years)
    edges = periods.local_days("Europe/London", first, UNTIL - timedelta(days=1))
    hours = periods.hours_between("Europe/London", edges["starts_at"][0], edges["ends_at"][-1])
    parts = periods.local_parts(hours, "Europe/London")
    slot, day = parts["slot"].to_numpy(), (parts["day"] - first).dt.total_days().to_numpy()
    week = 1 + 0.6 * np.sin(2 * np.pi * (slot % 24 - 9) / 24) + 0.4 * ((slot >= 114) & (slot < 146))
    of_day = chance.gamma(150, 1 / 150, 52 * 7 * years) * (
        1 + 0.1 * np.cos(2 * np.pi * np.arange(364 * years) / 365.25)
    )
    due = week * of_day[day]
    areas = series // CLASSES
    sizes = np.outer(chance.gamma(1.5, 1, areas), chance.gamma(1.0, 1, CLASSES)).ravel()
    total = series * INCIDENTS_A_YEAR * years
    number = chance.poisson(sizes / sizes.sum() * total)
    hour = np.searchsorted(np.cumsum(due) / due.sum(), chance.random(number.sum())).clip(0, len(due) - 1)
    key, counts = np.unique(np.repeat(np.arange(series), number) * len(due) + hour, return_counts=True)
    which, at = np.divmod(key, len(due))
    area_ids = [f"A{each:04d}" for each in range(areas)]
    demand = pl.DataFrame(
        {
            "hour_starting": hours[at],
            "area_id": pl.Series(area_ids)[which // CLASSES],
            "class_code": pl.Series([f"c{each:02d}" for each in range(CLASSES)])[which % CLASSES],
            "incidents": counts,
        }
    ).with_columns(
        grade_code=pl.lit("1"),
        origin=pl.lit("public"),
        deployed=pl.lit(0.0),
        officer_hours=pl.lit(0.0),
        measured=pl.lit(0),
    )
    rows = [
        {"area_id": area, "level": "area", "parent_id": f"D{number % 10}", "kind": "all", "is_approximate": False}
        for number, area in enumerate(area_ids)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    tables.publish(demand, "demand").write_parquet(folder / "demand.parquet")
    pl.DataFrame(rows, schema=tables.table("areas").polars_schema).write_parquet(folder / "areas.parquet")
    # Opponents are shown series of all sizes.
    shown = np.argsort(sizes)[np.linspace(0, series - 1, TRIED).round().astype(int)]
    local = day * 24 + slot % 24
    counted = np.zeros((TRIED, 24 * 364 * years), dtype=np.float32)
    for row, each in enumerate(shown):
        np.add.at(counted[row], local[at[which == each]], counts[which == each])
    days = 364 * years + 56
    np.savez_compressed(
        folder / "series.npz", counts=counted, level=np.full(TRIED, "area_class"), place=shown.astype(str),
        parent=np.full(TRIED, -1), is_sampled=np.ones(TRIED, dtype=bool), first_day=np.array(str(first)),
        label=np.full(days, ""), force_event=np.zeros((0, 24 * days), dtype=np.int8),
        local_event=np.zeros((TRIED, 24 * days), dtype=np.int8),
    )  # fmt: skip


def run(folder: Path, paths: int) -> None:
    """Forecast eight weeks and write the table: hours and days of every area, district and the force."""
    import polars as pl

    from bluelamp import periods, tables
    from bluelamp.forecast import make_forecast

    made = make_forecast(
        pl.read_parquet(folder / "demand.parquet"), pl.read_parquet(folder / "areas.parquet"),
        tables.empty("events"), tables.empty("outages"), tables.empty("service_times"),
        force_id="F", time_zone="Europe/London",
        forecast_from=periods.local_days("Europe/London", UNTIL, UNTIL)["starts_at"][0],
        paths=paths, path_days=56, days=56, country="GB", subdivision="ENG",
    )  # fmt: skip
    made.table.write_parquet(folder / "forecast.parquet")


def start() -> None:
    """Import what a forecast imports, and stop."""
    import polars  # noqa: F401

    import bluelamp.forecast  # noqa: F401


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "make":
        make(Path(rest[0]), int(rest[1]), int(rest[2]))
    elif what == "run":
        run(Path(rest[0]), int(rest[1]))
    else:
        start()
