"""The page of scores: what it shows is in the tables, and without a backtest it says how to make one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bluelamp import backtest as scored
from bluelamp import intake, tables
from bluelamp.sources.twin import make_twin, write_twin
from bluelamp.web import backtest_page
from bluelamp.web.app import make_app


@pytest.fixture(scope="module")
def force(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up force that was scored at two origins, and never planned for."""
    folder = tmp_path_factory.mktemp("scored") / "lantern"
    write_twin(folder, make_twin(areas=5, days=180, seed=5, until=date(2026, 11, 23)))
    for table, path, map_name in intake.extracts_of(folder):
        if table in ("incidents", "areas", "events"):
            intake.import_extract(folder, path, table=table, map_name=map_name)
    scored.backtest(folder, origins=2, paths=20, methods=["slot_mean", "last_week", "slot_mean_8"])
    return folder


@pytest.fixture(scope="module")
def client(force: Path) -> TestClient:
    return TestClient(make_app(force))


def test_the_page_says_what_was_found_and_every_sentence_of_it(client, force):
    page = client.get("/backtest")
    assert page.status_code == 200
    found = scored.read(force)
    for sentence in found.sentences:
        assert sentence.replace("'", "&#39;").replace(">", "&gt;") in page.text
    assert "2 origins, scored" in page.text
    for word in ("sCRPS", "PIT", "WAPE", "Origin", "Bias", "95% interval"):
        assert f"<dt>{word}" in page.text or f"{word}</dt>" in page.text or f"{word}," in page.text


@pytest.mark.parametrize("name", scored.NAMES)
def test_every_table_of_scores_has_its_page_its_csv_and_its_json(client, force, name):
    table = scored.read(force).table(name)
    assert client.get(f"/tables/{name}").status_code == 200
    assert client.get(f"/tables/{name}.csv").text == tables.to_csv(table, name)
    assert len(client.get(f"/tables/{name}.json").json()) == table.height
    assert name in client.get("/tables").text


def test_a_new_backtest_is_shown_without_starting_the_server_again(force, client):
    before = client.get("/backtest").text
    scored.backtest(force, origins=1, paths=20, methods=["slot_mean_8", "last_week"])
    after = client.get("/backtest").text
    assert "2 origins" in before
    assert "1 origin, scored" in after
    assert "By how far ahead: slot_mean_8" in after
    scored.backtest(force, origins=2, paths=20, methods=["slot_mean", "last_week", "slot_mean_8"])


def test_without_a_backtest_the_page_says_with_which_command_to_make_one(tmp_path):
    folder = tmp_path / "north"
    folder.mkdir()
    (folder / "force.toml").write_text('[force]\nid = "N"\nname = "North"\ntime_zone = "Europe/London"\n')
    client = TestClient(make_app(folder))
    page = client.get("/backtest")
    assert page.status_code == 200
    assert "bluelamp backtest north" in page.text
    table = client.get("/tables/backtest_scores.csv")
    assert table.status_code == 404
    assert "bluelamp backtest" in table.json()["detail"]


def test_other_pages_lead_there(client):
    assert 'href="/backtest"' in client.get("/data").text
    assert 'href="/backtest"' in client.get("/tables").text
    assert 'href="/backtest"' in client.get("/tables/areas").text or client.get("/tables/areas").status_code == 404


def test_a_method_that_is_alone_has_a_page_without_differences(force):
    found = scored.backtest(force, origins=1, paths=20, methods=["slot_mean"])
    page = backtest_page.render_backtest_page(found, force_name="N", folder="n", time_zone="Europe/London")
    assert "There is no other naive method to hold slot_mean against." in page
    assert "whisker-dot" not in page


@pytest.mark.parametrize(
    ("row", "kind"),
    [((-0.02, -0.03, -0.01), "better"), ((0.02, 0.01, 0.03), "worse"), ((0.01, -0.01, 0.03), "open")],
)
def test_the_picture_of_a_difference_says_whether_it_is_told_from_nil(row, kind):
    named = dict(zip(("difference", "difference_low", "difference_high"), row, strict=True))
    drawn = backtest_page._whisker(named, 0.05)
    assert drawn["kind"] == kind
    assert drawn["low"] < drawn["x"] < drawn["high"]
    assert (drawn["x"] < backtest_page._WHISKER_WIDTH / 2) == (named["difference"] < 0)


def test_the_bars_of_the_pit_stay_in_their_picture(force):
    found = scored.read(force)
    for row in found.summary.filter(horizon="all").iter_rows(named=True):
        drawn = backtest_page._pit(found.scores, row)
        assert len(drawn["bars"]) == 20
        assert all(bar["y"] >= 0 and bar["y"] + bar["height"] <= 36.1 for bar in drawn["bars"])
        assert 18 <= drawn["even"] <= 36
