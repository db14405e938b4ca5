"""Reading delimited text: every row whole or set aside, and every fault of a file said in a sentence."""

import csv
import gzip
import io
import json
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp.errors import BadData, BluelampError, InputOutputError, NoInput, NotPermitted
from bluelamp.sources import texts
from bluelamp.sources.files import Reading, RowChunk, file_sha256
from bluelamp.sources.formats.delimited import DelimitedFile


def written(folder: Path, text: str | bytes, name: str = "calls.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def all_of(file: DelimitedFile, chunk_rows: int = 1000) -> tuple[list[tuple[str, ...]], list[int], RowChunk]:
    chunks = list(file.chunks(chunk_rows))
    rows = [row for chunk in chunks for row in chunk.values.iter_rows()]
    numbers = [number for chunk in chunks for number in chunk.row_numbers]
    broken = [each for chunk in chunks for each in chunk.broken]
    return rows, numbers, RowChunk(pl.DataFrame(), pl.Series(), broken)


def as_csv(rows: list[list[str]], **how: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=how.pop("lineterminator", "\n"), **how).writerows(rows)
    return out.getvalue()


# -- what is read ------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.text(alphabet="ab1 \",;'é\u202e=", max_size=6), min_size=3, max_size=3), min_size=1, max_size=25
    ),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    chunk_rows=st.sampled_from([1, 2, 7, 1000]),
)
def test_every_cell_comes_out_as_it_was_written(tmp_path_factory, rows, line_end, chunk_rows):
    path = tmp_path_factory.mktemp("cells") / "cells.csv"
    path.write_bytes(as_csv([["one", "two", "three"], *rows], lineterminator=line_end).encode())

    read, numbers, rest = all_of(DelimitedFile(path), chunk_rows)

    assert [list(row) for row in read] == rows
    assert numbers == list(range(2, len(rows) + 2))
    assert rest.broken == []


def test_the_fast_way_and_the_strict_way_agree(tmp_path, monkeypatch):
    rows = [[f"i{n}", 'say ""' if n % 3 else "a,b", "" if n % 5 else '"', f"é{n}"] for n in range(500)]
    path = written(tmp_path, as_csv([["a", "b", "c", "d"], *rows]))
    fast = all_of(DelimitedFile(path), 64)
    monkeypatch.setattr(DelimitedFile, "_split_proved", lambda self, text: None)

    strict = all_of(DelimitedFile(path), 64)

    assert fast[:2] == strict[:2]
    assert [list(row) for row in strict[0]] == rows


@pytest.mark.parametrize(
    "line",
    ["1,2", "1,2,3,4", '1,"2,3', '1,2"",3"', '"1"x,2,3', '1,""2"",3', "1,2\0,3", 'a"b,2,3', '1,2,"3"" ', ""],
)
def test_the_fast_way_takes_no_text_that_it_can_not_prove(tmp_path, line):
    file = DelimitedFile(written(tmp_path, "a,b,c\n1,2,3\n"))

    values = file._split_proved(f"7,8,9\n{line}\n4,5,6\n")

    if values is not None:
        assert [list(row) for row in values.iter_rows()] == list(
            csv.reader([f"7,8,9\n{line}\n4,5,6\n"][0].splitlines(), strict=True)
        )


def test_short_and_long_rows_that_balance_are_not_padded(tmp_path):
    path = written(tmp_path, "a,b,c\n1,2\n1,2,3,4\n5,6,7\n")

    rows, numbers, rest = all_of(DelimitedFile(path))

    assert rows == [("5", "6", "7")]
    assert numbers == [4]
    assert [(each.row_number, each.reason_code) for each in rest.broken] == [
        (2, "wrong_column_count"),
        (3, "wrong_column_count"),
    ]
    assert rest.broken[0].reason == "The row has 2 values; the header has 3 columns."
    assert json.loads(rest.broken[0].raw_row) == {"row": "1,2"}


