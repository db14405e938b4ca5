"""Files written so that a crash leaves the old or the new, read only when their SHA-256 is the recorded one."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import polars as pl
from deltalake.exceptions import DeltaError

from bluelamp.errors import BluelampError, InputOutputError, NoRoom, TryAgain

_BLOCK = 1 << 20
_LOOK_SECONDS = 0.2
# What the operating system says, wherever a library has wrapped it. Library messages themselves are never passed
# on, because they may quote values of rows.
_REASONS = (
    ("no space left", "the disk is full. Free some space and try again"),
    ("storagefull", "the disk is full. Free some space and try again"),
    ("quota", "the disk quota is used up. Free some space and try again"),
    ("file too large", "a file would be larger than this account may write. Raise the limit and try again"),
    ("read-only", "the file system can only be read. Mount it for writing, or copy the force elsewhere"),
    ("permission denied", "this account may not do that there. Ask for the right to, or use another folder"),
    ("too many open files", "too few files may be open at once. Raise the limit ('ulimit -n 1024') and try again"),
    ("no such file", "a file that should be there is missing. Restore the folder from a backup"),
    ("not a directory", "a file stands where a folder was expected. Move it away and try again"),
    ("cannot allocate memory", "there is not enough memory. Close other programs and try again"),
)


class Sealed(NamedTuple):
    """A stored file as the ledger knows it: path relative to the store, size in bytes, SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str


@contextmanager
def failures_told(doing: str) -> Iterator[None]:
    """Turn what goes wrong below (system, Polars, delta-rs, a panic of either) into InputOutputError with a sentence.

    `doing` begins the sentence, such as "Writing to '/forces/avon/store'".
    """
    try:
        yield
    except (BluelampError, pl.exceptions.ColumnNotFoundError):
        # A column that there is not is the caller's slip, not the disk's.
        raise
    except (OSError, DeltaError, pl.exceptions.PolarsError) as error:
        raise _failure(doing, error) from error
    except BaseException as error:
        # A Rust panic reaches Python as a BaseException of a class that can't be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise _failure(doing, error) from error


def _failure(doing: str, error: BaseException) -> InputOutputError:
    reason = _reason(error)
    return (NoRoom if "Free some space" in reason else InputOutputError)(f"{doing} failed: {reason}.")


def _reason(error: BaseException) -> str:
    said = str(error).lower()
    for words, reason in _REASONS:
        if words in said:
            return reason
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror[0].lower()}{error.strerror[1:]}"
    return f"{type(error).__name__} below the store. 'bluelamp doctor' checks every stored file"


def sync_folder(folder: Path) -> None:
    """Make names just created in, or moved into, the folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file that a library wrote last through a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_new(path: Path, content: bytes | memoryview) -> str:
    """Write a file to the disk itself and give its SHA-256. Its name is not safe before `sync_folder`."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def copy_new(source: Path, path: Path) -> Sealed:
    """Copy a file in blocks, whatever its size; `path` in the answer is the name alone."""
    digest = hashlib.sha256()
    size = 0
    with source.open("rb") as original, path.open("xb") as copy:
        while block := original.read(_BLOCK):
            digest.update(block)
            size += len(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
    return Sealed(path.name, size, digest.hexdigest())


def replace(path: Path, content: bytes) -> None:
    """Put new content in the place of a file at one instant: whoever looks sees the old or the new."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    try:
        write_new(beside, content)
        os.rename(beside, path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed(store: Path, path: Path) -> Sealed:
    """Take down a file as it is now."""
    return Sealed(path.relative_to(store).as_posix(), path.stat().st_size, sha256_of(path))


_believed: dict[tuple[str, int, int, int], str] = {}


def check(store: Path, files: Sequence[Sealed], *, again: bool = False) -> list[str]:
    """Compare files with what the ledger says of them and give a sentence for each that differs.

    Each is read once per process as long as size, time and inode stay; `again` reads all of them anew.
    """
    if len(files) < 8:
        found = [_fault(store, each, again) for each in files]
    else:
        # Hashing releases the interpreter's lock, so that threads share the work.
        with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
            found = list(pool.map(lambda each: _fault(store, each, again), files, chunksize=64))
    return [each for each in found if each is not None]


def _fault(store: Path, file: Sealed, again: bool) -> str | None:
    path = store / file.path
    try:
        status = path.stat()
        mark = (str(path), status.st_size, status.st_mtime_ns, status.st_ino)
        if status.st_size != file.bytes:
            return f"{path} has {status.st_size:,} bytes, but {file.bytes:,} were stored."
        if again or _believed.get(mark) != file.sha256:
            if sha256_of(path) != file.sha256:
                return f"{path} is not what was stored: its SHA-256 differs."
            _believed[mark] = file.sha256
    except (FileNotFoundError, NotADirectoryError):
        return f"{path} is missing."
    except OSError as error:
        return f"{path} can't be read: {_reason(error)}."
    return None


def insist(store: Path, files: Sequence[Sealed]) -> None:
    """Raise InputOutputError, naming every file, unless all files are as the ledger says."""
    problems = check(store, files)
    if problems:
        raise InputOutputError(
            "The store is damaged, so nothing is read from it. Restore these files from a backup, "
            "or import again into a new folder:",
            problems,
        )


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


_patience = 0.0


def be_patient(seconds: float) -> None:
    """Let this process wait so long for other writers, as what works by itself does; people are told at once."""
    global _patience
    _patience = seconds


class WriterLock:
    """The right to write to a store, held by one process at a time and freed by the system when that ends."""

    def __init__(self, path: Path, since: datetime) -> None:
        self._path = path
        self._since = since
        self._handle: int | None = None

    def __enter__(self) -> WriterLock:
        """Take the right to write. Raises TryAgain, saying who has it, when another has."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle, time.monotonic() + _patience)
        except BlockingIOError:
            holder = _holder(os.pread(handle, 200, 0))
            os.close(handle)
            raise TryAgain(
                f"{holder} is writing to '{self._path.parent}' and only one may at a time. "
                "The same command works when it is done."
            ) from None
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        # Who holds it is a courtesy: a full disk must not stop a sweep that would free it.
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps({"pid": os.getpid(), "since": _instant(self._since)}).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the right back."""
        if self._handle is not None:
            with suppress(OSError):
                os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None


def _lock(handle: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _holder(said: bytes) -> str:
    try:
        holder = json.loads(said)
        return f"Process {int(holder['pid'])} (since {holder['since']})"
    except (ValueError, KeyError, TypeError):
        return "Another process"


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
