"""The whole flow on one page: incidents → demand → forecast → required staff → coverage ← deployable ← duties.

`plan` reads a force's tables, calls the stages in order and files what they give as one run, with everything that it
was made from: settings, seed, batches and versions. `compute` is the same without a store: tables in, tables out.
"""

from __future__ import annotations

import io
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bluelamp import (
    abstraction,
    breaks,
    call_takers,
    committed,
    coverage,
    deployable,
    duty_sheet,
    extensions,
    forecast,
    geography,
    headroom,
    hotspots,
    incidents,
    investigation,
    offered_work,
    outlook,
    patrols,
    peaks,
    periods,
    pools,
    redrawn,
    remarks,
    scoreboard,
    settled,
    staffing,
    tables,
    time_budget,
)
from bluelamp import settings as settings_
from bluelamp.errors import BadData, NoInput, UsageError, count_of
from bluelamp.reading import USED
from bluelamp.settings import Settings
from bluelamp.shifts import Coming
from bluelamp.slots import Slots
from bluelamp.store import Store, listed, tried, tried_peaks
from bluelamp.store import filed as filing

INPUTS = (
    "areas", "pools", "incidents", "people", "duties", "absences", "commitments", "vehicles", "standards", "minimums",
    "events", "drivers", "service_times", "unit_status", "unit_crews", "contacts", "stated_changes", "offences",
    "harm_weights", "visits", "cases",
)  # fmt: skip
OF_UNIT_TIME = ("committed", "committed_rules", "open_logs", "units_now")
RESULTS = (
    "outages", *OF_UNIT_TIME, "demand", "offending", "repeats", "most_repeated", "feedback", "suppressed", "forecast",
    "forecast_months", "abstraction", "relief_factors", "contact_forecast", "required_agents",
    "required_investigators", "required_staff", "deployable", "headroom", "time_budget", "coverage", *peaks.NAMES,
    "hotspots", "patrol_dose", "exposure", *scoreboard.NAMES,
)  # fmt: skip
# Committed time is shown for the weeks before the first day to forecast: as far back as a planner looks.
COMMITTED_DAYS = 56
# A control room's roster is set this far ahead by the quarter-hour; beyond, days tell how many will be needed.
CONTACT_DAYS = 14

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

# A role that has lost nearly all of its hours asks for no whole force in its stead.
MOST_LOST = 0.95

# Offences are forecast for their peaks alone: of the coming week by paths, and fewer of them.
OFFENCE_DAYS, OFFENCE_PATHS = 7, 200

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
    beside: pl.DataFrame | None = None  # the forecast to be filed, with the naive ones beside it
    instead: Mapping[str, str] = field(default_factory=dict)  # methods that stand in, by place


def plan(
    folder: Path | str,
    *,
    forecast_from: datetime | None = None,
    as_of: datetime | None = None,
    artefacts: Mapping[str, bytes] | None = None,
    progress: Progress = lambda stage, share: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC).replace(microsecond=0),
) -> str:
    """Run the whole flow for the force in a folder and file the results as a new run; returns its run_id.

    The forecast is filed before the fact beside the naive ones, unless it is a view of an earlier time, and is made by
    the method that forecasts filed before speak for.

    `forecast_from` is the first hour to forecast (a local midnight; by default the first one after the data ends);
    `as_of` reads every table as it was known at an earlier moment. `artefacts` are kept with the run beside its own, by
    which whoever asked for it can find it again.
    Raises NoInput where there is nothing to plan from, BadSettings where force.toml is wrong.
    """
    settings = settings_.read(folder)
    store = Store(folder)
    progress("reading", 0.0)
    # One moment for all tables, whatever is imported meanwhile.
    still = store.snapshot()
    # Told now, and not after all the work.
    still.insist_on_upgraded(RESULTS)
    inputs = {name: still.read(name, as_of=as_of) for name in INPUTS}
    batches = still.batches()
    if inputs["incidents"].is_empty() and as_of is not None and batches.height:
        raise NoInput(f"Nothing was known of incidents at {as_of:%Y-%m-%d %H:%M} UTC. Ask for a later moment.")
    if inputs["incidents"].is_empty():
        raise NoInput(f"The force in '{folder}' has no incidents yet. 'bluelamp import {folder} FILE' brings them in.")
    not_filed = _why_not_filed(inputs["incidents"], forecast_from, as_of, settings.force.time_zone)
    planned = compute(
        inputs, settings, forecast_from=forecast_from, beside=not not_filed, progress=progress,
        filed=filing.read(folder), tried=tried_peaks.read(folder), maps=_chosen_maps(folder, settings),
        streets=read_streets(folder, settings), patrol_lists=listed.read(folder),
    )  # fmt: skip
    planned.notes.extend(not_filed)
    made_at = now()
    run = {
        "made_at": made_at,
        "data_until": planned.data_until,
        "forecast_from": planned.forecast_from,
        "method": planned.instead.get(settings.force.id, settings.forecast.method),
        "staffing_method": settings.staffing.method,
        "seed": settings.forecast.seed,
        "settings": _as_json(settings.model_dump(mode="json")),
        "batches": _as_json(batches["batch_id"].to_list()),
        "versions": _as_json(versions_used()),
        "results_sha256": _as_json(
            {name: tables.fingerprint(frame, name) for name, frame in (planned.results | planned.used).items()}
        ),
        "notes": _as_json(planned.notes),
        "seconds": _as_json({stage: round(seconds, 3) for stage, seconds in planned.seconds.items()}),
    }
    progress("filing", 0.0)
    kept = {**(artefacts or {}), **{f"{name}.parquet": _as_parquet(planned.used[name]) for name in USED}}
    kept |= {"forecast_parameters.npz": planned.parameters, **_file_forecast(folder, planned, settings, made_at)}
    run_id = store.write_run(run, planned.results, kept)
    progress("filing", 1.0)
    return run_id