def test_a_value_over_several_lines_is_one_row_and_the_next_row_is_numbered_as_a_spreadsheet_does(tmp_path):
    path = written(tmp_path, 'a,b\n1,"first\nsecond\nthird"\n\n2,x\n')

    for chunk_rows in (1, 2, 3, 100):
        file = DelimitedFile(path)
        rows, numbers, rest = all_of(file, chunk_rows)
        assert rows == [("1", "first\nsecond\nthird"), ("2", "x")]
        assert numbers == [2, 4]
        assert rest.broken == []
        assert file.blank_rows == 1


def test_a_stray_quote_costs_its_own_row_and_none_after_it(tmp_path):
    lines = [f"i{n},2026-01-{n % 28 + 1:02d} 10:00:00,word" for n in range(1000)]
    lines[400] = 'i400,2026-01-05 10:00:00,"word'
    path = written(tmp_path, "id,at,what\n" + "\n".join(lines) + "\n")

    for chunk_rows in (150, 5000):
        rows, _, rest = all_of(DelimitedFile(path, Reading(telling="at")), chunk_rows)
        assert len(rows) == 999
        assert [(each.row_number, each.reason_code) for each in rest.broken] == [(402, "broken_quotes")]


def test_two_stray_quotes_do_not_swallow_the_rows_between(tmp_path):
    lines = [f"i{n},2026-01-05 10:00:00,word" for n in range(50)]
    lines[10] = 'i10,2026-01-05 10:00:00,"word'
    lines[14] = 'i14",2026-01-05 10:00:00,word'
    path = written(tmp_path, "id,at,what\n" + "\n".join(lines) + "\n")

    rows, _, rest = all_of(DelimitedFile(path, Reading(telling="at")))

    assert {row[0] for row in rows} | {json.loads(each.raw_row)["row"][:3] for each in rest.broken} == {
        f"i{n}" if n != 14 else 'i14"' for n in range(50)
    }
    assert len(rows) + len(rest.broken) == 50


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, delimiter):
    path = written(tmp_path, as_csv([["id", "at", "what"], ["1", "2,5", "a;b"]], delimiter=delimiter))

    file = DelimitedFile(path, Reading(needed=["id", "at"]))

    assert file.delimiter == delimiter
    assert all_of(file)[0] == [("1", "2,5", "a;b")]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    assert DelimitedFile(written(tmp_path, "\ufeffid,at\n1,2\n")).columns == ["id", "at"]


def test_gzip_is_known_by_its_bytes_not_by_its_name(tmp_path):
    path = written(tmp_path, gzip.compress(b"id,at\n1,2\n") + gzip.compress(b"3,4\n"), "calls.csv")

    assert all_of(DelimitedFile(path))[0] == [("1", "2"), ("3", "4")]


def test_formulas_bidi_marks_and_null_bytes_are_data(tmp_path):
    rows = [["=1+1", "\u202eabc", "x\0y"], ["@cmd", "-2", "+3"]]
    path = written(tmp_path, as_csv([["a", "b", "c"], *rows]))

    assert [list(row) for row in all_of(DelimitedFile(path))[0]] == rows


def test_the_fingerprint_is_of_the_bytes_on_disk(tmp_path):
    import hashlib

    path = written(tmp_path, gzip.compress(b"id\n1\n"))
    assert file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


# -- mutated files -----------------------------------------------------------------------------------------------------


