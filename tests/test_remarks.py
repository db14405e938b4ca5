"""Remarks: what a planner should know beside the figures."""

from __future__ import annotations

import polars as pl
import pytest

from bluelamp import remarks
from tests.drawn import drawn

TIMES = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | incidents | source",
    "theft      | 1          | 0.5            | 2                    | 60               | 270       | measured",
    "fraud      | 1          | 0.5            | 1                    | 60               |           | prior: any",
)


def demand(theft: int, fraud: int) -> pl.DataFrame:
    return drawn(
        "demand",
        "area_id|hour_starting|class_code|grade_code|origin|incidents|deployed|officer_hours|measured",
        f"a|2026-01-05T12:00:00Z|theft|1|public|{theft}|0|0|0",
        f"a|2026-01-05T12:00:00Z|fraud|1|public|{fraud}|0|0|0",
    )


@pytest.mark.parametrize(
    ("theft", "fraud", "part"),
    [
        # A tenth of what was measured on 270, and all of what was not: (0.1 × 30 + 10) of 40 hours.
        (30, 20, "32%"),
        (0, 20, "All"),
    ],
)
def test_the_part_of_officer_hours_that_rests_on_priors_is_told(theft, fraud, part):
    (note,) = remarks.on_priors(demand(theft, fraud), TIMES)
    assert note.startswith(f"{part} of the officer-hours rest on priors")


def test_a_small_part_needs_no_remark():
    measured = TIMES.with_columns(incidents=pl.lit(3_000))
    assert remarks.on_priors(demand(30, 20), measured) == []
    assert remarks.on_priors(demand(0, 0), TIMES) == []
