"""Crosswalks: the most exact rule decides, versions are never written over, and mistakes are told all at once."""

import re
import tomllib
from datetime import date
from importlib.resources import files

import jsonschema
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.coded import OURS

from bluelamp import sources
from bluelamp.errors import BadSettings, NoInput, TryAgain
from bluelamp.sources import crosswalks


def rule(class_code="theft", origin="public", **said):
    return crosswalks.CodeRule.model_validate({"class": class_code, "origin": origin, **said})


def decided(rules, *codes, separator=None):
    """Which rule decides, and by what, for codes written `code` or `code: words`."""
    pairs = [each.partition(": ")[::2] for each in codes]
    frame = pl.DataFrame(
        [(code or None, words or None) for code, words in pairs],
        schema={"code": pl.String, "description": pl.String},
        orient="row",
    )
    return list(crosswalks.classify(frame, rules, separator).select("rule", "by").iter_rows())


def test_the_most_exact_rule_decides():
    rules = [
        rule(words=["nuisance"]),
        rule(patterns=["A*"]),
        rule(patterns=["ASB*"]),
        rule(codes=["ASB-1"]),
    ]
    assert decided(rules, "ASB-1: nuisance", "asb-2: nuisance", "A9: nuisance", "B1: a Nuisance", "B1", "") == [
        (4, "code"), (3, "pattern"), (2, "pattern"), (1, "words"), (None, None), (None, None),
    ]  # fmt: skip


def test_a_part_of_a_code_is_more_exact_than_a_pattern():
    rules = [rule(patterns=["TH*"]), rule(codes=["TH"]), rule(codes=["TH/B/X"])]
    assert decided(rules, "TH/B/X", "TH/B", "TH/B/Y", "THX", separator="/") == [
        (3, "code"), (2, "part"), (2, "part"), (1, "pattern"),
    ]  # fmt: skip


def test_a_pattern_speaks_of_whole_codes_and_its_other_letters_mean_themselves():
    assert decided([rule(patterns=["4?5.*"])], "415.A", "4155", "X415.A") == [
        (1, "pattern"), (None, None), (None, None),
    ]  # fmt: skip


def test_words_are_looked_for_in_the_code_too_and_the_first_rule_that_finds_them_decides():
    rules = [rule(words=["theft of cycle"]), rule(words=["theft"])]
    assert decided(rules, "THEFT_OF_CYCLE", "X: Theft", "Theft of Cycle: theft") == [
        (1, "words"), (2, "words"), (1, "words"),
    ]  # fmt: skip


CODE = st.text("AB1-/", max_size=5)


@given(st.lists(st.tuples(CODE, st.sampled_from(["", "theft", "noise"])), max_size=30), st.data())
def test_what_decides_is_among_the_rules_that_speak_of_it_and_order_of_rows_does_not_matter(rows, data):
    codes = data.draw(st.lists(CODE.filter(bool), max_size=3, unique=True))
    rules = [rule(codes=codes)] if codes else []
    rules += [rule(patterns=["A*"]), rule(patterns=["A?1*"]), rule(words=["noise"]), rule(words=["theft", "noise"])]
    frame = pl.DataFrame(rows, schema={"code": pl.String, "description": pl.String}, orient="row")
    found = crosswalks.classify(frame, rules)
    assert found.select("code", "description").equals(frame)
    claimed = crosswalks.claims(frame, rules)["claimed_by"].to_list()
    for decides, by, speaks in zip(found["rule"], found["by"], claimed, strict=True):
        assert (decides in speaks) if decides is not None else speaks == []
        assert (by is None) == (decides is None)
    turned = crosswalks.classify(frame.reverse(), rules)
    assert turned.reverse().equals(found)


def test_every_mistake_is_told_at_once_with_the_nearest_word():
    text = (
        'title = "x"\nversion = 0\nscheme = "s"\n'
        '[[rules]]\nclass = "burglry"\norigin = "publick"\ncodez = ["x"]\nwords = ["("]\n'
        '[[rules]]\nclass = "theft"\norigin = "public"\n'
    )
    with pytest.raises(BadSettings) as caught:
        crosswalks.parse_crosswalk(text, "ours.toml")
    said = str(caught.value)
    for words in (
        "'version'", "'made_on' is missing. It holds: Day", "'rules.1.class': not a class", "Did you mean 'burglary'?",
        "'rules.1.origin'", "'rules.1.codez' is not a setting of a crosswalk. Did you mean 'codes'?",
        "'rules.1.words': '(' is not a regular expression: unclosed group.", "'rules.2': some of 'codes'",
    ):  # fmt: skip
        assert words in said


