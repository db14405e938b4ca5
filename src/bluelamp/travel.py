"""How long units are on their way between places: by distance and speed, over streets, or as the force recorded it.

Each gives the same: mean minutes from every place to every other, how much a journey varies about them, and what a
reader must know. A place stands for all of an area, so that within one a journey is as long as between two points of a
square of its size (0.52 times its side, Ghosh 1951).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import extensions
from bluelamp.errors import BadData, count_of
from bluelamp.plane import Plane

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# What a way is longer than the crow flies in towns, what getting going takes, and how fast a unit is on average.
DETOUR, TURNOUT_MINUTES, SPEED_KMH = 1.3, 2.0, 40.0
# Mean distance of two points in a square of one square kilometre, in km.
WITHIN = 0.52
# Coefficient of variation of a journey about its mean, where nothing was recorded: an assumption.
VARIATION = 0.3
# Ends of streets that are no farther apart than this, in degrees, are one (a tenth of a metre).
_DIGITS = 6
# An area whose middle is farther than this from any street that can be reached is told.
FAR_METRES = 1000.0
_KM_IN_A_MILE = 1.609344
# Words for a street that may be driven in the direction in which it is drawn only, or against it only.
_ALONG = {"yes", "true", "1", "ft", "f", "along"}
_AGAINST = {"-1", "reverse", "tf", "t", "against"}
# Recorded journeys: the fewest that say more than a model, and what no journey within a force takes.
FEWEST_JOURNEYS = 40
SHORTEST_MINUTES, LONGEST_MINUTES = 0.25, 180.0
_TOLD = 5


class Places(NamedTuple):
    """Places with a number each: codes, middles (longitude, latitude), km², the work in them, and their district.

    A middle or size that nobody knows is not a number. Work may be in any unit; only shares of it count.
    """

    ids: Sequence[str]
    degrees: Floats  # places × 2
    km2: Floats
    work: Floats
    districts: Sequence[str | None]


class Driving(NamedTuple):
    """How a unit drives where nothing better is known."""

    speed_kmh: float = SPEED_KMH
    detour: float = DETOUR
    turnout_minutes: float = TURNOUT_MINUTES
    variation: float = VARIATION


@dataclass(frozen=True)
class Ways:
    """Mean minutes on the way (places × places, from row to column) and how they vary.

    `variation` is the coefficient of variation of a journey about its mean; `of_hour` (24) and `of_grade` are what
    the local hour and the grade multiply; `work` is that of the places.
    """

    minutes: Floats
    work: Floats
    variation: float
    of_hour: Floats = field(default_factory=lambda: np.ones(24))
    of_grade: Mapping[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def centre(self, inside: Integers) -> int:
        """Give the one of some places from which their work is reached soonest (the weighted 1-median)."""
        work = self.work[inside] + 1e-9
        return int(inside[np.argmin(self.minutes[np.ix_(inside, inside)] @ work)])


# ---- by distance ----


def by_distance(places: Places, driving: Driving = Driving()) -> Ways:  # noqa: B008
    """Give ways at one speed over so many times the distance between middles, after getting going.

    Raises BadData where no place has a middle.
    """
    km, notes = _apart_km(places)
    minutes = driving.turnout_minutes + 60 * driving.detour * km / driving.speed_kmh
    notes.insert(
        0,
        f"Travel is assumed: {driving.turnout_minutes:g} minutes to get going, then {driving.speed_kmh:g} km/h over "
        f"{driving.detour:g} times the distance between the middles of areas.",
    )
    return Ways(minutes, places.work, driving.variation, notes=notes)


def _apart_km(places: Places) -> tuple[Floats, list[str]]:
    """Give km between places as the crow flies, and within each; what is not known is as it usually is."""
    known: Flags = np.asarray(np.isfinite(places.degrees).all(axis=1))
    if not known.any():
        raise BadData("No area has a known place, so that nobody can tell how far units travel. Give areas boundaries.")
    km = np.full((len(known), len(known)), np.nan)
    xy = Plane.amid(places.degrees[known]).flatten(places.degrees[known]) / 1000
    km[np.ix_(known, known)] = np.linalg.norm(xy[:, None] - xy[None, :], axis=2)
    size = np.where(np.isfinite(places.km2), places.km2, _median(places.km2))
    np.fill_diagonal(km, WITHIN * np.sqrt(size))
    lost = np.flatnonzero(~known)
    notes = []
    if len(lost):
        usual = _median(km[~np.eye(len(km), dtype=bool)])
        km[np.isnan(km)] = usual
        notes.append(
            f"{count_of(len(lost), 'area')} {'has' if len(lost) == 1 else 'have'} no known place "
            f"({_named(places, lost)}): a way of {usual:.1f} km is taken, as between any two."
        )
    return km, notes


def _median(values: Floats) -> float:
    there = values[np.isfinite(values)]
    return float(np.median(there)) if len(there) else 0.0


def _named(places: Places, which: Integers) -> str:
    more = ", …" if len(which) > _TOLD else ""
    return ", ".join(str(places.ids[each]) for each in which[:_TOLD]) + more


# ---- over streets ----


class StreetProperties(NamedTuple):
    """Names of a street file's properties: minutes, or speed in a unit, and the direction of one-way streets."""

    minutes: str | None = None
    speed: str | None = None
    speed_unit: Literal["km/h", "mph"] = "km/h"
    one_way: str | None = None


