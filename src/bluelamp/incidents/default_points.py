"""Default points: where logs are put whose own place nobody wrote down, such as a police station or a caller's home.

What can be told, and how surely:

1. The force lists its own points: everything there is at a default point.
2. A place has been somewhere else before. Where a feed has a token of the place, the point that most of a token's logs
   have is its usual one; a log of it somewhere else has been put there by default. A point at which ten or more logs
   belong elsewhere, and at least as many as belong there, is a default point, and so is every log there whose place
   does not usually lie there.
3. A point whose logs name ten or more areas, or one that holds more than a hundredth of all logs, half as many as an
   area does on the average, and of most classes: it may be a station, and may as well be a hospital or a shopping
   street. It is named, and nothing is moved.

What can't be told: a caller's home that was written down as the place, where no token of the place says otherwise; and,
without tokens, which of the logs at a busy point belong there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from bluelamp.errors import count_of
from bluelamp.geography import METRES_IN_A_DEGREE
from bluelamp.settings import DefaultPointPart

POINT = ["longitude", "latitude"]
# Nearer than this, two points of one place are the same place: a gate and a door, a corner and the next.
_AWAY_METRES = 200.0
_LEAST_AWAY = 10
_MANY_AREAS, _LEAST_OF_OTHER_AREAS = 10, 20
_LARGE_SHARE, _SHARE_OF_AN_AREA, _LEAST_LARGE = 0.01, 0.5, 50
_MOST_NAMED = 5
_OWN_WORK = ("officer_initiated", "directed", "administrative")


@dataclass(frozen=True)
class Found:
    """Which logs lie where they do not belong, row by row, and the points that only look like it.

    `rows` has `at_default_point`, and `usual_longitude` and `usual_latitude` where the log's place usually lies
    somewhere else. `points` are the default points: `name` (null where the force does not list it), `longitude`,
    `latitude`, `area_id` (that most of its logs name) and `logs`. `suspected` names points that may be such, in words.
    """

    rows: pl.DataFrame
    points: pl.DataFrame
    suspected: list[str]

    def notes(self) -> list[str]:
        """Name the default points that were found, and those that may be such."""
        notes = []
        listed = [f"{each['name']} ({each['logs']:,})" for each in self.points.drop_nulls("name").iter_rows(named=True)]
        if listed:
            notes.append(f"Incidents at default points that the force lists: {', '.join(listed)}.")
        found = [_place(each, each["logs"]) for each in self.points.filter(pl.col("name").is_null()).to_dicts()]
        if found:
            more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
            notes.append(
                f"Default points told by many incidents whose place usually lies elsewhere: "
                f"{', '.join(found[:_MOST_NAMED])}{more}. List them under [[areas.default_points]], with their names."
            )
        if self.suspected:
            notes.append(
                f"May be default points, or busy places: {'; '.join(self.suspected)}. Nothing was moved; list those "
                "that are default points under [[areas.default_points]]."
            )
        return notes


def find_default_points(incidents: pl.DataFrame, listed: Sequence[DefaultPointPart] = ()) -> Found:
    """Find the logs at default points. `incidents` needs point, place token, area, class and origin."""
    rows = incidents.select(*POINT, "place_token", "area_id", "class_code", "origin").with_row_index("row")
    located = rows.filter(pl.all_horizontal(pl.col(POINT).is_not_null()))
    at_listed = _at_listed(located, listed)
    elsewhere = located.join(at_listed, on="row", how="anti")
    usual = _usual_points(elsewhere)
    belong = elsewhere.join(usual, on="place_token").filter(_metres_apart() <= _AWAY_METRES)
    at_found = (
        elsewhere.join(_points_of_places_elsewhere(elsewhere, usual), on=POINT)
        .join(belong, on="row", how="anti")
        .select("row", point="found")
    )
    at_default = pl.concat([at_listed, at_found.with_columns(pl.col("point") + len(listed))])
    # A place's usual point is asked for again, because a default point is nobody's.
    others = located.join(at_default, on="row", how="anti")
    away = (
        located.join(_usual_points(others), on="place_token")
        .filter(_metres_apart() > _AWAY_METRES)
        .select("row", "usual_longitude", "usual_latitude")
    )
    told = (
        rows.select("row", at_default_point=pl.col("row").is_in(at_default["row"].implode()))
        .join(away, on="row", how="left", maintain_order="left")
        .drop("row")
    )
    names = pl.DataFrame(
        {"point": range(len(listed)), "name": [each.name for each in listed]},
        schema={"point": pl.Int64, "name": pl.String},
    )
    points = (
        at_default.join(located, on="row")
        .group_by("point")
        .agg(pl.col(POINT).mode().sort().first(), _commonest("area_id"), logs=pl.len())
        .join(names, on="point", how="full", coalesce=True)
        .sort("point")
        .select("name", *POINT, "area_id", pl.col("logs").fill_null(0))
    )
    return Found(told, points, _suspected(others.filter(~pl.col("origin").is_in(_OWN_WORK))))


def _at_listed(located: pl.DataFrame, listed: Sequence[DefaultPointPart]) -> pl.DataFrame:
    """Give the logs at points that the force lists: `row`, and the `point` by its number in the list."""
    x, y = pl.col("longitude"), pl.col("latitude")
    # Coordinates come rounded to five decimals or so: a metre is no distance.
    near = [
        located.filter(
            _metres(x, y, pl.lit(each.longitude), pl.lit(each.latitude)) <= max(each.radius_metres, 1.0)
        ).select("row", point=pl.lit(number, pl.Int64))
        for number, each in enumerate(listed)
    ]
    nothing = located.select("row", point=pl.lit(0, pl.Int64)).clear()
    return pl.concat([nothing, *near]).unique("row", keep="first", maintain_order=True)


def _commonest(name: str) -> pl.Expr:
    return pl.col(name).drop_nulls().mode().sort().first()


def _usual_points(located: pl.DataFrame) -> pl.DataFrame:
    """Give the point that most logs of a place have, two or more of them: `place_token` and the point."""
    return (
        located.drop_nulls("place_token")
        .group_by("place_token", *POINT)
        .agg(logs=pl.len())
        .filter(pl.col("logs") >= 2, 2 * pl.col("logs") > pl.col("logs").sum().over("place_token"))
        .select("place_token", usual_longitude="longitude", usual_latitude="latitude")
    )


def _points_of_places_elsewhere(located: pl.DataFrame, usual: pl.DataFrame) -> pl.DataFrame:
    """Number the points at which many logs belong elsewhere and few belong: `longitude`, `latitude`, `found`."""
    return (
        located.join(usual, on="place_token")
        .with_columns(is_away=_metres_apart() > _AWAY_METRES)
        .group_by(POINT)
        .agg(away=pl.col("is_away").sum(), here=(~pl.col("is_away")).sum())
        .filter(pl.col("away") >= _LEAST_AWAY, pl.col("away") >= pl.col("here"))
        .sort("away", *POINT, descending=[True, False, False])
        .select(*POINT, found=pl.int_range(pl.len()))
    )


def _suspected(located: pl.DataFrame) -> list[str]:
    """Say which points look like default points, without being surely such; the busiest first."""
    if located.is_empty():
        return []
    points = located.group_by(POINT).agg(
        _commonest("area_id"),
        logs=pl.len(),
        classes=pl.col("class_code").n_unique(),
        areas=pl.col("area_id").drop_nulls().n_unique(),
        own=pl.col("area_id").drop_nulls().unique_counts().max().fill_null(0),
        named=pl.col("area_id").count(),
    )
    of_area = located.height / max(located["area_id"].drop_nulls().n_unique(), 1)
    names_many = (pl.col("areas") >= _MANY_AREAS) & (pl.col("named") - pl.col("own") >= _LEAST_OF_OTHER_AREAS)
    is_large = (pl.col("logs") >= max(_LARGE_SHARE * located.height, _SHARE_OF_AN_AREA * of_area, _LEAST_LARGE)) & (
        3 * pl.col("classes") >= 2 * located["class_code"].n_unique()
    )
    shown = points.filter(names_many | is_large).sort("logs", *POINT, descending=[True, False, False]).head(_MOST_NAMED)
    return [
        _place(
            each,
            f"{count_of(each['logs'], 'incident')}, {each['logs'] / located.height:.1%}, of "
            f"{count_of(each['classes'], 'class', 'classes')}"
            + (f", which name {each['areas']} areas" if each["areas"] > 1 else ""),
        )
        for each in shown.iter_rows(named=True)
    ]


def _place(point: dict[str, Any], more: object) -> str:
    """Say where a point is: to three decimals, which are a street and not a door, because it may be somebody's home."""
    where = f"{point['latitude']:.3f} {point['longitude']:.3f}"
    return where + (f" in '{point['area_id']}'" if point["area_id"] else "") + f" ({more})"


def _metres_apart() -> pl.Expr:
    return _metres(*(pl.col(name) for name in (*POINT, "usual_longitude", "usual_latitude")))


def _metres(x: pl.Expr, y: pl.Expr, other_x: pl.Expr, other_y: pl.Expr) -> pl.Expr:
    """Give the metres between two points, near enough for distances within a force."""
    east = (x - other_x) * other_y.radians().cos()
    return (east**2 + (y - other_y) ** 2).sqrt() * METRES_IN_A_DEGREE
