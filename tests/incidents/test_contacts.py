"""What the past says of contacts: quarters of the hour, minutes of handling, and who was not answered."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.drawn import drawn

from bluelamp import incidents, tables

NONE = tables.empty("outages")
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
HEADER = "contact_id | contacted_at | answered_at | ended_at | channel"


def contacts_at(moments: list[datetime], channel: str = "999") -> pl.DataFrame:
    """Contacts that were answered after ten seconds and lasted five minutes."""
    at = pl.Series(moments, dtype=pl.Datetime("us", "UTC"))
    rows = pl.DataFrame({"contacted_at": at}).with_columns(
        contact_id=pl.format("{}-{}", pl.lit(channel), pl.int_range(pl.len())),
        answered_at=pl.col("contacted_at") + timedelta(seconds=10),
        ended_at=pl.col("contacted_at") + timedelta(seconds=310),
        channel=pl.lit(channel),
    )
    return tables.publish(rows, "contacts")


def test_hours_are_counted_by_channel():
    rows = [MONDAY + timedelta(minutes=10 * number) for number in range(9)]
    counted = incidents.count_contacts(pl.concat([contacts_at(rows), contacts_at(rows[:2], "101")]), "UTC", NONE)

    assert counted.channels == ["101", "999"]
    assert counted.demand.select("class_code", "area_id", "incidents").rows() == [
        ("101", "101", 2), ("999", "999", 6), ("999", "999", 3)
    ]  # fmt: skip
    assert counted.places["area_id"].to_list() == counted.channels


def test_quarters_are_equal_until_there_is_reason_to_believe_otherwise():
    even = [MONDAY + timedelta(minutes=15 * number) for number in range(4 * 24 * 70)]
    steep = [MONDAY + timedelta(hours=each) for each in range(24 * 70) for _ in range(4)]

    for moments, wanted, within in (
        (even, [0.25] * 4, 1e-9),
        (steep, [1, 0, 0, 0], 0.08),
        (steep[:9], [0.25] * 4, 0.2),
    ):
        shares = incidents.count_contacts(contacts_at(moments), "UTC", NONE).quarter_shares
        assert np.allclose(shares.sum(axis=2), 1)
        assert np.allclose(shares[0], wanted, atol=within)


def test_few_contacts_leave_the_quarters_of_their_hour_near_equal():
    chance = np.random.default_rng(1)
    moments = [MONDAY + timedelta(seconds=int(each)) for each in np.sort(chance.integers(0, 70 * 86400, 900))]
    shares = incidents.count_contacts(contacts_at(moments), "UTC", NONE).quarter_shares

    assert abs(shares - 0.25).max() < 0.05


def test_quarters_are_those_of_the_local_clock():
    # 18:15 UTC is midnight in Kathmandu: the first quarter of its hour.
    moments = [datetime(2026, 1, 4, 18, 15, tzinfo=UTC) + timedelta(hours=each) for each in range(24 * 70)] * 3
    counted = incidents.count_contacts(contacts_at(moments), "Asia/Kathmandu", NONE)

    assert counted.quarter_shares[0, :, 0].min() > 0.9
    assert counted.demand["hour_starting"].dt.minute().unique().to_list() == [15]


def test_handling_is_from_answer_to_end_and_an_hour_with_few_leans_on_its_channel():
    day = [MONDAY + timedelta(days=number, hours=12) for number in range(300)]
    rows = contacts_at(day).vstack(
        drawn("contacts", HEADER, "n | 2026-01-05T03:00Z | 2026-01-05T03:00Z | 2026-01-05T03:36Z | 999",
              "o | 2026-01-06T03:00Z | 2026-01-06T03:00Z | 2026-01-06T23:36Z | 999",
              "p | 2026-01-07T03:00Z | 2026-01-07T03:09Z | 2026-01-07T03:01Z | 999")
    )  # fmt: skip
    minutes = incidents.count_contacts(rows, "UTC", NONE).handling_minutes[0]

    assert minutes[12] == pytest.approx(5, abs=0.02)
    assert minutes[3] == pytest.approx((36 + 30 * (1536 / 301)) / 31, abs=0.01)


def test_who_was_not_answered_is_a_share_and_unknown_where_the_source_never_says():
    lost = contacts_at([MONDAY + timedelta(hours=each) for each in range(240)]).with_columns(
        answered_at=pl.when(pl.int_range(pl.len()) % 4 > 0).then("answered_at")
    )
    silent = contacts_at([MONDAY], "online").with_columns(answered_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")))
    counted = incidents.count_contacts(pl.concat([lost, silent]), "UTC", NONE)

    assert counted.share_abandoned[0].mean() == pytest.approx(0.25, abs=0.01)
    assert np.isnan(counted.share_abandoned[1]).all()
    assert np.isnan(counted.handling_minutes[1]).all()


def test_patience_is_what_all_have_waited_for_each_who_gave_up():
    chance = np.random.default_rng(3)
    patience, wait = chance.exponential(180, 20_000), chance.exponential(40, 20_000)
    began = [MONDAY + timedelta(minutes=5 * number) for number in range(20_000)]
    until = [at + timedelta(seconds=float(each)) for at, each in zip(began, np.minimum(patience, wait), strict=True)]
    rows = (
        contacts_at(began)
        .sort("contacted_at")
        .with_columns(
            answered_at=pl.when(pl.Series(wait < patience)).then(pl.Series(until, dtype=pl.Datetime("us", "UTC"))),
            ended_at=pl.Series(until, dtype=pl.Datetime("us", "UTC")),
        )
    )
    known = incidents.count_contacts(rows, "UTC", NONE).patience_minutes
    assert known[0] == pytest.approx(3, rel=0.05)

    # Who gave up at a moment that nobody wrote down has waited like the others.
    unended = rows.with_columns(ended_at=pl.when(pl.col("answered_at").is_not_null()).then("ended_at"))
    assert incidents.count_contacts(unended, "UTC", NONE).patience_minutes[0] == pytest.approx(3, rel=0.05)


def test_patience_is_unknown_where_hardly_anybody_gives_up_or_the_source_never_says():
    answered = contacts_at([MONDAY + timedelta(hours=each) for each in range(240)])
    silent = answered.with_columns(
        channel=pl.lit("online"), contact_id=pl.format("o{}", "contact_id"),
        answered_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")),
    )  # fmt: skip
    counted = incidents.count_contacts(pl.concat([answered, silent]), "UTC", NONE)

    assert np.isnan(counted.patience_minutes).all()


def test_an_outage_says_nothing_of_quarters_minutes_or_answers():
    good = [MONDAY + timedelta(minutes=15 * number) for number in range(4 * 24 * 70)]
    bad = contacts_at([MONDAY + timedelta(days=80, minutes=1)] * 500).with_columns(
        contact_id=pl.format("b{}", pl.int_range(pl.len())), answered_at=pl.lit(None, dtype=pl.Datetime("us", "UTC"))
    )
    outage = drawn(
        "outages", "starts_at | ends_at | rule | incidents", "2026-03-26T00:00Z | 2026-03-27T00:00Z | declared | 500"
    )
    counted = incidents.count_contacts(pl.concat([contacts_at(good), bad]), "UTC", outage)

    assert np.allclose(counted.quarter_shares, 0.25)
    assert not counted.share_abandoned.any()
    assert counted.demand["incidents"].sum() == len(good) + 500


def test_a_force_without_contacts_has_no_channels():
    assert incidents.count_contacts(tables.empty("contacts"), "UTC", NONE).channels == []
