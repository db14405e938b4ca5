"""Tables for programs: pages that fit together, filters, tags, and who gets what."""

import base64
import json
import shutil

import jsonschema
import polars as pl
import pytest
from fastapi.testclient import TestClient

from bluelamp import plan, reading, tables
from bluelamp.access import ROLES, Holder, kind_of_table, may
from bluelamp.state import accounts
from bluelamp.web.app import OF_NO_RUN, SHOWN, make_app
from bluelamp.web.table_api import OF_A_PAGE, Cursor, read_cursor
from tests.web.served import copied, with_accounts


@pytest.fixture(scope="module")
def client(small_force):
    return TestClient(make_app(small_force))


@pytest.fixture(scope="module")
def served(small_force, tmp_path_factory):
    return with_accounts(copied(small_force, tmp_path_factory.mktemp("api") / "lantern"))


def pages_of(client, address):
    pages = []
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        address = pages[-1]["links"]["next"]
    return pages


def test_pages_together_are_the_table(client):
    whole = client.get("/tables/coverage.json?level=pool").json()
    pages = pages_of(client, "/api/v1/tables/coverage?level=pool&limit=3000")
    assert [len(page["data"]) for page in pages] == [3000, 3000, 3000, len(whole) - 9000]
    assert [row for page in pages for row in page["data"]] == whole
    assert {page["run_id"] for page in pages} == {client.get("/api/v1/runs").json()["data"][0]["run_id"]}


@pytest.mark.parametrize("name", ["areas", "standards", "peaks", "runs", "received", "people"])
def test_pages_of_a_few_rows_are_the_table_too(served, name):
    # The key of an area may begin with an empty day, and some tables are of no run.
    client = served[1]("planner")
    whole = client.get(f"/tables/{name}.json").json()
    pages = pages_of(client, f"/api/v1/tables/{name}?limit={max(1, len(whole) // 3)}")
    assert len(pages) > 1 or len(whole) < 2
    assert [row for page in pages for row in page["data"]] == whole
    assert all((page["run_id"] is None) == (name in OF_NO_RUN) for page in pages)


def test_a_page_has_a_thousand_rows_unless_another_number_is_asked_for(client):
    assert len(client.get("/api/v1/tables/coverage").json()["data"]) == 1_000
    assert len(client.get("/api/v1/tables/coverage?limit=10000").json()["data"]) == 10_000
    assert client.get("/api/v1/tables/coverage?limit=10001").status_code == 422


def test_rows_are_as_the_schema_that_the_page_names_says(client):
    page = client.get("/api/v1/tables/coverage?limit=50").json()
    schema = client.get(page["links"]["schema"]).json()
    for row in page["data"]:
        jsonschema.validate(row, schema)


def test_the_next_page_is_of_the_same_run_when_a_newer_one_has_come(small_force, tmp_path):
    force = tmp_path / "lantern"
    shutil.copytree(small_force, force)
    client = TestClient(make_app(force))
    first = client.get("/api/v1/tables/coverage?limit=5").json()
    whole = client.get(f"/tables/coverage.json?run={first['run_id']}").json()
    # Other settings, so that the newer run's figures differ.
    settings = (force / "force.toml").read_text(encoding="utf-8")
    (force / "force.toml").write_text(settings.replace("paths = 100", "paths = 40"), encoding="utf-8")
    plan.plan(force)
    assert client.get("/api/v1/tables/coverage?limit=5").json()["run_id"] != first["run_id"]
    second = client.get(first["links"]["next"]).json()
    assert second["run_id"] == first["run_id"]
    assert first["data"] + second["data"] == whole[:10]
    assert [run["sequence"] for run in client.get("/api/v1/runs").json()["data"]] == [2, 1]


def test_pages_of_a_table_that_changed_meanwhile_are_refused(client, monkeypatch):
    published = client.app.state.published
    rows = published.table("standards", None)
    first = client.get("/api/v1/tables/standards?limit=2").json()
    monkeypatch.setattr(published, "table", lambda *_: rows.tail(-1))
    answer = client.get(first["links"]["next"])
    assert answer.status_code == 400
    assert "'standards' has changed since the page before" in answer.json()["detail"]


def written(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "after",
    ["", "x", "%FF%FE", "null", written(None), written([]), written({}), written({"run": 1}),
     written({"run": None, "rows": -1, "last": "x", "asked": "x"}),
     written({"run": [], "rows": 1, "last": 1, "asked": 2}),
     written({"run": None, "rows": True, "last": "x", "asked": "x"}),
     written({"run": None, "rows": 1e9, "last": "x", "asked": ""}),
     Cursor(None, 2**52, "x", "x").written()],
)  # fmt: skip
def test_a_cursor_that_is_none_of_ours_is_refused_with_a_sentence(client, after):
    answer = client.get(f"/api/v1/tables/areas?after={after}")
    assert answer.status_code == 400
    assert "'after'" in answer.json()["detail"]


