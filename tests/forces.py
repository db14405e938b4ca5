"""Forces that tests on several cores need and none may change, and how little of the future they look at."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(paths: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Give the folder of this name, which `make` is given the path of, and which it makes and fills.

    Whichever core comes first makes it; the others wait for it.
    """
    base = paths.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "made_once" / name
    folder.parent.mkdir(exist_ok=True)
    done = folder.with_name(f"{name} is whole")
    with folder.with_name(f"{name} is being made").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            # What a failure left behind would be taken for a fault of the next one that tries.
            assert not folder.exists(), f"{name} could not be made; the first test that asked for it says why."
            make(folder)
            done.touch()
    return folder


def forecast_quickly(force: Path, *, days: int, paths: int) -> None:
    """Let a made-up force look no further ahead than its tests do, on fewer paths: most of a small plan is forecast."""
    settings = (force / "force.toml").read_text(encoding="utf-8")
    assert "[forecast]" not in settings
    (force / "force.toml").write_text(f"{settings}\n[forecast]\npaths = {paths}\ndays = {days}\n", encoding="utf-8")
