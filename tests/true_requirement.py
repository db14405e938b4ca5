"""What the made-up force really requires: the product's own ladder, asked with nothing but the truth.

Rates are those that incidents are drawn from, days vary as they are drawn to, and what a call asks for is what units
really did: no export, no missed press, no estimate in between.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

from bluelamp import committed, offered_work, periods, plan, pools, settings, staffing
from bluelamp.store import Store

SAMPLES = offered_work.SAMPLES
KEY = ["class_code", "grade_code"]


def true_requirement(folder: Path) -> pl.DataFrame:
    """Give `required_staff` (row 'all' of the force's own method) for the days that the truth speaks of."""
    read, store = settings.read(folder), Store(folder)
    zone, role = read.force.time_zone, read.staffing.role
    expected = pl.read_parquet(folder / "truth" / "expected.parquet").with_columns(
        place=pl.concat_str("district_id", "kind", separator="|")
    )
    places = expected["place"].unique().sort().to_list()
    hours = expected["hour_starting"].unique().sort()
    cells = expected.select(KEY).unique().sort(KEY).rows()
    rates = np.zeros((len(places), len(cells), len(hours)))
    rates[_places_in(places, expected["place"]), _cells_in(cells, expected), _hours_in(hours, expected)] = expected[
        "expected_incidents"
    ].to_numpy()
    areas = store.read("areas").filter(level="area")
    at = areas.join(areas.select("area_id").unique(), on="area_id").select(
        "area_id", place=pl.concat_str("parent_id", "kind", separator="|")
    )
    cover = (
        store.read("pools").join(at, on="area_id").drop("area_id").rename({"place": "area_id"}).unique()
        .select(store.read("pools").columns)
    )  # fmt: skip
    pool_hours = pools.lay_out_pools(cover, role, places, hours, zone)
    days = periods.local_parts(hours, zone)["day"]
    day = (days - days[0]).dt.total_days().to_numpy()
    districts = sorted({place.split("|")[0] for place in places})
    demand = json.loads((folder / "truth" / "parameters.json").read_text(encoding="utf-8"))["demand"]
    random = np.random.default_rng(0)

    def shocks(cv: float, *shape: int) -> np.ndarray:
        return random.gamma(1 / cv**2, cv**2, shape)

    count = int(day[-1]) + 1
    multipliers = shocks(demand["force_day_cv"], SAMPLES, count, 1) * shocks(
        demand["district_day_cv"], SAMPLES, count, len(districts)
    )
    times, silent = what_units_really_did(folder, zone)
    counts = read.staffing.other_work
    work = offered_work.offer_work(
        rates, multipliers, day, cells, np.array([districts.index(place.split("|")[0]) for place in places]),
        [place.split("|")[1] for place in places], times, store.read("standards"), pool_hours, hours, zone,
        write_up=counts.write_up, long_commitments=counts.long_commitments,
        without_log=(silent.pressing or 0.0) * counts.without_log,
    )  # fmt: skip
    return staffing.require_staff(
        work, store.read("minimums"), cover.filter(pl.col("role_code") != role), time_zone=zone,
        crew_size_by_hour=plan.crew_by_hour(read), abstraction=read.staffing.abstraction,
        utilisation=read.staffing.utilisation, methods=[read.staffing.method],
    ).filter(role_code=role, grade_code="all")  # fmt: skip


def _places_in(places: list[str], given: pl.Series) -> np.ndarray:
    return given.replace_strict({place: at for at, place in enumerate(places)}).to_numpy()


def _cells_in(cells: list[tuple[str, ...]], given: pl.DataFrame) -> np.ndarray:
    named = pl.DataFrame(cells, schema=KEY, orient="row").with_row_index()
    return given.join(named, on=KEY, how="left", maintain_order="left")["index"].to_numpy()


def _hours_in(hours: pl.Series, given: pl.DataFrame) -> np.ndarray:
    return np.searchsorted(hours.to_physical().to_numpy(), given["hour_starting"].to_physical().to_numpy())


def what_units_really_did(folder: Path, zone: str) -> tuple[pl.DataFrame, committed.WithoutLog]:
    """Give `service_times` and work without a log from what every unit did, second by second, with no prior."""
    truth = folder / "truth"
    intervals = pl.read_parquet(truth / "unit_intervals.parquet")
    first = pl.read_parquet(truth / "committed.parquet")["hour_starting"].min()
    known = pl.col("ends_at").is_not_null()
    attendances = intervals.with_columns(
        is_open=~known, ended_by=pl.lit(None, dtype=pl.String), ends_at=pl.coalesce("ends_at", pl.col("ends_at").max())
    )
    logs = pl.read_parquet(truth / "current_incidents.parquet").filter(pl.col("received_at") >= first)
    logs = logs.filter(~pl.col("origin").is_in(["officer_initiated", "directed", "administrative"]))
    told = committed.measure_deployments(attendances, logs)
    whole = logs.filter(pl.col("merged_into").is_null()).join(told, on="incident_id", how="left")
    sent, timed = pl.col("was_deployed") == 1, pl.col("unit_seconds").is_not_null()
    times = whole.group_by("class_code", grade_code="opening_grade_code").agg(
        incidents=pl.len(),
        share_deployed=sent.mean(),
        units_per_deployment=pl.col("units_sent").filter(sent).mean(),
        minutes_per_unit=(pl.col("units_sent") * pl.col("unit_seconds")).filter(timed).sum()
        / pl.col("units_sent").filter(timed).sum()
        / 60,
        write_up_minutes=pl.col("write_up_seconds").filter(sent).mean() / 60,
        long_minutes=pl.col("long_seconds").filter(sent).mean() / 60,
        long_stay_minutes=(pl.col("long_seconds") ** 2).filter(sent).sum()
        / pl.col("long_seconds").filter(sent).sum().cast(pl.Float64)
        / 120,
    )
    counted = pl.read_parquet(truth / "committed.parquet")
    return times.fill_nan(None), committed.measure_without_log(counted, zone)