@dataclass(frozen=True)
class Streets:
    """Segments of streets, from one end to the other, joined where their ends meet.

    `lines` are in degrees, `ends` (segments × 2) the numbers of the points that they join, `minutes` those from end to
    end, `along` and `against` whether they may be driven as they are drawn, and the other way.
    """

    lines: NDArray[Any]
    ends: Integers
    points: Floats  # longitude and latitude
    minutes: Floats
    along: Flags
    against: Flags
    notes: list[str]


def read_streets(
    collection: dict[str, Any],
    where: str,
    named: StreetProperties = StreetProperties(),  # noqa: B008
    driving: Driving = Driving(),  # noqa: B008
) -> Streets:
    """Read segments from a GeoJSON FeatureCollection of lines in degrees.

    Minutes come from the property for them, or else from that for speed; a segment with neither, or with none above
    nought, is driven at the speed of `driving`, and it is told how many are. One-way streets are those whose property
    says yes, true or 1 (as drawn) or -1 or reverse (the other way), as OpenStreetMap writes it; all others go both
    ways. Raises BadData where there is no line, or no feature has a property that is named.
    """
    import shapely

    shapes, rows = _lines_of(collection, where)
    missing = [
        name
        for name in (named.minutes, named.speed, named.one_way)
        if name is not None and not any(name in row for row in rows)
    ]
    if missing:
        there = sorted({key for row in rows for key in row})
        raise BadData(
            f"No street of {where} has the property '{missing[0]}', which [staffing.travel] in force.toml names. Its "
            f"properties are {', '.join(there) or 'none at all'}."
        )
    lines, of = shapely.get_parts(shapes, return_index=True)
    degrees = np.stack([shapely.get_coordinates(shapely.get_point(lines, end)) for end in (0, -1)], axis=1)
    km = shapely.length(Plane.amid(degrees.reshape(-1, 2)).flatten_shape(lines)) / 1000
    whole = np.bincount(of, km, len(rows))
    unit = _KM_IN_A_MILE if named.speed_unit == "mph" else 1.0
    minutes = _numbers(rows, named.minutes)[of] * km / np.maximum(whole[of], 1e-9)
    speed = _numbers(rows, named.speed)[of] * unit
    minutes = np.where(minutes > 0, minutes, np.where(speed > 0, 60 * km / np.where(speed > 0, speed, 1.0), np.nan))
    unsaid = np.isnan(minutes)
    # A segment of no length still leads somewhere.
    minutes = np.maximum(np.where(unsaid, 60 * km / driving.speed_kmh, minutes), 1e-9)
    direction = [str(row.get(named.one_way, "")).strip().lower() if named.one_way else "" for row in rows]
    along = np.array([each not in _AGAINST for each in direction])[of]
    against = np.array([each not in _ALONG for each in direction])[of]
    points, number = np.unique(np.round(degrees.reshape(-1, 2), _DIGITS), axis=0, return_inverse=True)
    notes = []
    if unsaid.any() and not unsaid.all():
        notes.append(
            f"{count_of(int(unsaid.sum()), 'street')} of {len(lines):,} say neither minutes nor a speed: "
            f"{driving.speed_kmh:g} km/h is taken there."
        )
    return Streets(lines, number.reshape(-1, 2).astype(np.int64), points, minutes, along, against, notes)


