"""Sign-in through an OpenID provider: what of its answers is believed, and what is refused."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from bluelamp.state import accounts, log
from bluelamp.web.app import make_app
from tests.web.served import copied

SECRET = "a secret of the tests, long enough for a signature of 256 bits"


class Provider:
    """A provider that answers as it is told: its key, what it says of itself, and what its tokens claim."""

    def __init__(self):
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.claims, self.says, self.asked, self.make = {}, {}, [], self.signed
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, body):
                content = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self):
                self.answer(
                    {"keys": [outer.key.as_dict(private=False)]} if self.path == "/keys" else outer.about_itself()
                )

            def do_POST(self):
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                outer.asked.append(form)
                self.answer({"access_token": "x", "token_type": "Bearer", "id_token": outer.make()})

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def about_itself(self):
        return {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        } | self.says  # fmt: skip

    def usual(self, **other):
        now = int(time.time())
        return {
            "iss": self.issuer, "aud": "bluelamp", "sub": "12345", "iat": now, "exp": now + 300,
            "preferred_username": "ann@force.example", "groups": ["Bluelamp planners"], "areas": ["D1"],
        } | self.claims | other  # fmt: skip

    def signed(self):
        return jwt.encode({"alg": "RS256", "kid": "one"}, self.usual(), self.key)


@pytest.fixture
def provider():
    made = Provider()
    yield made
    made.server.shutdown()


@pytest.fixture
def client(small_force, tmp_path, provider):
    force = copied(small_force, tmp_path / "lantern")
    with (force / "force.toml").open("a", encoding="utf-8") as settings:
        settings.write(
            f'\n[service.openid]\nissuer = "{provider.issuer}"\nclient_id = "bluelamp"\nclient_secret = "{SECRET}"\n'
            'roles_claim = "groups"\ndistricts_claim = "areas"\n'
            '[service.openid.roles]\n"Bluelamp planners" = "planner"\n"Bluelamp chiefs" = "chief"\n'
        )
    return TestClient(make_app(force, sign_in=True), follow_redirects=False)


def begin(client, provider, onward="/strength"):
    """Begin to sign in; give what the provider was asked."""
    answer = client.get(f"/openid/sign-in?next={onward}")
    assert answer.status_code == 302, answer.text
    asked = {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    provider.claims.setdefault("nonce", asked["nonce"])
    return asked


def come_back(client, asked, **other):
    return client.get("/openid/back", params={"code": "a code", "state": asked["state"]} | other)


def refused(answer, words="does not hold"):
    assert answer.status_code == 403, answer.text
    assert words in answer.text
    return True


def test_the_flow_is_that_of_a_code_with_pkce(client, provider):
    asked = begin(client, provider)
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert {"state", "nonce", "redirect_uri", "scope"} <= set(asked)
    answer = come_back(client, asked)
    assert (answer.status_code, answer.headers["location"]) == (303, "/strength")
    (form,) = provider.asked
    verifier = form["code_verifier"][0]
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert digest == asked["code_challenge"]


def test_a_person_gets_the_role_and_the_districts_that_the_claims_say_each_time_anew(client, provider):
    come_back(client, begin(client, provider))
    state = client.app.state.admission.state
    (account,) = accounts.every(state)
    assert (account.name, account.role, account.districts) == ("ann@force.example", "planner", ("D1",))
    assert not account.has_password
    provider.claims = {"groups": ["Bluelamp chiefs"], "areas": ["D2"]}
    client.cookies.clear()
    come_back(client, begin(client, provider))
    (account,) = accounts.every(state)
    assert (account.role, account.districts) == ("chief", ("D2",))
    assert log.entries(state, operation="sign_in", most=1)[0].who == "ann@force.example"


def test_a_name_that_an_account_has_already_does_not_become_that_account(client, provider):
    state = client.app.state.admission.state
    accounts.add(state, "ann@force.example", "administrator", "LV", password="correct horse battery")
    come_back(client, begin(client, provider))
    assert accounts.named(state, "ann@force.example").role == "administrator"
    (other,) = [each for each in accounts.every(state) if each.issuer]
    assert other.name.startswith("ann@force.example-")
    assert other.role == "planner"


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": int(time.time()) - 3600}, "does not hold"),
        ({"aud": "another client"}, "does not hold"),
        ({"iss": "https://elsewhere.example"}, "does not hold"),
        ({"nonce": "of another sign-in"}, "does not hold"),
        ({"sub": None}, "does not hold"),
        ({"groups": []}, "has no role here"),
        ({"groups": ["Something else"]}, "has no role here"),
        ({"groups": ["Bluelamp planners", "Bluelamp chiefs"]}, "several roles"),
        ({"areas": []}, "which districts"),
    ],
)
def test_a_token_that_does_not_hold_or_names_no_role_lets_nobody_in(client, provider, claims, words):
    provider.claims = dict(claims)
    answer = come_back(client, begin(client, provider))
    refused(answer, words)
    assert "12345" not in answer.text
    assert accounts.every(client.app.state.admission.state) == []
    assert "bluelamp" not in client.cookies


def part(content):
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def without_signature(provider):
    return f"{part({'alg': 'none'})}.{part(provider.usual())}."


def with_the_shared_secret(provider):
    return jwt.encode({"alg": "HS256"}, provider.usual(), OctKey.import_key(SECRET))


def with_the_public_key_as_secret(provider):
    # By hand, because no library that is careful signs so.
    signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(provider.usual())}"
    return f"{signed}.{part(hmac.digest(provider.key.as_pem(private=False), signed.encode(), 'sha256'))}"


def with_another_key(provider):
    return jwt.encode({"alg": "RS256", "kid": "one"}, provider.usual(), RSAKey.generate_key(2048, {"kid": "one"}))


def with_changed_claims(provider):
    head, _, seal = provider.signed().split(".")
    return f"{head}.{part(provider.usual(groups=['Bluelamp chiefs']))}.{seal}"


@pytest.mark.parametrize(
    "make",
    [
        without_signature, with_the_shared_secret, with_the_public_key_as_secret, with_another_key,
        with_changed_claims, lambda provider: "no token", lambda provider: "",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_a_token_that_the_provider_did_not_sign_with_its_own_key_lets_nobody_in(client, provider, make):
    provider.make = lambda: make(provider)
    answer = come_back(client, begin(client, provider))
    assert answer.status_code == 403
    assert accounts.every(client.app.state.admission.state) == []


def test_an_answer_that_was_given_before_is_refused(client, provider):
    asked = begin(client, provider)
    assert come_back(client, asked).status_code == 303
    client.cookies.delete("bluelamp")
    refused(come_back(client, asked))


def test_a_token_of_an_earlier_sign_in_is_refused_in_another(client, provider):
    come_back(client, begin(client, provider))
    client.cookies.delete("bluelamp")
    # The provider gives the old token again: it carries the nonce of the first sign-in.
    refused(come_back(client, begin(client, provider)))


def test_an_answer_to_no_question_of_this_browser_is_refused(client, provider):
    asked = begin(client, provider)
    stranger = TestClient(client.app, follow_redirects=False)
    refused(come_back(stranger, asked))
    refused(come_back(client, asked, state="another"))


def test_a_provider_that_refuses_is_told_in_a_sentence(client, provider):
    asked = begin(client, provider)
    refused(client.get("/openid/back", params={"error": "access_denied", "state": asked["state"]}))


def test_a_provider_of_another_name_is_not_believed(client, provider):
    provider.says = {"issuer": "https://elsewhere.example"}
    refused(client.get("/openid/sign-in"), "calls itself something else")


def test_a_provider_that_is_away_is_told_in_a_sentence(client, provider):
    provider.server.shutdown()
    provider.server.server_close()
    answer = client.get("/openid/sign-in")
    assert answer.status_code == 503
    assert "can&#x27;t be reached" in answer.text


def test_an_account_that_was_closed_here_stays_closed(client, provider):
    come_back(client, begin(client, provider))
    accounts.change(client.app.state.admission.state, "ann@force.example", is_open=False)
    client.cookies.clear()
    provider.claims = {}
    refused(come_back(client, begin(client, provider)), "was closed here")


def test_without_a_provider_the_address_says_so(small_force, tmp_path):
    plain = TestClient(make_app(copied(small_force, tmp_path / "lantern"), sign_in=True))
    assert plain.get("/openid/sign-in").status_code == 404