def test_a_code_stands_in_a_crosswalk_once():
    twice = OURS + '[[rules]]\nclass = "theft"\norigin = "public"\ncodes = ["A", "a"]\npatterns = ["B*", "B*"]\n'
    with pytest.raises(BadSettings, match=r"Code 'a' stands in the crosswalk twice; pattern 'B\*' stands"):
        crosswalks.parse_crosswalk(twice)


def test_what_is_written_reads_back_the_same():
    crosswalk = crosswalks.parse_crosswalk(
        OURS + 'author = "A. Analyst"\nnotes = ["Quoted \\"so\\" \\\\ and ü\\u007f"]\n'
        '[[rules]]\nclass = "theft"\norigin = "public"\ncodes = ["A\\\\1"]\nwords = ["\\\\btheft"]\nnsir = "x"\n'
        'hocr = "49"\n'
    )
    assert crosswalks.parse_crosswalk(crosswalks.crosswalk_as_toml(crosswalk)) == crosswalk


def ours(version: int) -> crosswalks.Crosswalk:
    text = OURS.replace("version = 1", f"version = {version}")
    return crosswalks.parse_crosswalk(text + '[[rules]]\nclass = "theft"\norigin = "public"\ncodes = ["A"]\n')


def test_the_newest_version_is_read_and_one_that_is_named_is_that_one(tmp_path):
    for version in (1, 2, 10):
        crosswalks.write_version(tmp_path / "codes" / "ours.toml", ours(version))
    (tmp_path / "codes" / "ours.vX.toml").write_text("another thing")
    assert sorted(path.name for path in (tmp_path / "codes").iterdir()) == [
        "ours.toml", "ours.v10.toml", "ours.v2.toml", "ours.vX.toml",
    ]  # fmt: skip
    found = crosswalks.read_crosswalk("codes/ours.toml", tmp_path)
    assert found.record["version"] == 10
    assert found.name == "codes/ours.v10.toml"
    assert crosswalks.read_crosswalk("codes/ours.v2.toml", tmp_path).crosswalk.version == 2


def test_a_version_is_never_written_over(tmp_path):
    crosswalks.write_version(tmp_path / "ours.toml", ours(2))
    before = (tmp_path / "ours.v2.toml").read_bytes()
    other = ours(2).model_copy(update={"title": "another"})
    with pytest.raises(TryAgain, match=r"ours\.v2\.toml is there already: somebody else saved"):
        crosswalks.write_version(tmp_path / "ours.toml", other)
    assert (tmp_path / "ours.v2.toml").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["ours.v2.toml"]


def test_a_file_whose_name_and_version_differ_is_refused(tmp_path):
    (tmp_path / "ours.v3.toml").write_text(crosswalks.crosswalk_as_toml(ours(2)))
    with pytest.raises(BadSettings, match="says version = 2, its name version 3"):
        crosswalks.read_crosswalk("ours.toml", tmp_path)


def test_a_crosswalk_that_is_not_there_is_said_with_those_that_are(tmp_path):
    with pytest.raises(NoInput, match=r"no crosswalk 'nsir_lik'.*Did you mean 'nsir_like'"):
        crosswalks.read_crosswalk("nsir_lik", tmp_path)


RULES = (
    rule("theft", codes=["A", "B"]),
    rule("patrol", "officer_initiated", codes=["C"], nsir="kept"),
    rule("animals", words=["dog"]),
)


def test_a_code_that_is_changed_joins_the_rule_with_its_new_meaning():
    changed = crosswalks.changed_rules(RULES, {"b": ("patrol", "officer_initiated")}, {})
    assert [each.codes for each in changed] == [("A",), ("C", "b"), ()]
    assert changed[1].nsir == "kept"


def test_a_code_with_a_meaning_that_no_rule_has_gets_a_rule_and_an_empty_one_goes():
    changed = crosswalks.changed_rules(RULES, {"C": ("animals", "public"), "D": ("animals", "public")}, {})
    # The rule of words is no list of codes; what it says of others stays as it was.
    assert [(each.class_code, each.codes) for each in changed] == [
        ("theft", ("A", "B")), ("animals", ()), ("animals", ("C", "D")),
    ]  # fmt: skip


