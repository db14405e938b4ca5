"""Contacts in a whole run: forecast from what came before, nothing without them, and never by officers' own work."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from bluelamp import plan, tables
from bluelamp.plan import Planned
from bluelamp.settings import Settings, from_values
from tests.planned import small_settings, twin

OWN = pl.col("origin").is_in(["officer_initiated", "directed", "administrative"])


def called() -> pl.DataFrame:
    """One call for each public incident, and one of ten that nobody answered beside."""
    made = twin().tables["incidents"].filter(pl.col("origin") == "public").with_row_index("number")
    rows = made.select(
        contact_id=pl.format("C{}", "number"),
        contacted_at=pl.col("received_at") - timedelta(seconds=60),
        answered_at=pl.col("received_at") - timedelta(seconds=50),
        ended_at=pl.col("received_at") + timedelta(seconds=190),
        channel=pl.when(pl.col("number") % 3 == 0).then(pl.lit("999")).otherwise(pl.lit("101")),
        incident_id="incident_id",
        caller_token=pl.format("c{}", "number"),
    )
    lost = rows.filter(pl.int_range(pl.len()) % 10 == 0).with_columns(
        contact_id=pl.format("X{}", "contact_id"),
        answered_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")),
        incident_id=pl.lit(None, dtype=pl.String),
        caller_token=pl.format("x{}", "caller_token"),
    )
    return tables.publish(pl.concat([rows, lost]), "contacts")


def settings_here() -> Settings:
    return small_settings(forecast={"paths": 40, "path_days": 2, "days": 3})


@pytest.fixture(scope="module")
def run() -> Planned:
    return plan.compute({**twin().tables, "contacts": called()}, settings_here())


@pytest.fixture(scope="module")
def without() -> Planned:
    return plan.compute(twin().tables, settings_here())


def test_quarters_begin_with_the_forecast_and_expect_what_usually_comes(run):
    table = run.results["contact_forecast"]
    quarters = table.filter(span="quarter", channel="all")

    assert quarters["starts_at"].min() == run.forecast_from
    assert quarters.height == 2 * 96
    usual = called().height / 140
    assert table.filter(span="day", channel="all")["contacts_mean"].mean() == pytest.approx(usual, rel=0.25)
    assert table.filter(span="day", channel="999")["handling_hours_mean"][0] == pytest.approx(
        table.filter(span="day", channel="999")["contacts_mean"][0] * 4 / 60, rel=0.01
    )


def test_lost_callers_are_told_apart_and_added_to_nothing(run, without):
    lost = run.results["suppressed"].filter(kind="abandoned")
    assert lost["incidents_mean"].sum() > 10
    assert any(note.startswith("Suppressed demand, in incidents a week") for note in run.notes)
    for name in ("demand", "forecast", "required_staff", "coverage"):
        assert run.results[name].equals(without.results[name]), name


def test_work_that_officers_start_enters_no_forecast_and_no_estimate(run):
    busier = twin().tables["incidents"]
    again = busier.filter(OWN).with_columns(incident_id=pl.format("again-{}", "incident_id"))
    patrolled = plan.compute(
        {**twin().tables, "contacts": called(), "incidents": pl.concat([busier, again, again.with_columns(
            incident_id=pl.format("third-{}", "incident_id"))])},
        settings_here(),
    )  # fmt: skip
    for name in ("forecast", "contact_forecast", "suppressed", "required_staff"):
        assert patrolled.results[name].equals(run.results[name]), name
    found = [results["feedback"]["incidents_found"].sum() for results in (run.results, patrolled.results)]
    assert found[1] == 3 * found[0] > 0


def test_what_comes_after_the_first_hour_forecast_is_not_known(run):
    later = (
        called()
        .sort("contacted_at")
        .tail(50)
        .with_columns(
            pl.col("contacted_at", "answered_at", "ended_at") + timedelta(days=3),
            contact_id=pl.format("L{}", "contact_id"),
        )
    )
    knowing = plan.compute(
        {**twin().tables, "contacts": pl.concat([called(), later])}, settings_here(), forecast_from=run.forecast_from
    )
    assert knowing.results["contact_forecast"].equals(run.results["contact_forecast"])
    assert knowing.results["suppressed"].equals(run.results["suppressed"])


def test_a_force_that_gave_no_contacts_has_no_forecast_of_them(without):
    assert without.results["contact_forecast"].is_empty()
    assert without.results["suppressed"].filter(pl.col("channel") != "log").is_empty()


def test_contacts_of_long_ago_or_all_in_an_outage_are_said_not_to_be_forecast(run):
    old = called().head(200).with_columns(pl.col("contacted_at", "answered_at", "ended_at") - timedelta(days=500))
    broken = small_settings(
        forecast={"paths": 10, "path_days": 1, "days": 1}, demand={"declared_outages": (("2020-01-01", "2026-12-31"),)}
    )
    notes: list[str] = []
    given = {"contacts": old, "events": tables.empty("events")}
    starts = run.forecast_from
    assert plan._forecast_contacts(given, settings_here(), starts, 0.3, notes)[0].is_empty()
    assert plan._forecast_contacts({**given, "contacts": called()}, broken, starts, 0.3, notes)[0].is_empty()
    assert "more than a year before the first day of the forecast" in notes[0]
    assert notes[1].startswith("Contacts are not forecast. Every hour of the history lies in an outage")


def test_call_takers_are_asked_for_each_quarter_and_their_target_is_told(run):
    table = run.results["required_agents"]
    every = table.filter(channel="all")

    assert every["starts_at"].to_list() == sorted(
        run.results["contact_forecast"].filter(span="quarter", channel="all")["starts_at"]
    )
    expected = run.results["contact_forecast"].filter(span="quarter", channel="all")["contacts_mean"].sum()
    assert every["contacts_mean"].sum() == pytest.approx(expected, rel=0.05)
    assert table.filter(channel="999")["share_in_time"].min() >= 0.9
    assert set(table.filter(pl.col("channel") != "all")["model"]) == {"erlang_a"}
    assert [note for note in run.notes if note.startswith("Call takers (shared by all lines")]
    assert [note for note in run.notes if note.startswith("The force has set no targets of its own for its telephones")]


def test_lines_may_have_their_own_people_and_targets():
    settings = settings_here().model_dump()
    settings["contacts"] = {"is_shared": False, "targets": [{"channel": "999", "seconds": 5, "share": 0.95}]}
    found = plan.compute({**twin().tables, "contacts": called()}, from_values(settings))

    assert set(found.results["required_agents"]["team"]) == {"999"}
    assert not [
        note for note in found.notes if note.startswith("The force has set no targets of its own for its telephones")
    ]
    assert [note for note in found.notes if note.startswith("101 has no target, and is in no line")]
