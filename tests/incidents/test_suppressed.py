"""Suppressed demand: callers counted once and only when nobody reached them, logs that nobody came to, ranges."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawn import drawn

from bluelamp import incidents, remarks, tables
from bluelamp.sources.twin import make_twin

ORIGINS = ("public", "partner", "mandatory_internal", "unknown")
UNTIL = datetime(2026, 3, 2, tzinfo=UTC)
# Monday to Sunday; the weeks from 2 February on are whole.
FIRST = "2026-02-02"
CONTACT = "contact_id | contacted_at | answered_at | ended_at | channel | incident_id | caller_token"
LOG = ("incident_id | received_at | dispatched_at | cleared_at | closed_at | class_code | origin | grade_code | "
       "disposition_code | caller_token | status")  # fmt: skip
# Grade 1 is nearly always attended, for an hour; grade 3 is not.
ATTENDED_WHEN = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | source",
    "violence   | 1          | 0.9            | 1                    | 60               | drawn",
    "violence   | 3          | 0.3            | 1                    | 60               | drawn",
)


def answered(number: int, *, makes: str = "", channel: str = "101", caller: str = "") -> str:
    """An answered contact of some day at 10:00."""
    day = f"2026-02-{2 + number % 21:02}"
    return f"a{number} | {day}T10:00Z | {day}T10:01Z | {day}T10:06Z | {channel} | {makes} | {caller}"


def log(number: int) -> str:
    """An attended public incident that takes one officer-hour."""
    day = f"2026-02-{2 + number % 21:02}"
    times = f"{day}T10:02Z | {day}T10:10Z | {day}T11:10Z | {day}T12:00Z"
    return f"L{number} | {times} | violence | public | 1 | REP | | closed"


# Of 100 answered contacts half open an incident of their own, and ten more join one.
USUAL = [answered(n, makes=f"L{n}" if n < 50 else f"L{n - 50}" if n < 60 else "") for n in range(100)]
LOGS = [log(n) for n in range(50)]


def found(*contacts: str, logs: list[str] = LOGS, origins: tuple[str, ...] = ORIGINS) -> pl.DataFrame:
    rows = drawn("contacts", CONTACT, *USUAL, *contacts)
    calls = drawn("incidents", LOG, *logs)
    return incidents.find_suppressed(calls, rows, ATTENDED_WHEN, UNTIL, "UTC", origins=origins)


def lost(number: int, at: str, caller: str, *, channel: str = "101", seconds: int = 40, incident: str = "") -> str:
    """A contact on 10 February that nobody answered."""
    began = datetime.fromisoformat(f"2026-02-10T{at}:00+00:00")
    ended = began + timedelta(seconds=seconds)
    return f"x{number} | {began.isoformat()} | | {ended.isoformat()} | {channel} | {incident} | {caller}"


def ranges(table: pl.DataFrame, kind: str = "abandoned") -> tuple[float, ...]:
    rows = table.filter(kind=kind)
    return tuple(round(rows[f"incidents_{bound}"].sum(), 2) for bound in ("low", "mean", "high"))


def test_without_anybody_lost_there_is_nothing():
    assert found().is_empty()


def test_a_caller_whom_nobody_answered_counts_as_the_part_of_an_incident_that_calls_make():
    table = found(lost(1, "10:00", "c1"))

    assert table.rows()[0][:4] == (datetime(2026, 2, 9, tzinfo=UTC), "abandoned", "101", 1)
    assert ranges(table) == (0.0, 0.5, 0.6)
    assert table["officer_hours_mean"].item() == pytest.approx(0.5, rel=0.01)


def test_a_caller_who_rings_three_times_counts_once_and_surely_meant_it():
    table = found(lost(1, "10:00", "c1"), lost(2, "10:09", "c1"), lost(3, "21:00", "c1", channel="999"))

    assert table["counted"].sum() == 1
    assert ranges(table) == (0.5, 0.5, 0.6)


@pytest.mark.parametrize(
    "reached",
    [
        "y | 2026-02-10T10:20Z | 2026-02-10T10:21Z | 2026-02-10T10:25Z | 101 | | c1",
        "y | 2026-02-11T09:59Z | 2026-02-11T10:01Z | 2026-02-11T10:05Z | 999 | | c1",
        "y | 2026-02-10T11:00Z | | 2026-02-10T11:01Z | 999 | L3 | c1",
    ],
)
def test_a_caller_who_was_reached_within_a_day_is_not_lost(reached):
    assert found(lost(1, "10:00", "c1"), reached).is_empty()


def test_a_caller_whom_a_log_names_was_reached():
    named = LOGS[8].replace("REP | |", "REP | c1 |")
    assert "10:02Z" in named
    assert found(lost(1, "09:30", "c1"), logs=[*LOGS[:8], named, *LOGS[9:]]).is_empty()


def test_a_caller_who_was_reached_two_days_later_was_lost_the_first_time():
    again = "y | 2026-02-12T10:20Z | 2026-02-12T10:21Z | 2026-02-12T10:25Z | 101 | | c1"
    assert ranges(found(lost(1, "10:00", "c1"), again))[1] == pytest.approx(0.5, abs=0.02)


def test_who_rings_again_after_an_answer_only_possibly_had_something_new():
    before = "y | 2026-02-10T09:20Z | 2026-02-10T09:21Z | 2026-02-10T09:25Z | 101 | | c1"
    low, mean, high = ranges(found(lost(1, "10:00", "c1"), before))

    assert (low, mean) == (0, 0)
    assert high > 0.5


def test_who_hangs_up_at_once_only_possibly_wanted_something():
    assert ranges(found(lost(1, "10:00", "c1", seconds=4))) == (0.0, 0.0, 0.6)


def test_callers_without_a_token_are_as_often_the_same_as_the_others():
    table = found(lost(1, "10:00", "c1"), lost(2, "10:05", "c1"), lost(3, "12:00", ""), lost(4, "12:01", ""))

    assert table["counted"].sum() == 3
    low, mean, high = ranges(table)
    assert (low, mean) == (0.5, 1.0)  # one caller, and two calls at one caller for two
    assert high == pytest.approx(1.8)


def test_where_no_caller_has_a_token_the_mean_is_not_known():
    table = found(lost(3, "12:00", ""), lost(4, "12:01", ""))

    assert table["incidents_mean"].to_list() == [None]
    assert table["incidents_high"].item() == pytest.approx(1.2)
    assert remarks.on_suppressed(table, drawn("contacts", CONTACT, lost(3, "12:00", "")))[1].startswith(
        "'contacts' name"
    )


def test_a_message_that_nobody_opened_is_known_to_have_been_meant():
    messages = [
        answered(n, channel="online", makes=f"L{50 + n}" if n < 10 else "").replace("a", "m", 1) for n in range(40)
    ]
    unopened = lost(1, "10:00", "c1", channel="online", seconds=0)
    table = found(*messages, unopened, logs=[log(n) for n in range(60)])

    low, mean, _ = ranges(table, "unanswered")
    assert low == mean > 0
    assert ranges(table) == (0, 0, 0)


def test_a_channel_that_never_says_who_was_answered_says_nothing_of_who_was_lost():
    silent = [lost(n, f"10:{n:02}", f"c{n}", channel="front_counter") for n in range(40)]
    assert found(*silent).is_empty()


def test_weeks_that_are_not_whole_or_not_decided_are_not_told():
    late = "x | 2026-02-28T10:00Z | | 2026-02-28T10:01Z | 101 | | c9"
    early = "w | 2026-01-31T10:00Z | | 2026-01-31T10:01Z | 101 | | c8"
    assert found(late, early).is_empty()


def test_incidents_that_officers_start_give_no_worth_to_a_call():
    own = [each.replace("| public |", "| officer_initiated |") for each in LOGS]
    low, mean, high = ranges(found(lost(1, "10:00", "c1"), logs=own))

    assert (low, mean) == (0, 0)
    assert high == 0.6


# ---- logs to which nobody was sent ----


def unsent(number: int, hours: float, code: str, *, origin: str = "public", grade: str = "1") -> str:
    """A log of 10 February, closed so many hours after receipt, without anybody sent."""
    began = datetime(2026, 2, 10, 10, number % 60, tzinfo=UTC)
    closed = (began + timedelta(hours=hours)).isoformat()
    return f"u{number} | {began.isoformat()} | | | {closed} | violence | {origin} | {grade} | {code} | | closed"


ATTENDED = [log(n) for n in range(400)]
DECIDED = [unsent(1000 + n, 0.1, "PHO") for n in range(30)]


def test_logs_that_stood_open_until_nobody_would_come_are_hard_to_explain_otherwise():
    waited = [unsent(n, 12, "REP") for n in range(10)]
    table = found(logs=[*ATTENDED, *DECIDED, *waited])

    low, mean, high = ranges(table, "nobody_sent")
    assert high == 40
    assert 8 < low <= mean <= 10
    assert table.filter(kind="nobody_sent")["officer_hours_high"].item() == pytest.approx(40)


def test_logs_that_are_closed_as_soon_as_the_decided_ones_were_decided_too_as_far_as_anybody_knows():
    soon = [unsent(n, 0.1, "REP") for n in range(10)]
    assert ranges(found(logs=[*ATTENDED, *DECIDED, *soon]), "nobody_sent") == (0, 0, 40)


def test_logs_closed_at_once_or_of_kinds_that_are_seldom_attended_or_open_are_nothing_unusual():
    at_once = unsent(1, 0, "REP")
    still_open = unsent(2, 9, "REP").rsplit("|", 1)[0] + "| open"
    still_open = still_open.replace("2026-02-10T19:02:00+00:00", "")
    seldom = [unsent(3 + n, 9, "REP", grade="3") for n in range(40)]
    assert found(logs=[*ATTENDED, at_once, still_open, *seldom]).is_empty()


def test_a_log_of_an_officer_never_is_suppressed_demand():
    own = [unsent(n, 12, "REP", origin="officer_initiated") for n in range(20)]
    assert found(logs=[*ATTENDED, *DECIDED, *own])["counted"].sum() == len(DECIDED)


def test_a_source_that_does_not_say_who_was_sent_says_nothing():
    assert found(logs=[unsent(n, 12, "REP") for n in range(60)]).is_empty()


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["09:00", "10:00", "10:30", "23:59"]), st.sampled_from(["c1", "c2", ""]), st.integers(0, 60)
        ),
        max_size=8,
    ),
    st.integers(0, 8),
)
def test_low_is_never_above_mean_nor_mean_above_high(calls, waited):
    contacts = [lost(n, at, caller, seconds=seconds) for n, (at, caller, seconds) in enumerate(calls)]
    table = found(*contacts, logs=[*ATTENDED, *DECIDED, *(unsent(n, 12, "REP") for n in range(waited))])

    for what in ("incidents", "officer_hours"):
        low, mean, high = (table[f"{what}_{bound}"] for bound in ("low", "mean", "high"))
        assert ((low <= mean + 1e-9) & (mean <= high + 1e-9)).fill_null(low <= high + 1e-9).all()


@pytest.mark.parametrize("weekly", [500.0, 1200.0])
def test_the_made_up_force_lies_between_low_and_high_busy_or_not(weekly):
    made = make_twin(areas=6, days=80, seed=99, until=date(2026, 11, 23), weekly_incidents=weekly, feed_days=63)
    logs, world = made.truth["current_incidents"].filter(pl.col("merged_into").is_null()), made.feeds.world
    calls = pl.concat([tables.empty("incidents"), logs], how="diagonal_relaxed").select(
        tables.table("incidents").columns
    )
    public = calls.filter(pl.col("origin").is_in(ORIGINS))
    times = incidents.measure_service_times(public, incidents.read_priors())
    table = incidents.find_suppressed(
        calls, tables.empty("contacts"), times, calls["received_at"].max(), "Europe/London", origins=ORIGINS
    )
    sent = times.filter(pl.col("share_deployed") >= 0.8).select("class_code", "grade_code")
    given_up = world.logs.filter(pl.col("gave_up_at").is_not_null(), pl.col("origin").is_in(ORIGINS)).join(
        sent, left_on=["class_code", "opening_grade_code"], right_on=["class_code", "grade_code"], how="semi"
    )
    weeks = table["week_starting"].unique()
    at = pl.from_epoch(given_up["received_at"]).dt.replace_time_zone("UTC")
    true = int(((at >= weeks.min()) & (at < weeks.max() + timedelta(days=7))).sum())

    low, mean, high = ranges(table, "nobody_sent")
    assert low <= true <= high
    if weekly < 1000:
        assert true < 3
        assert mean < 0.05 * high
    else:
        assert true > 20
        assert low > 0.2 * true
