"""What is done at the command line is logged where a force keeps a log, and costs nothing where it does not."""

import shutil
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


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["jobs"], 0, ""),
        (["jobs", "--json"], 0, "[]"),
        (["jobs", "--ask", "plans"], 1, "There is no kind of job 'plans'"),
        (["jobs", "--stop", "j261123-5f0c2d9ab1e7"], 1, "There is no job"),
        (["log", "show"], 0, ""),
        (["log", "head"], 1, "Nothing was logged yet"),
        (["log", "verify"], 0, "The log holds: 0 entries"),
        (["accounts", "list"], 0, ""),
        (["accounts", "change", "ann", "--close"], 1, "There is no account 'ann'"),
        (["accounts", "key", "ann", "--label", "x"], 1, "There is no account 'ann'"),
        (["accounts", "add", "ann", "--role", "plannner"], 1, "Did you mean 'planner'?"),
        (["accounts", "add", "ann", "--role", "planner", "--password-stdin"], 1, "fewer than 12 characters"),
    ],
    ids=str,
)
def test_whoever_only_looks_or_is_refused_makes_no_database_for_which_serve_would_ask_for_sign_in(
    force, words, code, said
):
    group, *rest = words
    before = [group, rest.pop(0)] if group in ("log", "accounts") else [group]
    done = CliRunner().invoke(app, [*before, str(force), *rest], input="short\n")
    assert done.exit_code == code, done.output
    assert said in done.output + str(done.exception)
    assert not (force / "state").exists()


def test_a_log_that_was_taken_away_as_a_whole_is_found_by_the_head_that_was_kept(force):
    run("accounts", "add", force, "ann", "--role", "administrator", "--password-stdin", given=PASSWORD + "\n")
    heads = force / "heads.jsonl"
    run("log", "head", force, "--to", heads)
    shutil.rmtree(force / "state")
    done = CliRunner().invoke(app, ["log", "verify", str(force), "--heads", str(heads)])
    assert "its end was cut off" in str(done.exception)
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
