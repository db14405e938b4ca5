"""The simulation of dispatch: queues with known answers, drawn worlds, and a slow referee, event by event."""

from __future__ import annotations

import numpy as np
import pytest
from slow_dispatch import Dispatch

from bluelamp.simulation import Cover, Jobs, Rules, Travel, Units, replicate, simulate

# ---- event by event against the referee ----

FEATURES = (
    "priorities", "pools", "also", "help", "kinds", "abilities", "several", "at_once", "duties", "breaks", "vehicles",
    "matrix", "reserve", "regrades", "taking", "patience", "parents", "commitments", "near_the_end", "open",
)  # fmt: skip


def draw_world(seed: int, features: set[str]):
    """Draw a small world; times are halves, so that much happens in the same minute and sums are exact."""
    chance = np.random.default_rng(seed)
    hours, count, duties, places, pools = 6, int(chance.integers(5, 45)), int(chance.integers(2, 9)), 3, 3
    kinds = 2 if "kinds" in features else 1

    def halves(low, high, shape):
        return chance.integers(2 * low, 2 * high + 1, shape) / 2

    def some(share, shape, name):
        return (chance.random(shape) < share) & (name in features)

    pool = chance.integers(0, pools, duties) if "pools" in features else np.zeros(duties, dtype=int)
    pool[: min(pools, duties)] = np.arange(min(pools, duties)) if "pools" in features else 0
    kind = chance.integers(0, kinds, duties)
    kind[:kinds] = np.arange(kinds)
    abilities = np.where(some(0.5, duties, "abilities"), 1, 3)
    abilities[:kinds] = 3
    starts = np.zeros(duties)
    ends = np.full(duties, np.inf)
    if "duties" in features:
        starts = halves(-30 if "open" in features else 0, 200, duties)
        ends = starts + halves(60, 300, duties)
    units = Units.of(
        starts, ends, pool=pool, kind=kind, abilities=abilities,
        place=chance.integers(0, places, duties), briefing=halves(0, 20, duties) if "duties" in features else 0,
        break_from=np.where(some(0.7, duties, "breaks"), halves(20, 200, duties), np.nan), break_minutes=halves(5, 40, duties),
    )  # fmt: skip
    wants = np.zeros((count, kinds), dtype=int)
    wants[np.arange(count), chance.integers(0, kinds, count)] = 1
    at_once = some(0.4, count, "at_once")
    for each in np.flatnonzero(some(0.4, count, "several") | at_once):
        wants[each] += chance.integers(0, 2, kinds)
    wants = np.where(at_once[:, None], np.minimum(wants, np.bincount(kind, minlength=kinds)), wants)
    handed_over = some(0.15, count, "commitments") & (wants.sum(axis=1) == 1) & ~at_once
    ready = np.sort(halves(-40 if "open" in features else 0, 300, count))
    parent = np.where(some(0.25, count, "parents") & (np.arange(count) > 2), chance.integers(0, 3, count), -1)
    top = 3 if "priorities" in features else 1
    priority = chance.integers(0, top, count)
    jobs = Jobs.of(
        np.where(parent >= 0, halves(0, 60, count), ready), np.where(handed_over, halves(30, 250, count), halves(0, 40, count)),
        place=chance.integers(0, places if "pools" in features else 1, count), priority=priority, units=wants,
        asks=np.where(some(0.3, count, "abilities"), 2, 0), is_at_once=at_once, after_minutes=halves(0, 20, count),
        further_minutes=halves(0, 30, (count, 2)),
        travel=halves(0, 15, (count, 2)) if "matrix" not in features else np.where(chance.random((count, 2)) < 0.3, 4.0, np.nan),
        stretch=chance.choice([0.5, 1.0, 2.0], (count, 2)),
        regraded_at=np.where(some(0.3, count, "regrades"), halves(0, 320, count), np.nan),
        regraded_to=chance.integers(0, top, count), regraded_asks=np.where(some(0.3, count, "abilities"), 2, 0),
        patience=np.where(some(0.4, count, "patience"), halves(0, 60, count), np.inf), parent=parent,
        is_handed_over=handed_over, may_be_left=(chance.random(count) < 0.7) & ~handed_over,
    )  # fmt: skip
    own = np.zeros((places, 1), dtype=int)
    if "pools" in features:
        own = chance.choice(pool, (places, hours) if "duties" in features else (places, 1))
    cover = Cover.of(
        own, also=chance.integers(-1, pools, (places, 2)) if "also" in features else None,
        help=chance.permuted(np.tile(np.arange(pools), (places, 1)), axis=1) if "help" in features else None,
        vehicles=chance.integers(1, 3, pools) if "vehicles" in features else np.full(pools, -1),
    )  # fmt: skip
    rules = Rules(
        keep_free=np.sort(chance.integers(0, 3, (pools, 3)), axis=1) if "reserve" in features else None,
        help_to=int(chance.integers(0, 3)) if "help" in features else -1, help_units=int(chance.integers(1, 4)),
        help_travel_factor=2.0, takes_from=np.array([[0, 2, 1], [0, 0, 2], [0, 0, 0]]) if "taking" in features else None,
        last_minutes=30.0 if "near_the_end" in features else 0.0, last_for=0, last_minutes_handed_over=60.0,
        relief_before=float(chance.choice([0, 20, 45])), clearing=0.5,
        is_nearest=bool("matrix" in features and chance.random() < 0.7), may_pass=bool(chance.random() < 0.3),
    )  # fmt: skip
    travel = None
    if "matrix" in features:
        travel = Travel(halves(0, 20, (places, places)), chance.choice([0.5, 1.0, 2.0], hours))
    return jobs, units, cover, rules, travel, hours


def assert_agrees(seed: int, features: set[str]) -> int:
    jobs, units, cover, rules, travel, hours = draw_world(seed, features)
    found = simulate(jobs, units, cover, rules, travel, hours=hours, keep=True)
    referee = Dispatch(jobs, units, cover, rules, travel, hours).run()
    ours = [list(row) for row in zip(*(each.tolist() for each in found.sendings), strict=True)]
    for number, (mine, theirs) in enumerate(zip(ours, referee.sendings, strict=False)):
        assert mine[:3] == theirs[:3], f"sending {number}: {mine}, {theirs}"
        np.testing.assert_array_equal(mine, theirs, f"sending {number}")
    assert len(ours) == len(referee.sendings)
    for name in ("ready", "lapsed"):
        np.testing.assert_array_equal(getattr(found, name), [getattr(job, name) for job in referee.jobs], name)
    for name in ("out_from", "out_until", "overtime"):
        np.testing.assert_array_equal(getattr(found, name), [getattr(unit, name) for unit in referee.units], name)
    np.testing.assert_array_equal(found.busy, referee.busy(), "busy")
    np.testing.assert_array_equal(found.minutes, referee.minutes(found.minutes.shape[1]), "minutes")
    return len(ours)
