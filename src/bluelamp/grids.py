"""The ground of a force in cells: hexagons, its own areas, or segments of its streets.

Places of risk are ranked cell by cell, so a cell must be a place that somebody can go to, and it must be said how large
it is: a share of offences that were caught means nothing without the share of the ground that was watched. Distances
are measured on the plane that touches the earth in the middle of the force (azimuthal equidistant), so that a force may
lie anywhere, on the antimeridian too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import h3
import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from bluelamp.errors import BadData, BadSettings, count_of
from bluelamp.plane import Plane

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Coarser hexagons are no place to go to, and finer ones are addresses.
RESOLUTIONS = range(7, 12)
# A hexagon of which little lies in the force is ranked as if it were this much of one: a sliver is no place of its own.
_LEAST_SHARE = 0.25
# A point as near to a hexagon's centre, in steps from centre to centre, lies in it or at its edge.
_TOUCHING = 0.65
# A point counts on a street that is no farther from it than this.
_STREET_METRES = 60.0
OUTSIDE = -1


@dataclass(frozen=True)
class Grid:
    """Cells of ground, in the order of their codes: one value a cell in every array."""

    kind: str  # hexagon, area or street
    cell_ids: tuple[str, ...]
    size: Floats  # km² of ground; of streets, km of length
    centres: Floats  # cells × 2: longitude, latitude (WGS 84)
    area_ids: tuple[str | None, ...]  # the force's area that the centre lies in
    names: tuple[str | None, ...]
    plane: Plane
    outlines: tuple[BaseGeometry, ...] | None = field(default=None, repr=False)  # in degrees; hexagons make theirs
    least_size: float = 0.0  # smaller cells are ranked as if they were this large

    def __len__(self) -> int:
        return len(self.cell_ids)

    @property
    def unit(self) -> str:
        """The unit of sizes: km2 or km."""
        return "km" if self.kind == "street" else "km2"

    @property
    def ranked_size(self) -> Floats:
        """Sizes that risk is divided by to rank cells."""
        found: Floats = np.maximum(self.size, self.least_size)
        return found

    @cached_property
    def metres(self) -> Floats:
        """Centres on the plane, cells × 2."""
        return self.plane.flatten(self.centres)

    @cached_property
    def step(self) -> float:
        """Metres from a cell's centre to the nearest other, for the median cell; nil where there is one cell."""
        if len(self) < 2:
            return 0.0
        points = shapely.points(self.metres)
        _, distance = shapely.STRtree(points).query_nearest(
            points, exclusive=True, all_matches=False, return_distance=True
        )
        return float(np.median(distance))

    def near(self, metres: float) -> Neighbours:
        """Give all pairs of different cells whose centres are no farther apart than so many metres."""
        points = shapely.points(self.metres)
        of, other = shapely.STRtree(points).query(points, predicate="dwithin", distance=metres)
        there = of != other
        order = np.lexsort((other[there], of[there]))
        of, other = of[there][order].astype(np.int64), other[there][order].astype(np.int64)
        apart = np.hypot(*(self.metres[of] - self.metres[other]).T)
        return Neighbours(len(self), of, other, apart)

    def outline(self, cell: int) -> BaseGeometry:
        """Give a cell's shape in longitude and latitude, cut at the antimeridian where it lies on both sides."""
        if self.outlines is not None:
            return self.outlines[cell]
        return outline_hexagon(self.cell_ids[cell])

    def find(self, longitude: pl.Series, latitude: pl.Series, area_id: pl.Series | None = None) -> Integers:
        """Say which cell each point lies in, row by row; `OUTSIDE` where it lies in none or is not known.

        Cells that are areas go by `area_id`.
        """
        if self.kind == "area":
            assert area_id is not None
            number = dict(zip(self.cell_ids, range(len(self)), strict=True))
            return area_id.replace_strict(number, default=OUTSIDE, return_dtype=pl.Int64).to_numpy()
        points = pl.DataFrame({"longitude": longitude, "latitude": latitude})
        there = points.drop_nulls().filter(pl.col("longitude").is_finite(), pl.col("latitude").is_finite()).unique()
        if there.is_empty():
            return np.full(points.height, OUTSIDE, dtype=np.int64)
        found = self._find_hexagons(there) if self.kind == "hexagon" else self._find_streets(there)
        return (
            points.join(there.with_columns(cell=found), on=["longitude", "latitude"], how="left", maintain_order="left")
            .get_column("cell")
            .fill_null(OUTSIDE)
            .to_numpy()
        )

    def _find_hexagons(self, points: pl.DataFrame) -> pl.Series:
        number = dict(zip(self.cell_ids, range(len(self)), strict=True))
        resolution = h3.get_resolution(self.cell_ids[0])
        of = h3.latlng_to_cell
        found = np.array(
            [number.get(of(latitude, longitude, resolution), OUTSIDE) for longitude, latitude in points.iter_rows()],
            dtype=np.int64,
        )
        # A point on the border itself may lie in a hexagon of which nothing else is in the force: the next one has it.
        missing = np.flatnonzero(found == OUTSIDE)
        flat = self.plane.flatten(points[missing].to_numpy())
        is_near = np.isfinite(flat).all(axis=1)
        missing, flat = missing[is_near], flat[is_near]
        if len(missing):
            tree = shapely.STRtree(shapely.points(self.metres))
            at, cell = tree.query_nearest(
                shapely.points(flat), max_distance=max(_TOUCHING * self.step, 1.0), all_matches=False
            )
            found[missing[at]] = cell
        return pl.Series(found)

    def _find_streets(self, points: pl.DataFrame) -> pl.Series:
        assert self.outlines is not None
        tree = shapely.STRtree(self.plane.flatten_shape(np.array(self.outlines, dtype=object)))
        places = shapely.points(self.plane.flatten(points.to_numpy()))
        point, cell = tree.query_nearest(places, max_distance=_STREET_METRES)
        # Of streets equally near, as at a crossing, the first by code.
        pairs = pl.DataFrame({"point": point, "cell": cell}).group_by("point").agg(pl.col("cell").min())
        found = np.full(points.height, OUTSIDE, dtype=np.int64)
        found[pairs["point"].to_numpy()] = pairs["cell"].to_numpy()
        return pl.Series(found)


