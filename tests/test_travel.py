"""Minutes between places: closed forms of distance and of streets, a slow search as referee, and planted journeys."""

from __future__ import annotations

import heapq
import sys
from itertools import pairwise, permutations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp.drawn_work import Came, Ground, by_the_hour
from bluelamp.errors import BadData, UsageError
from bluelamp.journeys import find_journeys
from bluelamp.pools import lay_out_pools
from bluelamp.settings import TravelPart
from bluelamp.simulation import simulate
from bluelamp.solving import Pieces, Search, answer, solve
from bluelamp.travel import Driving, Places, StreetProperties, Ways, by_distance, by_records, by_streets, read_streets
from tests.drawn import drawn
from tests.offered import LONDON, STANDARD, hours_from

# Degrees that are a kilometre at the equator, east and north.
EAST, NORTH = 1 / 111.31949, 1 / 110.57428
MINUTES = StreetProperties(minutes="minutes")
ONE_WAY = StreetProperties(minutes="minutes", one_way="oneway")
AT_ONCE = Driving(turnout_minutes=0.0)


def places(km: list[tuple[float, float]], size: float = 1.0, districts: list[str] | None = None) -> Places:
    degrees = np.array(km, dtype=float).reshape(-1, 2) * (EAST, NORTH)
    ids = [f"p{number}" for number in range(len(degrees))]
    return Places(ids, degrees, np.full(len(ids), size), np.ones(len(ids)), districts or [None] * len(ids))


def street(*km: tuple[float, float], **properties: object) -> dict:
    line = [[x * EAST, y * NORTH] for x, y in km]
    return {
        "type": "Feature", "properties": properties, "geometry": {"type": "LineString", "coordinates": line},
    }  # fmt: skip


def over(of: Places, *streets: dict, named: StreetProperties = MINUTES, driving: Driving = AT_ONCE) -> Ways:
    return by_streets(of, read_streets({"features": list(streets)}, "streets.geojson", named, driving), driving)


# ---- by distance ----


def test_a_way_is_turnout_and_the_detour_at_that_speed():
    ways = by_distance(places([(0, 0), (3, 4)], size=4.0), Driving(60, 1.3, 2.0, 0.3))
    assert ways.minutes[0, 1] == pytest.approx(2 + 1.3 * 5, rel=1e-3)
    assert ways.minutes[1, 1] == pytest.approx(2 + 1.3 * 0.52 * 2, rel=1e-3)


def test_the_middle_of_a_square_is_about_half_its_side_from_another_point_of_it():
    points = np.random.default_rng(1).random((2, 200_000, 2))
    assert np.linalg.norm(points[0] - points[1], axis=1).mean() == pytest.approx(0.52, abs=0.003)


def test_an_area_without_a_place_is_as_far_as_any_and_named_and_none_with_one_is_refused():
    of = places([(0, 0), (0, 10), (0, 0)])
    of.degrees[2] = np.nan
    ways = by_distance(of, AT_ONCE)
    assert ways.minutes[2, 0] == pytest.approx(ways.minutes[0, 1])
    assert any("1 area has no known place (p2)" in note for note in ways.notes)
    of.degrees[:] = np.nan
    with pytest.raises(BadData, match="No area has a known place"):
        by_distance(of)


def test_units_begin_where_the_work_is_reached_soonest():
    of = places([(0, 0), (1, 0), (9, 0)])
    assert by_distance(of).centre(np.arange(3)) == 1
    assert by_distance(of._replace(work=np.array([1.0, 1.0, 50.0]))).centre(np.arange(3)) == 2


# ---- over streets ----


def test_ways_in_a_grid_of_streets_are_manhattan_distances():
    corners = [(x, y) for x in range(4) for y in range(3)]
    rows = [street((x, y), (x + 1, y), minutes=2) for x in range(3) for y in range(3)]
    columns = [street((x, y), (x, y + 1), minutes=2) for x in range(4) for y in range(2)]
    found = over(places(corners), *rows, *columns).minutes
    at = np.array(corners)
    manhattan = 2.0 * np.abs(at[:, None] - at[None, :]).sum(axis=2)
    away = ~np.eye(len(at), dtype=bool)
    assert found[away] == pytest.approx(manhattan[away], abs=1e-4)


