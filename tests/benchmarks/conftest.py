"""Programs of benchmarks/, which is no package: imported by their own names for one test, and forgotten after it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield
    # 'forecast', 'staffing' and 'report' are names that others may use.
    for name in [
        name for name, module in sys.modules.items() if str(getattr(module, "__file__", "")).startswith(BENCHMARKS)
    ]:
        del sys.modules[name]
