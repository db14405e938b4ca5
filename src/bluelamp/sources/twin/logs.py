"""Logs of the control room: what calls become, and what happened to each by the time it was asked.

A call becomes a log. Some things are called in twice (the second log is merged into the first), some logs are linked,
some are graded anew, some need another visit, and they are closed long after the last unit has left. Times are whole
seconds since 1970; a null has not come yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp.sources.twin.dispatch import Jobs, Sent
from bluelamp.sources.twin.geography import PROFILES, County
from bluelamp.sources.twin.incidents import GRADES, spread

WholeNumbers = NDArray[np.int64]

_OWN = ("officer_initiated", "directed", "administrative")
_HOUR = 3600


@dataclass(frozen=True)
class Opened:
    """Logs as opened, one row each by receipt, with what will become of them; and the jobs that they make.

    `log_of_job` gives the row of the log that a job belongs to.
    """

    logs: pl.DataFrame
    jobs: Jobs
    log_of_job: WholeNumbers


def open_logs(calls: pl.DataFrame, county: County, numbers: dict[str, Any], random: np.random.Generator) -> Opened:
    """Open a log for every call (as drawn, by receipt), and for some a second one that says the same."""
    logs = _with_duplicates(calls, numbers["feeds"]["logs"], random)
    logs = _with_grades(logs, numbers["feeds"]["logs"], random)
    logs = _with_closing_codes(logs, numbers["feeds"]["logs"]["closed_as_another"], random)
    logs = _with_faults(logs, county, numbers["feeds"]["faults"], random)
    jobs, log_of_job = _jobs(logs, county, numbers, random)
    return Opened(logs, jobs, log_of_job)


def _with_duplicates(calls: pl.DataFrame, what: dict[str, Any], random: np.random.Generator) -> pl.DataFrame:
    calls = calls.with_row_index("call").with_columns(pl.col("call").cast(pl.Int64))
    drawn = random.random((2, calls.height))
    later = 30 + random.exponential(60 * what["duplicate_minutes"], calls.height).astype(np.int64)
    is_own = calls["origin"].is_in(list(_OWN)).to_numpy()
    again = calls.filter(pl.Series(~is_own & (drawn[0] < what["duplicates"])))
    again = again.with_columns(
        received_at=pl.col("received_at") + pl.Series(later).gather(again["call"]),
        units=pl.lit(0, dtype=pl.Int64),
        scene_seconds=pl.lit(0, dtype=pl.Int64),
        disposition_code=pl.lit("DUP"),
        merges_with=pl.col("call"),
        cleared_at=pl.lit(None, dtype=pl.Int64),
    )
    again = again.with_columns(closed_at=pl.col("received_at") + 600, merged_at=pl.col("received_at") + 300)
    is_linked = pl.Series(~is_own & (drawn[1] < what["linked"]))
    calls = calls.with_columns(
        merges_with=pl.lit(None, dtype=pl.Int64),
        merged_at=pl.lit(None, dtype=pl.Int64),
        linked_at=pl.when(is_linked).then(pl.col("received_at") + 1200),
    )
    again = again.with_columns(linked_at=pl.lit(None, dtype=pl.Int64), call=pl.lit(-1, dtype=pl.Int64))
    logs = pl.concat([calls, again.select(calls.columns)]).filter(pl.col("received_at") <= calls["received_at"].max())
    logs = logs.sort("received_at", "call").with_row_index("log").with_columns(pl.col("log").cast(pl.Int64))
    row_of_call = logs.filter(pl.col("call") >= 0).select(merges_with="call", merges_into="log")
    return logs.join(row_of_call, on="merges_with", how="left", maintain_order="left").drop("call", "merges_with")


def _with_grades(logs: pl.DataFrame, what: dict[str, Any], random: np.random.Generator) -> pl.DataFrame:
    """Give the grade at opening, when it changed, and the one at closure; `grade_code` is the one worked with."""
    drawn = random.random(logs.height)
    later = 60 + random.exponential(60 * what["regraded_minutes"], logs.height).astype(np.int64)
    grade = logs["grade_code"].cast(pl.Int64).to_numpy()
    can_change = ~logs["origin"].is_in(list(_OWN)).to_numpy() & logs["merges_into"].is_null().to_numpy()
    up = can_change & (grade < 3) & (drawn < what["upgraded"])
    down = can_change & (grade > 1) & (grade < 4) & (drawn > 1 - what["downgraded"])
    closing = can_change & (grade < 4) & (random.random(logs.height) < what["closing_grade"])
    opening = np.where(up, grade + 1, np.where(down, grade - 1, grade))
    regraded_at = pl.Series(np.where(up | down, logs["received_at"].to_numpy() + later, 0))
    return logs.with_columns(
        opening_grade_code=pl.Series(opening).cast(pl.String),
        regraded_at=pl.when(regraded_at > 0).then(regraded_at),
        closing_grade_code=pl.Series(np.where(closing, grade + 1, grade)).cast(pl.String),
    )


def _with_closing_codes(logs: pl.DataFrame, share: float, random: np.random.Generator) -> pl.DataFrame:
    """Close some logs under another code than they were opened with: what it was is known only afterwards."""
    code = logs["opening_code"].to_numpy()
    is_another = random.random(logs.height) < share
    other = code[random.permutation(logs.height)]
    return logs.with_columns(closing_code=pl.Series(np.where(is_another, other, code), dtype=pl.String))


def _with_faults(logs: pl.DataFrame, county: County, what: dict[str, Any], random: np.random.Generator) -> pl.DataFrame:
    """Put some logs where they were not: at the district's station, at a caller's home, outside the force."""
    area_of = {area_id: number for number, area_id in enumerate(county.area_ids)}
    area = logs["true_area_id"].replace_strict(area_of).to_numpy()
    drawn = random.random(logs.height)
    edges = np.cumsum([what["station_location"], what["caller_address"], what["outside_force"]])
    fault = np.searchsorted(edges, drawn, side="right")
    at_station, at_home, outside = (fault == number for number in range(3))
    stations = _stations(county)
    station = np.array([stations[district][0] for district in range(len(stations))])[county.district[area]]
    longitude, latitude = logs["longitude"].to_numpy(), logs["latitude"].to_numpy()
    home = random.permutation(logs.height)
    x, y = (np.array([stations[d][1][axis] for d in range(len(stations))])[county.district[area]] for axis in (0, 1))
    true_x, true_y = logs["true_longitude"].to_numpy(), logs["true_latitude"].to_numpy()
    longitude = np.select([at_station, at_home, outside], [x, true_x[home], true_x + 4.5], longitude)
    latitude = np.select([at_station, at_home, outside], [y, true_y[home], true_y], latitude)
    ids = pl.Series(county.area_ids)
    place = pl.Series(np.array(["station", "caller", "outside", ""])[fault])
    return logs.with_columns(
        location_fault=pl.when(place != "").then(place),
        area_id=pl.when(pl.Series(at_station))
        .then(ids.gather(station))
        .when(pl.Series(at_home))
        .then(ids.gather(area[home]))
        .when(pl.Series(~outside))
        .then("area_id"),
        longitude=pl.Series(longitude).fill_nan(None).round(5),
        latitude=pl.Series(latitude).fill_nan(None).round(5),
    )


def _stations(county: County) -> list[tuple[int, tuple[float, float]]]:
    """Give each district's station: its area with the most calls, and a point in it."""
    found = []
    for district in range(len(county.district_ids)):
        area = int(np.argmax(np.where(county.district == district, county.weight, 0)))
        inside = county.outlines[area].representative_point()
        x, y = county.to_degrees(np.array([inside.x]), np.array([inside.y]))
        found.append((area, (float(x[0]), float(y[0]))))
    return found


