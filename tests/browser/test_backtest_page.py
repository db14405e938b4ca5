"""The page of scores in headless Chromium: figures are those of the tables, with scripts and without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bluelamp import backtest as scored
from bluelamp import tables
from tests.browser.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(scored_force: Path) -> Iterator[str]:
    with serving(scored_force) as at:
        yield at


@pytest.mark.parametrize("with_scripts", [True, False])
def test_the_figures_are_those_of_the_tables_also_without_scripts(browser, address, scored_force, with_scripts):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, java_script_enabled=with_scripts)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{address}/backtest")
    found = scored.read(scored_force)
    compared = 0
    for name, least in (("backtest_summary", 150), ("backtest_peaks", 20), ("backtest_weak_spots", 60)):
        key = tables.table(name).key
        rows = {" ".join(row[part] for part in key): row for row in found.table(name).iter_rows(named=True)}
        for cell in page.locator(f"[data-table='{name}'] [data-field]").all():
            at = cell.get_attribute("data-key") or cell.locator("xpath=..").get_attribute("data-key")
            value = cell.get_attribute("data-value")
            wanted = rows[at][cell.get_attribute("data-field")]
            assert (None if value == "" else float(value)) == wanted, at
            compared += 1
        assert compared > least
    assert page.locator("svg.pit").count() == 16
    assert complaints == []
    context.close()
