"""Tables are our language: one definition each in `schemas/`, and all that is made from it.

A definition uses the Frictionless Table Schema vocabulary (fields, types, constraints, primaryKey) with a few words of
ours: `row` (what a row is), `kind` (imported, result or record), `regime` (the law that the rows fall under), `version`
(the instant that tells which of two rows with a key is the later), `readsBackTo` (the oldest schema version whose rows
can be read), and for a field `unit`, `decimals`, `sensitive` and `token` (kept as a keyed hash alone). From it come the
Polars types, the check, the reference page, the blank template and the JSON Schema of the web API, so that a meaning is
written once.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

import polars as pl

from bluelamp.errors import BadData, UsageError, count_of, did_you_mean, one_of

_POLARS = {
    "string": pl.String(),
    "geojson": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "datetime": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
}
_JSON: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "geojson": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
}
_WORDS = {
    "string": "text",
    "geojson": "a GeoJSON geometry",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "datetime": "an instant such as 2026-11-23T18:00:00Z",
    "date": "a date such as 2026-11-23",
}


@dataclass(frozen=True)
class Field:
    """One column of a table."""

    name: str
    type: str
    description: str
    unit: str | None = None
    decimals: int | None = None
    example: str | None = None
    sensitive: bool = False
    token: bool = False  # made of what comes by a keyed hash; the value itself is never kept
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[str, ...] = ()
    pattern: str | None = None
    after: str | None = None  # an instant that this one comes after
    most_hours_after: float | None = None
    not_before: str | None = None  # a day that this one may be, or come after

    @property
    def polars(self) -> pl.DataType:
        """The Polars type of the column."""
        return _POLARS[self.type]

    @property
    def expected(self) -> str:
        """What a value should be, in words."""
        if self.enum:
            return one_of(self.enum)
        words = _WORDS[self.type]
        if self.minimum is not None and self.maximum is not None:
            return f"{words} from {self.minimum:g} to {self.maximum:g}"
        if self.minimum is not None:
            return f"{words} of {self.minimum:g} or more"
        return words


@dataclass(frozen=True)
class Reference:
    """A field that names a row of another table."""

    field: str
    table: str
    key: str


@dataclass(frozen=True)
class Table:
    """The definition of one table."""

    name: str
    title: str
    row: str
    kind: str
    regime: str
    schema_version: int
    reads_back_to: int  # oldest version whose stored rows can be read: later ones only added columns that may be empty
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    notes: str = ""
    references: tuple[Reference, ...] = ()
    version: str | None = None  # instant by which the later of two rows with a key is told, in whatever order they came
    by_name: dict[str, Field] = field(default_factory=dict, compare=False)

    @property
    def polars_schema(self) -> dict[str, pl.DataType]:
        """Column names and Polars types, in order."""
        return {each.name: each.polars for each in self.fields}

    @property
    def columns(self) -> list[str]:
        """Column names, in order."""
        return [each.name for each in self.fields]

    @property
    def tokens(self) -> list[str]:
        """Names of the columns that hold tokens."""
        return [each.name for each in self.fields if each.token]


def names(kind: str | None = None) -> list[str]:
    """List the tables there are, all or of one kind (imported, result, record, account)."""
    found = sorted(each.name[:-5] for each in files("bluelamp.schemas").iterdir() if each.name.endswith(".json"))
    return [name for name in found if kind is None or table(name).kind == kind]


@lru_cache(maxsize=64)
def table(name: str) -> Table:
    """Give the definition of a table.

    Raises UsageError, with the nearest known name, when there is none.
    """
    source = files("bluelamp.schemas") / f"{name}.json"
    if not name.isidentifier() or not source.is_file():
        known = names()
        raise UsageError(f"There is no table '{name}'.{did_you_mean(name, known)} The tables are: {', '.join(known)}.")
    definition = json.loads(source.read_text(encoding="utf-8"))
    fields = tuple(_read_field(each) for each in definition["fields"])
    return Table(
        name=definition["name"],
        title=definition["title"],
        row=definition["row"],
        kind=definition["kind"],
        regime=definition["regime"],
        schema_version=definition["schema_version"],
        reads_back_to=definition.get("readsBackTo", definition["schema_version"]),
        key=tuple(definition["primaryKey"]),
        fields=fields,
        notes=definition.get("notes", ""),
        references=tuple(
            Reference(each["fields"], each["reference"]["resource"], each["reference"]["fields"])
            for each in definition.get("foreignKeys", ())
        ),
        version=definition.get("version"),
        by_name={each.name: each for each in fields},
    )


def _read_field(definition: dict[str, Any]) -> Field:
    constraints = definition.get("constraints", {})
    return Field(
        name=definition["name"],
        type=definition["type"],
        description=definition["description"],
        unit=definition.get("unit"),
        decimals=definition.get("decimals"),
        example=definition.get("example"),
        sensitive=definition.get("sensitive", False),
        token=definition.get("token", False),
        required=constraints.get("required", False),
        minimum=constraints.get("minimum"),
        maximum=constraints.get("maximum"),
        enum=tuple(constraints.get("enum", ())),
        pattern=constraints.get("pattern"),
        after=constraints.get("after"),
        most_hours_after=constraints.get("mostHoursAfter"),
        not_before=constraints.get("notBefore"),
    )


def empty(name: str) -> pl.DataFrame:
    """Give the table without a row."""
    return pl.DataFrame(schema=table(name).polars_schema)


def faults(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Find every value that the definition does not allow.

    `frame` has the table's columns and types. Returns one row a fault: `row` (0-based), `field`, `reason_code`
    (missing, too_small, too_large, not_a_choice, not_a_number, too_early, too_late, repeated_key) and `reason`
    in words, never with a sensitive value in it.
    """
    definition = table(name)
    found: list[pl.DataFrame] = []
    numbered = frame.with_row_index("row")
    for each in definition.fields:
        if each.name not in frame.columns:
            continue
        for code, is_wrong, because, expected in _rules(each, frame.columns):
            wrong = numbered.filter(is_wrong)
            if wrong.is_empty():
                continue
            value = pl.col(each.name)
            text = value.dt.strftime("%Y-%m-%dT%H:%M:%SZ") if each.type == "datetime" else value.cast(pl.String)
            shown = pl.lit("a value") if each.sensitive else pl.format("'{}'", text)
            found.append(
                wrong.select(
                    pl.col("row").cast(pl.Int64),
                    field=pl.lit(each.name),
                    reason_code=pl.lit(code),
                    reason=pl.lit(f"'{each.name}' is empty; {expected} was expected.")
                    if code == "missing"
                    else pl.format(f"'{each.name}' is {{}}, {because}; {expected} was expected.", shown),
                )
            )
    keys = [key for key in definition.key if key in frame.columns]
    if len(keys) == len(definition.key):
        repeated = numbered.filter(~pl.struct(keys).is_first_distinct())
        if not repeated.is_empty():
            found.append(
                repeated.select(
                    pl.col("row").cast(pl.Int64),
                    field=pl.lit(", ".join(keys)),
                    reason_code=pl.lit("repeated_key"),
                    reason=pl.lit(
                        f"The key ({', '.join(keys)}) stands in an earlier row already; each row needs its own key."
                    ),
                )
            )
    shape = {"row": pl.Int64, "field": pl.String, "reason_code": pl.String, "reason": pl.String}
    return pl.concat(found).sort("row", "field") if found else pl.DataFrame(schema=shape)


