"""Who is handed which job, and when: procrastinate in a PostgreSQL, the table itself in a file.

What a job is and what became of it stands in our own table, in both. In a PostgreSQL, procrastinate's tables hold which
job is whose turn, in a schema of their own, and wake whoever waits; a job is offered in the transaction that makes it
wait, so that neither is there without the other. They hold nothing else, so that they are made anew for another version
of procrastinate, and left out of backups.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bluelamp.errors import BadSettings, BluelampError, TryAgain
from bluelamp.state import State
from bluelamp.state import jobs as kept
from bluelamp.waiting import wait_for

if TYPE_CHECKING:
    import procrastinate

SCHEMA = "bluelamp_queue"
_QUEUE = "jobs"
_LOOK_SECONDS = 0.5
# How long a job that nobody was woken for may go unseen.
_LOOK_AGAIN_SECONDS = 5.0
# PostgreSQL: who makes procrastinate's tables takes this lock.
_LOCK = 25835266


def offer_of(state: State) -> kept.Offer | None:
    """Give what hands a job on in the transaction that makes it wait; nothing where the table itself is looked at."""
    if not state.is_postgresql:
        return None
    app = _app(_connector(state, is_async=False))
    known: list[bool] = []

    def offer(connection: sa.Connection, key: str, at: datetime | None) -> None:
        if not known:
            _insist_on_tables(connection)
            known.append(True)
        with _among_its_tables(connection) as driver:
            task = app.configure_task("do", queue=_QUEUE, lock=_QUEUE, schedule_at=at, connection=driver)
            task.defer(key=key)

    return offer


def hand_out(state: State, do: Callable[[str], None], tick: Callable[[], None], is_over: Callable[[], bool]) -> None:
    """Give jobs one at a time to `do`, and call `tick` about once a second, until it is over.

    Raises TryAgain where the database has gone, once the job at hand has ended.
    """
    if state.is_postgresql:
        wait_for(_hand_out_by_procrastinate(state, do, tick, is_over))
        return
    ticked = float("-inf")
    while not is_over():
        if time.monotonic() - ticked >= 1:
            ticked = time.monotonic()
            tick()
        key = kept.next_waiting(state)
        if key is None:
            time.sleep(_LOOK_SECONDS)
        else:
            do(key)


def forget_all(state: State) -> None:
    """Forget what was offered, because whoever was to do it has died; `state.jobs.take_over` offers it again."""
    if not state.is_postgresql:
        return
    with state.writing() as connection:
        _insist_on_tables(connection)
        with _among_its_tables(connection):
            connection.exec_driver_sql("DELETE FROM procrastinate_jobs")


async def _hand_out_by_procrastinate(
    state: State, do: Callable[[str], None], tick: Callable[[], None], is_over: Callable[[], bool]
) -> None:
    # What procrastinate would tell an operator, `Worker` tells in its own words.
    for name in ("procrastinate", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    app = _app(_connector(state, is_async=True), do)
    problem: list[BluelampError] = []

    async def keep_ticking() -> None:
        while not is_over():
            try:
                await asyncio.to_thread(tick)
            except BluelampError as error:
                problem.append(error)
                return
            await asyncio.sleep(1)

    async with app.open_async():
        working = asyncio.create_task(
            app.run_worker_async(
                queues=[_QUEUE], wait=True, concurrency=1, delete_jobs="always", install_signal_handlers=False,
                fetch_job_polling_interval=_LOOK_AGAIN_SECONDS,
            )
        )  # fmt: skip
        ticking = asyncio.create_task(keep_ticking())
        await asyncio.wait({working, ticking}, return_when=asyncio.FIRST_COMPLETED)
        was_told = working.done()
        for each in (ticking, working):
            each.cancel()
        found = await asyncio.gather(working, ticking, return_exceptions=True)
    if problem:
        raise problem[0]
    if was_told or any(isinstance(each, Exception) for each in found):
        raise TryAgain(f"The service's database can't be reached just now ({state.shown}). Try again in a moment.")


def _app(connector: Any, do: Callable[[str], None] | None = None) -> procrastinate.App:
    import procrastinate

    app = procrastinate.App(connector=connector)
    if do is not None:

        @app.task(name="do")
        def carry_out(key: str) -> None:
            do(key)

    return app


def _connector(state: State, *, is_async: bool) -> Any:
    try:
        import procrastinate
    except ModuleNotFoundError:
        raise BadSettings(
            "Jobs in a PostgreSQL need a package that is not installed. 'pip install bluelamp[database]' brings it."
        ) from None
    kind = procrastinate.PsycopgConnector if is_async else procrastinate.SyncPsycopgConnector
    _, given = state.engine.dialect.create_connect_args(state.engine.url)
    more = {"options": f"-c search_path={SCHEMA}", "connect_timeout": 5}
    return kind(kwargs={**given, **more}, min_size=1, max_size=4, timeout=10)


def _insist_on_tables(connection: sa.Connection) -> None:
    """Make procrastinate's tables where they are missing or of another version; what waits is offered again later."""
    from procrastinate.schema import SchemaManager, migrations_path

    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    version = max(each.name for each in migrations_path.glob("*.sql"))
    there = connection.scalar(
        sa.text("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :name"),
        {"name": SCHEMA},
    )
    if there == version:
        return
    connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
    with _among_its_tables(connection) as driver:
        # Many statements at once are only taken as they are, and by the driver itself.
        driver.execute(SchemaManager.get_schema())
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{version}'")


@contextmanager
def _among_its_tables(connection: sa.Connection) -> Iterator[Any]:
    """Let names mean procrastinate's tables for a while, in this transaction; gives the driver's own connection."""
    before = connection.exec_driver_sql("SHOW search_path").scalar_one()
    connection.exec_driver_sql(f"SET LOCAL search_path TO {SCHEMA}")
    yield connection.connection.driver_connection
    connection.execute(sa.text("SELECT set_config('search_path', :before, true)"), {"before": before})
