"""Extracts: a feed's file read through its column map, each row valid for its table or set aside with the reason.

Nothing is dropped, and nothing is changed but by a rule of `rules.RULES`; how many rows each touched is counted. A
value that can't be right is emptied, never invented. Rows are read in stretches, so that memory does not grow with the
file.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import polars as pl

from bluelamp import periods, tables
from bluelamp.errors import BadData, count_of, did_you_mean
from bluelamp.sources import tokens
from bluelamp.sources.column_maps import Column, ColumnMap
from bluelamp.sources.files import ExtractFile, Query, RowChunk, read_source
from bluelamp.sources.incident_rows import IncidentRules
from bluelamp.sources.points import PointRules
from bluelamp.sources.rules import RULES, Faults, Repairs
from bluelamp.sources.times import DateOrderEvidence, needs_date_order, read_times

_ENOUGH_TO_JUDGE = 100
_NOTHING_FITS = 0.98
_REASONS_TOLD = 5


@dataclass(frozen=True)
class Chunk:
    """A stretch of an extract.

    `rows` is valid for the table (repeated keys are not looked for) and `row_numbers` says where each row stands in the
    file; `quarantined` is a table `quarantine`. rows_read = rows.height + quarantined.height, always. `share_read` is
    the share of the file's bytes read so far. Where the column map has events or splits a list, a row of the file is as
    many rows here as it holds, each with the file's row number; the rule 'holds_no_row' counts those that hold none.
    """

    rows: pl.DataFrame
    row_numbers: pl.Series
    quarantined: pl.DataFrame
    rows_read: int
    share_read: float


@dataclass
class Extract:
    """A file about to be read; go through it for its chunks. What was counted is complete after the last one."""

    file: ExtractFile
    column_map: ColumnMap
    time_zone: str
    table: tables.Table
    as_of: datetime
    chunk_rows: int
    incident_rules: IncidentRules
    secret: Callable[[], bytes] | None = None
    rows_read: int = 0
    rule_counts: Counter[str] = field(default_factory=Counter)
    _districts: list[pl.DataFrame] = field(default_factory=list)
    _date_order: str = "detect"

    def __iter__(self) -> Iterator[Chunk]:
        self.rows_read = 0
        self.rule_counts = Counter()
        self._districts = []
        self.incident_rules.begin()
        for stretch in self.file.chunks(self.chunk_rows):
            chunk = self._read(stretch)
            if self.rows_read == 0:
                self._stop_where_nothing_fits(chunk)
            self.rows_read += chunk.rows_read
            yield chunk
        if self.rows_read == 0 and self.rule_counts["holds_no_row"]:
            raise BadData(
                f"None of the {self.rule_counts['holds_no_row']:,} rows of {self.file.name} has what a row of "
                f"'{self.table.name}' is made of, so that its column map ('{self.column_map.title}') can't be the "
                "right one. Nothing was imported."
            )

    @property
    def notes(self) -> list[str]:
        """What a reader of the import should know beside the rules, in sentences."""
        notes = []
        unused = [name for name in self.file.columns if name and name not in self.column_map.file_columns]
        if unused:
            notes.append(f"Columns not read: {', '.join(unused[:30])}.")
        return notes + self.file.notes + list(self.column_map.notes)

    @property
    def state(self) -> dict[str, str]:
        """What an import keeps with its batch, so that the next one begins where this one ended; often nothing."""
        state = self.file.state
        return state | {"way": _way(self.file.source, self.column_map)} if state else {}

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
        if not self._districts:
            return pl.DataFrame(schema={"area_id": pl.String, "district": pl.String, "incidents": pl.Int64})
        together = pl.concat(self._districts).group_by("area_id", "district").agg(pl.col("incidents").sum())
        return together.sort("area_id", "district")

    def _stop_where_nothing_fits(self, chunk: Chunk) -> None:
        """Refuse a file of which next to nothing can be read: that is a wrong map, not a thousand wrong rows."""
        aside = chunk.quarantined
        if chunk.rows_read < _ENOUGH_TO_JUDGE or aside.height < _NOTHING_FITS * chunk.rows_read:
            return
        raise BadData(
            f"{aside.height:,} of the first {chunk.rows_read:,} rows of {self.file.name} can't be used, so that its "
            f"column map ('{self.column_map.title}') can't be the right one. Nothing was imported.",
            reasons(aside),
        )

    def _read(self, stretch: RowChunk) -> Chunk:
        repairs = Repairs()
        raw = self._unswap(self._columns(stretch.values), repairs)
        texts = {name: _text_of(raw, spec) for name, spec in self.column_map.columns.items()}
        if self.column_map.events or any(spec.split_by is not None for spec in self.column_map.columns.values()):
            stretch, texts = self._spread(stretch, raw, texts)
        faults = Faults(stretch.values.height)
        self._make_tokens(texts, repairs)
        times = {name: self._time(name, text, faults, repairs) for name, text in texts.items() if self._is_time(name)}
        typed = self._typed({name: text for name, text in texts.items() if name not in times}, faults, repairs)
        columns = {name: at for name, (at, _) in times.items()} | typed
        frame = pl.DataFrame(
            {
                each.name: columns.get(each.name, _nothing(stretch.values.height, each.polars))
                for each in self.table.fields
            }
        )
        if self.table.name == "incidents":
            seconds = {name: second for name, (_, second) in times.items()}
            if frame["incident_id"].has_nulls():
                # A number made of a row's content must not give away who called.
                raw = raw.with_columns(self._hidden(raw[name], what) for name, what in self._token_columns.items())
            frame = self.incident_rules.apply(frame, raw, texts, seconds, repairs)
        frame = self._check(frame, faults, repairs)
        if self.table.name == "incidents":
            frame = frame.with_columns(repairs=repairs.words(frame.height, given=frame["repairs"]))
        good = ~faults.any_of()
        self._count(stretch, raw, frame, faults, repairs)
        return Chunk(
            frame.filter(good),
            stretch.row_numbers.alias("row_number").filter(good),
            self._quarantine(stretch, faults),
            stretch.rows_read,
            stretch.share_read,
        )

    def _spread(
        self, stretch: RowChunk, raw: pl.DataFrame, texts: dict[str, pl.Series]
    ) -> tuple[RowChunk, dict[str, pl.Series]]:
        """Give each event of a row, and each part of its list, a row of its own, in the file's order."""
        base = pl.DataFrame({"_row": pl.int_range(raw.height, eager=True)} | texts)
        rows = base
        if self.column_map.events:
            times = [each.name for each in self.table.fields if each.required and each.type == "datetime"]
            rows = pl.concat(
                base.with_columns(_text_of(raw, spec).alias(name) for name, spec in event.columns.items())
                .filter(pl.any_horizontal(pl.col(name).is_not_null() for name in times if name in event.columns))
                .with_columns(_event=pl.lit(number))
                for number, event in enumerate(self.column_map.events)
            ).sort("_row", "_event")
        for name, spec in self.column_map.specs:
            if spec.split_by is not None:
                parts = _parts_of(pl.col(name).str.split(spec.split_by), spec).list.unique(maintain_order=True)
                rows = rows.with_columns(parts.alias(name)).filter(pl.col(name).list.len() > 0).explode(name)
        empty = raw.height - rows["_row"].n_unique()
        if empty:
            self.rule_counts["holds_no_row"] += empty
        spread = replace(
            stretch, values=stretch.values[rows["_row"]], row_numbers=stretch.row_numbers.gather(rows["_row"])
        )
        return spread, {name: rows[name] for name in rows.columns if name not in ("_row", "_event")}

    @cached_property
    def _token_columns(self) -> dict[str, str]:
        """The file's columns that tokens are made of, with the field of each: what they hold is kept nowhere."""
        made = self.table.tokens
        filled = {source: name for name, spec in self.column_map.specs if name in made for source in spec.sources}
        return {column: name for column, name in filled.items() if column in self.file.columns}

    @cached_property
    def _key(self) -> bytes:
        assert self.secret is not None
        return self.secret()

    def _make_tokens(self, texts: dict[str, pl.Series], repairs: Repairs) -> None:
        """Put tokens in the place of what they are made of; a word for nobody or nowhere is emptied."""
        for name in (each for each in self.table.tokens if each in texts and not texts[each].is_null().all()):
            repairs.add("token_emptied", tokens.is_not_known(texts[name]))
            texts[name] = self._hidden(texts[name], name)

    def _hidden(self, values: pl.Series, what: str) -> pl.Series:
        """Give tokens for values; nothing where there is no secret, because what is read then is not stored."""
        if self.secret is None or values.is_null().all():
            return _nothing(values.len(), pl.String()).alias(values.name)
        return tokens.make_tokens(values, what, self._key)

    def _columns(self, values: pl.DataFrame) -> pl.DataFrame:
        """Give the columns that the map reads under their names, spaces around values taken off, empty ones null."""
        place = {name: str(at) for at, name in enumerate(self.file.columns)}
        wanted = [name for name in self.column_map.file_columns if name in place]
        return values.select(pl.col(place[name]).str.strip_chars().replace("", None).alias(name) for name in wanted)

    def _unswap(self, raw: pl.DataFrame, repairs: Repairs) -> pl.DataFrame:
        for swap in self.column_map.swapped:
            code, words = pl.col(swap.code), pl.col(swap.description)
            pattern = f"^(?:{swap.code_looks_like})$"
            is_wrong = words.str.contains(pattern) & code.is_not_null() & ~code.str.contains(pattern)
            wrong = raw.select(is_wrong.fill_null(value=False)).to_series()
            repairs.add("code_and_words_swapped", wrong)
            raw = raw.with_columns(
                pl.when(wrong).then(words).otherwise(code).alias(swap.code),
                pl.when(wrong).then(code).otherwise(words).alias(swap.description),
            )
        return raw

    def _is_time(self, name: str) -> bool:
        return self.table.by_name[name].type == "datetime"

    def _time(self, name: str, text: pl.Series, faults: Faults, repairs: Repairs) -> tuple[pl.Series, pl.Series]:
        """Read one column of times: the instants, and the second reading where a local time comes twice."""
        form = next(spec.format for field, spec in self.column_map.specs if field == name)
        read = read_times(
            text,
            order=self._order_of_dates(text),
            time_zone=self.time_zone,
            time_format=form,
            ignore_offset=self.column_map.ignore_offset,
        )
        at = read["at"]
        earliest = datetime(self.column_map.earliest_year, 1, 1, tzinfo=UTC)
        # Dates of plans (duties, events) lie ahead by nature; what was recorded can't be later than its export.
        is_record = self.table.name == "incidents"
        latest = self.as_of + timedelta(days=1) if is_record else datetime(2200, 1, 1, tzinfo=UTC)
        impossible = ((at < earliest) | (at > latest)).fill_null(value=False)
        faults.add(
            name,
            "lacks_offset",
            read["lacks_offset"],
            f"'{name}' does not say its offset; a time such as 2026-11-23T18:00:00Z was expected.",
        )
        if self.table.by_name[name].required:
            said = f"'{name}' is empty; a time was expected."
            faults.add(name, "missing_time", text.is_null(), said)
            said = f"'{name}' can't be read as a time; one such as 2026-11-23 18:00:00 was expected."
            faults.add(name, "unreadable_time", read["is_unreadable"], said)
            said = f"'{name}' is not between {earliest:%Y-%m-%d} and {latest:%Y-%m-%d}."
            faults.add(name, "impossible_time", impossible, said)
        elif is_record:
            repairs.add("time_emptied_unreadable", read["is_unreadable"])
            repairs.add("time_emptied_impossible", impossible)
        else:
            said = f"'{name}' can't be read as a time; one such as 2026-11-23 18:00:00 was expected."
            faults.add(name, "unreadable_time", read["is_unreadable"], said)
            faults.add(name, "impossible_time", impossible, f"'{name}' is not a time that can be.")
        twice = read["comes_twice"] & ~impossible
        repairs.add("time_comes_twice", twice)
        repairs.add("time_is_skipped", read["is_skipped"] & ~impossible)
        second = _nothing(len(at), periods.INSTANT)
        if twice.any():
            later = read["wall"].dt.replace_time_zone(self.time_zone, ambiguous="latest", non_existent="null")
            second = pl.select(pl.when(twice).then(later.dt.convert_time_zone("UTC"))).to_series()
        return pl.select(pl.when(~impossible).then(at)).to_series(), second

    def _order_of_dates(self, text: pl.Series) -> str:
        """Say how dates are written, having looked at the whole file where that can't be seen from one."""
        order = self.column_map.date_order if self.column_map.date_order != "detect" else self._date_order
        if order == "detect" and needs_date_order(text):
            evidence = DateOrderEvidence()
            for stretch in self.file.chunks(self.chunk_rows):
                raw = self._columns(stretch.values)
                for name, spec in self.column_map.specs:
                    if self._is_time(name) and spec.format is None:
                        evidence.add(_text_of(raw, spec))
            self._date_order = order = evidence.decide(self.file.name)
        return order

    def _typed(self, texts: dict[str, pl.Series], faults: Faults, repairs: Repairs) -> dict[str, pl.Series]:
        """Read everything but times as its field's type."""
        is_record = self.table.name == "incidents"
        points = {
            name: texts[name].cast(pl.Float64, strict=False)
            for name in ("longitude", "latitude")
            if is_record and name in texts
        }
        others = pl.DataFrame({name: text for name, text in texts.items() if name not in points})
        typed, unreadable = tables.parse(others, self.table.name)
        emptied = []
        for row, name, code, reason in unreadable.iter_rows():
            if is_record and not self.table.by_name[name].required:
                emptied.append(row)
            else:
                faults.add_row(row, name, code, reason)
        repairs.add_rows("value_emptied", emptied, others.height)
        return {name: typed[name] for name in typed.columns} | points

    def _check(self, frame: pl.DataFrame, faults: Faults, repairs: Repairs) -> pl.DataFrame:
        """Hold each row to the table's definition."""
        is_record = self.table.name == "incidents"
        emptied: dict[str, list[int]] = {}
        for row, name, code, reason in tables.faults(frame, self.table.name).iter_rows():
            # Repeated keys are the import's business: the same row twice, or new content under a known key.
            if code == "repeated_key":
                continue
            if is_record and not self.table.by_name[name].required:
                emptied.setdefault(name, []).append(row)
            else:
                faults.add_row(row, name, "missing" if code == "missing" else "not_allowed", reason)
        repairs.add_rows("value_emptied", [row for rows in emptied.values() for row in rows], frame.height)
        return frame.with_columns(frame[name].scatter(rows, None) for name, rows in emptied.items())

    def _count(
        self, stretch: RowChunk, raw: pl.DataFrame, frame: pl.DataFrame, faults: Faults, repairs: Repairs
    ) -> None:
        good = ~faults.any_of()
        self.rule_counts.update(each.reason_code for each in stretch.broken)
        if self._token_columns and stretch.broken:
            self.rule_counts["row_not_kept"] += len(stretch.broken)
        self.rule_counts.update(faults.counts())
        self.rule_counts.update(repairs.counts(good))
        if self.column_map.district is not None and self.table.name == "incidents":
            seen = pl.DataFrame({"area_id": frame["area_id"], "district": _text_of(raw, self.column_map.district)})
            counted = seen.filter(good).drop_nulls().group_by("area_id", "district")
            self._districts.append(counted.agg(incidents=pl.len().cast(pl.Int64)))

    def _quarantine(self, stretch: RowChunk, faults: Faults) -> pl.DataFrame:
        # In a broken row nobody knows which value is the caller, and columns that are not read may name one.
        rows = [
            (each.row_number, "row", each.reason_code, each.reason, None if self._token_columns else each.raw_row)
            for each in stretch.broken
        ]
        for at, name, code, reason in faults.first_of_each():
            raw = dict(zip(self.file.columns, stretch.values.row(at), strict=True))
            if self._token_columns:
                hidden = {
                    each: self._hidden(pl.Series([raw[each]]), what) for each, what in self._token_columns.items()
                }
                raw = {each: raw[each] for each in self.column_map.file_columns if each in raw}
                raw |= {each: text[0] for each, text in hidden.items()}
            rows.append((stretch.row_numbers[at], name, code, reason, json.dumps(raw, ensure_ascii=False)))
        rows.sort()
        file_name = self.file.name if stretch.member is None else f"{self.file.name}/{stretch.member}"
        return pl.DataFrame(
            [(self.table.name, file_name, *row) for row in rows],
            schema={
                name: tables.table("quarantine").polars_schema[name]
                for name in ("table_name", "file_name", "row_number", "field", "reason_code", "reason", "raw_row")
            },
            orient="row",
        )


