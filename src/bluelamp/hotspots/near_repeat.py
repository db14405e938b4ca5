"""Near-repeat: a lasting risk of each place, and offences that for some weeks draw others to where they were.

A self-exciting point process in steps of weeks and rings of cells: G. Mohler et al. (2011), *Self-exciting point
process modeling of crime*, J. Am. Stat. Assoc. 106, with a background from all weeks and with triggering that has no
given shape (D. Marsan and O. Lengliné 2008, Science 319).
"""

from __future__ import annotations

from bluelamp.hotspots._mixture import combine, gather_weeks, weigh
from bluelamp.hotspots._past import Fitted, Floats, Past

# Weeks ago, first and last, that may draw others.
LAGS = ((1, 1), (2, 2), (3, 4), (5, 8))


def fit(past: Past) -> Fitted:
    """Learn how much lasts and how much is drawn, from where and for how long."""
    weeks = past.learning_weeks()
    if not weeks:
        return Fitted(lambda at: at.window(None), "too short a history to learn from: counts")
    names, expected, came, sums = gather_weeks(_parts, weeks)
    weights = weigh(expected, came, sums)
    drawn = sum(
        weight * total for name, weight, total in zip(names, weights, sums, strict=True) if name.startswith("drawn")
    ) / max(float(weights @ sums), 1e-12)
    return Fitted(
        lambda at: combine(weights, _parts(at)), f"{drawn:.0%} of offences drawn by others of the last eight weeks"
    )


def _parts(past: Past) -> dict[str, Floats]:
    lasting = past.window(None)
    found = {
        "lasting by shift": lasting,
        "lasting": past.whole_days(lasting),
        "everywhere": lasting.sum(axis=0) * past.history.even,
    }
    for number, ring in enumerate(past.history.rings, 1):
        found[f"lasting, ring {number}"] = past.whole_days(ring.mean(lasting))
    for first, last in LAGS:
        recent = past.whole_days(past.lagged(first, last))
        found[f"drawn, {first} to {last} weeks"] = recent
        for number, ring in enumerate(past.history.rings, 1):
            found[f"drawn, {first} to {last} weeks, ring {number}"] = ring.mean(recent)
    return found
