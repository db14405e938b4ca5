"""What the documentation says is so: its examples run and print what it shows, its links lead somewhere."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from bluelamp.cli import app
from tests.forces import made_once

ROOT = Path(__file__).parents[1]


def _program(name: str) -> ModuleType:
    """A program of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


examples = _program("run_examples")
reference = _program("make_reference")
PAGES = examples.pages()


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="session")
def first_tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the first tutorial was run in, with the force that other pages start with."""

    def make(folder: Path) -> None:
        folder.mkdir()
        mismatches = examples.run_page(examples.FIRST_TUTORIAL, folder)
        (folder / "mismatches.txt").write_text("\n\n".join(map(str, mismatches)), "utf-8")

    return made_once(tmp_path_factory, "first-tutorial", make)


def _insist_on_none(told: str) -> None:
    assert not told, f"{told}\n\n'python docs/run_examples.py --write' writes into the pages what is printed today."


def test_the_first_tutorial_shows_what_it_prints(first_tutorial):
    _insist_on_none((first_tutorial / "mismatches.txt").read_text("utf-8"))


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if examples.runs_something(page) and page != examples.FIRST_TUTORIAL],
    ids=_name,
)
def test_a_page_shows_what_its_examples_print(page, request, tmp_path):
    shared = request.getfixturevalue("first_tutorial") if examples.starts_with_force(page) else None
    _insist_on_none("\n\n".join(map(str, examples.run_page(page, tmp_path, shared))))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_runs_its_commands_or_says_that_it_does_not(page):
    text = page.read_text("utf-8")
    for block in examples.blocks_of(text):
        where = f"{_name(page)}:{block.first}"
        assert block.language, f"{where}: this block does not say what it is; ```text is for what is only read."
        assert block.language not in ("sh", "shell", "py", "pycon"), f"{where}: ```{block.language} is not run."


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_link_leads_to_something_that_is_there(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.is_relative_to(ROOT), f"{_name(page)}: {target} leads out of the project."
        assert found.exists(), f"{_name(page)}: {target} is not there."
        if anchor:
            assert anchor in _anchors(found), f"{_name(page)}: there is no heading for {target}."


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_names_no_path_of_a_machine(page):
    found = re.findall(r"(?:/(?:home|root|tmp|work|Users)/|[A-Z]:\\)\S*", page.read_text("utf-8"))
    assert not found, f"{_name(page)} names {found}."


def test_every_page_can_be_reached_from_the_readme():
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        targets = re.findall(r"\]\(([^)\s#]+)", page.read_text("utf-8"))
        ahead += [(page.parent / each).resolve() for each in targets if not re.match(r"[a-z]+:", each)]
    assert {_name(page) for page in PAGES} == {_name(page) for page in seen}


def test_generated_pages_say_what_the_code_says():
    assert not reference.stale_pages(), "'python docs/make_reference.py' writes them."


def test_a_stale_page_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "REFERENCE", tmp_path)
    reference.main([])
    assert not reference.stale_pages()
    (tmp_path / "settings.md").write_text("old", "utf-8")
    (tmp_path / "tables" / "gone.md").write_text("a table that there is no more", "utf-8")
    assert reference.stale_pages() == ["settings.md", "tables/gone.md"]
    reference.main([])
    assert not reference.stale_pages()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_a_make_command_that_is_named_is_in_the_makefile(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE))
    assert named
    assert named <= targets


def test_the_readme_lists_every_command():
    import typer

    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    listed = set(
        re.findall(r"^\| `bluelamp ([a-z-]+)` \|", (ROOT / "README.md").read_text("utf-8"), flags=re.MULTILINE)
    )
    assert listed == commands


def test_every_dependency_has_its_line():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    page = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text("utf-8")
    listed = re.findall(r"^\| ([a-z0-9, -]+) \|", page, flags=re.MULTILINE)
    known = {name for cell in listed for name in cell.split(", ")}
    assert {re.split(r"[<>=~]", each)[0] for each in project["dependencies"]} <= known


def test_the_maps_format_is_described_as_it_is(first_tutorial):
    import orjson

    from bluelamp.reports.map import make_map_data
    from bluelamp.web.app import Published

    published = Published(first_tutorial / examples.SHARED_FORCE)
    run = published.run(None)
    data = orjson.loads(make_map_data(published.results_for_map(run["run_id"]), run, published.force()))
    page = (ROOT / "docs" / "reference" / "map-format.md").read_text("utf-8")
    assert data["format"] in page
    of_map = page.partition("## The layer of hotspots")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", of_map, flags=re.MULTILINE))
    assert set(rows) == set(data)
    for key in ("force", "run", "hours", "areas", "pools", "pool_of_area", "recent"):
        for part in data[key]:
            assert f"`{part}`" in rows[key], f"{part} of {key} is not described."


def test_every_public_function_says_what_it_gives():
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sorted((ROOT / "src").rglob("*.py"))
        for node in _public(ast.parse(path.read_text("utf-8")))
        if not ast.get_docstring(node)
    ]
    assert not silent


def _public(inside: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """What others can reach: functions, classes, and the methods of public classes."""
    for node in inside.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node)


def test_what_is_shown_may_leave_things_open_with_three_dots():
    assert examples.fits("Wrote a.html (… MB).", "Wrote a.html (3.1 MB).")
    assert examples.fits("first\n…\nlast", "first\n1\n2\nlast")
    assert examples.fits("Run r000001-00000000: done", "Run r000001-…: done")
    assert not examples.fits("4 rows", "5 rows")
    assert not examples.fits("4 rows", "4 rows\nand more")


def test_an_example_that_fails_is_told(tmp_path):
    page = ROOT / "docs" / "tutorials" / "failing.md"
    block = examples.Block("console", "", "$ false\n$ echo never", 1, 3)
    with pytest.raises(examples.ExampleFailed):
        examples._run_console(page, block, tmp_path)


def test_every_view_has_a_picture_in_the_docs_and_each_is_small_enough():
    from tests.browser.test_every_view import VIEWS

    drawer = _program("make_screenshots")
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert {each.stem for each in pictures} == {each.name for each in drawer.PICTURES}
    page = (ROOT / "docs" / "reference" / "views.md").read_text("utf-8")
    assert [each.stem for each in pictures if f"../images/{each.name}" not in page] == []
    pages = {re.split(r"[?#]", f"/{each.path}")[0] for each in drawer.PICTURES}
    # These look like others: one table, one's own account, and the form that makes the first one.
    assert set(VIEWS) - pages == {"/tables/{name}", "/account", "/set-up"}
    assert max(each.stat().st_size for each in pictures) <= 250_000
