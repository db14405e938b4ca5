"""The queueing formulas against exact arithmetic, textbook answers and small simulations."""

import doctest
import math
import random
import re
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelamp import queueing
from bluelamp.queueing import (
    carried_load,
    chance_waits_longer,
    erlang_b,
    erlang_c,
    late_chances,
    mean_wait_minutes,
    poisson_points,
    units_for_mean_target,
    units_for_target,
    workload_units,
)

UNITS_AND_LOADS = [
    (units, load)
    for units in (1, 2, 3, 7, 20, 60, 250)
    for load in (1e-9, 0.01, 0.5, 0.999999, 1.0, 2.5, 6.999999999, 19.5, 55.0, 249.9)
]


def exact_erlang_b(units, load):
    """Sum the state probabilities of the loss system with 50 digits; no recursion."""
    with mpmath.workdps(50):
        states = [mpmath.mpf(load) ** n / mpmath.factorial(n) for n in range(units + 1)]
        return states[-1] / mpmath.fsum(states)


def exact_erlang_c(units, load):
    """Sum the state probabilities of the queue with 50 digits: the textbook form."""
    with mpmath.workdps(50):
        load = mpmath.mpf(load)
        all_busy = load**units / mpmath.factorial(units) * units / (units - load)
        some_free = mpmath.fsum(load**n / mpmath.factorial(n) for n in range(units))
        return all_busy / (some_free + all_busy)


def exact_chance_late(units, load, minutes, service_minutes):
    if units <= load:
        return mpmath.mpf(1)
    with mpmath.workdps(50):
        rate = (units - mpmath.mpf(load)) / mpmath.mpf(service_minutes)
        return exact_erlang_c(units, load) * mpmath.exp(-rate * mpmath.mpf(minutes))


def relative_error(value, exact):
    return float(abs(mpmath.mpf(float(value)) - exact) / exact)


# ---- what a number of units achieves ----


def test_the_textbook_queue_of_ten_units_at_load_eight_and_a_half_comes_out():
    assert float(erlang_c(10, 8.5)) == pytest.approx(0.5299, abs=5e-5)
    assert float(mean_wait_minutes(10, 8.5, service_minutes=1)) == pytest.approx(0.3532, abs=5e-5)
    on_time = 1 - chance_waits_longer(10, 8.5, minutes=0.25, service_minutes=1)
    assert float(on_time) == pytest.approx(0.6358, abs=5e-5)


@pytest.mark.parametrize(("units", "load"), UNITS_AND_LOADS)
def test_erlang_b_agrees_with_exact_arithmetic_to_twelve_digits(units, load):
    exact = exact_erlang_b(units, load)
    # Below 1e-290 a double keeps fewer digits, and no planner needs them.
    assert relative_error(erlang_b(units, load), exact) < 1e-12 or exact < 1e-290


@pytest.mark.parametrize(("units", "load"), [case for case in UNITS_AND_LOADS if case[0] > case[1]])
def test_erlang_c_agrees_with_exact_arithmetic_to_twelve_digits(units, load):
    exact = exact_erlang_c(units, load)
    assert relative_error(erlang_c(units, load), exact) < 1e-12 or exact < 1e-290


def test_the_chance_of_a_long_wait_agrees_with_exact_arithmetic():
    for units, load in [(1, 0.5), (4, 3.9), (12, 8.5), (60, 55.0)]:
        for minutes in (0, 3, 15, 60):
            exact = exact_chance_late(units, load, minutes, 45)
            found = chance_waits_longer(units, load, minutes, 45)
            assert relative_error(found, exact) < 1e-12


def test_a_queue_with_as_much_load_as_units_grows_without_bound():
    for units, load in [(3, 3.0), (3, 4.5), (0, 0.2)]:
        assert erlang_c(units, load) == 1
        assert chance_waits_longer(units, load, minutes=600, service_minutes=30) == 1
        assert np.isinf(mean_wait_minutes(units, load, service_minutes=30))


