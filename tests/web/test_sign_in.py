"""Coming in and going out: the set-up, the pages, what a session carries, and what the log says of it."""

import re

import pytest
from fastapi.testclient import TestClient

from bluelamp.errors import NotPermitted
from bluelamp.state import accounts, log
from bluelamp.web import admission, serve
from bluelamp.web.app import make_app
from bluelamp.web.log_page import in_words
from bluelamp.web.sign_in_pages import make_set_up_code, own_address
from tests.web.served import HERE, PASSWORD, form_token, set_service, sign_in, with_accounts

pytestmark = pytest.mark.both_databases


def test_whoever_is_not_signed_in_is_sent_to_sign_in_and_back(served):
    _, client = served
    fresh = client()
    asked = fresh.get("/strength?day=2026-10-20")
    assert asked.status_code == 303
    assert asked.headers["location"] == "/sign-in?next=%2Fstrength%3Fday%3D2026-10-20"
    page = fresh.get(asked.headers["location"])
    assert 'name="next" value="/strength?day=2026-10-20"' in page.text
    sign_in(fresh, "viewer", onward="/strength?day=2026-10-20")
    assert fresh.get("/").status_code == 200


def test_a_program_without_a_key_gets_a_problem_and_not_a_page(served):
    _, client = served
    answer = client().get("/tables/coverage.json")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["detail"].startswith("Sign in first")


def test_a_key_asks_as_its_account(served, state):
    _, client = served
    key = accounts.make_key(state, "chief", "reports")
    program = client()
    program.headers["authorization"] = f"Bearer {key}"
    assert program.get("/tables/coverage.json?level=force").status_code == 200
    assert program.get("/tables/people.json").status_code == 403
    program.headers["authorization"] = f"Bearer {key}x"
    assert program.get("/tables/coverage.json").status_code == 401


def test_a_wrong_password_says_so_keeps_the_name_and_is_logged_without_it(served, state):
    _, client = served
    answer = client().post("/sign-in", data={"name": "chief", "password": "wrong wrong wrong"}, headers=HERE)
    assert answer.status_code == 401
    assert "The name or the password is not right" in answer.text
    assert 'value="chief"' in answer.text
    assert "wrong wrong" not in answer.text
    (entry,) = log.entries(state, operation="sign_in", most=1)
    assert '"went": "wrong"' in entry.detail
    assert "chief" not in f"{entry.who}{entry.detail}"


def test_after_too_many_attempts_the_page_says_how_long_to_wait(served):
    _, client = served
    fresh = client()
    for _ in range(accounts.WRONG_FOR_AN_ACCOUNT):
        fresh.post("/sign-in", data={"name": "chief", "password": "x"}, headers=HERE)
    answer = fresh.post("/sign-in", data={"name": "chief", "password": PASSWORD}, headers=HERE)
    assert answer.status_code == 429
    assert "Wait 15 minutes" in answer.text


def test_signing_in_from_a_page_elsewhere_is_refused(served):
    _, client = served
    for headers in ({"origin": "http://elsewhere.example"}, {}):
        answer = client().post("/sign-in", data={"name": "chief", "password": PASSWORD}, headers=headers)
        assert answer.status_code == 403


def test_signing_out_ends_the_session_everywhere(served):
    _, client = served
    mine = client("chief")
    token = mine.cookies["bluelamp"]
    mine.post("/sign-out", data={"token": form_token(mine)}, headers=HERE)
    other = client()
    other.cookies.set("bluelamp", token)
    assert other.get("/account").status_code == 303


def test_the_cookie_is_for_the_server_alone(served):
    _, client = served
    fresh = client()
    answer = fresh.post("/sign-in", data={"name": "chief", "password": PASSWORD}, headers=HERE)
    told = answer.headers["set-cookie"].lower()
    assert "httponly" in told
    assert "samesite=lax" in told
    assert "max-age=43200" in told


