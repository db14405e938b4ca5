"""When breaks begin: found in what units did, and told as shares of officers' turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from bluelamp import tables
from bluelamp.breaks import ENOUGH, BreakShares, find_breaks, find_officers_breaks, shares_of_turns
from bluelamp.committed import find_attendances
from bluelamp.duty_sheet import as_it_came, place_refreshments, turns_of
from tests.drawn import drawn
from tests.offered import LONDON
from tests.rostered import duties

BOOKED = pl.DataFrame(
    {"unit_id": ["u1"], "starts_at": [datetime(2026, 1, 5, 7, tzinfo=UTC)],
     "ends_at": [datetime(2026, 1, 5, 17, tzinfo=UTC)]}
)  # fmt: skip
HEADER = "unit_id | status_at | status | incident_id | pool_id"


def did(*presses: str) -> pl.DataFrame:
    """What unit u1 did on a day: '10:05 at_scene i'."""
    rows = []
    for press in presses:
        clock, status, *log = press.split()
        rows.append(f"u1 | 2026-01-05T{clock}Z | {status} | {''.join(log)} | R1")
    until = datetime(2026, 1, 5, 18, tzinfo=UTC)
    none = tables.empty("unit_crews"), tables.empty("incidents")
    return find_attendances(drawn("unit_status", HEADER, *rows), *none, until).attendances


@pytest.mark.parametrize(
    ("before", "due_from"),
    [
        (["10:00 available"], None),
        (["10:00 en_route i", "10:05 at_scene i", "11:58 available"], 10),
        (["10:00 en_route i", "10:05 at_scene i", "11:50 available"], None),
        (["06:00 en_route i", "06:30 at_scene i"], None),
    ],
)
def test_a_break_was_put_off_where_its_unit_came_straight_from_a_job_of_its_duty(before, due_from):
    (found,) = find_breaks(did(*before, "12:00 refreshments", "12:40 available", "17:00 off_duty"), BOOKED).to_dicts()
    assert (found["starts_at"].hour, found["ends_at"].minute) == (12, 40)
    assert (None if found["due_from"] is None else found["due_from"].hour) == due_from


def test_a_break_outside_every_duty_is_nobodys():
    assert find_breaks(did("05:00 refreshments", "05:40 available", "18:00 off_duty"), BOOKED).is_empty()


# ---- as shares ----


def seen(hours_on: float, break_after: float, days: int = ENOUGH) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What unit u1 did on days on which it came at seven for some hours and had its break at a certain hour of them."""
    starts = [datetime(2026, 1, 5, 7, tzinfo=UTC) + timedelta(days=day) for day in range(days)]
    crews = pl.DataFrame(
        {"unit_id": ["u1"] * days, "person_id": ["P1"] * days, "starts_at": starts,
         "ends_at": [each + timedelta(hours=hours_on) for each in starts]}
    )  # fmt: skip
    presses = pl.DataFrame(
        [
            {"unit_id": "u1", "status_at": each + timedelta(hours=after), "status": status, "pool_id": "R1"}
            for each in starts
            for after, status in ((0, "available"), (break_after, "refreshments"), (break_after + 0.5, "available"))
        ]
    )
    presses = tables.check(presses, "unit_status")
    until = starts[-1] + timedelta(days=1)
    none = tables.empty("unit_crews"), tables.empty("incidents")
    return find_attendances(presses, *none, until).attendances, crews


NO_TURNS = turns_of(as_it_came(tables.empty("duties")))


def test_shares_are_of_the_officers_turn_and_without_one_of_the_units_duty():
    attendances, crews = seen(hours_on=5, break_after=4)
    found = shares_of_turns(find_officers_breaks(attendances, crews, NO_TURNS), LONDON)
    assert found.usual == pytest.approx(np.full(ENOUGH, 0.8))
    # The unit's crew was there until five, in another one from noon on.
    sheet = crews.select(
        "person_id", begins=pl.col("starts_at").dt.epoch("s"), finishes=pl.col("starts_at").dt.epoch("s") + 36000
    )
    found = shares_of_turns(find_officers_breaks(attendances, crews, sheet), LONDON)
    assert found.usual == pytest.approx(np.full(ENOUGH, 0.4))
    assert list(found.by_hour) == [7]


def test_too_few_breaks_or_no_bookings_tell_nothing():
    attendances, crews = seen(hours_on=8, break_after=4, days=ENOUGH - 1)
    assert shares_of_turns(find_officers_breaks(attendances, crews, NO_TURNS), LONDON) is None
    attendances, crews = seen(hours_on=8, break_after=4)
    assert shares_of_turns(find_officers_breaks(attendances, crews.clear(), NO_TURNS), LONDON) is None


def test_turns_alike_go_at_the_shares_that_were_seen_of_turns_of_their_hour():
    shares = BreakShares(np.linspace(0.4, 0.6, 101), {22: np.linspace(0.6, 0.8, 101)}, LONDON)
    turns = turns_of(as_it_came(duties(
        "P1 | R1 | 05 08:00 | 05 18:00", "P2 | R1 | 05 08:00 | 05 18:00", "P3 | R1 | 05 21:45 | 06 07:45",
    )))  # fmt: skip
    placed = place_refreshments(turns, [(0, 60)], shares)
    after = (placed["begins"] - turns["begins"]) / 36000
    assert after.to_list() == pytest.approx([0.45, 0.55, 0.7], abs=1e-4)
    assert (placed["finishes"] - placed["begins"]).to_list() == [3600] * 3
    late = place_refreshments(turns, [(0, 60)], BreakShares(np.full(40, 0.97), {}, LONDON))
    assert late["finishes"].to_list() == turns["finishes"].to_list(), "no break outlasts its turn"
