"""The page of named duties: who is on the sheet of a day, by post number, with what each can do and never why not.

It is for planners, and for supervisors as far as their teams go. Absences say that somebody is away; their kind may be
a reason, and is not read here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Annotated, Any

import polars as pl
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse

from bluelamp import periods
from bluelamp.access import Holder
from bluelamp.errors import UsageError, count_of, did_you_mean
from bluelamp.settings import Settings
from bluelamp.store import Store
from bluelamp.web.templating import TEMPLATES

DAY = Annotated[date | None, Query(description="A duty day, such as 2026-11-23; the first that the plan looks at")]
POOL = Annotated[str | None, Query(description="A pool's id, whose duties are named; all pools are only counted")]
# What a flag says where it does not hold; unknown is not said to be a limit.
_LIMITS = {
    "may_be_deployed": "not sent to incidents",
    "may_drive_on_response": "not driving on response",
    "may_be_single_crewed": "not alone",
}
_DAYS_SHOWN = 14
TableFor = Callable[[Holder, str, str | None], pl.DataFrame]


def add_duties(app: FastAPI, store: Store, settings: Settings, table_for: TableFor) -> None:
    """Add the page. `table_for` gives what an account may see of a table."""

    @app.get("/duties", response_class=HTMLResponse, summary="Who is on the sheet of a day, with what each can do")
    def duties_page(request: Request, day: DAY = None, pool: POOL = None) -> HTMLResponse:
        holder = request.state.asker.holder
        duties, people = (table_for(holder, name, None) for name in ("duties", "people"))
        if holder.districts:
            theirs = table_for(holder, "pools", None)["pool_id"]
            duties = duties.filter(pl.col("pool_id").is_in(theirs.to_list()))
        away = store.read("absences", columns=["person_id", "starts_at", "ends_at"])
        runs = store.runs()
        starts = None if runs.is_empty() else runs.sort("sequence")["forecast_from"][-1]
        return HTMLResponse(render_duties_page(duties, people, away, settings, day=day, pool=pool, starts=starts))


def render_duties_page(
    duties: pl.DataFrame,
    people: pl.DataFrame,
    away: pl.DataFrame,
    settings: Settings,
    *,
    day: date | None = None,
    pool: str | None = None,
    starts: datetime | None = None,
) -> str:
    """Give the page of a duty day, the first from `starts` on where none is asked for.

    `away` are times of absence without their kind. Raises UsageError for a day or pool without duties.
    """
    zone, force = settings.force.time_zone, settings.force
    common = {"force_name": force.name, "about": f"Clock of {zone}."}
    template = TEMPLATES.get_template("duties.html")
    local = periods.duty_day(pl.col("starts_at"), zone, settings.duties.day_starts_at)
    dated = duties.with_columns(day=pl.coalesce("duty_day", local))
    days = dated["day"].drop_nulls().unique().sort().to_list()
    if not days:
        return template.render(found=False, **common)
    chosen = _choose(day, days, None if starts is None else starts.astimezone(periods.zone(zone)).date())
    of_day = _one_of_each(dated.filter(day=chosen))
    pools = of_day["pool_id"].drop_nulls().unique().sort().to_list()
    if pool is not None and pool not in pools:
        raise UsageError(f"Pool '{pool}' has no duties on {chosen}.{did_you_mean(pool, pools)}")
    if pool is None and len(pools) == 1:
        pool = pools[0]
    rows = _with_flags(of_day, people, away, chosen)
    position = days.index(chosen)
    first = max(position - 3, 0)
    return template.render(
        found=True,
        day=chosen,
        day_words=f"{chosen:%A} {chosen.day} {chosen:%B %Y}",
        days=[{"day": each, "words": f"{each:%a} {each.day} {each:%b}"} for each in days[first : first + _DAYS_SHOWN]],
        pool=pool,
        sheets=_count(rows, zone),
        named=[] if pool is None else [_name(row, zone) for row in _sorted(rows.filter(pool_id=pool))],
        sentences=_sentences(rows, chosen),
        knows_away=not away.is_empty(),
        **common,
    )


def _choose(asked: date | None, days: list[date], starts: date | None) -> date:
    if asked is None:
        return next((each for each in days if starts is None or each >= starts), days[-1])
    if asked not in days:
        raise UsageError(f"There are no duties on {asked}. They reach from {days[0]} to {days[-1]}.")
    return asked


def _one_of_each(duties: pl.DataFrame) -> pl.DataFrame:
    """Keep a person's duties as they were worked where that is known, and as they were planned elsewhere."""
    worked = duties.filter(pl.col("kind") == "worked")
    planned = duties.filter(pl.col("kind").ne_missing("worked"))
    return pl.concat([worked, planned.join(worked.select("person_id").unique(), on="person_id", how="anti")])


