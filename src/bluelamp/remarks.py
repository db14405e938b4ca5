"""What a planner should know beside the figures of a run: each remark a sentence, with its share.

Remarks say what was assumed, what does not fit together, and how far a figure can be believed. They stand with the run,
on the page and under the command that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from bluelamp import abstraction, committed, geography, incidents, offered_work, peaks, periods, pools
from bluelamp.errors import UsageError, count_of, one_of
from bluelamp.settings import ContactsPart, InvestigationPart, OtherWorkPart, StaffingPart, TimeBudgetPart

# A year without data is longer than any season can be carried over.
LONGEST_GAP_DAYS = 365
# Offences are extracted apart from incidents; shifts of next week can't be told from what ended long ago.
LONGEST_OFFENCE_GAP_DAYS = 70

# What is taken of the officers on the sheet where the table that would tell is not given.
_TAKEN = {
    "absences": "that everybody with a duty is there",
    "people": "that nobody is a student or restricted",
    "commitments": "that no planned operation takes anybody away",
    "vehicles": "that there is a vehicle for every unit",
}
# What a force's figures leave out, or take for granted, without a table that it may import.
LEFT_OUT = {
    "incidents": "there is nothing to forecast from",
    "areas": "areas are those that incidents name, or the whole force is one area",
    "pools": "each district is one pool at all hours, or one pool covers the whole force",
    "standards": "90% of all incidents within 15 minutes is assumed",
    "duties": "the map shows what is required, not what is short",
    **{name: f"it is taken {words}" for name, words in _TAKEN.items()},
    "minimums": "no minimum strength binds: units are asked for by demand alone",
    "unit_status": "times are those of the incident log, which does not show write-up, guards, custody, units that "
    "came back and work without a log, and clears a call with its last unit",
    "unit_crews": "ends of duty, and which pool a unit serves, are known only as far as the status log says them",
    "grade_history": "each incident has the grade that it has now; which it had before is not known",
    "contacts": "calls that became no incident are not known, and how many will ring is not forecast",
    "offences": "offences, and between which times they happened, are not known",
    "events": "the forecast knows of public holidays, and of nothing else that is planned",
    "drivers": "the forecast does not know of the weather, or of anything else that demand goes with",
    "stated_changes": "the outlook by month knows of no change but those that the history shows",
    "harm_weights": "there is no map of harm, and each offence counts as one",
    "cases": "how many investigators are needed is not told",
    "visits": "what became of patrol lists is not known, and officers' own incidents stand for exposure to patrols",
    "service_times": "where incidents' own times are not complete, shipped priors stand in",
}


# What is counted by pools, and left out where no pool of its name is known.
_OF_POOLS = ("duties", "minimums", "commitments", "vehicles")


def on_tables(given: Collection[str]) -> list[str]:
    """Say what a force that brings these tables will be surprised by: those of them that can't be used without 'pools',
    and the target that stands in for its own.
    """
    notes = []
    unused = [name for name in _OF_POOLS if name in given]
    if unused and "pools" not in given:
        *others, last = (f"'{name}'" for name in unused)
        named = f"{', '.join(others)} and {last}" if others else last
        notes.append(
            f"There is no 'pools', so that {named} can't be used yet: which areas each pool covers is not known. "
            "'bluelamp template pools' gives a blank one to fill in."
        )
    if "standards" not in given:
        notes.append(
            f"There is no 'standards': {LEFT_OUT['standards']}, whatever their grade. 'bluelamp template standards' "
            "gives a blank one to fill in."
        )
    return notes


def on_committed(
    found: committed.UnitTime, counted: pl.DataFrame, without_log: committed.WithoutLog, counts: OtherWorkPart
) -> list[str]:
    """Say how far committed time can be believed, what it is beside the time at calls, and which of that counts."""
    of_force = _committed_of_force(counted)
    total = float(of_force["unit_hours"].sum())
    if not total:
        return ["The status log tells of no committed time."]
    repaired = float(of_force["repaired_unit_hours"].sum())
    shares = _beside_calls(of_force)
    parts = [f"{words} {share:.0%}" for words, share in shares.items()]
    notes = [
        f"{repaired / total:.1%} of committed unit-hours begin or end by a rule of repair, where a press was missed.",
        f"Beside the time at calls, committed time is {', '.join(parts)}.",
        *_on_what_counts(shares, without_log, counts),
    ]
    weeks = found.clock.filter(pl.col("hours_ahead") != 0).height
    if weeks:
        notes.append(
            f"In {count_of(weeks, 'week')} the clocks of status log and incident log differ by whole hours; nothing "
            "was repaired by the log's times then."
        )
    return notes


_LONG, _WRITE_UP, _WITHOUT_LOG = "guards, custody and other long commitments", "write-up", "work without a log"


def _committed_of_force(counted: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of `committed` that are the whole force's, and time at work."""
    at_work = ~pl.col("stage").is_in(["available", "unknown", "briefing", "refreshments"])
    return counted.filter(pl.col("level") == "force", at_work, pl.col("unit_hours") > 0)


