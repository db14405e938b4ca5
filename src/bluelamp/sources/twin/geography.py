"""The county: areas that tile it, districts that hold together, people who live in them, places that call.

Everything is drawn on a plane in km around the county's middle (Lambert's equal-area projection, so that sizes are
right) and turned into longitude and latitude last. Density decides where areas lie: a city near the coast, towns by
Zipf's rule, and countryside; areas are the cells of a Voronoi tessellation of points relaxed by Lloyd's algorithm
(1982), so that each holds about as many people where people live close together and more land where they don't.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry import MultiPoint, Polygon

Numbers = NDArray[np.float64]
WholeNumbers = NDArray[np.int64]

PROFILES = ("core", "inner", "suburb", "town", "rural")

# Edges are bent by a smooth shift of the whole plane (size in km, wave length in km): as it is one function of the
# place, neighbours keep their common edge to the last digit. The slopes add up to less than 1, so nothing folds.
_BENDS = ((0.42, 11.0), (0.16, 4.6), (0.05, 1.9))
_LONGEST_EDGE_KM = 0.8
_SAMPLED_POINTS = 24_000
_RELAXATIONS = 14

_STEMS = (
    "Ember",
    "Lantern",
    "Tallow",
    "Quill",
    "Thimble",
    "Marrow",
    "Sable",
    "Candle",
    "Hearth",
    "Copper",
    "Gloam",
    "Fennel",
    "Plover",
    "Sorrel",
    "Tansy",
    "Teasel",
    "Yarrow",
    "Cinder",
    "Moth",
    "Kettle",
    "Pewter",
    "Juniper",
    "Larkspur",
    "Nettle",
    "Bobbin",
    "Saffron",
    "Willet",
    "Osprey",
    "Curlew",
    "Bramble",
    "Pebble",
    "Saddler",
    "Tinder",
    "Harrow",
    "Velvet",
    "Cobalt",
    "Amber",
    "Dapple",
    "Rushlight",
    "Wisp",
    "Mallow",
    "Bittern",
    "Thistle",
    "Drover",
    "Fiddle",
    "Gantry",
    "Hazel",
    "Indigo",
    "Jasper",
    "Linnet",
    "Merle",
    "Nutmeg",
    "Pennant",
    "Russet",
    "Spindle",
    "Turnstile",
    "Umber",
    "Vesper",
    "Whistle",
    "Almond",
)
_URBAN_ENDINGS = ("gate", " Cross", " Park", "bank", " Row", " Hill", " Green", " Fields", "side", " Common")
_TOWN_ENDINGS = ("mouth", "bridge", "stow", "port", "bury", "market")
_RURAL_ENDINGS = ("ley", "combe", "thorpe", "wick", "holt", "mere", "fold", "dale", "stead", "den", "marsh", "ford")


@dataclass(frozen=True)
class County:
    """A made-up county. Arrays run over its areas, in the order of their codes.

    `outlines` are polygons in km on the plane, `weight` the share of calls that an area makes by its people and its
    profile, `district` and `night` the 0-based numbers of its district and of the pair of districts by night.
    """

    area_ids: list[str]
    names: list[str]
    profile: WholeNumbers
    population: WholeNumbers
    outlines: list[Polygon]
    touches: list[list[int]]
    weight: Numbers
    district: WholeNumbers
    district_names: list[str]
    night: WholeNumbers
    core_area: int
    stadium_area: int
    festival_areas: list[int]
    origin: tuple[float, float]

    @property
    def district_ids(self) -> list[str]:
        """Codes of the districts."""
        return [f"D{number + 1}" for number in range(len(self.district_names))]

    def to_degrees(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        """Turn km on the plane into WGS 84 longitude and latitude, to the sixth decimal (0.1 m)."""
        longitude, latitude = _projection(self.origin).transform(x * 1000, y * 1000, direction="INVERSE")
        return np.round(longitude, 6), np.round(latitude, 6)

    def to_plane(self, longitude: Numbers, latitude: Numbers) -> tuple[Numbers, Numbers]:
        """Turn WGS 84 longitude and latitude into km on the plane."""
        x, y = _projection(self.origin).transform(longitude, latitude)
        return x / 1000, y / 1000


class Places(NamedTuple):
    """The places that calls come from, area by area: `starts` says where each area's begin, and one entry more.

    `cumulative` weights run over the whole county and rise by 1 an area.
    """

    longitude: Numbers
    latitude: Numbers
    cumulative: Numbers
    starts: WholeNumbers

    def of_area(self, area: int) -> slice:
        """Give the rows of an area's places."""
        return slice(self.starts[area], self.starts[area + 1])

    def shares(self, area: int) -> Numbers:
        """Give the share of an area's calls that comes from each of its places."""
        return np.diff(self.cumulative[self.of_area(area)], prepend=area)


