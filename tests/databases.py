"""The service's own database as forces have it: a file, or a PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bluelamp.state import State, open_state


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """An empty one of either kind: what holds for one holds for the other."""
    address = None
    if request.param == "postgresql":
        address = request.getfixturevalue("postgresql").new_database()
    opened = open_state(tmp_path, address)
    yield opened
    opened.close()
