"""What `init` proposes for a file that it has not seen before: a column map and a time zone, each with its reason.

Nothing is asked here and nothing is written. `propose` looks at a file and gives guesses, open questions and the text
of the files that would be written; the command line shows them, asks, and calls again with the answers.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bluelamp import periods, tables
from bluelamp.errors import BadData, UsageError, count_of, did_you_mean, one_of
from bluelamp.sources.column_maps import ColumnMap, parse_column_map, read_column_map, shipped_maps
from bluelamp.sources.crosswalks import classes
from bluelamp.sources.files import BrokenRow, ExtractFile, Query, Reading, read_source
from bluelamp.sources.time_zones import zones_near
from bluelamp.sources.times import DateOrderEvidence, needs_date_order, read_times

_SAMPLE_ROWS = 60_000
_CODES_LISTED = 1_000
_OWN_NAMES = "bluelamp"  # the map for the product's own column names
# Calls are fewest then everywhere.
_SMALL_HOURS = range(1, 6)
ORDERS = ("day_first", "month_first", "year_first")
_STEPS = ("received_at", "dispatched_at", "arrived_at", "cleared_at", "closed_at")
# Words of a column's name that tell its field; the first field that fits takes the column.
_NAMES: dict[str, str] = {
    "received_at": r"receiv|creat|call.?time|calltime|entry|entered|report|start|opened|logged|offen[sc]e.?(date|time)",
    "dispatched_at": r"dispatch|despatch|assign|alloc",
    "arrived_at": r"arriv|on.?scene|at.?scene|attend",
    "cleared_at": r"clear(?!ance)|free|releas|available|back.?in.?service",
    "closed_at": r"clos|complet|finish|end(ed)?\b|updated|resolved",
    "incident_id": r"incident|event|call.?(id|no|num)|case|log|cad|\bid\b|num|ref|\bno\b",
    "longitude": r"^x$|lon|lng|easting|x.?coord|point.?x",
    "latitude": r"^y$|lat|northing|y.?coord|point.?y",
    "area_id": r"beat|sector|zone|grid|ward|neighbou?rhood|patrol.?area|reporting.?(district|area)|\barea\b",
    "district": r"district|division|precinct|borough|\bbcu\b|\blpa\b|command.?area",
    "grade_code": r"grade|priorit|urgency",
    "status": r"status|state\b",
    "disposition_code": r"disp(o|osition)?(_|\b|code)|clearance|result|outcome|closing",
    "units": r"\bunits?|resources|callsigns?|officers.?sent",
    "opening_description": r"desc|text|detail|wording",
    "opening_code": r"type|code|nature|categor|problem|offen[sc]e|call.?id|incident.?class|subject",
}
_OPEN_WORDS = r"^(o|a|p|open|active|pending|in.?progress|dispatched|new)$"
_WHY_SO = {"sheet": "it is the first of several", "header_row": "the rows above it are headings"}
_CLOSED_WORDS = r"^(c|closed?|complete[d]?|cleared|finished|resolved|cancel(l?ed)?)$"


@dataclass(frozen=True)
class Guess:
    """One thing that was guessed: what, its value, why, and how sure (high, fair, low)."""

    what: str
    value: str
    because: str
    confidence: str

    def __str__(self) -> str:
        return f"{self.what} = {self.value}: {self.because} ({self.confidence} confidence)"


@dataclass(frozen=True)
class Question:
    """One thing that only the user can say. `name` is the key of the answer."""

    name: str
    words: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """What `init` proposes: guesses with reasons, open questions, and the files that it would write."""

    source: Path | Query
    map_name: str
    is_shipped: bool
    time_zone: str | None
    guesses: list[Guess]
    questions: list[Question]
    map_text: str | None
    force: dict[str, str | None] = field(default_factory=dict)
    from_points: bool = False
    # Other tables that a shipped map fills from the same file.
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to ask."""
        return not self.questions

    def files(self, areas: Mapping[str, str] | None = None) -> dict[str, str]:
        """Give the files to write, by their path in the force's folder.

        `areas` are the settings of boundaries that the force has drawn (`file`, `crs`, `id_property`, …). Raises
        UsageError while questions are open.
        """
        if self.questions:
            raise UsageError("Some things have to be said first:", [question.words for question in self.questions])
        written = {"force.toml": self._force_toml(areas or {})}
        if self.map_text is not None:
            written[self.map_name] = self.map_text
        return written

    def lines(self) -> list[str]:
        """Give what was found as lines to read."""
        lines = [str(guess) for guess in self.guesses]
        return lines + [f"? {question.words}" for question in self.questions]

    def _force_toml(self, areas: Mapping[str, str]) -> str:
        # The file lies outside the folder as a rule, so that its whole path is kept.
        given = self.source if isinstance(self.source, Query) else str(self.source.expanduser().absolute())
        filled = {"incidents": self.map_name, **self.others}
        sources = [(table, map_name, given) for table, map_name in filled.items()]
        return force_toml(self.force, self.time_zone, areas, self.from_points, sources)


