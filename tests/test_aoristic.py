"""Times known as a range: each hour has its part, all parts make one, and published examples come out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelamp import aoristic, periods

LONDON = "Europe/London"


def known(*ends: tuple[str | None, str | None]) -> pl.DataFrame:
    def at(words: str | None) -> datetime | None:
        return None if words is None else datetime.fromisoformat(words).replace(tzinfo=UTC)

    return pl.DataFrame(
        {"from_at": [at(start) for start, _ in ends], "to_at": [at(end) for _, end in ends]},
        schema={"from_at": periods.INSTANT, "to_at": periods.INSTANT},
    )


def parts(rows: pl.DataFrame, time_zone: str = LONDON) -> list[tuple[int, str, int]]:
    return [(row, f"{at:%d %H:%M}", part) for row, at, part in aoristic.spread(rows, time_zone).iter_rows()]


def test_each_hour_of_a_range_has_as_much_of_it_as_lies_in_the_hour():
    assert parts(known(("2026-01-05T22:30", "2026-01-06T01:00"))) == [
        (0, "05 22:00", 200_000), (0, "05 23:00", 400_000), (0, "06 00:00", 400_000),
    ]  # fmt: skip


def test_a_range_over_so_many_whole_hours_gives_each_of_them_that_part_of_one():
    # The rule of Ratcliffe and McCullagh (1998): of n blocks that it may have been in, each has 1/n.
    rows = known(*(("2026-01-05T01:00", f"2026-01-05T{1 + blocks:02}:00") for blocks in (1, 2, 3, 4)))
    by_block = aoristic.spread(rows, LONDON).group_by("hour_starting").agg(pl.sum("millionths")).sort("hour_starting")
    expected = [1 + 1 / 2 + 1 / 3 + 1 / 4, 1 / 2 + 1 / 3 + 1 / 4, 1 / 3 + 1 / 4, 1 / 4]
    assert by_block["millionths"].to_list() == pytest.approx([1e6 * each for each in expected], abs=2)


def test_published_examples_come_out_to_the_minute():
    # README of the R package 'aoristic' (Ratcliffe, from 1.0.0 on): of 10:55 to 11:55 most lies after 11, and is not
    # rounded to half and half. Its help page: a range of a week has 1/168 in each hour. Tests of A. Wheeler's package
    # 'crimepy': 01:50 to 02:10 is half and half.
    assert parts(known(("2026-01-05T10:55", "2026-01-05T11:55"), ("2026-01-05T01:50", "2026-01-05T02:10"))) == [
        (0, "05 10:00", 83_333), (0, "05 11:00", 916_667), (1, "05 01:00", 500_000), (1, "05 02:00", 500_000),
    ]  # fmt: skip
    week = aoristic.spread(known(("2026-01-05T00:00", "2026-01-12T00:00")), LONDON)
    assert week.height == 168
    assert week["millionths"].to_numpy() == pytest.approx(1e6 / 168, abs=1)


def test_a_moment_is_a_range_without_length_and_one_known_end_is_a_moment():
    rows = known(("2026-01-05T22:30", "2026-01-05T22:30"), ("2026-01-05T23:00", None), (None, "2026-01-06T04:10"))
    assert parts(rows) == [(0, "05 22:00", 10**6), (1, "05 23:00", 10**6), (2, "06 04:00", 10**6)]


def test_ends_in_the_wrong_order_are_turned_and_rows_without_time_have_no_part():
    rows = known(("2026-01-06T00:00", "2026-01-05T22:00"), (None, None))
    assert parts(rows) == [(0, "05 22:00", 500_000), (0, "05 23:00", 500_000)]


def test_a_range_that_says_nothing_is_left_out_where_that_is_asked():
    rows = known(("2026-01-01T00:00", "2026-01-20T00:00"), ("2026-01-01T00:00", "2026-01-01T01:00"))
    assert set(aoristic.spread(rows, LONDON, longest=timedelta(days=7))["row"]) == {1}


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)]
)  # the clock goes forward, back, and stays
def test_a_local_day_has_its_own_number_of_hours(day, hours):
    at = periods.local_days(LONDON, datetime.fromisoformat(day).date(), datetime.fromisoformat(day).date())
    rows = at.select(from_at="starts_at", to_at="ends_at")
    assert aoristic.spread(rows, LONDON).height == hours


INSTANTS = st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 1)).map(lambda at: at.replace(tzinfo=UTC))


@given(
    st.lists(st.tuples(INSTANTS, st.integers(0, 10_000_000)), min_size=1, max_size=8),
    st.sampled_from([LONDON, "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_parts_make_one_and_lie_in_the_range(found, time_zone):
    rows = pl.DataFrame(
        {"from_at": [at for at, _ in found], "to_at": [at + timedelta(seconds=length) for at, length in found]},
        schema={"from_at": periods.INSTANT, "to_at": periods.INSTANT},
    )
    spread = aoristic.spread(rows, time_zone)
    assert spread.group_by("row", maintain_order=True).agg(pl.col("millionths").sum())["millionths"].to_list() == [
        aoristic.WHOLE
    ] * len(found)
    assert spread["millionths"].min() >= 0
    joined = spread.join(rows.with_row_index("row"), on="row")
    assert joined.filter(pl.col("hour_starting") > pl.col("to_at")).is_empty()
    assert joined.filter(pl.col("hour_starting") + timedelta(hours=1) < pl.col("from_at")).is_empty()
    drawn = rows.with_columns(at=aoristic.draw(rows, seed=3))
    assert drawn.filter(~pl.col("at").is_between("from_at", "to_at")).is_empty()


def test_moments_drawn_fill_a_range_evenly():
    rows = known(*[("2026-01-05T00:00", "2026-01-06T00:00")] * 2_400)
    by_hour = aoristic.draw(rows).dt.hour().value_counts()["count"]
    assert by_hour.min() >= 98
    assert by_hour.max() <= 102


def test_what_was_put_at_the_first_midnight_of_a_month_may_have_been_on_any_of_its_days_until_it_was_recorded():
    some = [f"{day:02} 1{day % 10}:00" for day in range(2, 28)]
    at = [datetime.fromisoformat(f"2026-07-{each}").replace(tzinfo=UTC) for each in some]
    unknown = datetime(2026, 6, 30, 23, tzinfo=UTC)  # midnight in London
    recorded = [*[datetime(2026, 9, 1, tzinfo=UTC)] * 50, datetime(2026, 7, 11, tzinfo=UTC)]
    rows = pl.DataFrame(
        {"from_at": [*at, *[unknown] * 51], "to_at": [*at, *[unknown] * 51], "recorded_at": [*at, *recorded]},
        schema=dict.fromkeys(("from_at", "to_at", "recorded_at"), pl.Datetime("us", "UTC")),
    )
    found, number = aoristic.over_their_month(rows, "Europe/London")
    assert number == 51
    assert found.head(26).equals(rows.head(26))
    assert set(found["from_at"][26:]) == {unknown}
    assert found["to_at"][26:].unique().sort().to_list() == [recorded[-1], datetime(2026, 7, 31, 23, tzinfo=UTC)]
    few = rows.head(28)
    assert aoristic.over_their_month(few, "Europe/London")[0].equals(few)
