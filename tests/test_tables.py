"""Definitions, and what is made from them: the check, the published form, CSV, templates, JSON Schema."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta, timezone

import jsonschema
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelamp import tables
from bluelamp.errors import BadData, UsageError
from tests.drawn import drawn

EVERY_TABLE = tables.names()
DUTY = "duty_id | person_id | role_code | pool_id | starts_at            | ends_at              | kind"


def duty(*, duty_id: str = "D1", person_id: str = "P0412", kind: str = "planned", **changed: object) -> pl.DataFrame:
    row = f"{duty_id} | {person_id} | response | R1 | 2026-11-23T19:00:00Z | 2026-11-24T04:30:00Z | {kind}"
    return drawn("duties", DUTY, row).with_columns(**{name: pl.lit(value) for name, value in changed.items()})


def told(frame: pl.DataFrame, name: str) -> list[str]:
    with pytest.raises(BadData) as error:
        tables.check(frame, name)
    return list(error.value.problems)


def as_text(name: str) -> pl.DataFrame:
    return pl.read_csv(io.StringIO(tables.blank_template(name)), infer_schema=False)


# ---- definitions ----

# Numbers that count nothing and so have no unit.
_NO_QUANTITY = ("sequence", "row_number", "seed", "rank")


@pytest.mark.parametrize("name", EVERY_TABLE)
def test_a_definition_is_whole(name):
    definition = tables.table(name)
    assert definition.name == name
    assert definition.kind in ("imported", "result", "record", "account", "analysis", "backtest")
    assert definition.regime in ("open", "law_enforcement", "personnel")
    assert len(set(definition.columns)) == len(definition.columns)
    assert definition.key
    for key in definition.key:
        assert key in definition.columns, key
    for each in definition.fields:
        assert each.description, each.name
        assert not each.description.endswith("."), each.name
        assert each.unit or each.type not in ("number", "integer") or each.name in _NO_QUANTITY
        assert each.decimals is not None or each.type != "number", f"{each.name} would be published with noise"
        if each.enum and each.example:
            assert each.example in each.enum, each.name
        if each.minimum is not None and each.maximum is not None:
            assert each.minimum < each.maximum


@pytest.mark.parametrize("name", EVERY_TABLE)
def test_the_template_of_a_table_reads_back_as_a_row_of_it(name):
    typed, unreadable = tables.parse(as_text(name), name)
    assert unreadable.is_empty(), unreadable["reason"].to_list()
    checked = tables.check(typed, name)
    assert checked.height == 1
    assert checked.schema == tables.table(name).polars_schema


@pytest.mark.parametrize("name", EVERY_TABLE)
def test_a_table_survives_its_own_csv(name):
    typed, _ = tables.parse(as_text(name), name)
    published = tables.publish(typed, name)
    again, unreadable = tables.parse(pl.read_csv(io.StringIO(tables.to_csv(published, name)), infer_schema=False), name)
    assert unreadable.is_empty()
    assert again.equals(published)


@pytest.mark.parametrize("name", EVERY_TABLE)
def test_an_empty_table_is_a_table(name):
    empty = tables.empty(name)
    assert tables.check(empty, name).equals(empty)
    assert tables.publish(empty, name).equals(empty)
    assert tables.to_csv(empty, name) == ",".join(tables.table(name).columns) + "\n"


@pytest.mark.parametrize("name", EVERY_TABLE)
def test_the_reference_page_says_every_field(name):
    page = tables.reference_page(name)
    definition = tables.table(name)
    table_lines = [line for line in page.splitlines() if line.startswith("| `")]
    assert [line.split("`")[1] for line in table_lines] == definition.columns
    assert all(line.count("|") == 6 for line in table_lines)


def test_tables_are_listed_by_kind():
    kinds = {kind: tables.names(kind) for kind in ("imported", "result", "record", "account", "analysis", "backtest")}
    assert sorted(name for each in kinds.values() for name in each) == EVERY_TABLE
    assert "incidents" in kinds["imported"]
    assert "coverage" in kinds["result"]
    assert "runs" in kinds["record"]


@pytest.mark.parametrize("name", ["incident", "../errors", "", "no such", "__init__"])
def test_an_unknown_table_is_told_with_those_there_are(name):
    with pytest.raises(UsageError, match="There is no table"):
        tables.table(name)
    with pytest.raises(UsageError, match="Did you mean 'incidents'"):
        tables.table("incident")


# ---- check ----


def test_a_good_row_passes_and_columns_come_in_order():
    given_backwards = duty().select(reversed(tables.table("duties").columns))
    assert tables.check(given_backwards, "duties").equals(duty())


def test_columns_that_need_not_be_filled_may_be_left_out():
    row = {"pool_id": "R1", "role_code": "response", "area_id": "B1", "from_hour": 7, "to_hour": 22}
    checked = tables.check(pl.DataFrame([row]), "pools")
    assert checked.columns == tables.table("pools").columns
    assert checked["valid_from"].to_list() == [None]


def test_every_problem_is_told_at_once():
    wrong = pl.DataFrame(
        {
            "pool_id": ["R1", None, "R1"],
            "role_cod": ["a", "b", "c"],
            "area_id": ["B1", "B1", "B1"],
            "from_hour": ["7", "seven", "7"],
            "to_hour": [25, 22, 22],
            "valid_from": [datetime(2026, 1, 1), None, None],
        }
    )
    problems = told(wrong, "pools")
    assert len(problems) == 6
    text = "\n".join(problems)
    assert "'role_cod' is not a column of 'pools'. Did you mean 'role_code'?" in text
    assert "'role_code' is missing. It holds: Role of the people in the pool." in text
    assert "'from_hour' is not a whole number from 0 to 23 in 1 row, first at row 2." in text
    assert "'valid_from' is not a date such as 2026-11-23 in 1 row, first at row 1." in text
    assert "Row 2: 'pool_id' is empty" in text
    assert "Row 1: 'to_hour' is '25', too large; a whole number from 0 to 24 was expected." in text


def test_a_repeated_key_is_told_with_how_often():
    three = pl.concat([duty()] * 3)
    assert told(three, "duties") == [
        "Row 2: The key (duty_id) stands in an earlier row already; each row needs its own key. (2 rows in all)"
    ]


def test_a_key_without_its_optional_part_may_not_come_twice():
    row = {"pool_id": "R1", "role_code": "response", "area_id": "B1", "from_hour": 7, "to_hour": 22}
    (problem,) = told(pl.DataFrame([row, row]), "pools")
    assert "Row 2: The key" in problem


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("minimum_officers", 1.7),
        ("minimum_officers", "1.7"),
        ("minimum_officers", True),
        ("minimum_officers", float("nan")),
        ("minimum_officers", [1]),
        ("valid_from", "2026-02-30"),
        ("valid_from", "26-02-03"),
        ("valid_from", 20260203),
    ],
)
def test_a_value_of_another_kind_is_told_and_never_bent_to_fit(field, value):
    row = {"pool_id": "R1", "role_code": "response", "from_hour": 0, "to_hour": 24, "minimum_officers": 6}
    (problem,) = told(pl.DataFrame([row | {field: value}]), "minimums")
    assert problem.startswith(f"'{field}' is not ")
    assert problem.endswith("in 1 row, first at row 1.")


@pytest.mark.parametrize("value", [datetime(2026, 1, 1, 12), date(2026, 1, 1), 1_767_225_600, "12:00", True])
def test_a_time_without_its_zone_is_no_instant(value):
    frame = duty().drop("starts_at").with_columns(starts_at=pl.lit(value))
    assert told(frame, "duties") == [
        "'starts_at' is not an instant such as 2026-11-23T18:00:00Z in 1 row, first at row 1."
    ]


def test_other_forms_of_the_same_value_are_read():
    in_tokyo = datetime(2026, 11, 24, 4, tzinfo=timezone(timedelta(hours=9)))
    frame = duty().with_columns(starts_at=pl.lit(in_tokyo), ends_at=pl.lit(" 2026-11-24 05:30+01:00"))
    checked = tables.check(frame, "duties")
    assert checked.equals(duty())
    row = {"pool_id": 7, "role_code": "response", "from_hour": "0", "to_hour": 24.0, "minimum_officers": 6}
    assert tables.check(pl.DataFrame([row]), "minimums").row(0)[:5] == ("7", "response", 0, 24, 6)


def test_sensitive_values_are_never_told():
    secret = "Anne Example"
    frame = pl.concat([duty(person_id=secret), duty(person_id=secret, kind="maybe")])
    area = {"area_id": "B1", "level": "area", "kind": "all", "is_approximate": False}
    incident = {"incident_id": "1", "received_at": datetime(2026, 1, 1, tzinfo=UTC), "class_code": "x"}
    for bad, name in (
        (frame, "duties"),
        (pl.DataFrame([incident | {"origin": "public", "longitude": 181.2345}]), "incidents"),
        (pl.DataFrame([incident | {"origin": "public", "latitude": secret}]), "incidents"),
        (pl.DataFrame([area | {"centre_longitude": 181.2345}]), "areas"),
    ):
        text = "\n".join(told(bad, name))
        assert secret not in text
        assert ("181.2345" in text) == (name == "areas"), "what is not sensitive is shown"
    _, unreadable = tables.parse(pl.DataFrame({"longitude": [secret]}), "incidents")
    assert unreadable["reason"].to_list() == [
        "'longitude' is a value, which can't be read; a number from -180 to 180 was expected."
    ]


def test_faults_count_rows_from_nought_and_say_the_rule():
    frame = tables.empty("service_times").vstack(
        drawn(
            "service_times",
            "class_code | grade_code | share_deployed | units_per_deployment | minutes_per_unit | source",
            "theft      | all        | 0.4            | 1.2                  | 40               | measured",
            "theft      | all        | 1.4            | -1                   | nan              |",
        )
    )
    found = tables.faults(frame, "service_times")
    assert found.columns == ["row", "field", "reason_code", "reason"]
    assert found.select("row", "field", "reason_code").rows() == [
        (1, "class_code, grade_code", "repeated_key"),
        (1, "minutes_per_unit", "not_a_number"),
        (1, "share_deployed", "too_large"),
        (1, "source", "missing"),
        (1, "units_per_deployment", "too_small"),
    ]
    assert tables.faults(tables.empty("areas"), "areas").is_empty()


def test_not_a_number_is_told_once_and_not_as_too_large():
    area = {"area_id": "B1", "level": "area", "kind": "all", "is_approximate": False, "centre_latitude": float("nan")}
    (problem,) = told(pl.DataFrame([area]), "areas")
    assert "'centre_latitude' is 'NaN', which is not a number" in problem


def test_a_choice_that_is_not_known_is_told_with_the_choices():
    (problem,) = told(duty(kind="maybe"), "duties")
    assert problem == "Row 1: 'kind' is 'maybe', which is not known; 'planned' or 'worked' was expected."


def test_a_duty_ends_after_it_starts_and_within_a_day():
    starts = datetime(2026, 11, 23, 19, tzinfo=UTC)
    for hours in (0.25, 9.5, 24):
        good = duty(starts_at=starts, ends_at=starts + timedelta(hours=hours))
        assert tables.faults(good.cast(tables.table("duties").polars_schema), "duties").is_empty()
    (backwards,) = told(duty(starts_at=starts, ends_at=starts - timedelta(hours=1)), "duties")
    assert "'ends_at' is '2026-11-23T18:00:00Z', not after 'starts_at'" in backwards
    assert "an instant after 'starts_at' and at most 24 hours after it was expected" in backwards
    (nothing,) = told(duty(starts_at=starts, ends_at=starts), "duties")
    assert "not after 'starts_at'" in nothing
    (endless,) = told(duty(starts_at=starts, ends_at=starts + timedelta(days=11)), "duties")
    assert "too long after 'starts_at'" in endless


def test_a_row_may_hold_for_one_day_and_not_end_before_it_begins():
    def minimum(first: date | None, last: date | None) -> pl.DataFrame:
        days = {"valid_from": first, "valid_to": last}
        row = {"pool_id": "R1", "role_code": "response", "from_hour": 0, "to_hour": 24, "minimum_officers": 2, **days}
        return pl.DataFrame([row], schema=tables.table("minimums").polars_schema)

    day = date(2026, 11, 23)
    for first, last in ((day, day), (None, day), (day, None), (None, None)):
        assert tables.faults(minimum(first, last), "minimums").is_empty()
    (fault,) = tables.faults(minimum(day, day - timedelta(days=1)), "minimums").iter_rows(named=True)
    assert fault["field"] == "valid_to"
    assert fault["reason"] == (
        "'valid_to' is '2026-11-22', before 'valid_from'; a day that is not before 'valid_from' was expected."
    )


def test_text_that_is_required_may_not_be_empty():
    frame = duty().with_columns(role_code=pl.lit(""))
    assert told(frame, "duties") == ["Row 1: 'role_code' is empty; text was expected."]


# ---- the published form ----


def demand_rows(*rows: tuple[str, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "area_id": area, "hour_starting": datetime(2026, 1, 5, tzinfo=UTC), "class_code": "x",
                "grade_code": "1", "origin": "public", "incidents": 1, "deployed": deployed,
                "officer_hours": 0.1 + 0.2, "measured": 0,
            }
            for area, deployed in rows
        ]
    )  # fmt: skip


def test_a_published_table_is_sorted_by_key_and_rounded_as_stated():
    published = tables.publish(demand_rows(("b", 1.23449), ("a", 2.0004)), "demand")
    assert published["area_id"].to_list() == ["a", "b"]
    assert published["deployed"].to_list() == [2.0, 1.234]
    assert published["officer_hours"].to_list() == [0.3, 0.3]
    assert published.schema == tables.table("demand").polars_schema


def test_noise_in_the_last_digits_and_the_sign_of_nought_leave_no_trace():
    plain = tables.publish(demand_rows(("a", 0.0), ("b", 0.3)), "demand")
    noisy = tables.publish(demand_rows(("b", 0.1 + 0.2), ("a", -0.0)), "demand")
    tiny = tables.publish(demand_rows(("b", 0.3 - 1e-12), ("a", -1e-9)), "demand")
    assert tables.to_csv(plain, "demand") == tables.to_csv(noisy, "demand") == tables.to_csv(tiny, "demand")
    assert "-0" not in tables.to_csv(noisy, "demand").replace("2026-01-05", "")
    assert tables.fingerprint(plain, "demand") == tables.fingerprint(noisy, "demand")


@given(order=st.permutations(range(6)))
def test_the_order_in_which_rows_came_does_not_show(order):
    rows = demand_rows(*((f"area {number}", number / 7) for number in range(6)))
    assert tables.fingerprint(rows[order], "demand") == tables.fingerprint(rows, "demand")
    assert tables.publish(rows[order], "demand").equals(tables.publish(rows, "demand"))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("deployed", 0.001), ("incidents", 2), ("area_id", "A"), ("measured", 1),
        ("hour_starting", datetime(2026, 1, 5, 0, 0, 0, 500_000, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_any_change_changes_the_fingerprint(column, value):
    before = tables.publish(demand_rows(("a", 0.0)), "demand")
    after = before.with_columns(pl.lit(value).cast(before.schema[column]).alias(column))
    assert tables.fingerprint(before, "demand") != tables.fingerprint(after, "demand")


def test_nothing_and_an_empty_text_are_two_things_in_csv():
    events = "event_id | event_name | kind | starts_at | ends_at"
    row = "e1 | Fair | festival | 2026-07-10T11:00:00Z | 2026-07-12T22:00:00Z"
    unknown = drawn("events", events, row)
    empty = unknown.with_columns(area_id=pl.lit(""))
    assert tables.to_csv(unknown, "events") != tables.to_csv(empty, "events")


def test_csv_has_one_form_to_the_byte():
    frame = drawn(
        "minimums",
        "pool_id | role_code | from_hour | to_hour | minimum_officers | valid_from | source",
        "R2      | response  | 7         | 19      | 6                | 2026-01-01 | Policy, 4.2",
        "R1      | response  | 0         | 24      | 4                |            |",
    )
    assert tables.to_csv(frame, "minimums") == (
        "pool_id,role_code,from_hour,to_hour,minimum_officers,skill_code,valid_from,valid_to,source\n"
        "R1,response,0,24,4,,,,\n"
        'R2,response,7,19,6,,2026-01-01,,"Policy, 4.2"\n'
    )


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(begins):
    text = f'{begins}HYPERLINK("http://x";"y")'
    row = "e1 | Fair | festival | 2026-07-10T11:00:00Z | 2026-07-12T22:00:00Z"
    frame = drawn("events", "event_id | event_name | kind | starts_at | ends_at", row).with_columns(
        event_name=pl.lit(text), area_id=pl.lit(text)
    )
    read = pl.read_csv(io.StringIO(tables.to_csv(frame, "events")), infer_schema=False)
    assert read["event_name"].item() == f"'{text}"
    assert read["area_id"].item() == f"'{text}"
    assert read["event_id"].item() == "e1"


def test_a_minus_in_front_of_a_number_stays_a_number():
    area = {"area_id": "B1", "level": "area", "kind": "all", "is_approximate": False, "centre_longitude": -2.58}
    assert ",-2.58," in tables.to_csv(tables.check(pl.DataFrame([area]), "areas"), "areas")


# ---- reading text ----


def test_instants_are_read_in_the_forms_that_carry_a_zone():
    texts = [
        "2026-11-23T18:00:00Z", "2026-11-23T18:00Z", "2026-11-23 18:00:00+00:00", "2026-11-23T19:00:00+01:00",
        "2026-11-23T10:00:00-0800", "2026-11-23T18:00:00.000Z",
    ]  # fmt: skip
    typed, unreadable = tables.parse(pl.DataFrame({"starts_at": texts}), "duties")
    assert unreadable.is_empty()
    assert set(typed["starts_at"]) == {datetime(2026, 11, 23, 18, tzinfo=UTC)}


def test_what_cannot_be_read_is_told_row_by_row_and_left_empty():
    text = pl.DataFrame(
        {
            "starts_at": ["2026-11-23T18:00:00", "26-11-23T18:00:00Z", " ", None],
            "kind": ["planned", " worked ", "", "other"],
        }
    )
    typed, unreadable = tables.parse(text, "duties")
    assert typed["starts_at"].to_list() == [None] * 4
    assert typed["kind"].to_list() == ["planned", "worked", None, "other"]
    assert unreadable.select("row", "field", "reason_code").rows() == [
        (0, "starts_at", "unreadable"),
        (1, "starts_at", "unreadable"),
    ]


def test_truth_is_read_in_the_words_people_use():
    typed, unreadable = tables.parse(
        pl.DataFrame({"is_approximate": ["TRUE", "yes", "1", "False", "no", "0", "maybe"]}), "areas"
    )
    assert typed["is_approximate"].to_list() == [True, True, True, False, False, False, None]
    assert unreadable["row"].to_list() == [6]


# ---- JSON Schema ----


def as_json(frame: pl.DataFrame) -> list[dict[str, object]]:
    return json.loads(json.dumps(frame.to_dicts(), default=lambda value: value.isoformat().replace("+00:00", "Z")))


@pytest.mark.parametrize("name", EVERY_TABLE)
def test_json_schema_accepts_the_rows_that_check_accepts(name):
    schema = tables.json_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    typed, _ = tables.parse(as_text(name), name)
    full = tables.check(typed, name)
    sparse = full.with_columns(
        pl.lit(None, dtype=each.polars).alias(each.name) for each in tables.table(name).fields if not each.required
    )
    for row in as_json(pl.concat([full, tables.check(sparse, name)])):
        validator.validate(row)


@pytest.mark.parametrize("name", EVERY_TABLE)
def test_json_schema_refuses_what_check_refuses(name):
    validator = jsonschema.Draft202012Validator(tables.json_schema(name))
    typed, _ = tables.parse(as_text(name), name)
    (row,) = as_json(typed)
    definition = tables.table(name)
    assert not validator.is_valid(row | {"another": 1})
    for each in definition.fields:
        assert not validator.is_valid({key: value for key, value in row.items() if key != each.name})
        assert validator.is_valid(row | {each.name: None}) != each.required
        if each.enum:
            assert not validator.is_valid(row | {each.name: "no such choice"})
        if each.minimum is not None:
            assert not validator.is_valid(row | {each.name: each.minimum - 1})
        if each.maximum is not None:
            assert not validator.is_valid(row | {each.name: each.maximum + 1})
