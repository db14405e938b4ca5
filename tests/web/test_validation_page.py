"""The page of the simulation held against what happened: what it shows stands in its tables."""

from __future__ import annotations

import re
from html import escape, unescape
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bluelamp import tables, validation
from bluelamp.validation import _kept
from bluelamp.web.app import make_app
from tests.drawn import drawn

ABOUT = {
    "made_at": "2026-11-23T09:00:00+00:00", "force_id": "LV", "time_zone": "Europe/London",
    "fit_from": "2026-08-28T23:00:00+00:00", "held_from": "2026-10-23T23:00:00+00:00",
    "held_to": "2026-11-21T00:00:00+00:00", "replications": 10, "seed": 7, "units_known_by": "booked",
    "units_on_duty": 900, "unknown_units_share": 0.0, "assumed_ends": 0.0, "stayed_share": 0.2,
    "is_whole_minutes": False, "tells_who_is_free": True, "fault": None, "notes": ["No targets <were> given."],
}  # fmt: skip
HEAD = (
    "weeks | measure | statistic | grade_code | level | place_id | incidents | recorded | simulated | difference | "
    "difference_low | difference_high | monte_carlo_error | verdict"
)


def kept_tables(verdict: str = "within_5") -> dict[str, object]:
    rows = [
        f"{weeks} | response | {what} | {grade} | {level} | {place} | 400 | {value} | {value} | 0 | -1 | 1 | 0 | {each}"
        for weeks in ("held_out", "fitted")
        for what, value in (("median", 9.5), ("p90", 20.25), ("share_in_target", 0.915))
        for grade in ("all", "1", "2")
        for level, place in (("force", "LV"), ("pool", "R-D1"), ("hour", "07:00"))
        for each in (verdict if grade == "2" else "within_5",)
    ]
    rows += [
        f"{weeks} | dispatch | median | all | force | LV | 400 | 3 | 3 | 0 | -1 | 1 | 0.1 | within_5"
        for weeks in ("held_out", "fitted")
    ]
    return {
        "validation": drawn("validation", HEAD, *rows),
        "validation_rungs": drawn(
            "validation_rungs", "rung | grade_code | incidents | recorded | predicted | difference | verdict",
            "erlang_c | 1 | 400 | 0.915 | 0.7 | -0.215 | untrue", "simulation | 1 | 400 | 0.915 | 0.915 | 0 | within_5",
        ),
        "validation_fitted": drawn(
            "validation_fitted", "what | grade_code | kind | value | observations",
            "travel_minutes_median | 1 | urban | 6.05 | 4177", "clearing_minutes | all | all | 0.4166 |",
        ),
    }  # fmt: skip


@pytest.fixture
def force(tmp_path) -> Path:
    folder = tmp_path / "lantern"
    folder.mkdir()
    (folder / "force.toml").write_text('[force]\nid = "LV"\nname = "Lantern"\ntime_zone = "Europe/London"\n')
    return folder


def test_the_page_says_every_sentence_and_shows_figures_that_stand_in_the_table(force):
    _kept.write(force, kept_tables(), ABOUT)
    client = TestClient(make_app(force))
    page = client.get("/validation")
    assert page.status_code == 200
    found = validation.read(force)
    assert found.verdict == "trusted"
    for sentence in found.sentences:
        assert sentence in unescape(page.text)
    assert escape("No targets <were> given.") in page.text
    assert page.text.index("Weeks held out") < page.text.index("Weeks fitted on")
    shown = re.findall(r'data-key="([^"]+)" data-field="(\w+)" data-value="([^"]*)"', page.text)
    keys = {" ".join(map(str, row)): row for row in found.table.select(tables.table("validation").key).rows()}
    of_table = [each for each in shown if each[0] in keys]
    assert len(of_table) > 80
    for key, field, value in of_table:
        row = dict(zip(tables.table("validation").key, keys[key], strict=True))
        assert str(found.table.filter(**row)[field].item()) == value


@pytest.mark.parametrize("name", validation.NAMES)
def test_its_tables_have_a_page_a_csv_and_a_json(force, name):
    _kept.write(force, kept_tables(), ABOUT)
    client = TestClient(make_app(force))
    assert client.get(f"/tables/{name}.csv").text == tables.to_csv(validation.read(force).named(name), name)
    assert len(client.get(f"/tables/{name}.json").json()) == kept_tables()[name].height
    assert client.get(f"/tables/{name}").status_code == 200


def test_a_new_validation_is_shown_without_starting_the_server_again(force):
    _kept.write(force, kept_tables(), ABOUT)
    client = TestClient(make_app(force))
    assert "may be trusted here" in client.get("/validation").text
    _kept.write(force, kept_tables("untrue"), ABOUT | {"made_at": "2026-11-23T10:00:00+00:00"})
    page = client.get("/validation").text
    assert "trusted for grade 1, not for grade 2 (untrue)" in page
    assert len(list((force / "validation").glob("*.parquet"))) == len(validation.NAMES)


def test_without_one_the_page_says_with_which_command_to_make_it(force):
    client = TestClient(make_app(force))
    assert "bluelamp validate lantern" in client.get("/validation").text
    told = client.get("/tables/validation.csv")
    assert told.status_code == 404
    assert "bluelamp validate" in told.json()["detail"]


def test_what_an_older_version_kept_or_what_is_harmed_counts_as_none(force):
    _kept.write(force, kept_tables(), ABOUT)
    latest = force / "validation" / "latest.json"
    latest.write_text(latest.read_text().replace('"format": 1', '"format": 0'))
    assert "bluelamp validate lantern" in TestClient(make_app(force)).get("/validation").text
    latest.write_text("{")
    assert validation.stamp(force) == ""


def test_other_pages_lead_to_it(force):
    client = TestClient(make_app(force))
    for address in ("/data", "/tables", "/backtest"):
        assert 'href="/validation"' in client.get(address).text