def _lines_of(collection: dict[str, Any], where: str) -> tuple[NDArray[Any], list[dict[str, Any]]]:
    import json

    import shapely

    features = [each for each in collection.get("features") or [] if isinstance(each, dict)]
    try:
        shapes = shapely.from_geojson([json.dumps(each.get("geometry")) for each in features], on_invalid="raise")
    except shapely.GEOSException as error:
        raise BadData(f"{where} has a geometry that can't be read: {error}. GeoJSON lines were expected.") from None
    is_line = np.isin(shapely.get_type_id(shapes), (1, 5)) & ~shapely.is_empty(shapes)
    if not is_line.any():
        raise BadData(f"{where} has no lines: a GeoJSON FeatureCollection of segments of streets was expected.")
    if np.abs(shapely.get_coordinates(shapes[is_line])).max() > 360:
        raise BadData(f"{where} is not in longitude and latitude. Export it as GeoJSON (RFC 7946), which always is.")
    rows = [features[each].get("properties") or {} for each in np.flatnonzero(is_line)]
    return shapes[is_line], rows


def _numbers(rows: Sequence[dict[str, Any]], name: str | None) -> Floats:
    def number(value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError):
            return np.nan

    return np.array([number(row.get(name)) if name else np.nan for row in rows], dtype=np.float64)


def by_streets(places: Places, streets: Streets, driving: Driving = Driving()) -> Ways:  # noqa: B008
    """Give the quickest ways over streets, from the point of a street nearest to each middle (Dijkstra 1959).

    Units drive on the largest part of the streets in which every point can be reached from every other. From a middle
    to the street and back they drive as by distance; where two are both farther than `FAR_METRES` from it (an island,
    an edge that the file leaves out), they may go straight instead if that is quicker. Raises BadData where no place
    has a middle, UsageError where SciPy is not installed.
    """
    km, notes = _apart_km(places)
    straight = 60 * driving.detour * km / driving.speed_kmh
    inside, parts = _connected(streets)
    known = np.flatnonzero(np.isfinite(places.degrees).all(axis=1))
    chosen = np.flatnonzero(inside)
    street, share, off_metres = _snap(places.degrees[known], streets, chosen)
    minutes = _over_streets(streets, street, share)
    access = 60 * driving.detour * off_metres / 1000 / driving.speed_kmh
    minutes += access[:, None] + access[None, :]
    far = off_metres > FAR_METRES
    both = far[:, None] & far[None, :]
    here = np.ix_(known, known)
    minutes[both] = np.minimum(minutes, straight[here])[both]
    found = straight.copy()
    found[here] = minutes
    np.fill_diagonal(found, straight.diagonal())
    told = [
        f"Travel is over {count_of(len(streets.lines), 'street segment')}, by the quickest way at the speeds that they "
        f"state, without a stop, after {driving.turnout_minutes:g} minutes to get going; within an area at "
        f"{driving.speed_kmh:g} km/h over {driving.detour:g} times the distance.",
        *streets.notes,
    ]
    if not inside.all():
        told.append(
            f"The streets are in {count_of(parts, 'part')} between which no unit can drive both ways; the largest has "
            f"{inside.mean():.1%} of the segments, and areas are reached from it."
        )
    if far.any():
        told.append(
            f"{count_of(int(far.sum()), 'area')} {'is' if far.sum() == 1 else 'are'} farther than "
            f"{FAR_METRES / 1000:g} km from the nearest street that can be reached ({_named(places, known[far])}): the "
            f"way there is straight, at {driving.speed_kmh:g} km/h over {driving.detour:g} times the distance."
        )
    return Ways(driving.turnout_minutes + found, places.work, driving.variation, notes=[*told, *notes])


