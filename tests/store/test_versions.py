"""Versions that tell their own order: late, repeated and shuffled extracts end in one present and one past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import tables
from bluelamp.store import Store

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def log(incident: str, grade: str, hours: float | None, origin: str = "public") -> dict[str, object]:
    """One version of a log: its grade, and after how many hours its system last changed it."""
    changed = None if hours is None else START + timedelta(hours=hours)
    return {
        "incident_id": incident, "received_at": START, "class_code": "theft", "origin": origin, "grade_code": grade,
        "updated_at": changed,
    }  # fmt: skip


def take(store: Store, *rows: dict[str, object]) -> dict[str, int]:
    frame = pl.DataFrame(list(rows), schema=tables.table("incidents").polars_schema)
    with store.writing("incidents", source_name="calls.csv") as batch:
        batch.add(frame)
    return {name: number for name, number in vars(batch.counts).items() if number}


def grades(store: Store, as_of: datetime | None = None) -> dict[str, str]:
    return dict(store.read("incidents", columns=["incident_id", "grade_code"], as_of=as_of).sort("incident_id").rows())


def test_a_late_extract_does_not_turn_a_log_back_and_one_changed_back_is_believed(tmp_path: Path):
    store = Store(tmp_path)
    assert take(store, log("A", "2", 0), log("B", "3", 0)) == {"accepted": 2}
    assert take(store, log("A", "2", 9)) == {"updated": 1}
    assert take(store, log("A", "1", 4)) == {"updated": 1}
    assert grades(store) == {"A": "2", "B": "3"}, "the version of four hours came last and is not the last"
    assert take(store, log("A", "1", 12)) == {"updated": 1}
    assert grades(store) == {"A": "1", "B": "3"}, "changed back: the same grade, a later version"
    assert take(store, log("A", "1", 4), log("A", "2", 0)) == {"unchanged": 2}
    assert store.history("incidents").height == 5


@pytest.mark.parametrize(("hours", "grade"), [(0, "2"), (3.9, "2"), (4, "1"), (8, "1"), (9, "2"), (99, "1")])
def test_the_view_of_any_moment_can_be_asked_for(tmp_path: Path, hours: float, grade: str):
    store = Store(tmp_path)
    for version in (log("A", "2", 9), log("A", "1", 12), log("A", "2", 0), log("A", "1", 4)):
        take(store, version)
    assert grades(store, START + timedelta(hours=hours)) == {"A": grade}
    assert grades(store, START - timedelta(hours=1)) == {}


def test_rows_without_a_version_are_known_from_their_import_on_and_older_than_any_with_one(tmp_path: Path):
    now = START
    store = Store(tmp_path, clock=lambda: now)
    take(store, log("A", "2", None))
    now = START + timedelta(days=2)
    take(store, log("A", "3", None))
    assert grades(store, START + timedelta(days=1)) == {"A": "2"}
    assert grades(store, START - timedelta(days=1)) == {}
    take(store, log("A", "1", 1), log("B", "3", None))
    assert grades(store) == {"A": "1", "B": "3"}
    now = START + timedelta(days=3)
    take(store, log("A", "4", None))
    assert grades(store)["A"] == "1"


@settings(max_examples=40, deadline=None)
@given(
    versions=st.lists(
        st.tuples(st.sampled_from("ABC"), st.integers(0, 6), st.sampled_from("123")), min_size=1, max_size=12
    ),
    cuts=st.lists(st.integers(1, 5), max_size=8),
    chance=st.randoms(use_true_random=False),
)
def test_the_order_of_extracts_does_not_show(tmp_path_factory, versions, cuts, chance):
    """It gives the same present and the same view of any moment, shuffled, cut anywhere and some twice."""
    # One log has one content at one moment.
    true = {(incident, hours): grade for incident, hours, grade in versions}
    rows = [log(incident, grade, hours) for (incident, hours), grade in true.items()]
    rows += chance.sample(rows, k=len(rows) // 2)
    chance.shuffle(rows)
    store = Store(tmp_path_factory.mktemp("store"))
    while rows:
        size = cuts.pop() if cuts else len(rows)
        part, rows = rows[:size], rows[size:]
        counts = take(store, *part)
        assert sum(counts.values()) == len(part)
    assert store.history("incidents").height == len(true)
    for hours in (*range(7), None):
        expected: dict[str, tuple[int, str]] = {}
        for (incident, at), grade in true.items():
            if hours is None or at <= hours:
                expected[incident] = max(expected.get(incident, (-1, "")), (at, grade))
        as_of = None if hours is None else START + timedelta(hours=hours)
        assert grades(store, as_of) == {incident: grade for incident, (_, grade) in sorted(expected.items())}
