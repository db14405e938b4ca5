"""Errors are sentences: what is wrong, where, what was expected, what to do next; all of them at once.

The command line and the web turn each kind into the same sentence and the exit code that it carries here
(the numbers are those of BSD's sysexits.h, so that scripts can tell bad data from a full disk).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class BluelampError(Exception):
    """Something that a person can put right. `problems` are told together, not one per attempt."""

    exit_code = 1

    def __init__(self, summary: str, problems: Sequence[str] = ()) -> None:
        super().__init__(summary, tuple(problems))
        self.summary = summary
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([self.summary, *(f"  - {problem}" for problem in self.problems)])


class UsageError(BluelampError):
    """The command was called in a way that it does not understand."""

    exit_code = 2


class BadData(BluelampError):
    """The data is there but can't be used as it is."""

    exit_code = 65


class NoInput(BluelampError):
    """A file, folder, table or run that was asked for is not there."""

    exit_code = 66


class InputOutputError(BluelampError):
    """Reading or writing failed: a full disk, a folder that can't be written, a damaged file."""

    exit_code = 74


class NoRoom(InputOutputError):
    """The disk, or what this account may use of it, is full; the same command works once there is room."""


class TryAgain(BluelampError):
    """Someone else is writing just now; the same command works in a moment."""

    exit_code = 75


class NotPermitted(BluelampError):
    """The caller may not do this."""

    exit_code = 77


class BadSettings(BluelampError):
    """force.toml or a setting given by hand does not say what it should."""

    exit_code = 78


def count_of(number: int, noun: str, plural: str | None = None) -> str:
    """Say a number with its noun.

    >>> count_of(1, "row"), count_of(2500, "row"), count_of(2, "day", "days")
    ('1 row', '2,500 rows', '2 days')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Give ` Did you mean 'x'?` for the nearest known word, or nothing where none is near.

    >>> did_you_mean("time_zon", ["time_zone", "name"])
    " Did you mean 'time_zone'?"
    """
    nearest = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""


def one_of(words: Iterable[str]) -> str:
    """List the choices: `'a', 'b' or 'c'`.

    >>> one_of(["a", "b", "c"])
    "'a', 'b' or 'c'"
    """
    quoted = [f"'{word}'" for word in words]
    if not quoted:
        return "nothing"
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
