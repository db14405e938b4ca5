"""The control room's page: its figures are those of the tables, by the force's clock, and it is there without any."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient

from bluelamp import tables
from bluelamp.reading import read_table
from bluelamp.web.app import make_app
from bluelamp.web.contacts_page import NAMES, render_contacts_page

CELL = re.compile(r'data-key="([^"]+)" data-field="([^"]+)" data-value="([^"]*)"')


@pytest.fixture(scope="module")
def client(called_force: Path) -> TestClient:
    return TestClient(make_app(called_force))


@pytest.fixture(scope="module")
def told(called_force: Path) -> pl.DataFrame:
    return read_table(called_force, "contact_forecast")


def shown(folder: Path, now: datetime, day: str | None = None) -> str:
    return render_contacts_page(
        {name: read_table(folder, name) for name in NAMES}, read_table(folder, "runs").row(-1, named=True),
        force_name="Lantern", folder="lantern", time_zone="Europe/London", now=now, day=day,
    )  # fmt: skip


def quarters_of(page: str) -> list[str]:
    return sorted({key for key, *_ in CELL.findall(page) if key.startswith("all quarter")})


def test_every_figure_is_that_of_the_table(client, told, called_force):
    page = client.get("/contacts").text
    rows = {
        f"{row['channel']} {row['span']} {row['starts_at']:%Y-%m-%dT%H:%M:%SZ}": row
        for row in told.iter_rows(named=True)
    }
    rows |= {
        f"{row['team']} {row['channel']} {row['starts_at']:%Y-%m-%dT%H:%M:%SZ}": row
        for row in read_table(called_force, "required_agents").iter_rows(named=True)
    }
    cells = CELL.findall(page)
    assert len(cells) > 800
    assert sum(field == "agents_required" for _, field, _ in cells) == 24 + 96
    for key, field, value in cells:
        assert (float(value) if value else None) == rows[key][field], key


def test_it_shows_24_hours_from_now_and_the_first_ones_where_now_is_not_forecast(called_force, told):
    first = told.filter(span="quarter")["starts_at"].min()
    for now, begins in (
        (first + timedelta(hours=30, minutes=20), first + timedelta(hours=30, minutes=15)),
        (first - timedelta(days=400), first),
        (first + timedelta(days=400), first),
        (first + timedelta(days=13, hours=20), first + timedelta(days=13, hours=1)),
    ):
        found = quarters_of(shown(called_force, now))
        assert len(found) == 96
        assert found[0] == f"all quarter {begins:%Y-%m-%dT%H:%M:%SZ}"


def test_a_day_may_be_asked_for_and_the_night_of_the_clock_change_has_an_hour_more(client):
    page = client.get("/contacts?day=2026-10-25")
    assert page.status_code == 200
    assert len(quarters_of(page.text)) == 100
    # Once in the table of contacts and once in that of call takers, for each of the two.
    assert page.text.count(">Sun 01:15<") == 4
    for day in ("2027-10-25", "Friday"):
        refused = client.get(f"/contacts?day={day}")
        assert refused.status_code == 400
        assert "They reach from 2026-10-19 to 2026-11-01" in refused.text


@pytest.mark.parametrize("name", NAMES)
def test_its_tables_have_addresses(client, called_force, name):
    table = read_table(called_force, name)
    assert table.height
    assert client.get(f"/tables/{name}.csv").text == tables.to_csv(table, name)
    assert len(client.get(f"/tables/{name}.json").json()) == table.height
    assert f"/tables/{name}.csv" in client.get("/contacts").text


def test_a_force_without_contacts_is_told_how_to_bring_them(small_force):
    page = TestClient(make_app(small_force)).get("/contacts")
    assert page.status_code == 200
    assert "No contacts are forecast" in page.text
    assert "What officers find for themselves is left out" in page.text


def test_a_name_in_a_table_is_never_read_as_markup(called_force):
    results = {name: read_table(called_force, name) for name in NAMES}
    results["feedback"] = results["feedback"].with_columns(area_id=pl.lit("<script>x</script>"))
    page = render_contacts_page(
        results, read_table(called_force, "runs").row(-1, named=True), force_name="<b>F</b>", folder="f",
        time_zone="Europe/London", now=datetime(2026, 10, 20, tzinfo=UTC),
    )  # fmt: skip
    assert "<script>x" not in page
    assert "<b>F" not in page
