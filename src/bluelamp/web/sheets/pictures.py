"""The pictures of a page, each as an SVG file that stands by itself: with the styles of the page, for light paper."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from importlib.resources import files

from selectolax.lexbor import LexborNode

from bluelamp.errors import NoInput
from bluelamp.web.sheets.typesetting import FONTS

# What XML 1.0 does not allow, and what would turn the order of the letters around it.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_TURNING = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_CLASS = re.compile(r"\.([\w-]+)")
_ELEMENT = re.compile(r"^[a-zA-Z][\w:-]*$")
_HEIGHT_OF_BOX = 3
# HTML is read in small letters, and SVG tells large ones from small.
_OF_SVG = ("viewBox", "patternUnits", "patternTransform", "preserveAspectRatio", "textLength", "lengthAdjust")
_AS_SVG = {each.lower(): each for each in _OF_SVG}


def printable(text: str) -> str:
    """Leave out what no paper shows, and marks that would turn the order of the letters around them."""
    return _TURNING.sub("", _UNPRINTABLE.sub("", text))


def standing_alone(svg: LexborNode) -> str:
    """Give an SVG element of a page as a file of its own."""
    within = _inside(svg)
    names = {each for node in [svg, *svg.css("[class]")] for each in (node.attributes.get("class") or "").split()}
    kept = {"xmlns": "http://www.w3.org/2000/svg", "font-family": ", ".join(FONTS), **_attributes(svg)}
    width, height = size_of(svg)
    kept |= {"width": f"{width:g}", "height": f"{height:g}", "fill": kept.get("fill", "#14202e")}
    said = "".join(f' {name}="{value}"' for name, value in kept.items())
    return f"<svg{said}><style>{_styles(frozenset(names))}</style>{within}</svg>"


def size_of(svg: LexborNode) -> tuple[float, float]:
    """Give the width and height of an SVG element in its own units."""
    given = svg.attributes
    box = [float(each) for each in (given.get("viewbox") or "").replace(",", " ").split()]
    if len(box) > _HEIGHT_OF_BOX:
        return box[2], box[_HEIGHT_OF_BOX]
    return float(given.get("width") or 300), float(given.get("height") or 150)


def _inside(node: LexborNode) -> str:
    parts = []
    for each in node.iter(include_text=True):
        tag = each.tag
        if tag == "-text":
            parts.append(escape(printable(each.text_content or "")))
        elif tag is not None and _ELEMENT.match(tag) and tag not in ("script", "style", "foreignObject", "image"):
            said = "".join(f' {name}="{value}"' for name, value in _attributes(each).items())
            parts.append(f"<{tag}{said}>{_inside(each)}</{tag}>")
    return "".join(parts)


def _attributes(node: LexborNode) -> dict[str, str]:
    """Give what draws; what is said to programs that read aloud, or to scripts, stands beside the picture."""
    return {
        _AS_SVG.get(name, name): escape(printable(value or ""))
        for name, value in node.attributes.items()
        if not name.startswith(("data-", "aria-", "on", "xmlns", "tabindex")) and ":" not in name
    }


@cache
def _styles(names: frozenset[str]) -> str:
    """Give the rules that speak of these class names alone."""
    return "".join(rule for of, rule in _rules() if of <= names)


@cache
def _rules() -> tuple[tuple[frozenset[str], str], ...]:
    sheet = files("bluelamp.web") / "static" / "paper.css"
    if not sheet.is_file():
        raise NoInput("The front end was not built, so that pictures have no colours. 'make frontend' builds it.")
    found = []
    for line in sheet.read_text(encoding="utf-8").splitlines():
        selectors, _, declared = line.partition("{")
        found += [(frozenset(_CLASS.findall(each)), f"{each}{{{declared}") for each in selectors.split(",")]
    return tuple(found)
