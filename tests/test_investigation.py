"""Investigation: a backlog of weeks, held against cases that are worked one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

from bluelamp.investigation import (
    OTHER_STARTING_HOURS,
    UNASSIGNED,
    AgeTarget,
    CaseLoad,
    _Followed,
    follow,
    measure_cases,
    require_investigators,
)
from bluelamp.queueing import erlang_c
from bluelamp.remarks import on_investigators
from bluelamp.settings import InvestigationPart
from bluelamp.simulation import Jobs
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
    given |= changed
    today = given.pop("investigators_today")
    return require_investigators(
        {UNASSIGNED: some or load()}, incidents() if came is None else came, STARTS,
        investigators_today={} if today is None else {UNASSIGNED: today}, **given,
    )  # fmt: skip


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

    # Each also spends a third of a week in somebody's hands.
    assert waiting["open_today_mean"][-1] == pytest.approx(3 * 20 + 20 / 3, rel=0.05)


def test_a_promise_that_nobody_could_keep_asks_for_those_who_leave_no_work():
    table = required(load(waiting_weeks=3.0), most_open=10)

    assert table["open_required_mean"][-1] == pytest.approx(60 + 20 / 3, rel=0.05)


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
    found = measure_cases(cases, demand, UNTIL)[UNASSIGNED]

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


# ---- age ----


def of_age(investigators: float, came: np.ndarray, some: CaseLoad | None = None, weeks: float = 2.0, **changed):
    """Give the force's rows with so many investigators there today, and a promise on age."""
    table = required(
        some or load(open_now=0, hours_left=0.0), came, investigators_today=investigators, abstraction=0.0,
        age=AgeTarget(weeks, **changed), most_open=1e6,
    )  # fmt: skip
    return table.filter(pool_id="all").sort("week_starting")


def test_cases_wait_as_long_as_erlangs_formula_says():
    """A steady M/M/5: cases of an exponential 30 hours (a week of one), 4 a week; in time if over within 3 weeks.

    P(wait > t) = C exp(-(5 - 4) t), and a week on average to work: the closed form convolves the two.
    """
    servers, rate, limit = 5, 4.0, 3.0
    chance = float(erlang_c(servers, rate))
    slack = servers - rate
    # Of exponentials with rates 1 (work) and 1 (what is left of the wait): Erlang-2 where there is a wait.
    assert slack == 1.0
    late = (1 - chance) * np.exp(-limit) + chance * np.exp(-limit) * (1 + limit)
    weeks, paths = 500, 30
    came = np.random.default_rng(3).poisson(rate, (1, weeks, paths)).astype(float)
    some = CaseLoad(["x"], np.array([1.0]), np.array([rate]), np.array([30.0]), np.array([0.0]), 0, 0.0, 0.0, rate)
    followed = _Followed(some, came, AgeTarget(limit), 30.0, 1.0, 1)
    followed.runs = [exponential(jobs, number) for number, jobs in enumerate(followed.runs)]
    due, in_time = (each[20:] for each in followed.count(servers))
    error = float(np.std((in_time - in_time.sum() / due.sum() * due).sum(axis=0)) / due.sum(axis=0).mean())

    assert 1 - in_time.sum() / due.sum() == pytest.approx(late, abs=3 * error / np.sqrt(due.shape[1]))
    assert error / np.sqrt(due.shape[1]) < 0.012


def exponential(jobs: Jobs, seed: int) -> Jobs:
    minutes = np.random.default_rng([9, seed]).exponential(7 * 24 * 60.0, len(jobs))
    return replace(jobs, first_minutes=minutes, further_minutes=minutes[:, None])


def test_cases_that_nobody_is_waited_for_end_by_their_own_hours():
    """With enough people a case takes its own hours ÷ 30 a week: log-normal, known in closed form."""
    came = incidents(200)
    some = load(open_now=0, hours_left=0.0, hours=20.0)
    table = of_age(2000.0, came, some, weeks=1.0)
    sigma = np.sqrt(np.log(2.0))
    within = NormalDist().cdf((np.log(30 / 20) + sigma**2 / 2) / sigma)

    # Thirty thousand cases: a standard error of a quarter of a point.
    assert np.mean(table["in_time_today"].to_list()[3:]) == pytest.approx(within, abs=0.007)


def test_the_fewest_keep_the_promise_on_age_and_one_fewer_does_not():
    came = incidents()
    found = of_age(6.0, came, weeks=1.25)
    number = found["investigators_required_age"][0]
    assert found["investigators_required"][0] == number
    assert found["binds"][0] == "age"
    followed = _Followed(load(open_now=0, hours_left=0.0), came, AgeTarget(1.25), 30.0, 1.0, key_of())
    assert followed.share(number, 8) >= 0.9 > followed.share(number - 1, 8)


def test_a_promise_that_is_easy_still_takes_those_who_work_the_hours_that_come():
    # Twenty cases of ten hours a week.
    assert of_age(6.0, incidents(), weeks=30.0)["investigators_required_age"][0] == 7


def key_of() -> int:
    return int(np.random.default_rng([0, 0]).integers(2**62))


def test_cases_that_are_open_already_go_first():
    """Three investigators have ninety hours a week: a backlog of 900 is ten weeks that new cases wait."""
    few = incidents(2)
    for backlog, share in ((0.0, 1.0), (900.0, 0.0)):
        some = replace(
            load(open_now=9, hours_left=backlog), left=np.full(9, backlog / 9), waits=np.zeros(9, dtype=bool)
        )
        assert of_age(3.0, few, some, weeks=6.0)["in_time_today"][0] == pytest.approx(share, abs=0.1)


