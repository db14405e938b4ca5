"""What happened, as analyses read it from a store: one moment and one point each, and what was left out is said."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from bluelamp.errors import NoInput, UsageError
from bluelamp.occurrences import read_occurrences
from tests.drawn import drawn
from tests.recorded import force_with

OFFENCES = drawn(
    "offences", "offence_id | recorded_at | from_at | to_at | class_code | area_id | longitude | latitude",
    "1 | 2026-03-02T09:00Z | 2026-03-01T23:30Z |                   | burglary | A | -2.58 | 51.45",
    "2 | 2026-03-09T09:00Z | 2026-03-06T17:00Z | 2026-03-09T08:00Z | burglary | A | -2.58 | 51.45",
    "3 | 2026-03-19T09:00Z | 2026-03-01T17:00Z | 2026-03-19T08:00Z | burglary | A | -2.58 | 51.45",
    "4 | 2026-03-19T09:00Z |                   |                   | burglary | A | -2.58 | 51.45",
    "5 | 2026-03-29T09:00Z | 2026-03-29T00:30Z | 2026-03-29T01:30Z | theft    | A | -2.58 | 51.45",
    "6 | 2026-03-29T09:00Z | 2026-03-29T23:30Z |                   | theft    | A | -2.60 | 51.44",
)  # fmt: skip
INCIDENTS = drawn(
    "incidents", "incident_id | received_at | class_code | origin | area_id | longitude | latitude | merged_into",
    "1 | 2026-03-02T09:00Z | burglary | public            | A | -2.58 | 51.45 |",
    "2 | 2026-03-02T09:05Z | burglary | public            | A | -2.58 | 51.45 | 1",
    "3 | 2026-03-02T09:10Z | drugs    | officer_initiated | A | -2.58 | 51.45 |",
    "4 | 2026-03-02T09:20Z | welfare  | public            | A | -2.58 | 51.45 |",
)  # fmt: skip


@pytest.fixture(scope="module")
def force(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return force_with(tmp_path_factory.mktemp("forces") / "north", incidents=INCIDENTS, offences=OFFENCES)


def test_offences_are_read_where_there_are_any_each_at_one_moment(force: Path):
    found = read_occurrences(force)
    assert found.kind == "offences"
    assert found.rows["occurrence_id"].to_list() == ["1", "2", "5", "6"]
    assert date(2026, 3, 6) <= found.rows["day"][1] <= date(2026, 3, 9)
    assert found.notes == [
        "2 offences (33.3%) left out: without any time, or with a range of more than a week.",
        "1 offence (25.0%) with a range over more than one day: given one moment of it.",
    ]


def test_days_are_local_and_both_ends_are_in(force: Path):
    # 23:30 UTC on the night when British clocks have gone forward is the next day there.
    assert read_occurrences(force, since=date(2026, 3, 30)).rows["occurrence_id"].to_list() == ["6"]
    assert read_occurrences(force, until=date(2026, 3, 1)).rows["occurrence_id"].to_list() == ["1"]
    one_day = read_occurrences(force, since=date(2026, 3, 29), until=date(2026, 3, 29))
    assert one_day.rows["occurrence_id"].to_list() == ["5"]


def test_incidents_are_those_of_crime_that_others_brought_and_count_once(force: Path):
    found = read_occurrences(force, kind="incidents")
    assert found.rows["occurrence_id"].to_list() == ["1"]
    assert found.what == "incidents of all classes of crime"
    assert read_occurrences(force, kind="incidents", class_codes=["welfare"]).rows["occurrence_id"].to_list() == ["4"]


def test_what_is_put_at_a_default_point_is_left_out(force: Path, tmp_path: Path):
    folder = force_with(tmp_path / "south", offences=OFFENCES)
    with (folder / "force.toml").open("a", encoding="utf-8") as file:
        file.write('[[areas.default_points]]\nname = "station"\nlongitude = -2.58\nlatitude = 51.45\n')
    found = read_occurrences(folder)
    assert found.rows["occurrence_id"].to_list() == ["6"]
    assert found.notes[-1].startswith("3 offences (75.0%) left out: they are put at a default point")


def test_what_is_only_known_to_have_been_in_a_month_has_no_moment(tmp_path: Path):
    first_midnight = [
        f"x{number} | 2026-04-19T09:00Z | 2026-03-31T23:00Z | | theft | A | -2.58 | 51.45" for number in range(40)
    ]
    header = "offence_id | recorded_at | from_at | to_at | class_code | area_id | longitude | latitude"
    unknown = drawn("offences", header, *first_midnight)
    found = read_occurrences(force_with(tmp_path / "south", offences=pl.concat([OFFENCES, unknown])))
    assert found.rows["occurrence_id"].to_list() == ["1", "2", "5", "6"]
    assert found.notes[0].startswith("40 offences at the midnight that begins a month")


def test_without_offences_incidents_are_asked(tmp_path: Path):
    assert read_occurrences(force_with(tmp_path / "south", incidents=INCIDENTS)).kind == "incidents"


def test_what_is_not_there_is_told(force: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"No offence is of class 'burglery'\. Did you mean 'burglary'"):
        read_occurrences(force, class_codes=["burglery"])
    with pytest.raises(UsageError, match="'crimes' is neither"):
        read_occurrences(force, kind="crimes")
    with pytest.raises(NoInput, match="has no incidents yet"):
        read_occurrences(force_with(tmp_path / "empty"))
    with pytest.raises(NoInput, match="has no offences yet"):
        read_occurrences(force_with(tmp_path / "empty2"), kind="offences")
