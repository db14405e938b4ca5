"""The whole flow on one page: incidents → demand → forecast → required staff → coverage ← deployable ← duties.

`plan` reads a force's tables, calls the stages in order and files what they give as one run, with everything that it
was made from: settings, seed, batches and versions. `compute` is the same without a store: tables in, tables out.
"""

from __future__ import annotations

import io
import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bluelamp import (
    committed,
    coverage,
    deployable,
    extensions,
    forecast,
    geography,
    incidents,
    offered_work,
    periods,
    pools,
    staffing,
    tables,
)
from bluelamp import settings as settings_
from bluelamp.errors import NoInput, UsageError, count_of, one_of
from bluelamp.settings import Settings
from bluelamp.store import Store

INPUTS = (
    "areas", "pools", "incidents", "people", "duties", "absences", "commitments", "vehicles", "standards", "minimums",
    "events", "service_times", "unit_status", "unit_crews")  # fmt: skip
RESULTS = ("outages", "committed", "demand", "forecast", "required_staff", "deployable", "coverage")
# Imported tables as the run used them (areas may have been derived, targets assumed, times measured): kept with the
# run, so that its map can be drawn again when the force's own tables have moved on.
USED = ("areas", "pools", "standards", "service_times")

# Committed time is shown for the weeks before the first day to forecast: as far back as a planner looks.
COMMITTED_DAYS = 56
# A year without data is longer than any season can be carried over.
LONGEST_GAP_DAYS = 365

# A force that has given no target yet gets one that any officer would recognise, and is told so on every page.
ASSUMED_STANDARD = {
    "grade_code": "all",
    "grade_name": "Every incident",
    "area_kind": "all",
    "target_minutes": 15.0,
    "target_share": 0.9,
    "clock_starts": "received",
    "clock_stops": "arrived",
    "handling_minutes": 2.0,
    "travel_minutes": 7.0,
    "source": "assumption, because the force has given no standards",
}

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Planned:
    """What `compute` gives: the results, the tables as they were used, what a reader should know, and what paths can
    be drawn again from.
    """

    results: dict[str, pl.DataFrame]
    used: dict[str, pl.DataFrame]
    notes: list[str]
    parameters: bytes
    data_until: datetime
    forecast_from: datetime
    seconds: dict[str, float]


def plan(
    folder: Path | str,
    *,
    forecast_from: datetime | None = None,
    as_of: datetime | None = None,
    progress: Progress = lambda stage, share: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC).replace(microsecond=0),
) -> str:
    """Run the whole flow for the force in a folder and file the results as a new run; returns its run_id.

    `forecast_from` is the first hour to forecast (a local midnight; by default the first one after the data ends);
    `as_of` reads every table as it was known at an earlier moment.
    Raises NoInput where there is nothing to plan from, BadSettings where force.toml is wrong.
    """
    settings = settings_.read(folder)
    store = Store(folder)
    progress("reading", 0.0)
    # One moment for all tables, whatever is imported meanwhile.
    still = store.snapshot()
    inputs = {name: still.read(name, as_of=as_of) for name in INPUTS}
    batches = still.batches()
    if inputs["incidents"].is_empty():
        raise NoInput(f"The force in '{folder}' has no incidents yet. 'bluelamp import {folder} FILE' brings them in.")
    planned = compute(inputs, settings, forecast_from=forecast_from, progress=progress)
    run = {
        "made_at": now(),
        "data_until": planned.data_until,
        "forecast_from": planned.forecast_from,
        "method": settings.forecast.method,
        "staffing_method": settings.staffing.method,
        "seed": settings.forecast.seed,
        "settings": _as_json(settings.model_dump(mode="json")),
        "batches": _as_json(batches["batch_id"].to_list()),
        "versions": _as_json(_versions()),
        "results_sha256": _as_json(
            {name: tables.fingerprint(frame, name) for name, frame in (planned.results | planned.used).items()}
        ),
        "notes": _as_json(planned.notes),
        "seconds": _as_json({stage: round(seconds, 3) for stage, seconds in planned.seconds.items()}),
    }
    progress("filing", 0.0)
    artefacts = {f"{name}.parquet": _as_parquet(planned.used[name]) for name in USED}
    run_id = store.write_run(run, planned.results, artefacts | {"forecast_parameters.npz": planned.parameters})
    progress("filing", 1.0)
    return run_id


