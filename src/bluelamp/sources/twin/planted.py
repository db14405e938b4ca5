"""What is planted in the points of the made-up force: hotspots and near-repeats, so that finding them can be judged.

Only points move, each within its own area, by chances of their own: how many incidents come, when, where they count,
of which class, and whatever else an export says of them stays as it was drawn. A hotspot takes a stated share of its
area's incidents of some classes, at some hours of some weekdays, to a few addresses within a small circle. A
near-repeat lies near an earlier incident of its class and area: the earlier one is chosen by the time between them and
the distance is drawn, both exponentially (the pattern is that of Townsley, Homel and Chaseling 2003, 'Infectious
burglaries').
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray

from bluelamp.sources.twin.demand import Calendar, Truth, day_begun
from bluelamp.sources.twin.geography import PROFILES, County, Places, in_degrees
from bluelamp.sources.twin.incidents import FUTURE_DAYS

Numbers = NDArray[np.float64]
WholeNumbers = NDArray[np.int64]

# How the points of incidents lie before anything is planted: at places of which a few are busy, or evenly over areas.
WAYS = ("places", "even")

_DAY = 86400
_TRIES = 20
_LOOKED_AT = 64
_LIVES = ("first_day", "last_day")
_HOTSPOTS: dict[str, Any] = {
    "hotspot_id": pl.String,
    "kind": pl.String,
    "class_code": pl.String,
    "area_id": pl.String,
    "longitude": pl.Float64,
    "latitude": pl.Float64,
    "radius_m": pl.Float64,
    "weekdays": pl.List(pl.Int64),
    "from_hour": pl.Int64,
    "to_hour": pl.Int64,
    "first_day": pl.Date,
    "last_day": pl.Date,
    "share": pl.Float64,
    "weekly_incidents": pl.Float64,
    "share_inside": pl.Float64,
    "times_area_mean": pl.Float64,
}
_NEAR_REPEATS = {"row": pl.Int64, "near_row": pl.Int64, "days": pl.Float64, "metres": pl.Float64}


@dataclass(frozen=True)
class Planted:
    """Calls with their points moved, and what was planted. Calls are named by their `drawn` number in the frames.

    `hotspots` has a row a hotspot and class, `addresses` one an address (hotspot_id, longitude, latitude). The calls
    that were moved are in `at_hotspots` (drawn, hotspot_id) and `near_repeats` (drawn, near_drawn, days, metres).
    """

    calls: pl.DataFrame
    hotspots: pl.DataFrame
    addresses: pl.DataFrame
    at_hotspots: pl.DataFrame
    near_repeats: pl.DataFrame


def set_points(
    way: str,
    is_planted: bool,
    calls: pl.DataFrame,
    truth: Truth,
    places: Places,
    numbers: dict[str, Any],
    random_of: Callable[..., np.random.Generator],
) -> Planted:
    """Give calls the points that one of `WAYS` gives them, and move some to what is planted.

    `calls` are as drawn (`incidents.draw_calls`), at `places` and by receipt, with `drawn`, each one's number from 0.
    `numbers` are those of [planted] in truth.toml.
    """
    if way == "even":
        calls = spread_evenly(calls, truth.county, random_of("even points"))
    if is_planted:
        return _plant(way, calls, truth, places, numbers, random_of)
    return Planted(
        calls=calls,
        hotspots=pl.DataFrame(schema=_HOTSPOTS),
        addresses=pl.DataFrame(schema={"hotspot_id": pl.String, "longitude": pl.Float64, "latitude": pl.Float64}),
        at_hotspots=pl.DataFrame(schema={"drawn": pl.Int64, "hotspot_id": pl.String}),
        near_repeats=pl.DataFrame(
            schema={"drawn": pl.Int64, "near_drawn": pl.Int64, "days": pl.Float64, "metres": pl.Float64}
        ),
    )


def _plant(
    way: str,
    calls: pl.DataFrame,
    truth: Truth,
    places: Places,
    numbers: dict[str, Any],
    random_of: Callable[..., np.random.Generator],
) -> Planted:
    county = truth.county
    spots = _Hotspots.choose(way, truth, places, numbers, random_of("planted hotspots"))
    repeating = numbers["near_repeats"]
    wanted = sorted({*spots.rows["class_code"], *repeating})
    some = calls.select("drawn", "received_at", "class_code", "true_area_id", "true_longitude", "true_latitude").filter(
        pl.col("class_code").is_in(wanted)
    )
    moving = _Moving.of(some, wanted, truth)
    hotspot = spots.taking(moving, wanted, truth, random_of("planted at hotspots"))
    at_spots = np.flatnonzero(hotspot >= 0)
    moving.put(at_spots, *spots.addresses(hotspot[at_spots], random_of("planted addresses")))
    boundaries = np.array([in_degrees(county, outline) for outline in county.outlines])
    shapely.prepare(boundaries)
    repeats = []
    for name, what in repeating.items():
        of_class = wanted.index(name) * len(county.area_ids)
        rows = moving.between(of_class, of_class + len(county.area_ids))
        random = random_of("planted near-repeats", name)
        repeats.append(_near_repeats(moving, rows, what, hotspot >= 0, county, boundaries, random))
    found = pl.concat([pl.DataFrame(schema=_NEAR_REPEATS), *repeats])
    ids = spots.rows["hotspot_id"].unique(maintain_order=True)
    moved = np.concatenate([at_spots, found["row"].to_numpy()])
    return Planted(
        calls=_with_points(calls, moving.drawn[moved], moving.longitude[moved], moving.latitude[moved]),
        hotspots=spots.rows,
        addresses=pl.DataFrame(
            {
                "hotspot_id": ids[np.repeat(np.arange(len(ids)), numbers["addresses"])],
                "longitude": spots.longitude.ravel(),
                "latitude": spots.latitude.ravel(),
            }
        ),
        at_hotspots=pl.DataFrame({"drawn": moving.drawn[at_spots], "hotspot_id": ids[hotspot[at_spots]]}).sort("drawn"),
        near_repeats=found.select(
            drawn=pl.Series(moving.drawn[found["row"]]),
            near_drawn=pl.Series(moving.drawn[found["near_row"]]),
            days="days",
            metres="metres",
        ).sort("drawn"),
    )


def spread_evenly(calls: pl.DataFrame, county: County, random: np.random.Generator) -> pl.DataFrame:
    """Give calls with points anywhere in their areas, every spot as likely as any other."""
    area = _numbers_of_areas(calls["true_area_id"], county)
    longitude, latitude = np.empty(calls.height), np.empty(calls.height)
    order = np.argsort(area, kind="stable")
    edges = np.searchsorted(area[order], np.arange(len(county.area_ids) + 1))
    for number, outline in enumerate(county.outlines):
        rows = order[edges[number] : edges[number + 1]]
        longitude[rows], latitude[rows] = _anywhere(outline, len(rows), county, random)
    return _with_points(calls, np.arange(calls.height), longitude, latitude)


def _anywhere(
    outline: shapely.Geometry, number: int, county: County, random: np.random.Generator
) -> tuple[Numbers, Numbers]:
    west, south, east, north = outline.bounds
    boundary = in_degrees(county, outline)
    shapely.prepare(boundary)
    found = np.empty((2, 0))
    while found.shape[1] < number:
        x, y = random.uniform((west, south), (east, north), (2 * (number - found.shape[1]) + 8, 2)).T
        drawn = np.round(county.to_degrees(x, y), 5)
        found = np.concatenate([found, drawn[:, shapely.contains_xy(boundary, *drawn)]], axis=1)
    return found[0, :number], found[1, :number]


def _numbers_of_areas(ids: pl.Series, county: County) -> WholeNumbers:
    return ids.cast(pl.Enum(county.area_ids)).to_physical().to_numpy().astype(np.int64)


def _with_points(calls: pl.DataFrame, rows: WholeNumbers, longitude: Numbers, latitude: Numbers) -> pl.DataFrame:
    """Put some calls, by row, at other points. A point that the export lacks is still lacking."""
    moved = []
    for name, values in (("longitude", longitude), ("latitude", latitude)):
        truly = calls[f"true_{name}"].to_numpy().copy()
        truly[rows] = values
        point = pl.Series(truly)
        moved += [point.alias(f"true_{name}"), pl.when(pl.col(name).is_not_null()).then(point).alias(name)]
    return calls.with_columns(moved)


# ---- the calls that may move ----


@dataclass(frozen=True)
class _Moving:
    """The calls of some classes as arrays, by class, area and receipt. `group` is class × areas + area.

    `day` and `hour` are local; `longitude` and `latitude` change as calls are moved.
    """

    drawn: WholeNumbers
    received: WholeNumbers
    group: WholeNumbers
    area: WholeNumbers
    day: WholeNumbers
    hour: WholeNumbers
    longitude: Numbers
    latitude: Numbers

    @classmethod
    def of(cls, some: pl.DataFrame, classes: list[str], truth: Truth) -> _Moving:
        county, calendar = truth.county, truth.calendar
        area = _numbers_of_areas(some["true_area_id"], county)
        of_class = some["class_code"].cast(pl.Enum(classes)).to_physical().to_numpy().astype(np.int64)
        group = of_class * len(county.area_ids) + area
        order = np.argsort(group, kind="stable")
        received = some["received_at"].to_numpy()[order]
        hour = np.searchsorted(calendar.epoch, received, side="right") - 1
        return cls(
            drawn=some["drawn"].to_numpy()[order],
            received=received,
            group=group[order],
            area=area[order],
            day=calendar.day[hour],
            hour=calendar.hour[hour],
            longitude=some["true_longitude"].to_numpy()[order],
            latitude=some["true_latitude"].to_numpy()[order],
        )

    def between(self, first: int, end: int) -> slice:
        """Give the rows of the groups first … end - 1."""
        return slice(*(int(row) for row in np.searchsorted(self.group, [first, end])))

    def put(self, rows: WholeNumbers, longitude: Numbers, latitude: Numbers) -> None:
        """Put some rows at other points."""
        self.longitude[rows], self.latitude[rows] = longitude, latitude


# ---- hotspots ----


@dataclass(frozen=True)
class _Hotspots:
    """The hotspots as `rows` (those of `Planted.hotspots`), and the addresses of each, arrays (hotspots, n)."""

    rows: pl.DataFrame
    longitude: Numbers
    latitude: Numbers

    @classmethod
    def choose(
        cls, way: str, truth: Truth, places: Places, numbers: dict[str, Any], random: np.random.Generator
    ) -> _Hotspots:
        """Choose areas for each kind of hotspot, a circle in each and addresses in it, and for how long it is there."""
        county, calendar = truth.county, truth.calendar
        expected = {kind: _expected(what, truth) for kind, what in numbers["hotspots"].items()}
        chosen = [
            (kind, area)
            for kind, what in numbers["hotspots"].items()
            for area in _busiest(expected[kind].sum(axis=1), what, county)
        ]
        lives = _lives(len(chosen), calendar, numbers["lives"], random)
        addresses = np.empty((len(chosen), 2, numbers["addresses"]))
        rows = []
        for number, (kind, area) in enumerate(chosen):
            what = numbers["hotspots"][kind]
            x, y = county.to_plane(*(axis[places.of_area(area)] for axis in (places.longitude, places.latitude)))
            at, radius = _centre(county.outlines[area], x, y, numbers["radius_m"] / 1000, random)
            # A little less than the circle, because points are rounded to a metre.
            away = 0.97 * radius * np.sqrt(random.random(numbers["addresses"]))
            angle = random.uniform(0, 2 * np.pi, numbers["addresses"])
            addresses[number] = county.to_degrees(at[0] + away * np.cos(angle), at[1] + away * np.sin(angle))
            part = np.pi * radius**2 / county.outlines[area].area
            is_there = np.hypot(x - at[0], y - at[1]) <= radius
            usual = part if way == "even" else float(places.shares(area)[is_there].sum())
            longitude, latitude = (float(axis[0]) for axis in county.to_degrees(*at.reshape(2, 1)))
            for (name, share), weekly in zip(what["classes"].items(), expected[kind][area], strict=True):
                inside = share + (1 - share) * usual
                rows.append(
                    {
                        "hotspot_id": f"H{number + 1:03d}",
                        "kind": kind,
                        "class_code": name,
                        "area_id": county.area_ids[area],
                        "longitude": longitude,
                        "latitude": latitude,
                        "radius_m": 1000 * radius,
                        **{each: what[each] for each in ("weekdays", "from_hour", "to_hour")},
                        **{each: calendar.days[day] for each, day in zip(_LIVES, lives[number].tolist(), strict=True)},
                        "share": share,
                        "weekly_incidents": share * weekly,
                        "share_inside": inside,
                        "times_area_mean": inside / part,
                    }
                )
        return cls(pl.DataFrame(rows, schema=_HOTSPOTS), *np.round(addresses, 5).transpose(1, 0, 2))

    def taking(self, moving: _Moving, classes: list[str], truth: Truth, random: np.random.Generator) -> WholeNumbers:
        """Say for every call at which hotspot it is (a number), or -1. Each takes its share in its hours."""
        county, calendar = truth.county, truth.calendar
        hotspot = np.full(len(moving.drawn), -1)
        drawn = random.random(len(hotspot))
        number = self.rows["hotspot_id"].rle_id()
        for at, row in zip(number, self.rows.iter_rows(named=True), strict=True):
            group = classes.index(row["class_code"]) * len(county.area_ids) + county.area_ids.index(row["area_id"])
            here = moving.between(group, group + 1)
            begun = day_begun(moving.day[here], moving.hour[here], row["from_hour"], row["to_hour"])
            first, last = (calendar.days.index(row[name]) for name in _LIVES)
            takes = (begun >= first) & (begun <= last) & np.isin(calendar.weekday(begun), row["weekdays"])
            hotspot[here][takes & (drawn[here] < row["share"])] = at
        return hotspot

    def addresses(self, hotspot: WholeNumbers, random: np.random.Generator) -> tuple[Numbers, Numbers]:
        """Give each an address of its hotspot, longitude and latitude."""
        address = random.integers(0, self.longitude.shape[1], len(hotspot))
        return self.longitude[hotspot, address], self.latitude[hotspot, address]


def _expected(what: dict[str, Any], truth: Truth) -> Numbers:
    """Give what is expected a week in the hours of a kind of hotspot: (areas, its classes), all over each area."""
    calendar = truth.calendar
    begun = day_begun(calendar.day, calendar.hour, what["from_hour"], what["to_hour"])
    is_open = (begun >= 0) & np.isin(calendar.weekday(begun), what["weekdays"])
    hours = np.flatnonzero(is_open[: calendar.past])
    of_class = [truth.classes.index(name) for name in what["classes"]]
    by_profile = truth.rates[:, of_class][:, :, hours].sum(axis=2) * 7 / calendar.past_days
    return np.asarray(truth.county.weight[:, None] * by_profile[truth.county.profile])


def _busiest(expected: Numbers, what: dict[str, Any], county: County) -> list[int]:
    """Give the areas with most expected, of the profiles that a kind of hotspot has (of all, where there are none)."""
    fits = np.isin(county.profile, [PROFILES.index(name) for name in what["profiles"]])
    areas = np.flatnonzero(fits | ~fits.any())
    wanted = max(1, round(what["per_area"] * len(expected)))
    return [int(area) for area in areas[np.argsort(-expected[areas], kind="stable")][:wanted]]


def _lives(hotspots: int, calendar: Calendar, what: dict[str, Any], random: np.random.Generator) -> WholeNumbers:
    """Give the first and the last day (numbers) of each hotspot: most last, some begin or end within the history."""
    days = np.tile([0, calendar.past_days + FUTURE_DAYS - 1], (hotspots, 1))
    order = random.permutation(hotspots)
    beginning, ending = (int(np.ceil(what[name] * hotspots)) for name in ("beginning", "ending"))
    low, high = what["between"]
    days[order[:beginning], 0] = calendar.past_days * random.uniform(low, high, len(order[:beginning]))
    ends = order[beginning : beginning + ending]
    days[ends, 1] = calendar.past_days * random.uniform(low, high, len(ends))
    return days.astype(np.int64)


def _centre(
    outline: shapely.Geometry, x: Numbers, y: Numbers, radius: float, random: np.random.Generator
) -> tuple[Numbers, float]:
    """Give a middle and a radius (km) of a circle in an area, around one of its places where it has room there."""
    some = random.permutation(len(x))[:_LOOKED_AT]
    inside = outline.representative_point()
    at = np.append(np.stack([x[some], y[some]], axis=1), [[inside.x, inside.y]], axis=0)
    points = shapely.points(at)
    room = np.where(shapely.contains(outline, points), shapely.distance(outline.boundary, points), 0.0)
    best = int(np.argmax(room > radius)) if (room > radius).any() else int(np.argmax(room))
    return at[best], float(min(radius, 0.95 * room[best]))


# ---- near-repeats ----


def _near_repeats(
    moving: _Moving,
    rows: slice,
    what: dict[str, float],
    is_moved: NDArray[np.bool_],
    county: County,
    boundaries: NDArray[Any],
    random: np.random.Generator,
) -> pl.DataFrame:
    """Move a share of one class near an earlier one of its area: `row`, `near_row`, `days`, `metres`.

    A share of those that no hotspot has, and before which another came within `within_days`. The other is chosen with
    chances that fall with the time between by exp(-time / mean_days), among all of these days; the distance is
    exponential with `mean_metres`, in any direction.
    """
    received, area = moving.received[rows], moving.area[rows]
    size, window = len(received), round(what["within_days"] * _DAY)
    # One line for all areas, each so far from the one before that no window reaches back into it.
    line = area * (received.max(initial=0) + window + 1) + received
    first = np.searchsorted(line, line - window)
    can = (first < np.arange(size)) & ~is_moved[rows]
    later = np.flatnonzero(can & (random.random(size) < what["share"]))
    earlier = _earlier(later, first, received, what["mean_days"] * _DAY, random)

    near = np.full(size, -1)
    near[later] = earlier
    longitude, latitude = moving.longitude[rows], moving.latitude[rows]
    is_waiting, metres = near >= 0, np.zeros(size)
    # The earlier one may itself have been moved: it goes first.
    waiting = later
    while len(waiting):
        ready = waiting[~is_waiting[near[waiting]]]
        moved = _around(
            longitude[near[ready]], latitude[near[ready]], boundaries[area[ready]], what["mean_metres"], county, random
        )
        longitude[ready], latitude[ready], metres[ready] = moved
        is_waiting[ready] = False
        waiting = waiting[is_waiting[waiting]]
    return pl.DataFrame(
        {
            "row": later + rows.start,
            "near_row": earlier + rows.start,
            "days": (received[later] - received[earlier]) / _DAY,
            "metres": metres[later],
        },
        schema=_NEAR_REPEATS,
    )


def _earlier(
    later: WholeNumbers, first: WholeNumbers, received: WholeNumbers, mean: float, random: np.random.Generator
) -> WholeNumbers:
    """Choose one of first … later - 1 for each, with chances that fall exponentially with the seconds between."""
    chosen, waiting = np.empty_like(later), np.arange(len(later))
    while len(waiting):
        tried = random.integers(first[later[waiting]], later[waiting])
        # Against the last one before, which is always taken, so that every round places some.
        between = received[later[waiting] - 1] - received[tried]
        is_taken = random.random(len(waiting)) < np.exp(-between / mean)
        chosen[waiting[is_taken]] = tried[is_taken]
        waiting = waiting[~is_taken]
    return chosen


def _around(
    longitude: Numbers,
    latitude: Numbers,
    boundaries: NDArray[Any],
    mean: float,
    county: County,
    random: np.random.Generator,
) -> tuple[Numbers, Numbers, Numbers]:
    """Give points near others, inside the boundary of each, and their distance in metres.

    One that has no room near it, because its area is so narrow there, gives its own point.
    """
    x, y = county.to_plane(longitude, latitude)
    near = np.stack([longitude, latitude, np.zeros(len(x))])
    outside = np.arange(len(x))
    for _ in range(_TRIES):
        away, angle = random.exponential(mean, len(outside)), random.uniform(0, 2 * np.pi, len(outside))
        at = county.to_degrees(x[outside] + away / 1000 * np.cos(angle), y[outside] + away / 1000 * np.sin(angle))
        drawn = np.round(at, 5)
        is_in = shapely.contains_xy(boundaries[outside], *drawn)
        near[:, outside[is_in]] = np.stack([*drawn, away])[:, is_in]
        outside = outside[~is_in]
    return near[0], near[1], near[2]
