"""Where time zones are: the place that the tz database names for each, to guess a zone from points and the reverse."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from importlib.resources import files


@lru_cache(maxsize=1)
def _places() -> dict[str, tuple[float, float]]:
    """Read the tz database's own table: zone and (longitude, latitude) of its chief place."""
    found = {}
    for line in (files("tzdata") / "zoneinfo" / "zone1970.tab").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            _, place, name = line.split("\t")[:3]
            latitude, longitude = re.findall(r"[+-]\d+", place)
            found[name] = (_degrees(longitude, 3), _degrees(latitude, 2))
    return found


def _degrees(text: str, whole: int) -> float:
    sign = -1 if text[0] == "-" else 1
    figures = text[1:]
    minutes = int(figures[whole : whole + 2]) + int(figures[whole + 2 :] or 0) / 60
    return sign * (int(figures[:whole]) + minutes / 60)


def place_of(time_zone: str) -> tuple[float, float] | None:
    """Give the chief place of a time zone, (longitude, latitude); null for zones that name none, such as UTC."""
    return _places().get(time_zone)


def zones_near(longitude: float, latitude: float, most: int = 3) -> list[str]:
    """List the time zones whose chief places are nearest to a point, nearest first.

    >>> zones_near(-122.23, 37.79)[0], zones_near(-0.9, 52.2)[0]
    ('America/Los_Angeles', 'Europe/London')
    """
    return sorted(_places(), key=lambda name: (degrees_between((longitude, latitude), _places()[name]), name))[:most]


def degrees_between(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Give the angle between two points on the globe, in degrees."""
    (east_one, north_one), (east_other, north_other) = [
        [math.radians(each) for each in point] for point in (one, other)
    ]
    cosine = math.sin(north_one) * math.sin(north_other) + math.cos(north_one) * math.cos(north_other) * math.cos(
        east_one - east_other
    )
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
