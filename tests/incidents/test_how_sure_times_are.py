"""How sure service times are, and what logs that are open, or know no more than when they were closed, tell of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.drawn import drawn

from bluelamp.incidents import count_demand, measure_service_times
from bluelamp.incidents.service_times import FROM_STATUS, LEVEL_WEIGHT, PRIOR_WEIGHT, evidence

PRIORS = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | sd_minutes | source",
    "theft | all | 0.5  | 2 | 30 | 24 | prior: thefts",
    "all   | all | 0.25 | 1 | 60 | 40 | prior: any",
)
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def logs(begun: list[float], minutes: list[float], until: float | None = None, **same) -> pl.DataFrame:
    """Incidents received and dispatched at a minute after Monday, cleared so many minutes later, one unit each, as they
    were known at the minute `until`.
    """
    size = len(begun)
    rows = {
        "incident_id": [str(number) for number in range(size)],
        "received_at": [MONDAY + timedelta(minutes=float(at)) for at in begun],
        "cleared_at": [MONDAY + timedelta(minutes=float(at + long)) for at, long in zip(begun, minutes, strict=True)],
        "class_code": ["theft"] * size, "origin": ["public"] * size, "grade_code": ["1"] * size,
        "area_id": ["a"] * size, "units": [1] * size,
    }  # fmt: skip
    frame = drawn("incidents", "incident_id|received_at|class_code|origin", "x|2026-01-05T00:00:00Z|theft|public")
    made = pl.DataFrame(rows).with_columns(
        dispatched_at=pl.col("received_at"), closed_at=pl.col("cleared_at"), status=pl.lit("closed")
    )
    if until is not None:
        at = MONDAY + timedelta(minutes=until)
        known = pl.col("cleared_at") < at
        made = made.filter(pl.col("received_at") < at).with_columns(
            cleared_at=pl.when(known).then("cleared_at"),
            closed_at=pl.when(known).then("cleared_at"),
            status=pl.when(known).then(pl.lit("closed")).otherwise(pl.lit("open")),
        )
    made = made.with_columns(**same)
    shape = frame.schema
    return pl.concat(
        [frame.clear(), made.with_columns(pl.col(name).cast(shape[name]) for name in made.columns)], how="diagonal"
    )


def measured(frame: pl.DataFrame, priors: pl.DataFrame = PRIORS) -> dict[str, float]:
    return measure_service_times(frame, priors).row(0, named=True)


def shift_of(chance: np.random.Generator, jobs: int, span: float, mean: float = 80.0) -> tuple[np.ndarray, np.ndarray]:
    """Jobs begun at any time of a span of minutes, log-normal with as much spread as mean."""
    spread = np.sqrt(np.log(2))
    minutes = mean * np.exp(spread * (chance.standard_normal(jobs) - spread / 2))
    return np.sort(chance.uniform(0, span, jobs)), np.clip(minutes, 1, 1400)


# ---- how sure ----


def test_a_prior_alone_is_as_unsure_as_the_mean_of_so_many_incidents():
    row = measured(_unseen(1))
    assert row["se_units"] == pytest.approx(1 / np.sqrt(PRIOR_WEIGHT), abs=1e-4), (
        "as if each further unit came by chance"
    )
    assert row["se_minutes"] == pytest.approx(24 / np.sqrt(PRIOR_WEIGHT), abs=0.01)
    assert row["se_share_deployed"] == pytest.approx(np.sqrt(0.25 / PRIOR_WEIGHT), abs=1e-4)
    assert (row["sd_units"], row["common_error"], row["incidents"]) == (1, 1, None)


def _unseen(many: int) -> pl.DataFrame:
    """Incidents of which the source says nothing but when they came."""
    frame = logs([0] * many, [30] * many)
    empty = {
        name: pl.lit(None, dtype=frame.schema[name]) for name in ("dispatched_at", "cleared_at", "closed_at", "units")
    }
    return frame.with_columns(**empty)


def test_what_a_prior_states_of_itself_is_believed():
    stated = PRIORS.with_columns(se_minutes=2.0, se_units=0.5, se_share_deployed=0.01, sd_units=0.7)
    row = measured(_unseen(1), stated)
    assert [row[name] for name in ("se_minutes", "se_units", "se_share_deployed", "sd_units")] == [2, 0.5, 0.01, 0.7]


def test_errors_shrink_with_incidents_and_cease_to_be_common():
    chance = np.random.default_rng(1)
    found = [measured(logs(*shift_of(chance, jobs, 1e6))) for jobs in (1, 100, 10_000)]
    for name in ("se_minutes", "se_units", "se_share_deployed", "common_error"):
        assert found[0][name] > found[1][name] > found[2][name]
    assert found[2]["se_minutes"] == pytest.approx(80 / np.sqrt(10_000), rel=0.1)
    assert found[2]["common_error"] < 0.001
    assert found[0]["common_error"] > 0.8


def test_an_error_is_that_of_the_shrunk_mean():
    """Of very many forces, each measured on 40 incidents, means lie about the truth as they say."""
    chance = np.random.default_rng(2)
    wrong, said = [], []
    for _ in range(80):
        truth = 30 + 24 / np.sqrt(PRIOR_WEIGHT) * chance.standard_normal()
        row = measured(logs(list(range(40)), list(chance.gamma((truth / 24) ** 2, 24**2 / truth, 40).clip(0.6))))
        wrong.append(row["minutes_per_unit"] - truth)
        said.append(row["se_minutes"])
    assert np.sqrt(np.mean(np.square(wrong))) == pytest.approx(np.mean(said), rel=0.2)


def test_units_at_one_incident_tell_no_more_than_one():
    chance = np.random.default_rng(3)
    begun, minutes = shift_of(chance, 900, 1e6)
    one, four = (measured(logs(begun, minutes, units=pl.lit(units))) for units in (1, 4))
    assert four["minutes_per_unit"] == pytest.approx(one["minutes_per_unit"], rel=0.05)
    assert four["se_minutes"] == pytest.approx(one["se_minutes"], rel=0.05)


def test_the_level_that_other_classes_tell_is_no_common_error():
    frame = pl.concat(
        [
            logs(*shift_of(np.random.default_rng(4), 2_700, 1e6)).with_columns(class_code=pl.lit("fraud")),
            _unseen(1).with_columns(incident_id=pl.lit("x")),
        ]
    )
    rows = {row["class_code"]: row for row in measure_service_times(frame, PRIORS).iter_rows(named=True)}
    alone = measured(_unseen(1))
    assert rows["theft"]["minutes_per_unit"] > alone["minutes_per_unit"], "the force's jobs last longer"
    assert rows["theft"]["se_minutes"] > alone["se_minutes"]
    share, units, minutes = (0.5 / PRIOR_WEIGHT**0.5 / 0.5) ** 2, (1 / 30**0.5 / 2) ** 2, (24 / 30) ** 2 / 30
    level = LEVEL_WEIGHT / (LEVEL_WEIGHT + 2_700)
    expected = (share + level * (units + minutes)) / (share + units + minutes)
    assert rows["theft"]["common_error"] == pytest.approx(expected, rel=0.1)


def test_a_grade_to_which_nobody_goes_has_no_errors_of_units_that_are_not():
    none = PRIORS.with_columns(share_deployed=0.0, units_per_deployment=0.0, minutes_per_unit=0.0, sd_minutes=0.0)
    row = measured(_unseen(3), none)
    assert [row[name] for name in ("minutes_per_unit", "sd_minutes", "se_minutes", "se_units", "common_error")] == [
        0
    ] * 5


# ---- logs that are open ----


@pytest.mark.parametrize("days", [1, 3, 14])
def test_a_feed_that_stops_in_the_middle_of_jobs_tells_of_the_long_ones_too(days):
    chance = np.random.default_rng(days)
    span = days * 1440
    begun, minutes = shift_of(chance, 6_000, span)
    whole = measured(logs(begun, minutes))["minutes_per_unit"]
    cut = logs(begun, minutes, until=span)
    told = measured(cut)["minutes_per_unit"]
    finished_alone = measured(cut.with_columns(status=pl.lit("closed")))["minutes_per_unit"]
    assert told == pytest.approx(whole, rel=0.02)
    # What was missed: the variance over the mean times the length of the record.
    assert finished_alone / whole - 1 == pytest.approx(-80 / span, rel=0.35, abs=0.004)


def test_clearings_that_come_a_day_late_leave_jobs_as_long_as_they_were():
    begun, minutes = shift_of(np.random.default_rng(5), 6_000, 4 * 1440)
    whole = measured(logs(begun, minutes))["minutes_per_unit"]
    late = pl.col("cleared_at") >= MONDAY + timedelta(days=3)
    hidden = logs(begun, minutes).with_columns(
        status=pl.when(late).then(pl.lit("open")).otherwise("status"),
        cleared_at=pl.when(~late).then("cleared_at"),
        closed_at=pl.when(~late).then("closed_at"),
    )
    assert measured(hidden)["minutes_per_unit"] == pytest.approx(whole, rel=0.025)


def test_a_job_that_goes_on_is_known_as_far_as_the_last_clearing_and_for_a_day():
    frame = logs([0, 100, 2000, 2390, 2420], [60, 1e5, 380, 1e5, 1e5], until=2500)
    # The first of the open ones was forgotten, the second began after the last clearing at 2,380.
    assert evidence(frame)["seconds_so_far"].to_list() == [None] * 5
    frame = logs([0, 1000, 2000, 2200], [60, 1e5, 380, 1e5], until=2500)
    assert evidence(frame)["seconds_so_far"].to_list() == [None, 1380 * 60, None, 180 * 60]
    assert evidence(frame)["unit_seconds"].to_list() == [3600, None, 380 * 60, None]


def test_where_every_log_is_open_nothing_is_known_but_the_prior():
    row = measured(logs([0, 10, 20], [50, 50, 50], until=30))
    assert (row["minutes_per_unit"], row["incidents"], row["source"]) == (30, None, "prior: thefts")
    assert row["se_minutes"] == pytest.approx(24 / np.sqrt(PRIOR_WEIGHT), abs=0.01)


def test_a_source_without_status_has_left_open_what_it_has_not_closed():
    frame = logs([0, 10, 20], [90, 15, 500], until=100)
    bare = frame.with_columns(status=pl.lit(None, dtype=pl.String))
    assert (
        evidence(bare)["seconds_so_far"].to_list() == evidence(frame)["seconds_so_far"].to_list() == [None, None, 4200]
    )


def test_an_open_job_is_expected_to_go_on_for_as_long_as_a_new_one():
    frame = logs([0, 10, 20], [90, 15, 500], until=100)
    times = measure_service_times(frame, PRIORS)
    seconds = 90 * 60 + 15 * 60 + 4200 + times["minutes_per_unit"].item() * 60
    asked = count_demand(frame, times, ["a"], "Europe/London")["officer_hours"].sum()
    assert asked == pytest.approx(seconds / 3600, abs=0.001)


def test_a_unit_that_is_there_still_counts_in_the_status_log_too():
    frame = logs([0] * 40, [60] * 40)
    rows = [(1, 1, None, 7200, 0, 0)] * 4 + [(1, 1, 3600, None, 0, 0)] * 36
    status = pl.DataFrame(rows, schema=dict.fromkeys(FROM_STATUS, pl.Int64), orient="row")
    row = measured(pl.concat([frame, status], how="horizontal"))
    assert row["incidents"] == 36
    leaning = measured(logs([0] * 36, [(36 * 60 + 4 * 120) / 36] * 36))
    assert row["minutes_per_unit"] == pytest.approx(leaning["minutes_per_unit"], rel=0.01)


# ---- logs that know no more than when they were closed ----


def closed_alone(minutes: list[float], **same) -> pl.DataFrame:
    empty = {name: pl.lit(None, dtype=pl.Datetime("us", "UTC")) for name in ("dispatched_at", "cleared_at")}
    return logs([0] * len(minutes), minutes).with_columns(**empty, **same)


def test_a_prior_longer_than_logs_were_open_comes_down_to_that():
    row = measured(closed_alone([12] * 3_000))
    assert row["minutes_per_unit"] == pytest.approx(12, rel=0.05)
    assert row["sd_minutes"] == pytest.approx(12 * 24 / 30, rel=0.05)
    assert (row["incidents"], row["source"]) == (None, "prior: thefts")


def test_logs_that_were_open_for_longer_than_the_prior_say_nothing_against_it():
    """Some were closed soon and some late; bounds one by one would draw the mean down, and it is as it was."""
    assert measured(closed_alone([10] * 500 + [60] * 500))["minutes_per_unit"] == 30
    assert measured(closed_alone([1e6] * 500))["minutes_per_unit"] == 30


def test_where_nobody_says_who_went_the_share_that_did_bounds_the_minutes():
    unknown = closed_alone([12] * 3_000, units=pl.lit(None, dtype=pl.Int64))
    assert evidence(unknown)["was_deployed"].null_count() == 3_000
    # Half of them at most kept a unit for all of the time.
    assert measured(unknown)["minutes_per_unit"] == pytest.approx(24, rel=0.03)


def test_measured_minutes_are_what_they_are_whatever_others_are_bounded_by():
    frame = pl.concat(
        [
            logs([0] * 400, [50] * 400),
            closed_alone([5] * 200).with_columns(incident_id="c" + pl.col("incident_id")),
        ]
    )
    assert measured(frame)["minutes_per_unit"] == pytest.approx(50, rel=0.06)
