"""Whether a record is long enough to learn from."""

from __future__ import annotations

from collections.abc import Sequence

from bluelamp import extensions
from bluelamp.forecast import Origin
from bluelamp.scoring import Floats

# An origin stands on at least so many hours that were seen; a slot mean on a record as long as its own weeks, of which
# so many were seen.
LEAST_HOURS = 8 * 168
LEAST_SHARE = 0.5


def weeks_of(method: str) -> int:
    """Weeks that a method says it needs; a method that says nothing takes what there is."""
    return int(getattr(extensions.member("forecast", method), "WEEKS", 0))


def name_able(methods: Sequence[str], origin: Origin, weeks: int, seen: Floats) -> tuple[str, ...]:
    """Name the methods that have enough to learn from; `seen` is how much was seen of each hour of the last `weeks`."""
    calendar = origin.history(weeks).calendar
    days = len(calendar.days)

    def is_able(own: int) -> bool:
        return own <= 1 or bool(
            days > 7 * own - 7 and seen[calendar.day_of_hour >= days - 7 * own].sum() >= LEAST_SHARE * own * 168
        )

    return tuple(method for method in methods if is_able(weeks_of(method)))
