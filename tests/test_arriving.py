"""Events as they happen: taken once, put together in any order, seen at once, and imported without loss."""

import itertools
import json
import random
import threading
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
import sqlalchemy as sa

from bluelamp import arriving, tables
from bluelamp.arriving import Arriving
from bluelamp.errors import BadData, TryAgain, UsageError
from bluelamp.state import arrivals
from bluelamp.state._tables import arrivals as kept
from bluelamp.store import Store

NOW = datetime.now(UTC).replace(microsecond=0)
KEYS = (f"key {number}" for number in itertools.count())


@pytest.fixture
def force(tmp_path):
    (tmp_path / "force.toml").write_text('[force]\nid = "LV"\nname = "Lantern"\ntime_zone = "Europe/London"\n')
    return tmp_path


def at(minutes):
    return (NOW + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def created(log, minutes=-60, **other):
    return {
        "incident_id": log, "received_at": at(minutes), "class_code": "theft", "origin": "public", "grade_code": "2",
        "area_id": "B01", "status": "open", "updated_at": at(minutes),
    } | other  # fmt: skip


def send(state, *events, name="incidents", key=None, who="cad"):
    return arriving.accept(state, who, key or next(KEYS), name, json.dumps(events).encode())


def stored(force, *rows):
    frame = pl.DataFrame(
        [dict.fromkeys(tables.table("incidents").columns) | row for row in rows],
        schema=tables.empty("incidents").schema,
    )
    with Store(force).writing("incidents", source_name="extract") as writer:
        writer.add(frame)


def seen(force, state, log="L1"):
    """What a log looks like with what came laid over the store."""
    arrived = Arriving(force, state)
    arrived.look()
    rows = arrived.snapshot().read("incidents", where=pl.col("incident_id") == log)
    return None if rows.is_empty() else rows.row(0, named=True)


LIFE = [
    created("L1", -60),
    {"incident_id": "L1", "updated_at": at(-58), "grade_code": "1"},
    {"incident_id": "L1", "updated_at": at(-55), "dispatched_at": at(-55), "units": 1},
    {"incident_id": "L1", "updated_at": at(-50), "arrived_at": at(-50)},
    {"incident_id": "L1", "updated_at": at(-20), "cleared_at": at(-20)},
    {"incident_id": "L1", "updated_at": at(-10), "closed_at": at(-10), "status": "closed", "closing_code": "NFA"},
]


def insist_on_its_end(row):
    assert row["grade_code"] == "1"
    assert row["status"] == "closed"
    assert row["units"] == 1
    assert row["received_at"] == NOW - timedelta(minutes=60)
    assert row["closed_at"] == NOW - timedelta(minutes=10)
    assert row["updated_at"] == NOW - timedelta(minutes=10)


def test_a_log_that_came_is_seen_before_it_is_imported(force, state):
    send(state, created("L1"))
    assert seen(force, state)["grade_code"] == "2"
    assert Store(force).read("incidents").is_empty()


@pytest.mark.parametrize("seed", range(6))
def test_events_make_the_same_log_in_whatever_order_and_however_often_they_come(force, state, seed):
    events = LIFE + random.Random(seed).choices(LIFE, k=4)
    random.Random(seed).shuffle(events)
    for event in events:
        send(state, event)
    insist_on_its_end(seen(force, state))


def test_an_event_changes_what_an_extract_brought_and_leaves_the_rest_as_it_is(force, state):
    stored(force, {
        "incident_id": "L1", "received_at": NOW - timedelta(hours=2), "class_code": "burglary", "origin": "public",
        "grade_code": "2", "updated_at": NOW - timedelta(hours=1), "opening_code": "BUR",
    })  # fmt: skip
    send(state, {"incident_id": "L1", "grade_code": "1", "updated_at": at(-30)})
    row = seen(force, state)
    assert (row["grade_code"], row["opening_code"], row["class_code"]) == ("1", "BUR", "burglary")


def test_an_event_from_before_what_an_extract_brought_changes_only_what_that_does_not_say(force, state):
    stored(force, {
        "incident_id": "L1", "received_at": NOW - timedelta(hours=2), "class_code": "burglary", "origin": "public",
        "grade_code": "1", "updated_at": NOW - timedelta(minutes=30),
    })  # fmt: skip
    send(state, {"incident_id": "L1", "grade_code": "3", "units": 2, "updated_at": at(-90)})
    row = seen(force, state)
    assert (row["grade_code"], row["units"]) == ("1", 2)


def test_an_event_may_empty_a_field(force, state):
    send(state, created("L1", area_id="B01"), {"incident_id": "L1", "area_id": None, "updated_at": at(-1)})
    assert seen(force, state)["area_id"] is None


def test_a_request_that_is_sent_again_gets_its_answer_and_changes_nothing(state):
    first = send(state, created("L1"), key="one")
    again = send(state, created("L1"), key="one")
    assert first == ({"table": "incidents", "events_taken": 1, "arrival": 1}, True)
    assert again == (first[0], False)
    assert len(arrivals.waiting(state)) == 1
    with pytest.raises(UsageError, match="another content"):
        send(state, created("L2"), key="one")
    assert send(state, created("L2"), key="one", who="another system")[1]


def test_of_the_same_request_sent_twice_at_once_one_is_taken(state):
    answers = []
    both = [threading.Thread(target=lambda: answers.append(send(state, created("L1"), key="one"))) for _ in range(4)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert sorted(is_new for _, is_new in answers) == [False, False, False, True]
    assert len(arrivals.waiting(state)) == 1


def test_what_came_is_imported_whole_and_taken_from_here(force, state):
    for event in LIFE:
        send(state, event)
    send(state, {"unit_id": "U1", "status_at": at(-55), "status": "en_route", "incident_id": "L1"}, name="unit_status")
    arrived = Arriving(force, state)
    assert arrived.look()
    assert (arrived.events, len(arrived.store_away())) == (7, 3)
    assert arrived.events == 0
    insist_on_its_end(Store(force).read("incidents").row(0, named=True))
    assert Store(force).read("unit_status")["status"].to_list() == ["en_route"]
    assert arrivals.waiting(state) == []
    with state.reading() as connection:
        from bluelamp.state._tables import arrivals as kept

        assert set(connection.scalars(kept.select().with_only_columns(kept.c.content))) == {""}
    # A sender who did not hear of it may still ask again.
    assert not arrived.look()


def test_killed_between_the_import_and_its_note_nothing_is_lost_or_doubled(force, state, monkeypatch):
    send(state, created("L1"))
    arrived = Arriving(force, state)
    arrived.look()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(arrivals, "imported", killed)
        with pytest.raises(KeyboardInterrupt):
            arrived.store_away()
    assert Store(force).read("incidents").height == 1
    after = Arriving(force, state)
    after.look()
    after.store_away()
    for name in ("incidents", "grade_history"):
        batches = Store(force).batches().filter(table_name=name)
        assert batches["rows_accepted"].to_list() == [1, 0]
        assert batches["rows_unchanged"].to_list() == [0, 1]
    assert Store(force).read("grade_history")["step"].to_list() == ["opening"]


def test_while_another_import_runs_what_came_waits(force, state):
    send(state, created("L1"))
    arrived = Arriving(force, state)
    arrived.look()
    with Store(force).writing("incidents", source_name="other") as writer:
        writer.let_go()
        with pytest.raises(TryAgain):
            arrived.store_away()
    assert arrived.events == 1
    assert len(arrived.store_away()) == 2


def test_each_grade_that_a_log_had_is_kept_and_one_that_is_said_again_is_no_other(force, state):
    stored(
        force,
        {
            **created("L9", -200),
            "received_at": NOW - timedelta(minutes=200),
            "updated_at": NOW - timedelta(minutes=200),
        },
    )
    send(state, created("L1"), {"incident_id": "L1", "updated_at": at(-20), "grade_code": "1"})
    send(state, {"incident_id": "L1", "updated_at": at(-40), "grade_code": "3"})
    send(state, {"incident_id": "L1", "updated_at": at(-10), "grade_code": "1", "status": "closed"})
    send(state, {"incident_id": "L9", "updated_at": at(-5), "grade_code": "2"})
    send(state, {"incident_id": "L9", "updated_at": at(-4), "grade_code": "1"})
    arrived = Arriving(force, state)
    arrived.look()
    arrived.store_away()
    rows = Store(force).read("grade_history").sort("incident_id", "graded_at")
    assert rows.select("incident_id", "grade_code", "step").rows() == [
        ("L1", "2", "opening"), ("L1", "3", None), ("L1", "1", None), ("L9", "1", None),
    ]  # fmt: skip
    assert rows["graded_at"].to_list() == [NOW + timedelta(minutes=each) for each in (-60, -40, -20, -4)]
    assert Store(force).read("incidents", where=pl.col("incident_id") == "L1")["grade_code"].to_list() == ["1"]


def test_an_event_waits_for_its_log_and_is_set_aside_where_none_comes(force, state):
    send(state, {"incident_id": "L9", "grade_code": "1", "updated_at": at(-5)}, key="early")
    send(state, created("L1"))
    arrived = Arriving(force, state)
    arrived.look()
    arrived.store_away()
    assert arrived.events == 1
    with state.writing() as connection:
        connection.execute(kept.update().values(came_at=datetime.now(UTC) - timedelta(hours=25)))
    later = Arriving(force, state)
    later.look()
    later.store_away()
    aside = Store(force).quarantined("incidents")
    assert aside["reason"][0].startswith("An event spoke of a log that did not come within a day")
    assert json.loads(aside["raw_row"][0])["incident_id"] == "L9"
    assert later.events == 0


def test_an_event_that_waits_for_its_log_does_not_make_each_that_comes_meanwhile_a_batch_of_its_own(force, state):
    arrived, longest = Arriving(force, state), timedelta(minutes=5)

    def is_due():
        arrived.look()
        return arrived.is_due(longest, 100)

    send(state, {"incident_id": "L9", "grade_code": "1", "updated_at": at(-5)})
    assert not is_due()
    age(state, minutes=6)
    arrived = Arriving(force, state)
    assert is_due()
    assert arrived.store_away() == []
    assert not is_due(), "what waits for its log alone is not due again and again"
    send(state, created("L1"))
    assert not is_due(), "what came just now may wait its five minutes"
    age(state, minutes=6)
    arrived = Arriving(force, state)
    assert is_due()
    assert len(arrived.store_away()) == 2
    age(state, minutes=25 * 60)
    arrived = Arriving(force, state)
    assert is_due(), "a day after it came it is set aside"


def test_many_events_are_due_at_once_and_those_that_wait_for_their_log_do_not_count(force, state):
    send(state, *({"incident_id": f"L{each}", "grade_code": "1", "updated_at": at(-5)} for each in range(9)))
    arrived = Arriving(force, state)
    arrived.look()
    assert arrived.is_due(timedelta(minutes=5), 9)
    arrived.store_away()
    assert not arrived.is_due(timedelta(minutes=5), 9)
    assert arrived.events == 9


def age(state, minutes):
    """Let what came have come earlier."""
    with state.writing() as connection:
        for row in connection.execute(sa.select(kept.c.arrival_id, kept.c.came_at)).all():
            this = kept.update().where(kept.c.arrival_id == row.arrival_id)
            connection.execute(this.values(came_at=row.came_at - timedelta(minutes=minutes)))


def test_after_a_long_outage_more_wait_than_a_statement_takes_numbers(state):
    values = {"who": "cad", "content_sha256": "", "table_name": "incidents", "content": "[]", "answer": "{}",
              "came_at": NOW}  # fmt: skip
    with state.writing() as connection:
        connection.execute(kept.insert(), [values | {"sender_key": str(each)} for each in range(70_000)])
    numbers = arrivals.waiting(state)
    assert [each.arrival_id for each in arrivals.read(state, numbers)] == numbers
    arrivals.imported(state, numbers, "b000001-0")
    assert arrivals.waiting(state) == []


def test_each_import_is_noted_before_it_is_forgotten_what_came(force, state):
    send(state, created("L1"))
    arrived = Arriving(force, state)
    arrived.look()

    def fail(batch_id):
        raise TryAgain("The database is away.")

    with pytest.raises(TryAgain):
        arrived.store_away(fail)
    noted = []
    done = arrived.store_away(noted.append)
    assert noted == done
    assert Store(force).batches("incidents")["batch_id"].to_list()[-1] in noted
    assert Store(force).read("incidents").filter(incident_id="L1").height == 1


def test_an_erased_log_does_not_come_back(force, state):
    stored(force, {
        "incident_id": "L1", "received_at": NOW - timedelta(hours=2), "class_code": "burglary", "origin": "public",
    })  # fmt: skip
    Store(force).erase("incident", "L1")
    send(state, created("L1"))
    arrived = Arriving(force, state)
    arrived.look()
    arrived.store_away()
    assert Store(force).read("incidents").is_empty()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Nothing was sent"),
        (b"{", "can't be read"),
        (b"[]", "Nothing was sent"),
        (b"[1]", "Event 1 is no JSON object"),
        (b'"x"', "Event 1 is no JSON object"),
        (b"[" + b",".join([b"{}"] * 2001) + b"]", "more than one request may hold"),
        (b'{"incident_id": ""}', "'incident_id' is missing"),
        (b'{"incident_id": "L1", "grade": "1"}', "Did you mean 'grade_code'?"),
        (b'{"incident_id": "L1", "received_at": "yesterday"}', "can't be read"),
        (b'{"incident_id": "L1", "received_at": "2026-11-23T18:00:00"}', "received_at"),
        (b'{"incident_id": "L1", "origin": "nobody"}', "which is not known"),
        (b'{"incident_id": "L1", "units": -1}', "too small"),
        (b'{"incident_id": "L1", "closed_at": "2999-01-01T00:00:00Z"}', "lies ahead of this machine's clock"),
        (b'{"incident_id": "L1", "caller_token": "07700900123"}', "is no field of it"),
        (b"\xff\xfe", "can't be read"),
    ],
)
def test_what_can_not_be_taken_gets_sentences_and_nothing_of_it_is_taken(state, body, words):
    with pytest.raises(BadData) as error:
        arriving.accept(state, "cad", next(KEYS), "incidents", body)
    assert words in str(error.value)
    assert "07700900123" not in str(error.value)
    assert arrivals.waiting(state) == []


def test_everything_that_is_wrong_is_told_at_once(state):
    with pytest.raises(BadData) as error:
        send(state, created("L1", units=-1, origin="x"), {"grade_code": "1"}, created("L3", statsu="open"))
    assert len(error.value.problems) == 4


def test_lines_of_json_are_taken_too(state):
    body = "\n".join(json.dumps(event) for event in LIFE[:3]).encode()
    assert arriving.accept(state, "cad", next(KEYS), "incidents", body)[0]["events_taken"] == 3


def test_what_is_published_is_seen_once_by_whoever_knows_the_last_number(state):
    assert arrivals.latest(state, "now") is None
    assert arrivals.publish(state, "now", b"a", {"x": 1}) == 1
    assert arrivals.publish(state, "now", b"b", {"x": 2}) == 2
    found = arrivals.latest(state, "now", after=1)
    assert (found.sequence, found.content, found.about) == (2, b"b", {"x": 2})
    assert arrivals.latest(state, "now", after=2) is None
