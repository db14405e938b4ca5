"""What `init` proposes for a folder of extracts, or for a database: which table each is, by which map, joined by which
keys.

Nothing is asked here and nothing is written, as with one file (`proposals`). Issues of one extract (feeds/2026-06-01/
logs.csv, feeds/2026-06-02/logs.csv) are one, under a name with *. Keys are told from values: how many rows of one file
name a row of another. No value of a row is ever shown but codes and their words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from bluelamp import periods, tables
from bluelamp.errors import BadData, BluelampError, NoInput, UsageError, count_of
from bluelamp.sources.column_maps import parse_column_map, read_column_map
from bluelamp.sources.files import ExtractFile, NoRow, Query, Reading, RowChunk, read_source
from bluelamp.sources.proposals import (
    ORDERS,
    Draft,
    Guess,
    Question,
    force_toml,
    inline,
    open_guessing,
    quoted,
    shipped_fits,
)
from bluelamp.sources.recognition import Columns, Taken, grade_words, own_form_of, recognise, spelled
from bluelamp.sources.recognition import Reading as TableReading
from bluelamp.sources.times import DateOrderEvidence, needs_date_order

_MOST_ROWS = 200_000
_CHUNK = 50_000
# Where a code lives that other tables name, beside the keys that the tables' definitions declare.
_HOMES = {
    "unit_id": ("unit_crews", "unit_id"), "pool_id": ("pools", "pool_id"), "area_id": ("areas", "area_id"),
    "grade_code": ("standards", "grade_code"),
}  # fmt: skip
_GRADES = ("grade_code", "opening_grade_code")
_MATCHES, _HARDLY = 0.5, 0.05
_MUCH = 0.15  # of a score
_NO_DATA = (".toml", ".md", ".key", ".py", ".sh", ".pdf", ".html", ".doc", ".docx")
_WATERMARK = r"updat|amend|modif|chang|\brow version\b|last (edit|touch)"


@dataclass(frozen=True)
class Key:
    """One key that joins two tables: rows that name one, and how many of these are found there."""

    table: str
    field: str
    column: str
    other: str
    key: str
    naming: int
    matched: int

    @property
    def share(self) -> float:
        """Share of the rows that match."""
        return self.matched / self.naming if self.naming else 0.0

    @property
    def words(self) -> str:
        """The key, told."""
        orphans = self.naming - self.matched
        left = "no orphan" if not orphans else count_of(orphans, "orphan")
        return (
            f"{self.table}.{self.field} ({self.column}) → {self.other}.{self.key}: "
            f"{_percent(self.matched, self.naming)} of {count_of(self.naming, 'row')}, {left}"
        )


@dataclass(frozen=True)
class Entry:
    """One extract, or one table of a database, and what it was taken for; `table` is None where it fits nothing."""

    where: str
    given: str | Query
    files: int
    table: str | None
    certainty: str
    why: str
    map_name: str = "bluelamp"
    map_text: str | None = None
    matched: int = 0
    left: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    # Boundaries stand under [areas], and are no source of their own.
    are_boundaries: bool = False


@dataclass(frozen=True)
class FolderProposal:
    """What `init` proposes for several extracts: what each is, the keys, open questions, and the files to write."""

    entries: list[Entry]
    keys: list[Key]
    guesses: list[Guess]
    questions: list[Question]
    time_zone: str | None
    force: dict[str, str | None]
    areas: dict[str, str] = field(default_factory=dict)
    from_points: bool = False
    # The variable of the environment that holds the password, and whether it was taken out of the address.
    variable: str | None = None
    is_shipped: bool = False

    @property
    def tables(self) -> set[str]:
        """The tables that something was found for."""
        return {each.table for each in self.entries if each.table is not None}

    def lines(self) -> list[str]:
        """Give the whole proposal as lines to read: a table of files, the keys, and the guesses."""
        place = "in the database" if any(isinstance(each.given, Query) for each in self.entries) else "file"
        rows = [(place, "table", "sure", "columns", "")]
        for each in self.entries:
            many = f" ({count_of(each.files, 'file')})" if each.files > 1 else ""
            columns = f"{each.matched} of {each.matched + len(each.left)}" if each.table and each.matched else ""
            rows.append((f"{each.where}{many}", each.table or "-", each.certainty, columns, _remark(each)))
        widths = [max(len(row[place]) for row in rows) for place in range(4)]
        lines = [
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
            for row in rows
        ]
        if self.keys:
            lines += ["", "Keys:", *(f"  {key.words}" for key in self.keys)]
        lines += ["", *(str(guess) for guess in self.guesses)]
        return lines + [f"? {question.words}" for question in self.questions]

    def files(self, areas: Mapping[str, str] | None = None) -> dict[str, str]:
        """Give the files to write, by their path in the force's folder. Raises UsageError while questions are open."""
        if self.questions:
            raise UsageError("Some things have to be said first:", [question.words for question in self.questions])
        written = {"force.toml": self._force_toml(dict(areas or {}) or self.areas)}
        return written | {each.map_name: each.map_text for each in self.entries if each.map_text is not None}

    def _force_toml(self, areas: Mapping[str, str]) -> str:
        sources = [
            (each.table, each.map_name, each.given)
            for each in self.entries
            if each.table is not None and not each.are_boundaries
        ]
        return force_toml(self.force, self.time_zone, areas, self.from_points, sources)


