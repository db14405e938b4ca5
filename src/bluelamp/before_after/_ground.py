"""The ground of each part, cut so that nothing counts twice, and which part each event lies in.

The treated place comes first, then its ring, then what is left of the control, then the ring about that. Places are
named as areas of the force or drawn in files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from bluelamp import boundaries, geography, incidents
from bluelamp.before_after._parts import PARTS, WORDS
from bluelamp.errors import UsageError, count_of, did_you_mean
from bluelamp.occurrences import Occurrences
from bluelamp.plane import Plane

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# Ground that two places share by the slip of a pen is less than this share of the smaller one.
_OVERLAP = 0.01

Words = Sequence[str]


@dataclass(frozen=True)
class Ground:
    """Which part each row lies in, and how large each part is."""

    parts: pl.Series
    known: tuple[str, ...]
    square_km: dict[str, float]
    notes: list[str]

    @classmethod
    def of(
        cls, of: Occurrences, treated: Words, control: Words, ring_metres: float | None, ring_control: Words, day: date
    ) -> Ground:
        """Settle which ground is treated, which stands beside it, and what its rings are."""
        areas = of.areas
        now = geography.areas_on(areas, day) if areas.height else areas
        files = [word for word in (*treated, *control, *ring_control) if _is_file(word)]
        _insist_on_places([*treated, *control, *ring_control], of, now, day)
        has_drawn = now["boundary"].is_not_null().any()
        if not files and ring_metres is None:
            return cls._by_name(of, areas, now, treated, control, day)
        if not has_drawn and len(files) < len([*treated, *control, *ring_control]):
            raise UsageError(
                "The areas have no boundaries, so that no ring can be drawn about them and no file laid over them. "
                "Import boundaries, or give every place as a file."
            )
        return cls._by_point(of, now, treated, control, ring_metres, ring_control)

    @classmethod
    def _by_name(
        cls, of: Occurrences, areas: pl.DataFrame, now: pl.DataFrame, treated: Words, control: Words, day: date
    ) -> Ground:
        """Go by the area that each counts in, so that those without a point count too."""
        both = sorted(set(_lowest(now, treated)) & set(_lowest(now, control)))
        if both:
            raise UsageError(f"Treated and control share areas: {', '.join(both)}. A control is a place left alone.")
        area = of.rows["area_id"]
        if areas.height:
            logs = of.rows.with_columns(
                incident_id="occurrence_id",
                received_at="at",
                place_token=pl.lit(None, pl.String),
                origin=pl.lit("public"),
            )
            area = incidents.place_incidents(
                logs, areas, day, of.settings.force.time_zone, border_metres=of.settings.areas.border_metres
            ).incidents["area_id"]
        part_of = dict.fromkeys(_lowest(now, treated), "treated") | dict.fromkeys(_lowest(now, control), "control")
        sizes = {
            part: float(now.filter(pl.col("area_id").is_in(_lowest(now, words)))["area_km2"].sum())
            for part, words in (("treated", treated), ("control", control))
        }
        parts = area.replace_strict(part_of, default=None, return_dtype=pl.String)
        return cls(parts, PARTS[:2], {part: size for part, size in sizes.items() if size}, [])

    @classmethod
    def _by_point(
        cls, of: Occurrences, now: pl.DataFrame, treated: Words, control: Words, ring_metres: float | None,
        ring_control: Words,
    ) -> Ground:  # fmt: skip
        import shapely

        notes: list[str] = []
        shapes = [_shape_of(words, now, notes) for words in (treated, control, ring_control)]
        plane = Plane.amid(shapely.get_coordinates(shapes[0]))
        place, other, other_ring = (plane.flatten_shape(each) for each in shapes)
        common = shapely.area(shapely.intersection(place, other))
        if common > _OVERLAP * min(shapely.area(place), shapely.area(other)):
            raise UsageError(
                f"Treated place and control share {common / 1e6:,.3f} km² of ground. A control is a place left alone: "
                "take what both share out of one of them."
            )
        cut = {"treated": place}
        if ring_metres is not None:
            cut["ring"] = shapely.difference(shapely.buffer(place, ring_metres), place)
            rest = shapely.union(place, cut["ring"])
            cut["control"] = shapely.difference(other, rest)
            if shapely.area(cut["control"]) < (1 - _OVERLAP) * shapely.area(other):
                lost = 1 - shapely.area(cut["control"]) / shapely.area(other)
                notes.append(f"{lost:.0%} of the control lies in the ring about the treated place, and counts there.")
            around = other_ring if ring_control else shapely.buffer(other, ring_metres)
            cut["ring_control"] = shapely.difference(around, shapely.union(rest, other))
        else:
            cut["control"] = shapely.difference(other, place)
        empty = [part for part in PARTS if part in cut and cut[part].is_empty]
        if empty:
            raise UsageError(
                f"Nothing is left of the {' and the '.join(WORDS[each] for each in empty)} once the "
                "treated place and its ring are taken out. Choose a narrower ring, or a control farther away."
            )
        parts, without_point = _lie_in(of.rows, cut, plane)
        if without_point:
            share = without_point / of.rows.height
            notes.append(f"{count_of(without_point, of.noun)} ({share:.1%}) without a point count nowhere.")
        known = tuple(part for part in PARTS if part in cut)
        return cls(parts, known, {part: shapely.area(cut[part]) / 1e6 for part in known}, notes)

    def sizes(self, by_size: bool) -> dict[str, float]:
        """Give what the counts of each part are divided by: 1, or how many times as large as its place a control is."""
        if not by_size:
            return dict.fromkeys(PARTS, 1.0)
        if any(part not in self.square_km for part in self.known):
            raise UsageError("The size of a place is not known, because its areas have no boundaries. Leave sizes out.")
        found = {part: self.square_km.get(part, 1.0) for part in PARTS}
        return {
            "treated": 1.0, "control": found["control"] / found["treated"],
            "ring": 1.0, "ring_control": found["ring_control"] / found["ring"],
        }  # fmt: skip


def _is_file(word: str) -> bool:
    return boundaries.is_one(word)


def _insist_on_places(words: Words, of: Occurrences, now: pl.DataFrame, day: date) -> None:
    known = now["area_id"].to_list() if now.height else of.rows["area_id"].drop_nulls().unique().sort().to_list()
    problems = [
        f"'{word}' is neither an area in force on {day} nor a file of boundaries.{did_you_mean(word, known)}"
        for word in words
        if not _is_file(word) and word not in known
    ]
    if problems:
        raise UsageError("These places are not known:", problems)


def _lowest(now: pl.DataFrame, words: Words) -> list[str]:
    """Give the areas of lowest level that ids stand for: a district is all of its areas."""
    if now.is_empty():
        return list(words)
    lowest = now.filter(pl.col("level") == "area")
    inside = pl.col("area_id").is_in(list(words)) | pl.col("parent_id").is_in(list(words))
    return lowest.filter(inside)["area_id"].to_list()


def _shape_of(words: Words, now: pl.DataFrame, notes: list[str]) -> BaseGeometry:
    import shapely

    centre = now.select(pl.col("centre_longitude", "centre_latitude").mean()).row(0)
    near = None if None in centre else (float(centre[0]), float(centre[1]))
    shapes = []
    for word in words:
        if _is_file(word):
            ground, more = geography.read_ground(word, near)
            shapes.append(ground)
            notes += more
    drawn = now.filter(pl.col("area_id").is_in([word for word in words if not _is_file(word)]))["boundary"].drop_nulls()
    shapes += list(shapely.from_geojson(drawn.to_numpy())) if drawn.len() else []
    return shapely.union_all(shapes)


def _lie_in(rows: pl.DataFrame, cut: Mapping[str, BaseGeometry], plane: Plane) -> tuple[pl.Series, int]:
    """Say which part each row lies in, the first of those that hold it, and how many rows have no point."""
    import shapely

    degrees = rows.select(pl.col("longitude", "latitude").fill_null(float("nan"))).to_numpy()
    xy = plane.flatten(degrees)
    found = np.full(rows.height, "", dtype="<U12")
    for part, shape in cut.items():
        shapely.prepare(shape)
        found[(found == "") & shapely.intersects_xy(shape, xy[:, 0], xy[:, 1])] = part
    parts = pl.Series("part", found.tolist(), dtype=pl.String).replace({"": None})
    return parts, int((~np.isfinite(degrees).all(axis=1)).sum())
