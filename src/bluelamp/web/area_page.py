"""The page of one area: a week of it in words, in pictures and as tables; and all areas beside each other.

Every figure is one of `area_hours`, `area_weeks`, `forecast` or `peaks`, and says which. An account that is limited to
districts sees the areas of those.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
import polars as pl
from fastapi import FastAPI, Query, Request
from fastapi import Path as PathPart
from fastapi.responses import HTMLResponse, Response

from bluelamp import peaks, periods, tables
from bluelamp.access import Holder
from bluelamp.area_weeks import DAYS, Ahead
from bluelamp.errors import NoInput, NotPermitted, UsageError, did_you_mean
from bluelamp.settings import ForcePart
from bluelamp.web.area_picture import draw_days, draw_week
from bluelamp.web.area_words import LEAST_LATE, say_day, say_how_right, say_week
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.wording import percent

FROM = Annotated[date | None, Query(alias="from", description="First local day of the week shown; the run's first")]
RUN = Annotated[str | None, Query(description="A run's id; the latest run where it is left out")]
AREA = Annotated[str, PathPart(description="An area's id")]
_DAYS_BEFORE = 28
_HOUR = "%Y-%m-%dT%H:%MZ"


@dataclass(frozen=True)
class Source:
    """Where the page has its figures from: `find_run` by id, `table` of a run by name, `told` the same but empty where
    there is none, and `table_for` what an account may see of one.
    """

    folder: str
    force: ForcePart
    find_run: Callable[[str | None], Mapping[str, Any]]
    table: Callable[[str, str | None], pl.DataFrame]
    told: Callable[[str, Mapping[str, Any]], pl.DataFrame]
    table_for: Callable[[Holder, str, str | None], pl.DataFrame]


@dataclass(frozen=True)
class Asked:
    """A run with its areas as somebody may see them, and the week asked for."""

    source: Source
    run: Mapping[str, Any]
    ahead: Ahead
    areas: pl.DataFrame
    first: date
    days: Sequence[date]

    @property
    def run_id(self) -> str:
        """Give the run's id."""
        return str(self.run["run_id"])

    def address(self, place: str = "", first: date | None = None) -> str:
        """Give the address of an area, or of all, in the same run in a week."""
        return f"/areas{place}?{urlencode({'run': self.run_id, 'from': first or self.first})}"

    def weeks(self) -> pl.DataFrame:
        """Give the row of `area_weeks` of each area that may be seen."""
        every = self.ahead.weeks(self.areas, self.first)
        theirs = self.areas.filter(level="area")["area_id"]
        # What lies in no known area lies in no district, either.
        unknown = [] if self.is_limited else ["unknown"]
        return every.filter(pl.col("area_id").is_in([*theirs, *unknown]))

    @property
    def is_limited(self) -> bool:
        """Whether fewer areas may be seen than there are."""
        every = self.source.table("areas", self.run_id)
        return self.areas.height < every.height

    def week_links(self, place: str = "") -> list[dict[str, Any]]:
        """Give the weeks there are, as links."""
        return [
            {"address": self.address(place, each), "words": f"{each.day} {each:%b}", "is_shown": each == self.first}
            for each in self.days[::DAYS]
        ]


def ask(source: Source, holder: Holder, run_id: str | None, first: date | None) -> Asked:
    """Read a run for somebody. Raises UsageError where it has no such day."""
    run = source.find_run(run_id)
    run_id = str(run["run_id"])
    settings = json.loads(run["settings"])
    ahead = Ahead(
        {name: source.table(name, run_id) for name in ("coverage", "forecast", "demand", "outages")},
        settings["staffing"]["role"], settings["demand"]["origins"], run["data_until"], source.force.time_zone,
    )  # fmt: skip
    days = ahead.days()
    if not days:
        raise NoInput(f"Run {run_id} says nothing of the coming hours.")
    if first is not None and first not in days:
        raise UsageError(f"Run {run_id} says nothing of {first}. Its days reach from {days[0]} to {days[-1]}.")
    return Asked(source, run, ahead, source.table_for(holder, "areas", run_id), first or days[0], days)


