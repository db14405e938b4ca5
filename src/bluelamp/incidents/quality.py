"""The data-quality report: what came in, what can be believed, and what each rule touched, with its share.

It is made from an extract that was read and not yet imported, or from the store, and says the same either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from bluelamp import periods
from bluelamp.errors import count_of
from bluelamp.incidents.default_points import find_default_points
from bluelamp.incidents.outages import stretches_believed
from bluelamp.incidents.places import WORDS as PLACE_WORDS
from bluelamp.incidents.places import Placed

_QUIET_HOURS = 3
_ENOUGH_TIMES = 100
_ENOUGH_DAYS = 14.0
_BREAK = 0.25
_ORIGIN_WORDS = {
    "public": "public",
    "partner": "partner",
    "mandatory_internal": "mandatory internal",
    "officer_initiated": "officer-initiated",
    "directed": "directed patrol",
    "administrative": "administrative",
    "unknown": "unknown",
}


@dataclass(frozen=True)
class Count:
    """A number of rows and its share of those that it is counted among."""

    rows: int
    share: float

    @staticmethod
    def of(rows: int, among: int) -> Count:
        """Count rows among others; a share of nothing is 0."""
        return Count(int(rows), float(rows) / among if among else 0.0)

    def __str__(self) -> str:
        return f"{self.rows:,} ({_percent(self.share)})"


@dataclass(frozen=True)
class RuleCount:
    """How many rows one rule touched."""

    rule: str
    kind: str
    words: str
    count: Count


@dataclass(frozen=True)
class Clock:
    """What the day's shape and the clock-change nights say about the clock of the times.

    `verdict` is 'agrees', 'local_labelled_utc', 'utc_read_as_local', 'odd' or 'too_few'. Hours are those at which the
    quietest three hours begin, by the force's clock and by UTC.
    """

    verdict: str
    quietest_hour_local: int | None
    quietest_hour_utc: int | None
    skipped_hours: int
    in_skipped_hours: int
    usual_in_skipped_hours: float
    in_repeated_hours: int
    words: str


@dataclass(frozen=True)
class Level:
    """How many incidents came in 24 hours of one month, hours that are not believed left out."""

    month: str
    incidents_a_day: float
    days_believed: float


@dataclass(frozen=True)
class QualityReport:
    """What a data-quality report says; `lines()` for people, `to_dict()` for machines."""

    time_zone: str
    rows_read: int
    rows_valid: int
    set_aside: Count
    duplicates: Count
    reissued: Count
    first_at: datetime | None
    last_at: datetime | None
    days: int
    missing: dict[str, Count]
    open_logs: Count
    closed_logs: Count
    zero_duration: Count
    under_30_seconds: Count
    origins: dict[str, Count]
    classes: dict[str, Count]
    common_codes: list[tuple[str, int]]
    unknown_codes: list[tuple[str, int]]
    areas: int
    unknown_areas: Count
    place_rules: dict[str, Count]
    place_notes: list[str]
    rules: list[RuleCount]
    hours_masked: float
    days_without_incidents: list[date]
    partial_days: list[date]
    touched_days: list[date]
    few_days: list[date]
    runs: list[tuple[datetime, datetime]]
    outages: list[dict[str, Any]]
    levels: list[Level]
    busiest_hour: int | None
    is_to_the_minute: bool
    clock: Clock
    first_set_aside: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as plain values for JSON: instants as ISO 8601 in UTC."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    def lines(self) -> list[str]:
        """Give the report as lines to read, the most weighty first."""
        return [
            *self._what_was_read(),
            *self._section("Set aside", self._set_aside_lines()),
            *self._section("Changed by a rule", self._rule_lines("changed")),
            *self._section("Times", self._time_lines()),
            *self._section("Days and hours that are not believed", self._outage_lines()),
            *self._section("Level", self._level_lines()),
            *self._section("Clock", [self.clock.words]),
            *self._section("Origins", [f"{_ORIGIN_WORDS[name]}: {count}" for name, count in self.origins.items()]),
            *self._section("Codes", self._code_lines()),
            *self._section("Places", self._place_lines()),
            *self._section("Notes", self.notes),
        ]

    @staticmethod
    def _section(title: str, lines: Sequence[str]) -> list[str]:
        return ["", title, *(f"  {line}" for line in lines)] if lines else []

    def _what_was_read(self) -> list[str]:
        zone = periods.zone(self.time_zone)
        lines = [
            f"{count_of(self.rows_read, 'row')} read: {self.rows_valid:,} can be used, {self.set_aside} set aside."
        ]
        if self.first_at is not None and self.last_at is not None:
            first, last = self.first_at.astimezone(zone), self.last_at.astimezone(zone)
            span = f"From {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} ({self.time_zone})"
            lines.append(f"{span}, {count_of(self.days, 'day')} with incidents.")
        if self.busiest_hour is not None:
            lines.append(
                f"Busiest hour of the day: {self.busiest_hour:02d}:00 to {(self.busiest_hour + 1) % 24:02d}:00."
            )
        return lines

    def _rule_lines(self, kind: str) -> list[str]:
        return [f"{each.count} {each.rule}: {each.words}." for each in self.rules if each.kind == kind]

    def _set_aside_lines(self) -> list[str]:
        return self._rule_lines("set_aside") + [f"row {number}: {reason}" for number, reason in self.first_set_aside]

    def _time_lines(self) -> list[str]:
        lines = [f"no {name[:-3]} time: {count}" for name, count in self.missing.items() if name.endswith("_at")]
        if self.open_logs.rows or self.closed_logs.rows:
            lines.append(f"open logs (their end is not known yet): {self.open_logs}")
        else:
            lines.append("open logs: not known, because the feed has neither a status nor a time of closing")
        if self.closed_logs.rows:
            lines.append(f"closed with zero duration, information only: {self.zero_duration} of closed logs")
            lines.append(f"closed within 30 seconds: {self.under_30_seconds} of closed logs")
        if self.is_to_the_minute:
            lines.append("times are to the minute: shorter waits can't be told apart")
        lines.append(f"same row twice: {self.duplicates}")
        if self.reissued.rows:
            lines.append(f"same id with other content (the later one will stand): {self.reissued}")
        return lines

    def _outage_lines(self) -> list[str]:
        if not self.outages:
            return []
        zone = periods.zone(self.time_zone)
        longest = max(self.runs, key=lambda run: run[1] - run[0], default=None)
        lines = [
            f"{self.hours_masked:,.0f} hours are masked in {count_of(len(self.outages), 'stretch', 'stretches')}: "
            f"{count_of(len(self.days_without_incidents), 'day')} without an incident, "
            f"{count_of(len(self.partial_days), 'partial day')} (12 hours or more are masked), "
            f"{count_of(len(self.touched_days), 'day')} masked for less, "
            f"{count_of(len(self.few_days), 'day')} with too few.",
        ]
        if longest is not None:
            days = (longest[1] - longest[0]) / timedelta(days=1)
            since = longest[0].astimezone(zone)
            lines.append(
                f"{count_of(len(self.runs), 'unbroken run')}, the longest {days:,.0f} days from {since:%Y-%m-%d}."
            )
        shown = sorted(self.outages, key=lambda each: each["starts_at"] - each["ends_at"])[:12]
        for each in sorted(shown, key=lambda each: each["starts_at"]):
            begin, end = each["starts_at"].astimezone(zone), each["ends_at"].astimezone(zone)
            rule = each["rule"].replace("_", " ")
            # What stutters between two silences is masked with them.
            if each["rule"] == "no_incidents" and each["incidents"]:
                rule = "silences with little between them"
            lines.append(
                f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}: {rule}, "
                f"{each['incidents']:,} came where about {each['incidents_expected']:,.0f} are usual"
            )
        if len(self.outages) > len(shown):
            lines.append(f"and {len(self.outages) - len(shown)} shorter ones")
        return lines

    def _level_lines(self) -> list[str]:
        """Say the range of the months, and where neighbouring ones differ most: a break that a forecast should know."""
        whole = [each for each in self.levels if each.days_believed >= _ENOUGH_DAYS]
        if len(whole) < 2:
            return []
        low, high = (pick(whole, key=lambda each: each.incidents_a_day) for pick in (min, max))
        lines = [
            f"from {low.incidents_a_day:,.0f} a day in {low.month} to {high.incidents_a_day:,.0f} a day in {high.month}"
        ]
        before, after = max(pairwise(whole), key=lambda pair: abs(_change(*pair)))
        if abs(_change(before, after)) >= _BREAK:
            lines.append(
                f"a break from {before.month} to {after.month}: {before.incidents_a_day:,.0f} to "
                f"{after.incidents_a_day:,.0f} a day ({_change(before, after):+.0%})"
            )
        return lines

    def _code_lines(self) -> list[str]:
        lines = [f"{name}: {count}" for name, count in list(self.classes.items())[:8]]
        if self.common_codes:
            common = (f"{code} ({rows:,}, {_percent(rows / self.rows_valid)})" for code, rows in self.common_codes)
            lines.append(f"most frequent codes: {', '.join(common)}")
        if self.unknown_codes:
            listed = ", ".join(f"{code} ({rows:,})" for code, rows in self.unknown_codes[:20])
            lines.append(f"codes of unknown class: {listed}")
        return lines

    def _place_lines(self) -> list[str]:
        lines = [f"{count_of(self.areas, 'area')} named; area not known: {self.unknown_areas}"]
        lines.append(f"no point: {self.missing['longitude']}")
        lines.extend(f"{each.words}: {each.count}" for each in self.rules if each.rule == "point_far_away")
        lines.extend(f"{count} {PLACE_WORDS[rule]}" for rule, count in self.place_rules.items())
        return lines + self.place_notes


def describe_quality(
    rows: pl.DataFrame,
    quarantined: pl.DataFrame,
    rules: pl.DataFrame,
    outages: pl.DataFrame,
    time_zone: str,
    *,
    notes: Sequence[str] = (),
    rows_read: int | None = None,
    known_areas: Sequence[str] | None = None,
    placed: Placed | None = None,
) -> QualityReport:
    """Describe an extract of incidents that was read.

    `rows` is valid for `incidents` and may hold a key twice; `quarantined` is a table `quarantine`; `rules` has `rule`,
    `kind` (set_aside, changed, noted), `rows` and `words`; `outages` is what `find_outages` gives. Days and hours are
    local ones of `time_zone`. `known_areas` are the areas that there are, where the force has drawn any: other names
    then count as unknown. `placed` says by which rule each row finds its area, where areas are known.
    """
    read = rows_read if rows_read is not None else rows.height + quarantined.height
    received = rows["received_at"].drop_nulls()
    local = received.dt.convert_time_zone(time_zone)
    by_hour = _by_hour(received, time_zone)
    first = rows.unique("incident_id", keep="first", maintain_order=True).height
    duplicates = rows.height - rows.unique(maintain_order=False).height
    closed = rows.filter(
        (pl.col("status") == "closed") | (pl.col("status").is_null() & pl.col("closed_at").is_not_null())
    )
    lasted = closed["closed_at"] - closed["received_at"]
    unknown_area = rows["area_id"].is_null()
    if known_areas is not None:
        unknown_area |= ~rows["area_id"].is_in(list(known_areas)).fill_null(value=False)
    masked = _days_masked(outages, rows, time_zone)
    return QualityReport(
        time_zone=time_zone,
        rows_read=read,
        rows_valid=rows.height,
        set_aside=Count.of(quarantined.height, read),
        duplicates=Count.of(duplicates, rows.height),
        reissued=Count.of(rows.height - first - duplicates, rows.height),
        first_at=_instant(received.min()),
        last_at=_instant(received.max()),
        days=int(local.dt.date().n_unique()),
        missing={
            name: Count.of(rows[name].null_count(), rows.height)
            for name in ("dispatched_at", "arrived_at", "cleared_at", "closed_at", "grade_code", "units", "longitude")
        },
        open_logs=Count.of(int((rows["status"] == "open").sum()), rows.height),
        closed_logs=Count.of(closed.height, rows.height),
        zero_duration=Count.of(int((lasted == timedelta(0)).sum()), closed.height),
        under_30_seconds=Count.of(int((lasted < timedelta(seconds=30)).sum()), closed.height),
        origins=_shares(rows["origin"]),
        classes=_shares(rows["class_code"]),
        common_codes=_codes(rows.filter(pl.col("opening_code").is_not_null()))[:8],
        unknown_codes=_codes(rows.filter(pl.col("class_code") == "unknown")),
        areas=rows["area_id"].drop_nulls().n_unique(),
        unknown_areas=Count.of(int(unknown_area.sum()), rows.height),
        place_rules={rule: Count.of(number, rows.height) for rule, number in placed.counts.items()} if placed else {},
        place_notes=(placed.found if placed else find_default_points(rows)).notes(),
        rules=[
            RuleCount(each["rule"], each["kind"], each["words"], Count.of(each["rows"], read))
            for each in rules.iter_rows(named=True)
        ],
        hours_masked=float((outages["ends_at"] - outages["starts_at"]).dt.total_minutes().sum()) / 60,
        days_without_incidents=masked["empty"],
        partial_days=masked["partial"],
        touched_days=masked["touched"],
        few_days=masked["few"],
        runs=stretches_believed(rows, outages),
        outages=outages.to_dicts(),
        levels=_levels(received, outages, time_zone),
        busiest_hour=int(np.argmax(by_hour)) if received.len() else None,
        is_to_the_minute=received.len() >= _ENOUGH_TIMES and not (received.dt.second() > 0).any(),
        clock=judge_clock(received, time_zone),
        first_set_aside=list(quarantined.sort("row_number").head(5).select("row_number", "reason").iter_rows()),
        notes=list(notes),
    )


def _instant(at: Any) -> datetime | None:
    return at if isinstance(at, datetime) else None


def _shares(column: pl.Series) -> dict[str, Count]:
    counted = column.alias("value").value_counts().sort("count", "value", descending=[True, False])
    return {value: Count.of(rows, column.len()) for value, rows in counted.iter_rows()}


def _codes(rows: pl.DataFrame) -> list[tuple[str, int]]:
    codes = rows.select(code=pl.col("opening_code").fill_null("no code"))
    counted = codes.group_by("code").agg(rows=pl.len()).sort("rows", "code", descending=[True, False])
    return list(counted.iter_rows())


def _levels(received: pl.Series, outages: pl.DataFrame, time_zone: str) -> list[Level]:
    """Count incidents a day by local month over the hours that are believed."""
    first, last = received.min(), received.max()
    if not (isinstance(first, datetime) and isinstance(last, datetime)):
        return []
    # The hour that the first incident lies in began less than an hour before it.
    begin = first - timedelta(hours=1) + timedelta(microseconds=1)
    hours = periods.hours_between(time_zone, begin, last + timedelta(seconds=1)).to_frame()
    masked = [
        periods.hours_between(time_zone, starts_at, ends_at)
        for starts_at, ends_at in outages.select("starts_at", "ends_at").iter_rows()
    ]
    believed = hours.filter(~pl.col("hour_starting").is_in(pl.concat(masked).to_list())) if masked else hours
    at = (
        received.sort()
        .to_frame("at")
        .join_asof(
            believed.with_columns(hour=pl.col("hour_starting")).sort("hour_starting"),
            left_on="at",
            right_on="hour_starting",
        )
    )
    came = at.filter(pl.col("at") - pl.col("hour") < timedelta(hours=1)).group_by("hour").agg(incidents=pl.len())
    month = pl.col("hour_starting").dt.convert_time_zone(time_zone).dt.strftime("%Y-%m")
    by_month = (
        believed.join(came, left_on="hour_starting", right_on="hour", how="left")
        .group_by(month=month)
        .agg(hours=pl.len(), incidents=pl.col("incidents").sum())
        .sort("month")
    )
    return [Level(name, 24 * incidents / hours, hours / 24) for name, hours, incidents in by_month.iter_rows()]


def _change(before: Level, after: Level) -> float:
    return after.incidents_a_day / before.incidents_a_day - 1 if before.incidents_a_day else 0.0


def _days_masked(outages: pl.DataFrame, rows: pl.DataFrame, time_zone: str) -> dict[str, list[date]]:
    """Sort the days that are masked: empty ones, masked whole for having too few, half or more, or less than half."""
    hours = [
        periods.hours_between(time_zone, starts_at, ends_at)
        for starts_at, ends_at in outages.select("starts_at", "ends_at").iter_rows()
    ]
    if not hours:
        return {"empty": [], "few": [], "partial": [], "touched": []}
    rules = pl.concat(
        [pl.Series([rule]).new_from_index(0, len(each)) for rule, each in zip(outages["rule"], hours, strict=True)]
    )
    by_day = (
        pl.DataFrame({"rule": rules, "day": periods.local_parts(pl.concat(hours), time_zone)["day"]})
        .group_by("day")
        .agg(hours=pl.len(), is_whole=pl.col("rule").is_in(["few_incidents", "declared"]).any())
        .sort("day")
    )
    with_incidents = rows["received_at"].dt.convert_time_zone(time_zone).dt.date().unique().to_list()
    is_empty = ~pl.col("day").is_in(with_incidents)
    kind = (
        pl.when(is_empty)
        .then(pl.lit("empty"))
        .when("is_whole")
        .then(pl.lit("few"))
        .when(pl.col("hours") >= 12)
        .then(pl.lit("partial"))
        .otherwise(pl.lit("touched"))
    )
    named = by_day.select("day", kind=kind)
    return {
        each: named.filter(pl.col("kind") == each)["day"].to_list() for each in ("empty", "few", "partial", "touched")
    }


def _by_hour(received: pl.Series, time_zone: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.bincount(received.dt.convert_time_zone(time_zone).dt.hour().to_numpy(), minlength=24)


def judge_clock(received: pl.Series, time_zone: str) -> Clock:
    """Judge from instants whether they were read by the right clock.

    Calls are fewest in the small hours everywhere, so the quietest three hours should begin between 1 and 5 by the
    force's clock. Where they do so only by UTC, local times were labelled UTC. Where the two clocks are too near to
    tell (Britain), the night of the spring change tells: an hour that holds no incident by the UTC clock, on just the
    nights when the force's clock skips it, was never UTC.
    """
    if received.len() < 500:
        return Clock("too_few", None, None, 0, 0, 0.0, 0, "Fewer than 500 incidents: too few to judge the clock by.")
    local, utc = _quietest(_by_hour(received, time_zone)), _quietest(_by_hour(received, "UTC"))
    nights, found, usual = _spring_nights(received, time_zone)
    repeated = _in_repeated_hours(received, time_zone)
    small_hours = range(1, 6)
    night_words = ""
    if nights:
        night_words = (
            f" The hour that the clock skips on {count_of(nights, 'spring night')}, taken by UTC, holds "
            f"{count_of(found, 'incident')} where about {usual:,.0f} are usual."
        )
    if repeated:
        night_words += f" {count_of(repeated, 'incident')} in the hour that comes twice in autumn."
    if nights and usual >= 8 and found <= 0.15 * usual:
        verdict = "local_labelled_utc"
        words = (
            f"These look like local times labelled UTC: the hour that {time_zone} skips in spring is empty by the UTC "
            f'clock.{night_words} Write time_zone = "{time_zone}" in the column map.'
        )
    elif local in small_hours:
        verdict = "agrees"
        words = (
            f"The quietest hours begin at {local:02d}:00 by the clock of {time_zone} (at {utc:02d}:00 by UTC), as they "
            f"should: the times were read by the right clock.{night_words if repeated else ''}"
        )
    elif utc in small_hours:
        verdict = "local_labelled_utc"
        words = (
            f"The quietest hours begin at {local:02d}:00 by the clock of {time_zone} but at {utc:02d}:00 by UTC: these "
            f'look like local times labelled UTC. Write time_zone = "{time_zone}" in the column map.'
        )
    elif _quietest_if_utc_was_read_as_local(received, time_zone) in small_hours:
        verdict = "utc_read_as_local"
        words = (
            f"The quietest hours begin at {local:02d}:00 by the clock of {time_zone}: these look like times in UTC "
            f'that were read as local. Write time_zone = "UTC" in the column map.'
        )
    else:
        verdict = "odd"
        words = (
            f"The quietest hours begin at {local:02d}:00 by the clock of {time_zone}, where 01:00 to 05:00 was "
            f"expected: check the time zone."
        )
    return Clock(verdict, local, utc, nights, found, usual, repeated, words)


def _quietest(by_hour: np.ndarray[Any, np.dtype[np.int64]]) -> int:
    around = np.concatenate([by_hour, by_hour[: _QUIET_HOURS - 1]])
    return int(np.argmin(np.convolve(around, np.ones(_QUIET_HOURS, dtype=int), mode="valid")))


def _quietest_if_utc_was_read_as_local(received: pl.Series, time_zone: str) -> int:
    as_written = received.dt.convert_time_zone(time_zone).dt.replace_time_zone(None).dt.replace_time_zone("UTC")
    return _quietest(_by_hour(as_written, time_zone))


def _spring_nights(received: pl.Series, time_zone: str) -> tuple[int, int, float]:
    """Count spring nights inside the record, and what stands by the UTC clock in the hours that they skip.

    Gives (nights, incidents found, incidents usual: those at the same clock hours a week before and after).
    """
    first, last = received.min(), received.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    week = timedelta(days=7)
    nights, found, usual = 0, 0, 0.0
    for at, seconds in periods.clock_changes(time_zone, first + week, last - week):
        if seconds <= 0:
            continue
        before = at.astimezone(periods.zone(time_zone)).utcoffset()
        assert before is not None
        # The wall clock's skipped hour, taken as if it were UTC.
        skipped = (at + before - timedelta(seconds=seconds)).astimezone(UTC)
        length = timedelta(seconds=seconds)
        near = [
            int(received.is_between(skipped + days, skipped + days + length, closed="left").sum())
            for days in (-week, week)
        ]
        if min(near) == 0:
            continue
        nights += 1
        usual += sum(near) / 2
        found += int(received.is_between(skipped, skipped + length, closed="left").sum())
    return nights, found, usual


def _in_repeated_hours(received: pl.Series, time_zone: str) -> int:
    first, last = received.min(), received.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    inside = 0
    for at, seconds in periods.clock_changes(time_zone, first, last):
        if seconds < 0:
            length = timedelta(seconds=-seconds)
            inside += int(received.is_between(at - length, at + length, closed="left").sum())
    return inside


def _percent(share: float) -> str:
    if 0 < share < 0.001:
        return "under 0.1%"
    return f"{share:.1%}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value
