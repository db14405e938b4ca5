"""A service whose processes and database are killed in the middle of work loses nothing and shows nothing half."""

import os
import resource
import shutil
import subprocess
import sys

import pytest

from bluelamp.store import Store
from tests.postgresql import started
from tests.store.harm import fill_up, small_disk
from tests.survival import endure, events, kill_with, quick, serving, write_at_once


def test_the_worker_and_the_server_are_killed_in_the_middle_of_imports_and_runs(small_force, tmp_path):
    force = quick(small_force, tmp_path / "lantern")
    with serving(force) as service:
        kills = [("work", "plan"), ("server", "import")]
        assert endure(service, kills, service.kill, seed=3), "no kill came in the middle of anything"


def test_postgresql_itself_is_killed_in_the_middle_of_imports_and_runs(small_force, tmp_path):
    with started() as server:
        force = quick(small_force, tmp_path / "lantern", server.new_database())
        with serving(force) as service:
            endure(service, [("postgresql", "plan")], kill_with(service, server), seed=5)
            assert service.client().get("/jobs").status_code == 200


def test_two_writers_at_once_and_people_who_ask_meanwhile_all_come_through(small_force, tmp_path, postgresql):
    write_at_once(quick(small_force, tmp_path / "lantern", postgresql.new_database()), tmp_path)


def test_a_service_on_a_full_disk_says_so_and_goes_on_once_there_is_room(small_force, tmp_path):
    with small_disk(tmp_path, megabytes=48) as place:
        if place is None:
            pytest.skip("FULL DISK NOT TESTED: this needs the right to mount a small file system.")
        shutil.copytree(small_force, place / "small")
        force = quick(place / "small", place / "lantern")
        with serving(force) as service:
            waiting = service.ask("plan")
            service.wait_for(waiting)
            before = Store(force).runs()["run_id"].to_list()
            filler = fill_up(place, 150_000)
            # There is room for asking, and none for the run.
            asked = service.ask("plan")
            job = service.wait(lambda: (job := service.job(asked)).words and job, "the run to be refused")
            assert (job.state, job.tries) == ("waiting", 0)
            assert "Free some space" in job.words
            assert Store(force).runs()["run_id"].to_list() == before
            assert Store(force).verify() == []
            filler.unlink()
            filler = fill_up(place, 0)
            # Not even for that.
            answer = service.wait(
                lambda: (answer := service.client().post("/api/extracts?name=events%201.csv&table=events",
                                                         content=events(1))).status_code != 202 and answer,
                "an extract to be refused",
            )  # fmt: skip
            assert answer.status_code == 507
            assert "Free some space" in answer.json()["detail"]
            filler.unlink()
            key = service.send(2)
            with service.state.writing() as connection:
                connection.exec_driver_sql("UPDATE jobs SET not_before = NULL")
            assert service.wait_for(asked).tries == 1
            service.wait_for(key)
            assert Store(force).verify() == []


@pytest.mark.parametrize("limit", [64, 24])
def test_few_open_files_are_told_or_enough(small_force, tmp_path, limit):
    force = quick(small_force, tmp_path / "lantern")
    extract = tmp_path / "events.csv"
    extract.write_bytes(events(1))
    before = Store(force).batches().height, Store(force).runs().height

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    for command in (
        ["import", force, extract, "--table", "events"],
        ["plan", force],
        ["backup", force, "-o", tmp_path / "x.tar"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "bluelamp", *map(str, command)], preexec_fn=few, capture_output=True, text=True,
            check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert done.returncode in ((0,) if limit == 64 else (0, 74)), done.stderr
        if done.returncode:
            assert "open" in done.stderr
    after = Store(force).batches().height, Store(force).runs().height
    assert Store(force).verify() == []
    assert after == (before[0] + 1, before[1] + 1) if limit == 64 else after >= before


def test_a_server_whose_database_is_away_when_it_starts_says_so(small_force, tmp_path):
    force = quick(small_force, tmp_path / "lantern", "postgresql+psycopg://nobody:x@127.0.0.1:1/none")
    command = [sys.executable, "-m", "bluelamp", "serve", str(force), "--port", "0", "--no-browser"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 75
    assert "can't be reached" in done.stderr
