"""Areas whose share of their district changed for good: a beat that moved its border, one that is new, one that merged.

A share is compared before and after each week by the likelihood ratio of two Poisson rates against one (a change point
at an unknown time: Hinkley and Hinkley 1970, Biometrika 57), divided by how much weeks differ beyond chance. Where it
is beyond doubt, what came before says nothing of the share any more, and is left out of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bluelamp.forecast._history import Floats, Integers

# How much more likely (log) a change must make the weeks, how many weeks lie on either side of it at least, and by
# which factor it must change the share: less is not worth the weeks that are left out.
_ENOUGH, _LEAST_WEEKS, _LEAST_FACTOR = 15.0, 4, 1.2
# What an area without an incident has had, so that a share is never nothing.
_LEAST = 0.1


@dataclass(frozen=True)
class Change:
    """A change of an area's share: the first day from which it holds, and the share after over the share before."""

    area: int
    day: int
    ratio: float


def find_changes(seen: Floats, district_of_area: Integers) -> list[Change]:
    """Find the last change of each area's share of its district, from incidents seen, areas × days.

    Days are taken by weeks that end with the last day.
    """
    days = seen.shape[1]
    first = days % 7
    weekly = seen[:, first:].reshape(len(seen), -1, 7).sum(axis=2)
    found = []
    for district in np.unique(district_of_area):
        members = np.flatnonzero(district_of_area == district)
        whole = weekly[members].sum(axis=0)
        for area in members:
            change = _last_change(weekly[area], whole)
            if change is not None:
                week, ratio = change
                found.append(Change(int(area), first + 7 * week, ratio))
    return found


def _last_change(part: Floats, whole: Floats) -> tuple[int, float] | None:
    """Find the last week from which a part has another share of a whole, and by what factor."""
    found, start = None, 0
    while (week := _change(part[start:], whole[start:])) is not None:
        before = _share(part[start : start + week], whole[start : start + week])
        start += week
        found = start, _share(part[start:], whole[start:]) / before
    return found


def _change(part: Floats, whole: Floats) -> int | None:
    """Find the week that parts two shares best, if it is beyond doubt."""
    weeks = np.arange(_LEAST_WEEKS, len(part) - _LEAST_WEEKS + 1)
    if not len(weeks):
        return None
    upto, of = np.cumsum(part)[weeks - 1], np.cumsum(whole)[weeks - 1]
    gain = (
        _likelihood(upto, of) + _likelihood(part.sum() - upto, whole.sum() - of) - _likelihood(part.sum(), whole.sum())
    )
    best = int(gain.argmax())
    week = int(weeks[best])
    shares = [_share(part[some], whole[some]) for some in (slice(None, week), slice(week, None))]
    if max(shares) < _LEAST_FACTOR * min(shares):
        return None
    due = np.where(np.arange(len(part)) < week, shares[0], shares[1]) * whole
    beyond = ((part - due) ** 2 / np.maximum(due, 0.5)).sum() / max(len(part) - 2, 1)
    return week if gain[best] > _ENOUGH * max(float(beyond), 1.0) else None


def _likelihood(part: Floats, whole: Floats) -> Floats:
    """Give the log likelihood of Poisson counts at the rate that they have, but for what is the same for all rates."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(part > 0, part * np.log(part / whole), 0.0)
    return found


def _share(part: Floats, whole: Floats) -> float:
    return float((part.sum() + _LEAST) / (whole.sum() + 2 * _LEAST))
