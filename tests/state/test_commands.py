"""What is done at the command line is logged where a force keeps a log, and costs nothing where it does not."""

import subprocess
import sys
from datetime import date

import pytest
from typer.testing import CliRunner

from bluelamp import state as kept
from bluelamp.cli import app
from bluelamp.sources.twin import make_twin, write_twin
from bluelamp.state import log

PASSWORD = "three words together"


@pytest.fixture
def force(tmp_path):
    write_twin(tmp_path / "quay", make_twin(areas=4, days=28, seed=7, until=date(2026, 10, 19), weekly_incidents=60))
    return tmp_path / "quay"


def run(*words, given=None, code=0):
    done = CliRunner().invoke(app, [str(each) for each in words], input=given)
    assert done.exit_code == code, done.output
    return done


def logged(force):
    return [(each.operation, each.subject, each.detail) for each in reversed(log.entries(kept.open_state(force)))]


def test_imports_and_erasures_are_logged_and_no_number_of_what_was_erased(force):
    run("accounts", "add", force, "ann", "--role", "administrator", "--password-stdin", given=PASSWORD + "\n")
    run("import", force, "-q")
    from bluelamp.store import Store

    number = Store(force).read("incidents")["incident_id"][0]
    run("erase", force, "--incident", number, "--yes", "--reference", "SAR-114")
    entries = logged(force)
    subjects = [(operation, subject) for operation, subject, _ in entries]
    assert subjects[0] == ("administration", "account ann")
    assert ("collection", "import into incidents") in subjects
    assert subjects[-1] == ("erasure", "erase incident")
    assert "SAR-114" in entries[-1][2]
    assert number not in str(entries)
    assert PASSWORD not in str(entries)
    assert "The log holds" in run("log", "verify", force).output


def test_what_a_watched_folder_brings_is_logged_and_an_empty_look_is_not(force, tmp_path):
    run("accounts", "add", force, "ann", "--role", "administrator", "--password-stdin", given=PASSWORD + "\n")
    arriving = tmp_path / "arriving"
    arriving.mkdir()
    run("watch", force, arriving, "--once", "-q")
    assert len(logged(force)) == 1
    extract = next((force / "extracts").glob("*incidents*"))
    (arriving / extract.name).write_bytes(extract.read_bytes())
    run("watch", force, arriving, "--once", "-q")
    operation, subject, detail = logged(force)[-1]
    assert (operation, subject) == ("collection", "import into incidents")
    assert '"batch": "b000001-' in detail


def test_what_fails_is_logged_too(force, tmp_path):
    run("accounts", "add", force, "ann", "--role", "administrator", "--password-stdin", given=PASSWORD + "\n")
    (tmp_path / "no.csv").write_text("nothing\nof use\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["import", str(force), str(tmp_path / "no.csv")])
    assert done.exit_code != 0
    assert '"went": "wrong: ' in logged(force)[-1][2]


def test_a_force_without_accounts_keeps_no_log_and_loads_nothing_for_it(force):
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom bluelamp.cli import app\n"
        f"assert CliRunner().invoke(app, ['import', {str(force)!r}, '-q']).exit_code == 0\n"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not (force / "state").exists()


def test_a_tampered_log_ends_the_check_with_a_code_and_says_where(force):
    run("accounts", "add", force, "ann", "--role", "administrator", "--password-stdin", given=PASSWORD + "\n")
    run("accounts", "add", force, "cad", "--role", "source", "--no-password")
    heads = force / "heads.jsonl"
    run("log", "head", force, "--to", heads)
    opened = kept.open_state(force)
    with opened.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER log_refuses_delete")
        connection.exec_driver_sql("DELETE FROM log WHERE sequence = 2")
    assert "The log holds" in run("log", "verify", force).output
    done = CliRunner().invoke(app, ["log", "verify", str(force), "--heads", str(heads)])
    assert done.exit_code == 1
    assert "its end was cut off" in str(done.exception)


def test_a_key_is_printed_once_and_accounts_are_listed(force):
    run("accounts", "add", force, "cad", "--role", "source", "--no-password")
    key = run("accounts", "key", force, "cad", "--label", "x").stdout.strip()
    assert key.startswith("blk_")
    assert key not in run("accounts", "list", force, "--json").stdout
    assert "administrator" in str(CliRunner().invoke(app, ["accounts", "add", str(force), "x"]).exception)
