"""A force's codes: what the crosswalk makes of them, the next version of it, and what is stored mapped again."""

import csv
import io
import json
from datetime import date

import polars as pl
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from bluelamp import codes, intake, settings
from bluelamp.cli import app
from bluelamp.errors import BadSettings, NoInput, UsageError
from bluelamp.store import Store
from bluelamp.web.app import make_app
from tests.coded import INLINE, OURS, calls, imported, make_force

TODAY = date(2026, 3, 20)
IN_A_FILE = 'crosswalk_file = "codes/ours.toml"'
RULES = INLINE.replace("[[crosswalk]]", "[[rules]]")


@pytest.fixture
def force(tmp_path):
    """15 incidents of four codes; XX9 (2 of them) is in no rule of the crosswalk inside the map."""
    return imported(tmp_path / "north")


@pytest.fixture
def filed(tmp_path):
    """The same with the crosswalk in a file of its own."""
    return imported(tmp_path / "north", IN_A_FILE, {"codes/ours.toml": OURS + RULES})


def change(folder, of_codes=None, of_rules=None):
    return codes.Change(codes.in_use(folder).version, of_codes or {}, of_rules or {})


def stored(folder):
    """Class and origin by code, as the store has them, with how many."""
    rows = Store(folder).read("incidents").group_by("opening_code", "class_code", "origin").len()
    return {code: (class_code, origin, count) for code, class_code, origin, count in rows.iter_rows()}


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


# ---- The check ----


def test_the_check_says_what_each_rule_maps_and_what_is_left(force):
    found = codes.check(force)
    assert found.rules.select("rule", "class_code", "incidents").rows() == [(1, "theft", 9), (2, "patrol", 4)]
    assert found.rules["share"].to_list() == [9 / 15, 4 / 15]
    left = found.unmapped.row(0, named=True)
    assert (left["code"], left["description"], left["incidents"]) == ("XX9", "Noise nuisance", 2)
    # By the words of its description.
    assert (left["suggested_class"], left["suggested_origin"]) == ("antisocial_behaviour", "public")
    # Officers' own work does not drive demand; what is unknown does.
    assert (found.left, found.drive_demand, found.stored_otherwise) == (2, 11, 0)


def test_the_check_is_said_in_sentences(force):
    said = "\n".join(codes.check(force).lines())
    assert "15 incidents with 4 codes, mapped by the crosswalk in the column map 'north.toml'." in said
    assert "13 (86.7%) fall under a rule; 11 (73.3%) drive demand." in said
    assert "9 (60.0%) rule 1: theft, public: TH1, TH2" in said
    assert "2 XX9 (Noise nuisance); its words suggest antisocial_behaviour, public" in said


def test_a_rule_that_maps_nothing_and_a_code_that_two_rules_claim_are_told(tmp_path):
    more = (
        '[[rules]]\nclass = "fraud"\norigin = "public"\npatterns = ["TH*"]\n'
        '[[rules]]\nclass = "animals"\norigin = "public"\ncodes = ["NONE"]\n'
        '[[rules]]\nclass = "theft"\norigin = "public"\npatterns = ["?H1"]\n'
    )
    folder = imported(tmp_path / "north", IN_A_FILE, {"codes/ours.toml": OURS + RULES + more})
    found = codes.check(folder)
    claimed = {row["code"]: row["claimed_by"] for row in found.codes.to_dicts()}
    # Rule 5 says the same of TH1, so that it is no rival.
    assert claimed == {"TH1": [3], "TH2": [3], "PT1": [], "XX9": []}
    said = "\n".join(found.lines())
    assert "3 rules that map nothing: 3 (fraud), 4 (animals), 5 (theft)." in said
    assert "6 TH1 (Shoplifting): rule 1 (theft, public) by its code, not rule 3 (fraud, public)" in said


def test_a_code_whose_descriptions_fall_under_several_rules_has_a_line_for_each(tmp_path):
    words = (
        '[[rules]]\nclass = "theft"\norigin = "public"\nwords = ["shoplift"]\n'
        '[[rules]]\nclass = "vehicle_crime"\norigin = "public"\nwords = ["cycle"]\n'
    )
    folder = make_force(tmp_path / "north", IN_A_FILE, {"codes/ours.toml": OURS + words})
    (folder / "calls.csv").write_text(
        "id,at,code,words,grade\n1,2026-03-01 10:00,T,Shoplifting,2\n"
        "2,2026-03-01 11:00,T,Cycle stolen,2\n3,2026-03-01 12:00,T,Shoplifting,2\n"
    )
    intake.import_extract(folder, folder / "calls.csv")
    found = codes.check(folder).codes
    assert found.select("code", "class_code", "incidents").rows() == [("T", "theft", 2), ("T", "vehicle_crime", 1)]