def _jobs(
    logs: pl.DataFrame, county: County, numbers: dict[str, Any], random: np.random.Generator
) -> tuple[Jobs, WholeNumbers]:
    """Give the work that the logs ask units for: the call, another visit, a watch after an arrest, a scene to guard."""
    what, guards = numbers["feeds"]["dispatch"], numbers["feeds"]["guards"]
    wanting = logs.filter(pl.col("units") > 0)
    size = wanting.height
    origin = wanting["origin"].to_numpy()
    is_own = np.isin(origin, _OWN)
    grade = np.minimum(wanting["grade_code"].cast(pl.Int64).to_numpy() - 1, 2)
    opening = np.minimum(wanting["opening_grade_code"].cast(pl.Int64).to_numpy() - 1, 2)
    area = wanting["true_area_id"].replace_strict({each: at for at, each in enumerate(county.area_ids)}).to_numpy()
    is_rural = np.array([numbers["profiles"][PROFILES[each]]["kind"] == "rural" for each in county.profile])[area]
    by_grade = np.array([[numbers["travel_minutes"][kind][each] for each in GRADES[:3]] for kind in ("urban", "rural")])
    travel = np.where(is_own, 0.0, 60 * by_grade[is_rural.astype(int), grade])
    handling = np.array([60 * numbers["handling_minutes"][each] for each in GRADES[:3]])[opening]
    waits = np.where(is_own, 0, np.rint(spread(handling, 0.6, random))).astype(np.int64)
    code = wanting["opening_code"].to_numpy()
    hours = np.select([code == each for each in guards], [guards[each] for each in guards], 0.0).astype(np.float64)
    guard = np.rint(_HOUR * spread(np.maximum(hours, 1e-9), guards["cv"], random)).astype(np.int64)
    guard = np.where(hours > 0, np.maximum(guard, 1800), 0)
    is_arrest = (wanting["disposition_code"] == "ARR").to_numpy() & ~is_own & (guard == 0)
    in_custody = is_arrest & (random.random(size) < what["arrest_to_custody"])
    custody = np.where(in_custody, np.rint(spread(np.full(size, 60.0 * what["custody_minutes"]), 0.5, random)), 0)
    is_report = wanting["disposition_code"].is_in(["REP", "ARR"]).to_numpy()
    write_mean = np.where(is_report, what["write_up_minutes"]["report"], what["write_up_minutes"]["other"])
    write_up = np.where(is_own | (guard > 0), 0, np.rint(60 * spread(write_mean.astype(np.float64), 0.7, random)))
    patience = np.array([_HOUR * what["patience_hours"][each] for each in GRADES[:3]])[grade]
    patience = np.where(origin == "directed", _HOUR * what["directed_patience_hours"], patience)
    again = np.flatnonzero(~is_own & (guard == 0) & (random.random(size) < what["re_attendance"]))
    watched = np.flatnonzero(in_custody & (random.random(size) < what["constants_after_arrest"]))
    scene = np.where(guard > 0, 0, wanting["scene_seconds"].to_numpy())
    longest = _HOUR * what["longest_scene_hours"]
    left = np.flatnonzero(scene > longest)
    left_to_guard, scene = scene[left] - longest, np.minimum(scene, longest)
    low, high = (_HOUR * hours for hours in what["re_attendance_hours"])
    regraded_at = wanting["regraded_at"].fill_null(0).to_numpy()
    watch = np.rint(_HOUR * spread(np.full(len(watched), guards["constants"]), guards["cv"], random))

    def with_children(first: NDArray[Any], of_again: Any, of_watched: Any, of_left: Any) -> NDArray[Any]:
        sizes = ((of_again, again), (of_watched, watched), (of_left, left))
        parts = (first, *(np.broadcast_to(value, len(rows)) for value, rows in sizes))
        return np.concatenate([np.asarray(part).astype(first.dtype) for part in parts])

    share, home = what["re_attendance_share_of_time"], county.district[area]
    jobs = Jobs(
        ready=with_children(
            wanting["received_at"].to_numpy() + waits, random.integers(low, high, len(again)), np.int64(0), 0
        ),
        parent=with_children(np.full(size, -1), again, watched, left),
        grade=with_children(opening, 2, 1, 1),
        regraded_at=with_children(regraded_at, 0, 0, 0),
        regraded_to=with_children(grade, 2, 1, 1),
        district=with_children(home, home[again], home[watched], home[left]),
        units=with_children(np.where(guard > 0, 1, wanting["units"].to_numpy()), 1, 1, 1),
        travel=with_children(travel, travel[again], 300.0, 600.0),
        scene=with_children(scene, np.rint(scene[again] * share), 0, 0),
        guard=with_children(guard, 0, np.maximum(watch, 1800), np.maximum(left_to_guard, 1800)),
        custody=with_children(custody.astype(np.int64), 0, 0, 0),
        write_up=with_children(write_up.astype(np.int64), 0, 0, 0),
        patience=with_children(patience, _HOUR * what["patience_hours"]["3"], _HOUR, _HOUR),
        is_immediate=with_children(origin == "officer_initiated", False, False, False),
    )
    log = wanting["log"].to_numpy()
    return jobs, np.concatenate([log, log[again], log[watched], log[left]]).astype(np.int64)