def _why_not_filed(
    calls: pl.DataFrame, forecast_from: datetime | None, as_of: datetime | None, time_zone: str
) -> list[str]:
    """Say why a forecast can't be one before the fact, if so: because it leaves out what is known."""
    if as_of is not None:
        return ["This forecast is not filed for the scoreboard: it is a view of an earlier moment."]
    starts = settled.find_horizon(calls, None, time_zone)[1]
    if forecast_from is not None and forecast_from < starts:
        return [
            "This forecast is not filed for the scoreboard: it begins before the data ends, and what has come can't be "
            "forecast before the fact."
        ]
    return []


def _file_forecast(folder: Path | str, planned: Planned, settings: Settings, made_at: datetime) -> dict[str, bytes]:
    """File what lies ahead of a forecast, and give the artefact by which its run can prove it, if anything does."""
    if planned.beside is None:
        return {}
    rows = scoreboard.fileable(planned.beside, made_at, settings.force.time_zone)
    if rows.is_empty():
        return {}
    about = {
        "made_at": made_at,
        "data_until": planned.data_until,
        "forecast_from": planned.forecast_from,
        "first_at": rows["hour_starting"].min(),
        "last_at": rows["hour_starting"].max(),
        "method": settings.forecast.method,
        "used": dict(planned.instead),
        "paths": settings.forecast.paths,
        "seed": settings.forecast.seed,
        "software_version": versions_used()["bluelamp"],
    }

    def is_of_a_run(line: bytes) -> bool:
        return line in Store(folder).artefacts_named(filing.COPY).values()

    return {filing.COPY: filing.file(folder, about, rows, is_of_a_run=is_of_a_run)}


