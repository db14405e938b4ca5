"""A planned force's own ways: what its settings say decides, and what is wrong with them is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bluelamp import reading
from bluelamp.coming_work import Coming, read_coming
from bluelamp.errors import BadData, NoInput
from bluelamp.store import Store
from bluelamp.what_if import Change, WhatIf


@pytest.fixture(scope="module")
def force(small_force: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journeys") / "force"
    folder.mkdir()
    shutil.copytree(small_force / "store", folder / "store")
    shutil.copy(small_force / "force.toml", folder / "usual.toml")
    return folder


def coming(force: Path, travel: str) -> Coming:
    text = (force / "usual.toml").read_text(encoding="utf-8")
    (force / "force.toml").write_text(f"{text}\n[staffing.travel]\n{travel}\n", encoding="utf-8")
    return read_coming(force, days=2)


def test_standards_decide_where_nothing_else_is_said(force):
    assert coming(force, "speed_kmh = 50").ground.travel is None


def test_ways_by_distance_are_those_between_the_middles_of_areas_and_are_told_with_a_plan(force):
    found = coming(force, 'by = "distance"\nspeed_kmh = 60\nturnout_minutes = 0\nvariation = 0')
    assert found.ground.travel is not None
    minutes = found.ground.travel.minutes
    assert minutes.shape == (len(found.ground.pool_hours.area_ids),) * 2
    assert np.isfinite(minutes).all()
    assert minutes == pytest.approx(minutes.T)
    slower = coming(force, 'by = "distance"\nspeed_kmh = 30\nturnout_minutes = 0\nvariation = 0')
    assert slower.ground.travel is not None
    assert slower.ground.travel.minutes == pytest.approx(2 * minutes)
    said = WhatIf.of(slower, runs=2).compare(Change()).sentences
    assert "Travel is assumed: 0 minutes to get going, then 30 km/h" in said[-1]


def test_recorded_journeys_of_a_made_up_force_take_what_they_took(force):
    found = coming(force, 'by = "recorded"')
    assert found.ground.travel is not None
    incidents = Store(force).snapshot().read("incidents")
    recorded = (incidents["arrived_at"] - incidents["dispatched_at"]).dt.total_seconds().drop_nulls() / 60
    drawn = found.cases(3, 1)
    jobs = drawn[0].jobs
    calls = jobs.parent < 0
    driven = found.ground.travel.minutes[0, jobs.place[calls]] * jobs.stretch[calls, 0]
    assert np.median(driven) == pytest.approx(recorded.filter(recorded > 0).median(), rel=0.1)
    assert driven.mean() == pytest.approx(recorded.filter(recorded > 0).mean(), rel=0.1)


def test_ways_over_streets_follow_the_file_that_is_named(force):
    areas = reading.read_used(Store(force).snapshot(), "areas").filter(level="area").sort("area_id")
    middles = areas.select("centre_longitude", "centre_latitude").rows()
    lines = {"type": "LineString", "coordinates": middles}
    file = {"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"time": 60.0}, "geometry": lines}
    ]}  # fmt: skip
    (force / "streets.geojson").write_text(json.dumps(file), encoding="utf-8")
    travel = 'by = "streets"\nstreets_file = "streets.geojson"\nminutes_property = "time"\nturnout_minutes = 0'
    found = coming(force, travel)
    assert found.ground.travel is not None
    ids = found.ground.pool_hours.area_ids
    ends = ids.index(areas["area_id"][0]), ids.index(areas["area_id"][-1])
    assert found.ground.travel.minutes[ends] == pytest.approx(60, rel=1e-6)
    assert any("1 street segment" in note for note in found.notes)


def test_a_file_of_streets_that_is_not_there_or_is_none_is_told(force):
    with pytest.raises(NoInput, match=r"missing.geojson is not there, which 'streets_file' under \[staffing.travel\]"):
        coming(force, 'by = "streets"\nstreets_file = "missing.geojson"')
    with pytest.raises(BadData, match="is no GeoJSON"):
        coming(force, 'by = "streets"\nstreets_file = "usual.toml"')
