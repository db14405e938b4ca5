"""The guard against a loop: officers' own work is left out, and what it would do to areas' shares is told."""

from datetime import UTC, datetime

from tests.drawn import drawn

from bluelamp import incidents, remarks

ORIGINS = ("public", "partner")
UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
HEADER = "area_id | hour_starting | class_code | grade_code | origin | incidents | deployed | officer_hours | measured"


def demand(*rows: str):
    return drawn("demand", HEADER, *(f"{row} | 0 | 0 | 0" for row in rows))


DEMAND = demand(
    "A | 2026-05-01T10:00Z | drugs | 1 | public | 60",
    "B | 2026-05-01T10:00Z | drugs | 1 | partner | 40",
    "B | 2026-05-01T10:00Z | drugs | 1 | officer_initiated | 20",
    "B | 2026-05-01T10:00Z | drugs | 1 | directed | 5",
    "A | 2026-05-01T10:00Z | drugs | 1 | administrative | 900",
    "B | 2025-05-01T10:00Z | drugs | 1 | officer_initiated | 900",
)


def test_areas_that_are_patrolled_would_gain():
    table = incidents.compare_origins(DEMAND, ORIGINS, UNTIL)

    assert table.select("area_id", "incidents", "incidents_found", "share", "share_if_counted").rows() == [
        ("A", 60, 0, 0.6, 0.48), ("B", 40, 25, 0.4, 0.52)
    ]  # fmt: skip
    assert table["gain"].to_list() == [-0.12, 0.12]
    (said,) = remarks.on_feedback(table, ORIGINS)
    assert said.startswith("20.0% of the last year's incidents")
    assert "'B' (from 40.0% to 52.0% of all) would gain most" in said


def test_a_force_that_lets_officers_own_work_drive_the_forecast_is_warned():
    table = incidents.compare_origins(DEMAND, (*ORIGINS, "officer_initiated"), UNTIL)

    assert table["incidents_found"].to_list() == [0, 5]
    assert "lets officer_initiated drive the forecast" in remarks.on_feedback(table, (*ORIGINS, "officer_initiated"))[0]


def test_without_officers_own_work_nothing_is_said():
    assert remarks.on_feedback(incidents.compare_origins(DEMAND.head(2), ORIGINS, UNTIL), ORIGINS) == []
