"""The page on which a change is tried: what is changed, both plans by hour, their difference. It keeps nothing.

Everything that was asked stands in the address, so that a trial can be kept, sent, opened again and undone by going
back. The page works as a form; its script asks for the same address with fewer runs while a slider moves, and puts the
part that answers in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import orjson
import polars as pl
from fastapi import Depends, FastAPI, Query
from fastapi.responses import HTMLResponse, Response
from starlette.background import BackgroundTask

from bluelamp import periods, tables
from bluelamp import settings as settings_
from bluelamp import what_if as trial
from bluelamp.coming_work import Coming, read_coming
from bluelamp.errors import BluelampError
from bluelamp.reports.map import DAYS as MAP_DAYS
from bluelamp.reports.map import make_backlog
from bluelamp.store import Store
from bluelamp.two_changes import TwoChanges, name_problems
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.what_if_answer import lay_out_one, lay_out_two, most_urgent, told_on
from bluelamp.web.what_if_asked import ALL, DAYS, MOST_RUNS, RUNS_WHILE_MOVING, Asked

FindRun = Callable[[str | None], Mapping[str, Any]]
# The map shows the backlog of the days that it shows, from fewer runs than a trial: nobody asked for a difference.
_MAP_RUNS = 40
ASKED = Annotated[Asked, Depends()]
RUN = Annotated[str | None, Query(description="A run's id; the latest run where it is left out")]


class _Trials:
    """Trials of a force's runs: the coming days are read once, and answers kept while they are asked for again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # One trial at a time: a simulation takes both cores, and the plan as it stands is worked out once.
        self._busy = Lock()
        self._read = lru_cache(maxsize=4)(self._read_coming)
        self._begun = lru_cache(maxsize=6)(self._begin)
        self._kept = lru_cache(maxsize=12)(self._compare)

    def coming(self, run_id: str) -> Coming:
        """Give the coming days of a run, as many as are usually shown."""
        with self._busy:
            return self._read(run_id, self.at_most(DAYS))

    def compare(self, run_id: str, days: int, runs: int, change: trial.Change) -> trial.Compared:
        """Hold a change against the plan as it stands. As many days as are usual may be more than there are."""
        with self._busy:
            return self._kept(run_id, self.at_most(days) if days == DAYS else days, runs, change)

    def answer(self, run_id: str, asked: Asked) -> trial.Compared | TwoChanges:
        """Hold what is asked against the plan as it stands: one change, or two that stand beside each other."""
        changes = asked.changes()

        def compare(change: trial.Change) -> trial.Compared:
            return self.compare(run_id, asked.days, asked.runs, change)

        if not asked.is_second:
            return compare(changes[0])
        first, second = name_problems([partial(compare, change) for change in changes])
        return TwoChanges.of(first, second)

    def make_ready(self, run_id: str, asked: Asked) -> None:
        """Work out what the first slider that moves is held against: the plan as it stands, and the other change."""
        for change in (trial.Change(), *(asked.changes() if asked.is_second else ())):
            self.compare(run_id, asked.days, RUNS_WHILE_MOVING, change)

    def at_most(self, days: int) -> int:
        """Give so many days, or those that have joint paths where they are fewer."""
        part = settings_.read(self.folder).forecast
        return min(days, part.path_days, part.days)

    def _read_coming(self, run_id: str, days: int) -> Coming:
        return read_coming(self.folder, days=days, run_id=run_id)

    def _begin(self, run_id: str, days: int, runs: int) -> trial.WhatIf:
        return trial.WhatIf.of(self._read(run_id, days), runs)

    def _compare(self, run_id: str, days: int, runs: int, change: trial.Change) -> trial.Compared:
        return self._begun(run_id, days, runs).compare(change)


