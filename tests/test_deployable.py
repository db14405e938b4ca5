"""Net deployable: what is left of the sheet, step by step, and nobody counted twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import tables
from bluelamp.breaks import BreakShares
from bluelamp.deployable import Deployable, find_deployable, find_loans, find_spells
from bluelamp.duty_sheet import as_sheet_at
from bluelamp.pools import lay_out_pools
from tests.drawn import drawn
from tests.offered import LONDON, WINTER, hours_from
from tests.rostered import DAY_AND_NIGHT, duties

ALONE = (1,) * 24
STEPS = ("absent", "on_operations", "tutored", "restricted", "briefing", "refreshments")


def found(
    on_duty: pl.DataFrame,
    given: Mapping[str, pl.DataFrame] | None = None,
    *,
    pools: pl.DataFrame = DAY_AND_NIGHT,
    first: date = WINTER,
    days: int = 1,
    crew: Sequence[int] = ALONE,
    **rules: Any,
) -> Deployable:
    """Find who is deployable on a day or more in areas a and b; tables that are not given are empty."""
    hours = hours_from(first, days)
    more = {name: tables.empty(name) for name in ("people", "absences", "commitments", "vehicles")} | dict(given or {})
    return find_deployable(
        on_duty, more["people"], more["absences"], more["commitments"], more["vehicles"], pools,
        pool_hours=lay_out_pools(pools, "response", ["a", "b", "unknown"], hours, LONDON), hours=hours,
        ends_at=hours[-1] + timedelta(hours=1), time_zone=LONDON, crew_size_by_hour=crew, **rules,
    )  # fmt: skip


def column(result: Deployable, name: str, pool: str = "R1") -> dict[int, float]:
    """One pool's figures by the hours since the first midnight."""
    mine = result.table.filter(pool_id=pool)
    since = (mine["hour_starting"] - datetime(2026, 1, 5, tzinfo=UTC)).dt.total_hours()
    return dict(zip(since, mine[name], strict=True))


def seven(result: Deployable, hour: int = 12, pool: str = "R1") -> list[float]:
    """Read down one pool's hour: rostered, the six steps, deployable."""
    names = ["officers_rostered", *(f"officers_{step}" for step in STEPS), "officers_deployable"]
    (row,) = result.table.filter(pool_id=pool, hour_starting=hours_from()[hour]).select(names).rows()
    return list(row)


def team(size: int, pool: str = "R1", first: int = 1) -> pl.DataFrame:
    """P1, P2 … from 07:00 to 17:00 on 5 January."""
    return duties(*(f"P{number} | {pool} | 05 07:00 | 05 17:00" for number in range(first, first + size)))


def absences(*rows: str) -> pl.DataFrame:
    """Draw 'person | from | until' on days of January 2026."""
    made = []
    for number, row in enumerate(rows):
        person, *at = (cell.strip() for cell in row.split("|"))
        when = " | ".join(f"2026-01-{m.replace(' ', 'T')}:00Z" for m in at)
        made.append(f"A{number} | {person} | {when} | leave")
    return drawn("absences", "absence_id | person_id | starts_at | ends_at | kind", *made)


def people(*rows: str) -> pl.DataFrame:
    """Draw 'person | tutored | may be deployed | may go alone | from | to'."""
    header = "person_id | role_code | is_tutored | may_be_deployed | may_be_single_crewed | valid_from | valid_to"
    cells = ([cell.strip() for cell in row.split("|")] for row in rows)
    return drawn("people", header, *(" | ".join([each[0], "response", *each[1:]]) for each in cells))


def commitments(*rows: str) -> pl.DataFrame:
    """Draw 'pool | officers | from | until' on days of January 2026."""
    made = []
    for number, row in enumerate(rows):
        pool, officers, *at = (cell.strip() for cell in row.split("|"))
        when = " | ".join(f"2026-01-{m.replace(' ', 'T')}:00Z" for m in at)
        made.append(f"OP{number} | football | {pool} | response | {officers} | {when}")
    return drawn("commitments", "commitment_id | kind | pool_id | role_code | officers | starts_at | ends_at", *made)


# ---- who is on duty ----


