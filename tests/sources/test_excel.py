"""Excel workbooks: a cell is what it says, and what it does not say is not made up."""

import json
import zipfile
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from bluelamp import sources
from bluelamp.errors import BadData
from bluelamp.sources.column_maps import parse_column_map
from bluelamp.sources.files import BrokenRow, Reading, read_source
from bluelamp.sources.formats import excel

openpyxl = pytest.importorskip("openpyxl", reason="OPENPYXL ABSENT: workbooks were not read. It is in bluelamp[excel].")

EVENING = datetime(2026, 11, 20, 18, 5)
SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData>{}</worksheet>'


def a_book(folder: Path, *rows: list[object], formats: dict[str, str] | None = None, from_1904: bool = False) -> Path:
    book = openpyxl.Workbook()
    if from_1904:
        book.epoch = datetime(1904, 1, 1)
    book.active.title = "Calls"
    for row in rows:
        book.active.append(row)
    for cell, form in (formats or {}).items():
        book.active[cell].number_format = form
    book.save(folder / "calls.xlsx")
    return folder / "calls.xlsx"


def with_sheet_xml(path: Path, rows: str, after: str = "") -> Path:
    """Put a sheet's cells in by hand, as other programs write them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["xl/worksheets/sheet1.xml"] = SHEET.format(rows, after).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def text_cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def read(path: Path, **reading: object) -> tuple[list[tuple[str, ...]], list[int], list[BrokenRow]]:
    chunks = list(read_source(path, Reading(**reading)).chunks(3))  # type: ignore[arg-type]
    return (
        [row for chunk in chunks for row in chunk.values.rows()],
        [number for chunk in chunks for number in chunk.row_numbers],
        [each for chunk in chunks for each in chunk.broken],
    )


def refused(path: Path, **reading: object) -> str:
    with pytest.raises(BadData) as caught:
        read(path, **reading)
    return str(caught.value)


# -- what cells say ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("from_1904", [False, True])
def test_times_are_what_the_cells_say_in_either_date_system(tmp_path, from_1904):
    path = a_book(
        tmp_path,
        ["at", "day", "hour", "midnight", "length"],
        [EVENING, date(2026, 11, 20), time(18, 5, 7), datetime(2026, 11, 20), timedelta(hours=26, minutes=30)],
        formats={"E2": "[h]:mm:ss"},
        from_1904=from_1904,
    )

    rows, _, _ = read(path)

    assert rows == [("2026-11-20 18:05:00", "2026-11-20", "18:05:07", "2026-11-20 00:00:00", "26:30:00")]


def test_a_workbook_that_counts_from_1904_gives_the_same_instants_and_says_so(tmp_path):
    column_map = parse_column_map(
        'title = "Calls"\ntable = "incidents"\ntime_zone = "Europe/London"\n[columns]\nreceived_at = "at"\n'
    )
    for from_1904 in (False, True):
        path = a_book(tmp_path, ["at"], [EVENING], from_1904=from_1904)
        extract = sources.read_extract(path, column_map, time_zone="UTC", as_of=datetime(2026, 11, 22, tzinfo=UTC))
        (chunk,) = list(extract)

        assert chunk.rows["received_at"].to_list() == [EVENING.replace(tzinfo=UTC)]
        assert ("The workbook counts its days from 1904, and was read so." in extract.notes) == from_1904


def test_a_day_as_excel_writes_it_is_that_day(tmp_path):
    # 1 January 2000 is day 36526 from 1900 and day 35064 from 1904.
    for from_1904, serial in ((False, 36526), (True, 35064)):
        path = a_book(tmp_path, ["day"], [date(2020, 1, 1)], from_1904=from_1904)
        cells = f'<row r="1">{text_cell("A1", "day")}</row><row r="2"><c r="A2" s="1"><v>{serial}</v></c></row>'

        assert read(with_sheet_xml(path, cells))[0] == [("2000-01-01",)]


def test_a_time_that_misses_the_second_by_a_fraction_of_a_day_is_that_second(tmp_path):
    path = a_book(tmp_path, ["at"], [EVENING])
    # 18:05 is 0.753472222… of a day; five decimals are what some exports keep.
    cells = f'<row r="1">{text_cell("A1", "at")}</row><row r="2"><c r="A2" s="1"><v>46346.753472</v></c></row>'

    assert read(with_sheet_xml(path, cells))[0] == [("2026-11-20 18:05:00",)]


def test_parts_of_a_second_are_kept_where_the_cell_shows_them(tmp_path):
    path = a_book(tmp_path, ["at"], [EVENING + timedelta(milliseconds=250)], formats={"A2": "yyyy-mm-dd hh:mm:ss.000"})

    assert read(path)[0] == [("2026-11-20 18:05:00.250000",)]


def test_leading_zeros_stay_whether_typed_as_text_or_shown_by_the_format(tmp_path):
    path = a_book(tmp_path, ["text", "number", "plain"], ["00712", 712, 712], formats={"B2": "00000"})

    assert read(path)[0] == [("00712", "00712", "712")]


def test_numbers_and_truths_have_one_form(tmp_path):
    path = a_book(tmp_path, ["a", "b", "c", "d", "e"], [3.0, 0.1, True, 123456789012, "#N/A"])

    assert read(path)[0] == [("3", "0.1", "true", "123456789012", "#N/A")]


# -- formulas and merged cells -----------------------------------------------------------------------------------------


def test_a_formula_is_what_it_was_last_calculated_to(tmp_path):
    path = a_book(tmp_path, ["id", "n", "none"], ["x", 1, 2])
    cells = (
        f'<row r="1">{text_cell("A1", "id")}{text_cell("B1", "n")}{text_cell("C1", "none")}</row>'
        f'<row r="2">{text_cell("A2", "x")}<c r="B2"><f>1+1</f><v>2</v></c><c r="C2" t="str"><f>""</f><v></v></c></row>'
    )

    assert read(with_sheet_xml(path, cells))[0] == [("x", "2", "")]
    assert read_source(path).notes == ["Of 2 cells with a formula, what it was last calculated to was read."]


def test_a_formula_that_was_never_calculated_sets_its_row_aside_where_it_is_wanted(tmp_path):
    path = a_book(tmp_path, ["id", "n"], ["x", "=1+1"], ["y", 3], ["=A1", "=B1"])

    rows, numbers, broken = read(path, wanted=["id", "n"])

    assert (rows, numbers) == ([("y", "3")], [3])
    assert [(each.row_number, each.reason_code) for each in broken] == [
        (2, "formula_without_value"),
        (4, "formula_without_value"),
    ]
    assert "Cell B2 ('n') holds a formula that was never calculated." in broken[0].reason
    assert read(path, wanted=["id"])[1] == [2, 3]


def test_a_cell_that_is_merged_into_another_sets_its_row_aside_where_it_is_wanted(tmp_path):
    book = openpyxl.Workbook()
    for row in (["id", "beat", "n"], ["a", "north", 1], ["b", None, 2], ["c", None, 3], ["d", "south", 4]):
        book.active.append(row)
    book.active.merge_cells("B2:B4")
    book.save(tmp_path / "calls.xlsx")

    rows, numbers, broken = read(tmp_path / "calls.xlsx", wanted=["id", "beat"])

    assert (rows, numbers) == ([("a", "north", "1"), ("d", "south", "4")], [2, 5])
    assert [each.row_number for each in broken] == [3, 4]
    assert "Cell B3 ('beat') is merged into another one" in broken[0].reason
    assert {"merged_cells", "formula_without_value"} <= set(sources.RULES)
    assert json.loads(broken[0].raw_row) == {"id": "b", "beat": "", "n": "2"}
    assert read(tmp_path / "calls.xlsx", wanted=["id"])[2] == []


def test_a_merge_of_the_whole_sheet_costs_no_memory(tmp_path):
    path = a_book(tmp_path, ["id"], ["a"])
    cells = f'<row r="1">{text_cell("A1", "id")}</row><row r="2">{text_cell("A2", "a")}</row>'
    merged = '<mergeCells><mergeCell ref="A2:XFD1048576"/></mergeCells>'

    assert read(with_sheet_xml(path, cells, merged))[0] == [("a",)]


# -- rows, columns and sheets ------------------------------------------------------------------------------------------


def test_rows_are_numbered_as_the_sheet_numbers_them_and_blank_ones_told(tmp_path):
    path = a_book(tmp_path, ["id", "n"], ["a", 1], [None, None], ["", ""], ["b", None], ["c", 1, "beyond"])
    file = read_source(path)
    (first, *_) = list(file.chunks(100))

    assert first.row_numbers.to_list() == [2, 5]
    assert first.broken[0].reason == "The row has 3 values; the header has 2 columns."
    assert json.loads(first.broken[0].raw_row) == {"id": "c", "n": "1", "beyond the last column": ["beyond"]}
    assert file.notes == ["2 blank lines passed over."]


def test_the_first_sheet_is_read_and_the_others_are_told(tmp_path):
    path = a_book(tmp_path, ["id"], ["a"])
    book = openpyxl.load_workbook(path)
    book.create_sheet("People").append(["person"])
    book["People"].append(["p1"])
    book.save(path)

    file = read_source(path)

    assert file.columns == ["id"]
    assert file.map_settings == {"sheet": "Calls"}
    assert "Read was sheet 'Calls', the first. There are others: 'People'; sheet = … in the column" in file.notes[0]
    assert read(path, sheet="People")[0] == [("p1",)]
    assert "has no sheet 'Peopel', which its column map names. Did you mean 'People'?" in refused(path, sheet="Peopel")


def test_two_header_rows_are_told_with_the_row_that_names_the_columns(tmp_path):
    path = a_book(tmp_path, ["Call", None, "Times"], ["id", "code", "at"], ["a", "B", EVENING])

    assert "named in row 2; what stands above are headings. Write header_row = 2" in refused(path, needed=["id", "at"])
    assert read(path, needed=["id", "at"], header_row=2)[0] == [("a", "B", "2026-11-20 18:05:00")]


def test_a_proposal_looks_below_headings_and_names_the_sheet(tmp_path):
    rows = [[f"c{n}", EVENING - timedelta(hours=n), "BURG"] for n in range(60)]
    path = a_book(tmp_path, ["Call", None, None], ["Call No", "Received", "Nature"], *rows)
    book = openpyxl.load_workbook(path)
    book.create_sheet("Notes")
    book.save(path)

    proposal = sources.propose(path, answers={"time_zone": "Europe/London"})
    column_map = parse_column_map(proposal.files()[proposal.map_name])

    assert (column_map.sheet, column_map.header_row) == ("Calls", 2)
    assert column_map.columns["received_at"].column == "Received"


# -- what is no good ---------------------------------------------------------------------------------------------------


def test_rows_out_of_order_are_refused_because_some_would_be_lost(tmp_path):
    path = a_book(tmp_path, ["id"], ["a"])
    cells = "".join(f'<row r="{n}">{text_cell(f"A{n}", "x")}</row>' for n in (1, 3, 2))

    assert "row 2 comes after row 3" in refused(with_sheet_xml(path, cells))


def test_a_row_number_beyond_all_sheets_is_refused_at_once(tmp_path):
    path = a_book(tmp_path, ["id"], ["a"])
    cells = f'<row r="1">{text_cell("A1", "id")}</row><row r="999999999999">{text_cell("A9", "x")}</row>'

    assert "are not in order: row 999,999,999,999" in refused(with_sheet_xml(path, cells))


def test_entities_that_grow_or_reach_out_are_refused(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    for entities, name in ((f'<!ENTITY l0 "ha">{laughs}', "l9"), (f'<!ENTITY x SYSTEM "{tmp_path}/secret.txt">', "x")):
        path = a_book(tmp_path, ["id"], ["a"])
        cells = f'<row r="1">{text_cell("A1", "id")}</row><row r="2">{text_cell("A2", f"&{name};")}</row>'
        with_sheet_xml(path, cells)
        with zipfile.ZipFile(path) as archive:
            members = {each: archive.read(each) for each in archive.namelist()}
        sheet = members["xl/worksheets/sheet1.xml"]
        members["xl/worksheets/sheet1.xml"] = f"<!DOCTYPE worksheet [{entities}]>".encode() + sheet
        with zipfile.ZipFile(path, "w") as archive:
            for each, data in members.items():
                archive.writestr(each, data)

        said = refused(path)
        assert "can't be read as an Excel workbook" in said
        assert "secret\n" not in said


def test_a_workbook_that_was_made_to_fill_memory_is_refused(tmp_path, monkeypatch):
    path = a_book(tmp_path, ["id"], ["a"])
    monkeypatch.setattr(excel, "MOST_TEXT_BYTES", 1000)

    assert "bytes of texts and styles" in refused(path)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"content.xml": "", "mimetype": ""}, "is an OpenDocument workbook. Save it as .xlsx."),
        ({"xl/workbook.bin": ""}, "is a binary Excel workbook. Save it as .xlsx."),
        ({"xl/workbook.xml": "<x/>"}, "can't be read as an Excel workbook"),
    ],
)
def test_workbooks_of_other_kinds_are_refused_with_the_way_out(tmp_path, members, words):
    with zipfile.ZipFile(tmp_path / "calls.xlsx", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)

    assert words in refused(tmp_path / "calls.xlsx")


def test_an_old_workbook_or_one_with_a_password_is_refused(tmp_path):
    (tmp_path / "calls.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)

    assert "of the old kind (.xls), or protected by a password" in refused(tmp_path / "calls.xlsx")


def test_an_empty_sheet_is_refused(tmp_path):
    assert "Sheet 'Calls' of calls.xlsx is empty." in refused(a_book(tmp_path))
