"""The log: who saw, changed, exported or shared what and when. Entries are added, never changed, and chained.

Each entry's seal is the SHA-256 of its content and of the seal before it, so that a change anywhere breaks the chain
from there on. A chain can't tell that its end was cut off: for that the newest seal, its *head*, is kept elsewhere from
time to time, and `verify` holds the log against the heads that were kept. The operations are those that section 62 of
the Data Protection Act 2018 asks for, and three of our own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import sqlalchemy as sa

from bluelamp.errors import BadData, InputOutputError, NoInput
from bluelamp.state import State
from bluelamp.state._tables import log

Operation = Literal[
    "collection", "alteration", "consultation", "disclosure", "combination", "erasure",
    "sign_in", "refusal", "administration",
]  # fmt: skip
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
OPERATION_WORDS: dict[Operation, str] = {
    "collection": "data came in",
    "alteration": "data was changed",
    "consultation": "somebody looked",
    "disclosure": "somebody took data out, or another force was shown it",
    "combination": "data was put together into new figures",
    "erasure": "data was erased",
    "sign_in": "somebody signed in or out, or tried to",
    "refusal": "somebody asked for what they may not have",
    "administration": "an account or a setting of the service was changed",
}
START = "0" * 64
# PostgreSQL: one writer at a time takes this lock; any number that nobody else takes.
_LOCK = 25835264
_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True)
class Happened:
    """What is to be logged. `detail` never holds a sensitive value: what was asked for, how many rows, why refused."""

    who: str
    role: str
    operation: Operation
    subject: str
    detail: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True)
class Entry:
    """One line of the log, as it is sealed."""

    sequence: int
    at: str
    who: str
    role: str
    operation: str
    subject: str
    detail: str
    previous: str
    seal: str


@dataclass(frozen=True)
class Head:
    """The end of the log at a moment: what is kept elsewhere."""

    sequence: int
    seal: str
    taken_at: str

    def line(self) -> str:
        """Give it as a line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Verdict:
    """What a check of the log found: how many entries there are, and every problem in a sentence."""

    entries: int
    heads: int
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was tampered with, as far as the heads tell."""
        return not self.problems


def append(state: State, happenings: Sequence[Happened]) -> None:
    """Add entries, in their order, all of them or none."""
    if not happenings:
        return
    with state.writing() as connection:
        if state.is_postgresql:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        last = connection.execute(
            sa.select(log.c.sequence, log.c.seal).order_by(log.c.sequence.desc()).limit(1)
        ).one_or_none()
        sequence, previous = (0, START) if last is None else (last.sequence, last.seal)
        rows = []
        for each in happenings:
            sequence += 1
            content = {
                "sequence": sequence, "at": each.at.astimezone(UTC).isoformat(timespec="microseconds"),
                "who": each.who[:100], "role": each.role, "operation": each.operation, "subject": each.subject,
                "detail": json.dumps(each.detail, sort_keys=True, ensure_ascii=False, default=str),
            }  # fmt: skip
            seal = _seal(content, previous)
            rows.append(content | {"previous": previous, "seal": seal})
            previous = seal
        connection.execute(log.insert(), rows)


def head_of(state: State) -> Head:
    """Give the end of the log as it is now. Raises NoInput where nothing was logged yet."""
    with state.reading() as connection:
        last = connection.execute(
            sa.select(log.c.sequence, log.c.seal).order_by(log.c.sequence.desc()).limit(1)
        ).one_or_none()
    if last is None:
        raise NoInput("Nothing was logged yet, so that there is no head to keep.")
    return Head(last.sequence, last.seal, datetime.now(UTC).isoformat(timespec="seconds"))


def read_heads(text: str, where: str) -> list[Head]:
    """Read heads that were kept, a line of JSON each. Raises BadData with every line that is none."""
    heads, problems = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
            heads.append(Head(int(given["sequence"]), str(given["seal"]), str(given["taken_at"])))
        except (ValueError, KeyError, TypeError):
            problems.append(f"Line {number} is no head: 'bluelamp log head' writes such lines.")
    if problems:
        raise BadData(f"{where} can't be used as heads of the log:", problems)
    return heads


def keep_head(head: Head, path: Path) -> None:
    """Add a head to a file of heads, so that it lasts. Raises InputOutputError."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(head.line() + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputOutputError(f"The head of the log can't be kept at '{path}': {error.strerror}.") from None


def harmless(entry: Entry) -> list[str]:
    """Give an entry's cells so that no spreadsheet takes what somebody typed into an address for a formula."""
    cells = [str(each) for each in asdict(entry).values()]
    return [f"'{each}" if each.startswith(("=", "+", "-", "@", "\t", "\r")) else each for each in cells]


def entries(
    state: State,
    *,
    operation: str | None = None,
    who: str | None = None,
    since: datetime | None = None,
    before: int | None = None,
    most: int | None = None,
) -> list[Entry]:
    """List entries, the newest first; `before` is a sequence, and `most` how many are given."""
    wanted = sa.select(log).order_by(log.c.sequence.desc())
    if operation is not None:
        wanted = wanted.where(log.c.operation == operation)
    if who is not None:
        wanted = wanted.where(log.c.who == who)
    if since is not None:
        # Moments are kept as text of one form in UTC, whose order is that of time.
        wanted = wanted.where(log.c.at >= since.astimezone(UTC).isoformat(timespec="microseconds"))
    if before is not None:
        wanted = wanted.where(log.c.sequence < before)
    with state.reading() as connection:
        return [Entry(*row) for row in connection.execute(wanted.limit(most))]


def verify(state: State, heads: Iterable[Head] = ()) -> Verdict:
    """Check every seal, every number and every head that was kept elsewhere."""
    problems: list[str] = []
    kept: dict[int, list[Head]] = {}
    for head in heads:
        kept.setdefault(head.sequence, []).append(head)
    number, previous, found = 0, START, set()
    for entry in _in_order(state):
        if entry.sequence != number + 1:
            missing = (
                f"{number + 1} is" if entry.sequence == number + 2 else f"{number + 1} to {entry.sequence - 1} are"
            )
            problems.append(f"Entry {missing} missing: entry {entry.sequence} follows entry {number}.")
        elif entry.previous != previous:
            problems.append(f"Entry {entry.sequence} does not follow the one before it: its chain is broken there.")
        content = {name: value for name, value in asdict(entry).items() if name not in ("previous", "seal")}
        if _seal(content, entry.previous) != entry.seal:
            problems.append(f"Entry {entry.sequence} was changed after it was written: its seal does not fit.")
        for head in kept.get(entry.sequence, ()):
            found.add(head.sequence)
            if head.seal != entry.seal:
                problems.append(
                    f"Entry {entry.sequence} is not the one that the head kept on {head.taken_at} saw: the log was "
                    "written anew."
                )
        number, previous = entry.sequence, entry.seal
    problems += [
        f"The log ends at entry {number}, but the head kept on {each.taken_at} saw entry {sequence}: its end was cut "
        "off." if sequence > number else f"Entry {sequence}, seen by the head kept on {each.taken_at}, is not there."
        for sequence, of_it in sorted(kept.items()) if sequence not in found for each in of_it[:1]
    ]  # fmt: skip
    return Verdict(number, sum(map(len, kept.values())), tuple(problems))


def _in_order(state: State) -> Iterator[Entry]:
    # In one transaction, so that what is added meanwhile is no riddle.
    with state.reading() as connection:
        found = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(sa.select(log).order_by(log.c.sequence))
        for row in found:
            yield Entry(*row)


def _seal(content: Mapping[str, Any], previous: str) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()
