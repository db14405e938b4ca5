"""Times as feeds write them."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bluelamp.errors import BadData
from bluelamp.sources.times import DateOrderEvidence, _parse_by_shape, needs_date_order, read_times


def read(text: str, order: str = "detect", time_zone: str = "Europe/London", **how: object) -> datetime | None:
    return read_times(pl.Series([text]), order=order, time_zone=time_zone, **how)["at"][0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("2026-07-14 22:41:03", "detect"),
        ("2026-07-14T22:41:03", "detect"),
        ("2026/07/14 22:41:03", "detect"),
        ("2026-07-14T21:41:03Z", "detect"),
        ("2026-07-14T21:41:03.000Z", "detect"),
        ("2026-07-14T23:41:03+02:00", "detect"),
        ("2026-07-14 23:41:03+0200", "detect"),
        ("2026-07-14T23:41:03+02", "detect"),
        ("2026-07-14T16:11:03-05:30", "detect"),
        ("14/07/2026 22:41:03", "day_first"),
        ("14.07.2026 22:41:03", "day_first"),
        ("14-07-26 22:41:03", "day_first"),
        ("14/7/2026 10:41:03 PM", "day_first"),
        ("07/14/2026 22:41:03", "month_first"),
        ("7/14/2026 10:41:03 pm", "month_first"),
        ("14-Jul-2026 22:41:03", "detect"),
        ("14 July 2026 22:41:03", "detect"),
        ("1784065263", "epoch_seconds"),
        ("1784065263000", "epoch_milliseconds"),
    ],
)
def test_every_usual_form_of_an_instant_is_read(text, order):
    assert read(text, order) == datetime(2026, 7, 14, 21, 41, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "hour"), [("2026-01-05 12:00 am", 0), ("2026-01-05 12:30 pm", 12), ("2026-01-05 1:00 a.m.", 1)]
)
def test_noon_and_midnight_are_told_apart(text, hour):
    at = read(text)
    assert at is not None
    assert at.hour == hour


@pytest.mark.parametrize(
    "text",
    [
        "rubbish",
        "2026-07-14",
        "2026-13-14 10:00",
        "2026-02-30 10:00",
        "2026-07-14 25:00",
        "2026-07-14 13:00 pm",
        "14/07/2026 22:41",
        "26-07-14 22:41:03",
        "14-11-22 22:41:03",
    ],
)
def test_what_can_not_be_read_without_guessing_is_not_read(text):
    frame = read_times(pl.Series([text]), order="detect", time_zone="UTC")
    assert frame["at"].to_list() == [None]
    assert frame["is_unreadable"].to_list() == [True]


def test_a_day_above_12_is_not_read_as_a_month():
    assert read("13/12/2026 10:00", "month_first") is None
    assert read("12/13/2026 10:00", "day_first") is None


def test_forms_may_be_mixed_in_one_column():
    text = pl.Series(["2026-01-05 10:00:00", None, "2026-01-05T10:00:00Z", "5 Jan 2026 10:00"])
    frame = read_times(text, order="detect", time_zone="UTC")
    assert frame["at"].to_list() == [
        datetime(2026, 1, 5, 10, tzinfo=UTC),
        None,
        *[datetime(2026, 1, 5, 10, tzinfo=UTC)] * 2,
    ]
    assert not frame["is_unreadable"].any()


def test_a_time_that_comes_twice_is_read_as_the_first_and_told():
    frame = read_times(
        pl.Series(["2026-10-25 01:30:00", "2026-10-25 02:30:00"]), order="detect", time_zone="Europe/London"
    )
    assert frame["at"].to_list() == [
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 2, 30, tzinfo=UTC),
    ]
    assert frame["comes_twice"].to_list() == [True, False]


def test_a_time_that_does_not_exist_is_read_as_the_hour_after_and_told():
    frame = read_times(pl.Series(["2026-03-29 01:30:00"]), order="detect", time_zone="Europe/London")
    assert frame["at"].to_list() == [datetime(2026, 3, 29, 1, 30, tzinfo=UTC)]
    assert frame["is_skipped"].to_list() == [True]


def test_where_offsets_are_wanted_a_time_without_one_is_not_read():
    frame = read_times(pl.Series(["2026-01-05 10:00:00", "2026-01-05T10:00:00Z"]), order="detect", time_zone="stated")
    assert frame["at"].to_list() == [None, datetime(2026, 1, 5, 10, tzinfo=UTC)]
    assert frame["lacks_offset"].to_list() == [True, False]
    assert not frame["is_unreadable"].any()


def test_a_wrong_offset_can_be_ignored():
    assert read("2026-07-14T22:41:03Z", ignore_offset=True) == datetime(2026, 7, 14, 21, 41, 3, tzinfo=UTC)
    assert read("2026-07-14T22:41:03+00:00", ignore_offset=True) == datetime(2026, 7, 14, 21, 41, 3, tzinfo=UTC)


def test_a_stated_form_is_read_as_it_says():
    assert read("20260714-2241", time_format="%Y%m%d-%H%M") == datetime(2026, 7, 14, 21, 41, tzinfo=UTC)


def test_an_empty_column_gives_nothing_and_no_fault():
    frame = read_times(pl.Series([None, None], dtype=pl.String), order="detect", time_zone="UTC")
    assert frame["at"].null_count() == 2
    assert not frame.select("is_unreadable", "lacks_offset", "comes_twice", "is_skipped").to_numpy().any()


def evidence_of(*dates: str) -> DateOrderEvidence:
    evidence = DateOrderEvidence()
    for date in dates:
        evidence.add(pl.Series([date]))
    return evidence


def test_one_day_above_12_decides_the_order_of_all():
    assert evidence_of("03/04/2026 10:00", "13/04/2026 10:00").decide("f.csv") == "day_first"
    assert evidence_of("03/04/2026 10:00", "04/13/2026 10:00").decide("f.csv") == "month_first"


def test_day_first_and_month_first_mixed_is_refused_with_counts_and_the_setting():
    with pytest.raises(BadData) as caught:
        evidence_of("13/04/2026 1:00", "14/04/2026 1:00", "04/15/2026 1:00", "03/04/2026 1:00").decide("calls.csv")
    said = str(caught.value)
    assert "The dates in calls.csv are mixed: 2 dates can only be day-first" in said
    assert "1 date only month-first, and 1 could be either" in said
    assert 'date_order = "day_first" or "month_first" in its column map, or --date-order with' in said


def test_dates_that_could_be_either_are_not_guessed():
    with pytest.raises(BadData, match="can be read day-first or month-first: no day in its 2 dates is above 12"):
        evidence_of("03/04/2026 10:00", "05/06/2026 10:00").decide("calls.csv")


def test_the_dates_that_speak_against_an_order_are_counted():
    evidence = evidence_of("13/04/2026 1:00", "14/04/2026 1:00", "04/15/2026 1:00", "03/04/2026 1:00")
    assert [evidence.against(order) for order in ("day_first", "month_first", "year_first")] == [1, 2, 4]


def test_only_dates_that_begin_with_a_day_or_month_need_an_order():
    assert needs_date_order(pl.Series(["2026-01-05 10:00", "03/04/2026 10:00"]))
    assert not needs_date_order(pl.Series(["2026-01-05 10:00", None, "5 Jan 2026 10:00"]))


_YEARS = st.sampled_from(["2026", "1999", "0026", "26", "+2026", "02026"])
_NUMBERS = st.integers(0, 70).map(str) | st.integers(0, 9).map(lambda n: f"0{n}")
_DATES = st.one_of(
    st.builds("{}-{}-{}".format, _YEARS, _NUMBERS, _NUMBERS),
    st.builds("{}/{}/{}".format, _NUMBERS, _NUMBERS, _YEARS),
    st.dates().map(str),
    st.dates().map(lambda day: f"{day:%d/%m/%Y}"),
)
_CLOCKS = (
    st.times().map(lambda at: f"{at:%H:%M:%S}")
    | st.times().map(lambda at: f"{at:%H:%M}")
    | st.builds("{}:{}:{}".format, _NUMBERS, _NUMBERS, _NUMBERS)
)
_ENDS = st.sampled_from(["", "", "Z", "z", "+01:00", "-05:30", "+24:00", "+23:75", "+01", " am", ".5", ".123456789Z"])


@given(
    st.lists(st.builds("{}{}{}{}".format, _DATES, st.sampled_from([" ", "T", "  ", ", "]), _CLOCKS, _ENDS), max_size=6),
    st.sampled_from(["day_first", "month_first", "year_first"]),
)
@example(["22/11/2026 10:05:60", "2026-11-22T10:05:60+00:00", "31/02/2026 10:05:00"], "day_first")
@example(["2000-01-01 0:0:0", "2/1/2000 9:5:7", "2000-01-01T9:5:7+01:00"], "day_first")
@example(["2026-11-22T10:05:00+01:00", "2026-11-22T10:05:00+24:00"], "year_first")
def test_a_time_is_the_same_read_fast_with_others_of_its_form_or_slowly_by_its_shape(texts, order):
    text = pl.Series(texts, dtype=pl.String)
    walls, instants = _parse_by_shape(text, order)
    found = read_times(text, order=order, time_zone="UTC")
    slowly = walls.dt.replace_time_zone("UTC").zip_with(instants.is_null(), instants)
    assert found["at"].eq_missing(slowly).all(), found.with_columns(text=text, slowly=slowly)


def test_a_form_that_says_its_offset_gives_the_instant():
    at = read("14.07.2026 23-41-03 +0200", time_format="%d.%m.%Y %H-%M-%S %z")
    assert at == datetime(2026, 7, 14, 21, 41, 3, tzinfo=UTC)