def compute(
    inputs: Mapping[str, pl.DataFrame],
    settings: Settings,
    *,
    forecast_from: datetime | None = None,
    progress: Progress = lambda stage, share: None,
) -> Planned:
    """Run the stages in order on tables by name; tables that are not given are empty. Nothing is read or written.

    With `forecast_from`, a local midnight, the run is what it would have been then: incidents received later are left
    out of everything. Raises NoInput where no incident is left, UsageError where `forecast_from` is no local midnight
    or lies more than a year after the last incident.
    """
    given = {name: inputs.get(name, tables.empty(name)) for name in INPUTS}
    zone, force = settings.force.time_zone, settings.force.id
    if forecast_from is not None:
        if periods.next_local_midnight(forecast_from, zone) != forecast_from:
            raise UsageError(f"A forecast begins at midnight in {zone}, and {forecast_from} is not one there.")
        for name, column in (("incidents", "received_at"), ("unit_status", "status_at"), ("unit_crews", "starts_at")):
            given[name] = given[name].filter(pl.col(column) < forecast_from)
    if given["incidents"].is_empty():
        before = "" if forecast_from is None else f" before {forecast_from:%Y-%m-%d %H:%M} UTC"
        raise NoInput(f"There are no incidents{before} to plan from. Import some first.")
    crew = crew_by_hour(settings)
    notes: list[str] = []
    clock = _Clock(progress)

    clock.start("areas")
    areas, calls = place_incidents(given["areas"], given["incidents"], settings, notes)
    cover = given["pools"]
    if cover.filter(pl.col("role_code") == settings.staffing.role).is_empty():
        cover = geography.default_pools(areas, settings.staffing.role)
        each = "each district is one pool" if cover["pool_id"].n_unique() > 1 else "one pool covers the whole force"
        notes.append(f"No pools were given, so that {each} at all hours.")
    standards = given["standards"]
    if standards.is_empty():
        standards = tables.check(pl.DataFrame([ASSUMED_STANDARD]), "standards")
        notes.append(
            "No response targets were given: 90 % of all incidents within 15 minutes is assumed. Import 'standards'."
        )

    clock.start("committed")
    calls, committed_time = _with_unit_time(calls, given, settings, notes)
    calls = _without_merged(calls, notes)

    clock.start("demand")
    last = calls["received_at"].max()
    assert isinstance(last, datetime)
    # The hour of the last incident is taken as whole; outages mask it where it plainly is not.
    data_until: datetime = periods.hours_between(zone, last + timedelta(microseconds=1), last + timedelta(hours=2))[0]
    starts = forecast_from or periods.next_local_midnight(data_until, zone)
    notes += _notes_on_age(data_until, starts, zone)
    # A feed that is down is down for every origin, so all of them tell.
    outages = incidents.find_outages(calls, zone, settings.demand.outage_share, settings.demand.declared_outages)
    # The force's own rows come first; what they leave out is a shipped prior, named as one.
    priors = pl.concat([given["service_times"], incidents.read_priors()]).unique(
        ["class_code", "grade_code"], keep="first", maintain_order=True
    )
    service_times = incidents.measure_service_times(calls, priors)
    lowest = areas.filter(pl.col("level") == "area")["area_id"].to_list()
    demand = incidents.count_demand(calls, service_times, lowest, zone, crew)
    driving = demand.filter(pl.col("origin").is_in(list(settings.demand.origins)))
    notes += _notes_on_demand(demand, driving, outages)

    clock.start("forecast")
    path_days = min(settings.forecast.path_days, settings.forecast.days)
    horizon = periods.local_days(
        zone, starts.astimezone(periods.zone(zone)).date(),
        starts.astimezone(periods.zone(zone)).date() + timedelta(days=path_days - 1),
    )  # fmt: skip
    ends_at: datetime = horizon["ends_at"][-1]
    hours = periods.hours_between(zone, starts, ends_at)
    area_ids = [*sorted(lowest), pools.UNKNOWN_AREA]
    pool_hours = pools.lay_out_pools(cover, settings.staffing.role, area_ids, hours, zone)
    predicted = forecast.make_forecast(
        driving, areas, given["events"], outages, service_times,
        force_id=force, time_zone=zone, forecast_from=starts, data_until=data_until, method=settings.forecast.method,
        weeks=settings.forecast.weeks, paths=settings.forecast.paths, path_days=path_days,
        days=settings.forecast.days, seed=settings.forecast.seed, country=settings.force.country,
        subdivision=settings.force.subdivision, crew_size_by_hour=crew, pool_hours=pool_hours,
        progress=lambda share: progress("forecast", share),
    )  # fmt: skip
    notes += predicted.model.notes

    clock.start("staffing")
    series = predicted.model.series
    pool_hours = pools.lay_out_pools(cover, settings.staffing.role, series.area_ids, hours, zone)
    kinds = dict(areas.filter(pl.col("level") == "area").select("area_id", "kind").iter_rows())
    work = offered_work.offer_work(
        predicted.rates(), predicted.multipliers, predicted.calendar.day_of_hour, series.cells, series.district_of_area,
        [kinds.get(area, "all") for area in series.area_ids], service_times, standards, pool_hours, hours, zone,
    )  # fmt: skip
    required = staffing.require_staff(
        work, given["minimums"], cover.filter(pl.col("role_code") != settings.staffing.role),
        time_zone=zone, crew_size_by_hour=crew, abstraction=settings.staffing.abstraction,
        utilisation=settings.staffing.utilisation,
    )  # fmt: skip

    clock.start("deployable")
    on_duty = deployable.find_deployable(
        given["duties"], given["people"], given["absences"], given["commitments"], given["vehicles"], cover,
        pool_hours=pool_hours, hours=hours, ends_at=ends_at, time_zone=zone, crew_size_by_hour=crew,
        day_starts_at=settings.duties.day_starts_at, briefing_minutes=settings.duties.briefing_minutes,
        refreshments=[(row.at_least_hours, row.minutes) for row in settings.duties.refreshments],
        desk_roles=settings.duties.desk_roles,
    )  # fmt: skip

    clock.start("coverage")
    covered = coverage.find_coverage(
        predicted.table, required, on_duty.table, areas,
        work=work, load=staffing.load_seen_by(settings.staffing.method, work), method=settings.staffing.method,
        force_id=force,
    )  # fmt: skip
    notes += _notes_on_cover(work, cover, given, zone)
    notes += _notes_on_rosters(covered)
    notes += on_duty.notes
    if not on_duty.table.is_empty():
        notes += _notes_on_the_sheet(given)
    if covered["units_on_duty"].is_null().all():
        notes.append("No duties are on hand for these hours: the map shows what is required, not what is short.")
    clock.stop()
    results = {
        "outages": outages, "committed": committed_time, "demand": demand, "forecast": predicted.table,
        "required_staff": required, "deployable": on_duty.table, "coverage": covered,
    }  # fmt: skip
    used = {"areas": areas, "pools": cover, "standards": standards, "service_times": service_times}
    return Planned(
        results={name: tables.publish(results[name], name) for name in RESULTS},
        used={name: tables.publish(used[name], name) for name in USED},
        notes=notes,
        parameters=predicted.model.to_bytes(),
        data_until=data_until,
        forecast_from=starts,
        seconds=clock.seconds,
    )


