"""Daily exports of the made-up force, as its systems might hand them over, and the column maps that read them.

Each morning's export covers the two local days before it, so that every row comes twice and a log comes again whenever
it has changed. Files have column names, codes and ways to write a time of their own; no real system's. What each file
holds is written once, in `FILES`: the exports and their column maps are both made from it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from bluelamp.sources.twin import logs, people
from bluelamp.sources.twin.turnout import HOUR
from bluelamp.sources.twin.world import World

_DAYS_COVERED = 2
# Whole tables come with the first export, with each Monday's and with the last.
_SNAPSHOT_WEEKDAY = 0

_GRADES = {"I": "1", "P": "2", "R": "3", "N": "4"}
_SOURCES = {
    "Public": "public",
    "Partner agency": "partner",
    "Internal duty": "mandatory_internal",
    "Officer": "officer_initiated",
    "Tasked": "directed",
    "Admin": "administrative",
}
_STATUSES = {
    "01 AVAIL": "available",
    "02 MOBILE": "en_route",
    "03 SCENE": "at_scene",
    "04 GUARD": "guard",
    "05 CUSTODY": "custody",
    "06 WRITE UP": "write_up",
    "07 BUSY": "committed",
    "08 REFS": "refreshments",
    "09 BRIEF": "briefing",
    "00 OFF": "off_duty",
}
_ROLES = {
    "RESP": "response",
    "NPT": "neighbourhood",
    "CID": "investigation",
    "CUST": "custody",
    "RPU": "roads",
    "ARV": "firearms",
    "FCR": "control_room",
}
_YES = {"Y": "true", "N": "false"}


@dataclass(frozen=True)
class File:
    """One file of an export: which table it holds, how its columns are named, its words and its clock.

    `columns` gives the file's column for each field, `words` what the file says for each of our words, `others` columns
    that no field reads. `clock` is 'offset' (ISO with the offset), 'day_first' or 'parts' (local, without an offset).
    `follows` is the instant by which a row belongs to a day; files without one are whole tables.
    """

    name: str
    table: str
    title: str
    columns: dict[str, str]
    clock: str = "offset"
    follows: str | None = None
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    others: tuple[str, ...] = ()


FILES = (
    File(
        "command_logs.csv",
        "incidents",
        "Lantern command system: logs",
        {
            "incident_id": "LOG_REF",
            "received_at": "CREATED",
            "dispatched_at": "FIRST_SENT",
            "arrived_at": "FIRST_THERE",
            "cleared_at": "LAST_CLEAR",
            "closed_at": "CLOSED",
            "opening_code": "OPEN_TYPE",
            "opening_description": "OPEN_TYPE_TEXT",
            "origin": "SOURCE",
            "grade_code": "GRADE_NOW",
            "opening_grade_code": "GRADE_FIRST",
            "closing_code": "CLOSE_TYPE",
            "merged_into": "MERGED_TO",
            "area_id": "BEAT",
            "longitude": "LON",
            "latitude": "LAT",
            "units": "RESOURCES",
            "disposition_code": "RESULT",
            "status": "STATE",
            "updated_at": "AMENDED",
            "place_token": "PREMISES",
        },
        follows="updated_at",
        words={
            "origin": _SOURCES,
            "grade_code": _GRADES,
            "opening_grade_code": _GRADES,
            "status": {"O": "open", "C": "closed"},
        },
        others=("LINKED_TO", "GEO_SOURCE"),
    ),
    File(
        "command_grades.tsv",
        "grade_history",
        "Lantern command system: grading of logs",
        {"incident_id": "LOG_REF", "graded_at": "GRADED", "grade_code": "GRADE", "step": "WHY"},
        follows="graded_at",
        words={
            "grade_code": _GRADES,
            "step": {
                "Opened": "opening",
                "Raised": "upgrade",
                "Lowered": "downgrade",
                "Sent": "dispatch",
                "Closed": "closure",
            },
        },
    ),
    File(
        "command_status.csv.gz",
        "unit_status",
        "Lantern command system: resource status",
        {
            "unit_id": "CALLSIGN",
            "status_at": "STATUS_TIME",
            "status": "STATUS",
            "status_code": "STATUS",
            "incident_id": "LOG_REF",
            "pool_id": "SECTOR",
        },
        follows="status_at",
        words={"status": _STATUSES},
    ),
    File(
        "command_crews.csv",
        "unit_crews",
        "Lantern command system: crews booked on",
        {
            "unit_id": "CALLSIGN",
            "person_id": "COLLAR",
            "starts_at": "BOOKED_ON",
            "ends_at": "BOOKED_OFF",
            "vehicle_id": "FLEET_NO",
            "role_code": "ROLE",
            "pool_id": "SECTOR",
            "base": "STATION",
            "updated_at": "AMENDED",
        },
        follows="starts_at",
        words={"role_code": _ROLES},
    ),
    File(
        "contact_calls.csv",
        "contacts",
        "Lantern contact system: calls and messages",
        {
            "contact_id": "CONTACT_NO",
            "contacted_at": "ARRIVED",
            "answered_at": "ANSWERED",
            "ended_at": "FINISHED",
            "channel": "CHANNEL",
            "incident_id": "LOG_REF",
            "caller_token": "CALLER_REF",
        },
        clock="day_first",
        follows="contacted_at",
        words={
            "channel": {
                "Emergency": "999",
                "Non-emergency": "101",
                "Web form": "online",
                "Counter": "front_counter",
                "Agency": "partner",
                "Other": "other",
            }
        },
    ),
    File(
        "records_offences.csv",
        "offences",
        "Lantern records system: offences",
        {
            "offence_id": "CRIME_NO",
            "incident_id": "LOG_REF",
            "recorded_at": "RECORDED",
            "from_at": "HAPPENED_FROM",
            "to_at": "HAPPENED_TO",
            "offence_code": "OFFENCE",
            "class_code": "OFFENCE_GROUP",
            "area_id": "BEAT",
            "longitude": "LON",
            "latitude": "LAT",
            "outcome_code": "OUTCOME",
        },
        clock="day_first",
        follows="recorded_at",
    ),
    File(
        "duty_people.csv",
        "people",
        "Lantern duty system: people",
        {
            "person_id": "COLLAR",
            "role_code": "POSTED_ROLE",
            "pool_id": "POSTED_SECTOR",
            "team": "RELIEF",
            "hours_per_week": "WEEKLY_HOURS",
            "share_of_full_time": "FTE",
            "is_tutored": "STUDENT",
            "may_be_deployed": "DEPLOYABLE",
            "may_drive_on_response": "RESPONSE_DRIVER",
            "may_be_single_crewed": "SINGLE_CREW",
            "valid_from": "FROM_DATE",
            "valid_to": "TO_DATE",
        },
        words={
            "role_code": _ROLES,
            **dict.fromkeys(("is_tutored", "may_be_deployed", "may_drive_on_response", "may_be_single_crewed"), _YES),
        },
    ),
    File(
        "duty_sheet.csv",
        "duties",
        "Lantern duty system: duties as planned and as worked",
        {
            "duty_id": "DUTY_REF",
            "person_id": "COLLAR",
            "role_code": "ROLE",
            "pool_id": "SECTOR",
            "starts_at": "DUTY_DATE START",
            "ends_at": "END_DATE END",
            "duty_day": "DUTY_DATE",
            "shift_code": "SHIFT",
            "posted_role_code": "POSTED_ROLE",
            "posted_pool_id": "POSTED_SECTOR",
            "kind": "SHEET",
        },
        clock="parts",
        follows="starts_at",
        words={"role_code": _ROLES, "posted_role_code": _ROLES, "kind": {"PLAN": "planned", "DONE": "worked"}},
    ),
    File(
        "duty_absence.csv",
        "absences",
        "Lantern duty system: absences",
        {
            "absence_id": "ABSENCE_NO",
            "person_id": "COLLAR",
            "starts_at": "AWAY_FROM",
            "ends_at": "AWAY_TO",
            "kind": "TYPE",
        },
        clock="day_first",
        follows="starts_at",
        words={
            "kind": {
                "A/L": "leave",
                "SICK": "sickness",
                "TRNG": "training",
                "COURT": "court",
                "SECOND": "secondment",
                "OTHER": "other",
            }
        },
    ),
    File(
        "planning_operations.csv",
        "commitments",
        "Lantern planning diary: operations and football",
        {
            "commitment_id": "OPERATION",
            "kind": "TYPE",
            "pool_id": "SECTOR",
            "role_code": "ROLE",
            "skill_code": "SKILL",
            "officers": "OFFICERS",
            "starts_at": "FROM",
            "ends_at": "TO",
        },
        clock="day_first",
        words={"role_code": _ROLES, "kind": {"FOOTBALL": "football", "OPERATION": "operation"}},
    ),
    File(
        "fleet_vehicles.csv",
        "vehicles",
        "Lantern fleet list: vehicles fit for use",
        {"pool_id": "SECTOR", "from_hour": "HOUR_FROM", "to_hour": "HOUR_TO", "vehicles": "FIT_FOR_USE"},
    ),
    File(
        "duty_minimums.csv",
        "minimums",
        "Lantern duty system: minimum strength",
        {
            "pool_id": "SECTOR",
            "role_code": "ROLE",
            "from_hour": "HOUR_FROM",
            "to_hour": "HOUR_TO",
            "minimum_officers": "MINIMUM",
            "source": "SET_BY",
        },
        words={"role_code": _ROLES},
    ),
)

TABLES = tuple(dict.fromkeys(each.table for each in FILES))


# ---- the tables that are exported ----


@dataclass(frozen=True)
class Feeds:
    """The exported tables: rows with our field names, instants still in seconds, faults already in them.

    Logs are not among them, because each export has its own state of them; `log_ids` gives their numbers by row.
    """

    world: World
    tables: dict[str, pl.DataFrame]
    log_ids: pl.Series
    touched: pl.DataFrame
    names_of_classes: dict[str, str]


def lay_out(
    world: World,
    log_ids: pl.Series,
    contacts: pl.DataFrame,
    offences: pl.DataFrame,
    minimums: pl.DataFrame,
    names_of_classes: dict[str, str],
    faults: dict[str, Any],
    random: np.random.Generator,
) -> Feeds:
    """Put what happened into the tables of the exports. `log_ids` runs over the logs that were opened."""

    def numbered(frame: pl.DataFrame) -> pl.DataFrame:
        """Give rows their log's number; some name another force's log, which no extract will ever hold."""
        is_orphan = pl.Series(random.random(frame.height) < faults["orphan_incident"])
        strange = pl.format("XB-{}", pl.col("log") + 700_000)
        known = pl.Series(log_ids.gather(frame["log"]))
        return frame.with_columns(
            incident_id=pl.when(is_orphan & pl.col("log").is_not_null()).then(strange).otherwise(known)
        )

    letters = dict(zip(range(len(people.SHIFTS)), ("E", "L", "N", "D1", "D2"), strict=True))
    duties = world.duties.with_columns(shift_code=pl.col("shift").replace_strict(letters, return_dtype=pl.String))
    crews = world.bookings
    is_strange = pl.Series(random.random(crews.height) < faults["orphan_person"])
    kept = world.presses.filter(~pl.col("is_missed"))
    tables = {
        "command_grades.tsv": numbered(world.grades).select("incident_id", "grade_code", "step", graded_at="graded_at"),
        "command_status.csv.gz": numbered(kept).select("unit_id", "status", "incident_id", "pool_id", status_at="at"),
        "command_crews.csv": crews.select(
            "unit_id",
            "pool_id",
            person_id=pl.when(is_strange)
            .then(pl.format("V{}", pl.int_range(90_000, 90_000 + pl.len())))
            .otherwise("person_id"),
            starts_at="starts",
            ends_at="ends",
            vehicle_id=pl.format("LV{}", pl.col("unit_id").str.slice(-2)),
            role_code=pl.lit("response"),
            base=pl.col("pool_id").str.slice(2),
        ),
        "contact_calls.csv": numbered(contacts).select(
            "channel",
            "incident_id",
            "contacted_at",
            "answered_at",
            "ended_at",
            contact_id=pl.format("C{}", pl.col("contact").cast(pl.String).str.zfill(8)),
            caller_token=pl.format("t:{}", "caller"),
        ),
        "records_offences.csv": numbered(offences).with_columns(
            offence_id=pl.format("CR/{}", pl.col("offence").cast(pl.String).str.zfill(7)),
        ),
        "duty_sheet.csv": pl.concat(
            [
                _sheet(duties, "PD", "planned").with_columns(role_code="posted_role_code", pool_id="posted_pool_id"),
                _sheet(duties.drop_nulls("worked_ends"), "WD", "worked").with_columns(ends_at="worked_ends"),
            ]
        ).filter((pl.col("kind") == "planned") | (pl.col("ends_at") < world.until)),
        "duty_absence.csv": world.turned_out.absences.rename({"starts": "starts_at", "ends": "ends_at"}),
        "duty_people.csv": world.turned_out.people,
        "planning_operations.csv": world.turned_out.commitments.rename({"starts": "starts_at", "ends": "ends_at"}),
        "fleet_vehicles.csv": world.turned_out.vehicles,
        "duty_minimums.csv": minimums,
    }
    # Every moment at which a log's row changed, so that an export finds what it has to reissue.
    changes = ["received_at", "dispatched_at", "arrived_at", "cleared_at", "closed_at"]
    changes += ["regraded_at", "closing_graded_at", "merged_at", "linked_at"]
    touched = [world.logs.select("log", at=name).drop_nulls("at") for name in changes] + [world.comings]
    return Feeds(world, tables, log_ids, pl.concat(touched).sort("at", "log"), names_of_classes)


def _sheet(duties: pl.DataFrame, prefix: str, kind: str) -> pl.DataFrame:
    return duties.with_columns(
        duty_id=pl.format("{}{}", pl.lit(prefix), pl.col("duty").cast(pl.String).str.zfill(7)),
        kind=pl.lit(kind),
        starts_at="starts",
        ends_at="ends",
    )


def mornings(world: World, last: int | None = None) -> Iterator[tuple[date, int, int]]:
    """Give every export: its day, and the first and the last second that it covers; the first one begins earlier.

    With `last` only so many: the first of them then holds all that came before, as when a force's history is handed
    over once.
    """
    calendar = world.calendar
    days = [int(calendar.epoch[calendar.hours_of(day, day + 1)][0]) for day in range(calendar.past_days + 1)]
    first = int(np.searchsorted(days, world.first))
    begin = first + 1 if last is None else max(first + 1, calendar.past_days + 1 - last)
    for day in range(begin, calendar.past_days + 1):
        since = world.begin if day == begin else days[max(first, day - _DAYS_COVERED)]
        yield calendar.days[0] + timedelta(days=day), since, days[day]


def logs_at(feeds: Feeds, moment: int, since: int | None = None) -> pl.DataFrame:
    """Give the logs as they stood at a moment, in the columns of 'incidents' and a few more.

    With `since` only those that changed from then on. Times are in seconds.
    """
    world = feeds.world
    known = world.logs
    if since is not None:
        low, high = (feeds.touched["at"].search_sorted(each, side="left") for each in (since, moment))
        known = known.filter(pl.col("log").is_in(feeds.touched["log"][low:high].unique().implode()))
    then = logs.as_at(known, world.comings, moment)
    return then.with_columns(
        incident_id=feeds.log_ids.gather(then["log"]),
        merged_into=feeds.log_ids.gather(then["merges_into"]),
        linked_to=feeds.log_ids.gather(then["links_to"].clip(0)),
        place_token=pl.format("p:{}", (pl.col("true_longitude") * 1e5 + pl.col("true_latitude") * 7e9).cast(pl.Int64)),
        geo_source=pl.col("location_fault").replace_strict(
            {"station": "STN", "caller": "CALLER", "outside": "MANUAL"}, default="GAZ"
        ),
    )


def rows_of(feeds: Feeds, file: File, day: date, since: int, until: int) -> pl.DataFrame | None:
    """Give the rows of one file in one export, or nothing where this export lacks the file."""
    if file.table == "incidents":
        return logs_at(feeds, until, since)
    frame = feeds.tables[file.name]
    is_last = until == feeds.world.until
    if file.follows is None:
        is_due = is_last or since == feeds.world.begin or day.weekday() == _SNAPSHOT_WEEKDAY
        return frame if is_due else None
    at = pl.col(file.follows)
    begun = (at >= since) & (at < until)
    if file.table == "unit_crews":
        # A booking comes when it begins, without its end, and again when it has ended.
        ended = (pl.col("ends_at") >= since) & (pl.col("ends_at") < until)
        rows = frame.filter(begun | ended.fill_null(value=False))
        ends = pl.when(pl.col("ends_at") < until).then("ends_at")
        return rows.with_columns(ends_at=ends, updated_at=pl.coalesce(ends, "starts_at"))
    if file.table in ("duties", "absences"):
        # What is planned is known ahead: a day ahead with each export, all of it with the last. What was worked is
        # known once it has ended.
        planned = (at >= since) & (pl.lit(is_last) | (at < until + 24 * HOUR))
        if file.table == "absences":
            return frame.filter(planned)
        ended = (pl.col("ends_at") >= since) & (pl.col("ends_at") < until)
        return frame.filter(pl.when(pl.col("kind") == "planned").then(planned).otherwise(ended))
    return frame.filter(begun)


# ---- how they are written ----


def as_written(frame: pl.DataFrame, file: File, time_zone: str, names_of_classes: dict[str, str]) -> pl.DataFrame:
    """Give rows under the file's own column names, with its words and in its clock: all text or numbers."""
    columns: dict[str, pl.Expr] = {}
    for name, header in file.columns.items():
        words = {ours: says for says, ours in file.words.get(name, {}).items()}
        if name == "class_code":
            words = names_of_classes
        if name.endswith("_at"):
            local = (pl.col(name) * 1_000_000).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(time_zone)
            if file.clock == "parts":
                date_header, time_header = header.split(" ")
                columns[date_header] = local.dt.strftime("%Y-%m-%d")
                columns[time_header] = local.dt.strftime("%H:%M")
                continue
            form = "%Y-%m-%dT%H:%M:%S%:z" if file.clock == "offset" else "%d/%m/%Y %H:%M:%S"
            columns[header] = local.dt.strftime(form)
        elif header in columns:
            continue
        elif words:
            text = pl.col(name).cast(pl.String)
            columns[header] = text.replace_strict(words, default=text, return_dtype=pl.String)
        else:
            columns[header] = pl.col(name)
    if file.others:
        columns |= {"LINKED_TO": pl.col("linked_to"), "GEO_SOURCE": pl.col("geo_source")}
    return frame.select(**columns)


