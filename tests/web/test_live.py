"""Calls that arrive while people look: taken by the API, seen in the next hours, told to open pages."""

import itertools
import json
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta

import httpx
import polars as pl
import pytest

from bluelamp import live, look_ahead, tables
from bluelamp.errors import TryAgain
from bluelamp.live import Keeper
from bluelamp.state import accounts, log
from bluelamp.store import Store
from tests.browser.serving import serving
from tests.databases import state_of
from tests.web.served import HERE, PASSWORD, copied, set_service

KEYS = (f"key {number}" for number in itertools.count())


@pytest.fixture
def force(small_force, tmp_path):
    return copied(small_force, tmp_path / "lantern", is_written=True)


@pytest.fixture
def system(served, state):
    """A control room's system, which asks with a key."""
    client = served[1]()
    client.headers["authorization"] = f"Bearer {accounts.make_key(state, 'source', 'control room')}"
    return client


def send(client, *events, key=None, to="/api/incidents"):
    return client.post(to, content=json.dumps(events), headers={"idempotency-key": key or next(KEYS)})


def calls(force, number, grade="1"):
    """Logs that come in the minutes after the last one that the force knows, in its busiest area."""
    last = read_incidents(force)
    area = last["area_id"].drop_nulls().mode().sort()[0]
    known = last["received_at"].max()
    classes = last.filter(area_id=area)["class_code"].drop_nulls().mode().sort()[0]
    return [
        {
            "incident_id": f"LIVE-{each}", "received_at": (known + timedelta(seconds=each + 1)).isoformat(),
            "class_code": classes, "origin": "public", "grade_code": grade, "area_id": area, "status": "open",
        }
        for each in range(number)
    ]  # fmt: skip


def moved(event, minutes):
    return (datetime.fromisoformat(event["received_at"]) + timedelta(minutes=minutes)).isoformat()


def read_incidents(force):
    return Store(force).read("incidents")


def test_events_are_taken_from_a_system_with_a_key_and_from_nobody_else(served, system, state, force):
    answer = send(system, *calls(force, 2))
    assert (answer.status_code, answer.json()) == (202, {"table": "incidents", "events_taken": 2, "arrival": 1})
    (entry,) = log.entries(state, operation="collection")
    assert (entry.who, entry.subject) == ("source", "POST /api/incidents")
    client = served[1]
    assert send(client(), *calls(force, 1)).status_code == 401
    for role in ("analyst", "administrator", "planner"):
        key = accounts.make_key(state, role, "x")
        other = client()
        other.headers["authorization"] = f"Bearer {key}"
        assert send(other, *calls(force, 1)).status_code == 403
    assert system.get("/tables/coverage.json").status_code == 403, "what sends reads nothing"


def test_a_request_that_is_sent_again_is_taken_once_and_says_so(system, force):
    events = calls(force, 1)
    send(system, *events, key="one")
    again = send(system, *events, key="one")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    other = send(system, *calls(force, 2), key="one")
    assert other.status_code == 400
    assert "another content" in other.json()["detail"]


