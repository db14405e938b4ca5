"""The data page in headless Chromium: figures are those of the tables, keys lead there and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from bluelamp import intake, plan, tables
from bluelamp.reading import read_table
from bluelamp.received import account_for
from bluelamp.sources.twin import make_twin, write_twin
from tests.browser.serving import serving
from tests.forces import forecast_quickly

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up force with a status log, some of its rows spoilt, and without its vehicles."""
    folder = tmp_path_factory.mktemp("fed") / "fed"
    write_twin(folder, make_twin(areas=4, days=28, seed=3, until=date(2026, 11, 23), feed_days=4))
    forecast_quickly(folder, days=28, paths=60)
    logs = sorted(folder.glob("feeds/*/command_logs.csv"))[-1]
    lines = logs.read_bytes().split(b"\n")
    lines[3] += b",one,too many"
    lines[7] = b",".join([lines[7].split(b",")[0], b"<b>yesterday</b>", *lines[7].split(b",")[2:]])
    logs.write_bytes(b"\n".join(lines))
    for table, path, map_name in intake.extracts_of(folder):
        if table != "vehicles":
            intake.import_extract(
                folder, path, table=table, map_name=map_name, as_of=datetime(2026, 11, 24, tzinfo=UTC)
            )
    plan.plan(folder)
    return folder


@pytest.fixture(scope="module")
def address(fed: Path) -> Iterator[str]:
    with serving(fed) as at:
        yield at


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    complaints: list[str] = []
    requests: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto(f"{address}/data")
    opened.wait_for_selector("body[data-phase=ready]")
    yield opened
    context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith((address, "data:", "blob:"))] == []


def shown(page, table: str) -> dict[str, dict[str, str]]:
    """The figures of one table of the page: by the key of the row, by field, as exact values."""
    cells = page.eval_on_selector_all(
        f"[data-table='{table}'] [data-field]",
        "all => all.map(each => [each.closest('[data-key]').dataset.key, each.dataset.field, each.dataset.value])",
    )
    found: dict[str, dict[str, str]] = {}
    for key, field, value in cells:
        found.setdefault(key, {})[field] = value
    return found


def compare(page, name: str, rows: pl.DataFrame, key: list[str]) -> int:
    """Hold every figure shown to the table; gives how many there were."""
    by_key = {" ".join(str(row[part]) for part in key): row for row in rows.iter_rows(named=True)}
    compared = 0
    for at, figures in shown(page, name).items():
        for field, value in figures.items():
            wanted = by_key[at][field]
            assert (None if value == "" else float(value)) == wanted, (name, at, field)
            compared += 1
    return compared


def test_the_figures_are_those_of_the_tables(page, fed):
    account = account_for(fed)
    for name, table in account.items():
        if name != "received_days":
            assert (
                compare(page, name, table, list(tables.table(name).key))
                >= table.filter(pl.lit(True) if name != "received" else pl.col("batches") > 0).height
            )
    assert compare(page, "batches", read_table(fed, "batches"), ["batch_id"]) == 6 * 40
    logs, units = (read_table(fed, name).filter(level="force") for name in ("open_logs", "units_now"))
    assert compare(page, "open_logs", logs, ["grade_code", "minutes_from"]) == logs.height
    assert compare(page, "units_now", units, ["stage", "is_long"]) == 5 * units.height


def test_the_page_says_how_to_mend_what_is_set_aside_and_shows_no_value_of_it(page):
    text = page.inner_text("#set_aside")
    assert "the row has more or fewer values than the header has columns" in text
    assert "bluelamp import fed command_logs.csv --table incidents" in text
    assert "yesterday" not in page.content()
    assert "vehicles" in page.inner_text(".not-given")
    assert "that there is a vehicle for every unit" in page.inner_text(".not-given")


def test_the_moment_of_the_extract_is_told_with_its_age_and_no_unit_is_named(page, fed):
    words = page.inner_text("#now")
    assert "logs open" in words
    assert "committed. From run" in words
    units = read_table(fed, "unit_status")["unit_id"].unique()
    assert not set(page.eval_on_selector_all("#now td, #now th", "all => all.map(each => each.innerText)")) & set(units)


def test_keys_lead_from_the_map_to_the_data_and_back_to_the_same_hour(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.goto(f"{address}/")
    opened.wait_for_selector("body[data-phase=ready]")
    opened.keyboard.press("Home")
    for _ in range(3):
        opened.keyboard.press("ArrowRight")
    opened.keyboard.press("d")
    before = opened.evaluate("window.bluelamp.state()")
    opened.keyboard.press("i")
    opened.wait_for_url("**/data?run=*")
    opened.wait_for_selector("body[data-phase=ready]")
    assert opened.evaluate("document.documentElement.dataset.theme") == before["theme"]
    opened.keyboard.press("m")
    opened.wait_for_selector("body[data-phase=ready]")
    opened.wait_for_function("() => location.pathname === '/'")
    assert opened.evaluate("window.bluelamp.state()") == before
    context.close()


def test_every_wide_table_can_be_reached_and_moved_by_keys(browser, address):
    context = browser.new_context(viewport={"width": 400, "height": 800})
    opened = context.new_page()
    opened.goto(f"{address}/data")
    wide = opened.locator(".wide")
    assert wide.count() >= 6
    received = opened.locator(".wide:has([data-table=received])")
    received.focus()
    for _ in range(5):
        opened.keyboard.press("ArrowRight")
    opened.wait_for_timeout(400)
    assert received.evaluate("each => each.scrollLeft") > 0
    context.close()


def test_a_map_sent_as_a_file_has_no_way_to_a_data_page_it_does_not_have(browser, single_file):
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(single_file)
    opened.wait_for_selector("body[data-phase=ready]")
    opened.keyboard.press("i")
    assert opened.locator("#data-link").count() == 0
    assert opened.url.split("#")[0] == single_file
    context.close()