def _remark(entry: Entry) -> str:
    said = [entry.why] if entry.why else []
    if entry.table and entry.left:
        shown = ", ".join(entry.left[:8]) + (f" and {len(entry.left) - 8} more" if len(entry.left) > 8 else "")
        said.append(f"left: {shown}")
    if entry.unsure:
        said.append(f"look at: {', '.join(entry.unsure)}")
    return "; ".join(said)


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole if whole else 0.0
    # Nothing short of all is called all.
    return "100%" if part == whole else f"{min(share, 99.9):.1f}%"


# ---- several issues of one extract ----


class Issues:
    """All issues of one extract as one source, the latest first, up to as many rows as are worth looking at."""

    def __init__(self, paths: Sequence[Path | Query], newest: ExtractFile, encoding: str, name: str) -> None:
        self.paths = paths
        self.newest = newest
        self.encoding = encoding
        self.name = name
        self.source = newest.source
        self.columns = newest.columns
        self.looks = newest.looks
        self.map_settings = newest.map_settings
        self.notes: list[str] = []
        self.state: dict[str, str] = {}
        self.otherwise: list[str] = []

    def chunks(self, chunk_rows: int) -> Iterator[RowChunk]:
        """Give rows of the latest issue, then of those before; one with other columns is passed over and named."""
        read = 0
        self.otherwise = []
        for place, path in enumerate(reversed(self.paths)):
            try:
                file = self.newest if place == 0 else read_source(path, self._reading())
                if file.columns != self.columns:
                    self.otherwise.append(file.name)
                    continue
                for chunk in file.chunks(min(chunk_rows, _CHUNK)):
                    yield chunk
                    read += chunk.values.height
                    if read >= _MOST_ROWS:
                        return
            except BluelampError:
                if place == 0:
                    raise
                self.otherwise.append(Path(str(path)).name)

    def sample(self) -> pl.DataFrame:
        """Give the rows as text under the file's own column names, empty values null."""
        whole = pl.concat([chunk.values for chunk in self.chunks(_CHUNK)])
        names = {name: str(place) for place, name in reversed(list(enumerate(self.columns))) if name}
        ordered = sorted(names, key=lambda name: int(names[name]))
        return whole.select(pl.col(names[name]).str.strip_chars().replace("", None).alias(name) for name in ordered)

    def _reading(self) -> Reading:
        said = self.map_settings
        return Reading(encoding=self.encoding, header_row=said.get("header_row"), sheet=said.get("sheet"))


@dataclass
class _Looked:
    """One extract that was looked at, and what it was taken for so far."""

    where: str
    given: str | Query
    issues: Issues
    sample: pl.DataFrame
    reading: TableReading
    map_name: str | None = None
    certainty: str = "high"

    @property
    def table(self) -> str:
        return self.reading.table

    def values(self, name: str) -> pl.Series | None:
        """Give the values of a field as text, where one column alone fills it."""
        if self.map_name is not None:
            spec = read_column_map(self.map_name).filling(self.table).columns.get(name)
            column = spec.column if spec is not None and spec.split_by is None else None
            return self.sample[column] if column in self.sample.columns else None
        taken = self.reading.fields.get(name)
        return self.sample[taken.columns[0]] if taken is not None and len(taken.columns) == 1 else None

    @property
    def left(self) -> tuple[str, ...]:
        if self.map_name is not None:
            used = set(read_column_map(self.map_name).filling(self.table).file_columns)
        else:
            used = {name for taken in self.reading.fields.values() for name in taken.columns}
        return tuple(name for name in self.sample.columns if name not in used)


