"""Hours, days and weeks as a force lives them: in local time, kept in UTC.

The rules, in one place:

- An hour starts when the force's own clock reads a full hour, or when that clock is changed. So a clock-change day
  has 23 or 25 hours, a zone at +05:30 has hours that start at half past in UTC, and Lord Howe's half-hour change
  makes one hour of thirty minutes and, half a year later, one more of thirty.
- A local time that does not exist (the hour skipped in spring) is read with the offset that held before the change:
  01:30 on a night when 01:00 became 02:00 is the instant 30 minutes after the change.
- A local time that comes twice (autumn) is read as the first of the two.

Both repairs are counted wherever they are used, because a share that is not small means a wrong time zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import polars as pl

from bluelamp.errors import BadSettings, did_you_mean

INSTANT = pl.Datetime("us", "UTC")


def zone(time_zone: str) -> ZoneInfo:
    """Return the IANA time zone of that name.

    Raises BadSettings, with the nearest known name, when there is none.
    """
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(time_zone, available_timezones())
        raise BadSettings(
            f"'{time_zone}' is not a time zone. An IANA name such as 'Europe/London' was expected.{hint}"
        ) from None


@lru_cache(maxsize=64)
def _clock_changes(time_zone: str, first_year: int, last_year: int) -> tuple[tuple[datetime, int], ...]:
    """Every change of the zone's offset in those years: (instant in UTC, seconds the clock goes forward)."""
    where = zone(time_zone)

    def offset(at: datetime) -> int:
        found = at.astimezone(where).utcoffset()
        assert found is not None
        return int(found.total_seconds())

    changes = []
    day = datetime(first_year, 1, 1, tzinfo=UTC)
    end = datetime(last_year + 1, 1, 1, tzinfo=UTC)
    while day < end:
        following = day + timedelta(days=1)
        if offset(day) != offset(following):
            before, after = day, following
            while after - before > timedelta(seconds=1):
                middle = before + (after - before) // 2
                middle = middle.replace(microsecond=0)
                if middle in (before, after):
                    break
                before, after = (middle, after) if offset(middle) == offset(day) else (before, middle)
            changes.append((after, offset(following) - offset(day)))
        day = following
    return tuple(changes)


def clock_changes(time_zone: str, first: datetime, last: datetime) -> list[tuple[datetime, int]]:
    """List the instants in [first, last] when the zone's clock is changed, with the seconds it goes forward."""
    return [(at, seconds) for at, seconds in _clock_changes(time_zone, first.year, last.year) if first <= at <= last]


def hours_between(time_zone: str, first: datetime, last: datetime) -> pl.Series:
    """Give the start of every local hour that starts in [first, last), in UTC.

    >>> from datetime import datetime, UTC
    >>> day = local_days("Europe/London", date(2026, 10, 25), date(2026, 10, 25))
    >>> len(hours_between("Europe/London", day["starts_at"][0], day["ends_at"][0]))
    25
    """
    where = zone(time_zone)
    hour = timedelta(hours=1)
    changes = [at for at, _ in clock_changes(time_zone, first, last)]
    stretches = []
    # Each stretch between two clock changes has one offset, so its full hours are plain arithmetic.
    edges = [first, *(at for at in changes if first < at < last), last]
    for begin, end in pairwise(edges):
        local = begin.astimezone(where)
        past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        full_hour = begin if not past else begin - past + hour
        if past and begin in changes:
            stretches.append(pl.Series([begin], dtype=INSTANT))
        stretches.append(
            pl.datetime_range(full_hour, end, hour, closed="left", eager=True, time_zone="UTC").cast(INSTANT)
        )
    return pl.concat(stretches).alias("hour_starting") if stretches else pl.Series("hour_starting", [], INSTANT)


def hour_starting(at: pl.Expr, time_zone: str, first: datetime, last: datetime) -> pl.Expr:
    """Truncate instants to the start of their local hour, in UTC.

    `first` and `last` bound the instants: clock changes off the full hour are looked for between them.
    """
    local = at.dt.convert_time_zone(time_zone)
    past = pl.duration(minutes=local.dt.minute(), seconds=local.dt.second(), microseconds=local.dt.microsecond())
    start = (at - past).cast(INSTANT)
    for change, seconds in clock_changes(time_zone, first, last + timedelta(hours=1)):
        if seconds % 3600:
            moment = pl.lit(change, dtype=INSTANT)
            start = pl.when((at >= moment) & (start < moment)).then(moment).otherwise(start)
    return start


