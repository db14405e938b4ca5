"""How the rates of a model go on after its history: levels that move, seasons, holidays and force-wide events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bluelamp.forecast._effects import Effects
from bluelamp.forecast._history import BLOCKS, Calendar, Floats, Integers
from bluelamp.forecast._levels import Levels


@dataclass(frozen=True)
class Parts:
    """Parts of the force (districts, or classes): how their shares of it move. In sum the force stays what it is."""

    levels: Levels
    share: Floats  # of the whole, one a part
    effects: Effects | None = None

    def factors(self, levels: Floats, calendar: Calendar, first: int, last: int) -> Floats:
        """Give what multiplies each part, parts × days × blocks, from log levels (parts × days)."""
        log = np.repeat(levels[:, :, None], BLOCKS, axis=2)
        if self.effects is not None:
            log = log + self.effects.of(calendar, first, last)
        return self.as_parts(np.exp(log))

    def variance(self, days: Sequence[date], shares: Floats) -> Floats:
        """Give the variance of the log level of places made of the parts (places × parts: their shares), × days."""
        found: Floats = (shares - self.share) ** 2 @ self.levels.variance(days)
        return found

    def as_parts(self, factor: Floats, axis: int = 0) -> Floats:
        """Scale factors so that parts weighted by their shares make one whole."""
        moved = np.moveaxis(factor, axis, -1)
        whole = moved @ self.share
        found: Floats = np.moveaxis(moved / whole[..., None], -1, axis)
        return found


@dataclass(frozen=True)
class Trend:
    """The level of the whole force, and the parts that districts and classes have in it."""

    force: Levels
    effects: Effects
    districts: Parts | None
    classes: Parts | None
    class_of_cell: Integers

    def factors(self, calendar: Calendar, first: int, last: int) -> tuple[Floats, Floats | None, Floats | None]:
        """Give what multiplies rates on days first … last-1 of a calendar, by days × blocks: the force, districts × …
        and classes × … (nothing where they all go with the force).
        """
        days = calendar.days[first:last]
        force = np.exp(self.force.ahead(days)[0][:, None] + self.effects.of(calendar, first, last)[0])
        districts, classes = (
            None if parts is None else parts.factors(parts.levels.ahead(days), calendar, first, last)
            for parts in (self.districts, self.classes)
        )
        return force, districts, classes

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that is in it as named arrays, to be written down."""
        found: dict[str, NDArray[Any]] = {"class_of_cell": self.class_of_cell}
        levels = {"force": self.force} | {
            name: parts.levels for name, parts in (("districts", self.districts), ("classes", self.classes)) if parts
        }
        for name, each in levels.items():
            found[f"{name}:mean"], found[f"{name}:spread"] = each.mean, each.spread
            found[f"{name}:variances"] = np.array([astuple(one) for one in each.variances])
        for name, effects in (("force", self.effects), ("classes", self.classes.effects if self.classes else None)):
            if effects is not None:
                found[f"{name}:effects"], found[f"{name}:names"] = (
                    effects.values,
                    np.array(effects.names, dtype=np.str_),
                )
        return found

    def draw(
        self, paths: int, days: Sequence[date], districts: int, generator_of: Callable[[int], np.random.Generator]
    ) -> Floats:
        """Draw by what levels differ from what is expected: paths × days × districts, with mean 1."""
        force = self.force.draw(paths, days, lambda number: generator_of(2 * number))[:, 0, :, None]
        if self.districts is None:
            return np.repeat(force, districts, axis=2)
        own = self.districts.levels.draw(paths, days, lambda number: generator_of(2 * number + 1))
        found: Floats = force * np.moveaxis(self.districts.as_parts(own, axis=1), 1, 2)
        return found

    def draw_classes(
        self, paths: int, days: Sequence[date], generator_of: Callable[[int], np.random.Generator]
    ) -> Floats | None:
        """Draw by what the mix of classes differs from what is expected: paths × days × classes."""
        if self.classes is None:
            return None
        return np.moveaxis(self.classes.as_parts(self.classes.levels.draw(paths, days, generator_of), axis=1), 1, 2)
