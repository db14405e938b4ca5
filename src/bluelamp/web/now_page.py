"""The screen on a control room's wall: what waits now, who is free, and what the next hours will bring.

Every figure is one of `open_logs`, `units_now`, `next_dispatch`, `backlog` or `next_hours` as they stand at the last
moment that the records know, and says which. Logs and units are counted; none is named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import polars as pl
from fastapi import FastAPI, Query, Request
from fastapi import Path as PathPart
from fastapi.responses import HTMLResponse, Response

from bluelamp import committed, look_ahead, near_term, periods, reading, tables
from bluelamp import validation as held
from bluelamp.access import kind_of_table, may
from bluelamp.errors import NoInput, count_of
from bluelamp.live import Current
from bluelamp.settings import ForcePart
from bluelamp.store import Store
from bluelamp.web.kept_fresh import Kept, KeptFresh
from bluelamp.web.navigation import seen_by
from bluelamp.web.now_picture import draw_hours
from bluelamp.web.now_place import Districts, Place, find_place, read_districts
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.wording import percent

NAMES = ("open_logs", "units_now", "next_dispatch", "backlog", "next_hours")
HOURS, MOST_HOURS = 12, 24
STALE, OLD = timedelta(minutes=20), timedelta(hours=24)
_LIVE = "/api/live"
# What a sergeant asks of units, in that order, and the stages that make it up.
_STAGES = (
    ("Free", ("available",)),
    ("On the way", ("en_route",)),
    ("At scene", ("at_scene",)),
    ("Other work", ("committed", "committed_deployable", "custody", "guard", "write_up")),
    ("Break", ("refreshments", "briefing")),
    ("Not known", ("unknown",)),
)
_IDLE = ("Free", "Break", "Not known")
# With more, what the shift hands over would be below a wall's lower edge.
_POOLS_SHOWN = 5
_LEAST_HANDED = 0.05

HOURS_ASKED = Annotated[int, Query(description="Coming hours, at most 24", ge=1, le=MOST_HOURS)]
DISTRICT = Annotated[str | None, Query(description="A district's id, instead of a pool's")]
POOL = Annotated[str | None, Query(description="A pool's id; the whole force where it is left out")]
THEME = Annotated[Literal["dark", "light"], Query(description="Dark, for a wall, or light")]
HOLD = Annotated[bool, Query(description="Whether the page stays as it is, instead of renewing itself")]
NAME = Annotated[Literal["open_logs", "units_now", "next_dispatch", "backlog", "next_hours"],
                 PathPart(description="One of the tables behind the page")]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Look:
    """What the page is made from: the simulated hours with the tables that they begin with, what comes, the targets.

    Each is one of its own: pages are kept by the look that they show.
    """

    near: near_term.NearTerm
    next_hours: pl.DataFrame
    standards: pl.DataFrame
    districts: Districts

    def table(self, name: str) -> pl.DataFrame:
        """Give one of the tables of `NAMES`."""
        near = self.near
        return {
            "open_logs": near.logs, "units_now": near.units, "next_dispatch": near.hours, "backlog": near.backlog,
            "next_hours": self.next_hours,
        }[name]  # fmt: skip


def keep_look(folder: Path, find_current: Callable[[], Current | None] = lambda: None) -> KeptFresh[Look]:
    """Look ahead from the newest state of a force's store, once for all who ask.

    `find_current` gives the next hours that another process keeps current, with what has come and is not imported yet;
    they are taken as long as they are of what the store holds now.
    """

    # One, because it reads what was added since it last looked.
    kept = Store(folder)

    def make() -> Look:
        current, store = find_current(), kept.snapshot()
        if current is not None and current.made_of == (store.batches().height, store.runs().height):
            near, next_hours = current.near, current.next_hours
        else:
            near, next_hours = near_term.simulate_next(folder, hours=MOST_HOURS), look_ahead.look_ahead(folder).table
        districts = read_districts(store, near.run_id, near.hours["hour_starting"])
        return Look(near, next_hours, reading.read_used(store, "standards", near.run_id), districts)

    def state() -> tuple[int | str, ...]:
        # The clock is no part of it: from the same records the same hours follow, however late it is.
        still = kept.snapshot()
        current = find_current()
        is_now = 0 if current is None else current.sequence
        return still.batches().height, still.runs().height, still.erasures().height, held.stamp(folder), is_now

    return KeptFresh(make, state)


class Wall:
    """The page of one force; `clock` tells what time it is."""

    def __init__(self, folder: Path, force: ForcePart, look: KeptFresh[Look]) -> None:
        self.folder, self.force, self.look = folder, force, look
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._page = lru_cache(maxsize=32)(self._render)
        # All screens ask at the same moment: when there is something new.
        self._one_at_a_time = Lock()

    def page(
        self, request: Request, hours: int, pool: str | None, district: str | None, theme: str, *, is_held: bool
    ) -> str:
        """Give the page for whoever asks; a force of which nothing can be told has one, too."""
        holder = request.state.asker.holder
        try:
            kept: Kept[Look] | None = self.look.get()
            why_not = ""
        except NoInput as error:
            kept, why_not = None, str(error)
        is_live = any(getattr(route, "path", "") == _LIVE for route in request.app.routes)
        takes = tuple(name for name in NAMES if may(holder, kind_of_table(name), "export", self.force.id))
        # It tells minutes, so that all screens of a room are given one page in each.
        now = self.clock().replace(second=0, microsecond=0)
        links = seen_by(holder, self.force.id)
        with self._one_at_a_time:
            return self._page(kept, why_not, now, hours, pool, district, theme, is_held, is_live, takes, links)

    def _render(
        self, kept: Kept[Look] | None, why_not: str, now: datetime, hours: int, pool: str | None,
        district: str | None, theme: str, is_held: bool, is_live: bool, takes: tuple[str, ...], _links: frozenset[str],
    ) -> str:  # fmt: skip
        return render_now_page(
            kept, why_not, force_name=self.force.name, time_zone=self.force.time_zone, now=now, hours=hours, pool=pool,
            district=district, theme=theme, is_held=is_held, is_live=is_live, takes=takes,
        )  # fmt: skip


def add_now(app: FastAPI, folder: Path, force: ForcePart, look: KeptFresh[Look]) -> None:
    """Add the page, and its tables as they stand at the same moment."""
    wall = Wall(folder, force, look)
    app.state.wall = wall

    @app.get("/now", response_class=HTMLResponse, summary="Now and the next 12 hours, for a control room's wall")
    def now_page(
        request: Request, hours: HOURS_ASKED = HOURS, pool: POOL = None, district: DISTRICT = None,
        theme: THEME = "dark", hold: HOLD = False,
    ) -> HTMLResponse:  # fmt: skip
        page = wall.page(request, hours, pool, district, theme, is_held=hold)
        return HTMLResponse(page, headers={"Cache-Control": "no-store"})

    @app.get("/now/{name}.csv", summary="A table behind the page of now, as CSV")
    def as_csv(name: NAME, request: Request) -> Response:
        rows = tables.keep(look.get().value.table(name), name, request.query_params)
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return Response(tables.to_csv(rows, name), media_type="text/csv; charset=utf-8", headers=headers)

    @app.get("/now/{name}.json", summary="A table behind the page of now, as JSON")
    def as_json(name: NAME, request: Request) -> Response:
        rows = tables.keep(look.get().value.table(name), name, request.query_params)
        return Response(tables.to_json(rows, name), media_type="application/json")


def render_now_page(
    kept: Kept[Look] | None,
    why_not: str = "",
    *,
    force_name: str,
    time_zone: str,
    now: datetime,
    hours: int = HOURS,
    pool: str | None = None,
    district: str | None = None,
    theme: str = "dark",
    is_held: bool = False,
    is_live: bool = False,
    takes: Collection[str] = NAMES,
) -> str:
    """Give the page as it is `now`; without `kept` it says `why_not`. Raises UsageError for an unknown place."""
    clock = _Clock(time_zone, now)
    asked = {"hours": hours, "pool": pool, "district": district, "theme": theme}
    common = {
        "force_name": force_name,
        "time": clock.moment(now),
        "hours_asked": hours,
        "theme": theme,
        "is_held": is_held,
        "live": _LIVE if is_live and not is_held else "",
        "address": lambda **other: _address(asked | other),
        "number": lambda value, digits=1: "" if value is None else f"{value:,.{digits}f}",
        "percent": lambda share: percent(share, 0),
    }
    page = TEMPLATES.get_template("now.html")
    if kept is None:
        return page.render(found=False, about=f"Clock of {time_zone}.", why_not=why_not, **common)
    look = kept.value
    near = look.near
    pools = near.hours.filter(level="pool")["place_id"].unique().sort().to_list()
    place = find_place(pool, district, pools, look.districts, near.pool_of_area)
    shown = _shown(near.hours, now, hours)
    of_place = place.rows_of(shown)
    promises = _promises(look.standards)
    starts = of_place["hour_starting"].unique().sort().to_list()
    labels = clock.labels(starts)
    rows = _by_hour(of_place, starts, labels, promises)
    if place.is_force and len(pools) > 1:
        _add_where(rows, shown, promises)
    query = f"?level=pool&place_id={pool}" if pool else "?level=force" if place.is_force else "?level=pool"
    return page.render(
        found=True,
        about=f"Clock of {time_zone}.",
        run_id=near.run_id,
        pool=pool,
        pools=pools,
        district=district,
        districts=look.districts.names if len(look.districts.names) > 1 else {},
        of_district=place.told(starts, labels) if district else "",
        place=place.name,
        since=clock.moment(near.at),
        age=_age(near.at, now, clock),
        is_renewing=kept.is_old,
        problem=kept.problem,
        headline=_headline(place.pools_of(shown), promises, pools, labels, starts),
        expected=_expected(look.next_hours, clock) if place.is_force else "",
        logs=_logs(near, place, clock),
        units=_units(near, place, pools, clock),
        hours=rows,
        grades=[each for each in promises if any(each["grade"] in row["late"] for row in rows)],
        charts=draw_hours(rows, promises),
        handed=_handed_over(near.backlog, place, now, starts, clock),
        notes=near.notes,
        links=[{"name": name, "query": _query_of(name, query)} for name in NAMES if name in takes],
        **common,
    )


class _Clock:
    """Instants and lengths of time as a control room says them, by the force's own clock."""

    def __init__(self, time_zone: str, now: datetime) -> None:
        self.zone, self.now = periods.zone(time_zone), now

    def moment(self, at: datetime) -> str:
        """Say a moment with its day and which time it is: 'Mon 23 Nov 18:20 GMT'."""
        local = at.astimezone(self.zone)
        return f"{local:%a} {local.day} {local:%b %H:%M} {local.tzname()}"

    def hour(self, at: datetime) -> str:
        """Say the time alone, with the day where it is not today's."""
        local = at.astimezone(self.zone)
        day = "" if local.date() == self.now.astimezone(self.zone).date() else f"{local:%a} "
        return f"{day}{local:%H:%M}"

    def labels(self, starts: Sequence[datetime]) -> list[str]:
        """Say hours by their start; on the night when one comes twice, which of the two it is."""
        local = [at.astimezone(self.zone) for at in starts]
        told = [f"{at:%H:%M}" for at in local]
        days = [(at.date(), words) for at, words in zip(local, told, strict=True)]
        return [
            f"{words} {at.tzname()}" if days.count(day) > 1 else words
            for at, words, day in zip(local, told, days, strict=True)
        ]