def to_bytes(written: pl.DataFrame, file: File) -> bytes:
    """Give the bytes of a file; compressed ones carry no clock time."""
    text = written.write_csv(separator="\t" if ".tsv" in file.name else ",").encode()
    return gzip.compress(text, 1, mtime=0) if file.name.endswith(".gz") else text


def map_name(file: File) -> str:
    """Name the column map of a file."""
    return f"maps/{file.name.split('.')[0]}.toml"


def column_map(file: File, numbers: dict[str, Any], names_of_classes: dict[str, str]) -> str:
    """Write the column map that reads a file, as TOML."""
    says = json.dumps
    lines = [
        f"# How {file.name} of the made-up force becomes '{file.table}'. No real system writes this file.",
        f"title = {says(file.title)}",
        f"table = {says(file.table)}",
        f"time_zone = {says('stated' if file.clock == 'offset' else 'force')}",
    ]
    if file.clock != "offset":
        lines.append(f"date_order = {says('day_first' if file.clock == 'day_first' else 'year_first')}")
    if ".tsv" in file.name:
        lines.append('delimiter = "\\t"')
    lines += ["", "[columns]"]
    for name, header in file.columns.items():
        words = file.words.get(name)
        if name == "class_code":
            words = {word: ours for ours, word in names_of_classes.items()}
        if name.endswith("_at") and file.clock == "parts":
            lines.append(f"{name} = {{ columns = {says(header.split(' '))} }}")
        elif words:
            pairs = ", ".join(f"{says(word)} = {says(ours)}" for word, ours in words.items())
            lines.append(f"{name} = {{ column = {says(header)}, words = {{ {pairs} }} }}")
        else:
            lines.append(f"{name} = {says(header)}")
    if file.table == "incidents":
        for name, codes in _codes(numbers).items():
            lines += ["", "[[crosswalk]]", f"class = {says(name)}", 'origin = "unknown"', f"codes = {says(codes)}"]
    return "\n".join(lines) + "\n"


def _codes(numbers: dict[str, Any]) -> dict[str, list[str]]:
    """Give the force's own codes by class; whose work it was stands in a column of its own."""
    found = {name: [code for code, *_ in what["codes"]] for name, what in numbers["classes"].items()}
    for what in numbers["own_work"].values():
        for code, _, of_class, _ in what["codes"]:
            found.setdefault(of_class, []).append(code)
    return found
