"""What whoever looks after the service sees of it: metrics, lines, readiness, and what nobody foresaw."""

import json
import logging
import re
from datetime import datetime

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from bluelamp import jobs
from bluelamp.state import accounts
from bluelamp.state import jobs as kept
from bluelamp.waiting import wait_for
from bluelamp.web import request_lines
from bluelamp.web.app import make_app
from tests.web.served import with_accounts


@pytest.fixture
def lines(capsys):
    """What the service writes in a form, with logging as it was before afterwards."""
    root, requests = logging.getLogger(), logging.getLogger("bluelamp.requests")
    before = root.handlers[:], root.level, requests.level
    yield lambda: capsys.readouterr().err.splitlines()
    root.handlers[:], root.level, requests.level = before


def metrics(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_answers_are_counted_and_timed_by_address_and_never_by_what_was_asked(force):
    client = TestClient(make_app(force))
    before = metrics(client)
    for query in ("", "?level=force", "?level=pool"):
        client.get(f"/tables/coverage.csv{query}")
    client.get("/no-such-page")
    after = metrics(client)
    counted = ("bluelamp_requests_total", "/tables/{name}.csv", "200", "GET")
    assert after[counted] - before.get(counted, 0) == 3
    timed = ("bluelamp_request_seconds_count", "/tables/{name}.csv")
    assert after[timed] - before.get(timed, 0) == 3
    # Not by a number: times in it may hold any.
    assert "no-such-page" not in client.get("/metrics").text
    assert after["bluelamp_requests_total", "404", "GET", "none"] >= 1


def test_metrics_tell_how_old_the_figures_are(force):
    client = TestClient(make_app(force))
    run = client.get("/health.json").json()
    found = metrics(client)
    made_at, data_until = (datetime.fromisoformat(run[each]).timestamp() for each in ("made_at", "data_until"))
    assert found["bluelamp_runs",] == 1
    assert found["bluelamp_imports",] == len(client.get("/tables/batches.json").json())
    assert found["bluelamp_run_made_timestamp_seconds",] == pytest.approx(made_at, abs=0.001)
    assert found["bluelamp_data_until_timestamp_seconds",] == data_until


def test_methods_that_somebody_makes_up_are_counted_together(force):
    client = TestClient(make_app(force))
    before = metrics(client)
    assert {client.request(each, "/health/live.json").status_code for each in ("SPAM", "EGGS", "HAM")} <= {403, 405}
    after = metrics(client)
    assert not {"SPAM", "EGGS", "HAM"} & {label for each in after for label in each[1:]}
    others = [sum(number for each, number in found.items() if "other" in each[1:]) for found in (before, after)]
    assert others[1] - others[0] >= 3


def test_metrics_tell_which_jobs_wait_run_and_failed_and_since_when_the_oldest_is_asked_for(force):
    app, client = with_accounts(force)
    state, analyst = app.state.admission.state, client("analyst")
    found = metrics(analyst)
    assert found["bluelamp_jobs", "plan", "waiting"] == found["bluelamp_jobs", "failed", "import"] == 0
    assert ("bluelamp_oldest_job_asked_timestamp_seconds",) not in found
    first, second, third = (jobs.ask(state, kind, {}, "ann")[0] for kind in ("plan", "backtest", "import"))
    kept.end(state, kept.take(state, first.key), "failed", "No incidents.")
    kept.take(state, second.key)
    found = metrics(analyst)
    assert found["bluelamp_jobs", "failed", "plan"] == 1
    assert found["bluelamp_jobs", "backtest", "running"] == 1
    assert found["bluelamp_jobs", "import", "waiting"] == 1
    assert found["bluelamp_jobs", "plan", "waiting"] == 0
    assert found["bluelamp_oldest_job_asked_timestamp_seconds",] == pytest.approx(
        second.asked_at.timestamp(), abs=0.001
    )
    for job in (second, third):
        kept.ask_to_stop(state, job.key)
    kept.take_over(state)
    assert ("bluelamp_oldest_job_asked_timestamp_seconds",) not in metrics(analyst)


def test_whoever_leaves_in_the_middle_of_what_they_send_is_no_fault_of_the_service(force, lines):
    app, client = with_accounts(force)
    key = accounts.make_key(app.state.admission.state, "analyst", "a test")
    answers = []

    async def leave():
        parts = [{"type": "http.request", "body": b"event_id", "more_body": True}, {"type": "http.disconnect"}]

        async def receive():
            return parts.pop(0)

        async def send(message):
            answers.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": "/api/extracts", "raw_path": b"/api/extracts", "root_path": "", "server": ("localhost", 80),
            "query_string": b"name=events.csv&table=events", "client": ("127.0.0.1", 1),
            "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {key}".encode())],
        }  # fmt: skip
        await app(scope, receive, send)

    wait_for(leave())
    assert answers == []
    assert "Traceback" not in "\n".join(lines())
    found = metrics(client("analyst"))
    assert found["bluelamp_requests_total", "/api/extracts", "499", "POST"] >= 1
    assert list((force / "state" / "uploads").iterdir()) == []