def pattern_of(path: Path, below: Path) -> str:
    """Name all issues of an extract by one name: figures of four and more, and dates, stand for any.

    >>> pattern_of(Path("/x/feeds/2026-06-01/logs.csv"), Path("/x"))
    'feeds/*/logs.csv'
    >>> pattern_of(Path("/x/logs_20260601.csv"), Path("/x")), pattern_of(Path("/x/district_2.csv"), Path("/x"))
    ('logs_*.csv', 'district_2.csv')
    """
    inside = path.relative_to(below).as_posix()
    dated = re.sub(r"\d{4}[-_.]?\d{2}[-_.]?\d{2}([-_T]?\d{4,6})?|\d{2}[-_.]\d{2}[-_.]\d{4}|\d{4,}", "*", inside)
    return re.sub(r"\*([-_]?\*)+", "*", dated)


# ---- a folder ----


def propose_folder(
    extracts: Path,
    folder: Path,
    *,
    answers: Mapping[str, str] | None = None,
    force_id: str = "force",
    force_name: str | None = None,
) -> FolderProposal:
    """Look at every file of a folder and its subfolders, and propose how all of them are read.

    `folder` is the force's own, from which names in force.toml start. Raises NoInput where there is no file, UsageError
    for an answer that makes no sense; a file that can't be read is an entry that says why.
    """
    if not extracts.is_dir():
        raise NoInput(f"There is no folder '{extracts}'. Name a folder of extracts, a file, or a database's address.")
    groups: dict[str, list[Path]] = {}
    for path in sorted(_data_files(extracts, folder / "store")):
        groups.setdefault(pattern_of(path, extracts), []).append(path)
    if not groups:
        raise NoInput(f"There is no file in '{extracts}'. Copy the extracts there, and call the command again.")
    home = folder.expanduser().absolute()
    looked: list[_Looked] = []
    strange: list[Entry] = []
    drawn: dict[str, tuple[str, dict[str, Any]]] = {}
    for pattern, paths in groups.items():
        place = (extracts.expanduser().absolute() / pattern).as_posix()
        # Signs that stand for others in a pattern stand for themselves here.
        given = re.sub(r"([\[?])", r"[\1]", place.removeprefix(f"{home.as_posix()}/"))
        try:
            boundaries = _boundaries_in(paths[-1])
            if boundaries is not None:
                drawn[pattern] = given, boundaries
                continue
            newest, encoding = open_guessing(paths[-1])
            issues = Issues(paths, newest, encoding, Path(pattern).name)
            looked += _look(pattern, given, issues, strange)
        except BluelampError as error:
            strange.append(_stranger(pattern, len(paths), str(error).splitlines()[0]))
    return _put_together(looked, strange, drawn, answers or {}, force_id, force_name)


def propose_database(
    url: str,
    *,
    answers: Mapping[str, str] | None = None,
    force_id: str = "force",
    force_name: str | None = None,
) -> FolderProposal:
    """Look at the tables and views of a database, and propose a query for each that fits one of ours.

    A password in the address is never written down: it is to be in a variable of the environment, which is named.
    Raises what connecting raises, and NoInput where there is no table.
    """
    from bluelamp.sources.formats import database

    written, variable = database.without_password(url)
    looked: list[_Looked] = []
    strange: list[Entry] = []
    relations = database.relations_of(url)
    if not relations:
        raise NoInput(f"There is no table and no view in {database.shown(url)} that this reader may see.")
    for relation in relations:
        try:
            query = Query(url, relation.select())
            issues = Issues([query], read_source(query, Reading(guess_header=True)), "utf-8", relation.name)
            for each in _look(relation.name, query, issues, strange):
                each.given = Query(written, relation.select())
                looked.append(each)
        except NoRow:
            strange.append(_stranger(relation.name, 1, "it has no row yet, and its columns alone tell too little"))
        except BluelampError as error:
            strange.append(_stranger(relation.name, 1, str(error).splitlines()[0]))
    proposal = _put_together(looked, strange, {}, answers or {}, force_id, force_name)
    quotes = {relation.name: relation for relation in relations}
    as_looked = {(each.where, each.table): each for each in looked}
    entries = []
    for entry in proposal.entries:
        if not isinstance(entry.given, Query) or entry.table is None:
            entries.append(entry)
            continue
        query = _narrowed(entry.given, quotes[entry.where], as_looked[entry.where, entry.table])
        from_when = f"read from the last {query.watermark} on" if query.watermark else "read whole every time"
        entries.append(replace(entry, given=query, why="; ".join(filter(None, [entry.why, from_when]))))
    return replace(proposal, entries=entries, variable=variable)


