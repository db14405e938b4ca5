"""The plane that touches the earth in the middle of a force: degrees become metres, and distances on it are true.

It is the azimuthal equidistant projection: within 100 km of the middle, distances are right to 4 parts in 100,000. The
middle is found on the globe, so that a force may lie anywhere, on both sides of the date line too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pyproj import Transformer

# Points farther than this from the middle of the others belong to no force: no plane is true to them all.
FARTHEST_METRES = 300_000.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """The plane that touches the earth at one point (degrees), in metres east and north of it."""

    longitude: float
    latitude: float

    @classmethod
    def amid(cls, degrees: Floats) -> Plane:
        """Give the plane that touches the earth amid points (longitude, latitude; one or more).

        That is their median on the globe, which a few wild ones do not move.
        """
        longitude, latitude = np.radians(degrees).T
        globe = np.stack(
            [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=1
        )
        middle = np.median(globe, axis=0)
        if np.linalg.norm(middle) < 1e-6:  # points spread around the globe have no middle
            middle = globe[0]
        east, north = np.arctan2(middle[1], middle[0]), np.arcsin(middle[2] / np.linalg.norm(middle))
        return cls(float(np.degrees(east)), float(np.degrees(north)))

    def flatten(self, degrees: Floats) -> Floats:
        """Give longitudes and latitudes (n × 2) in metres; not a number where a point belongs to no force here."""
        xy = np.stack(self._onto.transform(degrees[:, 0], degrees[:, 1], errcheck=False), axis=1)
        near = np.isfinite(xy).all(axis=1)
        near[near] = np.hypot(*xy[near].T) <= FARTHEST_METRES
        found: Floats = np.where(near[:, None], xy, np.nan)
        return found

    def flatten_shape(self, shape: Any) -> Any:
        """Give a shape, or an array of them, in degrees in metres."""
        import shapely

        return shapely.transform(shape, lambda xy: np.stack(self._onto.transform(xy[:, 0], xy[:, 1]), axis=1))

    def unflatten(self, metres: Floats) -> Floats:
        """Give points in metres (n × 2) in longitude and latitude."""
        found: Floats = np.stack(self._onto.transform(metres[:, 0], metres[:, 1], direction="INVERSE"), axis=1)
        return found

    @cached_property
    def _onto(self) -> Transformer:
        from pyproj import Transformer

        about = f"+proj=aeqd +lat_0={self.latitude:.9f} +lon_0={self.longitude:.9f} +datum=WGS84 +units=m"
        return Transformer.from_crs("OGC:CRS84", about, always_xy=True)