def test_without_load_nobody_waits_unless_there_are_no_units():
    assert erlang_b([0, 1, 5], 0).tolist() == [1, 0, 0]
    assert erlang_c([0, 1, 5], 0).tolist() == [1, 0, 0]
    assert chance_waits_longer([0, 1, 5], 0, minutes=0, service_minutes=30).tolist() == [1, 0, 0]
    assert mean_wait_minutes([0, 1, 5], 0, service_minutes=30).tolist() == [np.inf, 0, 0]


def test_one_unit_is_the_single_server_queue():
    load = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(erlang_b(1, load), load / (1 + load), rtol=1e-14)
    np.testing.assert_allclose(erlang_c(1, load), load, rtol=1e-14)
    np.testing.assert_allclose(mean_wait_minutes(1, load, 20), 20 * load / (1 - load), rtol=1e-13)


def test_the_mean_wait_is_the_area_under_the_chances_of_waiting_longer():
    step = 0.01
    minutes = np.arange(0, 1_200, step) + step / 2
    area = chance_waits_longer(6, 4.8, minutes, service_minutes=40).sum() * step
    assert float(mean_wait_minutes(6, 4.8, service_minutes=40)) == pytest.approx(area, rel=1e-6)


def test_shapes_broadcast_and_numbers_give_numbers():
    units, load = np.array([[2], [5], [9]]), np.array([0.5, 1.5, 4.0, 8.0])
    table = erlang_c(units, load)
    assert table.shape == (3, 4)
    assert all(table[row, column] == erlang_c(units[row, 0], load[column]) for row in range(3) for column in range(4))
    assert erlang_b(3, 1.0).shape == ()
    assert erlang_c(np.array([], dtype=int), np.array([])).shape == (0,)


def test_many_blocks_of_cells_give_what_one_cell_at_a_time_gives():
    generator = np.random.default_rng(5)
    load = generator.gamma(2, 5, 2 * queueing.BLOCK_CELLS + 7)
    units = generator.integers(0, 40, load.size)
    found = erlang_c(units, load)
    some = generator.integers(0, load.size, 50)
    assert [float(erlang_c(units[cell], load[cell])) for cell in some] == found[some].tolist()


def test_simulated_waits_are_as_long_as_the_formulas_say():
    units, load, minutes, service_minutes = 4, 3.0, 10, 30
    chance = random.Random(8)
    free_at = [0.0] * units
    now, waits = 0.0, []
    for _ in range(200_000):
        now += chance.expovariate(load / service_minutes)
        first = min(range(units), key=free_at.__getitem__)
        waits.append(max(0.0, free_at[first] - now))
        free_at[first] = now + waits[-1] + chance.expovariate(1 / service_minutes)

    share_late = sum(wait > minutes for wait in waits) / len(waits)
    expected = float(chance_waits_longer(units, load, minutes, service_minutes))
    assert share_late == pytest.approx(expected, abs=0.01)
    mean_wait = float(mean_wait_minutes(units, load, service_minutes))
    assert sum(waits) / len(waits) == pytest.approx(mean_wait, rel=0.05)


# ---- the fewest units ----


def test_the_fewest_units_meet_the_target_and_one_fewer_does_not():
    generator = random.Random(3)
    cells = [
        (
            generator.choice([0.02, 0.4, 3.0, 12.0, 50.0]) * generator.uniform(0.2, 1.8),
            generator.choice([0, 2, 10, 60, 240]),
            generator.uniform(15, 200),
            generator.choice([0.1, 0.5, 0.8, 0.9, 0.95, 0.999]),
        )
        for _ in range(400)
    ]
    found = units_for_target(*(np.array(column) for column in zip(*cells, strict=True)))
    for units, (load, minutes, service, share) in zip(found.tolist(), cells, strict=True):
        assert units > load
        assert 1 - exact_chance_late(units, load, minutes, service) >= share
        assert units == 1 or 1 - exact_chance_late(units - 1, load, minutes, service) < share


def test_long_targets_need_the_first_whole_number_above_the_load_and_no_more():
    # Peers that start from a rounded load are one unit too high for targets of hours.
    load = np.array([0.3, 2.5, 7.5, 7.999])
    found = units_for_target(load, minutes=[240, 240, 240, 90_000], service_minutes=30, share=0.9)
    assert found.tolist() == [1, 3, 8, 8]


