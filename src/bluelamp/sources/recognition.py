"""Which of our tables a file of unknown columns is, and which column fills which field.

Three things speak: a column's name, the shape of its values, and the name of the file. The words are those of
`field_words.toml`. A column is taken for a field only where its values can be read as that field's; a table is named
only where every field that it can't be without has a column.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

import polars as pl

from bluelamp import tables
from bluelamp.sources.crosswalks import classes
from bluelamp.sources.proposals import guess_class

_MOST = 0.9  # share of values that must have a shape
_MOST_WORDS = 0.7  # share of rows whose words must be known
# A column with more different words than this is free text, which is never written into a map.
_MOST_DIFFERENT_WORDS = 80
_MOST_OFFENCES = 1_000
_EXACT, _SURENESS = 1.0, (0.9, 0.65, 0.45)
_DATE = r"^\d{1,4}[-/.](\d{1,2}|[A-Za-z]{3})[-/.]\d{1,4}$"
_CLOCK = r"^\d{1,2}:\d{2}(:\d{2})?(\s*[AaPp][Mm])?$"
_INSTANT = r"^\d{1,4}[-/.](\d{1,2}|[A-Za-z]{3,9})[-/.]\d{1,4}[T ,]+\d{1,2}:\d{2}"
_OFFSET = r"([Zz]|[+-]\d{2}:?\d{2})$"
_TRUE, _FALSE = ("y", "t", "yes", "true", "1"), ("n", "f", "no", "false", "0")
# What intake makes where no column says it.
_MADE = {"incidents": {"incident_id", "class_code", "origin"}}
# Tables whose rows are settings, in the product's own columns or not at all: their words are nobody else's.
_OWN_FORM_ONLY = ("service_times", "areas")
_LEAST_EXPLAINED = 0.34
# A log is issued again and again, but a column of a few codes is nobody's number.
_LEAST_DIFFERENT = 0.2
_SURE, _FAIR = 0.85, 0.6


@dataclass(frozen=True)
class Taken:
    """A column, or a date and a time of day in two, taken for a field: how sure, and what its words mean."""

    columns: tuple[str, ...]
    sureness: float
    words: dict[str, str] = field(default_factory=dict)
    because: str = "its name and its values"
    by_values: bool = False

    @property
    def spec(self) -> dict[str, Any]:
        """How a column map says it."""
        spec: dict[str, Any] = (
            {"column": self.columns[0]} if len(self.columns) == 1 else {"columns": list(self.columns)}
        )
        return spec | ({"words": self.words} if self.words else {})


@dataclass(frozen=True)
class Reading:
    """One table that a file may be: which column fills which field, what is lacking, and how well it fits."""

    table: str
    fields: dict[str, Taken]
    lacking: tuple[str, ...]
    score: float
    is_own_form: bool = False

    @property
    def certainty(self) -> str:
        """How sure it is, in a word."""
        return "high" if self.score >= _SURE else "fair" if self.score >= _FAIR else "low"


@lru_cache(maxsize=1)
def _words() -> dict[str, Any]:
    return tomllib.loads((files("bluelamp.sources") / "field_words.toml").read_text(encoding="utf-8"))


def spelled(name: str) -> str:
    """Give a name in words.

    >>> spelled("LOG_REF"), spelled("dutyDate START")
    ('log ref', 'duty date start')
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.sub(r"[^a-z0-9]+", " ", apart.lower()).strip()


