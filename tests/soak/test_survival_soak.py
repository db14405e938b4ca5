"""What takes minutes: a hundred kills of a real service on each kind of database, at moments drawn at random."""

import random

import pytest

from tests.postgresql import started
from tests.survival import (
    course,
    insist_on_whole,
    kill_with,
    quick,
    read_all_the_while,
    results_of,
    serving,
    write_at_once,
)

pytestmark = pytest.mark.soak

KILLS = 100


def drawn(kinds, seed):
    chance = random.Random(seed)
    return [(chance.choice(kinds), chance.choice(("import", "plan"))) for _ in range(KILLS)]


def test_a_hundred_kills_of_its_processes(small_force, tmp_path):
    force = quick(small_force, tmp_path / "lantern")
    with serving(force) as service:
        with read_all_the_while(service) as reader:
            keys = course(service, drawn(("work", "work", "server", "live"), 7), service.kill, seed=7)
        insist_on_whole(service, keys)
        in_the_middle = sum(service.job(key).tries > 1 for key in keys)
        print(f"\n{KILLS} kills, {in_the_middle} in the middle of a job; readers were told {reader.statuses}")
        assert in_the_middle > KILLS // 4
        last = service.job(keys[-1]).outcome["run_id"]
        again = service.wait_for(service.ask("plan")).outcome["run_id"]
        assert results_of(force, again) == results_of(force, last)


def test_a_hundred_kills_of_postgresql_and_of_what_asks_it(small_force, tmp_path):
    with started() as server:
        force = quick(small_force, tmp_path / "lantern", server.new_database())
        with serving(force) as service:
            kill = kill_with(service, server)
            with read_all_the_while(service) as reader:
                keys = course(service, drawn(("postgresql", "postgresql", "work", "server"), 8), kill, seed=8)
            insist_on_whole(service, keys)
            in_the_middle = sum(service.job(key).tries > 1 for key in keys)
            print(f"\n{KILLS} kills, {in_the_middle} in the middle of a job; readers were told {reader.statuses}")


def test_two_writers_at_once_in_a_file(small_force, tmp_path):
    write_at_once(quick(small_force, tmp_path / "lantern"), tmp_path)