def _narrowed(query: Query, relation: Any, looked: _Looked) -> Query:
    """Ask a database for the columns that are read and for no others, from the last change on where there is one."""
    wanted = [name for name in looked.sample.columns if name not in looked.left]
    changed = looked.reading.fields.get("updated_at")
    named = [*(changed.columns if changed is not None else ()), *looked.left]
    told = (name for name in named if re.search(_WATERMARK, spelled(name)) and name in relation.ordered)
    watermark = next(told, None)
    if watermark is not None and watermark not in wanted:
        wanted.append(watermark)
    return Query(query.url, relation.select(wanted), watermark)


def _data_files(extracts: Path, store: Path) -> Iterator[Path]:
    for path in extracts.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(extracts).parts)
        if path.is_file() and not hidden and path.suffix.lower() not in _NO_DATA and store not in path.parents:
            yield path


def _stranger(where: str, files: int, why: str) -> Entry:
    return Entry(where, where, files, None, "-", why)


def _look(where: str, given: str | Query, issues: Issues, strange: list[Entry]) -> list[_Looked]:
    """Say what an extract is: by a shipped map, by the product's own names, or by what its columns look like."""
    sample = issues.sample()
    by_table = shipped_fits(sample.columns)
    # A file with headings above its columns, or in another encoding, needs a map that says so.
    is_plain = not issues.map_settings and issues.encoding == "utf-8"
    if by_table and is_plain and own_form_of(list(sample.columns)) is None:
        return [
            _Looked(where, given, issues, sample, TableReading(table, {}, (), 1.0), map_name=name)
            for table, name in by_table.items()
        ]
    readings = recognise(Path(where).name, sample)
    best = readings[0]
    if best.is_own_form:
        own = "bluelamp" if is_plain else None
        return [_Looked(where, given, issues, sample, best, map_name=own)]
    references = {
        each.table: {reference.field for reference in tables.table(each.table).references} for each in readings
    }
    surest = max(readings, key=lambda each: each.score)
    if surest.lacking and not best.lacking and surest.score > best.score + _MUCH:
        # It is what it looks most like, or nothing: a roster that lacks its pools is no file of incidents.
        best = surest
    if best.lacking:
        # What is lacking may be told by its values, once the other files are known.
        nearly = [each for each in readings if each.lacking and set(each.lacking) <= references[each.table]]
        nearly = [each for each in nearly if each.score > surest.score - _MUCH]
        if not nearly:
            strange.append(_stranger(where, len(issues.paths), _why_not(surest)))
            return []
        best = max(nearly, key=lambda each: each.score)
    second = max((each.score for each in readings if not each.lacking and each is not best), default=0.0)
    certainty = "low" if best.score - second < 0.05 and not best.lacking else best.certainty
    return [_Looked(where, given, issues, sample, best, certainty=certainty)]


def _why_not(nearest: TableReading) -> str:
    if nearest.score < 0.2:
        return "no column looks like one of ours"
    return f"nearest is '{nearest.table}', and nothing in it looks like {' or '.join(nearest.lacking)}"


# ---- all of them together ----