def test_another_crosswalk_can_be_tried(force):
    found = codes.check(force, "nsir_like")
    assert found.left == 0
    assert {row["code"]: row["class_code"] for row in found.codes.to_dicts()}["XX9"] == "antisocial_behaviour"
    assert found.stored_otherwise == 2


def test_the_check_comes_as_json_and_csv_with_formulas_made_text(tmp_path):
    folder = make_force(tmp_path / "north")
    (folder / "calls.csv").write_text('id,at,code,words,grade\n1,2026-03-01 10:00,=1+1,"=HYPERLINK(""x"")",2\n')
    intake.import_extract(folder, folder / "calls.csv")
    as_json = json.loads(run("codes", folder, "--json").stdout)
    assert as_json["codes"][0]["code"] == "=1+1"
    rows = list(csv.DictReader(io.StringIO(run("codes", folder, "--csv").stdout)))
    assert rows[0]["code"] == "'=1+1"
    assert rows[0]["description"].startswith("'=")


def test_a_force_without_incidents_or_without_a_crosswalk_is_told_what_to_do(tmp_path):
    with pytest.raises(NoInput, match="no incidents"):
        codes.check(make_force(tmp_path / "north"))
    with pytest.raises(UsageError, match="has no crosswalk"):
        codes.in_use(make_force(tmp_path / "west", ""))


# ---- The crosswalk in a file ----


def test_a_crosswalk_in_a_file_maps_as_one_inside_the_map_does(force, tmp_path):
    filed = imported(tmp_path / "other", IN_A_FILE, {"codes/ours.toml": OURS + RULES})
    assert stored(filed) == stored(force)


def test_a_batch_keeps_the_crosswalk_that_mapped_it(filed):
    (record,) = [json.loads(notes)["crosswalk"] for notes in Store(filed).batches()["notes"]]
    assert (record["name"], record["version"]) == ("codes/ours.toml", 1)
    assert record["sha256"] == codes.sources.file_sha256(filed / "codes" / "ours.toml")


def test_what_force_toml_names_comes_before_what_the_map_names(filed):
    text = (filed / "force.toml").read_text()
    (filed / "force.toml").write_text(text + 'crosswalk_file = "nsir_like"\n')
    assert codes.in_use(filed).words == "nsir_like, version 1 of 2026-11-22"


def test_a_crosswalk_needs_a_column_of_codes(tmp_path):
    folder = make_force(tmp_path / "north", "")
    text = (folder / "north.toml").read_text().replace('opening_code = "code"\n', "")
    (folder / "north.toml").write_text(text)
    (folder / "force.toml").write_text((folder / "force.toml").read_text() + 'crosswalk_file = "nsir_like"\n')
    with pytest.raises(UsageError, match="no column for 'opening_code'"):
        codes.in_use(folder)


# ---- The next version ----


def test_a_change_is_saved_as_the_next_version_and_used_by_the_next_import(filed):
    before = (filed / "codes" / "ours.toml").read_bytes()
    path = codes.save(filed, change(filed, {"XX9": ("animals", "public")}), today=TODAY, author="A. Analyst")
    assert path.name == "ours.v2.toml"
    assert (filed / "codes" / "ours.toml").read_bytes() == before
    assert codes.in_use(filed).words == f"codes/ours.v2.toml, version 2 of {TODAY}"
    done = intake.import_extract(filed, filed / "calls.csv")
    assert (done.batch["rows_updated"], done.batch["rows_unchanged"]) == (2, 13)
    assert stored(filed)["XX9"] == ("animals", "public", 2)


def test_a_crosswalk_inside_a_map_becomes_a_file_that_force_toml_names(force):
    path = codes.save(force, change(force, {"XX9": ("animals", "public")}), today=TODAY)
    assert path == force / "codes" / "north.toml"
    said = settings.read(force)
    assert said.sources["incidents"].crosswalk_file == "codes/north.toml"
    assert said.sources["incidents"].map == "north.toml"
    assert said.force.name == "North <Valley>"
    assert codes.save(force, change(force, {"XX9": ("alarm", "public")}), today=TODAY).name == "north.v2.toml"