def test_a_place_beside_a_street_drives_to_it_and_along_a_part_of_it():
    found = over(places([(0.25, 0.1), (0.75, 0), (2, 0)]), street((0, 0), (1, 0), minutes=4), street((1, 0), (2, 0)))
    off = 1.3 * 0.1 / 40 * 60
    assert found.minutes[0, 1] == pytest.approx(off + 2, rel=1e-3)
    # The second says no minutes: it is driven at 40 km/h, and told.
    assert found.minutes[1, 2] == pytest.approx(1 + 1.5, rel=1e-3)
    assert any("1 street of 2 say neither minutes nor a speed" in note for note in found.notes)


def test_a_one_way_ring_is_driven_round_one_way():
    ring = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
    for value, step in (("yes", 1), ("-1", -1)):
        sides = [street(a, b, minutes=1, oneway=value) for a, b in pairwise(ring)]
        found = over(places(ring[:4]), *sides, named=ONE_WAY).minutes
        for of in range(4):
            for to in set(range(4)) - {of}:
                assert found[of, to] == pytest.approx((to - of) * step % 4, abs=1e-4)


def test_an_end_that_cannot_be_left_is_no_place_to_start_from():
    main = [street((0, 0), (1, 0), minutes=1), street((1, 0), (2, 0), minutes=1)]
    dead_end = street((1, 0), (1, 0.5), minutes=1, oneway="yes")
    found = over(places([(0, 0), (1, 0.5)]), *main, dead_end, named=ONE_WAY)
    assert found.minutes[0, 1] == pytest.approx(1 + 1.3 * 0.5 / 40 * 60, rel=1e-3)
    assert any("in 2 parts" in note and "66.7%" in note for note in found.notes)


def test_an_island_is_reached_straight_and_told_and_its_places_need_not_go_over_the_mainland():
    main = [street((x, 0), (x + 1, 0), minutes=1) for x in range(5)]
    island = street((0, 10), (1, 10), minutes=1)
    found = over(places([(0, 0), (0, 10), (1, 10)]), *main, island)
    pace = 1.3 / 40 * 60
    assert found.minutes[0, 1] == pytest.approx(10 * pace, rel=1e-3)
    assert found.minutes[1, 2] == pytest.approx(pace, rel=1e-3)
    assert any("2 areas are farther than 1 km" in note and "p1, p2" in note for note in found.notes)


def test_speeds_in_miles_an_hour_are_those_and_lines_of_several_parts_share_their_minutes():
    named = StreetProperties(speed="limit", speed_unit="mph")
    found = over(places([(0, 0), (1.609344, 0)]), street((0, 0), (1.609344, 0), limit="30"), named=named)
    assert found.minutes[0, 1] == pytest.approx(2, rel=1e-3)
    parts = {"type": "MultiLineString", "coordinates": [[[0, 0], [EAST, 0]], [[EAST, 0], [4 * EAST, 0]]]}
    whole = {"type": "Feature", "properties": {"minutes": 8}, "geometry": parts}
    assert over(places([(0, 0), (1, 0)]), whole).minutes[0, 1] == pytest.approx(2, rel=1e-3)


def test_the_quickest_of_streets_between_two_corners_is_taken():
    streets = [street((0, 0), (1, 0), minutes=minutes) for minutes in (5, 1, 3)]
    assert over(places([(0, 0), (1, 0)]), *streets).minutes[0, 1] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("collection", "sentence"),
    [
        ({"features": []}, "streets.geojson has no lines"),
        ({"features": [street((0, 0), (1, 0), length=1)]}, "No street of streets.geojson has the property 'minutes'"),
        ({"features": [street((0, 0), (500_000, 0), minutes=1)]}, "not in longitude and latitude"),
        (
            {"features": [{"geometry": {"type": "LineString", "coordinates": [[0]]}, "properties": {}}]},
            "has a geometry that can't be read",
        ),
    ],
)
def test_what_is_no_file_of_streets_is_told(collection, sentence):
    with pytest.raises(BadData, match=sentence):
        read_streets(collection, "streets.geojson", MINUTES)


def test_what_to_install_for_ways_over_streets_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    monkeypatch.setitem(sys.modules, "scipy.sparse.csgraph", None)
    with pytest.raises(UsageError, match=r"pip install 'bluelamp\[solve\]'"):
        over(places([(0, 0), (1, 0)]), street((0, 0), (1, 0), minutes=1))


