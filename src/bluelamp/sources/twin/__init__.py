"""A whole made-up force with known truth: a county, its calls, its people and their duties.

Nothing in it is copied from a real place or force. It exists so that the product can be tried, tested and measured
without anybody's data, and so that any forecast can be judged against what was really expected.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bluelamp import tables
from bluelamp.errors import UsageError, did_you_mean, one_of
from bluelamp.sources.twin import geography, incidents, people
from bluelamp.sources.twin.demand import Calendar, Truth, tell_truth
from bluelamp.sources.twin.writing import force_toml, write_twin

__all__ = ["IMPORTED", "Twin", "make_twin", "presets", "write_twin"]

IMPORTED = ("areas", "pools", "incidents", "people", "duties", "standards", "minimums", "events", "service_times")
RECENT_DAYS = 56


@dataclass(frozen=True)
class Twin:
    """A made-up force: `settings` (the text of force.toml), its `tables` by name, and the `truth` beside them.

    `truth` holds the frames hourly_rates, day_shocks and future_incidents; `parameters` all the numbers they were
    made from.
    """

    settings: str
    tables: dict[str, pl.DataFrame]
    truth: dict[str, pl.DataFrame]
    parameters: dict[str, Any]


def presets() -> list[str]:
    """List the sizes that have a name."""
    return sorted(_numbers()["presets"])


def make_twin(
    areas: int | None = None,
    days: int | None = None,
    seed: int = 7,
    *,
    until: date,
    preset: str | None = None,
    weekly_incidents: float | None = None,
) -> Twin:
    """Make up a force of so many areas, with so many days of history that end where `until` begins.

    `until` is the first local day of the future. A preset gives what is not given here: 'demo' (the default) has 40
    areas and 730 days, 'county' 121 areas, 1,095 days, 2,700 officers and 6,559 incidents a week from the public,
    partners and the force's own duties. Officers and incidents go with the number of areas; `weekly_incidents` asks
    for another number of incidents from the same people. The same arguments always make the same force.

    Raises UsageError for an unknown preset, fewer than 4 areas or 14 days, or a number that is not positive.
    """
    numbers = _numbers()
    size = _size(numbers, areas, days, seed, preset, weekly_incidents)

    def random_of(*part: str | int) -> np.random.Generator:
        # One stream a part, named by its letters, so that one part can change without moving the others.
        key = [int.from_bytes(str(word).encode(), "big") for word in part]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *key])))

    county = geography.draw_county(size["areas"], numbers["force"], numbers["profiles"], random_of("county"))
    calendar = Calendar.of(numbers["force"]["time_zone"], until, size["days"])
    truth = tell_truth(county, calendar, numbers, size["weekly_incidents"], random_of("shocks"))
    work = incidents.ask_for_work(truth, numbers)
    workforce = people.roster(county, numbers, size["officers"], until, random_of)
    history, future = incidents.draw_incidents(truth, work, numbers, workforce.usual_units, random_of)
    kinds = [numbers["profiles"][name]["kind"] for name in geography.PROFILES]
    made = {
        "areas": geography.area_rows(county, numbers["force"], kinds),
        "pools": workforce.pools,
        "incidents": history,
        "people": workforce.people,
        "duties": workforce.duties,
        "standards": _standards(numbers),
        "minimums": workforce.minimums,
        "events": truth.events,
        "service_times": work.service_times(truth.classes, numbers["travel"]["cv"]),
    }
    unknown = numbers["demand"]["share_place_unknown"]
    return Twin(
        settings=force_toml(numbers, size, IMPORTED),
        tables={name: tables.check(made[name], name, f"The made-up {name}") for name in IMPORTED},
        truth={
            "hourly_rates": _hourly_rates(truth, numbers["force"]["id"], unknown),
            "day_shocks": _day_shocks(truth, numbers["force"]["id"]),
            "future_incidents": tables.check(future, "incidents", "The made-up future"),
        },
        parameters={"made_with": {**size, "seed": seed, "until": until.isoformat()}, **numbers}
        | _area_parameters(county),
    )


def _numbers() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("truth.toml").read_text(encoding="utf-8"))


def _size(
    numbers: dict[str, Any],
    areas: int | None,
    days: int | None,
    seed: int,
    preset: str | None,
    weekly_incidents: float | None,
) -> dict[str, Any]:
    """Give areas, days, officers and weekly_incidents, or say all that is wrong with what was asked for."""
    known = numbers["presets"]
    if preset is not None and preset not in known:
        raise UsageError(
            f"There is no preset '{preset}'. Known are {one_of(sorted(known))}.{did_you_mean(preset, known)}"
        )
    wanted = known[preset or "demo"]
    size = {"areas": areas or wanted["areas"], "days": days or wanted["days"]}
    county = known["county"]
    problems = []
    if areas is not None and not 4 <= areas <= 2000:
        problems.append(f"'areas' is {areas}; from 4 to 2,000 were expected.")
    if days is not None and not 14 <= days <= 7400:
        problems.append(f"'days' is {days}; from 14 to 7,400 were expected.")
    if seed < 0:
        problems.append(f"'seed' is {seed}; 0 or more was expected.")
    if weekly_incidents is not None and not 0 < weekly_incidents <= 1_000_000:
        problems.append(f"'weekly_incidents' is {weekly_incidents}; more than 0 and at most 1,000,000 were expected.")
    if problems:
        raise UsageError("A made-up force of that size can't be made. Put this right and try again:", problems)
    per_area = size["areas"] / county["areas"]
    # A small force has less to share between its pools and needs more people for the same cover.
    size["officers"] = round(county["officers"] * per_area**0.93)
    size["weekly_incidents"] = weekly_incidents or county["weekly_incidents"] * per_area
    return size


def _standards(numbers: dict[str, Any]) -> pl.DataFrame:
    rows = []
    for each in numbers["standards"]:
        grade = each["grade"]
        travel = {kind: numbers["travel_minutes"][kind][grade] for kind in ("urban", "rural")}
        # Where one target holds everywhere, the longer way is the one to be ready for.
        travel["all"] = travel["rural"]
        rows += [
            (
                grade,
                each["name"],
                kind,
                float(each[kind]),
                each["share"],
                "received",
                "arrived",
                numbers["handling_minutes"][grade],
                travel[kind],
                "Made-up response policy",
            )
            for kind in ("urban", "rural", "all")
            if kind in each
        ]
    columns = [
        "grade_code",
        "grade_name",
        "area_kind",
        "target_minutes",
        "target_share",
        "clock_starts",
        "clock_stops",
        "handling_minutes",
        "travel_minutes",
        "source",
    ]
    return pl.DataFrame(rows, schema=columns, orient="row")


def _hourly_rates(truth: Truth, force_id: str, unknown: float) -> pl.DataFrame:
    """Give expected incidents of the public, partners and own duties: areas around `until`, the force all along."""
    calendar = truth.calendar
    hours = calendar.hours_of(calendar.past_days - RECENT_DAYS, calendar.past_days + incidents.FUTURE_DAYS)
    expected = truth.by_area(hours)
    starts = calendar.starts[hours]
    shares = {
        **dict(zip(truth.county.area_ids, expected * (1 - unknown), strict=True)),
        "unknown": expected.sum(axis=0) * unknown,
    }
    areas = [_rate_rows("area", place, starts, rates) for place, rates in shares.items()]
    return pl.concat([*areas, _rate_rows("force", force_id, calendar.starts, truth.of_force())])


def _rate_rows(level: str, place: str, starts: pl.Series, rates: np.ndarray[Any, Any]) -> pl.DataFrame:
    return pl.DataFrame({"hour_starting": starts, "expected_incidents": rates.astype(np.float32)}).select(
        pl.lit(level).alias("level"), pl.lit(place).alias("area_id"), "hour_starting", "expected_incidents"
    )


def _day_shocks(truth: Truth, force_id: str) -> pl.DataFrame:
    """Give the factor of each day, of the force and of each district (they multiply), past and to come."""
    places = [("force", force_id, truth.force_shock)]
    places += [("district", *each) for each in zip(truth.county.district_ids, truth.district_shock, strict=True)]
    return pl.concat(
        [
            pl.DataFrame({"day": truth.calendar.days, "factor": factor}).select(
                pl.lit(level).alias("level"), pl.lit(place).alias("place_id"), "day", "factor"
            )
            for level, place, factor in places
        ]
    )


def _area_parameters(county: geography.County) -> dict[str, Any]:
    return {
        "areas": [
            {
                "area_id": area_id,
                "profile": geography.PROFILES[county.profile[number]],
                "district": county.district_ids[county.district[number]],
                "weight": float(county.weight[number]),
            }
            for number, area_id in enumerate(county.area_ids)
        ],
        "stadium": county.area_ids[county.stadium_area],
        "festival": [county.area_ids[area] for area in county.festival_areas],
    }
