"""Data in, a PDF or a PNG out: typst sets it, in a process of its own that can be stopped and whose memory comes back.

The PDF is tagged and keeps to PDF/UA-1, so that it can be read aloud. A letter that no font of the machine has is
printed as its number, such as [U+1F694], because an empty box says nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from threading import Lock
from typing import Any, Literal

from bluelamp.errors import TryAgain
from bluelamp.extensions import optional

Form = Literal["pdf", "png"]
DOTS_AN_INCH = 150
# Those of them that a machine has are used, in this order; the last comes with typst.
FONTS = ("Liberation Sans", "Arial", "Helvetica", "DejaVu Sans", "Libertinus Serif")
# What is set takes a second at most; what takes longer is stopped.
SECONDS = 60.0
_ATTEMPTS = 6
_turn = Lock()


def insist_on_typesetter() -> None:
    """Raise UsageError, saying what to install, where no sheet can be made here."""
    for name in ("typst", "selectolax"):
        optional(name, "sheets", "A sheet as PDF or PNG")


def typeset(document: Mapping[str, Any], form: Form) -> bytes:
    """Give a document of `setting.make_document` as PDF, or its first page as PNG. The same data has the same bytes.

    Raises TryAgain where other sheets take too long, or this one does.
    """
    asked = json.dumps({"document": document, "form": form}, ensure_ascii=False).encode()
    if not _turn.acquire(timeout=SECONDS):
        raise TryAgain("Other sheets are being made, and take long. Ask for this one again in a minute.")
    try:
        done = subprocess.run(  # noqa: S603 - our own module, by the interpreter that runs this
            [sys.executable, "-m", __name__], input=asked, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise TryAgain(
            f"The sheet was not ready after {SECONDS:.0f} seconds. The page's CSV addresses have its figures."
        ) from None
    finally:
        _turn.release()
    if done.returncode != 0:
        raise RuntimeError(f"the sheet could not be set: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def _set(document: dict[str, Any], form: Form) -> bytes:
    import typst

    source = (files("bluelamp.web.sheets") / "sheet.typ").read_bytes()
    known = set(typst.Fonts().families())
    fonts = [each for each in FONTS if each in known]
    text = json.dumps(document, ensure_ascii=False)
    # Noon of the day on which the run was made: never the clock of the machine.
    year, month, day = document["date"]
    made = int((date(year, month, day) - date(1970, 1, 1)).total_seconds()) + 43_200
    compiler = typst.Compiler()
    for _ in range(_ATTEMPTS):
        inputs = {"sheet": text, "fonts": json.dumps(fonts)}
        try:
            pdf = compiler.compile(source, format="pdf", sys_inputs=inputs, pdf_standards=["ua-1"], timestamp=made)
        except typst.TypstError as error:
            missing = _missing(f"{error.message} {error.diagnostic}")
            if not missing:
                raise
            text = _numbered(text, missing)
            continue
        if form == "pdf":
            assert isinstance(pdf, bytes)
            return pdf
        pages = compiler.compile(source, format="png", ppi=DOTS_AN_INCH, sys_inputs=inputs)
        first = pages[0] if isinstance(pages, list) else pages
        assert first is not None
        return first
    raise ValueError("letters that no font has were found again and again")


def _missing(message: str) -> set[str]:
    """Give the letters that typst said it can't show; it writes them as Rust does."""
    found: set[str] = set()
    for quoted in re.findall(r'the text `"((?:[^"\\]|\\.)*)"` could not be displayed', message):
        found |= set(re.sub(r"\\u\{([0-9a-f]+)\}", lambda code: chr(int(code[1], 16)), quoted))
    return {each for each in found if ord(each) > 127}


def _numbered(text: str, missing: set[str]) -> str:
    return text.translate({ord(each): f"[U+{ord(each):04X}]" for each in missing})


if __name__ == "__main__":
    _asked = json.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(_set(_asked["document"], _asked["form"]))
