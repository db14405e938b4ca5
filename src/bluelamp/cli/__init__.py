"""The command line: a short command a stage. Data goes to standard output, messages to standard error."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import Annotated, NoReturn

import typer

from bluelamp import __version__
from bluelamp.cli._shared import STOPPED, WORDS_WHEN_STOPPED, app, message
from bluelamp.errors import BluelampError, InputOutputError

__all__ = ["app", "main"]


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


# Commands join the application where they are written; help lists them in this order.
for _story in (
    "force",
    "results",
    "staffing",
    "patrols",
    "analyses",
    "beats",
    "made_up",
    "service",
    "keeping",
    "sheets",
    "base_map",
    "around",
):
    import_module(f"bluelamp.cli.{_story}")
