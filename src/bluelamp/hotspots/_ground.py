"""Offences laid out on the ground of a force: which of them count, in which cells, shifts and weeks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from bluelamp import aoristic, geography, grids, periods
from bluelamp.errors import count_of, did_you_mean, one_of
from bluelamp.grids import Grid
from bluelamp.hotspots._past import History
from bluelamp.settings import OffendingPart

OFFENCE_COLUMNS = {
    "longitude": pl.Float64(), "latitude": pl.Float64(), "area_id": pl.String(), "from_at": periods.INSTANT,
    "to_at": periods.INSTANT, "class_code": pl.String(), "code": pl.String(),
}  # fmt: skip


@dataclass(frozen=True)
class Ground:
    """Offences on the ground of a force, also by harm where it has weights; nothing where there is no ground."""

    history: History | None
    harm: History | None
    notes: list[str]


def lay_ground(
    offences: pl.DataFrame,
    calls: pl.DataFrame,
    areas: pl.DataFrame,
    outages: pl.DataFrame,
    weights: pl.DataFrame,
    *,
    offending: OffendingPart,
    origins: Sequence[str],
    before: datetime,
    time_zone: str,
    streets: Mapping[str, Any] | None = None,
) -> Ground:
    """Lay a force's offending out on its ground, up to a local midnight.

    `offending` are the settings of that name, `streets` the GeoJSON that they speak of. `calls` are incidents as they
    count. Raises BadData where the streets do not lie in the force.
    """
    grid = lay_grid(areas, offending, streets)
    if grid is None:
        return Ground(None, None, ["There are no hotspots, because no area of the force has a boundary."])
    known, only_month = aoristic.over_their_month(offences, time_zone)
    rows, notes = gather_offences(known, calls, offending.classes, origins)
    if only_month:
        notes.append(
            f"{count_of(only_month, 'offence')} at the midnight that begins a month, which stands for a day that "
            "nobody knows: a map shares each out over its month."
        )
    rows = rows.filter(pl.coalesce("from_at", "to_at") < before)
    if grid.kind == "area":
        rows = rows.with_columns(area_id=pl.coalesce(geography.assign_areas(rows, areas), "area_id"))

    def lay(weight: pl.Series | None) -> tuple[History, list[str]]:
        return lay_history(
            rows, grid, outages, before=before, weeks=offending.weeks, shift_starts=offending.shift_starts,
            time_zone=time_zone, weight=weight,
        )  # fmt: skip

    history, told = lay(None)
    notes += told
    harm = None
    if not weights.is_empty() and not rows.is_empty():
        weight, told = weigh_harm(rows, weights)
        notes += told
        harm, _ = lay(weight)
    return Ground(history, harm, notes)


def lay_grid(areas: pl.DataFrame, offending: OffendingPart, streets: Mapping[str, Any] | None = None) -> Grid | None:
    """Lay the cells that the settings ask for; none where no area has a boundary."""
    if areas.filter((pl.col("level") == "area") & pl.col("boundary").is_not_null()).is_empty():
        return None
    if offending.cells == "area":
        return grids.take_areas(areas)
    if offending.cells == "street":
        return grids.take_streets(streets or {}, areas, offending.street_id_property)
    return grids.lay_hexagons(areas, offending.resolution)


def gather_offences(
    offences: pl.DataFrame, calls: pl.DataFrame, classes: Sequence[str], origins: Sequence[str]
) -> tuple[pl.DataFrame, list[str]]:
    """Give the places and times of offending: recorded offences where the force has them, else incidents of crime.

    Only origins that drive demand count: what officers found while out is left out, and so is an offence that was
    recorded from such an incident, because a map that counted them would send officers back to where it sent them
    before. Columns are those of `OFFENCE_COLUMNS`.
    """
    own = calls.filter(~pl.col("origin").is_in(list(origins)))
    if not offences.is_empty():
        notes = _say_unknown(classes, offences, "offence")
        rows = offences.filter(pl.col("class_code").is_in(list(classes)))
        kept = rows.join(own.select("incident_id"), on="incident_id", how="anti", maintain_order="left")
        left_out, what = rows.height - kept.height, "offence"
        kept = kept.rename({"offence_code": "code"})
    else:
        notes = _say_unknown(classes, calls, "incident")
        rows = calls.filter(pl.col("class_code").is_in(list(classes)))
        kept = rows.filter(pl.col("origin").is_in(list(origins)))
        left_out, what = rows.height - kept.height, "incident"
        kept = kept.with_columns(from_at="received_at", to_at="received_at", code="opening_code")
        notes.append(
            "Hotspots are of incidents of crime by when they were received: the force has no table 'offences'."
        )
    if left_out:
        notes.append(
            f"{count_of(left_out, what)} that officers came upon themselves "
            f"{'does' if left_out == 1 else 'do'} not count towards hotspots: they show where officers were sent."
        )
    return kept.select(pl.col(name).cast(dtype) for name, dtype in OFFENCE_COLUMNS.items()), notes


def _say_unknown(classes: Sequence[str], rows: pl.DataFrame, noun: str) -> list[str]:
    """Say which classes nothing has, where none is had or another is nearly spelt so: a force needs not have all."""
    there = sorted(rows["class_code"].unique().drop_nulls())
    others = [code for code in there if code not in classes]
    missing = {code: did_you_mean(code, others) for code in classes if code not in there}
    if len(missing) == len(classes) and there:
        return [
            f"No {noun} is of class {one_of(missing)}, which 'classes' under [offending] in force.toml asks for. "
            f"There are {one_of(there)}.{''.join(missing.values())}"
        ]
    return [f"No {noun} is of class '{code}' ([offending] classes).{near}" for code, near in missing.items() if near]


def weigh_harm(offences: pl.DataFrame, weights: pl.DataFrame) -> tuple[pl.Series, list[str]]:
    """Say what each offence weighs by table `harm_weights`: by its own code, else its class; else nothing."""
    own = dict(weights.filter(level="offence_code").select("code", "weight").iter_rows())
    of_class = dict(weights.filter(level="class_code").select("code", "weight").iter_rows())
    found = offences.select(
        weight=pl.coalesce(
            pl.col("code").replace_strict(own, default=None, return_dtype=pl.Float64),
            pl.col("class_code").replace_strict(of_class, default=None, return_dtype=pl.Float64),
        )
    )["weight"]
    without = found.null_count()
    notes = []
    if without:
        codes = offences.filter(found.is_null())["class_code"].unique().sort().to_list()
        notes.append(
            f"{count_of(without, 'offence')} of classes {', '.join(codes[:5])}"
            f"{' and others' if len(codes) > 5 else ''} have no harm weight and weigh nothing. Add rows to "
            "'harm_weights'."
        )
    return found.fill_null(0.0), notes


def lay_history(
    offences: pl.DataFrame,
    grid: Grid,
    outages: pl.DataFrame,
    *,
    before: datetime,
    weeks: int,
    shift_starts: Sequence[int],
    time_zone: str,
    weight: pl.Series | None = None,
) -> tuple[History, list[str]]:
    """Lay offences (`OFFENCE_COLUMNS`) out by cell, shift and week, in the whole weeks before a local midnight.

    Times that are ranges are shared out over their hours. Weeks before the first offence are no history. `weight`, one
    a row, stands in for one offence each.
    """
    number = len(shift_starts)
    cell = grid.find(offences["longitude"], offences["latitude"], offences["area_id"])
    notes = grids.say_outside(grid, offences["longitude"], offences["latitude"], cell)
    placed = offences.with_columns(
        cell=pl.Series(cell), weight=pl.lit(1.0) if weight is None else weight
    ).filter(pl.col("cell") != grids.OUTSIDE)  # fmt: skip
    parts = aoristic.spread(placed, time_zone)
    untimed = placed.height - parts["row"].n_unique()
    if untimed:
        notes.append(
            f"{count_of(untimed, 'offence')} without any time {'is' if untimed == 1 else 'are'} left out here."
        )
    first_day = before.astimezone(periods.zone(time_zone)).date()
    earliest = parts["hour_starting"].min()
    kept_weeks = 0
    if earliest is not None:
        assert isinstance(earliest, datetime)
        day = earliest.astimezone(periods.zone(time_zone)).date()
        kept_weeks = max(min(weeks, -(-(first_day - day).days // 7)), 0)
    starts_on = first_day - timedelta(weeks=kept_weeks)
    hours = _lay_hours(starts_on, first_day, shift_starts, time_zone)
    classes = tuple(sorted(placed["class_code"].unique()))
    kinds = pl.DataFrame(
        {"class_code": classes, "kind": range(len(classes))}, schema={"class_code": pl.String, "kind": pl.Int64}
    )
    counted = (
        parts.join(hours, on="hour_starting", how="inner")
        .join(placed.select("cell", "weight", "class_code").with_row_index("row"), on="row", how="left")
        .join(kinds, on="class_code", how="left")
        # Whole millionths are summed, because sums of fractions differ with the order of adding up.
        .group_by("week", "kind", "cell", "shift", "weight")
        .agg(pl.col("millionths").sum())
        .sort("week", "kind", "cell", "shift", "weight")
    )
    seen = _share_seen(hours, outages, kept_weeks, number)
    history = History(
        grid, classes, number, counted["cell"].to_numpy(), counted["shift"].to_numpy(), counted["week"].to_numpy(),
        counted["kind"].to_numpy(), (counted["millionths"] / aoristic.WHOLE * counted["weight"]).to_numpy(), seen,
    )  # fmt: skip
    return history, notes


def _lay_hours(first: date, last: date, shift_starts: Sequence[int], time_zone: str) -> pl.DataFrame:
    """Give the hours of the days [first, last) with their `week` and `shift`; a shift past midnight is one."""
    if last <= first:
        return pl.DataFrame(
            schema={"hour_starting": periods.INSTANT, "week": pl.Int64(), "shift": pl.Int64(), "length": pl.Int64()}
        )
    days = periods.local_days(time_zone, first, last - timedelta(days=1))
    begins, ends = days["starts_at"][0], days["ends_at"][-1]
    hours = periods.hours_between(time_zone, begins, ends)
    of_hour = [max((at for at, start in enumerate(shift_starts) if start <= hour), default=len(shift_starts) - 1)
               for hour in range(24)]  # fmt: skip
    local = periods.local_parts(hours, time_zone)
    lasts = pl.concat([hours[1:], pl.Series([ends], dtype=periods.INSTANT)]) - hours
    return pl.DataFrame(
        {
            "hour_starting": hours,
            "week": (local["day"] - first).dt.total_days() // 7,
            "shift": local["hour"].replace_strict(dict(enumerate(of_hour)), return_dtype=pl.Int64),
            "length": lasts.dt.total_seconds(),
        }
    )


def _share_seen(hours: pl.DataFrame, outages: pl.DataFrame, weeks: int, shifts: int) -> grids.Floats:
    masked = pl.lit(value=False)
    for begins, ends in outages.select("starts_at", "ends_at").iter_rows():
        masked |= (pl.col("hour_starting") >= begins) & (pl.col("hour_starting") < ends)
    found = hours.group_by("week", "shift").agg(
        whole=pl.col("length").sum(), seen=pl.col("length").filter(~masked).sum()
    )
    share = np.ones((weeks, shifts))
    share[found["week"].to_numpy(), found["shift"].to_numpy()] = (found["seen"] / found["whole"]).to_numpy()
    return share
