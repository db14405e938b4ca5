"""Repeat demand: the same callers and places, each incident counted once, the nameless never as one."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawn import drawn

from bluelamp import incidents, remarks, tables

UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
HEADER = "incident_id | received_at | dispatched_at | cleared_at | class_code | origin | opening_grade_code | units"
PRIORS = incidents.read_priors()


def found(calls: pl.DataFrame, contacts: pl.DataFrame | None = None) -> incidents.Repeats:
    return incidents.find_repeats(
        calls, tables.empty("contacts") if contacts is None else contacts, PRIORS, UNTIL, "Europe/London"
    )


def overall(repeats: incidents.Repeats, kind: str, class_code: str = "all") -> dict[str, tuple[object, ...]]:
    rows = repeats.table.filter(kind=kind, class_code=class_code, grade_code="all")
    return {row[0]: row[1:] for row in rows.select("incidents_each", "tokens", "incidents", "officer_hours").rows()}


def calls(*tokens: str, field: str = "place_token", area: str = "B1") -> pl.DataFrame:
    """One incident of one officer-hour for each token; a blank one has none."""
    hour = "2026-05-01T10:00Z | 2026-05-01T10:00Z | 2026-05-01T11:00Z | violence | public | 1 | 1"
    rows = [f"{number} | {hour} | {token} | {area}" for number, token in enumerate(tokens)]
    return drawn("incidents", f"{HEADER} | {field} | area_id", *rows)


def test_places_are_counted_by_how_often_they_come():
    repeats = found(calls(*["a"] * 12, *["b"] * 5, *["c"] * 4, *["d"] * 2, "e"))

    assert overall(repeats, "place") == {
        "10+": (1, 12, 12.0), "5-9": (1, 5, 5.0), "3-4": (1, 4, 4.0), "2": (1, 2, 2.0), "1": (1, 1, 1.0)
    }  # fmt: skip
    assert repeats.table.filter(kind="caller").is_empty()


def test_incidents_without_a_token_are_apart_and_never_one_place():
    repeats = found(calls("a", "a", *[""] * 20))

    assert overall(repeats, "place") == {"2": (1, 2, 2.0), "unknown": (None, 20, 20.0)}
    assert repeats.most["incidents"].to_list() == [2]
    shares = repeats.table.filter(class_code="all", grade_code="all")
    assert abs(shares["share_of_incidents"].sum() - 1) < 1e-3
    assert "9% of incidents name a place" in remarks.on_repeats(repeats.table)[0]


def test_an_incident_counts_for_the_caller_who_rang_first():
    contacts = drawn(
        "contacts",
        "contact_id | contacted_at | channel | incident_id | caller_token",
        "2 | 2026-05-01T10:05Z | 999 | 0 | late",
        "1 | 2026-05-01T09:59Z | 999 | 0 | first",
        "3 | 2026-05-01T09:58Z | 999 | 0 | ",
        "4 | 2026-05-01T10:05Z | 999 | 1 | first",
        "5 | 2026-05-01T10:05Z | 999 |   | first",
    )
    repeats = found(calls("", "", "own", field="caller_token"), contacts)

    assert overall(repeats, "caller") == {"2": (1, 2, 2.0), "1": (1, 1, 1.0)}
    assert repeats.most["token"].to_list() == ["first"]


def test_a_class_counts_its_own_incidents():
    both = calls("a", "a", "a").with_columns(class_code=pl.Series(["violence", "theft", "theft"]))
    repeats = found(both)

    assert list(overall(repeats, "place")) == ["3-4"]
    assert list(overall(repeats, "place", "theft")) == ["2"]
    assert list(overall(repeats, "place", "violence")) == ["1"]


def test_a_place_in_three_areas_is_a_default_location_and_no_repeat_place():
    at_station = pl.concat([calls(*["s"] * 8, area=area) for area in ("B1", "B2", "B3")])
    repeats = found(pl.concat([at_station, calls("a", "a")]))

    assert overall(repeats, "place") == {"default": (1, 24, 24.0), "2": (1, 2, 2.0)}
    assert repeats.most.select("token", "is_default").rows() == [("s", True), ("a", False)]
    assert "stand at default locations" in remarks.on_repeats(repeats.table)[0]


def test_an_area_is_named_only_where_it_gives_nobody_away():
    few = found(calls("a", "a", "b", "c"))
    many = found(calls("a", "a", "b", "c", "d", "e"))
    assert few.most["area_id"].to_list() == [None]
    assert many.most["area_id"].to_list() == ["B1"]


def test_only_the_year_before_counts_and_the_window_is_stated():
    old = calls("a", "a", "a").with_columns(pl.col("received_at") - timedelta(days=400))
    repeats = found(pl.concat([old, calls("a")]))
    assert list(overall(repeats, "place")) == ["1"]
    assert repeats.table["from_at"][0] == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert repeats.table["to_at"][0] == UNTIL


def test_nothing_known_gives_no_rows():
    repeats = found(calls("", ""))
    assert repeats.table.is_empty()
    assert repeats.most.is_empty()
    assert remarks.on_repeats(repeats.table) == []


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["", "a", "b", "c", "d"]), min_size=1, max_size=40))
def test_every_incident_and_hour_is_counted_once_in_every_grouping(tokens):
    repeats = found(calls(*tokens))
    for (_, _, grade), rows in repeats.table.group_by("kind", "class_code", "grade_code"):
        assert rows["incidents"].sum() == len(tokens)
        assert abs(rows["officer_hours"].sum() - len(tokens)) < 1e-6
        assert grade in ("all", "1")
