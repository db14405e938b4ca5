"""Every format that extracts come in: told by its content, each row whole or set aside, and what is wrong said."""

import gzip
import io
import json
import sys
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import extensions, sources
from bluelamp.errors import BadData, BluelampError, UsageError
from bluelamp.sources import texts
from bluelamp.sources.column_maps import parse_column_map
from bluelamp.sources.files import BrokenRow, Reading, read_source

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
MAP = parse_column_map("""
title = "Calls"
table = "incidents"
time_zone = "Europe/London"
[columns]
incident_id = "id"
received_at = "at"
opening_code = "code"
""")
HEADER = ["id", "at", "code"]
ROWS = [["007", "2026-07-01 18:05:00", "BURG"], ["008", "2026-07-01 19:10:00", 'a "b", c'], ["9", "", "éß"]]


def csv_text(rows: list[list[str]] = ROWS, header: list[str] = HEADER) -> str:
    return pl.DataFrame(rows, schema=header, orient="row").write_csv()


def written(folder: Path, data: str | bytes, name: str = "calls.dat") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def zipped(folder: Path, members: dict[str, str | bytes], name: str = "calls.zip") -> Path:
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return folder / name


def json_lines(rows: list[list[str]] = ROWS) -> str:
    return "".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in rows)


def in_format(folder: Path, kind: str, rows: list[list[str]] = ROWS) -> Path:
    """The same rows in a format, under a name that says nothing."""
    if kind == "parquet":
        out = io.BytesIO()
        pl.DataFrame(rows, schema=HEADER, orient="row").write_parquet(out)
        return written(folder, out.getvalue())
    if kind == "zip":
        return zipped(folder, {"calls.csv": csv_text(rows)}, "calls.dat")
    if kind == "excel":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in [HEADER, *rows]:
            book.active.append(row)
        book.save(folder / "calls.xlsx")
        return (folder / "calls.xlsx").rename(folder / "calls.dat")
    text = json_lines(rows) if kind.startswith("json") else csv_text(rows)
    return written(folder, gzip.compress(text.encode()) if kind.endswith("gzip") else text)


def read_all(
    path: Path, chunk_rows: int = 1000, **reading: object
) -> tuple[list[list[str]], list[int], list[BrokenRow]]:
    chunks = list(read_source(path, Reading(**reading)).chunks(chunk_rows))  # type: ignore[arg-type]
    rows = [list(row) for chunk in chunks for row in chunk.values.iter_rows()]
    numbers = [number for chunk in chunks for number in chunk.row_numbers]
    return rows, numbers, [each for chunk in chunks for each in chunk.broken]


def refused(path: Path, **reading: object) -> str:
    with pytest.raises(BadData) as caught:
        read_all(path, **reading)
    return str(caught.value)


KINDS = ["csv", "csv gzip", "json", "json gzip", "parquet", "zip", "excel"]


