"""Pools, people and their duties: who covers the county, where and when.

Response works 2-2-2-4 (two early, two late, two night duties and four days off, in five teams, so that one team has
each duty every day); its officers cover a district by day and a pair of districts by night. A duty names one pool: the
night duty that of the night, the others that of the day. Absences are taken off before duties are written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods
from bluelamp.sources.twin.geography import County

Numbers = NDArray[np.float64]
WholeNumbers = NDArray[np.int64]

TEAMS = "ABCDE"
# Duties of the ten days of the pattern; 3 is a day off.
_PATTERN = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3, 3])
SHIFTS = ("early", "late", "night", "office_early", "office_late")
_ROUND_THE_CLOCK = SHIFTS[:3]
_PREFIX = {
    "response": "R",
    "neighbourhood": "N",
    "investigation": "I",
    "custody": "C",
    "roads": "T",
    "firearms": "F",
    "control_room": "K",
}
_TITLE = {"roads": "Roads policing", "control_room": "Control room"}


@dataclass(frozen=True)
class Workforce:
    """The people and what they are rostered for: the tables 'pools', 'people', 'duties' and 'minimums'.

    `posts` has one row a person: role_code, home, district, team_number, person_id, pool_id, pattern.
    """

    posts: pl.DataFrame
    pools: pl.DataFrame
    people: pl.DataFrame
    duties: pl.DataFrame
    minimums: pl.DataFrame
    usual_units: Numbers


def duty_of(team: int, day: date) -> int:
    """Give the duty of a team (0–4) on a day of the 2-2-2-4 pattern: 0 early, 1 late, 2 night, 3 off."""
    return int(_PATTERN[(day.toordinal() + 2 * team) % 10])


def roster(
    county: County,
    numbers: dict[str, Any],
    officers: int,
    until: date,
    random_of: Callable[..., np.random.Generator],
) -> Workforce:
    """Give every role its pools and people, and their duties around `until`."""
    strength = _split(officers, [role["officers"] for role in numbers["roles"].values()])
    share = np.bincount(county.district, county.weight)
    people = []
    for (role, what), posts in zip(numbers["roles"].items(), strength, strict=True):
        homes = _homes(what["pools"], county)
        posts_by_home = _split(posts, [share[list(districts)].sum() for districts in homes.values()])
        for (home, districts), number in zip(homes.items(), posts_by_home, strict=True):
            people += [(role, home, districts[0], index % 5) for index in range(number)]
    table = pl.DataFrame(people, schema=["role_code", "home", "district", "team_number"], orient="row").with_columns(
        person_id=pl.format("P{}", pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(5)),
        pool_id=pl.format("{}-{}", pl.col("role_code").replace_strict(_PREFIX), "home"),
        pattern=pl.col("role_code").replace_strict({name: what["pattern"] for name, what in numbers["roles"].items()}),
    )
    by_district = (
        table.filter(role_code="response").group_by("district").len().sort("district")["len"].to_numpy().astype(float)
    )
    return Workforce(
        posts=table,
        pools=_pools(county, numbers),
        people=table.select(
            "person_id",
            "role_code",
            "pool_id",
            team=pl.col("team_number").replace_strict(dict(enumerate(TEAMS)), return_dtype=pl.String),
            hours_per_week=pl.lit(40.0),
            valid_from=pl.lit(None, dtype=pl.Date),
            valid_to=pl.lit(None, dtype=pl.Date),
        ),
        duties=_duties(table, county, numbers, until, random_of),
        minimums=_minimums(table, county, numbers),
        usual_units=_usual_units(by_district, numbers),
    )


def _split(total: int, weights: list[float]) -> list[int]:
    """Divide a whole number by weights, largest remainders first."""
    exact = np.array(weights) / sum(weights) * total
    whole = np.floor(exact).astype(np.int64)
    left = np.argsort(-(exact - whole), kind="stable")[: total - int(whole.sum())]
    whole[left] += 1
    return [int(number) for number in whole]


def _homes(pools: str, county: County) -> dict[str, list[int]]:
    """Give the homes of a role's people and the districts of each: districts, pairs of them, or the force."""
    districts = list(range(len(county.district_ids)))
    if pools == "force":
        return {"ALL": districts}
    if pools == "pairs":
        return {f"P{number + 1}": members for number, members in enumerate(_night_pairs(county))}
    return {county.district_ids[district]: [district] for district in districts}


def _night_pairs(county: County) -> list[list[int]]:
    pair_of = {int(district): int(pair) for district, pair in zip(county.district, county.night, strict=True)}
    return [
        sorted(district for district, pair in pair_of.items() if pair == number)
        for number in range(max(pair_of.values()) + 1)
    ]


