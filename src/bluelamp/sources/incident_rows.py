"""What is particular to incidents: the order of their steps, their class and origin, their place, and their number."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from bluelamp.sources.column_maps import ColumnMap
from bluelamp.sources.crosswalks import UNMAPPED, classes, classify, meanings
from bluelamp.sources.points import PointRules
from bluelamp.sources.rules import Repairs

_STEPS = ("received_at", "dispatched_at", "arrived_at", "cleared_at", "closed_at")
# (step, the step that it can't precede, the step that is emptied where it does)
_ORDER = (
    ("dispatched_at", "received_at", "dispatched_at"),
    ("arrived_at", "received_at", "arrived_at"),
    # The arrival is what a response is measured by, and an officer who is there already is booked on afterwards.
    ("arrived_at", "dispatched_at", "dispatched_at"),
    ("cleared_at", "received_at", "cleared_at"),
    ("cleared_at", "dispatched_at", "cleared_at"),
    ("cleared_at", "arrived_at", "cleared_at"),
    ("closed_at", "received_at", "closed_at"),
)


@dataclass
class IncidentRules:
    """The rules for one extract of incidents; it remembers what it saw of the file so far."""

    column_map: ColumnMap
    points: PointRules
    _occurrences: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """Forget what was seen, to read the file from its start."""
        self._occurrences = Counter()
        self.points.middle = None

    def apply(
        self,
        frame: pl.DataFrame,
        raw: pl.DataFrame,
        texts: dict[str, pl.Series],
        seconds: dict[str, pl.Series],
        repairs: Repairs,
    ) -> pl.DataFrame:
        """Put a stretch of incidents right by rule.

        `frame` has the table's columns, `raw` the file's and `texts` the fields' text; `seconds` has the second reading
        of local times that come twice.
        """
        frame = self._number(frame, raw, repairs)
        frame = _order_steps(_read_as_second(frame, seconds, repairs), repairs)
        frame = self._classify(frame, repairs)
        if "longitude" in texts and "latitude" in texts:
            written = texts["longitude"].is_not_null() | texts["latitude"].is_not_null()
            places = self.points.apply(frame["longitude"], frame["latitude"], is_written=written, repairs=repairs)
            frame = frame.with_columns(places)
        if self.column_map.no_unit_no_arrival:
            frame = _empty_where_no_unit(frame, repairs)
        frame = _know_status(frame, repairs)
        lasted = frame["closed_at"] - frame["received_at"]
        repairs.note("zero_duration", lasted == timedelta(0))
        repairs.note("under_30_seconds", lasted < timedelta(seconds=30))
        if "area_id" in texts:
            repairs.note("area_missing", frame["area_id"].is_null())
        return frame

    def _number(self, frame: pl.DataFrame, raw: pl.DataFrame, repairs: Repairs) -> pl.DataFrame:
        """Number rows that have no id by their content and by how often it came before."""
        nameless = frame["incident_id"].is_null()
        if not nameless.any():
            return frame
        repairs.note("row_without_id", nameless)
        content = raw.filter(nameless).select(pl.concat_str(pl.all().fill_null(""), separator="\x1f")).to_series()
        ids = []
        for text in content:
            digest = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
            self._occurrences[digest] += 1
            ids.append(f"{digest}-{self._occurrences[digest]}")
        return frame.with_columns(frame["incident_id"].scatter(nameless.arg_true(), ids))

    def _classify(self, frame: pl.DataFrame, repairs: Repairs) -> pl.DataFrame:
        rules = self.column_map.crosswalk
        if rules:
            codes = frame.select(code="opening_code", description="opening_description")
            found = meanings(classify(codes, rules, self.column_map.crosswalk_separator), rules)
            frame = frame.with_columns(pl.coalesce(name, found[name]).alias(name) for name in ("class_code", "origin"))
        if not self.column_map.uses_own_names:
            repairs.note("unknown_code", frame["class_code"].is_null())
            frame = frame.with_columns(pl.col("class_code", "origin").fill_null(UNMAPPED))
        strange = (~frame["class_code"].is_in(list(classes()))).fill_null(value=False)
        repairs.add("unknown_class", strange)
        return frame.with_columns(class_code=pl.when(strange).then(pl.lit(UNMAPPED)).otherwise(pl.col("class_code")))


def _read_as_second(frame: pl.DataFrame, seconds: dict[str, pl.Series], repairs: Repairs) -> pl.DataFrame:
    """Read a time that comes twice as the second of the two where, as the first, it would precede an earlier step."""
    for step in _STEPS[1:]:
        second = seconds.get(step)
        if second is None or not second.is_not_null().any():
            continue
        floor = frame.select(pl.max_horizontal(_STEPS[: _STEPS.index(step)])).to_series()
        later = ((frame[step] < floor) & (second >= floor)).fill_null(value=False)
        repairs.add("time_read_as_second", later)
        frame = frame.with_columns(pl.when(later).then(second).otherwise(pl.col(step)).alias(step))
    return frame


def _order_steps(frame: pl.DataFrame, repairs: Repairs) -> pl.DataFrame:
    """Hold the steps of an incident to their order, emptying by rule what can't be."""
    for step, earlier, emptied in _ORDER:
        wrong = (frame[step] < frame[earlier]).fill_null(value=False)
        if wrong.any():
            repairs.add(f"{step[:-3]}_before_{earlier[:-3]}", wrong)
            frame = frame.with_columns(pl.when(~wrong).then(pl.col(emptied)).alias(emptied))
    return frame


def _empty_where_no_unit(frame: pl.DataFrame, repairs: Repairs) -> pl.DataFrame:
    alone = (frame["units"] == 0).fill_null(value=False)
    repairs.add("no_unit_attended", alone & (frame["dispatched_at"].is_not_null() | frame["arrived_at"].is_not_null()))
    return frame.with_columns(pl.when(~alone).then(pl.col("dispatched_at", "arrived_at")).name.keep())


def _know_status(frame: pl.DataFrame, repairs: Repairs) -> pl.DataFrame:
    strange = (~frame["status"].is_in(["open", "closed"])).fill_null(value=False)
    repairs.add("unknown_status", strange)
    return frame.with_columns(status=pl.when(~strange).then(pl.col("status")))
