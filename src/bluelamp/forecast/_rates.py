"""What every method of the family gives back: hourly rates by series, and the shocks that days share."""

from __future__ import annotations

import io
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bluelamp.errors import BadData
from bluelamp.forecast._history import BLOCKS, Calendar, Floats, Series
from bluelamp.forecast._trend import Trend


@dataclass(frozen=True)
class Shocks:
    """Variances of factors with mean 1: of the whole force's day, of a district's day, of the level at the end of the
    history, and of the step by which it drifts each day after, so that what is far is less sure than what is near.

    `block` and `hour` are those of the force's six-hour part of a day and of its hour. `clump` is how many incidents,
    beyond one and times two, come at once on average in one place and hour: the variance of counts over their mean,
    less one, where nothing else is shared.
    """

    force_day: float
    district_day: float
    level: float
    drift: float = 0.0
    block: float = 0.0
    hour: float = 0.0
    clump: float = 0.0

    def of_level(self, days_ahead: Floats) -> Floats:
        """Give the variance of the level so many days after the history ends."""
        found: Floats = (1 + self.level) * np.exp(self.drift * days_ahead) - 1
        return found


@dataclass(frozen=True)
class RateModel:
    """Expected incidents an hour for every series, by hour of the week and special day, with shared shocks."""

    series: Series
    slot_rates: Floats  # areas × cells × 168, incidents an hour
    special: dict[str, Floats]  # label -> a factor for each six-hour block of the day
    event_factor: dict[str, Floats]  # kind of event -> factors for the areas that it touches, cells (or 1) × blocks
    shocks: Shocks
    notes: tuple[str, ...] = field(default=())
    trend: Trend | None = None  # levels that move, seasons and holidays; without one the level stays where it is
    # Kind of event -> what an area has of it beyond the others, one factor an area: a stadium is no town centre.
    event_area: dict[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # As they are written down: paths that are drawn again from what a run keeps are the same to the last event.
        object.__setattr__(self, "slot_rates", self.slot_rates.astype(np.float32).astype(np.float64))

    def rates(self, calendar: Calendar, first: int, last: int) -> Floats:
        """Give expected incidents, areas × cells × hours, for the calendar's hours first … last-1."""
        slots = calendar.slot[first:last]
        factor = calendar.lengths[first:last].copy()
        for position in range(first, last):
            label = calendar.special[position]
            if label:
                blocks = self.special.get(label)
                if blocks is None:
                    blocks = self.special.get("any", np.ones(4))
                factor[position - first] *= blocks[calendar.block[position]]
        rates: Floats = self.slot_rates[:, :, slots] * factor
        if self.trend is not None:
            self._follow(self.trend, rates, calendar, first, last)
        for number, kind in enumerate(calendar.event_kinds, start=1):
            if kind not in self.event_factor:
                continue
            touched = calendar.event_of[:, first:last] == number
            by_hour = self.event_factor[kind][:, calendar.block[first:last]]
            own = self.event_area.get(kind, np.ones(len(touched)))
            for area in np.flatnonzero(touched.any(axis=1)):
                rates[area] *= np.where(touched[area], own[area] * by_hour, 1.0)
        return rates

    def _follow(self, trend: Trend, rates: Floats, calendar: Calendar, first: int, last: int) -> None:
        from_day, to_day = calendar.day_of_hour[first], calendar.day_of_hour[last - 1] + 1
        row = calendar.row[first:last] - from_day * BLOCKS
        force, districts, classes = trend.factors(calendar, from_day, to_day)
        rates *= force.ravel()[row]
        if districts is not None:
            rates *= districts.reshape(len(districts), -1)[:, row][self.series.district_of_area][:, None, :]
        near = trend.effects.near(calendar, first, last)
        if near is not None:
            rates *= np.exp(near)[:, None, :]
        if classes is not None:
            rates *= classes.reshape(len(classes), -1)[:, row][trend.class_of_cell]

    def to_bytes(self) -> bytes:
        """Write the parameters, so that paths can be drawn again from them and the seed."""
        out = io.BytesIO()
        series = self.series
        named: dict[str, NDArray[Any]] = {
            "slot_rates": self.slot_rates.astype(np.float32),
            "force_id": np.array(series.force_id),
            "area_ids": np.array(series.area_ids),
            "district_ids": np.array(series.district_ids),
            "district_of_area": series.district_of_area,
            "cells": np.array(series.cells).reshape(-1, 2),
            "shocks": np.array(astuple(self.shocks)),
            **{f"special:{name}": each for name, each in sorted(self.special.items())},
            **{f"event:{kind}": each for kind, each in sorted(self.event_factor.items())},
            **{f"event_area:{kind}": each for kind, each in sorted(self.event_area.items())},
            **({} if self.trend is None else self.trend.arrays()),
        }
        np.savez_compressed(out, allow_pickle=False, **named)
        return out.getvalue()

    @classmethod
    def of_bytes(cls, written: bytes) -> RateModel:
        """Read what `to_bytes` wrote; what was said of it is not among it.

        Raises BadData where an older Bluelamp wrote it, which left out what is needed to go on.
        """
        with np.load(io.BytesIO(written), allow_pickle=False) as file:
            found: dict[str, NDArray[Any]] = {name: file[name] for name in file.files}

        if "district_of_area" not in found:
            raise BadData(
                "The latest run's forecast was kept by an older Bluelamp, and can't be gone on from. 'bluelamp plan' "
                "makes a run that can."
            )

        def those_of(what: str) -> dict[str, Floats]:
            return {name.removeprefix(f"{what}:"): found[name] for name in found if name.startswith(f"{what}:")}

        series = Series(
            area_ids=found["area_ids"].tolist(),
            district_ids=found["district_ids"].tolist(),
            cells=[(class_code, grade_code) for class_code, grade_code in found["cells"].tolist()],
            district_of_area=found["district_of_area"],
            force_id=str(found["force_id"]),
        )
        shocks = Shocks(*(float(each) for each in found["shocks"]))
        trend = Trend.of_arrays(found) if "class_of_cell" in found else None
        return cls(
            series, found["slot_rates"], those_of("special"), those_of("event"), shocks, (), trend,
            those_of("event_area"),
        )  # fmt: skip
