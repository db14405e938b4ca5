"""The page of scores in headless Chromium: figures are those of the tables, and axe is content."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from bluelamp import backtest as scored
from bluelamp import intake, tables
from bluelamp.sources.twin import make_twin, write_twin
from tests.browser.axe import insist_on_no_fault, on_both_screens
from tests.browser.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def force(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored") / "lantern"
    write_twin(folder, make_twin(areas=6, days=240, seed=3, until=date(2026, 11, 23)))
    for table, path, map_name in intake.extracts_of(folder):
        if table in ("incidents", "areas", "events"):
            intake.import_extract(folder, path, table=table, map_name=map_name)
    scored.backtest(folder, origins=3, paths=20, methods=["slot_mean", "last_week", "slot_mean_8"])
    return folder


@pytest.fixture(scope="module")
def address(force: Path) -> Iterator[str]:
    with serving(force) as at:
        yield at


@pytest.mark.parametrize("with_scripts", [True, False])
def test_the_figures_are_those_of_the_tables_also_without_scripts(browser, address, force, with_scripts):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, java_script_enabled=with_scripts)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{address}/backtest")
    found = scored.read(force)
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


@on_both_screens
def test_axe_finds_nothing_wrong(browser, address, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}/backtest")
    insist_on_no_fault(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    context.close()
