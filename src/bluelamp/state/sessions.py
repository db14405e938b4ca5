"""Who is signed in: browsers with a token that only they and a fingerprint here know."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from bluelamp.access import Holder
from bluelamp.state import State
from bluelamp.state._tables import accounts, sessions
from bluelamp.state._tables import secrets as shared
from bluelamp.state.accounts import Account, _account

# A session is written down as seen at most so often: a write for every request would be the slowest part of it.
_SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Session:
    """A signed-in browser. Forms that it sends carry `form_token`."""

    holder: Holder
    form_token: str
    token_hash: str
    ends_at: datetime


def begin(state: State, account: Account, *, longest: timedelta) -> tuple[str, Session]:
    """Begin a session and give its token, for the browser alone, with it."""
    token, form_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    with state.writing() as connection:
        connection.execute(sessions.delete().where(sessions.c.ends_at < now))
        connection.execute(sessions.insert().values(
            token_hash=_digest(token), account_id=account.account_id, form_token=form_token, began_at=now, seen_at=now,
            ends_at=now + longest,
        ))  # fmt: skip
    return token, Session(account.holder, form_token, _digest(token), now + longest)


def find(state: State, token: str, *, idle: timedelta) -> Session | None:
    """Give the session of a token where it holds: begun here, not ended, seen within `idle`, its account open."""
    now = datetime.now(UTC)
    with state.reading() as connection:
        row = connection.execute(
            sa.select(accounts, sessions.c.form_token, sessions.c.seen_at, sessions.c.ends_at)
            .join(sessions, sessions.c.account_id == accounts.c.account_id)
            .where(sessions.c.token_hash == _digest(token), accounts.c.is_open)
        ).one_or_none()
    if row is None or row.ends_at <= now or row.seen_at + idle <= now:
        return None
    if now - row.seen_at > _SEEN_EVERY:
        with state.writing() as connection:
            connection.execute(sessions.update().where(sessions.c.token_hash == _digest(token)).values(seen_at=now))
    return Session(_account(row).holder, row.form_token, _digest(token), row.ends_at)


def end(state: State, token: str) -> None:
    """End a session; nothing happens where there is none."""
    with state.writing() as connection:
        connection.execute(sessions.delete().where(sessions.c.token_hash == _digest(token)))


def end_all(state: State, account_id: int) -> int:
    """End every session of an account and say how many there were."""
    with state.writing() as connection:
        return connection.execute(sessions.delete().where(sessions.c.account_id == account_id)).rowcount


def shared_secret(state: State, name: str) -> str:
    """Give a secret that all workers share, made when it is first asked for."""
    named = sa.select(shared.c.value).where(shared.c.name == name)
    with state.reading() as connection:
        found = connection.scalar(named)
    if found is not None:
        return str(found)
    # Two workers that start at once both come here: the first to write decides for both.
    with suppress(sa.exc.IntegrityError), state.writing() as connection:
        connection.execute(shared.insert().values(name=name, value=secrets.token_urlsafe(48)))
    with state.reading() as connection:
        return str(connection.scalar(named))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