def test_the_shipped_crosswalk_that_force_toml_names_is_copied_and_the_copy_is_named_in_its_place(force):
    text = (force / "force.toml").read_text()
    (force / "force.toml").write_text(text + 'crosswalk_file = "nsir_like" # a start\n\n[demand]\noutage_share = 0.2\n')
    path = codes.save(force, change(force, {"XX9": ("animals", "public")}), today=TODAY)
    assert path == force / "codes" / "nsir_like.toml"
    said = settings.read(force)
    assert said.sources["incidents"].crosswalk_file == "codes/nsir_like.toml"
    assert (said.sources["incidents"].map, said.demand.outage_share) == ("north.toml", 0.2)
    assert "no conformity" in " ".join(codes.in_use(force).column_map.crosswalk_read.crosswalk.notes)


def test_force_toml_without_a_section_to_write_in_is_left_alone_and_the_line_is_told(force):
    text = (force / "force.toml").read_text().replace("[sources.incidents]\nmap", "[sources]\nincidents.map")
    (force / "force.toml").write_text(text)
    with pytest.raises(UsageError, match=r'Write this line.*crosswalk_file = "codes/north.toml"'):
        codes.save(force, change(force, {"XX9": ("alarm", "public")}), today=TODAY)
    assert (force / "force.toml").read_text() == text
    assert not (force / "codes").exists()


def test_a_change_to_an_older_version_is_refused(filed):
    old = change(filed, {"XX9": ("alarm", "public")})
    codes.save(filed, change(filed, {"XX9": ("animals", "public")}), today=TODAY)
    with pytest.raises(UsageError, match=r"is now codes/ours.v2.toml, version 2 .* made to version 1"):
        codes.save(filed, old, today=TODAY)


def test_a_version_that_is_named_alone_is_not_gone_past(tmp_path):
    named = 'crosswalk_file = "codes/ours.v2.toml"'
    two = OURS.replace("version = 1", "version = 2") + RULES
    folder = imported(tmp_path / "north", named, {"codes/ours.v2.toml": two})
    with pytest.raises(UsageError, match="names one version"):
        codes.save(folder, change(folder, {"XX9": ("alarm", "public")}), today=TODAY)


def test_a_rule_that_there_is_not_is_told(filed):
    with pytest.raises(BadSettings, match="no rule 9; there are 2"):
        codes.save(filed, change(filed, of_rules={9: ("alarm", "public")}), today=TODAY)


def test_the_effect_of_a_change_is_known_before_it_is_saved(force):
    counted, used = codes.count_codes(force), codes.in_use(force)
    origins = settings.read(force).demand.origins
    wanted = change(force, {"XX9": ("antisocial_behaviour", "public")}, {1: ("theft", "officer_initiated")})
    before = codes.check_counted(counted, used, origins)
    after = codes.check_counted(counted, codes.changed(used, wanted), origins)
    assert codes.effect(before, after) == {
        "incidents": 15,
        "moved": [
            {"class_code": "antisocial_behaviour", "origin": "public", "before": 0, "after": 2},
            {"class_code": "theft", "origin": "officer_initiated", "before": 0, "after": 9},
            {"class_code": "theft", "origin": "public", "before": 9, "after": 0},
            {"class_code": "unknown", "origin": "unknown", "before": 2, "after": 0},
        ],
        "unmapped": {"before": 2, "after": 0},
        "drive_demand": {"before": 11, "after": 2},
    }


# ---- What is stored, mapped again ----


def test_stored_incidents_are_mapped_again_as_a_batch_of_changed_rows(filed):
    codes.save(filed, change(filed, {"XX9": ("animals", "public")}), today=TODAY)
    assert codes.check(filed).stored_otherwise == 2
    done = codes.apply(filed)
    assert done is not None
    assert (done.batch["rows_read"], done.batch["rows_updated"]) == (2, 2)
    assert json.loads(done.batch["notes"])["crosswalk"]["version"] == 2
    assert stored(filed)["XX9"] == ("animals", "public", 2)
    assert codes.check(filed).stored_otherwise == 0
    assert codes.apply(filed) is None
    assert Store(filed).verify() == []