@dataclass(frozen=True)
class Neighbours:
    """Pairs of cells, each in both directions, sorted by `of`."""

    cells: int
    of: Integers
    other: Integers
    metres: Floats

    def between(self, least: float, most: float) -> Neighbours:
        """Keep pairs that are more than `least` and at most `most` metres apart."""
        kept = (self.metres > least) & (self.metres <= most)
        return Neighbours(self.cells, self.of[kept], self.other[kept], self.metres[kept])

    def gather(self, weights: Floats, values: Floats) -> Floats:
        """Add up, for each cell, weight × value of its neighbours; `values` may have columns (cells × columns)."""
        flat = values.reshape(self.cells, -1)
        sums = [np.bincount(self.of, weights * column[self.other], minlength=self.cells) for column in flat.T]
        found: Floats = np.stack(sums, axis=1).astype(np.float64).reshape(values.shape)
        return found

    def gather_at(self, weights: Floats, values: Floats, cells: Integers) -> Floats:
        """Give the rows of some cells of what `gather` gives, working out no other; `values` has columns."""
        first = np.searchsorted(self.of, cells)
        number = np.searchsorted(self.of, cells, side="right") - first
        begins = np.cumsum(number) - number
        pairs = np.arange(number.sum()) + np.repeat(first - begins, number)
        row = np.repeat(np.arange(len(cells)), number)
        products = weights[pairs, None] * values[self.other[pairs]]
        sums = [np.bincount(row, column, minlength=len(cells)) for column in products.T]
        found: Floats = np.stack(sums, axis=1).astype(np.float64)
        return found

    def mean(self, values: Floats) -> Floats:
        """Give, for each cell, its neighbours' mean value; nil where it has none."""
        number = np.bincount(self.of, minlength=self.cells)
        return self.gather((1 / np.maximum(number, 1))[self.of], values)


