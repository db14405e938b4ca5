"""Commands about patrols of hotspots."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bluelamp.cli._shared import AsJson, Folder, RunId, app, local_date, message, write_whole
from bluelamp.errors import UsageError


@app.command()
def patrol(
    folder: Folder,
    class_code: Annotated[
        str, typer.Option("--class", help="Offences of one class; 'all' of them, or 'harm' by the force's weights")
    ] = "all",
    day: Annotated[str | None, typer.Option(help="Local day; by default the first of the run")] = None,
    shift: Annotated[
        int | None, typer.Option(min=0, max=23, help="Local hour at which the shift begins; the whole day by default")
    ] = None,
    places: Annotated[
        int, typer.Option(min=1, max=500, help="Places to visit, those of most risk for their size")
    ] = 20,
    from_hour: Annotated[
        int | None, typer.Option("--from", min=0, max=23, help="Local hour from which patrols are on duty")
    ] = None,
    to_hour: Annotated[
        int | None,
        typer.Option("--to", min=0, max=24, help="Local hour until which they are; the next day's if earlier"),
    ] = None,
    units: Annotated[
        int | None, typer.Option(min=0, help="Units that are there for it; by default those that cover leaves free")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**31, help="Seed of an earlier list, to make it again; by default by chance"),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Keep the list, so that visits can be held against it")
    ] = True,
    dose: Annotated[
        bool, typer.Option("--dose", help="Hold the lists that were kept against the visits given")
    ] = False,
    page: Annotated[Path | None, typer.Option(help="Write the list to this page, to print for briefing")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV")] = False,
    as_json: AsJson = False,
    run: RunId = None,
) -> None:
    """Plan short visits to the places of most risk, at moments that nobody can foresee; or see what became of them.

    \b
    bluelamp patrol oakland --class burglary --shift 23 --places 12
    bluelamp patrol oakland --shift 15 --from 18 --to 22 --units 2 --page tonight.html
    bluelamp patrol oakland --dose
    """
    from bluelamp import patrol_lists, tables
    from bluelamp.web.patrol_page import render_patrol_page

    if dose:
        became = patrol_lists.read_dose(folder)
        rows, name, lines = became.table, "patrol_dose", became.lines
    else:
        if (from_hour is None) != (to_hour is None):
            raise UsageError("'--from' and '--to' go together: the hours in which patrols are on duty were expected.")
        within = None if from_hour is None or to_hour is None else (from_hour, to_hour)
        briefing = patrol_lists.make_lists(
            folder, class_code, day=local_date(day), from_hour=shift, places=places, within=within, units=units,
            seed=seed, run_id=run, keep=keep,
        )  # fmt: skip
        rows, name, lines = briefing.rows, "patrol_plan", briefing.lines
        if page is not None:
            write_whole(page, render_patrol_page(briefing))
            message.print(f"Wrote {page}. Open it in a browser and print it: a page a shift.", markup=False)
            return
    if as_json:
        sys.stdout.buffer.write(tables.to_json(rows, name) + b"\n")
    elif as_csv:
        sys.stdout.write(tables.to_csv(rows, name))
    else:
        for line in lines():
            typer.echo(line)
