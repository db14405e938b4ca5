"""Calls that arrive while people look at the map, in a real browser."""

import json
import time
from datetime import timedelta

import httpx
import pytest

from bluelamp.live import Keeper
from bluelamp.state import accounts
from bluelamp.store import Store
from tests.browser.axe import insist_on_no_fault
from tests.browser.serving import serving
from tests.databases import state_of
from tests.web.served import PASSWORD, copied

pytestmark = pytest.mark.browser


def test_calls_that_arrive_are_seen_on_the_open_map(browser, small_force, tmp_path):
    force = copied(small_force, tmp_path / "lantern")
    state = state_of(force)
    accounts.add(state, "wall", "viewer", "LV", password=PASSWORD)
    accounts.add(state, "cad", "source", "LV")
    key = accounts.make_key(state, "cad", "control room")
    keeper = Keeper(force, state, print)
    keeper.step()
    with serving(force, sign_in=True) as at:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.set_default_timeout(60_000)
        complaints, elsewhere = [], []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on(
            "request", lambda asked: elsewhere.append(asked.url) if not asked.url.startswith((at, "blob:")) else None
        )
        page.goto(f"{at}/sign-in")
        page.fill("[name=name]", "wall")
        page.fill("[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-phase=ready]")
        page.wait_for_selector("#about-live")
        page.evaluate("bluelamp.setHour(0)")
        before = float(page.locator("#panel [data-waiting][data-place=LV]").first.get_attribute("data-waiting"))
        assert page.locator("[data-late-now]").count() > 0

        calls = Store(force).read("incidents")
        area = calls["area_id"].drop_nulls().mode().sort()[0]
        kind = calls.filter(area_id=area)["class_code"].drop_nulls().mode().sort()[0]
        events = [
            {
                "incident_id": f"LIVE-{each}", "class_code": kind, "origin": "public", "grade_code": "1",
                "area_id": area, "status": "open",
                "received_at": (calls["received_at"].max() + timedelta(seconds=each + 1)).isoformat(),
            }
            for each in range(10)
        ]  # fmt: skip
        sent = httpx.post(
            f"{at}/api/incidents", content=json.dumps(events),
            headers={"authorization": f"Bearer {key}", "idempotency-key": "one"},
        )  # fmt: skip
        assert sent.status_code == 202
        deadline = time.monotonic() + 60
        while "10 not imported yet" not in page.inner_text("#about-live") and time.monotonic() < deadline:
            keeper.step()
            page.wait_for_timeout(100)
        assert "10 not imported yet" in page.inner_text("#about-live")
        page.wait_for_function(
            f"Number(document.querySelector('#panel [data-waiting][data-place=LV]').dataset.waiting) > {before} + 1"
        )
        insist_on_no_fault(page)
        assert (complaints, elsewhere) == ([], [])
        context.close()