def counted(on_duty: pl.DataFrame, pools: pl.DataFrame = DAY_AND_NIGHT, days: int = 1, first: date = WINTER) -> dict:
    """Whole officers by pool; where there is no row, none in hours that the pool does not run, else unknown."""
    table = found(on_duty, pools=pools, days=days, first=first).table
    hours = hours_from(first, days)
    runs = lay_out_pools(pools, "response", ["a", "b", "unknown"], hours, LONDON)
    out = {}
    for number, pool in enumerate(runs.pool_ids):
        mine = dict(table.filter(pool_id=pool).select("hour_starting", "officers_deployable").iter_rows())
        nothing = [0 if mine_runs is False else np.nan for mine_runs in runs.runs[number].tolist()]
        if table.is_empty():
            nothing = [np.nan] * len(hours)
        out[pool] = [mine[hour] // 1 if hour in mine else none for hour, none in zip(hours, nothing, strict=True)]
    return out


# Duties before and after the hours looked at, so that the rosters are known to be written for all of them.
EDGES = tuple(f"E | {pool} | {day} 00:00 | {day} 01:00" for pool in ("R1", "R2", "N") for day in ("04", "09"))


def test_an_officer_who_is_there_for_part_of_an_hour_is_not_a_whole_one():
    found = counted(duties("P1 | R1 | 05 07:15 | 05 15:45", "P2 | R1 | 05 08:00 | 05 09:00", *EDGES))
    assert found["R1"] == [0] * 8 + [2] + [1] * 6 + [0] * 9
    assert counted(duties("P1 | R1 | 05 10:20 | 05 11:40", *EDGES))["R1"] == [0] * 24


@pytest.mark.parametrize("change", ["15:30", "06:45", "15:00"])
def test_officers_who_relieve_each_other_within_an_hour_are_as_many_in_that_hour(change):
    leaving = [f"P{number} | R1 | 05 00:00 | 05 {change}" for number in range(6)]
    coming = [f"Q{number} | R1 | 05 {change} | 06 00:00" for number in range(6)]
    found = counted(duties(*leaving, *coming, *EDGES))
    assert [found["R1"][hour] + found["R2"][hour] + found["N"][hour] for hour in range(24)] == [6] * 24


def test_three_quarters_of_four_officers_are_three():
    rows = [f"P{number} | R1 | 05 10:15 | 05 12:00" for number in range(4)]
    assert counted(duties(*rows, *EDGES))["R1"][9:13] == [0, 3, 4, 0]


def test_a_night_duty_counts_on_both_sides_of_midnight():
    found = counted(duties("P1 | N | 05 22:00 | 06 07:00", "P2 | N | 04 22:00 | 06 23:00"), days=2)
    assert found["N"][:7] == [1] * 7
    assert found["N"][22:31] == [2] * 9


def test_a_late_duty_that_outlasts_its_pool_counts_for_the_night_pool_of_its_areas():
    found = counted(duties("P1 | R1 | 05 15:00 | 06 01:00", "P2 | N | 05 22:00 | 06 09:00", *EDGES), days=2)
    assert found["R1"][15:22] == [1] * 7
    assert found["R1"][22:31] == [0] * 9
    assert found["N"][22:26] == [2, 2, 2, 1]
    # And a night officer who stays on after seven counts for one of the day's pools, not for nobody.
    assert [found["R1"][hour] + found["R2"][hour] for hour in (31, 32, 33)] == [1, 1, 0]


def test_every_whole_hour_of_an_officer_is_counted_once_in_some_pool():
    chance = np.random.default_rng(2)
    rows, hours = list(EDGES), 0
    for number in range(60):
        start, length = int(chance.integers(0, 38)), int(chance.integers(1, 11))
        pool = str(chance.choice(["R1", "R2", "N"]))
        at = (datetime(2026, 1, 5) + timedelta(hours=each) for each in (start, start + length))
        rows.append(f"P{number + 1} | {pool} | {' | '.join(f'{moment:%d %H:%M}' for moment in at)}")
        hours += min(length, 48 - start)
    found = counted(duties(*rows), days=2)
    assert sum(map(sum, found.values())) == hours


def test_hours_outside_the_roster_are_unknown_and_gaps_within_it_are_empty():
    found = counted(duties("P1 | R1 | 05 08:00 | 05 12:00", "P2 | R2 | 05 14:00 | 05 18:00"))
    assert np.isnan(found["R1"][7:22]).tolist() == [hour < 8 or hour >= 12 for hour in range(7, 22)]
    assert np.isnan(found["R2"][7:22]).tolist() == [hour < 14 or hour >= 18 for hour in range(7, 22)]
    assert np.isnan(found["N"][:7]).all()
    assert found["R1"][:7] == [0] * 7, "a pool that does not run has nobody, and that is known"
    two_shifts = counted(duties("P1 | R1 | 05 08:00 | 05 12:00", "P1 | R1 | 05 14:00 | 05 18:00"))
    assert two_shifts["R1"][8:18] == [1] * 4 + [0] * 2 + [1] * 4


def test_a_pool_whose_roster_ends_before_that_of_others_is_unknown_and_not_without_officers():
    found = counted(
        duties("P1 | R1 | 05 00:00 | 05 18:00", "P2 | R2 | 05 00:00 | 05 22:00", "P3 | N | 05 22:00 | 06 07:00")
    )
    assert np.isnan(found["R1"][18:22]).all()
    assert found["R2"][18:22] == [1] * 4


def test_a_pool_that_nobody_is_posted_to_is_known_when_those_are_who_serve_it():
    found = counted(duties("P1 | R1 | 05 00:00 | 06 00:00", "P2 | R2 | 05 00:00 | 05 23:00"))
    assert found["N"][:7] == [2] * 7
    assert found["N"][22:] == [2, 1]


def test_no_duties_of_the_role_are_no_knowledge_at_all():
    for on_duty in (
        tables.empty("duties"),
        duties("P1 | R1 | 05 00:00 | 06 00:00", role="custody"),
        duties("P1 | elsewhere | 05 00:00 | 06 00:00"),
    ):
        assert all(np.isnan(each).all() for each in counted(on_duty).values())


def test_a_duty_as_it_was_worked_takes_the_place_of_the_plan():
    planned = duties("P1 | R1 | 05 07:00 | 05 17:00", "P2 | R1 | 05 07:00 | 05 17:00", *EDGES)
    worked = duties("P1 | R1 | 05 08:00 | 05 18:00", "P2 | R1 | 06 07:00 | 06 17:00", kind="worked")
    found = counted(pl.concat([planned, worked]), days=2)
    assert found["R1"][7:18] == [1] + [2] * 9 + [1]
    assert found["R1"][24 + 7 : 24 + 17] == [1] * 10
    lent = duties("P1 | C1 | 05 07:00 | 05 17:00", role="custody", kind="worked")
    assert counted(pl.concat([planned, lent]))["R1"][7:17] == [1] * 10


def test_on_a_clock_change_night_every_hour_is_an_hour():
    rows = ["D1 | P1 | response | N | 2026-10-24T21:00:00Z | 2026-10-25T07:00:00Z | planned"]
    on_duty = drawn("duties", "duty_id | person_id | role_code | pool_id | starts_at | ends_at | kind", *rows)
    found = counted(on_duty, first=date(2026, 10, 25))
    assert len(found["N"]) == 25
    assert found["N"][:8] == [1] * 8


# ---- step by step ----


def test_the_sheet_is_taken_down_step_by_step():
    given = {
        "absences": absences("P1 | 05 00:00 | 06 00:00", "P2 | 05 12:30 | 05 18:00"),
        "people": people(
            "P3 | true  |       |       | |",
            "P4 | false | false |       | |",
            "P5 |       | true  | false | |",
            "P1 | true  | false | false | |",
        ),
        "commitments": commitments("R1 | 1.5 | 05 12:00 | 05 14:00"),
        "vehicles": drawn("vehicles", "pool_id | from_hour | to_hour | vehicles", "R1 | 7 | 22 | 4"),
    }
    result = found(team(10), given)
    assert seven(result) == [10, 1.5, 1.5, 1, 1, 0, 0, 5]
    (row,) = result.table.filter(pool_id="R1", hour_starting=hours_from()[12]).rows(named=True)
    # Of the 6.5 who could go out 1.5 are on the operation, and as many of the one who may not go alone.
    assert row["units_crewed"] == pytest.approx(5 - 0.5 * 5 / 6.5, abs=0.001)
    assert (row["vehicles"], row["units_deployable"]) == (4, 4)
    assert seven(result, 15) == [10, 2, 0, 1, 1, 0, 0, 6]
    assert column(result, "units_crewed")[15] == 5.5


def test_without_anything_else_the_sheet_is_what_can_go_out():
    assert seven(found(team(6))) == [6, 0, 0, 0, 0, 0, 0, 6]
    assert column(found(team(6)), "units_deployable")[12] == 6
    assert found(team(6)).notes == []


def test_an_absence_counts_once_for_as_long_as_it_lasts_and_only_during_duties():
    away = absences(
        "P1 | 05 08:15 | 05 09:30", "P1 | 05 09:00 | 05 10:00", "P2 | 05 17:00 | 05 19:00", "P9 | 05 07:00 | 05 17:00"
    )
    result = found(team(3), {"absences": away})
    assert [column(result, "officers_absent")[hour] for hour in (7, 8, 9, 10, 16)] == [0, 0.75, 1, 0, 0]
    assert [column(result, "officers_deployable")[hour] for hour in (7, 8, 9, 10, 16)] == [3, 2.25, 2, 3, 3]


def test_an_absence_of_everybody_leaves_nobody_and_that_is_known():
    result = found(team(1), {"absences": absences("P1 | 01 00:00 | 20 00:00")})
    assert set(column(result, "officers_deployable").values()) == {0}
    assert set(column(result, "officers_absent").values()) == {1}


# ---- planned operations ----


@pytest.mark.parametrize(("asked", "taken", "tutored", "restricted", "left"), [
    (2, 2, 1, 1, 1), (3, 3, 1, 1, 0), (4, 4, 1, 0, 0), (5, 5, 0, 0, 0), (9, 5, 0, 0, 0),
])  # fmt: skip
def test_an_operation_takes_those_first_who_could_go_out_and_no_more_than_there_are(
    asked, taken, tutored, restricted, left
):
    who = people("P1 | true | | | |", "P2 | | false | | |")
    given = {"people": who, "commitments": commitments(f"R1 | {asked} | 05 07:00 | 05 17:00")}
    result = found(team(5), given)
    assert seven(result) == [5, 0, taken, tutored, restricted, 0, 0, left]
    assert any("ask for more officers than are there" in note for note in result.notes) == (asked > 5)


def test_operations_add_up_and_take_nobody_of_another_pool_or_role():
    many = commitments(
        "R1 | 1 | 05 08:00 | 05 10:00", "R1 | 1.25 | 05 09:30 | 05 11:00", "R2 | 3 | 05 07:00 | 05 17:00"
    )
    of_custody = many.with_columns(role_code=pl.lit("custody"), commitment_id="c" + pl.col("commitment_id"))
    result = found(team(5), {"commitments": pl.concat([many, of_custody])})
    assert [column(result, "officers_on_operations")[hour] for hour in range(7, 12)] == [0, 1, 1.625, 1.25, 0]


def test_skills_of_one_operation_are_officers_each():
    op = commitments("R1 | 2 | 05 08:00 | 05 10:00", "R1 | 1 | 05 08:00 | 05 10:00")
    op = op.with_columns(commitment_id=pl.lit("OP"), skill_code=pl.Series(["level_2", "medic"]))
    assert column(found(team(5), {"commitments": op}), "officers_on_operations")[8] == 3


def test_an_operation_that_outlasts_its_pool_draws_on_the_pool_that_serves_then():
    on_duty = duties(
        "P1 | R1 | 05 15:00 | 06 01:00", "P2 | N | 05 22:00 | 06 07:00", "P3 | R2 | 05 07:00 | 06 23:00", *EDGES
    )
    result = found(on_duty, {"commitments": commitments("R1 | 1 | 05 20:00 | 05 23:00")}, days=2)
    assert [column(result, "officers_on_operations")[hour] for hour in (20, 21)] == [1, 1]
    assert column(result, "officers_on_operations", "N")[22] == 1
    assert column(result, "officers_deployable", "N")[22] == 2


# ---- what people may do ----


def test_who_goes_out_with_a_tutor_is_not_taken_off_twice_for_a_restriction():
    assert seven(found(team(3), {"people": people("P1 | true | false | false | |")})) == [3, 0, 0, 1, 0, 0, 0, 2]


def test_capability_is_that_of_the_duty_day_and_the_row_that_began_last_counts():
    on_duty = duties(*(f"P1 | N | {day:02d} 22:00 | {day + 1:02d} 07:00" for day in range(4, 9)))
    night_by_night = [22 - 24, 22, 46, 70]

    def restricted(*rows: str, hour: int = 7) -> list[float]:
        result = found(on_duty, {"people": people(*rows)}, days=4, day_starts_at=hour)
        by_hour = column(result, "officers_restricted", "N")
        return [by_hour[max(start, 0)] for start in night_by_night]

    assert restricted("P1 | | false | | 2026-01-05 | 2026-01-06") == [0, 1, 1, 0]
    assert restricted("P1 | | false | | |", "P1 | | true | | 2026-01-06 | 2026-01-06") == [1, 1, 0, 1]
    assert restricted("P1 | | true | | |", "P1 | | false | | 2026-01-07 |") == [0, 0, 0, 1]
    # With days that begin at 23:00, a night that starts at 22:00 belongs to the day before.
    assert restricted("P1 | | false | | 2026-01-05 | 2026-01-06", hour=23) == [0, 0, 1, 1]
    stated = on_duty.with_columns(duty_day=pl.lit(date(2026, 1, 6)))
    result = found(stated, {"people": people("P1 | | false | | 2026-01-06 | 2026-01-06")}, days=4)
    assert set(column(result, "officers_restricted", "N").values()) == {1}, "a duty day that is given is believed"


def test_duties_of_people_who_are_not_known_are_told_and_free_of_restrictions():
    result = found(team(4), {"people": people("P1 | | false | | |", "P2 | | | | 2026-02-01 |")})
    assert seven(result) == [4, 0, 0, 0, 1, 0, 0, 3]
    assert result.notes == [
        "3 duties of 4 belong to people that 'people' does not have on that day: they are taken to be neither students "
        "nor restricted."
    ]


def test_two_who_may_not_go_alone_make_one_unit():
    who = people(*(f"P{number} | | | false | |" for number in range(1, 6)))
    units = [column(found(team(size), {"people": who}), "units_crewed")[12] for size in (1, 2, 3, 5, 6, 8)]
    assert units == [0.5, 1, 1.5, 2.5, 3.5, 5.5]
    double = [column(found(team(size), {"people": who}, crew=(2,) * 24), "units_crewed")[12] for size in (1, 5, 8)]
    assert double == [0.5, 2.5, 4], "nobody goes alone in a crew of two"


def test_a_restriction_on_going_out_is_none_at_a_desk():
    custody = drawn("pools", "pool_id | role_code | area_id | from_hour | to_hour", "C1 | custody | a | 0 | 24")
    on_duty = duties(*(f"P{number} | C1 | 05 07:00 | 05 17:00" for number in range(3)), role="custody")
    who = people("P0 | | false | | |", "P1 | | | false | |", "P2 | true | | | |")

    def there(**rules: Any) -> list[float]:
        table = found(on_duty, {"people": who}, pools=pl.concat([DAY_AND_NIGHT, custody]), **rules).table
        return list(table.select("officers_tutored", "officers_restricted", "units_deployable").row(3))

    assert there() == [1, 1, 0.5]
    assert there(desk_roles=["custody"]) == [1, 0, 2]


# ---- briefing and refreshments ----


def test_briefing_is_at_the_start_of_a_turn_and_duties_that_touch_are_one_turn():
    on_duty = duties("P1 | R1 | 05 07:00 | 05 12:00", "P1 | R1 | 05 12:00 | 05 17:00", "P2 | R1 | 05 09:50 | 05 17:00")
    result = found(on_duty, briefing_minutes=15)
    assert [column(result, "officers_briefing")[hour] for hour in (7, 8, 9, 10, 12)] == [0.25, 0, 0.166, 0.084, 0]
    short = found(duties("P1 | R1 | 05 07:00 | 05 07:10", "P2 | R1 | 05 07:00 | 05 09:00"), briefing_minutes=30)
    assert column(short, "officers_briefing")[7] == pytest.approx(40 / 60, abs=0.001)


def test_who_is_away_or_restricted_has_no_briefing_to_be_taken_off():
    given = {"absences": absences("P1 | 05 07:05 | 05 17:00"), "people": people("P2 | true | | | |")}
    result = found(team(3), given, briefing_minutes=15)
    assert column(result, "officers_briefing")[7] == pytest.approx(20 / 60, abs=0.001)
    assert column(result, "officers_tutored")[7] == 1


REFRESHMENTS = ((0, 30), (6, 35), (8, 45), (10, 60))


def test_refreshments_go_by_the_length_of_the_turn():
    for end, minutes in (("12:59", 30), ("13:00", 35), ("14:59", 35), ("15:00", 45), ("16:59", 45), ("17:00", 60)):
        result = found(duties(f"P1 | R1 | 05 07:00 | 05 {end}", *EDGES), refreshments=REFRESHMENTS[::-1])
        taken = sum(column(result, "officers_refreshments").values())
        assert taken * 60 == pytest.approx(minutes, abs=0.2), end
    assert sum(column(found(team(1), refreshments=((11, 60),)), "officers_refreshments").values()) == 0


def test_one_officer_eats_in_the_middle_and_many_one_after_another_in_the_middle_half():
    on_duty = duties("P1 | R1 | 05 08:00 | 05 16:00")
    one = column(found(on_duty, refreshments=((0, 60),)), "officers_refreshments")
    assert {hour: share for hour, share in one.items() if share} == {11: 0.5, 12: 0.5}
    four = column(
        found(duties(*(f"P{number} | R1 | 05 08:00 | 05 16:00" for number in range(4))), refreshments=((0, 60),)),
        "officers_refreshments",
    )
    assert {hour: share for hour, share in four.items() if share} == {10: 1, 11: 1, 12: 1, 13: 1}


def test_those_whose_turns_differ_do_not_wait_for_each_other():
    on_duty = duties("P1 | R1 | 05 08:00 | 05 16:00", "P2 | R2 | 05 08:00 | 05 16:00", "P3 | R1 | 05 12:00 | 05 20:00")
    result = found(on_duty, refreshments=((0, 60),))
    assert [column(result, "officers_refreshments")[hour] for hour in (11, 12, 15, 16)] == [0.5, 0.5, 0.5, 0.5]
    assert [column(result, "officers_refreshments", "R2")[hour] for hour in (11, 12)] == [0.5, 0.5]


def test_refreshments_begin_when_they_were_seen_to_begin_and_it_is_said_which_of_the_two_was_done():
    on_duty = duties(*(f"P{number} | R1 | 05 08:00 | 05 18:00" for number in range(4)))
    seen = BreakShares(np.linspace(0.3, 0.5, 101), {}, LONDON)
    result = found(on_duty, refreshments=((0, 30),), break_shares=seen)
    taken = column(result, "officers_refreshments")
    assert {hour: share for hour, share in taken.items() if share} == {11: 0.75, 12: 1, 13: 0.25}
    assert result.notes == [
        "Refreshments begin when officers have gone to theirs, as 101 breaks in the status log tell: half of them "
        "before 40% of a turn, and four in five between 32% and 48%."
    ]
    (note,) = found(on_duty, refreshments=((0, 30),)).notes
    assert note.startswith("Refreshments are spread evenly over the middle half of each turn")


# ---- vehicles ----


def test_no_more_units_go_out_than_there_are_vehicles():
    rows = drawn(
        "vehicles", "pool_id | from_hour | to_hour | vehicles | valid_from | valid_to",
        "R1 | 7 | 15 | 4 | | 2026-12-31", "R1 | 10 | 12 | 0 | |", "R2 | 0 | 24 | 1 | |",
    )  # fmt: skip
    result = found(team(6), {"vehicles": rows})
    assert [column(result, "vehicles")[hour] for hour in (7, 9, 10, 12, 15)] == [4, 4, 0, 4, None]
    assert [column(result, "units_deployable")[hour] for hour in (7, 9, 10, 12, 15)] == [4, 4, 0, 4, 6]
    assert column(result, "officers_deployable")[10] == 6, "officers without a vehicle are there all the same"


def test_crews_in_briefing_keep_their_vehicle_and_leave_it_to_nobody():
    """Eight officers with six cars: while a quarter of the hour is briefing, a quarter of the cars' time is."""
    rows = drawn("vehicles", "pool_id | from_hour | to_hour | vehicles", "R1 | 0 | 24 | 6")
    result = found(team(8), {"vehicles": rows}, briefing_minutes=15)
    units = column(result, "units_deployable")
    assert units[7] == 4.5
    assert column(result, "units_crewed")[7] == 6, "as many as there are vehicles, but not all are out"
    assert units[8] == 6


def test_vehicles_that_are_enough_change_nothing():
    rows = drawn("vehicles", "pool_id | from_hour | to_hour | vehicles", "R1 | 0 | 24 | 8")
    with_them, without = (found(team(8), given, briefing_minutes=15) for given in ({"vehicles": rows}, None))
    assert column(with_them, "units_deployable") == column(without, "units_deployable")


# ---- nobody twice ----


def test_a_duty_that_lies_on_another_has_its_time_and_the_other_goes_on_afterwards():
    on_duty = duties("P1 | R1 | 05 07:00 | 05 17:00", "P1 | R2 | 05 10:30 | 05 12:00", *EDGES)
    result = found(on_duty)
    assert [column(result, "officers_rostered")[hour] for hour in (9, 10, 11, 12, 16)] == [1, 0.5, 0, 1, 1]
    assert [column(result, "officers_rostered", "R2")[hour] for hour in (9, 10, 11, 12)] == [0, 0.5, 1, 0]
    assert result.notes == [
        "1 person has duties that overlap, 1 of them in two pools at once (2 hours). That time counts once, in the "
        "duty that starts last."
    ]


def test_of_duties_that_start_at_once_the_shorter_one_lies_on_top():
    for rows in (("R1 | 05 07:00 | 05 17:00", "R2 | 05 07:00 | 05 09:00"),) * 2:
        on_duty = duties(*(f"P1 | {row}" for row in rows), *EDGES)
        for order in (on_duty, on_duty.reverse()):
            assert [column(found(order), "officers_rostered")[hour] for hour in (7, 8, 9)] == [0, 0, 1]


def test_the_same_duty_twice_is_one_officer():
    result = found(duties("P1 | R1 | 05 07:00 | 05 17:00", "P1 | R1 | 05 07:00 | 05 17:00", *EDGES))
    assert column(result, "officers_rostered")[12] == 1
    assert result.notes[0].startswith("1 person has duties that overlap (10 hours).")


def test_a_duty_in_a_pool_that_is_not_counted_keeps_its_officer_from_the_others():
    elsewhere = duties("P1 | HQ | 05 09:00 | 05 11:00", role="training")
    assert column(found(pl.concat([team(2), elsewhere])), "officers_rostered")[9] == 1


def test_a_planned_duty_inside_a_long_worked_one_is_not_added_to_it():
    worked = duties("P1 | R1 | 05 07:00 | 05 17:00", "P1 | R1 | 05 08:00 | 05 08:10", kind="worked")
    planned = duties("P1 | R2 | 05 07:10 | 05 07:50", "P2 | R1 | 05 07:00 | 05 17:00", *EDGES)
    assert column(found(pl.concat([planned, worked])), "officers_rostered")[7] == 2


def test_what_is_performed_counts_and_what_was_posted_is_told():
    lent = team(3).with_columns(
        posted_role_code=pl.Series(["custody", None, "response"]), posted_pool_id=pl.Series(["C1", "R2", "R1"])
    )
    assert seven(found(lent))[0] == 3
    assert find_loans(lent).rows() == [
        ("custody", "C1", "response", "R1", 1, 10),
        ("response", "R2", "response", "R1", 1, 10),
    ]
    assert found(lent).notes == [
        "20 officer-hours of duty lie in another role or pool than the posted one, and count where they are performed; "
        "most of them from C1 (custody) to R1 (response)."
    ]
    assert find_loans(team(3)).is_empty()


# ---- what is known ----


def test_a_pool_of_another_role_stands_for_itself_at_all_hours():
    custody = drawn("pools", "pool_id | role_code | area_id | from_hour | to_hour", "C1 | custody | a | 8 | 20")
    on_duty = duties("P1 | C1 | 05 03:00 | 05 12:30", role="custody")
    result = found(on_duty, pools=pl.concat([DAY_AND_NIGHT, custody]), crew=(2,) * 24)
    assert result.table["pool_id"].unique().to_list() == ["C1"]
    assert column(result, "units_deployable", "C1") == dict.fromkeys(range(3, 12), 1)


def test_where_nobody_knows_who_is_there_there_is_no_row():
    assert found(tables.empty("duties")).table.is_empty()
    assert sorted(column(found(team(2)), "officers_rostered")) == list(range(7, 17))


def test_officers_who_are_there_when_no_pool_runs_are_shown():
    by_day = DAY_AND_NIGHT.filter(pl.col("pool_id") != "N")
    result = found(duties("P1 | R1 | 05 15:00 | 06 01:00", *EDGES), pools=by_day)
    assert column(result, "officers_rostered")[22] == 1


# ---- what holds whatever comes ----

PEOPLE = ("P1", "P2", "P3", "P4")
MINUTES = st.integers(-90, 200).map(lambda ten: ten * 10)
NIGHTS = [WINTER, date(2026, 3, 29), date(2026, 10, 25)]


@st.composite
def spans(draw: Any, longest: int = 24 * 6) -> tuple[str, int, int]:
    start = draw(MINUTES)
    return draw(st.sampled_from(PEOPLE)), start, start + 10 * draw(st.integers(1, longest))


@st.composite
def sheets(draw: Any) -> tuple[date, pl.DataFrame, dict[str, pl.DataFrame]]:
    """A clock-change day or another: duties of four people, what keeps them from calls, and a rule or two."""
    first = draw(st.sampled_from(NIGHTS))
    zero = hours_from(first)[0]

    def at(minutes: int) -> datetime:
        return zero + timedelta(minutes=minutes)

    rows = draw(st.lists(st.tuples(spans(), st.sampled_from(["R1", "R2", "N", "HQ"]), st.booleans()), max_size=8))
    on_duty = pl.DataFrame(
        [
            {"duty_id": f"D{number}", "person_id": person, "role_code": "response", "pool_id": pool,
             "starts_at": at(start), "ends_at": at(end), "kind": "worked" if worked else "planned"}
            for number, ((person, start, end), pool, worked) in enumerate(rows)
        ],
        schema=tables.table("duties").polars_schema,
    )  # fmt: skip
    away = pl.DataFrame(
        [
            {
                "absence_id": f"A{number}",
                "person_id": person,
                "starts_at": at(start),
                "ends_at": at(end),
                "kind": "leave",
            }
            for number, (person, start, end) in enumerate(draw(st.lists(spans(), max_size=5)))
        ],
        schema=tables.table("absences").polars_schema,
    )
    flags = st.sampled_from([None, True, False])
    who = pl.DataFrame(
        [
            {"person_id": person, "role_code": "response", "is_tutored": draw(flags), "may_be_deployed": draw(flags),
             "may_be_single_crewed": draw(flags)}
            for person in draw(st.sets(st.sampled_from(PEOPLE)))
        ],
        schema=tables.table("people").polars_schema,
    )  # fmt: skip
    pools = st.sampled_from(["R1", "N"])
    operations = pl.DataFrame(
        [
            {"commitment_id": f"OP{number}", "kind": "football", "pool_id": pool, "role_code": "response",
             "officers": officers, "starts_at": at(start), "ends_at": at(end)}
            for number, ((_, start, end), pool, officers) in enumerate(
                draw(st.lists(st.tuples(spans(), pools, st.sampled_from([0.5, 1, 2.25])), max_size=3))
            )
        ],
        schema=tables.table("commitments").polars_schema,
    )  # fmt: skip
    return first, on_duty, {"absences": away, "people": who, "commitments": operations}


RULES = {"briefing_minutes": 20, "refreshments": ((0, 30), (6, 45))}


def thousandths(result: Deployable, name: str) -> list[int]:
    return [int(Decimal(str(value)) * 1000) for value in result.table[name]]


@settings(max_examples=60, deadline=None)
@given(sheets())
def test_the_steps_add_up_exactly_and_nobody_is_below_zero(sheet):
    first, on_duty, given = sheet
    result = found(on_duty, given, first=first, **RULES)
    assert tables.check(result.table, "deployable").equals(result.table)
    assert tables.publish(result.table, "deployable").equals(result.table)
    taken = [thousandths(result, f"officers_{step}") for step in STEPS]
    left = [
        rostered - sum(steps)
        for rostered, steps in zip(thousandths(result, "officers_rostered"), zip(*taken, strict=True), strict=True)
    ]
    assert left == thousandths(result, "officers_deployable")
    assert result.table.filter(pl.col("units_crewed") > pl.col("officers_deployable")).is_empty()


@settings(max_examples=60, deadline=None)
@given(sheets(), spans())
def test_one_more_absence_never_gives_more_officers_or_units(sheet, absence):
    first, on_duty, given = sheet
    person, start, end = absence
    zero = hours_from(first)[0]
    more = pl.DataFrame(
        {"absence_id": ["more"], "person_id": [person], "starts_at": [zero + timedelta(minutes=start)],
         "ends_at": [zero + timedelta(minutes=end)], "kind": ["court"]},
        schema_overrides={name: tables.table("absences").polars_schema[name] for name in ("starts_at", "ends_at")},
    )  # fmt: skip
    before = found(on_duty, given, first=first, **RULES).table
    after = found(on_duty, given | {"absences": pl.concat([given["absences"], more])}, first=first, **RULES).table
    assert after.select("pool_id", "hour_starting", "officers_rostered").equals(
        before.select("pool_id", "hour_starting", "officers_rostered")
    )
    for name in ("officers_deployable", "units_crewed", "units_deployable"):
        assert (after[name] <= before[name]).all()


@settings(max_examples=40, deadline=None)
@given(sheets(), st.randoms())
def test_the_order_of_the_rows_does_not_show(sheet, chance):
    first, on_duty, given = sheet

    def shuffled(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sample(fraction=1, shuffle=True, seed=chance.randrange(2**32))

    one = found(on_duty, given, first=first, **RULES)
    other = found(shuffled(on_duty), {name: shuffled(frame) for name, frame in given.items()}, first=first, **RULES)
    assert other.table.equals(one.table)
    assert other.notes == one.notes


def as_it_came(on_duty: pl.DataFrame) -> list[dict[str, Any]]:
    rows = on_duty.to_dicts()
    worked = [row for row in rows if row["kind"] == "worked"]

    def is_replaced(row: dict[str, Any]) -> bool:
        mine = [each for each in worked if each["person_id"] == row["person_id"]]
        return any(each["starts_at"] < row["ends_at"] and row["starts_at"] < each["ends_at"] for each in mine)

    return worked + [row for row in rows if row["kind"] == "planned" and not is_replaced(row)]


def ten_by_ten_minutes(
    first: date, came: list[dict[str, Any]], given: Mapping[str, pl.DataFrame]
) -> dict[tuple[str, datetime], list[Fraction]]:
    """Count as the rules say, ten minutes at a time and person by person: rostered, absent, tutored, restricted, free.

    Apart from operations, briefing and refreshments.
    """
    hours = hours_from(first)
    pools = lay_out_pools(DAY_AND_NIGHT, "response", ["a", "b", "unknown"], hours, LONDON)
    flags = {row["person_id"]: row for row in given["people"].iter_rows(named=True)}
    out: dict[tuple[str, datetime], list[Fraction]] = {}
    for hour, start in enumerate(hours):
        a, b = (pools.pool_of(area, hour) for area in (0, 1))
        serves = {"R1": pools.pool_ids[a], "R2": pools.pool_ids[b], "N": "N" if a == b else "R1"}
        for person in PEOPLE:
            for ten in range(6):
                now = start + timedelta(minutes=10 * ten)
                at_it = [row for row in came if row["person_id"] == person and row["starts_at"] <= now < row["ends_at"]]
                if not at_it:
                    continue
                row = max(at_it, key=lambda row: (row["starts_at"], -row["ends_at"].timestamp(), row["duty_id"]))
                if row["pool_id"] == "HQ":
                    continue
                place = out.setdefault((serves[row["pool_id"]], start), [Fraction(0)] * 5)
                may = flags.get(person, {})
                is_away = any(
                    each["person_id"] == person and each["starts_at"] <= now < each["ends_at"]
                    for each in given["absences"].iter_rows(named=True)
                )
                state = (
                    1 if is_away else 2 if may.get("is_tutored") else 3 if may.get("may_be_deployed") is False else 4
                )
                place[0] += Fraction(1, 6)
                place[state] += Fraction(1, 6)
    return out


@settings(max_examples=60, deadline=None)
@given(sheets())
def test_it_is_what_counting_ten_by_ten_minutes_gives(sheet):
    first, on_duty, given = sheet
    came = as_it_came(on_duty)
    told = ten_by_ten_minutes(first, came, given)
    table = found(on_duty, given | {"commitments": tables.empty("commitments")}, first=first).table
    for row in table.iter_rows(named=True):
        rostered, absent, tutored, restricted, free = told.pop(
            (row["pool_id"], row["hour_starting"]), [Fraction(0)] * 5
        )
        left = [rostered, rostered - absent, rostered - absent - tutored, free]
        down = [int(each * 1000) for each in left]
        assert [row["officers_rostered"], row["officers_deployable"]] == [down[0] / 1000, down[3] / 1000]
        steps = [row["officers_absent"], row["officers_tutored"], row["officers_restricted"]]
        assert steps == [(above - below) / 1000 for above, below in pairwise(down)]
        assert restricted == left[2] - free
    # Where there is no row, the roster of the pool is not written then.
    for pool, hour in told:
        mine = [row for row in came if row["pool_id"] == pool]
        begins, ends = (
            choose([row[at] for row in mine], default=hour) for choose, at in ((min, "starts_at"), (max, "ends_at"))
        )
        assert hour < begins or hour + timedelta(hours=1) > ends


# ---- duty by duty ----


def spells(on_duty: pl.DataFrame, **given: Any) -> pl.DataFrame:
    begin, end = (datetime(2026, 1, day, tzinfo=UTC) for day in (4, 7))
    return find_spells(
        on_duty, given.pop("people", tables.empty("people")), given.pop("absences", tables.empty("absences")),
        begin=begin, end=end, time_zone=LONDON, **given,
    )  # fmt: skip


def at(hour: float) -> int:
    return int(datetime(2026, 1, 5, tzinfo=UTC).timestamp() + 3600 * hour)


def test_a_spell_is_the_part_of_a_duty_in_which_its_officer_may_go_out():
    found_ = spells(
        team(3), briefing_minutes=15, refreshments=((0, 60),), absences=absences("P1 | 05 14:00 | 05 17:00"),
        people=people("P2 | true | | | |", "P3 | | | false | |"),
    )  # fmt: skip
    first, third = found_.to_dicts()
    assert (first["begins"], first["finishes"], first["briefing_minutes"]) == (at(7), at(14), 15)
    assert not first["needs_partner"]
    assert third["needs_partner"], "who is tutored has no spell"
    assert (third["begins"], third["finishes"], third["break_minutes"]) == (at(7), at(17), 60)
    assert at(9.5) <= third["break_at"] <= at(14.5)
    assert spells(team(1))["break_at"].to_list() == [None]


def test_whoever_people_does_not_have_may_drive():
    drivers = people("P1 | | | | |", "P2 | | | | |").with_columns(may_drive_on_response=pl.Series([True, False]))
    assert spells(team(3), people=drivers)["may_drive"].to_list() == [True, False, True]


def test_a_sheet_at_a_moment_does_not_know_what_was_worked_later_where_it_was_planned():
    planned = team(2).with_columns(kind=pl.lit("planned"), duty_id="planned " + pl.col("duty_id"))
    worked = duties("P1 | R1 | 05 07:00 | 05 19:00", "P3 | R1 | 05 07:00 | 05 18:00", "P2 | R1 | 05 07:00 | 05 08:00")
    both = pl.concat([planned, worked.with_columns(kind=pl.lit("worked"))])
    known = as_sheet_at(both, datetime(2026, 1, 5, 12, tzinfo=UTC))
    of = {(row["person_id"], row["kind"]): row["ends_at"].hour for row in known.to_dicts()}
    assert of == {("P1", "planned"): 17, ("P2", "planned"): 17, ("P2", "worked"): 8, ("P3", "worked"): 18}
