"""The hours of a near-term run, the ground that it is drawn on, and who is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from bluelamp import journeys, plan, settled, validation
from bluelamp.coming_work import lay_by_pool, share_without_log
from bluelamp.drawn_work import Ground
from bluelamp.errors import NoInput
from bluelamp.look_ahead import Brought
from bluelamp.open_work import Help
from bluelamp.pools import Floats, Integers, PoolHours, lay_out_pools


@dataclass(frozen=True)
class World:
    """The hours of the run and the ground that it is drawn on; `units` are those on duty, pools × hours."""

    brought: Brought
    hours: pl.Series
    pool_hours: PoolHours
    ground: Ground
    units: Integers
    notes: list[str]

    @classmethod
    def of(cls, folder: Path | str, brought: Brought, given: Mapping[str, pl.DataFrame], asked: int) -> World:
        """Read it as the latest run used it; `given` are the tables of the duty sheet, `asked` the hours to tell of."""
        settings, still, run_id = brought.settings, brought.still, brought.run_id
        zone, hours, series = settings.force.time_zone, brought.draws.starts, brought.draws.series
        service_times, standards, cover = (
            plan.read_used(still, name, run_id) for name in ("service_times", "standards", "pools")
        )
        pool_hours = lay_out_pools(cover, settings.staffing.role, series.area_ids, hours, zone)
        kinds = dict(brought.areas.filter(pl.col("level") == "area").select("area_id", "kind").iter_rows())
        parts = settings.staffing.other_work
        ways = journeys.read_ways(folder, still, settings, dict(brought.run), series.area_ids)
        ground = Ground.lay(
            hours, pool_hours, series.cells, [kinds.get(area, "all") for area in series.area_ids], service_times,
            standards, zone, write_up=parts.write_up, long_commitments=parts.long_commitments,
            without_log=share_without_log(still, run_id), warm_up=0, ways=ways,
            slots=plan.lay_out_slots(settings, hours),
        )  # fmt: skip
        ends_at = hours[-1] + timedelta(hours=1)
        sheet = settled.find_on_duty(
            given, cover, settings, plan.crew_by_hour(settings), pool_hours=pool_hours, hours=hours, ends_at=ends_at
        ).table.filter(role_code=settings.staffing.role)
        on_duty = np.floor(lay_by_pool(sheet, "units_deployable", pool_hours, hours, np.nan))
        required = still.result("required_staff", run_id).filter(
            method=brought.run["staffing_method"], grade_code="all", role_code=settings.staffing.role
        )
        asked_for = _usual(required, pool_hours, hours)
        unknown = np.isnan(on_duty[:, :asked]) & pool_hours.runs[:, :asked]
        notes = [] if ways is None else list(ways.notes)
        if unknown.any():
            all_hours = int(pool_hours.runs[:, :asked].sum())
            notes.append(
                f"Nobody knows yet who is on duty in {int(unknown.sum()):,} of {all_hours:,} pool-hours: as many units "
                "are taken to be out as the plan asks for."
            )
        units = np.where(np.isnan(on_duty), asked_for, on_duty).astype(np.int64)
        return cls(brought, hours, pool_hours, ground, units, notes)

    def minute(self, at: datetime) -> float:
        """Give a moment as minutes of the run."""
        first: datetime = self.hours[0]
        return (at - first) / timedelta(minutes=1)

    def moment(self, minute: float) -> datetime:
        """Give a minute of the run as a moment."""
        found: datetime = self.hours[0] + timedelta(minutes=minute)
        return found


def find_help(folder: Path | str, world: World) -> Help | None:
    """Find up to which grade other pools lend a unit, as earlier weeks have shown; nothing where nobody has looked."""
    try:
        fitted = validation.read(folder).named("validation_fitted")
    except NoInput:
        world.notes.append(
            "No pool is taken to lend another a unit. 'bluelamp validate' finds out of the records whether they do."
        )
        return None
    comes = fitted.filter(pl.col("what") == "help_comes", pl.col("value") == 1)["grade_code"].to_list()
    ground = world.ground
    priorities = [
        1 + int(ground.priority_of_grade[ground.grades.index(each)]) for each in comes if each in ground.grades
    ]
    factor = fitted.filter(what="help_travel_factor")["value"].to_list()
    return Help(max(priorities), float(factor[0]) if factor else 1.0) if priorities else None


def _usual(required: pl.DataFrame, pool_hours: PoolHours, hours: pl.Series) -> Floats:
    """Give the units that the run asks for; of hours before its first, those of the same hour a day or more later."""
    found = lay_by_pool(required, "units_required", pool_hours, hours, np.nan)
    for days in range(1, 8):
        later = hours.dt.offset_by(f"{days * 24}h")
        found = np.where(np.isnan(found), lay_by_pool(required, "units_required", pool_hours, later, np.nan), found)
    return np.nan_to_num(found)
