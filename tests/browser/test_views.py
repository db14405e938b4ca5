"""Areas, runs and the way between all views, as people use them: by mouse, by keyboard alone, and without scripts."""

from __future__ import annotations

import re

import pytest

from tests.browser.axe import insist_on_no_fault, on_both_screens
from tests.browser.serving import serving_app
from tests.web.served import PASSWORD, copied, with_accounts

pytestmark = pytest.mark.browser

# Light and dark, forced colours, a narrow phone, and a window of 1280 by 1024 at 400%.
SCREENS = [
    {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    {"viewport": {"width": 1280, "height": 800}, "forced_colors": "active"},
    {"viewport": {"width": 320, "height": 640}, "color_scheme": "light"},
    {"viewport": {"width": 320, "height": 256}, "color_scheme": "dark", "device_scale_factor": 4},
]
NAMES = ["light", "dark", "forced", "320", "zoomed"]


@pytest.fixture(scope="module")
def addresses(served: str) -> dict[str, str]:
    import httpx

    area = httpx.get(f"{served}areas.json").json()["data"][0]["area_id"]
    return {"areas": "areas", "area": f"areas/{area}", "runs": "runs"}


def opened(browser, address, **screen):
    context = browser.new_context(**screen)
    page = context.new_page()
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
    page.goto(address)
    return page


@pytest.mark.parametrize("screen", SCREENS, ids=NAMES)
def test_everybody_can_use_the_menu_of_views_on_every_screen(browser, served, addresses, screen):
    # The views themselves are looked at by `test_every_view`, with this menu closed.
    page = opened(browser, served + addresses["area"], **screen)
    page.locator("#views-more summary").click()
    insist_on_no_fault(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    box = page.locator(".views-groups").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= screen["viewport"]["width"]
    assert page.complaints == []
    assert {re.match(r"https?://[^/]+/", each)[0] for each in page.asked} == {served}
    page.context.close()


def tab_to(page, selector, most=60):
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement?.matches(selector) ?? false", selector):
            return
    pytest.fail(f"{selector} was not reached with Tab")


@pytest.mark.parametrize("with_scripts", [True, False])
def test_the_views_are_gone_through_by_keyboard_alone(browser, served, addresses, with_scripts):
    page = opened(browser, served + addresses["runs"], java_script_enabled=with_scripts)
    assert page.locator("nav.views summary").inner_text() == "More: Runs"
    if with_scripts:
        tab_to(page, "#views-more summary")
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        assert page.url.endswith("/runs"), "Escape closes what is open before it leads to the map"
        assert not page.locator(".views-groups").is_visible()
        page.keyboard.press("Enter")
        tab_to(page, ".views-groups a[href='/tables']")
    else:
        page.locator("#views-more summary").focus()
        page.keyboard.press("Enter")
        page.locator(".views-groups a[href='/tables']").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/tables")
    assert page.locator("nav.views [aria-current=page]").text_content() == "All tables"
    page.context.close()


def test_something_else_clicked_closes_the_views(browser, served, addresses):
    page = opened(browser, served + addresses["areas"])
    page.locator("#views-more summary").click()
    assert page.locator(".views-groups").is_visible()
    page.locator("h1").click()
    assert not page.locator(".views-groups").is_visible()
    page.context.close()


def test_an_area_leads_to_the_map_at_its_worst_hour_and_the_map_back_to_the_area(browser, served, addresses):
    page = opened(browser, served + addresses["area"], viewport={"width": 1280, "height": 800})
    area = addresses["area"].partition("/")[2]
    name = page.locator("h1").inner_text().partition(": ")[2]
    row = page.locator("[data-table=area_hours] tbody tr").nth(20)
    hour = row.get_attribute("data-key")
    row.locator("th a").click()
    page.wait_for_selector("body[data-phase=ready]")
    assert f"place=area:{area}" in page.url
    assert f"hour={hour[:16]}Z" in page.url
    assert page.locator("#place-name").inner_text() == name
    page.locator("#area-link").click()
    page.wait_for_url(f"**/areas/{area}?**")
    assert "from=" in page.url
    assert page.locator("h1").inner_text().endswith(name)
    # The way back is to the same hour and place.
    page.locator("#map-link").click()
    page.wait_for_selector("body[data-phase=ready]")
    assert f"hour={hour[:16]}Z" in page.url
    assert f"place=area:{area}" in page.url
    page.context.close()


def test_another_week_and_another_area_are_reached_by_keyboard(browser, served, addresses):
    page = opened(browser, served + addresses["areas"])
    tab_to(page, "nav.places a")
    page.keyboard.press("Enter")
    page.wait_for_url("**from=**")
    week = re.search(r"from=([\d-]+)", page.url)[1]
    tab_to(page, "[data-table=area_weeks] a")
    page.keyboard.press("Enter")
    page.wait_for_url("**/areas/*from=**")
    assert week in page.url
    assert page.locator(f"tr[data-day='{week}']").count() == 1
    page.context.close()


def test_an_area_prints_on_few_sheets_without_what_is_only_for_screens(browser, served, addresses):
    page = opened(browser, served + addresses["area"])
    page.emulate_media(media="print")
    assert not page.locator("nav.views").is_visible()
    assert not page.locator("#hours").is_visible()
    assert page.locator("#days table").is_visible()
    sheets = len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
    assert 1 <= sheets <= 3
    page.context.close()


def test_a_map_from_disk_has_no_way_to_views_that_are_not_there(browser, single_file):
    page = opened(browser, single_file, viewport={"width": 1280, "height": 800})
    page.wait_for_selector("body[data-phase=ready]")
    assert page.locator("nav.views").count() == 0
    assert [each for each in page.locator("a[href^='/']").all() if each.is_visible()] == []
    page.context.close()


def test_the_district_stays_while_the_wall_renews_itself(browser, served):
    page = opened(browser, f"{served}now", viewport={"width": 1280, "height": 900})
    link = page.locator("[id^=district-]").first
    name = link.inner_text()
    link.click()
    page.wait_for_url("**district=**")
    asked = page.url
    assert page.locator("#of-district").is_visible()
    page.wait_for_selector("body[data-phase=ready]")
    # As after a screen that was off: it asks again, for the same district.
    with page.expect_request(lambda request: "/now" in request.url) as renewed:
        page.evaluate(
            "() => { const real = Date.now; Date.now = () => real() + 120000;"
            " document.dispatchEvent(new Event('visibilitychange')); }"
        )
    assert renewed.value.url == asked
    page.wait_for_timeout(300)
    assert name in page.locator("#coming-title").inner_text()
    page.context.close()


@pytest.fixture(scope="module")
def signed_in_at(small_force, tmp_path_factory):
    app, _ = with_accounts(copied(small_force, tmp_path_factory.mktemp("signed") / "lantern"))
    with serving_app(app) as at:
        yield at


@on_both_screens
def test_a_planner_finds_who_is_on_the_sheet_by_keyboard_alone(browser, signed_in_at, width, scheme):
    page = opened(browser, f"{signed_in_at}/sign-in", viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.locator("#name").fill("planner")
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("nav.views")
    assert page.locator(".views-own a").inner_text() == "Account"
    page.locator("#views-more summary").focus()
    page.keyboard.press("Enter")
    tab_to(page, ".views-groups a[href='/duties']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/duties")
    insist_on_no_fault(page)
    tab_to(page, "[data-table=sheets] a")
    page.keyboard.press("Enter")
    page.wait_for_url("**pool=**")
    assert page.locator("[data-table=duties] tbody tr").count() > 0
    insist_on_no_fault(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    assert page.complaints == []
    page.context.close()


def test_a_viewer_is_shown_no_view_that_would_be_refused(browser, signed_in_at):
    page = opened(browser, f"{signed_in_at}/sign-in")
    page.locator("#name").fill("viewer")
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("nav.views")
    addresses = [each.get_attribute("href") for each in page.locator("nav.views a").all()]
    assert "/areas" in addresses
    assert not {"/strength", "/duties", "/log", "/accounts"} & set(addresses)
    page.goto(f"{signed_in_at}/areas")
    for each in addresses:
        assert page.request.get(f"{signed_in_at}{each}").status == 200, each
    page.context.close()
