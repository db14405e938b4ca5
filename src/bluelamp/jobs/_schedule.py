"""When a schedule asks for a run: at a time of the force's day, on both nights on which the clock changes too."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import polars as pl

from bluelamp import periods


def last_due(at: str, now: datetime, time_zone: str) -> tuple[str, datetime]:
    """Give the local day whose time `at` (such as 05:00) came last, and when that was, in UTC.

    A time that comes twice is the first of the two; one that the clock skips comes when the clock has passed it.

    >>> from datetime import datetime, UTC
    >>> last_due("01:30", datetime(2026, 3, 29, 12, tzinfo=UTC), "Europe/London")[1].isoformat()
    '2026-03-29T01:30:00+00:00'
    """
    today = now.astimezone(periods.zone(time_zone)).date()
    days = [today - timedelta(days=each) for each in (0, 1)]
    wall = pl.DataFrame({"at": [datetime.combine(day, time.fromisoformat(at)) for day in days]})
    instants = periods.to_utc(wall, "at", time_zone)["at"].to_list()
    return next(
        (day.isoformat(), instant.astimezone(UTC))
        for day, instant in zip(days, instants, strict=True)
        if instant <= now
    )  # fmt: skip