# -- every format ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk_rows", [1, 2, 1000])
def test_the_same_rows_come_out_of_every_format_whatever_the_file_is_called(tmp_path, kind, chunk_rows):
    rows, _, broken = read_all(in_format(tmp_path, kind), chunk_rows)

    assert rows == ROWS
    assert broken == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_extract_is_the_same_in_every_format(tmp_path, kind):
    extract = sources.read_extract(in_format(tmp_path, kind), MAP, time_zone="Europe/London", as_of=AS_OF)
    (chunk,) = list(extract)

    assert chunk.rows["received_at"].dt.strftime("%H:%M").to_list() == ["17:05", "18:10"]
    assert chunk.rows["incident_id"].to_list() == ["007", "008"]
    assert chunk.quarantined["reason_code"].to_list() == ["missing_time"]
    assert json.loads(chunk.quarantined["raw_row"][0]) == {"id": "9", "at": "", "code": "éß"}
    assert chunk.rows_read == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_any_format_is_proposed_for(tmp_path, kind):
    rows = [[f"c{n:03d}", f"2026-07-{n % 28 + 1:02d} {n % 24:02d}:05:00", "BC"[n % 2]] for n in range(60)]
    path = in_format(tmp_path, kind, rows)

    proposal = sources.propose(path, answers={"time_zone": "Europe/London"})

    column_map = parse_column_map(proposal.files()[proposal.map_name])
    assert column_map.columns["received_at"].column == "at"
    assert column_map.columns["incident_id"].column == "id"
    extract = sources.read_extract(path, column_map, time_zone="Europe/London", as_of=AS_OF)
    assert sum(chunk.rows.height for chunk in extract) == 60


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_that_is_called_otherwise_today_is_named_with_the_nearest(tmp_path, kind):
    said = refused(in_format(tmp_path, kind), needed=["id", "att"])

    assert "Column 'att' is missing. Did you mean 'at'?" in said
    assert "It has: id, at, code." in said


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_a_row_is_refused(tmp_path, kind):
    if kind.startswith("json"):
        path = written(tmp_path, "\n\n{}\n"[:2])
        assert "nothing but blank lines" in refused(path)
    else:
        assert "columns and no row" in refused(in_format(tmp_path, kind, []))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.text("ab0 ,\"';é\u202e=1.-", max_size=6), min_size=3, max_size=3), min_size=1, max_size=20
    ),
    kind=st.sampled_from(["csv", "json", "parquet", "zip"]),
    chunk_rows=st.sampled_from([1, 7, 1000]),
)
def test_every_cell_comes_out_of_a_format_as_it_went_in(tmp_path_factory, rows, kind, chunk_rows):
    rows = [[f"r{row[0]}", *row[1:]] for row in rows]

    read, _, broken = read_all(in_format(tmp_path_factory.mktemp("cells"), kind, rows), chunk_rows)

    assert (read, broken) == (rows, [])


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_extras_everything_but_a_workbook_is_read(tmp_path, monkeypatch, kind):
    path = in_format(tmp_path, kind)
    for name in [each for each in sys.modules if each.partition(".")[0] in ("openpyxl", "sqlalchemy", "psycopg")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("openpyxl", "sqlalchemy", "psycopg"):
        monkeypatch.setitem(sys.modules, name, None)

    if kind == "excel":
        with pytest.raises(UsageError, match=r"Reading calls.dat, an Excel workbook, needs .*bluelamp\[excel\]"):
            read_all(path)
    else:
        assert read_all(path)[0] == ROWS


def test_what_a_member_of_the_family_is_missing_is_said_with_what_to_install(monkeypatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    monkeypatch.setattr(extensions, "import_module", missing)
    with pytest.raises(UsageError, match=r"Reading a database needs .* pip install 'bluelamp\[database\]'"):
        extensions.optional("sqlalchemy", "database", "Reading a database")


def test_a_hundred_columns_are_read_and_those_that_nobody_asked_for_are_told(tmp_path):
    header = HEADER + [f"extra_{n}" for n in range(97)]
    rows = [["i1", "2026-07-01 18:05:00", "B", *["x"] * 97], ["i2", "2026-07-01 18:06:00", "B", *["x"] * 96]]
    path = written(tmp_path, "\n".join(",".join(each) for each in [header, *rows]) + "\n")

    extract = sources.read_extract(path, MAP, time_zone="UTC", as_of=AS_OF)
    (chunk,) = list(extract)

    assert chunk.rows["incident_id"].to_list() == ["i1"]
    assert "The row has 99 values; the header has 100 columns." in chunk.quarantined["reason"][0]
    assert extract.notes[0].startswith("Columns not read: extra_0, extra_1")


# -- headings above the columns ----------------------------------------------------------------------------------------

HEADED = "Control room, daily export\n\nCall,,\n" + csv_text()


@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(text.encode())], ids=["plain", "gzip"])
def test_two_header_rows_are_told_with_the_row_that_names_the_columns(tmp_path, pack):
    path = written(tmp_path, pack(HEADED))

    assert "named in row 4; what stands above are headings. Write header_row = 4" in refused(path, needed=["id", "at"])

    rows, numbers, _ = read_all(path, needed=["id", "at"], header_row=4)
    assert rows == ROWS
    assert numbers == [5, 6, 7]


def test_a_proposal_looks_below_headings_and_says_so(tmp_path):
    rows = [[f"c{n:03d}", f"2026-07-{n % 28 + 1:02d} {n % 24:02d}:05:00", "B"] for n in range(60)]
    path = written(tmp_path, "Control room, daily export\n\nCall,,\n" + csv_text(rows))

    proposal = sources.propose(path, answers={"time_zone": "Europe/London"})

    assert "header_row = 4" in proposal.files()[proposal.map_name]
    assert "header_row = 4: the rows above it are headings (fair confidence)" in proposal.lines()


