"""The data-quality report: it names the faults of a feed, with their shares, and the clock of its times."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from bluelamp import sources, tables
from bluelamp.incidents.outages import find_outages
from bluelamp.incidents.quality import Count, QualityReport, describe_quality, judge_clock

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)

PACIFIC, LONDON = "America/Los_Angeles", "Europe/London"
NO_RULES = pl.DataFrame(schema={"rule": pl.String, "kind": pl.String, "rows": pl.Int64, "words": pl.String})


def incidents(**columns: list[object]) -> pl.DataFrame:
    height = len(next(iter(columns.values())))
    given = {
        "incident_id": [str(n) for n in range(height)],
        "received_at": [datetime(2026, 1, 5, 12, n % 60, tzinfo=UTC) for n in range(height)],
        "class_code": ["alarm"] * height,
        "origin": ["public"] * height,
    } | columns
    frame = pl.DataFrame(given, schema_overrides={"received_at": pl.Datetime("us", "UTC")})
    kinds = tables.table("incidents").polars_schema
    return frame.select(
        pl.col(name).cast(kind) if name in given else pl.lit(None, dtype=kind).alias(name)
        for name, kind in kinds.items()
    )


def described(rows: pl.DataFrame, zone: str = LONDON, **how: object) -> QualityReport:
    return describe_quality(rows, tables.empty("quarantine"), NO_RULES, tables.empty("outages"), zone, **how)  # type: ignore[arg-type]


def test_shares_are_counted_among_the_rows_that_they_speak_of():
    at = datetime(2026, 1, 5, 12, tzinfo=UTC)
    report = described(
        incidents(
            received_at=[at] * 5,
            closed_at=[at, at + timedelta(seconds=20), at + timedelta(hours=1), at + timedelta(hours=2), None],
            status=["closed"] * 4 + ["open"],
            origin=["public", "public", "officer_initiated", "officer_initiated", "unknown"],
        )
    )
    assert report.closed_logs == Count(4, 0.8)
    assert report.open_logs == Count(1, 0.2)
    assert report.zero_duration == Count(1, 0.25)
    assert report.under_30_seconds == Count(2, 0.5)
    assert report.origins["officer_initiated"] == Count(2, 0.4)
    assert report.missing["arrived_at"] == Count(5, 1.0)
    said = "\n".join(report.lines())
    assert "officer-initiated: 2 (40.0%)" in said
    assert "closed with zero duration, information only: 1 (25.0%) of closed logs" in said
    assert "open logs (their end is not known yet): 1 (20.0%)" in said


def test_the_same_row_twice_and_a_reissued_one_are_told_apart():
    report = described(
        incidents(
            incident_id=["1", "1", "2", "2"],
            opening_code=["A", "A", "A", "B"],
            received_at=[datetime(2026, 1, 5, tzinfo=UTC)] * 4,
        )
    )
    assert report.duplicates.rows == 1
    assert report.reissued.rows == 1


def test_unknown_codes_are_listed_most_frequent_first():
    report = described(incidents(class_code=["unknown"] * 4 + ["alarm"], opening_code=["X", None, "Y", "X", "Z"]))
    assert report.unknown_codes == [("X", 2), ("Y", 1), ("no code", 1)]
    assert "codes of unknown class: X (2), Y (1), no code (1)" in "\n".join(report.lines())


def test_areas_that_are_not_drawn_count_as_unknown():
    rows = incidents(area_id=["A", "B", None, "Z"])
    assert described(rows).unknown_areas.rows == 1
    assert described(rows, known_areas=["A", "B"]).unknown_areas.rows == 2


def test_what_was_set_aside_and_each_rule_are_said_with_their_share():
    aside = pl.DataFrame(
        [
            (
                "incidents",
                "f.csv",
                7,
                "received_at",
                "missing_time",
                "'received_at' is empty; a time was expected.",
                "{}",
            )
        ],
        schema=tables.table("quarantine").polars_schema,
        orient="row",
    )
    rules = pl.DataFrame(
        [("missing_time", "set_aside", 1, "the time is empty"), ("point_swapped", "changed", 2, "swapped back")],
        schema=NO_RULES.schema,
        orient="row",
    )
    report = describe_quality(incidents(origin=["public"] * 9), aside, rules, tables.empty("outages"), LONDON)
    assert report.rows_read == 10
    assert report.set_aside == Count(1, 0.1)
    said = "\n".join(report.lines())
    assert "10 rows read: 9 can be used, 1 (10.0%) set aside." in said
    assert "1 (10.0%) missing_time: the time is empty." in said
    assert "row 7: 'received_at' is empty" in said
    assert "2 (20.0%) point_swapped: swapped back." in said


def test_nothing_at_all_can_be_described():
    report = described(tables.empty("incidents"))
    assert report.rows_read == 0
    assert report.first_at is None
    assert report.clock.verdict == "too_few"
    assert report.lines()
    json.dumps(report.to_dict())


def test_the_report_is_plain_values_for_machines():
    plain = described(incidents(origin=["public"] * 3)).to_dict()
    assert plain["first_at"] == "2026-01-05T12:00:00Z"
    assert plain["origins"]["public"] == {"rows": 3, "share": 1.0}
    assert json.loads(json.dumps(plain)) == plain


# -- the clock ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def local_times(zone: str, days: int = 110, a_day: int = 300, seed: int = 4) -> list[datetime]:
    """Made-up wall-clock times with the usual day's shape; the skipped hour of spring is empty, as it must be."""
    rng = np.random.default_rng(seed)
    shape = np.array([6, 5, 4, 3, 2, 2, 3, 5, 6, 7, 7, 8, 8, 8, 8, 9, 10, 10, 10, 9, 9, 8, 8, 7], dtype=float)
    start = datetime(2025, 1, 6)
    where = ZoneInfo(zone)
    walls = []
    for day in range(days):
        for hour in rng.choice(24, size=a_day, p=shape / shape.sum()):
            wall = start + timedelta(days=day, hours=int(hour), seconds=float(rng.integers(3600)))
            back = wall.replace(tzinfo=where).astimezone(UTC).astimezone(where).replace(tzinfo=None)
            if back == wall:
                walls.append(wall)
    return walls


