"""A whole made-up force with known truth: a county, its calls, its people and their duties.

Nothing in it is copied from a real place or force. It exists so that the product can be tried, tested and measured
without anybody's data, and so that any forecast can be judged against what was really expected.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from bluelamp import periods, tables
from bluelamp.errors import UsageError, did_you_mean, one_of
from bluelamp.sources import crosswalks
from bluelamp.sources.twin import cases as investigated
from bluelamp.sources.twin import exports, geography, incidents, judged, logs, people, records
from bluelamp.sources.twin.demand import Calendar, Truth, tell_truth
from bluelamp.sources.twin.exports import Feeds
from bluelamp.sources.twin.peaks import Peak, add_peaks, problems_with, usual_peaks, windows_of
from bluelamp.sources.twin.planted import WAYS, Planted, set_points
from bluelamp.sources.twin.world import World, live
from bluelamp.sources.twin.writing import force_toml, write_twin

__all__ = [
    "FEED_DAYS",
    "IMPORTED",
    "WAYS",
    "Feeds",
    "Peak",
    "Twin",
    "make_twin",
    "presets",
    "write_twin",
]

IMPORTED = ("areas", "pools", "incidents", "people", "duties", "standards", "minimums", "events", "service_times")
RECENT_DAYS = 56
_PLACES = {"area_id": pl.String, "longitude": pl.Float64, "latitude": pl.Float64, "share": pl.Float64}
FEED_DAYS = 28


@dataclass(frozen=True)
class Twin:
    """A made-up force: `settings` (the text of force.toml), its `tables` by name, and the `truth` beside them.

    `truth` holds the frames hourly_rates, day_shocks and future_incidents; places, hotspots, hotspot_addresses,
    hotspot_incidents and near_repeats, which say how points lie; and peaks. `parameters` has all the numbers they were
    made from. With `feeds` the last weeks were lived unit by unit; `truth` then has what really happened as well.
    """

    settings: str
    tables: dict[str, pl.DataFrame]
    truth: dict[str, pl.DataFrame]
    parameters: dict[str, Any]
    feeds: Feeds | None = None


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
    feed_days: int | None = None,
    points: str = "places",
    planted: bool = True,
    peaks: Sequence[Peak] | Literal["usual"] = (),
    cases: bool = False,
) -> Twin:
    """Make up a force of so many areas, with so many days of history that end where `until` begins.

    `until` is the first local day of the future. A preset gives what is not given here: 'demo' (the default) has 40
    areas and 730 days, 'county' 121 areas, 1,095 days, 2,700 officers and 6,559 incidents a week from the public,
    partners and the force's own duties. Officers and incidents go with the number of areas; `weekly_incidents` asks
    for another number of incidents from the same people. With `feed_days` units are really sent to the incidents of so
    many last days, and the twin has daily exports of them. The same arguments always make the same force.

    `points` says how the points of incidents lie in their areas: at 'places', of which a few are busy, or 'even'. With
    `planted`, hotspots and near-repeats are planted in them. Nothing but points depends on these two. `peaks` come on
    top of the incidents asked for; the 'usual' ones are theft before every Christmas and robbery on two coming Friday
    nights, in the district that has the middle of the city. With `cases` crimes are investigated by the teams of their
    district: the twin then has the table `cases`, and in its truth what became of each (cases, case_weeks).

    Raises UsageError for an unknown preset or way of points, fewer than 4 areas or 14 days, a number that is not
    positive, or peaks that can't be.
    """
    numbers = _numbers()
    of_cases = numbers.pop("cases")
    size = _size(numbers, areas, days, seed, preset, weekly_incidents, feed_days, points)

    def random_of(*part: str | int) -> np.random.Generator:
        # One stream a part, named by its letters, so that one part can change without moving the others.
        key = [int.from_bytes(str(word).encode(), "big") for word in part]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *key])))

    county = geography.draw_county(size["areas"], numbers["force"], numbers["profiles"], random_of("county"))
    calendar = Calendar.of(numbers["force"]["time_zone"], until, size["days"])
    force_id, demand = numbers["force"]["id"], numbers["demand"]
    truth = tell_truth(county, calendar, numbers, size["weekly_incidents"], random_of("shocks"))
    peaks = usual_peaks(numbers, until, size["days"]) if peaks == "usual" else list(peaks)
    problems = problems_with(peaks, truth.classes, county, calendar, force_id)
    if problems:
        raise UsageError("These peaks can't be planted. Put this right and try again:", problems)
    truth = add_peaks(truth, peaks, force_id)
    work = incidents.ask_for_work(truth, numbers)
    workforce = people.roster(county, numbers, size["officers"], until, random_of)
    places = geography.draw_places(county, demand["places_per_area"], demand["place_spread"], random_of("places"))
    calls = incidents.draw_calls(truth, work, numbers, places, workforce.usual_units, random_of)
    put = set_points(points, planted, calls, truth, places, numbers["planted"], random_of)
    is_past = pl.col("received_at") < int(calendar.epoch[calendar.past])
    past, coming = put.calls.filter(is_past), put.calls.filter(~is_past)
    world = None
    if feed_days is not None:
        world = live(truth, workforce, past, numbers, feed_days, random_of)
        lived = logs.as_at(world.logs, world.comings, world.until).select(past.columns)
        past = pl.concat([past.filter(pl.col("received_at") < world.begin), lived])
    numbered = incidents.number_calls(pl.concat([past, coming]), calendar.time_zone)
    history = incidents.as_exported(numbered[: past.height], int(calendar.epoch[calendar.past]))
    future = incidents.as_exported(numbered[past.height :], None)
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
    unknown = demand["share_place_unknown"]
    feeds = None
    if world is not None:
        made |= {"people": world.turned_out.people, "duties": _sheet_without_absentees(world)}
        names = numbered["incident_id"][past.height - world.logs.height : past.height]
        feeds = _feeds(world, names, workforce, size["weekly_incidents"] / 6559, numbers, random_of)
    carried = None
    if cases:
        carried = _carry_cases(numbered, county, calendar, workforce, numbers, of_cases, random_of("cases"))
        made["cases"] = carried.cases
    return Twin(
        settings=force_toml(numbers, size, list(made), exports.FILES if feeds else ()),
        tables={name: tables.check(frame, name, f"The made-up {name}") for name, frame in made.items()},
        truth={
            "hourly_rates": _hourly_rates(truth, force_id, unknown),
            "day_shocks": _day_shocks(truth, force_id),
            "future_incidents": tables.check(future, "incidents", "The made-up future"),
            "places": _places(county, places if points != "even" else None),
            **_planted(put, numbered),
            "peaks": windows_of(truth, peaks, force_id),
            **({"cases": carried.truth, "case_weeks": carried.weeks} if carried else {}),
            **(_lived(feeds) if feeds else {}),
            **({"expected": judged.expected_by_district(truth, work.grade_share, numbers, FEED_DAYS)} if feeds else {}),
        },
        parameters={
            "made_with": {
                **size,
                "seed": seed,
                "until": until.isoformat(),
                "feed_days": feed_days or 0,
                "points": points,
                "planted": planted,
                "peaks": [asdict(peak) for peak in peaks],
            },
            **numbers,
            **({"cases": of_cases} if carried else {}),
        }
        | _area_parameters(county),
        feeds=feeds,
    )


def _carry_cases(
    numbered: pl.DataFrame,
    county: geography.County,
    calendar: Calendar,
    workforce: people.Workforce,
    numbers: dict[str, Any],
    what: dict[str, Any],
    random: np.random.Generator,
) -> investigated.Carried:
    """Let the investigators of each district carry its cases, to the end of the incidents that are drawn."""
    posts = workforce.posts.filter(role_code="investigation")
    strength = dict(posts.group_by("pool_id", maintain_order=True).len().iter_rows())
    pool_of = dict(posts.select("district", "pool_id").unique().iter_rows())
    absence = numbers["absence"]
    return investigated.carry_cases(
        numbered, {area: pool_of[district] for area, district in zip(county.area_ids, county.district, strict=True)},
        strength, what, (1 - absence["long_term"]) * (1 - absence["leave"]) * (1 - absence["day"]),
        int(calendar.epoch[calendar.past]),
        int(calendar.epoch[calendar.hours_of(0, calendar.past_days + incidents.FUTURE_DAYS)][-1]) + 3600, random,
    )  # fmt: skip


def _places(county: geography.County, places: geography.Places | None) -> pl.DataFrame:
    """Give the places that calls come from, with their shares of an area's; none where points lie evenly."""
    if places is None:
        return pl.DataFrame(schema=_PLACES)
    every = range(len(county.area_ids))
    return pl.DataFrame(
        {
            "area_id": pl.Series(county.area_ids)[np.repeat(every, np.diff(places.starts))],
            "longitude": places.longitude,
            "latitude": places.latitude,
            "share": np.concatenate([places.shares(area) for area in every]),
        },
        schema=_PLACES,
    )


