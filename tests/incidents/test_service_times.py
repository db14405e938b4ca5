"""Service times: the force's own where there are enough, leaning on priors where there are few."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from tests.drawn import drawn

from bluelamp.incidents import count_demand, measure_service_times
from bluelamp.incidents.service_times import FROM_STATUS, PRIOR_WEIGHT, evidence, nearest_prior

PRIOR = "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | sd_minutes | source"
PRIORS = drawn(
    "service_times",
    PRIOR,
    "theft | all | 0.5  | 2   | 30 | 20 | prior: thefts",
    "all   | 1   | 0.9  | 3   | 90 | 50 | prior: urgent",
    "all   | all | 0.25 | 1.5 | 60 | 40 | prior: any",
)
HEADER = (
    "incident_id|received_at|dispatched_at|arrived_at|cleared_at|closed_at|class_code|origin|grade_code|area_id|units|"
    "status"
)


def logs(*groups: tuple[int, str, int | None, int | None]) -> pl.DataFrame:
    """So many incidents of 'class/grade' with minutes from dispatch to clear, and units; None where nobody went."""
    rows = []
    for many, name, minutes, units in groups:
        class_code, _, grade = name.partition("/")
        for _ in range(many):
            times = "|" * 3 if minutes is None else f"2026-01-05T12:00:00Z||{at(minutes)}|"
            sent = "" if units is None else str(units)
            rows.append(f"{len(rows)}|2026-01-05T12:00:00Z|{times}|{class_code}|public|{grade}|a|{sent}|closed")
    return drawn("incidents", HEADER, *rows)


def at(minutes: int) -> str:
    return f"2026-01-05T{12 + minutes // 60:02d}:{minutes % 60:02d}:00Z"


def measured(*groups: tuple[int, str, int | None, int | None], priors: pl.DataFrame = PRIORS) -> dict[str, dict]:
    found = measure_service_times(logs(*groups), priors)
    return {f"{row['class_code']}/{row['grade_code']}": row for row in found.iter_rows(named=True)}


# ---- how much is whose ----


def test_a_class_with_thousands_of_its_own_is_what_it_is():
    row = measured((3000, "theft/2", 45, 1))["theft/2"]
    assert row["share_deployed"] == pytest.approx(1, abs=0.01)
    assert row["units_per_deployment"] == pytest.approx(1, abs=0.01)
    assert row["minutes_per_unit"] == pytest.approx(45, abs=0.2)
    assert (row["incidents"], row["source"]) == (3000, "measured")


def test_thirty_of_its_own_weigh_as_much_as_the_prior():
    assert PRIOR_WEIGHT == 30
    row = measured((15, "theft/2", 50, 1), (15, "theft/2", None, None))["theft/2"]
    assert row["share_deployed"] == pytest.approx((0.5 + 0.5) / 2)
    # Beside it the sum of all classes has its say, with a weight of three hundred.
    assert row["units_per_deployment"] == pytest.approx((15 * 1 + 30 * 2) / 45, rel=0.03)
    assert row["minutes_per_unit"] == pytest.approx((15 * 50 + 30 * 30) / 45, rel=0.03)
    assert (row["incidents"], row["source"]) == (15, "measured, leaning on prior: thefts")


def test_a_class_without_a_measured_time_has_the_priors_and_says_so():
    row = measured((40, "theft/2", None, None), (40, "fraud/2", 30, 1))["theft/2"]
    # Forty of another class lasted half as long as its prior: all classes of the force may be shorter by some.
    assert 25 < row["minutes_per_unit"] < 30
    assert 1.8 < row["units_per_deployment"] < 2
    assert row["share_deployed"] == pytest.approx((0 + 15) / 70, abs=1e-4), "nobody went to any of the forty"
    assert (row["incidents"], row["source"]) == (None, "prior: thefts")


def test_classes_with_few_incidents_do_not_draw_the_force_to_the_priors_level():
    """Twenty-five classes, each seen forty times at half its prior: together they are what they were."""
    priors = pl.concat([PRIORS.filter(class_code="theft").with_columns(class_code=pl.lit(f"c{n}")) for n in range(25)])
    found = measured(*[(40, f"c{number}/2", 15, 2) for number in range(25)], priors=priors)
    mean = sum(row["minutes_per_unit"] for row in found.values()) / 25
    assert mean == pytest.approx(15, rel=0.1), "each alone would be at (40 × 15 + 30 × 30) / 70 = 21.4"


def test_the_spread_is_that_of_both_together():
    row = measured((30, "theft/2", 20, 1), (30, "theft/2", 80, 1))["theft/2"]
    mean = (30 * 20 + 30 * 80 + 30 * 30) / 90
    square = (30 * 20**2 + 30 * 80**2 + 30 * (30**2 + 20**2)) / 90
    assert row["minutes_per_unit"] == pytest.approx(mean, rel=0.03)
    assert row["sd_minutes"] == pytest.approx(math.sqrt(square - mean**2), rel=0.03)


def test_minutes_are_a_units_so_that_calls_of_many_units_count_by_them():
    row = measured((300, "theft/2", 30, 1), (300, "theft/2", 90, 3))["theft/2"]
    assert row["minutes_per_unit"] == pytest.approx((300 * 30 + 900 * 90) / 1200, rel=0.02)
    assert row["units_per_deployment"] == pytest.approx(2, abs=0.01)
    assert row["incidents"] == 600


def test_what_is_expected_of_incidents_is_what_they_asked_for():
    chance = np.random.default_rng(1)
    groups = []
    for _ in range(400):
        units = int(chance.integers(1, 6))
        # Calls of many units last longer, as they do.
        groups.append((1, "theft/2", int(chance.integers(10, 60)) + 20 * units, units))
        groups.append((1, "theft/2", None, None))
    priors = PRIORS.with_columns(share_deployed=pl.lit(0.5), units_per_deployment=3.0, minutes_per_unit=100.0)
    times = measure_service_times(logs(*groups), priors)
    asked = count_demand(logs(*groups), times, ["a"], "Europe/London")["officer_hours"].sum()
    row = times.row(0, named=True)
    expected = 800 * row["share_deployed"] * row["units_per_deployment"] * row["minutes_per_unit"] / 60
    assert expected == pytest.approx(asked, rel=0.02)


def test_each_class_and_grade_is_measured_by_itself():
    found = measured((50, "theft/1", 20, 1), (50, "theft/2", 100, 1), (50, "fraud/", 60, 1))
    assert set(found) == {"theft/1", "theft/2", "fraud/none"}
    assert found["theft/1"]["minutes_per_unit"] < 30 < found["theft/2"]["minutes_per_unit"]


# ---- priors ----


def test_the_nearest_prior_is_the_classes_own_before_the_grades_before_anyones():
    wanted = pl.DataFrame({"class_code": ["theft", "theft", "new", "new"], "grade_code": ["1", "2", "1", "2"]})
    found = nearest_prior(wanted, PRIORS)
    assert found["source"].to_list() == ["prior: thefts", "prior: thefts", "prior: urgent", "prior: any"]
    assert found["minutes_per_unit"].to_list() == [30, 30, 90, 60]
    own = drawn("service_times", PRIOR, "theft | 2 | 0.1 | 1 | 10 | 5 | own")
    assert nearest_prior(wanted, pl.concat([PRIORS, own]))["source"].to_list()[1] == "own"


def test_no_prior_at_all_leaves_nothing_known():
    wanted = pl.DataFrame({"class_code": ["theft"], "grade_code": ["1"]})
    assert nearest_prior(wanted, PRIORS.clear()).select("source", "minutes_per_unit").row(0) == (None, None)


# ---- what an incident's own times tell ----


def told(row: str, beside: int = 0, unsaid: int = 0) -> tuple:
    """`was_deployed`, `units_sent`, `unit_seconds` of one log, with others that do or do not fill their times."""
    others = logs((beside, "other/1", 10, 1), (unsaid, "other/1", None, None)) if beside + unsaid else logs()
    frame = pl.concat([drawn("incidents", HEADER, row), others]) if beside + unsaid else drawn("incidents", HEADER, row)
    return evidence(frame).select("was_deployed", "units_sent", "unit_seconds").row(0)


LOG = "x|2026-01-05T12:00:00Z|{dispatched}|{arrived}|{cleared}|{closed}|theft|public|1|a|{units}|{status}"


def log(**given: str) -> str:
    empty = dict.fromkeys(("dispatched", "arrived", "cleared", "closed", "units", "status"), "")
    return LOG.format(**{**empty, **given})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"dispatched": at(5), "cleared": at(35), "units": "2"}, (1, 2, 1800)),
        ({"arrived": at(5), "cleared": at(35)}, (1, None, 1800)),
        ({"units": "1"}, (1, 1, None)),
        ({"units": "0"}, (0, None, None)),
        ({}, (0, None, None)),
        ({"cleared": at(35)}, (0, None, None)),
        ({"status": "open"}, (None, None, None)),
        ({"status": "open", "dispatched": at(5)}, (1, None, None)),
        ({"closed": "2026-01-05T12:00:00Z"}, (0, None, None)),
        ({"closed": "2026-01-05T12:00:00Z", "dispatched": at(0)}, (1, None, None)),
        ({"dispatched": at(5), "cleared": at(1)}, (1, None, None)),
        ({"dispatched": at(5), "arrived": at(15), "cleared": at(35)}, (1, None, 1800)),
    ],
)
def test_what_a_log_tells_where_the_source_fills_its_times(given, expected):
    assert told(log(**given), beside=1) == expected


def test_an_empty_field_tells_nothing_where_nineteen_in_twenty_are_empty():
    assert told(log(), beside=1, unsaid=30) == (None, None, None)
    assert told(log(), beside=2, unsaid=30)[0] == 0
    assert told(log(closed="2026-01-05T12:00:00Z"), beside=1, unsaid=30)[0] == 0, "information only all the same"
    assert told(log(units="2"), beside=1, unsaid=60) == (1, 2, None)


def test_where_the_source_does_not_say_the_prior_stands_in_for_each_incident():
    frame = pl.concat(
        [logs((400, "theft/2", None, None)), drawn("incidents", HEADER, log(closed="2026-01-05T12:00:00Z"))]
    )
    found = measure_service_times(frame, PRIORS).filter(grade_code="2").row(0, named=True)
    assert found["share_deployed"] == pytest.approx(0.5, abs=0.001)


# ---- what the status log tells ----


def pressed(frame: pl.DataFrame, *rows: tuple[int | None, ...], after: tuple[int, int] = (0, 0)) -> pl.DataFrame:
    """Join what the status log says of each: deployed, units, a unit's seconds, then write-up and long ones."""
    shape = dict.fromkeys(FROM_STATUS, pl.Int64)
    told_of = [(*row, None, *(after if row[0] == 1 else (None, None))) for row in rows]
    return pl.concat([frame, pl.DataFrame(told_of, schema=shape, orient="row")], how="horizontal")


