"""A made-up force as a folder: force.toml, extracts as a real force would hand them over, the truth, and a README."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import polars as pl

from bluelamp import tables
from bluelamp.errors import InputOutputError
from bluelamp.sources.twin import exports

if TYPE_CHECKING:
    from bluelamp.sources.twin import Twin

_ROWS_AT_ONCE = 250_000


def force_toml(
    numbers: dict[str, Any], size: dict[str, Any], imported: Sequence[str], fed: Sequence[exports.File] = ()
) -> str:
    """Write the settings of a made-up force; tables that are `fed` come from its daily exports."""
    force, duties, crewing = numbers["force"], numbers["duties"], numbers["crewing"]
    absence = numbers["absence"]
    away = 1 - (1 - absence["long_term"]) * (1 - absence["leave"]) * (1 - absence["day"])
    lines = [
        f"# A made-up force: {size['areas']} areas, {size['officers']} officers. Nothing here is real.",
        "[force]",
        *(f'{key} = "{force[key]}"' for key in ("id", "name", "time_zone", "country", "subdivision")),
        "",
        "[staffing]",
        'role = "response"',
        f"crew_size = {crewing['day']}",
        f"abstraction = {away:.2f}",
        "",
        "[[staffing.crewing]]",
        f"from_hour = {duties['night_pools_from']}",
        f"to_hour = {duties['night_pools_to']}",
        f"crew_size = {crewing['night']}",
    ]
    if fed:
        rules = numbers["feeds"]["duties"]
        lines += ["", "[duties]", f"briefing_minutes = {rules['briefing_minutes']}"]
        lines += [f"desk_roles = {json.dumps(rules['desk_roles'])}"]
        for at_least_hours, minutes in rules["refreshments"]:
            if minutes:
                lines += ["", "[[duties.refreshments]]", f"at_least_hours = {at_least_hours}", f"minutes = {minutes}"]
    for name in imported:
        if name not in {each.table for each in fed}:
            lines += ["", f"[sources.{name}]", f'file = "extracts/{name}.csv.gz"', 'map = "bluelamp"']
    for each in fed:
        name, where = exports.map_name(each), f"feeds/*/{each.name}"
        lines += ["", f"[sources.{each.table}]", f'file = "{where}"', f'map = "{name}"']
    return "\n".join(lines) + "\n"


def write_twin(folder: Path | str, twin: Twin, mornings: int | None = None) -> None:
    """Write a made-up force to a folder: force.toml, extracts/, truth/ and README.txt.

    `mornings` bounds the number of daily exports, the first of which then holds all that came before. The same force
    gives the same bytes. Raises InputOutputError where the folder can't be written.
    """
    folder = Path(folder)
    try:
        for part in (folder, folder / "extracts", folder / "truth"):
            part.mkdir(parents=True, exist_ok=True)
        (folder / "force.toml").write_text(twin.settings, encoding="utf-8")
        (folder / "README.txt").write_text(_readme(twin), encoding="utf-8")
        for name, frame in twin.tables.items():
            _write_csv(folder / "extracts" / f"{name}.csv.gz", frame, name)
        _write_csv(folder / "truth" / "future_incidents.csv.gz", twin.truth["future_incidents"], "incidents")
        for name, frame in twin.truth.items():
            if name != "future_incidents":
                frame.write_parquet(folder / "truth" / f"{name}.parquet", compression_level=3)
        if twin.feeds is not None:
            _write_feeds(folder, twin.feeds, twin.parameters, mornings)
        text = json.dumps(twin.parameters, indent=1, sort_keys=True, default=str) + "\n"
        (folder / "truth" / "parameters.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputOutputError(
            f"The made-up force can't be written to '{folder}': {error.strerror or error}. "
            "Give a folder that can be written and has room, and try again."
        ) from None


def _write_feeds(folder: Path, feeds: exports.Feeds, numbers: dict[str, Any], mornings: int | None) -> None:
    """Write the column maps and every morning's export, each in a folder named by its day."""
    (folder / "maps").mkdir(exist_ok=True)
    for each in exports.FILES:
        text = exports.column_map(each, numbers, feeds.names_of_classes)
        (folder / exports.map_name(each)).write_text(text, encoding="utf-8")
    for day, since, until in exports.mornings(feeds.world, mornings):
        place = folder / "feeds" / day.isoformat()
        place.mkdir(parents=True, exist_ok=True)
        for each in exports.FILES:
            rows = exports.rows_of(feeds, each, day, since, until)
            if rows is not None:
                written = exports.as_written(rows, each, feeds.world.calendar.time_zone, feeds.names_of_classes)
                (place / each.name).write_bytes(exports.to_bytes(written, each))


