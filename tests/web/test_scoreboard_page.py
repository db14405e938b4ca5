"""The page of filed forecasts: every figure is in a table, and a force that has filed nothing has a page, too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bluelamp import scoreboard, standing, tables
from bluelamp.standing import Standing
from bluelamp.web.app import make_app
from bluelamp.web.scoreboard_page import render_scoreboard_page
from tests.drawn import drawn

PLACES = drawn(
    "scoreboard_places",
    "level | area_id | method | in_use | since | weeks | switches | against | difference | e_value | switch_at",
    "force | F | pooled | pooled | | 3 | 0 | slot_mean_8 | -0.0124 | 0.41 | 20",
    "district | D2 | pooled | slot_mean_8 | 2026-03-02T00:00Z | 3 | 1 | slot_mean_8 | 0.21 | 1 | 20",
)
WEEKS = drawn(
    "scoreboard_weeks",
    "level | area_id | week_starting | against | days | expected | score | score_naive | e_value | "
    "e_value_of_place | in_use_after",
    *(
        f"{level} | {place} | 2026-0{month}-{day}T00:00Z | slot_mean_8 | 7 | 90 | 40 | 39 | {worth} | {worth} | {used}"
        for level, place, worth, used in (("force", "F", 0.41, "pooled"), ("district", "D2", 24, "slot_mean_8"))
        for month, day in ((1, "05"), (1, "12"), (1, "19"))
    ),
)
SCORES = drawn(
    "scoreboard_scores",
    "method | level | area_id | span | horizon | forecasts | incidents | expected | scrps | wape | bias | "
    "coverage_50 | coverage_80 | coverage_95",
    *(
        f"{method} | {level} | {place} | {span} | {horizon} | 21 | 1894 | 1901.5 | {score} | 0.12 | 0.004 | "
        "0.5 | 0.8 | 0.95"
        for method, score in (("pooled", 0.2134), ("slot_mean_8", 0.2012))
        for level, place in (("force", "F"), ("district", "D2"))
        for span in ("hour", "day")
        for horizon in ("latest", "day_1", "days_2_7")
    ),
)
FILED = drawn(
    "filed_forecasts",
    "sequence | made_at | data_until | forecast_from | first_at | last_at | "
    "method | used | rows | sha256 | previous | seal | software_version",
    "1 | 2026-01-04T20:00Z | 2026-01-04T20:00Z | 2026-01-05T00:00Z | 2026-01-05T00:00Z | 2026-03-01T23:00Z | "
    "pooled | {} | 9 | aa | 00 | ab12cd34ef56ab78ff | 0.1.0",
    "2 | 2026-03-01T20:00Z | 2026-03-01T20:00Z | 2026-03-02T00:00Z | 2026-03-02T00:00Z | 2026-04-26T23:00Z | "
    'pooled | {"D2": "slot_mean_8"} | 9 | bb | ab | cd12cd34ef56ab78ff | 0.1.0',
)
ROWS = {
    "scoreboard_places": (PLACES, ["level", "area_id"]),
    "scoreboard_scores": (SCORES, ["method", "level", "area_id", "span", "horizon"]),
    "filed_forecasts": (FILED, ["sequence"]),
}


def page_of(faults: tuple[str, ...] = ()) -> str:
    found = {"scoreboard_places": PLACES, "scoreboard_weeks": WEEKS, "scoreboard_scores": SCORES}
    sentences = [
        *scoreboard.say_filing(FILED, faults),
        *scoreboard.say(SCORES, PLACES, FILED, {"run_id": "r1"}, "Europe/London"),
    ]
    shown = Standing(found, FILED, faults, sentences, {"run_id": "r1"})
    return render_scoreboard_page(shown, force_name="Two", folder="two", time_zone="Europe/London")


def test_every_figure_on_the_page_stands_in_its_table():
    page = page_of()
    shown = 0
    for part in page.split("<table ")[1:]:
        name = re.search(r'data-table="(\w+)"', part)[1]  # type: ignore[index]
        rows, key = ROWS[name]
        by_key = {" ".join(str(row[each]) for each in key): row for row in rows.iter_rows(named=True)}
        figures = re.findall(
            r'data-key="([^"]*)" data-field="(\w+)" data-value="([^"]*)"', part.partition("</table>")[0]
        )
        for place, field, value in figures:
            assert str(by_key[place][field]) == value, (place, field)
            shown += 1
    assert shown == 40


def test_the_page_says_what_is_switched_and_draws_its_evidence():
    page = page_of()
    assert "For district D2, slot_mean_8 stands in for pooled since Monday 2 March 2026" in page
    assert "pooled is in use for the force; 3 weeks judged. Its score is 1.2% lower (better) than that of" in page
    assert page.count("<polyline") == 2
    assert "Evidence in 3 weeks, the last 24; 20 switches." in page
    assert "D2: slot_mean_8" in page
    assert "cd12cd34ef56ab78</code>" in page


def test_what_was_tampered_with_comes_first():
    fault = "Forecast 1, filed on 4 January 2026 at 20:00 UTC, is missing (000001-aa.parquet)."
    page = page_of((fault,))
    assert "Not all is as it was filed</h2>" in page
    assert f'<li class="is-bad">{fault}</li>' in page


@pytest.fixture(scope="module")
def client(small_force: Path) -> TestClient:
    return TestClient(make_app(small_force))


def test_a_force_whose_forecasts_have_not_passed_has_a_page_and_tables(client, small_force):
    page = client.get("/scoreboard")
    assert page.status_code == 200
    for sentence in standing.read_standing(small_force).sentences:
        assert sentence.replace("'", "&#39;") in page.text
    for name in ("filed_forecasts", *scoreboard.NAMES):
        assert client.get(f"/tables/{name}").status_code == 200
        assert client.get(f"/tables/{name}.csv").text.split("\n")[0].strip() == ",".join(tables.table(name).columns)
    for address in ("/data", "/backtest", "/tables"):
        assert 'href="/scoreboard"' in client.get(address).text


def test_a_force_without_a_run_says_what_files_a_forecast(tmp_path):
    (tmp_path / "force.toml").write_text('[force]\nid = "N"\nname = "North"\ntime_zone = "Europe/London"\n')
    page = TestClient(make_app(tmp_path)).get("/scoreboard")
    assert page.status_code == 200
    assert "No forecast is filed yet. &#39;bluelamp plan&#39; files each one" in page.text
