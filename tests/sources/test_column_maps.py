"""Column maps: those that are shipped hold what they promise, and mistakes in one are told all at once."""

from datetime import UTC, datetime

import jsonschema
import polars as pl
import pytest

from bluelamp import sources
from bluelamp.errors import BadSettings, NoInput
from bluelamp.sources import crosswalks

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize("name", sources.shipped_maps())
def test_a_shipped_map_can_be_read_and_says_what_it_is(name):
    column_map = sources.read_column_map(name)
    assert column_map.title == sources.shipped_maps()[name]
    assert column_map.notes
    assert all(group.class_code in sources.classes() for group in column_map.crosswalk)


def test_the_feeds_that_we_know_are_shipped():
    assert set(sources.shipped_maps()) >= {"bluelamp", "laguna_beach", "oakland", "san_luis_obispo"}


def test_no_shipped_map_invents_a_grade():
    for name in ("oakland", "laguna_beach", "san_luis_obispo"):
        assert "grade_code" not in sources.read_column_map(name).columns


@pytest.mark.parametrize("name", sources.shipped_maps())
def test_the_published_schema_accepts_every_shipped_map(name):
    import tomllib
    from importlib.resources import files

    schema = sources.column_map_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    text = (files("bluelamp.sources") / "maps" / f"{name}.toml").read_text(encoding="utf-8")
    jsonschema.validate(tomllib.loads(text), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text) | {"time_zon": "UTC"}, schema)


SMALL = 'title = "x"\ntable = "incidents"\ntime_zone = "UTC"\n[columns]\nincident_id = "id"\nreceived_at = "at"\n'


def test_a_column_given_as_plain_text_is_its_name():
    column_map = sources.parse_column_map(SMALL)
    assert column_map.columns["received_at"].column == "at"
    assert column_map.file_columns == ["id", "at"]


def test_every_mistake_is_told_at_once_with_the_nearest_word():
    text = SMALL.replace("time_zone", "time_zon").replace('"id"', '{ colum = "id" }') + (
        '[[crosswalk]]\nclass = "burglry"\norigin = "publick"\ncodes = []\n'
    )
    with pytest.raises(BadSettings) as caught:
        sources.parse_column_map(text, "ours.toml")
    said = str(caught.value)
    assert said.startswith("ours.toml can't be used yet.")
    assert "'time_zon' is not a setting of a column map. Did you mean 'time_zone'?" in said
    assert "'time_zone' is missing. It holds: Clock of times without an offset" in said
    assert "'columns.incident_id.colum' is not a setting of a column map. Did you mean 'column'?" in said
    assert "Did you mean 'burglary'?" in said
    assert "'crosswalk.0.origin'" in said
    assert "'crosswalk.0.codes'" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ('received_at = "at"', 'recieved_at = "at"'),
            "'recieved_at' is not a field of 'incidents'. Did you mean 'received_at'?",
        ),
        (('received_at = "at"', ""), "o column fills 'received_at'"),
        (('"incidents"', '"incident"'), "Did you mean 'incidents'?"),
        (('"UTC"', '"Europe/Londn"'), "Did you mean 'Europe/London'?"),
        (('"id"', '{ column = "id", constant = "x" }'), "exactly one of 'column', 'columns' and 'constant'"),
        (("[columns]", 'delimiter = ",,"\n[columns]'), "one character was expected"),
        (("[columns]", 'encoding = "utf-99"\n[columns]'), "not an encoding"),
        (("[columns]", 'crs = "EPSG:2770000"\n[columns]'), "'crs': 'EPSG:2770000' is not a coordinate system"),
        (("[columns]", 'date_order = "uk"\n[columns]'), "'date_order'"),
        (
            ("[columns]", 'ignore_offset = "no"\n[columns]'),
            "'ignore_offset': true or false was expected, without quotes",
        ),
        (("[columns]", "no_unit_no_arrival = 0\n[columns]"), "'no_unit_no_arrival': true or false was expected"),
        (('"id"', '{ column = "id", optional = "no" }'), "'columns.incident_id.optional': true or false was expected"),
        (("[columns]", "nonsense\n[columns]"), "is not TOML"),
    ],
)
def test_a_mistake_is_a_sentence(change, said):
    with pytest.raises(BadSettings) as caught:
        sources.parse_column_map(SMALL.replace(*change))
    assert said in str(caught.value)


PRESSES = """
title = "x"
table = "unit_status"
time_zone = "UTC"
[columns]
unit_id = { column = "units", split_by = "," }
[[events]]
columns = { status = { constant = "en_route" }, status_at = "sent" }
[[events]]
columns = { status = { constant = "at_scene" }, status_at = { column = "there", optional = true } }
"""