def compute(
    inputs: Mapping[str, pl.DataFrame],
    settings: Settings,
    *,
    forecast_from: datetime | None = None,
    filed: Sequence[scoreboard.Filed] = (),
    tried: pl.DataFrame | None = None,
    beside: bool = False,
    maps: Mapping[str, str] | None = None,
    streets: Mapping[str, Any] | None = None,
    patrol_lists: pl.DataFrame | None = None,
    progress: Progress = lambda stage, share: None,
) -> Planned:
    """Run the stages in order on tables by name; tables that are not given are empty. Nothing is read or written.

    With `forecast_from`, a local midnight, the run is what it would have been then: incidents received later are left
    out of everything. `filed` are forecasts filed earlier, which decide which method is in use where. With `beside`,
    the naive methods forecast beside it, as is filed. `maps` names the method of hotspot maps by class, as their test
    found it (none where they were not tested); `streets` is the GeoJSON of streets that the settings speak of,
    `patrol_lists` the visits of the lists that were kept (table `patrol_plan`).

    Raises NoInput where no incident is left, UsageError where `forecast_from` is no local midnight
    or lies more than a year after the last incident.
    """
    given = {name: inputs.get(name, tables.empty(name)) for name in INPUTS}
    given["areas"] = redrawn.that_hold(given["areas"])
    zone, force = settings.force.time_zone, settings.force.id
    if forecast_from is not None:
        if periods.next_local_midnight(forecast_from, zone) != forecast_from:
            raise UsageError(f"A forecast begins at midnight in {zone}, and {forecast_from} is not one there.")
        for name, column in (("incidents", "received_at"), ("unit_status", "status_at"), ("unit_crews", "starts_at"),
                             ("contacts", "contacted_at"), ("offences", "recorded_at"),
                             ("visits", "starts_at"), ("cases", "opened_at")):  # fmt: skip
            given[name] = given[name].filter(pl.col(column) < forecast_from)
        was_known = pl.coalesce("known_at", "hour_starting") < forecast_from
        given["drivers"] = given["drivers"].filter(was_known)
    if given["incidents"].is_empty():
        before = "" if forecast_from is None else f" before {forecast_from:%Y-%m-%d %H:%M} UTC"
        raise NoInput(f"There are no incidents{before} to plan from. Import some first.")
    crew = crew_by_hour(settings)
    notes: list[str] = []
    clock = _Clock(progress)

    clock.start("areas")
    data_until, starts = settled.find_horizon(given["incidents"], forecast_from, zone)
    today = starts.astimezone(periods.zone(zone)).date()
    areas, calls = settled.settle_areas(given["areas"], given["incidents"], settings, today, notes)
    if not given["areas"].is_empty():
        notes += remarks.on_areas(given["areas"], given["events"], today, settings.forecast.days)
    cover = given["pools"]
    if cover.filter(pl.col("role_code") == settings.staffing.role).is_empty():
        cover = geography.default_pools(areas, settings.staffing.role)
        each = "each district is one pool" if cover["pool_id"].n_unique() > 1 else "one pool covers the whole force"
        notes.append(f"No pools were given, so that {each} at all hours.")
    cover = pools.outlast_areas(cover, areas)
    standards = given["standards"]
    if standards.is_empty():
        standards = tables.check(pl.DataFrame([ASSUMED_STANDARD]), "standards")
        notes.append(
            "No response targets were given: 90% of all incidents within 15 minutes is assumed. Import 'standards'."
        )

    clock.start("committed")
    calls, unit_time, without_log, break_shares = _with_unit_time(calls, given, settings, notes)
    calls = settled.leave_out_merged(calls, notes)

    clock.start("demand")
    notes += remarks.on_age(data_until, starts, zone)
    # A feed that is down is down for every origin, so all of them tell.
    outages = settled.find_outages(calls, settings)
    # The force's own rows come first; what they leave out is a shipped prior, named as one.
    priors = pl.concat([given["service_times"], incidents.read_priors()]).unique(
        ["class_code", "grade_code"], keep="first", maintain_order=True
    )
    # Officers' own work lasts differently and leads to less; it speaks for kinds of incident that nobody else brings.
    drives = pl.col("origin").is_in(list(settings.demand.origins))
    service_times = pl.concat(
        incidents.measure_service_times(some, priors) for some in (calls.filter(drives), calls) if some.height
    ).unique(["class_code", "grade_code"], keep="first", maintain_order=True)
    lowest = areas.filter(pl.col("level") == "area")["area_id"].to_list()
    demand = incidents.count_demand(calls, service_times, lowest, zone, crew)
    driving = demand.filter(drives)
    notes += remarks.on_demand(demand, driving, outages)
    notes += remarks.on_priors(driving, service_times)
    repeats = incidents.find_repeats(calls, given["contacts"], service_times, data_until, zone, crew)
    notes += remarks.on_repeats(repeats.table)
    feedback = incidents.compare_origins(demand, settings.demand.origins, starts)
    notes += remarks.on_feedback(feedback, settings.demand.origins)
    suppressed = incidents.find_suppressed(
        calls, given["contacts"], service_times, data_until, zone, origins=settings.demand.origins,
        crew_size_by_hour=crew,
    )  # fmt: skip
    notes += remarks.on_suppressed(suppressed, given["contacts"])

    clock.start("offending")
    offences = given["offences"]
    if offences.height:
        offences = settled.settle_offences(offences, given["areas"], areas, settings, today)
    offending = _count_offending(offences, areas, settings, notes)

    clock.start("scoreboard")
    judged = scoreboard.make_scoreboard(
        filed, driving, outages, areas,
        method=settings.forecast.method, force_id=force, time_zone=zone, data_until=data_until,
    )  # fmt: skip
    notes += scoreboard.say_switched(judged.tables["scoreboard_places"], zone)

    clock.start("forecast")
    path_days = min(settings.forecast.path_days, settings.forecast.days)
    horizon = periods.local_days(
        zone, today, today + timedelta(days=path_days - 1),
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
        drivers=given["drivers"],
        instead=judged.instead, beside=forecast.NAIVE if beside else None, offending=settings.offending.classes,
        progress=lambda share: progress("forecast", share),
    )  # fmt: skip
    notes += predicted.model.notes

    clock.start("outlook")
    years = outlook.make_outlook(
        driving, areas, outages, predicted.table, given["stated_changes"],
        force_id=force, time_zone=zone, forecast_from=starts, data_until=data_until, paths=settings.forecast.paths,
        seed=settings.forecast.seed,
    )  # fmt: skip
    notes += years.notes

    clock.start("hotspots")
    ground = hotspots.lay_ground(
        given["offences"], calls, areas, outages, given["harm_weights"], offending=settings.offending,
        origins=settings.demand.origins, before=starts, time_zone=zone, streets=streets,
    )  # fmt: skip
    places = tables.empty("hotspots")
    if ground.history is not None:
        places = hotspots.make_hotspots(
            ground.history, maps or {}, shift_starts=settings.offending.shift_starts, harm=ground.harm,
            progress=lambda share: progress("hotspots", share),
        )  # fmt: skip
    notes += [*ground.notes, *remarks.on_hotspots(places, maps)]

    clock.start("patrols")
    ground_grid = None if ground.history is None else ground.history.grid
    visits = patrols.place_visits(given["visits"], areas, ground_grid)
    dose = patrols.find_dose(
        tables.empty("patrol_plan") if patrol_lists is None else patrol_lists, visits, ground_grid,
        shift_starts=settings.offending.shift_starts, time_zone=zone,
    )  # fmt: skip
    exposure = patrols.measure_exposure(
        areas, demand, visits, places.filter(class_code=hotspots.ALL), hotspots.count_by_area(ground.history),
        found_by_patrols=incidents.FOUND_BY_PATROLS, until=starts, shown_share=hotspots.SHARES[0],
    )  # fmt: skip
    notes += remarks.on_exposure(exposure)

    clock.start("abstraction")
    lost = abstraction.measure_abstraction(
        given["duties"], given["people"], given["absences"], given["commitments"], until=starts, time_zone=zone,
        day_starts_at=settings.duties.day_starts_at, briefing_minutes=settings.duties.briefing_minutes,
        refreshments=[(row.at_least_hours, row.minutes) for row in settings.duties.refreshments],
        break_shares=break_shares, desk_roles=settings.duties.desk_roles,
        post_hours_a_week=settings.staffing.post_hours_a_week,
    )  # fmt: skip
    measured = lost.by_role if settings.staffing.measure_abstraction else {}
    roles = {*cover["role_code"], settings.staffing.role, settings.contacts.role, settings.investigation.role}
    share_lost = {role: min(measured.get(role, settings.staffing.abstraction), MOST_LOST) for role in roles}
    notes += remarks.on_abstraction(lost, measured, settings.staffing)

    clock.start("contacts")
    contact_forecast, required_agents = _forecast_contacts(
        given, settings, starts, share_lost[settings.contacts.role], notes
    )

    clock.start("investigation")
    assert predicted.coming is not None
    required_investigators = _require_investigators(
        given, driving, predicted.coming, settings, starts, share_lost[settings.investigation.role], notes
    )

    clock.start("staffing")
    series = predicted.model.series
    pool_hours = pools.lay_out_pools(cover, settings.staffing.role, series.area_ids, hours, zone)
    kinds = dict(areas.filter(pl.col("level") == "area").select("area_id", "kind").iter_rows())
    work = offered_work.offer_work(
        predicted.rates(), predicted.multipliers, predicted.calendar.day_of_hour, series.cells, series.district_of_area,
        [kinds.get(area, "all") for area in series.area_ids], service_times, standards, pool_hours, hours, zone,
        write_up=settings.staffing.other_work.write_up, long_commitments=settings.staffing.other_work.long_commitments,
        without_log=(without_log.pressing or 0.0) * settings.staffing.other_work.without_log,
        target_probability=settings.staffing.target_probability, slots=lay_out_slots(settings, hours),
    )  # fmt: skip
    method, utilisation = settings.staffing.method, settings.staffing.utilisation
    if settings.staffing.target_probability is not None:
        notes.append(
            f"Targets hold with a probability of {settings.staffing.target_probability:.0%} in each hour, as "
            "force.toml asks, and not on average over what the forecast holds possible."
        )
    notes += remarks.on_unseen_work(
        unit_time["committed"], service_times,
        lambda factor: staffing.units_wanted(method, work.times(factor), utilisation),
    )  # fmt: skip
    required = staffing.require_staff(
        work, given["minimums"], cover.filter(pl.col("role_code") != settings.staffing.role),
        time_zone=zone, crew_size_by_hour=crew, abstraction=share_lost,
        utilisation=settings.staffing.utilisation,
        methods=[each for each in staffing_methods() if each in {method, *settings.staffing.rungs}],
    )  # fmt: skip

    clock.start("deployable")
    on_duty = settled.find_on_duty(
        given, cover, settings, crew, pool_hours=pool_hours, hours=hours, ends_at=ends_at, break_shares=break_shares
    )

    clock.start("headroom")
    shifts = settings.duties.shift_starts
    with_skill = {
        skill: deployable.find_deployable(
            some, given["people"], given["absences"], given["commitments"].filter(skill_code=skill), given["vehicles"],
            cover, pool_hours=pool_hours, hours=hours, ends_at=ends_at, time_zone=zone, crew_size_by_hour=crew,
            day_starts_at=settings.duties.day_starts_at,
        ).table
        for skill, some in duty_sheet.duties_with_skills(
            given["duties"], given["people"], given["minimums"]["skill_code"].drop_nulls().to_list(), zone,
            settings.duties.day_starts_at,
        ).items()
    }  # fmt: skip
    leave_left = headroom.find_headroom(
        required, on_duty.table, with_skill, given["minimums"], hours=hours, ends_at=ends_at, method=method,
        role_code=settings.staffing.role, time_zone=zone, shift_starts=shifts,
    )  # fmt: skip
    budget = time_budget.budget_time(
        required, on_duty.table, method=method, role_code=settings.staffing.role, time_zone=zone, shift_starts=shifts,
        most_committed=settings.staffing.time_budget.most_committed,
        least_proactive=settings.staffing.time_budget.least_proactive,
    )  # fmt: skip
    notes += remarks.on_headroom(leave_left, set(with_skill), zone)
    notes += remarks.on_time_budget(budget, settings.staffing.time_budget)

    clock.start("coverage")
    covered = coverage.find_coverage(
        predicted.table, required, on_duty.table, areas,
        work=work, load=staffing.load_seen_by(settings.staffing.method, work), method=settings.staffing.method,
        force_id=force,
    )  # fmt: skip

    clock.start("peaks")
    short = _find_short(settings, work, covered)
    found_peaks = peaks.find_peaks(
        predicted.coming, driving, outages, until=starts, known_until=data_until, time_zone=zone,
        false_alarms=settings.peaks.false_alarms, short=short,
    )  # fmt: skip
    peak_hours = peaks.find_peak_hours(predicted.coming)
    judged_before = tables.empty("backtest_peaks") if tried is None else tried
    notes += remarks.on_peaks("incidents", found_peaks, peak_hours, judged_before, settings.peaks.share, zone)
    reported = settled.leave_out_own(offences, calls, settings)
    of_offences = _find_offence_peaks(reported, areas, given["events"], settings, starts, notes)
    own = offences.height - reported.height
    if own and of_offences["peaks"].height:
        recorded = count_of(own, "offence is", "offences are")
        notes.append(f"{recorded} left out of these peaks, because officers came upon them by themselves.")
    notes += remarks.on_peaks(
        "offences", of_offences["peaks"], of_offences["peak_hours"], judged_before, settings.peaks.share, zone
    )

    clock.start("remarks")
    notes += remarks.on_cover(work, cover, given, zone)
    notes += remarks.on_kinds(areas, standards)
    notes += remarks.on_pools(cover, areas, settings.staffing.role, today)
    notes += remarks.on_rosters(covered)
    notes += on_duty.notes
    if not on_duty.table.is_empty():
        notes += remarks.on_the_sheet(given)
    if covered["units_on_duty"].is_null().all():
        notes.append("No duties are on hand for these hours: the map shows what is required, not what is short.")
    clock.stop()
    results = {
        "outages": outages, "demand": demand, "offending": offending, "repeats": repeats.table,
        "most_repeated": repeats.most, "feedback": feedback, "suppressed": suppressed, "forecast": predicted.table,
        "forecast_months": years.table, "abstraction": lost.table, "relief_factors": lost.relief_factors,
        "contact_forecast": contact_forecast, "required_agents": required_agents,
        "required_investigators": required_investigators, "required_staff": required, "deployable": on_duty.table,
        "headroom": leave_left, "time_budget": budget, "coverage": covered, "hotspots": places, "patrol_dose": dose,
        "exposure": exposure,
        "peaks": pl.concat([found_peaks, of_offences["peaks"]]),
        "peak_hours": pl.concat([peak_hours, of_offences["peak_hours"]]),
    } | unit_time | judged.tables  # fmt: skip
    used = {"areas": areas, "pools": cover, "standards": standards, "service_times": service_times}
    return Planned(
        results={name: tables.publish(results[name], name) for name in RESULTS},
        used={name: tables.publish(used[name], name) for name in USED},
        notes=notes,
        parameters=predicted.model.to_bytes(),
        data_until=data_until,
        forecast_from=starts,
        seconds=clock.seconds,
        beside=predicted.beside,
        instead=judged.instead,
    )