def _pools(county: County, numbers: dict[str, Any]) -> pl.DataFrame:
    rows = []
    turn, back = numbers["duties"]["night_pools_from"], numbers["duties"]["night_pools_to"]
    for role, what in numbers["roles"].items():
        title = _TITLE.get(role, role.capitalize())
        by_night = role == "response"
        for home, districts in _homes(what["pools"], county).items():
            name = f"{title}, {_place(districts, county)}"
            rows += _pool_rows(
                f"{_PREFIX[role]}-{home}", name, role, districts, county, (back, turn) if by_night else (0, 24)
            )
        if by_night:
            for number, districts in enumerate(_night_pairs(county)):
                rows += _pool_rows(
                    f"{_PREFIX[role]}-N{number + 1}",
                    f"{title} by night, {_place(districts, county)}",
                    role,
                    districts,
                    county,
                    (turn, back),
                )
    columns = ["pool_id", "pool_name", "role_code", "area_id", "from_hour", "to_hour"]
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        valid_from=pl.lit(None, dtype=pl.Date), valid_to=pl.lit(None, dtype=pl.Date)
    )


def _place(districts: list[int], county: County) -> str:
    if len(districts) == len(county.district_ids) > 1:
        return "whole force"
    return " and ".join(county.district_names[district].removesuffix(" district") for district in districts)


def _pool_rows(
    pool_id: str, name: str, role: str, districts: list[int], county: County, hours: tuple[int, int]
) -> list[tuple[str, str, str, str, int, int]]:
    return [
        (pool_id, name, role, area_id, *hours)
        for area_id, district in zip(county.area_ids, county.district, strict=True)
        if district in districts
    ]


# ---- duties ----


def _duties(
    table: pl.DataFrame,
    county: County,
    numbers: dict[str, Any],
    until: date,
    random_of: Callable[..., np.random.Generator],
) -> pl.DataFrame:
    what = numbers["duties"]
    first = until - timedelta(days=what["days_before"])
    days = what["days_before"] + what["days_after"]
    shift = lay_out_shifts(table, first, days)
    away = draw_absences(table, days, first, numbers["absence"], len(county.district_ids), random_of("absence"))
    person, day = np.nonzero((shift >= 0) & (away == PRESENT))
    return rostered(table, shift, person, day, first, county, numbers).select(
        duty_id=pl.format("DU{}", pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(7)),
        person_id="person_id",
        role_code="role_code",
        pool_id="duty_pool_id",
        starts_at="starts_at",
        ends_at="ends_at",
        kind=pl.lit("planned"),
    )


def lay_out_shifts(posts: pl.DataFrame, first: date, days: int) -> WholeNumbers:
    """Give everybody's shift on so many days, shape (people, days): a place in `SHIFTS`, -1 where they are off."""
    team = posts["team_number"].to_numpy()
    is_round_the_clock = (posts["pattern"] == "2-2-2-4").to_numpy()
    shift = np.where(is_round_the_clock[:, None], _pattern_shifts(first, days)[team], _office_shifts(first, days)[team])
    return np.asarray(shift, dtype=np.int64)


def rostered(
    posts: pl.DataFrame,
    shift: WholeNumbers,
    person: WholeNumbers,
    day: WholeNumbers,
    first: date,
    county: County,
    numbers: dict[str, Any],
) -> pl.DataFrame:
    """Give the duties of some people on some days, by day and person, with `duty_pool_id`, `starts_at` and `ends_at`.

    `person` (row of `posts`) and `day` (from `first`) run side by side; `shift` is a place in `SHIFTS`.
    """
    drawn = pl.DataFrame({"person": person, "day": day, "shift": shift[person, day]})
    times = _times(list(SHIFTS), numbers["duties"], first, shift.shape[1], numbers["force"]["time_zone"])
    is_night = (pl.col("shift") == SHIFTS.index("night")) & (pl.col("role_code") == "response")
    return (
        drawn.join(times, on=["day", "shift"], how="left")
        .join(posts.with_row_index("person").with_columns(pl.col("person").cast(pl.Int64)), on="person", how="left")
        .with_columns(
            duty_pool_id=pl.when(is_night).then(pl.col("pool_id").replace(night_pools(county))).otherwise("pool_id")
        )
        .sort("day", "person")
    )


def night_pools(county: County) -> dict[str, str]:
    """Give the response pool of the night for each of the day."""
    return {
        f"R-{county.district_ids[district]}": f"R-N{number + 1}"
        for number, districts in enumerate(_night_pairs(county))
        for district in districts
    }


def _pattern_shifts(first: date, days: int) -> WholeNumbers:
    """Give the duty of each team and day, shape (5, days): 0 early, 1 late, 2 night, -1 off."""
    duty = np.array([[duty_of(team, first + timedelta(days=day)) for day in range(days)] for team in range(5)])
    return np.where(duty == 3, -1, duty).astype(np.int64)


def _office_shifts(first: date, days: int) -> WholeNumbers:
    """Give five days a week: 3 early or 4 late by turns; one week in five runs from Wednesday to Sunday."""
    duty = np.full((5, days), -1)
    for team in range(5):
        for day in range(days):
            week, weekday = divmod((first + timedelta(days=day)).toordinal() - 1, 7)
            is_on = weekday >= 2 if (week + team) % 5 == 0 else weekday < 5
            if is_on:
                duty[team, day] = 3 + (week + team) % 2
    return duty


