"""Families: a folder is a family, a file in it is a member, and adding a member is adding one file.

Members are listed by file name and described by the first line of their docstring, read without importing them, so
that `--help` stays quick. Other people's packages join by an entry point in the group `bluelamp.<family>`.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from bluelamp.errors import UsageError, did_you_mean, one_of

_PACKAGE = Path(__file__).parent


@lru_cache(maxsize=16)
def members(family: str) -> dict[str, str]:
    """List a family's members with the first line of each docstring, in name order.

    `family` is the folder below the package, such as `forecast`, `staffing` or `sources.formats`.
    """
    found = {}
    for path in sorted(_folder(family).glob("[a-z]*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found[path.stem] = docstring.partition("\n")[0]
    for point in entry_points(group=f"bluelamp.{family}"):
        found.setdefault(point.name, f"from {point.value}")
    return found


def member(family: str, name: str) -> ModuleType:
    """Import one member of a family.

    Raises UsageError, naming the members there are, when there is none of that name.
    """
    if name not in members(family):
        known = members(family)
        raise UsageError(f"There is no {family} method '{name}'. Known are {one_of(known)}.{did_you_mean(name, known)}")
    if (_folder(family) / f"{name}.py").exists():
        return import_module(f"bluelamp.{family}.{name}")
    (point,) = [each for each in entry_points(group=f"bluelamp.{family}") if each.name == name][:1]
    module: ModuleType = point.load()
    return module


def optional(name: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional dependency.

    Raises UsageError, saying what to install, where it is not there.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != name.partition(".")[0]:
            raise
        raise UsageError(
            f"{purpose} needs what is not installed here. Install it: pip install 'bluelamp[{extra}]'"
        ) from None


def _folder(family: str) -> Path:
    return _PACKAGE.joinpath(*family.split("."))
