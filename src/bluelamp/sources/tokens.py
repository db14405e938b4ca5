"""Tokens of callers and places: the same for the same value, and of no use to anybody without the force's secret.

A field marked `token` in its table's definition is never stored as it came. Whatever a column map points it at, a
telephone number as much as a token of the source's own, becomes a keyed hash (BLAKE2b with a key, RFC 7693) of it. The
key is made at the first import that needs it, lies in the force's folder in a file that its owner alone may read, and
goes into no table, run or export.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import polars as pl

from bluelamp.errors import BadSettings, InputOutputError, NotPermitted

SECRET_FILE = "tokens.key"  # noqa: S105 - a name, not a secret
_SECRET_BYTES = 32
_MARK_FIGURES, _CHECK_FIGURES = 16, 8
# A number, however it is spaced, is one number.
_NUMBER = r"^\+?[\d\s().-]{5,}$"
_BETWEEN_FIGURES, _BETWEEN_WORDS = r"[^\d]+", r"[\s,;.]+"
_PAIR = {"value": pl.String, "token": pl.String}
# What control rooms write where nobody knows: many callers, never one.
_NOT_KNOWN = (
    r"^(?:0+|9{5,}|n/?a|none|nil|null|unk|unknown|not (?:known|given|stated|recorded|available)|anon(?:ymous)?"
    r"|no (?:number|fixed abode|address|trace)|(?:(?:number|caller) )?(?:withheld|unavailable|restricted)"
    r"|private(?: number)?|refused|declined|[-.?*x]+)$"
)


def secret_of(folder: Path | str, *, had_one: Callable[[], bool] = lambda: False) -> bytes:
    """Give a force's secret; it is made where there is none yet.

    `had_one` says whether tokens were made before: then a missing secret is an error, because a new one would make
    other tokens of the same callers. Raises BadSettings (missing, or not a secret), NotPermitted and InputOutputError.
    """
    path = Path(folder) / SECRET_FILE
    try:
        if not path.exists():
            if had_one():
                raise BadSettings(
                    f"'{path}' is missing, by which callers and places are known again. Put it back from a backup: "
                    "with another one the same caller would be two."
                )
            _make(path)
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except PermissionError:
        raise NotPermitted(f"'{path}' may not be read by this account, and tokens are made with it.") from None
    except ValueError:
        secret = b""
    except OSError as error:
        raise InputOutputError(f"'{path}' can't be written or read: {error.strerror or error}.") from None
    if len(secret) != _SECRET_BYTES:
        raise BadSettings(f"'{path}' is not what was written there: 64 figures. Put it back from a backup.")
    return secret


def _make(path: Path) -> None:
    """Write a new secret, for its owner alone; of two who do so at once, the first one's holds."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def is_token(values: pl.Series) -> pl.Series:
    """Say which values have the form of tokens made here."""
    return values.str.contains(rf"^[a-z]:[0-9a-f]{{{_MARK_FIGURES + _CHECK_FIGURES}}}$").fill_null(value=False)


def is_not_known(values: pl.Series) -> pl.Series:
    """Say which values are a word for nobody or nowhere, such as 'withheld'."""
    return values.str.strip_chars().str.to_lowercase().str.contains(_NOT_KNOWN).fill_null(value=False)


def make_tokens(values: pl.Series, what: str, secret: bytes) -> pl.Series:
    """Give each value's token; nothing where nothing is known. `what` is the field, such as caller_token.

    Case, spaces and the signs between the figures of a number make no difference. A token of this secret's own making
    is given back as it is, so that an export can be read in again.
    """
    text = values.cast(pl.String).str.strip_chars().alias("value")
    known = text.filter(text.is_not_null() & (text != "") & ~is_not_known(text)).unique()
    ours = known.filter(is_token(known))
    ours = ours.filter(pl.Series([_is_ours(each, what, secret) for each in ours], dtype=pl.Boolean))
    others = known.filter(~known.is_in(ours.implode()))
    marks = _hashes(_folded(others), what, secret, _MARK_FIGURES)
    checks = _hashes(marks, f"{what} made", secret, _CHECK_FIGURES)
    tokens = [f"{what[0]}:{mark}{check}" for mark, check in zip(marks, checks, strict=True)]
    meaning = pl.DataFrame({"value": [*others, *ours], "token": [*tokens, *ours]}, schema=_PAIR)
    found = text.to_frame().join(meaning, on="value", how="left", maintain_order="left")
    return found["token"].alias(values.name)


def _folded(values: pl.Series) -> list[str]:
    """Give values without what makes no difference."""
    small = values.str.to_lowercase()
    number = small.str.replace_all(_BETWEEN_FIGURES, "")
    words = small.str.replace_all(_BETWEEN_WORDS, " ").str.strip_chars()
    folded = pl.select(pl.when(small.str.contains(_NUMBER)).then(number).otherwise(words)).to_series()
    return folded.to_list()


def _is_ours(token: str, what: str, secret: bytes) -> bool:
    """Say whether a token was made with this secret: its last figures tell."""
    kind, _, figures = token.partition(":")
    mark, check = figures[:_MARK_FIGURES], figures[_MARK_FIGURES:]
    return kind == what[0] and _hashes([mark], f"{what} made", secret, _CHECK_FIGURES) == [check]


def _hashes(values: Iterable[str], what: str, secret: bytes, figures: int) -> list[str]:
    keyed = hashlib.blake2b(f"{what}\x1f".encode(), key=secret, digest_size=figures // 2)
    found = []
    for value in values:
        # A copy has taken in the key already.
        each = keyed.copy()
        each.update(value.encode())
        found.append(each.hexdigest())
    return found