class Columns:
    """The columns of a file as they look: what shape the values of each have."""

    def __init__(self, sample: pl.DataFrame) -> None:
        self.sample = sample
        self.known = {name: sample[name].drop_nulls() for name in sample.columns}
        self.shapes = {name: _shape_of(text) for name, text in self.known.items()}

    @property
    def instants(self) -> list[tuple[str, ...]]:
        """Columns that hold instants, and pairs that hold a date and a time of day."""
        alone = [(name,) for name, shape in self.shapes.items() if shape in ("instant", "epoch")]
        dates: list[str] = []
        paired: list[tuple[str, ...]] = []
        for name, shape in self.shapes.items():
            if shape == "date":
                dates.append(name)
            elif shape == "clock" and dates:
                paired.append((dates[-1], name))
        return alone + paired

    def carry_offsets(self, names: list[str]) -> bool:
        """Say whether every time in some columns carries its offset."""
        return bool(names) and all(self.known[name].str.contains(_OFFSET).all() for name in names)

    def fit(self, name: str, kind: tables.Field) -> bool:
        """Say whether a column's values can be read as a field's; an empty column fits whatever it is named for."""
        text, shape = self.known[name], self.shapes[name]
        if shape == "empty":
            return not kind.required
        if kind.type == "number":
            return shape in ("integer", "number", "flag")
        if kind.type == "integer":
            return shape in ("integer", "flag") or bool(_share(text, r"^\d+([.]0+)?$") >= _MOST)
        if kind.type == "boolean":
            return set(text.str.to_lowercase().unique()) <= {*_TRUE, *_FALSE}
        if kind.type == "date":
            return _share(text, r"^\d{4}-\d{2}-\d{2}$") >= _MOST
        if kind.name.endswith(("_id", "_code")) or kind.token:
            return shape not in ("instant", "date", "clock", "epoch")
        return kind.type == "string" and shape not in ("instant", "epoch")


def _shape_of(text: pl.Series) -> str:
    shapes = {
        "epoch": r"^1\d{12}$", "instant": _INSTANT, "date": _DATE, "clock": _CLOCK, "flag": r"^[01]$",
        "integer": r"^-?\d{1,15}$", "number": r"^-?\d*\.?\d+([eE][-+]?\d+)?$",
    }  # fmt: skip
    if text.is_empty():
        return "empty"
    return next((shape for shape, pattern in shapes.items() if _share(text, pattern) >= _MOST), "text")


def _share(text: pl.Series, pattern: str) -> float:
    return int(text.str.contains(pattern).sum()) / text.len() if text.len() else 0.0


def words_for(text: pl.Series, table: str, name: str) -> dict[str, str] | None:
    """Say what a column's words mean as a field's; None where too few of its rows can be told."""
    allowed = tables.table(table).by_name[name]
    known = _words()
    patterns = known["words_of"].get(table, {}).get(name) or known["words"].get(name.removeprefix("posted_")) or []
    titles = {title.lower(): code for code, title in classes().items()} if name == "class_code" else {}
    counted = text.drop_nulls().alias("word").value_counts().sort("count", "word", descending=[True, False])
    if counted.height > (_MOST_OFFENCES if name == "class_code" else _MOST_DIFFERENT_WORDS):
        return None
    meaning, told, total = {}, 0, text.drop_nulls().len()
    for value, rows in counted.iter_rows():
        said = value.lower()
        ours = said if said in allowed.enum or (name == "class_code" and said in classes()) else titles.get(said)
        if ours is None and name == "class_code":
            ours = next((each for each in [guess_class(said)[0]] if each != "unknown"), None)
        elif ours is None:
            plain = said.replace("_", " ")
            ours = next((word for word, pattern in patterns if re.search(pattern, plain)), None)
        if ours is not None:
            told += rows
            if ours != value:
                meaning[value] = ours
    if total and told / total < _MOST_WORDS:
        return None
    return meaning


def recognise(file_name: str, sample: pl.DataFrame) -> list[Reading]:
    """List the tables that a file may be, the likeliest first: those that lack nothing before those that do.

    `sample` holds the file's rows as text under its own column names, empty values null.
    """
    own = own_form_of(list(sample.columns))
    if own is not None:
        taken = {name: Taken((name,), _EXACT, because="it is the product's own name") for name in sample.columns}
        return [Reading(own, taken, (), 1.0, is_own_form=True)]
    looked = Columns(sample)
    found = [_read_as(name, file_name, looked) for name in tables.names("imported") if name not in _OWN_FORM_ONLY]
    return sorted(found, key=lambda each: (len(each.lacking), -each.score, each.table))


def own_form_of(columns: list[str]) -> str | None:
    """Name the table whose own column names a file has: the one that it fills most of."""
    fits = {}
    for name in tables.names("imported"):
        definition = tables.table(name)
        needed = {each.name for each in definition.fields if each.required}
        if needed <= set(columns) <= set(definition.columns):
            fits[name] = len(columns) / len(definition.columns)
    return max(fits, key=lambda name: fits[name]) if fits else None


