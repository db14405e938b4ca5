"""The test by betting: it may be looked at every week, seldom errs, and finds a method that loses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import betting
from bluelamp.betting import OWN, follow, measure

NOT_SWITCHED = 10**6


def switched_after(differences: np.ndarray) -> int:
    """Weeks until the method is switched off."""
    weeks = np.flatnonzero(follow(differences).in_use != OWN)
    return int(weeks[0]) + 1 if len(weeks) else NOT_SWITCHED


def days_that_hang_together(chance: np.random.Generator, weeks: int, correlation: float) -> np.ndarray:
    """Differences by week whose days follow each other, none better on average."""
    days = chance.standard_normal(7 * weeks + 50)
    for day in range(1, len(days)):
        days[day] += correlation * days[day - 1]
    return days[50:].reshape(weeks, 7).sum(axis=1)[:, None]


@pytest.mark.parametrize(
    "draw",
    [
        lambda chance: chance.standard_normal((260, 1)),
        lambda chance: chance.standard_t(3, (260, 1)),
        lambda chance: days_that_hang_together(chance, 260, 0.3),
        # Four opponents that lose together.
        lambda chance: chance.standard_normal((260, 1)) + 0.3 * chance.standard_normal((260, 4)),
        # A method that knows what comes with a holiday: it loses a little, and wins much once in twenty weeks.
        lambda chance: chance.standard_normal((260, 1)) + np.where(chance.random((260, 1)) < 0.05, -2.5, 2.5 / 19),
    ],
    ids=["plain", "heavy tails", "days that hang together", "four opponents", "rare wins"],
)
def test_a_method_that_is_no_worse_is_seldom_switched_off_in_five_years_of_looks(draw):
    chance = np.random.default_rng(11)
    switched = [switched_after(draw(chance)) < NOT_SWITCHED for _ in range(120)]
    assert np.mean(switched) <= betting.ALPHA + 0.02  # 120 courses tell a share to within 4 points, 19 times in 20


def test_the_worse_a_method_is_the_sooner_it_is_switched_off():
    chance = np.random.default_rng(12)
    weeks = [
        np.median([switched_after(chance.standard_normal((260, 1)) + worse) for _ in range(40)])
        for worse in (0.5, 1.0, 2.0)
    ]
    assert weeks == sorted(weeks, reverse=True)
    assert weeks[-1] <= 26
    assert weeks[0] <= 75


def test_a_method_that_gets_better_comes_back_by_the_same_test():
    chance = np.random.default_rng(13)
    lost, won = chance.standard_normal((60, 2)) + 1.5, chance.standard_normal((80, 2)) - 1.5
    in_use = follow(np.concatenate([lost, won])).in_use
    assert in_use[59] != OWN
    assert in_use[-1] == OWN
    off, on = (int(np.flatnonzero(in_use != OWN)[place]) for place in (0, -1))
    assert (in_use[off : on + 1] == in_use[off]).all(), "one method stands in, until the other comes back"


def test_a_better_method_is_never_near_to_being_switched_off():
    chance = np.random.default_rng(14)
    assert follow(chance.standard_normal((260, 4)) - 0.5).e_value.max() < 5


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 40), st.integers(0, 10**6), st.floats(0.001, 1000))
def test_what_comes_later_changes_no_earlier_week_and_units_change_nothing(cut, seed, unit):
    differences = np.random.default_rng(seed).standard_normal((60, 3)) + 0.8
    whole, part = follow(differences), follow(differences[:cut])
    assert (whole.e_value[:cut] == part.e_value).all()
    assert (whole.in_use[:cut] == part.in_use).all()
    assert follow(differences * unit).e_value == pytest.approx(whole.e_value)


def test_nothing_is_bet_before_it_is_known_how_large_differences_are_nor_on_an_opponent_that_is_not_there():
    differences = np.full((20, 2), np.nan)
    differences[:, 0] = 1.0
    differences[10:, 1] = 1.0
    bets = measure(differences)
    first = betting.FIRST_WEEKS
    assert (bets[:first, 0] == 0).all()
    assert (bets[first:, 0] == 1).all()
    assert (bets[: 10 + first, 1] == 0).all()
    assert (bets[10 + first :, 1] == 1).all()
    assert not measure(np.zeros((20, 1))).any(), "methods that are the same are never told apart"


def test_one_lost_week_however_bad_switches_nothing_off():
    differences = 0.01 * np.random.default_rng(15).standard_normal((60, 1))
    differences[50] = 1000.0
    assert (follow(differences).in_use == OWN).all()


def test_the_bets_are_those_of_the_formula():
    differences = np.array([[1.0], [-1.0], [1.0], [1.0], [2.0], [-0.5]])
    # Until then differences were 1 on average, then the root of 8/5.
    outcomes = [min(2.0, betting.LOST) / betting.WON, -0.5 / np.sqrt(8 / 5) / betting.WON]
    worth = np.mean([np.prod([1 + stake * outcome for outcome in outcomes]) for stake in betting.STAKES])
    assert follow(differences).e_value[-1] == pytest.approx(worth)
