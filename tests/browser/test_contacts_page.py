"""The control room's page in headless Chromium: pictures are there without scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