def _beside_calls(of_force: pl.DataFrame) -> dict[str, float]:
    """Give the shares of the force's committed time that are not at calls."""
    hours, total = pl.col("unit_hours"), float(of_force["unit_hours"].sum())
    is_long, is_write_up = pl.col("is_long"), pl.col("stage") == "write_up"
    return of_force.select(
        hours.filter(is_long).sum().alias(_LONG) / total,
        hours.filter(is_write_up).sum().alias(_WRITE_UP) / total,
        hours.filter(~is_long & ~is_write_up & ~pl.col("has_incident")).sum().alias(_WITHOUT_LOG) / total,
    ).row(0, named=True)


def _on_what_counts(shares: Mapping[str, float], without_log: committed.WithoutLog, counts: OtherWorkPart) -> list[str]:
    """Say which of the work beside calls is in the requirement; what the log never shows can't be."""
    usual, pressing = without_log.usual, without_log.pressing
    silent = f"that part of {_WITHOUT_LOG} which is done even when hardly any unit is free"
    if pressing is not None and usual is not None:
        silent += f" ({60 * pressing:.0f} of its {60 * usual:.0f} minutes for each hour at calls)"
    switches = {_WRITE_UP: counts.write_up, _LONG: counts.long_commitments, _WITHOUT_LOG: counts.without_log}
    unseen = [name for name in switches if not shares[name]]
    kept = [name for name, is_on in switches.items() if is_on and shares[name] and name != _WITHOUT_LOG]
    dropped = [name for name, is_on in switches.items() if not is_on and shares[name]]
    if counts.without_log and shares[_WITHOUT_LOG]:
        if pressing is None:
            dropped.append(f"{_WITHOUT_LOG}, for which the hours of a week are not all known yet")
        else:
            kept.append(silent)
    said = {
        "In the requirement beside calls": kept,
        "Not in the requirement": dropped,
        "Not in the requirement, because the status log shows none": unseen,
    }
    return [f"{words}: {', '.join(names)}." for words, names in said.items() if names]


# How much of committed time no incident log shows, at most, where nobody has measured it: an assumption, named as one.
_MOST_UNSEEN = 0.4


def on_unseen_work(counted: pl.DataFrame, service_times: pl.DataFrame, units_for: Callable[[float], int]) -> list[str]:
    """Say how far off a requirement may be that knows calls alone, because no status log is given or it shows no more.

    `units_for` gives the units, summed over pools and hours, that so many times the work would ask for.
    """
    of_force = _committed_of_force(counted)
    if not of_force.is_empty() and any(_beside_calls(of_force).values()):
        return []
    why = "The status log shows nothing but calls."
    if of_force.is_empty():
        why = f"No 'unit_status' is given: {LEFT_OUT['unit_status']}."
    weights = (service_times["share_deployed"] * service_times["incidents"].fill_null(0)).to_numpy()
    units = service_times["units_per_deployment"].to_numpy()
    each = float(np.average(units, weights=weights if weights.any() else None))
    asked = max(units_for(1.0), 1)
    fewer = 1 - units_for(1 / each) / asked
    more = units_for(1 / (1 - _MOST_UNSEEN)) / asked - 1
    return [
        f"{why} The requirement may be far off: {more:.0%} more units would be asked for if {_MOST_UNSEEN:.0%} of "
        f"committed time is not in the log, {fewer:.0%} fewer if all of it is and only one unit stays until a call is "
        "cleared (assumptions, not measurements). A 'unit_status' with write-up, guards and custody tells."
    ]


# Less than this of the officer-hours may rest on priors without a word.
_LEAST_OF_PRIORS = 0.05


def on_priors(demand: pl.DataFrame, service_times: pl.DataFrame) -> list[str]:
    """Say which part of the officer-hours rests on priors, where it is more than a twentieth."""
    each = pl.col("share_deployed") * pl.col("units_per_deployment") * pl.col("minutes_per_unit")
    of_prior = incidents.PRIOR_WEIGHT / (incidents.PRIOR_WEIGHT + pl.col("incidents").fill_null(0))
    hours, rests = (
        demand.group_by("class_code", "grade_code")
        .agg(seen=pl.col("incidents").sum())
        .join(service_times, on=["class_code", "grade_code"])
        .select((pl.col("seen") * each).sum(), rests=(pl.col("seen") * each * of_prior).sum())
        .row(0)
    )
    if not hours or rests / hours < _LEAST_OF_PRIORS:
        return []
    part = "All" if rests / hours > 0.995 else f"{rests / hours:.0%}"
    return [
        f"{part} of the officer-hours rest on priors and not on the force's own times: on how long such incidents take "
        "elsewhere. Their ranges are wider for it; 'service_times' says of each class what it rests on."
    ]


def on_age(data_until: datetime, starts: datetime, time_zone: str) -> list[str]:
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


