"""The auditor's page: the log, whether it holds, and the same as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, Response

from bluelamp import periods
from bluelamp.errors import InputOutputError, UsageError, did_you_mean, one_of
from bluelamp.state import log
from bluelamp.web.admission import Admission
from bluelamp.web.templating import TEMPLATES

ENTRIES_ON_A_PAGE = 200
_MOST = 100_000

OPERATION = Annotated[str | None, Query(description="One of the operations, such as disclosure; any without")]
WHO = Annotated[str | None, Query(description="An account's name; anybody without")]
BEFORE = Annotated[int | None, Query(ge=1, description="Only entries before this one")]
MOST = Annotated[int, Query(ge=1, le=_MOST, description="At most so many, the newest first")]


def in_words(detail: str) -> str:
    """Give an entry's detail as people read it: 'from: 127.0.0.1; went: well'."""
    told = orjson.loads(detail)
    lines = {
        name.replace("_", " "): value if isinstance(value, str) else json.dumps(value) for name, value in told.items()
    }
    return "; ".join(f"{name}: {words}" for name, words in lines.items())


def add_log(app: FastAPI, admission: Admission, folder: Path) -> None:
    """Add the page and its twins."""
    zone = periods.zone(admission.settings.force.time_zone)

    def local(at: str) -> str:
        return f"{datetime.fromisoformat(at).astimezone(zone):%a %d %b %Y %H:%M:%S %Z}"

    def find(operation: str | None, who: str | None, before: int | None, most: int) -> list[log.Entry]:
        if operation and operation not in log.OPERATIONS:
            hint = did_you_mean(operation, log.OPERATIONS)
            raise UsageError(f"There is no operation '{operation}'. {one_of(log.OPERATIONS)} was expected.{hint}")
        if admission.state is None:
            return []
        return log.entries(admission.state, operation=operation or None, who=who or None, before=before, most=most)

    @app.get("/log", response_class=HTMLResponse, summary="Who saw, changed, exported or shared what, and when")
    def page(operation: OPERATION = None, who: WHO = None, before: BEFORE = None) -> HTMLResponse:
        found = find(operation, who, before, ENTRIES_ON_A_PAGE)
        asked = {"operation": operation, "who": who}
        text = TEMPLATES.get_template("log.html").render(
            force_name=admission.settings.force.name, entries=found, operations=log.OPERATION_WORDS,
            operation=operation, who=who, local=local, in_words=in_words, is_kept=admission.state is not None,
            verdict=None if admission.state is None else log.verify(admission.state, _heads(admission, folder)),
            query=_query(asked), older=_older(asked, found),
        )  # fmt: skip
        return HTMLResponse(text, headers={"Cache-Control": "no-store"})

    @app.get("/log.json", summary="The log as JSON, the newest entries first")
    def as_json(operation: OPERATION = None, who: WHO = None, before: BEFORE = None, most: MOST = 10_000) -> Response:
        found = [asdict(each) for each in find(operation, who, before, most)]
        return Response(orjson.dumps(found), media_type="application/json", headers={"Cache-Control": "no-store"})

    @app.get("/log.csv", summary="The log as CSV, the newest entries first")
    def as_csv(
        request: Request, operation: OPERATION = None, who: WHO = None, before: BEFORE = None, most: MOST = 10_000
    ) -> Response:
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow([each.name for each in fields(log.Entry)])
        for each in find(operation, who, before, most):
            writer.writerow(log.harmless(each))
        headers = {"Content-Disposition": 'attachment; filename="log.csv"', "Cache-Control": "no-store"}
        return Response(lines.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _heads(admission: Admission, folder: Path) -> list[log.Head]:
    where = admission.settings.service.log_heads
    if where is None:
        return []
    path = folder / where
    try:
        return log.read_heads(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputOutputError(f"The heads of the log can't be read at '{path}': {error.strerror}.") from None


def _query(asked: Mapping[str, Any]) -> str:
    given = {name: value for name, value in asked.items() if value}
    return f"?{urlencode(given)}" if given else ""


def _older(asked: Mapping[str, Any], found: list[log.Entry]) -> str | None:
    if len(found) < ENTRIES_ON_A_PAGE:
        return None
    return "/log" + _query({**asked, "before": found[-1].sequence})
