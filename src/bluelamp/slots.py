"""Appointments: when calls that were given a slot are attended, which is not when they came in.

A slot is a whole local hour of some later day, all of them taken alike. What a force really agreed is not in its
incidents; the hours in which it offers slots are a setting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Slots:
    """The slots of some hours: `day_of_hour` numbers local days from 0, `of_day` lists the hours of each that are
    slots. An appointment is `days_after` days after its call.
    """

    day_of_hour: Integers
    of_day: list[Integers]
    days_after: int

    @classmethod
    def lay_out(cls, hours: pl.Series, time_zone: str, *, from_hour: int, to_hour: int, days_after: int) -> Slots:
        """Find the slots of hours that follow each other: those from `from_hour` to before `to_hour`, local time."""
        parts = periods.local_parts(hours, time_zone)
        day = (parts["day"] - parts["day"][0]).dt.total_days().to_numpy()
        is_slot = ((parts["hour"] >= from_hour) & (parts["hour"] < to_hour)).to_numpy()
        return cls(day, [np.flatnonzero(is_slot & (day == each)) for each in range(int(day[-1]) + 1)], days_after)

    def move(self, work: Floats) -> Floats:
        """Move work from the hours in which it came (last axis) to those in which it has its slots.

        What was agreed before the first hour is taken to be like the first days' own; what is agreed for later than the
        last is left out. Work of a day whose slots lie outside these hours is not there.
        """
        moved = np.zeros_like(work)
        for day, slots in enumerate(self.of_day):
            source = day - self.days_after if day >= self.days_after else day
            total = work[..., self.day_of_hour == source].sum(axis=-1, keepdims=True)
            if len(slots):
                moved[..., slots] = total / len(slots)
        return moved

    def draw(self, minute: Floats, chance: Floats, after: float = 0.0) -> Floats:
        """Draw the slot of each call by its minute (from the first hour on, below nought before) and a number between 0
        and 1; `after` a minute where a slot of that day has gone by. Calls whose slot comes later than the last hour
        get its last moment.
        """
        hours = len(self.day_of_hour)
        hour = np.floor(minute / 60).astype(np.int64)
        early = np.minimum(hour, 0) // 24  # days before the first, by and large
        day = self.day_of_hour[np.clip(hour, 0, hours - 1)] + early + self.days_after
        found = self._slot(np.maximum(day, 0), chance)
        missed = found < after
        found[missed] = self._slot(np.maximum(day[missed], 0) + 1, chance[missed])
        return np.minimum(found, np.nextafter(60.0 * hours, 0))

    def _slot(self, day: Integers, chance: Floats) -> Floats:
        found = np.full(len(day), np.inf)
        for each in np.unique(day):
            if each < len(self.of_day):
                slots, mine = self.of_day[each], day == each
                # A day whose slots are over before these hours begin has none left.
                found[mine] = 60.0 * slots[(chance[mine] * len(slots)).astype(np.int64)] if len(slots) else -np.inf
        return found