def _read_as(table: str, file_name: str, looked: Columns) -> Reading:
    """Give each field of a table the column that fits it best, the surest first; no column twice."""
    definition = tables.table(table)
    offers: list[tuple[float, int, str, Taken]] = []
    for place, each in enumerate(definition.fields):
        # What only intake writes is never offered, and the status's own code comes with the status.
        if each.name == "repairs" or (each.name == "status_code" and table == "unit_status"):
            continue
        candidates = looked.instants if each.type == "datetime" else [(name,) for name in looked.sample.columns]
        if each.type == "datetime" and not each.required:
            candidates = candidates + [(name,) for name, shape in looked.shapes.items() if shape == "empty"]
        for columns in candidates:
            taken = _offer(table, each, columns, looked)
            if taken is not None:
                offers.append((-taken.sureness, place, each.name, taken))
    fields: dict[str, Taken] = {}
    used: set[tuple[str, ...]] = set()
    for _, _, name, taken in sorted(offers, key=lambda each: (each[0], each[1], each[3].columns)):
        if name not in fields and taken.columns not in used:
            fields[name] = taken
            used.add(taken.columns)
    if table == "unit_status" and fields.get("status", Taken((), 0)).words:
        fields["status_code"] = Taken(fields["status"].columns, _EXACT, because="the code that the status was told by")
    made = _MADE.get(table, set())
    needed = [each.name for each in definition.fields if each.required and each.name not in made]
    lacking = tuple(name for name in needed if name not in fields)
    explained = {name for taken in fields.values() for name in taken.columns}
    of_file = len(explained) / max(len(looked.sample.columns), 1)
    of_needed = sum(fields[name].sureness for name in needed if name in fields) / max(len(needed), 1)
    named = bool(re.search(_words()["files"].get(table, r"$."), spelled(file_name.split(".")[0])))
    score = 0.45 * of_needed + 0.4 * of_file + 0.15 * named
    if of_file < _LEAST_EXPLAINED and not lacking:
        lacking = ("most of what is in the file",)
    ordered = {name: fields[name] for name in definition.columns if name in fields}
    return Reading(table, ordered, lacking, score)


def _offer(table: str, kind: tables.Field, columns: tuple[str, ...], looked: Columns) -> Taken | None:
    """Say how surely some columns are a field; None where their name or their values speak against it."""
    sureness = _named_for(table, kind.name, spelled(" ".join(columns)))
    if not sureness:
        return None
    if kind.type == "datetime":
        return Taken(columns, sureness)
    name = columns[0]
    text = looked.known[name]
    is_own_number = tables.table(table).key == (kind.name,)
    if not looked.fit(name, kind) or (is_own_number and text.n_unique() < _LEAST_DIFFERENT * text.len()):
        return None
    words: dict[str, str] = {}
    if kind.type == "boolean":
        words = {value: "true" if value.lower() in _TRUE else "false" for value in text.unique().sort()}
        words = {value: ours for value, ours in words.items() if value.lower() not in ("true", "false")}
    elif kind.enum or kind.name in ("class_code", "role_code", "posted_role_code"):
        told = words_for(text, table, kind.name)
        is_free = kind.name.endswith("role_code")
        if told is None and not is_free:
            return None
        words = told or {}
    return Taken(columns, sureness, words)


def _named_for(table: str, name: str, said: str) -> float:
    """Say how surely a column's name speaks of a field; 0 where it does not."""
    if said == name.replace("_", " "):
        return _EXACT
    known = _words()
    patterns = known["columns_of"].get(table, {}).get(name) or known["columns"].get(name, ())
    return next((sure for sure, pattern in zip(_SURENESS, patterns, strict=False) if re.search(pattern, said)), 0.0)


def grade_words(values: pl.Series, wanted: Mapping[str, int] | set[str]) -> dict[str, str] | None:
    """Say which of the grades 1 to 4 a force's own words for grades mean, where each of them can be told and a target
    speaks of it; None otherwise.
    """
    meaning = {}
    for value in values.drop_nulls().unique().sort():
        said = value.strip().lower()
        grade = next((grade for grade, pattern in _words()["grades"].items() if re.search(pattern, said)), None)
        if grade is None:
            return None
        meaning[value] = grade
    return meaning if meaning and set(meaning.values()) & set(wanted) else None