def draw_county(
    areas: int, force: dict[str, Any], profiles: dict[str, dict[str, Any]], random: np.random.Generator
) -> County:
    """Draw a county of so many areas (4 or more).

    `force` gives km2_per_area, people_per_area, longitude and latitude; `profiles` gives calls_per_head by profile.
    """
    coast = _coast(areas * force["km2_per_area"], random)
    density = _Density.draw(coast, areas, random)
    seeds, weights = _relaxed_seeds(coast, density, areas, random)
    outlines = _bend(_cells(coast, seeds), random)
    order = _reading_order(outlines)
    outlines, weights = [outlines[cell] for cell in order], weights[:, order]

    by_source = weights / weights.sum()
    population = np.round(by_source.sum(axis=0) * areas * force["people_per_area"]).astype(np.int64)
    profile = _profiles(by_source, outlines)
    heads = np.array([profiles[name]["calls_per_head"] for name in PROFILES])
    weight = population * heads[profile] * random.lognormal(-0.02, 0.2, areas)
    weight /= weight.sum()
    touches = _touches(outlines)
    middle = np.array([[cell.centroid.x, cell.centroid.y] for cell in outlines])
    core_area = int(np.argmax(np.where(profile == 0, weight, -1)))
    district = _districts(weight, middle, touches, core_area)
    night = _pairs(district, touches)
    names = _names(profile, core_area, random)
    by_distance = np.argsort(np.hypot(*(middle - middle[core_area]).T), kind="stable")
    stadium = [int(area) for area in by_distance if profile[area] in (1, 2) and area != core_area]
    return County(
        area_ids=[f"B{number + 1:03d}" for number in range(areas)],
        names=names,
        profile=profile,
        population=population,
        outlines=outlines,
        touches=touches,
        weight=weight,
        district=district,
        district_names=_district_names(district, profile, population, names, core_area),
        night=night,
        core_area=core_area,
        stadium_area=stadium[min(2, len(stadium) - 1)] if stadium else core_area,
        festival_areas=_neighbourhood(core_area, touches, weight, 3),
        origin=(force["longitude"], force["latitude"]),
    )


def area_rows(county: County, force: dict[str, Any], kinds: Sequence[str]) -> pl.DataFrame:
    """Write the county as the rows of 'areas': areas, their districts, and the force. `kinds` is by profile."""
    rows = []
    degrees = [in_degrees(county, outline) for outline in county.outlines]
    kind = np.array(kinds)[county.profile]
    for number, area_id in enumerate(county.area_ids):
        rows.append(
            _area_row(county, area_id, county.names[number], "area", str(kind[number]), [number], degrees)
            | {"parent_id": county.district_ids[county.district[number]]}
        )
    for number, (district_id, name) in enumerate(zip(county.district_ids, county.district_names, strict=True)):
        members = np.flatnonzero(county.district == number).tolist()
        is_rural = county.weight[members][kind[members] == "rural"].sum() > county.weight[members].sum() / 2
        rows.append(
            _area_row(county, district_id, name, "district", "rural" if is_rural else "urban", members, degrees)
            | {"parent_id": force["id"]}
        )
    everywhere = list(range(len(county.area_ids)))
    rows.append(
        _area_row(county, force["id"], force["name"], "force", "all", everywhere, degrees) | {"parent_id": None}
    )
    return pl.DataFrame(rows)


def draw_places(county: County, places: int, spread: float, random: np.random.Generator) -> Places:
    """Draw the places that calls come from, two in three of them around a few centres of their area.

    There are about `places` an area, more where more calls come from; their weights are log-normal with the standard
    deviation `spread` (of logs), so that a few places make most calls.
    """
    numbers = np.maximum(40, np.round(places * len(county.area_ids) * county.weight)).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(numbers)])
    x, y = np.empty(starts[-1]), np.empty(starts[-1])
    cumulative = np.empty(starts[-1])
    for area, outline in enumerate(county.outlines):
        part = slice(starts[area], starts[area + 1])
        x[part], y[part] = _points_inside(outline, int(numbers[area]), random)
        weight = random.lognormal(0, spread, numbers[area])
        cumulative[part] = area + np.cumsum(weight) / weight.sum()
    longitude, latitude = county.to_degrees(x, y)
    return Places(np.round(longitude, 5), np.round(latitude, 5), cumulative, starts)


