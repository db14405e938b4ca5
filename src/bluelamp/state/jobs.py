"""Long work that was asked for, from the moment it is asked until somebody may forget it.

A job waits, runs, and is then done, failed or stopped. Whoever runs it says so with the number of the try: one that was
taken for dead and comes back can neither end nor change what another has begun.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from bluelamp.errors import NoInput
from bluelamp.state import State
from bluelamp.state._tables import jobs

Standing = Literal["waiting", "running", "done", "failed", "stopped"]
STANDING_WORDS: dict[Standing, str] = {
    "waiting": "waits for its turn",
    "running": "under way",
    "done": "done",
    "failed": "could not be done",
    "stopped": "stopped, because somebody asked for it",
}
MOST_TRIES = 3
_KEPT_FOR = timedelta(days=90)
# PostgreSQL: who asks takes this lock, so that of two who ask for the same one is told of the other's.
_LOCK = 25835265
# Called in the transaction that makes a job wait, with the moment from which it may be taken.
Offer = Callable[[sa.Connection, str, datetime | None], None]


@dataclass(frozen=True)
class Job:
    """One job as it stands. `words` say what became of it or why it waits, `outcome` names what it made."""

    key: str
    kind: str
    settings: dict[str, Any]
    asked_by: str
    asked_at: datetime
    state: Standing
    tries: int
    is_stopping: bool
    began_at: datetime | None
    ended_at: datetime | None
    stage: str | None
    share: float | None
    words: str | None
    outcome: dict[str, Any]

    @property
    def has_ended(self) -> bool:
        """Whether nothing will become of it any more."""
        return self.state not in ("waiting", "running")


_COLUMNS = (
    jobs.c.job_key, jobs.c.kind, jobs.c.settings, jobs.c.asked_by, jobs.c.asked_at, jobs.c.state, jobs.c.tries,
    jobs.c.is_stopping, jobs.c.began_at, jobs.c.ended_at, jobs.c.stage, jobs.c.share, jobs.c.words, jobs.c.outcome,
)  # fmt: skip


def _job(row: Any) -> Job:
    values = row._asdict()
    values["key"] = values.pop("job_key")
    return Job(**values | {"settings": json.loads(row.settings), "outcome": json.loads(row.outcome or "{}")})


def ask(
    state: State,
    kind: str,
    settings: Mapping[str, Any],
    asked_by: str,
    *,
    key: str | None = None,
    once_key: str | None = None,
    offer: Offer | None = None,
) -> tuple[Job, bool]:
    """Ask for a job, and give it and whether it is new: one that waits already for the same is the same.

    `once_key` names what is to be done once for all, such as the run of a morning: whoever asks again gets that job.
    """
    text = json.dumps(settings, sort_keys=True)
    same = sa.and_(jobs.c.kind == kind, jobs.c.settings == text, jobs.c.state == "waiting")
    if once_key is not None:
        same = jobs.c.once_key == once_key
    now = datetime.now(UTC)
    key = key or new_key()
    with state.writing() as connection:
        if state.is_postgresql:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        there = connection.execute(sa.select(*_COLUMNS).where(same).order_by(jobs.c.job_id).limit(1)).one_or_none()
        if there is not None:
            return _job(there), False
        connection.execute(jobs.delete().where(jobs.c.ended_at < now - _KEPT_FOR))
        connection.execute(jobs.insert().values(
            job_key=key, once_key=once_key, kind=kind, settings=text, asked_by=asked_by[:100], asked_at=now,
            state="waiting", tries=0, is_stopping=False,
        ))  # fmt: skip
        if offer is not None:
            offer(connection, key, None)
    return find(state, key), True


def new_key() -> str:
    """Give a name that no job had before, here or in a database that this one is a copy of."""
    return f"j{datetime.now(UTC):%y%m%d}-{secrets.token_hex(6)}"


def find(state: State, key: str) -> Job:
    """Give one job. Raises NoInput where there is none."""
    with state.reading() as connection:
        row = connection.execute(sa.select(*_COLUMNS).where(jobs.c.job_key == key)).one_or_none()
    if row is None:
        raise NoInput(f"There is no job '{key}'. /jobs lists those of the last {_KEPT_FOR.days} days.")
    return _job(row)


def every(state: State, *, most: int | None = None) -> list[Job]:
    """List jobs, the newest first."""
    with state.reading() as connection:
        found = connection.execute(sa.select(*_COLUMNS).order_by(jobs.c.job_id.desc()).limit(most))
        return [_job(row) for row in found]


def tally(state: State) -> tuple[dict[tuple[str, Standing], int], datetime | None]:
    """Count the jobs that are kept, by kind and standing, and say since when the oldest that has not ended is asked."""
    with state.reading() as connection:
        counted = connection.execute(
            sa.select(jobs.c.kind, jobs.c.state, sa.func.count()).group_by(jobs.c.kind, jobs.c.state)
        ).all()
        oldest = connection.scalar(sa.select(sa.func.min(jobs.c.asked_at)).where(jobs.c.ended_at.is_(None)))
    return {(kind, standing): number for kind, standing, number in counted}, oldest


def next_waiting(state: State) -> str | None:
    """Name the job whose turn it is, if any."""
    due = sa.or_(jobs.c.not_before.is_(None), jobs.c.not_before <= datetime.now(UTC))
    with state.reading() as connection:
        return connection.scalar(
            sa.select(jobs.c.job_key).where(jobs.c.state == "waiting", due).order_by(jobs.c.job_id).limit(1)
        )


def take(state: State, key: str) -> Job | None:
    """Begin a job that waits, and give it; nothing where it does not wait any more."""
    with state.writing() as connection:
        taken = connection.execute(
            jobs.update()
            .where(jobs.c.job_key == key, jobs.c.state == "waiting")
            .values(
                state="running", tries=jobs.c.tries + 1, began_at=datetime.now(UTC), stage=None, share=0.0, words=None
            )
        ).rowcount
    return find(state, key) if taken else None


def progress(state: State, job: Job, stage: str, share: float) -> bool:
    """Say how far a job is, and learn whether to go on: not where somebody asked to stop, or another has taken it."""
    with state.writing() as connection:
        values = {"stage": stage[:50], "share": min(max(share, 0.0), 1.0)}
        if not connection.execute(jobs.update().where(_mine(job)).values(values)).rowcount:
            return False
        return not connection.scalar(sa.select(jobs.c.is_stopping).where(_mine(job)))


def end(state: State, job: Job, how: Standing, words: str, outcome: Mapping[str, Any] | None = None) -> bool:
    """Say what became of a job; gives False where it was another's meanwhile, and is as that one left it."""
    with state.writing() as connection:
        ended = connection.execute(jobs.update().where(_mine(job)).values(
            state=how, words=words, outcome=json.dumps(outcome or {}, default=str), ended_at=datetime.now(UTC),
        ))  # fmt: skip
    return bool(ended.rowcount)


