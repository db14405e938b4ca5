"""The made-up force's exports: messy as they are, they hold what happened, and the truth beside them is the truth."""

from __future__ import annotations

import ast
import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bluelamp import tables
from bluelamp.cli import app
from bluelamp.errors import UsageError
from bluelamp.sources.column_maps import read_column_map
from bluelamp.sources.extracts import read_extract
from bluelamp.sources.twin import Twin, dispatch, exports, judged, make_twin, world, write_twin

UNTIL = date(2026, 11, 23)
ZONE = "Europe/London"
DAYS = 4
HOUR = 3600


@pytest.fixture(scope="module")
def twin() -> Twin:
    return make_twin(areas=12, days=40, seed=3, until=UNTIL, feed_days=DAYS)


@pytest.fixture(scope="module")
def lived(twin) -> world.World:
    return twin.feeds.world


@pytest.fixture(scope="module")
def folder(twin, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("twin")
    write_twin(place, twin)
    return place


def bytes_of(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read(folder: Path, file: exports.File, day: str) -> pl.DataFrame:
    """Read one file of one export through the column map that came with it; every row must be valid."""
    chosen = read_column_map(exports.map_name(file), folder)
    as_of = datetime(2026, 11, 23, 12, tzinfo=UTC)
    chunks = list(read_extract(folder / "feeds" / day / file.name, chosen, time_zone=ZONE, as_of=as_of))
    aside = pl.concat([chunk.quarantined for chunk in chunks])
    assert aside.is_empty(), aside["reason"].unique().to_list()
    return pl.concat([chunk.rows for chunk in chunks])


def every_export(folder: Path, name: str) -> pl.DataFrame:
    (file,) = [each for each in exports.FILES if each.name == name]
    days = sorted(path.parent.name for path in folder.glob(f"feeds/*/{name}"))
    return pl.concat([read(folder, file, day) for day in days])


# ---- the exports ----


@pytest.mark.parametrize("name", [each.name for each in exports.FILES if each.follows and each.table != "incidents"])
def test_a_history_that_is_handed_over_at_once_holds_what_its_mornings_hold(twin, folder, tmp_path, name):
    write_twin(tmp_path, twin, mornings=2)
    assert sorted(path.name for path in (tmp_path / "feeds").iterdir()) == ["2026-11-22", "2026-11-23"]
    key = list(tables.table(next(each.table for each in exports.FILES if each.name == name)).key)
    at_once, by_day = (every_export(place, name).unique(key).sort(key).select(key) for place in (tmp_path, folder))
    assert at_once.height > 0
    assert at_once.equals(by_day)


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    write_twin(tmp_path, make_twin(areas=12, days=40, seed=3, until=UNTIL, feed_days=DAYS))

    assert bytes_of(tmp_path) == bytes_of(folder)


def test_a_force_without_feeds_knows_nothing_of_them(tmp_path):
    plain = make_twin(areas=4, days=14, until=UNTIL)
    write_twin(tmp_path, plain)

    assert plain.feeds is None
    assert "feeds" not in plain.settings
    assert not (tmp_path / "feeds").exists()


def test_there_is_an_export_for_every_morning(folder):
    assert sorted(path.name for path in (folder / "feeds").iterdir()) == [
        "2026-11-20",
        "2026-11-21",
        "2026-11-22",
        "2026-11-23",
    ]


@pytest.mark.parametrize("file", exports.FILES, ids=lambda file: file.name)
def test_every_file_is_read_whole_by_the_map_that_came_with_it(folder, file):
    rows = read(folder, file, "2026-11-23")

    assert rows.height > 0
    assert rows.columns == tables.table(file.table).columns


@pytest.mark.parametrize("file", exports.FILES, ids=lambda file: file.name)
def test_no_file_uses_the_products_own_column_names(file):
    ours = set(tables.table(file.table).columns)

    assert not ours & set(file.columns.values())


def test_each_export_reissues_yesterday(folder):
    (file,) = [each for each in exports.FILES if each.name == "command_status.csv.gz"]
    before, after = (read(folder, file, day) for day in ("2026-11-21", "2026-11-22"))
    yesterday = before.filter(pl.col("status_at") >= datetime(2026, 11, 20, tzinfo=UTC))

    assert yesterday.height > 0
    assert yesterday.join(after, on=["unit_id", "status_at", "status"], how="anti").is_empty()


def test_exports_in_any_order_give_the_true_current_incidents(folder, twin):
    versions = every_export(folder, "command_logs.csv").sample(fraction=1, shuffle=True, seed=5)
    current = versions.sort("updated_at").unique("incident_id", keep="last").sort("incident_id")
    truth = twin.truth["current_incidents"].sort("incident_id")
    # Tokens are made with a force's secret, which an extract that is not stored has none of.
    tokens = tables.table("incidents").tokens
    compared = [name for name in truth.columns if name in current.columns and name not in tokens]

    assert current.select(compared).equals(truth.select(compared))


def test_one_version_of_a_log_never_says_two_things(folder):
    versions = every_export(folder, "command_logs.csv").unique()

    assert not versions.select("incident_id", "updated_at").is_duplicated().any()
    assert versions["incident_id"].is_duplicated().any()


def test_exports_together_give_the_true_grade_history(folder, twin):
    kept = every_export(folder, "command_grades.tsv").unique()
    told = kept.filter(~pl.col("incident_id").str.starts_with("XB-"))
    truth = twin.truth["grade_history"]

    assert kept.height == truth.height
    assert told.join(truth, on=told.columns, how="anti").is_empty()


def test_a_booking_comes_again_with_its_end(folder, lived):
    versions = every_export(folder, "command_crews.csv").unique()
    current = versions.sort("updated_at").unique(["unit_id", "person_id", "starts_at"], keep="last")

    assert current.height < versions.height
    assert current["ends_at"].null_count() == (lived.bookings["ends"].fill_null(lived.until) >= lived.until).sum()


def test_logs_are_regraded_merged_and_closed_after_their_units_have_left(twin):
    current = twin.truth["current_incidents"]

    assert current["merged_into"].drop_nulls().is_in(current["incident_id"].implode()).all()
    assert current["merged_into"].count() > 0
    assert (current["grade_code"] != current["opening_grade_code"]).sum() > 0
    assert 0.05 < (current["closing_code"] != current["opening_code"]).mean() < 0.2
    assert (current["closed_at"] > current["cleared_at"]).mean() > 0.9
    assert {"upgrade", "downgrade", "closure"} <= set(twin.truth["grade_history"]["step"])


def test_presses_are_missed_at_the_stated_rates(lived, twin):
    faults = twin.parameters["feeds"]["faults"]
    arrivals = lived.presses.filter(pl.col("status").is_in(["at_scene", "guard"]))

    assert arrivals["is_missed"].mean() == pytest.approx(faults["arrival_press_missed"], abs=0.05)
    assert not lived.presses.filter(pl.col("status").is_in(["en_route", "off_duty"]))["is_missed"].any()


def test_a_missed_press_is_in_the_truth_and_not_in_the_exports(folder, lived):
    missed = lived.presses.filter("is_missed").with_columns(
        status_at=(pl.col("at") * 1_000_000).cast(pl.Datetime("us", "UTC"))
    )
    written = every_export(folder, "command_status.csv.gz")

    assert missed.height > 0
    assert missed.join(written, on=["unit_id", "status_at", "status"], how="inner").is_empty()


def test_faults_of_places_are_told_in_the_truth(twin):
    current = twin.truth["current_incidents"]
    outside = current.filter(location_fault="outside")
    at_station = current.filter(location_fault="station")

    assert outside["area_id"].null_count() == outside.height > 0
    assert (outside["longitude"] - outside["true_longitude"]).min() > 3
    assert at_station.select("longitude", "latitude").n_unique() <= at_station["true_area_id"].n_unique()
    assert at_station.height > outside.height


def test_orphans_are_few_and_of_other_forces(folder, twin):
    written = every_export(folder, "command_status.csv.gz").unique().drop_nulls("incident_id")
    orphans = written.join(twin.truth["current_incidents"], on="incident_id", how="anti")

    assert orphans["incident_id"].str.starts_with("XB-").all()
    assert 0 < orphans.height / written.height < 0.02


def test_contacts_are_as_many_as_the_size_of_the_force_says(folder, twin):
    rows = every_export(folder, "contact_calls.csv").unique()
    weeks = (twin.feeds.world.until - twin.feeds.world.begin) / (7 * 86400)
    made = twin.parameters["made_with"]["weekly_incidents"] / 6559

    assert rows.height / weeks == pytest.approx(16436 * made, rel=0.03)
    assert 0.3 < rows["incident_id"].null_count() / rows.height < 0.8


def test_offences_are_recorded_after_they_happened(folder):
    rows = every_export(folder, "records_offences.csv").unique()

    assert (rows["from_at"] <= rows["to_at"]).all()
    assert (rows["to_at"] < rows["recorded_at"]).all()
    assert rows["incident_id"].null_count() > 0


def test_the_flat_extract_tells_of_the_same_logs(twin):
    flat, current = twin.tables["incidents"], twin.truth["current_incidents"]
    both = flat.join(current, on="incident_id", suffix="_true")

    assert both.height == current.height
    assert both["received_at"].equals(both["received_at_true"])
    assert both["cleared_at"].equals(both["cleared_at_true"], null_equal=True)


def test_bad_numbers_of_days_are_refused_together_with_the_others():
    with pytest.raises(UsageError) as caught:
        make_twin(areas=4, days=14, seed=-1, until=UNTIL, feed_days=15)

    assert len(caught.value.problems) == 2
    assert "'feed_days' is 15; from 1 to the days of history (14) were expected." in caught.value.problems


def test_the_command_line_writes_feeds_when_asked(tmp_path):
    place = tmp_path / "force"
    asked = ["twin", str(place), "--areas", "4", "--days", "28", "--feeds", "--feed-days", "2", "--until", "2026-11-23"]
    result = CliRunner().invoke(app, asked)

    assert result.exit_code == 0, result.output
    assert len(list((place / "feeds").iterdir())) == 2
    assert 'file = "feeds/*/command_logs.csv"' in (place / "force.toml").read_text()
    assert (place / "truth" / "deployable.parquet").exists()


# ---- who turns out ----


def test_what_units_did_has_no_gap_and_no_overlap(lived):
    steps = lived.intervals.with_columns(before=pl.col("ends").shift(1).over("unit")).drop_nulls("before")

    assert (steps["starts"] == steps["before"]).all()


def test_no_more_units_are_out_than_there_are_vehicles(lived):
    out = lived.intervals.group_by("unit").agg(
        pl.col("pool_id").first(), on=pl.col("starts").min(), off=pl.col("ends").fill_null(lived.until).max()
    )
    has = dict(lived.turned_out.vehicles.select("pool_id", "vehicles").iter_rows())
    for (pool,), units in out.group_by("pool_id"):
        moves = sorted([(at, 1) for at in units["on"]] + [(at, -1) for at in units["off"]])
        assert max(np.cumsum([step for _, step in moves])) <= has[pool]


def test_officers_go_out_alone_by_day_and_in_twos_by_night(lived):
    flags = lived.duties.select("person_id", "duty_day", "is_tutored").unique(["person_id", "duty_day"])
    booked = lived.bookings.with_columns(duty_day=pl.from_epoch("starts").dt.date())
    crews = booked.join(flags, on=["person_id", "duty_day"]).filter(~pl.col("is_tutored"))
    sizes = crews.group_by("unit_id", "starts").len()

    assert sizes.filter(pl.col("unit_id").str.contains(r"R1\d\d$"))["len"].mean() < 1.3
    assert 1.9 < sizes.filter(pl.col("unit_id").str.contains(r"R3\d\d$"))["len"].mean() < 2.3


def test_students_are_never_out_alone(lived):
    people = lived.turned_out.people.filter("is_tutored")["person_id"]
    crews = lived.bookings.group_by("unit_id", "starts").agg(
        students=pl.col("person_id").is_in(people.implode()).sum(), officers=pl.len()
    )

    assert crews["students"].sum() > 0
    assert (crews["students"] < crews["officers"]).all()


def test_the_absent_are_on_the_sheet_and_not_in_any_unit(folder, lived):
    sheet = every_export(folder, "duty_sheet.csv").unique("duty_id")
    away = lived.duties.filter(pl.col("worked_ends").is_null() & (pl.col("starts") < lived.until))
    reference = [f"{number:07}" for number in away["duty"]]

    assert away.height > 0
    assert set(sheet.filter(pl.col("kind") == "worked")["duty_id"].str.slice(2)).isdisjoint(reference)
    assert {f"PD{each}" for each in reference[-20:]} <= set(sheet["duty_id"])


def test_a_night_is_dated_to_its_start(folder):
    nights = every_export(folder, "duty_sheet.csv").filter(pl.col("shift_code") == "N")

    assert (nights["duty_day"] == nights["starts_at"].dt.convert_time_zone(ZONE).dt.date()).all()
    assert (nights["ends_at"].dt.date() > nights["duty_day"]).all()


# ---- the truth about time ----


def test_committed_time_of_pools_adds_up_to_the_forces_and_to_all_that_was_worked(lived, twin):
    committed = twin.truth["committed"]
    by_level = {level: part["unit_hours"].sum() for (level,), part in committed.group_by("level")}
    clipped = lived.intervals.select(
        pl.col("ends").fill_null(lived.until).clip(lived.first, lived.until)
        - pl.col("starts").clip(lived.first, lived.until)
    )

    assert by_level["pool"] == pytest.approx(by_level["force"], abs=0.1)
    assert by_level["force"] == pytest.approx(clipped.sum().item() / HOUR, rel=1e-5)


def test_the_truth_has_the_columns_of_the_tables_it_judges(twin):
    for name in ("committed", "deployable"):
        assert twin.truth[name].columns == tables.table(name).columns


def test_net_deployable_is_what_its_steps_leave(twin):
    truth = twin.truth["deployable"]
    taken = pl.sum_horizontal(
        f"officers_{step}"
        for step in ("absent", "on_operations", "tutored", "restricted", "briefing", "refreshments", "deployable")
    )

    assert truth.select((pl.col("officers_rostered") - taken).abs().max()).item() < 0.01
    response = truth.filter(role_code="response")
    assert (response["units_deployable"] <= response["units_crewed"]).all()
    for step in ("absent", "on_operations", "tutored", "restricted", "briefing", "refreshments"):
        assert truth[f"officers_{step}"].sum() > 0, step


def test_steps_of_a_duty_follow_their_order():
    duties = pl.DataFrame(
        {
            "duty": [1, 2],
            "role_code": ["response"] * 2,
            "pool_id": ["R-D1"] * 2,
            "starts": [0, 0],
            "ends": [10, 10],
            "is_tutored": [False, True],
            "may_be_deployed": [True, True],
        }
    )
    away = pl.DataFrame({"duty": [1, 1], "starts": [4, 6], "ends": [7, 20], "step": ["absent", "on_operations"]})
    taken = pl.DataFrame({"duty": [1, 2], "starts": [0, 0], "ends": [2, 2], "step": ["briefing"] * 2})

    steps = judged.officer_steps(duties, away, taken, [])

    assert steps.select("duty", "starts", "ends", "step").rows() == [
        (1, 0, 2, "briefing"),
        (1, 2, 4, "deployable"),
        (1, 4, 6, "absent"),
        (1, 6, 7, "absent"),
        (1, 7, 10, "on_operations"),
        (2, 0, 2, "tutored"),
        (2, 2, 10, "tutored"),
    ]


# ---- the dispatcher ----

RULES: dict[str, Any] = {
    "last_minutes": 30,
    "last_minutes_for_guards": 120,
    "relief_minutes_before_end": 30,
    "no_log": 0.0,
    "no_log_minutes": 30,
    "further_units_stay": [1.0, 1.0],
    "help_travel_factor": 2.0,
    "briefing_minutes": 15,
    "clearing_seconds": 25,
    "cv": 0.0,
}


def jobs(*rows: dict[str, Any]) -> dispatch.Jobs:
    """Draw jobs: ready at once, grade 3, district 0, one unit, a minute's travel, an hour's work, where not said."""
    usual = {
        "ready": 0,
        "parent": -1,
        "grade": 2,
        "regraded_at": 0,
        "regraded_to": 2,
        "district": 0,
        "units": 1,
        "travel": 60.0,
        "scene": HOUR,
        "guard": 0,
        "custody": 0,
        "write_up": 0,
        "patience": 24 * HOUR,
        "is_immediate": False,
    }
    return dispatch.Jobs(**{name: np.array([row.get(name, value) for row in rows]) for name, value in usual.items()})


def units(*rows: dict[str, Any]) -> pl.DataFrame:
    """Draw units: of pool 0, out for ten hours from the start, able to drive, without briefing, where not said."""
    usual = {
        "pool": 0,
        "starts": 0,
        "ends": 10 * HOUR,
        "can_drive": True,
        "is_briefed": False,
        "rest_at": 0,
        "rest": 0,
    }
    return pl.DataFrame([usual | row for row in rows])


def send(
    work: dispatch.Jobs, crews: pl.DataFrame, *, pools: int = 1, vehicles: int = 99, until: int = 40 * HOUR
) -> dispatch.Sent:
    """Send units; pool n covers district n at every hour."""
    cover = dispatch.Cover(
        own=np.repeat(np.arange(pools)[:, None], 24, axis=1),
        served=[[pool] for pool in range(pools)],
        vehicles=[vehicles] * pools,
        began=0,
        local_hour=list(range(24)) * 30,
    )
    return dispatch.send_units(work, crews, cover, RULES, until, np.random.default_rng(1))


def went(sent: dispatch.Sent) -> list[tuple[int, int, int]]:
    """Give (job, unit, minute at which it was sent)."""
    rows = sent.intervals.filter(pl.col("stage") == "en_route").select("job", "unit", "starts")
    return [(job, unit, starts // 60) for job, unit, starts in rows.iter_rows()]


def test_the_unit_that_has_been_free_longest_goes():
    assert went(send(jobs({"ready": 600}), units({"starts": 60}, {"starts": 0}))) == [(0, 1, 10)]


def test_an_urgent_call_goes_before_one_that_has_waited_longer():
    work = jobs({"ready": 60}, {"ready": 120, "grade": 2}, {"ready": 180, "grade": 0})

    assert [job for job, *_ in went(send(work, units({})))] == [0, 2, 1]


def test_a_call_that_is_raised_overtakes():
    work = jobs({"ready": 60}, {"ready": 120}, {"ready": 180, "regraded_at": 600, "regraded_to": 0})

    assert [job for job, *_ in went(send(work, units({})))] == [0, 2, 1]


def test_a_call_that_wants_two_units_waits_for_the_second_alone():
    work = jobs({"ready": 60, "scene": 600}, {"ready": 120, "units": 2, "scene": 3 * HOUR})

    assert went(send(work, units({}, {}))) == [(0, 0, 1), (1, 1, 2), (1, 0, 12)]


def test_another_pool_helps_with_urgent_calls_only_and_from_further_away():
    away = units({"pool": 1})

    assert went(send(jobs({"ready": 60}), away, pools=2)) == []
    sent = send(jobs({"ready": 60, "grade": 1}), away, pools=2)
    assert went(sent) == [(0, 0, 1)]
    travelled = sent.intervals.filter(pl.col("stage") == "en_route").select(pl.col("ends") - pl.col("starts"))
    assert travelled.item() == 120


def test_a_crew_without_a_driver_is_not_sent_to_urgent_calls():
    crew = units({"can_drive": False})

    assert went(send(jobs({"ready": 60, "grade": 0}), crew)) == []
    assert went(send(jobs({"ready": 60}), crew)) == [(0, 0, 1)]


def test_a_guard_is_handed_over_to_the_next_duty():
    work = jobs({"ready": HOUR, "guard": 12 * HOUR})
    sent = send(work, units({"ends": 8 * HOUR}, {"starts": 7 * HOUR, "ends": 17 * HOUR}))
    guards = sent.intervals.filter(pl.col("stage") == "guard").select("unit", "starts", "ends").rows()

    assert [unit for unit, *_ in guards] == [0, 1]
    assert guards[0][2] == guards[1][1] < 8 * HOUR
    assert guards[1][2] == HOUR + 60 + 12 * HOUR
    assert sent.off[0] == 8 * HOUR


def test_a_guard_that_nobody_can_relieve_stays():
    sent = send(jobs({"ready": HOUR, "guard": 9 * HOUR}), units({"ends": 8 * HOUR}))

    assert sent.off[0] == HOUR + 60 + 9 * HOUR + RULES["clearing_seconds"]


def test_no_more_units_go_out_than_there_are_vehicles():
    sent = send(jobs(), units({"ends": 5 * HOUR}, {}), vehicles=1)

    assert sent.on.tolist() == [0, 5 * HOUR]


def test_refreshments_wait_until_the_unit_is_free():
    sent = send(jobs({"ready": HOUR, "scene": 3 * HOUR}), units({"rest_at": 2 * HOUR, "rest": 1800}))
    rested = sent.intervals.filter(pl.col("stage") == "refreshments").select("starts", "ends").row(0)

    assert rested == (4 * HOUR + 60 + 25, 4 * HOUR + 60 + 25 + 1800)


def test_what_an_officer_is_too_busy_to_start_does_not_happen():
    sent = send(jobs({"ready": 60}, {"ready": 600, "is_immediate": True}), units({}))

    assert sent.went.tolist() == [True, False]


def test_a_call_lapses_when_it_has_waited_too_long():
    sent = send(jobs({"ready": 60, "scene": 4 * HOUR}, {"ready": 120, "patience": HOUR}), units({}))

    assert sent.went.tolist() == [True, False]


def test_another_visit_follows_the_first():
    work = jobs({"ready": 60}, {"ready": 2 * HOUR, "parent": 0})

    assert [(job, minute) for job, _, minute in went(send(work, units({})))] == [(0, 1), (1, 182)]


def test_custody_and_write_up_follow_the_scene_for_the_first_unit_alone():
    sent = send(jobs({"ready": 60, "units": 2, "custody": 600, "write_up": 300}), units({}, {}))
    stages = sent.intervals.group_by("unit", maintain_order=True).agg("stage")

    assert [list(each) for each in stages["stage"]] == [
        ["en_route", "at_scene", "custody", "write_up"],
        ["en_route", "at_scene"],
    ]


@settings(max_examples=60, deadline=None)
@given(
    work=st.lists(
        st.fixed_dictionaries(
            {
                "ready": st.integers(1, 20 * HOUR),
                "grade": st.integers(0, 2),
                "district": st.integers(0, 1),
                "units": st.integers(1, 3),
                "scene": st.integers(0, 4 * HOUR),
                "guard": st.sampled_from([0, 0, 0, 6 * HOUR]),
                "write_up": st.sampled_from([0, 600]),
            }
        ),
        min_size=1,
        max_size=25,
    ),
    crews=st.lists(
        st.fixed_dictionaries(
            {
                "pool": st.integers(0, 1),
                "starts": st.integers(0, 15 * HOUR),
                "can_drive": st.booleans(),
                "is_briefed": st.booleans(),
                "rest": st.sampled_from([0, 1800]),
            }
        ),
        min_size=1,
        max_size=8,
    ),
    vehicles=st.integers(1, 4),
)
def test_whatever_comes_nobody_is_in_two_places_and_nobody_is_sent_in_vain(work, crews, vehicles):
    work = [each | {"units": 1 if each["guard"] else each["units"]} for each in work]
    crews = [each | {"ends": each["starts"] + 9 * HOUR, "rest_at": each["starts"] + 4 * HOUR} for each in crews]
    sent = send(jobs(*work), units(*crews), pools=2, vehicles=vehicles)
    done = sent.intervals.sort("unit", "starts").with_columns(before=pl.col("ends").shift(1).over("unit"))

    assert not (done["starts"] < done["before"]).any()
    assert all(sent.on[unit] <= starts for unit, starts in done.select("unit", "starts").iter_rows())
    ordinary = [number for number, each in enumerate(work) if not each["guard"]]
    came = done.filter(pl.col("stage") == "en_route").drop_nulls("job").group_by("job").len()
    for job, count in came.filter(pl.col("job").is_in(ordinary)).iter_rows():
        assert count <= work[job]["units"]


def test_the_dispatcher_shares_nothing_with_the_product():
    source = Path(dispatch.__file__).read_text(encoding="utf-8")
    imported = {
        name
        for node in ast.walk(ast.parse(source))
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [])
        if name is not None
    } | {each.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) for each in node.names}

    assert not {name for name in imported if name.startswith("bluelamp")}
