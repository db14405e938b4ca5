"""Files into a force's store: every row accounted for, or nothing changed.

`import_extract` reads a file through its column map and commits it as one batch; `check_extract` reads it the same way
and tells what it would find. Both are what the commands `import` and `check` do.
"""

from __future__ import annotations

import glob
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import polars as pl

from bluelamp import boundaries, committed, geography, incidents, redrawn, sources, tables
from bluelamp import settings as settings_
from bluelamp.errors import (
    BadData,
    BluelampError,
    InputOutputError,
    NoInput,
    NotPermitted,
    TryAgain,
    UsageError,
    count_of,
)
from bluelamp.settings import Settings
from bluelamp.store import BatchWriter, Store

Progress = Callable[[str, float], None]
# What others speak of comes before them.
ORDER = (
    "areas", "pools", "people", "vehicles", "standards", "minimums", "events", "service_times", "commitments",
    "absences", "duties", "incidents", "grade_history", "unit_crews", "unit_status", "contacts", "offences",
    "visits", "cases",
)  # fmt: skip
# What stands for a column map where areas come as boundaries, in whatever format.
BOUNDARIES = "geojson"
_PRESS = ("unit_id", "status", "incident_id", "status_at")
RULES_SHAPE = {"rule": pl.String, "kind": pl.String, "rows": pl.Int64, "words": pl.String}


@dataclass(frozen=True)
class Imported:
    """What an import did: its row of `batches`, the rules that touched rows, and what a reader should know."""

    batch: dict[str, Any]
    rules: pl.DataFrame
    notes: list[str]


def refuse_existing_force(folder: Path | str) -> None:
    """Raise UsageError where the folder holds a force already: nothing is written over."""
    if (Path(folder) / settings_.FILE_NAME).exists():
        raise UsageError(
            f"There is a force in '{folder}' already. Edit its {settings_.FILE_NAME}, or choose another folder."
        )


def look_at_areas(settings: Settings) -> list[str]:
    """Say what is in the boundaries that settings name: how many areas, of which kinds, in how many districts.

    Raises as an import of them would.
    """
    found = _read_boundaries(settings.areas.file or "", settings)
    return [f"areas = {found.summary}", *found.notes]


def write_force(folder: Path | str, texts: Mapping[str, str]) -> list[Path]:
    """Write the files that start a force (by their path in its folder) and give their paths.

    The settings are read back first, so that what is written is valid. Raises UsageError where there is a force.
    """
    refuse_existing_force(folder)
    settings_.parse(texts[settings_.FILE_NAME])
    paths = []
    # force.toml comes last: until it is there, there is no force.
    for name in sorted(texts, key=lambda each: each == settings_.FILE_NAME):
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[name], encoding="utf-8")
        paths.append(path)
    return paths


def extracts_of(folder: Path | str) -> list[tuple[str, Path | sources.Query, str]]:
    """List the extracts that force.toml names: table, file or query, and column map, in the order to import them.

    A name with * stands for every file that is there, those of earlier names first. Raises NoInput where none is named.
    """
    settings = settings_.read(folder)
    found: list[tuple[str, Path | sources.Query, str]] = []
    if settings.areas.file is not None:
        found.append(("areas", Path(folder) / settings.areas.file, BOUNDARIES))
    for name, source in _in_order(settings):
        if source.file is not None and is_pattern(source.file):
            there = sorted(Path(each) for each in glob.glob(_from_home(folder, source.file), recursive=True))
            found += [(name, path, source.map) for path in there if path.is_file()]
        elif source.file is not None:
            found.append((name, Path(folder) / source.file, source.map))
        elif source.url is not None and source.query is not None:
            found.append((name, sources.Query(source.url, source.query, source.watermark), source.map))
    if not found:
        raise NoInput(
            f"force.toml in '{folder}' names no file to import. Name one: 'bluelamp import {folder} FILE', or write "
            'file = "…" under [sources.incidents].'
        )
    return found