def instants(walls: list[datetime], clock: str) -> pl.Series:
    return pl.Series(
        [wall.replace(tzinfo=ZoneInfo(clock)).astimezone(UTC) for wall in walls], dtype=pl.Datetime("us", "UTC")
    )


@pytest.mark.parametrize("zone", [PACIFIC, LONDON, "Australia/Sydney", "Asia/Kolkata"])
def test_times_read_by_the_right_clock_agree(zone):
    clock = judge_clock(instants(local_times(zone), zone), zone)
    assert clock.verdict == "agrees"
    assert clock.quietest_hour_local in (3, 4)


@pytest.mark.parametrize("zone", [PACIFIC, LONDON, "Australia/Sydney", "Asia/Kolkata"])
def test_local_times_labelled_utc_are_named_with_the_setting_to_write(zone):
    clock = judge_clock(instants(local_times(zone), "UTC"), zone)
    assert clock.verdict == "local_labelled_utc"
    assert f'Write time_zone = "{zone}"' in clock.words


def test_in_britain_it_is_the_spring_night_that_tells():
    walls = local_times(LONDON)
    wrong = judge_clock(instants(walls, "UTC"), LONDON)
    assert (wrong.skipped_hours, wrong.in_skipped_hours) == (1, 0)
    assert wrong.usual_in_skipped_hours >= 8
    right = judge_clock(instants(walls, LONDON), LONDON)
    assert right.in_skipped_hours > 0


def test_utc_read_as_local_is_named():
    true_instants = instants(local_times(PACIFIC), PACIFIC)
    as_local = true_instants.dt.replace_time_zone(None).dt.replace_time_zone(
        PACIFIC, ambiguous="earliest", non_existent="null"
    )
    clock = judge_clock(as_local.dt.convert_time_zone("UTC").drop_nulls(), PACIFIC)
    assert clock.verdict == "utc_read_as_local"
    assert 'Write time_zone = "UTC"' in clock.words


def test_a_handful_of_incidents_judges_no_clock():
    assert judge_clock(instants(local_times(LONDON, days=1), LONDON), LONDON).verdict == "too_few"


# -- the real feeds ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=3)
def report_on(path: Path, name: str) -> QualityReport:
    extract = sources.read_extract(path, sources.read_column_map(name), time_zone=PACIFIC, as_of=AS_OF)
    chunks = list(extract)
    rows = pl.concat([chunk.rows for chunk in chunks])
    aside = pl.concat([chunk.quarantined for chunk in chunks])
    outages = find_outages(rows, PACIFIC)
    return describe_quality(
        rows, aside, extract.rules(), outages, PACIFIC, notes=extract.notes, rows_read=extract.rows_read
    )


@pytest.mark.shared_data
def test_the_report_on_oakland_names_its_faults_with_their_shares(shared_data):
    report = report_on(shared_data / "oakland" / "calls.csv.gz", "oakland")
    said = "\n".join(report.lines())

    assert report.rows_read == 232_049
    assert report.clock.verdict == "agrees"
    assert report.zero_duration.share == pytest.approx(0.15, abs=0.002)
    assert "closed with zero duration, information only: 32,927 (15.0%) of closed logs" in said
    assert report.open_logs.rows == 12_040
    assert report.areas == 58
    assert report.unknown_areas.rows == 15
    assert report.missing["longitude"].rows == 5_710
    assert report.missing["grade_code"].share == 1.0
    assert len(report.days_without_incidents) == 273
    assert date(2023, 2, 10) in report.days_without_incidents
    assert {date(2022, 11, 14), date(2023, 2, 9), date(2023, 4, 19), date(2023, 12, 19)} <= set(report.partial_days)
    assert "8 unbroken runs, the longest 76 days from 2023-12-19." in said
    assert report.classes["abandoned_call"].share + Count.of(16_047, report.rows_read).share == pytest.approx(
        0.16, abs=0.01
    )
    assert report.busiest_hour == 15


