"""Accounts: who may sign in, in which role, for which force, districts and teams, and by what proof."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import BoundedSemaphore
from typing import Any, get_args

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bluelamp.access import Holder, Role
from bluelamp.errors import BadData, NoInput, NotPermitted, TryAgain, UsageError, did_you_mean, one_of
from bluelamp.state import State
from bluelamp.state._tables import accounts, attempts, keys, sessions

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256
# So many wrong passwords for one account, or from one address, within the window; then everybody waits.
WRONG_FOR_AN_ACCOUNT = 5
WRONG_FROM_AN_ADDRESS = 30
WINDOW = timedelta(minutes=15)
KEY_STARTS = "blk_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
_WRONG = "The name or the password is not right. Both are as the administrator gave them; letters' case counts."


def as_strong_as_advised() -> PasswordHasher:
    """Give the hashing of passwords: Argon2id by RFC 9106, its choice for machines with little memory."""
    return PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)


_hasher = as_strong_as_advised()
# Each takes 64 MB while it lasts: many who try at once wait for each other, and not for the memory of everybody else.
_AT_ONCE = BoundedSemaphore(4)
_LONGEST_WAIT_SECONDS = 10.0
# Checked where there is no such account, so that a name that is not there takes as long as a wrong password.
_OF_NOBODY = _hasher.hash(secrets.token_urlsafe(16))


@dataclass(frozen=True)
class Account:
    """One account. `issuer` and `subject` tie it to a person at an OpenID provider; else it has a password."""

    account_id: int
    name: str
    role: Role
    force_id: str
    districts: tuple[str, ...]
    teams: tuple[str, ...]
    is_open: bool
    has_password: bool
    issuer: str | None
    created_at: datetime

    @property
    def holder(self) -> Holder:
        """Give what decides over access."""
        return Holder(self.name, self.role, self.force_id, self.districts, self.teams, self.account_id)


def _account(row: Any) -> Account:
    return Account(
        row.account_id, row.name, row.role, row.force_id, tuple(json.loads(row.districts)),
        tuple(json.loads(row.teams)), row.is_open, row.password_hash is not None, row.issuer, row.created_at,
    )  # fmt: skip


def add(
    state: State,
    name: str,
    role: str,
    force_id: str,
    *,
    password: str | None = None,
    issuer: str | None = None,
    subject: str | None = None,
    districts: Sequence[str] = (),
    teams: Sequence[str] = (),
) -> Account:
    """Make an account. Raises BadData with everything that is wrong with it, UsageError where the name is taken."""
    insist_on_right(name, role, teams, password)
    now = datetime.now(UTC)
    values = {
        "name": name, "role": role, "force_id": force_id, "districts": json.dumps(list(districts)),
        "teams": json.dumps(list(teams)), "password_hash": None if password is None else _hash(password),
        "issuer": issuer, "subject": subject, "is_open": True, "created_at": now, "changed_at": now,
    }  # fmt: skip
    try:
        with state.writing() as connection:
            connection.execute(accounts.insert().values(values))
    except sa.exc.IntegrityError:
        raise UsageError(f"There is an account '{name}' already. Choose another name, or change that one.") from None
    return named(state, name)


def insist_on_right(name: str, role: str, teams: Sequence[str], password: str | None = None) -> None:
    """Raise BadData with everything for which an account could not be made, whatever accounts there are."""
    problems = _problems(name, role, teams)
    if password is not None:
        problems += password_problems(password, name)
    if problems:
        raise BadData(f"The account '{name}' can't be made yet:", problems)


def add_first(state: State, name: str, password: str, force_id: str) -> Account:
    """Make the first account, an administrator's. Raises NotPermitted where there is one already."""
    problems = [*_problems(name, "administrator", ()), *password_problems(password, name)]
    if problems:
        raise BadData("The first account can't be made yet:", problems)
    now = datetime.now(UTC)
    hashed = _hash(password)
    with state.writing() as connection:
        if state.is_postgresql:
            # Of two who set up at once, the second must see the first's account.
            connection.exec_driver_sql("LOCK TABLE accounts IN EXCLUSIVE MODE")
        if connection.scalar(sa.select(sa.func.count()).select_from(accounts)):
            raise NotPermitted("The service is set up already. Sign in with an account that there is.")
        connection.execute(accounts.insert().values(
            name=name, role="administrator", force_id=force_id, districts="[]", teams="[]", password_hash=hashed,
            is_open=True, created_at=now, changed_at=now,
        ))  # fmt: skip
    return named(state, name)


