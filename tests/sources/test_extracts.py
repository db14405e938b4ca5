"""Reading an extract: every row valid or set aside, every repair by a rule, and each counted."""

import csv
import gzip
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from bluelamp import sources, tables
from bluelamp.errors import BadData, NoInput, UsageError
from bluelamp.sources.extracts import Extract

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
LONDON = """
title = "A force"
table = "incidents"
time_zone = "Europe/London"
[columns]
incident_id = "id"
received_at = "received"
dispatched_at = { column = "sent", optional = true }
arrived_at = { column = "there", optional = true }
cleared_at = { column = "free", optional = true }
closed_at = { column = "closed", optional = true }
opening_code = { column = "code", optional = true }
longitude = { column = "x", optional = true }
latitude = { column = "y", optional = true }
units = { column = "units", optional = true }
status = { column = "status", optional = true, words = { C = "closed", O = "open" } }
[[crosswalk]]
class = "burglary"
origin = "public"
codes = ["BURG"]
"""


def opened(folder: Path, header: str, *rows: str, settings: str = "", **how: object) -> Extract:
    path = folder / "calls.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    column_map = sources.parse_column_map(settings + LONDON)
    how.setdefault("as_of", AS_OF)
    return sources.read_extract(path, column_map, time_zone="Europe/London", **how)  # type: ignore[arg-type]


def through(extract: Extract) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    chunks = list(extract)
    rows = pl.concat([chunk.rows for chunk in chunks])
    aside = pl.concat([chunk.quarantined for chunk in chunks])
    assert extract.rows_read == rows.height + aside.height
    tables.check(rows.unique("incident_id") if extract.table.name == "incidents" else rows, extract.table.name)
    tables.check(aside, "quarantine")
    return rows, aside, dict(extract.rule_counts)


def instants(*texts: str | None) -> list[datetime | None]:
    return [None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts]


# -- rows that are set aside -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("received", "code"),
    [
        ("", "missing_time"),
        ("soon", "unreadable_time"),
        ("2062-01-05 10:00:00", "impossible_time"),
        ("1900-01-01 00:00:00", "impossible_time"),
        ("2026-11-24 00:00:00", "impossible_time"),
        ("2026-02-30 00:00:00", "unreadable_time"),
    ],
)
def test_a_row_whose_receipt_can_not_be_is_set_aside_with_its_reason(tmp_path, received, code):
    rows, aside, counts = through(opened(tmp_path, "id,received", "1,2026-01-05 10:00:00", f"2,{received}"))

    assert rows["incident_id"].to_list() == ["1"]
    (row,) = aside.to_dicts()
    assert (row["row_number"], row["field"], row["reason_code"]) == (3, "received_at", code)
    assert row["file_name"] == "calls.csv"
    assert json.loads(row["raw_row"]) == {"id": "2", "received": received}
    assert counts[code] == 1


def test_times_up_to_a_day_after_the_export_are_believed(tmp_path):
    rows, aside, _ = through(opened(tmp_path, "id,received", "1,2026-11-22 23:59:00"))
    assert rows.height == 1
    assert aside.is_empty()


def test_broken_rows_and_wrong_rows_are_set_aside_in_the_order_of_the_file(tmp_path):
    extract = opened(
        tmp_path,
        "id,received",
        "1,2026-01-05 10:00:00",
        "2",
        "3,never",
        "4,2026-01-05 10:00:00,x",
        "5,2026-01-05 11:00:00",
    )
    rows, aside, _ = through(extract)
    assert rows["incident_id"].to_list() == ["1", "5"]
    assert aside["row_number"].to_list() == [3, 4, 5]
    assert aside["reason_code"].to_list() == ["wrong_column_count", "unreadable_time", "wrong_column_count"]


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 50])
def test_row_numbers_and_counts_do_not_depend_on_the_stretch(tmp_path, chunk_rows):
    lines = [f"{n},{'2026-01-05 10:00:00' if n % 7 else ''}" for n in range(1, 40)]
    extract = opened(tmp_path, "id,received", *lines, chunk_rows=chunk_rows)
    chunks = list(extract)

    numbers = [number for chunk in chunks for number in chunk.row_numbers]
    aside = [number for chunk in chunks for number in chunk.quarantined["row_number"]]

    assert numbers == [n + 1 for n in range(1, 40) if n % 7]
    assert aside == [n + 1 for n in range(1, 40) if n % 7 == 0]
    assert sum(chunk.rows_read for chunk in chunks) == extract.rows_read == 39
    assert chunks[-1].share_read == 1.0


