"""Extracts: a feed's file read through its column map, each row either valid for its table or set aside with the reason.

Nothing is dropped, and nothing is changed but by a rule of `RULES`; how many rows each rule touched is counted. A value
that can't be right is emptied, never invented. Rows are read in stretches, so that memory does not grow with the file.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from bluelamp import periods, tables
from bluelamp.errors import BadData, count_of, did_you_mean
from bluelamp.sources.column_maps import Column, ColumnMap, classes
from bluelamp.sources.delimited import BrokenRow, DelimitedFile, RowChunk
from bluelamp.sources.points import PointRules
from bluelamp.sources.rules import RULES, Faults, Repairs
from bluelamp.sources.times import DateOrderEvidence, needs_date_order, read_times

_STEPS = ("dispatched_at", "arrived_at", "cleared_at", "closed_at")


@dataclass(frozen=True)
class Chunk:
    """A stretch of an extract.

    `rows` is valid for the table (repeated keys are not looked for) and `row_numbers` says where each row stands;
    `quarantined` has the table `quarantine`'s columns. rows_read = rows.height + quarantined.height, always.
    """

    rows: pl.DataFrame
    row_numbers: pl.Series
    quarantined: pl.DataFrame
    rows_read: int
    share_read: float


@dataclass
class Extract:
    """A file about to be read; go through it for its chunks. What was counted is complete after the last one."""

    file: DelimitedFile
    column_map: ColumnMap
    time_zone: str
    table: tables.Table
    as_of: datetime
    chunk_rows: int
    points: PointRules
    rows_read: int = 0
    rule_counts: Counter[str] = field(default_factory=Counter)
    _districts: list[pl.DataFrame] = field(default_factory=list)
    _date_order: str = "detect"
    _occurrences: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Chunk]:
        self.rows_read = 0
        self.rule_counts = Counter()
        self._districts = []
        self._occurrences = Counter()
        for stretch in self.file.chunks(self.chunk_rows):
            self._stop_where_nothing_fits(stretch)
            chunk = self._read(stretch)
            self.rows_read += chunk.rows_read
            yield chunk

    @property
    def notes(self) -> list[str]:
        """What a reader of the import should know beside the rules, in sentences."""
        notes = []
        unused = [name for name in self.file.columns if name and name not in self.column_map.file_columns]
        if unused:
            notes.append(f"Columns not read: {', '.join(unused[:30])}.")
        if self.file.blank_rows:
            notes.append(f"{count_of(self.file.blank_rows, 'blank line')} passed over.")
        if self.file.ends_mid_line:
            notes.append("The last line has no line end: the file may have been cut off.")
        return notes

    def rules(self) -> pl.DataFrame:
        """Give the rules that touched a row: `rule`, `kind` (set_aside, changed, noted), `rows`, `words`."""
        rows = [
            {"rule": code, "kind": rule.kind, "rows": self.rule_counts[code], "words": rule.words}
            for code, rule in RULES.items()
            if self.rule_counts[code]
        ]
        return pl.DataFrame(rows, schema={"rule": pl.String, "kind": pl.String, "rows": pl.Int64, "words": pl.String})

    def districts(self) -> pl.DataFrame:
        """Give what the rows say about which district an area lies in: `area_id`, `district`, `incidents`."""
        shape = {"area_id": pl.String, "district": pl.String, "incidents": pl.Int64}
        if not self._districts:
            return pl.DataFrame(schema=shape)
        together = pl.concat(self._districts).group_by("area_id", "district").agg(pl.col("incidents").sum())
        return together.sort("area_id", "district")

    def _stop_where_nothing_fits(self, stretch: RowChunk) -> None:
        if self.rows_read == 0 and stretch.rows_read >= 1000 and len(stretch.broken) > 0.9 * stretch.rows_read:
            raise BadData(
                f"{len(stretch.broken):,} of the first {stretch.rows_read:,} rows of {self.file.name} are not as wide "
                f"as its header. That is not a fault of single rows: check the delimiter and the line ends.",
                [f"Row {each.row_number}: {each.reason}" for each in stretch.broken[:3]],
            )

    def _read(self, stretch: RowChunk) -> Chunk:
        raw = self._columns(stretch.values)
        faulty = Faults(raw.height)
        repairs = Repairs()
        raw = self._unswap(raw, repairs)
        fields = {name: _text_of(raw, spec) for name, spec in self.column_map.columns.items()}
        frame = self._typed(raw, fields, faulty, repairs)
        if self.table.name == "incidents":
            frame = self._make_incidents(raw, fields, frame, faulty, repairs)
        self._check(frame, faulty)
        self._count_districts(raw, frame, faulty)
        broken = self._count(stretch, faulty, repairs, frame)
        good = ~faulty.any_of()
        quarantined = self._quarantine(stretch, faulty, broken)
        numbers = stretch.row_numbers.alias("row_number")
        return Chunk(frame.filter(good), numbers.filter(good), quarantined, stretch.rows_read, stretch.share_read)

    def _columns(self, values: pl.DataFrame) -> pl.DataFrame:
        """Give the columns that the map reads under their names, spaces around values taken off, empty ones null."""
        place = {name: str(at) for at, name in enumerate(self.file.columns)}
        wanted = [name for name in self.column_map.file_columns if name in place]
        return values.select(pl.col(place[name]).str.strip_chars().replace("", None).alias(name) for name in wanted)

    def _unswap(self, raw: pl.DataFrame, repairs: Repairs) -> pl.DataFrame:
        for swap in self.column_map.swapped:
            code, words = pl.col(swap.code), pl.col(swap.description)
            pattern = f"^(?:{swap.code_looks_like})$"
            wrong = raw.select(
                (words.str.contains(pattern) & code.is_not_null() & ~code.str.contains(pattern)).fill_null(value=False)
            ).to_series()
            repairs.add("code_and_words_swapped", wrong)
            if wrong.any():
                raw = raw.with_columns(
                    pl.when(wrong).then(words).otherwise(code).alias(swap.code),
                    pl.when(wrong).then(code).otherwise(words).alias(swap.description),
                )
        return raw

    def _typed(self, raw: pl.DataFrame, fields: dict[str, pl.Series], faulty: Faults, repairs: Repairs) -> pl.DataFrame:
        """Turn text into the table's types, with what can't be read set aside or emptied by rule."""
        columns: dict[str, pl.Series] = {}
        is_incident = self.table.name == "incidents"
        times = [each for each in self.table.fields if each.type == "datetime" and each.name in fields]
        seconds: dict[str, pl.Series] = {}
        for each in times:
            columns[each.name], seconds[each.name] = self._time(each, fields[each.name], faulty, repairs)
        if is_incident:
            self._order_steps(columns, seconds, repairs)
        loose = {"longitude", "latitude", "units"} if is_incident else set()
        others = [name for name in fields if name not in columns and name not in loose]
        typed, unreadable = tables.parse(pl.DataFrame({name: fields[name] for name in others}), self.table.name)
        for (name, code, reason), rows in unreadable.group_by("field", "reason_code", "reason", maintain_order=True):
            faulty.add_rows(str(name), str(code), str(reason), rows["row"])
        columns |= {name: typed[name] for name in others}
        for name in loose & set(fields):
            wanted = pl.Int64 if name == "units" and not self.column_map.columns[name].count_split_by else pl.Float64
            columns[name] = fields[name].cast(wanted, strict=False)
        height = raw.height
        return pl.DataFrame(
            {
                each.name: columns.get(each.name, pl.Series([None], dtype=each.polars).new_from_index(0, height))
                for each in self.table.fields
            }
        ).cast({name: kind for name, kind in self.table.polars_schema.items() if name in columns})

    def _time(
        self, each: tables.Field, text: pl.Series, faulty: Faults, repairs: Repairs
    ) -> tuple[pl.Series, pl.Series]:
        """Read one column of times: the instants, and the second reading where a local time comes twice."""
        order = self._order_of_dates(text)
        form = self.column_map.columns[each.name].format
        read = read_times(text, order=order, time_zone=self.time_zone, time_format=form)
        at = read["at"]
        earliest = datetime(self.column_map.earliest_year, 1, 1, tzinfo=UTC)
        # Dates of plans (duties, events) lie ahead by nature; only what was recorded can't be later than its export.
        latest = self.as_of + timedelta(days=1) if self.table.name == "incidents" else datetime(2200, 1, 1, tzinfo=UTC)
        impossible = ((at < earliest) | (at > latest)).fill_null(value=False)
        faulty.add(
            each.name,
            "lacks_offset",
            read["lacks_offset"],
            lambda: f"'{each.name}' does not say its offset; a time such as 2026-11-23T18:00:00Z was expected.",
        )
        if each.required:
            faulty.add(
                each.name, "missing_time", text.is_null(), lambda: f"'{each.name}' is empty; a time was expected."
            )
            faulty.add(
                each.name,
                "unreadable_time",
                read["is_unreadable"],
                lambda: f"'{each.name}' can't be read as a time; one such as 2026-11-23 18:00:00 was expected.",
            )
            faulty.add(
                each.name,
                "impossible_time",
                impossible,
                lambda: f"'{each.name}' is not between {earliest:%Y-%m-%d} and {latest:%Y-%m-%d}.",
            )
        else:
            repairs.add("time_emptied_unreadable", read["is_unreadable"])
            repairs.add("time_emptied_impossible", impossible)
        at = pl.select(pl.when(~impossible).then(at)).to_series().alias(each.name)
        twice = read["comes_twice"] & ~impossible
        repairs.add("time_comes_twice", twice)
        repairs.add("time_is_skipped", read["is_skipped"] & ~impossible)
        second = pl.Series([None], dtype=periods.INSTANT).new_from_index(0, len(at))
        if twice.any():
            zone_name = self.time_zone
            later = read["wall"].dt.replace_time_zone(zone_name, ambiguous="latest", non_existent="null")
            second = pl.select(pl.when(twice).then(later.dt.convert_time_zone("UTC"))).to_series()
        return at, second

    def _order_of_dates(self, text: pl.Series) -> str:
        order = self.column_map.date_order if self.column_map.date_order != "detect" else self._date_order
        if order == "detect" and needs_date_order(text):
            evidence = DateOrderEvidence()
            for stretch in self.file.chunks(self.chunk_rows):
                raw = self._columns(stretch.values)
                for each in self.table.fields:
                    if each.type == "datetime" and each.name in self.column_map.columns:
                        evidence.add(_text_of(raw, self.column_map.columns[each.name]))
            self._date_order = order = evidence.decide(self.file.name)
        return order

    def _order_steps(self, columns: dict[str, pl.Series], seconds: dict[str, pl.Series], repairs: Repairs) -> None:
        """Hold the steps of an incident to their order, emptying by rule what can't be."""
        frame = pl.DataFrame(columns)
        for step in _STEPS:
            if step not in columns or not seconds[step].is_not_null().any():
                continue
            before = [name for name in ("received_at", *_STEPS[: _STEPS.index(step)]) if name in columns]
            floor = frame.select(pl.max_horizontal(before)).to_series()
            later = ((frame[step] < floor) & (seconds[step] >= floor)).fill_null(value=False)
            repairs.add("time_read_as_second", later)
            frame = frame.with_columns(pl.when(later).then(seconds[step]).otherwise(pl.col(step)).alias(step))
        for step, earlier, emptied in (
            ("dispatched_at", "received_at", "dispatched_at"),
            ("arrived_at", "received_at", "arrived_at"),
            ("arrived_at", "dispatched_at", "dispatched_at"),
            ("cleared_at", "received_at", "cleared_at"),
            ("cleared_at", "dispatched_at", "cleared_at"),
            ("cleared_at", "arrived_at", "cleared_at"),
            ("closed_at", "received_at", "closed_at"),
        ):
            if step in columns and earlier in columns:
                wrong = (frame[step] < frame[earlier]).fill_null(value=False)
                repairs.add(f"{step[:-3]}_before_{earlier[:-3]}", wrong)
                if wrong.any():
                    frame = frame.with_columns(pl.when(~wrong).then(pl.col(emptied)).alias(emptied))
        for name in columns:
            columns[name] = frame[name]

    def _make_incidents(
        self,
        raw: pl.DataFrame,
        fields: dict[str, pl.Series],
        frame: pl.DataFrame,
        faulty: Faults,
        repairs: Repairs,
    ) -> pl.DataFrame:
        frame = self._identify(raw, frame, repairs)
        frame = self._classify(frame, repairs)
        if "longitude" in fields and "latitude" in fields:
            written = fields["longitude"].is_not_null() | fields["latitude"].is_not_null()
            places = self.points.apply(frame["longitude"], frame["latitude"], is_written=written, repairs=repairs)
            frame = frame.with_columns(places)
        if self.column_map.no_unit_no_arrival:
            alone = (frame["units"] == 0).fill_null(value=False)
            had_times = frame["dispatched_at"].is_not_null() | frame["arrived_at"].is_not_null()
            repairs.add("no_unit_attended", alone & had_times)
            frame = frame.with_columns(
                pl.when(~alone).then(pl.col(name)).alias(name) for name in ("dispatched_at", "arrived_at")
            )
        if "status" in fields:
            known = ["open", "closed"]
            strange = (frame["status"].is_not_null() & ~frame["status"].is_in(known)).fill_null(value=False)
            repairs.add("unknown_status", strange)
            frame = frame.with_columns(status=pl.when(~strange).then(pl.col("status")))
        lasted = frame["closed_at"] - frame["received_at"]
        repairs.note("zero_duration", lasted == timedelta(0))
        repairs.note("under_30_seconds", (lasted < timedelta(seconds=30)))
        if "area_id" in fields:
            repairs.note("area_missing", frame["area_id"].is_null())
        return frame.with_columns(repairs=repairs.words(frame.height, given=frame["repairs"]))

    def _identify(self, raw: pl.DataFrame, frame: pl.DataFrame, repairs: Repairs) -> pl.DataFrame:
        """Number rows that have no id by their content and by how often it came before."""
        nameless = frame["incident_id"].is_null()
        repairs.note("row_without_id", nameless)
        if not nameless.any():
            return frame
        content = raw.filter(nameless).select(pl.concat_str(pl.all().fill_null(""), separator="\x1f")).to_series()
        ids = []
        for text in content:
            digest = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
            self._occurrences[digest] += 1
            ids.append(f"{digest}-{self._occurrences[digest]}")
        made = pl.Series([None], dtype=pl.String).new_from_index(0, frame.height).scatter(nameless.arg_true(), ids)
        return frame.with_columns(incident_id=pl.coalesce("incident_id", made))

    def _classify(self, frame: pl.DataFrame, repairs: Repairs) -> pl.DataFrame:
        if self.column_map.crosswalk:
            by_code = {
                code.casefold(): (group.class_code, group.origin)
                for group in self.column_map.crosswalk
                for code in group.codes
            }
            class_of = {code: pair[0] for code, pair in by_code.items()}
            origin_of = {code: pair[1] for code, pair in by_code.items()}
            code = pl.col("opening_code").str.to_lowercase()
            tries = [code]
            if (separator := self.column_map.crosswalk_separator) is not None:
                parts = code.str.split(separator)
                # Codes have few parts: the whole, then without the last one, then without the last two.
                tries += [parts.list.head(parts.list.len() - less).list.join(separator) for less in (1, 2)]
            found = [each.replace_strict(class_of, default=None, return_dtype=pl.String) for each in tries]
            origins = [each.replace_strict(origin_of, default=None, return_dtype=pl.String) for each in tries]
            frame = frame.with_columns(
                class_code=pl.coalesce("class_code", *found), origin=pl.coalesce("origin", *origins)
            )
        if not self.column_map.uses_own_names:
            repairs.note("unknown_code", frame["class_code"].is_null())
            frame = frame.with_columns(pl.col("class_code", "origin").fill_null("unknown"))
        strange = (frame["class_code"].is_not_null() & ~frame["class_code"].is_in(list(classes()))).fill_null(
            value=False
        )
        repairs.add("unknown_class", strange)
        return frame.with_columns(class_code=pl.when(strange).then(pl.lit("unknown")).otherwise(pl.col("class_code")))

    def _check(self, frame: pl.DataFrame, faulty: Faults) -> None:
        # Repeated keys are the import's business: same row twice, or new content under a known key.
        already = faulty.any_of()
        found = tables.faults(frame, self.table.name).filter(pl.col("reason_code") != "repeated_key")
        for row in found.iter_rows(named=True):
            if not already[row["row"]]:
                code = "missing" if row["reason_code"] == "missing" else "not_allowed"
                faulty.add_rows(row["field"], code, row["reason"], pl.Series([row["row"]], dtype=pl.Int64))

    def _count_districts(self, raw: pl.DataFrame, frame: pl.DataFrame, faulty: Faults) -> None:
        if self.column_map.district is None or self.table.name != "incidents":
            return
        seen = pl.DataFrame({"area_id": frame["area_id"], "district": _text_of(raw, self.column_map.district)})
        seen = seen.filter(~faulty.any_of()).drop_nulls()
        self._districts.append(seen.group_by("area_id", "district").agg(incidents=pl.len().cast(pl.Int64)))

    def _count(self, stretch: RowChunk, faulty: Faults, repairs: Repairs, frame: pl.DataFrame) -> list[BrokenRow]:
        for broken in stretch.broken:
            self.rule_counts[broken.reason_code] += 1
        self.rule_counts.update(faulty.counts())
        self.rule_counts.update(repairs.counts(~faulty.any_of()))
        return stretch.broken

    def _quarantine(self, stretch: RowChunk, faulty: Faults, broken: list[BrokenRow]) -> pl.DataFrame:
        rows = [
            (number, "", each.reason_code, each.reason, each.raw_row)
            for each in broken
            for number in (each.row_number,)
        ]
        for at, name, code, reason in faulty.first_of_each():
            raw = dict(zip(self.file.columns, stretch.values.row(at), strict=True))
            rows.append((stretch.row_numbers[at], name, code, reason, json.dumps(raw, ensure_ascii=False)))
        rows.sort()
        return pl.DataFrame(
            [(self.table.name, self.file.name, number, name or "row", *rest) for number, name, *rest in rows],
            schema=tables.table("quarantine").polars_schema,
            orient="row",
        )