def _lasting(minutes: float) -> str:
    whole = round(minutes)
    if whole < 60:
        return f"{max(whole, 0)} min"
    if whole < 600:
        return f"{whole // 60} h {whole % 60} min"
    return f"{whole // 60} h" if whole < 48 * 60 else f"{whole // 1440:,} days"


def _address(asked: Mapping[str, Any]) -> str:
    usual = {"hours": HOURS, "pool": None, "district": None, "theme": "dark", "hold": None}
    told = {name: value for name, value in asked.items() if value != usual[name]}
    return f"/now?{urlencode(told)}" if told else "/now"


def _query_of(name: str, query: str) -> str:
    """Leave out what a table has no column for: of areas and districts alone these tables speak of places."""
    return "" if name in ("next_hours", "open_logs") else query


def _age(at: datetime, now: datetime, clock: _Clock) -> dict[str, Any]:
    """Say how old the newest record is, and how much that matters."""
    age = now - at
    minutes = age / timedelta(minutes=1)
    if age > OLD:
        words = (
            f"Do not work from this screen: nothing has come in for {_lasting(minutes)}. It shows how things stood on "
            f"{clock.moment(at)}."
        )
    elif age > STALE:
        words = f"Nothing has come in for {_lasting(minutes)}: this is how things stood at {clock.hour(at)}."
    elif age < -STALE:
        words = (
            f"The newest record is dated {clock.moment(at)}, {_lasting(-minutes)} ahead of this machine's clock. One "
            "of the two is wrong."
        )
    else:
        words = ""
    return {
        "kind": "old" if age > OLD else "stale" if words else "fresh",
        "words": words,
        "short": f"Data until {clock.hour(at)}, {_lasting(max(minutes, 0))} old",
        "minutes": minutes,
        "at": at,
    }