def test_a_file_of_which_next_to_nothing_can_be_read_is_refused_with_examples(tmp_path):
    with pytest.raises(BadData) as caught:
        through(opened(tmp_path, "id,received", *[f"{n},never" for n in range(200)]))
    assert "200 of the first 200 rows of calls.csv can't be used" in str(caught.value)
    assert "Row 2 and 199 more: 'received_at' can't be read as a time" in str(caught.value)


# -- steps out of order ------------------------------------------------------------------------------------------------

HEADER = "id,received,sent,there,free,closed"


@pytest.mark.parametrize(
    ("times", "rule", "kept"),
    [
        (
            ("10:00", "09:59", "10:10", "10:30", "11:00"),
            "dispatched_before_received",
            (None, "10:10", "10:30", "11:00"),
        ),
        (("10:00", "10:01", "09:10", "10:30", "11:00"), "arrived_before_received", ("10:01", None, "10:30", "11:00")),
        (("10:00", "10:20", "10:10", "10:30", "11:00"), "arrived_before_dispatched", (None, "10:10", "10:30", "11:00")),
        (("10:00", "10:01", "10:10", "10:05", "11:00"), "cleared_before_arrived", ("10:01", "10:10", None, "11:00")),
        (("10:00", "10:10", "", "10:05", "11:00"), "cleared_before_dispatched", ("10:10", None, None, "11:00")),
        (("10:00", "", "", "09:05", "11:00"), "cleared_before_received", (None, None, None, "11:00")),
        (("10:00", "", "", "", "09:00"), "closed_before_received", (None, None, None, None)),
    ],
)
def test_a_step_out_of_order_is_emptied_by_its_rule_and_the_row_kept(tmp_path, times, rule, kept):
    cells = ",".join(f"2026-01-05 {time}" if time else "" for time in times)
    rows, aside, counts = through(opened(tmp_path, HEADER, f"1,{cells}"))

    assert aside.is_empty()
    assert counts[rule] == 1
    assert rows["repairs"].to_list() == [rule]
    assert [rows[name][0] for name in ("dispatched_at", "arrived_at", "cleared_at", "closed_at")] == instants(
        *(time and f"2026-01-05T{time}" for time in kept)
    )


def test_steps_at_the_same_moment_are_in_order(tmp_path):
    rows, _, counts = through(opened(tmp_path, HEADER, "1" + ",2026-01-05 10:00:00" * 5))
    assert rows["repairs"].to_list() == [None]
    assert set(counts) == {"zero_duration", "under_30_seconds", "unknown_code", "point_missing"}


def test_later_times_that_can_not_be_are_emptied_and_the_row_kept(tmp_path):
    rows, aside, counts = through(opened(tmp_path, HEADER, "1,2026-01-05 10:00:00,later,2062-01-01 00:00:00,,"))
    assert aside.is_empty()
    assert rows["repairs"].to_list() == ["time_emptied_unreadable time_emptied_impossible"]
    assert rows["dispatched_at"].null_count() == rows["arrived_at"].null_count() == 1
    assert counts["time_emptied_unreadable"] == counts["time_emptied_impossible"] == 1


