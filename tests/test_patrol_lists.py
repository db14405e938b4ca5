"""Patrol lists from a force's folder: made, kept, printed, and held against the visits that happened."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from bluelamp import hotspot_trial, intake, patrol_lists, plan, reading, tables
from bluelamp.cli import app
from bluelamp.errors import NoInput, UsageError
from bluelamp.store import Store, listed
from bluelamp.web.app import make_app
from bluelamp.web.patrol_page import render_patrol_page


@pytest.fixture
def force(small_force, tmp_path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(small_force, tmp_path / "force"))


def bluelamp(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_list_of_a_shift_is_made_kept_and_given_as_table(force):
    text = bluelamp("patrol", force, "--shift", 15, "--places", 5, "--units", 3, "--seed", 7, "--csv")
    rows = tables.check(pl.read_csv(text.encode(), infer_schema=False), "patrol_plan")
    assert rows["list_id"].unique().to_list() == ["2026-10-19-all-15"]
    assert rows["seed"].unique().to_list() == [7]
    assert listed.read(force).equals(rows)
    assert reading.read_table(force, "patrol_plan").equals(rows)
    shown = hotspot_trial.list_places(force, "all", 15, 1.0).rows
    assert rows.sort("rank")["cell_id"].unique(maintain_order=True).to_list() == shown["cell_id"].head(5).to_list()


def test_the_seed_that_a_list_names_makes_it_again_and_none_makes_another(force):
    made = [patrol_lists.make_lists(force, units=2, keep=False) for _ in range(2)]
    assert made[0].seed != made[1].seed
    assert not made[0].rows.drop("seed").equals(made[1].rows.drop("seed"))
    again = patrol_lists.make_lists(force, units=2, seed=made[0].seed, keep=False)
    assert again.rows.equals(made[0].rows)
    assert any(f"Seed {made[0].seed}, run r000001-" in line for line in made[0].lines())


def test_a_later_list_takes_the_place_of_an_earlier_one(force):
    patrol_lists.make_lists(force, from_hour=15, units=2, seed=1)
    later = patrol_lists.make_lists(force, from_hour=15, units=2, seed=2)
    patrol_lists.make_lists(force, from_hour=7, units=2, seed=3, keep=False)
    assert listed.read(force).equals(later.rows)


def test_a_day_has_a_list_for_each_of_its_shifts(force):
    made = patrol_lists.make_lists(force, units=2, seed=1)
    assert [watch.from_hour for watch in made.watches] == [7, 15, 23]
    # London is an hour ahead of UTC in October; the night ends on the day after.
    night = made.watches[2]
    assert (night.starts_at, night.ends_at) == (
        datetime(2026, 10, 19, 22, tzinfo=UTC), datetime(2026, 10, 20, 6, tzinfo=UTC),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shift", "within", "hours"), [(15, (18, 22), (17, 21)), (23, (1, 4), (24, 27)), (15, (20, 2), (19, 22)),
                                   (23, (20, 2), (22, 25))]
)  # fmt: skip
def test_visits_lie_within_the_hours_of_duty_also_past_midnight(force, shift, within, hours):
    made = patrol_lists.make_lists(force, from_hour=shift, within=within, units=2, seed=1, keep=False)
    midnight = datetime(2026, 10, 19, tzinfo=UTC)
    (watch,) = made.watches
    assert (watch.starts_at, watch.ends_at) == tuple(midnight + timedelta(hours=each) for each in hours)
    assert made.rows["starts_at"].min() >= watch.starts_at
    assert made.rows["ends_at"].max() <= watch.ends_at


def test_hours_of_duty_outside_the_shift_are_a_sentence(force):
    with pytest.raises(UsageError, match="No hour from 3 to 5 is in the shift"):
        patrol_lists.make_lists(force, from_hour=15, within=(3, 5), units=2)


def test_units_are_those_that_cover_leaves_free_in_the_tightest_hour(force):
    made = patrol_lists.make_lists(force, from_hour=23, places=6, seed=7)
    covered = Store(force).result("coverage").filter(
        pl.col("level") == "pool", pl.col("role_code") == "response",
        pl.col("hour_starting").is_between(made.watches[0].starts_at, made.watches[0].ends_at, closed="left"),
    )  # fmt: skip
    free = covered.group_by("place_id").agg(
        free=(pl.col("units_on_duty") - pl.col("units_required")).min().clip(0)
    ).filter(pl.col("free").is_not_null())  # fmt: skip
    assert free.height
    units = made.rows.group_by("pool_id").agg(pl.col("unit_number").n_unique().cast(pl.Int64))
    within = units.join(free, left_on="pool_id", right_on="place_id", how="left")
    assert (within["unit_number"] <= within["free"]).all()
    assert made.watches[0].made.dropped.height + made.rows["cell_id"].n_unique() == 6
    assert made.watches[0].made.dropped.height, "this night should be short, else the test shows nothing"
    assert any("would be needed" in note for note in made.watches[0].made.notes)


def test_a_day_outside_the_maps_week_is_said(force):
    inside = patrol_lists.make_lists(force, day=date(2026, 10, 25), units=1, keep=False)
    outside = patrol_lists.make_lists(force, day=date(2026, 10, 26), units=1, keep=False)
    assert not any("is not in it" in note for note in inside.notes)
    assert any("The map is for the week from 2026-10-19 and 2026-10-26 is not in it" in note for note in outside.notes)


def test_a_map_that_lists_fewer_places_than_asked_for_says_so(force):
    made = patrol_lists.make_lists(force, from_hour=15, places=5000, units=40, keep=False)
    listed_places = hotspot_trial.list_places(force, "all", 15, 1.0).rows.height
    assert f"The map lists {listed_places} places from 15:00, fewer than were asked for." in made.notes


def test_the_list_is_about_places_and_says_how_right_such_maps_have_been(force):
    lines = bluelamp("patrol", force, "--units", 1)
    assert patrol_lists.ABOUT_PLACES in lines
    assert hotspot_trial.OF_THE_WEEK in lines, "what is expected is of a week's shifts, which a list of one night hides"
    assert "have not been tested here yet" in lines


class _Sheets(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.sheets, self.fetched = 0, []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.sheets += tag == "section" and given.get("class") == "sheet"
        self.fetched += [
            given[name] for name in ("src", "href") if name in given and not given[name].startswith(("data:", "#"))
        ]


def test_the_page_has_a_sheet_a_shift_and_fetches_nothing(force, tmp_path):
    page = tmp_path / "tonight.html"
    bluelamp("patrol", force, "--units", 2, "--places", 4, "--seed", 7, "--page", page)
    text = page.read_text(encoding="utf-8")
    found = _Sheets(text)
    assert found.sheets == 3
    assert found.fetched == []
    assert text.count(patrol_lists.ABOUT_PLACES) == 3
    made = patrol_lists.make_lists(force, units=2, places=4, seed=7, keep=False)
    assert text == render_patrol_page(made)
    for row in made.rows.iter_rows(named=True):
        assert f"{row['latitude']:.5f}, {row['longitude']:.5f}" in text
        assert f"<td>{row['starts_at'] + timedelta(hours=1):%H:%M}</td>" in text


def test_names_of_places_can_not_write_into_the_page(force):
    made = patrol_lists.make_lists(force, units=1, from_hour=15, keep=False)
    rows = made.watches[0].made.rows
    object.__setattr__(made.watches[0].made, "rows", rows.with_columns(cell_name=pl.lit("<script>x</script>")))
    assert "<script>x" not in render_patrol_page(made)


def bring_visits(force: Path, rows: pl.DataFrame) -> None:
    path = force / "visits.csv"
    path.write_text(tables.to_csv(rows, "visits"), encoding="utf-8")
    intake.import_extract(force, path, table="visits", map_name="bluelamp")


def visits_of(planned: pl.DataFrame) -> pl.DataFrame:
    """Every second visit of a list as it happened: by its point, half as long."""
    return tables.check(
        planned[::2].select(
            pl.format("G{}", "visit").alias("visit_id"), "longitude", "latitude", "starts_at",
            ends_at=pl.col("starts_at") + pl.duration(seconds=30 * pl.col("minutes")),
        ),
        "visits",
    )  # fmt: skip


def test_planned_and_given_stand_side_by_side_once_visits_have_come(force):
    made = patrol_lists.make_lists(force, from_hour=15, units=3, places=5, seed=7)
    assert "No visits have come yet" in bluelamp("patrol", force, "--dose")
    bring_visits(force, visits_of(made.rows))
    found = patrol_lists.read_dose(force).table
    assert found["visits_planned"].sum() == made.rows.height
    assert found["visits_given"].sum() == len(made.rows[::2])
    assert found["minutes_given"].sum() == pytest.approx(made.rows[::2]["minutes"].sum() / 2)
    assert f"{made.rows.height} visits planned, {len(made.rows[::2])} given" in bluelamp("patrol", force, "--dose")
    assert len(json.loads(bluelamp("patrol", force, "--dose", "--json"))) == found.height


def test_a_run_after_visits_came_has_dose_and_exposure_by_visits(force):
    made = patrol_lists.make_lists(force, day=date(2026, 10, 12), from_hour=15, units=3, places=5, seed=7)
    bring_visits(force, visits_of(made.rows))
    plan.plan(force)
    dose, exposure = (reading.read_table(force, name) for name in ("patrol_dose", "exposure"))
    assert dose.equals(patrol_lists.read_dose(force).table)
    assert exposure["measure"].unique().to_list() == ["visits"]
    assert exposure["visits"].sum() == len(made.rows[::2])
    notes = json.loads(Store(force).latest_run()["notes"])
    assert any("exposure to patrols" in note and "(by visits)" in note for note in notes)


def test_a_force_with_neither_list_nor_visit_says_how_to_begin(force):
    with pytest.raises(NoInput, match="There is neither a patrol list nor a visit yet"):
        patrol_lists.read_dose(force)


def test_a_kept_list_that_can_not_be_read_is_left_out(force):
    made = patrol_lists.make_lists(force, from_hour=15, units=1, seed=7)
    (force / "patrols" / "broken.json").write_text('[{"list_id": 3', encoding="utf-8")
    (force / "patrols" / "strange.json").write_text('[{"colour": "blue"}]', encoding="utf-8")
    assert listed.read(force).equals(made.rows)


def test_the_guard_is_tried_on_the_forces_own_map_and_kept(force):
    made = hotspot_trial.try_guard(force, years=4)
    assert made.table.filter(level="force").height == 16
    assert reading.read_table(force, "feedback_simulation").equals(made.table)
    told = CliRunner().invoke(app, ["table", "feedback_simulation", str(force), "--csv"])
    assert told.stdout == tables.to_csv(made.table, "feedback_simulation")
    page = TestClient(make_app(force)).get("/tables/feedback_simulation.csv")
    assert page.text == told.stdout
    assert any("Without the guard it runs away." in sentence for sentence in made.sentences)
    with pytest.raises(UsageError, match="At least two simulated years"):
        hotspot_trial.try_guard(force, years=1)


def test_hours_of_duty_need_both_ends(force):
    done = CliRunner().invoke(app, ["patrol", str(force), "--from", "18"])
    assert isinstance(done.exception, UsageError)
    assert "'--from' and '--to' go together" in str(done.exception)
