"""The page of the simulation held against what happened: how far it may be trusted here, and which rung is enough.

Every figure is one of `validation`, `validation_rungs` or `validation_fitted`, and says which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from bluelamp import periods
from bluelamp.errors import count_of
from bluelamp.validation import (
    MEASURE_WORDS,
    RUNG_WORDS,
    STATISTIC_WORDS,
    VERDICT_WORDS,
    WEEKS_WORDS,
    Validation,
    difference_words,
    interval_words,
    number_words,
    rows_told,
)
from bluelamp.web.templating import TEMPLATES

_ALL = "all"


def render_validation_page(found: Validation | None, *, force_name: str, folder: str, time_zone: str) -> str:
    """Give the page; `found` is None where nothing was held against what happened yet."""
    page = TEMPLATES.get_template("validation.html")
    if found is None:
        return page.render(force_name=force_name, folder=folder, found=False)
    made_at = datetime.fromisoformat(found.about["made_at"]).astimezone(periods.zone(time_zone))
    rows = rows_told(found.table)
    return page.render(
        found=True,
        force_name=force_name,
        folder=folder,
        about=f"{count_of(found.about['replications'], 'replication')}, made {made_at:%a} {made_at.day} "
        f"{made_at:%b %Y %H:%M}; clock of {time_zone}.",
        sentences=found.sentences,
        spans=[
            {
                "weeks": weeks,
                "words": f"Weeks {WEEKS_WORDS[weeks]}",
                "rows": [_told(row) for row in rows if row["weeks"] == weeks],
            }
            for weeks in ("held_out", "fitted")
        ],
        hours=_by_place(found.table, "hour"),
        pools=_by_place(found.table, "pool"),
        rungs=_rungs(found.rungs),
        rung_grades=sorted(set(found.rungs["grade_code"].to_list())),
        fitted=found.fitted.sort("what", "grade_code", "kind").to_dicts(),
    )


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give the words of a row beside its figures."""
    return {
        "row": row,
        "key": " ".join(
            str(row[name]) for name in ("weeks", "measure", "statistic", "grade_code", "level", "place_id")
        ),
        "what": f"{MEASURE_WORDS[row['measure']]}, {STATISTIC_WORDS[row['statistic']]}",
        "recorded": number_words(row, "recorded"),
        "simulated": number_words(row, "simulated"),
        "difference": difference_words(row).replace("-", "−"),
        "interval": interval_words(row).replace("-", "−"),
        "verdict": VERDICT_WORDS[row["verdict"]],
        "is_bad": row["verdict"] == "untrue",
    }


def _by_place(table: pl.DataFrame, level: str) -> list[dict[str, Any]]:
    """Give the response and backlog of each pool or hour of the weeks held out, all grades together."""
    rows = table.filter(weeks="held_out", level=level, grade_code=_ALL)
    wanted = (("response", "median"), ("response", "p90"), ("response", "share_in_target"), ("waiting", "mean"))
    found = {
        (row["place_id"], row["measure"], row["statistic"]): _told(row)
        for row in rows.iter_rows(named=True)
        if (row["measure"], row["statistic"]) in wanted
    }
    places = sorted({place for place, _, _ in found})
    return [{"place": place, "cells": [found.get((place, *each)) for each in wanted]} for place in places]


def _rungs(rungs: pl.DataFrame) -> list[dict[str, Any]]:
    rows = {(row["rung"], row["grade_code"]): row for row in rungs.iter_rows(named=True)}
    grades: Sequence[str] = sorted(set(rungs["grade_code"].to_list()))
    return [
        {"words": words.strip(",").capitalize(), "cells": [rows.get((rung, grade)) for grade in grades]}
        for rung, words in RUNG_WORDS.items()
        if any((rung, grade) in rows for grade in grades)
    ]
