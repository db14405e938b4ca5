"""Do ranges of officer-hours and deployments hold what they say? Forecasts from earlier days, held against what came.

    python benchmarks/officer_hours.py FOLDER                   a force that incidents were imported for
    python benchmarks/officer_hours.py FOLDER --hide-times      as if its logs told of nothing but their closing

At each of some midnights the force is put back to what it knew then: incidents received before, and of their times
those that had come. What comes is the incidents' own units and times, as they are known today, so that a force without
them is scored against its priors and learns nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import polars as pl

from bluelamp import forecast, incidents, periods, plan, settings, settled, tables
from bluelamp.settings import Settings
from bluelamp.store import Store

FIGURES = {"incidents": "incidents", "deployments": "deployed", "officer_hours": "officer_hours"}
TIMES = ("dispatched_at", "arrived_at", "cleared_at", "closed_at")


def known_at(calls: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Give incidents as a feed told of them at a moment: what came later is not there, and what goes on is open."""
    calls = calls.filter(pl.col("received_at") < at).with_columns(
        pl.when(pl.col(name) < at).then(name).alias(name) for name in TIMES
    )
    ends = pl.coalesce("closed_at", "cleared_at")
    return calls.with_columns(status=pl.when(ends.is_null()).then(pl.lit("open")).otherwise("status"))


def without_times(calls: pl.DataFrame) -> pl.DataFrame:
    """Give incidents as a source tells of them that knows when a log was opened and closed, and no more."""
    empty = {name: pl.lit(None, dtype=calls.schema[name]) for name in (*TIMES[:3], "units")}
    return calls.with_columns(**empty)


def forecast_from(
    calls: pl.DataFrame, known: pl.DataFrame, areas: pl.DataFrame, events: pl.DataFrame, day: date, days: int,
    own: pl.DataFrame, chosen: Settings, paths: int,
) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Forecast days from a local midnight, and count what came in them: both by place and day."""
    zone, force = chosen.force.time_zone, chosen.force
    ends = periods.local_days(zone, day, day + timedelta(days=days - 1))
    starts_at, ends_at = ends["starts_at"][0], ends["ends_at"][-1]
    crew, lowest = plan.crew_by_hour(chosen), areas.filter(pl.col("level") == "area")["area_id"].to_list()
    drives = pl.col("origin").is_in(list(chosen.demand.origins))
    priors = pl.concat([own, incidents.read_priors()]).unique(["class_code", "grade_code"], keep="first")
    before = known_at(known, starts_at).filter(drives)
    times = incidents.measure_service_times(before, priors)
    made = forecast.make_forecast(
        incidents.count_demand(before, times, lowest, zone, crew), areas, events, tables.empty("outages"), times,
        force_id=force.id, time_zone=zone, forecast_from=starts_at, method=chosen.forecast.method,
        paths=paths, path_days=days, days=days, country=force.country, subdivision=force.subdivision,
        crew_size_by_hour=crew,
    )  # fmt: skip
    coming = calls.filter(drives, pl.col("received_at") >= starts_at, pl.col("received_at") < ends_at)
    came = incidents.count_demand(coming, times, lowest, zone, crew).join(
        areas.filter(pl.col("level") == "area").select("area_id", "parent_id"), on="area_id", how="left"
    )
    day_of = pl.col("hour_starting").dt.convert_time_zone(zone).dt.date()
    sums = [pl.col(column).sum().alias(name) for name, column in FIGURES.items()]
    places = pl.concat(
        [
            came.with_columns(level=pl.lit("force"), area_id=pl.lit(force.id)),
            came.with_columns(level=pl.lit("district"), area_id=pl.col("parent_id").fill_null(force.id)),
        ]
    )
    truth = places.group_by("level", "area_id", day=day_of).agg(sums)
    rows = made.table.filter(
        pl.col("level").is_in(["force", "district"]), span="day", class_code="all", grade_code="all"
    ).with_columns(day=day_of)
    return rows, truth


def score(folder: str, origins: int, every: int, days: int, paths: int, *, hide_times: bool) -> pl.DataFrame:
    """Give the share of days inside the 80% range, and the bias, by level and figure."""
    chosen, still = settings.read(folder), Store(folder).snapshot()
    events, own = still.read("events"), still.read("service_times")
    stood = settled.settle_stored(still, folder, chosen)
    calls, areas, until = stood.incidents, stood.areas, stood.data_until
    known = without_times(calls) if hide_times else calls
    found = []
    for number in reversed(range(origins)):
        day = until.astimezone(periods.zone(chosen.force.time_zone)).date() - timedelta(days=days + number * every)
        # Own rows of a made-up force are the truth itself, which nobody is given.
        rows, truth = forecast_from(calls, known, areas, events, day, days, own.clear(), chosen, paths)
        found.append(rows.join(truth, on=["level", "area_id", "day"]))
    return _summed(pl.concat(found))


def _summed(rows: pl.DataFrame) -> pl.DataFrame:
    parts = []
    for name in FIGURES:
        low, high, mean, came = (pl.col(f"{name}{end}") for end in ("_p10", "_p90", "_mean", ""))
        parts.append(
            rows.group_by("level").agg(
                figure=pl.lit(name),
                days=pl.len(),
                inside_80=((low <= came) & (came <= high)).mean(),
                below=(came < low).mean(),
                above=(came > high).mean(),
                bias=mean.sum() / came.sum() - 1,
                width=((high - low) / mean.clip(1e-9)).mean(),
            )
        )
    return pl.concat(parts).sort("level", "figure")


def main(arguments: Sequence[str] | None = None) -> None:
    """Score a force and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--origins", type=int, default=6)
    parser.add_argument("--every", type=int, default=28)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--paths", type=int, default=500)
    parser.add_argument("--hide-times", action="store_true")
    given = parser.parse_args(arguments)
    found = score(given.folder, given.origins, given.every, given.days, given.paths, hide_times=given.hide_times)
    print(
        f"{'level':9} {'figure':14} {'days':>6} {'inside 80%':>12} {'below':>7} {'above':>7} {'bias':>7} {'width':>7}"
    )
    for row in found.iter_rows(named=True):
        print(
            f"{row['level']:9} {row['figure']:14} {row['days']:6} {row['inside_80']:12.1%} {row['below']:7.1%} "
            f"{row['above']:7.1%} {row['bias']:+7.1%} {row['width']:7.1%}"
        )


if __name__ == "__main__":
    main()