# ---- the coast and where people live ----


def _coast(km2: float, random: np.random.Generator) -> Polygon:
    """Draw an outline of that size: a circle with a few random waves."""
    angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    radius = np.ones_like(angle)
    for waves in range(2, 14):
        size = random.uniform(0.5, 1.0) * 0.3 / waves
        radius += size * np.cos(waves * angle + random.uniform(0, 2 * np.pi))
    outline = Polygon(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
    scale = np.sqrt(km2 / outline.area)
    return Polygon(np.round(np.array(outline.exterior.coords) * scale, 4))


@dataclass(frozen=True)
class _Density:
    """People per km2, relative: a city, towns and the open country. One row a bump."""

    x: Numbers
    y: Numbers
    sigma: Numbers
    mass: Numbers
    open_country: float

    @classmethod
    def draw(cls, coast: Polygon, areas: int, random: np.random.Generator) -> _Density:
        outline = np.array(coast.exterior.coords)
        radius = np.sqrt(coast.area / np.pi)
        at = outline[random.integers(len(outline) - 1)] * 0.66
        centres = [at]
        towns = max(2, round(areas**0.5 * 0.9))
        apart = 1.15 * radius / np.sqrt(towns + 1)
        while len(centres) <= towns:
            angle, out = random.uniform(0, 2 * np.pi), np.sqrt(random.uniform(0, 1)) * 0.9
            place = np.array([np.cos(angle), np.sin(angle)]) * radius * out
            away = min(
                np.hypot(*(place - other)) - (0.9 * apart if not index else 0) for index, other in enumerate(centres)
            )
            if coast.contains(shapely.Point(place * 1.06)) and away > apart * 0.62:
                centres.append(place)
            apart *= 0.995
        zipf = 1 / np.arange(1, towns + 1) ** 0.8
        mass = np.concatenate([[0.42], 0.33 * zipf / zipf.sum()])
        sigma = radius * np.concatenate([[0.125], np.full(towns, 0.055) * np.sqrt(zipf / zipf.mean())])
        x, y = np.array(centres).T
        return cls(x, y, sigma, mass, 0.25 / coast.area)

    def at(self, x: Numbers, y: Numbers) -> Numbers:
        """Give density from the city, all towns and the country as three rows."""
        squared = (x[None] - self.x[:, None]) ** 2 + (y[None] - self.y[:, None]) ** 2
        variance = self.sigma[:, None] ** 2
        bumps = self.mass[:, None] * np.exp(-squared / (2 * variance)) / (2 * np.pi * variance)
        return np.stack([bumps[0], bumps[1:].sum(axis=0), np.full_like(x, self.open_country)])


def _relaxed_seeds(
    coast: Polygon, density: _Density, areas: int, random: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """Give one point an area, and the people of its cell by source (city, towns, country), shape (3, areas)."""
    west, south, east, north = coast.bounds
    drawn = random.uniform((west, south), (east, north), (2 * _SAMPLED_POINTS, 2))
    x, y = drawn[shapely.contains_xy(coast, *drawn.T)].T
    people = density.at(x, y)
    # Relaxed points end up as close as the square root of their pull (Gersho 1979), hence the power above 1.
    pull = people.sum(axis=0) ** 1.25
    seeds = drawn[shapely.contains_xy(coast, *drawn.T)][
        random.choice(len(x), areas, replace=False, p=pull / pull.sum())
    ]
    nearest = _nearest(x, y, seeds)
    for _ in range(_RELAXATIONS):
        total = np.bincount(nearest, pull, areas)
        has_points = total > 0
        for axis, value in enumerate((x, y)):
            moved = np.bincount(nearest, pull * value, areas)
            seeds[has_points, axis] = moved[has_points] / total[has_points]
        nearest = _nearest(x, y, seeds)
    return seeds, np.stack([np.bincount(nearest, row, areas) for row in people])


def _nearest(x: Numbers, y: Numbers, seeds: Numbers) -> WholeNumbers:
    nearest = np.empty(len(x), dtype=np.int64)
    for part in range(0, len(x), 4096):
        block = slice(part, part + 4096)
        squared = (x[block, None] - seeds[:, 0]) ** 2 + (y[block, None] - seeds[:, 1]) ** 2
        nearest[block] = squared.argmin(axis=1)
    return nearest


# ---- areas ----


def _cells(coast: Polygon, seeds: Numbers) -> list[Polygon]:
    """Give the cell of each seed: the coast and the Voronoi edges are noded together once, so that nothing overlaps."""
    edges = shapely.voronoi_polygons(MultiPoint(seeds), extend_to=coast, only_edges=True)
    lines = shapely.union_all([shapely.intersection(edges, coast), coast.exterior], grid_size=0.0001)
    faces = list(shapely.get_parts(shapely.polygonize(shapely.get_parts(lines))))
    inside = np.array([[face.representative_point().x, face.representative_point().y] for face in faces])
    owner = _nearest(inside[:, 0], inside[:, 1], seeds)
    largest = {seed: max(np.flatnonzero(owner == seed), key=lambda face: faces[face].area) for seed in set(owner)}
    cells = [faces[largest[seed]] for seed in range(len(seeds))]
    for number, face in enumerate(faces):
        if number != largest[int(owner[number])]:
            # A bay cut this piece off from its cell: it joins the neighbour with which it shares most of its edge.
            shared = [cell.intersection(face).length for cell in cells]
            neighbour = int(np.argmax(shared))
            cells[neighbour] = shapely.union(cells[neighbour], face)
    return cells


def _bend(cells: list[Polygon], random: np.random.Generator) -> list[Polygon]:
    """Give the cells with bent edges, common edges still common."""
    waves = []
    for size, length in _BENDS:
        for _ in range(2):
            angle = random.uniform(0, 2 * np.pi)
            waves.append(
                (
                    size / 2,
                    2 * np.pi / length * np.array([np.cos(angle), np.sin(angle)]),
                    random.uniform(0, 2 * np.pi, 2),
                )
            )

    def bent(points: Numbers) -> Numbers:
        moved = points.copy()
        for size, direction, phases in waves:
            along = points[:, 0] * direction[0] + points[:, 1] * direction[1]
            moved[:, 0] += size * np.sin(along + phases[0])
            moved[:, 1] += size * np.sin(along + phases[1])
        return np.round(moved, 5)

    return [Polygon(bent(_with_short_edges(np.array(cell.exterior.coords)))) for cell in cells]


def _with_short_edges(ring: Numbers) -> Numbers:
    """Divide long edges. Each is divided from its western end, so that both of its sides get the same points."""
    points = []
    for start, end in pairwise(ring):
        forward = (start[0], start[1]) <= (end[0], end[1])
        low, high = (start, end) if forward else (end, start)
        pieces = max(1, int(np.ceil(np.hypot(*(high - low)) / _LONGEST_EDGE_KM)))
        share = np.arange(pieces + 1)[:, None] / pieces
        divided = low + share * (high - low)
        divided[0], divided[-1] = low, high
        points.append((divided if forward else divided[::-1])[:-1])
    return np.concatenate([*points, ring[:1]])


def _reading_order(outlines: list[Polygon]) -> list[int]:
    """Number areas from north to south in bands, west to east in each."""
    middle = np.array([[cell.centroid.x, cell.centroid.y] for cell in outlines])
    band = np.floor((middle[:, 1].max() - middle[:, 1]) / max(1.0, np.ptp(middle[:, 1])) * len(outlines) ** 0.5)
    return [int(cell) for cell in np.lexsort((middle[:, 0], band))]


def _touches(outlines: list[Polygon]) -> list[list[int]]:
    """List for each area those with which it shares an edge (a corner is not enough)."""
    edges: dict[tuple[float, ...], int] = {}
    touches: list[set[int]] = [set() for _ in outlines]
    for number, outline in enumerate(outlines):
        ring = np.array(outline.exterior.coords)
        for start, end in pairwise(ring.tolist()):
            key = (*min(start, end), *max(start, end))
            other = edges.setdefault(key, number)
            if other != number:
                touches[number].add(other)
                touches[other].add(number)
    return [sorted(neighbours) for neighbours in touches]


def _profiles(by_source: Numbers, outlines: list[Polygon]) -> WholeNumbers:
    """Say what kind of place each area is, from where its people come and how close they live."""
    areas = len(outlines)
    close = by_source.sum(axis=0) / np.array([cell.area for cell in outlines])
    share = by_source / by_source.sum(axis=0)
    is_city = share[0] > 0.5
    profile = np.where(share[1] > 0.5, PROFILES.index("town"), PROFILES.index("rural"))
    rank = np.argsort(np.argsort(-np.where(is_city, close, -1), kind="stable"), kind="stable")
    core = max(1, round(areas * 0.04))
    inner = max(1, round(is_city.sum() * 0.5))
    profile[is_city] = np.where(rank[is_city] < core, 0, np.where(rank[is_city] < core + inner, 1, 2))
    if not is_city.any():
        profile[int(np.argmax(close))] = 0
    return profile.astype(np.int64)


def _neighbourhood(start: int, touches: list[list[int]], weight: Numbers, wanted: int) -> list[int]:
    """Give an area and its busiest neighbours."""
    near = sorted(touches[start], key=lambda area: -weight[area])
    return [start, *near][:wanted]


# ---- districts ----


def _districts(weight: Numbers, middle: Numbers, touches: list[list[int]], core_area: int) -> WholeNumbers:
    """Divide areas into districts of about equal calls: the city's middle, and others around. Each holds together."""
    areas = len(weight)
    wanted = min(areas, max(1, round(areas**0.37)))
    district = np.zeros(areas, dtype=np.int64)
    if wanted == 1:
        return district
    city = _grow(core_area, 1 / wanted, weight, middle, touches)
    rest = np.setdiff1d(np.arange(areas), city)
    parts = _balanced_parts(rest, wanted - 1, weight, middle, touches)
    # Districts are numbered around the city, so that neighbours have numbers that are near each other.
    centres = np.array([middle[part].mean(axis=0) for part in parts]) - middle[core_area]
    for number, part in enumerate(np.argsort(np.arctan2(centres[:, 1], centres[:, 0]), kind="stable")):
        district[parts[part]] = number + 1
    return _held_together(district, weight, touches)


def _balanced_parts(
    areas: WholeNumbers, parts: int, weight: Numbers, middle: Numbers, touches: list[list[int]]
) -> list[WholeNumbers]:
    """Divide areas into parts of about equal calls by straight cuts, each where it parts the fewest neighbours."""
    if parts == 1:
        return [areas]
    share = parts // 2 / parts
    best: tuple[float, WholeNumbers, WholeNumbers] | None = None
    for angle in np.arange(24) * np.pi / 12:
        order = areas[np.argsort(middle[areas] @ np.array([np.cos(angle), np.sin(angle)]), kind="stable")]
        done = np.cumsum(weight[order]) - weight[order] / 2
        cut = int(np.clip((done < share * weight[areas].sum()).sum(), parts // 2, len(areas) - parts + parts // 2))
        near, far = order[:cut], order[cut:]
        inside = set(near.tolist())
        parted = sum(other in inside for area in far.tolist() for other in touches[area])
        pieces = len(_pieces(near.tolist(), touches)) + len(_pieces(far.tolist(), touches))
        price = parted + 100.0 * pieces
        if best is None or price < best[0]:
            best = (price, near, far)
    assert best is not None
    near_parts = _balanced_parts(best[1], parts // 2, weight, middle, touches)
    return near_parts + _balanced_parts(best[2], parts - parts // 2, weight, middle, touches)


def _grow(start: int, share: float, weight: Numbers, middle: Numbers, touches: list[list[int]]) -> list[int]:
    """Give areas around one until they hold that share of calls, nearest first and always touching."""
    inside, total = [start], weight[start]
    while total < share:
        edge = {other for area in inside for other in touches[area]} - set(inside)
        if len(inside) + 1 >= len(weight) or not edge:
            break
        nearest = min(sorted(edge), key=lambda area: float(np.hypot(*(middle[area] - middle[start]))))
        inside.append(nearest)
        total += weight[nearest]
    return inside


def _held_together(district: NDArray[np.int64], weight: Numbers, touches: list[list[int]]) -> WholeNumbers:
    """Move pieces cut off from their district to the neighbouring district with the fewest calls."""
    moved = True
    while moved:
        moved = False
        for number in range(int(district.max()) + 1):
            pieces = _pieces(np.flatnonzero(district == number).tolist(), touches)
            for piece in sorted(pieces, key=lambda areas: -weight[areas].sum())[1:]:
                around = {int(district[other]) for area in piece for other in touches[area]} - {number}
                load = np.bincount(district, weight)
                district[piece] = min(sorted(around), key=lambda other: load[other])
                moved = True
    return district.astype(np.int64)


def _pieces(areas: list[int], touches: list[list[int]]) -> list[list[int]]:
    """Divide areas into pieces that hold together."""
    left, pieces = set(areas), []
    while left:
        piece, waiting = [], [min(left)]
        left.discard(waiting[0])
        while waiting:
            area = waiting.pop()
            piece.append(area)
            for other in touches[area]:
                if other in left:
                    left.discard(other)
                    waiting.append(other)
        pieces.append(sorted(piece))
    return pieces


def _pairs(district: WholeNumbers, touches: list[list[int]]) -> WholeNumbers:
    """Give for each area the number of its pair of neighbouring districts, the city's pair first."""
    count = int(district.max()) + 1
    near = [
        {int(district[other]) for area in np.flatnonzero(district == number) for other in touches[area]} - {number}
        for number in range(count)
    ]
    pair = np.full(count, -1)
    number = 0
    for first in range(count):
        if pair[first] >= 0:
            continue
        # Those with the fewest partners left choose first; otherwise a district would be left alone too often.
        free = sorted(
            (other for other in near[first] if pair[other] < 0),
            key=lambda other: (len([third for third in near[other] if pair[third] < 0]), other),
        )
        pair[[first, *free[:1]]] = number
        number += 1
    return pair[district].astype(np.int64)


# ---- names, places, boundaries ----


def _names(profile: WholeNumbers, core_area: int, random: np.random.Generator) -> list[str]:
    used: set[str] = {"Lantern Quay"}
    names = []
    for area, kind in enumerate(profile):
        endings = {3: _TOWN_ENDINGS, 4: _RURAL_ENDINGS}.get(int(kind), _URBAN_ENDINGS)
        name = "Lantern Quay" if area == core_area else ""
        tries = 0
        while not name or (name in used and area != core_area):
            name = _STEMS[random.integers(len(_STEMS))] + endings[random.integers(len(endings))]
            if tries > 200:
                name = f"{name} {random.integers(2, 1000)}"
            tries += 1
        used.add(name)
        names.append(name)
    return names


def _district_names(
    district: WholeNumbers, profile: WholeNumbers, population: WholeNumbers, names: list[str], core_area: int
) -> list[str]:
    found: list[str] = []
    for number in range(int(district.max()) + 1):
        members = np.flatnonzero(district == number)
        if core_area in members:
            found.append("Lantern City")
            continue
        # Towns give districts their names; a district without one is called after its largest area.
        largest = max(members, key=lambda area: (profile[area] == 3, population[area]))
        found.append(f"{names[largest]} district")
    return found


def _points_inside(outline: Polygon, number: int, random: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Draw points in an area: two in three around a few centres, the others anywhere."""
    west, south, east, north = outline.bounds
    shapely.prepare(outline)
    centres = random.uniform((west, south), (east, north), (4, 2))
    width = 0.12 * np.sqrt(outline.area)
    found = np.empty((0, 2))
    while len(found) < number:
        anywhere = random.uniform((west, south), (east, north), (number, 2))
        around = centres[random.integers(0, 4, number)] + random.normal(0, width, (number, 2))
        drawn = np.where(random.random(number)[:, None] < 0.66, around, anywhere)
        found = np.concatenate([found, drawn[shapely.contains_xy(outline, *drawn.T)]])
    return found[:number, 0], found[:number, 1]


@lru_cache(maxsize=8)
def _projection(origin: tuple[float, float]) -> Transformer:
    longitude, latitude = origin
    plane = f"+proj=laea +lon_0={longitude} +lat_0={latitude} +datum=WGS84 +units=m"
    return Transformer.from_crs("EPSG:4326", plane, always_xy=True)


def in_degrees(county: County, outline: Polygon) -> Polygon:
    """Turn an outline on the plane into one of longitude and latitude, as it stands in 'areas'."""
    return shapely.transform(outline, lambda points: np.column_stack(county.to_degrees(*points.T)))


def _area_row(
    county: County, area_id: str, name: str, level: str, kind: str, members: list[int], degrees: list[Polygon]
) -> dict[str, Any]:
    flat = shapely.union_all([county.outlines[number] for number in members])
    boundary = degrees[members[0]] if len(members) == 1 else shapely.union_all([degrees[each] for each in members])
    inside = flat.centroid if flat.contains(flat.centroid) else flat.representative_point()
    longitude, latitude = county.to_degrees(np.array([inside.x]), np.array([inside.y]))
    return {
        "area_id": area_id,
        "area_name": name,
        "level": level,
        "kind": kind,
        "population": int(county.population[members].sum()),
        "area_km2": round(flat.area, 4),
        "centre_longitude": float(longitude[0]),
        "centre_latitude": float(latitude[0]),
        "is_approximate": False,
        "boundary": json.dumps(shapely.geometry.mapping(shapely.orient_polygons(boundary)), separators=(",", ":")),
    }