def mutate(rng: random.Random, text: str) -> tuple[str, set[int]]:
    """Change a text in one to four places; gives the lines of the original that were touched."""
    touched: set[int] = set()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    edits = sorted((rng.randrange(starts[1], len(text)) for _ in range(rng.randint(1, 4))), reverse=True)
    for at in edits:
        line = max(number for number, start in enumerate(starts) if start <= at)
        touched.add(line)
        if text[at : at + 1] == "\n":
            touched.add(line + 1)
        kind = rng.choice(["insert", "delete", "replace", "cut", "double"])
        letter = rng.choice(['"', '"', ",", "\n", "\r", "\0", "x", ";", '""', '"\n', ',"', '",'])
        if letter.startswith(('"', ',"')) and rng.random() < 0.7:
            # Beside a delimiter a stray quote does most harm.
            at = max(text.rfind(",", starts[1], at) + rng.randint(0, 1), starts[1])
            line = max(number for number, start in enumerate(starts) if start <= at)
            touched.add(line)
        if kind == "insert":
            text = text[:at] + letter + text[at:]
        elif kind == "delete":
            text = text[:at] + text[at + 1 :]
        elif kind == "replace":
            text = text[:at] + letter + text[at + 1 :]
        elif kind == "double":
            text = text[:at] + text[at : at + 5] + text[at:]
            touched.add(line + 1)
        elif rng.random() < 0.1:
            text = text[:at]
            touched |= set(range(line, len(starts)))
    return text, touched


def hold_to_account(folder: Path, seeds: range, *, quoted: bool) -> None:
    lines = ["id,received,code,words"]
    # Half of the files have no quotes of their own, so that two stray ones may well fit each other.
    kinds = (
        ("plain", '"Domestic, in progress"', '"said ""go"" twice"', "", '"two\nlines"') if quoted else ("plain",) * 5
    )
    for n in range(60):
        words = kinds[n % 5]
        lines.append(f"i{n:03d},2026-01-{n % 28 + 1:02d} 10:{n:02d}:00,C{n % 7},{words}")
    text = "\n".join(lines) + "\n"
    first_line_of = {}
    at = 1
    for n in range(60):
        first_line_of[n] = at
        at += 2 if quoted and n % 5 == 4 else 1
    expected = {row[0]: tuple(row) for row in csv.reader(io.StringIO(text))}
    path = folder / "mutated.csv"
    for seed in seeds:
        mutated, touched = mutate(random.Random(seed), text)
        path.write_bytes(mutated.encode())
        try:
            rows, numbers, rest = all_of(DelimitedFile(path, Reading(telling="received")), 17)
        except BluelampError:
            continue
        whole = set(rows)
        aside = " ".join(json.loads(each.raw_row)["row"] for each in rest.broken)
        for n in range(60):
            own = {first_line_of[n]} | ({first_line_of[n] + 1} if quoted and n % 5 == 4 else set())
            if own & touched:
                continue
            row = expected[f"i{n:03d}"]
            assert row in whole or f"i{n:03d}" in aside, f"seed {seed}: row {row} is lost"
        every = sorted(numbers + [each.row_number for each in rest.broken])
        assert len(set(every)) == len(every), f"seed {seed}: a row number comes twice"


@pytest.mark.parametrize("quoted", [True, False])
def test_a_mutated_file_loses_no_row_in_silence(tmp_path, quoted):
    hold_to_account(tmp_path, range(100, 250), quoted=quoted)


def test_the_account_notices_rows_that_two_stray_quotes_swallow(tmp_path, monkeypatch):
    monkeypatch.setattr(DelimitedFile, "_swallowed", lambda self, lines: False)
    with pytest.raises(AssertionError, match="is lost"):
        hold_to_account(tmp_path, range(208, 209), quoted=False)


@pytest.mark.soak
def test_ten_thousand_mutated_files_lose_no_row_in_silence(tmp_path):
    hold_to_account(tmp_path, range(300, 5_300), quoted=True)
    hold_to_account(tmp_path, range(300, 5_300), quoted=False)


# -- what is refused ---------------------------------------------------------------------------------------------------


def refused(kind: type[BluelampError], path: Path, **how: object) -> str:
    with pytest.raises(kind) as caught:
        list(DelimitedFile(path, Reading(**how)).chunks(1000))  # type: ignore[arg-type]
    assert type(caught.value) is kind
    return str(caught.value)


