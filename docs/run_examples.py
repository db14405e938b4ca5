"""Run what the pages show, and hold them to it.

    python docs/run_examples.py            say where a page shows something that is no longer so
    python docs/run_examples.py --write    write into the pages what their commands print today

In a page, fenced blocks mean:

- ```console   commands of ours after `$ `, and what they print. Each is run; what it prints must be what is shown.
- ```bash      commands that are run, with nothing shown.
- ```python    a program that is run; a ```text output block right after it is what it prints.
- ```toml file=PATH, ```csv file=PATH, ```json file=PATH    a file that the page tells the reader to write.
- anything else (```text, ```toml, …) is only read.

Three dots (…) in what is shown stand for whatever comes there. Batch and run numbers are compared without the part
that depends on versions. A page runs from top to bottom in a folder of its own; `<!-- starts with: lantern -->` gives
it the made-up force that the first tutorial made.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from at_hand import at_hand

DOCS = Path(__file__).parent
ROOT = DOCS.parent
# It makes the force that other pages start with, so it runs first.
FIRST_TUTORIAL = DOCS / "tutorials" / "where-are-we-short.md"
SHARED_FORCE = "lantern"
_FENCE = re.compile(r"^( *)(`{3,})([^`\n]*)$")
_NUMBER = re.compile(r"\b([br]\d{6})-[0-9a-f]{8}\b")
_STARTS_WITH = re.compile(r"<!-- starts with: (\w+) -->")
_LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the words after it, its text, and the lines of the page that the text fills."""

    language: str
    words: str
    text: str
    first: int  # index of the first line of the text in the page
    last: int  # index after its last line
    indent: str = ""


@dataclass(frozen=True)
class Mismatch:
    """What a page shows and what came instead, over the lines [first, last) of the page."""

    page: Path
    first: int
    last: int
    shown: str
    came: str
    indent: str = ""

    def __str__(self) -> str:
        where = self.page.relative_to(ROOT)
        return f"{where}:{self.first + 1} shows\n{self.shown}\nbut this came:\n{self.came}"


class ExampleFailed(Exception):
    """An example that did not end well."""


def pages() -> list[Path]:
    """Every page of the documentation, the first tutorial first."""
    found = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
    return sorted(found, key=lambda page: page != FIRST_TUTORIAL)


def blocks_of(text: str) -> list[Block]:
    """Find the fenced blocks of a page, in order."""
    lines = text.split("\n")
    found = []
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        at += 1
        if opening is None:
            continue
        indent, fence, info = opening.groups()
        first = at
        while at < len(lines) and lines[at].strip() != fence:
            at += 1
        language, _, words = info.strip().partition(" ")
        body = "\n".join(line.removeprefix(indent) for line in lines[first:at])
        found.append(Block(language, words, body, first, at, indent))
        at += 1
    return found


def runs_something(page: Path) -> bool:
    """Whether a page has a block that is run."""
    return any(block.language in ("console", "bash", "python") for block in blocks_of(page.read_text("utf-8")))


def starts_with_force(page: Path) -> bool:
    """Whether a page starts with the force that the first tutorial made."""
    return _STARTS_WITH.search(page.read_text("utf-8")) is not None


def run_page(page: Path, folder: Path, shared: Path | None = None) -> list[Mismatch]:
    """Run a page in an empty folder and give what differs from what it shows.

    `shared` is the folder that the first tutorial was run in. Raises ExampleFailed where a command or program fails
    and the page does not go on to show its exit code.
    """
    text = page.read_text("utf-8")
    start = _STARTS_WITH.search(text)
    if start:
        assert shared is not None, f"{page} starts with {start[1]}, which was not made."
        shutil.copytree(shared / start[1], folder / start[1])
    found = []
    blocks = blocks_of(text)
    for number, block in enumerate(blocks):
        if block.words.startswith("file="):
            target = folder / block.words.removeprefix("file=")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text + "\n", "utf-8")
        elif block.language == "console":
            found += _run_console(page, block, folder)
        elif block.language == "bash":
            _insist(page, block, *_run(["bash", "-euc", block.text], folder))
        elif block.language == "python":
            output = _insist(page, block, *_run([sys.executable, "-c", block.text], folder))
            following = blocks[number + 1] if number + 1 < len(blocks) else None
            if following and (following.language, following.words) == ("text", "output"):
                found += _compare(page, following.first, following.last, following.text, output, following.indent)
    return found


