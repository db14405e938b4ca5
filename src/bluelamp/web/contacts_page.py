"""The control room's page: contacts of the next 24 hours by quarter-hour, who has to answer them, and what was lost.

Every figure is one of `contact_forecast`, `required_agents`, `suppressed` or `feedback`, and says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from bluelamp import periods
from bluelamp.errors import UsageError
from bluelamp.remarks import weeks_told
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.wording import percent

NAMES = ("contact_forecast", "required_agents", "suppressed", "feedback")
_CHANNELS = {
    "999": "999", "101": "101", "online": "Online", "front_counter": "Front counter", "partner": "Partner",
    "other": "Other",
}  # fmt: skip
_KINDS = {
    "abandoned": "Callers whom nobody answered",
    "unanswered": "Messages that nobody opened",
    "nobody_sent": "Logs closed without anybody sent, where somebody normally is",
}
_WIDTH, _HEIGHT, _LEFT, _TOP = 520, 120, 34, 8
# With fewer contacts than this in its busiest quarter-hour a picture shows noughts and ones; the table has them.
_LEAST_DRAWN = 0.5
_STEPS = (1, 2, 4, 5, 8, 10, 20, 40, 50, 80, 100, 200, 400, 500, 1000, 2000, 5000, 10_000)
_TEAMS = {"shared": "All lines"}
_QUARTERS = 4  # of an hour
_WEEKS_SHOWN = 8
_AREAS_SHOWN = 8


def render_contacts_page(
    results: Mapping[str, pl.DataFrame],
    run: Mapping[str, Any] | None,
    *,
    force_name: str,
    folder: str,
    time_zone: str,
    now: datetime,
    day: str | None = None,
) -> str:
    """Give the page of a run's `results`; those of `NAMES` are needed, and may be empty.

    It shows the 24 hours that follow `now`, the first ones of the forecast where `now` lies outside it, or the local
    `day` that is asked for (2026-11-23). Raises UsageError where that is no day with quarters.
    """
    page = TEMPLATES.get_template("contacts.html")
    told, zone = results["contact_forecast"], periods.zone(time_zone)
    quarters = told.filter(span="quarter").sort("starts_at")
    common = {
        "force_name": force_name,
        "folder": folder,
        "run_id": None if run is None else run["run_id"],
        "run_query": "" if run is None else f"?run={run['run_id']}",
        "run_part": "" if run is None else f"&run={run['run_id']}",
        "suppressed": _suppressed(results["suppressed"], time_zone),
        "feedback": _feedback(results["feedback"]),
        "percent": percent,
        "number": lambda value, digits=1: "" if value is None else f"{value:,.{digits}f}",
    }
    if run is None or quarters.is_empty():
        return page.render(found=False, about="", **common)
    shown, chosen = _choose(quarters, now, day)
    starts = shown["starts_at"].unique().sort()
    begins, ends = starts[0], starts[-1] + timedelta(minutes=15)
    channels = [name for name in _CHANNELS if name in shown["channel"].to_list()]
    most = dict(shown.group_by("channel").agg(pl.col("contacts_mean").max()).iter_rows())
    drawn = [name for name in channels if most[name] >= _LEAST_DRAWN] or channels[:1]
    hours = told.filter(
        pl.col("span") == "hour", pl.col("starts_at") >= begins - timedelta(minutes=59), pl.col("starts_at") < ends
    )
    local = [at.astimezone(zone) for at in starts]
    return page.render(
        found=True,
        about=f"{_moment(begins.astimezone(zone))} to {_moment(ends.astimezone(zone))}, clock of {time_zone}; "
        f"data until {_moment(run['data_until'].astimezone(zone))}.",
        sentences=_in_short(shown, channels, zone),
        channels=[{"id": name, "words": _CHANNELS[name]} for name in channels],
        charts=[_chart(shown.filter(channel=name), _CHANNELS[name], local) for name in drawn],
        not_drawn=[_CHANNELS[name] for name in channels if name not in drawn],
        width=_WIDTH,
        height=_HEIGHT + 22,
        hours=_rows(hours, channels, zone),
        quarters=_rows(shown, channels, zone),
        days=[_day_row(row, zone) for row in _days(told).iter_rows(named=True)],
        chosen=chosen,
        call_takers=_call_takers(results["required_agents"], begins, ends, zone),
        **common,
    )


def _choose(quarters: pl.DataFrame, now: datetime, day: str | None) -> tuple[pl.DataFrame, str]:
    """Give the quarters to show, and the day that was asked for."""
    if day:
        try:
            shown = quarters.filter(local_day=date.fromisoformat(day))
        except ValueError:
            shown = quarters.clear()
        if shown.is_empty():
            days = quarters["local_day"].unique().sort()
            raise UsageError(f"There are no quarter-hours for '{day}'. They reach from {days[0]} to {days[-1]}.")
        return shown, day
    starts = quarters["starts_at"].unique().sort()
    first, last = starts[0], starts[-1] + timedelta(minutes=15)
    begins = now - (now - first) % timedelta(minutes=15)
    if not first <= begins < last:
        begins = first
    begins = max(first, min(begins, last - timedelta(hours=24)))
    return quarters.filter(pl.col("starts_at") >= begins, pl.col("starts_at") < begins + timedelta(hours=24)), ""


def _moment(at: datetime) -> str:
    return f"{at:%a} {at.day} {at:%b %H:%M}"


def _in_short(shown: pl.DataFrame, channels: list[str], zone: Any) -> list[str]:
    every = shown.filter(channel="all").sort("starts_at")
    busiest = every.sort(["contacts_mean", "starts_at"], descending=[True, False]).row(0, named=True)
    sums = {name: float(shown.filter(channel=name)["contacts_mean"].sum()) for name in channels}
    parts = [f"{total:,.0f} by {_CHANNELS[name]}" for name, total in sums.items()]
    told = [
        f"{float(every['contacts_mean'].sum()):,.0f} contacts are expected ({', '.join(parts)}).",
        f"The busiest quarter-hour begins at {busiest['starts_at'].astimezone(zone):%H:%M}, with "
        f"{busiest['contacts_p10']:,} to {busiest['contacts_p90']:,} contacts in 8 cases of 10.",
    ]
    if every["handling_hours_mean"].is_not_null().all():
        hours = float(every["handling_hours_mean"].sum())
        most = every.sort(["handling_hours_mean", "starts_at"], descending=[True, False]).row(0, named=True)
        told.append(
            f"Answering all of them takes {hours:,.0f} hours, most around "
            f"{most['starts_at'].astimezone(zone):%H:%M}, when {4 * most['handling_hours_mean']:,.1f} people would be "
            "speaking at once. That is work, not seats: how many people it takes so that nobody waits long is below."
        )
    return told


def _call_takers(required: pl.DataFrame, begins: datetime, ends: datetime, zone: Any) -> dict[str, Any] | None:
    """Lay out who is needed: by hour its fullest quarter, and by quarter; nothing where nobody could be asked for."""
    shown = required.filter(pl.col("starts_at") >= begins, pl.col("starts_at") < ends).sort("starts_at")
    if shown.is_empty():
        return None
    teams = shown["team"].unique(maintain_order=True).to_list()
    lines = shown.filter(pl.col("channel") != "all").unique(["team", "channel"], keep="first", maintain_order=True)
    names = list(lines.select("team", "channel", "target_seconds", "target_share", "model").iter_rows(named=True))
    quarters: list[dict[str, Any]] = []
    for (starts_at,), some in shown.group_by("starts_at", maintain_order=True):
        assert isinstance(starts_at, datetime)
        local = starts_at.astimezone(zone)
        by_key = {(row["team"], row["channel"]): row for row in some.iter_rows(named=True)}
        quarters.append(
            {
                "words": f"{local:%a %H:%M}",
                "hour": starts_at - timedelta(minutes=local.minute),
                "teams": [by_key[team, "all"] for team in teams],
                "lines": [by_key[each["team"], each["channel"]] for each in names],
            }
        )
    every = shown.filter(channel="all")
    hours = float(every["agents_required"].sum()) / _QUARTERS
    gross = float(every["agents_required_gross"].sum()) / _QUARTERS
    fullest: dict[datetime, dict[str, Any]] = {}
    for quarter in quarters:
        best = fullest.setdefault(quarter["hour"], quarter)
        if sum(row["agents_required"] for row in quarter["teams"]) > sum(
            row["agents_required"] for row in best["teams"]
        ):
            fullest[quarter["hour"]] = quarter
    return {
        "teams": [_TEAMS.get(team, _CHANNELS.get(team, team)) for team in teams],
        "lines": [each | {"words": _CHANNELS[each["channel"]]} for each in names],
        "hours": list(fullest.values()),
        "quarters": quarters,
        "sum": f"{hours:,.0f} hours at the telephones in all, {gross:,.0f} on the strength.",
    }


def _chart(rows: pl.DataFrame, words: str, local: list[datetime]) -> dict[str, Any]:
    """Lay out one channel's quarters: the band that holds 8 cases of 10 as steps, and the mean as a line."""
    rows = rows.sort("starts_at")
    low, mean, high = (rows[f"contacts_{name}"].to_list() for name in ("p10", "mean", "p90"))
    top = next((step for step in _STEPS if step >= max(high)), max(high))
    step = (_WIDTH - _LEFT) / len(mean)

    def x(place: int) -> float:
        return round(_LEFT + step * place, 1)

    def y(value: float) -> float:
        return round(_TOP + (_HEIGHT - _TOP) * (1 - value / max(top, 1)), 1)

    forth = " ".join(f"L{x(place)} {y(value)}H{x(place + 1)}" for place, value in enumerate(high))
    back = " ".join(f"L{x(place + 1)} {y(low[place])}H{x(place)}" for place in reversed(range(len(low))))
    total = sum(mean)
    return {
        "words": words,
        "band": f"M{x(0)} {y(low[0])} {forth} {back}Z",
        "line": "M" + " L".join(f"{round(x(place) + step / 2, 1)} {y(value)}" for place, value in enumerate(mean)),
        "lines": [{"y": y(value), "words": f"{value:g}"} for value in sorted({0, top / 2, top})],
        "hours": [
            {"x": x(place), "words": f"{at:%H:%M}"}
            for place, at in enumerate(local)
            if at.minute == 0 and at.hour % 3 == 0
        ],
        "total": f"{total:,.0f}",
        "label": f"{words}: {total:,.0f} contacts expected, at most {max(mean):,.1f} in a quarter-hour, at least "
        f"{min(mean):,.1f}. Every figure stands in the table below.",
    }


