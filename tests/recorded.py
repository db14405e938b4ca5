"""What happened, made up for tests of analyses: `recorded(rows)` without a store, `force_with(...)` in one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from pathlib import Path

import numpy as np
import polars as pl

from bluelamp import intake, periods, settings, tables
from bluelamp.occurrences import Occurrences

FORCE = {"force": {"id": "north", "name": "North", "time_zone": "Europe/London", "country": "GB"}}


def recorded(
    rows: Iterable[tuple[date, float | None, float | None]],
    *,
    areas: pl.DataFrame | None = None,
    area_ids: Iterable[str | None] | None = None,
    kind: str = "offences",
) -> Occurrences:
    """Give what happened on days at points (longitude, latitude), at noon, as analyses read it."""
    made = list(rows)
    days = [day for day, _, _ in made]
    frame = pl.DataFrame(
        {
            "occurrence_id": [f"{number:06}" for number in range(len(made))],
            "at": [datetime.combine(day, time(12), UTC) for day in days],
            "day": days,
            "class_code": ["burglary"] * len(made),
            "area_id": list(area_ids) if area_ids is not None else [None] * len(made),
            "longitude": [longitude for _, longitude, _ in made],
            "latitude": [latitude for _, _, latitude in made],
        },
        schema={
            "occurrence_id": pl.String, "at": periods.INSTANT, "day": pl.Date, "class_code": pl.String,
            "area_id": pl.String, "longitude": pl.Float64, "latitude": pl.Float64,
        },
    )  # fmt: skip
    areas = tables.empty("areas") if areas is None else areas
    return Occurrences(frame, areas, kind, ("burglary",), [], settings.from_values(FORCE))


def force_with(folder: Path, **made: pl.DataFrame) -> Path:
    """Make a force in a folder that has these tables; columns that are not given are empty."""
    folder.mkdir(parents=True, exist_ok=True)
    told = "\n".join(f'{key} = "{value}"' for key, value in FORCE["force"].items())
    (folder / "force.toml").write_text(f"[force]\n{told}\n", encoding="utf-8")
    for name, rows in made.items():
        path = folder / f"{name}.csv"
        rows.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        intake.import_extract(folder, path, table=name, map_name="bluelamp")
    return folder


def crimes(count: int, seed: int = 1, days: int = 200) -> pl.DataFrame:
    """Offences as records systems have them, `offences`: found within six hours, recorded two days later on average."""
    chance = np.random.default_rng(seed)
    start = np.datetime64("2025-01-06T00:00", "us")
    to_at = start + (np.sort(chance.random(count)) * days * 86_400e6).astype("timedelta64[us]")
    back, wait = ((chance.random(count) * 6 * 3600e6), chance.exponential(2 * 86_400e6, count))
    rows = pl.DataFrame(
        {
            "offence_id": [f"o{number:06}" for number in range(count)],
            "from_at": to_at - back.astype("timedelta64[us]"),
            "to_at": to_at,
            "recorded_at": to_at + wait.astype("timedelta64[us]"),
            "class_code": chance.choice(["burglary", "theft"], count),
            "area_id": chance.choice(["a", "b"], count),
        }
    )
    return tables.publish(
        rows.with_columns(pl.col("from_at", "to_at", "recorded_at").dt.replace_time_zone("UTC")), "offences"
    )
