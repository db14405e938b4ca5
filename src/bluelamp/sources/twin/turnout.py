"""Who really turns out: planned duties, absences, operations, and what each officer may do.

Planned duties are kept for those who are away, as a duty system keeps them: what is on the sheet is not who can go
out. Times are whole seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp.sources.twin import people
from bluelamp.sources.twin.demand import Calendar
from bluelamp.sources.twin.geography import County

Numbers = NDArray[np.float64]
WholeNumbers = NDArray[np.int64]
Flags = NDArray[np.bool_]

HOUR = 3600
_GOES_OUT = ("response", "neighbourhood", "roads", "firearms")


@dataclass(frozen=True)
class TurnOut:
    """What was planned, and who came.

    `people` is the table of that name. `duties` has one row a planned duty, by start: `person` (row of the posts),
    `duty` (its own number), `person_id`, posted and performed role and pool, `shift`, `duty_day`, `starts`, `ends`,
    and what the person may do on that day: `is_tutored`, `may_be_deployed`, `may_drive`, `may_go_alone`. `away` has the
    intervals of duties (`duty`, `starts`, `ends`, `step`: absent or on_operations) for which nobody can be sent;
    `absences` and `commitments` are what the systems say of them, in the columns of those tables but with times in
    seconds. `vehicles` is the table of that name.
    """

    people: pl.DataFrame
    duties: pl.DataFrame
    away: pl.DataFrame
    absences: pl.DataFrame
    commitments: pl.DataFrame
    vehicles: pl.DataFrame


def turn_out(
    workforce: people.Workforce,
    county: County,
    calendar: Calendar,
    events: pl.DataFrame,
    numbers: dict[str, Any],
    first_day: int,
    random_of: Callable[..., np.random.Generator],
) -> TurnOut:
    """Draw who came from `first_day` (number of the local day) to the last day that duties are planned for."""
    posts, what = workforce.posts, numbers["feeds"]
    first = calendar.days[first_day]
    days = calendar.past_days - first_day + numbers["duties"]["days_after"]
    flags = _capabilities(posts.height, days, what["people"], random_of("capabilities"))
    shift = people.lay_out_shifts(posts, first, days)
    random = random_of("turn out")
    is_off = random.random(shift.shape) > flags.share_of_full_time[:, None]
    shift = np.where(is_off, -1, shift)
    away = people.draw_absences(posts, days, first, numbers["absence"], len(county.district_ids), random_of("away"))
    person, day = np.nonzero(shift >= 0)
    duties = _performed(
        people.rostered(posts, shift, person, day, first, county, numbers), flags, what["duties"], county, random
    )
    duties = duties.with_columns(duty_day=pl.lit(first) + pl.duration(days=pl.col("day")))
    absences, absent = _absent(duties, away, what["duties"], random)
    commitments, drawn = _operations(
        duties, absent, _planned(calendar, events, first_day, first_day + days, what), random
    )
    return TurnOut(
        people=_people_rows(posts, flags, first, numbers),
        duties=duties,
        away=pl.concat([absent, drawn]).sort("duty", "starts"),
        absences=absences,
        commitments=commitments,
        vehicles=_vehicles(workforce, numbers),
    )


# ---- what people may do ----


@dataclass(frozen=True)
class _Capabilities:
    """By person; `deployable_from` and `deployable_to` bound the days (from the first) that one can't be sent."""

    is_tutored: Flags
    may_drive: Flags
    may_go_alone: Flags
    held_from: WholeNumbers
    held_to: WholeNumbers
    share_of_full_time: Numbers


def _capabilities(size: int, days: int, what: dict[str, Any], random: np.random.Generator) -> _Capabilities:
    drawn = random.random((5, size))
    is_tutored = drawn[0] < what["students"]
    is_held = ~is_tutored & (drawn[1] < what["not_deployable"])
    for_a_time = random.random(size) < what["only_for_a_time"]
    begin = random.integers(0, max(1, days - 20), size)
    share = random.choice(what["part_time_share"], size)
    return _Capabilities(
        is_tutored=is_tutored,
        may_drive=~is_tutored & (drawn[2] >= what["not_driving"]),
        may_go_alone=~is_tutored & (drawn[3] >= what["not_alone"]),
        held_from=np.where(is_held, np.where(for_a_time, begin, 0), days),
        held_to=np.where(is_held & for_a_time, begin + random.integers(10, 60, size), days),
        share_of_full_time=np.where(~is_tutored & (drawn[4] < what["part_time"]), share, 1.0),
    )