def _rules(each: Field, columns: Sequence[str]) -> list[tuple[str, pl.Expr, str, str]]:
    """Give code, test, what is wrong and what was expected, for each rule of a field that the columns let us hold."""
    column = pl.col(each.name)
    rules: list[tuple[str, pl.Expr, str, str]] = []
    if each.required:
        blank = column.is_null() | (column == "") if each.type == "string" else column.is_null()
        rules.append(("missing", blank, "", each.expected))
    if each.type == "number":
        rules.append(("not_a_number", column.is_nan() | column.is_infinite(), "which is not a number", each.expected))
    # Polars puts NaN above every number, and it is told above.
    number = column.fill_nan(None) if each.type == "number" else column
    if each.minimum is not None:
        rules.append(("too_small", number < each.minimum, "too small", each.expected))
    if each.maximum is not None:
        rules.append(("too_large", number > each.maximum, "too large", each.expected))
    if each.enum:
        strange = column.is_not_null() & ~column.is_in(list(each.enum))
        rules.append(("not_a_choice", strange, "which is not known", each.expected))
    if each.pattern:
        rules.append(("wrong_form", ~column.str.contains(each.pattern), "not of the right form", each.expected))
    if each.after is not None and each.after in columns:
        wanted = f"an instant after '{each.after}'"
        if each.most_hours_after is not None:
            wanted += f" and at most {each.most_hours_after:g} hours after it"
            longest = pl.duration(microseconds=round(each.most_hours_after * 3_600_000_000))
            too_late = column > pl.col(each.after) + longest
            rules.append(("too_late", too_late, f"too long after '{each.after}'", wanted))
        rules.append(("too_early", column <= pl.col(each.after), f"not after '{each.after}'", wanted))
    if each.not_before is not None and each.not_before in columns:
        wanted = f"a day that is not before '{each.not_before}'"
        rules.append(("too_early", column < pl.col(each.not_before), f"before '{each.not_before}'", wanted))
    return rules


