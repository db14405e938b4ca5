"""What a control room's system sends, kept from the moment it is answered until it is imported; and what is made of it.

A sender gives each request a key of its own. The same key with the same content is the same request, sent again because
its answer was lost: it gets that answer and changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bluelamp.errors import UsageError
from bluelamp.state import State
from bluelamp.state._tables import arrivals, published

# For so long a request that is sent again is known; nobody's system tries for longer.
KNOWN_FOR = timedelta(days=7)
# A statement takes no more numbers than a database lets it; after an outage hundreds of thousands may wait.
_NUMBERS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Arrival:
    """One request that was taken: rows for a table, as JSON."""

    arrival_id: int
    table_name: str
    content: str
    came_at: datetime


@dataclass(frozen=True)
class Published:
    """What was last made under a name: its number, when, a few words about it, and its content."""

    sequence: int
    made_at: datetime
    about: dict[str, Any]
    content: bytes


def known_answer(state: State, who: str, sender_key: str, content: str) -> dict[str, Any] | None:
    """Give the answer that a request got before, if it came before.

    Raises UsageError where the sender used the key for another content.
    """
    with state.reading() as connection:
        row = connection.execute(
            sa.select(arrivals.c.arrival_id, arrivals.c.content_sha256, arrivals.c.answer).where(
                arrivals.c.who == who, arrivals.c.sender_key == sender_key
            )
        ).one_or_none()
    if row is None:
        return None
    if row.content_sha256 != _sha256(content):
        raise UsageError(
            "This Idempotency-Key came before with another content. Every request needs a key of its own, and only one "
            "that is sent again keeps it. Nothing of it was taken."
        )
    return {**json.loads(row.answer), "arrival": row.arrival_id}


def take(
    state: State,
    who: str,
    sender_key: str,
    table_name: str,
    content: str,
    answer: Mapping[str, Any],
    *,
    keep: str,
) -> tuple[dict[str, Any], bool]:
    """Keep of a request with this content what was read of it, and give its answer and whether it is new.

    The answer says the number under which it is kept, too. Of two that come at once, one is. Raises UsageError where
    the sender used the key for another content.
    """
    values = {
        "who": who, "sender_key": sender_key, "content_sha256": _sha256(content), "table_name": table_name,
        "content": keep, "answer": json.dumps(answer), "came_at": datetime.now(UTC),
    }  # fmt: skip
    try:
        with state.writing() as connection:
            number = connection.scalar(arrivals.insert().values(values).returning(arrivals.c.arrival_id))
    except sa.exc.IntegrityError:
        known = known_answer(state, who, sender_key, content)
        assert known is not None
        return known, False
    return {**answer, "arrival": number}, True


def waiting(state: State) -> list[int]:
    """List the requests that are not imported yet, in the order in which they came."""
    with state.reading() as connection:
        return list(
            connection.scalars(
                sa.select(arrivals.c.arrival_id).where(arrivals.c.batch_id.is_(None)).order_by(arrivals.c.arrival_id)
            )
        )


def read(state: State, numbers: Collection[int]) -> list[Arrival]:
    """Give requests by their numbers, in order."""
    columns = arrivals.c.arrival_id, arrivals.c.table_name, arrivals.c.content, arrivals.c.came_at
    with state.reading() as connection:
        return [
            Arrival(*row)
            for some in _some_at_once(sorted(numbers))
            for row in connection.execute(
                sa.select(*columns).where(arrivals.c.arrival_id.in_(some)).order_by(arrivals.c.arrival_id)
            )
        ]


def imported(state: State, numbers: Sequence[int], batch_id: str) -> None:
    """Say that requests were imported: their content is in the store from now on, and no longer here."""
    with state.writing() as connection:
        for some in _some_at_once(numbers):
            these = arrivals.c.arrival_id.in_(some)
            connection.execute(arrivals.update().where(these).values(batch_id=batch_id, content=""))
        connection.execute(
            arrivals.delete().where(
                arrivals.c.batch_id.is_not(None), arrivals.c.came_at < datetime.now(UTC) - KNOWN_FOR
            )
        )


def publish(state: State, name: str, content: bytes, about: Mapping[str, Any]) -> int:
    """Put something in the place of what was published under a name, for every worker to see, and give its number."""
    values = {"made_at": datetime.now(UTC), "about": json.dumps(about, default=str), "content": content}
    with state.writing() as connection:
        before = connection.scalar(sa.select(published.c.sequence).where(published.c.name == name))
        if before is None:
            connection.execute(published.insert().values(name=name, sequence=1, **values))
            return 1
        later = published.update().where(published.c.name == name)
        connection.execute(later.values(sequence=published.c.sequence + 1, **values))
        return int(before) + 1


def latest(state: State, name: str, *, after: int = 0) -> Published | None:
    """Give what was last published under a name, if it is newer than the number that the caller knows."""
    with state.reading() as connection:
        row = connection.execute(
            sa.select(published.c.sequence, published.c.made_at, published.c.about, published.c.content).where(
                published.c.name == name, published.c.sequence > after
            )
        ).one_or_none()
    return None if row is None else Published(row.sequence, row.made_at, json.loads(row.about), row.content)


def _some_at_once(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(numbers), _NUMBERS_AT_ONCE):
        yield numbers[first : first + _NUMBERS_AT_ONCE]


def _sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
