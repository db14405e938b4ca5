"""What happened, when and where, for analyses that ask of it: recorded offences, or incidents of the classes of crime.

Each is one row with one moment and one point. A time known only as a range is drawn once within it (`aoristic.draw`),
because an analysis that asks whether two things came within a week of each other has no use for parts of them; one with
a range of more than a week, or without any time, says too little and is left out. What is left out is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from bluelamp import aoristic, redrawn, settled
from bluelamp import settings as settings_
from bluelamp.errors import NoInput, UsageError, count_of, did_you_mean, one_of
from bluelamp.incidents.default_points import find_default_points
from bluelamp.settings import Settings
from bluelamp.store import Store

KINDS = ("offences", "incidents")
LONGEST = timedelta(days=7)
_COLUMNS = ("class_code", "area_id", "longitude", "latitude", "from_at", "to_at")


@dataclass(frozen=True)
class Occurrences:
    """What happened, one row each: `occurrence_id`, `at`, `day` (local date), `class_code`, `area_id` (as
    it was named), `longitude`, `latitude`; `notes` say what was left out and what was drawn.

    `areas` is the force's own table of them, read at the same moment; it may be empty. `known` are the first and the
    last day of which anything is known, whatever days were asked for.
    """

    rows: pl.DataFrame
    areas: pl.DataFrame
    kind: str
    class_codes: tuple[str, ...]
    notes: list[str]
    settings: Settings
    known: tuple[date, date] | None = None

    @property
    def what(self) -> str:
        """Say what they are, in words."""
        classes = " or ".join(code.replace("_", " ") for code in self.class_codes)
        return f"{self.kind} of {classes}" if classes else f"{self.kind} of all classes of crime"

    @property
    def when(self) -> str:
        """Say on which days the first and the last of them were."""
        first, last = self.rows["day"].min(), self.rows["day"].max()
        return f"{first!s} to {last!s}" if self.rows.height else "on no day"

    @property
    def noun(self) -> str:
        """Name one of them."""
        return self.kind.removesuffix("s")


def read_occurrences(
    folder: Path | str,
    *,
    kind: str | None = None,
    class_codes: Sequence[str] = (),
    since: date | None = None,
    until: date | None = None,
) -> Occurrences:
    """Read what happened from a force's store, between two local days, both included.

    `kind` is 'offences' or 'incidents'; by default offences where the force has any. Of incidents count those of
    origins that drive the forecast, so that what patrols find is no part of it, and without `class_codes` those of
    classes of crime. Whatever lies at a default point that the force lists is left out: nobody knows where it was.

    Raises NoInput where there is nothing, UsageError for a class that nothing has.
    """
    settings, still = settings_.read(folder), Store(folder).snapshot()
    if kind is not None and kind not in KINDS:
        raise UsageError(f"'{kind}' is neither: {one_of(KINDS)} was expected.{did_you_mean(kind, KINDS)}")
    kind = kind or ("incidents" if still.read("offences").is_empty() else "offences")
    noun = kind.removesuffix("s")
    notes: list[str] = []
    zone = settings.force.time_zone
    found = _offences(still, zone, notes) if kind == "offences" else _incidents(still, settings)
    if found.is_empty():
        raise NoInput(f"The force in '{folder}' has no {kind} yet. 'bluelamp import {folder} FILE' brings them in.")
    known = found["class_code"].unique().sort().to_list()
    strange = [code for code in class_codes if code not in known]
    if strange:
        raise UsageError(
            f"No {noun} is of class {one_of(strange)}.{did_you_mean(strange[0], known)} There are: {', '.join(known)}."
        )
    wanted = list(class_codes) or (
        [code for code in known if code in settings.offending.classes] if kind == "incidents" else known
    )
    found = found.filter(pl.col("class_code").is_in(wanted)).sort("occurrence_id")
    found = _at_one_moment(found, noun, zone, notes)
    days = found["day"].min(), found["day"].max()
    found = found.filter(pl.col("day").is_between(since or date.min, until or date.max))
    rows = _placed(found, noun, settings, notes).select("occurrence_id", "at", "day", *_COLUMNS[:4])
    areas = redrawn.that_hold(still.read("areas"))
    known_days = (days[0], days[1]) if isinstance(days[0], date) and isinstance(days[1], date) else None
    return Occurrences(rows, areas, kind, tuple(class_codes), notes, settings, known_days)


def _offences(still: Store, time_zone: str, notes: list[str]) -> pl.DataFrame:
    found, only_month = aoristic.over_their_month(still.read("offences"), time_zone)
    if only_month:
        notes.append(
            f"{count_of(only_month, 'offence')} at the midnight that begins a month, which stands for a day that "
            "nobody knows, left out as ranges of a month are."
        )
    found = found.select(*_COLUMNS, occurrence_id="offence_id")
    return found.with_columns(place_token=pl.lit(None, pl.String), origin=pl.lit("public"))


def _incidents(still: Store, settings: Settings) -> pl.DataFrame:
    calls = settled.leave_out_merged(still.read("incidents"), [])
    return calls.filter(pl.col("origin").is_in(list(settings.demand.origins))).select(
        *_COLUMNS[:4], "place_token", "origin", occurrence_id="incident_id", from_at="received_at", to_at="received_at",
    )  # fmt: skip


def _at_one_moment(found: pl.DataFrame, noun: str, time_zone: str, notes: list[str]) -> pl.DataFrame:
    start, end = aoristic.ranges(pl.col("from_at"), pl.col("to_at"))
    known = found.filter(start.is_not_null() & (end - start <= LONGEST))
    left_out = found.height - known.height
    if left_out:
        notes.append(
            f"{count_of(left_out, noun)} ({left_out / found.height:.1%}) left out: without any time, "
            "or with a range of more than a week."
        )
    local = [each.dt.convert_time_zone(time_zone).dt.date() for each in (start, end)]
    drawn = known.select((local[0] != local[1]).sum()).item()
    if drawn:
        share = drawn / known.height
        notes.append(
            f"{count_of(drawn, noun)} ({share:.1%}) with a range over more than one day: given one moment of it."
        )
    at = aoristic.draw(known.select("from_at", "to_at"))
    return known.with_columns(at=at, day=at.dt.convert_time_zone(time_zone).dt.date())


def _placed(found: pl.DataFrame, noun: str, settings: Settings, notes: list[str]) -> pl.DataFrame:
    at_default = find_default_points(found, settings.areas.default_points).rows["at_default_point"]
    if at_default.any():
        left_out = int(at_default.sum())
        notes.append(
            f"{count_of(left_out, noun)} ({left_out / found.height:.1%}) left out: they are put at a "
            "default point, and nobody knows where they happened."
        )
    return found.filter(~at_default)
