"""The commands of the analyses and their pages: the same figures in words, JSON, CSV and on a page."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from bluelamp import plan, reading
from bluelamp.cli import app
from bluelamp.errors import UsageError
from tests.recorded import force_with

STATIC = Path(plan.__file__).parent / "web" / "static" / "app.css"
built = pytest.mark.skipif(not STATIC.is_file(), reason="FRONT END NOT BUILT: pages can't be made.")
NEAR = ["--metres", "100,300", "--days", "7,14", "--permutations", "99"]


@pytest.fixture(scope="module")
def force(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred burglaries of a year, of which a few are followed nearby within days; two areas by name."""
    chance = np.random.default_rng(3)
    xy, day = chance.normal(0, 0.01, (100, 2)), chance.integers(0, 365, 100)
    xy = np.concatenate([xy, xy[:15] + chance.uniform(-0.0002, 0.0002, (15, 2))])
    day = np.concatenate([day, day[:15] + chance.integers(0, 6, 15)])
    start = datetime(2025, 1, 6, 12, tzinfo=UTC)
    at = [start + timedelta(days=int(each)) for each in day]
    rows = pl.DataFrame(
        {
            "offence_id": [str(number) for number in range(len(at))], "recorded_at": at, "from_at": at,
            "class_code": "burglary", "area_id": ["A" if x < 0 else "B" for x, _ in xy],
            "longitude": (xy[:, 0] - 2.58).round(6), "latitude": (xy[:, 1] + 51.45).round(6),
        }
    )  # fmt: skip
    return force_with(tmp_path_factory.mktemp("forces") / "north", offences=rows)


def run(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_near_repeats_say_the_same_in_words_json_and_csv(force: Path):
    said = run("near-repeat", force, *NEAR)
    assert said.startswith("Near repeats: 115 offences of all classes of crime, 2025-01-")
    answer = json.loads(run("near-repeat", force, *NEAR, "--json"))
    assert [f"- {each}" for each in answer["sentences"]] == [
        line for line in said.splitlines() if line[2:] in answer["sentences"]
    ]
    rows = list(csv.DictReader(io.StringIO(run("near-repeat", force, *NEAR, "--csv"))))
    assert [int(row["pairs"]) for row in rows] == [row["pairs"] for row in answer["near_repeats"]]
    first = next(row for row in answer["near_repeats"] if row["metres_to"] == 100 and row["days_from"] == 0)
    assert f"{first['ratio']:.2f} *" in said


PERIODS = ["--before", "2025-02-01..2025-04-30", "--after", "2025-05-01..2025-07-31"]
COMPARED = ["--treated", "A", "--control", "B", *PERIODS]


def test_before_and_after_say_the_same_in_words_json_and_csv(force: Path):
    said = run("before-after", force, *COMPARED)
    answer = json.loads(run("before-after", force, *COMPARED, "--json"))
    rows = {row["part"]: row for row in csv.DictReader(io.StringIO(run("before-after", force, *COMPARED, "--csv")))}
    treated = next(row for row in answer["before_after"] if row["part"] == "treated")
    assert int(rows["treated"]["before"]) == treated["before"] > 0
    assert re.search(rf"^treated place +{treated['before']} +{treated['after']} ", said, re.MULTILINE)
    assert all(f"- {each}" in said for each in [*answer["sentences"], *answer["notes"]])


@built
@pytest.mark.parametrize(("name", "words"), [("near-repeat", NEAR), ("before-after", COMPARED)])
def test_a_page_holds_every_figure_and_asks_for_nothing(force: Path, tmp_path: Path, name: str, words: list[str]):
    page = tmp_path / "page.html"
    answer = json.loads(run(name, force, *words, "--json", "--page", page))
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    assert "@import" not in text
    assert "url(http" not in text
    for sentence in (*answer["sentences"], *answer["notes"]):
        assert sentence in text.replace("&#39;", "'").replace("&gt;", ">")
    table = answer[name.replace("near-repeat", "near_repeats").replace("before-after", "before_after")]
    assert text.count('<tr><th scope="row">') == len(table)
    assert text.count('role="img"') == text.count("aria-label=") - text.count('role="region"')
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["near-repeat", "--metres", "far"], "--metres 'far' is no list of bounds"),
        (["near-repeat", "--days", "3.5"], "whole numbers such as 7,14,28 were expected"),
        (["near-repeat", "--class", "burglery"], "Did you mean 'burglary'?"),
        (["before-after", *COMPARED[:4], "--before", "2025-02-01", "--after", "x..y"], "is no period"),
        (["before-after", *COMPARED[:4], "--before", "2025-02-01..soon", "--after", "x..y"], "'soon' is not a date"),
        (
            ["before-after", "--treated", "A", "--control", "Q", *PERIODS],
            "'Q' is neither an area in force on 2025-07-31",
        ),
    ],
)
def test_what_is_asked_wrongly_is_told_in_a_sentence(force: Path, words: list[str], said: str):
    done = CliRunner().invoke(app, [words[0], str(force), *words[1:]])
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)


def test_a_table_that_no_run_makes_names_the_command_that_does(force: Path):
    for name, command in (("near_repeats", "near-repeat"), ("before_after", "before-after")):
        with pytest.raises(UsageError, match=f"'{name}' is not stored.*'bluelamp {command} "):
            reading.read_table(force, name)
