"""Who may do what, at every address: the table of addresses, the rights of roles, and both together."""

import inspect
import itertools

import pytest
from fastapi import FastAPI, Response

from bluelamp import access, tables
from bluelamp.access import ACTIONS, KINDS, ROLES, Holder, kind_of_table, may
from bluelamp.errors import UsageError
from bluelamp.web.access_table import TABLE, insist_on_rows
from bluelamp.web.app import SHOWN, addresses_of
from tests.web.served import HERE, copied, form_token, with_accounts

# Written by hand, so that a change of rights is something that somebody reads and agrees to.
# c consult, e export, w change; rows are roles, columns kinds, in the order that access.py has them.
RIGHTS = """
              public own shared figures strength records people codes arrivals accounts log jobs operations
viewer        cew    cew ce     c       -        -       -      -     -        -        -   -    -
analyst       cew    cew ce     ce      ce       ce      -      cew   -        -        -   cew  c
planner       cew    cew ce     ce      ce       -       ce     -     -        -        -   cew  -
supervisor    cew    cew ce     ce      c        c       c      -     -        -        -   c    -
chief         cew    cew ce     ce      ce       -       -      -     -        -        -   c    -
auditor       cew    cew ce     c       -        -       -      -     -        c        ce  c    -
administrator cew    cew ce     c       -        -       -      c     -        cew      -   cew  cew
peer_force    cew    cew ce     -       -        -       -      -     -        -        -   -    -
source        cew    -   -      -       -        -       -      -     cew      -        -   -    -
monitor       cew    -   -      -       -        -       -      -     -        -        -   c    c
"""
LETTERS = {"consult": "c", "export": "e", "change": "w"}


def rights():
    heads, *lines = [line.split() for line in RIGHTS.strip().splitlines()]
    return {(line[0], kind): cell for line in lines for kind, cell in zip(heads, line[1:], strict=True)}


@pytest.mark.parametrize(("role", "kind"), list(itertools.product(ROLES, KINDS)))
def test_each_role_may_do_with_each_kind_what_is_written_here_and_nothing_else(role, kind):
    own = {action for action in ACTIONS if may(Holder("x", role, "LV"), kind, action, "LV")}
    assert "".join(LETTERS[each] for each in ACTIONS if each in own) == rights()[role, kind].replace("-", "")


@pytest.mark.parametrize(("role", "kind"), list(itertools.product(ROLES, KINDS)))
def test_whoever_belongs_to_another_force_is_a_peer_force_here(role, kind):
    elsewhere = {action for action in ACTIONS if may(Holder("x", role, "XX"), kind, action, "LV")}
    assert "".join(LETTERS[each] for each in ACTIONS if each in elsewhere) == rights()["peer_force", kind].replace(
        "-", ""
    )


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_may_do_more_than_come_in(kind):
    assert [may(access.NOBODY, kind, action, "LV") for action in ACTIONS] == [kind == "public"] * 3


def test_personnel_and_single_records_are_of_no_kind_that_everybody_sees():
    open_to_viewers = {name for name in tables.names() if kind_of_table(name) in ("figures", "shared")}
    for name in open_to_viewers:
        definition = tables.table(name)
        assert definition.regime != "personnel", name
        assert not [each.name for each in definition.fields if each.sensitive and each.name != "token"], name
    assert "absences" not in SHOWN, "the kind of an absence may be a reason"


@pytest.fixture(scope="module")
def served(small_force, tmp_path_factory):
    return with_accounts(copied(small_force, tmp_path_factory.mktemp("access") / "lantern"))


@pytest.fixture(scope="module")
def clients(served):
    _, client = served
    return {name: client(name) for role in ROLES for name in (role, f"{role}.elsewhere")} | {None: client()}


def test_every_address_has_a_row_and_every_row_an_address(served):
    app, _ = served
    assert set(TABLE) == set(addresses_of(app))


def test_an_address_without_a_row_stops_the_service_before_it_starts(served):
    app, _ = served
    strange = FastAPI()
    strange.get("/new")(lambda: None)
    with pytest.raises(UsageError, match="GET /new"):
        insist_on_rows(addresses_of(app) | addresses_of(strange))


def test_an_address_that_forgot_to_ask_gives_nothing_away(served):
    app, client = served
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    app.router.routes.insert(0, Route("/forgotten", lambda request: PlainTextResponse("figures")))
    try:
        with pytest.raises(AssertionError, match="without asking"):
            client("viewer").get("/forgotten")
    finally:
        app.router.routes.pop(0)


@pytest.fixture
def doors(clients):
    """Clients of a service whose doors are all there, and whose rooms behind them are empty: who is let in is told 200.

    The rooms come back afterwards.
    """
    app = clients[None].app
    calls = [(route, route.dependant.call) for route in addresses_of(app).values()]

    async def nothing_later(**_):
        return Response("let in")

    for route, call in calls:
        route.dependant.call = nothing_later if inspect.iscoroutinefunction(call) else lambda **_: Response("let in")
    yield clients
    for route, call in calls:
        route.dependant.call = call