def _people_rows(posts: pl.DataFrame, flags: _Capabilities, first: date, numbers: dict[str, Any]) -> pl.DataFrame:
    """Give the table 'people': a person who is held back for a time has a row before, one then and one after."""
    every = posts.select(
        "person_id",
        "role_code",
        "pool_id",
        team=pl.col("team_number").replace_strict(dict(enumerate(people.TEAMS)), return_dtype=pl.String),
        hours_per_week=pl.Series(40.0 * flags.share_of_full_time).round(2),
        share_of_full_time=pl.Series(flags.share_of_full_time),
        is_tutored=pl.Series(flags.is_tutored),
        may_be_deployed=pl.lit(True),
        may_drive_on_response=pl.Series(flags.may_drive),
        may_be_single_crewed=pl.Series(flags.may_go_alone),
        valid_from=pl.lit(None, dtype=pl.Date),
        valid_to=pl.lit(None, dtype=pl.Date),
        held_from=pl.Series(flags.held_from),
        held_to=pl.Series(flags.held_to),
    )
    last = int(flags.held_from.max())
    on = pl.lit(first) + pl.duration(days=pl.col("held_from"))
    back = pl.lit(first) + pl.duration(days=pl.col("held_to"))
    is_held, is_bounded = pl.col("held_from") < last, pl.col("held_to") < last
    is_later = pl.col("held_from") > 0
    parts = [
        every.filter(~is_held),
        every.filter(is_held & is_later).with_columns(valid_to=on - pl.duration(days=1)),
        every.filter(is_held).with_columns(
            may_be_deployed=pl.lit(False),
            valid_from=pl.when(is_later).then(on),
            valid_to=pl.when(is_bounded).then(back - pl.duration(days=1)),
        ),
        every.filter(is_held & is_bounded).with_columns(valid_from=back),
    ]
    return pl.concat(parts).drop("held_from", "held_to").sort("person_id", "valid_from", nulls_last=False)


# ---- duties as performed ----


def _performed(
    rostered: pl.DataFrame,
    flags: _Capabilities,
    what: dict[str, Any],
    county: County,
    random: np.random.Generator,
) -> pl.DataFrame:
    """Give duties with the role and pool that they were performed in: now and then another than the posted one."""
    person, day = rostered["person"].to_numpy(), rostered["day"].to_numpy()
    drawn, other = random.random(len(person)), random.integers(1, 1 << 30, len(person))
    night = people.night_pools(county)
    by_day, by_night = list(night), sorted(set(night.values()))
    role, pool = rostered["role_code"].to_list(), rostered["duty_pool_id"].to_list()
    shift = rostered["shift"].to_numpy()
    is_moved = (rostered["role_code"] == "response").to_numpy() & (drawn < what["other_pool"])
    for row in np.flatnonzero(is_moved):
        choice = by_night if pool[row] in by_night else by_day
        pool[row] = choice[(choice.index(pool[row]) + int(other[row])) % len(choice)]
    is_lent = (rostered["role_code"] == "neighbourhood").to_numpy() & (drawn < what["neighbourhood_on_response"])
    for row in np.flatnonzero(is_lent & (shift == people.SHIFTS.index("office_late"))):
        role[row], pool[row] = "response", pool[row].replace("N-", "R-")
    return (
        rostered.select(
            "person",
            "person_id",
            "day",
            "shift",
            posted_role_code="role_code",
            posted_pool_id="duty_pool_id",
            role_code=pl.Series(role),
            pool_id=pl.Series(pool),
            starts=pl.col("starts_at").dt.epoch("s"),
            ends=pl.col("ends_at").dt.epoch("s"),
            is_tutored=pl.Series(flags.is_tutored[person]),
            may_be_deployed=pl.Series((day < flags.held_from[person]) | (day >= flags.held_to[person])),
            may_drive=pl.Series(flags.may_drive[person]),
            may_go_alone=pl.Series(flags.may_go_alone[person]),
        )
        .sort("starts", "person")
        .with_row_index("duty")
        .with_columns(pl.col("duty").cast(pl.Int64))
    )


