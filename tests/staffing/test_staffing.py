"""The ladder of staffing methods against hand-worked cases, and what every rung must keep to."""

from __future__ import annotations

import math
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import extensions, queueing, several_units, tables
from bluelamp.offered_work import OfferedWork
from bluelamp.staffing import gross_of, load_seen_by, require_staff
from tests.drawn import drawn
from tests.offered import NINE_IN_TEN, STANDARD, offered

METHODS = list(extensions.members("staffing"))
CHEAP = ("erlang_c", "mol", "priorities", "workload")
ALONE = (1,) * 24


def staff(
    work: OfferedWork,
    *,
    minimums: pl.DataFrame | None = None,
    other_pools: pl.DataFrame | None = None,
    crew: tuple[int, ...] = ALONE,
    **wanted: Any,
) -> pl.DataFrame:
    return require_staff(
        work,
        tables.empty("minimums") if minimums is None else minimums,
        tables.empty("pools") if other_pools is None else other_pools,
        time_zone="Europe/London",
        crew_size_by_hour=crew,
        **{"abstraction": 0.3, "utilisation": 0.6, **wanted},
    )


def units(rows: pl.DataFrame, method: str, grade: str = "all", column: str = "units_required") -> list[int]:
    return rows.filter(method=method, grade_code=grade).sort("pool_id", "hour_starting")[column].to_list()


def minimum(*rows: str) -> pl.DataFrame:
    return drawn("minimums", "pool_id | role_code | from_hour | to_hour | minimum_officers", *rows)


# ---- known answers ----


def chance_late_by_hand(number: int, load: float, minutes: float, service: float) -> float:
    """Erlang C from its definition, with nothing of the product's."""
    if number <= load:
        return 1.0
    top = load**number / math.factorial(number) * number / (number - load)
    waits = top / (sum(load**n / math.factorial(n) for n in range(number)) + top)
    return waits * math.exp(-(number - load) * minutes / service)


def fewest_by_hand(load: float, minutes: float, service: float, share: float) -> int:
    return next(number for number in range(1, 500) if chance_late_by_hand(number, load, minutes, service) <= 1 - share)


def test_eight_and_a_half_busy_units_need_what_the_textbook_says():
    # M/M/c, load 8.5: ten units make 53 % wait and twelve 20%; 14% of calls then wait more than 6 of 60 minutes.
    assert chance_late_by_hand(10, 8.5, 0, 60) == pytest.approx(0.5299, abs=5e-5)
    assert chance_late_by_hand(12, 8.5, 6, 60) == pytest.approx(0.138, abs=5e-4)
    rows = staff(offered({("a", "1"): 8.5}))
    assert units(rows, "erlang_c") == [13] * 24
    assert units(rows, "mol") == [13] * 24
    assert units(rows, "workload") == [15] * 24  # 8.5 / 0.6 = 14.2


@pytest.mark.parametrize("load", [0.05, 0.8, 3.0, 4.99, 20.0, 61.5])
@pytest.mark.parametrize(("minutes", "share"), [(10, 0.8), (15, 0.9), (60, 0.95), (249, 0.9)])
def test_each_hour_needs_the_fewest_units_that_erlang_c_allows(load, minutes, share):
    standards = drawn("standards", STANDARD, f"all | all | {minutes} | {share} | received | arrived | 2 | 7")
    expected = fewest_by_hand(load, minutes - 9, 60, share)
    rows = staff(offered({("a", "1"): load}, standards=standards), methods=["erlang_c", "mol"])
    assert set(units(rows, "erlang_c")) == set(units(rows, "mol")) == {expected}


def test_all_grades_share_one_line_and_the_hardest_target_decides():
    standards = drawn(
        "standards",
        STANDARD,
        "1 | all | 15 | 0.9 | received | arrived | 2 | 7",
        "2 | all | 69 | 0.8 | received | arrived | 2 | 7",
    )
    rows = staff(offered({("a", "1"): 1.0, ("a", "2"): 3.0}, standards=standards), methods=["erlang_c"])
    first, second = fewest_by_hand(4.0, 6, 60, 0.9), fewest_by_hand(4.0, 60, 60, 0.8)
    assert first > second
    assert set(units(rows, "erlang_c", "1")) == {first}
    assert set(units(rows, "erlang_c", "2")) == {second}
    assert set(units(rows, "erlang_c")) == {first}
    assert set(rows.filter(grade_code="all")["binding_grade"]) == {"1"}
    assert set(rows.filter(grade_code="2")["binding_grade"]) == {"2"}


