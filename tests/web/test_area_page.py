"""The page of one area and that of all: their figures are those of the run's tables, and nobody sees others' areas."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from fastapi.testclient import TestClient

from bluelamp import periods, tables
from bluelamp.area_weeks import Ahead
from bluelamp.reading import read_table
from bluelamp.state import accounts
from bluelamp.web.app import make_app
from bluelamp.web.area_words import say_how_right
from tests.web.served import PASSWORD, copied, with_accounts

ZONE = "Europe/London"
ROW = re.compile(r'<tr data-key="([^"]+)">(.*?)</tr>', re.S)
CELL = re.compile(r'data-field="([^"]+)" data-value="([^"]*)"')


@pytest.fixture(scope="module")
def client(small_force: Path) -> TestClient:
    return TestClient(make_app(small_force))


@pytest.fixture(scope="module")
def busiest(small_force: Path) -> str:
    areas = read_table(small_force, "coverage").filter(pl.col("level") == "area", pl.col("place_id") != "unknown")
    return areas.group_by("place_id").agg(pl.col("incidents_mean").sum()).sort("incidents_mean")["place_id"][-1]


def cells_of(page: str, table: str) -> dict[str, dict[str, str]]:
    within = page[page.index(f'data-table="{table}"') :]
    return {key: dict(CELL.findall(row)) for key, row in ROW.findall(within)}


def test_each_hour_is_that_of_coverage_and_of_the_pool_that_covers_the_area(client, small_force, busiest):
    coverage = read_table(small_force, "coverage")
    rows = cells_of(client.get(f"/areas/{busiest}").text, "area_hours")
    assert len(rows) == 169, "clocks go back in this week"
    for key, shown in rows.items():
        at = coverage.filter(pl.col("hour_starting").dt.strftime("%Y-%m-%dT%H:%M:%SZ") == key, role_code="response")
        area = at.filter(level="area", place_id=busiest).row(0, named=True)
        pool = at.filter(level="pool", place_id=area["pool_id"]).row(0, named=True)
        assert float(shown["incidents_mean"]) == area["incidents_mean"], key
        assert float(shown["chance_late"]) == area["chance_late"], key
        for name in ("units_required", "units_on_duty", "units_gap"):
            assert int(shown[name]) == pool[name], (key, name)


def test_the_usual_is_the_mean_of_the_same_hours_in_weeks_that_were_seen(client, small_force, busiest):
    run = client.get("/api/v1/runs").json()["data"][-1]
    origins = ["public", "partner", "mandatory_internal", "unknown"]
    demand = read_table(small_force, "demand").filter(pl.col("origin").is_in(origins))
    outages = read_table(small_force, "outages").select("starts_at", "ends_at").rows()
    counted = dict(demand.filter(area_id=busiest).group_by("hour_starting").agg(pl.col("incidents").sum()).iter_rows())
    begins, until = demand["hour_starting"].min(), tables.parse(
        pl.DataFrame({"data_until": [run["data_until"]]}), "runs", ["data_until"]
    )[0]["data_until"][0]  # fmt: skip
    for row in client.get(f"/areas/{busiest}.json").json()["data"][::17]:
        at = pl.Series([row["hour_starting"]]).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")[0]
        seen = []
        for weeks in range(1, 40):
            # By the force's clock, which went back on a night between.
            before = periods.days_later(pl.Series([at], dtype=periods.INSTANT), ZONE, -7 * weeks)[0]
            is_known = begins <= before < until and before >= until - timedelta(weeks=26)
            if is_known and not any(since <= before < end for since, end in outages):
                seen.append(counted.get(before, 0))
        assert row["usual_weeks"] == len(seen)
        assert row["usual"] == pytest.approx(sum(seen) / len(seen), abs=0.001)


def test_an_outage_is_no_quiet_hour():
    hours = periods.hours_between(ZONE, *_days("2026-06-01", "2026-06-15"))
    demand = pl.DataFrame(
        {"area_id": "A", "hour_starting": hours, "origin": "public", "incidents": 2},
        schema_overrides={"incidents": pl.Int64},
    )
    outages = pl.DataFrame({"starts_at": [hours[24]], "ends_at": [hours[48]]})
    ends = hours[-1] + timedelta(hours=1)
    ahead = Ahead(
        {"demand": demand.filter(~pl.col("hour_starting").is_between(hours[24], hours[47])), "outages": outages,
         "coverage": pl.DataFrame({"level": ["area"], "place_id": ["A"], "hour_starting": [ends]})},
        "response", ["public"], ends, ZONE,
    )  # fmt: skip
    usual = ahead._usual("A").sort("slot")
    assert usual["usual"].to_list() == [2.0] * 168
    assert usual["usual_weeks"].to_list() == [2] * 24 + [1] * 24 + [2] * 120
    came = ahead.days_before("A", 14)
    assert came["came"].to_list() == [48, None] + [48] * 12


def _days(first: str, end: str):
    days = pl.Series([first, end]).str.to_date()
    starts = periods.local_days(ZONE, days[0], days[1])["starts_at"]
    return starts[0], starts[-1]


def test_the_days_are_those_of_the_forecast(client, small_force, busiest):
    page = client.get(f"/areas/{busiest}").text
    days = read_table(small_force, "forecast").filter(
        level="area", area_id=busiest, span="day", class_code="all", grade_code="all"
    )
    shown = re.findall(r'<tr data-day="([^"]+)">.*?data-field="incidents_mean" data-value="([^"]+)"', page, re.S)
    told = {
        str(row["hour_starting"].astimezone(periods.zone(ZONE)).date()): row["incidents_mean"]
        for row in days.iter_rows(named=True)
    }
    assert len(shown) == 7
    assert all(float(value) == told[day] for day, value in shown)


def test_the_words_say_what_the_tables_say(client, small_force, busiest):
    page = client.get(f"/areas/{busiest}").text
    hours = client.get(f"/areas/{busiest}.json").json()["data"]
    short = [row for row in hours if row["units_gap"] < 0]
    assert short, "the made-up force is short somewhere"
    assert f"short in {len(short)} of 169 hours" in page
    worst = min(row["units_gap"] for row in short)
    assert f"lacks {-worst} unit" in page
    assert f"In these seven days {sum(row['incidents_mean'] for row in hours):,.0f} incidents are expected" in page


def test_the_same_week_is_given_as_csv_and_as_json(client, busiest):
    address = f"/areas/{busiest}"
    first = client.get(f"{address}.json").json()["from"]
    later = client.get(f"{address}.json?from={first}").json()["data"]
    as_csv = list(csv.DictReader(io.StringIO(client.get(f"{address}.csv?from={first}").text)))
    assert [row["hour_starting"] for row in as_csv] == [row["hour_starting"] for row in later]
    assert list(as_csv[0]) == list(tables.table("area_hours").columns)


def test_a_later_week_may_be_asked_for_and_one_that_the_run_does_not_know_is_refused(client, busiest):
    first = client.get("/areas.json").json()["from"]
    later = str(pl.Series([first]).str.to_date()[0] + timedelta(days=7))
    page = client.get(f"/areas/{busiest}?from={later}").text
    assert f'<tr data-day="{later}">' in page
    assert f'<tr data-day="{first}">' not in page
    refused = client.get(f"/areas/{busiest}.json?from=2031-01-01")
    assert refused.status_code == 400
    assert "Its days reach from" in refused.json()["detail"]
    assert client.get(f"/areas/{busiest}.json?from=Friday").status_code == 422


def test_an_area_that_is_not_there_is_not_found_and_the_nearest_is_named(client, busiest):
    answer = client.get(f"/areas/{busiest}x.json")
    assert answer.status_code == 404
    assert f"Did you mean '{busiest}'?" in answer.json()["detail"]
    assert client.get(f"/areas/{quote('a/b', safe='')}").status_code == 404


def test_all_areas_stand_beside_each_other(client, small_force):
    rows = client.get("/areas.json").json()["data"]
    areas = read_table(small_force, "areas").filter(level="area")["area_id"].to_list()
    assert {row["area_id"] for row in rows} - {"unknown"} == set(areas)
    for row in rows:
        hours = client.get(f"/areas/{row['area_id']}.json").json()["data"]
        assert row["incidents_mean"] == pytest.approx(sum(each["incidents_mean"] for each in hours), abs=0.001)
        if row["pools"] is None:
            assert row["hours_short"] is None
            continue
        assert row["hours_short"] == sum(each["units_gap"] < 0 for each in hours)
        assert row["most_short"] == max(0, -min(each["units_gap"] for each in hours))
    page = client.get("/areas").text
    assert all(f"/areas/{row['area_id']}?" in page for row in rows)


@pytest.fixture(scope="module")
def limited(small_force, tmp_path_factory):
    app, client = with_accounts(copied(small_force, tmp_path_factory.mktemp("areas") / "lantern"))
    district = read_table(small_force, "areas").filter(level="district")["area_id"].sort()[0]
    accounts.add(app.state.admission.state, "one.district", "chief", "LV", password=PASSWORD, districts=(district,))
    return district, client("one.district")


def test_an_account_of_one_district_sees_its_own_areas_alone(limited, small_force):
    district, client = limited
    areas = read_table(small_force, "areas").filter(level="area")
    theirs, others = (set(areas.filter(each)["area_id"]) for each in
                      (pl.col("parent_id") == district, pl.col("parent_id") != district))  # fmt: skip
    assert theirs
    assert others
    assert {row["area_id"] for row in client.get("/areas.json").json()["data"]} == theirs
    page = client.get("/areas").text
    assert all(f"/areas/{each}?" in page for each in theirs)
    assert not any(f"/areas/{each}?" in page for each in others)
    for each in others | {"unknown"}:
        for address in (f"/areas/{each}", f"/areas/{each}.csv", f"/areas/{each}.json"):
            answer = client.get(address)
            assert answer.status_code == 403, address
            assert "outside the districts" in answer.text
    for each in theirs:
        assert client.get(f"/areas/{each}").status_code == 200


def test_the_navigation_shows_nobody_what_would_be_refused(limited):
    _, client = limited
    page = client.get("/areas").text
    nav = page[page.index('<nav class="views"') : page.index("</nav>")]
    addresses = re.findall(r'href="([^"]+)"', nav)
    assert "/areas" in addresses
    assert "/what-if" not in addresses
    assert all(client.get(each).status_code == 200 for each in addresses)


SPOT = {"incidents": 90, "expected": 99.0, "bias": 0.1, "coverage_80": 0.81, "rank": 3}
LEVEL = {"scrps": 0.42, "difference": -0.12, "against": "slot_mean_8", "coverage_80": 0.79}
FILED = {"area_id": "D2", "scrps": 0.1, "coverage_80": 0.75, "forecasts": 8}


def test_how_right_says_of_which_places_each_score_is():
    area, level, filed = say_how_right(SPOT, LEVEL, FILED, "lantern", 8)
    assert area.startswith("This area, its days")
    assert "10 % too many" in area
    assert "Of 8 areas the forecast lost more in 2 others" in area
    assert level.startswith("All areas together, their days")
    assert "12.0 % better than slot_mean_8" in level
    assert "the district D2, its days" in filed


def test_without_scores_the_page_says_what_makes_them(client, busiest):
    assert "bluelamp backtest" in client.get(f"/areas/{busiest}").text
    assert "bluelamp backtest lantern" in say_how_right(None, None, None, "lantern", 0)[0]