def _put_together(
    looked: list[_Looked],
    strange: list[Entry],
    drawn: dict[str, tuple[str, dict[str, Any]]],
    given: Mapping[str, str],
    force_id: str,
    force_name: str | None,
) -> FolderProposal:
    """Settle what needs all extracts at once: one file a table, keys, grades, dates and the clock."""
    if "time_zone" in given:
        periods.zone(given["time_zone"])
    if given.get("date_order", ORDERS[0]) not in ORDERS:
        raise UsageError(f"'{given['date_order']}' is not an order of dates.")
    kept, doubled = _one_a_table(looked)
    strange = strange + doubled
    areas, of_areas = _choose_boundaries(drawn, kept, strange)
    kept, unjoined = _join(kept, of_areas)
    strange += unjoined
    guesses = [
        Guess(f"{each.table}.{name}", " + ".join(taken.columns), taken.because, "fair")
        for each in kept if each.map_name is None
        for name, taken in each.reading.fields.items() if taken.by_values
    ]  # fmt: skip
    _tell_grades(kept, guesses)
    keys = _measured(kept, of_areas)
    orders, questions = _settle_dates(kept, given, guesses)
    drafts = {each.table: _draft(each, orders[each.table], given) for each in kept if each.map_name is None}
    zone, clock = _settle_clock(kept, drafts, given, guesses, questions)
    entries = _named_apart([_entry(each, drafts.get(each.table), clock) for each in kept])
    guesses += [guess for draft in drafts.values() for guess in draft.guesses if guess.what == "crosswalk"]
    of_incidents = next((each for each in kept if each.table == "incidents"), None)
    shipped = of_incidents.map_name if of_incidents is not None else None
    hint = read_column_map(shipped).force if shipped is not None else None
    force = {
        "id": hint.id if hint and force_id == "force" else force_id,
        "name": force_name or (hint.name if hint else force_id),
        "country": hint.country if hint else None,
        "subdivision": hint.subdivision if hint else None,
    }
    has_labels = of_incidents is not None and {"area_id", "longitude", "latitude"} <= set(of_incidents.reading.fields)
    knows_areas = bool(areas) or any(each.table == "areas" for each in kept)
    from_points = not knows_areas and (bool(hint and hint.from_points) or has_labels)
    return FolderProposal(
        [*entries, *strange], keys, guesses, questions, zone, force, areas, from_points,
        is_shipped=all(each.map_text is None for each in entries),
    )  # fmt: skip


def _one_a_table(looked: list[_Looked]) -> tuple[list[_Looked], list[Entry]]:
    """Keep one extract a table: one that lacks nothing, then the one issued most often, then the one that fits best."""

    def rank(each: _Looked) -> tuple[int, int, float, str]:
        return len(each.reading.lacking), -len(each.issues.paths), -each.reading.score, each.where

    order = sorted(looked, key=rank)
    kept: dict[str, _Looked] = {}
    doubled = []
    for each in order:
        first = kept.setdefault(each.table, each)
        if first is not each:
            why = f"looks like '{each.table}' too, for which {first.where} fits better"
            doubled.append(_stranger(each.where, len(each.issues.paths), why))
    place = {name: number for number, name in enumerate(tables.names("imported"))}
    return sorted(kept.values(), key=lambda each: (place[each.table], each.where)), doubled


def _homes(table: str) -> Iterator[tuple[str, str, str]]:
    """Give the fields of a table that name a row of another one: field, table, key."""
    definition = tables.table(table)
    declared = {each.field for each in definition.references}
    yield from ((each.field, each.table, each.key) for each in definition.references)
    for name, (home, key) in _HOMES.items():
        # Grades of settings stand for themselves.
        of_logs = name != "grade_code" or table in ("incidents", "grade_history")
        if name in definition.by_name and name not in declared and home != table and of_logs:
            yield name, home, key


def _known_values(kept: list[_Looked], of_areas: pl.Series | None) -> dict[tuple[str, str], pl.Series]:
    """Give the values of every key that others name."""
    found = {}
    for table, key in {(home, key) for each in kept for _, home, key in _homes(each.table)}:
        home = next((each for each in kept if each.table == table), None)
        values = home.values(key) if home is not None else of_areas if table == "areas" else None
        if values is not None:
            found[table, key] = values.drop_nulls().unique()
    return found


