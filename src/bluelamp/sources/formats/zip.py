"""Zip archives of delimited files: those with the same columns are read one after the other, as one extract.

Nothing is unpacked to disk. A row that is set aside is named by its member and its row in it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from bluelamp.errors import BadData, count_of, one_of
from bluelamp.sources.archives import ZIP, open_archive
from bluelamp.sources.files import Query, Reading, RowChunk
from bluelamp.sources.formats.delimited import DelimitedFile
from bluelamp.sources.texts import Bytes

_ENCRYPTED = 1
_LISTED = 20


def fits(source: Path | Query, head: bytes) -> int:
    """Whether it is a zip archive; a workbook is surer to be one than this is."""
    return 2 * head.startswith((ZIP, b"PK\x05\x06", b"PK\x07\x08"))


def read(source: Path, reading: Reading) -> ZippedFiles:
    """Open the delimited files in an archive."""
    return ZippedFiles(source, reading)


class ZippedFiles:
    """The delimited files of an archive, in the order of their names, as one extract."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self.source = path
        self.name = path.name
        self.state: dict[str, str] = {}
        with open_archive(path) as archive:
            members = self._chosen(archive, reading.member)
        self._files = [self._file(each, reading) for each in members]
        first = self._files[0]
        self.columns = first.columns
        self.map_settings = first.map_settings
        self._refuse_other_columns()
        for each in self._files:
            each.check_header()

    @property
    def looks(self) -> tuple[str, str, str]:
        """What it looks like."""
        files = f"{count_of(len(self._files), 'file')} in a zip archive"
        return "format", f"{files}, delimiter {self._files[0].looks[1]}", "its content says so"

    @property
    def notes(self) -> list[str]:
        """What a reader should know beside the rows."""
        read = [f"Read from the archive: {_listed([each.name.partition('/')[2] for each in self._files])}."]
        return read + [f"{each.name}: {note}" for each in self._files for note in each.notes]

    def chunks(self, chunk_rows: int) -> Iterator[RowChunk]:
        """Give the rows of one file after the other, in stretches that never span two."""
        total = sum(each.size for each in self._files) or 1
        before = 0
        for file in self._files:
            for chunk in file.chunks(chunk_rows):
                share = (before + chunk.share_read * file.size) / total
                yield replace(chunk, share_read=share, member=file.name.partition("/")[2])
            before += file.size

    def _chosen(self, archive: zipfile.ZipFile, pattern: str | None) -> list[zipfile.ZipInfo]:
        # What a Mac or Windows adds for itself is no export.
        there = [each for each in archive.infolist() if not each.is_dir() and not _is_litter(each.filename)]
        if not there:
            raise BadData(f"{self.name} holds no file. Pack the export into it, or name another.")
        names = sorted(each.filename for each in there)
        chosen = [each for each in there if pattern is None or fnmatchcase(each.filename, pattern)]
        if not chosen:
            raise BadData(
                f"No file in {self.name} is called '{pattern}', as its column map says (member). It holds "
                f"{_listed(names)}."
            )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadData(f"{self.name} holds {one_of(twice[:5])} more than once. Pack each file once.")
        locked = [each.filename for each in chosen if each.flag_bits & _ENCRYPTED]
        if locked:
            raise BadData(
                f"{self.name} is protected by a password ({_listed(locked)}). Unpack it and import what is in it, or "
                "pack it again without one."
            )
        return sorted(chosen, key=lambda each: each.filename)

    def _file(self, member: zipfile.ZipInfo, reading: Reading) -> _Member:
        name = f"{self.name}/{member.filename}"
        if member.file_size == 0:
            raise BadData(f"{name} is empty: not even a header. Export it again, or leave it out of the archive.")
        content = Bytes(name, member.file_size, lambda: _open_member(self.source, name, member.filename))
        file = _Member(self.source, reading, content=content)
        file.size = member.file_size
        return file

    def _refuse_other_columns(self) -> None:
        others = [each for each in self._files if each.columns != self.columns]
        if others:
            raise BadData(
                f"The files in {self.name} do not have the same columns, so that they are not one extract. Import each "
                'by itself, or name those that belong together in the column map: member = "incidents*.csv".',
                [f"{each.name} has {', '.join(each.columns[:12])}." for each in (self._files[0], *others[:5])],
            )


class _Member(DelimitedFile):
    """One file of an archive."""

    size: int


def _open_member(path: Path, name: str, member: str) -> IO[bytes]:
    try:
        # The member keeps the archive's file open until it is closed itself.
        with zipfile.ZipFile(path) as archive:
            return archive.open(member)
    except (zipfile.BadZipFile, RuntimeError, LookupError, EOFError, OSError, ValueError) as error:
        raise BadData(f"{name} can't be unpacked: {error}. Pack it again, by plain zip.") from None


def _is_litter(name: str) -> bool:
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