def _write_csv(path: Path, frame: pl.DataFrame, name: str) -> None:
    """Write a table as compressed CSV, piece by piece, without a clock time in its header."""
    columns = tables.table(name).columns
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed:
        for start in range(0, max(1, frame.height), _ROWS_AT_ONCE):
            text = io.BytesIO()
            frame[start : start + _ROWS_AT_ONCE].select(columns).write_csv(
                text, include_header=start == 0, datetime_format="%Y-%m-%dT%H:%M:%SZ"
            )
            packed.write(text.getbuffer())


def _readme(twin: Twin) -> str:
    made, demand = twin.parameters["made_with"], twin.parameters["demand"]
    areas = twin.tables["areas"]
    districts = areas.filter(level="district")["area_name"].to_list()
    own = demand["own_work"]
    duties = twin.parameters["duties"]
    paragraphs = [
        f"{twin.parameters['force']['name']}: a made-up force",
        "Nothing here is real. There is no such county (it is drawn in the open sea), no such people, no such calls. "
        "It was made by 'bluelamp twin' so that the product can be tried, tested and measured without anybody's data. "
        "The same arguments and the same version make the same bytes: "
        f"{made['areas']} areas, {made['days']} days, seed {made['seed']}, the future begins on {made['until']}, "
        f"{made['officers']:,} officers, {made['weekly_incidents']:,.0f} incidents a week.",
        "WHAT IS IN THE FOLDER",
        "force.toml: the settings of the force, ready for 'bluelamp import'.",
        "extracts/: one file a table, as a force's systems would hand them over; times are UTC.",
        "truth/: what a real force never has. hourly_rates.parquet: the expected incidents from the public, partners "
        "and the force's own duties, by area and hour for the last and the coming eight weeks, and for the whole force "
        "(level 'force') from the first day to a year ahead, without the shocks of the day. day_shocks.parquet: the "
        "factor by which each day was, or will be, busier than expected, for the force and for each district (they "
        "multiply). future_incidents.csv.gz: the incidents that come in the next eight weeks, in full. "
        "parameters.json: every number that it was all made from.",
        "HOW IT WAS MADE",
        f"The county has a city, towns and countryside in {len(districts)} districts ({', '.join(districts)}). Areas "
        "tile it without gaps. Response covers districts by day and pairs of them by night; neighbourhood and "
        "investigation officers belong to districts, custody to pairs, roads policing, firearms and the control room "
        "to the whole force.",
        f"Incidents: {made['weekly_incidents']:,.0f} a week come from the public, partners and the force's own duties "
        f"(prisoners, guards, arrest enquiries); {demand['share_deployed']:.0%} of them get a unit. On top of these, "
        f"as shares of that number, officers start work of their own ({own['officer_initiated']:.0%}: it fills the "
        f"time that calls leave them, so it falls when they are busy), patrols are directed ({own['directed']:.0%}) "
        f"and logs are administrative ({own['administrative']:.0%}). The expected number in an area and hour is the "
        "weight of the area, times the share of the class in that kind of place, times the shape of the hour of the "
        "week, times season and slow growth of the class, times holidays; football and a festival in July add to "
        "that. A bank holiday lives like a Sunday and the evening before it like a Friday; Christmas Day, New Year's "
        "Eve, Halloween and Bonfire Night have factors of their own. School holidays follow a rule, not a calendar. "
        f"Each day multiplies all by two shocks with mean 1 (coefficients of variation {demand['force_day_cv']:.0%} "
        f"for the force, {demand['district_day_cv']:.0%} for each district). Counts are Poisson.",
        *_about_points(twin),
        *_about_cases(twin),
        "Times: minutes at the scene are log-normal with a heavy tail, by class and grade; units are one and a Poisson "
        "number more; every unit is committed from dispatch until the last one leaves. The wait for a unit grows with "
        "the square of the share of the district's units that are busy: a simple rule, not a queue. Grade 4 is "
        "resolved without a unit.",
        f"Faults of a real export: {demand['share_place_unknown']:.0%} of incidents have no area, another "
        f"{demand['share_point_unknown']:.0%} no point; {demand['share_arrival_missing']:.0%} of those attended have "
        f"no arrival; {demand['share_zero_minutes']:.1%} of them last no time at all; "
        f"{demand['share_information_only']:.0%} of those not attended are opened and closed in one second; logs near "
        "the end are still open. A few codes belong to no known class.",
        f"Duties: round-the-clock roles work 2-2-2-4 in five teams (early {'-'.join(duties['early'])}, late "
        f"{'-'.join(duties['late'])}, night {'-'.join(duties['night'])}), the others five days a week. Duties run from "
        f"{duties['days_before']} days before to {duties['days_after']} days after the first day of the future. "
        "People who are away (leave, sickness, training, court) have no duty on that day; some weekends are thinner "
        "than others. Units are single-crewed by day and double-crewed by night (force.toml).",
        *(_about_feeds(twin) if twin.feeds else ()),
        "WHAT IT IS NOT",
        "A model of any place, or evidence about police work. Its levels, shapes and times are assumptions of the "
        "right size. A method that does well here has passed an exam whose answers are known; it has still to prove "
        "itself on a force's own data.",
    ]
    return "\n\n".join(fill(paragraph, 100) for paragraph in paragraphs) + "\n"


