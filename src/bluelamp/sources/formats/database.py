"""Databases by SQLAlchemy URL: the rows of a query, streamed, from where the last import stopped.

With a watermark (a column that grows whenever a row changes) an import asks for the rows that have it at the last one's
value or above, some time back where it is a time, because a transaction that began earlier may end later. A text that
says a time is one, and is read an hour further back, because the clock that it was written by may have been put back;
any other text is refused, because '10' comes before '9' in it. From a number nothing can be taken: where a sequence is
the watermark, a row whose transaction ends after that of a higher one is missed. Rows that were read before are
unchanged, and counted so. Rows without a watermark are read every time. A row's number is its
place in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bluelamp import addresses, extensions
from bluelamp.errors import BadData, BadSettings, InputOutputError, NoInput, did_you_mean
from bluelamp.sources.files import NoRow, Query, Reading, RowChunk, check_columns, chunk_of
from bluelamp.sources.values import text_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

REREAD = timedelta(hours=1)
CLOCK_CHANGE = timedelta(hours=1)
# A time as text, as far as its minutes or seconds; what follows (parts of a second, an offset) sorts behind it.
_TIME_AS_TEXT = re.compile(r"(\d{4}-\d\d-\d\d)(?:([T ])(\d\d:\d\d)(:\d\d)?.*)?", re.ASCII)
# A password of so many letters is hardly a word of a driver's own.
_LONG_ENOUGH = 6
# What an error that ends a look or an import leaves behind.
_NOTHING_IMPORTED = "Nothing of it was imported; the next import begins where the last whole one ended."
_NOTHING_WRITTEN = (
    "Nothing was written. Look at the address, the account and its password, then call the command again."
)
_BIND = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


def fits(source: Path | Query, head: bytes) -> int:
    """Whether it is a query."""
    return 3 * isinstance(source, Query)


def read(source: Query, reading: Reading) -> DatabaseRows:
    """Look at a query's columns."""
    return DatabaseRows(source, reading)


@dataclass(frozen=True)
class Relation:
    """A table or a view: its name, and how a query writes it and its columns."""

    name: str
    quoted: str
    quote: Callable[[str], str]
    # Columns that are times or numbers to the database itself, so that it knows which of two values is the later.
    ordered: frozenset[str]

    def select(self, columns: Sequence[str] = ()) -> str:
        """Give the query for some of its columns, or for all."""
        chosen = ", ".join(self.quote(name) for name in columns) or "*"
        return f"SELECT {chosen} FROM {self.quoted}"  # noqa: S608 - the database itself has quoted these names


def relations_of(url: str) -> list[Relation]:
    """List the tables and views of a database that this reader may see, its own bookkeeping left out.

    Raises what connecting raises.
    """
    found = []
    rows = DatabaseRows.unread(url)
    with rows.connected("looked at") as connection:
        inspector = rows.alchemy.inspect(connection)
        preparer = connection.dialect.identifier_preparer
        own = inspector.default_schema_name
        kinds = (rows.alchemy.DateTime, rows.alchemy.Date, rows.alchemy.Numeric, rows.alchemy.Integer)
        for schema in inspector.get_schema_names():
            if schema.startswith(("pg_", "information_schema")) or (schema == "temp"):
                continue
            names = {*inspector.get_table_names(schema), *inspector.get_view_names(schema)}
            for name in sorted(names):
                quoted = preparer.quote(name) if schema == own else f"{preparer.quote(schema)}.{preparer.quote(name)}"
                called = name if schema == own else f"{schema}.{name}"
                columns = inspector.get_columns(name, schema)
                ordered = frozenset(each["name"] for each in columns if isinstance(each["type"], kinds))
                found.append(Relation(called, quoted, preparer.quote, ordered))
    return found


def shown(url: str) -> str:
    """Name a database without who reads it, and by which password."""
    return addresses.shown(addresses.read(url))


def without_password(url: str) -> tuple[str, str | None]:
    """Give an address as it may be written down, and the variable of the environment that its password is to be in.

    A password that is written out gives way to `${NAME}`; one that is such a variable already stays. Raises BadSettings
    for an address that can't be read, or one that holds a password elsewhere.
    """
    from sqlalchemy.engine import make_url

    whole = addresses.VARIABLE.fullmatch(url.strip())
    if whole:
        return url.strip(), whole.group(1)
    addresses.read(url)
    made = make_url(url.strip())
    secret = [name for name, value in made.query.items() if _holds_secret(name, value)]
    if secret:
        raise BadSettings(
            f"The address of the database holds '{secret[0]}' behind its name, where it would be written down. Put the "
            "password before the host, as in postgresql+psycopg://reader:${CAD_PASSWORD}@host/cad."
        )
    if not made.password:
        return made.render_as_string(), None
    given = addresses.VARIABLE.fullmatch(str(made.password))
    name = (
        given.group(1) if given else re.sub(r"\W+", "_", made.database or "database").strip("_").upper() + "_PASSWORD"
    )
    # Rendered, the braces of a variable would be escaped, so that it is put in afterwards.
    before, _, after = made.render_as_string(hide_password=True).partition(":***@")
    return f"{before}:${{{name}}}@{after}", name