def _shown(hours: pl.DataFrame, now: datetime, asked: int) -> pl.DataFrame:
    """Give the coming hours; those that are over are left out, but where all are: then they are all there is."""
    coming = hours.filter(pl.col("hour_starting") > now - timedelta(hours=1))
    rows = hours if coming.is_empty() else coming
    first: list[datetime] = rows["hour_starting"].unique().sort().head(asked).to_list()
    return rows.filter(pl.col("hour_starting").is_in(first))


def _promises(standards: pl.DataFrame) -> list[dict[str, Any]]:
    """Give grades by urgency, each with the share of calls that may be late by the strictest of its targets."""
    found = standards.group_by("grade_code").agg(
        pl.col("grade_name").drop_nulls().first(), pl.col("target_minutes").min(), pl.col("target_share").max()
    )
    return [
        {"grade": row["grade_code"], "name": row["grade_name"], "allowed": round(1 - row["target_share"], 9)}
        for row in found.sort("target_minutes", "grade_code").iter_rows(named=True)
    ]


def _headline(
    shown: pl.DataFrame, promises: list[dict[str, Any]], pools: list[str], labels: list[str], starts: list[datetime]
) -> dict[str, Any]:  # fmt: skip
    """Say the one thing that matters most: of the most urgent grade that will be late more often than promised, the
    place and hour where most calls of it will be.

    Not the highest share: a place to which hardly any call comes would have it by chance.
    """
    known = shown.filter(pl.col("share_late").is_not_null())
    known = known.with_columns(late=pl.col("calls_mean") * pl.col("share_late"))
    words_of = dict(zip(starts, labels, strict=True))
    nearest: dict[str, Any] | None = None
    for promise in promises:
        mine = known.filter(grade_code=promise["grade"]).sort(
            ["late", "hour_starting", "place_id"], descending=[True, False, False]
        )
        if mine.is_empty():
            continue
        over = mine.filter(pl.col("share_late") > promise["allowed"])
        row = (mine if over.is_empty() else over).row(0, named=True)
        where = f" in {row['place_id']}" if len(pools) > 1 else ""
        told = {
            "row": row,
            "is_over": not over.is_empty(),
            "grade": promise["grade"],
            "place_and_time": f"at {words_of[row['hour_starting']]}{where}",
            "percent": percent(row["share_late"], 0),
            "allowed": percent(promise["allowed"], 0),
        }
        if told["is_over"]:
            return told
        nearest = nearest or told
    return nearest or {"row": None, "is_over": False}


