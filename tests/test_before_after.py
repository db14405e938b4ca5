"""Before and after: each event counts once, the paper's example comes out of points, and doubts are told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import tables
from bluelamp.before_after import compare_periods
from bluelamp.errors import BadData, UsageError
from bluelamp.geography import read_ground
from tests.recorded import recorded

BEFORE, AFTER = (date(2026, 1, 5), date(2026, 3, 29)), (date(2026, 3, 30), date(2026, 6, 21))
LATITUDE = 51.45
# Squares of half a kilometre, a kilometre and more apart, in degrees.
NORTH, EAST = 1 / 111_250, 1 / 69_490


def square(west: float, south: float, metres: float = 500) -> list[list[float]]:
    """Corners of a square whose south-west one lies so many metres from -2.6, 51.45."""
    x, y = -2.6 + west * EAST, LATITUDE + south * NORTH
    east, north = x + metres * EAST, y + metres * NORTH
    return [[x, y], [east, y], [east, north], [x, north], [x, y]]


def boundary(corners: list[list[float]]) -> str:
    return json.dumps({"type": "Polygon", "coordinates": [corners]})


def areas(**drawn: list[list[float]] | None) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"area_id": code, "area_name": code, "level": "area", "kind": "urban", "is_approximate": False,
             "area_km2": None if corners is None else 0.25, "boundary": None if corners is None else boundary(corners)}
            for code, corners in drawn.items()
        ],
        schema=tables.table("areas").polars_schema,
    )  # fmt: skip


TOWN = areas(A=square(0, 0), B=square(3_000, 0))
# Where the middle of each part lies, in metres: treated, control, and the ring about each.
MIDDLE = {"treated": (250, 250), "control": (3_250, 250), "ring": (-100, 250), "ring_control": (3_650, 250)}


def spread(**counts: tuple[int, int]) -> list[tuple[date, float, float]]:
    """Events in the middle of each part, so many in the days before and so many after."""
    rows = []
    for part, both in counts.items():
        for number, (first, last) in zip(both, (BEFORE, AFTER), strict=True):
            days = (last - first).days + 1
            x, y = MIDDLE[part]
            rows += [(first + timedelta(days=k % days), -2.6 + x * EAST, LATITUDE + y * NORTH) for k in range(number)]
    return rows


PAPER = {"treated": (207, 110), "control": (308, 318), "ring": (178, 157), "ring_control": (150, 140)}
SIDES = {"treated": ["A"], "control": ["B"], "before": BEFORE, "after": AFTER}


def test_the_paper_s_example_comes_out_of_points_on_the_ground():
    found = compare_periods(recorded(spread(**PAPER), areas=TOWN), **SIDES, ring_metres=300)
    rows = {row["part"]: row for row in found.table.iter_rows(named=True)}
    assert {part: (rows[part]["before"], rows[part]["after"]) for part in PAPER} == PAPER
    assert rows["total"]["difference"] == -118
    assert rows["total"]["z"] == pytest.approx(-2.98, abs=0.005)
    assert (rows["total"]["difference_low"], rows["total"]["difference_high"]) == pytest.approx((-196, -40), abs=0.5)
    assert rows["local"]["difference"] == -107
    assert rows["displaced"]["difference"] == -11
    assert tables.check(found.table, "before_after").equals(found.table)
    said = found.sentences()
    assert said[-2].startswith("At the treated place that is fewer than chance alone makes likely")
    assert said[-1].startswith("With its ring that is fewer than chance alone makes likely")


def test_places_that_are_named_count_what_has_no_point_too():
    rows = [(day, None, None) for day, _, _ in spread(treated=(30, 12), control=(28, 31))]
    found = compare_periods(recorded(rows, areas=TOWN, area_ids=["A"] * 42 + ["B"] * 59), **SIDES)
    assert found.row("treated")["after"] == 12
    assert found.row("control")["after"] == 31
    assert found.row("total")["difference"] == -21
    assert found.row("displaced") == {}


def test_names_are_enough_where_a_force_has_no_areas():
    rows = [(day, None, None) for day, _, _ in spread(treated=(30, 12), control=(28, 31))]
    found = compare_periods(recorded(rows, area_ids=["A"] * 42 + ["B"] * 59), **SIDES)
    assert found.row("total")["difference"] == -21


def test_a_district_is_all_of_its_areas():
    town = TOWN.with_columns(parent_id=pl.Series(["D", None], dtype=pl.String))
    district = areas(D=square(0, 0)).with_columns(level=pl.lit("district"))
    rows = spread(treated=(30, 12), control=(28, 31))
    found = compare_periods(recorded(rows, areas=pl.concat([town, district])), **SIDES | {"treated": ["D"]})
    assert found.row("treated")["before"] == 30


def test_a_file_says_where_it_was_done(tmp_path: Path):
    file = tmp_path / "patrols.geojson"
    feature = {"type": "Feature", "properties": {}, "geometry": json.loads(boundary(square(0, 0)))}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    rows = recorded(spread(**PAPER), areas=TOWN)
    of_file = compare_periods(rows, **SIDES | {"treated": [str(file)]}, ring_metres=300)
    of_area = compare_periods(rows, **SIDES, ring_metres=300)
    assert of_file.table.equals(of_area.table)


def test_periods_of_unequal_length_are_put_on_one():
    # As many a day before and after in both places: no change.
    longer = (BEFORE[0], AFTER[1])
    year = (AFTER[1] + timedelta(days=1), AFTER[1] + timedelta(days=84))
    rows = []
    for x, y in (MIDDLE["treated"], MIDDLE["control"]):
        rows += [(BEFORE[0] + timedelta(days=k), -2.6 + x * EAST, LATITUDE + y * NORTH) for k in range(168 + 84)]
    found = compare_periods(recorded(rows, areas=TOWN), **SIDES | {"before": longer, "after": year})
    assert found.row("treated")["difference"] == 0
    assert found.row("treated")["ratio"] == 1
    # 84 after, and 168 before in a period twice as long: 84 + 168 / 4, for each of two places.
    assert found.row("total")["standard_error"] == pytest.approx((2 * (84 + 168 / 4)) ** 0.5, abs=1e-4)
    assert any("168 days and 84 days long" in each for each in found.sentences())


def test_a_control_of_another_size_is_divided_by_how_many_times_as_large_it_is():
    town = areas(A=square(0, 0), B=square(3_000, 0, 1_000))
    found = compare_periods(recorded(spread(treated=(40, 20), control=(80, 40)), areas=town), **SIDES, ring_metres=200,
                            by_size=True)  # fmt: skip
    assert found.row("control")["size"] == pytest.approx(4, abs=0.01)
    assert found.row("local")["difference"] == pytest.approx(-20 + 40 / 4, abs=0.05)
    assert found.row("ring")["area_km2"] == pytest.approx(4 * 0.5 * 0.2 + np.pi * 0.04, rel=0.01)


EVENTS = st.lists(
    st.tuples(st.sampled_from([BEFORE[0], BEFORE[1], AFTER[0], AFTER[1], date(2026, 1, 4), date(2026, 6, 22)]),
              st.integers(-1_500, 5_000), st.integers(-1_200, 1_700)),
    max_size=60,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.sampled_from([50, 300, 2_400]))
def test_every_event_counts_once_at_most_and_the_first_and_last_day_are_in_the_period(events, metres):
    rows = [(day, -2.6 + x * EAST, LATITUDE + y * NORTH) for day, x, y in events]
    found = compare_periods(recorded(rows, areas=TOWN), **SIDES, ring_metres=metres).table
    counted = found.filter(pl.col("part").is_in(["treated", "control", "ring", "ring_control"]))
    for name, period in (("before", BEFORE), ("after", AFTER)):
        near = [each for each in events if period[0] <= each[0] <= period[1]]
        assert counted[name].sum() <= len(near)
        inside = [each for each in near if 1 < each[1] < 499 and 1 < each[2] < 499]
        on_border = [each for each in near if -2 < each[1] < 502 and -2 < each[2] < 502]
        assert len(inside) <= counted.filter(part="treated")[name].item() <= len(on_border)


def test_ground_that_lies_in_the_ring_is_no_control():
    town = areas(A=square(0, 0), B=square(600, 0))
    found = compare_periods(recorded(spread(treated=(30, 20)), areas=town), **SIDES, ring_metres=200)
    assert any("of the control lies in the ring about the treated place" in note for note in found.notes)
    with pytest.raises(UsageError, match="Nothing is left of the control"):
        compare_periods(recorded([], areas=town), **SIDES, ring_metres=1_200)


def test_a_control_that_shares_ground_with_the_treated_place_is_refused():
    town = areas(A=square(0, 0), B=square(250, 0))
    with pytest.raises(UsageError, match=r"share 0.125 km² of ground"):
        compare_periods(recorded([], areas=town), **SIDES, ring_metres=100)
    with pytest.raises(UsageError, match="share areas: A"):
        compare_periods(recorded([], areas=TOWN), **SIDES | {"control": ["A", "B"]})


def test_what_can_not_be_compared_is_told_all_at_once():
    with pytest.raises(UsageError) as refused:
        compare_periods(
            recorded([]), treated=[], control=[], before=(date(2026, 2, 1), date(2026, 1, 1)), after=AFTER,
            ring_metres=-5, ring_control=[],
        )  # fmt: skip
    assert len(refused.value.problems) == 4
    with pytest.raises(UsageError, match="they overlap"):
        compare_periods(recorded([]), **SIDES | {"after": BEFORE})
    with pytest.raises(UsageError, match="'A1' is neither an area in force on 2026-06-21 nor a file of boundaries"):
        compare_periods(recorded([], areas=TOWN), **SIDES | {"treated": ["A1"]})
    with pytest.raises(UsageError, match="no boundaries"):
        compare_periods(recorded([], areas=areas(A=None, B=None)), **SIDES, ring_metres=100)
    with pytest.raises(UsageError, match="size of a place is not known"):
        compare_periods(recorded([], areas=areas(A=None, B=None)), **SIDES, by_size=True)


def test_places_that_were_unlike_before_get_no_verdict():
    found = compare_periods(recorded(spread(treated=(100, 70), control=(400, 280)), areas=TOWN), **SIDES)
    assert found.row("total")["difference"] == 90
    assert found.row("local")["ratio"] == 1
    assert found.sentences()[-1].startswith("No verdict by the difference")
    assert any("had 100 and the control 400" in note for note in found.notes)


def test_a_place_that_changed_is_told_apart_from_a_ring_that_can_not_tell():
    found = compare_periods(
        recorded(spread(treated=(97, 54), control=(102, 105), ring=(106, 113), ring_control=(107, 111)), areas=TOWN),
        **SIDES, ring_metres=300,
    )  # fmt: skip
    said = found.sentences()
    assert said[-2].startswith("At the treated place that is fewer than chance alone makes likely")
    assert said[-1].startswith("With its ring that may be chance")
    assert said[-1].endswith("The ring's own chance is in that too.")


def test_small_counts_are_told():
    found = compare_periods(recorded(spread(treated=(12, 4), control=(14, 13)), areas=TOWN), **SIDES)
    few = "Fewer than 10 were counted in one of the periods in the treated place"
    assert any(note.startswith(few) for note in found.notes)
    nothing = compare_periods(recorded([], areas=TOWN), **SIDES)
    assert nothing.row("total")["z"] is None
    assert "may be chance" in nothing.sentences()[-1]


def test_weeks_that_vary_by_more_than_chance_are_told():
    calm = spread(treated=(84, 60), control=(84, 84))
    bursts = [(BEFORE[0] + timedelta(days=14), longitude, latitude) for _, longitude, latitude in calm[:40]]
    assert not any("Weeks before vary" in note for note in compare_periods(recorded(calm, areas=TOWN), **SIDES).notes)
    found = compare_periods(recorded([*calm, *bursts], areas=TOWN), **SIDES)
    assert any("times as wide" in note for note in found.notes)


def test_a_place_chosen_after_a_bad_spell_is_told_that_it_may_fall_back_by_itself():
    rows = spread(treated=(60, 40), control=(50, 50))
    x, y = MIDDLE["treated"]
    earlier = [(BEFORE[0] - timedelta(days=1 + k), -2.6 + x * EAST, LATITUDE + y * NORTH) for k in range(25)]
    x, y = MIDDLE["control"]
    as_ever = [(BEFORE[0] - timedelta(days=1 + k), -2.6 + x * EAST, LATITUDE + y * NORTH) for k in range(50)]
    found = compare_periods(recorded([*rows, *earlier, *as_ever], areas=TOWN), **SIDES)
    assert any("regression to the mean" in note for note in found.notes)
    assert not any("bad spell" in note for note in compare_periods(recorded(rows, areas=TOWN), **SIDES).notes)


def test_periods_of_other_seasons_are_told():
    def told(after: tuple[date, date]) -> bool:
        found = compare_periods(recorded([], areas=TOWN), **SIDES | {"after": after})
        return any("other seasons" in note for note in found.notes)

    assert told(AFTER)
    assert not told((date(2027, 1, 5), date(2027, 3, 29)))


def test_a_period_that_is_not_known_whole_is_told():
    rows = spread(treated=(60, 40), control=(50, 50))

    def told(first: date, last: date) -> str:
        of = replace(recorded(rows, areas=TOWN), known=(first, last))
        return " ".join(compare_periods(of, **SIDES).notes)

    long_ago, later = date(2025, 1, 1), date(2026, 9, 1)
    assert "not known whole" in told(long_ago, date(2026, 6, 1))
    assert "not known whole" in told(date(2026, 2, 1), later)
    assert "ends 9 days before the last one known: some of it may be missing yet" in told(long_ago, date(2026, 6, 30))
    assert not any(words in told(long_ago, later) for words in ("whole", "missing", "hole"))


def test_days_without_anything_anywhere_are_told_where_days_are_busy():
    hole = (date(2026, 4, 6), date(2026, 4, 8))
    rows = [each for each in spread(treated=(900, 900), control=(900, 900)) if not hole[0] <= each[0] <= hole[1]]
    of = replace(recorded(rows, areas=TOWN), known=(date(2025, 1, 1), date(2026, 9, 1)))
    assert "3 days of the period after have none anywhere in the force" in " ".join(compare_periods(of, **SIDES).notes)


@pytest.mark.parametrize("across", [179.998, -180.0])
def test_the_date_line_runs_through_no_place(across):
    def moved(frame: pl.DataFrame) -> pl.DataFrame:
        shift = across + 2.6

        def turn(text: str) -> str:
            shape = json.loads(text)
            ring = [[each[0] + shift, each[1]] for each in shape["coordinates"][0]]
            return json.dumps({"type": "Polygon", "coordinates": [ring]})

        return frame.with_columns(boundary=pl.col("boundary").map_elements(turn, return_dtype=pl.String))

    rows = [(day, (east + across + 2.6 + 180) % 360 - 180, north) for day, east, north in spread(**PAPER)]
    found = compare_periods(recorded(rows, areas=moved(TOWN)), **SIDES, ring_metres=300)
    assert found.row("total")["difference"] == -118


def test_ground_is_read_whatever_its_features_are_called(tmp_path: Path):
    file = tmp_path / "places.geojson"
    features = [
        {"type": "Feature", "properties": {"any": 1}, "geometry": json.loads(boundary(square(0, 0)))},
        {"type": "Feature", "properties": None, "geometry": None},
        {"type": "Feature", "properties": {}, "geometry": json.loads(boundary(square(500, 0)))},
    ]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    ground, notes = read_ground(file)
    assert ground.geom_type == "Polygon"
    assert notes == []
    line = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [-2.6, 51.4]}}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [line]}))
    with pytest.raises(BadData, match="has no area"):
        read_ground(file)
    broken = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": "x"}}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [broken]}))
    with pytest.raises(BadData, match="can't be read"):
        read_ground(file)
