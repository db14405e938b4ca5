"""The page and the addresses of hotspots: each figure is in a table, and what is not known is said."""

from __future__ import annotations

import json
import re
import shutil
from itertools import pairwise

import polars as pl
import pytest
from fastapi.testclient import TestClient

from bluelamp import cli, hotspot_trial, tables
from bluelamp.reading import read_table
from bluelamp.store import Store, tried
from bluelamp.web.app import make_app
from bluelamp.web.hotspots_page import render_hotspots_page


@pytest.fixture(scope="module")
def client(mapped_force):
    return TestClient(make_app(mapped_force))


@pytest.fixture(scope="module")
def untested(small_force):
    return TestClient(make_app(small_force))


@pytest.fixture(scope="module")
def scores(mapped_force) -> pl.DataFrame:
    return hotspot_trial.read(mapped_force).scores


def told(page: str) -> dict[str, list[tuple[str, str, str]]]:
    """What a page says by table: key, field and value."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for name, inside in re.findall(r'<table data-table="(\w+)">(.*?)</table>', page, flags=re.DOTALL):
        found.setdefault(name, []).extend(
            re.findall(r'data-key="([^"]+)" data-field="(\w+)" data-value="([^"]*)"', inside)
        )
    return found


@pytest.mark.parametrize("class_code", ["all", "violence"])
def test_every_figure_of_the_page_is_one_of_its_table(client, mapped_force, scores, class_code):
    page = client.get(f"/hotspots?class={class_code}")
    assert page.status_code == 200
    found = told(page.text)
    for name, rows in (("hotspot_scores", scores), ("hotspots", read_table(mapped_force, "hotspots"))):
        key = tables.table(name).key
        by_key = {" ".join(str(row[part]) for part in key): row for row in rows.iter_rows(named=True)}
        assert len(found[name]) > 30
        for at, field, value in found[name]:
            assert value == ("" if by_key[at][field] is None else str(by_key[at][field])), (at, field)


def test_a_pai_is_never_without_its_ground(client, scores):
    page = client.get("/hotspots?class=all").text
    for share, km2 in scores.select("watched_share", "watched_km2").unique().iter_rows():
        assert f"{share * 100:g}% of the ground, {km2:,.2f} km²" in page
    assert f"PAI at {scores.filter(watched_share=0.01)['watched_km2'][0]:,.2f} km²" in page


def test_every_sentence_of_the_test_is_there(client, mapped_force):
    page = client.get("/hotspots").text.replace("&#39;", "'")
    for sentence in hotspot_trial.read(mapped_force).sentences:
        assert sentence in page


def test_the_picture_says_in_words_what_it_shows(client, scores):
    page = client.get("/hotspots?class=violence").text
    assert page.count('class="caught-line') == scores["method"].n_unique()
    rate = scores.filter(class_code="violence", method="counts", watched_share=0.05)["hit_rate"][0]
    label = re.search(r'class="caught" role="img"[^>]*aria-label="([^"]+)"', page)
    assert label is not None
    assert f"{100 * rate:.1f}% at 5%" in label[1]
    heights = sorted(float(y) for y in re.findall(r'class="caught-name[^>]* y="([\d.]+)"', page))
    assert heights[0] >= 10
    assert all(below - above >= 11.9 for above, below in pairwise(heights))


def test_a_run_that_is_older_than_the_test_says_what_to_do(client, scores):
    other = scores.filter(pl.col("is_shown") & (pl.col("method") != "counts"))["class_code"][0]
    page = client.get(f"/hotspots?class={other}").text
    assert "This run still shows the plain count map" in page
    assert "<code>bluelamp plan mapped</code>" in page


def test_without_a_test_the_page_says_that_nothing_is_known_and_how_to_test(untested, small_force):
    page = untested.get("/hotspots").text
    assert "Not tested yet" in page
    assert f"bluelamp hotspots {small_force.name} --test" in page
    assert 'data-table="hotspots"' in page
    assert untested.get("/tables/hotspot_scores.csv").status_code == 404


def test_where_nothing_stands_out_no_place_is_named(client, mapped_force):
    found = hotspot_trial.read(mapped_force)
    flat = hotspot_trial.Tested(found.scores.with_columns(pai_low=pl.lit(0.8)), found.about, found.sentences)
    page = render_hotspots_page(
        read_table(mapped_force, "hotspots"), flat, Store(mapped_force).latest_run(), class_code="violence",
        force_name="Lantern Valley", folder="mapped", time_zone="Europe/London",
    )  # fmt: skip
    assert "No place stands out" in page
    assert 'data-table="hotspots"' not in page


def test_a_test_under_other_settings_is_told(mapped_force, tmp_path):
    folder = tmp_path / "moved"
    shutil.copytree(mapped_force, folder)
    path = folder / "force.toml"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n[offending]\nresolution = 8\n", encoding="utf-8")
    page = TestClient(make_app(folder)).get("/hotspots").text
    assert "The settings under [offending] are others" in page


def test_a_force_without_a_run_has_a_page_too():
    page = render_hotspots_page(
        tables.empty("hotspots"), None, None, class_code="all", force_name="New", folder="new", time_zone="UTC"
    )
    assert "No run yet" in page
    assert "Not tested yet" in page


def test_a_class_that_has_no_map_is_refused_in_words(client):
    for address in (
        "/hotspots?class=violense",
        "/api/hotspots.json?class=violense",
        "/hotspots.geojson?class=violense",
    ):
        answer = client.get(address)
        assert answer.status_code == 400
        assert "violence" in answer.text, address


def test_the_layer_is_what_the_table_says_and_is_kept_compressed(client, mapped_force):
    answer = client.get("/api/hotspots.json?class=violence")
    assert answer.headers["content-encoding"] == "gzip"
    again = client.get("/api/hotspots.json?class=violence", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    data = answer.json()
    rows = read_table(mapped_force, "hotspots").filter(class_code="violence").sort("from_hour", "rank")
    assert data["figures"]["expected"]["values"] == (rows["expected"] * 1e6).round().cast(pl.Int64).to_list()
    assert all(data["cells"]["outline"])
    assert data["week_of"] == "2026-10-19"
    assert data["tested"]["weeks"] == 13


def test_the_plain_count_map_is_whole_up_to_the_same_ground(mapped_force):
    rows = read_table(mapped_force, "hotspots").filter(class_code="all", from_hour=15)
    listed = rows.filter(pl.col("count_ground_share") <= 0.05)["count_rank"].sort().to_list()
    assert listed == list(range(1, len(listed) + 1))
    assert rows["counted"].sort(descending=True)[0] > 0


def test_places_have_geojson_and_csv_of_one_shift(client, mapped_force):
    query = "class=violence&from_hour=15&share=0.01"
    shown = hotspot_trial.list_places(mapped_force, "violence", 15, 0.01)
    assert hotspot_trial.OF_THE_WEEK in shown.lines()
    rows = shown.rows
    assert client.get(f"/hotspots.csv?{query}").text == tables.to_csv(rows, "hotspots")
    found = client.get(f"/hotspots.geojson?{query}").json()["features"]
    assert [each["properties"]["cell_id"] for each in found] == rows["cell_id"].to_list()
    assert all(each["geometry"]["type"] == "Polygon" for each in found)
    assert client.get("/hotspots.csv?share=0.2").status_code == 422


def test_a_new_test_is_told_by_the_layer_at_once(mapped_force, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(mapped_force, folder)
    client = TestClient(make_app(folder))
    before = client.get("/api/hotspots.json?class=all").json()["tested"]
    found, about = tried.read(folder, "hotspot_scores") or (None, None)
    tried.write(folder, "hotspot_scores", found.with_columns(weeks=pl.lit(52, dtype=pl.Int64)), about)
    assert (before["weeks"], client.get("/api/hotspots.json?class=all").json()["tested"]["weeks"]) == (13, 52)


def test_the_map_says_where_its_layer_is_and_the_file_has_none(client, mapped_force):
    layer = client.get("/api/map.json").json()["hotspots"]
    assert layer["classes"][0] == "all"
    assert client.get(layer["address"]).status_code == 200
    assert client.get(layer["page"]).status_code == 200
    assert client.get(layer["twin"]).status_code == 200


def test_the_page_and_its_tables_are_linked_from_the_others(client):
    for address in ("/data", "/outlook", "/tables", "/tables/areas", "/"):
        assert 'href="/hotspots"' in client.get(address).text, address
    assert client.get("/tables/hotspots").status_code == 200
    assert client.get("/tables/hotspot_scores").status_code == 200


def test_the_command_line_reads_the_scores_as_a_table(mapped_force, scores, monkeypatch, capsysbinary):
    monkeypatch.setattr("sys.argv", ["bluelamp", "table", "hotspot_scores", str(mapped_force), "--csv"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert capsysbinary.readouterr().out.decode() == tables.to_csv(scores, "hotspot_scores")


def test_notes_of_the_run_that_speak_of_hotspots_are_on_the_page(client, mapped_force):
    notes = [each for each in json.loads(Store(mapped_force).latest_run()["notes"]) if "otspots" in each]
    page = client.get("/hotspots").text.replace("&#39;", "'")
    assert notes
    assert all(note in page for note in notes)
