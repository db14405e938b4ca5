"""Every view in headless Chromium, in every way that people look at it: one test for all, so that none is forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
from fastapi.responses import HTMLResponse
from playwright.sync_api import Browser, BrowserContext, Page

from bluelamp.state import accounts
from bluelamp.validation import _kept
from bluelamp.web.app import addresses_of, make_app
from bluelamp.web.sign_in_pages import make_set_up_code
from tests.browser.axe import faults_of
from tests.browser.serving import serving_app
from tests.coded import imported
from tests.databases import state_of
from tests.web.served import PASSWORD, copied
from tests.web.test_validation_page import ABOUT, kept_tables

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class View:
    """A view as somebody comes to it: at this address of this force, after this click and this key."""

    path: str
    force: str = "mapped"
    shown: str = "h1"
    click: str = ""
    press: str = ""
    minutes: int = 4  # since the newest record, by the clock of the screen on the wall

    def __str__(self) -> str:
        age = "" if self.minutes == 4 else f"{self.minutes} minutes old"
        return " ".join(filter(None, (self.force, self.path, self.click, self.press, age)))


# The page of each address that gives one, in the states that it has.
VIEWS = {
    "/": [
        View("/"),
        View("/", press="t", shown=".twin"),
        View("/", press="?", shown="dialog[open]"),
        View("/", press="e", shown="dialog[open]"),
        View("/", click="[data-list=peaks]", shown="#peaks-list li"),
        View("/#hotspots=all,hour,0.01", click="#hotspots-list button", shown=".hotspot-details"),
    ],
    "/now": [
        View("/now?hours=24", "watched", shown="svg.hours-chart"),
        View("/now?theme=light", "watched", minutes=40),
        View("/now", "watched", minutes=3000),
    ],
    "/map": [View("/map", shown="svg")],
    "/areas": [View("/areas", shown="table")],
    "/areas/{area_id}": [View("/areas/{area_id}", shown="svg.week-picture")],
    "/runs": [View("/runs", shown="table")],
    "/runs/{run_id}": [View("/runs/{run_id}", shown="table")],
    "/duties": [View("/duties", "asking")],
    "/jobs": [View("/jobs", "asking", shown="form")],
    "/data": [View("/data", "watched", shown="[data-table=units_now]")],
    "/contacts": [View("/contacts", "watched", shown=".contact-chart svg"), View("/contacts")],
    "/strength": [View("/strength", "watched", shown="table")],
    "/outlook": [View("/outlook", shown="#whole svg.fan")],
    "/hotspots": [View("/hotspots?class=violence", shown="svg.caught")],
    "/what-if": [
        View("/what-if?service=1.4&days=1&runs=6", shown="svg.plan-hours"),
        View("/what-if?service=1.4&b_demand=1.3&days=1&runs=6", shown="#sums"),
    ],
    "/backtest": [View("/backtest", "scored", shown="svg.pit"), View("/backtest")],
    "/validation": [View("/validation", "asking", shown="table"), View("/validation")],
    "/scoreboard": [View("/scoreboard", shown="table")],
    "/tables": [View("/tables", shown="table")],
    "/tables/{name}": [View("/tables/open_logs", "watched", shown="table")],
    "/codes": [View("/codes", "coded", shown="table")],
    "/sign-in": [View("/sign-in?next=/log", "new", shown="form")],
    "/set-up": [View("/set-up", "new", shown="form")],
    "/account": [View("/account", "asking", shown="form")],
    "/accounts": [View("/accounts", "asking", shown="form")],
    "/log": [View("/log", "asking", shown="table")],
}
# Who looks where an account is asked for.
READERS = {"/log": "auditor", "/validation": "analyst", "/duties": "planner"}

# What a thing that keys reach is known by, also where the page has drawn it anew meanwhile.
_NAME = """each => [each.tagName, each.id, each.name, each.getAttribute('href'), each.getAttribute('aria-label'),
  each.tagName === 'SELECT' ? '' : each.textContent.trim().slice(0, 60)].filter(Boolean).join(' ')"""
# What Tab reaches; of radio buttons of one name it reaches one.
_REACHABLE = f"""() => {{
  const name = {_NAME};
  const kinds = 'a[href], button, input, select, textarea, summary, [tabindex]';
  return [...document.querySelectorAll(kinds)].filter(each => {{
    if (each.tabIndex < 0 || each.disabled || each.closest('[inert]')) return false;
    if (!each.checkVisibility({{visibilityProperty: true}})) return false;
    if (each.type !== 'radio') return true;
    const group = [...document.querySelectorAll(`input[name="${{each.name}}"]`)];
    return each === (group.find(one => one.checked) ?? group[0]);
  }}).map(name);
}}"""
# Where Tab has led to, whether it is framed, and whether it can be seen.
_REACHED = f"""() => {{
  const name = {_NAME};
  const each = document.activeElement;
  if (each === document.body || each === document.documentElement) return null;
  // A choice that is drawn as a button is framed there.
  const drawn = getComputedStyle(each).opacity === '0' ? each.nextElementSibling ?? each : each;
  const style = getComputedStyle(drawn);
  const box = drawn.getBoundingClientRect();
  const middle = (from, to, most) => (Math.max(0, from) + Math.min(most, to)) / 2;
  const [x, y] = [middle(box.left, box.right, innerWidth), middle(box.top, box.bottom, innerHeight)];
  const top = document.elementFromPoint(x, y);
  return {{
    name: name(each),
    framed: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    seen: top !== null && [each, drawn].some(one => one.contains(top) || top.contains(one)),
  }};
}}"""
_MOVING = """() => [...document.querySelectorAll('*')].filter(each => {
  const style = getComputedStyle(each);
  return style.animationName !== 'none' || style.transitionDuration.split(', ').some(time => parseFloat(time) > 0.01);
}).map(each => each.outerHTML.slice(0, 120))"""
_SIDEWAYS = "document.documentElement.scrollWidth > innerWidth"
_SMALL_LETTERS = """[...document.querySelectorAll('svg text')].filter(each => each.getClientRects().length
  && each.getBoundingClientRect().height < 8).map(each => each.outerHTML.slice(0, 120))"""
# What a lower window can break where a higher one of the same width does not.
LOW = ("target-size", "scrollable-region-focusable", "bypass", "region")
COLOURS = ("color-contrast", "link-in-text-block")


class Service:
    """The forces, each served: four to whoever is here, one that asks for an account, one that has none yet."""

    def __init__(self, forces: dict[str, object], stack: ExitStack) -> None:
        self.apps = {name: make_app(force, sign_in=name in ("asking", "new")) for name, force in forces.items()}
        self.at = {name: stack.enter_context(serving_app(app)) for name, app in self.apps.items()}
        self.newest = self.apps["watched"].state.published.look.get().value.near.at

    def address(self, view: View) -> str:
        self.apps["watched"].state.wall.clock = lambda: self.newest + timedelta(minutes=view.minutes)
        code = f"?code={make_set_up_code()}" if view.path == "/set-up" else ""
        published = self.apps[view.force].state.published
        path = view.path
        if "{" in path:
            areas = published.table("areas", None).filter(level="area")["area_id"].sort()
            path = path.format(run_id=published.run(None)["run_id"], area_id=areas[0])
        return self.at[view.force] + path + code

    def sign_in(self, context: BrowserContext, view: View) -> None:
        if view.force == "asking":
            fields = {"name": READERS.get(view.path, "administrator"), "password": PASSWORD}
            home = self.at["asking"]
            answer = context.request.post(
                f"{home}/sign-in", form={**fields, "next": "/account"}, headers={"origin": home}
            )
            assert answer.ok, answer.text()


@pytest.fixture(scope="module")
def service(mapped_force, watched_force, scored_force, small_force, tmp_path_factory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("every_view")
    asking, new = copied(small_force, folder / "asking"), copied(small_force, folder / "new")
    for role in {"administrator", *READERS.values()}:
        accounts.add(state_of(asking), role, role, "LV", password=PASSWORD)
    _kept.write(asking, kept_tables(), ABOUT)
    forces = {
        "mapped": mapped_force,
        "watched": watched_force,
        "scored": scored_force,
        "coded": imported(folder / "coded"),
        "asking": asking,
        "new": new,
    }
    with ExitStack() as stack:
        yield Service(forces, stack)


def test_every_page_is_looked_at(service):
    pages = {
        path
        for (method, path), route in addresses_of(service.apps["mapped"]).items()
        if method == "GET" and route.response_class is HTMLResponse
    }
    assert pages == set(VIEWS)


@pytest.mark.parametrize("view", [view for views in VIEWS.values() for view in views], ids=str)
def test_it_is_for_everybody(browser: Browser, service: Service, view: View):
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, reduced_motion="reduce", color_scheme="light"
    )
    service.sign_in(context, view)
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    address = service.address(view)
    page.goto(address)
    if view.path == "/" or view.path.startswith("/#"):
        page.locator("#chart canvas, #chart svg").first.wait_for()
    if view.click:
        page.locator(view.click).first.click()
    if view.press:
        page.locator("body[data-phase=ready]").wait_for()
        page.keyboard.press(view.press)
    page.locator(view.shown).first.wait_for()
    if view.path.startswith(("/#", "/now")) or view.path == "/":
        # What is fetched after the page would take the place of what keys are to reach.
        page.wait_for_load_state("networkidle")

    faults = [f"by keys: {fault}" for fault in faults_of_keys(page)] if not view.press else []
    # The menu of views would lie over what it is opened above; `test_views` looks at it.
    page.locator("details:not(.views-more)").evaluate_all("all => all.forEach(each => each.open = true)")
    faults += [f"light: {fault}" for fault in faults_of(page)]
    faults += [f"moves, though less motion is asked for: {each}" for each in page.evaluate(_MOVING)]
    page.emulate_media(color_scheme="dark")
    faults += [f"dark: {fault}" for fault in faults_of(page, only=COLOURS)]
    page.emulate_media(color_scheme="light", forced_colors="active")
    # Which colours are forced the browser knows, and axe would read those that the page asked for.
    faults += [f"forced colours: {fault}" for fault in faults_of(page, without=COLOURS)]
    page.emulate_media(forced_colors="none")
    # A phone held upright; and a window of 1280 by 1024 at 400%, which is as narrow and very low.
    for height, rules in ((800, ()), (256, LOW)):
        page.set_viewport_size({"width": 320, "height": height})
        faults += [f"320 by {height}: scrolls sideways"] if page.evaluate(_SIDEWAYS) else []
        faults += [f"320 by {height}: {fault}" for fault in faults_of(page, only=rules)]
    faults += [f"letters smaller than can be read: {each}" for each in page.evaluate(_SMALL_LETTERS)]
    faults += [f"the console: {each}" for each in complaints]
    home = service.at[view.force]
    faults += [f"asked elsewhere: {each}" for each in asked if not each.startswith((home, "data:", "blob:"))]
    context.close()
    assert not faults, "\n".join([str(view), *faults])


def faults_of_keys(page: Page) -> list[str]:
    """Press Tab from the first to the last; give what it doesn't reach, and what isn't seen to have been reached."""
    # From the top, wherever a field that is ready to be written in, or a click, has led.
    page.evaluate("document.body.tabIndex = -1, document.body.focus(), document.body.removeAttribute('tabindex')")
    wanted = Counter(page.evaluate(_REACHABLE))
    assert wanted
    faults = []
    for _ in range(2 * wanted.total() + 2):
        page.keyboard.press("Tab")
        reached = page.evaluate(_REACHED)
        if reached is None:
            break
        faults += [f"nothing frames {reached['name']}"] if not reached["framed"] else []
        faults += [f"out of sight: {reached['name']}"] if not reached["seen"] else []
        wanted[reached["name"]] -= 1
    return faults + [f"not reached: {name}" for name, times in wanted.items() if times > 0]
