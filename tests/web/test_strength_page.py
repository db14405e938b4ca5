"""The duty planner's page: its figures are those of the tables, and it is there without any."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bluelamp import tables
from bluelamp.errors import UsageError
from bluelamp.web.app import make_app
from bluelamp.web.strength_page import NAMES, render_strength_page
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

    assert "there are no duties on hand" in page
    assert "it needs <code>duties</code> that were worked and <code>absences</code>" in page


def test_the_page_is_served(small_force: Path):
    client = TestClient(make_app(small_force))
    page = client.get("/strength")

    assert page.status_code == 200
    assert "Leave left, by shift" in page.text
    for name in NAMES:
        assert f"/tables/{name}.csv" in page.text or "Nothing is told" in page.text