def test_a_tie_with_the_target_counts_as_met():
    load = np.arange(1, 100) / 100
    share_one_unit_answers_at_once = 1 - load
    assert (units_for_target(load, 0, 30, share_one_unit_answers_at_once) == 1).all()
    assert (units_for_target(load, 0, 30, share_one_unit_answers_at_once + 1e-9) == 2).all()


def test_a_call_without_load_still_needs_one_unit_to_answer_it():
    assert units_for_target([0.0, 1e-12], minutes=5, service_minutes=30, share=0.99).tolist() == [
        1,
        1,
    ]


def test_targets_by_cell_and_grade_broadcast_and_keep_their_places():
    load = np.array([6.0, 0.5, 2.0, 12.0])
    minutes_by_grade = np.array([[5.0], [60.0]])
    found = units_for_target(load, minutes_by_grade, service_minutes=45, share=0.9)
    assert found.shape == (2, 4)
    for grade, minutes in enumerate([5.0, 60.0]):
        assert found[grade].tolist() == [int(units_for_target(a, minutes, 45, 0.9)) for a in load]
    assert units_for_target(2.0, 5, 45, 0.9).shape == ()
    assert units_for_target(np.array([]), 5, 45, 0.9).shape == (0,)


loads = st.floats(0, 40)
targets = st.tuples(st.floats(0, 120), st.floats(5, 240), st.floats(0.01, 0.999))


@given(loads, loads, targets)
def test_more_load_never_needs_fewer_units(one, other, target):
    few, many = units_for_target(sorted([one, other]), *target)
    assert few <= many


@given(loads, st.tuples(st.floats(0, 120), st.floats(0, 120)), st.floats(0.01, 0.999))
def test_more_patience_never_needs_more_units(load, minutes, share):
    hurried, patient = units_for_target(load, sorted(minutes), 45, share)
    assert hurried >= patient


@given(st.floats(0, 30), st.integers(0, 60), st.floats(0, 120))
def test_one_more_unit_never_makes_a_call_later(load, units, minutes):
    before, after = chance_waits_longer([units, units + 1], load, minutes, 45)
    assert 0 <= after <= before <= 1


# ---- the fewest units over samples of the load ----


def test_a_target_over_samples_is_the_exact_minimum_of_the_weighted_average():
    generator = np.random.default_rng(11)
    samples, cells = 7, 60
    load = generator.gamma(1.5, 2, (samples, cells))
    calls = generator.poisson(3, (samples, cells)).astype(float)
    minutes, share = generator.choice([0, 10, 60], cells), generator.choice([0.6, 0.9, 0.97], cells)
    calls[:, 0] = 0

    def share_on_time(units, cell, weight):
        on_time = [1 - exact_chance_late(units, a, int(minutes[cell]), 45) for a in load[:, cell]]
        return mpmath.fdot(weight, on_time) / mpmath.fsum(weight)

    for weights in (calls, None):
        found = units_for_mean_target(load, weights, minutes, 45, share).tolist()
        for cell, units in enumerate(found):
            weight = np.ones(samples) if weights is None or cell == 0 else calls[:, cell]
            weight = weight.tolist()
            assert share_on_time(units, cell, weight) >= share[cell]
            assert units == 1 or share_on_time(units - 1, cell, weight) < share[cell]


def test_equal_samples_need_what_one_load_needs():
    load = np.random.default_rng(2).gamma(2, 4, 500)
    certain = units_for_target(load, 10, 45, 0.9)
    assert units_for_mean_target(np.tile(load, (5, 1)), None, 10, 45, 0.9).tolist() == certain.tolist()
    assert units_for_mean_target(load[None, :], None, 10, 45, 0.9).tolist() == certain.tolist()


def test_a_sample_with_no_weight_changes_nothing():
    load = np.array([[3.0, 1.0], [30.0, 20.0]])
    weights = np.array([[1.0, 1.0], [0.0, 0.0]])
    found = units_for_mean_target(load, weights, 10, 45, 0.9)
    assert found.tolist() == units_for_target(load[0], 10, 45, 0.9).tolist()


