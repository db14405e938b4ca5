"""What changes from minute to minute while the service runs: accounts, who is signed in, and the log of who saw what.

It is kept in one file beside the force's store (SQLite), or in a PostgreSQL that force.toml names, where several
servers or many people share it. Figures are not in it: those are published by runs, and never change.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from bluelamp import addresses
from bluelamp.errors import BadSettings, InputOutputError, NoInput, NoRoom, TryAgain

FILE = addresses.OWN_FILE
# How long a writer waits for another one.
_PATIENCE_SECONDS = 10
# Any number will do, as long as nobody else locks it in the same database: "bluelamp" as letters on a telephone.
_MIGRATION_LOCK = 25835267


class State:
    """The service's own database, at the newest version of its tables.

    Use `reading()` and `writing()` for a connection in a transaction of its own. Both raise TryAgain where the
    database can't be reached just now or is written by others for too long, and InputOutputError where its disk fails.
    """

    def __init__(self, engine: sa.Engine, shown: str) -> None:
        self.engine = engine
        self.shown = shown

    @property
    def is_postgresql(self) -> bool:
        """Whether it is a server's."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection that only reads; each of its statements sees one state of everything."""
        with self._told(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def still(self) -> Iterator[sa.Connection]:
        """Give a connection that only reads, all of whose statements see one state of everything."""
        with self._told(), self.engine.connect() as connection:
            if self.is_postgresql:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            else:
                connection.exec_driver_sql("BEGIN")
            yield connection
            connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give a connection whose changes are kept when the block ends, or none of them where it fails."""
        with self._told(), self.engine.connect() as connection:
            if not self.is_postgresql:
                # Two readers that both come to write would refuse each other; who asks first waits.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError:
            # What is there already is the caller's to tell.
            raise
        except sa.exc.DBAPIError as error:
            raise _sentence(error, self.shown) from None


def _sentence(error: sa.exc.DBAPIError, shown: str) -> TryAgain | InputOutputError:
    said = str(error.orig).lower()
    if "locked" in said or "busy" in said:
        return TryAgain("Somebody else is writing to the service's database. Try again in a moment.")
    if "full" in said or "no space" in said:
        return NoRoom(f"The disk of the service's database is full ({shown}). Free some space and try again.")
    if "readonly" in said or "read-only" in said:
        return InputOutputError(f"The service's database can only be read ({shown}). Let this account write there.")
    if "malformed" in said or "not a database" in said:
        return InputOutputError(f"The service's database is damaged ({shown}). Restore it from a backup.")
    if isinstance(error, sa.exc.OperationalError) or error.connection_invalidated:
        return TryAgain(f"The service's database can't be reached just now ({shown}). Try again in a moment.")
    return InputOutputError(f"The service's database answered with an error ({type(error.orig).__name__}, {shown}).")


def exists(folder: Path | str, address: str | None) -> bool:
    """Say whether a force has such a database: a file that is there, or a server that its settings name."""
    return address is not None or (Path(folder) / FILE).exists()


def open_state(folder: Path | str, address: str | None = None, *, bring_forward: bool = True) -> State:
    """Open the service's database of a force, made or brought to the newest version where it is not.

    `address` is what force.toml names, as SQLAlchemy writes it; the file in the force's folder where there is none.
    Raises BadSettings for an address that can't be used, TryAgain for a server that can't be reached.
    """
    if address is None:
        path = Path(folder) / FILE
        url, shown = sa.URL.create("sqlite", database=str(path)), str(path)
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
        except FileNotFoundError:
            raise NoInput(f"There is no folder '{folder}'.") from None
        except OSError as error:
            raise InputOutputError(f"The service's database can't be made at '{path}': {error.strerror}.") from None
    else:
        url = addresses.read(address)
        shown = addresses.shown(url)
        if url.get_backend_name() != "postgresql":
            raise BadSettings(
                f"The service's database can't be a '{url.get_backend_name()}'. One such as "
                "postgresql+psycopg://bluelamp:${STATE_PASSWORD}@host/bluelamp was expected, or no setting for a file."
            )
    state = State(_engine(url), shown)
    if bring_forward:
        _bring_forward(state, Path(folder))
    return state


def open_to_read(folder: Path | str, address: str | None = None) -> State:
    """Open the service's database of a force as `open_state` does; an empty one, kept nowhere, where there is none.

    For whoever only looks: a force that has such a database is one whose service asks people to sign in.
    """
    if exists(folder, address):
        return open_state(folder, address)
    empty = State(_engine(sa.URL.create("sqlite")), str(Path(folder) / FILE))
    migrate(empty)
    return empty


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() == "postgresql":
        try:
            # A connection that the server dropped meanwhile is found before it is used.
            return sa.create_engine(
                url, pool_pre_ping=True, pool_size=5, max_overflow=10, isolation_level="READ COMMITTED",
                connect_args={"connect_timeout": 5},
            )  # fmt: skip
        except ModuleNotFoundError:
            raise BadSettings(
                "PostgreSQL needs a driver that is not installed. 'pip install bluelamp[database]' brings it."
            ) from None
    # What is kept nowhere lasts for as long as its one connection.
    pool = {} if url.database else {"poolclass": sa.StaticPool}
    engine = sa.create_engine(url, connect_args={"timeout": _PATIENCE_SECONDS, "check_same_thread": False}, **pool)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # Transactions begin where `writing` says so, and not where the driver thinks that they should.
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def newest_version() -> str:
    """Give the version of the tables that this Bluelamp writes."""
    return str(ScriptDirectory.from_config(_alembic()).get_current_head())


def version_of(state: State) -> str | None:
    """Give the version of a database's tables; nothing where it is empty."""
    with state.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def migrate(state: State, to: str = "head") -> None:
    """Bring a database to a version of its tables, forward or back; `base` is before the first of them."""
    with _migrating(state) as connection:
        _move(connection, to)


def rebuild(state: State, version: str, fill: Callable[[sa.Connection], None]) -> None:
    """Make a database's tables anew, of a version, and fill them: all of it at one instant, or nothing of it."""
    with _migrating(state) as connection:
        _move(connection, "base")
        _move(connection, version)
        fill(connection)


@contextmanager
def _migrating(state: State) -> Iterator[sa.Connection]:
    with state.writing() as connection:
        if state.is_postgresql:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        yield connection


def _move(connection: sa.Connection, to: str) -> None:
    config = _alembic()
    config.attributes["connection"] = connection
    there = MigrationContext.configure(connection).get_current_revision() or ""
    is_back = to == "base" or (to != "head" and to < there)
    (command.downgrade if is_back else command.upgrade)(config, to)


def _bring_forward(state: State, folder: Path) -> None:
    newest = newest_version()
    there = version_of(state)
    if there == newest:
        return
    if there is not None and there > newest:
        raise BadSettings(
            f"The service's database ({state.shown}) was written by a newer Bluelamp: its tables are version {there}, "
            f"and this one knows {newest}. Install the newer Bluelamp, or restore a backup from before."
        )
    with _only_one(folder):
        migrate(state)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Let one process after another bring a file forward: SQLite has no lock that outlasts a change of tables."""
    place = folder / FILE.parent
    if not place.is_dir():
        yield
        return
    with (place / ".migrating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
