"""A question of each view, answered by mouse and by keyboard alone: what is found there is what the tables say."""

from __future__ import annotations

import httpx
import polars as pl
import pytest

from bluelamp.reading import read_table
from tests.browser.serving import serving_app
from tests.browser.test_views import opened, tab_to
from tests.web.served import PASSWORD, copied, with_accounts

pytestmark = pytest.mark.browser

WIDE = {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture(params=["mouse", "keyboard"])
def go(request):
    """What a hand does to follow a link or press a button."""

    def by_mouse(page, selector):
        page.locator(selector).first.click()

    def by_keyboard(page, selector):
        tab_to(page, selector, most=200)
        page.keyboard.press("Enter")

    return by_mouse if request.param == "mouse" else by_keyboard


@pytest.fixture(scope="module")
def service(small_force, tmp_path_factory):
    """A service that asks people to sign in, with an account of every role."""
    app, _ = with_accounts(copied(small_force, tmp_path_factory.mktemp("questions") / "lantern"))
    with serving_app(app) as at:
        yield at


def signed_in(browser, service, name, path):
    page = opened(browser, f"{service}/sign-in?next={path}", **WIDE)
    page.locator("#name").fill(name)
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{path}")
    return page


def closed(page):
    assert page.complaints == []
    page.context.close()


def test_which_area_has_most_to_come_and_on_which_day(browser, served, go):
    weeks = pl.DataFrame(httpx.get(f"{served}areas.json").json()["data"])
    most = weeks.sort("incidents_mean", descending=True).row(0, named=True)
    page = opened(browser, f"{served}areas", **WIDE)
    assert most["area_name"] in page.locator(".score-words").first.inner_text()
    go(page, f"[data-table=area_weeks] a[href*='/areas/{most['area_id']}']")
    page.wait_for_url(f"**/areas/{most['area_id']}*")
    assert page.locator("h1").inner_text().endswith(most["area_name"])
    days = page.locator("[data-day]").evaluate_all(
        "all => all.map(each => [each.dataset.day,"
        " Number(each.querySelector('[data-field=incidents_mean]').dataset.value)])"
    )
    assert max(days, key=lambda each: each[1])[0] == most["busiest_day"]
    closed(page)


def test_where_the_force_is_shortest_and_what_is_there(browser, served, go):
    page = opened(browser, served, **WIDE)
    page.wait_for_selector("body[data-phase=ready]")
    worst = page.locator("#shortages-list .short-badge").first.inner_text()
    go(page, "#shortages-list button")
    page.locator("#panel [data-figure=units_gap]").first.wait_for()
    assert page.evaluate("window.bluelamp.state().place.scope") == "pool"
    assert page.locator("#panel [data-figure=units_gap]").first.inner_text() == worst
    closed(page)


def test_from_which_file_a_run_has_its_incidents_and_what_it_made_of_them(browser, served, go, small_force):
    batch = read_table(small_force, "batches").filter(table_name="incidents").row(0, named=True)
    page = opened(browser, f"{served}runs", **WIDE)
    go(page, "[data-table=runs] tbody th a")
    page.wait_for_url("**/runs/*")
    read = page.locator("tr", has=page.locator("th", has_text="incidents")).first.inner_text()
    assert batch["source_name"] in read
    assert f"{batch['rows_read']:,}" in read
    go(page, "a[href^='/tables/coverage']")
    page.wait_for_url("**/tables/coverage?run=*")
    assert page.locator("table tbody tr").count() > 0
    closed(page)


def test_what_the_rules_did_to_the_data_and_which_of_them_nothing(browser, served, go):
    page = opened(browser, f"{served}data", **WIDE)
    page.wait_for_selector("body[data-phase=ready]")
    assert not page.locator(".untouched").is_visible()
    go(page, "details:has(.untouched) summary")
    page.locator(".untouched").wait_for()
    told = int(page.locator("details:has(.untouched) summary").inner_text().split()[0])
    assert page.locator(".untouched li").count() == told
    closed(page)


def test_which_forecasts_were_filed(browser, served, go):
    page = opened(browser, f"{served}scoreboard", **WIDE)
    told = int(page.locator(".score-words li").first.inner_text().split()[0])
    go(page, "a[href^='/tables/filed_forecasts']")
    page.wait_for_url("**/tables/filed_forecasts*")
    assert page.locator("table tbody tr").count() == told
    closed(page)


def test_how_a_district_stands_now_and_the_whole_force_again(browser, served, go):
    page = opened(browser, f"{served}now", **WIDE)
    page.wait_for_selector("body[data-phase=ready]")
    name = page.locator("[id^=district-]").first.inner_text()
    go(page, "[id^=district-]")
    page.wait_for_url("**district=**")
    page.wait_for_selector("body[data-phase=ready]")
    assert name in page.locator("#of-district").inner_text()
    page.go_back()
    page.wait_for_url("**/now")
    assert page.locator("#of-district").count() == 0
    closed(page)


def test_who_is_on_the_sheet_of_a_pool(browser, service, go, small_force):
    page = signed_in(browser, service, "planner", "/duties")
    row = page.locator("[data-table=sheets] tbody tr:has(a)").first
    pool = row.locator("a").inner_text()
    go(page, "[data-table=sheets] a")
    page.wait_for_url("**pool=**")
    posts = page.locator("[data-table=duties] tbody tr")
    assert page.locator("#named-title").inner_text() == f"{pool}: {posts.count()} on the sheet"
    keys = posts.evaluate_all("all => all.map(each => each.dataset.key)")
    duties = read_table(small_force, "duties").filter(pl.col("duty_id").is_in(keys))
    assert duties.height == len(keys) > 0
    assert set(duties["pool_id"]) == {pool}
    closed(page)


def test_a_run_is_asked_for_and_thought_better_of(browser, service):
    page = signed_in(browser, service, "planner", "/jobs")
    page.locator(".asks .is-main").click()
    page.locator("#jobs td", has_text="waits").first.wait_for()
    page.locator("#jobs button[aria-label^='Stop']").first.click()
    page.locator("#jobs td", has_text="stopped").first.wait_for()
    assert page.locator("#jobs td", has_text="waits").count() == 0
    closed(page)