# -- zip ---------------------------------------------------------------------------------------------------------------


def test_files_with_the_same_columns_in_an_archive_are_one_extract_with_member_and_row_of_what_is_set_aside(tmp_path):
    broken = "id,at,code\nx1,2026-07-02 10:00:00,B\nx2,2026-07-02 10:00:00\n"
    path = zipped(tmp_path, {"b/july.csv": broken, "a/june.csv": csv_text(), "__MACOSX/._x": "junk", "a/": ""})

    extract = sources.read_extract(path, MAP, time_zone="UTC", as_of=AS_OF)
    chunks = list(extract)
    aside = pl.concat([chunk.quarantined for chunk in chunks])

    assert [row for chunk in chunks for row in chunk.rows["incident_id"]] == ["007", "008", "x1"]
    assert aside.select("file_name", "row_number", "reason_code").rows() == [
        ("calls.zip/a/june.csv", 4, "missing_time"),
        ("calls.zip/b/july.csv", 3, "wrong_column_count"),
    ]
    assert "Read from the archive: a/june.csv, b/july.csv." in extract.notes
    assert chunks[-1].share_read == 1.0


def test_an_archive_of_different_files_is_refused_until_a_member_is_named(tmp_path):
    path = zipped(tmp_path, {"calls.csv": csv_text(), "people.csv": "person,skill\np1,driving\n"})

    said = refused(path, needed=["id"])
    assert "do not have the same columns" in said
    assert "calls.zip/people.csv has person, skill." in said
    assert 'member = "incidents*.csv"' in said
    assert read_all(path, needed=["id"], member="call*.csv")[0] == ROWS
    assert "No file in calls.zip is called 'x*', as its column map says (member). It holds" in refused(
        path, member="x*"
    )


def bomb(folder: Path, size: int) -> Path:
    """An archive of next to nothing that expands to `size` bytes."""
    row = b"i1,2026-07-01 18:05:00,B\n" * 40_000
    with (
        zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("calls.csv", "w") as out,
    ):
        out.write(b"id,at,code\n")
        for _ in range(size // len(row)):
            out.write(row)
    return folder / "bomb.zip"


def test_a_zip_bomb_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = bomb(tmp_path, texts.FREE_EXPANSION_BYTES + 2_000_000)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("nothing may be unpacked"))

    assert "bomb.zip expands to more than 200 times its size" in refused(path)


def test_an_archive_that_declares_less_than_it_holds_is_refused_as_broken(tmp_path):
    path = zipped(tmp_path, {"calls.csv": csv_text([["a", "2026-07-01 18:05:00", "B"]] * 5000)})
    data = path.read_bytes()
    size = len(csv_text([["a", "2026-07-01 18:05:00", "B"]] * 5000)).to_bytes(4, "little")
    path.write_bytes(data.replace(size, (1000).to_bytes(4, "little")))

    assert "can't be unpacked" in refused(path)


def test_a_gzip_bomb_is_refused_while_it_is_read(tmp_path):
    path = written(tmp_path, gzip.compress(b"id,at,code\n" + b"i1,2026-07-01 18:05:00,B\n" * 3_000_000))

    assert "expands to more than 200 times its size" in refused(path)


def test_an_archive_with_a_password_is_refused(tmp_path):
    path = zipped(tmp_path, {"calls.csv": csv_text()})
    data = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(sign) + offset] |= 1
    path.write_bytes(data)

    assert "calls.zip is protected by a password (calls.csv)" in refused(path)


def test_a_name_that_climbs_out_of_an_archive_writes_nothing(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    path = zipped(folder, {"../../etc/evil.csv": csv_text()})

    assert read_all(path)[0] == ROWS
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["calls.zip", "in"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "holds no file"),
        ({"a.csv": ""}, "calls.zip/a.csv is empty"),
        ({"a.parquet": b"PAR1xxxx"}, "a.parquet is no text, but an archive, a workbook or Parquet"),
        ({"a.csv": "id,at,code\n"}, "calls.zip/a.csv has columns and no row"),
    ],
)
def test_what_is_wrong_with_an_archive_is_said(tmp_path, members, words):
    assert words in refused(zipped(tmp_path, members))