def force_toml(
    force: Mapping[str, Any],
    time_zone: str | None,
    areas: Mapping[str, str],
    from_points: bool,
    sources: Iterable[tuple[str, str, str | Query]],
) -> str:
    """Write force.toml. `sources` are table, column map, and a file as it is to be named, or a query."""
    known = {name: value for name, value in force.items() if value is not None}
    lines = ["[force]", *(f"{name} = {quoted(value)}" for name, value in known.items())]
    lines.append(f"time_zone = {quoted(time_zone or '')}")
    if areas:
        lines += ["", "[areas]", *(f"{name} = {quoted(value)}" for name, value in areas.items())]
    elif from_points:
        lines += ["", "[areas]", "# The force drew no boundaries: approximate ones are made from labelled points."]
        lines.append("from_points = true")
    for table, map_name, given in sources:
        lines += ["", f"[sources.{table}]", f"map = {quoted(map_name)}"]
        if isinstance(given, Query):
            said = {"url": given.url, "query": given.query, "watermark": given.watermark}
            lines += [f"{name} = {quoted(value)}" for name, value in said.items() if value is not None]
        else:
            lines.append(f"file = {quoted(given)}")
    return "\n".join([*lines, ""])


def propose(
    source: Path | str | Query,
    *,
    map_name: str | None = None,
    answers: Mapping[str, str] | None = None,
    force_id: str = "force",
    force_name: str | None = None,
) -> Proposal:
    """Look at a file of incidents, or at what a query gives, and propose how to read it.

    A shipped map whose columns the file has is taken as it is, and so are those of other tables that fit it, too: one
    file may hold calls and their units. `map_name` names the map of the incidents instead; `answers` holds what
    was asked before (`time_zone`, `date_order`, `received_at`). Raises what reading the file raises, BadData where no
    column reads as a time or dates are written in two orders, and UsageError for an answer that makes no sense
    (BadSettings for a time zone that there is not).
    """
    given = dict(answers or {})
    if "time_zone" in given:
        periods.zone(given["time_zone"])
    if given.get("date_order", ORDERS[0]) not in ORDERS:
        raise UsageError(f"'{given['date_order']}' is not an order of dates. {one_of(ORDERS)} was expected.")
    file, encoding = open_guessing(source)
    recognised = map_name or _recognise(file)
    if recognised is not None:
        return _with_map(file, recognised, given, force_id, force_name, was_named=map_name is not None)
    return Draft(file, encoding, given).proposal(force_id, force_name)


def open_guessing(source: Path | str | Query) -> tuple[ExtractFile, str]:
    """Open a source in the first encoding that reads all of it."""
    encoding = "utf-8"
    try:
        file = read_source(source, Reading(guess_header=True))
        _refuse_where_nothing_is_whole(file)
    except BadData as error:
        if "windows-1252" not in error.summary:
            raise
        encoding = "windows-1252"
        file = read_source(source, Reading(encoding=encoding, guess_header=True))
        _refuse_where_nothing_is_whole(file)
    return file, encoding


def _refuse_where_nothing_is_whole(file: ExtractFile) -> None:
    """Read all of a file; raise BadData, with the reasons, where not one row is whole."""
    whole = 0
    broken: list[BrokenRow] = []
    for chunk in file.chunks(_SAMPLE_ROWS):
        whole += chunk.values.height
        broken += chunk.broken[: 5 - len(broken)]
    if not whole:
        told = [f"Row {each.row_number}: {each.reason}" for each in broken]
        raise BadData(f"Not one row of {file.name} can be read whole:", told)


