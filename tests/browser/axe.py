"""The judge of pages that everyone can use: axe-core, run in the page."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"

# A desk in the dark and a hand in the light: what is hard to see differs by scheme, what has no room by width. The map
# itself is looked at in all four.
on_both_screens = pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])


def insist_on_no_fault(page: Page, where: str | None = None) -> None:
    """Let axe look at a page as it is now, and fail with each rule that is broken and the element that breaks it."""
    # Evaluated by the test's own channel, so that the page's Content-Security-Policy stays as it is.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document).then(result => result.violations)")
    faults = [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]
    if faults:
        pytest.fail("\n".join([where or page.url, *faults]))
