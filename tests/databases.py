"""The service's own database as forces have it: a file, or a PostgreSQL.

Forces of the tests' own keep it in a file, in `pytest --database postgresql` each in a database of a real server, and
in both where a file of tests says `pytestmark = pytest.mark.both_databases`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bluelamp import settings
from bluelamp.state import State, open_state
from tests.postgresql import Server

_server: Server | None = None


def address_for_a_force() -> str | None:
    """Give the address of an empty database, or nothing where a force's own file is to be used."""
    return _server and _server.new_database()


def state_of(force: Path) -> State:
    """Open the database that a force's settings name."""
    return open_state(force, settings.read(force).service.database)


def _use(kind: str, request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("tests.databases._server", request.getfixturevalue("postgresql") if kind == "postgresql" else None)


@pytest.fixture(scope="session", autouse=True)
def _database_of_the_option(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        _use(request.config.getoption("--database"), request, patch)
        yield


@pytest.fixture
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kind of database that forces made for this test have."""
    kind = getattr(request, "param", request.config.getoption("--database"))
    _use(kind, request, monkeypatch)
    return kind


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """An empty one of either kind: what holds for one holds for the other."""
    address = None
    if request.param == "postgresql":
        address = request.getfixturevalue("postgresql").new_database()
    opened = open_state(tmp_path, address)
    yield opened
    opened.close()