def _edges(streets: Streets) -> tuple[Integers, Integers, Floats]:
    """Give from, to and minutes of each way that may be driven; of several between two points the quickest."""
    start, end = streets.ends.T
    of = np.concatenate([start[streets.along], end[streets.against]])
    to = np.concatenate([end[streets.along], start[streets.against]])
    minutes = np.concatenate([streets.minutes[streets.along], streets.minutes[streets.against]])
    order = np.lexsort((minutes, to, of))
    of, to, minutes = of[order], to[order], minutes[order]
    first = np.append(True, (of[1:] != of[:-1]) | (to[1:] != to[:-1]))
    return of[first], to[first], minutes[first]


def _graph(streets: Streets) -> Any:
    sparse = extensions.optional("scipy.sparse", "solve", "Finding ways over streets")
    of, to, minutes = _edges(streets)
    return sparse.csr_matrix((minutes, (of, to)), shape=(len(streets.points),) * 2)


def _connected(streets: Streets) -> tuple[Flags, int]:
    """Say which segments lie in the largest part that can be driven around in, and how many parts there are."""
    csgraph = extensions.optional("scipy.sparse.csgraph", "solve", "Finding ways over streets")
    parts, part = csgraph.connected_components(_graph(streets), directed=True, connection="strong")
    start, end = part[streets.ends].T
    within = start == end
    size = np.bincount(start[within], streets.minutes[within], parts)
    return within & (start == np.argmax(size)), int(parts)


def _snap(degrees: Floats, streets: Streets, chosen: Integers) -> tuple[Integers, Floats, Floats]:
    """Give for each middle the nearest of the chosen segments, the share of it that lies before, and metres to it."""
    import shapely

    plane = Plane.amid(degrees)
    lines, middles = plane.flatten_shape(streets.lines[chosen]), shapely.points(plane.flatten(degrees))
    nearest = shapely.STRtree(lines).nearest(middles)
    share = shapely.line_locate_point(lines[nearest], middles, normalized=True)
    return chosen[nearest], share, shapely.distance(lines[nearest], middles)


def _over_streets(streets: Streets, street: Integers, share: Floats) -> Floats:
    """Give the quickest minutes between points, each a share of the way along a segment."""
    csgraph = extensions.optional("scipy.sparse.csgraph", "solve", "Finding ways over streets")
    ends = streets.ends[street]
    nodes, at = np.unique(ends, return_inverse=True)
    at = at.reshape(ends.shape)
    between = csgraph.dijkstra(_graph(streets), indices=nodes)[:, nodes]
    whole, along, against = streets.minutes[street], streets.along[street], streets.against[street]
    before, after = share * whole, (1 - share) * whole
    # From a point to the start and the end of its segment, and from them to it; at an end there is no way to go.
    out = np.stack([np.where(against, before, np.inf), np.where(along, after, np.inf)], axis=1)
    into = np.stack([np.where(along, before, np.inf), np.where(against, after, np.inf)], axis=1)
    for each in (out, into):
        each[share <= 0, 0] = each[share >= 1, 1] = 0.0
    found = np.full((len(street), len(street)), np.inf)
    for leaves in (0, 1):
        for comes in (0, 1):
            way = out[:, leaves, None] + between[np.ix_(at[:, leaves], at[:, comes])] + into[None, :, comes]
            found = np.minimum(found, way)
    ahead = before[None, :] - before[:, None]
    is_same = street[:, None] == street[None, :]
    found = np.where(is_same & along[:, None] & (ahead >= 0), np.minimum(found, ahead), found)
    return np.where(is_same & against[:, None] & (ahead <= 0), np.minimum(found, -ahead), found)