def tell_tables(
    folder: Path | str, files: Iterable[Path], map_name: str | None = None
) -> tuple[list[tuple[str, Path, str | None]], list[Path]]:
    """Tell which tables extracts fill, by the names in force.toml: table, file and column map, in the order to import
    them. A file whose whole path fits a name is of that one, or of several that are the same; else the last parts of
    the names tell. A folder stands for the files in it and below it. Files that no name fits are areas where they hold
    boundaries, and else incidents, where they were named one by one; of a folder's they are given apart.
    """
    names = [
        (name, source.file, source.map) for name, source in _in_order(settings_.read(folder)) if source.file is not None
    ]
    found: list[tuple[str, Path, str | None]] = []
    strange = []
    for given in files:
        for path in _files_below(given) if given.is_dir() else [given]:
            lies_at = str(path.absolute())
            whole = [each for each in names if fnmatchcase(lies_at, _from_home(Path(folder).absolute(), each[1]))]
            fits = whole or [each for each in names if fnmatchcase(path.name, Path(each[1]).name)]
            if fits:
                # One file may fill several tables, such as a log that lists its units.
                same = [(name, chosen) for name, pattern, chosen in fits if pattern == fits[0][1]]
                found += [(name, path, map_name or chosen) for name, chosen in same]
            elif given.is_dir():
                strange.append(path)
            else:
                # JSON may be lines of anything; what else holds boundaries holds nothing but areas.
                holds_areas = boundaries.is_one(path) and path.suffix.lower() != ".json"
                found.append(("areas" if holds_areas else "incidents", path, map_name))
    place = {name: number for number, name in enumerate(ORDER)}
    return sorted(found, key=lambda each: place.get(each[0], len(ORDER))), strange


def _files_in(place: Path) -> list[Path]:
    return [each for each in place.iterdir() if each.is_file() and not each.name.startswith(".")]


def _files_below(place: Path) -> list[Path]:
    """List the files of a folder and its subfolders, hidden ones left out, earlier names first."""
    found = [each for each in place.rglob("*") if each.is_file()]
    return sorted(each for each in found if not any(part.startswith(".") for part in each.relative_to(place).parts))