def test_the_target_holds_over_the_samples_and_not_only_at_their_middle():
    samples = [0.5, 1.0, 1.5]
    rows = staff(offered({("a", "1"): 6.0}, multipliers=samples), methods=["erlang_c"])

    def late_share(number: int) -> float:
        # Calls count, and a busy sample has more of them.
        return sum(each * chance_late_by_hand(number, 6 * each, 6, 60) for each in samples) / sum(samples)

    expected = next(number for number in range(1, 99) if late_share(number) <= 0.1)
    assert set(units(rows, "erlang_c")) == {expected}
    assert expected > fewest_by_hand(6.0, 6, 60, 0.9)
    assert set(units(rows, "erlang_c", column="units_required_p10")) == {fewest_by_hand(3.0, 6, 60, 0.9)}
    assert set(units(rows, "erlang_c", column="units_required_p90")) == {fewest_by_hand(9.0, 6, 60, 0.9)}


def test_carried_work_is_asked_for_after_a_peak_and_never_less_than_sipp_asks_while_it_lasts():
    rate = np.array([1.0] * 10 + [12.0, 12.0] + [1.0] * 12)
    work = offered({("a", "1"): rate})
    rows = staff(work, methods=["erlang_c", "mol"])
    sipp, mol = np.array(units(rows, "erlang_c")), np.array(units(rows, "mol"))
    assert mol[12] > sipp[12]
    assert mol[13] > sipp[13]
    # Within an hour of the peak not all of its load has built up yet.
    assert mol[10] <= sipp[10]
    expected = queueing.units_for_target(queueing.carried_load(rate, 60).max_of_hour, 6, 60, 0.9)
    assert mol.tolist() == expected.tolist()


def test_sipp_and_carried_load_agree_where_demand_is_flat():
    work = offered({("a", "1"): 3.0, ("a", "2"): 2.0}, multipliers=[0.8, 1.0, 1.3])
    rows = staff(work)
    assert units(rows, "erlang_c") == units(rows, "mol")
    np.testing.assert_allclose(load_seen_by("mol", work), load_seen_by("erlang_c", work))


def test_workload_counts_work_and_knows_no_target():
    rows = staff(offered({("a", "1"): 2.0, ("a", "2"): 1.0}), methods=["workload"], utilisation=0.5)
    assert set(units(rows, "workload")) == {6}
    assert set(units(rows, "workload", "1")) == {4}
    assert rows["binding_grade"].null_count() == rows.height


def test_targets_of_kinds_that_do_not_occur_ask_for_nothing():
    standards = drawn(
        "standards",
        STANDARD,
        "1 | rural | 10 | 0.99 | received | arrived | 2 | 7",
        "1 | urban | 60 | 0.8  | received | arrived | 2 | 7",
    )
    alone = staff(offered({("a", "1"): 4.0}, standards=standards, kinds={"a": "urban"}), methods=["erlang_c"])
    assert set(units(alone, "erlang_c")) == {fewest_by_hand(4.0, 51, 60, 0.8)}
    rates = {("a", "1"): 3.9, ("b", "1"): 0.1}
    mixed = staff(offered(rates, standards=standards, kinds={"a": "urban", "b": "rural"}), methods=["erlang_c"])
    assert set(units(mixed, "erlang_c")) == {fewest_by_hand(4.0, 1, 60, 0.99)}


# ---- what every rung must keep to ----


@pytest.mark.parametrize("method", METHODS)
def test_nothing_arrives_nothing_is_needed(method):
    rows = staff(offered({("a", "1"): 0.0}), methods=[method])
    assert set(units(rows, method)) == {0}
    assert set(rows["officers_required_gross"]) == {0}
    assert set(rows["binds"]) == {"demand"}
    assert rows["binding_grade"].null_count() == rows.height


