"""The pages of runs: what went in, what came out, and what changed are those of the store."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient

from bluelamp import plan, reading, tables
from bluelamp.access import kind_of_table
from bluelamp.lineage import read_record
from bluelamp.state import accounts
from bluelamp.store import Store
from bluelamp.web.app import SHOWN, make_app
from tests.web.served import PASSWORD, copied, with_accounts

ROW = re.compile(r'<tr data-key="([^"]+)">(.*?)</tr>', re.S)
CELL = re.compile(r'data-field="([^"]+)" data-value="([^"]*)"')


@pytest.fixture(scope="module")
def twice(small_force: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small force, planned again with a setting changed and one more import."""
    folder = copied(small_force, tmp_path_factory.mktemp("runs") / "lantern", is_written=True)
    text = (folder / "force.toml").read_text(encoding="utf-8")
    assert "paths = 100" in text
    (folder / "force.toml").write_text(text.replace("paths = 100", "paths = 120"), encoding="utf-8")
    store = Store(folder)
    incidents = store.read("incidents")
    again = incidents.tail(300).with_columns(incident_id=pl.lit("again-") + pl.col("incident_id"))
    with store.writing("incidents", source_name="again.csv", source_sha256="ab" * 32) as batch:
        batch.add(again)
    plan.plan(folder)
    return folder


@pytest.fixture(scope="module")
def client(twice: Path) -> TestClient:
    return TestClient(make_app(twice))


def rows_of(page: str, table: str) -> dict[str, dict[str, str]]:
    within = page[page.index(f'data-table="{table}"') :]
    return {key: dict(CELL.findall(row)) for key, row in ROW.findall(within[: within.index("</table>")])}


def test_every_run_is_listed_with_the_way_to_what_it_showed(client, twice):
    runs = Store(twice).runs()["run_id"].to_list()
    page = client.get("/runs").text
    assert list(rows_of(page, "runs")) == runs[::-1]
    for run in runs:
        assert f'href="/runs/{run}"' in page
        assert f'href="/areas?run={run}"' in page
        assert client.get(f"/areas?run={run}").status_code == 200


def test_what_went_in_are_the_imports_that_the_run_read(client, twice):
    store = Store(twice)
    first, last = (json.loads(each) for each in store.runs().sort("sequence")["batches"])
    batches = {row["batch_id"]: row for row in store.batches().iter_rows(named=True)}
    for run, read in zip(store.runs().sort("sequence")["run_id"], (first, last), strict=True):
        shown = rows_of(client.get(f"/runs/{run}").text, "batches")
        assert set(shown) == set(read)
        for each, cells in shown.items():
            assert {name: int(value) for name, value in cells.items()} == {name: batches[each][name] for name in cells}
    assert len(last) == len(first) + 1


def test_what_came_out_are_the_tables_of_the_run_with_their_rows(client, twice):
    store = Store(twice)
    run = store.latest_run()["run_id"]
    page = client.get(f"/runs/{run}").text
    shown = rows_of(page, "results")
    assert set(shown) == set(store.results(run))
    for name in ("coverage", "peaks", "outages"):
        assert int(shown[name]["rows"]) == store.result(name, run).height
        assert f"/tables/{name}?run={run}" in page
    hashes = json.loads(store.latest_run()["results_sha256"])
    assert all(f'title="{hashes[name]}"' in page for name in shown)


def test_what_changed_against_the_run_before_is_told(client, twice):
    store = Store(twice)
    before, run = store.runs().sort("sequence")["run_id"].to_list()
    page = client.get(f"/runs/{run}").text
    assert "1 import came since (incidents)" in page
    assert "1 setting differs and 0 versions differ" in page
    record = client.get(f"/runs/{run}.json").json()
    assert record["run_before"] == before
    assert record["changed"]["settings"] == [{"name": "forecast.paths", "value": 120, "before": 100}]
    assert [each["source_name"] for each in record["imports"] if each["is_new"]] == ["again.csv"]
    now, then = (store.result("coverage", each).filter(level="force") for each in (run, before))
    shared = now.join(then.select("hour_starting"), on="hour_starting", how="semi")
    told = {each["what"]: each for each in record["changed"]["figures"]}
    assert told["Incidents expected"]["value"] == pytest.approx(shared["incidents_mean"].sum())
    assert told["Incidents expected"]["before"] == pytest.approx(
        then.join(now.select("hour_starting"), on="hour_starting", how="semi")["incidents_mean"].sum()
    )
    assert record["changed"]["hours"] == shared.height


