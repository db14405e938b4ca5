"""A force of one's own whose service asks people to sign in, for tests that change what it keeps."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bluelamp.state import State
from tests.web.served import copied, with_accounts


@pytest.fixture
def force(small_force: Path, tmp_path: Path, database: str) -> Path:
    return copied(small_force, tmp_path / "lantern")


@pytest.fixture
def served(force: Path) -> tuple[FastAPI, Callable[..., TestClient]]:
    return with_accounts(force)


@pytest.fixture
def state(served: tuple[FastAPI, Callable[..., TestClient]]) -> State:
    return served[0].state.admission.state