def read_extract(
    path: Path | str,
    column_map: ColumnMap,
    *,
    time_zone: str,
    table: str = "incidents",
    chunk_rows: int = 100_000,
    as_of: datetime | None = None,
) -> Extract:
    """Open an extract for reading through its column map; go through the result for its chunks.

    `time_zone` is the force's own (used where the map says 'force'); `table` is asked only by maps for any table.
    `as_of` bounds recorded times: what lies more than a day after it is impossible; by default it is the file's own
    date. Raises NoInput, NotPermitted, BadData (no such column, wrong delimiter, wrong encoding, cut off, dates of two
    orders) and InputOutputError, some of them while reading: then nothing read so far may be used.
    """
    filled = column_map.filling(table) if column_map.table == "any" else column_map
    definition = tables.table(filled.table)
    times = [each.name for each in definition.fields if each.type in ("datetime", "date") and each.required]
    telling = next(
        (filled.columns[name].sources[0] for name in times if name in filled.columns and filled.columns[name].sources),
        None,
    )
    file = DelimitedFile(
        path, encoding=filled.encoding, delimiter=filled.delimiter, needed=filled.needed_columns, telling=telling
    )
    if column_map.table == "any":
        _refuse_unknown_columns(file, definition)
    clock = time_zone if filled.time_zone == "force" else filled.time_zone
    if clock != "stated":
        periods.zone(clock)
    exported = as_of or datetime.fromtimestamp(Path(path).stat().st_mtime, tz=UTC)
    return Extract(file, filled, clock, definition, exported, chunk_rows, PointRules(filled.crs, time_zone))