def test_a_missing_file_is_no_input_and_its_neighbour_is_named(tmp_path):
    written(tmp_path, "a\n1\n", "calls_2024.csv")

    said = refused(NoInput, tmp_path / "calls_2025.csv")

    assert "There is no file" in said
    assert "Did you mean 'calls_2024.csv'?" in said
    assert NoInput.exit_code == 66


def test_a_folder_is_not_a_file(tmp_path):
    assert "is a folder, not a file" in refused(NoInput, tmp_path)


def test_a_file_that_may_not_be_read_is_said_to_be_so(tmp_path, monkeypatch):
    path = written(tmp_path, "a,b\n1,2\n")

    def forbid(*_args: object, **_how: object) -> None:
        raise PermissionError

    monkeypatch.setattr("builtins.open", forbid)
    assert "may not be read by this account" in refused(NotPermitted, path)


def test_a_disk_that_fails_while_reading_is_an_input_output_error(tmp_path, monkeypatch):
    path = written(tmp_path, "a,b\n1,2\n")
    file = DelimitedFile(path)

    def fail(*_args: object) -> None:
        raise OSError(5, "Input/output error")
        yield

    monkeypatch.setattr(texts.Text, "_decoded", fail)
    with pytest.raises(InputOutputError, match="can't be read on"):
        list(file.chunks(10))


@pytest.mark.parametrize("text", ["", "\n\n\r\n"])
def test_an_empty_file_is_bad_data(tmp_path, text):
    said = refused(BadData, written(tmp_path, text))
    assert "is empty" in said or "nothing but blank lines" in said
    assert BadData.exit_code == 65


@pytest.mark.parametrize("text", ["a,b\n", "a,b", "\na,b\n\n\n"])
def test_a_file_with_a_header_alone_is_bad_data(tmp_path, text):
    file = DelimitedFile(written(tmp_path, text))
    with pytest.raises(BadData, match="has columns and no row"):
        list(file.chunks(10))


def test_gzip_data_cut_in_the_middle_says_after_how_many_rows(tmp_path):
    rng = random.Random(1)
    whole = gzip.compress(("a,b\n" + "".join(f"{n},{rng.random()}\n" for n in range(20_000))).encode())
    path = written(tmp_path, whole[: len(whole) // 2], "calls.csv.gz")

    said = refused(BadData, path)

    rows = int(said.split("after ")[1].split(" row")[0].replace(",", ""))
    assert 8_000 < rows < 12_000
    assert "None of it was imported" in said


def test_broken_gzip_data_is_refused(tmp_path):
    whole = bytearray(gzip.compress(("a,b\n" + "1,2\n" * 5000).encode()))
    whole[-6] ^= 0xFF
    assert "broken gzip data" in refused(BadData, written(tmp_path, bytes(whole), "calls.csv.gz"))


def test_a_plain_file_cut_in_the_middle_of_a_row_says_so(tmp_path):
    file = DelimitedFile(written(tmp_path, "a,b,c\n1,2,3\n4,5"))

    rows, _, rest = all_of(file)

    assert rows == [("1", "2", "3")]
    assert [each.reason_code for each in rest.broken] == ["cut_off"]
    assert file.notes == ["The last line has no line end: the file may have been cut off."]


def test_latin_1_text_is_refused_with_the_place_and_the_setting(tmp_path):
    path = written(tmp_path, "id,words\n1,plain\n2,Café\n".encode("windows-1252"))

    said = refused(BadData, path)

    assert "byte 0xE9 at position 23 (line 3)" in said
    assert 'encoding = "windows-1252"' in said
    assert all_of(DelimitedFile(path, Reading(encoding="windows-1252")))[0] == [("1", "plain"), ("2", "Café")]


def test_utf_16_text_is_refused_with_the_setting_and_read_with_it(tmp_path):
    path = written(tmp_path, "id,words\n1,Café\n".encode("utf-16"))

    assert 'encoding = "utf-16"' in refused(BadData, path)
    assert all_of(DelimitedFile(path, Reading(encoding="utf-16")))[0] == [("1", "Café")]


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf_16_text_without_its_mark_is_refused_with_the_setting_and_read_with_it(tmp_path, order):
    path = written(tmp_path, "id,words\n1,plain\n".encode(order))

    assert f'encoding = "{order}"' in refused(BadData, path)
    assert all_of(DelimitedFile(path, Reading(encoding=order)))[0] == [("1", "plain")]


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x04\x00",
        b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00",
        b"SQLite format 3\x00\x10\x00\x01\x01" + bytes(40) + b"CREATE TABLE calls (id)",
        b"%PDF-1.7\n\xb5\xed\xae\n" + bytes(range(256)) * 9,
        bytes(3000),
    ],
    ids=["picture", "program", "database", "pdf", "nothing but NUL"],
)
def test_what_is_no_text_is_said_to_be_none_and_no_encoding_is_blamed(tmp_path, content):
    said = refused(BadData, written(tmp_path, content))

    assert "is no text file" in said
    assert "Windows" not in said