def test_a_broken_archive_is_said_to_be_so(tmp_path):
    path = zipped(tmp_path, {"calls.csv": csv_text(ROWS * 500)})
    path.write_bytes(path.read_bytes()[:-30])

    assert "calls.zip is a broken zip archive" in refused(path)


# -- JSON lines --------------------------------------------------------------------------------------------------------


def test_numbers_in_json_lines_stay_as_they_are_written(tmp_path):
    path = written(tmp_path, '{"id": 12345678901234567890, "x": 1.10, "y": true, "z": null}\n')

    assert read_all(path)[0] == [["12345678901234567890", "1.10", "true", ""]]


def test_names_that_differ_by_row_are_joined_and_later_ones_told(tmp_path):
    lines = (
        ['{"id": "a"}', '{"at": "t", "id": "b"}'] + ['{"id": "c"}'] * 10_000 + ['{"id": "d", "late": 1, "code": "X"}']
    )
    file = read_source(written(tmp_path, "\n".join(lines)), Reading(wanted=["id", "code"]))

    rows = [row for chunk in file.chunks(4000) for row in chunk.values.rows()]

    assert file.columns == ["id", "at", "code"]
    assert rows[:3] == [("a", "", ""), ("b", "t", ""), ("c", "", "")]
    assert rows[-1] == ("d", "", "X")
    assert file.notes == ["Names that the first 10,000 rows do not use were not read: 'late' (1 row)."]


def test_lines_that_are_no_object_are_set_aside_with_their_number(tmp_path):
    lines = [
        '{"id": "a", "at": 1}',
        "",
        "nonsense",
        '{"id": "b", "id": "c"}',
        "[1]",
        '{"id": "\\ud800"}',
        '{"id": {"n": 1}}',
    ]
    path = written(tmp_path, "\n".join([*lines, '{"id": "cut"']))

    rows, numbers, broken = read_all(path, wanted=["id"])

    assert (rows, numbers) == ([["a", "1"]], [1])
    assert [(each.row_number, each.reason_code) for each in broken] == [
        *((number, "broken_json") for number in (3, 4, 5, 6)), (7, "nested_value"), (8, "cut_off"),
    ]  # fmt: skip
    assert "'id' holds a list or an object; one value was expected." in broken[4].reason
    assert {each.reason_code for each in broken} <= set(sources.RULES)


def test_a_nested_value_that_nobody_reads_is_no_fault(tmp_path):
    assert read_all(written(tmp_path, '{"id": "a", "more": {"n": [1]}}\n'), wanted=["id"])[2] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[\n{"id": 1}]', "is one JSON list"),
        ('[{"id": 1}]', "is one JSON list"),
        ('{\n"id": 1\n}\n', "is JSON that spans lines"),
    ],
)
def test_json_that_is_no_json_lines_is_refused_with_the_way_out(tmp_path, text, words):
    said = refused(written(tmp_path, text))
    assert words in said
    assert "jq -c" in said


# -- Parquet -----------------------------------------------------------------------------------------------------------


def parquet(folder: Path, **columns: object) -> Path:
    pl.DataFrame(columns).write_parquet(folder / "calls.parquet")
    return folder / "calls.parquet"


def test_typed_columns_come_out_as_text_in_one_form(tmp_path):
    instant = datetime(2026, 7, 1, 17, 5, tzinfo=UTC)
    path = parquet(
        tmp_path,
        instant=pl.Series([instant], dtype=pl.Datetime("ns", "UTC")).dt.convert_time_zone("Europe/London"),
        local=[datetime(2026, 7, 1, 18, 5, 0, 250_000)],
        day=[date(2026, 7, 1)],
        count=pl.Series([3.0]),
        share=[0.1],
        flag=[True],
        word=pl.Series(["x"], dtype=pl.Categorical),
        nothing=pl.Series([None], dtype=pl.Int64),
        money=pl.Series(["12.30"]).cast(pl.Decimal(8, 2)),
        things=[["a", "b"]],
    )

    (row,) = read_all(path)[0]

    assert row[:2] == ["2026-07-01 17:05:00+00:00", "2026-07-01 18:05:00.250000"]
    assert row[2:9] == ["2026-07-01", "3", "0.1", "true", "x", "", "12.30"]
    assert json.loads(row[9]) == ["a", "b"]


