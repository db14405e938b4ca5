"""Feeds that go wrong as they really do: each ends in a sentence with what to do, and nothing is lost in silence."""

from __future__ import annotations

import gzip
import zipfile
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from bluelamp import intake
from bluelamp.cli import app
from bluelamp.errors import BadData
from bluelamp.sources import texts
from bluelamp.sources.twin import make_twin, write_twin
from bluelamp.store import Store
from tests.forces import forecast_quickly

FORCE = """
[force]
id = "north"
name = "North"
time_zone = "Europe/London"
[sources.incidents]
file = "feeds/*/incidents*"
[sources.unit_status]
file = "feeds/*/status*"
[sources.people]
file = "feeds/*/people*"
[sources.duties]
file = "feeds/*/duties*"
"""
INCIDENTS = "incident_id,received_at,class_code,origin,opening_description"
STATUS = "unit_id,status_at,status,incident_id"
PEOPLE = "person_id,role_code,pool_id"
DUTIES = "duty_id,person_id,role_code,pool_id,starts_at,ends_at,kind"
LOG = "I{0},2026-03-0{0}T08:00:00Z,theft,public,a bicycle"


@pytest.fixture
def force(tmp_path: Path) -> Path:
    """A force that has one good day."""
    folder = tmp_path / "north"
    folder.mkdir()
    (folder / "force.toml").write_text(FORCE)
    put(folder, "incidents.csv", INCIDENTS, LOG.format(1), LOG.format(2))
    put(folder, "people.csv", PEOPLE, "P1,response,R1", "P2,response,R1")
    assert told(bring(folder, "03-01")) == ""
    return folder


def put(force: Path, name: str, *lines: str, day: str = "03-01") -> Path:
    path = force / "feeds" / day / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def bring(force: Path, day: str = "03-02") -> Result:
    return CliRunner().invoke(app, ["import", str(force), str(force / "feeds" / day)])


def told(found: Result) -> str:
    """What went wrong, in a sentence; a fault of ours is no sentence."""
    error = found.exception
    if error is None or isinstance(error, SystemExit):
        return ""
    assert isinstance(error, BadData), repr(error)
    assert error.exit_code == 65
    return str(error)


def insist_on_accounts(force: Path) -> None:
    for batch in Store(force).batches().to_dicts():
        parts = ("accepted", "updated", "unchanged", "duplicate", "quarantined")
        assert batch["rows_read"] == sum(batch[f"rows_{part}"] for part in parts)
    assert Store(force).verify() == []


def aside(force: Path) -> list[tuple[int, str, str]]:
    return Store(force).quarantined().select("row_number", "reason_code", "reason").rows()


# -- the file ----------------------------------------------------------------------------------------------------------


def two_header_rows(force: Path) -> None:
    put(force, "incidents.csv", "Control room,,,,", INCIDENTS, LOG.format(3), day="03-02")


def another_name_for_a_column(force: Path) -> None:
    put(force, "incidents.csv", INCIDENTS.replace("received_at", "recieved_at"), LOG.format(3), day="03-02")


def a_hundred_columns_that_nobody_knows(force: Path) -> None:
    more = [f"extra_{number}" for number in range(95)]
    put(force, "incidents.csv", ",".join([INCIDENTS, *more]), LOG.format(3) + ",x" * 95, day="03-02")


