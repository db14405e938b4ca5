"""A view as a file: PDF or PNG on A4."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bluelamp.cli._shared import Folder, Quiet, app, logged, message, write_whole
from bluelamp.errors import UsageError


@app.command()
def sheet(
    folder: Folder,
    view: Annotated[str, typer.Argument(help="A view's name or its address, such as map or '/outlook?place=D2'")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write: its name ends in .pdf or .png")],
    quiet: Quiet = False,
) -> None:
    """Write a view as PDF, or its first page as PNG, on A4: the sheet that the service gives.

    \b
    bluelamp sheet oakland map -o map.pdf
    bluelamp sheet oakland '/outlook?place=D2' -o district-2.pdf
    """
    form = out.suffix.removeprefix(".").lower()
    if form not in ("pdf", "png"):
        raise UsageError(f"'{out}' ends in neither .pdf nor .png, so that nobody knows which it is to be. Name it so.")
    from bluelamp.web.sheets.asking import ask_for_sheet

    with logged(folder, "disclosure", "sheet") as detail:
        detail["asked"] = view
        content = ask_for_sheet(folder, view, form)
        write_whole(out, content)
    if not quiet:
        message.print(f"Wrote {out} ({len(content) / 1000:,.0f} kB).", markup=False)
