"""Peaks of recorded offences, tried as a plan tells them: by what was recorded before an origin alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from bluelamp import forecast, incidents, periods, plan, redrawn, remarks, tables
from bluelamp.backtest._enough import LEAST_HOURS, name_able
from bluelamp.forecast import Origin, Tally, cut
from bluelamp.incidents import CountedOffences
from bluelamp.peaks import judge
from bluelamp.settings import Settings
from bluelamp.settled import Settled, leave_out_own, settle_offences
from bluelamp.store import Store

_NO_OUTAGES = tables.empty("outages")
_COLUMNS = ("offence_id", "recorded_at", "from_at", "to_at", "class_code", "area_id")


@dataclass(frozen=True)
class Known:
    """What was known of recorded offences at an origin, the methods that can learn from it, and what is known today."""

    origin: Origin
    methods: tuple[str, ...]
    came: CountedOffences
    settings: Settings

    def judge(self, method: str, paths: int, weeks: int) -> pl.DataFrame:
        """Forecast the coming week by one method, and hold what would have been said of it against what came."""
        origin, wanted = self.origin, self.settings.peaks
        paths, model = min(paths, plan.OFFENCE_PATHS), origin.learn(method, weeks)
        how = cut(origin.series, origin.demand["class_code"].unique().to_list(), "offences")
        tally = Tally(model, origin.coming, origin.time_zone, paths, how, explain=False)
        for drawn, rates in origin.draw(model, paths, self.settings.forecast.seed):
            tally.add(drawn, rates)
        return judge(
            tally.coming(), origin.demand, _NO_OUTAGES, self.came.demand, _NO_OUTAGES, until=origin.starts_at,
            known_until=origin.known_until, came_until=self.came.known_until, time_zone=origin.time_zone,
            false_alarms=wanted.false_alarms, share=wanted.share,
        )  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """A force's recorded offences, each in its area, and what is known today of when they happened."""

    offences: pl.DataFrame
    came: CountedOffences
    areas: pl.DataFrame
    events: pl.DataFrame
    settings: Settings

    def known_at(self, day: date, methods: Sequence[str], weeks: int) -> Known | None:
        """Stand on a day, knowing the offences that were recorded before it; nothing where a plan would tell no peaks
        of them, or less than eight weeks were known. `weeks` are the longest that a method is given.
        """
        force = self.settings.force
        starts_at: datetime = periods.local_days(force.time_zone, day, day)["starts_at"][0]
        known = self.offences.filter(pl.col("recorded_at") < starts_at)
        counted = None if known.is_empty() else _count(known, self.areas, force.time_zone)
        if counted is None or not remarks.on_offences(counted, known.height, starts_at)[1]:
            return None
        origin = forecast.stand_at(
            day, counted.demand, self.areas, self.events, _NO_OUTAGES, known_until=counted.known_until,
            force_id=force.id, time_zone=force.time_zone, weeks=weeks, days=plan.OFFENCE_DAYS, country=force.country,
            subdivision=force.subdivision,
        )  # fmt: skip
        seen = origin.history(weeks).calendar.lengths
        if seen.sum() < LEAST_HOURS:
            return None
        return Known(origin, name_able(methods, origin, weeks, seen), self.came, self.settings)


def settle_recorded(still: Store, stood: Settled, settings: Settings) -> Recorded | None:
    """Read a force's recorded offences and settle them as incidents are; nothing where none says when it happened."""
    offences, zone = still.read("offences"), settings.force.time_zone
    if offences.is_empty():
        return None
    today, given = stood.starts.astimezone(periods.zone(zone)).date(), redrawn.that_hold(still.read("areas"))
    placed = settle_offences(offences, given, stood.areas, settings, today)
    placed = leave_out_own(placed, stood.incidents, settings).select(_COLUMNS).sort("offence_id")
    counted = _count(placed, stood.areas, zone)
    return None if counted is None else Recorded(placed, counted, stood.areas, still.read("events"), settings)


def _count(offences: pl.DataFrame, areas: pl.DataFrame, time_zone: str) -> CountedOffences | None:
    """Count offences as a plan does; nothing where none has a time."""
    return incidents.count_offences(offences, areas.filter(pl.col("level") == "area")["area_id"].to_list(), time_zone)
