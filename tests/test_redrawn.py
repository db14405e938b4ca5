"""Beats redrawn in the middle of the history: the forecast is for the new ones, and nothing of the past is lost."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bluelamp import geography, intake, plan, reading, tables
from bluelamp.plan import Planned
from bluelamp.redrawn import succeed, that_hold
from bluelamp.store import Store
from tests.planned import planned, small_settings, twin

CHANGE = date(2026, 10, 1)
BEFORE = CHANGE - timedelta(days=1)


def halves(shape: Any) -> list[Any]:
    west, south, east, north = shape.bounds
    middle = (west + east) / 2
    return [
        shapely.intersection(shape, box)
        for box in (shapely.box(west, south, middle, north), shapely.box(middle, south, east, north))
    ]


def moved_border(one: Any, other: Any) -> list[Any]:
    """Give a quarter of one shape to the other: what lies within reach of it."""
    taken = shapely.intersection(one, shapely.buffer(other, 0.25 * one.area**0.5))
    return [shapely.difference(one, taken), shapely.union(other, taken)]


@lru_cache(maxsize=1)
def redrawn() -> tuple[pl.DataFrame, pl.DataFrame, set[str]]:
    """The twin's areas and pools with one beat split, two merged and a border moved; and the codes of today."""
    areas = twin().tables["areas"]
    lowest = areas.filter(pl.col("level") == "area").sort("area_id").to_dicts()
    shapes = {row["area_id"]: shapely.from_geojson(row["boundary"]) for row in lowest}
    codes = list(shapes)
    split, rest = codes[0], codes[1:]
    pairs = [(a, b) for a in rest for b in rest if a < b and shapes[a].touches(shapes[b])]
    merged = pairs[0]
    border = next(pair for pair in pairs if not set(pair) & set(merged))
    drawn: dict[str, tuple[str, Any]] = {
        f"{split}W": (split, halves(shapes[split])[0]),
        f"{split}E": (split, halves(shapes[split])[1]),
        "-".join(merged): (merged[0], shapely.union(*(shapes[each] for each in merged))),
        **{code: (code, shape) for code, shape in zip(border, moved_border(*(shapes[e] for e in border)), strict=True)},
    }
    changed = {split, *merged, *border}
    by_code = {row["area_id"]: row for row in lowest}
    new = [
        by_code[of] | {"area_id": code, "valid_from": CHANGE, "boundary": shapely.to_geojson(shape)}
        for code, (of, shape) in drawn.items()
    ]
    ended = areas.with_columns(
        valid_to=pl.when((pl.col("level") == "area") & pl.col("area_id").is_in(changed)).then(pl.lit(BEFORE))
    )
    both = pl.concat([ended, pl.DataFrame(new, schema=areas.schema)])
    came_from = pl.DataFrame({"area_id": [of for of, _ in drawn.values()], "code": list(drawn)})
    pools = twin().tables["pools"]
    old = pools.with_columns(valid_to=pl.when(pl.col("area_id").is_in(changed)).then(pl.lit(BEFORE)))
    later = (
        pools.join(came_from, on="area_id")
        .with_columns(area_id="code", valid_from=pl.lit(CHANGE))
        .select(pools.columns)
    )
    return both, pl.concat([old, later]), (set(codes) - changed) | set(drawn)


@lru_cache(maxsize=1)
def recorded() -> pl.DataFrame:
    """The twin's incidents as a force records them: since the change, those with a point name the beat of today."""
    calls, areas = twin().tables["incidents"], redrawn()[0]
    today = geography.assign_areas(calls, areas.filter(pl.col("valid_to").is_null()))
    is_new = (pl.col("received_at") >= datetime(2026, 9, 30, 23, tzinfo=UTC)) & pl.col("area_id").is_not_null()
    return calls.with_columns(area_id=pl.when(is_new).then(pl.coalesce(today, "area_id")).otherwise("area_id"))


def compute(forecast_from: datetime | None = None, **changed: pl.DataFrame) -> Planned:
    return plan.compute(twin().tables | changed, small_settings(), forecast_from=forecast_from)


@lru_cache(maxsize=1)
def after() -> Planned:
    areas, pools, _ = redrawn()
    return compute(areas=areas, pools=pools, incidents=recorded())