def reasons(quarantined: pl.DataFrame) -> list[str]:
    """Say why rows of a table `quarantine` were set aside: each reason once, with its first row and how many more."""
    by_reason = quarantined.group_by("reason").agg(pl.col("row_number").min(), rows=pl.len()).sort("row_number")
    said = []
    for reason, first, rows in by_reason.head(_REASONS_TOLD).iter_rows():
        said.append(f"Row {first}{f' and {rows - 1:,} more' if rows > 1 else ''}: {reason}")
    left = by_reason.height - len(said)
    return said + ([f"And {count_of(left, 'other reason')}."] if left else [])


def read_extract(
    source: Path | str | Query,
    column_map: ColumnMap,
    *,
    time_zone: str,
    as_of: datetime,
    table: str = "incidents",
    chunk_rows: int = 100_000,
    secret: Callable[[], bytes] | None = None,
) -> Extract:
    """Open an extract for reading through its column map; go through the result for its chunks.

    `source` is a file in any format of `formats`, told by its content, or a query to a database.
    `time_zone` is the force's own, used where the map says 'force'; `table` is asked only by maps for any table.
    `as_of` bounds recorded times: what lies more than a day after it is impossible. `secret` gives what tokens are
    made with; without it callers and places are left empty. Raises NoInput, NotPermitted,
    InputOutputError, UsageError and BadData (a missing column, a wrong delimiter or encoding, a file that is empty, cut
    off or has no row, dates of two orders), some of them while reading: then nothing that was read so far may be used.
    For a query also BadSettings (its address).
    """
    filled = column_map.filling(table) if column_map.table == "any" else column_map
    definition = tables.table(filled.table)
    file = read_source(source, replace(filled.reading, telling=_telling_column(filled, definition)))
    if column_map.table == "any":
        _refuse_unknown_columns(file, definition)
    clock = time_zone if filled.time_zone == "force" else filled.time_zone
    if clock != "stated":
        periods.zone(clock)
    home = time_zone if filled.time_zone in ("force", "stated", "UTC") else filled.time_zone
    rules = IncidentRules(filled, PointRules(filled.crs, home))
    return Extract(file, filled, clock, definition, as_of, chunk_rows, rules, secret)