@pytest.mark.parametrize(
    ("given", "status_log", "expected"),
    [
        ({"dispatched": at(5), "cleared": at(35), "units": "1"}, (1, 3, 900), (1, 3, 900)),
        ({}, (1, 2, 600), (1, 2, 600)),
        ({"dispatched": at(5), "cleared": at(35), "units": "2"}, (None, None, None), (1, 2, 1800)),
        ({"dispatched": at(5), "cleared": at(35), "units": "2"}, (0, None, None), (1, 2, 1800)),
        ({"dispatched": at(5), "cleared": at(35), "units": "2"}, (1, 1, None), (1, 1, None)),
        ({}, (0, None, None), (0, None, None)),
        ({"status": "open"}, (0, None, None), (0, None, None)),
    ],
)
def test_the_status_log_is_preferred_to_a_logs_own_times_incident_by_incident(given, status_log, expected):
    frame = pressed(drawn("incidents", HEADER, log(**given)), status_log)
    assert evidence(frame).select("was_deployed", "units_sent", "unit_seconds").row(0) == expected


def test_service_times_and_demand_are_the_status_logs_where_it_has_them():
    flat = logs((400, "theft/2", 60, 1))
    frame = pressed(flat, *[(1, 2, 1200)] * 400)
    times = measure_service_times(frame, PRIORS)
    row = times.row(0, named=True)
    assert row["minutes_per_unit"] == pytest.approx(20, abs=0.5)
    assert row["units_per_deployment"] == pytest.approx(2, abs=0.1)
    assert count_demand(frame, times, ["a"], "Europe/London")["officer_hours"].sum() == pytest.approx(
        400 * 2 / 3, abs=0.001
    )
    assert count_demand(flat, times, ["a"], "Europe/London")["officer_hours"].sum() == pytest.approx(400)


