"""The real feeds, row for row against a separate count of the raw file made with csv and zoneinfo alone."""

import csv
import gzip
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from bluelamp import sources, tables
from bluelamp.committed import find_attendances, measure_deployments
from bluelamp.sources.extracts import Extract

pytestmark = pytest.mark.shared_data
AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
PACIFIC = ZoneInfo("America/Los_Angeles")
FEEDS = {
    "oakland": ("oakland/calls.csv.gz", 232_049),
    "laguna_beach": ("laguna_beach/events.csv.gz", 149_352),
    "san_luis_obispo": ("san_luis_obispo/calls_first_half.csv.gz", 10_138),
}


@lru_cache(maxsize=3)
def raw(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rb") as packed:
        return list(csv.DictReader(io.StringIO(packed.read().decode("utf-8"), newline="")))


@lru_cache(maxsize=4)
def read(path: Path, name: str) -> tuple[pl.DataFrame, pl.DataFrame, Extract]:
    extract = sources.read_extract(path, sources.read_column_map(name), time_zone="UTC", as_of=AS_OF, chunk_rows=50_000)
    chunks = list(extract)
    return pl.concat([c.rows for c in chunks]), pl.concat([c.quarantined for c in chunks]), extract


def local_hours(rows: pl.DataFrame) -> dict[int, int]:
    hours = rows["received_at"].dt.convert_time_zone("America/Los_Angeles").dt.hour()
    return {int(hour): int(count) for hour, count in hours.value_counts().iter_rows()}


def to_utc(text: str) -> datetime:
    """Local to UTC by the rules stated: skipped hours with the offset before, hours that come twice as the first."""
    wall = datetime.fromisoformat(text)
    return wall.replace(tzinfo=PACIFIC, fold=0).astimezone(UTC)


@pytest.mark.parametrize("name", FEEDS)
def test_every_row_is_accounted_for(name, shared_data):
    path, rows_in_all = FEEDS[name]
    rows, aside, extract = read(shared_data / path, name)

    assert len(raw(shared_data / path)) == rows_in_all
    assert extract.rows_read == rows_in_all == rows.height + aside.height
    assert aside.is_empty()
    tables.check(rows, "incidents")


@pytest.mark.parametrize("name", FEEDS)
def test_every_row_has_the_instant_that_zoneinfo_gives_it(name, shared_data):
    path, _ = FEEDS[name]
    rows, _, _ = read(shared_data / path, name)
    column = sources.read_column_map(name).columns["incident_id"].column
    expected = {row[column]: to_utc(row["received_local"]) for row in raw(shared_data / path)}
    assert dict(rows.select("incident_id", "received_at").iter_rows()) == expected


@pytest.mark.parametrize("name", FEEDS)
def test_every_hour_of_the_day_has_as_many_as_the_raw_file(name, shared_data):
    path, _ = FEEDS[name]
    rows, _, _ = read(shared_data / path, name)
    assert local_hours(rows) == Counter(int(row["received_local"][11:13]) for row in raw(shared_data / path))


def test_oaklands_evening_peak_is_that_of_the_raw_file(shared_data):
    path = shared_data / FEEDS["oakland"][0]
    rows, _, _ = read(path, "oakland")
    by_hour = local_hours(rows)
    peak = max(by_hour, key=lambda hour: by_hour[hour])
    counted = Counter(row["received_local"][11:13] for row in raw(path))
    assert (f"{peak:02d}", by_hour[peak]) == counted.most_common(1)[0]
    assert 15 <= peak <= 18
    low = min(by_hour, key=lambda hour: by_hour[hour])
    assert 3 <= low <= 5
    assert by_hour[low] < 0.4 * by_hour[peak]


def test_oaklands_closed_open_and_zero_duration_calls_are_those_of_the_raw_file(shared_data):
    path = shared_data / FEEDS["oakland"][0]
    rows, _, extract = read(path, "oakland")
    closed = [row for row in raw(path) if row["status"] == "C"]
    zero = sum(row["received_local"] == row["updated_local"] for row in closed)

    assert rows["closed_at"].drop_nulls().len() == len(closed) == 220_009
    assert rows.filter(pl.col("status") == "open")["closed_at"].null_count() == len(raw(path)) - len(closed) == 12_040
    assert extract.rule_counts["zero_duration"] == zero == 32_927
    assert 0.14 < zero / len(closed) < 0.16


def test_oaklands_empty_beats_and_points_are_kept(shared_data):
    path = shared_data / FEEDS["oakland"][0]
    rows, _, extract = read(path, "oakland")
    assert rows["area_id"].n_unique() - 1 == len({row["beat"] for row in raw(path)} - {""}) == 58
    assert extract.rule_counts["area_missing"] == sum(not row["beat"] for row in raw(path)) == 15
    assert extract.rule_counts["point_missing"] == sum(not row["lon"] for row in raw(path)) == 5_710
    assert extract.districts()["district"].unique().sort().to_list() == ["1", "2", "3", "4", "5"]


def test_oaklands_hang_ups_misdials_and_checks_are_a_sixth(shared_data):
    rows, _, _ = read(shared_data / FEEDS["oakland"][0], "oakland")
    words = {"911C", "911H", "MSDIAL", "SECCK"}
    share = sum(row["call_id"] in words for row in raw(shared_data / FEEDS["oakland"][0])) / rows.height
    assert share == pytest.approx(rows["opening_code"].is_in(list(words)).mean())
    assert 0.15 < share < 0.17


def test_laguna_beachs_officer_initiated_share_is_that_of_the_raw_file(shared_data):
    path = shared_data / FEEDS["laguna_beach"][0]
    rows, _, _ = read(path, "laguna_beach")
    own = {
        code.casefold()
        for group in sources.read_column_map("laguna_beach").crosswalk
        if group.origin == "officer_initiated"
        for code in group.codes
    }
    by_type = Counter(row["type"].casefold() for row in raw(path))
    counted = sum(count for code, count in by_type.items() if code in own)
    assert int((rows["origin"] == "officer_initiated").sum()) == counted
    assert counted / rows.height == pytest.approx(0.467, abs=0.001)
    four = sum(by_type[code] for code in ("961", "pc", "fp", "ped"))
    assert four / rows.height == pytest.approx(0.406, abs=0.001)


def test_laguna_beachs_swapped_codes_are_swapped_back(shared_data):
    path = shared_data / FEEDS["laguna_beach"][0]
    rows, _, extract = read(path, "laguna_beach")
    suicide = rows.filter(pl.col("opening_code").str.starts_with("914A"))
    assert suicide.height == sum(row["type"] == "SUICIDE" for row in raw(path)) == 185
    assert suicide["class_code"].unique().to_list() == ["mental_health"]
    assert suicide["opening_description"].str.starts_with("SUICIDE").all()
    assert extract.rule_counts["code_and_words_swapped"] == suicide["repairs"].is_not_null().sum() + sum(
        row["subtype_desc"] in ("480", "481", "483") for row in raw(path)
    )


def test_laguna_beachs_clock_changes_are_right(shared_data):
    path = shared_data / FEEDS["laguna_beach"][0]
    _, _, extract = read(path, "laguna_beach")
    assert "time_is_skipped" not in extract.rule_counts
    twice = 0
    for row in raw(path):
        wall = datetime.fromisoformat(row["received_local"]).replace(tzinfo=PACIFIC)
        twice += wall.utcoffset() != wall.replace(fold=1).utcoffset()
    assert extract.rule_counts["time_comes_twice"] == twice == 64


def test_san_luis_obispos_units_and_steps_are_those_of_the_raw_file(shared_data):
    path = shared_data / FEEDS["san_luis_obispo"][0]
    rows, _, extract = read(path, "san_luis_obispo")
    units = {}
    for row in raw(path):
        parts = {part.strip() for part in row["units"].split(",")} - {"", "CANCEL"}
        units[row["case_number"]] = len({p for p in parts if not p.startswith("COM")}) if row["units"] else None
    assert dict(rows.select("incident_id", "units").iter_rows()) == units
    dispatchers_alone = sum(
        bool(row["units"]) and all(p.strip().startswith("COM") for p in row["units"].split(",") if p.strip())
        for row in raw(path)
    )
    assert dispatchers_alone == 3_091
    assert (
        rows.filter(pl.col("units") == 0).select("dispatched_at", "arrived_at").null_count().row(0)
        == ((rows["units"] == 0).sum(),) * 2
    )

    early = 0
    for row in raw(path):
        if row["dispatched_local"] and row["arrived_local"]:
            sent, there, received = (to_utc(row[f"{step}_local"]) for step in ("dispatched", "arrived", "received"))
            # The night of the clock change is left to the rule for hours that come twice.
            early += there < sent and received <= there and not row["received_local"].startswith("2021-11-07 01")
    assert extract.rule_counts["arrived_before_dispatched"] == early == 40
    assert extract.rule_counts["arrived_before_received"] == 1
    assert extract.rule_counts["time_read_as_second"] == 2


def test_san_luis_obispos_arrivals_follow_their_dispatch_after_repair(shared_data):
    rows, _, _ = read(shared_data / FEEDS["san_luis_obispo"][0], "san_luis_obispo")
    assert not (rows["arrived_at"] < rows["dispatched_at"]).any()
    assert not (rows["dispatched_at"] < rows["received_at"]).any()
    assert rows["received_at"].dt.second().unique().to_list() == [0]
    attended = rows.filter(pl.col("units") > 0)
    assert (attended["arrived_at"] - attended["received_at"]).median() == timedelta(minutes=12)


def test_san_luis_obispos_units_dispatches_and_arrivals_land_in_unit_status(shared_data):
    path = shared_data / FEEDS["san_luis_obispo"][0]
    rows, aside, extract = read(path, "san_luis_obispo_units")
    expected, silent = [], 0
    for row in raw(path):
        units = dict.fromkeys(part.strip() for part in row["units"].split(","))
        units = [unit for unit in units if unit and unit != "CANCEL" and not unit.startswith("COM")]
        steps = (("en_route", "dispatched_local"), ("at_scene", "arrived_local"))
        of_row = [
            (unit, to_utc(row[column]), status, row["case_number"])
            for status, column in steps
            if row[column]
            for unit in units
        ]
        silent += not of_row
        expected += of_row
    assert rows.select("unit_id", "status_at", "status", "incident_id").rows() == expected
    assert extract.rows_read == rows.height == 21_103
    assert aside.is_empty()
    assert extract.rule_counts["holds_no_row"] == silent == 3_220
    tables.check(rows, "unit_status")


def test_san_luis_obispos_faults_are_repaired_by_rule_and_no_time_without_a_clear_is_taken_as_measured(shared_data):
    path = shared_data / FEEDS["san_luis_obispo"][0]
    status, _, _ = read(path, "san_luis_obispo_units")
    incidents, _, _ = read(path, "san_luis_obispo")
    time = find_attendances(status, tables.empty("unit_crews"), incidents, status["status_at"].max())
    told = dict(time.rules.select("rule", "rows").iter_rows())
    assert told["sent_while_there"] >= 40, "arrivals before dispatch: officers who were there already"
    assert time.clock.is_empty()
    deployments = measure_deployments(time.attendances, incidents)
    # A scene of no length leaves its journey alone, whose end is known.
    assert deployments["unit_seconds"].is_not_null().sum() < 0.001 * deployments["was_deployed"].sum()
    agrees = incidents.join(deployments, on="incident_id").filter(pl.col("units_sent").is_not_null())
    assert (agrees["units"] == agrees["units_sent"]).mean() > 0.999
