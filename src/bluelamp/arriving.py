"""Incidents as they happen: events that a control room's system sends, put together, seen at once, and imported later.

An event says what it knows: a new log, another grade, a status, a merge, a closure. Fields that it leaves out stay as
they were, so that events may come out of order, twice, or before the log that they speak of. They are laid over the
store (`Store.snapshot`) as soon as they come, and imported as one batch every few minutes, because a store of a batch a
second would soon be all batches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from bluelamp import tables
from bluelamp.errors import BadData, count_of, did_you_mean
from bluelamp.state import State, arrivals
from bluelamp.store import Store

# Tables that events are of. A status of a unit is whole in itself; an incident is put together from its events.
TABLES = ("incidents", "unit_status")
_GRADES = "grade_history"
# Tokens are made at the door of an import from what only the source knows, and repairs are ours to note.
_NOT_TAKEN = ("caller_token", "place_token", "repairs")
MOST_EVENTS = 2_000
_CLOCKS_DIFFER = timedelta(minutes=10)
_PROBLEMS_TOLD = 50
# An event whose log has not come after so long is of none that ever will.
_ORPHANED_AFTER = timedelta(hours=24)


@dataclass(frozen=True)
class _Event:
    """What one event said: values by field, of those that it gave."""

    arrival_id: int
    came_at: datetime
    given: Mapping[str, Any]


def read_events(body: bytes, name: str, now: datetime) -> list[dict[str, Any]]:
    """Read what was sent for a table: a JSON object, a list of them, or an object a line; give what each said.

    Raises BadData with everything that is wrong with it; nothing of it is then taken.
    """
    rows = _objects(body)
    definition = tables.table(name)
    known = [each for each in definition.columns if each not in _NOT_TAKEN]
    problems = []
    for number, row in enumerate(rows, 1):
        strange = [each for each in row if each not in known]
        problems += [f"Event {number}: '{each}' is no field of it.{did_you_mean(each, known)}" for each in strange]
        problems += [
            f"Event {number}: '{each}' is missing. It holds: {definition.by_name[each].description}."
            for each in definition.key
            if definition.by_name[each].required and row.get(each) in (None, "")
        ]
    texts = pl.DataFrame(
        {each: [_text(row.get(each)) for row in rows] for each in known}, schema=dict.fromkeys(known, pl.String)
    )
    typed, unreadable = tables.parse(texts, name)
    faults = tables.faults(typed, name)
    for fault in pl.concat([unreadable, faults]).iter_rows(named=True):
        # What an event leaves out, another may have said; that a log is told of twice is why there are events.
        if fault["reason_code"] != "repeated_key" and (
            fault["reason_code"] != "missing" or (name != "incidents" and fault["field"] not in definition.key)
        ):
            problems.append(f"Event {fault['row'] + 1}: {fault['reason']}")
    instants = [each for each in known if definition.by_name[each].type == "datetime"]
    for number, row in enumerate(typed.select(instants).iter_rows(named=True), 1):
        problems += [
            f"Event {number}: '{each}' lies ahead of this machine's clock. Compare the two clocks."
            for each, at in row.items()
            if at is not None and at > now + _CLOCKS_DIFFER
        ]
    if problems:
        more = f" (the first {_PROBLEMS_TOLD})" if len(problems) > _PROBLEMS_TOLD else ""
        raise BadData(
            f"Nothing of these {count_of(len(rows), 'event')} was taken. {count_of(len(problems), 'thing')} to put "
            f"right{more}:",
            problems[:_PROBLEMS_TOLD],
        )
    return [
        {field: value for field, value in whole.items() if field in row}
        for row, whole in zip(rows, typed.iter_rows(named=True), strict=True)
    ]


def accept(state: State, who: str, sender_key: str, name: str, body: bytes) -> tuple[dict[str, Any], bool]:
    """Take what was sent, and give the answer and whether it is new; what came before gets its answer again.

    Kept before it is answered. Raises BadData with everything that is wrong, UsageError for a key of other content.
    """
    text = body.decode("utf-8", "replace")
    known = arrivals.known_answer(state, who, sender_key, text)
    if known is not None:
        return known, False
    events = read_events(body, name, datetime.now(UTC))
    content = orjson.dumps(events).decode()
    answer = {"table": name, "events_taken": len(events)}
    # The fingerprint is of what was sent, and what is kept of it is what was read.
    return arrivals.take(state, who, sender_key, name, text, answer, keep=content)


class Arriving:
    """What came and is not imported yet, of one force. One process holds one; its methods are called by one thread."""

    def __init__(self, folder: Path | str, state: State) -> None:
        self.state = state
        self._store = Store(folder)
        self._read: dict[int, arrivals.Arrival] = {}
        self._sizes: dict[int, int] = {}  # how many events each of them has
        self._left: set[int] = set()  # those that waited on at the last import, for a log that has not come
        self.latest = 0  # the number of the latest request that was looked at

    def look(self) -> bool:
        """Read what came, and forget what was imported; say whether anything differs from the last look."""
        waiting = arrivals.waiting(self.state)
        new = [number for number in waiting if number not in self._read]
        gone = self._read.keys() - set(waiting)
        for number in gone:
            self._forget(number)
        for each in arrivals.read(self.state, new):
            self._read[each.arrival_id] = each
            self._sizes[each.arrival_id] = len(json.loads(each.content))
        self.latest = max(self.latest, *waiting, 0)
        return bool(new or gone)

    @property
    def events(self) -> int:
        """How many events wait to be imported."""
        return sum(self._sizes.values())

    def is_due(self, longest: timedelta, most: int) -> bool:
        """Say whether something has waited for so long, or so many events wait, that they are to be imported.

        What waits on for its log is due with the others, or a day after it came: else each event that comes meanwhile
        would be a batch of its own.
        """
        now = datetime.now(UTC)
        if any(now - self._read[number].came_at >= _ORPHANED_AFTER for number in self._left):
            return True
        fresh = self._read.keys() - self._left
        is_long = any(now - self._read[number].came_at >= longest for number in fresh)
        return is_long or sum(self._sizes[number] for number in fresh) >= most

    def _forget(self, number: int) -> None:
        del self._read[number], self._sizes[number]
        self._left.discard(number)

    def beside(self, store: Store) -> dict[str, pl.DataFrame]:
        """Give, by table, the rows that the events make together with what the store holds; whole rows alone."""
        return {name: rows for name, (rows, _) in self._put_together(store).items() if rows.height}

    def snapshot(self) -> Store:
        """Give the store as it is now, with what came laid over it."""
        return self._store.snapshot(self.beside(self._store.snapshot()))

    def store_away(self, note: Callable[[str], None] = lambda batch_id: None) -> list[str]:
        """Import what came, a batch a table, and give the batches' ids; each is noted as soon as it is there.

        Killed in the middle, nothing is lost, doubled or left unnoted: what was imported and is still here is imported
        again at the next call, as unchanged. Raises TryAgain while another import runs.
        """
        store, done = self._store, []
        orphaned_before = datetime.now(UTC) - _ORPHANED_AFTER
        waits_on: set[int] = set()
        for name, (rows, left) in self._put_together(store.snapshot()).items():
            mine = sorted(each.arrival_id for each in self._read.values() if each.table_name == name)
            # Events whose log has not come wait on, with whatever came with them.
            kept = {event.arrival_id for event in left if event.came_at >= orphaned_before}
            waits_on |= kept
            stored = [number for number in mine if number not in kept]
            if not stored:
                continue
            told = f"arrivals {stored[0]} to {stored[-1]}"
            if name == "incidents":
                for batch_id in self._store_gradings(store, set(stored), told):
                    note(batch_id)
                    done.append(batch_id)
            with store.writing(name, source_name=told, map_name="bluelamp") as writer:
                numbers = pl.Series("row_number", range(1, rows.height + 1), dtype=pl.Int64)
                wanted, erased = store.leave_out_erased(name, rows, numbers, told)
                writer.add(wanted)
                aside = _orphans([each for each in left if each.arrival_id not in kept], name, told, rows.height)
                for each in (erased, aside):
                    if each.height:
                        writer.quarantine(each)
            batch_id = str(writer.batch["batch_id"])
            note(batch_id)
            arrivals.imported(self.state, stored, batch_id)
            for number in stored:
                self._forget(number)
            done.append(batch_id)
        self._left = waits_on & self._read.keys()
        return done

    def _store_gradings(self, store: Store, stored: Collection[int], told: str) -> list[str]:
        """Import which grade a log had when: the log itself keeps the last of them alone."""
        events = [event for event in self._events()["incidents"] if event.arrival_id in stored]
        rows = _gradings(events, store.snapshot())
        if rows.is_empty():
            return []
        with store.writing(_GRADES, source_name=told, map_name="bluelamp") as writer:
            numbers = pl.Series("row_number", range(1, rows.height + 1), dtype=pl.Int64)
            wanted, erased = store.leave_out_erased(_GRADES, rows, numbers, told)
            writer.add(wanted)
            if erased.height:
                writer.quarantine(erased)
        return [str(writer.batch["batch_id"])]

    def _put_together(self, store: Store) -> dict[str, tuple[pl.DataFrame, list[_Event]]]:
        """Put events together by table: the rows that are whole, and the events of those that are not."""
        return {name: _fold(events, name, store) for name, events in sorted(self._events().items())}

    def _events(self) -> dict[str, list[_Event]]:
        found: dict[str, list[_Event]] = {}
        for number, each in sorted(self._read.items()):
            parsed = [_Event(number, each.came_at, _typed(row, each.table_name)) for row in json.loads(each.content)]
            found.setdefault(each.table_name, []).extend(parsed)
        return found


def _fold(events: Sequence[_Event], name: str, store: Store) -> tuple[pl.DataFrame, list[_Event]]:
    definition = tables.table(name)
    if name != "incidents":
        rows = [{column: event.given.get(column) for column in definition.columns} for event in events]
        return _frame(rows, name), []
    version = definition.version
    assert version is not None
    by_log = _by_log(events)
    # What is there keeps for an event nothing but its row's fields: who sent a unit, say, stays as it was.
    held = _held(store, by_log)
    rows, left = [], []
    for log, told in by_log.items():
        before = held.get(log)
        layers: list[tuple[datetime | None, int, Mapping[str, Any]]] = [
            (event.given.get(version), number, event.given) for number, event in enumerate(told)
        ]
        if before is not None:
            said = {field: value for field, value in before.items() if value is not None}
            layers.append((before[version], -1, said))
        # As the store has it: a row without a version is older than any that has one, and of equals the last counts.
        layers.sort(key=lambda each: (each[0] is not None, each[0] or datetime.min.replace(tzinfo=UTC), each[1]))
        row: dict[str, Any] = dict.fromkeys(definition.columns)
        for _, _, given in layers:
            row.update(given)
        if any(row[each.name] is None for each in definition.fields if each.required):
            left += told
        else:
            rows.append(row)
    return _frame(rows, name), left


def _by_log(events: Sequence[_Event]) -> dict[str, list[_Event]]:
    found: dict[str, list[_Event]] = {}
    for event in events:
        found.setdefault(event.given["incident_id"], []).append(event)
    return found


def _held(store: Store, logs: Iterable[str]) -> dict[str, dict[str, Any]]:
    rows = store.read("incidents", where=pl.col("incident_id").is_in(list(logs)))
    return {row["incident_id"]: row for row in rows.iter_rows(named=True)}


def _gradings(events: Sequence[_Event], store: Store) -> pl.DataFrame:
    """Give the rows of `grade_history` that events tell of: each change of a log's grade, and the first it had.

    What an event says again is no change, and one that says no time is of none.
    """
    graded = [event for event in events if event.given.get("grade_code") is not None]
    by_log = _by_log(graded)
    held = _held(store, by_log)
    rows = []
    for log, told in by_log.items():
        given = {
            at: (event.given["grade_code"], event.given.get("received_at") == at)
            for event in told
            if (at := event.given.get("updated_at") or event.given.get("received_at")) is not None
        }
        before, known_at = held.get(log, {}), held.get(log, {}).get("updated_at")
        # What is held may have been made by these very events, where an import was cut off before it was noted.
        is_older = known_at is None or known_at < min(given, default=known_at)
        grade = before.get("grade_code") if is_older else None
        for at, (code, is_first) in sorted(given.items()):
            if code != grade:
                step = "opening" if is_first else None
                rows.append({"incident_id": log, "graded_at": at, "grade_code": code, "step": step})
            grade = code
    return _frame(rows, _GRADES)


def _frame(rows: Sequence[Mapping[str, Any]], name: str) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=tables.empty(name).schema, orient="row") if rows else tables.empty(name)


def _orphans(events: Sequence[_Event], name: str, told: str, before: int) -> pl.DataFrame:
    """Give the rows of `quarantine` for events whose log never came."""
    return pl.DataFrame(
        [
            {
                "table_name": name, "file_name": told, "row_number": before + number, "field": "incident_id",
                "reason_code": "missing",
                "reason": "An event spoke of a log that did not come within a day, and said too little to be one.",
                "raw_row": json.dumps(dict(event.given), default=str, sort_keys=True),
            }
            for number, event in enumerate(events, 1)
        ],
        schema=tables.empty("quarantine").schema,
    )  # fmt: skip


def _objects(body: bytes) -> list[dict[str, Any]]:
    said = "a JSON object, a list of them, or an object a line"
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            found = [orjson.loads(line) for line in body.splitlines() if line.strip()]
        except orjson.JSONDecodeError:
            raise BadData(f"What was sent can't be read; {said} was expected.") from None
    rows = found if isinstance(found, list) else [found]
    if not rows:
        raise BadData(f"Nothing was sent; {said} was expected.")
    if len(rows) > MOST_EVENTS:
        raise BadData(f"{len(rows):,} events are more than one request may hold. Send at most {MOST_EVENTS:,} at once.")
    wrong = [number for number, row in enumerate(rows, 1) if not isinstance(row, dict)]
    if wrong:
        raise BadData(f"Event {wrong[0]} is no JSON object; {said} was expected.")
    return rows


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else json.dumps(value)


def _typed(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Read back what was kept of an event: instants were written as text."""
    by_name = tables.table(name).by_name
    return {
        field: datetime.fromisoformat(value) if value is not None and by_name[field].type == "datetime" else value
        for field, value in row.items()
    }
