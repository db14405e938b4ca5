"""How near `answering` comes to a queue that is played call by call, and how long two weeks of quarter-hours take.

    python benchmarks/answering.py

Two lines share their people, the first answered first; what differs between them is handling, patience or both. Each
case is played for 4,000 hours with two seeds.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.played import played

from bluelamp.answering import Lines
from bluelamp.call_takers import Target, require_agents

# People, calls an hour, minutes of handling, minutes of patience, seconds promised; by line.
CASES = (
    (10, (20, 60), (6, 6), (2, 15), (10, 120)),
    (10, (20, 60), (4, 7), (8, 8), (10, 120)),
    (10, (20, 60), (4, 7), (2, 15), (10, 120)),
    (13, (28, 54), (6.5, 6.5), (3, 53), (10, 60)),
    (17, (28, 54), (4, 9), (3, 53), (10, 60)),
    (17, (28, 54), (9, 5), (3, 53), (10, 60)),
)
HOURS = 4000


def main() -> None:
    """Print both tables."""
    print("people  calls an hour  handling    patience    played           played           worked out")
    for agents, calls, handling, patience, seconds in CASES:
        by_play = [played(agents, calls, handling, patience, seconds, HOURS, seed)[0] for seed in (1, 2)]
        some = Lines(
            np.array(calls, dtype=float)[None, :, None], np.array(handling, dtype=float)[:, None],
            np.array(patience, dtype=float), np.array(seconds, dtype=float), np.full(2, 0.9),
        )  # fmt: skip
        shares = [*by_play, some.shares(agents)[0][:, 0]]
        told = "  ".join(f"{first:.3f} and {second:.3f}" for first, second in shares)
        print(f"{agents:>6}  {calls!s:>13}  {handling!s:>10}  {patience!s:>10}  {told}")
    starts = pl.datetime_range(
        datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 19, tzinfo=UTC), "15m", closed="left", eager=True
    ).cast(pl.Datetime("us", "UTC"))
    day = 1 + 0.6 * np.sin(2 * np.pi * (np.arange(len(starts)) / 96 - 0.4))
    # A county's 16,436 contacts a week, a quarter of them by 999 and half by 101, over 500 paths.
    level = np.random.default_rng(1).gamma(50, 1 / 50, (500, 1, 1))
    rates = level * 16_436 / 7 / 96 * np.array([0.26, 0.5])[None, :, None] * day
    targets = (Target("999", 10, 0.9), Target("101", 60, 0.9))
    for is_shared in (True, True, False):
        began = time.perf_counter()
        table = require_agents(
            starts, rates, ["999", "101"], np.full((2, 24), 6.5), np.array([3.0, 50.0]), targets, is_shared=is_shared,
            abstraction=0.3, time_zone="Europe/London",
        )  # fmt: skip
        hours = table.filter(channel="all")["agents_required"].sum() / 4 / 14
        how = "shared by both lines" if is_shared else "each line by itself"
        print(f"{len(starts):,} quarter-hours, {how}: {time.perf_counter() - began:.1f} s, {hours:.0f} hours a day")


if __name__ == "__main__":
    main()
