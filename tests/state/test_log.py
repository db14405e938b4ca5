"""The log: entries in order, none changed, none cut off; every tampering is found."""

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from bluelamp.errors import BadData, InputOutputError, NoInput
from bluelamp.state import log
from bluelamp.state._tables import log as kept

FIRST = datetime(2026, 11, 23, 7, tzinfo=UTC)


def happened(number, **other):
    values = {
        "who": f"person{number % 3}", "role": "planner", "operation": "consultation",
        "subject": f"/tables/duties?day={number}", "detail": {"rows": number, "name": "Überfall"},
        "at": FIRST + timedelta(minutes=number),
    } | other  # fmt: skip
    return log.Happened(**values)


def write(state, entries):
    log.append(state, [happened(number) for number in range(entries)])


def tamper(state, statement):
    """Do what the database itself refuses, as somebody who owns it could."""
    with state.writing() as connection:
        if state.is_postgresql:
            connection.exec_driver_sql("ALTER TABLE log DISABLE TRIGGER ALL")
        else:
            for verb in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS log_refuses_{verb}")
        connection.execute(statement)


def test_what_was_logged_is_read_back_the_newest_first(state):
    write(state, 5)
    found = log.entries(state)
    assert [each.sequence for each in found] == [5, 4, 3, 2, 1]
    assert found[0].at == "2026-11-23T07:04:00.000000+00:00"
    assert found[0].detail == '{"name": "Überfall", "rows": 4}'
    assert [each.sequence for each in log.entries(state, who="person1")] == [5, 2]
    assert [each.sequence for each in log.entries(state, before=4, most=2)] == [3, 2]
    assert [each.sequence for each in log.entries(state, since=FIRST + timedelta(minutes=3))] == [5, 4]
    assert log.entries(state, operation="erasure") == []


def test_a_log_that_nobody_touched_holds(state):
    write(state, 50)
    head = log.head_of(state)
    write(state, 50)
    verdict = log.verify(state, [head, log.head_of(state)])
    assert verdict.holds
    assert (verdict.entries, verdict.heads) == (100, 2)


def test_the_database_itself_refuses_to_change_the_log(state):
    write(state, 3)
    for statement in (kept.update().values(who="x"), kept.delete()):
        with pytest.raises((InputOutputError, sa.exc.DBAPIError)), state.writing() as connection:
            connection.execute(statement)
    assert log.verify(state).entries == 3


@pytest.mark.parametrize("field", ["at", "who", "role", "operation", "subject", "detail", "previous", "seal"])
def test_a_change_of_any_field_is_found(state, field):
    write(state, 9)
    tamper(state, kept.update().where(kept.c.sequence == 5).values({field: "0" * 64 if field == "seal" else "x"}))
    verdict = log.verify(state)
    assert any("5" in problem for problem in verdict.problems)


def test_an_entry_that_is_taken_out_is_found(state):
    write(state, 9)
    tamper(state, kept.delete().where(kept.c.sequence == 5))
    assert log.verify(state).problems[0] == "Entry 5 is missing: entry 6 follows entry 4."


def test_a_cut_end_is_found_by_the_head_that_was_kept_elsewhere_and_by_it_alone(state):
    write(state, 9)
    head = log.head_of(state)
    tamper(state, kept.delete().where(kept.c.sequence > 6))
    assert log.verify(state).holds
    (told,) = log.verify(state, [head]).problems
    assert "ends at entry 6" in told
    assert "saw entry 9" in told


def test_a_log_written_anew_from_some_entry_on_is_found_by_the_head(state):
    write(state, 9)
    head = log.head_of(state)
    tamper(state, kept.delete().where(kept.c.sequence > 4))
    log.append(state, [happened(number, who="somebody else") for number in range(5)])
    assert log.verify(state).holds
    assert "written anew" in log.verify(state, [head]).problems[0]


def test_an_emptied_log_is_found(state):
    write(state, 4)
    head = log.head_of(state)
    tamper(state, kept.delete())
    assert "ends at entry 0" in log.verify(state, [head]).problems[0]


def test_many_writers_at_once_make_one_chain(state):
    writers = [
        threading.Thread(target=lambda: [log.append(state, [happened(each)]) for each in range(20)]) for _ in range(5)
    ]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    verdict = log.verify(state)
    assert verdict.holds
    assert verdict.entries == 100


def test_a_head_is_a_line_that_is_read_back(state):
    with pytest.raises(NoInput):
        log.head_of(state)
    write(state, 2)
    head = log.head_of(state)
    assert log.read_heads(head.line() + "\n\n", "heads.jsonl") == [head]
    with pytest.raises(BadData) as error:
        log.read_heads(f"{head.line()}\nno\n[]\n", "heads.jsonl")
    assert len(error.value.problems) == 2


def tamper_at_random(state, entries, chance):
    """Do one thing to a log that a thief might; say what."""
    row, other = chance.sample(range(1, entries + 1), 2)
    way = chance.choice(["field", "delete", "cut", "swap", "insert"])
    if way == "field":
        field = chance.choice(["at", "who", "role", "operation", "subject", "detail", "previous", "seal"])
        with state.reading() as connection:
            value = connection.scalar(sa.select(kept.c[field]).where(kept.c.sequence == row))
        place = chance.randrange(len(value))
        changed = value[:place] + chr((ord(value[place]) - 31) % 95 + 32) + value[place + 1 :]
        tamper(state, kept.update().where(kept.c.sequence == row).values({field: changed}))
    elif way == "delete":
        tamper(state, kept.delete().where(kept.c.sequence == row))
    elif way == "cut":
        tamper(state, kept.delete().where(kept.c.sequence >= row))
    elif way == "swap":
        for before, after in ((row, -1), (other, row), (-1, other)):
            tamper(state, kept.update().where(kept.c.sequence == before).values(sequence=after))
    else:
        tamper(state, kept.delete().where(kept.c.sequence >= row))
        log.append(state, [happened(each, who="a thief") for each in range(entries - row + 1)])
    return way, row


def find_tampering(state, entries, times, seed):
    """Tamper so many times with a log, each time whole again before; say which were not found."""
    chance = random.Random(seed)
    write(state, entries)
    with state.reading() as connection:
        whole = [row._asdict() for row in connection.execute(sa.select(kept).order_by(kept.c.sequence))]
    head = log.head_of(state)
    missed = []
    for _ in range(times):
        done = tamper_at_random(state, entries, chance)
        if log.verify(state, [head]).holds:
            missed.append(done)
        tamper(state, kept.delete())
        with state.writing() as connection:
            connection.execute(kept.insert(), whole)
        assert log.verify(state, [head]).holds
    return missed


def test_tampering_of_any_kind_is_found(state):
    assert find_tampering(state, entries=12, times=60, seed=1) == []


@pytest.mark.soak
def test_ten_thousand_tamperings_are_all_found(tmp_path):
    from bluelamp.state import open_state

    opened = open_state(tmp_path)
    with opened.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER log_refuses_update")
        connection.exec_driver_sql("DROP TRIGGER log_refuses_delete")
    assert find_tampering(opened, entries=12, times=10_000, seed=2) == []
