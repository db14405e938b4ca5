"""The files of a force: of its store what the ledger lists at one moment, beside it all that lies there."""

from __future__ import annotations

import errno
import io
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from bluelamp import addresses
from bluelamp.backup._archive import FILES, ShortError, Writer
from bluelamp.errors import InputOutputError, TryAgain
from bluelamp.store import Store, disk
from bluelamp.store import ledger as ledgers
from bluelamp.store.ledger import Ledger

# How often a copy is begun anew because an erasure took away what it was reading.
TRIES = 5
_WAIT_SECONDS = 0.5
_MODE = 0o644
_STORE = "store"
_STATE = addresses.OWN_FILE.parent.as_posix()
# What was sent and waits to be imported lies among what is the database's own.
_UPLOADS = f"{_STATE}/uploads"
_LOCKS = ("filed/lock",)


class ChangedMeanwhileError(Exception):
    """What was to be copied is no longer there, because somebody rightly took it away."""


def write(folder: Path, archive: Writer) -> list[str]:
    """Write the force's files, and list what was left out because it is no plain file."""
    _write_store(folder, archive)
    left_out = []
    # After the store: a run's forecast is filed before the run is written.
    for path, name in _beside_the_store(folder):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            continue
        except OSError as error:
            # Links, and sockets. What can't be read for another reason is missed, and not left out.
            if error.errno not in (errno.ELOOP, errno.ENXIO):
                raise
            left_out.append(f"{name} (a link, or no file)")
            continue
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                left_out.append(f"{name} (no plain file)")
                continue
            try:
                archive.add(FILES + name, file, status.st_size, status.st_mode)
            except ShortError:
                raise ChangedMeanwhileError from None
    return left_out


def fingerprints(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of every file that a backup of the folder would hold."""
    found = {FILES + name: disk.sha256_of(path) for path, name in _beside_the_store(folder)}
    for path in sorted((folder / _STORE).rglob("*")):
        if path.is_file():
            found[FILES + path.relative_to(folder).as_posix()] = disk.sha256_of(path)
    return found


def _beside_the_store(folder: Path) -> Iterator[tuple[Path, str]]:
    for place, folders, names in os.walk(folder, followlinks=False):
        here = Path(place).relative_to(folder).as_posix()
        if here == ".":
            folders[:] = [each for each in folders if each != _STORE]
        # A folder that is a link is none to enter, and is told of as a file is.
        links = [each for each in folders if (Path(place) / each).is_symlink()]
        folders[:] = sorted(each for each in folders if each not in links)
        for name in sorted([*names, *links]):
            path = Path(place) / name
            told = path.relative_to(folder).as_posix()
            is_own = told.startswith(f"{_STATE}/") and not told.startswith(f"{_UPLOADS}/")
            if not is_own and told not in _LOCKS:
                yield path, told


def _write_store(folder: Path, archive: Writer) -> None:
    store = folder / _STORE
    if not (store / ledgers.HEAD).exists():
        return
    ledger = Ledger(store).refresh()
    with (store / ledgers.LINES).open("rb") as file:
        archive.add(f"{FILES}{_STORE}/{ledgers.LINES}", file, ledger.size, _MODE)
    head = ledger.head()
    archive.add(f"{FILES}{_STORE}/{ledgers.HEAD}", io.BytesIO(head), len(head), _MODE)
    wanted = {each.path: each for each in ledgers.sealed(ledger.files)}
    wanted |= {each.path: each for each in ledgers.sealed(ledgers.latest(ledger.logs))}
    for path, sealed in sorted(wanted.items()):
        try:
            with (store / path).open("rb") as file:
                found = archive.add(f"{FILES}{_STORE}/{path}", file, sealed.bytes, _MODE)
        except (FileNotFoundError, ShortError):
            found = ""
        if found != sealed.sha256:
            _tell_why(folder, ledger, path)


def _tell_why(folder: Path, ledger: Ledger, path: str) -> NoReturn:
    """Raise ChangedMeanwhileError where a writer is why a file is not as listed, and InputOutputError where none is."""
    store = Store(folder)
    try:
        # What a killed writer left is put right.
        is_swept = bool(store.sweep())
    except TryAgain:
        time.sleep(_WAIT_SECONDS)
        raise ChangedMeanwhileError from None
    if is_swept or Ledger(folder / _STORE).refresh().size != ledger.size:
        raise ChangedMeanwhileError
    raise InputOutputError(
        "The store is damaged, so that no backup was made of it:", store.verify() or [f"{path} is not what was stored."]
    )
