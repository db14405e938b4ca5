"""The web page and its addresses: the map, and every table behind it as a page, as JSON and as CSV.

Nothing here reaches off the machine. Who may ask for what is decided in `admission`, before anything here runs, by the
rows of `access_table`. A table's address ending in .json or .csv gives the same rows as its page, and any column can be
asked for by value: `/tables/coverage.csv?level=pool&place_id=R-D2`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import polars as pl
from fastapi import FastAPI, Query, Request
from fastapi import Path as PathPart
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from bluelamp import __version__, basemap, hotspot_trial, look_ahead, reading, received, scoreboard, standing, tables
from bluelamp import backtest as scored
from bluelamp import settings as settings_
from bluelamp import validation as held
from bluelamp.access import NOBODY, Holder, kind_of_table, may
from bluelamp.briefing import lay_on_map
from bluelamp.errors import (
    BadData,
    BadSettings,
    BluelampError,
    InputOutputError,
    NoInput,
    NoRoom,
    NotPermitted,
    TryAgain,
    UsageError,
    did_you_mean,
)
from bluelamp.live import Current
from bluelamp.reports.map import make_map_data, render_page
from bluelamp.state import open_state
from bluelamp.store import Store, tried_peaks
from bluelamp.store import filed as filing
from bluelamp.web.access_table import insist_on_rows
from bluelamp.web.admission import Admission, Guarded, NotSignedIn, door_of
from bluelamp.web.area_page import Source, add_areas
from bluelamp.web.backtest_page import render_backtest_page
from bluelamp.web.basemap_file import add_basemap
from bluelamp.web.codes_page import add_codes
from bluelamp.web.contacts_page import NAMES as OF_CONTACTS
from bluelamp.web.contacts_page import render_contacts_page
from bluelamp.web.data_page import render_data_page
from bluelamp.web.description import describe, is_for_programs
from bluelamp.web.duties_page import add_duties
from bluelamp.web.hotspots_page import add_hotspots, layer_of
from bluelamp.web.jobs_page import add_jobs
from bluelamp.web.live_pages import News, add_live
from bluelamp.web.log_page import add_log
from bluelamp.web.map_page import add_map
from bluelamp.web.now_page import add_now, keep_look
from bluelamp.web.observed import Observed, add_observed
from bluelamp.web.ogc_features import add_ogc_features
from bluelamp.web.openid_pages import add_openid
from bluelamp.web.outlook_page import render_outlook_page
from bluelamp.web.runs_page import add_runs
from bluelamp.web.scope import of_districts, of_teams
from bluelamp.web.scoreboard_page import render_scoreboard_page
from bluelamp.web.sheets import add_sheets
from bluelamp.web.sign_in_pages import add_sign_in
from bluelamp.web.squeezed import Squeezed, squeeze, tagged
from bluelamp.web.strength_page import NAMES as OF_STRENGTH
from bluelamp.web.strength_page import render_strength_page
from bluelamp.web.table_api import add_table_api
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.validation_page import render_validation_page
from bluelamp.web.what_if_page import add_what_if

STATUS = {UsageError: 400, BadData: 422, BadSettings: 422, NoInput: 404, NotPermitted: 403, TryAgain: 503,
          NoRoom: 507, InputOutputError: 503}  # fmt: skip
_TITLES = {403: "This is not for everybody", 503: "Not just now", 507: "There is no room"}
# Rows that a page shows; the .csv and .json addresses give all of them.
ROWS_ON_A_PAGE = 500
# Which of these an account sees, `access.kind_of_table` decides. Absences are not here: their kind may be a reason.
SHOWN = ("areas", "pools", "standards", "minimums", "events", "service_times", "outages", "demand", "offending",
         "forecast", "forecast_months", "stated_changes", "required_staff", "coverage", "exposure", "committed_rules",
         "open_logs", "units_now", "peaks", "peak_hours", "batches", "runs", *OF_CONTACTS, *OF_STRENGTH,
         *received.NAMES, *scored.NAMES, *look_ahead.NAMES, "next_dispatch", "backlog", "filed_forecasts",
         *scoreboard.NAMES, "hotspots", *hotspot_trial.NAMES, *held.NAMES, "people", "duties")  # fmt: skip
SIMULATED = ("next_dispatch", "backlog")
IMPORTED = ("minimums", "events", "stated_changes", "people", "duties")
# Tables that stand as they are now, whichever run is asked for.
OF_NO_RUN = frozenset({"runs", "batches", "filed_forecasts", *received.NAMES, *scored.NAMES, *held.NAMES,
                       *hotspot_trial.NAMES, *look_ahead.NAMES, *SIMULATED, *IMPORTED})  # fmt: skip
NAME = Annotated[str, PathPart(description="A table's name", pattern=r"^[a-z_]+$")]
PLACE = Annotated[str | None, Query(description="A district's id; the whole force where it is left out")]
RUN = Annotated[str | None, Query(description="A run's id; the latest run where it is left out")]

DAY = Annotated[str | None, Query(description="A local day with quarter-hours, such as 2026-11-23; the next 24 hours")]


class Published:
    """What one force has published: its runs, read once and kept while they are asked for."""

    def __init__(self, folder: Path, find_current: Callable[[], Current | None] = lambda: None) -> None:
        self.folder = folder
        self.settings = settings_.read(folder)
        self.basemap, self.no_basemap = basemap.find_or_say(folder, self.settings)
        self.store = Store(folder)
        self._map = lru_cache(maxsize=4)(self._make_map)
        self._result = lru_cache(maxsize=24)(self._read_result)
        self._holdings = lru_cache(maxsize=1)(self._read_holdings)
        self._backtest = lru_cache(maxsize=1)(self._read_backtest)
        self._validation = lru_cache(maxsize=1)(self._read_validation)
        self._next = lru_cache(maxsize=1)(self._look_ahead)
        self.look = keep_look(folder, find_current)

    def run(self, run_id: str | None) -> dict[str, Any]:
        """Give one run's row. Raises NoInput, naming the nearest, where there is none."""
        runs = self.store.runs()
        if run_id is None or runs.is_empty():
            return latest_run(self.store, self.folder)
        known = runs["run_id"].to_list()
        if run_id not in known:
            raise NoInput(f"There is no run '{run_id}'.{did_you_mean(run_id, known)}")
        return runs.row(known.index(run_id), named=True)

    def run_if_any(self, run_id: str | None) -> dict[str, Any] | None:
        """Give one run's row, or None where the force has no run yet."""
        return None if run_id is None and self.store.runs().is_empty() else self.run(run_id)

    def run_of(self, name: str, run_id: str | None) -> str | None:
        """Give the id of the run that a table's rows are of, or None for a table that is of no run."""
        return None if name in OF_NO_RUN else str(self.run(run_id)["run_id"])

    def table_for(self, holder: Holder, name: str, run_id: str | None) -> pl.DataFrame:
        """Give what an account may see of one table: its districts, and of people a supervisor's teams."""
        rows = self.table(name, run_id)
        if kind_of_table(name) == "people":
            return of_teams(rows, holder, self.store.read("people"))
        if not holder.districts:
            return rows
        run = self.run(run_id)["run_id"]
        return of_districts(rows, holder, self._result("areas", run), self._result("pools", run))

    def table(self, name: str, run_id: str | None) -> pl.DataFrame:
        """Give one table that is shown to some account."""
        if name not in SHOWN:
            tables.table(name)
            raise NotPermitted(f"The table '{name}' is not shown on the page. 'bluelamp table {name}' reads it.")
        if name == "runs":
            return self.store.runs()
        if name == "batches":
            return self.store.batches()
        if name == "filed_forecasts":
            return filing.as_table(filing.read(self.folder))
        if name in received.NAMES:
            return self.account()[name]
        if name in scored.NAMES:
            return self._backtest(scored.stamp(self.folder)).table(name)
        if name in held.NAMES:
            return self._validation(held.stamp(self.folder)).named(name)
        if name == "feedback_simulation":
            return reading.read_table(self.folder, name)
        if name in hotspot_trial.NAMES:
            return hotspot_trial.read(self.folder).scores
        if name in look_ahead.NAMES:
            return self._next(len(self.store.batches()), self.run(None)["run_id"])
        if name in SIMULATED:
            return self.look.get().value.table(name)
        if name in IMPORTED:
            return self.store.read(name)
        return self._result(name, self.run(run_id)["run_id"])

    def account(self) -> dict[str, pl.DataFrame]:
        """Give the tables of kind 'account' as they stand now."""
        store = self.store.snapshot()
        state = (store.batches().height, store.runs().height, store.erasures().height)
        return received.make_account(self._holdings(*state), datetime.now(UTC))

    def _read_holdings(self, *_state: int) -> received.Holdings:
        return received.read_holdings(self.folder)

    def data_page(self, run_id: str | None) -> str:
        """Give the page of what came in; a force that has no run yet has one, too."""
        run = self.run_if_any(run_id)
        return render_data_page(
            self.account(), self.store.batches(), run, {name: self.told(name, run) for name in NOW},
            force_name=self.settings.force.name, folder=self.folder.resolve().name,
            time_zone=self.settings.force.time_zone, now=datetime.now(UTC),
        )  # fmt: skip

    def backtest_page(self) -> str:
        """Give the page of scores; a force that has no backtest yet has one, too, which says how to make it."""
        force = self.settings.force
        try:
            found = self._backtest(scored.stamp(self.folder))
        except NoInput:
            found = None
        return render_backtest_page(
            found, force_name=force.name, folder=self.folder.resolve().name, time_zone=force.time_zone
        )

    def validation_page(self) -> str:
        """Give the page of the simulation held against what happened; without one it says how to make it."""
        force = self.settings.force
        try:
            found = self._validation(held.stamp(self.folder))
        except NoInput:
            found = None
        return render_validation_page(
            found, force_name=force.name, folder=self.folder.resolve().name, time_zone=force.time_zone
        )

    def scoreboard_page(self, run_id: str | None) -> str:
        """Give the page of filed forecasts; a force that has filed nothing yet has one, too."""
        force = self.settings.force
        run_id = None if run_id is None else self.run(run_id)["run_id"]
        return render_scoreboard_page(
            standing.read_standing(self.folder, run_id), force_name=force.name, folder=self.folder.resolve().name,
            time_zone=force.time_zone,
        )  # fmt: skip

    def outlook_page(self, run_id: str | None, place: str | None) -> str:
        """Give the page of the coming years; a run that is older than the outlook has one that says how to make it."""
        run, force = self.run(run_id), self.settings.force
        return render_outlook_page(
            self.told("forecast_months", run), run, place=place, force_name=force.name,
            folder=self.folder.resolve().name, time_zone=force.time_zone,
        )  # fmt: skip

    def contacts_page(self, run_id: str | None, day: str | None) -> str:
        """Give the control room's page; a force that has no run yet has one, too."""
        run = self.run_if_any(run_id)
        return render_contacts_page(
            {name: self.told(name, run) for name in OF_CONTACTS}, run,
            force_name=self.settings.force.name, folder=self.folder.resolve().name,
            time_zone=self.settings.force.time_zone, now=datetime.now(UTC), day=day,
        )  # fmt: skip

    def strength_page(self, run_id: str | None, day: str | None) -> str:
        """Give the duty planner's page; a force that has no run yet has one, too."""
        run = self.run_if_any(run_id)
        return render_strength_page(
            {name: self.told(name, run) for name in OF_STRENGTH}, run,
            force_name=self.settings.force.name, folder=self.folder.resolve().name,
            time_zone=self.settings.force.time_zone, day=day,
        )  # fmt: skip

    def _read_backtest(self, _stamp: str) -> scored.Backtest:
        return scored.read(self.folder)

    def _read_validation(self, _stamp: str) -> held.Validation:
        return held.read(self.folder)

    def _look_ahead(self, *_state: int | str) -> pl.DataFrame:
        return look_ahead.look_ahead(self.folder).table

    def told(self, name: str, run: Mapping[str, Any] | None) -> pl.DataFrame:
        """Give a result of a run, empty where the run is older than that table."""
        if run is None or name not in self.store.results(run["run_id"]):
            return tables.empty(name)
        return self._result(name, run["run_id"])

    def _read_result(self, name: str, run_id: str) -> pl.DataFrame:
        return reading.read_used(self.store, name, run_id) if name in reading.USED else self.store.result(name, run_id)

    def map_data(self, run_id: str | None, holder: Holder = NOBODY) -> Squeezed:
        """Give the map's figures, cut down to an account's districts where it has some."""
        stamp = scored.stamp(self.folder) + held.stamp(self.folder)
        return self._map(self.run(run_id)["run_id"], stamp, holder.districts)

    def _make_map(self, run_id: str, _stamp: str, districts: tuple[str, ...]) -> Squeezed:
        holder = Holder("", None, "", districts)
        results = self.results_for_map(run_id)
        results = {
            name: of_districts(rows, holder, results["areas"], results["pools"]) for name, rows in results.items()
        }
        # Hotspots and jobs waiting are made for the whole force, and not shown to an account that sees less.
        is_whole = not districts
        data = make_map_data(
            results, self.run(run_id), self.force(), links_of(run_id), self.peaks_for_map(run_id, holder),
            hotspots=layer_of(self.folder, run_id) if is_whole else None,
            validation={"verdict": self.verdict(), "address": "/validation"},
            backlog=f"/api/backlog.json?run={run_id}" if is_whole else None,
            basemap=self.basemap.for_map() if self.basemap else None,
        )  # fmt: skip
        return squeeze(data)

    def verdict(self) -> str:
        """Say in one word what the last validation found; 'none' where there was none."""
        stamp = held.stamp(self.folder)
        return self._validation(stamp).verdict if stamp else "none"

    def results_for_map(self, run_id: str) -> dict[str, pl.DataFrame]:
        """Give the results that the map is drawn from."""
        return {name: self._result(name, run_id) for name in MAP_RESULTS}

    def peaks_for_map(self, run_id: str, holder: Holder = NOBODY) -> dict[str, Any]:
        """Give the peaks that the map lists, none where the run is older than they are."""
        areas, pools = self._result("areas", run_id), self._result("pools", run_id)
        found = of_districts(self.told("peaks", self.run(run_id)), holder, areas, pools)
        return lay_on_map(found, areas, tried_peaks.read(self.folder), self.settings.force.time_zone)

    def force(self) -> dict[str, str]:
        """Say who the force is."""
        force = self.settings.force
        return {"id": force.id, "name": force.name, "time_zone": force.time_zone}


