"""Pages of the analyses, each one file that opens from disk: near repeats, and before and after.

Every figure in a picture stands in the table below it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bluelamp import before_after, near_repeats
from bluelamp.before_after import BeforeAfter
from bluelamp.near_repeats import ALPHA, NearRepeats
from bluelamp.reports.map import asset
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.wording import change

# Pictures for a wide screen and for a narrow one, whose letters must be read.
_SIZES = ((900, "is-wide"), (360, "is-narrow"))
_LEFT = 130
# Ratios of cells that stand out, by shade; others are grey, whatever their ratio.
_SHADES = ((1.5, "1"), (3.0, "2"), (float("inf"), "3"))
_KEYS = (
    ("1", "stands out, up to 1.5 times as many"),
    ("2", "up to 3 times"),
    ("3", "more"),
    ("some", f"p of {ALPHA} or less by itself, as chance makes some cells"),
    ("none", "no more than chance may bring"),
)

Row = Mapping[str, Any]


def render_near_repeat_page(found: NearRepeats) -> str:
    """Give the page of a test for near repeats, whole. Raises NoInput where the front end was not built."""
    rows = found.table.to_dicts()
    return _render(
        "near_repeat.html",
        found,
        about=f"{found.counted:,} {found.of.what}, {found.of.when}; {found.metric} distance.",
        grids=[_grid(rows, *size) for size in _SIZES],
        keys=_KEYS,
        sets=f"{found.permutations + 1:,}",
        permutations=f"{found.permutations:,}",
        meanings=found.meanings(),
        figures=[
            {
                "distance": near_repeats.band_of_metres(row["metres_above"], row["metres_to"]),
                "days": near_repeats.band_of_days(row["days_from"], row["days_to"]),
                "pairs": f"{row['pairs']:,}",
                "expected": f"{row['expected']:,.2f}",
                "ratio": _ratio(row),
                "p_value": f"{row['p_value']:.3f}",
                "p_value_any": f"{row['p_value_any']:.3f}",
                "marked": _is_marked(row),
            }
            for row in rows
        ],
    )


def _render(template: str, found: NearRepeats | BeforeAfter, **parts: Any) -> str:
    return TEMPLATES.get_template(template).render(
        css=asset("app.css"),
        force_name=found.of.settings.force.name,
        sentences=found.sentences(),
        notes=found.notes,
        **parts,
    )


def _ratio(row: Row) -> str:
    return "" if row["ratio"] is None else f"{row['ratio']:.2f}"


def _is_marked(row: Row) -> bool:
    return bool(row["p_value_any"] <= ALPHA)


def _shade(row: Row) -> str:
    if _is_marked(row):
        return next(shade for bound, shade in _SHADES if row["ratio"] <= bound)
    return "some" if row["p_value"] <= ALPHA else "none"


def _grid(rows: Sequence[Row], width: int, kind: str) -> dict[str, Any]:
    """Lay out the cells: a row a distance, a column a band of days."""
    metres = list(dict.fromkeys((row["metres_above"], row["metres_to"]) for row in rows))
    days = list(dict.fromkeys((row["days_from"], row["days_to"]) for row in rows))
    left, height = 86, 24
    each = round((width - left) / len(days), 2)
    cells = []
    for row in rows:
        place = metres.index((row["metres_above"], row["metres_to"]))
        column = days.index((row["days_from"], row["days_to"]))
        x, y = round(left + column * each, 2), 18 + place * height
        ratio = _ratio(row)
        cells.append(
            {
                "x": x, "y": y, "middle": round(x + each / 2, 2), "line": y + 16, "shade": _shade(row),
                # Where cells are small, two figures tell enough.
                "words": ratio if each > 34 or len(ratio) < 4 else ratio[:3], "marked": _is_marked(row),
                "title": f"{near_repeats.band_of_metres(*metres[place])}, {near_repeats.band_of_days(*days[column])} "
                f"days: {row['pairs']:,} pairs, {row['expected']:,.1f} by chance",
            }
        )  # fmt: skip
    return {
        "kind": kind, "width": width, "height": 20 + height * len(metres), "left": left, "cell_width": each,
        "cell_height": height, "cells": cells,
        "columns": [{"x": round(left + (number + 0.5) * each, 2), "words": near_repeats.band_of_days(*band)}
                    for number, band in enumerate(days)],
        "rows": [{"y": 18 + number * height + 16, "words": near_repeats.band_of_metres(*band)}
                 for number, band in enumerate(metres)],
    }  # fmt: skip


# ---- before and after ----


def render_before_after_page(found: BeforeAfter) -> str:
    """Give the page of a comparison, whole. Raises NoInput where the front end was not built."""
    rows = {row["part"]: row for row in found.table.to_dicts()}
    order = [part for part in (*before_after.PARTS, *before_after.ESTIMATES) if part in rows]
    long = before_after.days_of(found.before) / before_after.days_of(found.after)
    by_size = any(rows[part]["size"] not in (None, 1.0) for part in rows)
    before, after = (f"{period[0]} to {period[1]}" for period in (found.before, found.after))
    return _render(
        "before_after.html",
        found,
        about=f"{found.of.what.capitalize()}: {before} against {after}.",
        before=before,
        after=after,
        scaled=by_size or long != 1,
        by_size=by_size,
        bars_of=[_bars(rows, long, *size) for size in _SIZES],
        unlike=found.unlike,
        differences_of=[_differences(rows, found.unlike, *size) for size in _SIZES],
        ratios_of=[_ratios(rows, *size) for size in _SIZES] if rows["local"]["ratio"] is not None else [],
        meanings=before_after.MEANINGS,
        figures=[
            {
                "words": before_after.WORDS[part],
                **{name: _shown(rows[part][name], ",") for name in ("before", "after")},
                **{name: _shown(rows[part][name], ",.2f") for name in ("area_km2", "size", "standard_error")},
                "difference": _shown(rows[part]["difference"], "+,.1f"),
                "z": _shown(rows[part]["z"], "+.2f"),
                "interval": f"{_shown(rows[part]['difference_low'], '+,.1f')} to "
                f"{_shown(rows[part]['difference_high'], '+,.1f')}",
                "percent": _percent(rows[part]["ratio"]),
                "percents": ""
                if rows[part]["ratio"] is None
                else f"{_percent(rows[part]['ratio_low'])} to {_percent(rows[part]['ratio_high'])}",
            }
            for part in order
        ],
    )


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form).replace("-", "−")


def _percent(ratio: float | None) -> str:
    return change(None if ratio is None else ratio - 1, 0)


def _bars(rows: Mapping[str, Row], long: float, width: int, kind: str) -> dict[str, Any]:
    """Lay out two bars for each place, as long as its counts are in a period like that after."""
    parts = [part for part in before_after.PARTS if part in rows]
    lengths = [
        (rows[part]["before"] / long / rows[part]["size"], rows[part]["after"] / rows[part]["size"]) for part in parts
    ]
    scale = (width - _LEFT - 44) / max(1.0, *(each for both in lengths for each in both))
    return {
        "kind": kind, "width": width, "height": 38 * len(parts), "left": _LEFT,
        "bars": [
            {"words": before_after.WORDS[part].capitalize(), "y": 38 * number + 2,
             "before": round(scale * before, 1), "after": round(scale * after, 1),
             "before_words": f"{rows[part]['before']:,}", "after_words": f"{rows[part]['after']:,}"}
            for number, (part, (before, after)) in enumerate(zip(parts, lengths, strict=True))
        ],
    }  # fmt: skip


def _differences(rows: Mapping[str, Row], unlike: bool, width: int, kind: str) -> dict[str, Any]:
    """Lay out the differences about nothing; grey where they are no verdict."""
    parts = [part for part in before_after.ESTIMATES if part in rows]
    # Without a ring, all is local.
    told = {part: rows[part] for part in (parts if len(parts) > 2 else ["total"])}
    laid = [
        (part, row["difference"], row["difference_low"], row["difference_high"], _shown(row["difference"], "+,.1f"))
        for part, row in told.items()
    ]
    return _whiskers(laid, unlike, width, kind) | {"label": "Differences", "nil": "0, no difference"}


def _ratios(rows: Mapping[str, Row], width: int, kind: str) -> dict[str, Any]:
    """Lay out the relative changes about none, on a scale on which half and twice are equally far."""
    told = {part: rows[part] for part in ("local", "displaced") if part in rows and rows[part]["ratio"] is not None}
    laid = [
        (part, math.log(row["ratio"]), math.log(row["ratio_low"]), math.log(row["ratio_high"]), _percent(row["ratio"]))
        for part, row in told.items()
    ]
    return _whiskers(laid, False, width, kind) | {"label": "Relative changes", "nil": "0%, as the control"}


def _whiskers(
    laid: Sequence[tuple[str, float, float, float, str]], unlike: bool, width: int, kind: str
) -> dict[str, Any]:
    far = max(1e-9, *(abs(end) for _, _, low, high, _ in laid for end in (low, high))) * 1.08

    def x(value: float) -> float:
        return float(round(_LEFT + (width - _LEFT - 8) * (value / far + 1) / 2, 1))

    return {
        "kind": kind, "width": width, "height": 44 * len(laid) + 26, "zero": x(0.0),
        "rows": [
            {"words": before_after.WORDS[part].capitalize(), "y": 44 * number + 26, "x": x(middle), "low": x(low),
             "high": x(high), "told": told,
             "state": "open" if unlike or low <= 0 <= high else "better" if high < 0 else "worse"}
            for number, (part, middle, low, high, told) in enumerate(laid)
        ],
    }  # fmt: skip