def _expected(next_hours: pl.DataFrame, clock: _Clock) -> str:
    """Say what the whole force may expect against what was planned."""
    if next_hours.is_empty():
        return ""
    row = next_hours.filter(level="force", span="sum").row(0, named=True)
    hours = next_hours.filter(level="force", span="hour").height
    planned = row["planned_mean"]
    more = row["incidents_mean"] / planned - 1 if planned else 0.0
    against = ""
    if planned:
        side = "more" if more > 0 else "fewer"
        against = f", {percent(abs(more), 0)} {side} than planned" if abs(more) >= 0.005 else ", as planned"
    since = f"{count_of(hours, 'hour')} from {clock.hour(row['hour_starting'])}"
    return (
        f"{row['incidents_mean']:.0f} calls of all kinds in the {since} "
        f"(8 cases of 10: {row['incidents_p10']} to {row['incidents_p90']}){against}."
    )


def _age_words(begins: int, ends: int | None) -> str:
    def span(minutes: int) -> str:
        # A number and its unit stay on one line in a narrow heading.
        return f"{minutes // 1440}\u00a0d" if minutes > 1440 else f"{minutes // 60}\u00a0h"

    if ends is None:
        return f"over {span(begins)}"
    return f"under {span(ends)}" if begins == 0 else f"{span(begins)} to {span(ends)}"