def shipped_fits(columns: Iterable[str]) -> dict[str, str]:
    """Name for each table the shipped map that fits a file: all its columns are there, and it uses more of them than
    any other. The product's own column names, which may be any table's, are left out.
    """
    there = set(columns)
    fits: dict[str, tuple[int, str]] = {}
    for name in shipped_maps():
        column_map = read_column_map(name)
        if column_map.table != "any" and set(column_map.needed_columns) <= there:
            fit = len(column_map.file_columns), name
            fits[column_map.table] = max(fits.get(column_map.table, (0, "")), fit)
    return {table: name for table, (_, name) in fits.items()}


def _recognise(file: ExtractFile) -> str | None:
    """Name the map of incidents that fits: the product's own names, or a shipped one."""
    if "header_row" in file.map_settings:
        # No shipped map knows of headings above the columns.
        return None
    own = read_column_map(_OWN_NAMES).filling("incidents")
    if set(own.needed_columns) <= set(file.columns) <= set(own.file_columns):
        return _OWN_NAMES
    return shipped_fits(file.columns).get("incidents")


def _with_map(
    file: ExtractFile, name: str, given: dict[str, str], force_id: str, force_name: str | None, *, was_named: bool
) -> Proposal:
    column_map = read_column_map(name)
    filled = column_map.filling("incidents")
    missing = [column for column in filled.needed_columns if column not in file.columns]
    if missing:
        raise BadData(
            f"{file.name} does not have the columns that the map '{name}' reads. It has: "
            f"{', '.join(file.columns[:40])}.",
            [f"Column '{column}' is missing.{did_you_mean(column, file.columns)}" for column in missing],
        )
    because = "you named it" if was_named else "the file has all the columns that it reads"
    if "date_order" in given:
        raise UsageError(
            f"{file.name} is read by the column map '{name}' ({because}), which says itself how dates are written "
            f'(date_order = "{filled.date_order}"). Leave --date-order out; in a map of your own, write it there.'
        )
    guesses = [Guess("column map", name, f"{because} ({column_map.title})", "high")]
    others = {}
    if name in shipped_maps() and name != _OWN_NAMES:
        others = {table: fits for table, fits in shipped_fits(file.columns).items() if table != "incidents"}
    for table, other in others.items():
        why = f"the same file has all the columns that it reads, too ({read_column_map(other).title})"
        guesses.append(Guess(f"column map of '{table}'", other, why, "high"))
    hint = column_map.force
    questions = []
    zone = given.get("time_zone") or (None if filled.time_zone in ("force", "stated") else filled.time_zone)
    if zone is not None:
        reason = "you said so" if "time_zone" in given else "the map says so"
        guesses.append(Guess("time zone", zone, reason, "high"))
    else:
        draft = Draft(file, filled.encoding, given)
        zone = draft.zone_from_points(filled)
        guesses += draft.guesses
        if zone is None:
            questions.append(_ask_zone())
    force = {
        "id": hint.id if hint and force_id == "force" else force_id,
        "name": force_name or (hint.name if hint else force_id),
        "country": hint.country if hint else None,
        "subdivision": hint.subdivision if hint else None,
    }
    from_points = bool(hint and hint.from_points)
    is_shipped = name in shipped_maps()
    return Proposal(file.source, name, is_shipped, zone, guesses, questions, None, force, from_points, others)


def _ask_zone(hint: str = "") -> Question:
    words = "By which clock does the force live? Give its IANA time zone, such as Europe/London (--time-zone)."
    return Question("time_zone", words + hint)