def on_areas(areas: pl.DataFrame, events: pl.DataFrame, day: date, days: int) -> list[str]:
    """Say when areas change within the days to forecast, because the figures are for those in force on the first; and
    name the events of areas that are not.
    """
    notes = []
    now = geography.areas_on(areas, day)["area_id"]
    strange = events.filter(pl.col("area_id").is_not_null() & ~pl.col("area_id").is_in(now.implode()))
    if strange.height:
        notes.append(
            f"{count_of(strange.height, 'event')} {'speaks' if strange.height == 1 else 'speak'} of areas not in force "
            f"on {day} ({_first_of(strange['area_id'].unique().sort().to_list())}), and "
            f"{'changes' if strange.height == 1 else 'change'} nothing. Name the areas that took their place."
        )
    lowest = areas.filter(pl.col("level") == "area")
    last = day + timedelta(days=days - 1)
    begin = lowest.filter(pl.col("valid_from").is_between(day, last, closed="right"))
    end = lowest.filter(pl.col("valid_to").is_between(day, last, closed="left"))
    if begin.is_empty() and end.is_empty():
        return notes
    days_of_change = pl.concat([begin["valid_from"], end["valid_to"] + timedelta(days=1)]).unique().sort()
    codes = pl.concat([begin["area_id"], end["area_id"]]).unique().sort()
    return [
        *notes,
        f"Areas change on {', '.join(str(each) for each in days_of_change[:3])} ({_first_of(codes.to_list())}). All "
        f"figures are for those in force on {day}; a run that begins later takes those of then.",
    ]


def on_pools(cover: pl.DataFrame, areas: pl.DataFrame, role_code: str, day: date) -> list[str]:
    """Name the areas in pools that are not in force on the first day, and those in force that no pool covers."""
    rows = cover.filter(
        pl.col("role_code") == role_code,
        pl.lit(day).is_between(pl.col("valid_from").fill_null(date.min), pl.col("valid_to").fill_null(date.max)),
    )
    known = areas.filter(pl.col("level") == "area")["area_id"]
    gone = sorted(set(rows["area_id"]) - set(known))
    bare = sorted(set(known) - set(rows["area_id"]))
    notes = []
    if gone:
        notes.append(
            f"'pools' names {count_of(len(gone), 'area')} not in force on {day} ({_first_of(gone)}), which cover "
            "nothing. End those rows with valid_to, and name the areas that took their place."
        )
    if bare and rows.height:
        notes.append(
            f"No pool of role '{role_code}' covers {count_of(len(bare), 'area')} on {day} ({_first_of(bare)}): its "
            "incidents are shared out over all pools in proportion to their own."
        )
    return notes


def _first_of(codes: Sequence[str]) -> str:
    return ", ".join(codes[:5]) + (f" and {len(codes) - 5} more" if len(codes) > 5 else "")


def on_demand(demand: pl.DataFrame, driving: pl.DataFrame, outages: pl.DataFrame) -> list[str]:
    """Say what does not drive the forecast, what has no place, what rests on priors, and what outages mask."""
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


def on_repeats(repeats: pl.DataFrame) -> list[str]:
    """Say how much of the work comes from the same callers and places, and how many incidents name none."""
    notes = []
    overall = repeats.filter(pl.col("class_code") == "all", pl.col("grade_code") == "all")
    for kind in overall["kind"].unique().sort():
        shares = {
            each: (incidents, hours or 0.0)
            for each, incidents, hours in overall.filter(pl.col("kind") == kind)
            .select("incidents_each", "share_of_incidents", "share_of_hours")
            .iter_rows()
        }
        often = [shares.get(each, (0.0, 0.0)) for each in ("5-9", "10+")]
        named = 1 - shares.get("unknown", (0.0, 0.0))[0]
        at_default = f" and {shares['default'][0]:.0%} stand at default locations" if "default" in shares else ""
        days = (overall["to_at"][0] - overall["from_at"][0]) / timedelta(days=1)
        window = count_of(max(1, round(days)), "day")
        notes.append(
            f"{kind.capitalize()}s with five incidents or more in {window} have {sum(rows for rows, _ in often):.0%} "
            f"of incidents and {sum(hours for _, hours in often):.0%} of officer-hours; {named:.0%} of incidents name "
            f"a {kind}{at_default}. One number or address may be many people."
        )
    return notes


def on_offending(offending: pl.DataFrame, times: incidents.KnownTimes) -> list[str]:
    """Say how far the hours and places of offences are known, and what is left out of them."""

    def of_all(number: float) -> str:
        return f"{number:,.0f} ({number / times.offences:.1%})"

    notes = [
        f"Of {count_of(times.offences, 'offence')}, {of_all(times.to_the_hour)} are known to the hour; others are "
        "shared out over the hours in which they can have been."
    ]
    left_out = {"have no time at all": times.without_time, "have a range longer than a week": times.too_long}
    told = [f"{of_all(number)} {words}" for words, number in left_out.items() if number]
    if told:
        notes.append(f"Offences that say nothing of the hour are left out of 'offending': {' and '.join(told)}.")
    if times.turned:
        turned = count_of(times.turned, "offence ends before it begins", "offences end before they begin")
        notes.append(f"{turned}; the ends were swapped.")
    nowhere = float(offending.filter(pl.col("area_id") == pools.UNKNOWN_AREA)["offences"].sum())
    if round(nowhere):
        notes.append(f"{of_all(nowhere)} of the offences have no place to go by, and count in the area 'unknown'.")
    return notes


