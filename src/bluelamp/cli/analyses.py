"""Commands that ask of what happened: does it come in near repeats, did something change it, is the model true?"""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bluelamp.cli._shared import AsJson, Folder, Quiet, app, local_date, message, progressing, write_whole
from bluelamp.errors import UsageError

if TYPE_CHECKING:
    from bluelamp.before_after import BeforeAfter
    from bluelamp.near_repeats import NearRepeats

Kind = Annotated[
    str | None, typer.Option("--of", help="offences or incidents; by default offences where the force has any")
]
Classes = Annotated[
    list[str] | None, typer.Option("--class", help="A class; may be repeated; all (of crime) where it is left out")
]
AsCsv = Annotated[bool, typer.Option("--csv", help="Give the table as CSV on standard output")]
Page = Annotated[
    Path | None, typer.Option("--page", help="Write a page with a picture to this file, to open from disk")
]


@app.command("near-repeat")
def near_repeat(
    folder: Folder,
    kind: Kind = None,
    class_codes: Classes = None,
    since: Annotated[str | None, typer.Option("--from", help="First local day")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last local day")] = None,
    metres: Annotated[
        str, typer.Option(help="Upper bounds of the bands of distance, beside the same place")
    ] = "100,200,300,400,500,600,700,800,900,1000",
    days: Annotated[str, typer.Option(help="Upper bounds of the bands of days")] = "7,14,21,28,35,42,49,56",
    metric: Annotated[str, typer.Option(help="manhattan (along east and north) or euclidean")] = "manhattan",
    permutations: Annotated[int, typer.Option(min=19, max=99_999, help="Times that days are dealt by chance")] = 999,
    seed: Annotated[int, typer.Option(min=0, help="Where chance begins")] = 0,
    page: Page = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say whether offences follow near others soon after, beyond what chance brings (the Knox test).

    \b
    bluelamp near-repeat oakland --class burglary
    bluelamp near-repeat oakland --class robbery --metres 250,500,1000 --days 2,7,14 --page robbery.html
    """
    from bluelamp.near_repeats import find_near_repeats
    from bluelamp.occurrences import read_occurrences
    from bluelamp.web.analysis_pages import render_near_repeat_page

    with progressing(quiet) as progress:
        progress("reading", 0.0)
        of = read_occurrences(
            folder, kind=kind, class_codes=class_codes or (), since=local_date(since), until=local_date(until)
        )
        progress("reading", 1.0)
        found = find_near_repeats(
            of, metres=_bounds(metres, "--metres"), days=[round(each) for each in _bounds(days, "--days", whole=True)],
            metric=metric, permutations=permutations, seed=seed, progress=progress,
        )  # fmt: skip
    if page is not None:
        _write_page(page, render_near_repeat_page(found))
    _tell(found, "near_repeats", as_csv, as_json)


@app.command("before-after")
def before_after(
    folder: Folder,
    treated: Annotated[
        list[str], typer.Option("--treated", help="Where it was done: an area's id or a GeoJSON file; may be repeated")
    ],
    control: Annotated[
        list[str], typer.Option("--control", help="A place like it that was left alone, likewise; may be repeated")
    ],
    before: Annotated[str, typer.Option(help="First and last local day before, as 2026-01-05..2026-03-29")],
    after: Annotated[str, typer.Option(help="First and last local day after, likewise")],
    ring: Annotated[
        float | None, typer.Option(help="Metres about the treated place to look for what moved there")
    ] = None,
    ring_control: Annotated[
        list[str] | None,
        typer.Option("--ring-control", help="A control of the ring; a ring about the control where it is left out"),
    ] = None,
    by_size: Annotated[
        bool, typer.Option("--by-size", help="Divide by how many times as large a control is as its place")
    ] = False,
    kind: Kind = None,
    class_codes: Classes = None,
    page: Page = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Say whether a place changed more than one that was left alone (the weighted displacement difference).

    \b
    bluelamp before-after oakland --treated 22Y --control 26X \\
        --before 2023-12-20..2024-01-31 --after 2024-02-01..2024-03-14
    bluelamp before-after oakland --treated patrols.geojson --control left_alone.geojson --ring 300 \\
        --before 2023-12-20..2024-01-31 --after 2024-02-01..2024-03-14 --class robbery --page robbery.html
    """
    from bluelamp.before_after import compare_periods, days_of
    from bluelamp.occurrences import read_occurrences
    from bluelamp.web.analysis_pages import render_before_after_page

    first, second = _period(before, "--before"), _period(after, "--after")
    # As long a time before shows whether the place was chosen in a bad spell.
    since = first[0] - timedelta(days=max(days_of(first), 0))
    of = read_occurrences(folder, kind=kind, class_codes=class_codes or (), since=since, until=second[1])
    found = compare_periods(
        of, treated=treated, control=control, before=first, after=second, ring_metres=ring,
        ring_control=ring_control or (), by_size=by_size,
    )  # fmt: skip
    if page is not None:
        _write_page(page, render_before_after_page(found))
    _tell(found, "before_after", as_csv, as_json)


@app.command()
def validate(
    folder: Folder,
    weeks: Annotated[
        int | None, typer.Option(min=1, max=52, help="Weeks to hold out, the last ones; 4, or what the record has")
    ] = None,
    fit_weeks: Annotated[
        int | None, typer.Option(min=1, max=104, help="Weeks before them to fit on; 8, or what the record has")
    ] = None,
    replications: Annotated[int, typer.Option(min=2, max=200, help="Times that the weeks are replayed")] = 10,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Where chance begins; the force's seed where it is left out")
    ] = None,
    fault: Annotated[
        str | None,
        typer.Option(help="Plant half_the_duties or double_service_times, to see that it is told; nothing is kept"),
    ] = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Replay recorded weeks with the units that were on duty, and hold the simulation against what happened.

    \b
    bluelamp validate county
    bluelamp validate county --weeks 2 --fit-weeks 6 --json
    bluelamp validate county --fault half_the_duties
    """
    from bluelamp import tables
    from bluelamp.validation import NAMES
    from bluelamp.validation import validate as hold_against_what_happened

    with progressing(quiet) as progress:
        found = hold_against_what_happened(
            folder, weeks=weeks, fit_weeks=fit_weeks, replications=replications, seed=seed, fault=fault,
            progress=progress,
        )  # fmt: skip
    if as_json:
        answer = {"sentences": found.sentences, "about": found.about} | {
            name: found.named(name).to_dicts() for name in NAMES
        }
        typer.echo(json.dumps(answer, ensure_ascii=False))
    elif as_csv:
        sys.stdout.write(tables.to_csv(found.table, "validation"))
    else:
        for line in found.lines():
            typer.echo(line)
        if not quiet and fault is None:
            message.print(f"Next: bluelamp serve {folder}, and look at /validation", markup=False)


def _tell(found: NearRepeats | BeforeAfter, name: str, as_csv: bool, as_json: bool) -> None:
    from bluelamp import tables

    if as_json:
        answer = {"sentences": found.sentences(), "notes": found.notes, name: found.table.to_dicts()}
        typer.echo(json.dumps(answer, ensure_ascii=False))
    elif as_csv:
        sys.stdout.write(tables.to_csv(found.table, name))
    else:
        for line in found.lines():
            typer.echo(line)


def _write_page(out: Path, page: str) -> None:
    write_whole(out, page)
    message.print(f"Wrote {out}. Open it in a browser; it needs no network.", markup=False)


def _bounds(text: str, option: str, whole: bool = False) -> list[float]:
    try:
        return [float(int(each)) if whole else float(each) for each in text.split(",")]
    except ValueError:
        kind = "whole numbers" if whole else "numbers"
        raise UsageError(f"{option} '{text}' is no list of bounds; {kind} such as 7,14,28 were expected.") from None


def _period(text: str, option: str) -> tuple[date, date]:
    first, dots, last = text.partition("..")
    if not dots:
        raise UsageError(f"{option} '{text}' is no period; one such as 2026-01-05..2026-03-29 was expected.")
    found = local_date(first), local_date(last)
    assert found[0] is not None
    assert found[1] is not None
    return found[0], found[1]
