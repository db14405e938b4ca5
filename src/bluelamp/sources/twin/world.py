"""The last weeks of the made-up force as they were lived: logs, units, crews, duties, and the truth about them.

Everything that the exports show comes from here, and so does everything that they hide. Times are whole seconds since
1970; logs, units, duties are known by their rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp.sources.twin import crews, dispatch, judged, logs, people, presses, turnout
from bluelamp.sources.twin.demand import Calendar, Truth
from bluelamp.sources.twin.geography import County

ROLE = "response"


@dataclass(frozen=True)
class World:
    """What happened from `begin` (with a warm-up before `first`) to `until`.

    `logs` as `logs.settle` gives them; `comings` when each unit was first sent to each log; `grades` the history of
    grades; `intervals` what units did; `presses` what was pressed; `bookings` who was in which unit; `duties` as worked
    (`worked_ends`, null where the officer never came). `truth` has the frames that results are held against.
    """

    calendar: Calendar
    begin: int
    first: int
    until: int
    turned_out: turnout.TurnOut
    logs: pl.DataFrame
    comings: pl.DataFrame
    grades: pl.DataFrame
    intervals: pl.DataFrame
    presses: pl.DataFrame
    bookings: pl.DataFrame
    duties: pl.DataFrame
    truth: dict[str, pl.DataFrame]


def live(
    truth: Truth,
    workforce: people.Workforce,
    calls: pl.DataFrame,
    numbers: dict[str, Any],
    days: int,
    random_of: Callable[..., np.random.Generator],
) -> World:
    """Let the last `days` days of history be lived: who came, what was called in, who was sent where.

    `calls` are all calls of history as drawn. The days before are lived for `warm_up_days`, as far as there are any.
    """
    what, calendar = numbers["feeds"], truth.calendar
    first_day = calendar.past_days - days
    begin_day = max(0, first_day - what["warm_up_days"])
    begin, first, until = (
        int(calendar.epoch[calendar.hours_of(day, day + 1)][0]) for day in (begin_day, first_day, calendar.past_days)
    )
    turned_out = turnout.turn_out(workforce, truth.county, calendar, truth.events, numbers, begin_day, random_of)
    formed = crews.form_crews(turned_out, ROLE, calendar, numbers, until)
    rests = _rests(turned_out.duties, what["duties"], random_of("refreshments"))
    opened = logs.open_logs(
        calls.filter((pl.col("received_at") >= begin) & (pl.col("received_at") < until)),
        truth.county,
        numbers,
        random_of("logs"),
    )
    pools = sorted(workforce.pools.filter(role_code=ROLE)["pool_id"].unique())
    sent = dispatch.send_units(
        opened.jobs,
        _units_to_send(formed, rests, pools),
        _cover(workforce, truth.county, calendar, pools, turned_out.vehicles),
        {**what["dispatch"], "briefing_minutes": what["duties"]["briefing_minutes"]},
        until,
        random_of("dispatch"),
    )
    intervals = presses.true_intervals(sent, formed.units, pl.Series(opened.log_of_job))
    pressed = presses.press(intervals, sent, what["faults"], until, random_of("presses"))
    arrivals = (
        pressed.filter(pl.col("status").is_in(["at_scene", "guard"]) & ~pl.col("is_missed"))
        .group_by("log")
        .agg(arrived_at=pl.col("at").min())
    )
    settled = logs.settle(opened, sent, arrivals, until)
    duties = _worked(turned_out, formed, sent, what["duties"], random_of("overtime"))
    comings = intervals.drop_nulls("log").group_by("log", "unit").agg(at=pl.col("starts").min())
    then = duties.filter((pl.col("starts") < until) & (pl.coalesce("worked_ends", "ends") > first))
    came = pl.col("worked_ends").is_not_null()
    steps = judged.officer_steps(
        # Whoever never came is missing where they are posted.
        then.with_columns(
            role_code=pl.when(came).then("role_code").otherwise("posted_role_code"),
            pool_id=pl.when(came).then("pool_id").otherwise("posted_pool_id"),
            ends=pl.coalesce("worked_ends", "ends"),
        ),
        turned_out.away,
        _taken(then, formed, intervals, rests, 60 * what["duties"]["briefing_minutes"]),
        what["duties"]["desk_roles"],
    )
    return World(
        calendar=calendar,
        begin=begin,
        first=first,
        until=until,
        turned_out=turned_out,
        logs=settled,
        comings=comings.select("log", "at").sort("at", "log"),
        grades=logs.grade_history(settled),
        intervals=intervals,
        presses=pressed,
        bookings=_bookings(formed, sent, duties),
        duties=duties,
        truth={
            "committed": judged.committed_time(intervals, numbers["force"]["id"], calendar, first, until),
            "deployable": judged.net_deployable(
                steps,
                intervals,
                _waiting_for_vehicles(formed, sent, 60 * what["duties"]["briefing_minutes"]),
                turned_out.vehicles,
                _serving(workforce),
                calendar,
                first,
                until,
            ),
            "worked": judged.service_times(settled.filter(pl.col("received_at") >= first), intervals),
        },
    )


def _rests(duties: pl.DataFrame, what: dict[str, Any], random: np.random.Generator) -> pl.DataFrame:
    """Give when each duty's refreshments are due, and how long they last (seconds)."""
    low, high = what["refreshments_between"]
    length = (duties["ends"] - duties["starts"]).to_numpy()
    table = np.array(what["refreshments"])
    minutes = table[np.searchsorted(table[:, 0], length / 3600, side="right") - 1, 1]
    at = duties["starts"].to_numpy() + (length * random.uniform(low, high, len(length))).astype(np.int64)
    return pl.DataFrame({"duty": duties["duty"], "rest_at": at, "rest": (60 * minutes).astype(np.int64)})


