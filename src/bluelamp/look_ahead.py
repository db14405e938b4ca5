"""The next hours, from what came in until now: the latest run's forecast brought forward without running it again.

A run is made once a day or a week; calls come all the time. What the run's forecast keeps (rates, levels, shocks) and
the incidents since are enough to say in a second or two what the next hours will bring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from bluelamp import incidents, periods, plan, reading, settled, tables
from bluelamp import settings as settings_
from bluelamp.errors import NoInput, count_of
from bluelamp.forecast import NextDraws, RateModel, draw_next, read_model
from bluelamp.settings import Settings
from bluelamp.store import Store

NAMES = ("next_hours",)
PATHS = 500
# Silence is told from a quiet hour by what is usual: the weeks that outages are found from.
_USUAL = timedelta(days=70)


@dataclass(frozen=True)
class NextHours:
    """What is expected next, until when incidents were known, and the run whose forecast was brought forward."""

    table: pl.DataFrame
    known_until: datetime
    run_id: str
    time_zone: str

    def sentence(self) -> str:
        """Say what the whole force may expect, and how that differs from what was planned."""
        row = self.table.filter(level="force", span="sum").row(0, named=True)
        hours = self.table.filter(level="force", span="hour").height
        at = periods.as_read(self.known_until, self.time_zone, "%A %H:%M")
        planned = row["planned_mean"]
        against = ""
        if planned:
            more = row["incidents_mean"] / planned - 1
            against = (
                f", {abs(more):.0%} {'more' if more > 0 else 'fewer'} than planned"
                if abs(more) >= 0.005
                else ", as planned"
            )
        return (
            f"{at}, next {count_of(hours, 'hour')}: {row['incidents_mean']:.0f} incidents expected "
            f"(80%: {row['incidents_p10']}–{row['incidents_p90']}){against}."
        )

    def lines(self) -> list[str]:
        """Give the force's hours and the sums of its districts as lines of a table, under what they come to."""
        lines = [self.sentence(), "", f"{'':18}{'expected':>9}{'80%':>10}{'planned':>9}"]
        districts = self.table.filter(level="district", span="sum").sort("area_id")
        hours = self.table.filter(level="force", span="hour").sort("hour_starting")
        lines += [
            _line(periods.as_read(row["hour_starting"], self.time_zone), row) for row in hours.iter_rows(named=True)
        ]
        lines += ["", *(_line(row["area_id"], row) for row in districts.iter_rows(named=True))]
        return lines


def _line(words: str, row: Mapping[str, Any]) -> str:
    planned = "" if row["planned_mean"] is None else f"{row['planned_mean']:.1f}"
    band = f"{row['incidents_p10']}–{row['incidents_p90']}"
    return f"{words[:17]:18}{row['incidents_mean']:9.1f}{band:>10}{planned:>9}"


@dataclass(frozen=True)
class Brought:
    """The latest run's forecast brought forward to `known_until`, and what it was brought forward with.

    `calls` are the incidents of the last weeks without those merged into others, each in the area that its source
    says; `draws` the joint paths of the coming hours, and `draw` gives others by the same knowledge (hours, paths).
    """

    still: Store
    settings: Settings
    run: Mapping[str, Any]
    areas: pl.DataFrame
    calls: pl.DataFrame
    known_until: datetime
    until: datetime | None
    draws: NextDraws
    draw: Callable[[int, int], NextDraws]

    @property
    def run_id(self) -> str:
        """Give the run's id."""
        return str(self.run["run_id"])

    def place(self, calls: pl.DataFrame) -> pl.DataFrame:
        """Give calls in the areas of the run."""
        return _place(calls, self.areas, self.run, self.settings)


def look_ahead(folder: Path | str, hours: int = 12) -> NextHours:
    """Expect the incidents of the next hours, by what came in since the latest run.

    Hours are counted from the start of the hour of the last incident, because that hour is not over. Raises NoInput
    where there is no run yet.
    """
    found = bring_forward(folder, hours, PATHS)
    return NextHours(expect(found, found.draws), found.known_until, found.run_id, found.settings.force.time_zone)


def expect(brought: Brought, draws: NextDraws) -> pl.DataFrame:
    """Give what is expected by draws of a forecast that was brought forward, beside its plan, as table `next_hours`."""
    return _beside_plan(draws.table(), brought.still, brought.run_id, brought.known_until)