def resumed(query: Query, column_map: ColumnMap, states: Iterable[Mapping[str, str]]) -> Query:
    """Give a query that begins where an earlier import ended; from the start where none was read in the same way.

    `states` are what imports left (`Extract.state`), the latest first. Another query, watermark or column map reads
    everything again, because rows that were read before may come out otherwise; what is the same is unchanged.
    """
    if query.watermark is None:
        return query
    way = _way(query, column_map)
    return replace(query, since=next((state for state in states if state.get("way") == way), None))


def _way(source: Path | Query, column_map: ColumnMap) -> str:
    """Tell one way of reading a query from another; who reads it, and from where on, is not part of it."""
    if not isinstance(source, Query):
        return ""
    said = [source.url.rpartition("@")[2], source.query, source.watermark or "", column_map.model_dump_json()]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _telling_column(column_map: ColumnMap, definition: tables.Table) -> str | None:
    """The column by which a line is known for a row of its own: that of the first time that must be there."""
    for each in definition.fields:
        if each.required and each.type in ("datetime", "date") and each.name in column_map.columns:
            sources = column_map.columns[each.name].sources
            return sources[0] if sources else None
    return None


def _refuse_unknown_columns(file: ExtractFile, definition: tables.Table) -> None:
    problems = [
        f"'{name}' is not a column of '{definition.name}'.{did_you_mean(name, definition.columns)}"
        for name in file.columns
        if name not in definition.by_name
    ]
    if problems:
        raise BadData(f"{file.name} has columns that '{definition.name}' does not know:", problems)


