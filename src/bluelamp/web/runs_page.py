"""The pages of runs: which there are, and every import, setting and software version behind the figures of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Annotated, Any

import orjson
import polars as pl
from fastapi import FastAPI, Request
from fastapi import Path as PathPart
from fastapi.responses import HTMLResponse, Response

from bluelamp import periods
from bluelamp.access import Holder, kind_of_table, may
from bluelamp.errors import count_of
from bluelamp.lineage import Record, read_record
from bluelamp.settings import ForcePart
from bluelamp.store import Store
from bluelamp.web.navigation import FIRST, MORE, seen_by
from bluelamp.web.templating import TEMPLATES

RUN_ID = Annotated[str, PathPart(description="A run's id")]


def add_runs(
    app: FastAPI, store: Store, force: ForcePart, shown: Collection[str],
    table_for: Callable[[Holder, str, str | None], pl.DataFrame],
) -> None:  # fmt: skip
    """Add the page of all runs and that of one. `shown` are the tables that some account may look at, `table_for` gives
    what one may see of a table.
    """

    def record_for(holder: Holder, run_id: str) -> Record:
        pools = table_for(holder, "pools", run_id)["pool_id"].to_list() if holder.districts else None
        return read_record(store, run_id, pools)

    @app.get("/runs", response_class=HTMLResponse, summary="The runs there are")
    def every_run(request: Request) -> HTMLResponse:
        holder = request.state.asker.holder
        runs = store.runs().sort("sequence", descending=True).to_dicts()
        return HTMLResponse(render_runs_page(runs, force, holder))

    @app.get("/runs/{run_id}.json", summary="What one run was made from, and what differs from the run before")
    def as_json(run_id: RUN_ID, request: Request) -> Response:
        record = record_for(request.state.asker.holder, run_id)
        return Response(orjson.dumps(record.to_json()), media_type="application/json")

    @app.get("/runs/{run_id}", response_class=HTMLResponse, summary="What one run was made from: each figure's source")
    def one_run(run_id: RUN_ID, request: Request) -> HTMLResponse:
        holder = request.state.asker.holder
        looks = [name for name in shown if may(holder, kind_of_table(name), "consult", force.id)]
        return HTMLResponse(render_run_page(record_for(holder, run_id), force, holder, looks))


class _Clock:
    def __init__(self, force: ForcePart) -> None:
        self.time_zone = force.time_zone

    def __call__(self, at: datetime | None) -> str:
        if at is None:
            return ""
        local = at.astimezone(periods.zone(self.time_zone))
        return periods.as_read(at, self.time_zone, f"%a {local.day} %b %Y %H:%M")


def _views(run_id: str, holder: Holder, force: ForcePart) -> list[dict[str, str]]:
    """Give the views that can show an earlier run, as far as they may be opened."""
    open_to = seen_by(holder, force.id)
    every = (*FIRST, *(view for group in MORE.values() for view in group))
    return [
        {"address": f"{each.address}?run={run_id}", "words": each.words}
        for each in every
        if each.takes_run and each.address in open_to
    ]


def render_runs_page(
    runs: list[dict[str, Any]], force: ForcePart, holder: Holder
) -> str:  # fmt: skip
    """Give the page of all runs, the latest first."""
    return TEMPLATES.get_template("runs.html").render(
        force_name=force.name,
        about=f"Clock of {force.time_zone}.",
        runs=[
            {
                **row,
                "version": json.loads(row["versions"]).get("bluelamp", ""),
                "imports": len(json.loads(row["batches"])),
                "views": _views(row["run_id"], holder, force),
            }
            for row in runs
        ],
        when=_Clock(force),
    )


def render_run_page(
    record: Record, force: ForcePart, holder: Holder, looks: Collection[str]
) -> str:  # fmt: skip
    """Give the page of one run. `looks` are the tables that whoever asks may look at."""
    run, clock = record.run, _Clock(force)
    return TEMPLATES.get_template("run.html").render(
        force_name=force.name,
        about=f"Made {clock(run['made_at'])}; clock of {force.time_zone}.",
        run=run,
        before=record.before,
        sentences=_sentences(record, clock),
        views=_views(run["run_id"], holder, force),
        imports=record.imports.to_dicts(),
        results=record.results,
        looks=set(looks),
        settings=record.settings,
        versions=record.versions,
        moved=record.moved,
        hours=record.hours_shared,
        changed=[each for each in (*record.settings, *record.versions) if each.differs],
        seconds=json.loads(run["seconds"] or "{}"),
        notes=json.loads(run["notes"]),
        when=clock,
        value=_in_words,
        number=lambda value: f"{value:,.0f}",
    )


def _in_words(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _sentences(record: Record, clock: _Clock) -> list[str]:
    run, versions = record.run, {each.name: each.value for each in record.versions}
    said = [
        f"Made {clock(run['made_at'])} by Bluelamp {versions.get('bluelamp', 'of an unknown version')}, from data "
        f"until {clock(run['data_until'])}; its first hour is {clock(run['forecast_from'])}.",
        f"Forecast by the method '{run['method']}', staffing by '{run['staffing_method']}', chance drawn from seed "
        f"{run['seed']}.",
        f"It read {count_of(record.imports.height, 'import')} into "
        f"{count_of(record.imports['table_name'].n_unique(), 'table')}, and made "
        f"{count_of(len(record.results), 'table')}.",
    ]
    if record.erasures:
        said.append(
            f"{count_of(record.erasures, 'erasure')} since then took rows away, so that it can no longer be made "
            "again as it was."
        )
    else:
        said.append("The same imports, settings, versions and seed make the same tables again, to the byte.")
    said.append(_since(record))
    return said


def _since(record: Record) -> str:
    if record.before is None:
        return "It is the first run."
    compared = [each for each in record.results if each.differs is not None]
    same = sum(not each.differs for each in compared)
    new = record.imports.filter("is_new")
    grown = ", ".join(new["table_name"].unique().sort().to_list())
    imports = f"{count_of(new.height, 'import')} came since ({grown})" if new.height else "no import came since"
    settings = sum(each.differs for each in record.settings)
    versions = sum(each.differs for each in record.versions)
    return (
        f"Against the run before it, {record.before['run_id']}: {imports}; "
        f"{count_of(settings, 'setting differs', 'settings differ')} and "
        f"{count_of(versions, 'version differs', 'versions differ')}; {same} of {count_of(len(compared), 'table')} "
        "are the same to the byte."
    )