def _town(seed: int) -> tuple[list[tuple[int, int, float, str]], np.ndarray, list[tuple[int, float]]]:
    """Draw corners, streets between them that lead everywhere, and places on streets."""
    random = np.random.default_rng(seed)
    corners = random.random((int(random.integers(3, 9)), 2)) * 5
    pairs = [(int(random.integers(0, each)), each) for each in range(1, len(corners))]
    # Two streets on the same line would leave it open which of them a place is on.
    more = {tuple(sorted(random.choice(len(corners), 2, replace=False).tolist())) for _ in range(8)} - set(pairs)
    extra = sorted(more)[: int(random.integers(0, 8))]
    ways = ["no"] * len(pairs) + list(random.choice(["no", "yes", "-1"], len(extra)))
    minutes = random.random(len(ways)) * 9 + 0.1
    streets = [(int(a), int(b), float(m), str(w)) for (a, b), m, w in zip(pairs + extra, minutes, ways, strict=True)]
    on = [(int(random.integers(0, len(streets))), float(random.random())) for _ in range(4)]
    return streets, corners, on


def _slowly(streets: list[tuple[int, int, float, str]], on: list[tuple[int, float]]) -> np.ndarray:
    """Find the quickest ways with every place a corner of its own, one start at a time."""
    ways: dict[object, list[tuple[object, float]]] = {}
    for number, (a, b, minutes, oneway) in enumerate(streets):
        stops = [(0.0, a), *sorted((s, f"place {i}") for i, (at, s) in enumerate(on) if at == number), (1.0, b)]
        for (low, here), (high, there) in pairwise(stops):
            if oneway != "-1":
                ways.setdefault(here, []).append((there, (high - low) * minutes))
            if oneway != "yes":
                ways.setdefault(there, []).append((here, (high - low) * minutes))
    found = np.full((len(on), len(on)), np.inf)
    for start in range(len(on)):
        known: dict[object, float] = {}
        ahead: list[tuple[float, int, object]] = [(0.0, 0, f"place {start}")]
        while ahead:
            took, _, here = heapq.heappop(ahead)
            if here not in known:
                known[here] = took
                for there, more in ways.get(here, []):
                    heapq.heappush(ahead, (took + more, id(there), there))
        found[start] = [known[f"place {to}"] for to in range(len(on))]
    return found


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_ways_are_those_of_a_slow_search_and_no_way_over_a_third_place_is_shorter(seed: int):
    streets, corners, on = _town(seed)
    lines = [street(corners[a], corners[b], minutes=minutes, oneway=way) for a, b, minutes, way in streets]
    middles = [corners[streets[at][0]] * (1 - s) + corners[streets[at][1]] * s for at, s in on]
    found = over(places(middles), *lines, named=ONE_WAY).minutes
    away = ~np.eye(len(on), dtype=bool)
    # A point on a street that is given in degrees is some centimetres from it.
    assert found[away] == pytest.approx(_slowly(streets, on)[away], abs=0.01)
    for of, by, to in permutations(range(len(on)), 3):
        assert found[of, to] <= found[of, by] + found[by, to] + 0.01


# ---- as recorded ----


def _recorded(
    of: Places, number: int, *, noise: float, knows: bool = True, seed: int = 1, slow: float = 1.0
) -> pl.DataFrame:
    """Draw journeys of 3 minutes and 1.5 a kilometre, so many times as long to the last place, a third more at noon."""
    random = np.random.default_rng(seed)
    begins, ends = random.integers(0, len(of.ids), (2, number))
    hour = random.integers(0, 24, number)
    xy = of.degrees / (EAST, NORTH)
    km = np.where(begins == ends, 0.52, np.linalg.norm(xy[begins] - xy[ends], axis=1))
    minutes = (3 + 1.5 * km) * np.where(ends == len(of.ids) - 1, slow, 1.0) * np.where(hour == 12, 4 / 3, 1.0)
    grade = np.where(random.random(number) < 0.5, "1", "2")
    minutes = minutes * np.where(grade == "2", 1.5, 1.0) * np.exp(noise * random.standard_normal(number) - noise**2 / 2)
    names = np.array(of.ids)
    return pl.DataFrame(
        {"from_area": names[begins], "to_area": names[ends], "grade": grade, "hour": hour, "minutes": minutes}
    ).with_columns(pl.col("from_area") if knows else pl.lit(None, dtype=pl.String).alias("from_area"))


TOWN = [(x, y) for x in range(0, 12, 3) for y in range(0, 9, 3)]


