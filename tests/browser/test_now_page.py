"""The screen on the wall in headless Chromium: it renews itself and keeps its place, and stands on paper."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.routing import Route

from bluelamp.web.app import make_app
from tests.browser.serving import serving_app

pytestmark = pytest.mark.browser

A_MINUTE = 61_000


class Shown:
    """A force served with a clock that a test may set."""

    def __init__(self, folder) -> None:
        self.app = make_app(folder)
        self.at = self.app.state.published.look.get().value.near.at
        self.address = ""
        self.set(4)

    def set(self, minutes: int) -> None:
        """Let it be so many minutes after the newest record."""
        self.app.state.wall.clock = lambda: self.at + timedelta(minutes=minutes)


@pytest.fixture(scope="module")
def served_now(watched_force) -> Iterator[Shown]:
    shown = Shown(watched_force)
    with serving_app(shown.app) as at:
        shown.address = at
        yield shown


@pytest.fixture
def shown(served_now: Shown) -> Shown:
    served_now.set(4)
    return served_now


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


def test_it_asks_nobody_else_and_for_no_more_than_it_needs(page, shown):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{shown.address}/now", wait_until="networkidle")
    assert asked
    assert all(each.startswith(shown.address) for each in asked)
    assert not any(each.endswith(("map.json", "map-worker.js")) for each in asked)


def test_it_is_dark_by_itself_and_d_turns_it_light_and_says_so_in_the_address(page, shown):
    def dark() -> bool:
        return page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 18, 24)"

    page.emulate_media(color_scheme="light")
    page.goto(f"{shown.address}/now")
    page.wait_for_selector("body[data-phase=ready]")
    assert dark()
    page.keyboard.press("d")
    assert not dark()
    assert page.url.endswith("/now?theme=light")
    page.reload()
    assert not dark()
    page.wait_for_selector("body[data-phase=ready]")
    page.keyboard.press("d")
    assert dark()
    assert page.url.endswith("/now")


def test_it_renews_itself_every_minute_and_keeps_focus_place_and_what_is_open(page, shown):
    page.clock.install()
    page.set_viewport_size({"width": 700, "height": 500})
    page.goto(f"{shown.address}/now")
    page.wait_for_selector("body[data-phase=ready]")
    expect(page.locator("#renewal")).to_have_text("Renews with news and every minute")
    page.locator("#as-table-summary").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('#as-table').open")
    page.evaluate("scrollTo(0, 400)")
    page.evaluate("document.querySelector('#hours-wide').scrollLeft = 30")
    before = page.evaluate("[scrollY, document.querySelector('#hours-wide').scrollLeft]")
    clock = page.locator(".clock").inner_text()
    shown.set(5)
    page.clock.fast_forward(A_MINUTE)
    expect(page.locator(".clock")).not_to_have_text(clock)
    assert page.evaluate("document.activeElement.id") == "as-table-summary"
    assert page.evaluate("document.querySelector('#as-table').open")
    assert page.evaluate("[scrollY, document.querySelector('#hours-wide').scrollLeft]") == before
    # Nothing that matters has changed, so that a screen reader is told nothing.
    assert page.locator("#said").inner_text() == ""
    shown.set(60 * 11)
    page.clock.fast_forward(A_MINUTE)
    expect(page.locator("#stale")).to_be_visible()


def test_what_matters_most_is_said_only_when_it_is_another(page, shown):
    page.clock.install()
    page.goto(f"{shown.address}/now")
    page.wait_for_selector("body[data-phase=ready]")
    title, clock = page.locator("#headline-title").inner_text(), page.locator(".clock")
    # Hours later the worst one is over.
    for hours in range(2, 24):
        before = clock.inner_text()
        shown.set(60 * hours)
        page.clock.fast_forward(A_MINUTE)
        expect(clock).not_to_have_text(before)
        if page.locator("#headline-title").inner_text() != title:
            break
    else:
        pytest.fail("The headline never changed, so that this tests nothing.")
    assert page.locator("#said").text_content() == " ".join(page.locator("#headline-title").inner_text().split())


def test_it_can_be_held_still_by_key_and_goes_on(page, shown):
    page.clock.install()
    page.goto(f"{shown.address}/now")
    page.wait_for_selector("body[data-phase=ready]")
    page.keyboard.press("p")
    expect(page.locator("#hold")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#renewal")).to_contain_text("Held still since")
    assert page.url.endswith("/now?hold=true")
    clock = page.locator(".clock").inner_text()
    shown.set(9)
    page.clock.fast_forward(3 * A_MINUTE)
    page.wait_for_timeout(300)
    assert page.locator(".clock").inner_text() == clock
    page.keyboard.press("p")
    expect(page.locator(".clock")).not_to_have_text(clock)
    expect(page.locator("#renewal")).to_have_text("Renews with news and every minute")


def test_it_says_when_it_could_not_be_renewed_and_takes_it_back(page, shown):
    page.clock.install()
    page.goto(f"{shown.address}/now")
    page.wait_for_selector("body[data-phase=ready]")
    page.route("**/now", lambda route: route.abort())
    page.clock.fast_forward(A_MINUTE)
    expect(page.locator("#renewal")).to_contain_text("Not renewed since")
    assert page.locator(".headline").is_visible()
    page.unroute("**/now")
    page.clock.fast_forward(A_MINUTE)
    expect(page.locator("#renewal")).to_have_text("Renews with news and every minute")


def test_news_renew_it_at_once_where_the_service_sends_any(page, shown):
    async def never(request):  # the browser's request is answered below
        raise AssertionError

    route = Route("/api/live", never)
    shown.app.router.routes.append(route)
    try:
        news = "retry: 600000\n\nevent: news\ndata: {}\n\n"
        page.route("**/api/live", lambda each: each.fulfill(content_type="text/event-stream", body=news))
        page.goto(f"{shown.address}/now")
        clock = page.locator(".clock").inner_text()
        shown.set(7)
        expect(page.locator(".clock")).not_to_have_text(clock)
    finally:
        shown.app.router.routes.remove(route)


def test_it_is_all_there_without_scripts_and_on_paper(browser, shown):
    context = browser.new_context(viewport={"width": 1032, "height": 720}, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{shown.address}/now")
    assert page.locator("svg.hours-chart.is-wide").bounding_box()["height"] > 300
    assert page.locator("a:has-text('Hold still')").is_visible()
    page.emulate_media(media="print")
    assert page.locator("svg.hours-chart.is-wide").is_visible()
    assert not page.locator(".wall-foot").is_visible()
    # A4 on its side, without its margins, is 1,032 by 703 of such points.
    assert page.evaluate("document.querySelector('#coming').getBoundingClientRect().right") <= 1032
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(20, 32, 46)"
    context.close()


def test_shape_tells_late_hours_where_colours_are_forced_and_motion_is_unwanted(browser, shown):
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, forced_colors="active", reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(f"{shown.address}/now")
    page.wait_for_selector("body[data-phase=ready]")
    over = page.locator(".is-wide .c-over")
    assert over.count() > 0
    assert over.first.get_attribute("fill").startswith("url(#hatch-is-wide")
    assert page.evaluate("document.getAnimations().length") == 0
    context.close()
