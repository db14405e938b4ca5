"""Pages that are made once: the same bytes for all who may see as much, and anew as soon as something changes."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import Request
from fastapi.responses import Response
from fastapi.testclient import TestClient

from bluelamp.state import accounts
from bluelamp.store import Store
from bluelamp.web import app as web_app
from bluelamp.web.app import make_app
from bluelamp.web.kept import Kept
from tests.web.served import PASSWORD, copied, with_accounts


@pytest.fixture
def force(small_force, tmp_path):
    return copied(small_force, tmp_path / "lantern", is_written=True)


@pytest.fixture
def made(monkeypatch):
    """How often the page of strength was made."""
    times = []
    before = web_app.render_strength_page
    monkeypatch.setattr(web_app, "render_strength_page", lambda *a, **k: times.append(1) or before(*a, **k))
    return times


@pytest.fixture(autouse=True)
def one_minute(monkeypatch):
    """No minute ends while a test looks."""
    from bluelamp.web import kept

    monkeypatch.setattr(kept, "_MINUTE", 10**9)


def test_a_page_is_made_once_and_a_browser_that_has_it_is_told_so(force, made):
    client = TestClient(make_app(force))
    first = client.get("/strength")
    again = client.get("/strength", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert client.get("/strength", headers={"accept-encoding": "identity"}).text == first.text
    assert client.get("/strength", headers={"accept-encoding": "gzip"}).headers["content-encoding"] == "gzip"
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert first.headers["cache-control"] == "private, no-cache"
    assert len(made) == 1


def test_it_is_made_anew_when_the_store_or_the_settings_change(force, made):
    client = TestClient(make_app(force))
    before = client.get("/strength")
    with Store(force).writing("incidents", source_name="more") as batch:
        batch.add(
            Store(force)
            .read("incidents")
            .head(1)
            .with_columns(incident_id=Store(force).read("incidents")["incident_id"].head(1) + "X")
        )
    after = client.get("/strength", headers={"if-none-match": before.headers["etag"]})
    assert len(made) == 2
    assert after.status_code == 304, "nothing on it changed, so that the browser's own still holds"
    (force / "force.toml").write_text((force / "force.toml").read_text() + "\n", encoding="utf-8")
    client.get("/strength")
    assert len(made) == 3


def test_a_runs_tables_outlast_the_minute_and_pages_that_tell_ages_do_not(force, made, monkeypatch):
    read = []
    before = web_app.Published.table
    monkeypatch.setattr(web_app.Published, "table", lambda *a: read.append(a[1]) or before(*a))
    client = TestClient(make_app(force))
    for minute in range(3):
        monkeypatch.setattr("bluelamp.web.kept.time.time", lambda now=minute: now * 10**9)
        for address in ("/tables/coverage.json?level=force", "/tables/received.json", "/strength"):
            assert client.get(address).status_code == 200
    assert (read.count("coverage"), read.count("received"), len(made)) == (1, 3, 3)


def test_nobody_waits_for_a_page_of_the_minute_before_and_none_is_given_that_is_older(force, made, monkeypatch):
    from bluelamp.web import kept

    now = [100]
    monkeypatch.setattr(kept, "_minute", lambda: now[0])
    order, before = [], web_app.render_strength_page
    monkeypatch.setattr(web_app, "render_strength_page", lambda *a, **k: order.append("made") or before(*a, **k))
    given = kept._Page.answer
    monkeypatch.setattr(kept._Page, "answer", lambda *a: order.append("given") or given(*a))
    client = TestClient(make_app(force))
    for minute, expected in (
        (100, ["made", "given"]),
        (101, ["given", "made"]),
        (101, ["given"]),
        (103, ["made", "given"]),
    ):
        now[0] = minute
        order.clear()
        assert client.get("/strength").status_code == 200
        assert order == expected, minute


def test_a_page_that_can_no_longer_be_made_is_given_for_a_minute_and_then_told(tmp_path, monkeypatch):
    from bluelamp.web import kept as of_kept

    now = [100]
    monkeypatch.setattr(of_kept, "_minute", lambda: now[0])
    kept, fails = Kept(tmp_path), [False]

    async def make():
        if fails[0]:
            raise ValueError("no")
        return Response("a")

    async def ask():
        answer = await kept.answer(asked_for("/x"), None, make)
        if answer.background is not None:
            await answer.background()
        return answer

    assert in_a_loop(ask()).status_code == 200
    now[0], fails[0] = 101, True
    assert [in_a_loop(ask()).background is not None for _ in range(2)] == [True, True], "it is tried again"
    now[0] = 102
    with pytest.raises(ValueError, match="no"):
        in_a_loop(ask())
    fails[0] = False
    assert in_a_loop(ask()).status_code == 200


def test_what_one_account_sees_is_given_to_no_other(force):
    app, client = with_accounts(force)
    state = app.state.admission.state
    for name, districts in (("north", ("D1",)), ("south", ("D2",))):
        accounts.add(state, name, "chief", "LV", password=PASSWORD, districts=districts)
    seen = {name: client(name).get("/tables/areas.json").json() for name in ("north", "south", "chief")}
    assert {row["area_id"] for row in seen["north"]} != {row["area_id"] for row in seen["south"]}
    assert len(seen["chief"]) > len(seen["north"])
    # Roles see other tables in the list of them.
    assert client("planner").get("/tables").text != client("viewer").get("/tables").text
    viewer = client("viewer")
    assert viewer.get("/outlook").status_code == client("planner").get("/outlook").status_code == 200
    assert viewer.get("/tables/coverage.csv").status_code == 403, "what another may take is kept, and still refused"


def in_a_loop(work):
    """Run a coroutine in a thread of its own: a browser's test may have left its loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def asked_for(path):
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "scheme": "http"}
    return Request(scope | {"server": ("a", 80)})


def test_what_is_asked_for_by_many_at_once_is_made_once(tmp_path):
    kept, times = Kept(tmp_path), []

    async def make():
        times.append(1)
        await asyncio.sleep(0.05)
        return Response("a")

    async def ask_together():
        return await asyncio.gather(*(kept.answer(asked_for("/x"), None, make) for _ in range(20)))

    assert {each.body for each in in_a_loop(ask_together())} == {b"a"}
    assert len(times) == 1


def test_errors_and_what_is_not_to_be_stored_are_kept_by_nobody(tmp_path):
    kept, answers = (
        Kept(tmp_path),
        iter([Response(status_code=404), Response("a", headers={"cache-control": "no-store"}), Response("b")]),
    )

    async def ask():
        request = asked_for("/x")

        async def make():
            return next(answers)

        return [await kept.answer(request, None, make) for _ in range(4)]

    found = in_a_loop(ask())
    assert [each.status_code for each in found] == [404, 200, 200, 200]
    assert [each.body for each in found[1:]] == [b"a", b"b", b"b"]


def test_memory_is_bounded(tmp_path, monkeypatch):
    import os

    from bluelamp.web import kept as module

    monkeypatch.setattr(module, "MOST_BYTES", 20_000)
    kept = Kept(tmp_path)

    async def ask(number):
        request = asked_for(f"/{number}")

        async def make():
            return Response(os.urandom(1_500))

        await kept.answer(request, None, make)

    for number in range(100):
        in_a_loop(ask(number))
    assert kept._bytes <= 20_000
    assert sum(len(page.content) for page in kept._pages.values()) == kept._bytes