def test_a_cursor_is_for_the_rows_that_were_asked_for(client):
    following = client.get("/api/v1/tables/coverage?level=pool&limit=5").json()["links"]["next"]
    assert "of other rows" in client.get(following.replace("level=pool", "level=area")).json()["detail"]
    assert "of another run" in client.get(f"{following}&run=r000009").json()["detail"]


def test_a_cursor_says_nothing_of_the_rows(client):
    page = client.get("/api/v1/tables/coverage?limit=1").json()
    cursor = read_cursor(page["links"]["next"].partition("after=")[2])
    assert (cursor.run, cursor.rows) == (page["run_id"], 1)
    assert set(cursor.last) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/api/v1/tables/coverge", 404, "Did you mean 'coverage'?"),
        ("/api/v1/tables/coverage?run=r9", 404, "r9"),
        ("/api/v1/tables/coverage?levl=pool", 400, "Did you mean 'level'?"),
        ("/api/v1/tables/coverage?hour_starting=soon", 400, "hour_starting"),
        ("/api/v1/tables/coverage?limit=0", 422, "limit"),
        ("/api/v1/tables/COVERAGE", 422, "name"),
        ("/api/v1/tables/absences", 403, "people"),
    ],
)
def test_what_can_not_be_answered_is_a_sentence(client, path, status, word):
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert word in answer.text


@pytest.mark.parametrize(
    "path",
    ["/tables/coverage.json?level=force", "/tables/coverage.csv?level=force", "/api/v1/tables/coverage?level=force",
     "/api/v1/tables", "/api/v1/runs"],
)  # fmt: skip
def test_what_a_program_has_already_is_not_sent_again(client, path):
    answer = client.get(path)
    tag = answer.headers["etag"]
    for named in (tag, f'"other", W/{tag}', "*"):
        again = client.get(path, headers={"if-none-match": named})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(path, headers={"if-none-match": '"other"'}).content == answer.content
    if "?" in path:
        assert client.get(path.replace("force", "pool")).headers["etag"] != tag


def test_no_column_is_called_as_what_pages_are_asked_for_with():
    assert not [(name, column) for name in SHOWN for column in tables.table(name).columns if column in OF_A_PAGE]


def test_a_table_of_a_run_is_not_there_for_a_run_that_is_not(small_force):
    published = make_app(small_force).state.published
    for name in SHOWN:
        if name not in OF_NO_RUN:
            with pytest.raises(Exception, match="There is no run"):
                published.table(name, "r9")


@pytest.mark.parametrize("role", ROLES)
def test_each_account_is_told_of_the_tables_that_it_may_take_and_gets_those(served, role):
    _, client = served
    signed_in = client(role)
    listed = signed_in.get("/api/v1/tables")
    assert listed.status_code == (403 if role in ("source", "monitor") else 200)
    names = [each["name"] for each in listed.json()["data"]] if listed.status_code == 200 else []
    assert names == [name for name in SHOWN if may(Holder("x", role, "LV"), kind_of_table(name), "export", "LV")]
    for name in ("areas", "coverage", "open_logs", "people"):
        assert signed_in.get(f"/api/v1/tables/{name}?limit=1").status_code == (200 if name in names else 403), name
    assert client().get("/api/v1/tables").status_code == 401


def test_an_account_of_one_district_gets_its_rows_and_no_others(served, small_force):
    app, client = served
    areas = reading.read_table(small_force, "areas")
    district, other = areas.filter(level="district")["area_id"].sort().to_list()[:2]
    accounts.add(app.state.admission.state, "of.one", "chief", "LV", password="correct horse battery",
                 districts=(district,))  # fmt: skip
    limited = client("of.one")
    theirs = {district, "LV", *areas.filter(parent_id=district)["area_id"]}
    rows = [row for page in pages_of(limited, "/api/v1/tables/areas?limit=2") for row in page["data"]]
    assert {row["area_id"] for row in rows} == theirs
    outside = set(areas.filter(pl.col("parent_id") == other)["area_id"])
    rows = [row for page in pages_of(limited, "/api/v1/tables/coverage?limit=10000") for row in page["data"]]
    assert rows
    assert not {row["place_id"] for row in rows} & outside