# ---- what became of them ----


def settle(opened: Opened, sent: Sent, arrivals: pl.DataFrame, until: int) -> pl.DataFrame:
    """Give the logs with what really happened to them, those that nobody made left out.

    `arrivals` has `log` and `arrived_at`, the first arrival that was pressed. An officer who is busy starts nothing:
    such work has no log. A log to which nobody came in time was given up at `gave_up_at` and closed after that.
    """
    never = np.flatnonzero(opened.jobs.is_immediate & ~sent.went)
    unmade = pl.Series("log", opened.log_of_job[never], dtype=pl.Int64)
    waits = (opened.jobs.parent < 0) & ~sent.went & (opened.jobs.ready + opened.jobs.patience > until)
    waiting = pl.Series("log", opened.log_of_job[np.flatnonzero(waits)], dtype=pl.Int64)
    lapsed = np.flatnonzero((opened.jobs.parent < 0) & ~opened.jobs.is_immediate & ~sent.went)
    given_up = pl.DataFrame(
        {
            "log": opened.log_of_job[lapsed],
            "gave_up_at": opened.jobs.ready[lapsed] + opened.jobs.patience[lapsed],
        }
    )
    log_of = pl.Series(opened.log_of_job)
    visits = (
        sent.intervals.drop_nulls("job")
        .with_columns(log=log_of.gather(sent.intervals["job"].drop_nulls()))
        .group_by("log")
        .agg(
            went_at=pl.col("starts").min(),
            left_at=pl.col("ends").max(),
            came=pl.col("unit").n_unique().cast(pl.Int64),
        )
    )
    # How long the log stays open once everybody has left, as drawn.
    stays_open = pl.col("closed_at") - pl.coalesce("cleared_at", "received_at")
    wanted = pl.col("units") > 0
    settled = (
        opened.logs.with_columns(stays_open=stays_open)
        .join(unmade.to_frame(), on="log", how="anti", maintain_order="left")
        .join(visits, on="log", how="left", maintain_order="left")
        .join(given_up, on="log", how="left", maintain_order="left")
        .join(arrivals, on="log", how="left", maintain_order="left", suffix="_pressed")
        .with_columns(
            dispatched_at="went_at",
            arrived_at="arrived_at_pressed",
            cleared_at="left_at",
            units=pl.col("came").fill_null(0),
            disposition_code=pl.when(wanted & pl.col("went_at").is_null())
            .then(pl.lit("NFA"))
            .otherwise("disposition_code"),
            closed_at=pl.when(~pl.col("log").is_in(waiting.implode())).then(
                pl.coalesce("left_at", "gave_up_at", "received_at") + pl.col("stays_open")
            ),
        )
    )
    # A grade that changes after the log is closed never changed.
    too_late = (pl.col("regraded_at") >= pl.col("closed_at")).fill_null(value=False)
    changed = pl.col("grade_code") != pl.col("closing_grade_code")
    return settled.with_columns(
        worked_grade_code=pl.when(too_late).then("opening_grade_code").otherwise("grade_code"),
        closing_grade_code=pl.when(too_late).then("opening_grade_code").otherwise("closing_grade_code"),
        regraded_at=pl.when(~too_late).then("regraded_at"),
        closing_graded_at=pl.when(changed & ~too_late).then("closed_at"),
    ).drop("went_at", "left_at", "came", "arrived_at_pressed", "stays_open")


