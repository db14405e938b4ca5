"""What came in, by table and day: made from what the store keeps of its imports."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from bluelamp import tables
from bluelamp.reports import data

LONDON = "Europe/London"
NOW = datetime(2026, 7, 10, 12, tzinfo=UTC)
LEFT_OUT = {"incidents": "Nothing can be forecast.", "absences": "It is taken that everybody is there."}
COUNTS = ("accepted", "updated", "unchanged", "duplicate", "quarantined")


def imports(*lines: str) -> pl.DataFrame:
    """'incidents 07-05T06:00 calls.csv 5 1 0 0 2': table, time in UTC, file, and the five counts."""
    rows = []
    for number, line in enumerate(lines, 1):
        name, at, source, *counts = line.split()
        numbers = [*map(int, counts), *[0] * (5 - len(counts))]
        rows.append(
            {"batch_id": f"b{number}", "sequence": number, "table_name": name, "source_name": source, "notes": "{}"}
            | {"committed_at": datetime.fromisoformat(f"2026-{at}:00+00:00"), "rows_read": sum(numbers)}
            | {f"rows_{what}": count for what, count in zip(COUNTS, numbers, strict=True)}
        )
    shape = tables.table("batches").polars_schema
    return pl.DataFrame([dict.fromkeys(shape) | row for row in rows], schema=shape)


def days(*lines: str) -> pl.DataFrame:
    """'incidents 07-05 12': so many rows of the table speak of that day."""
    rows = [(name, date.fromisoformat(f"2026-{day}"), int(count)) for name, day, count in map(str.split, lines)]
    return pl.DataFrame(rows, schema={"table_name": pl.String, "day": pl.Date, "rows": pl.UInt32}, orient="row")


def current(of_days: pl.DataFrame) -> pl.DataFrame:
    at = pl.col("day").cast(pl.Datetime("us", "UTC"))
    counted = of_days.group_by("table_name").agg(pl.col("rows").sum(), first_at=at.min(), last_at=at.max())
    return counted.with_columns(pl.col("rows").cast(pl.UInt32))


def received(batches: pl.DataFrame, of_days: pl.DataFrame, now: datetime = NOW) -> pl.DataFrame:
    return data.describe_received(batches, current(of_days), of_days, LEFT_OUT, LONDON, now)


def row_of(table: pl.DataFrame, name: str) -> dict:
    return table.filter(table_name=name).row(0, named=True)


def test_a_table_that_nothing_came_into_says_what_the_figures_leave_out():
    came = received(imports("incidents 07-05T06:00 calls.csv 5"), days("incidents 07-04 5"))
    assert row_of(came, "absences")["left_out"] == "It is taken that everybody is there."
    assert row_of(came, "absences")["batches"] == 0
    assert row_of(came, "incidents")["left_out"] is None


def test_a_table_says_what_came_in_all_and_last():
    batches = imports("incidents 07-05T06:00 monday.csv 5 0 0 0 1", "incidents 07-06T06:00 tuesday.csv 3 2 4 1")
    row = row_of(received(batches, days("incidents 07-04 5", "incidents 07-05 3")), "incidents")
    assert (row["rows"], row["rows_read"], row["rows_set_aside"], row["batches"]) == (8, 16, 1, 2)
    assert (row["latest_source"], row["latest_batch_id"], row["hours_since"]) == ("tuesday.csv", "b2", 102.0)


DAILY = [f"incidents 07-{day:02}T06:00 calls.csv 5" for day in (4, 5, 6, 8, 9)]


def test_a_table_that_comes_daily_says_on_how_many_days_nothing_came():
    row = row_of(received(imports(*DAILY), days("incidents 07-04 5")), "incidents")
    # The 7th; today, the 10th, is not over yet.
    assert (row["comes_daily"], row["days_without_import"]) == (True, 1)


def test_a_table_that_comes_daily_is_stale_after_a_day_and_another_never():
    spoken = days("incidents 07-04 5")
    last = datetime(2026, 7, 9, 6, tzinfo=UTC)
    for hours, is_stale in ((24, False), (24.1, True)):
        now = last + timedelta(hours=hours)
        assert row_of(received(imports(*DAILY), spoken, now), "incidents")["is_stale"] is is_stale
    once = received(imports("incidents 06-01T06:00 calls.csv 5"), spoken)
    assert row_of(once, "incidents")["is_stale"] is False


def test_a_day_of_which_no_row_speaks_is_told_where_the_table_has_rows_on_most_days():
    often = days("incidents 07-01 4", "incidents 07-02 4", "incidents 07-04 4")
    seldom = days("incidents 01-01 4", "incidents 07-04 4")
    batches = imports("incidents 07-05T06:00 calls.csv 12")
    assert row_of(received(batches, often), "incidents")["days_without_rows"] == 1
    assert row_of(received(batches, seldom), "incidents")["days_without_rows"] is None


def by_day(batches: pl.DataFrame, of_days: pl.DataFrame) -> pl.DataFrame:
    return data.count_days(batches, of_days, received(batches, of_days), LONDON, NOW)


def test_imports_are_counted_on_the_local_day_on_which_they_came():
    # 23:30 UTC is half past midnight in London in July.
    batches = imports("incidents 07-05T23:30 calls.csv 5 1 2 3 4", "incidents 07-06T06:00 more.csv 1")
    rows = by_day(batches, days("incidents 07-05 6")).filter(pl.col("batches") > 0)
    assert rows.select("day", "batches", "rows_read", "rows_accepted", "rows_quarantined").rows() == [
        (date(2026, 7, 6), 2, 16, 6, 4)
    ]


def test_days_without_rows_and_without_an_import_have_a_row_that_says_so():
    spoken = days("incidents 07-01 4", "incidents 07-02 4", "incidents 07-04 4")
    rows = by_day(imports(*DAILY), spoken)
    assert rows.filter("is_empty")["day"].to_list() == [date(2026, 7, 3)]
    assert rows.filter("is_missing")["day"].to_list() == [date(2026, 7, 7)]
    assert rows.filter(day=date(2026, 7, 3))["rows"].to_list() == [0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(LEFT_OUT)),
            st.integers(0, 9 * 24),
            st.lists(st.integers(0, 50), min_size=5, max_size=5),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_the_days_add_up_to_the_imports(made):
    start = datetime(2026, 7, 1, tzinfo=UTC)
    lines = [
        f"{name} {start + timedelta(hours=hours):%m-%dT%H:%M} f.csv {' '.join(map(str, counts))}"
        for name, hours, counts in sorted(made, key=lambda each: each[1])
    ]
    batches, spoken = imports(*lines), days()
    together = by_day(batches, spoken)
    for what in ("read", *COUNTS):
        assert together[f"rows_{what}"].sum() == batches[f"rows_{what}"].sum()
    assert together["batches"].sum() == batches.height
    came = received(batches, spoken)
    missing = together.filter("is_missing").group_by("table_name").len()
    for name, count in missing.iter_rows():
        assert row_of(came, name)["days_without_import"] == count


# ---- rules, and what is set aside ----


def told(rule: str, rows: int, kind: str = "changed") -> str:
    return json.dumps({"rules": [{"rule": rule, "kind": kind, "rows": rows, "words": f"{rule} in words"}]})


def test_what_a_rule_did_is_added_up_over_all_imports_of_a_table():
    batches = imports(
        "incidents 07-05T06:00 a.csv 8", "incidents 07-06T06:00 b.csv 2", "contacts 07-06T06:00 c.csv 4"
    ).with_columns(notes=pl.Series([told("swapped", 1), told("swapped", 2), told("swapped", 4)]))
    rows = data.count_rules(batches, tables.empty("committed_rules"), ())
    assert rows.select("table_name", "rule", "stage", "rows", "share", "share_of").rows() == [
        ("contacts", "swapped", "intake", 4, 1.0, "4 rows read in 1 import"),
        ("incidents", "swapped", "intake", 3, 0.3, "10 rows read in 2 imports"),
    ]


def test_rules_of_committed_time_stand_with_the_status_log():
    rules = pl.DataFrame(
        {"rule": ["no_log", "no_time"], "kind": ["noted", "left_out"], "rows": [7, 2], "share": [0.1, 0.02],
         "words": ["committed without a log", "another status followed"]}
    )  # fmt: skip
    rows = data.count_rules(imports(), rules, ("no_log",))
    assert rows.select("table_name", "stage", "rows", "share", "share_of").rows() == [
        ("unit_status", "committed_time", 7, 0.1, "intervals of the latest run"),
        ("unit_status", "committed_time", 2, 0.02, "presses of the latest run"),
    ]


def aside(*lines: str) -> pl.DataFrame:
    """'b1 incidents calls.csv 7 received_at missing_time'."""
    names = ["batch_id", "table_name", "file_name", "row_number", "field", "reason_code"]
    rows = [line.split() for line in lines]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row").with_columns(
        pl.col("row_number").cast(pl.Int64)
    )


RULES = {"missing_time": ("a time is empty", "Fill it in."), "erased": ("it was erased", "")}


def test_rows_set_aside_are_grouped_by_reason_with_their_latest_place_and_how_to_mend_them():
    batches = imports(
        "incidents 07-05T06:00 a.csv 8 0 0 0 3",
        "incidents 07-06T06:00 b.zip 2 0 0 0 1",
    )
    rows = data.group_set_aside(
        aside(
            "b1 incidents a.csv 3 received_at missing_time", "b1 incidents a.csv 5 received_at missing_time",
            "b2 incidents b.zip/calls.csv 9 received_at missing_time", "b1 incidents a.csv 7 row erased",
        ),
        batches, RULES, "north",
    )  # fmt: skip
    columns = ["field", "reason_code", "rows", "rows_latest", "latest_file", "first_row", "mend", "command"]
    assert rows.select(columns).rows() == [
        ("received_at", "missing_time", 3, 1, "b.zip/calls.csv", 9, "Fill it in.",
         "bluelamp import north b.zip --table incidents"),
        ("row", "erased", 1, 0, "a.csv", 7, None, None),
    ]  # fmt: skip


def test_rows_kept_out_after_an_erasure_are_told_apart_from_faults_to_mend():
    batches = imports("incidents 07-05T06:00 a.csv 8 0 0 0 3")
    rows = aside(
        "b1 incidents a.csv 3 received_at missing_time",
        "b1 incidents a.csv 7 row erased",
        "b1 incidents a.csv 8 row erased",
    )  # fmt: skip
    to_mend, kept_out = data.part_erased(data.group_set_aside(rows, batches, RULES, "north"))
    assert to_mend["reason_code"].to_list() == ["missing_time"]
    assert kept_out == "2 rows of erased persons or incidents came again and stayed out."
    assert data.part_erased(to_mend)[1] == ""


def test_a_command_can_be_typed_as_it_stands_whatever_the_file_is_called():
    batches = imports("incidents 07-05T06:00 a.csv 8 0 0 0 1")
    quarantined = aside("b1 incidents x 3 received_at missing_time").with_columns(file_name=pl.lit("my calls; rm.csv"))
    (command,) = data.group_set_aside(quarantined, batches, RULES, "north")["command"]
    assert command == "bluelamp import north 'my calls; rm.csv' --table incidents"


def test_an_empty_store_gives_empty_accounts():
    came = received(imports(), days())
    assert came["batches"].to_list() == [0, 0]
    assert by_day(imports(), days()).is_empty()
    assert data.group_set_aside(aside(), imports(), RULES, "north").is_empty()
    account = {"received": came} | {name: tables.empty(name) for name in ("set_aside", "orphans", "rules_applied")}
    assert data.as_lines(account, LONDON)[:3] == ["What came in", "", "Not given"]
