"""The page on which a change is tried: a form, both plans, their difference. It changes nothing, and keeps nothing.

Everything that was asked stands in the address, so that a trial can be kept, sent and opened again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import FastAPI, Query
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, select_autoescape

from bluelamp import settings as settings_
from bluelamp import tables
from bluelamp import what_if as trial
from bluelamp.coming_work import read_coming
from bluelamp.errors import BluelampError
from bluelamp.store import Store

FindRun = Callable[[str | None], Mapping[str, Any]]
MOST_RUNS = 200
_WIDTH = 160

RUN = Annotated[str | None, Query(description="A run's id; the latest run where it is left out")]
TIMES = Annotated[float, Query(description="Times what is usual")]
LINES = Annotated[str, Query(max_length=2000, description="One change a line, or parted by semicolons")]
DAYS = Annotated[int, Query(ge=1, le=28, description="Days from the plan's first")]
RUNS = Annotated[int, Query(ge=5, le=MOST_RUNS, description="Times that both plans are simulated")]


@dataclass(frozen=True)
class Asked:
    """What the form says."""

    demand: float
    service: float
    units: str
    merge: str
    target: str
    days: int
    runs: int

    def change(self) -> trial.Change:
        """Read it. Raises UsageError with all that can't be read."""
        return trial.read_change(
            demand=self.demand, service=self.service, units=_lines(self.units), merge=_lines(self.merge),
            targets=_lines(self.target),
        )  # fmt: skip

    def address(self, suffix: str, run_id: str) -> str:
        """Give the address of the same trial in another form."""
        return f"/what-if{suffix}?{urlencode({**self.__dict__, 'run': run_id})}"


def add_what_if(app: FastAPI, folder: Path, find_run: FindRun) -> None:
    """Add the page, and its table as CSV and JSON; `find_run` gives a run's row by its id."""
    # One trial at a time: a simulation takes both cores, and the plan as it stands is worked out once.
    busy = Lock()

    @lru_cache(maxsize=4)
    def begin(run_id: str, days: int, runs: int) -> trial.WhatIf:
        return trial.WhatIf.of(read_coming(folder, days=days, run_id=run_id), runs)

    def compare(asked: Asked, run_id: str) -> trial.Compared:
        change = asked.change()
        with busy:
            return begin(run_id, asked.days, asked.runs).compare(change)

    @app.get("/what-if", response_class=HTMLResponse, summary="A change tried on the coming days")
    def page(
        run: RUN = None, demand: TIMES = 1.0, service: TIMES = 1.0, units: LINES = "", merge: LINES = "",
        target: LINES = "", days: DAYS = 7, runs: RUNS = 40,
    ) -> HTMLResponse:  # fmt: skip
        asked = Asked(demand, service, units, merge, target, days, runs)
        force = settings_.read(folder).force
        if Store(folder).runs().is_empty():
            return HTMLResponse(_render(force.name, folder, asked, None, None, [], []))
        run_id = find_run(run)["run_id"]
        found, problems = None, []
        coming = begin(run_id, min(days, 7), 5).coming
        try:
            if not asked.change().is_none:
                found = compare(asked, run_id)
        except BluelampError as error:
            problems = list(error.problems) or [error.summary]
        body = _render(force.name, folder, asked, run_id, found, problems, coming.ground.pool_hours.pool_ids)
        return HTMLResponse(body, status_code=400 if problems else 200)

    @app.get("/what-if.csv", summary="A change tried on the coming days, as CSV")
    def as_csv(
        run: RUN = None, demand: TIMES = 1.0, service: TIMES = 1.0, units: LINES = "", merge: LINES = "",
        target: LINES = "", days: DAYS = 7, runs: RUNS = 40,
    ) -> Response:  # fmt: skip
        found = compare(Asked(demand, service, units, merge, target, days, runs), find_run(run)["run_id"])
        headers = {"Content-Disposition": 'attachment; filename="what-if.csv"'}
        return Response(tables.to_csv(found.table, "what_if"), media_type="text/csv; charset=utf-8", headers=headers)

    @app.get("/what-if.json", summary="A change tried on the coming days, as JSON")
    def as_json(
        run: RUN = None, demand: TIMES = 1.0, service: TIMES = 1.0, units: LINES = "", merge: LINES = "",
        target: LINES = "", days: DAYS = 7, runs: RUNS = 40,
    ) -> dict[str, Any]:  # fmt: skip
        found = compare(Asked(demand, service, units, merge, target, days, runs), find_run(run)["run_id"])
        return {"sentences": found.sentences, "what_if": found.table.to_dicts()}


def _lines(text: str) -> list[str]:
    return [each.strip() for each in text.replace(";", "\n").splitlines() if each.strip()]


def _render(
    force_name: str,
    folder: Path,
    asked: Asked,
    run_id: str | None,
    found: trial.Compared | None,
    problems: list[str],
    pools: list[str],
) -> str:
    templates = Environment(loader=PackageLoader("bluelamp.web", "templates"), autoescape=select_autoescape(["html"]))
    rows = [] if found is None else found.table.rows(named=True)
    bound = max((max(abs(row["difference_low"]), abs(row["difference_high"])) for row in rows), default=0.0) or 0.01
    return templates.get_template("what_if.html").render(
        force_name=force_name,
        folder=folder.resolve().name,
        about="Both plans answer the same drawn incidents; nothing that is tried here is kept.",
        asked=asked,
        run_id=run_id,
        pools=pools,
        problems=problems,
        most_runs=MOST_RUNS,
        found=found,
        force=[row for row in rows if row["pool_id"] == "all"],
        by_pool=[row for row in rows if row["pool_id"] != "all"],
        address=lambda suffix: asked.address(suffix, run_id or ""),
        whisker=lambda row: _whisker(row, bound),
        whisker_width=_WIDTH,
        bound=f"{bound * 100:.1f}",
    )


def _whisker(row: Mapping[str, Any], bound: float) -> dict[str, Any]:
    """Place a difference and its range on a line from fewer late to more late."""

    def at(value: float) -> float:
        return round(_WIDTH / 2 * (1 + value / bound), 1)

    kind = "worse" if row["difference_low"] > 0 else "better" if row["difference_high"] < 0 else "open"
    return {
        "low": at(row["difference_low"]),
        "high": at(row["difference_high"]),
        "x": at(row["difference"]),
        "kind": kind,
    }
