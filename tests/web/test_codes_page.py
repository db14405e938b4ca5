"""The page about codes: what it shows, what a change would do, and from where alone a change is taken."""

import re

import pytest
from fastapi.testclient import TestClient

from bluelamp import codes
from bluelamp.web.app import make_app
from tests.coded import imported

HERE = {"origin": "http://testserver"}
NOTHING_CHANGED = "so that nothing was changed"


@pytest.fixture
def force(tmp_path):
    return imported(tmp_path / "north")


@pytest.fixture
def client(force):
    return TestClient(make_app(force), follow_redirects=False)


def form(client, action="save", **fields):
    """The fields of the page as it is, with some of them otherwise: `XX9="animals/public"`, `rule1="…"`."""
    page = client.get("/codes").text
    sent = dict(
        re.findall(
            r'name="(token|version|(?:code|class|origin)\.\d+|(?:rule|class|origin)\.r\d+)" value="([^"]*)"', page
        )
    ) | {"action": action}
    for select in re.findall(r'<select name="([^"]+)".*?</select>', page, flags=re.DOTALL):
        block = page[page.index(f'<select name="{select}"') :]
        sent[select] = re.search(r'value="([^"]+)" selected', block)[1]
    for name, meaning in fields.items():
        number = (
            f"r{name[4:]}"
            if name.startswith("rule")
            else next(key[5:] for key, code in sent.items() if key.startswith("code.") and code == name)
        )
        sent[f"class.{number}"], sent[f"origin.{number}"] = meaning.split("/")
    return sent


def test_the_page_shows_each_code_with_its_meaning_and_the_rule_that_decides(client):
    page = client.get("/codes")
    assert page.status_code == 200
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))
    assert "15 incidents, mapped by the crosswalk in the column map" in text
    assert "TH1 Shoplifting 6 40.00%" in text
    assert "rule 1, by its code" in text
    assert "no rule; its words suggest Antisocial behaviour, noise and nuisance, public" in text
    # The force's name is text, not markup.
    assert "North &lt;Valley&gt;" in page.text


def test_an_origin_that_the_extract_gives_is_no_choice_on_the_page(force):
    text = (force / "north.toml").read_text().replace('grade_code = "grade"', 'origin = { constant = "partner" }')
    (force / "north.toml").write_text(text)
    client = TestClient(make_app(force), follow_redirects=False)
    page = client.get("/codes").text
    assert "Class of TH1" in page
    assert "Origin of TH1" not in page
    assert "as the extract says" in page
    # A form that is sent as it came changes nothing.
    said = client.post("/codes/effect.json", data=form(client), headers=HERE)
    assert said.json() is None


def test_codes_come_as_json_and_csv(client):
    assert client.get("/codes.json").json()["unmapped"] == 2
    assert client.get("/codes.csv").text.startswith("code,description,incidents,rule,by,class_code,origin")


def test_the_effect_of_a_change_is_told_and_nothing_is_written(client, force):
    sent = form(client, XX9="animals/public", rule2="patrol/directed")
    said = client.post("/codes/effect.json", data=sent, headers=HERE).json()
    assert said["unmapped"] == {"before": 2, "after": 0}
    assert {(row["class_code"], row["origin"]): row["after"] for row in said["moved"]} == {
        ("animals", "public"): 2, ("patrol", "directed"): 4, ("patrol", "officer_initiated"): 0,
        ("unknown", "unknown"): 0,
    }  # fmt: skip
    assert not (force / "codes").exists()


def test_without_a_script_the_page_comes_back_with_the_effect_and_the_change_still_in_it(client, force):
    page = client.post("/codes", data=form(client, "effect", XX9="animals/public"), headers=HERE)
    assert page.status_code == 200
    assert "Unmapped 13.3% → 0.0%" in page.text
    assert form_says(page.text, "XX9") == "animals"
    assert not (force / "codes").exists()


