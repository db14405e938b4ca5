"""What every test may use: the real data where it is there, and drawn tables."""

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(os.environ.get("BLUELAMP_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; tests that need it are skipped, loudly, where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"REAL DATA ABSENT: {SHARED_DATA} is not there, so that this test of real input did not run.")
    return SHARED_DATA
