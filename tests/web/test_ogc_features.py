"""The map's layers for other maps: what the standard asks for, what published clients read, and who may take it."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import jsonschema
import polars as pl
import pytest
import shapely
from fastapi.testclient import TestClient

from bluelamp.access import ROLES, Holder, kind_of_table, may
from bluelamp.errors import UsageError
from bluelamp.reading import read_table
from bluelamp.state import accounts
from bluelamp.web.app import make_app
from bluelamp.web.ogc_features import COLLECTIONS, draw_areas, read_box, read_interval
from tests.browser.serving import serving
from tests.web.served import copied, set_service, with_accounts

ITEMS = "/ogc/collections/{}/items"


@pytest.fixture(scope="module")
def client(small_force):
    return TestClient(make_app(small_force))


@pytest.fixture(scope="module")
def coverage(small_force):
    return read_table(small_force, "coverage")


def path_of(link):
    parts = urlsplit(link["href"])
    assert (parts.scheme, parts.netloc) == ("http", "testserver")
    return f"{parts.path}{'?' if parts.query else ''}{parts.query}"


def all_features(client, path):
    """Every feature behind an address, by the links to the next page."""
    found = []
    while path:
        page = client.get(path).json()
        assert page["numberReturned"] == len(page["features"])
        found += page["features"]
        path = next((path_of(link) for link in page["links"] if link["rel"] == "next"), None)
    assert len(found) == page["numberMatched"]
    return found


def test_every_link_leads_to_what_it_says_it_is(client):
    ahead, seen = ["/ogc/"], set()
    while ahead:
        path = ahead.pop()
        answer = client.get(path)
        assert answer.status_code == 200, path
        seen.add(path)
        content = answer.json()
        for each in [content, *content.get("collections", [])]:
            for link in each.get("links", []):
                there = client.get(path_of(link))
                assert there.headers["content-type"] == link["type"], link
                if path_of(link) not in seen and not link["rel"].startswith("service"):
                    ahead.append(path_of(link))
    assert {f"/ogc/collections/{name}/items" for name in COLLECTIONS} <= seen


def test_the_address_without_a_slash_leads_to_the_one_with_it(client):
    assert client.get("/ogc").json()["links"][0]["href"] == "http://testserver/ogc/"


def test_links_are_secure_where_people_ask_a_proxy_securely(small_force, tmp_path):
    force = copied(small_force, tmp_path / "lantern")
    set_service(force, "https = true")
    links = TestClient(make_app(force)).get("/ogc/").json()["links"]
    assert {urlsplit(link["href"]).scheme for link in links} == {"https"}


def test_areas_are_the_boundaries_of_the_table(client, small_force):
    areas = read_table(small_force, "areas")
    found = {each["id"]: each for each in all_features(client, ITEMS.format("areas"))}
    assert set(found) == {f"{row['level']}.{row['area_id']}" for row in areas.iter_rows(named=True)}
    for row in areas.iter_rows(named=True):
        drawn = found[f"{row['level']}.{row['area_id']}"]
        assert shapely.from_geojson(json.dumps(drawn["geometry"])).equals(shapely.from_geojson(row["boundary"]))
        assert drawn["properties"]["area_name"] == row["area_name"]
    districts = client.get(f"{ITEMS.format('areas')}?level=district").json()
    assert districts["numberMatched"] == areas.filter(level="district").height


def test_coverage_is_what_its_table_says_of_the_hour_that_is_asked_for(client, coverage):
    hour = datetime.fromisoformat("2026-10-20T18:00:00+00:00")
    found = all_features(client, f"{ITEMS.format('coverage')}?datetime=2026-10-20T18:59:59Z")
    areas = coverage.filter(level="area", hour_starting=hour)
    pools = {row["place_id"]: row for row in coverage.filter(level="pool", hour_starting=hour).iter_rows(named=True)}
    assert len(found) == areas.height > 8
    for each in (feature["properties"] for feature in found):
        assert each["hour_starting"] == "2026-10-20T18:00:00Z"
        own = areas.row(by_predicate=pl.col("place_id") == each["area_id"], named=True)
        for name in ("incidents_mean", "officer_hours_mean", "chance_late", "pool_id"):
            assert each[name] == own[name]
        for name in ("officers_required", "officers_on_duty", "officers_gap", "units_gap", "chance_late"):
            # Incidents whose place is not known are covered by no pool.
            assert each[f"pool_{name}"] == (None if each["pool_id"] is None else pools[each["pool_id"]][name])


def test_the_worst_hour_of_the_fortnight_is_given_where_none_is_asked_for(client, coverage):
    covering = coverage.filter(pl.col("level") == "area")["pool_id"].unique().to_list()
    begins = coverage["hour_starting"].min()
    ends = datetime.fromisoformat("2026-11-02T00:00:00+00:00")  # fourteen local days; the clock goes back in them
    by_hour = {}
    for row in coverage.filter(level="pool").iter_rows(named=True):
        if row["place_id"] in covering and begins <= row["hour_starting"] < ends:
            short, late, required = by_hour.get(row["hour_starting"], (0, 0.0, 0))
            by_hour[row["hour_starting"]] = (
                short + max(0, -(row["officers_gap"] or 0)),
                max(late, row["chance_late"] or 0.0),
                required + row["officers_required"],
            )
    worst = max(sorted(by_hour), key=by_hour.get)
    given = {each["properties"]["hour_starting"] for each in all_features(client, ITEMS.format("coverage"))}
    assert given == {f"{worst:%Y-%m-%dT%H:%M:%SZ}"}


@pytest.mark.parametrize(
    ("asked", "hours"),
    [
        ("2026-10-20T18:00:00Z/2026-10-20T20:00:00Z", 3),
        ("2026-10-20T18:00:01Z/2026-10-20T19:59:59Z", 2),
        ("../2026-10-19T01:30:00Z", 3),
        ("/2026-10-19T01:30:00Z", 3),
        ("2026-12-13T22:00:00Z/..", 2),
        ("2026-10-20T20:00:00%2B02:00", 1),
        ("0001-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59Z/..", 0),
    ],
)
def test_an_interval_gives_every_hour_that_it_has_an_instant_of(client, asked, hours):
    found = all_features(client, f"{ITEMS.format('coverage')}?datetime={asked}")
    assert len({each["properties"]["hour_starting"] for each in found}) == hours


def test_what_holds_at_any_time_is_given_whatever_time_is_asked_for(client):
    assert client.get(f"{ITEMS.format('areas')}?datetime=1999-01-01T00:00:00Z").json()["numberMatched"] == 11


def test_hotspots_are_those_of_the_table_with_their_shapes(client, small_force):
    rows = read_table(small_force, "hotspots").filter((pl.col("ground_share") <= 0.05) | (pl.col("rank") == 1))
    found = all_features(client, f"{ITEMS.format('hotspots')}?class_code=burglary&limit=97")
    burglary = rows.filter(class_code="burglary")
    assert {each["properties"]["cell_id"] for each in found} == set(burglary["cell_id"])
    assert len(found) == burglary.height
    for each in found:
        row = each["properties"]
        assert shapely.from_geojson(json.dumps(each["geometry"])).contains(
            shapely.Point(row["longitude"], row["latitude"])
        )


def test_pages_have_every_feature_once_and_are_of_one_run(client, small_force):
    run = client.app.state.published.run(None)["run_id"]
    pages, path = [], f"{ITEMS.format('hotspots')}?limit=1700"
    while path:
        pages.append(client.get(path).json())
        path = next((path_of(link) for link in pages[-1]["links"] if link["rel"] == "next"), None)
        assert path is None or f"run={run}" in path
    ids = [each["id"] for page in pages for each in page["features"]]
    assert len(pages) > 2
    assert len(set(ids)) == len(ids) == pages[0]["numberMatched"]


def test_more_than_the_most_is_the_most_and_no_error(client):
    page = client.get(f"{ITEMS.format('coverage')}?datetime=2026-10-01T00:00:00Z/..&limit=999999").json()
    assert page["numberReturned"] == 10_000 < page["numberMatched"]


def test_a_box_keeps_what_touches_it(client, small_force):
    box = (2.25, 54.94, 2.28, 54.96)
    asked = ",".join(map(str, box))
    areas = read_table(small_force, "areas")
    touching = {
        f"{row['level']}.{row['area_id']}"
        for row in areas.iter_rows(named=True)
        if shapely.from_geojson(row["boundary"]).intersects(shapely.box(*box))
    }
    found = client.get(f"{ITEMS.format('areas')}?bbox={asked}").json()
    assert {each["id"] for each in found["features"]} == touching
    assert 2 < len(touching) < 11
    assert client.get(f"{ITEMS.format('areas')}?bbox=10,10,11,11").json()["features"] == []


def test_a_box_across_the_date_line_has_what_lies_on_both_of_its_sides():
    areas = pl.DataFrame({
        "level": ["area"] * 3, "area_id": ["fiji_west", "fiji_east", "london"],
        "boundary": [shapely.to_geojson(shapely.box(west, -18, west + 1, -17)) for west in (178.0, -179.5, 0.0)],
    })  # fmt: skip
    from bluelamp.web.ogc_features import _touching

    assert _touching(draw_areas(areas).shapes, read_box("177,-20,-178,-16")) == ["area.fiji_east", "area.fiji_west"]


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "1,3,2,2", "a,b,c,d", "nan,0,1,1", "0,0,inf,1"])
def test_a_box_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="bbox"):
        read_box(text)


def test_heights_of_a_box_say_nothing():
    assert read_box("1,2,-50,3,4,900") == (1, 2, 3, 4)


@pytest.mark.parametrize(
    "text",
    ["", "..", "2026-10-20", "2026-10-20T18:00", "yesterday", "a/b/c", "2026-10-21T00:00:00Z/2026-10-20T00:00:00Z"],
)
def test_a_time_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="datetime"):
        read_interval(text)


def test_an_hour_is_over_when_the_next_begins():
    first, last = read_interval("2026-10-20T18:00:00Z")
    assert first == last
    assert last - first == timedelta(0)


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/ogc/collections/arrears", 404, "Did you mean 'areas'?"),
        (ITEMS.format("nothing"), 404, "no layer"),
        (ITEMS.format("areas") + "/area.nowhere", 404, "no feature"),
        (ITEMS.format("areas") + "?run=r9", 404, "no run"),
        (ITEMS.format("areas") + "?limit=0", 400, "limit"),
        (ITEMS.format("areas") + "?limit=many", 400, "limit"),
        (ITEMS.format("areas") + "?offset=-1", 400, "offset"),
        (ITEMS.format("areas") + "?bbox=1,2,3", 400, "bbox"),
        (ITEMS.format("areas") + "?datetime=now", 400, "datetime"),
        (ITEMS.format("areas") + "?levl=area", 400, "Did you mean 'level'?"),
        ("/ogc/conformance?x=1", 400, "'x' means nothing here"),
    ],
)
def test_what_can_not_be_answered_is_a_sentence(client, path, status, word):
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert word in answer.text


def test_each_feature_is_found_by_its_id(client):
    for name in COLLECTIONS:
        first = client.get(f"{ITEMS.format(name)}?limit=1").json()["features"][0]
        alone = client.get(f"{ITEMS.format(name)}/{first['id']}").json()
        assert {key: alone[key] for key in first} == first
        assert [link["rel"] for link in alone["links"]] == ["self", "collection"]


def test_what_a_program_has_already_is_not_sent_again(client):
    answer = client.get(ITEMS.format("areas"))
    again = client.get(ITEMS.format("areas"), headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_pages_are_geojson(client):
    page = {
        "type": "object", "required": ["type", "features"], "properties": {
            "type": {"const": "FeatureCollection"},
            "features": {"items": {
                "required": ["type", "id", "geometry", "properties"], "properties": {
                    "type": {"const": "Feature"}, "geometry": {"type": ["object", "null"],
                    "required": ["type", "coordinates"]}, "properties": {"type": "object"}}}}}}  # fmt: skip
    for name in COLLECTIONS:
        jsonschema.validate(client.get(ITEMS.format(name)).json(), page)


def test_a_force_without_a_run_has_a_first_page_and_no_layers(tmp_path):
    (tmp_path / "force.toml").write_text('[force]\nid = "x"\nname = "X"\ntime_zone = "UTC"\n', "utf-8")
    client = TestClient(make_app(tmp_path))
    assert client.get("/ogc/").status_code == 200
    assert client.get("/ogc/collections").json()["collections"] == []
    assert client.get(ITEMS.format("areas")).status_code == 404


@pytest.fixture(scope="module")
def served(small_force, tmp_path_factory):
    return with_accounts(copied(small_force, tmp_path_factory.mktemp("ogc") / "lantern"))


@pytest.mark.parametrize("role", ROLES)
def test_a_layer_is_taken_by_whom_its_table_is_for(served, role):
    _, client = served
    signed_in = client(role)
    listed = signed_in.get("/ogc/collections")
    assert listed.status_code == (403 if role in ("source", "monitor") else 200)
    for name in COLLECTIONS:
        kind = kind_of_table(name)
        takes = may(Holder("x", role, "LV"), kind, "export", "LV")
        looks = may(Holder("x", role, "LV"), kind, "consult", "LV")
        assert signed_in.get(ITEMS.format(name)).status_code == (200 if takes else 403), name
        assert signed_in.get(ITEMS.format(name) + "/x").status_code == (404 if takes else 403), name
        assert signed_in.get(f"/ogc/collections/{name}").status_code == (200 if looks else 403), name
        if listed.status_code == 200:
            assert (name in [each["id"] for each in listed.json()["collections"]]) == takes
    assert client().get(ITEMS.format("areas")).status_code == 401


def test_taking_a_layer_is_logged_each_time(served):
    from bluelamp.state import log

    app, client = served
    state, chief = app.state.admission.state, client("chief")
    before = len(log.entries(state, operation="disclosure", who="chief"))
    chief.get(ITEMS.format("coverage"))
    chief.get(ITEMS.format("coverage"))
    assert len(log.entries(state, operation="disclosure", who="chief")) == before + 2


def test_an_account_of_one_district_takes_its_places_and_no_others(served, small_force):
    app, client = served
    areas = read_table(small_force, "areas")
    district = areas.filter(level="district")["area_id"].sort()[0]
    accounts.add(app.state.admission.state, "of.one", "chief", "LV", password="correct horse battery",
                 districts=(district,))  # fmt: skip
    limited = client("of.one")
    theirs = set(areas.filter(parent_id=district, level="area")["area_id"])
    drawn = {each["properties"]["area_id"] for each in all_features(limited, ITEMS.format("areas"))}
    assert drawn == theirs | {district, "LV"}
    for name in ("coverage", "hotspots"):
        assert {each["properties"]["area_id"] for each in all_features(limited, ITEMS.format(name))} <= theirs, name
    other = areas.filter(pl.col("parent_id") != district, pl.col("level") == "area")["area_id"][0]
    assert limited.get(f"{ITEMS.format('areas')}/area.{other}").status_code == 404


READ = """
import sys
import pyogrio
for layer in ("areas", "coverage", "hotspots"):
    about, _, shapes, fields = pyogrio.raw.read(f"OAPIF:{sys.argv[1]}/ogc", layer=layer)
    print(layer, len(shapes), about["crs"], about["geometry_type"])
