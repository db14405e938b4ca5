"""Degrees to metres: right wherever the force is, and points that belong to no force are told apart."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from bluelamp.plane import Plane


def flatten(degrees: np.ndarray) -> np.ndarray:
    return Plane.amid(degrees).flatten(degrees)


@pytest.mark.parametrize("middle", [(-2.58, 51.45), (179.9995, -16.5), (-122.2, 37.8), (0.0, 0.0), (25.0, 78.2)])
def test_a_hundred_metres_are_a_hundred_metres_wherever_the_force_is(middle):
    from pyproj import Geod

    east = (np.array(Geod(ellps="WGS84").fwd(*middle, 90, 100)[:2]) + 180) % 360 - 180
    north = Geod(ellps="WGS84").fwd(*middle, 0, 100)[:2]
    east[1] = Geod(ellps="WGS84").fwd(*middle, 90, 100)[1]
    xy = flatten(np.array([middle, east, north]))
    assert np.hypot(*(xy[1] - xy[0])) == pytest.approx(100, abs=0.001)
    assert np.hypot(*(xy[2] - xy[0])) == pytest.approx(100, abs=0.001)


def test_points_that_belong_to_no_force_are_not_laid_on_its_plane():
    here = [(-2.58 + 0.001 * k, 51.45) for k in range(9)]
    xy = flatten(np.array([*here, (51.45, -2.58), (0.0, 0.0), (-2.58, -51.45), (177.4, -51.5)]))
    assert np.isfinite(xy).all(axis=1).tolist() == [True] * 9 + [False] * 4


def test_points_spread_around_the_globe_have_no_middle_and_do_no_harm():
    xy = flatten(np.array([(0.0, 0.0), (180.0, 0.0)]))
    assert np.isfinite(xy).all(axis=1).tolist() == [True, False]


def test_a_shape_lies_where_its_points_do():
    plane = Plane(179.9995, -16.5)
    square = shapely.box(179.999, -16.501, 180.0, -16.499)
    corners = np.array(square.exterior.coords)
    assert np.allclose(np.array(plane.flatten_shape(square).exterior.coords), plane.flatten(corners))