class Draft:
    """A column map in the making."""

    def __init__(
        self, file: ExtractFile, encoding: str, given: dict[str, str], sample: pl.DataFrame | None = None
    ) -> None:
        self.file = file
        self.encoding = encoding
        self.given = given
        self.guesses: list[Guess] = []
        self.questions: list[Question] = []
        self.sample = _sample_of(file) if sample is None else sample
        self.columns: dict[str, dict[str, Any]] = {}
        self.order = given.get("date_order", "detect")
        self.zone: str | None = None
        self.map_zone = "force"
        self.settings: dict[str, Any] = {}

    def proposal(self, force_id: str, force_name: str | None) -> Proposal:
        """Guess everything, in an order in which each guess may use those before it."""
        if self.encoding != "utf-8":
            self._guess("encoding", self.encoding, "the text is not UTF-8, and reads without a fault as this", "fair")
        self._guess(*self.file.looks, "high")
        for name, value in self.file.map_settings.items():
            self.settings[name] = value
            self._guess(name, str(value), _WHY_SO[name], "fair")
        times = self._find_times()
        self._give_roles(times)
        self._find_places()
        self._find_words()
        self._find_id()
        self._close_only_what_is_closed()
        self.find_zone()
        crosswalk = self.draft_crosswalk()
        text = self._map_text(crosswalk) if "received_at" in self.columns else None
        if text is not None:
            parse_column_map(text, "The proposed column map")
        name = f"{re.sub(r'[^a-z0-9]+', '-', self.file.name.split('.')[0].lower()).strip('-') or 'feed'}.toml"
        force = {"id": force_id, "name": force_name or force_id, "country": None, "subdivision": None}
        has_labels = {"area_id", "longitude", "latitude"} <= set(self.columns)
        return Proposal(
            self.file.source, name, False, self.zone, self.guesses, self.questions, text, force, from_points=has_labels
        )

    def _guess(self, what: str, value: str, because: str, confidence: str) -> None:
        self.guesses.append(Guess(what, value, because, confidence))

    def _take(self, field_name: str, column: str, because: str, confidence: str, **more: Any) -> None:
        self.columns[field_name] = {"column": column, **more}
        self._guess(field_name, column, because, confidence)

    @property
    def _free(self) -> list[str]:
        taken = {name for spec in self.columns.values() for name in (spec.get("column"), *spec.get("columns", ()))}
        return [name for name in self.sample.columns if name not in taken]

    def _find_times(self) -> dict[str, pl.Series]:
        """Find the columns that hold times, and read them as wall-clock times or instants."""
        found: dict[str, pl.Series] = {}
        dates, hours = [], []
        for name in self.sample.columns:
            text = self.sample[name].drop_nulls()
            if text.is_empty():
                continue
            if text.str.contains(r"^1\d{12}$").all():
                found[name] = text
                self.order = "epoch_milliseconds"
                self._guess("dates", "milliseconds since 1970", f"'{name}' holds 13 figures, as such times do", "high")
            elif _share(text, r"^\d{1,4}[-/.](\d{1,2}|[A-Za-z]{3})[-/.]\d{1,4}$") > 0.9:
                dates.append(name)
            elif _share(text, r"^\d{1,2}:\d{2}(:\d{2})?(\s*[AaPp][Mm])?$") > 0.9:
                hours.append(name)
            elif _share(text, r"^\d{1,4}[-/.](\d{1,2}|[A-Za-z]{3,9})[-/.]\d{1,4}[T ,]+\d{1,2}:\d{2}") > 0.8:
                found[name] = text
        for date_name, hour_name in zip(dates, hours, strict=False):
            found[f"{date_name} + {hour_name}"] = self.sample.select(
                pl.concat_str([date_name, hour_name], separator=" ")
            ).to_series()
        if not found:
            raise BadData(
                f"No column of {self.file.name} reads as a time, so that nobody can tell when an incident was "
                f"received. It has: {', '.join(self.sample.columns[:40])}. Times such as 2026-11-23 18:05 were "
                "expected, or the date and the time of day in two columns. For another form write a column map, and "
                "name it with --map."
            )
        self._settle_date_order(found)
        return {name: self._instants(text) for name, text in found.items()}

    def _settle_date_order(self, found: dict[str, pl.Series]) -> None:
        if self.order.startswith("epoch") or not any(needs_date_order(text) for text in found.values()):
            return
        evidence = DateOrderEvidence()
        for chunk in self.file.chunks(_SAMPLE_ROWS):
            for name in found:
                for part in name.split(" + ")[:1]:
                    evidence.add(chunk.values[str(self.file.columns.index(part))].replace("", None))
        if self.order != "detect":
            self._hold_to_order(evidence)
            return
        try:
            self.order = evidence.decide(self.file.name)
            number = evidence.day_first or evidence.month_first
            why = f"{count_of(number, 'date')} can be read no other way, and none contradicts"
            self._guess("dates", self.order.replace("_", "-"), why, "high")
        except BadData as error:
            if evidence.is_mixed:
                raise
            self.questions.append(Question("date_order", error.summary, ("day_first", "month_first")))
            self.order = "day_first"

    def _hold_to_order(self, evidence: DateOrderEvidence) -> None:
        """Take the order of dates that was said, and tell how far the file agrees."""
        against = evidence.against(self.order)
        said = self.order.replace("_", "-")
        if against == evidence.day_first + evidence.month_first + evidence.either:
            raise UsageError(
                f"Not one date of {self.file.name} can be read {said}. Give another --date-order, or leave it out."
            )
        otherwise = f"; {count_of(against, 'date')} can't be read so, and will be set aside" if against else ""
        self._guess("dates", said, f"you said so{otherwise}", "high")

    def _instants(self, text: pl.Series) -> pl.Series:
        return read_times(text, order=self.order, time_zone="UTC")["at"]

    def _give_roles(self, times: dict[str, pl.Series]) -> None:
        """Say which time is which: by name, and where names are silent by their usual order."""
        named = {name: _field_named(name, _STEPS) for name in times}
        roles: dict[str, tuple[str, str, str]] = {}
        if self.given.get("received_at") in times:
            roles["received_at"] = (self.given["received_at"], "you said so", "high")
        for name, role in named.items():
            if role is not None and role not in roles and name not in {each[0] for each in roles.values()}:
                roles[role] = (name, "its name says so", "high")
        used = {each[0] for each in roles.values()}
        silent = [name for name in times if name not in used]
        silent.sort(key=lambda name: (float(times[name].cast(pl.Int64).mean() or 0), name))  # type: ignore[arg-type]
        free = [step for step in _STEPS if step not in roles]
        if silent and "received_at" not in roles:
            roles["received_at"] = (silent.pop(0), "it is the earliest of the times, on average", "fair")
            free.remove("received_at")
        if len(silent) <= len(free):
            for name, step in zip(silent, free if len(silent) > 1 else free[-1:], strict=False):
                roles[step] = (name, "its place in the order of the times", "low")
        if "received_at" not in roles:
            self._ask_received(list(times))
        for step in _STEPS:
            if step in roles:
                self._take_time(step, *roles[step])

    def _ask_received(self, times: list[str]) -> None:
        said = self.given.get("received_at")
        if said is not None:
            raise UsageError(f"'{said}' does not read as a time. Those that do are {one_of(times)}.")
        self.questions.append(
            Question(
                "received_at",
                f"Which column of {self.file.name} says when an incident was received? By its name, "
                f"{' and '.join(times)} says something else. A column map of your own, named with --map, can say it.",
                tuple(times),
            )
        )

    def _take_time(self, step: str, name: str, because: str, confidence: str) -> None:
        if " + " in name:
            parts = name.split(" + ")
            self.columns[step] = {"columns": parts}
            self._guess(step, name, f"{because}; a date and a time of day in two columns", confidence)
        else:
            self._take(step, name, because, confidence)

    def _find_places(self) -> None:
        numbers = {name: self.sample[name].cast(pl.Float64, strict=False).drop_nulls() for name in self._free}
        numbers = {
            name: values
            for name, values in numbers.items()
            if values.len() >= 0.9 * self.sample[name].drop_nulls().len() > 0
        }
        x = next((name for name in numbers if _field_named(name, ("longitude", "latitude")) == "longitude"), None)
        y = next((name for name in numbers if _field_named(name, ("longitude", "latitude")) == "latitude"), None)
        if x is not None and y is not None:
            largest = max(float(np.abs(numbers[each].to_numpy()).max()) for each in (x, y))
            if largest > 360:
                self.settings["crs"] = "EPSG:27700"
                why = "its values are metres, not degrees; the British national grid is the likeliest"
                self._guess("crs", "EPSG:27700", why, "low")
            self._take("longitude", x, "its name and its values", "high")
            self._take("latitude", y, "its name and its values", "high")
        for field_name in ("area_id", "district"):
            for name in self._free:
                different = self.sample[name].n_unique()
                if _field_named(name, (field_name,)) == field_name and 2 <= different <= 3000:
                    self._take(field_name, name, f"its name, and {different:,} different values", "fair")
                    break

    def _find_words(self) -> None:
        """Find code, description, grade, status, disposition and units."""
        for field_name, most in (("grade_code", 12), ("status", 12), ("disposition_code", 500), ("units", 10**9)):
            for name in self._free:
                if _field_named(name, (field_name,)) == field_name and self.sample[name].n_unique() <= most:
                    self._take(
                        field_name, name, "its name, and how many values it has", "fair", **self._how(field_name, name)
                    )
                    break
        described = [name for name in self._free if _field_named(name, ("opening_description",))]
        coded = [name for name in self._free if _field_named(name, ("opening_code",)) and name not in described]
        coded = [name for name in coded if 2 <= self.sample[name].n_unique() <= 5000]
        if coded:
            code = max(coded, key=lambda name: (bool(re.search("type|nature|code", name.lower())), -coded.index(name)))
            different = self.sample[code].n_unique()
            self._take("opening_code", code, f"its name, and {different:,} different values", "fair")
        elif described:
            self._take("opening_code", described.pop(0), "the only words for what happened", "low")
        for name in described:
            if self.sample[name].n_unique() <= 5000:
                self._take("opening_description", name, "its name", "fair")
                break

    def _how(self, field_name: str, name: str) -> dict[str, Any]:
        text = self.sample[name].drop_nulls()
        if field_name == "status":
            words = {}
            for word in text.unique().sort():
                if re.match(_CLOSED_WORDS, word.lower()):
                    words[word] = "closed"
                elif re.match(_OPEN_WORDS, word.lower()):
                    words[word] = "open"
            return {"words": words}
        if field_name == "units" and not text.str.contains(r"^\d{1,2}$").all():
            split = next((each for each in ",;|/" if text.str.contains(each, literal=True).any()), ",")
            return {"count_split_by": split}
        return {}

    def _find_id(self) -> None:
        unique = [
            name
            for name in self._free
            if self.sample[name].null_count() == 0 and self.sample[name].n_unique() == self.sample.height
        ]
        named = [name for name in unique if _field_named(name, ("incident_id",))]
        if named:
            self._take("incident_id", named[0], "its name, and no value comes twice", "high")
        elif unique:
            self._take("incident_id", unique[0], "no value comes twice", "fair")
        else:
            self._guess(
                "incident_id", "none", "no column is unique; rows are numbered by content and occurrence", "fair"
            )

    def _close_only_what_is_closed(self) -> None:
        """Take a time of closing only where the status says closed, because many feeds keep one time of last change."""
        words = self.columns.get("status", {}).get("words", {})
        closed = [word for word, meaning in words.items() if meaning == "closed"]
        if closed and "column" in self.columns.get("closed_at", {}):
            self.columns["closed_at"]["only_when"] = {self.columns["status"]["column"]: closed}
            self._guess(
                "closed_at", f"only where the status is {', '.join(closed)}", "open incidents have no end", "fair"
            )

    def find_zone(self) -> None:
        """Guess the force's time zone, and by which clock the file's times are."""
        if "received_at" not in self.columns:
            return
        spec = self.columns["received_at"]
        joined = pl.concat_str([pl.col(name) for name in spec.get("columns", [spec.get("column")])], separator=" ")
        received = self._instants(self.sample.select(joined).to_series())
        carries = _share(self._received_text().drop_nulls(), r"([Zz]|[+-]\d{2}:?\d{2})$") > 0.5
        said = self.given.get("time_zone")
        if said is not None:
            self.zone = said
            self._guess("time zone", said, "you said so", "high")
        else:
            self.zone = self.zone_from_points()
        if self.zone is not None:
            self._judge_clock(received, carries=carries)
            return
        quietest = _quietest_hour(received)
        hint = f" As the file writes its times, the quietest hours begin at {quietest:02d}:00"
        hint += ": they look local." if quietest in _SMALL_HOURS else ": they may not be local, but UTC."
        self.questions.append(_ask_zone(hint))

    def _received_text(self) -> pl.Series:
        spec = self.columns["received_at"]
        name: str = spec["column"] if "column" in spec else spec["columns"][-1]
        return self.sample[name]

    def zone_from_points(self, column_map: ColumnMap | None = None) -> str | None:
        """Guess the time zone from where the points lie."""
        if column_map is not None:
            self.columns = {
                name: {"column": spec.column}
                for name, spec in column_map.columns.items()
                if spec.column in self.sample.columns
            }
        if not {"longitude", "latitude"} <= set(self.columns):
            return None
        x, y = (
            self.sample[self.columns[name]["column"]].cast(pl.Float64, strict=False).to_numpy()
            for name in ("longitude", "latitude")
        )
        if "crs" in self.settings:
            from bluelamp.geography import to_degrees

            x, y = to_degrees(x, y, self.settings["crs"])
        good = np.isfinite(x) & np.isfinite(y) & (x != 0)
        if good.sum() < 10:
            return None
        middle_x, middle_y = float(np.median(x[good])), float(np.median(y[good]))
        if abs(middle_y) > 90:
            middle_x, middle_y = middle_y, middle_x
        nearest = zones_near(middle_x, middle_y)
        why = f"the points lie around {middle_x:.1f}, {middle_y:.1f}; the next nearest is {nearest[1]}"
        self._guess("time zone", nearest[0], why, "fair")
        return nearest[0]

    def _judge_clock(self, received: pl.Series, *, carries: bool) -> None:
        """Say from the day's shape whether the times are local: calls are fewest between 1 and 6 everywhere."""
        assert self.zone is not None
        quietest = _quietest_hour(received)
        quietest_turned = _quietest_hour(received.dt.convert_time_zone(self.zone))
        written = f"the quietest hours begin at {quietest:02d}:00 as the times are written"
        if quietest in _SMALL_HOURS and quietest_turned not in _SMALL_HOURS:
            if carries:
                self.settings["ignore_offset"] = True
                believed = f"and at {quietest_turned:02d}:00 if their offset is believed"
                why = f"{written}, {believed}: local times that carry the wrong offset"
                self._guess("clock", "local, labelled otherwise", why, "fair")
            else:
                self._guess("clock", "local", f"{written}, as they should by local time", "high")
        elif quietest_turned in _SMALL_HOURS and quietest not in _SMALL_HOURS:
            self.map_zone = "UTC"
            self._guess("clock", "UTC", f"{written}, and at {quietest_turned:02d}:00 if they are UTC", "high")
        else:
            self._guess("clock", "local", f"{written}; the day's shape can't tell local time from UTC here", "low")

    def draft_crosswalk(self) -> list[tuple[str, str, list[tuple[str, int, str]]]]:
        """List the codes with their counts, classed where words say so: (class, origin, [(code, rows, words)])."""
        if "opening_code" not in self.columns:
            return []
        code = self.columns["opening_code"]["column"]
        words = self.columns.get("opening_description", {}).get("column", code)
        counted = _count_codes(self.file, code, words)
        groups: dict[tuple[str, str], list[tuple[str, int, str]]] = {}
        for value, rows, said in counted[:_CODES_LISTED]:
            groups.setdefault(guess_class(f"{value} {said}"), []).append((value, rows, said))
        total = sum(rows for _, rows, _ in counted)
        known = sum(rows for key, codes in groups.items() if key[0] != "unknown" for _, rows, _ in codes)
        self._guess(
            "crosswalk",
            f"{count_of(len(counted), 'code')}",
            f"words in their descriptions class {known / max(total, 1):.0%} of the rows; read every line of it",
            "low",
        )
        order = {name: place for place, name in enumerate(classes())}
        return [(*key, groups[key]) for key in sorted(groups, key=lambda key: (order[key[0]], key[1]))]

    def _map_text(self, crosswalk: list[tuple[str, str, list[tuple[str, int, str]]]]) -> str:
        lines = [
            f"title = {quoted(self.file.name)}",
            'table = "incidents"',
            f"time_zone = {quoted(self.map_zone)}",
        ]
        if self.encoding != "utf-8":
            lines.append(f"encoding = {quoted(self.encoding)}")
        if self.order != "detect":
            lines.append(f"date_order = {quoted(self.order)}")
        lines += [f"{name} = {json.dumps(value)}" for name, value in self.settings.items()]
        columns = dict(self.columns)
        if (district := columns.pop("district", None)) is not None:
            lines.append(f"district = {quoted(district['column'])}")
        lines += ["", "[columns]"]
        lines += [f"{name} = {inline(columns[name])}" for name in tables.table("incidents").columns if name in columns]
        lines += self.crosswalk_lines(crosswalk)
        return "\n".join(lines) + "\n"

    def crosswalk_lines(self, crosswalk: list[tuple[str, str, list[tuple[str, int, str]]]]) -> list[str]:
        """Write a crosswalk as a column map has it."""
        lines: list[str] = []
        for class_code, origin, codes in crosswalk:
            lines += ["", "[[crosswalk]]", f"class = {quoted(class_code)}", f"origin = {quoted(origin)}", "codes = ["]
            lines += [f"  {quoted(code)}, # {_comment(rows, said)}" for code, rows, said in codes]
            lines.append("]")
        return lines


