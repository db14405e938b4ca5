"""The page of the coming years: fans by month and class, how the mix may move, and the table of the years beside them.

Every figure is one of `forecast_months`. The pictures are drawn here, as SVG, and say nothing that the tables do not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from bluelamp import periods
from bluelamp.errors import UsageError, did_you_mean
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.wording import percent

# Months of the history that a picture goes back.
_BACK = 48
# Classes that have a colour of their own in the mix; the others are one.
_COLOURED = 7
_BANDS = (("p025", "p975", "fan-95"), ("p10", "p90", "fan-80"), ("p25", "p75", "fan-50"))
# Of the pictures of a class, and of all incidents on a wide screen and on a narrow one, whose letters must be read.
_SMALL, _LARGE, _NARROW = (320, 118), (960, 250), (360, 180)
_MIX_WIDTH, _MIX_HEIGHT = 420, 230
_SHARE_WIDTH = 220

Rows = Sequence[Mapping[str, Any]]


def render_outlook_page(
    months: pl.DataFrame, run: Mapping[str, Any], *, place: str | None, force_name: str, folder: str, time_zone: str
) -> str:
    """Give the page of one place of `forecast_months`: a district by its id, or the force.

    Raises UsageError for a place that is not there.
    """
    page = TEMPLATES.get_template("outlook.html")
    if months.is_empty():
        return page.render(force_name=force_name, folder=folder, found=False)
    districts = months.filter(pl.col("level") == "district")["area_id"].unique().sort().to_list()
    if place is not None and place not in districts:
        raise UsageError(f"There is no district '{place}'.{did_you_mean(place, districts)}")
    here = months.filter(pl.col("level") == "force" if place is None else pl.col("area_id") == place)
    here = here.filter(pl.col("level") == ("force" if place is None else "district"))
    by_month, by_year = (_by_class(here.filter(pl.col("span") == span)) for span in ("month", "year"))
    classes = sorted((code for code in by_month if code != "all"), key=lambda code: -_size(by_month[code]))
    starts = next(row["month"] for row in by_month["all"] if not row["is_history"])
    years = [_year_row(code, by_year[code]) for code in ("all", *classes)]
    made_at: datetime = run["made_at"].astimezone(periods.zone(time_zone))
    level, area = here.row(0, named=True)["level"], here.row(0, named=True)["area_id"]
    return page.render(
        found=True,
        force_name=force_name,
        folder=folder,
        run_id=run["run_id"],
        place=place,
        districts=districts if len(districts) > 1 else [],
        query=f"?level={level}&area_id={area}",
        about=f"From {starts:%B %Y}, made {made_at:%a} {made_at.day} {made_at:%b %Y %H:%M}; clock of {time_zone}.",
        sentences=_sentences(years, by_year["all"]),
        notes=[note for note in json.loads(run["notes"]) if "outlook" in note or note.startswith("By month")],
        whole=[
            ("is-wide", _fan("all", by_month["all"], *_LARGE)),
            ("is-narrow", _fan("all", by_month["all"], *_NARROW)),
        ],
        fans=[_fan(code, by_month[code], *_SMALL) for code in classes],
        mix=_mix(by_year, classes),
        years=years,
        year_names=[_twelve(row["month"]) for row in by_year["all"] if not row["is_history"]],
        last_name=next((_twelve(row["month"]) for row in reversed(by_year["all"]) if row["is_history"]), "none"),
        has_changes=any(row["changes"] for row in by_year["all"]),
        share_width=_SHARE_WIDTH,
        number=lambda value: "" if value is None else f"{value:,.0f}",
        percent=percent,
    )


def _by_class(rows: pl.DataFrame) -> dict[str, Rows]:
    """Give the rows of each class in order of month."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows.sort("class_code", "month").iter_rows(named=True):
        found.setdefault(row["class_code"], []).append(row)
    return dict(found)


def _size(rows: Rows) -> float:
    return float(sum(row["incidents_mean"] or 0.0 for row in rows))


def _twelve(month: date) -> str:
    """Name the twelve months that begin with one."""
    if month.month == 1:
        return f"{month:%Y}"
    return f"{month:%b %Y} to {month.replace(day=1, month=month.month - 1):%b} {month.year + 1}"


