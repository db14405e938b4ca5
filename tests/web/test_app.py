import gzip
import io
import json

import jsonschema
import polars as pl
import pytest
from fastapi.testclient import TestClient

from bluelamp import tables
from bluelamp.plan import read_table
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


@pytest.mark.parametrize("name", [name for name in SHOWN if name not in ("demand", "forecast", "required_staff")])
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
        ("/tables/duties.json", 403, "not shown"),
        ("/tables/people.csv", 403, "not shown"),
    ],
)
def test_a_wrong_address_gets_a_sentence(client, path, status, words):
    answer = client.get(path)
    assert answer.status_code == status
    assert words in json.dumps(answer.json(), ensure_ascii=False)


def test_no_person_can_be_read_from_any_address(client, small_force):
    people = set(read_table(small_force, "people")["person_id"])
    addresses = ["/", "/tables", "/api/map.json", "/health.json", *(f"/tables/{name}.csv" for name in SHOWN)]
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
