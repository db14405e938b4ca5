"""Where two models hold, they say the same: formulas against each other, and against the simulation."""

from __future__ import annotations

import numpy as np
import pytest

from bluelamp import abandonment
from bluelamp.answering import Lines
from bluelamp.simulation import Cover, Jobs, Rules, Travel, Units, replicate
from tests.test_simulation_referees import RUNS, WARM_UP, assert_within

JOBS = 6_000


def line(calls: float, handling: float, patience: float, seconds: float, share: float = 0.9) -> Lines:
    return Lines(
        np.full((1, 1, 1), calls), np.full((1, 1), handling), *(np.array([x]) for x in (patience, seconds, share))
    )


STATIONS = [
    (agents, load, patience)
    for agents, load in ((1, 0.7), (4, 3.9), (30, 24.0), (12, 19.0))
    for patience in (0.4, 3.0, 60.0, np.inf)
    if load < agents or np.isfinite(patience)
]


@pytest.mark.parametrize(("agents", "load", "patience"), STATIONS)
def test_telephones_with_one_line_are_erlang_a(agents: int, load: float, patience: float):
    for seconds in (0.0, 10.0, 300.0):
        in_time, left = line(15 * load, 4.0, patience, seconds).shares(agents)
        met = abandonment.erlang_a(agents, load, seconds / 60, 4.0, patience)
        assert in_time.item() == pytest.approx(float(met.share_in_time), abs=1e-8)
        if np.isfinite(patience):
            assert left.item() == pytest.approx(float(met.share_lost), abs=1e-8)


@pytest.mark.parametrize("patience", [0.5, 5.0])
def test_telephones_with_one_line_need_as_many_as_erlang_a(patience: float):
    for load in (0.3, 2.0, 7.5, 41.0):
        for share in (0.8, 0.95):
            needed = line(15 * load, 4.0, patience, 20.0, share).fewest_agents().item()
            assert needed == abandonment.units_for_answers(load, 20 / 60, 4.0, patience, share)


def test_a_simulated_queue_whose_callers_give_up_is_erlang_a():
    rate, units, patience = 12.0, 10, 0.5
    jobs = []
    for run in range(RUNS):
        random = np.random.default_rng([11, run])
        ready = 60 * np.cumsum(random.exponential(1 / rate, JOBS))
        jobs.append(
            Jobs.of(ready, 60 * random.exponential(1.0, JOBS), patience=60 * random.exponential(patience, JOBS))
        )
    hours = int(max(each.ready[-1] for each in jobs) // 60) + 50
    found = replicate(jobs, Units.of(np.zeros(units)), Cover.of([0]), hours=hours)
    known = abandonment.erlang_a(units, rate, 15, 60, 60 * patience)
    waited = [((each.sent - each.ready) / 60)[WARM_UP:] for each in found]
    assert_within([np.isnan(each.sent[WARM_UP:]).mean() for each in found], float(known.share_lost))
    assert_within([(each <= 0.25).mean() for each in waited], float(known.share_in_time))
    assert_within([(each > 0).mean() + np.isnan(each).mean() for each in waited], float(known.chance_waits))


@pytest.mark.parametrize("variation", [0.0, 0.5, 1.5])
def test_one_unit_whose_jobs_last_as_they_like_waits_as_pollaczek_and_khinchine_say(variation: float):
    # Wq = rate E[S^2] / (2 (1 - rate E[S])): Pollaczek (1930), Khinchine (1932).
    rate, mean = 0.7, 1.0
    known = rate * mean**2 * (1 + variation**2) / (2 * (1 - rate * mean))
    sigma = np.sqrt(np.log1p(variation**2))
    jobs = []
    for run in range(RUNS):
        random = np.random.default_rng([13, run])
        ready = 60 * np.cumsum(random.exponential(1 / rate, JOBS))
        lasts = 60 * mean * np.exp(sigma * random.standard_normal(JOBS) - sigma**2 / 2)
        jobs.append(Jobs.of(ready, lasts))
    hours = int(max(each.ready[-1] for each in jobs) // 60) + 200
    found = replicate(jobs, Units.of([0.0]), Cover.of([0]), hours=hours)
    assert_within([np.nanmean((each.sent - each.ready)[WARM_UP:]) / 60 for each in found], known)


@pytest.mark.parametrize(("power", "known"), [(2, 0.5), (1, np.sqrt(np.pi / 8))])
def test_the_nearest_of_idle_units_is_as_far_as_their_density_says(power: int, known: float):
    # E[D] = 1 / (2 sqrt density) straight, sqrt(pi / 8) / sqrt density at right angles: Larson and Odoni (1981), ch. 3.
    units, runs = 80, 600
    random = np.random.default_rng(17)
    rules, jobs = Rules(is_nearest=True), Jobs.of([0.0], 1.0, place=0)
    far = []
    for _ in range(runs):
        away = np.abs(random.random((units, 2)) - 0.5)
        minutes = np.zeros((units + 1, units + 1))
        minutes[1:, 0] = (away**power).sum(axis=1) ** (1 / power)
        out = Units.of(np.zeros(units), place=np.arange(units) + 1)
        found = replicate([jobs], out, Cover.of(np.zeros(units + 1, dtype=np.int64)), rules, Travel(minutes), hours=1)
        far.append(float(found[0].arrived[0] - found[0].sent[0]))
    error = 1.96 * np.std(far, ddof=1) / np.sqrt(runs)
    assert np.mean(far) == pytest.approx(known / np.sqrt(units), abs=error)
    assert error < 0.05 * known / np.sqrt(units)
