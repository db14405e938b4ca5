"""The data page: what came in, what each rule did, what is set aside, and what was open at the moment of the extract.

Every figure on it is a row of a table that has an address of its own; here they are only written for reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

import polars as pl

from bluelamp import committed, periods, sources
from bluelamp.errors import count_of
from bluelamp.reports import data
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.wording import percent

_STRIP_DAYS = 35
_PITCH = 5
_BATCHES_SHOWN = 40
_KINDS = {
    "set_aside": "set aside",
    "left_out": "left out",
    "changed": "changed",
    "repaired": "repaired",
    "noted": "only noted",
}
_STAGES = {
    "en_route": "on the way", "at_scene": "at the scene", "committed_deployable": "committed, could be sent",
    "committed": "committed", "custody": "custody", "guard": "guard", "write_up": "write-up", "available": "available",
    "briefing": "briefing", "refreshments": "refreshments", "unknown": "not known",
}  # fmt: skip
_FREE = ("available", "briefing", "refreshments")
_PARTS = ("accepted", "updated", "unchanged", "duplicate", "quarantined")


def render_data_page(
    account: Mapping[str, pl.DataFrame],
    batches: pl.DataFrame,
    run: Mapping[str, Any] | None,
    results: Mapping[str, pl.DataFrame],
    *,
    force_name: str,
    folder: str,
    time_zone: str,
    now: datetime,
) -> str:
    """Give the page. `account` are the tables of kind 'account', `run` the run whose `open_logs` and `units_now` are
    shown; None where there is none yet.
    """
    received = account["received"]
    clock = _Clock(time_zone, now)
    filled = received.filter(pl.col("batches") > 0)
    strips = _strips(account["received_days"], now.astimezone(periods.zone(time_zone)).date())
    rules = account["rules_applied"]
    to_mend, kept_out = data.part_erased(account["set_aside"])
    return TEMPLATES.get_template("data.html").render(
        force_name=force_name,
        folder=folder,
        about=f"As the store stood {clock.when(now)}; clock of {time_zone}.",
        map_address="/" if run is None else f"/?run={run['run_id']}",
        run_id=None if run is None else run["run_id"],
        run_query="" if run is None else f"?run={run['run_id']}",
        notes=_notes(account, clock),
        now=_now_words(results, run, clock),
        received=[_received_row(row, strips.get(row["table_name"]), clock) for row in filled.iter_rows(named=True)],
        strip_words=f"last {_STRIP_DAYS} days of data",
        not_given=received.filter(pl.col("left_out").is_not_null()).to_dicts(),
        set_aside=[
            row | {"rows_shown": _number(row["rows"]), "latest_shown": _number(row["rows_latest"]),
                   "row_shown": _number(row["first_row"]), "when": clock.when(row["latest_at"])}
            for row in to_mend.sort("rows", descending=True).iter_rows(named=True)
        ],
        kept_out=kept_out,
        orphans=[
            row | {"rows_shown": _number(row["rows"]), "share_shown": _percent(row["rows"], row["share"])}
            for row in account["orphans"].sort("share", descending=True).iter_rows(named=True)
        ],
        rules=_rule_groups(rules),
        untouched=_untouched(rules),
        batches=[_batch_row(row, clock) for row in batches.tail(_BATCHES_SHOWN).reverse().iter_rows(named=True)],
        batches_left=max(batches.height - _BATCHES_SHOWN, 0),
    )  # fmt: skip


class _Clock:
    """Instants and lengths of time in words, by the force's own clock."""

    def __init__(self, time_zone: str, now: datetime) -> None:
        self.zone = periods.zone(time_zone)
        self.now = now

    def when(self, at: datetime | None) -> str:
        """Say a moment: 'Sat 21 Nov 2026 23:57'."""
        if at is None:
            return ""
        local = at.astimezone(self.zone)
        return f"{local:%a} {local.day} {local:%b %Y %H:%M}"

    def day(self, at: datetime | None) -> str:
        """Say a moment's local day: '21 Nov 2026'."""
        if at is None:
            return ""
        local = at.astimezone(self.zone)
        return f"{local.day} {local:%b %Y}"

    def ago(self, at: datetime) -> str:
        """Say how long ago a moment was."""
        return f"{_lasting(max((self.now - at).total_seconds(), 0) / 60)} ago"


def _lasting(minutes: float | None) -> str:
    """Say a length of time: '34 min', '5 h 10 min', '3 days'."""
    if minutes is None:
        return ""
    whole = round(minutes)
    if whole < 1:
        return "under 1 min"
    if whole < 60:
        return f"{whole} min"
    if whole < 600:
        return f"{whole // 60} h {whole % 60} min"
    return f"{whole // 60} h" if whole < 72 * 60 else f"{whole // 1440:,} days"


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _percent(rows: int, share: float) -> str:
    return "under 0.1%" if rows and share < 0.001 else percent(share)