def _join(kept: list[_Looked], of_areas: pl.Series | None) -> tuple[list[_Looked], list[Entry]]:
    """Take columns for keys by their values, where names are silent or wrong; give up what lacks one all the same."""
    known = _known_values([each for each in kept if not each.reading.lacking], of_areas)
    joined, unjoined = [], []
    for each in kept:
        if each.map_name is None:
            for name, home, key in _homes(each.table):
                others = known.get((home, key))
                if others is not None and home in ("incidents", "people"):
                    _take_by_values(each, name, others, f"{home}.{key}")
        if each.reading.lacking:
            unjoined.append(_stranger(each.where, len(each.issues.paths), _why_not(each.reading)))
        else:
            joined.append(each)
    return joined, unjoined


def _take_by_values(looked: _Looked, name: str, others: pl.Series, called: str) -> None:
    """Take the column whose values are those of a key, where the one that was taken has next to none of them."""
    fields = looked.reading.fields
    now = looked.values(name)
    if now is not None and _match(now, others)[1] > _HARDLY * max(now.drop_nulls().len(), 1):
        return
    free = [column for column in looked.left if looked.sample[column].n_unique() > 1]
    shares = {column: _share_of(_match(looked.sample[column], others)) for column in free}
    best = max(shares, key=lambda column: shares[column], default=None)
    if best is None or shares[best] < _MATCHES:
        return
    because = f"{shares[best]:.0%} of its values are those of {called}"
    taken = dict(fields) | {name: Taken((best,), 0.9, because=because, by_values=True)}
    ordered = {each: taken[each] for each in tables.table(looked.table).columns if each in taken}
    lacking = tuple(each for each in looked.reading.lacking if each != name)
    if lacking != looked.reading.lacking:
        looked.certainty = "fair"
    looked.reading = replace(looked.reading, fields=ordered, lacking=lacking)


def _match(values: pl.Series, others: pl.Series) -> tuple[int, int]:
    """Count the rows that name something, and those of them that name one of the others."""
    naming = values.drop_nulls()
    return naming.len(), int(naming.is_in(others.implode()).sum())


def _share_of(counted: tuple[int, int]) -> float:
    return counted[1] / counted[0] if counted[0] else 0.0


def _measured(kept: list[_Looked], of_areas: pl.Series | None) -> list[Key]:
    """Count how far the keys between all tables hold."""
    known = _known_values(kept, of_areas)
    keys = []
    for each in kept:
        for name, home, key in _homes(each.table):
            values, others = each.values(name), known.get((home, key))
            if values is None or others is None or values.null_count() == values.len():
                continue
            taken = each.reading.fields.get(name)
            said = values.replace(taken.words) if taken is not None and taken.words else values
            naming, matched = _match(said, others)
            keys.append(Key(each.table, name, str(values.name), home, key, naming, matched))
    return keys


def _tell_grades(kept: list[_Looked], guesses: list[Guess]) -> None:
    """Let the force's own words for grades mean those that its targets speak of, where each can be told."""
    targets = next((each.values("grade_code") for each in kept if each.table == "standards"), None)
    if targets is None:
        return
    graded = [(each, name) for each in kept if each.map_name is None for name in _GRADES if name in each.reading.fields]
    said = [each.values(name) for each, name in graded]
    whole = pl.concat([values.alias("grade") for values in said if values is not None]) if graded else None
    wanted = set(targets.drop_nulls())
    if whole is None or set(whole.drop_nulls().unique()) & wanted:
        return
    words = grade_words(whole, wanted)
    if words is None:
        return
    for each, name in graded:
        own = {value: words[value] for value in each.sample[each.reading.fields[name].columns[0]].drop_nulls().unique()}
        each.reading.fields[name] = replace(each.reading.fields[name], words=dict(sorted(own.items())))
    shown = ", ".join(f"{value} = {grade}" for value, grade in words.items())
    guesses.append(Guess("grades", shown, "the targets in 'standards' speak of these; read it and put it right", "low"))


