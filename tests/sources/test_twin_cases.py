"""Cases of the made-up force: they add up, nothing else changes with them, and what is foretold is near the truth."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from bluelamp.cli import app
from bluelamp.investigation import AgeTarget, CaseLoad, measure_cases, require_investigators
from bluelamp.settings import read
from bluelamp.sources.twin import Twin, make_twin, write_twin

UNTIL = date(2026, 11, 23)
WEEKS = 8
# Of investigators, who are not away: for long, on leave, that day.
AT_WORK = 0.95 * 0.87 * 0.86


@pytest.fixture(scope="module")
def twin() -> Twin:
    return make_twin(areas=20, days=200, seed=5, until=UNTIL, cases=True)


@pytest.fixture(scope="module")
def truth(twin: Twin) -> pl.DataFrame:
    """What was opened, worked and open in each coming week, over all teams."""
    weeks = twin.truth["case_weeks"].group_by("week_starting").agg(pl.exclude("pool_id").sum()).sort("week_starting")
    return weeks.tail(WEEKS)


@pytest.fixture(scope="module")
def loads(twin: Twin, truth: pl.DataFrame) -> dict[str, CaseLoad]:
    return measure_cases(twin.tables["cases"], by_hour(twin.tables["incidents"]), truth["week_starting"][0])


def by_hour(incidents: pl.DataFrame) -> pl.DataFrame:
    return incidents.group_by("class_code", hour_starting=pl.col("received_at").dt.truncate("1h")).agg(
        incidents=pl.len()
    )


def coming(twin: Twin, classes: list[str], truth: pl.DataFrame) -> np.ndarray:
    """Incidents that really come: classes × weeks × one path."""
    found = np.zeros((len(classes), WEEKS, 1))
    came = twin.truth["future_incidents"].with_columns(
        week=(pl.col("received_at") - truth["week_starting"][0]).dt.total_hours() // 168
    )
    for code, week, number in came.group_by("class_code", "week").len().iter_rows():
        if code in classes and 0 <= week < WEEKS:
            found[classes.index(code), week, 0] = number
    return found


def test_cases_change_nothing_else(twin: Twin):
    without = make_twin(areas=20, days=200, seed=5, until=UNTIL)
    assert all(twin.tables[name].equals(frame) for name, frame in without.tables.items())
    assert set(twin.truth) - set(without.truth) == {"cases", "case_weeks"}
    assert "cases" not in without.parameters
    assert "cases" not in without.settings


def test_the_record_has_what_was_open_and_closed_at_the_cut_and_no_more(twin: Twin):
    cut = twin.truth["case_weeks"]["week_starting"].sort()[-1 - (WEEKS - 1) * 3]
    known = twin.tables["cases"].join(twin.truth["cases"], on="case_id")
    assert known.height == twin.tables["cases"].height
    assert (known["opened_at"] < cut).all()
    assert (known["closed_at"].is_null() == known["is_open_at_cut"]).all()
    closed = known.filter(pl.col("closed_at").is_not_null(), pl.col("officer_hours").is_not_null())
    assert (closed["closed_at"] == closed["finalised_at"]).all()
    assert closed["officer_hours"].to_list() == pytest.approx(closed["officer_hours_right"].to_list(), abs=0.006)
    still = known.filter(pl.col("closed_at").is_null()).drop_nulls("officer_hours")
    assert (still["officer_hours"] <= still["officer_hours_right"] + 0.01).all()
    assert 0 < known["waits_on_others"].sum() < known["closed_at"].is_null().sum()
    assert 0.05 < known["officer_hours"].null_count() / known.height < 0.15


def test_cases_belong_to_the_team_of_their_incidents_district_and_to_one_incident(twin: Twin):
    truth = twin.truth["cases"]
    assert truth["incident_id"].is_unique().all()
    calls = pl.concat([twin.tables["incidents"], twin.truth["future_incidents"]]).drop_nulls("area_id")
    teams = twin.tables["pools"].filter(role_code="investigation").select("area_id", team="pool_id")
    joined = truth.join(calls, on="incident_id").join(teams, on="area_id")
    assert joined.height > 0.95 * truth.height
    assert (joined["team"] == joined["pool_id"]).all()
    assert (joined["opened_at"] > joined["received_at"]).all()


def test_no_team_works_more_hours_than_it_has_and_open_cases_add_up(twin: Twin):
    weeks, people = twin.truth["case_weeks"], twin.tables["people"].filter(role_code="investigation")
    there = weeks.join(people.group_by("pool_id").len(), on="pool_id")
    most = there.select(pl.col("hours_worked") - pl.col("len") * 30 * AT_WORK)
    assert most.to_series().max() < 1e-6
    last = weeks["week_starting"].max()
    closed = twin.truth["cases"].filter(pl.col("finalised_at").is_not_null()).group_by("pool_id").len("closed")
    opened = twin.truth["cases"].group_by("pool_id").len("opened")
    still = weeks.filter(week_starting=last).join(opened, on="pool_id").join(closed, on="pool_id")
    assert still.height == twin.tables["cases"]["pool_id"].n_unique()
    assert (still["opened"] - still["closed"] - still["open_at_end"]).abs().max() <= 3


def test_what_is_told_of_the_record_is_near_what_was_so(twin: Twin, loads: dict[str, CaseLoad]):
    was = dict(twin.truth["cases"].group_by("class_code").len().iter_rows())
    one = next(iter(loads.values()))
    number = np.array([was[code] for code in one.classes])
    assert one.hours @ number / number.sum() == pytest.approx(twin.truth["cases"]["officer_hours"].mean(), rel=0.06)
    assert one.hours_cv == pytest.approx(0.9, abs=0.1)
    now = twin.truth["cases"].filter("is_open_at_cut").group_by("pool_id").len()
    assert {team: load.open_now for team, load in loads.items()} == dict(now.iter_rows())


def test_open_cases_of_each_team_are_foretold_where_the_incidents_are_known(
    twin: Twin, loads: dict[str, CaseLoad], truth: pl.DataFrame
):
    posted = twin.tables["people"].filter(role_code="investigation").group_by("pool_id").len()
    table, aged = (
        require_investigators(
            loads, coming(twin, next(iter(loads.values())).classes, truth), truth["week_starting"].to_list(),
            investigators_today={team: float(each) for team, each in posted.iter_rows()}, hours_a_week=30,
            most_open=None, settling_weeks=8, abstraction=1 - AT_WORK, age=age,
        )
        for age in (None, AgeTarget(5.0))
    )  # fmt: skip
    force = table.filter(pool_id="all")
    assert force["cases_opened_mean"].sum() == pytest.approx(truth["cases_opened"].sum(), rel=0.06)
    assert force["open_today_mean"].to_list() == pytest.approx(truth["open_at_end"].to_list(), rel=0.1)
    # The team that falls behind is the one of the busy middle, and those who hold its caseload bring what is lacking.
    behind = table.filter(pool_id="I-D1")
    mine = twin.truth["case_weeks"].filter(pool_id="I-D1").sort("week_starting").tail(WEEKS)
    assert behind["open_today_mean"].to_list() == pytest.approx(mine["open_at_end"].to_list(), rel=0.12)
    assert behind["investigators_required"][0] == pytest.approx(mine["hours_opened"].sum() / (30 * WEEKS), rel=0.1)
    # Of those opened in the first weeks so many were finalised within five.
    begins = truth["week_starting"][0]
    first = (
        twin.truth["cases"]
        .filter(pl.col("opened_at") >= begins, pl.col("opened_at") < begins + pl.duration(weeks=3))
        .with_columns(was=(pl.col("finalised_at") - pl.col("opened_at") <= pl.duration(weeks=5)).fill_null(value=False))
    )
    for team in loads:
        told = aged.filter(pool_id=team)["in_time_today"].head(3).mean()
        assert told == pytest.approx(first.filter(pool_id=team)["was"].mean(), abs=0.12)


def test_the_folder_names_the_extract_and_tells_how_cases_were_made(twin: Twin, tmp_path):
    write_twin(tmp_path, twin)
    assert read(tmp_path).sources["cases"].file == "extracts/cases.csv.gz"
    assert "Cases: crimes are given" in (tmp_path / "README.txt").read_text(encoding="utf-8")
    assert (tmp_path / "truth" / "cases.parquet").exists()


def test_the_command_makes_cases_where_it_is_asked_to(tmp_path):
    asked = ["--areas", "4", "--days", "28", "--until", "2026-11-23"]
    for name, more in (("with", ["--cases"]), ("without", [])):
        done = CliRunner().invoke(app, ["twin", str(tmp_path / name), *asked, *more])
        assert done.exit_code == 0, done.output
        assert (tmp_path / name / "extracts" / "cases.csv.gz").exists() == bool(more)
