"""What a planner should know beside the figures of a run: each remark a sentence, with its share.

Remarks say what was assumed, what does not fit together, and how far a figure can be believed. They stand with the run,
on the page and under the command that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from bluelamp import committed, offered_work, periods, pools
from bluelamp.errors import UsageError, count_of, one_of

# A year without data is longer than any season can be carried over.
LONGEST_GAP_DAYS = 365


def on_committed(found: committed.UnitTime, counted: pl.DataFrame) -> list[str]:
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


def on_cover(
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


def on_the_sheet(given: Mapping[str, pl.DataFrame]) -> list[str]:
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
