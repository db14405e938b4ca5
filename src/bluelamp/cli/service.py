"""Commands about the service that many people use: who may sign in, and the log of what they do."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bluelamp.cli._shared import AsJson, Folder, app, caller, message, moment
from bluelamp.errors import BadData, InputOutputError, UsageError, count_of

if TYPE_CHECKING:
    from bluelamp.state import State

accounts_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make, change and list accounts.")
log_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Read, check and anchor the log.")
app.add_typer(accounts_app, name="accounts")
app.add_typer(log_app, name="log")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name")]
Role = Annotated[str | None, typer.Option(help="viewer, analyst, planner, supervisor, chief, auditor, administrator …")]
Districts = Annotated[list[str] | None, typer.Option("--district", help="A district to see; all without; repeatable")]
Teams = Annotated[list[str] | None, typer.Option("--team", help="A supervisor's team, as pool/team; may be repeated")]
PasswordFromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it")
]


@accounts_app.command()
def add(
    folder: Folder,
    name: Name,
    role: Role = None,
    districts: Districts = None,
    teams: Teams = None,
    force: Annotated[str | None, typer.Option(help="Another force's code, for its people")] = None,
    password_stdin: PasswordFromInput = False,
    without_password: Annotated[
        bool, typer.Option("--no-password", help="Nobody signs in with it; a program asks as it, by a key")
    ] = False,
) -> None:
    """Make an account; the password is asked for, and shown nowhere.

    \b
    bluelamp accounts add north ann --role planner
    bluelamp accounts add north bob --role supervisor --team R-D2/C
    bluelamp accounts add north cad --role source --no-password
    """
    from bluelamp import settings
    from bluelamp.state import accounts

    if role is None:
        from bluelamp.access import ROLE_WORDS

        raise UsageError(
            "--role is missing. It says what the account may do:",
            [f"{each}: {words}" for each, words in ROLE_WORDS.items()],
        )
    force_id = settings.read(folder).force.id
    # What is wrong is told before a password is typed for nothing, and before a database is made for nothing.
    accounts.insist_on_right(name, role, teams or ())
    password = None if without_password else _password(password_stdin)
    accounts.insist_on_right(name, role, teams or (), password)
    state = _state(folder, make=True)
    made = accounts.add(
        state, name, role, force or force_id, password=password, districts=districts or (), teams=teams or ()
    )
    _log(state, "administration", f"account {name}", {"made": name, "role": role, "force": made.force_id})
    message.print(f"'{name}' may sign in as {role.replace('_', ' ')}.", markup=False)


@accounts_app.command()
def change(
    folder: Folder,
    name: Name,
    role: Role = None,
    districts: Districts = None,
    all_districts: Annotated[bool, typer.Option("--all-districts", help="Let it see every district")] = False,
    teams: Teams = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password")] = False,
    password_stdin: PasswordFromInput = False,
    is_open: Annotated[bool | None, typer.Option("--open/--close", help="Let it sign in again, or no longer")] = None,
) -> None:
    """Change an account; whoever is signed in with it has to do so again.

    \b
    bluelamp accounts change north ann --role chief
    bluelamp accounts change north ann --close
    """
    from bluelamp.state import accounts

    state = _state(folder)
    accounts.change(
        state, name, role=role, districts=[] if all_districts else districts, teams=teams, is_open=is_open,
        password=_password(password_stdin) if password or password_stdin else None,
    )  # fmt: skip
    _log(state, "administration", f"account {name}", {"changed": name, "role": role, "open": is_open})
    message.print(f"'{name}' was changed.", markup=False)


@accounts_app.command(name="list")
def list_(folder: Folder, as_json: AsJson = False) -> None:
    """List who may sign in.

    \b
    bluelamp accounts list north
    """
    from bluelamp.state import accounts

    found = accounts.every(_state(folder))
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], default=str))
        return
    for each in found:
        limits = [*each.districts, *each.teams]
        state = "" if each.is_open else "  closed"
        typer.echo(f"{each.name:<24} {each.role:<14} {each.force_id:<8} {' '.join(limits)}{state}".rstrip())


@accounts_app.command()
def key(
    folder: Folder,
    name: Name,
    label: Annotated[str, typer.Option(help="What the key is for, such as the system that holds it")],
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days until it ends; it does not end without")
    ] = None,
) -> None:
    """Make a key with which a program asks as an account; it is printed once and kept nowhere.

    \b
    bluelamp accounts key north cad --label "command and control" --days 365
    """
    from bluelamp.state import accounts

    state = _state(folder)
    ends_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    made = accounts.make_key(state, name, label, ends_at=ends_at)
    _log(state, "administration", f"account {name}", {"key": label, "ends_at": ends_at})
    typer.echo(made)


@app.command()
def live(
    folder: Folder,
    while_input: Annotated[
        bool, typer.Option("--while-input", help="End when standard input does, as with whoever started it")
    ] = False,
) -> None:
    """Keep the next hours current, and import what is sent as it happens; `serve` starts this by itself.

    \b
    bluelamp live north
    """
    from bluelamp.beside import input_is_over
    from bluelamp.live import keep_current

    is_over = input_is_over if while_input else lambda: False
    keep_current(folder, lambda text: message.print(text, markup=False), is_over=is_over)


@app.command()
def work(
    folder: Folder,
    while_input: Annotated[
        bool, typer.Option("--while-input", help="End when standard input does, as with whoever started it")
    ] = False,
) -> None:
    """Do the jobs that people ask the service for, one at a time; `serve` starts this by itself.

    \b
    bluelamp work north
    """
    from bluelamp.beside import end_with_input, give_way
    from bluelamp.jobs import work as do_jobs

    if while_input:
        give_way()
        end_with_input()
    do_jobs(folder, lambda text: message.print(text, markup=False))


@app.command()
def jobs(
    folder: Folder,
    ask: Annotated[str | None, typer.Option("--ask", help="Ask for one: import, plan, backtest or validate")] = None,
    stop: Annotated[str | None, typer.Option("--stop", metavar="JOB", help="Ask for one to be stopped")] = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs that people asked the service for, the newest first, and ask for one or stop one.

    \b
    bluelamp jobs north
    bluelamp jobs north --ask plan
    bluelamp jobs north --stop j261123-5f0c2d9ab1e7
    """
    from bluelamp import jobs as asked
    from bluelamp.state import jobs as kept

    state = _state(folder, make=ask in asked.KINDS)
    if ask is not None:
        made, is_new = asked.ask(state, ask, {}, caller())
        _log(state, "administration", f"job {made.kind}", {"job": made.key, "asked": "new" if is_new else "again"})
    if stop is not None:
        made = asked.ask_to_stop(state, folder, stop)
        _log(state, "administration", f"job {made.kind}", {"job": made.key, "asked": "stop"})
    found = kept.every(state)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], default=str, ensure_ascii=False))
        return
    for each in found:
        share = f" {each.share:.0%}" if each.state == "running" and each.share is not None else ""
        typer.echo(f"{each.key}  {each.kind:<9} {each.state}{share}  {each.words or ''}".rstrip())


