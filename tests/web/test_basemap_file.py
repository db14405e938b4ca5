"""The base map's file over the web: by byte ranges, to those who see figures, and to nobody where there is none."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from bluelamp.web.app import make_app
from tests.basemaps import write_shapes
from tests.web.served import copied, with_accounts

ADDRESS = "/api/basemap.pmtiles"


@pytest.fixture(scope="module")
def force(small_force, tmp_path_factory):
    folder = copied(small_force, tmp_path_factory.mktemp("basemap") / "lantern")
    write_shapes(folder / "roads.pmtiles")
    with (folder / "force.toml").open("a", encoding="utf-8") as file:
        file.write('\n[map]\nbasemap = "roads.pmtiles"\n')
    return folder


def test_bytes_are_given_as_they_are_asked_for(force):
    client = TestClient(make_app(force))
    whole = (force / "roads.pmtiles").read_bytes()
    part = client.get(ADDRESS, headers={"range": "bytes=7-126"})
    assert (part.status_code, part.content) == (206, whole[7:127])
    assert part.headers["content-range"] == f"bytes 7-126/{len(whole)}"
    assert client.get(ADDRESS).content == whole
    assert client.get(ADDRESS, headers={"range": f"bytes={len(whole)}-"}).status_code == 416


def test_the_map_is_told_of_it_and_of_none_where_there_is_none(force, small_force):
    assert TestClient(make_app(force)).get("/api/map.json").json()["basemap"] == {
        "address": ADDRESS, "tiles": "vector", "attribution": None,
    }  # fmt: skip
    without = TestClient(make_app(small_force))
    assert without.get("/api/map.json").json()["basemap"] is None
    answer = without.get(ADDRESS)
    assert answer.status_code == 404
    assert "gave no base map" in answer.json()["detail"]


def test_it_is_for_those_who_see_figures(force):
    _, client = with_accounts(force)
    assert client().get(ADDRESS).status_code == 401
    assert client("peer_force").get(ADDRESS).status_code == 403
    assert client("viewer").get(ADDRESS).status_code == 200


def test_a_file_that_is_spoilt_leaves_the_map_as_it_is_and_says_why(force, tmp_path):
    spoilt = copied(force, tmp_path / "spoilt")
    (spoilt / "roads.pmtiles").unlink()
    app = make_app(spoilt)
    assert "can't be read" in app.state.published.no_basemap
    client = TestClient(app)
    assert client.get("/api/map.json").json()["basemap"] is None
    assert "can't be read" in client.get(ADDRESS).json()["detail"]
