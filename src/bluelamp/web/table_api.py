"""Tables for programs: what there is, and rows a page at a time, at addresses that keep their meaning (`/api/v1/`).

A page's link `next` leads to the rest, of the same run even where a newer one has come meanwhile. What `/tables/` gives
whole, these addresses give in parts; rows, filters and rights are the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
import polars as pl
from fastapi import FastAPI, Query, Request
from fastapi import Path as PathPart
from fastapi.responses import Response

from bluelamp import tables
from bluelamp.access import Holder, kind_of_table, may
from bluelamp.errors import NoInput, UsageError, did_you_mean
from bluelamp.web.squeezed import tagged

USUALLY, MOST = 1_000, 10_000
# What an address says beside the columns of a table.
OF_A_PAGE = ("run", "limit", "after")
_OF_A_RUN = ("run_id", "sequence", "made_at", "data_until", "forecast_from", "method", "staffing_method")
_MEDIA_TYPE = "application/json"

NAME = Annotated[str, PathPart(description="A table's name", pattern=r"^[a-z_]+$")]
RUN = Annotated[str | None, Query(description="A run's id; the latest run where it is left out")]
LIMIT = Annotated[int, Query(ge=1, le=MOST, description="Rows at most")]
AFTER = Annotated[
    str | None, Query(max_length=400, description="Where the page before ended, as its link 'next' has it")
]

FindTable = Callable[[Holder, str, str | None], pl.DataFrame]
FindRunOf = Callable[[str, str | None], str | None]
ListRuns = Callable[[], pl.DataFrame]


@dataclass(frozen=True)
class Cursor:
    """Where a page ended: of which run, after how many rows, whose last has this digest, of what was asked for."""

    run: str | None
    rows: int
    last: str
    asked: str

    def written(self) -> str:
        """Give it as letters and digits for an address."""
        return base64.urlsafe_b64encode(orjson.dumps(asdict(self))).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Read a cursor back. Raises UsageError where it is none of ours."""
    try:
        read = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        cursor = Cursor(**read)
        whole = type(cursor.rows) is int and 0 < cursor.rows < 2**53
        if whole and all(isinstance(each, str) for each in (cursor.last, cursor.asked, cursor.run or "")):
            return cursor
    except (ValueError, TypeError):
        pass
    raise UsageError("'after' is not where a page ended. Leave it out for the first page, and follow its link 'next'.")


def add_table_api(
    app: FastAPI, force_id: str, shown: tuple[str, ...], find_table: FindTable, find_run_of: FindRunOf,
    list_runs: ListRuns,
) -> None:  # fmt: skip
    """Add the addresses below `/api/v1/`.

    `shown` are the tables that are given out, `find_table` what an account may see of one, `find_run_of` the run that
    its rows are of (None for a table that is of no run), and `list_runs` the table `runs`.
    """

    @app.get("/api/v1/tables", summary="The tables that the account may take out")
    def list_tables(request: Request) -> Response:
        holder = request.state.asker.holder
        taken = [_about(name) for name in shown if may(holder, kind_of_table(name), "export", force_id)]
        content = {"data": taken, "links": {"self": "/api/v1/tables"}}
        return tagged(request, orjson.dumps(content), _MEDIA_TYPE)

    @app.get("/api/v1/runs", summary="The runs, the newest first")
    def runs(request: Request) -> Response:
        newest = list_runs().sort("sequence", descending=True).select(_OF_A_RUN)
        instants = pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        content = {"data": newest.with_columns(instants).to_dicts(), "links": {"self": "/api/v1/runs"}}
        return tagged(request, orjson.dumps(content), _MEDIA_TYPE)

    @app.get("/api/v1/tables/{name}", summary="Rows of a table by its key, a page at a time")
    def page(name: NAME, request: Request, run: RUN = None, limit: LIMIT = USUALLY, after: AFTER = None) -> Response:
        if name not in tables.names():
            raise NoInput(f"There is no table '{name}'.{did_you_mean(name, shown)} '/api/v1/tables' lists them.")
        asked = {key: each for key, each in request.query_params.items() if key not in OF_A_PAGE}
        cursor = None if after is None else read_cursor(after)
        if cursor is not None:
            _insist_on_same(cursor, run, asked)
            run = cursor.run or run
        run_id = find_run_of(name, run)
        rows = tables.keep(find_table(request.state.asker.holder, name, run_id or run), name, asked)
        rows = rows.sort(tables.table(name).key, nulls_last=False)
        begins = 0 if cursor is None else _place_of(cursor, rows, name)
        shown_rows = rows.slice(begins, limit)
        content = {
            "table": name,
            "run_id": run_id,
            "data": orjson.Fragment(tables.to_json(shown_rows, name)),
            "links": {
                "self": _address(name, dict(request.query_params)),
                "next": _next(name, asked, run_id, limit, begins + limit, rows),
                "schema": f"/schemas/{name}.json",
            },
        }
        return tagged(request, orjson.dumps(content), _MEDIA_TYPE)


def _about(name: str) -> dict[str, Any]:
    definition = tables.table(name)
    links = {"rows": f"/api/v1/tables/{name}", "schema": f"/schemas/{name}.json"}
    return {"name": name, "title": definition.title, "row": definition.row, "key": definition.key, "links": links}


def _next(
    name: str, asked: Mapping[str, str], run_id: str | None, limit: int, ends: int, rows: pl.DataFrame
) -> str | None:
    if ends >= rows.height:
        return None
    cursor = Cursor(run_id, ends, _digest_of_row(rows, ends - 1, name), _digest(sorted(asked.items())))
    return _address(name, {**asked, "limit": limit, "after": cursor.written()})


def _address(name: str, query: Mapping[str, Any]) -> str:
    return f"/api/v1/tables/{name}{'?' if query else ''}{urlencode(query)}"


def _insist_on_same(cursor: Cursor, run: str | None, asked: Mapping[str, str]) -> None:
    if cursor.asked != _digest(sorted(asked.items())) or (run is not None and run != cursor.run):
        raise UsageError(
            "'after' is of another run or of other rows than the address asks for. Follow a page's link 'next' as it "
            "is, or leave 'after' out for the first page."
        )


def _place_of(cursor: Cursor, rows: pl.DataFrame, name: str) -> int:
    """Say after how many rows a page begins. Raises UsageError where the rows before it are no longer those."""
    if cursor.rows > rows.height or _digest_of_row(rows, cursor.rows - 1, name) != cursor.last:
        raise UsageError(
            f"'{name}' has changed since the page before, so that pages would not fit together. Begin again without "
            "'after'."
        )
    return cursor.rows


def _digest_of_row(rows: pl.DataFrame, at: int, name: str) -> str:
    # A digest, because addresses are logged, and a key may be the number of an incident or of a person.
    return _digest([str(each) for each in rows.select(tables.table(name).key).row(at)])


def _digest(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value)).hexdigest()[:16]
