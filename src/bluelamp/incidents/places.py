"""The area that each incident counts in, and the rule that says so: every one is placed or counted without a place.

The rules, in the order in which they are asked (`place_rule`):

- `given`: the area that the log names, in force and as it was then.
- `usual_place`: the log lies elsewhere than its place usually does; the area is that of the usual point.
- `default_point`: the log is put at a default point (a station); shared out over the areas of that point's district.
- `point`: the area that the point lies in.
- `border`: the point lies outside every area and near one, which it goes to.
- `redrawn_point`: the area that the log names has been redrawn since; the point says where it lies now.
- `redrawn_share`: the same without a usable point; shared out as its neighbours that have one are.
- `outside`: the point lies outside every area, and no area of the force is named.
- `strange_area`: an area is named that the force does not have, and there is no point.
- `unknown`: neither area nor point, or nothing to share it out by.

The last three count in no area. An area that a log names is believed but for two cases: it is that in which a wrong
point lies, for then it was read off that point; or the area has been redrawn. Whatever is shared out goes whole to one
area, by a sequence that is the same every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from bluelamp import geography
from bluelamp.errors import count_of
from bluelamp.incidents.default_points import Found, find_default_points
from bluelamp.settings import DefaultPointPart

# What each rule is called in a report: "1,204 (3.1%) …".
WORDS = {
    "given": "count in the area that they name",
    "usual_place": "lie elsewhere than their place usually does, and count where that is",
    "default_point": "are put at a default point, and are shared out over its district",
    "point": "count in the area that their point lies in",
    "border": "lie outside every area, and count in the nearest",
    "redrawn_point": "name an area redrawn since, and count where their point lies now",
    "redrawn_share": "name an area redrawn since, have no usable point, and are shared out over the areas it became",
    "outside": "lie outside the force, and count in no area",
    "strange_area": "name an area that the force does not have, and count in none",
    "unknown": "have no place to go by, and count in no area",
}
NOWHERE = ("outside", "strange_area", "unknown")
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Placed:
    """Incidents with the area that each counts in and its `place_rule`, and the default points found on the way."""

    incidents: pl.DataFrame
    found: Found

    @property
    def counts(self) -> dict[str, int]:
        """Incidents by rule, in the order of the rules; rules that placed none are left out."""
        found = dict(self.incidents.group_by("place_rule").len().iter_rows())
        return {rule: found[rule] for rule in WORDS if rule in found}

    def notes(self) -> list[str]:
        """Say what a reader of the figures should know; nothing where every log names its own area, or no place."""
        total = self.incidents.height
        by_rule = {rule: number for rule, number in self.counts.items() if rule not in ("given", "unknown")}
        if not by_rule:
            return self.found.notes()
        listed = "; ".join(f"{number:,} ({_share(number, total)}) {WORDS[rule]}" for rule, number in by_rule.items())
        return [f"Of {count_of(total, 'incident')}, {listed}.", *self.found.notes()]


def place_incidents(
    incidents: pl.DataFrame,
    areas: pl.DataFrame,
    day: date,
    time_zone: str,
    *,
    default_points: Sequence[DefaultPointPart] = (),
    border_metres: float = 200.0,
) -> Placed:
    """Say in which of the areas in force on a local day each incident counts, whatever they were when it came in.

    `areas` may hold rows that have ended or not begun; `default_points` are those that the force lists. Gives the
    incidents in their order with `area_id` as it counts, null for none, and `place_rule`. A point that is not the
    incident's own is the usual one of its place, or empty.
    """
    now = geography.areas_on(areas, day).filter(pl.col("level") == "area")
    found = find_default_points(incidents, default_points)
    rows = pl.concat(
        [incidents.select("incident_id", "received_at", "area_id", "class_code", "longitude", "latitude"), found.rows],
        how="horizontal",
    ).with_row_index("row")
    rows = _with_named_row(rows, areas, now, time_zone)
    is_wrong = pl.col("at_default_point") | pl.col("usual_longitude").is_not_null()
    # Points are asked about only where they have a say, because that is what takes time.
    asked = rows.filter(~pl.col("stands") | is_wrong)
    lies_in = geography.assign_areas(asked.drop("day"), now)
    asked = asked.select(
        "row",
        lies_in=lies_in,
        lay_in=geography.assign_areas(asked, areas),
        lies_near=_or_nearest(lies_in, asked, now, border_metres),
        usually_in=geography.nearest_areas(_at_usual(asked), now, border_metres),
    )
    rows = rows.join(asked, on="row", how="left", maintain_order="left")
    is_default, has_usual = pl.col("at_default_point"), pl.col("usually_in").is_not_null()
    is_of_point = (pl.col("area_id") == pl.col("lay_in")) | (pl.col("area_id") == pl.col("lies_near"))
    read_off = (is_default | has_usual) & is_of_point.fill_null(value=False)
    is_redrawn = pl.col("named").is_not_null() & ~pl.col("stands") & ~read_off
    has_point = pl.col("longitude").is_not_null() & pl.col("latitude").is_not_null()
    rows = rows.with_columns(
        place_rule=pl.when(pl.col("stands") & ~read_off).then(pl.lit("given"))
        .when(has_usual).then(pl.lit("usual_place"))
        .when(is_default & ~is_redrawn).then(pl.lit("default_point"))
        .when(is_redrawn & ~is_default & pl.col("lies_near").is_not_null()).then(pl.lit("redrawn_point"))
        .when(is_redrawn).then(pl.lit("redrawn_share"))
        .when(pl.col("lies_in").is_not_null()).then(pl.lit("point"))
        .when(pl.col("lies_near").is_not_null()).then(pl.lit("border"))
        .when(has_point).then(pl.lit("outside"))
        .when(pl.col("area_id").is_not_null()).then(pl.lit("strange_area"))
        .otherwise(pl.lit("unknown"))
    )  # fmt: skip
    rule = pl.col("place_rule")
    rows = rows.with_columns(
        counts_in=pl.when(rule == "given").then("area_id").when(rule == "usual_place").then("usually_in")
        .when(rule.is_in(["redrawn_point", "point", "border"])).then("lies_near")
    )  # fmt: skip
    dealt = pl.concat([_deal_defaults(rows, now), _deal_redrawn(rows, areas, now)])
    rows = rows.join(dealt, on="row", how="left", maintain_order="left").with_columns(
        counts_in=pl.coalesce("counts_in", "dealt")
    )
    # What could be shared out over nothing has no place.
    lost = pl.col("counts_in").is_null() & ~rule.is_in(NOWHERE)
    rows = rows.with_columns(place_rule=pl.when(lost).then(pl.lit("unknown")).otherwise(rule))
    point = rows.select(
        pl.when(has_usual).then(f"usual_{name}").when(~is_default).then(name).alias(name)
        for name in ("longitude", "latitude")
    )
    placed = incidents.with_columns(
        point["longitude"], point["latitude"], area_id=rows["counts_in"], place_rule=rows["place_rule"]
    )
    return Placed(placed, found)


def _with_named_row(rows: pl.DataFrame, areas: pl.DataFrame, now: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    """Add the row of `areas` that the named area was when the log came in (`named`), and whether it is so still.

    An area that held on another day than that is the row nearest to it in time.
    """
    today = now.select("area_id", now_boundary="boundary", now_from="valid_from")
    lowest = (
        areas.filter(pl.col("level") == "area")
        .sort("area_id", "valid_from", nulls_last=False)
        .join(today, on="area_id", how="left", maintain_order="left")
        .select(
            "area_id",
            first=pl.col("valid_from").fill_null(date.min),
            named=pl.int_range(pl.len()),
            stands=pl.col("area_id").is_in(today["area_id"].implode())
            & (
                pl.col("valid_from").eq_missing(pl.col("now_from"))
                | pl.col("boundary").eq_missing(pl.col("now_boundary"))
            ),
        )
    )  # fmt: skip
    dated = rows.with_columns(day=pl.col("received_at").dt.convert_time_zone(time_zone).dt.date())
    latest = dated.sort("day").join_asof(
        lowest.sort("first"), left_on="day", right_on="first", by="area_id", strategy="backward", check_sortedness=False
    )
    earliest = lowest.unique("area_id", keep="first", maintain_order=True)
    return (
        latest.sort("row")
        .join(earliest.select("area_id", early="named", early_stands="stands"), on="area_id", how="left")
        .sort("row")
        .with_columns(
            named=pl.coalesce("named", "early"),
            # A log from before its area began may name the area that it lies in today.
            stands=pl.coalesce("stands", "early_stands").fill_null(value=False),
        )
        .drop("early", "early_stands", "first")
    )


def _at_usual(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(longitude="usual_longitude", latitude="usual_latitude")


def _or_nearest(lies_in: pl.Series, points: pl.DataFrame, now: pl.DataFrame, border_metres: float) -> pl.Series:
    """Give the area that each point lies in or, outside every one, the nearest within the border's width."""
    outside = points.select(pl.when(lies_in.is_null()).then(pl.col("longitude", "latitude")))
    return lies_in.fill_null(geography.nearest_areas(outside, now, border_metres))


