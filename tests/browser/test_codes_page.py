"""The page about codes in headless Chromium: a code changed by keys, its effect seen, the next version saved."""

import pytest

from bluelamp import codes
from tests.browser.axe import insist_on_no_fault
from tests.browser.serving import serving
from tests.coded import imported

pytestmark = pytest.mark.browser


@pytest.fixture
def force(tmp_path):
    return imported(tmp_path / "north")


@pytest.fixture
def address(force):
    with serving(force) as at:
        yield f"{at}/codes"


def opened(browser, address, **said):
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | said))
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(address)
    return page, complaints


def test_a_code_is_changed_by_keys_and_saved_as_the_next_version(browser, force, address):
    page, complaints = opened(browser, address)
    page.get_by_label("Class of XX9").focus()
    # A letter goes to the first class that begins with it, as in every list of choices.
    page.keyboard.type("Animals")
    page.keyboard.press("Tab")
    page.keyboard.type("Public")
    page.get_by_text("Unmapped 13.3% → 0.0%").wait_for()
    # The class alone brings that about; the origin is asked about after it.
    page.locator("#effect tbody tr").filter(has_text="public").wait_for()
    assert page.locator("#effect tbody tr").all_inner_texts() == ["Animals\tpublic\t0\t2", "Unknown\tunknown\t2\t0"]
    assert codes.in_use(force).version == 0
    page.get_by_role("button", name="Save as the next version").press("Enter")
    page.get_by_text("Saved: codes/north.toml, version 1").wait_for()
    assert page.get_by_label("Class of XX9").input_value() == "animals"
    assert codes.in_use(force).version == 1
    page.get_by_role("button", name="Map them again").press("Enter")
    page.get_by_text("The stored incidents are mapped by codes/north.toml").wait_for()
    assert codes.check(force).stored_otherwise == 0
    insist_on_no_fault(page)
    assert complaints == []
    page.context.close()


def test_what_the_words_of_a_code_suggest_is_taken_and_taken_back(browser, address):
    page, complaints = opened(browser, address)
    page.get_by_role("button", name="Take it for XX9").click()
    page.get_by_text("Unmapped 13.3% → 0.0%").wait_for()
    assert page.get_by_label("Class of XX9").input_value() == "antisocial_behaviour"
    page.get_by_label("Class of XX9").select_option("unknown")
    page.get_by_label("Origin of XX9").select_option("unknown")
    page.get_by_text("Nothing is changed.").wait_for()
    assert complaints == []
    page.context.close()


def test_a_code_is_found_by_its_words(browser, address):
    page, _ = opened(browser, address)
    page.get_by_label("Find a code or a word").fill("cycle")
    assert page.locator("#code-table tbody tr:visible th").all_inner_texts() == ["TH2"]
    page.get_by_label("Find a code or a word").fill("")
    page.get_by_label("Only codes that no rule speaks of").check()
    assert page.locator("#code-table tbody tr:visible th").all_inner_texts() == ["XX9"]
    page.context.close()


def test_without_script_a_change_shows_its_effect_and_is_saved(browser, force, address):
    page, _ = opened(browser, address, java_script_enabled=False)
    page.locator('tr:has-text("XX9") select').first.select_option("animals")
    page.get_by_role("button", name="See the effect").click()
    page.get_by_text("Unmapped 13.3% → 0.0%").wait_for()
    page.get_by_role("button", name="Save as the next version").click()
    page.get_by_text("Saved: codes/north.toml, version 1").wait_for()
    assert codes.in_use(force).version == 1
    page.context.close()