class DatabaseRows:
    """The rows that a query gives."""

    def __init__(self, query: Query, reading: Reading) -> None:
        self._open(query)
        if reading.guess_header:
            # Only a proposal guesses.
            self._after = _NOTHING_WRITTEN
        with self.connected("looked at") as connection:
            self.columns = list(connection.execute(self._select().where(self.alchemy.false())).keys())
        check_columns(self.name, self.columns, reading)
        if query.watermark is not None and query.watermark not in self.columns:
            raise BadSettings(
                f"The query of {self.name} gives no column '{query.watermark}', which is named as its watermark."
                f"{did_you_mean(query.watermark, self.columns)} It gives {', '.join(self.columns[:40])}."
            )

    def _open(self, query: Query) -> None:
        self.source = query
        self.alchemy = extensions.optional("sqlalchemy", "database", "Reading a database")
        self._url = addresses.read(query.url)
        self.name = addresses.shown(self._url)
        self.map_settings: dict[str, Any] = {}
        self.state: dict[str, str] = {}
        self._after = _NOTHING_IMPORTED
        self._refuse_missing_file()

    @classmethod
    def unread(cls, url: str) -> DatabaseRows:
        """Give a database to look around in, before there is a query."""
        rows = cls.__new__(cls)
        rows._open(Query(url, ""))
        rows._after = _NOTHING_WRITTEN
        return rows

    @property
    def looks(self) -> tuple[str, str, str]:
        """What it looks like."""
        return "format", f"{self._url.get_backend_name()} database", "its address says so"

    @property
    def notes(self) -> list[str]:
        """What a reader should know beside the rows."""
        if self.source.since is None:
            return []
        start = text_of(self._start())
        return [f"Read were the rows whose {self.source.watermark} is {start} or later, and those without one."]

    def chunks(self, chunk_rows: int) -> Iterator[RowChunk]:
        """Give the rows in stretches. Raises BadData where a first read gives none."""
        watermark = self.source.watermark
        place = None if watermark is None else self.columns.index(watermark)
        last = self._since()
        rows_read = 0
        with self.connected("read on") as connection:
            streamed = connection.execution_options(stream_results=True, yield_per=chunk_rows)
            for part in streamed.execute(self._from_start_on()).partitions(chunk_rows):
                rows = [[text_of(value) for value in row] for row in part]
                numbers = range(rows_read + 1, rows_read + 1 + len(rows))
                rows_read += len(rows)
                if place is not None:
                    # They come in the order of the watermark, as the database understands it.
                    last = next((row[place] for row in reversed(part) if row[place] is not None), last)
                    self._refuse_text_without_time(last)
                yield chunk_of(len(self.columns), rows, numbers, [])
        if not rows_read and self.source.since is None:
            raise NoRow(
                f"The query of {self.name} gives columns and no row, so that there is nothing to import. Look what it "
                "asks for, and which period."
            )
        if last is not None:
            self.state = _written(last, str(watermark))

    def _since(self) -> Any:
        return None if self.source.since is None else _read_back(self.source.since)

    def _start(self) -> Any:
        """Give the watermark from which rows are read."""
        since = self._since()
        if isinstance(since, str):
            return _earlier_text(since)
        if isinstance(since, date) and not isinstance(since, datetime):
            return since - timedelta(days=1)
        return since - REREAD if isinstance(since, datetime) else since

    def _refuse_text_without_time(self, value: Any) -> None:
        if isinstance(value, str) and _earlier_text(value) is None:
            raise BadSettings(
                f"'{self.source.watermark}' of {self.name} can't be a watermark: it holds text that is no time, and "
                "text is sorted letter by letter, so that 10 comes before 9 and rows would be missed. A time such as "
                "2026-11-23 18:00:00, or a number, was expected; without a watermark everything is read each time."
            )

    def _select(self) -> Select[Any]:
        """Wrap the query, so that it can only read, and give all its columns."""
        sql = self.alchemy
        # A colon in the query is its own, never a parameter of ours.
        written = sql.text(_BIND.sub(r"\\:\1", self.source.query.strip().rstrip(";")))
        inner = written.columns(*([sql.column(self.source.watermark)] if self.source.watermark else [])).subquery(
            "extract"
        )
        selected: Select[Any] = sql.select(sql.text("*")).select_from(inner)
        return selected

    def _from_start_on(self) -> Select[Any]:
        selected = self._select()
        if self.source.watermark is None:
            return selected
        column = selected.get_final_froms()[0].c[self.source.watermark]
        # Those without a watermark come first, wherever this database would put them.
        selected = selected.order_by(self.alchemy.case((column.is_(None), 0), else_=1), column)
        start = self._start()
        return selected if start is None else selected.where((column >= start) | column.is_(None))

    def _refuse_missing_file(self) -> None:
        """An SQLite database that is not there would be made, empty."""
        database = self._url.database
        if self._url.get_backend_name() == "sqlite" and (not database or not Path(database).is_file()):
            raise NoInput(
                f"There is no SQLite database '{database}'. Check the address, and the folder it starts from."
            )

    @contextmanager
    def connected(self, doing: str) -> Iterator[Connection]:
        """Connect, for reading alone; what fails is said, without a password."""
        sql = self.alchemy
        try:
            engine = sql.create_engine(self._url, poolclass=sql.pool.NullPool)
        except (sql.exc.NoSuchModuleError, ModuleNotFoundError) as error:
            raise BadSettings(
                f"The address of the database names what is not installed here ({error}). PostgreSQL comes with pip "
                "install 'bluelamp[database]' as postgresql+psycopg://…; for others install their driver."
            ) from None
        try:
            with engine.connect() as connection:
                if engine.dialect.name == "postgresql":
                    connection = connection.execution_options(postgresql_readonly=True)
                yield connection
        except sql.exc.SQLAlchemyError as error:
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()
            said = self._without_secrets(cause[0] if cause else type(error).__name__).rstrip(".")
            if isinstance(error, (sql.exc.OperationalError, sql.exc.InterfaceError, sql.exc.InternalError)):
                raise InputOutputError(f"{self.name} can't be {doing}: {said}. {self._after}") from None
            raise BadData(f"{self.name} does not understand the query: {said}.") from None
        finally:
            engine.dispose()

    def _without_secrets(self, words: str) -> str:
        behind = [value for name, value in self._url.query.items() if _holds_secret(name, value)]
        parts = [each for value in behind for each in ((value,) if isinstance(value, str) else value)]
        secrets = {each for each in (str(self._url.password or ""), *parts) if each}
        for secret in sorted(secrets | {quote(each, safe="") for each in secrets}, key=len, reverse=True):
            words = _masked(words, secret)
        return words


