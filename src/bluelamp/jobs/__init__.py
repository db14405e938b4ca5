"""Long work that people ask the service for: an import, a run, a backtest, a validation.

Whoever asks has an answer at once; the work is done by a process of its own (`bluelamp work`, which `bluelamp serve`
starts and starts again), one job at a time, and outlasts the server, the database and itself. The service's database
keeps each job; a PostgreSQL hands them out by procrastinate, a file by being looked at.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bluelamp.jobs import _queue
from bluelamp.jobs._kinds import KINDS, Import, forget_upload, read_settings
from bluelamp.jobs._worker import Worker, work
from bluelamp.state import State
from bluelamp.state import jobs as kept
from bluelamp.state.jobs import STANDING_WORDS, Job
from bluelamp.store import disk

__all__ = ["KINDS", "STANDING_WORDS", "Job", "Upload", "Worker", "ask", "ask_to_stop", "work"]


def ask(
    state: State, kind: str, settings: Mapping[str, Any], asked_by: str, *, once_key: str | None = None
) -> tuple[Job, bool]:
    """Ask for a job of one of `KINDS`, and give it and whether it is new. Raises UsageError with every mistake."""
    read = read_settings(kind, settings)
    return kept.ask(state, kind, read, asked_by, once_key=once_key, offer=_queue.offer_of(state))


def ask_to_stop(state: State, folder: Path, key: str) -> Job:
    """Ask for a job to be stopped, and forget what was sent for it where it is. Raises NoInput where there is none."""
    job = kept.ask_to_stop(state, key)
    if job.has_ended:
        forget_upload(folder, job)
    return job


class Upload:
    """A file that is being sent for an import, kept beside the service's database until the import has ended.

    Write its parts, then `ask`. Use it in a `with` block: what was not asked for by its end is removed.
    """

    def __init__(self, state: State, folder: Path, name: str, table: str | None) -> None:
        self._state = state
        self._settings = read_settings("import", {"name": name, "table": table, "upload": kept.new_key()})
        self._path = folder / Import.model_validate(self._settings).place
        with disk.failures_told(f"Writing to '{self._path.parent}'"):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._is_asked = False

    def write(self, part: bytes) -> None:
        """Write the next part. Raises InputOutputError, and NoRoom where the disk is full."""
        with disk.failures_told(f"Writing to '{self._path.parent}'"):
            self._file.write(part)

    def ask(self, asked_by: str) -> Job:
        """Ask for the import of what was written."""
        with disk.failures_told(f"Writing to '{self._path.parent}'"):
            self._file.flush()
            os.fsync(self._file.fileno())
            disk.sync_folder(self._path.parent)
        job, _ = kept.ask(self._state, "import", self._settings, asked_by, offer=_queue.offer_of(self._state))
        self._is_asked = True
        return job

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._file.close()
        if not self._is_asked:
            disk.remove(self._path.parent)
