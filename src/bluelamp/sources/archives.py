"""Zip archives opened with care: nothing is unpacked to disk, and one that was made to fill memory is refused.

A workbook is such an archive, too. What a member expands to is what the archive declares: reading stops there, so that
an archive that lies about it ends in an error, not in more data.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from bluelamp.errors import BadData
from bluelamp.sources.files import open_file
from bluelamp.sources.texts import refuse_bomb

ZIP = b"PK\x03\x04"


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive; the caller closes it. Raises what opening a file raises, and BadData (broken, too large)."""
    open_file(path).close()
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
        raise BadData(f"{path.name} is a broken zip archive: {error}. Copy it again.") from None
    try:
        refuse_bomb(path.name, path.stat().st_size, sum(each.file_size for each in archive.infolist()))
    except BadData:
        archive.close()
        raise
    return archive


def names_in(path: Path) -> set[str]:
    """List the members of an archive; none where it can't be read as one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
        return set()