def put_back(state: State, job: Job, words: str, after: timedelta, offer: Offer | None = None) -> None:
    """Let a job wait again because of something that passes, such as a full disk; it does not count as a try."""
    at = datetime.now(UTC) + after
    with state.writing() as connection:
        back = connection.execute(jobs.update().where(_mine(job)).values(
            state="waiting", tries=jobs.c.tries - 1, words=words, not_before=at, stage=None, share=None,
        ))  # fmt: skip
        if back.rowcount and offer is not None:
            offer(connection, job.key, at)


def take_over(state: State, offer: Offer | None = None) -> list[Job]:
    """Let what was running wait again, because whoever ran it has died, and give those jobs; all that wait are offered.

    Only who knows that nobody runs anything may call this. A job whose every try ended so has failed.
    """
    now = datetime.now(UTC)
    with state.writing() as connection:
        found = [_job(row) for row in connection.execute(sa.select(*_COLUMNS).where(jobs.c.state == "running")).all()]
        for job in found:
            this = jobs.update().where(jobs.c.job_key == job.key)
            if job.is_stopping:
                connection.execute(this.values(state="stopped", ended_at=now, words="Stopped as asked."))
            elif job.tries >= MOST_TRIES:
                connection.execute(this.values(state="failed", ended_at=now, words=_DIED))
            else:
                words = "What did it ended in the middle, and nothing half done was left. It is begun again."
                connection.execute(this.values(state="waiting", not_before=None, words=words))
        if offer is not None:
            waiting = sa.select(jobs.c.job_key, jobs.c.not_before).where(jobs.c.state == "waiting")
            for key, at in connection.execute(waiting.order_by(jobs.c.job_id)).all():
                offer(connection, key, at)
    return found


_DIED = (
    f"It was begun {MOST_TRIES} times, and each time the process that did it was ended in the middle: by a crash, or "
    "by the system because memory ran out. Nothing half done was left. Look at its memory, and ask for it again."
)


def ask_to_stop(state: State, key: str) -> Job:
    """Ask for a job to be stopped: one that waits is, one that runs is at its next step. Raises NoInput."""
    job = find(state, key)
    with state.writing() as connection:
        this = jobs.update().where(jobs.c.job_key == job.key)
        connection.execute(
            this.where(jobs.c.state == "waiting").values(
                state="stopped", ended_at=datetime.now(UTC), words="Stopped as asked, before it was begun."
            )
        )
        connection.execute(this.where(jobs.c.state == "running").values(is_stopping=True))
    return find(state, key)


def _mine(job: Job) -> sa.ColumnElement[bool]:
    return sa.and_(jobs.c.job_key == job.key, jobs.c.state == "running", jobs.c.tries == job.tries)
