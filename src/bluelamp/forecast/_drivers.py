"""Things that demand goes with hour by hour, such as the weather, as far as they were known when a forecast is made.

A driver counts by how far it is from what is usual for the time of year and the hour of the day, in standard
deviations. What is usual is in the season and the hours of the week already. Above and below the usual have effects of
their own (a piecewise linear effect), so that heat may fill the streets and cold need not empty them. Both count from
their average: where nothing is known, as weeks ahead, a driver is what it is on average, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from bluelamp import periods, tables

if TYPE_CHECKING:
    from bluelamp.forecast._history import Floats, Integers, Series

# Fewer hours than this of a driver's past say neither what is usual nor what it does.
LEAST_HOURS = 28 * 24
# The season of a driver is drawn towards none as if by so many hours of its own: a few weeks know no season.
_RIDGE = 24.0 * 5
# No hour counts as farther from usual than this: a wrong value must not empty a county.
_FARTHEST = 4.0
_SIDES = (("above", 1.0), ("below", -1.0))


@dataclass(frozen=True)
class Drivers:
    """How far each driver is from usual (`value` by `driver`, `area_id`, `hour_starting`), and what was left out."""

    rows: pl.DataFrame
    on_average: dict[tuple[str, str], float] = field(default_factory=dict)  # by driver and side, in the past
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Name those that can be used, in order."""
        return sorted(self.rows["driver"].unique())

    def lay_out(self, hours: pl.Series, series: Series, areas: pl.DataFrame) -> dict[str, Floats]:
        """Give how far each driver is above and below usual, more than on average: by name of driver and side, areas ×
        hours; nought where it is not known.
        """
        numbered = pl.DataFrame({"hour_starting": hours, "hour": pl.int_range(len(hours), eager=True)})
        placed = self.rows.join(numbered, on="hour_starting")
        found = {}
        for name in self.names:
            own = placed.filter(pl.col("driver") == name)
            values = np.full((len(series.area_ids), len(hours)), np.nan)
            # From the whole force down, so that what is nearest wins.
            for where in sorted(own["area_id"].unique().to_list(), key=lambda each: _nearness(each, series)):
                some = own.filter(pl.col("area_id").eq_missing(where))
                values[np.ix_(_touched(where, series, areas), some["hour"].to_numpy())] = some["value"].to_numpy()
            for side, sign in _SIDES:
                on_average = self.on_average[name, side]
                found[f"{name} {side} usual"] = np.nan_to_num(np.fmax(sign * values, 0.0 * values) - on_average)
        return found


# Of a schema: whatever works a table out starts threads, and programs that only import this would have them.
NONE = Drivers(pl.DataFrame(schema={n: kind for n, kind in tables.empty("drivers").schema.items() if n != "known_at"}))


def _nearness(where: str | None, series: Series) -> int:
    return 0 if where is None or where == series.force_id else 1 if where in series.district_ids else 2


def _touched(where: str | None, series: Series, areas: pl.DataFrame) -> Integers:
    if where is None or where == series.force_id:
        return np.arange(len(series.area_ids))
    members = areas.filter((pl.col("area_id") == where) | (pl.col("parent_id") == where))["area_id"]
    return np.flatnonzero(np.isin(series.area_ids, members.to_list()))


def settle_drivers(drivers: pl.DataFrame, at: datetime, time_zone: str) -> Drivers:
    """Give what was known of drivers at a moment, as distances from what is usual.

    `drivers` is the table of that name. Of several values for an hour and place the one that was known last counts.
    """
    known_at = pl.coalesce("known_at", pl.col("hour_starting").dt.offset_by("1h"))
    known = (
        drivers.with_columns(known_at=known_at)
        .filter(pl.col("known_at") <= at)
        .sort("driver", "area_id", "hour_starting", "known_at", nulls_last=False)
        .unique(["driver", "area_id", "hour_starting"], keep="last", maintain_order=True)
    )
    parts, notes = [NONE.rows], []
    for (name, where), own in known.group_by("driver", "area_id", maintain_order=True):
        past = own.filter(pl.col("hour_starting") < at)
        if past.height < LEAST_HOURS or past["value"].std() == 0:
            of = f" of '{where}'" if where else ""
            why = "always had the same value" if past.height >= LEAST_HOURS else "is known for less than 28 days"
            notes.append(f"Driver '{name}'{of} {why}, and is left out.")
            continue
        parts.append(
            own.select("driver", "area_id", "hour_starting", value=pl.Series(_from_usual(own, past.height, time_zone)))
        )
    ahead = drivers.filter(pl.col("known_at").is_null(), pl.col("hour_starting") >= at)
    notes += [
        f"Driver '{name}' has hours ahead that do not say when they were known ('known_at'), and are left out: a "
        "forecast needs it, so that an earlier day can be judged by what was known on it."
        for name in ahead["driver"].unique().sort()
    ]
    rows = pl.concat(parts)
    past_rows = rows.filter(pl.col("hour_starting") < at)
    on_average = {
        (name, side): float(np.maximum(sign * own["value"].to_numpy(), 0.0).mean())
        for (name,), own in past_rows.group_by("driver", maintain_order=True)
        for side, sign in _SIDES
    }
    return Drivers(rows, on_average, tuple(notes))


def _from_usual(own: pl.DataFrame, past: int, time_zone: str) -> Floats:
    """Give how far each hour's value is from usual, in standard deviations; the first `past` hours tell the usual."""
    parts = periods.local_parts(own["hour_starting"], time_zone)
    turn = 2 * np.pi * parts["day"].dt.ordinal_day().to_numpy() / 365.25
    hour = parts["hour"].to_numpy().astype(np.int64)
    clock = 2 * np.pi * hour / 24
    season = [wave(order * turn) for order in (1, 2) for wave in (np.sin, np.cos)]
    # A summer's day differs from its night by more than a winter's.
    mixed = [wave(turn) * other(clock) for wave in (np.sin, np.cos) for other in (np.sin, np.cos)]
    design = np.concatenate([np.eye(24)[hour], np.stack([*season, *mixed], axis=1)], axis=1)
    ridge = np.diag([1e-6] * 24 + [_RIDGE] * (len(season) + len(mixed)))
    values = own["value"].to_numpy()
    known, seen = design[:past], values[:past]
    usual = design @ np.linalg.solve(known.T @ known + ridge, known.T @ seen)
    spread = float(np.std((values - usual)[:past]))
    found: Floats = np.clip((values - usual) / max(spread, 1e-12), -_FARTHEST, _FARTHEST)
    return found
