"""Beats proposed from a force's areas and work: what is told of them, and what is refused in a sentence."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import polars as pl
import pytest
import shapely
from typer.testing import CliRunner

from bluelamp import geography, plan, reading, tables
from bluelamp.beats import Beats, Wanted, Work, propose_beats
from bluelamp.cli import app
from bluelamp.errors import BadData, BluelampError, UsageError

STATIC = Path(plan.__file__).parent / "web" / "static" / "app.css"
built = pytest.mark.skipif(not STATIC.is_file(), reason="FRONT END NOT BUILT: pages can't be made.")
METRE = 1 / 111_320


def town(rows: int = 4, columns: int = 6, *, without: str | None = None, moved: dict[str, float] | None = None):
    """Beats of a kilometre each, A11 in the south-west; the western half is district west, the rest east."""
    features = []
    for row in range(rows):
        for column in range(columns):
            code, east = f"A{row + 1}{column + 1}", column + (moved or {}).get(f"A{row + 1}{column + 1}", 0)
            shape = shapely.box(*(1000 * METRE * each for each in (east, row, east + 1, row + 1)))
            features.append(
                {
                    "type": "Feature",
                    "properties": {"area_id": code, "district": "west" if column < columns / 2 else "east"},
                    "geometry": None if code == without else json.loads(shapely.to_geojson(shape)),
                }
            )
    return {"type": "FeatureCollection", "features": features}


def areas_of(drawn: dict) -> pl.DataFrame:
    return geography.read_areas(drawn, force_id="north", force_name="North").rows


def work_of(loads: dict[str, float | None], rows: int = 4, columns: int = 6) -> Work:
    """One hour an area but where something else is said; None leaves the area out."""
    every = {f"A{row + 1}{column + 1}": 1.0 for row in range(rows) for column in range(columns)} | loads
    known = {area: load for area, load in every.items() if load is not None}
    return Work(
        pl.DataFrame({"area_id": list(known), "load": list(known.values())}, schema_overrides={"load": pl.Float64}),
        "officer-hours a week", "officer-hours",
    )  # fmt: skip


def propose(loads: dict[str, float | None] | None = None, wanted: Wanted | None = None, **more: object) -> Beats:
    drawn = more.pop("drawn", None) or town()
    return propose_beats(areas_of(drawn), work_of(loads or {}), wanted or Wanted(2), **more)


def test_the_tables_are_those_that_they_say_and_the_sums_agree():
    found = propose({"A11": 5.0}, Wanted(3))
    assert tables.check(found.table, "beats").equals(found.table)
    assert tables.check(found.loads, "beat_loads").equals(found.loads)
    for name, of in (("proposed", "beat_id"), ("today", "today_id")):
        sums = found.table.group_by(of).agg(pl.col("load").sum(), areas=pl.len()).sort(of)
        rows = found.loads.filter(plan=name).sort("beat_id")
        assert rows["load"].to_list() == pytest.approx(sums["load"].to_list())
        assert rows["areas"].to_list() == sums["areas"].to_list()
    proposed = found.loads.filter(plan="proposed")
    assert proposed["arriving"].sum() == pytest.approx(found.moved["load"].sum())


def test_what_is_proposed_is_told_in_sentences():
    # The western half has 16 of 28, which is 14 % above its share.
    said = propose({"A11": 5.0}, Wanted(2, start="today", tolerance=0.08)).sentences()
    assert said[0].startswith("24 areas with 28.0 officer-hours a week in 2 districts: an equal share is 14.0.")
    assert said[1].startswith("Today's 2 districts: the heaviest has 14.3% more and the lightest 14.3% less")
    assert said[2] == "Every district is within 8.0% of the equal share; the farthest is 7.1% from it."
    assert said[3] == (
        "1 area of 24 (4.2%) with 3.6% of the work would change district. To come within 8.0%, 3.1% of the work has to "
        "change district whatever one does."
    )


def test_a_square_district_is_as_compact_as_a_square_and_its_borders_are_measured():
    found = propose(wanted=Wanted(2, start="today"))
    assert found.moved.is_empty()
    # Three kilometres by four: 4π × 12 / 14².
    assert found.loads["compactness"].to_list() == pytest.approx([0.769] * 4, abs=0.005)
    assert found.border_km == (pytest.approx(4.0, abs=0.05), pytest.approx(4.0, abs=0.05))


def test_an_island_is_linked_and_told_and_areas_without_work_are_told():
    found = propose({"A46": None, "A11": None}, drawn=town(moved={"A46": 5.0}))
    assert "A46 and what hangs on it touch nothing else; A36, 4.0 km away, counts as touching it." in found.notes
    assert "2 areas (A11, A46) are without work; they lie where borders are shortest." in found.notes


def test_work_at_unknown_places_belongs_to_no_district_and_is_told():
    found = propose({"unknown": 6.0})
    assert found.notes == ["20.0% of the work is at places that are not known, and belongs to no district."]
    assert found.table["load"].sum() == 24


def test_a_tolerance_that_can_not_be_met_is_told_with_the_best_found_and_the_bound():
    said = propose({"A11": 100.0}, Wanted(2)).sentences()
    assert (
        "5.0% can't be met: some areas alone are too heavy for it. The best found is 62.6%, and nothing is nearer than "
        "62.6%." in said
    )
    split = propose(wanted=Wanted(4, most_change=0.05)).sentences()
    assert any("That is beyond the limit of 5.0%: to make today's districts whole" in each for each in split)
    limited = propose({"A11": 5.0, "A21": 5.0}, Wanted(2, most_change=0.01)).sentences()
    assert any("too little may move from today's districts" in each for each in limited)


def test_few_areas_are_proven():
    pytest.importorskip("scipy")
    drawn = town(2, 4)
    found = propose_beats(areas_of(drawn), work_of({"A11": 2.0}, 2, 4), Wanted(3, proof_seconds=30))
    assert "It is proven that the most equal division of these areas is 0.00% from an equal share." in found.sentences()
    many = propose_beats(areas_of(town(6, 6)), work_of({}, 6, 6), Wanted(3, proof_seconds=30))
    assert "Nothing was proven: that takes too long with more than 30 areas, and there are 36." in many.notes


def test_driving_times_choose_the_centre_and_are_told():
    ids = [f"A{row}{column}" for row in range(1, 5) for column in range(1, 7)]
    minutes = pl.DataFrame(
        [{"from_id": a, "to_id": b, "minutes": 1.0 if a in ("A11", "A16") else 9.0} for a in ids for b in ids if a != b]
    )
    found = propose(wanted=Wanted(2, start="today"), minutes=minutes)
    assert found.loads.filter(plan="proposed").sort("beat_id")["centre_id"].to_list() == ["A16", "A11"]
    assert any(
        "minutes from a district's best-placed area to its work; today's 0.9." in each for each in found.sentences()
    )


def test_a_file_of_neighbours_stands_in_for_boundaries():
    line = pl.DataFrame({"a": ["A11", "A12", "A13"], "b": ["A12", "A13", "A14"]})
    drawn = town(1, 4, without="A13")
    found = propose_beats(areas_of(drawn), work_of({}, 1, 4), Wanted(2), touching=line)
    assert found.table["beat_id"].to_list() == ["west", "west", "east", "east"]
    assert found.loads["compactness"].null_count() == found.loads.height
    with pytest.raises(BadData, match=r"1 area \(A14\) is not joined to the rest"):
        propose_beats(areas_of(drawn), work_of({}, 1, 4), Wanted(2), touching=line[:2])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"wanted": Wanted(25)}, "25 districts can't be made of 24 areas"),
        ({"drawn": town(without="A22")}, r"1 area \(A22\) is without a boundary"),
        ({"loads": {"B99": 1.0}}, r"1 area \(B99\) is named in the work, and not among"),
        ({"loads": {"A11": -1.0}}, r"1 area \(A11\) is given a load that is negative"),
        ({"touching": pl.DataFrame({"a": ["A11"], "b": ["Q"]})}, r"1 area \(Q\)"),
        ({"today": {"A11": None}, "wanted": Wanted(2, most_change=0.1)}, "lie in no districts today"),
        ({"today": {"Q": "X", "A11": "X"}}, r"1 area \(Q\) is named in today's districts"),
        ({"wanted": Wanted(2, start="yesterday")}, "'yesterday' is neither"),
    ],
)
def test_what_can_not_be_worked_out_is_told_in_a_sentence(wrong, said):
    with pytest.raises(BluelampError, match=said):
        propose(**wrong)


# ---- the command ----


def run(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_says_the_same_in_words_json_and_csv_and_changes_nothing(small_force: Path, tmp_path: Path):
    before = sorted(small_force.rglob("*"))
    asked = ("beats", small_force, "--districts", 3, "--from", "today", "--tolerance", 0.2)
    said = run(*asked)
    answer = json.loads(run(*asked, "--json", "--geojson", tmp_path / "beats.geojson"))
    assert [f"- {each}" for each in answer["sentences"]] == [
        line for line in said.splitlines() if line[2:] in answer["sentences"]
    ]
    rows = list(csv.DictReader(io.StringIO(run(*asked, "--csv"))))
    assert [row["beat_id"] for row in rows] == [row["beat_id"] for row in answer["beats"]]
    again = geography.read_areas(tmp_path / "beats.geojson", force_id="x", force_name="X").rows
    assert dict(again.filter(level="area").select("area_id", "parent_id").iter_rows()) == {
        row["area_id"]: row["beat_id"] for row in answer["beats"]
    }
    assert sorted(small_force.rglob("*")) == before


def test_work_is_that_of_the_hours_and_days_asked_for(small_force: Path):
    def load(*words: object) -> float:
        answer = json.loads(run("beats", small_force, "--districts", 2, *words, "--json"))
        return sum(row["load"] for row in answer["beats"])

    night, day = load("--hours", "22-06"), load("--hours", "06-22")
    assert 0 < night < day
    assert night + day == pytest.approx(load(), rel=1e-4)
    weekend, week = load("--weekdays", "Sat,sun"), load("--weekdays", "mon,tue,wed,thu,fri")
    assert weekend + week == pytest.approx(load(), rel=1e-4)
    forecast = reading.read_table(small_force, "forecast").filter(
        level="area", span="hour", class_code="all", grade_code="all"
    ).filter(pl.col("area_id") != "unknown")  # fmt: skip
    weeks = forecast["hour_starting"].n_unique() / 168
    assert load() == pytest.approx(forecast["officer_hours_mean"].sum() / weeks, rel=1e-3)
    assert load("--by", "demand") == pytest.approx(load(), rel=0.3)


@built
def test_a_page_holds_every_figure_and_asks_for_nothing(small_force: Path, tmp_path: Path):
    page = tmp_path / "page.html"
    answer = json.loads(run("beats", small_force, "--districts", 3, "--json", "--page", page))
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    assert "url(http" not in text
    for sentence in (*answer["sentences"], *answer["notes"]):
        assert sentence in text.replace("&#39;", "'")
    moved = sum(row["is_moved"] for row in answer["beats"])
    assert text.count('<tr><th scope="row">') == len(answer["beat_loads"]) + moved
    assert text.count('class="beat-map"') == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hours", "night"], "--hours 'night' is no span of hours"),
        (["--hours", "7-7"], "--hours '7-7' is no span of hours"),
        (["--weekdays", "caturday"], "names no weekday 'cat'"),
        (["--by", "forcast"], "Did you mean 'forecast'?"),
        (["--change-by", "people"], "load or areas was expected"),
        (["--load", "nowhere.csv"], "There is no file 'nowhere.csv'"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_a_sentence(small_force: Path, words: list[str], said: str):
    done = CliRunner().invoke(app, ["beats", str(small_force), "--districts", "2", *words])
    assert isinstance(done.exception, BluelampError)
    assert said in str(done.exception)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("area,load\nA,1\n", "has no column 'area_id'"),
        ("area_id,load\nA,many\n", "'load' is no number in 1 row, first at row 2."),
        ("area_id,load\n,1\n", "'area_id' is empty in some rows."),
        ("", "can't be read as CSV"),
    ],
)
def test_a_file_that_is_none_is_told_in_a_sentence(small_force: Path, tmp_path: Path, text: str, said: str):
    (tmp_path / "load.csv").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(
        app, ["beats", str(small_force), "--districts", "2", "--load", str(tmp_path / "load.csv")]
    )
    assert isinstance(done.exception, BadData)
    assert said in str(done.exception)


def test_a_file_of_load_goes_before_the_runs_work_and_nothing_chooses_of_it(small_force: Path, tmp_path: Path):
    ids = reading.read_table(small_force, "areas").filter(level="area")["area_id"].unique().sort()
    file = tmp_path / "load.csv"
    pl.DataFrame({"area_id": ids, "load": [10.0] * len(ids)}).write_csv(file)
    answer = json.loads(run("beats", small_force, "--districts", 2, "--load", file, "--json"))
    assert {row["load"] for row in answer["beats"]} == {10.0}
    done = CliRunner().invoke(
        app, ["beats", str(small_force), "--districts", "2", "--load", str(file), "--hours", "1-2"]
    )
    assert isinstance(done.exception, UsageError)


# ---- a real city ----


@pytest.mark.shared_data
def test_carrolltons_borders_agree_with_its_file_of_neighbours_but_for_corners(shared_data: Path):
    from bluelamp import districting

    collection = json.loads((shared_data / "carrollton" / "areas.geojson").read_text(encoding="utf-8"))["features"]
    ids = [each["properties"]["area_id"] for each in collection]
    told = pl.read_csv(shared_data / "carrollton" / "adjacent.csv")
    told_pairs = {frozenset(pair) for pair in told.iter_rows()}
    shapes = shapely.from_geojson([json.dumps(each["geometry"]) for each in collection])
    found = {frozenset((ids[a], ids[b])) for a, b in districting.find_touching(shapes).pairs}
    # The file has fifteen pairs that meet in a corner, and lacks one that shares 200 m: without it 2C48 is an island.
    assert len(found & told_pairs) == 749
    assert len(told_pairs - found) == 15
    assert found - told_pairs == {frozenset(("2C47", "2C48"))}
