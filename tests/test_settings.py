"""force.toml: what it means, and its mistakes told all at once."""

from __future__ import annotations

from datetime import date

import jsonschema
import pytest

from bluelamp import settings, tables
from bluelamp.errors import BadSettings, NoInput

FORCE = """
[force]
id = "LV"
name = "Lantern Valley Constabulary"
time_zone = "Europe/London"
"""


def problems(text: str) -> list[str]:
    with pytest.raises(BadSettings) as told:
        settings.parse(FORCE + text)
    return list(told.value.problems)


# ---- what it means ----


def test_a_force_needs_an_id_a_name_and_a_clock_and_the_rest_has_defaults():
    read = settings.parse(FORCE)
    assert (read.force.id, read.force.country) == ("LV", None)
    assert (read.forecast.method, read.forecast.paths, read.forecast.path_days, read.forecast.days) == (
        "pooled", 500, 56, 365,
    )  # fmt: skip
    assert (read.staffing.method, read.staffing.crew_size, read.staffing.crewing) == ("mol", 1, ())
    assert "officer_initiated" not in read.demand.origins
    assert read.areas.from_points is False
    assert read.sources == {}
    assert (read.duties.day_starts_at, read.duties.briefing_minutes, read.duties.refreshments) == (7, 0, ())


def test_everything_can_be_said():
    read = settings.parse(
        FORCE
        + """
country = "GB"
subdivision = "SCT"
[areas]
file = "areas.geojson"
crs = "EPSG:27700"
district_property = "borough"
[sources.incidents]
map = "oakland"
file = "calls.csv"
[demand]
origins = ["public", "unknown"]
outage_share = 0.5
declared_outages = [[2026-01-01, 2026-01-03]]
[forecast]
weeks = 26
seed = 7
[staffing]
method = "erlang_c"
abstraction = 0.25
[[staffing.crewing]]
from_hour = 22
to_hour = 7
crew_size = 2
[duties]
day_starts_at = 6
briefing_minutes = 15
desk_roles = ["custody"]
[[duties.refreshments]]
at_least_hours = 0
minutes = 30
[[duties.refreshments]]
at_least_hours = 8.5
minutes = 45
"""
    )
    assert read.force.subdivision == "SCT"
    assert (read.areas.file, read.areas.crs) == ("areas.geojson", "EPSG:27700")
    assert read.sources["incidents"].map == "oakland"
    assert read.demand.declared_outages == ((date(2026, 1, 1), date(2026, 1, 3)),)
    assert read.staffing.crewing[0].crew_size == 2
    assert (read.duties.day_starts_at, read.duties.desk_roles) == (6, ("custody",))
    assert [(row.at_least_hours, row.minutes) for row in read.duties.refreshments] == [(0, 30), (8.5, 45)]
    assert settings.from_values(read.model_dump(mode="json")) == read, "what a run record keeps reads back"


def test_settings_do_not_change_under_the_hands_of_a_stage():
    read = settings.parse(FORCE)
    with pytest.raises(ValueError, match="frozen"):
        read.force.id = "XX"


@pytest.mark.parametrize("country", ["GB", "US", "DE", "JP", "IN"])
def test_a_country_may_stand_without_its_subdivision(country):
    assert settings.parse(FORCE + f'country = "{country}"').force.country == country


# ---- files ----


def test_a_folder_without_a_force_is_told_what_makes_one(tmp_path):
    with pytest.raises(NoInput, match=r"There is no force in '.*': force.toml is missing. 'bluelamp init"):
        settings.read(tmp_path)
    with pytest.raises(NoInput, match=r"force\.toml is missing"):
        settings.read(tmp_path / "nowhere")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NoInput, match=r"force\.toml is missing"):
        settings.read(tmp_path / "file")


def test_a_file_is_read_with_or_without_the_mark_that_windows_puts_in_front(tmp_path):
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "force.toml").write_text(FORCE, encoding=encoding)
        assert settings.read(tmp_path).force.id == "LV"


def test_a_file_in_another_encoding_is_told(tmp_path):
    (tmp_path / "force.toml").write_bytes(FORCE.replace("Lantern", "Löwen").encode("latin-1"))
    with pytest.raises(BadSettings, match="is not UTF-8 text"):
        settings.read(tmp_path)


def test_a_file_that_is_not_toml_is_told_with_the_line(tmp_path):
    (tmp_path / "force.toml").write_text("[force]\nid = LV\n", encoding="utf-8")
    with pytest.raises(BadSettings, match=r"force.toml is not TOML: .*line 2"):
        settings.read(tmp_path)


# ---- mistakes ----


def test_all_mistakes_are_told_at_once_each_with_what_it_should_hold():
    with pytest.raises(BadSettings) as told:
        settings.parse(
            '[force]\nid = "a b"\ntime_zone = "Europe/Lodnon"\ncolour = 1\n'
            '[forecast]\nweeks = 1\npaths = "many"\n[staffing]\nabstraction = 0.99\n'
        )
    text = str(told.value)
    assert text.startswith("force.toml can't be used yet. 7 things to put right:")
    assert "'force.id' is 'a b'" in text
    assert "'force.name' is missing. It holds: Name that people use." in text
    assert "'Europe/Lodnon' is not a time zone" in text
    assert "Did you mean 'Europe/London'?" in text
    assert "'force.colour' is not a setting. Did you mean 'country'?" in text
    assert "'forecast.weeks' is 1: input should be greater than or equal to 2. It holds: Weeks of history" in text
    assert "'forecast.paths' is 'many'" in text
    assert "'staffing.abstraction' is 0.99: input should be less than 0.95" in text
    assert told.value.exit_code == 78