def test_demand_forecast_and_coverage_are_those_of_the_new_beats():
    codes = redrawn()[2]
    results = after().results
    assert set(results["demand"]["area_id"]) - {"unknown"} == codes
    assert set(results["forecast"].filter(level="area")["area_id"]) - {"unknown"} == codes
    assert set(results["coverage"].filter(level="area")["place_id"]) - {"unknown"} == codes
    lowest = after().used["areas"].filter(level="area")
    assert set(lowest["area_id"]) == codes
    assert lowest.height == len(codes)


def test_not_one_incident_is_lost_or_counted_twice():
    key = ["hour_starting", "class_code", "grade_code", "origin"]

    def of_force(run: Planned) -> pl.DataFrame:
        return run.results["demand"].group_by(key).agg(pl.col("incidents").sum()).sort(key)

    assert of_force(after()).equals(of_force(planned()))
    # Where nothing was redrawn, nothing changed.
    old, new = (
        run.results["demand"].group_by("area_id").agg(pl.col("incidents").sum()) for run in (planned(), after())
    )
    same = old.join(new, on="area_id", suffix="_new").filter(~pl.col("area_id").is_in(
        redrawn()[0].filter(pl.col("valid_from").is_not_null())["area_id"].implode()))  # fmt: skip
    assert same.height >= 1
    assert same["incidents"].equals(same["incidents_new"])


def test_what_the_force_expects_stays_what_it_was():
    def expected(run: Planned) -> float:
        rows = run.results["forecast"].filter(level="force", span="day", class_code="all", grade_code="all")
        return float(rows["incidents_mean"].sum())

    # What an event of a beat that is gone brought is no longer expected, which a note of the run says.
    assert expected(after()) == pytest.approx(expected(planned()), rel=0.02)

    def asked(run: Planned) -> float:
        return float(run.results["required_staff"]["officers_required"].sum())

    assert asked(after()) == pytest.approx(asked(planned()), rel=0.02)


def test_history_goes_where_it_happened_in_the_new_beats():
    areas, _, codes = redrawn()
    drawn = areas.filter(pl.col("area_id").is_in(codes), pl.col("level") == "area", pl.col("valid_to").is_null())
    calls = recorded()
    by_point = calls.filter(pl.col("longitude").is_not_null(), pl.col("area_id").is_not_null())
    places = shapely.points(by_point["longitude"].to_numpy(), by_point["latitude"].to_numpy())
    counted = dict(
        after().results["demand"].group_by("area_id").agg(pl.col("incidents").sum()).iter_rows()
    )  # fmt: skip
    for code, boundary in drawn.select("area_id", "boundary").iter_rows():
        inside = int(shapely.covers(shapely.from_geojson(boundary), places).sum())
        # About one in twenty has an area and no point, and comes on top.
        assert 0.99 * inside <= counted[code] <= 1.1 * inside + 5, code


def test_the_run_says_by_which_rule_and_for_how_many():
    (note,) = [note for note in after().notes if "redrawn" in note]
    assert "name an area redrawn since, and count where their point lies now" in note
    assert "have no usable point, and are shared out over the areas it became" in note


def test_a_run_of_a_day_before_the_change_is_as_if_nothing_were_coming_but_says_what_comes():
    areas, pools, _ = redrawn()
    earlier = datetime(2026, 9, 27, 23, tzinfo=UTC)
    run = compute(earlier, areas=areas, pools=pools)
    plain = compute(earlier)
    # Pools end with their beats during these days; figures are for the beats of the first, to the last.
    for name in ("demand", "forecast", "required_staff", "coverage"):
        assert run.results[name].equals(plain.results[name]), name
    (note,) = [note for note in run.notes if note.startswith("Areas change on")]
    assert note.startswith("Areas change on 2026-10-01 (")
    assert "All figures are for those in force on 2026-09-28" in note
    assert not [note for note in plain.notes if note.startswith("Areas change on")]


def test_pools_that_still_name_old_beats_are_told():
    areas, pools, _ = redrawn()
    run = compute(areas=areas, pools=pools.filter(pl.col("valid_from").is_null()).with_columns(valid_to=None))
    gone = [note for note in run.notes if note.startswith("'pools' names 3 areas not in force on 2026-11-23")]
    bare = [note for note in run.notes if note.startswith("No pool of role 'response' covers 3 areas on 2026-11-23")]
    assert len(gone) == len(bare) == 1
    assert not [note for note in after().notes if "'pools' names" in note or "No pool of role" in note]