def local_days(time_zone: str, first: date, last: date) -> pl.DataFrame:
    """Give the local days first … last (both kept): `day`, `starts_at`, `ends_at` (UTC) and `hours` (23, 24 or 25)."""
    days = pl.date_range(first, last + timedelta(days=1), "1d", eager=True)
    starts = to_utc(days.cast(pl.Datetime("us")).alias("at").to_frame(), "at", time_zone)["at"]
    return pl.DataFrame({"day": days[:-1], "starts_at": starts[:-1], "ends_at": starts[1:]}).with_columns(
        hours=(pl.col("ends_at") - pl.col("starts_at")).dt.total_minutes() / 60
    )


def to_utc(frame: pl.DataFrame, column: str, time_zone: str) -> pl.DataFrame:
    """Turn a column of local wall-clock times into instants in UTC by the rules above.

    Adds `<column>_comes_twice` and `<column>_is_skipped` so that both repairs can be counted.
    """
    wall = pl.col(column)
    first = wall.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    second = wall.dt.replace_time_zone(time_zone, ambiguous="latest", non_existent="null")
    # Three hours earlier the old offset still held: no zone changes twice in a night.
    earlier = (wall - pl.duration(hours=3)).dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    skipped = wall.is_not_null() & first.is_null()
    return frame.with_columns(
        pl.when(skipped)
        .then(earlier.dt.convert_time_zone("UTC") + pl.duration(hours=3))
        .otherwise(first.dt.convert_time_zone("UTC"))
        .cast(INSTANT)
        .alias(column),
        (first != second).fill_null(value=False).alias(f"{column}_comes_twice"),
        skipped.alias(f"{column}_is_skipped"),
    )


def local_parts(hours: pl.Series, time_zone: str) -> pl.DataFrame:
    """Say what each hour is locally: `day` (date), `weekday` (1 Monday … 7), `hour` (0–23), `slot` (0–167)."""
    local = hours.dt.convert_time_zone(time_zone)
    return pl.DataFrame(
        {
            "day": local.dt.date(),
            "weekday": local.dt.weekday().cast(pl.Int64),
            "hour": local.dt.hour().cast(pl.Int64),
        }
    ).with_columns(slot=(pl.col("weekday") - 1) * 24 + pl.col("hour"))


def duty_day(at: pl.Expr, time_zone: str, day_starts_at: int) -> pl.Expr:
    """Give the duty day of instants: the local day on which the duty day began that they lie in.

    With a day that starts at 7, what begins at 22:00 and what begins at 02:00 after it belong to one day.
    """
    local = at.dt.convert_time_zone(time_zone)
    return local.dt.date() - pl.duration(days=(local.dt.hour() < day_starts_at).cast(pl.Int64))


def next_local_midnight(at: datetime, time_zone: str) -> datetime:
    """Give the first local midnight at or after an instant, in UTC."""
    local = at.astimezone(zone(time_zone))
    day = (
        local.date()
        if (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)
        else (local.date() + timedelta(days=1))
    )
    starts: datetime = local_days(time_zone, day, day)["starts_at"][0]
    return starts


def begin_at(hours: pl.Series, time_zone: str, of_day: Sequence[int]) -> pl.Series:
    """Say of hours that follow each other whether an hour of the day (0–23) that is in `of_day` begins with each.

    One that the clock repeats begins once, one that it skips with the hour that comes instead.
    """
    local = local_parts(hours, time_zone)["hour"].to_list()
    passed = [1, *((here - before) % 24 for before, here in pairwise(local))][: len(local)]
    return pl.Series(
        [any((here - step) % 24 in of_day for step in range(steps)) for here, steps in zip(local, passed, strict=True)],
        dtype=pl.Boolean,
    )


def days_later(hours: pl.Series, time_zone: str, days: int) -> pl.Series:
    """Give instants at the same time of the force's clock so many days later, read by the rules above."""
    wall = hours.dt.convert_time_zone(time_zone).dt.replace_time_zone(None) + timedelta(days=days)
    return to_utc(wall.cast(pl.Datetime("us")).alias("at").to_frame(), "at", time_zone)["at"]


def as_read(at: datetime, time_zone: str, form: str = "%a %H:%M") -> str:
    """Write a moment as the force's clock reads it, and which clock that is where it reads so twice.

    >>> from datetime import datetime, UTC
    >>> [as_read(datetime(2026, 10, 25, hour, tzinfo=UTC), "Europe/London") for hour in range(3)]
    ['Sun 01:00 BST', 'Sun 01:00 GMT', 'Sun 02:00']
    """
    local = at.astimezone(zone(time_zone))
    comes_twice = local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset()
    return f"{local:{form}}" + (f" {local:%Z}" if comes_twice else "")
