"""The duty planner's page: its figures are those of the tables, and it is there without any."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient

from bluelamp import tables
from bluelamp.errors import UsageError
from bluelamp.web.app import make_app
from bluelamp.web.strength_page import NAMES, render_strength_page
from tests.drawn import drawn
from tests.planned import planned

CELL = re.compile(r'data-key="([^"]+)" data-field="headroom" data-value="([^"]*)"')


def shown(day: str | None = None, **instead: Any) -> str:
    results = {name: instead.get(name, planned().results[name]) for name in NAMES}
    run = {"run_id": "r1", "data_until": planned().data_until}
    return render_strength_page(
        results, run, force_name="Lantern", folder="lantern", time_zone="Europe/London", day=day
    )


def test_every_shift_of_a_week_is_that_of_the_table():
    told = {
        f"{row['role_code']} {row['pool_id']} {row['skill_code']} {row['shift_starting']:%Y-%m-%dT%H:%M:%SZ}": row
        for row in planned().results["headroom"].iter_rows(named=True)
    }
    cells = CELL.findall(shown())

    assert len(cells) > 100
    for key, value in cells:
        assert int(value) == told[key]["headroom"], key


def test_the_week_of_a_day_may_be_asked_for():
    first = planned().results["headroom"]["local_day"].min()
    assert shown(day=str(first)) == shown()
    with pytest.raises(UsageError, match=f"They reach from {first} to"):
        shown(day="2031-01-01")
    with pytest.raises(UsageError, match="There are no shifts on 'Friday'"):
        shown(day="Friday")


def test_a_force_without_duties_is_told_what_it_takes():
    page = shown(**{name: tables.empty(name) for name in NAMES})

    assert "the run had no duties for the hours ahead of it" in page
    assert "it needs <code>duties</code> that were worked and <code>absences</code>" in page


def test_the_page_is_served(small_force: Path):
    client = TestClient(make_app(small_force))
    page = client.get("/strength")

    assert page.status_code == 200
    assert "Leave left, by shift" in page.text
    for name in NAMES:
        assert f"/tables/{name}.csv" in page.text or "Nothing is told" in page.text


def test_who_answers_calls_stands_first_and_the_tightest_shift_is_named():
    page = shown()
    told = planned().results["headroom"]
    first = told["local_day"].min()
    week = told.filter(
        pl.col("local_day") < first + timedelta(days=7), pl.col("skill_code") == "any", pl.col("headroom").is_not_null()
    )
    short = week.filter(pl.col("headroom") < 0)
    assert f"{short.height} are short" in page
    if short.height:
        assert f"by {-short['headroom'].min()} officer" in page
    assert CELL.findall(page)[0][0].startswith("response ")


INVESTIGATORS = drawn(
    "required_investigators",
    "week_starting | pool_id | cases_opened_mean | cases_opened_p10 | cases_opened_p90 | hours_opened_mean | "
    "investigators_today | open_today_mean | most_open | open_required_mean | open_required_p90 | "
    "investigators_required | investigators_required_low | investigators_required_high | "
    "investigators_required_gross | binds | age_target_weeks | in_time_today | in_time_required | in_time_error | "
    "share_assumed",
    *(
        f"2026-11-{day}T00:00Z | {team} | 20 | 15 | 25 | 200 | 18 | 431 | 380 | 360 | 379 | 17 | 13 | 22 | 24 | age | "
        "12 | 0.54 | 0.91 | 0.006 | 0.12"
        for day in (23, 30)
        for team in ("all", "I-D1")
    ),
)


def test_investigators_stand_by_team_in_the_last_week_where_there_are_cases():
    page = shown(required_investigators=INVESTIGATORS)

    (card,) = re.findall(r'<section class="card" id="investigators".*?</section>', page, re.DOTALL)
    cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", card.split("<tbody>")[1], re.DOTALL)
    assert cells[:10] == [
        "I-D1",
        "18",
        "17",
        "24",
        "13 to 22",
        "age",
        "431",
        "380",
        "54%",
        '91% <span class="small">± 1.2%</span>',
    ]
    assert cells[10] == "All teams"
    assert "Open in 2 weeks as it is" in card
    assert "12% of the work rests on starting values" in card
    assert 'id="investigators"' not in shown()
