"""What a person would check by hand: the machine, and a force's settings and store."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from bluelamp import basemap, settings
from bluelamp.errors import BluelampError, count_of
from bluelamp.store import Store

ROOM_WANTED = 1_000_000_000


class Finding(NamedTuple):
    """One thing looked at."""

    what: str
    is_well: bool
    words: str


def examine(folder: Path | str | None = None) -> list[Finding]:
    """Look at the machine and, with a folder, at the force in it. Nothing is changed."""
    found = [
        Finding("python", sys.version_info >= (3, 11), f"{sys.version.split()[0]}; 3.11 or later is needed"),
        Finding("processors", True, f"{os.cpu_count()}"),
        _front_end(),
        _room(Path(folder) if folder else Path.cwd()),
    ]
    return found + (_examine_force(Path(folder)) if folder else [])


def _front_end() -> Finding:
    page = files("bluelamp.web") / "static" / "single.js"
    words = "built" if page.is_file() else "not built: 'make frontend' in a clone builds it; a wheel has it inside"
    return Finding("the page", page.is_file(), words)


def _room(where: Path) -> Finding:
    while not where.exists() and where != where.parent:
        where = where.parent
    free = shutil.disk_usage(where).free
    return Finding("room on disk", free > ROOM_WANTED, f"{free / 1e9:.1f} GB free; 1 GB or more is comfortable")


def _examine_force(folder: Path) -> list[Finding]:
    try:
        read = settings.read(folder)
    except BluelampError as error:
        return [Finding("settings", False, str(error))]
    found = [Finding("settings", True, f"{read.force.name}, {read.force.time_zone}")]
    if read.map.basemap is not None:
        _, why_not = basemap.find_or_say(folder, read)
        found.append(Finding("base map", why_not is None, why_not or f"{read.map.basemap} can be drawn"))
    store = Store(folder)
    problems = store.verify()
    found.append(Finding("store", not problems, "; ".join(problems) or "every stored byte is as it was written"))
    if not problems:
        batches, runs = store.batches(), store.runs()
        found.append(
            Finding("contents", True, f"{count_of(batches.height, 'batch', 'batches')}, {count_of(runs.height, 'run')}")
        )
    return found