class Watch:
    """Extracts that arrive in folders, imported once each, and queries that force.toml names, asked at every look.

    A file is taken when its size and its time have stayed the same between two looks, so that one still being copied is
    let be. Its bytes decide whether it came before, so that a restart imports nothing twice. What can't be imported is
    said once, keeps nothing else from being imported, and is tried again: at the next look where the cause passes, such
    as a full disk, and else when the file changes.
    """

    def __init__(self, folder: Path | str, places: Sequence[Path]) -> None:
        self.folder = folder
        self.places = places
        self._seen: dict[Path, tuple[int, int]] = {}
        self._done: dict[Path, tuple[int, int]] = {}
        self._said: dict[str, str] = {}

    def insist_on_places(self) -> None:
        """Raise NoInput where there is no folder to watch."""
        for place in self.places:
            if not place.is_dir():
                raise NoInput(_no_place(place))

    def look(self, say: Callable[[str], None], *, settled: bool = False) -> list[Imported]:
        """Import what has arrived, related extracts in their order; `settled` takes files at first sight."""
        there = self._stamps(say)
        ready = [
            path
            for path, stamp in there.items()
            if self._done.get(path) != stamp and (settled or self._seen.get(path) == stamp)
        ]
        self._seen = there
        self._done = {path: stamp for path, stamp in self._done.items() if path in there}
        work, _ = tell_tables(self.folder, ready)
        imported: list[Imported] = []
        again: set[Path] = set()
        for name, path, chosen in work:
            # One file may fill several tables: it is done once all of them have it.
            if not self._import(name, path, chosen, path.name, say, imported):
                again.add(path)
        self._done |= {path: there[path] for path in ready if path not in again}
        for name, source in _in_order(settings_.read(self.folder)):
            if source.url is not None and source.query is not None:
                query = sources.Query(source.url, source.query, source.watermark)
                self._import(name, query, source.map, f"the query of '{name}'", say, imported)
        return imported

    def _stamps(self, say: Callable[[str], None]) -> dict[Path, tuple[int, int]]:
        """Give size and time of each file that is there, of the folders that can be read."""
        found = {}
        for place in self.places:
            try:
                files = sorted(_files_in(place))
            except FileNotFoundError:
                self._tell(say, str(place), _no_place(place))
                continue
            except OSError as error:
                told = f"The folder '{place}' can't be looked into: {error.strerror}. It is tried again."
                self._tell(say, str(place), told)
                continue
            self._said.pop(str(place), None)
            for path in files:
                # One that is taken away meanwhile has not arrived.
                with suppress(OSError):
                    status = path.stat()
                    found[path] = (status.st_size, status.st_mtime_ns)
        return found

    def _import(
        self,
        name: str,
        source: Path | sources.Query,
        map_name: str | None,
        called: str,
        say: Callable[[str], None],
        imported: list[Imported],
    ) -> bool:
        """Import one extract and say how it went; gives False where it is to be tried again as it is."""
        about = f"{called} {name}"
        try:
            if isinstance(source, Path):
                known = is_known(self.folder, source, name)
                if known is not None:
                    self._tell(say, about, f"{called} came before, as batch {known}.")
                    return True
            # What a query gives is asked for again and again, and mostly known.
            done = import_extract(
                self.folder, source, table=name, map_name=map_name, only_news=isinstance(source, sources.Query)
            )
        except (TryAgain, InputOutputError, NotPermitted) as error:
            self._tell(say, about, f"{called}: {error} It is tried again at the next look.")
            return False
        except BluelampError as error:
            self._tell(say, about, f"{called} could not be imported: {error}")
            return True
        except Exception as error:  # a fault of ours: it must not keep what others send from being taken in
            self._tell(
                say, about,
                f"{called} could not be imported: a fault in Bluelamp itself ({type(error).__name__}). "
                "'bluelamp import' shows the whole of it; please report it.",
            )  # fmt: skip
            return True
        self._said.pop(about, None)
        if done.batch:
            imported.append(done)
            rows, batch_id = count_of(done.batch["rows_read"], "row"), done.batch["batch_id"]
            say(f"{called}: {rows} into '{name}', batch {batch_id}.")
        return True

    def _tell(self, say: Callable[[str], None], about: str, words: str) -> None:
        """Say something, once for as long as it stays so."""
        if self._said.get(about) != words:
            self._said[about] = words
            say(words)


def _no_place(place: Path) -> str:
    return f"There is no folder '{place}' to watch. Make it, or name another."


def _from_home(folder: Path | str, name: str) -> str:
    """Give a name of force.toml from the force's folder on, unless it is whole; signs in the folder mean nothing."""
    return name if Path(name).is_absolute() else str(Path(glob.escape(str(folder))) / name)


def is_pattern(name: str) -> bool:
    """Say whether a file's name stands for several."""
    return any(sign in name for sign in "*?[")


def _in_order(settings: Settings) -> list[tuple[str, settings_.SourcePart]]:
    place = {name: number for number, name in enumerate(ORDER)}
    return sorted(settings.sources.items(), key=lambda each: (place.get(each[0], len(ORDER)), each[0]))


def is_known(folder: Path | str, path: Path, table: str | None = None) -> str | None:
    """Give the batch that a file's very bytes came in with, if any: importing it again would change nothing.

    `table` is for a file that fills several: it may have come into some of them.
    """
    batches = Store(folder).batches(table).filter(pl.col("source_sha256") == sources.file_sha256(path))
    return None if batches.is_empty() else str(batches["batch_id"][-1])


@dataclass(frozen=True)
class Orphans:
    """Rows of a table that name a row of another one which is not there."""

    table: str
    field: str
    others: str
    rows: int
    naming: int  # rows that name one at all

    @property
    def words(self) -> str:
        """The sentence for an import's report."""
        return (
            f"{count_of(self.rows, 'row')} of '{self.table}' ({self.rows / self.naming:.1%} of those with "
            f"'{self.field}') {'names' if self.rows == 1 else 'name'} a row of '{self.others}' that has not come; "
            "kept, and joined when it comes."
        )


