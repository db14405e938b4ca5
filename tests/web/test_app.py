import gzip
import html
import io
import json
from datetime import date

import jsonschema
import polars as pl
import pytest
from fastapi.testclient import TestClient

from bluelamp import backtest as scored
from bluelamp import hotspot_trial, intake, tables, validation
from bluelamp.reading import read_table
from bluelamp.received import account_for as read_account
from bluelamp.web import data_page
from bluelamp.web.app import SHOWN, make_app


@pytest.fixture(scope="module")
def client(small_force):
    return TestClient(make_app(small_force))


@pytest.fixture(scope="module")
def figures(client):
    return client.get("/api/map.json").json()


def test_the_page_is_there_and_names_the_force(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "Lantern Valley" in page.text


@pytest.mark.parametrize("path", ["/", "/api/map.json", "/tables", "/tables/coverage.csv?level=force", "/nowhere"])
def test_every_answer_carries_the_security_headers(client, path):
    headers = client.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_a_request_by_another_host_name_is_refused(client):
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


def test_the_figures_say_what_the_coverage_table_says(figures, small_force):
    coverage = read_table(small_force, "coverage")
    hours = figures["hours"]["starting"]
    # Fourteen local days; the clock goes back in them.
    assert len(hours) == 337
    seen = 0
    for level, ids in (("area", figures["areas"]["id"]), ("pool", figures["pools"]["id"]), ("force", ["LV"])):
        rows = coverage.filter(pl.col("level") == level, pl.col("hour_starting").dt.epoch("s").is_in(hours))
        by_place = {
            (place, hour): row
            for place, hour, row in zip(
                rows["place_id"], rows["hour_starting"].dt.epoch("s"), rows.iter_rows(named=True), strict=True
            )
        }
        for name, figure in figures["figures"][level].items():
            if "decimals" not in figure:
                continue
            for place, values in zip(ids, figure["values"], strict=True):
                for hour, value in zip(hours, values, strict=True):
                    row = by_place.get((place, hour))
                    wanted = None if row is None else row[name]
                    given = None if value is None else value / 10 ** figure["decimals"]
                    assert given == wanted, (level, place, hour, name)
                    seen += value is not None
    assert seen > 50_000


def test_the_figures_are_compressed_once_and_not_sent_again(client):
    first = client.get("/api/map.json", headers={"accept-encoding": "gzip"})
    assert first.headers["content-encoding"] == "gzip"
    again = client.get("/api/map.json", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    plain = client.get("/api/map.json", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json()["format"] == "bluelamp-map/1"


@pytest.mark.parametrize(
    "name",
    sorted(
        set(SHOWN)
        - {"demand", "forecast", "required_staff", "people", "duties"}
        - {*scored.NAMES, *hotspot_trial.NAMES, *validation.NAMES}
    ),
)
def test_every_table_has_its_page_its_csv_and_its_json(client, name):
    data = client.get(f"/tables/{name}.json")
    text = client.get(f"/tables/{name}.csv")
    page = client.get(f"/tables/{name}")
    assert (data.status_code, text.status_code, page.status_code) == (200, 200, 200)
    rows = data.json()
    frame = pl.read_csv(io.BytesIO(text.content), infer_schema_length=0)
    assert frame.columns == tables.table(name).columns
    assert frame.height == len(rows)
    validator = jsonschema.Draft202012Validator(client.get(f"/schemas/{name}.json").json())
    for row in rows[:200]:
        validator.validate(row)


def test_rows_can_be_asked_for_by_value(client):
    rows = client.get("/tables/coverage.json?level=force&hour_starting=2026-10-20T18:00:00Z").json()
    assert len(rows) == 1
    assert rows[0]["level"] == "force"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/tables/coverge.json", 400, "Did you mean 'coverage'"),
        ("/tables/coverage.json?levl=force", 400, "Did you mean 'level'"),
        ("/tables/coverage.json?hour_starting=noon", 400, "an instant"),
        ("/tables/coverage.json?run=r9", 404, "There is no run 'r9'"),
        ("/tables/duties.json", 403, "may not export this (people)"),
        ("/tables/people.csv", 403, "may not export this (people)"),
    ],
)
def test_a_wrong_address_gets_a_sentence(client, path, status, words):
    answer = client.get(path)
    assert answer.status_code == status
    assert words in json.dumps(answer.json(), ensure_ascii=False)


def test_no_person_can_be_read_from_any_address(client, small_force):
    people = set(read_table(small_force, "people")["person_id"])
    addresses = ["/", "/data", "/tables", "/api/map.json", "/health.json", *(f"/tables/{name}.csv" for name in SHOWN)]
    for address in addresses:
        text = client.get(address).text
        assert not any(person in text for person in list(people)[:20]), address


def test_a_table_that_is_shown_escapes_what_it_holds(client):
    assert "<script>alert" not in client.get("/tables/coverage?place_id=<script>alert(1)</script>").text


def test_the_api_describes_itself(client):
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert "/api/map.json" in described["paths"]


def test_the_map_data_is_the_same_for_two_readings_of_one_run(small_force):
    one = TestClient(make_app(small_force)).get("/api/map.json", headers={"accept-encoding": "gzip"})
    two = TestClient(make_app(small_force)).get("/api/map.json", headers={"accept-encoding": "gzip"})
    assert one.content == two.content
    assert gzip.compress(one.content, mtime=0)


# ---- the data page ----


def test_the_data_page_says_what_came_in_and_what_is_missing(client, small_force):
    page = client.get("/data").text
    received = read_account(small_force)["received"]
    for name, rows, left_out in received.select("table_name", "rows", "left_out").iter_rows():
        assert f'data-key="{name}"' in page
        assert left_out is None or html.escape(left_out, quote=False).replace("'", "&#39;") in page
        assert rows == 0 or f'data-value="{rows}">{rows:,}<' in page


def test_without_a_status_log_the_page_says_what_is_missing_for_the_moment_of_the_extract(client, small_force):
    assert read_table(small_force, "open_logs").is_empty()
    page = client.get("/data").text
    assert "Who is committed is not known" in page
    assert 'data-table="units_now"' not in page


def test_a_force_without_a_run_has_a_data_page(tmp_path):
    (tmp_path / "force.toml").write_text('[force]\nid = "N"\nname = "<North>"\ntime_zone = "UTC"\n')
    page = TestClient(make_app(tmp_path)).get("/data")
    assert page.status_code == 200
    assert "There is no run yet" in page.text
    assert "&lt;North&gt;: data" in page.text
    assert "<North>" not in page.text


def test_what_came_in_meanwhile_is_on_the_data_page(tmp_path):
    (tmp_path / "force.toml").write_text('[force]\nid = "N"\nname = "North"\ntime_zone = "UTC"\n')
    client = TestClient(make_app(tmp_path))
    assert client.get("/tables/received.json?table_name=incidents").json()[0]["rows"] == 0
    (tmp_path / "calls.csv").write_text(
        "incident_id,received_at,class_code,origin\n1,2026-07-01T10:00:00Z,theft,public\n"
    )
    intake.import_extract(tmp_path, tmp_path / "calls.csv")
    assert client.get("/tables/received.json?table_name=incidents").json()[0]["rows"] == 1


def test_a_run_of_before_there_were_such_results_is_shown_without_them(small_force, monkeypatch):
    published = make_app(small_force).state.published
    monkeypatch.setattr(published.store, "results", lambda run_id: ["coverage"])
    assert "Who is committed is not known" in published.data_page(None)


@pytest.mark.parametrize(("came", "last_shown"), [("2026-07-04", "2026-07-04"), ("2026-11-01", "2026-07-03")])
def test_the_small_bars_end_with_the_last_import_or_where_old_data_ends(came, last_shown):
    days = pl.DataFrame(
        {"day": ["2026-07-01", "2026-07-03", came], "rows": [5, 10, 0], "batches": [0, 0, 1], "rows_read": [0, 0, 15]}
    ).with_columns(
        pl.col("day").str.to_date(), table_name=pl.lit("incidents"), is_empty=pl.lit(False), is_missing=pl.lit(False)
    )
    strip = data_page._strips(days, date(2026, 11, 2))["incidents"]
    assert f"to {last_shown}: at most 10 rows a day" in strip["words"]
    last = (date.fromisoformat(last_shown) - date(2026, 7, 3)).days
    assert [bar["height"] for bar in strip["bars"]][-3 - last :][:3] == [9, 0, 18]
    assert strip["bars"][-1]["came"] == (last == 1)
