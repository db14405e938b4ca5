"""Cases in a whole run: opened as the forecast says, and told with what they rest on."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from bluelamp import plan, tables
from bluelamp.investigation import UNASSIGNED, measure_cases
from bluelamp.plan import Planned
from tests.planned import small_settings, twin


def carried() -> pl.DataFrame:
    """A case of every second burglary and violent incident, closed after five weeks with twelve hours; some wait."""
    made = twin().tables["incidents"].filter(pl.col("class_code").is_in(["burglary", "violence"]))
    until = made["received_at"].max()
    rows = made.sort("received_at").gather_every(2).with_columns(closes=pl.col("received_at") + timedelta(weeks=5))
    return tables.publish(
        rows.select(
            case_id=pl.format("INV-{}", "incident_id"),
            class_code="class_code",
            opened_at=pl.col("received_at") + timedelta(hours=3),
            closed_at=pl.when(pl.col("closes") < until).then("closes"),
            waits_on_others=pl.int_range(pl.len()) % 5 == 0,
            officer_hours=pl.when(pl.col("closes") < until).then(12.0).otherwise(4.0),
        ),
        "cases",
    )


@pytest.fixture(scope="module")
def run() -> Planned:
    return plan.compute(
        {**twin().tables, "cases": carried()}, small_settings(forecast={"paths": 60, "path_days": 28, "days": 30})
    )


def test_cases_come_as_the_incidents_of_their_kinds_are_expected(run):
    table = run.results["required_investigators"]
    weekly = carried().height / 20

    assert table.height == 4
    assert table["week_starting"][0] == run.forecast_from
    assert table["cases_opened_mean"].mean() == pytest.approx(weekly, rel=0.3)
    assert (table["cases_opened_p10"] < table["cases_opened_p90"]).all()


def test_what_the_cases_were_made_with_is_found_again(run):
    cases, demand = carried(), run.results["demand"]
    loads = measure_cases(cases, demand.filter(pl.col("origin") != "officer_initiated"), run.forecast_from)
    load = loads[UNASSIGNED]

    assert load.classes == ["burglary", "violence"]
    assert load.share_opened == pytest.approx([0.5, 0.5], abs=0.06)
    # Burglary leans on 4.8 hours and violence on 44, the more so the fewer have been closed.
    closed = {
        code: cases.filter(pl.col("class_code") == code)["closed_at"].is_not_null().sum() for code in load.classes
    }
    for number, (code, prior) in enumerate({"burglary": 4.8, "violence": 44.0}.items()):
        assert load.hours[number] == pytest.approx((12 * closed[code] + 30 * prior) / (closed[code] + 30), rel=1e-6)
    known = cases.filter(pl.col("opened_at") < run.forecast_from)
    assert load.open_now == known["closed_at"].is_null().sum()


def test_investigators_hold_what_is_open_today_and_the_note_says_what_that_rests_on(run):
    row = run.results["required_investigators"].row(-1, named=True)

    assert row["open_required_p90"] <= row["most_open"]
    assert row["investigators_required"] < row["investigators_required_gross"]
    assert row["investigators_today"] > 10
    (told,) = [note for note in run.notes if "rests on starting values" in note]
    assert f"takes {row['investigators_required']} investigators at work" in told


def test_without_cases_nobody_is_asked_for():
    settings = small_settings(forecast={"paths": 20, "path_days": 1, "days": 2})

    assert plan.compute(twin().tables, settings).results["required_investigators"].is_empty()
