"""How the rates of a model go on after its history: levels that move, seasons, holidays and force-wide events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
        """Give all that is needed to go on from the history's end as named arrays, to be written down."""
        found = _named("force", self.force.arrays() | _of_effects(self.effects))
        found["class_of_cell"] = self.class_of_cell
        for name, parts in (("districts", self.districts), ("classes", self.classes)):
            if parts is not None:
                effects = {} if parts.effects is None else _of_effects(parts.effects)
                found |= _named(name, parts.levels.arrays() | effects | {"share": parts.share})
        return found

    @classmethod
    def of_arrays(cls, found: Mapping[str, NDArray[Any]]) -> Trend:
        """Read what `arrays` wrote."""

        def parts(whose: str) -> Parts | None:
            own = _those_of(whose, found)
            return Parts(Levels.of_arrays(own), own["share"], _effects_of(own)) if own else None

        force = _those_of("force", found)
        effects = _effects_of(force)
        assert effects is not None
        return cls(Levels.of_arrays(force), effects, parts("districts"), parts("classes"), found["class_of_cell"])

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


def _named(whose: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{whose}:{name}": each for name, each in arrays.items()}


def _those_of(whose: str, found: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(f"{whose}:"): found[name] for name in found if name.startswith(f"{whose}:")}


def _of_effects(effects: Effects) -> dict[str, NDArray[Any]]:
    return {"effects": effects.values, "names": np.array(effects.names, dtype=np.str_)}


def _effects_of(found: Mapping[str, NDArray[Any]]) -> Effects | None:
    return Effects(found["names"].tolist(), found["effects"]) if "effects" in found else None
