"""The hours of a near-term run, the ground that it is drawn on, and who is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from bluelamp import breaks, journeys, periods, plan, reading, settled, validation
from bluelamp.coming_work import lay_by_pool, share_without_log
from bluelamp.drawn_work import Ground
from bluelamp.errors import NoInput
from bluelamp.look_ahead import Brought
from bluelamp.open_work import Habits, Out
from bluelamp.pools import Floats, Integers, PoolHours, lay_out_pools, vehicles_of
from bluelamp.settings import Settings

_A_DAY = timedelta(days=1)
# A whole number of units that was divided is one all the same.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class World:
    """The hours of the run and the ground that it is drawn on; `units` are those on duty, pools × hours, and `out` the
    same units with their own duties.
    """

    brought: Brought
    hours: pl.Series
    pool_hours: PoolHours
    ground: Ground
    units: Integers
    out: Out
    notes: list[str]

    @classmethod
    def of(
        cls, folder: Path | str, brought: Brought, given: Mapping[str, pl.DataFrame], asked: int,
        attendances: pl.DataFrame,
    ) -> World:  # fmt: skip
        """Read it as the latest run used it; `given` are the tables of the duty sheet with the bookings, `asked` the
        hours to tell of, `attendances` what units did lately.
        """
        settings, still, run_id = brought.settings, brought.still, brought.run_id
        zone, hours, series = settings.force.time_zone, brought.draws.starts, brought.draws.series
        service_times, standards, cover = (
            reading.read_used(still, name, run_id) for name in ("service_times", "standards", "pools")
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
        rested = settled.find_officers_breaks(attendances, given)
        sheet = settled.find_on_duty(
            given,
            cover,
            settings,
            plan.crew_by_hour(settings),
            pool_hours=pool_hours,
            hours=hours,
            ends_at=ends_at,
            break_shares=breaks.shares_of_turns(rested, zone),
        ).table.filter(role_code=settings.staffing.role)
        on_duty = np.floor(lay_by_pool(sheet, "units_deployable", pool_hours, hours, np.nan) + _ROUNDING)
        required = still.result("required_staff", run_id).filter(
            method=brought.run["staffing_method"], grade_code="all", role_code=settings.staffing.role
        )
        asked_for = _usual(required, pool_hours, hours, zone)
        unknown = np.isnan(on_duty[:, :asked]) & pool_hours.runs[:, :asked]
        notes = [] if ways is None else list(ways.notes)
        if unknown.any():
            all_hours = int(pool_hours.runs[:, :asked].sum())
            notes.append(
                f"Nobody knows yet who is on duty in {int(unknown.sum()):,} of {all_hours:,} pool-hours: as many units "
                "are taken to be out as the plan asks for."
            )
        units = np.where(np.isnan(on_duty), asked_for, on_duty).astype(np.int64)
        # What keeps units from their breaks is simulated, and would keep them twice.
        due = breaks.shares_of_turns(rested, zone, as_due=True)
        spells = settled.find_spells(given, settings, begin=hours[0] - _A_DAY, end=ends_at + _A_DAY, break_shares=due)
        owned = vehicles_of(given["vehicles"], pool_hours.pool_ids, hours, zone)
        out = _lay_duties(spells, sheet, owned, settings, pool_hours, hours)
        out = out.joined(Out.by_hour(units, np.isnan(on_duty) & pool_hours.runs))
        return cls(brought, hours, pool_hours, ground, units, out, notes)

    def minute(self, at: datetime) -> float:
        """Give a moment as minutes of the run."""
        first: datetime = self.hours[0]
        return (at - first) / timedelta(minutes=1)

    def moment(self, minute: float) -> datetime:
        """Give a minute of the run as a moment."""
        found: datetime = self.hours[0] + timedelta(minutes=minute)
        return found

    def pool_of_area(self) -> dict[str, str]:
        """Say which pool covers each area in the first hour; areas that none covers are left out."""
        cover = self.pool_hours
        now = cover.patterns[cover.pattern_of_hour[0]]
        return {area: cover.pool_ids[pool] for area, pool in zip(cover.area_ids, now, strict=True) if pool >= 0}


def find_habits(folder: Path | str, world: World) -> Habits:
    """Find how the control room sends, as earlier weeks have shown; nothing is supposed where nobody has looked."""
    try:
        fitted = validation.read(folder).named("validation_fitted").drop_nulls("value")
    except NoInput:
        world.notes.append(
            "No pool is taken to lend another a unit, every unit to go to everything until its duty ends. 'bluelamp "
            "validate' finds out of the records how the control room sends."
        )
        return Habits()
    ground = world.ground
    yes = fitted.filter(pl.col("value") == 1)
    grades = {
        what: [grade for grade in yes.filter(what=what)["grade_code"] if grade in ground.grades]
        for what in ("help_comes", "sent_to_the_last", "needs_driver")
    }
    last = {
        what: max((1 + int(ground.priority_of_grade[ground.grades.index(grade)]) for grade in each), default=-1)
        for what, each in grades.items()
    }
    number = dict(fitted.filter(grade_code="all", kind="all").select("what", "value").iter_rows())
    return Habits(
        help_to=last["help_comes"],
        help_travel_factor=number.get("help_travel_factor", 1.0),
        last_minutes=number.get("last_minutes", 0.0),
        last_for=last["sent_to_the_last"],
        relief_before=number.get("relief_minutes_before", 0.0),
        clearing=number.get("clearing_minutes", 0.0),
        drivers_for=frozenset(grades["needs_driver"]),
    )


def _lay_duties(
    spells: pl.DataFrame,
    sheet: pl.DataFrame,
    vehicles: Floats,
    settings: Settings,
    pool_hours: PoolHours,
    hours: pl.Series,
) -> Out:
    """Crew those who are there, pool by pool and turn by turn: `spells` by `settled.find_spells`, `sheet` the rows of
    `deployable`, which say how many operations take, `vehicles` pools × hours, not a number where none are stated.
    """
    number = pl.col("pool_id").replace_strict(
        {pool: each for each, pool in enumerate(pool_hours.pool_ids)}, default=-1, return_dtype=pl.Int64
    )
    begins = pl.from_epoch(pl.col("begins")).dt.replace_time_zone("UTC").dt.convert_time_zone(settings.force.time_zone)
    alike = ["pool", "begins", "finishes", "size"]
    crew_of = dict(enumerate(plan.crew_by_hour(settings)))
    units = (
        spells.filter(role_code=settings.staffing.role)
        .with_columns(pool=number, crew=begins.dt.hour().replace_strict(crew_of, return_dtype=pl.Int64))
        .filter(pl.col("pool") >= 0)
        # Where one makes a unit, those who may not go alone go by twos.
        .with_columns(size=pl.when(pl.col("crew") > 1).then("crew").when("needs_partner").then(2).otherwise(1))
        .with_columns(unit=pl.int_range(pl.len()).over(alike) // pl.col("size"))
        .group_by(*alike, "unit", maintain_order=True)
        .agg(pl.len().alias("officers"), pl.col("may_drive").any(),
             pl.col("briefing_minutes", "break_at", "break_minutes").first())
        .filter(pl.col("officers") == pl.col("size"))
    )  # fmt: skip
    first = hours[0].timestamp()
    crews = np.array(plan.crew_by_hour(settings))[
        periods.local_parts(hours, settings.force.time_zone)["hour"].to_numpy()
    ]
    operations = np.nan_to_num(lay_by_pool(sheet, "officers_on_operations", pool_hours, hours, np.nan))
    # Where crews become larger in the middle of a duty, some of its units have nobody left.
    middle = np.array([first + 1800], dtype=np.float64) + 3600 * np.arange(len(hours))
    fewer = np.zeros_like(operations)
    for row in units.group_by("pool", "begins", "finishes", "size", maintain_order=True).len().iter_rows(named=True):
        there = (row["begins"] <= middle) & (middle < row["finishes"]) & (crews > row["size"])
        fewer[row["pool"], there] += row["len"] - row["len"] * row["size"] // crews[there]

    def minutes(name: str) -> Floats:
        found: Floats = (units[name].cast(pl.Float64).fill_null(np.nan).to_numpy() - first) / 60
        return found

    return Out(
        pool=units["pool"].to_numpy(), starts=minutes("begins"), ends=minutes("finishes"),
        briefing=units["briefing_minutes"].to_numpy(), break_from=minutes("break_at"),
        break_minutes=units["break_minutes"].to_numpy(), may_drive=units["may_drive"].to_numpy(),
        kept=np.rint(operations / crews + fewer).astype(np.int64),
        # A pool's fleet does not change within the day that such a run looks at.
        vehicles=np.nan_to_num(vehicles.max(axis=1), nan=-1).astype(np.int64),
    )  # fmt: skip


def _usual(required: pl.DataFrame, pool_hours: PoolHours, hours: pl.Series, time_zone: str) -> Floats:
    """Give the units that the run asks for; of hours before its first, those of the same local hour a day or more
    later.
    """
    found = lay_by_pool(required, "units_required", pool_hours, hours, np.nan)
    number = pl.DataFrame({"pool_id": pool_hours.pool_ids}).with_row_index("pool")
    asked = required.select("pool_id", "hour_starting", "units_required").join(number, on="pool_id")
    for days in range(1, 8):
        # Where the clock changes, two of these hours may be like one later hour.
        like = pl.DataFrame({"hour_starting": periods.days_later(hours, time_zone, days)}).with_row_index("hour")
        rows = asked.join(like, on="hour_starting")
        later = np.full_like(found, np.nan)
        later[rows["pool"], rows["hour"]] = rows["units_required"].to_numpy()
        found = np.where(np.isnan(found), later, found)
    return np.nan_to_num(found)
