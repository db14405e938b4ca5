"""The command line: a short command a stage. Data goes to standard output, messages to standard error."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from bluelamp import __version__
from bluelamp.errors import BadData, BadSettings, BluelampError, InputOutputError, NoInput, UsageError, count_of

if TYPE_CHECKING:
    from bluelamp.intake import Watch
    from bluelamp.sources import Question

app = typer.Typer(
    name="bluelamp",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
message = Console(stderr=True, highlight=False, soft_wrap=True)
Folder = Annotated[Path, typer.Argument(metavar="FORCE", help="The force's folder")]
STOPPED = 130
WORDS_WHEN_STOPPED = "bluelamp: stopped. Nothing half done is left; the same command starts again."
AsJson = Annotated[bool, typer.Option("--json", help="Give the answer as JSON on standard output")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors")]
# Questions of `init` that an option answers, too.
ANSWERED_BY_OPTION = ("time_zone", "date_order")
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="The view of an earlier moment, such as 2026-11-23T18:00: as the source had it then"),
]
RunId = Annotated[str | None, typer.Option("--run", help="A run's id; the latest run where it is left out")]


def main() -> NoReturn:
    """Run a command; errors become one sentence and their exit code."""
    try:
        app(standalone_mode=True)
    except BluelampError as error:
        message.print(f"bluelamp: {error}", markup=False)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has had enough (`bluelamp table … | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        message.print(f"bluelamp: {_sentence_of(error)}", markup=False)
        sys.exit(InputOutputError.exit_code)
    except KeyboardInterrupt:
        message.print(WORDS_WHEN_STOPPED)
        sys.exit(STOPPED)
    except (SystemExit, typer.Exit) as ended:
        # Typer turns Ctrl-C into this before we see it.
        if getattr(ended, "code", None) == STOPPED:
            message.print(WORDS_WHEN_STOPPED)
        raise
    except BaseException as error:  # a fault of ours, and said to be one; a panic of Rust code is no Exception
        if os.environ.get("BLUELAMP_DEBUG"):
            raise
        message.print(
            f"bluelamp: A fault in Bluelamp itself: {type(error).__name__}: {error}. Nothing half done is left. "
            "BLUELAMP_DEBUG=1 shows where; please report it.",
            markup=False,
        )
        sys.exit(1)
    sys.exit(0)


def _sentence_of(error: OSError) -> str:
    where = f" ('{error.filename}')" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"The disk is full{where}. What was there before is untouched; make room and try again."
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return f"Writing or reading is not allowed{where}. Check who owns the folder, or choose another."
    return f"Reading or writing failed{where}: {error.strerror or error}. Put that right and try again."


@contextmanager
def progressing(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """Show a progress bar on a terminal, and nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, share: None
        return
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description:<12}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(),
        console=message,
    ) as bars:  # fmt: skip
        tasks: dict[str, TaskID] = {}

        def show(stage: str, share: float) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0)
            bars.update(tasks[stage], completed=share)

        yield show


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"bluelamp {__version__}")
        raise typer.Exit


@app.callback()
def bluelamp(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version")
    ] = False,
) -> None:
    """Map a police force's workforce against projected demand.

    \b
    bluelamp demo                                  see it work on a made-up force
    bluelamp init north --from calls.csv           start a force from an extract
    bluelamp import north calls.csv                bring the extract in
    bluelamp plan north                            forecast, staff, compare
    bluelamp serve north                           look at the map
    """


def local_date(text: str | None) -> date | None:
    """Read a date given on the command line."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a date; one such as 2026-11-23 was expected.") from None


def moment(text: str | None, folder: Path) -> datetime | None:
    """Read an instant given on the command line: with an offset, or by the force's clock; a day alone is its start."""
    if text is None:
        return None
    from bluelamp import periods, settings

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"'{text}' is not a moment; one such as 2026-11-23, 2026-11-23T18:00 or 2026-11-23T18:00Z was expected."
        ) from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=periods.zone(settings.read(folder).force.time_zone))
    return at.astimezone(UTC)


# ---- From files to a store ----


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
            done = intake.import_extract(folder, path, table=name, map_name=chosen, progress=progress)
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
        from bluelamp.web.app import rows_as_json

        typer.echo(json.dumps({name: json.loads(rows_as_json(rows, name)) for name, rows in account.items()}, indent=1))
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
    watched.look(say, settled=settled)
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
    done = store.erase(kind, key, reference)
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