def _units_to_send(formed: crews.Crews, rests: pl.DataFrame, pools: list[str]) -> pl.DataFrame:
    """Give units as the dispatcher takes them; their refreshments are those of the first of the crew."""
    first = formed.members.unique("unit", keep="first", maintain_order=True).join(rests, on="duty", how="left")
    is_in = (pl.col("rest_at") > pl.col("starts")) & (pl.col("rest_at") + pl.col("rest") < pl.col("ends"))
    return (
        formed.units.join(first.drop("duty"), on="unit", how="left", maintain_order="left")
        .with_columns(
            pool=pl.col("pool_id").replace_strict({pool: at for at, pool in enumerate(pools)}, return_dtype=pl.Int64),
            rest=pl.when(is_in).then("rest").otherwise(0),
            rest_at=pl.when(is_in).then("rest_at").otherwise(0),
        )
        .sort("unit")
    )


def _cover(
    workforce: people.Workforce, county: County, calendar: Calendar, pools: list[str], vehicles: pl.DataFrame
) -> dispatch.Cover:
    district_of = dict(zip(county.area_ids, county.district.tolist(), strict=True))
    own = np.full((len(county.district_ids), 24), -1)
    served: list[set[int]] = [set() for _ in pools]
    rows = workforce.pools.filter(role_code=ROLE).select("pool_id", "area_id", "from_hour", "to_hour")
    for pool_id, area, begins, ends in rows.iter_rows():
        pool, district = pools.index(pool_id), district_of[area]
        served[pool].add(district)
        hours = np.arange(begins, ends if ends > begins else ends + 24) % 24
        own[district, hours] = pool
    has = dict(vehicles.select("pool_id", "vehicles").iter_rows())
    return dispatch.Cover(
        own=own,
        served=[sorted(each) for each in served],
        vehicles=[has[pool] for pool in pools],
        began=int(calendar.epoch[0]),
        local_hour=calendar.hour.tolist(),
    )


def _serving(workforce: people.Workforce) -> pl.DataFrame:
    """Give the pool that each one counts for, by local hour: itself, or the one that covers most of its areas then."""
    rows = workforce.pools.filter(role_code=ROLE).select("pool_id", "area_id", "from_hour", "to_hour")
    covering: dict[tuple[str, int], str] = {}
    areas: dict[str, list[str]] = {}
    for pool, area, begins, ends in rows.iter_rows():
        areas.setdefault(pool, []).append(area)
        covering |= {(area, hour % 24): pool for hour in range(begins, ends if ends > begins else ends + 24)}
    found = []
    for pool, inside in areas.items():
        for hour in range(24):
            there = [covering[area, hour] for area in inside]
            found.append((pool, hour, max(sorted(set(there)), key=there.count)))
    return pl.DataFrame(found, schema=["pool_id", "local_hour", "serving"], orient="row")