def _run_console(page: Path, block: Block, folder: Path) -> list[Mismatch]:
    found = []
    code = 0
    steps = list(_steps(block))
    for command, shown, first, last in steps:
        if code and "$?" not in command:
            raise ExampleFailed(f"{page.relative_to(ROOT)}:{first}: the command before this one ended with {code}.")
        code, output = _run(["bash", "-c", f"(exit {code}); {command}"], folder)
        found += _compare(page, first, last, shown, output, block.indent)
    if code:
        command = steps[-1][0]
        raise ExampleFailed(f"{page.relative_to(ROOT)}: '{command}' ended with {code}:\n{output}")
    return found


def _steps(block: Block) -> Iterator[tuple[str, str, int, int]]:
    """Give each command of a console block, what is shown of its output, and the page's lines that this fills."""
    lines = block.text.split("\n")
    at = 0
    while at < len(lines):
        assert lines[at].startswith("$ "), f"A console block begins with '$ ', not with '{lines[at]}'."
        command = lines[at][2:]
        at += 1
        while command.endswith("\\"):
            command = command[:-1] + lines[at].strip()
            at += 1
        first = at
        while at < len(lines) and not lines[at].startswith("$ "):
            at += 1
        yield command, "\n".join(lines[first:at]), block.first + first, block.first + at


@cache
def _at_hand() -> Path:
    until_the_end = ExitStack()
    atexit.register(until_the_end.close)
    return until_the_end.enter_context(at_hand(Path(until_the_end.enter_context(tempfile.TemporaryDirectory()))))


def _run(command: list[str], folder: Path) -> tuple[int, str]:
    programs = os.pathsep.join([str(_at_hand()), str(Path(sys.executable).parent)])
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("BLUELAMP_")},
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, encoding="utf-8", timeout=_LONGEST_SECONDS, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def _insist(page: Path, block: Block, code: int, output: str) -> str:
    if code:
        where = f"{page.relative_to(ROOT)}:{block.first}"
        raise ExampleFailed(f"{where}: this ended with {code}:\n{block.text}\n\n{output}")
    return output


def _compare(page: Path, first: int, last: int, shown: str, came: str, indent: str) -> list[Mismatch]:
    came = "\n".join(line.rstrip() for line in _NUMBER.sub(r"\1-…", came).rstrip("\n").split("\n"))
    if fits(shown, came):
        return []
    return [Mismatch(page, first, last, shown, came, indent)]


def fits(shown: str, came: str) -> bool:
    """Whether what came is what is shown, where … stands for anything.

    >>> fits("Run r000001-…: done", "Run r000001-…: done"), fits("a\\n…\\nz", "a\\nb\\nc\\nz"), fits("a", "b")
    (True, True, False)
    """
    parts = [re.escape(part) for part in _NUMBER.sub(r"\1-…", shown).rstrip().split("…")]
    return re.fullmatch(".*?".join(parts), came, re.DOTALL) is not None


def write(mismatches: list[Mismatch]) -> None:
    """Write what came into the pages."""
    for page in {each.page for each in mismatches}:
        lines = page.read_text("utf-8").split("\n")
        # From the end, so that the lines before stay where they are.
        for each in sorted((one for one in mismatches if one.page == page), key=lambda one: -one.first):
            lines[each.first : each.last] = [each.indent + line for line in each.came.split("\n")] if each.came else []
        page.write_text("\n".join(lines), "utf-8")


def main(arguments: list[str]) -> int:
    """Run every page that runs something; `--write` puts the pages right. Page names limit it to those pages."""
    if any(each.startswith("-") and each != "--write" for each in arguments):
        print(__doc__)
        return 0 if "--help" in arguments else 2
    wanted = [Path(each).resolve() for each in arguments if not each.startswith("-")]
    with tempfile.TemporaryDirectory() as scratch:
        shared = Path(scratch) / "shared"
        mismatches = []
        for number, page in enumerate(each for each in pages() if runs_something(each)):
            needs_force = starts_with_force(page)
            if wanted and page not in wanted and not (page == FIRST_TUTORIAL and any(map(starts_with_force, wanted))):
                continue
            folder = shared if page == FIRST_TUTORIAL else Path(scratch) / str(number)
            folder.mkdir()
            found = run_page(page, folder, shared if needs_force else None)
            mismatches += found
            print(f"{page.relative_to(ROOT)}: {len(found) or 'nothing'} to put right", file=sys.stderr)
    if "--write" in arguments:
        write(mismatches)
        return 0
    for each in mismatches:
        print(f"\n{each}")
    if mismatches:
        print("\nWrite today's output into the pages with: python docs/run_examples.py --write")
    return 1 if mismatches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