def test_more_cells_and_samples_than_a_block_holds_keep_their_places():
    generator = np.random.default_rng(6)
    load = generator.gamma(2, 2, (queueing.BLOCK_CELLS // 100, 450))
    weights = generator.uniform(0, 5, load.shape)
    minutes = generator.uniform(0, 60, load.shape[1])
    found = units_for_mean_target(load, weights, minutes, 45, 0.9)
    for cell in (0, 100, 101, 102, 449):
        alone = units_for_mean_target(load[:, [cell]], weights[:, [cell]], minutes[cell], 45, 0.9)
        assert alone.tolist() == [found[cell]]


@given(st.lists(st.floats(0, 20), min_size=2, max_size=6), st.floats(0, 5), st.floats(0.05, 0.99))
def test_more_load_in_every_sample_never_needs_fewer_units(load, extra, share):
    quiet, busy = np.array(load)[:, None], np.array(load)[:, None] + extra
    few, many = units_for_mean_target(np.hstack([quiet, busy]), None, 10, 45, share)
    assert few <= many


# ---- the chance that calls are late ----


def test_a_sample_with_more_calls_weighs_more_in_the_chance_of_a_late_call():
    load, calls = np.array([[1.0], [2.5]]), np.array([[2.0], [8.0]])
    quiet, busy = (float(chance_waits_longer(3, a, 10, 30)) for a in (1.0, 2.5))
    found = late_chances(3, load, calls, minutes=10, service_minutes=30)
    assert found.chance_late.tolist() == pytest.approx([0.2 * quiet + 0.8 * busy])
    any_late = (1 - math.exp(-2 * quiet) + 1 - math.exp(-8 * busy)) / 2
    assert found.chance_any_late.tolist() == pytest.approx([any_late])


def test_the_range_of_late_chances_runs_from_a_quiet_tenth_to_a_busy_tenth():
    load = np.linspace(0.5, 3.5, 101)[:, None]
    found = late_chances(5, load, np.ones_like(load), minutes=5, service_minutes=45)
    assert found.chance_late_low[0] == chance_waits_longer(5, load[10, 0], 5, 45)
    assert found.chance_late_high[0] == chance_waits_longer(5, load[90, 0], 5, 45)


def test_cells_without_calls_are_averaged_evenly_and_have_no_late_call():
    load = np.array([[1.0], [2.5]])
    found = late_chances(3, load, np.zeros_like(load), minutes=10, service_minutes=30)
    assert found.chance_late.tolist() == pytest.approx([float(chance_waits_longer(3, load, 10, 30).mean())])
    assert found.chance_any_late.tolist() == [0]


def test_units_minutes_and_service_may_differ_by_cell():
    load, calls = np.array([[1.0, 4.0], [2.0, 6.0]]), np.array([[1.0, 3.0], [2.0, 5.0]])
    both = late_chances([3, 8], load, calls, minutes=[5, 15], service_minutes=[30, 60])
    for cell, (units, minutes, service) in enumerate([(3, 5, 30), (8, 15, 60)]):
        one = late_chances(units, load[:, [cell]], calls[:, [cell]], minutes, service)
        assert [field[0] for field in one] == [field[cell] for field in both]


def test_staffing_for_the_mean_target_keeps_the_chance_of_a_late_call_within_it():
    generator = np.random.default_rng(4)
    load = generator.gamma(2, 2, (30, 80))
    units = units_for_mean_target(load, load, 10, 45, 0.9)
    assert late_chances(units, load, load, 10, 45).chance_late.max() <= 0.1 + 1e-9
    late_with_one_fewer = late_chances(units - 1, load, load, 10, 45).chance_late
    assert late_with_one_fewer[units > 1].min() > 0.1


# ---- workload ----


def test_workload_is_rounded_up_to_whole_units_but_rounding_noise_is_not():
    load = [0, 0.001, 3.0000000001, 3.001, 2.9999999999, 1_000_000.0000001]
    assert workload_units(load, 1).tolist() == [0, 1, 3, 4, 3, 1_000_000]
    assert workload_units([0.3, 0.7, 2.1], [0.1, 0.1, 0.7]).tolist() == [3, 7, 3]


@given(st.integers(1, 5_000), st.integers(1, 100))
def test_a_whole_number_of_units_survives_division_by_any_utilisation(units, percent):
    assert workload_units(units * (percent / 100), percent / 100) == units


# ---- the load that jobs carry from hour to hour ----


def test_a_flat_week_carries_the_load_of_each_hour_alone():
    carried = carried_load(np.full(168, 3.2), service_minutes=75)
    np.testing.assert_allclose(carried.mean_of_hour, 3.2 * 75 / 60, rtol=1e-13)
    np.testing.assert_allclose(carried.max_of_hour, 3.2 * 75 / 60, rtol=1e-13)
    by_hour_alone = units_for_target(np.full(168, 3.2 * 75 / 60), 10, 75, 0.9)
    assert units_for_target(carried.max_of_hour, 10, 75, 0.9).tolist() == by_hour_alone.tolist()


def test_an_empty_start_fills_up_exponentially():
    rate, service_minutes, hours = 5.0, 90.0, np.arange(1, 25)
    steady, pace = rate * service_minutes / 60, 60 / service_minutes
    carried = carried_load(np.full(24, rate), service_minutes, initial=0)
    np.testing.assert_allclose(carried.max_of_hour, steady * (1 - np.exp(-pace * hours)))
    kept = (np.exp(-pace * (hours - 1)) - np.exp(-pace * hours)) / pace
    np.testing.assert_allclose(carried.mean_of_hour, steady * (1 - kept))


def test_a_shift_that_starts_with_a_backlog_is_busiest_as_it_starts():
    carried = carried_load([0.0, 0.0], service_minutes=60, initial=8)
    np.testing.assert_allclose(carried.max_of_hour, [8, 8 * math.exp(-1)])
    np.testing.assert_allclose(carried.mean_of_hour, 8 * np.exp([0, -1]) * (1 - math.exp(-1)))


def test_stepping_through_each_hour_in_small_steps_gives_the_same_loads():
    rates = [2.0, 0.0, 6.5, 9.0, 1.0, 1.0, 4.0]
    service_minutes = [45.0, 45.0, 90.0, 150.0, 30.0, 60.0, 20.0]
    steps, load = 2_000, 1.7
    means, maxima = [], []
    for rate, minutes in zip(rates, service_minutes, strict=True):

        def change(m, rate=rate, pace=60 / minutes):
            return rate - pace * m

        seen, h = [load], 1 / steps
        for _ in range(steps):
            first = change(load)
            second = change(load + h / 2 * first)
            third = change(load + h / 2 * second)
            fourth = change(load + h * third)
            load += h / 6 * (first + 2 * second + 2 * third + fourth)
            seen.append(load)
        means.append((sum(seen) - (seen[0] + seen[-1]) / 2) / steps)
        maxima.append(max(seen))

    carried = carried_load(rates, service_minutes, initial=1.7)
    np.testing.assert_allclose(carried.mean_of_hour, means, rtol=1e-6)
    np.testing.assert_allclose(carried.max_of_hour, maxima, rtol=1e-12)


def test_simulated_jobs_occupy_units_as_the_carried_load_says():
    rates, service_minutes, days = [1.0, 12.0, 3.0, 0.5], 80, 4_000
    chance = random.Random(21)
    busy_hours = [0.0] * len(rates)
    for _ in range(days):
        for hour, rate in enumerate(rates):
            begins = hour + chance.expovariate(rate)
            while begins < hour + 1:
                ends = begins + chance.expovariate(60 / service_minutes)
                for later in range(hour, len(rates)):
                    busy_hours[later] += max(0.0, min(ends, later + 1) - max(begins, later))
                begins += chance.expovariate(rate)
    simulated = [hours / days for hours in busy_hours]
    expected = carried_load(rates, service_minutes, initial=0).mean_of_hour.tolist()
    assert simulated == pytest.approx(expected, rel=0.03)


def test_finer_hours_approach_the_closed_form_of_a_sinusoidal_week():
    """A rate r + A sin(w t) makes a load r / mu + A (mu sin(w t) - w cos(w t)) / (mu^2 + w^2)."""

    def error(steps_an_hour):
        # With several steps an hour, a job lasts more of them and fewer jobs begin in each.
        base, swing, pace = 6 / steps_an_hour, 4 / steps_an_hour, 1 / (1.5 * steps_an_hour)
        turn = 2 * math.pi / (24 * steps_an_hour)
        middle = np.arange(7 * 24 * steps_an_hour) + 0.5
        wave = pace * np.sin(turn * middle) - turn * np.cos(turn * middle)
        closed_form = base / pace + swing * wave / (pace**2 + turn**2)
        carried = carried_load(base + swing * np.sin(turn * middle), 60 / pace)
        return np.abs(carried.mean_of_hour - closed_form)[middle > 48 * steps_an_hour].max()

    errors = [error(steps_an_hour) for steps_an_hour in (1, 2, 4, 8)]
    assert errors[0] < 0.005 * 9  # half a percent of the mean load
    assert all(fine < coarse / 3.5 for coarse, fine in pairwise(errors))


def test_every_job_begun_is_worked_sooner_or_later():
    rates = np.zeros(400)
    rates[:24] = np.random.default_rng(1).uniform(0, 9, 24)
    carried = carried_load(rates, service_minutes=110, initial=0)
    assert carried.mean_of_hour.sum() == pytest.approx(rates.sum() * 110 / 60)


def test_the_peak_of_the_load_comes_after_the_peak_of_the_calls():
    rates = np.array([1.0, 1, 2, 8, 3, 1, 1, 1])
    carried = carried_load(rates, service_minutes=120)
    assert carried.mean_of_hour.argmax() > rates.argmax()
    assert carried.max_of_hour.max() < rates.max() * 2
    assert (carried.mean_of_hour <= carried.max_of_hour).all()


def test_series_are_carried_side_by_side():
    rates = np.random.default_rng(9).uniform(0, 6, (2, 3, 48))
    minutes_by_series = np.array([[20.0], [60.0], [150.0]])
    starts = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    together = carried_load(rates, minutes_by_series, initial=starts)
    assert together.mean_of_hour.shape == together.max_of_hour.shape == (2, 3, 48)
    for row in range(2):
        for series in range(3):
            alone = carried_load(rates[row, series], minutes_by_series[series, 0], initial=starts[row, series])
            np.testing.assert_allclose(together.mean_of_hour[row, series], alone.mean_of_hour)
            np.testing.assert_allclose(together.max_of_hour[row, series], alone.max_of_hour)


def test_a_service_time_of_each_hour_changes_the_pace_of_jobs_in_hand():
    carried = carried_load([0.0, 0.0], service_minutes=[60, 30], initial=1)
    np.testing.assert_allclose(carried.max_of_hour, [1, math.exp(-1)])
    last_hour = math.exp(-1) * (1 - math.exp(-2)) / 2
    np.testing.assert_allclose(carried.mean_of_hour[1], last_hour)


# ---- what may come in ----


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: erlang_b(3, -0.5), "offered_load must be 0 or more and finite, but it is -0.5."),
        (
            lambda: erlang_c(3, [1.0, -2.0, math.nan]),
            "offered_load must be 0 or more and finite, but 2 of its 3 values are not. "
            "The first is -2.0, at index (1,).",
        ),
        (lambda: erlang_c(-1, 1.0), "units must be 0 or more and finite, but it is -1.0."),
        (lambda: erlang_c(2.5, 1.0), "units must be a whole number, but it is 2.5."),
        (
            lambda: erlang_c([1, 2], [1.0, 2.0, 3.0]),
            "These shapes do not fit together: units (2,), offered_load (3,). Counted from the "
            "last axis, the lengths of an axis must be the same or 1.",
        ),
        (
            lambda: chance_waits_longer(3, 1.0, -1, 30),
            "minutes must be 0 or more and finite, but it is -1.0.",
        ),
        (
            lambda: mean_wait_minutes(3, 1.0, 0),
            "service_minutes must be above 0 and finite, but it is 0.0.",
        ),
        (
            lambda: units_for_target(3.0, 10, 45, 1.0),
            "share must be above 0 and below 1, such as 0.9, but it is 1.0.",
        ),
        (
            lambda: units_for_target(math.inf, 10, 45, 0.9),
            "offered_load must be 0 or more and finite, but it is inf.",
        ),
        (
            lambda: units_for_mean_target([1.0, 2.0], None, 10, 45, 0.9),
            "loads must have the shape (samples, cells), with at least one sample, but has the shape (2,).",
        ),
        (
            lambda: units_for_mean_target([[1.0, 2.0]], [[1.0], [2.0]], 10, 45, 0.9),
            "weights must be a number or an array that broadcasts to the shape (1, 2), but has the shape (2, 1).",
        ),
        (
            lambda: units_for_mean_target([[1.0, 2.0]], None, 10, 45, 0),
            "share must be above 0 and below 1, such as 0.9, but it is 0.0.",
        ),
        (
            lambda: late_chances([1, 2, 3], [[1.0, 2.0]], 1.0, 10, 45),
            "units must be a number or an array that broadcasts to the shape (1, 2), but has the shape (3,).",
        ),
        (
            lambda: late_chances(3, [[1.0]], [[-1.0]], 10, 45),
            "arrivals must be 0 or more and finite, but 1 of its 1 values are not. The first is -1.0, at index (0, 0).",
        ),
        (
            lambda: workload_units(3.0, 1.2),
            "utilisation must be above 0 and at most 1, such as 0.6, but it is 1.2.",
        ),
        (
            lambda: carried_load([], 30),
            "arrival_rates must hold at least one hour along its last axis, but has the shape (0,).",
        ),
        (
            lambda: carried_load([1.0, 2.0], 30, initial=[1.0, 2.0]),
            "initial must be a number or an array that broadcasts to the shape (), but has the shape (2,).",
        ),
    ],
)
def test_a_bad_argument_is_answered_with_a_sentence_that_names_it(call, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        call()


def test_arguments_are_left_as_they_were():
    load, rates = np.array([3.0, 1.0]), np.array([4.0, 0.0])
    units_for_target(load, 10, 45, 0.9)
    erlang_c([4, 2], load)
    carried_load(rates, 45)
    assert load.tolist() == [3.0, 1.0]
    assert rates.tolist() == [4.0, 0.0]


def test_every_example_in_the_docstrings_runs():
    outcome = doctest.testmod(queueing)
    assert outcome.attempted >= 9
    assert outcome.failed == 0


# ---- units that are away ----


@given(
    st.lists(st.floats(0.05, 20), min_size=1, max_size=5),
    st.integers(0, 9),
    st.floats(0, 60),
    st.floats(0.05, 0.99),
)
def test_as_many_more_units_are_asked_for_as_are_away_in_every_sample(loads, away, minutes, share):
    samples = np.array(loads)[:, None]
    without = units_for_mean_target(samples, None, minutes, 45, share)
    assert units_for_mean_target(samples, None, minutes, 45, share, away) == without + away


@given(
    st.lists(st.tuples(st.floats(0.05, 12), st.integers(0, 6)), min_size=2, max_size=6),
    st.floats(0, 40),
    st.floats(0.1, 0.97),
)
def test_the_fewest_units_meet_the_target_over_samples_that_differ_in_units_away(samples, minutes, share):
    loads = np.array([[load] for load, _ in samples])
    away = np.array([[gone] for _, gone in samples])

    def on_time(units: int) -> float:
        left = np.maximum(units - away, 0)
        late = np.where(left > 0, chance_waits_longer(left, loads, minutes, 45), 1.0)
        return float(1 - late.mean())

    fewest = int(units_for_mean_target(loads, None, minutes, 45, share, away)[0])
    assert on_time(fewest) >= share * (1 - 1e-9)
    assert fewest == 1 or on_time(fewest - 1) < share


@pytest.mark.parametrize("mean", [0.0, 0.3, 2.5, 40.0])
def test_points_of_a_poisson_distribution_have_its_mean_and_spread(mean):
    points = poisson_points(mean, 4000)
    assert points.mean() == pytest.approx(mean, rel=0.01)
    assert points.var() == pytest.approx(mean, rel=0.02)
    assert (np.diff(points) >= 0).all()
