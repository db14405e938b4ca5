"""The page on which a change is tried, in headless Chromium: filled in and sent as people do, and axe is content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.axe import insist_on_no_fault
from tests.browser.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(small_force: Path) -> Iterator[str]:
    with serving(small_force) as at:
        yield at


def test_a_change_is_filled_in_sent_and_answered_and_stands_in_the_address(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{address}/what-if")
    page.get_by_label("Demand, times as much").fill("1.5")
    page.get_by_label("Days").fill("2")
    page.get_by_label("Times simulated").fill("10")
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("heading", name="In short").wait_for()
    assert "demand=1.5" in page.url
    assert "Both plans answered the same 10 drawn runs of 2 days." in page.inner_text("#short")
    told = page.locator("#short tbody tr").first.inner_text()
    assert "points" not in told
    assert page.get_by_label("Demand, times as much").input_value() == "1.5"
    csv = page.request.get(f"{address}{page.locator('#short .twins a').first.get_attribute('href')}")
    assert csv.text().startswith("grade_code,pool_id")
    assert complaints == []
    context.close()


def test_what_can_not_be_tried_is_told_in_sentences(browser, address):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/what-if?units=Nowhere%3D%2B1&target=9%3D12&days=1&runs=5")
    told = page.inner_text("#problems")
    assert "There is no pool 'Nowhere'" in told
    assert "There is no target for grade '9'" in told
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_wrong(browser, address, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}/what-if?service=1.4&days=1&runs=6")
    insist_on_no_fault(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    context.close()