def _words(code: str) -> str:
    return "All incidents" if code == "all" else code.replace("_", " ")


# ---- the years, in words and figures ----


def _year_row(code: str, rows: Rows) -> dict[str, Any]:
    past, coming = ([row for row in rows if row["is_history"] is known] for known in (True, False))
    last = past[-1] if past else None
    return {"code": code, "words": _words(code), "last": last, "coming": coming,
            "whisker": _share_whisker(last, coming[-1]) if coming and code != "all" else None}  # fmt: skip


def _share_whisker(last: Mapping[str, Any] | None, then: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out a class's share: what it was, and what it may be, on a scale of its own."""
    before = None if last is None else last["share_observed"]
    top = max(then["share_p975"], then["share_mean"], before or 0.0, 1e-6) * 1.05

    def x(share: float) -> float:
        return float(round(4 + (_SHARE_WIDTH - 8) * share / top, 1))

    return {"low": x(then["share_p10"]), "high": x(then["share_p90"]), "x": x(then["share_mean"]),
            "before": None if before is None else x(before)}  # fmt: skip


def _sentences(years: Sequence[Mapping[str, Any]], whole: Rows) -> list[str]:
    """Say what a chief officer would ask first."""
    coming = [row for row in whole if not row["is_history"]]
    past = [row for row in whole if row["is_history"] and row["incidents_observed"] is not None]
    if not coming:
        return []
    said = []
    if past:
        said.append(f"{_twelve(past[-1]['month'])} had {past[-1]['incidents_observed']:,.0f} incidents.")
    said += [
        f"{_twelve(row['month'])}: {row['incidents_mean']:,.0f} are expected; four times in five between "
        f"{row['incidents_p10']:,.0f} and {row['incidents_p90']:,.0f}."
        for row in (coming[0], coming[-1])[: len(coming)]
    ]
    moved: dict[str, list[str]] = {"more": [], "less": []}
    for each in years:
        last, then = each["last"], each["coming"][-1] if each["coming"] else None
        if each["code"] == "all" or then is None or last is None or last["share_observed"] is None:
            continue
        if then["share_p10"] > last["share_observed"]:
            moved["more"].append(each["words"])
        elif then["share_p90"] < last["share_observed"]:
            moved["less"].append(each["words"])
    for kind, names in moved.items():
        if names:
            said.append(
                f"By {_twelve(coming[-1]['month'])}, likely to be {kind} of the mix than now: {', '.join(names)}."
            )
    if past and not any(moved.values()):
        said.append("No class is so sure to gain or lose a share that today's lies outside its range in four years.")
    return said


# ---- pictures ----


@dataclass(frozen=True)
class _Frame:
    """Where months and counts lie in a picture."""

    width: int
    height: int
    months: int
    top: float
    left: float = 38.0
    below: float = 16.0

    def x(self, month: int) -> float:
        return round(self.left + (self.width - self.left - 4) * month / max(self.months - 1, 1), 1)

    def y(self, count: float) -> float:
        return round(6 + (self.height - self.below - 6) * (1 - count / self.top), 1)


def _fan(code: str, rows: Rows, width: int, height: int) -> dict[str, Any]:
    """Lay out one class: what was observed as a line, and the coming months as bands about the expectation."""
    history = [row for row in rows if row["is_history"]][-_BACK:]
    coming = [row for row in rows if not row["is_history"]]
    highest = max([row["incidents_p975"] for row in coming] + [row["incidents_observed"] or 0.0 for row in history])
    top = _round_up(highest)
    first = (history or coming)[0]["month"]
    frame = _Frame(width, height, _apart(first, coming[-1]["month"]) + 1, top)

    def x(row: Mapping[str, Any]) -> float:
        return frame.x(_apart(first, row["month"]))

    def points(kept: Rows, name: str) -> list[str]:
        return [f"{x(row)} {frame.y(row[name])}" for row in kept]

    bands = [
        {"kind": kind, "path": "M" + "L".join(
            points(coming, f"incidents_{high}") + points(coming[::-1], f"incidents_{low}")) + "Z"}
        for low, high, kind in _BANDS
    ]  # fmt: skip
    strokes, before = [], False
    for row in history:
        there = row["incidents_observed"] is not None
        if there:
            at = f"{x(row)} {frame.y(row['incidents_observed'])}"
            # A month that stands alone is a dot: a line of no length with a round end.
            strokes.append(f"L{at}" if before else f"M{at}h0.01")
        before = there
    ticks = [row["month"] for row in (*history, *coming) if row["month"].month == 1]
    every = 1 if width > 600 else 2
    return {
        "code": code, "words": _words(code), "width": width, "height": height, "bands": bands,
        "line": "".join(strokes), "middle": "M" + "L".join(points(coming, "incidents_mean")),
        "dots": [{"x": x(row), "y": frame.y(row["incidents_observed"])} for row in history
                 if row["incidents_observed"] is not None and row["share_seen"] < 0.995],
        "now": frame.x(_apart(first, coming[0]["month"])) - 1,
        "ticks": [{"x": frame.x(_apart(first, month)), "words": f"{month:%Y}", "told": not place % every,
                   "anchor": "end" if frame.x(_apart(first, month)) > width - 16 else "middle"}
                  for place, month in enumerate(ticks)],
        "lines": [{"y": frame.y(share * top), "words": f"{share * top:,.0f}"} for share in (0.0, 0.5, 1.0)],
        "floor": frame.y(0.0),
        "left": frame.left,
        "label": f"{_words(code)}: {coming[0]['incidents_mean']:,.0f} expected in {coming[0]['month']:%B %Y}, and "
                 f"{coming[-1]['incidents_mean']:,.0f} in {coming[-1]['month']:%B %Y}, then four times in five between "
                 f"{coming[-1]['incidents_p10']:,} and {coming[-1]['incidents_p90']:,}",
    }  # fmt: skip


def _apart(first: date, last: date) -> int:
    return (last.year - first.year) * 12 + last.month - first.month


def _round_up(value: float) -> float:
    """Give a round number at or above a value, to be halved in a scale."""
    step = 10 ** max(len(str(int(value))) - 2, 0)
    for size in (2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 30, 36, 40, 50, 60, 70, 80, 100):
        if value <= size * step:
            return float(size * step)
    return float(value)


def _mix(by_year: Mapping[str, Rows], classes: Sequence[str]) -> dict[str, Any]:
    """Lay out the shares of the largest classes, and of all others together, as a bar for each twelve months."""
    years = [row for row in by_year["all"] if not row["is_history"] or row["incidents_observed"]]
    own = list(classes[:_COLOURED])
    share_of = {
        (code, row["month"]): row["share_observed"] if row["is_history"] else row["share_mean"]
        for code in own for row in by_year[code]
    }  # fmt: skip
    width = (_MIX_WIDTH - 30) / max(len(years), 1)
    bars = []
    for place, year in enumerate(years):
        reached, parts = 0.0, []
        shares = [share_of.get((code, year["month"])) or 0.0 for code in own]
        for number, share in enumerate([*shares, max(1 - sum(shares), 0.0)]):
            parts.append(
                {"kind": number if number < len(own) else "other", "y": round((_MIX_HEIGHT - 34) * reached + 4, 1),
                 "height": round((_MIX_HEIGHT - 34) * share, 1), "percent": percent(share, 0), "told": share > 0.07,
                 "words": f"{_words(own[number]) if number < len(own) else 'others'}: {percent(share)}"}
            )  # fmt: skip
            reached += share
        bars.append(
            {"x": round(30 + place * width + 3, 1), "middle": round(30 + (place + 0.5) * width, 1), "parts": parts,
             "width": round(width - 6, 1), "words": f"{year['month']:%b %Y}", "is_history": year["is_history"]}
        )  # fmt: skip
    keys = [{"kind": number, "words": _words(code)} for number, code in enumerate(own)]
    if len(classes) > len(own):
        keys.append({"kind": "other", "words": "other classes"})
    return {"bars": bars, "keys": keys, "width": _MIX_WIDTH, "height": _MIX_HEIGHT}
