"""What the what-if page answers, laid out for its templates: differences, pictures by hour, and the hour shown.

A change is held against the plan as it stands; two changes are held against it and against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from bluelamp import periods
from bluelamp import what_if as trial
from bluelamp.coming_work import Coming
from bluelamp.errors import NoInput, UsageError, count_of, one_of
from bluelamp.two_changes import AS_IT_STANDS, PLANS, A, B, TwoChanges
from bluelamp.validation import RUNG_WORDS
from bluelamp.web.two_plans import draw_hours, place_whisker
from bluelamp.web.what_if_asked import ALL, Asked

_AT = "%Y-%m-%dT%H:%MZ"
_VERDICTS = {
    "trusted": "held against recorded weeks, the simulation was true here",
    "in_part": "held against recorded weeks, the simulation was true for some grades",
    "delays_only": "held against recorded weeks, delays were true; who was free is not recorded",
    "not_trusted": "held against recorded weeks, the simulation was not true here: read differences, not levels",
    "untold": "too few recorded incidents to hold the simulation against",
    "none": "not held against recorded weeks yet",
}
# How the lines of plans are drawn, by what their columns end in.
_ONE, _CHANGED = {"before": "before"}, {"before": "before", "after": "after"}
_THREE = {AS_IT_STANDS: "before", A: "after", B: "second"}
_PLAN_WORDS = {AS_IT_STANDS: "as it stands", A: "change A", B: "change B"}
_DRAWN = ("calls", "late", "waiting", "units")


def most_urgent(coming: Coming) -> str:
    """Give the grade that is shown where none is asked for. Raises NoInput where no target speaks of any call."""
    graded = trial.grades_judged(coming)
    if not graded:
        raise NoInput("No target speaks of any call, so that nothing can be judged by hour. Import 'standards'.")
    return graded[0]


def told_on(method: str, verdict: str) -> dict[str, Any]:
    """Say by which rung units are asked for, and how true the simulation was found to be."""
    rung = RUNG_WORDS.get(method, method.replace("_", " "))
    return {"rung": rung, "verdict": _VERDICTS.get(verdict, verdict)}


def words_of(change: trial.Change) -> str:
    """Say a change in words."""
    said = [
        f"{what} × {times:g}"
        for what, times in (("demand", change.demand), ("time at a call", change.service))
        if times != 1
    ]
    for moved in change.units:
        number = f"{abs(moved.more)} {'unit' if abs(moved.more) == 1 else 'units'} {_more(moved.more)}"
        hours = "" if (moved.from_hour, moved.to_hour) == (0, 24) else f" {moved.from_hour:02}:00–{moved.to_hour:02}:00"
        days = "" if moved.days == trial.DAYS else f" on {', '.join(moved.days)}"
        said.append(f"{number} in {moved.pool_id}{hours}{days}")
    said += [f"{' and '.join(names)} made one" for names in change.merged]
    for target in change.targets:
        within = "" if target.minutes is None else f" within {target.minutes:g} minutes"
        share = "" if target.share is None else f" {100 * target.share:g}% in time"
        said.append(f"grade {target.grade_code}{f' ({target.area_kind})' if target.area_kind else ''}{share}{within}")
    return "; ".join(said) or "nothing changed"


def _more(number: int) -> str:
    return "more" if number > 0 else "fewer"


def lay_out_one(found: trial.Compared, asked: Asked) -> dict[str, Any]:
    """Lay out what one change brings."""
    grade = asked.grade or most_urgent(found.coming)
    by_hour = found.by_hour(grade)
    shown = by_hour.filter(pool_id=_pool(found.coming, asked))
    at, is_chosen = _hour_shown(shown, asked.at, ["after"])
    rows = found.table.rows(named=True)
    is_changed = not found.change.is_none
    hour = by_hour.filter(hour_starting=at)
    return _by_hour(found.coming, asked, shown, at, _CHANGED if is_changed else _ONE, found.allowed(grade)) | {
        "is_changed": is_changed,
        "words": {"a": words_of(found.change)},
        "force": [row for row in rows if row["pool_id"] == ALL],
        "by_pool": [row for row in rows if row["pool_id"] != ALL],
        "grade": grade,
        "hour": {
            "words": _hour_words(at.astimezone(_zone(found.coming))),
            "is_chosen": is_chosen,
            "force": hour.filter(pool_id=ALL).row(0, named=True),
            "pools": hour.filter(pl.col("pool_id") != ALL).rows(named=True),
        },
        "each_hour": [row | {"words": _hour_words(row["hour_starting"].astimezone(_zone(found.coming)))}
                      for row in shown.iter_rows(named=True)],
    } | _whiskers(rows, "difference")  # fmt: skip


def lay_out_two(found: TwoChanges, asked: Asked) -> dict[str, Any]:
    """Lay out what two changes bring, beside each other and the plan as it stands."""
    coming = found.first.coming
    grade = asked.grade or most_urgent(coming)
    by_hour = found.by_hour(grade)
    mine = by_hour.filter(pool_id=_pool(coming, asked))
    shown = mine.pivot(on="plan", index="hour_starting", values=_DRAWN).sort("hour_starting")
    at, is_chosen = _hour_shown(shown, asked.at, [A, B])
    hour = by_hour.filter(hour_starting=at)
    zone = _zone(coming)
    rows = found.table.rows(named=True)
    beside: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        beside.setdefault((row["grade_code"], row["pool_id"]), {})[row["plan"]] = row
    return _by_hour(coming, asked, shown, at, _THREE, found.allowed(grade)) | {
        "is_changed": True,
        "words": {"a": words_of(found.first.change), "b": words_of(found.second.change)},
        "plan_words": _PLAN_WORDS,
        "force": [plans for (_, pool), plans in sorted(beside.items()) if pool == ALL],
        "by_pool": [plans for (_, pool), plans in sorted(beside.items()) if pool != ALL],
        "grade": grade,
        "hour": {
            "words": _hour_words(at.astimezone(zone)),
            "is_chosen": is_chosen,
            "of": [("The force", _of_plans(hour.filter(pool_id=ALL))),
                   *((pool, _of_plans(hour.filter(pool_id=pool)))
                     for pool in hour["pool_id"].unique().sort() if pool != ALL)],
        },
        "each_hour": [
            (_hour_words(rows[0]["hour_starting"].astimezone(zone)), _of_plans(pl.DataFrame(rows, schema=mine.schema)))
            for rows in mine.rows_by_key("hour_starting", named=True, include_key=True).values()
        ],
    } | _whiskers(rows, "against_a")  # fmt: skip


def _of_plans(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Give the rows of the three plans in the order in which people read them."""
    by_plan = {row["plan"]: row for row in rows.iter_rows(named=True)}
    return [by_plan[plan] for plan in PLANS]