def _settle_dates(
    kept: list[_Looked], given: Mapping[str, str], guesses: list[Guess]
) -> tuple[dict[str, str], list[Question]]:
    """Say for each extract how its dates are written; where one can't tell, as the others do, else it is asked."""
    orders: dict[str, str] = {}
    unknown: list[tuple[str, str]] = []
    told: set[str] = set()
    for each in kept:
        columns = {name for taken in each.reading.fields.values() for name in taken.columns}
        written = [each.sample[name].drop_nulls() for name in each.sample.columns if name in columns]
        written = [text for text in written if text.len() and needs_date_order(text)]
        orders[each.table] = "detect"
        if each.map_name is not None or not written:
            continue
        evidence = DateOrderEvidence()
        for text in written:
            evidence.add(text)
        if "date_order" in given:
            orders[each.table] = given["date_order"]
            continue
        try:
            orders[each.table] = evidence.decide(each.where)
            told.add(orders[each.table])
        except BadData as error:
            if evidence.is_mixed:
                raise
            unknown.append((each.table, error.summary))
    questions: list[Question] = []
    for table, summary in unknown:
        if len(told) == 1:
            orders[table] = next(iter(told))
            guesses.append(Guess(f"dates of {table}", orders[table].replace("_", "-"), "as in the other files", "fair"))
        else:
            orders[table] = "day_first"
            if not questions:
                questions.append(Question("date_order", summary, ("day_first", "month_first")))
    return orders, questions


def _draft(looked: _Looked, order: str, given: Mapping[str, str]) -> Draft:
    """Make a column map of what was taken."""
    draft = Draft(looked.issues, looked.issues.encoding, dict(given), sample=looked.sample)
    draft.columns = {name: taken.spec for name, taken in looked.reading.fields.items()}
    draft.order = order
    draft.settings = dict(looked.issues.map_settings)
    points = [looked.values(name) for name in ("longitude", "latitude")]
    numbers = [values.cast(pl.Float64, strict=False).abs().max() for values in points if values is not None]
    if any(isinstance(number, float) and number > 360 for number in numbers):
        draft.settings["crs"] = "EPSG:27700"
        why = "points are metres, not degrees; the British national grid is the likeliest"
        draft.guesses.append(Guess("crs", "EPSG:27700", why, "low"))
    return draft


def _settle_clock(
    kept: list[_Looked],
    drafts: Mapping[str, Draft],
    given: Mapping[str, str],
    guesses: list[Guess],
    questions: list[Question],
) -> tuple[str | None, str]:
    """Say by which time zone the force lives, and by which clock times without an offset are written."""
    zone, clock = given.get("time_zone"), "force"
    draft = drafts.get("incidents")
    if draft is not None:
        draft.find_zone()
        guesses += draft.guesses
        questions += draft.questions
        return draft.zone, draft.map_zone
    of_incidents = next((each for each in kept if each.table == "incidents"), None)
    if zone is not None:
        guesses.append(Guess("time zone", zone, "you said so", "high"))
    elif of_incidents is not None and of_incidents.map_name is not None:
        column_map = read_column_map(of_incidents.map_name).filling("incidents")
        if column_map.time_zone not in ("force", "stated", "UTC"):
            zone = column_map.time_zone
            guesses.append(Guess("time zone", zone, "the map of the incidents says so", "high"))
        else:
            looking = Draft(of_incidents.issues, of_incidents.issues.encoding, {}, sample=of_incidents.sample)
            zone = looking.zone_from_points(column_map)
            guesses += looking.guesses
    if zone is None:
        words = "By which clock does the force live? Give its IANA time zone, such as Europe/London (--time-zone)."
        questions.append(Question("time_zone", words))
    return zone, clock


def _entry(looked: _Looked, draft: Draft | None, clock: str) -> Entry:
    """Give one extract's line of the proposal, with the text of its column map where one has to be written."""
    files = len(looked.issues.paths)
    why = ""
    if looked.issues.otherwise:
        why = f"{count_of(len(looked.issues.otherwise), 'file')} with other columns: {looked.issues.otherwise[0]}"
    matched = len(looked.sample.columns) - len(looked.left)
    common = Entry(
        looked.where, looked.given, files, looked.table, looked.certainty, why, looked.map_name or "", None, matched,
        looked.left,
    )  # fmt: skip
    if draft is None:
        return common
    fields = looked.reading.fields
    unsure = tuple(
        f"{name} = {' + '.join(taken.columns)}" for name, taken in fields.items() if taken.sureness < 0.6
    )  # fmt: skip
    text = _map_text(looked, draft, clock)
    stem = looked.where if isinstance(looked.given, Query) else Path(looked.where).name.split(".")[0]
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or looked.table
    parse_column_map(text, f"The proposed column map of {looked.where}")
    return replace(common, map_name=f"maps/{name}.toml", map_text=text, unsure=unsure)