def _logs(near: near_term.NearTerm, place: Place, clock: _Clock) -> dict[str, Any] | None:
    """Count what is open by grade and age, the oldest first; nothing where nobody knows."""
    if near.logs.is_empty():
        return None
    rows = near.logs.filter(level="force")
    grades = rows["grade_code"].unique().sort().to_list()
    if place.areas is not None:
        rows = near.logs.filter(pl.col("level") == "area", pl.col("place_id").is_in(list(place.areas)))
    # Ages at which nothing is open would only make the others smaller.
    ages = [
        (begins, ends)
        for begins, ends in zip(committed.AGES, [*committed.AGES[1:], None], strict=True)
        if rows.filter(minutes_from=begins)["logs"].sum()
    ]
    told = []
    for grade in grades:
        mine = rows.filter(grade_code=grade)
        if mine["logs"].sum() == 0 and grade == committed.NO_GRADE:
            # Where others are graded, a row of the ungraded without a log would say nothing.
            continue
        oldest = mine["oldest_waiting_at"].min()
        told.append(
            {
                "grade": "none" if grade == committed.NO_GRADE else grade,
                "cells": [_sums(mine.filter(minutes_from=begins)) for begins, _ in reversed(ages)],
                **_sums(mine),
                "oldest": _lasting((near.at - oldest).total_seconds() / 60) if isinstance(oldest, datetime) else "",
            }
        )
    oldest = rows["oldest_waiting_at"].min()
    of = rows.filter(oldest_waiting_at=oldest)["grade_code"].to_list() if isinstance(oldest, datetime) else []
    whole = _sums(rows)
    return {
        "ages": [_age_words(*each) for each in reversed(ages)],
        "rows": told,
        **whole,
        "words": count_of(whole["waiting"], "open log has", "open logs have") + " no unit",
        "will_get_one": _will_get_one(near, place),
        "oldest": (
            f"the oldest is {_lasting((near.at - oldest).total_seconds() / 60)} old (grade {of[0]})"
            if isinstance(oldest, datetime) else ""
        ),
    }  # fmt: skip


def _will_get_one(near: near_term.NearTerm, place: Place) -> float | None:
    """Give how many of the logs that wait now will be sent a unit: what the first simulated hour begins with.

    It is known of pools: of a district's own logs nothing tells.
    """
    if place.district is not None:
        return None
    rows = place.rows_of(near.hours)
    first = rows.filter(pl.col("hour_starting") == pl.col("hour_starting").min(), grade_code="all")
    return float(first["logs_waiting_mean"].item())


def _sums(rows: pl.DataFrame) -> dict[str, int]:
    return {"waiting": int(rows["logs_waiting"].sum()), "open": int(rows["logs"].sum())}


def _units(near: near_term.NearTerm, place: Place, pools: list[str], clock: _Clock) -> dict[str, Any] | None:
    """Count units by pool and what they do, those with fewest free first, each with when such units are free again."""
    if near.units.is_empty():
        return None
    whole = near.units.filter(level="force")
    if not place.is_force:
        theirs = [each for each in near.units.filter(level="pool")["place_id"].unique() if place.has(each)]
        whole = near.units.filter(pl.col("level") == "pool", pl.col("place_id").is_in(theirs))
    names = [name for name, stages in _STAGES if name != "Not known" or whole["stage"].is_in(list(stages)).any()]
    by_pool: dict[str, list[dict[str, Any]]] = {each: [] for each in pools}
    for row in near.units.filter(level="pool").iter_rows(named=True):
        by_pool.setdefault(row["place_id"], []).append(row)
    rows: list[dict[str, Any]] = [
        {"name": each, "cells": _cells(by_pool[each], names, near.at, clock)}
        for each in sorted(by_pool)
        if place.has(each)
    ]
    rows.sort(key=lambda row: row["cells"][0]["units"])
    total = _cells(whole.to_dicts(), names, near.at, clock)
    return {
        "names": names,
        "rows": rows[:_POOLS_SHOWN],
        "more": rows[_POOLS_SHOWN:],
        "total": total,
        "free": total[0]["units"],
        "units": int(whole["units"].sum()),
    }


