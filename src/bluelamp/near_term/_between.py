"""What units do between calls: work that no log shows (statements, enquiries, files), and logs of their own making."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from bluelamp import periods
from bluelamp.committed.presses import ATTENDING
from bluelamp.drawn_work import Drawn
from bluelamp.near_term._world import World
from bluelamp.open_work import joined_jobs
from bluelamp.pools import Floats
from bluelamp.simulation import Jobs

# Who is at nothing takes it up; where nobody is for so long, it is left for another day.
_PATIENCE = 60.0
_A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Between:
    """How often units of a pool take up such work in each hour of the run (pools × hours), and the minutes that each
    of what was seen lasted.
    """

    often: Floats
    minutes: Floats

    @classmethod
    def seen(
        cls, attendances: pl.DataFrame, calls: pl.DataFrame, world: World, since: datetime, at: datetime
    ) -> Between:
        """See it in the days from `since` on, by pool and local hour of the day: a unit's time at no log, or at one
        whose origin does not drive the forecast, which brings the others.
        """
        zone = world.brought.settings.force.time_zone
        number = {pool: each for each, pool in enumerate(world.pool_hours.pool_ids)}
        # On the first day, much was begun before the first press that was read.
        begin = since + _A_DAY
        own = calls.filter(~pl.col("origin").is_in(list(world.brought.settings.demand.origins)))
        spans = attendances.filter(pl.col("stage").is_in(ATTENDING), pl.col("pool_id").is_in(list(number)))
        nowhere = spans.filter(pl.col("incident_id").is_null(), pl.col("ended_by").is_null()).select(
            "pool_id", "starts_at", "ends_at", "is_open"
        )
        logged = (
            spans.filter(pl.col("incident_id").is_in(own["incident_id"].implode()))
            .group_by("unit_id", "incident_id", "attendance", maintain_order=True)
            .agg(pl.col("pool_id").first(), pl.col("starts_at").min(), pl.col("ends_at").max(), pl.col("is_open").any())
            .select(nowhere.columns)
        )
        rows = pl.concat([nowhere, logged]).filter(
            ~pl.col("is_open"), pl.col("starts_at").is_between(begin, at, closed="left")
        )
        counts = np.zeros((len(number), 24))
        pool = rows["pool_id"].replace_strict(number, return_dtype=pl.Int64).to_numpy()
        np.add.at(counts, (pool, periods.local_parts(rows["starts_at"], zone)["hour"].to_numpy()), 1)
        days = max((at - begin) / _A_DAY, 1.0)
        minutes = (rows["ends_at"] - rows["starts_at"]).dt.total_seconds().to_numpy() / 60
        return cls(counts[:, periods.local_parts(world.hours, zone)["hour"].to_numpy()] / days, minutes)

    def add(self, drawn: Drawn, world: World, at: float, random: np.random.Generator) -> Drawn:
        """Give the jobs of a run and, behind them in line and in number, such work from a minute `at` on."""
        if not len(self.minutes):
            return drawn
        number = random.poisson(self.often)
        pool, hour = (np.repeat(each, number.ravel()) for each in np.indices(number.shape).reshape(2, -1))
        minute = 60.0 * (hour + random.random(len(hour)))
        lasts = random.choice(self.minutes, len(hour))
        later = minute >= at
        count = int(later.sum())
        more = Jobs.of(
            ready=minute[later],
            first_minutes=lasts[later],
            place=len(world.ground.kind_of_area) + pool[later],
            priority=np.full(count, 1 + world.ground.priorities),
            travel=np.zeros((count, drawn.jobs.travel.shape[1])),
            patience=_PATIENCE,
        )
        nobody = np.full(count, -1)
        return replace(
            drawn,
            jobs=joined_jobs(drawn.jobs, more),
            **{name: np.concatenate([getattr(drawn, name), nobody]) for name in ("target", "incident", "grade")},
        )
