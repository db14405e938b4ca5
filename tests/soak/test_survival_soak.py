"""What takes minutes: a hundred kills of a real service on each kind of database, at moments drawn at random."""

import random

import pytest

from tests.postgresql import started
from tests.survival import endure, kill_with, quick, serving, write_at_once

pytestmark = pytest.mark.soak

KILLS = 100


def drawn(kinds, seed):
    chance = random.Random(seed)
    return [(chance.choice(kinds), chance.choice(("import", "plan"))) for _ in range(KILLS)]


def test_a_hundred_kills_of_its_processes(small_force, tmp_path):
    force = quick(small_force, tmp_path / "lantern")
    with serving(force) as service:
        kills = drawn(("work", "work", "server", "live"), 7)
        assert endure(service, kills, service.kill, seed=7) > KILLS // 4


def test_a_hundred_kills_of_postgresql_and_of_what_asks_it(small_force, tmp_path):
    with started() as server:
        force = quick(small_force, tmp_path / "lantern", server.new_database())
        with serving(force) as service:
            kills = drawn(("postgresql", "postgresql", "work", "server"), 8)
            endure(service, kills, kill_with(service, server), seed=8)


def test_two_writers_at_once_in_a_file(small_force, tmp_path):
    write_at_once(quick(small_force, tmp_path / "lantern"), tmp_path)