def test_nothing_at_all_is_told_as_what_is_missing():
    with pytest.raises(BadSettings, match="One thing to put right") as told:
        settings.parse("")
    assert told.value.problems == ("'force' is missing. It holds: Who the force is and which clock it lives by.",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[demand]\norigins = ["publc"]', "'demand.origins' is .*Did you mean 'public'?"),
        ("[demand]\norigins = []", "'demand.origins' is .*some of 'public', 'partner'"),
        ("[demand]\ndeclared_outages = [[2026-01-03, 2026-01-01]]", "2026-01-01 is before 2026-01-03"),
        ("[demand]\ndeclared_outages = [[2026-01-03]]", "missing. It holds: Days, first and last"),
        ('[forecast]\nmethod = "slot mean"', "no such forecast method.*Did you mean 'slot_mean'?"),
        ('[staffing]\nmethod = "mole"', "no such staffing method.*Did you mean 'mol'?"),
        ('[staffing]\nrungs = ["priority"]', "no such staffing method.*Did you mean 'priorities'?"),
        ("[staffing]\ntarget_probability = 1.0", "'staffing.target_probability' is 1.0: input should be less than 1"),
        ('country = "XX"', "'force.country' is 'XX': there is no calendar of public holidays"),
        ('country = "gb"', "Did you mean 'GB'?"),
        ('country = "GB"\nsubdivision = "CA"', "no subdivision of 'GB'. Known are 'ENG', 'NIR', 'SCT' or 'WLS'"),
        ('[sources.incident]\nfile = "x"', "'incident' is not a table that is imported. Did you mean 'incidents'?"),
        ('[sources.incidents]\nflie = "x"', "'sources.incidents.flie' is not a setting. Did you mean 'file'?"),
        ("[[staffing.crewing]]\nfrom_hour = 25\nto_hour = 7\ncrew_size = 2", "It holds: Local hour at which it begins"),
        ("[[staffing.crewing]]\nfrom_hour = 22\ncrew_size = 2", "to_hour' is missing. It holds: Local hour at which"),
        ("[forecast]\nseed = -1", "greater than or equal to 0"),
        (
            '[staffing.other_work]\nwrite_up = "no"',
            "'staffing.other_work.write_up' is 'no': true or false was expected, without quotes. It holds: Write-up",
        ),
        ('[staffing.other_work]\nwithout_log = "false"', "true or false was expected, without quotes"),
        ("[staffing.other_work]\nlong_commitments = 0", "'.*long_commitments' is 0: true or false was expected"),
        ('[areas]\nfrom_points = "yes"', "'areas.from_points' is 'yes': true or false was expected"),
        ("[staffing]\nutilisation = 0", "greater than 0"),
        (
            '[areas]\ncrs = "EPSG:2770000"',
            "'areas.crs' is 'EPSG:2770000': .* is not a coordinate system. A code such as",
        ),
        ("[places]\nx = 1", "'places' is not a setting."),
    ],
)
def test_a_mistake_is_a_sentence_about_its_place(text, told):
    import re

    (found,) = problems(text)
    assert re.search(told.replace("?", r"\?"), found), found
    assert "?." not in found


# ---- the published schema ----


def test_the_published_schema_knows_every_setting_and_says_what_it_holds():
    schema = settings.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for name, part in schema["$defs"].items():
        assert part.get("description"), name
        for field, about in part["properties"].items():
            assert about.get("description"), f"{name}.{field}"


def test_the_published_schema_accepts_what_is_accepted():
    import tomllib

    validator = jsonschema.Draft202012Validator(settings.json_schema())
    assert validator.is_valid(tomllib.loads(FORCE))
    assert validator.is_valid(tomllib.loads(FORCE + '[areas]\ncrs = "EPSG:27700"'))
    assert not validator.is_valid(tomllib.loads(FORCE + "colour = 1"))


def test_every_origin_of_incidents_may_be_chosen():
    every = tables.table("incidents").by_name["origin"].enum
    read = settings.from_values(
        {"force": {"id": "x", "name": "x", "time_zone": "UTC"}, "demand": {"origins": list(every)}}
    )
    assert read.demand.origins == every


def test_mistakes_about_duties_are_told():
    (hour, twice) = problems(
        "[duties]\nday_starts_at = 24\n"
        "[[duties.refreshments]]\nat_least_hours = 6\nminutes = 35\n"
        "[[duties.refreshments]]\nat_least_hours = 6\nminutes = 45\n"
    )
    assert hour.startswith(
        "'duties.day_starts_at' is 24: input should be less than or equal to 23. It holds: Local hour"
    )
    assert "two rows hold for turns of at least 6 hours. One row a length was expected" in twice
