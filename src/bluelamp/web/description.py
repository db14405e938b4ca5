"""The OpenAPI description made true: what each address takes and answers, errors too.

FastAPI describes parameters. It does not know the forms that pages send, what a `Response` holds, nor that errors are
sentences for programs (RFC 9457) or pages for people. All of that is said here, once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from bluelamp import tables
from bluelamp.access import ROLES
from bluelamp.jobs import KINDS
from bluelamp.web.ogc_features import COLLECTIONS

MEDIA_TYPES = {"pdf": "application/pdf", "png": "image/png"}
_TEXT = {"type": "string"}
_TOKEN = {"token": {**_TEXT, "description": "What the page carries; a program with a key leaves it out"}}
_ACCOUNT = {
    "role": {"type": "string", "enum": list(ROLES)}, "districts": _TEXT, "teams": _TEXT, "password": _TEXT,
}  # fmt: skip
FORMS: Mapping[str, Mapping[str, Any]] = {
    "/sign-in": {"name": _TEXT, "password": _TEXT, "next": _TEXT},
    "/sign-out": _TOKEN,
    "/set-up": {"code": _TEXT, "name": _TEXT, "password": _TEXT, "again": _TEXT},
    "/account/password": {"password": _TEXT, "new": _TEXT, "again": _TEXT, **_TOKEN},
    "/accounts": {"name": _TEXT, "force": _TEXT, **_ACCOUNT, **_TOKEN},
    "/accounts/{name}": {"action": {"type": "string", "enum": ["", "close", "open"]}, **_ACCOUNT, **_TOKEN},
    "/jobs": {"kind": {"type": "string", "enum": list(KINDS)}, **_TOKEN},
    "/jobs/{key}/stop": _TOKEN,
    "/codes": {"action": {"type": "string", "enum": ["save", "apply"]}, "author": _TEXT, "version": _TEXT, **_TOKEN},
    "/codes/effect.json": {"version": _TEXT, **_TOKEN},
}  # fmt: skip
# Answers with an ETag, which are empty where the asker has the same already.
_TAGGED = re.compile(r"^/(.*\.(pdf|png)|tables/.*\.(csv|json)|api/v1/.*|ogc/.*|api/map\.json|api/hotspots\.json)$")
# Events of a table: what they say, they say with its columns. What they leave out stays as it was.
_EVENTS = {
    address: {"type": "array", "minItems": 1, "items": {"type": "object", "required": list(tables.table(name).key)}}
    for address, name in (("/api/incidents", "incidents"), ("/api/unit_status", "unit_status"))
}
_JOB = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"type": "string", "enum": list(KINDS)}, "settings": {"type": "object"}},
    "additionalProperties": False,
}
_SENT_ON = ("/sign-in", "/sign-out", "/set-up", "/openid/sign-in", "/openid/back", "/codes", "/account/password",
            "/accounts", "/accounts/{name}", "/jobs", "/jobs/{key}/stop")  # fmt: skip
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "problems"],
    "properties": {
        "type": {"const": "about:blank"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and what to do"},
        "problems": {"type": "array", "items": _TEXT},
    },
}
_ERRORS = {
    400: "The address asks for what there can't be, or the request is for a host name that is not served",
    401: "Nobody is known to ask",
    403: "This is not for the account",
    404: "There is no such table, run or place",
    422: "Something that was given is not what it should be",
    503: "Too many requests, somebody else is writing, or the database is away: the same request works in a moment",
    507: "The disk is full: the same request works once there is room",
}
_ALSO = {
    "/sign-in": (429, "Too many wrong passwords: wait a quarter of an hour"),
    "/codes": (409, "Somebody else saved meanwhile"),
}


def is_for_programs(path: str) -> bool:
    """Say whether what an address answers is read by programs, so that its errors are, too."""
    return path.endswith((".json", ".csv", ".geojson")) or path.startswith(("/api/", "/ogc/", "/metrics"))


def describe(app: FastAPI, shown: Sequence[str]) -> None:
    """Let an application describe itself truly. It is described when first asked, with all addresses that it has.

    `shown` are the tables that are given out to some account.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            for path, operations in made["paths"].items():
                for method, operation in operations.items():
                    _amend(operation, method, path)
                    _name_choices(operation, path, shown)
            made["components"] = {
                "schemas": {"Problem": _PROBLEM},
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A program's key"}},
            }
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _amend(operation: dict[str, Any], method: str, path: str) -> None:
    is_list = path.startswith("/tables/") or path in ("/log.json", "/now/{name}.json")
    is_list = is_list or (path == "/jobs.json" and method == "get")
    kind = _media_type(path)
    schema: dict[str, Any] = {"type": "string"}
    if kind.endswith("json"):
        schema = _schema_of(path) if not is_list else {"type": "array", "items": {"type": "object"}}
    responses: dict[str, Any] = {"200": {"description": "What was asked for", "content": {kind: {"schema": schema}}}}
    if path in _EVENTS:
        responses = {"202": responses["200"] | {"description": "Taken, and kept: nothing of it can be lost"}}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _EVENTS[path]}}}
    if path in ("/jobs.json", "/api/extracts") and method == "post":
        responses = {"202": responses["200"] | {"description": "Asked for, and kept: it is done when its turn comes"}}
        content = {"application/json": {"schema": _JOB}}
        if path == "/api/extracts":
            content = {"application/octet-stream": {"schema": {"type": "string", "minLength": 1}}}
        operation["requestBody"] = {"required": True, "content": content}
    if _TAGGED.match(path):
        responses["200"]["headers"] = {"ETag": {"schema": _TEXT, "required": True}}
        responses["304"] = {"description": "The asker has the same already"}
    if path in _SENT_ON or not is_for_programs(path):
        responses["303"] = {"description": "Elsewhere: to the sign-in, or to where a form leads"}
    if path.endswith(".pmtiles"):
        responses["206"] = responses["200"] | {"description": "The bytes that were asked for"}
        for status, words in ((400, "The range can't be read"), (416, "The file has no such bytes")):
            responses[str(status)] = {"description": words, "content": {"text/plain": {"schema": _TEXT}}}
    for status, words in _ERRORS.items():
        if not (status == 422 and path.startswith("/ogc/")):
            responses[str(status)] = {"description": words, "content": _problem_at(path, status, method)}
    if method == "post" and path in _ALSO:
        status, words = _ALSO[path]
        responses[str(status)] = {"description": words, "content": {"text/html": {"schema": _TEXT}}}
    operation["responses"] = dict(sorted(responses.items()))
    operation["security"] = [{"key": []}, {}]
    if path in FORMS and method == "post":
        form = {"type": "object", "properties": dict(FORMS[path])}
        operation["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": form}}}