# ---- as files ----

FORCE = """
[force]
id = "west"
name = "West"
time_zone = "Europe/London"

[areas]
file = "{file}"
{more}

[forecast]
paths = 20
path_days = 2
days = 3
"""


def write_areas(path: Path, *beats: tuple[str, tuple[float, float, float, float]]) -> None:
    features = [
        {"type": "Feature", "properties": {"area_id": code, "district": "D"},
         "geometry": shapely.geometry.mapping(shapely.box(*box))}
        for code, box in beats
    ]  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


def test_a_new_file_of_areas_ends_those_before_it_and_history_moves(tmp_path):
    write_areas(tmp_path / "old.geojson", ("A", (0, 51, 0.2, 51.1)), ("B", (0.2, 51, 0.4, 51.1)))
    write_areas(tmp_path / "new.geojson", ("A", (0, 51, 0.1, 51.1)), ("B2", (0.1, 51, 0.4, 51.1)))
    lines = ["incident_id,received_at,class_code,origin,area_id,longitude,latitude"]
    for hour in range(24 * 21):
        at = datetime(2026, 5, 15, tzinfo=UTC) + timedelta(hours=hour)
        area, x = ("A", 0.05 + 0.1 * (hour % 2)) if hour % 3 else ("B", 0.3)
        lines.append(f"I{hour:04},{at:%Y-%m-%dT%H:%M:%SZ},theft,public,{area},{x},51.05")
    (tmp_path / "calls.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "force.toml").write_text(FORCE.format(file="old.geojson", more=""), encoding="utf-8")
    intake.import_extract(tmp_path, tmp_path / "old.geojson", table="areas")
    intake.import_extract(tmp_path, tmp_path / "calls.csv")
    first = plan.plan(tmp_path)
    (tmp_path / "force.toml").write_text(
        FORCE.format(file="new.geojson", more="valid_from = 2026-06-01"), encoding="utf-8"
    )
    done = intake.import_extract(tmp_path, tmp_path / "new.geojson", table="areas")
    assert "They hold from 2026-06-01; the 2 areas that the force had before end on 2026-05-31." in done.notes
    areas = Store(tmp_path).read("areas").filter(level="area").sort("area_id", "valid_from", nulls_last=False)
    assert areas.select("area_id", "valid_from", "valid_to").rows() == [
        ("A", None, date(2026, 5, 31)),
        ("A", date(2026, 6, 1), None),
        ("B", None, date(2026, 5, 31)),
        ("B2", date(2026, 6, 1), None),
    ]
    again = intake.import_extract(tmp_path, tmp_path / "new.geojson", table="areas")
    assert again.batch["rows_unchanged"] == 2
    assert not [note for note in again.notes if "They hold from" in note], "what has ended has ended"
    second = plan.plan(tmp_path)

    def demand(run: str) -> dict[str, int]:
        rows = Store(tmp_path).result("demand", run)
        return dict(rows.group_by("area_id").agg(pl.col("incidents").sum()).iter_rows())

    before, now = demand(first), demand(second)
    assert set(now) == {"A", "B2"}
    assert sum(now.values()) == sum(before.values()) == 24 * 21
    # Of A's calls in May every other one lay in what is B2's now. Since June an A is an A.
    may_a = [hour for hour in range(24 * 17 - 1) if hour % 3]
    june_a = [hour for hour in range(24 * 17 - 1, 24 * 21) if hour % 3]
    assert now["A"] == len([hour for hour in may_a if not hour % 2]) + len(june_a)
    used = reading.read_table(tmp_path, "areas", second)
    assert set(used.filter(level="area")["area_id"]) == {"A", "B2"}
    assert tables.publish(used, "areas").equals(used)


def test_events_of_old_beats_are_told():
    areas, pools, codes = redrawn()
    gone = next(code for code in twin().tables["areas"].filter(level="area")["area_id"].sort() if code not in codes)
    event = twin().tables["events"].head(1).with_columns(area_id=pl.lit(gone))
    run = compute(areas=areas, pools=pools, events=event)
    told = f"1 event speaks of areas not in force on 2026-11-23 ({gone}), and changes nothing."
    assert [note for note in run.notes if note.startswith(told)]


# ---- days that are put right ----

DAYS = [None, *(date(2026, 11, day) for day in (4, 10, 18, 25))]
SETS = {"old": ("A", "B"), "new": ("A", "C"), "other": ("B", "D", "E")}


def a_set(name: str, day: date | None) -> pl.DataFrame:
    """One of three sets of areas; an A of one is not the A of another."""
    rows = [
        {"area_id": code, "level": "area", "kind": "all", "valid_from": day, "is_approximate": False,
         "boundary": shapely.to_geojson(shapely.box(at, len(name), at + 1, len(name) + 1))}
        for at, code in enumerate(SETS[name])
    ]  # fmt: skip
    return tables.check(pl.DataFrame(rows, schema_overrides={"valid_from": pl.Date}), "areas")


def brought_in(held: pl.DataFrame, name: str, day: date | None) -> pl.DataFrame:
    after = succeed(held, a_set(name, day))
    kept = held.join(pl.concat([after.rows, after.others]), on=["area_id", "valid_from"], how="anti", nulls_equal=True)
    return pl.concat([kept, after.rows, after.others])


def in_force(areas: pl.DataFrame, day: date) -> list[str]:
    first, last = pl.col("valid_from").fill_null(date.min), pl.col("valid_to").fill_null(date.max)
    return sorted(areas.filter(pl.lit(day).is_between(first, last), level="area")["area_id"])


def expected_sets(calendar: dict[date, str], name: str, day: date | None) -> dict[date, str]:
    """The same by the calendar alone: a set is moved where its neighbour is the same, and else written down."""
    begins = day or date.min
    if calendar.get(begins) == name:
        return calendar
    later = min((each for each in calendar if each > begins), default=None)
    earlier = max((each for each in calendar if each < begins), default=None)
    moved = later if later and calendar[later] == name else None
    if moved is None and earlier not in (None, date.min) and calendar[earlier] == name:
        moved = earlier
    return {each: kept for each, kept in calendar.items() if each != moved} | {begins: name}


@example([("old", DAYS[2]), ("new", DAYS[1]), ("new", DAYS[3]), ("new", DAYS[2])])
@given(st.lists(st.tuples(st.sampled_from(list(SETS)), st.sampled_from(DAYS)), max_size=8))
@settings(max_examples=50, deadline=None)
def test_one_set_of_areas_at_most_is_in_force_on_any_day_whatever_came_in_and_when(imports):
    held, calendar = tables.empty("areas"), {}
    for name, day in imports:
        held, calendar = brought_in(held, name, day), expected_sets(calendar, name, day)
        assert held.select("area_id", "valid_from").is_unique().all()
        for number in (3, 4, 9, 10, 17, 18, 24, 25):
            today = date(2026, 11, number)
            begun = max((each for each in calendar if each <= today), default=None)
            assert in_force(held, today) == (sorted(SETS[calendar[begun]]) if begun else []), today
        again = succeed(held, a_set(name, day))
        assert again.others.is_empty()
        assert again.rows.join(held, on=held.columns, how="anti", nulls_equal=True).is_empty(), "nothing is left to say"


def test_a_file_with_old_and_new_beats_and_one_for_days_between_go_together():
    both = pl.concat([a_set("old", None), a_set("new", DAYS[3]).filter(area_id="C")]).with_columns(
        valid_to=pl.when(pl.col("area_id") == "B").then(pl.lit(date(2026, 11, 17)))
    )
    held = succeed(tables.empty("areas"), both).rows
    assert [in_force(held, date(2026, 11, day)) for day in (1, 17, 18)] == [["A", "B"], ["A", "B"], ["A", "C"]]
    held = brought_in(held, "other", DAYS[1])
    assert [in_force(held, date(2026, 11, day)) for day in (3, 4, 17, 18)] == [
        ["A", "B"], ["B", "D", "E"], ["B", "D", "E"], ["A", "C"],
    ]  # fmt: skip


def redated(tmp_path: Path, name: str, day: str) -> list[str]:
    """Import a file of areas from a day on, and give what the import says of days."""
    more = f"valid_from = {day}" if day else ""
    (tmp_path / "force.toml").write_text(FORCE.format(file=name, more=more), encoding="utf-8")
    return [
        note for note in intake.import_extract(tmp_path, tmp_path / name, table="areas").notes if "Made" not in note
    ]


def test_a_first_day_that_was_wrong_is_put_right_earlier_and_later_and_back(tmp_path):
    write_areas(tmp_path / "old.geojson", ("A", (0, 51, 0.2, 51.1)), ("B", (0.2, 51, 0.4, 51.1)))
    write_areas(tmp_path / "new.geojson", ("A", (0, 51, 0.1, 51.1)), ("B2", (0.1, 51, 0.4, 51.1)))
    assert redated(tmp_path, "old.geojson", "") == []

    def sets() -> list[list[str]]:
        return [in_force(Store(tmp_path).read("areas"), date(2026, 11, day)) for day in (9, 10, 17, 18, 24, 25)]

    old, new = ["A", "B"], ["A", "B2"]
    assert redated(tmp_path, "new.geojson", "2026-11-18") == [
        "They hold from 2026-11-18; the 2 areas that the force had before end on 2026-11-17."
    ]
    first = sets()
    assert first == [old, old, old, new, new, new]
    moment = Store(tmp_path).batches()["committed_at"].max()
    assert redated(tmp_path, "new.geojson", "2026-11-10") == [
        "The same areas held from 2026-11-18 so far. That day is corrected: they hold from 2026-11-10.",
        "The 2 areas that the force had before end on 2026-11-09.",
    ]
    assert sets() == [old, new, new, new, new, new]
    assert redated(tmp_path, "new.geojson", "2026-11-25") == [
        "The same areas held from 2026-11-10 so far. That day is corrected: they hold from 2026-11-25.",
        "The 2 areas that the force had before end on 2026-11-24.",
    ]
    assert sets() == [old, old, old, old, old, new]
    redated(tmp_path, "new.geojson", "2026-11-18")
    assert sets() == first, "a day that was given before counts when it is given again"
    assert redated(tmp_path, "old.geojson", "") == [
        "They hold until 2026-11-17, because the force has others from 2026-11-18 on. Where these are to take their "
        "place, too, import this file with valid_from = 2026-11-18 under [areas] in force.toml, and then once more as "
        "now."
    ]
    assert sets() == first
    known = Store(tmp_path).read("areas", as_of=moment)
    assert [in_force(known, date(2026, 11, day)) for day in (9, 10, 17, 18, 24, 25)] == first
    # Districts and the force have one row a day, too.
    for level in ("district", "force"):
        held = that_hold(Store(tmp_path).read("areas")).filter(level=level).sort("valid_from", nulls_last=False)
        assert held.select("valid_from", "valid_to").rows() == [
            (None, date(2026, 11, 17)), (date(2026, 11, 18), None)
        ]  # fmt: skip


@pytest.mark.parametrize("day", ["2026-11-10", "2026-11-25"])
@pytest.mark.parametrize("batches", [0, 1, 2])
def test_an_import_that_was_killed_between_its_batches_is_completed_by_importing_again(
    tmp_path, monkeypatch, day, batches
):
    write_areas(tmp_path / "old.geojson", ("A", (0, 51, 0.2, 51.1)), ("B", (0.2, 51, 0.4, 51.1)))
    write_areas(tmp_path / "new.geojson", ("A", (0, 51, 0.1, 51.1)), ("B2", (0.1, 51, 0.4, 51.1)))
    redated(tmp_path, "old.geojson", "")
    redated(tmp_path, "new.geojson", "2026-11-18")
    write, left = Store.writing, iter([True] * batches)

    def killed(store: Store, *args: Any, **named: Any) -> Any:
        if not next(left, False):
            raise KeyboardInterrupt
        return write(store, *args, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "writing", killed)
        with pytest.raises(KeyboardInterrupt):
            redated(tmp_path, "new.geojson", day)
    redated(tmp_path, "new.geojson", day)
    for number in (9, 10, 17, 18, 24, 25):
        today = date(2026, 11, number)
        expected = ["A", "B2"] if today >= date.fromisoformat(day) else ["A", "B"]
        assert in_force(Store(tmp_path).read("areas"), today) == expected, today


def test_areas_put_right_by_another_file_for_the_same_day_are_taken_back(tmp_path):
    write_areas(tmp_path / "wrong.geojson", ("1", (0, 51, 0.2, 51.1)), ("2", (0.2, 51, 0.4, 51.1)))
    write_areas(tmp_path / "right.geojson", ("A", (0, 51, 0.2, 51.1)), ("B", (0.2, 51, 0.4, 51.1)))
    for day in ("", "2026-11-10"):
        redated(tmp_path, "wrong.geojson", day)
        told = redated(tmp_path, "right.geojson", day)
        assert told[-1] == (
            "2 areas are taken back, because this file is for the same days and does not have them: 1, 2. One file "
            "holds all areas of its day. A view of an earlier moment (--as-of) still has them."
        )
        assert in_force(Store(tmp_path).read("areas"), date(2026, 11, 10)) == ["A", "B"]


def test_each_incident_counts_once_after_a_first_day_was_put_right(tmp_path):
    write_areas(tmp_path / "old.geojson", ("A", (0, 51, 0.2, 51.1)), ("B", (0.2, 51, 0.4, 51.1)))
    write_areas(tmp_path / "new.geojson", ("C", (0, 51, 0.1, 51.1)), ("D", (0.1, 51, 0.4, 51.1)))
    lines = ["incident_id,received_at,class_code,origin,area_id,longitude,latitude"]
    for hour in range(24 * 21):
        at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=hour)
        area = ("C" if hour % 2 else "D") if at.day >= 10 else ("A" if hour % 2 else "B")
        x = 0.05 if area == "C" else 0.3
        lines.append(f"I{hour:04},{at:%Y-%m-%dT%H:%M:%SZ},theft,public,{area},{x},51.05")
    (tmp_path / "calls.csv").write_text("\n".join(lines), encoding="utf-8")
    redated(tmp_path, "old.geojson", "")
    intake.import_extract(tmp_path, tmp_path / "calls.csv")
    redated(tmp_path, "new.geojson", "2026-11-18")
    redated(tmp_path, "new.geojson", "2026-11-10")
    run = plan.plan(tmp_path)
    demand = Store(tmp_path).result("demand", run)
    assert set(demand["area_id"]) == {"C", "D"}
    assert demand["incidents"].sum() == 24 * 21
    used = reading.read_table(tmp_path, "areas", run)
    assert sorted(used.filter(level="area")["area_id"]) == ["C", "D"]