# What an area gains below this is chance in a force of some thousand incidents; the table has them all.
_LEAST_GAIN = 0.002


def on_feedback(feedback: pl.DataFrame, origins: Collection[str]) -> list[str]:
    """Say what part of the work patrols find for themselves, and which areas would gain if it were counted."""
    found, others = int(feedback["incidents_found"].sum()), int(feedback["incidents"].sum())
    notes = []
    counted = sorted(set(origins) & {"officer_initiated", "directed"})
    if counted:
        notes.append(
            f"[demand] origins lets {' and '.join(counted)} drive the forecast: where patrols go there will be more of "
            "them, which sends more patrols. Leave them out unless you know why not."
        )
    if not found:
        return notes
    gains = feedback.filter(pl.col("gain") >= _LEAST_GAIN, pl.col("area_id") != pools.UNKNOWN_AREA)
    most = gains.sort(["gain", "area_id"], descending=[True, False]).head(3)
    named = ", ".join(
        f"'{area}' (from {share:.1%} to {counted_share:.1%} of all)"
        for area, share, counted_share in most.select("area_id", "share", "share_if_counted").iter_rows()
    )
    who = f"{named} would gain most" if named else "hardly any area's share would change"
    notes.append(
        f"{found / (found + others):.1%} of the last year's incidents, administration aside, are officers' own or "
        f"directed and drive no forecast; if they did, {who}."
    )
    return notes


def on_suppressed(suppressed: pl.DataFrame, contacts: pl.DataFrame) -> list[str]:
    """Say how much was asked for and never became an incident or got a visit, and what of it can't be known."""
    notes, parts = [], []
    for kind, words in _SUPPRESSED.items():
        rows = suppressed.filter(kind=kind)
        if rows.is_empty():
            continue
        weeks = weeks_told(rows, suppressed)
        low, high = (float(rows[f"incidents_{bound}"].sum()) / weeks for bound in ("low", "high"))
        known = rows["incidents_mean"].is_not_null().all()
        likely = f", likely {rows['incidents_mean'].sum() / weeks:,.1f}" if known else ""
        parts.append(f"{words} {low:,.1f} to {high:,.1f}{likely}")
    if parts:
        notes.append(f"Suppressed demand, in incidents a week and in no forecast: {'; '.join(parts)}.")
    if contacts.height and contacts["caller_token"].is_null().all():
        notes.append(
            "'contacts' name no caller, so that who rang again is not known: of calls that nobody answered only the "
            "most that they can have been is told."
        )
    return notes


def on_hotspots(places: pl.DataFrame, maps: Mapping[str, str] | None) -> list[str]:
    """Say by what hotspots were found, and whether that was ever held against what came."""
    if places.is_empty():
        return []
    if maps is None:
        return [
            "Hotspots are the plain count map: no other has been tested on this force's own past. 'bluelamp hotspots "
            "FORCE --test' does."
        ]
    by_method = places.select("class_code", "method").unique().group_by("method").len().sort("method")
    told = ", ".join(f"{method} ({count_of(number, 'class', 'classes')})" for method, number in by_method.iter_rows())
    return [f"Hotspots are found by what won on weeks held out: {told}."]


def on_exposure(exposure: pl.DataFrame) -> list[str]:
    """Name the area whose part of patrols exceeds its part of offences most."""
    known = exposure.filter(pl.col("area_id") != pools.UNKNOWN_AREA, pl.col("exposure_share") > 0)
    over = known.with_columns(over=pl.col("exposure_share") - pl.col("offences_share")).drop_nulls("over")
    if over.height < 2:
        return []
    most = over.sort(["over", "area_id"], descending=[True, False]).row(0, named=True)
    people = most["population_share"]
    of_people = "" if people is None else f" and {people:.1%} of the people"
    by = "visits"
    if most["measure"] != "visits":
        by = "incidents that officers began, for want of 'visits' in those weeks"
    return [
        f"Patrolled more in 52 weeks than its offences say (by {by}): '{most['area_id']}' has "
        f"{most['exposure_share']:.1%} of exposure to patrols, {most['offences_share']:.1%} of offences{of_people}. "
        "'bluelamp table exposure' has all."
    ]


_SUPPRESSED = {
    "abandoned": "callers whom nobody answered",
    "unanswered": "messages that nobody opened",
    "nobody_sent": "logs closed without anybody sent",
}