def test_what_is_no_text_is_said_to_be_none_where_the_map_names_an_encoding_of_which_each_byte_is_a_letter(tmp_path):
    path = written(tmp_path, b"SQLite format 3\x00\x10\x00\x01\x01" + bytes(40) + b"CREATE TABLE calls (id)")

    with pytest.raises(BadData, match="is no text file"):
        DelimitedFile(path, Reading(encoding="windows-1252"))


def test_a_stray_nul_spoils_no_file_and_a_windows_export_with_one_is_still_told_as_one(tmp_path):
    rows = "".join(f"{number},plain\n" for number in range(200))

    assert len(all_of(DelimitedFile(written(tmp_path, "id,words\n0,a\0b\n" + rows)))[0]) == 201
    export = written(tmp_path, ("id,words\n0,a\0b\n" + rows + "9,Café\n").encode("windows-1252"))
    assert 'encoding = "windows-1252"' in refused(BadData, export)


def test_a_workbook_is_not_read_as_text(tmp_path):
    assert "an archive, a workbook" in refused(BadData, written(tmp_path, b"PK\x03\x04rest", "calls.xlsx"))


@pytest.mark.parametrize(
    "text", ["a,b\n" + "x" * 1_200_000, "a,b\n1,2\n" + "y," * 700_000 + "\n1,2\n", "z" * 5_000_000]
)
def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path, text):
    assert "a line of more than 1,000,000 characters" in refused(BadData, written(tmp_path, text))


def test_a_zip_bomb_is_refused_with_little_memory(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(b"a,b\n")
        for _ in range(100):
            out.write(b"0" * 1_000_000)
    assert "a line of more than" in refused(BadData, path)


def test_a_delimiter_that_the_map_states_wrongly_is_named(tmp_path):
    path = written(tmp_path, "id;at\n1;2\n")

    said = refused(BadData, path, delimiter=",", needed=["id", "at"])

    assert "is split by semicolons, not by ','" in said
    assert 'delimiter = ";"' in said


def test_a_delimiter_that_nobody_uses_is_said_to_be_wrong(tmp_path):
    said = refused(BadData, written(tmp_path, "id:at\n1:2\n"), needed=["id", "at"])
    assert "its header reads as one column" in said


def test_a_missing_column_is_named_with_the_nearest_one(tmp_path):
    said = refused(BadData, written(tmp_path, "id,recieved,code\n1,2,3\n"), needed=["id", "received", "beat"])

    assert "Column 'received' is missing. Did you mean 'recieved'?" in said
    assert "Column 'beat' is missing." in said
    assert "It has: id, recieved, code." in said


def test_a_column_that_comes_twice_is_refused(tmp_path):
    assert "Column 'id' is there twice." in refused(BadData, written(tmp_path, "id,id,b\n1,2,3\n"), needed=["id", "b"])


def test_the_longest_line_is_a_limit_that_real_rows_never_reach():
    assert texts.LONGEST_LINE >= 100_000