@pytest.mark.parametrize("method", METHODS)
def test_more_demand_never_needs_fewer_units(method):
    @settings(max_examples=25 if method in CHEAP else 3, deadline=None)
    @given(
        rates=st.lists(st.floats(0, 30), min_size=24, max_size=24),
        extra=st.lists(st.floats(0, 10), min_size=24, max_size=24),
        spread=st.floats(0, 0.9),
    )
    def holds(rates, extra, spread):
        samples = [1 - spread, 1.0, 1 + spread]
        less = staff(offered({("a", "1"): rates}, multipliers=samples), methods=[method])
        more = staff(offered({("a", "1"): np.add(rates, extra)}, multipliers=samples), methods=[method])
        for column in ("units_required", "units_required_p10", "units_required_p90", "officers_required_gross"):
            assert (np.array(units(more, method, column=column)) >= np.array(units(less, method, column=column))).all()

    holds()


@pytest.mark.parametrize("method", METHODS)
def test_units_officers_and_gross_fit_together(method):
    @settings(max_examples=15 if method in CHEAP else 3, deadline=None)
    @given(
        rates=st.lists(st.floats(0.01, 20), min_size=24, max_size=24),
        least=st.integers(0, 12),
        crew=st.integers(1, 3),
    )
    def holds(rates, least, crew):
        officers_fit(method, rates, least, crew)

    holds()


def officers_fit(method: str, rates: list[float], least: int, crew: int) -> None:
    rows = staff(
        offered({("a", "1"): rates}, multipliers=[0.7, 1.0, 1.4]),
        minimums=minimum(f"R1 | response | 0 | 24 | {least}"),
        crew=(crew,) * 24,
        methods=[method],
    ).filter(grade_code="all")
    units_required, officers = rows["units_required"], rows["officers_required"]
    assert (officers == pl.Series([max(number * crew, least) for number in units_required])).all()
    assert (units_required * crew >= least).all()
    assert (rows["units_required_p10"] * crew >= least).all()
    assert (rows["units_required_p10"] <= rows["units_required_p90"]).all()
    assert (rows["officers_required_gross"] * 0.7 >= officers - 1e-6).all()
    assert set(rows.filter(binds="minimum")["units_required"]) <= {math.ceil(least / crew)}
    if method != "workload":
        assert (units_required > rows["offered_load"] - 0.001).all(), "otherwise the queue would grow without bound"


@pytest.mark.parametrize("method", METHODS)
def test_a_rung_gives_every_hour_and_grade_of_every_pool_once(method):
    cover = drawn(
        "pools",
        "pool_id | role_code | area_id | from_hour | to_hour",
        "day     | response  | a       | 7         | 22",
        "night   | response  | a       | 22        | 7",
    )
    rows = staff(offered({("a", "1"): 3.0, ("a", "2"): 1.0}, pools=cover), methods=[method])
    assert rows.group_by("pool_id", "grade_code").len().sort("pool_id", "grade_code").rows() == [
        ("day", "1", 15), ("day", "2", 15), ("day", "all", 15),
        ("night", "1", 9), ("night", "2", 9), ("night", "all", 9),
    ]  # fmt: skip
    tables.check(rows, "required_staff")


# ---- minimums, crews, abstraction ----


def test_a_minimum_binds_where_it_is_more_than_demand_asks_for():
    rate = np.where(np.arange(24) < 7, 0.5, 9.0)
    rows = staff(
        offered({("a", "1"): rate}), minimums=minimum("R1 | response | 0 | 24 | 6"), methods=["erlang_c"]
    ).filter(grade_code="all")
    by_demand = fewest_by_hand(9.0, 6, 60, 0.9)
    assert rows["units_required"].to_list() == [6] * 7 + [by_demand] * 17
    assert rows["binds"].to_list() == ["minimum"] * 7 + ["demand"] * 17
    assert rows["binding_grade"].to_list() == [None] * 7 + ["1"] * 17
    assert rows["units_required_p10"].to_list() == [6] * 7 + [by_demand] * 17


def test_a_minimum_that_demand_reaches_by_itself_does_not_bind():
    number = fewest_by_hand(4.0, 6, 60, 0.9)
    rows = staff(
        offered({("a", "1"): 4.0}), minimums=minimum(f"R1 | response | 0 | 24 | {number}"), methods=["erlang_c"]
    )
    assert set(rows["binds"]) == {"demand"}
    assert set(rows.filter(grade_code="all")["binding_grade"]) == {"1"}