def week_of(asked: Asked, area_id: str) -> Mapping[str, Any]:
    """Give one area's row of `area_weeks`.

    Raises NoInput where there is none, NotPermitted where it is not for whoever asks.
    """
    weeks = asked.weeks()
    theirs = weeks["area_id"].to_list()
    if area_id in theirs:
        return weeks.row(theirs.index(area_id), named=True)
    everywhere = asked.ahead.results["coverage"].filter(level="area")["place_id"]
    if area_id in everywhere:
        raise NotPermitted(f"Area '{area_id}' lies outside the districts of your account.")
    raise NoInput(f"There is no area '{area_id}' in run {asked.run_id}.{did_you_mean(area_id, theirs)}")


def add_areas(app: FastAPI, source: Source) -> None:
    """Add the page of all areas, that of one, and the tables behind them."""

    def hours_of(request: Request, area_id: str, run: str | None, first: date | None) -> pl.DataFrame:
        asked = ask(source, request.state.asker.holder, run, first)
        week_of(asked, area_id)
        return asked.ahead.hours_of(area_id, asked.first)

    @app.get("/areas", response_class=HTMLResponse, summary="All areas: a week of each")
    def every_area(request: Request, run: RUN = None, first: FROM = None) -> HTMLResponse:
        return HTMLResponse(render_areas_page(ask(source, request.state.asker.holder, run, first)))

    @app.get("/areas.csv", summary="A week of each area, as CSV")
    def weeks_csv(request: Request, run: RUN = None, first: FROM = None) -> Response:
        weeks = ask(source, request.state.asker.holder, run, first).weeks()
        return _csv(tables.to_csv(weeks, "area_weeks"), "area_weeks")

    @app.get("/areas.json", summary="A week of each area, as JSON")
    def weeks_json(request: Request, run: RUN = None, first: FROM = None) -> Response:
        asked = ask(source, request.state.asker.holder, run, first)
        return _json(asked, tables.to_json(asked.weeks(), "area_weeks"))

    # An area's id may have a slash in it; what ends in .csv or .json is a table.
    @app.get("/areas/{area_id:path}.csv", summary="One area hour by hour, as CSV")
    def hours_csv(area_id: AREA, request: Request, run: RUN = None, first: FROM = None) -> Response:
        return _csv(tables.to_csv(hours_of(request, area_id, run, first), "area_hours"), "area_hours")

    @app.get("/areas/{area_id:path}.json", summary="One area hour by hour, as JSON")
    def hours_json(area_id: AREA, request: Request, run: RUN = None, first: FROM = None) -> Response:
        asked = ask(source, request.state.asker.holder, run, first)
        week_of(asked, area_id)
        return _json(asked, tables.to_json(asked.ahead.hours_of(area_id, asked.first), "area_hours"))

    @app.get("/areas/{area_id:path}", response_class=HTMLResponse, summary="One area: what comes, its cover, its peaks")
    def one_area(area_id: AREA, request: Request, run: RUN = None, first: FROM = None) -> HTMLResponse:
        asked = ask(source, request.state.asker.holder, run, first)
        return HTMLResponse(render_area_page(asked, week_of(asked, area_id)))


