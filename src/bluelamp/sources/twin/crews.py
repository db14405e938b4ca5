"""Units from people: crews formed out of the duties that were really worked.

By day officers go out alone, by night two by two. Two who may not go alone go together, and one left over rides with
another crew; students ride with a crew and make none. Late crews double up as the night's crewing begins. A unit is a
callsign for one duty: the next day another crew has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from bluelamp.sources.twin.demand import Calendar
from bluelamp.sources.twin.people import SHIFTS
from bluelamp.sources.twin.turnout import HOUR, TurnOut

_SHORTEST = 2 * HOUR
_FIRST_NUMBER = {"early": 101, "late": 201, "night": 301}
_PART_OF_A_DUTY = 401


@dataclass(frozen=True)
class Crews:
    """Units one row each, by start, and who is in them.

    `units`: `unit` (its row), `unit_id` (callsign), `pool_id`, `starts`, `ends`, `can_drive` (fit for urgent calls),
    `is_briefed` (it begins with its duty), `joins` (unit that its crew joins at its end). `members`: `unit`, `duty`.
    """

    units: pl.DataFrame
    members: pl.DataFrame


def form_crews(turned_out: TurnOut, role: str, calendar: Calendar, numbers: dict[str, Any], until: int) -> Crews:
    """Form the crews of one role, of duties that start before `until` (seconds)."""
    parts = _present(turned_out, role, until)
    doubles_at = _doubling(calendar, numbers)
    groups: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for part in parts.iter_rows(named=True):
        groups[part["pool_id"], part["starts"]].append(part)
    units: list[tuple[Any, ...]] = []
    members: list[tuple[int, int]] = []
    numbered: dict[tuple[str, int, int], int] = defaultdict(int)
    for (pool, starts), group in sorted(groups.items(), key=lambda each: (each[0][1], each[0][0])):
        crew_size = numbers["crewing"]["night" if group[0]["shift"] == SHIFTS.index("night") else "day"]
        single: int | None = None
        for crew in _crews(group, crew_size):
            first = crew[0]
            shift = SHIFTS[first["shift"]]
            series = _FIRST_NUMBER.get(shift, _PART_OF_A_DUTY) if first["is_whole"] else _PART_OF_A_DUTY
            number = numbered[pool, first["day"], series]
            numbered[pool, first["day"], series] += 1
            ends, joins = min(each["ends"] for each in crew), None
            turn, alone = doubles_at.get(first["day"], 0), sum(not each["is_tutored"] for each in crew) == 1
            if shift == "late" and first["is_whole"] and alone and starts < turn < ends:
                if single is None:
                    single = len(units)
                else:
                    ends, joins, single = turn, single, None
            members += [(len(units), each["duty"]) for each in crew]
            unit_id = f"{pool.split('-')[1]}R{series + number}"
            can_drive = any(each["may_drive"] for each in crew)
            units.append((len(units), unit_id, pool, starts, ends, can_drive, first["is_whole"], joins))
    columns = ["unit", "unit_id", "pool_id", "starts", "ends", "can_drive", "is_briefed", "joins"]
    kinds = {"unit_id": pl.String, "pool_id": pl.String, "can_drive": pl.Boolean, "is_briefed": pl.Boolean}
    return Crews(
        pl.DataFrame(units, schema={name: kinds.get(name, pl.Int64) for name in columns}, orient="row"),
        pl.DataFrame(members, schema={"unit": pl.Int64, "duty": pl.Int64}, orient="row"),
    )


def _doubling(calendar: Calendar, numbers: dict[str, Any]) -> dict[int, int]:
    """Give the moment (seconds) at which the night's crewing begins, by duty day since 1970."""
    hours = np.flatnonzero(calendar.hour == numbers["duties"]["night_pools_from"])
    first = calendar.days[0].toordinal()
    # Those who are at a job finish it first, so that it is done somewhat before for some and after for others.
    early = 60 * numbers["feeds"]["duties"]["doubles_minutes_before"]
    return {first + int(calendar.day[hour]): int(calendar.epoch[hour]) - early for hour in hours}


def _present(turned_out: TurnOut, role: str, until: int) -> pl.DataFrame:
    """Give the time for which officers of a role can be sent: duties less the parts that they are away."""
    duties = turned_out.duties.filter((pl.col("role_code") == role) & (pl.col("starts") < until))
    duties = duties.filter("may_be_deployed").with_columns(day=_ordinal(pl.col("duty_day")))
    away = turned_out.away.select("duty", begins="starts", stops="ends").sort("duty", "begins")
    gone: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for duty, begins, stops in away.iter_rows():
        gone[duty].append((begins, stops))
    touched = duties.filter(pl.col("duty").is_in(list(gone)))
    whole = duties.join(touched.select("duty"), on="duty", how="anti").with_columns(is_whole=pl.lit(value=True))
    pieces = []
    for row in touched.iter_rows(named=True):
        at = row["starts"]
        for begins, stops in [*gone[row["duty"]], (row["ends"], row["ends"])]:
            if begins - at >= _SHORTEST:
                pieces.append(row | {"starts": at, "ends": begins, "is_whole": at == row["starts"]})
            at = max(at, stops)
    schema = whole.schema
    return pl.concat([whole, pl.DataFrame(pieces, schema=schema, orient="row")]).sort("starts", "pool_id", "duty")


def _ordinal(day: pl.Expr) -> pl.Expr:
    # Day 1 of the calendar that `date.toordinal` counts lies 719,163 days before 1970.
    return day.cast(pl.Int32).cast(pl.Int64) + 719_163


def _crews(group: Iterable[dict[str, Any]], size: int) -> list[list[dict[str, Any]]]:
    """Divide officers who start together into crews that can go out; whoever nobody can take stays in."""
    members = list(group)
    students = [each for each in members if each["is_tutored"]]
    officers = [each for each in members if not each["is_tutored"]]
    if size == 1:
        crews = [[each] for each in officers if each["may_go_alone"]]
        officers = [each for each in officers if not each["may_go_alone"]]
    else:
        crews = []
    # Drivers are spread over the crews: one without goes to what is not urgent.
    drivers = [each for each in officers if each["may_drive"]]
    others = [each for each in officers if not each["may_drive"]]
    while len(drivers) + len(others) > 1:
        crew = [(drivers or others).pop(0)]
        while len(crew) < max(size, 2) and (others or drivers):
            crew.append((others or drivers).pop(0))
        crews.append(crew)
    if not crews and drivers and drivers[0]["may_go_alone"]:
        crews.append([drivers.pop(0)])
    # Those left over ride along, and so do the students: they make no crew of their own.
    for number, each in enumerate([*drivers, *others, *students] if crews else []):
        crews[number % len(crews)].append(each)
    return crews
