"""The tables of the service's own database, as SQLAlchemy knows them; `migrations/` makes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class Instant(TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no time zone, so that it is taken off on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment as the database keeps it."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give the moment with its zone."""
        if value is None:
            return None
        moment: datetime = value.replace(tzinfo=UTC) if value.tzinfo is None else value
        return moment.astimezone(UTC)


# SQLite counts a row's number up by itself only where its type is INTEGER.
_Number = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

accounts = Table(
    "accounts", metadata,
    Column("account_id", _Number, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("force_id", String(50), nullable=False),
    Column("districts", Text, nullable=False),
    Column("teams", Text, nullable=False),
    Column("password_hash", Text),
    Column("issuer", Text),
    Column("subject", Text),
    Column("is_open", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
)  # fmt: skip

sessions = Table(
    "sessions", metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("account_id", _Number, ForeignKey("accounts.account_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("form_token", String(64), nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
)  # fmt: skip

keys = Table(
    "keys", metadata,
    Column("key_hash", String(64), primary_key=True),
    Column("account_id", _Number, ForeignKey("accounts.account_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("label", String(100), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("ends_at", Instant),
)  # fmt: skip

secrets = Table(
    "secrets", metadata,
    Column("name", String(50), primary_key=True),
    Column("value", Text, nullable=False),
)  # fmt: skip

attempts = Table(
    "attempts", metadata,
    Column("attempt_id", _Number, primary_key=True),
    Column("who", String(64), nullable=False, index=True),
    Column("at", Instant, nullable=False, index=True),
)  # fmt: skip

log = Table(
    "log", metadata,
    Column("sequence", _Number, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("who", String(100), nullable=False),
    Column("role", String(20), nullable=False),
    Column("operation", String(20), nullable=False, index=True),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("seal", String(64), nullable=False),
)  # fmt: skip

arrivals = Table(
    "arrivals", metadata,
    Column("arrival_id", _Number, primary_key=True),
    Column("who", String(100), nullable=False),
    Column("sender_key", String(200), nullable=False),
    Column("content_sha256", String(64), nullable=False),
    Column("table_name", String(50), nullable=False),
    Column("content", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("came_at", Instant, nullable=False),
    Column("batch_id", String(50), index=True),
    UniqueConstraint("who", "sender_key", name="arrivals_once"),
)  # fmt: skip

published = Table(
    "published", metadata,
    Column("name", String(50), primary_key=True),
    Column("sequence", _Number, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("about", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)  # fmt: skip

jobs = Table(
    "jobs", metadata,
    Column("job_id", _Number, primary_key=True),
    Column("job_key", String(40), nullable=False, unique=True),
    Column("once_key", String(100), unique=True),
    Column("kind", String(20), nullable=False),
    Column("settings", Text, nullable=False),
    Column("asked_by", String(100), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("tries", Integer, nullable=False),
    Column("not_before", Instant),
    Column("is_stopping", Boolean, nullable=False),
    Column("began_at", Instant),
    Column("ended_at", Instant),
    Column("stage", String(50)),
    Column("share", Float),
    Column("words", Text),
    Column("outcome", Text),
)  # fmt: skip