def test_a_unit_of_two_is_one_unit_of_the_queue_and_two_officers():
    crew = tuple(2 if hour < 7 or hour >= 22 else 1 for hour in range(24))
    rows = staff(offered({("a", "1"): 3.0}), crew=crew, methods=["erlang_c"]).filter(grade_code="all")
    number = fewest_by_hand(3.0, 6, 60, 0.9)
    assert rows["units_required"].to_list() == [number] * 24
    assert rows["crew_size"].to_list() == list(crew)
    assert rows["officers_required"].to_list() == [number * size for size in crew]


def test_an_odd_minimum_of_officers_needs_a_unit_more_when_they_ride_in_twos():
    rows = staff(
        offered({("a", "1"): 0.0}), minimums=minimum("R1 | response | 0 | 24 | 5"), crew=(2,) * 24, methods=["erlang_c"]
    ).filter(grade_code="all")
    assert set(rows["units_required"]) == {3}
    assert set(rows["officers_required"]) == {6}


def test_the_crew_is_that_of_the_hour_on_the_wall():
    crew = tuple(2 if hour < 7 else 1 for hour in range(24))
    summer = staff(offered({("a", "1"): 3.0}, first=date(2026, 7, 6)), crew=crew, methods=["erlang_c"])
    assert summer.filter(grade_code="all").sort("hour_starting")["crew_size"].to_list() == list(crew)
    long_night = staff(offered({("a", "1"): 3.0}, first=date(2026, 10, 25)), crew=crew, methods=["erlang_c"])
    assert long_night.filter(grade_code="all").sort("hour_starting")["crew_size"].to_list() == [2] * 8 + [1] * 17


@pytest.mark.parametrize(("net", "away", "gross"), [(7, 0.3, 10), (8, 0.3, 12), (0, 0.3, 0), (9, 0.0, 9), (1, 0.9, 10)])
def test_gross_leaves_net_after_abstraction(net, away, gross):
    assert gross_of(np.array([net]), away).tolist() == [gross]


@given(st.integers(0, 10_000), st.integers(0, 94))
def test_gross_is_the_fewest_that_leave_net(net, percent):
    gross = int(gross_of(np.array([net]), percent / 100)[0])
    # In whole hundredths, where nothing is rounded.
    assert gross * (100 - percent) >= net * 100
    assert gross == 0 or (gross - 1) * (100 - percent) < net * 100


# ---- roles that answer no incidents ----


def test_other_roles_need_their_minimum_and_nothing_else():
    custody = drawn(
        "pools",
        "pool_id | role_code | area_id | from_hour | to_hour",
        "C1      | custody   | a       | 0         | 24",
        "C1      | custody   | b       | 0         | 24",
        "F1      | front     | a       | 0         | 24",
    )
    least = minimum("C1 | custody | 0 | 24 | 3", "C1 | custody | 18 | 2 | 5", "C1 | response | 0 | 24 | 9")
    rows = staff(offered({("a", "1"): 1.0}), minimums=least, other_pools=custody, methods=["mol", "workload"])
    other = rows.filter(role_code="custody", method="mol").sort("hour_starting")
    assert other["officers_required"].to_list() == [5, 5, *[3] * 16, *[5] * 6]
    assert other["officers_required_gross"].to_list() == [8, 8, *[5] * 16, *[8] * 6]
    assert set(other["binds"]) == {"minimum"}
    assert other["offered_load"].null_count() == 24
    assert rows.filter(role_code="front").is_empty()
    assert rows.filter(role_code="custody", method="workload").height == 24
    assert set(rows.filter(role_code="response", grade_code="all", method="mol")["binds"]) == {"demand"}


# ---- what calls lead to ----

LONG = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | write_up_minutes | "
    "long_minutes | long_stay_minutes | source",
    "x          | all        | 1              | 1                    | 60               | 15               | "
    "90           | 300               | drawn",
)