def _worked(
    turned_out: turnout.TurnOut,
    formed: crews.Crews,
    sent: dispatch.Sent,
    what: dict[str, Any],
    random: np.random.Generator,
) -> pl.DataFrame:
    """Give duties with `worked_ends`: the planned end or, with overtime, later; null where nobody came."""
    came_home = formed.members.with_columns(off=pl.Series(sent.off).gather(formed.members["unit"]))
    joined = formed.units.drop_nulls("joins").select("unit", "joins")
    after = formed.members.join(joined, on="unit").select("duty", unit="joins")
    came_home = pl.concat(
        [came_home.select("duty", "off"), after.select("duty", off=pl.Series(sent.off).gather(after["unit"]))]
    )
    home = came_home.group_by("duty").agg(pl.col("off").max())
    lost = turned_out.away.filter(step="absent").group_by("duty").agg(lost=(pl.col("ends") - pl.col("starts")).sum())
    late = np.where(
        random.random(turned_out.duties.height) < what["overtime"],
        60 * random.exponential(what["overtime_minutes"], turned_out.duties.height).astype(np.int64),
        0,
    )
    is_absent = pl.col("lost").fill_null(0) >= pl.col("ends") - pl.col("starts")
    later = pl.when(pl.col("role_code") == ROLE).then(pl.col("ends")).otherwise(pl.col("ends") + pl.Series(late))
    return (
        turned_out.duties.join(home, on="duty", how="left", maintain_order="left")
        .join(lost, on="duty", how="left", maintain_order="left")
        # The sheet is written in whole minutes.
        .with_columns(worked_ends=pl.when(~is_absent).then((pl.max_horizontal(later, "off") + 59) // 60 * 60))
        .drop("off", "lost")
    )


def _bookings(formed: crews.Crews, sent: dispatch.Sent, duties: pl.DataFrame) -> pl.DataFrame:
    """Give who was booked on with which unit, from when to when (null: still on)."""
    times = formed.units.select("unit", "unit_id", "pool_id", "joins").with_columns(
        on=pl.Series(sent.on), off=pl.when(pl.Series(sent.off) >= 0).then(pl.Series(sent.off))
    )
    first = formed.members.join(times, on="unit", how="left").filter(pl.col("on") >= 0)
    host = times.select(joins="unit", unit_id="unit_id", pool_id="pool_id", host_on="on", host_off="off")
    moved = first.drop("unit_id", "pool_id").join(host, on="joins").filter(pl.col("off").is_not_null())
    moved = moved.filter(
        (pl.col("host_on") >= 0) & (pl.col("host_off").is_null() | (pl.col("host_off") > pl.col("off")))
    )
    rows = pl.concat(
        [
            first.select("duty", "unit_id", "pool_id", starts="on", ends="off"),
            moved.select("duty", "unit_id", "pool_id", starts="off", ends="host_off"),
        ]
    )
    return rows.join(duties.select("duty", "person_id"), on="duty", how="left").sort("starts", "unit_id", "person_id")


def _taken(
    duties: pl.DataFrame, formed: crews.Crews, intervals: pl.DataFrame, rests: pl.DataFrame, briefing: int
) -> pl.DataFrame:
    """Give briefing and refreshments of every duty: those of the crew's unit, or, without one, as they fell due."""
    came = duties.drop_nulls("worked_ends")
    briefed = came.select("duty", "starts", ends=pl.col("starts") + briefing, step=pl.lit("briefing"))
    joins = formed.members.join(formed.units.drop_nulls("joins").select("unit", "joins"), on="unit")
    members = pl.concat([formed.members, joins.select(unit="joins", duty="duty")])
    rested = intervals.filter(stage="refreshments").select("unit", "starts", "ends").join(members, on="unit")
    # Those who join a crew at night had their refreshments with their own.
    rested = rested.unique("duty", keep="first", maintain_order=True).sort("duty")
    alone = came.join(formed.members.select("duty"), on="duty", how="anti").join(rests, on="duty")
    return pl.concat(
        [
            briefed,
            rested.select("duty", "starts", "ends", step=pl.lit("refreshments")),
            alone.select(
                "duty", starts="rest_at", ends=pl.col("rest_at") + pl.col("rest"), step=pl.lit("refreshments")
            ),
        ]
    )


def _waiting_for_vehicles(formed: crews.Crews, sent: dispatch.Sent, briefing: int) -> pl.DataFrame:
    """Give the spans for which crews were ready and had no vehicle."""
    on: NDArray[np.int64] = sent.on
    return formed.units.select(
        "pool_id",
        starts=pl.col("starts") + pl.when("is_briefed").then(briefing).otherwise(0),
        ends=pl.when(pl.Series(on) >= 0).then(pl.Series(on)).otherwise("ends"),
    ).filter(pl.col("ends") > pl.col("starts"))