# ---- From a store to results ----


@app.command()
def plan(
    folder: Folder,
    forecast_from: Annotated[
        str | None, typer.Option("--from", help="First local day to forecast; by default the first after the data ends")
    ] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run the whole flow: demand, forecast, required staff, coverage.

    \b
    bluelamp plan oakland
    bluelamp plan oakland --from 2024-04-01
    """
    from bluelamp import periods, settings
    from bluelamp import plan as flow

    first = local_date(forecast_from)
    starts: datetime | None = None
    if first is not None:
        starts = periods.local_days(settings.read(folder).force.time_zone, first, first)["starts_at"][0]
    with progressing(quiet) as progress:
        run_id = flow.plan(folder, forecast_from=starts, as_of=moment(as_of, folder), progress=progress)
    from bluelamp.store import Store

    run = Store(folder).runs().filter(run_id=run_id).row(0, named=True)
    if as_json:
        typer.echo(json.dumps(run, default=str, ensure_ascii=False))
        return
    if not quiet:
        message.print(f"Run {run_id}: {_what_was_planned(run, settings.read(folder).force.time_zone)}", markup=False)
        for note in json.loads(run["notes"]):
            message.print(f"  {note}", markup=False)
        message.print(f"Next: bluelamp serve {folder}, or bluelamp map {folder} map.html", markup=False)


def _what_was_planned(run: Mapping[str, Any], time_zone: str) -> str:
    """Say in the force's own days and hours what a run forecasts, and from data until when."""
    from bluelamp import periods

    starts, until = (run[name].astimezone(periods.zone(time_zone)) for name in ("forecast_from", "data_until"))
    wanted = json.loads(run["settings"])["forecast"]
    by_hour = min(wanted["path_days"], wanted["days"])
    by_day = f", {count_of(wanted['days'], 'day')} by the day" if wanted["days"] > by_hour else ""
    return (
        f"forecast from {starts:%A} {starts.day} {starts:%B %Y}, {count_of(by_hour, 'day')} by the hour{by_day}; "
        f"data until {until:%A} {until.day} {until:%B %Y, %H:%M} ({time_zone})."
    )


@app.command(name="next")
def next_(
    folder: Folder,
    hours: Annotated[int, typer.Option(min=1, max=48, help="Hours to look ahead")] = 12,
    as_json: AsJson = False,
) -> None:
    """Expect the next hours, by what came in until now; the latest run is brought forward, not run again.

    \b
    bluelamp next oakland
    bluelamp next oakland --hours 24
    """
    from bluelamp.look_ahead import look_ahead
    from bluelamp.web.app import rows_as_json

    found = look_ahead(folder, hours)
    if as_json:
        sys.stdout.buffer.write(rows_as_json(found.table, "next_hours") + b"\n")
        return
    for line in found.lines():
        typer.echo(line)


@app.command()
def compare(
    folder: Folder,
    day: Annotated[str, typer.Argument(help="A local day, such as 2026-11-27")],
    other: Annotated[str, typer.Argument(help="The day that it is held against, such as 2026-11-20")],
    place: Annotated[str | None, typer.Option(help="An area or district; the whole force by default")] = None,
    class_code: Annotated[str | None, typer.Option("--class", help="Incidents of one class alone")] = None,
    grade_code: Annotated[str | None, typer.Option("--grade", help="Incidents of one grade alone")] = None,
    from_hour: Annotated[int, typer.Option("--from", min=0, max=23, help="First local hour")] = 0,
    to_hour: Annotated[
        int, typer.Option("--to", min=0, max=24, help="Hour that ends it; the next day's if earlier")
    ] = 24,
) -> None:
    """Say whether a day will be worse than another, and how sure that is.

    \b
    bluelamp compare oakland 2024-04-05 2024-03-29
    bluelamp compare oakland 2024-04-05 2024-03-29 --from 18 --to 4 --class violence
    """
    from bluelamp.comparison import compare as compare_days

    one, held_against = local_date(day), local_date(other)
    assert one is not None
    assert held_against is not None
    found = compare_days(
        folder, one, held_against, place=place, class_code=class_code, grade_code=grade_code, from_hour=from_hour,
        to_hour=to_hour,
    )  # fmt: skip
    for line in found.lines():
        typer.echo(line)


@app.command()
def backtest(
    folder: Folder,
    origins: Annotated[int, typer.Option(min=1, max=120, help="Earlier days to forecast from")] = 13,
    every: Annotated[int, typer.Option(min=7, help="Days between them: whole weeks")] = 28,
    methods: Annotated[
        list[str] | None,
        typer.Option("--method", help="A method to score, the one held against the others first; may be repeated"),
    ] = None,
    paths: Annotated[int, typer.Option(min=20, max=5000, help="Sample paths of each forecast")] = 200,
    weeks: Annotated[
        int | None, typer.Option(min=2, max=520, help="Weeks that methods learn from, in place of the force's setting")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score the forecast on the force's own past, against the naive ones.

    \b
    bluelamp backtest oakland
    bluelamp backtest oakland --origins 6 --method slot_mean --method slot_mean_26
    """
    from bluelamp import backtest as scored

    with progressing(quiet) as progress:
        found = scored.backtest(
            folder, origins=origins, every=every, methods=methods, paths=paths, weeks=weeks, progress=progress
        )
    if as_json:
        typer.echo(json.dumps({"sentences": found.sentences, "summary": found.summary.to_dicts()}, ensure_ascii=False))
        return
    for line in found.lines():
        typer.echo(line)
    if not quiet:
        message.print(f"Next: bluelamp serve {folder}, and look at /backtest", markup=False)


@app.command()
def scoreboard(
    folder: Folder,
    seals: Annotated[
        list[str] | None,
        typer.Option("--seal", help="A seal written down earlier: it must still be in the log; may be repeated"),
    ] = None,
    run: RunId = None,
    as_json: AsJson = False,
) -> None:
    """Check the forecasts filed before the fact, and show how they did and which method is in use where.

    \b
    bluelamp scoreboard oakland
    bluelamp scoreboard oakland --seal 4b227777d4dd1fc6
    """
    from bluelamp import standing

    found = standing.read_standing(folder, run, seals or ())
    if as_json:
        answer = {name: rows.to_dicts() for name, rows in found.tables.items() if name != "scoreboard_weeks"}
        told = {"sentences": found.sentences, "faults": found.faults, "filed": found.filed.to_dicts(), **answer}
        typer.echo(json.dumps(told, ensure_ascii=False, default=str))
    else:
        for line in found.lines():
            typer.echo(line)
    if found.faults:
        raise InputOutputError("The filed forecasts are not as they were filed:", found.faults)


class Form(StrEnum):
    """How a table is written."""

    csv = "csv"
    json = "json"


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="A table's name, such as coverage")],
    folder: Folder,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV (the default away from a terminal)")] = False,
    as_json: AsJson = False,
    parquet: Annotated[Path | None, typer.Option("--parquet", help="Write it to this Parquet file")] = None,
    run: RunId = None,
    as_of: AsOf = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", help="Keep rows with a value: --where level=pool; may be repeated")
    ] = None,
) -> None:
    """Read any table or result.

    \b
    bluelamp table coverage oakland --csv --where level=pool
    bluelamp table batches oakland
    bluelamp table forecast oakland --parquet forecast.parquet
    bluelamp table incidents oakland --as-of 2024-04-01T07:00
    """
    import polars as pl

    from bluelamp import backtest as scored
    from bluelamp import look_ahead, received, tables
    from bluelamp import plan as flow
    from bluelamp.web.app import keep, rows_as_json

    _refuse_swapped(name, folder)
    if name in (*received.NAMES, *scored.NAMES, *look_ahead.NAMES):
        if run is not None or as_of is not None:
            raise UsageError(f"'{name}' is worked out from the store as it is now. Leave --run and --as-of out.")
        if name in look_ahead.NAMES:
            rows = look_ahead.look_ahead(folder).table
        else:
            rows = scored.read(folder).table(name) if name in scored.NAMES else received.account_for(folder)[name]
    else:
        rows = flow.read_table(folder, name, run, moment(as_of, folder))
        if run is None and as_of is None and (since := flow.tell_imported_since(folder, name)):
            message.print(since, markup=False)
    asked = {}
    for condition in where or []:
        column, equals, value = condition.partition("=")
        if not equals:
            raise UsageError(f"'{condition}' is not a condition; one such as level=pool was expected.")
        asked[column] = value
    rows = keep(rows, name, asked)
    if parquet is not None:
        _write_parquet(rows.select(tables.table(name).columns), parquet)
        message.print(f"Wrote {count_of(rows.height, 'row')} to {parquet}", markup=False)
    elif as_json:
        sys.stdout.buffer.write(rows_as_json(rows, name) + b"\n")
    elif as_csv or not sys.stdout.isatty():
        sys.stdout.write(tables.to_csv(rows, name))
    else:
        with pl.Config(tbl_rows=40, tbl_cols=-1, tbl_width_chars=message.width, fmt_str_lengths=40):
            typer.echo(str(rows))


def _refuse_swapped(name: str, folder: Path) -> None:
    """Raise UsageError where the force stands in the place of the table, and the table in that of the force."""
    from bluelamp import settings, tables

    known = tables.names()
    if name not in known and (str(folder) in known or (Path(name) / settings.FILE_NAME).is_file()):
        raise UsageError(
            f"'{name}' and '{folder}' stand the wrong way round: the table comes first, then the force's folder. "
            f"Call: bluelamp table {folder} {name}"
        )


def _write_parquet(rows: Any, out: Path) -> None:
    """Write a Parquet file whole or not at all."""
    from polars.exceptions import ComputeError

    beside = out.with_name(out.name + ".part")
    try:
        # Through our own file, so that a full disk is told as one.
        with beside.open("wb") as file:
            rows.write_parquet(file)
        beside.replace(out)
    except (OSError, ComputeError) as error:
        raise InputOutputError(
            f"'{out}' could not be written: {error}. Make room, or choose another place; no part of it is left."
        ) from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@app.command(name="map")
def map_(folder: Folder, out: Annotated[Path, typer.Argument(metavar="OUT.html")], run: RunId = None) -> None:
    """Write the map as one self-contained file that opens from disk.

    \b
    bluelamp map oakland oakland.html
    """
    from bluelamp.reports.map import make_map_data, render_page
    from bluelamp.web.app import Published

    published = Published(folder)
    chosen = published.run(run)
    data = make_map_data(published.results_for_map(chosen["run_id"]), chosen, published.force())
    page = render_page(f"{published.settings.force.name} · workforce against demand", data=data)
    beside = out.with_name(out.name + ".part")
    try:
        beside.write_text(page, encoding="utf-8")
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    message.print(f"Wrote {out} ({len(page) / 1e6:.1f} MB). Open it in a browser; it needs no network.", markup=False)


@app.command()
def serve(
    folder: Folder,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one")] = 8321,
    host: Annotated[str, typer.Option(help="Address to listen on; this machine only by default")] = "127.0.0.1",
    names: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="A host name that others call this machine by; may be repeated"),
    ] = None,
    edit_codes: Annotated[
        bool | None,
        typer.Option(
            "--edit-codes/--no-edit-codes",
            help="Open the page about codes to everyone who reaches the server, or to nobody; by default to this "
            "machine only",
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser")] = True,
) -> None:
    """Show the map in a browser, with every table behind it, and at /codes the codes and their crosswalk.

    \b
    bluelamp serve oakland
    bluelamp serve oakland --port 9000 --no-browser
    bluelamp serve oakland --host 0.0.0.0 --allow-host planning.example
    """
    from bluelamp.web.serve import serve as listen

    def say(text: str) -> None:
        message.print(text, markup=False)

    allowed = tuple(names or ())
    listen(folder, host=host, port=port, names=allowed, edit_codes=edit_codes, open_browser=browser, say=say)


# ---- The made-up force ----


@app.command()
def twin(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder")],
    areas: Annotated[int | None, typer.Option(min=4, max=600, help="Areas; 40, or what the preset says")] = None,
    days: Annotated[
        int | None, typer.Option(min=28, max=4000, help="Days of history; 730, or what the preset says")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed; the same one makes the same force")] = 7,
    preset: Annotated[
        str | None, typer.Option(help="'county': 121 areas, 2,700 officers, 6,559 incidents a week")
    ] = None,
    until: Annotated[str | None, typer.Option(help="First local day that has not come yet; today by default")] = None,
    weekly_incidents: Annotated[
        int | None, typer.Option(help="Incidents a week, instead of what the size implies")
    ] = None,
    feeds: Annotated[
        bool, typer.Option("--feeds", help="Send units to the last weeks' incidents, and export them day by day")
    ] = False,
    feed_days: Annotated[int | None, typer.Option(min=1, help="Days that --feeds exports; 28 by default")] = None,
    mornings: Annotated[
        int | None,
        typer.Option(min=1, help="Daily exports; the first holds all days before. By default one for each day"),
    ] = None,
) -> None:
    """Make up a whole constabulary, with the truth behind it.

    \b
    bluelamp twin lantern --areas 40 --days 730 --seed 7
    bluelamp twin county --preset county --days 1095
    bluelamp twin messy --feeds --feed-days 28
    bluelamp twin years --preset county --feed-days 1095 --mornings 2    history at once, then a day
    """
    from bluelamp.sources.twin import FEED_DAYS, make_twin, write_twin

    if (folder / "force.toml").exists():
        raise UsageError(f"There is a force in '{folder}' already. Choose another folder, or delete that one first.")
    first_day = local_date(until) or datetime.now(UTC).date()
    made = make_twin(
        areas=areas,
        days=days,
        seed=seed,
        until=first_day,
        preset=preset,
        weekly_incidents=weekly_incidents,
        feed_days=(feed_days or FEED_DAYS) if feeds or feed_days or mornings else None,
    )
    write_twin(folder, made, mornings)
    message.print(
        f"Made {count_of(made.tables['incidents'].height, 'incident')} and "
        f"{count_of(made.tables['duties'].height, 'duty', 'duties')} in {folder}.",
        markup=False,
    )
    message.print(f"Next: bluelamp import {folder} && bluelamp plan {folder} && bluelamp serve {folder}", markup=False)


@app.command()
def demo(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Where; a folder demo-force by default")
    ] = None,
    areas: Annotated[int, typer.Option(min=4, max=600, help="Areas")] = 40,
    days: Annotated[int, typer.Option(min=28, max=4000, help="Days of history")] = 730,
    seed: Annotated[int, typer.Option(help="Seed")] = 7,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one")] = 8321,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser")] = True,
    serving: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the map when it is made")] = True,
) -> None:
    """Make up a force, plan for it and show its map: everything computed on the spot.

    \b
    bluelamp demo
    bluelamp demo --no-browser
    """
    from bluelamp import intake
    from bluelamp import plan as flow
    from bluelamp.sources.twin import make_twin, write_twin

    where = folder or Path("demo-force")
    if (where / "force.toml").exists():
        message.print(f"{where} is there already and is shown as it is; delete it for a new one.", markup=False)
    else:
        write_twin(where, make_twin(areas=areas, days=days, seed=seed, until=datetime.now(UTC).date()))
        with progressing(quiet=False) as progress:
            for name, path, chosen in intake.extracts_of(where):
                done = intake.import_extract(where, path, table=name, map_name=chosen, progress=progress)
                message.print(f"{name}: {done.batch['rows_accepted']:,} rows", markup=False)
            flow.plan(where, progress=progress)
    if serving:
        from bluelamp.web.serve import serve as listen

        listen(where, port=port, open_browser=browser, say=lambda text: message.print(text, markup=False))


# ---- Help with data and machine ----


@app.command()
def template(
    name: Annotated[str, typer.Argument(help="A table's name, such as duties")],
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file")] = None,
) -> None:
    """Give a blank CSV of a table: the header and one made-up row to write over.

    \b
    bluelamp template duties > duties.csv
    """
    from bluelamp import tables

    text = tables.blank_template(name)
    if out is None:
        typer.echo(text, nl=False)
    else:
        if out.exists():
            raise UsageError(f"'{out}' is there already. Choose another name, or delete it first.")
        out.write_text(text, encoding="utf-8")


@app.command()
def doctor(
    folder: Annotated[Path | None, typer.Argument(metavar="[FORCE]", help="A force's folder to check as well")] = None,
    settings_schema: Annotated[
        bool, typer.Option("--settings-schema", help="Print the JSON Schema of force.toml")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the machine and, with a folder, the force: settings, every stored byte, what is left over.

    \b
    bluelamp doctor
    bluelamp doctor oakland
    """
    from bluelamp import doctor as ward
    from bluelamp import settings

    if settings_schema:
        typer.echo(json.dumps(settings.json_schema(), indent=1))
        return
    findings = ward.examine(folder)
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            typer.echo(f"{'ok  ' if finding.is_well else 'NOT '} {finding.what}: {finding.words}")
    bad = [finding for finding in findings if not finding.is_well]
    if bad:
        raise (BadSettings if bad[0].what == "settings" else BadData if bad[0].what == "python" else InputOutputError)(
            f"{count_of(len(bad), 'thing')} to put right: {', '.join(finding.what for finding in bad)}."
        )