# ---- as recorded ----


def by_records(places: Places, journeys: pl.DataFrame, driving: Driving = Driving()) -> Ways:  # noqa: B008
    """Fit ways to recorded journeys: `from_area` (null where not known), `to_area`, `grade`, local `hour`, `minutes`.

    Where enough tell where they began: first minutes to get going and minutes a km, by least squares weighted by the
    inverse square of what is expected (McCullagh & Nelder 1989, constant coefficient of variation). Then effects on the
    logarithm: of grade, area, hour, and of a district to an area, each drawn towards the distance model by how little
    its journeys tell (Morris 1983, Parametric empirical Bayes inference). What they leave is the variation, taken as
    log-normal. Where too few tell, a way to an area takes what ways to it took, whoever goes, and an area with few
    journeys is like the distances in its district.

    With fewer than `FEWEST_JOURNEYS` the distance model is given, and said so. Raises BadData where there is no middle
    of a place for it.
    """
    number = {name: each for each, name in enumerate(places.ids)}
    rows = journeys.select(
        "grade", "hour", "minutes",
        of=pl.col("from_area").replace_strict(number, default=None, return_dtype=pl.Int64),
        to=pl.col("to_area").replace_strict(number, default=None, return_dtype=pl.Int64),
    ).drop_nulls(["to", "minutes", "hour"]).filter(pl.col("minutes") > 0)  # fmt: skip
    long = rows.filter(pl.col("minutes") > LONGEST_MINUTES).height
    rows = rows.filter(pl.col("minutes") <= LONGEST_MINUTES).with_columns(
        pl.col("minutes").clip(lower_bound=SHORTEST_MINUTES)
    )
    if rows.height < FEWEST_JOURNEYS:
        ways = by_distance(places, driving)
        few = f"Only {count_of(rows.height, 'journey')} with a time and a place were recorded, too few to learn from."
        return replace(ways, notes=[few, *ways.notes])
    if np.isfinite(places.degrees).all(axis=1).any():
        km, notes = _apart_km(places)
    else:
        km, notes = np.ones((len(places.ids), len(places.ids))), []
        rows = rows.with_columns(of=pl.lit(None, dtype=pl.Int64))
    district = np.unique([str(each) for each in places.districts], return_inverse=True)[1]
    rows, told, log = _told_origins(rows, km, district, driving)
    rest = np.log(rows["minutes"].to_numpy()) - log[rows["of"].to_numpy(), rows["to"].to_numpy()]
    level = float(rest.mean())
    rows = rows.with_columns(rest=pl.Series(rest - level), district=pl.Series(district[rows["of"].to_numpy()]))
    effects = []
    for by in (["grade"], ["to"], ["hour"], ["district", "to"]):
        found = shrink(rows, by)
        rows = rows.join(found, on=by, how="left").with_columns(pl.col("rest") - pl.col("effect").fill_null(0.0))
        rows = rows.drop("effect")
        effects.append({row[:-1]: float(row[-1]) for row in found.iter_rows()})
    of_grade, of_area, of_hour, of_pair = effects
    log = log + level
    for (to,), each in of_area.items():
        log[:, to] += each
    for (of, to), each in of_pair.items():
        log[district == of, to] += each
    spread = float(rows["rest"].var() or 0.0)  # type: ignore[arg-type]
    varies = float(np.sqrt(np.expm1(spread)))
    told.append(f"A journey varies by {varies:.0%} about what area, hour and grade say (coefficient of variation).")
    if long:
        told.append(f"{count_of(long, 'journey')} longer than {LONGEST_MINUTES / 60:g} hours are taken for mistakes.")
    return Ways(
        np.exp(log + spread / 2),
        places.work,
        varies,
        np.exp([of_hour.get((hour,), 0.0) for hour in range(24)]),
        {str(grade): float(np.exp(each)) for (grade,), each in of_grade.items()},
        [*told, *notes],
    )


