"""The list of peaks in headless Chromium: it leads to the hour and the place, by the keyboard alone."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from bluelamp.reading import read_table
from tests.browser.test_page import Page

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser, served):
    opened = Page(browser, served)
    opened.page.click("[data-list=peaks]")
    yield opened
    assert opened.complaints == []
    opened.context.close()


def test_the_list_holds_the_weeks_peaks_of_the_force_and_its_districts(page, small_force: Path):
    table = read_table(small_force, "peaks").filter(
        pl.col("level").is_in(["force", "district"]), scope="week", measure="incidents"
    )
    if page.page.locator("#peaks-more").is_visible():
        page.page.click("#peaks-more")
    shown = page.page.locator("#peaks-list li")
    assert shown.count() == table.height
    likeliest = table.sort("chance_above_usual", descending=True).row(0, named=True)
    first = shown.first.inner_text()
    assert f"80%: {likeliest['p10']}–{likeliest['p90']}" in first
    assert f"{100 * likeliest['chance_above_usual']:.0f}%" in first
    page.page.click("[data-measure=offending]")
    assert "crime classes" in page.page.locator("#peaks-summary").inner_text()


def test_an_entry_moves_the_hour_and_chooses_the_place_by_the_keyboard_alone(page):
    page.page.click("#peaks-order [data-order=time]")
    page.page.locator("#peaks-order [data-order=time]").focus()
    page.press("Tab")
    button = page.page.locator("#peaks-list button").first
    assert button.evaluate("each => each === document.activeElement")
    page.press("Enter")
    first, after = (int(button.get_attribute(name) or -1) for name in ("data-from", "data-to"))
    page.wait(f"window.bluelamp.state().hour >= {first} && window.bluelamp.state().hour < {after}")
    assert button.get_attribute("aria-current") == "time"
    district = page.page.locator("#peaks-list li", has_not_text="Whole force").first
    district.locator("button").press("Enter")
    page.wait("window.bluelamp.state().place.scope === 'pool'")


def test_the_list_of_shortages_comes_back_as_it_was(page):
    assert not page.page.locator("#shortages-list").is_visible()
    page.page.click("[data-list=short]")
    assert page.page.locator("#shortages-list").is_visible()
    assert not page.page.locator("#peaks-list").is_visible()


def test_a_run_without_peaks_has_no_choice_of_lists(browser, single_file):
    opened = Page(browser, single_file)
    assert not opened.page.locator("#lists").is_visible()
    assert opened.complaints == []
    opened.context.close()
