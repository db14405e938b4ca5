"""What a run says of leave, time and abstraction."""

from __future__ import annotations

from datetime import UTC, datetime

from bluelamp import remarks, tables
from bluelamp.abstraction import Abstraction
from bluelamp.settings import StaffingPart, TimeBudgetPart
from tests.drawn import drawn

LEAVE = ("role_code | pool_id | skill_code | shift_starting | shift_ending | local_day | hour_starting | headroom | "
         "leave_left | binds")  # fmt: skip
FROM, TO = datetime(2025, 11, 24, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)


def shift(day: int, headroom: str, binds: str = "demand", skill: str = "any") -> str:
    at = f"2026-11-{day}T07:00Z"
    return f"response | R1 | {skill} | {at} | 2026-11-{day}T15:00Z | 2026-11-{day} | {at} | {headroom} | 0 | {binds}"


def lost(weeks: float = 52) -> Abstraction:
    rows = drawn(
        "abstraction", "role_code | cause | from_at | to_at | rostered_hours | lost_hours | share",
        "response | leave | 2025-11-24T00:00Z | 2026-11-23T00:00Z | 1000 | 130 | 0.13",
        "response | court | 2025-11-24T00:00Z | 2026-11-23T00:00Z | 1000 | 1 | 0.001",
        "response | all   | 2025-11-24T00:00Z | 2026-11-23T00:00Z | 1000 | 131 | 0.131",
    )  # fmt: skip
    return Abstraction(rows, tables.empty("relief_factors"), {"response": 0.131} if weeks >= 26 else {}, weeks)


def test_the_tightest_shift_is_named_and_what_binds_is_counted():
    (told,) = remarks.on_headroom(
        drawn("headroom", LEAVE, shift(23, "2"), shift(24, "-3"), shift(25, "0", "minimum")), {"taser"}, "Europe/London"
    )

    assert told.startswith("Leave: in 2 of 3 shifts of pools in the next 28 days nobody more could be away (a minimum")
    assert "binds in 1, demand in 1), and 1 are short (response 1). The tightest: R1, Tue 24 Nov 07:00 (-3)." in told


def test_a_skill_that_nobody_tells_of_is_named():
    rows = drawn("headroom", LEAVE, shift(23, "2"), shift(23, "", "", "taser"))

    assert remarks.on_headroom(rows, set(), "Europe/London") == [
        "Who has the skill taser is in no table, so that how far its minimums are met is not known."
    ]


def test_gross_says_whether_it_rests_on_the_record_or_on_the_setting():
    settings = StaffingPart.model_validate({"abstraction": 0.27})
    told, rests_on = remarks.on_abstraction(lost(), lost().by_role, settings)
    assert told.startswith("Of response's rostered hours 13.1% were lost in 52 weeks (leave 13.0%).")
    assert rests_on == "Officers before abstraction (gross) use what each role lost on the record."
    assert "shorter than a year" in remarks.on_abstraction(lost(30), lost(30).by_role, settings)[1]
    assert "use the setting of 27%" in remarks.on_abstraction(lost(10), {}, settings)[1]
    assert len(remarks.on_abstraction(lost(), {}, settings.model_copy(update={"measure_abstraction": False}))) == 1


def test_a_budget_says_what_it_is_meant_for():
    rows = drawn(
        "time_budget", "pool_id | weekday | from_hour | hours | officers | committed_share | administrative_share | "
        "proactive_share | officers_required | officers_for_committed | officers_for_proactive",
        "all | all | 0 | 168 | 10 | 0.5 | 0.1 | 0.4 | 9 | 8.3 | 11.1",
    )  # fmt: skip
    (told,) = remarks.on_time_budget(rows, TimeBudgetPart.model_validate({}))

    assert "50% of officers' time is committed, 10% goes to briefing and refreshments and 40% is left." in told
    assert "60% committed takes 8.3 officers at a time, 45% left takes 11.1 officers at a time" in told
    assert told.endswith("meant for the average, not for every hour.")