def _planted(put: Planted, numbered: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Give what was planted in the points, with the numbers that the incidents got. Second logs are not among them."""
    ids = numbered.select("drawn", "incident_id").unique("drawn", keep="first")
    near = ids.rename({"drawn": "near_drawn", "incident_id": "near_incident_id"})
    return {
        "hotspots": put.hotspots,
        "hotspot_addresses": put.addresses,
        "hotspot_incidents": put.at_hotspots.join(ids, on="drawn", maintain_order="left").select(
            "incident_id", "hotspot_id"
        ),
        "near_repeats": put.near_repeats.join(ids, on="drawn", maintain_order="left")
        .join(near, on="near_drawn", maintain_order="left")
        .select("incident_id", "near_incident_id", "days", "metres"),
    }


def _feeds(
    world: World,
    names: pl.Series,
    workforce: people.Workforce,
    size: float,
    numbers: dict[str, Any],
    random_of: Callable[..., np.random.Generator],
) -> exports.Feeds:
    """Lay out the exports. `names` are the numbers of the logs that were made, `size` is against the county."""
    what = numbers["feeds"]
    # Logs are known by their row, and rows that nobody made have no number.
    ids = pl.DataFrame({"log": world.logs["log"], "incident_id": names})
    every = pl.DataFrame({"log": np.arange(int(ids["log"].max()) + 1)})  # type: ignore[arg-type]
    return exports.lay_out(
        world,
        every.join(ids, on="log", how="left", maintain_order="left")["incident_id"],
        records.draw_contacts(world.logs, what["contacts"]["weekly"] * size, what["contacts"], random_of("contacts")),
        records.draw_offences(world.logs, what["offences"], random_of("offences")),
        workforce.minimums,
        crosswalks.classes(),
        what["faults"],
        random_of("feed faults"),
    )


def _sheet_without_absentees(world: World) -> pl.DataFrame:
    """Give the duties of the last four weeks and of those to come, as a flat table gives them: only those who came."""
    since = world.until - RECENT_DAYS // 2 * 86400
    came = world.duties.filter(pl.col("worked_ends").is_not_null() & (pl.col("starts") >= since))
    return came.select(
        duty_id=pl.format("DU{}", pl.col("duty").cast(pl.String).str.zfill(7)),
        person_id="person_id",
        role_code="role_code",
        pool_id="pool_id",
        starts_at=(pl.col("starts") * 1_000_000).cast(periods.INSTANT),
        ends_at=(pl.col("ends") * 1_000_000).cast(periods.INSTANT),
        kind=pl.lit("planned"),
    )


def _lived(feeds: exports.Feeds) -> dict[str, pl.DataFrame]:
    """Give what really happened, in the columns of our tables and some more."""
    world = feeds.world

    def instants(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(
            (pl.col(name) * 1_000_000).cast(periods.INSTANT) for name in frame.columns if name.endswith("_at")
        )

    current = exports.logs_at(feeds, world.until)
    kept = [name for name in tables.table("incidents").columns if name in current.columns]
    there = ["true_area_id", "true_longitude", "true_latitude", "location_fault"]
    grades = world.grades.filter(pl.col("graded_at") < world.until)
    done = world.intervals
    return {
        "current_incidents": instants(current.select(*kept, *there)),
        "grade_history": instants(
            grades.select("graded_at", "grade_code", "step", incident_id=feeds.log_ids.gather(grades["log"]))
        ),
        "unit_intervals": instants(
            done.select(
                "unit_id",
                "pool_id",
                "stage",
                "is_long",
                incident_id=feeds.log_ids.gather(done["log"]),
                starts_at="starts",
                ends_at="ends",
            )
        ),
        **world.truth,
    }


def _numbers() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("truth.toml").read_text(encoding="utf-8"))


def _size(
    numbers: dict[str, Any],
    areas: int | None,
    days: int | None,
    seed: int,
    preset: str | None,
    weekly_incidents: float | None,
    feed_days: int | None,
    points: str,
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
    if feed_days is not None and not 1 <= feed_days <= size["days"]:
        problems.append(f"'feed_days' is {feed_days}; from 1 to the days of history ({size['days']:,}) were expected.")
    if seed < 0:
        problems.append(f"'seed' is {seed}; 0 or more was expected.")
    if weekly_incidents is not None and not 0 < weekly_incidents <= 1_000_000:
        problems.append(f"'weekly_incidents' is {weekly_incidents}; more than 0 and at most 1,000,000 were expected.")
    if points not in WAYS:
        problems.append(f"'points' is '{points}'; {one_of(WAYS)} was expected.{did_you_mean(points, WAYS)}")
    if problems:
        raise UsageError("Such a made-up force can't be made. Put this right and try again:", problems)
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
                each["stream"],
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
        "stream",
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