def find_orphans(folder: Path | str) -> list[Orphans]:
    """Count the rows that name a row of another table which is not there, for every key that joins two tables.

    Tables that nothing was imported into are left out: a force without them has nothing to join.
    """
    store = Store(folder).snapshot()
    filled = set(store.batches()["table_name"])
    joins = [
        (name, each.field, each.table, each.key)
        for name in sorted(filled & set(tables.names("imported")))
        for each in tables.table(name).references
        if each.table in filled
    ]
    counted = []
    # All that name rows of one table are held against it at once, because its keys are many.
    for others, key in sorted({join[2:] for join in joins}):
        naming = pl.concat(
            store.scan(name).select(pl.lit(number, pl.Int16).alias("join"), pl.col(field).alias(key))
            for number, (name, field, *named) in enumerate(joins)
            if named == [others, key]
        ).drop_nulls(key)
        orphans = naming.join(store.scan(others).select(key), on=key, how="anti")
        counted.append(orphans.group_by("join").len().join(naming.group_by("join").len("naming"), on="join"))
    found = sorted(row for frame in pl.collect_all(counted) for row in frame.iter_rows())
    return [
        Orphans(name, field, others, rows, rows_naming)
        for number, rows, rows_naming in found
        for name, field, others, _ in [joins[number]]
    ]


def import_extract(
    folder: Path | str,
    path: Path | str | sources.Query,
    *,
    table: str = "incidents",
    map_name: str | None = None,
    as_of: datetime | None = None,
    only_news: bool = False,
    progress: Progress = lambda stage, share: None,
) -> Imported:
    """Import one file, or what a query gives, into a table of the force, as one batch seen whole or not at all.

    `map_name` is a shipped column map or the path of one; by default what force.toml says for the table, else the
    product's own column names. With `only_news` an extract of which everything is there already leaves the store as it
    was, and `batch` of the answer is empty. Raises NoInput, BadData, BadSettings, InputOutputError (a full disk, a
    damaged store) or TryAgain (another import is running); the store is then as it was. Only where each of a few rows
    had to be set aside is BadData raised and the batch there all the same, so that they can be read in `quarantine`.
    """
    settings = settings_.read(folder)
    if table == "areas" and not isinstance(path, sources.Query) and _are_boundaries(path, map_name):
        return _import_boundaries(folder, path, settings)
    if tables.table(table).kind != "imported" and table != "service_times":
        raise UsageError(f"'{table}' is not imported: Bluelamp makes it. Imported are {', '.join(ORDER)}.")
    chosen = map_name or (settings.sources[table].map if table in settings.sources else "bluelamp")
    column_map = read_map(folder, chosen, settings, table)
    target = table if column_map.table == "any" else column_map.table
    if isinstance(path, sources.Query):
        path = sources.resumed(path, column_map.filling(target), _states(folder, target))
    extract = sources.read_extract(
        path, column_map, time_zone=settings.force.time_zone, table=target, as_of=as_of or _now(), chunk_rows=250_000,
        secret=lambda: sources.secret_of(folder, had_one=lambda: _has_tokens(folder)),
    )  # fmt: skip
    sha256 = None if isinstance(path, sources.Query) else sources.file_sha256(path)
    store = Store(folder)
    with store.writing(target, source_name=extract.file.name, source_sha256=sha256, map_name=chosen) as writer:
        named: Counter[str] = Counter()
        people: list[pl.DataFrame] = []
        apart: list[pl.DataFrame] = []
        for chunk in extract:
            rows, erased = store.leave_out_erased(target, chunk.rows, chunk.row_numbers, extract.file.name)
            if target == "unit_status":
                apart.append(committed.presses_apart(rows, writer.held_near(rows, committed.FARTHEST, _PRESS)))
            writer.add(rows)
            for aside in (chunk.quarantined, erased):
                if aside.height:
                    writer.quarantine(aside)
            if target == "incidents":
                named.update(_areas_named_in(rows))
            if target == "people":
                people.append(chunk.rows.with_columns(chunk.row_numbers))
            progress(target, chunk.share_read)
        rules = extract.rules()
        strange = _strange_areas(named, set(_areas_of(folder, settings)["area_id"])) if named else []
        strange += _numbers_of_two(pl.concat(people)) if people else []
        strange += committed.say_reissued_apart(pl.concat(apart)) if apart else []
        writer.note({"rules": rules.filter(pl.col("rows") > 0).to_dicts(), "notes": [*extract.notes, *strange]})
        if column_map.crosswalk_record is not None:
            writer.note({"crosswalk": column_map.crosswalk_record})
        if writer.counts.quarantined < writer.counts.read:
            writer.note({"source": extract.state})
        if only_news and not writer.has_news():
            writer.let_go()
    if writer.batch and 0 < writer.counts.read == writer.counts.quarantined:
        raise _nothing_fits(folder, writer.batch)
    # What the map's author wrote about the source is for the report of `check`; an import tells what happened.
    notes = [note for note in extract.notes if note not in column_map.notes] + strange
    if target == "incidents" and settings.areas.from_points and settings.areas.file is None:
        notes += _derive_areas(folder, settings, extract)
    return Imported(writer.batch, rules, notes)