def check(frame: pl.DataFrame, name: str, where: str | None = None) -> pl.DataFrame:
    """Return the frame as the table it is meant to be: its columns, in order, with its types.

    Columns that the definition knows and the frame lacks are added empty, where they need not be filled.
    Raises BadData with every problem at once: missing and unknown columns, wrong types, values not allowed.
    """
    definition = table(name)
    problems = [
        f"'{column}' is not a column of '{name}'.{did_you_mean(column, definition.columns)}"
        for column in frame.columns
        if column not in definition.by_name
    ]
    columns, unsound = [], []
    for each in definition.fields:
        if each.name not in frame.columns:
            if each.required:
                problems.append(f"'{each.name}' is missing. It holds: {each.description}.")
                unsound.append(each.name)
            columns.append(pl.Series(each.name, [None] * frame.height, dtype=each.polars))
            continue
        before = frame[each.name]
        after = before if before.dtype == each.polars else _as_type(before, each)
        lost = (before.is_not_null() & after.is_null()).arg_true()
        if len(lost):
            problems.append(
                f"'{each.name}' is not {each.expected} in {count_of(len(lost), 'row')}, first at row {lost[0] + 1}."
            )
            unsound.append(each.name)
        columns.append(after)
    checked = pl.DataFrame(columns)
    # What is told of a column as a whole need not be told of its rows again.
    for _, group in faults(checked.drop(unsound), name).group_by("field", "reason_code", maintain_order=True):
        reason = group["reason"][0]
        rows = "" if group.height == 1 else f" ({count_of(group.height, 'row')} in all)"
        problems.append(f"Row {group['row'][0] + 1}: {reason}{rows}")
    if problems:
        article = "an" if name[0] in "aeiou" else "a"
        verb = "One thing" if len(problems) == 1 else f"{len(problems)} things"
        raise BadData(f"{where or 'This'} is not {article} '{name}' table yet. {verb} to put right:", problems)
    return checked


def _as_type(values: pl.Series, each: Field) -> pl.Series:
    """Read values of another type as the field's own; what would lose or invent something becomes null.

    A half is no whole number, a number is no instant, and a time without its zone could be any of 24.
    """
    unread = pl.Series(values.name, [None] * len(values), dtype=each.polars)
    if values.dtype == pl.Null:
        return unread
    if values.dtype == pl.String:
        return _parse_text(values.str.strip_chars().replace("", None), each)
    if each.type in ("integer", "number") and values.dtype.is_numeric():
        read = values.cast(each.polars, strict=False)
        if each.type == "integer" and values.dtype.is_float():
            read = read.set(values != values.round(), None)
        return read
    if each.type == "datetime" and isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone:
        return values.dt.convert_time_zone("UTC").cast(each.polars)
    if each.polars == pl.String and (values.dtype.is_numeric() or isinstance(values.dtype, (pl.Categorical, pl.Enum))):
        return values.cast(pl.String)
    return unread


