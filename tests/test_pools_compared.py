"""Pools compared on a force's own run: the same jobs and units, and what is asked wrongly told in a sentence."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from bluelamp import pools_compared, tables
from bluelamp.cli import app
from bluelamp.coming_work import read_coming
from bluelamp.errors import BluelampError, UsageError
from bluelamp.near_term import simulate_next
from bluelamp.pools_compared import PoolsCompared, compare_pools


@pytest.fixture(scope="module")
def compared(small_force: Path) -> PoolsCompared:
    return compare_pools(small_force, ["1", "1@20-04", "2", "pairs"], weeks=6)


def test_the_table_is_the_one_that_it_says_and_today_is_compared_with_itself(compared: PoolsCompared):
    assert tables.check(compared.table, "pool_trials").equals(compared.table)
    assert set(compared.table["plan"]) == {"today", "1", "1@20-04", "2", "pairs"}
    today = compared.table.filter(plan="today")
    assert set(today["minutes_difference"].drop_nulls()) == {0.0}
    assert compared.table.group_by("grade_code", "pool_id").agg(pl.col("calls").n_unique())[
        "calls"
    ].unique().to_list() == [1]


def test_calls_of_the_force_are_those_on_the_ground_of_todays_pools(compared: PoolsCompared):
    whole = compared.table.filter(pool_id="all")
    parts = compared.table.filter(pl.col("pool_id") != "all").group_by("plan", "grade_code").agg(pl.col("calls").sum())
    both = whole.join(parts, on=["plan", "grade_code"])
    assert both.height == whole.height
    assert both["calls"].to_list() == pytest.approx(both["calls_right"].to_list(), abs=0.1)


def test_each_way_is_told_for_each_grade_with_a_target(compared: PoolsCompared):
    said = [each for each in compared.sentences() if each.startswith("With ")]
    assert len(said) == compared.table.filter(pl.col("plan") != "today", pool_id="all").height
    assert any(each.startswith("With one pool from 20:00 to 04:00, ") for each in said)
    assert all("with today's pools" in each for each in said)
    assert any("begins anew there in every way" in note for note in compared.notes)
    assert any(note.startswith("'pairs' merges ") for note in compared.notes)


def test_ways_take_on_average_what_standards_suppose_or_go_at_the_speed_asked_for(
    compared: PoolsCompared, small_force: Path
):
    ground = read_coming(small_force).ground
    urgent = compared.table.filter(plan="today", grade_code="1", pool_id="all").row(0, named=True)
    stated = [each.travel_minutes for each in ground.targets if each.grade_code == "1"]
    assert min(stated) * 0.95 <= urgent["travel_minutes"] <= max(stated) * 1.05
    slow, quick = (
        compare_pools(small_force, [], weeks=2, speed_kmh=speed).table.filter(grade_code="1", pool_id="all")
        for speed in (20, 60)
    )
    assert slow["travel_minutes"][0] > quick["travel_minutes"][0] > 2
    assert slow["in_time"][0] <= quick["in_time"][0]


def test_the_same_seed_gives_the_same_table(small_force: Path):
    one, other = (compare_pools(small_force, ["1"], weeks=2, seed=4).table for _ in range(2))
    assert one.equals(other)


def test_the_command_says_the_same_in_words_and_json(small_force: Path):
    done = [
        CliRunner().invoke(app, ["pools", str(small_force), "--try", "1", "--weeks", "2", *more])
        for more in ([], ["--json"])
    ]
    assert [each.exit_code for each in done] == [0, 0]
    answer = json.loads(done[1].stdout)
    assert all(f"- {each}" in done[0].stdout for each in [*answer["sentences"], *answer["notes"]])


@pytest.mark.parametrize(
    ("ways", "more", "said"),
    [
        (["R-D1+R-D9"], {}, "is no way of pooling"),
        (["0"], {}, "is no way of pooling"),
        (["1@09-29"], {}, "names no hours of the day"),
        (["1@night"], {}, "names no hours of the day"),
        (["pairs+R-D1"], {}, "is no way of pooling"),
        (["1"], {"weeks": 1}, "fewer than 2 tell nothing apart"),
        (["1"], {"speed_kmh": 0}, "A speed of 0 km/h makes no sense"),
        (["9"], {}, "9 districts can't be made of 8 areas"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_a_sentence(small_force: Path, ways, more, said):
    with pytest.raises(BluelampError) as caught:
        compare_pools(small_force, ways, **{"weeks": 2, **more})
    assert isinstance(caught.value, UsageError)
    assert said in str(caught.value)


def test_a_pool_that_nobody_is_on_duty_in_is_told(small_force: Path, monkeypatch: pytest.MonkeyPatch):
    coming = read_coming(small_force)
    bare = coming.on_duty.copy()
    bare[0] = 0.0
    monkeypatch.setattr(pools_compared, "read_coming", lambda folder, run_id: replace(coming, on_duty=bare))
    with pytest.raises(BluelampError, match=f"Nobody is on duty in '?{coming.ground.pool_hours.pool_ids[0]}"):
        compare_pools(small_force, ["1"], weeks=2)


def test_ways_are_those_that_the_settings_name_here_and_for_the_next_hours(small_force: Path, tmp_path: Path):
    folder = tmp_path / "small"
    shutil.copytree(small_force, folder)
    with (folder / "force.toml").open("a", encoding="utf-8") as file:
        file.write('\n[staffing.travel]\nby = "distance"\nspeed_kmh = 20\n')
    found = compare_pools(folder, ["1"], weeks=4)
    assert any("then 20 km/h" in note for note in found.notes)
    usual = compare_pools(small_force, [], weeks=4).table.filter(plan="today", pool_id="all", grade_code="1")
    slow = found.table.filter(plan="today", pool_id="all", grade_code="1")
    assert slow["travel_minutes"].item() != usual["travel_minutes"].item()
    assert any("then 20 km/h" in each for each in simulate_next(folder, hours=2, runs=10).sentences)
