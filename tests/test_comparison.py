"""One day against another: by counts where they are known, by joint paths where they are to come."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from bluelamp import reading
from bluelamp.cli import app
from bluelamp.comparison import compare
from bluelamp.errors import NoInput, UsageError

# The small force's data ends with Sunday 18 October 2026.
FRIDAY, LAST_FRIDAY = date(2026, 10, 23), date(2026, 10, 16)


def test_a_day_to_come_has_the_range_that_the_forecast_tells(small_force: Path):
    found = compare(small_force, FRIDAY, LAST_FRIDAY)
    table = reading.read_table(small_force, "forecast").filter(
        pl.col("hour_starting").dt.convert_time_zone("Europe/London").dt.date() == FRIDAY,
        level="force", span="day", class_code="all", grade_code="all",
    )  # fmt: skip
    row = table.row(0, named=True)
    for share, name in ((0.025, "p025"), (0.1, "p10"), (0.5, "p50"), (0.9, "p90"), (0.975, "p975")):
        assert found.one.quantile(share) == row[f"incidents_{name}"], "paths drawn again are those of the run"
    # Of a hundred paths, each some 15 % off, the mean is off by 1.5%.
    assert found.one.mean == pytest.approx(row["incidents_mean"], rel=0.06)


def test_a_day_behind_has_what_came(small_force: Path):
    demand = reading.read_table(small_force, "demand").filter(
        pl.col("hour_starting").dt.convert_time_zone("Europe/London").dt.date() == LAST_FRIDAY,
        pl.col("origin").is_in(["public", "partner", "mandatory_internal", "unknown"]),
    )
    assert compare(small_force, FRIDAY, LAST_FRIDAY).other.mean == demand["incidents"].sum()


def test_the_three_chances_are_shares_of_paths_and_turn_round_with_the_days(small_force: Path):
    more, same, fewer = compare(small_force, FRIDAY, LAST_FRIDAY).chances()
    assert more + same + fewer == pytest.approx(1)
    assert compare(small_force, LAST_FRIDAY, FRIDAY).chances() == pytest.approx((fewer, same, more))
    found = compare(small_force, FRIDAY, LAST_FRIDAY)
    assert more == pytest.approx(float((found.one.counts > found.other.counts[0]).mean()))


def test_two_days_to_come_are_compared_path_by_path(small_force: Path):
    more, same, fewer = compare(small_force, FRIDAY, FRIDAY + timedelta(days=3)).chances()
    assert 0 < more < 1
    assert same + fewer == pytest.approx(1 - more)


def test_a_night_belongs_to_the_day_on_which_it_begins(small_force: Path):
    night = compare(small_force, FRIDAY, LAST_FRIDAY, from_hour=18, to_hour=4)
    evening = compare(small_force, FRIDAY, LAST_FRIDAY, from_hour=18, to_hour=24)
    after = compare(small_force, FRIDAY + timedelta(days=1), LAST_FRIDAY + timedelta(days=1), from_hour=0, to_hour=4)
    assert (night.one.counts == evening.one.counts + after.one.counts).all()
    assert night.other.mean == evening.other.mean + after.other.mean


def test_parts_of_the_force_add_up_to_it_in_every_path(small_force: Path):
    districts = reading.read_table(small_force, "forecast").filter(level="district")["area_id"].unique()
    parts = [compare(small_force, FRIDAY, LAST_FRIDAY, place=each) for each in districts]
    whole = compare(small_force, FRIDAY, LAST_FRIDAY)
    assert (sum(part.one.counts for part in parts) == whole.one.counts).all()
    assert sum(part.other.mean for part in parts) == whole.other.mean


def test_it_is_said_in_sentences_and_what_is_too_near_to_call_as_such(small_force: Path):
    said = CliRunner().invoke(app, ["compare", str(small_force), str(FRIDAY), str(FRIDAY + timedelta(days=7))])
    assert said.exit_code == 0
    assert "Friday 23 October 2026: " in said.output
    assert "too near to call" in said.output
    behind = CliRunner().invoke(app, ["compare", str(small_force), str(LAST_FRIDAY), "2026-10-09"]).output
    assert "Both lie behind: there is no chance in it." in behind


def test_what_is_not_there_is_told_all_at_once(small_force: Path, tmp_path: Path):
    with pytest.raises(UsageError) as told:
        compare(small_force, FRIDAY, LAST_FRIDAY, place="X9", class_code="vilence")
    assert len(told.value.problems) == 2
    assert "Did you mean 'violence'?" in str(told.value)
    with pytest.raises(UsageError, match="beyond the joint paths"):
        compare(small_force, date(2027, 6, 1), LAST_FRIDAY)
    with pytest.raises(UsageError, match="before the first incident"):
        compare(small_force, FRIDAY, date(2020, 1, 3))
    with pytest.raises(UsageError, match="no time at all"):
        compare(small_force, FRIDAY, LAST_FRIDAY, from_hour=6, to_hour=6)
    (tmp_path / "force.toml").write_text((small_force / "force.toml").read_text())
    with pytest.raises(NoInput, match="bluelamp plan"):
        compare(tmp_path, FRIDAY, LAST_FRIDAY)