def _nothing(height: int, kind: pl.DataType) -> pl.Series:
    return pl.Series([None], dtype=kind).new_from_index(0, height)


def _text_of(raw: pl.DataFrame, spec: Column) -> pl.Series:
    """Make one field's text from the columns that it comes from."""
    if spec.constant is not None:
        return pl.Series([spec.constant], dtype=pl.String).new_from_index(0, raw.height)
    there = [name for name in spec.sources if name in raw.columns]
    if not there:
        return _nothing(raw.height, pl.String())
    text = pl.col(there[0])
    if len(there) > 1:
        joined = pl.concat_str([pl.col(name) for name in there], separator=spec.join, ignore_nulls=True)
        text = joined.replace("", None)
    if spec.empty_when:
        text = pl.when(~text.is_in(list(spec.empty_when))).then(text)
    if spec.words:
        meaning = {word.casefold(): word_of_ours for word, word_of_ours in spec.words.items()}
        text = text.str.to_lowercase().replace_strict(meaning, default=text, return_dtype=pl.String)
    if spec.count_split_by is not None:
        text = _parts_of(text.str.split(spec.count_split_by), spec).list.n_unique().cast(pl.String)
    for name, values in spec.only_when.items():
        if name in raw.columns:
            text = pl.when(pl.col(name).is_in(list(values))).then(text)
    return raw.select(text).to_series()


def _parts_of(lists: pl.Expr, spec: Column) -> pl.Expr:
    """Give the parts of lists that count."""
    part = pl.element().str.strip_chars()
    is_counted = (part != "") & ~part.str.contains(f"^(?:{spec.not_counted or '$.'})$")
    return lists.list.eval(part.filter(is_counted))