def _find_offence_peaks(
    offences: pl.DataFrame, areas: pl.DataFrame, events: pl.DataFrame, settings: Settings, starts: datetime,
    notes: list[str],
) -> dict[str, pl.DataFrame]:  # fmt: skip
    """Find the peaks of recorded offences, by when they happened; none where there are too few, or they are too old.

    They are forecast by the incidents' own method, by fewer paths, because only shifts and days are told.
    """
    none = {name: tables.empty(name) for name in peaks.NAMES}
    if offences.is_empty():
        return none
    zone, wanted = settings.force.time_zone, settings.forecast
    counted = incidents.count_offences(offences, areas.filter(pl.col("level") == "area")["area_id"].to_list(), zone)
    told, is_usable = remarks.on_offences(counted, offences.height, starts)
    notes += told
    if counted is None or not is_usable:
        return none
    no_outages, until = tables.empty("outages"), min(counted.known_until, starts)
    try:
        predicted = forecast.make_forecast(
            counted.demand, areas, events, no_outages, tables.empty("service_times"),
            force_id=settings.force.id, time_zone=zone, forecast_from=starts, data_until=until,
            method=wanted.method, weeks=wanted.weeks, paths=min(wanted.paths, OFFENCE_PATHS),
            path_days=min(OFFENCE_DAYS, wanted.path_days), days=min(forecast.QUARTER_DAYS, wanted.days),
            seed=wanted.seed, country=settings.force.country, subdivision=settings.force.subdivision,
            levels=("force",), offending=counted.demand["class_code"].unique().to_list(), counted="offences",
        )  # fmt: skip
    except BadData as error:
        notes.append(f"Peaks of offences are not told. {error.summary}")
        return none
    assert predicted.coming is not None
    found = peaks.find_peaks(
        predicted.coming, counted.demand, no_outages, until=starts, known_until=until, time_zone=zone,
        false_alarms=settings.peaks.false_alarms,
    )  # fmt: skip
    return {"peaks": found, "peak_hours": peaks.find_peak_hours(predicted.coming)}


