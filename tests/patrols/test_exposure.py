"""Who is patrolled more, beside offences and people."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from bluelamp import remarks, tables
from bluelamp.patrols import measure_exposure
from tests.drawn import drawn

UNTIL = datetime(2026, 11, 23, tzinfo=UTC)
AREAS = drawn(
    "areas",
    "area_id | area_name | level | kind | population | area_km2 | is_approximate",
    "north | North | area | urban | 1000 | 2 | false",
    "south | South | area | urban | 3000 | 4 | false",
    "force | Force | force | all | 4000 | 6 | false",
)
OFFENCES = pl.DataFrame({"area_id": ["north", "south"], "offences": [25.0, 75.0]})
DEMAND = "area_id | hour_starting | class_code | grade_code | origin | incidents"
FOUND = ("officer_initiated",)


def exposed(
    visits: pl.DataFrame, demand: pl.DataFrame | None = None, offences: pl.DataFrame = OFFENCES
) -> pl.DataFrame:
    return measure_exposure(
        AREAS, tables.empty("demand") if demand is None else demand, visits, tables.empty("hotspots"), offences,
        found_by_patrols=FOUND, until=UNTIL, shown_share=0.005,
    )  # fmt: skip


def visits(*rows: str) -> pl.DataFrame:
    return drawn("visits", "visit_id | area_id | starts_at | minutes", *rows)


def test_exposure_is_told_by_people_and_against_the_share_of_offences():
    found = exposed(
        visits("1 | north | 2026-11-01T10:00:00Z | 10", "2 | north | 2026-11-01T12:00:00Z | 20",
               "3 | north | 2026-11-02T12:00:00Z |", "4 | south | 2026-11-01T10:00:00Z | 5")
    )  # fmt: skip
    north = found.row(0, named=True)
    assert found["area_id"].to_list() == ["north", "south"]
    assert (north["measure"], north["visits"], north["visit_minutes"]) == ("visits", 3, 30)
    assert (north["exposure_per_1000"], north["offences_per_1000"], north["exposure_per_km2"]) == (3, 25, 1.5)
    assert (north["exposure_share"], north["offences_share"], north["population_share"]) == (0.75, 0.25, 0.25)
    assert (north["exposure_to_offences"], north["exposure_to_population"]) == (3, 3)


def test_visits_before_the_last_52_weeks_do_not_count():
    found = exposed(
        visits("1 | north | 2025-11-01T10:00:00Z | 10", "2 | south | 2026-11-01T10:00:00Z | 10",
               "3 | north | 2026-11-23T10:00:00Z | 10")
    )  # fmt: skip
    assert found["visits"].to_list() == [0, 1]


def test_without_visits_incidents_that_officers_began_stand_for_them():
    demand = drawn("demand", DEMAND, "north | 2026-11-01T10:00:00Z | other | 3 | officer_initiated | 6",
                   "south | 2026-11-01T10:00:00Z | other | 3 | officer_initiated | 2",
                   "south | 2026-11-01T10:00:00Z | other | 3 | public | 90",
                   "south | 2024-11-01T10:00:00Z | other | 3 | officer_initiated | 70")  # fmt: skip
    found = exposed(visits(), demand)
    assert found["measure"].unique().to_list() == ["incidents_found"]
    assert found["visits"].is_null().all()
    assert found["exposure_share"].to_list() == [0.75, 0.25]


def test_visits_that_no_area_is_known_of_are_apart_and_share_no_people():
    found = exposed(visits("1 | north | 2026-11-01T10:00:00Z | 10", "2 | | 2026-11-01T10:00:00Z | 10"))
    unknown = found.filter(area_id="unknown").row(0, named=True)
    assert (unknown["visits"], unknown["exposure_share"], unknown["exposure_per_1000"]) == (1, 0.5, None)
    assert found.filter(area_id="north")["population_share"].item() == 0.25


def test_shares_of_people_are_told_only_where_all_are_known():
    some = AREAS.with_columns(population=pl.when(pl.col("area_id") != "south").then("population"))
    found = measure_exposure(
        some, tables.empty("demand"), visits("1 | north | 2026-11-01T10:00:00Z | 10"), tables.empty("hotspots"),
        OFFENCES,
        found_by_patrols=FOUND, until=UNTIL, shown_share=0.005,
    )  # fmt: skip
    assert found["population_share"].is_null().all()
    assert found["exposure_per_1000"].to_list() == [1, None]


def test_hotspots_that_are_shown_are_counted_by_area_as_places_and_as_shifts():
    header = "class_code | from_hour | to_hour | rank | cell_kind | cell_id | area_id | ground_share"
    rows = (
        "all | 7 | 15 | 1 | hexagon | a | north | 0.004",
        "all | 15 | 7 | 1 | hexagon | a | north | 0.004",
        "all | 15 | 7 | 2 | hexagon | b | south | 0.008",
    )
    places = drawn("hotspots", header, *rows)
    found = measure_exposure(
        AREAS,
        tables.empty("demand"),
        visits(),
        places,
        OFFENCES,
        found_by_patrols=FOUND,
        until=UNTIL,
        shown_share=0.005,
    )
    assert found.select("hotspot_places", "hotspot_shifts").rows() == [(1, 2), (0, 0)]


def test_the_note_names_the_area_that_is_patrolled_more_than_its_offences_say():
    (note,) = remarks.on_exposure(
        exposed(visits("1 | north | 2026-11-01T10:00:00Z | 10", "2 | south | 2026-11-01T10:00:00Z | 10"))
    )
    assert note.startswith(
        "Patrolled more in 52 weeks than its offences say (by visits): 'north' has 50.0% of exposure to patrols, "
        "25.0% of offences and 25.0% of the people."
    )


@pytest.mark.parametrize("offences", [OFFENCES.clear(), OFFENCES])
def test_an_area_that_nothing_is_known_of_makes_no_note(offences):
    assert remarks.on_exposure(exposed(visits(), offences=offences)) == []