def _rows(rows: pl.DataFrame, channels: list[str], zone: Any) -> list[dict[str, Any]]:
    """Lay out spans as rows, and channels as cells; all together first."""
    wanted = ["all", *channels]
    found = []
    for (starts_at,), some in rows.sort("starts_at").group_by("starts_at", maintain_order=True):
        by_channel = {row["channel"]: row for row in some.iter_rows(named=True)}
        assert isinstance(starts_at, datetime)
        found.append(
            {
                "words": f"{starts_at.astimezone(zone):%a %H:%M}",
                "cells": [by_channel.get(name) for name in wanted],
                "all": by_channel["all"],
            }
        )
    return found


def _days(told: pl.DataFrame) -> pl.DataFrame:
    near = told.filter(span="quarter")["local_day"]
    return told.filter(
        pl.col("span") == "day", pl.col("channel") == "all", pl.col("local_day").is_in(near.implode())
    ).sort("starts_at")


def _day_row(row: dict[str, Any], zone: Any) -> dict[str, Any]:
    at = row["starts_at"].astimezone(zone)
    return row | {"words": f"{at:%a} {at.day} {at:%b}", "address": f"{at:%Y-%m-%d}"}


def _suppressed(found: pl.DataFrame, time_zone: str) -> dict[str, Any]:
    if found.is_empty():
        return {"kinds": [], "recent": []}
    weeks = {kind: weeks_told(found.filter(kind=kind), found) for kind in found["kind"].unique()}
    figures = [f"{what}_{bound}" for what in ("incidents", "officer_hours") for bound in ("low", "mean", "high")]
    # One channel of which nothing is known makes the sum unknown, too.
    sums = [pl.when(pl.col(name).is_not_null().all()).then(pl.col(name).sum()).alias(name) for name in figures]
    zone = periods.zone(time_zone)
    by_kind = {
        row["kind"]: row for row in found.group_by("kind").agg(pl.col("counted").sum(), *sums).iter_rows(named=True)
    }
    by_week = found.group_by("week_starting", "kind").agg(pl.col("counted").sum(), *sums).sort("week_starting", "kind")
    starts = by_week["week_starting"].unique().sort().tail(_WEEKS_SHOWN)
    return {
        "kinds": [
            {
                "kind": kind,
                "words": words,
                "weeks": weeks[kind],
                "row": {name: _each(by_kind[kind][name], weeks[kind]) for name in ("counted", *figures)},
            }
            for kind, words in _KINDS.items()
            if kind in by_kind
        ],
        "recent": [
            {
                "words": f"{at.astimezone(zone).day} {at.astimezone(zone):%b %Y}",
                "cells": [
                    next(iter(by_week.filter(week_starting=at, kind=kind).iter_rows(named=True)), None)
                    for kind in _KINDS
                ],
            }
            for at in starts
        ],
        "names": list(_KINDS.values()),
    }


def _each(total: float | None, weeks: int) -> float | None:
    return None if total is None else total / weeks


def _feedback(found: pl.DataFrame) -> dict[str, Any]:
    officers, others = int(found["incidents_found"].sum()), int(found["incidents"].sum())
    rows = found.sort(["gain", "area_id"], descending=[True, False]).head(_AREAS_SHOWN).to_dicts()
    return {"part": officers / max(officers + others, 1), "rows": rows if officers else [], "all": found.height}