def _find_short(settings: Settings, work: offered_work.OfferedWork, covered: pl.DataFrame) -> peaks.Short | None:
    """Find how likely each area's pool is short of units in each hour; nothing where no duties are known."""
    cover = work.pool_hours
    rows = covered.filter(pl.col("level") == "pool", pl.col("role_code") == cover.role_code)
    if rows["units_on_duty"].is_null().all():
        return None
    grid = pl.DataFrame({"place_id": cover.pool_ids}).join(pl.DataFrame({"hour_starting": work.hours}), how="cross")
    units = grid.join(rows, on=["place_id", "hour_starting"], how="left", maintain_order="left")["units_on_duty"]
    on_duty = units.cast(pl.Float64).to_numpy().reshape(len(cover.pool_ids), len(work.hours))
    chance = staffing.chance_short(settings.staffing.method, work, on_duty, settings.staffing.utilisation)
    pool = cover.patterns[cover.pattern_of_hour].T  # areas × hours
    of_area = np.where(pool >= 0, chance[np.maximum(pool, 0), np.arange(len(work.hours))], np.nan)
    # What no pool covers says nothing of how far pools are set for the rest.
    return peaks.Short(of_area, np.where(pool >= 0, work.area_incidents.sum(axis=0), 0.0))


def crew_by_hour(settings: Settings) -> tuple[int, ...]:
    """Give the officers in a unit by local hour of the day: the first crewing row that holds, else crew_size."""
    sizes = []
    for hour in range(24):
        rows = [row for row in settings.staffing.crewing if pools.holds_at(row.from_hour, row.to_hour, hour)]
        sizes.append(rows[0].crew_size if rows else settings.staffing.crew_size)
    return tuple(sizes)


