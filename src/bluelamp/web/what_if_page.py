"""The page on which a change is tried: what is changed, both plans by hour, their difference. It keeps nothing.

Everything that was asked stands in the address, so that a trial can be kept, sent, opened again and undone by going
back. The page works as a form; its script asks for the same address with fewer runs while a slider moves, and puts the
part that answers in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
import polars as pl
from fastapi import Depends, FastAPI, Query
from fastapi.responses import HTMLResponse, Response
from starlette.background import BackgroundTask

from bluelamp import periods, tables
from bluelamp import settings as settings_
from bluelamp import what_if as trial
from bluelamp.coming_work import Coming, read_coming
from bluelamp.errors import BluelampError, NoInput, UsageError, count_of, one_of
from bluelamp.reports.map import DAYS as MAP_DAYS
from bluelamp.reports.map import make_backlog
from bluelamp.store import Store
from bluelamp.validation import RUNG_WORDS
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.two_plans import draw_hours, place_whisker

FindRun = Callable[[str | None], Mapping[str, Any]]
MOST_RUNS = 200
ALL = "all"
# Both plans of a county of 121 areas are answered in a tenth of a second with 20 runs and in a second with 200.
_RUNS, _RUNS_WHILE_MOVING = 100, 20
_DAYS = 7
_AT = "%Y-%m-%dT%H:%MZ"
# The map shows the backlog of the days that it shows, from fewer runs than a trial: nobody asked for a difference.
_MAP_RUNS = 40
_VERDICTS = {
    "trusted": "held against recorded weeks, the simulation was true here",
    "in_part": "held against recorded weeks, the simulation was true for some grades",
    "delays_only": "held against recorded weeks, delays were true; who was free is not recorded",
    "not_trusted": "held against recorded weeks, the simulation was not true here: read differences, not levels",
    "untold": "too few recorded incidents to hold the simulation against",
    "none": "not held against recorded weeks yet",
}


@dataclass(frozen=True)
class Asked:
    """What the form says."""

    demand: Annotated[float, Query(description="Times what is usual")] = 1.0
    service: Annotated[float, Query(description="Times as long at a call")] = 1.0
    units: Annotated[str, Query(max_length=2000, description="One change a line, or parted by semicolons")] = ""
    merge: Annotated[str, Query(max_length=2000, description="Pools made one, parted by semicolons")] = ""
    target: Annotated[str, Query(max_length=2000, description="Other targets, parted by semicolons")] = ""
    days: Annotated[int, Query(ge=1, le=28, description="Days from the plan's first")] = _DAYS
    runs: Annotated[int, Query(ge=5, le=MOST_RUNS, description="Times that both plans are simulated")] = _RUNS
    grade: Annotated[str, Query(description="Grade shown by hour; the most urgent where it is left out")] = ""
    pool: Annotated[str, Query(description="Pool shown by hour; 'all' for the force")] = ALL
    at: Annotated[str, Query(description="Start of the hour shown, in UTC, such as 2026-11-27T22:00Z")] = ""

    def change(self) -> trial.Change:
        """Read it. Raises UsageError with all that can't be read."""
        return trial.read_change(
            demand=self.demand, service=self.service, units=_lines(self.units), merge=_lines(self.merge),
            targets=_lines(self.target),
        )  # fmt: skip

    def address(self, suffix: str, run_id: str) -> str:
        """Give the address of the same trial in another form; what was not asked for is left out."""
        usual = asdict(Asked())
        said = {name: value for name, value in asdict(self).items() if value != usual[name]}
        return f"/what-if{suffix}?{urlencode({'run': run_id, **said})}"


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
            return self._read(run_id, self.at_most(_DAYS))

    def compare(self, run_id: str, days: int, runs: int, change: trial.Change) -> trial.Compared:
        """Hold a change against the plan as it stands. As many days as are usual may be more than there are."""
        with self._busy:
            return self._kept(run_id, self.at_most(days) if days == _DAYS else days, runs, change)

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

    def compare(asked: Asked, run: str | None) -> trial.Compared:
        return trials.compare(find_run(run)["run_id"], asked.days, asked.runs, asked.change())

    def hours_of(asked: Asked, run: str | None) -> pl.DataFrame:
        found = compare(asked, run)
        return found.by_hour(asked.grade or _most_urgent(found))

    @app.get("/what-if", response_class=HTMLResponse, summary="A change tried on the coming days")
    def page(asked: ASKED, run: RUN = None) -> HTMLResponse:
        force = settings_.read(folder).force
        common = {
            "force_name": force.name, "folder": folder.resolve().name, "asked": asked, "all": ALL,
            "about": "Both plans answer the same drawn incidents; nothing that is tried here is kept.",
        }  # fmt: skip
        if Store(folder).runs().is_empty():
            return HTMLResponse(_render(common | {"run_id": None}))
        row = find_run(run)
        found, problems = None, []
        try:
            found = trials.compare(row["run_id"], asked.days, asked.runs, asked.change())
        except BluelampError as error:
            problems = list(error.problems) or [error.summary]
        coming = trials.coming(row["run_id"]) if found is None else found.coming
        told = _form(coming, asked, row["run_id"]) | {"problems": problems, "found": found}
        if found is not None and not found.table.is_empty():
            told |= _answer(found, asked) | _on_what(row["staffing_method"], find_verdict())
        # The plan as it stands is made ready for the first slider that moves.
        ready = BackgroundTask(trials.compare, row["run_id"], asked.days, _RUNS_WHILE_MOVING, trial.Change())
        return HTMLResponse(
            _render(common | told), status_code=400 if problems else 200, background=ready if found else None
        )

    @app.get("/what-if.csv", summary="A change tried on the coming days, as CSV")
    def as_csv(asked: ASKED, run: RUN = None) -> Response:
        return _csv(compare(asked, run).table, "what_if")

    @app.get("/what-if.json", summary="A change tried on the coming days, as JSON")
    def as_json(asked: ASKED, run: RUN = None) -> dict[str, Any]:
        found = compare(asked, run)
        return {"sentences": found.sentences, "what_if": found.table.to_dicts()}

    @app.get("/what-if-hours.csv", summary="Both plans of a trial hour by hour, as CSV")
    def hours_as_csv(asked: ASKED, run: RUN = None) -> Response:
        return _csv(hours_of(asked, run), "what_if_hours")

    @app.get("/what-if-hours.json", summary="Both plans of a trial hour by hour, as JSON")
    def hours_as_json(asked: ASKED, run: RUN = None) -> dict[str, Any]:
        return {"runs": asked.runs, "what_if_hours": hours_of(asked, run).to_dicts()}

    @app.get("/api/backlog.json", summary="The map's jobs waiting by hour, simulated as the plan stands")
    def backlog(run: RUN = None) -> Response:
        try:
            found = trials.compare(find_run(run)["run_id"], trials.at_most(MAP_DAYS), _MAP_RUNS, trial.Change())
            body = make_backlog(found.by_hour(_most_urgent(found)), _MAP_RUNS)
        except BluelampError as error:
            # The map is there without its backlog, and says why there is none.
            body = orjson.dumps({"problem": error.summary})
        return Response(body, media_type="application/json")


