"""The archive itself: members written one after another, a list of them at the end, and nothing believed unchecked."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from bluelamp import __version__
from bluelamp.errors import BadData, NoInput, count_of
from bluelamp.store import disk

FORMAT = "bluelamp-backup/1"
MANIFEST = "manifest.json"
FILES, STATE = "force/", "state/"
_BLOCK = 1 << 20
_LARGEST_MANIFEST = 1 << 30
_PROBLEMS_TOLD = 50


@dataclass(frozen=True)
class Contents:
    """What a backup holds: by path the SHA-256 of each file, and of all of them together."""

    files: Mapping[str, str]
    sha256: str
    bytes: int
    made_at: str
    software_version: str
    state: Mapping[str, Any] | None
    log_head: Mapping[str, Any] | None
    left_out: tuple[str, ...]


class ShortError(Exception):
    """A file gave fewer bytes than it had when it was opened."""


class Writer:
    """An archive that is being written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - `finish` closes it
        self._files: dict[str, dict[str, Any]] = {}

    def add(self, path: str, content: IO[bytes], size: int, mode: int) -> str:
        """Write so many bytes of something under a path, and give their SHA-256. Raises ShortError."""
        told = tarfile.TarInfo(path)
        told.size, told.mode = size, mode & 0o777
        hashed = _Hashed(content, size)
        self._tar.addfile(told, hashed)  # type: ignore[arg-type]
        self._files[path] = {"bytes": size, "sha256": hashed.sha256, "mode": told.mode}
        return hashed.sha256

    def finish(self, about: Mapping[str, Any]) -> Contents:
        """Write the list of all that was written, with more about it, and give what the archive holds."""
        hashes = {path: each["sha256"] for path, each in self._files.items()}
        manifest = {
            **about, "format": FORMAT, "software_version": __version__, "content_sha256": _of_all(hashes),
            "files": self._files,
        }  # fmt: skip
        text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, indent=1).encode()
        told = tarfile.TarInfo(MANIFEST)
        told.size, told.mode = len(text), 0o600
        self._tar.addfile(told, io.BytesIO(text))
        self._tar.close()
        return _contents(manifest)


class _Hashed:
    """Reads so many bytes of something and hashes them on their way."""

    def __init__(self, content: IO[bytes], size: int) -> None:
        self._content = content
        self._left = size
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read(self, most: int) -> bytes:
        block = self._content.read(min(most, self._left))
        if not block and self._left:
            raise ShortError
        self._left -= len(block)
        self._digest.update(block)
        return block


class Reader:
    """A checked archive that is being read."""

    def __init__(self, tar: tarfile.TarFile, contents: Contents) -> None:
        self._tar = tar
        self.contents = contents

    def extract_files(self, folder: Path) -> None:
        """Write the force's files into a folder, each as the list has it. Raises BadData where one differs."""
        made: set[Path] = set()
        for member in _members(self._tar):
            if not member.name.startswith(FILES):
                continue
            path = folder / member.name.removeprefix(FILES)
            path.parent.mkdir(parents=True, exist_ok=True)
            made |= {each for each in path.parents if each == folder or folder in each.parents}
            content = self._tar.extractfile(member)
            assert content is not None
            digest = hashlib.sha256()
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, member.mode & 0o777 or 0o600)
            with os.fdopen(handle, "wb") as out:
                while block := content.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
                out.flush()
                os.fsync(out.fileno())
            # The account's own mask may have taken away what the file had.
            path.chmod(member.mode & 0o777)
            if digest.hexdigest() != self.contents.files[member.name]:
                raise BadData(f"The backup was changed while it was read: {member.name} is no longer what it holds.")
        for each in made:
            disk.sync_folder(each)

    def lines(self, name: str) -> Iterator[bytes]:
        """Give the lines of a table of the service's database."""
        content = self._tar.extractfile(f"{STATE}{name}.jsonl")
        assert content is not None
        yield from content


def check(path: Path) -> Contents:
    """Read all of an archive and give what it holds. Raises BadData with everything that is wrong, NoInput."""
    with _open(path) as tar:
        return _check(path, tar)


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """Open an archive that `check` found right."""
    with _open(path) as tar:
        yield Reader(tar, _contents(_manifest(path, tar)))


