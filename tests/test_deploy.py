"""The files by which a service is set up: they start what this Bluelamp understands, from files that are there."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer

from bluelamp.cli import app

ROOT = Path(__file__).parents[1]
UNIT, CONTAINER = ROOT / "deploy" / "bluelamp.service", ROOT / "deploy" / "Containerfile"


def started_by_systemd():
    (line,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    return shlex.split(line)


def started_in_a_container():
    (line,) = re.findall(r"^ENTRYPOINT (.*)$", CONTAINER.read_text(), re.MULTILINE)
    return json.loads(line)


@pytest.mark.parametrize("started", [started_by_systemd(), started_in_a_container()])
def test_the_command_is_one_that_is_understood_and_asks_people_to_sign_in(started):
    program, name, *arguments = started
    assert (Path(program).name, name) == ("bluelamp", "serve")
    command = typer.main.get_command(app).commands["serve"]
    asked = command.make_context("serve", list(arguments)).params
    assert asked["sign_in"] is True
    assert asked["browser"] is False
    assert asked["port"] == 8321


def test_the_container_is_made_from_files_that_are_there():
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINER.read_text(), re.MULTILINE)
    assert copied
    for each in " ".join(copied).split():
        assert (ROOT / each).exists(), each
    installed = re.findall(r"-r (\S+)", CONTAINER.read_text())
    assert all((ROOT / each).exists() for each in installed)


def test_the_container_looks_after_itself_by_an_address_that_needs_no_sign_in():
    from bluelamp.web.access_table import TABLE

    (address,) = re.findall(r"8321(/[\w/.]+)'", CONTAINER.read_text())
    assert TABLE["GET", address].kind == "public"


def test_both_keep_compiled_loops_where_numba_looks_for_them():
    places = [re.search(r"NUMBA_CACHE_DIR=(\S+)", each.read_text())[1] for each in (UNIT, CONTAINER)]
    assert places == ["/var/cache/bluelamp"] * 2
