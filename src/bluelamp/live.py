"""The next hours, kept current while people look: what comes is taken in, and what it means is made again.

One process does this for a force, whoever else serves its pages: `bluelamp serve` starts it, and starts it again where
it dies. It watches what is sent (`arriving`), folders and queries (`intake.Watch`) and new runs, and publishes the next
hours (`near_term`, `look_ahead`) for every worker to read. Every few minutes it imports what was sent, and keeps the
log's head elsewhere.
"""

from __future__ import annotations

import io
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from bluelamp import beside, intake, look_ahead, near_term, state
from bluelamp import settings as settings_
from bluelamp.arriving import Arriving
from bluelamp.errors import BluelampError, NoInput
from bluelamp.near_term import NearTerm
from bluelamp.state import State, arrivals, log
from bluelamp.store import Store

NAME = "next hours"
HOURS = 24
_LOOK_SECONDS = 0.25
# After the next hours were made. On a busy evening calls come all the time, and what is shown is as old as this, the
# making of it, and the making of the one before.
_REST_SECONDS = 0.25
# What could not be done is tried again after so long.
_AGAIN_SECONDS = 5.0
_MANY_EVENTS = 1_000
Say = Callable[[str], None]


@dataclass(frozen=True)
class Current:
    """The next hours as they were last made: what is simulated, what is expected, and what they know of.

    `arrivals_until` is the number of the latest request that was sent to the service and that they know of.
    """

    sequence: int
    made_at: datetime
    known_until: datetime
    events_waiting: int
    arrivals_until: int
    near: NearTerm
    next_hours: pl.DataFrame
    made_of: tuple[int, int]  # how many imports and runs the store had


def _now() -> datetime:
    return datetime.now(UTC)


def latest(kept: State, *, after: int = 0) -> Current | None:
    """Give the next hours that were last published, if they are newer than the number that the caller knows."""
    found = arrivals.latest(kept, NAME, after=after)
    if found is None:
        return None
    with zipfile.ZipFile(io.BytesIO(found.content)) as parts:
        tables = {name: pl.read_ipc(io.BytesIO(parts.read(name))) for name in parts.namelist()}
    about = found.about
    near = NearTerm(
        tables["hours"], tables["backlog"], datetime.fromisoformat(about["at"]), about["run_id"], about["sentences"],
        about["time_zone"], tables["logs"], tables["units"], about["notes"], about["pool_of_area"],
    )  # fmt: skip
    return Current(
        found.sequence, found.made_at, datetime.fromisoformat(about["known_until"]), about["events_waiting"],
        about.get("arrivals_until", 0), near, tables["next_hours"], (about["imports"], about["runs"]),
    )  # fmt: skip


