"""The page of the coming years: what it shows is in `forecast_months`, and an older run says how to make it."""

from __future__ import annotations

import re
from datetime import date

import polars as pl
import pytest
from fastapi.testclient import TestClient

from bluelamp import tables
from bluelamp.reading import read_table
from bluelamp.store import Store
from bluelamp.web import outlook_page
from bluelamp.web.app import make_app


@pytest.fixture(scope="module")
def client(small_force):
    return TestClient(make_app(small_force))


@pytest.fixture(scope="module")
def months(small_force) -> pl.DataFrame:
    return read_table(small_force, "forecast_months")


def told(page: str) -> list[tuple[str, str, str]]:
    return re.findall(r'data-key="([^"]+)" data-field="(\w+)" data-value="([^"]*)"', page)


@pytest.mark.parametrize("place", [None, "D1"])
def test_every_figure_of_the_page_is_one_of_the_table(client, months, place):
    page = client.get("/outlook" + (f"?place={place}" if place else ""))
    assert page.status_code == 200
    key = tables.table("forecast_months").key
    rows = {" ".join(str(row[part]) for part in key): row for row in months.iter_rows(named=True)}
    found = told(page.text)
    classes = months["class_code"].n_unique()
    assert len(found) >= 4 * classes
    for at, name, value in found:
        assert (None if value == "" else float(value)) == rows[at][name]
        assert at.startswith("district D1 " if place else "force LV ")


def test_there_is_a_picture_of_every_class_and_it_says_in_words_what_it_shows(client, months):
    page = client.get("/outlook").text
    assert page.count('<svg class="fan" role="img"') == months["class_code"].n_unique() + 1
    last = (
        months.filter(level="force", span="month", class_code="all", is_history=False).sort("month").row(-1, named=True)
    )
    assert f"{last['incidents_mean']:,.0f} in {last['month']:%B %Y}" in page


def test_what_it_stands_on_is_said_and_where_it_misleads(client):
    page = client.get("/outlook").text
    assert "The outlook by month stands on" in page
    assert "What is recorded is not what happens" in page


def test_the_table_has_its_page_its_csv_and_its_json(client, months):
    assert client.get("/tables/forecast_months").status_code == 200
    assert client.get("/tables/forecast_months.csv").text == tables.to_csv(months, "forecast_months")
    some = client.get("/tables/forecast_months.json?level=force&span=year&class_code=all&is_history=false").json()
    assert len(some) == 4
    assert client.get("/tables/stated_changes.csv").status_code == 200


def test_a_district_that_is_not_there_is_refused_in_words(client):
    page = client.get("/outlook?place=D9")
    assert page.status_code == 400
    assert "There is no district" in page.text


def test_a_run_that_is_older_than_the_outlook_says_how_to_make_it(small_force):
    page = outlook_page.render_outlook_page(
        tables.empty("forecast_months"), Store(small_force).latest_run(), place=None, force_name="Lantern Valley",
        folder="lantern", time_zone="Europe/London",
    )  # fmt: skip
    assert "bluelamp plan lantern" in page


def test_the_page_is_linked_from_the_others(client):
    for address in ("/data", "/backtest", "/tables", "/tables/areas"):
        assert 'href="/outlook"' in client.get(address).text


def test_a_class_that_gains_for_sure_is_named(months):
    rows = outlook_page._by_class(months.filter(level="force", span="year"))
    last = {"share_observed": 0.01, "incidents_observed": 1.0}
    code = next(code for code in rows if code != "all")
    years = [
        {"code": code, "words": code, "last": last, "coming": [row for row in rows[code] if not row["is_history"]]}
    ]
    sentences = outlook_page._sentences(years, rows["all"])
    assert any(code in sentence and "more of the mix" in sentence for sentence in sentences)


def test_twelve_months_are_named_by_year_where_they_are_one():
    assert outlook_page._twelve(date(2027, 1, 1)) == "2027"
    assert outlook_page._twelve(date(2027, 4, 1)) == "Apr 2027 to Mar 2028"