def _told_origins(
    rows: pl.DataFrame, km: Floats, district: Integers, driving: Driving
) -> tuple[pl.DataFrame, list[str], Floats]:
    """Give the journeys that are learnt from, what is said of them, and logarithms of minutes before they are."""
    known = rows.drop_nulls("of")
    if known.height >= FEWEST_JOURNEYS:
        driven = _fit_driving(known, km, driving)
        pace = 60 * driven.detour / driven.speed_kmh
        said = (
            f"Travel is as {count_of(known.height, 'recorded journey')} had it: {driven.turnout_minutes:.1f} minutes "
            f"to get going and {pace:.2f} a kilometre in a straight line, then by grade, area, district and hour as "
            "far as there are journeys to tell."
        )
        unknown = rows.height - known.height
        told = [said, f"{unknown:,} others do not tell where they began, and are left out."] if unknown else [said]
        return known, told, np.log(np.maximum(driven.turnout_minutes + pace * km, SHORTEST_MINUTES))
    log = np.log(driving.turnout_minutes + 60 * driving.detour * km / driving.speed_kmh)
    same = district[:, None] == district[None, :]
    usual = np.where(same, log, 0.0).sum(axis=0) / same.sum(axis=0)
    said = (
        f"Travel is as {count_of(rows.height, 'recorded journey')} to each area had it, by grade and hour, whoever "
        "goes: too few of them tell where they began, so that a nearer unit is no quicker here."
    )
    return rows.with_columns(of=pl.col("to")), [said], np.broadcast_to(usual, km.shape).copy()


def _fit_driving(rows: pl.DataFrame, km: Floats, driving: Driving) -> Driving:
    """Fit minutes to get going and speed to journeys that tell where they began."""
    far, minutes = km[rows["of"].to_numpy(), rows["to"].to_numpy()], rows["minutes"].to_numpy()
    start, pace = driving.turnout_minutes, 60 * driving.detour / driving.speed_kmh
    for _ in range(10):
        weight = 1 / np.maximum(start + pace * far, SHORTEST_MINUTES)
        table = np.stack([weight, weight * far], axis=1)
        (start, pace), *_ = np.linalg.lstsq(table, weight * minutes, rcond=None)
        if start < 0:
            start, pace = 0.0, float((weight**2 * far * minutes).sum() / (weight**2 * far**2).sum())
        if not pace > 0:
            # Distance tells nothing: records of a force where whoever is near goes at once.
            start, pace = float(np.average(minutes, weights=weight**2)), 1e-3
    return driving._replace(turnout_minutes=float(start), speed_kmh=float(60 * driving.detour / pace))


def shrink(rows: pl.DataFrame, by: str | list[str]) -> pl.DataFrame:
    """Give the mean `rest` of each group as `effect`, drawn towards nil by how little it tells (method of moments)."""
    means = rows.group_by(by, maintain_order=True).agg(mean=pl.col("rest").mean(), count=pl.len())
    if rows.height < 2:
        return means.select(by, effect=pl.lit(0.0)).clear()
    within = float(rows["rest"].var() or 0.0)  # type: ignore[arg-type]
    weight = means["count"] / means["count"].sum()
    between = max(float((weight * means["mean"] ** 2).sum()) - within * means.height / rows.height, 0.0)
    return means.select(by, effect=pl.col("mean") * between / (between + within / pl.col("count") + 1e-12))