class Keeper:
    """Keeps one force's next hours current; `step` does what is due and says whether anything new was published."""

    def __init__(self, folder: Path | str, kept: State, say: Say) -> None:
        self.folder = Path(folder)
        self.state = kept
        self.settings = settings_.read(folder)
        self._say = say
        self._said: dict[str, str] = {}
        self._arrived = Arriving(folder, kept)
        self._store = Store(folder)
        self._made_of: tuple[Any, ...] | None = None
        self._looked_at = self._head_at = float("-inf")
        self._make_after = self._store_after = float("-inf")
        self._is_new = True
        self._to_log: list[log.Happened] = []
        service = self.settings.service
        self._watch = intake.Watch(folder, [self.folder / each for each in service.watch])

    def step(self) -> bool:
        """Take in what came, make the next hours again where that changes them, import and anchor what is due."""
        service, now = self.settings.service, time.monotonic()
        if now - self._looked_at >= service.watch_seconds:
            self._looked_at = now
            self._try("watch", self._watch_folders)
        if self._to_log:
            self._try("log", self._log_what_came)
        self._is_new = self._arrived.look() or self._is_new
        is_made = False
        made_of = self._stamp()
        if (self._is_new or made_of != self._made_of) and now >= self._make_after:
            is_made = self._try("next hours", self._publish)
            is_settled = is_made or "next hours" not in self._said
            if is_settled:
                self._is_new, self._made_of = False, made_of
            self._make_after = time.monotonic() + (_REST_SECONDS if is_settled else _AGAIN_SECONDS)
        longest = timedelta(minutes=service.import_minutes)
        if now >= self._store_after and self._arrived.is_due(longest, _MANY_EVENTS):
            is_stored = self._try("import", lambda: self._arrived.store_away(self._log_import))
            self._store_after = time.monotonic() + (0 if is_stored else _AGAIN_SECONDS)
        if service.log_heads is not None and now - self._head_at >= 60 * service.log_head_minutes:
            is_kept = self._try("log head", self._keep_head)
            self._head_at = now if is_kept else now - 60 * (service.log_head_minutes - 1)
        return is_made

    def _stamp(self) -> tuple[Any, ...]:
        store = self._store.snapshot()
        # The hour turns without anything coming.
        return store.batches().height, store.runs().height, datetime.now(UTC).replace(minute=0, second=0, microsecond=0)

    def _publish(self) -> None:
        still = self._arrived.snapshot()
        brought = near_term.bring_for(self.folder, HOURS, still=still)
        near = near_term.simulate_next(self.folder, hours=HOURS, brought=brought)
        expected = look_ahead.expect(brought, brought.draw(HOURS, look_ahead.PATHS))
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as parts:
            for name, rows in {
                "hours": near.hours, "backlog": near.backlog, "logs": near.logs, "units": near.units,
                "next_hours": expected,
            }.items():  # fmt: skip
                part = io.BytesIO()
                rows.write_ipc(part)
                parts.writestr(name, part.getvalue())
        arrivals.publish(self.state, NAME, content.getvalue(), {
            "at": near.at.isoformat(), "run_id": near.run_id, "sentences": near.sentences,
            "time_zone": near.time_zone, "known_until": brought.known_until.isoformat(),
            "events_waiting": self._arrived.events, "arrivals_until": self._arrived.latest,
            "notes": near.notes, "pool_of_area": dict(near.pool_of_area),
            "imports": still.batches().height, "runs": still.runs().height,
        })  # fmt: skip

    def _keep_head(self) -> None:
        log.keep_head(log.head_of(self.state), self.folder / str(self.settings.service.log_heads))

    def _log_import(self, batch_id: str) -> None:
        happened = log.Happened("live", "service", "collection", "arrivals imported", {"batch": batch_id}, _now())
        log.append(self.state, [happened])

    def _watch_folders(self) -> None:
        for done in self._watch.look(self._say):
            subject = f"import into {done.batch['table_name']}"
            detail = {"batch": done.batch["batch_id"]}
            self._to_log.append(log.Happened("live", "service", "collection", subject, detail, _now()))

    def _log_what_came(self) -> None:
        # Kept until it is written: what came is in the store, and is not taken in a second time.
        log.append(self.state, self._to_log)
        self._to_log = []

    def _try(self, what: str, do: Callable[[], object]) -> bool:
        """Do something that is done later where it fails; say why it could not be, once while that stays so.

        Nothing that fails keeps the rest from being done.
        """
        try:
            do()
        except NoInput:
            # No run yet, or nothing logged: there is nothing to tell.
            self._said.pop(what, None)
            return False
        except Exception as error:
            told = str(error)
            if not isinstance(error, BluelampError):
                # Never what it says: that may hold a row's values.
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(place.filename).name}, line {place.lineno}"
                told = f"A fault in Bluelamp itself ({type(error).__name__} in {where}). Please report it."
            if self._said.get(what) != told:
                self._said[what] = told
                self._say(told)
            return False
        self._said.pop(what, None)
        return True


def keep_current(folder: Path | str, say: Say, *, is_over: Callable[[], bool] = lambda: False) -> None:
    """Keep a force's next hours current until it is over. Where another process does so already, wait for its turn.

    Goes on by itself after the database has been away.
    """
    kept = state.open_state(folder, settings_.read(folder).service.database)
    with beside.only_one(folder, "live", is_over) as is_mine:
        if not is_mine:
            return
        keeper = Keeper(folder, kept, say)
        said = ""
        while not is_over():
            try:
                keeper.step()
                said = ""
            except BluelampError as error:
                if str(error) != said:
                    said = str(error)
                    say(said)
                time.sleep(_AGAIN_SECONDS)
            time.sleep(_LOOK_SECONDS)
