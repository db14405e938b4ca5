"""What `init` proposes for a folder of extracts, or for a database: tables, maps and the keys that join them."""

import csv
import random
import re
import shutil
import sqlite3
import tomllib
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from bluelamp import intake, settings, sources, tables
from bluelamp.errors import BadSettings, NoInput, UsageError
from bluelamp.sources.formats import database
from bluelamp.sources.recognition import grade_words, recognise, words_for
from bluelamp.sources.twin import make_twin, write_twin
from bluelamp.sources.twin.exports import FILES, map_name
from bluelamp.store import Store

LONDON = {"time_zone": "Europe/London"}
# What a crosswalk drafted from words alone can't know: it is told as a draft.
DRAFTED = {("incidents", "class_code")}


def a_file(path: Path, header: str, rows: list[list[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


def british(folder: Path, days: int = 20) -> None:
    """Extracts as another force's systems might name them: nothing of the made-up force's."""
    chance = random.Random(4)
    start = datetime(2026, 5, 3)
    form = "%d/%m/%Y %H:%M:%S"
    logs, grades, presses, calls, crimes = [], [], [], [], []
    for number in range(600):
        at = start + timedelta(days=number % days, hours=chance.choice([1, 7, 9, 11, 13, 15, 17, 19, 21, 23]))
        urn = f"26-{number:05d}"
        steps = [at + timedelta(minutes=minutes) for minutes in (5, 15, 55, 300)]
        logs.append(
            [urn, *(each.strftime(form) for each in (at, *steps)), chance.choice(["BURG", "RTC", "ASB"]),
             chance.choice("123"), f"E{number % 7}", 330000 + number, 150000 + number,
             chance.choice(["Closed", "Open"]), f"07700 900{number % 90:03d}"]
        )  # fmt: skip
        grades.append([urn, at.strftime(form), chance.choice("123"), "Created"])
        for moment, said in zip(steps, ["En Route", "At Scene", "Available"], strict=False):
            presses.append([f"AB{number % 30}", moment.strftime(form), said, urn])
        calls.append([f"I{number}", at.strftime(form), chance.choice(["999 call", "101 call", "Web chat"]), urn])
        if number % 20 == 0:
            crimes.append([f"42/{number}/26", urn, *[at.strftime(form)] * 3, "Burglary", f"E{number % 7}"])
    presses.append(["AB1", start.strftime(form), "Available", "a log of another force"])
    a_file(
        folder / "Incident Extract 20260601.csv",
        "IncidentURN,DateTimeReceived,FirstDespatchTime,FirstAtSceneTime,LastClearTime,DateTimeClosed,InitialTypeCode,"
        "Priority,BeatCode,Easting,Northing,IncidentStatus,CallerTelephone",
        logs,
    )
    a_file(folder / "Priority History.csv", "URN,ChangedAt,Priority,ChangeReason", grades)
    a_file(folder / "Resource Log.csv", "ResourceName,StatusDateTime,ResourceStatus,TaskRef", presses)
    a_file(folder / "Telephony.csv", "InteractionID,OfferedAt,Method,LinkedNumber", calls)
    a_file(
        folder / "Crimes.csv", "CrimeNumber,IncidentURN,DateRecorded,EarliestDate,LatestDate,HOCategory,Beat", crimes
    )


def taken(proposal: sources.FolderProposal) -> dict[str, str | None]:
    return {each.where: each.table for each in proposal.entries}


def columns_of(proposal: sources.FolderProposal, table: str) -> dict[str, object]:
    (entry,) = [each for each in proposal.entries if each.table == table]
    assert entry.map_text is not None
    found = tomllib.loads(entry.map_text)["columns"]
    return {
        name: spec if isinstance(spec, str) else spec.get("column", spec.get("columns")) for name, spec in found.items()
    }


# ---- the made-up force's own exports, without its maps ----


@pytest.fixture(scope="module")
def harbour(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("twin") / "harbour"
    write_twin(folder, make_twin(areas=8, days=28, seed=5, until=date(2026, 11, 23), feed_days=3))
    return folder


@pytest.fixture(scope="module")
def found(harbour, tmp_path_factory) -> tuple[Path, Path, sources.FolderProposal]:
    """The files alone in a folder, with one that is nobody's; the force's folder; and what is proposed."""
    extracts = tmp_path_factory.mktemp("files")
    shutil.copytree(harbour / "feeds", extracts / "feeds")
    for name in ("areas", "pools", "standards", "events"):
        shutil.copy(harbour / "extracts" / f"{name}.csv.gz", extracts / f"{name}.csv.gz")
    a_file(extracts / "canteen.csv", "dish,price", [["pie", 3], ["soup", 2]])
    force = tmp_path_factory.mktemp("force") / "north"
    return extracts, force, sources.propose_folder(extracts, force, answers=LONDON)


def test_every_export_is_told_and_every_column_right(found, harbour):
    proposal = found[2]
    tables_found = taken(proposal)
    for each in FILES:
        assert tables_found[f"feeds/*/{each.name}"] == each.table
        own = tomllib.loads((harbour / map_name(each)).read_text())["columns"]
        expected = {
            name: spec if isinstance(spec, str) else spec.get("column", spec.get("columns"))
            for name, spec in own.items()
        }
        assert columns_of(proposal, each.table) == expected
    assert tables_found["canteen.csv"] is None
    assert {each.certainty for each in proposal.entries if each.table} == {"high"}


def test_keys_are_measured_from_values_and_orphans_counted(found):
    keys = {(each.table, each.field, each.other): each for each in found[2].keys}
    for table in ("unit_status", "grade_history", "contacts", "offences"):
        assert keys[table, "incident_id", "incidents"].share > 0.97
    for table in ("duties", "unit_crews", "absences"):
        assert keys[table, "person_id", "people"].share > 0.97
    assert keys["unit_status", "unit_id", "unit_crews"].share > 0.97
    assert keys["incidents", "area_id", "areas"].share == 1
    strange = keys["unit_status", "incident_id", "incidents"]
    assert strange.naming > strange.matched
    assert f"{strange.naming - strange.matched} orphan" in strange.words
    assert "100%" not in strange.words


def test_import_gives_the_same_tables_as_the_forces_own_maps(found, harbour):
    extracts, force, proposal = found
    intake.write_force(force, proposal.files())
    work, strange = intake.tell_tables(force, [extracts])
    assert [path.name for path in strange] == ["canteen.csv"]
    for folder, todo in ((force, work), (harbour, intake.extracts_of(harbour))):
        (folder / "tokens.key").write_text("07" * 32)
        for name, path, chosen in todo:
            intake.import_extract(folder, path, table=name, map_name=chosen)

    ours, theirs = Store(force), Store(harbour)
    for name in {each.table for each in FILES} | {"areas", "pools", "standards", "events"}:
        key = list(tables.table(name).key)
        mine, other = (store.read(name).sort(key) for store in (ours, theirs))
        differing = {(name, column) for column in mine.columns if not mine[column].equals(other[column])}
        assert mine.height == other.height > 0
        assert differing <= DRAFTED
    assert ours.quarantined().is_empty()
    known = ours.read("incidents").filter(pl.col("class_code") != "unknown").height
    assert known > 0.5 * ours.read("incidents").height


def test_grades_get_the_numbers_that_the_targets_speak_of(found):
    (told,) = [each for each in found[2].guesses if each.what == "grades"]
    assert told.value == "I = 1, N = 4, P = 2, R = 3"
    assert told.confidence == "low"


# ---- names of other systems ----


def test_other_systems_names_are_told_too_and_keys_found_by_their_values(tmp_path):
    british(tmp_path / "in")
    proposal = sources.propose_folder(tmp_path / "in", tmp_path / "force")

    assert taken(proposal) == {
        "Incident Extract *.csv": "incidents", "Priority History.csv": "grade_history",
        "Resource Log.csv": "unit_status", "Telephony.csv": "contacts", "Crimes.csv": "offences",
    }  # fmt: skip
    assert columns_of(proposal, "contacts")["incident_id"] == "LinkedNumber"
    assert columns_of(proposal, "unit_status") == {
        "unit_id": "ResourceName", "status_at": "StatusDateTime", "status": "ResourceStatus",
        "status_code": "ResourceStatus", "incident_id": "TaskRef",
    }  # fmt: skip
    (key,) = [each for each in proposal.keys if each.table == "unit_status"]
    assert (key.naming, key.matched) == (1801, 1800)
    assert "99.9% of 1,801 rows, 1 orphan" in key.words
    assert proposal.time_zone == "Europe/London"
    lines = "\n".join(proposal.lines())
    assert "100% of its values are those of incidents.incident_id" in lines
    assert "07700" not in lines + "".join(proposal.files().values())


def test_daily_issues_are_one_extract_under_a_pattern(tmp_path):
    rows = [[f"L{n}", f"2026-06-0{n % 9 + 1}T10:00:00Z", "A"] for n in range(50)]
    for day in ("2026-06-01", "2026-06-02"):
        a_file(tmp_path / "in" / "feeds" / day / "logs.csv", "LogRef,Created,Type", rows)
    a_file(tmp_path / "in" / "feeds" / "2026-05-31" / "logs.csv", "LogRef,Made,Type", rows)
    proposal = sources.propose_folder(tmp_path / "in", tmp_path / "in", answers=LONDON)

    (entry,) = proposal.entries
    assert (entry.where, entry.given, entry.files) == ("feeds/*/logs.csv", "feeds/*/logs.csv", 3)
    assert "1 file with other columns: logs.csv" in entry.why


def test_files_of_one_name_get_maps_of_their_own(tmp_path):
    logs = [[f"L{n}", f"2026-06-{n % 28 + 1:02d}T10:00:00Z", "A"] for n in range(50)]
    a_file(tmp_path / "command" / "export.csv", "LogRef,Created,Type", logs)
    grades = [[f"L{n}", f"2026-06-{n % 28 + 1:02d}T10:00:00Z", "1"] for n in range(50)]
    a_file(tmp_path / "history" / "export.csv", "LogRef,Graded,Grade", grades)
    proposal = sources.propose_folder(tmp_path, tmp_path, answers=LONDON)

    assert set(proposal.files()) == {"force.toml", "maps/export-incidents.toml", "maps/export-grade_history.toml"}
    assert set(taken(proposal).values()) == {"incidents", "grade_history"}


def test_a_file_in_our_own_names_below_headings_gets_a_map_that_says_so(tmp_path):
    rows = [[f"AB{n}", f"2026-06-{n % 28 + 1:02d}T10:00:00Z", "at_scene"] for n in range(50)]
    path = a_file(tmp_path / "status.csv", "unit_id,status_at,status", rows)
    path.write_text("Control room,,\nDaily,,\n" + path.read_text())
    files = sources.propose_folder(tmp_path, tmp_path, answers=LONDON).files()
    assert "header_row = 3" in files["maps/status.toml"]


def test_what_fits_nothing_is_named_with_why(tmp_path):
    british(tmp_path)
    a_file(tmp_path / "canteen.csv", "dish,price", [["pie", 3]])
    a_file(tmp_path / "Roster.csv", "ShiftID,StaffNo,Role,ShiftStart,ShiftEnd", [
        [f"S{n}", n, "Response", "01/05/2026 07:00:00", "13/05/2026 16:00:00"] for n in range(30)
    ])  # fmt: skip
    shutil.copy(tmp_path / "Crimes.csv", tmp_path / "Crimes again.csv")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "lines.geojson").write_text(
        '{"type": "FeatureCollection", "features": [{"geometry": {"type": "LineString"}, "properties": {}}]}'
    )
    proposal = sources.propose_folder(tmp_path, tmp_path / "force")

    why = {each.where: each.why for each in proposal.entries if each.table is None}
    assert set(why) == {"canteen.csv", "Roster.csv", "Crimes.csv", "empty.csv", "lines.geojson"}
    assert why["canteen.csv"] == "no column looks like one of ours"
    assert why["Roster.csv"] == "nearest is 'duties', and nothing in it looks like pool_id or kind"
    assert why["Crimes.csv"] == "looks like 'offences' too, for which Crimes again.csv fits better"
    assert "empty" in why["empty.csv"]
    assert why["lines.geojson"] == "its shapes are no areas, but LineString"


def test_dates_that_one_file_can_not_tell_are_told_by_the_others(tmp_path):
    british(tmp_path)
    a_file(tmp_path / "Leave.csv", "LeaveID,StaffNo,LeaveStart,LeaveEnd,LeaveType", [
        [f"L{n}", n, "01/05/2026 07:00:00", "03/05/2026 07:00:00", "Annual Leave"] for n in range(40)
    ])  # fmt: skip
    proposal = sources.propose_folder(tmp_path, tmp_path / "force")
    (told,) = [each for each in proposal.guesses if each.what == "dates of absences"]
    assert (told.value, told.because) == ("day-first", "as in the other files")


def test_dates_that_no_file_can_tell_are_asked_about(tmp_path):
    rows = [[f"L{n}", f"01/0{n % 9 + 1}/2026 10:00:00", "A"] for n in range(50)]
    a_file(tmp_path / "logs.csv", "LogRef,Created,Type", rows)
    proposal = sources.propose_folder(tmp_path, tmp_path / "force", answers=LONDON)
    assert [each.name for each in proposal.questions] == ["date_order"]
    with pytest.raises(UsageError, match="can be read day-first or month-first"):
        proposal.files()
    said = sources.propose_folder(tmp_path, tmp_path / "force", answers={**LONDON, "date_order": "month_first"})
    assert 'date_order = "month_first"' in said.files()["maps/logs.toml"]


def test_boundaries_are_joined_by_the_property_that_the_logs_name(tmp_path):
    british(tmp_path)
    shape = {"type": "Polygon", "coordinates": [[[0, 0], [0, 1], [1, 1], [0, 0]]]}
    features = [
        {"type": "Feature", "geometry": shape, "properties": {"ID": str(n), "BEAT": f"E{n}", "NAME": f"Beat {n}"}}
        for n in range(7)
    ]
    import json

    (tmp_path / "beats.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    proposal = sources.propose_folder(tmp_path, tmp_path)
    read = settings.parse(proposal.files()["force.toml"])
    assert (read.areas.file, read.areas.id_property) == ("beats.geojson", "BEAT")
    (key,) = [each for each in proposal.keys if (each.table, each.other) == ("incidents", "areas")]
    assert key.share == 1


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("place", "tables_found", "zone"),
    [
        ("oakland", {"incidents"}, "America/Los_Angeles"),
        ("laguna_beach", {"incidents"}, "America/Los_Angeles"),
        ("san_luis_obispo", {"incidents", "unit_status"}, "America/Los_Angeles"),
    ],
)
def test_real_feeds_beside_strange_files_are_told_by_their_shipped_maps(
    tmp_path, shared_data, place, tables_found, zone
):
    for file in (shared_data / place).glob("*.csv.gz"):
        shutil.copy(file, tmp_path)
    shutil.copy(shared_data / "avon_somerset" / "police_workforce_fte.csv", tmp_path)
    proposal = sources.propose_folder(tmp_path, tmp_path / "force")

    assert {each.table for each in proposal.entries if each.table} == tables_found
    assert {each.map_name for each in proposal.entries if each.table == "incidents"} == {place}
    assert (proposal.time_zone, proposal.questions, proposal.is_shipped) == (zone, [], True)
    assert taken(proposal)["police_workforce_fte.csv"] is None


def test_an_empty_or_missing_folder_is_told(tmp_path):
    with pytest.raises(NoInput, match="There is no file in"):
        sources.propose_folder(tmp_path, tmp_path / "force")
    with pytest.raises(NoInput, match="There is no folder"):
        sources.propose_folder(tmp_path / "none", tmp_path / "force")


# ---- columns and words ----


def test_a_column_whose_words_mean_nothing_is_not_taken_for_a_field_of_choices():
    assert words_for(pl.Series(["x1", "x2", "x3"]), "unit_status", "status") is None
    assert words_for(pl.Series(["06 At Scene", "01 Free"]), "unit_status", "status") == {
        "06 At Scene": "at_scene", "01 Free": "available"
    }  # fmt: skip


def test_offences_are_classed_by_our_titles_and_by_their_own_words():
    said = words_for(pl.Series(["Theft and shoplifting", "Burglary dwelling", "burglary"]), "offences", "class_code")
    assert said == {"Theft and shoplifting": "theft", "Burglary dwelling": "burglary"}


def test_free_text_is_never_written_into_a_map():
    reasons = pl.Series([f"sick: something about person {n}" for n in range(200)])
    assert words_for(reasons, "absences", "kind") is None


def test_a_column_of_few_codes_is_nobodys_number():
    sample = pl.DataFrame({"call_id": ["A", "B"] * 50, "received": ["2026-01-01 10:00"] * 100})
    best = recognise("calls.csv", sample)[0]
    assert "incident_id" not in best.fields


def test_grades_are_left_alone_where_one_of_them_can_not_be_told():
    assert grade_words(pl.Series(["Immediate", "Priority"]), {"1", "2"}) == {"Immediate": "1", "Priority": "2"}
    assert grade_words(pl.Series(["Immediate", "Blue"]), {"1", "2"}) is None


# ---- a database ----


def a_database(path: Path, folder: Path) -> str:
    """The extracts of a folder as tables, a view of one, and a column that says when a row changed."""
    with sqlite3.connect(path) as connection:
        for file in sorted(folder.glob("*.csv")):
            header, *rows = list(csv.reader(file.open()))
            name = file.stem.lower().replace(" ", "_").removesuffix("_20260601")
            kinds = ", ".join(f'"{each}" TEXT' for each in header)
            connection.execute(f'CREATE TABLE "{name}" ({kinds}, "LastModified" TIMESTAMP)')
            marks = ",".join("?" * (len(header) + 1))
            connection.executemany(
                f'INSERT INTO "{name}" VALUES ({marks})', [[*row, "2026-06-01 10:00:00"] for row in rows]
            )
        connection.execute("CREATE VIEW canteen AS SELECT 'pie' AS dish, 3 AS price")
    connection.close()
    return f"sqlite:///{path}"


def test_a_database_is_proposed_table_by_table_and_imports(tmp_path):
    pytest.importorskip("sqlalchemy")
    british(tmp_path / "in")
    url = a_database(tmp_path / "cad.db", tmp_path / "in")
    proposal = sources.propose_database(url)

    assert taken(proposal) == {
        "incident_extract": "incidents", "priority_history": "grade_history", "resource_log": "unit_status",
        "telephony": "contacts", "crimes": "offences", "canteen": None,
    }  # fmt: skip
    folder = tmp_path / "force"
    intake.write_force(folder, proposal.files())
    part = settings.read(folder).sources["unit_status"]
    assert part.url == url
    assert part.watermark == "LastModified"
    assert part.query is not None
    assert part.query.startswith('SELECT "ResourceName", "StatusDateTime", "ResourceStatus", "TaskRef", "LastModified"')
    for name, source, chosen in intake.extracts_of(folder):
        intake.import_extract(folder, source, table=name, map_name=chosen)
    assert Store(folder).read("incidents").height == 600
    assert Store(folder).read("unit_status").height == 1801


def test_a_text_that_says_when_a_row_changed_is_no_watermark(tmp_path):
    pytest.importorskip("sqlalchemy")
    path = tmp_path / "cad.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE logs (LogRef TEXT, Created TEXT, Type TEXT, Amended TEXT)")
        rows = [
            (f"L{n}", f"{n % 28 + 1:02d}/05/2026 10:00:00", "A", f"{n % 28 + 1:02d}/05/2026 11:00") for n in range(99)
        ]
        connection.executemany("INSERT INTO logs VALUES (?, ?, ?, ?)", rows)
    connection.close()
    (entry,) = sources.propose_database(f"sqlite:///{path}", answers=LONDON).entries
    assert isinstance(entry.given, sources.Query)
    assert entry.given.watermark is None
    assert "read whole every time" in entry.why


def test_a_real_postgresql_is_proposed_and_its_password_never_written(postgresql, tmp_path, monkeypatch):
    british(tmp_path / "in", days=10)
    statements = ["DROP SCHEMA IF EXISTS cad CASCADE", "CREATE SCHEMA cad"]
    for file in sorted((tmp_path / "in").glob("*.csv")):
        header, *rows = list(csv.reader(file.open()))
        name = file.stem.lower().replace(" ", "_").removesuffix("_20260601")
        columns = ", ".join(f'"{each}" text' for each in header)
        statements.append(f'CREATE TABLE cad."{name}" ({columns}, amended timestamptz DEFAULT now())')
        values = ", ".join("(" + ", ".join("'" + value.replace("'", "''") + "'" for value in row) + ")" for row in rows)
        names = ", ".join(f'"{each}"' for each in header)
        statements.append(f'INSERT INTO cad."{name}" ({names}) VALUES {values}')
    postgresql.run("SET datestyle = 'ISO, DMY'", *statements)
    from urllib.parse import quote

    url = postgresql.url().replace("${BLUELAMP_TEST_PASSWORD}", quote(postgresql.password, safe=""))
    proposal = sources.propose_database(url, answers=LONDON)

    folder = tmp_path / "force"
    intake.write_force(folder, proposal.files())
    assert proposal.variable == "POSTGRES_PASSWORD"
    written = "\n".join([*proposal.lines(), *(path.read_text() for path in folder.rglob("*.toml"))])
    for secret in (postgresql.password, quote(postgresql.password, safe="")):
        assert secret not in written
    assert settings.read(folder).sources["unit_status"].watermark == "amended"
    monkeypatch.setenv("POSTGRES_PASSWORD", postgresql.password)
    for name, source, chosen in intake.extracts_of(folder):
        intake.import_extract(folder, source, table=name, map_name=chosen)
    assert Store(folder).read("incidents").height == 600
    postgresql.run("DROP SCHEMA cad CASCADE")


@pytest.mark.parametrize(
    ("url", "written", "variable"),
    [
        ("postgresql+psycopg://u:p%40ss@h:5/cad", "postgresql+psycopg://u:${CAD_PASSWORD}@h:5/cad", "CAD_PASSWORD"),
        ("postgresql+psycopg://u:${MY_PW}@h/cad", "postgresql+psycopg://u:${MY_PW}@h/cad", "MY_PW"),
        ("postgresql+psycopg://u@h/cad", "postgresql+psycopg://u@h/cad", None),
        ("${CAD_URL}", "${CAD_URL}", "CAD_URL"),
    ],
)
def test_a_password_is_to_be_in_the_environment(url, written, variable, monkeypatch):
    pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("MY_PW", "secret")
    assert database.without_password(url) == (written, variable)


@pytest.mark.parametrize("behind", ["password=hunter2", "odbc_connect=DSN%3Dcad%3BPWD%3Dhunter2"])
def test_a_password_behind_the_name_of_a_database_is_refused_unseen(behind):
    pytest.importorskip("sqlalchemy")
    with pytest.raises(BadSettings, match=f"holds '{behind.partition('=')[0]}' behind its name") as told:
        database.without_password(f"postgresql+psycopg://u@h/cad?{behind}")
    assert "hunter2" not in str(told.value)


def test_a_table_without_a_row_is_told_as_a_table_and_no_file_is_spoken_of(tmp_path):
    pytest.importorskip("sqlalchemy")
    british(tmp_path / "in")
    url = a_database(tmp_path / "cad.db", tmp_path / "in")
    with sqlite3.connect(tmp_path / "cad.db") as connection:
        connection.execute("DELETE FROM telephony")
    proposal = sources.propose_database(url)

    assert taken(proposal)["telephony"] is None
    (why,) = [each.why for each in proposal.entries if each.where == "telephony"]
    assert why == "it has no row yet, and its columns alone tell too little"
    assert not re.search(r"\b(file|export)\b", "\n".join(proposal.lines()))
    assert proposal.lines()[0].startswith("in the database")


def test_a_database_without_a_table_is_told(tmp_path):
    pytest.importorskip("sqlalchemy")
    sqlite3.connect(tmp_path / "none.db").execute("CREATE TABLE one (a)").connection.close()
    with sqlite3.connect(tmp_path / "none.db") as connection:
        connection.execute("DROP TABLE IF EXISTS one")
    with pytest.raises(NoInput, match="no table and no view"):
        sources.propose_database(f"sqlite:///{tmp_path / 'none.db'}")