def test_zero_durations_and_very_short_ones_are_noted_and_kept(tmp_path):
    rows, _, counts = through(
        opened(
            tmp_path,
            "id,received,closed",
            "1,2026-01-05 10:00:00,2026-01-05 10:00:00",
            "2,2026-01-05 10:00:00,2026-01-05 10:00:29",
            "3,2026-01-05 10:00:00,2026-01-05 10:00:30",
            "4,2026-01-05 10:00:00,",
        )
    )
    assert rows.height == 4
    assert rows["repairs"].null_count() == 4
    assert (counts["zero_duration"], counts["under_30_seconds"]) == (1, 2)


# -- clock changes -----------------------------------------------------------------------------------------------------


def test_the_hour_that_does_not_exist_and_the_one_that_comes_twice_are_read_by_rule_and_counted(tmp_path):
    rows, _, counts = through(opened(tmp_path, "id,received", "1,2026-03-29 01:30:00", "2,2026-10-25 01:30:00"))
    assert rows["received_at"].to_list() == instants("2026-03-29T01:30", "2026-10-25T00:30")
    assert rows["repairs"].to_list() == ["time_is_skipped", "time_comes_twice"]
    assert (counts["time_is_skipped"], counts["time_comes_twice"]) == (1, 1)


def test_a_step_in_the_hour_that_comes_twice_is_the_second_where_the_first_would_precede_the_receipt(tmp_path):
    rows, _, counts = through(
        opened(tmp_path, HEADER, "1,2026-10-25 01:50:00,2026-10-25 01:05:00,2026-10-25 01:20:00,,")
    )
    assert rows["received_at"].to_list() == instants("2026-10-25T00:50")
    assert rows["dispatched_at"].to_list() == instants("2026-10-25T01:05")
    assert rows["arrived_at"].to_list() == instants("2026-10-25T01:20")
    assert counts["time_read_as_second"] == 1
    assert "dispatched_before_received" not in counts


