"""Near repeats of what was recorded: found where they are, not claimed where not, and told in sentences."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from bluelamp import tables
from bluelamp.errors import UsageError
from bluelamp.near_repeats import find_near_repeats
from bluelamp.sources.twin import make_twin
from tests.recorded import recorded

START = date(2026, 1, 5)
# A hundredth of a thousandth of a degree is about a metre.
METRE = 1 / 111_320


def town(seed: int, followed: int = 0, middle: tuple[float, float] = (-2.58, 51.45)) -> list:
    """Two hundred burglaries of a year, of which some are followed within six days and fifty metres."""
    chance = np.random.default_rng(seed)
    places, days = chance.normal(0, 600, (200, 2)), chance.integers(0, 365, 200)
    places = np.concatenate([places, places[:followed] + chance.uniform(-35, 35, (followed, 2))])
    days = np.concatenate([days, days[:followed] + chance.integers(0, 7, followed)])
    east = METRE / np.cos(np.radians(middle[1]))
    return [
        (START + timedelta(days=int(day)), (middle[0] + x * east + 180) % 360 - 180, middle[1] + y * METRE)
        for (x, y), day in zip(places, days, strict=True)
    ]


def test_planted_near_repeats_are_found_and_told():
    found = find_near_repeats(recorded(town(1, followed=20)), permutations=499)
    assert found.marked().select("metres_to", "days_from").rows() == [(100.0, 0)]
    first = found.sentences()[0]
    assert first.startswith("Over 0 and up to 100 m apart and within 7 days: ")
    assert "times as many" in first


def test_without_near_repeats_none_is_claimed():
    found = find_near_repeats(recorded(town(2)), permutations=499)
    assert found.marked().is_empty()
    assert found.sentences()[0].startswith("No cell of 88 stands out")


def test_the_table_is_the_one_that_it_says_and_its_bands_join_up():
    table = find_near_repeats(recorded(town(3)), metres=(100, 250), days=(0, 7), permutations=19).table
    assert tables.check(table, "near_repeats").equals(table)
    assert table.select("metres_above", "metres_to", "days_from", "days_to").rows() == [
        (None, 0.0, 0, 0), (None, 0.0, 1, 7), (0.0, 100.0, 0, 0), (0.0, 100.0, 1, 7),
        (100.0, 250.0, 0, 0), (100.0, 250.0, 1, 7),
    ]  # fmt: skip


@pytest.mark.parametrize("middle", [(-2.58, 51.45), (179.9995, -16.5), (25.6, 70.1)])
def test_it_does_not_matter_where_on_earth_the_force_is(middle):
    found = find_near_repeats(recorded(town(1, 20, middle)), metric="euclidean", permutations=99)
    here = find_near_repeats(recorded(town(1, 20)), metric="euclidean", permutations=99)
    # Metres in a degree differ a little by latitude, so that a pair at a bound may change its band.
    assert np.abs(found.table["pairs"].to_numpy() - here.table["pairs"].to_numpy()).max() <= 4


def test_the_order_of_rows_does_not_matter():
    rows = town(4, followed=5)
    one, other = (find_near_repeats(recorded(each), permutations=99).table for each in (rows, rows[::-1]))
    assert one.equals(other)


def test_swapped_coordinates_and_rows_without_a_point_are_left_out_and_said():
    rows = town(5)
    swapped = [(day, latitude, longitude) for day, longitude, latitude in rows[:3]]
    found = find_near_repeats(recorded([*rows, *swapped, (START, None, None), (START, -2.5, None)]), permutations=19)
    assert found.counted == 200
    assert found.notes == [
        "2 offences (1.0%) left out: without a point.",
        "3 offences left out: more than 300 km from the middle of the others. See whether longitude and latitude stand "
        "the wrong way round there.",
    ]


@pytest.mark.parametrize("rows", [[], [(START, -2.5, 51.4)], [(START, None, None)] * 3])
def test_where_there_is_no_pair_that_is_said(rows):
    found = find_near_repeats(recorded(rows), permutations=19)
    assert found.sentences() == ["There are fewer than two offences with a place and a day, and no pair of them."]
    assert found.table["pairs"].sum() == 0
    assert found.lines()


def test_all_on_one_spot_and_day_is_one_full_cell_and_no_finding():
    found = find_near_repeats(recorded([(START, -2.512345, 51.412345)] * 5), permutations=99)
    assert found.table["pairs"].to_list()[:2] == [10, 0]
    assert found.marked().is_empty()


def test_points_rounded_to_three_decimals_are_told():
    rows = [(day, round(longitude, 3), round(latitude, 3)) for day, longitude, latitude in town(6)]
    (said,) = find_near_repeats(recorded(rows), permutations=19).notes
    assert said.startswith("All points are rounded to 3 decimals of a degree, about 111 m")


def test_small_ratios_are_not_spoken_of_as_near_repeats():
    # A year in which one half of the town was busy first and the other later: no near repeats, and yet no chance.
    chance = np.random.default_rng(7)
    rows = []
    for half, first in ((-2.60, 0), (-2.59, 80)):
        for x, y, day in zip(*chance.normal(0, 250, (2, 700)), chance.integers(first, first + 280, 700), strict=True):
            rows.append((START + timedelta(days=int(day)), half + x * METRE * 1.6, 51.45 + y * METRE))
    found = find_near_repeats(recorded(rows), permutations=199)
    assert found.marked().height > 5
    said = found.sentences()
    assert not any("times as many" in each for each in said)
    assert "by less than a fifth" in said[0]
    assert "slowly grow busier or quieter" in said[0]


def test_bounds_that_can_not_be_are_all_told_at_once():
    with pytest.raises(UsageError) as refused:
        find_near_repeats(recorded([]), metres=(200, 100), days=(), metric="crow", permutations=5)
    assert len(refused.value.problems) == 4
    for metres in ((0, 100), (100, float("inf")), (float("nan"),)):
        with pytest.raises(UsageError, match="must rise from above 0"):
            find_near_repeats(recorded([]), metres=metres)


def test_incidents_are_told_of_as_such():
    lines = find_near_repeats(recorded(town(8), kind="incidents"), permutations=19).lines()
    assert lines[0].startswith("Near repeats: 200 incidents of burglary, 2026-01-")
    assert any("Two logs of one event" in line for line in lines)


@pytest.mark.parametrize(("planted", "stands_out"), [(True, True), (False, False)])
def test_near_repeats_of_the_made_up_force_are_found_where_they_are_planted(planted, stands_out):
    twin = make_twin(
        areas=10, days=400, seed=7, until=date(2026, 11, 23), weekly_incidents=4000, points="even", planted=planted
    )
    rows = twin.tables["incidents"].filter(class_code="burglary").drop_nulls("longitude")
    days = rows["received_at"].dt.convert_time_zone("Europe/London").dt.date()
    town = list(zip(days, rows["longitude"], rows["latitude"], strict=True))
    found = find_near_repeats(recorded(town), metres=(200,), days=(14,), permutations=199)
    assert bool(found.marked().height) is stands_out


def test_progress_is_told_from_part_to_part_and_changes_nothing(monkeypatch):
    monkeypatch.setattr("bluelamp.knox._MOST_DEALT", 40 * 220)  # forty sets at once, as for many more points
    told: list[tuple[str, float]] = []
    of = recorded(town(1, followed=20))
    found = find_near_repeats(of, permutations=99, progress=lambda stage, share: told.append((stage, share)))
    assert found.table.equals(find_near_repeats(of, permutations=99).table)
    assert list(dict.fromkeys(stage for stage, _ in told)) == ["pairs", "dealing days"]
    for stage in ("pairs", "dealing days"):
        shares = [share for name, share in told if name == stage]
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1)