@log_app.command()
def show(
    folder: Folder,
    operation: Annotated[str | None, typer.Option(help="consultation, disclosure, alteration …; any without")] = None,
    who: Annotated[str | None, typer.Option(help="An account's name; anybody without")] = None,
    since: Annotated[str | None, typer.Option(help="A moment, such as 2026-11-23T18:00, by the force's clock")] = None,
    most: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many, the newest")] = 50,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV")] = False,
    as_json: AsJson = False,
) -> None:
    """Say who saw, changed, exported or shared what, and when, the newest first.

    \b
    bluelamp log show north --operation disclosure --since 2026-11-23
    """
    from bluelamp.errors import did_you_mean, one_of
    from bluelamp.state import log

    if operation is not None and operation not in log.OPERATIONS:
        hint = did_you_mean(operation, log.OPERATIONS)
        raise UsageError(f"There is no operation '{operation}'. {one_of(log.OPERATIONS)} was expected.{hint}")
    found = log.entries(_state(folder), operation=operation, who=who, since=moment(since, folder), most=most)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False))
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([each.name for each in fields(log.Entry)])
        writer.writerows(log.harmless(each) for each in found)
    else:
        for each in found:
            detail = "" if each.detail == "{}" else f"  {each.detail}"
            typer.echo(f"{each.sequence:>7} {each.at[:19]}Z {each.who:<20} {each.operation:<14} {each.subject}{detail}")


@log_app.command()
def head(
    folder: Folder,
    to: Annotated[Path | None, typer.Option(help="A file on another disk or machine to add it to")] = None,
) -> None:
    """Give the log's newest seal, to keep elsewhere: with it a cut end is found.

    \b
    bluelamp log head north
    bluelamp log head north --to /mnt/audit/north-heads.jsonl
    """
    from bluelamp.state import log

    found = log.head_of(_state(folder))
    if to is None:
        typer.echo(found.line())
    else:
        log.keep_head(found, to)


@log_app.command()
def verify(
    folder: Folder,
    heads: Annotated[
        Path | None, typer.Option(help="A file of heads that were kept elsewhere; by default the one of force.toml")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that no entry of the log was changed, taken out or cut off; exit code 65 where one was.

    \b
    bluelamp log verify north --heads /mnt/audit/north-heads.jsonl
    """
    from bluelamp import settings
    from bluelamp.state import log

    named = settings.read(folder).service.log_heads
    where = heads or (None if named is None else folder / named)
    kept = []
    if where is not None:
        try:
            kept = log.read_heads(where.read_text(encoding="utf-8"), str(where))
        except OSError as error:
            raise InputOutputError(f"The heads can't be read at '{where}': {error.strerror}.") from None
    verdict = log.verify(_state(folder), kept)
    if as_json:
        typer.echo(json.dumps(asdict(verdict) | {"holds": verdict.holds}))
    if not verdict.holds:
        raise BadData("The log does not hold:", verdict.problems)
    if not as_json:
        beside = (
            f"{count_of(verdict.heads, 'head')} kept elsewhere {'is' if verdict.heads == 1 else 'are'} in it"
            if kept
            else "no head is kept elsewhere, so that a cut end would not be seen ('bluelamp log head' gives one)"
        )
        typer.echo(f"The log holds: {count_of(verdict.entries, 'entry', 'entries')}, each as it was written; {beside}.")


def _state(folder: Path, *, make: bool = False) -> State:
    """Open the service's database; where there is none, make one only for what is to be kept in it."""
    from bluelamp import settings
    from bluelamp.state import open_state, open_to_read

    return (open_state if make else open_to_read)(folder, settings.read(folder).service.database)


def _log(state: State, operation: str, subject: str, detail: dict[str, object]) -> None:
    from bluelamp.state import log

    log.append(state, [log.Happened(caller(), "command_line", operation, subject, detail, datetime.now(UTC))])  # type: ignore[arg-type]


def _password(from_input: bool) -> str:
    if from_input:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise UsageError("A password is needed, and there is no terminal to ask at. --password-stdin reads it.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
