"""Where incidents count: by which rule, never dropped, and where the areas of today are."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawn import drawn

from bluelamp import geography, sources, tables
from bluelamp.incidents.default_points import find_default_points
from bluelamp.incidents.places import NOWHERE, WORDS, Placed, place_incidents
from bluelamp.settings import DefaultPointPart
from bluelamp.sources.twin import make_twin

JUNE = date(2026, 6, 1)
TODAY = date(2026, 7, 1)
STATION = DefaultPointPart(name="Central", longitude=0.05, latitude=51.05)


def area(code: str, west: float, east: float, *, parent: str = "N", south: float = 51.0, north: float = 51.1) -> dict:
    return {
        "area_id": code, "level": "area", "parent_id": parent, "kind": "all", "is_approximate": False,
        "boundary": shapely.to_geojson(shapely.box(west, south, east, north)),
    }  # fmt: skip


def areas_of(*rows: dict[str, Any]) -> pl.DataFrame:
    return tables.check(pl.DataFrame(rows, schema=tables.table("areas").polars_schema), "areas")


def held(until: date | None, since: date | None, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [row | {"valid_from": since, "valid_to": until} for row in rows]


# Two districts: A and B in N, C in S. A degree of longitude is 70 km here, so that 0.001 is 70 m.
THREE = areas_of(area("A", 0.0, 0.1), area("B", 0.1, 0.2), area("C", 0.2, 0.3, parent="S"))


def calls(*rows: str) -> pl.DataFrame:
    """Incidents drawn as `id | area_id | longitude | latitude | class_code | place_token | received_at`."""
    header = "incident_id | area_id | longitude | latitude | class_code | place_token | received_at | origin"
    defaults = ["", "", "", "", "theft", "", "2026-06-20T12:00:00Z", "public"]
    cells = [[each.strip() for each in row.split("|")] for row in rows]
    return drawn(
        "incidents", header,
        *(" | ".join(given or other for given, other in zip(row + [""] * 8, defaults, strict=False)) for row in cells),
    )  # fmt: skip


def placed(rows: pl.DataFrame, areas: pl.DataFrame = THREE, day: date = TODAY, **how: Any) -> Placed:
    return place_incidents(rows, areas, day, "Europe/London", **how)


def told(found: Placed) -> dict[str, tuple[str, str | None]]:
    return {
        name: (rule, area_id)
        for name, rule, area_id in found.incidents.select("incident_id", "place_rule", "area_id").iter_rows()
    }


def test_each_incident_counts_by_one_rule_and_is_told_which():
    rows = calls(
        "named     | A",
        "elsewhere | A | 0.25   | 51.05",
        "in B      |   | 0.15   | 51.05",
        "near C    |   | 0.3015 | 51.05",
        "far       |   | 0.4    | 51.05",
        "strange   | X",
        "strange B | X | 0.15   | 51.05",
        "nowhere   |",
    )
    found = placed(rows)
    assert told(found) == {
        "named": ("given", "A"),
        "elsewhere": ("given", "A"),
        "in B": ("point", "B"),
        "near C": ("border", "C"),
        "far": ("outside", None),
        "strange": ("strange_area", None),
        "strange B": ("point", "B"),
        "nowhere": ("unknown", None),
    }
    assert found.incidents.drop("area_id", "place_rule").equals(rows.drop("area_id")), "in their order, and no more"
    assert sum(found.counts.values()) == rows.height
    assert "2 (25.0%) count in the area that their point lies in; 1 (12.5%) lie outside every area" in found.notes()[0]


def test_the_border_is_as_wide_as_the_force_says():
    rows = calls("near | | 0.3015 | 51.05")  # 105 m east of C
    assert told(placed(rows, border_metres=100))["near"] == ("outside", None)
    assert told(placed(rows, border_metres=110))["near"] == ("border", "C")
    assert told(placed(rows, border_metres=0))["near"] == ("outside", None)


def test_logs_at_a_listed_point_are_shared_out_over_its_district_as_their_class_lies_there():
    rows = calls(
        *(f"a{n} | A | | | theft" for n in range(30)),
        *(f"b{n} | B | | | theft" for n in range(10)),
        *(f"f{n} | B | | | fraud" for n in range(5)),
        *(f"c{n} | C | | | theft" for n in range(100)),
        *(f"t{n} | A | 0.05 | 51.05 | theft" for n in range(40)),
        *(f"u{n} |   | 0.05 | 51.05 | fraud" for n in range(6)),
        *(f"v{n} |   | 0.05 | 51.05 | alarm" for n in range(45)),
        "typed | B | 0.05 | 51.05 | theft",
    )
    found = placed(rows, default_points=[STATION]).incidents
    by = found.filter(pl.col("place_rule") == "default_point")
    counts = {
        key: number
        for *key, number in by.group_by("class_code", "area_id").len().sort("class_code", "area_id").iter_rows()
        for key in [tuple(key)]
    }
    # 3 to 1 as thefts lie in the district; fraud is in B alone; alarms, of which there are none, as everything does.
    assert counts[("fraud", "B")] == 6
    assert counts[("theft", "A")] == pytest.approx(30, abs=2)
    assert counts[("theft", "B")] == 40 - counts[("theft", "A")]
    assert counts[("alarm", "A")] == pytest.approx(30, abs=2)
    assert "C" not in by["area_id"].to_list(), "nothing leaves the district"
    typed = found.filter(pl.col("incident_id") == "typed").row(0, named=True)
    assert (typed["place_rule"], typed["area_id"]) == ("given", "B"), "an area that is not the point's was written down"


def test_a_point_is_as_wide_as_the_force_says():
    rows = calls("at | A | 0.05 | 51.05", "near | A | 0.0505 | 51.05", "b | B")  # 35 m east
    assert told(placed(rows, default_points=[STATION]))["near"][0] == "given"
    wide = STATION.model_copy(update={"radius_metres": 50})
    assert told(placed(rows, default_points=[wide]))["near"][0] == "default_point"
    far = STATION.model_copy(update={"name": "Harbour", "latitude": 52.0})
    assert (
        "Incidents at default points that the force lists: Central (2), Harbour (0)."
        in placed(rows, default_points=[wide, far]).notes()
    )


def at_their_places(places: int, logs: int) -> list[str]:
    """Logs of so many places along area B, each at its own point."""
    return [
        f"p{n}-{log} | B | {0.11 + n / 1000:.3f} | 51.05 | theft | p:{n}" for n in range(places) for log in range(logs)
    ]


def test_a_point_where_many_places_lie_that_usually_lie_elsewhere_is_a_default_point():
    rows = calls(
        *at_their_places(20, 2),
        *(f"s{n} | A | 0.05 | 51.05 | theft | p:{n}" for n in range(20)),
        *(f"once{n} | A | 0.05 | 51.05 | theft | q:{n}" for n in range(4)),
    )
    found = placed(rows)
    assert found.found.points.rows() == [(None, 0.05, 51.05, "A", 24)]
    assert found.notes()[1] == (
        "Default points told by many incidents whose place usually lies elsewhere: 51.050 0.050 in 'A' (24). List them "
        "under [[areas.default_points]], with their names."
    )
    answers = told(found)
    assert {answers[f"s{n}"] for n in range(20)} == {("usual_place", "B")}
    assert {answers[f"once{n}"] for n in range(4)} == {("default_point", "B")}


def test_a_place_with_many_logs_of_its_own_is_no_default_point_but_a_caller_there_is_told():
    rows = calls(
        *at_their_places(12, 2),
        *(f"mall{n} | A | 0.05 | 51.05 | theft | p:mall" for n in range(60)),
        "caller | A | 0.05 | 51.05 | theft | p:3",
    )
    found = placed(rows)
    assert found.found.points.is_empty()
    assert told(found)["caller"] == ("usual_place", "B")
    assert told(found)["mall7"] == ("given", "A")


def test_a_busy_point_is_named_and_nothing_is_moved():
    classes = ("theft", "fraud", "alarm", "traffic")
    rows = calls(
        *(f"m{n} | A | 0.05 | 51.05 | {classes[n % 4]}" for n in range(120)),
        *(f"o{n} | B | {0.11 + n / 10000:.4f} | 51.05 | {classes[n % 4]}" for n in range(300)),
    )
    found = placed(rows)
    assert set(found.counts) == {"given"}
    (note,) = found.notes()
    assert note.startswith(
        "May be default points, or busy places: 51.050 0.050 in 'A' (120 incidents, 28.6%, of 4 class"
    )
    few = placed(rows.with_columns(class_code=pl.lit("theft")).head(120).vstack(rows.tail(300)))
    assert few.notes() == [], "a place with a class of its own is a shop"


def test_a_point_whose_logs_name_many_areas_is_named():
    many = areas_of(*(area(f"A{n}", n / 10, n / 10 + 0.1) for n in range(12)))
    rows = calls(*(f"m{n} | A{n % 12} | 0.05 | 51.05" for n in range(48)))
    assert "(48 incidents, 100.0%, of 1 class, which name 12 areas)" in placed(rows, many).notes()[0]


# ---- beats redrawn ----

MAY = held(date(2026, 5, 31), None, area("A", 0.0, 0.1), area("B", 0.1, 0.2), area("C", 0.2, 0.3), area("D", 0.3, 0.4))
NOW = held(
    None, JUNE,
    area("A1", 0.0, 0.05), area("A2", 0.05, 0.1),  # A is split
    area("BC", 0.1, 0.3, parent="S"),  # B and C are one
    area("D", 0.28, 0.4),  # D reaches into what was C
)  # fmt: skip
NOW[2] = NOW[2] | {"boundary": shapely.to_geojson(shapely.box(0.1, 51.0, 0.28, 51.1))}
REDRAWN = areas_of(*MAY, *NOW)
IN_MAY = "2026-05-20T12:00:00Z"


def in_may(*rows: str) -> list[str]:
    return [" | ".join([*(row.split("|") + [""] * 6)[:6], IN_MAY]) for row in rows]


def test_history_goes_to_the_areas_in_force_by_its_points():
    rows = calls(
        *in_may("west | A | 0.02 | 51.05", "east | A | 0.08 | 51.05", "b | B | 0.15 | 51.05", "c | C | 0.29 | 51.05"),
        *in_may("d | D | 0.35 | 51.05", "near | A | -0.001 | 51.05"),
        "new | A1", "new d | D | 0.35 | 51.05",
    )  # fmt: skip
    answers = told(placed(rows, REDRAWN))
    assert answers["west"] == ("redrawn_point", "A1")
    assert answers["east"] == ("redrawn_point", "A2")
    assert answers["near"] == ("redrawn_point", "A1"), "a border's width outside"
    assert answers["b"] == ("redrawn_point", "BC")
    assert answers["c"] == ("redrawn_point", "D"), "what was C's east is D's"
    assert answers["d"] == ("redrawn_point", "D"), "D of May is another area than D of June"
    assert answers["new"] == ("given", "A1")
    assert answers["new d"] == ("given", "D")


def test_history_without_points_goes_as_that_with_points_lies_now():
    rows = calls(
        *in_may(*(f"w{n} | A | 0.02 | 51.05" for n in range(30)), *(f"e{n} | A | 0.08 | 51.05" for n in range(10))),
        *in_may(*(f"x{n:03} | A" for n in range(200)), *(f"c{n:03} | C" for n in range(100))),
    )
    found = placed(rows, REDRAWN).incidents.filter(pl.col("place_rule") == "redrawn_share")
    counts = dict(found.group_by("area_id").len().iter_rows())
    assert counts["A1"] == pytest.approx(150, abs=2)
    assert counts["A1"] + counts["A2"] == 200
    # Of C no log has a point: a fifth of its ground is D's today.
    assert counts["D"] == pytest.approx(20, abs=2)
    assert counts["D"] + counts["BC"] == 100
    first = found.filter(pl.col("incident_id").str.starts_with("x")).head(40)["area_id"]
    assert (first == "A1").mean() == pytest.approx(0.75, abs=0.05), "early logs are shared out as late ones are"


def test_on_a_day_before_the_change_history_stays_where_it_was():
    rows = calls(*in_may("a | A | 0.02 | 51.05", "n | A", "p | | 0.15 | 51.05"))
    assert told(placed(rows, REDRAWN, date(2026, 5, 31))) == {
        "a": ("given", "A"), "n": ("given", "A"), "p": ("point", "B"),
    }  # fmt: skip


def test_an_area_that_was_not_redrawn_keeps_its_history_under_a_new_row():
    same = areas_of(*held(date(2026, 5, 31), None, area("A", 0, 0.1)), *held(None, JUNE, area("A", 0, 0.1)))
    assert told(placed(calls(*in_may("a | A")), same)) == {"a": ("given", "A")}


def test_a_log_that_names_an_area_of_another_time_is_understood():
    rows = calls(*in_may("early | A1"), "late | A | 0.08 | 51.05", "late too | B")
    assert told(placed(rows, REDRAWN)) == {
        "early": ("given", "A1"),
        "late": ("redrawn_point", "A2"),
        "late too": ("redrawn_share", "BC"),
    }


def test_areas_known_by_name_alone_that_have_ended_count_in_none_and_are_not_dropped():
    bare = REDRAWN.with_columns(boundary=pl.lit(None, pl.String))
    found = placed(calls(*in_may("a | A | 0.02 | 51.05", "d | D")), bare)
    assert told(found) == {"a": ("unknown", None), "d": ("given", "D")}


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_whatever_comes_every_incident_counts_once_and_the_same_in_any_order(data: st.DataObject):
    number = data.draw(st.integers(1, 40))

    def column(*values: Any) -> list[Any]:
        return data.draw(st.lists(st.sampled_from(values), min_size=number, max_size=number))

    made = {
        "incident_id": [f"{n:02}" for n in range(number)],
        "area_id": column(None, "A", "B", "C", "D", "A1", "BC", "X"),
        "longitude": column(None, 0.02, 0.05, 0.15, 0.29, 0.401, 9.0),
        "class_code": column("theft", "fraud"),
        "place_token": column(None, "p", "q"),
        "received_at": [datetime(2026, 5, 20, tzinfo=UTC) + timedelta(days=n) for n in range(number)],
    }
    kinds = tables.table("incidents").polars_schema
    rows = pl.DataFrame(made, schema_overrides={name: kinds[name] for name in made}).with_columns(
        latitude=pl.when(pl.col("longitude").is_not_null()).then(51.05), origin=pl.lit("public")
    )
    found = placed(rows, REDRAWN, default_points=[STATION]).incidents
    assert found["incident_id"].to_list() == made["incident_id"]
    assert set(found["place_rule"]) <= set(WORDS)
    in_force = {"A1", "A2", "BC", "D"}
    assert all(
        (area_id in in_force) != (rule in NOWHERE)
        for area_id, rule in found.select("area_id", "place_rule").iter_rows()
    )
    shuffled = placed(rows.sample(fraction=1, shuffle=True, seed=3), REDRAWN, default_points=[STATION]).incidents
    assert shuffled.sort("incident_id").equals(found)


def test_areas_on_a_day_without_any_are_those_next_to_it():
    later = areas_of(*NOW)
    assert geography.areas_on(later, date(2026, 1, 1)).height == 4
    ended = areas_of(*MAY)
    assert geography.areas_on(ended, TODAY).height == 4


# ---- the made-up force ----


@lru_cache(maxsize=1)
def lived() -> tuple[pl.DataFrame, pl.DataFrame]:
    made = make_twin(areas=24, days=84, seed=7, until=date(2026, 11, 23), feed_days=56)
    return made.truth["current_incidents"], made.tables["areas"]


def judged(found: Placed, logs: pl.DataFrame, *rules: str) -> tuple[float, float, float]:
    """Precision and recall of being moved off a station, and the share of logs that count where they happened."""
    moved = found.incidents["place_rule"].is_in(rules)
    of_station = (logs["location_fault"] == "station").fill_null(value=False)
    named = found.incidents["area_id"].is_not_null()
    right = (found.incidents["area_id"] == logs["true_area_id"]).filter(named).mean()
    return float(of_station.filter(moved).mean()), float(moved.filter(of_station).mean()), float(right)


def test_default_points_of_the_made_up_force_are_found_by_the_places_that_lie_there():
    logs, areas = lived()
    stations = logs.filter(location_fault="station").select("longitude", "latitude").unique()
    found = placed(logs, areas, date(2026, 11, 23))
    assert set(found.found.points.select("longitude", "latitude").iter_rows()) == set(stations.iter_rows())
    at_default = logs.select("longitude", "latitude", "location_fault").with_columns(rule=found.incidents["place_rule"])
    moved = at_default.filter(pl.col("rule").is_in(["default_point", "usual_place"]))
    faulty = at_default.filter(pl.col("location_fault").is_not_null())
    assert moved["location_fault"].is_not_null().mean() > 0.99, "what is moved was at the wrong place"
    recall = {
        fault: float((rows["rule"] != "given").mean()) for (fault,), rows in faulty.group_by("location_fault")
    }  # fmt: skip
    assert recall["station"] > 0.97
    assert recall["outside"] == 1
    # A caller's home is told only where the place of the incident is known from other times.
    assert 0.6 < recall["caller"] < 0.85
    before = (logs["area_id"] == logs["true_area_id"]).drop_nulls().mean()
    after = (found.incidents["area_id"] == logs["true_area_id"]).drop_nulls().mean()
    assert before < 0.965 < 0.98 < after
    print(f"\nstations {recall['station']:.1%}, callers {recall['caller']:.1%}; right area {before:.1%} -> {after:.1%}")


def test_without_tokens_listed_stations_are_shared_out_and_areas_come_nearer_to_the_truth():
    logs, areas = lived()
    stations = logs.filter(location_fault="station").select("longitude", "latitude").unique()
    listed = [DefaultPointPart(name=f"S{n}", longitude=x, latitude=y) for n, (x, y) in enumerate(stations.iter_rows())]
    bare = logs.with_columns(place_token=pl.lit(None, pl.String))
    precision, recall, _ = judged(placed(bare, areas, date(2026, 11, 23), default_points=listed), logs, "default_point")
    assert precision > 0.95
    assert recall == 1
    assert placed(bare, areas, date(2026, 11, 23)).found.points.is_empty(), "nothing tells them from busy addresses"

    def error(found: Placed) -> float:
        counted = found.incidents.group_by("area_id").len()
        true = logs.filter(found.incidents["area_id"].is_not_null()).group_by(area_id="true_area_id").agg(true=pl.len())
        both = true.join(counted, on="area_id", how="left").fill_null(0)
        return float((both["len"].cast(pl.Int64) - both["true"].cast(pl.Int64)).abs().sum() / both["true"].sum())

    assert error(placed(bare, areas, date(2026, 11, 23), default_points=listed)) < 0.6 * error(
        placed(bare, areas, date(2026, 11, 23))
    )


def test_dealing_does_not_favour_large_areas_where_classes_are_many_and_few_logs_want_placing():
    rng = np.random.default_rng(4)
    share = np.array([0.4, 0.3, 0.2, 0.1])
    many = areas_of(*(area(f"A{n}", n / 10, n / 10 + 0.1) for n in range(4)))
    classes = ("theft", "fraud", "alarm", "traffic", "violence", "domestic", "welfare", "burglary")
    known = [f"k{n:05} | A{rng.choice(4, p=share)} | | | {classes[n % 8]}" for n in range(1600)]
    wanting = [f"w{n:03} |  | 0.05 | 51.05 | {classes[n % 8]}" for n in range(24)]
    found = placed(calls(*known, *wanting), many, default_points=[STATION]).incidents.tail(24)
    counts = [int((found["area_id"] == f"A{n}").sum()) for n in range(4)]
    # Largest remainders, class by class, would give all three of each to A0, A1 and A2, and A3 none.
    assert counts[3] >= 1
    assert counts == sorted(counts, reverse=True)


@pytest.mark.shared_data
def test_of_a_real_city_the_headquarters_and_a_hospital_are_named_and_nothing_is_moved(shared_data):
    column_map = sources.read_column_map("oakland")
    extract = sources.read_extract(
        shared_data / "oakland" / "calls.csv.gz", column_map, time_zone=column_map.time_zone,
        as_of=datetime(2026, 11, 22, tzinfo=UTC),
    )  # fmt: skip
    rows = pl.concat([chunk.rows for chunk in extract])
    found = find_default_points(rows)
    assert found.points.is_empty()
    assert not found.rows["at_default_point"].any()
    places = [each.partition(" (")[0] for each in found.suspected]
    assert "37.800 -122.274 in '03Y'" in places, "455 7th Street, the police headquarters, named by 40 beats"
    assert "37.799 -122.231 in '17Y'" in places, "a hospital, to which people are brought from 26"
    assert len(places) <= 4, "busy places alone are not suspected"