def test_a_monitors_key_reads_metrics_and_nothing_else(force):
    app, client = with_accounts(force)
    monitor = client()
    monitor.headers["authorization"] = f"Bearer {accounts.make_key(app.state.admission.state, 'monitor', 'watch')}"
    assert monitor.get("/metrics").status_code == 200
    assert {monitor.get(each).status_code for each in ("/", "/health.json", "/tables/areas.csv", "/api/map.json")} == {
        403
    }
    assert client("planner").get("/metrics").status_code == 403
    assert client().get("/metrics").status_code in (303, 401)


def test_anybody_may_ask_whether_the_service_is_ready_and_learns_no_more(served, force, request):
    app, client = served
    answer = client().get("/health/ready.json")
    assert (answer.status_code, answer.json()) == (200, {"ready": True})
    state = app.state.admission.state
    state.engine.dispose()
    if state.is_postgresql:
        request.getfixturevalue("postgresql").run(f"DROP DATABASE {state.engine.url.database} WITH (FORCE)")
    for each in (force / "state").glob("bluelamp.sqlite*"):
        each.write_bytes(b"no database")
    answer = client().get("/health/ready.json")
    assert (answer.status_code, answer.json()) == (503, {"ready": False})


def test_each_request_is_a_line_of_json_that_names_nobody(force, lines):
    request_lines.write_lines("json")
    client = TestClient(make_app(force))
    answer = client.get("/tables/coverage.csv?level=force&place_id=Lantern")
    (line,) = [json.loads(each) for each in lines()]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert (line["method"], line["address"], line["status"]) == ("GET", "/tables/{name}.csv", 200)
    assert line["bytes"] == int(answer.headers["content-length"])
    assert line["milliseconds"] > 0
    assert re.match(r"\d{4}-\d\d-\d\dT.*(\+00:00|Z)$", line["timestamp"])
    assert "Lantern" not in json.dumps(line)


@pytest.mark.parametrize(("form", "expected"), [("text", 1), ("none", 0)])
def test_lines_are_text_or_none_where_that_is_asked(force, lines, form, expected):
    request_lines.write_lines(form)
    TestClient(make_app(force)).get("/health.json")
    assert sum("GET /health.json 200" in each for each in lines()) == expected


def test_what_nobody_foresaw_has_a_name_by_which_it_is_found(force, lines, monkeypatch):
    request_lines.write_lines("json")
    app = make_app(force)

    def fail(*_):
        raise RuntimeError("a thing that nobody foresaw")

    monkeypatch.setattr(app.state.published, "data_page", fail)
    monkeypatch.setattr(app.state.published, "map_data", fail)
    client = TestClient(app)
    page, figures = client.get("/data"), client.get("/api/map.json")
    assert (page.status_code, figures.status_code) == (500, 500)
    assert figures.headers["content-type"] == "application/problem+json"
    told = [json.loads(each) for each in lines()]
    for answer in (page, figures):
        request_id = answer.headers["x-request-id"]
        assert request_id in answer.text
        assert "nobody foresaw" not in answer.text
        assert "content-security-policy" in answer.headers
        (failed,) = [each for each in told if each["request_id"] == request_id and each["level"] == "ERROR"]
        assert "nobody foresaw" in failed["exc_info"]
