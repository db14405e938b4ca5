"""The coming days of a force's latest plan as work that can be simulated: paths drawn again, pools, targets, units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import journeys, periods, plan, reading
from bluelamp import settings as settings_
from bluelamp.drawn_work import Came, Drawn, Ground
from bluelamp.errors import BadData, NoInput, UsageError, count_of
from bluelamp.forecast import draw_again, read_model
from bluelamp.pools import Floats, Integers, PoolHours, lay_out_pools, minimum_officers
from bluelamp.settings import Settings
from bluelamp.store import Store

DAYS = 7
# Each run's jobs are held in memory: ten thousand of a county's week would be a hundred gigabytes.
MOST_RUNS = 5_000
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Coming:
    """Work of the coming days, and who is there for it. Arrays are pools × hours.

    `required` are the units that the run's own rung asks for, `on_duty` those on duty as far as it is known (not a
    number where nobody knows), `least` the minimum strength in units, `crew` the officers in a unit by hour;
    `least_binds` says where the minimum decides what is required.
    """

    settings: Settings
    run_id: str
    ground: Ground
    hours: pl.Series
    required: Integers
    on_duty: Floats
    least: Integers
    crew: Integers
    draw: Callable[[int, int], list[Came]]
    least_binds: NDArray[np.bool_]
    notes: list[str] = field(default_factory=list)  # what was assumed, for a reader

    def cases(self, runs: int, seed: int, *, demand: float = 1.0, service: float = 1.0) -> list[Drawn]:
        """Draw so many runs of the coming days; those of another seed share nothing with them but the model.

        Raises UsageError for runs that would not fit into memory.
        """
        insist_on_runs(runs)
        return self.cases_of(self.draw(runs, seed), seed, demand=demand, service=service)

    def cases_of(self, drawn: Sequence[Came], seed: int, *, demand: float = 1.0, service: float = 1.0) -> list[Drawn]:
        """Give the cases of incidents that were drawn before, so that they need not be drawn for each question."""
        return [
            self.ground.draw(came, np.random.default_rng([seed, number]), demand=demand, service=service)
            for number, came in enumerate(drawn)
        ]


def read_coming(folder: Path | str, *, days: int = DAYS, run_id: str | None = None) -> Coming:
    """Read the coming days of a run (the latest where none is named) as work to simulate.

    Raises NoInput where there is no such run, UsageError for days that the run has no joint paths of, and BadData where
    no pool covers anything in them.
    """
    settings = settings_.read(folder)
    store = Store(folder).snapshot()
    if store.runs().is_empty():
        raise NoInput(f"There is no plan to simulate yet. 'bluelamp plan {folder}' makes one.")
    run = store.run(run_id)
    run_id, zone = str(run["run_id"]), settings.force.time_zone
    path_days = min(settings.forecast.path_days, settings.forecast.days)
    if not 1 <= days <= path_days:
        raise UsageError(
            f"{count_of(days, 'day')} can't be simulated: 1 to {path_days} were expected, the days that have joint "
            "paths ('path_days' under [forecast])."
        )
    model = read_model(store.artefact("forecast_parameters.npz", run_id).read_bytes())
    areas, service_times, standards, cover = (
        reading.read_used(store, name, run_id) for name in ("areas", "service_times", "standards", "pools")
    )
    first: datetime = run["forecast_from"]
    first_day = first.astimezone(periods.zone(zone)).date()
    ends_at = periods.local_days(zone, first_day, first_day + timedelta(days=days - 1))["ends_at"][-1]
    hours = periods.hours_between(zone, first, ends_at)
    pool_hours = lay_out_pools(cover, settings.staffing.role, model.series.area_ids, hours, zone)
    if not pool_hours.runs.any():
        raise BadData(
            f"No pool of role '{settings.staffing.role}' covers any area in these days, so that nobody could be sent. "
            "Put 'area_id' and the hours of the table 'pools' right, or 'role' under [staffing], and plan again."
        )
    kinds = dict(areas.filter(pl.col("level") == "area").select("area_id", "kind").iter_rows())
    parts = settings.staffing.other_work
    ways = journeys.read_ways(folder, store, settings, run, model.series.area_ids)
    ground = Ground.lay(
        hours, pool_hours, model.series.cells, [kinds.get(area, "all") for area in model.series.area_ids],
        service_times, standards, zone, write_up=parts.write_up, long_commitments=parts.long_commitments,
        without_log=share_without_log(store, run_id), slots=plan.lay_out_slots(settings, hours), ways=ways,
    )  # fmt: skip
    crew = np.array(plan.crew_by_hour(settings))[periods.local_parts(hours, zone)["hour"].to_numpy()]
    required, on_duty = store.result("required_staff", run_id), store.result("deployable", run_id)
    asked = required.filter(method=run["staffing_method"], grade_code="all", role_code=settings.staffing.role)
    least = minimum_officers(store.read("minimums"), pool_hours.pool_ids, settings.staffing.role, hours, zone)

    def draw(runs: int, seed: int) -> list[Came]:
        drawn = draw_again(
            model, areas, store.read("events", as_of=run["made_at"]), forecast_from=first, data_until=run["data_until"],
            wanted=range(days), time_zone=zone, paths=runs, path_days=days, seed=seed, country=settings.force.country,
            subdivision=settings.force.subdivision, drivers=store.read("drivers", as_of=run["made_at"]),
        )  # fmt: skip
        parts = [(each.path, each.area, each.cell, _hour_of_first(hours, each.hours) + each.hour) for each in drawn]
        path, area, cell, hour = (np.concatenate(each) for each in zip(*parts, strict=True))
        chance = np.random.default_rng([seed, runs]).random((2, len(path)))
        order = np.argsort(path, kind="stable")
        bounds = np.searchsorted(path[order], np.arange(runs + 1))
        return [
            Came(area[mine], cell[mine], 60.0 * (hour[mine] + chance[0, mine]), chance[1, mine])
            for mine in (order[begin:end] for begin, end in pairwise(bounds))
        ]

    return Coming(
        settings, run_id, ground, hours,
        np.nan_to_num(lay_by_pool(asked, "units_required", pool_hours, hours, 0.0)).astype(np.int64),
        np.floor(
            lay_by_pool(
                on_duty.filter(role_code=settings.staffing.role), "units_deployable", pool_hours, hours, np.nan
            )
        ),
        np.ceil(least / crew).astype(np.int64), crew, draw,
        lay_by_pool(asked.select("pool_id", "hour_starting", least=pl.col("binds") == "minimum"), "least", pool_hours,
                    hours, 0.0) > 0,
        ways.notes if ways is not None else [],
    )  # fmt: skip


def insist_on_runs(runs: int) -> None:
    """Raise UsageError for runs that would not fit into memory."""
    if not 1 <= runs <= MOST_RUNS:
        raise UsageError(f"{count_of(runs, 'run')} can't be simulated: 1 to {MOST_RUNS:,} were expected.")


def lay_by_pool(rows: pl.DataFrame, column: str, cover: PoolHours, hours: pl.Series, missing: float) -> Floats:
    """Lay a column out by pool and hour: `missing` where a pool that runs has no row, nought where it does not run."""
    found = np.where(cover.runs, missing, 0.0)
    rows = rows.filter(pl.col("hour_starting").is_in(hours.implode()), pl.col("pool_id").is_in(cover.pool_ids))
    number = dict(zip(cover.pool_ids, range(len(cover.pool_ids)), strict=True))
    pool = rows["pool_id"].replace_strict(number, return_dtype=pl.Int64)
    hour = np.searchsorted(hours.dt.epoch("s").to_numpy(), rows["hour_starting"].dt.epoch("s").to_numpy())
    found[pool.to_numpy(), hour] = rows[column].to_numpy()
    return found


def share_without_log(store: Store, run_id: str) -> float:
    """Give the unit-hours of pressing work without a log for each one at calls, as the run counted them."""
    rows = store.result("required_staff", run_id).filter(grade_code="all")
    silent, load, written = (
        float(rows[name].sum() or 0.0) for name in ("without_log_load", "offered_load", "write_up_load")
    )
    at_calls = load - silent - written
    return silent / at_calls if at_calls > 0 else 0.0


def _hour_of_first(hours: pl.Series, of_day: pl.Series) -> int:
    return int(np.searchsorted(hours.dt.epoch("s").to_numpy(), of_day.dt.epoch("s")[0]))
