"""Commands about how many units, where and when, and what would happen with others."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from bluelamp.cli._shared import AsJson, Folder, Quiet, RunId, app, message, moment, progressing
from bluelamp.errors import UsageError


@app.command()
def solve(
    folder: Folder,
    days: Annotated[int, typer.Option(min=1, help="Days from the plan's first")] = 7,
    runs: Annotated[int, typer.Option(min=1, help="Times that they are simulated in each try")] = 400,
    tries: Annotated[int, typer.Option(min=1, help="Plans that are tried at most")] = 60,
    shifts: Annotated[
        str | None, typer.Option(help="Find duties of these local hours, such as 7-17,14-24,22-7, instead of hours")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV: hours, or duties where shifts are given")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    run: RunId = None,
) -> None:
    """Find the fewest units that meet every target, by simulation, and judge them on weeks that it has not seen.

    \b
    bluelamp solve oakland
    bluelamp solve oakland --shifts 7-17,14-24,22-7
    """
    from bluelamp import fewest_units, tables

    with progressing(quiet) as progress:
        found = fewest_units.find_fewest(
            folder, days=days, runs=runs, tries=tries, shifts=None if shifts is None else _shifts(shifts), run_id=run,
            progress=progress,
        )  # fmt: skip
    if as_json:
        answer = {"sentences": found.sentences}
        for name, rows in (
            ("solved_units", found.units), ("solved_duties", found.duties), ("unit_value", found.value)
        ):  # fmt: skip
            answer[name] = json.loads(tables.to_json(rows, name))
        typer.echo(json.dumps(answer, ensure_ascii=False))
    elif as_csv:
        chosen = (found.units, "solved_units") if shifts is None else (found.duties, "solved_duties")
        sys.stdout.write(tables.to_csv(*chosen))
    else:
        for line in found.lines():
            typer.echo(line)


@app.command(name="what-if")
def what_if(
    folder: Folder,
    demand: Annotated[float, typer.Option(help="Times as many incidents, such as 1.1")] = 1.0,
    service: Annotated[float, typer.Option(help="Times as long at each, such as 0.9")] = 1.0,
    units: Annotated[
        list[str] | None,
        typer.Option(help="Units more or fewer in a pool, such as 'R-D1@Fri,Sat 22-6=+1'; may be repeated"),
    ] = None,
    merge: Annotated[list[str] | None, typer.Option(help="Pools made one, such as R-D1+R-D2; may be repeated")] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Another target: minutes, share, as 1:urban=12/90%; may be repeated")
    ] = None,
    b_demand: Annotated[float, typer.Option(help="The same of a second change, held beside the first")] = 1.0,
    b_service: Annotated[float, typer.Option(help="The same of the second change")] = 1.0,
    b_units: Annotated[list[str] | None, typer.Option(help="The same of the second change; may be repeated")] = None,
    b_merge: Annotated[list[str] | None, typer.Option(help="The same of the second change; may be repeated")] = None,
    b_target: Annotated[list[str] | None, typer.Option(help="The same of the second change; may be repeated")] = None,
    days: Annotated[int, typer.Option(min=1, help="Days from the plan's first")] = 7,
    runs: Annotated[int, typer.Option(min=2, help="Times that each plan is simulated")] = 100,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    run: RunId = None,
) -> None:
    """Try a change on the coming days: demand, lengths, units, pools, targets; held against the plan as it stands.

    With a second change (--b-…) both are held against it, and against each other.

    \b
    bluelamp what-if oakland --demand 1.1
    bluelamp what-if oakland --units 'R-D1@Fri,Sat 22-6=+2' --units 'R-D2@Fri,Sat 22-6=-2'
    bluelamp what-if oakland --merge R-D1+R-D2 --target 1=12
    bluelamp what-if oakland --units 'R-N1@22-6=+2' --b-units 'R-D1@14-22=-2' --b-units 'R-N1@22-6=+2'
    """
    from bluelamp import coming_work, tables
    from bluelamp import what_if as trial
    from bluelamp.two_changes import TwoChanges, name_problems

    def first() -> trial.Change:
        return trial.read_change(
            demand=demand, service=service, units=units or (), merge=merge or (), targets=target or ()
        )

    def second() -> trial.Change:
        return trial.read_change(
            demand=b_demand, service=b_service, units=b_units or (), merge=b_merge or (), targets=b_target or ()
        )

    is_second = (b_demand, b_service) != (1.0, 1.0) or any((b_units, b_merge, b_target))
    changes = name_problems([first, second]) if is_second else (first(),)
    found: trial.Compared | TwoChanges
    with progressing(quiet) as progress:
        trials = trial.WhatIf.of(coming_work.read_coming(folder, days=days, run_id=run), runs)

        def simulate(number: int) -> trial.Compared:
            done = number / len(changes)
            return trials.compare(changes[number], lambda share: progress("simulating", done + share / len(changes)))

        found = TwoChanges.of(*name_problems([lambda: simulate(0), lambda: simulate(1)])) if is_second else simulate(0)
    name = "what_if_changes" if is_second else "what_if"
    if as_json:
        rows = json.loads(tables.to_json(found.table, name))
        typer.echo(json.dumps({"sentences": found.sentences, name: rows}, ensure_ascii=False))
    elif as_csv:
        sys.stdout.write(tables.to_csv(found.table, name))
    else:
        for line in found.lines():
            typer.echo(line)
    if not quiet and all(each.is_none for each in changes):
        message.print("Say what to change: --demand, --service, --units, --merge or --target.", markup=False)


@app.command()
def backlog(
    folder: Folder,
    hours: Annotated[int, typer.Option(min=1, help="Hours to look ahead, 48 at most")] = 24,
    runs: Annotated[int, typer.Option(min=1, help="Times that they are simulated")] = 200,
    at: Annotated[
        str | None,
        typer.Option(help="Look ahead from this moment after the latest run, as if nothing later were known"),
    ] = None,
    hourly: Annotated[bool, typer.Option("--hourly", help="With --csv: the hours instead of the ages")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV: what waits at the ends of shifts, by age")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say what the next hours will bring, from the logs that are open and the units that are at work now: which calls
    will be late, and what each shift leaves to the next.

    \b
    bluelamp backlog oakland
    bluelamp backlog oakland --hours 12 --json
    """
    from bluelamp import near_term, tables

    with progressing(quiet) as progress:
        found = near_term.simulate_next(folder, hours=hours, runs=runs, at=moment(at, folder), progress=progress)
    if as_json:
        answer = {"sentences": found.sentences, "at": found.at.isoformat(), "run_id": found.run_id}
        for name, rows in (("backlog", found.backlog), ("next_dispatch", found.hours)):
            answer[name] = json.loads(tables.to_json(rows, name))
        typer.echo(json.dumps(answer, ensure_ascii=False))
    elif as_csv:
        chosen = (found.hours, "next_dispatch") if hourly else (found.backlog, "backlog")
        sys.stdout.write(tables.to_csv(*chosen))
    else:
        for line in found.lines():
            typer.echo(line)


def _shifts(text: str) -> list[tuple[int, int]]:
    found = []
    for each in text.split(","):
        begins, dash, ends = each.strip().partition("-")
        if not (dash and begins.isdigit() and ends.isdigit()):
            raise UsageError(f"--shifts '{text}' is no list of shifts; one such as 7-17,14-24,22-7 was expected.")
        found.append((int(begins), int(ends)))
    return found