def change(
    state: State,
    name: str,
    *,
    role: str | None = None,
    password: str | None = None,
    districts: Sequence[str] | None = None,
    teams: Sequence[str] | None = None,
    is_open: bool | None = None,
) -> Account:
    """Change an account; whoever is signed in with it has to do so again.

    Raises NoInput where there is none of that name, BadData with everything that is wrong, NotPermitted where nobody
    would be left who can make accounts.
    """
    before = named(state, name)
    problems = _problems(name, role or before.role, teams or ())
    if password is not None:
        problems += password_problems(password, name)
    if problems:
        raise BadData(f"The account '{name}' can't be changed so:", problems)
    wanted: dict[str, Any] = {"changed_at": datetime.now(UTC)}
    if role is not None:
        wanted["role"] = role
    if password is not None:
        wanted["password_hash"] = _hash(password)
    if districts is not None:
        wanted["districts"] = json.dumps(list(districts))
    if teams is not None:
        wanted["teams"] = json.dumps(list(teams))
    if is_open is not None:
        wanted["is_open"] = is_open
    ends = before.role == "administrator" and (is_open is False or role not in (None, "administrator"))
    with state.writing() as connection:
        if ends:
            if state.is_postgresql:
                connection.exec_driver_sql("LOCK TABLE accounts IN EXCLUSIVE MODE")
            others = sa.select(sa.func.count()).where(
                accounts.c.role == "administrator", accounts.c.is_open, accounts.c.account_id != before.account_id
            )
            if not connection.scalar(others):
                raise NotPermitted(
                    f"'{name}' is the only administrator: without one nobody could make accounts. Make another first."
                )
        connection.execute(accounts.update().where(accounts.c.account_id == before.account_id).values(wanted))
        connection.execute(sessions.delete().where(sessions.c.account_id == before.account_id))
        if is_open is False:
            connection.execute(keys.delete().where(keys.c.account_id == before.account_id))
    return named(state, name)


def named(state: State, name: str) -> Account:
    """Give the account of a name. Raises NoInput where there is none."""
    with state.reading() as connection:
        row = connection.execute(sa.select(accounts).where(accounts.c.name == name)).one_or_none()
    if row is None:
        raise NoInput(f"There is no account '{name}'.{did_you_mean(name, [each.name for each in every(state)])}")
    return _account(row)


def every(state: State) -> list[Account]:
    """List the accounts by name."""
    with state.reading() as connection:
        return [_account(row) for row in connection.execute(sa.select(accounts).order_by(accounts.c.name))]


def is_any(state: State) -> bool:
    """Say whether there is an account."""
    with state.reading() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(accounts)) != 0


def sign_in(state: State, name: str, password: str, address: str) -> Account:
    """Give the account whose name and password these are; `address` is where the attempt comes from.

    Raises NotPermitted with the same sentence for a wrong name, a wrong password and a closed account, TryAgain after
    too many of them.
    """
    now = datetime.now(UTC)
    marks = (_mark(f"account {name}"), _mark(f"address {address}"))
    _insist_on_patience(state, marks, now)
    with state.reading() as connection:
        row = connection.execute(sa.select(accounts).where(accounts.c.name == name)).one_or_none()
    is_right = _verify(row.password_hash if row is not None and row.password_hash else _OF_NOBODY, password)
    if row is None or row.password_hash is None or not row.is_open or not is_right:
        with state.writing() as connection:
            connection.execute(attempts.insert(), [{"who": mark, "at": now} for mark in marks])
            connection.execute(attempts.delete().where(attempts.c.at < now - WINDOW))
        raise NotPermitted(_WRONG)
    stronger = _hash(password) if _hasher.check_needs_rehash(row.password_hash) else None
    with state.writing() as connection:
        connection.execute(attempts.delete().where(attempts.c.who == marks[0]))
        if stronger is not None:
            of_it = accounts.update().where(accounts.c.account_id == row.account_id)
            connection.execute(of_it.values(password_hash=stronger))
    return _account(row)


def tie(
    state: State,
    issuer: str,
    subject: str,
    name: str,
    role: str,
    force_id: str,
    *,
    districts: Sequence[str] = (),
    teams: Sequence[str] = (),
) -> Account:
    """Give the account of a person at an OpenID provider, made at the first sign-in and brought up to date at each.

    Where the name is another account's, the person's number at the provider is added to it. Raises NotPermitted for an
    account that was closed here, BadData where what the provider says can't be an account.
    """
    now = datetime.now(UTC)
    name = re.sub(r"[^A-Za-z0-9._@-]", "-", name)[:80]
    problems = _problems(name, role, teams)
    if problems:
        raise BadData("What the sign-in service says of you can't be an account:", problems)
    told = {
        "role": role, "force_id": force_id, "districts": json.dumps(list(districts)), "teams": json.dumps(list(teams)),
        "changed_at": now,
    }  # fmt: skip
    theirs = sa.and_(accounts.c.issuer == issuer, accounts.c.subject == subject)
    with state.writing() as connection:
        row = connection.execute(sa.select(accounts).where(theirs)).one_or_none()
        if row is not None and not row.is_open:
            raise NotPermitted("Your account was closed here. Ask whoever looks after the service.")
        if row is not None:
            connection.execute(accounts.update().where(theirs).values(told))
        else:
            taken = connection.scalar(sa.select(sa.func.count()).where(accounts.c.name == name))
            name = f"{name}-{_digest(issuer + subject)[:12]}" if taken else name
            new = {"name": name, "issuer": issuer, "subject": subject, "is_open": True, "created_at": now}
            connection.execute(accounts.insert().values(told | new))
        return _account(connection.execute(sa.select(accounts).where(theirs)).one())