# ---- what boundaries do not say ----


def test_areas_keep_their_kind_where_new_boundaries_do_not_say_it(tmp_path):
    def write(name: str, **kinds: str | None) -> None:
        features = [
            {"type": "Feature", "properties": {"area_id": code, "district": "D"} | ({"kind": kind} if kind else {}),
             "geometry": shapely.geometry.mapping(shapely.box(at, 51, at + 1, 52))}
            for at, (code, kind) in enumerate(kinds.items())
        ]  # fmt: skip
        (tmp_path / name).write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")

    def kinds_now(day: date) -> dict[str, str]:
        now = geography.areas_on(Store(tmp_path).read("areas"), day)
        return dict(now.filter(level="area").select("area_id", "kind").iter_rows())

    write("old.geojson", A="urban", B="rural", C="rural")
    write("new.geojson", A=None, B="Beat", E=None)
    assert redated(tmp_path, "old.geojson", "") == []
    assert redated(tmp_path, "new.geojson", "2026-11-18")[0] == (
        "2 areas keep the kind that they had, because the file does not say which are urban and which rural. 1 area "
        "has none: E. Give it in the property 'kind', or name another as kind_property under [areas] in force.toml."
    )
    assert kinds_now(date(2026, 11, 18)) == {"A": "urban", "B": "rural", "E": "all"}
    assert redated(tmp_path, "new.geojson", "2026-11-10")[0].startswith("2 areas keep the kind that they had")
    assert kinds_now(date(2026, 11, 10)) == {"A": "urban", "B": "rural", "E": "all"}
    # What the file says counts, and "all" is a kind that can be said.
    write("told.geojson", A="all", B="urban", E="rural")
    assert not [note for note in redated(tmp_path, "told.geojson", "2026-11-20") if "kind" in note]
    assert kinds_now(date(2026, 11, 20)) == {"A": "all", "B": "urban", "E": "rural"}


def test_a_district_has_the_kind_that_its_areas_keep(tmp_path):
    write_areas(tmp_path / "new.geojson", ("A", (0, 51, 0.1, 51.1)), ("B", (0.1, 51, 0.4, 51.1)))
    kept = {"A": "rural", "B": "rural"}
    found = geography.read_areas(tmp_path / "new.geojson", force_id="west", force_name="West", kinds=kept)
    assert set(found.rows["kind"]) == {"rural"}
    assert found.summary == "2 areas (2 rural) in 1 district"
