"""Commands that ask how the ground is shared out: districts of equal work, and pools that cover it."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from bluelamp.cli._shared import AsJson, Folder, RunId, app, message, write_whole


@app.command()
def beats(
    folder: Folder,
    districts: Annotated[int, typer.Option(help="How many districts")],
    tolerance: Annotated[float, typer.Option(help="How far from an equal share a district may be, as a share")] = 0.05,
    most_change: Annotated[
        float | None, typer.Option(help="The greatest share of the work that may leave its district of today")
    ] = None,
    change_by: Annotated[str, typer.Option(help="What change is counted in: load or areas")] = "load",
    start: Annotated[
        str, typer.Option("--from", help="today: move as little as possible; anew: have short borders")
    ] = "anew",
    source: Annotated[
        str, typer.Option("--by", help="Work by forecast (coming weeks) or demand (last 52)")
    ] = "forecast",
    hours: Annotated[str | None, typer.Option(help="Local hours of the day to count, such as 22-06")] = None,
    weekdays: Annotated[str | None, typer.Option(help="Weekdays to count, such as fri,sat")] = None,
    load: Annotated[Path | None, typer.Option(help="CSV with area_id and load, instead of the run's work")] = None,
    today: Annotated[
        Path | None, typer.Option(help="CSV with area_id and district of today, instead of the areas' own")
    ] = None,
    touching: Annotated[
        Path | None, typer.Option(help="CSV of who touches whom (a, b), instead of what boundaries say")
    ] = None,
    minutes: Annotated[
        Path | None, typer.Option(help="CSV of driving times between areas: from_id, to_id, minutes")
    ] = None,
    prove: Annotated[
        float, typer.Option(min=0, help="Seconds to prove in how equal districts can be at best, of 30 areas or fewer")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Where chance begins")] = 0,
    page: Annotated[Path | None, typer.Option(help="Write a page with maps to this file, to open from disk")] = None,
    geojson: Annotated[
        Path | None, typer.Option(help="Write the areas with their proposed district, as import reads them")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Give each area's district as CSV on standard output")] = False,
    as_json: AsJson = False,
    run: RunId = None,
) -> None:
    """Propose districts of equal work: whole, compact, and not far from today's. Nothing is changed in the force.

    \b
    bluelamp beats oakland --districts 6
    bluelamp beats oakland --districts 5 --from today --hours 22-06
    bluelamp beats oakland --districts 6 --most-change 0.1 --page beats.html --geojson beats.geojson
    """
    from bluelamp import tables
    from bluelamp.beats import CHANGES, Wanted
    from bluelamp.beats.reading import read_beats
    from bluelamp.errors import UsageError
    from bluelamp.web.beats_page import render_beats_page

    if change_by not in CHANGES:
        raise UsageError(f"--change-by '{change_by}' is neither: load or areas was expected.")
    wanted = Wanted(districts, tolerance, most_change, change_by == "areas", start, seed, prove)
    found = read_beats(
        folder, wanted, source=source, hours=hours, weekdays=weekdays, load=load, today=today, touching=touching,
        minutes=minutes, run_id=run, on=date.today(),
    )  # fmt: skip
    if geojson is not None:
        write_whole(geojson, found.to_geojson())
        message.print(f"Wrote {geojson}.", markup=False)
    if page is not None:
        write_whole(page, render_beats_page(found))
        message.print(f"Wrote {page}. Open it in a browser; it needs no network.", markup=False)
    if as_json:
        answer = {
            "sentences": found.sentences(), "notes": found.notes, "beats": found.table.to_dicts(),
            "beat_loads": found.loads.to_dicts(),
        }  # fmt: skip
        typer.echo(json.dumps(answer, ensure_ascii=False))
    elif as_csv:
        sys.stdout.write(tables.to_csv(found.table, "beats"))
    else:
        for line in found.lines():
            typer.echo(line)


@app.command()
def pools(
    folder: Folder,
    ways: Annotated[
        list[str],
        typer.Option(
            "--try",
            help="1 (one pool), 3 (of equal work), pairs (of neighbours), A+B (merged); each also by hours as 1@23-07",
        ),
    ],
    weeks: Annotated[int, typer.Option(help="Weeks to draw")] = 40,
    speed: Annotated[
        float | None, typer.Option(help="Speed of units in km/h, instead of ways as long as standards suppose")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Where chance begins")] = 0,
    as_csv: Annotated[bool, typer.Option("--csv", help="Give the table as CSV on standard output")] = False,
    as_json: AsJson = False,
    run: RunId = None,
) -> None:
    """Compare pools on simulated response: fewer, larger, merged, or others by night, with as many units.

    \b
    bluelamp pools oakland --try 1 --try 1@23-07
    bluelamp pools oakland --try pairs --try R-P1+R-P2 --weeks 80
    """
    from bluelamp import tables
    from bluelamp.pools_compared import compare_pools

    found = compare_pools(folder, ways, weeks=weeks, speed_kmh=speed, seed=seed, run_id=run)
    if as_json:
        answer = {"sentences": found.sentences(), "notes": found.notes, "pool_trials": found.table.to_dicts()}
        typer.echo(json.dumps(answer, ensure_ascii=False))
    elif as_csv:
        sys.stdout.write(tables.to_csv(found.table, "pool_trials"))
    else:
        for line in found.lines():
            typer.echo(line)
