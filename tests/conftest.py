"""What every test may use: the real data where it is there, and drawn tables."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.databases import _database_of_the_option, database, state
from tests.forces import forecast_quickly, made_once
from tests.postgresql import postgresql

__all__ = ["_database_of_the_option", "database", "postgresql", "state"]

# No test is timed: what a drawn case takes says more of the machine than of us.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SHARED_DATA = Path(os.environ.get("BLUELAMP_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the whole suite be run with the other kind of database."""
    said = "where forces made for the tests keep accounts, the log and jobs"
    parser.addoption("--database", choices=["sqlite", "postgresql"], default="sqlite", help=said)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run on either database what asks for it, of those that make a force."""
    if "database" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_databases"):
        metafunc.parametrize("database", ["sqlite", "postgresql"], indirect=True)


RUNS_A_PAGE = "::test_a_page_shows_what_its_examples_print["


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let pages of the documentation go first: each takes long, and no core should be left with one at the end.

    Pages that start with another's force come last of them, so that not every core waits while one makes it.
    """

    def rank(item: pytest.Item) -> int:
        if RUNS_A_PAGE not in item.nodeid:
            return 2
        page = Path(__file__).parents[1] / item.nodeid.partition(RUNS_A_PAGE)[2].rstrip("]")
        return int("<!-- starts with:" in page.read_text(encoding="utf-8"))

    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file on one core, because they share what it sets up, but for pages of the documentation,
    each of which runs a force of its own.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFileOrPage(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if RUNS_A_PAGE in nodeid else nodeid.split("::", 1)[0]

    return ByFileOrPage(config, log)


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> None:
    """Let tests sign in as often as they like: what makes a password slow to guess is tried where it is meant."""
    from argon2 import PasswordHasher

    from bluelamp.state import accounts

    accounts._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    accounts._OF_NOBODY = accounts._hasher.hash("nobody's")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; tests that need it are skipped, loudly, where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"REAL DATA ABSENT: {SHARED_DATA} is not there, so that this test of real input did not run.")
    return SHARED_DATA


@pytest.fixture(scope="session")
def small_force(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up force of eight areas, imported and planned by the real commands; tests must not change it."""
    from datetime import date

    from bluelamp import intake, plan
    from bluelamp.sources.twin import make_twin, write_twin

    def make(folder: Path) -> None:
        write_twin(folder, make_twin(areas=8, days=120, seed=7, until=date(2026, 10, 19)))
        forecast_quickly(folder, days=120, paths=100)
        for table, path, map_name in intake.extracts_of(folder):
            intake.import_extract(folder, path, table=table, map_name=map_name)
        plan.plan(folder)

    return made_once(tmp_path_factory, "small", make)


@pytest.fixture(scope="session")
def mapped_force(small_force: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small force with its hotspot maps tested on 13 weeks, as the run before that test drew them.

    Tests must not change it.
    """
    import shutil

    from bluelamp import hotspot_trial

    def make(folder: Path) -> None:
        shutil.copytree(small_force, folder)
        hotspot_trial.try_maps(folder, weeks=13)

    return made_once(tmp_path_factory, "mapped", make)


@pytest.fixture(scope="session")
def called_force(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up force of four areas that gave contacts beside its incidents, planned; tests must not change it."""
    from datetime import date

    from bluelamp import intake, plan
    from bluelamp.sources.twin import make_twin, write_twin

    def make(folder: Path) -> None:
        made = make_twin(areas=4, days=56, seed=7, until=date(2026, 10, 19), weekly_incidents=300, feed_days=56)
        write_twin(folder, made, mornings=1)
        for table, path, map_name in intake.extracts_of(folder):
            if table in ("areas", "incidents", "contacts"):
                intake.import_extract(folder, path, table=table, map_name=map_name)
        forecast_quickly(folder, days=20, paths=60)
        plan.plan(folder)

    return made_once(tmp_path_factory, "called", make)


@pytest.fixture(scope="session")
def watched_force(called_force: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The force that gave contacts, with its units, duties and pools, planned four days before its data ends.

    Tests must not change it.
    """
    import shutil
    from datetime import UTC, datetime

    from bluelamp import intake, plan

    def make(folder: Path) -> None:
        shutil.copytree(called_force, folder)
        for table, path, map_name in intake.extracts_of(folder):
            if table in ("pools", "standards", "duties", "people", "unit_status", "unit_crews"):
                intake.import_extract(folder, path, table=table, map_name=map_name)
        plan.plan(folder, forecast_from=datetime(2026, 10, 14, 23, tzinfo=UTC))

    return made_once(tmp_path_factory, "watched", make)
