"""The control room's page in headless Chromium: pictures are there, axe is content, nothing scrolls sideways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.axe import insist_on_no_fault, on_both_screens
from tests.browser.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(called_force) -> Iterator[str]:
    with serving(called_force) as at:
        yield at


def test_the_pictures_are_drawn_without_scripts_too(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/contacts?day=2026-10-25")
    bands = page.locator(".contact-chart path.chart-band").all()
    assert bands
    assert all(band.bounding_box()["height"] > 10 for band in bands)
    assert page.locator(".contact-chart svg").first.get_attribute("aria-label")
    context.close()


@on_both_screens
def test_axe_finds_nothing_wrong(browser, address, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{address}/contacts")
    page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
    insist_on_no_fault(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    assert complaints == []
    context.close()
