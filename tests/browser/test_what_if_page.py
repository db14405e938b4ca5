"""The page on which a change is tried, in headless Chromium: filled in and sent as people do, and axe is content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(small_force: Path) -> Iterator[str]:
    with serving(small_force) as at:
        yield at


def wait_for(page, runs: int, *, demand: str = "") -> None:
    """Wait until the page has answered with so many runs, at an address with this demand."""
    page.locator(f'#answer[data-runs="{runs}"]').wait_for()
    page.get_by_text(f"{runs} runs.", exact=False).first.wait_for()
    assert f"demand={demand}" in page.url or not demand


def test_a_form_without_scripts_is_filled_in_sent_and_answered(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/what-if?days=1&runs=5")
    page.get_by_role("group", name="Change A").get_by_label("Demand, times as much").fill("1.5")
    page.get_by_label("Times simulated").fill("10")
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("heading", name="In short").wait_for()
    assert "demand=1.5" in page.url
    assert "Both plans answered the same 10 drawn runs of 1 day." in page.inner_text("#short")
    assert page.locator("[name=demand]").first.input_value() == "1.5"
    assert page.locator("svg.plan-hours.is-wide path.plan-after").first.bounding_box()["height"] > 5
    csv = page.request.get(f"{address}{page.locator('#short .twins a[href*=csv]').first.get_attribute('href')}")
    assert csv.text().startswith("grade_code,pool_id")
    context.close()


def test_a_slider_answers_while_it_moves_then_with_all_runs_and_can_be_undone(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/what-if?days=1&runs=30")
    page.get_by_text("In writing").first.click()
    written = page.locator("[name=units]").first
    slider = page.get_by_role("slider", name="Demand")
    slider.press("ArrowRight")
    with page.expect_response(lambda answer: "demand=1.1" in answer.url and "runs=30" in answer.url):
        slider.press("ArrowRight")
        assert page.evaluate("document.activeElement.type") == "range"
        written.press_sequentially("m")
    assert not any("units=m" in each for each in asked), "what was half written was asked"
    wait_for(page, 30, demand="1.1")
    assert any("runs=20" in each for each in asked)
    assert "+10%" in page.inner_text("#change")
    assert "/what-if" in page.url, "a letter that was being written led away"
    written.fill("")
    pool = page.locator(".stepper").first
    pool.fill("-2")
    pool.press("Tab")
    wait_for(page, 30)
    name = pool.get_attribute("data-pool")
    assert f"{name}@" in page.locator("[name=units]").first.input_value()
    assert "units=" in page.url
    page.get_by_role("button", name="Undo").click()
    page.locator(".stepper.is-changed").wait_for(state="detached")
    assert "units=" not in page.url
    assert "demand=1.1" in page.url
    wait_for(page, 30)
    page.locator("svg.plan-hours.is-wide").first.click(position={"x": 300, "y": 40})
    page.get_by_text("the hour chosen").wait_for()
    assert "at=" in page.url
    assert complaints == []
    context.close()


def test_what_can_not_be_tried_is_told_in_sentences(browser, address):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/what-if?units=Nowhere%3D%2B1&target=9%3D12&days=1&runs=5")
    told = page.inner_text("#problems")
    assert "There is no pool 'Nowhere'" in told
    assert "There is no target for grade '9'" in told
    context.close()


def test_two_changes_are_tried_beside_each_other_by_mouse_and_by_keyboard(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{address}/what-if?days=1&runs=10&demand=1.2")
    # By mouse: change B begins as change A is, and two units are taken away.
    page.get_by_text("Change B, beside it").click()
    second = page.get_by_role("group", name="Change B", exact=True)
    assert not page.get_by_role("group", name="Change A", exact=True).is_visible()
    second.get_by_role("button", name="Begin with change A").click()
    page.get_by_role("heading", name="Two changes beside each other").wait_for()
    wait_for(page, 10)
    assert "b_demand=1.2" in page.url
    assert "Both are the same on" in page.inner_text(".which-is-better")
    stepper = second.locator(".stepper").first
    stepper.fill("-2")
    stepper.press("Tab")
    page.locator(".which-is-better", has_text="cost").wait_for()
    page.locator("[data-of=b]", has_text="2 units fewer in").wait_for()
    assert "b_units=" in page.url
    assert page.locator("svg.plan-hours.is-wide path.plan-second").count() == 3
    # By keyboard alone: back to where it was, and change B taken away.
    second.get_by_role("button", name="Take change B away").focus()
    page.keyboard.press("Control+z")
    page.locator(".stepper.is-changed").wait_for(state="detached")
    assert "b_units=" not in page.url
    assert "b_demand=1.2" in page.url
    wait_for(page, 10)
    page.go_forward()
    second.locator(".stepper.is-changed").wait_for()
    wait_for(page, 10)
    second.get_by_role("button", name="Take change B away").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="In short").wait_for()
    assert "b_" not in page.url
    page.get_by_text("Change A", exact=False).locator("xpath=ancestor-or-self::summary").first.focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("group", name="Change A", exact=True).is_visible()
    assert complaints == []
    context.close()


def test_two_changes_are_sent_as_a_form_without_scripts(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/what-if?days=1&runs=5&service=1.3")
    page.get_by_text("Change B, beside it").click()
    page.get_by_role("group", name="Change B", exact=True).get_by_label("Time at a call").fill("1.6")
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("heading", name="Two changes beside each other").wait_for()
    assert page.locator("#short dd").all_inner_texts() == ["time at a call × 1.3", "time at a call × 1.6"]
    context.close()
