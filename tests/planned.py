"""One small made-up force, planned once for all tests that look at a whole run."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

from bluelamp import plan, settings
from bluelamp.plan import Planned
from bluelamp.settings import Settings
from bluelamp.sources.twin import Twin, make_twin

UNTIL = date(2026, 11, 23)


@lru_cache(maxsize=1)
def twin() -> Twin:
    return make_twin(areas=6, days=140, seed=5, until=UNTIL)


def small_settings(**parts: dict[str, Any]) -> Settings:
    """The made-up force's settings with a week of paths, and what is given changed: `staffing={"crew_size": 2}`."""
    values = settings.parse(twin().settings).model_dump()
    values["forecast"] |= {"paths": 60, "path_days": 7, "days": 9}
    for name, changed in parts.items():
        values[name] |= changed
    return settings.from_values(values)


@lru_cache(maxsize=1)
def planned() -> Planned:
    """Results of the whole flow; tests must not change them."""
    return plan.compute(twin().tables, small_settings())
