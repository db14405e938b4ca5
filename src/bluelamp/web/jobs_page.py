"""Long work, asked for on a page or by a program: what waits, what is under way, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Query, Request
from fastapi import Path as PathPart
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from bluelamp import intake, jobs, periods
from bluelamp.access import may
from bluelamp.errors import BadData, NoInput, UsageError
from bluelamp.jobs import Job
from bluelamp.state import State
from bluelamp.state import jobs as kept
from bluelamp.web.admission import Admission, form_of
from bluelamp.web.templating import TEMPLATES

JOBS_ON_A_PAGE = 50
_MOST = 1_000
LARGEST_EXTRACT = 4_000_000_000
_LARGEST_REQUEST = 10_000
PAGE_HEADERS = {"Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
KEY = Annotated[str, PathPart(description="A job's key", pattern=r"^j\d{6}-[0-9a-f]{12}$")]
MOST = Annotated[int, Query(ge=1, le=_MOST, description="At most so many, the newest")]
NAME = Annotated[str, Query(max_length=150, description="The extract's file name, by which its table is told")]
TABLE = Annotated[str | None, Query(pattern=r"^[a-z_]+$", description="The table that it fills, where that is known")]


def add_jobs(app: FastAPI, admission: Admission, folder: Path) -> None:
    """Add the page and its twins."""
    zone = periods.zone(admission.settings.force.time_zone)

    def local(at: datetime) -> str:
        here = at.astimezone(zone)
        return f"{here:%a} {here.day} {here:%b %H:%M:%S %Z}"

    def render(request: Request, status: int = 200, error: str | None = None) -> HTMLResponse:
        asker = request.state.asker
        found = [] if admission.state is None else kept.every(admission.state, most=JOBS_ON_A_PAGE)
        text = TEMPLATES.get_template("jobs.html").render(
            force_name=admission.settings.force.name, asker=asker, jobs=found, kinds=jobs.KINDS, words=_words,
            local=local, is_kept=admission.state is not None, tables=intake.ORDER, error=error,
            may_ask=may(asker.holder, "jobs", "change", admission.force_id),
            plan_at=admission.settings.service.plan_at,
            is_busy=any(not each.has_ended for each in found),
        )  # fmt: skip
        return HTMLResponse(text, status, headers=PAGE_HEADERS)

    def ask(request: Request, kind: str, settings: Mapping[str, Any]) -> Job:
        if kind == "import" and settings:
            raise UsageError("An import is of all that force.toml names; one file is sent to /api/extracts.")
        return jobs.ask(_state(admission), kind, settings, request.state.asker.holder.name)[0]

    @app.get("/jobs", response_class=HTMLResponse, summary="Long work: what waits, is under way, and became of it")
    def page(request: Request) -> HTMLResponse:
        return render(request)

    @app.get("/jobs.json", summary="Jobs as JSON, the newest first")
    def as_json(most: MOST = 100) -> Response:
        found = [] if admission.state is None else kept.every(admission.state, most=most)
        return _json([_told(each) for each in found])

    @app.get("/jobs/{key}.json", summary="One job as JSON")
    def one(key: KEY) -> Response:
        return _json(_told(kept.find(_state(admission), key)))

    @app.post("/jobs", response_class=HTMLResponse, summary="Ask for a job on the page")
    async def ask_on_page(request: Request) -> Response:
        form = await form_of(request)
        given = {name: value for name, value in form.items() if name not in ("kind", "token") and value != ""}
        try:
            await run_in_threadpool(ask, request, form.get("kind", ""), given)
        except UsageError as error:
            return await run_in_threadpool(render, request, 400, str(error))
        return RedirectResponse("/jobs", 303, headers=PAGE_HEADERS)

    @app.post("/jobs.json", status_code=202, summary="Ask for a job as a program")
    async def ask_as_program(request: Request) -> Response:
        kind, settings = _read(await _body(request))
        return _json(_told(await run_in_threadpool(ask, request, kind, settings)), 202)

    @app.post("/jobs/{key}/stop", response_class=HTMLResponse, summary="Ask for a job to be stopped")
    def stop(key: KEY) -> Response:
        jobs.ask_to_stop(_state(admission), folder, key)
        return RedirectResponse("/jobs", 303, headers=PAGE_HEADERS)

    @app.post("/api/extracts", status_code=202, summary="Send an extract to be imported")
    async def take_extract(request: Request, name: NAME, table: TABLE = None) -> Response:
        state = _state(admission)
        sent = await run_in_threadpool(jobs.Upload, state, folder, name, table)
        with sent:
            size = 0
            async for part in request.stream():
                size += len(part)
                if size > LARGEST_EXTRACT:
                    raise BadData(f"The extract is larger than {LARGEST_EXTRACT:,} bytes. Send it in parts.")
                await run_in_threadpool(sent.write, part)
            if not size:
                raise BadData("Nothing was sent. The extract itself was expected as the content of the request.")
            job = await run_in_threadpool(sent.ask, request.state.asker.holder.name)
        return _json(_told(job), 202)


def _state(admission: Admission) -> State:
    if admission.state is None:
        raise NoInput(
            "No jobs are done here: the service is open to this machine alone. Start it with --sign-in, or call "
            "'bluelamp plan' and the like yourself."
        )
    return admission.state


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_REQUEST:
            raise BadData(f"The request is larger than {_LARGEST_REQUEST:,} bytes.")
    return body


def _read(body: bytes) -> tuple[str, dict[str, Any]]:
    expected = 'A JSON object such as {"kind": "plan", "settings": {}} was expected.'
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadData(f"What was sent can't be read. {expected}") from None
    if not isinstance(given, dict) or not set(given) <= {"kind", "settings"} or not isinstance(given.get("kind"), str):
        raise BadData(f"What was sent is no job. {expected}")
    settings = given.get("settings", {})
    if not isinstance(settings, dict):
        raise BadData(f"'settings' is no JSON object. {expected}")
    return given["kind"], settings


def _told(job: Job) -> dict[str, Any]:
    """Give what programs are told of a job; what was sent for it is kept under a name that is nobody's business."""
    settings = {name: value for name, value in job.settings.items() if name != "upload"}
    return {
        "key": job.key, "kind": job.kind, "settings": settings, "asked_by": job.asked_by, "asked_at": job.asked_at,
        "state": job.state, "tries": job.tries, "is_stopping": job.is_stopping, "began_at": job.began_at,
        "ended_at": job.ended_at, "stage": job.stage, "share": job.share, "words": job.words, "outcome": job.outcome,
    }  # fmt: skip


def _words(job: Job) -> str:
    """Say on the page what a job is."""
    if job.kind == "import" and "name" in job.settings:
        into = f" into '{job.settings['table']}'" if "table" in job.settings else ""
        return f"Import {job.settings['name']}{into}"
    return jobs.KINDS[job.kind].name


def _json(content: Any, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(orjson.dumps(content), status, media_type="application/json", headers=headers)
