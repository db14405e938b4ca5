"""A whole force in one file: made while others write, checked to the last byte, and put back as it was."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bluelamp import backup, beside, jobs
from bluelamp.backup import _archive, _files
from bluelamp.errors import BadData, InputOutputError, NoInput, TryAgain, UsageError
from bluelamp.state import accounts, log, open_state, sessions
from bluelamp.state import jobs as kept_jobs
from bluelamp.state._tables import accounts as account_rows
from bluelamp.store import Store, disk
from tests.store.children import child, half_done, import_next, write_next_run
from tests.store.harm import fill_up, small_disk
from tests.store.telling import everything
from tests.web.served import copied, set_service

PASSWORD = "correct horse battery"


@pytest.fixture
def force(small_force, tmp_path):
    return copied(small_force, tmp_path / "lantern")


def with_people(force, address=None):
    """Give a force's database, with an account, a key, a job that waits and a log."""
    state = open_state(force, address)
    accounts.add_first(state, "ann", PASSWORD, "LV")
    accounts.make_key(state, "ann", "a script")
    jobs.ask(state, "plan", {}, "ann")
    jobs.ask(state, "backtest", {"origins": 4}, "ann")
    for number in range(5):
        log.append(state, [log.Happened("ann", "administrator", "consultation", f"/{number}", {}, datetime.now(UTC))])
    return state


def what_is_there(force):
    """All files of a force but the service's own."""
    return {
        path.relative_to(force).as_posix(): path.read_bytes()
        for path in sorted(force.rglob("*"))
        if path.is_file()
        and not path.relative_to(force).as_posix().startswith("state/")
        and path.name not in (".lock", "lock")
    }


def rewritten(archive: Path, to: Path, change) -> Path:
    """Copy an archive member by member, each as `change` gives it: a member and its content, or nothing."""
    with tarfile.open(archive) as old, tarfile.open(to, "w") as new:
        for member in old:
            content = old.extractfile(member).read()
            for each in change(member, content):
                told, bytes_of_it = each
                if told.isreg():
                    told.size = len(bytes_of_it)
                new.addfile(told, io.BytesIO(bytes_of_it))
    return to


def test_a_force_comes_back_with_the_same_content_and_the_same_answers(force, tmp_path):
    state = with_people(force)
    out = tmp_path / "kept.tar"
    made = backup.back_up(force, out)
    assert out.stat().st_mode & 0o777 == 0o600
    assert backup.verify(out, expected=made.sha256) == made
    done = backup.restore(out, tmp_path / "again")
    assert done.contents.sha256 == made.sha256
    assert done.before is None
    again = tmp_path / "again"
    assert what_is_there(again) == what_is_there(force)
    assert Store(again).verify() == []
    back = open_state(again)
    assert accounts.sign_in(back, "ann", PASSWORD, "here").holder.role == "administrator"
    assert log.entries(back) == log.entries(state)
    assert log.verify(back, [log.head_of(state)]).holds
    assert kept_jobs.every(back) == kept_jobs.every(state)
    assert backup.back_up(again, tmp_path / "second.tar").sha256 == made.sha256