def grade_history(logs: pl.DataFrame) -> pl.DataFrame:
    """Give every grade that was given, by log and time: at opening, when changed, at dispatch and at closure."""
    changed = pl.col("regraded_at") <= pl.col("dispatched_at")
    at_dispatch = pl.when(changed.fill_null(value=False)).then("worked_grade_code").otherwise("opening_grade_code")
    is_up = pl.col("worked_grade_code") < pl.col("opening_grade_code")
    steps = [
        logs.select("log", graded_at="received_at", grade_code="opening_grade_code", step=pl.lit("opening")),
        logs.select(
            "log",
            graded_at="regraded_at",
            grade_code="worked_grade_code",
            step=pl.when(is_up).then(pl.lit("upgrade")).otherwise(pl.lit("downgrade")),
        ),
        logs.select("log", graded_at="closing_graded_at", grade_code="closing_grade_code", step=pl.lit("closure")),
        logs.select("log", graded_at="dispatched_at", grade_code=at_dispatch, step=pl.lit("dispatch")),
    ]
    # Two steps in one second are one: the first of the list stands.
    return pl.concat(steps).drop_nulls("graded_at").unique(["log", "graded_at"], keep="first").sort("log", "graded_at")


def as_at(logs: pl.DataFrame, comings: pl.DataFrame, moment: int) -> pl.DataFrame:
    """Give logs as their system had them just before a moment, with `updated_at`.

    `comings` has `log` and `at`, when each unit was sent. Logs that were not received by then are left out.
    """
    known = logs.filter(pl.col("received_at") < moment)
    units = (
        comings.filter((pl.col("at") < moment) & pl.col("log").is_in(known["log"].implode()))
        .group_by("log")
        .agg(sent=pl.len().cast(pl.Int64), last_sent=pl.col("at").max())
    )
    times = (
        "dispatched_at",
        "arrived_at",
        "cleared_at",
        "closed_at",
        "regraded_at",
        "closing_graded_at",
        "merged_at",
        "linked_at",
    )
    then = known.with_columns(pl.when(pl.col(name) < moment).then(pl.col(name)).alias(name) for name in times)
    is_closed = pl.col("closed_at").is_not_null()
    return (
        then.join(units, on="log", how="left", maintain_order="left")
        .with_columns(
            units=pl.col("sent").fill_null(0),
            grade_code=pl.when(pl.col("closing_graded_at").is_not_null())
            .then("closing_grade_code")
            .when(pl.col("regraded_at").is_not_null())
            .then("worked_grade_code")
            .otherwise("opening_grade_code"),
            merges_into=pl.when(pl.col("merged_at").is_not_null()).then("merges_into"),
            links_to=pl.when(pl.col("linked_at").is_not_null()).then(pl.col("log") - 1),
            disposition_code=pl.when(is_closed).then("disposition_code"),
            closing_code=pl.when(is_closed).then("closing_code"),
            status=pl.when(is_closed).then(pl.lit("closed")).otherwise(pl.lit("open")),
            updated_at=pl.max_horizontal("received_at", "last_sent", *times),
        )
        .drop("sent", "last_sent")
    )
