"""Families: a file is a member, and so is what another package offers."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from bluelamp import extensions
from bluelamp.errors import UsageError


@pytest.fixture
def offers(monkeypatch):
    """Pretend that another package offers members; what is remembered is forgotten before and after."""

    def pretend(*points: EntryPoint) -> None:
        extensions.members.cache_clear()
        monkeypatch.setattr(
            extensions, "entry_points", lambda *, group: [point for point in points if point.group == group]
        )

    yield pretend
    monkeypatch.undo()
    extensions.members.cache_clear()


def test_members_are_files_with_the_first_line_of_their_docstring():
    assert list(extensions.members("staffing")) == [
        "as_they_come", "erlang_c", "mol", "priorities", "several_units", "workload",
    ]  # fmt: skip
    assert extensions.members("staffing")["workload"].startswith("Work divided by time")
    assert list(extensions.members("forecast")) == [
        "last_week",
        "pooled",
        "slot_mean",
        "slot_mean_26",
        "slot_mean_52",
        "slot_mean_8",
    ]
    for family in ("staffing", "forecast"):
        assert all(extensions.members(family).values())


def test_files_that_begin_with_a_line_below_are_no_members():
    assert not [name for family in ("staffing", "forecast") for name in extensions.members(family) if name[0] == "_"]


def test_listing_members_imports_none_of_them():
    program = (
        "import sys\nfrom bluelamp import extensions\nextensions.members('forecast')\nextensions.members('staffing')\n"
        "print([name for name in ('numpy', 'polars', 'bluelamp.forecast', 'bluelamp.staffing') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_member_is_imported_by_its_name():
    assert extensions.member("staffing", "mol").__name__ == "bluelamp.staffing.mol"


@pytest.mark.parametrize("name", ["erlang", "_targets", "__init__", "../settings", ""])
def test_a_name_that_is_no_member_is_told_with_those_that_are(name):
    with pytest.raises(UsageError, match=r"There is no staffing method .* Known are 'as_they_come', .* or 'workload'"):
        extensions.member("staffing", name)


def test_the_nearest_member_is_offered():
    with pytest.raises(UsageError, match="Did you mean 'erlang_c'"):
        extensions.member("staffing", "erlangc")


def test_a_family_that_is_not_there_has_no_members():
    assert extensions.members("no_such_family") == {}
    with pytest.raises(UsageError, match="There is no no_such_family method 'x'"):
        extensions.member("no_such_family", "x")


def test_another_package_joins_by_an_entry_point(offers):
    offers(
        EntryPoint(name="theirs", value="tests.drawn", group="bluelamp.staffing"),
        EntryPoint(name="elsewhere", value="tests.drawn", group="bluelamp.forecast"),
    )
    assert extensions.members("staffing")["theirs"] == "from tests.drawn"
    assert "elsewhere" not in extensions.members("staffing")
    found = extensions.member("staffing", "theirs")
    assert isinstance(found, ModuleType)
    assert found.__name__ == "tests.drawn"


def test_another_package_does_not_take_the_name_of_ours(offers):
    offers(EntryPoint(name="mol", value="tests.drawn", group="bluelamp.staffing"))
    assert not extensions.members("staffing")["mol"].startswith("from ")
    assert extensions.member("staffing", "mol").__name__ == "bluelamp.staffing.mol"
