"""Maps held against weeks that came after: each week known only by what was before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bluelamp import extensions
from bluelamp.hotspots._capture import SHARES, capture
from bluelamp.hotspots._past import Fitted, Floats, History, floor, log_likelihood

# Methods learn anew every so many weeks; what they know of the weeks before is always up to date.
_LEARN_EVERY = 13


@dataclass(frozen=True)
class Trial:
    """One method on one class over weeks held out: one row a week in each array."""

    method: str
    kind: int | None
    weeks: tuple[int, ...]
    came: Floats  # offences
    caught: Floats  # weeks × SHARES × (by the map, by the best there could have been)
    before: Floats  # weeks × SHARES: share of the map's own past that lay where it says
    likelihood: Floats  # log-likelihood of where they came
    about: str  # what the method settled on last


def try_methods(history: History, kind: int | None, methods: Sequence[str], weeks: int) -> list[Trial]:
    """Hold maps against each of the last `weeks` weeks of a history, for one class or for all together.

    Weeks of which half or more was not seen are left out.
    """
    held = [
        week
        for week in range(max(history.weeks - weeks, 1), history.weeks)
        if history.seen[week].min(initial=1.0) > 0.5
    ]
    found = []
    for method in methods:
        came, caught, before, told = [], [], [], []
        fitted = Fitted(lambda past: past.window(None), "")
        learnt_at = -_LEARN_EVERY
        for week in held:
            past = history.until(week, kind)
            if week - learnt_at >= _LEARN_EVERY:
                fitted = extensions.member("hotspots", method).fit(past)
                learnt_at = week
            risk, now = fitted.risk(past), past.came()
            came.append(now.sum())
            caught.append(capture(risk, now, history.even, history.ranked))
            past_year = past.window(52)
            before.append(capture(risk, past_year, history.even, history.ranked)[:, 0] / max(past_year.sum(), 1e-12))
            told.append(log_likelihood(floor(risk, past, 0.001), now))
        found.append(
            Trial(
                method, kind, tuple(held), np.array(came), np.array(caught).reshape(-1, len(SHARES), 2),
                np.array(before).reshape(-1, len(SHARES)), np.array(told), fitted.about,
            )
        )  # fmt: skip
    return found
