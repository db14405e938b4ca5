"""Peaks of recorded offences in the backtest: what may be known at an origin, and what it is held against."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from bluelamp import backtest as flow
from bluelamp import incidents, intake, settings, tables
from bluelamp.backtest._offences import Recorded
from bluelamp.sources.twin import make_twin, write_twin
from bluelamp.store import Store, tried_peaks
from tests.forecast.made import LONDON, MONDAY, areas_in, midnight
from tests.planned import small_settings
from tests.recorded import crimes

AREAS = areas_in({"a": "N", "b": "S"})
# Offences begin on Monday, 6 January 2025, and go on for 200 days; an origin stands on the Monday after 20 weeks.
ORIGIN = 140
DAY = MONDAY + timedelta(days=ORIGIN)


def ground(offences: pl.DataFrame) -> Recorded:
    counted = incidents.count_offences(offences, ["a", "b"], LONDON)
    assert counted is not None
    return Recorded(offences, counted, AREAS, tables.empty("events"), small_settings())


@pytest.fixture(scope="module")
def offences() -> pl.DataFrame:
    return crimes(8000)


def judged_at(some: pl.DataFrame, day: date = DAY, method: str = "slot_mean_8") -> pl.DataFrame:
    known = ground(some).known_at(day, [method], 52)
    assert known is not None
    return known.judge(method, 100, 52)


# ---- What may be known ----


def test_offences_recorded_after_an_origin_are_not_known_there_though_they_had_happened(offences):
    known = ground(offences).known_at(DAY, ["slot_mean_8"], 52)
    assert known is not None
    then = offences.filter(pl.col("recorded_at") < midnight(ORIGIN))
    counted = incidents.count_offences(then, ["a", "b"], LONDON)
    assert counted is not None
    assert known.origin.demand.equals(counted.demand)
    assert known.origin.known_until == counted.known_until < midnight(ORIGIN) - timedelta(days=3)
    # Counts end where nearly all are recorded: the last days look as full as those before them.
    week = known.origin.demand.filter(pl.col("hour_starting") >= counted.known_until - timedelta(days=7))
    assert week["incidents"].sum() == pytest.approx(280, rel=0.2)


def test_what_is_recorded_later_changes_what_came_and_nothing_of_what_was_said(offences):
    later = pl.col("recorded_at") >= midnight(ORIGIN)
    others = offences.filter(later).with_columns(
        class_code=pl.lit("robbery"), area_id=pl.lit("a"), offence_id="x" + pl.col("offence_id")
    )
    more = tables.publish(pl.concat([offences, others]), "offences")
    was, now = (judged_at(some).sort("level", "measure", "what", "band") for some in (offences, more))
    said = ["counted", "level", "measure", "what", "band", "told", "said"]
    assert was.select(said).equals(now.select(said))
    assert set(was["counted"]) == {"offences"}
    above = [rows.filter(level="force", measure="offences", what="above_usual")["came"].sum() for rows in (was, now)]
    assert above[1] > above[0], "twice as many came"


def test_truth_is_what_is_known_today_of_all_offences_that_happened_then(offences):
    """A week in which one shift alone had anything: it was above the usual, and the places listed held nothing."""
    monday = midnight(ORIGIN)
    at = pl.col("to_at")
    quiet = offences.filter(~at.is_between(monday - timedelta(hours=6), monday + timedelta(days=7, hours=6)))
    one = crimes(60, seed=4).with_columns(
        from_at=pl.lit(monday + timedelta(hours=17)), to_at=pl.lit(monday + timedelta(hours=18)),
        recorded_at=pl.lit(monday + timedelta(days=9)), offence_id="y" + pl.col("offence_id"),
    )  # fmt: skip
    rows = judged_at(tables.publish(pl.concat([quiet, one]), "offences")).filter(measure="offences")
    above = rows.filter(what="above_usual", level="force")
    assert (above["told"].sum(), above["came"].sum()) == (21, 1)
    inside = rows.filter(what="share_in_range").row(0, named=True)
    assert (inside["told"], inside["came"]) == (1, 0)


def test_shifts_that_are_not_yet_recorded_today_judge_nobody(offences):
    def judged(day: int) -> pl.DataFrame:
        return judged_at(offences.filter(pl.col("recorded_at") < midnight(day))).filter(measure="offences")

    assert judged(ORIGIN + 4).is_empty()
    some = judged(ORIGIN + 9)
    assert 0 < some.filter(what="above_usual", level="force")["told"].sum() < 21
    assert set(some["what"]) == {"above_usual", "unusual"}, "a week with a hole in it can't be ranked, nor shared out"


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (pl.col("to_at") > midnight(ORIGIN - 50), "less than eight weeks were known"),
        (~pl.col("to_at").is_between(midnight(ORIGIN - 80), midnight(ORIGIN)), "they ended long before"),
        (pl.col("recorded_at") > midnight(ORIGIN), "none was recorded by then"),
    ],
)
def test_an_origin_without_enough_offences_tries_none(offences, kept, why):
    assert ground(offences.filter(kept)).known_at(DAY, ["slot_mean_8"], 52) is None, why


def test_a_method_that_needs_a_longer_record_of_offences_is_not_tried(offences):
    known = ground(offences).known_at(DAY, ["slot_mean_8", "slot_mean_52"], 52)
    assert known is not None
    assert known.methods == ("slot_mean_8",)


def test_chances_of_offences_are_about_as_often_true_as_they_are_stated(offences):
    """Nothing changes in these offences: chances to exceed the usual are near one half, and so is how often it was."""
    weeks = [judged_at(offences, MONDAY + timedelta(days=day)) for day in range(98, 183, 7)]
    rows = pl.concat(weeks).filter(level="force", measure="offences", what="above_usual")
    assert rows["told"].sum() == 13 * 21
    assert rows["came"].sum() / rows["told"].sum() == pytest.approx(rows["said"].sum() / rows["told"].sum(), abs=0.1)


# ---- With a store ----

SMALL = {"origins": 2, "paths": 20, "methods": ["slot_mean_8"]}


@pytest.fixture(scope="module")
def force(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up force of four areas that records each incident as an offence a day later, at a point alone."""
    folder = tmp_path_factory.mktemp("forces") / "lantern"
    made = make_twin(areas=4, days=150, seed=5, until=date(2026, 11, 23))
    write_twin(folder, made)
    for table, path, map_name in intake.extracts_of(folder):
        if table in ("incidents", "areas"):
            intake.import_extract(folder, path, table=table, map_name=map_name)
    rows = made.tables["incidents"].select(
        "class_code", "longitude", "latitude", "incident_id", offence_id="incident_id", from_at="received_at",
        to_at="received_at", recorded_at=pl.col("received_at") + timedelta(days=1),
    )  # fmt: skip
    rows.write_csv(folder / "offences.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    intake.import_extract(folder, folder / "offences.csv", table="offences", map_name="bluelamp")
    return folder


@pytest.fixture(scope="module")
def found(force: Path) -> flow.Backtest:
    return flow.backtest(force, **SMALL)


def test_a_backtest_tries_offences_beside_incidents_and_says_so(force, found):
    assert set(found.peaks["counted"]) == {"incidents", "offences"}
    assert tried_peaks.read(force).equals(found.peaks)
    highest = found.peaks.filter(counted="offences", what="highest", level="force", measure="offences")
    assert highest["told"].to_list() == [2 * 3], "three shifts of a week at each of two origins"
    assert any(words.startswith("Before (backtest, offences)") for words in found.sentences)


def test_what_a_plan_tells_of_it_is_there_again_when_a_backtest_was_stopped_before_it_was(force, found, tmp_path):
    folder = tmp_path / "lantern"
    shutil.copytree(force, folder)
    (folder / "backtest" / "peaks.parquet").unlink()
    flow.backtest(folder, **SMALL)
    assert tried_peaks.read(folder).equals(found.peaks)


def test_offences_that_have_a_point_alone_count_in_the_area_that_it_lies_in(found):
    share = found.peaks.filter(counted="offences", what="share").row(0, named=True)
    assert share["told"] == 2
    assert share["came_true"] == pytest.approx(0.2, abs=0.1)


def test_what_officers_came_upon_themselves_is_no_part_of_it(force):
    ground = flow._settle(force, settings.read(force))
    assert ground.recorded is not None
    public = Store(force).read("incidents").filter(pl.col("origin").is_in(list(ground.settings.demand.origins)))
    assert set(ground.recorded.offences["offence_id"]) == set(public["incident_id"])


def test_other_offences_are_another_backtest(force):
    ground = flow._settle(force, settings.read(force))
    assert ground.recorded is not None
    fewer = replace(ground.recorded, offences=ground.recorded.offences.tail(-1))
    keys = {flow._key(replace(ground, recorded=each), 20, 52, 52) for each in (ground.recorded, fewer, None)}
    assert len(keys) == 3


def test_what_an_older_version_kept_of_incidents_alone_is_read_as_such(force, found, tmp_path):
    folder = tmp_path / "lantern"
    shutil.copytree(force, folder)
    for piece in [*(folder / "backtest").glob("*/*_peaks.parquet"), folder / "backtest" / "peaks.parquet"]:
        pl.read_parquet(piece).filter(counted="incidents").drop("counted").write_parquet(piece)
    assert flow.read(folder).peaks.equals(found.peaks.filter(counted="incidents"))
    assert tried_peaks.read(folder).equals(found.peaks.filter(counted="incidents"))


def test_origins_at_which_offences_can_not_be_tried_are_told():
    stood = [flow._Tried(DAY, "", ("slot_mean_8",), tries_offences=can) for can in (True, False)]
    words = "Peaks of recorded offences are tried at 1 of 2 origins"
    assert [each[: len(words)] for each in flow._notes(stood, ["slot_mean_8"], has_offences=True)] == [words]
    assert flow._notes(stood, ["slot_mean_8"], has_offences=False) == []
