"""Whether one forecaster loses to others, told while it goes on: a test that may be looked at after every week.

Somebody who believes that a forecaster is no worse than its opponent would offer fair bets on which of the two is
nearer in each week. We take a stake of 1 and bet, each week anew, that the forecaster loses. If the belief holds, no
way of betting makes money on average, and the stake is ever multiplied by 20 with a chance of 1 in 20 at most, however
long one goes on and whenever one looks (Ville's inequality). So the stake's worth, the e-value, is evidence: at
1/alpha the belief is given up, with a false-switch rate of alpha over all time.

Of a week with score difference x (the forecaster's less the opponent's; above nil, it loses) the bet is on

    d = x / (WON × r), cut to [−1, LOST / WON],    r² = mean of the x² of the weeks before,

so that a week in which the forecaster loses counts for no more than LOST usual ones, and one in which it wins for up to
WON. To cut what speaks against the forecaster only favours it; what speaks for it is seldom cut, because a method that
knows what comes with Christmas may earn in one week what it loses in ten. The e-value after weeks 1 … t is the mean
over stakes λ of Π (1 + λ d): what a bettor earns who moves from week to week to the stakes that have done best (Cover
1991, Math. Finance 1, 1–29), so that nothing has to be known of how large differences are. Of several opponents the
e-values are averaged: the mean is one for the belief that the forecaster is no worse than any of them (Vovk and Wang
2021, Ann. Stat. 49, 1736–1754).

Sources: Y. J. Choe and A. Ramdas (2024), Comparing sequential forecasters, Operations Research 72, 1368–1387;
I. Waudby-Smith and A. Ramdas (2024), Estimating means of bounded random variables by betting, J. R. Stat. Soc. B 86,
1–27. What is assumed, and how often that is wrong: docs/explanation/the-scoreboard.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ALPHA = 0.05
STAKES = np.array([0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95])
# How many times what is usual a week may count for: one that is lost, and one that is won.
LOST, WON = 1.5, 3.0
# Weeks that only show how large differences are.
FIRST_WEEKS = 4
OWN = -1


@dataclass(frozen=True)
class Course:
    """What the bets came to, week by week."""

    in_use: Integers  # weeks: OWN, or the number of the opponent that stands in from the next week on
    e_value: Floats  # weeks: worth of the bets on what is asked in that week, before a switch sets it back to 1
    by_opponent: Floats  # weeks × opponents: the same against each


def measure(differences: Floats) -> Floats:
    """Give each difference over what is usual, weeks × opponents; nil where there is nothing to bet on.

    `differences` are in any unit, and empty (NaN) where an opponent was not there. What is usual is told by the weeks
    before alone, so that nobody can know the outcome when the bet is made.
    """
    there = ~np.isnan(differences)
    squares = np.where(there, differences, 0.0) ** 2
    seen, summed = (np.cumsum(each, axis=0) - each for each in (there, squares))
    usual = np.sqrt(summed / np.maximum(seen, 1))
    can_bet = there & (seen >= FIRST_WEEKS) & (usual > 0)
    found: Floats = np.divide(differences, usual, out=np.zeros_like(differences), where=can_bet)
    return found


def follow(differences: Floats, alpha: float = ALPHA) -> Course:
    """Bet week by week, weeks × opponents, and switch: off when the e-value reaches 1/alpha, and on by the same test.

    Once an opponent stands in, it is asked whether the forecaster is better than that one; the bets begin at 1 again.
    """
    outcomes = measure(differences)
    weeks, opponents = outcomes.shape
    in_use = np.full(weeks, OWN, dtype=np.int64)
    e_value, by_opponent = np.ones(weeks), np.ones((weeks, opponents))
    now, worth = OWN, np.ones((opponents, len(STAKES)))
    for week in range(weeks):
        sign = 1.0 if now == OWN else -1.0
        outcome = np.clip(sign * outcomes[week], -WON, LOST) / WON
        worth = worth * (1 + STAKES * outcome[:, None])
        by_opponent[week] = worth.mean(axis=1)
        e_value[week] = by_opponent[week].mean() if now == OWN else by_opponent[week, now]
        if e_value[week] >= 1 / alpha:
            now = int(by_opponent[week].argmax()) if now == OWN else OWN
            worth = np.ones((opponents, len(STAKES)))
        in_use[week] = now
    return Course(in_use, e_value, by_opponent)
