"""What every command shares: the application, its common options, and how words become days and moments."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bluelamp.errors import BluelampError, InputOutputError, UsageError

if TYPE_CHECKING:
    from bluelamp.state.log import Operation

app = typer.Typer(
    name="bluelamp",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
message = Console(stderr=True, highlight=False, soft_wrap=True)
Folder = Annotated[Path, typer.Argument(metavar="FORCE", help="The force's folder")]
STOPPED = 130
WORDS_WHEN_STOPPED = "bluelamp: stopped. Nothing half done is left; the same command starts again."
AsJson = Annotated[bool, typer.Option("--json", help="Give the answer as JSON on standard output")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors")]
# Questions of `init` that an option answers, too.
ANSWERED_BY_OPTION = ("time_zone", "date_order")
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="The view of an earlier moment, such as 2026-11-23T18:00: as the source had it then"),
]
RunId = Annotated[str | None, typer.Option("--run", help="A run's id; the latest run where it is left out")]


def write_whole(out: Path, content: str | bytes) -> None:
    """Write a file in one go: whoever looks finds what was there before or the whole of it. Raises InputOutputError."""
    beside = out.with_name(out.name + ".part")
    try:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.replace(out)
    except OSError as error:
        raise InputOutputError(
            f"'{out}' could not be written: {error.strerror or error}. Make room, or choose another place; no part of "
            "it is left."
        ) from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@contextmanager
def progressing(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """Show a progress bar on a terminal, and nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, share: None
        return
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description:<12}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn(),
        console=message,
    ) as bars:  # fmt: skip
        tasks: dict[str, TaskID] = {}

        def show(stage: str, share: float) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0)
            bars.update(tasks[stage], completed=share)

        yield show


def local_date(text: str | None) -> date | None:
    """Read a date given on the command line."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a date; one such as 2026-11-23 was expected.") from None


def moment(text: str | None, folder: Path) -> datetime | None:
    """Read an instant given on the command line: with an offset, or by the force's clock; a day alone is its start."""
    if text is None:
        return None
    from bluelamp import periods, settings

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"'{text}' is not a moment; one such as 2026-11-23, 2026-11-23T18:00 or 2026-11-23T18:00Z was expected."
        ) from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=periods.zone(settings.read(folder).force.time_zone))
    return at.astimezone(UTC)


@contextmanager
def logged(folder: Path, operation: Operation, subject: str) -> Iterator[dict[str, object]]:
    """Log what the block does, where the force keeps a log; the block adds to the detail that is given to it.

    The log is opened first, so that nothing is done that could not be logged. What fails is logged, too.
    """
    from bluelamp import addresses, settings

    try:
        address = settings.read(folder).service.database
    except BluelampError:
        # There is no force, or its settings can't be read: what the block does says so better.
        yield {}
        return
    detail: dict[str, object] = {}
    if address is None and not (folder / addresses.OWN_FILE).exists():
        yield detail
        return
    from bluelamp import state
    from bluelamp.state import log

    kept = state.open_state(folder, address)
    try:
        yield detail
    except BaseException as error:
        detail["went"] = f"wrong: {type(error).__name__}"
        raise
    finally:
        log.append(kept, [log.Happened(caller(), "command_line", operation, subject, detail, datetime.now(UTC))])
        kept.close()


def caller() -> str:
    """Name whoever calls a command, for the log."""
    try:
        return f"{getpass.getuser()} at the command line"
    except (KeyError, OSError):
        # An account without a name, as containers have them.
        return "somebody at the command line"
