"""The wheel that users install: the built page is inside, so that they need no Node, and it works by itself."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True, capture_output=True,
    )  # fmt: skip
    (built,) = out.glob("*.whl")
    return built


def test_the_built_page_the_schemas_and_the_maps_are_inside(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    for wanted in (
        "bluelamp/web/static/app.js",
        "bluelamp/web/static/data.js",
        "bluelamp/web/static/single.js",
        "bluelamp/web/templates/page.html",
        "bluelamp/schemas/coverage.json",
        "bluelamp/sources/maps/oakland.toml",
        "bluelamp/incidents/priors.toml",
    ):
        assert wanted in inside, wanted
    assert not [name for name in inside if "node_modules" in name or name.startswith("tests")]


def test_it_runs_from_where_it_is_installed(wheel, tmp_path):
    place = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(place)
    start = "import sys; sys.path.insert(0, sys.argv.pop(1)); from bluelamp import cli; print(cli.__file__); cli.main()"
    found = subprocess.run(
        [sys.executable, "-c", start, str(place), "doctor", "--json"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    where, told = found.stdout.split("\n", 1)
    assert where.startswith(str(place))
    findings = {finding["what"]: finding["is_well"] for finding in json.loads(told)}
    assert findings["the page"]