def _holds_secret(name: str, value: str | tuple[str, ...]) -> bool:
    """Say whether what stands behind the name of a database may be a password, or hold one (as odbc_connect may)."""
    words = "pass|pwd|secret|token|key"
    return bool(re.search(words, name.lower()) or re.search(f"({words})[a-z]*=", str(value).lower()))


def _masked(words: str, secret: str) -> str:
    """Put *** for a secret. A short one may be a word of the sentence, or a part of one, and is put out of sight only
    where an address or a setting has it.

    >>> _masked("a connection as reader:a@db failed, password=a, 'a'", "a")
    "a connection as reader:***@db failed, password=***, '***'"
    """
    if len(secret) >= _LONG_ENOUGH:
        return words.replace(secret, "***")
    it = re.escape(secret)
    return re.sub(rf"(?<=[:=]){it}(?!\w)|(?<=[\"']){it}(?=[\"'])|(?<!\w){it}(?=@)", "***", words)


def _earlier_text(value: str) -> str | None:
    """Give the text of a time some time before, written alike as far as its seconds; nothing where it is no time.

    >>> _earlier_text("2026-11-23T18:00:00.120Z")
    '2026-11-23T16:00:00'
    """
    found = _TIME_AS_TEXT.fullmatch(value)
    if found is None:
        return None
    day, between, minutes, seconds = found.groups()
    try:
        at = datetime.fromisoformat(f"{day}{between or ''}{minutes or ''}{seconds or ''}")
        earlier = at - (REREAD + CLOCK_CHANGE if minutes else timedelta(days=1))
    except (ValueError, OverflowError):
        return None
    return earlier.isoformat(between, "seconds" if seconds else "minutes") if minutes else earlier.date().isoformat()


def _written(value: Any, column: str) -> dict[str, str]:
    """Write a watermark down, as JSON may keep it."""
    if isinstance(value, datetime):
        return {"kind": "datetime", "value": value.isoformat()}
    if isinstance(value, date):
        return {"kind": "date", "value": value.isoformat()}
    if isinstance(value, (int, float, Decimal, str)) and not isinstance(value, bool):
        return {"kind": type(value).__name__, "value": str(value)}
    raise BadSettings(
        f"'{column}' can't be a watermark: it holds {type(value).__name__}. A time or a number was expected."
    )


def _read_back(state: Mapping[str, str]) -> Any:
    readers: dict[str, Callable[[str], Any]] = {
        "datetime": datetime.fromisoformat, "date": date.fromisoformat, "int": int, "float": float,
        "Decimal": Decimal, "str": str,
    }  # fmt: skip
    return readers[state["kind"]](state["value"])