# ---- who is away ----


def _absent(
    duties: pl.DataFrame, away: NDArray[np.int8], what: dict[str, Any], random: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give the absences as recorded, each spell once, and the part of every duty that they take."""
    state = away[duties["person"].to_numpy(), duties["day"].to_numpy()]
    kind_by_person = _pick(what["kinds_for_long"], len(away), random)
    that_day = _pick(what["kinds_that_day"], duties.height, random)
    court = [int(HOUR * hours) for hours in what["court_hours"]]
    frame = (
        duties.select("duty", "person", "person_id", "day", "shift", "starts", "ends")
        .with_columns(state=pl.Series(state), that_day=that_day, for_long=kind_by_person.gather(duties["person"]))
        .filter(pl.col("state") != people.PRESENT)
        .with_columns(
            kind=pl.when(pl.col("state") == people.AWAY_FOR_LONG)
            .then("for_long")
            .when(pl.col("state") == people.ON_LEAVE)
            .then(pl.lit("leave"))
            .otherwise("that_day")
        )
        .with_columns(
            # Courts do not sit at night.
            kind=pl.when((pl.col("kind") == "court") & (pl.col("shift") == people.SHIFTS.index("night")))
            .then(pl.lit("training"))
            .otherwise("kind")
        )
        .with_columns(
            # Court takes the middle of a duty; before and after it the officer is there.
            starts=pl.when(pl.col("kind") == "court").then(pl.col("starts") + court[0]).otherwise("starts"),
            ends=pl.when(pl.col("kind") == "court").then(pl.col("starts") + court[1]).otherwise("ends"),
            # Leave is taken by the week; a long absence is one spell, a day's absence its own.
            spell=pl.when(pl.col("state") == people.AWAY_FOR_LONG)
            .then(-1)
            .when(pl.col("state") == people.ON_LEAVE)
            .then(-2)
            .otherwise("day"),
        )
        .sort("person", "starts")
    )
    begins_anew = (pl.col("spell") != pl.col("spell").shift(1).over("person")).fill_null(value=True)
    # Leave weeks apart are two leaves: between them lies a duty that was done, seen as a gap of more than a week.
    is_apart = (pl.col("spell") == -2) & (pl.col("day") - pl.col("day").shift(1).over("person") > 6)
    spells = (
        frame.with_columns(number=(begins_anew | is_apart).cast(pl.Int64).cum_sum())
        .group_by("number", maintain_order=True)
        .agg(pl.col("person_id", "kind").first(), pl.col("starts").min(), pl.col("ends").max())
        .sort("starts", "person_id")
        .select(
            pl.format("AB-{}", pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(6)).alias("absence_id"),
            "person_id",
            "starts",
            "ends",
            "kind",
        )
    )
    return spells, frame.select("duty", "starts", "ends", step=pl.lit("absent"))


def _pick(shares: dict[str, float], size: int, random: np.random.Generator) -> pl.Series:
    weights = np.array(list(shares.values()))
    number = np.searchsorted(np.cumsum(weights / weights.sum()), random.random(size), side="right")
    return pl.Series(list(shares)).gather(np.minimum(number, len(weights) - 1))


# ---- operations ----


def _operations(
    duties: pl.DataFrame,
    absent: pl.DataFrame,
    planned: Iterable[tuple[str, str, dict[str, int], int, int]],
    random: np.random.Generator,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give operations as planned, and the time that named officers spent on them.

    Places are filled at every moment, relieved at shift change, as far as the pool has officers who may be sent.
    """
    can_go = (
        duties.filter(pl.col("may_be_deployed") & ~pl.col("is_tutored"))
        .join(absent.select("duty"), on="duty", how="anti")
        .select("role_code", "pool_id", "duty", "starts", "ends")
    )
    by_pool: dict[tuple[Any, ...], NDArray[np.int64]] = {
        key: part.select("duty", "starts", "ends").to_numpy()
        for key, part in can_go.sort("starts", "duty").group_by(["role_code", "pool_id"], maintain_order=True)
    }
    rows, taken = [], []
    used: dict[int, int] = {}
    for code, kind, officers, begin, end in planned:
        for (role, pool), on_duty in by_pool.items():
            places = officers.get(role, 0)
            # The pools of the night are spared, or an evening's operation would take twice from the same people.
            if not places or "-N" in pool:
                continue
            rows.append((code, kind, pool, role, None, float(places), begin, end))
            low, high = np.searchsorted(on_duty[:, 1], [begin - 12 * HOUR, end])
            near = on_duty[low:high]
            for _ in range(places):
                at = begin
                while at < end:
                    free = near[(near[:, 1] <= at) & (near[:, 2] > at)]
                    free = free[[used.get(int(duty), 0) <= at for duty in free[:, 0]]]
                    if not len(free):
                        later = near[near[:, 1] > at, 1]
                        at = int(later.min()) if len(later) else end
                        continue
                    # Whoever is on duty longest goes, so that reliefs are few.
                    duty, _, until = free[int(np.argmax(free[:, 2] + random.random(len(free))))]
                    stop = min(int(until), end)
                    taken.append((int(duty), at, stop, "on_operations"))
                    used[int(duty)] = stop
                    at = stop
    columns = ["commitment_id", "kind", "pool_id", "role_code", "skill_code", "officers", "starts", "ends"]
    text = {"skill_code": pl.String, "officers": pl.Float64, "starts": pl.Int64, "ends": pl.Int64}
    commitments = pl.DataFrame(rows, schema={name: text.get(name, pl.String) for name in columns}, orient="row")
    schema = {"duty": pl.Int64, "starts": pl.Int64, "ends": pl.Int64, "step": pl.String}
    return commitments.sort("starts", "commitment_id", "pool_id"), pl.DataFrame(taken, schema=schema, orient="row")


def _planned(
    calendar: Calendar, events: pl.DataFrame, first_day: int, last_day: int, what: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, int], int, int]]:
    """Give operations: code, kind, officers by role, first and last second."""
    began = int(calendar.instants(first_day, 0, 1)[0].timestamp())
    football, operation = what["football"], what["operation"]
    # A match has a row for each area that it touches, and one operation.
    matches = events.filter(kind="sport").unique("starts_at", keep="first", maintain_order=True)
    for code, kick_off in matches.select("event_id", "starts_at").iter_rows():
        at = int(kick_off.timestamp())
        begin, end = at - HOUR * football["from_hours_before"], at + HOUR * football["to_hours_after"]
        if begin >= began:
            yield f"OP-{code}", "football", football["officers"], begin, end
    for day in range(first_day, last_day):
        when = calendar.days[0] + timedelta(days=day)
        if when.weekday() == operation["weekday"]:
            start, stop = calendar.instants(day, operation["from_hour"], operation["hours"])
            yield (
                f"OP-night-{when:%Y%m%d}",
                "operation",
                operation["officers"],
                int(start.timestamp()),
                int(stop.timestamp()),
            )