def _has_tokens(folder: Path | str) -> bool:
    """Say whether tokens of the force's own making are stored."""
    store = Store(folder)
    for name in tables.names("imported"):
        made = tables.table(name).tokens
        if made:
            held = store.read(name, columns=made)
            if any(sources.is_token(held[each]).any() for each in made):
                return True
    return False


def _are_boundaries(path: Path | str, map_name: str | None) -> bool:
    return map_name == BOUNDARIES or boundaries.is_one(path)


def _states(folder: Path | str, table: str) -> list[Mapping[str, str]]:
    """Give what the imports into a table left for the next one to begin from, the latest first."""
    batches = Store(folder).batches().filter(pl.col("table_name") == table)
    found = (json.loads(notes or "{}").get("source") for notes in reversed(batches["notes"].to_list()))
    return [state for state in found if state]


def _nothing_fits(folder: Path | str, batch: Mapping[str, Any]) -> BadData:
    """The error for a file that came in, none of its rows being of use."""
    none = "The only row" if batch["rows_read"] == 1 else f"Each of the {batch['rows_read']:,} rows"
    return BadData(
        f"{none} of {batch['source_name']} had to be set aside, so that nothing was added to '{batch['table_name']}'. "
        f"What was read is kept as batch {batch['batch_id']}: 'bluelamp table quarantine {folder}' shows it. Put the "
        "file right and import it again:",
        sources.reasons(Store(folder).quarantined(batch_id=batch["batch_id"])),
    )


def _derive_areas(folder: Path | str, settings: Settings, extract: sources.Extract) -> list[str]:
    """Derive approximate areas from the incidents that name theirs, once there are names without an area."""
    store = Store(folder)
    calls = store.read("incidents", columns=["area_id", "longitude", "latitude"])
    known = store.read("areas", columns=["area_id"])["area_id"]
    new = set(calls["area_id"].drop_nulls()) - set(known)
    if not new:
        return []
    areas = geography.areas_from_points(
        calls, force_id=settings.force.id, force_name=settings.force.name, districts=extract.districts()
    )
    with store.writing("areas", source_name="points of the incidents", map_name="derived") as writer:
        writer.add(areas)
    drawn = areas.filter(pl.col("level") == "area", pl.col("boundary").is_not_null()).height
    return [f"{count_of(drawn, 'area')} derived from labelled points; their boundaries are approximate."]


def _areas_named_in(rows: pl.DataFrame) -> dict[str, int]:
    return dict(rows["area_id"].drop_nulls().value_counts().iter_rows())


def _areas_of(folder: Path | str, settings: Settings) -> pl.DataFrame:
    """Give the areas that the force has, or will have from the boundaries that its settings name; none where areas are
    taken from the incidents themselves.
    """
    if settings.areas.from_points and settings.areas.file is None:
        return tables.empty("areas")
    known = redrawn.that_hold(Store(folder).read("areas"))
    file = settings.areas.file
    if known.is_empty() and file is not None and (Path(folder) / file).is_file():
        known = _read_boundaries(Path(folder) / file, settings).read
    return known