@pytest.mark.parametrize(("before", "after"), [("file", "server"), ("server", "file"), ("server", "server")])
def test_it_is_put_back_into_the_other_kind_of_database(force, tmp_path, postgresql, before, after):
    came_from = None if before == "file" else postgresql.new_database()
    goes_to = None if after == "file" else postgresql.new_database()
    if came_from is not None:
        set_service(force, f'database = "{came_from}"')
    state = with_people(force, came_from)
    made = backup.back_up(force, tmp_path / "kept.tar")
    if came_from is not None:
        with pytest.raises(UsageError, match="holds something already"):
            backup.restore(tmp_path / "kept.tar", tmp_path / "again")
        assert not (tmp_path / "again").exists()
    done = backup.restore(tmp_path / "kept.tar", tmp_path / "again", database=goes_to or "file")
    assert done.contents.sha256 == made.sha256
    back = open_state(tmp_path / "again", goes_to)
    assert back.is_postgresql == (after == "server")
    assert log.entries(back) == log.entries(state)
    assert kept_jobs.every(back) == kept_jobs.every(state)
    # Numbers go on after those that came back.
    accounts.add(back, "bob", "viewer", "LV", password=PASSWORD)
    with back.reading() as connection:
        numbers = list(connection.scalars(sa.select(account_rows.c.account_id).order_by(account_rows.c.account_id)))
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 2
    jobs.ask(back, "validate", {}, "bob")
    log.append(back, [log.Happened("bob", "viewer", "consultation", "/", {}, datetime.now(UTC))])
    assert log.verify(back).holds
    if goes_to is not None:
        with pytest.raises(UsageError, match="holds something already"):
            backup.restore(tmp_path / "kept.tar", tmp_path / "third", database=goes_to)
        backup.restore(tmp_path / "kept.tar", tmp_path / "third", database=goes_to, replace=True)
        assert [each.name for each in accounts.every(open_state(tmp_path / "third", goes_to))] == ["ann"]


def test_nobody_stays_signed_in_through_a_restore(force, tmp_path):
    state = with_people(force)
    token, _ = sessions.begin(state, accounts.named(state, "ann"), longest=timedelta(hours=1))
    backup.back_up(force, tmp_path / "kept.tar")
    backup.restore(tmp_path / "kept.tar", tmp_path / "again")
    assert sessions.find(state, token, idle=timedelta(hours=1)) is not None
    assert sessions.find(open_state(tmp_path / "again"), token, idle=timedelta(hours=1)) is None
    assert token.encode() not in (tmp_path / "kept.tar").read_bytes()


def test_while_others_write_it_holds_one_moment(tmp_path):
    (tmp_path / "force").mkdir()
    force = tmp_path / "force"
    (force / "force.toml").write_text('[force]\nid = "LV"\nname = "Lantern"\ntime_zone = "Europe/London"\n')
    store = Store(force)
    import_next(store)
    state = open_state(force)
    is_over = threading.Event()

    def keep_logging():
        while not is_over.is_set():
            log.append(state, [log.Happened("ann", "viewer", "consultation", "/", {}, datetime.now(UTC))])

    writing = threading.Thread(target=keep_logging)
    writing.start()
    found = []
    try:
        with child("write", force) as writer:
            assert writer.stdout.readline() == "ready\n"
            writer.stdin.write("go\n")
            writer.stdin.flush()
            for number in range(8):
                out = tmp_path / f"{number}.tar"
                backup.back_up(force, out)
                again = tmp_path / f"again {number}"
                backup.restore(out, again)
                restored = Store(again)
                assert restored.verify() == []
                assert half_done(restored) == []
                found.append(restored.batches().height)
            writer.kill()
    finally:
        is_over.set()
        writing.join()
    assert found == sorted(found)
    assert found[-1] > found[0]
    # What was killed in the middle of writing is backed up too, and goes on.
    backup.back_up(force, tmp_path / "last.tar")
    backup.restore(tmp_path / "last.tar", tmp_path / "last")
    import_next(Store(tmp_path / "last"))
    assert everything(Store(tmp_path / "last"))
    assert Store(tmp_path / "last").verify() == []


def test_an_erasure_in_the_middle_of_it_begins_it_anew(tmp_path, monkeypatch):
    (tmp_path / "force").mkdir()
    force = tmp_path / "force"
    (force / "force.toml").write_text('[force]\nid = "LV"\nname = "Lantern"\ntime_zone = "Europe/London"\n')
    store = Store(force)
    import_next(store)
    import_next(store)
    add, taken = _archive.Writer.add, []

    def add_and_take_away(self, path, *arguments):
        if "/events/" in path and not taken:
            # As an erasure does: the ledger lists others in the place of what it had.
            taken.append(path)
            import_next(store)
            raise FileNotFoundError(path)
        return add(self, path, *arguments)

    monkeypatch.setattr(_archive.Writer, "add", add_and_take_away)
    backup.back_up(force, tmp_path / "kept.tar")
    assert taken
    backup.restore(tmp_path / "kept.tar", tmp_path / "again")
    assert Store(tmp_path / "again").batches().height == 3