def _about_cases(twin: Twin) -> list[str]:
    if "cases" not in twin.truth:
        return []
    what = twin.parameters["cases"]
    return [
        f"Cases: crimes are given to the investigators of their district, so many that they bring {what['pressure']:g} "
        f"times the hours that there are ({what['hours_a_week']} a week of each at work). Hours of a case are "
        "log-normal by class; the oldest are worked first. "
        f"{what['share_waiting']:.0%} wait for somebody else when {what['done_before_waiting']:.0%} of the work is "
        f"done, for {what['weeks_waiting']} weeks on average; of {what['unrecorded']:.0%} nobody wrote down hours. "
        "extracts/cases.csv.gz has them as the records system did on the last day; truth/cases.parquet has the "
        "incident, whole hours, weeks of waiting and finalisation of each, and truth/case_weeks.parquet, by team and "
        "week up to eight weeks ahead, what was opened, worked and open."
    ]


def _about_points(twin: Twin) -> list[str]:
    hotspots, repeats, windows = (twin.truth[name] for name in ("hotspots", "near_repeats", "peaks"))
    lie = {
        "places": "A few places make most of the calls (truth/places.parquet), at all hours and of all classes alike.",
        "even": "Points lie anywhere in their areas, every spot as likely as any other.",
    }
    made = twin.parameters["made_with"]
    is_planted = (
        f"On top of that there are {hotspots['hotspot_id'].n_unique()} hotspots, each with a share of its area's "
        f"incidents of some classes in some hours, and {repeats.height:,} burglaries and vehicle crimes lie near an "
        "earlier one; truth/ has hotspots, hotspot_addresses, hotspot_incidents and near_repeats (.parquet)."
    )
    planted = is_planted if made["planted"] else "No hotspots and no near-repeats are planted."
    points = f"Points: {lie[made['points']]} {planted}"
    if windows.is_empty():
        return [points]
    return [
        points,
        f"Peaks: {windows['more_incidents'].sum():,.0f} incidents are expected on top of all others on "
        f"{windows.height:,} days or nights; truth/peaks.parquet has when, where, of which class and how many times "
        "the usual.",
    ]


def _about_feeds(twin: Twin) -> list[str]:
    made, what = twin.parameters["made_with"], twin.parameters["feeds"]
    faults, send = what["faults"], what["dispatch"]
    return [
        "THE LAST DAYS AS THEY WERE LIVED",
        f"Units were really sent to the incidents of the last {made['feed_days']} days (and of "
        f"{what['warm_up_days']} before, so that these do not begin with idle units). Crews are formed of the officers "
        "who came; the first free and able unit of the pool that covers the place goes, urgent grades first; other "
        "pools help with urgent calls where nobody is free. Guards are handed over at shift change. Waits are what "
        "came of it, in the flat extracts/ too: the rule above holds for the days before.",
        "feeds/: one folder a morning, with the rows of the two local days before it, so that every row comes twice "
        "and a log comes again whenever it has changed; the first one reaches further back, and the last one has all "
        "duties that are planned. Whole tables (people, operations, vehicles, minimums) come with the first export, on "
        "Mondays and with the last. Some files give local times without an offset, others ISO times with one. maps/: "
        "the column maps that read them, which force.toml names. No real system writes these columns.",
        f"Faults, as shares: arrivals not pressed {faults['arrival_press_missed']:.0%}, clears not pressed "
        f"{faults['clear_press_missed']:.0%}; logs at the station {faults['station_location']:.0%}, at the caller's "
        f"home {faults['caller_address']:.0%}, outside the force {faults['outside_force']:.1%}; rows that name another "
        f"force's log {faults['orphan_incident']:.1%} or a visiting officer {faults['orphan_person']:.1%}. Of logs, "
        f"{what['logs']['upgraded']:.0%} are raised, {what['logs']['downgraded']:.0%} lowered, "
        f"{what['logs']['duplicates']:.0%} are second logs of the same thing, merged later; "
        f"{send['re_attendance']:.0%} of those attended are visited again.",
        "truth/ then also has: current_incidents (as the extracts should leave them, and where they truly were), "
        "grade_history, unit_intervals (what each unit did, without gaps), committed and deployable (the tables of "
        "that name as they should come out, for pools in the hours at which they run), and worked (logs, units and "
        "unit-minutes by class and opening grade).",
    ]