def _name_choices(operation: Mapping[str, Any], path: str, shown: Sequence[str]) -> None:
    """Say which tables and layers there are, where an address has the name of one in it."""
    choices = {"collection": list(COLLECTIONS)}
    # A path that lists its own choices keeps them.
    if path != "/accounts/{name}" and not path.startswith("/now/"):
        choices["name"] = tables.names() if path.startswith("/schemas/") else list(shown)
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path" and parameter["name"] in choices:
            parameter["schema"] = {"type": "string", "enum": choices[parameter["name"]]}


def _problem_at(path: str, status: int, method: str) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    page = {"text/html": {"schema": _TEXT}}
    # Whoever asks for a host name that is not served is told so before anything else is looked at.
    plain = {"text/plain": {"schema": _TEXT}} if status == 400 else {}
    if is_for_programs(path):
        return problem | plain
    # A page that is not for everybody leads to the sign-in; who sends a form is told, on the page where one was typed.
    return page | plain | (problem if status == 401 else {})


def _media_type(path: str) -> str:
    if path == "/api/live":
        return "text/event-stream"
    if path == "/metrics":
        return "text/plain"
    if path.startswith("/schemas/"):
        return "application/schema+json"
    if path.endswith(".geojson") or "/items" in path:
        return "application/geo+json"
    if path.endswith(".csv"):
        return "text/csv"
    if path.endswith(".pmtiles"):
        return "application/vnd.pmtiles"
    if path.endswith((".pdf", ".png")):
        return MEDIA_TYPES[path[-3:]]
    return "application/json" if is_for_programs(path) else "text/html"


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _schema_of(path: str) -> dict[str, Any]:
    rows = {"type": "array", "items": {"type": "object"}}
    links = {"type": "array", "items": _object(href=_TEXT, rel=_TEXT, type=_TEXT, title=_TEXT)}
    feature = _object(type={"const": "Feature"}, id=_TEXT, geometry={"type": ["object", "null"]},
                      properties={"type": "object"})  # fmt: skip
    collection = _object(id=_TEXT, title=_TEXT, description=_TEXT, links=links)
    known: dict[str, dict[str, Any]] = {
        "/api/v1/tables": _object(data=rows, links=_object(self=_TEXT)),
        "/api/v1/runs": _object(data=rows, links=_object(self=_TEXT)),
        "/api/v1/tables/{name}": _object(
            table=_TEXT, run_id={"type": ["string", "null"]}, data=rows,
            links=_object(self=_TEXT, next={"type": ["string", "null"]}, schema=_TEXT),
        ),
        "/ogc/": _object(title=_TEXT, description=_TEXT, links=links),
        "/ogc/conformance": _object(conformsTo={"type": "array", "items": _TEXT}),
        "/ogc/collections": _object(links=links, collections={"type": "array", "items": collection}),
        "/ogc/collections/{collection}": collection,
        "/ogc/collections/{collection}/items": _object(
            type={"const": "FeatureCollection"}, features={"type": "array", "items": feature}, links=links,
            numberMatched={"type": "integer"}, numberReturned={"type": "integer"},
        ),
        "/ogc/collections/{collection}/items/{feature_id}": feature,
        "/hotspots.geojson": _object(type={"const": "FeatureCollection"}, features=rows),
    }  # fmt: skip
    return known.get(path, {"type": "object"})