def _whiskers(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Give what places a difference of that name, and how far it reaches to both sides."""
    ends = [abs(row[f"{name}_{end}"]) for row in rows for end in ("low", "high") if row[f"{name}_{end}"] is not None]
    bound = max(ends, default=0.0) or 0.01
    return {"bound": f"{bound * 100:.1f}", "whisker": lambda row: place_whisker(row, bound, name)}


def _zone(coming: Coming) -> Any:
    return periods.zone(coming.settings.force.time_zone)


def _pool(coming: Coming, asked: Asked) -> str:
    names = coming.ground.pool_hours.pool_ids
    if asked.pool not in (ALL, *names):
        raise UsageError(f"There is no pool '{asked.pool}'. {one_of([ALL, *names])} was expected.")
    return asked.pool


def _by_hour(
    coming: Coming, asked: Asked, shown: pl.DataFrame, at: datetime, sides: Mapping[str, str], allowed: float | None
) -> dict[str, Any]:
    """Lay out what is the same of one change and of two: pictures, hours to choose from, addresses."""
    zone = _zone(coming)
    local = [each.astimezone(zone) for each in coming.hours]
    return {
        "address": lambda suffix: asked.address(suffix, coming.run_id),
        "pictures": draw_hours(shown, coming.hours, local, at=at, allowed=allowed, sides=sides),
        "hours": [
            {"at": each.strftime(_AT), "words": _hour_words(here), "is_shown": each == at}
            for each, here in zip(coming.hours, local, strict=True)
        ],
        "runs_told": count_of(asked.runs, "drawn run"),
    }


def _hour_shown(shown: pl.DataFrame, at: str, sides: Sequence[str]) -> tuple[datetime, bool]:
    """Give the hour that was asked for, or the one in which most calls are late under a change."""
    if at in (told := shown["hour_starting"].dt.strftime(_AT).to_list()):
        return shown["hour_starting"][told.index(at)], True
    late = pl.max_horizontal((pl.col(f"calls_{side}") * pl.col(f"late_{side}")).fill_null(0) for side in sides)
    worst: datetime = shown.sort(late, "hour_starting", descending=[True, False])["hour_starting"][0]
    return worst, False


def _hour_words(at: datetime) -> str:
    """Write an hour with its zone, so that the two of a clock-change night can be told apart."""
    ends = (at.astimezone(periods.zone("UTC")) + timedelta(hours=1)).astimezone(at.tzinfo)
    return f"{at:%a} {at.day} {at:%b %H:%M} to {ends:%H:%M %Z}"