def _refuse_unknown_columns(file: DelimitedFile, definition: tables.Table) -> None:
    problems = [
        f"'{name}' is not a column of '{definition.name}'.{did_you_mean(name, definition.columns)}"
        for name in file.columns
        if name not in definition.by_name
    ]
    if problems:
        raise BadData(f"{file.name} has columns that '{definition.name}' does not know:", problems)


def _text_of(raw: pl.DataFrame, spec: Column) -> pl.Series:
    """Make one field's text from the columns that it comes from."""
    if spec.constant is not None:
        return pl.Series([spec.constant], dtype=pl.String).new_from_index(0, raw.height)
    there = [name for name in spec.sources if name in raw.columns]
    if not there:
        return pl.Series([None], dtype=pl.String).new_from_index(0, raw.height)
    text = pl.col(there[0])
    if len(there) > 1:
        text = pl.concat_str([pl.col(name) for name in there], separator=spec.join, ignore_nulls=True).replace("", None)
    if spec.empty_when:
        text = pl.when(~text.is_in(list(spec.empty_when))).then(text)
    if spec.words:
        folded = {word.casefold(): meaning for word, meaning in spec.words.items()}
        text = text.str.to_lowercase().replace_strict(folded, default=text, return_dtype=pl.String)
    if spec.count_split_by is not None:
        part = pl.element().str.strip_chars()
        counted = part.filter((part != "") & ~part.str.contains(f"^(?:{spec.not_counted or '$.'})$"))
        text = text.str.split(spec.count_split_by).list.eval(counted).list.n_unique().cast(pl.String)
    for name, values in spec.only_when.items():
        if name in raw.columns:
            text = pl.when(pl.col(name).is_in(list(values))).then(text)
    return raw.select(text).to_series()