def test_by_https_the_cookie_stays_there(force):
    set_service(force, "https = true")
    _, client = with_accounts(force)
    answer = client().post("/sign-in", data={"name": "chief", "password": PASSWORD}, headers=HERE)
    told = answer.headers["set-cookie"]
    assert told.startswith("__Host-bluelamp=")
    assert "Secure" in told


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("/strength?day=2026-10-20", "/strength?day=2026-10-20"), ("https://elsewhere.example/", "/"),
        ("//elsewhere.example/", "/"), ("/\\elsewhere.example", "/"), ("javascript:alert(1)", "/"), ("", "/"),
        ("/a\r\nset-cookie: x=y", "/"), ("strength", "/"),
    ],
)  # fmt: skip
def test_nobody_is_sent_elsewhere_after_signing_in(asked, sent):
    assert own_address(asked) == sent


def test_one_changes_ones_own_password_and_other_browsers_are_signed_out(served):
    _, client = served
    mine, other = client("chief"), client("chief")
    sent = {"token": form_token(mine), "password": PASSWORD, "new": "three other words", "again": "three other words"}
    assert "not the same" in mine.post("/account/password", data=sent | {"again": "x"}, headers=HERE).text
    assert mine.post("/account/password", data=sent | {"password": "x"}, headers=HERE).status_code == 400
    answer = mine.post("/account/password", data=sent, headers=HERE)
    assert answer.status_code == 303
    assert mine.get("/account").status_code == 200
    other.app.state.admission._believed.clear()
    assert other.get("/account").status_code == 303
    sign_in(client(), "chief", "three other words")


def test_an_administrator_makes_changes_and_closes_accounts(served, state):
    _, client = served
    admin = client("administrator")
    sent = {
        "token": form_token(admin, "/accounts"), "name": "new.one", "role": "supervisor", "teams": "R-D2/C",
        "password": PASSWORD,
    }  # fmt: skip
    wrong = admin.post("/accounts", data=sent | {"role": "king", "password": "short"}, headers=HERE)
    assert wrong.status_code == 400
    assert "There is no role" in wrong.text
    assert "fewer than 12 characters" in wrong.text
    assert 'value="new.one"' in wrong.text
    said = admin.post("/accounts", data=sent, headers=HERE)
    assert "The account &#39;new.one&#39; was made." in said.text
    theirs = client("new.one")
    closed = admin.post("/accounts/new.one", data={"token": sent["token"], "action": "close"}, headers=HERE)
    assert "was changed" in closed.text
    theirs.app.state.admission._believed.clear()
    assert theirs.get("/account").status_code == 303
    entries = [each for each in log.entries(state, operation="administration") if "new.one" in each.detail]
    assert [each.who for each in entries] == ["administrator", "administrator"]
    assert PASSWORD not in str(entries)


def test_the_first_account_is_made_with_the_code_that_was_said_and_by_no_other(force):
    app = make_app(force, sign_in=True)
    code = make_set_up_code()
    client = TestClient(app, follow_redirects=False)
    assert client.get("/sign-in").headers["location"] == "/set-up"
    sent = {"code": code, "name": "ann", "password": PASSWORD, "again": PASSWORD}
    assert "The code is not" in client.post("/set-up", data=sent | {"code": "x"}, headers=HERE).text
    assert "not the same" in client.post("/set-up", data=sent | {"again": "x"}, headers=HERE).text
    assert not accounts.is_any(app.state.admission.state)
    made = client.post("/set-up", data=sent, headers=HERE)
    assert (made.status_code, made.headers["location"]) == (303, "/accounts")
    assert client.get("/accounts").status_code == 200
    again = client.post("/set-up", data=sent | {"name": "bob"}, headers=HERE)
    assert again.status_code == 403
    assert client.get("/set-up").status_code == 403