@pytest.mark.parametrize("method", METHODS)
def test_every_part_of_the_work_is_told_and_asked_for(method):
    calls = {("a", "1"): 4.0, ("a", "2"): 4.0}
    alone = staff(offered(calls))
    both = staff(offered(calls, service_times=LONG, without_log=0.25))
    rows = both.filter(method=method, grade_code="all")
    assert rows["write_up_load"].to_list() == [2.0] * 24
    assert rows["without_log_load"].to_list() == [2.0] * 24
    assert rows["long_load"].to_list() == [12.0] * 24
    assert rows["offered_load"].to_list() == [12.0] * 24
    more = np.array(units(both, method)) - units(alone, method)
    assert (more >= 4 + 12).all()
    by_grade = both.filter(pl.col("method") == method, pl.col("grade_code") != "all")
    assert by_grade.select("write_up_load", "long_load").null_count().row(0) == (48, 48), "told once"


def test_the_range_is_that_of_load_and_units_away_together():
    rows = staff(offered({("a", "1"): 4.0}, service_times=LONG, multipliers=list(np.linspace(0.8, 1.2, 64))))
    of_all = rows.filter(method="mol", grade_code="all")
    low, high = of_all["units_required_p10"].to_numpy(), of_all["units_required_p90"].to_numpy()
    # Six away, give or take their root, and five at calls, give or take a unit for demand alone.
    assert (high - low >= 5).all()


@pytest.mark.parametrize("method", METHODS)
def test_work_that_no_target_speaks_of_must_be_done_all_the_same(method):
    slots = drawn("standards", f"{STANDARD} | stream", "1 | all | 15 | 0.9 | received | arrived | 2 | 7 | scheduled")
    rows = staff(offered({("a", "1"): 4.0}, standards=slots, service_times=LONG)).filter(method=method)
    asked = rows.filter(grade_code="all")
    # Five at calls and write-up, six at long commitments.
    assert min(asked["units_required"]) >= 5 + 6
    assert min(asked["units_required_p10"]) >= 5
    assert asked["binding_grade"].null_count() == 24, "no grade's target decides"


# ---- the family ----


@pytest.mark.parametrize("method", METHODS)
def test_a_member_of_the_family_offers_what_the_others_do(method):
    rung = extensions.member("staffing", method)
    assert isinstance(rung.MEETS_TARGETS, bool)
    work = offered({("a", "1"): 3.0, ("b", "2"): 1.0}, multipliers=[0.9, 1.1])
    load = rung.load_of(work)
    assert load.shape == (2, 1, 24)
    assert rung.units_for_grade(work, 0, 0.6).shape == (1, 24)
    assert rung.units_for_grade(work, 0, 0.6).dtype == np.int64
    assert rung.units_for_load(load[0], work.away[0], work, 0.6).shape == (1, 24)
    assert extensions.members("staffing")[method], "its docstring says in a line what it is"


def test_every_method_is_asked_where_none_is_named():
    rows = staff(offered({("a", "1"): 1.0}))
    assert sorted(rows["method"].unique()) == sorted(METHODS)


def test_the_drawn_target_is_nine_in_ten():
    assert NINE_IN_TEN["target_share"].to_list() == [0.9]


# ---- urgent calls first ----

GRADED = drawn(
    "standards",
    STANDARD,
    "1 | all | 15  | 0.9 | received | arrived | 2 | 7",
    "2 | all | 60  | 0.9 | received | arrived | 2 | 7",
    "3 | all | 249 | 0.8 | received | arrived | 2 | 7",
)
BY_GRADE = {("a", "1"): 1.5, ("a", "2"): 4.0, ("a", "3"): 3.5}


def fewest_by_priority(loads: list[list[float]], grade: int, minutes: float, share: float) -> int:
    """Cobham by hand, over samples of loads by grade; samples weigh by the grade's own calls."""

    def late(number: int, by_grade: list[float]) -> float:
        ahead, own = sum(by_grade[:grade]), by_grade[grade]
        if number <= ahead + own:
            return 1.0
        waits = chance_late_by_hand(number, sum(by_grade), 0, 60)
        return waits * math.exp(-minutes / 60 * (number - ahead) * (number - ahead - own) / number)

    calls = sum(each[grade] for each in loads)
    return next(
        number
        for number in range(1, 99)
        if sum(each[grade] * late(number, each) for each in loads) / calls <= 1 - share + 1e-12
    )


