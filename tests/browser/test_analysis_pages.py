"""The pages of the analyses, opened from disk in headless Chromium: readable on every screen, and axe is content."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from bluelamp.beats import Wanted
from bluelamp.beats.reading import read_beats
from bluelamp.before_after import compare_periods
from bluelamp.near_repeats import find_near_repeats
from bluelamp.occurrences import read_occurrences
from bluelamp.web.analysis_pages import render_before_after_page, render_near_repeat_page
from bluelamp.web.beats_page import render_beats_page
from tests.browser.axe import insist_on_no_fault, on_both_screens

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(small_force: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    of = read_occurrences(small_force)
    first, second = sorted(of.areas.filter(level="area")["area_id"])[:2]
    compared = compare_periods(
        of, treated=[first], control=[second], before=(date(2026, 8, 3), date(2026, 8, 30)),
        after=(date(2026, 8, 31), date(2026, 9, 27)), ring_metres=150,
    )  # fmt: skip
    made = {
        "near_repeat": render_near_repeat_page(find_near_repeats(of, permutations=19)),
        "before_after": render_before_after_page(compared),
        "beats": render_beats_page(read_beats(small_force, Wanted(3, tolerance=0.2), on=date(2026, 10, 19))),
    }
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in made}


@pytest.mark.parametrize("name", ["near_repeat", "before_after", "beats"])
@on_both_screens
def test_it_is_readable_on_every_screen_and_asks_for_nothing(browser, pages, name, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(pages[name])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    kind = "is-wide" if width > 700 else "is-narrow"
    if name == "beats":  # its maps and bars fit any screen as they are
        assert page.locator("svg.beat-map:visible").count() == 2
    else:
        assert page.locator(f"svg.plot.{kind}:visible").count() == page.locator("svg.plot:visible").count() > 0
    letters = "[...document.querySelectorAll('svg text')].filter(each => each.getClientRects().length)"
    assert page.evaluate(f"{letters}.every(each => each.getBoundingClientRect().height >= 8)")
    insist_on_no_fault(page)
    assert complaints == []
    assert asked == [pages[name]]
    context.close()
