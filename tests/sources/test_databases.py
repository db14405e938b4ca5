"""Databases as sources: streamed, resumed where the last import stopped, and never a password told."""

import json
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from bluelamp import intake, settings, sources
from bluelamp.errors import BadData, BadSettings, BluelampError, InputOutputError, NoInput
from bluelamp.sources.column_maps import parse_column_map
from bluelamp.sources.files import Query, Reading, read_source
from bluelamp.sources.formats.database import DatabaseRows
from bluelamp.store import Store

pytest.importorskip("sqlalchemy", reason="SQLALCHEMY ABSENT: no database was read. It is in bluelamp[database].")

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
MAP = """
title = "CAD"
table = "incidents"
time_zone = "Europe/London"
[columns]
incident_id = "id"
received_at = "received"
opening_code = "code"
"""
FORCE = """
[force]
id = "west"
name = "West"
time_zone = "Europe/London"

[sources.incidents]
map = "cad.toml"
url = "{url}"
query = "{query}"
watermark = "updated_at"
"""
QUERY = "SELECT id, received, code, updated_at FROM calls"


def a_force(folder: Path, url: str, query: str = QUERY) -> Path:
    (folder / "cad.toml").write_text(MAP)
    (folder / "force.toml").write_text(FORCE.format(url=url, query=query))
    return folder


def imported(folder: Path) -> tuple[intake.Imported, dict[str, int]]:
    ((table, source, chosen),) = intake.extracts_of(folder)
    done = intake.import_extract(folder, source, table=table, map_name=chosen, as_of=AS_OF)
    return done, {name[5:]: rows for name, rows in done.batch.items() if name.startswith("rows_") and rows}


def incidents(folder: Path) -> list[tuple[str, str]]:
    return Store(folder).read("incidents").sort("incident_id").select("incident_id", "opening_code").rows()