def test_the_maps_own_clock_is_used_and_force_means_the_forces(tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text("id,received\n1,2026-07-05 10:00:00\n")
    for clock, hour in (("America/Los_Angeles", 17), ("UTC", 10), ("force", 4)):
        column_map = sources.parse_column_map(LONDON.replace("Europe/London", clock))
        (chunk,) = sources.read_extract(path, column_map, time_zone="Asia/Kolkata", as_of=AS_OF)
        assert chunk.rows["received_at"][0].hour == hour


# -- dates -------------------------------------------------------------------------------------------------------------


def test_the_order_of_dates_is_settled_over_the_whole_file(tmp_path):
    lines = [f"{n},0{n % 9 + 1}/04/2026 10:00" for n in range(50)] + ["50,13/04/2026 10:00"]
    rows, aside, _ = through(opened(tmp_path, "id,received", *lines, chunk_rows=7))
    assert aside.is_empty()
    assert rows["received_at"].dt.month().unique().to_list() == [4]


def test_day_first_and_month_first_mixed_stops_the_import(tmp_path):
    lines = ["1,13/04/2026 10:00", "2,04/13/2026 10:00", "3,03/04/2026 10:00"]
    with pytest.raises(BadData, match="are mixed"):
        through(opened(tmp_path, "id,received", *lines))


def test_with_the_order_stated_the_dates_that_do_not_fit_are_set_aside(tmp_path):
    lines = ["1,13/04/2026 10:00", "2,04/13/2026 10:00", "3,03/04/2026 10:00"]
    rows, aside, _ = through(opened(tmp_path, "id,received", *lines, settings='date_order = "day_first"\n'))
    assert rows["incident_id"].to_list() == ["1", "3"]
    assert aside["reason_code"].to_list() == ["unreadable_time"]


# -- codes, units, status ----------------------------------------------------------------------------------------------


def test_a_code_not_in_the_crosswalk_is_kept_classed_unknown_and_counted(tmp_path):
    rows, _, counts = through(
        opened(
            tmp_path,
            "id,received,code",
            *(f"{n},2026-01-05 10:00:00,{c}" for n, c in enumerate(["BURG", "burg", "NEW", ""])),
        )
    )
    assert rows["class_code"].to_list() == ["burglary", "burglary", "unknown", "unknown"]
    assert rows["origin"].to_list() == ["public", "public", "unknown", "unknown"]
    assert rows["opening_code"].to_list() == ["BURG", "burg", "NEW", None]
    assert counts["unknown_code"] == 2


def test_values_that_need_not_be_there_are_emptied_where_they_are_not_allowed(tmp_path):
    rows, aside, counts = through(
        opened(
            tmp_path,
            "id,received,units,status",
            "1,2026-01-05 10:00:00,two,C",
            "2,2026-01-05 10:00:00,-1,O",
            "3,2026-01-05 10:00:00,501,X",
            "4,2026-01-05 10:00:00,3,",
        )
    )
    assert aside.is_empty()
    assert rows["units"].to_list() == [None, None, None, 3]
    assert rows["status"].to_list() == ["closed", "open", None, None]
    assert rows["repairs"].to_list() == ["value_emptied", "value_emptied", "value_emptied unknown_status", None]
    assert (counts["value_emptied"], counts["unknown_status"]) == (3, 1)


# -- points ------------------------------------------------------------------------------------------------------------


def with_points(
    folder: Path, points: Sequence[tuple[str, str]], settings: str = ""
) -> tuple[pl.DataFrame, dict[str, int]]:
    lines = [f"{n},2026-01-05 10:00:00,{x},{y}" for n, (x, y) in enumerate(points)]
    rows, aside, counts = through(opened(folder, "id,received,x,y", *lines, settings=settings))
    assert aside.is_empty()
    return rows, counts


BRISTOL = [(f"-2.5{n}", f"51.4{n}") for n in range(10)]


def test_a_point_whose_values_are_swapped_is_turned_round(tmp_path):
    rows, counts = with_points(tmp_path, [*BRISTOL, ("51.45", "-2.55")])
    assert rows.select("longitude", "latitude").row(10) == (-2.55, 51.45)
    assert rows["repairs"][10] == "point_swapped"
    assert counts["point_swapped"] == 1


def test_a_file_whose_points_are_all_swapped_is_known_by_its_time_zone(tmp_path):
    rows, counts = with_points(tmp_path, [(y, x) for x, y in BRISTOL])
    assert counts["point_swapped"] == 10
    assert rows["latitude"].min() > 51  # type: ignore[operator]


def test_a_latitude_beyond_the_pole_is_swapped_back_even_where_all_are(tmp_path):
    rows, counts = with_points(tmp_path, [("37.8", f"-122.2{n}") for n in range(10)])
    assert counts["point_swapped"] == 10
    assert rows["longitude"].max() < -122  # type: ignore[operator]


@pytest.mark.parametrize(
    ("point", "rule"),
    [
        (("0", "0"), "point_at_zero"),
        (("abc", "51.4"), "point_unreadable"),
        (("", "51.4"), "point_unreadable"),
        (("NaN", "51.4"), "point_unreadable"),
        (("-2.5", "951.4"), "point_out_of_range"),
        (("400000", "300000"), "point_out_of_range"),
    ],
)
def test_a_point_that_can_not_be_is_emptied_by_rule(tmp_path, point, rule):
    rows, counts = with_points(tmp_path, [*BRISTOL, point])
    assert rows.select("longitude", "latitude").row(10) == (None, None)
    assert rows["repairs"][10] == rule
    assert counts[rule] == 1


def test_a_point_far_from_the_others_is_kept_and_noted(tmp_path):
    rows, counts = with_points(tmp_path, [*BRISTOL, ("2.35", "40.85"), ("", "")])
    assert rows.select("longitude", "latitude").row(10) == (2.35, 40.85)
    assert rows["repairs"].null_count() == 12
    assert (counts["point_far_away"], counts["point_missing"]) == (1, 1)


def test_points_in_metres_are_turned_into_degrees(tmp_path):
    # Bristol Temple Meads by the Ordnance Survey: ST 597 724.
    rows, _ = with_points(tmp_path, [("359700", "172400")] * 10, settings='crs = "EPSG:27700"\n')
    assert rows["longitude"][0] == pytest.approx(-2.5815, abs=0.001)
    assert rows["latitude"][0] == pytest.approx(51.4490, abs=0.001)


# -- ids ---------------------------------------------------------------------------------------------------------------


def test_rows_without_an_id_are_numbered_by_content_and_occurrence(tmp_path):
    lines = [",2026-01-05 10:00:00,A", ",2026-01-05 10:00:00,A", ",2026-01-05 10:00:00,B", "7,2026-01-05 10:00:00,A"]
    ids = {}
    for chunk_rows in (1, 100):
        rows, _, counts = through(opened(tmp_path, "id,received,code", *lines, chunk_rows=chunk_rows))
        ids[chunk_rows] = rows["incident_id"].to_list()
        assert counts["row_without_id"] == 3
    assert ids[1] == ids[100]
    assert len(set(ids[1])) == 4
    assert ids[1][0].removesuffix("-1") == ids[1][1].removesuffix("-2")
    assert ids[1][3] == "7"


def test_an_extract_is_read_as_of_a_day_that_is_said_and_never_that_of_its_file(tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text("id,received\n1,2026-01-05 10:00:00\n")
    os.utime(path, (0, 0))
    (chunk,) = sources.read_extract(path, sources.parse_column_map(LONDON), time_zone="UTC", as_of=AS_OF)
    assert chunk.quarantined.is_empty()
    with pytest.raises(TypeError, match="as_of"):
        sources.read_extract(path, sources.parse_column_map(LONDON), time_zone="UTC")  # type: ignore[call-arg]


def test_a_file_with_columns_and_no_row_is_refused(tmp_path):
    with pytest.raises(BadData, match=r"calls\.csv has columns and no row"):
        list(opened(tmp_path, "id,received"))


def test_each_reason_is_told_once_with_its_first_row_and_how_many_more(tmp_path):
    rows = [f"{n},{'soon' if n % 3 else ''}" for n in range(5)]
    (chunk,) = opened(tmp_path, "id,received", *rows)
    assert sources.reasons(chunk.quarantined) == [
        "Row 2 and 1 more: 'received_at' is empty; a time was expected.",
        "Row 3 and 2 more: 'received_at' can't be read as a time; one such as 2026-11-23 18:00:00 was expected.",
    ]
    many = pl.concat(chunk.quarantined.head(1).with_columns(reason=pl.lit(f"Reason {n}.")) for n in range(9))
    assert sources.reasons(many)[-1] == "And 4 other reasons."


def test_reading_twice_gives_the_same(tmp_path):
    extract = opened(tmp_path, "id,received", ",2026-01-05 10:00:00", ",never", "1,2026-01-05 10:00:00")
    first, aside, counts = through(extract)
    again, aside_again, counts_again = through(extract)
    assert first.equals(again)
    assert aside.equals(aside_again)
    assert counts == counts_again


# -- the product's own form, and other tables --------------------------------------------------------------------------


@pytest.mark.parametrize("name", tables.names("imported"))
def test_the_blank_template_of_every_table_is_read_by_the_products_own_map(tmp_path, name):
    path = tmp_path / f"{name}.csv"
    path.write_text(tables.blank_template(name))
    later = datetime(2027, 1, 1, tzinfo=UTC)
    column_map = sources.read_column_map("bluelamp")
    (chunk,) = sources.read_extract(path, column_map, time_zone="Europe/London", table=name, as_of=later)
    assert chunk.quarantined.is_empty(), chunk.quarantined["reason"].to_list()
    tables.check(chunk.rows, name)


def test_an_export_is_read_back_as_it_was(tmp_path):
    frame = tables.check(
        pl.DataFrame(
            {
                "incident_id": ["1", "2"],
                "received_at": instants("2026-01-05T10:00", "2026-10-25T01:30"),
                "class_code": ["burglary", "unknown"],
                "origin": ["public", "unknown"],
                "opening_description": ['a "b", c\nd', None],
                "longitude": [-2.5, None],
                "latitude": [51.4, None],
                "repairs": ["point_swapped", None],
            }
        ),
        "incidents",
    )
    path = tmp_path / "incidents.csv.gz"
    path.write_bytes(gzip.compress(tables.to_csv(frame, "incidents").encode()))
    extract = sources.read_extract(path, sources.read_column_map("bluelamp"), time_zone="Europe/London", as_of=AS_OF)
    rows, aside, _ = through(extract)
    assert aside.is_empty()
    assert rows.equals(frame)


def own(folder: Path, table: str, text: str) -> Extract:
    path = folder / f"{table}.csv"
    path.write_text(text)
    return sources.read_extract(
        path, sources.read_column_map("bluelamp"), time_zone="Europe/London", table=table, as_of=AS_OF
    )


def test_in_the_products_own_form_a_time_must_say_its_offset(tmp_path):
    extract = own(
        tmp_path, "incidents", "incident_id,received_at,class_code,origin\n1,2026-01-05 10:00:00,alarm,public\n"
    )
    _, aside, _ = through(extract)
    assert aside["reason_code"].to_list() == ["lacks_offset"]
    assert "2026-11-23T18:00:00Z was expected" in aside["reason"][0]


def test_in_the_products_own_form_a_column_that_nobody_knows_is_refused(tmp_path):
    with pytest.raises(BadData) as caught:
        own(tmp_path, "incidents", "incident_id,received_at,recieved_at,class_code,origin\n")
    assert "'recieved_at' is not a column of 'incidents'. Did you mean 'received_at'?" in str(caught.value)
    with pytest.raises(BadData, match="Column 'origin' is missing"):
        own(tmp_path, "incidents", "incident_id,received_at,class_code\n")


def test_an_unknown_class_is_set_to_unknown_and_a_wrong_origin_sets_the_row_aside(tmp_path):
    rows_of_text = ["1,2026-01-05T10:00:00Z,fun,public", "2,2026-01-05T10:00:00Z,alarm,nobody"]
    text = "\n".join(["incident_id,received_at,class_code,origin", *rows_of_text]) + "\n"
    rows, aside, counts = through(own(tmp_path, "incidents", text))
    assert rows["class_code"].to_list() == ["unknown"]
    assert counts["unknown_class"] == 1
    assert (aside["field"][0], aside["reason_code"][0]) == ("origin", "not_allowed")


def test_rows_of_other_tables_are_set_aside_with_field_and_reason(tmp_path):
    header = tables.blank_template("pools").splitlines()[0]
    good = tables.blank_template("pools").splitlines()[1]
    cells = dict(zip(header.split(","), next(csv.reader([good])), strict=True))
    wrong = ",".join((cells | {"from_hour": "25"}).values())
    unreadable = ",".join((cells | {"to_hour": "noon"}).values())
    missing = ",".join((cells | {"area_id": ""}).values())
    rows, aside, _ = through(own(tmp_path, "pools", "\n".join([header, good, wrong, unreadable, missing]) + "\n"))
    assert rows.height == 1
    assert list(zip(aside["field"], aside["reason_code"], strict=True)) == [
        ("from_hour", "not_allowed"),
        ("to_hour", "unreadable"),
        ("area_id", "missing"),
    ]


def test_a_map_for_incidents_does_not_fill_another_table():
    with pytest.raises(UsageError, match="fills 'incidents', not 'duties'"):
        sources.read_column_map("oakland").filling("duties")


def test_a_missing_file_is_said_before_anything_is_read(tmp_path):
    with pytest.raises(NoInput):
        sources.read_extract(tmp_path / "none.csv", sources.read_column_map("oakland"), time_zone="UTC", as_of=AS_OF)


def test_what_is_not_read_is_told(tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text("id,received,officer\n\n1,2026-01-05 10:00:00,x")
    extract = sources.read_extract(path, sources.parse_column_map(LONDON), time_zone="UTC", as_of=AS_OF)
    through(extract)
    assert extract.notes == [
        "Columns not read: officer.",
        "1 blank line passed over.",
        "The last line has no line end: the file may have been cut off.",
    ]


def test_sensitive_values_are_in_no_reason(tmp_path):
    header = "incident_id,received_at,class_code,origin,longitude,latitude"
    text = f"{header}\n1,2026-01-05T10:00:00Z,alarm,nobody,-2.58134,51.4\n"
    _, aside, _ = through(own(tmp_path, "incidents", text))
    assert "2.58134" not in aside["reason"][0]
    assert "2.58134" in aside["raw_row"][0]


def test_every_rule_that_can_be_counted_has_words():
    for code, rule in sources.RULES.items():
        assert code.isidentifier()
        assert rule.words
        assert rule.kind in ("set_aside", "changed", "noted")


# -- several rows in one ---------------------------------------------------------------------------------------------

PRESSES = """
title = "A log of units"
table = "unit_status"
time_zone = "Europe/London"
[columns]
unit_id = { column = "units", split_by = ",", not_counted = "DESK" }
incident_id = "id"
[[events]]
columns = { status = { constant = "en_route" }, status_at = "sent" }
[[events]]
columns = { status = { constant = "at_scene" }, status_at = "there" }
"""


def presses(folder: Path, *rows: str, chunk_rows: int = 100_000) -> Extract:
    path = folder / "units.csv"
    path.write_text("\n".join(["id,units,sent,there", *rows]) + "\n", encoding="utf-8")
    column_map = sources.parse_column_map(PRESSES)
    return sources.read_extract(path, column_map, time_zone="UTC", as_of=AS_OF, chunk_rows=chunk_rows)


ROWS = (
    '1,"A, B,A",2026-01-05 08:00,2026-01-05 08:10',
    '2,"B,,DESK",,2026-01-05 09:00',
    "3,DESK,2026-01-05 10:00,2026-01-05 10:00",
    "4,,2026-01-05 10:00,",
    "5,C,,",
    '6,"C,D",2026-01-05 11:00,2026-01-05 25:00',
)


@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_each_event_and_each_part_of_a_list_is_a_row_of_its_own(tmp_path, chunk_rows):
    extract = presses(tmp_path, *ROWS, chunk_rows=chunk_rows)
    chunks = list(extract)
    rows = pl.concat([chunk.rows for chunk in chunks])
    aside = pl.concat([chunk.quarantined for chunk in chunks])
    shown = rows.select("incident_id", "unit_id", "status", pl.col("status_at").dt.strftime("%H:%M"))
    assert shown.rows() == [
        ("1", "A", "en_route", "08:00"),
        ("1", "B", "en_route", "08:00"),
        ("1", "A", "at_scene", "08:10"),
        ("1", "B", "at_scene", "08:10"),
        ("2", "B", "at_scene", "09:00"),
        ("6", "C", "en_route", "11:00"),
        ("6", "D", "en_route", "11:00"),
    ]
    assert pl.concat([chunk.row_numbers for chunk in chunks]).to_list() == [2, 2, 2, 2, 3, 7, 7]
    assert aside.select("row_number", "reason_code").rows() == [(7, "unreadable_time")] * 2
    assert extract.rows_read == rows.height + aside.height == 9
    assert extract.rule_counts["holds_no_row"] == 3


def test_every_row_of_a_file_holds_rows_or_is_counted_as_holding_none(tmp_path):
    extract = presses(tmp_path, *ROWS)
    (chunk,) = list(extract)
    told_of = {*chunk.row_numbers, *chunk.quarantined["row_number"]}
    assert len(told_of) + extract.rule_counts["holds_no_row"] == len(ROWS)


def test_a_file_of_which_no_row_holds_anything_is_refused(tmp_path):
    with pytest.raises(BadData, match=r"None of the 2 rows of units\.csv has what a row of 'unit_status' is made of"):
        list(presses(tmp_path, "1,DESK,2026-01-05 08:00,", "2,A,,"))
