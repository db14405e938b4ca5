"""Commands that help with data and machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bluelamp.cli._shared import AsJson, app, write_whole
from bluelamp.errors import BadData, BadSettings, InputOutputError, UsageError, count_of


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
        write_whole(out, text)


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