def weeks_told(of_kind: pl.DataFrame, suppressed: pl.DataFrame) -> int:
    """Count the weeks in which one kind of suppressed demand is told: from its first to the last of all."""
    first, last = of_kind["week_starting"].min(), suppressed["week_starting"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return round((last - first) / timedelta(weeks=1)) + 1


def on_contacts(until: datetime, starts: datetime, time_zone: str) -> tuple[list[str], bool]:
    """Say where contacts end long before the first day to forecast, and whether they can be forecast all the same."""
    days = (starts - until).days
    last = (until - timedelta(microseconds=1)).astimezone(periods.zone(time_zone)).date()
    if days > LONGEST_GAP_DAYS:
        return [
            f"'contacts' end on {last}, more than a year before the first day of the forecast: none is made."
        ], False
    if days < 7:
        return [], True
    return [f"'contacts' end on {last}, {count_of(days, 'day')} before the first day of their forecast."], True


# Weeks in a year; a record of fewer says less of leave, which has its seasons.
_A_YEAR = 51.9


def on_abstraction(lost: abstraction.Abstraction, used: Mapping[str, float], wanted: StaffingPart) -> list[str]:
    """Say what part of the role that answers incidents is lost to what, both ways of saying it, and what gross uses."""
    if lost.table.is_empty():
        return []
    weeks = count_of(round(lost.weeks), "week")
    mine = lost.table.filter(role_code=wanted.role)
    notes = []
    if mine.height:
        total = float(mine.filter(cause="all")["share"][0])
        causes = mine.filter(pl.col("cause") != "all", pl.col("share") >= 0.005).sort("share", descending=True)
        parts = ", ".join(
            f"{cause.replace('_', ' ')} {share:.1%}" for cause, share in causes.select("cause", "share").iter_rows()
        )
        posts = lost.relief_factors.filter(pl.col("role_code") == wanted.role).drop_nulls("relief_factor")
        factors = ", ".join(
            f"{factor:.2f} officers for {post:g} hours a week"
            for post, factor in posts.select("post_hours_a_week", "relief_factor").iter_rows()
        )
        gives = f" One of them gives {posts['net_hours_a_year'][0]:,.0f} hours a year: {factors}." if factors else ""
        notes.append(f"Of {wanted.role}'s rostered hours {total:.1%} were lost in {weeks} ({parts}).{gives}")
    if used:
        season = "" if lost.weeks >= _A_YEAR else " Leave has its seasons, and the record is shorter than a year."
        notes.append(f"Officers before abstraction (gross) use what each role lost on the record.{season}")
    elif wanted.measure_abstraction:
        notes.append(
            f"Officers before abstraction (gross) use the setting of {wanted.abstraction:.0%}: the record of duties "
            f"and absences is shorter than {abstraction.LEAST_WEEKS} weeks, and leave has its seasons."
        )
    return notes


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def on_agents(required: pl.DataFrame, forecast: pl.DataFrame, wanted: ContactsPart) -> list[str]:
    """Say how many call takers are needed at most, by what, and which contacts are in no line."""
    if required.is_empty():
        return ["No call takers are asked for: of no line with a target is it known how long its contacts take."]
    notes = []
    every = required.filter(channel="all")
    by_moment = every.group_by("starts_at").agg(pl.col("agents_required", "agents_required_gross").sum())
    busiest = by_moment.sort(["agents_required", "starts_at"], descending=[True, False]).row(0, named=True)
    hours = float(every["agents_required"].sum()) / 4 / max(every["local_day"].n_unique(), 1)
    how = "shared by all lines, the first first" if wanted.is_shared else "each line by itself"
    targets = ", ".join(f"{each.channel} {each.share:.0%} in {each.seconds:g} s" for each in wanted.targets)
    notes.append(
        f"Call takers ({how}; {targets}): up to {busiest['agents_required']} at once "
        f"({busiest['agents_required_gross']} on the strength), {hours:,.0f} hours a day at their places."
    )
    if wanted.targets == ContactsPart.model_validate({}).targets:
        notes.append(
            "The force has set no targets of its own for its telephones: 999 is held to the national standard, and 101 "
            "to an assumption. [[contacts.targets]] in force.toml sets them."
        )
    unknown = required.filter(model="erlang_c")["channel"].unique().sort().to_list()
    if unknown:
        notes.append(
            f"Of {_listed(unknown)} the record does not say how long callers wait before they give up: all are taken "
            "to wait, which asks for more people where lines are long."
        )
    sized = required["channel"].unique().to_list()
    beside = forecast.filter(pl.col("span") == "day", ~pl.col("channel").is_in([*sized, "all"]))
    near = beside.filter(pl.col("local_day").is_in(required["local_day"].unique().implode()))
    if near.height:
        hours = float(near["handling_hours_mean"].fill_null(0).sum()) / max(near["local_day"].n_unique(), 1)
        others = near["channel"].unique().sort().to_list()
        have = "have no target, and are" if len(others) > 1 else "has no target, and is"
        notes.append(f"{_listed(others)} {have} in no line: {hours:,.0f} hours of handling a day come on top.")
    return notes


def on_investigators(required: pl.DataFrame, open_now: int, wanted: InvestigationPart) -> list[str]:
    """Say how many investigators hold the caseload, what it is if nothing changes, and what that rests on."""
    if required.is_empty():
        return []
    force = required.filter(pool_id="all").sort("week_starting")
    last = force.row(-1, named=True)
    promise = "what is open today" if wanted.most_open_cases is None else f"{wanted.most_open_cases:,.0f}"
    there = (
        "" if last["investigators_today"] is None
        else f" With the {last['investigators_today']:,.0f} of today {last['open_today_mean']:,.0f} are open in "
        f"{count_of(force.height, 'week')} ({last['open_today_p10']:,.0f} to {last['open_today_p90']:,.0f})."
    )  # fmt: skip
    settled = min(wanted.settling_weeks, force.height)
    also = "" if last["binds"] == "caseload" else ", and cases finalised as promised,"
    told = [
        f"{count_of(open_now, 'case is', 'cases are')} open. To have no more open than {promise} from week "
        f"{settled} on{also} takes {last['investigators_required']:,} investigators at work "
        f"({last['investigators_required_gross']:,} on the strength), each giving {wanted.hours_a_week:g} hours a week "
        f"to cases; {_less_or_more(last)}.{there} {last['share_assumed']:.0%} of the work rests on starting values, "
        "which are assumptions."
    ]
    if wanted.finalised_weeks is not None:
        told.append(_on_age(required, force.slice(settled - 1), wanted))
    return told


def _less_or_more(row: Mapping[str, Any]) -> str:
    low, high = (row[f"investigators_required_{name}"] for name in ("low", "high"))
    if high is None:
        return f"{low:,} if a case takes a quarter less; if it takes a quarter more, no number keeps the promise"
    return f"{low:,} to {high:,} if a case takes a quarter less or more"


def _on_age(required: pl.DataFrame, judged: pl.DataFrame, wanted: InvestigationPart) -> str:
    """Say how many cases are finalised as promised, and what a promise on age asks for by itself."""
    alone, shares = judged["investigators_required_age"][0], judged["in_time_today"].drop_nulls().to_list()
    promise = f"{wanted.finalised_share:.0%} of cases within {wanted.finalised_weeks:g} weeks"
    now = "" if not shares else f" With those of today it would be {sum(shares) / len(shares):.0%}."
    if alone is not None:
        return f"To finalise {promise}, of those opened from then on, takes {alone:,} investigators at work.{now}"
    never = required.filter(pl.col("investigators_required_age").is_null(), pl.col("pool_id") != "all")
    where = "" if never.is_empty() else f" in {_listed(never['pool_id'].unique().sort().to_list())}"
    return (
        f"No number of investigators finalises {promise}{where}: their own hours and waiting on others take longer."
        f"{now}"
    )


# A planner looks at leave this far ahead.
_LEAVE_DAYS = 28


def on_headroom(leave_left: pl.DataFrame, told_skills: Collection[str], time_zone: str) -> list[str]:
    """Say in how many of the coming shifts nobody could be away, which binds, and of which skills nobody knows."""
    if leave_left.is_empty():
        return []
    first = leave_left["local_day"].min()
    assert isinstance(first, date)
    near = leave_left.filter(
        pl.col("local_day") < first + timedelta(days=_LEAVE_DAYS), pl.col("headroom").is_not_null()
    )
    notes = []
    tight = near.filter(pl.col("headroom") <= 0)
    if not tight.is_empty():
        short = tight.filter(pl.col("headroom") < 0)
        by_role = short.group_by("role_code").len().sort("len", "role_code", descending=[True, False])
        listed = ", ".join(f"{role} {number:,}" for role, number in by_role.iter_rows())
        by_minimum = tight.filter(binds="minimum").height
        worst = tight.sort("headroom", "shift_starting", "pool_id").row(0, named=True)
        when = f"{worst['shift_starting'].astimezone(periods.zone(time_zone)):%a %-d %b %H:%M}"
        notes.append(
            f"Leave: in {tight.height:,} of {count_of(near.height, 'shift')} of pools in the next {_LEAVE_DAYS} days "
            f"nobody more could be away (a minimum binds in {by_minimum:,}, demand in {tight.height - by_minimum:,}), "
            f"and {short.height:,} are short{f' ({listed})' if listed else ''}. The tightest: {worst['pool_id']}, "
            f"{when} ({worst['headroom']:+d}). 'bluelamp table headroom' has all."
        )
    unknown = sorted(set(leave_left["skill_code"]) - {"any", *told_skills})
    if unknown:
        notes.append(
            f"Who has the skill {_listed(unknown)} is in no table, so that how far its minimums are met is not known."
        )
    return notes


def on_time_budget(budget: pl.DataFrame, wanted: TimeBudgetPart) -> list[str]:
    """Say what a week's time goes to on average, and how many officers the budget asks for beside response."""
    for row in budget.filter(pool_id="all", weekday="all").iter_rows(named=True):
        proactive = row["officers_for_proactive"]
        left = (
            "could not be left by any number of officers" if proactive is None
            else f"takes {proactive:,.1f} officers at a time"
        )  # fmt: skip
        return [
            f"On average {row['committed_share']:.0%} of officers' time is committed, "
            f"{row['administrative_share']:.0%} goes to briefing and refreshments and {row['proactive_share']:.0%} is "
            "left. To have no more than "
            f"{wanted.most_committed:.0%} committed takes {row['officers_for_committed']:,.1f} officers at a time, "
            f"{wanted.least_proactive:.0%} left {left}; {row['officers']:,.1f} are there, and response asks for "
            f"{row['officers_required']:,.1f}. Such budgets are meant for the average, not for every hour."
        ]
    return []


_UNGRADED = "calls without a grade"  # 'grade none' would say that there are none


def _graded(grades: Mapping[str, str]) -> str:
    """Name the calls of some grades, each with what is said behind it.

    >>> _graded({"2": "", "3": " (on some days)", "none": ""})
    "grade '2', '3' (on some days) and calls without a grade"
    """
    named = ", ".join(f"'{grade}'{behind}" for grade, behind in grades.items() if grade != committed.NO_GRADE)
    ungraded = [f"{_UNGRADED}{behind}" for grade, behind in grades.items() if grade == committed.NO_GRADE]
    return " and ".join([f"grade {named}"] * bool(named) + ungraded)


def on_cover(
    work: offered_work.OfferedWork, cover: pl.DataFrame, given: Mapping[str, pl.DataFrame], time_zone: str
) -> list[str]:
    """Name what has no say in requirement and gap, because the tables do not fit together."""
    notes = []
    unjudged: dict[str, str] = {}
    streams = [work.stream_of(grade) for grade in range(len(work.grades))]
    for grade, calls, urgency, stream in zip(
        work.grades, work.area_arrivals.sum(axis=1), work.urgency, streams, strict=True
    ):
        has_none = np.isinf(urgency)
        if calls[has_none].any() and stream != "scheduled":
            unjudged[grade] = "" if has_none.all() else " (on some days)"
    if unjudged:
        notes.append(
            f"No response target applies to {_graded(unjudged)}: those calls keep units busy, but ask for none of "
            "their own and are never called late."
        )
    named = given["standards"]["grade_code"].unique().sort().to_list()
    if idle := [grade for grade in named if grade not in {*work.grades, "all"}]:
        notes.append(
            f"Response targets of {_graded(dict.fromkeys(idle, ''))} ask for nothing: no incident of the forecast has "
            "that grade. If it has another name in the incidents, 'standards' wants that one."
        )
    if len(set(streams) - {None}) > 1:
        notes.append(_on_streams(work.grades, streams, given["standards"]))
    changes = np.flatnonzero((work.holds[:, 1:] != work.holds[:, :-1]).any(axis=0)) + 1
    if len(changes):
        days = [f"{day:%Y-%m-%d}" for day in periods.local_parts(work.hours[changes], time_zone)["day"]]
        notes.append(f"Response targets change on {', '.join(days)}; each day is held to its own.")
    hopeless = sorted({target.grade_code for target in work.targets if target.waiting_minutes == 0})
    if hopeless:
        notes.append(
            f"The target of {_graded(dict.fromkeys(hopeless, ''))} leaves no time to wait once handling and travel are "
            "paid: more officers alone can't meet it, and its chance of lateness reads too low."
        )
    for name in _OF_POOLS:
        # Vehicles belong to a pool, whatever its role.
        place = [column for column in ("pool_id", "role_code") if column in given[name].columns]
        strange = given[name].join(cover, on=place, how="anti")
        if strange.height:
            pool_ids = strange["pool_id"].unique().sort()
            mend = " Import 'pools' with their areas to use them." if given["pools"].is_empty() else ""
            more = f" and {len(pool_ids) - 3} more" if len(pool_ids) > 3 else ""
            of_role = " for that role" if "role_code" in place else ""
            notes.append(
                f"{count_of(strange.height, 'row')} of '{name}' speak of pools that 'pools' does not have{of_role} "
                f"({', '.join(pool_ids[:3])}{more}), and are left out.{mend}"
            )
    uncovered = int((~work.pool_hours.runs.any(axis=0)).sum())
    if uncovered:
        notes.append(f"In {count_of(uncovered, 'hour')} no pool covers any area, so that nobody is asked for.")
    return notes


def _on_streams(grades: Sequence[str], streams: Sequence[str | None], standards: pl.DataFrame) -> str:
    """Say which grades are worked in which stream, and whether the force has said so."""
    named = [_UNGRADED if grade == committed.NO_GRADE else grade for grade in grades]
    parts = [
        f"{stream} {', '.join(grade for grade, its in zip(named, streams, strict=True) if its == stream)}"
        for stream in offered_work.STREAMS
        if stream in streams
    ]
    stated = "" if standards["stream"].is_not_null().any() else " (by their targets; 'standards' does not say)"
    scheduled = (
        " Scheduled calls keep units busy in their slots, but wait in no queue." if "scheduled" in streams else ""
    )
    return f"Streams of grades{stated}: {'; '.join(parts)}.{scheduled}"


def on_kinds(areas: pl.DataFrame, standards: pl.DataFrame) -> list[str]:
    """Say which grades have targets for urban and rural areas only, where areas are neither."""
    plain = areas.filter(pl.col("level") == "area", pl.col("kind") == "all").height
    everywhere = standards.filter(pl.col("area_kind") == "all")["grade_code"]
    only = standards.filter(~pl.col("grade_code").is_in(everywhere.implode()))["grade_code"].unique().sort().to_list()
    if not plain or not only or "all" in everywhere:
        return []
    return [
        f"{count_of(plain, 'area is', 'areas are')} neither urban nor rural, so that no target of grade {one_of(only)} "
        "holds there. Give their kind with the boundaries, or a target for all kinds."
    ]


def on_rosters(covered: pl.DataFrame) -> list[str]:
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


def on_peaks(
    counted: str, found: pl.DataFrame, hours: pl.DataFrame, tried: pl.DataFrame, share: float, zone: str
) -> list[str]:
    """Say when the coming week's demand and offending ('incidents'), or its recorded offences ('offences'), peak in the
    force, how few places and hours hold a share of it, what is expected to be unusual, and how often peaks came true.
    """
    notes = []
    for measure, words in _PEAKING.items():
        of_force = found.filter(pl.col("rank") == 1, scope="week", level="force", measure=measure)
        for row in of_force.iter_rows(named=True):
            when = peaks.say_when(row["starts_at"], row["ends_at"], zone)
            usual = "" if row["usual"] is None else f"; usual {row['usual']:.0f}"
            notes.append(
                f"{words} on {when}: {row['expected']:.0f} {counted} expected ({row['p10']} to {row['p90']}{usual})."
            )
    notes += [
        f"{row['share']:.0%} of the coming week's {counted} is expected in {row['rank']} of {row['cells']:,} "
        "places and times ('peak_hours' lists them; 'bluelamp peaks' tells more)."
        for row in peaks.up_to(hours, share).filter(measure=counted).sort("rank").tail(1).iter_rows(named=True)
    ]
    unusual = found.filter("is_unusual", scope="week", measure=counted)
    if unusual.height:
        first = unusual.sort("chance_unusual", "starts_at", descending=[True, False]).row(0, named=True)
        number = count_of(unusual.height, "shift is", "shifts are")
        notes.append(
            f"{number} expected to be unusual, above all {first['level']} '{first['area_id']}' on "
            f"{peaks.say_when(first['starts_at'], first['ends_at'], zone)}: {first['expected']:.0f} {counted}, where "
            f"more than {first['control_limit']} are unusual."
        )
    return [*notes, peaks.say_tried(tried, counted, counted)] if notes else []


_PEAKING = {
    "incidents": "Demand of the coming week peaks",
    "offending": "Offending of the coming week peaks",
    "offences": "Recorded offences of the coming week peak",
}


def on_offences(counted: incidents.CountedOffences | None, offences: int, starts: datetime) -> tuple[list[str], bool]:
    """Say how far the times of recorded offences are known, and whether their peaks can be told."""
    if counted is None:
        return ["Recorded offences say too little of when they happened for their peaks to be told."], False
    parts = []
    if counted.spread:
        parts.append(f"{counted.spread / offences:.0%} happened at a time known as a range, and have one moment of it")
    for left_out, words in (
        (counted.without_time, "no time"),
        (counted.too_long, "a range longer than four weeks"),
        (counted.placeholders, "the midnight that begins a month, which stands for a day that nobody knows,"),
    ):
        if left_out:
            parts.append(f"{left_out / offences:.1%} have {words} and are left out")
    parts.append(
        f"95% are recorded within {count_of(counted.wait.days + 1, 'day')}, and counts of the last days are left out "
        "until then"
    )
    told = [f"Of {offences:,} recorded offences, {'; '.join(parts)}."]
    old = (starts - counted.known_until).days
    if old > LONGEST_OFFENCE_GAP_DAYS:
        return [*told, f"They end {old} days before the forecast begins, so that their peaks are not told."], False
    return told, True


def on_the_sheet(given: Mapping[str, pl.DataFrame]) -> list[str]:
    """Say what is taken of the officers on the sheet because the table that would tell is not given."""
    missing = [name for name in _TAKEN if given[name].is_empty()]
    if not missing:
        return []
    *others, last = (_TAKEN[name] for name in missing)
    return [f"No {one_of(missing)} are given. It is taken {', '.join(others)}{' and ' if others else ''}{last}."]