def _sample_of(file: ExtractFile) -> pl.DataFrame:
    """The first rows of a file, columns by name, empty values null; a name that comes twice is read once."""
    chunk = next(iter(file.chunks(_SAMPLE_ROWS)))
    names = {name: str(place) for place, name in reversed(list(enumerate(file.columns))) if name}
    ordered = sorted(names, key=lambda name: int(names[name]))
    return chunk.values.select(pl.col(names[name]).str.strip_chars().replace("", None).alias(name) for name in ordered)


def _count_codes(file: ExtractFile, code: str, words: str) -> list[tuple[str, int, str]]:
    """Count the codes of the whole file, most frequent first, each with its commonest words; case is not regarded."""
    parts = []
    for chunk in file.chunks(_SAMPLE_ROWS):
        text = [
            pl.col(str(file.columns.index(name))).str.strip_chars().alias(alias)
            for name, alias in ((code, "code"), (words, "words"))
        ]
        parts.append(chunk.values.select(text).group_by("code", "words").agg(rows=pl.len()))
    counted = (
        pl.concat(parts)
        .filter(pl.col("code") != "")
        .with_columns(folded=pl.col("code").str.to_lowercase())
        .group_by("folded", "code", "words")
        .agg(pl.col("rows").sum())
        .sort("rows", "code", "words", descending=[True, False, False])
        .group_by("folded", maintain_order=True)
        .agg(pl.col("code").first(), pl.col("rows").sum(), pl.col("words").first())
        .sort("rows", "code", descending=[True, False])
    )
    return list(counted.select("code", "rows", "words").iter_rows())


