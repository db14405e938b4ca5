"""The plan that is solved for a county, on replicated weeks that neither its search nor its own judging has seen."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bluelamp import intake, plan
from bluelamp.coming_work import lay_by_pool, read_coming
from bluelamp.drawn_work import by_the_hour
from bluelamp.fewest_units import WITHIN, find_fewest, worst_target
from bluelamp.solving import answer
from bluelamp.sources.twin import make_twin, write_twin

pytestmark = pytest.mark.soak

HELD, MINUTES = 0.98, 5
# Weeks of neither search nor repair nor judge, and twice as many, so that chance alone fails few hours.
FRESH, RUNS = 909, 800


@pytest.fixture(scope="module")
def county(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("county")
    write_twin(folder, make_twin(preset="county", days=182, seed=11, until=date(2026, 11, 23)))
    for name, path, chosen in intake.extracts_of(folder):
        intake.import_extract(folder, path, table=name, map_name=chosen)
    plan.plan(folder)
    return folder


def test_targets_hold_within_two_points_in_98_of_100_pool_hours_of_weeks_that_nobody_has_seen(county):
    began, worked = time.perf_counter(), time.process_time()
    found = find_fewest(county)
    took, worked = (time.perf_counter() - began) / 60, (time.process_time() - worked) / 60
    coming = read_coming(county)
    ground = coming.ground
    units = lay_by_pool(found.units, "units_solved", ground.pool_hours, coming.hours, 0.0).astype(np.int64)
    out, rules = by_the_hour(units, ground)
    judged = answer(ground, coming.cases(RUNS, FRESH), out, rules=rules)
    target, over = worst_target(coming, judged)
    error = np.take_along_axis(judged.error, target[None], axis=0)[0]
    has_calls = np.isfinite(over)
    held = float(np.mean(over[has_calls] <= WITHIN))
    said = (
        f"{held:.1%} of {has_calls.sum():,} pool-hours hold within {WITHIN:.0%} on {RUNS} fresh weeks; the standard "
        f"error of a share late is {np.median(error[has_calls]):.2%} (median), so that "
        f"{np.mean(over[has_calls] - WITHIN > 2 * error[has_calls]):.1%} fail by more than chance tells. "
        f"{units.sum():,} unit-hours, solved in {took:.1f} minutes ({worked:.1f} of a core)."
    )
    print(f"\n{said}")

    assert held >= HELD, said
    # Of two cores: whatever else the machine does must not decide.
    assert worked <= 2 * MINUTES, said
    by_pool = found.units.group_by("pool_id").agg(pl.col("units_solved").sum())
    assert (by_pool["units_solved"] > 0).all()