print(len(pyogrio.raw.read(f"OAPIF:{sys.argv[1]}/ogc", layer="hotspots", bbox=(2.25, 54.94, 2.28, 54.96))[2]))
"""


def test_published_clients_read_the_layers_with_a_key(small_force, tmp_path, monkeypatch):
    from owslib.ogcapi import REQUEST_HEADERS
    from owslib.ogcapi.features import Features

    monkeypatch.setitem(REQUEST_HEADERS, "User-Agent", "a test")  # so that the key below leaves it again
    force = copied(small_force, tmp_path / "lantern")
    with serving(force, sign_in=True) as base:
        state = make_app(force, sign_in=True).state.admission.state
        accounts.add(state, "qgis", "analyst", "LV")
        key = accounts.make_key(state, "qgis", "a test")
        there = Features(f"{base}/ogc", headers={"Authorization": f"Bearer {key}"})
        assert there.feature_collections() == ["areas", "coverage", "hotspots"]
        assert there.conformance()["conformsTo"][0].endswith("ogcapi-features-1/1.0/conf/core")
        west, south, east, north = there.collection("coverage")["extent"]["spatial"]["bbox"][0]
        assert (west < east, south < north) == (True, True)
        box = [2.25, 54.94, 2.28, 54.96]
        found = there.collection_items("hotspots", limit=10_000)
        inside = there.collection_items("hotspots", bbox=box, limit=10_000)
        assert len(found["features"]) == found["numberMatched"] > inside["numberMatched"] > 0
        hour = there.collection_items("coverage", datetime="2026-10-20T18:00:00Z")
        assert {each["properties"]["hour_starting"] for each in hour["features"]} == {"2026-10-20T18:00:00Z"}
        first = hour["features"][0]
        assert there.collection_item("coverage", first["id"])["properties"] == first["properties"]
        # GDAL holds the interpreter while it waits, so that it asks from a process of its own.
        environment = {**os.environ, "GDAL_HTTP_AUTH": "BEARER", "GDAL_HTTP_BEARER": key}
        read = subprocess.run(
            [sys.executable, "-c", READ, base], env=environment, capture_output=True, text=True, timeout=120, check=True
        )
    assert read.stdout.split("\n")[:4] == [
        "areas 11 EPSG:4326 Polygon",
        f"coverage {len(hour['features'])} EPSG:4326 Polygon",
        f"hotspots {found['numberMatched']} EPSG:4326 Polygon",
        str(inside["numberMatched"]),
    ]