class SQLite:
    """The calls in an SQLite file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "cad.db"
        self.url = f"sqlite:///{self.path}"

    def run(self, *statements: str) -> None:
        with sqlite3.connect(self.path) as connection:
            for each in statements:
                connection.execute(each)


class PostgreSQL:
    """The calls in a real PostgreSQL."""

    def __init__(self, server) -> None:
        self.server, self.url = server, server.url()

    def run(self, *statements: str) -> None:
        self.server.run(*statements)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path, monkeypatch):
    """A database with an empty table of calls."""
    if request.param == "sqlite":
        made = SQLite(tmp_path)
        made.run("CREATE TABLE calls (id TEXT, received TEXT, code TEXT, updated_at TEXT)")
        return made
    pytest.importorskip("psycopg")
    server = request.getfixturevalue("postgresql")
    monkeypatch.setenv("BLUELAMP_TEST_PASSWORD", server.password)
    made = PostgreSQL(server)
    made.run(
        "DROP TABLE IF EXISTS calls",
        "CREATE TABLE calls (id text, received timestamptz, code text, updated_at timestamptz)",
    )
    return made


def put(database, *rows: tuple[str, str, str, str | None]) -> None:
    for call, received, code, updated in rows:
        stamp = "NULL" if updated is None else f"'{updated}'"
        database.run(f"INSERT INTO calls VALUES ('{call}', '{received}', '{code}', {stamp})")


# -- what is read ------------------------------------------------------------------------------------------------------


def test_an_import_resumes_where_the_last_one_stopped_and_loses_nothing(database, tmp_path):
    folder = a_force(tmp_path, database.url)
    put(
        database,
        ("a", "2026-11-01 10:00:00+00", "BURG", "2026-11-01 10:00:00"),
        ("b", "2026-11-02 10:00:00+00", "BURG", "2026-11-02 10:00:00"),
        ("c", "2026-11-02 11:00:00+00", "ASB", None),
    )

    first, counts = imported(folder)
    assert counts == {"read": 3, "accepted": 3}
    state = json.loads(first.batch["notes"])["source"]
    assert "10:00:00" in state["value"]

    # The same watermark as the last row's, a changed row, and one that has none.
    put(database, ("d", "2026-11-02 12:00:00+00", "BURG", "2026-11-02 10:00:00"))
    database.run("UPDATE calls SET code = 'ROB', updated_at = '2026-11-03 09:00:00' WHERE id = 'a'")
    second, counts = imported(folder)

    assert counts == {"read": 4, "accepted": 1, "updated": 1, "unchanged": 2}
    assert incidents(folder) == [("a", "ROB"), ("b", "BURG"), ("c", "ASB"), ("d", "BURG")]
    assert any(note.startswith("Read were the rows whose updated_at is 2026-11-02") for note in second.notes)
    assert imported(folder)[1]["unchanged"] < 4
    assert second.batch["source_sha256"] is None


def test_an_import_that_finds_nothing_new_is_no_fault(database, tmp_path):
    folder = a_force(tmp_path, database.url)
    put(database, ("a", "2026-11-01 10:00:00+00", "BURG", "2026-11-01 10:00:00"))
    imported(folder)
    database.run("DELETE FROM calls")

    done, counts = imported(folder)

    assert counts == {}
    assert done.batch["rows_read"] == 0
    assert incidents(folder) == [("a", "BURG")]
    put(database, ("b", "2026-11-01 10:00:00+00", "BURG", "2026-11-04 10:00:00"))
    assert imported(folder)[1] == {"read": 1, "accepted": 1}


def test_another_query_or_column_map_reads_from_the_start(database, tmp_path):
    folder = a_force(tmp_path, database.url)
    put(database, *[(f"c{n}", "2026-11-01 10:00:00+00", "B", f"2026-11-{n:02d} 10:00:00") for n in range(1, 9)])
    imported(folder)
    assert imported(folder)[1] == {"read": 1, "unchanged": 1}

    (folder / "cad.toml").write_text(MAP + 'disposition_code = "code"\n')
    assert imported(folder)[1] == {"read": 8, "updated": 8}
    assert imported(folder)[1] == {"read": 1, "unchanged": 1}

    a_force(folder, database.url, f"{QUERY} WHERE id <> 'c1'")
    (folder / "cad.toml").write_text(MAP + 'disposition_code = "code"\n')
    assert imported(folder)[1] == {"read": 7, "unchanged": 7}


def watched(folder: Path) -> tuple[int, list[str]]:
    """One look of `bluelamp watch` at a force's query: how many batches it made, and what it said."""
    said: list[str] = []
    (folder / "arriving").mkdir(exist_ok=True)
    return len(intake.Watch(folder, [folder / "arriving"]).look(said.append, settled=True)), said


def every_byte(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (folder / "store").rglob("*") if path.is_file()}


def test_a_look_that_finds_nothing_new_leaves_every_byte_of_the_store_as_it_was(database, tmp_path):
    folder = a_force(tmp_path, database.url)
    put(
        database,
        ("a", "2026-11-01 10:00:00+00", "BURG", "2026-11-01 10:00:00"),
        ("b", "1026-11-01 10:00:00+00", "BURG", None),
    )
    assert watched(folder)[0] == 1, "of which one row was set aside"
    before = every_byte(folder)
    for _ in range(3):
        assert watched(folder) == (0, [])
    assert every_byte(folder) == before

    put(database, ("c", "1026-11-01 10:00:00+00", "BURG", "2026-11-02 10:00:00"))
    assert watched(folder)[0] == 1, "a row that can't be used is news as well"
    put(database, ("d", "2026-11-03 10:00:00+00", "BURG", "2026-11-03 10:00:00"))
    assert watched(folder)[0] == 1
    assert watched(folder) == (0, [])
    for batch in Store(folder).batches().to_dicts():
        parts = ("accepted", "updated", "unchanged", "duplicate", "quarantined")
        assert batch["rows_read"] == sum(batch[f"rows_{part}"] for part in parts)
    assert Store(folder).read("incidents")["incident_id"].sort().to_list() == ["a", "d"]
    assert Store(folder).verify() == []