def _cells(rows: Sequence[Mapping[str, Any]], names: list[str], at: datetime, clock: _Clock) -> list[dict[str, Any]]:
    found = []
    for name, stages in _STAGES:
        if name not in names:
            continue
        mine = [row for row in rows if row["stage"] in stages]
        told = [row for row in mine if row["minutes_left"] is not None]
        left = None
        if name not in _IDLE and told:
            minutes = math.fsum(row["minutes_left"] * row["units_told"] for row in told)
            left = minutes / sum(row["units_told"] for row in told)
        free_at = None if left is None else at + timedelta(minutes=left)
        found.append(
            {
                "name": name,
                "units": sum(row["units"] for row in mine),
                "minutes_left": left,
                "free_at": "" if free_at is None else clock.hour(free_at),
            }
        )
    return found


def _by_hour(
    rows: pl.DataFrame, starts: list[datetime], labels: list[str], promises: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Lay out hours as rows: all grades together, and the chance of lateness by grade."""
    allowed = {each["grade"]: each["allowed"] for each in promises}
    by_hour: dict[datetime, dict[str, dict[str, Any]]] = {at: {} for at in starts}
    for row in rows.iter_rows(named=True):
        by_hour[row["hour_starting"]][row["grade_code"]] = row
    found = []
    for at, words in zip(starts, labels, strict=True):
        mine = by_hour[at]
        late = {
            grade: {"row": row, "share": row["share_late"], "is_over": row["share_late"] > allowed[grade]}
            for grade, row in mine.items()
            if grade in allowed and row["share_late"] is not None
        }
        found.append({"at": at, "words": words, "all": mine["all"], "late": late, "key": f"{at:%Y-%m-%dT%H:%M:%SZ}"})
    return found


def _add_where(rows: list[dict[str, Any]], shown: pl.DataFrame, promises: list[dict[str, Any]]) -> None:
    """Add to hours of the force the pool that will be late more often than promised, where most calls will be."""
    of_pools = shown.filter(pl.col("level") == "pool", pl.col("share_late").is_not_null())
    for promise in promises:
        over = of_pools.filter(pl.col("grade_code") == promise["grade"], pl.col("share_late") > promise["allowed"])
        most = (
            over.with_columns(late=pl.col("calls_mean") * pl.col("share_late"))
            .sort(["late", "place_id"], descending=[True, False])
            .unique("hour_starting", keep="first", maintain_order=True)
        )
        by_hour = {row["hour_starting"]: row for row in most.iter_rows(named=True)}
        for row in rows:
            if promise["grade"] in row["late"]:
                row["late"][promise["grade"]]["where"] = by_hour.get(row["at"])


def _handed_over(
    backlog: pl.DataFrame, place: Place, now: datetime, starts: list[datetime], clock: _Clock
) -> list[dict[str, Any]]:
    """Lay out what waits at the ends of the shifts that end within the hours shown, by grade and age."""
    rows = place.rows_of(backlog, "at")
    begins, ends = starts[0], starts[-1] + timedelta(hours=1)
    # Where all hours are over, they are shown as they were foreseen.
    after = now if begins < now < ends else begins
    later = rows.filter(~pl.col("is_now"), pl.col("at") > after, pl.col("at") <= ends)
    found = []
    # What nobody expects has no line and no column: `backlog` has its noughts.
    expected = (pl.col("logs_p90") > 0) | (pl.col("logs_mean") >= _LEAST_HANDED)
    for (at,), every in later.group_by("at", maintain_order=True):
        assert isinstance(at, datetime)
        some = every.filter(expected.any().over("grade_code") & expected.any().over("minutes_from"))
        grades = []
        for (grade,), mine in some.group_by("grade_code", maintain_order=True):
            cells = mine.sort("minutes_from", descending=True).to_dicts()
            grades.append({"grade": grade, "cells": cells, "sum": float(mine["logs_mean"].sum())})
        old = every.filter(pl.col("minutes_from") >= committed.AGES[2])
        found.append(
            {
                "when": clock.hour(at),
                "key": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "ages": [_age_words(cell["minutes_from"], cell["minutes_to"]) for cell in grades[0]["cells"]]
                if grades
                else [],
                "grades": grades,
                "sum": float(every["logs_mean"].sum()),
                "old": float(old["logs_mean"].sum()),
                "old_from": f"{committed.AGES[2] // 60} h",
            }
        )
    return found