def test_an_instant_in_a_parquet_file_is_read_as_that_instant(tmp_path):
    at = datetime(2026, 7, 1, 17, 5, tzinfo=UTC)
    path = parquet(tmp_path, id=["a"], at=[at], code=["B"])

    (chunk,) = list(sources.read_extract(path, MAP, time_zone="Europe/London", as_of=AS_OF))

    assert chunk.rows["received_at"].to_list() == [at]


def test_columns_of_lists_and_bytes_are_refused_where_they_are_wanted(tmp_path):
    path = parquet(tmp_path, id=["a"], where=[{"x": 1}], shape=[b"\1"])

    said = refused(path, wanted=["id", "where", "shape"])

    assert "'where' holds lists or groups of values." in said
    assert "'shape' holds bytes, not text." in said
    assert read_all(path, wanted=["id"])[0][0][0] == "a"


def test_a_damaged_parquet_file_is_refused(tmp_path):
    path = parquet(tmp_path, id=["a"] * 1000)
    path.write_bytes(path.read_bytes()[:-100])

    assert "calls.parquet is a broken Parquet file" in refused(path)


def test_a_parquet_file_of_next_to_nothing_with_endless_rows_is_refused(tmp_path):
    path = parquet(tmp_path, id=pl.repeat(1, 70_000_000, dtype=pl.Int8, eager=True))

    assert "expands to more than" in refused(path)


# -- whatever is done to a file ----------------------------------------------------------------------------------------


SHEET = "xl/worksheets/sheet1.xml"


def survive(folder: Path, seeds: range) -> int:
    """Mutate files of every format, read them, and count those that could be read to the end."""
    import random

    rows = [[f"i{n}", f"2026-07-{n % 28 + 1:02d} 10:00:00", "B"] for n in range(40)]
    originals = {kind: in_format(folder, kind, rows).read_bytes() for kind in KINDS}
    with zipfile.ZipFile(io.BytesIO(originals["excel"])) as book:
        cells = book.read(SHEET)

    def repacked(sheet: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(originals["excel"])) as book, zipfile.ZipFile(out, "w") as packed:
            for name in book.namelist():
                packed.writestr(name, sheet if name == SHEET else book.read(name))
        return out.getvalue()

    ended_well = 0
    for seed in seeds:
        rng = random.Random(seed)
        # A workbook is mutated in its cells, too: what is packed is refused by its sum as a rule.
        inside = seed % (len(KINDS) + 1) == len(KINDS)
        data = bytearray(cells if inside else originals[KINDS[seed % (len(KINDS) + 1)]])
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            kind = rng.randrange(4)
            if kind == 0:
                data[at] = rng.randrange(256)
            elif kind == 1:
                del data[at : at + rng.randrange(1, 20)]
            elif kind == 2:
                data[at:at] = rng.choice([b'"', b"{", b"\0", b"PK\3\4", b"9" * 40, b"<f>", b"\xff\xfe"])
            elif rng.random() < 0.3:
                del data[at:]
        path = written(folder, repacked(bytes(data)) if inside else bytes(data), "mutated")
        problem: BluelampError | None = None
        try:
            extract = sources.read_extract(path, MAP, time_zone="UTC", as_of=AS_OF, chunk_rows=rng.choice([7, 1000]))
            for chunk in extract:
                assert chunk.rows.height + chunk.quarantined.height == chunk.rows_read
                assert set(chunk.quarantined["reason_code"]) <= set(sources.RULES)
            ended_well += 1
        except BluelampError as error:
            problem = error
        assert problem is None or (problem.exit_code == 65 and len(str(problem)) > 20), problem
    return ended_well


def test_a_mutated_file_of_any_format_ends_in_rows_or_in_a_sentence(tmp_path):
    assert 10 < survive(tmp_path, range(210)) < 200


@pytest.mark.soak
def test_thousands_of_mutated_files_of_every_format_end_in_rows_or_in_a_sentence(tmp_path):
    assert survive(tmp_path, range(210, 5_250)) > 500
