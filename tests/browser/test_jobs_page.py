"""The page of jobs in a real browser: asked for, seen to be done, an extract sent, and nothing amiss for anybody."""

import threading
from dataclasses import replace

import pytest

from bluelamp import jobs
from bluelamp.jobs import _kinds, _queue, _worker
from bluelamp.state import accounts
from bluelamp.state import jobs as kept
from tests.browser.axe import insist_on_no_fault
from tests.browser.serving import serving
from tests.databases import state_of
from tests.survival import events
from tests.web.served import PASSWORD, copied

pytestmark = pytest.mark.browser


@pytest.fixture
def force(small_force, tmp_path):
    return copied(small_force, tmp_path / "lantern")


@pytest.fixture
def state(force):
    opened = state_of(force)
    accounts.add(opened, "ann", "planner", "LV", password=PASSWORD)
    yield opened
    opened.close()


@pytest.fixture(params=[(1280, "light"), (390, "dark")])
def page(browser, request):
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def test_a_planner_asks_sends_stops_and_sees_what_becomes_of_it(force, state, page, monkeypatch):
    goes_on, is_over = threading.Event(), threading.Event()

    def plan(folder, job, progress):
        progress("forecast", 0.4)
        goes_on.wait(30)
        return "Run r000001.", {"run_id": "r000001"}

    slow = replace(_kinds.KINDS["plan"], do=plan)
    monkeypatch.setattr(_worker, "KINDS", {**_kinds.KINDS, "plan": slow})
    worker = jobs.Worker(force, state, print)
    working = threading.Thread(
        target=lambda: _queue.hand_out(state, worker.do, lambda: None, is_over.is_set), daemon=True
    )
    with serving(force, sign_in=True) as at:
        page.goto(f"{at}/sign-in?next=/jobs")
        page.fill("[name=name]", "ann")
        page.fill("[name=password]", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url("**/jobs")
        page.click("text=Plan again from what is there")
        page.wait_for_selector("#jobs td:has-text('waits')")
        page.click("text=Score the forecast")
        page.wait_for_selector("#jobs tr:nth-child(2)")
        insist_on_no_fault(page)
        page.click("button[aria-label='Stop: Backtest']")
        page.wait_for_selector("#jobs td:has-text('stopped')")
        working.start()
        # Without loading the page again.
        page.wait_for_selector("#jobs progress")
        assert page.get_attribute("#jobs progress", "value") == "0.4"
        insist_on_no_fault(page)
        goes_on.set()
        page.wait_for_selector("#jobs a:has-text('The map of it')")
        page.set_input_files("#extract", {"name": "fairs.csv", "mimeType": "text/csv", "buffer": events(1)})
        page.select_option("#table", "events")
        page.click("text=Send and import it")
        page.wait_for_selector("#sent:has-text('fairs.csv has come')")
        page.wait_for_selector("#jobs td:has-text('400 rows read')")
        page.set_input_files("#extract", {"name": "nothing.csv", "mimeType": "text/csv", "buffer": b""})
        page.click("text=Send and import it")
        page.wait_for_selector("#sent:has-text('Nothing was sent')")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    is_over.set()
    assert {job.state for job in kept.every(state)} == {"done", "stopped"}
