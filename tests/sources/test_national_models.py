"""The shipped maps for POLE and Single Online Home: a small drawn file comes in through each, and no person does."""

import json
from datetime import UTC, datetime

import pytest
from tests.coded import make_force

from bluelamp import intake, sources
from bluelamp.store import Store

NATIONAL = ("pole_event", "pole_location", "single_online_home")


@pytest.fixture
def force(tmp_path):
    return make_force(tmp_path / "north")


def brought_in(force, map_name, name, text):
    path = force / name
    path.write_text(text)
    table = sources.read_column_map(map_name).table
    done = intake.import_extract(force, path, table=table, map_name=map_name)
    return done.batch, Store(force).read(table)


def test_pole_events_with_their_location_come_in_as_incidents_with_class_and_point(force):
    batch, rows = brought_in(
        force, "pole_event", "events.csv",
        "event_id,event_reported_at,event_type,event_type_description,location_easting,location_northing,"
        "location_policing_area,event_updated_at\n"
        "E1,2026-06-02 08:00:00,RTC1,Road traffic collision - injury,358900,173100,B01,2026-06-02 09:00:00\n"
        "E2,2026-06-02 09:00:00,ASBP,ASB - personal,358400,172800,B02,2026-06-02 09:30:00\n"
        "E3,2026-06-02 10:00:00,QQ,,,,,\n",
    )  # fmt: skip
    assert (batch["rows_accepted"], batch["rows_quarantined"]) == (3, 0)
    assert rows["class_code"].to_list() == ["collision", "antisocial_behaviour", "unknown"]
    # By the force's clock, which is an hour ahead of UTC in June.
    assert rows["received_at"][0] == datetime(2026, 6, 2, 7, tzinfo=UTC)
    assert (round(rows["longitude"][0], 2), round(rows["latitude"][0], 2)) == (-2.59, 51.46)
    assert rows["area_id"].to_list() == ["B01", "B02", None]
    assert json.loads(batch["notes"])["crosswalk"]["name"] == "nsir_like"


def test_pole_locations_that_are_policing_areas_come_in_as_areas(force):
    batch, rows = brought_in(
        force, "pole_location", "locations.csv",
        "location_id,location_name,location_level,location_parent_id,location_kind\n"
        "B01,Harbour,Beat,D1,Urban\nB02,Moor,ward,D1,R\nD1,West,BCU,,all\nA9,4 High Street,address,B01,urban\n",
    )  # fmt: skip
    assert rows.select("area_id", "level", "parent_id", "kind").rows() == [
        ("B01", "area", "D1", "urban"), ("B02", "area", "D1", "rural"), ("D1", "district", None, "all"),
    ]  # fmt: skip
    # An address is no area, and is set aside with the reason.
    assert batch["rows_quarantined"] == 1


def test_single_online_home_submissions_come_in_as_online_contacts(force):
    submissions = [
        {"submissionId": "8bf76cd6", "submitTime": "2026-06-12T15:09:33.880+01:00", "category": "OCR"},
        {"submissionId": "8bf76cd7", "submitTime": "2026-12-12T15:09:33.880Z", "category": "OCR"},
        {"submissionId": "8bf76cd8", "submitTime": "2026-12-12T15:09:33", "category": "OCR"},
    ]
    text = "".join(json.dumps(each) + "\n" for each in submissions)
    batch, rows = brought_in(force, "single_online_home", "submissions.jsonl", text)
    assert rows["contacted_at"].to_list() == [
        datetime(2026, 6, 12, 14, 9, 33, 880000, tzinfo=UTC), datetime(2026, 12, 12, 15, 9, 33, 880000, tzinfo=UTC),
    ]  # fmt: skip
    assert set(rows["channel"]) == {"online"}
    assert rows["answered_at"].null_count() == 2
    # A time that does not say its offset is not guessed at.
    assert batch["rows_quarantined"] == 1


@pytest.mark.parametrize("name", NATIONAL)
def test_a_map_of_a_national_model_claims_no_conformity_and_says_what_is_ours(name):
    column_map = sources.read_column_map(name)
    assert "No conformity is claimed." in column_map.notes[0]
    assert "ours" in " ".join((column_map.title, *column_map.notes))


@pytest.mark.parametrize("name", NATIONAL)
def test_a_map_of_a_national_model_reads_no_person(name):
    strange = ("person", "name", "surname", "birth", "address", "email", "telephone", "ipAddress", "submissionContent")
    read = [column for column in sources.read_column_map(name).file_columns if column != "location_name"]
    assert not [column for column in read if any(word.lower() in column.lower() for word in strange)]