def test_planted_distance_area_hour_and_grade_are_found_and_the_rest_is_the_variation():
    of = places(TOWN)
    ways = by_records(of, _recorded(of, 40_000, noise=0.4, slow=1.6))
    km = np.linalg.norm(np.array(TOWN)[:, None] - np.array(TOWN)[None, :], axis=2)
    for grade, times in (("1", 1.0), ("2", 1.5)):
        expected = (3 + 1.5 * km[:-1, :-1]) * times
        away = ~np.eye(len(expected), dtype=bool)
        assert (ways.minutes[:-1, :-1] * ways.of_grade[grade])[away] == pytest.approx(expected[away], rel=0.1)
    assert ways.minutes[:-1, -1].mean() / ways.minutes[-1, :-1].mean() == pytest.approx(1.6, rel=0.07)
    assert ways.of_hour[12] / np.delete(ways.of_hour, 12).mean() == pytest.approx(4 / 3, rel=0.07)
    assert ways.variation == pytest.approx(np.sqrt(np.expm1(0.4**2)), rel=0.05)


def test_few_journeys_leave_an_area_near_the_distance_model():
    of = places(TOWN)
    slow = [by_records(of, _recorded(of, number, noise=0.5, slow=3.0)) for number in (150, 40_000)]
    over_others = [each.minutes[:-1, -1].mean() / each.minutes[-1, :-1].mean() for each in slow]
    assert 1.0 < over_others[0] < 0.85 * over_others[1]


def test_ways_of_journeys_without_a_beginning_are_as_long_from_everywhere():
    of = places(TOWN)
    ways = by_records(of, recorded := _recorded(of, 20_000, noise=0.4, knows=False))
    assert np.ptp(ways.minutes, axis=0).max() == 0
    reached = recorded.filter(pl.col("to_area") == "p4")["minutes"].mean()
    grade = np.mean(list(ways.of_grade.values()))
    assert ways.minutes[0, 4] * grade == pytest.approx(reached, rel=0.05)
    assert any("a nearer unit is no quicker" in note for note in ways.notes)
    nowhere = of._replace(degrees=np.full_like(of.degrees, np.nan))
    assert by_records(nowhere, recorded).minutes[0, 4] == pytest.approx(ways.minutes[0, 4], rel=0.05)


def test_too_few_journeys_give_the_distance_model_and_mistakes_are_told():
    of = places(TOWN)
    few = by_records(of, _recorded(of, 39, noise=0.1))
    assert few.minutes.tolist() == by_distance(of).minutes.tolist()
    assert few.notes[0].startswith("Only 39 journeys")
    odd = _recorded(of, 400, noise=0.1).with_columns(
        minutes=pl.when(pl.int_range(pl.len()) < 3).then(500.0).otherwise("minutes")
    )
    assert any("3 journeys longer than 3 hours" in note for note in by_records(of, odd).notes)


def test_a_unit_sets_out_from_where_its_last_log_was():
    rows = [
        ("u", "available", "L0", 0, 0, 60), ("u", "en_route", "L1", 1, 60, 70), ("u", "at_scene", "L1", 1, 70, 100),
        ("u", "en_route", "L2", 2, 100, 108), ("u", "at_scene", "L2", 2, 108, 120),
        ("u", "en_route", "L1", 3, 600, 605), ("u", "at_scene", "L1", 3, 605, 700),
        ("v", "at_scene", "L2", 4, 0, 60),
    ]  # fmt: skip
    start = pl.datetime(2026, 1, 5, time_zone="UTC")
    attendances = pl.DataFrame(
        rows, schema=["unit_id", "stage", "incident_id", "attendance", "from", "to"], orient="row"
    ).with_columns(
        starts_at=start + pl.duration(minutes="from"), ends_at=start + pl.duration(minutes="to"),
        begun_by=pl.lit(None, dtype=pl.String),
    )  # fmt: skip
    placed = pl.DataFrame({"incident_id": ["L1", "L2"], "area_id": ["a", "b"], "grade": ["1", "2"]})
    found = find_journeys(attendances, placed)
    assert found.select("from_area", "area_id", "grade").rows() == [(None, "a", "1"), ("a", "b", "2"), (None, "a", "1")]
    assert (found["arrived_at"] - found["sent_at"]).dt.total_minutes().to_list() == [10, 8, 5]


# ---- in a plan ----


SERVICE = drawn(
    "service_times",
    "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | sd_minutes | source",
    "x          | 1          | 1              | 1                    | 30               | 20         | drawn",
)
TARGETS = drawn("standards", STANDARD, "1 | all | 15 | 0.9 | received | arrived | 2 | 7")