def _deal_defaults(rows: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Share out logs at default points over the areas of the point's district, as logs of their class lie there."""
    wanting = rows.filter(pl.col("place_rule") == "default_point")
    district = now.select("area_id", district=pl.col("parent_id").fill_null(""))
    wanting = wanting.join(district.rename({"area_id": "lies_near"}), on="lies_near", how="left", maintain_order="left")
    known = rows.drop_nulls("counts_in").join(district, left_on="counts_in", right_on="area_id")
    by_class = known.group_by("district", "class_code", area_id="counts_in").agg(weight=pl.len())
    of_all = known.group_by("district", area_id="counts_in").agg(weight=pl.len())
    of_force = known.group_by(area_id="counts_in").agg(weight=pl.len())
    return _deal(
        wanting.select("row", "incident_id", "district", "class_code"),
        "district",
        [(["district", "class_code"], by_class), (["district"], of_all), ([], of_force)],
    )


def _deal_redrawn(rows: pl.DataFrame, areas: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Share out logs of areas redrawn since that have no point: as those of the same area that have one lie now, or by
    the ground that the areas of today have of it.
    """
    wanting = rows.filter(pl.col("place_rule") == "redrawn_share").select("row", "incident_id", "named")
    by_point = (
        rows.filter(pl.col("place_rule") == "redrawn_point")
        .group_by("named", area_id="counts_in")
        .agg(weight=pl.len())
    )  # fmt: skip
    if wanting.join(by_point, on="named", how="anti").is_empty():
        by_ground = by_point.clear()
    else:
        lowest = areas.filter(pl.col("level") == "area").sort("area_id", "valid_from", nulls_last=False)
        old = lowest.with_row_index("named").filter(pl.col("named").is_in(wanting["named"].implode()))
        by_ground = geography.common_ground(old.with_columns(code="named"), now).select(
            pl.col("code").cast(by_point.schema["named"]).alias("named"), "area_id",
            weight=(pl.col("common_km2") * 1e6).round().cast(by_point.schema["weight"]),
        )  # fmt: skip
    return _deal(wanting, "named", [(["named"], by_point), (["named"], by_ground)])


def _deal(wanting: pl.DataFrame, of: str, ways: Sequence[tuple[list[str], pl.DataFrame]]) -> pl.DataFrame:
    """Give each of `wanting` one area (`row`, `dealt`), in proportion to the first weights that know its key.

    In the order of their numbers, the incidents of a district (or a redrawn area) take the steps of the golden ratio
    around a circle on which each area has its share. So the parts come out as the shares say, evenly through time, for
    every class and size alike, and the same whenever it is done.
    """
    step = (pl.col("incident_id").rank("ordinal").over(of).cast(pl.Float64) - 0.5) * _GOLDEN % 1.0
    left = wanting.with_columns(at=step.fill_null(0.5))
    done = []
    for key, weights in ways:
        key_or_all = key or ["all"]
        circle = (
            weights.with_columns(all=pl.lit(0))
            .filter(pl.col("weight") > 0)
            .sort(*key_or_all, "area_id")
            .with_columns(upto=pl.col("weight").cum_sum().over(key_or_all) / pl.col("weight").sum().over(key_or_all))
            .sort("upto")
        )
        dealt = left.with_columns(all=pl.lit(0)).sort("at").join_asof(
            circle.select(*key_or_all, "upto", dealt="area_id"),
            left_on="at", right_on="upto", by=key_or_all, strategy="forward", check_sortedness=False,
        )  # fmt: skip
        done.append(dealt.drop_nulls("dealt").select("row", "dealt"))
        left = left.join(done[-1], on="row", how="anti")
    return pl.concat(done)


def _share(number: int, total: int) -> str:
    share = number / total
    return "under 0.1%" if 0 < share < 0.001 else f"{share:.1%}"