def lay_out_slots(settings: Settings, hours: pl.Series) -> Slots:
    """Find the slots of hours by the settings."""
    of = settings.staffing.slots
    return Slots.lay_out(
        hours, settings.force.time_zone, from_hour=of.from_hour, to_hour=of.to_hour, days_after=of.days_after
    )


def _count_offending(offences: pl.DataFrame, areas: pl.DataFrame, settings: Settings, notes: list[str]) -> pl.DataFrame:
    """Count offences in the areas as they are settled; empty where a force gives none."""
    if offences.is_empty():
        return tables.empty("offending")
    lowest = areas.filter(pl.col("level") == "area")["area_id"].to_list()
    offending = incidents.count_offending(offences, lowest, settings.force.time_zone)
    notes += remarks.on_offending(offending, incidents.know_times(offences, offending))
    return offending


def _with_unit_time(
    calls: pl.DataFrame, given: Mapping[str, pl.DataFrame], settings: Settings, notes: list[str]
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame], committed.WithoutLog, breaks.BreakShares | None]:
    """Give incidents with who was sent to them, as the status log says, the results that are made of it, how much is
    done without a log, and when officers had their breaks. A force without a status log has only the logs' own times.
    """
    zone, presses = settings.force.time_zone, given["unit_status"]
    if presses.is_empty():
        return calls, {name: tables.empty(name) for name in OF_UNIT_TIME}, committed.WithoutLog(None, None), None
    first_press, last_press = presses["status_at"].min(), presses["status_at"].max()
    last_call = calls["received_at"].max()
    assert isinstance(first_press, datetime)
    assert isinstance(last_press, datetime)
    assert isinstance(last_call, datetime)
    until = max(last_press, last_call)
    found = committed.find_attendances(presses, given["unit_crews"], calls, until)
    deployments = committed.measure_deployments(found.attendances, calls)
    calls = calls.join(
        deployments, on="incident_id", how="left", maintain_order="left",
    )  # fmt: skip
    since = max(first_press, until - timedelta(days=COMMITTED_DAYS))
    hours = periods.hours_between(zone, since, until)
    counted = committed.count_committed(found.attendances, hours, settings.force.id, zone)
    without_log = committed.measure_without_log(counted, zone)
    notes += remarks.on_committed(found, counted, without_log, settings.staffing.other_work)
    now = committed.open_now(found.attendances, calls, until)
    results = {
        "committed": counted,
        "committed_rules": found.rules,
        "open_logs": committed.count_open_logs(now.logs, calls["grade_code"], settings.force.id, until),
        "units_now": committed.count_units_now(now.units, found.attendances, calls, settings.force.id, until),
    }
    rested = settled.find_officers_breaks(found.attendances.filter(pl.col("starts_at") >= since), given)
    return calls, results, without_log, breaks.shares_of_turns(rested, zone)