def _strange_areas(named: Mapping[str, int], known: Collection[str]) -> list[str]:
    """Name the areas that incidents lie in and the force does not have, most incidents first."""
    strange = sorted((-rows, area) for area, rows in named.items() if area not in known)
    if not known or not strange:
        return []
    rows = -sum(each for each, _ in strange)
    shown = ", ".join(f"'{area}' ({-each:,})" for each, area in strange[:5])
    more = f" and {len(strange) - 5:,} more" if len(strange) > 5 else ""
    verb = "names" if rows == 1 else "name"
    return [
        f"{count_of(rows, 'row')} {verb} an area that the force does not have: {shown}{more}. They count as of unknown "
        "place until the names or the boundaries are put right."
    ]


def _numbers_of_two(people: pl.DataFrame) -> list[str]:
    """Say where one file has two rows for a number and the same time that differ: they may be two people."""
    key = pl.struct(tables.table("people").key)
    distinct = people.unique(tables.table("people").columns, keep="first", maintain_order=True)
    twice = distinct.filter(key.is_duplicated())
    if twice.is_empty():
        return []
    numbers = twice["person_id"].n_unique()
    first = twice.group_by(tables.table("people").key, maintain_order=True).agg("row_number")["row_number"][0]
    return [
        f"{count_of(numbers, 'number')} in 'people' {'stands' if numbers == 1 else 'stand'} for rows that differ, "
        f"first in rows {' and '.join(map(str, first))}. The last one counts. If they are two people, give one of them "
        "another number where the file comes from: until then the duties of both are one person's."
    ]


def _now() -> datetime:
    # Times after today are impossible; a file's own date would be a closer bound, but copying loses it.
    return datetime.now(UTC)


def _import_boundaries(folder: Path | str, path: Path | str, settings: Settings) -> Imported:
    """Import the force's areas from a file of boundaries and, as batches of their own, what areas held before become
    and the districts and the force made of the new ones.
    """
    store, name = Store(folder), Path(path).name
    held = store.read("areas")
    found = _read_boundaries(path, settings, redrawn.kinds_of(held))
    after = redrawn.succeed(held, found.rows)
    is_made = pl.col("area_id").is_in(found.made["area_id"].implode())
    if after.others.height:
        # First of all: where an import is killed before the new areas are there, importing again completes it.
        told = f"areas that {name} takes the place of"
        with store.writing("areas", source_name=told, map_name="derived") as giving_way:
            _bring_to(giving_way, after.others, held)
    with store.writing(
        "areas", source_name=name, source_sha256=sources.file_sha256(path), map_name=BOUNDARIES
    ) as writer:
        _bring_to(writer, after.rows.filter(~is_made), held)
        writer.count_duplicates(found.features - found.read.height)
        writer.note({"notes": [*found.notes, *after.notes]})
    notes = list(found.notes)
    if found.made.height:
        # Areas first: they say which district they lie in, and a district without its row lacks no more than its name.
        with store.writing("areas", source_name=f"districts and force of {name}", map_name="derived") as made:
            _bring_to(made, after.rows.filter(is_made), held)
        levels = dict(found.made.group_by("level").len().iter_rows())
        parts = [count_of(levels["district"], "district")] if "district" in levels else []
        notes.append(f"Made by joining them: {' and '.join(parts + ['the force'] * ('force' in levels))}.")
    return Imported(writer.batch, pl.DataFrame(schema=RULES_SHAPE), notes + after.notes)


def _bring_to(writer: BatchWriter, rows: pl.DataFrame, held: pl.DataFrame) -> None:
    """Store rows so that they are what holds: a set whose day is put right may be what it was once before."""
    same, key = held.columns, tables.table("areas").key
    differs = rows.join(held, on=same, how="anti", nulls_equal=True, maintain_order="left")
    revised = differs.join(held, on=key, how="semi", nulls_equal=True, maintain_order="left")
    writer.revise(revised)
    writer.add(rows.join(revised, on=key, how="anti", nulls_equal=True, maintain_order="left"))


