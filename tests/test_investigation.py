"""Investigation: a backlog of weeks, held against cases that are worked one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from bluelamp.investigation import OTHER_STARTING_HOURS, CaseLoad, follow, measure_cases, require_investigators
from tests.drawn import drawn

UNTIL = datetime(2026, 3, 2, tzinfo=UTC)
CASE = "case_id | class_code | opened_at | closed_at | waits_on_others | officer_hours"
STARTS = [UNTIL + timedelta(weeks=week) for week in range(13)]


def load(open_now=200, hours_left=2000.0, hours=10.0, share=0.5, waiting_weeks=0.0, assumed=0.0) -> CaseLoad:
    return CaseLoad(
        ["burglary"],
        np.array([share]),
        np.array([40.0]),
        np.array([hours]),
        np.array([assumed]),
        open_now,
        hours_left,
        waiting_weeks,
        20.0,
    )


def incidents(a_week: float = 40.0, paths: int = 20, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(a_week, (1, 13, paths)).astype(float)


def required(some: CaseLoad | None = None, came: np.ndarray | None = None, **changed) -> pl.DataFrame:
    given = {
        "investigators_today": 6.0,
        "hours_a_week": 30.0,
        "most_open": None,
        "settling_weeks": 8,
        "abstraction": 0.2,
    }
    return require_investigators(some or load(), incidents() if came is None else came, STARTS, **{**given, **changed})


def test_a_backlog_grows_by_what_is_not_worked():
    steady = np.full((1, 13, 1), 40.0)
    # Twenty cases of ten hours a week, and 150 hours worked: five cases more each week.
    found = follow(load(), 0.5 * steady, 150.0)

    assert found[:, 0].tolist() == pytest.approx([200 + 5 * week for week in range(1, 14)])


def test_cases_that_are_worked_one_by_one_leave_as_many_open():
    """A discrete referee: every case has its own hours, and is worked in the order in which it came."""
    random = np.random.default_rng(4)
    paths, capacity = 60, 170.0
    counts = random.poisson(20, (13, paths))
    by_hand = np.zeros((13, paths))
    for path in range(paths):
        queue = list(random.lognormal(np.log(10) - 0.32, 0.8, 200))
        for week in range(13):
            queue += list(random.lognormal(np.log(10) - 0.32, 0.8, counts[week, path]))
            hours = capacity
            while queue and hours > 0:
                done = min(queue[0], hours)
                queue[0] -= done
                hours -= done
                if queue[0] <= 1e-9:
                    queue.pop(0)
            by_hand[week, path] = len(queue)
    found = follow(load(), counts[None].astype(float), capacity)

    assert found.mean(axis=1) == pytest.approx(by_hand.mean(axis=1), rel=0.03)
    assert np.quantile(found, 0.9, axis=1) == pytest.approx(np.quantile(by_hand, 0.9, axis=1), rel=0.1)


def test_the_fewest_hold_the_promise_and_one_fewer_does_not():
    table, opened = required(most_open=180), 0.5 * incidents()
    number = table["investigators_required"][0]
    late = {n: np.quantile(follow(load(), opened, n * 30.0)[7:], 0.9, axis=1).max() for n in (number - 1, number)}

    assert late[number] <= 180 < late[number - 1]
    assert table["open_required_p90"].to_list()[7:] == pytest.approx(
        np.quantile(follow(load(), opened, number * 30.0)[7:], 0.9, axis=1), abs=0.1
    )
    assert table["investigators_required_gross"][0] == int(np.ceil(number / 0.8))


def test_without_a_promise_what_is_open_today_is_not_to_be_exceeded():
    assert set(required()["most_open"]) == {200.0}
    assert required(most_open=100)["investigators_required"][0] > required()["investigators_required"][0]


def test_more_cases_and_more_work_need_more_people():
    assert required(came=incidents(60))["investigators_required"][0] > required()["investigators_required"][0]
    row = required().row(0, named=True)
    assert row["investigators_required_low"] < row["investigators_required"] < row["investigators_required_high"]


def test_cases_that_wait_on_others_are_open_and_nobody_can_shorten_that():
    waiting = required(load(waiting_weeks=3.0), investigators_today=50.0)

    assert waiting["open_today_mean"][-1] == pytest.approx(3 * 20, rel=0.05)


def test_a_promise_that_nobody_could_keep_asks_for_those_who_leave_no_work():
    table = required(load(waiting_weeks=3.0), most_open=10)

    assert table["open_required_mean"][-1] == pytest.approx(60, rel=0.05)


def test_the_record_gives_shares_hours_and_what_is_left():
    demand = drawn(
        "demand",
        "area_id | hour_starting | class_code | grade_code | origin | incidents | deployed | officer_hours | measured",
        *(f"a | 2026-02-{day:02}T10:00Z | burglary | 1 | public | 4 | 4 | 4 | 4" for day in range(2, 27)),
    )  # fmt: skip
    cases = drawn(
        "cases", CASE,
        *(f"c{n} | burglary | 2026-02-03T10:00Z | 2026-02-20T10:00Z | | 20" for n in range(30)),
        *(f"o{n} | burglary | 2026-02-10T10:00Z | | {'true' if n < 5 else 'false'} | 10" for n in range(10)),
        *(f"x{n} | arson | 2026-02-11T10:00Z | | |" for n in range(2)),
    )  # fmt: skip
    found = measure_cases(cases, demand, UNTIL)

    assert found.classes == ["arson", "burglary"]
    # Calls before the first case say nothing of the share.
    assert found.share_opened == pytest.approx([0.0, 40 / 96])
    # Thirty with twenty hours lean on a starting value of 4.8 as if on thirty others.
    assert found.hours == pytest.approx([OTHER_STARTING_HOURS, 12.4])
    assert found.assumed == pytest.approx([1.0, 0.5])
    assert found.open_now == 12
    # Five burglaries have a quarter at least ahead of them, five wait, two others are whole.
    assert found.hours_left == pytest.approx(5 * 3.1 + 2 * OTHER_STARTING_HOURS)
    assert found.waiting_weeks == pytest.approx(5 / found.opened_a_week)