def make_key(state: State, name: str, label: str, *, ends_at: datetime | None = None) -> str:
    """Make a key with which a program asks as an account, and give it: it is kept nowhere else."""
    account = named(state, name)
    key = KEY_STARTS + secrets.token_urlsafe(32)
    with state.writing() as connection:
        connection.execute(keys.insert().values(
            key_hash=_digest(key), account_id=account.account_id, label=label, made_at=datetime.now(UTC),
            ends_at=ends_at,
        ))  # fmt: skip
    return key


def by_key(state: State, key: str) -> Account | None:
    """Give the open account that a key asks as, if the key still holds."""
    with state.reading() as connection:
        row = connection.execute(
            sa.select(accounts, keys.c.ends_at)
            .join(keys, keys.c.account_id == accounts.c.account_id)
            .where(keys.c.key_hash == _digest(key), accounts.c.is_open)
        ).one_or_none()
    if row is None or (row.ends_at is not None and row.ends_at < datetime.now(UTC)):
        return None
    return _account(row)


def password_problems(password: str, name: str) -> list[str]:
    """Say what is wrong with a password; it is never shown."""
    problems = []
    if len(password) < SHORTEST_PASSWORD:
        problems.append(f"The password has fewer than {SHORTEST_PASSWORD} characters. Three words in a row are good.")
    if len(password) > LONGEST_PASSWORD:
        problems.append(f"The password has more than {LONGEST_PASSWORD} characters.")
    if len(set(password)) < 5 and password:
        problems.append("The password repeats the same few characters. Three words in a row are good.")
    if name and name.lower() in password.lower():
        problems.append("The password holds the account's name. Choose one that does not.")
    return problems


def _problems(name: str, role: str, teams: Sequence[str]) -> list[str]:
    problems = []
    if not _NAME.fullmatch(name):
        problems.append("A name has 1 to 100 letters, digits, dots, dashes, underlines or @, and begins with no sign.")
    roles = get_args(Role)
    if role not in roles:
        problems.append(f"There is no role '{role}'. {one_of(roles)} was expected.{did_you_mean(role, roles)}")
    wrong = [each for each in teams if "/" not in each]
    if wrong:
        problems.append(f"'{wrong[0]}' is not a team; one such as R-D2/C was expected: the pool, and its team.")
    return problems


def _insist_on_patience(state: State, marks: tuple[str, str], now: datetime) -> None:
    for mark, most in zip(marks, (WRONG_FOR_AN_ACCOUNT, WRONG_FROM_AN_ADDRESS), strict=True):
        with state.reading() as connection:
            lately = connection.execute(
                sa.select(attempts.c.at)
                .where(attempts.c.who == mark, attempts.c.at >= now - WINDOW)
                .order_by(attempts.c.at.desc())
                .limit(most)
            ).scalars().all()  # fmt: skip
        if len(lately) == most:
            minutes = -(-int((lately[-1] + WINDOW - now).total_seconds()) // 60)
            raise TryAgain(f"Too many wrong attempts. Wait {max(minutes, 1)} minutes, then sign in again.")


def _mark(words: str) -> str:
    # What somebody typed for a name may have been a password, so that it is not kept as it was typed.
    return hashlib.sha256(words.encode()).hexdigest()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _hash(password: str) -> str:
    with _in_turn():
        return _hasher.hash(password)


@contextmanager
def _in_turn() -> Iterator[None]:
    if not _AT_ONCE.acquire(timeout=_LONGEST_WAIT_SECONDS):
        raise TryAgain("Too many people sign in at this moment. Wait a few seconds, then try again.")
    try:
        yield
    finally:
        _AT_ONCE.release()


def _verify(hashed: str, password: str) -> bool:
    try:
        with _in_turn():
            return _hasher.verify(hashed, password[: LONGEST_PASSWORD + 1])
    except (VerificationError, InvalidHashError):
        return False
