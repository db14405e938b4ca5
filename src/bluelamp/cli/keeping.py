"""Commands that keep a force from being lost: a backup in one file, and putting it back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bluelamp.cli._shared import AsJson, Folder, Quiet, app, logged, message
from bluelamp.errors import UsageError

if TYPE_CHECKING:
    from bluelamp.backup import Contents

Expected = Annotated[
    str | None, typer.Option("--content", help="The SHA-256 of the content that the backup was said to have")
]


@app.command()
def backup(
    folder: Annotated[Path | None, typer.Argument(metavar="FORCE", help="The force's folder")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The file to write; it must not be there yet")] = None,
    check: Annotated[
        Path | None, typer.Option("--verify", metavar="FILE", help="Check a backup in place of making one")
    ] = None,
    content: Expected = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a whole force and the service's database into one file, while both are in use.

    \b
    bluelamp backup north -o /mnt/backups/north-2026-11-23.tar
    bluelamp backup --verify /mnt/backups/north-2026-11-23.tar
    """
    from bluelamp import backup as backups

    if check is not None:
        if folder is not None or out is not None:
            raise UsageError("--verify checks a backup that is there. It goes with neither a force nor -o.")
        _tell(backups.verify(check, expected=content), as_json=as_json, quiet=quiet, begins="Every byte is as written")
        return
    if folder is None or out is None:
        raise UsageError("Name the force and the file to write: bluelamp backup north -o north.tar")
    if content is not None:
        raise UsageError("--content goes with --verify.")
    with logged(folder, "disclosure", "backup") as detail:
        made = backups.back_up(folder, out)
        detail |= {"content": made.sha256, "files": len(made.files)}
    _tell(made, as_json=as_json, quiet=quiet, begins=f"Wrote {out}, for this account alone to read")


@app.command()
def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="A backup")],
    folder: Folder,
    replace: Annotated[
        bool, typer.Option("--replace", help="Move aside what is in the folder, and keep it under another name")
    ] = False,
    database: Annotated[
        str | None,
        typer.Option(help="An address for the service's database, or 'file', in place of what force.toml says"),
    ] = None,
    content: Expected = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put a backup back, once every byte of it was checked; the same content's SHA-256 is said.

    \b
    bluelamp restore /mnt/backups/north-2026-11-23.tar north
    bluelamp restore north.tar north --replace
    bluelamp restore north.tar north --database 'postgresql+psycopg://bluelamp:${STATE_PASSWORD}@db.example/bluelamp'
    """
    from bluelamp import backup as backups

    done = backups.restore(archive, folder, replace=replace, database=database, expected=content)
    if done.contents.state is not None and database is None:
        with logged(folder, "alteration", "restore") as detail:
            detail["content"] = done.contents.sha256
    begins = f"Restored {folder}; read again, it is what the backup holds"
    if done.before is not None:
        begins += f". What was there before is at {done.before}"
    _tell(done.contents, as_json=as_json, quiet=quiet, begins=begins)
    if database is not None and not quiet:
        message.print("Say the same in force.toml, under [service], before the service is started.", markup=False)


def _tell(contents: Contents, *, as_json: bool, quiet: bool, begins: str) -> None:
    from bluelamp.backup import describe

    if as_json:
        told = asdict(contents) | {"files": len(contents.files)}
        typer.echo(json.dumps(told, default=str, ensure_ascii=False))
    elif not quiet:
        message.print(f"{begins}.", markup=False)
        for line in describe(contents):
            typer.echo(line)