@contextmanager
def _open(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        tar = tarfile.open(path, mode="r:")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        raise NoInput(f"There is no backup '{path}'.") from None
    except (tarfile.TarError, IsADirectoryError):
        raise BadData(f"'{path}' is no backup: 'bluelamp backup FORCE -o FILE' writes one.") from None
    with tar:
        yield tar


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        if member.name != MANIFEST:
            yield member


def _check(path: Path, tar: tarfile.TarFile) -> Contents:
    try:
        manifest = _manifest(path, tar)
        found: dict[str, str] = {}
        problems = []
        for member in _members(tar):
            wrong = _why_not(member, found)
            if wrong is not None:
                problems.append(wrong)
                continue
            content = tar.extractfile(member)
            assert content is not None
            digest = hashlib.sha256()
            while block := content.read(_BLOCK):
                digest.update(block)
            found[member.name] = digest.hexdigest()
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise BadData(f"'{path}' is not whole: it ends, or is damaged, in the middle of a file.") from None
    listed = {name: each["sha256"] for name, each in manifest["files"].items()}
    problems += [f"{name} is missing." for name in sorted(listed.keys() - found.keys())]
    problems += [f"{name} is not in the list of what was written." for name in sorted(found.keys() - listed.keys())]
    problems += [
        f"{name} is not what was written: its SHA-256 differs."
        for name in sorted(listed.keys() & found.keys())
        if listed[name] != found[name]
    ]
    if _of_all(listed) != manifest["content_sha256"]:
        problems.append(f"{MANIFEST} was changed after it was written: the hash of its list does not fit.")
    if problems:
        raise BadData(
            f"'{path}' is not as it was written, so that nothing of it can be believed. "
            f"{count_of(len(problems), 'problem')}:",
            problems[:_PROBLEMS_TOLD],
        )
    return _contents(manifest)


def _why_not(member: tarfile.TarInfo, found: Mapping[str, str]) -> str | None:
    name = member.name
    parts = PurePosixPath(name).parts
    if not member.isreg() or member.issparse():
        return f"{name} is no plain file: a backup holds no links, devices or folders."
    if name.startswith("/") or ".." in parts or str(PurePosixPath(name)) != name or "\x00" in name:
        return f"{name!r} leads out of the folder."
    if not name.startswith((FILES, STATE)) or len(parts) < 2:
        return f"{name} is of no part of a backup."
    return f"{name} is there twice." if name in found else None


def _manifest(path: Path, tar: tarfile.TarFile) -> dict[str, Any]:
    damaged = BadData(f"'{path}' is no whole backup: the list of what it holds ({MANIFEST}) is missing or damaged.")
    try:
        found = [each for each in tar.getmembers() if each.name == MANIFEST]
        if len(found) != 1 or not found[0].isreg() or found[0].size > _LARGEST_MANIFEST:
            raise damaged
        content = tar.extractfile(found[0])
        assert content is not None
        manifest = json.loads(content.read())
        if manifest["format"] != FORMAT:
            raise BadData(
                f"'{path}' was written by another Bluelamp (its format is '{manifest['format']}', this one knows "
                f"'{FORMAT}'). Install that one."
            )
        _contents(manifest)
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, AttributeError):
        raise damaged from None
    return dict(manifest)


def _contents(manifest: Mapping[str, Any]) -> Contents:
    files = manifest["files"]
    return Contents(
        {path: str(each["sha256"]) for path, each in files.items()}, str(manifest["content_sha256"]),
        sum(int(each["bytes"]) for each in files.values()), str(manifest["made_at"]),
        str(manifest["software_version"]), manifest["state"], manifest["log_head"], tuple(manifest["left_out"]),
    )  # fmt: skip


def _of_all(hashes: Mapping[str, str]) -> str:
    """The SHA-256 of what is held: of every path with its own, in order."""
    return hashlib.sha256("".join(f"{each}  {path}\n" for path, each in sorted(hashes.items())).encode()).hexdigest()
