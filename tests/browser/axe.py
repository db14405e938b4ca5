"""The judge of pages that everyone can use: axe-core, run in the page."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"

# A desk in the dark and a hand in the light: what is hard to see differs by scheme, what has no room by width. The map
# itself is looked at in all four.
on_both_screens = pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])


def insist_on_no_fault(page: Page) -> None:
    """Let axe look at a page as it is now, and fail with each rule that is broken and the element that breaks it."""
    faults = faults_of(page)
    assert not faults, "\n".join([page.url, *faults])


def faults_of(page: Page, *, only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> list[str]:
    """Give each rule that a page breaks as it is now, with the elements that break it."""
    # Evaluated by the test's own channel, so that the page's Content-Security-Policy stays as it is.
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    # The size of targets is of WCAG 2.2, which axe leaves out unless it is asked.
    rules = {"target-size": {"enabled": True}} | {rule: {"enabled": False} for rule in without}
    asked = {"runOnly": list(only)} if only else {"rules": rules}
    # What holds, and the way to each element, nobody reads here; both are most of the work on a large page.
    asked |= {"resultTypes": ["violations"], "selectors": False}
    found = page.evaluate("asked => axe.run(document, asked).then(result => result.violations)", asked)
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"][:3]]
