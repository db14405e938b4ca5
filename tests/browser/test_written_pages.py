"""Pages of words, tables and pictures in headless Chromium: nothing is wider than the screen, and axe is content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.axe import insist_on_no_fault, on_both_screens
from tests.browser.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(small_force: Path) -> Iterator[str]:
    with serving(small_force) as at:
        yield at


@on_both_screens
@pytest.mark.parametrize(("path", "shown"), [("outlook", "#whole svg.fan"), ("scoreboard", "table")])
def test_it_is_readable_on_every_screen(browser, address, path, shown, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{address}/{path}")
    page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(f"{shown}:visible").count() > 0
    letters = "[...document.querySelectorAll('svg text')].filter(each => each.getClientRects().length)"
    assert page.evaluate(f"{letters}.every(each => each.getBoundingClientRect().height >= 8)")
    insist_on_no_fault(page)
    assert complaints == []
    context.close()