def publish(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Give a result its published form: the table's columns and types, numbers rounded as stated, sorted by key.

    Rounding is part of publishing because the last bits of a sum depend on the order in which it was added up; what
    people read and compare does not.
    """
    definition = table(name)
    columns = []
    for each in definition.fields:
        column = (
            pl.col(each.name).cast(each.polars)
            if each.name in frame.columns
            else pl.lit(None, dtype=each.polars).alias(each.name)
        )
        if each.decimals is not None:
            column = column.round(each.decimals)
            # -0.0 equals 0.0 and prints otherwise. (Polars leaves out an addition of 0.)
            column = pl.when(column == 0).then(0.0).otherwise(column).alias(each.name)
        columns.append(column)
    return frame.select(columns).sort(definition.key, nulls_last=False)


def keep(rows: pl.DataFrame, name: str, asked: Mapping[str, str]) -> pl.DataFrame:
    """Keep the rows whose columns have the values asked for. Raises UsageError for a column that is not there."""
    for column, value in asked.items():
        if column == "run":
            continue
        definition = table(name).by_name.get(column)
        if definition is None:
            known = table(name).columns
            raise UsageError(f"'{column}' is not a column of '{name}'.{did_you_mean(column, known)}")
        wanted, unreadable = parse(pl.DataFrame({column: [value]}), name)
        if unreadable.height:
            raise UsageError(f"'{column}' can't be '{value}': {definition.expected} was expected.")
        rows = rows.filter(pl.col(column).eq_missing(wanted[column][0]))
    return rows


def to_json(rows: pl.DataFrame, name: str) -> bytes:
    """Write rows as a JSON list in the canonical order, instants in UTC with 'Z'."""
    definition = table(name)
    instants = [each.name for each in definition.fields if each.type == "datetime"]
    text = rows.sort(definition.key, nulls_last=False).with_columns(
        pl.col(instants).dt.strftime("%Y-%m-%dT%H:%M:%SZ") if instants else []
    )
    return text.write_json().encode()


def to_csv(frame: pl.DataFrame, name: str) -> str:
    """Write a table as CSV in its one canonical form: columns in order, rows by key, instants in UTC.

    Cells that a spreadsheet would run as a formula get an apostrophe in front, so that opening an export is safe.
    """
    definition = table(name)
    text = [each.name for each in definition.fields if each.polars == pl.String]
    safe = frame.sort(definition.key, nulls_last=False).select(
        pl.when(pl.col(name).str.contains(r"^[=+\-@\t\r]"))
        .then(pl.concat_str(pl.lit("'"), pl.col(name)))
        .otherwise(pl.col(name))
        .alias(name)
        if name in text
        else pl.col(name)
        for name in definition.columns
    )
    return safe.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.fZ", float_precision=None)


def fingerprint(frame: pl.DataFrame, name: str) -> str:
    """Give the SHA-256 of a table's canonical CSV: equal tables have equal ones, on any machine."""
    return hashlib.sha256(to_csv(frame, name).encode()).hexdigest()


def blank_template(name: str) -> str:
    """Give a CSV to fill in: the header and one made-up row."""
    definition = table(name)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(definition.columns)
    writer.writerow([each.example or "" for each in definition.fields])
    return out.getvalue()


def json_schema(name: str) -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of one row, as the web API publishes it."""
    definition = table(name)
    properties = {}
    for each in definition.fields:
        property_: dict[str, Any] = {"description": each.description, **_JSON[each.type]}
        if each.enum:
            property_["enum"] = list(each.enum)
        if each.minimum is not None:
            property_["minimum"] = each.minimum
        if each.maximum is not None:
            property_["maximum"] = each.maximum
        if each.unit:
            property_["x-unit"] = each.unit
        if not each.required:
            property_["type"] = [property_["type"], "null"]
            if each.enum:
                property_["enum"].append(None)
        properties[each.name] = property_
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": definition.title,
        "description": f"A row is: {definition.row}.",
        "type": "object",
        "properties": properties,
        "required": [each.name for each in definition.fields],
        "additionalProperties": False,
    }


def reference_page(name: str) -> str:
    """Write the table's page of the reference in Markdown."""
    definition = table(name)
    lines = [
        f"# {definition.title}",
        "",
        f"`{definition.name}` · a row is: {definition.row[0].lower()}{definition.row[1:]}.",
        "",
        *([definition.notes, ""] if definition.notes else []),
        f"Key: {', '.join(f'`{key}`' for key in definition.key)} · kind: {definition.kind} · "
        f"regime: {definition.regime} · schema version {definition.schema_version}",
        "",
        "| Field | Type | Unit | Meaning | Example |",
        "|---|---|---|---|---|",
    ]
    for each in definition.fields:
        marks = [mark for mark, holds in (("required", each.required), ("sensitive", each.sensitive)) if holds]
        choices = f" One of {one_of(each.enum)}." if each.enum else ""
        if each.after is not None:
            most = "" if each.most_hours_after is None else f", at most {each.most_hours_after:g} hours"
            choices += f" After `{each.after}`{most}."
        if each.not_before is not None:
            choices += f" Not before `{each.not_before}`."
        choices += "".join(
            f" Names a row of `{other.table}`." for other in definition.references if other.field == each.name
        )
        type_ = f"{each.type}{' (' + ', '.join(marks) + ')' if marks else ''}"
        example = f"`{each.example}`" if each.example else ""
        lines.append(f"| `{each.name}` | {type_} | {each.unit or ''} | {each.description}.{choices} | {example} |")
    return "\n".join(lines) + "\n"


def parse(frame: pl.DataFrame, name: str, columns: Sequence[str] | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read text columns as the table's types.

    `frame` holds strings (as read from a CSV in the product's own form). Returns the typed frame and one row a value
    that could not be read: `row` (0-based), `field`, `reason_code` 'unreadable', `reason`.
    """
    definition = table(name)
    typed = []
    bad: list[pl.DataFrame] = []
    for column in columns or frame.columns:
        each = definition.by_name[column]
        before = frame[column].str.strip_chars().replace("", None)
        after = _parse_text(before, each)
        rows = (before.is_not_null() & after.is_null()).arg_true()
        typed.append(after.alias(column))
        if len(rows):
            bad.append(
                pl.DataFrame(
                    {
                        "row": rows.cast(pl.Int64),
                        "field": column,
                        "reason_code": "unreadable",
                        "reason": [
                            f"'{column}' is {'a value' if each.sensitive else repr(value)}, which can't be read; "
                            f"{each.expected} was expected."
                            for value in before.gather(rows)
                        ],
                    }
                )
            )
    shape = {"row": pl.Int64, "field": pl.String, "reason_code": pl.String, "reason": pl.String}
    return pl.DataFrame(typed), pl.concat(bad) if bad else pl.DataFrame(schema=shape)


def _parse_text(text: pl.Series, each: Field) -> pl.Series:
    if each.type in ("string", "geojson"):
        return text
    if each.type == "boolean":
        return text.str.to_lowercase().replace_strict(
            {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False},
            default=None,
            return_dtype=pl.Boolean,
        )
    if each.type in ("datetime", "date"):
        # Otherwise 26-11-23 would be a day of the year 26.
        text = text.set(~text.str.contains(r"^\d{4}-").fill_null(value=False), None)
    if each.type == "datetime":
        zoned = text.str.replace(r"Z$", "+00:00").str.replace(r" ", "T")
        seconds = zoned.str.replace(r"(T\d\d:\d\d)([+-])", "${1}:00${2}")
        return seconds.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False).cast(each.polars)
    if each.type == "date":
        return text.str.to_date("%Y-%m-%d", strict=False)
    return text.cast(each.polars, strict=False)