def _forecast_contacts(
    given: Mapping[str, pl.DataFrame], settings: Settings, starts: datetime, share_lost: float, notes: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Forecast contacts by quarter-hour with the incidents' own method, and find the call takers whom they ask for.

    Empty where there are none, or none that can be believed and is recent enough to say anything of the coming days.
    """
    nothing = tables.empty("contact_forecast"), tables.empty("required_agents")
    contacts = given["contacts"].filter(pl.col("contacted_at") < starts)
    last, zone, wanted = contacts["contacted_at"].max(), settings.force.time_zone, settings.forecast
    if last is None:
        return nothing
    assert isinstance(last, datetime)
    until = min(settled.end_of_hour(last, zone), starts)
    told, is_usable = remarks.on_contacts(until, starts, zone)
    notes += told
    if not is_usable:
        return nothing
    since = until.astimezone(periods.zone(zone)).date() - timedelta(weeks=wanted.weeks)
    contacts = contacts.filter(pl.col("contacted_at") >= periods.local_days(zone, since, since)["starts_at"][0])
    outages = incidents.find_outages(
        contacts.select(received_at="contacted_at"), zone, settings.demand.outage_share,
        settings.demand.declared_outages,
    )  # fmt: skip
    counted = incidents.count_contacts(contacts, zone, outages)
    # Which channel an event of one area reaches is not known.
    events = given["events"].filter(pl.col("area_id").is_null() | (pl.col("area_id") == settings.force.id))
    days = min(CONTACT_DAYS, wanted.path_days)
    try:
        predicted = forecast.make_forecast(
            counted.demand, counted.places, events, outages, tables.empty("service_times"),
            force_id=settings.force.id, time_zone=zone, forecast_from=starts, data_until=until, method=wanted.method,
            weeks=wanted.weeks, paths=wanted.paths, path_days=days, days=wanted.days, seed=wanted.seed,
            country=settings.force.country, subdivision=settings.force.subdivision, levels=("force",),
        )  # fmt: skip
    except BadData as error:
        notes.append(f"Contacts are not forecast. {error.summary}")
        return nothing
    expected = forecast.tell_quarters(
        predicted, counted.quarter_shares, counted.handling_minutes, counted.share_abandoned, zone
    )
    quarters, rates = forecast.draw_rates(predicted, counted.quarter_shares)
    wanted_of = [
        call_takers.Target(target.channel, target.seconds, target.share) for target in settings.contacts.targets
    ]
    required = call_takers.require_agents(
        quarters, rates, counted.channels, counted.handling_minutes, counted.patience_minutes, wanted_of,
        is_shared=settings.contacts.is_shared, abstraction=share_lost, time_zone=zone,
    )  # fmt: skip
    notes += remarks.on_agents(required, expected, settings.contacts)
    return expected, required


def _require_investigators(
    given: Mapping[str, pl.DataFrame],
    driving: pl.DataFrame,
    coming: Coming,
    settings: Settings,
    starts: datetime,
    share_lost: float,
    notes: list[str],
) -> pl.DataFrame:
    """Find the investigators whom cases ask for in the weeks that joint paths reach; nothing without cases.

    Kinds of case that are no offending are in no path: as many come each week as came on average.
    """
    days, zone = coming.days, settings.force.time_zone
    weeks = int((days.stretches.starts_at <= coming.hours[-1]).sum()) // 7
    if given["cases"].is_empty() or not weeks:
        return tables.empty("required_investigators")
    wanted = settings.investigation
    posted = given["people"].filter(
        pl.col("role_code") == wanted.role,
        pl.lit(starts.astimezone(periods.zone(zone)).date()).is_between(
            pl.col("valid_from").fill_null(date.min), pl.col("valid_to").fill_null(date.max)
        ),
    ).group_by("pool_id").agg(pl.col("person_id").n_unique())  # fmt: skip
    # A team that nobody is posted to is no team of ours: records may name teams in words of their own.
    is_known = pl.col("pool_id").is_in(posted["pool_id"].drop_nulls().implode())
    cases = given["cases"].with_columns(pool_id=pl.when(is_known).then("pool_id"))
    loads = investigation.measure_cases(cases, driving, starts)
    if not loads:
        return tables.empty("required_investigators")
    today = dict.fromkeys(loads, 0.0) if posted.height else {}
    if set(loads) == {investigation.UNASSIGNED} and posted.height:
        today = {investigation.UNASSIGNED: float(posted["person_id"].sum())}
    else:
        today |= {team: float(number) for team, number in posted.iter_rows() if team in loads}
    force = next(iter(loads.values()))
    force_counts = days.counts[-1]  # measures × days × paths
    by_week = np.stack([
        force_counts[coming.cut.measures.index(code), : 7 * weeks].reshape(weeks, 7, -1).sum(axis=1).astype(np.float64)
        if code in coming.cut.measures
        else np.full((weeks, force_counts.shape[-1]), usual)
        for code, usual in zip(force.classes, force.incidents_a_week, strict=True)
    ])  # fmt: skip
    age = None
    if wanted.finalised_weeks is not None:
        age = investigation.AgeTarget(wanted.finalised_weeks, wanted.finalised_share, wanted.share_waiting)
    required = investigation.require_investigators(
        loads, by_week, days.stretches.starts_at.to_list()[: 7 * weeks : 7],
        investigators_today=today, hours_a_week=wanted.hours_a_week, most_open=wanted.most_open_cases,
        settling_weeks=wanted.settling_weeks, abstraction=share_lost, age=age, seed=settings.forecast.seed,
    )  # fmt: skip
    notes += remarks.on_investigators(required, sum(load.open_now for load in loads.values()), wanted)
    return required


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


def ground_of(settings: Settings) -> dict[str, Any]:
    """Give the settings that a test of hotspot maps holds for."""
    return settings.offending.model_dump(mode="json", exclude={"weeks"})


def _chosen_maps(folder: Path | str, settings: Settings) -> dict[str, str] | None:
    """Give the method of hotspot maps by class as the newest test on the same ground found it; none where none was."""
    found = tried.read(folder, "hotspot_scores")
    if found is None or found[1].get("ground") != ground_of(settings):
        return None
    return hotspots.choose(found[0])


def read_streets(folder: Path | str, settings: Settings) -> dict[str, Any] | None:
    """Read the GeoJSON of streets that the settings name, if hotspots are to be on streets.

    Raises NoInput where it is not there, BadData where it is no GeoJSON.
    """
    name = settings.offending.streets_file
    if settings.offending.cells != "street" or name is None:
        return None
    path = Path(folder) / name
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError:
        raise NoInput(f"{path} is not there, which 'streets_file' under [offending] in force.toml names.") from None
    except ValueError as error:
        raise BadData(f"{path} is no GeoJSON: {error}. A collection of lines was expected.") from None
    if not isinstance(found, dict) or not isinstance(found.get("features"), list):
        raise BadData(f"{path} is no GeoJSON FeatureCollection. A collection of lines was expected.")
    return found


def versions_used() -> dict[str, str]:
    """Versions that figures depend on."""
    found = {"python": platform.python_version()}
    for package in ("bluelamp", "numpy", "polars", "holidays", "shapely", "h3", "tzdata"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found


def staffing_methods() -> list[str]:
    """Name the rungs of the staffing ladder."""
    return list(extensions.members("staffing"))


def _as_parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()