def latest_run(store: Store, folder: Path | str) -> dict[str, Any]:
    """Give the row of a force's latest run. Raises NoInput where there is none."""
    runs = store.runs()
    if runs.is_empty():
        raise NoInput(f"This force has no run yet. 'bluelamp plan {folder}' makes one.")
    return runs.sort("sequence").row(-1, named=True)


NOW = ("open_logs", "units_now")
MAP_RESULTS = ("areas", "pools", "standards", "outages", "demand", "coverage")


def links_of(run_id: str) -> dict[str, str]:
    """Give the addresses of the tables behind a run's map."""
    return {
        f"{name}_{form}": f"/tables/{name}.{form}?run={run_id}"
        for name in ("coverage", "forecast", "required_staff", "demand")
        for form in ("csv", "json")
    } | {"tables": "/tables"}


def make_app(
    folder: Path | str,
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]"),
    *,
    sign_in: bool = False,
) -> FastAPI:
    """Make the web application of the force in a folder.

    `allowed_hosts` are the host names that requests may use: others are refused, so that a web page elsewhere can't
    reach the force's figures through a name of its own that points here. With `sign_in` people have to say who they
    are, each sees what the account may see, and what they do is logged; without, whoever is at this machine sees all
    figures, and nobody else is let in.
    """
    settings = settings_.read(folder)
    state = open_state(folder, settings.service.database) if sign_in else None
    admission = Admission(Path(folder), settings, state)
    news = News(Path(folder), admission)
    published = Published(Path(folder), news.current)
    app = FastAPI(
        title="Bluelamp", version=__version__, docs_url=None, redoc_url=None, openapi_url=None,
        description="A police force's workforce against projected demand. Every table as JSON and CSV.",
    )  # fmt: skip
    app.router.route_class = door_of(admission)
    app.state.published = published
    app.state.admission = admission
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*allowed_hosts, "testserver"])
    static = files("bluelamp.web") / "static"
    if static.is_dir():
        app.mount("/static", StaticFiles(directory=str(static)), name="static")
    _answer_errors(app)
    add_sign_in(app, admission)
    add_openid(app, admission)
    _add_pages(app, published)
    _add_tables(app, published)
    add_now(app, published.folder, published.settings.force, published.look)
    add_areas(
        app,
        Source(
            published.folder.resolve().name, published.settings.force, published.run, published.table, published.told,
            published.table_for,
        ),
    )  # fmt: skip
    add_duties(app, published.store, published.settings, published.table_for)
    add_runs(app, published.store, published.settings.force, SHOWN, published.table_for)
    add_hotspots(app, published.folder, published.run)
    add_basemap(app, published.basemap, published.no_basemap)
    force_id = published.settings.force.id
    add_table_api(app, force_id, SHOWN, published.table_for, published.run_of, published.store.runs)
    add_ogc_features(app, published.folder, published.settings, published.run, published.table_for)
    add_what_if(app, published.folder, published.run, published.verdict)
    add_codes(app, published.folder)
    add_log(app, admission, published.folder)
    add_jobs(app, admission, published.folder)
    add_live(app, admission, news)
    add_observed(app, published.store, state, news.current)
    add_map(app, published.map_data)
    # Last, because they are sheets of the views that are there.
    add_sheets(app, admission, published.run_if_any)
    insist_on_rows(addresses_of(app))
    describe(app, SHOWN)
    app.add_middleware(Observed, say_unforeseen=_say_unforeseen)
    app.add_middleware(Guarded)
    return app