def test_of_a_damaged_store_no_backup_is_made(force, tmp_path):
    file = next((force / "store" / "incidents").rglob("*.parquet"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.unlink()
    file.write_bytes(content)
    with pytest.raises(InputOutputError, match="damaged") as error:
        backup.back_up(force, tmp_path / "kept.tar")
    assert file.name in str(error.value)
    assert list(tmp_path.glob("kept*")) == []


def test_links_are_not_followed_and_are_said_to_be_left_out(force, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text("nobody's")
    (force / "link").symlink_to(tmp_path / "elsewhere" / "secret")
    (force / "folder").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(force / "pipe")
    made = backup.back_up(force, tmp_path / "kept.tar")
    assert [each.partition(" ")[0] for each in made.left_out] == ["folder", "link", "pipe"]
    assert b"nobody's" not in (tmp_path / "kept.tar").read_bytes()


def test_it_is_not_put_where_it_would_be_lost_nor_over_another(force, tmp_path):
    with pytest.raises(UsageError, match="lost with it"):
        backup.back_up(force, force / "kept.tar")
    (tmp_path / "kept.tar").write_text("precious")
    with pytest.raises(UsageError, match="not written over"):
        backup.back_up(force, tmp_path / "kept.tar")
    with pytest.raises(UsageError, match="not empty"):
        backup.restore(_made(force, tmp_path), force)
    assert (tmp_path / "kept.tar").read_text() == "precious"


def test_it_needs_a_folder_to_be_put_into_and_is_written_by_one_at_a_time(force, tmp_path):
    with pytest.raises(UsageError, match=r"no folder '.*elsewhere'"):
        backup.back_up(force, tmp_path / "elsewhere" / "kept.tar")
    out, part = tmp_path / "kept.tar", tmp_path / "kept.tar.part"
    part.write_text("what a killed process left")
    with backup._alone_at(part) as file:
        assert file.read() == b""
        with pytest.raises(UsageError, match="Another backup is being written"):
            backup.back_up(force, out)
    assert not out.exists()
    backup.back_up(force, out)
    backup.verify(out)
    assert not part.exists()


def _made(force, tmp_path):
    out = tmp_path / "made.tar"
    if not out.exists():
        backup.back_up(force, out)
    return out


@pytest.fixture(scope="module")
def made(small_force, tmp_path_factory):
    """A backup of a small force with people, that nobody may change."""
    place = tmp_path_factory.mktemp("backup")
    force = copied(small_force, place / "lantern")
    with_people(force)
    backup.back_up(force, place / "kept.tar")
    return place / "kept.tar"


def test_one_flipped_bit_anywhere_is_found_and_its_file_named(made, tmp_path):
    content = made.read_bytes()
    bad = tmp_path / "bad.tar"
    named = unread = 0
    with tarfile.open(made) as tar:
        members = tar.getmembers()
    for member in members[:: max(1, len(members) // 40)]:
        if not member.size:
            continue
        flipped = bytearray(content)
        flipped[member.offset_data + member.size // 2] ^= 16
        bad.write_bytes(flipped)
        with pytest.raises(BadData) as error:
            backup.verify(bad)
        named += member.name in str(error.value)
    assert named >= 20
    # In the heads between files and what fills them up, it is found or changes nothing of what is put back.
    for at in range(0, min(len(content), 100_000), 997):
        flipped = bytearray(content)
        flipped[at] ^= 1
        bad.write_bytes(flipped)
        try:
            found = backup.verify(bad)
        except BadData:
            continue
        unread += 1
        assert found.sha256 == backup.verify(made).sha256
    assert unread < 100


def test_a_backup_that_was_cut_off_is_refused(made, tmp_path):
    content = made.read_bytes()
    for length in (0, 1, 512, 5_000, len(content) // 2, len(content) - 12_000):
        (tmp_path / "cut.tar").write_bytes(content[:length])
        with pytest.raises(BadData):
            backup.verify(tmp_path / "cut.tar")
    with pytest.raises(NoInput):
        backup.verify(tmp_path / "none.tar")


def test_what_was_tampered_with_is_named(made, tmp_path):
    def settings_changed(member, content):
        return [(member, content.replace(b"Lantern", b"Lanterm"))] if member.name.endswith("force.toml") else [
            (member, content)
        ]  # fmt: skip

    bad = rewritten(made, tmp_path / "bad.tar", settings_changed)
    with pytest.raises(BadData, match=r"force/force\.toml is not what was written"):
        backup.restore(bad, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_one_that_was_written_anew_is_found_by_the_content_that_was_kept_elsewhere(made, tmp_path):
    kept = backup.verify(made).sha256

    def forge(member, content):
        if member.name == "force/force.toml":
            content = content.replace(b"Lantern", b"Lanterm")
            forged["force/force.toml"] = content
        if member.name == "manifest.json":
            manifest = json.loads(content)
            manifest["files"]["force/force.toml"] |= {"sha256": hashlib.sha256(forged["force/force.toml"]).hexdigest()}
            manifest["content_sha256"] = _archive._of_all(
                {path: each["sha256"] for path, each in manifest["files"].items()}
            )
            content = json.dumps(manifest).encode()
        return [(member, content)]

    forged = {}
    bad = rewritten(made, tmp_path / "bad.tar", forge)
    assert backup.verify(bad).sha256 != kept
    with pytest.raises(BadData, match="not the backup that was expected"):
        backup.restore(bad, tmp_path / "again", expected=kept)
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("force/../../escaped", tarfile.REGTYPE),
        ("/tmp/escaped", tarfile.REGTYPE),
        ("../escaped", tarfile.REGTYPE),
        ("force/./x", tarfile.REGTYPE),
        ("elsewhere/x", tarfile.REGTYPE),
        ("force/link", tarfile.SYMTYPE),
        ("force/hard", tarfile.LNKTYPE),
        ("force/device", tarfile.CHRTYPE),
        ("force/pipe", tarfile.FIFOTYPE),
        ("force/folder", tarfile.DIRTYPE),
        ("force/force.toml", tarfile.REGTYPE),
        ("force/added.txt", tarfile.REGTYPE),
    ],
)
def test_nothing_leads_out_of_the_folder_and_nothing_is_slipped_in(made, tmp_path, name, kind):
    def slip_in(member, content):
        if member.name != "manifest.json":
            return [(member, content)]
        slipped = tarfile.TarInfo(name)
        slipped.type, slipped.linkname = kind, "/etc/passwd"
        return [(slipped, b"slipped in" if kind == tarfile.REGTYPE else b""), (member, content)]

    bad = rewritten(made, tmp_path / "bad.tar", slip_in)
    with pytest.raises(BadData) as error:
        backup.restore(bad, tmp_path / "deep" / "again")
    assert name in str(error.value)
    assert not (tmp_path / "deep").exists()
    assert not (tmp_path / "escaped").exists()
    assert not Path("/tmp/escaped").exists()


def test_what_is_there_is_moved_aside_and_kept(made, tmp_path):
    force = tmp_path / "lantern"
    force.mkdir()
    (force / "notes.txt").write_text("mine")
    done = backup.restore(made, force, replace=True)
    assert (done.before / "notes.txt").read_text() == "mine"
    assert Store(force).verify() == []
    assert not (force / "notes.txt").exists()
    assert {each.name for each in tmp_path.iterdir()} == {"lantern", done.before.name}


def test_a_running_service_is_not_moved_away_from_under_its_feet(made, tmp_path):
    force = tmp_path / "lantern"
    force.mkdir()
    with beside.only_one(force, "work", lambda: False), pytest.raises(TryAgain, match="Stop it first"):
        backup.restore(made, force, replace=True)


def test_a_restore_that_is_killed_leaves_the_folder_as_it_was_and_the_next_completes(made, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    for step in range(0, 60, 7):
        touches = []

        def sync(*arguments, step=step, touches=touches, before=os.fsync):
            touches.append(1)
            if len(touches) > step:
                raise Killed
            return before(*arguments)

        force = tmp_path / "lantern"
        force.mkdir()
        (force / "notes.txt").write_text("mine")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", sync)
            # Nobody tidies up after kill -9.
            patch.setattr(disk, "remove", lambda path: None)
            with pytest.raises(Killed):
                backup.restore(made, force, replace=True)
        assert [each.name for each in force.iterdir()] == ["notes.txt"]
        backup.restore(made, force, replace=True)
        assert Store(force).verify() == []
        for each in tmp_path.iterdir():
            disk.remove(each)


def test_a_disk_that_fills_leaves_no_part_of_a_backup_and_says_so(tmp_path):
    with small_disk(tmp_path) as place:
        if place is None:
            pytest.skip("FULL DISK NOT TESTED: this needs the right to mount a small file system.")
        force = tmp_path / "force"
        force.mkdir()
        (force / "force.toml").write_text('[force]\nid = "LV"\nname = "Lantern"\ntime_zone = "Europe/London"\n')
        for _ in range(4):
            import_next(Store(force))
        write_next_run(Store(force))
        with_people(force)
        refused = []
        for free in (0, 8_192, 40_000, 80_000, 160_000, 4_000_000):
            filler = fill_up(place, free)
            try:
                backup.back_up(force, place / "kept.tar")
            except InputOutputError as error:
                refused.append((error.exit_code, "Free some space" in str(error)))
                assert sorted(each.name for each in place.iterdir()) == ["filler"]
            filler.unlink()
        assert len(refused) >= 2
        assert set(refused) == {(74, True)}
        assert backup.verify(place / "kept.tar")
        # And the same where it is put back.
        filler = fill_up(place, 60_000)
        with pytest.raises(InputOutputError, match="Free some space"):
            backup.restore(place / "kept.tar", place / "again")
        assert not (place / "again").exists()
        assert not (place / ".again.restoring").exists()
        filler.unlink()
        assert backup.restore(place / "kept.tar", place / "again")


def test_a_place_that_can_only_be_read_gets_a_sentence(force, tmp_path):
    with small_disk(tmp_path) as place:
        if place is None:
            pytest.skip("READ-ONLY FOLDER NOT TESTED: this needs the right to mount a small file system.")
        made = _made(force, tmp_path)
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        with pytest.raises(InputOutputError, match="can only be read"):
            backup.back_up(force, place / "kept.tar")
        with pytest.raises(InputOutputError, match="can only be read"):
            backup.restore(made, place / "again")


def test_the_commands_say_the_same_content(force, tmp_path):
    with_people(force).close()

    def call(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "bluelamp", *map(str, arguments)], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    out = tmp_path / "kept.tar"
    said = call("backup", force, "-o", out)
    content = next(line for line in said.splitlines() if line.startswith("Content: "))
    assert content in call("backup", "--verify", out)
    assert content in call("restore", out, tmp_path / "again", "--content", content.split()[1])
    call("backup", "--verify", out, "--content", "0" * 64, code=65)
    call("restore", out, tmp_path / "again", code=2)
    assert [each.subject for each in log.entries(open_state(force), operation="disclosure")] == ["backup"]
    assert [each.subject for each in log.entries(open_state(tmp_path / "again"), operation="alteration")] == ["restore"]


def test_a_force_without_a_service_has_a_backup_too(small_force, tmp_path):
    force = copied(small_force, tmp_path / "lantern")
    made = backup.back_up(force, tmp_path / "kept.tar")
    assert made.state is None
    backup.restore(tmp_path / "kept.tar", tmp_path / "again")
    assert what_is_there(tmp_path / "again") == what_is_there(force)
    assert _files.fingerprints(tmp_path / "again") == made.files
