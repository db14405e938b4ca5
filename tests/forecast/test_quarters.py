"""Contacts by quarter-hour: quarters, hours and days that add up in every path, on any night of the year."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from bluelamp import forecast, incidents, periods, tables
from bluelamp.incidents import CountedContacts
from tests.forecast.made import LONDON, MONDAY, midnight


def counted_from(
    first: date, days: int, rates: dict[str, float], *, zone: str = LONDON, begins: dict[str, int] | None = None
) -> CountedContacts:
    """Contacts by chance at steady rates an hour, a channel from its first day on; answered and five minutes long."""
    chance = np.random.default_rng(5)
    start = midnight(0, first, zone)
    parts = []
    for channel, rate in rates.items():
        since = 86400 * (begins or {}).get(channel, 0)
        length = int((midnight(days, first, zone) - start).total_seconds())
        seconds = np.sort(chance.integers(since, length, chance.poisson(rate * (length - since) / 3600)))
        at = pl.Series([start + timedelta(seconds=int(each)) for each in seconds], dtype=periods.INSTANT)
        parts.append(
            pl.DataFrame({"contacted_at": at}).with_columns(
                contact_id=pl.format("{}-{}", pl.lit(channel), pl.int_range(pl.len())),
                answered_at=pl.col("contacted_at"),
                ended_at=pl.col("contacted_at") + timedelta(minutes=5),
                channel=pl.lit(channel),
            )
        )
    contacts = tables.publish(pl.concat(parts), "contacts")
    return incidents.count_contacts(contacts, zone, tables.empty("outages"))


def predicted_from(
    counted: CountedContacts, at: datetime, *, zone: str = LONDON, **wanted: object
) -> forecast.Forecast:
    return forecast.make_forecast(
        counted.demand, counted.places, tables.empty("events"), tables.empty("outages"),
        tables.empty("service_times"), force_id="F", time_zone=zone, forecast_from=at,
        **{"paths": 50, "path_days": 3, "days": 5, "levels": ("force",)} | wanted,
    )  # fmt: skip


def told(counted: CountedContacts, at: datetime, *, zone: str = LONDON, **wanted: object) -> pl.DataFrame:
    return forecast.tell_quarters(
        predicted_from(counted, at, zone=zone, **wanted), counted.quarter_shares, counted.handling_minutes,
        counted.share_abandoned, zone,
    )  # fmt: skip


@pytest.fixture(scope="module")
def two_channels() -> CountedContacts:
    return counted_from(MONDAY, 70, {"999": 2.0, "101": 6.0})


def test_in_every_path_quarters_add_up_to_hours_and_days_to_the_last_contact(two_channels):
    predicted = predicted_from(two_channels, midnight(70))
    hourly = {}
    for drawn, quarter in forecast.draw_quarters(predicted, two_channels.quarter_shares):
        assert set(np.unique(quarter)) <= {0, 1, 2, 3}
        for name, index in (("hour", drawn.hour), ("quarter", 4 * drawn.hour + quarter)):
            hourly.setdefault(name, []).append(np.stack([drawn.path, drawn.series % 2, index]))
    hours, quarters = (np.concatenate(hourly[name], axis=1) for name in ("hour", "quarter"))

    def count(rows: np.ndarray, size: int) -> np.ndarray:
        found = np.zeros((50, 2, size), dtype=int)
        np.add.at(found, tuple(rows), 1)
        return found

    by_hour, by_quarter = count(hours, 72), count(quarters, 288)
    assert (by_quarter.reshape(50, 2, 72, 4).sum(axis=3) == by_hour).all()
    # The published quantiles are those of these very paths, and the days' those of their sums.
    table = told(two_channels, midnight(70))
    for span, counts in (
        ("quarter", by_quarter),
        ("hour", by_hour),
        ("day", by_hour.reshape(50, 2, 3, 24).sum(axis=3)),
    ):
        for number, channel in enumerate(["101", "999"]):
            rows = table.filter(span=span, channel=channel).sort("starts_at").head(counts.shape[2])
            assert rows["contacts_p50"].to_list() == np.sort(counts[:, number], axis=0)[24].tolist()
        rows = table.filter(span=span, channel="all").sort("starts_at").head(counts.shape[2])
        assert rows["contacts_p90"].to_list() == np.sort(counts.sum(axis=1), axis=0)[44].tolist()


def test_means_and_handling_add_up_from_quarters_to_days_and_from_channels_to_all(two_channels):
    table = told(two_channels, midnight(70)).filter(pl.col("local_day") < MONDAY + timedelta(days=73))
    for figure in ("contacts_mean", "handling_hours_mean"):
        sums = table.group_by("channel", "local_day", "span").agg(pl.col(figure).sum())
        spread = sums.group_by("channel", "local_day").agg(pl.col(figure).max() - pl.col(figure).min())
        assert spread[figure].max() < 0.1
        is_all = pl.col("channel") == "all"
        both = table.group_by("span", "starts_at").agg(
            together=pl.col(figure).filter(is_all).sum(), apart=pl.col(figure).filter(~is_all).sum()
        )
        assert (both["together"] - both["apart"]).abs().max() < 0.01
    days = table.filter(span="day", channel="999")
    assert (days["handling_hours_mean"] / days["contacts_mean"]).to_list() == pytest.approx([5 / 60] * 3, rel=0.001)
    assert set(table["share_abandoned"]) == {0.0}


@pytest.mark.parametrize(
    ("zone", "day", "quarters"),
    [
        (LONDON, date(2026, 3, 29), 92),
        (LONDON, date(2026, 10, 25), 100),
        ("Australia/Lord_Howe", date(2026, 4, 5), 98),
        ("Australia/Lord_Howe", date(2026, 10, 4), 94),
        ("Asia/Kolkata", date(2026, 3, 29), 96),
        ("Asia/Kathmandu", date(2026, 3, 29), 96),
    ],
)
def test_a_day_has_the_quarters_that_its_clock_gives_it(zone, day, quarters):
    counted = counted_from(day - timedelta(days=35), 35, {"999": 4.0}, zone=zone)
    table = told(counted, midnight(0, day, zone), zone=zone, paths=20, path_days=1, days=1).filter(channel="999")
    found = table.filter(span="quarter").sort("starts_at")

    assert found.height == quarters
    assert found["local_day"].unique().to_list() == [day]
    assert (found["starts_at"].diff().drop_nulls() == timedelta(minutes=15)).all()
    assert found["starts_at"][0] == midnight(0, day, zone)
    day_mean = table.filter(span="day")["contacts_mean"].item()
    assert found["contacts_mean"].sum() == pytest.approx(day_mean, abs=0.1)
    assert day_mean == pytest.approx(quarters, rel=0.2)


def test_the_same_seed_gives_the_same_quarters_and_the_future_is_not_known(two_channels):
    later = pl.concat(
        [two_channels.demand, two_channels.demand.tail(9).with_columns(pl.col("hour_starting") + timedelta(days=300))]
    )
    knowing = CountedContacts(**{**vars(two_channels), "demand": later})

    assert told(two_channels, midnight(70)).equals(told(knowing, midnight(70)))


def test_a_channel_that_began_late_is_expected_as_it_is_now():
    counted = counted_from(MONDAY, 140, {"101": 8.0, "online": 4.0}, begins={"online": 84})
    days = told(counted, midnight(140)).filter(span="day", channel="online").sort("starts_at")

    assert days["contacts_mean"][0] == pytest.approx(96, rel=0.2)


def test_a_channel_with_a_handful_of_contacts_has_a_handful():
    counted = counted_from(MONDAY, 70, {"999": 3.0, "front_counter": 0.005})
    table = told(counted, midnight(70))

    assert set(table["channel"]) == {"all", "999", "front_counter"}
    assert table.filter(span="day", channel="front_counter")["contacts_mean"].max() < 1
    assert table.filter(span="quarter", channel="front_counter")["contacts_p90"].max() <= 1


def test_an_outage_of_the_feed_is_not_a_quiet_time():
    counted = counted_from(MONDAY, 70, {"999": 6.0})
    quiet = (pl.col("hour_starting") >= midnight(35)) & (pl.col("hour_starting") < midnight(63))
    broken = CountedContacts(**{**vars(counted), "demand": counted.demand.filter(~quiet)})
    outages = pl.DataFrame({"starts_at": [midnight(35)], "ends_at": [midnight(63)]})
    masked = forecast.make_forecast(
        broken.demand, broken.places, tables.empty("events"), outages, tables.empty("service_times"), force_id="F",
        time_zone=LONDON, forecast_from=midnight(70), levels=("force",), paths=50, path_days=1, days=1,
    )  # fmt: skip

    assert masked.table.filter(span="day", class_code="999")["incidents_mean"].item() == pytest.approx(144, rel=0.1)


def test_days_beyond_the_paths_have_rows_and_no_quarters(two_channels):
    table = told(two_channels, midnight(70), path_days=2, days=20)

    assert table.filter(span="day", channel="all").height == 20
    assert table.filter(pl.col("span") != "day")["local_day"].n_unique() == 2
    far = table.filter(span="day", channel="101").sort("starts_at").tail(1)
    assert far["handling_hours_mean"].item() == pytest.approx(far["contacts_mean"].item() * 5 / 60, rel=0.01)


def test_rows_of_the_force_alone_are_those_that_all_levels_have():
    counted = counted_from(MONDAY, 40, {"999": 2.0})
    wanted = {"paths": 20, "path_days": 1, "days": 3}
    alone = predicted_from(counted, midnight(40), **wanted).table
    every = predicted_from(counted, midnight(40), **wanted, levels=("area", "district", "force")).table

    assert set(every["level"]) == {"area", "district", "force"}
    assert alone.equals(every.filter(level="force"))


def test_hours_of_handling_are_unknown_where_no_end_was_recorded(two_channels):
    silent = CountedContacts(**{**vars(two_channels), "handling_minutes": np.full((2, 24), np.nan)})
    table = told(silent, midnight(70), days=4)

    assert table["handling_hours_mean"].is_null().all()
    assert table["contacts_mean"].is_not_null().all()
    assert table["starts_at"].min() == datetime(2025, 3, 17, tzinfo=UTC)
