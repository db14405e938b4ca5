"""How pages write shares, and which links they show to whom."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.routing import Match

from bluelamp.access import Holder, may
from bluelamp.web.access_table import SHEETS, row_of
from bluelamp.web.app import make_app
from tests.web.served import copied, with_accounts

PAGES = [each for each in SHEETS if "{" not in each and each != "/log"]
A_SPACE_BEFORE = re.compile(r"\d[ \u00a0\u202f]%")


@pytest.fixture(scope="module")
def folder(small_force: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(small_force, tmp_path_factory.mktemp("wording") / "lantern")


@pytest.fixture(scope="module")
def served(folder):
    return with_accounts(folder)


@pytest.mark.parametrize("page", PAGES)
def test_a_share_has_no_space_before_its_sign(small_force, page):
    text = TestClient(make_app(small_force)).get(page).text
    assert "%" in text or page in ("/runs", "/jobs", "/duties")
    assert not A_SPACE_BEFORE.findall(re.sub("<[^>]*>", " ", text.replace("</b>", "")))


@pytest.mark.parametrize("role", ["viewer", "supervisor", "auditor", "planner"])
@pytest.mark.parametrize("page", PAGES)
def test_nobody_is_shown_a_link_that_would_be_refused(served, role, page):
    app, client = served
    answer = client(role).get(page)
    if answer.status_code != 200:
        assert answer.status_code == 403
        return
    for address in set(re.findall(r'href="(/[^"#]*)', answer.text)):
        path = address.replace("&amp;", "&").partition("?")[0]
        if path.startswith("/static"):
            continue
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "root_path": ""}
        found = [(route, scope_) for route in app.routes for match, scope_ in [route.matches(scope)]
                 if match is Match.FULL]  # fmt: skip
        assert found, address
        route, parts = found[0]
        row = row_of("GET", route.path_format, parts["path_params"])
        assert row is not None
        assert may(Holder(role, role, "LV"), row.kind, row.action, "LV"), f"{page} leads a {role} to {address}"
