"""Commands from a store to results: plan, look ahead, score, read and show."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bluelamp.cli._shared import (
    AsJson,
    AsOf,
    Folder,
    Quiet,
    RunId,
    app,
    local_date,
    logged,
    message,
    moment,
    progressing,
    write_whole,
)
from bluelamp.errors import InputOutputError, UsageError, count_of

if TYPE_CHECKING:
    import polars as pl


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
    with progressing(quiet) as progress, logged(folder, "combination", "plan") as detail:
        run_id = flow.plan(folder, forecast_from=starts, as_of=moment(as_of, folder), progress=progress)
        detail["run"] = run_id
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
    from bluelamp import tables
    from bluelamp.look_ahead import look_ahead

    found = look_ahead(folder, hours)
    if as_json:
        sys.stdout.buffer.write(tables.to_json(found.table, "next_hours") + b"\n")
        return
    for line in found.lines():
        typer.echo(line)


@app.command()
def peaks(
    folder: Folder,
    scope: Annotated[
        str, typer.Option(help="day: the next day's shifts; week: those of seven days; quarter: the next 91 days")
    ] = "week",
    measure: Annotated[
        str | None,
        typer.Option(help="incidents, offending, offences or a class; incidents and offending where it is left out"),
    ] = None,
    place: Annotated[
        str | None, typer.Option(help="An area, a district or the force; all where it is left out")
    ] = None,
    share: Annotated[
        float | None, typer.Option(help="Share of the week's work whose fewest places and hours are told, up to 0.5")
    ] = None,
    run: RunId = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="The peaks as CSV")] = False,
    as_json: AsJson = False,
) -> None:
    """Say when and where most is to come, how sure that is, how unusual, and why.

    \b
    bluelamp peaks oakland
    bluelamp peaks oakland --scope quarter --measure burglary
    bluelamp peaks oakland --share 0.1
    """
    from bluelamp import tables
    from bluelamp.briefing import read_briefing

    found = read_briefing(folder, scope=scope, measure=measure, place=place, share=share, run_id=run)
    if as_json:
        parts = {"peaks": found.peaks, "peak_hours": found.peak_hours, "backtest_peaks": found.tried}
        told = {name: json.loads(tables.to_json(rows, name)) for name, rows in parts.items()}
        typer.echo(json.dumps({"sentences": found.lines(), **told}, ensure_ascii=False))
    elif as_csv:
        sys.stdout.write(tables.to_csv(found.peaks, "peaks"))
    else:
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
def hotspots(
    folder: Folder,
    class_code: Annotated[
        str, typer.Option("--class", help="Offences of one class; 'all' of them, or 'harm' by the force's weights")
    ] = "all",
    from_hour: Annotated[
        int | None, typer.Option("--shift", min=0, max=23, help="Local hour at which the shift begins; all by default")
    ] = None,
    share: Annotated[float, typer.Option(min=0.0005, max=0.05, help="Share of the ground to list")] = 0.005,
    geojson: Annotated[Path | None, typer.Option(help="Write the places to this GeoJSON file")] = None,
    test: Annotated[bool, typer.Option("--test", help="Hold every method's map against weeks that came after")] = False,
    weeks: Annotated[int, typer.Option(min=1, max=260, help="Weeks to hold out in the test")] = 52,
    guard: Annotated[
        bool, typer.Option("--guard", help="Simulate a year of patrols that follow the map: does it run away?")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV")] = False,
    as_json: AsJson = False,
    run: RunId = None,
    quiet: Quiet = False,
) -> None:
    """List the places with the most risk of offences by shift, or test how far such maps have been right.

    \b
    bluelamp hotspots oakland --class burglary --shift 23
    bluelamp hotspots oakland --geojson hotspots.geojson
    bluelamp hotspots oakland --test
    bluelamp hotspots oakland --guard
    """
    import polars as pl

    from bluelamp import hotspot_trial, tables

    if guard:
        with progressing(quiet) as progress:
            simulated = hotspot_trial.try_guard(folder, progress=progress)
        if as_json:
            sys.stdout.buffer.write(tables.to_json(simulated.table, "feedback_simulation") + b"\n")
        elif as_csv:
            sys.stdout.write(tables.to_csv(simulated.table, "feedback_simulation"))
        else:
            typer.echo("\n".join(simulated.lines()))
        return
    if test:
        with progressing(quiet) as progress:
            tested = hotspot_trial.try_maps(folder, weeks=weeks, progress=progress)
        if as_json:
            typer.echo(json.dumps({"sentences": tested.sentences, "scores": tested.scores.to_dicts()}))
            return
        for line in tested.lines():
            typer.echo(line)
        if not quiet:
            message.print(f"Next: bluelamp plan {folder}, whose maps are then by what won.", markup=False)
        return
    shown = hotspot_trial.list_places(folder, class_code, from_hour, share, run)
    if geojson is not None:
        write_whole(geojson, json.dumps(shown.collection(), ensure_ascii=False))
        message.print(f"Wrote {count_of(shown.rows.height, 'place')} to {geojson}", markup=False)
    elif as_json:
        sys.stdout.buffer.write(tables.to_json(shown.rows, "hotspots") + b"\n")
    elif as_csv:
        sys.stdout.write(tables.to_csv(shown.rows, "hotspots"))
    else:
        with pl.Config(tbl_rows=60):
            for line in shown.lines():
                typer.echo(line)


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

    from bluelamp import reading, tables

    _refuse_swapped(name, folder)
    if tables.table(name).kind in ("account", "backtest"):
        if run is not None or as_of is not None:
            raise UsageError(f"'{name}' is worked out from the store as it is now. Leave --run and --as-of out.")
        rows = _worked_out(folder, name)
    else:
        rows = reading.read_table(folder, name, run, moment(as_of, folder))
        if run is None and as_of is None and (since := reading.tell_imported_since(folder, name)):
            message.print(since, markup=False)
    asked = {}
    for condition in where or []:
        column, equals, value = condition.partition("=")
        if not equals:
            raise UsageError(f"'{condition}' is not a condition; one such as level=pool was expected.")
        asked[column] = value
    rows = tables.keep(rows, name, asked)
    if parquet is not None:
        _write_parquet(rows.select(tables.table(name).columns), parquet)
        message.print(f"Wrote {count_of(rows.height, 'row')} to {parquet}", markup=False)
    elif as_json:
        sys.stdout.buffer.write(tables.to_json(rows, name) + b"\n")
    elif as_csv or not sys.stdout.isatty():
        sys.stdout.write(tables.to_csv(rows, name))
    else:
        with pl.Config(tbl_rows=40, tbl_cols=-1, tbl_width_chars=message.width, fmt_str_lengths=40):
            typer.echo(str(rows))


def _worked_out(folder: Path, name: str) -> pl.DataFrame:
    """Give a table that speaks of the store as it is now, or of what was last tried on it."""
    from bluelamp import backtest, hotspot_trial, look_ahead, reading, received, validation

    if name == "feedback_simulation":
        return reading.read_table(folder, name)
    if name in look_ahead.NAMES:
        return look_ahead.look_ahead(folder).table
    if name in hotspot_trial.NAMES:
        return hotspot_trial.read(folder).scores
    if name in validation.NAMES:
        return validation.read(folder).named(name)
    return backtest.read(folder).table(name) if name in backtest.NAMES else received.account_for(folder)[name]


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
    run_id = chosen["run_id"]
    data = make_map_data(
        published.results_for_map(run_id), chosen, published.force(), peaks=published.peaks_for_map(run_id)
    )
    page = render_page(f"{published.settings.force.name} · workforce against demand", data=data)
    write_whole(out, page)
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
    sign_in: Annotated[
        bool | None,
        typer.Option(
            "--sign-in/--no-sign-in",
            help="Have people say who they are; by default where others can reach the server, or there are accounts",
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
    listen(folder, host=host, port=port, names=allowed, sign_in=sign_in, open_browser=browser, say=say)
