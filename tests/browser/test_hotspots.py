"""Hotspots in headless Chromium: drawn when asked for, by the shift of the hour, read by keys, and told how right."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import polars as pl
import pytest

from bluelamp import hotspot_trial
from bluelamp.reading import read_table
from bluelamp.store import tried
from tests.browser.serving import serving
from tests.browser.test_page import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(mapped_force) -> Iterator[str]:
    with serving(mapped_force) as at:
        yield f"{at}/"


@pytest.fixture
def page(browser, address):
    opened = Page(browser, address)
    yield opened
    opened.context.close()
    assert opened.complaints == []


def show(page, text: str = "h") -> None:
    page.press(text)
    page.wait("window.bluelamp.renderedHotspots() > 0")


def ranks(page) -> list[str]:
    return page.page.eval_on_selector_all("#hotspots-list .hotspot-badge", "all => all.map(each => each.textContent)")


def of_hotspots(page) -> list[str]:
    return [url for url in page.requests if "hotspot" in url]


def test_nothing_of_them_is_fetched_before_the_switch_is_turned_on(page):
    page.page.wait_for_timeout(500)
    assert of_hotspots(page) == []
    assert page.page.get_attribute("#hotspots-button", "aria-pressed") == "false"
    show(page)
    assert len(of_hotspots(page)) == 1
    page.press("h")
    page.wait("window.bluelamp.renderedHotspots() === 0")
    show(page)
    assert len(of_hotspots(page)) == 1
    assert page.page.is_hidden(".shortages")


def test_the_list_is_the_tables_places_of_the_shift_that_the_hour_lies_in(page, mapped_force):
    page.press("Home")
    show(page)
    assert page.page.inner_text("#hotspots-when").startswith("23:00–07:00 in the week from Mon 19 Oct")
    for hour, words, begins in ((8, "07:00–15:00", 7), (22, "15:00–23:00", 15), (23, "23:00–07:00", 23)):
        page.page.evaluate(f"window.bluelamp.setHour({hour})")
        page.wait(f"document.getElementById('hotspots-when').textContent.startsWith('{words}')")
        rows = hotspot_trial.list_places(mapped_force, "all", begins, 0.01).rows
        page.until(lambda rows=rows: ranks(page) == [str(rank) for rank in rows["rank"]][:12])
        assert words in page.page.inner_text("#hotspots-legend")


def test_a_shift_can_be_held_while_the_hour_moves(page):
    page.press("Home")
    show(page)
    page.page.select_option("#hotspots-shift", "15")
    page.wait("document.getElementById('hotspots-when').textContent.startsWith('15:00')")
    page.page.locator("#hotspots-when").click()
    page.press("ArrowRight")
    assert page.hour == 1
    assert page.page.inner_text("#hotspots-when").startswith("15:00–23:00")


def test_an_hour_after_their_week_is_told(page):
    show(page)
    page.page.evaluate("window.bluelamp.setHour(100)")
    assert "outside that week" not in page.page.inner_text("#hotspots-when")
    page.page.evaluate("window.bluelamp.setHour(300)")
    page.wait("document.getElementById('hotspots-when').textContent.includes('outside that week')")


def test_how_right_such_maps_were_stands_with_its_ground_in_card_and_legend(page, mapped_force):
    show(page)
    row = hotspot_trial.read(mapped_force).scores.filter(class_code="all", method="counts", watched_share=0.01)
    ground = f"{row['watched_km2'][0]:.2f} km²"
    assert f"In 13 weeks held out, watching 1% of the ground ({ground})" in page.page.inner_text("#hotspots-right")
    assert f"PAI {row['pai'][0]:.1f} ({row['pai_low'][0]:.1f}–{row['pai_high'][0]:.1f}) at {ground}" in (
        page.page.inner_text("#hotspots-legend")
    )


def test_a_place_is_opened_by_keys_and_says_what_the_table_says(page, mapped_force):
    show(page)
    before = page.page.evaluate("window.bluelamp.hotspotPoint(1)")
    page.page.locator("#hotspots-list button").first.focus()
    page.press("Tab")
    page.press("Enter")
    opened = page.page.locator("#hotspots-list [aria-expanded=true]")
    opened.wait_for()
    page.until(lambda: page.page.evaluate("window.bluelamp.hotspotPoint(1)") != before, "the map flew there")
    assert opened.count() == 1
    assert page.page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    told = page.page.eval_on_selector_all(
        ".hotspot-details [data-hotspot]", "all => all.map(each => ({...each.dataset}))"
    )
    begins = int(page.page.inner_text("#hotspots-when")[:2])
    rows = read_table(mapped_force, "hotspots").filter(class_code="all", from_hour=begins, cell_id=told[0]["hotspot"])
    assert len(told) == 5
    assert rows["rank"][0] == 2
    for each in told:
        assert float(each["value"]) == pytest.approx(rows[each["figureOfHotspot"]][0]), each
    page.press("Enter")
    assert page.page.locator("#hotspots-list [aria-expanded=true]").count() == 0


def test_what_lies_under_the_pointer_is_told_and_a_click_opens_it_in_the_list(page):
    show(page)
    point = page.page.evaluate("window.bluelamp.hotspotPoint(0)")
    page.page.mouse.move(point["x"], point["y"])
    page.page.mouse.move(point["x"] + 1, point["y"])
    page.wait("!document.getElementById('map-tip').hidden")
    tip = page.page.inner_text("#map-tip")
    assert tip.startswith("1. ")
    for words in ("expected in the week", "times the usual", "counted in 52 weeks", "Such maps: met"):
        assert words in tip
    page.page.mouse.click(point["x"], point["y"])
    page.wait("document.querySelectorAll('#hotspots-list [aria-expanded=true]').length === 1")
    assert page.page.locator("#hotspots-list [aria-expanded=true] .hotspot-badge").inner_text() == "1"


def test_plain_counts_are_a_map_of_their_own(page, mapped_force):
    show(page)
    page.page.select_option("#hotspots-share", "0.02")
    page.page.check("#hotspots-plain")
    page.wait("document.getElementById('hotspots-legend').textContent.startsWith('Counted')")
    assert ranks(page) == [str(place) for place in range(1, 13)]
    assert "no forecast" in page.page.inner_text("#hotspots-right")
    assert "not tested as such" in page.page.inner_text("#hotspots-legend")


def test_the_address_reopens_what_is_shown(browser, page):
    show(page)
    page.page.select_option("#hotspots-class", "violence")
    page.page.select_option("#hotspots-shift", "7")
    page.wait("location.hash.includes('hotspots=violence,7,0.01')")
    again = Page(browser, page.page.url)
    again.wait("window.bluelamp.renderedHotspots() > 0")
    assert again.page.inner_text("#hotspots-legend").startswith("Hotspots, times the usual risk: Violence, 07:00–15:00")
    again.context.close()


def test_where_no_place_stands_out_nothing_is_drawn_and_it_says_why(browser, mapped_force, tmp_path):
    folder = tmp_path / "flat"
    shutil.copytree(mapped_force, folder)
    scores, about = tried.read(folder, "hotspot_scores") or (None, {})
    tried.write(folder, "hotspot_scores", scores.with_columns(pai_low=pl.lit(0.9)), about)
    with serving(folder) as at:
        opened = Page(browser, f"{at}/#hotspots=violence,hour,0.01")
        opened.wait("document.getElementById('hotspots-right').textContent.includes('No place stands out')")
        opened.page.wait_for_timeout(500)
        assert opened.page.evaluate("window.bluelamp.renderedHotspots()") == 0
        assert ranks(opened) == []
        assert "nothing is drawn" in opened.page.inner_text("#hotspots-legend")
        assert opened.complaints == []
        opened.context.close()


def test_without_a_test_the_card_says_that_nothing_is_known(browser, served):
    opened = Page(browser, f"{served}#hotspots=all,hour,0.01")
    opened.wait("window.bluelamp.renderedHotspots() > 0")
    assert "Not tested yet" in opened.page.inner_text("#hotspots-right")
    assert "not tested yet" in opened.page.inner_text("#hotspots-legend")
    opened.context.close()


def test_the_map_as_a_file_has_no_hotspots(browser, single_file):
    opened = Page(browser, f"{single_file}#hotspots=all,hour,0.01")
    assert opened.page.is_hidden("#hotspots-button")
    assert opened.page.is_hidden("#hotspots")
    opened.press("h")
    assert opened.page.is_hidden("#hotspots")
    assert opened.complaints == []
    opened.context.close()