def _named_apart(entries: list[Entry]) -> list[Entry]:
    """Give maps that would have one name their tables' names beside it."""
    names = [each.map_name for each in entries if each.map_text is not None]
    twice = {name for name in names if names.count(name) > 1}
    return [
        replace(each, map_name=f"{each.map_name.removesuffix('.toml')}-{each.table}.toml")
        if each.map_name in twice and each.map_text is not None
        else each
        for each in entries
    ]


def _map_text(looked: _Looked, draft: Draft, clock: str) -> str:
    """Write the column map of one extract."""
    fields = looked.reading.fields
    definition = tables.table(looked.table)
    timed = [name for name in fields if definition.by_name[name].type == "datetime"]
    columns = [column for name in timed for column in fields[name].columns]
    stated = "ignore_offset" not in draft.settings and Columns(looked.sample).carry_offsets(columns)
    crosswalk = draft.draft_crosswalk() if looked.table == "incidents" and "class_code" not in fields else []
    lines = [
        f"title = {quoted(looked.where)}",
        f"table = {quoted(looked.table)}",
        f"time_zone = {quoted('stated' if stated else clock)}",
    ]
    if looked.issues.encoding != "utf-8":
        lines.append(f"encoding = {quoted(looked.issues.encoding)}")
    if draft.order != "detect":
        lines.append(f"date_order = {quoted(draft.order)}")
    lines += [f"{name} = {json.dumps(value)}" for name, value in draft.settings.items()]
    lines += ["", "[columns]", *(f"{name} = {inline(taken.spec)}" for name, taken in fields.items())]
    return "\n".join(chain(lines, draft.crosswalk_lines(crosswalk))) + "\n"


# ---- boundaries ----


def _boundaries_in(path: Path) -> dict[str, Any] | None:
    """Give the properties of a file of boundaries by name, with their values; None where it is no GeoJSON."""
    if path.suffix.lower() not in (".geojson", ".json"):
        return None
    try:
        read = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(read, dict) or read.get("type") != "FeatureCollection":
        return None
    shapes = [each for each in read.get("features") or () if isinstance(each, dict)]
    kinds = {str((each.get("geometry") or {}).get("type")) for each in shapes}
    if not kinds or not kinds <= {"Polygon", "MultiPolygon"}:
        raise BadData(f"its shapes are no areas, but {' and '.join(sorted(kinds)) or 'none'}")
    rows = [each.get("properties") or {} for each in shapes]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [None if row.get(name) is None else str(row[name]) for row in rows] for name in names}


def _choose_boundaries(
    drawn: dict[str, tuple[str, dict[str, Any]]], kept: list[_Looked], strange: list[Entry]
) -> tuple[dict[str, str], pl.Series | None]:
    """Choose the boundaries whose codes the extracts name, and the property that holds them."""
    if not drawn:
        return {}, None
    named = [each.values("area_id") for each in kept]
    areas = pl.concat([values.drop_nulls().alias("area") for values in named if values is not None] or [pl.Series([])])
    offers = []
    for pattern, (given, properties) in drawn.items():
        for name, values in properties.items():
            known = pl.Series(values, dtype=pl.String).drop_nulls()
            if known.n_unique() < len(values):
                continue
            share = _share_of(_match(areas.cast(pl.String), known))
            looks = bool(re.search(r"\b(id|code|cd|no|number)\b|code$|cd$", spelled(name)))
            offers.append((share, looks, pattern, given, name, known))
    if not offers or any(each.table == "areas" for each in kept):
        strange += [_stranger(each, 1, "boundaries, none of whose properties is a code of its own") for each in drawn]
        return {}, None
    share, _, pattern, given, name, known = max(offers, key=lambda each: (each[0], each[1], each[4] == "area_id"))
    strange += [_stranger(each, 1, f"boundaries, of which {pattern} fits better") for each in drawn if each != pattern]
    why = f"boundaries, codes in '{name}'" + (f", which {share:.0%} of rows with an area name" if len(areas) else "")
    certainty = "high" if share > _MATCHES else "low"
    strange.append(Entry(pattern, given, 1, "areas", certainty, why, are_boundaries=True))
    return {"file": given, "id_property": name}, known
