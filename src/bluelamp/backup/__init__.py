"""One file that holds a whole force, made while it is in use, and put back only where every byte of it is right.

A backup is a tar archive: the files of the force's folder, the tables of the service's database as lines of JSON, and
at its end a list of all of them with their SHA-256. It is the same whichever database the service has, so that it can
be put back into the other. What it holds is as secret as the force's folder.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from bluelamp import beside, settings, state
from bluelamp.backup import _archive, _files, _state
from bluelamp.backup._archive import Contents
from bluelamp.errors import BadData, InputOutputError, TryAgain, UsageError, count_of
from bluelamp.state import log
from bluelamp.store import Store, disk

__all__ = ["Contents", "Restored", "back_up", "describe", "restore", "verify"]

_RESTORING = ".restoring"
# In the place of an address: the file in the force's folder.
FILE = "file"


@dataclass(frozen=True)
class Restored:
    """What a restore did: what was put back, and where the force that was there before lies now, if one was."""

    contents: Contents
    before: Path | None
    log_entries: int


def back_up(folder: Path | str, out: Path | str) -> Contents:
    """Write a whole force into one file, which only this account may read, and say what it holds.

    Others may go on reading and writing meanwhile: of the store it holds one moment, of the service's database an
    earlier one, so that nothing that was taken away from there is missing here. Raises UsageError where the file is
    there or would lie in the force's own folder, NoRoom where the disk is full; no part of it is then left.
    """
    folder, out = Path(folder).absolute(), Path(out).absolute()
    read = settings.read(folder)
    if out.is_relative_to(folder.resolve()) or out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"'{out}' would lie in the folder that it is a backup of, and be lost with it.")
    if out.exists():
        raise UsageError(f"There is a file '{out}' already. Backups are not written over: choose another name.")
    if not out.parent.is_dir():
        raise UsageError(f"There is no folder '{out.parent}' to write a backup into. Make it, or name another file.")
    part = out.with_name(f"{out.name}.part")
    with disk.failures_told(f"Writing the backup '{out}'"), _alone_at(part) as file:
        try:
            contents = _write(folder, read.service.database, file, out.parent)
            file.flush()
            os.fsync(file.fileno())
            os.rename(part, out)
            disk.sync_folder(out.parent)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    return contents


@contextmanager
def _alone_at(part: Path) -> Iterator[BinaryIO]:
    """Open a file that is being written, empty, what a killed process left of it gone. Raises UsageError where another
    process writes it.
    """
    with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = os.path.samestat(os.fstat(file.fileno()), part.stat())
        except (BlockingIOError, FileNotFoundError):
            is_there = False
        if not is_there:
            raise UsageError(f"Another backup is being written to '{part}'. Wait for it, or name another file.")
        file.truncate()
        yield file


def verify(archive: Path | str, *, expected: str | None = None) -> Contents:
    """Read every byte of a backup and say what it holds.

    `expected` is the content's SHA-256 as it was said when the backup was made. Raises BadData, naming every file that
    is not as it was written, missing, or not to be in a backup at all.
    """
    with disk.failures_told(f"Reading the backup '{archive}'"):
        contents = _archive.check(Path(archive))
    if expected is not None and contents.sha256 != expected:
        raise BadData(
            f"'{archive}' is not the backup that was expected: the SHA-256 of its content is {contents.sha256}. It is "
            "another one, or somebody has written it anew."
        )
    return contents


def restore(
    archive: Path | str,
    folder: Path | str,
    *,
    replace: bool = False,
    database: str | None = None,
    expected: str | None = None,
) -> Restored:
    """Put a backup back into a folder that is empty or not there, once all of it was checked.

    With `replace` what is there is moved aside first, and a PostgreSQL that holds something is filled anew. `database`
    is an address for the service's database in place of that of the force's settings, or `file`. Killed at any moment,
    the folder is as it was or as the backup has it, but for the instant at which the two are exchanged; calling it
    again completes it. Raises BadData for a backup that is not as it was written, UsageError where something is in the
    way.
    """
    archive, folder = Path(archive), Path(folder).absolute()
    contents = verify(archive, expected=expected)
    is_taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if is_taken and not replace:
        raise UsageError(
            f"'{folder}' is not empty. Restore into a new folder and look at it there, or say --replace: what is there "
            "is then moved aside, and kept."
        )
    staging = folder.with_name(f".{folder.name}{_RESTORING}")
    if is_taken and beside.is_anyone(folder, ("live", "work")):
        raise TryAgain(f"A service is running on '{folder}'. Stop it first: it would go on with what is moved aside.")
    with disk.failures_told(f"Writing to '{folder.parent}'"):
        disk.remove(staging)
        staging.mkdir(parents=True, mode=0o700)
        try:
            with _archive.opened(archive) as opened:
                opened.extract_files(staging)
                told = _restore_state(opened, staging, database, replace=replace)
            _insist_on_same(contents, staging, database)
            before = _exchange(folder, staging) if is_taken else None
            if before is None:
                os.rename(staging, folder)
            disk.sync_folder(folder.parent)
        finally:
            with suppress(OSError):
                disk.remove(staging)
    return Restored(contents, before, told)


def _write(folder: Path, database: str | None, file: Any, near: Path) -> Contents:
    about: dict[str, Any] = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "state": None,
        "log_head": None,
    }
    start = file.tell()
    for _ in range(_files.TRIES):
        file.seek(start)
        file.truncate()
        archive = _archive.Writer(file)
        # The database first: what it no longer holds because it was imported meanwhile, the store then has.
        if state.exists(folder, database):
            kept = state.open_state(folder, database)
            about |= _state.write(kept, archive, near)
            kept.close()
        try:
            left_out = _files.write(folder, archive)
        except _files.ChangedMeanwhileError:
            continue
        return archive.finish(about | {"left_out": left_out})
    raise TryAgain("Files of the force were taken away again and again while they were copied. Try again in a moment.")


def _restore_state(opened: _archive.Reader, staging: Path, database: str | None, *, replace: bool) -> int:
    if opened.contents.state is None:
        return 0
    kept = state.open_state(staging, _address(staging, database), bring_forward=False)
    try:
        _state.read(kept, opened, replace=replace)
        head = opened.contents.log_head
        verdict = log.verify(kept, [] if head is None else [log.Head(**head)])
        if not verdict.holds:
            raise BadData(
                "The log in the backup does not hold, so that nothing was put in its place:", verdict.problems
            )
        return verdict.entries
    finally:
        kept.close()


def _address(staging: Path, database: str | None) -> str | None:
    if database == FILE:
        return None
    return database or settings.read(staging).service.database


def _insist_on_same(contents: Contents, staging: Path, database: str | None) -> None:
    """Raise InputOutputError unless what was put back is, read again, what the backup holds."""
    found = _files.fingerprints(staging)
    if contents.state is not None:
        kept = state.open_state(staging, _address(staging, database), bring_forward=False)
        found |= _state.fingerprints(kept, contents.state)
        kept.close()
    problems = [
        f"{path} is not what the backup holds."
        for path in sorted({*found, *contents.files})
        if found.get(path) != contents.files.get(path)
    ]
    problems += Store(staging).verify()
    if problems:
        raise InputOutputError("What was written is not what the backup holds. Check the disk:", problems)


def _exchange(folder: Path, staging: Path) -> Path:
    before = folder.with_name(f"{folder.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    os.rename(folder, before)
    os.rename(staging, folder)
    return before


def describe(contents: Contents) -> list[str]:
    """Say what a backup holds, in lines."""
    rows = sum(contents.state["rows"].values()) if contents.state else 0
    lines = [
        f"{count_of(len(contents.files), 'file')}, {contents.bytes / 1e6:,.1f} MB, made {contents.made_at}.",
        f"Content: {contents.sha256}",
    ]
    if contents.state is not None:
        lines.insert(1, f"The service's database: {count_of(rows, 'row')}, version {contents.state['version']}.")
    if contents.log_head is not None:
        lines.append(f"Head of the log: entry {contents.log_head['sequence']}, {contents.log_head['seal']}")
    lines += [f"Left out: {each}" for each in contents.left_out]
    return lines