def form_says(page, code):
    number = re.search(rf'name="code\.(\d+)" value="{code}"', page)[1]
    return re.search(r'value="([^"]+)" selected', page[page.index(f'name="class.{number}"') :])[1]


def test_a_change_is_saved_as_the_next_version_and_the_page_says_so(client, force):
    answer = client.post("/codes", data=form(client, XX9="animals/public") | {"author": "A. Analyst"}, headers=HERE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/codes?saved=1")
    page = client.get("/codes?saved=1").text
    assert "Saved: codes/north.toml, version 1" in page
    assert "2 stored incidents (13.3%) were given another meaning" in page
    assert codes.in_use(force).column_map.crosswalk_read.crosswalk.author == "A. Analyst"
    applied = client.post("/codes", data=form(client, "apply"), headers=HERE)
    assert applied.headers["location"] == "/codes?saved=0"
    assert "given another meaning" not in client.get("/codes?saved=0").text


def test_a_change_made_on_a_page_that_is_out_of_date_is_refused_on_the_page(client, force):
    old = form(client, XX9="animals/public")
    client.post("/codes", data=form(client, XX9="alarm/public"), headers=HERE)
    answer = client.post("/codes", data=old, headers=HERE)
    assert answer.status_code == 409
    assert "make the change again" in answer.text
    assert form_says(answer.text, "XX9") == "alarm"


def test_nothing_to_save_is_said(client):
    answer = client.post("/codes", data=form(client), headers=HERE)
    assert answer.status_code == 409
    assert "there is nothing to save" in answer.text


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "null"}, {"origin": "http://evil.example"}, {"origin": "http://testserver.evil.example"}],
)
@pytest.mark.parametrize("path", ["/codes", "/codes/effect.json"])
def test_a_change_from_another_page_is_refused(client, force, headers, path):
    answer = client.post(path, data=form(client, XX9="animals/public"), headers=headers)
    assert answer.status_code == 403
    assert NOTHING_CHANGED in answer.text
    assert not (force / "codes").exists()


@pytest.mark.parametrize("token", ["", "x", "ü" * 40])
def test_a_change_without_the_token_of_the_page_is_refused(client, force, token):
    answer = client.post("/codes", data=form(client, XX9="animals/public") | {"token": token}, headers=HERE)
    assert answer.status_code == 403
    assert "Load it again" in answer.text
    assert not (force / "codes").exists()


def test_what_a_proxy_passes_on_is_let_in_nowhere_without_sign_in(client, force):
    passed_on = {"x-forwarded-for": "10.0.0.7"}
    for path in ("/codes", "/", "/tables/coverage.csv"):
        answer = client.get(path, headers=passed_on)
        assert answer.status_code == 403
        assert "--sign-in" in answer.text
    assert client.post("/codes", data=form(client, "apply"), headers=HERE | passed_on).status_code == 403


@pytest.mark.parametrize(
    "fields",
    [
        {"class.1": "burglry"}, {"origin.1": "nobody"}, {"class.1": ""}, {"rule.r99": "", "class.r99": "theft"},
        {"rule.r0": ""}, {"rule.rx": ""}, {"version": "x"}, {"version": "99999999999"}, {"code.1": "no such code"},
        {"rule.r²": ""},
    ],
)  # fmt: skip
def test_whatever_a_form_says_the_answer_is_a_sentence(client, fields):
    for path in ("/codes", "/codes/effect.json"):
        sent = form(client, XX9="animals/public") | fields
        assert client.post(path, data=sent, headers=HERE).status_code < 500


def test_what_is_no_form_or_far_too_large_is_refused(client):
    assert client.post("/codes", json={"action": "save"}, headers=HERE).status_code == 400
    assert client.post("/codes", data={"token": "x" * 2_100_000}, headers=HERE).status_code == 400


def test_the_page_sends_its_origin_with_a_form(client):
    """With no referrer at all a browser would send 'null' in its place."""
    assert client.get("/codes").headers["referrer-policy"] == "same-origin"
    assert client.get("/codes").headers["cache-control"] == "no-store"