def test_a_rule_that_is_changed_takes_its_codes_with_it():
    changed = crosswalks.changed_rules(RULES, {"A": ("theft", "public")}, {1: ("fraud", "partner")})
    assert [(*each.meaning, each.codes) for each in changed][:1] == [("fraud", "partner", ("B",))]
    assert (changed[-1].meaning, changed[-1].codes) == (("theft", "public"), ("A",))


def test_a_change_to_what_is_no_class_is_refused():
    with pytest.raises(BadSettings, match="'class': not a class"):
        crosswalks.changed_rules(RULES, {"A": ("theft!", "public")}, {})
    with pytest.raises(BadSettings, match="'origin'"):
        crosswalks.changed_rules(RULES, {}, {2: ("theft", "nobody")})


# ---- What is shipped ----


@pytest.mark.parametrize("name", sources.shipped_crosswalks())
def test_a_shipped_crosswalk_says_what_it_is_and_fits_the_published_schema(name):
    found = sources.read_crosswalk(name)
    assert found.crosswalk.title == sources.shipped_crosswalks()[name]
    assert found.crosswalk.notes
    schema = sources.crosswalk_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    text = (files("bluelamp.sources") / "codes" / f"{name}.toml").read_text(encoding="utf-8")
    values = tomllib.loads(text)
    values["made_on"] = values["made_on"].isoformat()
    jsonschema.validate(values, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values | {"versoin": 1}, schema)


def test_the_shipped_categories_claim_no_conformity_and_name_themes_that_are_public():
    crosswalk = sources.read_crosswalk("nsir_like").crosswalk
    assert "no conformity" in " ".join(crosswalk.notes)
    themes = {rule.nsir.partition(":")[0] for rule in crosswalk.rules if rule.nsir}
    assert themes == {"Transport", "Anti-Social Behaviour", "Public Safety and Welfare", "Administration"}
    assert not any(rule.hocr or rule.nibrs for rule in crosswalk.rules)


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("ASB - Personal", ("antisocial_behaviour", "public")),
        ("ASB NUISANCE", ("antisocial_behaviour", "public")),
        ("RTC - Death/Injury", ("collision", "public")),
        ("Highway disruption", ("traffic", "public")),
        ("Concern for safety", ("welfare", "public")),
        ("Missing person", ("missing_person", "public")),
        ("Domestic incident", ("domestic", "public")),
        ("Suspicious circumstances / insecure premises", ("suspicious", "public")),
        ("Alarm - police installed", ("alarm", "public")),
        ("Abandoned call to emergency services", ("abandoned_call", "public")),
        ("Civil dispute", ("assistance", "public")),
        ("Sudden death", ("welfare", "public")),
        ("Suicide threats", ("mental_health", "public")),
        ("Burglary dwelling", ("burglary", "public")),
        ("Theft of motor vehicle", ("vehicle_crime", "public")),
        ("Assault occasioning ABH", ("violence", "public")),
        ("Assist other agency", ("assistance", "partner")),
        ("Hospital guard", ("warrant", "mandatory_internal")),
        ("Vehicle stop", ("patrol", "officer_initiated")),
        ("Pre-planned event", ("patrol", "directed")),
        ("Messages", ("administration", "administrative")),
        ("415 SHOT SPOTTER GUN", ("weapons", "public")),
    ],
)
def test_the_shipped_categories_are_found_by_words_that_uk_control_rooms_use(words, meaning):
    rules = sources.read_crosswalk("nsir_like").crosswalk.rules
    number = decided(rules, f"X: {words}")[0][0]
    assert number is not None
    assert rules[number - 1].meaning == meaning


def test_no_rule_of_the_shipped_categories_is_hidden_by_one_above_it():
    """Each pattern of words finds something that no rule above it finds."""
    rules = sources.read_crosswalk("nsir_like").crosswalk.rules
    for number, each in enumerate(rules, 1):
        examples = [re.sub(r"\\b|\(|\)|\?|\\|\[.*?\]|\{.*?\}|\.", " ", words).replace("|", " ") for words in each.words]
        first = {decided(rules, f"X: {' '.join(words.split())}")[0][0] for words in examples}
        assert number in first, (number, each.class_code)


def test_made_on_is_a_day():
    assert sources.read_crosswalk("nsir_like").crosswalk.made_on >= date(2026, 11, 22)