def lay_hexagons(areas: pl.DataFrame, resolution: int) -> Grid:
    """Cover the areas in force, rows of table `areas` with boundaries, with H3 hexagons of one resolution.

    A hexagon on the border counts with the part of it that lies in the force.

    Raises BadSettings for a resolution that is none of `RESOLUTIONS`, BadData where no area has a boundary.
    """
    if resolution not in RESOLUTIONS:
        raise BadSettings(
            f"Hexagons of resolution {resolution} are no use here: {RESOLUTIONS.start} (5 km²) to "
            f"{RESOLUTIONS.stop - 1} (0.002 km²) was expected, 9 (0.1 km²) is usual."
        )
    drawn = _drawn(areas)
    shapes = shapely.from_geojson(drawn["boundary"].to_numpy())
    plane = Plane.amid(shapely.get_coordinates(shapes))
    edge = h3.average_hexagon_edge_length(resolution, unit="m")
    codes: set[str] = set()
    of = h3.latlng_to_cell
    for shape in shapely.get_parts(shapes):
        codes.update(h3.geo_to_cells(shape, resolution))
        fine = shapely.segmentize(shape.boundary, edge / 2 / 111_320)
        codes.update(of(latitude, longitude, resolution) for longitude, latitude in shapely.get_coordinates(fine))
    cells = sorted(codes)
    flat = plane.flatten_shape(shapes)
    corners = [h3.cell_to_boundary(cell) for cell in cells]
    flat_corners = plane.flatten(np.array([corner for ring in corners for corner in ring])[:, ::-1])
    of_ring = np.repeat(np.arange(len(cells)), [len(ring) for ring in corners])
    hexagons = shapely.polygons(shapely.linearrings(flat_corners, indices=of_ring))
    tree = shapely.STRtree(flat)
    whole = np.array([h3.cell_area(cell, unit="km^2") for cell in cells])
    inside = np.zeros(len(cells), dtype=np.bool_)
    hexagon, _ = tree.query(hexagons, predicate="covered_by")
    inside[hexagon] = True
    share = np.ones(len(cells))
    # Areas of one force do not overlap, so that parts in several add up.
    hexagon, area = tree.query(hexagons[~inside], predicate="intersects")
    parts = shapely.area(shapely.intersection(hexagons[~inside][hexagon], flat[area]))
    share[~inside] = np.bincount(hexagon, parts, minlength=int((~inside).sum())) / shapely.area(hexagons[~inside])
    kept = share > 1e-9
    cells = [cell for cell, is_kept in zip(cells, kept, strict=True) if is_kept]
    centres = np.array([h3.cell_to_latlng(cell) for cell in cells])[:, ::-1]
    size = whole[kept] * share[kept].clip(0.0, 1.0)
    return Grid(
        "hexagon",
        tuple(cells),
        size,
        centres,
        _areas_at(plane.flatten(centres), tree, drawn),
        (None,) * len(cells),
        plane,
        least_size=_LEAST_SHARE * float(whole.mean()),
    )


def take_areas(areas: pl.DataFrame) -> Grid:
    """Take the force's own areas in force, rows of table `areas`, as cells.

    Raises BadData where no area has a boundary.
    """
    drawn = _drawn(areas)
    shapes = shapely.from_geojson(drawn["boundary"].to_numpy())
    centres = shapely.get_coordinates(shapely.point_on_surface(shapes))
    codes = tuple(drawn["area_id"])
    plane = Plane.amid(shapely.get_coordinates(shapes))
    size = shapely.area(plane.flatten_shape(shapes)) / 1e6
    given = drawn["area_km2"].fill_null(0).to_numpy()
    return Grid(
        "area", codes, np.where(given > 0, given, size), centres, codes, tuple(drawn["area_name"]), plane, tuple(shapes)
    )


