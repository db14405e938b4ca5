"""What the OpenAPI description says is so: every address is asked what it allows, and more, by whoever may and may not.

The requests are schemathesis's. A share of them is asked every time; all of its phases are asked by 'make soak'.
"""

from collections.abc import Iterator

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI, Response
from hypothesis import HealthCheck, given
from schemathesis import engine
from schemathesis.core.failures import FailureGroup
from schemathesis.engine import events
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as described

from bluelamp.state import accounts
from bluelamp.web.access_table import TABLE
from bluelamp.web.app import make_app
from tests.web.served import copied

# Seconds; the first simulation on a machine waits until its loops are compiled.
PATIENCE = 180
ASKERS = (None, "analyst", "administrator")


@schemathesis.check
def no_fault(ctx, response, case) -> None:
    """Only 503 is meant where an answer is 500 or more: somebody asked too fast, or somebody else writes."""
    assert response.status_code < 500 or response.status_code == 503, response.text[:500]


CHECKS = [
    no_fault,
    described.status_code_conformance,
    described.content_type_conformance,
    described.response_schema_conformance,
    described.response_headers_conformance,
]


@pytest.fixture(scope="module")
def app(small_force, tmp_path_factory):
    return make_app(copied(small_force, tmp_path_factory.mktemp("described") / "lantern"), sign_in=True)


@pytest.fixture(scope="module")
def keys(app):
    state = app.state.admission.state
    made = {None: {}}
    for role in ASKERS[1:]:
        accounts.add(state, role, role, app.state.admission.force_id)
        made[role] = {"Authorization": f"Bearer {accounts.make_key(state, role, 'a test')}"}
    return made


@pytest.fixture(autouse=True)
def _without_haste(monkeypatch):
    # Whoever asks too fast is told to wait, and nothing would be learned of what lies behind.
    monkeypatch.setattr("bluelamp.web.admission._AT_ONCE", 1e12)


def operations(app) -> Iterator:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    for result in schema.get_all_operations():
        yield result.ok()


def that_end(app) -> Iterator:
    """The addresses whose answers end; that of news goes on for as long as somebody listens."""
    yield from (each for each in operations(app) if each.path != "/api/live")


def ask(operation, headers: dict[str, str], most: int) -> set[int]:
    """Ask an address for so many things at most, hold each answer to its description, and give their statuses."""
    statuses = set()

    @hypothesis.seed(7)
    @hypothesis.settings(
        max_examples=most, database=None, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[hypothesis.Phase.generate],
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def every(case) -> None:
        if case.path_parameters.get("name") == "forecast":
            case.path_parameters["name"] = "peaks"  # of the forecast there are 160 MB even here
        response = case.call(headers=headers, timeout=PATIENCE)
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    every()
    return statuses


def wrongs(app, headers: dict[str, str], most: int, given: set[str] | None = None) -> list[str]:
    """Give what is not as described, address by address; those that answered with 200 are added to `given`."""
    found = []
    for operation in that_end(app):
        # A sheet is drawn by a browser for a second or two, and all of them by the same few lines.
        times = 1 if operation.path.endswith((".pdf", ".png")) else most
        try:
            if 200 in ask(operation, headers, times) and given is not None:
                given.add(operation.path)
        except (FailureGroup, AssertionError) as failed:
            each = "; ".join(map(str, getattr(failed, "exceptions", [failed])))
            found.append(f"{operation.label}: {each[:600]}")
    return found


@pytest.mark.parametrize("asker", ASKERS)
def test_every_address_answers_as_it_is_described(app, keys, asker):
    given: set[str] = set()
    assert not wrongs(app, keys[asker], most=2, given=given)
    # Otherwise nothing but refusals were held to the description.
    assert asker != "analyst" or len(given) > len(TABLE) / 3, given


def test_an_address_that_is_not_as_described_is_found():
    strange = FastAPI()
    strange.get("/text")(lambda: Response("no JSON"))
    strange.get("/fault")(lambda: Response("a fault", 500, media_type="application/json"))
    strange.get("/right")(lambda: {})
    assert [each.partition(":")[0] for each in wrongs(strange, {}, most=1)] == ["GET /text", "GET /fault"]


def test_every_address_is_described_and_asked(app):
    # All but the description itself, which schemathesis reads and does not ask.
    asked = {(each.method.upper(), each.path) for each in operations(app)}
    assert asked | {("GET", "/openapi.json")} == set(TABLE)


PHASES = {"examples", "coverage", "fuzzing", "stateful"}


@pytest.mark.soak
@pytest.mark.parametrize("asker", ASKERS)
def test_every_address_answers_whatever_it_is_asked(app, keys, asker):
    names = ("not_a_server_error", *(each.__name__ for each in CHECKS[1:]))
    config = schemathesis.Config.from_dict({
        "headers": keys[asker], "request-timeout": PATIENCE, "continue-on-failure": True,
        "generation": {"max-examples": 30, "deterministic": True, "no-shrink": True},
        # Said by name, so that a check that a later version adds is looked at before it is relied upon. 503 is meant.
        "checks": {"enabled": False, **{name: {"enabled": True} for name in names},
                   "not_a_server_error": {"expected-statuses": ["2XX", "3XX", "4XX", 503]}},
    })  # fmt: skip
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config)
    schema = schema.exclude(path="/api/live")
    found, asked, phases = set(), 0, set()
    for event in engine.from_schema(schema).execute():
        assert not isinstance(event, events.NonFatalError | events.FatalError), event
        if isinstance(event, events.PhaseFinished):
            phases.add(event.phase.name.value)
        if isinstance(event, events.ScenarioFinished):
            asked += len(event.recorder.interactions)
            for case, results in event.recorder.checks.items():
                label = event.recorder.cases[case].value.operation.label
                found |= {f"{label}: {each.failure_info.failure}" for each in results if each.failure_info}
    assert not found
    assert asked > 1_000
    assert phases >= PHASES