def test_going_back_to_what_an_earlier_version_said_is_no_old_news(filed):
    for class_code in ("animals", "alarm", "animals", "unknown"):
        origin = "unknown" if class_code == "unknown" else "public"
        codes.save(filed, change(filed, {"XX9": (class_code, origin)}), today=TODAY)
        assert codes.apply(filed) is not None
        assert stored(filed)["XX9"] == (class_code, origin, 2)
        # The same extract again finds what it brings.
        assert intake.import_extract(filed, filed / "calls.csv").batch["rows_unchanged"] == 15


def test_a_late_extract_turns_nothing_back_after_mapping_again(filed):
    """North's feed has no version of its own: what was held before is old, in the new classes as in the old ones."""
    monday = calls(filed / "monday.csv", grade="3")
    tuesday = calls(filed / "tuesday.csv", grade="1")
    intake.import_extract(filed, monday)
    intake.import_extract(filed, tuesday)
    codes.save(filed, change(filed, of_rules={1: ("fraud", "public")}), today=TODAY)
    codes.apply(filed)
    late = intake.import_extract(filed, monday)
    assert late.batch["rows_unchanged"] == 15
    current = Store(filed).read("incidents")
    assert set(current["grade_code"]) == {"1"}
    assert set(current.filter(pl.col("opening_code") == "TH1")["class_code"]) == {"fraud"}


def test_the_latest_version_stays_the_current_one_where_the_feed_has_versions(tmp_path):
    folder = make_force(tmp_path / "north", IN_A_FILE, {"codes/ours.toml": OURS + RULES})
    intake.import_extract(folder, calls(folder / "new.csv", grade="1", changed="2026-03-19 12:00"))
    intake.import_extract(folder, calls(folder / "old.csv", grade="3", changed="2026-03-18 12:00"))
    codes.save(folder, change(folder, of_rules={1: ("fraud", "public")}), today=TODAY)
    codes.apply(folder)
    assert set(Store(folder).read("incidents")["grade_code"]) == {"1"}
    assert stored(folder)["TH1"] == ("fraud", "public", 6)


def test_rows_of_another_column_map_stay_as_they_are(filed):
    (filed / "own.csv").write_text(
        "incident_id,received_at,opening_code,class_code,origin\nZ1,2026-03-05T10:00:00Z,TH1,burglary,public\n"
    )
    intake.import_extract(filed, filed / "own.csv", map_name="bluelamp")
    codes.save(filed, change(filed, of_rules={1: ("fraud", "public")}), today=TODAY)
    codes.apply(filed)
    kept = Store(filed).read("incidents").filter(pl.col("incident_id") == "Z1")
    assert kept["class_code"].to_list() == ["burglary"]


def by_source(tmp_path):
    """North's feed with the origin in a column of its own: its grade, of all things."""
    folder = make_force(tmp_path / "north")
    origin = 'origin = { column = "grade", words = { 1 = "partner", 2 = "officer_initiated" } }'
    text = (folder / "north.toml").read_text().replace('grade_code = "grade"', origin)
    (folder / "north.toml").write_text(text)
    intake.import_extract(folder, calls(folder / "calls.csv"))
    return folder


def test_an_origin_that_the_extract_gives_is_what_counts(tmp_path):
    folder = by_source(tmp_path)
    found = codes.check(folder)
    assert (found.stored_otherwise, found.drive_demand) == (0, 0)
    assert set(found.codes["origin"]) == {"officer_initiated"}
    (folder / "more.csv").write_text("id,at,code,words,grade\nM1,2026-03-01 10:00,TH1,Shoplifting,1\n")
    intake.import_extract(folder, folder / "more.csv")
    rows = codes.check(folder).codes.filter(code="TH1").select("origin", "incidents").rows()
    assert rows == [("officer_initiated", 6), ("partner", 1)]


def test_the_command_and_the_page_say_alike_what_the_extract_gives(tmp_path):
    folder = by_source(tmp_path)
    said = "\n".join(codes.check(folder).lines())
    assert "9 (60.0%) rule 1: theft, origin as the extract says: TH1, TH2" in said
    assert "theft, public" not in said
    assert "as the extract says" in TestClient(make_app(folder)).get("/codes").text

    text = (folder / "north.toml").read_text()
    text = (
        text.replace("origin = {", "class_code = {")
        .replace("partner", "fraud")
        .replace("officer_initiated", "drugs", 1)
    )
    (folder / "north.toml").write_text(text)
    said = "\n".join(codes.check(folder).lines())
    assert "rule 1: class as the extract says, public: TH1, TH2" in said