EVERYBODY = [None, *(name for role in ROLES for name in (role, f"{role}.elsewhere"))]
READS = sorted(path for method, path in TABLE if method == "GET" and "{" not in path)
WRITES = sorted(path for method, path in TABLE if method == "POST")


def holder_of(name):
    if name is None:
        return access.NOBODY
    role, _, elsewhere = name.partition(".")
    return Holder(name, role, "XX" if elsewhere else "LV")


@pytest.mark.parametrize("name", EVERYBODY)
def test_every_address_lets_in_whom_its_row_says_and_refuses_the_others(doors, name):
    client = doors[name]
    for path in READS:
        row = TABLE["GET", path]
        allowed = may(holder_of(name), row.kind, row.action, "LV")
        status = client.get(path).status_code
        if allowed:
            assert status == 200, (path, status)
        elif name is None:
            assert status in (303, 401), (path, status)
        else:
            assert status == 403, (path, status)


@pytest.mark.parametrize("name", EVERYBODY)
def test_every_table_is_seen_and_taken_out_by_whom_its_kind_is_for(doors, name):
    client, holder = doors[name], holder_of(name)
    for table in SHOWN:
        for suffix, action in (("", "consult"), (".csv", "export"), (".json", "export")):
            answer = client.get(f"/tables/{table}{suffix}")
            if may(holder, kind_of_table(table), action, "LV"):
                assert answer.status_code == 200, (table, suffix)
            else:
                assert answer.status_code in ((303, 401) if name is None else (403,)), (table, suffix)


@pytest.mark.parametrize("name", EVERYBODY)
def test_every_change_is_refused_to_whom_its_row_does_not_name_and_without_the_page(clients, name):
    client, holder = clients[name], holder_of(name)
    for path in WRITES:
        if path in ("/sign-in", "/set-up", "/sign-out"):
            continue
        row = TABLE["POST", path]
        address = path.replace("{name}", "nobody-of-this-name")
        if may(holder, row.kind, row.action, "LV"):
            # Let in by right, and still refused: from a page elsewhere, and without what the page carries.
            elsewhere = client.post(address, data={}, headers={"origin": "http://elsewhere.example"})
            without = client.post(address, data={"token": "x"}, headers=HERE)
            assert (elsewhere.status_code, without.status_code) == (403, 403), path
        else:
            assert client.post(address, data={}, headers=HERE).status_code == (401 if name is None else 403), path


def test_a_supervisor_sees_the_people_of_the_teams_that_the_account_names_and_no_others(clients, small_force):
    from bluelamp.reading import read_table

    people = read_table(small_force, "people")
    pool, team = people.drop_nulls(["pool_id", "team"]).select("pool_id", "team").row(0)
    from bluelamp.state import accounts

    client = clients["supervisor"]
    state = client.app.state.admission.state
    accounts.change(state, "supervisor", teams=(f"{pool}/{team}",))
    from tests.web.served import sign_in

    sign_in(client, "supervisor")
    page = client.get("/tables/people").text
    theirs = set(people.filter(pool_id=pool, team=team)["person_id"])
    others = set(people["person_id"]) - theirs
    assert theirs
    assert all(f"<td>{each}</td>" in page for each in theirs)
    assert not any(f"<td>{each}</td>" in page for each in others)
    duties = client.get("/tables/duties").text
    assert not any(f"<td>{each}</td>" in duties for each in others)
    assert client.get("/tables/people.csv").status_code == 403, "a list that is taken out is a planner's"


def test_an_account_of_one_district_sees_its_rows_and_no_page_of_the_whole_force(served, small_force):
    from bluelamp.reading import read_table
    from bluelamp.state import accounts

    app, client = served
    areas = read_table(small_force, "areas")
    district, other = areas.filter(level="district")["area_id"].sort().to_list()[:2]
    accounts.add(app.state.admission.state, "one.district", "chief", "LV", password="correct horse battery",
                 districts=(district,))  # fmt: skip
    limited = client("one.district")
    rows = limited.get("/tables/areas.json").json()
    assert {row["area_id"] for row in rows} == {
        each["area_id"]
        for each in areas.iter_rows(named=True)
        if district in (each["area_id"], each["parent_id"]) or each["level"] == "force"
    }
    assert limited.get(f"/tables/coverage.json?place_id={other}").json() == []
    drawn = limited.get("/api/map.json").json()
    outside = set(areas.filter(parent_id=other)["area_id"])
    assert not outside & set(drawn["areas"]["id"])
    assert not any(each in limited.get("/api/map.json").text for each in (f'"{area}"' for area in outside))
    for path, row in TABLE.items():
        if row.whole_force and path[0] == "GET" and row.kind == "figures":
            answer = limited.get(path[1])
            assert answer.status_code == 403, path
            assert "whole force" in answer.text, path


def test_forms_of_the_signed_in_carry_their_token(clients):
    assert form_token(clients["viewer"]) != form_token(clients["planner"])