def _notes(account: Mapping[str, pl.DataFrame], clock: _Clock) -> list[dict[str, Any]]:
    """Say in short what a planner should look at first."""
    received = account["received"]
    notes: list[tuple[str, bool]] = []
    until = received.filter(table_name="incidents")["last_at"].item()
    if until is not None:
        is_old = clock.now - until > timedelta(hours=data.STALE_AFTER_HOURS)
        notes.append((f"The latest incident is of {clock.when(until)}, {clock.ago(until)}.", is_old))
    for name, at in received.filter("is_stale").select("table_name", "latest_at").iter_rows():
        notes.append((f"'{name}' comes daily, and nothing came since {clock.when(at)}, {clock.ago(at)}.", True))
    empty = received.filter(pl.col("days_without_rows") > 0)
    for name, days in empty.select("table_name", "days_without_rows").iter_rows():
        notes.append((f"{count_of(days, 'day')} of '{name}' between its first and its last have no row.", False))
    missing = received.filter(pl.col("left_out").is_not_null()).height
    notes.append((f"{received.height - missing} of {received.height} tables are given.", False))
    to_mend, _ = data.part_erased(account["set_aside"])
    aside, still = (int(to_mend[name].sum()) for name in ("rows", "rows_latest"))
    if aside:
        notes.append(
            (f"{count_of(aside, 'row')} set aside, {still:,} of them in the latest import of its table.", still > 0)
        )
    else:
        notes.append(("No row is set aside.", False))
    orphans = int(account["orphans"]["rows"].sum())
    if orphans:
        name = "names" if orphans == 1 else "name"
        notes.append((f"{count_of(orphans, 'row')} {name} a row of another table that has not come.", False))
    return [
        {"text": text, "is_warning": is_warning} for text, is_warning in sorted(notes, key=lambda each: not each[1])
    ]


# ---- The moment of the extract ----


def _now_words(results: Mapping[str, pl.DataFrame], run: Mapping[str, Any] | None, clock: _Clock) -> dict[str, Any]:
    logs, units = (results[name].filter(level="force") for name in ("open_logs", "units_now"))
    if run is None:
        return {"at": None, "words": "There is no run yet: 'bluelamp plan' makes one, and counts what is open."}
    if logs.is_empty():
        return {
            "at": None,
            "words": f"Who is committed is not known: run {run['run_id']} was made without 'unit_status', or before "
            "this was counted. Import the status log where it is missing, and plan again.",
        }
    at = logs["at"][0]
    busy = units.filter(~pl.col("stage").is_in(_FREE))
    waiting, busy_units = int(logs["logs_waiting"].sum()), int(busy["units"].sum())
    bands = logs.select("minutes_from", "minutes_to").unique().sort("minutes_from")
    # Where others are graded, a row of the ungraded without a log would say nothing.
    is_told = (pl.col("grade_code") != "none") | (pl.col("logs").sum().over("grade_code") > 0)
    told = logs if logs["grade_code"].n_unique() == 1 else logs.filter(is_told)
    by_grade = told.sort("grade_code", "minutes_from").group_by("grade_code", maintain_order=True)
    return {
        "at": at,
        "words": f"{clock.when(at)}, {clock.ago(at)}: {count_of(int(logs['logs'].sum()), 'log')} open, {waiting:,} of "
        f"them without a unit so far; {busy_units:,} of {count_of(int(units['units'].sum()), 'unit')} committed. From "
        f"run {run['run_id']}.",
        "ages": [_age_words(*band) for band in bands.iter_rows()],
        "grades": [_grade_row(rows, at) for _, rows in by_grade],
        "units": [group for group in _unit_groups(units) if group["rows"]],
    }


def _age_words(begins: int, ends: int | None) -> str:
    if ends is None:
        return f"over {_span(begins)}"
    return f"under {_span(ends)}" if begins == 0 else f"{_span(begins)} to {_span(ends)}"


def _span(minutes: int) -> str:
    return f"{minutes // 1440} days" if minutes > 1440 else f"{minutes // 60} h"


def _grade_row(rows: pl.DataFrame, at: datetime) -> dict[str, Any]:
    oldest = rows["oldest_waiting_at"].min()
    return {
        "name": "no grade" if rows["grade_code"][0] == "none" else rows["grade_code"][0],
        "ages": rows.to_dicts(),
        "logs": int(rows["logs"].sum()),
        "waiting": int(rows["logs_waiting"].sum()),
        "oldest": _lasting((at - oldest).total_seconds() / 60) if isinstance(oldest, datetime) else "",
    }


def _unit_groups(units: pl.DataFrame) -> list[dict[str, Any]]:
    is_free = pl.col("stage").is_in(_FREE)
    groups = {
        "Committed": units.filter(~is_free & ~pl.col("is_long")),
        "Long commitments, handed over at shift change": units.filter(~is_free & pl.col("is_long")),
        "Not committed": units.filter(is_free),
    }
    order = {stage: place for place, stage in enumerate(_STAGES)}
    return [
        {
            "title": title,
            "units": int(rows["units"].sum()),
            "rows": [
                row
                | {
                    "name": _STAGES[row["stage"]],
                    "in_stage": _lasting(row["minutes_in_stage"]),
                    "committed": _lasting(row["minutes_committed"]),
                    "longest": _lasting(row["longest_minutes"]),
                    "left": _lasting(row["minutes_left"]),
                }
                for row in sorted(rows.iter_rows(named=True), key=lambda row: order[row["stage"]])
            ],
        }
        for title, rows in groups.items()
    ]