def test_events_fill_what_columns_leave_open():
    column_map = sources.parse_column_map(PRESSES)
    assert column_map.file_columns == ["units", "sent", "there"]
    assert column_map.needed_columns == ["units", "sent"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('status_at = "sent"', 'status_code = "sent"'), "no column fills 'status_at'"),
        (('status_at = "sent"', 'status_code = "sent"'), "event 1 gives none of its own for 'status_at'"),
        (('status_at = "sent"', 'status_att = "sent"'), "Did you mean 'status_at'?"),
        (('{ constant = "en_route" }', '{ constnt = "en_route" }'), "Did you mean 'constant'?"),
        (('column = "there"', 'column = "there", split_by = ";"'), "only one column may have 'split_by'"),
        (('"unit_status"', '"incidents"'), "a row of a file of incidents is one incident"),
    ],
)
def test_a_mistake_in_an_event_is_a_sentence(change, said):
    with pytest.raises(BadSettings) as caught:
        sources.parse_column_map(PRESSES.replace(*change))
    assert said.casefold() in str(caught.value).casefold()


def test_a_code_in_two_groups_is_refused_whatever_its_case():
    groups = "".join(
        f'[[crosswalk]]\nclass = "{c}"\norigin = "public"\ncodes = ["{k}"]\n'
        for c, k in (("alarm", "a1"), ("drugs", "A1"))
    )
    with pytest.raises(BadSettings, match="'A1' stands in the crosswalk twice"):
        sources.parse_column_map(SMALL + 'opening_code = "c"\n' + groups)


def test_a_map_of_ones_own_is_read_by_its_path(tmp_path):
    (tmp_path / "ours.toml").write_text(SMALL)
    assert sources.read_column_map("ours.toml", tmp_path).title == "x"
    assert sources.read_column_map(tmp_path / "ours.toml").title == "x"


def test_a_map_that_is_not_there_is_no_input_and_the_nearest_is_named(tmp_path):
    with pytest.raises(NoInput) as caught:
        sources.read_column_map("oaklnd", tmp_path)
    assert "Did you mean 'oakland'?" in str(caught.value)


def test_the_map_for_any_table_takes_the_tables_own_names():
    filled = sources.read_column_map("bluelamp").filling("incidents")
    assert filled.table == "incidents"
    assert filled.uses_own_names
    assert set(filled.needed_columns) < set(filled.file_columns)


# -- the crosswalks against the real feeds -----------------------------------------------------------------------------

FEEDS = {
    "oakland": ("oakland/calls.csv.gz", ["call_id"]),
    "laguna_beach": ("laguna_beach/events.csv.gz", ["type", "subtype"]),
    "san_luis_obispo": ("san_luis_obispo/calls_first_half.csv.gz", ["type"]),
}
# Read, and left unknown, because the feed's words don't say what they are.
LEFT_UNKNOWN = {"oakland": {"ELEC", "JGP", "900"}, "laguna_beach": set(), "san_luis_obispo": set()}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", FEEDS)
def test_every_code_with_20_rows_or_more_was_read_and_classed(name, shared_data):
    path, _ = FEEDS[name]
    column_map = sources.read_column_map(name)
    rows = pl.concat(
        [chunk.rows for chunk in sources.read_extract(shared_data / path, column_map, time_zone="UTC", as_of=AS_OF)]
    )
    unknown = rows.filter(pl.col("class_code") == "unknown", pl.col("opening_code").is_not_null())
    counts = dict(unknown["opening_code"].value_counts().iter_rows())
    assert {code for code, count in counts.items() if count >= 20} == LEFT_UNKNOWN[name]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", FEEDS)
def test_a_crosswalk_has_no_code_that_its_feed_never_had(name, shared_data):
    path, columns = FEEDS[name]
    raw = pl.read_csv(shared_data / path, infer_schema=False, columns=columns).unique().fill_null("")
    swapped_back = {"914A"}
    seen = {"/".join(row[:length]).rstrip("/").casefold() for row in raw.iter_rows() for length in (1, 2)} | {
        code.casefold() for code in swapped_back
    }
    listed = {code.casefold() for group in sources.read_column_map(name).crosswalk for code in group.codes}
    assert listed <= seen


def test_every_class_is_spelt_as_a_name():
    assert all(code.isidentifier() and title for code, title in crosswalks.classes().items())
    assert "unknown" in crosswalks.classes()