@pytest.mark.parametrize("form", ["{} {}", "{}T{}", "{}T{}.120Z", "{} {}+00:00"])
def test_a_text_that_says_a_time_is_read_some_time_back_like_a_time(tmp_path, form):
    database = SQLite(tmp_path)
    database.run("CREATE TABLE calls (id TEXT, received TEXT, code TEXT, updated_at TEXT)")
    folder = a_force(tmp_path, database.url)
    put(database, ("a", "2026-11-01 10:00:00", "B", form.format("2026-11-01", "10:00:00")))
    imported(folder)

    # Transactions that began earlier and ended later, and one written after the clock was put back.
    put(database, ("b", "2026-11-01 09:30:00", "B", form.format("2026-11-01", "09:30:00")))
    put(database, ("c", "2026-11-01 10:00:00", "B", form.format("2026-11-01", "10:00:00")))
    put(database, ("d", "2026-11-01 08:30:00", "B", form.format("2026-11-01", "08:30:00")))

    assert imported(folder)[1] == {"read": 4, "accepted": 3, "unchanged": 1}


def test_a_day_as_text_is_read_from_the_day_before(tmp_path):
    database = SQLite(tmp_path)
    database.run("CREATE TABLE calls (id TEXT, received TEXT, code TEXT, updated_at TEXT)")
    folder = a_force(tmp_path, database.url)
    put(database, ("a", "2026-11-01 10:00:00", "B", "2026-11-01"))
    imported(folder)
    put(database, ("b", "2026-10-31 23:59:00", "B", "2026-10-31"))
    assert imported(folder)[1] == {"read": 2, "accepted": 1, "unchanged": 1}


@pytest.mark.parametrize("mark", ["10", "v0009", "2026-13-45 10:00:00", "0001-01-01 00:30"])
def test_text_that_says_no_time_is_refused_as_a_watermark_and_nothing_is_imported(tmp_path, mark):
    database = SQLite(tmp_path)
    database.run("CREATE TABLE calls (id TEXT, received TEXT, code TEXT, updated_at TEXT)")
    folder = a_force(tmp_path, database.url)
    put(database, ("a", "2026-11-01 10:00:00", "B", mark))
    with pytest.raises(BadSettings, match=r"'updated_at' of .* can't be a watermark: it holds text that is no time"):
        imported(folder)
    assert Store(folder).batches().is_empty()


def test_a_query_may_hold_colons_percent_signs_and_a_semicolon(database, tmp_path):
    put(database, ("a:b", "2026-11-01 10:00:00+00", "100%", "2026-11-01 10:00:00"))
    query = "SELECT id, code, ':x' AS sign FROM calls WHERE code LIKE '%\\%' OR id = 'a:b' -- 10:30\n;"
    file = read_source(Query(database.url, query.replace(" -- 10:30\n", "\n")))

    (chunk,) = list(file.chunks(10))

    assert chunk.values.rows() == [("a:b", "100%", ":x")]
    assert file.columns == ["id", "code", "sign"]


def test_a_query_can_not_write(database, tmp_path):
    put(database, ("a", "2026-11-01 10:00:00+00", "B", "2026-11-01 10:00:00"))
    with pytest.raises(BluelampError):
        read_source(Query(database.url, "DELETE FROM calls RETURNING id"))

    (chunk,) = list(read_source(Query(database.url, QUERY)).chunks(10))
    assert chunk.values.height == 1


def test_columns_that_a_query_lacks_are_named_with_the_nearest(database):
    with pytest.raises(BadData, match=r"Column 'recieved' is missing. Did you mean 'received'"):
        read_source(Query(database.url, QUERY), Reading(needed=["recieved"]))
    with pytest.raises(BadSettings, match=r"no column 'updated', which is named as its watermark. Did you mean 'upd"):
        read_source(Query(database.url, QUERY, "updated"))


def test_a_query_that_is_not_understood_is_said_to_be_so(database):
    with pytest.raises(BluelampError, match=r"no such table|does not exist"):
        read_source(Query(database.url, "SELECT * FROM callz"))


def test_a_first_read_without_a_row_is_refused(database):
    with pytest.raises(BadData, match="columns and no row"):
        list(read_source(Query(database.url, QUERY, "updated_at")).chunks(10))


def test_a_database_is_proposed_for(database):
    put(database, *[(f"c{n}", f"2026-11-{n % 20 + 1:02d} 1{n % 9}:00:00+00", "B", None) for n in range(30)])

    proposal = sources.propose(Query(database.url, QUERY), answers={"time_zone": "Europe/London"})

    written = proposal.files()
    assert parse_column_map(written[proposal.map_name]).columns["received_at"].column == "received"
    assert settings.parse(written["force.toml"]).sources["incidents"].url == database.url


