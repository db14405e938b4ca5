"""A force whose service asks people to sign in, and accounts of every kind for it."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from bluelamp.access import ROLES
from bluelamp.state import accounts
from bluelamp.web.app import make_app
from tests.databases import address_for_a_force

PASSWORD = "correct horse battery"
HERE = {"origin": "http://testserver"}


def copied(force: Path, to: Path, *, is_written: bool = False) -> Path:
    """Give a force of one's own with the same files, for tests that write beside its store; with files of its own where
    `is_written`, for those that write into it. Its service's database is of the kind that is tried.
    """
    shutil.copytree(force, to, copy_function=shutil.copy2 if is_written else os.link)
    # Two forces that share the file of a lock would wait for each other's writers.
    for lock in [*to.rglob("*.lock"), *to.rglob("lock")]:
        lock.unlink()
    # A file that two forces share must not be written: the settings are, by tests, and a ledger grows in its place.
    for name in ("force.toml", "store/ledger.jsonl"):
        content = (to / name).read_bytes()
        (to / name).unlink()
        (to / name).write_bytes(content)
    if address := address_for_a_force():
        # Not that of the force which was copied.
        toml = (to / "force.toml").read_text(encoding="utf-8")
        (to / "force.toml").write_text(re.sub(r"(?m)^database = .*\n", "", toml), encoding="utf-8")
        set_service(to, f"database = {json.dumps(address)}")
    return to


def set_service(force: Path, lines: str) -> None:
    """Write settings of the service into a force's force.toml, beside those that are there."""
    place, head = force / "force.toml", "\n[service]\n"
    before, _, after = place.read_text(encoding="utf-8").partition(head)
    place.write_text(f"{before}{head}{lines}\n{after}", encoding="utf-8")


def with_accounts(force: Path) -> tuple[FastAPI, Callable[..., TestClient]]:
    """Make an account of every role, here and in another force; give the application, and a client by account."""
    app = make_app(force, sign_in=True)
    state, home = app.state.admission.state, app.state.admission.force_id
    for role in ROLES:
        accounts.add(state, role, role, home, password=PASSWORD, teams=("R-D1/A",) if role == "supervisor" else ())
        accounts.add(state, f"{role}.elsewhere", role, "XX", password=PASSWORD)

    def client(name: str | None = None) -> TestClient:
        made = TestClient(app, follow_redirects=False, raise_server_exceptions=True)
        if name is not None:
            sign_in(made, name)
        return made

    return app, client


def sign_in(client: TestClient, name: str, password: str = PASSWORD, onward: str = "/") -> None:
    """Sign in on the page."""
    answer = client.post("/sign-in", data={"name": name, "password": password, "next": onward}, headers=HERE)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == onward


def form_token(client: TestClient, page: str = "/account") -> str:
    """Give what the forms of whoever is signed in carry."""
    found = re.search(r'name="token" value="([^"]+)"', client.get(page).text)
    assert found is not None
    return found[1]