def test_each_grade_waits_behind_the_more_urgent_ones_alone():
    samples = [0.7, 1.0, 1.3]
    rows = staff(offered(BY_GRADE, standards=GRADED, multipliers=samples), methods=["priorities", "mol"])
    loads = [[each * rate for rate in BY_GRADE.values()] for each in samples]
    for number, (grade, minutes, share) in enumerate([("1", 6, 0.9), ("2", 51, 0.9), ("3", 240, 0.8)]):
        assert set(units(rows, "priorities", grade)) == {fewest_by_priority(loads, number, minutes, share)}
    assert units(rows, "priorities", "1") < units(rows, "mol", "1"), "grade 1 does not need the whole pool to be quick"
    assert units(rows, "priorities") < units(rows, "mol")


def test_with_one_grade_priorities_are_mol():
    rows = staff(offered({("a", "1"): np.linspace(0.1, 20, 24)}, multipliers=[0.7, 1.0, 1.4]))
    assert units(rows, "priorities") == units(rows, "mol")


def test_grades_as_urgent_as_each_other_stand_in_one_line():
    alike = drawn("standards", STANDARD, "all | all | 15 | 0.9 | received | arrived | 2 | 7")
    rows = staff(offered(BY_GRADE, standards=alike))
    assert units(rows, "priorities") == units(rows, "mol")


# ---- calls that ask for several units ----

TWO_IN_A_CALL = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | source",
    "x          | all        | 1              | 1.5                  | 60               | drawn",
)


@pytest.mark.parametrize(
    ("method", "fewest"),
    [("several_units", several_units.units_for_all), ("as_they_come", several_units.units_for_first)],
)
def test_units_beyond_the_first_come_by_chance_and_calls_wait_for_them(method, fewest):
    rates = np.linspace(0.1, 12, 24)
    work = offered({("a", "1"): np.full(24, 6.0)}, service_times=TWO_IN_A_CALL)
    needs = [math.exp(-0.5) * 0.5**extra / math.factorial(extra) for extra in range(3)]
    needs.append(1 - sum(needs))
    assert work.needs[:, 0, 0] == pytest.approx(needs)
    expected = fewest([[9.0]], None, np.array(needs)[:, None], 6, 60, 0.9)
    assert set(units(staff(work, methods=[method]), method)) == {int(expected[0])}
    alone = staff(offered({("a", "1"): rates}), methods=[method, "mol"])
    assert units(alone, method) == units(alone, "mol"), "calls that ask for one unit wait as by Erlang"


# ---- on average, or with a probability ----


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("probability", [0.05, 0.5, 0.8, 0.81, 0.99])
def test_with_a_probability_the_target_holds_in_that_share_of_the_samples(method, probability):
    samples = [0.5, 0.8, 1.0, 1.2, 2.1]
    work = offered({("a", "1"): 6.0}, multipliers=samples, target_probability=probability)
    rows = staff(work, methods=[method])
    if method == "workload":
        assert rows["target_probability"].null_count() == rows.height
        return
    # Enough for the k-th quietest sample is enough for k of them, because all ask for one unit at a time here.
    each = [fewest_by_hand(6 * sample, 6, 60, 0.9) for sample in samples]
    met = {number: sum(number >= needed for needed in each) / len(each) for number in range(1, 40)}
    expected = min(number for number, share in met.items() if share >= probability - 1e-9)
    assert set(units(rows, method, "1")) == {expected}
    assert set(rows["target_probability"]) == {probability}


def test_with_a_probability_units_away_are_counted_sample_by_sample():
    samples = list(np.linspace(0.6, 1.5, 64))
    work = offered({("a", "1"): 4.0}, multipliers=samples, service_times=LONG, target_probability=0.75)
    rows = staff(work, methods=["mol"])
    each = np.sort(
        [
            fewest_by_hand(float(load), 6, 75, 0.9) + away
            for load, away in zip(work.carried[:, 0, 5], work.away[:, 0, 5], strict=True)
        ]
    )
    assert units(rows, "mol", "1")[5] == each[47]


def test_on_average_nothing_is_said_of_a_probability():
    assert set(staff(offered({("a", "1"): 4.0}))["target_probability"]) == {None}


def test_a_surer_target_never_needs_fewer_units():
    found = [
        units(
            staff(offered({("a", "1"): np.linspace(0, 20, 24)}, multipliers=[0.6, 0.9, 1.5], target_probability=sure)),
            "mol",
        )
        for sure in (0.1, 0.5, 0.9)
    ]
    assert all(one <= other for less, more in pairwise(found) for one, other in zip(less, more, strict=True))