def test_mapping_again_leaves_what_the_extract_gives(tmp_path):
    folder = by_source(tmp_path)
    codes.save(folder, change(folder, {"XX9": ("animals", "public")}), today=TODAY)
    assert codes.apply(folder).batch["rows_updated"] == 2
    assert stored(folder)["XX9"] == ("animals", "officer_initiated", 2)


def test_a_crosswalk_that_decides_nothing_is_told(tmp_path):
    folder = make_force(tmp_path / "north")
    both = 'class_code = "grade"\norigin = "words"'
    text = (folder / "north.toml").read_text().replace('grade_code = "grade"', both)
    (folder / "north.toml").write_text(text)
    with pytest.raises(UsageError, match="takes classes and origins from columns of the extract"):
        codes.in_use(folder)


def test_a_crosswalk_named_for_a_map_without_codes_is_not_passed_over_in_silence(tmp_path):
    folder = make_force(tmp_path / "north")
    (folder / "force.toml").write_text(
        (folder / "force.toml").read_text().replace("north.toml", "bluelamp") + 'crosswalk_file = "nsir_like"\n'
    )
    (folder / "own.csv").write_text("incident_id,received_at,class_code,origin\nZ1,2026-03-05T10:00:00Z,theft,public\n")
    with pytest.raises(UsageError, match="no column for 'opening_code'"):
        intake.import_extract(folder, folder / "own.csv")


# ---- The command ----


def test_the_command_writes_a_version_to_edit_and_maps_again(force):
    assert run("codes", force).stdout.startswith("15 incidents with 4 codes")
    wrote = run("codes", force, "--write")
    assert "north.toml. It is in use from the next import on." in wrote.stderr
    edited = force / "codes" / "north.toml"
    edited.write_text(edited.read_text().replace('["PT1"]', '["PT1", "XX9"]'))
    assert "2 (13.3%) are stored with another meaning" in run("codes", force).stdout
    applied = run("codes", force, "--apply")
    assert "incidents: 2 rows read from codes/north.toml: 0 accepted, 2 updated." in applied.stderr
    assert "nothing was changed" in run("codes", force, "--apply").stderr
    assert stored(force)["XX9"] == ("patrol", "officer_initiated", 2)


def test_a_version_that_says_what_the_one_before_says_gets_no_next_one(force):
    run("codes", force, "--write")
    again = run("codes", force, "--write")
    assert "Nothing changed: " in again.stderr
    assert "codes/north.toml still says what it was copied from" in again.stderr
    assert [path.name for path in (force / "codes").iterdir()] == ["north.toml"]

    first = force / "codes" / "north.toml"
    first.write_text(first.read_text() + '\n[[rules]]\nclass = "animals"\norigin = "public"\ncodes = ["XX9"]\n')
    assert "Wrote" in run("codes", force, "--write").stderr
    assert "codes/north.v2.toml still says" in run("codes", force, "--write").stderr
    second = force / "codes" / "north.v2.toml"
    second.write_text(second.read_text().replace("scheme = ", 'author = "A. Analyst"\nscheme = '))
    assert "Wrote" in run("codes", force, "--write").stderr
    assert sorted(path.name for path in (force / "codes").iterdir()) == [
        "north.toml", "north.v2.toml", "north.v3.toml"
    ]  # fmt: skip


def test_a_copy_of_a_shipped_crosswalk_waits_for_its_edit_too(force):
    text = (force / "force.toml").read_text()
    (force / "force.toml").write_text(text + 'crosswalk_file = "nsir_like"\n')
    assert "nsir_like.toml. It is in use" in run("codes", force, "--write").stderr
    assert "codes/nsir_like.toml still says what it was copied from" in run("codes", force, "--write").stderr


def test_a_crosswalk_that_was_written_by_hand_has_a_next_version_at_once(filed):
    assert "ours.v2.toml. It is in use" in run("codes", filed, "--write").stderr
    # One that is named by its version is looked at alone, and is a copy all the same.
    (filed / "north.toml").write_text((filed / "north.toml").read_text().replace("ours.toml", "ours.v2.toml"))
    assert "codes/ours.v2.toml still says" in run("codes", filed, "--write").stderr


def test_options_that_do_not_go_together_are_refused(force):
    assert isinstance(run("codes", force, "--write", "--apply").exception, UsageError)
    assert isinstance(run("codes", force, "--apply", "--try", "nsir_like").exception, UsageError)
