"""Breaks that units had: in which duty, when, and whether work had put them off.

The rules, in one place:

- Bookings on one callsign that overlap are one duty of a unit. A break belongs to the duty that began last before it,
  if it began before that duty's end.
- A unit that came to its break straight from a job, within two minutes, had it late: it was due some time during that
  job. Any other break began when it was due.
- Crews may change in the middle of a duty. So a break counts once for each officer who had it, as a share of the turn
  that the duty sheet gives the officer, and of the unit's duty where it gives none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from bluelamp.pools import Floats, Integers

# Stages of a unit at a log; the last two are not the scene's.
ATTENDING = ("en_route", "at_scene", "committed_deployable", "committed", "guard", "custody", "write_up")
STRAIGHT_FROM_A_JOB = timedelta(minutes=2)
# Fewer, and they say more of chance than of the force.
ENOUGH = 30
_LONGEST_DUTY = timedelta(hours=24)


def number_duties(bookings: pl.DataFrame) -> pl.DataFrame:
    """Add to bookings (`unit_id`, `starts_at`, `ends_at`) the number of the unit's `duty` that each is a part of."""
    reached = pl.col("ends_at").cum_max().shift(1).over("unit_id")
    return bookings.sort("unit_id", "starts_at", "ends_at").with_columns(
        duty=(reached.is_null() | (pl.col("starts_at") >= reached)).cum_sum()
    )


def find_breaks(attendances: pl.DataFrame, duties: pl.DataFrame) -> pl.DataFrame:
    """Find the breaks of units in their duties (`unit_id`, `starts_at`, `ends_at`), in the order of time.

    `attendances` are as `committed.find_attendances` gives them. A row a break: `unit_id`, `on_at` and `off_at` (of its
    duty), `starts_at`, `ends_at`, and `due_from`, when the job began that put it off, null where the unit was free.
    """
    own = duties.select("unit_id", on_at="starts_at", off_at="ends_at").sort("on_at")
    inside = (
        attendances.filter(pl.col("stage") != "unknown")
        .select("unit_id", "stage", "starts_at", "ends_at")
        .sort("starts_at", "ends_at")
        .join_asof(own, left_on="starts_at", right_on="on_at", by="unit_id", check_sortedness=False,
                   tolerance=_LONGEST_DUTY)
        .filter(pl.col("starts_at") < pl.col("off_at"))
        .sort("unit_id", "on_at", "starts_at")
        .with_columns(due_from=_busy_since())
    )  # fmt: skip
    return (
        inside.filter(pl.col("stage") == "refreshments")
        .sort("starts_at", "unit_id")
        .select("unit_id", "on_at", "off_at", "starts_at", "ends_at", "due_from")
    )


def find_officers_breaks(attendances: pl.DataFrame, unit_crews: pl.DataFrame, turns: pl.DataFrame) -> pl.DataFrame:
    """Find breaks as `find_breaks` does in the duties that were booked, officer by officer: `on_at` and `off_at` are
    those of the officer's turn, by `turns` of the duty sheet (`duty_sheet.turns_of`), where it has one then.
    """
    bookings = number_duties(unit_crews.drop_nulls("ends_at")).with_columns(
        on_at=pl.col("starts_at").min().over("unit_id", "duty")
    )
    duties = bookings.group_by("unit_id", starts_at="on_at", maintain_order=True).agg(pl.col("ends_at").max())
    crews = bookings.select("unit_id", "on_at", "person_id", booked_from="starts_at", booked_until="ends_at")
    worked = turns.select(
        "person_id",
        *(pl.from_epoch(pl.col(of)).cast(bookings.schema["starts_at"]).alias(to)
          for of, to in (("begins", "turn_from"), ("finishes", "turn_until"))),
    ).sort("turn_from")  # fmt: skip
    is_in = pl.col("starts_at") < pl.col("turn_until")
    return (
        find_breaks(attendances, duties)
        .join(crews, on=["unit_id", "on_at"])
        .filter(pl.col("starts_at").is_between("booked_from", "booked_until", closed="left"))
        .sort("starts_at", "unit_id", "person_id")
        .join_asof(worked, left_on="starts_at", right_on="turn_from", by="person_id", check_sortedness=False)
        .select(
            "unit_id", "starts_at", "ends_at", "due_from",
            on_at=pl.when(is_in).then("turn_from").otherwise("on_at"),
            off_at=pl.when(is_in).then("turn_until").otherwise("off_at"),
        )
    )  # fmt: skip


@dataclass(frozen=True)
class BreakShares:
    """At which shares of turns breaks begin, in order: `usual`, and `by_hour` of those that start in a local hour of
    which enough is known.
    """

    usual: Floats
    by_hour: Mapping[int, Floats]
    time_zone: str

    def begin(self, begins: Integers, finishes: Integers, chance: Floats) -> Integers:
        """Give when breaks begin in turns, in seconds since 1970: the earliest at a chance of 0, the latest at 1."""
        starts = pl.Series(begins).cast(pl.Int64)
        hours = _hour_of(pl.from_epoch(starts).dt.replace_time_zone("UTC"), self.time_zone).to_numpy()
        share = np.quantile(self.usual, chance)
        for hour, known in self.by_hour.items():
            share = np.where(hours == hour, np.quantile(known, chance), share)
        found: Integers = begins + (share * (finishes - begins)).astype(np.int64)
        return found


def shares_of_turns(breaks: pl.DataFrame, time_zone: str, *, as_due: bool = False) -> BreakShares | None:
    """Give at which shares of turns breaks began (of `find_officers_breaks`); with `as_due` only those that no job put
    off. None where too few are known.
    """
    known = breaks.filter(pl.col("due_from").is_null()) if as_due else breaks
    if known.height < ENOUGH:
        return None
    share = (pl.col("starts_at") - pl.col("on_at")) / (pl.col("off_at") - pl.col("on_at"))
    found = known.select(share=share, hour=_hour_of(pl.col("on_at"), time_zone)).sort("hour", "share")
    by_hour = {hour: own["share"].to_numpy() for (hour,), own in found.group_by("hour") if own.height >= ENOUGH}
    return BreakShares(found["share"].sort().to_numpy(), dict(sorted(by_hour.items())), time_zone)


def _hour_of(at: Any, time_zone: str) -> Any:
    """The nearest local hour: whoever books on a little early belongs to those on time."""
    return (at + timedelta(minutes=30)).dt.convert_time_zone(time_zone).dt.hour()


def _busy_since() -> pl.Expr:
    """When the job began from which the unit came straight to this, in one duty; null where it was free."""
    stage, starts, ends = (pl.col(name) for name in ("stage", "starts_at", "ends_at"))
    attends, duty = stage.is_in(ATTENDING), pl.struct("unit_id", "on_at").rle_id()
    goes_on = attends.shift(1, fill_value=False) & (duty.shift(1) == duty).fill_null(value=False)
    began = pl.when(attends & ~goes_on).then(starts).forward_fill()
    cleared = (stage.shift(1) == "available") & (ends.shift(1) - starts.shift(1) <= STRAIGHT_FROM_A_JOB)
    before = [pl.when(cleared).then(each.shift(2)).otherwise(each.shift(1)) for each in (attends, began, duty)]
    return pl.when(before[0] & (before[2] == duty)).then(before[1])
