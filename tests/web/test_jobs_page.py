"""Jobs on the page and for programs: who may ask, what they are told, and that what was sent is whole."""

import pytest

from bluelamp import jobs
from bluelamp.state import accounts, log
from bluelamp.state import jobs as kept
from bluelamp.store import Store
from bluelamp.web.app import make_app
from tests.web.served import HERE, form_token

pytestmark = pytest.mark.both_databases
EVENTS = (
    b"event_id,event_name,kind,area_id,starts_at,ends_at,lead_in_hours,wind_down_hours\n"
    b"F1,Fair,festival,,2026-11-28T12:00Z,2026-11-28T18:00Z,1,1\n"
)


@pytest.fixture
def program(served, state):
    client = served[1]()
    client.headers["authorization"] = f"Bearer {accounts.make_key(state, 'analyst', 'a script')}"
    return client


def press(client, **fields):
    return client.post("/jobs", data={"token": form_token(client), **fields}, headers=HERE)


def test_a_planner_presses_plan_again_and_sees_it_wait(served, state):
    client = served[1]("planner")
    assert "Nothing has been asked for yet" in client.get("/jobs").text
    answer = press(client, kind="plan")
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")
    (job,) = kept.every(state)
    assert (job.kind, job.asked_by, job.state) == ("plan", "planner", "waiting")
    page = client.get("/jobs").text
    assert 'data-busy="yes"' in page
    assert f'action="/jobs/{job.key}/stop"' in page
    assert [each.subject for each in log.entries(state, operation="combination")] == ["POST /jobs"]


@pytest.mark.parametrize("name", ["viewer", "supervisor", "chief", "auditor", "source", "planner.elsewhere", None])
def test_nobody_else_may_ask(served, state, name):
    client = served[1](name)
    answer = client.post("/jobs.json", json={"kind": "plan"}, headers=HERE)
    assert answer.status_code in (401, 403)
    assert kept.every(state) == []


def test_who_may_look_and_not_ask_gets_no_buttons(served, state):
    jobs.ask(state, "plan", {}, "ann")
    page = served[1]("chief").get("/jobs").text
    assert "New run" in page
    assert "<form" not in page


def test_whose_account_is_limited_to_districts_may_not_plan_for_the_force(served, state):
    accounts.change(state, "planner", districts=["D1"])
    client = served[1]("planner")
    assert client.get("/jobs").status_code == 403
    assert press(client, kind="plan").status_code == 403
    assert kept.every(state) == []


def test_a_program_asks_follows_and_stops(program, state):
    asked = program.post("/jobs.json", json={"kind": "backtest", "settings": {"origins": 2}})
    assert asked.status_code == 202
    key = asked.json()["key"]
    assert asked.json()["settings"] == {"origins": 2, "every": 28}
    assert program.get(f"/jobs/{key}.json").json() == asked.json()
    assert program.get("/jobs.json").json() == [asked.json()]
    assert program.post(f"/jobs/{key}/stop").status_code == 303
    assert program.get(f"/jobs/{key}.json").json()["state"] == "stopped"
    assert program.get("/jobs/j000000-000000000000.json").status_code == 404


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        ("{", 422, "can't be read"),
        ("[]", 422, "is no job"),
        ('{"kind": 1}', 422, "is no job"),
        ('{"kind": "plan", "settings": 1}', 422, "no JSON object"),
        ('{"kind": "plann"}', 400, "Did you mean 'plan'"),
        ('{"kind": "backtest", "settings": {"origins": 0, "every": 8}}', 400, "'every'"),
        ('{"kind": "import", "settings": {"upload": "j261123-5f0c2d9ab1e7", "name": "x"}}', 400, "/api/extracts"),
    ],
)
def test_what_can_not_be_asked_for_gets_a_problem(program, state, content, status, words):
    answer = program.post("/jobs.json", content=content)
    assert answer.status_code == status
    assert words in answer.text
    assert kept.every(state) == []


def test_what_is_wrong_on_the_page_is_said_on_the_page(served, state):
    answer = press(served[1]("planner"), kind="backtest", origins="many")
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "origins" in answer.text


def test_an_extract_is_taken_whole_and_imported_when_its_turn_comes(program, state, force):
    answer = program.post("/api/extracts?name=fair.csv&table=events", content=EVENTS)
    assert answer.status_code == 202
    assert "upload" not in answer.text
    key = answer.json()["key"]
    jobs.Worker(force, state, print).do(key)
    done = program.get(f"/jobs/{key}.json").json()
    assert (done["state"], done["words"]) == ("done", "1 row read from 1 extract.")
    assert Store(force).batches("events")["batch_id"].to_list()[-1:] == done["outcome"]["batches"]


@pytest.mark.parametrize("query", ["name=../fair.csv", "name=.hidden", "name=fair.csv&table=eventz", "table=events"])
def test_an_extract_can_not_be_put_elsewhere(program, state, force, query):
    answer = program.post(f"/api/extracts?{query}", content=EVENTS)
    assert answer.status_code in (400, 422)
    assert kept.every(state) == []
    assert not list(force.rglob("*fair.csv"))


def test_nothing_sent_is_no_extract_and_leaves_nothing(program, state, force):
    assert program.post("/api/extracts?name=fair.csv", content=b"").status_code == 422
    assert kept.every(state) == []
    assert list((force / "state" / "uploads").iterdir()) == []


def test_a_disk_without_room_is_said_as_507(program, state, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jobs.os, "fsync", full)
    answer = program.post("/api/extracts?name=fair.csv", content=EVENTS)
    assert answer.status_code == 507
    assert "Free some space" in answer.json()["detail"]
    assert kept.every(state) == []


def test_open_to_one_machine_no_jobs_are_done_and_the_page_says_so(small_force):
    from fastapi.testclient import TestClient

    client = TestClient(make_app(small_force))
    assert "No jobs are done here" in client.get("/jobs").text
    assert client.get("/jobs.json").json() == []
    assert client.get("/jobs/j000000-000000000000.json").status_code == 404