def _most_urgent(found: trial.Compared) -> str:
    graded = trial.grades_judged(found.coming)
    if not graded:
        raise NoInput("No target speaks of any call, so that nothing can be judged by hour. Import 'standards'.")
    return graded[0]


def _csv(frame: pl.DataFrame, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name.replace("_", "-")}.csv"'}
    return Response(tables.to_csv(frame, name), media_type="text/csv; charset=utf-8", headers=headers)


def _lines(text: str) -> list[str]:
    return [each.strip() for each in text.replace(";", "\n").splitlines() if each.strip()]


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
        "runs_while_moving": _RUNS_WHILE_MOVING,
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


def _on_what(method: str, verdict: str) -> dict[str, Any]:
    rung = RUNG_WORDS.get(method, method.replace("_", " "))
    return {"rung": rung, "verdict": _VERDICTS.get(verdict, verdict)}


def _answer(found: trial.Compared, asked: Asked) -> dict[str, Any]:
    """Lay out what the two plans bring: tables of differences, the picture by hour, and the hour shown."""
    coming = found.coming
    names = coming.ground.pool_hours.pool_ids
    if asked.pool not in (ALL, *names):
        raise UsageError(f"There is no pool '{asked.pool}'. {one_of([ALL, *names])} was expected.")
    grade = asked.grade or _most_urgent(found)
    by_hour = found.by_hour(grade)
    shown = by_hour.filter(pool_id=asked.pool)
    zone = periods.zone(coming.settings.force.time_zone)
    local = [at.astimezone(zone) for at in coming.hours]
    at, is_chosen = _hour_shown(shown, asked.at)
    rows = found.table.rows(named=True)
    bound = max((max(abs(row["difference_low"]), abs(row["difference_high"])) for row in rows), default=0.0) or 0.01
    hour = by_hour.filter(hour_starting=at)
    return {
        "is_changed": not asked.change().is_none,
        "force": [row for row in rows if row["pool_id"] == ALL],
        "by_pool": [row for row in rows if row["pool_id"] != ALL],
        "bound": f"{bound * 100:.1f}",
        "whisker": lambda row: place_whisker(row, bound),
        "address": lambda suffix: asked.address(suffix, coming.run_id),
        "grade": grade,
        "pictures": draw_hours(
            shown, coming.hours, local, at=at, allowed=found.allowed(grade), is_changed=not asked.change().is_none
        ),
        "hour": {
            "words": _hour_words(at.astimezone(zone)),
            "is_chosen": is_chosen,
            "force": hour.filter(pool_id=ALL).row(0, named=True),
            "pools": hour.filter(pl.col("pool_id") != ALL).rows(named=True),
        },
        "hours": [
            {"at": each.strftime(_AT), "words": _hour_words(here), "day": f"{here:%A} {here.day} {here:%B}",
             "is_shown": each == at}
            for each, here in zip(coming.hours, local, strict=True)
        ],
        "each_hour": [row | {"words": _hour_words(row["hour_starting"].astimezone(zone))}
                      for row in shown.iter_rows(named=True)],
        "runs_told": count_of(asked.runs, "drawn run"),
    }  # fmt: skip


def _hour_shown(shown: pl.DataFrame, at: str) -> tuple[datetime, bool]:
    """Give the hour that was asked for, or the one in which most calls are late under the change."""
    if at in (told := shown["hour_starting"].dt.strftime(_AT).to_list()):
        return shown["hour_starting"][told.index(at)], True
    late = (pl.col("calls_after") * pl.col("late_after")).fill_null(0)
    worst: datetime = shown.sort(late, "hour_starting", descending=[True, False])["hour_starting"][0]
    return worst, False


def _hour_words(at: datetime) -> str:
    """Write an hour with its zone, so that the two of a clock-change night can be told apart."""
    ends = (at.astimezone(periods.zone("UTC")) + timedelta(hours=1)).astimezone(at.tzinfo)
    return f"{at:%a} {at.day} {at:%b %H:%M} to {ends:%H:%M %Z}"
