"""Two changes on the what-if page: beside each other, on the same luck, at one address with its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient

from bluelamp import what_if
from bluelamp.web.app import make_app

SHORTER = "days=2&runs=8"
BOTH = f"{SHORTER}&units=R-N1%3D%2B2&b_units=R-D1%3D-3"


@pytest.fixture(scope="module")
def client(small_force: Path) -> Iterator[TestClient]:
    with TestClient(make_app(small_force)) as made:
        yield made


def sums_of(client: TestClient, query: str) -> pl.DataFrame:
    return pl.DataFrame(client.get(f"/what-if.json?{query}").json()["what_if_changes"], infer_schema_length=None)


def test_each_change_is_answered_as_it_is_alone(client):
    both = sums_of(client, BOTH)
    for plan, units in (("a", "R-N1%3D%2B2"), ("b", "R-D1%3D-3")):
        alone = pl.DataFrame(client.get(f"/what-if.json?{SHORTER}&units={units}").json()["what_if"])
        mine = both.filter(plan=plan).sort("grade_code", "pool_id")
        assert mine["late"].to_list() == alone.sort("grade_code", "pool_id")["late_after"].to_list()
        assert mine["difference_low"].to_list() == alone.sort("grade_code", "pool_id")["difference_low"].to_list()


def test_the_page_has_the_figures_of_the_table(client):
    page = client.get(f"/what-if?{BOTH}").text
    row = sums_of(client, BOTH).filter(plan="b", grade_code="1", pool_id="all").row(0, named=True)
    told = re.search(r"Grade 1 late</th>(.*?)</tr>", page)
    assert told
    cells = re.findall(r"<td[^>]*>(.*?)</td>", told[1])
    assert f"{100 * row['late']:.1f}%" in cells[2]
    assert f"{100 * row['against_a']:+.1f}".replace("-", "−") in cells[3]
    cost = re.search(r"Cost, unit-hours</th>(.*?)</tr>", page)
    assert cost
    assert f"{row['unit_hours']:,}" in cost[1]


def test_hours_of_three_plans_add_up_to_their_sums(client):
    hours = pl.DataFrame(
        client.get(f"/what-if-hours.json?{BOTH}").json()["what_if_changes_hours"], infer_schema_length=None
    )
    added = hours.filter(pool_id="all").group_by("plan").agg(pl.col("units").sum(), pl.col("calls").sum())
    wanted = sums_of(client, BOTH).filter(pool_id="all", grade_code="1")
    for row in wanted.iter_rows(named=True):
        mine = added.filter(plan=row["plan"])
        assert mine["units"].item() == row["unit_hours"]
        assert mine["calls"].item() == pytest.approx(row["calls"], abs=0.3)


def test_a_third_plan_is_never_simulated(small_force, monkeypatch):
    simulated = []
    simulate = what_if.WhatIf._plan

    def count(self, change, *rest):
        simulated.append((self.runs, change))
        return simulate(self, change, *rest)

    monkeypatch.setattr(what_if.WhatIf, "_plan", count)
    with TestClient(make_app(small_force)) as fresh:
        assert fresh.get(f"/what-if?{BOTH}").status_code == 200
        assert sorted(len(change.units) for runs, change in simulated if runs == 8) == [0, 1, 1]
        # What a slider that moves is held against was made ready, and what was answered is kept.
        assert sorted(len(change.units) for runs, change in simulated if runs == 20) == [0, 1, 1]
        before = len(simulated)
        assert fresh.get(f"/what-if-hours.csv?{BOTH}").status_code == 200
        assert fresh.get(f"/what-if?{BOTH}&pool=R-D1").status_code == 200
        assert len(simulated) == before


def test_what_is_wrong_is_told_of_both_changes_by_name(client):
    for query, words in (
        ("units=R-N9%3D%2B2&b_merge=x%2By", ("Change A: There is no pool", "Change B: There is no pool")),
        ("units=R-N1&b_demand=9", ("Change A: units", "Change B: demand 9 times")),
        ("b_target=9%3D12", ("Change B: There is no target for grade",)),
    ):
        for address in ("/what-if", "/what-if.json", "/what-if-hours.csv"):
            answer = client.get(f"{address}?{SHORTER}&{query}")
            assert answer.status_code == 400
            for each in words:
                assert each in answer.text.replace("&#39;", "'")


def test_what_the_address_says_stands_in_the_form_and_in_every_link(client):
    page = client.get(f"/what-if?{BOTH}").text
    assert '<textarea name="b_units" rows="2" maxlength="2000">R-D1=-3</textarea>' in page
    links = re.findall(r'href="(/what-if[^"]*\?[^"]*)"', page)
    assert len(links) >= 4
    assert all("b_units=R-D1" in each for each in links)
    assert '<input type="hidden" name="b_units" value="R-D1=-3">' in page
    assert "3 units fewer in R-D1" in page


def test_one_change_is_answered_as_before(client):
    page = client.get(f"/what-if?{SHORTER}&demand=1.2").text
    assert "plan-second" not in page
    assert client.get(f"/what-if.csv?{SHORTER}&demand=1.2").text.startswith("grade_code,pool_id,calls_before")
    assert client.get(f"/what-if.csv?{BOTH}").text.startswith("plan,grade_code,pool_id,calls")