# ---- What came in ----


def _received_row(row: dict[str, Any], strip: dict[str, Any] | None, clock: _Clock) -> dict[str, Any]:
    return row | {
        "rows_shown": _number(row["rows"]),
        "read_shown": _number(row["rows_read"]),
        "first": clock.day(row["first_at"]),
        "last": clock.when(row["last_at"]),
        "latest": clock.when(row["latest_at"]),
        "latest_ago": clock.ago(row["latest_at"]),
        "missing_words": f"{count_of(row['days_without_import'] or 0, 'day')} without an import",
        "strip": strip,
    }


def _strips(days: pl.DataFrame, today: date) -> dict[str, dict[str, Any]]:
    """Draw each table's rows day by day, over the same last weeks of data for all of them."""
    past = days.filter(pl.col("day") <= today)
    spoken, came = (past.filter(pl.col(name) > 0)["day"].max() for name in ("rows", "batches"))
    if not isinstance(spoken, date) or not isinstance(came, date):
        return {}
    # What comes in the morning speaks of yesterday; what was imported long after it was recorded is not followed there.
    latest = max(came, spoken) if came - spoken <= timedelta(days=7) else spoken
    first = latest - timedelta(days=_STRIP_DAYS - 1)
    strips = {}
    for (name,), rows in past.filter(pl.col("day") >= first).group_by("table_name"):
        by_day = {row["day"]: row for row in rows.iter_rows(named=True)}
        most = max((row["rows"] or 0 for row in by_day.values()), default=0)
        bars = [_bar(place, by_day.get(first + timedelta(days=place)), most) for place in range(_STRIP_DAYS)]
        empty, missing = (sum(bar[flag] for bar in bars) for flag in ("is_empty", "is_missing"))
        strips[str(name)] = {
            "width": _PITCH * _STRIP_DAYS,
            "bars": bars,
            "words": f"{name} from {first:%Y-%m-%d} to {latest:%Y-%m-%d}: at most {count_of(most, 'row')} a day, "
            f"{count_of(empty, 'day')} without rows, {count_of(missing, 'day')} without an import",
        }
    return strips


def _bar(place: int, row: dict[str, Any] | None, most: int) -> dict[str, Any]:
    bar: dict[str, Any] = {
        "x": _PITCH * place,
        "height": 0,
        "is_empty": False,
        "is_missing": False,
        "came": False,
        "title": "",
    }
    if row is None:
        return bar
    rows = row["rows"] or 0
    told = f"{row['day']:%a} {row['day'].day} {row['day']:%b}: {count_of(rows, 'row')}"
    imported = (
        f"; {count_of(row['batches'], 'import')} of {count_of(row['rows_read'], 'row')}" if row["batches"] else ""
    )
    return bar | {
        "height": max(round(18 * rows / most), 1) if rows else 0,
        "is_empty": row["is_empty"],
        "is_missing": row["is_missing"],
        "came": row["batches"] > 0,
        "title": told + imported + ("; nothing was imported" if row["is_missing"] else ""),
    }


def _batch_row(row: dict[str, Any], clock: _Clock) -> dict[str, Any]:
    parts, x = [], 0.0
    for name in _PARTS:
        width = 100 * row[f"rows_{name}"] / max(row["rows_read"], 1)
        if width:
            parts.append({"name": name, "x": round(x, 2), "width": round(max(width, 1.5), 2)})
        x += width
    shown = {name: _number(row[f"rows_{name}"]) for name in ("read", *_PARTS)}
    return row | shown | {"when": clock.when(row["committed_at"]), "parts": parts}


# ---- What each rule did ----


def _rule_groups(rules: pl.DataFrame) -> list[dict[str, Any]]:
    stages = {"intake": "{}, as its rows came in", "committed_time": "committed time, from {}"}
    ordered = rules.sort("table_name", "stage", "rows", descending=[False, True, True]).iter_rows(named=True)
    return [
        {
            "title": stages[stage].format(name),
            "rows": [
                row
                | {
                    "kind_words": _KINDS[row["kind"]],
                    "rows_shown": _number(row["rows"]),
                    "share_shown": f"{_percent(row['rows'], row['share'])} of the {row['share_of']}",
                }
                for row in group
            ],
        }
        for (name, stage), group in groupby(ordered, key=lambda row: (row["table_name"], row["stage"]))
    ]


def _untouched(rules: pl.DataFrame) -> list[str]:
    touched = set(rules["rule"])
    words = {name: rule.words for name, rule in sources.RULES.items()}
    words |= {name: each for name, (_, each) in committed.RULES.items()}
    return [each for name, each in words.items() if name not in touched]