def _read_boundaries(
    path: Path | str, settings: Settings, kinds: Mapping[str, str] | None = None
) -> geography.ReadAreas:
    part = settings.areas
    return geography.read_areas(
        path,
        force_id=settings.force.id,
        force_name=settings.force.name,
        properties=geography.Properties(
            id=part.id_property, name=part.name_property, district=part.district_property, kind=part.kind_property
        ),
        crs=part.crs,
        layer=part.layer,
        valid_from=part.valid_from,
        kinds=kinds,
    )


def read_map(
    folder: Path | str, chosen: str, settings: Settings | None = None, table: str = "incidents"
) -> sources.ColumnMap:
    """Read a shipped map by name, or a map file whose path is relative to the force's folder, with the crosswalk that
    is in use: the one that the settings name for the table that it fills (`table` for a map for any), else its own.
    """
    is_beside = chosen.endswith(".toml") and (Path(folder) / chosen).is_file()
    column_map = sources.read_column_map(chosen, Path(folder) if is_beside else None)
    filled = table if column_map.table == "any" else column_map.table
    given = settings.sources.get(filled) if settings is not None else None
    if given is None or given.crosswalk_file is None:
        return column_map
    return column_map.mapped_by(sources.read_crosswalk(given.crosswalk_file, folder))


def read_whole(
    extract: sources.Extract, progress: Progress = lambda stage, share: None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read all of an extract without storing it: its rows, and those set aside."""
    rows: list[pl.DataFrame] = []
    aside: list[pl.DataFrame] = []
    for chunk in _reporting(extract, progress):
        rows.append(chunk.rows)
        aside.append(chunk.quarantined)
    return (
        pl.concat(rows) if rows else tables.empty(extract.table.name),
        pl.concat(aside) if aside else tables.empty("quarantine"),
    )


def _reporting(extract: sources.Extract, progress: Progress) -> Iterator[sources.Chunk]:
    for chunk in extract:
        progress("reading", chunk.share_read)
        yield chunk


def check_extract(
    path: Path | str | sources.Query,
    *,
    map_name: str,
    settings: Settings | None = None,
    folder: Path | str = ".",
    time_zone: str | None = None,
    as_of: datetime | None = None,
    progress: Progress = lambda stage, share: None,
) -> incidents.QualityReport:
    """Read an extract of incidents as an import would, without importing it, and describe its quality."""
    column_map = read_map(folder, map_name, settings)
    zone = settings.force.time_zone if settings else time_zone or column_map.time_zone
    extract = sources.read_extract(path, column_map, time_zone=zone, as_of=as_of or _now())
    rows, aside = read_whole(extract, progress)
    areas = _areas_of(folder, settings) if settings else tables.empty("areas")
    known = set(areas["area_id"])
    strange = _strange_areas(_areas_named_in(rows), known)
    placed = None
    if settings and rows.height and known:
        last = rows["received_at"].dt.convert_time_zone(zone).dt.date().max()
        assert isinstance(last, date)
        placed = incidents.place_incidents(
            rows, areas, last, zone,
            default_points=settings.areas.default_points, border_metres=settings.areas.border_metres,
        )  # fmt: skip
    outages = incidents.find_outages(
        rows, zone, settings.demand.outage_share if settings else 0.25,
        settings.demand.declared_outages if settings else (),
    )  # fmt: skip
    return incidents.describe_quality(
        rows,
        aside,
        extract.rules(),
        outages,
        zone,
        notes=[*extract.notes, *strange],
        rows_read=extract.rows_read,
        known_areas=sorted(known) or None,
        placed=placed,
    )


def as_json(imported: Imported) -> str:
    """Give what an import did as JSON, for scripts."""
    return json.dumps(
        {"batch": imported.batch, "rules": imported.rules.to_dicts(), "notes": imported.notes},
        default=str,
        ensure_ascii=False,
    )