PRESENT, AWAY_FOR_LONG, ON_LEAVE, AWAY_THAT_DAY = range(4)


def draw_absences(
    table: pl.DataFrame,
    days: int,
    first: date,
    what: dict[str, Any],
    districts: int,
    random: np.random.Generator,
) -> NDArray[np.int8]:
    """Say who is away on which day and how, shape (people, days): for long, on leave for a week, or that day."""
    people = table.height
    week = np.array([((first + timedelta(days=day)).toordinal() - 1) // 7 for day in range(days)])
    week -= week[0]
    is_long = random.random(people) < what["long_term"]
    # More leave is taken at Christmas and in August.
    month = np.array([(first + timedelta(days=day)).month for day in range(days)])
    keen = np.where(np.isin(month, (8, 12)), 1.3, np.where(np.isin(month, (1, 2, 11)), 0.85, 1.0))
    is_leave = random.random((people, week.max() + 1))[:, week] < what["leave"] * keen
    weekday = np.array([(first + timedelta(days=day)).weekday() for day in range(days)])
    by_day = np.tile(what["day"] * random.gamma(40, 1 / 40, days), (districts, 1))
    is_thin = random.random((districts, week.max() + 1))[:, week] < what["thin_weekends"]
    by_day[is_thin & np.isin(weekday, (4, 5, 6))] += what["thin_by"]
    is_day = random.random((people, days)) < by_day[table["district"].to_numpy()]
    away = np.where(is_day, AWAY_THAT_DAY, PRESENT)
    return np.where(is_long[:, None], AWAY_FOR_LONG, np.where(is_leave, ON_LEAVE, away)).astype(np.int8)


def _times(names: list[str], what: dict[str, Any], first: date, days: int, time_zone: str) -> pl.DataFrame:
    rows = []
    for number, name in enumerate(names):
        begin, end = (time.fromisoformat(text) for text in what[name])
        for day in range(days):
            at = first + timedelta(days=day)
            until = at + timedelta(days=int(end <= begin))
            rows.append((day, number, datetime.combine(at, begin), datetime.combine(until, end)))
    wall = pl.DataFrame(rows, schema=["day", "shift", "starts_at", "ends_at"], orient="row")
    for column in ("starts_at", "ends_at"):
        wall = periods.to_utc(wall.with_columns(pl.col(column).cast(pl.Datetime("us"))), column, time_zone)
    return wall.select("day", "shift", "starts_at", "ends_at")


# ---- what is usual, and what is the least ----


def _usual_units(response_by_district: Numbers, numbers: dict[str, Any]) -> Numbers:
    """Give the response units that are usually there, by district and local hour, for the rule of waiting."""
    absence, hours = numbers["absence"], np.arange(24)
    there = (1 - absence["long_term"]) * (1 - absence["leave"]) * (1 - absence["day"])
    teams = np.zeros(24)
    for name in _ROUND_THE_CLOCK:
        begin, end = (int(text[:2]) + int(text[3:]) / 60 for text in numbers["duties"][name])
        length = (end - begin) % 24
        teams += np.clip(length - (hours - begin) % 24, 0, 1)
    turn, back = numbers["duties"]["night_pools_from"], numbers["duties"]["night_pools_to"]
    crew = np.where((hours >= turn) | (hours < back), numbers["crewing"]["night"], numbers["crewing"]["day"])
    return np.asarray(response_by_district[:, None] / 5 * there * teams / crew)


def _minimums(table: pl.DataFrame, county: County, numbers: dict[str, Any]) -> pl.DataFrame:
    """Give each pool's minimum: a share of what one team (or one day's turn-out) has on a usual duty."""
    absence, share = numbers["absence"], numbers["minimums"]
    there = (1 - absence["long_term"]) * (1 - absence["leave"]) * (1 - absence["day"])
    turn, back = numbers["duties"]["night_pools_from"], numbers["duties"]["night_pools_to"]
    sizes = dict(table.group_by("pool_id").len().iter_rows())
    rows = []
    for role, what in numbers["roles"].items():
        for home in _homes(what["pools"], county):
            pool_id = f"{_PREFIX[role]}-{home}"
            team = sizes.get(pool_id, 0) / 5 * there
            if role == "response":
                rows.append((pool_id, role, back, turn, round(team * share["response_day"])))
            elif what["pattern"] == "2-2-2-4":
                rows.append((pool_id, role, 0, 24, round(team * share["other"])))
            else:
                rows.append((pool_id, role, 8, 21, round(team * share["other"])))
    for number, districts in enumerate(_night_pairs(county)):
        team = sum(sizes.get(f"R-{county.district_ids[district]}", 0) for district in districts) / 5 * there
        rows.append((f"R-N{number + 1}", "response", turn, back, round(team * share["response_night"])))
    columns = ["pool_id", "role_code", "from_hour", "to_hour", "minimum_officers"]
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        valid_from=pl.lit(None, dtype=pl.Date),
        valid_to=pl.lit(None, dtype=pl.Date),
        source=pl.lit("Made-up duty policy"),
    )
