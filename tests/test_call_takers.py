"""Call takers: fewest that keep a line's promise, over the forecast and from quarter to quarter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf

import numpy as np
import polars as pl
import pytest

from bluelamp.answering import Lines
from bluelamp.call_takers import Target, require_agents

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
EMERGENCY, OTHER = Target("999", 10, 0.9), Target("101", 60, 0.8)


def required(rates, handling=6.0, patience=(np.nan, np.nan), targets=(EMERGENCY, OTHER), *, is_shared=True, **other):
    """Ask for 999 and 101; `rates` are contacts a quarter-hour, paths × channels × quarters."""
    expected = np.asarray(rates, dtype=float)
    starts = pl.Series(
        "starts_at", [FIRST + timedelta(minutes=15 * number) for number in range(expected.shape[2])]
    ).cast(pl.Datetime("us", "UTC"))
    channels = ["101", "999"][-expected.shape[1] :]
    minutes = np.broadcast_to(np.asarray(handling, dtype=float), (2,))[-expected.shape[1] :]
    return require_agents(
        starts, expected, channels, np.repeat(minutes[:, None], 24, axis=1), np.array(patience)[-len(channels) :],
        targets, is_shared=is_shared, **{"abstraction": 0.3, "time_zone": "Europe/London", **other},
    )  # fmt: skip


def steady(*by_channel: float, quarters: int = 8) -> list:
    return [[[each] * quarters for each in by_channel]]


def column(table: pl.DataFrame, name: str, channel: str = "all") -> list:
    return table.filter(channel=channel).sort("starts_at")[name].to_list()


def test_a_steady_line_needs_what_its_queue_asks_for():
    table = required(steady(20, 10))
    alone = Lines(np.array([[[40.0], [80.0]]]), np.full((2, 1), 6.0), np.full(2, inf),
                  np.array([10.0, 60.0]), np.array([0.9, 0.8])).fewest_agents()  # fmt: skip

    assert column(table, "agents_required", "999") == [alone[0, 0]] * 8
    assert column(table, "agents_required", "101") == [alone[1, 0]] * 8
    assert column(table, "agents_required") == [alone.max()] * 8
    assert column(table, "offered_load") == pytest.approx([12] * 8)
    assert set(column(table, "binding_channel")) == {"999"}
    assert column(table, "agents_required_gross") == [int(np.ceil(alone.max() / 0.7))] * 8


def test_lines_that_share_need_fewer_than_lines_by_themselves():
    together, apart = required(steady(20, 10)), required(steady(20, 10), is_shared=False)

    assert set(apart["team"]) == {"999", "101"}
    summed = apart.filter(channel="all").group_by("starts_at").agg(pl.col("agents_required").sum())["agents_required"]
    assert column(together, "agents_required")[0] < summed[0]


def test_the_target_holds_on_average_over_the_paths_and_not_in_their_middle():
    certain = required(steady(10))
    unsure = required([[[2.0] * 8]] * 5 + [[[18.0] * 8]] * 5)

    assert column(unsure, "contacts_mean") == column(certain, "contacts_mean")
    assert column(unsure, "agents_required")[0] > column(certain, "agents_required")[0]
    assert min(column(unsure, "share_in_time", "999")) >= 0.9
    low, high = (column(unsure, f"agents_required_{name}")[-1] for name in ("p10", "p90"))
    assert low < column(unsure, "agents_required")[-1]
    assert high == column(required(steady(18)), "agents_required")[-1]


def test_calls_of_the_quarter_before_are_still_going_on():
    table = required([[[30.0, 30.0, 0.0, 0.0]]])

    after = column(table, "agents_required", "999")
    assert after[2] > after[3] > 0


def test_callers_who_give_up_are_lost_and_make_the_line_shorter():
    patient = required(steady(20, 10))
    leaving = required(steady(20, 10), patience=(20.0, 2.0))

    assert column(patient, "share_abandoned", "999") == [None] * 8
    assert set(patient.filter(pl.col("channel") != "all")["model"]) == {"erlang_c"}
    assert set(leaving.filter(pl.col("channel") != "all")["model"]) == {"erlang_a"}
    assert 0 < column(leaving, "share_abandoned", "999")[0] < 0.1
    assert column(leaving, "agents_required")[0] <= column(patient, "agents_required")[0]


def test_a_line_of_which_nobody_knows_how_long_it_takes_is_left_out():
    table = required(steady(20, 10), handling=(np.nan, 6.0))

    assert set(table["channel"]) == {"all", "999"}
    assert required(steady(20, 10), handling=np.nan).is_empty()


def test_nobody_calls_and_nobody_is_asked_for():
    table = required(steady(0, 0))

    assert set(column(table, "agents_required")) == {0}
    assert column(table, "binding_channel") == [None] * 8


def test_a_line_that_no_channel_has_asks_for_nobody():
    assert set(required(steady(20, 10), targets=(EMERGENCY, Target("partner", 30, 0.9)))["channel"]) == {"all", "999"}
