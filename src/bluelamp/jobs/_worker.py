"""Whoever does the jobs of a force: one process, one job at a time, and nothing lost when it dies."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from bluelamp import beside, state
from bluelamp import settings as settings_
from bluelamp.errors import BluelampError, InputOutputError, NoRoom, TryAgain
from bluelamp.jobs import _queue
from bluelamp.jobs._kinds import KINDS, forget_upload
from bluelamp.jobs._schedule import last_due
from bluelamp.state import State, log
from bluelamp.state import jobs as kept
from bluelamp.state.jobs import Job, Standing
from bluelamp.store import Store, disk

Say = Callable[[str], None]
Answer = TypeVar("Answer")
_REST_SECONDS = 2.0
# How far a job is is written down at most so often.
_TELL_SECONDS = 1.0
# What passes, such as a full disk or a long import by hand, is waited for so long before the job is tried again.
_AGAIN_AFTER = timedelta(seconds=30)
_PATIENCE_SECONDS = 600.0
_SCHEDULE = "the schedule"


class _StoppedError(Exception):
    """Somebody asked to stop, or another has taken the job."""


class Worker:
    """Does the jobs of one force that are given to it by key."""

    def __init__(self, folder: Path, kept_in: State, say: Say) -> None:
        self.folder = folder
        self.state = kept_in
        self._say = say
        self._offer = _queue.offer_of(kept_in)

    def do(self, key: str) -> None:
        """Do a job that waits, and say what became of it."""
        job = _insisting(lambda: kept.take(self.state, key), self._say)
        if job is None:
            return
        kind = KINDS[job.kind]
        try:
            words, outcome = kind.do(self.folder, job, self._telling(job))
        except _StoppedError:
            self._end(job, "stopped", "Stopped as asked; nothing half done was left.")
        except (NoRoom, TryAgain) as error:
            words = f"{error} It is tried again by itself."
            _insisting(lambda: kept.put_back(self.state, job, words, _AGAIN_AFTER, self._offer), self._say)
            self._say(f"Job {job.key} ({job.kind}) waits: {error}")
        except BluelampError as error:
            self._end(job, "failed", str(error))
        except Exception as error:  # a fault of ours, and said to be one: whoever asked must hear of it
            self._end(
                job, "failed",
                f"A fault in Bluelamp itself: {type(error).__name__}: {error}. Nothing half done is left; please "
                "report it.",
            )  # fmt: skip
        else:
            self._end(job, "done", words, outcome)

    def tick(self) -> None:
        """Ask for what the schedule says is due."""
        settings = settings_.read(self.folder)
        at = settings.service.plan_at
        if at is None:
            return
        day, due = last_due(at, datetime.now(UTC), settings.force.time_zone)
        # A service that was not there at that time makes up for it, unless somebody has done so.
        if Store(self.folder).runs().filter(pl.col("made_at") >= due).is_empty():
            kept.ask(self.state, "plan", {}, _SCHEDULE, once_key=f"plan_at {day}", offer=self._offer)

    def _telling(self, job: Job) -> Callable[[str, float], None]:
        told = float("-inf")

        def tell(stage: str, share: float) -> None:
            nonlocal told
            if time.monotonic() - told < _TELL_SECONDS:
                return
            told = time.monotonic()
            try:
                goes_on = kept.progress(self.state, job, stage, share)
            except BluelampError:
                # The work itself needs no database: it goes on while that is away.
                return
            if not goes_on:
                raise _StoppedError

        return tell

    def _end(self, job: Job, how: Standing, words: str, outcome: Mapping[str, Any] | None = None) -> None:
        happened = log.Happened(
            job.asked_by, "service", KINDS[job.kind].operation, f"job {job.kind}",
            {"job": job.key, "went": how, **(outcome or {})}, datetime.now(UTC),
        )  # fmt: skip
        _insisting(lambda: log.append(self.state, [happened]), self._say)
        _insisting(lambda: kept.end(self.state, job, how, words, outcome), self._say)
        forget_upload(self.folder, job)
        self._say(f"Job {job.key} ({job.kind}) {kept.STANDING_WORDS[how]}: {words}")


def work(folder: Path | str, say: Say, *, is_over: Callable[[], bool] = lambda: False) -> None:
    """Do a force's jobs until it is over. Where another process does so already, wait for its turn.

    What a process that died was doing is begun again. Goes on by itself after the database has been away.
    """
    folder = Path(folder)
    address = settings_.read(folder).service.database
    disk.be_patient(_PATIENCE_SECONDS)
    with beside.only_one(folder, "work", is_over) as is_mine:
        said = ""
        while is_mine and not is_over():
            try:
                _work(folder, address, say, is_over)
            except BluelampError as error:
                if str(error) != said:
                    said = str(error)
                    say(said)
                time.sleep(_REST_SECONDS)


def _work(folder: Path, address: str | None, say: Say, is_over: Callable[[], bool]) -> None:
    kept_in = state.open_state(folder, address)
    try:
        worker = Worker(folder, kept_in, say)
        _queue.forget_all(kept_in)
        for job in kept.take_over(kept_in, _queue.offer_of(kept_in)):
            say(f"Job {job.key} ({job.kind}) was under way when what did it ended.")
        _queue.hand_out(kept_in, worker.do, worker.tick, is_over)
    finally:
        kept_in.close()


def _insisting(do: Callable[[], Answer], say: Say) -> Answer:
    """Do something with the database, and wait for as long as it is away or has no room: the work is not to be lost."""
    said = ""
    while True:
        try:
            return do()
        except (InputOutputError, TryAgain) as error:
            if str(error) != said:
                said = str(error)
                say(f"{error} It is tried again until it can be done.")
            time.sleep(_REST_SECONDS)