def test_every_row_read_is_accounted_for(client, twice):
    page = client.get(f"/runs/{Store(twice).latest_run()['run_id']}").text
    rows = rows_of(page, "batches")
    assert rows
    for cells in rows.values():
        parts = ("rows_accepted", "rows_updated", "rows_unchanged", "rows_duplicate", "rows_quarantined")
        assert int(cells["rows_read"]) == sum(int(cells[name]) for name in parts)


def test_an_account_of_one_district_is_told_of_no_pool_beyond_it(twice, tmp_path):
    folder = copied(twice, tmp_path / "lantern")
    store = Store(folder)
    run = store.latest_run()["run_id"]
    moved = read_record(store, run).moved[-1]
    assert moved.what == "Unit-hours needed, the pool that moved most"
    pools, areas = reading.read_used(store, "pools", run), reading.read_used(store, "areas", run)
    theirs = areas.filter(pl.col("area_id").is_in(pools.filter(pool_id=moved.place_id)["area_id"]))["parent_id"]
    districts = set(areas.filter(level="district")["area_id"]) - set(theirs)
    assert districts, "the pool that moved most covers all of the force"
    app, client = with_accounts(folder)
    accounts.add(app.state.admission.state, "one.run", "chief", "LV", password=PASSWORD, districts=tuple(districts))
    told = client("one.run").get(f"/runs/{run}.json").json()["changed"]["figures"]
    assert [each["what"] for each in told][:4] == [each.what for each in read_record(store, run).moved][:4]
    assert moved.place_id not in {each["place_id"] for each in told}
    assert f"<td>{moved.place_id}</td>" not in client("one.run").get(f"/runs/{run}").text


def test_the_first_run_has_nothing_before_it(client, twice):
    first = Store(twice).runs().sort("sequence")["run_id"][0]
    page = client.get(f"/runs/{first}").text
    assert "It is the first run." in page
    assert "What changed against" not in page
    assert client.get(f"/runs/{first}.json").json()["run_before"] is None


def test_a_run_that_is_not_there_is_not_found_and_the_nearest_is_named(client, twice):
    run = Store(twice).latest_run()["run_id"]
    answer = client.get(f"/runs/{run}x.json")
    assert answer.status_code == 404
    assert run in answer.json()["detail"]


def test_a_run_whose_rows_were_erased_says_so(twice, tmp_path):
    folder = copied(twice, tmp_path / "erased", is_written=True)
    store = Store(folder)
    run = store.latest_run()["run_id"]
    assert read_record(store, run).erasures == 0
    store.erase("incident", store.read("incidents")["incident_id"][0])
    assert read_record(Store(folder), run).erasures == 1
    assert "can no longer be made again" in TestClient(make_app(folder)).get(f"/runs/{run}").text


def test_tables_that_an_account_may_not_see_have_no_link(small_force, tmp_path):
    app, client = with_accounts(copied(small_force, tmp_path / "lantern"))
    run = app.state.published.run(None)["run_id"]
    seen, kept = client("viewer").get(f"/runs/{run}").text, client("analyst").get(f"/runs/{run}").text
    hidden = [name for name in app.state.published.store.results(run) if name in SHOWN
              and kind_of_table(name) in ("strength", "records")]  # fmt: skip
    assert hidden
    for name in hidden:
        assert f"/tables/{name}?run={run}" in kept
        assert f"/tables/{name}?run={run}" not in seen
    assert f"/tables/coverage?run={run}" in seen
    assert f"/runs/{run}.json" not in seen
    assert client("viewer").get(f"/runs/{run}.json").status_code == 403


def test_every_page_of_figures_leads_to_its_run(client, twice):
    run = Store(twice).latest_run()["run_id"]
    area = Store(twice).result("coverage", run).filter(level="area")["place_id"][0]
    for address in (f"/areas/{area}", "/areas", "/outlook", "/data", "/contacts", "/strength", "/what-if"):
        assert f'href="/runs/{run}"' in client.get(address).text, address


def test_results_are_named_as_tables(twice):
    assert set(Store(twice).rows_of_results()) <= set(tables.names())