def _vehicles(workforce: people.Workforce, numbers: dict[str, Any]) -> pl.DataFrame:
    """Give the vehicles of the pools that go out: enough for a usual duty and some of the next."""
    what = numbers["feeds"]["vehicles"]
    absence = numbers["absence"]
    there = (1 - absence["long_term"]) * (1 - absence["leave"]) * (1 - absence["day"])
    posts = workforce.posts.filter(pl.col("role_code").is_in(_GOES_OUT))
    team = {pool: size / 5 * there for pool, size in posts.group_by("pool_id").len().iter_rows()}
    rows = {pool: round(size * what["share"]) + what["spare"] for pool, size in team.items()}
    in_pools = workforce.pools.filter(role_code="response").select("pool_id", "area_id")
    district = {area: pool for pool, area in in_pools.iter_rows() if "-N" not in pool}
    by_night: dict[str, set[str]] = {}
    for pool, area in in_pools.iter_rows():
        if "-N" in pool:
            by_night.setdefault(pool, set()).add(district[area])
    for pool, homes in by_night.items():
        # The night's pool drives the cars of its districts.
        rows[pool] = sum(rows[home] for home in homes)
    return pl.DataFrame(
        [(pool, 0, 24, vehicles, None, None) for pool, vehicles in sorted(rows.items())],
        schema={
            "pool_id": pl.String,
            "from_hour": pl.Int64,
            "to_hour": pl.Int64,
            "vehicles": pl.Int64,
            "valid_from": pl.Date,
            "valid_to": pl.Date,
        },
        orient="row",
    )
