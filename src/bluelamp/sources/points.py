"""Points as feeds give them, put right by rule: swapped ones turned, impossible ones emptied, metres made degrees."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from bluelamp.geography import to_degrees
from bluelamp.sources.rules import Repairs
from bluelamp.sources.time_zones import degrees_between, place_of

FAR_DEGREES = 5.0
NEAR_DEGREES = 1.5
_FEWEST_FOR_A_MIDDLE = 10
_ANOTHER_CONTINENT_DEGREES = 25.0


@dataclass
class PointRules:
    """The rules for one extract's points; the middle of its first ones tells which are swapped.

    A pair is swapped when it is not on earth, or lies more than 5° from the middle, and turned round lies within 1.5°
    of it. A middle that turned round lies near the time zone's chief place, and as it is on another continent, says
    that the whole file is swapped.
    """

    crs: str | None
    time_zone: str
    middle: tuple[float, float] | None = None

    def apply(
        self, longitude: pl.Series, latitude: pl.Series, *, is_written: pl.Series, repairs: Repairs
    ) -> pl.DataFrame:
        """Give `longitude` and `latitude` in WGS 84, null where there is no point or none to believe.

        `is_written` says where the file had either value, so that what can't be read is told from what is missing.
        """
        repairs.note("point_missing", ~is_written)
        points = pl.DataFrame({"x": longitude, "y": latitude})
        half = (
            is_written
            & points.select(~(pl.col("x").is_finite() & pl.col("y").is_finite()).fill_null(False)).to_series()
        )
        zero = _true(points, (pl.col("x") == 0) & (pl.col("y") == 0))
        repairs.add("point_unreadable", half)
        repairs.add("point_at_zero", zero)
        points = points.with_columns(pl.when(half | zero).then(None).otherwise(pl.all()).name.keep())
        if self.crs is not None:
            points = pl.DataFrame(
                dict(zip("xy", to_degrees(points["x"].to_numpy(), points["y"].to_numpy(), self.crs), strict=True))
            ).fill_nan(None)
        fits = _true(points, (pl.col("x").abs() <= 180) & (pl.col("y").abs() <= 90))
        fits_turned = _true(points, (pl.col("y").abs() <= 180) & (pl.col("x").abs() <= 90))
        swapped = ~fits & fits_turned
        if self.middle is None:
            self.middle = self._middle_of(points, swapped)
        if self.middle is not None:
            away = _true(points, _distance(pl.col("x"), pl.col("y"), self.middle) > FAR_DEGREES)
            near_turned = _true(points, _distance(pl.col("y"), pl.col("x"), self.middle) < NEAR_DEGREES)
            swapped = fits_turned & near_turned & (away | ~fits)
            repairs.note("point_far_away", fits & away & ~swapped)
        outside = points["x"].is_not_null() & ~fits & ~swapped
        repairs.add("point_swapped", swapped)
        repairs.add("point_out_of_range", outside)
        x, y = pl.col("x"), pl.col("y")
        return points.select(
            longitude=pl.when(outside).then(None).when(swapped).then(y).otherwise(x),
            latitude=pl.when(outside).then(None).when(swapped).then(x).otherwise(y),
        )

    def _middle_of(self, points: pl.DataFrame, swapped: pl.Series) -> tuple[float, float] | None:
        """The median point, those that are surely swapped put right; null where there are too few to tell."""
        right = points.select(
            x=pl.when(swapped).then(pl.col("y")).otherwise(pl.col("x")),
            y=pl.when(swapped).then(pl.col("x")).otherwise(pl.col("y")),
        ).drop_nulls()
        if right.height < _FEWEST_FOR_A_MIDDLE:
            return None
        x, y = (float(right[name].median()) for name in ("x", "y"))  # type: ignore[arg-type]
        home = place_of(self.time_zone)
        if home is not None and abs(x) <= 90:
            as_is, turned = degrees_between((x, y), home), degrees_between((y, x), home)
            if turned < _ANOTHER_CONTINENT_DEGREES < as_is:
                return y, x
        return x, y


def _true(points: pl.DataFrame, holds: pl.Expr) -> pl.Series:
    return points.select(holds.fill_null(value=False)).to_series()


def _distance(x: pl.Expr, y: pl.Expr, middle: tuple[float, float]) -> pl.Expr:
    return pl.max_horizontal((x - middle[0]).abs(), (y - middle[1]).abs())