def test_what_the_status_log_says_goes_before_what_other_logs_say():
    """Logs tell of the last unit's clearing; a force whose status log is young has mostly such."""
    flat = logs((3000, "theft/2", 90, 2))
    frame = pressed(flat, *[(1, 1, 1800)] * 400, *[(None, None, None)] * 2600)
    row = measure_service_times(frame, PRIORS).row(0, named=True)
    assert 30 < row["minutes_per_unit"] < (400 * 30 + PRIOR_WEIGHT * 90) / (400 + PRIOR_WEIGHT)
    assert 1 < row["units_per_deployment"] < (400 + PRIOR_WEIGHT * 2) / (400 + PRIOR_WEIGHT)
    assert row["incidents"] == 3000


def test_write_up_and_long_commitments_are_those_of_a_deployment_by_class():
    told_of = [(1, 1, 1800)] * 400
    theft = pressed(logs((400, "theft/2", 30, 1)), *told_of, after=(600, 0))
    guarded = pressed(logs((400, "violence/2", 30, 1)), *told_of[:300], *[(0, None, None)] * 100, after=(60, 7200))
    rows = measure_service_times(pl.concat([theft, guarded]), PRIORS).sort("class_code").to_dicts()
    assert [row["write_up_minutes"] for row in rows] == [pytest.approx(10, abs=0.6), pytest.approx(1, abs=0.6)]
    assert rows[0]["long_minutes"] == pytest.approx(PRIOR_WEIGHT * 120 * 3 / 7 / (400 + PRIOR_WEIGHT), abs=0.1)
    assert rows[1]["long_minutes"] == pytest.approx(120, abs=7)
    # All last two hours: seen from a moment in one, an hour is left.
    assert rows[1]["long_stay_minutes"] == pytest.approx(60, abs=0.1)


def test_without_a_status_log_nothing_is_said_of_write_up_and_long_commitments():
    row = measure_service_times(logs((400, "theft/2", 60, 1)), PRIORS).row(0, named=True)
    assert [row[name] for name in ("write_up_minutes", "long_minutes", "long_stay_minutes")] == [None, None, None]


def test_a_force_may_state_its_own_write_up():
    own = PRIORS.with_columns(write_up_minutes=pl.lit(12.0))
    row = measure_service_times(logs((400, "theft/2", 60, 1)), own).row(0, named=True)
    assert row["write_up_minutes"] == 12


def test_incidents_are_counted_under_the_grade_that_dispatch_knew():
    frame = logs((40, "theft/1", 60, 1)).with_columns(
        opening_grade_code=pl.when(pl.int_range(pl.len()) < 30).then(pl.lit("2"))
    )
    times = measure_service_times(frame, PRIORS)
    assert dict(times.select("grade_code", "incidents").iter_rows()) == {"1": 10, "2": 30}
    counted = count_demand(frame, times, ["a"], "Europe/London")
    assert dict(counted.select("grade_code", "incidents").iter_rows()) == {"1": 10, "2": 30}