def _quietest_hour(times: pl.Series) -> int:
    """The hour of the day at which the quietest three hours begin."""
    by_hour = np.bincount(times.drop_nulls().dt.hour().to_numpy(), minlength=24)
    return int(np.argmin(np.convolve(np.concatenate([by_hour, by_hour[:2]]), np.ones(3), mode="valid")))


def _share(text: pl.Series, pattern: str) -> float:
    return int(text.str.contains(pattern).sum()) / text.len() if text.len() else 0.0


def _field_named(name: str, among: Iterable[str]) -> str | None:
    """Say which of some fields a column's name speaks of."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()
    return next((each for each in among if re.search(_NAMES[each], spaced)), None)


@lru_cache(maxsize=1)
def _code_words() -> list[tuple[re.Pattern[str], str, str]]:
    text = (files("bluelamp.sources") / "code_words.toml").read_text(encoding="utf-8")
    return [(re.compile(pattern), class_code, origin) for pattern, class_code, origin in tomllib.loads(text)["guesses"]]


def guess_class(words: str) -> tuple[str, str]:
    """Guess class and origin from a code's words; ('unknown', 'unknown') where they say nothing.

    >>> guess_class("961 TRAFFIC STOP"), guess_class("AUTO BURGLARY"), guess_class("XYZ")
    (('patrol', 'officer_initiated'), ('vehicle_crime', 'public'), ('unknown', 'unknown'))
    """
    said = words.lower().replace("_", " ")
    return next(
        ((class_code, origin) for pattern, class_code, origin in _code_words() if pattern.search(said)),
        ("unknown", "unknown"),
    )


def quoted(text: str) -> str:
    """Write text as a string of TOML."""
    # JSON's strings are TOML's basic strings, DEL and lone surrogates apart.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def inline(spec: dict[str, Any]) -> str:
    """Write where a field's values come from as a column map has it, in one line."""
    if set(spec) == {"column"}:
        return quoted(spec["column"])
    return "{ " + ", ".join(f"{name} = {_value(value)}" for name, value in spec.items()) + " }"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{quoted(name)} = {quoted(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(quoted(each) for each in value) + "]"
    return quoted(str(value))


def _comment(rows: int, said: str) -> str:
    clean = "".join(letter if letter.isprintable() else " " for letter in said)
    return f"{rows:,} {clean[:60]}".rstrip()
