"""A page laid out on paper: which way round, how wide its columns, how large its pictures, what is on every sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bluelamp.web.sheets.reading import Block, Page, Run
from bluelamp.web.sheets.widths import LANDSCAPE, PORTRAIT, Cell, lay_out, preferred

# A pixel of the page is so many points on paper: letters of ten pixels are still read.
_POINTS = 0.75
_POINTS_IN_TABLE = 0.62
# Pictures that are wider than this turn the sheet.
_WIDE_PICTURE = 700
_GAP = 14.0
_NARROWEST_BESIDE = 150.0
_HIGHEST_PORTRAIT, _HIGHEST_LANDSCAPE = 640.0, 400.0


@dataclass(frozen=True)
class Furniture:
    """What stands on every sheet beside the page's own words."""

    force: str
    facts: str  # the run, when it was made, and how old its data is
    address: str
    made_on: date
    marking: str | None = None


def make_document(page: Page, furniture: Furniture) -> dict[str, Any]:
    """Give what the typesetter sets, as plain data."""
    is_wide = any(_is_wide(each) for each in _all_blocks(page.blocks))
    available = LANDSCAPE if is_wide else PORTRAIT
    made = furniture.made_on
    return {
        "title": page.title or furniture.force, "about": page.about, "force": furniture.force,
        "facts": furniture.facts, "address": furniture.address, "marking": furniture.marking or "",
        "date": [made.year, made.month, made.day], "is_wide": is_wide,
        "blocks": _laid(page.blocks, available, _HIGHEST_LANDSCAPE if is_wide else _HIGHEST_PORTRAIT),
    }  # fmt: skip


def _all_blocks(blocks: Sequence[Block]) -> list[Block]:
    found: list[Block] = []
    for each in blocks:
        found.append(each)
        for inner in each.get("items", []):
            found += _all_blocks(inner)
    return found


def _is_wide(block: Block) -> bool:
    if block["k"] == "picture":
        return bool(block["w"] >= _WIDE_PICTURE)
    return block["k"] == "table" and preferred(_cells(block["rows"]))[0] > PORTRAIT


def _laid(blocks: Sequence[Block], available: float, highest: float) -> list[Block]:
    return [laid for each in blocks for laid in _lay(each, available, highest)]


def _lay(block: Block, available: float, highest: float) -> list[Block]:
    kind = block["k"]
    if kind == "table":
        return _table(block, available)
    if kind == "picture":
        return [_fitted(block, min(available, block["w"] * _POINTS), highest)]
    if kind == "beside":
        return _beside(block, available, highest)
    if "items" in block:
        inset = 14.0 if kind in ("ul", "ol", "warning") else 0.0
        return [{**block, "items": [_laid(each, available - inset, highest) for each in block["items"]]}]
    return [block]


def _fitted(picture: Mapping[str, Any], width: float, highest: float) -> Block:
    share = min(1.0, highest / (width * picture["h"] / picture["w"]))
    return {**picture, "width": width * share}


def _beside(block: Block, available: float, highest: float) -> list[Block]:
    """Put parts side by side, as many as there is room for, or one below the other where each needs the width."""
    items = block["items"]
    needs = [max([_NARROWEST_BESIDE, *(_need(each) for each in _all_blocks(item))]) for item in items]
    room = available - _GAP * (len(items) - 1)
    if len(items) > 1 and sum(needs) <= room:
        widths = [need + (room - sum(needs)) / len(needs) for need in needs]
    else:
        columns = max(1, min(len(items), int((available + _GAP) // (max(needs) + _GAP))))
        widths = [(available - _GAP * (columns - 1)) / columns] * columns
    if len(widths) == 1:
        return [laid for item in items for laid in _laid(item, available, highest)]
    laid_items = [_laid(item, widths[number % len(widths)], highest) for number, item in enumerate(items)]
    return [{"k": "beside", "widths": [round(each, 2) for each in widths], "items": laid_items}]


def _need(block: Block) -> float:
    if block["k"] == "picture":
        return float(block["w"]) * _POINTS
    if block["k"] == "table":
        least, most = preferred(_cells(block["rows"]))
        return min(most, least * 1.12)
    return 0.0


# ---- tables ----


def _cells(rows: Sequence[Mapping[str, Any]]) -> list[list[Cell]]:
    """Give what each column's cells need; a cell over many columns needs no one of them to be wider."""
    found = []
    for row in rows:
        cells: list[Cell] = []
        for each in row["cells"]:
            runs: Sequence[Run] = each["c"]
            text = "".join(_text_of(run) for run in runs)
            # Zero-width spaces are where long words may break.
            text = text.replace("\u200b", " ") if each["span"] == 1 else ""
            picture = max((run["w"] * _POINTS_IN_TABLE for run in runs if "svg" in run), default=0.0)
            bold = row["is_head"] or any(run.get("s") == "b" for run in runs)
            cells += [Cell(text, picture, bold, bool(each.get("is_whole")))] + [Cell("")] * (each["span"] - 1)
        found.append(cells)
    return found


def _text_of(run: Run) -> str:
    if "br" in run:
        return "\n"
    return str(run.get("t", " "))


def _table(block: Block, available: float) -> list[Block]:
    rows = block["rows"]
    if not rows:
        return []
    layout = lay_out(_cells(rows), available)
    found: list[Block] = []
    for columns, widths in layout.parts:
        shown = [{"is_head": row["is_head"], "cells": _of_columns(row["cells"], columns)} for row in rows]
        found.append({
            "k": "table", "size": layout.size, "widths": [round(each, 2) for each in widths], "rows": shown,
            "is_plain": block["is_plain"],
        })  # fmt: skip
    if block["note"]:
        found.append({"k": "p", "kind": "quiet", "c": [{"t": block["note"], "s": ""}]})
    return found


def _of_columns(cells: Sequence[Mapping[str, Any]], columns: Sequence[int]) -> list[dict[str, Any]]:
    """Give the cells of some columns; one that spans many spans those of them that are shown."""
    found: list[dict[str, Any]] = []
    at = 0
    for cell in cells:
        covered = sum(1 for each in columns if at <= each < at + cell["span"])
        at += cell["span"]
        if covered:
            runs = [_in_table(run) for run in cell["c"]]
            found.append({**cell, "c": runs, "span": covered})
    missing = len(columns) - sum(each["span"] for each in found)
    return found + [{"c": [], "span": 1}] * missing


def _in_table(run: Run) -> Run:
    if "svg" not in run:
        return run
    return {**run, "width": run["w"] * _POINTS_IN_TABLE}