def take_streets(streets: Mapping[str, Any], areas: pl.DataFrame, id_property: str | None = None) -> Grid:
    """Take the segments of a GeoJSON collection of lines as cells: each is as long as it is, and has no width.

    A segment's code is its property `id_property`, or else its number in the file.

    Raises BadData where a line can't be read, or none lies in the force.
    """
    drawn = _drawn(areas)
    shapes = shapely.from_geojson(drawn["boundary"].to_numpy())
    plane = Plane.amid(shapely.get_coordinates(shapes))
    lines: dict[str, tuple[str | None, BaseGeometry]] = {}
    broken = []
    for number, feature in enumerate(streets.get("features", [])):
        if not isinstance(feature, Mapping):
            broken.append(f"features[{number}] is no object")
            continue
        found, about = feature.get("geometry") or {}, feature.get("properties") or {}
        if not isinstance(found, Mapping) or not isinstance(about, Mapping):
            broken.append(f"features[{number}]: geometry and properties are to be objects")
            continue
        if found.get("type") not in ("LineString", "MultiLineString"):
            continue
        code = about.get(id_property) if id_property else None
        try:
            lines[str(code if code is not None else number)] = (about.get("name"), shapely.geometry.shape(found))
        except (AttributeError, KeyError, TypeError, ValueError, shapely.errors.ShapelyError):
            broken.append(f"features[{number}]: its coordinates are no line; pairs of longitude and latitude are")
    if broken:
        more = [f"and {len(broken) - 20:,} more"] if len(broken) > 20 else []
        raise BadData(
            f"{count_of(len(broken), 'feature')} of the streets can't be read. Mend the GeoJSON, or leave them out:",
            [*broken[:20], *more],
        )
    codes = sorted(lines)
    outlines = np.array([lines[code][1] for code in codes], dtype=object)
    flat = plane.flatten_shape(outlines)
    middles = shapely.line_interpolate_point(shapely.line_merge(flat), 0.5, normalized=True)
    tree = shapely.STRtree(plane.flatten_shape(shapes))
    at = shapely.get_coordinates(shapely.centroid(middles))
    where = _areas_at(at, tree, drawn) if codes else ()
    kept = [number for number, area in enumerate(where) if area is not None and shapely.length(flat[number]) > 0]
    if not kept:
        raise BadData(
            f"None of the {count_of(len(codes), 'street segment')} lies in the force. A GeoJSON collection of lines in "
            "longitude and latitude (WGS 84) was expected: check the file and its coordinates."
        )
    back = plane.unflatten(at)
    return Grid(
        "street",
        tuple(codes[number] for number in kept),
        shapely.length(flat[kept]) / 1000,
        back[kept],
        tuple(where[number] for number in kept),
        tuple(lines[codes[number]][0] for number in kept),
        plane,
        tuple(outlines[kept]),
    )


def say_outside(grid: Grid, longitude: pl.Series, latitude: pl.Series, cell: Integers) -> list[str]:
    """Say how many points lie in no cell, and whether longitude and latitude look exchanged."""
    known = (longitude.is_not_null() & latitude.is_not_null()).to_numpy()
    outside = known & (cell == OUTSIDE)
    if grid.kind == "area" or not outside.any():
        return []
    number, whole = int(outside.sum()), int(known.sum())
    places = grid.metres
    reach = np.hypot(*places.T).max() + 10 * grid.step + 1000
    turned = grid.plane.flatten(
        np.column_stack([latitude.to_numpy()[outside], longitude.to_numpy()[outside]]).clip(-180, 180)
    )
    swapped = int((np.hypot(*turned.T) <= reach).sum())
    notes = [
        f"{count_of(number, 'point')} of {whole:,} {'lies' if number == 1 else 'lie'} "
        f"{'outside the force' if grid.kind == 'hexagon' else 'on none of its streets'} and "
        f"{'is' if number == 1 else 'are'} left out here."
    ]
    if swapped > number / 2:
        notes.append(
            f"{swapped:,} of them would lie in the force with longitude and latitude exchanged: check the column map."
        )
    return notes


def _drawn(areas: pl.DataFrame) -> pl.DataFrame:
    drawn = areas.filter((pl.col("level") == "area") & pl.col("boundary").is_not_null()).sort("area_id")
    if drawn.is_empty():
        raise BadData(
            "No area of the force has a boundary, so that there is no ground to lay cells on. Import 'areas', or set "
            "from_points = true under [areas] in force.toml where incidents have points and name their area."
        )
    return drawn


def _areas_at(metres: Floats, tree: shapely.STRtree, drawn: pl.DataFrame) -> tuple[str | None, ...]:
    """Say which area each point lies in, or is nearest to where a hexagon's centre lies just outside."""
    codes = drawn["area_id"]
    point, area = tree.query_nearest(shapely.points(metres), max_distance=5_000.0)
    found: list[str | None] = [None] * len(metres)
    for at, code in zip(point[::-1].tolist(), codes.gather(area[::-1]), strict=True):
        found[at] = code
    return tuple(found)


def outline_hexagon(cell: str) -> BaseGeometry:
    """Give a hexagon's shape by its code, in longitude and latitude, cut at the antimeridian where it lies across."""
    ring = np.array(h3.cell_to_boundary(cell))[:, ::-1]
    if np.ptp(ring[:, 0]) < 180:
        return shapely.Polygon(ring)
    ring[:, 0] %= 360
    whole = shapely.Polygon(ring)
    west = shapely.intersection(whole, shapely.box(0, -90, 180, 90))
    east = shapely.transform(
        shapely.intersection(whole, shapely.box(180, -90, 360, 90)), lambda xy: xy - np.array([360.0, 0.0])
    )
    return shapely.MultiPolygon([west, east])
