"""What a force's incidents are settled to before anything is counted: until when, in which areas, without merged logs.

A plan, a backtest and a test of hotspot maps begin from the same, so that what is scored is what a plan would make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from bluelamp import breaks, deployable, duty_sheet, geography, incidents, periods, redrawn
from bluelamp.errors import NoInput, count_of
from bluelamp.pools import PoolHours
from bluelamp.settings import Settings
from bluelamp.store import Store


@dataclass(frozen=True)
class Settled:
    """Incidents each in its area and without merged logs, the areas of the first day to forecast, and outages."""

    incidents: pl.DataFrame
    areas: pl.DataFrame
    outages: pl.DataFrame
    data_until: datetime
    starts: datetime


def settle_stored(still: Store, folder: Path | str, settings: Settings) -> Settled:
    """Settle a force's stored incidents as a plan of today does. Raises NoInput where there are none."""
    calls = still.read("incidents")
    if calls.is_empty():
        raise NoInput(f"The force in '{folder}' has no incidents yet. 'bluelamp import {folder} FILE' brings them in.")
    zone = settings.force.time_zone
    data_until, starts = find_horizon(calls, None, zone)
    today = starts.astimezone(periods.zone(zone)).date()
    areas, calls = settle_areas(redrawn.that_hold(still.read("areas")), calls, settings, today, [])
    calls = leave_out_merged(calls, [])
    return Settled(calls, areas, find_outages(calls, settings), data_until, starts)


def find_horizon(calls: pl.DataFrame, forecast_from: datetime | None, time_zone: str) -> tuple[datetime, datetime]:
    """Give until when incidents are known, and the first hour to forecast."""
    last = calls.filter(~_is_merged())["received_at"].max()
    if last is None:
        raise NoInput("Every incident was merged into another, so that none is left to plan from. Import the others.")
    assert isinstance(last, datetime)
    until = end_of_hour(last, time_zone)
    return until, forecast_from or periods.next_local_midnight(until, time_zone)


def end_of_hour(last: datetime, time_zone: str) -> datetime:
    """Give until when a feed is known whose last incident was received then.

    Its hour is taken as whole; outages mask it where it plainly is not.
    """
    ends: datetime = periods.hours_between(time_zone, last + timedelta(microseconds=1), last + timedelta(hours=2))[0]
    return ends


def settle_areas(
    areas: pl.DataFrame, calls: pl.DataFrame, settings: Settings, day: date, notes: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Settle which areas there are on a day, and which of them each incident counts in.

    The force's own boundaries come first; else, where asked for, areas derived from points that name their area; else
    the force is one area. Which area an incident counts in is for `incidents.place_incidents` to say.
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
    placed = incidents.place_incidents(
        calls, areas, day, settings.force.time_zone,
        default_points=settings.areas.default_points, border_metres=settings.areas.border_metres,
    )  # fmt: skip
    notes += placed.notes()
    return geography.areas_on(areas, day), placed.incidents.drop("place_rule")


def settle_offences(
    offences: pl.DataFrame, given: pl.DataFrame, areas: pl.DataFrame, settings: Settings, day: date
) -> pl.DataFrame:
    """Settle which area each recorded offence counts in, as incidents are settled.

    `given` are the areas that the force has given, `areas` those that `settle_areas` made of them for the day.
    """
    lowest = areas.filter(pl.col("level") == "area")["area_id"]
    if given.is_empty() and len(lowest) == 1:
        return offences.with_columns(area_id=pl.lit(lowest.item()))
    return incidents.place_offences(
        offences, areas if given.is_empty() else given, day, settings.force.time_zone,
        default_points=settings.areas.default_points, border_metres=settings.areas.border_metres,
    )  # fmt: skip


def leave_out_own(offences: pl.DataFrame, calls: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Leave out offences that were recorded from an incident whose origin does not drive demand: officers came upon
    them, and what patrols find must not say where they go next.
    """
    own = calls.filter(~pl.col("origin").is_in(list(settings.demand.origins)))
    return offences.join(own.select("incident_id"), on="incident_id", how="anti", maintain_order="left")


def leave_out_merged(calls: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Leave out logs that were merged into another: the call is counted there."""
    kept = calls.filter(~_is_merged())
    if kept.height < calls.height:
        merged = count_of(calls.height - kept.height, "log was", "logs were")
        notes.append(f"{merged} merged into another and count there.")
    return kept


def _is_merged() -> pl.Expr:
    return (pl.col("merged_into") != pl.col("incident_id")).fill_null(value=False)


def find_outages(calls: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Find the hours in which a feed was down, by the settings' share and those that they declare."""
    return incidents.find_outages(
        calls, settings.force.time_zone, settings.demand.outage_share, settings.demand.declared_outages
    )


def find_officers_breaks(attendances: pl.DataFrame, given: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Find the breaks that officers had (`breaks.find_officers_breaks`), by the status log's `attendances` and by the
    bookings and the duty sheet among the tables `given` by name.
    """
    duties = given["duties"]
    since = attendances["starts_at"].min()
    if isinstance(since, datetime):
        # A duty lasts a day at most, and turns are seldom longer.
        duties = duties.filter(pl.col("ends_at") > since - timedelta(days=2))
    turns = duty_sheet.turns_of(duty_sheet.as_it_came(duties))
    return breaks.find_officers_breaks(attendances, given["unit_crews"], turns)


def find_spells(
    given: Mapping[str, pl.DataFrame], settings: Settings, *, begin: datetime, end: datetime,
    break_shares: breaks.BreakShares | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Find when each officer is there and may go out, duty by duty, as the settings say (`deployable.find_spells`).

    Where `people` does not say whether somebody may drive on response, they may.
    """
    return deployable.find_spells(
        given["duties"], given["people"].with_columns(pl.col("may_drive_on_response").fill_null(value=True)),
        given["absences"], begin=begin, end=end, break_shares=break_shares, **_rules_of_duties(settings),
    )  # fmt: skip


def _rules_of_duties(settings: Settings) -> dict[str, Any]:
    return {
        "time_zone": settings.force.time_zone,
        "day_starts_at": settings.duties.day_starts_at,
        "briefing_minutes": settings.duties.briefing_minutes,
        "refreshments": [(row.at_least_hours, row.minutes) for row in settings.duties.refreshments],
        "desk_roles": settings.duties.desk_roles,
    }


def find_on_duty(
    given: Mapping[str, pl.DataFrame], cover: pl.DataFrame, settings: Settings, crew: Sequence[int], *,
    pool_hours: PoolHours, hours: pl.Series, ends_at: datetime, break_shares: breaks.BreakShares | None = None,
) -> deployable.Deployable:  # fmt: skip
    """Find who can go out by the duty sheet, as the settings say; `given` are the tables of the sheet by name, `crew`
    the officers in a unit by local hour, `break_shares` where breaks were seen (`breaks.shares_of_turns`).
    """
    return deployable.find_deployable(
        given["duties"], given["people"], given["absences"], given["commitments"], given["vehicles"], cover,
        pool_hours=pool_hours, hours=hours, ends_at=ends_at, crew_size_by_hour=crew, break_shares=break_shares,
        **_rules_of_duties(settings),
    )  # fmt: skip