def _with_flags(duties: pl.DataFrame, people: pl.DataFrame, away: pl.DataFrame, day: date) -> pl.DataFrame:
    held = people.filter(
        pl.col("valid_from").is_null() | (pl.col("valid_from") <= day),
        pl.col("valid_to").is_null() | (pl.col("valid_to") >= day),
    ).unique("person_id", keep="last")
    gone = (
        duties.select("duty_id", "person_id", "starts_at", "ends_at")
        .join(away, on="person_id", suffix="_away")
        .filter(pl.col("starts_at_away") < pl.col("ends_at"), pl.col("ends_at_away") > pl.col("starts_at"))
    )
    found = duties.join(held.select("person_id", "team", "is_tutored", *_LIMITS), on="person_id", how="left")
    return found.with_columns(is_away=pl.col("duty_id").is_in(gone["duty_id"].unique().to_list()))


def _sorted(rows: pl.DataFrame) -> list[dict[str, Any]]:
    return rows.sort("starts_at", "ends_at", "person_id", "duty_id").to_dicts()


def _clock(at: datetime, zone: str) -> str:
    return periods.as_read(at, zone, "%H:%M")


def _name(row: Mapping[str, Any], zone: str) -> dict[str, Any]:
    limits = [words for flag, words in _LIMITS.items() if row[flag] is False]
    is_known = all(row[flag] is not None for flag in _LIMITS)
    if row["is_tutored"]:
        limits.append("goes out with a tutor")
    if row["posted_pool_id"] and row["posted_pool_id"] != row["pool_id"]:
        limits.append(f"posted to {row['posted_pool_id']}")
    return {
        "duty_id": row["duty_id"], "person": row["person_id"], "team": row["team"] or "", "role": row["role_code"],
        "from": _clock(row["starts_at"], zone), "to": _clock(row["ends_at"], zone), "is_away": row["is_away"],
        "kind": row["kind"] or "planned", "limits": limits or ["all" if is_known else "no limit known"],
    }  # fmt: skip


def _count(rows: pl.DataFrame, zone: str) -> list[dict[str, Any]]:
    """Count each pool's duties by when they start."""
    here = ~pl.col("is_away")
    counted = rows.group_by("pool_id", "role_code", "starts_at").agg(
        pl.len().alias("on_sheet"),
        (~here).sum().alias("away"),
        (here & pl.col("may_be_deployed").ne_missing(False)).sum().alias("can_be_sent"),
        (here & pl.col("may_drive_on_response").fill_null(False)).sum().alias("can_drive"),
        (here & pl.col("is_tutored").fill_null(False)).sum().alias("tutored"),
    )
    ordered = counted.sort("role_code", "pool_id", "starts_at", nulls_last=True)
    return [{**row, "from": _clock(row["starts_at"], zone)} for row in ordered.iter_rows(named=True)]


def _sentences(rows: pl.DataFrame, day: date) -> list[str]:
    away = rows.filter("is_away")["person_id"].n_unique()
    limited = rows.filter(~pl.col("is_away"), pl.col("may_drive_on_response").eq(False))
    said = [
        f"{count_of(rows.height, 'duty', 'duties')} on the sheet of {day:%A} {day.day} {day:%B}, of "
        f"{count_of(rows['person_id'].n_unique(), 'person', 'people')}; "
        f"{count_of(away, 'person is', 'people are')} away for some or all of a duty."
    ]
    if rows["may_drive_on_response"].is_not_null().any():
        said.append(f"Of those who are there, {limited['person_id'].n_unique():,} may not drive on response.")
    return said
