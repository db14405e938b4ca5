"""Commands from files to a store: begin a force, bring its extracts in, and keep them in order."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bluelamp.errors import BadData, NoInput, UsageError, count_of

if TYPE_CHECKING:
    from bluelamp.intake import Watch
    from bluelamp.sources import Question

from bluelamp.cli._shared import ANSWERED_BY_OPTION, AsJson, Folder, Quiet, app, logged, message, progressing


class DateOrder(StrEnum):
    """How dates are written, in the words of column maps."""

    day_first = "day_first"
    month_first = "month_first"
    year_first = "year_first"


@app.command()
def init(
    folder: Folder,
    extracts: Annotated[
        str | None,
        typer.Argument(
            metavar="EXTRACTS", help="A folder of extracts, one extract of incidents, or a database's address"
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="An extract of incidents (CSV, Excel, Parquet, JSON lines, plain, gzip or zip)"),
    ] = None,
    map_name: Annotated[str | None, typer.Option("--map", help="A shipped column map, such as oakland")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take every proposal without asking")] = False,
    force_id: Annotated[str | None, typer.Option("--id", help="Short code of the force")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The force's name")] = None,
    time_zone: Annotated[str | None, typer.Option("--time-zone", help="IANA time zone, such as Europe/London")] = None,
    date_order: Annotated[
        DateOrder | None, typer.Option("--date-order", help="How dates are written, where the file can't tell")
    ] = None,
    areas: Annotated[
        Path | None, typer.Option("--areas", help="The force's areas: GeoJSON, GeoPackage or (zipped) shapefile")
    ] = None,
    areas_layer: Annotated[
        str | None, typer.Option("--areas-layer", help="Which of its layers, where it has several")
    ] = None,
    areas_crs: Annotated[
        str | None, typer.Option("--areas-crs", help="Its coordinate system, such as EPSG:27700")
    ] = None,
    areas_property: Annotated[
        list[str] | None,
        typer.Option("--areas-property", help="Which of its properties holds id, name, district or kind: id=WARD_CODE"),
    ] = None,
) -> None:
    """Start a force: look at extracts, propose how to read them, and write force.toml.

    \b
    bluelamp init north feeds/                           every extract below a folder, and the keys that join them
    bluelamp init north 'postgresql+psycopg://…'         the tables and views of a database
    bluelamp init oakland --from calls.csv.gz --map oakland
    bluelamp init north --from calls.csv                 asks about what it could not tell
    bluelamp init north --from calls.csv --yes           takes its best guesses
    bluelamp init north --from calls.csv --areas wards.geojson --areas-property id=WARD_CODE
    bluelamp init north --from calls.csv --areas beats.gpkg --areas-layer beats_2026
    """
    from bluelamp import intake, periods, remarks, settings, sources

    intake.refuse_existing_force(folder)
    if time_zone is not None:
        periods.zone(time_zone)
    said = {"time_zone": time_zone, "date_order": date_order and str(date_order)}
    answers = {question: answer for question, answer in said.items() if answer is not None}
    code = force_id or "force"
    boundaries = _boundaries(areas, areas_layer, areas_crs, areas_property or [])
    found = []
    if boundaries:
        force = {"id": code, "name": name or code, "time_zone": time_zone or "UTC"}
        found = intake.look_at_areas(settings.from_values({"force": force, "areas": boundaries}))

    which, where = _what_to_look_at(extracts, source, map_name)

    def propose() -> Any:
        if which == "file":
            return sources.propose(where, map_name=map_name, answers=answers, force_id=code, force_name=name)
        if which == "folder":
            return sources.propose_folder(Path(where), folder, answers=answers, force_id=code, force_name=name)
        return sources.propose_database(where, answers=answers, force_id=code, force_name=name)

    proposal = propose()
    while proposal.questions:
        answers |= _answer(proposal.questions, may_ask=not yes and sys.stdin.isatty())
        proposal = propose()
    for line in [*proposal.lines(), *found]:
        message.print(line, markup=False)
    if not proposal.is_shipped and not yes and sys.stdin.isatty():
        typer.confirm("Write this?", default=True, abort=True, err=True)
    for path in intake.write_force(folder, proposal.files(boundaries)):
        message.print(f"Wrote {path}", markup=False)
    if which != "file":
        for line in remarks.on_tables(proposal.tables):
            message.print(line, markup=False)
    variable = getattr(proposal, "variable", None)
    if variable is not None:
        message.print(f"Put the password into the environment first: export {variable}=…", markup=False)
    more = f" {where}" if which == "folder" else ""
    message.print(f"Next: bluelamp check {folder}, then bluelamp import {folder}{more}", markup=False)


def _what_to_look_at(extracts: str | None, source: Path | None, map_name: str | None) -> tuple[str, str]:
    """Say what `init` is to look at: a file, a folder or a database, and where it is."""
    if (extracts is None) == (source is None):
        raise UsageError(
            "Name what to look at, once: bluelamp init FORCE FOLDER for a folder of extracts, a database's address in "
            "its place, or --from FILE for one extract of incidents."
        )
    where = str(source if extracts is None else extracts)
    if extracts is not None and ("://" in extracts or extracts.startswith("${")):
        which = "database"
    else:
        which = "folder" if Path(where).is_dir() else "file"
    if which != "file" and map_name is not None:
        raise UsageError("--map names the column map of one extract. A folder's and a database's are found one by one.")
    return which, where


def _boundaries(areas: Path | None, layer: str | None, crs: str | None, properties: list[str]) -> dict[str, str]:
    """Give what was said of the force's boundaries as settings of [areas]."""
    if areas is None:
        if layer is not None or crs is not None or properties:
            raise UsageError(
                "--areas-layer, --areas-crs and --areas-property speak of a file of areas. Name it with --areas."
            )
        return {}
    # It lies outside the force's folder as a rule, so that its whole path is kept.
    said = {"file": str(areas.expanduser().absolute())}
    said |= {name: value for name, value in (("layer", layer), ("crs", crs)) if value is not None}
    for each in properties:
        what, equals, name = each.partition("=")
        if not equals or what not in ("id", "name", "district", "kind"):
            raise UsageError(f"'{each}' does not name a property; id=, name=, district= or kind= and it were expected.")
        said[f"{what}_property"] = name
    return said