def add_what_if(app: FastAPI, folder: Path, find_run: FindRun, find_verdict: Callable[[], str]) -> None:
    """Add the page, and its tables as CSV and JSON.

    `find_run` gives a run's row by its id, `find_verdict` what the last validation found, in one word.
    """
    trials = _Trials(folder)

    def hours_of(asked: Asked, run: str | None) -> pl.DataFrame:
        found = trials.answer(find_run(run)["run_id"], asked)
        return found.by_hour(asked.grade or most_urgent(found.coming))

    @app.get("/what-if", response_class=HTMLResponse, summary="A change tried on the coming days")
    def page(asked: ASKED, run: RUN = None) -> HTMLResponse:
        force = settings_.read(folder).force
        common = {
            "force_name": force.name, "folder": folder.resolve().name, "asked": asked, "all": ALL,
            "about": "All plans answer the same drawn incidents; nothing that is tried here is kept.",
        }  # fmt: skip
        if Store(folder).runs().is_empty():
            return HTMLResponse(_render(common | {"run_id": None}))
        row = find_run(run)
        found, problems = None, []
        try:
            found = trials.answer(row["run_id"], asked)
        except BluelampError as error:
            problems = list(error.problems) or [error.summary]
        coming = trials.coming(row["run_id"]) if found is None else found.coming
        told = _form(coming, asked, row["run_id"]) | {"problems": problems, "found": found}
        if found is not None and not found.table.is_empty():
            told |= lay_out_two(found, asked) if isinstance(found, TwoChanges) else lay_out_one(found, asked)
            told |= told_on(row["staffing_method"], find_verdict())
        ready = BackgroundTask(trials.make_ready, row["run_id"], asked)
        return HTMLResponse(
            _render(common | told), status_code=400 if problems else 200, background=ready if found else None
        )

    @app.get("/what-if.csv", summary="A change tried on the coming days, or two, as CSV")
    def as_csv(asked: ASKED, run: RUN = None) -> Response:
        return _csv(trials.answer(find_run(run)["run_id"], asked).table, asked.table)

    @app.get("/what-if.json", summary="A change tried on the coming days, or two, as JSON")
    def as_json(asked: ASKED, run: RUN = None) -> dict[str, Any]:
        found = trials.answer(find_run(run)["run_id"], asked)
        return {"sentences": found.sentences, asked.table: found.table.to_dicts()}

    @app.get("/what-if-hours.csv", summary="The plans of a trial hour by hour, as CSV")
    def hours_as_csv(asked: ASKED, run: RUN = None) -> Response:
        return _csv(hours_of(asked, run), f"{asked.table}_hours")

    @app.get("/what-if-hours.json", summary="The plans of a trial hour by hour, as JSON")
    def hours_as_json(asked: ASKED, run: RUN = None) -> dict[str, Any]:
        return {"runs": asked.runs, f"{asked.table}_hours": hours_of(asked, run).to_dicts()}

    @app.get("/api/backlog.json", summary="The map's jobs waiting by hour, simulated as the plan stands")
    def backlog(run: RUN = None) -> Response:
        try:
            found = trials.compare(find_run(run)["run_id"], trials.at_most(MAP_DAYS), _MAP_RUNS, trial.Change())
            body = make_backlog(found.by_hour(most_urgent(found.coming)), _MAP_RUNS)
        except BluelampError as error:
            # The map is there without its backlog, and says why there is none.
            body = orjson.dumps({"problem": error.summary})
        return Response(body, media_type="application/json")


def _csv(frame: pl.DataFrame, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name.replace("_", "-")}.csv"'}
    return Response(tables.to_csv(frame, name), media_type="text/csv; charset=utf-8", headers=headers)


def _render(told: Mapping[str, Any]) -> str:
    return TEMPLATES.get_template("what_if.html").render(**told)


def _form(coming: Coming, asked: Asked, run_id: str) -> dict[str, Any]:
    """Lay out what can be changed: units by pool and shift, pools, targets, as they stand."""
    pools, zone = coming.ground.pool_hours, coming.settings.force.time_zone
    units = trial.WhatIf.of(coming).units
    starts = coming.settings.duties.shift_starts
    shifts = list(zip(starts, [*starts[1:], starts[0]], strict=True)) if len(starts) > 1 else [(0, 24)]
    rows = []
    for number, pool in enumerate(pools.pool_ids):
        cells: list[dict[str, Any] | None] = []
        for begins, ends in shifts:
            inside = trial.hours_of(coming, trial.UnitsMoved(pool, 0, from_hour=begins, to_hour=ends))
            there = units[number, inside[pools.runs[number, inside]]]
            # A pool of the night that begins an hour before the shift of the night is not a pool of the evening.
            is_its = 2 * len(there) >= len(inside) > 0
            has = _span(int(there.min()), int(there.max())) if is_its else ""
            cells.append({"from": begins, "to": ends, "has": has} if is_its else None)
        rows.append({"pool": pool, "cells": cells})
    return {
        "run_id": run_id,
        "pools": pools.pool_ids,
        "rows": rows,
        "shifts": [f"{begins:02}:00 to {ends:02}:00" for begins, ends in shifts],
        "days_of_week": trial.DAYS,
        "grades": trial.grades_judged(coming),
        "targets": _targets(coming),
        "usual": Asked(),
        "most_runs": MOST_RUNS,
        "runs_while_moving": RUNS_WHILE_MOVING,
        "first_day": periods.local_parts(coming.hours.head(1), zone)["day"][0],
    }


def _targets(coming: Coming) -> list[dict[str, str]]:
    """Lay out targets as they stand: one a grade, or one a grade and kind of area where they differ."""
    by_grade: dict[str, dict[str, tuple[float, float]]] = {}
    for each in coming.ground.targets:
        by_grade.setdefault(each.grade_code, {})[each.area_kind] = (each.target_minutes, each.target_share)
    rows = []
    for grade in trial.grades_judged(coming):
        kinds = by_grade[grade]
        if len(set(kinds.values())) == 1:
            kinds = {"": next(iter(kinds.values()))}
        rows += [
            {
                "name": f"{grade}:{kind}" if kind else grade,
                "words": f"Grade {grade}, {'elsewhere' if kind == 'all' else kind}" if kind else f"Grade {grade}",
                "minutes": f"{minutes:g}",
                "share": f"{100 * share:g}",
            }
            for kind, (minutes, share) in sorted(kinds.items())
        ]
    return rows


def _span(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low}–{high}"