def _csv(text: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def _json(asked: Asked, rows: bytes) -> Response:
    head = orjson.dumps({"run_id": asked.run_id, "from": asked.first})
    return Response(head[:-1] + b',"data":' + rows + b"}", media_type="application/json")


def _common(asked: Asked) -> dict[str, Any]:
    last = min(asked.first + timedelta(days=DAYS - 1), asked.days[-1])
    about = f"{say_day(asked.first)} to {say_day(last)} {last.year}; clock of {asked.source.force.time_zone}."
    return {
        "force_name": asked.source.force.name,
        "about": about,
        "run_id": asked.run_id,
        "address": asked.address,
        "map_address": f"/?run={asked.run_id}",
        "number": lambda value, digits=1: "" if value is None else f"{value:,.{digits}f}",
        "percent": percent,
        "signed": lambda value: "" if value is None else f"{value:+d}".replace("-", "−") if value else "0",
    }


def render_areas_page(asked: Asked) -> str:
    """Give the page of all areas, district by district."""
    weeks = asked.weeks()
    names = dict(asked.areas.filter(level="district").select("area_id", "area_name").iter_rows())
    districts = [
        {
            "name": names.get(district) or district or ("Place not known" if is_unknown else "In no district"),
            "rows": [
                {**row, "name": _name_of(row)}
                for row in rows.sort("incidents_mean", "area_id", descending=[True, False]).to_dicts()
            ],
        }
        for (is_unknown, district), rows in weeks.with_columns(is_unknown=pl.col("area_id") == "unknown")
        .sort("is_unknown", "district_id", nulls_last=True)
        .group_by("is_unknown", "district_id", maintain_order=True)
    ]
    return TEMPLATES.get_template("areas.html").render(
        districts=districts,
        week_links=asked.week_links(),
        sentences=_say_all(weeks),
        day=lambda at: f"{at:%a} {at.day} {at:%b}",
        query=f"?run={asked.run_id}&from={asked.first}",
        **_common(asked),
    )


def _say_all(weeks: pl.DataFrame) -> list[str]:
    if weeks.is_empty():
        return ["There is no area in your districts."]

    def named(row: Mapping[str, Any]) -> str:
        return f"{_name_of(row)} ({row['area_id']})"

    # What lies in no known area is no place to be looked after.
    known = weeks.filter(pl.col("area_id") != "unknown")
    most = (weeks if known.is_empty() else known).sort("incidents_mean", "area_id", descending=[True, False])
    first = most.row(0, named=True)
    said = [f"Most incidents: {named(first)}, {first['incidents_mean']:,.0f} in these days."]
    late = most.filter(pl.col("chance_late") >= LEAST_LATE).sort(["chance_late", "area_id"], descending=[True, False])
    if late.height:
        worst = late.row(0, named=True)
        said.append(
            f"Late most often: {named(worst)}, where {percent(worst['chance_late'])} of calls are expected late."
        )
    elif most["chance_late"].is_not_null().any():
        said.append("Hardly any call is expected to be reached after its target.")
    return said


def _name_of(week: Mapping[str, Any]) -> str:
    area_id = str(week["area_id"])
    return str(week["area_name"] or ("Place not known" if area_id == "unknown" else area_id))


def render_area_page(asked: Asked, week: Mapping[str, Any]) -> str:
    """Give the page of one area, of whose week `week` is the row of `area_weeks`."""
    zone, area_id = asked.source.force.time_zone, str(week["area_id"])
    hours = asked.ahead.hours_of(area_id, asked.first)
    local = hours["hour_starting"].dt.convert_time_zone(zone).to_list()
    ahead = asked.ahead.day_by_day(area_id, min(asked.first + timedelta(days=DAYS - 1), asked.days[-1]))
    before = asked.ahead.days_before(area_id, _DAYS_BEFORE)
    shown = ahead.filter(pl.col("day") >= asked.first)
    found = _peaks_of(asked, area_id)
    pools = dict(asked.source.table("pools", asked.run_id).select("pool_id", "pool_name").unique("pool_id").iter_rows())
    names = dict(asked.source.table("areas", asked.run_id).select("area_id", "area_name").iter_rows())
    name = _name_of(week)
    return TEMPLATES.get_template("area.html").render(
        area_id=area_id,
        name=name,
        district=names.get(week["district_id"]) or week["district_id"],
        map_at=lambda at: f"/?run={asked.run_id}#hour={at.strftime(_HOUR)}&place=area:{_quoted(area_id)}",
        sentences=say_week(week, hours, _of_days(found, asked), {k: v or k for k, v in pools.items()}, zone),
        week_at=_worst_hour(hours),
        week_links=asked.week_links(f"/{_quoted(area_id)}"),
        pictures=draw_week(hours.to_dicts(), local, f"{name}, hour by hour; every figure stands in the table below"),
        day_pictures=draw_days(
            before.to_dicts(),
            ahead.to_dicts(),
            shown["day"].to_list(),
            f"{name}, the {_DAYS_BEFORE} days before and those ahead; the week shown stands in the table below",
        ),
        days=_by_day(hours, shown, local),
        hours=[
            (row, f"{at:%a} {at.day} {periods.as_read(at, zone, '%H:%M')}")
            for row, at in zip(hours.iter_rows(named=True), local, strict=True)
        ],
        has_duties=week["hours_short"] is not None,
        peaks=_say_peaks(found, zone),
        share=_say_share(asked, area_id),
        right=_how_right(asked, week),
        tables_of=[
            ("forecast", f"?run={asked.run_id}&level=area&area_id={_quoted(area_id)}"),
            ("coverage", f"?run={asked.run_id}&level=area&place_id={_quoted(area_id)}"),
            ("demand", f"?run={asked.run_id}&area_id={_quoted(area_id)}"),
            ("peaks", f"?run={asked.run_id}&level=area&area_id={_quoted(area_id)}"),
        ],
        query=f"?run={asked.run_id}&from={asked.first}",
        **_common(asked),
    )


def _worst_hour(hours: pl.DataFrame) -> datetime:
    """Give the hour at which the map is opened: where most is missing, or most is expected."""
    at: datetime = hours.sort(
        "units_gap", "incidents_mean", "hour_starting", descending=[False, True, False], nulls_last=True
    )["hour_starting"][0]
    return at


def _quoted(text: str) -> str:
    return urlencode({"": text})[1:].replace("+", "%20")


def _of_days(found: pl.DataFrame, asked: Asked) -> pl.DataFrame:
    """Keep the peaks where they are ranked among the shown days: those of the week that the run begins with."""
    return found if asked.first == asked.days[0] else found.clear()


def _peaks_of(asked: Asked, area_id: str) -> pl.DataFrame:
    return asked.source.told("peaks", asked.run).filter(level="area", area_id=area_id)


def _say_peaks(found: pl.DataFrame, zone: str) -> list[dict[str, Any]]:
    """Say the shifts of the coming week and the days of the coming quarter in which most is expected here."""
    of_all = found.filter(counted="incidents", measure="incidents").sort("scope", "rank")
    return [
        {"words": f"{peaks.say_peak(row, 'here', zone)}.", "at": row["starts_at"], "scope": row["scope"]}
        for row in of_all.iter_rows(named=True) if row["scope"] in ("week", "quarter")
    ]  # fmt: skip


def _say_share(asked: Asked, area_id: str) -> str:
    """Say how many of the force's busiest shifts of the coming week are here."""
    told = asked.source.told("peak_hours", asked.run).filter(counted="incidents", measure="incidents")
    busiest = peaks.up_to(told, 0.5)
    if busiest.is_empty():
        return ""
    here = busiest.filter(area_id=area_id).height
    return (
        f"Half of the force's incidents of the coming week are expected in {busiest.height:,} of "
        f"{busiest['cells'][0]:,} areas × shifts; {here:,} of those are here."
    )


def _by_day(hours: pl.DataFrame, days: pl.DataFrame, local: Sequence[Any]) -> list[dict[str, Any]]:
    """Lay out the days of the week: each with its row of `forecast`, and sums of its rows of `area_hours`."""
    dated = hours.with_columns(day=pl.Series([at.date() for at in local], dtype=pl.Date))
    found = []
    for row in days.iter_rows(named=True):
        mine = dated.filter(day=row["day"])
        short = mine.filter(pl.col("units_gap") < 0)
        late = mine.filter(pl.col("chance_late").is_not_null())
        calls = float(late["incidents_mean"].sum())
        worst = mine.sort("units_gap", "hour_starting", nulls_last=True).row(0, named=True)
        found.append(
            {
                "row": row,
                "words": f"{row['day']:%a} {row['day'].day} {row['day']:%b}",
                "usual": mine["usual"].sum() if mine["usual"].null_count() == 0 else None,
                "week_before": mine["week_before"].sum() if mine["week_before"].null_count() == 0 else None,
                "hours_short": short.height,
                "most_short": -worst["units_gap"] if short.height else 0,
                "worst_at": worst["hour_starting"],
                "late": float((late["incidents_mean"] * late["chance_late"]).sum()) / calls if calls else None,
            }
        )
    return found


def _how_right(asked: Asked, week: Mapping[str, Any]) -> list[str]:
    method = asked.run["method"]

    def of_backtest(name: str) -> pl.DataFrame:
        try:
            return asked.source.table(name, None).filter(method=method)
        except NoInput:
            return tables.empty(name)

    spots = of_backtest("backtest_weak_spots").filter(kind="area")
    level = of_backtest("backtest_summary").filter(level="area", span="day", horizon="all")
    filed = asked.source.told("scoreboard_scores", asked.run).filter(
        method=method, level="district", area_id=week["district_id"], span="day", horizon="latest"
    )
    spot = spots.filter(spot=week["area_id"])

    def first(rows: pl.DataFrame) -> Mapping[str, Any] | None:
        return rows.row(0, named=True) if rows.height else None

    return say_how_right(first(spot), first(level), first(filed), asked.source.folder, spots.height)
