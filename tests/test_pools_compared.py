"""Pools compared on a force's own run: the same jobs and units, and what is asked wrongly told in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bluelamp import tables
from bluelamp.cli import app
from bluelamp.errors import BluelampError, UsageError
from bluelamp.pools_compared import PoolsCompared, compare_pools


@pytest.fixture(scope="module")
def compared(small_force: Path) -> PoolsCompared:
    return compare_pools(small_force, ["1", "1@22-07", "2"], weeks=6)


def test_the_table_is_the_one_that_it_says_and_today_is_compared_with_itself(compared: PoolsCompared):
    assert tables.check(compared.table, "pool_trials").equals(compared.table)
    assert set(compared.table["plan"]) == {"today", "1", "1@22-07", "2"}
    today = compared.table.filter(plan="today")
    assert set(today["minutes_difference"].drop_nulls()) == {0.0}
    assert compared.table.group_by("grade_code").agg(jobs=compared.table["jobs"].n_unique()).height == today.height


def test_each_way_is_told_for_each_grade_with_a_target(compared: PoolsCompared):
    said = compared.sentences()
    with_target = compared.table.filter(compared.table["in_time"].is_not_null())
    assert len(said) == with_target.filter(with_target["plan"] != "today").height
    assert any(each.startswith("With one pool from 22:00 to 07:00, ") for each in said)
    assert all("with today's pools" in each for each in said)
    assert any(note.startswith("Travel is assumed: 2 minutes to get going") for note in compared.notes)


def test_one_pool_has_shorter_ways_and_no_fewer_in_time_than_todays(compared: PoolsCompared):
    urgent = compared.table.filter(grade_code="1")
    one, today = (urgent.filter(plan=plan).row(0, named=True) for plan in ("1", "today"))
    assert one["in_time_high"] >= 0
    assert one["minutes"] <= today["minutes"] + 0.5


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
        (["1@09-17"], {}, "does not hold from one change of shift to another"),
        (["1@night"], {}, "does not hold from one change of shift to another"),
        (["1"], {"weeks": 1}, "can't tell anything apart"),
        (["1"], {"speed_kmh": 0}, "A speed of 0 km/h makes no sense"),
        (["9"], {}, "9 districts can't be made of 8 areas"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_a_sentence(small_force: Path, ways, more, said):
    with pytest.raises(BluelampError) as caught:
        compare_pools(small_force, ways, **{"weeks": 2, **more})
    assert isinstance(caught.value, UsageError)
    assert said in str(caught.value)