def crew_by_hour(settings: Settings) -> tuple[int, ...]:
    """Give the officers in a unit by local hour of the day: the first crewing row that holds, else crew_size."""
    sizes = []
    for hour in range(24):
        rows = [row for row in settings.staffing.crewing if pools.holds_at(row.from_hour, row.to_hour, hour)]
        sizes.append(rows[0].crew_size if rows else settings.staffing.crew_size)
    return tuple(sizes)


def place_incidents(
    areas: pl.DataFrame, calls: pl.DataFrame, settings: Settings, notes: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Settle which areas there are, and which each incident lies in.

    The force's own boundaries come first; else, where asked for, areas derived from points that name their area; else
    the force is one area. An incident with a point and no area gets the area that the point lies in.
    """
    # Names without boundaries are areas all the same: they can be counted and staffed, only not drawn.
    named = bool(calls["area_id"].is_not_null().any())
    if areas.is_empty() and (settings.areas.from_points or named):
        areas = geography.areas_from_points(calls, force_id=settings.force.id, force_name=settings.force.name)
    if areas["is_approximate"].any():
        drawn = areas["boundary"].is_not_null().any()
        notes.append(
            "Boundaries are approximate: they were derived from labelled points, not drawn by the force."
            if drawn
            else "Areas are known by name alone: there are neither boundaries nor points to draw them from."
        )
    if areas.is_empty():
        areas = geography.one_area(settings.force.id, settings.force.name)
        only = areas.filter(pl.col("level") == "area")["area_id"].item()
        notes.append("No areas were given, so that the whole force is one area.")
        return areas, calls.with_columns(area_id=pl.lit(only))
    placeless = calls["area_id"].is_null() & calls["longitude"].is_not_null() & calls["latitude"].is_not_null()
    if placeless.any():
        found = geography.assign_areas(calls, areas)
        calls = calls.with_columns(area_id=pl.coalesce("area_id", found))
    return areas, calls


def _with_unit_time(
    calls: pl.DataFrame, given: Mapping[str, pl.DataFrame], settings: Settings, notes: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give incidents with who was sent to them, as the status log says, and the table `committed`.

    A force without a status log has only the logs' own times, and is told what that leaves out.
    """
    zone, presses = settings.force.time_zone, given["unit_status"]
    if presses.is_empty():
        notes.append(
            "No 'unit_status' is given: times are those of the incident log, so that work without a log, write-up, "
            "guards and units that came back are not known."
        )
        return calls, tables.empty("committed")
    first_press, last_press = presses["status_at"].min(), presses["status_at"].max()
    last_call = calls["received_at"].max()
    assert isinstance(first_press, datetime)
    assert isinstance(last_press, datetime)
    assert isinstance(last_call, datetime)
    until = max(last_press, last_call)
    found = committed.find_attendances(presses, given["unit_crews"], calls, until)
    deployments = committed.measure_deployments(found.attendances, calls)
    calls = calls.join(
        deployments.select("incident_id", "was_deployed", "units_sent", "unit_seconds"),
        on="incident_id", how="left", maintain_order="left",
    )  # fmt: skip
    hours = periods.hours_between(zone, max(first_press, until - timedelta(days=COMMITTED_DAYS)), until)
    counted = committed.count_committed(found.attendances, hours, settings.force.id, zone)
    notes += _notes_on_committed(found, counted)
    return calls, counted


def _notes_on_committed(found: committed.UnitTime, counted: pl.DataFrame) -> list[str]:
    """Say how far committed time can be believed, and how much of it the requirement does not know."""
    of_force = counted.filter(pl.col("level") == "force", ~pl.col("stage").is_in(["available", "unknown"]))
    total = float(of_force["unit_hours"].sum())
    if not total:
        return ["The status log tells of no committed time."]
    repaired = float(of_force["repaired_unit_hours"].sum())
    apart = {
        "guards, custody and other long commitments": pl.col("is_long"),
        "write-up": pl.col("stage") == "write_up",
        "work without a log": ~pl.col("has_incident") & ~pl.col("is_long")
        & ~pl.col("stage").is_in(["write_up", "briefing", "refreshments"]),
    }  # fmt: skip
    parts = [
        f"{words} {float(of_force.filter(holds)['unit_hours'].sum()) / total:.0%}" for words, holds in apart.items()
    ]
    notes = [
        f"{repaired / total:.1%} of committed unit-hours begin or end by a rule of repair, where a press was missed.",
        f"Of committed time, {', '.join(parts)} are not in the requirement, which knows incidents alone.",
    ]
    weeks = found.clock.filter(pl.col("hours_ahead") != 0).height
    if weeks:
        notes.append(
            f"In {count_of(weeks, 'week')} the clocks of status log and incident log differ by whole hours; nothing "
            "was repaired by the log's times then."
        )
    return notes


def _without_merged(calls: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Leave out logs that were merged into another: the call is counted there."""
    kept = calls.filter(pl.col("merged_into").is_null() | (pl.col("merged_into") == pl.col("incident_id")))
    if kept.height < calls.height:
        merged = count_of(calls.height - kept.height, "log was", "logs were")
        notes.append(f"{merged} merged into another and count there.")
    return kept


def _notes_on_age(data_until: datetime, starts: datetime, time_zone: str) -> list[str]:
    """Say how long before the first day to forecast the data ends; refuse more than a year, of which nobody knows."""
    days = (starts - data_until).days
    moments = (data_until - timedelta(microseconds=1), starts)
    last, first = (at.astimezone(periods.zone(time_zone)).date() for at in moments)
    if days > LONGEST_GAP_DAYS:
        raise UsageError(
            f"The incidents end on {last}, {count_of(days, 'day')} before {first}: nothing can be said of a "
            "time so far from what is known. Import newer incidents, or choose a day within a year of the last one."
        )
    if days < 7:
        return []
    return [
        f"The incidents end on {last}, {count_of(days, 'day')} before the first day of the forecast. Nothing is known "
        "of the time between, and the ranges are wider for it."
    ]


def _notes_on_demand(demand: pl.DataFrame, driving: pl.DataFrame, outages: pl.DataFrame) -> list[str]:
    notes = []
    total, kept = int(demand["incidents"].sum()), int(driving["incidents"].sum())
    if kept < total:
        notes.append(
            f"{count_of(total - kept, 'incident')} of {total:,} ({(total - kept) / total:.1%}) are of origins that do "
            "not drive the forecast (officer-initiated, directed, administrative) and are kept apart."
        )
    unknown = int(driving.filter(pl.col("area_id") == pools.UNKNOWN_AREA)["incidents"].sum())
    if unknown:
        notes.append(
            f"{count_of(unknown, 'incident')} ({unknown / max(kept, 1):.1%}) have no known area; pools share them out "
            "in proportion to their own."
        )
    measured = int(driving["measured"].sum())
    if measured < 0.995 * kept:
        notes.append(
            f"Officer-hours of {1 - measured / max(kept, 1):.0%} of incidents rest on means and priors, because their "
            "own times are not complete."
        )
    masked = float((outages["ends_at"] - outages["starts_at"]).dt.total_hours().sum()) if outages.height else 0.0
    if masked:
        hours = count_of(round(masked), "hour")
        notes.append(f"{hours} of the history lie in outages, and count neither as demand nor as quiet.")
    return notes


def _notes_on_cover(
    work: offered_work.OfferedWork, cover: pl.DataFrame, given: Mapping[str, pl.DataFrame], time_zone: str
) -> list[str]:
    """Name what has no say in requirement and gap, because the tables do not fit together."""
    notes = []
    unjudged = []
    for grade, calls, urgency in zip(work.grades, work.area_arrivals.sum(axis=1), work.urgency, strict=True):
        has_none = np.isinf(urgency)
        if calls[has_none].any():
            unjudged.append(f"'{grade}'" if has_none.all() else f"'{grade}' (on some days)")
    if unjudged:
        notes.append(
            f"No response target applies to grade {', '.join(unjudged)}: those calls keep units busy, but ask for "
            "none of their own and are never called late."
        )
    changes = np.flatnonzero((work.holds[:, 1:] != work.holds[:, :-1]).any(axis=0)) + 1
    if len(changes):
        days = [f"{day:%Y-%m-%d}" for day in periods.local_parts(work.hours[changes], time_zone)["day"]]
        notes.append(f"Response targets change on {', '.join(days)}; each day is held to its own.")
    hopeless = sorted({target.grade_code for target in work.targets if target.waiting_minutes == 0})
    if hopeless:
        notes.append(
            f"The target of grade {one_of(hopeless)} leaves no time to wait once handling and travel are paid: more "
            "officers alone can't meet it, and its chance of lateness reads too low."
        )
    for name in ("duties", "minimums", "commitments", "vehicles"):
        # Vehicles belong to a pool, whatever its role.
        place = [column for column in ("pool_id", "role_code") if column in given[name].columns]
        strange = given[name].join(cover, on=place, how="anti")
        if strange.height:
            pool_ids = strange["pool_id"].unique().sort()
            more = f" and {len(pool_ids) - 3} more" if len(pool_ids) > 3 else ""
            of_role = " for that role" if "role_code" in place else ""
            notes.append(
                f"{count_of(strange.height, 'row')} of '{name}' speak of pools that 'pools' does not have{of_role} "
                f"({', '.join(pool_ids[:3])}{more}), and are left out."
            )
    uncovered = int((~work.pool_hours.runs.any(axis=0)).sum())
    if uncovered:
        notes.append(f"In {count_of(uncovered, 'hour')} no pool covers any area, so that nobody is asked for.")
    return notes


def _notes_on_rosters(covered: pl.DataFrame) -> list[str]:
    """Name the pools whose roster is not written for hours in which that of others of their role is."""
    of_pools = covered.filter(pl.col("level") == "pool")
    behind = of_pools.filter(
        pl.col("officers_on_duty").is_null()
        & pl.col("officers_on_duty").is_not_null().any().over("role_code", "hour_starting")
    )
    if behind.is_empty():
        return []
    pool_ids = behind["pool_id"].unique().sort().to_list()
    more = f" and {len(pool_ids) - 3} more" if len(pool_ids) > 3 else ""
    return [
        f"The duties of {', '.join(pool_ids[:3])}{more} do not reach as far as those of other pools: in "
        f"{count_of(behind['hour_starting'].n_unique(), 'hour')} their gap, and the force's, is not known."
    ]


def _notes_on_the_sheet(given: Mapping[str, pl.DataFrame]) -> list[str]:
    """Say what is taken of the officers on the sheet because the table that would tell is not given."""
    taken = {
        "absences": "that everybody with a duty is there",
        "people": "that nobody is a student or restricted",
        "commitments": "that no planned operation takes anybody away",
        "vehicles": "that there is a vehicle for every unit",
    }
    missing = [name for name in taken if given[name].is_empty()]
    if not missing:
        return []
    *others, last = (taken[name] for name in missing)
    return [f"No {one_of(missing)} are given. It is taken {', '.join(others)}{' and ' if others else ''}{last}."]


class _Clock:
    """Clock time by stage, kept apart from results because it differs from run to run."""

    def __init__(self, progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._stage = ""
        self._began = 0.0

    def start(self, stage: str) -> None:
        self.stop()
        self._stage, self._began = stage, time.perf_counter()
        self._progress(stage, 0.0)

    def stop(self) -> None:
        if self._stage:
            self.seconds[self._stage] = time.perf_counter() - self._began
            self._progress(self._stage, 1.0)
            self._stage = ""


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _versions() -> dict[str, str]:
    """Versions that figures depend on."""
    found = {"python": platform.python_version()}
    for package in ("bluelamp", "numpy", "polars", "holidays", "shapely", "tzdata"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found


def staffing_methods() -> list[str]:
    """Name the rungs of the staffing ladder."""
    return list(extensions.members("staffing"))


def read_table(folder: Path | str, name: str, run_id: str | None = None, as_of: datetime | None = None) -> pl.DataFrame:
    """Give any table of a force: an imported one as it stands now, a result of a run (the latest by default), or an
    imported one as a run used it, where runs keep it (areas, pools, standards, service_times). `as_of` gives an
    imported table as it was known at an earlier moment.

    Raises UsageError where there is no such table, or a run or a moment is asked for one that has none; NoInput
    where there is no force, or no run to read it from.
    """
    definition = tables.table(name)
    if run_id is not None and definition.kind != "result" and name not in USED:
        raise UsageError(f"'{name}' does not belong to a run: there is one of it for the force. Leave the run out.")
    if as_of is not None and (definition.kind != "imported" or run_id is not None):
        raise UsageError(f"'{name}' is not told as of a moment: only imported tables are, without a run.")
    settings_.read(folder)
    store = Store(folder)
    if as_of is not None:
        return store.read(name, as_of=as_of)
    if name == "batches":
        return store.batches()
    if name == "runs":
        return store.runs()
    if name == "quarantine":
        return store.quarantined()
    if name == "erasures":
        return store.erasures()
    if name in USED and (run_id is not None or not store.runs().is_empty()):
        return read_used(store, name, run_id)
    return store.read(name) if definition.kind == "imported" else store.result(name, run_id)


def read_used(store: Store, name: str, run_id: str | None = None) -> pl.DataFrame:
    """Give an imported table as a run used it."""
    return pl.read_parquet(store.artefact(f"{name}.parquet", run_id))


def _as_parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()
