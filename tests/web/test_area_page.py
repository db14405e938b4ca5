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
        for weeks in range(1, 53):
            # By the force's clock, which went back on a night between.
            before = periods.days_later(pl.Series([at], dtype=periods.INSTANT), ZONE, -7 * weeks)[0]
            is_known = begins <= before < until
            if is_known and not any(since <= before < end for since, end in outages):
                seen.append(counted.get(before, 0))
        seen = seen[:26]
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


def test_the_usual_is_of_26_weeks_that_were_seen_though_clocks_changed_and_some_were_not():
    # As `peaks` have it, which stand on the same page.
    begins, ends = _days("2025-11-10", "2026-11-15")
    hours = periods.hours_between(ZONE, begins, ends)
    demand = pl.DataFrame(
        {"area_id": "A", "hour_starting": hours, "origin": "public", "incidents": 1},
        schema_overrides={"incidents": pl.Int64},
    )
    dark = _days("2026-10-01", "2026-10-14")
    ahead = Ahead(
        {"demand": demand, "outages": pl.DataFrame({"starts_at": [dark[0]], "ends_at": [dark[1]]}),
         "coverage": pl.DataFrame({"level": ["area"], "place_id": ["A"], "hour_starting": [ends]})},
        "response", ["public"], ends, ZONE,
    )  # fmt: skip
    usual = ahead._usual("A")
    assert set(usual["usual_weeks"]) == {26}
    assert set(usual["usual"]) == {1.0}


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


def test_the_busiest_shift_is_of_the_days_that_are_shown(client, small_force):
    """Peaks rank the week that the run begins with: of other days they do not know which is the busiest."""
    peaks = read_table(small_force, "peaks").filter(
        level="area", counted="incidents", measure="incidents", scope="week", rank=1
    )
    area = peaks.sort("expected")["area_id"][-1]
    first = pl.Series([client.get("/areas.json").json()["from"]]).str.to_date()[0]
    assert "Busiest shift:" in client.get(f"/areas/{area}").text
    for days in range(1, 8):
        page = client.get(f"/areas/{area}?from={first + timedelta(days=days)}").text
        assert "Busiest shift:" not in page
        assert "Busiest four hours:" in page


def test_an_area_without_a_district_or_a_name_is_no_unknown_place(small_force, monkeypatch):
    nameless = read_table(small_force, "areas").filter(level="area").with_columns(
        area_name=pl.lit(None, pl.String), parent_id=pl.lit(None, pl.String)
    )  # fmt: skip
    app = make_app(small_force)
    shown = app.state.published.table_for
    monkeypatch.setattr(
        type(app.state.published), "table_for",
        lambda _, holder, name, run: nameless if name == "areas" else shown(holder, name, run),
    )  # fmt: skip
    page = TestClient(make_app(small_force)).get("/areas").text
    groups = re.findall(r'scope="rowgroup" colspan="10">([^<]+)<', page)
    assert groups[0] == "In no district"
    assert groups[1:] in ([], ["Place not known"])
    named = re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a> <span class="small">([^<]+)<', page)
    assert all(name == (area if area != "unknown" else "Place not known") for name, area in named)


def test_the_words_of_all_areas_can_not_be_taken_for_others(client):
    page = client.get("/areas").text
    rows = client.get("/areas.json").json()["data"]
    most = max((row for row in rows if row["area_id"] != "unknown"), key=lambda row: row["incidents_mean"])
    assert f"Most incidents: {most['area_name']} ({most['area_id']})" in page
    worst = max((row for row in rows if row["area_id"] != "unknown"), key=lambda row: row["chance_late"] or 0)
    assert f"Late most often: {worst['area_name']} ({worst['area_id']})" in page
    assert "Latest" not in page, "which says that it is the newest"


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
LEVEL = {"scrps": 0.42, "difference": -0.12, "difference_low": -0.15, "difference_high": -0.09,
         "against": "slot_mean_8", "coverage_80": 0.79}  # fmt: skip
FILED = {"area_id": "D2", "scrps": 0.1, "coverage_80": 0.75, "forecasts": 8}


def test_how_right_says_of_which_places_each_score_is():
    area, level, filed = say_how_right(SPOT, LEVEL, FILED, "lantern", 8)
    assert area.startswith("This area, its days")
    assert "10% too many" in area
    assert "Of 8 areas it did worse in 2 others" in area
    assert level.startswith("All areas together, their days")
    assert "12.0% better than slot_mean_8" in level
    assert "the district D2, its days" in filed


def test_how_right_claims_no_more_than_the_scores_do():
    unsure = say_how_right(None, {**LEVEL, "difference_low": -0.3, "difference_high": 0.06}, None, "lantern", 0)[0]
    assert "not told apart from slot_mean_8" in unsure
    assert "better" not in unsure
    nothing = say_how_right(None, {**LEVEL, "scrps": None, "difference": None}, {**FILED, "scrps": None}, "lantern", 0)
    assert ["nothing came" in each for each in nothing] == [True, True]


def test_the_hour_with_most_late_calls_is_not_said_to_have_most_of_them(client, busiest):
    page = client.get(f"/areas/{busiest}").text
    rows = client.get(f"/areas/{busiest}.json").json()["data"]
    late = [row["incidents_mean"] * (row["chance_late"] or 0) for row in rows]
    assert max(late) < sum(late) / 2
    assert "The hour with most of them:" in page
    assert "most of them on" not in page


def test_without_scores_the_page_says_what_makes_them(client, busiest):
    assert "bluelamp backtest" in client.get(f"/areas/{busiest}").text
    assert "bluelamp backtest lantern" in say_how_right(None, None, None, "lantern", 0)[0]
