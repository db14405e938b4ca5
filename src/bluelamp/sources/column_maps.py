"""Column maps: how one feed's columns become one of our tables, written once as TOML and used without code.

A map says which column fills which field, how its times are written and by which clock, what its codes mean (the
crosswalk to a class and an origin), and which of its habits are repaired by a stated rule. The maps of known feeds
are shipped in `maps/`; a force's own is a file of the same kind.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictBool,
    ValidationError,
    field_validator,
    model_validator,
)

from bluelamp import periods, settings, tables
from bluelamp.errors import BadSettings, NoInput, UsageError, did_you_mean, one_of
from bluelamp.sources.crosswalks import CodeRule, CrosswalkFile, codes_given_twice, read_crosswalk
from bluelamp.sources.files import Reading

DateOrder = Literal["detect", "year_first", "day_first", "month_first", "epoch_seconds", "epoch_milliseconds"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Part):
    """Where the values of one field come from: one column, several joined, or one constant."""

    column: str | None = Field(None, description="Name of the column")
    columns: tuple[str, ...] = Field((), description="Names of several columns, joined by `join` where not empty")
    join: str = Field(" ", description="What stands between the values of several columns")
    constant: str | None = Field(None, description="One value for every row")
    optional: StrictBool = Field(False, description="The file may lack the column; the field is empty then")
    format: str | None = Field(None, description="strftime form of a time, where detection does not know it")
    empty_when: tuple[str, ...] = Field((), description="Values that mean nothing is known")
    words: dict[str, str] = Field(default_factory=dict, description="The feed's word = the table's word")
    only_when: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Column = values: the field is empty in every other row"
    )
    count_split_by: str | None = Field(
        None, description="The value is a list: count its different parts, split by this"
    )
    split_by: str | None = Field(
        None, description="The value is a list: each different part, split by this, makes a row of its own"
    )
    not_counted: str | None = Field(None, description="Pattern of the parts that are not counted and make no row")

    @model_validator(mode="after")
    def _has_one_source(self) -> Column:
        given = [self.column is not None, bool(self.columns), self.constant is not None]
        if sum(given) != 1:
            raise ValueError("exactly one of 'column', 'columns' and 'constant' was expected")
        return self

    @field_validator("not_counted")
    @classmethod
    def _is_pattern(cls, value: str | None) -> str | None:
        return _checked_pattern(value)

    @property
    def sources(self) -> tuple[str, ...]:
        """Every column that the field is made from."""
        return (self.column,) if self.column is not None else self.columns


def _short_form(value: Any) -> Any:
    """Read plain text for a field as its column's name."""
    if not isinstance(value, dict):
        return value
    return {field: {"column": given} if isinstance(given, str) else given for field, given in value.items()}


