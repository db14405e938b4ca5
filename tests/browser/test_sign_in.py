"""Coming in with a real browser: the first account, signing in, a real OpenID provider, and the pages of accounts."""

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from bluelamp.state import accounts
from bluelamp.web.sign_in_pages import SET_UP, make_set_up_code
from tests.browser.serving import serving
from tests.databases import state_of
from tests.web.served import PASSWORD, copied

PROVIDER = Path(__file__).parents[1] / "openid"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def set_up_anew(monkeypatch):
    """What one test said where it was started, the next has not heard."""
    monkeypatch.setenv(SET_UP, "")
    monkeypatch.delenv(SET_UP)


@pytest.fixture
def force(small_force, tmp_path):
    return copied(small_force, tmp_path / "lantern")


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def fill(page, **fields):
    for name, value in fields.items():
        page.fill(f"[name={name}]", value)


def test_the_first_account_is_made_and_makes_another_by_keyboard_alone(force, page):
    with serving(force, sign_in=True) as at:
        page.goto(f"{at}/set-up?code={make_set_up_code()}")
        page.focus("[name=name]")
        for typed in ("ann", PASSWORD, PASSWORD):
            page.keyboard.type(typed)
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{at}/accounts")
        page.focus("#name")
        page.keyboard.type("ben")
        page.select_option("#role", "planner")
        page.focus("#password")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("status").wait_for()
        assert page.get_by_role("status").inner_text() == "The account 'ben' was made."
        page.goto(f"{at}/log")
        assert "may not consult this" in page.inner_text("main"), "an administrator does not read the log"
        page.goto(f"{at}/account")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{at}/sign-in")


def test_whoever_signs_in_comes_to_where_they_were_going(force, page):
    with serving(force, sign_in=True) as at:
        page.context.clear_cookies()
        accounts.add(state_of(force), "dora", "auditor", "LV", password=PASSWORD)
        page.goto(f"{at}/log?operation=sign_in")
        page.wait_for_url("**/sign-in?next=*")
        fill(page, name="dora", password="wrong wrong wrong")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        assert "not right" in page.get_by_role("alert").inner_text()
        assert page.input_value("[name=name]") == "dora"
        fill(page, password=PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{at}/log?operation=sign_in")
        assert page.locator("tbody tr").count() >= 2


@pytest.fixture
def provider():
    """A real provider, `oidc-provider` of npm; gives a function that starts it with the address to come back to."""
    if shutil.which("node") is None or not (PROVIDER / "node_modules").is_dir():
        pytest.skip("OPENID PROVIDER ABSENT: no real sign-in was tried. 'make test' installs it.")
    running = []

    def start(port, back):
        command = ["node", "provider.mjs", str(port), back]
        running.append(subprocess.Popen(command, cwd=PROVIDER, stdout=subprocess.PIPE, text=True))
        for line in running[0].stdout:
            if line.strip() == "ready":
                return

    yield start
    for each in running:
        each.kill()
        each.wait()


def test_a_person_signs_in_through_a_real_provider(force, page, provider):
    port = free_port()
    with (force / "force.toml").open("a", encoding="utf-8") as settings:
        settings.write(
            f'\n[service.openid]\nissuer = "http://localhost:{port}"\nclient_id = "bluelamp"\n'
            'client_secret = "a secret of the tests"\nroles_claim = "groups"\n'
            '[service.openid.roles]\n"Bluelamp planners" = "planner"\n'
        )
    with serving(force, sign_in=True) as at:
        provider(port, f"{at}/openid/back")
        page.goto(f"{at}/strength")
        page.get_by_role("link", name="Sign in with your force's account").click()
        page.fill("[name=login]", "planner")
        page.fill("[name=password]", "any")
        page.get_by_role("button").first.click()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{at}/strength")
        page.goto(f"{at}/account")
        assert page.inner_text("h2") == "planner@force.example"
        page.goto(f"{at}/tables/people")
        assert page.locator("tbody tr").count() > 0

        # Somebody who has no role here is told so, and comes in nowhere.
        page.context.clear_cookies()
        page.goto(f"{at}/openid/sign-in")
        page.fill("[name=login]", "nobody")
        page.fill("[name=password]", "any")
        page.get_by_role("button").first.click()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{at}/openid/back*")
        assert "has no role here" in page.inner_text("main")