@pytest.mark.shared_data
def test_the_report_on_oakland_read_as_utc_says_that_its_times_are_local(shared_data):
    text = Path(str(shared_data)) / "oakland" / "calls.csv.gz"
    column_map = sources.read_column_map("oakland").model_copy(update={"time_zone": "UTC"})
    rows = pl.concat([chunk.rows for chunk in sources.read_extract(text, column_map, time_zone=PACIFIC, as_of=AS_OF)])
    assert judge_clock(rows["received_at"], PACIFIC).verdict == "local_labelled_utc"


@pytest.mark.shared_data
def test_the_report_on_laguna_beach_names_its_faults_with_their_shares(shared_data):
    report = report_on(shared_data / "laguna_beach" / "events.csv.gz", "laguna_beach")

    assert report.rows_read == 149_352
    assert report.origins["officer_initiated"].share == pytest.approx(0.467, abs=0.001)
    assert len(report.days_without_incidents) == 6
    assert 38 <= len(report.partial_days) <= 44
    assert report.areas == 0
    assert {each.rule: each.count.rows for each in report.rules if each.kind == "changed"} == {
        "time_comes_twice": 64,
        "code_and_words_swapped": 572,
    }
    assert report.clock.verdict == "agrees"
    assert report.clock.skipped_hours == 2
    assert report.unknown_codes == []


@pytest.mark.shared_data
def test_the_report_on_san_luis_obispo_names_its_faults_with_their_shares(shared_data):
    report = report_on(shared_data / "san_luis_obispo" / "calls_first_half.csv.gz", "san_luis_obispo")
    rules = {each.rule: each.count for each in report.rules}
    assert report.rows_read == 10_138
    assert rules["no_unit_attended"].share == pytest.approx(0.306, abs=0.001)
    assert rules["arrived_before_dispatched"].rows == 40
    assert report.missing["cleared_at"].share == 1.0
    assert report.days == 92
    assert report.areas == 14


@pytest.mark.shared_data
def test_the_reports_tell_the_break_of_2020_and_times_to_the_minute(shared_data):
    laguna = report_on(shared_data / "laguna_beach" / "events.csv.gz", "laguna_beach")
    minute = report_on(shared_data / "san_luis_obispo" / "calls_first_half.csv.gz", "san_luis_obispo")
    said = "\n".join(laguna.lines())
    assert "a break from 2020-03 to 2020-04" in said
    assert (laguna.is_to_the_minute, minute.is_to_the_minute) == (False, True)
    assert "times are to the minute" in "\n".join(minute.lines())


def test_a_break_in_level_is_told_and_an_outage_makes_none():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    level = [start + timedelta(minutes=10 * n) for n in range(6 * 24 * 59)]
    doubled = [at + timedelta(minutes=5) for at in level if at.month == 2]
    even = described(incidents(received_at=level))
    assert [round(each.incidents_a_day) for each in even.levels] == [144, 144]
    assert "a break" not in "\n".join(even.lines())
    assert "a break from 2026-01 to 2026-02: 144 to 288 a day (+100%)" in "\n".join(
        described(incidents(received_at=level + doubled)).lines()
    )
    holed = incidents(received_at=[at for at in level if not 5 <= at.day <= 15 or at.month == 1])
    outages = find_outages(holed, LONDON)
    report = describe_quality(holed, tables.empty("quarantine"), NO_RULES, outages, LONDON)
    assert [round(each.incidents_a_day) for each in report.levels] == [144, 144]


def test_a_feed_that_stuttered_between_two_silences_is_not_said_to_have_had_no_incidents():
    rows = incidents(received_at=[datetime(2026, 1, 5, 12, tzinfo=UTC), datetime(2026, 1, 9, 12, tzinfo=UTC)])
    at = {"starts_at": datetime(2026, 1, 6, tzinfo=UTC), "ends_at": datetime(2026, 1, 8, tzinfo=UTC)}
    said = []
    for came in (0, 17):
        stretch = at | {"rule": "no_incidents", "incidents": came, "incidents_expected": 400.0}
        outages = pl.DataFrame([stretch], schema=tables.table("outages").polars_schema)
        report = describe_quality(rows, tables.empty("quarantine"), NO_RULES, outages, LONDON)
        said.append("\n".join(report.lines()))
    assert "no incidents, 0 came where about 400 are usual" in said[0]
    assert "silences with little between them, 17 came where about 400 are usual" in said[1]
