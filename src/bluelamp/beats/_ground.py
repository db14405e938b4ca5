"""The areas as they lie, and what divisions of them are like: how compact, and how far their work is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import districting
from bluelamp.districting import Touching
from bluelamp.plane import Plane

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Ground:
    """The areas as they lie, to measure divisions of them by."""

    load: Floats
    touching: Touching
    shapes: Sequence[Any] | None
    points: Floats | None
    minutes: Floats | None
    ids: Sequence[str]

    def border_km(self, district: Integers) -> float | None:
        """Give the length of all borders between districts; none where no boundaries are known."""
        if self.shapes is None:
            return None
        a, b = self.touching.pairs.T
        return float(np.nansum(self.touching.metres[district[a] != district[b]])) / 1000

    def describe(self, plan: str, district: Integers, names: Sequence[str]) -> pl.DataFrame:
        """Give a row of `beat_loads` a district, without what moves."""
        balance = districting.balance_of(self.load, district, len(names))
        parts = self.touching.parts(district=district)
        kilometres = None
        if self.points is not None:
            kilometres = np.linalg.norm(self.points[:, None] - self.points[None, :], axis=2) / 1000
        rows = []
        for each, name in enumerate(names):
            inside = np.flatnonzero(district == each)
            by = self.minutes if self.minutes is not None else kilometres
            centre = None if by is None else self._centre(by, inside)
            rows.append(
                {
                    "plan": plan, "beat_id": name, "areas": len(inside),
                    "pieces": len(np.unique(parts[inside])), "load": float(balance.loads[each]),
                    "deviation": float(balance.deviations[each]), "compactness": self._compactness(inside),
                    "centre_id": None if centre is None else self.ids[centre],
                    "distance_km": self._mean(kilometres, centre, inside),
                    "travel_minutes": self._mean(self.minutes, centre, inside),
                }
            )  # fmt: skip
        return pl.DataFrame(
            rows,
            schema_overrides={"centre_id": pl.String}
            | dict.fromkeys(("compactness", "distance_km", "travel_minutes"), pl.Float64),
        )

    def _weights(self, inside: Integers) -> Floats:
        held = self.load[inside]
        return held / held.sum() if held.sum() > 0 else np.full(len(inside), 1 / len(inside))

    def _centre(self, by: Floats, inside: Integers) -> int | None:
        means = by[np.ix_(inside, inside)] @ self._weights(inside)
        return None if np.isnan(means).all() else int(inside[np.nanargmin(means)])

    def _mean(self, by: Floats | None, centre: int | None, inside: Integers) -> float | None:
        if by is None or centre is None:
            return None
        found = float(by[centre, inside] @ self._weights(inside))
        return None if np.isnan(found) else found

    @cached_property
    def _drawn(self) -> Any:
        import shapely

        shapes = np.array(self.shapes, dtype=object)
        flat = Plane.amid(shapely.get_coordinates(shapely.centroid(shapes))).flatten_shape(shapes)
        # Slivers between beats that were drawn a little apart are no perimeter.
        return shapely.buffer(flat, districting.NEARLY_METRES / 2, join_style="mitre")

    def _compactness(self, inside: Integers) -> float | None:
        import shapely

        if self.shapes is None:
            return None
        whole = shapely.union_all(self._drawn[inside])
        return float(min(1.0, 4 * np.pi * shapely.area(whole) / shapely.length(whole) ** 2))
