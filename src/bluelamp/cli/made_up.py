"""Commands of the made-up force."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bluelamp.cli._shared import app, local_date, message, progressing
from bluelamp.errors import UsageError, count_of


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
    points: Annotated[
        str, typer.Option(help="How points lie in their areas: at 'places', of which a few are busy, or 'even'")
    ] = "places",
    planted: Annotated[
        bool, typer.Option("--planted/--not-planted", help="Plant hotspots and near-repeats in the points")
    ] = True,
    peaks: Annotated[
        bool, typer.Option("--peaks", help="Plant theft before Christmas and robbery on two coming Fridays")
    ] = False,
    cases: Annotated[
        bool, typer.Option("--cases", help="Let investigators carry cases, and export them as their records have them")
    ] = False,
) -> None:
    """Make up a whole constabulary, with the truth behind it.

    \b
    bluelamp twin lantern --areas 40 --days 730 --seed 7
    bluelamp twin county --preset county --days 1095
    bluelamp twin messy --feeds --feed-days 28
    bluelamp twin years --preset county --feed-days 1095 --mornings 2    history at once, then a day
    bluelamp twin calm --points even --not-planted    no hotspots and no near-repeats to be found
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
        points=points,
        planted=planted,
        peaks="usual" if peaks else (),
        cases=cases,
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
