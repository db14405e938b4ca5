"""A page as what a sheet is set from: headings, paragraphs, lists, tables and pictures, in the order of the page.

Pages speak a small vocabulary, and this is all of it. What is for the hand or for finding one's way is left out: forms,
buttons, scripts, navigation, links to other forms of the same figures. Text stays text: nothing of it is ever part of
a programme that a typesetter runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from bluelamp.web.sheets.pictures import printable, size_of, standing_alone

# Rows of one table, of one that is folded away on the page, and letters of a whole sheet: some 40 pages.
MOST_ROWS, MOST_FOLDED_ROWS, MOST_LETTERS = 200, 40, 150_000
_LEFT_OUT = {"nav", "form", "button", "script", "style", "template", "noscript", "input", "select", "textarea",
             "dialog",
             "iframe", "object", "img", "canvas", "audio", "video", "head", "title", "link", "meta", "kbd"}  # fmt: skip
_LEFT_OUT_CLASSES = {"no-print", "twins", "twins-of", "skip-link", "visually-hidden", "is-narrow", "tools", "brand",
                     "wall-foot", "on-map", "hours-links", "renewal", "every-table", "day-links"}  # fmt: skip
_GROUPS = {"fans", "charts", "shift-places", "beside", "standing"}
_WARNINGS = {"is-warning", "stale", "form-error"}
_QUIET = {"card-words", "small", "moment", "is-lesser"}
_INLINE = {"a", "abbr", "b", "br", "code", "data", "em", "i", "label", "mark", "output", "q", "s", "small", "span",
           "strong", "sub", "sup", "time", "u", "var", "wbr"}  # fmt: skip
_BOLD = {"b", "strong", "th"}
_HEADING = re.compile(r"^h[1-6]$")
_BREAKABLE = 24
_LONG_WORD = re.compile(rf"[^\s\u200b]{{{_BREAKABLE + 4},}}")

Run = dict[str, Any]
Block = dict[str, Any]


@dataclass
class Page:
    """What a page says: its title, what stands below that, and its blocks."""

    title: str
    about: str
    blocks: list[Block] = field(default_factory=list)


def read_page(html: str) -> Page:
    """Read a page of ours."""
    tree = LexborHTMLParser(html)
    body, main = tree.body, tree.css_first("main")
    assert body is not None
    title, about = tree.css_first("h1"), tree.css_first(".about")
    reader = _Reader()
    blocks = reader.blocks(main or body, reader.style_of(main or body))
    page = Page(reader.words(title), reader.words(about), _stepped(blocks))
    if reader.is_cut:
        words = f"This sheet ends here, after {MOST_LETTERS:,} letters. The page itself has all of it."
        page.blocks.append({"k": "p", "kind": "warning", "c": [{"t": words, "s": ""}]})
    return page


def _stepped(blocks: list[Block]) -> list[Block]:
    """Let no heading be more than one step below the one before it: who hears a document steps through them."""
    last = 0

    def walk(some: list[Block]) -> None:
        nonlocal last
        for each in some:
            if each["k"] == "h":
                each["level"] = last = min(each["level"], last + 1)
            for inner in each.get("items", []):
                walk(inner)

    walk(blocks)
    return blocks


class _Reader:
    def __init__(self) -> None:
        self.letters = 0
        self.is_cut = False

    def blocks(self, node: LexborNode, style: str) -> list[Block]:
        found: list[Block] = []
        line: list[Run] = []

        def end_line() -> None:
            self._add_paragraph(found, line, "")
            line.clear()

        for each in node.iter(include_text=True):
            if self.letters > MOST_LETTERS:
                self.is_cut = True
                break
            if each.tag == "-text" or each.tag in _INLINE or (each.tag == "svg" and _is_small(each)):
                line += self.runs(each, style)
            elif self._is_shown(each):
                end_line()
                found += self._block(each, style)
        end_line()
        return found

    def words(self, node: LexborNode | None) -> str:
        """Give what a node says as one line of text, empty without one."""
        runs = [] if node is None else [run for each in node.iter(include_text=True) for run in self.runs(each)]
        return " ".join("".join(run.get("t", " ") for run in runs).split())

    def runs(self, node: LexborNode, style: str = "") -> list[Run]:
        """Give a node as runs of text, each in one style, with small pictures between them."""
        if node.tag == "-text":
            text = printable(node.text_content or "")
            self.letters += len(text)
            return [{"t": text, "s": style}]
        if not self._is_shown(node):
            return []
        if node.tag == "br":
            return [{"br": True}]
        if node.tag == "svg":
            return [_picture(node)]
        style = self.style_of(node, style)
        found = [run for each in node.iter(include_text=True) for run in self.runs(each, style)]
        # What stands in a box of its own is parted from what follows it.
        return [*found, {"t": "\u2003", "s": style}] if "together" in _classes(node) else found

    def style_of(self, node: LexborNode, style: str = "") -> str:
        classes = _classes(node)
        if node.tag == "code":
            return "code"
        if node.tag in _BOLD or "is-bad" in classes or "is-best" in classes:
            return "b"
        if node.tag == "small" or classes & {"small", "till"}:
            return "small"
        return style

    def _is_shown(self, node: LexborNode) -> bool:
        classes = _classes(node)
        is_phones = "is-narrow" in classes and "is-wide" not in classes
        left_out = (classes - {"is-narrow"}) & _LEFT_OUT_CLASSES
        return not (
            node.tag is None or node.tag in _LEFT_OUT or node.tag.startswith(("-", "_", "!")) or is_phones or left_out
            or "hidden" in node.attributes
            # A sign beside words that say the same.
            or (node.attributes.get("aria-hidden") == "true" and node.tag != "svg")
        )  # fmt: skip

    def _block(self, node: LexborNode, style: str) -> list[Block]:
        tag, classes = node.tag or "", _classes(node)
        if tag == "h1":
            return []  # the title of the page, which is the sheet's
        if _HEADING.match(tag):
            return self._heading(node, int(tag[1]) - 1)
        if tag in ("p", "pre", "summary", "figcaption", "caption", "legend", "address"):
            kind = "warning" if classes & _WARNINGS else "quiet" if classes & _QUIET else ""
            found: list[Block] = []
            runs = [run for each in node.iter(include_text=True) for run in self.runs(each, self.style_of(node, style))]
            is_title = tag in ("summary", "figcaption", "caption", "legend")
            self._add_paragraph(found, runs, "title" if is_title else kind)
            return found
        if tag in ("ul", "ol"):
            return self._list(node, tag)
        if tag == "dl":
            return self._definitions(node)
        if tag == "table":
            return self._table(node)
        if tag == "svg":
            return [{"k": "picture", **_picture(node)}]
        inner = self.blocks(node, self.style_of(node, style))
        if not inner:
            return []
        if tag == "figure":
            return [{"k": "group", "items": [inner]}]
        if classes & _GROUPS:
            parts = [self._block(each, style) for each in node.iter() if self._is_shown(each)]
            return [{"k": "beside", "items": [each for each in parts if each]}]
        return [{"k": "warning", "items": [inner]}] if classes & _WARNINGS else inner

    def _heading(self, node: LexborNode, level: int) -> list[Block]:
        words = self.words(node)
        return [{"k": "h", "level": max(level, 1), "t": words}] if words else []

    def _add_paragraph(self, found: list[Block], runs: list[Run], kind: str) -> None:
        tidy = _tidied(runs)
        if tidy:
            found.append({"k": "p", "kind": kind, "c": tidy})

    def _list(self, node: LexborNode, tag: str) -> list[Block]:
        items = [self.blocks(each, "") for each in node.iter() if each.tag == "li" and self._is_shown(each)]
        warned = [
            "warning" if _classes(each) & _WARNINGS else "" for each in node.iter()
            if each.tag == "li" and self._is_shown(each)
        ]  # fmt: skip
        kept = [(item, kind) for item, kind in zip(items, warned, strict=True) if item]
        if not kept:
            return []
        return [{"k": tag, "items": [item for item, _ in kept], "kinds": [kind for _, kind in kept]}]

    def _definitions(self, node: LexborNode) -> list[Block]:
        rows: list[dict[str, Any]] = []
        for each in node.css("dt, dd"):
            runs = _tidied([run for part in each.iter(include_text=True) for run in self.runs(part)])
            if each.tag == "dt":
                rows.append({"is_head": False, "cells": [{"c": _bold(runs), "span": 1}]})
            elif rows and len(rows[-1]["cells"]) == 1:
                rows[-1]["cells"].append({"c": runs, "span": 1})
            else:
                rows.append({"is_head": False, "cells": [{"c": [], "span": 1}, {"c": runs, "span": 1}]})
        return [{"k": "table", "rows": rows, "note": "", "is_plain": True}] if rows else []

    def _table(self, node: LexborNode) -> list[Block]:
        heads: list[dict[str, Any]] = []
        rows: list[dict[str, Any]] = []
        all_rows = node.css("tr")
        most = MOST_FOLDED_ROWS if _is_folded(node) else MOST_ROWS
        there = sum(1 for each in all_rows if not _is_of_head(each))
        for each in all_rows:
            is_head = _is_of_head(each)
            if not is_head and len(rows) >= most:
                continue
            cells = [self._cell(cell) for cell in each.iter() if cell.tag in ("td", "th")]
            (heads if is_head else rows).append({"is_head": is_head, "cells": cells})
        note = ""
        if there > len(rows):
            where = _csv_of(node)
            note = f"The first {len(rows):,} of {there:,} rows. {f'All of them: {where}' if where else ''}".strip()
        captions = [block for each in node.iter() if each.tag == "caption" for block in self._block(each, "")]
        return [*captions, {"k": "table", "rows": heads + rows, "note": note, "is_plain": False}]

    def _cell(self, node: LexborNode) -> dict[str, Any]:
        runs: list[Run] = []
        style = self.style_of(node)
        for each in node.iter(include_text=True):
            runs += self.runs(each, style)
        span = node.attributes.get("colspan") or "1"
        classes = _classes(node)
        right = {"align": "right"} if "number" in classes else {}
        whole = {"is_whole": True} if "when" in classes else {}
        return {"c": _tidied(runs), "span": int(span) if span.isdigit() else 1} | right | whole


def _classes(node: LexborNode) -> set[str]:
    return set((node.attributes.get("class") or "").split())


def _is_small(svg: LexborNode) -> bool:
    """Say whether a picture stands in a line of text: the keys of a legend do."""
    return size_of(svg)[1] <= 20 and size_of(svg)[0] <= 40


def _picture(svg: LexborNode) -> Run:
    width, height = size_of(svg)
    given = svg.attributes.get("width") or ""
    shown = float(given) if re.fullmatch(r"\d+(\.\d+)?", given) else width
    hidden = svg.attributes.get("aria-hidden") == "true"
    alt = "" if hidden else printable(svg.attributes.get("aria-label") or "A picture of the figures beside it")
    return {"svg": standing_alone(svg), "w": shown, "h": height * shown / width if width else height, "alt": alt}


def _tidied(runs: list[Run]) -> list[Run]:
    """Join runs of one style, leave one space where there are many and none at the ends, and let long words break."""
    joined: list[Run] = []
    for run in runs:
        if "t" in run and joined and "t" in joined[-1] and joined[-1]["s"] == run["s"]:
            joined[-1] = {"t": joined[-1]["t"] + run["t"], "s": run["s"]}
        else:
            joined.append(dict(run))
    is_after_space = True
    for run in joined:
        if "t" not in run:
            is_after_space = "br" in run
            continue
        text = re.sub(r"[ \t\r\n\f]+", " ", run["t"])
        run["t"] = text.removeprefix(" ") if is_after_space else text
        is_after_space = run["t"].endswith(" ") if run["t"] else is_after_space
    while joined and ("br" in joined[-1] or ("t" in joined[-1] and not joined[-1]["t"].strip())):
        joined.pop()
    while joined and ("br" in joined[0] or ("t" in joined[0] and not joined[0]["t"].strip())):
        joined.pop(0)
    if joined and "t" in joined[-1]:
        joined[-1]["t"] = joined[-1]["t"].rstrip(" ")
    for run in joined:
        if "t" in run:
            run["t"] = _LONG_WORD.sub(_broken, run["t"])
    return [run for run in joined if run.get("t") != ""]


def _broken(word: re.Match[str]) -> str:
    text = word[0]
    return "\u200b".join(text[at : at + _BREAKABLE] for at in range(0, len(text), _BREAKABLE))


def _bold(runs: list[Run]) -> list[Run]:
    return [{**run, "s": "b"} if "t" in run and not run["s"] else run for run in runs]


def _is_of_head(row: LexborNode) -> bool:
    return row.parent is not None and row.parent.tag == "thead"


def _is_folded(node: LexborNode) -> bool:
    above: LexborNode | None = node
    while above is not None:
        if above.tag == "details":
            return "open" not in above.attributes
        above = above.parent
    return False


def _csv_of(table: LexborNode) -> str:
    """Give the address of a table's rows as CSV, by the links of the part of the page in which it stands."""
    name = table.attributes.get("data-table") or ""
    above: LexborNode | None = table
    while above is not None:
        links = [each.attributes.get("href") or "" for each in above.css("a[href]")]
        links = [each for each in links if urlsplit(each).path.endswith(".csv")]
        named = [each for each in links if name and name in each.replace("-", "_")]
        if links:
            return (named or links)[0]
        above = above.parent
    return ""