class Event(_Part):
    """One of several rows that one row of the file holds, with a time of its own; there is none where it is empty."""

    columns: dict[str, Column] = Field(description="Field = where its values come from, beside those of `[columns]`")

    @field_validator("columns", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return _short_form(value)


class Swap(_Part):
    """Two columns whose values some rows hold the wrong way round."""

    code: str = Field(description="Column that should hold the code")
    description: str = Field(description="Column that should hold its words")
    code_looks_like: str = Field(
        description="Pattern of a code: where the words match it and the code does not, the two are swapped back"
    )

    @field_validator("code_looks_like")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        _checked_pattern(value)
        return value


class ForceHint(_Part):
    """What is known of the force whose feed it is, so that setting it up asks nothing."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="Short code of the force")
    name: str = Field(description="Name that people use")
    country: str | None = Field(None, description="ISO 3166 country code for public holidays")
    subdivision: str | None = Field(None, description="Subdivision for public holidays")
    from_points: StrictBool = Field(False, description="Areas are derived from incidents that name their area")


class ColumnMap(_Part):
    """How one feed's file becomes one of our tables."""

    title: str = Field(min_length=1, description="What the feed is, in words")
    table: str = Field(description="Table that it fills, or 'any' where the file uses that table's own column names")
    time_zone: str = Field(
        description="Clock of times without an offset: an IANA name, 'UTC', 'force' (the force's own), or 'stated' "
        "where every time must carry its offset"
    )
    encoding: str = Field("utf-8", description="Encoding of the text")
    delimiter: str | None = Field(None, description="What stands between columns; found by itself where not given")
    header_row: int | None = Field(
        None, ge=1, le=1000, description="Row that names the columns, where headings stand above it"
    )
    sheet: str | None = Field(None, description="Sheet of a workbook; the first where not given")
    member: str | None = Field(
        None, description="Files of a zip archive that are read, such as incidents*.csv; all where not given"
    )
    date_order: DateOrder = Field("detect", description="How dates are written; found by itself where not given")
    earliest_year: int = Field(1970, ge=1900, le=2200, description="Times before this year are impossible")
    crs: settings.Crs | None = Field(
        None, description="Coordinate system of the points where not WGS 84, such as EPSG:27700"
    )
    district: Column | None = Field(None, description="Column with the district that the area lies in")
    ignore_offset: StrictBool = Field(
        False, description="Times carry an offset that is wrong: they are read as times of `time_zone`"
    )
    force: ForceHint | None = Field(None, description="The force whose feed it is")
    columns: dict[str, Column] = Field(default_factory=dict, description="Field = where its values come from")
    events: tuple[Event, ...] = Field(
        (), description="Rows that one row of the file holds, such as a unit's dispatch and its arrival"
    )
    swapped: tuple[Swap, ...] = Field((), description="Columns whose values some rows hold the wrong way round")
    no_unit_no_arrival: StrictBool = Field(
        False, description="Rows that no unit attended keep no dispatch and arrival: those times are a dispatcher's"
    )
    crosswalk_separator: str | None = Field(
        None, description="A code not in the crosswalk is looked up again by its part before this"
    )
    crosswalk: tuple[CodeRule, ...] = Field((), description="What the feed's codes mean")
    crosswalk_file: str | None = Field(
        None,
        description="In place of `crosswalk`, a crosswalk in a file of its own: a shipped one, or a path relative to "
        "the force's folder, such as codes/ours.toml; its newest version is used",
    )
    notes: tuple[str, ...] = Field((), description="What a reader of the data should know")
    _file: CrosswalkFile | None = PrivateAttr(None)

    @field_validator("time_zone")
    @classmethod
    def _is_known_zone(cls, value: str) -> str:
        if value in ("force", "stated"):
            return value
        try:
            periods.zone(value)
        except BadSettings as error:
            raise ValueError(error.summary) from None
        return value

    @field_validator("encoding")
    @classmethod
    def _is_known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError("not an encoding; 'utf-8' or 'windows-1252' are usual") from None
        return value

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, value: str | None) -> str | None:
        if value is not None and (len(value) != 1 or value in '"\r\n'):
            raise ValueError("one character was expected")
        return value

    @field_validator("district", mode="before")
    @classmethod
    def _short_district(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    @field_validator("columns", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return _short_form(value)

    @model_validator(mode="after")
    def _fills_its_table(self) -> ColumnMap:
        problems = []
        if self.table == "any":
            if self.columns:
                problems.append("a map with table = 'any' has no columns of its own")
        elif self.table not in tables.names("imported"):
            imported = tables.names("imported")
            problems.append(f"'{self.table}' is not a table to import.{did_you_mean(self.table, imported)}")
        else:
            problems.extend(self._problems_of_columns())
        problems.extend(codes_given_twice(self.crosswalk))
        if self.crosswalk and self.crosswalk_file is not None:
            problems.append(
                "'crosswalk' and 'crosswalk_file' are both given; the codes' meaning comes from one of them"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems_of_columns(self) -> list[str]:
        definition = tables.table(self.table)
        problems = [
            f"'{field}' is not a field of '{self.table}'.{did_you_mean(field, definition.columns)}"
            for field in dict.fromkeys(field for field, _ in self.specs)
            if field not in definition.by_name
        ]
        made = {"incident_id", "class_code", "origin"} if self.table == "incidents" else set()
        problems.extend(
            f"no column fills '{each.name}': {each.description}"
            for each in definition.fields
            if each.required and not self._fills(each.name) and each.name not in made
        )
        times = {each.name for each in definition.fields if each.required and each.type == "datetime"}
        problems.extend(
            f"event {number} gives none of its own for {one_of(sorted(times))}, by which it is known that it happened"
            for number, event in enumerate(self.events, 1)
            if not times & set(event.columns)
        )
        if sum(spec.split_by is not None for _, spec in self.specs) > 1:
            problems.append("only one column may have 'split_by'")
        if self.table == "incidents" and (self.events or any(spec.split_by is not None for _, spec in self.specs)):
            problems.append("a row of a file of incidents is one incident: it has neither 'events' nor 'split_by'")
        if (self.crosswalk or self.crosswalk_file is not None) and "opening_code" not in self.columns:
            problems.append("the crosswalk needs a column for 'opening_code'")
        return problems

    def mapped_by(self, file: CrosswalkFile) -> ColumnMap:
        """Give the map with the rules of a crosswalk's file in place of its own.

        Raises UsageError where the map reads no code.
        """
        if "opening_code" not in self.columns:
            raise UsageError(
                f"The column map '{self.title}' has no column for 'opening_code', so that '{file.name}' says nothing "
                "about its rows."
            )
        mapped = self.model_copy(update={"crosswalk": file.crosswalk.rules, "crosswalk_file": file.asked})
        mapped._file = file
        return mapped

    @property
    def crosswalk_record(self) -> dict[str, Any] | None:
        """What a batch keeps of the crosswalk that its rows were mapped by; nothing where there is none."""
        if self._file is not None:
            return self._file.record
        if not self.crosswalk:
            return None
        rules = "\n".join(rule.model_dump_json() for rule in self.crosswalk)
        return {"name": None, "version": None, "sha256": hashlib.sha256(rules.encode()).hexdigest()}

    @property
    def crosswalk_read(self) -> CrosswalkFile | None:
        """The crosswalk's file, where its rules come from one."""
        return self._file

    def filling(self, table: str) -> ColumnMap:
        """Give the map for one table: itself, or for table = 'any' one with that table's own column names.

        Raises UsageError when the map fills another table.
        """
        if self.table == "any":
            fields = tables.table(table).fields
            own = {
                each.name: Column.model_validate({"column": each.name, "optional": not each.required})
                for each in fields
            }
            return self.model_copy(update={"table": table, "columns": own})
        if self.table != table:
            raise UsageError(f"The column map '{self.title}' fills '{self.table}', not '{table}'.")
        return self

    def _fills(self, field: str) -> bool:
        return field in self.columns or (bool(self.events) and all(field in event.columns for event in self.events))

    @property
    def specs(self) -> list[tuple[str, Column]]:
        """Every field with where its values come from, those of events included: a field may be there twice."""
        return [*self.columns.items(), *(each for event in self.events for each in event.columns.items())]

    @property
    def uses_own_names(self) -> bool:
        """Whether the file's columns are named as the table's are."""
        return bool(self.columns) and all(field == spec.column for field, spec in self.columns.items())

    @property
    def file_columns(self) -> list[str]:
        """Every column of the file that the map reads, in order, each once."""
        names: dict[str, None] = {}
        for _, spec in self.specs:
            names.update(dict.fromkeys((*spec.sources, *spec.only_when)))
        for swap in self.swapped:
            names.update({swap.code: None, swap.description: None})
        if self.district is not None:
            names.update(dict.fromkeys(self.district.sources))
        return list(names)

    @property
    def needed_columns(self) -> list[str]:
        """The columns that a file must have for the map to fit."""
        spare = {name for _, spec in self.specs if spec.optional for name in (*spec.sources, *spec.only_when)}
        return [name for name in self.file_columns if name not in spare]

    @property
    def reading(self) -> Reading:
        """How the file is to be read."""
        return Reading(
            encoding=self.encoding,
            delimiter=self.delimiter,
            header_row=self.header_row,
            sheet=self.sheet,
            member=self.member,
            needed=self.needed_columns,
            wanted=self.file_columns,
        )


def _checked_pattern(value: str | None) -> str | None:
    try:
        re.compile(value or "")
    except re.error as error:
        raise ValueError(f"not a pattern: {error}") from None
    return value


@lru_cache(maxsize=1)
def shipped_maps() -> dict[str, str]:
    """List the shipped column maps by file name, with their titles."""
    found = {}
    for source in sorted((files("bluelamp.sources") / "maps").iterdir(), key=lambda each: each.name):
        if source.name.endswith(".toml"):
            found[source.name[:-5]] = str(tomllib.loads(source.read_text(encoding="utf-8")).get("title", ""))
    return found


def read_column_map(name: str | Path, folder: Path | None = None) -> ColumnMap:
    """Read a shipped column map by its name, or a map file by its path (relative to `folder` where given), with the
    crosswalk that it names (relative to `folder`, else to the map's own).

    Raises BadSettings with every mistake in the file at once, and NoInput where there is no such map or file.
    """
    if str(name) in shipped_maps():
        return _shipped_map(str(name))
    path = Path(folder, name) if folder is not None else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        known = shipped_maps()
        raise NoInput(
            f"There is no column map '{name}'.{did_you_mean(str(name), known)} Shipped are {one_of(known)}; "
            f"a map of your own is named by its path, such as maps/ours.toml."
        ) from None
    except UnicodeDecodeError:
        raise BadSettings(f"{path} is not UTF-8 text. Save it as UTF-8 and try again.") from None
    column_map = parse_column_map(text, str(path))
    return _with_its_crosswalk(column_map, folder if folder is not None else path.parent)


def _with_its_crosswalk(column_map: ColumnMap, folder: Path) -> ColumnMap:
    named = column_map.crosswalk_file
    return column_map if named is None else column_map.mapped_by(read_crosswalk(named, folder))


@lru_cache(maxsize=8)
def _shipped_map(name: str) -> ColumnMap:
    source = files("bluelamp.sources") / "maps" / f"{name}.toml"
    column_map = parse_column_map(source.read_text(encoding="utf-8"), f"{name}.toml")
    return _with_its_crosswalk(column_map, Path())


def parse_column_map(text: str, where: str = "The column map") -> ColumnMap:
    """Read a column map from TOML text. Raises BadSettings with every mistake at once."""
    try:
        return ColumnMap.model_validate(settings.read_toml(text, where))
    except ValidationError as error:
        raise settings.refusal(where, [_sentence(dict(each)) for each in error.errors()]) from None


def _sentence(error: dict[str, Any]) -> str:
    place = [str(part) for part in error["loc"]]
    name = ".".join(place)
    known = _known_at(place)
    if error["type"] == "extra_forbidden":
        return f"'{name}' is not a setting of a column map.{did_you_mean(place[-1], known)}"
    if error["type"] == "missing":
        return f"'{name}' is missing. It holds: {known.get(place[-1], 'a setting')}."
    said = settings.words_of(error)
    return f"'{name}': {said}." if name else f"{said[0].upper()}{said[1:]}."


def _known_at(place: list[str]) -> dict[str, str]:
    models: dict[str, type[BaseModel]] = {
        "columns": Column,
        "events": Event,
        "crosswalk": CodeRule,
        "swapped": Swap,
        "force": ForceHint,
    }
    model = models.get(place[0], ColumnMap) if len(place) > 1 else ColumnMap
    if model is Event and "columns" in place[:-1]:
        model = Column
    return {found.alias or name: found.description or "" for name, found in model.model_fields.items()}


def column_map_schema() -> dict[str, Any]:
    """Give the published JSON Schema of a column map."""
    schema = ColumnMap.model_json_schema(by_alias=True)
    # A field given as plain text is short for its column's name.
    columns = schema["properties"]["columns"]
    columns["additionalProperties"] = {"anyOf": [{"type": "string"}, columns["additionalProperties"]]}
    of_event = schema["$defs"]["Event"]["properties"]["columns"]
    of_event["additionalProperties"] = {"anyOf": [{"type": "string"}, of_event["additionalProperties"]]}
    schema["properties"]["district"]["anyOf"].append({"type": "string"})
    return schema