def bring_forward(
    folder: Path | str, hours: int, paths: int, *, until: datetime | None = None, still: Store | None = None
) -> Brought:
    """Draw the next hours by what came in since the latest run, or of it what came before `until`.

    Raises NoInput where there is no run yet, or one that has seen what came later.
    """
    settings = settings_.read(folder)
    still = still or Store(folder).snapshot()
    if still.runs().is_empty():
        raise NoInput(f"There is no forecast to bring forward yet. 'bluelamp plan {folder}' makes one.")
    run = still.latest_run()
    run_id, zone = str(run["run_id"]), settings.force.time_zone
    model = _read_model(still.artefact("forecast_parameters.npz", run_id))
    planned_until: datetime = run["data_until"]
    if until is not None and until < planned_until:
        raise NoInput(
            f"The latest run has seen what came until {planned_until:%Y-%m-%d %H:%M} UTC: from an earlier moment there "
            "is nothing to look ahead. 'bluelamp plan --from' with an earlier day makes a run that has seen less."
        )
    calls = still.read("incidents", where=pl.col("received_at") >= planned_until - _USUAL)
    if until is not None:
        calls = calls.filter(pl.col("received_at") < until)
    calls = settled.leave_out_merged(calls, [])
    last = calls["received_at"].max()
    assert isinstance(last, datetime)
    # The hour of the last incident is not over.
    begins: datetime = periods.hours_between(zone, last - timedelta(hours=2), last + timedelta(microseconds=1))[-1]
    known_until = max(begins, planned_until)
    outages = settled.find_outages(calls.filter(pl.col("received_at") < known_until), settings)
    areas = reading.read_used(still, "areas", run_id)
    since = min(
        planned_until,
        periods.local_days(zone, *[known_until.astimezone(periods.zone(zone)).date()] * 2)["starts_at"][0],
    )
    lately = _place(calls.filter(pl.col("received_at") >= since - timedelta(days=1)), areas, run, settings)
    force = settings.force
    counted, events, drivers = (
        _count(lately, areas, still, run_id, settings),
        still.read("events"),
        still.read("drivers"),
    )

    def draw(hours: int, paths: int) -> NextDraws:
        return draw_next(
            model, counted, areas, events, outages, known_since=since, known_until=known_until, hours=hours,
            time_zone=zone, paths=paths, seed=settings.forecast.seed, country=force.country,
            subdivision=force.subdivision, drivers=drivers,
        )  # fmt: skip

    return Brought(still, settings, run, areas, calls, known_until, until, draw(hours, paths), draw)


# What keeps the next hours current asks for the same run's again and again.
@lru_cache(maxsize=2)
def _read_model(path: Path) -> RateModel:
    return read_model(path.read_bytes())


@lru_cache(maxsize=2)
def _planned(folder: Path, run_id: str) -> pl.DataFrame:
    """Give what a run expected by hour and place; a run never changes."""
    whole = (pl.col("span") == "hour") & (pl.col("class_code") == "all") & (pl.col("grade_code") == "all")
    found = Store(folder).result("forecast", run_id, whole)
    return found.select("level", "area_id", "hour_starting", planned_mean="incidents_mean")


def _place(calls: pl.DataFrame, areas: pl.DataFrame, run: Mapping[str, Any], settings: Settings) -> pl.DataFrame:
    zone = settings.force.time_zone
    lowest = areas.filter(pl.col("level") == "area")["area_id"].to_list()
    if len(lowest) == 1:
        return calls.with_columns(area_id=pl.lit(lowest[0]))
    day = run["forecast_from"].astimezone(periods.zone(zone)).date()
    return incidents.place_incidents(
        calls, areas, day, zone, default_points=settings.areas.default_points,
        border_metres=settings.areas.border_metres,
    ).incidents  # fmt: skip


def _count(calls: pl.DataFrame, areas: pl.DataFrame, store: Store, run_id: str, settings: Settings) -> pl.DataFrame:
    """Count what drives the forecast by hour, in the areas of the run."""
    lowest = areas.filter(pl.col("level") == "area")["area_id"].to_list()
    calls = calls.filter(pl.col("origin").is_in(list(settings.demand.origins)))
    times = reading.read_used(store, "service_times", run_id)
    return incidents.count_demand(calls, times, lowest, settings.force.time_zone, plan.crew_by_hour(settings))


def _beside_plan(expected: pl.DataFrame, store: Store, run_id: str, known_until: datetime) -> pl.DataFrame:
    """Add what the run expected of the same hours."""
    keys = ["level", "area_id", "hour_starting"]
    hourly = expected.filter(span="hour").join(
        _planned(store.folder, run_id), on=keys, how="left", maintain_order="left"
    )
    known = pl.when(pl.col("planned_mean").is_null().any()).then(None).otherwise(pl.col("planned_mean").sum())
    together = hourly.group_by("level", "area_id").agg(planned_mean=known)
    sums = expected.filter(span="sum").join(together, on=["level", "area_id"], how="left", maintain_order="left")
    return tables.publish(pl.concat([hourly, sums]).with_columns(known_until=pl.lit(known_until)), "next_hours")