def a_zip_bomb(force: Path) -> None:
    row = f"{LOG.format(3)}\n".encode() * 40_000
    path = put(force, "incidents.zip", "", day="03-02")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("incidents.csv", "w", force_zip64=True) as out,
    ):
        out.write(INCIDENTS.encode() + b"\n")
        for _ in range(texts.FREE_EXPANSION_BYTES // len(row) + 2):
            out.write(row)


def text_that_is_called_a_workbook(force: Path) -> None:
    put(force, "incidents.xlsx", "this is the cover sheet of an export", "and no more", day="03-02")


def bytes_that_are_called_a_workbook(force: Path) -> None:
    put(force, "incidents.xlsx", "", day="03-02").write_bytes(bytes(range(128, 256)) * 9)


REFUSED = {
    two_header_rows: ["named in row 2; what stands above are headings", "header_row = 2"],
    another_name_for_a_column: ["Column 'received_at' is missing. Did you mean 'recieved_at'?"],
    a_hundred_columns_that_nobody_knows: ["'extra_0' is not a column of 'incidents'", "'extra_94' is not"],
    a_zip_bomb: ["expands to more than 200 times its size", "Nothing of it was read"],
    text_that_is_called_a_workbook: ["is called a workbook and is none", "Save it as .xlsx"],
    bytes_that_are_called_a_workbook: ["is called a workbook and is none", "Save it as .xlsx"],
}


@pytest.mark.parametrize("break_it", REFUSED, ids=lambda each: each.__name__)
def test_a_file_that_can_not_be_what_it_should_is_refused_in_words_and_changes_nothing(force: Path, break_it):
    before = {path: path.read_bytes() for path in (force / "store").rglob("*") if path.is_file()}
    break_it(force)
    said = told(bring(force))
    for words in REFUSED[break_it]:
        assert words in said
    assert {path: path.read_bytes() for path in (force / "store").rglob("*") if path.is_file()} == before


def test_a_hundred_columns_are_read_by_a_map_that_names_a_few_and_the_others_are_told(force: Path):
    (force / "wide.toml").write_text(
        'title = "Wide"\ntable = "incidents"\ntime_zone = "force"\n[columns]\nincident_id = "LOG"\n'
        'received_at = "AT"\nclass_code = { constant = "theft" }\norigin = { constant = "public" }\n'
    )
    more = [f"extra_{number}" for number in range(98)]
    path = put(force, "wide.csv", ",".join(["LOG", *more, "AT"]), f"I3,{'x,' * 98}2026-03-03 08:00", day="03-02")
    found = CliRunner().invoke(app, ["import", str(force), str(path), "--map", "wide.toml"])
    assert told(found) == ""
    assert "Columns not read: extra_0, extra_1, extra_2" in found.output
    assert Store(force).read("incidents").height == 3


def test_a_workbook_that_counts_its_days_from_1904_is_read_so_and_says_so(force: Path):
    openpyxl = pytest.importorskip("openpyxl")
    (force / "book.toml").write_text(
        'title = "Book"\ntable = "incidents"\ntime_zone = "force"\n[columns]\nincident_id = "LOG"\n'
        'received_at = "AT"\nclass_code = { constant = "theft" }\norigin = { constant = "public" }\n'
    )
    book = openpyxl.Workbook()
    book.epoch = datetime(1904, 1, 1)
    book.active.append(["LOG", "AT"])
    book.active.append(["I3", datetime(2026, 3, 3, 8, 30)])
    book.save(put(force, "book.xlsx", "", day="03-02"))
    found = CliRunner().invoke(app, ["import", str(force), str(force / "feeds/03-02/book.xlsx"), "--map", "book.toml"])
    assert told(found) == ""
    assert "The workbook counts its days from 1904, and was read so." in found.output
    at = Store(force).read("incidents").filter(incident_id="I3")["received_at"][0]
    assert f"{at:%Y-%m-%d %H:%M}" == "2026-03-03 08:30"


# -- the rows ----------------------------------------------------------------------------------------------------------


def test_keys_that_match_nothing_are_counted_and_their_rows_kept(force: Path):
    rows = [f"RD{number},2026-03-02T09:0{number}:00Z,at_scene,LOG-{number}" for number in range(5)]
    put(force, "status.csv", STATUS, *rows, day="03-02")
    found = bring(force)
    assert told(found) == ""
    assert "5 rows of 'unit_status' (100.0% of those with 'incident_id') name a row of 'incidents' that has not" in (
        found.output
    )
    assert Store(force).read("unit_status").height == 5
    insist_on_accounts(force)


def test_a_duty_of_thirty_hours_is_set_aside_with_what_was_expected_and_the_others_come_in(force: Path):
    duty = "D{},P1,response,R1,2026-03-02T07:00:00Z,2026-03-0{}:00:00Z,planned"
    put(
        force, "duties.csv", DUTIES, duty.format(1, "2T17"), duty.format(2, "3T13"), duty.format(3, "2T16"), day="03-02"
    )
    found = bring(force)
    assert told(found) == ""
    assert "1 quarantined" in found.output
    ((row, _, reason),) = aside(force)
    assert row == 3
    assert "'ends_at'" in reason
    assert "too long after 'starts_at'" in reason
    assert "at most 24 hours after it" in reason
    assert Store(force).read("duties")["duty_id"].to_list() == ["D1", "D3"]
    insist_on_accounts(force)


def test_a_file_of_nothing_but_duties_of_thirty_hours_is_told_with_the_reason(force: Path):
    put(force, "duties.csv", DUTIES, "D1,P1,response,R1,2026-03-02T07:00:00Z,2026-03-03T13:00:00Z,planned", day="03-02")
    said = told(bring(force))
    assert "The only row of duties.csv had to be set aside" in said
    assert "at most 24 hours after it" in said


def test_two_people_with_one_number_are_told_by_their_rows_and_never_by_the_number(force: Path):
    put(
        force, "people.csv", PEOPLE, "P-7,response,R1", "P-8,response,R1", "P-7,custody,C1", "P-8,response,R1",
        day="03-02",
    )  # fmt: skip
    found = bring(force)
    assert told(found) == ""
    assert (
        "1 number in 'people' stands for rows that differ, first in rows 2 and 4. The last one counts." in found.output
    )
    assert "P-7" not in found.output
    assert Store(force).read("people").filter(person_id="P-7")["role_code"].to_list() == ["custody"]
    assert Store(force).history("people").filter(person_id="P-7").height == 2, "neither is lost"
    insist_on_accounts(force)


def test_a_posting_that_changes_from_one_day_to_the_next_is_no_second_person(force: Path):
    put(force, "people.csv", PEOPLE, "P1,custody,C1", "P2,response,R1", day="03-02")
    found = bring(force)
    assert told(found) == ""
    assert "stands for rows that differ" not in found.output


def test_formulas_in_cells_are_data_in_the_store_and_harmless_in_an_export(force: Path):
    put(
        force, "incidents.csv", INCIDENTS, LOG.format(3).replace("a bicycle", "=cmd|' /C calc'!A0"),
        LOG.format(4).replace("a bicycle", "@SUM(1)"), day="03-02",
    )  # fmt: skip
    assert told(bring(force)) == ""
    kept = Store(force).read("incidents").sort("incident_id")["opening_description"].to_list()
    assert kept == ["a bicycle", "a bicycle", "=cmd|' /C calc'!A0", "@SUM(1)"]
    exported = CliRunner().invoke(app, ["table", "incidents", str(force), "--csv"]).output
    assert "'=cmd|' /C calc'!A0" in exported
    assert "'@SUM(1)" in exported
    assert ",=cmd" not in exported


def test_a_status_log_with_its_clock_an_hour_off_is_told_by_the_plan(tmp_path: Path):
    force = tmp_path / "twin"
    write_twin(force, make_twin(areas=4, days=28, seed=3, until=date(2026, 11, 23), feed_days=8), mornings=2)
    for path in force.glob("feeds/*/command_status.csv.gz"):
        presses = pl.read_csv(path, infer_schema=False)
        # As where local time of summer was written down as if it were that of winter.
        wrong = presses.with_columns(pl.col("STATUS_TIME").str.replace(r"\+00:00$", "-01:00"))
        path.write_bytes(gzip.compress(wrong.write_csv().encode(), 1))
    for name, path, chosen in intake.extracts_of(force):
        intake.import_extract(force, path, table=name, map_name=chosen)
    forecast_quickly(force, days=28, paths=60)
    found = CliRunner().invoke(app, ["plan", str(force)])
    assert found.exception is None, found.exception
    assert "the clocks of status log and incident log differ by whole hours" in found.output


def test_a_status_log_issued_again_with_its_clock_an_hour_off_is_told_by_the_import(force: Path):
    def presses(first: int, last: int, clock: str) -> list[str]:
        return [
            f"U{at % 3},2026-07-0{1 + at // 20}T{at % 20:02}:15:30{clock},at_scene,I{at}" for at in range(first, last)
        ]

    put(force, "status.csv", STATUS, *presses(0, 40, "+01:00"), day="07-02")
    assert "there already" not in bring(force, "07-02").output
    put(force, "status.csv", STATUS, *presses(20, 60, "+01:00"), day="07-03")
    assert "there already" not in bring(force, "07-03").output
    # The local time of summer, written down as if it were that of winter.
    put(force, "status.csv", STATUS, *presses(40, 80, "+00:00"), day="07-04")
    found = " ".join(bring(force, "07-04").output.split())
    assert (
        "20 presses of 2026-07-03 (UTC) are there already, of the same unit, status and incident, exactly 1 hour "
        "earlier: the clock of this extract is off, or that of one before. All were added" in found
    )
    assert Store(force).batches("unit_status")["rows_accepted"].to_list() == [40, 20, 40], "nothing is dropped"
    insist_on_accounts(force)