def ground(minutes: list[list[float]], variation: float = 0.0, days: int = 1) -> Ground:
    hours, areas = hours_from(days=days), [f"a{number}" for number in range(len(minutes))]
    rows = [f"R1 | response | {area} | 0 | 24" for area in areas]
    cover = drawn("pools", "pool_id | role_code | area_id | from_hour | to_hour", *rows)
    ways = Ways(np.array(minutes), np.ones(len(areas)), variation)
    return Ground.lay(
        hours, lay_out_pools(cover, "response", areas, hours, LONDON), [("x", "1")], ["all"] * len(areas), SERVICE,
        TARGETS, LONDON, ways=ways,
    )  # fmt: skip


def calls(number: int, places: int, seed: int = 1) -> Came:
    random = np.random.default_rng(seed)
    minute = np.sort(random.random(number) * 1440)
    return Came(random.integers(0, places, number), np.zeros(number, dtype=np.int64), minute, random.random(number))


def test_calls_are_late_by_the_way_that_was_driven():
    # From either area the first is reached in 5 minutes, the second in 14: one minute more than handling leaves.
    of = ground([[5.0, 14.0], [5.0, 14.0]])
    drawn_calls = of.draw(calls(200, 2), np.random.default_rng(2))
    assert np.isnan(drawn_calls.jobs.travel).all()
    units, rules = by_the_hour(np.full((1, 24), 60), of)
    found = answer(of, [drawn_calls], units, rules=rules)
    second = drawn_calls.jobs.place[of.hour_of(drawn_calls.jobs.ready) >= 0] == 1
    assert found.late.sum() / found.told.sum() == pytest.approx(second.mean(), abs=0.03)
    sooner = ground([[5.0, 13.0], [5.0, 13.0]])
    assert answer(sooner, [drawn_calls], units, rules=rules).late.sum() == 0


def test_no_units_are_added_for_calls_that_are_too_far_away_for_any():
    of = ground([[20.0, 2.0], [20.0, 2.0]])
    cases, unseen = (
        [of.draw(calls(60, 2, seed), np.random.default_rng(seed)) for seed in range(first, first + 30)]
        for first in (0, 30)
    )
    pieces = Pieces.of_hours(of.pool_hours.runs)
    nobody = np.zeros((1, 24), dtype=np.int64)
    found = solve(of, cases, pieces, np.ones(24, dtype=np.int64), nobody, search=Search(tries=16))
    assert found.seen.too_far[0, 0] == pytest.approx(0.5, abs=0.05)
    assert found.units.max() <= 5
    assert found.seen.late.sum() / found.seen.told.sum() > 0.5
    # By chance more calls than elsewhere are too far away in some hours: one unit more is tried there, and no second.
    repaired = solve(of, cases, pieces, np.ones(24, dtype=np.int64), nobody, unseen=unseen, search=Search(tries=16))
    more = repaired.number - found.number
    assert (more.min(), more.max()) == (0, 1)


def test_a_journey_varies_about_its_mean():
    jobs = ground([[5.0]], variation=0.5).draw(calls(8000, 1), np.random.default_rng(2)).jobs
    assert jobs.stretch.mean() == pytest.approx(1, rel=0.03)
    assert jobs.stretch.std() == pytest.approx(0.5, rel=0.1)


def test_the_nearest_of_the_units_that_are_wanted_goes_and_nobody_else():
    of = ground([[1.0, 30.0], [30.0, 1.0]])
    jobs = of.draw(calls(60, 2), np.random.default_rng(3)).jobs
    hour = of.hour_of(jobs.ready)
    night = (hour >= 0) & (hour < 12)
    ways = []
    for by_day in (1, 20):
        units, rules = by_the_hour(np.array([[1] * 12 + [by_day] * 12]), of)
        found = simulate(jobs, units, of.cover, rules, of.travel, hours=of.hours)
        ways.append([float(np.nanmean((found.arrived - found.sent)[each])) for each in (night, ~night)])
    (few_by_night, few_by_day), (many_by_night, many_by_day) = ways
    assert many_by_day < 0.5 * few_by_day
    assert many_by_night > 0.5 * few_by_night


def test_streets_need_a_file():
    with pytest.raises(ValueError, match="needs 'streets_file'"):
        TravelPart(by="streets")
