"""The what-if page: both plans by hour, and no figure that its tables do not hold."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient

from bluelamp.web.app import make_app
from bluelamp.web.two_plans import draw_hours

RUNS = "days=2&runs=6"


@pytest.fixture(scope="module")
def client(small_force: Path) -> Iterator[TestClient]:
    with TestClient(make_app(small_force)) as made:
        yield made


def hours_of(client: TestClient, query: str) -> list[dict]:
    return client.get(f"/what-if-hours.json?{query}").json()["what_if_hours"]


def numbers(text: str) -> list[float]:
    return [float(each) for each in re.findall(r"\d+(?:\.\d+)?", text)]


def test_the_hour_shown_has_the_figures_of_the_table(client):
    rows = hours_of(client, f"demand=1.5&{RUNS}")
    force = [row for row in rows if row["pool_id"] == "all"]
    worst = max(force, key=lambda row: (row["calls_after"] or 0) * (row["late_after"] or 0))
    page = client.get(f"/what-if?demand=1.5&{RUNS}").text
    shown = page[page.index('id="hour-table"') :]
    cells = re.findall(
        r"<td[^>]*>(.*?)</td>", shown[shown.index("The force") : shown.index("</tr>", shown.index("The force"))]
    )
    assert numbers(cells[0]) == [worst["units_before"], worst["units_after"]]
    assert numbers(cells[1]) == [worst["officers_short_before"], worst["officers_short_after"]]
    late = [round(100 * worst[name], 1) for name in ("late_before", "late_after")]
    assert numbers(cells[2]) == pytest.approx(late, abs=0.051)
    assert numbers(cells[4]) == pytest.approx([worst["waiting_before"], worst["waiting_after"]], abs=0.051)


def test_another_hour_can_be_asked_for_and_stands_in_the_links(client):
    at = "2026-10-20T15:00Z"
    page = client.get(f"/what-if?{RUNS}&at={at}").text
    assert "Tue 20 Oct 16:00 to 17:00 BST" in page
    assert "the hour chosen" in page
    assert "at=2026-10-20T15%3A00Z" in page


def test_an_hour_that_is_not_there_gives_way_to_the_worst(client):
    for at in ("2031-01-01T00:00Z", "Friday", "2026-10-20T15:00"):
        assert "the hour with most late calls" in client.get(f"/what-if?{RUNS}&at={at}").text


def test_the_page_says_on_how_many_runs_by_which_rung_and_how_true_it_was(client):
    page = client.get(f"/what-if?{RUNS}").text
    assert "answered 6 drawn runs of 2 days" in page
    assert "the load carried from hour to hour (MOL)" in page
    assert "not held against recorded weeks yet" in page


def test_nobody_is_told_of_a_difference_where_nothing_is_changed(client):
    page = client.get(f"/what-if?{RUNS}").text
    assert "Nothing is changed" in page
    assert "plan-after" not in page
    assert all(row["late_before"] == row["late_after"] for row in hours_of(client, RUNS))


@pytest.mark.parametrize(("query", "words"), [("pool=nowhere", "There is no pool"), ("grade=9", "No target speaks of")])
def test_a_pool_or_grade_that_is_not_there_is_told(client, query, words):
    answer = client.get(f"/what-if?{RUNS}&{query}")
    assert answer.status_code == 400
    assert words in answer.text


def test_the_hours_come_as_csv_with_the_columns_of_their_schema(client):
    told = client.get(f"/what-if-hours.csv?{RUNS}")
    assert told.text.startswith("grade_code,pool_id,hour_starting,pools,")
    assert 'filename="what-if-hours.csv"' in told.headers["content-disposition"]


def test_a_picture_has_a_gap_where_a_pool_covers_nothing():
    hours = [datetime(2026, 10, 19, tzinfo=UTC) + timedelta(hours=each) for each in range(6)]
    late = [0.1, 0.2, None, 0.3, None, 0.4]
    shown = pl.DataFrame({"hour_starting": hours}).with_columns(
        pl.Series(f"{what}{part}_{side}", [each and each * factor for each in late], dtype=pl.Float64)
        for what in ("late", "waiting") for part, factor in (("", 1.0), ("_low", 0.5), ("_high", 1.5))
        for side in ("before", "after")
    )  # fmt: skip
    picture = draw_hours(
        shown,
        pl.Series(hours),
        hours,
        at=hours[1],
        allowed=0.1,
        sides={"before": "before", "after": "after"},
    )[0]["sizes"][0]
    assert [each["path"].count("M") for each in picture["plans"]] == [3, 3]
    assert [each["path"].count("Z") for each in picture["bands"]] == [3]
    assert picture["hours"] == 6


def test_the_maps_backlog_is_that_of_the_hours_with_nothing_changed(client):
    told = client.get("/api/backlog.json").json()
    rows = {(row["pool_id"], row["hour_starting"]): row for row in hours_of(client, f"days=14&runs={told['runs']}")}
    assert len(told["starting"]) == 14 * 24 + 1  # the clock goes back in these weeks
    waiting = told["figures"]["waiting_before"]
    whole = [
        value
        for place, values in zip(told["places"], waiting["values"], strict=True)
        for start, value in zip(told["starting"], values, strict=True)
        if (row := rows.get((place, datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))))
        and row["waiting_before"] == pytest.approx(value / 100)
    ]
    assert len(whole) == len(rows)


def test_fewer_days_than_usual_are_shown_where_there_are_fewer_and_the_map_is_there_without_a_backlog(
    small_force, tmp_path
):
    folder = tmp_path / "force"
    shutil.copytree(small_force, folder)
    settings = folder / "force.toml"
    settings.write_text(settings.read_text("utf-8").replace("[forecast]\n", "[forecast]\npath_days = 2\n"), "utf-8")
    assert "answered 5 drawn runs of 2 days" in TestClient(make_app(folder)).get("/what-if?runs=5").text
    shutil.rmtree(folder / "store" / "artefacts")
    told = TestClient(make_app(folder)).get("/api/backlog.json")
    assert told.status_code == 200
    assert set(told.json()) == {"problem"}