@pytest.mark.parametrize(
    ("host", "names", "flag", "has_accounts", "asks"),
    [
        ("127.0.0.1", (), None, False, False),
        ("127.0.0.1", (), True, False, True),
        ("127.0.0.1", (), None, True, True),
        ("127.0.0.1", (), False, True, False),
        ("127.0.0.1", ("planning.example",), None, False, True),
        ("0.0.0.0", (), None, False, True),
    ],
)
def test_serve_asks_people_to_sign_in_where_others_reach_it_or_accounts_are(
    monkeypatch, force, database, host, names, flag, has_accounts, asks
):
    # A database that is named is there for accounts, whether they are made yet or not.
    asks = asks or (flag is None and database == "postgresql")
    asked = []
    if has_accounts:
        with_accounts(force)
    monkeypatch.setattr(serve, "_answer", lambda *given: asked.extend(given))
    monkeypatch.setattr(serve.beside, "keep_going", lambda *_: None)
    serve.serve(force, host=host, port=0, names=names, sign_in=flag, open_browser=False)
    _, _, workers, load = asked
    folder, hosts, needs_sign_in = load.args
    assert (folder, needs_sign_in) == (force, asks)
    assert set(names) <= set(hosts)
    assert workers == (2 if asks else 1)


def test_serve_refuses_to_show_everything_to_everybody(force):
    with pytest.raises(NotPermitted, match="for this machine alone"):
        serve.serve(force, host="0.0.0.0", sign_in=False)


def test_looking_taking_and_being_refused_are_logged(served, state):
    _, client = served
    planner = client("planner")
    planner.get("/tables/duties")
    planner.get("/tables/coverage.csv?level=force")
    planner.get("/log")
    kinds = {(each.operation, each.subject) for each in log.entries(state, who="planner")}
    assert ("consultation", "/tables/duties") in kinds
    assert ("disclosure", "/tables/coverage.csv") in kinds
    assert ("refusal", "/log") in kinds


def test_the_same_look_at_figures_is_logged_once_and_each_look_at_people(served, state):
    _, client = served
    planner = client("planner")
    for _ in range(3):
        planner.get("/strength")
        planner.get("/tables/duties")
    subjects = [each.subject for each in log.entries(state, who="planner", operation="consultation")]
    assert subjects.count("/strength") == 1
    assert subjects.count("/tables/duties") == 3


def test_what_can_not_be_logged_is_not_shown(served, monkeypatch):
    from bluelamp.errors import NoRoom

    _, client = served
    planner = client("planner")

    def full(*_):
        raise NoRoom("The disk of the service's database is full.")

    monkeypatch.setattr(log, "append", full)
    answer = planner.get("/tables/duties.json")
    assert answer.status_code == 507
    assert "disk" in answer.json()["detail"]
    # Neither at the next try, of what is logged once for many looks.
    assert [planner.get("/strength").status_code for _ in range(2)] == [507, 507]


def test_the_auditor_reads_the_log_whole_filtered_and_as_a_file(served):
    _, client = served
    client("planner").get("/tables/duties")
    auditor = client("auditor")
    page = auditor.get("/log?who=planner").text
    assert re.search(r"each follows the one before it, unchanged", page)
    assert "/tables/duties" in page
    assert [each["who"] for each in auditor.get("/log.json?operation=consultation&who=planner").json()] == ["planner"]
    assert auditor.get("/log.csv").text.startswith("sequence,at,who,role,operation,subject,detail,previous,seal\n")
    assert auditor.get("/log?operation=look").status_code == 400


def test_what_is_typed_into_an_address_is_no_formula_in_the_exported_log(served):
    _, client = served
    client("planner").get("/tables/duties.csv?=cmd|' /C calc'!A0")
    for line in client("auditor").get("/log.csv").text.splitlines()[1:]:
        assert not re.search(r'(^|,)"?[=+@-]', line), line


def test_too_many_requests_in_a_moment_are_told_to_wait(served, monkeypatch):
    # However slow the machine is, a moment passes for each second of the tests.
    monkeypatch.setattr(admission, "_A_SECOND", 0.0)
    _, client = served
    viewer = client("viewer")
    statuses = [viewer.get("/health/live.json").status_code for _ in range(700)]
    assert statuses[0] == 200
    assert statuses[-1] in (200, 503)
    assert 503 in statuses


def test_the_log_s_page_tells_what_happened_in_words():
    assert in_words("{}") == ""
    assert in_words('{"from": "127.0.0.1", "rows_given": 12, "went": "well"}') == (
        "from: 127.0.0.1; rows given: 12; went: well"
    )
