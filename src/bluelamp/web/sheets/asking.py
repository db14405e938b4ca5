"""A sheet without a server: the service's own application is asked in this process."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.types import Message

from bluelamp.errors import BluelampError, UsageError, did_you_mean, one_of
from bluelamp.waiting import wait_for
from bluelamp.web.access_table import SHEETS
from bluelamp.web.app import make_app
from bluelamp.web.sheets.typesetting import insist_on_typesetter

_OK = 200
# What is there for accounts alone, and what there is one of for each id or name.
_OF_ACCOUNTS = frozenset({"/duties", "/jobs", "/log"})
_OF_MANY = ("/areas/", "/runs/", "/tables/")


def ask_for_sheet(folder: Path, view: str, form: str) -> bytes:
    """Give a view of a force as PDF or PNG; `view` is its name or its address, with what follows the question mark.

    Raises UsageError for a view that is not there, and what the view's own page raises.
    """
    insist_on_typesetter()
    asked = urlsplit(view if view.startswith("/") else f"/{view}")
    names = [each.strip("/") for each in SHEETS if "{" not in each and each not in _OF_ACCOUNTS]
    if asked.path.strip("/") not in names and not asked.path.startswith(_OF_MANY):
        name = asked.path.strip("/")
        raise UsageError(
            f"There is no view '{name}'. There are {one_of(names)}, areas/ID, runs/ID and tables/NAME."
            f"{did_you_mean(name, names)}"
        )
    app = make_app(folder)
    raised: list[BluelampError] = []

    async def keep(request: Request, error: Exception) -> Response:
        assert isinstance(error, BluelampError)
        raised.append(error)
        return Response(status_code=400)

    # What is wrong is raised here, and not made into a page.
    app.add_exception_handler(BluelampError, keep)
    status, content = wait_for(_ask(app, f"{unquote(asked.path).rstrip('/')}.{form}", asked.query))
    if raised:
        raise raised[0]
    if status != _OK:
        from bluelamp.web.sheets.reading import read_page

        said = read_page(content.decode(errors="replace"))
        items = [run["t"] for block in said.blocks for item in block.get("items", [[block]]) for part in item
                 for run in part.get("c", []) if "t" in run]  # fmt: skip
        raise UsageError(f"'{view}' can't be shown:", items or [said.title])
    return content


async def _ask(app: FastAPI, path: str, query: str) -> tuple[int, bytes]:
    """Ask an application for an address; give the status and what it answers."""
    status, parts = 0, []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 0), "server": ("localhost", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    return status, b"".join(parts)
