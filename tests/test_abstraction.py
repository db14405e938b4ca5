"""Abstraction: what rostered hours were lost to, and how many officers a post takes for it."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from bluelamp import tables
from bluelamp.abstraction import Abstraction, measure_abstraction
from tests.drawn import drawn

DUTY = "duty_id | person_id | role_code | pool_id | starts_at | ends_at | kind | posted_role_code"
ABSENCE = "absence_id | person_id | starts_at | ends_at | kind"
PERSON = ("person_id | role_code | pool_id | hours_per_week | is_tutored | may_be_deployed | may_drive_on_response | "
          "may_be_single_crewed | valid_from | valid_to")  # fmt: skip
UNTIL = datetime(2026, 3, 2, tzinfo=UTC)
NOBODY_AWAY = drawn("absences", ABSENCE, "x | nobody | 2026-01-01T00:00Z | 2026-01-02T00:00Z | leave")


def day_duties(people: int = 10, days: int = 20, role: str = "response", posted: str = "", kind: str = "planned"):
    """Everybody from eight to four on the first days of February; hours a person are eight a day."""
    rows = [
        f"{kind}-{role}-{who}-{day} | P{who} | {role} | R1 | 2026-02-{day:02}T08:00Z | 2026-02-{day:02}T16:00Z | "
        f"{kind} | {posted}"
        for who in range(people)
        for day in range(1, days + 1)
    ]
    return drawn("duties", DUTY, *rows)


def measured(duties: pl.DataFrame, absences: pl.DataFrame = NOBODY_AWAY, **other) -> Abstraction:
    given = {"people": tables.empty("people"), "commitments": tables.empty("commitments"), "until": UNTIL}
    people, commitments, until = ({**given, **other}.pop(name) for name in ("people", "commitments", "until"))
    rest = {name: value for name, value in other.items() if name not in given}
    return measure_abstraction(duties, people, absences, commitments, until=until, time_zone="Europe/London", **rest)


def shares(found: Abstraction, role: str = "response") -> dict[str, float]:
    return dict(found.table.filter(role_code=role).select("cause", "share").iter_rows())


def test_each_hour_is_lost_once_by_its_cause():
    # 1,600 hours rostered.
    away = drawn(
        "absences", ABSENCE,
        "a | P0 | 2026-02-01T00:00Z | 2026-02-11T00:00Z | leave",  # 80
        "b | P1 | 2026-02-01T00:00Z | 2026-02-06T00:00Z | sickness",  # 40
        "c | P1 | 2026-02-05T12:00Z | 2026-02-06T20:00Z | court",  # 4 of these hours, and 8 more
        "d | P9 | 2026-02-21T00:00Z | 2026-02-28T00:00Z | training",  # nobody was rostered then
    )  # fmt: skip
    found = shares(measured(day_duties(), away))

    assert found == {"leave": 0.05, "sickness": 36 / 1600, "court": 12 / 1600, "all": 0.08}


def test_a_few_people_are_not_told_by_why_they_were_away():
    away = drawn("absences", ABSENCE, "a | P0 | 2026-02-01T00:00Z | 2026-02-02T00:00Z | sickness")

    assert shares(measured(day_duties(people=9), away)) == {"absent": 0.0056, "all": 0.0056}
    assert "sickness" in shares(measured(day_duties(people=10), away))


def test_students_restrictions_briefing_and_refreshments_are_lost_too_and_desk_roles_keep_theirs():
    people = drawn("people", PERSON,
                   "P0 | response | R1 | 40 | true  | true  | true | true | |",
                   "P1 | response | R1 | 40 | false | false | true | true | |")  # fmt: skip
    found = shares(measured(day_duties(), people=people, briefing_minutes=12, refreshments=[(6, 48)]))
    assert found == pytest.approx(
        {"tutored": 0.1, "restricted": 0.1, "briefing": 0.02, "refreshments": 0.08, "all": 0.3}, abs=1e-4
    )
    assert "restricted" not in shares(measured(day_duties(), people=people, desk_roles=["response"]))


def test_work_in_another_role_is_lost_to_the_posted_one():
    both = pl.concat([
        day_duties(people=8), day_duties(people=8, days=5, role="custody", posted="response").with_columns(
            pl.col("starts_at", "ends_at") + pl.duration(days=20), person_id=pl.format("Q{}", "person_id")),
    ])  # fmt: skip

    assert shares(measured(both))["other_role"] == pytest.approx(0.2)
    assert measured(both).table["role_code"].unique().to_list() == ["response"]


def test_operations_take_from_those_who_could_have_gone_out():
    operation = drawn(
        "commitments", "commitment_id | kind | pool_id | role_code | officers | starts_at | ends_at",
        "OP | football | R1 | response | 4 | 2026-02-02T08:00Z | 2026-02-02T16:00Z",
        "OP | football | R1 | response | 4 | 2026-03-12T08:00Z | 2026-03-12T16:00Z",
    )  # fmt: skip
    found = shares(measured(day_duties(), commitments=operation, refreshments=[(6, 48)]))

    assert found["operations"] == pytest.approx(32 / 1600)
    assert found["refreshments"] == pytest.approx(0.1 * (1 - 32 / 1600), abs=1e-4)


def test_a_worked_duty_takes_the_place_of_the_planned_one():
    longer = day_duties(kind="worked").with_columns(pl.col("ends_at") + pl.duration(hours=2))

    assert measured(pl.concat([day_duties(), longer])).table["rostered_hours"][0] == 2000


def test_both_figures_of_a_post_stand_together():
    people = drawn("people", PERSON, *(
        f"P{who} | response | R1 | 40 | false | true | true | true | | {'2026-02-15' if who >= 5 else ''}"
        for who in range(10)
    ))  # fmt: skip
    away = drawn("absences", ABSENCE, *(f"{who} | P{who} | 2026-02-01T00:00Z | 2026-02-05T00:00Z | leave"
                                        for who in range(10)))  # fmt: skip
    found = measured(day_duties(days=20), away, people=people, until=datetime(2026, 2, 21, 8, tzinfo=UTC))
    half_day = found.relief_factors.filter(post_hours_a_week=56).row(0, named=True)

    # Ten people for fourteen or fifteen days of twenty, and five for the rest.
    assert half_day["officers"] == pytest.approx((20 * 5 + 15 * 5) / 20, abs=0.01)
    weekly = 1600 / 8.75 / (20 / 7)
    assert half_day["abstraction"] == 0.2
    assert half_day["relief_factor_rostered"] == pytest.approx(56 / weekly, abs=0.002)
    assert half_day["relief_factor"] == pytest.approx(56 / weekly / 0.8, abs=0.002)
    assert half_day["contracted_hours_a_year"] == pytest.approx(40 * 365.25 / 7, abs=0.1)
    whole = found.relief_factors.filter(post_hours_a_week=168)["relief_factor"][0]
    assert whole == pytest.approx(3 * half_day["relief_factor"], abs=0.002)


def test_a_record_too_short_for_leave_is_shown_and_not_used():
    assert not measured(day_duties()).by_role
    early = day_duties(people=1, days=1).with_columns(pl.col("starts_at", "ends_at") - pl.duration(weeks=30))
    found = measured(pl.concat([day_duties(), early.with_columns(duty_id=pl.lit("early"))]))

    assert found.weeks == pytest.approx(34, abs=1)
    assert found.by_role == {"response": 0.0}


def test_only_the_last_year_counts():
    old = day_duties().with_columns(pl.col("starts_at", "ends_at") - pl.duration(weeks=60), pl.format("o{}", "duty_id"))

    assert measured(pl.concat([day_duties(), old])).table["rostered_hours"][0] == 1600


def test_without_absences_or_duties_nothing_is_measured():
    assert measured(day_duties(), tables.empty("absences")).table.is_empty()
    assert measured(tables.empty("duties")).table.is_empty()
