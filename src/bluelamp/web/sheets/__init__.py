"""Every view as a PDF or PNG on A4, at its address with .pdf or .png behind it.

A sheet is set from the page that people see, so that it says the same, to the same accounts, and no view writes a sheet
of its own: `SHEETS` of the access table names those that have one.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from bluelamp import periods
from bluelamp.access import may
from bluelamp.settings import Settings
from bluelamp.web.access_table import SHEET_FORMS, SHEETS, row_of
from bluelamp.web.admission import Admission
from bluelamp.web.description import MEDIA_TYPES
from bluelamp.web.sheets.typesetting import Form, insist_on_typesetter, typeset
from bluelamp.web.squeezed import tagged

# Where a page's links to its sheets go: it does not know by which address it was asked for.
SLOT = b"<!-- sheets -->"
# What no header, or no name of a file, may hold.
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LOCAL = ("localhost", "127.0.0.1", "[::1]", "testserver")
FindRun = Callable[[str | None], Mapping[str, Any] | None]
Make = Callable[[Request], Awaitable[Response]]


def add_sheets(app: FastAPI, admission: Admission, find_run: FindRun) -> None:
    """Add the sheets of every view, once all views are there; `find_run` gives a run's row, or None without a run."""
    views = {
        route.path_format: route
        for route in app.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    }
    before = len(app.router.routes)
    for path in SHEETS:
        page = views[path]
        make = page.behind  # type: ignore[attr-defined]
        for form in SHEET_FORMS:
            # As it was added, because an area's id may have a slash in it.
            app.get(f"{page.path}.{form}", response_class=Response, name=f"{page.name}_as_{form}",
                    summary=f"{page.summary}, as {form.upper()} on A4")(
                _sheet_of(page, make, form, admission.settings, find_run)
            )  # fmt: skip
        page.behind = _with_links(make, admission)  # type: ignore[attr-defined]
    # An address that ends in a name takes in everything behind it, so that sheets come before their pages.
    routes = app.router.routes
    routes[:] = routes[before:] + routes[:before]


def _sheet_of(page: APIRoute, make: Make, form: Form, settings: Settings, find_run: FindRun) -> Callable[..., Any]:
    """Give what answers for a sheet; it takes what its page takes."""
    asked = inspect.signature(page.endpoint, eval_str=True).parameters.values()
    taken = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in asked if each.annotation is not Request]
    names = _names_of(page)

    async def sheet(request: Request, **_: object) -> Response:
        insist_on_typesetter()
        shown = request.url.path.removesuffix(f".{form}")
        of_page = Request({**request.scope, "path": shown, "raw_path": shown.encode()}, request.receive)
        answer = await make(of_page)
        of_run = request.path_params.get("run_id", request.query_params.get("run") if "run" in names else None)
        run = await run_in_threadpool(find_run, of_run)
        is_of_run = "run" in names or "run_id" in request.path_params
        address = _address(request, shown, names)
        content = await run_in_threadpool(
            make_sheet, bytes(answer.body).decode(), form, run if is_of_run else None, settings, address,
            None if run is None else run["made_at"],
        )  # fmt: skip
        name = "-".join(["bluelamp", settings.force.id, *shown.strip("/").split("/")])
        headers = {"Content-Disposition": f'inline; filename="{_UNSAFE.sub("_", name)}.{form}"'}
        response = tagged(request, content, MEDIA_TYPES[form], headers)
        if "cache-control" in answer.headers:
            response.headers["cache-control"] = answer.headers["cache-control"]
        return response

    request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    sheet.__signature__ = inspect.Signature([request, *taken])  # type: ignore[attr-defined]
    return sheet


def make_sheet(
    html: str, form: Form, run: Mapping[str, Any] | None, settings: Settings, address: str, made_at: datetime | None
) -> bytes:
    """Give a page as a sheet. The same page of the same run has the same bytes.

    `run` is the run that the page speaks of, if it is of one; `made_at` dates the document.
    """
    from bluelamp.web.sheets.reading import read_page
    from bluelamp.web.sheets.setting import Furniture, make_document

    zone = periods.zone(settings.force.time_zone)
    made = (made_at or datetime.now(UTC)).astimezone(zone)
    furniture = Furniture(
        settings.force.name, "" if run is None else _facts(run, settings.force.time_zone), address, made.date(),
        settings.service.marking,
    )  # fmt: skip
    return typeset(make_document(read_page(html), furniture), form)


def _facts(run: Mapping[str, Any], time_zone: str) -> str:
    """Say which run a page is of, when it was made, and how old its data was then."""
    zone = periods.zone(time_zone)
    made, until = (run[name].astimezone(zone) for name in ("made_at", "data_until"))
    hours = max(int((made - until).total_seconds() // 3600), 0)
    age = f"{hours} {'hour' if hours == 1 else 'hours'}" if hours < 48 else f"{hours // 24} days"
    return (
        f"Run {run['run_id']}, made {made:%a} {made.day} {made:%b %Y %H:%M %Z}; data until {until:%a} {until.day} "
        f"{until:%b %Y %H:%M %Z}, {age} old when the run was made."
    )


def _names_of(page: APIRoute) -> frozenset[str]:
    """Give the names of what a page can be asked for."""
    found = set()
    waiting = [page.dependant]
    while waiting:
        each = waiting.pop()
        found |= {field.alias for field in each.query_params}
        waiting += each.dependencies
    return frozenset(found)


def _address(request: Request, path: str, names: frozenset[str]) -> str:
    """Give the page's address as it is printed: of what follows the question mark only what the page takes."""
    columns_too = path.startswith("/tables/")
    kept = [(name, value) for name, value in parse_qsl(request.url.query) if name in names or columns_too]
    query = f"?{urlencode(kept)}" if kept else ""
    host = request.url.netloc
    return f"{'' if host.partition(':')[0] in _LOCAL else host}{path}{query}"


def _with_links(make: Make, admission: Admission) -> Make:
    """Let a page have links to its own sheets, for whoever may take them out."""

    async def answer(request: Request) -> Response:
        response = await make(request)
        body = bytes(response.body)
        if SLOT in body:
            response.body = body.replace(SLOT, _links(request, admission).encode())
            response.headers["content-length"] = str(len(response.body))
        return response

    return answer


def _links(request: Request, admission: Admission) -> str:
    path = request.url.path
    row = row_of("GET", f"{request.scope['route'].path_format}.pdf", request.path_params)
    holder = request.state.asker.holder
    if row is None or row.kind is None or not may(holder, row.kind, row.action, admission.force_id):
        return ""
    query = f"?{request.url.query}" if request.url.query else ""
    links = [
        f'<a href="{escape(f"{path}.{form}{query}")}" aria-label="This page as {form.upper()}">{form.upper()}</a>'
        for form in SHEET_FORMS
    ]
    return f'<span class="twins sheet-links">{" ".join(links)}</span>'