def _answer(questions: Sequence[Question], *, may_ask: bool) -> dict[str, str]:
    """Ask on a terminal; elsewhere say everything that has to be told."""
    if may_ask:
        return {each.name: _ask(each) for each in questions}
    words = [each.words for each in questions]
    summary, problems = (words[0], []) if len(words) == 1 else (f"{len(words)} things have to be said first:", words)
    # Only what an option can settle is the fault of the command; the rest is that of the file.
    raise (UsageError if all(each.name in ANSWERED_BY_OPTION for each in questions) else BadData)(summary, problems)


def _ask(question: Question) -> str:
    for choice in question.choices:
        message.print(f"  {choice}", markup=False)
    return str(typer.prompt(question.words, err=True))


@app.command()
def check(
    folder: Folder,
    file: Annotated[Path | None, typer.Argument(help="An extract; by default the one that force.toml names")] = None,
    map_name: Annotated[str | None, typer.Option("--map", help="A column map; by default the force's")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Describe the quality of an extract without importing it.

    \b
    bluelamp check oakland
    bluelamp check oakland january.csv --json
    """
    from bluelamp import intake, settings

    read = settings.read(folder)
    if file is None:
        found = [(path, chosen) for table, path, chosen in intake.extracts_of(folder) if table == "incidents"]
        if not found:
            raise NoInput(
                f"force.toml in '{folder}' names no extract of incidents. Name one: bluelamp check {folder} FILE"
            )
        source, named = found[0]
    else:
        source = file
        named = read.sources["incidents"].map if "incidents" in read.sources else "bluelamp"
    with progressing(quiet) as progress:
        report = intake.check_extract(
            source, map_name=map_name or named, settings=read, folder=folder, progress=progress
        )
    if as_json:
        typer.echo(json.dumps(report.to_dict(), default=str, ensure_ascii=False, indent=1))
    else:
        for line in report.lines():
            typer.echo(line)


@app.command(name="import")
def import_(
    folder: Folder,
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Extracts, or folders of them; by default those that force.toml names"),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", help="The table that they fill; by default told from their names in force.toml"),
    ] = None,
    map_name: Annotated[str | None, typer.Option("--map", help="A column map; by default the force's")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Bring extracts into the force's store, every row accounted for.

    \b
    bluelamp import oakland                              everything that force.toml names
    bluelamp import oakland january.csv                  incidents, by the force's column map
    bluelamp import oakland duties.csv --table duties    a filled-in template
    bluelamp import county feeds/2026-11-23              a folder of related extracts
    """
    from bluelamp import intake

    work: list[tuple[str, Any, str | None]]
    if not files:
        work = list(intake.extracts_of(folder))
    elif table is not None:
        work = [(table, file, map_name) for file in files]
    else:
        _refuse_named_tables(folder, files)
        work, strange = intake.tell_tables(folder, files, map_name)
        for path in strange:
            message.print(f"{path}: no name in force.toml fits it; it was left out.", markup=False)
        if not work:
            raise NoInput(
                f"Nothing to import was found in {', '.join(map(str, files))}. In force.toml each table's section "
                'names its file, such as file = "feeds/*/incidents.csv"; the last part tells a folder\'s files apart.'
            )
    with progressing(quiet) as progress:
        for name, path, chosen in work:
            with logged(folder, "collection", f"import into {name}") as detail:
                done = intake.import_extract(folder, path, table=name, map_name=chosen, progress=progress)
                detail |= {"batch": done.batch.get("batch_id"), "rows": done.batch.get("rows_read")}
            if as_json:
                typer.echo(intake.as_json(done))
            elif not quiet:
                _say_what_was_imported(done)
    if not quiet:
        for orphans in intake.find_orphans(folder):
            message.print(orphans.words, markup=False)


def _refuse_named_tables(folder: Path, files: Sequence[Path]) -> None:
    """Raise UsageError where a table is named in front of its file, as in standards=targets.csv."""
    from bluelamp import tables

    known = tables.names("imported")
    meant = []
    for file in files:
        table, _, path = str(file).partition("=")
        if path and table in known and not file.exists():
            meant.append(f"'{file}' is no file. Call: bluelamp import {folder} {path} --table {table}")
    if meant:
        raise UsageError("The table that a file fills is named by an option.", meant)


@app.command()
def data(folder: Folder, as_json: AsJson = False) -> None:
    """Say what came in and when, what each rule did, and what is set aside and how to mend it.

    \b
    bluelamp data north
    bluelamp data north --json
    """
    from bluelamp import received

    account = received.account_for(folder)
    if as_json:
        from bluelamp import tables

        typer.echo(
            json.dumps({name: json.loads(tables.to_json(rows, name)) for name, rows in account.items()}, indent=1)
        )
        return
    for line in received.lines(folder, account):
        typer.echo(line)


@app.command()
def watch(
    folder: Folder,
    places: Annotated[list[Path], typer.Argument(help="Folders that extracts arrive in")],
    every: Annotated[float, typer.Option(min=1, help="Seconds between two looks")] = 30,
    once: Annotated[bool, typer.Option("--once", help="Look once and end, for a scheduler")] = False,
    quiet: Quiet = False,
) -> None:
    """Keep importing extracts as they arrive, safely beside readers; Ctrl-C ends it.

    \b
    bluelamp watch county arriving
    bluelamp watch county arriving --once
    """
    from bluelamp import intake

    def say(text: str) -> None:
        if not quiet:
            message.print(text, markup=False)

    watched = intake.Watch(folder, places)
    watched.insist_on_places()
    if once:
        _look(folder, watched, say, settled=True)
        return
    say(f"Watching {', '.join(map(str, places))} every {every:g} seconds. Ctrl-C ends it.")
    while True:
        _look(folder, watched, say)
        time.sleep(every)


def _look(folder: Path, watched: Watch, say: Callable[[str], None], *, settled: bool = False) -> None:
    """Import what arrived, and where incidents did, say what the next hours bring by them."""
    from bluelamp.look_ahead import look_ahead
    from bluelamp.store import Store

    def incidents() -> int:
        return Store(folder).batches().filter(table_name="incidents").height

    before = incidents()
    for done in watched.look(say, settled=settled):
        with logged(folder, "collection", f"import into {done.batch['table_name']}") as detail:
            detail["batch"] = done.batch["batch_id"]
    if incidents() > before:
        with suppress(NoInput):
            say(look_ahead(folder).sentence())


@app.command()
def erase(
    folder: Folder,
    incident: Annotated[str | None, typer.Option("--incident", help="Number of the incident")] = None,
    person: Annotated[str | None, typer.Option("--person", help="Number or pseudonym of the person")] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", help="The request or decision that it follows, as you number them")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
) -> None:
    """Remove a person's or an incident's rows for good, and say which runs can no longer be reproduced.

    \b
    bluelamp erase north --incident 2025-114207 --reference SAR-114
    bluelamp erase north --person P0412
    """
    from bluelamp import settings
    from bluelamp.store import Store

    settings.read(folder)
    if (incident is None) == (person is None):
        raise UsageError("Either --incident or --person was expected, and one of them alone.")
    kind, key = ("incident", incident) if incident is not None else ("person", person or "")
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("Erasing can't be undone. Say --yes to do it without being asked.")
        typer.confirm(f"Erase that {kind}'s rows for good?", abort=True, err=True)
    store = Store(folder)
    with logged(folder, "erasure", f"erase {kind}") as detail:
        done = store.erase(kind, key, reference)
        # Never the number itself: it was erased.
        detail |= {"reference": reference, "rows": done["rows_removed"] + done["rows_emptied"]}
    message.print(
        f"{count_of(done['rows_removed'], 'row')} removed, {count_of(done['rows_emptied'], 'row')} no longer naming "
        "it. Backups and the source still hold what they held.",
        markup=False,
    )
    runs = json.loads(done["runs"])
    if runs:
        message.print(f"No longer to be reproduced: {', '.join(runs)}. What they published stays.", markup=False)
    if store.still_names(key):
        message.print(
            "The ledger of this store was begun by an older Bluelamp and still has the number as the first or the last "
            "of a file. To be rid of that as well, import everything into a new folder.",
            markup=False,
        )


@app.command()
def codes(
    folder: Folder,
    crosswalk: Annotated[
        str | None, typer.Option("--try", help="A crosswalk to look at in place of the one in use, such as nsir_like")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the crosswalk in use as its next version, to be edited")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Map the stored incidents again by the crosswalk in use")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every code as CSV on standard output")] = False,
    as_json: AsJson = False,
) -> None:
    """Check what the crosswalk makes of the force's codes, and put a new version of it to use.

    \b
    bluelamp codes oakland                      what each rule maps, and what is left
    bluelamp codes oakland --try nsir_like      the same with another crosswalk
    bluelamp codes oakland --write              a file to edit: codes/oakland.toml, then .v2.toml, …
    bluelamp codes oakland --apply              what is stored, mapped again
    """
    from bluelamp import codes as about

    if write and (apply or crosswalk is not None):
        raise UsageError("--write goes with neither --try nor --apply. Edit the file first; it is then in use.")
    if apply and crosswalk is not None:
        raise UsageError("--apply maps by the crosswalk in use. Name it in force.toml as crosswalk_file first.")
    if write:
        waiting = about.unedited(folder)
        if waiting is not None:
            message.print(
                f"Nothing changed: {waiting} still says what it was copied from, so that no version was written. It is "
                "in use; edit it.",
                markup=False,
            )
            return
        version = about.in_use(folder).version
        path = about.save(folder, about.Change(version, {}, {}), today=datetime.now().astimezone().date())
        message.print(f"Wrote {path}. It is in use from the next import on.", markup=False)
        return
    if apply:
        with logged(folder, "alteration", "codes applied"):
            done = about.apply(folder)
        if done is None:
            message.print("The stored incidents are mapped by it already; nothing was changed.", markup=False)
        else:
            _say_what_was_imported(done)
            message.print(f"Next: bluelamp plan {folder}", markup=False)
        return
    found = about.check(folder, crosswalk)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    elif as_csv:
        typer.echo(found.to_csv(), nl=False)
    else:
        for line in found.lines():
            typer.echo(line)


@app.command()
def upgrade(folder: Folder) -> None:
    """Bring the store of an older Bluelamp forward; rows stay as they are.

    \b
    bluelamp upgrade oakland
    """
    from bluelamp import settings
    from bluelamp.store import Store

    settings.read(folder)
    upgraded = Store(folder).upgrade()
    if upgraded:
        message.print(f"Brought forward: {', '.join(upgraded)}.", markup=False)
    else:
        message.print("The store is of this version already; nothing was changed.", markup=False)


def _say_what_was_imported(done: Any) -> None:
    batch = done.batch
    parts = ", ".join(
        f"{batch[f'rows_{what}']:,} {what}"
        for what in ("accepted", "updated", "unchanged", "duplicate", "quarantined")
        if batch[f"rows_{what}"] or what == "accepted"
    )
    message.print(
        f"{batch['table_name']}: {count_of(batch['rows_read'], 'row')} read from {batch['source_name']}: {parts}.",
        markup=False,
    )
    for rule in done.rules.iter_rows(named=True):
        if rule["rows"]:
            message.print(
                f"  {rule['rows']:>9,} ({rule['rows'] / max(batch['rows_read'], 1):.2%}) {rule['words']}", markup=False
            )
    for note in done.notes:
        message.print(f"  {note}", markup=False)