@pytest.mark.parametrize(
    ("content", "headers", "status", "words"),
    [
        ("[]", {}, 400, "Idempotency-Key is missing"),
        ("[]", {"idempotency-key": "x" * 201}, 400, "longer than 200"),
        ("[]", {"idempotency-key": "x"}, 422, "Nothing was sent"),
        ('{"incident_id": "L1", "units": -1}', {"idempotency-key": "x"}, 422, "Nothing of these 1 event was taken"),
        ("[" + "1," * 2_500_000 + "1]", {"idempotency-key": "x"}, 422, "larger than"),
    ],
)
def test_what_can_not_be_taken_gets_a_problem(system, content, headers, status, words):
    answer = system.post("/api/incidents", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.text


def test_what_came_is_in_the_next_hours_before_it_is_imported(force, system, state):
    keeper = Keeper(force, state, print)
    assert keeper.step()
    before = live.latest(state)
    # Twelve within a few seconds of an hour that the plan did not know, and one so much later that their hour is over.
    later = [each | {"received_at": moved(each, 61)} for each in calls(force, 13)]
    send(system, *later[:12], later[12] | {"received_at": moved(later[12], 61)})
    made = live.latest(state, after=before.sequence)
    deadline = time.monotonic() + 60
    while made is None and time.monotonic() < deadline:
        keeper.step()
        made = live.latest(state, after=before.sequence)

    def waiting(current):
        return current.near.backlog.filter(level="force", is_now=True)["logs_mean"].sum()

    assert (before.events_waiting, made.events_waiting) == (0, 13)
    assert waiting(made) > waiting(before) + 2
    # What the hour that is over tells of the next ones is `look_ahead`'s to say; here they begin where it ended.
    assert made.known_until >= before.known_until + timedelta(hours=1)
    assert read_incidents(force).filter(incident_id="LIVE-0").is_empty()


def test_after_a_while_it_is_imported_and_the_next_hours_say_the_same(force, system, state):
    keeper = Keeper(force, state, print)
    send(system, *calls(force, 3))
    while not keeper.step():
        time.sleep(0.1)
    seen = live.latest(state)
    keeper._arrived.store_away()
    assert read_incidents(force).filter(incident_id="LIVE-2").height == 1
    from bluelamp import near_term

    after = near_term.simulate_next(force, hours=live.HOURS)
    assert after.backlog.equals(seen.near.backlog)
    assert look_ahead.look_ahead(force, live.HOURS).table.equals(seen.next_hours)


def test_what_is_published_reads_back_as_it_was_made(force, state):
    from bluelamp import near_term

    keeper = Keeper(force, state, print)
    keeper.step()
    found, own = live.latest(state), near_term.simulate_next(force, hours=live.HOURS)
    assert found.near.hours.equals(own.hours)
    assert (found.near.at, found.near.sentences, found.near.run_id) == (own.at, own.sentences, own.run_id)
    assert live.latest(state, after=found.sequence) is None


def test_the_figures_for_the_map_are_those_of_the_tables(force, served, state):
    Keeper(force, state, print).step()
    client = served[1]("viewer")
    told = client.get("/api/live.json").json()
    hours = live.latest(state).near.hours
    assert told["format"] == "bluelamp-live/1"
    seen = 0
    for row in hours.filter(hours["level"] != "area").iter_rows(named=True):
        if row["place_id"] not in told["places"] or row["level"] not in ("pool", "force"):
            continue
        place = told["places"].index(row["place_id"])
        hour = told["starting"].index(int(row["hour_starting"].timestamp()))
        late = told["grades"][row["grade_code"]]["late"][place][hour]
        assert late == (None if row["share_late"] is None else pytest.approx(row["share_late"], abs=5e-5))
        seen += 1
    assert seen > 50
    again = client.get("/api/live.json", headers={"if-none-match": client.get("/api/live.json").headers["etag"]})
    assert again.status_code == 304


def test_without_anybody_who_keeps_them_the_address_says_so(served):
    assert served[1]("viewer").get("/api/live.json").status_code == 404


def listen(at, cookies, heard, stop):
    with httpx.stream("GET", f"{at}/api/live", cookies=cookies, timeout=30) as answer:
        heard.append(("status", answer.status_code))
        event = None
        for line in answer.iter_lines():
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                heard.append((event, time.monotonic()))
                if stop(heard):
                    return


def test_an_open_page_hears_of_a_call_within_seconds_of_its_arrival(force):
    with serving(force, sign_in=True) as at:
        state = state_of(force)
        accounts.add(state, "wall", "viewer", "LV", password=PASSWORD)
        accounts.add(state, "cad", "source", "LV")
        key = accounts.make_key(state, "cad", "control room")
        keeper = Keeper(force, state, print)
        keeper.step()
        with httpx.Client(base_url=at) as browser:
            answer = browser.post(
                "/sign-in", data={"name": "wall", "password": PASSWORD, "next": "/"}, headers={"origin": at}
            )
            assert answer.status_code == 303
            heard = []
            thread = threading.Thread(
                target=listen, args=(at, dict(browser.cookies), heard, lambda all_: all_[-1][0] == "news"), daemon=True
            )
            thread.start()
            while not any(event == "here" for event, _ in heard):
                time.sleep(0.05)
        sent = httpx.post(
            f"{at}/api/incidents", content=json.dumps(calls(force, 1)),
            headers={"authorization": f"Bearer {key}", "idempotency-key": "one"},
        )  # fmt: skip
        assert sent.status_code == 202
        deadline = time.monotonic() + 60
        while thread.is_alive() and time.monotonic() < deadline:
            keeper.step()
            time.sleep(0.1)
        assert heard[0] == ("status", 200)
        assert heard[-1][0] == "news"


def test_nobody_hears_without_signing_in(served):
    answer = served[1]().get("/api/live")
    assert answer.status_code == 401


def test_the_process_that_keeps_them_ends_with_whoever_started_it_and_one_waits_for_the_other(force, served):
    command = [sys.executable, "-m", "bluelamp", "live", str(force), "--while-input"]
    first = subprocess.Popen(command, stdin=subprocess.PIPE)
    state = served[0].state.admission.state
    deadline = time.monotonic() + 120
    while live.latest(state) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    made = live.latest(state)
    assert made is not None
    # Killed, its place is taken by the one that waits.
    second = subprocess.Popen(command, stdin=subprocess.PIPE)
    first.kill()
    first.wait()
    while live.latest(state, after=made.sequence) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert live.latest(state, after=made.sequence) is not None
    second.stdin.close()
    assert second.wait(timeout=60) == 0


def test_a_watched_folder_is_taken_in_while_it_runs(force, served):
    (force / "incoming").mkdir()
    set_service(force, 'watch = ["incoming"]\nwatch_seconds = 1')
    state = served[0].state.admission.state
    said = []
    keeper = Keeper(force, state, said.append)
    keeper.step()
    row = read_incidents(force).tail(1).with_columns(incident_id=pl.lit("ANOTHER"))
    (force / "incoming" / "calls.csv").write_text(tables.to_csv(row, "incidents"), encoding="utf-8")
    before = Store(force).batches().height
    deadline = time.monotonic() + 60
    while Store(force).batches().height == before and time.monotonic() < deadline:
        keeper.step()
        time.sleep(0.3)
    assert Store(force).batches().height == before + 1
    assert any("calls.csv" in each for each in said)


def test_a_watched_folder_that_is_not_there_is_told_once_and_keeps_nothing_else_from_being_done(force, served):
    settings = force / "force.toml"
    told = '\n[service]\nwatch = ["away"]\nwatch_seconds = 1\n'
    settings.write_text(settings.read_text(encoding="utf-8") + told, encoding="utf-8")
    said = []
    keeper = Keeper(force, served[0].state.admission.state, said.append)
    assert keeper.step()
    keeper._looked_at = float("-inf")
    keeper.step()
    assert said == [f"There is no folder '{force / 'away'}' to watch. Make it, or name another."]


@pytest.mark.parametrize("error", [TryAgain("The database is away."), ZeroDivisionError("a row's value")])
def test_next_hours_that_could_not_be_made_are_made_though_nothing_else_comes(force, state, monkeypatch, error):
    monkeypatch.setattr(live, "_AGAIN_SECONDS", 0.0)
    said = []
    keeper = Keeper(force, state, said.append)

    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(live.arrivals, "publish", fail)
        assert not keeper.step()
        assert not keeper.step()
    assert len(said) == 1
    assert "row's value" not in said[0]
    assert keeper.step(), "nothing came since, and it is due still"
    assert not keeper.step()


def test_what_fails_again_later_is_said_again(force, state):
    said = []
    keeper = Keeper(force, state, said.append)

    def fail():
        raise TryAgain("The database is away.")

    for do in (fail, fail, lambda: None, fail):
        keeper._try("log", do)
    assert len(said) == 2


def test_what_a_folder_brought_is_logged_once_the_log_can_be_written_again(force, served, monkeypatch):
    state = served[0].state.admission.state
    (force / "incoming").mkdir()
    settings = force / "force.toml"
    told = '\n[service]\nwatch = ["incoming"]\nwatch_seconds = 1\n'
    settings.write_text(settings.read_text(encoding="utf-8") + told, encoding="utf-8")
    row = read_incidents(force).tail(1).with_columns(incident_id=pl.lit("ANOTHER"))
    (force / "incoming" / "calls.csv").write_text(tables.to_csv(row, "incidents"), encoding="utf-8")
    keeper = Keeper(force, state, lambda text: None)

    def fail(*_):
        raise TryAgain("The database is away.")

    with monkeypatch.context() as patch:
        patch.setattr(log, "append", fail)
        for _ in range(2):
            keeper._looked_at = float("-inf")
            keeper.step()
    batch = Store(force).batches("incidents")["batch_id"].to_list()[-1]
    keeper.step()
    (entry,) = log.entries(state, operation="collection")
    assert batch in entry.detail


def test_the_head_of_the_log_is_kept_elsewhere_on_its_schedule(force, served):
    set_service(force, 'log_heads = "heads.jsonl"')
    served[1]("planner").get("/tables/duties")
    state = served[0].state.admission.state
    keeper = Keeper(force, state, print)
    keeper.step()
    keeper.step()
    heads = log.read_heads((force / "heads.jsonl").read_text(encoding="utf-8"), "heads.jsonl")
    assert len(heads) == 1
    assert log.verify(state, heads).holds


def test_open_to_one_machine_nothing_is_taken_and_pages_hear_of_runs(small_force):
    from fastapi.testclient import TestClient

    from bluelamp.web.app import make_app

    client = TestClient(make_app(small_force))
    assert client.post("/api/incidents", content="[]", headers=HERE).status_code == 403
    assert client.get("/api/live.json").status_code == 404