def addresses_of(app: FastAPI) -> dict[tuple[str, str], APIRoute]:
    """Give every address of an application with its method."""
    return {
        (method, route.path_format): route
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(NotSignedIn)
    async def send_to_sign_in(request: Request, error: NotSignedIn) -> Response:
        if request.method in ("GET", "HEAD") and not _is_for_programs(request):
            onward = f"{request.url.path}{'?' if request.url.query else ''}{request.url.query}"
            return RedirectResponse(f"/sign-in?next={quote(onward, safe='')}", 303)
        answer = _problem(401, error.summary, ())
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    @app.exception_handler(BluelampError)
    async def say(request: Request, error: BluelampError) -> Response:
        status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
        if _is_for_programs(request):
            return _problem(status, error.summary, error.problems)
        title = _TITLES.get(status, "Something is not there")
        return HTMLResponse(_page(request.app, title, f"<p>{escape(str(error))}</p>"), status)

    @app.exception_handler(RequestValidationError)
    async def say_what_is_wrong(request: Request, error: RequestValidationError) -> Response:
        problems = [_sentence_of(each) for each in error.errors()]
        if _is_for_programs(request):
            # OGC API Features wants 400 where others have 422.
            status = 400 if request.url.path.startswith("/ogc/") else 422
            return _problem(status, "The address asks for what there can't be:", problems)
        items = "".join(f"<li>{escape(each)}</li>" for each in problems)
        return HTMLResponse(_page(request.app, "Something is not right", f"<ul>{items}</ul>"), 422)

    @app.exception_handler(HTTPException)
    async def say_it_is_not_there(request: Request, error: HTTPException) -> Response:
        words = {404: "There is no such address here.", 405: "This address does not answer to that method."}
        said = words.get(error.status_code, str(error.detail))
        if _is_for_programs(request):
            return _problem(error.status_code, said, ())
        return HTMLResponse(_page(request.app, "Something is not there", f"<p>{escape(said)}</p>"), error.status_code)


def _say_unforeseen(request: Request, request_id: str) -> Response:
    said = (
        f"The service failed at this, which is its own fault and not yours. Whoever looks after it finds what happened "
        f"in its lines under {request_id}."
    )
    if _is_for_programs(request):
        return _problem(500, said, ())
    return HTMLResponse(_page(request.app, "Something went wrong here", f"<p>{escape(said)}</p>"), 500)


def _is_for_programs(request: Request) -> bool:
    return is_for_programs(request.url.path)


def _problem(status: int, summary: str, problems: Sequence[str]) -> Response:
    """Give an error as RFC 9457 has it, in the words of the command line."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": summary}
    content = orjson.dumps(body | {"problems": list(problems)})
    return Response(content, status, media_type="application/problem+json")


def _sentence_of(error: Mapping[str, Any]) -> str:
    *_, name = error["loc"]
    return f"'{name}': {settings_.words_of(dict(error))}."


def _add_pages(app: FastAPI, published: Published) -> None:
    @app.get("/", response_class=HTMLResponse, summary="The map")
    def map_page(run: RUN = None) -> HTMLResponse:
        run_id = published.run(run)["run_id"]
        title = f"{published.settings.force.name} · workforce against demand"
        return HTMLResponse(
            render_page(title, data_url=f"/api/map.json?run={run_id}", navigation=_map_navigation(run_id))
        )

    @app.get("/data", response_class=HTMLResponse, summary="What came in, what each rule did, what is set aside")
    def data_page(run: RUN = None) -> HTMLResponse:
        return HTMLResponse(published.data_page(run))

    @app.get("/backtest", response_class=HTMLResponse, summary="How good the forecast was on the force's own past")
    def backtest_page() -> HTMLResponse:
        return HTMLResponse(published.backtest_page())

    @app.get("/validation", response_class=HTMLResponse, summary="The simulation held against what happened")
    def validation_page() -> HTMLResponse:
        return HTMLResponse(published.validation_page())

    @app.get("/scoreboard", response_class=HTMLResponse, summary="How forecasts filed before the fact did")
    def scoreboard_page(run: RUN = None) -> HTMLResponse:
        return HTMLResponse(published.scoreboard_page(run))

    @app.get("/outlook", response_class=HTMLResponse, summary="What four years may bring, by month and class")
    def outlook_page(run: RUN = None, place: PLACE = None) -> HTMLResponse:
        return HTMLResponse(published.outlook_page(run, place))

    @app.get("/contacts", response_class=HTMLResponse, summary="Contacts of the coming hours, for the control room")
    def contacts_page(run: RUN = None, day: DAY = None) -> HTMLResponse:
        return HTMLResponse(published.contacts_page(run, day))

    @app.get("/strength", response_class=HTMLResponse, summary="Leave left, time budget and abstraction")
    def strength_page(run: RUN = None, day: DAY = None) -> HTMLResponse:
        return HTMLResponse(published.strength_page(run, day))

    @app.get("/api/map.json", summary="The map's figures (format bluelamp-map/1)")
    def map_data(request: Request, run: RUN = None) -> Response:
        return published.map_data(run, request.state.asker.holder).answer(request)

    @app.get("/openapi.json", summary="All of this as an OpenAPI description")
    def described() -> Response:
        return Response(orjson.dumps(app.openapi()), media_type="application/json")

    @app.get("/health/live.json", summary="Whether the service answers at all")
    def live() -> Response:
        return Response(b'{"alive":true}', media_type="application/json")

    @app.get("/health.json", summary="Whether the service can read its store, and how old its data is")
    def health() -> Response:
        run = published.run(None)
        answer = {"run_id": run["run_id"], "made_at": run["made_at"], "data_until": run["data_until"]}
        return Response(orjson.dumps(answer), media_type="application/json")


def _map_navigation(run_id: str) -> str:
    """Give the links to other views as the map's page has them: the data page is that of the run shown."""
    pages = TEMPLATES.get_template("pages.html").module.pages  # type: ignore[attr-defined]
    return str(pages("/", None, f"/data?run={run_id}"))


def _add_tables(app: FastAPI, published: Published) -> None:
    @app.get("/tables", response_class=HTMLResponse, summary="The tables there are")
    def index(request: Request) -> HTMLResponse:
        holder, force_id = request.state.asker.holder, published.settings.force.id
        seen = [name for name in SHOWN if may(holder, kind_of_table(name), "consult", force_id)]
        items = "".join(
            f'<tr><th scope="row"><a href="/tables/{name}">{escape(tables.table(name).title)}</a></th>'
            f"<td>{escape(tables.table(name).row)}</td>"
            f'<td><span class="twins"><a href="/tables/{name}.csv" aria-label="{name} as CSV">CSV</a> '
            f'<a href="/tables/{name}.json" aria-label="{name} as JSON">JSON</a> '
            f'<a href="/schemas/{name}.json" aria-label="schema of {name}">schema</a></span></td></tr>'
            for name in seen
        )
        heads = '<thead><tr><th scope="col">Table</th><th scope="col">A row is</th><th scope="col">As</th></tr></thead>'
        listed = (
            '<div class="wide" tabindex="0" role="region" aria-label="Every table">'
            f"<table>{heads}<tbody>{items}</tbody></table></div>"
        )
        return HTMLResponse(_page(app, "All tables", listed, "/tables"))

    @app.get("/schemas/{name}.json", summary="A table's JSON Schema")
    def schema(name: NAME) -> Response:
        return Response(orjson.dumps(tables.json_schema(name)), media_type="application/schema+json")

    @app.get("/tables/{name}.csv", summary="A table as CSV")
    def as_csv(name: NAME, request: Request, run: RUN = None) -> Response:
        rows = tables.keep(published.table_for(request.state.asker.holder, name, run), name, request.query_params)
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return tagged(request, tables.to_csv(rows, name).encode(), "text/csv; charset=utf-8", headers)

    @app.get("/tables/{name}.json", summary="A table as JSON: a list of rows, each as its schema says")
    def as_json(name: NAME, request: Request, run: RUN = None) -> Response:
        rows = tables.keep(published.table_for(request.state.asker.holder, name, run), name, request.query_params)
        return tagged(request, tables.to_json(rows, name), "application/json")

    @app.get("/tables/{name}", response_class=HTMLResponse, summary="A table as a page")
    def as_page(name: NAME, request: Request, run: RUN = None) -> HTMLResponse:
        definition = tables.table(name)
        rows = tables.keep(published.table_for(request.state.asker.holder, name, run), name, request.query_params)
        query = f"?{request.url.query}" if request.url.query else ""
        shown = rows.head(ROWS_ON_A_PAGE)
        head = "".join(f'<th scope="col">{escape(column)}</th>' for column in shown.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{'' if value is None else escape(str(value))}</td>" for value in row) + "</tr>"
            for row in shown.with_columns(pl.selectors.by_dtype(pl.String).str.slice(0, 200)).iter_rows()
        )
        more = f" The first {shown.height:,} are shown." if rows.height > shown.height else ""
        links = (
            f'<a href="/tables/{name}.csv{escape(query)}">CSV</a> <a href="/tables/{name}.json{escape(query)}">JSON</a>'
        )
        return HTMLResponse(
            _page(
                app,
                definition.title,
                f"<p>A row is: {escape(definition.row)}. {rows.height:,} rows.{more} {links}</p>"
                f'<div class="wide" tabindex="0" role="region" aria-label="{escape(definition.title)}">'
                f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>",
                "/tables",
            )
        )


def _page(app: FastAPI, title: str, body: str, here: str = "") -> str:
    """Give a page of words; `body` is HTML in which what others wrote is escaped."""
    force_name = app.state.published.settings.force.name
    return TEMPLATES.get_template("written.html").render(
        force_name=force_name, title=title, body=body, here=here, about=""
    )
