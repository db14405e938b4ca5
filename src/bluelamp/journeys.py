"""How long a force's units are on their way, by its settings: what a run has, as `travel` takes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bluelamp import committed, reading, redrawn, settled, travel
from bluelamp.errors import BadData, NoInput
from bluelamp.periods import zone
from bluelamp.pools import UNKNOWN_AREA
from bluelamp.settings import Settings, TravelPart
from bluelamp.store import Store

# Weeks of records that are looked at, the last ones.
WEEKS = 26
# A unit that was seen at a log no longer ago than this is where that was.
_STILL_THERE = timedelta(hours=4)
_THERE = ("at_scene", "committed_deployable", "committed", "guard")


def read_ways(
    folder: Path | str, store: Store, settings: Settings, run: dict[str, Any], ids: Sequence[str]
) -> travel.Ways | None:
    """Give ways between areas, in the order of their codes; none where the standards say how long it takes.

    Raises NoInput for a file of streets that is not there, BadData for one that is none, or areas without a place.
    """
    asked = settings.staffing.travel
    if asked.by == "standards":
        return None
    run_id = str(run["run_id"])
    areas = reading.read_used(store, "areas", run_id)
    driving = travel.Driving(asked.speed_kmh, asked.detour, asked.turnout_minutes, asked.variation)
    places = _places(areas, ids, _work(store, run_id))
    if asked.by == "distance":
        return travel.by_distance(places, driving)
    if asked.by == "streets":
        named = travel.StreetProperties(
            asked.minutes_property, asked.speed_property, asked.speed_unit, asked.one_way_property
        )
        collection, where = _read_streets(folder, asked)
        return travel.by_streets(places, travel.read_streets(collection, where, named, driving), driving)
    return travel.by_records(places, _journeys(store, settings, run), driving)


def _work(store: Store, run_id: str) -> dict[str, float]:
    rows = store.result(
        "forecast", run_id,
        (pl.col("level") == "area") & (pl.col("span") == "hour") & (pl.col("class_code") == "all")
        & (pl.col("grade_code") == "all"),
    )  # fmt: skip
    return dict(rows.group_by("area_id").agg(pl.col("officer_hours_mean").sum()).iter_rows())


def _places(areas: pl.DataFrame, ids: Sequence[str], work: dict[str, float]) -> travel.Places:
    now = redrawn.that_hold(areas).filter(level="area").unique("area_id", keep="last")
    rows = pl.DataFrame({"area_id": list(ids)}, schema={"area_id": pl.String}).join(
        now, on="area_id", how="left", maintain_order="left"
    )
    # Work at a place that nobody knows is dealt to areas that a pool covers before it is drawn.
    dealt = pl.col("area_id") == UNKNOWN_AREA
    columns = ("centre_longitude", "centre_latitude", "area_km2")
    rows = rows.with_columns(pl.when(dealt).then(pl.col(name).median()).otherwise(name).alias(name) for name in columns)
    return travel.Places(
        ids,
        rows.select(columns[:2]).to_numpy().astype(np.float64),
        rows["area_km2"].cast(pl.Float64).to_numpy(),
        np.array([work.get(each, 0.0) for each in ids]),
        rows["parent_id"].to_list(),
    )


def _read_streets(folder: Path | str, asked: TravelPart) -> tuple[dict[str, Any], str]:
    path = Path(folder) / str(asked.streets_file)
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError:
        raise NoInput(
            f"{path} is not there, which 'streets_file' under [staffing.travel] in force.toml names."
        ) from None
    except ValueError as error:
        raise BadData(f"{path} is no GeoJSON: {error}. A collection of lines was expected.") from None
    if not isinstance(found, dict) or not isinstance(found.get("features"), list):
        raise BadData(f"{path} is no GeoJSON FeatureCollection. A collection of lines was expected.")
    return found, path.name


def _journeys(store: Store, settings: Settings, run: dict[str, Any]) -> pl.DataFrame:
    """Give recorded journeys before a run: units' own where a status log tells of them, and else those of logs."""
    until = run["data_until"]
    since = until - timedelta(weeks=WEEKS)
    incidents = store.read("incidents", as_of=run["made_at"]).filter(
        pl.col("received_at").is_between(since, until, closed="left")
    )
    presses = store.read("unit_status", as_of=run["made_at"]).filter(
        pl.col("status_at").is_between(since, until, closed="left")
    )
    areas = redrawn.that_hold(store.read("areas", as_of=run["made_at"]))
    today = until.astimezone(zone(settings.force.time_zone)).date()
    _, calls = settled.settle_areas(areas, incidents, settings, today, [])
    if presses.is_empty():
        rows = calls.select(
            "area_id",
            "arrived_at",
            from_area=pl.lit(None, dtype=pl.String),
            grade="grade_code",
            sent_at="dispatched_at",
        )
    else:
        crews = store.read("unit_crews", as_of=run["made_at"])
        attendances = committed.find_attendances(presses, crews, incidents, until).attendances
        rows = find_journeys(attendances, calls.select("incident_id", "area_id", grade="grade_code"))
    local = pl.col("sent_at").dt.convert_time_zone(settings.force.time_zone)
    return rows.filter(pl.col("arrived_at") > pl.col("sent_at")).select(
        "from_area", "grade", to_area="area_id", hour=local.dt.hour().cast(pl.Int64),
        minutes=(pl.col("arrived_at") - pl.col("sent_at")).dt.total_seconds() / 60,
    )  # fmt: skip


def find_journeys(attendances: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Give a row a journey of a unit to a log whose arrival was pressed: `from_area`, `area_id`, `grade`,
    `sent_at`, `arrived_at`. `placed` gives by `incident_id` what is known of the log: `area_id` and `grade`.

    A unit sets out from where its last log was, if it left that no more than four hours before.
    """
    stage, starts = pl.col("stage"), pl.col("starts_at")
    there = stage.is_in(_THERE)
    visits = (
        attendances.filter(pl.col("incident_id").is_not_null() & (there | (stage == "en_route")))
        .sort("unit_id", "starts_at")
        .group_by("unit_id", "incident_id", "attendance", maintain_order=True)
        .agg(
            sent_at=starts.min(),
            travels=(stage == "en_route").any(),
            arrived_at=starts.filter(there & pl.col("begun_by").is_null()).min(),
            left_at=pl.col("ends_at").max(),
        )
        .join(placed, on="incident_id", how="left", maintain_order="left")
        .sort("unit_id", "sent_at")
    )
    before = pl.col("left_at").shift(1).over("unit_id")
    return visits.with_columns(
        from_area=pl.when(pl.col("sent_at") - before <= _STILL_THERE).then(pl.col("area_id").shift(1).over("unit_id"))
    ).filter("travels").select("from_area", "area_id", "grade", "sent_at", "arrived_at")  # fmt: skip
