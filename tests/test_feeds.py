"""The whole flow from messy feeds alone: shuffled, twice, and held against the truth of the made-up force."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from bluelamp import deployable, intake, periods, plan, pools, reading, settings, tables
from bluelamp.committed import measure_without_log
from bluelamp.sources.twin import Twin, exports, make_twin, write_twin
from bluelamp.store import Store
from tests.true_requirement import KEY, what_units_really_did

UNTIL = date(2026, 11, 23)
AFTER = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAYS = 10


@pytest.fixture(scope="module")
def twin() -> Twin:
    return make_twin(areas=12, days=60, seed=11, until=UNTIL, feed_days=DAYS)


def write_out(folder: Path, twin: Twin) -> None:
    """Write the force's extracts, some days in each export, and ask for a short forecast: nothing here looks at it."""
    write_twin(folder, twin, mornings=4)
    force = folder / "force.toml"
    force.write_text(f"{force.read_text('utf-8')}\n[forecast]\npaths = 100\npath_days = 14\ndays = 21\n", "utf-8")


def bring_in(folder: Path, seed: int | None) -> None:
    """Import every extract of the force; shuffled, and a fifth of them twice, where a seed is given."""
    # One secret for both forces, so that their tokens can be compared.
    (folder / "tokens.key").write_text("07" * 32)
    work = intake.extracts_of(folder)
    if seed is not None:
        chance = random.Random(seed)
        work = work + chance.sample(work, k=len(work) // 5)
        chance.shuffle(work)
    for name, path, chosen in work:
        done = intake.import_extract(folder, path, table=name, map_name=chosen, as_of=AFTER)
        parts = ("accepted", "updated", "unchanged", "duplicate", "quarantined")
        assert done.batch["rows_read"] == sum(done.batch[f"rows_{part}"] for part in parts)


@pytest.fixture(scope="module")
def force(twin, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shuffled")
    write_out(folder, twin)
    bring_in(folder, seed=5)
    plan.plan(folder)
    return folder


@pytest.fixture(scope="module")
def in_order(twin, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("in_order")
    write_out(folder, twin)
    bring_in(folder, seed=None)
    return folder


FED = ("incidents", "grade_history", "unit_status", "unit_crews", "contacts", "offences", "people", "duties",
       "absences", "commitments", "vehicles", "minimums")  # fmt: skip


@pytest.mark.parametrize("name", FED)
def test_the_order_in_which_extracts_came_does_not_show(force, in_order, name):
    key = tables.table(name).key
    shuffled, straight = (Store(folder).read(name).sort(key) for folder in (force, in_order))
    assert shuffled.height > 0
    assert shuffled.equals(straight)


def test_current_incidents_are_those_of_the_truth(force):
    truth = pl.read_parquet(force / "truth" / "current_incidents.parquet").sort("incident_id")
    found = Store(force).read("incidents").sort("incident_id")
    assert found["incident_id"].to_list() == truth["incident_id"].to_list()
    for column in ("received_at", "grade_code", "opening_grade_code", "merged_into", "class_code"):
        assert found[column].to_list() == truth[column].to_list(), column


def weekly(hours: pl.DataFrame, value: str, by: list[str]) -> pl.DataFrame:
    return hours.group_by(by).agg(pl.col(value).sum()).sort(by)


def committed(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Committed hours found and true, in hours that both speak of."""
    found = reading.read_table(folder, "committed").filter(level="pool")
    truth = pl.read_parquet(folder / "truth" / "committed.parquet").filter(level="pool")
    ours = pl.col("stage").is_in(
        ["en_route", "at_scene", "committed", "committed_deployable", "custody", "guard", "write_up"]
    )
    last = truth["hour_starting"].max()
    first = max(found["hour_starting"].min(), truth["hour_starting"].min())
    inside = pl.col("hour_starting").is_between(first, last)
    return found.filter(ours, inside), truth.filter(ours, inside)


def test_committed_hours_are_within_two_in_a_hundred_by_pool(force):
    found, truth = committed(force)
    joined = weekly(found, "unit_hours", ["place_id"]).join(
        weekly(truth, "unit_hours", ["place_id"]), on="place_id", how="full", suffix="_true"
    )
    assert joined.null_count().sum_horizontal().item() == 0
    big = joined.filter(pl.col("unit_hours_true") > 50)
    assert big.height >= 2
    off = (big["unit_hours"] / big["unit_hours_true"] - 1).abs()
    assert off.max() < 0.02, big
    assert abs(joined["unit_hours"].sum() / joined["unit_hours_true"].sum() - 1) < 0.01


def deployable_then(folder: Path) -> pl.DataFrame:
    """Net deployable of the hours that the exports tell of, from the stored tables alone."""
    read, store = settings.read(folder), Store(folder)
    zone = read.force.time_zone
    given = {name: store.read(name) for name in ("duties", "people", "absences", "commitments", "vehicles", "pools")}
    ends_at = periods.local_days(zone, UNTIL, UNTIL)["starts_at"][0]
    first = UNTIL - timedelta(days=DAYS - 1)
    hours = periods.hours_between(zone, periods.local_days(zone, first, first)["starts_at"][0], ends_at)
    areas = store.read("areas").filter(level="area")["area_id"].sort().to_list()
    return deployable.find_deployable(
        *given.values(),
        pool_hours=pools.lay_out_pools(given["pools"], "response", [*areas, "unknown"], hours, zone),
        hours=hours, ends_at=ends_at, time_zone=zone, crew_size_by_hour=plan.crew_by_hour(read),
        day_starts_at=read.duties.day_starts_at, briefing_minutes=read.duties.briefing_minutes,
        refreshments=[(row.at_least_hours, row.minutes) for row in read.duties.refreshments],
        desk_roles=read.duties.desk_roles,
    ).table  # fmt: skip


def test_net_deployable_is_that_of_the_truth_by_pool_and_kind_of_shift(force):
    """It is within two in a hundred over ten days, in each pool by earlies, lates and nights."""
    truth = pl.read_parquet(force / "truth" / "deployable.parquet").filter(role_code="response")
    hour = pl.col("hour_starting").dt.convert_time_zone("Europe/London").dt.hour()
    shift = pl.when(hour.is_between(7, 14)).then(pl.lit("early")).when(hour.is_between(15, 21)).then(pl.lit("late"))
    key = ["pool_id", "hour_starting"]
    both = deployable_then(force).filter(role_code="response").join(truth, on=key, suffix="_true")
    assert both.height > 0.95 * truth.filter(pl.col("hour_starting") >= both["hour_starting"].min()).height
    column = "officers_deployable"
    by_shift = both.group_by("pool_id", shift=shift.otherwise(pl.lit("night"))).agg(
        pl.col(column, f"{column}_true").sum()
    )
    big = by_shift.filter(pl.col(f"{column}_true") > 100)
    off = (big[column] / big[f"{column}_true"] - 1).abs()
    assert big.height >= 4
    assert off.max() < 0.02, by_shift
    assert abs(both[column].sum() / both[f"{column}_true"].sum() - 1) < 0.02


def test_what_incidents_asked_for_is_that_of_the_truth(force):
    """Ten days of a small force are few: `make soak` holds the whole requirement of a county against its truth."""
    times, silent = what_units_really_did(force, "Europe/London")
    both = times.join(reading.read_table(force, "service_times"), on=KEY, suffix="_found")
    assert both.height == times.height
    sent = pl.col("incidents") * pl.col("share_deployed")
    parts = {
        "calls": lambda whose: sent * pl.col(f"units_per_deployment{whose}") * pl.col(f"minutes_per_unit{whose}"),
        "write-up": lambda whose: sent * pl.col(f"write_up_minutes{whose}"),
        "long commitments": lambda whose: sent * pl.col(f"long_minutes{whose}"),
    }
    for name, minutes in parts.items():
        truth, found = both.select(truth=minutes("").sum(), found=minutes("_found").sum()).row(0)
        assert found == pytest.approx(truth, rel=0.06), name
    measured = measure_without_log(reading.read_table(force, "committed"), "Europe/London")
    assert measured.usual == pytest.approx(silent.usual, rel=0.06)
    assert measured.pressing == pytest.approx(silent.pressing, rel=0.25), "few hours, of ten days"


def test_the_requirement_has_all_parts_of_the_work_and_switches_take_them_out(force):
    rows = reading.read_table(force, "required_staff").filter(role_code="response", grade_code="all", method="mol")
    parts = rows.select(pl.col("write_up_load", "without_log_load", "long_load").sum()).row(0)
    assert min(parts) > 0.02 * rows["offered_load"].sum()
    inputs = {name: Store(force).read(name) for name in plan.INPUTS}
    read = settings.read(force)
    off = read.staffing.other_work.model_copy(
        update={"write_up": False, "long_commitments": False, "without_log": False}
    )
    short = read.forecast.model_copy(update={"days": 7, "path_days": 7})
    fewer = read.model_copy(
        update={"staffing": read.staffing.model_copy(update={"other_work": off}), "forecast": short}
    )
    planned = plan.compute(inputs, fewer)
    without = planned.results["required_staff"].filter(role_code="response", grade_code="all", method="mol")
    assert without.select(pl.col("write_up_load", "without_log_load", "long_load").sum()).row(0) == (0, 0, 0)
    both = without.join(rows, on=["pool_id", "hour_starting"], suffix="_all")
    assert both.height == without.height
    assert both["units_required"].sum() < 0.95 * both["units_required_all"].sum()
    (dropped,) = (note for note in planned.notes if note.startswith("Not in the requirement:"))
    assert all(part in dropped for part in ("write-up", "long commitments", "work without a log"))


def test_with_the_flat_incident_file_alone_the_run_says_what_is_missing_and_how_far_off_it_may_be(force):
    inputs = {name: Store(force).read(name) for name in ("areas", "pools", "incidents", "standards", "service_times")}
    read = settings.read(force)
    short = read.forecast.model_copy(update={"days": 7, "path_days": 7})
    planned = plan.compute(inputs, read.model_copy(update={"forecast": short}))
    (note,) = (note for note in planned.notes if "'unit_status'" in note)
    assert "write-up, guards, custody" in note
    more, fewer = (int(part.split("%")[0].split()[-1]) for part in note.split("far off: ")[1].split("log, "))
    rows = planned.results["required_staff"].filter(role_code="response", grade_code="all", method="mol")
    assert rows.select(pl.col("write_up_load", "without_log_load", "long_load").sum()).row(0) == (0, 0, 0)
    whole = reading.read_table(force, "required_staff").filter(role_code="response", grade_code="all", method="mol")
    both = rows.join(whole, on=["pool_id", "hour_starting"], suffix="_whole")
    off = both["units_required_whole"].sum() / both["units_required"].sum() - 1
    assert abs(off) > 0.02
    assert min(more, fewer) > 10
    assert -fewer / 100 - 0.05 < off < more / 100


@pytest.mark.parametrize("kind", ["caller", "place"])
def test_repeat_callers_and_places_are_those_of_the_truth(force, twin, kind):
    logs = exports.logs_at(twin.feeds, twin.feeds.world.until).filter(pl.col("merged_into").is_null())
    if kind == "place":
        truth = logs.select("incident_id", token="place_token")
    else:
        contacts = twin.feeds.tables["contact_calls.csv"].drop_nulls("incident_id")
        # Who rang before the first export begins is in none.
        exported = contacts.filter(pl.col("contacted_at") >= twin.feeds.world.begin)
        first = exported.sort("contacted_at", "contact_id")
        truth = logs.select("incident_id").join(
            first.unique("incident_id", keep="first").select("incident_id", token="caller_token"),
            on="incident_id", how="left",
        )  # fmt: skip
    each = truth.drop_nulls("token").group_by("token").len()["len"]
    bounds = {"1": (1, 1), "2": (2, 2), "3-4": (3, 4), "5-9": (5, 9), "10+": (10, 10**9)}
    expected = {band: int(each.is_between(*limits).sum()) for band, limits in bounds.items()}
    expected |= {"unknown": truth["token"].null_count()}
    overall = pl.col("class_code") == "all", pl.col("grade_code") == "all"
    found = reading.read_table(force, "repeats").filter(*overall, kind=kind)

    counts = found.select("incidents_each", pl.coalesce("tokens", "incidents")).rows()
    assert dict(counts) == {band: number for band, number in expected.items() if number}
    assert found["officer_hours"].sum() > 0
    most = reading.read_table(force, "most_repeated").filter(kind=kind)
    assert most["incidents"].to_list() == each.sort(descending=True).head(most.height).to_list()
    assert not set(most["token"]) & set(truth["token"])


def test_a_status_log_that_shows_nothing_but_calls_is_said_to_and_warned_of(force):
    """San Luis Obispo's is one: dispatches and arrivals, and nothing of what comes after."""
    inputs = {name: Store(force).read(name) for name in plan.INPUTS}
    shown = pl.col("status").is_in(["en_route", "at_scene", "available", "off_duty"])
    at_a_log = pl.col("incident_id").is_not_null() | pl.col("status").is_in(["available", "off_duty"])
    guarded = inputs["unit_status"].filter(pl.col("status") == "guard")["incident_id"].unique()
    known = ~pl.col("incident_id").is_in(guarded.implode()).fill_null(value=False)
    inputs["unit_status"] = inputs["unit_status"].filter(shown & at_a_log & known)
    read = settings.read(force)
    planned = plan.compute(
        inputs, read.model_copy(update={"forecast": read.forecast.model_copy(update={"days": 7, "path_days": 7})})
    )
    (unseen,) = (note for note in planned.notes if "the status log shows none" in note)
    assert "write-up" in unseen
    assert "work without a log" in unseen