def test_a_team_that_gets_no_cases_is_asked_for_what_it_has_left():
    some = replace(load(open_now=4, hours_left=120.0, share=0.0), left=np.full(4, 30.0), waits=np.zeros(4, dtype=bool))
    table = of_age(2.0, incidents(), some)
    assert table["in_time_today"].null_count() == table.height
    assert table["open_today_mean"][-1] == 0
    nothing = of_age(2.0, incidents(), load(open_now=0, hours_left=0.0, share=0.0))
    assert nothing["investigators_required"][0] == nothing["investigators_required_age"][0] == 0


def test_cases_that_wait_on_others_now_come_back_with_what_is_left():
    some = replace(
        load(open_now=9, hours_left=0.0), waiting_weeks=1.0, left=np.full(9, 100.0), waits=np.ones(9, dtype=bool)
    )
    shares = [
        of_age(3.0, incidents(4), each, weeks=3.0)["in_time_today"] for each in (some, replace(some, left=np.zeros(9)))
    ]
    assert sum(shares[0].to_list()) < sum(shares[1].to_list()) - 1


def test_a_promise_shorter_than_the_waiting_on_others_is_kept_by_nobody():
    some = load(open_now=0, hours_left=0.0, waiting_weeks=6.0)
    table = of_age(6.0, incidents(), some, weeks=4.0, share=0.9, share_waiting=0.6)
    assert table["investigators_required_age"][0] is None
    assert table["binds"][0] == "caseload"


def test_where_a_quarter_more_work_breaks_the_promise_no_number_is_given_for_it():
    """Of cases of twenty hours, nine in ten end within 1.37 weeks of one person's thirty hours; of 25 hours, 1.71."""
    some = load(open_now=0, hours_left=0.0, hours=20.0)
    row = of_age(30.0, incidents(), some, weeks=1.55, share=0.9).row(-1, named=True)
    assert row["investigators_required_low"] <= row["investigators_required"] == row["investigators_required_age"]
    assert row["investigators_required_high"] is None
    told = on_investigators(
        of_age(30.0, incidents(), some, weeks=1.55, share=0.9), 0, InvestigationPart(finalised_weeks=1.55)
    )
    assert "if it takes a quarter more, no number keeps the promise." in told[0]


# ---- teams ----


def test_teams_do_not_help_each_other():
    """Two teams, one with half the people that it needs and one with twice as many: the backlog is the first one's."""
    loads = {"I-1": load(hours_left=2000.0), "I-2": load(hours_left=0.0, open_now=0)}
    table = require_investigators(
        loads, incidents(), STARTS, investigators_today={"I-1": 3.0, "I-2": 12.0}, hours_a_week=30.0, most_open=None,
        settling_weeks=8, abstraction=0.0, age=AgeTarget(3.0),
    )  # fmt: skip
    last = {row["pool_id"]: row for row in table.filter(pl.col("week_starting") == STARTS[-1]).iter_rows(named=True)}

    assert set(last) == {"all", "I-1", "I-2"}
    assert last["I-2"]["open_today_mean"] == pytest.approx(20 / 3, rel=0.05)
    # Twenty cases of ten hours a week, of which 90 hours are worked.
    assert last["I-1"]["open_today_mean"] == pytest.approx(200 + 11 * 13, rel=0.05)
    assert last["I-1"]["in_time_today"] < 0.1 < 0.9 < last["I-2"]["in_time_today"]
    assert last["all"]["in_time_today"] == pytest.approx(last["I-2"]["in_time_today"] / 2, abs=0.06)
    for name in ("open_today_mean", "cases_opened_mean", "investigators_required", "most_open", "investigators_today"):
        assert last["all"][name] == pytest.approx(last["I-1"][name] + last["I-2"][name], abs=0.11)


def test_a_limit_is_shared_out_over_teams_by_the_cases_that_they_are_given():
    loads = {"I-1": replace(load(), opened_a_week=30.0), "I-2": replace(load(), opened_a_week=10.0)}
    table = require_investigators(
        loads, incidents(), STARTS, investigators_today={}, hours_a_week=30.0, most_open=400.0, settling_weeks=8,
        abstraction=0.0,
    )  # fmt: skip
    assert dict(table.select("pool_id", "most_open").unique().iter_rows()) == {"all": 400.0, "I-1": 300.0, "I-2": 100.0}
    assert table["open_today_mean"].null_count() == table.height


def test_the_record_is_measured_by_team_with_hours_of_the_whole_force():
    demand = drawn(
        "demand",
        "area_id | hour_starting | class_code | grade_code | origin | incidents | deployed | officer_hours | measured",
        *(f"a | 2026-02-{day:02}T10:00Z | burglary | 1 | public | 4 | 4 | 4 | 4" for day in range(2, 27)),
    )  # fmt: skip
    cases = drawn(
        "cases", f"{CASE} | pool_id",
        *(f"c{n} | burglary | 2026-02-03T10:00Z | 2026-02-20T10:00Z | | 20 | I-1" for n in range(30)),
        *(f"o{n} | burglary | 2026-02-10T10:00Z | | | 10 | I-2" for n in range(10)),
    )  # fmt: skip
    found = measure_cases(cases, demand, UNTIL)

    assert set(found) == {"I-1", "I-2"}
    assert [each.open_now for each in found.values()] == [0, 10]
    assert found["I-1"].share_opened[0] == pytest.approx(3 * found["I-2"].share_opened[0])
    assert found["I-1"].hours == found["I-2"].hours
    assert len(found["I-1"].left) == 0
    assert len(found["I-2"].left) == 10