def test_a_check_reads_the_query_that_the_settings_name(database, tmp_path):
    folder = a_force(tmp_path, database.url)
    put(database, ("a", "2026-11-01 10:00:00+00", "BURG", "2026-11-01 10:00:00"))

    ((_, source, chosen),) = intake.extracts_of(folder)
    report = intake.check_extract(source, map_name=chosen, settings=settings.read(folder), folder=folder, as_of=AS_OF)

    assert report.to_dict()["rows_read"] == 1


# -- a real PostgreSQL -------------------------------------------------------------------------------------------------


@pytest.fixture
def server(postgresql, monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.setenv("BLUELAMP_TEST_PASSWORD", postgresql.password)
    return postgresql


def test_typed_columns_come_out_as_text_in_one_form(server):
    query = """SELECT '2026-07-01 18:05+01'::timestamptz AS a, '2026-07-01 18:05'::timestamp AS b,
        DATE '2026-07-01' AS c, 1.50::numeric AS d, 3::float8 AS e, true AS f,
        '00712'::varchar AS g, NULL::int AS h, interval '26:30' AS i"""
    (chunk,) = list(read_source(Query(server.url(), query)).chunks(5))

    (row,) = chunk.values.rows()
    assert datetime.fromisoformat(row[0]) == datetime(2026, 7, 1, 17, 5, tzinfo=UTC)
    assert row[1:] == ("2026-07-01 18:05:00", "2026-07-01", "1.50", "3", "true", "00712", "", "26:30:00")


def many_calls(server, rows: int) -> None:
    server.run(
        "DROP TABLE IF EXISTS calls",
        f"""CREATE TABLE calls AS SELECT 'c' || n AS id, 'B' AS code,
            '2026-01-01'::timestamptz + n * interval '1 second' AS received,
            '2026-01-01'::timestamptz + n * interval '1 second' AS updated_at
            FROM generate_series(1, {rows}) AS n""",
    )


def test_rows_are_streamed_in_stretches(server):
    many_calls(server, 20_000)
    chunks = read_source(Query(server.url(), QUERY, "updated_at")).chunks(3000)

    first = next(chunks)
    assert first.values.height == 3000
    # A cursor on the server's side: what was not asked for yet has not been sent.
    assert server.run("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'FETCH%'") != "0"
    rest = list(chunks)
    assert [each.row_numbers[0] for each in rest] == list(range(3001, 20_001, 3000))
    assert sum(each.values.height for each in rest) == 17_000


def test_a_connection_that_is_cut_leaves_the_store_as_it_was_and_the_next_import_completes(server, tmp_path):
    many_calls(server, 2_000)
    folder = a_force(tmp_path, server.url())
    assert imported(folder)[1] == {"read": 2_000, "accepted": 2_000}
    many_calls(server, 300_000)
    before = Store(folder).batches()

    def cut(*_: object) -> None:
        # After the first stretch: the server ends every connection but its own.
        server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    ((table, source, chosen),) = intake.extracts_of(folder)
    with pytest.raises(InputOutputError) as caught:
        intake.import_extract(folder, source, table=table, map_name=chosen, as_of=AS_OF, progress=cut)

    assert "can't be read on" in str(caught.value)
    assert "Nothing of it was imported" in str(caught.value)
    assert Store(folder).batches().equals(before)
    assert Store(folder).read("incidents").height == 2_000

    _, counts = imported(folder)

    assert counts["accepted"] == 298_000
    assert counts["unchanged"] == 2_000
    assert Store(folder).read("incidents")["incident_id"].n_unique() == 300_000


def test_a_row_whose_transaction_began_earlier_and_ended_later_is_not_lost(server, tmp_path):
    many_calls(server, 10)
    folder = a_force(tmp_path, server.url())
    imported(folder)
    # Stamped when its transaction began, half an hour before the latest row that was read; seen only now.
    server.run(
        """INSERT INTO calls (id, received, code, updated_at)
            SELECT 'late', received, 'X', latest - interval '30 minutes'
            FROM (SELECT max(received) AS received, max(updated_at) AS latest FROM calls) AS found"""
    )

    assert imported(folder)[1]["accepted"] == 1


def test_a_server_that_does_not_answer_is_an_input_output_error(server):
    url = re.sub(r":\d+/", ":1/", server.url())

    with pytest.raises(InputOutputError, match="can't be looked at"):
        read_source(Query(url, QUERY))


# -- passwords ---------------------------------------------------------------------------------------------------------


def test_a_password_is_never_told(server, tmp_path, monkeypatch):
    many_calls(server, 10)
    monkeypatch.setenv("WRONG", "hunter2-secret")
    said = []
    for url in (server.url("WRONG"), server.url("WRONG").replace("${WRONG}", "hunter2-secret")):
        with pytest.raises(InputOutputError) as caught:
            read_source(Query(url, QUERY))
        said += [str(caught.value), repr(Query(url, QUERY))]
    folder = a_force(tmp_path, server.url())
    done, _ = imported(folder)
    said += [json.dumps(done.batch, default=str), str(settings.read(folder).model_dump())]

    assert not [each for each in said if "hunter2-secret" in each or "not: a/secret" in each]
    assert re.fullmatch(r"postgresql\+psycopg://127.0.0.1:\d+/postgres", done.batch["source_name"])


@pytest.mark.parametrize(
    ("password", "words", "told"),
    [
        ("a", "connection to server at db failed", "connection to server at db failed"),
        ("a", "reader:a@db, password=a and 'a' or a@db", "reader:***@db, password=*** and '***' or ***@db"),
        ("port", "port 5432 failed, port=5432;PWD=port", "port 5432 failed, port=5432;PWD=***"),
        ("hunter2!", "no hunter2! here, nor xhunter2!x", "no *** here, nor x***x"),
        ("p@ss/word", "postgresql://u:p%40ss%2Fword@db", "postgresql://u:***@db"),
    ],
)
def test_a_password_is_masked_and_no_word_that_looks_like_one(password, words, told):
    rows = DatabaseRows.unread(f"postgresql+psycopg://reader:{quote(password, safe='')}@db/cad?sslmode=prefer")

    assert rows._without_secrets(words) == told
    assert rows._without_secrets("they prefer words") == "they prefer words"


@pytest.mark.parametrize(
    "wrong",
    [
        'url = "host=db;password=hunter2"\nquery = "SELECT 1"',
        'url = "postgresql://u:hunter2@h/d"',
        'url = "postgresql://u:hunter2@h/d"\nquery = "SELECT 1"\nfile = "calls.csv"',
        'url = "postgresql://u:hunter2@h/d"\nquery = "SELECT 1"\nwatermrk = "x"',
    ],
)
def test_settings_that_are_wrong_tell_no_password(wrong):
    text = f'[force]\nid = "w"\nname = "W"\ntime_zone = "UTC"\n[sources.incidents]\n{wrong}\n'

    with pytest.raises(BadSettings) as caught:
        settings.parse(text)

    assert "hunter2" not in str(caught.value)
    assert "sources.incidents" in str(caught.value)


def test_an_address_may_be_a_variable_as_a_whole(tmp_path, monkeypatch):
    database = SQLite(tmp_path)
    database.run("CREATE TABLE calls (id TEXT)", "INSERT INTO calls VALUES ('a')")
    monkeypatch.setenv("CAD_URL", database.url)

    assert read_source(Query("${CAD_URL}", "SELECT id FROM calls")).columns == ["id"]
    monkeypatch.delenv("CAD_URL")
    with pytest.raises(BadSettings, match="take the environment variable CAD_URL, which is not set"):
        read_source(Query("${CAD_URL}", "SELECT id FROM calls"))


def test_addresses_that_lead_nowhere_are_said_so(tmp_path):
    with pytest.raises(NoInput, match="There is no SQLite database"):
        read_source(Query(f"sqlite:///{tmp_path}/none.db", "SELECT 1"))
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(BadSettings, match="names what is not installed here"):
        read_source(Query("nosuchdb://h/d", "SELECT 1"))
    with pytest.raises(BadSettings, match=r"can't be read. One such as"):
        read_source(Query("x://h:port/d", "SELECT 1"))
